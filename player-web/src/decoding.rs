//! How well this machine decodes: `MediaCapabilities.decodingInfo`.

use std::rc::Rc;

use js_sys::{Array, Object, Promise, Reflect};
use player_core::Input;
use player_core::input::{Decoding, RequestId};
use player_core::output::DecodingConfig;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::shell::Shell;

/// What is assumed where nothing is declared: the browser wants to know.
const FRAME_RATE: f64 = 30.0;

#[wasm_bindgen]
extern "C" {
    /// `MediaCapabilities`.
    type Capabilities;

    #[wasm_bindgen(method, structural, catch, js_name = decodingInfo)]
    fn decoding_info(this: &Capabilities, config: &JsValue) -> Result<Promise, JsValue>;

    /// What it resolves to.
    type Info;

    #[wasm_bindgen(method, getter, structural)]
    fn supported(this: &Info) -> Option<bool>;

    #[wasm_bindgen(method, getter, structural)]
    fn smooth(this: &Info) -> Option<bool>;

    #[wasm_bindgen(method, getter, structural, js_name = powerEfficient)]
    fn power_efficient(this: &Info) -> Option<bool>;
}

/// Asks, all at once, and tells the shell; what a browser does not want to say is unknown.
pub(crate) fn ask(shell: &Rc<Shell>, request: RequestId, configs: Vec<DecodingConfig>) {
    let asked: Array = configs.iter().map(|config| JsValue::from(one(config))).collect();
    let shell = Rc::clone(shell);
    spawn_local(async move {
        let settled = JsFuture::from(Promise::all_settled(&asked))
            .await
            .unwrap_or_default();
        let answers = Array::from(&settled).into_iter().map(|one| {
            let value = Reflect::get(&one, &"value".into()).unwrap_or_default();
            read(&value)
        });
        let answers = answers.collect();
        shell.tell(Input::Decoding { request, answers });
    });
}

fn one(config: &DecodingConfig) -> Promise {
    let info = || {
        let navigator = Reflect::get(&js_sys::global(), &"navigator".into())?;
        let capabilities = Reflect::get(&navigator, &"mediaCapabilities".into())?;
        let video = Object::new();
        let set = |name: &str, value: JsValue| Reflect::set(&video, &name.into(), &value);
        let frame_rate = Some(config.frame_rate).filter(|rate| *rate > 0.0);
        set("contentType", config.mime.as_str().into())?;
        set("width", config.width.into())?;
        set("height", config.height.into())?;
        set("bitrate", config.bandwidth.as_f64().into())?;
        set("framerate", frame_rate.unwrap_or(FRAME_RATE).into())?;
        let question = Object::new();
        Reflect::set(&question, &"type".into(), &"media-source".into())?;
        Reflect::set(&question, &"video".into(), &video)?;
        capabilities
            .unchecked_into::<Capabilities>()
            .decoding_info(&question)
    };
    info().unwrap_or_else(|error: JsValue| Promise::reject(&error))
}

fn read(value: &JsValue) -> Decoding {
    if !value.is_object() {
        return Decoding::Unknown;
    }
    let info: &Info = value.unchecked_ref();
    match (info.supported(), info.smooth(), info.power_efficient()) {
        (Some(false), ..) => Decoding::Unsupported,
        (_, Some(false), _) => Decoding::Rough,
        (_, Some(true), Some(true)) => Decoding::Efficient,
        (_, Some(true), _) => Decoding::Smooth,
        _ => Decoding::Unknown,
    }
}
