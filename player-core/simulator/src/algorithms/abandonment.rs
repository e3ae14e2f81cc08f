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

#[cfg(test)]
mod tests {
    use player_core::Instant;
    use player_core::abr::{Rung, Upcoming};

    use super::*;

    struct Unknown;

    impl Upcoming for Unknown {
        fn bytes(&self, _: usize, _: usize) -> Option<u64> {
            None
        }
    }

    /// A download of 1.2 Mbit at 400 kbit/s nominal, of which so many bytes have come in so many milliseconds.
    fn asked(buffer_s: f64, ms: u64, bytes: u64, rung: usize) -> Option<usize> {
        let ladder = [100, 200, 400].map(|kbps| Rung {
            bitrate: Bitrate::from_bps(kbps * 1000),
        });
        let context = Context {
            now: Instant::ZERO,
            buffer_s,
            buffer_max_s: 30.0,
            ladder: &ladder,
            last: Some(2),
            segment_s: 3.0,
            remaining: None,
            started: true,
            upcoming: &Unknown,
        };
        let at = |ms: u64| Instant::from_micros(ms * 1000);
        let progress = Progress {
            at: at(ms),
            requested_at: at(0),
            first_byte_at: at(100),
            bytes,
        };
        let flight = Flight {
            progress,
            rung,
            total_bytes: Some(150_000),
        };
        rule(&context, &flight)
    }

    #[test]
    fn a_slow_download_is_given_up_for_what_arrives_in_time() {
        // 12 500 bytes in a second: 100 kbit/s, 11 s left. 300 kbit at 80 kbit/s take 3.75 s.
        assert_eq!(asked(5.0, 1100, 12_500, 2), Some(0));
        assert_eq!(
            asked(2.0, 1100, 12_500, 2),
            Some(0),
            "nothing is in time, but the lowest is sooner"
        );
        // 25 000 bytes: 200 kbit/s, 5 s left; the middle one would take 3.75 s, the lowest 1.875 s.
        assert_eq!(asked(4.0, 1100, 25_000, 2), Some(1));
        assert_eq!(asked(3.0, 1100, 25_000, 2), Some(0));
    }

    #[test]
    fn a_download_goes_on_that_is_in_time_young_or_the_quickest_there_is() {
        assert_eq!(asked(5.5, 1100, 25_000, 2), None, "in time");
        assert_eq!(asked(7.0, 1100, 12_500, 2), None, "much in the buffer");
        assert_eq!(asked(2.0, 700, 1000, 2), None, "young");
        assert_eq!(asked(2.0, 1100, 12_500, 0), None, "the lowest");
        // 100 000 bytes in 8 s: 4 s left, the lowest would take 3.75 s; after 110 000 it would take longer.
        assert_eq!(asked(1.0, 8100, 100_000, 2), Some(0));
        assert_eq!(asked(1.0, 8900, 110_000, 2), None);
    }
}
