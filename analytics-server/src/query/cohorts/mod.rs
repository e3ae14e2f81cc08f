//! In which cohorts it is worse than elsewhere, by how many views that concerns.
//!
//! A cohort is the views that have a dimension's value, or the values of two dimensions. Its impact is its views times how much
//! worse its metric is than that of all: for a share, the views that would not have failed had it been as good there.

mod route;

use std::collections::{BTreeMap, HashMap};

use duckdb::Connection;
use serde::Serialize;

use super::answer::Cell;
use super::ast::{Dimension, Filter};
use super::duckdb as store;
use super::range::Range;
use crate::error::StoreError;
use crate::metrics::{Better, Metric, Value};
pub(super) use route::route;

/// So many values of a dimension are looked at in pairs with those of others: the worst.
const MAX_SUSPECTS: usize = 20;
/// A pair says more than its parts if it has at most this share of the views of each …
const NARROWER: f64 = 0.8;
/// … is so many times as far from the total …
const WORSE: f64 = 1.25;
/// … and has at least this share of the impact of each.
const EXPLAINS: f64 = 0.5;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    /// One that [can be compared](is_comparable).
    pub(crate) metric: &'static Metric,
    pub(crate) by: Vec<Dimension>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) range: Range,
    /// Cohorts of fewer views are left out.
    pub(crate) min_n: u32,
}

/// Views with certain values, as the store tells them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    /// Places in [`Question::by`] and their values; none for all views together.
    pub(crate) of: Vec<(usize, String)>,
    pub(crate) cell: Cell,
    /// What the views that count stand for.
    pub(crate) views: f64,
}

/// What the store tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Groups {
    pub(crate) groups: Vec<Group>,
    /// Groups of too few views.
    pub(crate) left_out: i64,
}

/// The cohorts that are worse than all views together, those of the largest impact first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Cohorts {
    /// All views together.
    pub(crate) total: Cell,
    pub(crate) cohorts: Vec<Cohort>,
    /// Cohorts of too few views.
    pub(crate) left_out: i64,
}

/// Views with certain values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Cohort {
    /// Dimension → value.
    pub(crate) by: BTreeMap<String, String>,
    /// The same as filters of queries.
    pub(crate) filters: Vec<String>,
    pub(crate) cell: Cell,
    /// What the views that count stand for.
    pub(crate) views: f64,
    /// Its value less that of all.
    pub(crate) difference: f64,
    /// Views × difference; positive is worse.
    pub(crate) impact: f64,
    /// Its share of the impact of all cohorts of the same dimensions that are worse.
    pub(crate) share: f64,
}

/// Whether cohorts can be worse or better by it than all views together: not a count, which is lower wherever there are
/// fewer views.
pub(crate) fn is_comparable(metric: &Metric) -> bool {
    metric.better != Better::Neither && !matches!(metric.value, Value::Total(_))
}

/// The cohorts by impact.
pub(crate) fn cohorts(
    connection: &Connection,
    now_ms: i64,
    question: &Question,
) -> Result<Cohorts, StoreError> {
    let gathered = store::Gathered::new(connection, now_ms, question)?;
    let groups = |of: &[(usize, Option<&[String]>)]| match &gathered {
        Some(gathered) => gathered.groups(of),
        None => store::groups(connection, now_ms, question, of),
    };
    let mut found = groups(&[])?;
    let Some(of_all) = found.groups.first().and_then(|all| all.cell.value) else {
        return Ok(ranked(question, found));
    };
    // The values of each dimension that are worth a look at their pairs.
    let mut suspects: Vec<Vec<String>> = Vec::new();
    for place in 0..question.by.len() {
        let singles = groups(&[(place, None)])?;
        suspects.push(worst(question, of_all, &singles.groups));
        found.add(singles);
    }
    for (first, of_first) in suspects.iter().enumerate() {
        for (second, of_second) in suspects.iter().enumerate().skip(first + 1) {
            if !of_first.is_empty() && !of_second.is_empty() {
                let pair = [(first, Some(of_first.as_slice())), (second, Some(of_second))];
                found.add(groups(&pair)?);
            }
        }
    }
    Ok(ranked(question, found))
}

impl Groups {
    fn add(&mut self, other: Self) {
        self.groups.extend(other.groups);
        self.left_out += other.left_out;
    }
}

/// The values of one dimension that have the largest impact, as far as it is for the worse.
fn worst(question: &Question, of_all: f64, groups: &[Group]) -> Vec<String> {
    let mut impacts: Vec<(f64, &str)> = groups
        .iter()
        .filter_map(|group| {
            let worse_by = question.sign() * (group.cell.value? - of_all);
            Some((worse_by * group.views, group.of.first()?.1.as_str()))
        })
        .filter(|(impact, _)| *impact > 0.0)
        .collect();
    impacts.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    impacts.truncate(MAX_SUSPECTS);
    impacts.into_iter().map(|(_, value)| value.to_owned()).collect()
}

/// Orders what the store tells by impact.
fn ranked(question: &Question, found: Groups) -> Cohorts {
    let Groups { mut groups, left_out } = found;
    let total = groups
        .iter()
        .position(|group| group.of.is_empty())
        .map(|at| groups.swap_remove(at).cell)
        .unwrap_or_default();
    let Some(of_all) = total.value else {
        return Cohorts {
            total,
            left_out,
            ..Cohorts::default()
        };
    };
    let sign = question.sign();
    let judged: Vec<Judged> = groups
        .into_iter()
        .filter_map(|group| {
            let difference = group.cell.value? - of_all;
            Some(Judged {
                worse_by: sign * difference,
                impact: sign * difference * group.views,
                difference,
                group,
            })
        })
        .collect();
    let mut singles = HashMap::new();
    // Impact of the cohorts that are worse, by their dimensions.
    let mut impacts: HashMap<Vec<usize>, f64> = HashMap::new();
    for one in &judged {
        if let [part] = one.group.of.as_slice() {
            singles.insert(part, one);
        }
        *impacts.entry(one.dimensions()).or_default() += one.impact.max(0.0);
    }
    let says_more = |one: &Judged| match one.group.of.as_slice() {
        [_] => true,
        parts => parts
            .iter()
            .all(|part| singles.get(part).is_some_and(|part| one.says_more_than(part))),
    };
    let mut cohorts: Vec<Cohort> = judged
        .iter()
        .filter(|one| one.impact > 0.0 && says_more(one))
        .map(|one| {
            let all = impacts.get(&one.dimensions()).copied().unwrap_or(one.impact);
            one.cohort(question, one.impact / all)
        })
        .collect();
    // By their filters at last, so that it is the same each time.
    cohorts.sort_by(|a, b| {
        b.impact
            .total_cmp(&a.impact)
            .then_with(|| a.filters.cmp(&b.filters))
    });
    Cohorts {
        total,
        cohorts,
        left_out,
    }
}

struct Judged {
    group: Group,
    difference: f64,
    worse_by: f64,
    impact: f64,
}

impl Judged {
    fn dimensions(&self) -> Vec<usize> {
        self.group.of.iter().map(|(place, _)| *place).collect()
    }

    /// Whether a pair is clearly narrower and worse than one of its parts, and most of what is wrong there.
    fn says_more_than(&self, part: &Self) -> bool {
        self.group.views <= NARROWER * part.group.views
            && self.worse_by >= WORSE * part.worse_by
            && self.impact >= EXPLAINS * part.impact
    }

    fn cohort(&self, question: &Question, share: f64) -> Cohort {
        let named = self.group.of.iter().filter_map(|(place, value)| {
            let dimension = question.by.get(*place)?;
            Some((dimension.name(), value.clone()))
        });
        let by: BTreeMap<String, String> = named.collect();
        Cohort {
            filters: by
                .iter()
                .map(|(name, value)| format!("{name}:eq:{value}"))
                .collect(),
            by,
            cell: self.group.cell.clone(),
            views: self.group.views,
            difference: self.difference,
            impact: self.impact,
            share,
        }
    }
}

impl Question {
    /// What makes a difference positive where it is worse.
    fn sign(&self) -> f64 {
        match self.metric.better {
            Better::Higher => -1.0,
            Better::Lower | Better::Neither => 1.0,
        }
    }

    /// Whether rollups tell these views apart and are enough for the metric.
    pub(crate) fn is_of_rollups(&self) -> bool {
        let filtered = self.filters.iter().map(|filter| &filter.dimension);
        self.metric.is_of_time() && filtered.chain(&self.by).all(Dimension::is_rolled_up)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::query::ast::Field;

    fn question(metric: &str) -> Question {
        Question {
            metric: Metric::named(metric).unwrap(),
            by: vec![Dimension::Field(Field::Device), Dimension::Field(Field::CdnHost)],
            filters: Vec::new(),
            range: Range {
                from_ms: 0,
                to_ms: 60_000,
            },
            min_n: 25,
        }
    }

    /// So many views, with this value each.
    fn group(of: &[(usize, &str)], views: f64, value: f64) -> Group {
        Group {
            of: of
                .iter()
                .map(|(place, value)| (*place, (*value).to_owned()))
                .collect(),
            cell: Cell {
                value: Some(value),
                n: Some(views as i64),
                ..Cell::default()
            },
            views,
        }
    }

    fn told(cohorts: &Cohorts) -> Vec<(String, f64, f64)> {
        let told = |cohort: &Cohort| {
            let rounded = |number: f64| (number * 1e6).round() / 1e6;
            (
                cohort.filters.join(" "),
                rounded(cohort.impact),
                rounded(cohort.share),
            )
        };
        cohorts.cohorts.iter().map(told).collect()
    }

    /// 400 views, 100 of each device at each host; only TVs at cdn2 fail, half of them: 50 of 400.
    #[test]
    fn a_pair_is_told_where_it_is_what_is_wrong() {
        let groups = vec![
            group(&[(1, "cdn1")], 200.0, 0.0),
            group(&[(0, "tv")], 200.0, 0.25),
            group(&[], 400.0, 0.125),
            group(&[(1, "cdn2")], 200.0, 0.25),
            group(&[(0, "tv"), (1, "cdn2")], 100.0, 0.5),
            group(&[(0, "tv"), (1, "cdn1")], 100.0, 0.0),
            group(&[(0, "phone")], 200.0, 0.0),
        ];
        let found = Groups { groups, left_out: 3 };
        let cohorts = ranked(&question("failure_pct"), found);
        assert_eq!((cohorts.total.value, cohorts.left_out), (Some(0.125), 3));
        assert_eq!(
            told(&cohorts),
            [
                ("cdn_host:eq:cdn2 device:eq:tv".to_owned(), 37.5, 1.0),
                ("cdn_host:eq:cdn2".to_owned(), 25.0, 1.0),
                ("device:eq:tv".to_owned(), 25.0, 1.0),
            ]
        );
        assert_eq!(cohorts.cohorts[0].difference, 0.375);
    }

    /// 300 views, of which the 100 of TVs fail with 0.4 at either host.
    #[test]
    fn a_pair_that_is_no_worse_than_its_part_is_not() {
        let groups = vec![
            group(&[], 300.0, 0.2),
            group(&[(0, "tv")], 100.0, 0.4),
            group(&[(0, "phone")], 150.0, 0.05),
            group(&[(0, "tablet")], 50.0, 0.25),
            group(&[(1, "cdn1")], 150.0, 0.2),
            group(&[(1, "cdn2")], 150.0, 0.2),
            group(&[(0, "tv"), (1, "cdn1")], 50.0, 0.44),
            group(&[(0, "tv"), (1, "cdn2")], 50.0, 0.36),
            // Worse than both of its parts, but next to nothing of what is wrong with TVs.
            group(&[(0, "tv"), (1, "cdn3")], 3.0, 0.9),
            group(&[(1, "cdn3")], 3.0, 0.2),
        ];
        let found = Groups { groups, left_out: 0 };
        let cohorts = ranked(&question("failure_pct"), found);
        // Impacts of 20 and 2.5.
        assert_eq!(
            told(&cohorts),
            [
                ("device:eq:tv".to_owned(), 20.0, 0.888_889),
                ("device:eq:tablet".to_owned(), 2.5, 0.111_111),
            ]
        );
    }

    #[test]
    fn where_more_is_better_less_is_worse() {
        let groups = vec![
            group(&[], 200.0, 3_000.0),
            group(&[(0, "tv")], 100.0, 4_000.0),
            group(&[(0, "phone")], 100.0, 2_000.0),
        ];
        let found = Groups { groups, left_out: 0 };
        let cohorts = ranked(&question("avg_bitrate"), found);
        assert_eq!(told(&cohorts), [("device:eq:phone".to_owned(), 100_000.0, 1.0)]);
        assert_eq!(cohorts.cohorts[0].difference, -1_000.0);
        let nothing = ranked(&question("avg_bitrate"), Groups::default());
        assert_eq!(nothing, Cohorts::default());
    }
}
