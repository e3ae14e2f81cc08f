//! Whole sessions, against figures that were worked out by hand or by an independent calculation.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{flat_origin, play, play_content, session, trace};
use player_core::{MediaTime, record};
use proptest::prelude::*;
use simulator::Content;
use simulator::batch::yardstick;
use simulator::content::Segment;
use simulator::score::{self, Played};
use simulator::session::{Outcome, SessionError};
use simulator::{Objective, algorithms};

fn stalls_ms(outcome: &Outcome) -> Vec<u64> {
    outcome
        .played
        .iter()
        .map(|segment| segment.stall.as_millis() as u64)
        .collect()
}

fn rungs(outcome: &Outcome) -> Vec<usize> {
    outcome.played.iter().map(|segment| segment.rung).collect()
}

#[test]
fn a_link_twice_as_fast_as_the_media_stalls_only_at_the_start() {
    // 2 s segments of 1 Mbit/s over 2 Mbit/s and a round trip of 100 ms: each takes 1.1 s.
    let origin = flat_origin(2000, &[1000.0, 2000.0], 5);
    let outcome = play(&trace(100.0, &[(1000.0, 2000.0)]), &origin, 30.0, &[0; 5]).unwrap();
    assert_eq!(stalls_ms(&outcome), [1100, 0, 0, 0, 0]);
    assert_eq!(outcome.duration, Duration::from_millis(1100 + 10_000));
    assert_eq!((outcome.requests, outcome.cancelled), (5, 0));
    let score = score::score(&Objective::LIN, origin.content(), &outcome.played).unwrap();
    assert!((score.qoe - (0.5 - 1.1 / 5.0)).abs() < 1e-9, "{score:?}");
}

#[test]
fn a_link_slower_than_the_media_stalls_before_every_segment() {
    // 2 s segments of 1 Mbit/s over 800 kbit/s: each takes 2.6 s, 0.6 s longer than it plays.
    let origin = flat_origin(2000, &[1000.0], 4);
    let outcome = play(&trace(100.0, &[(1000.0, 800.0)]), &origin, 30.0, &[0; 4]).unwrap();
    assert_eq!(stalls_ms(&outcome), [2600, 600, 600, 600]);
    let score = score::score(&Objective::LIN, origin.content(), &outcome.played).unwrap();
    assert!(
        (score.rebuffer_s - 1.8).abs() < 1e-9 && (score.startup_s - 2.6).abs() < 1e-9,
        "{score:?}"
    );
    assert!(
        (score.rebuffer_ratio - 1.8 / 8.0).abs() < 1e-9 && score.stalls == 3,
        "{score:?}"
    );
}

#[test]
fn the_buffer_is_filled_no_higher_than_it_may_be() {
    // Each segment takes 0.3 s. With room for 6 s, the fourth one waits until the first has been played at 2.3 s, and so on;
    // the last one arrives at 12.6 s.
    let origin = flat_origin(2000, &[1000.0], 9);
    let outcome = play(&trace(100.0, &[(1000.0, 10_000.0)]), &origin, 6.0, &[0; 9]).unwrap();
    assert_eq!(stalls_ms(&outcome), [300, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(outcome.duration, Duration::from_millis(18_300));
    // Nothing is asked for in all the time but nine times 0.3 s.
    assert_eq!(outcome.idle, Duration::from_millis(18_300 - 9 * 300));
}

#[test]
fn an_outage_longer_than_the_buffer() {
    // 4 Mbit/s for 2 s, 8 s of nothing, then again. Segments of 2 s take 0.5 s + 0.1 s: three end by 1.8 s, the fourth
    // flows from 1.9 s, has 0.4 of its 2 Mbit by 2 s, and the rest by 10.4 s. Playback began at 0.6 s: dry at 6.6 s.
    let origin = flat_origin(2000, &[1000.0], 5);
    let outcome = play(
        &trace(100.0, &[(2000.0, 4000.0), (8000.0, 0.0)]),
        &origin,
        30.0,
        &[0; 5],
    )
    .unwrap();
    assert_eq!(stalls_ms(&outcome), [600, 0, 0, 3800, 0]);
    assert_eq!(outcome.duration, Duration::from_millis(600 + 10_000 + 3800));
}

#[test]
fn rungs_are_those_that_were_chosen() {
    let origin = flat_origin(2000, &[500.0, 1000.0, 2000.0], 6);
    let chosen = [0, 2, 1, 1, 0, 2];
    let outcome = play(&trace(0.0, &[(1000.0, 8000.0)]), &origin, 30.0, &chosen).unwrap();
    assert_eq!(rungs(&outcome), chosen);
    // Latency 0 is unknown and counts as 80 ms.
    assert_eq!(stalls_ms(&outcome)[0], 80 + 125);
}

#[test]
fn the_same_session_gives_the_same_log_and_the_log_replays() {
    let origin = flat_origin(3000, &[300.0, 800.0, 2000.0, 4000.0], 40);
    let trace = trace(
        50.0,
        &[(4000.0, 3000.0), (5000.0, 500.0), (3000.0, 0.0), (9000.0, 6000.0)],
    );
    for entry in algorithms::ALL {
        let run = || {
            let mut log = Vec::new();
            let outcome = session(&trace, &origin, entry.name, yardstick(20.0))
                .run_logged(&mut log)
                .unwrap();
            (outcome, log)
        };
        let (outcome, log) = run();
        let silent = session(&trace, &origin, entry.name, yardstick(20.0))
            .run()
            .unwrap();
        assert_eq!(outcome, silent, "{}: a log changes nothing", entry.name);
        assert_eq!((outcome, &log), (run().0, &run().1), "{}", entry.name);
        let mut again = Vec::new();
        let abr = (!entry.in_engine()).then(|| session(&trace, &origin, entry.name, yardstick(20.0)).abr);
        let replay = record::replay_with(log.as_slice(), &mut again, |header| {
            assert_eq!(header.algorithm.is_some(), abr.is_some(), "{}", entry.name);
            abr
        })
        .unwrap();
        assert_eq!(replay.first_difference, None, "{}", entry.name);
        assert!(replay.inputs > 40 && replay.outputs > replay.inputs);
        assert!(
            again == log,
            "{}: the replay is the same byte for byte",
            entry.name
        );
    }
}

#[test]
fn a_changed_log_is_noticed() {
    let origin = flat_origin(3000, &[300.0, 800.0], 10);
    let trace = trace(50.0, &[(4000.0, 3000.0)]);
    let mut log = Vec::new();
    session(&trace, &origin, "headgate", yardstick(20.0))
        .run_logged(&mut log)
        .unwrap();
    let text = String::from_utf8(log).unwrap();
    let line = text.lines().position(|line| line.contains("\"append\"")).unwrap();
    let other: Vec<_> = text
        .lines()
        .enumerate()
        .map(|(i, l)| {
            if i == line {
                l.replacen("\"request\":", "\"request\":9", 1)
            } else {
                l.to_owned()
            }
        })
        .collect();
    let replay = record::replay(other.join("\n").as_bytes(), std::io::sink()).unwrap();
    assert_eq!(replay.first_difference, Some(line + 1));
}

#[test]
fn a_session_without_end_is_cut_off_with_what_it_was_at() {
    // 1 kbit/s for media of 1000: at 20 times its duration, 0.16 of 8 segments.
    let origin = flat_origin(2000, &[1000.0], 8);
    let error = play(&trace(100.0, &[(1000.0, 1.0)]), &origin, 30.0, &[0; 8]).unwrap_err();
    assert!(matches!(error, SessionError::TooLong { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("too little progress by t=320.") && text.contains("1 requests in flight"),
        "{text}"
    );
}

#[test]
fn time_outs_of_the_configuration_count() {
    // Nothing comes for 60 s; with two attempts of 5 s each, the player gives up.
    let origin = flat_origin(2000, &[1000.0], 8);
    let trace = trace(100.0, &[(1000.0, 4000.0), (60_000.0, 0.0)]);
    let mut config = yardstick(30.0);
    config.retry.segment.stall_timeout_ms = 5000;
    config.retry.segment.ttfb_timeout_ms = 5000;
    config.retry.segment.attempts = 2;
    config.retry.outage_ms = 0;
    let error = session(&trace, &origin, "throughput", config).run().unwrap_err();
    assert!(matches!(error, SessionError::Player { .. }), "{error}");
}

/// The yardstick's own recurrence, in seconds and floating point: download, stall, wait for room.
/// Segments are seconds and bits.
fn reference(points: &[(f64, f64)], rtt_s: f64, buffer_max_s: f64, segments: &[(f64, f64)]) -> Vec<f64> {
    let transfer = |start: f64, mut bits: f64| {
        let (mut t, mut piece_end) = (start, 0.0);
        for (ms, kbps) in points.iter().cycle() {
            piece_end += ms / 1000.0;
            let can = (piece_end - t).max(0.0) * kbps * 1000.0;
            if can >= bits && can > 0.0 {
                return t + bits / (kbps * 1000.0) - start;
            }
            bits -= can;
            t = t.max(piece_end);
        }
        unreachable!("the trace is repeated")
    };
    let (mut t, mut buffer) = (0.0_f64, 0.0_f64);
    let mut stalls = Vec::new();
    for (segment_s, bits) in segments {
        let wait = (buffer + segment_s - buffer_max_s).max(0.0);
        t += wait;
        buffer -= wait;
        let download = rtt_s + transfer(t + rtt_s, *bits);
        t += download;
        stalls.push((download - buffer).max(0.0));
        buffer = (buffer - download).max(0.0) + segment_s;
    }
    stalls
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn stalls_are_those_of_the_reference(
        // A microsecond on the fast side of a step is so many times longer on the slow one as the rates differ.
        pieces in prop::collection::vec((200_u32..8000, prop_oneof![1 => Just(0), 9 => 50_u32..4000]), 1..12),
        sizes in prop::collection::vec((1000_u64..1_000_000, 1000_u64..1_000_000, 0_usize..2, 1_i64..5), 2..25),
        uniform in any::<bool>(),
        rtt_ms in 5_u32..300,
        segment_ms in 800_u32..6000,
        buffer_segments in 2.0_f64..8.0,
    ) {
        let mut points: Vec<_> = pieces.iter().map(|&(ms, kbps)| (f64::from(ms), f64::from(kbps))).collect();
        points.push((1000.0, 2000.0));
        let chosen: Vec<_> = sizes.iter().map(|s| s.2).collect();
        // Quarters of the longest, or all the same.
        let segment = |&(a, b, _, quarters): &(u64, u64, usize, i64)| Segment {
            duration: MediaTime::from_millis(i64::from(segment_ms) * if uniform { 4 } else { quarters } / 4),
            bytes: vec![a, b],
            vmaf: Vec::new(),
        };
        let segments: Vec<_> = sizes.iter().map(segment).collect();
        let seconds_and_bits = |(s, rung): (&Segment, &usize)| (s.duration.as_secs_f64(), s.bytes[*rung] as f64 * 8.0);
        let expected: Vec<_> = segments.iter().zip(&chosen).map(seconds_and_bits).collect();
        let content = Content::new("content", vec![500.0, 900.0], segments).unwrap();
        let trace = trace(f64::from(rtt_ms), &points);
        let content_s = content.duration().as_secs_f64();
        let buffer_s = f64::from(segment_ms) / 1000.0 * buffer_segments;
        let expected = reference(&points, f64::from(rtt_ms) / 1000.0, buffer_s, &expected);
        match play_content(&trace, content, buffer_s, &chosen) {
            Ok(outcome) => {
                prop_assert_eq!(rungs(&outcome), chosen);
                for (segment, expected) in outcome.played.iter().zip(&expected) {
                    let Played { stall, .. } = segment;
                    prop_assert!((stall.as_secs_f64() - expected).abs() < 1e-3, "{:?} {:?}", outcome.played, expected);
                }
            }
            // Right only if it really takes that long.
            Err(SessionError::TooLong { .. }) => {
                let total = expected.iter().sum::<f64>() + content_s;
                prop_assert!(total > 20.0 * content_s);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
