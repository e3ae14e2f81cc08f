//! Abandonment for algorithms that have none.
//!
//! The rule of hls.js (`_abandonRulesCheck` in `abr-controller.ts`): with less than two segments in the buffer, a download
//! that will outlast it at its own rate so far is given up for the highest rung below that would arrive in time at 0.8 of that
//! rate, or for the lowest; but only if that is quicker than going on. hls.js judges after half a segment's duration; here
//! three quarters of a second are enough, and the rate is that since the first byte.

use core::time::Duration;

use player_core::Bitrate;
use player_core::abr::{Abr, Context, Download, Flight, NetworkMemory, Progress};

/// A request is not judged before it is this old, seconds.
const GRACE_S: f64 = 0.75;
/// Not with this many segments in the buffer.
const SAFE_SEGMENTS: f64 = 2.0;
/// Share of the download's rate that the next one is reckoned with.
const SAFETY: f64 = 0.8;

/// An algorithm that abandons by the rule where it does not by itself.
pub(super) struct WithAbandonment {
    inner: Box<dyn Abr>,
    name: &'static str,
}

impl WithAbandonment {
    pub(super) fn new(inner: Box<dyn Abr>, name: &'static str) -> Self {
        Self { inner, name }
    }
}

/// The rung to restart with, if the download should be given up.
fn rule(context: &Context<'_>, flight: &Flight) -> Option<usize> {
    let progress = &flight.progress;
    let elapsed_s = progress.at.since(progress.requested_at).as_secs_f64();
    let flowing_s = progress.at.since(progress.first_byte_at).as_secs_f64();
    let waits_s = context.buffer_s;
    if elapsed_s < GRACE_S || flowing_s <= 0.0 || waits_s >= SAFE_SEGMENTS * context.segment_s {
        return None;
    }
    let total = flight
        .total_bytes
        .map_or_else(|| context.bits(flight.rung, 0), |bytes| bytes as f64 * 8.0);
    let received = progress.bytes as f64 * 8.0;
    // A download of which nothing has come is judged by the one byte that may come next.
    let bps = received.max(8.0) / flowing_s;
    let left_s = (total - received).max(0.0) / bps;
    if left_s <= waits_s {
        return None;
    }
    let restart_s = |rung: usize| {
        let bitrate = context.ladder.get(rung).map_or(0.0, |r| r.bitrate.as_f64());
        bitrate * context.segment_s / (SAFETY * bps)
    };
    let lower = (0..flight.rung)
        .rfind(|rung| restart_s(*rung) < waits_s)
        .unwrap_or(0);
    (flight.rung > 0 && restart_s(lower) < left_s).then_some(lower)
}

impl Abr for WithAbandonment {
    fn name(&self) -> &str {
        self.name
    }

    fn on_progress(&mut self, progress: &Progress) {
        self.inner.on_progress(progress);
    }

    fn on_download(&mut self, download: &Download) {
        self.inner.on_download(download);
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        self.inner.choose(context)
    }

    fn abandon(&mut self, context: &Context<'_>, flight: &Flight) -> Option<usize> {
        self.inner
            .abandon(context, flight)
            .or_else(|| rule(context, flight))
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.inner.estimate()
    }

    fn memory(&self) -> Option<NetworkMemory> {
        self.inner.memory()
    }

    fn recall(&mut self, memory: &NetworkMemory, age: Duration) {
        self.inner.recall(memory, age);
    }

    fn on_seek(&mut self) {
        self.inner.on_seek();
    }
}
