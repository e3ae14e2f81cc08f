//! Frame rates, media timescales and the one plan of IDR frames that every rendition follows.

use ffmpeg_next::Rational;
use serde::{Deserialize, Serialize};

/// A constant frame rate, in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FrameRate {
    num: u32,
    den: u32,
}

impl FrameRate {
    pub(crate) const fn new(num: u32, den: u32) -> Self {
        Self { num, den }
    }

    /// The rate a source is encoded at.
    ///
    /// `average` is the stream's mean rate and `base` the lowest rate that holds all its timestamps. Where they agree
    /// the source is constant and keeps its rate; where they differ it is variable and gets the next usual rate, so
    /// that no frame is lost. Rates above 60 are divided until they fit.
    pub(crate) fn of_source(average: Rational, base: Rational) -> Self {
        let average_fps = usable(average);
        let base_fps = usable(base);
        let (fps, exact) = match (average_fps, base_fps) {
            (Some(average_fps), Some(base_fps)) if (base_fps / average_fps - 1.0).abs() < 0.01 => {
                (base_fps, Some(base))
            }
            (Some(average_fps), _) => (average_fps, None),
            (None, Some(base_fps)) => (base_fps, Some(base)),
            (None, None) => return Self::new(25, 1),
        };
        let mut halved = fps;
        while halved > 60.5 {
            halved /= 2.0;
        }
        let is_near = |usual: &Self| (usual.fps() / halved - 1.0).abs() < 0.0005;
        if let Some(usual) = USUAL.into_iter().find(is_near) {
            return usual;
        }
        match exact {
            Some(rate) if fps <= 60.5 && rate.denominator() <= 1001 => {
                let rate = rate.reduce();
                Self::new(rate.numerator().unsigned_abs(), rate.denominator().unsigned_abs())
            }
            _ if halved < 20.0 => Self::new(halved.ceil().max(1.0) as u32, 1),
            _ => USUAL
                .into_iter()
                .find(|usual| usual.fps() >= halved * 0.985)
                .unwrap_or(Self::new(60, 1)),
        }
    }

    pub(crate) fn fps(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// Ticks per second of a track at this rate: a frame is a whole number of ticks.
    pub(crate) fn timescale(self) -> u32 {
        if (90_000 * u64::from(self.den)).is_multiple_of(u64::from(self.num)) {
            90_000
        } else {
            self.num * 10_000_u32.div_ceil(self.num)
        }
    }

    /// Ticks of one frame.
    pub(crate) fn frame_ticks(self) -> u32 {
        (u64::from(self.timescale()) * u64::from(self.den) / u64::from(self.num)) as u32
    }

    /// The rate of every `divisor`-th frame.
    pub(crate) fn divided(self, divisor: u32) -> Self {
        match self.num.is_multiple_of(divisor) {
            true => Self::new(self.num / divisor, self.den),
            false => Self::new(self.num, self.den * divisor),
        }
    }

    /// The power of two to divide by so that the rate is at most `max_fps`.
    pub(crate) fn divisor(self, max_fps: Option<f64>) -> u32 {
        let mut divisor = 1;
        while max_fps.is_some_and(|max_fps| self.fps() / f64::from(divisor) > max_fps * 1.0005)
            && divisor < 64
        {
            divisor *= 2;
        }
        divisor
    }

    /// Seconds at which `frame`, counted from 0, is shown.
    pub(crate) fn seconds(self, frame: u64) -> f64 {
        frame as f64 * f64::from(self.den) / f64::from(self.num)
    }

    /// Seconds per frame, as FFmpeg's time base.
    pub(crate) fn time_base(self) -> Rational {
        Rational::new(self.den as i32, self.num as i32)
    }

    pub(crate) fn rational(self) -> Rational {
        Rational::new(self.num as i32, self.den as i32)
    }
}

/// "25" or "30000/1001": the form of a filter's `fps` and of DASH's `@frameRate`.
impl std::fmt::Display for FrameRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.den {
            1 => write!(f, "{}", self.num),
            den => write!(f, "{}/{den}", self.num),
        }
    }
}

/// Where segments and groups of pictures begin: the same frames on every rendition, and the nearest sound to them.
///
/// Frames count from 0 at the source's rate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdrPlan {
    rate: FrameRate,
    cuts: Cuts,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Cuts {
    /// A whole number of groups of pictures makes a segment.
    Regular {
        frames_per_segment: u64,
        frames_per_gop: u64,
    },
    /// The frames at which segments begin, ascending from 0; after the last one they are regular.
    Listed {
        starts: Vec<u64>,
        frames_per_segment: u64,
    },
}

impl IdrPlan {
    /// Segments of the whole number of frames nearest to `segment_s` seconds, of groups of pictures of about `gop_s`.
    ///
    /// Both are multiples of `step` frames, so that renditions of lower frame rates have them too.
    pub(crate) fn regular(rate: FrameRate, segment_s: f64, gop_s: f64, step: u32) -> Self {
        let step = u64::from(step.max(1));
        let gop = ((rate.fps() * gop_s / step as f64).round().max(1.0) as u64) * step;
        let gops = (rate.fps() * segment_s / gop as f64).round().max(1.0) as u64;
        Self {
            rate,
            cuts: Cuts::Regular {
                frames_per_segment: gop * gops,
                frames_per_gop: gop,
            },
        }
    }

    /// Segments that begin at `starts`, and regular ones of `frames_per_segment` after the last.
    pub(crate) fn listed(rate: FrameRate, mut starts: Vec<u64>, frames_per_segment: u64) -> Self {
        starts.push(0);
        starts.sort_unstable();
        starts.dedup();
        let frames_per_segment = frames_per_segment.max(1);
        Self {
            rate,
            cuts: Cuts::Listed {
                starts,
                frames_per_segment,
            },
        }
    }

    /// Says what makes a plan that was read one that nobody can follow.
    pub(crate) fn check(&self) -> Result<(), String> {
        let FrameRate { num, den } = self.rate;
        if ![num, den].iter().all(|part| (1..=MAX_RATE_PART).contains(part))
            || !(0.01..=1000.0).contains(&self.rate.fps())
        {
            return Err(format!("a frame rate of {num}/{den}"));
        }
        let is_good = match &self.cuts {
            Cuts::Regular {
                frames_per_segment,
                frames_per_gop,
            } => {
                (1..=MAX_FRAMES).contains(frames_per_segment)
                    && *frames_per_gop > 0
                    && frames_per_segment.is_multiple_of(*frames_per_gop)
            }
            Cuts::Listed {
                starts,
                frames_per_segment,
            } => {
                (1..=MAX_FRAMES).contains(frames_per_segment)
                    && starts.first() == Some(&0)
                    && starts.is_sorted_by(|one, next| one < next)
                    && starts.last().is_some_and(|last| *last <= MAX_FRAMES)
            }
        };
        match is_good {
            true => Ok(()),
            false => Err("segments that do not follow each other".to_owned()),
        }
    }

    pub(crate) fn rate(&self) -> FrameRate {
        self.rate
    }

    /// Whether all groups of pictures have the same length.
    pub(crate) fn is_regular(&self) -> bool {
        matches!(self.cuts, Cuts::Regular { .. })
    }

    /// The longest distance between IDR frames, in frames.
    pub(crate) fn max_gop(&self) -> u64 {
        match &self.cuts {
            Cuts::Regular { frames_per_gop, .. } => *frames_per_gop,
            Cuts::Listed {
                starts,
                frames_per_segment,
            } => {
                let gaps = starts
                    .windows(2)
                    .map(|pair| pair.iter().rev().copied().reduce(|a, b| a - b));
                gaps.flatten().max().unwrap_or(0).max(*frames_per_segment)
            }
        }
    }

    /// Whether `frame` is an IDR frame.
    pub(crate) fn is_idr(&self, frame: u64) -> bool {
        match &self.cuts {
            Cuts::Regular { frames_per_gop, .. } => frame.is_multiple_of(*frames_per_gop),
            Cuts::Listed { .. } => self.starts_segment(frame),
        }
    }

    /// Whether `frame` is an IDR frame that starts a segment.
    pub(crate) fn starts_segment(&self, frame: u64) -> bool {
        match &self.cuts {
            Cuts::Regular {
                frames_per_segment, ..
            } => frame.is_multiple_of(*frames_per_segment),
            Cuts::Listed {
                starts,
                frames_per_segment,
            } => match starts.last() {
                Some(last) if frame > *last => (frame - last).is_multiple_of(*frames_per_segment),
                _ => starts.binary_search(&frame).is_ok(),
            },
        }
    }

    /// The frame at which segment `index`, counted from 0, begins.
    pub(crate) fn segment_start(&self, index: u64) -> u64 {
        match &self.cuts {
            Cuts::Regular {
                frames_per_segment, ..
            } => index.saturating_mul(*frames_per_segment),
            Cuts::Listed {
                starts,
                frames_per_segment,
            } => {
                let listed = usize::try_from(index).ok().and_then(|index| starts.get(index));
                let past = index.saturating_sub(starts.len().saturating_sub(1) as u64);
                let last = starts.last().copied().unwrap_or(0);
                listed
                    .copied()
                    .unwrap_or_else(|| last.saturating_add(past.saturating_mul(*frames_per_segment)))
            }
        }
    }

    /// The segment that `frame` lies in, counted from 0.
    pub(crate) fn segment_of(&self, frame: u64) -> u64 {
        match &self.cuts {
            Cuts::Regular {
                frames_per_segment, ..
            } => frame / frames_per_segment,
            Cuts::Listed {
                starts,
                frames_per_segment,
            } => {
                let before = starts.partition_point(|start| *start <= frame).max(1) as u64 - 1;
                let last = starts.last().copied().unwrap_or(0);
                before + frame.saturating_sub(last) / frames_per_segment
            }
        }
    }

    /// Where segment `index`, counted from 0, begins, in ticks of `timescale`.
    pub(crate) fn boundary_ticks(&self, index: u64, timescale: u32) -> u64 {
        let frames = u128::from(self.segment_start(index));
        let ticks = frames * u128::from(self.rate.den) * u128::from(timescale) / u128::from(self.rate.num);
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
}

fn usable(rate: Rational) -> Option<f64> {
    let fps = f64::from(rate.numerator()) / f64::from(rate.denominator());
    (rate.numerator() > 0 && rate.denominator() > 0 && (0.1..=1000.0).contains(&fps)).then_some(fps)
}

/// More than any rate is written with.
const MAX_RATE_PART: u32 = 10_000_000;
/// More than any film has.
const MAX_FRAMES: u64 = 1 << 40;
const USUAL: [FrameRate; 9] = [
    FrameRate::new(24_000, 1001),
    FrameRate::new(24, 1),
    FrameRate::new(25, 1),
    FrameRate::new(30_000, 1001),
    FrameRate::new(30, 1),
    FrameRate::new(48, 1),
    FrameRate::new(50, 1),
    FrameRate::new(60_000, 1001),
    FrameRate::new(60, 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(average: (i32, i32), base: (i32, i32)) -> String {
        FrameRate::of_source(Rational::new(average.0, average.1), Rational::new(base.0, base.1)).to_string()
    }

    #[test]
    fn a_constant_source_keeps_its_rate() {
        assert_eq!(of((25, 1), (25, 1)), "25");
        assert_eq!(of((30_000, 1001), (30_000, 1001)), "30000/1001");
        assert_eq!(of((2997, 100), (30_000, 1001)), "30000/1001");
        assert_eq!(of((12, 1), (12, 1)), "12");
    }

    #[test]
    fn a_variable_source_gets_the_next_usual_rate() {
        assert_eq!(of((2871, 100), (90_000, 1)), "30000/1001");
        assert_eq!(of((1325, 100), (600, 1)), "14");
        assert_eq!(of((5231, 100), (120, 1)), "60000/1001");
    }

    #[test]
    fn high_and_unknown_rates_are_bounded() {
        assert_eq!(of((120, 1), (120, 1)), "60");
        assert_eq!(of((240, 1), (240, 1)), "60");
        assert_eq!(of((100, 1), (100, 1)), "50");
        assert_eq!(of((0, 0), (0, 0)), "25");
        assert_eq!(of((0, 1), (90_000, 1)), "25");
    }

    #[test]
    fn a_frame_is_a_whole_number_of_ticks() {
        for rate in USUAL
            .into_iter()
            .chain([FrameRate::new(7, 1), FrameRate::new(359, 12)])
        {
            assert_eq!(
                u64::from(rate.timescale()) * u64::from(rate.den),
                u64::from(rate.frame_ticks()) * u64::from(rate.num),
                "{rate}"
            );
            assert!(rate.timescale() >= 10_000);
        }
    }

    #[test]
    fn segments_are_whole_frames() {
        let plan = IdrPlan::regular(FrameRate::new(30_000, 1001), 2.0, 2.0, 1);
        assert_eq!(plan.max_gop(), 60);
        assert!(plan.starts_segment(0) && plan.starts_segment(120) && !plan.starts_segment(59));
        assert_eq!(plan.boundary_ticks(1, 30_000), 60 * 1001);
        assert_eq!(plan.boundary_ticks(3, 48_000), 288_288);
    }

    #[test]
    fn a_segment_is_whole_groups_of_pictures() {
        let plan = IdrPlan::regular(FrameRate::new(50, 1), 4.0, 1.0, 1);
        assert!(plan.is_idr(50) && !plan.starts_segment(50) && plan.starts_segment(200));
        assert_eq!(
            (plan.max_gop(), plan.segment_of(399), plan.segment_start(2)),
            (50, 1, 400)
        );
        // 25 frames are no multiple of 2: a rendition of half the rate could not begin there.
        let halved = IdrPlan::regular(FrameRate::new(25, 1), 1.0, 1.0, 2);
        assert_eq!(halved.max_gop(), 26);
    }

    #[test]
    fn listed_starts_go_on_regularly() {
        let plan = IdrPlan::listed(FrameRate::new(25, 1), vec![40, 130], 50);
        let starts: Vec<u64> = (0..300).filter(|frame| plan.starts_segment(*frame)).collect();
        assert_eq!(starts, [0, 40, 130, 180, 230, 280]);
        for (index, start) in (0..).zip(&starts) {
            assert_eq!(
                (plan.segment_start(index), plan.segment_of(*start)),
                (*start, index)
            );
            assert_eq!(plan.segment_of(start + 9), index);
        }
        assert_eq!(plan.max_gop(), 90);
    }

    #[test]
    fn a_high_rate_is_halved_until_it_fits() {
        let rate = FrameRate::new(60_000, 1001);
        assert_eq!(
            (
                rate.divisor(None),
                rate.divisor(Some(30.0)),
                rate.divisor(Some(60.0))
            ),
            (1, 2, 1)
        );
        assert_eq!(rate.divided(2).to_string(), "30000/1001");
        assert_eq!(FrameRate::new(25, 1).divided(2).to_string(), "25/2");
    }
}
