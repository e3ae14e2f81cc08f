//! Model predictive control: the best sequence for the next five segments if the throughput stays as predicted.
//!
//! Yin, Jindal, Sekar, Sinopoli: *A Control-Theoretic Approach for Dynamic Adaptive Video Streaming over HTTP*, SIGCOMM
//! 2015, with the choices of Pensieve's `mpc.py` (Mao et al., SIGCOMM 2017): the prediction is the harmonic mean of the last
//! five segments; RobustMPC divides it by 1 + the largest relative error of the last five predictions; all sequences
//! of five are compared. A download takes the last round trip and its bits at the prediction, and waits for room.

use player_core::Bitrate;
use player_core::abr::{Abr, Context, Download, Flight, Objective, Progress};
use player_core::config::AbrConfig;

use super::samples::{Recent, Sample, bitrate};

/// Segments looked ahead, and samples of the mean and of the errors.
const HORIZON: usize = 5;

/// MPC and RobustMPC.
#[derive(Clone, Debug)]
pub(super) struct Mpc {
    robust: bool,
    objective: Objective,
    throughputs: Recent,
    errors: Recent,
    latency_s: f64,
    /// The mean before the last download.
    predicted: Option<f64>,
    search: Search,
}

impl Mpc {
    pub(super) fn new(config: &AbrConfig, robust: bool) -> Self {
        Self {
            robust,
            objective: config.objective(),
            throughputs: Recent::new(HORIZON),
            errors: Recent::new(HORIZON),
            latency_s: 0.0,
            predicted: None,
            search: Search::default(),
        }
    }

    fn prediction(&self) -> Option<f64> {
        let mean = self.throughputs.harmonic_mean()?;
        let error = if self.robust { self.errors.largest() } else { 0.0 };
        Some(mean / (1.0 + error))
    }
}

impl Abr for Mpc {
    fn name(&self) -> &str {
        if self.robust { "robust-mpc" } else { "mpc" }
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, download: &Download) {
        let Some(sample) = Sample::of(download) else {
            return;
        };
        let bps = sample.bps();
        if let Some(predicted) = self.predicted {
            self.errors.push((predicted - bps).abs() / bps);
        }
        self.throughputs.push(bps);
        self.latency_s = sample.latency_s;
        self.predicted = self.throughputs.harmonic_mean();
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        match self.prediction() {
            Some(bps) => self.search.run(&self.objective, context, bps, self.latency_s),
            None => 0,
        }
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.prediction().map(bitrate)
    }
}

/// Depth-first over all sequences, without those that cannot be better than the best one so far.
#[derive(Clone, Debug, Default)]
struct Search {
    objective: Objective,
    rungs: usize,
    depth: usize,
    segment_s: f64,
    /// No request is made with more than this in the buffer.
    room_s: f64,
    /// By segment and rung.
    options: Vec<Choice>,
    /// What the segments from one on can be worth at most after each rung of the segment before, without stalls.
    bounds: Vec<f64>,
    /// What a change from a rung to another costs in the next segment: by segment, rung before, rung.
    gains: Vec<f64>,
    best: f64,
    first: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Choice {
    utility: f64,
    download_s: f64,
}

impl Search {
    fn run(&mut self, objective: &Objective, context: &Context<'_>, bps: f64, latency_s: f64) -> usize {
        self.objective = *objective;
        self.rungs = context.ladder.len();
        self.depth = HORIZON.min(context.remaining.unwrap_or(HORIZON)).max(1);
        self.segment_s = context.segment_s;
        self.room_s = (context.buffer_max_s - context.segment_s).max(context.segment_s);
        let utility = |rung, ahead| {
            objective
                .utility
                .of(context.ladder, context.upcoming, rung, ahead)
        };
        self.options.clear();
        for ahead in 0..self.depth {
            self.options.extend((0..self.rungs).map(|rung| Choice {
                utility: utility(rung, ahead),
                download_s: latency_s + context.bits(rung, ahead) / bps,
            }));
        }
        self.prepare();
        self.best = f64::NEG_INFINITY;
        self.first = 0;
        // The quality of the segment before, as this segment would have it.
        let before = context.last.map(|rung| utility(rung, 0));
        for rung in (0..self.rungs).rev() {
            let Some(option) = self.options.get(rung).copied() else {
                continue;
            };
            let late_s = (option.download_s - context.buffer_s).max(0.0);
            let value = objective.gain(option.utility, before) - objective.stall * late_s;
            let buffer_s = (context.buffer_s - option.download_s).max(0.0) + self.segment_s;
            self.descend(1, rung, rung, value, buffer_s.min(self.room_s));
        }
        self.first
    }

    fn prepare(&mut self) {
        let (rungs, depth) = (self.rungs, self.depth);
        let utility = |options: &[Choice], ahead: usize, rung: usize| {
            options.get(ahead * rungs + rung).map_or(0.0, |o| o.utility)
        };
        self.gains.clear();
        self.bounds.clear();
        self.gains.resize(depth * rungs * rungs, 0.0);
        self.bounds.resize((depth + 1) * rungs, 0.0);
        for ahead in (1..depth).rev() {
            for before in 0..rungs {
                let from = utility(&self.options, ahead - 1, before);
                let mut most = f64::NEG_INFINITY;
                for rung in 0..rungs {
                    let gain = self
                        .objective
                        .gain(utility(&self.options, ahead, rung), Some(from));
                    if let Some(slot) = self.gains.get_mut((ahead * rungs + before) * rungs + rung) {
                        *slot = gain;
                    }
                    let after = self.bounds.get((ahead + 1) * rungs + rung).copied();
                    most = most.max(gain + after.unwrap_or(0.0));
                }
                if let Some(slot) = self.bounds.get_mut(ahead * rungs + before) {
                    *slot = most;
                }
            }
        }
    }

    /// Goes on with segment `ahead` after one of rung `before`.
    fn descend(&mut self, ahead: usize, before: usize, first: usize, value: f64, buffer_s: f64) {
        if ahead >= self.depth {
            if value > self.best {
                self.best = value;
                self.first = first;
            }
            return;
        }
        let bound = self
            .bounds
            .get(ahead * self.rungs + before)
            .copied()
            .unwrap_or(0.0);
        if value + bound <= self.best {
            return;
        }
        for rung in (0..self.rungs).rev() {
            let option = self.options.get(ahead * self.rungs + rung).copied();
            let gain = self
                .gains
                .get((ahead * self.rungs + before) * self.rungs + rung)
                .copied();
            let (Some(option), Some(gain)) = (option, gain) else {
                continue;
            };
            let late_s = (option.download_s - buffer_s).max(0.0);
            let value = value + gain - self.objective.stall * late_s;
            let left_s = (buffer_s - option.download_s).max(0.0) + self.segment_s;
            self.descend(ahead + 1, rung, first, value, left_s.min(self.room_s));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use player_core::Instant;
    use player_core::abr::{Rung, Upcoming};
    use proptest::prelude::*;

    use super::*;

    struct Sizes(Vec<Vec<u64>>);

    impl Upcoming for Sizes {
        fn bytes(&self, rung: usize, ahead: usize) -> Option<u64> {
            self.0.get(ahead)?.get(rung).copied()
        }
    }

    /// The value of a sequence by the definition, and by nothing else.
    fn value(objective: &Objective, context: &Context<'_>, bps: f64, rtt_s: f64, rungs: &[usize]) -> f64 {
        let utility = |rung, ahead| {
            objective
                .utility
                .of(context.ladder, context.upcoming, rung, ahead)
        };
        let mut buffer_s = context.buffer_s;
        let mut before = context.last.map(|last| utility(last, 0));
        let mut value = 0.0;
        for (ahead, rung) in rungs.iter().enumerate() {
            let download_s = rtt_s + context.bits(*rung, ahead) / bps;
            let now = utility(*rung, ahead);
            value += objective.gain(now, before) - objective.stall * (download_s - buffer_s).max(0.0);
            buffer_s = (buffer_s - download_s).max(0.0) + context.segment_s;
            buffer_s = buffer_s.min(context.buffer_max_s - context.segment_s);
            before = Some(now);
        }
        value
    }

    proptest! {
        #[test]
        fn nothing_is_lost_by_the_bound(
            kbps in prop::collection::vec(100_u64..9000, 3),
            shares in prop::collection::vec(0.5_f64..1.8, HORIZON),
            (mbps, buffer_s, rtt_s) in (0.1_f64..20.0, 0.0_f64..20.0, 0.0_f64..0.5),
            last in prop::option::of(0_usize..3),
            remaining in 1_usize..9,
            (stall, rise, fall) in (0.0_f64..4.0, -0.4_f64..3.0, 0.0_f64..3.0),
        ) {
            let mut kbps = kbps;
            kbps.sort_unstable();
            let ladder: Vec<_> = kbps.iter().map(|k| Rung { bitrate: Bitrate::from_bps(k * 1000) }).collect();
            let size = |k: u64, share: f64| (k as f64 * 250.0 * share) as u64;
            let sizes = Sizes(shares.iter().map(|s| kbps.iter().map(|k| size(*k, *s)).collect()).collect());
            let context = Context {
                now: Instant::ZERO,
                buffer_s,
                buffer_max_s: 22.0,
                ladder: &ladder,
                last,
                segment_s: 2.0,
                remaining: Some(remaining),
                started: true,
                upcoming: &sizes,
            };
            let objective = Objective { stall, rise, fall, ..Objective::LOG };
            let depth = HORIZON.min(remaining);
            let best = (0..3_usize.pow(depth as u32))
                .map(|code| {
                    let rungs: Vec<_> = (0..depth as u32).map(|i| code / 3_usize.pow(i) % 3).collect();
                    (value(&objective, &context, mbps * 1e6, rtt_s, &rungs), rungs[0])
                })
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .unwrap();
            let mut search = Search::default();
            let first = search.run(&objective, &context, mbps * 1e6, rtt_s);
            prop_assert!((search.best - best.0).abs() < 1e-9, "{} {:?}", search.best, best);
            let with_first = (0..3_usize.pow(depth as u32 - 1))
                .map(|code| {
                    let rest = (0..depth as u32 - 1).map(|i| code / 3_usize.pow(i) % 3);
                    let rungs: Vec<_> = [first].into_iter().chain(rest).collect();
                    value(&objective, &context, mbps * 1e6, rtt_s, &rungs)
                })
                .fold(f64::NEG_INFINITY, f64::max);
            prop_assert!((with_first - best.0).abs() < 1e-9);
        }
    }
}
