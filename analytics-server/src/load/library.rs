//! Viewings to reuse: the engine runs once for each, and many viewers report what it reported.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use player_core::config::{Algorithm, TelemetryConfig};
use player_core::telemetry::schema::{Beacon, Experiment};
use player_core::{Config, Instant};
use rayon::prelude::*;
use simulator::Trace;
use simulator::faults::Faults;
use simulator::generate;
use simulator::generate::random::Rng;
use simulator::network::{Link, Outage, Outages};
use simulator::soak::{Plan, Trouble, watch_with};
use simulator::trace::FamilyTrace;

use super::LoadError;
use super::incident::Fault;
use super::population::{
    ARMS, DEVICES, EXPERIMENT, VIDEOS, kinds, network_of, pick, pick_device, pick_video,
};

/// No view lasts longer.
const LONGEST: Duration = Duration::from_secs(1_500);
const MEAN_S: f64 = 300.0;
const SHORTEST_S: f64 = 8.0;
/// Networks that are made up, of each kind.
const TRACES_A_KIND: f64 = 40.0;
/// Shares of viewers: who leave because nothing comes, whose servers never answer, whose servers stop answering, and who cannot sit
/// still.
const IMPATIENT: f64 = 0.02;
const FAILS_AT_START: f64 = 0.01;
const FAILS_LATER: f64 = 0.008;
const BUSY: f64 = 0.2;
/// What nothing comes at, and what [`Fault::Slow`] leaves of a network.
const NOTHING_KBPS: f64 = 20.0;
const SLOW_KBPS: f64 = 300.0;
/// The share of requests that [`Fault::Errors`] concerns.
const ERRORS: f64 = 0.66;
/// Incidents begin and end in a view at a multiple of this, so that views can be reused.
const STEP: Duration = Duration::from_secs(15);
/// Views with incidents that are kept; then the nearest one of the same viewer is reused.
const MAX_VARIANTS: usize = 600;

/// What a view depends on.
#[derive(Clone)]
struct Recipe {
    video: usize,
    device: usize,
    network: &'static str,
    trace: Arc<Trace>,
    arm: Algorithm,
    lasts: Duration,
    busy_every: Duration,
    mishap: Mishap,
    seed: u64,
}

/// What goes wrong by itself.
#[derive(Clone, Copy, PartialEq)]
enum Mishap {
    None,
    NothingComes,
    FailsAfter(Duration),
}

/// An incident as a view meets it, in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Effect {
    what: Fault,
    from: u32,
    until: u32,
}

impl Effect {
    /// An incident that lasts from one time of the view to another; nothing if it is over before the view begins.
    pub(super) fn new(what: Fault, from_ms: i64, until_ms: i64) -> Option<Self> {
        let step_ms = STEP.as_millis() as i64;
        let steps = |ms: i64| u32::try_from((ms.max(0) + step_ms / 2) / step_ms).unwrap_or(u32::MAX);
        // Nothing is told apart after the end of the longest view.
        let last = LONGEST.as_secs() as u32 / STEP.as_secs() as u32 + 1;
        let (from, until) = (steps(from_ms), steps(until_ms).min(last));
        (from < until).then_some(Self { what, from, until })
    }

    fn from(self) -> Duration {
        STEP * self.from
    }

    fn until(self) -> Duration {
        STEP * self.until
    }
}

/// What a player reported of one viewing.
pub(super) struct Viewing {
    pub(super) beacons: Vec<Beacon>,
    pub(super) video: usize,
    pub(super) device: usize,
    pub(super) network: &'static str,
    pub(super) arm: &'static str,
    pub(super) lasts: Duration,
}

/// Viewings, and how to make the same ones with incidents.
pub(super) struct Library {
    viewings: Vec<(Recipe, Arc<Viewing>)>,
    variants: HashMap<(usize, Effect), Arc<Viewing>>,
}

impl Library {
    /// Plays `count` viewings on all cores; `progress` hears how many are done. `traces` are used in place of made-up ones if
    /// there are any.
    pub(super) fn record(
        count: usize,
        seed: u64,
        traces: &[FamilyTrace],
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Self, LoadError> {
        let given: Vec<_> = traces
            .iter()
            .map(|found| (network_of(&found.family), Arc::new(found.trace.clone())))
            .collect();
        let done = AtomicUsize::new(0);
        let viewings: Vec<_> = (0..count as u64)
            .into_par_iter()
            .filter_map(|number| {
                let recipe = Recipe::draw(&mut Rng::of(&[seed, 0x11b, number]), &given);
                let viewing = recipe.play(None);
                progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                Some((recipe, Arc::new(viewing?)))
            })
            .collect();
        if viewings.is_empty() {
            return Err(LoadError::NoViewings);
        }
        Ok(Self {
            viewings,
            variants: HashMap::new(),
        })
    }

    /// Any of them, with its number.
    pub(super) fn draw(&self, rng: &mut Rng) -> (usize, Arc<Viewing>) {
        let at = (rng.uniform() * self.viewings.len() as f64) as usize;
        let at = at.min(self.viewings.len() - 1);
        (at, Arc::clone(&self.viewings[at].1))
    }

    /// The viewing of a number with an incident in it.
    pub(super) fn with(&mut self, number: usize, effect: Effect) -> Arc<Viewing> {
        if let Some(known) = self.variants.get(&(number, effect)) {
            return Arc::clone(known);
        }
        let (recipe, plain) = &self.viewings[number];
        if self.variants.len() >= MAX_VARIANTS {
            let far = |other: &Effect| other.from.abs_diff(effect.from) + other.until.abs_diff(effect.until);
            let same = self
                .variants
                .iter()
                .filter(|((of, other), _)| *of == number && other.what == effect.what);
            let nearest = same.min_by_key(|((_, other), _)| (far(other), other.from, other.until));
            return Arc::clone(nearest.map_or(plain, |(_, viewing)| viewing));
        }
        let viewing = recipe
            .play(Some(effect))
            .map_or_else(|| Arc::clone(plain), Arc::new);
        self.variants.insert((number, effect), Arc::clone(&viewing));
        viewing
    }
}

impl Recipe {
    fn draw(rng: &mut Rng, given: &[(&'static str, Arc<Trace>)]) -> Self {
        let device = pick_device(rng);
        let (network, trace) = match given {
            [] => {
                let network = DEVICES[device].pick_network(rng);
                let kind = pick(rng, kinds(network), |kind| kind.1).0;
                let index = (rng.uniform() * TRACES_A_KIND) as u32;
                (network, Arc::new(generate::trace(kind, 1, index, LONGEST)))
            }
            given => pick(rng, given, |_| 1.0).clone(),
        };
        let exponential_s = -(1.0 - rng.uniform()).ln() * MEAN_S;
        let mut lasts = Duration::from_secs_f64(SHORTEST_S + exponential_s).min(LONGEST);
        let chance = rng.uniform();
        let mishap = if chance < IMPATIENT {
            lasts = Duration::from_secs_f64(0.4 + 4.0 * rng.uniform());
            Mishap::NothingComes
        } else if chance < IMPATIENT + FAILS_AT_START {
            Mishap::FailsAfter(Duration::ZERO)
        } else if chance < IMPATIENT + FAILS_AT_START + FAILS_LATER {
            Mishap::FailsAfter(Duration::from_secs_f64(5.0 + 60.0 * rng.uniform()))
        } else {
            Mishap::None
        };
        let busy_every = match rng.uniform() < BUSY {
            true => Duration::from_secs_f64(40.0 + 120.0 * rng.uniform()),
            false => Duration::ZERO,
        };
        Self {
            video: pick_video(rng),
            device,
            network,
            trace,
            arm: ARMS[(rng.uniform() * ARMS.len() as f64) as usize % ARMS.len()],
            lasts,
            busy_every,
            mishap,
            seed: rng.next(),
        }
    }

    /// Nothing if the simulator finds fault with the engine, which its own tests are for.
    fn play(&self, effect: Option<Effect>) -> Option<Viewing> {
        let mut link = Link::default();
        let mut trouble = match self.mishap {
            Mishap::FailsAfter(from) => Some(Trouble {
                from,
                until: Duration::MAX,
                share: 1.0,
            }),
            _ => None,
        };
        let mut limit =
            (self.mishap == Mishap::NothingComes).then_some((Duration::ZERO, LONGEST, NOTHING_KBPS));
        if let Some(effect) = effect {
            let (from, until) = (effect.from(), effect.until());
            match effect.what {
                Fault::Down => {
                    let at = Instant::ZERO + from;
                    let duration = until - from;
                    link.outages = Outages::at(vec![Outage { at, duration }]);
                }
                Fault::Errors => {
                    let share = ERRORS;
                    trouble = trouble.or(Some(Trouble { from, until, share }));
                }
                Fault::Slow => limit = limit.or(Some((from, until, SLOW_KBPS))),
            }
        }
        let limited = limit.map(|(from, until, kbps)| self.trace.limited(LONGEST, from, until, kbps));
        let limited = limited.transpose().ok()?;
        let device = &DEVICES[self.device];
        let plan = Plan {
            stream: VIDEOS[self.video].stream(self.seed),
            trace: limited.as_ref().unwrap_or(&self.trace),
            link,
            faults: Faults::default(),
            trouble,
            element_faults: 0.0,
            quota_bytes: None,
            clock_off_ms: 0,
            busy_every: self.busy_every,
            lasts: self.lasts,
            again: false,
            subtitles: false,
            size: device.size,
            seed: self.seed,
        };
        let arm = self.arm.name();
        let telemetry = TelemetryConfig {
            // That of the viewers takes its place.
            site: "load".to_owned(),
            device: device.name.to_owned(),
            network: self.network.to_owned(),
            experiment: Some(Experiment {
                name: EXPERIMENT.to_owned(),
                arm: arm.to_owned(),
                probability: Some(1.0 / ARMS.len() as f64),
            }),
            ..TelemetryConfig::default()
        };
        let mut config = Config {
            telemetry,
            ..Config::default()
        };
        config.abr.algorithm = self.arm;
        let watched = watch_with(plan, config)
            .inspect_err(|violation| tracing::debug!(%violation, "a viewing is left out"))
            .ok()?;
        let lasts = Duration::from_millis(watched.beacons.last()?.t_ms);
        Some(Viewing {
            beacons: watched.beacons,
            video: self.video,
            device: self.device,
            network: self.network,
            arm,
            lasts,
        })
    }
}
