//! Every algorithm of the engine under input that makes no sense, and under networks of which only one choice makes sense.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use core::time::Duration;

use player_core::abr::{
    self, Abr, Context, Download, Flight, NetworkMemory, Progress, Rung, Upcoming, Utility,
};
use player_core::config::{AbrConfig, Algorithm, Preset};
use player_core::{Bitrate, Instant};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// What an algorithm may be told, asked, or both.
#[derive(Clone, Debug)]
enum Step {
    Abandon(Moment, Flight),
    Choose(Moment),
    Download(Download),
    Progress(Progress),
    Recall(NetworkMemory, Duration),
    Seek,
}

#[derive(Clone, Copy)]
enum Clock {
    Broken,
    Jumping,
}

#[derive(Clone, Debug)]
struct Moment {
    now: Instant,
    buffer_s: f64,
    buffer_max_s: f64,
    ladder: Vec<Rung>,
    last: Option<usize>,
    segment_s: f64,
    remaining: Option<usize>,
    started: bool,
    known: Known,
}

impl Moment {
    fn context(&self) -> Context<'_> {
        Context {
            now: self.now,
            buffer_s: self.buffer_s,
            buffer_max_s: self.buffer_max_s,
            ladder: &self.ladder,
            last: self.last,
            segment_s: self.segment_s,
            remaining: self.remaining,
            started: self.started,
            upcoming: &self.known,
        }
    }
}

/// Sizes and qualities: of segment `ahead` of a rung what stands at their sum, going round.
#[derive(Clone, Debug)]
struct Known {
    bytes: Vec<Option<u64>>,
    quality: Vec<Option<f64>>,
}

impl Upcoming for Known {
    fn bytes(&self, rung: usize, ahead: usize) -> Option<u64> {
        around(&self.bytes, rung, ahead)
    }

    fn quality(&self, rung: usize, ahead: usize) -> Option<f64> {
        around(&self.quality, rung, ahead)
    }
}

fn around<T: Copy>(values: &[Option<T>], rung: usize, ahead: usize) -> Option<T> {
    let at = rung.wrapping_add(ahead).checked_rem(values.len())?;
    values.get(at).copied().flatten()
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..60.0,
        3 => select(vec![
            f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -0.0, 0.0, 1e-300, 1e-9, 1e9, 1e300, f64::MAX, f64::MIN,
        ]),
    ]
}

/// Of a clock that jumps within ten minutes, and of one that is broken altogether.
fn instant(clock: Clock) -> impl Strategy<Value = Instant> {
    let broken = match clock {
        Clock::Jumping => vec![0, 1, 600_000_000],
        Clock::Broken => vec![0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX],
    };
    prop_oneof![8 => 0u64..600_000_000, 1 => select(broken)].prop_map(Instant::from_micros)
}

fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => 0u64..5_000_000,
        1 => select(vec![0, 1, u64::MAX / 8, u64::MAX / 8 + 1, u64::MAX]),
    ]
}

fn rung() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0usize..45, 1 => select(vec![63, 64, 65, 1000, usize::MAX])]
}

fn bitrate() -> impl Strategy<Value = Rung> {
    prop_oneof![
        8 => 100_000u64..40_000_000,
        2 => select(vec![0, 1, 1_000_000, 1_000_000, 1_000_000, 1_000_000_000_000, u64::MAX]),
    ]
    .prop_map(|bps| Rung {
        bitrate: Bitrate::from_bps(bps),
    })
}

/// Of one rung to forty-five, sorted or not.
fn ladder() -> impl Strategy<Value = Vec<Rung>> {
    let rungs = prop_oneof![
        vec(bitrate(), 1..2),
        vec(bitrate(), 2..12),
        vec(bitrate(), 38..46),
        (bitrate(), 1usize..46).prop_map(|(rung, n)| vec![rung; n]),
    ];
    (rungs, any::<bool>()).prop_map(|(mut ladder, sorted)| {
        if sorted {
            ladder.sort_by_key(|rung| rung.bitrate);
        }
        ladder
    })
}

fn known() -> impl Strategy<Value = Known> {
    let bytes = vec(proptest::option::of(bytes()), 0..7);
    let quality = vec(proptest::option::of(prop_oneof![0.0..100.0, number()]), 0..5);
    (bytes, quality).prop_map(|(bytes, quality)| Known { bytes, quality })
}

fn moment(clock: Clock) -> impl Strategy<Value = Moment> {
    let remaining = proptest::option::of(prop_oneof![0usize..12, select(vec![0, 1, usize::MAX])]);
    let numbers = (number(), number(), number());
    let last = proptest::option::of(rung());
    (
        instant(clock),
        numbers,
        ladder(),
        last,
        remaining,
        any::<bool>(),
        known(),
    )
        .prop_map(
            |(now, (buffer_s, buffer_max_s, segment_s), ladder, last, remaining, started, known)| Moment {
                now,
                buffer_s,
                buffer_max_s,
                ladder,
                last,
                segment_s,
                remaining,
                started,
                known,
            },
        )
}

/// In any order: first bytes before the request, ends before first bytes.
fn progress(clock: Clock) -> impl Strategy<Value = Progress> {
    let lawless = (instant(clock), instant(clock), instant(clock));
    let orderly = (0u64..600_000_000, 0u64..2_000_000, 0u64..20_000_000).prop_map(|(from, ttfb, flow)| {
        let at = Instant::from_micros;
        (at(from + ttfb + flow), at(from), at(from + ttfb))
    });
    (prop_oneof![lawless, orderly], bytes()).prop_map(|((at, requested_at, first_byte_at), bytes)| Progress {
        at,
        requested_at,
        first_byte_at,
        bytes,
    })
}

fn step(clock: Clock) -> impl Strategy<Value = Step> {
    let download = (progress(clock), rung(), any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(progress, rung, abandoned, cached)| {
            Step::Download(Download {
                progress,
                rung,
                abandoned,
                cached,
            })
        },
    );
    let flight =
        (progress(clock), rung(), proptest::option::of(bytes())).prop_map(|(progress, rung, total_bytes)| {
            Flight {
                progress,
                rung,
                total_bytes,
            }
        });
    let memory = (number(), number(), any::<i64>(), any::<u64>()).prop_map(|(kbps, spread, unix_ms, age)| {
        let memory = NetworkMemory {
            kbps,
            spread,
            unix_ms,
        };
        Step::Recall(memory, Duration::from_micros(age))
    });
    prop_oneof![
        4 => moment(clock).prop_map(Step::Choose),
        4 => (moment(clock), flight).prop_map(|(moment, flight)| Step::Abandon(moment, flight)),
        4 => download,
        4 => progress(clock).prop_map(Step::Progress),
        1 => memory,
        1 => Just(Step::Seek),
    ]
}

fn config() -> impl Strategy<Value = AbrConfig> {
    let utility = proptest::option::of(select(vec![
        Utility::Bitrate,
        Utility::LogBitrate,
        Utility::Quality,
    ]));
    let initial = proptest::option::of(number().prop_map(|n| n * 1000.0));
    let costs = (
        proptest::option::of(number()),
        proptest::option::of(number()),
        proptest::option::of(number()),
    );
    let horizon = select(vec![0, 1, 2, 3, 5, 8, 20, u32::MAX]);
    (select(Preset::ALL.to_vec()), initial, utility, costs, horizon).prop_map(
        |(preset, initial_throughput_kbps, utility, (stall_cost, rise_cost, fall_cost), horizon)| AbrConfig {
            preset,
            initial_throughput_kbps,
            utility,
            stall_cost,
            rise_cost,
            fall_cost,
            horizon,
            ..AbrConfig::default()
        },
    )
}

fn instance(config: &AbrConfig, algorithm: Algorithm) -> Box<dyn Abr> {
    abr::from_config(&AbrConfig {
        algorithm,
        ..config.clone()
    })
}

/// Takes the step; the answer, if it is a question.
fn take(abr: &mut dyn Abr, step: &Step) -> Option<usize> {
    match step {
        Step::Abandon(moment, flight) => {
            let lower = abr.abandon(&moment.context(), flight);
            if let Some(rung) = lower {
                assert!(
                    rung < flight.rung,
                    "{} gave up {} for {rung}",
                    abr.name(),
                    flight.rung
                );
                assert!(rung < moment.ladder.len(), "{} fled to rung {rung}", abr.name());
            }
            lower
        }
        Step::Choose(moment) => {
            let choice = abr.choose(&moment.context());
            assert!(choice < moment.ladder.len(), "{} chose {choice}", abr.name());
            Some(choice)
        }
        Step::Download(download) => {
            abr.on_download(download);
            None
        }
        Step::Progress(progress) => {
            abr.on_progress(progress);
            None
        }
        Step::Recall(memory, age) => {
            abr.recall(memory, *age);
            None
        }
        Step::Seek => {
            abr.on_seek();
            None
        }
    }
}

/// What it would have the host keep.
fn check_memory(abr: &dyn Abr) {
    if let Some(NetworkMemory { kbps, spread, .. }) = abr.memory() {
        assert!(kbps.is_finite() && kbps > 0.0, "{}: {kbps} kbit/s", abr.name());
        assert!(
            spread.is_finite() && spread >= 0.0,
            "{}: spread {spread}",
            abr.name()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_input_makes_an_algorithm_panic_stray_or_differ_from_itself(
        config in config(),
        steps in vec(step(Clock::Broken), 1..40),
    ) {
        for algorithm in Algorithm::ALL {
            let (mut abr, mut twin) = (instance(&config, algorithm), instance(&config, algorithm));
            for step in &steps {
                prop_assert_eq!(take(&mut *abr, step), take(&mut *twin, step));
                prop_assert_eq!(abr.estimate(), twin.estimate());
                check_memory(&*abr);
            }
        }
    }

    /// What is in reach of a host's mistakes at most: one thing is wrong in an otherwise healthy session.
    #[test]
    fn a_session_survives_each_single_oddity(
        algorithm in select(Algorithm::ALL.to_vec()),
        steps in vec(step(Clock::Jumping), 1..4),
        at in 0usize..30,
    ) {
        let mut abr = instance(&AbrConfig::default(), algorithm);
        let mut session = Session::new(&LADDER, 4.0, 30.0);
        for i in 0..60 {
            if i == at {
                for step in &steps {
                    take(&mut *abr, step);
                }
            }
            session.segment(&mut *abr, 20_000.0);
        }
        // It still finds to the top on a network that carries all of it three times over.
        prop_assert_eq!(session.last, Some(LADDER.len() - 1));
    }

    #[test]
    fn a_network_of_ten_times_the_best_rendition_gets_the_best_rendition(
        ladder in spaced_ladder(),
        segment_s in 1.0..6.0,
        buffer_max_s in 30.0..60.0,
    ) {
        let best = ladder.last().unwrap().bitrate.as_f64() / 1000.0;
        for algorithm in Algorithm::ALL {
            let mut abr = instance(&AbrConfig::default(), algorithm);
            let mut session = Session::new(&ladder, segment_s, buffer_max_s);
            // Until the buffer is full, and ten more.
            let filled = (buffer_max_s / segment_s) as usize + 10;
            for _ in 0..filled {
                session.segment(&mut *abr, 10.0 * best);
            }
            for _ in 0..20 {
                session.segment(&mut *abr, 10.0 * best);
                prop_assert_eq!(session.last, Some(ladder.len() - 1), "{}", abr.name());
            }
        }
    }

    #[test]
    fn a_network_below_the_lowest_rendition_gets_the_lowest_rendition(
        ladder in spaced_ladder(),
        segment_s in 1.0..6.0,
        share in 0.2..0.6,
    ) {
        let lowest = ladder.first().unwrap().bitrate.as_f64() / 1000.0;
        for algorithm in Algorithm::ALL {
            let mut abr = instance(&AbrConfig::default(), algorithm);
            let mut session = Session::new(&ladder, segment_s, 30.0);
            for _ in 0..10 {
                session.segment(&mut *abr, share * lowest);
            }
            for _ in 0..20 {
                session.segment(&mut *abr, share * lowest);
                prop_assert_eq!(session.last, Some(0), "{}", abr.name());
            }
        }
    }
}

#[test]
fn nothing_is_chosen_of_no_ladder_but_its_start() {
    for algorithm in Algorithm::ALL {
        let mut abr = instance(&AbrConfig::default(), algorithm);
        let mut session = Session::new(&LADDER, 4.0, 30.0);
        session.segment(&mut *abr, 5000.0);
        let empty = Context {
            ladder: &[],
            ..session.context()
        };
        assert_eq!(abr.choose(&empty), 0, "{}", abr.name());
    }
}

const LADDER: [Rung; 5] = [kbps(300), kbps(750), kbps(1500), kbps(3000), kbps(6000)];

const fn kbps(kbps: u64) -> Rung {
    Rung {
        bitrate: Bitrate::from_bps(kbps * 1000),
    }
}

/// One to forty rungs, each a third above the one below at least, but for the upper end of a long ladder.
fn spaced_ladder() -> impl Strategy<Value = Vec<Rung>> {
    let steps = prop_oneof![vec(1.3..2.0, 0..1), vec(1.3..2.0, 1..10), vec(1.1..1.15, 39..40)];
    (100.0..500.0, steps).prop_map(|(lowest, steps)| {
        let mut kbps: f64 = lowest;
        let mut ladder = vec![kbps];
        for step in steps {
            kbps *= step;
            ladder.push(kbps);
        }
        ladder
            .into_iter()
            .map(|kbps| Rung {
                bitrate: Bitrate::from_bps((kbps * 1000.0) as u64),
            })
            .collect()
    })
}

/// Downloads on a network of a steady rate, into a buffer that plays as soon as there is something in it.
struct Session<'a> {
    ladder: &'a [Rung],
    segment_s: f64,
    buffer_max_s: f64,
    buffer_s: f64,
    now_s: f64,
    last: Option<usize>,
}

impl<'a> Session<'a> {
    fn new(ladder: &'a [Rung], segment_s: f64, buffer_max_s: f64) -> Self {
        Self {
            ladder,
            segment_s,
            buffer_max_s,
            buffer_s: 0.0,
            // Later than what the odd steps may have said.
            now_s: 10_000.0,
            last: None,
        }
    }

    fn context(&self) -> Context<'a> {
        Context {
            now: instant_s(self.now_s),
            buffer_s: self.buffer_s,
            buffer_max_s: self.buffer_max_s,
            ladder: self.ladder,
            last: self.last,
            segment_s: self.segment_s,
            remaining: None,
            started: self.last.is_some(),
            upcoming: &Unknown,
        }
    }

    /// Chooses and downloads the next segment, by way of a lower rung if the algorithm says so.
    fn segment(&mut self, abr: &mut dyn Abr, kbps: f64) {
        let room = self.buffer_max_s - self.segment_s;
        if self.buffer_s > room {
            self.pass(self.buffer_s - room);
        }
        let mut rung = abr.choose(&self.context());
        while let Some(lower) = self.download(abr, rung, kbps) {
            assert!(lower < rung);
            rung = lower;
        }
        self.buffer_s += self.segment_s;
        self.last = Some(rung);
    }

    fn download(&mut self, abr: &mut dyn Abr, rung: usize, kbps: f64) -> Option<usize> {
        let requested_at = instant_s(self.now_s);
        self.pass(0.05);
        let first_byte_at = instant_s(self.now_s);
        let total = self.ladder.get(rung).unwrap().bitrate.as_f64() * self.segment_s / 8.0;
        let mut bytes = 0.0;
        loop {
            let step_s = ((total - bytes) / (kbps * 125.0)).min(0.25);
            self.pass(step_s);
            bytes = (bytes + step_s * kbps * 125.0).min(total);
            let progress = Progress {
                at: instant_s(self.now_s),
                requested_at,
                first_byte_at,
                bytes: bytes as u64,
            };
            abr.on_progress(&progress);
            let done = total - bytes < 1.0;
            let flight = Flight {
                progress,
                rung,
                total_bytes: Some(total as u64),
            };
            let lower = if done {
                None
            } else {
                abr.abandon(&self.context(), &flight)
            };
            if done || lower.is_some() {
                abr.on_download(&Download {
                    progress,
                    rung,
                    abandoned: !done,
                    cached: false,
                });
                return lower;
            }
        }
    }

    fn pass(&mut self, seconds: f64) {
        self.now_s += seconds;
        self.buffer_s = (self.buffer_s - seconds).max(0.0);
    }
}

struct Unknown;

impl Upcoming for Unknown {
    fn bytes(&self, _: usize, _: usize) -> Option<u64> {
        None
    }
}

fn instant_s(seconds: f64) -> Instant {
    Instant::from_micros((seconds * 1e6) as u64)
}
