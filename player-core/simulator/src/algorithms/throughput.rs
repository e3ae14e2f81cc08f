//! The throughput rule of the comparison: the highest rendition below nine tenths of the measured throughput.
//!
//! The constants of dash.js 5 (`ThroughputRule.js`, `ThroughputModel.js`): the lower one of two averages of whole downloads,
//! half-lives of 3 s and 8 s of transfer time, without the time to first byte; safety factor 0.9. The engine's own
//! rule (`engine-throughput`) looks at windows inside a download instead.

use player_core::Bitrate;
use player_core::abr::{Abr, Context, Download, Flight, Progress};

use super::samples::{Averages, Sample, bitrate};

/// dash.js: `throughputFastHalfLifeSeconds`, `throughputSlowHalfLifeSeconds`.
pub(super) const HALF_LIVES_S: (f64, f64) = (3.0, 8.0);
/// dash.js: `bandwidthSafetyFactor`.
pub(super) const SAFETY: f64 = 0.9;

/// Chooses by throughput alone.
#[derive(Clone, Debug)]
pub(super) struct Throughput {
    averages: Averages,
}

impl Throughput {
    pub(super) fn new() -> Self {
        Self {
            averages: Averages::new(HALF_LIVES_S.0, HALF_LIVES_S.1),
        }
    }
}

impl Abr for Throughput {
    fn name(&self) -> &str {
        "throughput"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, download: &Download) {
        if let Some(sample) = Sample::of(download) {
            self.averages.add(sample.bps(), sample.transfer_s);
        }
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        self.averages
            .lower()
            .map_or(0, |bps| context.highest_below(bps * SAFETY))
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.averages.lower().map(bitrate)
    }
}
