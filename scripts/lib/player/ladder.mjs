// The stream of the players' benchmarks: six rungs of noisy pictures at real bitrates, few pixels (browsers here decode in software), each
// rung of a size of its own so that a page sees which one it shows.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../aside.mjs';
import { cache } from '../paths.mjs';
import { say } from '../report.mjs';
import { mustRun } from '../run.mjs';

export const SEGMENT_S = 4;
const SECONDS = 160;
/** Of the shorter version, `short`. */
export const SHORT_S = 96;
const FPS = 25;

/** Lowest first: kbit/s as in Pensieve's ladder. */
export const RUNGS = [
  { width: 416, height: 234, kbps: 300 },
  { width: 480, height: 270, kbps: 750 },
  { width: 512, height: 288, kbps: 1200 },
  { width: 576, height: 324, kbps: 1850 },
  { width: 608, height: 342, kbps: 2850 },
  { width: 640, height: 360, kbps: 4300 },
];

/** The lowest of the version `high`, which has no others below. */
const HIGH = 3;

/** The folder with `main.m3u8`, `main.mpd`, and the like of `short` and `high`; made once. */
export async function makeLadder() {
  const folder = join(cache, 'bench-player-1');
  if (!existsSync(folder)) say(`making ${SECONDS} s of ${RUNGS.length} rungs`);
  await makeFolder(folder, async (made) => {
    await encode(made);
    finish(made);
  });
  return folder;
}

async function encode(folder) {
  const input = `testsrc2=size=640x360:rate=${FPS}:duration=${SECONDS},noise=alls=18:allf=t`;
  const parts = RUNGS.map(({ width, height }, i) => `[s${i}]scale=${width}:${height}[v${i}]`);
  const filter = `[0:v]split=${RUNGS.length}${RUNGS.map((_, i) => `[s${i}]`).join('')};${parts.join(';')}`;
  const rates = RUNGS.flatMap(({ kbps }, i) => [`-b:v:${i}`, `${kbps}k`, `-maxrate:v:${i}`, `${kbps * 1.1}k`, `-bufsize:v:${i}`, `${kbps * 2}k`]);
  const options = [
    ...['-v', 'error', '-nostdin', '-f', 'lavfi', '-i', input, '-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:duration=${SECONDS}`],
    ...['-filter_complex', filter, ...RUNGS.flatMap((_, i) => ['-map', `[v${i}]`]), '-map', '1:a'],
    ...['-c:v', 'libx264', '-preset', 'superfast', '-profile:v', 'main', '-pix_fmt', 'yuv420p', '-bf', '2'],
    ...['-g', `${2 * FPS}`, '-keyint_min', `${2 * FPS}`, '-sc_threshold', '0', ...rates, '-c:a', 'aac', '-b:a', '96k', '-ac', '2'],
    ...['-f', 'dash', '-seg_duration', `${SEGMENT_S}`, '-use_template', '1', '-use_timeline', '0', '-hls_playlist', '1'],
    ...['-hls_master_name', 'main.m3u8', '-adaptation_sets', 'id=0,streams=v id=1,streams=a', 'main.mpd'],
  ];
  await mustRun('ffmpeg', options, { cwd: folder }, 'Is it installed? apt-get install ffmpeg');
}

/** The manifests as they are to be, and others for the same segments, of fewer of them or fewer rungs. */
function finish(folder) {
  const edit = (from, to, change) => writeFileSync(join(folder, to), change(readFileSync(join(folder, from), 'utf8')));
  // What FFmpeg asks for, two whole segments ahead of playback, and no initialization section at a switch, is not what services write.
  edit('main.mpd', 'main.mpd', (text) => text.replace(/minBufferTime="[^"]+"/, 'minBufferTime="PT2S"').replaceAll(' bitstreamSwitching="true"', ''));
  edit('main.mpd', 'short.mpd', (text) =>
    text.replace(/(mediaPresentationDuration|duration)="PT[^"]+"/g, `$1="PT${SHORT_S}S"`),
  );
  const low = new RegExp(`\\s*<Representation id="[0-${HIGH - 1}]"[^]*?</Representation>`, 'g');
  edit('main.mpd', 'high.mpd', (text) => text.replace(low, ''));
  const lowLine = new RegExp(`#EXT-X-STREAM-INF.*\nmedia_[0-${HIGH - 1}]\\.m3u8\n+`, 'g');
  edit('main.m3u8', 'high.m3u8', (text) => text.replace(lowLine, ''));
  edit('main.m3u8', 'short.m3u8', (text) => text.replaceAll('media_', 'short_'));
  for (let i = 0; i <= RUNGS.length; i++) {
    edit(`media_${i}.m3u8`, `short_${i}.m3u8`, (text) => {
      let left = SHORT_S / SEGMENT_S;
      const end = text.split('\n').findIndex((line) => line.endsWith('.m4s') && --left === 0);
      return [...text.split('\n').slice(0, end + 1), '#EXT-X-ENDLIST', ''].join('\n');
    });
  }
}
