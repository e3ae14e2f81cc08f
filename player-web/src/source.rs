//! A media source and its buffers.

use std::rc::{Rc, Weak};

use js_sys::{Array, Function, JSON, Reflect, Uint8Array};
use player_core::input::{AppendFailure, TrackKind};
use player_core::output::Append;
use player_core::time::TimeRange;
use player_core::{Input, MediaTime, json};
use wasm_bindgen::prelude::*;
use web_sys::{MediaSource, MediaSourceReadyState, SourceBuffer, Url};

use crate::global::error_text;
use crate::message::FromDriver;
use crate::shell::Shell;

#[wasm_bindgen]
extern "C" {
    /// `MediaSource` or `ManagedMediaSource`, the constructor.
    type SourceClass;

    #[wasm_bindgen(method, structural, catch, js_name = isTypeSupported)]
    fn is_type_supported(this: &SourceClass, mime: &str) -> Result<bool, JsValue>;
}

/// The constructor to use, and whether it makes managed sources.
fn source_class() -> Option<(Function, bool)> {
    let global = js_sys::global();
    [("ManagedMediaSource", true), ("MediaSource", false)]
        .into_iter()
        .find_map(|(name, managed)| {
            let class = Reflect::get(&global, &name.into())
                .ok()?
                .dyn_into::<Function>()
                .ok()?;
            Some((class, managed))
        })
}

/// Those of the types that can be played here.
pub(crate) fn supported(types: Vec<String>) -> Vec<String> {
    let Some((class, _)) = source_class() else {
        return Vec::new();
    };
    let class: SourceClass = class.unchecked_into();
    types
        .into_iter()
        .filter(|mime| class.is_type_supported(mime).unwrap_or(false))
        .collect()
}

/// A media source that is attached, or about to be.
#[derive(Debug)]
pub(crate) struct Source {
    media: MediaSource,
    url: Option<String>,
    /// One of each kind.
    tracks: Vec<(TrackKind, Track)>,
    /// To be set once no buffer is updating.
    duration: Option<f64>,
    /// What may be seeked in, once the source is open.
    live_range: Option<TimeRange>,
    /// To be ended once no buffer is updating.
    ending: bool,
    /// A buffer could not take what it was given, so that the element fails: what other buffers refuse from now on is not to blame.
    broken: bool,
    /// `sourceopen` comes again when an ended source is appended to.
    opened: bool,
    _on_open: Closure<dyn FnMut()>,
}

impl Source {
    /// Makes a source, and the message and transfer list that attach it.
    pub(crate) fn open(shell: &Rc<Shell>) -> Result<(Self, JsValue, Array), JsValue> {
        let (class, managed) =
            source_class().ok_or_else(|| JsValue::from_str("this browser has no Media Source Extensions"))?;
        let media: MediaSource = Reflect::construct(&class, &Array::new())?.unchecked_into();
        let weak = Rc::downgrade(shell);
        let on_open = Closure::new(move || with(&weak, |shell| shell.on_source_open()));
        media.set_onsourceopen(Some(on_open.as_ref().unchecked_ref()));

        // Only workers have handles, and only handles work in workers.
        let handle = Reflect::get(&media, &"handle".into())?;
        let url = if handle.is_undefined() {
            Some(Url::create_object_url_with_source(&media)?)
        } else {
            None
        };
        let message = to_js(&FromDriver::Attach {
            url: url.clone(),
            managed,
        });
        let transfer = Array::new();
        if url.is_none() {
            Reflect::set(&message, &"handle".into(), &handle)?;
            transfer.push(&handle);
        }
        let source = Self {
            media,
            url,
            tracks: Vec::new(),
            duration: None,
            live_range: None,
            broken: false,
            ending: false,
            opened: false,
            _on_open: on_open,
        };
        Ok((source, message, transfer))
    }

    /// Whether it opened for the first time.
    pub(crate) fn opened(&mut self) -> bool {
        // It is attached: the URL has done its work.
        if let Some(url) = self.url.take() {
            let _ = Url::revoke_object_url(&url);
        }
        !std::mem::replace(&mut self.opened, true)
    }

    pub(crate) fn create(&mut self, shell: &Rc<Shell>, kind: TrackKind, mime: &str) {
        let track = match self.media.add_source_buffer(mime) {
            Ok(buffer) => Track::new(shell, kind, mime, buffer),
            Err(error) => Track::Refused(format!(
                "the browser makes no source buffer for {mime}: {}",
                error_text(&error)
            )),
        };
        self.tracks.retain(|(known, _)| *known != kind);
        self.tracks.push((kind, track));
    }

    /// Begins an append; if it fails at once, the answer.
    pub(crate) fn append(&mut self, append: &Append, bytes: Option<Uint8Array>) -> Option<Input> {
        self.ending = false;
        if self.broken {
            // The element's error comes, and with it the end of this source.
            return None;
        }
        let kind = append.kind;
        let failed = |reason, buffered| {
            Some(Input::AppendFailed {
                kind,
                reason,
                buffered,
            })
        };
        let buffer = match track(&mut self.tracks, kind) {
            Some(Track::Live(buffer)) => buffer,
            Some(Track::Refused(why)) => return failed(AppendFailure::Media(why.clone()), Vec::new()),
            None => {
                return failed(
                    AppendFailure::Media(format!("there is no source buffer for {}", kind.name())),
                    Vec::new(),
                );
            }
        };
        let Some(bytes) = bytes else {
            let why = format!("response {} holds no such bytes", append.request.0);
            return failed(AppendFailure::Media(why), buffer.buffered());
        };
        let ended = self.media.ready_state() == MediaSourceReadyState::Ended;
        match buffer.append(append, &bytes, ended) {
            Ok(()) => {
                buffer.doing = Some(Doing::Append);
                None
            }
            Err(error) => failed(buffer.reason(&error), buffer.buffered()),
        }
    }

    /// Begins a removal; if there is nothing to wait for, the answer.
    pub(crate) fn remove(&mut self, kind: TrackKind, range: TimeRange) -> Option<Input> {
        let Some(Track::Live(buffer)) = track(&mut self.tracks, kind) else {
            return Some(Input::Removed {
                kind,
                buffered: Vec::new(),
            });
        };
        let start = range.start.max(MediaTime::ZERO).as_secs_f64();
        // It throws for ranges outside of the duration, where there is nothing to remove.
        if buffer.buffer.remove(start, range.end.as_secs_f64()).is_err() {
            return Some(Input::Removed {
                kind,
                buffered: buffer.buffered(),
            });
        }
        buffer.doing = Some(Doing::Remove);
        None
    }

    pub(crate) fn set_duration(&mut self, duration: MediaTime) {
        self.duration = Some(endless(duration));
        self.settle();
    }

    pub(crate) fn set_live_range(&mut self, range: TimeRange) {
        self.live_range = Some(range);
        self.settle();
    }

    pub(crate) fn end_of_stream(&mut self) {
        self.ending = self.media.ready_state() != MediaSourceReadyState::Ended;
        self.settle();
    }

    /// A buffer has finished what it was doing.
    pub(crate) fn update_ended(&mut self, kind: TrackKind) -> Option<Input> {
        let Some(Track::Live(buffer)) = track(&mut self.tracks, kind) else {
            return None;
        };
        let done = buffer.doing.take();
        let refused = std::mem::take(&mut buffer.refused);
        let buffered = buffer.buffered();
        let input = match done? {
            Doing::Append if refused && std::mem::replace(&mut self.broken, true) => return None,
            Doing::Append if refused => {
                let why = format!("the browser cannot parse what was appended as {}", buffer.mime);
                Input::AppendFailed {
                    kind,
                    reason: AppendFailure::Media(why),
                    buffered,
                }
            }
            Doing::Append => Input::Appended { kind, buffered },
            Doing::Remove => Input::Removed { kind, buffered },
        };
        self.settle();
        Some(input)
    }

    /// `error` comes before `updateend`.
    pub(crate) fn refused(&mut self, kind: TrackKind) {
        if let Some(Track::Live(buffer)) = track(&mut self.tracks, kind) {
            buffer.refused = true;
        }
    }

    /// Does what has to wait until no buffer is updating.
    fn settle(&mut self) {
        let live = || self.tracks.iter().filter_map(|(_, track)| track.live());
        if self.media.ready_state() != MediaSourceReadyState::Open
            || live().any(|buffer| buffer.buffer.updating())
        {
            return;
        }
        if let Some(TimeRange { start, end }) = self.live_range.take() {
            let start = start.max(MediaTime::ZERO);
            let end = end.max(start).as_secs_f64();
            // Cannot fail: it is open.
            let _ = self.media.set_live_seekable_range(start.as_secs_f64(), end);
        }
        if let Some(duration) = self.duration.take() {
            // It must not be set below what is buffered: declared durations are often a frame short.
            let end = live()
                .filter_map(|buffer| buffer.buffered().last().map(|range| range.end.as_secs_f64()))
                .fold(duration, f64::max);
            if self.media.duration() != end {
                self.media.set_duration(end);
            }
        }
        if std::mem::take(&mut self.ending) {
            // Cannot fail: it is open and idle.
            let _ = self.media.end_of_stream();
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.media.set_onsourceopen(None);
        for buffer in self.tracks.iter().filter_map(|(_, track)| track.live()) {
            buffer.buffer.set_onupdateend(None);
            buffer.buffer.set_onerror(None);
        }
        if let Some(url) = self.url.take() {
            let _ = Url::revoke_object_url(&url);
        }
    }
}

fn track(tracks: &mut [(TrackKind, Track)], kind: TrackKind) -> Option<&mut Track> {
    let found = tracks.iter_mut().find(|(known, _)| *known == kind);
    found.map(|(_, track)| track)
}

#[derive(Debug)]
enum Track {
    Live(Buffer),
    /// `addSourceBuffer` failed; the first append says so.
    Refused(String),
}

impl Track {
    fn new(shell: &Rc<Shell>, kind: TrackKind, mime: &str, buffer: SourceBuffer) -> Self {
        let (end, error) = (Rc::downgrade(shell), Rc::downgrade(shell));
        let on_update_end = Closure::new(move || with(&end, |shell| shell.on_update_end(kind)));
        let on_error = Closure::new(move || with(&error, |shell| shell.on_buffer_error(kind)));
        buffer.set_onupdateend(Some(on_update_end.as_ref().unchecked_ref()));
        buffer.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Self::Live(Buffer {
            buffer,
            mime: mime.to_owned(),
            doing: None,
            refused: false,
            _callbacks: [on_update_end, on_error],
        })
    }

    fn live(&self) -> Option<&Buffer> {
        match self {
            Self::Live(buffer) => Some(buffer),
            Self::Refused(_) => None,
        }
    }
}

#[derive(Debug)]
struct Buffer {
    buffer: SourceBuffer,
    mime: String,
    doing: Option<Doing>,
    refused: bool,
    _callbacks: [Closure<dyn FnMut()>; 2],
}

#[derive(Clone, Copy, Debug)]
enum Doing {
    Append,
    Remove,
}

impl Buffer {
    fn append(&mut self, append: &Append, bytes: &Uint8Array, ended: bool) -> Result<(), JsValue> {
        let buffer = &self.buffer;
        if append.reset {
            if ended {
                // Setting it re-opens the source; abort() throws on one that has ended.
                buffer.set_timestamp_offset(buffer.timestamp_offset());
            }
            buffer.abort()?;
        }
        if let Some(mime) = &append.change_type {
            buffer.change_type(mime)?;
            self.mime.clone_from(mime);
        }
        let offset = append.timestamp_offset.as_secs_f64();
        if buffer.timestamp_offset() != offset {
            buffer.set_timestamp_offset(offset);
        }
        self.set_window(append.window);
        buffer.append_buffer_with_array_buffer_view(bytes)
    }

    /// Only what is in the window counts, but for a little at its edges: what times lose when they are rounded must not cost a frame,
    /// and of pictures everything that depends on it.
    fn set_window(&self, window: Option<TimeRange>) {
        const TOLERANCE_S: f64 = 0.01;
        let (start, end) = window.map_or((0.0, f64::INFINITY), |window| {
            let start = window.start.max(MediaTime::ZERO).as_secs_f64() - TOLERANCE_S;
            (start.max(0.0), endless(window.end) + TOLERANCE_S)
        });
        let buffer = &self.buffer;
        if buffer.append_window_start() != start || buffer.append_window_end() != end {
            // In between, they must not change places.
            buffer.set_append_window_start(0.0);
            buffer.set_append_window_end(end.max(start + TOLERANCE_S));
            buffer.set_append_window_start(start);
        }
    }

    fn reason(&self, error: &JsValue) -> AppendFailure {
        let name = Reflect::get(error, &"name".into())
            .ok()
            .and_then(|name| name.as_string());
        if name.as_deref() == Some("QuotaExceededError") {
            return AppendFailure::Quota;
        }
        AppendFailure::Media(format!("{}: {}", self.mime, error_text(error)))
    }

    fn buffered(&self) -> Vec<TimeRange> {
        // It throws once the buffer is no part of a source any more.
        let Ok(ranges) = self.buffer.buffered() else {
            return Vec::new();
        };
        let at = |time: Result<f64, JsValue>| time.ok().map(MediaTime::from_secs_f64);
        (0..ranges.length())
            .filter_map(|i| Some(TimeRange::new(at(ranges.start(i))?, at(ranges.end(i))?)))
            .collect()
    }
}

/// Seconds, of which there may be no end.
fn endless(time: MediaTime) -> f64 {
    if time == MediaTime::MAX {
        return f64::INFINITY;
    }
    time.as_secs_f64()
}

fn with(shell: &Weak<Shell>, act: impl FnOnce(&Rc<Shell>)) {
    if let Some(shell) = shell.upgrade() {
        act(&shell);
    }
}

/// A message as a JavaScript object.
pub(crate) fn to_js(message: &FromDriver) -> JsValue {
    // Messages hold strings, numbers and lists: this cannot fail.
    let text = json::to_string(message);
    JSON::parse(&text).unwrap_or(JsValue::NULL)
}
