// Streams of other kinds than the ladder of streams.mjs: transport streams, encrypted ones, packed audio, several languages, text,
// periods, discontinuities. Short and small; made by the ffmpeg command, the manifests by hand.

import { execFileSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const SEGMENT_S = 2;
/** Of the transport streams. */
export const TS_S = 40;
const SAMPLE_RATE = 48_000;
const KEY = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
const IV = 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff';
export const KEY_HEX = KEY.toString('hex');

const PICTURES = ['-c:v', 'libx264', '-preset', 'ultrafast', '-profile:v', 'main', '-bf', '2', '-pix_fmt', 'yuv420p', '-g', '50', '-keyint_min', '50', '-sc_threshold', '0', '-b:v', '150k'];
const SOUND = ['-c:a', 'aac', '-b:a', '64k', '-ac', '1'];

function ffmpeg(folder, args) {
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', ...args], { cwd: folder });
}

function pictures(seconds) {
  return ['-f', 'lavfi', '-i', `testsrc2=size=320x180:rate=25:duration=${seconds}`];
}

function tone(hz, seconds) {
  return ['-f', 'lavfi', '-i', `sine=frequency=${hz}:sample_rate=${SAMPLE_RATE}:duration=${seconds}`];
}

function hls(name) {
  return ['-f', 'hls', '-hls_time', `${SEGMENT_S}`, '-hls_list_size', '0', '-hls_segment_filename', `${name}/%d.ts`, `${name}/list.m3u8`];
}

/** Pictures and sound in one transport stream: `ts/list.m3u8`, and `ts/master.m3u8` above it. */
export function makeTs(folder) {
  mkdirSync(join(folder, 'ts'), { recursive: true });
  ffmpeg(folder, [...pictures(TS_S), ...tone(440, TS_S), ...PICTURES, ...SOUND, ...hls('ts')]);
  write(folder, 'ts/master.m3u8', [
    '#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=320x180,CODECS="avc1.4d400d,mp4a.40.2"',
    'list.m3u8',
  ]);
}

/** The same, each segment encrypted as a whole: `aes/list.m3u8`. */
export function makeEncrypted(folder) {
  mkdirSync(join(folder, 'aes'), { recursive: true });
  writeFileSync(join(folder, 'aes/secret.key'), KEY);
  writeFileSync(join(folder, 'aes/info'), `secret.key\n${join(folder, 'aes/secret.key')}\n${IV}\n`);
  ffmpeg(folder, ['-i', 'ts/list.m3u8', '-t', '16', '-c', 'copy', '-hls_key_info_file', 'aes/info', ...hls('aes')]);
}

/** The ladder's lowest pictures, each segment encrypted as a whole, the initialization section too: `locked/list.m3u8`. */
export function makeEncryptedFmp4(folder, count = 6) {
  mkdirSync(join(folder, 'locked'), { recursive: true });
  writeFileSync(join(folder, 'locked/secret.key'), KEY);
  const lock = (from, to) => {
    const cipher = createCipheriv('aes-128-cbc', KEY, Buffer.from(IV, 'hex'));
    writeFileSync(join(folder, 'locked', to), Buffer.concat([cipher.update(readFileSync(join(folder, from))), cipher.final()]));
  };
  lock('init-stream2.m4s', 'init.mp4');
  const list = ['#EXT-X-TARGETDURATION:2', `#EXT-X-KEY:METHOD=AES-128,URI="secret.key",IV=0x${IV}`, '#EXT-X-MAP:URI="init.mp4"'];
  for (let i = 1; i <= count; i++) {
    lock(`chunk-stream2-0000${i}.m4s`, `${i}.m4s`);
    list.push('#EXTINF:2,', `${i}.m4s`);
  }
  write(folder, 'locked/list.m3u8', [...list, '#EXT-X-ENDLIST']);
}

/** Pictures in a transport stream, and sound in frames of ADTS behind ID3 tags: `packed/master.m3u8`. */
export function makePacked(folder, seconds = 16) {
  mkdirSync(join(folder, 'packed'), { recursive: true });
  ffmpeg(folder, [...pictures(seconds), ...PICTURES, ...hls('packed')]);
  ffmpeg(folder, [...tone(660, seconds), ...SOUND, '-f', 'adts', 'packed/whole.aac']);
  const probe = ['-v', 'error', '-show_entries', 'stream=start_pts', '-of', 'csv=p=0', 'packed/0.ts'];
  const [start] = execFileSync('ffprobe', probe, { cwd: folder }).toString().split('\n').map(Number);
  const list = ['#EXT-X-TARGETDURATION:3'];
  let sample = 0;
  adtsSegments(readFileSync(join(folder, 'packed/whole.aac'))).forEach(({ frames, bytes }, index) => {
    const pts = Math.round(start + (sample * 90_000) / SAMPLE_RATE);
    writeFileSync(join(folder, `packed/${index}.aac`), Buffer.concat([timestampTag(pts), bytes]));
    list.push(`#EXTINF:${(frames * 1024) / SAMPLE_RATE},`, `${index}.aac`);
    sample += frames * 1024;
  });
  write(folder, 'packed/audio.m3u8', [...list, '#EXT-X-ENDLIST']);
  write(folder, 'packed/master.m3u8', [
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Sound",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,URI="audio.m3u8"',
    '#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=320x180,CODECS="avc1.4d400d,mp4a.40.2",AUDIO="a"',
    'list.m3u8',
  ]);
}

function adtsSegments(bytes) {
  const segments = [];
  let begin = 0;
  let frames = 0;
  const perSegment = Math.round((SEGMENT_S * SAMPLE_RATE) / 1024);
  for (let at = 0; at + 7 <= bytes.length; ) {
    at += ((bytes[at + 3] & 3) << 11) | (bytes[at + 4] << 3) | (bytes[at + 5] >> 5);
    frames++;
    if (frames === perSegment || at + 7 > bytes.length) {
      segments.push({ frames, bytes: bytes.subarray(begin, at) });
      [begin, frames] = [at, 0];
    }
  }
  return segments;
}

/** What packed audio begins with (RFC 8216, 3.4). */
function timestampTag(pts) {
  const owner = Buffer.from('com.apple.streaming.transportStreamTimestamp\0');
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(pts) % (1n << 33n));
  const content = Buffer.concat([owner, time]);
  const frame = Buffer.concat([Buffer.from('PRIV'), Buffer.from([0, 0, 0, content.length, 0, 0]), content]);
  return Buffer.concat([Buffer.from('ID3'), Buffer.from([4, 0, 0, 0, 0, 0, frame.length]), frame]);
}

/** The segments of ts/ twice, the second time with the timestamps of the first: `again.m3u8`, of `each` segments each time. */
export function makeAgain(folder, each = 3) {
  const part = Array.from({ length: each }, (_, i) => ['#EXTINF:2.000000,', `ts/${i}.ts`]).flat();
  write(folder, 'again.m3u8', ['#EXT-X-TARGETDURATION:2', ...part, '#EXT-X-DISCONTINUITY', ...part, '#EXT-X-ENDLIST']);
}

/** The ladder's pictures with sound in two languages and subtitles in two: `languages.m3u8`. */
export function makeLanguages(folder, seconds = 16) {
  const times = Array.from({ length: seconds / SEGMENT_S }, (_, i) => i * SEGMENT_S);
  for (const [language, hz] of [['en', 440], ['de', 880]]) {
    mkdirSync(join(folder, language), { recursive: true });
    const options = ['-f', 'hls', '-hls_time', `${SEGMENT_S}`, '-hls_list_size', '0', '-hls_segment_type', 'fmp4', '-hls_segment_filename', `${language}/%d.m4s`];
    ffmpeg(folder, [...tone(hz, seconds), ...SOUND, ...options, `${language}/list.m3u8`]);
    const text = ['#EXT-X-TARGETDURATION:2'];
    for (const time of times) {
      const cue = (at) => `00:00:${String(at).padStart(2, '0')}.000`;
      const body = `${cue(time)} --> ${cue(time + 1)} line:10% align:start\n<b>${language}</b> at ${time}`;
      writeFileSync(join(folder, `${language}/${time}.vtt`), `WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n${body}\n`);
      text.push('#EXTINF:2,', `${time}.vtt`);
    }
    write(folder, `${language}/text.m3u8`, [...text, '#EXT-X-ENDLIST']);
  }
  const media = (type, name, language, file, chosen) =>
    `#EXT-X-MEDIA:TYPE=${type},GROUP-ID="${type}",NAME="${name}",LANGUAGE="${language}",DEFAULT=${chosen},AUTOSELECT=YES,URI="${language}/${file}"`;
  write(folder, 'languages.m3u8', [
    media('AUDIO', 'English', 'en', 'list.m3u8', 'YES'),
    media('AUDIO', 'Deutsch', 'de', 'list.m3u8', 'NO'),
    media('SUBTITLES', 'English', 'en', 'text.m3u8', 'NO'),
    media('SUBTITLES', 'Deutsch', 'de', 'text.m3u8', 'NO'),
    '#EXT-X-STREAM-INF:BANDWIDTH=500000,RESOLUTION=256x144,CODECS="avc1.4d400c,mp4a.40.2",AUDIO="AUDIO",SUBTITLES="SUBTITLES"',
    'media_2.m3u8',
  ]);
}

/** Two periods of the ladder's first segments, with subtitles in TTML: `periods.mpd`. */
export function makePeriods(folder, each = 3) {
  const seconds = each * SEGMENT_S;
  const template = (i) => `<SegmentTemplate initialization="init-stream${i}.m4s" media="chunk-stream${i}-$Number%05d$.m4s" startNumber="1" timescale="1" duration="${SEGMENT_S}"/>`;
  const video = `<AdaptationSet contentType="video" mimeType="video/mp4" codecs="avc1.4d400c"><Representation id="v" bandwidth="150000" width="256" height="144">${template(2)}</Representation></AdaptationSet>`;
  const audio = `<AdaptationSet contentType="audio" mimeType="audio/mp4" codecs="mp4a.40.2" lang="en"><Representation id="a" bandwidth="64000" audioSamplingRate="48000">${template(3)}</Representation></AdaptationSet>`;
  const text = (i) => `<AdaptationSet contentType="text" mimeType="application/ttml+xml" lang="fr"><Representation id="t" bandwidth="100"><BaseURL>period${i}.ttml</BaseURL></Representation></AdaptationSet>`;
  const period = (i) => `<Period id="${i}" start="PT${i * seconds}S" duration="PT${seconds}S">${video}${audio}${text(i)}</Period>`;
  for (const i of [0, 1]) {
    const body = `<p begin="1s" end="3s">Période ${i}</p>`;
    writeFileSync(join(folder, `period${i}.ttml`), `<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml" xml:lang="fr"><body><div>${body}</div></body></tt>`);
  }
  const mpd = `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:profile:isoff-live:2011" minBufferTime="PT2S" mediaPresentationDuration="PT${2 * seconds}S">${period(0)}${period(1)}</MPD>`;
  writeFileSync(join(folder, 'periods.mpd'), mpd);
}

/**
 * Two minutes that begin grey and end white, with a tone, and pictures for fast-forward: `scan/master.m3u8`, whose I-frame playlist names parts of
 * the segments, and `scan/trick.mpd`, which has a trick-mode set.
 */
export function makeScan(folder, seconds = 120) {
  mkdirSync(join(folder, 'scan'), { recursive: true });
  // A second is two levels brighter than the one before.
  const brighter = (rate) => `color=c=black:size=16x16:rate=${rate}:duration=${seconds},geq=lum='16+trunc(T)*219/${seconds}':cb=128:cr=128,scale=320:180`;
  const h264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-profile:v', 'main', '-pix_fmt', 'yuv420p', '-sc_threshold', '0'];
  const fmp4 = (name) => ['-f', 'hls', '-hls_time', `${SEGMENT_S}`, '-hls_list_size', '0', '-hls_segment_type', 'fmp4', '-hls_fmp4_init_filename', `${name}-init.mp4`, '-hls_segment_filename', `scan/${name}-%d.m4s`, `scan/${name}.m3u8`];
  ffmpeg(folder, ['-f', 'lavfi', '-i', brighter(10), ...h264, '-g', '20', '-keyint_min', '20', ...fmp4('video')]);
  ffmpeg(folder, [...tone(440, seconds), ...SOUND, ...fmp4('audio')]);
  ffmpeg(folder, ['-f', 'lavfi', '-i', brighter(0.5), ...h264, '-g', '1', ...fmp4('trick')]);
  // Of each segment what is needed for its first picture: up to the end of that, in the middle of `mdat`.
  const pictures = Array.from({ length: seconds / SEGMENT_S }, (_, i) => {
    const bytes = readFileSync(join(folder, `scan/video-${i}.m4s`));
    const trun = bytes.indexOf('trun');
    const flags = bytes.readUInt32BE(trun + 4) & 0xffffff;
    // Data offset, flags of the first sample, then a row a sample: duration, size, …
    const row = trun + 12 + (flags & 1 ? 4 : 0) + (flags & 4 ? 4 : 0);
    const first = bytes.readUInt32BE(row + (flags & 0x100 ? 4 : 0));
    return ['#EXTINF:2,', `#EXT-X-BYTERANGE:${bytes.indexOf('mdat') + 4 + first}@0`, `video-${i}.m4s`];
  });
  write(folder, 'scan/pictures.m3u8', ['#EXT-X-TARGETDURATION:2', '#EXT-X-I-FRAMES-ONLY', '#EXT-X-MAP:URI="video-init.mp4"', ...pictures.flat(), '#EXT-X-ENDLIST']);
  write(folder, 'scan/master.m3u8', [
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="tone",DEFAULT=YES,AUTOSELECT=YES,URI="audio.m3u8"',
    '#EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=320x180,CODECS="avc1.4d400d,mp4a.40.2",AUDIO="a"',
    'video.m3u8',
    '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=50000,RESOLUTION=320x180,CODECS="avc1.4d400d",URI="pictures.m3u8"',
  ]);
  const set = (kind, id, codecs, name, more) => `<AdaptationSet id="${id}" contentType="${kind}" mimeType="${kind}/mp4" codecs="${codecs}">${more}<SegmentTemplate initialization="${name}-init.mp4" media="${name}-$Number$.m4s" startNumber="0" duration="${SEGMENT_S}"/><Representation id="${name}" bandwidth="200000"${kind === 'video' ? ' width="320" height="180"' : ''}/></AdaptationSet>`;
  const sets = set('video', 1, 'avc1.4d400d', 'video', '') + set('audio', 2, 'mp4a.40.2', 'audio', '') + set('video', 3, 'avc1.4d400d', 'trick', '<EssentialProperty schemeIdUri="http://dashif.org/guidelines/trickmode" value="1"/>');
  writeFileSync(join(folder, 'scan/trick.mpd'), `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:profile:isoff-live:2011" minBufferTime="PT2S" mediaPresentationDuration="PT${seconds}S"><Period>${sets}</Period></MPD>`);
}

/** Something to look at, with thumbnails as tiles and with subtitles: `show.mpd`. */
export function makeShow(folder, seconds = 24) {
  mkdirSync(join(folder, 'show'), { recursive: true });
  const source = ['-f', 'lavfi', '-t', `${seconds}`, '-i', `mandelbrot=size=640x360:rate=12:start_scale=1.6:end_scale=0.1:end_pts=${seconds * 12}:maxiter=400,gblur=1.4,hue=s=0.75`];
  const tiled = ['-filter_complex', '[0:v]split[pictures][some];[some]fps=1:round=down,scale=160:90,tile=5x5[tiles]'];
  ffmpeg(folder, [...source, ...tiled, '-map', '[tiles]', '-frames:v', '1', 'show/tiles-1.jpg', '-map', '[pictures]', '-c:v', 'libx264', '-preset', 'ultrafast', '-profile:v', 'main', '-pix_fmt', 'yuv420p', '-g', '24', '-keyint_min', '24', '-sc_threshold', '0', '-b:v', '900k', '-f', 'dash', '-seg_duration', `${SEGMENT_S}`, '-use_template', '1', '-use_timeline', '0', 'show/pictures.mpd']);
  const cues = ['The set is connected,', 'however thin its threads become.', '<i>Nobody has seen its edge.</i>'].map((line, i) => `00:00:${`${i * 8}`.padStart(2, '0')}.000 --> 00:00:${`${i * 8 + 7}`.padStart(2, '0')}.500\n${line}\n`);
  writeFileSync(join(folder, 'show/text.vtt'), `WEBVTT\n\n${cues.join('\n')}`);
  const [pictures] = /<AdaptationSet[^]*<\/AdaptationSet>/.exec(readFileSync(join(folder, 'show/pictures.mpd'), 'utf8'));
  const tiles = `<AdaptationSet contentType="image" mimeType="image/jpeg"><SegmentTemplate media="tiles-$Number$.jpg" duration="25" startNumber="1"/><Representation id="tiles" bandwidth="20000" width="800" height="450"><EssentialProperty schemeIdUri="http://dashif.org/thumbnail_tile" value="5x5"/></Representation></AdaptationSet>`;
  const text = `<AdaptationSet contentType="text" mimeType="text/vtt" lang="en"><Role schemeIdUri="urn:mpeg:dash:role:2011" value="caption"/><Representation id="en" bandwidth="100"><BaseURL>text.vtt</BaseURL></Representation></AdaptationSet>`;
  writeFileSync(join(folder, 'show/show.mpd'), `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:profile:isoff-live:2011" minBufferTime="PT2S" mediaPresentationDuration="PT${seconds}S"><Period>${pictures}${tiles}${text}</Period></MPD>`);
}

/** The ladder's lowest pictures with coloured and placed subtitles: `styled.mpd`, in WebVTT (`en`) and TTML (`fr`). */
export function makeStyled(folder, seconds = 6) {
  const span = `00:00:00.000 --> 00:00:0${seconds}.000`;
  writeFileSync(join(folder, 'styled.vtt'), `WEBVTT

REGION
id:middle
width:40%
lines:3
regionanchor:0%,100%
viewportanchor:50%,50%

${span} line:10% position:10%,line-left align:start
<c.yellow>████</c>

${span} line:80% position:90%,line-right align:end
<c.bg_magenta>....</c>

${span} region:middle align:start
<c.lime>███</c>
`);
  writeFileSync(join(folder, 'styled.ttml'), `<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling" xml:lang="fr"><head><layout>
<region xml:id="r" tts:origin="50% 10%" tts:extent="40% 30%" tts:textAlign="start"/></layout></head>
<body><div><p begin="0s" end="${seconds}s" region="r"><span tts:color="cyan">████</span> <span tts:backgroundColor="#ff0000">....</span></p></div></body></tt>`);
  const template = `<SegmentTemplate initialization="init-stream2.m4s" media="chunk-stream2-$Number%05d$.m4s" startNumber="1" timescale="1" duration="${SEGMENT_S}"/>`;
  const video = `<AdaptationSet contentType="video" mimeType="video/mp4" codecs="avc1.4d400c"><Representation id="v" bandwidth="150000" width="256" height="144">${template}</Representation></AdaptationSet>`;
  const text = (mime, language, file) => `<AdaptationSet contentType="text" mimeType="${mime}" lang="${language}"><Representation id="${language}" bandwidth="100"><BaseURL>${file}</BaseURL></Representation></AdaptationSet>`;
  const texts = text('text/vtt', 'en', 'styled.vtt') + text('application/ttml+xml', 'fr', 'styled.ttml');
  writeFileSync(join(folder, 'styled.mpd'), `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:profile:isoff-live:2011" minBufferTime="PT2S" mediaPresentationDuration="PT${seconds}S"><Period>${video}${texts}</Period></MPD>`);
}

/**
 * A playlist of ts/ that slides: `windowSize` segments, and `first` of them are there when it is asked for first. `at(ms)` is the playlist
 * so long after that; `stopAfter` segments it ends.
 */
export function livePlaylist({ windowSize = 6, first = 6, stopAfter = Infinity } = {}) {
  return (ms) => {
    const made = Math.min(first + Math.floor(ms / (SEGMENT_S * 1000)), TS_S / SEGMENT_S, stopAfter);
    const begin = Math.max(0, made - windowSize);
    const list = ['#EXTM3U', '#EXT-X-VERSION:3', `#EXT-X-TARGETDURATION:${SEGMENT_S}`, `#EXT-X-MEDIA-SEQUENCE:${begin}`];
    for (let i = begin; i < made; i++) list.push(`#EXTINF:${SEGMENT_S}.000000,`, `ts/${i}.ts`);
    if (made === stopAfter) list.push('#EXT-X-ENDLIST');
    return `${list.join('\n')}\n`;
  };
}

/** The same pictures as AVC in fMP4 and as VP9 in WebM, two rungs each, with Opus in WebM: `codecs/two.mpd`. */
export function makeCodecs(folder, seconds = 12) {
  mkdirSync(join(folder, 'codecs'), { recursive: true });
  const gop = ['-g', '50', '-keyint_min', '50', '-sc_threshold', '0'];
  const dash = (type, name, streams) => ['-f', 'dash', '-dash_segment_type', type, '-seg_duration', `${SEGMENT_S}`, '-use_template', '1', '-use_timeline', '0', '-init_seg_name', `${name}-$RepresentationID$.init`, '-media_seg_name', `${name}-$RepresentationID$-$Number$.seg`, '-adaptation_sets', `id=0,streams=${streams}`, `codecs/${name}.mpd`];
  const scaled = '[0:v]split[a][b];[a]scale=640:360[large];[b]scale=320:180[small]';
  const rungs = ['-filter_complex', scaled, '-map', '[small]', '-map', '[large]'];
  const avc = ['-c:v', 'libx264', '-preset', 'ultrafast', '-profile:v', 'main', '-pix_fmt', 'yuv420p', '-b:v:0', '300k', '-b:v:1', '900k'];
  const vp9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-pix_fmt', 'yuv420p', '-b:v:0', '200k', '-b:v:1', '600k'];
  ffmpeg(folder, [...pictures(seconds), ...rungs, ...avc, ...gop, ...dash('mp4', 'avc', '0,1')]);
  ffmpeg(folder, [...pictures(seconds), ...rungs, ...vp9, ...gop, ...dash('webm', 'vp9', '0,1')]);
  ffmpeg(folder, [...tone(440, seconds), '-c:a', 'libopus', '-b:a', '64k', ...dash('webm', 'opus', '0')]);
  const sets = ['avc', 'vp9', 'opus'].map((name) => {
    const text = readFileSync(join(folder, `codecs/${name}.mpd`), 'utf8');
    const [set] = /<AdaptationSet[^]*<\/AdaptationSet>/.exec(text);
    return set.replace('id="0"', `id="${name}"`).replaceAll('<Representation id="', `<Representation id="${name}-`).replaceAll(`${name}-$`, '$');
  });
  const mpd = (name, chosen) =>
    writeFileSync(join(folder, 'codecs', name), `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:profile:isoff-live:2011" mediaPresentationDuration="PT${seconds}S"><Period>${chosen.join('')}</Period></MPD>`);
  mpd('two.mpd', sets);
  mpd('webm.mpd', sets.slice(1));
}

function write(folder, name, lines) {
  writeFileSync(join(folder, name), ['#EXTM3U', '#EXT-X-VERSION:7', ...lines, ''].join('\n'));
}

/** A transport stream with a date range: `tagged/list.m3u8`. */
export function makeTagged(folder) {
  mkdirSync(join(folder, 'tagged'), { recursive: true });
  ffmpeg(folder, [...pictures(8), ...tone(330, 8), ...PICTURES, ...SOUND, ...hls('tagged')]);
  const list = readFileSync(join(folder, 'tagged/list.m3u8'), 'utf8');
  const dated = [
    '#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z',
    '#EXT-X-DATERANGE:ID="ad-1",CLASS="com.example.ad",START-DATE="2026-01-01T00:00:01.000Z",DURATION=2,X-NAME="lemonade"',
  ];
  writeFileSync(join(folder, 'tagged/list.m3u8'), list.replace('#EXTINF', `${dated.join('\n')}\n#EXTINF`));
}

/** Two pictures on one sprite: `thumbnails.vtt`. */
export function makeThumbnails(folder) {
  ffmpeg(folder, ['-f', 'lavfi', '-i', 'testsrc2=size=320x90', '-frames:v', '1', 'sprite.jpg']);
  const cue = (from, to, x) => `00:00:0${from}.000 --> 00:00:0${to}.000\nsprite.jpg#xywh=${x},0,160,90\n`;
  writeFileSync(join(folder, 'thumbnails.vtt'), `WEBVTT\n\n${cue(0, 4, 0)}\n${cue(4, 8, 160)}`);
}

/** A transport stream with CEA-608 captions in its pictures: `captions/list.m3u8`. Each `line` is there from `at` seconds on, in a `color`. */
export function makeCaptions(folder, lines, seconds = 12) {
  mkdirSync(join(folder, 'captions'), { recursive: true });
  const coding = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0', '-pix_fmt', 'yuv420p', '-g', '50', '-keyint_min', '50', '-sc_threshold', '0', '-x264-params', 'aud=1:slices=1:threads=1'];
  ffmpeg(folder, [...pictures(seconds), ...coding, '-f', 'h264', 'captions/bare.264']);
  const frames = accessUnits(readFileSync(join(folder, 'captions/bare.264')));
  const pairs = captionPairs(lines, frames.length);
  const bytes = frames.flatMap((units, i) => withCaption(units, pairs[i] ?? [0x80, 0x80]));
  writeFileSync(join(folder, 'captions/said.264'), Buffer.concat(bytes));
  ffmpeg(folder, ['-framerate', '25', '-i', 'captions/said.264', ...tone(550, seconds), '-map', '0:v', '-map', '1:a', '-c:v', 'copy', ...SOUND, ...hls('captions')]);
}

/** The NAL units of each frame of an Annex B stream with access unit delimiters, with their start codes. */
function accessUnits(bytes) {
  const starts = [];
  for (let at = bytes.indexOf('000001', 0, 'hex'); at >= 0; at = bytes.indexOf('000001', at + 3, 'hex')) starts.push(at);
  const frames = [];
  starts.forEach((at, i) => {
    const unit = Buffer.concat([Buffer.from([0]), bytes.subarray(at, starts[i + 1] ?? bytes.length)]);
    if ((bytes[at + 3] & 31) === 9) frames.push([]);
    frames.at(-1).push(unit);
  });
  return frames;
}

/** Adds a message with a pair of bytes of field 1 (ATSC A/53, part 4) before the first slice. */
function withCaption(units, pair) {
  const payload = [0xb5, 0, 0x31, 0x47, 0x41, 0x39, 0x34, 3, 0x41, 0xff, 0xfc, ...pair, 0xff];
  const sei = Buffer.from([0, 0, 0, 1, 6, 4, payload.length, ...payload, 0x80]);
  const slice = units.findIndex((unit) => [1, 5].includes(unit[4] & 31));
  return [...units.slice(0, slice), sei, ...units.slice(slice)];
}

/** Two bytes a frame: pop-on captions, each loaded ahead of its time and then flipped to. */
function captionPairs(lines, frames) {
  const pairs = [];
  const odd = (byte) => {
    let ones = 0;
    for (let rest = byte; rest; rest >>= 1) ones += rest & 1;
    return ones % 2 ? byte : byte | 0x80;
  };
  for (const { at, line, color = 'white' } of lines) {
    const text = line.length % 2 ? `${line} ` : line;
    const letters = text.match(/../g).map((two) => [two.charCodeAt(0), two.charCodeAt(1)]);
    const row = 0x60 + 2 * ['white', 'green', 'blue', 'cyan', 'red', 'yellow', 'magenta'].indexOf(color);
    // Resume caption loading, erase what is not on show, row 15 in the colour; each control code twice.
    const load = [[0x14, 0x20], [0x14, 0x20], [0x14, 0x2e], [0x14, 0x2e], [0x14, row], [0x14, row], ...letters];
    const flip = Math.min(Math.round(at * 25), frames - 2);
    load.forEach((pair, i) => (pairs[flip - load.length + i] = pair.map(odd)));
    pairs[flip] = pairs[flip + 1] = [0x14, 0x2f].map(odd);
  }
  return pairs;
}
