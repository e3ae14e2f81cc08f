//! What a session believes of its network: how the logarithm of the throughput moves, and where it dwells.
//!
//! x is ln(Mbit/s). Where it dwells is a histogram H of the session's samples that forgets. How it moves is a mixture of
//! sixteen experts: each says that x walks at random at a rate σ, and that after a time that is exponentially distributed with
//! mean T it is drawn anew from H. Each sample shifts the weights to the experts that expected it (Herbster & Warmuth 1998: a share goes
//! back to the prior, so that no expert is ruled out for ever).

/// Random walk: standard deviation of x after a second.
pub(crate) const SIGMAS: [f32; 4] = [0.04, 0.12, 0.3, 0.6];
/// Mean times between jumps, seconds.
pub(crate) const TIMES: [f32; 4] = [2.0, 8.0, 30.0, 120.0];
/// Standard deviation of a measurement of x.
const NOISE: f32 = 0.05;

const BINS: usize = 112;
const BIN: f32 = 0.15;
/// x at the middle of the first bin: 1 kbit/s. The last one is at about 17 Gbit/s.
const FIRST: f32 = -6.9;
const LAST: f32 = FIRST + BIN * (BINS - 1) as f32;
const EVERYTHING: (f32, f32) = (FIRST, LAST);
/// Share of H that is uniform: what has not been seen may come.
const UNSEEN: f32 = 0.1;
/// The histogram's memory: half-life in seconds of weight.
const HALF_LIFE: f32 = 150.0;
/// A sample weighs the seconds since the one before, at most this.
const MAX_WEIGHT: f32 = 4.0;
/// Before there were samples, x is expected around the first one with this weight and standard deviation.
const PRIOR: (f32, f32) = (5.0, 0.4);
/// Logarithm of the prior odds of a T against the next shorter one.
const PRIOR_PER_TIME: f32 = 0.3;
/// How much a sample's likelihood counts: neighbouring samples are not independent.
const LEARNING: f32 = 0.2;
/// What remains of the weights after three seconds; the rest is the prior.
const KEEP: f32 = 0.985;

/// See the module's text.
#[derive(Clone, Debug)]
pub struct Belief {
    histogram: [f32; BINS],
    total: f32,
    log_weights: [[f32; 4]; 4],
    /// Time and x of the last sample.
    last: Option<(f64, f32)>,
    /// x before there was one.
    expected: Option<f32>,
    /// x is known to lie in here: far outside nothing that could be chosen would differ.
    range: (f32, f32),
}

impl Belief {
    /// Knows nothing.
    pub fn new() -> Self {
        Self {
            histogram: [0.0; BINS],
            total: 0.0,
            log_weights: [prior(); 4],
            last: None,
            expected: None,
            range: EVERYTHING,
        }
    }

    /// The ladder's lowest and highest bitrate, Mbit/s. A ladder that is cut short narrows nothing: what the network carries stays
    /// worth knowing.
    pub fn set_ladder(&mut self, lowest: f64, highest: f64) {
        let low = (libm::log((0.05 * lowest).max(1e-9)) as f32).clamp(FIRST, LAST - 1.0);
        let high = (libm::log((4.0 * highest).max(1e-9)) as f32)
            .min(LAST)
            .max(low + 1.0);
        self.range = match self.range {
            range if range == EVERYTHING => (low, high),
            range => (range.0.min(low), range.1.max(high)),
        };
    }

    /// The lowest and the highest x that are told apart.
    pub const fn range(&self) -> (f32, f32) {
        self.range
    }

    /// Time and x of the last sample.
    pub const fn last(&self) -> Option<(f64, f32)> {
        self.last
    }

    /// Time of the last sample and its x; before there was one, what is expected.
    pub fn now(&self) -> Option<(Option<f64>, f32)> {
        let inside = |x: f32| x.max(self.range.0).min(self.range.1);
        match self.last {
            Some((at_s, x)) => Some((Some(at_s), inside(x))),
            None => self.expected.map(|x| (None, inside(x))),
        }
    }

    /// Expects x around a value before anything was measured, in place of what was expected before.
    pub fn expect(&mut self, x: f32, spread: f32) {
        let x = x.clamp(FIRST, LAST);
        self.histogram = [0.0; BINS];
        self.total = 0.0;
        self.add_normal(x, spread, PRIOR.0);
        self.expected = Some(x);
    }

    /// Median and spread of H, once something was measured.
    pub fn summary(&self) -> Option<(f32, f32)> {
        self.last?;
        let median = self.quantile(0.5);
        Some((median, 0.5 * (self.quantile(0.84) - self.quantile(0.16))))
    }

    /// Learns from a sample.
    pub fn learn(&mut self, at_s: f64, x: f32) {
        let x = x.max(self.range.0).min(self.range.1);
        let Some((before_s, before)) = self.last else {
            self.add_normal(x, PRIOR.1, PRIOR.0);
            self.add(x, 1.0);
            self.last = Some((at_s, x));
            return;
        };
        let gap = ((at_s - before_s) as f32).clamp(0.01, 3600.0);
        let h = self.density(x);
        let keep = libm::powf(KEEP, gap.min(3.0) / 3.0);
        let prior = prior();
        for (sigma, row) in SIGMAS.iter().zip(&mut self.log_weights) {
            let walked = normal(x - before, sigma * sigma * gap + NOISE * NOISE);
            for ((time, weight), prior) in TIMES.iter().zip(row).zip(prior) {
                let stays = libm::expf(-gap / time);
                let p = stays * walked + (1.0 - stays) * h;
                *weight = keep * *weight + (1.0 - keep) * prior + LEARNING * libm::logf(p.max(1e-6));
            }
        }
        let best = self
            .log_weights
            .iter()
            .flatten()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max);
        self.log_weights.iter_mut().flatten().for_each(|w| *w -= best);
        self.add(x, gap.min(MAX_WEIGHT));
        self.last = Some((at_s, x));
    }

    /// Weights of the experts: a row a σ, a column a T; they add up to 1.
    pub(crate) fn weights(&self) -> [[f32; 4]; 4] {
        let mut weights = self.log_weights.map(|row| row.map(libm::expf));
        let sum: f32 = weights.iter().flatten().sum();
        weights.iter_mut().flatten().for_each(|w| *w /= sum);
        weights
    }

    /// The x below which a share of H lies, without what was never seen.
    pub(crate) fn quantile(&self, share: f32) -> f32 {
        let mut below = 0.0;
        for (i, mass) in self.histogram.iter().enumerate() {
            let next = below + mass;
            if next >= share * self.total && *mass > 0.0 {
                let within = (share * self.total - below) / mass;
                return FIRST + BIN * (i as f32 - 0.5 + within);
            }
            below = next;
        }
        self.range.1
    }

    /// H on the levels low, low + dx, …: each bin's mass is split between its two neighbours.
    pub(crate) fn on_levels<const N: usize>(&self, low: f32, dx: f32) -> [f32; N] {
        let mut h = [0.0; N];
        let uniform = UNSEEN * BIN / (self.range.1 - self.range.0 + BIN);
        let seen = (1.0 - UNSEEN) / self.total.max(1e-9);
        let top = (N - 1) as f32;
        for (i, mass) in self.histogram.iter().enumerate() {
            let x = FIRST + BIN * i as f32;
            let inside = x >= self.range.0 - BIN && x <= self.range.1 + BIN;
            let mass = seen * mass + if inside { uniform } else { 0.0 };
            if mass > 0.0 {
                let at = ((x - low) / dx).max(0.0).min(top);
                let below = (at as usize).min(N.saturating_sub(2));
                let share = at - below as f32;
                if let Some([a, b]) = h.get_mut(below..below + 2) {
                    *a += mass * (1.0 - share);
                    *b += mass * share;
                }
            }
        }
        let sum: f32 = h.iter().sum();
        h.map(|h| h / sum.max(1e-9))
    }

    fn density(&self, x: f32) -> f32 {
        let seen = self.histogram.get(bin(x)).copied().unwrap_or_default() / (self.total.max(1e-9) * BIN);
        (1.0 - UNSEEN) * seen + UNSEEN / (self.range.1 - self.range.0)
    }

    fn add(&mut self, x: f32, weight: f32) {
        let keep = libm::exp2f(-weight / HALF_LIFE);
        self.histogram.iter_mut().for_each(|mass| *mass *= keep);
        self.total *= keep;
        let at = bin(x).clamp(1, BINS - 2);
        if let Some([a, b, c]) = self.histogram.get_mut(at - 1..at + 2) {
            *a += 0.25 * weight;
            *b += 0.5 * weight;
            *c += 0.25 * weight;
        }
        self.total += weight;
    }

    fn add_normal(&mut self, mean: f32, sd: f32, weight: f32) {
        let mut sum = 0.0;
        let density = |i: usize| normal(FIRST + BIN * i as f32 - mean, sd * sd);
        for i in 0..BINS {
            sum += density(i);
        }
        for (i, mass) in self.histogram.iter_mut().enumerate() {
            *mass += weight * density(i) / sum.max(1e-9);
        }
        self.total += weight;
    }
}

impl Default for Belief {
    fn default() -> Self {
        Self::new()
    }
}

fn prior() -> [f32; 4] {
    [0.0, 1.0, 2.0, 3.0].map(|t| PRIOR_PER_TIME * t)
}

fn bin(x: f32) -> usize {
    (((x - FIRST) / BIN).round().max(0.0) as usize).min(BINS - 1)
}

/// Density of the normal distribution with mean 0.
fn normal(x: f32, variance: f32) -> f32 {
    libm::expf(-0.5 * x * x / variance) / libm::sqrtf(core::f32::consts::TAU * variance)
}
