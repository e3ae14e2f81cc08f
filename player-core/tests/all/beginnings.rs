//! Segments that are played while they are still on their way.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::Config;
use player_core::input::{AppendFailure, Integrity};
use player_core::telemetry::schema::PlaybackState;
use world::{Reply, World, media};

use crate::world;

/// A segment of the lowest rung takes so many seconds at this rate.
fn bps(world: &World, seconds: f64) -> f64 {
    world.segment_bytes("low", 1) as f64 * 8.0 / seconds
}

/// It starts with the lowest rung; a segment of that takes `seconds`.
fn starting(heads: bool, dash: bool, seconds: f64) -> World {
    let mut config = Config::default();
    config.abr.initial_throughput_kbps = None;
    config.telemetry.site = "test".into();
    let mut world = World::new(config);
    world.heads = heads;
    let url = if dash {
        world.serve_dash(10)
    } else {
        world.serve_hls(10)
    };
    world.bps = bps(&world, seconds);
    world.load(url);
    world.play();
    world
}

/// Seconds until it plays.
fn start_s(world: &mut World) -> f64 {
    for _ in 0..1000 {
        if world.state() == PlaybackState::Playing {
            return world.now.as_micros() as f64 / 1e6;
        }
        world.run(0.01);
    }
    panic!("it never plays: {:?}", world.errors());
}

fn plays_to_its_end(world: &mut World) {
    world.run(120.0);
    assert_eq!(world.state(), PlaybackState::Ended, "{:?}", world.errors());
}

#[test]
fn playback_starts_before_the_first_segment_is_complete() {
    for dash in [false, true] {
        let whole = start_s(&mut starting(false, dash, 1.0));
        let mut world = starting(true, dash, 1.0);
        let beginning = start_s(&mut world);
        assert!(beginning < whole - 0.3, "{beginning} s, {whole} s");
        assert!(!world.early.is_empty());
        plays_to_its_end(&mut world);
        let stalls = world.beacons.last().unwrap().counters.rebuffer_count;
        assert_eq!(stalls, 0);
    }
}

#[test]
fn what_comes_too_slowly_is_waited_for() {
    // Of four seconds that take three to come, the first two come in half of that, and the others need as long.
    let mut world = starting(true, true, 3.0);
    let begin = start_s(&mut world);
    assert!(begin > 1.5, "{begin} s");
    plays_to_its_end(&mut world);
}

#[test]
fn nothing_is_cut_up_while_there_is_enough() {
    let mut world = starting(true, true, 1.0);
    world.run(5.0);
    world.early.clear();
    world.run(30.0);
    assert!(world.early.is_empty(), "{:?}", world.early);
}

#[test]
fn a_seek_shows_pictures_before_the_segment_is_complete() {
    for heads in [false, true] {
        let mut world = starting(heads, false, 0.5);
        world.pause();
        world.run(3.0);
        world.early.clear();
        let from = world.now;
        world.seek(36.5);
        world.play();
        while world.element.seeking {
            world.run(0.01);
        }
        assert_eq!(!world.early.is_empty(), heads);
        assert!(world.now.since(from).as_secs_f64() < 20.0);
        plays_to_its_end(&mut world);
    }
}

#[test]
fn what_breaks_after_its_beginning_is_played_is_fetched_again() {
    for breaks in [true, false] {
        let mut world = starting(true, true, 1.0);
        let whole = media(world.segment_bytes("low", 1));
        let integrity = if breaks {
            Integrity::Whole
        } else {
            Integrity::Truncated(5)
        };
        let bad = Reply {
            breaks,
            integrity,
            ..whole
        };
        world.once.insert("https://h/low/1.m4s".into(), vec![bad]);
        plays_to_its_end(&mut world);
        assert!(!world.early.is_empty());
        assert_eq!(
            world
                .fetched
                .iter()
                .filter(|url| url.ends_with("low/1.m4s"))
                .count(),
            2
        );
    }
}

#[test]
fn beginnings_survive_seeks_and_refusals_at_any_time() {
    for step in 0..60 {
        let mut world = starting(true, step % 2 == 0, 1.0);
        world.run(0.1 + 0.03 * f64::from(step));
        match step % 3 {
            0 => world.seek(f64::from(step % 38)),
            1 => world.refuse_appends.push(AppendFailure::Quota),
            _ => world.refuse_appends.push(AppendFailure::Media("x".into())),
        }
        world.run(120.0);
        assert_eq!(
            world.state(),
            PlaybackState::Ended,
            "{step}: {:?}",
            world.errors()
        );
    }
}

#[test]
fn a_beginning_of_a_segment_that_is_given_up_is_replaced() {
    let mut world = starting(true, true, 0.2);
    world.run(2.0);
    world.seek(30.0);
    world.run(0.1);
    // What was fast is slow from now on.
    world.bps /= 40.0;
    plays_to_its_end(&mut world);
}
