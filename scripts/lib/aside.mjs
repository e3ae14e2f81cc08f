// Nothing half-made is ever found at its final place: build aside, then rename.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cache } from './paths.mjs';

const pending = new Set();

/**
 * Makes the folder `final` by `build(aside)`, unless it is there. Two set-ups at once both build, and the first one done
 * wins: no lock that a killed process could leave behind.
 */
export async function makeFolder(final, build) {
  if (existsSync(final)) return;
  const aside = scratchFolder();
  const result = join(aside, 'result');
  mkdirSync(result);
  await build(result, aside);
  mkdirSync(dirname(final), { recursive: true });
  try {
    renameSync(result, final);
  } catch (error) {
    if (!existsSync(final)) throw error;
  }
  drop(aside);
}

/** Writes a file so that a reader sees the old or the new text, never a part. */
export function writeWhole(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}.partial`;
  writeFileSync(aside, text);
  renameSync(aside, path);
}

/** A folder that is removed again at the end of this process at the latest, or by the next set-up if this one is killed. */
export function scratchFolder() {
  const parent = join(cache, 'tmp');
  mkdirSync(parent, { recursive: true });
  for (const name of readdirSync(parent)) {
    if (!existsSync(`/proc/${name.split('-')[0]}`)) drop(join(parent, name));
  }
  const folder = mkdtempSync(join(parent, `${process.pid}-`));
  pending.add(folder);
  return folder;
}

function drop(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  pending.delete(folder);
}

process.once('exit', () => [...pending].forEach(drop));
