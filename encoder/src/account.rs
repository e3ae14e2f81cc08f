//! What was done to a source on its way, and what of it was left out: for the summary.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ffmpeg_next::frame;
use serde::{Deserialize, Serialize};

use crate::cmaf::colour::Colour;
use crate::graph::{PictureOutput, Scan};
use crate::index::Rendition;
use crate::plan::Plan;

/// Something that was done to the source's pictures or sound. Printed as a sentence for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Treatment {
    /// The lines of both fields became one picture.
    Deinterlaced {
        /// The source says that it is interlaced; else what is in its pictures does.
        is_flagged: bool,
    },
    /// Sound was mixed to fewer channels.
    DownMixed {
        /// The sound rendition.
        rendition: String,
        /// The source's.
        from_channels: u8,
        /// The rendition's.
        channels: u8,
    },
    /// A variable frame rate became a constant one: pictures were repeated or left out.
    MadeConstant {
        /// Frames per second.
        frame_rate: f64,
        /// Pictures of the source that did not come as long after the one before as that did.
        irregular_frames: u64,
    },
    /// An anamorphic picture was widened or heightened to square pixels.
    MadeSquare {
        /// Pixels across and down in the source.
        coded: (u32, u32),
        /// In square pixels.
        shown: (u32, u32),
    },
    /// The source has more pictures a second than are offered.
    RateReduced {
        /// The source's frames per second.
        from: f64,
        /// Frames per second.
        frame_rate: f64,
    },
    /// Pictures of another size than the first were scaled to it.
    Reshaped {
        /// How many.
        frames: u64,
    },
    /// HDR became SDR.
    ToneMapped {
        /// In these renditions.
        renditions: Vec<String>,
    },
    /// Pictures were turned or mirrored as the source says.
    Turned {
        /// Clockwise, before it is mirrored: 0, 90, 180 or 270.
        degrees: u16,
        /// Left and right were exchanged.
        is_mirrored: bool,
    },
}

/// Something in the source that is not in the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// A stream by its number, codec and language, or what else it is.
    pub what: String,
    /// Why, and what to do about it.
    pub reason: String,
}

/// What a summary says of the source.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Account {
    pub(crate) treatments: Vec<Treatment>,
    pub(crate) left_out: Vec<LeftOut>,
}

/// What was seen of a video while it was decoded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    frames: u64,
    irregular: u64,
    reshaped: u64,
    broken: u64,
    is_interlaced: bool,
    is_hdr: bool,
    #[serde(skip)]
    watch: Watch,
}

/// A video is decoded in one place and told of in another.
pub(crate) type SharedSeen = Arc<Mutex<Seen>>;

/// What is remembered from one frame to the next.
#[derive(Clone, Debug, Default, PartialEq)]
struct Watch {
    /// Only frames in these seconds count.
    span_s: Option<(f64, f64)>,
    size: Option<(u32, u32)>,
    /// Time of the last frame, and how long after the one before it came.
    last: Option<i64>,
    step: Option<i64>,
}

impl Seen {
    /// Lets only frames of a chunk count: those before it are decoded on the way to it.
    pub(crate) fn watch(&mut self, from_s: f64, to_s: f64) {
        self.watch.span_s = Some((from_s, to_s));
    }

    /// Takes note of a frame at `pts` ticks of `seconds_per_tick`.
    pub(crate) fn note(&mut self, frame: &frame::Video, pts: i64, seconds_per_tick: f64) {
        let at_s = pts as f64 * seconds_per_tick;
        let is_counted = self
            .watch
            .span_s
            .is_none_or(|(from_s, to_s)| (from_s - EARLY_S..to_s - EARLY_S).contains(&at_s));
        let size = (frame.width(), frame.height());
        match self.watch.size {
            None => {
                // The filters, too, go by the first.
                self.watch.size = Some(size);
                self.is_interlaced |= frame.is_interlaced();
                self.is_hdr |= Colour::of_frame(frame).is_hdr();
            }
            Some(first) => self.reshaped += u64::from(is_counted && first != size),
        }
        self.frames += u64::from(is_counted);
        let step = self.watch.last.map(|last| pts - last);
        if let Some((before, step)) = self.watch.step.zip(step) {
            // Clocks that tick a few times a frame round its times; those that tick once a frame do not.
            let slack = if before >= 8 { (before / 10).max(2) } else { 0 };
            self.irregular += u64::from(is_counted && (step - before).abs() > slack);
        }
        self.watch.step = step;
        self.watch.last = Some(pts);
    }

    /// Takes note of a packet that could not be decoded.
    pub(crate) fn note_broken(&mut self) {
        self.broken += 1;
    }

    /// Whether a frame was decoded.
    pub(crate) fn is_any(&self) -> bool {
        self.frames > 0 || self.watch.size.is_some()
    }

    /// With what another worker saw of the same frames.
    pub(crate) fn or(&self, other: &Self) -> Self {
        self.with(other, u64::max)
    }

    /// With what was seen of others.
    pub(crate) fn and(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    fn with(&self, other: &Self, join: fn(u64, u64) -> u64) -> Self {
        Self {
            frames: join(self.frames, other.frames),
            irregular: join(self.irregular, other.irregular),
            reshaped: join(self.reshaped, other.reshaped),
            broken: join(self.broken, other.broken),
            is_interlaced: self.is_interlaced || other.is_interlaced,
            is_hdr: self.is_hdr || other.is_hdr,
            watch: Watch::default(),
        }
    }

    /// What there is now behind a shared one.
    pub(crate) fn of(shared: &SharedSeen) -> Self {
        shared.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Account {
    /// What a plan, what was seen of the source, and what was packaged come to.
    pub(crate) fn of(plan: &Plan, seen: &Seen, packaged: &[Rendition]) -> Self {
        let mut account = Self {
            treatments: plan.treatments.clone(),
            left_out: plan.left_out.clone(),
        };
        let has_pictures = packaged.iter().any(Rendition::is_video);
        match plan.scan {
            Scan::Interlaced { .. } if has_pictures => {
                account
                    .treatments
                    .push(Treatment::Deinterlaced { is_flagged: false });
            }
            Scan::AsFlagged if seen.is_interlaced => {
                account
                    .treatments
                    .push(Treatment::Deinterlaced { is_flagged: true });
            }
            _ => {}
        }
        if seen.irregular > 0 {
            account.treatments.push(Treatment::MadeConstant {
                frame_rate: plan.idr.rate().fps(),
                irregular_frames: seen.irregular,
            });
        }
        if seen.reshaped > 0 {
            account.treatments.push(Treatment::Reshaped {
                frames: seen.reshaped,
            });
        }
        let is_mapped = |rung: &&crate::ladder::Rung| !PictureOutput::of_rung(rung).keeps_depth;
        let mapped: Vec<String> = plan
            .video
            .iter()
            .filter(is_mapped)
            .map(|rung| rung.name.clone())
            .collect();
        if seen.is_hdr && !mapped.is_empty() {
            account
                .treatments
                .push(Treatment::ToneMapped { renditions: mapped });
        }
        if seen.broken > 0 {
            account.left_out.push(LeftOut {
                what: format!("{} packets of the video", seen.broken),
                reason: "they are broken and could not be decoded".to_owned(),
            });
        }
        for (name, ..) in plan.renditions() {
            if !packaged.iter().any(|rendition| rendition.name == name) {
                account.left_out.push(LeftOut {
                    what: name.to_owned(),
                    reason: "nothing of its stream could be decoded".to_owned(),
                });
            }
        }
        account
    }
}

impl fmt::Display for Treatment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deinterlaced { is_flagged: true } => {
                f.write_str("deinterlaced where it is flagged as interlaced")
            }
            Self::Deinterlaced { is_flagged: false } => {
                f.write_str("deinterlaced: its pictures are interlaced, whatever their flags say")
            }
            Self::DownMixed {
                rendition,
                from_channels,
                channels,
            } => write!(
                f,
                "{from_channels} channels mixed down to {channels} in {rendition}"
            ),
            Self::MadeConstant {
                frame_rate,
                irregular_frames,
            } => write!(
                f,
                "frame rate made constant at {} fps: {irregular_frames} pictures came at irregular times",
                Fps(*frame_rate)
            ),
            Self::MadeSquare { coded, shown } => write!(
                f,
                "pixels made square: {}x{} shown as {}x{}",
                coded.0, coded.1, shown.0, shown.1
            ),
            Self::RateReduced { from, frame_rate } => {
                write!(
                    f,
                    "frame rate reduced from {} to {} fps",
                    Fps(*from),
                    Fps(*frame_rate)
                )
            }
            Self::Reshaped { frames } => {
                write!(f, "{frames} pictures of another size scaled to that of the first")
            }
            Self::ToneMapped { renditions } => {
                write!(f, "HDR tone-mapped to SDR in {}", renditions.join(", "))
            }
            Self::Turned { degrees, is_mirrored } => match (degrees, is_mirrored) {
                (0, _) => f.write_str("mirrored"),
                (_, false) => write!(f, "turned clockwise by {degrees} degrees"),
                (_, true) => write!(f, "turned clockwise by {degrees} degrees and mirrored"),
            },
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.reason)
    }
}

/// Frames per second with as many decimals as tell rates apart.
struct Fps(f64);

impl fmt::Display for Fps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", (self.0 * 1000.0).round() / 1000.0)
    }
}

/// A frame that is shown a little before a chunk begins is its first.
const EARLY_S: f64 = 0.002;

#[cfg(test)]
mod tests {
    use ffmpeg_next::format::Pixel;

    use super::*;

    fn seen(times: impl IntoIterator<Item = i64>, span_s: Option<(f64, f64)>) -> Seen {
        let mut seen = Seen::default();
        if let Some((from_s, to_s)) = span_s {
            seen.watch(from_s, to_s);
        }
        let frame = frame::Video::new(Pixel::YUV420P, 16, 16);
        times.into_iter().for_each(|pts| seen.note(&frame, pts, 0.001));
        seen
    }

    #[test]
    fn rounding_is_not_irregular_and_gaps_are() {
        let film = (0..100).map(|frame| (f64::from(frame) * 1000.0 / 24.0).round() as i64);
        assert_eq!(seen(film.clone(), None).irregular, 0);
        let dropped = film
            .clone()
            .enumerate()
            .filter(|(index, _)| *index != 50)
            .map(|(_, pts)| pts);
        // Later than the one before, and the next in time again.
        assert_eq!(seen(dropped.clone(), None).irregular, 2);
        assert_eq!(seen(dropped.clone(), Some((0.0, 1.0))).irregular, 0);
        let late = seen(dropped, Some((2.0, 4.0)));
        assert_eq!((late.irregular, late.frames), (2, 47));
        // A clock that ticks once a frame.
        assert_eq!(seen([0, 1, 2, 4, 5], None).irregular, 2);
    }

    #[test]
    fn chunks_add_up_and_workers_do_not() {
        let mut one = seen([0, 40, 80, 160], None);
        one.note_broken();
        let other = seen([0, 40], None);
        assert_eq!((one.or(&other).frames, one.and(&other).frames), (4, 6));
        assert_eq!((one.or(&one).irregular, one.and(&one).broken), (1, 2));
        assert!(one.is_any() && !Seen::default().is_any());
    }

    #[test]
    fn treatments_are_told_in_words() {
        let said = [
            Treatment::Turned {
                degrees: 90,
                is_mirrored: false,
            },
            Treatment::RateReduced {
                from: 120.0,
                frame_rate: 60_000.0 / 1001.0,
            },
        ]
        .map(|treatment| treatment.to_string());
        assert_eq!(
            said,
            [
                "turned clockwise by 90 degrees",
                "frame rate reduced from 120 to 59.94 fps"
            ]
        );
    }
}
