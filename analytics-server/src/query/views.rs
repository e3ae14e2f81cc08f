//! `GET /v1/views?limit&before&from&to&site&filter`: the list, newest first. `GET /v1/views/{id}`: one view with its
//! events.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Queries;
use super::duckdb::{self, Stored};
use crate::metrics::ratio;
use crate::problem::Problem;
use crate::sessions::{CLOSED_AFTER_MS, FINAL_AFTER_MS, LIVE_FOR_MS};
use crate::store::rows::ViewRow;

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 500;
/// Most events in the answer about one view.
const MAX_EVENTS: usize = 20_000;

#[derive(Deserialize)]
pub(super) struct Params {
    limit: Option<u32>,
    /// Only views that began before this time.
    before: Option<i64>,
    from: Option<i64>,
    to: Option<i64>,
    site: Option<String>,
    #[serde(default)]
    filter: Filter,
}

/// Which views are listed.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Filter {
    #[default]
    All,
    /// With a fatal error.
    Failed,
    /// With a beat in the last 35 s and not ended.
    Live,
    /// That rebuffered.
    Rebuffered,
}

#[derive(Serialize)]
pub(super) struct List {
    now_ms: i64,
    views: Vec<View>,
    /// There are more: ask again with `before` = the last one's `start_ms`.
    more: bool,
}

#[derive(Serialize)]
pub(super) struct One {
    now_ms: i64,
    view: View,
    events: Vec<Box<RawValue>>,
    /// There are more events than are in here.
    events_truncated: bool,
}

/// A stored view and what follows from it at this moment.
#[derive(Serialize)]
struct View {
    phase: &'static str,
    rebuffer_ratio: Option<f64>,
    avg_bitrate_kbps: Option<f64>,
    watched_ms: i64,
    #[serde(flatten)]
    row: ViewRow,
}

impl View {
    fn new(row: ViewRow, now_ms: i64) -> Self {
        let silent_ms = now_ms - row.last_beat_ms;
        let phase = if silent_ms >= FINAL_AFTER_MS {
            "final"
        } else if row.view_end || silent_ms >= CLOSED_AFTER_MS {
            "closed"
        } else if silent_ms >= LIVE_FOR_MS {
            "silent"
        } else {
            "live"
        };
        Self {
            phase,
            rebuffer_ratio: ratio(row.rebuffer_ms as f64, (row.played_ms + row.rebuffer_ms) as f64),
            avg_bitrate_kbps: ratio(row.bitrate_kbps_media_ms as f64, row.media_ms as f64),
            watched_ms: row.startup_ms.map_or(0, |startup| {
                startup + row.played_ms + row.rebuffer_ms + row.seek_ms
            }),
            row,
        }
    }
}

pub(super) async fn list(
    State(queries): State<Arc<Queries>>,
    Query(params): Query<Params>,
) -> Result<Json<List>, Problem> {
    let now_ms = queries.clock.now_ms();
    let site = queries.site(params.site.clone())?;
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize;
    let from_ms = params.from.unwrap_or(i64::MIN);
    let to_ms = params
        .to
        .unwrap_or(i64::MAX)
        .min(params.before.unwrap_or(i64::MAX));
    let filter = params.filter;
    let mut views = queries
        .reader
        .run(move |connection| {
            let live_since_ms = now_ms - LIVE_FOR_MS;
            duckdb::list(
                connection,
                site.as_deref(),
                (from_ms, to_ms),
                filter,
                live_since_ms,
                limit + 1,
            )
        })
        .await?;
    let more = views.len() > limit;
    views.truncate(limit);
    let views = views.into_iter().map(|row| View::new(row, now_ms)).collect();
    Ok(Json(List { now_ms, views, more }))
}

#[derive(Deserialize)]
pub(super) struct OneParams {
    site: Option<String>,
}

pub(super) async fn one(
    State(queries): State<Arc<Queries>>,
    Path(id): Path<String>,
    Query(params): Query<OneParams>,
) -> Result<Json<One>, Problem> {
    let now_ms = queries.clock.now_ms();
    let site = queries.site(params.site)?;
    let id = id.to_ascii_lowercase();
    let found = queries
        .reader
        .run(move |connection| duckdb::find(connection, &id, site.as_deref()))
        .await?;
    let Stored { row, mut events } =
        found.ok_or_else(|| Problem::not_found("there is no view with this id"))?;
    let events_truncated = events.len() > MAX_EVENTS || row.events_dropped > 0;
    events.truncate(MAX_EVENTS);
    Ok(Json(One {
        now_ms,
        view: View::new(row, now_ms),
        events,
        events_truncated,
    }))
}
