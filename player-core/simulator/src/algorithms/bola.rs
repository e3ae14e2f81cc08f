//! BOLA-E and DYNAMIC.
//!
//! Spiteri, Sitaraman, Sparacio: *From Theory to Practice: Improving Bitrate Adaptation in the DASH Reference Player*, MMSys
//! 2018, with the constants of its simulator sabre (`BolaEnh`, `ThroughputRule` and `DynamicDash` of `sabre.py`, commit
//! 09b03bb): minimum buffer 10 s and 2 s more a rung, EWMA of throughput and latency with half-lives of 3 s and 8 s,
//! safety factor 0.9, insufficient-buffer rule from 0.9 down to 0.5; DYNAMIC is BOLA from a buffer of 10 s on and
//! the throughput rule below 5 s. Only the pauses that BOLA asks for are missing: the engine fetches whenever there is room.

use player_core::abr::{Abr, Context, Download, Flight, Progress};
use player_core::{Bitrate, Instant};

use super::samples::{Averages, Sample, bitrate};
use super::throughput::{HALF_LIVES_S, SAFETY};

const MINIMUM_BUFFER_S: f64 = 10.0;
const BUFFER_PER_RUNG_S: f64 = 2.0;
/// The insufficient-buffer rule's safety factor at first, also its decay, and at last.
const LOW_BUFFER_SAFETY: (f64, f64) = (0.9, 0.5);
/// DYNAMIC: BOLA above the second, the throughput rule below the first, seconds of buffer.
const THRESHOLDS_S: (f64, f64) = (5.0, 10.0);

/// Throughput and latency.
#[derive(Clone, Debug)]
struct Estimates {
    throughput: Averages,
    /// By download: the half-lives are divided by the segment duration.
    latency: Option<Averages>,
    ended: Instant,
    pending_latency_s: Vec<f64>,
}

impl Estimates {
    fn new() -> Self {
        Self {
            throughput: Averages::new(HALF_LIVES_S.0, HALF_LIVES_S.1),
            latency: None,
            ended: Instant::ZERO,
            pending_latency_s: Vec::new(),
        }
    }

    fn add(&mut self, download: &Download) {
        self.ended = download.progress.at;
        if let Some(sample) = Sample::of(download) {
            self.throughput.add(sample.bps(), sample.transfer_s);
            self.pending_latency_s.push(sample.latency_s);
        }
    }

    /// Throughput, bit/s, and latency, seconds.
    fn get(&mut self, segment_s: f64) -> Option<(f64, f64)> {
        let per_s = 1.0 / segment_s.max(1e-3);
        let latency = self
            .latency
            .get_or_insert_with(|| Averages::new(HALF_LIVES_S.0 * per_s, HALF_LIVES_S.1 * per_s));
        for latency_s in self.pending_latency_s.drain(..) {
            latency.add(latency_s, 1.0);
        }
        Some((self.throughput.lower()?, latency.higher()?))
    }
}

/// The highest rung that takes no longer to fetch than to play.
fn sustainable(context: &Context<'_>, bps: f64, latency_s: f64) -> usize {
    let share = 1.0 - latency_s / context.segment_s.max(1e-3);
    context.highest_below(bps * share.max(0.0))
}

/// The insufficient-buffer rule: lowers a choice to what the buffer lasts for.
#[derive(Clone, Debug)]
struct LowBuffer {
    safety: f64,
}

impl LowBuffer {
    const fn new() -> Self {
        Self {
            safety: LOW_BUFFER_SAFETY.0,
        }
    }

    fn limit(&mut self, context: &Context<'_>, rung: usize, bps: f64, latency_s: f64) -> usize {
        let bits = self.safety * (context.buffer_s - latency_s) * bps;
        self.safety = (self.safety * LOW_BUFFER_SAFETY.0).max(LOW_BUFFER_SAFETY.1);
        rung.min(context.highest_below(bits / context.segment_s.max(1e-3)))
    }
}

/// BOLA-E.
#[derive(Clone, Debug)]
pub(super) struct BolaE {
    estimates: Estimates,
    low_buffer: LowBuffer,
    started: bool,
    /// Virtual buffer, seconds: what keeps a choice that throughput made at the start.
    placeholder_s: f64,
    last: usize,
    finished: Option<(usize, f64)>,
    given_up: bool,
}

/// BOLA's parameters for a ladder and a buffer.
pub(super) struct Parameters {
    vp: f64,
    gp: f64,
    /// Bitrate and utility by rung.
    rungs: Vec<(f64, f64)>,
}

impl Parameters {
    /// For a buffer of `target_s`, or as much more as the ladder needs.
    pub(super) fn new(context: &Context<'_>, target_s: f64) -> Self {
        let lowest = context
            .ladder
            .first()
            .map_or(1.0, |r| r.bitrate.as_f64().max(1.0));
        let rungs: Vec<_> = context
            .ladder
            .iter()
            .map(|rung| {
                let bps = rung.bitrate.as_f64().max(1.0);
                (bps, 1.0 + libm::log(bps / lowest))
            })
            .collect();
        let needed_s = MINIMUM_BUFFER_S + BUFFER_PER_RUNG_S * rungs.len() as f64;
        let buffer_s = needed_s.max(target_s);
        let highest = rungs.last().map_or(1.0, |(_, utility)| *utility);
        let gp = ((highest - 1.0) / (buffer_s / MINIMUM_BUFFER_S - 1.0)).max(1e-6);
        Self {
            vp: MINIMUM_BUFFER_S / gp,
            gp,
            rungs,
        }
    }

    pub(super) fn best(&self, buffer_s: f64) -> usize {
        let mut best = (0, f64::NEG_INFINITY);
        for (i, (bps, utility)) in self.rungs.iter().enumerate() {
            let score = (self.vp * (utility + self.gp) - buffer_s) / bps;
            if score > best.1 {
                best = (i, score);
            }
        }
        best.0
    }

    /// The least buffer with which a rung is the best one.
    pub(super) fn least_s(&self, rung: usize) -> f64 {
        let Some((bps, utility)) = self.rungs.get(rung).copied() else {
            return 0.0;
        };
        let below = self.rungs.iter().take(rung).filter(|(b, _)| *b < bps);
        below
            .map(|(b, u)| self.vp * (self.gp + (bps * u - b * utility) / (bps - b)))
            .fold(0.0, f64::max)
    }

    /// The buffer above which BOLA would rather pause than fetch a rung.
    pub(super) fn most_s(&self, rung: usize) -> f64 {
        self.rungs
            .get(rung)
            .map_or(0.0, |(_, utility)| self.vp * (utility + self.gp))
    }
}

impl BolaE {
    pub(super) fn new() -> Self {
        Self {
            estimates: Estimates::new(),
            low_buffer: LowBuffer::new(),
            started: false,
            placeholder_s: 0.0,
            last: 0,
            finished: None,
            given_up: false,
        }
    }

    /// What a download changed of the placeholder, now that the buffer is known.
    fn settle(&mut self, context: &Context<'_>, parameters: &Parameters) {
        let waited_s = context.now.since(self.estimates.ended).as_secs_f64();
        let buffer_s = context.buffer_s + waited_s;
        if let Some((rung, seconds)) = self.finished.take() {
            self.last = rung;
            let before_s = buffer_s + seconds;
            let most_s = (parameters.most_s(rung) - before_s).max(0.0);
            self.placeholder_s = self.placeholder_s.min(most_s);
            if buffer_s > 0.0 {
                self.placeholder_s = self.placeholder_s.max(parameters.least_s(rung) - before_s);
            }
        }
        if std::mem::take(&mut self.given_up) {
            let most_s = (MINIMUM_BUFFER_S - buffer_s).max(0.0);
            self.placeholder_s = self.placeholder_s.min(most_s);
        }
        self.placeholder_s += waited_s;
    }

    fn decide(&mut self, context: &Context<'_>) -> usize {
        let Some((bps, latency_s)) = self.estimates.get(context.segment_s) else {
            return 0;
        };
        let parameters = Parameters::new(context, context.buffer_max_s);
        self.settle(context, &parameters);
        let by_throughput = sustainable(context, bps, latency_s);
        if !self.started {
            self.started = true;
            self.placeholder_s = (parameters.least_s(by_throughput) - context.buffer_s).max(0.0);
            return by_throughput;
        }
        let mut rung = parameters.best(context.buffer_s + self.placeholder_s);
        if rung > self.last && rung > by_throughput {
            rung = (self.last.max(by_throughput) + 1).min(rung);
        }
        let above_s = context.buffer_s + self.placeholder_s - parameters.most_s(rung);
        self.placeholder_s -= above_s.clamp(0.0, self.placeholder_s.max(0.0));
        let limited = self.low_buffer.limit(context, rung, bps, latency_s);
        if limited < rung {
            let most_s = (parameters.least_s(limited) - context.buffer_s).max(0.0);
            self.placeholder_s = self.placeholder_s.min(most_s);
        }
        limited
    }
}

impl Abr for BolaE {
    fn name(&self) -> &str {
        "bola-e"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, download: &Download) {
        self.estimates.add(download);
        if download.abandoned {
            self.given_up = true;
        } else {
            let progress = &download.progress;
            let seconds = progress.at.since(progress.requested_at).as_secs_f64();
            self.finished = Some((download.rung, seconds));
        }
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        self.decide(context)
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.estimates.throughput.lower().map(bitrate)
    }

    fn on_seek(&mut self) {
        self.started = false;
    }
}

/// DYNAMIC.
#[derive(Clone, Debug)]
pub(super) struct Dynamic {
    bola: BolaE,
    low_buffer: LowBuffer,
    by_bola: bool,
}

impl Dynamic {
    pub(super) fn new() -> Self {
        Self {
            bola: BolaE::new(),
            low_buffer: LowBuffer::new(),
            by_bola: false,
        }
    }
}

impl Abr for Dynamic {
    fn name(&self) -> &str {
        "dynamic"
    }

    fn on_progress(&mut self, progress: &Progress) {
        self.bola.on_progress(progress);
    }

    fn on_download(&mut self, download: &Download) {
        self.bola.on_download(download);
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        self.by_bola = if self.by_bola {
            context.buffer_s >= THRESHOLDS_S.0
        } else {
            context.buffer_s > THRESHOLDS_S.1
        };
        if self.by_bola {
            return self.bola.decide(context);
        }
        let Some((bps, latency_s)) = self.bola.estimates.get(context.segment_s) else {
            return 0;
        };
        self.bola
            .settle(context, &Parameters::new(context, context.buffer_max_s));
        let rung = sustainable(context, bps * SAFETY, latency_s);
        self.low_buffer.limit(context, rung, bps, latency_s)
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.bola.estimate()
    }

    fn on_seek(&mut self) {
        self.bola.on_seek();
        self.by_bola = false;
    }
}
