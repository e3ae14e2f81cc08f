//! Quality of experience of a session: the normalised forms of the literature's scores.
//!
//! All are means over the segments. *R* is the nominal bitrate of a segment's rung, *stall* the seconds without pictures
//! before it (start-up is the first segment's), Δ the step from the segment before.
//!
//! - [`Objective::Lin`]: R/Rmax − stall − |ΔR|/Rmax: Pensieve's QoE_lin with µ = Rmax, divided by Rmax.
//! - [`Objective::Log`]: u − stall − |Δu| with u = ln(R/Rmin)/ln(Rmax/Rmin).
//! - [`Objective::Vmaf`]: Comyco's weights, divided so that a VMAF of 100 scores 1:
//!   (.8469·V − 28.7959·stall + .2979·rise − 1.0610·fall)/84.69.

use std::str::FromStr;
use std::time::Duration;

use crate::content::Content;

/// What to score by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objective {
    /// Bitrate.
    #[default]
    Lin,
    /// The logarithm of the bitrate.
    Log,
    /// VMAF; the content must have it.
    Vmaf,
}

/// A segment as the viewer saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Played {
    /// Its rung.
    pub rung: usize,
    /// Time without pictures before or in it.
    pub stall: Duration,
}

/// The figures of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Quality of experience by the objective.
    pub qoe: f64,
    /// Mean of the nominal bitrates, kbit/s.
    pub bitrate_kbps: f64,
    /// Time without pictures after the start, seconds.
    pub rebuffer_s: f64,
    /// The same as a share of the content's duration.
    pub rebuffer_ratio: f64,
    /// Time to the first picture, seconds.
    pub startup_s: f64,
    /// Segments with a stall after the start.
    pub stalls: usize,
    /// Segments of another rung than the one before.
    pub switches: usize,
}

/// Why a session cannot be scored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScoreError {
    /// The objective needs VMAF and the content has none.
    #[error("the content \"{0}\" has no segment_vmaf; use --objective lin or log, or a table that has it")]
    NoVmaf(String),
}

impl Objective {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Lin, Self::Log, Self::Vmaf];

    /// `lin`, `log` or `vmaf`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lin => "lin",
            Self::Log => "log",
            Self::Vmaf => "vmaf",
        }
    }

    /// Checks that content can be scored by it.
    ///
    /// # Errors
    /// If it needs VMAF and the content has none.
    pub fn check(self, content: &Content) -> Result<(), ScoreError> {
        if self == Self::Vmaf && !content.has_vmaf() {
            return Err(ScoreError::NoVmaf(content.name().to_owned()));
        }
        Ok(())
    }

    /// Scores a session: one entry a segment, in order. Rungs past the ladder count as the highest.
    ///
    /// # Errors
    /// As [`Objective::check`].
    pub fn score(self, content: &Content, played: &[Played]) -> Result<Score, ScoreError> {
        self.check(content)?;
        let segments = played.len().max(1) as f64;
        let highest = content.bitrates_kbps().len() - 1;
        let mut score = Score::default();
        let mut last: Option<(usize, f64)> = None;
        for (i, segment) in played.iter().enumerate() {
            let rung = segment.rung.min(highest);
            let stall_s = segment.stall.as_secs_f64();
            let quality = self.quality(content, i, rung);
            score.qoe += self.gain(quality, stall_s, last.map_or(0.0, |(_, before)| quality - before));
            score.bitrate_kbps += content.bitrates_kbps().get(rung).copied().unwrap_or_default();
            score.switches += usize::from(last.is_some_and(|(before, _)| before != rung));
            if i == 0 {
                score.startup_s = stall_s;
            } else {
                score.rebuffer_s += stall_s;
                score.stalls += usize::from(!segment.stall.is_zero());
            }
            last = Some((rung, quality));
        }
        score.qoe /= segments;
        score.bitrate_kbps /= segments;
        score.rebuffer_ratio = score.rebuffer_s / (segments * content.segment_duration().as_secs_f64());
        Ok(score)
    }

    /// What a segment is worth, in the objective's own unit.
    fn quality(self, content: &Content, segment: usize, rung: usize) -> f64 {
        let kbps = |rung: usize| content.bitrates_kbps().get(rung).copied().unwrap_or_default();
        let (lowest, highest) = (kbps(0), kbps(content.bitrates_kbps().len() - 1));
        match self {
            Self::Lin => kbps(rung) / highest,
            // A ladder of one bitrate is always at its best.
            Self::Log if lowest == highest => 1.0,
            Self::Log => libm::log(kbps(rung) / lowest) / libm::log(highest / lowest),
            Self::Vmaf => content
                .segments()
                .get(segment)
                .and_then(|s| s.vmaf.get(rung))
                .copied()
                .unwrap_or_default(),
        }
    }

    fn gain(self, quality: f64, stall_s: f64, step: f64) -> f64 {
        match self {
            Self::Lin | Self::Log => quality - stall_s - step.abs(),
            Self::Vmaf => {
                let switching = if step > 0.0 { 0.2979 * step } else { 1.0610 * step };
                (0.8469 * quality - 28.7959 * stall_s + switching) / 84.69
            }
        }
    }
}

impl FromStr for Objective {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|o| o.name() == s)
            .ok_or_else(|| format!("unknown objective \"{s}\"; known are {known}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;

    fn content(vmaf: bool) -> Content {
        let vmaf = if vmaf {
            r#", "segment_vmaf": [[20, 60], [30, 70], [40, 80]]"#
        } else {
            ""
        };
        let json = format!(
            r#"{{"segment_duration_ms": 2000, "bitrates_kbps": [1000, 4000], "segment_sizes_bits": [[8, 8], [8, 8], [8, 8]]{vmaf}}}"#
        );
        Content::parse(Path::new("t.json"), json.as_bytes()).unwrap()
    }

    fn played() -> [Played; 3] {
        [(0, 500), (1, 0), (0, 1500)].map(|(rung, ms)| Played {
            rung,
            stall: Duration::from_millis(ms),
        })
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn the_linear_score_by_hand() {
        let score = Objective::Lin.score(&content(false), &played()).unwrap();
        close(
            score.qoe,
            ((0.25 - 0.5) + (1.0 - 0.75) + (0.25 - 1.5 - 0.75)) / 3.0,
        );
        close(score.bitrate_kbps, 2000.0);
        close(score.rebuffer_s, 1.5);
        close(score.rebuffer_ratio, 0.25);
        close(score.startup_s, 0.5);
        assert_eq!((score.stalls, score.switches), (1, 2));
    }

    #[test]
    fn the_logarithmic_score_by_hand() {
        let score = Objective::Log.score(&content(false), &played()).unwrap();
        close(score.qoe, ((0.0 - 0.5) + (1.0 - 1.0) + (0.0 - 1.5 - 1.0)) / 3.0);
    }

    #[test]
    fn the_vmaf_score_by_hand() {
        let score = Objective::Vmaf.score(&content(true), &played()).unwrap();
        let first = 0.8469 * 20.0 - 28.7959 * 0.5;
        let second = 0.8469 * 70.0 + 0.2979 * 50.0;
        let third = 0.8469 * 40.0 - 28.7959 * 1.5 - 1.0610 * 30.0;
        close(score.qoe, (first + second + third) / 84.69 / 3.0);
        let error = Objective::Vmaf.score(&content(false), &played()).unwrap_err();
        assert_eq!(error, ScoreError::NoVmaf("t".to_owned()));
    }

    #[test]
    fn a_single_bitrate_is_the_best_there_is() {
        let json = br#"{"segment_duration_ms": 2000, "bitrates_kbps": [1000], "segment_sizes_bits": [[8]]}"#;
        let content = Content::parse(Path::new("t.json"), json).unwrap();
        let played = [Played {
            rung: 5,
            stall: Duration::ZERO,
        }];
        close(Objective::Log.score(&content, &played).unwrap().qoe, 1.0);
        close(Objective::Lin.score(&content, &played).unwrap().qoe, 1.0);
    }

    #[test]
    fn names() {
        for objective in Objective::ALL {
            assert_eq!(objective.name().parse(), Ok(objective));
        }
        assert_eq!(
            "best".parse::<Objective>().unwrap_err(),
            "unknown objective \"best\"; known are lin, log, vmaf"
        );
    }
}
