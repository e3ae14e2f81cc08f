//! From numbers to a verdict.

use super::rule::{AlertRule, Condition, Direction};

/// The median absolute deviation of a normal distribution times this is its standard deviation.
const MAD: f64 = 1.4826;
/// A spread counts as at least this share of the median: days that were alike by chance say nothing of the next one.
const LEAST_SPREAD: f64 = 0.1;
/// Fewer days make no baseline.
const LEAST_DAYS: usize = 3;
/// 95% of a normal distribution are below this many standard deviations above the mean.
const Z: f64 = 1.645;

/// What was measured of a site in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Measured {
    pub(super) value: Option<f64>,
    /// Views that count, or viewers.
    pub(super) n: i64,
}

/// How things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Beyond the limit.
    Breach,
    /// Neither beyond the limit nor far enough from it.
    Between,
    Clear,
    /// Too little is known, which is not the same as clear.
    Unknown,
}

/// A verdict and its reasons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) measured: Measured,
    pub(super) threshold: f64,
    /// What it is where nothing is wrong.
    pub(super) usual: f64,
    /// The median of the other days.
    pub(super) baseline: Option<f64>,
}

/// Judges what was measured; `past` is what was measured at the same time of other days, for a rule with a baseline.
pub(super) fn judge(rule: &AlertRule, measured: Measured, past: &[Measured]) -> Judgement {
    let min_n = i64::from(rule.min_n);
    let direction = rule.direction();
    let (threshold, clear, baseline) = match rule.condition {
        Condition::Above { threshold, clear } | Condition::Below { threshold, clear } => {
            (threshold, clear, None)
        }
        Condition::Baseline(wanted) => {
            let known = past.iter().filter(|past| past.n >= min_n);
            let known: Vec<f64> = known.filter_map(|past| past.value).collect();
            let (Some(middle), LEAST_DAYS..) = (median(known.clone()), known.len()) else {
                return Judgement {
                    verdict: Verdict::Unknown,
                    measured,
                    threshold: 0.0,
                    usual: 0.0,
                    baseline: None,
                };
            };
            let apart = median(known.iter().map(|value| (value - middle).abs()).collect());
            let spread = (MAD * apart.unwrap_or(0.0)).max(LEAST_SPREAD * middle.abs());
            let away = |deviations: f64| match direction {
                Direction::Above => middle + deviations * spread,
                Direction::Below => middle - deviations * spread,
            };
            // At half the distance it is as it was.
            (
                away(wanted.deviations),
                away(wanted.deviations / 2.0),
                Some(middle),
            )
        }
    };
    // That viewers are missing is seen by how few there are.
    let enough = measured.n >= min_n
        || baseline.is_some_and(|middle| middle >= min_n as f64 && direction == Direction::Below);
    let verdict = match measured.value {
        Some(value) if enough && value.is_finite() => {
            let sure = match rule.metric.is_share() {
                true => wilson(value, measured.n, direction),
                false => value,
            };
            let (beyond, cleared) = match direction {
                Direction::Above => (sure > threshold, value <= clear),
                Direction::Below => (sure < threshold, value >= clear),
            };
            match (beyond, cleared) {
                (true, _) => Verdict::Breach,
                (false, true) => Verdict::Clear,
                (false, false) => Verdict::Between,
            }
        }
        _ => Verdict::Unknown,
    };
    Judgement {
        verdict,
        measured,
        threshold,
        usual: baseline.unwrap_or(clear),
        baseline,
    }
}

/// The end of the confidence interval of a share (Wilson, 1927) on the near side: what it is at least, or at most, with 95%.
fn wilson(share: f64, n: i64, direction: Direction) -> f64 {
    let n = n.max(1) as f64;
    let share = share.clamp(0.0, 1.0);
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let end = match direction {
        Direction::Above => middle - half,
        Direction::Below => middle + half,
    };
    end / (1.0 + Z * Z / n)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::alerts::rule::RuleSection;

    fn rule(text: &str) -> AlertRule {
        let section: RuleSection = toml::from_str(&format!("name = 'a'\n{text}")).unwrap();
        AlertRule::read(section).unwrap()
    }

    fn verdict(rule: &AlertRule, value: f64, n: i64) -> Verdict {
        let value = Some(value);
        judge(rule, Measured { value, n }, &[]).verdict
    }

    #[test]
    fn a_threshold_has_two_levels_and_few_views_say_nothing() {
        let above = rule("metric = 'rebuffer_ratio'\nabove = 0.05\nclear = 0.03");
        for (value, n, expected) in [
            (0.06, 25, Verdict::Breach),
            (0.05, 25, Verdict::Between),
            (0.04, 25, Verdict::Between),
            (0.03, 25, Verdict::Clear),
            (0.9, 24, Verdict::Unknown),
            (0.0, 24, Verdict::Unknown),
            (f64::NAN, 25, Verdict::Unknown),
        ] {
            assert_eq!(verdict(&above, value, n), expected, "{value} {n}");
        }
        let nothing = judge(&above, Measured { value: None, n: 99 }, &[]);
        assert_eq!(nothing.verdict, Verdict::Unknown);
        let below = rule("metric = 'avg_bitrate'\nbelow = 800\nclear = 1000");
        let verdicts = [799.0, 800.0, 1000.0].map(|value| verdict(&below, value, 25));
        assert_eq!(verdicts, [Verdict::Breach, Verdict::Between, Verdict::Clear]);
    }

    /// By hand: Wilson's interval of 3 of 25 with 95% on one side begins at 0.0490, that of 30 of 250 at 0.0902.
    #[test]
    fn a_share_of_few_views_must_be_farther_from_the_threshold() {
        let low = |n| wilson(0.12, n, Direction::Above);
        assert!((low(25) - 0.0490).abs() < 1e-4, "{}", low(25));
        assert!((low(250) - 0.0902).abs() < 1e-4, "{}", low(250));
        let rule = rule("metric = 'startup_failure'\nabove = 0.08");
        assert_eq!(verdict(&rule, 0.12, 25), Verdict::Between);
        assert_eq!(verdict(&rule, 0.12, 250), Verdict::Breach);
        assert_eq!(verdict(&rule, 0.08, 250), Verdict::Clear);
    }

    #[test]
    fn a_baseline_is_the_median_of_other_days() {
        let rule = rule("metric = 'concurrent_viewers'\nbaseline = { days = 5, deviations = 4 }");
        let past = |values: &[f64]| -> Vec<Measured> {
            let measured = |value: &f64| Measured {
                value: Some(*value),
                n: *value as i64,
            };
            values.iter().map(measured).collect()
        };
        let now = |value: f64, past: &[Measured]| {
            let n = value as i64;
            judge(
                &rule,
                Measured {
                    value: Some(value),
                    n,
                },
                past,
            )
        };
        // Median 100, absolute deviations 0, 10, 10, 20, 60: their median is 10.
        let days = past(&[90.0, 100.0, 110.0, 120.0, 40.0]);
        let judged = now(90.0, &days);
        assert_eq!((judged.baseline, judged.verdict), (Some(100.0), Verdict::Clear));
        assert!((judged.threshold - (100.0 - 4.0 * 14.826)).abs() < 1e-9);
        assert_eq!(now(60.0, &days).verdict, Verdict::Between);
        assert_eq!(now(40.0, &days).verdict, Verdict::Breach);
        assert_eq!(now(0.0, &days).verdict, Verdict::Breach, "all are gone");
        // Days that are alike have a spread all the same: 10 of 100.
        let judged = now(59.0, &past(&[100.0; 5]));
        assert_eq!((judged.threshold, judged.verdict), (60.0, Verdict::Breach));
        // Two days, or days of few viewers, are none.
        assert_eq!(now(0.0, &past(&[100.0, 100.0])).verdict, Verdict::Unknown);
        assert_eq!(now(0.0, &past(&[20.0; 5])).verdict, Verdict::Unknown);
    }

    #[test]
    fn medians_of_even_numbers_are_between() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
