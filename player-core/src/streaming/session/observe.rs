//! What is seen of a session: states, counters, figures.

use super::load::{info, rung};
use super::{STARVED, STATS_INTERVAL, Session};
use crate::cmcd::Playback;
use crate::input::{MediaState, TrackKind};
use crate::output::{PlayerEvent, Stats};
use crate::streaming::context::Cx;
use crate::streaming::frames::Shown;
use crate::streaming::loader::Loader;
use crate::streaming::requests::{Attempt, Job, Purpose};
use crate::telemetry::Seen;
use crate::telemetry::schema::{Event, PlaybackState, RebufferCause};
use crate::time::{Instant, MediaTime};

impl Session {
    /// Takes note of how things stand, and tells; says when to look again.
    pub(super) fn observe(&mut self, cx: &mut Cx<'_>) -> Option<Instant> {
        let position = self.playhead.position(cx.now);
        let state = *self.playhead.state();
        let buffers = self.loaders.iter().filter(|l| !l.is_text());
        let buffer = buffers.map(|l| l.playable(position)).min().unwrap_or_default();
        self.see(position);
        let rendition = self.visible.as_ref().map(|(_, rung)| rung);
        let cause = if self.shared.drm.is_waited_for() {
            RebufferCause::Key
        } else if buffer > STARVED {
            RebufferCause::Decode
        } else {
            RebufferCause::Network
        };
        let throughput = cx.abr.estimate();
        let host = self.shared.limits.host;
        let latency = self.live.on.then(|| self.lateness(cx.now, position)).flatten();
        let seen = Seen {
            state: self.playback_state(&state),
            cause,
            position,
            rendition,
            element: (host.width, host.height),
            latency,
            buffer,
            throughput_kbps: throughput.map_or(0, |e| e.as_kbps()),
            decoded_frames: state.decoded_frames,
            dropped_frames: state.dropped_frames,
        };
        let changes = self.view.observe(cx.now, &seen);
        self.tell_servers(cx, &state, position);
        let shown = self.shown(&state, position);
        let max_share = cx.config.abr.max_dropped_frames;
        if !self.failed && self.shared.limits.frames.observe(cx.now, shown, max_share) {
            self.limit(cx);
        }
        if let Some((state, cause)) = changes.state {
            if state == PlaybackState::Rebuffering && cause == Some(RebufferCause::Network) {
                self.on_halt(cx);
            }
            cx.event(PlayerEvent::State { state, cause });
        }
        if let Some(id) = changes.rendition {
            cx.event(PlayerEvent::Rendition { id, visible: true });
        }
        if !self.failed && !self.loaders.is_empty() && cx.now >= self.stats_due {
            self.stats_due = cx.now + STATS_INTERVAL;
            let current = self.main().and_then(|main| main.slots.get(main.current()?));
            let rendition = current.map(|slot| slot.rendition.id.clone()).unwrap_or_default();
            cx.event(PlayerEvent::Stats(Stats {
                buffer,
                throughput,
                rendition,
                latency,
            }));
        }
        self.tell_due(cx, position)
    }

    /// What servers are told of how playback stands, if they are.
    fn tell_servers(&mut self, cx: &mut Cx<'_>, media: &MediaState, position: MediaTime) {
        if !self.shared.requests.tells() {
            return;
        }
        let buffer = |kind| {
            let loader = self.loaders.iter().find(|l| l.kind == kind);
            loader.map(|l| l.playable(position))
        };
        let main = self.main();
        let bitrate = |rendition| Some(main?.slots.get(rendition)?.rendition.bandwidth);
        let playback = Playback {
            state: self.view.state(),
            position,
            rate: media.rate,
            hidden: self.shared.limits.host.hidden,
            audio: buffer(TrackKind::Audio),
            video: buffer(TrackKind::Video),
            target: MediaTime::from_secs_f64(cx.config.buffer.goal_s),
            throughput: cx.abr.estimate(),
            selected: main.and_then(Loader::current).and_then(bitrate),
            shown: main.and_then(|l| l.rendition_at(position)).and_then(bitrate),
            dropped_frames: media.dropped_frames,
            live: self.live.on,
            latency: self.latency(cx.now, position),
        };
        self.shared.requests.observe(cx, playback);
    }

    /// Notes the rendition under the playhead.
    fn see(&mut self, position: MediaTime) {
        let Some(shown) = self.main().and_then(|main| main.rendition_at(position)) else {
            self.visible = None;
            return;
        };
        if self.visible.as_ref().is_some_and(|(known, _)| *known == shown) {
            return;
        }
        let slot = self.main().and_then(|main| main.slots.get(shown));
        self.visible = slot.map(|slot| (shown, rung(&info(&slot.rendition))));
    }

    /// What is shown, while dropped frames are the decoder's doing: a hidden page drops them, and so does a screen that is asked
    /// for more frames than it has.
    fn shown(&self, media: &MediaState, position: MediaTime) -> Option<Shown> {
        let plays = self.view.state() == PlaybackState::Playing;
        if !plays || self.shared.limits.host.hidden || media.rate > 1.0 {
            return None;
        }
        let main = self.main()?;
        let shown = main.rendition_at(position)?;
        let bandwidth = main.slots.get(shown)?.rendition.bandwidth;
        let mut others = main.slots.ladder().iter().filter_map(|r| main.slots.get(*r));
        Some(Shown {
            rendition: bandwidth,
            lowest: others.all(|slot| slot.rendition.bandwidth >= bandwidth),
            decoded: media.decoded_frames,
            dropped: media.dropped_frames,
        })
    }

    fn playback_state(&self, media: &MediaState) -> PlaybackState {
        if self.failed {
            return PlaybackState::Failed;
        }
        let before = self.view.state();
        if self.scan.is_some() {
            PlaybackState::Seeking
        } else if media.ended {
            PlaybackState::Ended
        } else if media.paused {
            match (self.view.started(), media.seeking) {
                (false, _) => PlaybackState::Idle,
                (true, false) => PlaybackState::Paused,
                (true, true) => PlaybackState::Seeking,
            }
        } else if media.ready_state >= 3 && !media.seeking {
            PlaybackState::Playing
        } else if !self.view.started() {
            PlaybackState::Starting
        } else if media.seeking || before == PlaybackState::Seeking {
            // After the seek has found its place, until frames advance.
            PlaybackState::Seeking
        } else {
            PlaybackState::Rebuffering
        }
    }

    pub(super) fn account_request(&mut self, cx: &Cx<'_>, job: &Job, attempt: &Attempt, cancelled: bool) {
        let counters = self.view.counters();
        counters.requests += 1;
        counters.bytes += attempt.bytes;
        let (track, rendition) = match job.purpose.track() {
            Some((kind, rendition)) => {
                let slot = self
                    .loaders
                    .iter()
                    .find(|l| l.kind == kind)
                    .and_then(|l| l.slots.get(rendition));
                (
                    kind.name().to_owned(),
                    slot.map(|s| s.rendition.id.clone()).unwrap_or_default(),
                )
            }
            None => (String::new(), String::new()),
        };
        let media_ms = match job.purpose {
            Purpose::Segment { start, .. } => Some(start.as_millis().max(0) as u64),
            _ => None,
        };
        let first = attempt.first_byte_at.unwrap_or(cx.now);
        self.view.event(
            cx.now,
            Event::Request {
                kind: job.purpose.request_kind().name().into(),
                track,
                rendition,
                media_ms,
                bytes: attempt.bytes,
                ttfb_ms: first.since(attempt.requested_at).as_millis() as u64,
                ms: cx.now.since(attempt.requested_at).as_millis() as u64,
                status: attempt.status,
                cancelled,
            },
        );
    }
}
