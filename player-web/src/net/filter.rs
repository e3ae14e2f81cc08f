//! What the application may change in a request before it is sent: its option `request`.

use js_sys::{Array, Function, Object, Promise, Reflect};
use player_core::input::NetworkFailure;
use player_core::output::{Fetch, Method};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestCredentials, RequestInit};

use super::{connection, range_header};
use crate::global;

/// A request as it is sent.
pub(super) struct Sent {
    pub(super) url: String,
    pub(super) init: RequestInit,
}

/// Asks the application, if it wants to be asked.
pub(super) async fn prepare(filter: Option<&Function>, fetch: &Fetch) -> Result<Sent, NetworkFailure> {
    let failed = |error: JsValue| {
        let text = global::error_text(&error);
        NetworkFailure::Connection(["the application's `request`: ", &text].concat())
    };
    let init = RequestInit::new();
    init.set_credentials(RequestCredentials::Omit);
    if fetch.method == Method::Head {
        init.set_method("HEAD");
    }
    let headers = Headers::new().map_err(|error| connection(&error))?;
    for (name, value) in &fetch.headers {
        headers.set(name, value).map_err(|error| connection(&error))?;
    }
    if let Some(range) = fetch.range {
        let range = range_header(range);
        headers.set("Range", &range).map_err(|error| connection(&error))?;
    }
    let mut url = fetch.url.clone();
    if let Some(filter) = filter {
        let info = Object::new();
        let set = |name: &str, value: &str| drop(Reflect::set(&info, &name.into(), &value.into()));
        set("kind", &fetch.kind.name().replace('_', "-"));
        set("url", &url);
        let answer = filter.call1(&JsValue::UNDEFINED, &info).map_err(failed)?;
        let answer = JsFuture::from(Promise::resolve(&answer)).await.map_err(failed)?;
        if answer.is_object() {
            let get = |name: &str| Reflect::get(&answer, &name.into()).unwrap_or(JsValue::UNDEFINED);
            if let Some(changed) = get("url").as_string() {
                url = changed;
            }
            if let Some(credentials) = RequestCredentials::from_js_value(&get("credentials")) {
                init.set_credentials(credentials);
            }
            if let Ok(more) = get("headers").dyn_into::<Object>() {
                for entry in Object::entries(&more).iter() {
                    let entry: Array = entry.unchecked_into();
                    if let (Some(name), Some(value)) = (entry.get(0).as_string(), entry.get(1).as_string()) {
                        headers.set(&name, &value).map_err(failed)?;
                    }
                }
            }
        }
    }
    init.set_headers(&headers);
    Ok(Sent { url, init })
}
