//! SODA: control of the buffer in time, with smooth changes.
//!
//! Chen, Lin, Christianson, Akhtar, Dharmaji, Hajiesmaili, Wierman, Sitaraman: *SODA: An Adaptive Bitrate Controller for
//! Consistent High-Quality Video Streaming*, SIGCOMM 2024. Over the next five intervals of a segment's duration Δ, the bitrates
//! r₁…r₅ minimise Σ v(r)·ωΔ/r + β·b(x) + γ·c(r, r′), where v is the distortion (1 − utility), the buffer x grows by ωΔ/r −
//! Δ, b is its squared distance from a target (above it at a fraction ε of the price) and c is the squared change of the
//! distortion. Only sequences that rise or fall throughout are compared (the paper's theorem says that these are nearly
//! optimal). The paper leaves the weights to the service: here target 0.6 of the buffer, β = 1.5·stall, γ = 5·(rise +
//! fall), ε = 0.2; ω is the throughput rule's estimate.

use player_core::Bitrate;
use player_core::abr::{Abr, Context, Download, Flight, Objective, Progress};
use player_core::config::AbrConfig;

use super::samples::{Averages, Sample, bitrate};
use super::throughput::HALF_LIVES_S;

const HORIZON: usize = 5;
/// Target as a share of the buffer.
const TARGET: f64 = 0.6;
const BUFFER_WEIGHT: f64 = 1.5;
const CHANGE_WEIGHT: f64 = 5.0;
/// Price of a buffer above the target, as a share of that below.
const ABOVE: f64 = 0.2;

/// SODA.
#[derive(Clone, Debug)]
pub(super) struct Soda {
    objective: Objective,
    averages: Averages,
}

struct Plan<'a> {
    /// Bitrate and distortion by rung.
    rungs: &'a [(f64, f64)],
    bps: f64,
    segment_s: f64,
    max_s: f64,
    buffer_weight: f64,
    change_weight: f64,
}

impl Soda {
    pub(super) fn new(config: &AbrConfig) -> Self {
        Self {
            objective: config.objective(),
            averages: Averages::new(HALF_LIVES_S.0, HALF_LIVES_S.1),
        }
    }
}

impl Plan<'_> {
    /// The least cost of the intervals from `step` on, going on in one direction.
    fn cost(&self, step: usize, before: usize, buffer_s: f64, rising: bool) -> f64 {
        if step == HORIZON {
            return 0.0;
        }
        let range = if rising {
            before..self.rungs.len()
        } else {
            0..before + 1
        };
        range
            .filter_map(|rung| self.interval(step, before, rung, buffer_s, rising))
            .fold(f64::INFINITY, f64::min)
    }

    /// The cost of an interval with a rung and of all after it; none if the buffer has no room for it.
    fn interval(&self, step: usize, before: usize, rung: usize, buffer_s: f64, rising: bool) -> Option<f64> {
        let (bps, distortion) = self.rungs.get(rung).copied()?;
        let (_, last) = self.rungs.get(before).copied()?;
        let media = self.bps / bps;
        let after_s = buffer_s + (media - 1.0) * self.segment_s;
        if after_s < 0.0 {
            return None;
        }
        // What does not fit is fetched later.
        let after_s = after_s.min(self.max_s);
        let media = ((after_s - buffer_s) / self.segment_s + 1.0).max(0.0);
        let target_s = TARGET * self.max_s;
        let off = (after_s - target_s) / target_s;
        let off = if off > 0.0 { ABOVE * off * off } else { off * off };
        let change = (distortion - last) * (distortion - last);
        let cost = distortion * media + self.buffer_weight * off + self.change_weight * change;
        Some(cost + self.cost(step + 1, rung, after_s, rising))
    }
}

impl Abr for Soda {
    fn name(&self) -> &str {
        "soda"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, download: &Download) {
        if let Some(sample) = Sample::of(download) {
            self.averages.add(sample.bps(), sample.transfer_s);
        }
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let (Some(bps), Some(last)) = (self.averages.lower(), context.last) else {
            return 0;
        };
        let utility = self.objective.utility;
        let rungs: Vec<_> = (0..context.ladder.len())
            .zip(context.ladder)
            .map(|(i, rung)| {
                let distortion = 1.0 - utility.of(context.ladder, context.upcoming, i, 0);
                (rung.bitrate.as_f64().max(1.0), distortion)
            })
            .collect();
        let plan = Plan {
            rungs: &rungs,
            bps,
            segment_s: context.segment_s,
            max_s: context.buffer_max_s,
            buffer_weight: BUFFER_WEIGHT * self.objective.stall,
            change_weight: CHANGE_WEIGHT * (self.objective.rise + self.objective.fall).max(0.0),
        };
        let mut best = (f64::INFINITY, 0);
        for rung in 0..rungs.len() {
            let cost = plan.interval(0, last, rung, context.buffer_s, rung >= last);
            if let Some(cost) = cost.filter(|cost| *cost < best.0) {
                best = (cost, rung);
            }
        }
        best.1
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.averages.lower().map(bitrate)
    }
}
