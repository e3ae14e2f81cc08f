//! From a question to an answer: which rows of the store can answer which part of it, and what they come to together.

use std::collections::HashMap;

use serde::Serialize;

use super::ast::{Dimension, Filter, Query};
use super::range::Range;
use crate::metrics::{Metric, Value, ratio};

/// The rows that an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// What counters grew by, dated when it was reported.
    Rollups,
    /// Views, dated at their start.
    Views,
}

/// What a store is asked at once: aggregates over the rows of one source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Select<'a> {
    pub(crate) source: Source,
    pub(crate) metrics: Vec<&'static Metric>,
    pub(crate) by: &'a [Dimension],
    pub(crate) filters: &'a [Filter],
    pub(crate) range: Range,
    pub(crate) bucket_ms: Option<i64>,
    /// Only these groups, if it is said.
    pub(crate) groups: Option<&'a [Vec<String>]>,
    /// Place of a metric, whether the largest come first, and how many are wanted.
    pub(crate) top: Option<(usize, bool, usize)>,
}

/// A row of what a store answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// Start of the bucket.
    pub(crate) at_ms: Option<i64>,
    /// Values of the dimensions.
    pub(crate) group: Vec<String>,
    /// One for each metric.
    pub(crate) cells: Vec<Cell>,
}

/// What a metric comes to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Cell {
    pub(crate) value: Option<f64>,
    /// The sums that were divided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) numerator: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) denominator: Option<f64>,
    /// Views that count: those of the denominator, or those that have the value; `null` where rollups answer, which do not
    /// know them.
    pub(crate) n: Option<i64>,
}

impl Cell {
    /// What a metric comes to of its sums. A quantile is its own first sum.
    pub(crate) fn of(metric: &Metric, first: Option<f64>, second: Option<f64>, n: Option<i64>) -> Self {
        match &metric.value {
            Value::Quantile { .. } => Self {
                value: first,
                n,
                ..Self::default()
            },
            Value::Total(_) => Self {
                value: Some(first.unwrap_or(0.0)),
                n,
                ..Self::default()
            },
            Value::Ratio { times, .. } => {
                let (numerator, denominator) = (first.unwrap_or(0.0), second.unwrap_or(0.0));
                Self {
                    value: ratio(numerator, denominator).map(|value| value * times),
                    numerator: Some(numerator),
                    denominator: Some(denominator),
                    n,
                }
            }
        }
    }
}

impl Cell {
    /// What a metric that is no quantile comes to over parts that have no view in common.
    pub(crate) fn sum<'a>(metric: &Metric, parts: impl Iterator<Item = &'a Self>) -> Self {
        let (mut first, mut second, mut n) = (0.0, 0.0, None);
        for part in parts {
            first += part.numerator.or(part.value).unwrap_or(0.0);
            second += part.denominator.unwrap_or(0.0);
            // Where a part has nothing of this source, it does not know that there were no views.
            n = part.n.map_or(n, |some| Some(n.unwrap_or(0) + some));
        }
        Self::of(metric, Some(first), Some(second), n)
    }
}

/// The rows of an answer: bucket by bucket, and in each the groups in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// Where each metric comes from.
    pub(crate) sources: Vec<Source>,
    /// There are more groups than were asked for.
    pub(crate) more: bool,
}

/// Answers a question by asking a store for rows.
pub(crate) fn answer<E>(
    query: &Query,
    mut ask: impl FnMut(&Select<'_>) -> Result<Vec<Row>, E>,
) -> Result<Answer, E> {
    let rolled_up = query.is_of_rollups();
    let sources: Vec<Source> = query
        .metrics
        .iter()
        .map(|metric| match rolled_up && metric.is_of_time() {
            true => Source::Rollups,
            false => Source::Views,
        })
        .collect();
    let first = sources.get(query.order).copied().unwrap_or(Source::Views);
    let select = |source: Source| Select {
        source,
        metrics: query
            .metrics
            .iter()
            .zip(&sources)
            .filter(|(_, of)| **of == source)
            .map(|(metric, _)| *metric)
            .collect(),
        by: &query.by,
        filters: &query.filters,
        range: query.range,
        bucket_ms: query.bucket_ms,
        groups: None,
        top: None,
    };
    let mut table = Table::new(&sources);
    let mut groups = Vec::new();
    let mut more = false;
    if !query.by.is_empty() {
        // The groups first: which are wanted is decided over the whole range.
        let place = sources
            .iter()
            .take(query.order)
            .filter(|source| **source == first)
            .count();
        let mut top = ask(&Select {
            bucket_ms: None,
            top: Some((place, query.descending, query.limit + 1)),
            ..select(first)
        })?;
        more = top.len() > query.limit;
        top.truncate(query.limit);
        groups = top.iter().map(|row| row.group.clone()).collect();
        if query.bucket_ms.is_none() {
            table.add(first, top);
        }
    }
    for source in [Source::Rollups, Source::Views] {
        let select = select(source);
        let done = source == first && query.bucket_ms.is_none() && !query.by.is_empty();
        let nothing = select.metrics.is_empty() || (!query.by.is_empty() && groups.is_empty());
        if !done && !nothing {
            let groups = Some(groups.as_slice()).filter(|groups| !groups.is_empty());
            table.add(source, ask(&Select { groups, ..select })?);
        }
    }
    Ok(Answer {
        rows: table.rows(&query.metrics, &groups),
        sources,
        more,
    })
}

type Place = (Option<i64>, Vec<String>);

/// The cells of both sources.
struct Table<'a> {
    sources: &'a [Source],
    rows: HashMap<Place, Vec<Option<Cell>>>,
}

impl<'a> Table<'a> {
    fn new(sources: &'a [Source]) -> Self {
        Self {
            sources,
            rows: HashMap::new(),
        }
    }

    fn add(&mut self, source: Source, rows: Vec<Row>) {
        for row in rows {
            let cells = self
                .rows
                .entry((row.at_ms, row.group))
                .or_insert_with(|| vec![None; self.sources.len()]);
            let own = cells
                .iter_mut()
                .zip(self.sources)
                .filter(|(_, of)| **of == source);
            for ((place, _), cell) in own.zip(row.cells) {
                *place = Some(cell);
            }
        }
    }

    fn rows(self, metrics: &[&'static Metric], groups: &[Vec<String>]) -> Vec<Row> {
        let ranks: HashMap<&[String], usize> = groups.iter().map(Vec::as_slice).zip(0..).collect();
        // What only one source has rows of is nothing for the other.
        let nothing = |metric| Cell::of(metric, None, None, None);
        let mut rows: Vec<Row> = self
            .rows
            .into_iter()
            .map(|((at_ms, group), cells)| Row {
                at_ms,
                group,
                cells: cells
                    .into_iter()
                    .zip(metrics)
                    .map(|(cell, metric)| cell.unwrap_or_else(|| nothing(metric)))
                    .collect(),
            })
            .collect();
        rows.sort_by_key(|row| (row.at_ms, ranks.get(row.group.as_slice()).copied()));
        rows
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::convert::Infallible;

    use super::*;

    fn query(text: &str) -> Query {
        let parameters: Vec<_> = text
            .split('&')
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Query::parse(1_800_000_000_000, &parameters).unwrap()
    }

    #[test]
    fn both_sources_make_one_table_and_the_order_is_that_of_the_groups() {
        let query = query("metric=rebuffer_ratio,plays,played_ms&by=device&order=-plays&limit=2&bucket=1m");
        let mut asked = Vec::new();
        let row = |at_ms, device: &str, cells: Vec<Cell>| Row {
            at_ms,
            group: vec![device.to_owned()],
            cells,
        };
        let of = |metric: usize, first: f64, second: f64| {
            Cell::of(query.metrics[metric], Some(first), Some(second), Some(7))
        };
        let answer = answer(&query, |select| {
            asked.push((
                select.source,
                select.bucket_ms,
                select.groups.map(<[_]>::len),
                select.top,
            ));
            Ok::<_, Infallible>(match (select.source, select.bucket_ms) {
                (Source::Views, None) => ["tv", "phone", "desktop"]
                    .map(|device| row(None, device, vec![of(1, 9.0, 0.0)]))
                    .into(),
                (Source::Views, Some(_)) => vec![
                    row(Some(0), "phone", vec![of(1, 3.0, 0.0)]),
                    row(Some(0), "tv", vec![of(1, 4.0, 0.0)]),
                ],
                (Source::Rollups, _) => {
                    vec![row(Some(60_000), "tv", vec![of(0, 1.0, 4.0), of(2, 8.0, 0.0)])]
                }
            })
        })
        .unwrap();
        assert_eq!(
            asked,
            [
                (Source::Views, None, None, Some((0, true, 3))),
                (Source::Rollups, Some(60_000), Some(2), None),
                (Source::Views, Some(60_000), Some(2), None),
            ]
        );
        assert!(answer.more);
        assert_eq!(answer.sources, [Source::Rollups, Source::Views, Source::Rollups]);
        let places: Vec<_> = answer
            .rows
            .iter()
            .map(|row| (row.at_ms, &*row.group[0]))
            .collect();
        assert_eq!(
            places,
            [(Some(0), "tv"), (Some(0), "phone"), (Some(60_000), "tv")]
        );
        let last = &answer.rows[2].cells;
        assert_eq!((last[0].value, last[2].value), (Some(0.25), Some(8.0)));
        assert_eq!((last[1].value, last[1].n), (Some(0.0), None), "no plays there");
        assert_eq!(answer.rows[0].cells[0].value, None, "nothing was played there");
    }

    #[test]
    fn what_rollups_cannot_tell_apart_comes_from_views() {
        for (text, source) in [
            ("metric=avg_bitrate&by=cdn_host", Source::Rollups),
            ("metric=avg_bitrate&by=os", Source::Views),
            ("metric=avg_bitrate&filter=os:eq:iOS", Source::Views),
            ("metric=plays", Source::Views),
        ] {
            let query = query(text);
            let answer = answer(&query, |_| Ok::<_, Infallible>(Vec::new())).unwrap();
            assert_eq!(answer.sources, [source], "{text}");
        }
    }
}
