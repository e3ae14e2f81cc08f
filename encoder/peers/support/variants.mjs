// Every way of packaging that others are to read.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SECONDS, ffmpeg, file, source, stream, encode } from './streams.mjs';

/** Keys as a licence server would know them: hexadecimal key IDs to keys. Shaka wants them beside an HLS playlist. */
function encrypted(name, ...args) {
  const keyFile = file(`${name}.keys.json`);
  const made = stream(name, '--key-out', keyFile, '--key-url', '../keys/{kid}.key', ...args);
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
function languages() {
  const [srt, film] = [file('text.srt'), file('languages.mkv')];
  writeFileSync(srt, SUBTITLES);
  const metadata = ['s:a:0', 'eng', 's:a:1', 'ger', 's:s:0', 'fre'];
  ffmpeg(
    ...['-i', source(), '-f', 'lavfi', '-i', `sine=frequency=500:sample_rate=48000:duration=${SECONDS}`, '-i', srt],
    ...['-map', '0', '-map', '1', '-map', '2', '-c:v', 'copy', '-c:a', 'aac', '-c:s', 'srt'],
    ...[0, 2, 4].flatMap((at) => [`-metadata:${metadata[at]}`, `language=${metadata[at + 1]}`]),
    film,
  );
  return stream('languages', '--source', film, '--subtitles', `en:sdh=${srt}`);
}

/** What another encoder made, packaged as it is. */
function packaged() {
  const inputs = [320, 160].map((width) => {
    const path = file(`${width}.mp4`);
    const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '60', '-keyint_min', '60', '-sc_threshold', '0'];
    ffmpeg('-i', source(), ...(width === 160 ? ['-an'] : ['-c:a', 'copy']), '-vf', `scale=${width}:-2`, ...x264, path);
    return path;
  });
  const folder = file('packaged');
  encode('package', ...inputs, '--out', folder);
  return { folder, hls: 'packaged/hls/master.m3u8', dash: 'packaged/dash/manifest.mpd' };
}

const once = (make) => {
  let made;
  return () => (made ??= make());
};

/**
 * `players` who can play it, where not all can; Headgate itself does not decrypt yet.
 * hls.js asks a server for ClearKey licences, which these streams do not have.
 */
const DECRYPTERS = ['dash.js', 'Shaka'];

export const variants = [
  { name: 'segments', make: () => stream('segments') },
  { name: 'single files', make: () => stream('single', '--single-file') },
  { name: 'constant duration', make: () => stream('constant', '--mpd', 'duration') },
  { name: 'parts and short groups of pictures', make: () => stream('parts', '--part-s', '0.5', '--gop-s', '1') },
  { name: 'segments that begin with shots', make: () => stream('shots', '--shot-aligned') },
  { name: 'languages and subtitles', make: once(languages) },
  { name: 'VP9 and Opus', make: () => stream('vp9', '--ladder', '180p:200k:vp9,audio:64k:opus') },
  { name: 'AV1 and AAC', make: () => stream('av1', '--ladder', '180p:200k:av1,audio:64k') },
  { name: 'H.264 beside AV1, AAC beside Opus', make: () => stream('mixed', '--ladder', '360p:500k,180p:200k,180p:150k:av1,audio:64k,audio:48k:opus') },
  { name: 'MPEG-TS beside CMAF', make: () => stream('ts', '--hls-ts') },
  { name: 'MPEG-TS in AES-128', make: once(() => encrypted('aes128', '--hls-ts', '--encrypt', 'cenc')), players: ['hls.js', 'Shaka'], protocols: ['hls'] },
  { name: 'MPEG-TS in SAMPLE-AES', make: once(() => encrypted('sampleaes', '--hls-ts', '--encrypt', 'cbcs')), players: ['hls.js'], protocols: ['hls'] },
  { name: 'packaged, not encoded', make: once(packaged) },
  { name: 'cenc', make: once(() => encrypted('cenc', '--encrypt', 'cenc')), players: DECRYPTERS },
  { name: 'cbcs', make: once(() => encrypted('cbcs', '--encrypt', 'cbcs')), players: DECRYPTERS },
  { name: 'cbcs after a clear lead', make: once(() => encrypted('lead', '--encrypt', 'cbcs', '--clear-lead-s', '2')), players: DECRYPTERS },
];
