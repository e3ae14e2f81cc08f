//! The collector: `POST /v1/beacons`, and [`/v1/cmcd`](cmcd) for players that are not ours.
//!
//! A body is one beacon, or a batch of them: a JSON array, or one beacon a line as `application/x-ndjson`. It may be compressed
//! (gzip, deflate). A single beacon is answered with `204` when it is durable in the [log](crate::log), and not before; a batch
//! with `200` and `{"accepted":…,"rejected":…,"problems":[{"index":…,"code":…,"message":…}]}`, unless none of it was accepted:
//! then the answer is that of its first beacon. Other answers carry `{"error":{"code":…,"message":…}}`:
//!
//! | status | code | what a client does |
//! |---|---|---|
//! | 400 | `invalid_beacon`, `invalid_encoding` | drops the beacon: it will never be accepted |
//! | 401 | `unknown_site`, `invalid_token` | drops the beacon, and stops |
//! | 403 | `origin_not_allowed` | drops the beacon, and stops |
//! | 408 | `too_slow` | sends it again |
//! | 410 | `site_closed` | drops the beacon, and stops |
//! | 413 | `body_too_large` | drops the beacon, or sends fewer at a time |
//! | 429 | `address_limited`, `site_limited` | sends it again after `Retry-After` seconds |
//! | 503 | `busy`, `disk_full`, `storage`, `store_behind`, `shutting_down` | sends it again after `Retry-After` seconds |
//!
//! A batch of which something is to be sent again is sent again as a whole: what comes twice counts once.
//!
//! The body is JSON whatever the content type says: `text/plain` is what `navigator.sendBeacon` and a `fetch` without
//! CORS preflight send. Cookies are neither read nor set. The sender's address is used to count its requests, and
//! goes into the [name of a viewer](viewers); it is neither stored nor logged.

mod accept;
mod addresses;
mod backlog;
mod body;
mod bots;
mod caller;
mod cardinality;
mod cmcd;
mod dead_letters;
mod delete;
mod disk;
mod outcomes;
mod refusal;
mod sites;
mod token;
mod viewers;

use std::io;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Json, Router};
use futures_util::future::join_all;
use player_core::telemetry::schema::Beacon;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::config::Config;
use crate::log::{AppendError, Appender, Entry, Record};
use crate::parameters::Parameters;
use crate::problem::Problem;
pub use accept::{InvalidBeacon, read_beacon};
use addresses::Addresses;
pub(crate) use backlog::Backlog;
use body::Parts;
pub(crate) use bots::DEVICE as BOT;
use caller::Caller;
use cardinality::Cardinality;
use cmcd::CmcdSessions;
pub use dead_letters::{DeadLetter, dead_letters};
pub(crate) use dead_letters::{DeadLetters, folder as dead_letters_folder};
pub use disk::DiskSpace;
use disk::Watermark;
pub(crate) use outcomes::{Note, Outcome, Outcomes};
use refusal::Refusal;
use sites::{SiteRules, Sites};
use viewers::Viewers;
pub(crate) use viewers::replace as replace_file;
pub(crate) use viewers::{viewer_key, viewer_key_file};

/// A body may be this long.
pub(crate) const MAX_BODY_BYTES: usize = 64 << 10;

/// So many problems of a batch are told.
const MAX_PROBLEMS: usize = 20;
/// Most dead letters of an answer.
const MAX_DEAD_LETTERS: usize = 1000;

/// What the routes of the collector share.
pub(crate) struct Collector {
    sites: Sites,
    trusted_proxies: Vec<ipnet::IpNet>,
    country_header: Option<String>,
    addresses: Option<Addresses>,
    cardinality: Cardinality,
    disk: Watermark,
    backlog: Backlog,
    dead_letters: Arc<DeadLetters>,
    viewers: Viewers,
    cmcd: CmcdSessions,
    clock: Clock,
    outcomes: Arc<Outcomes>,
    /// `None` once the server is shutting down.
    log: RwLock<Option<Appender>>,
    draining: AtomicBool,
}

/// What waits for the log.
pub(crate) struct Queued {
    pub(crate) beacons: usize,
    pub(crate) bytes: usize,
}

impl Collector {
    pub(crate) fn new(
        config: &Config,
        outcomes: Arc<Outcomes>,
        dead_letters: Arc<DeadLetters>,
        backlog: Backlog,
        log: Appender,
    ) -> io::Result<Self> {
        let limits = &config.limits;
        Ok(Self {
            sites: Sites::new(&config.sites),
            trusted_proxies: config.trusted_proxies.clone(),
            country_header: config.country_header.clone(),
            addresses: NonZeroU32::new(limits.requests_per_second_per_address).map(Addresses::new),
            cardinality: Cardinality::new(limits.dimension_values),
            disk: Watermark::new(
                &config.data_dir,
                limits.min_free_disk_bytes,
                config.disk_space.clone(),
            ),
            backlog,
            dead_letters,
            viewers: Viewers::open(&config.data_dir, config.daily_viewers, config.clock.now_ms())?,
            cmcd: CmcdSessions::new()?,
            clock: config.clock.clone(),
            outcomes,
            log: RwLock::new(Some(log)),
            draining: AtomicBool::new(false),
        })
    }

    pub(crate) fn trusted_proxies(&self) -> &[ipnet::IpNet] {
        &self.trusted_proxies
    }

    /// From now on it says that it is not ready; beacons are accepted nevertheless.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether beacons are to be sent here.
    pub(crate) fn is_ready(&self) -> bool {
        let is_draining = self.draining.load(Ordering::Acquire);
        let has_room = !self.disk.is_below() && !self.backlog.is_full();
        let is_sound = !self.is_broken() && !self.backlog.is_stuck();
        self.is_open() && !is_draining && is_sound && has_room
    }

    /// Whether the log must be opened anew before it takes anything.
    pub(crate) fn is_broken(&self) -> bool {
        self.appender().is_ok_and(|log| log.is_broken())
    }

    /// What waits for the log.
    pub(crate) fn queued(&self) -> Queued {
        let (beacons, bytes) = self.appender().map_or((0, 0), |log| log.queued());
        Queued { beacons, bytes }
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

    fn appender(&self) -> Result<Appender, Refusal> {
        let log = self.log.read().map_err(|_| Refusal::ShuttingDown)?;
        log.clone().ok_or(Refusal::ShuttingDown)
    }

    /// What holds before a body is looked at.
    fn admit(&self, caller: &Caller) -> Result<(), Refusal> {
        if let (Some(addresses), Some(address)) = (&self.addresses, caller.address) {
            addresses.check(address).map_err(Refusal::AddressLimited)?;
        }
        if self.disk.is_below() {
            return Err(Refusal::DiskFull);
        }
        if self.backlog.is_full() {
            return Err(Refusal::Behind);
        }
        Ok(())
    }

    /// Reads a beacon of ours, if the caller may send it.
    fn read(&self, bytes: &[u8], caller: &Caller) -> Result<Record, Refusal> {
        let now_ms = self.clock.now_ms();
        let beacon = read_beacon(bytes).inspect_err(|error| self.keep(now_ms, "beacons", error, bytes))?;
        let ids = [beacon.view_id.as_str(), &beacon.session_id];
        let site = self.sites.admit(&beacon.site, caller, ids, now_ms)?;
        self.record(beacon, site, caller, now_ms)
    }

    /// A beacon as it goes into the log: with no more about its viewer than may be kept.
    fn record(
        &self,
        mut beacon: Beacon,
        site: &SiteRules,
        caller: &Caller,
        now_ms: i64,
    ) -> Result<Record, Refusal> {
        beacon.site.clone_from(&site.name);
        if let Some(info) = &mut beacon.info {
            let began_ms = now_ms.saturating_sub_unsigned(beacon.t_ms);
            let viewer_id = &mut info.viewer_id;
            self.viewers.pseudonym(
                &site.name,
                site.hash_viewer_ids,
                caller,
                viewer_id,
                began_ms,
                now_ms,
            );
            if bots::is_bot(&caller.user_agent) {
                bots::DEVICE.clone_into(&mut info.device);
                self.outcomes.note(Note::Bot, 1);
            }
            let limited = self.cardinality.limit(&site.name, info, now_ms);
            self.outcomes.note(Note::DimensionLimited, limited);
        }
        Record::new(now_ms, caller.country, beacon).map_err(|error| InvalidBeacon::json(&error).into())
    }

    fn caller<B>(&self, request: &Request<B>) -> Caller {
        Caller::new(request, &self.trusted_proxies, self.country_header.as_deref())
    }

    /// Keeps what was refused, for the operator.
    fn keep(&self, now_ms: i64, route: &str, error: &InvalidBeacon, bytes: &[u8]) {
        let kept = self.dead_letters.keep(now_ms, route, &error.to_string(), bytes);
        let note = if kept {
            Note::DeadLetter
        } else {
            Note::DeadLetterLost
        };
        self.outcomes.note(note, 1);
    }
}

/// Makes it durable.
async fn store(log: &Appender, entry: impl Into<Entry>) -> Result<(), Refusal> {
    log.append(entry).await.map_err(|error| match error {
        AppendError::Busy => Refusal::Busy,
        AppendError::Failed => Refusal::Storage,
    })
}

/// The collector's routes.
pub(crate) fn router(collector: Arc<Collector>) -> Router {
    let beacons: MethodRouter<Arc<Collector>> = post(post_beacons).options(preflight);
    Router::new()
        .route("/v1/beacons", beacons)
        .route("/v1/cmcd", cmcd::route())
        .with_state(collector)
}

/// What of the collector is for those who watch.
pub(crate) fn admin_router(collector: Arc<Collector>) -> Router {
    Router::new()
        .route("/v1/dead-letters", get(list_dead_letters))
        .route("/v1/viewers/{id}", delete(delete::viewer))
        .route("/v1/views/{id}", delete(delete::view))
        .with_state(collector)
}

async fn post_beacons(State(collector): State<Arc<Collector>>, request: Request) -> Response {
    let caller = collector.caller(&request);
    answered(&collector, collect(&collector, &caller, request).await)
}

/// An error is of the request as a whole; what became of each beacon of an answer has been counted.
fn answered(collector: &Collector, result: Result<Response, Refusal>) -> Response {
    let mut response = match result {
        Ok(response) => response,
        Err(refusal) => {
            collector.outcomes.count(refusal.outcome());
            refusal.problem().into_response()
        }
    };
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
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "content-encoding, content-type",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

async fn collect(
    collector: &Collector,
    caller: &Caller,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let log = collector.appender()?;
    collector.admit(caller)?;
    let (head, body) = request.into_parts();
    let body = body::read(&head.headers, body).await?;
    match body::split(&head.headers, &body)? {
        Parts::One(bytes) => {
            store(&log, collector.read(bytes, caller)?).await?;
            collector.outcomes.count(Outcome::Accepted);
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Parts::Many(parts) => {
            // All of them wait for the disk at the same time.
            let results = join_all(parts.into_iter().map(async |bytes| {
                let record = collector.read(bytes, caller)?;
                store(&log, record).await
            }));
            Ok(batch_answer(collector, results.await))
        }
    }
}

fn batch_answer(collector: &Collector, results: Vec<Result<(), Refusal>>) -> Response {
    let mut rejected = Vec::new();
    let mut accepted = 0;
    for (index, result) in results.into_iter().enumerate() {
        match result {
            Ok(()) => {
                collector.outcomes.count(Outcome::Accepted);
                accepted += 1;
            }
            Err(refusal) => {
                collector.outcomes.count(refusal.outcome());
                rejected.push((index, refusal));
            }
        }
    }
    let whole = rejected
        .iter()
        .find(|(_, refusal)| refusal.is_temporary())
        .or_else(|| rejected.first().filter(|_| accepted == 0));
    if let Some((_, refusal)) = whole {
        return refusal.problem().into_response();
    }
    let problems: Vec<Value> = rejected
        .iter()
        .take(MAX_PROBLEMS)
        .map(|(index, refusal)| json!({ "index": index, "code": refusal.code(), "message": refusal.to_string() }))
        .collect();
    Json(json!({ "accepted": accepted, "rejected": rejected.len(), "problems": problems })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeadLetterParams {
    limit: Option<usize>,
}

async fn list_dead_letters(
    State(collector): State<Arc<Collector>>,
    Parameters(params): Parameters<DeadLetterParams>,
) -> Result<Json<Value>, Problem> {
    let limit = params.limit.unwrap_or(100).min(MAX_DEAD_LETTERS);
    let read = tokio::task::spawn_blocking(move || collector.dead_letters.newest(limit)).await;
    match read {
        Ok(Ok(letters)) => Ok(Json(json!({ "dead_letters": letters }))),
        _ => Err(Problem::unavailable("storage", "the dead letters cannot be read")),
    }
}
