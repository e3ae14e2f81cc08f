//! The collector: `POST /v1/beacons`.
//!
//! A beacon is answered with `204` when it is durable in the [log](crate::log), and not before. Other answers carry
//! `{"error":{"code":…,"message":…}}`:
//!
//! | status | code | what a client does |
//! |---|---|---|
//! | 400 | `invalid_beacon` | drops the beacon: it will never be accepted |
//! | 401 | `unknown_site` | drops the beacon, and stops |
//! | 408 | `too_slow` | sends it again |
//! | 413 | `body_too_large` | drops the beacon |
//! | 503 | `busy`, `storage`, `shutting_down` | sends it again after `Retry-After` seconds |
//!
//! The body is JSON whatever the content type says: `text/plain` is what `navigator.sendBeacon` and a `fetch` without
//! CORS preflight send. Any origin may post; cookies are neither read nor set. The sender's address is not looked at.

mod accept;
mod outcomes;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::RwLock;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};

use crate::clock::Clock;
use crate::config::Config;
use crate::log::{AppendError, Appender, Record};
use crate::problem::Problem;
use accept::accept;
pub(crate) use outcomes::{Outcome, Outcomes};

/// A body may be this long.
pub(crate) const MAX_BODY_BYTES: usize = 64 << 10;

/// A body must have arrived after this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What the routes of the collector share.
pub(crate) struct Collector {
    sites: HashMap<String, String>,
    country_header: Option<String>,
    clock: Clock,
    outcomes: Arc<Outcomes>,
    /// `None` once the server is shutting down.
    log: RwLock<Option<Appender>>,
}

impl Collector {
    pub(crate) fn new(config: &Config, outcomes: Arc<Outcomes>, log: Appender) -> Self {
        let sites = config
            .sites
            .iter()
            .map(|site| (site.key.clone(), site.name.clone()))
            .collect();
        Self {
            sites,
            country_header: config.country_header.clone(),
            clock: config.clock.clone(),
            outcomes,
            log: RwLock::new(Some(log)),
        }
    }

    /// From now on beacons are refused; those in hand are finished.
    pub(crate) fn close(&self) {
        if let Ok(mut log) = self.log.write() {
            *log = None;
        }
    }

    /// Whether beacons are accepted.
    pub(crate) fn is_open(&self) -> bool {
        self.log.read().is_ok_and(|log| log.is_some())
    }

    /// Where a sender is, if somebody tells: in capitals, and neither unknown (`XX`) nor Tor (`T1`).
    fn country(&self, headers: &HeaderMap) -> Option<[u8; 2]> {
        let told = headers.get(self.country_header.as_ref()?)?.as_bytes();
        let country = <[u8; 2]>::try_from(told)
            .ok()?
            .map(|letter| letter.to_ascii_uppercase());
        (country.iter().all(u8::is_ascii_uppercase) && country != *b"XX").then_some(country)
    }

    fn appender(&self) -> Option<Appender> {
        self.log.read().ok()?.clone()
    }
}

/// The collector's routes.
pub(crate) fn router(collector: Arc<Collector>) -> Router {
    let beacons: MethodRouter<Arc<Collector>> = post(post_beacon).options(preflight);
    Router::new().route("/v1/beacons", beacons).with_state(collector)
}

async fn post_beacon(State(collector): State<Arc<Collector>>, headers: HeaderMap, body: Body) -> Response {
    let (outcome, mut response) = match collect(&collector, &headers, body).await {
        Ok(()) => (Outcome::Accepted, StatusCode::NO_CONTENT.into_response()),
        Err((outcome, problem)) => (outcome, problem.into_response()),
    };
    collector.outcomes.count(outcome);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("retry-after"),
    );
    response
}

async fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

async fn collect(collector: &Collector, headers: &HeaderMap, body: Body) -> Result<(), (Outcome, Problem)> {
    let Some(log) = collector.appender() else {
        return Err((
            Outcome::Busy,
            Problem::unavailable("shutting_down", "the server is shutting down"),
        ));
    };
    let too_large = || {
        let message = format!("a beacon is at most {MAX_BODY_BYTES} bytes; send fewer events at a time");
        (
            Outcome::TooLarge,
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message),
        )
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|len| len > MAX_BODY_BYTES as u64) {
        return Err(too_large());
    }
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        // Either the limit or a connection that broke, whose answer nobody reads.
        Ok(Err(_)) => return Err(too_large()),
        Err(_) => {
            let problem = Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "too_slow",
                "the body did not arrive in time",
            );
            return Err((Outcome::TooSlow, problem));
        }
    };
    let mut beacon = accept(&body).map_err(|error| {
        tracing::debug!(%error, "a beacon was refused");
        (
            Outcome::Invalid,
            Problem::new(StatusCode::BAD_REQUEST, "invalid_beacon", error.to_string()),
        )
    })?;
    let Some(site) = collector.sites.get(&beacon.site) else {
        let message = "no site has this key; see `site` in the player's configuration";
        return Err((
            Outcome::UnknownSite,
            Problem::new(StatusCode::UNAUTHORIZED, "unknown_site", message),
        ));
    };
    beacon.site.clone_from(site);
    let record =
        Record::new(collector.clock.now_ms(), collector.country(headers), beacon).map_err(|error| {
            (
                Outcome::Invalid,
                Problem::new(StatusCode::BAD_REQUEST, "invalid_beacon", error.to_string()),
            )
        })?;
    log.append(record).await.map_err(|error| match error {
        AppendError::Busy => (
            Outcome::Busy,
            Problem::unavailable("busy", "too many beacons are waiting; send it again"),
        ),
        AppendError::Failed => (
            Outcome::Storage,
            Problem::unavailable("storage", "the beacon could not be stored; send it again"),
        ),
    })
}
