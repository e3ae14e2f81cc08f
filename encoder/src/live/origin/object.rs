//! Init segments, segments and parts: held until they are there, in pieces while they are made, from disk afterwards.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::range::{Wanted, wanted};
use super::{LiveOrigin, Waited, problem};
use crate::live::broadcast::{Broadcast, TrackView};

/// What a file's name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Init,
    Segment(u64),
    Part(u64, u64),
}

fn name(file: &str) -> Option<Name> {
    let number = |text: &str| {
        let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
            && !text.is_empty();
        text.parse::<u64>().ok().filter(|_| is_canonical)
    };
    if let Some(take) = file
        .strip_prefix("init-")
        .and_then(|rest| rest.strip_suffix(".mp4"))
    {
        return number(take).map(|_| Name::Init);
    }
    let rest = file.strip_suffix(".m4s")?;
    match rest.split_once('.') {
        Some((segment, part)) => Some(Name::Part(number(segment)?, number(part)?)),
        None => Some(Name::Segment(number(rest)?)),
    }
}

pub(super) async fn answer(
    origin: &LiveOrigin,
    broadcast: &Arc<Broadcast>,
    (track, file): (&str, &str),
    headers: &HeaderMap,
) -> Result<Response, Waited> {
    let (Some(name), Some(view)) = (name(file), broadcast.view(track)) else {
        return Ok(not_there());
    };
    let path = broadcast.folder().join(track).join(file);
    match name {
        Name::Init => Ok(stored(path, headers).await),
        Name::Part(number, part) => {
            held(origin, broadcast, &view, number, part).await?;
            let part = usize::try_from(part).unwrap_or(usize::MAX);
            Ok(match view.part(number, part) {
                Some(bytes) => media(Body::from(bytes.clone()), Some(bytes.len() as u64)),
                None => not_there(),
            })
        }
        Name::Segment(number) => {
            held(origin, broadcast, &view, number, 0).await?;
            let Some(object) = view.object(number) else {
                return Ok(not_there());
            };
            let is_whole = view.state.borrow().whole >= number;
            if object.is_stored && (object.parts.is_empty() || headers.contains_key(RANGE)) {
                return Ok(stored(path, headers).await);
            }
            let bytes = object.parts.iter().map(|part| part.len() as u64).sum();
            let sending = Sending {
                view,
                number,
                sent: 0,
                ready: VecDeque::new(),
                is_whole: false,
                origin: origin.clone(),
            };
            let body = Body::from_stream(stream::try_unfold(sending, |mut sending| async move {
                let part = sending.next().await?;
                Ok::<_, io::Error>(part.map(|part| (part, sending)))
            }));
            Ok(media(body, is_whole.then_some(bytes)))
        }
    }
}

/// Returns when the part is there, or will not be. What is next, or the first of the segment after that, is waited for; anything
/// else is there or not.
async fn held(
    origin: &LiveOrigin,
    broadcast: &Broadcast,
    view: &TrackView,
    number: u64,
    part: u64,
) -> Result<(), Waited> {
    let (target, _, _) = broadcast.targets();
    let is_decided = |at: &crate::live::broadcast::Snapshot| {
        let open = at.open_parts as u64;
        if at.is_over || number <= at.whole || at.full.is_empty() {
            return true;
        }
        match number - at.whole {
            1 => part != open,
            // DASH players may be early, by their clock or by ours.
            2 => part > 0,
            _ => true,
        }
    };
    match origin.wait(view, target * 3, is_decided).await {
        // It was hinted at, or due, and did not come.
        Err(Waited::TooLong) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// A segment in production, a part at a time.
struct Sending {
    view: Arc<TrackView>,
    number: u64,
    sent: usize,
    ready: VecDeque<Bytes>,
    is_whole: bool,
    origin: LiveOrigin,
}

impl Sending {
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut changes = self.view.state.subscribe();
        let mut stopping = self.origin.stopping();
        loop {
            if let Some(part) = self.ready.pop_front() {
                return Ok(Some(part));
            }
            if self.is_whole {
                return Ok(None);
            }
            // In this order: what is whole has all of its parts.
            let is_whole = changes.borrow_and_update().whole >= self.number;
            let object = self.view.object(self.number).unwrap_or_default();
            if is_whole && object.parts.len() < self.sent {
                // So slow a client that the parts have left memory.
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.ready.extend(object.parts.into_iter().skip(self.sent));
            self.sent += self.ready.len();
            self.is_whole = is_whole;
            if self.ready.is_empty() && !is_whole {
                let stopped = tokio::select! {
                    changed = changes.changed() => changed.is_err(),
                    _ = stopping.wait_for(|is_stopping| *is_stopping) => true,
                };
                if stopped {
                    // Not the segment's end, which the connection's end must not be taken for.
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            }
        }
    }
}

/// A file, or a range of it.
async fn stored(path: PathBuf, headers: &HeaderMap) -> Response {
    let open = async {
        let file = File::open(&path).await?;
        let length = file.metadata().await?.len();
        Ok::<_, io::Error>((file, length))
    };
    let (mut file, length) = match open.await {
        Ok(opened) => opened,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::error!(path = %path.display(), %error, "cannot be read");
            }
            return not_there();
        }
    };
    // There are no validators, so that a condition on one fails.
    let range = headers.get(RANGE).filter(|_| !headers.contains_key(IF_RANGE));
    let (first, last) = match wanted(range.and_then(|range| range.to_str().ok()), length) {
        Wanted::Whole => (0, None),
        Wanted::Bytes(first, last) => (first, Some(last)),
        Wanted::Nothing => {
            let mut response = problem(StatusCode::RANGE_NOT_SATISFIABLE, "the range is past the end");
            insert(
                response.headers_mut(),
                CONTENT_RANGE,
                &format!("bytes */{length}"),
            );
            return response;
        }
    };
    let bytes = last.map_or(length, |last| last - first + 1);
    if first > 0 && file.seek(io::SeekFrom::Start(first)).await.is_err() {
        return not_there();
    }
    let body = Body::from_stream(stream::try_unfold((file, bytes), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let most = usize::try_from(left.min(READ_BYTES)).unwrap_or_default();
        let mut buffer = vec![0; most];
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        buffer.truncate(read);
        Ok(Some((Bytes::from(buffer), (file, left - read as u64))))
    }));
    let mut response = media(body, Some(bytes));
    if let Some(last) = last {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        insert(
            response.headers_mut(),
            CONTENT_RANGE,
            &format!("bytes {first}-{last}/{length}"),
        );
    }
    response
}

/// Never changes.
fn media(body: Body, length: Option<u64>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    (headers, body).into_response()
}

/// It may be there soon, so that nobody keeps this for long.
pub(super) fn not_there() -> Response {
    let mut response = problem(StatusCode::NOT_FOUND, "there is no such thing in this stream");
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=1"));
    response
}

pub(super) fn insert(headers: &mut HeaderMap, name: axum::http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const READ_BYTES: u64 = 64 << 10;
