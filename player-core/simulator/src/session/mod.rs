//! One viewing: the engine between a virtual network and a virtual media element, on a virtual clock.
//!
//! The driver jumps from event to event: the network's, the element's, the deadline of the engine. Nothing in it is
//! random and nothing looks at the real clock, so that the same session gives the same log, byte for byte.

mod error;
mod keys;

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::time::Duration;

use player_core::abr::Abr;
use player_core::error::PlayerError;
use player_core::input::{Body, Headers, Integrity, Load, NetworkFailure, RequestId, TrackKind};
use player_core::output::{Append, Fetch, PlayerEvent};
use player_core::record::{self, Header, Line};
use player_core::time::{ByteRange, TimeRange};
use player_core::{Config, Input, Instant, Output, Player};

pub use error::{SessionError, Situation};
pub use keys::KeyFigures;

use crate::element::Element;
use crate::network::{Arrival, Link, Network, What};
use crate::origin::{MANIFEST_URL, Origin, Resource, SegmentRef};
use crate::score::Played;
use crate::timeline::{Recorder, Timeline, Transfer};
use crate::trace::Trace;
use keys::Keys;

/// A session may last this many times its content.
pub const MAX_DURATION_FACTOR: u32 = 20;
/// More inputs than this without time passing are an endless loop.
const MAX_INPUTS_AT_ONCE: u32 = 10_000;
/// More inputs than this for a second of virtual time are an endless loop with small steps.
const MAX_INPUTS_PER_SECOND: u64 = 2000;
const MAX_INPUTS_AT_FIRST: u64 = 100_000;

/// What to play, over what, how.
pub struct Session<'a> {
    /// The network's bandwidth and latency.
    pub trace: &'a Trace,
    /// What else the network does; by default nothing.
    pub link: Link,
    /// The content.
    pub origin: &'a Origin,
    /// The engine's configuration.
    pub config: Config,
    /// The algorithm; a log names it, unless `config` does.
    pub abr: Box<dyn Abr>,
    /// Whether to record [`Outcome::timeline`].
    pub timeline: bool,
}

/// How a session went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// What the viewer saw of each segment.
    pub played: Vec<Played>,
    /// Virtual time from the load to the end.
    pub duration: Duration,
    /// Inputs given to the engine.
    pub inputs: u64,
    /// Requests for segments, those that were made again included.
    pub requests: u64,
    /// Requests that the engine cancelled.
    pub cancelled: u64,
    /// Requests that failed: the connection was lost, or could not be made.
    pub failed: u64,
    /// Time in which nothing was asked of the network.
    pub idle: Duration,
    /// What happened when, if it was to be recorded.
    pub timeline: Option<Timeline>,
    /// Of the keys, if the content is protected.
    pub keys: Option<KeyFigures>,
}

impl Session<'_> {
    /// Plays to the end.
    ///
    /// # Errors
    /// If the engine gives up, comes to no end, or breaks its contract.
    pub fn run(self) -> Result<Outcome, SessionError> {
        self.drive(None)
    }

    /// Plays to the end and writes a log that [`record::replay`] reads.
    ///
    /// # Errors
    /// As [`Session::run`], and if the log cannot be written.
    pub fn run_logged(self, log: &mut dyn Write) -> Result<Outcome, SessionError> {
        self.drive(Some(log))
    }

    fn drive(mut self, mut log: Option<&mut dyn Write>) -> Result<Outcome, SessionError> {
        let start = Instant::ZERO;
        let protection = self.origin.protection();
        if let Some(scenario) = protection.filter(|_| self.config.drm.systems.is_empty()) {
            self.config.drm.systems = scenario.config().systems;
        }
        if let Some(log) = &mut log {
            let mut header = Header::new(self.config.clone(), start);
            let name = self.abr.name();
            header.algorithm = (name != self.config.abr.algorithm.name()).then(|| name.to_owned());
            record::write_line(log, &header)?;
        }
        let content = self.origin.content();
        let mut driver = Driver {
            origin: self.origin,
            player: Player::with_abr(self.config, self.abr, start),
            network: Network::new(self.trace, &self.link),
            element: Element::new(),
            log,
            now: start,
            deadline: None,
            queue: VecDeque::new(),
            asked: BTreeMap::new(),
            bodies: BTreeMap::new(),
            rungs: vec![None; content.segments().len()],
            failure: None,
            outcome: Outcome::default(),
            recorder: self.timeline.then(Recorder::default),
            keys: protection.map(|scenario| Keys::new(scenario, start)),
        };
        driver.queue.push_back(Input::Load(Load {
            url: MANIFEST_URL.to_owned(),
            video_id: content.name().to_owned(),
            video_title: content.name().to_owned(),
            ..Load::default()
        }));
        driver.play()?;
        driver.queue.push_back(Input::Unload);
        driver.settle()?;
        driver.keys_left().map_err(|what| SessionError::Contract {
            at: driver.situation(),
            what,
        })?;
        driver.finish()
    }
}

struct Driver<'a, 'log> {
    origin: &'a Origin,
    player: Player,
    network: Network<'a>,
    element: Element,
    log: Option<&'log mut dyn Write>,
    now: Instant,
    /// What the engine waits for.
    deadline: Option<Instant>,
    /// What the engine is to be told now.
    queue: VecDeque<Input>,
    /// Segments on their way.
    asked: BTreeMap<RequestId, Asked>,
    /// Segments that have arrived and are not released.
    bodies: BTreeMap<RequestId, SegmentRef>,
    /// What was appended, by segment.
    rungs: Vec<Option<usize>>,
    failure: Option<PlayerError>,
    outcome: Outcome,
    recorder: Option<Recorder>,
    /// Of what is protected.
    keys: Option<Keys>,
}

/// A request for a segment.
#[derive(Clone, Copy)]
struct Asked {
    segment: SegmentRef,
    at: Instant,
    first_byte: Option<Instant>,
}

impl Driver<'_, '_> {
    fn play(&mut self) -> Result<(), SessionError> {
        let content_s = self.origin.content().duration().as_secs_f64();
        let limit = Instant::ZERO + self.origin.content().duration().as_duration() * MAX_DURATION_FACTOR;
        let mut arrivals = Vec::new();
        let mut at_once = 0_u32;
        loop {
            self.settle()?;
            if self.element.has_ended() {
                return Ok(());
            }
            let keys = self.keys.as_ref().and_then(Keys::next);
            let events = [self.network.next(), self.element.next(), keys, self.deadline];
            let Some(next) = events.into_iter().flatten().min() else {
                return Err(SessionError::Deadlock { at: self.situation() });
            };
            if next > self.now {
                at_once = 0;
                if self.network.in_flight() == 0 {
                    self.outcome.idle += next.since(self.now);
                }
                self.now = next;
            }
            at_once += 1;
            if at_once > MAX_INPUTS_AT_ONCE {
                return Err(SessionError::Loop { at: self.situation() });
            }
            if self.now > limit {
                return Err(SessionError::TooLong {
                    at: self.situation(),
                    content_s,
                });
            }
            // The element first: what the engine decides at an arrival, it decides knowing where the playhead is.
            let changed = self.element.advance(self.now);
            self.changed(changed);
            self.advance_keys();
            self.network.advance(self.now, &mut arrivals);
            for arrival in arrivals.drain(..) {
                self.arrived(arrival);
            }
            if self.queue.is_empty() {
                self.queue.push_back(Input::Tick);
            }
        }
    }

    /// Tells the engine what there is to tell now, and does what it says, until both are silent.
    fn settle(&mut self) -> Result<(), SessionError> {
        let mut at_once = 0_u32;
        while let Some(input) = self.queue.pop_front() {
            at_once += 1;
            self.outcome.inputs += 1;
            let seconds = self.now.as_micros() / 1_000_000;
            let most = MAX_INPUTS_AT_FIRST + MAX_INPUTS_PER_SECOND.saturating_mul(seconds);
            if at_once > MAX_INPUTS_AT_ONCE || self.outcome.inputs > most {
                return Err(SessionError::Loop { at: self.situation() });
            }
            if let Some(log) = &mut self.log {
                record::write_line(log, &Line::In(self.now, input.clone()))?;
            }
            self.player.handle_input(self.now, input);
            loop {
                let output = self.player.poll_output();
                if let Some(log) = &mut self.log {
                    record::write_line(log, &Line::Out(output.clone()))?;
                }
                if let Output::Wait(deadline) = output {
                    self.deadline = deadline;
                    break;
                }
                self.perform(output).map_err(|what| SessionError::Contract {
                    at: self.situation(),
                    what,
                })?;
            }
            if let Some(error) = self.failure.take() {
                return Err(SessionError::Player {
                    at: self.situation(),
                    error,
                });
            }
        }
        Ok(())
    }

    fn perform(&mut self, output: Output) -> Result<(), String> {
        match output {
            Output::Append(append) => self.append(&append)?,
            Output::Cancel { request } => {
                let bytes = self.network.received(request);
                self.network.cancel(request);
                if self.ended(request, bytes, true).is_some() {
                    self.outcome.cancelled += 1;
                }
                if let Some(keys) = &mut self.keys {
                    keys.cancel(request);
                }
                self.queue.retain(|input| request_of(input) != Some(request));
            }
            // Nothing but keys has the engine open it anew before the end.
            Output::CloseSource if self.keys.is_some() => {
                self.note_level();
                self.element.close();
                self.queue.retain(|input| {
                    let of_source = matches!(
                        input,
                        Input::Appended { .. } | Input::Removed { .. } | Input::SourceOpened
                    );
                    !of_source
                });
                self.changed(true);
            }
            Output::CreateBuffer { kind, .. } => {
                let known = match kind {
                    TrackKind::Video => true,
                    TrackKind::Audio => self.origin.has_audio(),
                    TrackKind::Text => false,
                };
                if !known || !self.element.create_buffer(kind) {
                    return Err(format!(
                        "it made a source buffer for {} that nobody needs",
                        kind.name()
                    ));
                }
            }
            Output::EndOfStream => {
                let changed = self.element.end_of_stream();
                self.changed(changed);
            }
            Output::Drm(command) => self.command(&command)?,
            Output::Event(PlayerEvent::Error(error)) if error.fatal => self.failure = Some(error),
            Output::Fetch(fetch) => self.fetch(&fetch)?,
            Output::OpenSource => self.queue.push_back(Input::SourceOpened),
            Output::ProbeTypes { types } => self.queue.push_back(Input::TypesSupported(types)),
            Output::Release { request } => {
                self.bodies.remove(&request);
                if let Some(keys) = &mut self.keys {
                    keys.release(request);
                }
            }
            Output::Remove { kind, range } => {
                let changed = self.element.remove(kind, range);
                let buffered = self.element.buffered(kind).to_vec();
                self.queue.push_back(Input::Removed { kind, buffered });
                self.changed(changed);
            }
            Output::Seek { to } => {
                self.note_level();
                self.element.seek(to);
                self.changed(true);
            }
            // Beacons have no collector here, the duration is known, events are for applications.
            _ => {}
        }
        Ok(())
    }

    fn fetch(&mut self, fetch: &Fetch) -> Result<(), String> {
        let request = fetch.request;
        if let Some(licence) = &fetch.licence {
            return self.fetch_licence(request, &fetch.url, licence);
        }
        match self.origin.resolve(fetch)? {
            Resource::Manifest => self.answer(request, "application/dash+xml", self.origin.manifest()),
            Resource::Table => {
                let table = self.origin.table().unwrap_or_default();
                self.answer(request, "application/json", table);
            }
            Resource::Segment(segment) => {
                self.outcome.requests += 1;
                let asked = Asked {
                    segment,
                    at: self.now,
                    first_byte: None,
                };
                self.asked.insert(request, asked);
                self.network.request(request, segment.bytes);
            }
        }
        Ok(())
    }

    /// Answers at once: by the yardstick's rules, what is not media costs no time.
    fn answer(&mut self, request: RequestId, content_type: &str, text: &str) {
        let body = text.as_bytes().to_vec();
        let response = response(request, 200, content_type, body.len() as u64);
        self.queue.push_back(response);
        self.queue.push_back(Input::Body {
            request,
            body: Body(body),
        });
    }

    fn arrived(&mut self, arrival: Arrival) {
        let request = arrival.request;
        if self.licence_arrived(&arrival) {
            return;
        }
        let input = match arrival.what {
            What::Headers(bytes) => {
                if let Some(asked) = self.asked.get_mut(&request) {
                    asked.first_byte = Some(self.now);
                }
                response(request, 206, "video/mp4", bytes)
            }
            What::Progress(bytes) => Input::Progress { request, bytes },
            What::Complete(bytes) => {
                if let Some(segment) = self.ended(request, bytes, false) {
                    self.bodies.insert(request, segment);
                }
                Input::Complete {
                    request,
                    bytes,
                    integrity: Integrity::Whole,
                    cached: false,
                    media: None,
                }
            }
            What::Broken(bytes) => self.lost(request, bytes, "the connection broke"),
            What::Unreachable => self.lost(request, 0, "no connection could be made"),
        };
        self.queue.push_back(input);
    }

    fn lost(&mut self, request: RequestId, bytes: u64, why: &str) -> Input {
        self.ended(request, bytes, true);
        self.outcome.failed += 1;
        Input::Failed {
            request,
            reason: NetworkFailure::Connection(why.to_owned()),
        }
    }

    /// A request has ended, well or not; what it was for, if for a segment.
    fn ended(&mut self, request: RequestId, bytes: u64, abandoned: bool) -> Option<SegmentRef> {
        let asked = self.asked.remove(&request)?;
        if let Some(recorder) = &mut self.recorder {
            let ended_s = seconds(self.now);
            let transfer = Transfer {
                requested_s: seconds(asked.at),
                first_byte_s: asked.first_byte.map_or(ended_s, seconds),
                ended_s,
                segment: asked.segment.index,
                rung: asked.segment.rung,
                bytes,
                abandoned,
            };
            recorder.transfer(asked.segment.kind, transfer);
        }
        Some(asked.segment)
    }

    fn append(&mut self, append: &Append) -> Result<(), String> {
        let (request, kind) = (append.request.0, append.kind);
        if !self.element.has_buffer(kind) {
            return Err(format!(
                "it appended to a source buffer for {} that was never made",
                kind.name()
            ));
        }
        let segment = *self
            .bodies
            .get(&append.request)
            .ok_or_else(|| format!("it appended response {request}, which is not there"))?;
        if segment.kind != kind {
            return Err(format!(
                "it appended response {request}, which is {}, to the source buffer for {}",
                segment.kind.name(),
                kind.name()
            ));
        }
        let whole = ByteRange {
            offset: 0,
            length: segment.bytes,
        };
        if append.bytes.is_some_and(|bytes| bytes != whole) {
            return Err(format!(
                "it appended a part of response {request}, which is one segment"
            ));
        }
        let range = self.origin.time_range(segment.index);
        if let Some(rung) = self.rungs.get_mut(segment.index)
            && kind == TrackKind::Video
            && (rung.is_none() || self.element.position() <= range.start)
        {
            *rung = Some(segment.rung);
        }
        self.note_level();
        let offset = append.timestamp_offset;
        let key = self.origin.key(kind, segment.rung);
        let range = TimeRange::new(range.start + offset, range.end + offset);
        let changed = self.element.append_locked(kind, range, key);
        self.meet(key);
        let buffered = self.element.buffered(kind).to_vec();
        self.queue.push_back(Input::Appended { kind, buffered });
        self.changed(changed);
        self.note_level();
        Ok(())
    }

    /// Tells the engine the element's state, if there is a new one.
    fn changed(&mut self, changed: bool) {
        if changed {
            // Before its readiness falls, as in some browsers.
            self.wait_for_key();
            self.queue.push_back(Input::Media(self.element.state()));
            self.note_course();
        }
    }

    /// Notes the level of the buffer, before and after a jump of it.
    fn note_level(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.level(seconds(self.now), self.element.ahead().as_secs_f64());
        }
    }

    /// Notes the level of the buffer if playback began or stopped.
    fn note_course(&mut self) {
        if let Some(recorder) = &mut self.recorder
            && recorder.turns(self.element.is_playing())
        {
            recorder.level(seconds(self.now), self.element.ahead().as_secs_f64());
        }
    }

    fn finish(mut self) -> Result<Outcome, SessionError> {
        let mut played = Vec::with_capacity(self.rungs.len());
        for (index, rung) in self.rungs.iter().enumerate() {
            let Some(rung) = *rung else {
                let what = format!("it played to the end without segment {index}");
                return Err(SessionError::Contract {
                    at: self.situation(),
                    what,
                });
            };
            played.push(Played {
                rung,
                stall: Duration::ZERO,
            });
        }
        for stall in self.element.stalls() {
            let index = self.origin.content().segment_at(stall.position);
            if let Some(segment) = played.get_mut(index) {
                segment.stall += stall.duration;
            }
        }
        self.note_level();
        let stalls = self.element.stalls();
        self.outcome.timeline = self.recorder.take().map(|recorder| recorder.finish(stalls));
        self.outcome.keys = self.keys.take().map(|keys| keys.finish(stalls));
        self.outcome.played = played;
        self.outcome.duration = self.now.since(Instant::ZERO);
        Ok(self.outcome)
    }

    fn situation(&self) -> Situation {
        Situation {
            now: self.now,
            position: self.element.position(),
            buffer: self.element.ahead(),
            in_flight: self.network.in_flight(),
        }
    }
}

fn response(request: RequestId, status: u16, content_type: &str, bytes: u64) -> Input {
    Input::Response {
        request,
        status,
        url: None,
        content_type: Some(content_type.to_owned()),
        content_length: Some(bytes),
        retry_after_s: None,
        headers: Headers::default(),
    }
}

const fn request_of(input: &Input) -> Option<RequestId> {
    match input {
        Input::Body { request, .. }
        | Input::Complete { request, .. }
        | Input::Failed { request, .. }
        | Input::Progress { request, .. }
        | Input::Response { request, .. } => Some(*request),
        _ => None,
    }
}

fn seconds(at: Instant) -> f64 {
    at.since(Instant::ZERO).as_secs_f64()
}
