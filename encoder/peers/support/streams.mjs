// The streams that are shown to others: one small clip, packaged in every way.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const program = join(process.env.HEADGATE_BIN_DIR ?? '', 'headgate-encode');
const folder = mkdtempSync(join(tmpdir(), 'headgate-peers-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Seconds of the clip. */
export const SECONDS = 6;
export const FRAMES_PER_SECOND = 30;

/** Where all streams lie. */
export const root = folder;

export const file = (name) => join(folder, name);

/** A function that makes what all who call it share. */
export function once(make) {
  let made;
  return () => (made ??= make());
}

/** Runs `headgate-encode` and returns its last JSON line. */
export async function encode(...args) {
  const { stdout } = await run(program, [...args, '--json'], { timeout: 120_000 });
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

/** Runs `ffmpeg` in the folder, and returns the bytes it printed. */
export async function ffmpeg(...args) {
  const options = { cwd: folder, timeout: 120_000, encoding: 'buffer', maxBuffer: 64 << 20 };
  return (await run('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args], options)).stdout;
}

/** The clip. */
export const source = once(async () => {
  const clip = file('clip.mp4');
  await encode('sample', '--out', clip, '--seconds', String(SECONDS), '--size', '640x360');
  return clip;
});

const LADDER = '360p:500k,180p:150k,audio:64k';

/** Encodes the clip, or another one, and tells where the manifests are below `root`. */
export async function stream(name, args = [], { clip, ladder = LADDER } = {}) {
  clip ??= await source();
  await encode('vod', clip, '--out', file(name), '--preset', 'ultrafast', '--ladder', ladder, ...args);
  return whereabouts(name, clip);
}

/** What is known of a stream: its manifests, and the clip that it shows. */
export function whereabouts(name, clip) {
  return { clip, folder: file(name), hls: `${name}/hls/master.m3u8`, dash: `${name}/dash/manifest.mpd` };
}
