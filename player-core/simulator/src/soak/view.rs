//! One viewing in a world where things go wrong, and what must hold all along.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::time::Duration;

use player_core::input::{
    AppendFailure, Body, Headers, Host, Input, Integrity, Load, NetworkFailure, Prepared, RequestId,
    TrackKind,
};
use player_core::output::{Deliver, Fetch, Output, PlayerEvent, Prepare, RequestKind};
use player_core::record::{self, Line};
use player_core::telemetry::schema::{PlaybackState, RebufferCause};
use player_core::time::{ByteRange, TimeRange};
use player_core::{Instant, MediaTime, Player};

use super::streams::{ELSEWHERE, FOLDER, Media, Object, Packaging, Stream};
use super::summary::Tally;
use crate::element::Element;
use crate::faults::{FaultKind, Faults, Stake};
use crate::generate::random::Rng;
use crate::network::{Arrival, Link, Network, What};
use crate::trace::Trace;

/// The wall clock at the beginning of each view.
const WALL_MS: u64 = 1_700_000_000_000;
/// How long a playhead may stand with media ahead of it: the engine nudges three times, then opens the source anew.
const FROZEN_PATIENCE: Duration = Duration::from_secs(25);
/// How long it may stand in a world where nothing has gone wrong since,
const QUIET_PATIENCE: Duration = Duration::from_secs(45);
/// and in one where things go wrong.
const PATIENCE: Duration = Duration::from_secs(300);
/// Two failures of the decoder are so far apart: more are the end, by the engine's design.
const DECODER_REST: Duration = Duration::from_secs(40);
/// Inputs at one time, and in a second.
const MAX_INPUTS_AT_ONCE: u32 = 2000;
const MAX_INPUTS_PER_SECOND: u32 = 1000;
/// Responses that the driver holds, and requests under way.
const MAX_BODIES: usize = 120;
const MAX_REQUESTS: usize = 40;
/// What a network must carry in ten seconds to be one: 60 kbit/s.
const LEAST_MICROBITS: u128 = 600_000_000_000;
const CHECK: Duration = Duration::from_millis(500);
const DRIP_BYTES_PER_S: u64 = 1000;

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} ({at_s} s into the view, playhead at {position_s} s)")]
pub struct Violation {
    /// What.
    pub what: String,
    /// When, in seconds of the view.
    pub at_s: u64,
    /// Where the playhead was.
    pub position_s: u64,
}

/// What a viewing is to be like.
pub struct Plan<'a> {
    /// The stream.
    pub stream: Stream,
    /// The network.
    pub trace: &'a Trace,
    /// What the link does besides.
    pub link: Link,
    /// What goes wrong with requests.
    pub faults: Faults,
    /// What goes wrong with appends, the decoder, the element: a share, as that of the requests.
    pub element_faults: f64,
    /// Bytes that all source buffers hold, if they do not hold everything.
    pub quota_bytes: Option<u64>,
    /// How far the client's clock is off.
    pub clock_off_ms: i64,
    /// The viewer does something every so often; never if zero.
    pub busy_every: Duration,
    /// How long the view lasts, unless it ends before.
    pub lasts: Duration,
    /// Whether what has ended is watched again.
    pub again: bool,
    /// The first subtitles that there are are switched on.
    pub subtitles: bool,
    /// For everything that is chance.
    pub seed: u64,
}

/// How a viewing went.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// The figures.
    pub tally: Tally,
    /// What was reported: the kind and the message.
    pub errors: Vec<(&'static str, String)>,
    /// The error that ended it.
    pub fatal: Option<(&'static str, String)>,
    /// It was played to its end.
    pub ended: bool,
    /// Paths of the requests, in order.
    pub requests: Vec<String>,
    /// Faults of the plan that were met.
    pub met: u32,
    /// Cues that were shown.
    pub cues: usize,
}

/// See the module's text.
pub(super) struct View<'a, 'log> {
    plan: Plan<'a>,
    player: &'a mut Player,
    pub(super) log: Option<&'log mut dyn Write>,
    /// Of the engine, and of this view.
    now: Instant,
    start: Instant,
    network: Network<'a>,
    element: Element,
    rng: Rng,
    deadline: Option<Instant>,
    queue: VecDeque<Input>,
    coming: BTreeMap<(Instant, u64), Event>,
    order: u64,
    asked: BTreeMap<RequestId, Asked>,
    bodies: BTreeMap<RequestId, Held>,
    stored: Vec<(TrackKind, TimeRange, u64)>,
    offline: bool,
    host: Host,
    freeze: Option<u32>,
    decoder_failed: Option<Instant>,
    tracks: Vec<(TrackKind, String)>,
    renditions: Vec<String>,
    duration: Option<MediaTime>,
    live_range: Option<TimeRange>,
    state: (PlaybackState, Option<&'static str>, Instant),
    moved: (MediaTime, Instant),
    trouble: Instant,
    /// When it had next to no media ahead of it last.
    hungry: Instant,
    second: (u64, u32),
    minute: Minute,
    /// Faults by what was asked for, until it has come after all.
    hurt: BTreeMap<String, Vec<FaultKind>>,
    opened: u32,
    done: bool,
    pub(super) watched: Watched,
    pub(super) hash: u64,
    keep_requests: bool,
}

#[derive(Debug, Default)]
struct Minute {
    since: Instant,
    requests: u64,
    allowed: f64,
}

struct Asked {
    path: String,
    deliver: Deliver,
    range: Option<ByteRange>,
    object: Object,
    fault: Option<FaultKind>,
    /// Bytes of a drip so far.
    dripped: u64,
}

struct Held {
    media: Media,
    bytes: u64,
}

#[derive(Debug)]
enum Event {
    Input(Input),
    Drip(RequestId),
    Do(Action),
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Any,
    Resume,
    Seek(MediaTime),
    Online,
    Again,
    BreakDecoder,
    Freeze,
}

impl<'a, 'log> View<'a, 'log> {
    pub(super) fn new(
        plan: Plan<'a>,
        player: &'a mut Player,
        start: Instant,
        keep_requests: bool,
        log: Option<&'log mut dyn Write>,
    ) -> Self {
        let network = Network::new(plan.trace, &plan.link);
        let mut element = Element::new();
        element.advance(start);
        Self {
            rng: Rng::of(&[plan.seed, 0x71e]),
            network,
            element,
            player,
            log,
            now: start,
            start,
            deadline: None,
            queue: VecDeque::new(),
            coming: BTreeMap::new(),
            order: 0,
            asked: BTreeMap::new(),
            bodies: BTreeMap::new(),
            stored: Vec::new(),
            offline: false,
            host: Host {
                width: 1920,
                height: 1080,
                ..Host::default()
            },
            freeze: None,
            decoder_failed: None,
            tracks: Vec::new(),
            renditions: Vec::new(),
            duration: None,
            live_range: None,
            state: (PlaybackState::default(), None, start),
            moved: (MediaTime::ZERO, start),
            trouble: start,
            hungry: start,
            second: (0, 0),
            minute: Minute {
                since: start,
                ..Minute::default()
            },
            hurt: BTreeMap::new(),
            opened: 0,
            done: false,
            watched: Watched::default(),
            hash: 0xcbf2_9ce4_8422_2325,
            keep_requests,
            plan,
        }
    }

    /// Watches; when it is over. A violation ends it.
    pub(super) fn run(&mut self) -> Result<Instant, Violation> {
        let result = self.play();
        self.watched.tally.simulated_s += self.now.since(self.start).as_secs_f64();
        result
    }

    fn play(&mut self) -> Result<Instant, Violation> {
        let wall = WALL_MS as i64 + self.plan.clock_off_ms;
        self.queue.push_back(Input::Host(self.host));
        self.queue.push_back(Input::Load(Load {
            url: self.plan.stream.url(),
            wall_clock_ms: wall.max(1) as u64,
            ..Load::default()
        }));
        self.queue.push_back(Input::Media(self.element.state()));
        if !self.plan.busy_every.is_zero() {
            self.later(self.plan.busy_every, Event::Do(Action::Any));
        }
        if self.plan.element_faults > 0.0 {
            self.plan_element_faults();
        }
        let end = self.start + self.plan.lasts;
        let mut check = self.start;
        let mut arrivals = Vec::new();
        let mut at_once = (self.now, 0_u32);
        loop {
            self.settle()?;
            if self.done || self.now >= end || self.watched.fatal.is_some() {
                break;
            }
            let network = self.network.next().map(|at| self.start + at.since(Instant::ZERO));
            let coming = self.coming.first_key_value().map(|((at, _), _)| *at);
            let next = [
                network,
                self.element.next(),
                self.deadline,
                coming,
                Some(check),
                Some(end),
            ];
            let next = next.into_iter().flatten().min().unwrap_or(end).max(self.now);
            self.now = next;
            if at_once.0 != next {
                at_once = (next, 0);
            }
            at_once.1 += 1;
            if at_once.1 > MAX_INPUTS_AT_ONCE {
                return Err(self.violation("the engine does not come to rest"));
            }
            let changed = self.element.advance(next);
            self.changed(changed);
            self.network
                .advance(Instant::ZERO + next.since(self.start), &mut arrivals);
            for arrival in arrivals.drain(..) {
                self.arrived(arrival);
            }
            while let Some(entry) = self.coming.first_entry().filter(|entry| entry.key().0 <= next) {
                let event = entry.remove();
                self.happens(event);
            }
            if self.now >= check {
                check = self.now + CHECK;
                self.check()?;
            }
            if self.deadline.is_some_and(|deadline| deadline <= self.now) && self.queue.is_empty() {
                self.queue.push_back(Input::Tick);
            }
        }
        self.close()
    }

    /// Ends the view: everything must be let go of.
    fn close(&mut self) -> Result<Instant, Violation> {
        self.turn(None);
        let is_fatal = self.watched.fatal.is_some();
        self.queue.clear();
        self.coming.clear();
        self.queue.push_back(Input::Unload);
        self.settle()?;
        if !self.bodies.is_empty() {
            return Err(self.violation(&format!("{} responses were never released", self.bodies.len())));
        }
        if !self.asked.is_empty() {
            return Err(self.violation(&format!("{} requests were never cancelled", self.asked.len())));
        }
        for kinds in std::mem::take(&mut self.hurt).into_values() {
            for kind in kinds {
                let met = self.watched.tally.faults.entry(kind.to_string()).or_default();
                if is_fatal {
                    met.fatal += 1;
                } else {
                    met.left += 1;
                }
            }
        }
        self.watched.tally.views += 1;
        Ok(self.now + Duration::from_secs(1))
    }

    fn violation(&self, what: &str) -> Violation {
        Violation {
            what: what.to_owned(),
            at_s: self.now.since(self.start).as_secs(),
            position_s: self.element.position().as_micros().max(0) as u64 / 1_000_000,
        }
    }

    // The engine -------------------------------------------------------------------------------------------------------

    /// Tells the engine what there is to tell now, and does what it says, until both are silent.
    fn settle(&mut self) -> Result<(), Violation> {
        let mut at_once = 0;
        while let Some(input) = self.queue.pop_front() {
            at_once += 1;
            let second = self.now.since(self.start).as_secs();
            if self.second.0 != second {
                self.second = (second, 0);
            }
            self.second.1 += 1;
            self.watched.tally.inputs += 1;
            self.watched.tally.most_inputs_a_second =
                self.watched.tally.most_inputs_a_second.max(self.second.1);
            if at_once > MAX_INPUTS_AT_ONCE || self.second.1 > MAX_INPUTS_PER_SECOND {
                return Err(self.violation("the engine is busy with nothing"));
            }
            if let Some(log) = &mut self.log {
                // A log that cannot be written is found out at its end.
                let _ = record::write_line(log, &Line::In(self.now, input.clone()));
            }
            self.player.handle_input(self.now, input);
            loop {
                let output = self.player.poll_output();
                if let Some(log) = &mut self.log {
                    let _ = record::write_line(log, &Line::Out(output.clone()));
                }
                self.mix(&output);
                if let Output::Wait(deadline) = output {
                    self.deadline = deadline;
                    break;
                }
                self.perform(output)?;
            }
        }
        Ok(())
    }

    fn mix(&mut self, output: &Output) {
        let mut hasher = Hasher(self.hash);
        // Hashing cannot fail.
        let _ = serde_json::to_writer(&mut hasher, &(self.now, output));
        self.hash = hasher.0;
    }

    fn perform(&mut self, output: Output) -> Result<(), Violation> {
        match output {
            Output::Append(append) => {
                let Some(held) = self.bodies.get(&append.request) else {
                    return Err(self.violation("a response was appended that is not there"));
                };
                let (media, bytes) = (held.media.clone(), held.bytes);
                self.append(append.kind, &media, bytes, append.timestamp_offset, append.window);
            }
            Output::Cancel { request } => {
                self.asked.remove(&request);
                self.network.cancel(request);
                self.queue.retain(|input| request_of(input) != Some(request));
                self.coming.retain(|_, event| match event {
                    Event::Input(input) => request_of(input) != Some(request),
                    Event::Drip(of) => *of != request,
                    Event::Do(_) => true,
                });
            }
            Output::CloseSource => {
                self.element.close();
                self.freeze = None;
                self.stored.clear();
                self.coming.retain(|_, event| {
                    !matches!(
                        event,
                        Event::Input(
                            Input::Appended { .. }
                                | Input::AppendFailed { .. }
                                | Input::Removed { .. }
                                | Input::SourceOpened
                        )
                    )
                });
                self.changed(true);
            }
            Output::CreateBuffer { kind, .. } if !self.element.create_buffer(kind) => {
                return Err(self.violation("a source buffer was made twice"));
            }
            Output::Cues { cues, .. } => self.watched.cues += cues.len(),
            Output::EndOfStream => {
                let changed = self.element.end_of_stream();
                self.changed(changed);
            }
            Output::Event(event) => self.told(event)?,
            Output::Fetch(fetch) => self.fetch(&fetch)?,
            Output::OpenSource => {
                self.opened += 1;
                self.watched.tally.reopenings += u64::from(self.opened > 1);
                self.later(Duration::from_millis(5), Event::Input(Input::SourceOpened));
            }
            Output::Prepare(prepare) => self.prepare(&prepare)?,
            Output::ProbeTypes { types } => self.queue.push_back(Input::TypesSupported(types)),
            Output::Release { request } if self.bodies.remove(&request).is_none() => {
                return Err(self.violation("a response was released that is not there"));
            }
            Output::Remove { kind, range } => {
                let changed = self.element.remove(kind, range);
                self.stored
                    .retain(|(of, at, _)| *of != kind || at.start < range.start || at.end > range.end);
                let buffered = self.element.buffered(kind).to_vec();
                self.later(
                    Duration::from_millis(1),
                    Event::Input(Input::Removed { kind, buffered }),
                );
                self.changed(changed);
            }
            Output::Seek { to } => {
                self.watched.tally.jumps += 1;
                // A browser lands where it can.
                let short = self.chance(self.plan.element_faults);
                let by = MediaTime::from_millis(if short {
                    (self.rng.uniform() * 60.0) as i64
                } else {
                    0
                });
                self.seek((to - by).max(MediaTime::ZERO));
            }
            Output::SetDuration { duration } => self.duration = Some(duration),
            Output::SetLiveRange { range } => self.live_range = Some(range),
            _ => {}
        }
        Ok(())
    }

    fn told(&mut self, event: PlayerEvent) -> Result<(), Violation> {
        match event {
            PlayerEvent::Error(error) => {
                *self
                    .watched
                    .tally
                    .errors
                    .entry(error.kind.name().to_owned())
                    .or_default() += 1;
                if self.watched.errors.len() < 500 {
                    self.watched
                        .errors
                        .push((error.kind.name(), error.message.clone()));
                }
                if error.fatal {
                    self.watched.fatal = Some((error.kind.name(), error.message.clone()));
                    self.watched.tally.fatal += 1;
                    if self.plan.faults.share() > 0.0 {
                        return Err(self.violation(&format!("the player gave up: {}", error.message)));
                    }
                }
            }
            PlayerEvent::Loaded { renditions, .. } => {
                self.renditions = renditions.into_iter().map(|r| r.id).collect();
            }
            PlayerEvent::Tracks { audio, text } => {
                let audio = audio.into_iter().map(|t| (TrackKind::Audio, t.id));
                self.tracks = audio
                    .chain(text.into_iter().map(|t| (TrackKind::Text, t.id)))
                    .collect();
            }
            PlayerEvent::State { state, cause } => {
                self.turn(Some((state, cause.map(name_of))));
            }
            _ => {}
        }
        Ok(())
    }

    /// Counts the time in the state before.
    fn turn(&mut self, to: Option<(PlaybackState, Option<&'static str>)>) {
        let (state, cause, since) = self.state;
        let seconds = self.now.since(since).as_secs_f64();
        let tally = &mut self.watched.tally;
        match state {
            PlaybackState::Playing => tally.played_s += seconds,
            PlaybackState::Rebuffering => {
                let stalls = tally
                    .stalls
                    .entry(cause.unwrap_or("unknown").to_owned())
                    .or_default();
                stalls.count += 1;
                stalls.seconds += seconds;
            }
            PlaybackState::Paused => tally.paused_s += seconds,
            _ => tally.other_s += seconds,
        }
        if let Some((state, cause)) = to {
            self.state = (state, cause, self.now);
        }
    }

    // The network ------------------------------------------------------------------------------------------------------

    fn view_ms(&self) -> i64 {
        self.now.since(self.start).as_millis() as i64
    }

    fn fetch(&mut self, fetch: &Fetch) -> Result<(), Violation> {
        self.minute.requests += 1;
        self.watched.tally.requests += 1;
        let request = fetch.request;
        let path = [FOLDER, ELSEWHERE]
            .iter()
            .find_map(|folder| fetch.url.strip_prefix(folder));
        let Some(path) = path.map(|path| path.split('?').next().unwrap_or_default().to_owned()) else {
            return Err(self.violation(&format!("it asked for {}", fetch.url)));
        };
        if self.keep_requests {
            self.watched.requests.push(path.clone());
        }
        let view_ms = self.view_ms();
        let find = |at: i64| {
            self.plan
                .stream
                .resolve(&path, fetch.range, at, (WALL_MS as i64 + at) as u64)
        };
        let Some(mut object) = find(view_ms) else {
            self.watched.tally.not_found += 1;
            let object = Object {
                content_type: "text/plain",
                bytes: 200,
                body: String::new(),
                media: Media::None,
                replaceable: true,
            };
            let asked = Asked {
                path,
                deliver: fetch.deliver,
                range: fetch.range,
                object,
                fault: Some(FaultKind::Status(404)),
                dripped: 0,
            };
            self.asked.insert(request, asked);
            self.network.request(request, 200);
            return self.bounded();
        };
        let stake = match object.replaceable {
            true => Stake::OneOfSeveral,
            false => Stake::Only,
        };
        let mut fault = self.plan.faults.draw(&path, stake, fetch.range.is_some());
        if fault == Some(FaultKind::Truncate) && stake == Stake::Only && self.plan.faults.share() > 0.0 {
            // Half a manifest is another one, of which nobody can tell that there is more.
            fault = Some(FaultKind::Break);
        }
        if fault == Some(FaultKind::Stale)
            && let Some(stale) = find(view_ms - 30_000)
            && matches!(fetch.kind, RequestKind::Manifest | RequestKind::Playlist)
        {
            object = stale;
        }
        if let Some(kind) = fault {
            self.watched.met += 1;
            self.watched.tally.faults.entry(kind.to_string()).or_default().met += 1;
            self.trouble = self.now;
            if matches!(
                kind,
                FaultKind::Stale | FaultKind::Type | FaultKind::Redirect | FaultKind::NoRange
            ) {
                // It comes as it should for who can read it.
                if let Some(met) = self.watched.tally.faults.get_mut(&kind.to_string()) {
                    met.recovered += 1;
                }
            } else {
                self.hurt.entry(path.clone()).or_default().push(kind);
            }
        }
        let half = object.bytes / 2;
        if self.offline {
            fault = Some(FaultKind::Refuse);
        }
        match fault {
            Some(FaultKind::Timeout) => {}
            Some(FaultKind::Refuse | FaultKind::Loop) => {
                let reason = NetworkFailure::Connection("refused".to_owned());
                self.later(
                    Duration::from_millis(50),
                    Event::Input(Input::Failed { request, reason }),
                );
            }
            Some(FaultKind::Drip) => self.later(Duration::from_millis(100), Event::Drip(request)),
            Some(FaultKind::Stall | FaultKind::Break | FaultKind::Truncate) => {
                self.network.request(request, half.max(1));
            }
            Some(FaultKind::Html | FaultKind::Status(_) | FaultKind::RetryAfter | FaultKind::Empty) => {
                self.network.request(request, 300);
            }
            Some(FaultKind::NoRange) => {
                let before = fetch.range.map_or(0, |range| range.offset);
                self.network
                    .request(request, object.bytes + before.min(4_000_000));
            }
            _ => self.network.request(request, object.bytes.max(1)),
        }
        let asked = Asked {
            path,
            deliver: fetch.deliver,
            range: fetch.range,
            object,
            fault,
            dripped: 0,
        };
        self.asked.insert(request, asked);
        self.bounded()
    }

    fn bounded(&mut self) -> Result<(), Violation> {
        let tally = &mut self.watched.tally;
        tally.most_requests = tally.most_requests.max(self.asked.len());
        tally.most_bodies = tally.most_bodies.max(self.bodies.len());
        if self.asked.len() > MAX_REQUESTS {
            return Err(self.violation(&format!("{} requests are under way", self.asked.len())));
        }
        if self.bodies.len() > MAX_BODIES {
            return Err(self.violation(&format!("{} responses are held", self.bodies.len())));
        }
        Ok(())
    }

    /// The head of a response.
    fn head(&self, request: RequestId) -> Option<Input> {
        let asked = self.asked.get(&request)?;
        let (mut status, mut url, mut retry_after_s) = (200, None, None);
        let mut content_type = asked.object.content_type;
        let mut length = Some(asked.object.bytes);
        let mut range = None;
        if let Some(asked) = asked.range {
            status = 206;
            range = Some(asked);
        }
        match asked.fault {
            Some(FaultKind::Status(other)) => (status, length, range) = (other, None, None),
            Some(FaultKind::RetryAfter) => {
                (status, length, range) = (429, None, None);
                retry_after_s = Some(3);
            }
            Some(FaultKind::Html) => {
                (status, content_type, length, range) = (200, "text/html", Some(300), None)
            }
            Some(FaultKind::Empty) => (status, length, range) = (200, Some(0), None),
            Some(FaultKind::NoRange) => (status, length, range) = (200, None, None),
            Some(FaultKind::OtherRange) => {
                range = asked.range.map(|range| ByteRange {
                    offset: range.offset + 7,
                    ..range
                });
            }
            Some(FaultKind::Redirect) => url = Some(format!("{ELSEWHERE}{}", asked.path)),
            Some(FaultKind::Truncate) => length = Some(asked.object.bytes / 2),
            Some(FaultKind::Type) => content_type = "text/plain",
            _ => {}
        }
        Some(Input::Response {
            request,
            status,
            url,
            content_type: Some(content_type.to_owned()),
            content_length: length,
            retry_after_s,
            headers: Headers {
                range,
                date_ms: Some(WALL_MS + self.view_ms() as u64),
                ..Headers::default()
            },
        })
    }

    fn arrived(&mut self, arrival: Arrival) {
        let request = arrival.request;
        match arrival.what {
            What::Headers(_) => {
                let head = self.head(request);
                self.queue.extend(head);
            }
            What::Progress(bytes) => {
                // Slow it is, but it comes.
                self.trouble = self.now;
                self.queue.push_back(Input::Progress { request, bytes });
            }
            What::Complete(bytes) => self.complete(request, bytes),
            What::Broken(_) => self.fail(request, "the connection broke"),
            What::Unreachable => self.fail(request, "no connection could be made"),
        }
    }

    fn fail(&mut self, request: RequestId, why: &str) {
        self.trouble = self.now;
        if self.asked.remove(&request).is_some() {
            self.queue.push_back(Input::Failed {
                request,
                reason: NetworkFailure::Connection(why.to_owned()),
            });
        }
    }

    fn complete(&mut self, request: RequestId, sent: u64) {
        let Some(asked) = self.asked.get(&request) else {
            return;
        };
        match asked.fault {
            Some(FaultKind::Stall) => {
                self.trouble = self.now;
                return self.queue.push_back(Input::Progress { request, bytes: sent });
            }
            Some(FaultKind::Break) => return self.fail(request, "the connection broke"),
            Some(FaultKind::Bomb) => {
                self.asked.remove(&request);
                let reason = NetworkFailure::TooLarge;
                return self.queue.push_back(Input::Failed { request, reason });
            }
            _ => {}
        }
        let Some(Asked {
            path,
            deliver,
            object,
            fault,
            ..
        }) = self.asked.remove(&request)
        else {
            return;
        };
        let bad = matches!(
            fault,
            Some(
                FaultKind::Html
                    | FaultKind::Truncate
                    | FaultKind::Empty
                    | FaultKind::OtherRange
                    | FaultKind::Status(_)
                    | FaultKind::RetryAfter
            )
        );
        if !bad {
            // What failed before has come after all.
            for kind in self.hurt.remove(&path).unwrap_or_default() {
                self.watched
                    .tally
                    .faults
                    .entry(kind.to_string())
                    .or_default()
                    .recovered += 1;
            }
        }
        if deliver == Deliver::Body {
            let body = match fault {
                Some(FaultKind::Html) => "<!DOCTYPE html><html><title>Sign in</title></html>".to_owned(),
                Some(FaultKind::Truncate) => object.body.chars().take(object.body.len() / 2).collect(),
                Some(FaultKind::Empty) => String::new(),
                _ => object.body,
            };
            let body = Body(body.into_bytes());
            return self.queue.push_back(Input::Body { request, body });
        }
        let raw = match &object.media {
            Media::Init { raw, .. } | Media::Segment { raw, .. } => *raw,
            Media::Key | Media::None => true,
        };
        let bytes = match fault {
            Some(FaultKind::Html) => 300,
            Some(FaultKind::Empty) => 0,
            Some(FaultKind::Truncate) => sent,
            _ => object.bytes,
        };
        let integrity = match fault {
            Some(FaultKind::Html) => Integrity::Foreign("<!DOCTYPE html>".to_owned()),
            Some(FaultKind::Truncate) if !raw => Integrity::Truncated(object.bytes - bytes.min(object.bytes)),
            _ if raw => Integrity::Foreign("G@".to_owned()),
            _ => Integrity::Whole,
        };
        let media = (!raw && !bad)
            .then(|| self.plan.stream.facts(&object.media))
            .flatten();
        self.bodies.insert(
            request,
            Held {
                media: if bad { Media::None } else { object.media },
                bytes,
            },
        );
        self.queue.push_back(Input::Complete {
            request,
            bytes,
            integrity,
            cached: false,
            media,
        });
    }

    fn drip(&mut self, request: RequestId) {
        self.trouble = self.now;
        let first = self.asked.get(&request).is_some_and(|asked| asked.dripped == 0);
        if first {
            let head = self.head(request);
            self.queue.extend(head);
        }
        let Some(asked) = self.asked.get_mut(&request) else {
            return;
        };
        asked.dripped += DRIP_BYTES_PER_S / 4;
        let (bytes, all) = (asked.dripped, asked.object.bytes);
        if bytes >= all {
            return self.complete(request, all);
        }
        self.queue.push_back(Input::Progress { request, bytes });
        self.later(Duration::from_millis(250), Event::Drip(request));
    }

    fn prepare(&mut self, prepare: &Prepare) -> Result<(), Violation> {
        let request = prepare.request;
        let needed = [prepare.init, prepare.decrypt.map(|decrypt| decrypt.key)];
        if needed
            .into_iter()
            .flatten()
            .any(|other| !self.bodies.contains_key(&other))
        {
            return Err(self.violation("a response is to be prepared by another that is not there"));
        }
        let Some(held) = self.bodies.get(&request) else {
            return Err(self.violation("a response is to be prepared that is not there"));
        };
        let (media, bytes) = (held.media.clone(), held.bytes);
        let fails = self.chance(self.plan.element_faults * 0.2);
        let ts = self.plan.stream.packaging == Packaging::Ts;
        let result = match &media {
            _ if fails => Err("the stream is damaged".to_owned()),
            Media::Segment {
                kind, times, muxed, ..
            } => Ok(Box::new(Prepared {
                mime: match (ts, kind) {
                    (false, _) => String::new(),
                    (true, TrackKind::Audio) => "audio/mp4; codecs=\"mp4a.40.2\"".to_owned(),
                    _ if *muxed && !prepare.mute => "video/mp4; codecs=\"avc1.64001f,mp4a.40.2\"".to_owned(),
                    _ => "video/mp4; codecs=\"avc1.64001f\"".to_owned(),
                },
                bytes,
                times: Some(*times),
                media: if ts { None } else { self.plan.stream.facts(&media) },
                ..Prepared::default()
            })),
            Media::Init { .. } => Ok(Box::new(Prepared {
                bytes,
                media: self.plan.stream.facts(&media),
                ..Prepared::default()
            })),
            Media::Key | Media::None => Err("there are no packets in it".to_owned()),
        };
        if fails {
            self.met("prepare");
        }
        self.later(
            Duration::from_millis(3),
            Event::Input(Input::Prepared { request, result }),
        );
        Ok(())
    }

    // The element ------------------------------------------------------------------------------------------------------

    fn append(
        &mut self,
        kind: TrackKind,
        media: &Media,
        bytes: u64,
        offset: MediaTime,
        window: Option<TimeRange>,
    ) {
        let share = self.plan.element_faults;
        let held: u64 = self.stored.iter().map(|(.., bytes)| bytes).sum();
        let full = self.plan.quota_bytes.is_some_and(|most| held + bytes > most);
        let damaged = matches!(media, Media::None | Media::Key);
        let refused = if full || self.chance(share * 0.1) {
            self.met(if full { "full" } else { "quota" });
            Some(AppendFailure::Quota)
        } else if damaged || self.chance(share * 0.1) {
            self.met("refused");
            Some(AppendFailure::Media(
                "CHUNK_DEMUXER_ERROR_APPEND_FAILED".to_owned(),
            ))
        } else {
            None
        };
        if let Some(reason) = refused {
            let buffered = self.element.buffered(kind).to_vec();
            let input = Input::AppendFailed {
                kind,
                reason,
                buffered,
            };
            return self.later(Duration::from_millis(2), Event::Input(input));
        }
        let mut changed = false;
        if let Media::Segment { times, .. } = media {
            let mut range = TimeRange::new(times.start + offset, times.end + offset);
            range.start = range.start.max(MediaTime::ZERO);
            if let Some(window) = window {
                range = TimeRange::new(range.start.max(window.start), range.end.min(window.end));
            }
            if self.chance(share * 0.3) {
                self.met("hole");
                let ms = if self.chance(0.1) { 1900.0 } else { 400.0 };
                range.start += MediaTime::from_millis((self.rng.uniform() * ms) as i64);
            }
            if range.start < range.end {
                self.stored
                    .retain(|(of, at, _)| *of != kind || at.end <= range.start || at.start >= range.end);
                self.stored.push((kind, range, bytes));
                changed = self.element.append(kind, range);
            }
        }
        let buffered = self.element.buffered(kind).to_vec();
        self.later(
            Duration::from_millis(2),
            Event::Input(Input::Appended { kind, buffered }),
        );
        self.changed(changed);
    }

    fn met(&mut self, what: &str) {
        self.trouble = self.now;
        let met = self.watched.tally.faults.entry(what.to_owned()).or_default();
        met.met += 1;
        met.recovered += 1;
    }

    fn seek(&mut self, to: MediaTime) {
        if let Some(left) = self.freeze {
            self.freeze = left.checked_sub(1);
            if self.freeze.is_none() {
                self.element.set_frozen(false);
            }
        }
        self.element.seek(to);
        self.changed(true);
    }

    /// Tells the engine the element's state, if there is a new one.
    fn changed(&mut self, changed: bool) {
        if changed {
            self.queue.push_back(Input::Media(self.element.state()));
        }
    }

    fn plan_element_faults(&mut self) {
        // At 3%, a failure of the decoder every ten minutes and a frozen picture every five.
        let every = 18.0 / self.plan.element_faults;
        let (decoder, freeze) = (self.exponential(every), self.exponential(every / 2.0));
        self.later(decoder, Event::Do(Action::BreakDecoder));
        self.later(freeze, Event::Do(Action::Freeze));
    }

    fn exponential(&mut self, mean_s: f64) -> Duration {
        let seconds = -libm::log(1.0 - self.rng.uniform()) * mean_s;
        Duration::from_secs_f64(seconds.clamp(0.05, 10.0 * mean_s))
    }

    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.rng.uniform() < share
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.order += 1;
        self.coming.insert((self.now + after, self.order), event);
    }

    // The viewer -------------------------------------------------------------------------------------------------------

    fn happens(&mut self, event: Event) {
        match event {
            Event::Input(input) => {
                if let Some(request) = request_of(&input)
                    && !matches!(input, Input::Prepared { .. })
                {
                    self.asked.remove(&request);
                }
                self.queue.push_back(input);
            }
            Event::Drip(request) => self.drip(request),
            Event::Do(action) => self.act(action),
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Any => {
                self.do_something();
                let after = self.exponential(self.plan.busy_every.as_secs_f64());
                self.later(after, Event::Do(Action::Any));
            }
            Action::Resume => self.pause(false),
            Action::Seek(to) => {
                self.seek(to);
                self.restless();
            }
            Action::Online => {
                self.offline = false;
                self.trouble = self.now;
                self.host.offline = false;
                self.queue.push_back(Input::Host(self.host));
            }
            Action::Again => {
                self.done = false;
                self.seek(MediaTime::ZERO);
                self.restless();
            }
            Action::BreakDecoder => {
                let rested = self
                    .decoder_failed
                    .is_none_or(|at| self.now.since(at) > DECODER_REST);
                if rested && self.element.is_playing() {
                    self.decoder_failed = Some(self.now);
                    self.met("decoder");
                    self.element.fail(3);
                    self.changed(true);
                }
                let after = self.exponential(18.0 / self.plan.element_faults);
                self.later(after, Event::Do(Action::BreakDecoder));
            }
            Action::Freeze => {
                let rested = self
                    .decoder_failed
                    .is_none_or(|at| self.now.since(at) > DECODER_REST);
                if rested && self.freeze.is_none() && self.element.is_playing() {
                    self.decoder_failed = Some(self.now);
                    self.met("frozen");
                    self.freeze = Some((self.rng.uniform() * 4.0) as u32);
                    self.element.set_frozen(true);
                    // It does not know itself.
                }
                let after = self.exponential(9.0 / self.plan.element_faults);
                self.later(after, Event::Do(Action::Freeze));
            }
        }
    }

    fn pause(&mut self, paused: bool) {
        let changed = self.element.set_paused(paused);
        self.restless();
        self.changed(changed);
    }

    /// The viewer did something: patience begins anew.
    fn restless(&mut self) {
        self.trouble = self.now;
        self.moved = (self.element.position(), self.now);
        self.minute.allowed += 12.0;
    }

    fn do_something(&mut self) {
        self.restless();
        self.watched.tally.actions += 1;
        let position = self.element.position();
        let pick = self.rng.uniform();
        let some = self.rng.uniform();
        if pick < 0.25 {
            let to = self.somewhere(some);
            self.seek(to);
        } else if pick < 0.35 {
            // A bar that is dragged.
            for i in 1..=3 {
                let share = self.rng.uniform();
                let to = self.somewhere(share);
                self.later(Duration::from_millis(120 * i), Event::Do(Action::Seek(to)));
            }
        } else if pick < 0.45 {
            let by = MediaTime::from_millis(if some < 0.5 { -10_000 } else { 10_000 });
            let to = self.within(position + by);
            self.seek(to);
        } else if pick < 0.57 {
            self.pause(true);
            let seconds = if some < 0.1 { 900.0 } else { 2.0 + some * 60.0 };
            self.later(Duration::from_secs_f64(seconds), Event::Do(Action::Resume));
        } else if pick < 0.69 {
            const RATES: [f64; 8] = [0.25, 0.5, 1.0, 1.0, 1.0, 1.5, 2.0, 4.0];
            self.element.set_rate(RATES[(some * 8.0) as usize % 8]);
            self.changed(true);
        } else if pick < 0.79 {
            if let Some((kind, id)) = self
                .tracks
                .get((some * self.tracks.len() as f64) as usize)
                .cloned()
            {
                let off = kind == TrackKind::Text && self.chance(0.4);
                let id = (!off).then_some(id);
                self.queue.push_back(Input::SelectTrack { kind, id });
            }
        } else if pick < 0.87 {
            let id = self
                .renditions
                .get((some * 2.0 * self.renditions.len() as f64) as usize)
                .cloned();
            self.queue.push_back(Input::SelectRendition(id));
        } else if pick < 0.93 {
            const SIZES: [(u32, u32); 4] = [(640, 360), (1280, 720), (1920, 1080), (0, 0)];
            (self.host.width, self.host.height) = SIZES[(some * 4.0) as usize % 4];
            self.queue.push_back(Input::Host(self.host));
        } else if pick < 0.97 {
            self.host.hidden = !self.host.hidden;
            self.queue.push_back(Input::Host(self.host));
        } else if !self.offline {
            self.offline = true;
            self.host.offline = true;
            self.queue.push_back(Input::Host(self.host));
            let flying: Vec<_> = self.asked.keys().copied().collect();
            for request in flying {
                self.network.cancel(request);
                self.coming.retain(|_, event| match event {
                    Event::Input(input) => request_of(input) != Some(request),
                    Event::Drip(of) => *of != request,
                    Event::Do(_) => true,
                });
                self.fail(request, "the connection broke");
            }
            self.later(
                Duration::from_secs_f64(2.0 + some * 40.0),
                Event::Do(Action::Online),
            );
        }
    }

    fn somewhere(&self, share: f64) -> MediaTime {
        let (from, to) = self.span();
        from + MediaTime::from_secs_f64((to - from).as_secs_f64() * share)
    }

    fn within(&self, to: MediaTime) -> MediaTime {
        let (from, end) = self.span();
        to.max(from).min(end.max(from))
    }

    fn span(&self) -> (MediaTime, MediaTime) {
        match (self.duration, self.live_range) {
            (Some(duration), _) if duration != MediaTime::MAX => (MediaTime::ZERO, duration),
            (_, Some(range)) => (range.start, range.end),
            _ => (MediaTime::ZERO, self.element.position()),
        }
    }

    // What must hold ---------------------------------------------------------------------------------------------------

    fn check(&mut self) -> Result<(), Violation> {
        self.count_requests()?;
        let position = self.element.position();
        if self.element.has_ended() {
            self.watched.ended = true;
            self.moved = (position, self.now);
            if !self.done {
                if self.plan.again {
                    let waits = self
                        .coming
                        .values()
                        .any(|event| matches!(event, Event::Do(Action::Again)));
                    if !waits {
                        self.later(Duration::from_secs(2), Event::Do(Action::Again));
                    }
                } else {
                    self.done = true;
                }
            }
            return Ok(());
        }
        let since = self.moved.0;
        if position != since {
            let by = (position - since).as_secs_f64().abs();
            let tracks = if self.plan.stream.text { 3.0 } else { 2.0 };
            // With every segment of each track once, and some twice.
            self.minute.allowed +=
                (by * tracks * 2000.0 / self.plan.stream.segment_ms as f64).min(4.0 * tracks);
            self.moved = (position, self.now);
            return Ok(());
        }
        let out = self
            .plan
            .link
            .outages
            .iter()
            .take_while(|outage| outage.at <= Instant::ZERO + self.now.since(self.start));
        let is_out = out.last().is_some_and(|outage| {
            outage.end() + Duration::from_secs(20) > Instant::ZERO + self.now.since(self.start)
        });
        // Of a page that nobody sees the engine leaves alone what stands still.
        let is_unseen = self.host.hidden && self.freeze.is_some();
        if self.element.is_paused() || self.offline || is_out || is_unseen {
            self.moved.1 = self.now;
            return Ok(());
        }
        // Where the network carries next to nothing, nothing can be had.
        let elapsed = self.now.since(self.start);
        let before = elapsed.saturating_sub(Duration::from_secs(10));
        if self.plan.trace.carried(elapsed) - self.plan.trace.carried(before) < LEAST_MICROBITS {
            self.trouble = self.now;
        }
        let stood = self.now.since(self.moved.1);
        let ahead = self.element.ahead();
        self.watched.tally.longest_stand_s = self.watched.tally.longest_stand_s.max(stood.as_secs_f64());
        if ahead <= MediaTime::from_millis(1500) {
            self.hungry = self.now;
        }
        if self.now.since(self.moved.1.max(self.hungry)) > FROZEN_PATIENCE {
            return Err(self.violation("the playhead stands with media ahead of it"));
        }
        let quiet = self.now.since(self.moved.1.max(self.trouble));
        if quiet > QUIET_PATIENCE || stood > PATIENCE {
            let buffers: Vec<_> = [TrackKind::Video, TrackKind::Audio]
                .into_iter()
                .map(|kind| {
                    let ranges = self.element.buffered(kind).iter();
                    let ranges: Vec<_> = ranges
                        .map(|r| (r.start.as_secs_f64(), r.end.as_secs_f64()))
                        .collect();
                    format!("{} {ranges:?}", kind.name())
                })
                .collect();
            let paths: Vec<_> = self.asked.values().map(|asked| asked.path.as_str()).collect();
            return Err(self.violation(&format!(
                "the playhead stands for {} s though there is something to play: {}; requests under way: {paths:?}",
                stood.as_secs(),
                buffers.join(", ")
            )));
        }
        Ok(())
    }

    fn count_requests(&mut self) -> Result<(), Violation> {
        if self.now.since(self.minute.since) < Duration::from_secs(60) {
            return Ok(());
        }
        let minute = std::mem::replace(
            &mut self.minute,
            Minute {
                since: self.now,
                ..Minute::default()
            },
        );
        let tally = &mut self.watched.tally;
        tally.most_requests_a_minute = tally.most_requests_a_minute.max(minute.requests);
        // Manifests and playlists of what is live, and what fails and is tried again.
        let usual = 200.0;
        if minute.requests as f64 > usual + minute.allowed {
            return Err(self.violation(&format!(
                "{} requests in a minute, where {:.0} are plenty",
                minute.requests,
                usual + minute.allowed
            )));
        }
        Ok(())
    }
}

const fn name_of(cause: RebufferCause) -> &'static str {
    match cause {
        RebufferCause::Decode => "decode",
        RebufferCause::Network => "network",
        RebufferCause::Seek => "seek",
        RebufferCause::Other => "other",
    }
}

/// FNV-1a.
struct Hasher(u64);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn request_of(input: &Input) -> Option<RequestId> {
    match input {
        Input::Response { request, .. }
        | Input::Progress { request, .. }
        | Input::Body { request, .. }
        | Input::Complete { request, .. }
        | Input::Failed { request, .. } => Some(*request),
        _ => None,
    }
}
