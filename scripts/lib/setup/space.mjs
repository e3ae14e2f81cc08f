// Room on the disk: cargo never removes what it built for an older commit, so its folders grow without end.

import { existsSync, lstatSync, mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cache, target } from '../paths.mjs';
import { Problem, say } from '../report.mjs';

const GB = 1e9;
/** About twice what one build of everything takes. */
const LARGEST_TARGET = 14 * GB;
/** What a first build writes, and a little more. */
const NEEDED = { run: 4 * GB, test: 9 * GB };
/** What an incremental build writes. */
const NEEDED_AGAIN = 2 * GB;

/**
 * Empties cargo's target folder when it has outgrown what a build needs or the disk is nearly full; fails early, and with a
 * remedy, where no build could end.
 * @param {'run' | 'test'} level
 */
export function makeRoom(level, { folder = target, largest = LARGEST_TARGET, free = freeBytes } = {}) {
  const size = folderBytes(folder);
  if (size > 0 && (size > largest || free(folder) < NEEDED_AGAIN)) {
    say(`  ${folder}: ${gigabytes(size)}, ${gigabytes(free(folder))} free on its disk: emptied`);
    rmSync(folder, { recursive: true, force: true });
  }
  const needed = existsSync(folder) ? NEEDED_AGAIN : NEEDED[level];
  const left = free(folder);
  if (left < needed) {
    throw new Problem(
      `${gigabytes(left)} are free on the disk of ${folder}, and a build takes ${gigabytes(needed)}`,
      `Free some, or set HEADGATE_CACHE to a folder on another disk. Other checkouts' builds are in ${join(cache, 'target')} and may be deleted.`,
    );
  }
}

/** What its files take on the disk. */
export function folderBytes(folder) {
  if (!existsSync(folder)) return 0;
  let bytes = 0;
  const seen = new Set();
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const { ino, nlink, blocks } = lstatSync(join(entry.parentPath ?? entry.path, entry.name), { throwIfNoEntry: false }) ?? {};
    // Cargo gives what it built a second name.
    if (nlink > 1 && seen.has(ino)) continue;
    seen.add(ino);
    bytes += (blocks ?? 0) * 512;
  }
  return bytes;
}

function freeBytes(folder) {
  const parent = dirname(folder);
  mkdirSync(parent, { recursive: true });
  const { bavail, bsize } = statfsSync(parent);
  return bavail * bsize;
}

function gigabytes(bytes) {
  return `${(bytes / GB).toFixed(1)} GB`;
}
