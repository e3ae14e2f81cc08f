//! The hybrid planner: a probabilistic throughput state × buffer × last rendition, planned by dynamic programming.
//!
//! It samples the throughput in windows of wall-clock time, learns in each session how that session's throughput moves (a Bayesian
//! mixture of a random walk and of jumps, over time scales from 2 s to 2 min), plans a few segments ahead over all that the throughput and
//! the buffer may do, and ends in the plan of the decision before. That a download can be given up is part of the plan, so that it
//! dares more; and whether one is given up is decided by the same values.
//!
//! | | |
//! |---|---|
//! | `samples` | windows of downloads → throughput samples |
//! | [`planner::Belief`] | samples → where the throughput dwells and how it moves |
//! | [`planner::Law`] | the belief at a decision: seven levels, their transitions, how long a download takes |
//! | [`planner::Plan`] | the dynamic programme, and giving up |
//!
//! # What was tried and did not help
//!
//! Mean share of the offline optimum over ten families of traces, three buffers, 335 traces each, paired; a difference below .001 is
//! noise.
//!
//! - Horizon 5 −.004, 6 and 7 −.002, 12 −.001. An end of the programme of its own, iterated once or twice a decision with the usual sizes
//!   instead of the plan of the decision before: alike. No such end at all: −.09.
//! - 24 cells of buffer −.001; 64 cells, 13 levels: alike, at two and three times the cost.
//! - Windows of 1.5 s and 3 s: alike. A short remainder merged with the window before it: −.002.
//! - Evidence counted half or one and a half times as much −.002; more noise in a measurement −.002; a prior of twice the weight
//!   −.002; a memory twice as long: alike; half the mass for what was never seen −.002.
//! - A margin for giving up of half or twice as much −.002, −.003. Judging a request 0.2 s earlier −.002.
//! - Jumps that come sooner below the session's median −.003 (irish_5g +.01, puffer −.03); learnt in each session −.001.
//! - Jumps inside a download that do not favour low levels −.005.
//! - Measured before, on a prototype: samples a segment instead of a window −.007, one expert −.007, no jumps inside a download −.06, no giving up
//!   in the plan −.14, giving up without the choice to wait −.05; no help from a risk factor on stalls, a fast and a slow memory side by side, or
//!   giving up for any rung in the plan.

mod samples;

use core::time::Duration;
use std::collections::VecDeque;

use planner::{Belief, Costs, Facts, Law, Plan, Task};

use self::samples::{Sample, Sampler};
use super::{Abr, Context, Download, Flight, NetworkMemory, Objective, Probe, Progress};
use crate::config::AbrConfig;
use crate::time::{Bitrate, Instant};

/// A request is not judged before it is this old, seconds, besides its time to first byte.
const MIN_FLIGHT_S: f64 = 0.4;
/// Giving up must be worth this much more than going on: a plan is not exact.
const MARGIN: f32 = 0.2;
/// The rate of a request is that of its last second.
const RECENT_S: f64 = 1.0;
/// Time to first byte before one was measured, seconds.
const USUAL_RTT_S: f64 = 0.1;
/// A time to first byte above this is a fault of a server or a clock, not of the network.
const LONGEST_RTT_S: f64 = 10.0;
/// Spread of ln(throughput) around a throughput that the configuration names.
const GUESS_SPREAD: f32 = 0.6;

/// Chooses by plan.
#[derive(Clone, Debug)]
pub struct Headgate {
    objective: Objective,
    costs: Costs,
    horizon: usize,
    sampler: Sampler,
    belief: Belief,
    law: Option<Law>,
    plan: Plan,
    segments: Vec<Vec<Facts>>,
    bitrates: Vec<Bitrate>,
    rtt_s: Option<f64>,
    /// Of the request under way: when how many bytes had come.
    marks: VecDeque<(Instant, u64)>,
    requested_at: Instant,
    /// Rung and utility of the last choice.
    chosen: Option<(usize, f32)>,
    probe: Probe,
}

impl Headgate {
    /// With the configuration's objective, horizon and initial throughput.
    pub fn new(config: &AbrConfig) -> Self {
        let mut belief = Belief::new();
        if let Some(kbps) = config
            .initial_throughput_kbps
            .filter(|k| k.is_finite() && *k > 0.0)
        {
            belief.expect(libm::log(kbps / 1000.0) as f32, GUESS_SPREAD);
        }
        let objective = config.objective();
        Self {
            objective,
            costs: Costs {
                stall: objective.stall as f32,
                rise: objective.rise as f32,
                fall: objective.fall as f32,
            },
            horizon: config.horizon.clamp(1, 20) as usize,
            sampler: Sampler::default(),
            belief,
            law: None,
            plan: Plan::default(),
            segments: Vec::new(),
            bitrates: Vec::new(),
            rtt_s: None,
            marks: VecDeque::new(),
            requested_at: Instant::ZERO,
            chosen: None,
            probe: Probe::default(),
        }
    }

    fn learn(&mut self, sample: Sample) {
        let x = libm::log((sample.bps / 1e6).max(1e-6)) as f32;
        if !sample.at_least || self.belief.last().is_none_or(|(_, last)| x > last) {
            self.belief.learn(sample.at_s, x);
        }
    }

    /// Bits per second over the last second or so of the request under way.
    fn recent_bps(&self, progress: &Progress) -> Option<f64> {
        let mark = self.marks.front()?;
        let seconds = progress.at.since(mark.0).as_secs_f64();
        (seconds > 0.2).then(|| progress.bytes.saturating_sub(mark.1) as f64 * 8.0 / seconds)
    }

    /// Takes over the ladder, if it is another one.
    fn set_ladder(&mut self, context: &Context<'_>) {
        let same = self.bitrates.len() == context.ladder.len()
            && self
                .bitrates
                .iter()
                .zip(context.ladder)
                .all(|(a, b)| *a == b.bitrate);
        if same {
            return;
        }
        self.bitrates.clear();
        self.bitrates
            .extend(context.ladder.iter().map(|rung| rung.bitrate));
        self.plan.reset(self.bitrates.len());
        let mbps = |bitrate: Option<&Bitrate>| bitrate.map_or(1.0, |b| b.as_f64() / 1e6);
        self.belief
            .set_ladder(mbps(self.bitrates.first()), mbps(self.bitrates.last()));
        self.chosen = None;
    }

    /// What is known of the segments ahead; true if the last one is among them.
    fn look_ahead(&mut self, context: &Context<'_>) -> bool {
        let segments = self.horizon.min(context.remaining.unwrap_or(usize::MAX)).max(1);
        self.segments.resize_with(segments, Vec::new);
        for (ahead, facts) in self.segments.iter_mut().enumerate() {
            facts.clear();
            facts.extend((0..context.ladder.len()).map(|rung| {
                let mbit = (context.bits(rung, ahead) / 1e6).clamp(1e-6, 1e6) as f32;
                let u = self
                    .objective
                    .utility
                    .of(context.ladder, context.upcoming, rung, ahead) as f32;
                Facts {
                    mbit,
                    log_mbit: libm::logf(mbit),
                    u,
                }
            }));
        }
        context.remaining.is_some_and(|remaining| remaining <= segments)
    }

    /// Utility of the segment before.
    fn before(&self, context: &Context<'_>) -> Option<f32> {
        let last = context.last?;
        match self.chosen {
            Some((rung, u)) if rung == last => Some(u),
            _ => Some(self.utility(context, last)),
        }
    }

    /// Utility of the next segment in a rung.
    fn utility(&self, context: &Context<'_>, rung: usize) -> f32 {
        let utility = self.objective.utility;
        utility.of(context.ladder, context.upcoming, rung, 0) as f32
    }

    fn rtt(&self) -> f32 {
        self.rtt_s.unwrap_or(USUAL_RTT_S) as f32
    }
}

/// Whether the times of a download can be believed.
fn in_order(progress: &Progress) -> bool {
    progress.requested_at <= progress.first_byte_at && progress.first_byte_at <= progress.at
}

/// Numbers that a plan can be made with, whatever the host says.
struct Sane {
    segment_s: f32,
    max_s: f32,
    buffer_s: f32,
}

impl Sane {
    fn new(context: &Context<'_>) -> Self {
        let or = |value: f64, default: f64| if value.is_finite() { value } else { default };
        let segment_s = or(context.segment_s, 4.0).clamp(0.1, 60.0);
        let max_s = or(context.buffer_max_s, 30.0).min(3600.0).max(2.0 * segment_s);
        Self {
            segment_s: segment_s as f32,
            max_s: max_s as f32,
            buffer_s: or(context.buffer_s, 0.0).max(0.0).min(max_s) as f32,
        }
    }
}

impl Abr for Headgate {
    fn name(&self) -> &str {
        "headgate"
    }

    fn on_progress(&mut self, progress: &Progress) {
        if self.requested_at != progress.requested_at || self.marks.is_empty() {
            self.requested_at = progress.requested_at;
            self.marks.clear();
            self.marks.push_back((progress.first_byte_at, 0));
        }
        self.marks.push_back((progress.at, progress.bytes));
        // One more than a second old is enough.
        while self
            .marks
            .get(1)
            .is_some_and(|mark| progress.at.since(mark.0).as_secs_f64() >= RECENT_S - 0.01)
        {
            self.marks.pop_front();
        }
        if let Some(sample) = self.sampler.on_progress(progress) {
            self.learn(sample);
        }
    }

    fn on_download(&mut self, download: &Download) {
        self.probe.on_download(download);
        if let Some(sample) = self.sampler.on_download(download) {
            self.learn(sample);
        }
        if !download.cached && download.progress.bytes > 0 && in_order(&download.progress) {
            let progress = &download.progress;
            let ttfb = progress.first_byte_at.since(progress.requested_at);
            let ttfb = ttfb.as_secs_f64().min(LONGEST_RTT_S);
            self.rtt_s = Some(self.rtt_s.map_or(ttfb, |rtt| rtt + 0.2 * (ttfb - rtt)));
        }
        self.marks.clear();
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        self.set_ladder(context);
        let Some((at_s, x0)) = self.belief.now() else {
            return 0;
        };
        let sane = Sane::new(context);
        let to_end = self.look_ahead(context);
        let middle = self
            .bitrates
            .get(self.bitrates.len() / 2)
            .map_or(1.0, |b| b.as_f64() / 1e6);
        let law = Law::new(&self.belief, x0, middle as f32);
        let now_s = context.now.as_micros() as f64 / 1e6;
        let gap_s = at_s.map_or(0.3, |at_s| (now_s - at_s).clamp(0.3, 3600.0)) as f32 + 0.3;
        let before = self.before(context);
        let task = Task {
            law: &law,
            costs: &self.costs,
            segments: &self.segments,
            to_end,
            segment_s: sane.segment_s,
            max_s: sane.max_s,
            rtt_s: self.rtt(),
        };
        let choice = self.plan.decide(&task, sane.buffer_s, gap_s, before);
        let bps = libm::exp(f64::from(x0)) * 1e6;
        let choice = self.probe.choose(context, choice, bps);
        let u = self
            .segments
            .first()
            .and_then(|facts| facts.get(choice))
            .map_or(0.0, |f| f.u);
        self.chosen = Some((choice, u));
        self.law = Some(law);
        choice
    }

    fn abandon(&mut self, context: &Context<'_>, flight: &Flight) -> Option<usize> {
        let elapsed = flight
            .progress
            .at
            .since(flight.progress.requested_at)
            .as_secs_f64();
        let rtt_s = self.rtt();
        if flight.rung == 0
            || elapsed < MIN_FLIGHT_S + f64::from(rtt_s)
            || context.ladder.len() != self.bitrates.len()
        {
            return None;
        }
        let law = self.law.as_ref()?;
        let bps = self.recent_bps(&flight.progress)?;
        let (low, high) = self.belief.range();
        let rate = (bps / 1e6)
            .max(f64::from(libm::expf(low)))
            .min(f64::from(libm::expf(high))) as f32;
        let total = flight
            .total_bytes
            .map_or_else(|| context.bits(flight.rung, 0), |bytes| bytes as f64 * 8.0);
        let rest = (total - flight.progress.bytes as f64 * 8.0).max(0.0) / 1e6;
        let sane = Sane::new(context);
        let before = context.last.map(|last| self.utility(context, last));
        let task = Task {
            law,
            costs: &self.costs,
            segments: &self.segments,
            to_end: false,
            segment_s: sane.segment_s,
            max_s: sane.max_s,
            rtt_s,
        };
        let under_way = planner::Flight {
            rung: flight.rung,
            rest_mbit: rest as f32,
            rate,
            buffer_s: sane.buffer_s,
        };
        let verdict = self.plan.reconsider(&task, &under_way, before)?;
        (verdict.restarting > verdict.going_on + MARGIN).then_some(verdict.rung)
    }

    fn estimate(&self) -> Option<Bitrate> {
        let (_, x0) = self.belief.now()?;
        Some(Bitrate::from_bps((libm::exp(f64::from(x0)) * 1e6) as u64))
    }

    fn memory(&self) -> Option<NetworkMemory> {
        let (median, spread) = self.belief.summary()?;
        Some(NetworkMemory {
            kbps: libm::exp(f64::from(median)) * 1000.0,
            spread: f64::from(spread),
            unix_ms: 0,
        })
    }

    fn recall(&mut self, memory: &NetworkMemory, age: Duration) {
        if self.belief.last().is_none() && memory.kbps.is_finite() && memory.kbps > 0.0 {
            // What was true an hour ago may not be now.
            let doubt = 0.2 + 0.4 * (age.as_secs_f64() / 3600.0).min(2.0);
            let known = if memory.spread.is_finite() {
                memory.spread
            } else {
                1.0
            };
            let known = known.clamp(0.1, 2.0);
            let spread = libm::sqrt(known * known + doubt * doubt);
            self.belief
                .expect(libm::log(memory.kbps / 1000.0) as f32, spread as f32);
        }
    }

    fn on_seek(&mut self) {
        self.marks.clear();
        self.chosen = None;
    }
}
