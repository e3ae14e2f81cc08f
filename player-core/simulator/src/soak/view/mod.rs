//! One viewing in a world where things go wrong, and what must hold all along.

mod check;
mod origin;
mod source;
mod viewer;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::time::Duration;

use player_core::input::{Host, Input, Load, RequestId, TrackKind};
use player_core::output::{Deliver, Output, PlayerEvent};
use player_core::record::{self, Line};
use player_core::telemetry::schema::{Beacon, PlaybackState, RebufferCause};
use player_core::time::{ByteRange, TimeRange};
use player_core::{Instant, MediaTime, Player};

use super::streams::{Media, Object, Stream};
use super::summary::Tally;
use crate::element::Element;
use crate::faults::{FaultKind, Faults};
use crate::generate::random::Rng;
use crate::network::{Link, Network};
use crate::trace::Trace;

/// The wall clock at the beginning of each view.
const WALL_MS: u64 = 1_700_000_000_000;
/// Inputs at one time, and in a second.
const MAX_INPUTS_AT_ONCE: u32 = 2000;
const MAX_INPUTS_PER_SECOND: u32 = 1000;
const CHECK: Duration = Duration::from_millis(500);

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
    /// When the servers fail, if they do.
    pub trouble: Option<Trouble>,
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
    /// Width and height of the element, device pixels.
    pub size: (u32, u32),
    /// For everything that is chance.
    pub seed: u64,
}

/// Servers that fail for a while: they answer some requests with a status of 500 and above.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trouble {
    /// Since when, in the time of the view.
    pub from: Duration,
    /// Until when.
    pub until: Duration,
    /// The share of requests that they fail, 0 to 1.
    pub share: f64,
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
    /// What the engine reported, if its configuration names a site.
    pub beacons: Vec<Beacon>,
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
                width: plan.size.0,
                height: plan.size.1,
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
            Output::Beacon(beacon) => self.watched.beacons.push(*beacon),
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
                self.turn(Some((state, cause.map(RebufferCause::name))));
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
