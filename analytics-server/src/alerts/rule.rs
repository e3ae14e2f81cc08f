//! What is watched: rules, as the configuration file has them.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::metrics::{Better, Metric, Value};
use crate::query::ast::{Dimension, Field, Filter};
use crate::query::cohorts::is_comparable;

/// The metric that is no sum over views: the mean number of viewers at a time.
pub(super) const CONCURRENT_VIEWERS: &str = "concurrent_viewers";
const MAX_RULES: usize = 100;
const MAX_NAME_BYTES: usize = 64;
const MAX_FILTERS: usize = 10;
const MAX_BY: usize = 6;
const MAX_WINDOW_S: u32 = 86_400;
/// Windows are made of the stretches in which played time is stored.
const WINDOW_STEP_S: u32 = 10;
const MIN_WINDOW_S: u32 = 60;
const MAX_PERIODS: u32 = 28;
/// Where the cohort is looked for: the first three are known of played time, too. None is known only of views that got somewhere.
const DEFAULT_BY: [Field; 6] = [
    Field::CdnHost,
    Field::Country,
    Field::Device,
    Field::Network,
    Field::Os,
    Field::Player,
];
const OF_TIME: usize = 3;

/// A rule: a metric of each site that is to stay within a limit.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRule {
    pub(super) name: String,
    pub(super) metric: Watched,
    /// Only this one; else each site by itself.
    pub(crate) site: Option<String>,
    pub(super) filters: Vec<Filter>,
    /// As they were written.
    filter_texts: Vec<String>,
    pub(super) condition: Condition,
    pub(super) window_s: u32,
    pub(super) for_s: u32,
    pub(super) min_n: u32,
    pub(super) by: Vec<Dimension>,
}

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Watched {
    ConcurrentViewers,
    Metric(&'static Metric),
}

/// What is too much, or too little.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Condition {
    Above { threshold: f64, clear: f64 },
    Below { threshold: f64, clear: f64 },
    Baseline(Baseline),
}

/// Far from what it was at the same time of other days.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Baseline {
    /// How many days or weeks back.
    #[serde(default = "seven")]
    pub(super) days: u32,
    /// Times the spread of those days.
    #[serde(default = "five")]
    pub(super) deviations: f64,
    #[serde(default)]
    pub(super) season: Season,
    pub(super) direction: Option<Direction>,
}

const fn seven() -> u32 {
    7
}

const fn five() -> f64 {
    5.0
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Season {
    #[default]
    Day,
    Week,
}

impl Season {
    pub(super) const fn ms(self) -> i64 {
        match self {
            Self::Day => 86_400_000,
            Self::Week => 7 * 86_400_000,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Direction {
    Above,
    Below,
}

/// A rule as the file has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleSection {
    name: String,
    metric: String,
    site: Option<String>,
    #[serde(default)]
    filters: Vec<String>,
    above: Option<f64>,
    below: Option<f64>,
    clear: Option<f64>,
    baseline: Option<Baseline>,
    window_s: Option<u32>,
    for_s: Option<u32>,
    min_n: Option<u32>,
    by: Option<Vec<String>>,
}

impl AlertRule {
    /// Those of a server that is told none: thresholds that services seldom reach unless something is wrong.
    pub fn defaults() -> Vec<Self> {
        let above = |name: &str, metric: &str, threshold: f64, clear: f64| RuleSection {
            name: name.to_owned(),
            metric: metric.to_owned(),
            above: Some(threshold),
            clear: Some(clear),
            ..RuleSection::default()
        };
        let sections = [
            above("rebuffering", "rebuffer_ratio", 0.05, 0.03),
            above("start-up failures", "startup_failure", 0.05, 0.03),
            above("playback failures", "playback_fail", 0.05, 0.03),
            above("exits before start", "ebvs", 0.15, 0.1),
            above("slow start-up", "startup_ms_p95", 10_000.0, 7_000.0),
            RuleSection {
                name: "missing viewers".to_owned(),
                metric: CONCURRENT_VIEWERS.to_owned(),
                baseline: Some(Baseline {
                    days: seven(),
                    deviations: five(),
                    season: Season::Day,
                    direction: Some(Direction::Below),
                }),
                for_s: Some(300),
                ..RuleSection::default()
            },
        ];
        let rules = sections.into_iter().map(Self::read);
        rules.filter_map(Result::ok).collect()
    }

    /// Reads a rule.
    pub(crate) fn read(section: RuleSection) -> Result<Self, String> {
        let in_rule = |what: String| format!("alert `{}`: {what}", short(&section.name));
        let metric = match section.metric.as_str() {
            CONCURRENT_VIEWERS => Watched::ConcurrentViewers,
            name => Watched::Metric(
                Metric::named(name)
                    .ok_or_else(|| in_rule(format!("there is no metric `{}`", short(name))))?,
            ),
        };
        let limit =
            |name: &str, value: u32, range: std::ops::RangeInclusive<u32>| match range.contains(&value) {
                true => Ok(value),
                false => Err(in_rule(format!(
                    "{name} is {value}; it must be from {} to {}",
                    range.start(),
                    range.end()
                ))),
            };
        limit(
            "the length of the name",
            section.name.len() as u32,
            1..=MAX_NAME_BYTES as u32,
        )?;
        let window_s = limit(
            "window_s",
            section.window_s.unwrap_or(300),
            MIN_WINDOW_S..=MAX_WINDOW_S,
        )?;
        if window_s % WINDOW_STEP_S != 0 {
            return Err(in_rule(format!(
                "window_s is {window_s}, which is no multiple of {WINDOW_STEP_S}"
            )));
        }
        let for_s = limit("for_s", section.for_s.unwrap_or(120), 0..=MAX_WINDOW_S)?;
        let min_n = limit("min_n", section.min_n.unwrap_or(25), 1..=1_000_000_000)?;
        let condition = condition(&section, metric).map_err(in_rule)?;
        if section.filters.len() > MAX_FILTERS {
            return Err(in_rule(format!("more than {MAX_FILTERS} filters")));
        }
        let filters = section.filters.iter().map(|text| Filter::parse(text));
        let mut filters = filters
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| in_rule(error.to_string()))?;
        let by = match &section.by {
            Some(names) => names
                .iter()
                .map(|name| Dimension::parse(name))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| in_rule(error.to_string()))?,
            None => metric.default_by(),
        };
        if by.len() > MAX_BY || (1..by.len()).any(|at| by[..at].contains(&by[at])) {
            return Err(in_rule(format!(
                "by has more than {MAX_BY} dimensions, or one twice"
            )));
        }
        if !by.is_empty() && !metric.has_cohorts() {
            return Err(in_rule(format!("of {} there are no cohorts", section.metric)));
        }
        if metric == Watched::ConcurrentViewers && !filters.is_empty() {
            return Err(in_rule(
                "concurrent_viewers cannot be filtered, but for the site".to_owned(),
            ));
        }
        Filter::exclude_bots(&mut filters, false);
        Ok(Self {
            name: section.name,
            metric,
            site: section.site,
            filters,
            filter_texts: section.filters,
            condition,
            window_s,
            for_s,
            min_n,
            by,
        })
    }

    /// Whether these rules can be together on a server of these sites.
    pub(crate) fn check(rules: &[Self], has_site: impl Fn(&str) -> bool) -> Result<(), String> {
        if rules.len() > MAX_RULES {
            return Err(format!("there are more than {MAX_RULES} alerts"));
        }
        let mut names = HashSet::new();
        for rule in rules {
            if !names.insert(&rule.name) {
                return Err(format!("there are two alerts `{}`", rule.name));
            }
            if let Some(site) = rule.site.as_ref().filter(|site| !has_site(site)) {
                return Err(format!("alert `{}`: there is no site `{site}`", rule.name));
            }
        }
        Ok(())
    }

    /// For the API.
    pub(super) fn about(&self) -> About<'_> {
        About {
            name: &self.name,
            metric: self.metric.name(),
            site: self.site.as_deref(),
            filters: &self.filter_texts,
            condition: match self.condition {
                Condition::Above { threshold, clear } => AboutCondition::Above { threshold, clear },
                Condition::Below { threshold, clear } => AboutCondition::Below { threshold, clear },
                Condition::Baseline(baseline) => AboutCondition::Baseline {
                    deviations: baseline.deviations,
                    days: baseline.days,
                    season: baseline.season,
                    direction: self.direction(),
                },
            },
            window_s: self.window_s,
            for_s: self.for_s,
            min_n: self.min_n,
            by: self.by.iter().map(Dimension::name).collect(),
        }
    }

    /// On which side of the limit it is bad.
    pub(super) fn direction(&self) -> Direction {
        match self.condition {
            Condition::Above { .. } => Direction::Above,
            Condition::Below { .. } => Direction::Below,
            Condition::Baseline(baseline) => baseline.direction.unwrap_or(match self.metric {
                Watched::Metric(metric) if metric.better != Better::Higher => Direction::Above,
                _ => Direction::Below,
            }),
        }
    }
}

fn condition(section: &RuleSection, metric: Watched) -> Result<Condition, String> {
    let fits = |limit: &f64| limit.is_finite();
    match (section.above, section.below, section.baseline) {
        (Some(threshold), None, None) if fits(&threshold) => {
            let clear = section.clear.unwrap_or(threshold);
            match clear <= threshold {
                true => Ok(Condition::Above { threshold, clear }),
                false => Err(format!("clear is {clear}, which is above {threshold}")),
            }
        }
        (None, Some(threshold), None) if fits(&threshold) => {
            let clear = section.clear.unwrap_or(threshold);
            match clear >= threshold {
                true => Ok(Condition::Below { threshold, clear }),
                false => Err(format!("clear is {clear}, which is below {threshold}")),
            }
        }
        (None, None, Some(baseline)) if section.clear.is_none() => {
            let days = 3..=MAX_PERIODS;
            if !days.contains(&baseline.days) || !(1.0..=20.0).contains(&baseline.deviations) {
                return Err(format!(
                    "baseline has days from 3 to {MAX_PERIODS} and deviations from 1 to 20"
                ));
            }
            let judged = match metric {
                Watched::Metric(metric) => metric.better != Better::Neither,
                Watched::ConcurrentViewers => true,
            };
            match judged || baseline.direction.is_some() {
                true => Ok(Condition::Baseline(baseline)),
                false => Err("baseline needs a direction: above or below".to_owned()),
            }
        }
        _ => Err("give one of above, below (each with clear, or without) and baseline".to_owned()),
    }
}

impl Watched {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ConcurrentViewers => CONCURRENT_VIEWERS,
            Self::Metric(metric) => metric.name,
        }
    }

    pub(super) fn has_cohorts(self) -> bool {
        matches!(self, Self::Metric(metric) if is_comparable(metric))
    }

    fn default_by(self) -> Vec<Dimension> {
        let count = match self {
            Self::Metric(metric) if !is_comparable(metric) => 0,
            Self::Metric(metric) if metric.is_of_time() => OF_TIME,
            Self::Metric(_) => DEFAULT_BY.len(),
            Self::ConcurrentViewers => 0,
        };
        let fields = DEFAULT_BY.into_iter().take(count);
        fields.map(Dimension::Field).collect()
    }

    /// Whether it is a share of views, of which one more or less is chance.
    pub(super) const fn is_share(self) -> bool {
        match self {
            Self::Metric(Metric {
                value:
                    Value::Ratio {
                        numerator,
                        denominator,
                        ..
                    },
                ..
            }) => numerator.counters.is_empty() && denominator.counters.is_empty(),
            _ => false,
        }
    }
}

/// A rule for people and programs.
#[derive(Serialize)]
pub(super) struct About<'a> {
    name: &'a str,
    metric: &'static str,
    site: Option<&'a str>,
    filters: &'a [String],
    condition: AboutCondition,
    window_s: u32,
    for_s: u32,
    min_n: u32,
    by: Vec<String>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum AboutCondition {
    Above {
        threshold: f64,
        clear: f64,
    },
    Below {
        threshold: f64,
        clear: f64,
    },
    Baseline {
        deviations: f64,
        days: u32,
        season: Season,
        direction: Direction,
    },
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> Result<AlertRule, String> {
        AlertRule::read(toml::from_str(text).map_err(|error| error.to_string())?)
    }

    #[test]
    fn there_are_defaults_and_they_can_be_together() {
        let rules = AlertRule::defaults();
        assert_eq!(rules.len(), 6);
        assert_eq!(AlertRule::check(&rules, |_| false), Ok(()));
        assert_eq!(rules[5].direction(), Direction::Below);
    }

    #[test]
    fn a_rule_is_read_with_what_it_leaves_out() {
        let rule = read("name = 'a'\nmetric = 'avg_bitrate'\nbelow = 800").unwrap();
        let json = serde_json::to_value(rule.about()).unwrap();
        let expected = serde_json::json!({
            "name": "a", "metric": "avg_bitrate", "site": null, "filters": [],
            "condition": { "kind": "below", "threshold": 800.0, "clear": 800.0 },
            "window_s": 300, "for_s": 120, "min_n": 25,
            "by": ["cdn_host", "country", "device"],
        });
        assert_eq!(json, expected);
        let rule =
            read("name = 'b'\nmetric = 'avg_bitrate'\nbaseline = { days = 3, season = 'week' }").unwrap();
        assert_eq!(rule.direction(), Direction::Below);
        let text = "name = 'c'\nmetric = 'ebvs'\nabove = 0.1\nclear = 0.05\nsite = 'x'\nfilters = ['os:eq:iOS']\nby = []";
        let rule = read(text).unwrap();
        assert_eq!(
            (rule.filters.len(), rule.by.len()),
            (2, 0),
            "bots are left out, too"
        );
        assert!(AlertRule::check(std::slice::from_ref(&rule), |site| site == "x").is_ok());
        assert!(AlertRule::check(std::slice::from_ref(&rule), |site| site == "y").is_err());
        assert!(AlertRule::check(&[rule.clone(), rule], |_| true).is_err());
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (text, what) in [
            ("metric = 'speed'\nabove = 1", "no metric `speed`"),
            ("metric = 'ebvs'", "give one of above"),
            ("metric = 'ebvs'\nabove = 1\nbelow = 1", "give one of above"),
            ("metric = 'ebvs'\nabove = nan", "give one of above"),
            ("metric = 'ebvs'\nabove = 1\nclear = 2", "clear is 2"),
            ("metric = 'ebvs'\nbelow = 1\nclear = 0.5", "clear is 0.5"),
            ("metric = 'ebvs'\nabove = 1\nclear = nan", "clear is NaN"),
            ("metric = 'ebvs'\nbaseline = { days = 2 }", "days from 3"),
            (
                "metric = 'ebvs'\nbaseline = { deviations = nan }",
                "deviations from 1",
            ),
            ("metric = 'views'\nbaseline = {}", "needs a direction"),
            ("metric = 'ebvs'\nabove = 1\nwindow_s = 65", "no multiple of 10"),
            ("metric = 'ebvs'\nabove = 1\nwindow_s = 0", "window_s is 0"),
            ("metric = 'ebvs'\nabove = 1\nmin_n = 0", "min_n is 0"),
            ("metric = 'ebvs'\nabove = 1\nfilters = ['x']", "is not a filter"),
            ("metric = 'ebvs'\nabove = 1\nby = ['shoe']", "no dimension `shoe`"),
            ("metric = 'ebvs'\nabove = 1\nby = ['os', 'os']", "or one twice"),
            ("metric = 'views'\nabove = 1\nby = ['os']", "no cohorts"),
            (
                "metric = 'concurrent_viewers'\nabove = 1\nfilters = ['os:eq:iOS']",
                "cannot be filtered",
            ),
            ("metric = 'ebvs'\nabove = 1\nsmell = 1", "smell"),
        ] {
            let error = read(&format!("name = 'a'\n{text}")).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
        assert!(read("name = ''\nmetric = 'ebvs'\nabove = 1").is_err());
    }
}
