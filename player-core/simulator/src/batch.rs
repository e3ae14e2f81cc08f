//! Many sessions: every trace with every algorithm, on all cores.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;
use player_core::{Config, Instant};
use rayon::prelude::*;
use serde::Serialize;

use crate::algorithms::{Decisions, Entry, Observed, Setting};
use crate::files::Aside;
use crate::network::Link;
use crate::origin::Origin;
use crate::report::html::{Chart, ChartSession};
use crate::report::summary::percentile_us;
use crate::score::{self, Objective, ScoreError};
use crate::session::{Session, SessionError};
pub use crate::trace::{FamilyTrace, TracesError, read_traces};

/// The engine's configuration by the yardstick's rules: the first segment at the lowest rendition; and no time-outs, because
/// the yardstick's other players have none and an outage of a trace may last longer than them.
pub fn yardstick(buffer_s: f64) -> Config {
    let mut config = Config::default();
    config.buffer.goal_s = buffer_s;
    config.abr.initial_throughput_kbps = None;
    for policy in config.retry.policies_mut() {
        policy.ttfb_timeout_ms = 0;
        policy.stall_timeout_ms = 0;
        policy.total_timeout_ms = 0;
    }
    config
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The traces; a family is contiguous.
    pub traces: Vec<FamilyTrace>,
    /// The algorithms, in the order of the report.
    pub algorithms: Vec<&'static Entry>,
    /// The content of each family.
    pub origins: BTreeMap<String, Arc<Origin>>,
    /// The engine's configuration.
    pub config: Config,
    /// What to score by.
    pub objective: Objective,
    /// What the network does besides the traces.
    pub link: Link,
    /// Where to write a log of each session, if anywhere.
    pub logs: Option<PathBuf>,
}

/// The result of a session, as it stands in the JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Family of the trace.
    pub family: String,
    /// Name of the trace.
    pub trace: String,
    /// Name of the algorithm.
    pub algorithm: String,
    /// Normalised quality of experience by the objective, per segment.
    pub qoe: f64,
    /// Mean nominal bitrate, kbit/s.
    pub bitrate_kbps: f64,
    /// Time without pictures after the start, seconds.
    pub rebuffer_s: f64,
    /// The same as a share of the content's duration.
    pub rebuffer_ratio: f64,
    /// Time to the first picture, seconds.
    pub startup_s: f64,
    /// Segments with a stall after the start.
    pub stalls: usize,
    /// Segments of another rendition than the one before.
    pub switches: usize,
    /// Segments played.
    pub segments: usize,
    /// Requests given up.
    pub abandoned: u64,
    /// Median time of a decision, microseconds of a core: not deterministic.
    pub decision_us_p50: f64,
    /// 99th percentile of it.
    pub decision_us_p99: f64,
    /// Of the keys, if the content is protected.
    #[serde(flatten)]
    pub keys: Option<KeyRow>,
    /// The time of each decision, nanoseconds.
    #[serde(skip)]
    pub decisions_ns: Vec<u32>,
    /// Virtual time, seconds.
    #[serde(skip)]
    pub virtual_s: f64,
    /// Time of one core, seconds.
    #[serde(skip)]
    pub real_s: f64,
}

/// How long keys were waited for; beside the times of which they are a part.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KeyRow {
    /// Requests for licences.
    pub licences: u64,
    /// Of the start-up, the time in which a key was all that was missing, seconds.
    pub key_startup_s: f64,
    /// Rebufferings for want of a key.
    pub key_rebuffers: u32,
    /// How long they were, seconds.
    pub key_rebuffer_s: f64,
}

/// A session that came to no result.
#[derive(Debug, thiserror::Error)]
#[error("{family}/{trace} with {algorithm}: {reason}")]
pub struct Failure {
    /// Family of the trace.
    pub family: String,
    /// Name of the trace.
    pub trace: String,
    /// Name of the algorithm.
    pub algorithm: String,
    /// Why.
    pub reason: Box<FailureReason>,
}

/// Why a session came to no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FailureReason {
    /// The log cannot be made.
    #[error("cannot write the log {}: {source}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no content for the family.
    #[error("there is no content for the family; give --content FILE or --content FAMILY=FILE")]
    NoContent,
    /// It cannot be scored.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// It came to no end.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Batch {
    /// How many sessions it has.
    pub fn sessions(&self) -> usize {
        self.traces.len() * self.algorithms.len()
    }

    /// Runs them all, and calls `done` after each, on any thread. The results are in the order of the traces, then of the
    /// algorithms.
    pub fn run(&self, done: impl Fn() + Sync) -> Vec<Result<Row, Failure>> {
        let jobs: Vec<_> = self
            .traces
            .iter()
            .flat_map(|trace| self.algorithms.iter().map(move |entry| (trace, *entry)))
            .collect();
        jobs.into_par_iter()
            // One by one: sessions differ widely in length.
            .with_max_len(1)
            .map(|(trace, entry)| {
                let result = self.run_one(trace, entry).map_err(|reason| Failure {
                    family: trace.family.clone(),
                    trace: trace.trace.name().to_owned(),
                    algorithm: entry.name.to_owned(),
                    reason: Box::new(reason),
                });
                done();
                result
            })
            .collect()
    }

    /// Plays traces once more, by their numbers, and records what happens when. Sessions without a result are left out.
    pub fn charts(&self, chosen: &[(usize, String)], done: impl Fn() + Sync) -> Vec<Chart> {
        let chosen: Vec<_> = chosen
            .iter()
            .filter_map(|(trace, note)| {
                let trace = self.traces.get(*trace)?;
                Some((trace, note, self.origins.get(&trace.family)?))
            })
            .collect();
        chosen
            .into_par_iter()
            .map(|(trace, note, origin)| {
                let play = |entry: &&Entry| {
                    let session = self.chart_session(trace, origin, entry);
                    done();
                    session
                };
                let sessions = self
                    .algorithms
                    .par_iter()
                    .with_max_len(1)
                    .filter_map(play)
                    .collect();
                Chart::new(trace, note, origin.content(), &self.link, sessions)
            })
            .collect()
    }

    fn session<'a>(
        &self,
        trace: &'a FamilyTrace,
        origin: &'a Origin,
        entry: &Entry,
        decisions: &Decisions,
    ) -> Session<'a> {
        let setting = Setting {
            trace: &trace.trace,
            content: origin.content(),
        };
        let mut config = self.config.clone();
        let abr = entry.make(&mut config, &setting);
        Session {
            trace: &trace.trace,
            link: self.link.clone(),
            origin,
            config,
            abr: Box::new(Observed::new(abr, decisions.clone())),
            timeline: false,
        }
    }

    fn chart_session(&self, trace: &FamilyTrace, origin: &Origin, entry: &Entry) -> Option<ChartSession> {
        let decisions = Decisions::default();
        let session = Session {
            timeline: true,
            ..self.session(trace, origin, entry, &decisions)
        };
        let timeline = session.run().ok()?.timeline?;
        let estimates = decisions.take().into_iter().filter_map(|decision| {
            let at_s = decision.at.since(Instant::ZERO).as_secs_f64();
            Some((at_s, decision.estimate?.as_f64() / 1000.0))
        });
        Some(ChartSession {
            algorithm: entry.name.to_owned(),
            timeline,
            estimates: estimates.collect(),
        })
    }

    fn run_one(&self, trace: &FamilyTrace, entry: &Entry) -> Result<Row, FailureReason> {
        let origin = self.origins.get(&trace.family).ok_or(FailureReason::NoContent)?;
        let decisions = Decisions::default();
        let session = self.session(trace, origin, entry, &decisions);
        // What the thread used: on a busy machine it waits, too.
        let start = ThreadTime::now();
        let outcome = match &self.logs {
            None => session.run()?,
            Some(folder) => {
                let path =
                    folder
                        .join(&trace.family)
                        .join(format!("{}.{}.jsonl", trace.trace.name(), entry.name));
                let failed = |source| FailureReason::Log {
                    path: path.clone(),
                    source,
                };
                let mut log = BufWriter::new(Aside::create(&path).map_err(failed)?);
                // A session that fails leaves its log: it shows why.
                let outcome = session.run_logged(&mut log);
                log.flush().map_err(failed)?;
                log.into_inner()
                    .map_err(|e| failed(e.into_error()))?
                    .finish()
                    .map_err(failed)?;
                outcome?
            }
        };
        let real_s = start.elapsed().as_secs_f64();
        let score = score::score(&self.objective, origin.content(), &outcome.played)?;
        let nanos = |time: Duration| u32::try_from(time.as_nanos()).unwrap_or(u32::MAX);
        let decisions = decisions.take().into_iter();
        let decisions_ns: Vec<_> = decisions.map(|decision| nanos(decision.took)).collect();
        let mut sorted = decisions_ns.clone();
        sorted.sort_unstable();
        Ok(Row {
            family: trace.family.clone(),
            trace: trace.trace.name().to_owned(),
            algorithm: entry.name.to_owned(),
            qoe: score.qoe,
            bitrate_kbps: score.bitrate_kbps,
            rebuffer_s: score.rebuffer_s,
            rebuffer_ratio: score.rebuffer_ratio,
            startup_s: score.startup_s,
            stalls: score.stalls,
            switches: score.switches,
            segments: outcome.played.len(),
            abandoned: outcome.cancelled,
            keys: outcome.keys.map(|keys| KeyRow {
                licences: keys.licences,
                key_startup_s: keys.startup.as_secs_f64(),
                key_rebuffers: keys.rebuffers,
                key_rebuffer_s: keys.rebuffer.as_secs_f64(),
            }),
            decision_us_p50: percentile_us(&sorted, 0.50),
            decision_us_p99: percentile_us(&sorted, 0.99),
            decisions_ns,
            virtual_s: outcome.duration.as_secs_f64(),
            real_s,
        })
    }
}
