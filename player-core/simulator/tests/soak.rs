//! A soak of an hour or two: nothing is as it must never be, and a seed means a world.
#![allow(clippy::unwrap_used)]

use simulator::faults::Faults;
use simulator::soak::{Report, Soak};

fn soak(hours: f64, seed: u64, faults: &str) -> Report {
    let soak = Soak {
        hours,
        seed,
        faults: faults.parse::<Faults>().unwrap(),
        view: None,
    };
    soak.run(None, &mut |_, _| {}).unwrap()
}

#[test]
fn nothing_is_as_it_must_never_be() {
    for (seed, faults) in [(1, "none"), (2, "random=0.03"), (4, "random=0.03")] {
        let report = soak(2.0, seed, faults);
        assert!(report.failure.is_none(), "{seed} {faults}: {:?}", report.failure);
        assert!(
            report.tally.simulated_s >= 7200.0 && report.tally.played_s > 1800.0,
            "{:?}",
            report.tally
        );
        assert_eq!(report.tally.faults.is_empty(), faults == "none");
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    let hash = |seed| {
        let report = soak(0.5, seed, "random=0.05");
        (report.hash, report.tally)
    };
    assert_eq!(hash(4), hash(4));
    assert_ne!(hash(4).0, hash(5).0);
}

#[test]
fn a_world_in_which_nothing_works_is_told_apart() {
    let report = soak(0.2, 1, "404:*");
    assert!(
        report.tally.fatal > 0 && report.tally.played_s == 0.0,
        "{:?}",
        report.tally
    );
}
