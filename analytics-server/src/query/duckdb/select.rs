//! Aggregates over views and rollups.

use duckdb::{Connection, params_from_iter};

use super::Sql;
use crate::error::StoreError;
use crate::metrics::{Among, Counter, Measure, Metric, Sum, Value};
use crate::query::answer::{Cell, Row, Select, Source};
use crate::query::ast::{Dimension, Field, Filter, Test};
use crate::sessions::CLOSED_AFTER_MS;
use crate::sessions::dimensions::{IS, NEXT};

/// Answers a part of a question.
pub(crate) fn select(
    connection: &Connection,
    now_ms: i64,
    select: &Select<'_>,
) -> Result<Vec<Row>, StoreError> {
    let sql = statement(now_ms, select);
    let mut statement = connection.prepare(&sql.text)?;
    let mut rows = statement.query(params_from_iter(sql.values))?;
    let mut answer = Vec::new();
    while let Some(row) = rows.next()? {
        let mut column = 0..;
        let mut next = || column.next().unwrap_or_default();
        let at_ms = match select.bucket_ms {
            Some(bucket_ms) => Some(row.get::<_, i64>(next())? * bucket_ms),
            None => None,
        };
        let group = select
            .by
            .iter()
            .map(|_| row.get(next()))
            .collect::<Result<_, _>>()?;
        let mut cells = Vec::new();
        for metric in &select.metrics {
            let (first, second, n) = (row.get(next())?, row.get(next())?, row.get(next())?);
            cells.push(Cell::of(metric, first, second, n));
        }
        answer.push(Row { at_ms, group, cells });
    }
    Ok(answer)
}

fn statement(now_ms: i64, select: &Select<'_>) -> Sql {
    let (table, time) = table(select.source);
    let mut sql = Sql::default();
    sql.push("SELECT ");
    if let Some(bucket_ms) = select.bucket_ms {
        sql.push(time);
        sql.push(" // ");
        sql.bind(bucket_ms);
        sql.push(", ");
    }
    for dimension in select.by {
        sql.dimension(dimension);
        sql.push(", ");
    }
    for (place, metric) in select.metrics.iter().enumerate() {
        sql.push(if place == 0 { "" } else { ", " });
        sql.metric(select, now_ms, metric, place);
    }
    sql.push(&format!(" FROM {table} WHERE {time} >= "));
    sql.bind(select.range.from_ms);
    sql.push(&format!(" AND {time} < "));
    sql.bind(select.range.to_ms);
    sql.filters(select.filters);
    if let Some(groups) = select.groups {
        sql.push(" AND (");
        for (place, dimension) in select.by.iter().enumerate() {
            sql.push(if place == 0 { "" } else { ", " });
            sql.dimension(dimension);
        }
        sql.push(") IN (");
        for (place, group) in groups.iter().enumerate() {
            sql.push(if place == 0 { "" } else { ", " });
            sql.bind_list(group);
        }
        sql.push(")");
    }
    let keys = select.by.len() + usize::from(select.bucket_ms.is_some());
    let keys: Vec<String> = (1..=keys).map(|key| key.to_string()).collect();
    let keys = keys.join(", ");
    if !keys.is_empty() {
        sql.push(&format!(" GROUP BY {keys}"));
    }
    if let Some((place, descending, limit)) = select.top {
        let value = match select.metrics.get(place).map(|metric| &metric.value) {
            Some(Value::Ratio { .. }) => format!("a{place} / nullif(b{place}, 0)"),
            _ => format!("a{place}"),
        };
        let direction = if descending { "DESC" } else { "ASC" };
        // By the keys at last, so that it is the same each time.
        sql.push(&format!(
            " ORDER BY {value} {direction} NULLS LAST, {keys} LIMIT {limit}"
        ));
    }
    sql
}

impl Sql {
    /// Three columns: the first sum or the quantile, the second sum, and the views that count.
    pub(super) fn metric(&mut self, select: &Select<'_>, now_ms: i64, metric: &Metric, place: usize) {
        let source = select.source;
        let (first, second) = match &metric.value {
            Value::Total(sum) => (sum, None),
            Value::Ratio {
                numerator,
                denominator,
                ..
            } => (numerator, Some(denominator)),
            Value::Quantile { of, share } => {
                // All quantiles of a measure by one call, which DuckDB makes once however often it is written.
                let shares: Vec<f64> = select
                    .metrics
                    .iter()
                    .filter_map(|other| match other.value {
                        Value::Quantile { of: other, share } if other == *of => Some(share),
                        _ => None,
                    })
                    .collect();
                let at = shares.iter().position(|other| other == share).unwrap_or(0) + 1;
                let value = measure(*of);
                self.push(&format!(
                    "quantile_cont({value}, {shares:?})[{at}] AS a{place}, NULL::DOUBLE AS b{place}, count({value})"
                ));
                return;
            }
        };
        self.sum(source, now_ms, *first);
        self.push(&format!(" AS a{place}, "));
        match second {
            Some(second) => self.sum(source, now_ms, *second),
            None => self.push("NULL::DOUBLE"),
        }
        self.push(&format!(" AS b{place}, "));
        match source {
            Source::Rollups => self.push("NULL::BIGINT"),
            Source::Views => {
                self.push("count(*)");
                self.among(now_ms, second.unwrap_or(first).among);
            }
        }
    }

    fn sum(&mut self, source: Source, now_ms: i64, sum: Sum) {
        let columns: Vec<&str> = sum
            .counters
            .iter()
            .map(|counter: &Counter| counter.column())
            .collect();
        let value = match (source, columns.is_empty()) {
            (Source::Views, true) => "weight".to_owned(),
            (Source::Views, false) => format!("weight * ({})", columns.join(" + ")),
            // They are weighted already.
            (Source::Rollups, _) => columns.join(" + "),
        };
        self.push(&format!("sum({value})"));
        self.among(now_ms, sum.among);
    }

    pub(super) fn among(&mut self, now_ms: i64, among: Among) {
        let condition = match among {
            Among::All => return,
            Among::Attempts => "play_intent",
            Among::ExitsBeforeStart | Among::ExitsUnder1s => {
                self.push(" FILTER (play_intent AND fatal IS NULL AND startup_ms IS NULL AND waited_ms");
                self.push(if among == Among::ExitsUnder1s {
                    " < "
                } else {
                    " >= "
                });
                self.push("1000 AND (view_end OR last_beat_ms <= ");
                self.bind(now_ms - CLOSED_AFTER_MS);
                self.push("))");
                return;
            }
            Among::Failures => "fatal IS NOT NULL AND (play_intent OR startup_ms IS NOT NULL)",
            Among::PlaybackFailures => "fatal IS NOT NULL AND startup_ms IS NOT NULL",
            Among::Plays => "startup_ms IS NOT NULL",
            Among::RebufferedPlays => "startup_ms IS NOT NULL AND rebuffer_count > 0",
            Among::StartupFailures => "play_intent AND fatal IS NOT NULL AND startup_ms IS NULL",
        };
        self.push(&format!(" FILTER ({condition})"));
    }

    pub(super) fn dimension(&mut self, dimension: &Dimension) {
        match dimension {
            Dimension::Field(field) => self.push(match field {
                Field::Error => "coalesce(fatal, '')",
                Field::Failed => "CASE WHEN fatal IS NULL THEN 'false' ELSE 'true' END",
                Field::Rebuffered => "CASE WHEN rebuffer_count > 0 THEN 'true' ELSE 'false' END",
                // A column has the name of its dimension.
                other => other.name(),
            }),
            Dimension::Own(name) => {
                self.push("split_part(split_part(dimensions, ");
                self.bind(format!("{NEXT}{name}{IS}"));
                self.push(", 2), ");
                self.bind(NEXT.to_string());
                self.push(", 1)");
            }
        }
    }

    /// Further conditions.
    pub(super) fn filters(&mut self, filters: &[Filter]) {
        for filter in filters {
            self.push(" AND ");
            self.filter(filter);
        }
    }

    fn filter(&mut self, filter: &Filter) {
        self.dimension(&filter.dimension);
        match &filter.test {
            Test::In(values) => {
                self.push(" IN ");
                self.bind_list(values);
            }
            Test::NotIn(values) => {
                self.push(" NOT IN ");
                self.bind_list(values);
            }
            Test::Exists => self.push(" <> ''"),
        }
    }
}

/// A source's table, and what its rows are dated by.
pub(super) const fn table(source: Source) -> (&'static str, &'static str) {
    match source {
        Source::Rollups => ("rollups", "at_ms"),
        Source::Views => ("views", "start_ms"),
    }
}

pub(super) const fn measure(measure: Measure) -> &'static str {
    match measure {
        Measure::LiveLatencyMs => "latency_ms_played_ms / nullif(latency_played_ms, 0)",
        Measure::StartupMs => "startup_ms",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::metrics::METRICS;
    use crate::query::range::Range;
    use crate::store::rows::{RollupRow, ViewRow};
    use crate::store::table::TableRow as _;

    /// Every metric by every dimension with every test is a statement that DuckDB takes.
    #[test]
    fn every_question_can_be_asked() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&ViewRow::ddl()).unwrap();
        connection.execute_batch(&RollupRow::ddl()).unwrap();
        let range = Range {
            from_ms: 0,
            to_ms: 60_000,
        };
        let own = Dimension::Own("it's".into());
        let dimensions: Vec<_> = Field::ALL
            .map(Dimension::Field)
            .into_iter()
            .chain([own])
            .collect();
        let tests = [
            Test::In(vec!["a".into(), "'; DROP TABLE views; --".into()]),
            Test::NotIn(vec![String::new()]),
            Test::Exists,
        ];
        let groups = [vec!["a".to_owned()], vec!["b".to_owned()]];
        let ask = |question: &Select<'_>| select(&connection, 5, question).unwrap();
        let plain = Select {
            source: Source::Views,
            metrics: METRICS.iter().collect(),
            by: &[],
            filters: &[],
            range,
            bucket_ms: None,
            groups: None,
            top: None,
        };
        assert_eq!(ask(&plain).len(), 1, "a total of nothing");
        for (dimension, test) in dimensions.iter().flat_map(|d| tests.iter().map(move |t| (d, t))) {
            let filters = [Filter {
                dimension: dimension.clone(),
                test: test.clone(),
            }];
            let by = std::slice::from_ref(dimension);
            for (bucket_ms, groups, top) in [
                (None, None, Some((3, true, 5))),
                (Some(10_000), Some(groups.as_slice()), None),
            ] {
                let question = Select {
                    by,
                    filters: &filters,
                    bucket_ms,
                    groups,
                    top,
                    ..plain.clone()
                };
                assert_eq!(ask(&question), []);
            }
        }
        let of_time: Vec<_> = METRICS.iter().filter(|metric| metric.is_of_time()).collect();
        let by = [Field::Site, Field::Country, Field::CdnHost].map(Dimension::Field);
        let question = Select {
            source: Source::Rollups,
            metrics: of_time,
            by: &by,
            bucket_ms: Some(10_000),
            ..plain
        };
        assert_eq!(ask(&question), []);
    }
}
