//! The segment index: what every manifest is written from.

use serde::{Deserialize, Serialize};

use crate::cmaf::colour::Colour;
use crate::pictures::ImageTrack;
use crate::protect::Signals;
use crate::text::{Role, TextSegment};
use crate::timing::FrameRate;

/// Everything that was packaged of a source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presentation {
    /// In CMAF, pictures from the highest, then sound.
    pub(crate) renditions: Vec<Rendition>,
    /// The same for HLS, where that plays MPEG-TS.
    pub(crate) for_hls: Option<Vec<Rendition>>,
    pub(crate) texts: Vec<Text>,
    /// Thumbnails for the seek bar.
    pub(crate) images: Option<ImageTrack>,
}

/// A subtitle track: `<name>/<number>.vtt`, and all of it in `<name>.vtt`.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) name: String,
    /// BCP 47.
    pub(crate) language: String,
    /// What a menu calls it.
    pub(crate) label: String,
    pub(crate) role: Role,
    /// Ticks per second of its segments.
    pub(crate) timescale: u32,
    pub(crate) segments: Vec<TextSegment>,
}

/// One packaged rendition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rendition {
    /// Its folder's or file's name.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// RFC 6381.
    pub(crate) codecs: String,
    /// Ticks per second.
    pub(crate) timescale: u32,
    pub(crate) container: Container,
    /// Of pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) colour: Option<Colour>,
    pub(crate) segments: Vec<Segment>,
    /// Its keys, if it is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) protection: Option<Signals>,
}

/// How a rendition's segments lie in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Container {
    /// `<name>/init.mp4` and `<name>/<number>.m4s`.
    Files,
    /// `<name>/<number>.ts`.
    TransportStream,
    /// One `<name>.mp4`: the init segment, the index (`sidx`), the segments.
    SingleFile { init_bytes: u64, index_bytes: u64 },
}

/// What a rendition holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Video {
        width: u32,
        height: u32,
        rate: FrameRate,
    },
    Audio(Sound),
}

/// What a sound rendition holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sound {
    /// Samples per second.
    pub(crate) rate: u32,
    pub(crate) channels: u8,
    /// BCP 47, where the source says one.
    pub(crate) language: Option<String>,
    /// What a menu calls the track.
    pub(crate) label: String,
    /// The track that plays where nobody chose one.
    pub(crate) is_default: bool,
    /// For viewers who cannot see.
    pub(crate) describes_video: bool,
    /// Renditions of one group differ in their track alone.
    pub(crate) group: String,
}

/// One media segment, in presentation time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Segment {
    /// Counted from 1; the file's name.
    pub(crate) number: u32,
    /// Ticks.
    pub(crate) start: u64,
    /// Ticks.
    pub(crate) duration: u64,
    pub(crate) bytes: u64,
    /// Where it begins in a single file; 0 in a file of its own.
    pub(crate) offset: u64,
    /// How good it looks on VMAF's scale of 0 to 100, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quality: Option<f64>,
    /// The pictures that can be shown alone; none for sound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) key_frames: Vec<KeyFrame>,
}

/// A picture that can be decoded by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyFrame {
    /// Ticks.
    pub(crate) start: u64,
    /// From the segment's first byte to what must be read before it: the `moof`.
    pub(crate) offset: u64,
    /// From there to the picture's end.
    pub(crate) bytes: u64,
}

impl Segment {
    /// Ticks.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.duration
    }
}

impl Rendition {
    pub(crate) fn is_video(&self) -> bool {
        matches!(self.kind, Kind::Video { .. })
    }

    /// What is presented, in ticks.
    pub(crate) fn duration(&self) -> u64 {
        self.segments.last().map_or(0, Segment::end)
    }

    pub(crate) fn duration_s(&self) -> f64 {
        self.duration() as f64 / f64::from(self.timescale)
    }

    pub(crate) fn seconds(&self, segment: &Segment) -> f64 {
        segment.duration as f64 / f64::from(self.timescale)
    }

    /// Bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Whether it has pictures to show alone, for an I-frame playlist.
    pub(crate) fn has_key_frames(&self) -> bool {
        self.segments.iter().any(|segment| !segment.key_frames.is_empty())
    }

    /// Every picture that can be shown alone, with its segment and the ticks until the next.
    pub(crate) fn key_frames(&self) -> Vec<(&Segment, KeyFrame, u64)> {
        let frames = || {
            let of = |segment| move |frame: &KeyFrame| (segment, *frame);
            self.segments
                .iter()
                .flat_map(move |segment| segment.key_frames.iter().map(of(segment)))
        };
        let ends = frames()
            .skip(1)
            .map(|(_, next)| next.start)
            .chain([self.duration()]);
        let lasting = frames().zip(ends);
        lasting
            .map(|((segment, frame), end)| (segment, frame, end.saturating_sub(frame.start)))
            .collect()
    }

    /// Mean bits per second over the whole rendition.
    pub(crate) fn average_bps(&self) -> u64 {
        bits_per_second(self.bytes(), self.duration_s())
    }

    /// The highest bits per second of any run of segments that lasts between half and one and a half target
    /// durations (RFC 8216bis §4.4.6.2, "peak segment bit rate"); of everything, when it is shorter than that.
    pub(crate) fn peak_bps(&self) -> u64 {
        let target_s = f64::from(self.target_duration_s());
        let mut peak = None;
        for first in 0..self.segments.len() {
            let (mut bytes, mut seconds) = (0, 0.0);
            for segment in self.segments.iter().skip(first) {
                bytes += segment.bytes;
                seconds += self.seconds(segment);
                if seconds > target_s * 1.5 {
                    break;
                }
                if seconds >= target_s * 0.5 {
                    peak = peak.max(Some(bits_per_second(bytes, seconds)));
                }
            }
        }
        peak.unwrap_or_else(|| self.average_bps()).max(self.average_bps())
    }

    /// The longest segment, rounded to whole seconds (RFC 8216bis §4.4.3.1).
    pub(crate) fn target_duration_s(&self) -> u32 {
        let longest = self
            .segments
            .iter()
            .map(|segment| self.seconds(segment))
            .fold(0.0, f64::max);
        (longest.round() as u32).max(1)
    }
}

/// Rounded up.
pub(crate) fn bits_per_second(bytes: u64, seconds: f64) -> u64 {
    if seconds > 0.0 {
        (bytes as f64 * 8.0 / seconds).ceil() as u64
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendition(segments: &[(u64, u64)]) -> Rendition {
        let mut start = 0;
        let segments = segments.iter().zip(1..).map(|(&(duration, bytes), number)| {
            let segment = Segment {
                number,
                start,
                duration,
                bytes,
                offset: 0,
                quality: None,
                key_frames: Vec::new(),
            };
            start += duration;
            segment
        });
        let kind = Kind::Audio(Sound {
            rate: 10,
            channels: 2,
            language: None,
            label: String::new(),
            is_default: true,
            describes_video: false,
            group: String::new(),
        });
        Rendition {
            name: "a".to_owned(),
            kind,
            codecs: String::new(),
            timescale: 10,
            container: Container::Files,
            colour: None,
            segments: segments.collect(),
            protection: None,
        }
    }

    #[test]
    fn the_peak_is_over_runs_near_the_target_duration() {
        // A last segment of 0.2 s is too short to count alone: with the one before it 2.2 s hold 1100 bytes.
        let rendition = rendition(&[(20, 500), (20, 750), (20, 600), (2, 500)]);
        assert_eq!(rendition.target_duration_s(), 2);
        assert_eq!(rendition.peak_bps(), 4000);
        assert_eq!(rendition.average_bps(), 3033);
    }

    #[test]
    fn something_very_short_has_its_mean_as_peak() {
        let rendition = rendition(&[(2, 100)]);
        assert_eq!((rendition.peak_bps(), rendition.average_bps()), (4000, 4000));
        assert_eq!(rendition.target_duration_s(), 1);
    }
}
