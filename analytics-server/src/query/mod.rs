//! Queries, as JSON. Times are milliseconds since the Unix epoch by the server's clock. `site` is a site's name; without
//! it, all sites count together.

pub(crate) mod answer;
mod ask;
pub(crate) mod ast;
pub(crate) mod cohorts;
mod duckdb;
mod export;
mod invalid;
mod live;
mod overview;
mod prometheus;
pub(crate) mod range;
mod streams;
mod views;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::alerts::Alerts;
use crate::clock::Clock;
use crate::collector::{Collector, Outcomes};
use crate::log::BeaconLog;
use crate::pipeline::Shared;
use crate::problem::Problem;
use crate::store::{QueryError, StoreReader};
pub(crate) use duckdb::{groups, viewers_by_site};
pub(crate) use export::Exports;
pub(crate) use streams::LiveStreams;

/// What the routes share.
pub(crate) struct Queries {
    pub(crate) reader: StoreReader,
    pub(crate) clock: Clock,
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Arc<BeaconLog>,
    pub(crate) collector: Arc<Collector>,
    pub(crate) outcomes: Arc<Outcomes>,
    pub(crate) sites: Vec<String>,
    pub(crate) public_url: Option<String>,
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) streams: LiveStreams,
    pub(crate) exports: Exports,
    pub(crate) store_file: PathBuf,
}

impl Queries {
    /// The site's name, if there is such a site.
    fn site(&self, site: Option<String>) -> Result<Option<String>, Problem> {
        match site.filter(|name| !name.is_empty()) {
            Some(name) if !self.sites.contains(&name) => {
                Err(Problem::not_found("there is no site of this name"))
            }
            site => Ok(site),
        }
    }
}

/// All routes of both addresses.
async fn openapi() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        include_str!("openapi.json"),
    )
}

/// Whether a request names this media type as one that it accepts.
fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut types = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|range| range.split(';').next());
    types.any(|media| media.trim().eq_ignore_ascii_case(wanted))
}

/// The routes of the queries.
pub(crate) fn router(queries: Arc<Queries>) -> Router {
    Router::new()
        .route("/v1/query", get(ask::query))
        .route("/v1/definitions", get(ask::definitions))
        .route("/v1/cohorts", get(cohorts::route))
        .route("/v1/overview", get(overview::overview))
        .route("/v1/views", get(views::list))
        .route("/v1/views/{id}", get(views::one))
        .route("/v1/live", get(live::live))
        .route("/v1/status", get(live::status))
        .route("/metrics", get(prometheus::route))
        .route("/v1/openapi.json", get(openapi))
        .with_state(queries)
}

impl IntoResponse for QueryError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}

impl From<invalid::Invalid> for Problem {
    fn from(error: invalid::Invalid) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        match &error {
            QueryError::Busy => Self::unavailable("busy", error.to_string()),
            QueryError::TooSlow => Self::unavailable(
                "too_slow",
                "the query took too long; ask for a shorter range of time",
            ),
            QueryError::Store(source) => {
                tracing::error!(error = %source, "a query failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "the query failed; see the server's log",
                )
            }
        }
    }
}
