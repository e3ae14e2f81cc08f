//! What traces are like, in a few figures.

use std::time::Duration;

use serde::Serialize;

use super::Trace;

/// Seconds at this rate or less are an outage, kbit/s: the least that carries a picture.
pub const OUTAGE_KBPS: f64 = 50.0;
/// Lags of [`Statistics::autocorrelation`], seconds.
pub const LAGS_S: [usize; 4] = [1, 5, 20, 60];

const SECOND: Duration = Duration::from_secs(1);
/// A week: bounds the memory.
const MAX_SECONDS: u64 = 7 * 86_400;

/// Figures of a set of traces, by whole seconds. A trace of less than a second counts as one; of a longer one the first week
/// counts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Statistics {
    /// How many traces.
    pub traces: usize,
    /// Of all of them, seconds.
    pub duration_s: usize,
    /// Mean rate, kbit/s.
    pub mean_kbps: f64,
    /// The slowest twentieth of the seconds is at this or below, kbit/s.
    pub p5_kbps: f64,
    /// Median of the seconds, kbit/s.
    pub p50_kbps: f64,
    /// The fastest twentieth of the seconds is at this or above, kbit/s.
    pub p95_kbps: f64,
    /// Standard deviation of ln(kbit/s) between the means of traces.
    pub sd_ln_between: f64,
    /// Standard deviation of ln(kbit/s) within traces, without outages.
    pub sd_ln_within: f64,
    /// Autocorrelation of ln(kbit/s), at least ln([`OUTAGE_KBPS`]), at [`LAGS_S`], within traces; `None` if none is long enough.
    pub autocorrelation: [Option<f64>; 4],
    /// Runs of seconds at [`OUTAGE_KBPS`] or less.
    pub outages: usize,
    /// Mean duration of one, seconds; zero if there are none.
    pub outage_s: f64,
    /// Share of the time in them.
    pub outage_share: f64,
    /// Mean round-trip time where it is known, milliseconds; `None` if it is not.
    pub latency_ms: Option<f64>,
}

impl Statistics {
    /// Of these traces; `None` if there are none.
    pub fn of<'a>(traces: impl IntoIterator<Item = &'a Trace>) -> Option<Self> {
        let mut sums = Sums::default();
        for trace in traces {
            sums.add(trace);
        }
        (!sums.means.is_empty()).then(|| sums.finish())
    }

    /// Outages in an hour.
    pub fn outages_per_hour(&self) -> f64 {
        3600.0 * self.outages as f64 / self.duration_s.max(1) as f64
    }
}

#[derive(Default)]
struct Sums {
    /// ln of the mean of each trace.
    means: Vec<f64>,
    /// Rate of each second of all traces, kbit/s.
    seconds: Vec<f64>,
    /// Sum of squares within traces without outages, and how many seconds.
    within: (f64, usize),
    /// Sums of products at each lag, and of squares of the traces that are long enough for it.
    products: [(f64, f64); 4],
    outages: Vec<usize>,
    /// Milliseconds × latency, milliseconds.
    latency: (f64, f64),
}

impl Sums {
    fn add(&mut self, trace: &Trace) {
        let rates: Vec<f64> = (0..trace.duration().as_secs().clamp(1, MAX_SECONDS))
            .map(|s| {
                let (from, to) = (Duration::from_secs(s), Duration::from_secs(s) + SECOND);
                // Bits in a second × 1e6, over 1e9.
                (trace.carried(to) - trace.carried(from)) as f64 / 1e9
            })
            .collect();
        let mean = rates.iter().sum::<f64>() / rates.len() as f64;
        self.means.push(libm::log(mean.max(1e-3)));
        let logs: Vec<f64> = rates.iter().map(|r| libm::log(r.max(OUTAGE_KBPS))).collect();

        let alive: Vec<f64> = logs
            .iter()
            .zip(&rates)
            .filter(|(_, rate)| **rate > OUTAGE_KBPS)
            .map(|(log, _)| *log)
            .collect();
        self.within.0 += deviations(&alive).iter().map(|d| d * d).sum::<f64>();
        self.within.1 += alive.len();

        let deviations = deviations(&logs);
        let squares: f64 = deviations.iter().map(|d| d * d).sum();
        for (lag, sums) in LAGS_S.iter().zip(&mut self.products) {
            let pairs = deviations.iter().zip(deviations.iter().skip(*lag));
            // Of very few pairs it says nothing.
            if deviations.len() > lag + 5 {
                let product: f64 = pairs.map(|(a, b)| a * b).sum();
                sums.0 += product * logs.len() as f64 / (logs.len() - lag) as f64;
                sums.1 += squares;
            }
        }

        let mut run = 0;
        for rate in rates.iter().copied().chain([f64::INFINITY]) {
            if rate <= OUTAGE_KBPS {
                run += 1;
            } else if run > 0 {
                self.outages.push(run);
                run = 0;
            }
        }
        for point in trace.points().filter(|point| point.latency_ms > 0.0) {
            self.latency.0 += point.duration_ms * point.latency_ms;
            self.latency.1 += point.duration_ms;
        }
        self.seconds.extend(rates);
    }

    fn finish(mut self) -> Statistics {
        self.seconds.sort_unstable_by(f64::total_cmp);
        let count = self.seconds.len();
        let quantile = |p: f64| {
            let rank = (p * count as f64).ceil() as usize;
            self.seconds
                .get(rank.saturating_sub(1))
                .copied()
                .unwrap_or_default()
        };
        let root_mean = |sum: f64, count: usize| (sum / count.max(1) as f64).sqrt();
        let between = deviations(&self.means).iter().map(|d| d * d).sum();
        let out: usize = self.outages.iter().sum();
        Statistics {
            traces: self.means.len(),
            duration_s: count,
            mean_kbps: self.seconds.iter().sum::<f64>() / count as f64,
            p5_kbps: quantile(0.05),
            p50_kbps: quantile(0.5),
            p95_kbps: quantile(0.95),
            sd_ln_between: root_mean(between, self.means.len()),
            sd_ln_within: root_mean(self.within.0, self.within.1),
            autocorrelation: self
                .products
                .map(|(product, square)| (square > 0.0).then(|| product / square)),
            outages: self.outages.len(),
            outage_s: out as f64 / self.outages.len().max(1) as f64,
            outage_share: out as f64 / count as f64,
            latency_ms: (self.latency.1 > 0.0).then(|| self.latency.0 / self.latency.1),
        }
    }
}

fn deviations(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|value| value - mean).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::trace::Point;

    fn trace(points: &[(f64, f64)], latency_ms: f64) -> Trace {
        let points: Vec<_> = points
            .iter()
            .map(|&(duration_ms, bandwidth_kbps)| Point {
                duration_ms,
                bandwidth_kbps,
                latency_ms,
            })
            .collect();
        Trace::new("t", &points).unwrap()
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn a_square_wave_with_an_outage() {
        // 2 s at 1000, 2 s at 3000, …, 40 s; then 3 s of next to nothing and 1 s at 1000.
        let mut points = [(2000.0, 1000.0), (2000.0, 3000.0)].repeat(10);
        points.extend([(1500.0, 0.0), (1500.0, 50.0), (1000.0, 1000.0)]);
        let s = Statistics::of([&trace(&points, 20.0)]).unwrap();
        assert_eq!((s.traces, s.duration_s, s.outages), (1, 44, 1));
        assert!(near(s.outage_s, 3.0) && near(s.outage_share, 3.0 / 44.0));
        assert!(near(s.outages_per_hour(), 3600.0 / 44.0));
        assert!(near(s.mean_kbps, 81_075.0 / 44.0), "{}", s.mean_kbps);
        assert!(near(s.p5_kbps, 50.0) && near(s.p50_kbps, 1000.0) && near(s.p95_kbps, 3000.0));
        // 20 of the 41 seconds alive are at 3000.
        let share = 20.0 / 41.0_f64;
        assert!(near(
            s.sd_ln_within,
            libm::log(3.0) * (share * (1.0 - share)).sqrt()
        ));
        assert!(near(s.sd_ln_between, 0.0));
        assert_eq!(s.latency_ms, Some(20.0));
    }

    #[test]
    fn autocorrelation_of_a_wave_of_four_seconds() {
        let s = Statistics::of([&trace(&[(2000.0, 1000.0), (2000.0, 3000.0)].repeat(50), 0.0)]).unwrap();
        let lags: Vec<f64> = s.autocorrelation.iter().map(|value| value.unwrap()).collect();
        // At one second and at five half of the pairs are equal; at 20 and 60 all are.
        assert!(lags[0].abs() < 0.02 && lags[1].abs() < 0.02, "{lags:?}");
        assert!(lags[2] > 0.99 && lags[3] > 0.99, "{lags:?}");
        assert_eq!(s.latency_ms, None);
    }

    #[test]
    fn short_traces_and_none() {
        assert_eq!(Statistics::of([]), None);
        let s = Statistics::of([&trace(&[(100.0, 700.0)], 0.0), &trace(&[(3000.0, 700.0)], 0.0)]).unwrap();
        assert_eq!((s.traces, s.duration_s), (2, 4));
        assert!(near(s.mean_kbps, 700.0));
        assert_eq!(s.autocorrelation, [None; 4]);
    }
}
