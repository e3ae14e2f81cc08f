//! A session as it may happen, the same every time: ten minutes of a stream on a network that changes its mind.
//!
//! `scripts/bench-decision` has the same sequence in JavaScript, for the same engine as Wasm. Only sums, products, quotients and
//! roundings, so that both get the same numbers to the last bit, and the checksum of the answers proves it.

use std::time::{Duration, Instant as Clock};

use player_core::abr::{Abr, Context, Download, Flight, Progress, Rung, Upcoming};
use player_core::{Bitrate, Instant};

const SEGMENTS: usize = 200;
const SEGMENT_MS: u64 = 3000;
const BUFFER_MAX_MS: u64 = 30_000;
const RTT_MS: u64 = 80;
const STEP_MS: u64 = 250;
/// Ladders of other sizes are taken from this one, in a straight line between its rungs. kbit/s.
const LADDER: [f64; 10] = [
    230.0, 331.0, 477.0, 688.0, 991.0, 1427.0, 2056.0, 2962.0, 5027.0, 6000.0,
];
/// What the network carries in each of its states, kbit/s.
const STATES: [f64; 6] = [400.0, 900.0, 1700.0, 2800.0, 4200.0, 7000.0];

/// What is played, over what.
pub(crate) struct Sequence {
    ladder: Vec<Rung>,
    /// By segment: its size as a multiple of what its bitrate says.
    weights: Vec<f64>,
    /// By second, going round: kbit/s.
    network: Vec<f64>,
}

/// What an algorithm took to answer, and what it answered.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) choose: Vec<Duration>,
    pub(crate) abandon: Vec<Duration>,
    pub(crate) checksum: u32,
}

impl Sequence {
    pub(crate) fn new(rungs: usize) -> Self {
        let mut random = Random(1);
        let weights = (0..SEGMENTS).map(|_| 0.7 + 0.6 * random.next()).collect();
        let mut state = 3;
        let network = (0..2000)
            .map(|_| {
                let u = random.next();
                if u < 0.1 {
                    state = (state + 1).min(STATES.len() - 1);
                } else if u < 0.2 {
                    state = state.saturating_sub(1);
                } else if u < 0.22 {
                    state = (random.next() * STATES.len() as f64) as usize;
                }
                STATES.get(state).copied().unwrap_or(1000.0)
            })
            .collect();
        Self {
            ladder: (0..rungs).map(|rung| bitrate(rung, rungs)).collect(),
            weights,
            network,
        }
    }

    /// Lets it choose all of it, and measures each answer.
    pub(crate) fn play(&self, abr: &mut dyn Abr) -> Answers {
        let mut answers = Answers::default();
        let (mut now_ms, mut buffer_ms, mut last) = (0u64, 0u64, None);
        for segment in 0..SEGMENTS {
            let wait_ms = (buffer_ms + SEGMENT_MS).saturating_sub(BUFFER_MAX_MS);
            now_ms += wait_ms;
            buffer_ms -= wait_ms;
            let upcoming = Ahead(self, segment);
            let context = |now_ms: u64, buffer_ms: u64| Context {
                now: at(now_ms),
                buffer_s: buffer_ms as f64 / 1000.0,
                buffer_max_s: BUFFER_MAX_MS as f64 / 1000.0,
                ladder: &self.ladder,
                last,
                segment_s: SEGMENT_MS as f64 / 1000.0,
                remaining: Some(SEGMENTS - segment),
                started: segment > 0,
                upcoming: &upcoming,
            };
            let begin = Clock::now();
            let mut rung = abr.choose(&context(now_ms, buffer_ms));
            answers.choose.push(begin.elapsed());
            answers.note(rung);
            loop {
                let total = upcoming.bytes(rung, 0).unwrap_or(0) as f64;
                let requested_at = at(now_ms);
                let (mut bytes, mut elapsed_ms) = (0.0, RTT_MS);
                let lower = loop {
                    let kbps = self.network_kbps(now_ms + elapsed_ms);
                    let rest_ms = ((total - bytes) * 8.0 / kbps).ceil();
                    let step_ms = rest_ms.min(STEP_MS as f64);
                    elapsed_ms += step_ms as u64;
                    bytes = (bytes + step_ms * kbps / 8.0).min(total);
                    let progress = Progress {
                        at: at(now_ms + elapsed_ms),
                        requested_at,
                        first_byte_at: at(now_ms + RTT_MS),
                        bytes: bytes as u64,
                    };
                    let done = bytes >= total;
                    let mut lower = None;
                    if !done {
                        abr.on_progress(&progress);
                        let flight = Flight {
                            progress,
                            rung,
                            total_bytes: Some(total as u64),
                        };
                        let context = context(now_ms + elapsed_ms, buffer_ms.saturating_sub(elapsed_ms));
                        let begin = Clock::now();
                        lower = abr.abandon(&context, &flight);
                        answers.abandon.push(begin.elapsed());
                    }
                    if done || lower.is_some() {
                        abr.on_progress(&progress);
                        abr.on_download(&Download {
                            progress,
                            rung,
                            abandoned: !done,
                            cached: false,
                        });
                        break lower;
                    }
                };
                now_ms += elapsed_ms;
                buffer_ms = buffer_ms.saturating_sub(elapsed_ms);
                let Some(lower) = lower else { break };
                answers.note(lower);
                rung = lower;
            }
            buffer_ms += SEGMENT_MS;
            last = Some(rung);
        }
        answers
    }

    fn network_kbps(&self, at_ms: u64) -> f64 {
        let second = (at_ms / 1000) as usize % self.network.len();
        self.network.get(second).copied().unwrap_or(1000.0)
    }
}

impl Answers {
    fn note(&mut self, rung: usize) {
        self.checksum = self.checksum.wrapping_mul(31).wrapping_add(rung as u32);
    }
}

fn bitrate(rung: usize, rungs: usize) -> Rung {
    let position = rung as f64 * 9.0 / (rungs.max(2) - 1) as f64;
    let below = position.floor();
    let step = |i: f64| LADDER.get(i as usize).copied().unwrap_or(6000.0);
    let kbps = step(below) + (position - below) * (step(below + 1.0) - step(below));
    Rung {
        bitrate: Bitrate::from_bps((kbps * 1000.0).floor() as u64),
    }
}

struct Ahead<'a>(&'a Sequence, usize);

impl Upcoming for Ahead<'_> {
    fn bytes(&self, rung: usize, ahead: usize) -> Option<u64> {
        let weight = self.0.weights.get(self.1 + ahead)?;
        let bitrate = self.0.ladder.get(rung)?.bitrate.as_f64();
        Some((bitrate * 3.0 / 8.0 * weight).floor() as u64)
    }
}

/// The linear congruential generator of Numerical Recipes.
struct Random(u32);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0) / 4_294_967_296.0
    }
}

/// The clock begins at an hour: what the stand-alone engine reckons with, too.
fn at(ms: u64) -> Instant {
    Instant::from_micros((3_600_000 + ms) * 1000)
}
