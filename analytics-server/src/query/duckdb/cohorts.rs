//! Aggregates of dimensions, each alone or in pairs: a statement each, so that what DuckDB must remember is that of one.

use duckdb::{Connection, params_from_iter};

use super::Sql;
use super::select::{measure, table};
use crate::error::StoreError;
use crate::metrics::{Among, Metric, Value};
use crate::query::answer::{Cell, Select, Source};
use crate::query::cohorts::{Group, Groups, Question};

/// Most groups that are read, those of the most views first: a part of a pair has no fewer views than the pair.
const MAX_GROUPS: usize = 10_000;

/// The metric of the views with each value of these dimensions, of which only some may be wanted: all views without one.
pub(crate) fn groups(
    connection: &Connection,
    now_ms: i64,
    question: &Question,
    of: &[(usize, Option<&[String]>)],
) -> Result<Groups, StoreError> {
    let sql = statement(now_ms, question, of);
    let mut statement = connection.prepare(&sql.text)?;
    let mut rows = statement.query(params_from_iter(sql.values))?;
    let mut found = Groups::default();
    let of_all = of.is_empty();
    while let Some(row) = rows.next()? {
        let mut column = 0..;
        let mut next = || column.next().unwrap_or_default();
        let of = of
            .iter()
            .map(|(place, _)| Ok((*place, row.get(next())?)))
            .collect::<duckdb::Result<_>>()?;
        let (first, second, n) = (row.get(next())?, row.get(next())?, row.get(next())?);
        let views = row.get::<_, Option<f64>>(next())?.unwrap_or(0.0);
        found.left_out = row.get(next())?;
        // The largest one comes even if it is too small, so that something tells how many are.
        if of_all || n >= i64::from(question.min_n) {
            found.groups.push(Group {
                of,
                cell: Cell::of(question.metric, first, second, Some(n)),
                views,
            });
        }
    }
    Ok(found)
}

fn statement(now_ms: i64, question: &Question, of: &[(usize, Option<&[String]>)]) -> Sql {
    let keys: Vec<String> = of.iter().map(|(place, _)| format!("d{place}, ")).collect();
    let keys = keys.concat();
    let group_by = match keys.strip_suffix(", ") {
        Some(keys) => format!(" GROUP BY {keys}"),
        None => String::new(),
    };
    let mut sql = Sql::default();
    sql.push("WITH parts AS (");
    let sums = match &question.metric.value {
        Value::Quantile { of: measured, share } => {
            let value = measure(*measured);
            sql.part(question, of, Source::Views, |sql| {
                sql.push(&format!("{value} AS value, weight AS w"));
            });
            sql.push(&format!(" AND {value} IS NOT NULL"));
            format!("quantile_cont(value, {share:?}), NULL::DOUBLE, count(*) AS n, sum(w)")
        }
        Value::Ratio { .. } | Value::Total(_) => {
            let source = match question.is_of_rollups() {
                true => Source::Rollups,
                false => Source::Views,
            };
            sql.part(question, of, source, |sql| {
                sql.metric(&question.select(source), now_ms, question.metric, 0);
                sql.push(" AS n, ");
                match source {
                    Source::Rollups => sql.push("0.0"),
                    Source::Views => {
                        sql.push("sum(weight)");
                        sql.among(now_ms, counted(question.metric));
                    }
                }
                sql.push(" AS w");
            });
            sql.push(&group_by);
            if source == Source::Rollups {
                // They do not know views: these are those that went on at that time.
                sql.push(" UNION ALL ");
                sql.dimensions(question, of);
                sql.push("0.0, 0.0, count(*), sum(weight) FROM views WHERE last_beat_ms >= ");
                sql.bind(question.range.from_ms);
                sql.push(" AND start_ms < ");
                sql.bind(question.range.to_ms);
                sql.wanted(question, of);
                sql.push(&group_by);
            }
            "sum(a0), sum(b0), coalesce(sum(n), 0)::BIGINT AS n, sum(w)".to_owned()
        }
    };
    // All views together are never too few.
    let min_n = if of.is_empty() { 0 } else { question.min_n };
    sql.push(&format!(
        "), cells AS (SELECT {keys}{sums} FROM parts{group_by})
         SELECT *, count(*) FILTER (n < {min_n}) OVER () FROM cells
         QUALIFY n >= {min_n} OR n = max(n) OVER () ORDER BY n DESC LIMIT {MAX_GROUPS}"
    ));
    sql
}

/// The views that count for a metric.
fn counted(metric: &Metric) -> Among {
    match metric.value {
        Value::Ratio { denominator, .. } => denominator.among,
        Value::Total(sum) => sum.among,
        Value::Quantile { .. } => Among::All,
    }
}

impl Question {
    fn select(&self, source: Source) -> Select<'_> {
        Select {
            source,
            metrics: vec![self.metric],
            by: &self.by,
            filters: &self.filters,
            range: self.range,
            bucket_ms: None,
            groups: None,
            top: None,
        }
    }
}

impl Sql {
    /// The dimensions and what `columns` writes of the rows that the filters let pass.
    fn part(
        &mut self,
        question: &Question,
        of: &[(usize, Option<&[String]>)],
        source: Source,
        columns: impl FnOnce(&mut Self),
    ) {
        self.dimensions(question, of);
        columns(self);
        let (table, time) = table(source);
        self.push(&format!(" FROM {table} WHERE {time} >= "));
        self.bind(question.range.from_ms);
        self.push(&format!(" AND {time} < "));
        self.bind(question.range.to_ms);
        self.wanted(question, of);
    }

    fn dimensions(&mut self, question: &Question, of: &[(usize, Option<&[String]>)]) {
        self.push("SELECT ");
        for (place, _) in of {
            self.dimension(&question.by[*place]);
            self.push(&format!(" AS d{place}, "));
        }
    }

    /// Further conditions: the filters, and which values are wanted.
    fn wanted(&mut self, question: &Question, of: &[(usize, Option<&[String]>)]) {
        self.filters(&question.filters);
        for (place, values) in of {
            if let Some(values) = values {
                self.push(" AND ");
                self.dimension(&question.by[*place]);
                self.push(" IN ");
                self.bind_list(*values);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::metrics::METRICS;
    use crate::query::ast::{Dimension, Field, Filter};
    use crate::query::cohorts::is_comparable;
    use crate::query::range::Range;
    use crate::store::rows::{RollupRow, ViewRow};
    use crate::store::table::TableRow as _;

    /// Every metric by rolled-up and other dimensions is a statement that DuckDB takes.
    #[test]
    fn every_question_can_be_asked() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&ViewRow::ddl()).unwrap();
        connection.execute_batch(&RollupRow::ddl()).unwrap();
        let own = Dimension::Own("it's".into());
        let six = [
            Field::Error,
            Field::Failed,
            Field::Rebuffered,
            Field::Os,
            Field::Site,
        ];
        let six: Vec<_> = six.map(Dimension::Field).into_iter().chain([own]).collect();
        let rolled_up = [Field::Device, Field::CdnHost].map(Dimension::Field);
        for metric in METRICS.iter().filter(|metric| is_comparable(metric)) {
            for by in [six.as_slice(), &rolled_up, &rolled_up[..1]] {
                let question = Question {
                    metric,
                    by: by.to_vec(),
                    filters: vec![Filter::is(Field::Device, "'; DROP TABLE views; --")],
                    range: Range {
                        from_ms: 0,
                        to_ms: 60_000,
                    },
                    min_n: 0,
                };
                let total = groups(&connection, 5, &question, &[]).unwrap();
                assert_eq!((total.groups.len(), total.left_out), (1, 0), "{}", metric.name);
                let values = ["it's".to_owned(), "b".to_owned()];
                for place in 0..by.len() {
                    let pair = [(place, Some(&values[..])), (0, None)];
                    for of in [&pair[..1], &pair[..1 + usize::from(place > 0)]] {
                        let nothing = groups(&connection, 5, &question, of).unwrap();
                        assert_eq!(nothing, Groups::default(), "{}", metric.name);
                    }
                }
            }
        }
    }
}
