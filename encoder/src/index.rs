//! The segment index: what every manifest is written from.

use crate::timing::FrameRate;

/// One finished rendition.
#[derive(Clone, Debug)]
pub(crate) struct Rendition {
    /// Its folder's name.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// RFC 6381.
    pub(crate) codecs: String,
    /// Ticks per second.
    pub(crate) timescale: u32,
    pub(crate) segments: Vec<Segment>,
}

/// What a rendition holds.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Video {
        width: u32,
        height: u32,
        rate: FrameRate,
    },
    Audio {
        rate: u32,
        channels: u8,
    },
}

/// One media segment, in presentation time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Counted from 1; the file's name.
    pub(crate) number: u32,
    /// Ticks.
    pub(crate) start: u64,
    /// Ticks.
    pub(crate) duration: u64,
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

    /// Mean bits per second over the whole rendition.
    pub(crate) fn average_bps(&self) -> u64 {
        let bytes: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        bits_per_second(bytes, self.duration_s())
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

fn bits_per_second(bytes: u64, seconds: f64) -> u64 {
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
            };
            start += duration;
            segment
        });
        let kind = Kind::Audio {
            rate: 10,
            channels: 2,
        };
        Rendition {
            name: "a".to_owned(),
            kind,
            codecs: String::new(),
            timescale: 10,
            segments: segments.collect(),
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
