//! One view: its state, its counters, its beacons.

use core::time::Duration;

use super::schema::{
    Beacon, Counters, Event, HEARTBEAT_INTERVAL_MS, MAX_EVENTS_PER_BEACON, PlaybackState, RebufferCause,
    Rung, SCHEMA_VERSION, TimedEvent, ViewInfo,
};
use crate::config::TelemetryConfig;
use crate::input::Load;
use crate::time::{Instant, MediaTime};
use crate::url;

/// A halt shorter than this is not a rebuffering: readiness flaps at appends and seeks.
const MIN_REBUFFER: Duration = Duration::from_millis(250);
const SAMPLE_INTERVAL: Duration = Duration::from_millis(2000);
const INFO_INTERVAL: Duration = Duration::from_secs(600);

/// What the session sees of the element and the buffer at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) state: PlaybackState,
    /// Why it would be rebuffering.
    pub(crate) cause: RebufferCause,
    pub(crate) position: MediaTime,
    /// Rendition under the playhead.
    pub(crate) rendition: Option<&'a Rung>,
    /// Width and height of the element in device pixels; 0 if unknown.
    pub(crate) element: (u32, u32),
    /// How far the playhead is behind the live edge.
    pub(crate) latency: Option<MediaTime>,
    pub(crate) buffer: MediaTime,
    pub(crate) throughput_kbps: u64,
    pub(crate) decoded_frames: u64,
    pub(crate) dropped_frames: u64,
}

/// What changed, for the application.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) state: Option<(PlaybackState, Option<RebufferCause>)>,
    pub(crate) rendition: Option<String>,
}

#[derive(Debug, Default)]
struct Micros {
    played: u64,
    paused: u64,
    rebuffer: u64,
    rebuffer_network: u64,
    seek: u64,
    media: u64,
    kbps_media: u128,
    scaled: u64,
    upscale: u64,
    downscale: u64,
    latency_played: u64,
    /// Milliseconds of latency × microseconds played.
    latency_ms: u128,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct View {
    config: TelemetryConfig,
    view_id: String,
    session_id: String,
    seq: u32,
    start: Instant,
    wall_clock_ms: u64,
    info: ViewInfo,
    info_due: Instant,
    state: PlaybackState,
    counters: Counters,
    micros: Micros,
    events: Vec<TimedEvent>,
    /// Everything up to here is in the counters.
    accounted: Instant,
    position: MediaTime,
    rendition: Option<Rung>,
    latency_ms: Option<u64>,
    play_intent: Option<Instant>,
    hidden: bool,
    /// Time between intent and first frame that does not count: hidden, or playing was not allowed.
    excluded: Duration,
    blocked_since: Option<Instant>,
    halt: Option<Halt>,
    next_heartbeat: Instant,
    next_sample: Instant,
    flush_due: bool,
    ended: bool,
}

/// A halt that may turn out to be a rebuffering.
#[derive(Clone, Copy, Debug)]
struct Halt {
    since: Instant,
    cause: RebufferCause,
    counted: bool,
}

impl View {
    pub(crate) fn new(
        config: &TelemetryConfig,
        load: &Load,
        ids: (String, String),
        now: Instant,
        abr: &str,
    ) -> Self {
        let info = ViewInfo {
            source: url::public(&load.url),
            video_id: load.video_id.clone(),
            video_title: load.video_title.clone(),
            viewer_id: config.viewer_id.clone(),
            player: concat!("headgate/", env!("CARGO_PKG_VERSION")).into(),
            abr: abr.to_owned(),
            device: config.device.clone(),
            browser: config.browser.clone(),
            os: config.os.clone(),
            network: config.network.clone(),
            page_host: config.page_host.clone(),
            cdn_host: url::host(&load.url).to_owned(),
            experiment: config.experiment.clone(),
            dimensions: config.dimensions.clone(),
            ..ViewInfo::default()
        };
        let mut view = Self {
            config: config.clone(),
            view_id: ids.0,
            session_id: ids.1,
            seq: 0,
            start: now,
            wall_clock_ms: load.wall_clock_ms,
            info,
            info_due: now,
            state: PlaybackState::Idle,
            counters: Counters::default(),
            micros: Micros::default(),
            events: Vec::new(),
            accounted: now,
            position: MediaTime::ZERO,
            rendition: None,
            latency_ms: None,
            play_intent: None,
            hidden: false,
            excluded: Duration::ZERO,
            blocked_since: None,
            halt: None,
            next_heartbeat: now + Duration::from_millis(HEARTBEAT_INTERVAL_MS),
            next_sample: now + SAMPLE_INTERVAL,
            flush_due: false,
            ended: false,
        };
        view.event(now, Event::ViewStart);
        view.flush_due = true;
        view
    }

    pub(crate) fn id(&self) -> &str {
        &self.view_id
    }

    pub(crate) fn state(&self) -> PlaybackState {
        self.state
    }

    /// Frames have been shown.
    pub(crate) fn started(&self) -> bool {
        self.counters.startup_ms.is_some()
    }

    pub(crate) fn describe(&mut self, now: Instant, protocol: &str, live: bool, ladder: Vec<Rung>) {
        protocol.clone_into(&mut self.info.protocol);
        self.info.stream_type = if live { "live" } else { "vod" }.into();
        self.info.ladder = ladder;
        self.info_due = now;
        self.event(now, Event::Manifest);
    }

    pub(crate) fn set_live(&mut self) {
        self.info.stream_type = "live".into();
    }

    pub(crate) fn set_duration(&mut self, duration: MediaTime) {
        self.info.duration_ms = duration.as_millis().max(0) as u64;
    }

    pub(crate) fn event(&mut self, now: Instant, event: Event) {
        if !self.config.site.is_empty() {
            let t = self.ms(now);
            self.events.push(TimedEvent { t, event });
        }
    }

    pub(crate) fn counters(&mut self) -> &mut Counters {
        &mut self.counters
    }

    pub(crate) fn set_hidden(&mut self, now: Instant, hidden: bool) {
        if self.hidden != hidden {
            self.account(now);
            self.hidden = hidden;
            self.event(now, Event::Hidden { hidden });
            // The page may not live to see another chance.
            self.flush_due |= hidden;
        }
    }

    /// Takes note of how things stand.
    pub(crate) fn observe(&mut self, now: Instant, seen: &Seen<'_>) -> Changes {
        let was_playing = self.state == PlaybackState::Playing;
        self.account(now);
        self.latency_ms = seen.latency.map(|latency| latency.as_millis().max(0) as u64);
        let mut changes = Changes::default();
        if seen.state != self.state {
            self.transition(now, seen);
            let cause = (seen.state == PlaybackState::Rebuffering).then_some(seen.cause);
            changes.state = Some((seen.state, cause));
        }
        self.count_media(was_playing, seen);
        if let (true, Some(rung)) = (self.started(), seen.rendition)
            && self.rendition.as_ref().is_none_or(|r| r.id != rung.id)
        {
            if let Some(before) = &self.rendition {
                let up = rung.bandwidth_kbps > before.bandwidth_kbps;
                let counter = if up {
                    &mut self.counters.switches_up
                } else {
                    &mut self.counters.switches_down
                };
                *counter += 1;
            }
            let event = Event::Rendition {
                id: rung.id.clone(),
                kbps: rung.bandwidth_kbps,
                height: rung.height,
            };
            self.event(now, event);
            self.rendition = Some(rung.clone());
            changes.rendition = Some(rung.id.clone());
        }
        self.counters.decoded_frames = seen.decoded_frames.max(self.counters.decoded_frames);
        self.counters.dropped_frames = seen.dropped_frames.max(self.counters.dropped_frames);
        self.confirm_halt(now, seen.cause);
        let wakeful = matches!(
            self.state,
            PlaybackState::Starting
                | PlaybackState::Playing
                | PlaybackState::Rebuffering
                | PlaybackState::Seeking
        );
        if now >= self.next_sample {
            if wakeful {
                self.event(
                    now,
                    Event::Sample {
                        pos_ms: seen.position.as_millis().max(0) as u64,
                        buffer_ms: seen.buffer.as_millis().max(0) as u64,
                        kbps: seen.throughput_kbps,
                    },
                );
            }
            self.next_sample = now + SAMPLE_INTERVAL;
        }
        changes
    }

    /// The next time at which `observe` or `flush` has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let halt = self.halt.filter(|h| !h.counted).map(|h| h.since + MIN_REBUFFER);
        if self.config.site.is_empty() || self.ended {
            return halt;
        }
        let next = self.next_heartbeat.min(self.next_sample);
        Some(halt.map_or(next, |h| h.min(next)))
    }

    /// A fatal error ends the view, for its viewer.
    pub(crate) fn fail(&mut self, now: Instant, kind: &str) {
        self.account(now);
        self.halt = None;
        self.state = PlaybackState::Failed;
        self.counters.fatal.get_or_insert_with(|| kind.to_owned());
        self.flush_due = true;
    }

    /// The view is over: its last beacon.
    pub(crate) fn end(&mut self, now: Instant) -> Vec<Beacon> {
        self.account(now);
        self.event(now, Event::ViewEnd);
        self.ended = true;
        self.info_due = now;
        self.flush_due = true;
        self.flush(now)
    }

    /// The beacons that are due.
    pub(crate) fn flush(&mut self, now: Instant) -> Vec<Beacon> {
        let due = self.flush_due || now >= self.next_heartbeat || self.events.len() >= MAX_EVENTS_PER_BEACON;
        self.flush_due = false;
        if self.config.site.is_empty() || !due {
            self.next_heartbeat = if due {
                now + Duration::from_millis(HEARTBEAT_INTERVAL_MS)
            } else {
                self.next_heartbeat
            };
            return Vec::new();
        }
        self.account(now);
        self.next_heartbeat = now + Duration::from_millis(HEARTBEAT_INTERVAL_MS);
        let mut beacons = Vec::new();
        loop {
            let rest = self
                .events
                .split_off(self.events.len().min(MAX_EVENTS_PER_BEACON));
            let events = core::mem::replace(&mut self.events, rest);
            beacons.push(self.beacon(now, events));
            if self.events.is_empty() {
                return beacons;
            }
        }
    }

    fn beacon(&mut self, now: Instant, events: Vec<TimedEvent>) -> Beacon {
        let t_ms = self.ms(now);
        let info = (now >= self.info_due).then(|| {
            self.info_due = now + INFO_INTERVAL;
            self.info.clone()
        });
        let seq = self.seq;
        self.seq += 1;
        Beacon {
            v: SCHEMA_VERSION,
            site: self.config.site.clone(),
            view_id: self.view_id.clone(),
            session_id: self.session_id.clone(),
            seq,
            sent_at_ms: self.wall_clock_ms.saturating_add(t_ms),
            t_ms,
            sample_rate: 1.0,
            info,
            state: self.state,
            latency_ms: self.latency_ms,
            counters: self.totals(),
            events,
        }
    }

    fn totals(&self) -> Counters {
        let ms = |us: u64| us / 1000;
        let m = &self.micros;
        Counters {
            played_ms: ms(m.played),
            paused_ms: ms(m.paused),
            rebuffer_ms: ms(m.rebuffer),
            rebuffer_network_ms: ms(m.rebuffer_network),
            seek_ms: ms(m.seek),
            media_ms: ms(m.media),
            bitrate_kbps_media_ms: u64::try_from(m.kbps_media / 1000).unwrap_or(u64::MAX),
            scaled_media_ms: ms(m.scaled),
            upscale_media_ms: ms(m.upscale),
            downscale_media_ms: ms(m.downscale),
            latency_played_ms: ms(m.latency_played),
            latency_ms_played_ms: u64::try_from(m.latency_ms / 1000).unwrap_or(u64::MAX),
            ..self.counters.clone()
        }
    }

    fn ms(&self, now: Instant) -> u64 {
        now.since(self.start).as_millis() as u64
    }

    /// Adds the time since the last call to the counter of the current state.
    fn account(&mut self, now: Instant) {
        let elapsed = now.since(self.accounted);
        if now > self.accounted {
            self.accounted = now;
        }
        if self.hidden && self.state == PlaybackState::Starting {
            self.excluded += elapsed;
        }
        let us = elapsed.as_micros() as u64;
        let started = self.started();
        match self.state {
            PlaybackState::Playing => {
                self.micros.played += us;
                if let Some(latency_ms) = self.latency_ms {
                    self.micros.latency_played += us;
                    self.micros.latency_ms += u128::from(us) * u128::from(latency_ms);
                }
            }
            PlaybackState::Paused if started => self.micros.paused += us,
            PlaybackState::Seeking if started => self.micros.seek += us,
            PlaybackState::Rebuffering if self.halt.is_some_and(|h| h.counted) => self.add_rebuffer(us),
            _ => {}
        }
    }

    fn add_rebuffer(&mut self, us: u64) {
        self.micros.rebuffer += us;
        if self.halt.is_some_and(|h| h.cause == RebufferCause::Network) {
            self.micros.rebuffer_network += us;
        }
    }

    fn transition(&mut self, now: Instant, seen: &Seen<'_>) {
        let before = core::mem::replace(&mut self.state, seen.state);
        if let Some(halt) = self.halt.take() {
            if halt.counted {
                self.event(now, Event::RebufferEnd);
            } else {
                // Too short to be one: it was played through.
                self.micros.played += now.since(halt.since).as_micros() as u64;
            }
        }
        if before == PlaybackState::Seeking && seen.state != PlaybackState::Failed {
            self.event(now, Event::Seeked);
        }
        match seen.state {
            PlaybackState::Starting => self.intend(now),
            PlaybackState::Playing => {
                self.intend(now);
                if !self.started() {
                    let intent = self.play_intent.unwrap_or(now);
                    let startup = now.since(intent).saturating_sub(self.excluded);
                    self.counters.startup_ms = Some(startup.as_millis() as u64);
                    self.event(now, Event::FirstFrame);
                    self.flush_due = true;
                } else if before == PlaybackState::Paused || before == PlaybackState::Ended {
                    self.event(now, Event::Playing);
                }
            }
            PlaybackState::Paused => self.event(now, Event::Pause),
            PlaybackState::Rebuffering => {
                self.halt = Some(Halt {
                    since: now,
                    cause: seen.cause,
                    counted: false,
                })
            }
            PlaybackState::Seeking => {
                self.counters.seek_count += 1;
                self.event(
                    now,
                    Event::Seek {
                        to_ms: seen.position.as_millis().max(0) as u64,
                    },
                );
            }
            PlaybackState::Ended => {
                self.counters.ended = true;
                self.event(now, Event::Ended);
                self.flush_due = true;
            }
            PlaybackState::Idle => self.blocked_since = self.play_intent.map(|_| now),
            PlaybackState::Failed => {}
        }
    }

    fn intend(&mut self, now: Instant) {
        if let Some(since) = self.blocked_since.take() {
            self.excluded += now.since(since);
        }
        if self.play_intent.is_none() {
            self.play_intent = Some(now);
            self.counters.play_intent = true;
            self.event(now, Event::Play);
            self.flush_due = true;
        }
    }

    fn confirm_halt(&mut self, now: Instant, cause: RebufferCause) {
        let Some(halt) = self
            .halt
            .filter(|h| !h.counted && now.since(h.since) >= MIN_REBUFFER)
        else {
            return;
        };
        let halt = Halt {
            cause,
            counted: true,
            ..halt
        };
        self.halt = Some(halt);
        self.add_rebuffer(now.since(halt.since).as_micros() as u64);
        self.counters.rebuffer_count += 1;
        self.event(halt.since, Event::RebufferStart { cause: halt.cause });
        self.flush_due = true;
    }

    fn count_media(&mut self, was_playing: bool, seen: &Seen<'_>) {
        let advanced = seen.position - self.position;
        self.position = seen.position;
        // A jump is no playing: reports come at least every 250 ms, and rates stay below 16.
        if !was_playing || advanced <= MediaTime::ZERO || advanced > MediaTime::from_millis(8000) {
            return;
        }
        let us = advanced.as_micros() as u64;
        self.micros.media += us;
        if let Some(rung) = &self.rendition {
            self.micros.kbps_media += u128::from(us) * u128::from(rung.bandwidth_kbps);
            if let Some(scale) = scale(seen.element, rung) {
                self.micros.scaled += us;
                self.micros.upscale += ((scale - 1.0).max(0.0) * us as f64) as u64;
                self.micros.downscale += ((1.0 - scale).max(0.0) * us as f64) as u64;
            }
        }
    }
}

/// How much larger the pictures are shown than they are, if both sizes are known.
fn scale((width, height): (u32, u32), rung: &Rung) -> Option<f64> {
    let known = width > 0 && height > 0 && rung.width > 0 && rung.height > 0;
    let of = |shown: u32, source: u32| f64::from(shown) / f64::from(source);
    known.then(|| of(width, rung.width).min(of(height, rung.height)))
}
