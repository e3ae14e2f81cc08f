//! Aggregates of dimensions, each alone or in pairs: a statement each, so that what DuckDB must remember is that of one. What adds up
//! is read once, by all dimensions together, and these statements read that.

use duckdb::{Connection, params_from_iter};

use super::Sql;
use super::select::{measure, table};
use crate::error::StoreError;
use crate::metrics::{Among, Metric, Value};
use crate::query::answer::{Cell, Select, Source};
use crate::query::cohorts::{Group, Groups, Question};

/// Most groups that are read, those of the most views first: a part of a pair has no fewer views than the pair.
const MAX_GROUPS: usize = 10_000;

/// What the metric is made of, by all dimensions of a question together; of one connection, as long as it lives.
pub(crate) struct Gathered<'a> {
    connection: &'a Connection,
    question: &'a Question,
}

impl<'a> Gathered<'a> {
    /// Reads it from the store, unless it does not add up: quantiles are asked of the views themselves.
    pub(crate) fn new(
        connection: &'a Connection,
        now_ms: i64,
        question: &'a Question,
    ) -> Result<Option<Self>, StoreError> {
        if matches!(question.metric.value, Value::Quantile { .. }) {
            return Ok(None);
        }
        let all: Vec<_> = (0..question.by.len()).map(|place| (place, None)).collect();
        let columns = all.iter().map(|(place, _)| format!("d{place} VARCHAR, "));
        connection.execute_batch(&format!(
            "CREATE OR REPLACE TEMP TABLE gathered ({}a0 DOUBLE, b0 DOUBLE, n BIGINT, w DOUBLE)",
            columns.collect::<String>()
        ))?;
        let gathered = Self { connection, question };
        let mut sql = Sql::default();
        sql.push("INSERT INTO gathered ");
        sql.sums(question, now_ms, &all);
        connection.execute(&sql.text, params_from_iter(sql.values))?;
        Ok(Some(gathered))
    }

    /// As [`groups`] does.
    pub(crate) fn groups(&self, of: &[(usize, Option<&[String]>)]) -> Result<Groups, StoreError> {
        let mut parts = Sql::default();
        parts.push("SELECT * FROM gathered WHERE true");
        for (place, values) in of {
            if let Some(values) = values {
                parts.push(&format!(" AND d{place} IN "));
                parts.bind_list(*values);
            }
        }
        read(self.connection, self.question, of, parts, SUMS)
    }
}

impl Drop for Gathered<'_> {
    fn drop(&mut self) {
        // The next one replaces it otherwise.
        let _ = self.connection.execute_batch("DROP TABLE IF EXISTS gathered");
    }
}

/// Of parts that add up.
const SUMS: &str = "sum(a0), sum(b0), coalesce(sum(n), 0)::BIGINT AS n, sum(w)";

/// The metric of the views with each value of these dimensions, of which only some may be wanted: all views without one.
pub(crate) fn groups(
    connection: &Connection,
    now_ms: i64,
    question: &Question,
    of: &[(usize, Option<&[String]>)],
) -> Result<Groups, StoreError> {
    let mut parts = Sql::default();
    if let Value::Quantile { of: measured, share } = &question.metric.value {
        let value = measure(*measured);
        parts.part(question, of, Source::Views, |sql| {
            sql.push(&format!("{value} AS value, weight AS w"));
        });
        parts.push(&format!(" AND {value} IS NOT NULL"));
        let quantile = format!("quantile_cont(value, {share:?}), NULL::DOUBLE, count(*) AS n, sum(w)");
        return read(connection, question, of, parts, &quantile);
    }
    parts.sums(question, now_ms, of);
    read(connection, question, of, parts, SUMS)
}

fn read(
    connection: &Connection,
    question: &Question,
    of: &[(usize, Option<&[String]>)],
    parts: Sql,
    columns: &str,
) -> Result<Groups, StoreError> {
    let sql = statement(question, of, parts, columns);
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

fn statement(question: &Question, of: &[(usize, Option<&[String]>)], parts: Sql, columns: &str) -> Sql {
    let keys: String = of.iter().map(|(place, _)| format!("d{place}, ")).collect();
    // All views together are never too few.
    let min_n = if of.is_empty() { 0 } else { question.min_n };
    Sql {
        text: format!(
            "WITH parts AS ({}), cells AS (SELECT {keys}{columns} FROM parts{})
             SELECT *, count(*) FILTER (n < {min_n}) OVER () FROM cells
             QUALIFY n >= {min_n} OR n = max(n) OVER () ORDER BY n DESC LIMIT {MAX_GROUPS}",
            parts.text,
            group_by(of),
        ),
        values: parts.values,
    }
}

fn group_by(of: &[(usize, Option<&[String]>)]) -> String {
    let keys: Vec<String> = of.iter().map(|(place, _)| format!("d{place}")).collect();
    match keys.is_empty() {
        true => String::new(),
        false => format!(" GROUP BY {}", keys.join(", ")),
    }
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
    /// The dimensions and the sums of a metric that adds up, as `a0`, `b0`, `n` and `w`.
    fn sums(&mut self, question: &Question, now_ms: i64, of: &[(usize, Option<&[String]>)]) {
        let source = match question.is_of_rollups() {
            true => Source::Rollups,
            false => Source::Views,
        };
        self.part(question, of, source, |sql| {
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
        let group_by = group_by(of);
        self.push(&group_by);
        if source == Source::Rollups {
            // They do not know views: these are those that went on at that time.
            self.push(" UNION ALL ");
            self.dimensions(question, of);
            self.push("0.0, 0.0, count(*), sum(weight) FROM views WHERE last_beat_ms >= ");
            self.bind(question.range.from_ms);
            self.push(" AND start_ms < ");
            self.bind(question.range.to_ms);
            self.wanted(question, of);
            self.push(&group_by);
        }
    }

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
                let gathered = Gathered::new(&connection, 5, &question).unwrap();
                let total = groups(&connection, 5, &question, &[]).unwrap();
                assert_eq!((total.groups.len(), total.left_out), (1, 0), "{}", metric.name);
                let values = ["it's".to_owned(), "b".to_owned()];
                for place in 0..by.len() {
                    let pair = [(place, Some(&values[..])), (0, None)];
                    for of in [&pair[..1], &pair[..1 + usize::from(place > 0)]] {
                        let nothing = groups(&connection, 5, &question, of).unwrap();
                        assert_eq!(nothing, Groups::default(), "{}", metric.name);
                        if let Some(gathered) = &gathered {
                            assert_eq!(gathered.groups(of).unwrap(), nothing, "{}", metric.name);
                        }
                    }
                }
            }
        }
    }
}
