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

use super::super::Objective;
use super::law::{LEVELS, Law, Outcomes, Transition, between};

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

/// Going on may mean to wait so long, seconds, and then give up after all.
const PAUSES_S: [f32; 3] = [1.0, 2.5, 5.0];

type Row = [f32; ROW];
type Cells = [f32; CELLS];

/// What is to be planned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'a> {
    pub(super) law: &'a Law,
    pub(super) objective: &'a Objective,
    /// Of each rung of each segment ahead.
    pub(super) segments: &'a [Vec<Facts>],

    /// The programme reaches the end of the content.
    pub(super) to_end: bool,
    /// Duration of a segment, seconds.
    pub(super) segment_s: f32,
    /// Most media that may be held, seconds.
    pub(super) max_s: f32,
    /// Time to first byte, seconds.
    pub(super) rtt_s: f32,
}

/// A segment of a rung.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) mbit: f32,
    /// Natural logarithm of it.
    pub(super) log_mbit: f32,
    /// Its utility.
    pub(super) u: f32,
}

/// A download under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Flight {
    pub(super) rung: usize,
    /// Still to come.
    pub(super) rest_mbit: f32,
    /// What came lately, Mbit/s.
    pub(super) rate: f32,
    pub(super) buffer_s: f32,
}

/// What a download under way is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    /// The best lower rung.
    pub(super) rung: usize,
    /// Worth of giving up for it.
    pub(super) restarting: f32,
    /// Worth of going on for now.
    pub(super) going_on: f32,
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

impl Run<'_> {
    #[inline(always)]
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

    #[inline(always)]
    fn call(self) -> usize {
        self.run()
    }
}

#[cfg(not(target_arch = "x86_64"))]
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

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
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
    pub(super) fn reset(&mut self, rungs: usize) {
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
    pub(super) fn decide(
        &mut self,
        task: &Task<'_>,
        buffer_s: f32,
        gap_s: f32,
        before: Option<f32>,
    ) -> usize {
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
    #[inline(always)]
    fn root(&self, task: &Task<'_>, from: &[f32; LEVELS], buffer_s: f32, before: Option<f32>) -> usize {
        let Some((first, lowest)) = task
            .segments
            .first()
            .and_then(|first| Some((first, first.first()?)))
        else {
            return 0;
        };
        let late = NOTICED_S + 2.0 * task.rtt_s;
        let mut restart = [0.0; LEVELS];
        for (level, restart) in restart.iter_mut().enumerate() {
            *restart = self.fetch(task, 0, lowest, level, buffer_s - late);
        }
        let mut best = (0, f32::NEG_INFINITY);
        for (rung, facts) in first.iter().enumerate() {
            let loss = given_up(task.objective, lowest.u, facts.u);
            let mut worth = gain(task.objective, facts.u, before);
            for (level, (p, restart)) in from.iter().zip(&restart).enumerate() {
                let mut after = self.fetch(task, rung, facts, level, buffer_s - task.rtt_s);
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
    #[inline(always)]
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
        for (level, cells) in restart.iter_mut().enumerate() {
            let outcomes = task.law.outcomes(level, lowest.mbit, lowest.log_mbit);
            let late = NOTICED_S + 2.0 * task.rtt_s;
            scale.after(&outcomes, late, &lowest_rows[level], &jumped, cells);
        }
        let mut worth = [[0.0; CELLS]; LEVELS];
        let blocks = self
            .value
            .chunks_exact(LEVELS)
            .zip(self.choices.chunks_exact_mut(LEVELS))
            .zip(self.waiting.chunks_exact_mut(LEVELS));
        for ((facts, ((rows, choices), waiting)), rung) in now.iter().zip(blocks).zip(0..) {
            let jumped = mixed(&task.law.h_jumped, rows);
            for (level, cells) in worth.iter_mut().enumerate() {
                let outcomes = task.law.outcomes(level, facts.mbit, facts.log_mbit);
                scale.after(&outcomes, task.rtt_s, &rows[level], &jumped, cells);
                if rung > 0 && quicker(task.law, level, lowest, facts) {
                    let loss = given_up(task.objective, lowest.u, facts.u);
                    for (cell, restart) in cells.iter_mut().zip(&restart[level]) {
                        *cell = larger(*cell, restart + loss);
                    }
                }
            }
            for (((row, wait), p), p_waited) in choices.iter_mut().zip(waiting).zip(at_once).zip(waited) {
                let mut sum = [0.0; CELLS];
                *wait = 0.0;
                for ((cells, p), p_waited) in worth.iter().zip(p).zip(p_waited) {
                    for (sum, cell) in sum.iter_mut().zip(cells) {
                        *sum += p * cell;
                    }
                    *wait += p_waited * cells[scale.top];
                }
                *row = sum;
            }
        }
        self.choose(task.objective, previous, now);
    }

    /// The best choice for each rung of the segment before: changes cost in proportion to the change of utility, so that two passes
    /// over the rungs, one up and one down, find it.
    #[inline(always)]
    fn choose(&mut self, objective: &Objective, previous: &[Facts], now: &[Facts]) {
        let (rise, fall) = (objective.rise as f32, objective.fall as f32);
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
    pub(super) fn reconsider(
        &self,
        task: &Task<'_>,
        flight: &Flight,
        before: Option<f32>,
    ) -> Option<Verdict> {
        let now = task.segments.first()?;
        let facts = now.get(flight.rung)?;
        let gain_of = |u: f32| gain(task.objective, u, before);
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
        let rows = &self.value[flight.rung * LEVELS..(flight.rung + 1) * LEVELS];
        for pause in PAUSES_S {
            let (stays, _) = task.law.survival(libm::logf(pause));
            let later = restart(flight.buffer_s - pause)?.1;
            let rest = (flight.rest_mbit - 0.45 * pause * flight.rate).max(0.0);
            let seconds = 0.45 * pause + task.law.fresh_s(rest);
            let at = |row| self.scale.at(row, flight.buffer_s - seconds);
            let mean: f32 = rows
                .iter()
                .zip(&task.law.h_jumped)
                .map(|(row, h)| h * at(row))
                .sum();
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
        let outcomes = law.outcomes_at(rate, mbit, d0, libm::logf(d0.max(1e-6)));
        let rows = &self.value[rung * LEVELS..(rung + 1) * LEVELS];
        let (below, share) = law.between(libm::logf(rate));
        let at = |row, seconds: f32| self.scale.at(row, buffer_s - seconds);
        let (p, seconds) = outcomes.same;
        let mut worth =
            p * (at(&rows[below], seconds) * (1.0 - share) + at(&rows[below + 1], seconds) * share);
        for (p, seconds) in outcomes.jumped {
            if p > 0.0 {
                let mean: f32 = rows
                    .iter()
                    .zip(&law.h_jumped)
                    .map(|(row, h)| h * at(row, seconds))
                    .sum();
                worth += p * mean;
            }
        }
        worth
    }

    /// Worth of V after a download that begins at a level with `buffer_s` in hand.
    #[inline(always)]
    fn fetch(&self, task: &Task<'_>, rung: usize, facts: &Facts, level: usize, buffer_s: f32) -> f32 {
        let outcomes = task.law.outcomes(level, facts.mbit, facts.log_mbit);
        let rows = &self.value[rung * LEVELS..(rung + 1) * LEVELS];
        let (p, seconds) = outcomes.same;
        let mut worth = p * self.scale.at(&rows[level], buffer_s - seconds);
        for (p, seconds) in outcomes.jumped {
            if p > 0.0 {
                let at = |row| self.scale.at(row, buffer_s - seconds);
                let mean: f32 = rows
                    .iter()
                    .zip(&task.law.h_jumped)
                    .map(|(row, h)| h * at(row))
                    .sum();
                worth += p * mean;
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
            slope: task.objective.stall as f32 * cell_s,
        }
    }

    /// Fills what is around the cells of a row.
    #[inline(always)]
    fn pad(&self, row: &mut Row, waiting: f32) {
        let first = row[BELOW];
        for (i, value) in row[..BELOW].iter_mut().enumerate() {
            *value = first - self.slope * (BELOW - i) as f32;
        }
        row[BELOW + self.top + 1..].fill(waiting);
    }

    /// Expected worth after a download, for each buffer before it.
    #[inline(always)]
    fn after(&self, outcomes: &Outcomes, more_s: f32, same: &Row, jumped: &Row, out: &mut Cells) {
        let (p, seconds) = outcomes.same;
        let a = self.shift(same, p, seconds + more_s);
        let [(p_early, early), (p_late, late)] = outcomes.jumped;
        if p_early + p_late <= 0.0 {
            for (i, out) in out.iter_mut().enumerate() {
                *out = a.0[i] * a.1 + a.0[i + 1] * a.2 - a.3;
            }
            return;
        }
        let b = self.shift(jumped, p_early, early + more_s);
        let c = self.shift(jumped, p_late, late + more_s);
        let stall = a.3 + b.3 + c.3;
        for (i, out) in out.iter_mut().enumerate() {
            *out = (a.0[i] * a.1 + a.0[i + 1] * a.2)
                + (b.0[i] * b.1 + b.0[i + 1] * b.2)
                + (c.0[i] * c.1 + c.0[i + 1] * c.2)
                - stall;
        }
    }

    /// Where the cells are after `seconds` of download and a segment more: the row from there, the weights of a cell and its
    /// successor, and the cost of the stall that is beyond the row.
    #[inline(always)]
    fn shift<'a>(&self, row: &'a Row, p: f32, seconds: f32) -> (&'a [f32; CELLS + 1], f32, f32, f32) {
        const LAST: usize = ROW - CELLS - 1;
        let at = BELOW as f32 + (self.segment_s - seconds) * self.per_cell;
        let inside = at.clamp(0.0, LAST as f32);
        let below = (inside as usize).min(LAST);
        let share = inside - below as f32;
        let cells = row[below..].first_chunk().unwrap_or(&[0.0; CELLS + 1]);
        (
            cells,
            p * (1.0 - share),
            p * share,
            p * self.slope * (inside - at).max(0.0),
        )
    }

    /// V at a buffer before the segment is added.
    #[inline(always)]
    fn at(&self, row: &Row, buffer_s: f32) -> f32 {
        let at = BELOW as f32 + buffer_s * self.per_cell;
        let inside = at.clamp(0.0, (ROW - 2) as f32);
        let below = inside as usize;
        let share = inside - below as f32;
        row[below] * (1.0 - share) + row[below + 1] * share - self.slope * (inside - at).max(0.0)
    }
}

/// Whether giving up for the lowest rung is quicker than going on.
#[inline(always)]
fn quicker(law: &Law, level: usize, lowest: &Facts, facts: &Facts) -> bool {
    (facts.mbit - lowest.mbit) * law.per_rate[level] > NOTICED_S
}

/// What giving up costs: the lowest rung's utility instead, and the change.
fn given_up(objective: &Objective, lowest: f32, u: f32) -> f32 {
    let step = (u - lowest).max(0.0);
    -step - objective.fall as f32 * step
}

/// What a segment of utility `u` is worth after one of utility `before`.
fn gain(objective: &Objective, u: f32, before: Option<f32>) -> f32 {
    objective.gain(f64::from(u), before.map(f64::from)) as f32
}

#[inline(always)]
fn mixed(weights: &[f32; LEVELS], rows: &[Row]) -> Row {
    let mut mixed = [0.0; ROW];
    for (row, weight) in rows.iter().zip(weights) {
        for (mixed, value) in mixed.iter_mut().zip(row) {
            *mixed += weight * value;
        }
    }
    mixed
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}
