//! Regimes that follow each other by chance, and a rate that wanders within them.

use std::time::Duration;

use super::random::Rng;
use crate::trace::Point;

/// Sessions are drawn within that many standard deviations of their mean level.
const MAX_LEVEL_SD: f64 = 2.0;
/// Round trips take longer by this where the radio is poor.
const POOR_LATENCY: f64 = 1.5;
/// Standard deviation of ln(round-trip time) between sessions.
const LATENCY_SD: f64 = 0.2;

/// A model of a set of measured networks.
///
/// The level of a session is drawn once: ln(kbit/s) from N([`level`](Self::level), [`level_sd`](Self::level_sd)²). A chain of
/// regimes moves it: *normal*, *good* ([`good`](Self::good) above it) and *poor* ([`poor`](Self::poor) below it) last a time that is
/// exponentially distributed, an *outage* lasts a log-normal one and carries nothing. Good and an outage's end lead to normal, an
/// outage's end also to poor (even chances); normal leads to good, poor or an outage, poor to an outage or normal. Within them an
/// autoregressive process (Ornstein-Uhlenbeck: [`wander_sd`](Self::wander_sd), [`wander_s`](Self::wander_s)) is added to ln(kbit/s).
/// The rate changes every [`step_s`](Self::step_s) and has whole kbit/s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// The measurements that it is fitted to: name of the family of traces.
    pub like: &'static str,
    /// Where those come from.
    pub source: &'static str,
    /// Seconds for which a rate holds.
    pub step_s: f64,
    /// Mean of ln(kbit/s) of the normal regime.
    pub level: f64,
    /// Its standard deviation between sessions.
    pub level_sd: f64,
    /// What the good regime adds to ln(kbit/s).
    pub good: f64,
    /// What the poor regime takes from ln(kbit/s).
    pub poor: f64,
    /// Mean duration of the good regime, seconds.
    pub good_s: f64,
    /// Mean duration of the normal regime, seconds.
    pub normal_s: f64,
    /// Mean duration of the poor regime, seconds.
    pub poor_s: f64,
    /// Probability that normal is followed by good.
    pub normal_to_good: f64,
    /// Probability that normal is followed by an outage; otherwise by poor.
    pub normal_to_outage: f64,
    /// Probability that poor is followed by an outage; otherwise by normal.
    pub poor_to_outage: f64,
    /// Mean duration of an outage, seconds; at least a step.
    pub outage_s: f64,
    /// Standard deviation of its logarithm.
    pub outage_sd: f64,
    /// Standard deviation of ln(kbit/s) within a regime.
    pub wander_sd: f64,
    /// Time constant of the process within a regime, seconds.
    pub wander_s: f64,
    /// The fastest that was measured, kbit/s.
    pub peak_kbps: f64,
    /// Median round-trip time, milliseconds; half as much again in the poor regime. Typical of the technology, not fitted: the
    /// measurements do not know it.
    pub latency_ms: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Regime {
    Good,
    Normal,
    Outage,
    Poor,
}

impl Profile {
    pub(super) fn points(&self, mut rng: Rng, duration: Duration) -> Vec<Point> {
        let level = self.level + self.level_sd * rng.normal().clamp(-MAX_LEVEL_SD, MAX_LEVEL_SD);
        let latency = LATENCY_SD * rng.normal().clamp(-MAX_LEVEL_SD, MAX_LEVEL_SD);
        let latency_ms = self.latency_ms * libm::exp(latency);
        let keep = libm::exp(-self.step_s / self.wander_s);
        let fresh = (1.0 - keep * keep).sqrt() * self.wander_sd;
        let mut wander = self.wander_sd * rng.normal();
        let mut regime = self.first_regime(&mut rng);
        let mut outage_left_s = 0.0;

        let (step_ms, duration_ms) = (self.step_s * 1000.0, duration.as_secs_f64() * 1000.0);
        let steps = ((duration_ms / step_ms).ceil() as usize).max(1);
        let mut points = Vec::with_capacity(steps);
        for step in 0..steps {
            let left_ms = duration_ms - step as f64 * step_ms;
            let rate = |offset: f64| {
                let kbps = libm::exp(level + offset + wander);
                kbps.clamp(1.0, self.peak_kbps).round()
            };
            let (bandwidth_kbps, slower) = match regime {
                Regime::Good => (rate(self.good), 1.0),
                Regime::Normal => (rate(0.0), 1.0),
                Regime::Outage => (0.0, POOR_LATENCY),
                Regime::Poor => (rate(-self.poor), POOR_LATENCY),
            };
            points.push(Point {
                // A trace as short as nothing still has its step.
                duration_ms: if left_ms > 0.0 {
                    step_ms.min(left_ms)
                } else {
                    step_ms
                },
                bandwidth_kbps,
                latency_ms: (latency_ms * slower).round(),
            });
            wander = keep * wander + fresh * rng.normal();
            outage_left_s -= self.step_s;
            let next = self.next_regime(regime, outage_left_s, &mut rng);
            if next == Regime::Outage && regime != Regime::Outage {
                outage_left_s = self.outage_duration_s(&mut rng);
            }
            regime = next;
        }
        points
    }

    /// By the shares of the regimes in time, but no outage: a session begins where there is a network.
    fn first_regime(&self, rng: &mut Rng) -> Regime {
        let good = self.normal_to_good * self.good_s;
        let poor = (1.0 - self.normal_to_good - self.normal_to_outage) * self.poor_s;
        let at = rng.uniform() * (good + self.normal_s + poor);
        if at < good {
            Regime::Good
        } else if at < good + self.normal_s {
            Regime::Normal
        } else {
            Regime::Poor
        }
    }

    fn next_regime(&self, regime: Regime, outage_left_s: f64, rng: &mut Rng) -> Regime {
        let (leaves, way) = (rng.uniform(), rng.uniform());
        let after = |mean_s: f64| leaves < 1.0 - libm::exp(-self.step_s / mean_s);
        match regime {
            Regime::Good if after(self.good_s) => Regime::Normal,
            Regime::Normal if after(self.normal_s) => {
                if way < self.normal_to_good {
                    Regime::Good
                } else if way < 1.0 - self.normal_to_outage {
                    Regime::Poor
                } else {
                    Regime::Outage
                }
            }
            Regime::Outage if outage_left_s <= 0.0 => {
                if way < 0.5 {
                    Regime::Poor
                } else {
                    Regime::Normal
                }
            }
            Regime::Poor if after(self.poor_s) => {
                if way < self.poor_to_outage {
                    Regime::Outage
                } else {
                    Regime::Normal
                }
            }
            same => same,
        }
    }

    /// Whole steps.
    fn outage_duration_s(&self, rng: &mut Rng) -> f64 {
        let sd = self.outage_sd;
        let seconds = self.outage_s * libm::exp(sd * rng.normal() - sd * sd / 2.0);
        (seconds / self.step_s).round().max(1.0) * self.step_s
    }
}
