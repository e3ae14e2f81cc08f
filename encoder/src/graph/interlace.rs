//! Whether pictures are interlaced, whatever their flags say.

use std::path::Path;

use ffmpeg_next::codec::Id;
use ffmpeg_next::{Packet, frame};
use serde::{Deserialize, Serialize};

use super::Wired;
use super::video::VideoShape;
use crate::error::EncodeError;
use crate::source::{self, VideoStream};

/// How a source's lines were scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scan {
    /// Each frame's flag is believed.
    AsFlagged,
    /// Both fields of a frame are of different times.
    Interlaced {
        top_first: bool,
    },
    Progressive,
}

impl Scan {
    /// The deinterlacer that is needed.
    pub(super) fn filter(self, is_flagged: bool) -> Option<String> {
        match self {
            Self::AsFlagged if is_flagged => Some("yadif=deint=interlaced".to_owned()),
            Self::AsFlagged | Self::Progressive => None,
            Self::Interlaced { top_first } => {
                let parity = if top_first { "tff" } else { "bff" };
                Some(format!("yadif=parity={parity}"))
            }
        }
    }
}

/// Looks at the pictures of the file at `path` in a few places, where it is of a kind that may be interlaced.
///
/// Old recordings are often interlaced and not flagged, and progressive ones flagged as interlaced. Only sizes and
/// rates of television are looked at, so that other files are not read twice.
pub(crate) fn detect(path: &Path) -> Result<Scan, EncodeError> {
    let mut source = source::open(path)?;
    let Some(mut video) = source.video.take().filter(may_be_interlaced) else {
        return Ok(Scan::AsFlagged);
    };
    let mut looking: Option<(VideoShape, Wired)> = None;
    let mut counts = Counts::default();
    let mut number = 0;
    for place in 0..PLACES {
        if place > 0 {
            let Some(duration_s) = source.duration_s else {
                break;
            };
            let at_us = (duration_s * 1e6 * place as f64 / PLACES as f64) as i64 + source.origin_us;
            if source.input.seek(at_us, ..at_us).is_err() {
                break;
            }
            video.decoder.flush();
        }
        let mut left = FRAMES_PER_PLACE;
        // What is plainly progressive here needs no longer look: decoding a mezzanine is dear.
        let before = counts;
        while left > 0 && !counts.is_plainly_progressive_since(before) {
            let mut packet = Packet::empty();
            match packet.read(&mut source.input) {
                Ok(()) if packet.stream() != video.index => continue,
                Ok(()) if video.decoder.send_packet(&packet).is_ok() => {}
                Ok(()) | Err(ffmpeg_next::Error::InvalidData) => {
                    left -= 1;
                    continue;
                }
                Err(_) => break,
            }
            let mut frame = frame::Video::empty();
            while left > 0 && video.decoder.receive_frame(&mut frame).is_ok() {
                left -= 1;
                let shape = VideoShape::of(&frame);
                let graph = match &mut looking {
                    Some((same, graph)) if *same == shape => graph,
                    Some(_) => continue,
                    None => {
                        let arguments = shape.arguments(video.time_base);
                        let graph = Wired::build("buffer", &arguments, "buffersink", 1, SPEC.to_owned())?;
                        &mut looking.insert((shape, graph)).1
                    }
                };
                frame.set_pts(Some(number));
                number += 1;
                graph.push(&frame)?;
                let mut seen = frame::Video::empty();
                while graph.pull(0, &mut seen)? {
                    counts = Counts::of(&seen);
                }
            }
        }
    }
    Ok(counts.scan())
}

/// What the filter found so far.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    top_first: f64,
    bottom_first: f64,
    progressive: f64,
}

impl Counts {
    fn of(frame: &frame::Video) -> Self {
        let metadata = frame.metadata();
        let count = |name: &str| {
            let text = metadata.get(&format!("lavfi.idet.multiple.{name}"));
            text.and_then(|text| text.trim().parse().ok()).unwrap_or(0.0)
        };
        Self {
            top_first: count("tff"),
            bottom_first: count("bff"),
            progressive: count("progressive"),
        }
    }

    fn is_plainly_progressive_since(self, before: Self) -> bool {
        let is_interlaced = self.top_first > before.top_first || self.bottom_first > before.bottom_first;
        // The first place may be the only one that can be reached.
        !is_interlaced && self.progressive >= ENOUGH && self.progressive - before.progressive >= PLAIN
    }

    fn scan(self) -> Scan {
        let interlaced = self.top_first + self.bottom_first;
        let is_sure = interlaced + self.progressive >= ENOUGH;
        if is_sure && interlaced > 2.0 * self.progressive {
            Scan::Interlaced {
                top_first: self.top_first >= self.bottom_first,
            }
        } else if is_sure && self.progressive > 4.0 * interlaced {
            Scan::Progressive
        } else {
            Scan::AsFlagged
        }
    }
}

/// Television has these heights, and no more frames than these in a second; the newer codecs know no fields.
fn may_be_interlaced(video: &VideoStream) -> bool {
    !matches!(video.decoder.id(), Id::AV1 | Id::VP8 | Id::VP9)
        && HEIGHTS.contains(&video.decoder.height())
        && video.rate.fps() < 31.0
}

const SPEC: &str = "[in]idet[out0]";
const HEIGHTS: [u32; 8] = [480, 486, 512, 576, 578, 608, 1080, 1088];
const PLACES: u32 = 3;
const FRAMES_PER_PLACE: u32 = 20;
/// Frames that are enough in one place when none of them tells otherwise and there were [`ENOUGH`] in all.
const PLAIN: f64 = 3.0;
/// Frames that must tell one or the other.
const ENOUGH: f64 = 8.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(top_first: f64, bottom_first: f64, progressive: f64) -> Scan {
        Counts {
            top_first,
            bottom_first,
            progressive,
        }
        .scan()
    }

    #[test]
    fn only_a_clear_majority_overrules_the_flags() {
        assert_eq!(scan(50.0, 0.0, 5.0), Scan::Interlaced { top_first: true });
        assert_eq!(scan(3.0, 40.0, 10.0), Scan::Interlaced { top_first: false });
        assert_eq!(scan(1.0, 1.0, 55.0), Scan::Progressive);
        assert_eq!(scan(24.0, 0.0, 36.0), Scan::AsFlagged, "film with pulldown");
        assert_eq!(scan(2.0, 0.0, 0.0), Scan::AsFlagged, "too little moves");
        assert_eq!(Scan::AsFlagged.filter(false), None);
        assert_eq!(
            Scan::Interlaced { top_first: false }.filter(false).as_deref(),
            Some("yadif=parity=bff")
        );
    }
}
