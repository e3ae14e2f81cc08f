//! The HTTP side of live streams.
//!
//! | Path | Answer |
//! |---|---|
//! | `/<stream>/hls/master.m3u8` | the multivariant playlist |
//! | `/<stream>/hls/<track>.m3u8` | a media playlist, with `_HLS_msn`, `_HLS_part` and `_HLS_skip` |
//! | `/<stream>/dash/manifest.mpd` | the MPD |
//! | `/<stream>/<track>/init-<take>.mp4` | an init segment |
//! | `/<stream>/<track>/<n>.m4s` | a segment; while it is made, part by part as they come |
//! | `/<stream>/<track>/<n>.<p>.m4s` | a part; the next one is waited for |
//! | `/<stream>/time`, `/<stream>/dash/time` | the origin's clock, for DASH players |
//!
//! All URLs that manifests name are relative, so that the routes can be mounted below a prefix, or a token that is part of the path.

mod directives;
mod object;
mod range;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::broadcast::{Broadcast, Snapshot, TrackView, is_name};
use super::{LiveError, times};
use directives::{Directives, Verdict};

/// Serves live streams. Clones are the same origin.
#[derive(Clone)]
pub struct LiveOrigin {
    shared: Arc<Shared>,
}

struct Shared {
    streams: RwLock<BTreeMap<String, Arc<Broadcast>>>,
    waiters: Semaphore,
    stopping: watch::Sender<bool>,
}

/// Why a request was not held to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    TooLong,
    TooMany,
    Stopping,
}

impl Default for LiveOrigin {
    fn default() -> Self {
        Self::new(WAITERS)
    }
}

impl LiveOrigin {
    /// Without a stream. At most `waiters` requests are held at a time; who comes after that is told to try again.
    pub fn new(waiters: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                streams: RwLock::default(),
                waiters: Semaphore::new(waiters.min(Semaphore::MAX_PERMITS)),
                stopping: watch::Sender::new(false),
            }),
        }
    }

    /// Serves a stream under a name.
    ///
    /// # Errors
    /// If the name cannot be part of a URL or is taken.
    pub fn add(&self, name: &str, broadcast: Arc<Broadcast>) -> Result<(), LiveError> {
        let refused = |reason: &str| {
            Err(LiveError::BadOption {
                option: "stream",
                reason: reason.to_owned(),
            })
        };
        if !is_name(name) {
            return refused("names are 1 to 64 letters, digits, - and _");
        }
        let mut streams = self
            .shared
            .streams
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if streams.contains_key(name) {
            return refused("there is a stream of that name");
        }
        streams.insert(name.to_owned(), broadcast);
        Ok(())
    }

    /// Serves a stream no longer; answers under way go on.
    pub fn remove(&self, name: &str) {
        let streams = self.shared.streams.write();
        streams.unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Its routes, to be served alone or nested in another router.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/{stream}/time", get(time))
            .route("/{stream}/{folder}/{file}", get(serve))
            .fallback(|| async { object::not_there() })
            .layer(middleware::from_fn(cors))
            .with_state(self.clone())
    }

    /// Serves the routes below `/live` over HTTP/1.1 and HTTP/2 without TLS, until `stop` is there and the answers under way are done.
    ///
    /// # Errors
    /// None today; what goes wrong with a connection ends that connection.
    pub async fn serve(
        &self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let router = Router::new().nest("/live", self.router());
        // Parts are to leave at once, however small.
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(%error, "a connection keeps its delay");
            }
        });
        let origin = self.clone();
        let stopped = async move {
            stop.await;
            origin.stop();
        };
        axum::serve(listener, router)
            .with_graceful_shutdown(stopped)
            .await
    }

    /// Lets go of everybody who waits, so that a server that shuts down gracefully is done soon.
    pub fn stop(&self) {
        self.shared.stopping.send_replace(true);
    }

    fn stopping(&self) -> watch::Receiver<bool> {
        self.shared.stopping.subscribe()
    }

    fn broadcast(&self, name: &str) -> Option<Arc<Broadcast>> {
        let streams = self.shared.streams.read();
        streams.unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The track's newest as soon as `is_due` says so.
    async fn wait(
        &self,
        view: &TrackView,
        most: Duration,
        is_due: impl Fn(&Snapshot) -> bool,
    ) -> Result<Arc<Snapshot>, Waited> {
        let now = Arc::clone(&view.state.borrow());
        if is_due(&now) {
            return Ok(now);
        }
        let Ok(_permit) = self.shared.waiters.try_acquire() else {
            return Err(Waited::TooMany);
        };
        let mut changes = view.state.subscribe();
        let mut stopping = self.stopping();
        tokio::select! {
            due = changes.wait_for(|at| is_due(at)) => {
                due.map(|at| Arc::clone(&at)).map_err(|_| Waited::Stopping)
            }
            _ = stopping.wait_for(|is_stopping| *is_stopping) => Err(Waited::Stopping),
            () = tokio::time::sleep(most) => Err(Waited::TooLong),
        }
    }
}

async fn serve(
    State(origin): State<LiveOrigin>,
    Path((stream, folder, file)): Path<(String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let Some(broadcast) = origin.broadcast(&stream) else {
        return object::not_there();
    };
    let answer = match (folder.as_str(), file.as_str()) {
        ("hls", "master.m3u8") => Ok(manifest(broadcast.multivariant(), HLS, "public, max-age=30")),
        ("dash", "manifest.mpd") => {
            let (.., is_over) = broadcast.targets();
            let cache_control = if is_over { OVER } else { "public, max-age=1" };
            Ok(manifest(broadcast.mpd(), DASH, cache_control))
        }
        ("dash", "time") => Ok(time().await),
        ("hls", file) => {
            let track = file.strip_suffix(".m3u8").unwrap_or_default();
            let query = uri.query().unwrap_or_default();
            playlist(&origin, &broadcast, track, query).await
        }
        _ => object::answer(&origin, &broadcast, (&folder, &file), &headers).await,
    };
    answer.unwrap_or_else(|waited| {
        let (text, after) = match waited {
            Waited::TooLong => ("what was asked for did not come", 1),
            Waited::TooMany => ("too many requests are waiting", 2),
            Waited::Stopping => ("the origin is stopping", 5),
        };
        let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, text);
        response.headers_mut().insert(RETRY_AFTER, after.into());
        response
    })
}

/// A media playlist, when what its query asks for is there.
async fn playlist(
    origin: &LiveOrigin,
    broadcast: &Broadcast,
    track: &str,
    query: &str,
) -> Result<Response, Waited> {
    let Some(view) = broadcast.view(track) else {
        return Ok(object::not_there());
    };
    let newest = Arc::clone(&view.state.borrow());
    if newest.full.is_empty() {
        return Ok(object::not_there());
    }
    if newest.is_over {
        return Ok(manifest(Some(newest.full.clone()), HLS, OVER));
    }
    let directives = match Directives::read(query) {
        Ok(directives) => directives,
        Err(reason) => return Ok(problem(StatusCode::BAD_REQUEST, reason)),
    };
    let (target, part_target, _) = broadcast.targets();
    if directives.verdict(&newest, part_target) == Verdict::Refuse {
        return Ok(problem(
            StatusCode::BAD_REQUEST,
            "that is too far ahead of the stream",
        ));
    }
    let is_due = |at: &Snapshot| directives.verdict(at, part_target) == Verdict::Answer;
    let at = origin.wait(&view, target * 3, is_due).await?;
    let max_age = match directives.msn {
        // The answer to this very query will always do.
        Some(_) => target.as_secs() * 6,
        None => (target.as_secs() / 2).max(1),
    };
    let delta = at.delta.clone().filter(|_| directives.skip && !at.is_over);
    let body = delta.unwrap_or_else(|| at.full.clone());
    Ok(manifest(Some(body), HLS, &format!("public, max-age={max_age}")))
}

fn manifest(body: Option<Bytes>, content_type: &'static str, cache_control: &str) -> Response {
    let Some(body) = body else {
        return object::not_there();
    };
    let mut response = ([(CONTENT_TYPE, content_type)], body).into_response();
    object::insert(response.headers_mut(), CACHE_CONTROL, cache_control);
    response
}

async fn time() -> Response {
    let headers = [(CONTENT_TYPE, "text/plain"), (CACHE_CONTROL, "no-store")];
    (headers, times::date(SystemTime::now())).into_response()
}

/// What went wrong, for people.
fn problem(status: StatusCode, text: &str) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, format!("{text}\n")).into_response()
}

/// What every answer needs to be used by a page of another origin.
async fn cors(request: Request, next: Next) -> Response {
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status, Range",
        ),
        (
            ACCESS_CONTROL_EXPOSE_HEADERS,
            "Age, CMSD-Dynamic, CMSD-Static, Content-Length, Content-Range, Date, Retry-After",
        ),
        (ACCESS_CONTROL_MAX_AGE, "86400"),
        (HeaderName::from_static("timing-allow-origin"), "*"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

const HLS: &str = "application/vnd.apple.mpegurl";
const DASH: &str = "application/dash+xml";
/// Of manifests that change no more.
const OVER: &str = "public, max-age=3600";
/// Requests that are held at a time: a few kilobytes each.
const WAITERS: usize = 20_000;
