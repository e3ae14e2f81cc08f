//! `GET /v1/views?limit&before&from&to&site&filter&bots`: the list, newest first. `GET /v1/views/{id}`: one view with its
//! events.

use std::sync::Arc;

use ::duckdb::Connection;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use super::Queries;
use super::ast::{Field, Filter, MAX_FILTERS, number, once, wants_bots};
use super::duckdb::{self, Stored};
use super::export::{self, Format};
use super::invalid::Invalid;
use crate::metrics::ratio;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::sessions::{CLOSED_AFTER_MS, FINAL_AFTER_MS, LIVE_FOR_MS};
use crate::store::rows::ViewRow;

const PARAMETERS: &str = "limit, before, from, to, filter, site, bots, format";
const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// The same for files.
const DEFAULT_LIMIT_OF_FILES: usize = 10_000;
const MAX_LIMIT_OF_FILES: usize = 250_000;
/// Views that are read at a time for a file.
const PAGE: usize = 1_000;
/// Most events in the answer about one view.
const MAX_EVENTS: usize = 20_000;

/// Which views are listed, the newest first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    /// They began at or after `from_ms`, and before `to_ms`.
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    /// They had a beat after this time, and have not ended.
    pub(crate) live_since_ms: Option<i64>,
    pub(crate) filters: Vec<Filter>,
    /// Those that are listed after the view with this start and id.
    pub(crate) after: Option<(i64, String)>,
    pub(crate) limit: usize,
}

#[derive(Serialize)]
pub(super) struct List {
    now_ms: i64,
    /// Programs were left out.
    bots_excluded: bool,
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

/// What a URL asks for: the views, of which site, and whether programs were left out.
struct Asked {
    wanted: Wanted,
    site: Option<String>,
    bots_excluded: bool,
}

impl Asked {
    fn parse(now_ms: i64, format: Format, parameters: &[(String, String)]) -> Result<Self, Invalid> {
        let (default, max) = match format {
            Format::Json => (DEFAULT_LIMIT, MAX_LIMIT),
            Format::Csv | Format::Parquet => (DEFAULT_LIMIT_OF_FILES, MAX_LIMIT_OF_FILES),
        };
        let (mut from, mut to, mut before) = (None, None, None);
        let (mut limit, mut site, mut bots) = (None, None, None);
        let mut filters = Vec::new();
        let mut live_since_ms = None;
        for (name, value) in parameters {
            let once = |place: &mut Option<String>| once(place, name, value);
            match name.as_str() {
                "filter" => match value.as_str() {
                    "" | "all" => {}
                    "failed" => filters.push(Filter::is(Field::Failed, "true")),
                    "live" => live_since_ms = Some(now_ms - LIVE_FOR_MS),
                    "rebuffered" => filters.push(Filter::is(Field::Rebuffered, "true")),
                    text => filters.push(Filter::parse(text)?),
                },
                "site" => once(&mut site)?,
                "from" => once(&mut from)?,
                "to" => once(&mut to)?,
                "before" => once(&mut before)?,
                "limit" => once(&mut limit)?,
                "bots" => once(&mut bots)?,
                _ => return Err(Invalid::parameter(name, PARAMETERS)),
            }
            if filters.len() > MAX_FILTERS {
                return Err(Invalid::TooMany {
                    what: "filters",
                    max: MAX_FILTERS,
                });
            }
        }
        let site = site.filter(|site| !site.is_empty());
        filters.extend(site.iter().map(|site| Filter::is(Field::Site, site)));
        let bots_excluded = Filter::exclude_bots(&mut filters, wants_bots(bots)?);
        let limit = match limit {
            None => default,
            Some(text) => text.parse().map_err(|_| Invalid::Limit(max))?,
        };
        let to_ms = number("to", to)?.unwrap_or(i64::MAX);
        Ok(Self {
            wanted: Wanted {
                from_ms: number("from", from)?.unwrap_or(i64::MIN),
                to_ms: to_ms.min(number("before", before)?.unwrap_or(i64::MAX)),
                live_since_ms,
                filters,
                after: None,
                limit: limit.clamp(1, max),
            },
            site,
            bots_excluded,
        })
    }
}

pub(super) async fn list(
    State(queries): State<Arc<Queries>>,
    Parameters(mut parameters): Parameters<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now_ms = queries.clock.now_ms();
    let format = Format::take(&mut parameters, &headers)?;
    let Asked {
        mut wanted,
        site,
        bots_excluded,
    } = Asked::parse(now_ms, format, &parameters)?;
    queries.site(site)?;
    match format {
        Format::Json => {}
        Format::Csv => {
            let room = queries.exports.room()?;
            return Ok(format.response("views", csv(&queries, now_ms, wanted, room)));
        }
        Format::Parquet => {
            let room = queries.exports.room()?;
            let folder = queries.exports.folder.clone();
            let write = move |connection: &Connection| duckdb::views_file(connection, &folder, &wanted);
            let file = queries.reader.run(write).await?;
            return Ok(format.response("views", export::parquet_body(file, room)));
        }
    }
    let limit = wanted.limit;
    wanted.limit += 1;
    let mut views = queries
        .reader
        .run(move |connection| duckdb::list(connection, &wanted))
        .await?;
    let more = views.len() > limit;
    views.truncate(limit);
    let views = views.into_iter().map(|row| View::new(row, now_ms)).collect();
    let list = List {
        now_ms,
        bots_excluded,
        views,
        more,
    };
    Ok(Json(list).into_response())
}

/// The views with the fields that JSON has, which are read page by page.
fn csv(queries: &Queries, now_ms: i64, wanted: Wanted, room: OwnedSemaphorePermit) -> Body {
    let names: Vec<String> = fields(ViewRow::default(), now_ms)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let reader = queries.reader.clone();
    let read = move |wanted: Wanted| {
        let reader = reader.clone();
        async move {
            let page = Wanted {
                limit: wanted.limit.min(PAGE),
                ..wanted.clone()
            };
            let views = reader
                .run(move |connection| duckdb::list(connection, &page))
                .await?;
            let left = wanted.limit - views.len().min(wanted.limit);
            let next = views
                .last()
                .filter(|_| left > 0 && views.len() == PAGE)
                .map(|last| Wanted {
                    after: Some((last.start_ms, last.view_id.to_string())),
                    limit: left,
                    ..wanted
                });
            let rows = views
                .into_iter()
                .map(|row| fields(row, now_ms).into_iter().map(|(_, value)| value).collect())
                .collect();
            Ok((rows, next))
        }
    };
    export::csv_pages(names, wanted, room, read)
}

/// What JSON has of a view, by name.
fn fields(row: ViewRow, now_ms: i64) -> serde_json::Map<String, Value> {
    match serde_json::to_value(View::new(row, now_ms)) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneParams {
    site: Option<String>,
}

pub(super) async fn one(
    State(queries): State<Arc<Queries>>,
    id: Result<Path<String>, PathRejection>,
    Parameters(params): Parameters<OneParams>,
) -> Result<Json<One>, Problem> {
    let now_ms = queries.clock.now_ms();
    let site = queries.site(params.site)?;
    let no_view = || Problem::not_found("there is no view with this id");
    let Path(id) = id.map_err(|_| no_view())?;
    let id = id.to_ascii_lowercase();
    let found = queries
        .reader
        .run(move |connection| duckdb::find(connection, &id, site.as_deref()))
        .await?;
    let Stored { row, mut events } = found.ok_or_else(no_view)?;
    let events_truncated = events.len() > MAX_EVENTS || row.events_dropped > 0;
    events.truncate(MAX_EVENTS);
    Ok(Json(One {
        now_ms,
        view: View::new(row, now_ms),
        events,
        events_truncated,
    }))
}
