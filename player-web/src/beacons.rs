//! Beacons on their way to the collector.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::Reflect;
use player_core::error::ErrorKind;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Headers, RequestCredentials, RequestInit, Response};

use crate::message::Event;
use crate::shell::Shell;
use crate::{global, net};

/// Counters are cumulative: when the collector is away for long, the newest beacons are worth the most.
const MAX_WAITING: usize = 60;
const MAX_WAITING_BYTES: usize = 256 << 10;
const MAX_ATTEMPTS: u32 = 8;
const FIRST_PAUSE_MS: u32 = 1000;
const LONGEST_PAUSE_MS: u32 = 60_000;
/// What browsers let fly on after the page, all requests together.
const MAX_KEEPALIVE_BYTES: usize = 60 << 10;

/// The beacons that have not been delivered, and the one request that delivers them.
#[derive(Debug, Default)]
pub(crate) struct Beacons {
    url: Option<String>,
    queue: RefCell<Queue>,
    sending: Cell<bool>,
    pause: RefCell<Option<Timeout>>,
    complained: Cell<bool>,
}

impl Beacons {
    pub(crate) fn new(url: Option<String>) -> Self {
        Self {
            url,
            ..Self::default()
        }
    }

    pub(crate) fn push(&self, shell: &Rc<Shell>, text: String) {
        if self.url.is_some() {
            self.queue.borrow_mut().push(text);
            self.pump(shell);
        }
    }

    /// Hands everything over to the browser, for the page may go away.
    pub(crate) fn flush(&self) {
        let Some(url) = &self.url else { return };
        self.queue
            .borrow_mut()
            .drain_while(|text| global::send_beacon(url, text));
    }

    fn pump(&self, shell: &Rc<Shell>) {
        if self.sending.get() || self.pause.borrow().is_some() {
            return;
        }
        let Some(url) = self.url.clone() else { return };
        let Some(text) = self.queue.borrow_mut().begin() else {
            return;
        };
        self.sending.set(true);
        let shell = Rc::clone(shell);
        spawn_local(async move {
            let answer = deliver(&url, &text).await;
            let beacons = &shell.beacons;
            beacons.sending.set(false);
            let outcome = beacons.queue.borrow_mut().end(text, answer);
            match outcome {
                Outcome::Next => {}
                Outcome::Pause(ms) => return beacons.pause(&shell, ms),
                Outcome::Dropped(answer) => beacons.complain(&shell, &url, answer),
            }
            beacons.pump(&shell);
        });
    }

    fn pause(&self, shell: &Rc<Shell>, ms: u32) {
        let waiting = Rc::clone(shell);
        let timeout = Timeout::new(ms, move || {
            waiting.beacons.pause.take();
            waiting.beacons.pump(&waiting);
        });
        self.pause.replace(Some(timeout));
    }

    /// Once: a page whose analytics are misconfigured should learn it, but not every ten seconds.
    fn complain(&self, shell: &Shell, url: &str, answer: Answer) {
        if self.complained.replace(true) {
            return;
        }
        let url = url.split(['?', '#']).next().unwrap_or_default();
        let message = match answer {
            Answer::Status { status, .. } => format!(
                "the collector {url} refused a beacon with status {status}: check the site key and the URL"
            ),
            Answer::None => format!(
                "no beacon reached the collector {url}: check that it runs and allows this page's origin (CORS)"
            ),
        };
        shell.announce(Event::Error {
            drm: None,
            kind: ErrorKind::Network.name(),
            fatal: false,
            message,
        });
    }
}

/// How a collector answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    None,
    Status { status: u16, retry_after_s: Option<u32> },
}

/// `text/plain` needs no preflight.
async fn deliver(url: &str, text: &str) -> Answer {
    let Ok(init) = beacon_init(text) else {
        return Answer::None;
    };
    match JsFuture::from(global::fetch(url, &init)).await {
        Ok(response) => {
            let response: Response = response.unchecked_into();
            let retry_after = response.headers().get("Retry-After").ok().flatten();
            Answer::Status {
                status: response.status(),
                retry_after_s: retry_after.and_then(|value| net::retry_after_s(&value)),
            }
        }
        Err(_) => Answer::None,
    }
}

fn beacon_init(text: &str) -> Result<RequestInit, JsValue> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_credentials(RequestCredentials::Omit);
    let headers = Headers::new()?;
    headers.set("Content-Type", "text/plain")?;
    init.set_headers(&headers);
    init.set_body(&JsValue::from_str(text));
    Reflect::set(
        &init,
        &"keepalive".into(),
        &(text.len() <= MAX_KEEPALIVE_BYTES).into(),
    )?;
    Ok(init)
}

/// What to do after a delivery was tried.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Dropped(Answer),
    Next,
    Pause(u32),
}

/// The oldest first; bounded.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<String>,
    bytes: usize,
    /// Attempts for the first one that have failed.
    failures: u32,
}

impl Queue {
    fn push(&mut self, text: String) {
        self.bytes += text.len();
        self.waiting.push_back(text);
        self.bound();
    }

    fn begin(&mut self) -> Option<String> {
        let text = self.waiting.pop_front()?;
        self.bytes -= text.len();
        Some(text)
    }

    fn end(&mut self, text: String, answer: Answer) -> Outcome {
        let retry_after_s = match answer {
            Answer::Status {
                status: 200..=299, ..
            } => {
                self.failures = 0;
                return Outcome::Next;
            }
            Answer::Status {
                status: 408 | 429 | 500..,
                retry_after_s,
            } => retry_after_s,
            Answer::Status { .. } => {
                self.failures = 0;
                return Outcome::Dropped(answer);
            }
            Answer::None => None,
        };
        self.failures += 1;
        if self.failures >= MAX_ATTEMPTS {
            self.failures = 0;
            return Outcome::Dropped(answer);
        }
        self.bytes += text.len();
        self.waiting.push_front(text);
        self.bound();
        let doubled = FIRST_PAUSE_MS << (self.failures - 1);
        Outcome::Pause(
            doubled
                .max(retry_after_s.unwrap_or(0).saturating_mul(1000))
                .min(LONGEST_PAUSE_MS),
        )
    }

    fn drain_while(&mut self, mut take: impl FnMut(&str) -> bool) {
        while self.waiting.front().is_some_and(|text| take(text)) {
            self.begin();
        }
    }

    fn bound(&mut self) {
        while self.waiting.len() > 1 && (self.waiting.len() > MAX_WAITING || self.bytes > MAX_WAITING_BYTES) {
            self.begin();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const DOWN: Answer = Answer::Status {
        status: 503,
        retry_after_s: None,
    };

    #[test]
    fn the_oldest_go_when_too_many_wait() {
        let mut queue = Queue::default();
        for i in 0..MAX_WAITING + 5 {
            queue.push(i.to_string());
        }
        assert_eq!(queue.waiting.len(), MAX_WAITING);
        assert_eq!(queue.begin().unwrap(), "5");
        queue.push("x".repeat(MAX_WAITING_BYTES + 1));
        assert_eq!(queue.waiting.len(), 1, "one beacon is kept however large it is");
        queue.begin();
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn failures_back_off_keep_the_order_and_end() {
        let mut queue = Queue::default();
        queue.push("a".into());
        queue.push("b".into());
        let mut pauses = Vec::new();
        let dropped = loop {
            let text = queue.begin().unwrap();
            assert_eq!(text, "a");
            match queue.end(text, DOWN) {
                Outcome::Pause(ms) => pauses.push(ms),
                outcome => break outcome,
            }
        };
        assert_eq!(pauses, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000]);
        assert_eq!(dropped, Outcome::Dropped(DOWN));
        assert_eq!(queue.begin().unwrap(), "b");
    }

    #[test]
    fn a_refusal_is_final_and_a_wish_to_wait_is_heard() {
        let mut queue = Queue::default();
        let refused = Answer::Status {
            status: 403,
            retry_after_s: None,
        };
        assert_eq!(queue.end("a".into(), refused), Outcome::Dropped(refused));
        assert_eq!(
            queue.end(
                "b".into(),
                Answer::Status {
                    status: 429,
                    retry_after_s: Some(20)
                }
            ),
            Outcome::Pause(20_000)
        );
        let text = queue.begin().unwrap();
        assert_eq!(queue.end(text, Answer::None), Outcome::Pause(2000));
        let text = queue.begin().unwrap();
        assert_eq!(
            queue.end(
                text,
                Answer::Status {
                    status: 202,
                    retry_after_s: None
                }
            ),
            Outcome::Next
        );
        assert!(queue.begin().is_none());
    }

    #[test]
    fn a_flush_stops_at_the_first_that_the_browser_does_not_take() {
        let mut queue = Queue::default();
        for text in ["a", "b", "c"] {
            queue.push(text.into());
        }
        queue.drain_while(|text| text != "b");
        assert_eq!(queue.begin().unwrap(), "b");
    }
}
