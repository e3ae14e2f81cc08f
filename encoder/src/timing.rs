//! Frame rates, media timescales and the one plan of IDR frames that every rendition follows.

use ffmpeg_next::Rational;

/// A constant frame rate, in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Where segments begin: the same frames on every rendition, and the nearest sound to them.
#[derive(Clone, Debug)]
pub(crate) struct IdrPlan {
    rate: FrameRate,
    frames_per_segment: u64,
}

impl IdrPlan {
    /// Segments of the whole number of frames nearest to `segment_s` seconds.
    pub(crate) fn regular(rate: FrameRate, segment_s: u32) -> Self {
        let frames = (rate.fps() * f64::from(segment_s)).round().max(1.0);
        Self {
            rate,
            frames_per_segment: frames as u64,
        }
    }

    pub(crate) fn rate(&self) -> FrameRate {
        self.rate
    }

    /// The longest distance between IDR frames, in frames.
    pub(crate) fn max_gop(&self) -> u64 {
        self.frames_per_segment
    }

    /// Whether `frame`, counted from 0, is an IDR frame that starts a segment.
    pub(crate) fn starts_segment(&self, frame: u64) -> bool {
        frame.is_multiple_of(self.frames_per_segment)
    }

    /// Where segment `index`, counted from 0, begins, in ticks of `timescale`.
    pub(crate) fn boundary_ticks(&self, index: u64, timescale: u32) -> u64 {
        let frames = u128::from(index) * u128::from(self.frames_per_segment);
        let ticks = frames * u128::from(self.rate.den) * u128::from(timescale) / u128::from(self.rate.num);
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
}

fn usable(rate: Rational) -> Option<f64> {
    let fps = f64::from(rate.numerator()) / f64::from(rate.denominator());
    (rate.numerator() > 0 && rate.denominator() > 0 && (0.1..=1000.0).contains(&fps)).then_some(fps)
}

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
        let plan = IdrPlan::regular(FrameRate::new(30_000, 1001), 2);
        assert_eq!(plan.max_gop(), 60);
        assert!(plan.starts_segment(0) && plan.starts_segment(120) && !plan.starts_segment(59));
        assert_eq!(plan.boundary_ticks(1, 30_000), 60 * 1001);
        assert_eq!(plan.boundary_ticks(3, 48_000), 288_288);
    }
}
