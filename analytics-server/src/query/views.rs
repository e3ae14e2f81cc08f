//! `GET /v1/views?limit&before&from&to&site&filter`: the list, newest first. `GET /v1/views/{id}`: one view with its
//! events.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use duckdb::{Connection, named_params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Queries;
use crate::error::StoreError;
use crate::metrics::ratio;
use crate::problem::Problem;
use crate::sessions::{CLOSED_AFTER_MS, FINAL_AFTER_MS, LIVE_FOR_MS};
use crate::store::rows::ViewRow;
use crate::store::table::TableRow;

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
enum Filter {
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
            select(
                connection,
                now_ms,
                site.as_deref(),
                from_ms,
                to_ms,
                filter,
                limit + 1,
            )
        })
        .await?;
    let more = views.len() > limit;
    views.truncate(limit);
    Ok(Json(List { now_ms, views, more }))
}

fn select(
    connection: &Connection,
    now_ms: i64,
    site: Option<&str>,
    from_ms: i64,
    to_ms: i64,
    filter: Filter,
    limit: usize,
) -> Result<Vec<View>, StoreError> {
    let filter = match filter {
        Filter::All => "true".to_owned(),
        Filter::Failed => "fatal IS NOT NULL".to_owned(),
        Filter::Live => format!("NOT view_end AND last_beat_ms > {}", now_ms - LIVE_FOR_MS),
        Filter::Rebuffered => "rebuffer_count > 0".to_owned(),
    };
    let sql = format!(
        "SELECT {} FROM views
         WHERE start_ms >= $from AND start_ms < $to AND ($site IS NULL OR site = $site) AND {filter}
         ORDER BY start_ms DESC, view_id LIMIT {limit}",
        ViewRow::names()
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(
        named_params! { "from": from_ms, "to": to_ms, "site": site },
        ViewRow::read,
    )?;
    Ok(rows
        .map(|row| row.map(|row| View::new(row, now_ms)))
        .collect::<Result<_, _>>()?)
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
        .run(move |connection| find(connection, now_ms, &id, site.as_deref()))
        .await?;
    found
        .map(Json)
        .ok_or_else(|| Problem::not_found("there is no view with this id"))
}

fn find(
    connection: &Connection,
    now_ms: i64,
    id: &str,
    site: Option<&str>,
) -> Result<Option<One>, StoreError> {
    let sql = format!(
        "SELECT {} FROM views WHERE view_id = $id AND ($site IS NULL OR site = $site) ORDER BY site LIMIT 1",
        ViewRow::names()
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query_map(named_params! { "id": id, "site": site }, ViewRow::read)?;
    let Some(row) = rows.next().transpose()? else {
        return Ok(None);
    };
    let sql = format!(
        "SELECT body FROM events WHERE view_id = $id AND site = $site ORDER BY t_ms, seq, place LIMIT {}",
        MAX_EVENTS + 1
    );
    let mut statement = connection.prepare(&sql)?;
    let bodies = statement.query_map(named_params! { "id": id, "site": row.site }, |row| {
        row.get::<_, String>(0)
    })?;
    let mut events = Vec::new();
    for body in bodies {
        events.push(RawValue::from_string(body?)?);
    }
    let events_truncated = events.len() > MAX_EVENTS || row.events_dropped > 0;
    events.truncate(MAX_EVENTS);
    Ok(Some(One {
        now_ms,
        view: View::new(row, now_ms),
        events,
        events_truncated,
    }))
}
