//! BOLA: choose by the buffer alone, so that the time-average of utility and of smoothness is near its optimum.
//!
//! Spiteri, Urgaonkar, Sitaraman: *BOLA: Near-Optimal Bitrate Adaptation for Online Videos*, INFOCOM 2016. The basic form
//! (BOLA-BASIC) with the parametrisation of dash.js: a minimum buffer below which the lowest rendition is chosen, and the
//! rest of the buffer spread over the utilities.

use core::time::Duration;

use super::{Abr, Context, Download, Flight, NetworkMemory, Progress, ThroughputEstimator};
use crate::config::AbrConfig;
use crate::time::Bitrate;

/// Below this much buffer, seconds, the lowest rendition is best (dash.js: `MINIMUM_BUFFER_S`).
const MINIMUM_BUFFER_S: f64 = 10.0;
/// The target is at least this far above the minimum, seconds (dash.js: `MINIMUM_BUFFER_PER_BITRATE_LEVEL_S`).
const BUFFER_PER_RUNG_S: f64 = 2.0;

/// Chooses by buffer level.
#[derive(Clone, Debug)]
pub struct Bola {
    /// For the very first segment only, and for display.
    estimator: ThroughputEstimator,
}

impl Bola {
    /// With the configuration's initial throughput.
    pub fn new(config: &AbrConfig) -> Self {
        Self {
            estimator: ThroughputEstimator::new(config.initial_throughput_kbps),
        }
    }
}

/// The rung that BOLA likes best at a buffer level.
fn best(context: &Context<'_>) -> usize {
    let Some(lowest) = context.ladder.first() else {
        return 0;
    };
    // Utilities start at 1, as in dash.js: u_0 = 1, u_m = 1 + ln(S_m / S_0).
    let utility = |bps: f64| 1.0 + libm::log(bps / lowest.bitrate.as_f64().max(1.0));
    let highest = context
        .ladder
        .last()
        .map_or(1.0, |rung| utility(rung.bitrate.as_f64()));
    // A choice is made when there is room for a segment: the buffer never stands above this then.
    let target = (context.buffer_max_s - context.segment_s).max(MINIMUM_BUFFER_S + BUFFER_PER_RUNG_S);
    let gp = if highest > 1.0 {
        (highest - 1.0) / (target / MINIMUM_BUFFER_S - 1.0)
    } else {
        1.0
    };
    // With logarithmic utilities the score's maximum lies at the lowest rendition for the minimum buffer and at the highest
    // for the target: V (u_0 + g - 1) = minimum, V (u_max + g - 1) = target.
    let vp = MINIMUM_BUFFER_S / gp;
    let mut best = (0, f64::NEG_INFINITY);
    for (i, rung) in context.ladder.iter().enumerate() {
        let bps = rung.bitrate.as_f64().max(1.0);
        let score = (vp * (utility(bps) + gp) - context.buffer_s) / bps;
        if score >= best.1 {
            best = (i, score);
        }
    }
    best.0
}

impl Abr for Bola {
    fn name(&self) -> &str {
        "bola"
    }

    fn on_progress(&mut self, progress: &Progress) {
        self.estimator.on_progress(progress);
    }

    fn on_download(&mut self, download: &Download) {
        self.estimator.on_download(download);
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        best(context)
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.estimator.bitrate()
    }

    fn memory(&self) -> Option<NetworkMemory> {
        self.estimator.memory()
    }

    fn recall(&mut self, memory: &NetworkMemory, age: Duration) {
        self.estimator.recall(memory, age);
    }
}
