//! The hybrid algorithm: throughput says what the network carries, the buffer says how far it may be trusted.
//!
//! Rendition: the highest one whose next segments, at the estimated throughput, leave a reserve in the buffer, and whose
//! bitrate is below a multiple of the throughput that grows with the buffer: cautious when it is low, daring when it is
//! full, because an error then costs nothing. One rung up at a time once playing, unless the buffer is deep.
//!
//! Abandonment: when the rest of a segment would outlast the buffer at the rate of its own last seconds, and the same
//! segment of a lower rendition would not (or would be much quicker).

use super::{Abr, Context, Download, Flight, Progress, ThroughputEstimator};
use crate::config::AbrConfig;
use crate::time::{Bitrate, Instant};

/// Multiple of the throughput that a rendition may have with an empty and with a full buffer.
const DARING: (f64, f64) = (0.75, 1.25);
/// Share of the buffer that the download of the next segment may eat.
const SPEND: f64 = 0.6;
/// A request is not judged before it is this old, seconds.
const MIN_FLIGHT_S: f64 = 0.5;
/// The rest of a download is reckoned to come at no less than this share of the estimated throughput.
const TRUST_IN_USUAL: f64 = 0.4;
/// A restart must be this much quicker than finishing, as a factor.
const RESTART_GAIN: f64 = 2.0;

/// Chooses by throughput and buffer.
#[derive(Clone, Debug)]
pub struct Headgate {
    estimator: ThroughputEstimator,
    flight: Option<Window>,
    /// Moving mean of the time to first byte, seconds.
    rtt_s: f64,
}

/// The last second or so of the download in progress.
#[derive(Clone, Copy, Debug)]
struct Window {
    requested_at: Instant,
    previous: (Instant, u64),
    current: (Instant, u64),
}

impl Headgate {
    /// With the configuration's initial throughput.
    pub fn new(config: &AbrConfig) -> Self {
        Self {
            estimator: ThroughputEstimator::new(config.initial_throughput_kbps),
            flight: None,
            rtt_s: 0.1,
        }
    }

    /// Bits per second over the last second or two of the request.
    fn recent_bps(&self, flight: &Flight) -> Option<f64> {
        let window = self
            .flight
            .filter(|w| w.requested_at == flight.progress.requested_at)?;
        let seconds = flight.progress.at.since(window.previous.0).as_secs_f64();
        let bits = flight.progress.bytes.saturating_sub(window.previous.1) as f64 * 8.0;
        (seconds >= 0.4).then(|| bits / seconds)
    }
}

impl Abr for Headgate {
    fn name(&self) -> &str {
        "headgate"
    }

    fn on_progress(&mut self, progress: &Progress) {
        self.estimator.on_progress(progress);
        let mark = (progress.at, progress.bytes);
        match &mut self.flight {
            Some(window) if window.requested_at == progress.requested_at => {
                if progress.at.since(window.current.0).as_secs_f64() >= 1.0 {
                    window.previous = window.current;
                    window.current = mark;
                }
            }
            _ => {
                let start = (progress.first_byte_at, 0);
                self.flight = Some(Window {
                    requested_at: progress.requested_at,
                    previous: start,
                    current: start,
                });
            }
        }
    }

    fn on_download(&mut self, download: &Download) {
        self.estimator.on_download(download);
        if !download.cached && !download.abandoned {
            let ttfb = download
                .progress
                .first_byte_at
                .since(download.progress.requested_at)
                .as_secs_f64();
            self.rtt_s = 0.8 * self.rtt_s + 0.2 * ttfb;
        }
        self.flight = None;
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let Some(bps) = self.estimator.bps() else { return 0 };
        if !self.estimator.is_measured() {
            return context.highest_below(bps * DARING.0);
        }
        let fill = (context.buffer_s / context.buffer_max_s.max(1.0)).clamp(0.0, 1.0);
        let limit = bps * (DARING.0 + (DARING.1 - DARING.0) * fill);
        let fits = |rung: usize| {
            let seconds = self.rtt_s + context.bits(rung, 0) / bps.max(1.0);
            seconds <= (SPEND * context.buffer_s).max(0.5 * context.segment_s)
        };
        let mut choice = context.highest_below(limit);
        while choice > 0 && !fits(choice) {
            choice -= 1;
        }
        match context.last {
            Some(last) if choice > last => {
                // A rise must be carried without the help of the buffer, or it will be taken back soon.
                let carried = context.highest_below(bps * 0.9);
                let step = if context.buffer_s > 0.5 * context.buffer_max_s {
                    choice
                } else {
                    last + 1
                };
                choice.min(carried.max(last)).min(step)
            }
            // With half a buffer in hand the rendition is kept through a dip that it survives.
            Some(last)
                if fill > 0.5
                    && fits(last)
                    && context.bits(last, 0) / bps.max(1.0) < 0.3 * context.buffer_s =>
            {
                last.min(choice + 1)
            }
            _ => choice,
        }
    }

    fn abandon(&mut self, context: &Context<'_>, flight: &Flight) -> Option<usize> {
        let elapsed = flight
            .progress
            .at
            .since(flight.progress.requested_at)
            .as_secs_f64();
        if flight.rung == 0 || elapsed < MIN_FLIGHT_S + self.rtt_s {
            return None;
        }
        let total = flight
            .total_bytes
            .map_or_else(|| context.bits(flight.rung, 0), |bytes| bytes as f64 * 8.0);
        let left = (total - flight.progress.bytes as f64 * 8.0).max(0.0);
        // A second is not the network: what a dip takes is mostly given back.
        let usual = self.estimator.bps().unwrap_or(0.0);
        let bps = self.recent_bps(flight)?.max(TRUST_IN_USUAL * usual).max(1.0);
        let finish_s = left / bps;
        if finish_s <= context.buffer_s.max(0.5) {
            return None;
        }
        let restart_s = |rung: usize| self.rtt_s + context.bits(rung, 0) / bps;
        let choice = (0..flight.rung)
            .rev()
            .find(|rung| restart_s(*rung) < SPEND * context.buffer_s)
            .unwrap_or(0);
        (restart_s(choice) * RESTART_GAIN < finish_s).then_some(choice)
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.estimator.bitrate()
    }
}
