//! `GET /v1/query`: metrics by dimensions. `GET /v1/definitions`: what can be asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query as Parameters, State};
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::{Cell, Source, answer};
use super::ast::{Dimension, Field, Query};
use super::{Queries, duckdb};
use crate::metrics::{Better, METRICS, Unit};
use crate::problem::Problem;

/// The answer.
#[derive(Serialize)]
pub(super) struct Answered {
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
    Parameters(parameters): Parameters<Vec<(String, String)>>,
) -> Result<Json<Answered>, Problem> {
    let now_ms = queries.clock.now_ms();
    let query = Query::parse(now_ms, &parameters)?;
    let asked = query.clone();
    let found = queries
        .reader
        .run(move |connection| answer(&query, |select| duckdb::select(connection, now_ms, select)))
        .await?;
    let by: Vec<String> = asked.by.iter().map(Dimension::name).collect();
    Ok(Json(Answered {
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
    }))
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
