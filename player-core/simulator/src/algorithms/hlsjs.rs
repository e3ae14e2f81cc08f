//! hls.js: the highest level that the bandwidth carries and that arrives before the buffer runs dry.
//!
//! `abr-controller.ts` and `ewma-bandwidth-estimator.ts` of hls.js 1.7 with its defaults: the lower one of two averages with
//! half-lives of 3 s and 9 s of download time (at least 50 ms), 500 kbit/s until there is one; 0.95 of it for a level
//! up to the present one, 0.7 for one above; if none arrives in time, up to 4 s (but not more than a segment) of waiting is accepted.

use player_core::Bitrate;
use player_core::abr::{Abr, Context, Download, Flight, Progress};

use super::samples::{Averages, Sample, bitrate};

/// `abrEwmaFastVoD`, `abrEwmaSlowVoD`.
const HALF_LIVES_S: (f64, f64) = (3.0, 9.0);
/// `abrEwmaDefaultEstimate`.
const DEFAULT_BPS: f64 = 500e3;
/// `abrBandWidthFactor`, `abrBandWidthUpFactor`.
const FACTORS: (f64, f64) = (0.95, 0.7);
/// `maxStarvationDelay`.
const MAX_STARVATION_S: f64 = 4.0;
/// `minDelayMs_`.
const MIN_DOWNLOAD_S: f64 = 0.05;
/// `defaultTTFB_`.
const DEFAULT_TTFB_S: f64 = 0.1;

/// The algorithm of hls.js.
#[derive(Clone, Debug)]
pub(super) struct HlsJs {
    throughput: Averages,
    latency: Averages,
}

impl HlsJs {
    pub(super) fn new() -> Self {
        Self {
            throughput: Averages::new(HALF_LIVES_S.0, HALF_LIVES_S.1),
            latency: Averages::new(HALF_LIVES_S.1, HALF_LIVES_S.1),
        }
    }

    fn latency_s(&self) -> f64 {
        self.latency.lower().unwrap_or(DEFAULT_TTFB_S)
    }

    fn best(&self, context: &Context<'_>, within_s: f64) -> Option<usize> {
        let bps = self.throughput.lower().unwrap_or(DEFAULT_BPS);
        let last = context.last.unwrap_or(0);
        (0..context.ladder.len()).rfind(|level| {
            let bitrate = context.ladder.get(*level).map_or(0.0, |r| r.bitrate.as_f64());
            let usable = bps * if *level <= last { FACTORS.0 } else { FACTORS.1 };
            usable >= bitrate && self.latency_s() + bitrate * context.segment_s / usable < within_s
        })
    }
}

impl Abr for HlsJs {
    fn name(&self) -> &str {
        "hlsjs"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, download: &Download) {
        let Some(sample) = Sample::of(download) else {
            return;
        };
        let excluded_s = sample.latency_s.min(self.latency_s());
        let seconds = (sample.seconds() - excluded_s).max(MIN_DOWNLOAD_S);
        self.throughput.add(sample.bits / seconds, seconds);
        let weight = core::f64::consts::SQRT_2 * libm::exp(-sample.latency_s * sample.latency_s / 2.0);
        self.latency.add(sample.latency_s.max(0.005), weight);
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        if context.last.is_none() {
            return 0;
        }
        let extra_s = MAX_STARVATION_S.min(context.segment_s);
        self.best(context, context.buffer_s)
            .or_else(|| self.best(context, context.buffer_s + extra_s))
            .unwrap_or(0)
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.throughput.lower().map(bitrate)
    }
}
