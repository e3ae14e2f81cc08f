//! What is learnt of the network, what is not, and what is remembered.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::time::Duration;

use player_core::abr::NetworkMemory;
use player_core::config::{Algorithm, Config};
use player_core::input::{Host, Input};
use world::{Reply, WALL_CLOCK_MS, World, media};

use crate::world;

fn config(algorithm: Algorithm, initial_kbps: Option<f64>) -> Config {
    let mut config = Config::default();
    config.abr.algorithm = algorithm;
    config.abr.initial_throughput_kbps = initial_kbps;
    config
}

fn playing(config: Config) -> World {
    let mut world = World::new(config);
    let url = world.serve_dash(100);
    world.load(url);
    world.play();
    world
}

/// The estimate that was last told, kbit/s.
fn estimate(world: &World) -> f64 {
    let told = world.events.iter().rev().find_map(|e| match e {
        player_core::output::PlayerEvent::Stats(stats) => stats.throughput,
        _ => None,
    });
    told.map_or(0.0, |t| t.as_f64() / 1000.0)
}

#[test]
fn small_segments_far_away_do_not_keep_it_low() {
    // Shaka #3422, dash.js #4288: a low rendition's segments end before the connection is up to speed; the estimate is low; and
    // so the next is as low.
    for (algorithm, latency_ms) in [
        (Algorithm::Headgate, 20),
        (Algorithm::Headgate, 100),
        (Algorithm::Headgate, 200),
        (Algorithm::Throughput, 20),
        (Algorithm::Throughput, 100),
        (Algorithm::Throughput, 200),
    ] {
        let mut world = World::new(config(algorithm, None));
        world.latency = Duration::from_millis(latency_ms);
        world.bps = 20e6;
        world.slow_start = true;
        let url = world.serve_dash(100);
        world.load(url);
        world.play();
        world.run(60.0);
        let video = world.video_since(0);
        assert_eq!(video.first(), Some(&"low"));
        let climbed = video.iter().position(|name| *name == "high");
        assert!(
            climbed.is_some_and(|n| n < 8),
            "{algorithm:?}, {latency_ms} ms: {video:?}"
        );
        assert_eq!(
            video.last(),
            Some(&"high"),
            "{algorithm:?}, {latency_ms} ms: {video:?}"
        );
    }
}

#[test]
fn segments_that_are_over_before_the_connection_is_up_to_speed_do_not_keep_it_low() {
    // The same with pictures that hardly move: a quarter of the declared bitrate, and a round trip of a fifth of a second.
    for algorithm in Algorithm::ALL {
        let mut world = World::new(config(algorithm, None));
        world.latency = Duration::from_millis(200);
        world.bps = 20e6;
        world.slow_start = true;
        let url = world.serve_dash(100);
        for reply in world.files.values_mut() {
            reply.bytes = if reply.bytes > 10_000 && reply.body.is_empty() {
                reply.bytes / 4
            } else {
                reply.bytes
            };
        }
        world.load(url);
        world.play();
        world.run(120.0);
        let video = world.video_since(0);
        let high = video
            .iter()
            .rev()
            .take(10)
            .filter(|name| **name == "high")
            .count();
        assert_eq!(high, 10, "{algorithm:?}: {video:?}");
    }
}

#[test]
fn a_line_that_does_not_carry_more_is_tried_ever_more_rarely() {
    // The same small segments over a line that is as slow as they look.
    let mut world = World::new(config(Algorithm::Throughput, None));
    world.latency = Duration::from_millis(200);
    world.bps = 1.4e6;
    let url = world.serve_dash(400);
    for (path, reply) in &mut world.files {
        reply.bytes = if path.contains("low/") {
            reply.bytes / 4
        } else {
            reply.bytes
        };
    }
    world.load(url);
    world.play();
    world.run(1500.0);
    let video = world.video_since(0);
    let tries: Vec<_> = (0..video.len()).filter(|n| video[*n] != "low").collect();
    assert!((2..=8).contains(&tries.len()), "{tries:?}");
    let gaps: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        gaps.is_sorted() && gaps.first().is_some_and(|gap| *gap >= 7),
        "{tries:?}"
    );
    assert_eq!(
        world.state(),
        player_core::telemetry::schema::PlaybackState::Playing
    );
    let stalled = world.events.iter().any(|e| {
        matches!(
            e,
            player_core::output::PlayerEvent::State {
                state: player_core::telemetry::schema::PlaybackState::Rebuffering,
                ..
            }
        )
    });
    assert!(!stalled);
}

#[test]
fn time_to_first_byte_is_no_throughput() {
    let mut world = playing(config(Algorithm::Throughput, None));
    world.latency = Duration::from_millis(1500);
    world.run(60.0);
    assert_eq!(world.video_since(0).last(), Some(&"high"));
    assert!(
        (7000.0..8500.0).contains(&estimate(&world)),
        "{}",
        estimate(&world)
    );
}

#[test]
fn what_comes_from_a_cache_says_nothing_of_the_network() {
    let mut world = World::new(config(Algorithm::Throughput, None));
    world.bps = 1e6;
    let url = world.serve_dash(100);
    for (path, reply) in &mut world.files {
        let n: Option<u32> = path
            .rsplit('/')
            .next()
            .and_then(|n| n.strip_suffix(".m4s")?.parse().ok());
        reply.cached = n.is_some_and(|n| (4..40).contains(&n));
    }
    world.load(url);
    world.play();
    world.run(100.0);
    assert!(
        world.video_since(0).iter().all(|name| *name == "low"),
        "{:?}",
        world.video_since(0)
    );
    assert!(
        (800.0..1100.0).contains(&estimate(&world)),
        "{}",
        estimate(&world)
    );
}

#[test]
fn empty_cut_and_missing_answers_say_nothing_of_the_network() {
    let mut world = World::new(config(Algorithm::Throughput, None));
    let url = world.serve_dash(100);
    for n in [3, 5, 7, 9] {
        for name in ["low", "mid", "high"] {
            let bad = match n {
                3 => media(0),
                5 => world::status(503),
                7 => Reply {
                    integrity: player_core::input::Integrity::Truncated(7),
                    ..media(700)
                },
                _ => Reply {
                    silent: true,
                    ..media(1)
                },
            };
            world.once.insert(format!("https://h/{name}/{n}.m4s"), vec![bad]);
        }
    }
    world.load(url);
    world.play();
    world.run(60.0);
    assert_eq!(world.video_since(0).last(), Some(&"high"), "{:?}", world.errors());
    assert!(
        (7000.0..8500.0).contains(&estimate(&world)),
        "{}",
        estimate(&world)
    );
}

#[test]
fn the_next_load_of_the_same_player_begins_with_what_it_knows() {
    // Shaka #1366.
    for algorithm in [Algorithm::Throughput, Algorithm::Headgate] {
        let mut world = playing(config(algorithm, None));
        world.run(40.0);
        assert_eq!(world.video_since(0).first(), Some(&"low"), "{algorithm:?}");
        let (before, from) = (estimate(&world), world.fetched.len());
        world.load("https://h/manifest.mpd");
        world.play();
        world.events.clear();
        world.run(0.3);
        assert_eq!(world.video_since(from).len(), 1);
        assert_eq!(estimate(&world), before, "{algorithm:?}");
        world.run(10.0);
        // A planner may begin low for a quick start; it does not stay there to learn.
        let video = world.video_since(from);
        assert!(
            video.iter().filter(|name| **name == "low").count() <= 1,
            "{video:?}"
        );
    }
}

#[test]
fn what_is_learnt_is_handed_out_now_and_then_and_at_the_end() {
    let mut world = playing(config(Algorithm::Throughput, None));
    world.run(9.0);
    assert_eq!(world.remembered, []);
    world.run(11.0);
    assert_eq!(world.remembered.len(), 1);
    world.bps = 3e6;
    world.run(80.0);
    // Once the new rate has settled there is nothing new to say.
    let count = world.remembered.len();
    assert!((3..=11).contains(&count), "{count}");
    let now = WALL_CLOCK_MS as i64 + 100_000;
    for pair in world.remembered.windows(2) {
        assert!(
            pair[1].unix_ms - pair[0].unix_ms >= 10_000 && pair[1].unix_ms <= now,
            "{pair:?}"
        );
    }
    let last = *world.remembered.last().unwrap();
    assert!(
        (2800.0..5000.0).contains(&last.kbps) && last.spread > 0.0,
        "{last:?}"
    );
    // At the end it does not wait.
    world.bps = 8e6;
    world.seek(300.0);
    world.run(8.0);
    let before = world.remembered.len();
    world.give(Input::Unload);
    assert!(world.remembered.len() > before - 1);
    assert_ne!(world.remembered.last(), Some(&last));
    // And nor when the page goes away, if there is something new.
    let count = world.remembered.len();
    world.give(Input::Host(Host {
        hidden: true,
        ..Host::default()
    }));
    assert_eq!(world.remembered.len(), count);
}

#[test]
fn another_player_begins_with_what_is_remembered_if_it_is_not_old() {
    let now = WALL_CLOCK_MS as i64;
    let memory = |kbps, unix_ms| {
        Some(NetworkMemory {
            kbps,
            spread: 0.2,
            unix_ms,
        })
    };
    let hour = 3_600_000;
    for (remembered, first) in [
        (None, "low"),
        (memory(8000.0, now - 60_000), "high"),
        (memory(8000.0, now - 6 * hour), "mid"),
        (memory(8000.0, now - 25 * hour), "low"),
        (memory(8000.0, now + 1), "low"),
        (memory(f64::NAN, now), "low"),
        (memory(-1.0, now), "low"),
    ] {
        let mut world = World::new(config(Algorithm::Throughput, None));
        let url = world.serve_dash(20);
        world.load_remembering(url, remembered);
        world.play();
        world.run(5.0);
        assert_eq!(world.video_since(0).first(), Some(&first), "{remembered:?}");
    }
}

#[test]
fn without_a_wall_clock_nothing_is_remembered() {
    let mut world = World::new(config(Algorithm::Throughput, None));
    let url = world.serve_dash(20);
    world.give(Input::Load(player_core::input::Load {
        url: url.into(),
        network_memory: Some(NetworkMemory {
            kbps: 8000.0,
            spread: 0.0,
            unix_ms: 0,
        }),
        ..Default::default()
    }));
    world.play();
    world.run(30.0);
    world.give(Input::Unload);
    assert_eq!(world.remembered, []);
    assert_eq!(world.video_since(0).first(), Some(&"low"));
}
