//! How far behind the live edge playback is, and the playback rate that brings it to where it should be.
//!
//! The target is the author's (`PART-HOLD-BACK`, `Latency@target`) or the application's; every halt that the network caused adds to it,
//! and what was added is taken back as playback goes well. A viewer who went back, or halted playback, is left where they are.

use std::collections::VecDeque;

use core::time::Duration;

use super::Session;
use crate::config::LiveConfig;
use crate::output::Output;
use crate::streaming::context::Cx;
use crate::streaming::loader::Loader;
use crate::streaming::slots::Slot;
use crate::time::{Instant, MediaTime};

/// How long a version of a playlist says how far the edge is: what is new comes in steps, and late at times.
const EDGE_MEMORY: Duration = Duration::from_secs(8);
/// Versions that are remembered for that.
const MAX_HEARD: usize = 64;
/// Looked at so often.
const INTERVAL: Duration = Duration::from_millis(100);
/// Nearer to the target is at the target: one begins to correct at the first, and ends at the second.
const FAR: f64 = 0.06;
const NEAR: f64 = 0.015;
/// Playback rate for a second of distance.
const GAIN: f64 = 0.5;
/// The rate changes in steps of this.
const STEP: f64 = 0.01;
/// Every halt adds so much of the target to it, to so much of it altogether at most.
const PENALTY: f64 = 0.25;
const MAX_PENALTY: f64 = 2.0;
/// A halt is forgotten in so much time.
const FORGIVEN: Duration = Duration::from_secs(60);
/// Less than this share of the target in the buffer is saved up again before anything is caught up.
const LEAN: f64 = 0.35;
/// With less than this share playback slows down before it has to halt.
const SCARCE: f64 = 0.2;
/// A viewer who is nearer to the edge than this many times the target watches live.
const LIVE_WITHIN: f64 = 3.0;
/// At least, seconds.
const LIVE_WITHIN_S: f64 = 6.0;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Pace {
    /// By how much the end of what was listed was ahead of the clock, and when: falling.
    heard: VecDeque<(Instant, MediaTime)>,
    /// The rate that was set last, and the one before, which an element may still report.
    rate: f64,
    rate_before: f64,
    /// Added to the target, seconds.
    penalty_s: f64,
    /// When it was taken back last.
    eased_at: Option<Instant>,
    /// The viewer has gone back, or halted playback.
    away: bool,
    correcting: bool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            heard: VecDeque::new(),
            rate: 1.0,
            rate_before: 1.0,
            penalty_s: 0.0,
            eased_at: None,
            away: false,
            correcting: false,
        }
    }

    /// A rate that the element reports is none of its own: the viewer has chosen it.
    fn is_foreign(&self, rate: f64) -> bool {
        [1.0, self.rate, self.rate_before]
            .iter()
            .all(|own| (rate - own).abs() > STEP / 2.0)
    }

    /// What is listed, or can be had, ends here now.
    pub(super) fn hear(&mut self, now: Instant, end: MediaTime) {
        let ahead = end - MediaTime::from_micros(now.as_micros() as i64);
        while self.heard.back().is_some_and(|(_, known)| *known <= ahead) {
            self.heard.pop_back();
        }
        if self.heard.len() < MAX_HEARD {
            self.heard.push_back((now, ahead));
        }
        while self.heard.len() > 1
            && self
                .heard
                .front()
                .is_some_and(|(at, _)| now.since(*at) > EDGE_MEMORY)
        {
            self.heard.pop_front();
        }
    }

    /// Where the edge is now, if it has moved on as it did.
    fn edge(&self, now: Instant) -> Option<MediaTime> {
        let (_, ahead) = self.heard.front()?;
        Some(MediaTime::from_micros(now.as_micros() as i64) + *ahead)
    }

    /// Playback has halted for want of media.
    pub(super) fn on_halt(&mut self, now: Instant, target_s: f64) {
        self.penalty_s = (self.penalty_s + PENALTY * target_s).min(MAX_PENALTY * target_s);
        self.eased_at = Some(now);
    }

    fn ease(&mut self, now: Instant) {
        let since = self.eased_at.map_or(Duration::ZERO, |at| now.since(at));
        self.eased_at = Some(now);
        let share = since.as_secs_f64() / FORGIVEN.as_secs_f64();
        self.penalty_s *= (1.0 - share).max(0.0);
        if self.penalty_s < 0.01 {
            self.penalty_s = 0.0;
        }
    }

    /// The rate for a distance too far, and for what is buffered, both in seconds, at a target.
    // `clamp` says of numbers that cannot be what they are: with the formatter of floats that is ten kilobytes of Wasm.
    #[allow(clippy::manual_clamp)]
    fn wanted(&mut self, late_s: f64, buffer_s: f64, target_s: f64, rates: (f64, f64)) -> f64 {
        let (min, max) = rates;
        if buffer_s < SCARCE * target_s {
            return min;
        }
        self.correcting = late_s.abs() > if self.correcting { NEAR } else { FAR };
        if !self.correcting || (late_s > 0.0 && buffer_s < LEAN * target_s) {
            return 1.0;
        }
        let rate = (1.0 + GAIN * late_s).max(min).min(max);
        let steps = libm::round((rate - 1.0) / STEP);
        // Without it the last bit would be left.
        let steps = if steps == 0.0 { late_s.signum() } else { steps };
        (1.0 + steps * STEP).max(min).min(max)
    }
}

/// Both as they are used: around 1, and not so far that pictures or sound suffer beyond what was asked for.
fn rates(config: &LiveConfig, declared: Option<(f64, f64)>) -> (f64, f64) {
    let sane = |value: f64, default: f64| if value.is_finite() { value } else { default };
    let (mut min, mut max) = (
        sane(config.min_rate, 1.0).clamp(0.5, 1.0),
        sane(config.max_rate, 1.0).clamp(1.0, 2.0),
    );
    if let Some((slowest, fastest)) = declared {
        min = min.max(slowest.min(1.0));
        max = max.min(fastest.max(1.0));
    }
    (min, max)
}

impl Session {
    /// How far behind the edge to play, seconds, while nothing goes wrong; `None` where it is not kept to.
    pub(super) fn target_latency_s(&self, cx: &Cx<'_>) -> Option<f64> {
        let config = &cx.config.live;
        let wished = config.latency_s.filter(|s| s.is_finite() && *s > 0.0);
        let kept = wished.is_some() || self.is_low_latency();
        kept.then(|| wished.unwrap_or_else(|| self.live.delay.as_secs_f64()))
    }

    /// What is made can be had before its segment is whole.
    pub(super) fn is_low_latency(&self) -> bool {
        let Some(main) = self.main() else { return false };
        let slot = |r: usize| main.slots.get(r);
        let chunked = |slot: &Slot| {
            slot.rendition
                .availability_time_offset
                .is_some_and(|o| o > MediaTime::ZERO)
        };
        main.part_target().is_some()
            || (self.shared.growing && main.followed().and_then(slot).is_some_and(chunked))
    }

    /// Takes note of the end of what can be had.
    pub(super) fn hear_edge(&mut self, now: Instant) {
        if let Some(end) = self.listed_end() {
            self.live.pace.hear(now, end);
        }
    }

    /// How far behind the edge the playhead is: by the servers' clock, else by what was listed, and when.
    pub(super) fn lateness(&self, now: Instant, position: MediaTime) -> Option<MediaTime> {
        let by_list = || self.live.pace.edge(now).map(|edge| edge - position);
        let late = self.latency(now, position).or_else(by_list)?;
        Some(late.max(MediaTime::ZERO))
    }

    fn lateness_s(&self, now: Instant, position: MediaTime) -> Option<f64> {
        self.lateness(now, position).map(MediaTime::as_secs_f64)
    }

    /// Sets the playback rate; says when to look again.
    pub(super) fn keep_pace(&mut self, cx: &mut Cx<'_>) -> Option<Instant> {
        let state = *self.playhead.state();
        let wanted = self.pace(cx);
        let rate = wanted.unwrap_or(1.0);
        let pace = &mut self.live.pace;
        if rate != pace.rate {
            let foreign = pace.is_foreign(state.rate);
            pace.rate_before = core::mem::replace(&mut pace.rate, rate);
            if !foreign {
                cx.send(Output::SetRate { rate });
            }
        }
        (wanted.is_some() && !state.paused).then(|| cx.now + INTERVAL)
    }

    /// The playback rate, if it is kept.
    fn pace(&mut self, cx: &mut Cx<'_>) -> Option<f64> {
        if !self.live.on || !self.live.is_settled() || self.start.is_some() || !self.view.started() {
            return None;
        }
        let base_s = self.target_latency_s(cx)?;
        let state = *self.playhead.state();
        if self.live.pace.away || state.paused || self.live.pace.is_foreign(state.rate) {
            return None;
        }
        self.live.pace.ease(cx.now);
        let target_s = base_s + self.live.pace.penalty_s;
        let position = self.playhead.position(cx.now);
        let late_s = self.lateness_s(cx.now, position)? - target_s;
        let buffers = self.loaders.iter().filter(|l| !l.is_text());
        let buffer = buffers.map(|l| l.playable(position)).min().unwrap_or_default();
        let config = &cx.config.live;
        if late_s > config.max_drift_s.max(0.5) && !state.seeking && state.ready_state >= 3 {
            let to = position + MediaTime::from_secs_f64(late_s);
            self.go_to(cx, to);
            self.seek_loaders(cx, to);
            return Some(1.0);
        }
        let declared = self.live.says.as_ref().and_then(|says| says.latency?.rates);
        let rates = rates(config, declared);
        Some(
            self.live
                .pace
                .wanted(late_s, buffer.as_secs_f64(), target_s, rates),
        )
    }

    /// The viewer went elsewhere.
    pub(super) fn on_viewer_seek(&mut self, cx: &Cx<'_>, position: MediaTime) {
        if let Some(target_s) = self.target_latency_s(cx) {
            let late_s = self.lateness_s(cx.now, position).unwrap_or(0.0);
            self.live.pace.away = late_s > (LIVE_WITHIN * target_s).max(LIVE_WITHIN_S);
        }
    }

    /// Playback has halted for want of media.
    pub(super) fn on_halt(&mut self, cx: &Cx<'_>) {
        if let Some(target_s) = self.target_latency_s(cx).filter(|_| !self.live.pace.away) {
            self.live.pace.on_halt(cx.now, target_s);
        }
    }

    /// The end of what can be had, as manifests list it.
    fn listed_end(&self) -> Option<MediaTime> {
        let ends = self.loaders.iter().filter(|l| !l.is_text());
        ends.filter_map(Loader::listed_end).min()
    }
}
