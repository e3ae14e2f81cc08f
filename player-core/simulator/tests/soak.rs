//! A soak of an hour or two: nothing is as it must never be, and a seed means a world.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use player_core::Config;
use player_core::config::TelemetryConfig;
use player_core::telemetry::schema::{Beacon, Event, PlaybackState};
use simulator::Trace;
use simulator::faults::Faults;
use simulator::network::Link;
use simulator::soak::streams::{Extent, Packaging, Protocol, Stream};
use simulator::soak::{Plan, Report, Soak, Trouble, Watched, watch_with};

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

/// A minute of a stream, reported as of a site.
fn reported(trouble: Option<Trouble>) -> Watched {
    let trace = Trace::constant("t", 6000.0, 40.0).unwrap();
    let stream = Stream {
        protocol: Protocol::Hls,
        packaging: Packaging::Fmp4,
        extent: Extent::Finished(60),
        encrypted: false,
        languages: 1,
        text: false,
        ranges: false,
        timeline: false,
        period: 0,
        segment_ms: 4000,
        seed: 1,
    };
    let plan = Plan {
        stream,
        trace: &trace,
        link: Link::default(),
        faults: Faults::default(),
        trouble,
        element_faults: 0.0,
        quota_bytes: None,
        clock_off_ms: 0,
        busy_every: Duration::ZERO,
        lasts: Duration::from_secs(60),
        again: false,
        subtitles: false,
        size: (1280, 720),
        seed: 1,
    };
    let telemetry = TelemetryConfig {
        site: "demo".to_owned(),
        ..TelemetryConfig::default()
    };
    let config = Config {
        telemetry,
        ..Config::default()
    };
    watch_with(plan, config).unwrap()
}

#[test]
fn a_view_reports_what_the_engine_tells_a_collector() {
    let beacons = reported(None).beacons;
    let seqs: Vec<_> = beacons.iter().map(|beacon| beacon.seq).collect();
    assert_eq!(seqs, (0..beacons.len() as u32).collect::<Vec<_>>());
    let events = |beacon: &Beacon| beacon.events.iter().map(|e| e.event.clone()).collect::<Vec<_>>();
    let last = beacons.last().unwrap();
    assert_eq!(events(&beacons[0])[0], Event::ViewStart);
    assert_eq!(events(last).last(), Some(&Event::ViewEnd));
    assert_eq!((last.t_ms, last.site.as_str()), (60_000, "demo"));
    let counters = &last.counters;
    assert!(counters.startup_ms.unwrap() < 5000, "{counters:?}");
    // Each of them is rounded down.
    let sum_ms = counters.startup_ms.unwrap() + counters.played_ms + counters.rebuffer_ms;
    assert!((59_997..=60_000).contains(&sum_ms), "{counters:?}");
}

#[test]
fn servers_in_trouble_end_a_view_before_or_after_its_start() {
    let trouble = |from_s, share| Trouble {
        from: Duration::from_secs(from_s),
        until: Duration::from_secs(100),
        share,
    };
    for (from_s, starts) in [(0, false), (10, true)] {
        let watched = reported(Some(trouble(from_s, 1.0)));
        let last = watched.beacons.last().unwrap();
        assert_eq!(last.counters.startup_ms.is_some(), starts, "{last:?}");
        if !starts {
            assert_eq!(last.state, PlaybackState::Failed);
            assert!(last.counters.fatal.is_some());
        }
        assert!(last.counters.requests_failed > 0);
    }
    let nothing = reported(Some(trouble(0, 0.0)));
    assert_eq!(nothing.beacons, reported(None).beacons);
}
