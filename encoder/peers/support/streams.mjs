// The streams that are shown to others: one small clip, packaged in every way.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = join(process.env.HEADGATE_BIN_DIR ?? '', 'headgate-encode');
const folder = mkdtempSync(join(tmpdir(), 'headgate-peers-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Seconds of the clip. */
export const SECONDS = 6;

/** Where all streams lie. */
export const root = folder;

/** Runs `headgate-encode` and returns its last JSON line. */
export function encode(...args) {
  const printed = execFileSync(program, [...args, '--json'], { encoding: 'utf8', timeout: 120_000, stdio: ['ignore', 'pipe', 'inherit'] });
  return JSON.parse(printed.trim().split('\n').at(-1));
}

/** Runs `ffmpeg` in the folder. */
export function ffmpeg(...args) {
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args], { cwd: folder, timeout: 120_000 });
}

export const file = (name) => join(folder, name);

let clip;

/** The clip; made once. */
export function source() {
  if (!clip) {
    clip = file('clip.mp4');
    encode('sample', '--out', clip, '--seconds', String(SECONDS), '--size', '640x360');
  }
  return clip;
}

const LADDER = '360p:500k,180p:150k,audio:64k';

/** Makes the stream `name` of the clip, unless it is there, and returns the paths of its manifests below `root`. */
const made = new Map();
export function stream(name, ...args) {
  if (!made.has(name)) {
    const has = (option) => args.includes(option);
    const ladder = has('--ladder') ? [] : ['--ladder', LADDER];
    const from = has('--source') ? args[args.indexOf('--source') + 1] : source();
    const options = args.filter((arg) => arg !== '--source' && arg !== from);
    encode('vod', from, '--out', file(name), '--preset', 'ultrafast', ...ladder, ...options);
    made.set(name, { folder: file(name), hls: `${name}/hls/master.m3u8`, dash: `${name}/dash/manifest.mpd` });
  }
  return made.get(name);
}
