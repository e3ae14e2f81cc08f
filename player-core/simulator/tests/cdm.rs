//! Protected content: what keys cost, what is left without them, and that nothing waits for ever.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::Duration;

use common::{flat_origin, session, trace};
use player_core::Config;
use player_core::error::DrmErrorKind;
use player_core::record;
use simulator::batch::yardstick;
use simulator::cdm::{Class, Scenario};
use simulator::generate::random::Rng;
use simulator::generate::{self, Kind};
use simulator::origin::Origin;
use simulator::session::{KeyFigures, Outcome, SessionError};

const LADDER: [f64; 4] = [300.0, 700.0, 1500.0, 3000.0];

/// The yardstick, but that licence servers are not waited for without an end.
fn config() -> Config {
    let mut config = yardstick(30.0);
    config.retry.licence = Config::default().retry.licence;
    config
}

/// Three minutes with sound.
fn content() -> Origin {
    flat_origin(4000, &LADDER, 45).with_audio(96.0).unwrap()
}

fn log_of(origin: &Origin, log: &mut Vec<u8>) -> Result<Outcome, SessionError> {
    let trace = trace(80.0, &[(10_000.0, 8000.0)]);
    session(&trace, origin, "headgate", config()).run_logged(log)
}

fn play(scenario: &str) -> Result<Outcome, SessionError> {
    let scenario: Scenario = scenario.parse().unwrap();
    log_of(&content().protected(scenario), &mut Vec::new())
}

fn startup(outcome: &Outcome) -> Duration {
    outcome.played[0].stall
}

fn stalls(outcome: &Outcome) -> Duration {
    outcome.played.iter().skip(1).map(|played| played.stall).sum()
}

/// Why playback ended, and when.
fn end(scenario: &str) -> (DrmErrorKind, f64) {
    match play(scenario).unwrap_err() {
        SessionError::Player { at, error } => {
            let drm = error.drm.unwrap_or_else(|| panic!("{}", error.message));
            (drm.kind, at.now.since(player_core::Instant::ZERO).as_secs_f64())
        }
        other => panic!("{other}"),
    }
}

#[test]
fn licences_are_fetched_beside_the_first_segments() {
    let clear = log_of(&content(), &mut Vec::new()).unwrap();
    assert_eq!(clear.keys, None);
    for ms in [0, 20, 100, 400] {
        let outcome = play(&format!("latency={ms}")).unwrap();
        // Access, MediaKeys, session, request and licence, one after the other.
        let cdm = Duration::from_millis(5 * ms);
        // The licence's own round trip is no longer than the segments', and 2000 bytes at 8 Mbit/s take 2 ms of the link.
        let least = startup(&clear);
        let most = least + cdm + Duration::from_millis(2);
        let protected = startup(&outcome);
        assert!(
            least <= protected && protected <= most,
            "{ms}: {least:?} {protected:?}"
        );
        assert_eq!(
            (stalls(&outcome), outcome.keys.unwrap().licences),
            (Duration::ZERO, 1)
        );
    }
}

#[test]
fn where_hd_is_withheld_sd_is_played() {
    let all = play("").unwrap();
    assert_eq!(all.played.last().unwrap().rung, 3);
    for hd in ["withheld", "restricted", "expired", "pending"] {
        let outcome = play(&format!("latency=50,hd={hd}")).unwrap();
        let rungs: Vec<_> = outcome.played.iter().map(|played| played.rung).collect();
        assert!(rungs.iter().all(|rung| *rung < 2), "{hd}: {rungs:?}");
        assert_eq!(*rungs.last().unwrap(), 1, "{hd}");
    }
    assert_eq!(play("hd=downscaled").unwrap().played.last().unwrap().rung, 3);
}

#[test]
fn licences_that_are_over_are_renewed_or_end_playback() {
    let renewed = play("latency=100,expiry=30").unwrap();
    assert_eq!(stalls(&renewed), Duration::ZERO);
    let figures = renewed.keys.unwrap();
    assert!(figures.licences >= 7 && figures.rebuffers == 0, "{figures:?}");
    // Without a message in time the player asks itself, when it is too late.
    let reopened = play("latency=400,expiry=60,renewal=reopen").unwrap();
    let KeyFigures {
        rebuffers, rebuffer, ..
    } = reopened.keys.unwrap();
    assert!(
        rebuffers >= 2 && rebuffer < Duration::from_secs(2) * rebuffers,
        "{reopened:?}"
    );
    // The engine says why, though it is told so before the element stops.
    let mut log = Vec::new();
    let scenario = "latency=400,expiry=60,renewal=reopen".parse().unwrap();
    log_of(&content().protected(scenario), &mut log).unwrap();
    let log = String::from_utf8(log).unwrap();
    let causes = log.lines().filter(|line| line.contains("rebuffering"));
    assert!(causes.clone().count() >= 2 && causes.clone().all(|line| line.contains("\"key\"")));
    let (kind, at) = end("expiry=60,renewal=refused");
    assert_eq!(kind, DrmErrorKind::Expired);
    // A server that says no needs not be waited for.
    assert!((60.0..62.0).contains(&at), "{at}");
}

#[test]
fn what_fails_is_tried_again_and_then_named() {
    let outcome = play("fault=licence-500x2").unwrap();
    assert_eq!(outcome.keys.unwrap().licences, 3);
    assert!(outcome.keys.unwrap().startup > Duration::from_secs(1));
    play("fault=licence-refuse,fault=licence-break").unwrap_err();
    for (scenario, kind) in [
        ("fault=licence-500", DrmErrorKind::RequestHttp),
        ("fault=licence-403", DrmErrorKind::RequestHttp),
        ("fault=licence-timeout", DrmErrorKind::RequestNetwork),
        ("fault=licence-html", DrmErrorKind::ResponseRejected),
        ("fault=licence-truncate", DrmErrorKind::ResponseRejected),
        ("fault=update", DrmErrorKind::ResponseRejected),
        ("fault=access", DrmErrorKind::Unsupported),
        ("fault=attach", DrmErrorKind::Session),
        ("fault=session", DrmErrorKind::Session),
        ("sd=withheld,hd=withheld", DrmErrorKind::KeyMissingTimeout),
        ("sd=pending,hd=pending", DrmErrorKind::KeyMissingTimeout),
        ("audio=restricted", DrmErrorKind::OutputRestricted),
        ("reset=10x9", DrmErrorKind::CdmReset),
    ] {
        let (found, at) = end(scenario);
        assert_eq!(found, kind, "{scenario}");
        assert!(at < 60.0, "{scenario}: {at}");
    }
}

#[test]
fn a_cdm_that_is_reset_twice_plays_on() {
    for system in ["clearkey", "playready", "widevine"] {
        let outcome = play(&format!("system={system},latency=100,reset=40x2")).unwrap();
        assert!(outcome.keys.unwrap().licences >= 3, "{system}");
    }
}

#[test]
fn the_same_scenario_is_the_same_session_and_its_log_replays() {
    let log = |seed: u64| {
        let scenario = format!("latency=200,jitter=0.9,expiry=40,fault=licence-500x1,seed={seed}");
        let mut log = Vec::new();
        log_of(&content().protected(scenario.parse().unwrap()), &mut log).unwrap();
        log
    };
    let first = log(1);
    assert_eq!(first, log(1));
    assert_ne!(first, log(2));
    let mut again = Vec::new();
    let replayed = record::replay(Cursor::new(&first), &mut again).unwrap();
    assert_eq!(replayed.first_difference, None);
    assert!(again == first && replayed.inputs > 100);
}

/// Plays with what chance makes of a CDM and of a licence server, over a network of the seed; how it went, in a few words.
fn by_chance(seed: u64) -> String {
    let mut rng = Rng::of(&[seed, 0xd4]);
    let faults = !seed.is_multiple_of(4);
    let scenario = Scenario::random(&mut rng, faults);
    let kinds = Kind::ALL;
    let kind = kinds[(rng.next() % kinds.len() as u64) as usize];
    let trace = generate::trace(kind, seed, 0, Duration::from_secs(300));
    let origin = match seed % 3 {
        0 => flat_origin(4000, &LADDER, 45),
        _ => content(),
    };
    let origin = origin.protected(scenario.clone());
    let play = || {
        let mut log = Vec::new();
        let result = session(&trace, &origin, "headgate", config()).run_logged(&mut log);
        (result, log)
    };
    let (result, log) = play();
    if seed.is_multiple_of(16) {
        assert!(play().1 == log, "{seed}: another log, {scenario}");
        let replayed = record::replay(Cursor::new(&log), &mut std::io::sink()).unwrap();
        assert_eq!(replayed.first_difference, None, "{seed}: {scenario}");
    }
    match result {
        Ok(outcome) => {
            let heard = |class| origin.protection().unwrap().right(class).is_usable();
            // What has no key was not shown.
            assert!(heard(Class::Sd) || heard(Class::Hd), "{seed}: {scenario}");
            let shown = outcome
                .played
                .iter()
                .map(|played| Class::of_rung(played.rung, LADDER.len()));
            for class in shown.skip(8) {
                assert!(heard(class), "{seed}: {} with {scenario}", class.name());
            }
            "played".to_owned()
        }
        Err(SessionError::Player { error, .. }) => {
            let drm = error
                .drm
                .unwrap_or_else(|| panic!("{seed}: {} with {scenario}", error.message));
            assert!(
                scenario.may_end_playback(),
                "{seed}: {} with {scenario}",
                error.message
            );
            assert!(!error.message.is_empty());
            drm.kind.name().to_owned()
        }
        // Neither an endless wait, nor a loop, nor a broken contract.
        Err(other) => panic!("{seed}: {other} with {scenario}"),
    }
}

fn sweep(seeds: std::ops::Range<u64>) -> BTreeMap<String, u32> {
    let mut ends = BTreeMap::new();
    for seed in seeds {
        *ends.entry(by_chance(seed)).or_default() += 1;
    }
    ends
}

#[test]
fn a_renewal_over_a_slow_network_is_waited_for() {
    assert_eq!(by_chance(1868), "played");
}

#[test]
fn whatever_a_cdm_does_nothing_waits_for_ever() {
    let ends = sweep(0..400);
    assert!(ends["played"] > 200 && ends.len() > 5, "{ends:?}");
}

#[test]
#[ignore = "minutes: cargo test -p simulator --test cdm -- --ignored --nocapture"]
fn whatever_a_cdm_does_nothing_waits_for_ever_at_length() {
    println!("{:?}", sweep(400..20_400));
}
