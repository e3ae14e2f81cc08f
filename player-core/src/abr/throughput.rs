//! The throughput rule: the highest rendition that a share of the measured throughput can carry, or is [seen](super::probe) to carry.

use core::time::Duration;

use super::{Abr, Context, Download, Flight, NetworkMemory, Probe, Progress, ThroughputEstimator};
use crate::config::AbrConfig;
use crate::time::Bitrate;

/// The share of the throughput that a rendition may use (dash.js 5: `bandwidthSafetyFactor`).
const SAFETY: f64 = 0.9;

/// Chooses by throughput alone.
#[derive(Clone, Debug)]
pub struct Throughput {
    estimator: ThroughputEstimator,
    probe: Probe,
}

impl Throughput {
    /// With the configuration's initial throughput.
    pub fn new(config: &AbrConfig) -> Self {
        Self {
            estimator: ThroughputEstimator::new(config.initial_throughput_kbps),
            probe: Probe::default(),
        }
    }
}

impl Abr for Throughput {
    fn name(&self) -> &str {
        "throughput"
    }

    fn on_progress(&mut self, progress: &Progress) {
        self.estimator.on_progress(progress);
    }

    fn on_download(&mut self, download: &Download) {
        self.estimator.on_download(download);
        self.probe.on_download(download);
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let Some(bps) = self.estimator.bps() else { return 0 };
        let choice = context.highest_below(bps * SAFETY);
        self.probe.choose(context, choice, bps)
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
