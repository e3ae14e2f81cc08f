//! dash.js: throughput below, BOLA above, and the lowest of what all rules say.
//!
//! dash.js 5 with its defaults (`ABRController.js`, `BolaRule.js`, `InsufficientBufferRule.js`, `SwitchHistoryRule.js`,
//! `ThroughputModel.js`): averages of throughput with half-lives of 3 s and 8 s, safety factor 0.9; BOLA from a buffer of 12 s
//! on and throughput below 6 s, BOLA's target 18 s (`bufferTimeDefault`); no more than 0.7 of what the buffer lasts for, from
//! the third segment on; no rung from which it fell too often in the last eight choices. The buffer is the
//! comparison's. Its `AbandonRequestsRule` is left to the variant with abandonment.

use std::collections::VecDeque;

use player_core::abr::{Abr, Context, Download, Flight, Progress};
use player_core::{Bitrate, Instant};

use super::bola::Parameters;
use super::samples::{Averages, Sample, bitrate};
use super::throughput::{HALF_LIVES_S, SAFETY};

/// BOLA is left below the first and taken from the second on, seconds of buffer.
const THRESHOLDS_S: (f64, f64) = (6.0, 12.0);
/// `bufferTimeDefault`.
const BUFFER_TIME_S: f64 = 18.0;
/// `PLACEHOLDER_BUFFER_DECAY`.
const PLACEHOLDER_DECAY: f64 = 0.99;
/// `insufficientBufferRule`: `throughputSafetyFactor`, `segmentIgnoreCount`.
const LOW_BUFFER_SAFETY: f64 = 0.7;
const IGNORED_SEGMENTS: u32 = 2;
/// `switchHistoryRule`: `sampleSize`, `switchPercentageThreshold`.
const HISTORY: usize = 8;
const DROPS: f64 = 0.075;

/// The algorithm of dash.js.
#[derive(Clone, Debug)]
pub(super) struct DashJs {
    averages: Averages,
    by_bola: bool,
    bola: Bola,
    segments: u32,
    /// Rung before and rung chosen.
    history: VecDeque<(usize, usize)>,
}

#[derive(Clone, Debug, Default)]
struct Bola {
    steady: bool,
    placeholder_s: f64,
    ended: Instant,
    /// Seconds that the last download took, until it has been considered.
    took_s: Option<f64>,
}

impl Bola {
    fn decide(&mut self, context: &Context<'_>, by_throughput: usize) -> usize {
        let parameters = Parameters::new(context, BUFFER_TIME_S);
        let last = context.last.unwrap_or(0);
        let waited_s = context.now.since(self.ended).as_secs_f64();
        if !self.steady {
            self.placeholder_s = (parameters.least_s(by_throughput) - context.buffer_s).max(0.0);
            self.steady = context.buffer_s >= context.segment_s;
            self.took_s = None;
            return by_throughput;
        }
        if let Some(took_s) = self.took_s.take() {
            let before_s = context.buffer_s + waited_s + took_s;
            let most_s = (parameters.most_s(last) - before_s).max(0.0);
            self.placeholder_s = (self.placeholder_s * PLACEHOLDER_DECAY).min(most_s) + waited_s;
        }
        let mut rung = parameters.best(context.buffer_s + self.placeholder_s);
        if rung > by_throughput && rung > last {
            rung = by_throughput.max(last);
        }
        let above_s = context.buffer_s + self.placeholder_s - parameters.most_s(rung);
        self.placeholder_s -= above_s.clamp(0.0, self.placeholder_s.max(0.0));
        rung
    }
}

impl DashJs {
    pub(super) fn new() -> Self {
        Self {
            averages: Averages::new(HALF_LIVES_S.0, HALF_LIVES_S.1),
            by_bola: false,
            bola: Bola::default(),
            segments: 0,
            history: VecDeque::new(),
        }
    }

    /// The rung that the history of choices allows, if it has something against one.
    fn by_history(&self, rungs: usize) -> Option<usize> {
        let (mut drops, mut others) = (0.0, 0.0);
        for rung in 0..rungs {
            let from = |dropped: bool| {
                let of = |(before, chosen): &&(usize, usize)| *before == rung && (chosen < before) == dropped;
                self.history.iter().filter(of).count() as f64
            };
            let here = from(true);
            drops += here;
            others += from(false);
            if drops + others >= HISTORY as f64 && drops > DROPS * others {
                return Some(if here > 0.0 { rung.saturating_sub(1) } else { rung });
            }
        }
        None
    }
}

impl Abr for DashJs {
    fn name(&self) -> &str {
        "dashjs"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, download: &Download) {
        let progress = &download.progress;
        self.bola.ended = progress.at;
        if let Some(sample) = Sample::of(download) {
            self.averages.add(sample.bps(), sample.transfer_s);
            if !download.abandoned {
                self.bola.took_s = Some(sample.seconds());
                self.segments += 1;
            }
        }
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let Some(bps) = self.averages.lower() else {
            return 0;
        };
        let by_throughput = context.highest_below(bps * SAFETY);
        let threshold_s = if self.by_bola {
            THRESHOLDS_S.0
        } else {
            THRESHOLDS_S.1
        };
        self.by_bola = context.buffer_s >= threshold_s;
        let mut rung = if self.by_bola {
            self.bola.decide(context, by_throughput)
        } else {
            self.bola.steady = false;
            by_throughput
        };
        if self.segments > IGNORED_SEGMENTS {
            let share = context.buffer_s / context.segment_s.max(1e-3);
            rung = rung.min(context.highest_below(bps * LOW_BUFFER_SAFETY * share));
        }
        rung = rung.min(self.by_history(context.ladder.len()).unwrap_or(rung));
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((context.last.unwrap_or(0), rung));
        rung
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.averages.lower().map(bitrate)
    }

    fn on_seek(&mut self) {
        self.bola = Bola::default();
        self.history.clear();
    }
}
