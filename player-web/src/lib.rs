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
mod decoding;
pub mod drm;
pub mod fields;
mod global;
pub mod message;
mod net;
pub mod options;
mod panics;
mod prepare;
mod recorder;
mod shell;
mod source;

use std::rc::Rc;

use js_sys::{Array, Function};
use wasm_bindgen::prelude::*;

use fields::FieldError;
use message::ToDriver;
use options::Options;
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
    /// `prepare(job)` makes what no source buffer takes into what one takes: it is called with transport streams, packed audio and
    /// encrypted segments, and resolves to `{ bytes, facts }`. `job` is a plain object: `{ kind, container, continuous, mute,
    /// captions, bytes, init, decrypt: { method, key, iv } }`. Without it, such streams do not play.
    ///
    /// `early(url, signal)` is asked before a manifest is fetched for the first time: it may give the promise of a `Response` that was
    /// asked for before the engine was there.
    ///
    /// # Errors
    /// If the options are malformed; the error names the field.
    #[wasm_bindgen(constructor)]
    pub fn new(
        options: &JsValue,
        post: Function,
        prepare: Option<Function>,
        early: Option<Function>,
    ) -> Result<Self, JsError> {
        panics::report();
        Ok(Self {
            shell: Shell::new(Options::read(options).map_err(to_js)?, post, prepare, early),
        })
    }

    /// Takes a message, see [`ToDriver`].
    ///
    /// # Errors
    /// If the message is malformed or of an unknown type.
    pub fn handle(&self, message: &JsValue) -> Result<(), JsError> {
        self.shell.handle(ToDriver::read(message).map_err(to_js)?);
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

fn to_js(error: FieldError) -> JsError {
    JsError::new(&error.to_string())
}

/// The one way out: `post(message, transfer)`.
fn post(to: &Function, message: &JsValue, transfer: &Array) {
    if let Err(error) = to.call2(&JsValue::UNDEFINED, message, transfer) {
        // A listener of the page threw: its error, not ours, and nothing that the engine should stumble over.
        web_sys::console::error_1(&error);
    }
}
