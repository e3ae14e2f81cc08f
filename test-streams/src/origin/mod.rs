//! The HTTP side: `GET`, `HEAD` and `OPTIONS` for every file below a root folder, as a CDN answers them.
//!
//! | Path | Answer |
//! |---|---|
//! | `/streams.json`, `/` | the streams below the root, with paths relative to the index |
//! | `/<path>` | the file, in whole or in part |
//! | `/t/<token>/<path>` | with [`OriginConfig::keys`] everything above is there, and not without a token: see [`crate::signing`] |
//! | `GET /sign?prefix=/demo/` | with [`OriginConfig::sign_for_everybody`]: a [`SignedUrl`], relative to this one; `expires_s` (600, at most a day) and `session` if other than usual |
//! | `POST /_origin/reset` | 204: the network begins anew with the next request |
//! | `GET`, `PUT /_origin/shape` | the network's shape: see [`ShapeRequest`] |
//! | `GET`, `PUT /_origin/faults` | the faults in force, as a JSON array of rules |
//!
//! What has no token that opens it is answered with 403, a body of `application/problem+json` (RFC 9457) whose `code` says why, and
//! the same code in the field [`REFUSAL_HEADER`]: those of [`Refusal`](crate::signing::Refusal).
//!
//! The `/_origin/` paths are there only with [`OriginConfig::control`]. They carry no CORS headers, and changes must be
//! `application/json`, so that no other site's page can make them through a visitor's browser.

mod body;
mod control;
mod index;
mod object;
mod range;
mod signed;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use tower::Layer;

use crate::faults::{FaultKind, Faults};
use crate::shaping::{Link, Shape};
use crate::signing::Keyring;
use body::body;
use object::Object;
use range::Part;

pub use control::{ShapeRequest, ShapeState, ShapeStep};
pub use index::{Stream, StreamIndex};
pub use signed::{REFUSAL_HEADER, SignedUrl};

/// What an [`Origin`] serves, and how.
#[derive(Debug)]
#[non_exhaustive]
pub struct OriginConfig {
    /// The folder that is served, with everything below it.
    pub root: PathBuf,
    /// Serve only the streams with these ids; empty = all, and other files, too.
    pub streams: Vec<String>,
    /// What the network is like; `None` = as fast as it is.
    pub shape: Option<Shape>,
    /// What goes wrong.
    pub faults: Faults,
    /// Offer the `/_origin/` paths. Default true.
    pub control: bool,
    /// Serve only signed URLs, with these keys.
    pub keys: Option<Keyring>,
    /// Give whoever asks a token, at `/sign`: for demos and tests. Default false.
    pub sign_for_everybody: bool,
}

impl OriginConfig {
    /// Everything below `root`, unshaped and without faults.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            streams: Vec::new(),
            shape: None,
            faults: Faults::default(),
            control: true,
            keys: None,
            sign_for_everybody: false,
        }
    }
}

/// Why an origin cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// The root is none.
    #[error("the root folder {} cannot be used ({source}); name a folder with encoded videos", path.display())]
    Root {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A stream that was asked for is not there.
    #[error("there is no stream {id:?} below {}; there are: {known}", root.display())]
    UnknownStream {
        /// The id that was asked for.
        id: String,
        /// Where it was looked for.
        root: PathBuf,
        /// The ids that are there.
        known: String,
    },
}

/// An origin. Clones share the link and the faults.
#[derive(Clone, Debug)]
pub struct Origin {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Canonical.
    root: PathBuf,
    streams: Vec<String>,
    link: Link,
    faults: Faults,
    control: bool,
    keys: Option<Keyring>,
    sign_for_everybody: bool,
}

impl Origin {
    /// An origin for what lies below the root.
    ///
    /// # Errors
    /// When the root is no folder that can be read, or a named stream is not in it.
    pub fn open(config: OriginConfig) -> Result<Self, OriginError> {
        let failed = |source| OriginError::Root {
            path: config.root.clone(),
            source,
        };
        let root = config.root.canonicalize().map_err(failed)?;
        std::fs::read_dir(&root).map_err(failed)?;
        let known = index::find(&root, &[]).map_err(failed)?;
        if let Some(id) = config
            .streams
            .iter()
            .find(|id| !known.iter().any(|stream| stream.id == **id))
        {
            let known: Vec<&str> = known.iter().map(|stream| stream.id.as_str()).collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            return Err(OriginError::UnknownStream {
                id: id.clone(),
                root,
                known,
            });
        }
        Ok(Self {
            shared: Arc::new(Shared {
                root,
                streams: config.streams,
                link: Link::new(config.shape),
                faults: config.faults,
                control: config.control,
                keys: config.keys,
                sign_for_everybody: config.sign_for_everybody,
            }),
        })
    }

    /// Its routes, to be served alone or nested in another router.
    pub fn router(&self) -> Router {
        let mut router = Router::new()
            .route("/", get(index::handler))
            .route("/streams.json", get(index::handler))
            .fallback(serve);
        if self.shared.keys.is_some() {
            // Around the routes and not among them: the path changes before it is routed.
            let admit = middleware::from_fn_with_state(self.clone(), signed::admit);
            router = Router::new().fallback_service(admit.layer(router.with_state(self.clone())));
        }
        if self.shared.sign_for_everybody {
            router = router.route("/sign", get(signed::sign));
        }
        router = router.layer(middleware::from_fn(cors));
        if self.shared.control {
            router = router.nest("/_origin", control::router());
        }
        router.with_state(self.clone())
    }

    /// The streams that are served, by id.
    ///
    /// # Errors
    /// When the root cannot be read.
    pub fn streams(&self) -> io::Result<Vec<Stream>> {
        index::find(&self.shared.root, &self.shared.streams)
    }

    /// The link that all answers share.
    pub fn link(&self) -> &Link {
        &self.shared.link
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    fn keys(&self) -> Option<&Keyring> {
        self.shared.keys.as_ref()
    }

    fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Whether a path belongs to one of the streams that are served.
    fn is_served(&self, path: &str) -> bool {
        self.shared.streams.is_empty() || self.shared.streams.iter().any(|id| index::holds(id, path))
    }
}

/// Answers with a file.
async fn serve(State(origin): State<Origin>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    match parts.method {
        Method::GET | Method::HEAD => {}
        Method::OPTIONS => return preflight(),
        _ => return method_not_allowed(),
    }
    let Some(path) = decoded(&parts.uri) else {
        return problem(
            StatusCode::BAD_REQUEST,
            "the path is not UTF-8 in percent-encoding",
        );
    };
    let is_head = parts.method == Method::HEAD;
    match answer(&origin, &path, is_head, &parts.headers).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(path, %error, "cannot be read");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the file cannot be read; the origin's log says why",
            )
        }
    }
}

async fn answer(origin: &Origin, path: &str, is_head: bool, headers: &HeaderMap) -> io::Result<Response> {
    let fault = origin.faults().take(path);
    let mut flow = origin.link().open().await;
    if let Some(kind) = fault {
        tracing::info!(path, ?kind, "fault");
    }
    match fault {
        Some(FaultKind::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = problem(status, "a fault that was asked for");
            response
                .headers_mut()
                .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            return Ok(response);
        }
        Some(FaultKind::Html) => {
            flow.send(LOST_PAGE.len()).await;
            return Ok((
                [
                    (CONTENT_TYPE, "text/html; charset=utf-8"),
                    (CACHE_CONTROL, "no-store"),
                ],
                LOST_PAGE,
            )
                .into_response());
        }
        _ => {}
    }
    let object = if origin.is_served(path) {
        Object::open(origin.root(), path).await?
    } else {
        None
    };
    let Some(object) = object else {
        let text = format!("there is no {path:?} here; see streams.json for what there is");
        return Ok(problem(StatusCode::NOT_FOUND, &text));
    };

    let mut out = HeaderMap::new();
    // A spoilt answer is not to spoil a later one.
    let cache_control = if fault.is_some() {
        "no-store"
    } else {
        object.cache_control
    };
    out.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    out.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert(&mut out, ETAG, &object.validators.etag);
    if let Some(modified) = object.validators.modified {
        insert(&mut out, LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    }
    if object.validators.not_modified(headers) {
        return Ok((StatusCode::NOT_MODIFIED, out).into_response());
    }
    out.insert(CONTENT_TYPE, HeaderValue::from_static(object.content_type));

    let bytes = if fault == Some(FaultKind::Truncate) {
        object.bytes / 2
    } else {
        object.bytes
    };
    let (status, first, length) = match object.validators.part(headers, bytes) {
        Part::Whole => (StatusCode::OK, 0, bytes),
        Part::Bytes { first, last } => {
            insert(&mut out, CONTENT_RANGE, &format!("bytes {first}-{last}/{bytes}"));
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Part::Unsatisfiable => {
            let mut response = problem(
                StatusCode::RANGE_NOT_SATISFIABLE,
                &format!("the file has {bytes} bytes"),
            );
            insert(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{bytes}"));
            return Ok(response);
        }
    };
    out.insert(CONTENT_LENGTH, length.into());
    let breaks = fault == Some(FaultKind::Break);
    let sent = if breaks { length / 2 } else { length };
    let body = if is_head {
        Body::empty()
    } else {
        body(object.file, first, sent, flow, breaks).await?
    };
    Ok((status, out, body).into_response())
}

/// What every answer needs to be used by a page of another origin.
async fn cors(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            ACCESS_CONTROL_EXPOSE_HEADERS,
            "Age, Content-Length, Content-Range, CMSD-Dynamic, CMSD-Static, Date, ETag, Signed-URL-Refusal",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        ),
        (HeaderName::from_static("timing-allow-origin"), "*"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn preflight() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status, If-Modified-Since, If-None-Match, If-Range, Range",
        ),
        (ACCESS_CONTROL_MAX_AGE, "86400"),
        (ALLOW, "GET, HEAD, OPTIONS"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

fn method_not_allowed() -> Response {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "use GET, HEAD or OPTIONS");
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    response
}

/// An error for people, hardly cached: what is missing now may be there soon.
fn problem(status: StatusCode, text: &str) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "max-age=1"),
    ];
    (status, headers, Bytes::from(format!("{status}: {text}\n"))).into_response()
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The path without its leading slash, percent-decoded.
fn decoded(uri: &Uri) -> Option<String> {
    let path = uri.path().strip_prefix('/')?;
    percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// What captive portals and misrouted CDNs answer to everything.
const LOST_PAGE: &str =
    "<!doctype html>\n<title>Welcome</title>\n<p>Please sign in to use this network.</p>\n";
