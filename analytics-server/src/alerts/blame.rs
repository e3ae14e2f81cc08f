//! Which viewers it is that something is wrong for.
//!
//! A cohort is to blame if without it the metric would be much nearer to what is usual. That it is worse than others is not
//! enough: of three hosts one always is the worst.

use duckdb::Connection;

use super::book::FoundCohort;
use crate::error::StoreError;
use crate::metrics::{Value, ratio};
use crate::query::answer::Cell;
use crate::query::ast::{Filter, Test};
use crate::query::cohorts::{Cohort, Question, cohorts};
use crate::query::groups;

/// Cohorts of fewer views are not looked at.
pub(super) const MIN_N: u32 = 10;
/// How many are looked at, those of the largest impact first.
const CANDIDATES: usize = 12;
/// The least share of what is wrong that must be gone without the cohort.
const EXPLAINS: f64 = 0.6;
/// The narrowest one is told that explains this share of what the best one does.
const AS_GOOD: f64 = 0.9;

/// The narrowest cohort to blame, if there is one.
pub(super) fn find(
    connection: &Connection,
    now_ms: i64,
    question: &Question,
    usual: f64,
) -> Result<Option<FoundCohort>, StoreError> {
    let found = cohorts(connection, now_ms, question)?;
    let mut judged = Vec::new();
    for cohort in found.cohorts.into_iter().take(CANDIDATES) {
        let rest = rest(connection, now_ms, question, &found.total, &cohort)?;
        if let Some(share) = explained(found.total.value, rest, usual).filter(|share| *share >= EXPLAINS) {
            judged.push((share, cohort));
        }
    }
    Ok(narrowest(judged).map(|cohort| FoundCohort {
        by: cohort.by,
        filters: cohort.filters,
        value: cohort.cell.value,
        n: cohort.cell.n,
        impact: cohort.impact,
    }))
}

/// What the metric is of all the others.
fn rest(
    connection: &Connection,
    now_ms: i64,
    question: &Question,
    total: &Cell,
    cohort: &Cohort,
) -> Result<Option<f64>, StoreError> {
    if let Value::Ratio { times, .. } = question.metric.value {
        let less = |all: Option<f64>, of: Option<f64>| all.unwrap_or(0.0) - of.unwrap_or(0.0);
        let numerator = less(total.numerator, cohort.cell.numerator);
        let denominator = less(total.denominator, cohort.cell.denominator);
        return Ok(ratio(numerator, denominator).map(|value| value * times));
    }
    // Quantiles do not add up: the others are asked for. Filters cannot leave out a pair alone.
    let (Some((name, value)), 1) = (cohort.by.first_key_value(), cohort.by.len()) else {
        return Ok(None);
    };
    let Some(dimension) = question.by.iter().find(|dimension| dimension.name() == *name) else {
        return Ok(None);
    };
    let mut question = question.clone();
    question.filters.push(Filter {
        dimension: dimension.clone(),
        test: Test::NotIn(vec![value.clone()]),
    });
    let found = groups(connection, now_ms, &question, &[])?.groups;
    let total = found.into_iter().next();
    Ok(total.and_then(|group| group.cell.value))
}

/// The share of what is wrong that is gone without the cohort.
fn explained(total: Option<f64>, rest: Option<f64>, usual: f64) -> Option<f64> {
    let (total, rest) = (total?, rest?);
    let wrong = total - usual;
    (wrong != 0.0).then(|| (total - rest) / wrong)
}

fn narrowest(judged: Vec<(f64, Cohort)>) -> Option<Cohort> {
    // To be nearer than usual is no merit.
    let merit = |share: f64| share.min(1.0);
    let best = judged.iter().map(|(share, _)| merit(*share)).fold(0.0, f64::max);
    judged
        .into_iter()
        .filter(|(share, _)| merit(*share) >= AS_GOOD * best)
        .map(|(_, cohort)| cohort)
        .min_by(|a, b| a.views.total_cmp(&b.views))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn cohort(device: &str, views: f64) -> Cohort {
        Cohort {
            by: [("device".to_owned(), device.to_owned())].into(),
            filters: vec![format!("device:eq:{device}")],
            cell: Cell::default(),
            views,
            difference: 0.1,
            impact: 1.0,
            share: 1.0,
        }
    }

    /// 90 views, of which 12 fail, where 3% usually do; without a cohort of 26 of which 4 fail, 8 of 64 do.
    #[test]
    fn to_be_the_worst_is_not_enough() {
        let share = explained(Some(12.0 / 90.0), Some(8.0 / 64.0), 0.03).unwrap();
        assert!(share < 0.1, "{share}");
        // Without one of 16 of which 10 fail, 2 of 74 do.
        let share = explained(Some(12.0 / 90.0), Some(2.0 / 74.0), 0.03).unwrap();
        assert!(share > 1.0, "{share}");
        // Where less is worse.
        assert_eq!(explained(Some(500.0), Some(900.0), 1000.0), Some(0.8));
        assert_eq!(explained(Some(500.0), None, 1000.0), None);
        assert_eq!(explained(Some(500.0), Some(500.0), 500.0), None);
    }

    #[test]
    fn of_those_that_explain_as_much_the_narrowest_is_told() {
        let judged = |shares: [f64; 3]| {
            let cohorts = [
                cohort("all-but-one", 80.0),
                cohort("tv", 20.0),
                cohort("old-tv", 5.0),
            ];
            narrowest(shares.into_iter().zip(cohorts).collect())
                .unwrap()
                .filters
        };
        assert_eq!(judged([1.2, 1.0, 0.6]), ["device:eq:tv"]);
        assert_eq!(judged([1.2, 1.0, 0.95]), ["device:eq:old-tv"]);
        assert_eq!(narrowest(Vec::new()), None);
    }
}
