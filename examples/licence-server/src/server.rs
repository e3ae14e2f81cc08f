//! The server: what it is asked over HTTP.
//!
//! | Request | Answer |
//! |---|---|
//! | `POST /clearkey` | a ClearKey licence (EME, 9.1.4) for those of the keys that the token entitles to |
//! | `POST /proxy/{vendor}` | what the vendor answers, once the token was checked |
//! | `GET /healthz` | 200 |
//!
//! Errors are JSON, `{"error": "…", "message": "…"}`: 400 `bad_request`, 401 `unauthorized`, 403 `not_entitled`, `track_rights` or
//! `session_limit`, 404 `unknown_key`, 413 `too_large`, 429 `rate_limit`, 502 and 504 `vendor`, 503 `busy`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Query, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::clock::Clock;
use crate::entitlement::{Entitlement, Refused, Verifier};
use crate::error::Error;
use crate::faults::Fault;
use crate::ids::TrackClass;
use crate::licence::{Licence, Request};
use crate::limits::Limits;
use crate::proxy::{Vendor, VendorError};
use crate::store::{Decision, Found, Store, admit, find, note};

const MAX_BODY_BYTES: usize = 64 << 10;
const MAX_ASKED_KEYS: usize = 64;

/// What a server is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its keys.
    pub store: Store,
    /// Who checks tokens.
    pub verifier: Verifier,
    /// Services of vendors.
    pub vendors: Vec<Vendor>,
    /// Pages of these origins may ask; `*` = all.
    pub origins: Vec<String>,
    /// Licences a minute that a viewer may ask for. Of an address, ten times as many.
    pub per_minute: u32,
    /// How long a session counts after its last licence, seconds.
    pub session_s: i64,
    /// What time it is.
    pub clock: Clock,
    /// Tests may ask for faults.
    pub faults: bool,
}

impl Config {
    /// Without vendors, for pages of the same origin.
    pub fn new(store: Store, verifier: Verifier) -> Self {
        Self {
            store,
            verifier,
            vendors: Vec::new(),
            origins: Vec::new(),
            per_minute: 60,
            session_s: 120,
            clock: Clock::system(),
            faults: false,
        }
    }
}

struct Server {
    config: Config,
    limits: Limits,
}

/// The routes. Serve them with `into_make_service_with_connect_info::<SocketAddr>()`, or all addresses count as one.
///
/// # Errors
/// If a vendor's connection cannot be set up.
pub fn router(config: Config) -> Result<Router, Error> {
    let origins = config.origins.clone();
    let mut cors = CorsLayer::new()
        .allow_methods([axum::http::Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE]);
    cors = match origins.as_slice() {
        [] => cors,
        all if all.iter().any(|origin| origin == "*") => cors.allow_origin(Any),
        some => cors.allow_origin(AllowOrigin::list(
            some.iter().filter_map(|o| o.parse::<HeaderValue>().ok()),
        )),
    };
    let limits = Limits::new(config.per_minute);
    let server = Arc::new(Server { config, limits });
    Ok(Router::new()
        .route("/clearkey", post(clear_key))
        .route("/proxy/{vendor}", post(proxy))
        .route("/healthz", get(|| async { "ok\n" }))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(cors)
        .with_state(server))
}

/// Why a request is refused.
#[derive(Debug)]
struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after_s: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after_s: None,
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", refused.to_string())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        tracing::error!("{error}");
        Self {
            retry_after_s: Some(1),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "the licence server cannot answer now",
            )
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({"error": self.code, "message": self.message});
        let mut response = (self.status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[derive(Debug, Default, serde::Deserialize)]
struct Asked {
    fault: Option<String>,
}

/// Who asks.
struct Caller {
    address: Option<IpAddr>,
    entitlement: Entitlement,
}

impl Server {
    /// What is cheap to tell comes first.
    fn admit(&self, address: Option<SocketAddr>, headers: &HeaderMap) -> Result<Caller, Problem> {
        let address = address.map(|address| address.ip());
        self.limits.address(address).map_err(too_many)?;
        let token = headers.get(AUTHORIZATION).ok_or(Refused::Missing)?;
        let token = token.to_str().map_err(|_| Refused::Malformed)?;
        let (scheme, token) = token.split_once(' ').ok_or(Refused::Missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::Missing.into());
        }
        let entitlement = self.config.verifier.check(token.trim())?;
        self.limits.viewer(&entitlement.subject).map_err(too_many)?;
        Ok(Caller { address, entitlement })
    }

    /// Looks for the keys, admits the session and writes down what was decided, all or nothing of it.
    async fn decide(
        &self,
        caller: Caller,
        service: String,
        asked: Vec<crate::ids::KeyId>,
    ) -> Result<Vec<Found>, Problem> {
        let now_ms = self.config.clock.now_ms();
        let until_ms = now_ms + self.config.session_s * 1000;
        let is_licence = service == "clearkey";
        let decided = self.config.store.with(move |connection, sealer| {
            let Caller { address, entitlement } = caller;
            let viewer = sealer.pseudonym("viewer", &[&entitlement.subject]);
            let session = sealer.pseudonym("session", &[&entitlement.subject, &entitlement.session]);
            let address = address.map(|address| address.to_string()).unwrap_or_default();
            let address = sealer.pseudonym("address", &[&address]);
            let mut known = false;
            let mut given = Vec::new();
            for id in &asked {
                let Some((content, label, key)) = find(connection, sealer, *id)? else {
                    continue;
                };
                known = true;
                let found = Found {
                    asked: *id,
                    content,
                    label,
                    key,
                };
                if entitles(&entitlement, &found) {
                    given.push(found);
                }
            }
            let refusal = if is_licence && !known {
                Some((
                    StatusCode::NOT_FOUND,
                    "unknown_key",
                    "none of the keys is known here: were they imported?",
                ))
            } else if is_licence && given.is_empty() {
                let why = "the token does not entitle to any of the keys";
                Some((StatusCode::FORBIDDEN, "not_entitled", why))
            } else if !admit(
                connection,
                viewer,
                session,
                entitlement.sessions,
                now_ms,
                until_ms,
            )? {
                let why = "the viewer has as many sessions as the token allows: end one of them";
                Some((StatusCode::FORBIDDEN, "session_limit", why))
            } else {
                None
            };
            let names: Vec<String> = given.iter().map(|found| found.asked.to_string()).collect();
            let decision = Decision {
                at_ms: now_ms,
                outcome: refusal.map_or("granted", |(_, code, _)| code).into(),
                service,
                content: entitlement.content.join(" "),
                given: if refusal.is_none() {
                    names.join(" ")
                } else {
                    String::new()
                },
                asked: u32::try_from(asked.len()).unwrap_or(u32::MAX),
                viewer: String::new(),
                address: String::new(),
            };
            note(connection, &decision, viewer, address)?;
            Ok(match refusal {
                Some((status, code, why)) => Err(Problem::new(status, code, why)),
                None => Ok(given),
            })
        });
        decided.await?
    }
}

fn too_many(wait_s: u64) -> Problem {
    Problem {
        retry_after_s: Some(wait_s),
        ..Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit",
            "too many licences were asked for",
        )
    }
}

/// Whether a viewer may have a key.
fn entitles(entitlement: &Entitlement, found: &Found) -> bool {
    // A key that opens pictures of any size needs the right to the largest.
    found.label.class(TrackClass::Uhd2) <= entitlement.tracks
        && entitlement.content.contains(&found.content)
        && entitlement
            .key_ids
            .as_ref()
            .is_none_or(|ids| ids.contains(&found.asked) || ids.contains(&found.asked.swapped()))
}

async fn clear_key(
    State(server): State<Arc<Server>>,
    address: Option<axum::Extension<ConnectInfo<SocketAddr>>>,
    Query(query): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let fault = query.fault.filter(|_| server.config.faults);
    let fault = fault.map(|text| Fault::parse(&text)).transpose();
    let fault = fault.map_err(|why| Problem::new(StatusCode::BAD_REQUEST, "bad_request", why))?;
    if let Some(answer) = crate::faults::before(fault).await {
        return Ok(answer);
    }
    let caller = server.admit(address.map(|info| info.0.0), &headers)?;
    let request = Request::read(&body, MAX_ASKED_KEYS)
        .map_err(|why| Problem::new(StatusCode::BAD_REQUEST, "bad_request", why))?;
    let found = server.decide(caller, "clearkey".into(), request.key_ids).await?;
    let licence = Licence::of(&found, &request.session_type);
    let text = crate::faults::after(fault, licence);
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    Ok((headers, text).into_response())
}

async fn proxy(
    State(server): State<Arc<Server>>,
    Path(name): Path<String>,
    address: Option<axum::Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let vendor = server.config.vendors.iter().find(|vendor| vendor.name == name);
    let vendor = vendor.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "unknown_vendor",
            "there is no vendor of this name here",
        )
    })?;
    let caller = server.admit(address.map(|info| info.0.0), &headers)?;
    let entitlement = caller.entitlement.clone();
    if !vendor.can_tell(&entitlement) {
        let why = "the token restricts tracks, which this vendor's service cannot be told";
        return Err(Problem::new(StatusCode::FORBIDDEN, "track_rights", why));
    }
    let keys = server
        .config
        .store
        .list(entitlement.content.first().cloned())
        .await?;
    server.decide(caller, name, Vec::new()).await?;
    let content_type = headers.get(CONTENT_TYPE).cloned();
    let sent = vendor.send(&entitlement, &keys, content_type, body, &server.config.clock);
    match sent.await {
        Ok((content_type, answer)) => {
            let mut response = Response::new(Body::from(answer));
            response
                .headers_mut()
                .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            if let Some(content_type) = content_type {
                response.headers_mut().insert(CONTENT_TYPE, content_type);
            }
            Ok(response)
        }
        Err(error) => {
            let status = match error {
                VendorError::Refused(status) if status == StatusCode::FORBIDDEN => status,
                VendorError::Timeout => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::BAD_GATEWAY,
            };
            Err(Problem::new(status, "vendor", error.to_string()))
        }
    }
}
