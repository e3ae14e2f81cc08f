//! Shaka Player: the bandwidth's variant, looked for at most every eight seconds.
//!
//! `simple_abr_manager.js` and `ewma_bandwidth_estimator.js` of Shaka Player 4 with their defaults: the lower one of two
//! averages with half-lives of 2 s and 5 s, each download counted from its request, those below 16 kB not at all and
//! nothing before 128 kB; a variant fits from bandwidth/0.95 up to the next one's bandwidth/0.85, and the highest fitting
//! one is taken. The buffer is the comparison's, not Shaka's `bufferingGoal` of 10 s.

use player_core::abr::{Abr, Context, Download, Flight, Progress};
use player_core::{Bitrate, Instant};

use super::samples::{Averages, Sample, bitrate};

/// `fastHalfLife`, `slowHalfLife`.
const HALF_LIVES_S: (f64, f64) = (2.0, 5.0);
/// `bandwidthUpgradeTarget`, `bandwidthDowngradeTarget`.
const TARGETS: (f64, f64) = (0.85, 0.95);
/// `switchInterval`.
const SWITCH_INTERVAL_S: f64 = 8.0;
/// `minBytes`, `minTotalBytes`.
const MIN_BITS: f64 = 16e3 * 8.0;
const MIN_TOTAL_BITS: f64 = 128e3 * 8.0;

/// The algorithm of Shaka Player.
#[derive(Clone, Debug)]
pub(super) struct Shaka {
    averages: Averages,
    bits: f64,
    downloaded: Instant,
    chosen: Option<(Instant, usize)>,
}

impl Shaka {
    pub(super) fn new() -> Self {
        Self {
            averages: Averages::new(HALF_LIVES_S.0, HALF_LIVES_S.1),
            bits: 0.0,
            downloaded: Instant::ZERO,
            chosen: None,
        }
    }
}

impl Abr for Shaka {
    fn name(&self) -> &str {
        "shaka"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, download: &Download) {
        self.downloaded = download.progress.at;
        if let Some(sample) = Sample::of(download).filter(|sample| sample.bits >= MIN_BITS) {
            self.bits += sample.bits;
            self.averages
                .add(sample.bits / sample.seconds(), sample.seconds());
        }
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let last = context.last.unwrap_or(0);
        let Some(bps) = self.averages.lower().filter(|_| self.bits >= MIN_TOTAL_BITS) else {
            return last;
        };
        if let Some((at, rung)) = self.chosen
            && self.downloaded.since(at).as_secs_f64() < SWITCH_INTERVAL_S
        {
            return rung;
        }
        let bandwidth = |rung: usize| context.ladder.get(rung).map(|r| r.bitrate.as_f64());
        let fits = |rung: &usize| {
            let from = bandwidth(*rung).unwrap_or(0.0) / TARGETS.1;
            let to = bandwidth(rung + 1).map_or(f64::INFINITY, |next| next / TARGETS.0);
            (from..=to).contains(&bps)
        };
        let rung = (0..context.ladder.len()).rfind(fits).unwrap_or(0);
        self.chosen = Some((self.downloaded, rung));
        rung
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.averages.lower().map(bitrate)
    }
}
