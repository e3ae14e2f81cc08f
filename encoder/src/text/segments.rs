//! WebVTT files: one for the whole film, or segments cut where the video is cut (RFC 8216bis, 3.1.4).

use serde::{Deserialize, Serialize};

use super::{Cue, TextTrack};
use crate::error::EncodeError;
use crate::storage::Output;

/// Where segments begin and end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cuts {
    timescale: u32,
    /// In ticks, the end of the last one too.
    ticks: Vec<u64>,
}

/// One segment: `<name>/<number>.vtt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TextSegment {
    /// Counted from 1.
    pub(crate) number: u32,
    /// In ticks of the cuts' timescale.
    pub(crate) start: u64,
    /// In ticks of the cuts' timescale.
    pub(crate) duration: u64,
    pub(crate) bytes: u64,
}

impl Cuts {
    /// The cuts of the video: where its segments begin, and where the last one ends, in ticks of `timescale`. Segments of
    /// text are made of as many of the video's as fit into `longest_s` seconds; without it each one is one of the video's.
    pub(crate) fn new(timescale: u32, video: &[u64], longest_s: Option<u32>) -> Self {
        let longest = longest_s.map_or(0, |seconds| u64::from(seconds) * u64::from(timescale));
        let mut ticks: Vec<u64> = video.iter().copied().take(1).collect();
        for pair in video.windows(2) {
            let &[start, end] = pair else { continue };
            if end <= start {
                continue;
            }
            match ticks.as_slice() {
                [.., before, _] if end - before <= longest => {
                    ticks.pop();
                    ticks.push(end);
                }
                _ => ticks.push(end),
            }
        }
        Self { timescale, ticks }
    }

    fn end_ms(&self) -> u64 {
        self.ticks.last().map_or(0, |end| self.ms(*end))
    }

    fn ms(&self, ticks: u64) -> u64 {
        let ms = (u128::from(ticks) * 1000).div_ceil(u128::from(self.timescale.max(1)));
        u64::try_from(ms).unwrap_or(u64::MAX)
    }
}

/// Writes the segments of a track into the folder `name` of `output`. `mpegts` is the media's timestamp
/// (90 kHz) at presentation time 0: 0 in CMAF, something else in MPEG-TS.
///
/// A cue that lasts from one segment into others is in each of them, the same every time; a segment in which nothing is
/// said has no cues. Nothing is shown longer than the film lasts.
pub(crate) fn write(
    track: &TextTrack,
    name: &str,
    cuts: &Cuts,
    mpegts: u64,
    output: &dyn Output,
) -> Result<Vec<TextSegment>, EncodeError> {
    let head = format!(
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{},LOCAL:00:00:00.000\n{}",
        mpegts % (1 << 33),
        preamble(track)
    );
    let end_ms = cuts.end_ms();
    let mut coming = track.cues.iter();
    let mut next = coming.next();
    let mut shown: Vec<&Cue> = Vec::new();
    let mut segments = Vec::new();
    let mut written = 0;
    for (number, pair) in (1..).zip(cuts.ticks.windows(2)) {
        let &[start, end] = pair else { continue };
        let (from_ms, to_ms) = (cuts.ms(start), cuts.ms(end));
        shown.retain(|cue| cue.end_ms > from_ms);
        while let Some(cue) = next.filter(|cue| cue.start_ms < to_ms) {
            if cue.end_ms > from_ms && shown.len() < MAX_AT_ONCE {
                shown.push(cue);
            }
            next = coming.next();
        }
        let mut text = head.clone();
        for cue in &shown {
            push_cue(&mut text, cue, end_ms);
        }
        written += text.len();
        if written > MAX_BYTES {
            let reason = "cues last through so many segments that these would be larger than the film; mend their times";
            return Err(EncodeError::packaging(name, reason));
        }
        output.write(&format!("{name}/{number}.vtt"), text.as_bytes())?;
        segments.push(TextSegment {
            number,
            start,
            duration: end - start,
            bytes: text.len() as u64,
        });
    }
    Ok(segments)
}

/// The whole track as one file, for a film that ends at `end_ms`.
pub(crate) fn whole(track: &TextTrack, end_ms: u64) -> Vec<u8> {
    let mut text = format!("WEBVTT\n{}", preamble(track));
    for cue in track.cues.iter().filter(|cue| cue.start_ms < end_ms) {
        push_cue(&mut text, cue, end_ms);
    }
    text.into_bytes()
}

/// `hh:mm:ss.mmm`, with more digits of hours where they are needed.
pub(super) fn timestamp(ms: u64) -> String {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1000)
}

fn preamble(track: &TextTrack) -> String {
    let blocks = track.preamble.iter().map(|block| format!("\n{block}\n"));
    blocks.collect()
}

fn push_cue(text: &mut String, cue: &Cue, end_ms: u64) {
    let (start, end) = (timestamp(cue.start_ms), timestamp(cue.end_ms.min(end_ms)));
    *text += &format!("\n{}\n{start} --> {end}", cue.id);
    if !cue.settings.is_empty() {
        text.push(' ');
        *text += &cue.settings;
    }
    *text += &format!("\n{}\n", cue.text);
}

/// Cues of one segment: a bound for files that are meant to do harm.
const MAX_AT_ONCE: usize = 2000;
/// All segments of a track: what lasts long is in many of them.
const MAX_BYTES: usize = 256 << 20;
