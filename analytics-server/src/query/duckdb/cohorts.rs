//! Aggregates of dimensions, each alone and in pairs, by one statement.

use duckdb::{Connection, params_from_iter};

use super::Sql;
use super::select::{measure, table};
use crate::error::StoreError;
use crate::metrics::{Among, Metric, Value};
use crate::query::answer::{Cell, Select, Source};
use crate::query::cohorts::{Group, Groups, Question};

/// Most groups that are read, those of the most views first: a part of a pair has no fewer views than the pair.
const MAX_GROUPS: usize = 20_000;

/// The metric of all views, of those with each value of each dimension, and of those with each pair of values.
pub(crate) fn groups(
    connection: &Connection,
    now_ms: i64,
    question: &Question,
) -> Result<Groups, StoreError> {
    let sql = statement(now_ms, question);
    let mut statement = connection.prepare(&sql.text)?;
    let mut rows = statement.query(params_from_iter(sql.values))?;
    let mut found = Groups::default();
    let dimensions = question.by.len();
    while let Some(row) = rows.next()? {
        let absent: i64 = row.get(0)?;
        let mut of = Vec::new();
        for place in 0..dimensions {
            // The first dimension is the highest bit.
            if absent >> (dimensions - 1 - place) & 1 == 0 {
                of.push((place, row.get(1 + place)?));
            }
        }
        let column = |place: usize| 1 + dimensions + place;
        let n = Some(row.get(column(2))?);
        found.groups.push(Group {
            of,
            cell: Cell::of(question.metric, row.get(column(0))?, row.get(column(1))?, n),
            views: row.get::<_, Option<f64>>(column(3))?.unwrap_or(0.0),
        });
        found.left_out = row.get(column(4))?;
    }
    Ok(found)
}

fn statement(now_ms: i64, question: &Question) -> Sql {
    let names: Vec<String> = (0..question.by.len()).map(|place| format!("d{place}")).collect();
    let all = names.join(", ");
    let singles = names.iter().map(|name| format!("({name})"));
    let pairs = names.iter().enumerate().flat_map(|(place, first)| {
        let others = names.iter().skip(place + 1);
        others.map(move |second| format!("({first}, {second})"))
    });
    let sets: Vec<String> = std::iter::once("()".to_owned())
        .chain(singles)
        .chain(pairs)
        .collect();
    let mut sql = Sql::default();
    sql.push("WITH parts AS (");
    let sums = match &question.metric.value {
        Value::Quantile { of, share } => {
            let value = measure(*of);
            sql.part(question, Source::Views, |sql| {
                sql.push(&format!("{value} AS value, weight AS w"));
            });
            sql.push(&format!(" AND {value} IS NOT NULL"));
            format!("quantile_cont(value, {share:?}), NULL::DOUBLE, count(*) AS n, sum(w)")
        }
        Value::Ratio { .. } | Value::Total(_) => {
            // By all dimensions together first: that gives far fewer rows than there are views to add up in so many ways.
            let source = match question.is_of_rollups() {
                true => Source::Rollups,
                false => Source::Views,
            };
            sql.part(question, source, |sql| {
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
            sql.push(&format!(" GROUP BY {all}"));
            if source == Source::Rollups {
                // They do not know views: these are those that went on at that time.
                sql.push(" UNION ALL ");
                sql.dimensions(question);
                sql.push("0.0, 0.0, count(*), sum(weight) FROM views WHERE last_beat_ms >= ");
                sql.bind(question.range.from_ms);
                sql.push(" AND start_ms < ");
                sql.bind(question.range.to_ms);
                sql.filters(&question.filters);
                sql.push(&format!(" GROUP BY {all}"));
            }
            "sum(a0), sum(b0), coalesce(sum(n), 0)::BIGINT AS n, sum(w)".to_owned()
        }
    };
    let sets = sets.join(", ");
    let min_n = question.min_n;
    // All bits are set where all views are together.
    let total = (1_u64 << question.by.len()) - 1;
    sql.push(&format!(
        "), cells AS (SELECT grouping({all}) AS absent, {all}, {sums} FROM parts GROUP BY GROUPING SETS ({sets}))
         SELECT *, count(*) FILTER (n < {min_n} AND absent <> {total}) OVER () FROM cells
         QUALIFY n >= {min_n} OR absent = {total}
         ORDER BY absent = {total} DESC, n DESC, absent, {all} LIMIT {MAX_GROUPS}"
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
    fn part(&mut self, question: &Question, source: Source, columns: impl FnOnce(&mut Self)) {
        self.dimensions(question);
        columns(self);
        let (table, time) = table(source);
        self.push(&format!(" FROM {table} WHERE {time} >= "));
        self.bind(question.range.from_ms);
        self.push(&format!(" AND {time} < "));
        self.bind(question.range.to_ms);
        self.filters(&question.filters);
    }

    fn dimensions(&mut self, question: &Question) {
        self.push("SELECT ");
        for (place, dimension) in question.by.iter().enumerate() {
            self.dimension(dimension);
            self.push(&format!(" AS d{place}, "));
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
                let found = groups(&connection, 5, &question).unwrap();
                assert_eq!((found.groups.len(), found.left_out), (1, 0), "{}", metric.name);
            }
        }
    }
}
