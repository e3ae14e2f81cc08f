//! Requests: `fetch` with a stream behind it.

mod filter;
mod reports;
mod window;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Array, Date, Promise, Uint8Array};
use player_core::Input;
use player_core::input::{self, Body, NetworkFailure, RequestId};
use player_core::media::chunks::{Chunk, Chunks};
use player_core::output::{Deliver, Fetch, RequestKind};
use player_core::time::ByteRange;
use player_core::url;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    AbortController, AbortSignal, PerformanceResourceTiming, ReadableStreamDefaultReader, Response,
};

use crate::shell::Shell;
use crate::{bodies, global};
use filter::Sent;
pub(crate) use reports::Reports;
use window::Window;

/// [`Input::Progress`] comes at most this often.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);

/// What a segment begins with is not looked for after so many chunks.
const MAX_HEAD_CHUNKS: usize = 3;

/// The requests in flight.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    live: RefCell<Vec<(RequestId, AbortController)>>,
}

impl Requests {
    pub(crate) fn cancel(&self, request: RequestId) {
        if let Some(controller) = self.take(request) {
            controller.abort();
        }
    }

    pub(crate) fn cancel_all(&self) {
        for (_, controller) in self.live.take() {
            controller.abort();
        }
    }

    fn is_live(&self, request: RequestId) -> bool {
        self.live.borrow().iter().any(|(live, _)| *live == request)
    }

    /// Whether the request was live until now.
    fn end(&self, request: RequestId) -> bool {
        self.take(request).is_some()
    }

    fn take(&self, request: RequestId) -> Option<AbortController> {
        let mut live = self.live.borrow_mut();
        let at = live.iter().position(|(live, _)| *live == request)?;
        Some(live.swap_remove(at).1)
    }
}

/// Starts a request. What becomes of it is told to the shell, unless it is cancelled.
pub(crate) fn start(shell: &Rc<Shell>, fetch: Fetch) {
    let controller = match AbortController::new() {
        Ok(controller) => controller,
        Err(error) => {
            return shell.tell(Input::Failed {
                request: fetch.request,
                reason: connection(&error),
            });
        }
    };
    let signal = controller.signal();
    shell.requests.live.borrow_mut().push((fetch.request, controller));
    let shell = Rc::clone(shell);
    spawn_local(async move {
        let request = fetch.request;
        let result = perform(&shell, &fetch, &signal).await;
        shell.bodies.borrow_mut().end(request);
        if !shell.requests.end(request) {
            return;
        }
        shell.tell(match result {
            Ok(received) => received.into_input(&shell, &fetch),
            Err(reason) => Input::Failed { request, reason },
        });
    });
}

/// A whole body, still in JavaScript's memory.
struct Received {
    chunks: Vec<Uint8Array>,
    started_ms: f64,
    url: String,
}

impl Received {
    fn into_input(self, shell: &Shell, fetch: &Fetch) -> Input {
        let request = fetch.request;
        let body = bodies::join(&self.chunks);
        match fetch.deliver {
            Deliver::Body => Input::Body {
                request,
                body: Body(body.to_vec()),
            },
            Deliver::Handle => {
                // The text that shows what is no MP4 would show a key.
                let (integrity, media) = match fetch.kind {
                    RequestKind::Key => Default::default(),
                    _ => bodies::look(&body),
                };
                let complete = Input::Complete {
                    request,
                    bytes: u64::from(body.length()),
                    integrity,
                    cached: from_cache(&self.url, self.started_ms),
                    media,
                };
                shell.bodies.borrow_mut().keep(request, body);
                complete
            }
        }
    }
}

/// Whether what a segment begins with has arrived.
enum Head {
    Awaited,
    /// It has none, or is not asked for one.
    None,
    Told,
}

#[wasm_bindgen]
extern "C" {
    /// What `ReadableStreamDefaultReader.read()` resolves to.
    type ReadResult;

    #[wasm_bindgen(method, getter, structural)]
    fn done(this: &ReadResult) -> bool;

    #[wasm_bindgen(method, getter, structural)]
    fn value(this: &ReadResult) -> Uint8Array;
}

async fn perform(shell: &Rc<Shell>, fetch: &Fetch, signal: &AbortSignal) -> Result<Received, NetworkFailure> {
    let started_ms = global::performance(web_sys::Performance::now);
    let (url, response) = match early(shell, fetch, signal) {
        Some(response) => (None, response),
        None => {
            let Sent { url, init } = filter::prepare(shell.filter.as_ref(), fetch).await?;
            init.set_signal(Some(signal));
            let response = match &shell.signing {
                None => global::fetch(&url, &init),
                Some(signing) => {
                    let response = signing
                        .fetch
                        .call2(&JsValue::UNDEFINED, &url.as_str().into(), &init);
                    Promise::resolve(&response.map_err(|error| connection(&error))?)
                }
            };
            (Some(url), response)
        }
    };
    let response = JsFuture::from(response)
        .await
        .map_err(|error| connection(&error))?;
    let response: Response = response.unchecked_into();
    let status = response.status();
    let answered = masked(shell, response.url());
    let url = url.unwrap_or_else(|| answered.clone());
    // Another file, and not just another token.
    let moved = url::public(&url) != url::public(&fetch.url);
    let moved = (moved || response.redirected()).then_some(answered);
    shell.tell(describe(fetch, &response, moved));

    let mut received = Received {
        chunks: Vec::new(),
        started_ms,
        url: response.url(),
    };
    let Some(stream) = response.body() else {
        return Ok(received);
    };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut window = Window::new(fetch.range, status, fetch.max_bytes);
    let mut told = global::now();
    let mut chunks = fetch.chunks.then(Chunks::default);
    let mut head = match fetch.kind {
        RequestKind::Segment if fetch.deliver == Deliver::Handle => Head::Awaited,
        _ => Head::None,
    };
    while !window.is_satisfied() {
        if !shell.requests.is_live(fetch.request) {
            // Aborted, and the stream with it.
            return Ok(received);
        }
        let read = JsFuture::from(reader.read())
            .await
            .map_err(|error| connection(&error))?;
        let read: ReadResult = read.unchecked_into();
        if read.done() {
            return Ok(received);
        }
        let chunk = read.value();
        let known = received.chunks.len();
        let length = chunk.length();
        match window.admit(length) {
            Err(too_large) => {
                cancel(&reader);
                return Err(too_large);
            }
            Ok(part) if part.is_empty() => {}
            Ok(part) if part.len() == length as usize => received.chunks.push(chunk),
            // A copy, so that the rest of the chunk can go.
            Ok(part) => received.chunks.push(chunk.slice(part.start, part.end)),
        }
        let now = global::now();
        let request = fetch.request;
        let begun = match head {
            Head::Awaited => {
                let begun = bodies::head(&received.chunks);
                if begun.is_some() {
                    shell.bodies.borrow_mut().extend(request, &received.chunks);
                    head = Head::Told;
                } else if received.chunks.len() > MAX_HEAD_CHUNKS {
                    head = Head::None;
                }
                begun
            }
            Head::Told => {
                let new = received.chunks.get(known..).unwrap_or_default();
                shell.bodies.borrow_mut().extend(request, new);
                None
            }
            Head::None => None,
        };
        if begun.is_some() || now.since(told) >= PROGRESS_INTERVAL {
            told = now;
            let bytes = window.taken();
            shell.tell(Input::Progress { request, bytes });
        }
        if let Some(media) = begun {
            shell.tell(Input::Head { request, media });
        }
        if let (Some(chunks), Head::Told) = (&mut chunks, &head) {
            let read = |offset, into: &mut [u8]| bodies::copy(&received.chunks, offset, into);
            while let Some(chunk) = chunks.next(now, window.taken(), read) {
                let Chunk { end, bytes, took } = chunk;
                let took_us = took.as_micros() as u64;
                shell.tell(Input::Chunk {
                    request,
                    end,
                    bytes,
                    took_us,
                });
            }
        }
    }
    cancel(&reader);
    Ok(received)
}

/// The URL of a response as the engine may see it.
fn masked(shell: &Shell, url: String) -> String {
    let Some(signing) = &shell.signing else { return url };
    let masked = signing.mask.call1(&JsValue::UNDEFINED, &url.as_str().into());
    masked.ok().and_then(|url| url.as_string()).unwrap_or_default()
}

/// The answer to a request that was made before the engine was there.
fn early(shell: &Shell, fetch: &Fetch, signal: &AbortSignal) -> Option<Promise> {
    let plain = fetch.kind == RequestKind::Manifest && fetch.headers.is_empty() && fetch.range.is_none();
    let early = shell.early.as_ref().filter(|_| plain)?;
    let answer = early.call2(&JsValue::UNDEFINED, &fetch.url.as_str().into(), signal);
    answer.ok()?.dyn_into().ok()
}

fn cancel(reader: &ReadableStreamDefaultReader) {
    let cancelled = JsFuture::from(reader.cancel());
    // Nobody waits for it, but a rejection that nobody hears ends up in the page's error log.
    spawn_local(async { drop(cancelled.await) });
}

/// The value of a Range header.
fn range_header(range: ByteRange) -> String {
    let ByteRange { offset, length } = range;
    format!("bytes={offset}-{}", offset.saturating_add(length.max(1)) - 1)
}

fn describe(fetch: &Fetch, response: &Response, moved: Option<String>) -> Input {
    let headers = response.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    let status = response.status();
    // Other origins hide Content-Encoding, with which Content-Length counts other bytes; media is not compressed. And to a
    // range request, 200 is the answer of a server that sends everything.
    let meant = fetch.deliver == Deliver::Handle
        && header("Content-Encoding").is_none()
        && (fetch.range.is_none() || status == 206);
    Input::Response {
        request: fetch.request,
        status,
        url: moved,
        content_type: header("Content-Type"),
        content_length: header("Content-Length")
            .filter(|_| meant)
            .and_then(|n| n.trim().parse().ok()),
        retry_after_s: header("Retry-After").and_then(|value| retry_after_s(&value)),
        headers: input::Headers {
            range: header("Content-Range").and_then(|value| input::content_range(&value)),
            date_ms: header("Date").and_then(|date| date_ms(&date, header("Age").as_deref())),
            cmsd: match ["CMSD-Static", "CMSD-Dynamic"].map(header) {
                [None, None] => Vec::new(),
                both => both.map(Option::unwrap_or_default).into(),
            },
        },
    }
}

/// What a response's Date says that it is now: a cache may have kept it for as long as its Age.
fn date_ms(date: &str, age: Option<&str>) -> Option<u64> {
    let ms = Date::parse(date);
    let age_s: u64 = age.and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    (ms >= 0.0).then(|| (ms as u64).saturating_add(age_s.saturating_mul(1000)))
}

/// Seconds, or a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after_s(value: &str) -> Option<u32> {
    value.trim().parse().ok().or_else(|| {
        let left_ms = Date::parse(value) - Date::now();
        left_ms.is_finite().then_some((left_ms / 1000.0).ceil() as u32)
    })
}

/// Whether the last response from `url` needed no byte from the network. Other origins must allow to know that
/// (Timing-Allow-Origin): then a body has a size, else both numbers are zero.
fn from_cache(url: &str, since_ms: f64) -> bool {
    let entries: Array =
        global::performance(|performance| performance.get_entries_by_name_with_entry_type(url, "resource"));
    let timing: PerformanceResourceTiming = match entries.pop() {
        entry if entry.is_undefined() => return false,
        entry => entry.unchecked_into(),
    };
    timing.start_time() >= since_ms && timing.transfer_size() == 0.0 && timing.encoded_body_size() > 0.0
}

fn connection(error: &JsValue) -> NetworkFailure {
    NetworkFailure::Connection(global::error_text(error))
}
