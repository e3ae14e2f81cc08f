//! Reports to collectors: posted at once, and a few times again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Headers, RequestCredentials, RequestInit, Response};

use super::retry_after_s;
use crate::global;

const MAX_ATTEMPTS: u32 = 4;
const FIRST_PAUSE_MS: u32 = 1000;
const LONGEST_PAUSE_MS: u32 = 60_000;
/// More are dropped while so many are on their way.
const MAX_WAITING: u32 = 50;
/// What browsers let fly on after the page.
const MAX_KEEPALIVE_BYTES: usize = 16 << 10;

/// The reports on their way.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    waiting: Cell<u32>,
    /// Collectors that want no more (410).
    gone: RefCell<Vec<String>>,
}

struct Report {
    url: String,
    content_type: String,
    body: String,
    attempts: u32,
}

impl Reports {
    /// Posts one.
    pub(crate) fn post(self: &Rc<Self>, url: String, content_type: String, body: String) {
        if self.waiting.get() < MAX_WAITING && !self.gone.borrow().contains(&url) {
            self.waiting.set(self.waiting.get() + 1);
            self.attempt(Report {
                url,
                content_type,
                body,
                attempts: 1,
            });
        }
    }

    fn attempt(self: &Rc<Self>, mut report: Report) {
        let this = Rc::clone(self);
        spawn_local(async move {
            let (status, wait_s) = deliver(&report).await;
            if status == 410 {
                this.gone.borrow_mut().push(report.url.clone());
            }
            let again = matches!(status, 0 | 408 | 429 | 500..) && report.attempts < MAX_ATTEMPTS;
            if !again {
                return this.waiting.set(this.waiting.get() - 1);
            }
            let doubled = FIRST_PAUSE_MS << (report.attempts - 1);
            let pause = doubled.max(wait_s.saturating_mul(1000)).min(LONGEST_PAUSE_MS);
            report.attempts += 1;
            Timeout::new(pause, move || this.attempt(report)).forget();
        });
    }
}

/// Status, 0 if there was no answer, and for how long the collector asks to be left alone.
async fn deliver(report: &Report) -> (u16, u32) {
    let Ok(init) = request_init(report) else {
        return (0, 0);
    };
    match JsFuture::from(global::fetch(&report.url, &init)).await {
        Ok(response) => {
            let response: Response = response.unchecked_into();
            let wait = response.headers().get("Retry-After").ok().flatten();
            (
                response.status(),
                wait.and_then(|wait| retry_after_s(&wait)).unwrap_or(0),
            )
        }
        Err(_) => (0, 0),
    }
}

fn request_init(report: &Report) -> Result<RequestInit, JsValue> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_credentials(RequestCredentials::Omit);
    let headers = Headers::new()?;
    headers.set("Content-Type", &report.content_type)?;
    init.set_headers(&headers);
    init.set_body(&JsValue::from_str(&report.body));
    Reflect::set(
        &init,
        &"keepalive".into(),
        &(report.body.len() <= MAX_KEEPALIVE_BYTES).into(),
    )?;
    Ok(init)
}
