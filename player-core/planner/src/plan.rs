//! The plan: a stochastic dynamic programme over the rung of the last segment, the level of throughput and the buffer.
//!
//! V(q, j, b) is the worth of what follows a download that ended at level j, with rung q, and left b seconds in the buffer. One
//! segment earlier: wait until there is room, choose q′ knowing j, let the level become j′, let the download take its time (or
//! give it up for the lowest rung once j′ shows), and go on from V(q′, ·, b − d + L).
//!
//! A few stages suffice, because the programme ends in the V of the decision before, whose end was the V of the one before
//! that, and so on: only differences in V matter, and these change slowly.
//!
//! V is a row of cells over the buffer, from one segment to the most at which the player does not wait. Below, each second is
//! a second of stall: the row goes on with that slope. Above, the player waits: the row is constant. So each outcome of a download
//! is one shifted, interpolated copy of a row, without a branch.

use crate::law::{LANES, LEVELS, Lanes, Law, Outcomes, Transition, between};

/// Cells of a row.
const CELLS: usize = 32;
/// What is before the first cell, with the slope of a stall.
const BELOW: usize = CELLS;
/// What is after the last cell, constant: a segment is at most this many cells, less two.
const ABOVE: usize = 12;
const ROW: usize = BELOW + CELLS + ABOVE;
/// A download that is too slow is noticed this late, seconds.
const NOTICED_S: f32 = 0.75;
/// Time without news between a download and the next one, at once or after a wait for room, seconds.
const GAP_S: (f32, f32) = (1.0, 4.0);

/// Stalls weigh this much more in a plan than in the objective: inside a download the plan knows means only, so that it expects
/// less of them than there are.
const STALL_WEIGHT: f32 = 1.2;

/// Going on may mean to wait so long, seconds, and then give up after all.
const PAUSES_S: [f32; 3] = [1.0, 2.5, 5.0];

type Row = [f32; ROW];
type Cells = [f32; CELLS];

/// What is to be planned.
#[derive(Clone, Copy, Debug)]
pub struct Task<'a> {
    /// How the network may behave.
    pub law: &'a Law,
    /// What counts.
    pub costs: &'a Costs,
    /// Of each rung of each segment ahead.
    pub segments: &'a [Vec<Facts>],
    /// The programme reaches the end of the content.
    pub to_end: bool,
    /// Duration of a segment, seconds.
    pub segment_s: f32,
    /// Most media that may be held, seconds.
    pub max_s: f32,
    /// Time to first byte, seconds.
    pub rtt_s: f32,
}

/// What stalls and changes of utility cost, in units of utility.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// A second without pictures.
    pub stall: f32,
    /// A rise of the utility by 1.
    pub rise: f32,
    /// A fall of the utility by 1.
    pub fall: f32,
}

/// A segment of a rung.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// Its size.
    pub mbit: f32,
    /// Natural logarithm of it.
    pub log_mbit: f32,
    /// Its utility.
    pub u: f32,
}

/// A download under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flight {
    /// Of what quality.
    pub rung: usize,
    /// Still to come.
    pub rest_mbit: f32,
    /// What came lately, Mbit/s.
    pub rate: f32,
    /// Media in hand, seconds.
    pub buffer_s: f32,
}

/// What a download under way is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// The best lower rung.
    pub rung: usize,
    /// Worth of giving up for it.
    pub restarting: f32,
    /// Worth of going on for now.
    pub going_on: f32,
}

/// What is to be done in one go: all stages, and the choice.
struct Run<'a> {
    plan: &'a mut Plan,
    task: &'a Task<'a>,
    at_once: &'a Transition,
    waited: &'a Transition,
    from: &'a [f32; LEVELS],
    buffer_s: f32,
    before: Option<f32>,
}

// The wide registers are only for what is inlined where they are asked for. WebAssembly has one width, and a copy costs bytes.
impl Run<'_> {
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn run(self) -> usize {
        let Self { plan, task, .. } = self;
        for pair in (1..task.segments.len()).rev() {
            if let [previous, now] = &task.segments[pair - 1..=pair] {
                plan.stage(task, previous, now, self.at_once, self.waited);
            }
        }
        for (jumped, rows) in plan.jumped.iter_mut().zip(plan.value.chunks_exact(LEVELS)) {
            *jumped = mixed(&task.law.h_jumped, rows);
        }
        plan.root(task, self.from, self.buffer_s, self.before)
    }
}

/// Runs with the widest registers that the processor has: the same operations in the same order, so that the results are the same
/// bits everywhere.
#[cfg(target_arch = "x86_64")]
fn wide(run: Run<'_>) -> usize {
    pulp::Arch::new().dispatch(run)
}

#[cfg(target_arch = "x86_64")]
impl pulp::NullaryFnOnce for Run<'_> {
    type Output = usize;

    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn call(self) -> usize {
        self.run()
    }
}

// In WebAssembly the caller is optimised for size: inside of it there would be no SIMD.
#[cfg(not(target_arch = "x86_64"))]
#[inline(never)]
fn wide(run: Run<'_>) -> usize {
    run.run()
}

/// How cells lie on the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Scale {
    /// Buffer of the first cell: one segment.
    segment_s: f32,
    /// Seconds a cell, and cells a second.
    cell_s: f32,
    per_cell: f32,
    /// Last cell at which the player does not wait.
    top: usize,
    /// Cost of a stall of one cell.
    slope: f32,
}

/// For each level, how a row is shifted: where the first cell comes to lie, the weights of a cell and its successor, and the cost of
/// the stall that is beyond the row.
#[derive(Clone, Copy, Debug, Default)]
struct Shifts {
    below: [i32; LANES],
    weights: (Lanes, Lanes),
    stall: Lanes,
}

impl Shifts {
    const LAST: usize = ROW - CELLS - 1;

    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn of<'a>(&self, level: usize, row: &'a Row) -> (&'a [f32; CELLS + 1], f32, f32, f32) {
        let below = (self.below[level] as usize).min(Self::LAST);
        let cells = row[below..].first_chunk().unwrap_or(&[0.0; CELLS + 1]);
        (
            cells,
            self.weights.0[level],
            self.weights.1[level],
            self.stall[level],
        )
    }
}

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// V after the segment that was chosen last: a row a rung and level.
    value: Vec<Row>,
    /// The same after a jump inside the download: a row a rung.
    jumped: Vec<Row>,
    /// Levels that it is on.
    low: f32,
    dx: f32,
    scale: Scale,
    known: bool,
    /// What the stages work in.
    scratch: Vec<Row>,
    /// Worth of each choice, before the choice: a row a rung and level.
    choices: Vec<Cells>,
    /// The same where the player waits first.
    waiting: Vec<f32>,
}

impl Plan {
    /// Forgets what was planned: the ladder is another one now.
    pub fn reset(&mut self, rungs: usize) {
        self.known = false;
        let rows = rungs * LEVELS;
        self.value.clear();
        self.value.resize(rows, [0.0; ROW]);
        self.jumped.clear();
        self.jumped.resize(rungs, [0.0; ROW]);
        self.scratch.clear();
        self.scratch.resize(rows, [0.0; ROW]);
        self.choices.clear();
        self.choices.resize(rows, [0.0; CELLS]);
        self.waiting.clear();
        self.waiting.resize(rows, 0.0);
    }

    /// Plans, and says which rung is best for the first of the segments with `buffer_s` in hand, after a segment of utility `before`.
    pub fn decide(&mut self, task: &Task<'_>, buffer_s: f32, gap_s: f32, before: Option<f32>) -> usize {
        let scale = Scale::new(task);
        let at_once = task.law.transition(GAP_S.0);
        let waited = task.law.transition(GAP_S.1);
        self.begin(task, scale);
        self.low = task.law.low;
        self.dx = task.law.dx;
        self.known = true;
        let from = task.law.transition(gap_s)[task.law.now];
        wide(Run {
            plan: self,
            task,
            at_once: &at_once,
            waited: &waited,
            from: &from,
            buffer_s,
            before,
        })
    }

    /// The best rung for the first segment.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn root(&self, task: &Task<'_>, from: &[f32; LEVELS], buffer_s: f32, before: Option<f32>) -> usize {
        let Some((first, lowest)) = task
            .segments
            .first()
            .and_then(|first| Some((first, first.first()?)))
        else {
            return 0;
        };
        let late = NOTICED_S + 2.0 * task.rtt_s;
        let restart = self.fetch(task, 0, lowest, buffer_s - late);
        let mut best = (0, f32::NEG_INFINITY);
        for (rung, facts) in first.iter().enumerate() {
            let loss = given_up(task.costs, lowest.u, facts.u);
            let mut worth = gain(task.costs, facts.u, before);
            let going_on = self.fetch(task, rung, facts, buffer_s - task.rtt_s);
            for (level, ((p, restart), going_on)) in from.iter().zip(&restart).zip(going_on).enumerate() {
                let mut after = going_on;
                if rung > 0 && quicker(task.law, level, lowest, facts) {
                    after = larger(after, restart + loss);
                }
                worth += p * after;
            }
            if worth > best.1 {
                best = (rung, worth);
            }
        }
        best.0
    }

    /// Lays the value of the decision before on the levels of this one, as the end of the programme.
    fn begin(&mut self, task: &Task<'_>, scale: Scale) {
        let known = self.known && !task.to_end && scale == self.scale;
        self.scale = scale;
        if !known {
            let mut end = [0.0; ROW];
            scale.pad(&mut end, 0.0);
            self.value.iter_mut().for_each(|row| *row = end);
            return;
        }
        let reference = self.value[0][BELOW + scale.top / 2];
        for (old, new) in self
            .value
            .chunks_exact(LEVELS)
            .zip(self.scratch.chunks_exact_mut(LEVELS))
        {
            for (j, row) in new.iter_mut().enumerate() {
                let x = task.law.low + j as f32 * task.law.dx;
                let (below, share) = between(self.low, self.dx, x);
                for ((row, a), b) in row.iter_mut().zip(&old[below]).zip(&old[below + 1]) {
                    *row = a + share * (b - a) - reference;
                }
            }
        }
        core::mem::swap(&mut self.value, &mut self.scratch);
    }

    /// One segment earlier: `self.value` after the segment `now` becomes that after the segment `previous`.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn stage(
        &mut self,
        task: &Task<'_>,
        previous: &[Facts],
        now: &[Facts],
        at_once: &Transition,
        waited: &Transition,
    ) {
        let scale = self.scale;
        let Some(lowest) = now.first() else { return };
        // Giving up for the lowest rung.
        let mut restart = [[0.0; CELLS]; LEVELS];
        let lowest_rows = &self.value[..LEVELS];
        let jumped = mixed(&task.law.h_jumped, lowest_rows);
        let outcomes = task.law.outcomes(lowest.mbit, lowest.log_mbit);
        let late = NOTICED_S + 2.0 * task.rtt_s;
        scale.after(&outcomes, late, lowest_rows, &jumped, &mut restart);
        let mut worth = [[0.0; CELLS]; LEVELS];
        let mut waited_for = [[0.0; LANES]; LEVELS];
        for (from, row) in waited.iter().enumerate() {
            for (to, p) in waited_for.iter_mut().zip(row) {
                to[from] = *p;
            }
        }
        let blocks = self
            .value
            .chunks_exact(LEVELS)
            .zip(self.choices.chunks_exact_mut(LEVELS))
            .zip(self.waiting.chunks_exact_mut(LEVELS));
        for ((facts, ((rows, choices), waiting)), rung) in now.iter().zip(blocks).zip(0..) {
            let jumped = mixed(&task.law.h_jumped, rows);
            let outcomes = task.law.outcomes(facts.mbit, facts.log_mbit);
            scale.after(&outcomes, task.rtt_s, rows, &jumped, &mut worth);
            let loss = given_up(task.costs, lowest.u, facts.u);
            for (level, cells) in worth.iter_mut().enumerate() {
                if rung > 0 && quicker(task.law, level, lowest, facts) {
                    *cells = core::array::from_fn(|i| larger(cells[i], restart[level][i] + loss));
                }
            }
            let mut wait = [0.0; LANES];
            for (cells, p_waited) in worth.iter().zip(&waited_for) {
                let top = cells[scale.top];
                for (wait, p) in wait.iter_mut().zip(p_waited) {
                    *wait += p * top;
                }
            }
            waiting.copy_from_slice(&wait[..LEVELS]);
            for (row, p) in choices.iter_mut().zip(at_once) {
                let mut sum = [0.0; CELLS];
                for (cells, p) in worth.iter().zip(p) {
                    for (sum, cell) in sum.iter_mut().zip(cells) {
                        *sum += p * cell;
                    }
                }
                *row = sum;
            }
        }
        self.choose(task.costs, previous, now);
    }

    /// The best choice for each rung of the segment before: changes cost in proportion to the change of utility, so that two passes
    /// over the rungs, one up and one down, find it.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn choose(&mut self, costs: &Costs, previous: &[Facts], now: &[Facts]) {
        let (rise, fall) = (costs.rise, costs.fall);
        let scale = self.scale;
        for level in 0..LEVELS {
            let mut best = [f32::NEG_INFINITY; CELLS];
            let mut best_waiting = f32::NEG_INFINITY;
            for rung in (0..now.len()).rev() {
                let row = rung * LEVELS + level;
                let (u, before) = (now[rung].u, previous[rung].u);
                let worth = u * (1.0 - rise);
                for (best, cell) in best.iter_mut().zip(&self.choices[row]) {
                    *best = larger(*best, cell + worth);
                }
                best_waiting = larger(best_waiting, self.waiting[row] + worth);
                let out = &mut self.value[row];
                for (out, best) in out[BELOW..].iter_mut().zip(&best) {
                    *out = best + rise * before;
                }
                out[BELOW + CELLS] = best_waiting + rise * before;
            }
            let mut best = [f32::NEG_INFINITY; CELLS];
            let mut best_waiting = f32::NEG_INFINITY;
            for rung in 0..now.len() {
                let row = rung * LEVELS + level;
                let (u, before) = (now[rung].u, previous[rung].u);
                let worth = u * (1.0 + fall);
                for (best, cell) in best.iter_mut().zip(&self.choices[row]) {
                    *best = larger(*best, cell + worth);
                }
                best_waiting = larger(best_waiting, self.waiting[row] + worth);
                let out = &mut self.value[row];
                for (out, best) in out[BELOW..].iter_mut().zip(&best) {
                    *out = larger(*out, best - fall * before);
                }
                let wait = larger(out[BELOW + CELLS], best_waiting - fall * before);
                scale.pad(out, wait);
            }
        }
    }

    /// Worth of giving the download of `flight` up and of going on with it, for the best lower rung.
    pub fn reconsider(&self, task: &Task<'_>, flight: &Flight, before: Option<f32>) -> Option<Verdict> {
        let now = task.segments.first()?;
        let facts = now.get(flight.rung)?;
        let gain_of = |u: f32| gain(task.costs, u, before);
        // A restart that is no quicker is no help.
        if flight.rest_mbit <= now.first()?.mbit + task.rtt_s * flight.rate {
            return None;
        }
        let restart = |buffer_s: f32| {
            let lower = now.iter().take(flight.rung).enumerate();
            lower
                .map(|(rung, facts)| {
                    let worth = self.fetch_at(task.law, rung, facts.mbit, flight.rate, buffer_s - task.rtt_s);
                    (rung, gain_of(facts.u) + worth)
                })
                .max_by(|a, b| a.1.total_cmp(&b.1))
        };
        let (rung, restarting) = restart(flight.buffer_s)?;
        let gained = gain_of(facts.u);
        let mut going_on = gained
            + self.fetch_at(
                task.law,
                flight.rung,
                flight.rest_mbit,
                flight.rate,
                flight.buffer_s,
            );
        for pause in PAUSES_S {
            let ([stays], _) = task.law.survival(&[libm::logf(pause)]);
            let later = restart(flight.buffer_s - pause)?.1;
            let rest = (flight.rest_mbit - 0.45 * pause * flight.rate).max(0.0);
            let [fresh_s] = task.law.fresh_s(&[rest]);
            let left = flight.buffer_s - (0.45 * pause + fresh_s);
            let mean = self.scale.at(&self.jumped[flight.rung], left);
            going_on = going_on.max(stays * later + (1.0 - stays) * (gained + mean));
        }
        Some(Verdict {
            rung,
            restarting,
            going_on,
        })
    }

    /// As [`Self::fetch`], from any rate, Mbit/s.
    fn fetch_at(&self, law: &Law, rung: usize, mbit: f32, rate: f32, buffer_s: f32) -> f32 {
        let d0 = mbit / rate;
        let outcomes = law.outcomes_at(&[rate], mbit, &[d0], &[libm::logf(d0.max(1e-6))]);
        let rows = &self.value[rung * LEVELS..(rung + 1) * LEVELS];
        let (below, share) = law.between(libm::logf(rate));
        let left = outcomes.seconds.map(|[seconds]| buffer_s - seconds);
        let same = self.scale.at(&rows[below], left[0]) * (1.0 - share)
            + self.scale.at(&rows[below + 1], left[0]) * share;
        self.mean(rung, outcomes.p.map(|[p]| p), same, left)
    }

    /// Worth of V after downloads that begin at each level with `buffer_s` in hand.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn fetch(&self, task: &Task<'_>, rung: usize, facts: &Facts, buffer_s: f32) -> [f32; LEVELS] {
        let outcomes = task.law.outcomes(facts.mbit, facts.log_mbit);
        let rows = &self.value[rung * LEVELS..(rung + 1) * LEVELS];
        core::array::from_fn(|level| {
            let left = outcomes.seconds.map(|seconds| buffer_s - seconds[level]);
            let same = self.scale.at(&rows[level], left[0]);
            self.mean(rung, outcomes.p.map(|p| p[level]), same, left)
        })
    }

    /// Mean over the outcomes of a download: `same` if the level does not change, else V after a jump.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn mean(&self, rung: usize, p: [f32; 3], same: f32, left: [f32; 3]) -> f32 {
        let mut worth = p[0] * same;
        for (p, left) in p.iter().zip(left).skip(1) {
            if *p > 0.0 {
                worth += p * self.scale.at(&self.jumped[rung], left);
            }
        }
        worth
    }
}

impl Scale {
    fn new(task: &Task<'_>) -> Self {
        let segment_s = task.segment_s;
        let span = (task.max_s - 2.0 * segment_s).max(0.0);
        let cell_s = (span / (CELLS - 1) as f32).max(segment_s / (ABOVE - 2) as f32);
        Self {
            segment_s,
            cell_s,
            per_cell: 1.0 / cell_s,
            top: ((span / cell_s + 0.5) as usize).min(CELLS - 1),
            slope: STALL_WEIGHT * task.costs.stall * cell_s,
        }
    }

    /// Fills what is around the cells of a row.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn pad(&self, row: &mut Row, waiting: f32) {
        let first = row[BELOW];
        for (i, value) in row[..BELOW].iter_mut().enumerate() {
            *value = first - self.slope * (BELOW - i) as f32;
        }
        if self.top < CELLS - 1 {
            row[BELOW + self.top + 1..BELOW + CELLS].fill(waiting);
        }
        row[BELOW + CELLS..].fill(waiting);
    }

    /// Expected worth after a download from each level, for each buffer before it.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn after(
        &self,
        outcomes: &Outcomes<LANES>,
        more_s: f32,
        same: &[Row],
        jumped: &Row,
        out: &mut [Cells; LEVELS],
    ) {
        let [unchanged, early, late] =
            core::array::from_fn(|i| self.shifts(&outcomes.p[i], &outcomes.seconds[i], more_s));
        for (level, (out, same)) in out.iter_mut().zip(same).enumerate() {
            let (a, a0, a1, a_stall) = unchanged.of(level, same);
            if outcomes.p[1][level] + outcomes.p[2][level] <= 0.0 {
                for (i, out) in out.iter_mut().enumerate() {
                    *out = a[i] * a0 + a[i + 1] * a1 - a_stall;
                }
                continue;
            }
            let (b, b0, b1, b_stall) = early.of(level, jumped);
            let (c, c0, c1, c_stall) = late.of(level, jumped);
            let stall = a_stall + b_stall + c_stall;
            for (i, out) in out.iter_mut().enumerate() {
                *out =
                    (a[i] * a0 + a[i + 1] * a1) + (b[i] * b0 + b[i + 1] * b1) + (c[i] * c0 + c[i + 1] * c1)
                        - stall;
            }
        }
    }

    /// Where the cells are after some seconds of download and a segment more.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn shifts(&self, p: &Lanes, seconds: &Lanes, more_s: f32) -> Shifts {
        let mut shifts = Shifts::default();
        let first = BELOW as f32 + (self.segment_s - more_s) * self.per_cell;
        for i in 0..LANES {
            let at = first - seconds[i] * self.per_cell;
            let inside = at.clamp(0.0, Shifts::LAST as f32);
            let below = inside as i32;
            let share = inside - below as f32;
            shifts.below[i] = below;
            shifts.weights.0[i] = p[i] * (1.0 - share);
            shifts.weights.1[i] = p[i] * share;
            shifts.stall[i] = p[i] * self.slope * larger(inside - at, 0.0);
        }
        shifts
    }

    /// V at a buffer before the segment is added.
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn at(&self, row: &Row, buffer_s: f32) -> f32 {
        let at = BELOW as f32 + buffer_s * self.per_cell;
        let inside = at.clamp(0.0, (ROW - 2) as f32);
        let below = inside as usize;
        let share = inside - below as f32;
        row[below] * (1.0 - share) + row[below + 1] * share - self.slope * (inside - at).max(0.0)
    }
}

/// Whether giving up for the lowest rung is quicker than going on.
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn quicker(law: &Law, level: usize, lowest: &Facts, facts: &Facts) -> bool {
    (facts.mbit - lowest.mbit) * law.per_rate[level] > NOTICED_S
}

/// What giving up costs: the lowest rung's utility instead, and the change.
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn given_up(costs: &Costs, lowest: f32, u: f32) -> f32 {
    let step = (u - lowest).max(0.0);
    -step - costs.fall * step
}

/// What a segment of utility `u` is worth after one of utility `before`.
fn gain(costs: &Costs, u: f32, before: Option<f32>) -> f32 {
    let step = before.map_or(0.0, |before| u - before);
    u - costs.rise * larger(step, 0.0) - costs.fall * larger(-step, 0.0)
}

#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn mixed(weights: &[f32; LEVELS], rows: &[Row]) -> Row {
    let mut mixed = [0.0; ROW];
    for (row, weight) in rows.iter().zip(weights) {
        for (mixed, value) in mixed.iter_mut().zip(row) {
            *mixed += weight * value;
        }
    }
    mixed
}

#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}
