//! Media that is changed before it is appended: the owner of the transmuxer does it, in JavaScript's memory.
//!
//! The function that the driver was made with is called with a job, a plain object, and resolves to `{ bytes, facts }`:
//!
//! - job: `{ kind, container, continuous, mute, captions, bytes, init, decrypt: { method, key, iv } }`, as
//!   [`Prepare`](player_core::output::Prepare) says it, with bytes in place of requests;
//! - `facts`: a [`Prepared`] as the transmuxer's JSON has it, if it was asked; into fMP4 the driver looks itself.

use std::rc::Rc;

use js_sys::{Function, Object, Promise, Reflect, Uint8Array};
use player_core::input::{Caption, Id3, Integrity, Prepared};
use player_core::media::id3::Frame;
use player_core::output::{Container, Decrypt, Encryption, Prepare};
use player_core::text::TextCue;
use player_core::text::webvtt::Region;
use player_core::time::TimeRange;
use player_core::{Input, MediaTime};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::bodies;
use crate::fields::{Faults, FieldError, Fields};
use crate::global::error_text;
use crate::shell::Shell;

/// Has a response prepared, and tells the shell what came of it.
pub(crate) fn start(shell: &Rc<Shell>, with: Option<&Function>, prepare: Prepare) {
    let (request, container) = (prepare.request, prepare.container);
    let promised = with
        .ok_or_else(|| JsValue::from_str("this player has no transmuxer"))
        .and_then(|with| {
            let job = job(shell, &prepare)?;
            with.call1(&JsValue::UNDEFINED, &job)
        });
    let shell = Rc::clone(shell);
    spawn_local(async move {
        let answer = match promised {
            Ok(promised) => JsFuture::from(Promise::resolve(&promised)).await,
            Err(error) => Err(error),
        };
        let result = answer
            .map_err(|error| error_text(&error))
            .and_then(|answer| read(&answer, container));
        let result = result.map(|(bytes, prepared)| {
            shell.bodies.borrow_mut().replace(request, bytes);
            Box::new(prepared)
        });
        shell.tell(Input::Prepared { request, result });
    });
}

fn job(shell: &Shell, prepare: &Prepare) -> Result<JsValue, JsValue> {
    let bodies = shell.bodies.borrow();
    let body = |request, what: &str| {
        let body = bodies.view(request, None);
        body.map(JsValue::from)
            .ok_or_else(|| JsValue::from_str(&["the ", what, " is not there any more"].concat()))
    };
    let job = Object::new();
    let set = |name: &str, value: &JsValue| Reflect::set(&job, &name.into(), value);
    set("kind", &prepare.kind.name().into())?;
    set("container", &container_name(prepare.container).into())?;
    set("continuous", &prepare.continuous.into())?;
    set("mute", &prepare.mute.into())?;
    set("captions", &prepare.captions.into())?;
    set("bytes", &body(prepare.request, "response")?)?;
    if let Some(init) = prepare.init {
        set("init", &body(init, "initialization section")?)?;
    }
    if let Some(Decrypt { method, key, iv }) = prepare.decrypt {
        let decrypt = Object::new();
        let set_in = |name: &str, value: &JsValue| Reflect::set(&decrypt, &name.into(), value);
        let method = match method {
            Encryption::SampleAes => "sample_aes",
            _ => "aes128",
        };
        set_in("method", &method.into())?;
        set_in("key", &body(key, "key")?)?;
        set_in("iv", &Uint8Array::from(iv.as_slice()))?;
        set("decrypt", &decrypt)?;
    }
    Ok(job.into())
}

const fn container_name(container: Container) -> &'static str {
    match container {
        Container::Fmp4 => "fmp4",
        Container::PackedAudio => "packed_audio",
        _ => "mpeg_ts",
    }
}

fn read(answer: &JsValue, container: Container) -> Result<(Uint8Array, Prepared), String> {
    let of = |name: &str| Reflect::get(answer, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let bytes: Uint8Array = of("bytes")
        .dyn_into()
        .map_err(|_| "the transmuxer gave no bytes".to_owned())?;
    let facts = of("facts");
    let mut prepared = Prepared::default();
    if facts.is_object() {
        prepared = read_facts(&facts).map_err(|error| error.to_string())?;
    }
    if container == Container::Fmp4 {
        let (integrity, media) = bodies::look(&bytes);
        if let Integrity::Foreign(shown) = integrity {
            return Err(["it is no MP4 once it is decrypted: it begins with ", &shown].concat());
        }
        prepared.media = media;
    }
    prepared.bytes = u64::from(bytes.length());
    Ok((bytes, prepared))
}

/// Reads what the transmuxer says, except what it has found in fMP4.
fn read_facts(value: &JsValue) -> Result<Prepared, FieldError> {
    let faults = Faults::default();
    let facts = Fields::new(value, "facts", &faults);
    let prepared = Prepared {
        mime: facts.text("mime"),
        bytes: 0,
        times: facts
            .nullable_object("times")
            .map(|times| TimeRange::new(time(&times, "start"), time(&times, "end"))),
        metadata: list(&facts, "metadata", |tag| Id3 {
            time: time(tag, "time"),
            frames: list(tag, "frames", frame),
        }),
        captions: list(&facts, "captions", |caption| Caption {
            channel: caption.text("channel"),
            cue: cue(&caption.object("cue")),
        }),
        media: None,
        warnings: facts.strings("warnings"),
    };
    faults.check(prepared)
}

fn frame(fields: &Fields<'_>) -> Frame {
    Frame {
        id: fields.text("id"),
        description: fields.text("description"),
        text: fields.text("text"),
        data: fields
            .numbers("data")
            .into_iter()
            .map(|byte| byte as u8)
            .collect(),
    }
}

fn cue(fields: &Fields<'_>) -> TextCue {
    let region = fields.nullable_object("region").map(|region| {
        let anchor = |name| match region.numbers(name).as_slice() {
            [x, y] => (*x, *y),
            _ => (0.0, 0.0),
        };
        Region {
            id: region.text("id"),
            width: region.number("width").unwrap_or(100.0),
            lines: region.count("lines") as u32,
            region_anchor: anchor("region_anchor"),
            viewport_anchor: anchor("viewport_anchor"),
            scroll_up: region.flag("scroll_up"),
        }
    });
    TextCue {
        id: fields.text("id"),
        start: time(fields, "start"),
        end: time(fields, "end"),
        settings: fields.text("settings"),
        text: fields.text("text"),
        region,
    }
}

fn time(fields: &Fields<'_>, name: &str) -> MediaTime {
    MediaTime::from_micros(fields.number(name).unwrap_or_default() as i64)
}

fn list<'a, T>(fields: &Fields<'a>, name: &str, read: impl Fn(&Fields<'a>) -> T) -> Vec<T> {
    fields.objects(name).iter().map(read).collect()
}
