//! `GET /v1/query`: metrics by dimensions. `GET /v1/definitions`: what can be asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::duckdb::Connection;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::{Answer, Cell, Source, answer};
use super::ast::{Dimension, Field, Query};
use super::export::{self, Format, Kind, Table};
use super::{Queries, duckdb};
use crate::metrics::{Better, METRICS, Metric, Unit};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// The answer.
#[derive(Serialize)]
struct Answered {
    now_ms: i64,
    from_ms: i64,
    to_ms: i64,
    bucket_ms: Option<i64>,
    metrics: Vec<Asked>,
    by: Vec<String>,
    rows: Vec<Row>,
    /// There are more groups than these.
    more: bool,
    /// Programs were left out.
    bots_excluded: bool,
}

#[derive(Serialize)]
struct Asked {
    name: &'static str,
    unit: Unit,
    better: Better,
    source: Source,
}

#[derive(Serialize)]
struct Row {
    /// Start of the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    t_ms: Option<i64>,
    /// Dimension → value.
    by: BTreeMap<String, String>,
    /// Metric → what it comes to.
    values: BTreeMap<&'static str, Cell>,
}

pub(super) async fn query(
    State(queries): State<Arc<Queries>>,
    Parameters(mut parameters): Parameters<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now_ms = queries.clock.now_ms();
    let format = Format::take(&mut parameters, &headers)?;
    let query = Query::parse(now_ms, &parameters)?;
    let asked = query.clone();
    let ask =
        move |connection: &Connection| answer(&query, |select| duckdb::select(connection, now_ms, select));
    let answered = match format {
        Format::Json => {
            let found = queries.reader.run(ask).await?;
            return Ok(Json(Answered::new(now_ms, &asked, found)).into_response());
        }
        Format::Csv => {
            let found = queries.reader.run(ask).await?;
            Body::from(export::csv_table(&table(&asked, found)))
        }
        Format::Parquet => {
            let room = queries.exports.room()?;
            let folder = queries.exports.folder.clone();
            let write = move |connection: &Connection| {
                let table = table(&asked, ask(connection)?);
                duckdb::table_file(connection, &folder, &table)
            };
            export::parquet_body(queries.reader.run(write).await?, room)
        }
    };
    Ok(format.response("query", answered))
}

impl Answered {
    fn new(now_ms: i64, asked: &Query, found: Answer) -> Self {
        let by: Vec<String> = asked.by.iter().map(Dimension::name).collect();
        Self {
            now_ms,
            from_ms: asked.range.from_ms,
            to_ms: asked.range.to_ms,
            bucket_ms: asked.bucket_ms,
            rows: found
                .rows
                .into_iter()
                .map(|row| Row {
                    t_ms: row.at_ms,
                    by: by.iter().cloned().zip(row.group).collect(),
                    values: asked
                        .metrics
                        .iter()
                        .map(|metric| metric.name)
                        .zip(row.cells)
                        .collect(),
                })
                .collect(),
            metrics: asked
                .metrics
                .iter()
                .zip(found.sources)
                .map(|(metric, source)| Asked {
                    name: metric.name,
                    unit: metric.unit,
                    better: metric.better,
                    source,
                })
                .collect(),
            by,
            more: found.more,
            bots_excluded: asked.bots_excluded,
        }
    }
}

/// The same rows as columns: `t_ms` of a series, the dimensions, and four of each metric.
fn table(asked: &Query, found: Answer) -> Table {
    let mut columns = Vec::new();
    if asked.bucket_ms.is_some() {
        columns.push(("t_ms".to_owned(), Kind::Integer));
    }
    columns.extend(asked.by.iter().map(|dimension| (dimension.name(), Kind::Text)));
    for metric in distinct(&asked.metrics) {
        let name = metric.name;
        columns.push((name.to_owned(), Kind::Number));
        columns.push((format!("{name}_numerator"), Kind::Number));
        columns.push((format!("{name}_denominator"), Kind::Number));
        columns.push((format!("{name}_n"), Kind::Integer));
    }
    let rows = found.rows.into_iter().map(|row| {
        let mut values: Vec<Value> = row.at_ms.into_iter().map(Value::from).collect();
        values.extend(row.group.into_iter().map(Value::from));
        let cells: BTreeMap<&str, Cell> = asked
            .metrics
            .iter()
            .map(|metric| metric.name)
            .zip(row.cells)
            .collect();
        for metric in distinct(&asked.metrics) {
            let cell = cells.get(metric.name).cloned().unwrap_or_default();
            values.extend([cell.value, cell.numerator, cell.denominator].map(Value::from));
            values.push(cell.n.into());
        }
        values
    });
    Table {
        rows: rows.collect(),
        columns,
    }
}

/// Metrics may be asked for twice; columns have each once.
fn distinct<'a>(metrics: &'a [&'static Metric]) -> impl Iterator<Item = &'static Metric> + 'a {
    let is_first = |place: usize| !metrics[..place].contains(&metrics[place]);
    (0..metrics.len())
        .filter(move |place| is_first(*place))
        .map(|place| metrics[place])
}

pub(super) async fn definitions() -> Json<Value> {
    let metrics: Vec<_> = METRICS
        .iter()
        .map(|metric| {
            json!({
                "name": metric.name,
                "unit": metric.unit,
                "better": metric.better,
                "definition": metric.definition,
            })
        })
        .collect();
    Json(json!({ "metrics": metrics, "dimensions": Field::ALL.map(Field::name) }))
}
