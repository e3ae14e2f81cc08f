//! The belief at a decision, as the planner uses it: a few levels of throughput, how they follow each other, and how long a
//! download takes.

use crate::belief::{Belief, SIGMAS, TIMES};

/// Levels of throughput. More make no difference.
pub(crate) const LEVELS: usize = 7;
/// As many as fit a register.
pub(crate) const LANES: usize = 8;
/// A number a level; what is beyond the levels means nothing.
pub(crate) type Lanes = [f32; LANES];

/// A row a level now, a column a level later.
pub(crate) type Transition = [[f32; LEVELS]; LEVELS];

/// Far enough for any gap: a walk has gone as far as it goes.
const MAX_WALK: f32 = 1.5;
/// Survival is tabulated from here, seconds, at [`PER_OCTAVE`] points for each doubling.
const SURVIVAL_FROM: f32 = 0.125;
const PER_OCTAVE: usize = 4;
const SURVIVAL_POINTS: usize = 15 * PER_OCTAVE;
/// Downloads that are expected to take no longer than this, seconds, have one outcome.
const SHORT_S: f32 = 0.6;
/// A jump comes early or late in a download: at these shares of the time that it would take without one.
const EARLY: f32 = 0.13;
const LATE: f32 = 0.6;
/// Up to this share of that time a jump is early.
const EARLY_UNTIL: f32 = 0.3;
/// A download that a jump slows down is taken to last this much longer at most: it would be given up.
const LONGEST: f32 = 1.3;

/// The network as the planner sees it.
#[derive(Clone, Debug)]
pub struct Law {
    /// x of the lowest level, and the step.
    pub(crate) low: f32,
    pub(crate) dx: f32,
    /// Level of the last sample.
    pub(crate) now: usize,
    /// Mbit/s.
    rate: Lanes,
    pub(crate) per_rate: Lanes,
    /// Where x dwells.
    pub(crate) h: [f32; LEVELS],
    /// The same after a jump inside a download.
    pub(crate) h_jumped: [f32; LEVELS],
    by_sigma_and_time: [[f32; 4]; 4],
    by_time: [f32; 4],
    survival: [(f32, f32); SURVIVAL_POINTS],
    /// Rounds: seconds until a jump on the mean.
    until_jump: f32,
    per_mean: f32,
    /// Of each level: Mbit until the next jump, and how much slower than the mean a Mbit is.
    fresh_end: Lanes,
    fresh_slope: Lanes,
}

/// How long downloads take, one from each level say: each with the level unchanged, with a jump early on the way, and with a late
/// one. Short downloads have no jumps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcomes<const N: usize> {
    /// Probabilities of the three.
    pub(crate) p: [[f32; N]; 3],
    pub(crate) seconds: [[f32; N]; 3],
}

impl Law {
    /// The belief around x₀. `middle` is the bitrate of the ladder's middle rung, Mbit/s.
    pub fn new(belief: &Belief, x0: f32, middle: f32) -> Self {
        let weights = belief.weights();
        let sigma: f32 = SIGMAS
            .iter()
            .zip(&weights)
            .map(|(sigma, row)| sigma * row.iter().sum::<f32>())
            .sum();
        let ceiling = belief.range().1 + 0.2;
        let low = (belief.quantile(0.015) - 0.1).min(x0 - 3.0 * sigma - 0.1);
        let high = (belief.quantile(0.985) + 0.1)
            .max(x0 + 2.5 * sigma + 0.1)
            .min(ceiling)
            .max(x0 + 0.05);
        let steps = (LEVELS - 1) as f32;
        let dx = (high - low) / steps;
        let now = ((x0 - low) / dx).round().max(0.0).min(steps);
        let low = x0 - now * dx;
        let rate: Lanes = core::array::from_fn(|j| libm::expf(low + j as f32 * dx));
        let h: [f32; LEVELS] = belief.on_levels(low, dx);
        let mut h_jumped: [f32; LEVELS] =
            core::array::from_fn(|j| h[j] * libm::sqrtf((rate[j] / middle.max(1e-6)).min(1.0)));
        let sum: f32 = h_jumped.iter().sum();
        h_jumped.iter_mut().for_each(|h| *h /= sum.max(1e-9));
        let by_time = core::array::from_fn(|t| weights.iter().map(|row| row[t]).sum::<f32>());
        let until_jump = 1.0 / by_time.iter().zip(TIMES).map(|(w, t)| w / t).sum::<f32>();
        let mut law = Self {
            low,
            dx,
            now: now as usize,
            rate,
            per_rate: rate.map(|c| 1.0 / c),
            h,
            h_jumped,
            by_sigma_and_time: weights,
            by_time,
            survival: [(0.0, 0.0); SURVIVAL_POINTS],
            until_jump,
            per_mean: 0.0,
            fresh_end: [0.0; LANES],
            fresh_slope: [0.0; LANES],
        };
        law.tabulate();
        law
    }

    fn tabulate(&mut self) {
        for offset in 0..PER_OCTAVE {
            let t = SURVIVAL_FROM * libm::exp2f(offset as f32 / PER_OCTAVE as f32);
            let mut whole = TIMES.map(|time| libm::expf(-t / time));
            let mut early = TIMES.map(|time| libm::expf(-EARLY_UNTIL * t / time));
            let by_time = self.by_time;
            let mean = |stays: &[f32; 4]| stays.iter().zip(&by_time).map(|(s, w)| s * w).sum();
            for point in self.survival.iter_mut().skip(offset).step_by(PER_OCTAVE) {
                *point = (mean(&whole), mean(&early));
                // Twice the time: the square.
                whole = whole.map(|s| s * s);
                early = early.map(|s| s * s);
            }
        }
        // Within the mean time until the next jump the new level lasts; then the mean of all.
        let mean: f32 = self.rate.iter().zip(&self.h).map(|(c, h)| c * h).sum::<f32>();
        self.per_mean = 1.0 / mean.max(1e-9);
        for (j, (piece, more)) in self
            .fresh_end
            .iter_mut()
            .zip(&mut self.fresh_slope)
            .enumerate()
            .take(LEVELS)
        {
            *piece = self.rate[j] * self.until_jump;
            *more = self.h[j] * (self.per_rate[j] - self.per_mean);
        }
    }

    /// How levels follow each other after a time without news, seconds.
    pub(crate) fn transition(&self, gap: f32) -> Transition {
        let stays = TIMES.map(|time| libm::expf(-gap / time));
        // How far it walks: [m] is the mass that ends m levels up, and as much m levels down.
        let mut walk = [0.0_f32; LEVELS];
        let mut beyond = 0.0_f32;
        let mut walked = 0.0;
        for (sigma, row) in SIGMAS.iter().zip(&self.by_sigma_and_time) {
            let weight: f32 = row.iter().zip(&stays).map(|(w, s)| w * s).sum();
            walked += weight;
            let sd = (sigma * libm::sqrtf(gap)).min(MAX_WALK);
            if sd < 0.25 * self.dx {
                let side = 0.5 * (sd / self.dx) * (sd / self.dx);
                walk[0] += weight * (1.0 - 2.0 * side);
                walk[1] += weight * side;
            } else {
                let scale = self.dx / (sd * core::f32::consts::SQRT_2);
                let mut above = 0.5;
                for (m, mass) in walk.iter_mut().enumerate() {
                    let next = 0.5 * libm::erfcf((m as f32 + 0.5) * scale);
                    *mass += weight * if m == 0 { 1.0 - 2.0 * next } else { above - next };
                    above = next;
                }
                beyond += weight * above;
            }
        }
        let jumped = 1.0 - walked;
        core::array::from_fn(|from| {
            let mut row = self.h.map(|h| jumped * h);
            for (m, mass) in walk.iter().enumerate() {
                if m == 0 {
                    row[from] += mass;
                } else {
                    row[(from + m).min(LEVELS - 1)] += mass;
                    row[from.saturating_sub(m)] += mass;
                }
            }
            row[LEVELS - 1] += beyond;
            row[0] += beyond;
            row
        })
    }

    /// Where x lies between the levels: the one below, and the share of the one above.
    pub(crate) fn between(&self, x: f32) -> (usize, f32) {
        between(self.low, self.dx, x)
    }

    /// Probabilities of no jump for some seconds, whose logarithms are given, and for [`EARLY_UNTIL`] of them.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    pub(crate) fn survival<const N: usize>(&self, log_s: &[f32; N]) -> ([f32; N], [f32; N]) {
        const PER_E: f32 = PER_OCTAVE as f32 * core::f32::consts::LOG2_E;
        const LOG_FROM: f32 = -2.079_441_5;
        let mut below = [0_i32; N];
        let mut share = [0.0; N];
        for i in 0..N {
            let at = ((log_s[i] - LOG_FROM) * PER_E).clamp(0.0, (SURVIVAL_POINTS - 2) as f32 + 0.999);
            below[i] = at as i32;
            share[i] = at - below[i] as f32;
        }
        let (mut whole, mut early) = ([0.0; N], [0.0; N]);
        for i in 0..N {
            let below = (below[i] as usize).min(SURVIVAL_POINTS - 2);
            let (a, b) = (self.survival[below], self.survival[below + 1]);
            whole[i] = a.0 + (b.0 - a.0) * share[i];
            early[i] = a.1 + (b.1 - a.1) * share[i];
        }
        (whole, early)
    }

    /// Expected time to fetch some Mbit, seconds, when the level has just been drawn anew: at each level for as long as it lasts, then
    /// at the mean of all.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    pub(crate) fn fresh_s<const N: usize>(&self, mbit: &[f32; N]) -> [f32; N] {
        let mut seconds = mbit.map(|mbit| mbit * self.per_mean);
        for (end, slope) in self.fresh_end.iter().zip(&self.fresh_slope).take(LEVELS) {
            for (seconds, mbit) in seconds.iter_mut().zip(mbit) {
                *seconds += smaller(*mbit, *end) * slope;
            }
        }
        seconds
    }

    /// How long some Mbit take from each level on, without the time to first byte. `log_mbit` is their logarithm.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    pub(crate) fn outcomes(&self, mbit: f32, log_mbit: f32) -> Outcomes<LANES> {
        let mut d0 = [0.0; LANES];
        let mut log_d0 = [0.0; LANES];
        for level in 0..LANES {
            d0[level] = mbit * self.per_rate[level];
            log_d0[level] = log_mbit - (self.low + level as f32 * self.dx);
        }
        self.outcomes_at(&self.rate, mbit, &d0, &log_d0)
    }

    /// The same from any rates, Mbit/s; `d0` is the time that it would take unchanged, `log_d0` its logarithm.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    pub(crate) fn outcomes_at<const N: usize>(
        &self,
        rate: &[f32; N],
        mbit: f32,
        d0: &[f32; N],
        log_d0: &[f32; N],
    ) -> Outcomes<N> {
        let (to_end, until_early) = self.survival(log_d0);
        let mut out = Outcomes {
            p: [[0.0; N]; 3],
            seconds: [*d0; 3],
        };
        for i in 0..N {
            let short = d0[i] <= SHORT_S;
            out.p[0][i] = if short { 1.0 } else { to_end[i] };
            out.p[1][i] = if short { 0.0 } else { 1.0 - until_early[i] };
            out.p[2][i] = if short { 0.0 } else { until_early[i] - to_end[i] };
        }
        for (seconds, share) in out.seconds[1..].iter_mut().zip([EARLY, LATE]) {
            let mut rest = [0.0; N];
            for i in 0..N {
                rest[i] = mbit - rate[i] * (share * d0[i]);
            }
            let fresh = self.fresh_s(&rest);
            for i in 0..N {
                seconds[i] = smaller(share * d0[i] + fresh[i], LONGEST * d0[i]);
            }
        }
        out
    }
}

/// Where x lies between levels `low`, `low + dx`, …: the one below, and the share of the one above.
pub(crate) fn between(low: f32, dx: f32, x: f32) -> (usize, f32) {
    let at = ((x - low) / dx).clamp(0.0, (LEVELS - 1) as f32);
    let below = (at as usize).min(LEVELS - 2);
    (below, at - below as f32)
}

#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn smaller(a: f32, b: f32) -> f32 {
    if b < a { b } else { a }
}
