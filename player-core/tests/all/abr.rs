//! What the algorithms choose, by hand-made moments.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::abr::{
    Abr, Bola, Context, Download, Flight, Headgate, Progress, Rung, Throughput, Upcoming,
};
use player_core::config::AbrConfig;
use player_core::{Bitrate, Instant};

struct Unknown;

impl Upcoming for Unknown {
    fn bytes(&self, _: usize, _: usize) -> Option<u64> {
        None
    }
}

const LADDER: [Rung; 5] = [rung(300), rung(750), rung(1500), rung(3000), rung(6000)];

const fn rung(kbps: u64) -> Rung {
    Rung {
        bitrate: Bitrate::from_bps(kbps * 1000),
    }
}

fn moment(buffer_s: f64, last: Option<usize>) -> Context<'static> {
    Context {
        now: Instant::from_micros(60_000_000),
        buffer_s,
        buffer_max_s: 30.0,
        ladder: &LADDER,
        last,
        segment_s: 4.0,
        remaining: Some(100),
        started: true,
        upcoming: &Unknown,
    }
}

/// Teaches a steady throughput.
fn teach(abr: &mut dyn Abr, kbps: u64) {
    for i in 0..20u64 {
        let at = |ms: u64| Instant::from_micros((i * 2000 + ms) * 1000);
        let progress = Progress {
            at: at(1050),
            requested_at: at(0),
            first_byte_at: at(50),
            bytes: kbps * 125,
        };
        abr.on_progress(&progress);
        abr.on_download(&Download {
            progress,
            rung: 0,
            abandoned: false,
            cached: false,
        });
    }
}

fn flight(rung: usize, elapsed_ms: u64, bytes: u64, total_bytes: u64) -> Flight {
    let at = |ms: u64| Instant::from_micros(60_000_000 + ms * 1000);
    let progress = Progress {
        at: at(elapsed_ms),
        requested_at: at(0),
        first_byte_at: at(50),
        bytes,
    };
    Flight {
        progress,
        rung,
        total_bytes: Some(total_bytes),
    }
}

#[test]
fn without_a_measurement_the_configured_throughput_counts() {
    let lowest = AbrConfig {
        initial_throughput_kbps: None,
        ..AbrConfig::default()
    };
    let default = AbrConfig::default();
    assert_eq!(Throughput::new(&lowest).choose(&moment(0.0, None)), 0);
    assert_eq!(Headgate::new(&lowest).choose(&moment(0.0, None)), 0);
    assert_eq!(Bola::new(&lowest).choose(&moment(0.0, None)), 0);
    assert_eq!(Throughput::new(&default).choose(&moment(0.0, None)), 2);
    // A start-up of two seconds would cost more than a better first segment is worth.
    assert_eq!(Headgate::new(&default).choose(&moment(0.0, None)), 0);
    let fast = AbrConfig {
        initial_throughput_kbps: Some(200_000.0),
        ..default
    };
    assert_eq!(Headgate::new(&fast).choose(&moment(0.0, None)), 4);
}

#[test]
fn throughput_takes_nine_tenths_of_what_it_measured() {
    let mut abr = Throughput::new(&AbrConfig::default());
    teach(&mut abr, 3400);
    assert_eq!(abr.choose(&moment(0.0, Some(0))), 3);
    teach(&mut abr, 3300);
    assert_eq!(abr.choose(&moment(30.0, Some(0))), 2);
}

#[test]
fn bola_climbs_with_the_buffer_from_the_lowest_to_the_highest() {
    let mut abr = Bola::new(&AbrConfig::default());
    let choices: Vec<usize> = (0..=30)
        .map(|s| abr.choose(&moment(f64::from(s), None)))
        .collect();
    assert!(choices.is_sorted(), "{choices:?}");
    assert_eq!(choices.get(9), Some(&0));
    assert_eq!(choices.last(), Some(&4));
}

#[test]
fn headgate_dares_more_with_a_fuller_buffer() {
    let mut abr = Headgate::new(&AbrConfig::default());
    teach(&mut abr, 3400);
    let choices: Vec<usize> = [1.0, 4.0, 8.0, 16.0, 26.0]
        .map(|buffer_s| abr.clone().choose(&moment(buffer_s, Some(2))))
        .to_vec();
    assert!(choices.is_sorted(), "{choices:?}");
    assert!(choices.first() < choices.last(), "{choices:?}");
    // What the network carries it keeps, with any buffer that outlasts a segment.
    assert_eq!(abr.choose(&moment(12.0, Some(3))), 3);
}

#[test]
fn what_headgate_learns_on_a_short_ladder_holds_on_a_long_one() {
    let mut abr = Headgate::new(&AbrConfig::default());
    abr.choose(&moment(12.0, None));
    for _ in 0..5 {
        abr.choose(&Context {
            ladder: &LADDER[..1],
            ..moment(12.0, Some(0))
        });
        teach(&mut abr, 20_000);
    }
    assert_eq!(abr.choose(&moment(20.0, Some(0))), 4);
}

#[test]
fn headgate_gives_up_what_would_outlast_the_buffer() {
    let mut abr = Headgate::new(&AbrConfig::default());
    teach(&mut abr, 6000);
    abr.choose(&moment(5.0, Some(4)));
    // 3 MB at 200 kbit/s with 5 s of buffer.
    let stuck = flight(4, 2050, 50_000, 3_000_000);
    abr.on_progress(&flight(4, 1050, 25_000, 3_000_000).progress);
    abr.on_progress(&stuck.progress);
    let lower = abr.abandon(&moment(5.0, Some(4)), &stuck);
    assert!(lower.is_some_and(|rung| rung < 2), "{lower:?}");
    // Nearly done, or a deep buffer: no.
    let mut abr = Headgate::new(&AbrConfig::default());
    teach(&mut abr, 6000);
    abr.choose(&moment(5.0, Some(4)));
    let done = flight(4, 2050, 2_990_000, 3_000_000);
    abr.on_progress(&flight(4, 1050, 1_500_000, 3_000_000).progress);
    abr.on_progress(&done.progress);
    assert_eq!(abr.abandon(&moment(5.0, Some(4)), &done), None);
    // The lowest rung has no lower one.
    assert_eq!(
        abr.abandon(&moment(0.0, Some(0)), &flight(0, 9000, 10, 1_000_000)),
        None
    );
}
