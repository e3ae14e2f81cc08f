//! Quality of experience of a session, by an [`Objective`] of the engine: the same that the algorithms plan by.
//!
//! The score is the mean over the segments. *R* is the nominal bitrate of a segment's rung; a stall belongs to the segment
//! that it came before or fell into; start-up is the first segment's. With [`Objective::LIN`] that is R/Rmax − stall −
//! |ΔR|/Rmax, Pensieve's QoE_lin with µ = Rmax, divided by Rmax; see [`player_core::abr::objective`] for the others.

use std::time::Duration;

use player_core::Bitrate;
pub use player_core::abr::Objective;
use player_core::abr::{Rung, Upcoming, Utility};
use player_core::config::AbrConfig;

use crate::content::Content;

/// The objectives that have a name.
pub const OBJECTIVES: [(&str, Objective); 3] = [
    ("lin", Objective::LIN),
    ("log", Objective::LOG),
    ("vmaf", Objective::VMAF),
];

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

/// Checks that content can be scored by an objective.
///
/// # Errors
/// If it needs VMAF and the content has none.
pub fn check(objective: &Objective, content: &Content) -> Result<(), ScoreError> {
    if objective.utility == Utility::Quality && !content.has_vmaf() {
        return Err(ScoreError::NoVmaf(content.name().to_owned()));
    }
    Ok(())
}

/// Scores a session: one entry a segment, in order. Rungs past the ladder count as the highest.
///
/// # Errors
/// As [`check`].
pub fn score(objective: &Objective, content: &Content, played: &[Played]) -> Result<Score, ScoreError> {
    check(objective, content)?;
    let segments = played.len().max(1) as f64;
    let highest = content.bitrates_kbps().len() - 1;
    let utilities = Utilities::new(objective, content);
    let mut score = Score::default();
    let mut last: Option<(usize, f64)> = None;
    for (i, segment) in played.iter().enumerate() {
        let rung = segment.rung.min(highest);
        let stall_s = segment.stall.as_secs_f64();
        let utility = utilities.of(i, rung);
        score.qoe += objective.gain(utility, last.map(|(_, before)| before)) - objective.stall * stall_s;
        score.bitrate_kbps += content.bitrates_kbps().get(rung).copied().unwrap_or_default();
        score.switches += usize::from(last.is_some_and(|(before, _)| before != rung));
        if i == 0 {
            score.startup_s = stall_s;
        } else {
            score.rebuffer_s += stall_s;
            score.stalls += usize::from(!segment.stall.is_zero());
        }
        last = Some((rung, utility));
    }
    score.qoe /= segments;
    score.bitrate_kbps /= segments;
    score.rebuffer_ratio = score.rebuffer_s / content.duration().as_secs_f64();
    Ok(score)
}

/// What each segment of content is worth in each rung.
pub(crate) struct Utilities<'a> {
    content: &'a Content,
    utility: Utility,
    /// By rung; for `Quality`, what counts where a segment has none.
    by_bitrate: Vec<f64>,
}

impl<'a> Utilities<'a> {
    pub(crate) fn new(objective: &Objective, content: &'a Content) -> Self {
        let ladder: Vec<_> = content
            .bitrates_kbps()
            .iter()
            .map(|kbps| Rung {
                bitrate: Bitrate::from_bps((kbps * 1000.0).round() as u64),
            })
            .collect();
        let of = |rung| objective.utility.of(&ladder, &Unknown, rung, 0);
        Self {
            content,
            utility: objective.utility,
            by_bitrate: (0..ladder.len()).map(of).collect(),
        }
    }

    /// 0 to 1, by segment and rung.
    pub(crate) fn of(&self, segment: usize, rung: usize) -> f64 {
        let quality = (self.utility == Utility::Quality)
            .then(|| self.content.segments().get(segment)?.vmaf.get(rung))
            .flatten();
        match quality {
            Some(vmaf) => (vmaf / 100.0).clamp(0.0, 1.0),
            None => self.by_bitrate.get(rung).copied().unwrap_or_default(),
        }
    }
}

/// Nothing is known of the segments.
struct Unknown;

impl Upcoming for Unknown {
    fn bytes(&self, _: usize, _: usize) -> Option<u64> {
        None
    }
}

/// The objective of a name: `lin`, `log` or `vmaf`.
///
/// # Errors
/// If there is none; the message names them.
pub fn parse_objective(name: &str) -> Result<Objective, String> {
    let known = OBJECTIVES.map(|(name, _)| name).join(", ");
    OBJECTIVES
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, objective)| objective)
        .ok_or_else(|| format!("unknown objective \"{name}\"; known are {known}"))
}

/// Lays weights over an objective: `stall=1,rise=1,fall=1`, any of them; `switch=` is both `rise` and `fall`.
///
/// # Errors
/// If a part is not a known name with a number in its range; the message says which.
pub fn parse_weights(weights: &str, over: Objective) -> Result<Objective, String> {
    let mut objective = over;
    for part in weights.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, number) = part
            .split_once('=')
            .ok_or_else(|| format!("the weight \"{part}\" has no value; write for example stall=1"))?;
        let name = name.trim();
        // The ranges of the engine's configuration.
        let least = if name == "rise" { -1.0 } else { 0.0 };
        let value = number
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|value| (least..=100.0).contains(value))
            .ok_or_else(|| {
                format!("the weight {name} must be a number from {least} to 100, not \"{number}\"")
            })?;
        match name {
            "stall" => objective.stall = value,
            "rise" => objective.rise = value,
            "fall" => objective.fall = value,
            "switch" => (objective.rise, objective.fall) = (value, value),
            _ => {
                return Err(format!(
                    "unknown weight \"{name}\"; known are stall, rise, fall, switch"
                ));
            }
        }
    }
    Ok(objective)
}

/// Makes the algorithms plan by an objective.
pub fn plan_by(objective: &Objective, abr: &mut AbrConfig) {
    abr.utility = Some(objective.utility);
    abr.stall_cost = Some(objective.stall);
    abr.rise_cost = Some(objective.rise);
    abr.fall_cost = Some(objective.fall);
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
        let score = score(&Objective::LIN, &content(false), &played()).unwrap();
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
        let score = score(&Objective::LOG, &content(false), &played()).unwrap();
        close(score.qoe, ((0.0 - 0.5) + (1.0 - 1.0) + (0.0 - 1.5 - 1.0)) / 3.0);
    }

    #[test]
    fn the_vmaf_score_by_hand() {
        let by_hand = score(&Objective::VMAF, &content(true), &played()).unwrap();
        let first = 0.8469 * 20.0 - 28.7959 * 0.5;
        let second = 0.8469 * 70.0 + 0.2979 * 50.0;
        let third = 0.8469 * 40.0 - 28.7959 * 1.5 - 1.0610 * 30.0;
        close(by_hand.qoe, (first + second + third) / 84.69 / 3.0);
        let error = score(&Objective::VMAF, &content(false), &played()).unwrap_err();
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
        close(score(&Objective::LOG, &content, &played).unwrap().qoe, 1.0);
        close(score(&Objective::LIN, &content, &played).unwrap().qoe, 1.0);
    }

    #[test]
    fn weights_count_in_the_score_and_in_the_plan() {
        let objective = parse_weights("stall=2, switch=0.5,fall=3", Objective::LIN).unwrap();
        let score = score(&objective, &content(false), &played()).unwrap();
        close(
            score.qoe,
            ((0.25 - 2.0 * 0.5) + (1.0 - 0.5 * 0.75) + (0.25 - 2.0 * 1.5 - 3.0 * 0.75)) / 3.0,
        );
        for (_, objective) in OBJECTIVES.into_iter().chain([("own", objective)]) {
            let mut config = AbrConfig::default();
            plan_by(&objective, &mut config);
            assert_eq!(config.objective(), objective);
        }
    }

    #[test]
    fn names() {
        for (name, objective) in OBJECTIVES {
            assert_eq!(parse_objective(name), Ok(objective));
        }
        assert_eq!(
            parse_objective("best").unwrap_err(),
            "unknown objective \"best\"; known are lin, log, vmaf"
        );
        let error = |weights| parse_weights(weights, Objective::LIN).unwrap_err();
        assert!(error("stall").starts_with("the weight \"stall\" has no value"));
        assert_eq!(
            error("stall=-1"),
            "the weight stall must be a number from 0 to 100, not \"-1\""
        );
        assert_eq!(
            error("rise=NaN"),
            "the weight rise must be a number from -1 to 100, not \"NaN\""
        );
        assert_eq!(
            error("speed=1"),
            "unknown weight \"speed\"; known are stall, rise, fall, switch"
        );
        assert_eq!(parse_weights("", Objective::LOG), Ok(Objective::LOG));
    }
}
