//! Common Media Client Data: what the player tells the servers that it fetches from, and collectors, about playback.
//!
//! CTA-5004 (version 1) and CTA-5004-B (version 2). Nothing is told unless [`CmcdConfig`] says so. What servers tell is in [`cmsd`].

pub mod cmsd;
mod events;
mod fields;
pub mod reader;

use core::time::Duration;

pub(crate) use events::Response;
use events::Target;
use fields::Report;

use crate::config::{CmcdConfig, CmcdMode};
use crate::input::TrackKind;
use crate::manifest::steering::with_param;
use crate::output::{Fetch, RequestKind};
use crate::presentation::{Protocol, Rendition, split_codecs};
use crate::telemetry::schema::PlaybackState;
use crate::time::{Bitrate, ByteRange, Instant, MediaTime, WallTime};

/// A buffer that plays on by itself for so long is stable: nothing is urgent any more.
const STABLE_MS: u64 = 10_000;
/// The throughput that servers are told to be enough is so many times what would just do.
const ENOUGH: u64 = 5;

/// The type of what is asked for (`ot`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ObjectType {
    Audio,
    Caption,
    Init,
    Key,
    Manifest,
    Muxed,
    TimedText,
    #[default]
    Video,
}

impl ObjectType {
    const fn token(self) -> &'static str {
        match self {
            Self::Audio => "a",
            Self::Caption => "c",
            Self::Init => "i",
            Self::Key => "k",
            Self::Manifest => "m",
            Self::Muxed => "av",
            Self::TimedText => "tt",
            Self::Video => "v",
        }
    }

    /// Whether it is a stretch of media.
    const fn is_media(self) -> bool {
        matches!(
            self,
            Self::Audio | Self::Caption | Self::Muxed | Self::TimedText | Self::Video
        )
    }
}

/// A segment, or what belongs to a rendition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object {
    pub(crate) kind: ObjectType,
    /// Of its rendition, the lowest and the highest one of the ladder.
    pub(crate) bitrates: [Bitrate; 3],
    /// The bitrates are those of a whole variant with its sound (HLS).
    pub(crate) aggregate: bool,
    pub(crate) duration: MediaTime,
    /// What will probably be asked for next.
    pub(crate) next: Option<(String, Option<ByteRange>)>,
}

/// How playback stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Playback {
    pub(crate) state: PlaybackState,
    pub(crate) position: MediaTime,
    pub(crate) rate: f64,
    pub(crate) hidden: bool,
    /// Media ahead of the playhead in each buffer there is.
    pub(crate) audio: Option<MediaTime>,
    pub(crate) video: Option<MediaTime>,
    /// How much there should be.
    pub(crate) target: MediaTime,
    pub(crate) throughput: Option<Bitrate>,
    /// Of the rendition that is fetched, and of that which is seen.
    pub(crate) selected: Option<Bitrate>,
    pub(crate) shown: Option<Bitrate>,
    pub(crate) dropped_frames: u64,
    /// New segments come.
    pub(crate) live: bool,
    /// Behind the live edge.
    pub(crate) latency: Option<MediaTime>,
}

/// All that is told, and to whom.
#[derive(Debug)]
pub(crate) struct Cmcd {
    config: CmcdConfig,
    session_id: String,
    content_id: String,
    protocol: Option<Protocol>,
    playback: Option<Playback>,
    /// When it was told to play, how long that took.
    asked_at: Option<Instant>,
    start_delay: Option<Duration>,
    urgent: bool,
    /// The playhead has stood still for want of media: told once, how often in all, since when, how long the last time (told once).
    starved: bool,
    stalls: u64,
    stalled_at: Option<Instant>,
    stall: Option<Duration>,
    /// Requests that were told, and whether the start delay was.
    sequence: u64,
    start_told: bool,
    targets: Vec<Target>,
}

impl Cmcd {
    /// `None` if nothing is to be told. `id` and `content` are for what the configuration leaves open.
    pub(crate) fn new(config: &CmcdConfig, id: &str, content: &str, now: Instant) -> Option<Box<Self>> {
        if config.mode == CmcdMode::Off && config.targets.is_empty() {
            return None;
        }
        let or = |set: &str, default: &str| match set {
            "" => default.to_owned(),
            set => set.to_owned(),
        };
        Some(Box::new(Self {
            session_id: or(&config.session_id, id),
            content_id: or(&config.content_id, content),
            protocol: None,
            playback: None,
            asked_at: None,
            start_delay: None,
            urgent: true,
            starved: false,
            stalls: 0,
            stalled_at: None,
            stall: None,
            sequence: 0,
            start_told: false,
            targets: config
                .targets
                .iter()
                .map(|target| Target::new(target, now))
                .collect(),
            config: config.clone(),
        }))
    }

    /// The manifest was read.
    pub(crate) fn describe(&mut self, protocol: Protocol) {
        self.protocol = Some(protocol);
    }

    /// Adds to a request what its server is told.
    pub(crate) fn decorate(&mut self, object: Option<&Object>, fetch: &mut Fetch) {
        let kind = match fetch.kind {
            RequestKind::Manifest | RequestKind::Playlist => ObjectType::Manifest,
            RequestKind::Init => ObjectType::Init,
            RequestKind::Segment => object.map_or(ObjectType::Video, |object| object.kind),
            RequestKind::Text => object.map_or(ObjectType::Caption, |object| object.kind),
            RequestKind::Certificate | RequestKind::Key | RequestKind::Licence
                if self.config.include_keys =>
            {
                ObjectType::Key
            }
            _ => return,
        };
        if self.config.mode == CmcdMode::Off {
            return;
        }
        let version = if self.config.version >= 2 { 2 } else { 1 };
        let mut report = Report::new(version, &self.config.keys);
        report.token("ot", kind.token());
        if let Some(object) = object {
            self.object(&mut report, kind, object, &fetch.url);
        }
        self.session(&mut report);
        self.status(&mut report, Some(kind));
        report.number("sn", self.sequence);
        self.sequence += 1;
        if let Some(delay) = self.start_delay.filter(|_| !self.start_told)
            && report.number("msd", delay.as_millis() as u64)
        {
            self.start_told = true;
        }
        if kind.is_media() {
            self.starved = false;
            self.stall = None;
        }
        if self.config.mode == CmcdMode::Query {
            let value = report.encoded();
            if !value.is_empty() {
                fetch.url = with_param(&fetch.url, "CMCD", &value);
            }
        } else {
            fetch.headers.extend(report.headers());
        }
    }

    /// Takes how playback stands now; what has changed is an event.
    pub(crate) fn observe(&mut self, now: Instant, wall: WallTime, playback: Playback) {
        let before = self.playback.replace(playback);
        let state = playback.state;
        let was = before.map(|before| before.state);
        if state == PlaybackState::Starting && self.asked_at.is_none() {
            self.asked_at = Some(now);
        }
        if state == PlaybackState::Playing && self.start_delay.is_none() {
            self.start_delay = Some(now.since(self.asked_at.unwrap_or(now)));
        }
        if was != Some(state) {
            if state == PlaybackState::Rebuffering {
                self.starved = true;
                self.stalls += 1;
                self.stalled_at = Some(now);
            } else if let Some(at) = self.stalled_at.take() {
                self.stall = Some(now.since(at));
            }
        }
        match state {
            PlaybackState::Starting | PlaybackState::Seeking | PlaybackState::Rebuffering => {
                self.urgent = true
            }
            _ if least(&playback) >= STABLE_MS.min(millis(playback.target)) => self.urgent = false,
            _ => {}
        }
        self.compare(now, wall, before.as_ref(), &playback);
    }

    fn object(&self, report: &mut Report<'_>, kind: ObjectType, object: &Object, url: &str) {
        let names = match object.aggregate && report.version() > 1 {
            true => ["ab", "lab", "tab"],
            false => ["br", "lb", "tb"],
        };
        if kind.is_media() {
            for (name, bitrate) in names.into_iter().zip(object.bitrates) {
                if bitrate.as_bps() > 0 {
                    report.list(name, &[(bitrate.as_kbps(), kind.token())]);
                }
            }
            report.number("d", millis(object.duration));
            let (buffer, rate) = (
                self.buffer(kind),
                self.playback.map_or(1.0, |playback| playback.rate),
            );
            if let Some(buffer) = buffer.filter(|_| rate > 0.0) {
                let deadline = (buffer as f64 / rate) as u64;
                report.number("dl", hundreds(deadline));
                let [bitrate, _, top] = object.bitrates.map(Bitrate::as_kbps);
                let just = bitrate.saturating_mul(millis(object.duration)) / deadline.max(500);
                let enough = just.saturating_mul(ENOUGH).max(top.saturating_mul(2));
                if enough > 0 {
                    report.number("rtp", hundreds(enough).max(100));
                }
            }
        }
        if let Some((next, range)) = &object.next {
            report.next(url, next, *range);
        }
    }

    fn session(&self, report: &mut Report<'_>) {
        report.text("sid", &self.session_id, 64);
        report.text(
            "cid",
            &self.content_id,
            if report.version() > 1 { 128 } else { 64 },
        );
        if let Some(protocol) = self.protocol {
            let live = self.playback.is_some_and(|playback| playback.live);
            report.token("sf", if protocol == Protocol::Dash { "d" } else { "h" });
            report.token("st", if live { "l" } else { "v" });
        }
        report.version_key();
    }

    /// With a request: of the buffer of its kind only.
    fn status(&self, report: &mut Report<'_>, kind: Option<ObjectType>) {
        let Some(playback) = &self.playback else {
            return;
        };
        let token = kind.unwrap_or_default().token();
        match kind {
            None => report.list("bl", &self.buffers()),
            Some(kind) => {
                if let Some(buffer) = self.buffer(kind) {
                    report.list("bl", &[(hundreds(buffer), token)]);
                }
            }
        }
        if let Some(throughput) = playback.throughput {
            report.list("mtp", &[(hundreds(throughput.as_kbps()), "")]);
        }
        let rate = rate(playback);
        if rate != 1.0 {
            report.decimal("pr", rate);
        }
        report.flag(
            "su",
            self.urgent && kind.is_some_and(|kind| kind.is_media() || kind == ObjectType::Init),
        );
        report.flag("bs", self.starved);
        report.flag("bg", playback.hidden);
        report.token("sta", state_token(playback.state));
        report.list("tbl", &[(hundreds(millis(playback.target)), "")]);
        report.number("pt", millis(playback.position));
        report.number("dfa", playback.dropped_frames);
        report.list("bsa", &[(self.stalls, "")]);
        if let Some(stall) = self.stall {
            report.list("bsd", &[(stall.as_millis() as u64, "")]);
        }
        if let Some(shown) = playback.shown {
            report.list("pb", &[(shown.as_kbps(), "v")]);
        }
        if let Some(latency) = playback.latency {
            report.number("ltc", millis(latency));
        }
    }

    fn buffer(&self, kind: ObjectType) -> Option<u64> {
        let playback = self.playback.as_ref()?;
        let buffer = match kind {
            ObjectType::Audio => playback.audio,
            ObjectType::Muxed | ObjectType::Video => playback.video,
            _ => None,
        };
        buffer.map(millis)
    }

    fn buffers(&self) -> Vec<(u64, &'static str)> {
        let buffers = [ObjectType::Audio, ObjectType::Video].map(|kind| (self.buffer(kind), kind.token()));
        let each = buffers
            .into_iter()
            .filter_map(|(buffer, token)| Some((hundreds(buffer?), token)));
        each.collect()
    }
}

impl Object {
    /// A segment of a rendition; the bitrates of the ladder, the duration and what comes next are to be filled in.
    pub(crate) fn of(kind: TrackKind, rendition: &Rendition) -> Self {
        let has_sound = || !split_codecs(&rendition.codecs, TrackKind::Audio).is_empty();
        let kind = match kind {
            TrackKind::Audio => ObjectType::Audio,
            TrackKind::Text if rendition.container.ends_with("mp4") => ObjectType::TimedText,
            TrackKind::Text => ObjectType::Caption,
            TrackKind::Video if rendition.audio_group.is_empty() && has_sound() => ObjectType::Muxed,
            TrackKind::Video => ObjectType::Video,
        };
        Self {
            kind,
            bitrates: [rendition.bandwidth; 3],
            aggregate: !rendition.audio_group.is_empty() && kind == ObjectType::Video,
            duration: MediaTime::ZERO,
            next: None,
        }
    }
}

fn least(playback: &Playback) -> u64 {
    let buffers = [playback.audio, playback.video];
    buffers.into_iter().flatten().min().map_or(0, millis)
}

/// 0 while it is not to play.
fn rate(playback: &Playback) -> f64 {
    match playback.state {
        PlaybackState::Ended | PlaybackState::Failed | PlaybackState::Idle | PlaybackState::Paused => 0.0,
        _ => playback.rate,
    }
}

const fn state_token(state: PlaybackState) -> &'static str {
    match state {
        PlaybackState::Idle => "d",
        PlaybackState::Starting => "s",
        PlaybackState::Playing => "p",
        PlaybackState::Paused => "a",
        PlaybackState::Rebuffering => "r",
        PlaybackState::Seeking => "k",
        PlaybackState::Ended => "e",
        PlaybackState::Failed => "f",
    }
}

fn millis(time: MediaTime) -> u64 {
    time.as_millis().max(0) as u64
}

/// To the nearest hundred.
const fn hundreds(number: u64) -> u64 {
    number.saturating_add(50) / 100 * 100
}
