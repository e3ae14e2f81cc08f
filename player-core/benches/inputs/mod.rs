//! The manifests of the benchmark: three live ones, each a window that slides over numbered segments. The same texts as in
//! scripts/lib/manifest-inputs.mjs.

use std::fmt::Write;

use player_core::manifest::datetime;
use player_core::time::WallTime;

/// Segments in a window, or in a window of each adaptation set.
pub(crate) const SEGMENTS: u32 = 10_000;
const FIRST: u32 = 1_000_000;
/// Frames of 1001/30000 s.
const FRAME_TICKS: u64 = 3003;
const TIMESCALE: u64 = 90_000;
const FRAMES: u64 = 120;
const PART_FRAMES: u64 = 30;
const SETS: u32 = 10;
/// 2026-01-01.
const DATE_MS: u64 = 1_767_225_600_000;
const DAY_MS: u64 = 86_400_000;

/// A media playlist with four parts a segment.
pub(crate) fn playlist_with_parts(shift: u32) -> String {
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.003\n\
         #EXT-X-PART-INF:PART-TARGET=1.001\n#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-MAP:URI=\"hd/init.mp4\"\n",
        FIRST + shift
    );
    for number in window(shift) {
        let last = PART_FRAMES - lacking(number, 0);
        for part in 0..4 {
            let duration = seconds(if part < 3 { PART_FRAMES } else { last });
            let independent = if part == 0 { ",INDEPENDENT=YES" } else { "" };
            let _ = writeln!(
                text,
                "#EXT-X-PART:DURATION={duration:.5},URI=\"hd/segment-{number}.{part}.m4s\"{independent}"
            );
        }
        let duration = seconds(3 * PART_FRAMES + last);
        let _ = write!(text, "#EXTINF:{duration:.5},\nhd/segment-{number}.m4s\n");
    }
    text
}

/// A media playlist with a date for each segment.
pub(crate) fn playlist_with_dates(shift: u32) -> String {
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{}\n",
        FIRST + shift
    );
    for (number, start) in timed(shift, 0) {
        // Whole milliseconds, as such playlists have it.
        let date = date(DATE_MS + (start + 45) / 90);
        let duration = seconds(frames(number, 0));
        let _ = write!(
            text,
            "#EXT-X-PROGRAM-DATE-TIME:{date}\n#EXTINF:{duration:.3},\nv0/{number}.ts\n"
        );
    }
    text
}

/// An MPD with a timeline for each adaptation set.
pub(crate) fn mpd_with_timelines(shift: u32) -> String {
    let published = date(DATE_MS + DAY_MS + 4000 * u64::from(shift));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"dynamic\" \
         profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" availabilityStartTime=\"2026-01-01T00:00:00Z\" \
         publishTime=\"{published}\" \
         minimumUpdatePeriod=\"PT2S\" timeShiftBufferDepth=\"PT11H\" minBufferTime=\"PT4S\">\n<Period id=\"p0\" start=\"PT0S\">\n"
    );
    for set in 0..SETS {
        let _ = write!(
            text,
            "<AdaptationSet id=\"{set}\" contentType=\"video\" mimeType=\"video/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\">\n\
             <SegmentTemplate timescale=\"{TIMESCALE}\" presentationTimeOffset=\"{START_TICKS}\" startNumber=\"{}\" \
             initialization=\"$RepresentationID$/init.mp4\" media=\"$RepresentationID$/$Time$.m4s\">\n<SegmentTimeline>\n",
            FIRST + shift
        );
        for (number, start) in timed(shift, set) {
            let _ = writeln!(
                text,
                "<S t=\"{start}\" d=\"{}\"/>",
                frames(number, set) * FRAME_TICKS
            );
        }
        let _ = write!(
            text,
            "</SegmentTimeline>\n</SegmentTemplate>\n\
             <Representation id=\"v{set}\" bandwidth=\"{}\" codecs=\"avc1.640028\" width=\"1920\" height=\"1080\"/>\n</AdaptationSet>\n",
            1_000_000 + 100_000 * set
        );
    }
    text.push_str("</Period>\n</MPD>\n");
    text
}

/// Where the first segment of all starts; ten digits from there on.
const START_TICKS: u64 = 1_000_000_000;

fn window(shift: u32) -> std::ops::Range<u32> {
    FIRST + shift..FIRST + shift + SEGMENTS
}

/// The window's segments with where each starts, ticks.
fn timed(shift: u32, track: u32) -> impl Iterator<Item = (u32, u64)> {
    let all = (FIRST..FIRST + shift + SEGMENTS).scan(START_TICKS, move |next, number| {
        let start = *next;
        *next += frames(number, track) * FRAME_TICKS;
        Some((number, start))
    });
    all.skip(shift as usize)
}

fn frames(number: u32, track: u32) -> u64 {
    FRAMES - lacking(number, track)
}

/// How many frames a segment lacks, 0 to 3: encoders cut at scenes.
fn lacking(number: u32, track: u32) -> u64 {
    u64::from((number + 7919 * track).wrapping_mul(2_654_435_761) >> 30)
}

fn seconds(frames: u64) -> f64 {
    (frames * FRAME_TICKS) as f64 / TIMESCALE as f64
}

/// With milliseconds.
fn date(ms: u64) -> String {
    let mut date = datetime::format(WallTime::from_unix_micros(ms as i64 * 1000));
    date.truncate("2026-01-01T00:00:00.000".len());
    date + "Z"
}
