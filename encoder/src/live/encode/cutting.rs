//! Where segments and parts begin: the same frames on every rung, and the sound nearest to them.

use std::time::Duration;

use crate::cmaf::aac;
use crate::timing::{FrameRate, IdrPlan};

/// Segments of one length, in parts of one length, of which the last of a segment may be shorter.
#[derive(Clone, Debug)]
pub(crate) struct Cutting {
    idr: IdrPlan,
    /// Frames at the source's rate.
    segment: u64,
    part: u64,
}

impl Cutting {
    /// Segments of about `segment_s` and parts of at most about `part_s`. Both are multiples of `step` frames, so that rungs of lower
    /// frame rates have them too.
    pub(crate) fn new(rate: FrameRate, segment_s: f64, part_s: f64, step: u32) -> Self {
        let idr = IdrPlan::regular(rate, segment_s, segment_s, step);
        let segment = idr.max_gop();
        let step = u64::from(step.max(1));
        // 333 ms are ten frames of 29.97 a second, for a third of a millisecond more.
        let most = (rate.fps() * part_s / step as f64 + 0.05).floor().max(1.0) as u64 * step;
        let parts = segment.div_ceil(most).max(1);
        // As even as they go: a player counts on parts of at least 85% of the target (RFC 8216bis §4.4.4.9).
        let part = segment.div_ceil(parts).div_ceil(step) * step;
        Self { idr, segment, part }
    }

    /// At the source's rate.
    pub(crate) fn idr(&self) -> &IdrPlan {
        &self.idr
    }

    pub(crate) fn rate(&self) -> FrameRate {
        self.idr.rate()
    }

    /// What the frame at which `frame` begins, or ends, is.
    pub(crate) fn edge(&self, frame: u64) -> Edge {
        match frame % self.segment {
            0 => Edge::Segment,
            within if within % self.part == 0 => Edge::Part,
            _ => Edge::None,
        }
    }

    /// The frame at which part `index` of the take, counted from 0, begins.
    fn part_start(&self, index: u64) -> u64 {
        let parts = self.segment.div_ceil(self.part);
        index / parts * self.segment + index % parts * self.part
    }

    /// Where part `index` of the take begins in sound of `rate` samples a second, and whether a segment does.
    pub(crate) fn sound_edge(&self, index: u64, rate: u32) -> (u64, Edge) {
        let frame = self.part_start(index);
        let base = self.rate().rational();
        let (num, den) = (base.numerator().unsigned_abs(), base.denominator().unsigned_abs());
        let samples = u128::from(frame) * u128::from(den) * u128::from(rate) / u128::from(num.max(1));
        (u64::try_from(samples).unwrap_or(u64::MAX), self.edge(frame))
    }

    pub(crate) fn segment_target(&self) -> Duration {
        self.lasting(self.segment)
    }

    /// No part is longer; where there is sound of `sound_rate`, its parts are whole frames of it.
    pub(crate) fn part_target(&self, sound_rate: u32) -> Duration {
        let pictures = self.lasting(self.part);
        let frame_s = f64::from(aac::FRAME_SAMPLES) / f64::from(sound_rate);
        let sound_s = (pictures.as_secs_f64() / frame_s).ceil() * frame_s;
        // In whole milliseconds, rounded up: playlists have three digits.
        Duration::from_millis((sound_s.max(pictures.as_secs_f64()) * 1000.0 - 1e-6).ceil() as u64)
    }

    fn lasting(&self, frames: u64) -> Duration {
        Duration::from_secs_f64(self.rate().seconds(frames))
    }
}

/// What begins at a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    Segment,
    Part,
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(num: u32, den: u32, part_s: f64, step: u32) -> (u64, u64) {
        let cutting = Cutting::new(FrameRate::new(num, den), 2.0, part_s, step);
        (cutting.segment, cutting.part)
    }

    #[test]
    fn parts_are_even_and_not_longer_than_asked() {
        assert_eq!(parts(30, 1, 0.333, 1), (60, 10));
        assert_eq!(parts(30_000, 1001, 0.333, 1), (60, 10));
        assert_eq!(parts(25, 1, 0.333, 1), (50, 8));
        assert_eq!(parts(60, 1, 0.333, 2), (120, 20));
        assert_eq!(parts(50, 1, 0.5, 2), (100, 20));
        assert_eq!(parts(2, 1, 0.2, 1), (4, 1));
    }

    #[test]
    fn sound_follows_the_parts_of_the_pictures() {
        let cutting = Cutting::new(FrameRate::new(25, 1), 2.0, 0.333, 1);
        // Seven parts: six of eight frames, one of two.
        let edges: Vec<_> = (0..9).map(|index| cutting.sound_edge(index, 48_000)).collect();
        assert_eq!(edges.first(), Some(&(0, Edge::Segment)));
        assert_eq!(edges.get(1), Some(&(15_360, Edge::Part)));
        assert_eq!(edges.get(7), Some(&(96_000, Edge::Segment)));
        assert_eq!(edges.get(8), Some(&(111_360, Edge::Part)));
        assert_eq!(cutting.edge(50), Edge::Segment);
        assert_eq!(cutting.edge(8), Edge::Part);
        assert_eq!(cutting.edge(9), Edge::None);
        assert_eq!(cutting.part_target(48_000), Duration::from_millis(320));
        assert_eq!(cutting.segment_target(), Duration::from_secs(2));
    }
}
