//! What the global scope offers, in a window and in a worker alike.

use js_sys::{Promise, Uint32Array};
use player_core::Instant;
use wasm_bindgen::prelude::*;
use web_sys::{Navigator, Performance, RequestInit};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch)]
    pub(crate) fn fetch(url: &str, init: &RequestInit) -> Promise;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues, catch)]
    fn random_values(into: &Uint32Array) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(thread_local_v2, js_name = performance)]
    static PERFORMANCE: Performance;

    // A worker's lacks `sendBeacon`.
    #[wasm_bindgen(thread_local_v2, js_name = navigator)]
    static NAVIGATOR: Navigator;
}

/// The monotonic clock.
pub(crate) fn now() -> Instant {
    Instant::from_micros((performance(Performance::now) * 1000.0) as u64)
}

/// The wall clock, milliseconds since the Unix epoch.
pub(crate) fn wall_clock_ms() -> u64 {
    js_sys::Date::now() as u64
}

pub(crate) fn performance<T>(with: impl FnOnce(&Performance) -> T) -> T {
    PERFORMANCE.with(with)
}

/// A random number that JavaScript can hold exactly: 53 bits.
pub(crate) fn seed() -> u64 {
    let words = Uint32Array::new_with_length(2);
    if random_values(&words).is_err() {
        // No source of randomness: identifiers must still differ between views.
        return now().as_micros() ^ wall_clock_ms();
    }
    (u64::from(words.get_index(0)) << 21) | u64::from(words.get_index(1) >> 11)
}

/// `navigator.sendBeacon`, where there is one: whether the browser has taken the text over.
pub(crate) fn send_beacon(url: &str, text: &str) -> bool {
    NAVIGATOR.with(|navigator| {
        let able = js_sys::Reflect::has(navigator, &JsValue::from_str("sendBeacon")).unwrap_or(false);
        able && navigator
            .send_beacon_with_opt_str(url, Some(text))
            .unwrap_or(false)
    })
}

/// A message of a JavaScript error that is fit for a beacon: without any URL.
pub(crate) fn error_text(error: &JsValue) -> String {
    let message = error
        .dyn_ref::<js_sys::Error>()
        .map(|error| String::from(error.message()));
    let text = message
        .or_else(|| error.as_string())
        .unwrap_or_else(|| "an unknown error".to_owned());
    without_urls(&text)
}

fn without_urls(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let is_url = word.split(':').skip(1).any(|rest| rest.starts_with("//"));
        if is_url { "(url)" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lose_their_urls() {
        assert_eq!(without_urls("Failed to fetch"), "Failed to fetch");
        assert_eq!(
            without_urls("no access to 'https://a.example/x?token=1' from here"),
            "no access to (url) from here"
        );
    }
}
