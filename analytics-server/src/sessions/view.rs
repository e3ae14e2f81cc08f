//! One view: what its beacons make of it.

use std::sync::Arc;

use player_core::telemetry::schema::{Beacon, Counters, PlaybackState, ViewInfo};

use super::names::Names;
use super::{CLOSED_AFTER_MS, LIVE_FOR_MS, STALLED_AFTER_MS, dimensions};
use crate::id::Id;
use crate::log::{Digest, Record};
use crate::store::rows::{EventsRow, Growth, ViewRow, ViewState, signed};

/// More events of one view are not stored.
const MAX_EVENTS: i64 = 50_000;

/// A view.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) row: ViewRow,
    /// The offset of the first record that the stored row does not know; `None` if it knows them all.
    pub(super) dirty_since: Option<u64>,
    /// There is a stored row.
    pub(super) stored: bool,
}

/// What a beacon that was new brought besides the change of the view.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// If the beacon was the newest of the view.
    pub(super) growth: Option<Growth>,
    pub(super) events: Option<EventsRow>,
    /// It was this beacon that said that the view ended.
    pub(super) ended: bool,
}

impl View {
    /// A view of which nothing is known but a beacon that is about to be applied.
    pub(super) fn new(site: Arc<str>, id: Id, record: &Record) -> Self {
        let row = ViewRow {
            site,
            view_id: id,
            session_id: Id::parse(&record.beacon.session_id).unwrap_or_default(),
            start_ms: record.received_ms - signed(record.beacon.t_ms),
            last_beat_ms: i64::MIN,
            clock_skew_ms: i64::MAX,
            max_seq: -1,
            info_seq: -1,
            weight: 1.0,
            ladder: "[]".into(),
            ..ViewRow::default()
        };
        Self {
            row,
            dirty_since: None,
            stored: false,
        }
    }

    /// A view as it was stored.
    pub(super) fn restore(mut row: ViewRow, names: &mut Names) -> Self {
        for text in texts(&mut row) {
            names.replace(text);
        }
        names.replace(&mut row.site);
        Self {
            row,
            dirty_since: None,
            stored: true,
        }
    }

    /// Applies a beacon, and takes the text of its events. `None` if it had been applied before.
    pub(super) fn apply(&mut self, record: &mut Record, names: &mut Names) -> Option<Applied> {
        let Record { beacon, digest, .. } = &*record;
        if !self.row.seen.insert(beacon.seq) {
            return None;
        }
        self.row.beacons += 1;
        let was_ended = self.row.view_end;
        let mut applied = Applied::default();
        self.date(beacon, record.received_ms);
        self.describe(record, names);
        self.keep_first_intent(beacon, digest);
        let newest = i64::from(beacon.seq) > self.row.max_seq;
        if newest {
            self.follow_waiting(beacon, digest);
            applied.growth = Some(self.count(beacon, digest));
        }
        self.row.waited_ms = self.waited_ms();
        applied.events = self.events(record);
        applied.ended = self.row.view_end && !was_ended;
        Some(applied)
    }

    /// Whether somebody watches now: the last beat is fresh, and the view is neither paused nor over nor has it been
    /// waiting for media for too long.
    pub(super) fn is_watched(&self, now_ms: i64) -> bool {
        if self.row.view_end || now_ms - self.row.last_beat_ms >= LIVE_FOR_MS {
            return false;
        }
        match self.row.state.0 {
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
    pub(super) fn is_open(&self, now_ms: i64) -> bool {
        !self.row.view_end && now_ms - self.row.last_beat_ms < CLOSED_AFTER_MS
    }

    /// Places the view in the server's time.
    ///
    /// A beacon received at `r` and sent `t` after the view's start says that the view began at `r − t`, or before
    /// that, by the time the beacon took. The least of these is nearest to the truth.
    fn date(&mut self, beacon: &Beacon, received_ms: i64) {
        let row = &mut self.row;
        row.start_ms = row.start_ms.min(received_ms - signed(beacon.t_ms));
        row.clock_skew_ms = row.clock_skew_ms.min(received_ms - signed(beacon.sent_at_ms));
        // Two clocks say when the client sent this: the monotonic one, which stands still while a computer sleeps,
        // and the wall clock, which may be set back. The later is right, unless it is later than now.
        let by_monotonic = row.start_ms + signed(beacon.t_ms);
        let by_wall = signed(beacon.sent_at_ms) + row.clock_skew_ms;
        row.last_beat_ms = row.last_beat_ms.max(by_monotonic.max(by_wall).min(received_ms));
    }

    fn describe(&mut self, record: &Record, names: &mut Names) {
        let beacon = &record.beacon;
        let row = &mut self.row;
        row.weight = 1.0 / beacon.sample_rate;
        if let Some(country) = record.country.as_ref().and_then(|c| str::from_utf8(c).ok())
            && *row.country != *country
        {
            row.country = names.share(country);
        }
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
            network,
            page_host,
            cdn_host,
            ladder,
            experiment,
            dimensions: own,
        } = info;
        row.source = names.share(source);
        row.protocol = names.share(protocol);
        row.stream_type = names.share(stream_type);
        row.video_id = names.share(video_id);
        row.video_title = names.share(video_title);
        // One viewer has few views: nothing to share.
        row.viewer_id = viewer_id.as_str().into();
        row.duration_ms = signed(*duration_ms);
        row.player = names.share(player);
        row.abr = names.share(abr);
        row.device = names.share(device);
        row.browser = names.share(browser);
        row.os = names.share(os);
        row.network = names.share(network);
        row.page_host = names.share(page_host);
        row.cdn_host = names.share(cdn_host);
        row.ladder = names.share(&serde_json::to_string(ladder).unwrap_or_else(|_| "[]".to_owned()));
        let none = Default::default();
        let experiment = experiment.as_ref().unwrap_or(&none);
        row.experiment = names.share(&experiment.name);
        row.arm = names.share(&experiment.arm);
        row.arm_probability = experiment.probability;
        row.dimensions = names.share(&dimensions::write(own));
    }

    /// Since when the view has been waiting, and for how long the page was hidden while it waited for its first frame.
    fn follow_waiting(&mut self, beacon: &Beacon, digest: &Digest) {
        let t_ms = signed(beacon.t_ms);
        let waits = matches!(
            beacon.state,
            PlaybackState::Starting | PlaybackState::Rebuffering | PlaybackState::Seeking
        );
        self.row.waiting_since_t_ms = waits.then(|| {
            let same = self.row.state.0 == beacon.state;
            let before = self.row.waiting_since_t_ms.filter(|_| same);
            before.or(digest.wait_t_ms.map(signed)).unwrap_or(t_ms)
        });
        for (t_ms, hidden) in &digest.hidden {
            let at = signed(*t_ms);
            if *hidden {
                self.row.hidden_since_t_ms.get_or_insert(at);
            } else {
                let since = self.row.hidden_since_t_ms.take();
                self.row.hidden_waiting_ms += since.map_or(0, |since| self.hidden_waiting(since, at));
            }
        }
        self.row.state = ViewState(beacon.state);
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
    fn keep_first_intent(&mut self, beacon: &Beacon, digest: &Digest) {
        let known = digest
            .play_t_ms
            .or(beacon.counters.play_intent.then_some(beacon.t_ms))
            .map(signed);
        self.row.intent_t_ms = match (self.row.intent_t_ms, known) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Takes over the totals; answers what they grew by.
    fn count(&mut self, beacon: &Beacon, digest: &Digest) -> Growth {
        let row = &mut self.row;
        let c: &Counters = &beacon.counters;
        let growth = Growth::between(row, c);
        row.max_seq = i64::from(beacon.seq);
        row.last_t_ms = signed(beacon.t_ms);
        row.view_end = digest.view_end;
        row.latency_ms = beacon.latency_ms.map(signed);
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
        row.scaled_media_ms = signed(c.scaled_media_ms);
        row.upscale_media_ms = signed(c.upscale_media_ms);
        row.downscale_media_ms = signed(c.downscale_media_ms);
        row.latency_played_ms = signed(c.latency_played_ms);
        row.latency_ms_played_ms = signed(c.latency_ms_played_ms);
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
        growth
    }

    fn events(&mut self, record: &mut Record) -> Option<EventsRow> {
        let Digest {
            count, fatal_message, ..
        } = &record.digest;
        if fatal_message.is_some() {
            self.row.fatal_message.clone_from(fatal_message);
        }
        if *count == 0 {
            return None;
        }
        if self.row.events >= MAX_EVENTS {
            self.row.events_dropped += i64::from(*count);
            return None;
        }
        self.row.events += i64::from(*count);
        Some(EventsRow {
            site: Arc::clone(&self.row.site),
            view_id: self.row.view_id,
            seq: i64::from(record.beacon.seq),
            received_ms: record.received_ms,
            body: std::mem::take(&mut record.events),
        })
    }
}

/// The texts of a row that views share.
fn texts(row: &mut ViewRow) -> [&mut Arc<str>; 18] {
    [
        &mut row.source,
        &mut row.protocol,
        &mut row.stream_type,
        &mut row.video_id,
        &mut row.video_title,
        &mut row.player,
        &mut row.abr,
        &mut row.device,
        &mut row.browser,
        &mut row.os,
        &mut row.network,
        &mut row.country,
        &mut row.page_host,
        &mut row.cdn_host,
        &mut row.ladder,
        &mut row.experiment,
        &mut row.arm,
        &mut row.dimensions,
    ]
}
