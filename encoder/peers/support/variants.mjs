// Every way of packaging that others are to read.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FRAMES_PER_SECOND, SECONDS, encode, ffmpeg, file, once, source, stream, whereabouts } from './streams.mjs';

/** Keys as a licence server would know them: hexadecimal key IDs to keys. Shaka wants them beside an HLS playlist. */
async function encrypted(name, ...args) {
  const keyFile = file(`${name}.keys.json`);
  const made = await stream(name, ['--key-out', keyFile, '--key-url', '../keys/{kid}.key', ...args]);
  const { keys } = JSON.parse(readFileSync(keyFile, 'utf8'));
  mkdirSync(join(made.folder, 'keys'));
  for (const { kid, key } of keys) writeFileSync(join(made.folder, `keys/${kid.replaceAll('-', '')}.key`), Buffer.from(key, 'hex'));
  return { ...made, keys: Object.fromEntries(keys.map(({ kid, key }) => [kid.replaceAll('-', ''), key])) };
}

const SUBTITLES = `1
00:00:00,500 --> 00:00:02,500
Hello <i>there</i>

2
00:00:03,000 --> 00:00:05,000
Good & bye
`;

/** Two languages of sound, one of subtitles inside, one beside. */
async function languages() {
  const [srt, film] = [file('text.srt'), file('languages.mkv')];
  writeFileSync(srt, SUBTITLES);
  const metadata = ['s:a:0', 'eng', 's:a:1', 'ger', 's:s:0', 'fre'];
  await ffmpeg(
    ...['-i', await source(), '-f', 'lavfi', '-i', `sine=frequency=500:sample_rate=48000:duration=${SECONDS}`, '-i', srt],
    ...['-map', '0', '-map', '1', '-map', '2', '-c:v', 'copy', '-c:a', 'aac', '-c:s', 'srt'],
    ...[0, 2, 4].flatMap((at) => [`-metadata:${metadata[at]}`, `language=${metadata[at + 1]}`]),
    film,
  );
  return stream('languages', ['--subtitles', `en:sdh=${srt}`], { clip: film });
}

/** Where the segments of a clip with two cuts begin, none of them at a multiple of two seconds. */
const CUTS = [44 / FRAMES_PER_SECOND, 128 / FRAMES_PER_SECOND];

async function shots() {
  const clip = file('shots.mp4');
  const [from, to] = CUTS.map((at) => at - 0.5 / FRAMES_PER_SECOND);
  const negative = `negate=enable='between(t,${from},${to})'`;
  await ffmpeg('-i', await source(), '-c:a', 'copy', '-vf', negative, '-c:v', 'libx264', '-preset', 'ultrafast', '-qp', '16', clip);
  return stream('shots', ['--shot-aligned'], { clip });
}

/** What another encoder made, packaged as it is. */
async function packaged() {
  const clip = await source();
  const inputs = [320, 160].map((width) => ({ width, path: file(`${width}.mp4`) }));
  for (const { width, path } of inputs) {
    const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '60', '-keyint_min', '60', '-sc_threshold', '0'];
    await ffmpeg('-i', clip, ...(width === 160 ? ['-an'] : ['-c:a', 'copy']), '-vf', `scale=${width}:-2`, ...x264, path);
  }
  await encode('package', ...inputs.map(({ path }) => path), '--out', file('packaged'));
  return whereabouts('packaged', clip);
}

/**
 * `players` who can play it, where not all can; Headgate itself does not decrypt yet.
 * hls.js asks a server for ClearKey licences, which these streams do not have.
 */
const DECRYPTERS = ['dash.js', 'Shaka'];

/** Each is made when it is asked for, and once. `cuts` is where its segments begin, after the first. */
export const variants = [
  { name: 'segments', make: () => stream('segments') },
  { name: 'single files', make: () => stream('single', ['--single-file']) },
  { name: 'constant duration', make: () => stream('constant', ['--mpd', 'duration']) },
  { name: 'parts and short groups of pictures', make: () => stream('parts', ['--part-s', '0.5', '--gop-s', '1']) },
  { name: 'segments that begin with shots', make: shots, cuts: CUTS },
  { name: 'languages and subtitles', make: languages },
  { name: 'VP9 and Opus', make: () => stream('vp9', [], { ladder: '180p:200k:vp9,audio:64k:opus' }) },
  { name: 'AV1 and AAC', make: () => stream('av1', [], { ladder: '180p:200k:av1,audio:64k' }) },
  { name: 'H.264 beside AV1, AAC beside Opus', make: () => stream('mixed', [], { ladder: '360p:500k,180p:200k,180p:150k:av1,audio:64k,audio:48k:opus' }) },
  { name: 'MPEG-TS beside CMAF', make: () => stream('ts', ['--hls-ts']) },
  { name: 'MPEG-TS in AES-128', make: () => encrypted('aes128', '--hls-ts', '--encrypt', 'cenc'), players: ['hls.js', 'Shaka'], protocols: ['hls'] },
  { name: 'MPEG-TS in SAMPLE-AES', make: () => encrypted('sampleaes', '--hls-ts', '--encrypt', 'cbcs'), players: ['hls.js'], protocols: ['hls'] },
  { name: 'packaged, not encoded', make: packaged },
  { name: 'cenc', make: () => encrypted('cenc', '--encrypt', 'cenc'), players: DECRYPTERS },
  { name: 'cbcs', make: () => encrypted('cbcs', '--encrypt', 'cbcs'), players: DECRYPTERS },
  { name: 'cbcs after a clear lead', make: () => encrypted('lead', '--encrypt', 'cbcs', '--clear-lead-s', '2'), players: DECRYPTERS },
].map((variant) => ({ cuts: [2, 4], ...variant, make: once(variant.make) }));
