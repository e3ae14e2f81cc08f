//! The best schedule for a network that is known in advance.
//!
//! A dynamic programme over the segments. A state is the rung of the last segment, the time at which it arrived and the stall
//! so far; of all schedules that lead into the same cell of [`TIME_CELL_S`] × [`STALL_CELL_S`] the best one is kept, with its
//! exact times. So the result can be played, and what it is worth is a lower bound of the true optimum, tight to the
//! size of the cells.
//!
//! Two facts keep it small. The stall of a whole session is the largest delay of any of its segments, so a state that is
//! earlier, has stalled less and is worth more (stalls aside) than another one can follow the other's schedule and end
//! better: the other one is dropped. And a change to another rung costs no more than going there directly, so that this
//! holds between rungs too, at the price of the change.
//!
//! The rules are the engine's: one round trip a request, one request at a time, and each as soon as the segment
//! has room in the buffer. Nothing is abandoned. What the network does besides its trace (slow start, outages, audio) is
//! not reckoned with.

use player_core::abr::Objective;

use crate::content::Content;
use crate::score::Utilities;
use crate::trace::{DEFAULT_RTT, Trace};

/// Width of a cell in time, seconds.
const TIME_CELL_S: f64 = 0.5;
/// Width of a cell in stall, seconds.
const STALL_CELL_S: f64 = 0.3;
/// Cells of stall that are kept above the least stall possible: a minute.
const STALL_CELLS: usize = 200;
/// States that are kept a segment, the best ones.
const MAX_STATES: usize = 20_000;

/// Plans schedules for one network and content.
pub(crate) struct Planner {
    link: Link,
    /// By segment and rung.
    bits: Vec<f64>,
    utilities: Vec<f64>,
    durations_s: Vec<f64>,
    objective: Objective,
    goal_s: f64,
    rungs: usize,
    scratch: Scratch,
}

/// Where a plan begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// The first segment to plan.
    pub(crate) segment: usize,
    /// Segments to plan.
    pub(crate) segments: usize,
    /// Time, seconds.
    pub(crate) now_s: f64,
    /// Media ahead of the playhead, seconds.
    pub(crate) buffer_s: f64,
    /// Rung of the segment before.
    pub(crate) last: Option<usize>,
    /// The only rung that the first segment may have.
    pub(crate) first: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    /// When the last segment arrived, seconds.
    at_s: f64,
    stall_s: f64,
    /// Worth without stalls.
    worth: f64,
    parent: u32,
    rung: u8,
}

#[derive(Default)]
struct Scratch {
    arrivals: Vec<f64>,
    cells: Vec<u32>,
    order: Vec<u32>,
    fenwick: Vec<f64>,
    /// By layer: parent and rung of each state.
    history: Vec<Vec<(u32, u8)>>,
}

const EMPTY: u32 = u32::MAX;

impl Planner {
    pub(crate) fn new(trace: &Trace, content: &Content, objective: &Objective, goal_s: f64) -> Self {
        let of = Utilities::new(objective, content);
        let (mut bits, mut utilities) = (Vec::new(), Vec::new());
        for (i, segment) in content.segments().iter().enumerate() {
            for (rung, bytes) in segment.bytes.iter().enumerate() {
                bits.push(*bytes as f64 * 8.0);
                utilities.push(of.of(i, rung));
            }
        }
        Self {
            link: Link::new(trace),
            bits,
            utilities,
            objective: *objective,
            durations_s: content
                .segments()
                .iter()
                .map(|segment| segment.duration.as_secs_f64())
                .collect(),
            goal_s,
            rungs: content.bitrates_kbps().len(),
            scratch: Scratch::default(),
        }
    }

    /// The best rungs, one a segment.
    pub(crate) fn plan(&mut self, start: &Start) -> Vec<usize> {
        let segments = start
            .segments
            .min(self.durations_s.len().saturating_sub(start.segment));
        let mut states = vec![State {
            at_s: start.now_s,
            stall_s: 0.0,
            worth: 0.0,
            parent: EMPTY,
            rung: u8::MAX,
        }];
        let mut next = Vec::new();
        let mut history = std::mem::take(&mut self.scratch.history);
        history.resize(segments.max(history.len()), Vec::new());
        for ahead in 0..segments {
            self.step(start, ahead, &states, &mut next);
            if ahead + 1 < segments {
                self.prune(start.segment + ahead, &mut next);
            }
            std::mem::swap(&mut states, &mut next);
            if let Some(layer) = history.get_mut(ahead) {
                layer.clear();
                layer.extend(states.iter().map(|state| (state.parent, state.rung)));
            }
        }
        let value = |state: &State| state.worth - self.objective.stall * state.stall_s;
        let best = (0..states.len()).max_by(|a, b| {
            let of = |i: usize| states.get(i).map_or(f64::NEG_INFINITY, value);
            of(*a).total_cmp(&of(*b))
        });
        let mut rungs = vec![0; segments];
        let mut at = best.unwrap_or_default();
        for ahead in (0..segments).rev() {
            let Some((parent, rung)) = history.get(ahead).and_then(|layer| layer.get(at)).copied() else {
                break;
            };
            if let Some(slot) = rungs.get_mut(ahead) {
                *slot = usize::from(rung);
            }
            at = parent as usize;
        }
        self.scratch.history = history;
        rungs
    }

    fn duration_s(&self, segment: usize) -> f64 {
        self.durations_s.get(segment).copied().unwrap_or_default()
    }

    fn utility(&self, segment: usize, rung: usize) -> f64 {
        self.utilities
            .get(segment * self.rungs + rung)
            .copied()
            .unwrap_or_default()
    }

    /// All states after one more segment, the best one of each cell.
    fn step(&mut self, start: &Start, ahead: usize, states: &[State], next: &mut Vec<State>) {
        let segment = start.segment + ahead;
        let rungs = segment * self.rungs..(segment + 1) * self.rungs;
        let sizes = self.bits.get(rungs.clone()).unwrap_or(&[]);
        let utilities = self.utilities.get(rungs).unwrap_or(&[]);
        let before_s: f64 = (start.segment..segment).map(|i| self.duration_s(i)).sum();
        let end_s = start.now_s + start.buffer_s + before_s;
        let segment_s = self.duration_s(segment);
        // The engine always lets itself have two.
        let room_s = self.goal_s.max(2.0 * segment_s) - segment_s;
        let before = segment.saturating_sub(1) * self.rungs;
        let earlier = self.utilities.get(before..before + self.rungs).unwrap_or(&[]);
        let scratch = &mut self.scratch;
        scratch.arrivals.clear();
        let mut least = f64::INFINITY;
        for state in states {
            // The playhead runs dry at `dry`; a request is made as soon as the segment has room.
            let dry = end_s + state.stall_s;
            let request = state.at_s.max(dry - room_s);
            let carried = self.link.carried(request + self.link.latency(request));
            for bits in sizes {
                let at = self.link.time_of(carried + bits);
                least = least.min(state.stall_s + (at - dry).max(0.0));
                scratch.arrivals.push(at);
            }
        }
        let first_cell = (least / STALL_CELL_S).floor();
        let buffer_cells = ((room_s + segment_s) / TIME_CELL_S) as usize + 2;
        scratch.cells.clear();
        scratch
            .cells
            .resize(self.rungs * STALL_CELLS * buffer_cells, EMPTY);
        next.clear();
        for (i, (state, arrivals)) in states.iter().zip(scratch.arrivals.chunks(self.rungs)).enumerate() {
            let last = if ahead == 0 {
                start.last
            } else {
                Some(usize::from(state.rung))
            };
            let before = last.and_then(|rung| earlier.get(rung)).copied();
            let dry = end_s + state.stall_s;
            for (rung, (at_s, utility)) in arrivals.iter().copied().zip(utilities).enumerate() {
                if ahead == 0 && start.first.is_some_and(|first| first != rung) {
                    continue;
                }
                let late = (at_s - dry).max(0.0);
                let stall_s = state.stall_s + late;
                let stall_cell = (stall_s / STALL_CELL_S - first_cell) as usize;
                if stall_cell >= STALL_CELLS {
                    continue;
                }
                let buffer_s = dry + late + segment_s - at_s;
                let buffer_cell = ((buffer_s / TIME_CELL_S) as usize).min(buffer_cells - 1);
                let candidate = State {
                    at_s,
                    stall_s,
                    worth: state.worth + self.objective.gain(*utility, before),
                    parent: i as u32,
                    rung: rung as u8,
                };
                let cell = (rung * STALL_CELLS + stall_cell) * buffer_cells + buffer_cell;
                let Some(slot) = scratch.cells.get_mut(cell) else {
                    continue;
                };
                match next.get_mut(*slot as usize) {
                    Some(held) => {
                        let value = |s: &State| s.worth - self.objective.stall * s.stall_s;
                        if value(&candidate) > value(held) {
                            *held = candidate;
                        }
                    }
                    None => {
                        *slot = next.len() as u32;
                        next.push(candidate);
                    }
                }
            }
        }
    }

    /// Drops the states that another one makes needless.
    fn prune(&mut self, segment: usize, states: &mut Vec<State>) {
        let rungs = self.rungs;
        // What it costs at most to go on from rung `a` instead of rung `b`.
        let mut detour = vec![0.0; rungs * rungs];
        for a in 0..rungs {
            for b in 0..rungs {
                let [from_a, from_b] = [a, b].map(|rung| Some(self.utility(segment, rung)));
                let most = (0..rungs)
                    .map(|to| {
                        let utility = self.utility(segment + 1, to);
                        self.objective.gain(utility, from_b) - self.objective.gain(utility, from_a)
                    })
                    .fold(f64::NEG_INFINITY, f64::max);
                if let Some(slot) = detour.get_mut(b * rungs + a) {
                    *slot = most;
                }
            }
        }
        let scratch = &mut self.scratch;
        let earliest = states.iter().map(|s| s.at_s).fold(f64::INFINITY, f64::min);
        let latest = states.iter().map(|s| s.at_s).fold(earliest, f64::max);
        // Finer than the cells, so that a state is seldom dropped for one that is a little later.
        let width = TIME_CELL_S / 4.0;
        let times = ((latest - earliest) / width) as usize + 2;
        scratch.order.clear();
        scratch.order.extend(0..states.len() as u32);
        let of = |i: &u32| states.get(*i as usize).copied();
        scratch.order.sort_unstable_by(|a, b| {
            let key = |i| of(i).map_or((f64::INFINITY, 0.0), |s: State| (s.stall_s, -s.worth));
            let (a, b) = (key(a), key(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        // The best worth by rung of all states with less stall that are no later: a Fenwick tree a rung over time.
        scratch.fenwick.clear();
        scratch.fenwick.resize(rungs * times, f64::NEG_INFINITY);
        let mut keep = vec![false; states.len()];
        for i in &scratch.order {
            let Some(state) = of(i) else { continue };
            let cell = ((state.at_s - earliest) / width) as usize;
            let rung = usize::from(state.rung);
            let beaten = (0..rungs).any(|other| {
                let price = detour.get(rung * rungs + other).copied().unwrap_or(f64::INFINITY);
                let tree = scratch
                    .fenwick
                    .get(other * times..(other + 1) * times)
                    .unwrap_or(&[]);
                // Strictly earlier cells only: what is in the same cell may be later.
                let mut k = cell;
                let mut best = f64::NEG_INFINITY;
                while k > 0 {
                    best = best.max(tree.get(k).copied().unwrap_or(f64::NEG_INFINITY));
                    k &= k - 1;
                }
                best - price >= state.worth
            });
            if beaten {
                continue;
            }
            if let Some(slot) = keep.get_mut(*i as usize) {
                *slot = true;
            }
            if let Some(tree) = scratch.fenwick.get_mut(rung * times..(rung + 1) * times) {
                let mut k = cell + 1;
                while let Some(slot) = tree.get_mut(k) {
                    *slot = slot.max(state.worth);
                    k += k & k.wrapping_neg();
                }
            }
        }
        let mut kept = keep.iter();
        states.retain(|_| kept.next().copied().unwrap_or(false));
        if states.len() > MAX_STATES {
            let stall = self.objective.stall;
            let value = |s: &State| s.worth - stall * s.stall_s;
            states.select_nth_unstable_by(MAX_STATES, |a, b| value(b).total_cmp(&value(a)));
            states.truncate(MAX_STATES);
        }
    }
}

/// A trace as pieces of constant bandwidth, with indexes into them, in seconds and bits.
struct Link {
    pieces: Vec<Piece>,
    /// The piece at the beginning of each share of the period, and of what is carried in it.
    by_time: Vec<u32>,
    by_bits: Vec<u32>,
    period_s: f64,
    period_bits: f64,
}

#[derive(Clone, Copy, Default)]
struct Piece {
    start_s: f64,
    end_s: f64,
    /// Carried before and by the end.
    before: f64,
    after: f64,
    latency_s: f64,
}

impl Link {
    fn new(trace: &Trace) -> Self {
        let (mut at_s, mut carried) = (0.0, 0.0);
        let pieces: Vec<_> = trace
            .points()
            .map(|point| {
                let seconds = point.duration_ms / 1000.0;
                let bits = point.bandwidth_kbps * 1000.0 * seconds;
                let known = point.latency_ms > 0.0;
                let piece = Piece {
                    start_s: at_s,
                    end_s: at_s + seconds,
                    before: carried,
                    after: carried + bits,
                    latency_s: if known {
                        point.latency_ms / 1000.0
                    } else {
                        DEFAULT_RTT.as_secs_f64()
                    },
                };
                (at_s, carried) = (piece.end_s, piece.after);
                piece
            })
            .collect();
        let index = |total: f64, end: fn(&Piece) -> f64| {
            let mut i = 0;
            (0..=pieces.len())
                .map(|share| {
                    let from = total * share as f64 / pieces.len() as f64;
                    while i + 1 < pieces.len() && pieces.get(i).is_some_and(|piece| end(piece) < from) {
                        i += 1;
                    }
                    i as u32
                })
                .collect::<Vec<_>>()
        };
        Self {
            by_time: index(at_s, |piece| piece.end_s),
            by_bits: index(carried, |piece| piece.after),
            pieces,
            period_s: at_s,
            period_bits: carried,
        }
    }

    /// Whole periods and the rest.
    fn split(value: f64, period: f64) -> (f64, f64) {
        let periods = (value / period).floor();
        (periods, (value - periods * period).clamp(0.0, period))
    }

    /// The first piece, from that of an index on, that does not end before a value.
    fn find(&self, index: &[u32], rest: f64, total: f64, end: fn(&Piece) -> f64) -> Piece {
        let share = (rest / total * self.pieces.len() as f64) as usize;
        let mut i = index.get(share).copied().unwrap_or_default() as usize;
        while let Some(piece) = self.pieces.get(i) {
            if end(piece) >= rest || i + 1 == self.pieces.len() {
                return *piece;
            }
            i += 1;
        }
        Piece::default()
    }

    fn at(&self, rest_s: f64) -> Piece {
        self.find(&self.by_time, rest_s, self.period_s, |piece| piece.end_s)
    }

    fn latency(&self, at_s: f64) -> f64 {
        let (_, rest) = Self::split(at_s, self.period_s);
        self.at(rest).latency_s
    }

    /// Bits that a busy link carries by then.
    fn carried(&self, at_s: f64) -> f64 {
        let (periods, rest) = Self::split(at_s, self.period_s);
        let piece = self.at(rest);
        let share = (rest - piece.start_s) / (piece.end_s - piece.start_s);
        periods * self.period_bits + piece.before + share * (piece.after - piece.before)
    }

    /// When a busy link has carried that many bits.
    fn time_of(&self, bits: f64) -> f64 {
        let (periods, rest) = Self::split(bits, self.period_bits);
        let piece = self.find(&self.by_bits, rest, self.period_bits, |piece| piece.after);
        let share = if piece.after > piece.before {
            ((rest - piece.before) / (piece.after - piece.before)).max(0.0)
        } else {
            1.0
        };
        periods * self.period_s + piece.start_s + share * (piece.end_s - piece.start_s)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::trace::Point;

    proptest! {
        #[test]
        fn the_link_carries_what_the_trace_does(
            pieces in prop::collection::vec((1_u32..5000, 0_u32..100_000, 0_u32..200), 1..40),
            times in prop::collection::vec(0_u64..400_000_000, 1..20),
            sizes in prop::collection::vec(1_u64..20_000_000, 1..20),
        ) {
            let mut points: Vec<_> = pieces
                .iter()
                .map(|&(ms, kbps, latency)| Point {
                    duration_ms: f64::from(ms),
                    bandwidth_kbps: f64::from(kbps),
                    latency_ms: f64::from(latency),
                })
                .collect();
            points.push(Point { duration_ms: 700.0, bandwidth_kbps: 900.0, latency_ms: 30.0 });
            let trace = Trace::new("t", &points).unwrap();
            let link = Link::new(&trace);
            for at in times {
                let at = Duration::from_micros(at);
                let at_s = at.as_secs_f64();
                let bits = trace.carried(at) as f64 / 1e6;
                prop_assert!((link.carried(at_s) - bits).abs() < 1000.0 + bits * 1e-9);
                for bytes in &sizes {
                    let end = trace.transfer_end(at, *bytes).as_secs_f64();
                    let ours = link.time_of(link.carried(at_s) + *bytes as f64 * 8.0);
                    // The trace ends on whole microseconds, each worth up to 100 bits; where the
                    // link is slow or down, a few bits are a long time.
                    let bits = (link.carried(ours) - link.carried(end)).abs();
                    prop_assert!(
                        (ours - end).abs() < 1e-3 || bits < 200.0,
                        "{at_s} {bytes} {ours} {end}"
                    );
                }
            }
        }
    }
}
