//! The Headgate engine driving Media Source Extensions.
//!
//! [`Driver`] runs a [`player_core::Player`] on the browser's callbacks: `fetch`, source buffers, timers, beacons. It
//! touches neither the media element nor the document: with whoever owns the element it exchanges plain,
//! structured-cloneable messages ([`message`]), so that it runs in a window and in a worker alike.
//!
//! Media bytes never enter Wasm memory: the bodies of media requests stay typed arrays of JavaScript, and the engine
//! names them by their request. What crosses over is manifests, and sixteen bytes a box to find truncated segments.

mod beacons;
mod bodies;
mod global;
pub mod message;
mod net;
mod panics;
mod recorder;
mod shell;
mod source;

use std::rc::Rc;

use js_sys::{Array, Function, JSON};
use wasm_bindgen::prelude::*;

use message::{Options, ToDriver};
use shell::Shell;

/// A player without its media element.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Driver {
    shell: Rc<Shell>,
}

#[wasm_bindgen]
impl Driver {
    /// A driver that says what it has to say by calling `post(message, transfer)`, as `postMessage` would be called.
    /// `options` is an object, see [`Options`].
    ///
    /// # Errors
    /// If the options are malformed; the error names the field.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue, post: Function) -> Result<Self, JsError> {
        panics::report();
        let options: Options = parse(options, "options")?;
        Ok(Self {
            shell: Shell::new(options, post),
        })
    }

    /// Takes a message, see [`ToDriver`].
    ///
    /// # Errors
    /// If the message is malformed or of an unknown type.
    pub fn handle(&self, message: &JsValue) -> Result<(), JsError> {
        let message: ToDriver = parse(message, "message")?;
        self.shell.handle(message);
        Ok(())
    }

    /// The log recorded so far, if the options asked for one: for `headgate-sim replay`.
    #[wasm_bindgen(js_name = exportLog)]
    pub fn export_log(&self) -> Option<String> {
        self.shell.export_log()
    }

    /// Ends the view, stops every request, drops the source. Later messages do nothing.
    pub fn close(&self) {
        self.shell.close();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shell.close();
    }
}

/// Messages are small and few, hence JSON: it is smaller than a bridge of its own, and the engine has a parser anyway.
fn parse<T: serde::de::DeserializeOwned>(value: &JsValue, what: &str) -> Result<T, JsError> {
    let text = JSON::stringify(value).ok().and_then(|text| text.as_string());
    let text = text.ok_or_else(|| {
        JsError::new(&format!(
            "the {what} of the Headgate driver must be a plain object"
        ))
    })?;
    serde_json::from_str(&text)
        .map_err(|error| JsError::new(&format!("the {what} of the Headgate driver: {error}")))
}

/// The one way out: `post(message, transfer)`.
fn post(to: &Function, message: &JsValue, transfer: &Array) {
    if let Err(error) = to.call2(&JsValue::UNDEFINED, message, transfer) {
        // A listener of the page threw: its error, not ours, and nothing that the engine should stumble over.
        web_sys::console::error_1(&error);
    }
}
