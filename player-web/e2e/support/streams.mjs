// A short CMAF ladder with an HLS and a DASH manifest, made by the ffmpeg command for the time of the tests.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const DURATION_S = 16;
const RUNGS = [
  { width: 640, height: 360, kbps: 800 },
  { width: 480, height: 270, kbps: 400 },
  { width: 256, height: 144, kbps: 150 },
];

/** Makes `hls.m3u8`, `dash.mpd` and their segments of two seconds. */
export function makeStream() {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-e2e-'));
  const names = RUNGS.map((_, i) => `[v${i}]`);
  const scale = RUNGS.map(({ width, height }, i) => `[s${i}]scale=${width}:${height}${names[i]}`);
  const filter = `[0:v]split=${RUNGS.length}${RUNGS.map((_, i) => `[s${i}]`).join('')};${scale.join(';')}`;
  const rates = RUNGS.flatMap(({ kbps }, i) => [`-b:v:${i}`, `${kbps}k`, `-maxrate:v:${i}`, `${kbps}k`, `-bufsize:v:${i}`, `${kbps}k`]);
  execFileSync('ffmpeg', [
    ...['-v', 'error', '-nostdin', '-f', 'lavfi', '-i', `testsrc2=size=640x360:rate=25:duration=${DURATION_S}`],
    ...['-f', 'lavfi', '-i', `sine=frequency=440:sample_rate=48000:duration=${DURATION_S}`],
    ...['-filter_complex', filter, ...names.flatMap((name) => ['-map', name]), '-map', '1:a'],
    ...['-c:v', 'libx264', '-preset', 'ultrafast', '-profile:v', 'main', '-pix_fmt', 'yuv420p'],
    ...['-g', '50', '-keyint_min', '50', '-sc_threshold', '0', ...rates, '-c:a', 'aac', '-b:a', '64k'],
    ...['-f', 'dash', '-seg_duration', '2', '-use_template', '1', '-use_timeline', '0', '-hls_playlist', '1'],
    ...['-hls_master_name', 'hls.m3u8', '-adaptation_sets', 'id=0,streams=v id=1,streams=a', 'dash.mpd'],
  ], { cwd: folder });
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
