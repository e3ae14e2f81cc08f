//! The run loop: one input, then all outputs, whatever calls us and from where.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use js_sys::{Array, Function};
use player_core::abr::NetworkMemory;
use player_core::error::ErrorKind;
use player_core::input::{Host, Load, TrackKind};
use player_core::output::RequestKind;
use player_core::{Input, Instant, MediaTime, Output, Player, json};
use wasm_bindgen::JsValue;

use crate::beacons::Beacons;
use crate::bodies::Bodies;
use crate::drm::{self, Drm};
use crate::message::{Cue, Event, FromDriver, Thumbnail, ToDriver};
use crate::net::{self, Reports, Requests};
use crate::options::{Options, Signing};
use crate::recorder::Recorder;
use crate::source::{self, Source, to_js};
use crate::{decoding, global, panics, post, prepare};

/// The engine with everything around it.
pub(crate) struct Shell {
    player: RefCell<Player>,
    /// Inputs that came while the engine was busy: listeners of the page call back from inside of our messages.
    inbox: RefCell<VecDeque<(Instant, Input)>>,
    busy: Cell<bool>,
    closed: Cell<bool>,
    hidden: Cell<bool>,
    timer: RefCell<Option<(Instant, Timeout)>>,
    recorder: RefCell<Option<Recorder>>,
    source: RefCell<Option<Source>>,
    post: Function,
    prepare: Option<Function>,
    pub(crate) beacons: Beacons,
    pub(crate) bodies: RefCell<Bodies>,
    pub(crate) drm: RefCell<Drm>,
    pub(crate) requests: Requests,
    /// What the application may change in a request.
    pub(crate) filter: Option<Function>,
    pub(crate) signing: Option<Signing>,
    /// Whom to ask for a manifest before it is fetched.
    pub(crate) early: Option<Function>,
    reports: Rc<Reports>,
}

impl std::fmt::Debug for Shell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shell")
            .field("busy", &self.busy)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl Shell {
    pub(crate) fn new(
        options: Options,
        post: Function,
        prepare: Option<Function>,
        early: Option<Function>,
    ) -> Rc<Self> {
        let Options {
            mut config,
            beacon_url,
            record,
            request,
            spc,
            signing,
        } = options;
        config.seed = global::seed();
        let start = global::now();
        let shell = Rc::new(Self {
            recorder: RefCell::new(record.then(|| Recorder::new(&config, start))),
            player: RefCell::new(Player::new(config, start)),
            inbox: RefCell::default(),
            busy: Cell::default(),
            closed: Cell::default(),
            hidden: Cell::default(),
            timer: RefCell::default(),
            source: RefCell::default(),
            post,
            prepare,
            beacons: Beacons::new(beacon_url),
            bodies: RefCell::default(),
            drm: RefCell::new(Drm::new(spc)),
            requests: Requests::default(),
            filter: request,
            signing,
            early,
            reports: Rc::default(),
        });
        panics::watch(&shell);
        shell
    }

    pub(crate) fn handle(self: &Rc<Self>, message: ToDriver) {
        match message {
            ToDriver::Drm(said) => drm::handle(self, said),
            ToDriver::Host(host) => self.host(host),
            ToDriver::Limits {
                max_bandwidth_kbps,
                max_height,
            } => self.tell(Input::Limits {
                max_bandwidth_kbps,
                max_height,
            }),
            ToDriver::Load(load) => self.tell(Input::Load(dated(load))),
            ToDriver::Media(state) => self.tell(Input::Media(state)),
            ToDriver::Preload(load) => self.tell(Input::Preload(load.map(dated))),
            ToDriver::RemoveLicences => self.tell(Input::RemoveLicences),
            ToDriver::Scan(rate) => self.tell(Input::Scan(rate)),
            ToDriver::Select(rendition) => self.tell(Input::SelectRendition(rendition)),
            ToDriver::SelectTrack { kind, id } => self.tell(Input::SelectTrack { kind, id }),
            ToDriver::Unload => {
                self.tell(Input::Unload);
                self.flush_if_hidden();
            }
        }
    }

    fn host(self: &Rc<Self>, host: Host) {
        self.hidden.set(host.hidden);
        self.tell(Input::Host(host));
        self.flush_if_hidden();
    }

    fn flush_if_hidden(&self) {
        if self.hidden.get() {
            self.beacons.flush();
        }
    }

    pub(crate) fn export_log(&self) -> Option<String> {
        self.recorder.borrow().as_ref().map(Recorder::text)
    }

    pub(crate) fn close(self: &Rc<Self>) {
        self.tell(Input::Unload);
        self.closed.set(true);
        if !self.busy.get() {
            self.shut();
        }
    }

    /// Gives the engine an input and does what it says.
    pub(crate) fn tell(self: &Rc<Self>, input: Input) {
        if self.closed.get() {
            return;
        }
        self.inbox.borrow_mut().push_back((global::now(), input));
        if self.busy.replace(true) {
            return;
        }
        let mut deadline = None;
        while let Some((now, input)) = self.next_input() {
            self.record(|recorder| recorder.input(now, &input));
            self.player.borrow_mut().handle_input(now, input);
            deadline = loop {
                let output = self.player.borrow_mut().poll_output();
                self.record(|recorder| recorder.output(&output));
                match output {
                    Output::Wait(deadline) => break deadline,
                    output => self.perform(output),
                }
            };
        }
        self.busy.set(false);
        if self.closed.get() {
            self.shut();
        } else {
            self.arm(deadline);
        }
    }

    /// The engine has broken down in the middle of its work, if it was this one's: it cannot be used any more.
    pub(crate) fn on_panic(&self, message: &str) {
        if self.busy.replace(false) && !self.closed.replace(true) {
            self.announce(Event::Error {
                kind: ErrorKind::Internal.name(),
                fatal: true,
                message: message.to_owned(),
                drm: None,
            });
        }
    }

    /// Tells the application.
    pub(crate) fn announce(&self, event: Event) {
        self.post(&FromDriver::Event { event });
    }

    pub(crate) fn on_source_open(self: &Rc<Self>) {
        let first = self.source.borrow_mut().as_mut().is_some_and(Source::opened);
        if first {
            self.tell(Input::SourceOpened);
        }
    }

    pub(crate) fn on_update_end(self: &Rc<Self>, kind: TrackKind) {
        self.with_source(|source| source.update_ended(kind));
    }

    pub(crate) fn on_buffer_error(&self, kind: TrackKind) {
        if let Some(source) = self.source.borrow_mut().as_mut() {
            source.refused(kind);
        }
    }

    fn next_input(&self) -> Option<(Instant, Input)> {
        self.inbox.borrow_mut().pop_front()
    }

    fn record(&self, write: impl FnOnce(&mut Recorder)) {
        if let Some(recorder) = self.recorder.borrow_mut().as_mut() {
            write(recorder);
        }
    }

    fn perform(self: &Rc<Self>, output: Output) {
        match output {
            Output::Append(append) => {
                let bytes = self.bodies.borrow().view(append.request, append.bytes);
                self.with_source(|source| source.append(&append, bytes));
            }
            Output::Beacon(beacon) => {
                self.beacons.push(self, json::to_string(&beacon));
            }
            Output::Cancel { request } => {
                self.requests.cancel(request);
                drm::cancel(self, request);
            }
            Output::CloseSource => self.close_source(),
            Output::Cues { track, cues } => {
                let cues = cues.into_iter().map(Cue::from).collect();
                self.post(&FromDriver::Cues { track, cues });
            }
            Output::CreateBuffer { kind, mime } => {
                if let Some(source) = self.source.borrow_mut().as_mut() {
                    source.create(self, kind, &mime);
                }
            }
            Output::Drm(command) => drm::perform(self, command),
            Output::EndOfStream => {
                if let Some(source) = self.source.borrow_mut().as_mut() {
                    source.end_of_stream();
                }
            }
            Output::Event(event) => {
                if let Some(event) = Event::from_engine(event) {
                    self.announce(event);
                }
            }
            Output::Fetch(fetch) => match fetch.kind {
                RequestKind::Certificate | RequestKind::Licence => drm::fetch(self, fetch),
                _ => net::start(self, fetch),
            },
            Output::OpenSource => self.open_source(),
            Output::Prepare(job) => prepare::start(self, self.prepare.as_ref(), job),
            Output::ProbeDecoding { request, configs } => decoding::ask(self, request, configs),
            Output::ProbeTypes { types } => self.tell(Input::TypesSupported(source::supported(types))),
            Output::Release { request } => {
                self.bodies.borrow_mut().release(request);
                self.drm.borrow_mut().release(request);
            }
            Output::Remember(memory) => {
                let NetworkMemory {
                    kbps,
                    spread,
                    unix_ms,
                } = memory;
                self.post(&FromDriver::Remember {
                    kbps,
                    spread,
                    unix_ms,
                });
            }
            Output::Report {
                url,
                content_type,
                body,
            } => self.reports.post(url, content_type, body),
            Output::Remove { kind, range } => self.with_source(|source| source.remove(kind, range)),
            Output::Seek { to } => self.post(&FromDriver::Seek {
                current_time: MediaTime::as_secs_f64(to),
            }),
            Output::SetDuration { duration } => {
                if let Some(source) = self.source.borrow_mut().as_mut() {
                    source.set_duration(duration);
                }
            }
            Output::SetLiveRange { range } => {
                if let Some(source) = self.source.borrow_mut().as_mut() {
                    source.set_live_range(range);
                }
            }
            Output::SetRate { rate } => self.post(&FromDriver::Rate { rate }),
            Output::Thumbnails { thumbnails } => {
                let thumbnails = thumbnails.into_iter().map(Thumbnail::from).collect();
                self.post(&FromDriver::Thumbnails { thumbnails });
            }
            // `Wait` ends the loop that calls this. What a later engine says, a later driver does.
            _ => {}
        }
    }

    fn with_source(self: &Rc<Self>, act: impl FnOnce(&mut Source) -> Option<Input>) {
        let answer = self.source.borrow_mut().as_mut().and_then(act);
        if let Some(input) = answer {
            self.tell(input);
        }
    }

    fn open_source(self: &Rc<Self>) {
        self.close_source();
        match Source::open(self) {
            Ok((source, message, transfer)) => {
                // First ours, then the page's: it may open at once.
                self.source.replace(Some(source));
                post(&self.post, &message, &transfer);
            }
            Err(error) => web_sys::console::error_1(&error),
        }
    }

    fn close_source(&self) {
        if self.source.take().is_some() {
            self.post(&FromDriver::Detach);
        }
    }

    fn post(&self, message: &FromDriver) {
        self.post_js(&to_js(message));
    }

    /// Says something that holds more than JSON can.
    pub(crate) fn post_js(&self, message: &JsValue) {
        post(&self.post, message, &Array::new());
    }

    /// Sets the one timer.
    fn arm(self: &Rc<Self>, deadline: Option<Instant>) {
        let mut timer = self.timer.borrow_mut();
        if timer.as_ref().map(|(armed, _)| *armed) == deadline {
            return;
        }
        *timer = deadline.map(|deadline| {
            let left = deadline.since(global::now());
            // Rounded up: a tick before its time would change nothing.
            let ms = u32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u32::MAX >> 1);
            let weak = Rc::downgrade(self);
            let timeout = Timeout::new(ms, move || {
                if let Some(shell) = weak.upgrade() {
                    shell.timer.take();
                    shell.tell(Input::Tick);
                }
            });
            (deadline, timeout)
        });
    }

    fn shut(&self) {
        self.timer.take();
        self.requests.cancel_all();
        self.close_source();
        self.bodies.borrow_mut().clear();
        self.drm.borrow_mut().clear();
        self.flush_if_hidden();
    }
}

/// With the time that it is.
fn dated(load: Load) -> Load {
    let wall_clock_ms = global::wall_clock_ms();
    Load {
        wall_clock_ms,
        ..load
    }
}
