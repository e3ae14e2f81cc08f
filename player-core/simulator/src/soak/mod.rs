//! A player that is watched for days in a world where things go wrong: networks that fail, servers that answer nonsense, source
//! buffers that refuse, decoders that hang, and a viewer who cannot sit still.
//!
//! One [`Player`] plays view after view, finished streams and live ones in turn, and after each step it is checked that
//!
//! - the playhead does not stand while there is something to play: with media ahead of it 25 s at most, 45 s where nothing has gone
//!   wrong meanwhile, and five minutes whatever happens (outages and pauses do not count),
//! - no error is fatal: whatever goes wrong passes, or something else is left to be played,
//! - requests, responses held, inputs a second and the memory of the process stay bounded,
//! - everything is released at the end of a view,
//! - the engine keeps its contract with the driver.
//!
//! Everything is chance from one seed: the same seed gives the same outputs, which their hash shows.

pub mod streams;
mod summary;
mod view;

use std::fs;
use std::io::{self, Write};
use std::time::Duration;

use player_core::record::{self, Header};
use player_core::{Config, Instant, Player};

use crate::faults::Faults;
use crate::generate::random::Rng;
use crate::generate::{Kind, trace};
use crate::network::{Link, Outages};
use streams::Stream;
pub use summary::{Met, Stalls, Tally};
use view::View;
pub use view::{Plan, Trouble, Violation, Watched};

/// By how much the memory of the process may grow after the first views, bytes.
const MAX_GROWTH: u64 = 48 << 20;
/// Views after which memory should not grow any more.
const WARM: u64 = 12;

/// What to do.
#[derive(Clone, Debug)]
pub struct Soak {
    /// Virtual hours.
    pub hours: f64,
    /// Another seed is another world.
    pub seed: u64,
    /// What goes wrong with requests; at the share of random ones, appends and decoders fail too.
    pub faults: Faults,
    /// Only this view, alone.
    pub view: Option<u64>,
}

/// How it went.
#[derive(Clone, Debug)]
pub struct Report {
    /// The figures.
    pub tally: Tally,
    /// Of all outputs of the engine, with their times.
    pub hash: u64,
    /// Memory of the process after the first views and at most, bytes, where the system tells.
    pub memory: Option<(u64, u64)>,
    /// What must never be, if it was.
    pub failure: Option<Failure>,
}

/// A soak that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Number of the view.
    pub view: u64,
    /// What was played.
    pub stream: String,
    /// What must never be.
    pub violation: Violation,
    /// It is also so when the view is watched alone.
    pub alone: bool,
    /// The last errors before it.
    pub errors: Vec<String>,
}

impl Soak {
    /// Soaks; `progress` hears of each view that is over. The inputs and outputs of a view that was chosen go to `log`.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn run(
        &self,
        mut log: Option<&mut dyn Write>,
        progress: &mut dyn FnMut(u64, &Tally),
    ) -> io::Result<Report> {
        let config = Config {
            seed: self.seed,
            ..Config::default()
        };
        let mut player = Player::new(config.clone(), Instant::ZERO);
        if let Some(log) = &mut log {
            record::write_line(log, &Header::new(config, Instant::ZERO))?;
        }
        let mut report = Report {
            tally: Tally::default(),
            hash: 0,
            memory: None,
            failure: None,
        };
        let mut now = Instant::ZERO;
        let (first, end) = match self.view {
            Some(view) => (view, view + 1),
            None => (0, u64::MAX),
        };
        for number in first..end {
            if report.tally.simulated_s >= self.hours * 3600.0 {
                break;
            }
            let plan_rng = &mut Rng::of(&[self.seed, number]);
            let kind = Kind::ALL[(plan_rng.uniform() * Kind::ALL.len() as f64) as usize % Kind::ALL.len()];
            let index = (plan_rng.uniform() * 20.0) as u32;
            let trace = trace(kind, self.seed, index, Duration::from_secs(1200));
            let plan = self.plan(plan_rng, number, &trace);
            let stream = plan.stream.describe();
            let (watched, hash, result) = {
                let log = log.as_mut().map(|log| &mut **log as &mut dyn Write);
                let mut view = View::new(plan, &mut player, now, false, log);
                let result = view.run();
                (std::mem::take(&mut view.watched), view.hash, result)
            };
            report.hash = (report.hash ^ hash).wrapping_mul(0x0100_0000_01b3);
            report.tally.add(&watched.tally);
            match result {
                Ok(after) => now = after,
                Err(violation) => {
                    let errors = watched.errors.iter().rev().take(8).rev();
                    report.failure = Some(Failure {
                        view: number,
                        stream: format!("{stream}, over {}", trace.name()),
                        alone: self.view.is_some() || self.happens_alone(number, &violation),
                        violation,
                        errors: errors
                            .map(|(kind, message)| format!("{kind}: {message}"))
                            .collect(),
                    });
                    break;
                }
            }
            if let Some(bytes) = resident() {
                let (warm, most) = report.memory.unwrap_or_default();
                let warm = if number <= first + WARM { bytes } else { warm };
                report.memory = Some((warm, most.max(bytes)));
                if number > first + WARM && bytes > warm + MAX_GROWTH {
                    report.failure = Some(Failure {
                        view: number,
                        stream,
                        violation: Violation {
                            what: format!("memory has grown from {} to {} MB", warm >> 20, bytes >> 20),
                            at_s: 0,
                            position_s: 0,
                        },
                        alone: false,
                        errors: Vec::new(),
                    });
                    break;
                }
            }
            progress(number, &report.tally);
        }
        Ok(report)
    }

    fn happens_alone(&self, view: u64, violation: &Violation) -> bool {
        let alone = Self {
            view: Some(view),
            ..self.clone()
        };
        let again = alone.run(None, &mut |_, _| {});
        again.is_ok_and(|report| {
            report
                .failure
                .is_some_and(|failure| failure.violation.what == violation.what)
        })
    }

    /// What the view of a number is like.
    fn plan<'a>(&self, rng: &mut Rng, number: u64, trace: &'a crate::Trace) -> Plan<'a> {
        let stream = Stream::random(rng, number % 2 == 1);
        let share = self.faults.share();
        let is_long = number % 12 >= 10;
        let lasts = if is_long {
            5400.0
        } else {
            240.0 + rng.uniform() * 900.0
        };
        let outages = if share > 0.0 && rng.uniform() < 0.5 {
            let every = 120.0 + rng.uniform() * 400.0;
            Outages::random(every, 1.0 + rng.uniform() * 20.0, rng.next()).unwrap_or_default()
        } else {
            Outages::NONE
        };
        let off = if rng.uniform() < 0.3 && share > 0.0 {
            (rng.uniform() * 2.0 - 1.0) * 6.0 * 3_600_000.0
        } else {
            0.0
        };
        // Room for half a minute of the best rendition.
        let quota_bytes = (rng.uniform() < 0.25 && share > 0.0).then_some(16_000_000);
        Plan {
            stream,
            trace,
            link: Link {
                slow_start: rng.uniform() < 0.5,
                outages,
            },
            faults: self.faults.reseeded(rng.next()),
            trouble: None,
            element_faults: share,
            quota_bytes,
            clock_off_ms: off as i64,
            busy_every: Duration::from_secs_f64(15.0 + rng.uniform() * 60.0),
            lasts: Duration::from_secs_f64(lasts),
            again: true,
            subtitles: false,
            size: (1920, 1080),
            seed: rng.next(),
        }
    }
}

/// Watches one view with a player of its own.
///
/// # Errors
/// If something was as it must never be.
pub fn watch(plan: Plan<'_>) -> Result<Watched, Violation> {
    watch_with(plan, Config::default())
}

/// Watches one view with a player of this configuration, but for its seed, which is the plan's.
///
/// # Errors
/// As [`watch`].
pub fn watch_with(plan: Plan<'_>, config: Config) -> Result<Watched, Violation> {
    let config = Config {
        seed: plan.seed,
        ..config
    };
    let mut player = Player::new(config, Instant::ZERO);
    let mut view = View::new(plan, &mut player, Instant::ZERO, true, None);
    view.run()?;
    Ok(std::mem::take(&mut view.watched))
}

/// Resident memory of the process, bytes.
fn resident() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages = statm.split_whitespace().nth(1)?.parse::<u64>().ok()?;
    Some(pages * 4096)
}
