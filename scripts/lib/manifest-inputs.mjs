// The manifests of scripts/bench-manifest: three live ones, each a window that slides over numbered segments. The same texts as
// in player-core/benches/inputs/mod.rs.

/** Segments in a window, or in a window of each adaptation set. */
export const SEGMENTS = 10_000;
const FIRST = 1_000_000;
/** Frames of 1001/30000 s, so that a millisecond and a tick are near. */
const FRAME_TICKS = 3003;
const TIMESCALE = 90_000;
const FRAMES = 120;
const PART_FRAMES = 30;
const SETS = 10;

/** How many frames a segment lacks, 0 to 3: encoders cut at scenes. */
function lacking(segment, track = 0) {
  return Math.imul(segment + 7919 * track, 2_654_435_761) >>> 30;
}

/**
 * `text(shift)` is the manifest after so many segments; `expect(shift)` what a reader must find in it, in its last rendition.
 * @typedef {{ format: 'hls' | 'dash', renditions: number, parts: number, text: (shift: number) => string,
 *   expect: (shift: number) => { url: string, seconds: number } }} Input
 */

/** @returns {Record<string, Input>} */
export function makeInputs() {
  return { parts: playlistWithParts(), dates: playlistWithDates(), timelines: mpdWithTimelines() };
}

function playlistWithParts() {
  const segment = (number) => {
    const last = PART_FRAMES - lacking(number);
    const lines = [];
    for (let part = 0; part < 4; part++) {
      const duration = seconds(part < 3 ? PART_FRAMES : last, 5);
      const independent = part === 0 ? ',INDEPENDENT=YES' : '';
      lines.push(`#EXT-X-PART:DURATION=${duration},URI="hd/segment-${number}.${part}.m4s"${independent}`);
    }
    lines.push(`#EXTINF:${seconds(3 * PART_FRAMES + last, 5)},`, `hd/segment-${number}.m4s`, '');
    return lines.join('\n');
  };
  return {
    format: 'hls',
    renditions: 1,
    parts: 4,
    text: (shift) =>
      `#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.003\n` +
      `#EXT-X-PART-INF:PART-TARGET=1.001\n#EXT-X-MEDIA-SEQUENCE:${FIRST + shift}\n#EXT-X-MAP:URI="hd/init.mp4"\n` +
      window(shift).map(segment).join(''),
    expect: (shift) => ({ url: `hd/segment-${last(shift)}.m4s`, seconds: windowSeconds(shift) }),
  };
}

function playlistWithDates() {
  const segment = (number) => {
    // Whole milliseconds, as such playlists have it.
    const date = new Date(DATE + Math.round(ticks(number) / 90)).toISOString();
    return `#EXT-X-PROGRAM-DATE-TIME:${date}\n#EXTINF:${seconds(frames(number), 3)},\nv0/${number}.ts\n`;
  };
  const DATE = Date.UTC(2026, 0, 1);
  return {
    format: 'hls',
    renditions: 1,
    parts: 0,
    text: (shift) =>
      `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:${FIRST + shift}\n` +
      window(shift).map(segment).join(''),
    expect: (shift) => ({ url: `v0/${last(shift)}.ts`, seconds: windowSeconds(shift) }),
  };
}

function mpdWithTimelines() {
  const timeline = (set, shift) =>
    window(shift)
      .map((number) => `<S t="${ticks(number, set)}" d="${frames(number, set) * FRAME_TICKS}"/>\n`)
      .join('');
  const set = (index, shift) =>
    `<AdaptationSet id="${index}" contentType="video" mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">\n` +
    `<SegmentTemplate timescale="${TIMESCALE}" presentationTimeOffset="${ticks(FIRST, index)}" startNumber="${FIRST + shift}" ` +
    `initialization="$RepresentationID$/init.mp4" media="$RepresentationID$/$Time$.m4s">\n` +
    `<SegmentTimeline>\n${timeline(index, shift)}</SegmentTimeline>\n</SegmentTemplate>\n` +
    `<Representation id="v${index}" bandwidth="${1_000_000 + 100_000 * index}" codecs="avc1.640028" width="1920" height="1080"/>\n` +
    `</AdaptationSet>\n`;
  return {
    format: 'dash',
    renditions: SETS,
    parts: 0,
    text: (shift) =>
      `<?xml version="1.0" encoding="UTF-8"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic" ` +
      `profiles="urn:mpeg:dash:profile:isoff-live:2011" availabilityStartTime="2026-01-01T00:00:00Z" ` +
      `publishTime="${new Date(Date.UTC(2026, 0, 2) + 4000 * shift).toISOString()}" ` +
      `minimumUpdatePeriod="PT2S" timeShiftBufferDepth="PT11H" minBufferTime="PT4S">\n<Period id="p0" start="PT0S">\n` +
      `${Array.from({ length: SETS }, (_, index) => set(index, shift)).join('')}</Period>\n</MPD>\n`,
    expect: (shift) => ({ url: `v${SETS - 1}/${ticks(last(shift), SETS - 1)}.m4s`, seconds: windowSeconds(shift, SETS - 1) }),
  };
}

function window(shift) {
  return Array.from({ length: SEGMENTS }, (_, n) => FIRST + shift + n);
}

function last(shift) {
  return FIRST + shift + SEGMENTS - 1;
}

function windowSeconds(shift, track = 0) {
  return (ticks(last(shift) + 1, track) - ticks(FIRST + shift, track)) / TIMESCALE;
}

function frames(number, track = 0) {
  return FRAMES - lacking(number, track);
}

const starts = new Map();

/** Where a segment starts; ten digits from the first one on. */
function ticks(number, track = 0) {
  if (!starts.has(track)) starts.set(track, [1_000_000_000]);
  const known = starts.get(track);
  while (known.length <= number - FIRST) known.push(known.at(-1) + frames(FIRST + known.length - 1, track) * FRAME_TICKS);
  return known[number - FIRST];
}

/** So many frames in seconds, rounded. */
function seconds(count, digits) {
  return ((count * FRAME_TICKS) / TIMESCALE).toFixed(digits);
}
