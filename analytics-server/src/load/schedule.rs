//! Who reports what when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::f64::consts::TAU;
use std::sync::Arc;

use player_core::telemetry::schema::Beacon;
use simulator::generate::random::Rng;

use super::incident::Dated;
use super::library::{Effect, Library, Viewing};
use super::population::{DEVICES, Label, VIDEOS};
use super::{LoadError, Options};

/// How long the first viewers take to come, if there is so much time.
const RAMP_MS: f64 = 30_000.0;
/// Between two views at the same place, on average.
const PAUSE_MS: f64 = 5_000.0;
/// A place that nobody watches at is looked at again after so long.
const IDLE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// The hour (UTC) at which the most watch, and the share of them that watches twelve hours later.
const PEAK_HOUR: f64 = 20.0;
const LEAST: f64 = 0.35;

/// A beacon to send.
#[derive(Clone, Debug)]
pub struct Due {
    /// When, in ms since 1970.
    pub at_ms: i64,
    /// The beacon.
    pub beacon: Beacon,
    /// Where its viewer is (ISO 3166-1).
    pub country: &'static str,
}

/// An audience over time: an iterator over everything that it reports, in the order of time. It has no end; what it reports depends
/// on nothing but its options.
pub struct Audience {
    site_key: String,
    seed: u64,
    from_ms: i64,
    daily: bool,
    library: Library,
    incidents: Vec<Dated>,
    places: Vec<Place>,
    /// When each place has something to do.
    queue: BinaryHeap<Reverse<(i64, usize)>>,
    views: u64,
}

/// Where one viewer at a time watches.
struct Place {
    rng: Rng,
    view: Option<View>,
}

struct View {
    start_ms: i64,
    delay_ms: i64,
    id: String,
    session_id: String,
    label: Label,
    viewing: Arc<Viewing>,
    next: usize,
}

impl Audience {
    /// An audience that begins at a time, in ms since 1970, and whose incidents are meant of the time until another. The viewings
    /// are simulated now, which takes a while; `progress` hears how many are done.
    ///
    /// # Errors
    /// If nothing could be simulated.
    pub fn new(
        options: &Options,
        from_ms: i64,
        until_ms: i64,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Self, LoadError> {
        let viewers = options.viewers.max(1);
        let library = Library::record(options.viewings, options.seed, &options.traces, progress)?;
        let ramp_ms = RAMP_MS.min((until_ms - from_ms) as f64 / 10.0);
        let mut places = Vec::with_capacity(viewers);
        let mut queue = BinaryHeap::with_capacity(viewers);
        for number in 0..viewers {
            let mut rng = Rng::of(&[options.seed, 0x9ace, number as u64]);
            let after_ms = (rng.uniform() * ramp_ms) as i64;
            queue.push(Reverse((from_ms + after_ms, number)));
            places.push(Place { rng, view: None });
        }
        Ok(Self {
            site_key: options.site_key.clone(),
            seed: options.seed,
            from_ms,
            daily: options.daily,
            library,
            incidents: options
                .incidents
                .iter()
                .map(|incident| incident.dated(from_ms, until_ms))
                .collect(),
            places,
            queue,
            views: 0,
        })
    }

    /// Views that have begun.
    pub const fn views(&self) -> u64 {
        self.views
    }

    /// When the next beacon is due, at the earliest.
    pub fn next_ms(&self) -> i64 {
        self.queue.peek().map_or(i64::MAX, |Reverse((at_ms, _))| *at_ms)
    }

    /// Whether somebody watches at this place then.
    fn is_awake(&self, place: usize, at_ms: i64) -> bool {
        if !self.daily {
            return true;
        }
        let hour = at_ms.rem_euclid(DAY_MS) as f64 / 3_600_000.0;
        let wave = (1.0 + ((hour - PEAK_HOUR) / 24.0 * TAU).cos()) / 2.0;
        let share = LEAST + (1.0 - LEAST) * wave;
        (place as f64) < self.places.len() as f64 * share
    }

    fn begin(&mut self, place: usize, at_ms: i64) -> View {
        self.views += 1;
        let mut rng = Rng::of(&[self.seed, 0x7e3, self.views]);
        let (number, mut viewing) = self.library.draw(&mut rng);
        let label = Label::draw(&mut rng, &DEVICES[viewing.device], self.places.len());
        let end_ms = at_ms + viewing.lasts.as_millis() as i64;
        let value_of = |dimension: &str| match dimension {
            "arm" => Some(viewing.arm),
            "device" => Some(DEVICES[viewing.device].name),
            "network" => Some(viewing.network),
            "stream_type" => Some(VIDEOS[viewing.video].stream_type()),
            "video_id" => Some(VIDEOS[viewing.video].id),
            other => label.value_of(other),
        };
        let met = self.incidents.iter().find(|incident| {
            incident.from_ms < end_ms && incident.until_ms > at_ms && incident.concerns(value_of)
        });
        let effect = met.and_then(|met| Effect::new(met.what, met.from_ms - at_ms, met.until_ms - at_ms));
        if let Some(effect) = effect {
            viewing = self.library.with(number, effect);
        }
        let session_id = uuid(self.from_ms, &mut Rng::of(&[self.seed, 0x5e5, place as u64]));
        View {
            start_ms: at_ms,
            delay_ms: 15 + (rng.uniform() * 120.0) as i64,
            id: uuid(at_ms, &mut rng),
            session_id,
            label,
            viewing,
            next: 0,
        }
    }
}

impl Iterator for Audience {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        loop {
            let Reverse((at_ms, number)) = self.queue.pop()?;
            if self.places[number].view.is_none() {
                if !self.is_awake(number, at_ms) {
                    self.queue.push(Reverse((at_ms + IDLE_MS, number)));
                    continue;
                }
                let view = self.begin(number, at_ms);
                self.places[number].view = Some(view);
            }
            let place = &mut self.places[number];
            let Some(view) = &mut place.view else { continue };
            let Some(beacon) = view.viewing.beacons.get(view.next) else {
                // The next one comes.
                place.view = None;
                let pause_ms = -(1.0 - place.rng.uniform()).ln() * PAUSE_MS;
                self.queue.push(Reverse((at_ms + 1 + pause_ms as i64, number)));
                continue;
            };
            let due_ms = view.start_ms + beacon.t_ms as i64 + view.delay_ms;
            if due_ms > at_ms {
                self.queue.push(Reverse((due_ms, number)));
                continue;
            }
            view.next += 1;
            let mut beacon = beacon.clone();
            self.site_key.clone_into(&mut beacon.site);
            view.id.clone_into(&mut beacon.view_id);
            view.session_id.clone_into(&mut beacon.session_id);
            beacon.sent_at_ms = u64::try_from(view.start_ms).unwrap_or(0) + beacon.t_ms;
            if let Some(info) = &mut beacon.info {
                view.label.stick_to(info, &VIDEOS[view.viewing.video]);
            }
            self.queue.push(Reverse((at_ms, number)));
            return Some(Due {
                at_ms,
                beacon,
                country: view.label.country,
            });
        }
    }
}

/// A UUIDv7 (RFC 9562) of this time.
fn uuid(at_ms: i64, rng: &mut Rng) -> String {
    let (ms, a, b) = (at_ms as u64 & 0xffff_ffff_ffff, rng.next(), rng.next());
    format!(
        "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
        ms >> 16,
        ms & 0xffff,
        a & 0xfff,
        0x8000 | (a >> 12 & 0x3fff),
        b & 0xffff_ffff_ffff
    )
}
