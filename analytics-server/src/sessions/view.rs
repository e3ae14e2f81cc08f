//! One view: what its beacons make of it.

use player_core::telemetry::schema::{Beacon, Counters, Event, PlaybackState, TimedEvent, ViewInfo};

use super::seq_set::SeqSet;
use super::{CLOSED_AFTER_MS, LIVE_FOR_MS, STALLED_AFTER_MS};
use crate::store::rows::{BeatRow, EventRow, ViewRow};

/// A beat dated by a start that turned out wrong by less than this stays where it is.
const SHIFT_TOLERANCE_MS: i64 = 1_000;
/// More events of one view are not stored.
const MAX_EVENTS: i64 = 50_000;

/// A view and the beacons of it that have been seen.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) row: ViewRow,
    pub(crate) state: PlaybackState,
    seen: SeqSet,
    pub(crate) changed: bool,
}

/// What a beacon that was new brought besides the change of the view.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Its `at_ms` is the time since the view's start: the start may still turn out to be earlier.
    pub(crate) beat: Option<BeatRow>,
    pub(crate) events: Vec<EventRow>,
    /// The view's stored beats move by this much.
    pub(crate) shift_ms: i64,
}

impl View {
    /// A view of which nothing is known but a beacon that is about to be applied.
    pub(crate) fn new(beacon: &Beacon, received_ms: i64) -> Self {
        let start_ms = received_ms - signed(beacon.t_ms);
        let row = ViewRow {
            site: beacon.site.clone(),
            view_id: beacon.view_id.clone(),
            session_id: beacon.session_id.clone(),
            start_ms,
            anchor_ms: start_ms,
            last_beat_ms: i64::MIN,
            last_t_ms: 0,
            clock_skew_ms: i64::MAX,
            max_seq: -1,
            info_seq: -1,
            weight: 1.0,
            ladder: "[]".to_owned(),
            ..ViewRow::default()
        };
        Self {
            row,
            state: PlaybackState::Idle,
            seen: SeqSet::default(),
            changed: true,
        }
    }

    /// A view as it was stored.
    pub(crate) fn restore(row: ViewRow) -> Self {
        let state = serde_json::from_value(row.state.clone().into()).unwrap_or_default();
        Self {
            state,
            seen: SeqSet::parse(&row.seen),
            row,
            changed: false,
        }
    }

    /// Applies a beacon. `None` if it had been applied before.
    pub(crate) fn apply(&mut self, beacon: &Beacon, received_ms: i64) -> Option<Applied> {
        if !self.seen.insert(beacon.seq) {
            return None;
        }
        self.changed = true;
        self.row.beacons += 1;
        self.row.seen = self.seen.to_string();
        let mut applied = Applied {
            shift_ms: self.date(beacon, received_ms),
            ..Applied::default()
        };
        self.describe(beacon);
        self.keep_first_intent(beacon);
        let newest = i64::from(beacon.seq) > self.row.max_seq;
        if newest {
            self.follow_waiting(beacon);
            applied.beat = Some(self.count(beacon));
        }
        self.row.waited_ms = self.waited_ms();
        applied.events = self.events(beacon);
        Some(applied)
    }

    /// Whether somebody watches now: the last beat is fresh, and the view is neither paused nor over nor has it been
    /// waiting for media for too long.
    pub(crate) fn is_watched(&self, now_ms: i64) -> bool {
        if self.row.view_end || now_ms - self.row.last_beat_ms >= LIVE_FOR_MS {
            return false;
        }
        match self.state {
            PlaybackState::Playing => true,
            PlaybackState::Starting | PlaybackState::Rebuffering | PlaybackState::Seeking => {
                let since_beat = now_ms - self.row.last_beat_ms;
                let waiting = self
                    .row
                    .waiting_since_t_ms
                    .map_or(0, |since| self.row.last_t_ms - since);
                waiting + since_beat <= STALLED_AFTER_MS
            }
            PlaybackState::Idle | PlaybackState::Paused | PlaybackState::Ended | PlaybackState::Failed => {
                false
            }
        }
    }

    /// Whether the view goes on, as far as known.
    pub(crate) fn is_open(&self, now_ms: i64) -> bool {
        !self.row.view_end && now_ms - self.row.last_beat_ms < CLOSED_AFTER_MS
    }

    /// Places the view in the server's time; answers by how much its earlier beats were misplaced.
    ///
    /// A beacon received at `r` and sent `t` after the view's start says that the view began at `r − t`, or before
    /// that, by the time the beacon took. The least of these is nearest to the truth.
    fn date(&mut self, beacon: &Beacon, received_ms: i64) -> i64 {
        let row = &mut self.row;
        row.start_ms = row.start_ms.min(received_ms - signed(beacon.t_ms));
        row.clock_skew_ms = row.clock_skew_ms.min(received_ms - signed(beacon.sent_at_ms));
        // Two clocks say when the client sent this: the monotonic one, which stands still while a computer sleeps,
        // and the wall clock, which may be set back. The later is right, unless it is later than now.
        let by_monotonic = row.start_ms + signed(beacon.t_ms);
        let by_wall = signed(beacon.sent_at_ms) + row.clock_skew_ms;
        row.last_beat_ms = row.last_beat_ms.max(by_monotonic.max(by_wall).min(received_ms));
        let shift_ms = row.start_ms - row.anchor_ms;
        if shift_ms.abs() < SHIFT_TOLERANCE_MS {
            return 0;
        }
        row.anchor_ms = row.start_ms;
        shift_ms
    }

    fn describe(&mut self, beacon: &Beacon) {
        let row = &mut self.row;
        row.weight = 1.0 / beacon.sample_rate;
        let Some(info) = &beacon.info else { return };
        if i64::from(beacon.seq) < row.info_seq {
            return;
        }
        row.info_seq = i64::from(beacon.seq);
        let ViewInfo {
            source,
            protocol,
            stream_type,
            video_id,
            video_title,
            viewer_id,
            duration_ms,
            player,
            abr,
            device,
            browser,
            os,
            page_host,
            cdn_host,
            ladder,
            ..
        } = info.clone();
        row.source = source;
        row.protocol = protocol;
        row.stream_type = stream_type;
        row.video_id = video_id;
        row.video_title = video_title;
        row.viewer_id = viewer_id;
        row.duration_ms = signed(duration_ms);
        row.player = player;
        row.abr = abr;
        row.device = device;
        row.browser = browser;
        row.os = os;
        row.page_host = page_host;
        row.cdn_host = cdn_host;
        row.ladder = serde_json::to_string(&ladder).unwrap_or_else(|_| "[]".to_owned());
    }

    /// Since when the view has been waiting, and for how long the page was hidden while it waited for its first frame.
    fn follow_waiting(&mut self, beacon: &Beacon) {
        let t_ms = signed(beacon.t_ms);
        let waits = |state| {
            matches!(
                state,
                PlaybackState::Starting | PlaybackState::Rebuffering | PlaybackState::Seeking
            )
        };
        self.row.waiting_since_t_ms = waits(beacon.state).then(|| {
            let began = beacon.events.iter().rev().find_map(|event| match event.event {
                Event::Play | Event::RebufferStart { .. } | Event::Seek { .. } => Some(signed(event.t)),
                _ => None,
            });
            let before = self.row.waiting_since_t_ms.filter(|_| self.state == beacon.state);
            before.or(began).unwrap_or(t_ms)
        });
        for event in &beacon.events {
            let at = signed(event.t);
            match event.event {
                Event::Hidden { hidden: true } => {
                    self.row.hidden_since_t_ms = self.row.hidden_since_t_ms.or(Some(at));
                }
                Event::Hidden { hidden: false } => {
                    let since = self.row.hidden_since_t_ms.take();
                    self.row.hidden_waiting_ms += since.map_or(0, |since| self.hidden_waiting(since, at));
                }
                _ => {}
            }
        }
        self.state = beacon.state;
        self.row.state = name(beacon.state).to_owned();
    }

    /// The part of a hidden stretch that lies after play intent.
    fn hidden_waiting(&self, since: i64, until: i64) -> i64 {
        self.row
            .intent_t_ms
            .map_or(0, |intent| (until - since.max(intent)).max(0))
    }

    fn waited_ms(&self) -> i64 {
        let row = &self.row;
        if let Some(startup_ms) = row.startup_ms {
            return startup_ms;
        }
        let Some(intent) = row.intent_t_ms else { return 0 };
        let hidden_now = row
            .hidden_since_t_ms
            .map_or(0, |since| self.hidden_waiting(since, row.last_t_ms));
        (row.last_t_ms - intent - row.hidden_waiting_ms - hidden_now).max(0)
    }

    /// When play was asked for: by the event, else the first beacon that knows of it.
    fn keep_first_intent(&mut self, beacon: &Beacon) {
        let event = beacon
            .events
            .iter()
            .find(|event| event.event == Event::Play)
            .map(|event| signed(event.t));
        let known = event.or(beacon.counters.play_intent.then(|| signed(beacon.t_ms)));
        self.row.intent_t_ms = match (self.row.intent_t_ms, known) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Takes over the totals; answers what they grew by.
    fn count(&mut self, beacon: &Beacon) -> BeatRow {
        let row = &mut self.row;
        let c: &Counters = &beacon.counters;
        let grown = |now: u64, before: i64| (signed(now) - before).max(0);
        let beat = BeatRow {
            site: row.site.clone(),
            view_id: row.view_id.clone(),
            at_ms: signed(beacon.t_ms),
            weight: row.weight,
            played_ms: grown(c.played_ms, row.played_ms),
            rebuffer_ms: grown(c.rebuffer_ms, row.rebuffer_ms),
            rebuffer_count: grown(c.rebuffer_count, row.rebuffer_count),
            rebuffer_network_ms: grown(c.rebuffer_network_ms, row.rebuffer_network_ms),
            media_ms: grown(c.media_ms, row.media_ms),
            bitrate_kbps_media_ms: grown(c.bitrate_kbps_media_ms, row.bitrate_kbps_media_ms),
            decoded_frames: grown(c.decoded_frames, row.decoded_frames),
            dropped_frames: grown(c.dropped_frames, row.dropped_frames),
            bytes: grown(c.bytes, row.bytes),
        };
        row.max_seq = i64::from(beacon.seq);
        row.last_t_ms = signed(beacon.t_ms);
        row.view_end = beacon.events.iter().any(|event| event.event == Event::ViewEnd);
        row.play_intent = c.play_intent;
        row.startup_ms = c.startup_ms.map(signed);
        row.played_ms = signed(c.played_ms);
        row.paused_ms = signed(c.paused_ms);
        row.rebuffer_ms = signed(c.rebuffer_ms);
        row.rebuffer_count = signed(c.rebuffer_count);
        row.rebuffer_network_ms = signed(c.rebuffer_network_ms);
        row.seek_ms = signed(c.seek_ms);
        row.seek_count = signed(c.seek_count);
        row.media_ms = signed(c.media_ms);
        row.bitrate_kbps_media_ms = signed(c.bitrate_kbps_media_ms);
        row.switches_up = signed(c.switches_up);
        row.switches_down = signed(c.switches_down);
        row.decoded_frames = signed(c.decoded_frames);
        row.dropped_frames = signed(c.dropped_frames);
        row.requests = signed(c.requests);
        row.requests_failed = signed(c.requests_failed);
        row.requests_cancelled = signed(c.requests_cancelled);
        row.bytes = signed(c.bytes);
        row.fatal.clone_from(&c.fatal);
        row.ended = c.ended;
        beat
    }

    fn events(&mut self, beacon: &Beacon) -> Vec<EventRow> {
        let mut rows = Vec::new();
        for (place, event) in beacon.events.iter().enumerate() {
            if let Event::Error {
                fatal: true, message, ..
            } = &event.event
            {
                self.row.fatal_message = Some(message.clone());
            }
            if event.event == Event::Unknown {
                continue;
            }
            let Some(body) = body(event).filter(|_| self.row.events < MAX_EVENTS) else {
                self.row.events_dropped += 1;
                continue;
            };
            self.row.events += 1;
            rows.push(EventRow {
                site: self.row.site.clone(),
                view_id: self.row.view_id.clone(),
                seq: i64::from(beacon.seq),
                place: place as i64,
                t_ms: signed(event.t),
                body,
            });
        }
        rows
    }
}

fn body(event: &TimedEvent) -> Option<String> {
    serde_json::to_string(event).ok()
}

/// The collector bounds these numbers far below.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A state as the schema spells it.
pub(crate) const fn name(state: PlaybackState) -> &'static str {
    match state {
        PlaybackState::Idle => "idle",
        PlaybackState::Starting => "starting",
        PlaybackState::Playing => "playing",
        PlaybackState::Paused => "paused",
        PlaybackState::Rebuffering => "rebuffering",
        PlaybackState::Seeking => "seeking",
        PlaybackState::Ended => "ended",
        PlaybackState::Failed => "failed",
    }
}
