//! Throughput from downloads: two exponentially weighted averages, the lower of which counts.

use core::time::Duration;

use super::{Download, NetworkMemory, Progress};
use crate::time::{Bitrate, Instant};

/// Windows shorter than this are not a sample of their own: too few round trips to say anything.
const WINDOW: Duration = Duration::from_millis(500);
/// A remainder at the end of a download counts if it is at least this long. A whole download that was quicker counts as having
/// taken this long, if that still raises the estimate: more cannot be known of it.
const REMAINDER: Duration = Duration::from_millis(30);
/// A download that is no longer than a window weighs at least this much, seconds, or a fast network would never be believed.
const MIN_WEIGHT_S: f64 = 0.25;

/// Half-life of what is remembered of the network, seconds of transfer.
const MEMORY_HALF_LIFE_S: f64 = 60.0;
/// A memory of this age counts as much as the configured throughput, seconds.
const TRUST_HALF_LIFE_S: f64 = 6.0 * 3600.0;

/// An estimator of throughput that looks at the time in which bytes flowed, not at the time to first byte, and cuts a
/// download into windows by its progress, so that one long download says as much as several short ones.
///
/// Two averages with half-lives of 3 s and 9 s of transfer time (the constants of hls.js 1.7); the estimate is the lower of
/// them: quick to fall, slow to rise.
///
/// Before the first measurement it is what an earlier load [remembered](NetworkMemory), on the careful side, or what was
/// configured; the older the memory, the nearer to the latter.
#[derive(Clone, Debug)]
pub struct ThroughputEstimator {
    fast: Ewma,
    slow: Ewma,
    spread: LogSpread,
    window: Option<Window>,
    configured_bps: Option<f64>,
    prior_bps: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    requested_at: Instant,
    since: Instant,
    bytes: u64,
    /// Nothing of the download has been counted yet.
    whole: bool,
}

#[derive(Clone, Debug)]
struct Ewma {
    half_life_s: f64,
    weighted: f64,
    weight: f64,
}

/// Mean and variance of the logarithm of the throughput over the last minutes of transfer.
#[derive(Clone, Copy, Debug, Default)]
struct LogSpread {
    weight: f64,
    mean: f64,
    variance: f64,
}

impl LogSpread {
    fn add(&mut self, bps: f64, seconds: f64) {
        let keep = half(seconds / MEMORY_HALF_LIFE_S);
        self.weight = self.weight * keep + (1.0 - keep);
        let share = (1.0 - keep) / self.weight;
        // Nothing at all is as bad as a kilobit: its logarithm is none.
        let difference = libm::log(bps.max(1000.0)) - self.mean;
        self.mean += share * difference;
        self.variance = (1.0 - share) * (self.variance + share * difference * difference);
    }
}

impl Ewma {
    const fn new(half_life_s: f64) -> Self {
        Self {
            half_life_s,
            weighted: 0.0,
            weight: 0.0,
        }
    }

    fn add(&mut self, bps: f64, seconds: f64) {
        let keep = half(seconds / self.half_life_s);
        self.weighted = self.weighted * keep + bps * (1.0 - keep);
        self.weight = self.weight * keep + (1.0 - keep);
    }

    fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.weighted / self.weight)
    }
}

impl ThroughputEstimator {
    /// An estimator that answers with `prior_kbps` until it has measured something.
    pub fn new(prior_kbps: Option<f64>) -> Self {
        let prior_bps = prior_kbps
            .filter(|k| k.is_finite() && *k > 0.0)
            .map(|k| k * 1000.0);
        Self {
            fast: Ewma::new(3.0),
            slow: Ewma::new(9.0),
            spread: LogSpread::default(),
            window: None,
            configured_bps: prior_bps,
            prior_bps,
        }
    }

    /// Bytes have arrived.
    pub fn on_progress(&mut self, progress: &Progress) {
        let window = match self.window {
            Some(window) if window.requested_at == progress.requested_at => window,
            // The first bytes came with the headers: what they cost is not known.
            _ => Window {
                requested_at: progress.requested_at,
                since: progress.first_byte_at,
                bytes: 0,
                whole: true,
            },
        };
        self.window = Some(window);
        if progress.at.since(window.since) >= WINDOW {
            self.close_window(progress);
        }
    }

    /// A download has ended.
    pub fn on_download(&mut self, download: &Download) {
        if !download.cached {
            self.on_progress(&download.progress);
            let counts = |w: Window| w.whole || download.progress.at.since(w.since) >= REMAINDER;
            if self.window.is_some_and(counts) {
                self.close_window(&download.progress);
            }
        }
        self.window = None;
    }

    fn close_window(&mut self, progress: &Progress) {
        let Some(window) = self.window else { return };
        let seconds = progress.at.since(window.since).as_secs_f64();
        let bits = progress.bytes.saturating_sub(window.bytes) as f64 * 8.0;
        let shortest = REMAINDER.as_secs_f64();
        if seconds >= shortest {
            let weight = if window.whole {
                seconds.max(MIN_WEIGHT_S)
            } else {
                seconds
            };
            self.add(bits / seconds, weight);
        } else if bits / shortest > self.bps().unwrap_or(0.0) {
            self.add(bits / shortest, MIN_WEIGHT_S);
        }
        self.window = Some(Window {
            since: progress.at,
            bytes: progress.bytes,
            whole: false,
            ..window
        });
    }

    fn add(&mut self, bps: f64, weight_s: f64) {
        self.fast.add(bps, weight_s);
        self.slow.add(bps, weight_s);
        self.spread.add(bps, weight_s);
    }

    /// What it has learnt, if it has measured something; `unix_ms` is the caller's to set.
    pub fn memory(&self) -> Option<NetworkMemory> {
        let LogSpread {
            weight,
            mean,
            variance,
        } = self.spread;
        (weight > 0.0).then(|| NetworkMemory {
            kbps: libm::exp(mean) / 1000.0,
            spread: libm::sqrt(variance.max(0.0)),
            unix_ms: 0,
        })
    }

    /// What an earlier load learnt, `age` ago. Means nothing once something was measured.
    pub fn recall(&mut self, memory: &NetworkMemory, age: Duration) {
        // Half a standard deviation below the median: it is cheaper to climb than to stall.
        let recalled = memory.kbps * 1000.0 * libm::exp(-0.5 * memory.spread);
        if !(recalled.is_finite() && recalled > 0.0) {
            return;
        }
        let trust = half(age.as_secs_f64() / TRUST_HALF_LIFE_S);
        self.prior_bps = Some(match self.configured_bps {
            Some(bps) => libm::exp(trust * libm::log(recalled) + (1.0 - trust) * libm::log(bps)),
            None => trust * recalled,
        });
    }

    /// Bits per second, if anything is known.
    pub fn bps(&self) -> Option<f64> {
        match (self.fast.value(), self.slow.value()) {
            (Some(fast), Some(slow)) => Some(fast.min(slow)),
            _ => self.prior_bps,
        }
    }

    /// Whether the estimate rests on a measurement.
    pub fn is_measured(&self) -> bool {
        self.fast.value().is_some()
    }

    /// The estimate as a bitrate.
    pub fn bitrate(&self) -> Option<Bitrate> {
        self.bps().map(|bps| Bitrate::from_bps(bps as u64))
    }
}

/// What remains after some half-lives. `libm::exp2` has a table of 4 KB that no compression makes smaller.
fn half(lives: f64) -> f64 {
    libm::exp(-core::f64::consts::LN_2 * lives)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn download(from_ms: u64, ttfb_ms: u64, ms: u64, bytes: u64) -> Download {
        let at = |ms: u64| Instant::from_micros(ms * 1000);
        Download {
            progress: Progress {
                at: at(from_ms + ttfb_ms + ms),
                requested_at: at(from_ms),
                first_byte_at: at(from_ms + ttfb_ms),
                bytes,
            },
            rung: 0,
            abandoned: false,
            cached: false,
        }
    }

    #[test]
    fn time_to_first_byte_does_not_count() {
        let mut e = ThroughputEstimator::new(None);
        e.on_download(&download(0, 900, 1000, 125_000));
        assert!((e.bps().unwrap_or_default() - 1e6).abs() < 1.0);
    }

    #[test]
    fn it_falls_faster_than_it_rises() {
        let mut e = ThroughputEstimator::new(None);
        for i in 0..60 {
            e.on_download(&download(i * 2000, 0, 1000, 125_000));
        }
        let mut up = e.clone();
        up.on_download(&download(200_000, 0, 1000, 1_250_000));
        let mut down = e.clone();
        down.on_download(&download(200_000, 0, 1000, 12_500));
        let rise = up.bps().unwrap_or_default() / 1e6;
        let fall = 1e6 / down.bps().unwrap_or_default();
        assert!(rise < 1.8, "{rise}");
        assert!(fall > 1.2, "{fall}");
    }

    #[test]
    fn a_network_too_fast_to_time_is_believed_step_by_step() {
        let mut e = ThroughputEstimator::new(None);
        e.on_download(&download(0, 50, 4000, 250_000));
        for i in 0..20 {
            e.on_download(&download(10_000 + i * 1000, 5, 10, 40_000));
        }
        assert!(e.bps().unwrap_or_default() > 3e6, "{:?}", e.bps());
        // And small responses say nothing against it.
        let before = e.bps();
        e.on_download(&download(60_000, 5, 2, 700));
        assert_eq!(e.bps(), before);
    }

    #[test]
    fn what_is_remembered_is_the_median_and_its_spread() {
        let mut e = ThroughputEstimator::new(Some(3000.0));
        assert_eq!(e.memory(), None);
        for i in 0..200 {
            e.on_download(&download(
                i * 2000,
                50,
                1000,
                if i % 2 == 0 { 500_000 } else { 125_000 },
            ));
        }
        let memory = e.memory().unwrap_or_else(|| panic!("nothing"));
        assert!((memory.kbps - 2000.0).abs() < 50.0, "{memory:?}");
        assert!(
            (memory.spread - core::f64::consts::LN_2).abs() < 0.01,
            "{memory:?}"
        );
        // Nothing that comes is no logarithm of zero.
        e.on_download(&download(900_000, 50, 60_000, 0));
        assert!(e.memory().is_some_and(|m| m.kbps > 1.0 && m.spread.is_finite()));
    }

    #[test]
    fn a_memory_counts_the_less_the_older_it_is_and_nothing_once_measured() {
        let memory = NetworkMemory {
            kbps: 12_000.0,
            spread: 0.0,
            unix_ms: 0,
        };
        let after = |hours: u64, configured: Option<f64>| {
            let mut e = ThroughputEstimator::new(configured);
            e.recall(&memory, Duration::from_secs(hours * 3600));
            e.bps().unwrap_or_default() / 1000.0
        };
        assert!((after(0, Some(3000.0)) - 12_000.0).abs() < 1.0);
        assert!((after(6, Some(3000.0)) - 6000.0).abs() < 1.0);
        assert!(after(24, Some(3000.0)) < 3300.0);
        assert!((after(6, None) - 6000.0).abs() < 1.0);
        let mut e = ThroughputEstimator::new(None);
        e.on_download(&download(0, 50, 1000, 125_000));
        e.recall(&memory, Duration::ZERO);
        assert!(e.bps().unwrap_or_default() < 1.1e6);
        let wild = NetworkMemory {
            spread: 5.0,
            ..memory
        };
        let mut e = ThroughputEstimator::new(None);
        e.recall(&wild, Duration::ZERO);
        assert!(
            e.bps().unwrap_or_default() < 1e6,
            "a wild network is not trusted to be at its median"
        );
    }

    #[test]
    fn empty_and_cached_downloads_teach_nothing() {
        let mut e = ThroughputEstimator::new(Some(3000.0));
        e.on_download(&download(0, 100, 0, 0));
        e.on_download(&Download {
            cached: true,
            ..download(500, 1, 2, 10_000_000)
        });
        assert!(!e.is_measured());
        assert_eq!(e.bps(), Some(3e6));
    }
}
