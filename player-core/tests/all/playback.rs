//! The engine in a small world: playing, seeking, ending, failing.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::config::{Config, TelemetryConfig};
use player_core::input::{AppendFailure, Host, Input, Integrity};
use player_core::output::PlayerEvent;
use player_core::telemetry::schema::{Dimension, Event, Experiment, PlaybackState};
use world::{Reply, World, media, status, text};

use crate::world;

fn playing(dash: bool, segments: usize) -> World {
    let telemetry = TelemetryConfig {
        site: "test".into(),
        ..TelemetryConfig::default()
    };
    let mut world = World::new(Config {
        telemetry,
        ..Config::default()
    });
    let url = if dash {
        world.serve_dash(segments)
    } else {
        world.serve_hls(segments)
    };
    world.load(url);
    world.play();
    world
}

#[test]
fn segments_that_a_file_lists_itself_are_played() {
    let mut world = World::new(Config::default());
    let url = world.serve_single_files(10);
    world.load(url);
    world.play();
    world.run(60.0);
    assert_eq!(world.errors(), Vec::<String>::new());
    assert_eq!(world.state(), PlaybackState::Ended);
    // A file that is no such file costs its rendition only.
    let mut world = World::new(Config::default());
    let url = world.serve_single_files(10);
    for name in ["low", "mid"] {
        if let Some(file) = world.files.get_mut(&format!("https://h/{name}.mp4")) {
            file.body.fill(1);
        }
    }
    world.load(url);
    world.play();
    world.run(90.0);
    assert_eq!(world.state(), PlaybackState::Ended, "{:?}", world.errors());
    let of_high = world.fetched.iter().filter(|url| url.contains("high.mp4"));
    // The index, the initialization section and the segments.
    assert_eq!(of_high.count(), 12);
    assert!(
        world.errors().iter().any(|error| error.contains("low.mp4")),
        "{:?}",
        world.errors()
    );
}

#[test]
fn hls_and_dash_play_to_their_end() {
    for dash in [false, true] {
        let mut world = playing(dash, 10);
        world.run(60.0);
        assert_eq!(world.errors(), Vec::<String>::new());
        assert_eq!(world.state(), PlaybackState::Ended, "dash: {dash}");
        assert!((world.element.position.as_secs_f64() - 40.0).abs() < 0.01);
        let last = world.beacons.last().unwrap();
        assert!(last.counters.ended);
        assert_eq!(last.counters.rebuffer_count, 0);
        assert!(
            (39_500..=40_500).contains(&last.counters.media_ms),
            "{}",
            last.counters.media_ms
        );
        let startup = last.counters.startup_ms.unwrap();
        assert!((200..2000).contains(&startup), "{startup}");
        // 8 Mbit/s carry the highest rung.
        assert!(
            world.fetched.iter().any(|u| u == "https://h/high/10.m4s"),
            "{:?}",
            world.fetched
        );
        // Every segment that was fetched was let go of.
        let segments = world.fetched.iter().filter(|u| u.ends_with(".m4s")).count();
        assert_eq!(world.released.len(), segments);
    }
}

#[test]
fn views_say_how_much_pictures_are_scaled_and_what_they_belong_to() {
    let experiment = Experiment {
        name: "abr".into(),
        arm: "b".into(),
        probability: Some(0.5),
    };
    let dimension = Dimension {
        name: "plan".into(),
        value: "gold".into(),
    };
    let config = Config {
        telemetry: TelemetryConfig {
            site: "test".into(),
            network: "wifi".into(),
            experiment: Some(experiment.clone()),
            dimensions: vec![dimension.clone()],
            ..TelemetryConfig::default()
        },
        ..Config::default()
    };
    let mut world = World::new(config);
    let url = world.serve_hls(20);
    world.load(url);
    world.play();
    world.run(1.0);
    let infos: Vec<_> = world.beacons.iter().filter_map(|b| b.info.clone()).collect();
    let mut rungs = infos.iter().flat_map(|info| &info.ladder);
    let rung = rungs.find(|rung| rung.height == 720).unwrap();
    let (width, height) = (rung.width, rung.height);
    world.give(Input::SelectRendition(Some(rung.id.clone())));
    world.run(10.0);
    // Letterboxed to half its size, then at twice its size, then at a size that is not known.
    for (element, up, down, known) in [
        ((width / 2, height), 0.0, 0.5, 1.0),
        ((width * 3, height * 2), 1.0, 0.0, 1.0),
        ((0, 0), 0.0, 0.0, 0.0),
    ] {
        // A page that is hidden sends its beacon at once.
        let mut sent = |seconds: f64| {
            for hidden in [false, true] {
                world.give(Input::Host(Host {
                    hidden,
                    width: element.0,
                    height: element.1,
                    ..Host::default()
                }));
                world.run(if hidden { 0.1 } else { seconds });
            }
            world.beacons.last().unwrap().clone()
        };
        let (from, to) = (sent(0.5).counters, sent(4.0));
        assert_eq!(
            (to.latency_ms, to.counters.latency_played_ms),
            (None, 0),
            "not live"
        );
        let to = to.counters;
        let media = (to.media_ms - from.media_ms) as f64;
        assert!(media > 3000.0, "{media}");
        for (grown, share) in [
            (to.scaled_media_ms - from.scaled_media_ms, known),
            (to.upscale_media_ms - from.upscale_media_ms, up),
            (to.downscale_media_ms - from.downscale_media_ms, down),
        ] {
            let off = (grown as f64 - share * media).abs();
            assert!(off <= 2.0, "{grown} of {media} at {element:?}");
        }
    }
    let info = infos.first().unwrap().clone();
    assert_eq!(info.experiment, Some(experiment));
    assert_eq!(info.dimensions, [dimension]);
    assert_eq!(info.network, "wifi");
}

#[test]
fn it_plays_again_after_the_end() {
    let mut world = playing(false, 5);
    world.run(30.0);
    assert_eq!(world.state(), PlaybackState::Ended);
    world.seek(0.0);
    world.run(30.0);
    assert_eq!(world.state(), PlaybackState::Ended);
    assert_eq!(world.errors(), Vec::<String>::new());
}

#[test]
fn seeks_fetch_only_what_is_missing() {
    let mut world = playing(true, 100);
    world.run(20.0);
    let before = world.fetched.len();
    // Back, into what is buffered.
    world.seek(5.0);
    world.run(0.2);
    assert_eq!(world.state(), PlaybackState::Playing);
    assert_eq!(
        world
            .fetched
            .iter()
            .skip(before)
            .filter(|u| u.ends_with("/2.m4s"))
            .count(),
        0
    );
    // Far forward.
    world.seek(300.0);
    world.run(5.0);
    assert_eq!(world.state(), PlaybackState::Playing);
    assert!(
        (world.element.position.as_secs_f64() - 304.0).abs() < 1.5,
        "{:?}",
        world.element.position
    );
    let first = world.fetched.iter().skip(before).find(|u| u.contains("/76.m4s"));
    assert!(
        first.is_some(),
        "the segment at 300 s is asked for: {:?}",
        world.fetched.get(before..)
    );
    // To the very end and back again.
    world.seek(400.0);
    world.run(5.0);
    assert_eq!(world.state(), PlaybackState::Ended);
    world.seek(10.0);
    world.run(5.0);
    assert_eq!(world.state(), PlaybackState::Playing);
}

#[test]
fn a_start_position_is_where_it_starts() {
    let mut world = World::new(Config::default());
    let url = world.serve_hls(50);
    let load = player_core::input::Load {
        url: url.into(),
        start: Some(player_core::MediaTime::from_millis(100_000)),
        ..Default::default()
    };
    world.give(Input::Load(load));
    world.play();
    world.run(5.0);
    assert_eq!(world.state(), PlaybackState::Playing);
    assert!(
        (100.0..106.0).contains(&world.element.position.as_secs_f64()),
        "{:?}",
        world.element.position
    );
    assert!(!world.fetched.iter().any(|u| u.ends_with("/1.m4s")));
}

#[test]
fn the_buffer_stays_within_its_goal() {
    let mut world = playing(true, 200);
    world.run(100.0);
    for (kind, ranges) in &world.buffers {
        let ahead = ranges.last().unwrap().end - world.element.position;
        let behind = world.element.position - ranges.first().unwrap().start;
        assert!(
            (24.0..=30.01).contains(&ahead.as_secs_f64()),
            "{kind:?} {ahead:?} ahead"
        );
        assert!(behind.as_secs_f64() <= 45.0, "{kind:?} {behind:?} behind");
    }
}

#[test]
fn a_falling_network_brings_a_lower_rendition_and_few_stalls() {
    let mut world = playing(true, 60);
    world.run(20.0);
    world.bps = 1e6;
    world.run(60.0);
    let video = world.video_since(0);
    let late = video.get(video.len() - 8..).unwrap();
    // A planner may spend what it has in the buffer on something better now and then.
    assert!(late.contains(&"low") && !late.contains(&"high"), "{video:?}");
    let last = world.beacons.last().unwrap();
    assert!(last.counters.rebuffer_ms < 3000, "{:?}", last.counters);
    assert!(last.counters.switches_down >= 1);
}

#[test]
fn stalls_are_counted_as_they_are() {
    let mut world = playing(true, 30);
    world.run(10.0);
    // The line goes dead; what is in flight never comes.
    let names = world
        .files
        .keys()
        .filter(|k| k.ends_with(".m4s"))
        .cloned()
        .collect::<Vec<_>>();
    let saved = world.files.clone();
    for name in names {
        world.files.get_mut(&name).unwrap().silent = true;
    }
    world.run(40.0);
    assert_eq!(world.state(), PlaybackState::Rebuffering);
    let stood_at = world.element.position;
    world.files = saved;
    world.run(20.0);
    assert_eq!(world.state(), PlaybackState::Playing);
    world.give(Input::Unload);
    let last = world.beacons.last().unwrap();
    assert_eq!(last.counters.rebuffer_count, 1);
    let stood = 50.0 - last.counters.startup_ms.unwrap() as f64 / 1000.0 - stood_at.as_secs_f64();
    let rebuffer = last.counters.rebuffer_ms as f64 / 1000.0;
    assert!(
        rebuffer > stood && rebuffer < stood + 12.0,
        "{rebuffer} of at least {stood}"
    );
    assert_eq!(last.counters.rebuffer_network_ms, last.counters.rebuffer_ms);
    // Everything after the first frame is played or rebuffered.
    let total = last.counters.played_ms + last.counters.rebuffer_ms + last.counters.startup_ms.unwrap();
    assert!((69_900..=70_100).contains(&total), "{total}");
}

#[test]
fn pausing_is_no_stalling() {
    let mut world = playing(false, 30);
    world.run(5.0);
    world.pause();
    world.run(30.0);
    world.play();
    world.run(5.0);
    world.give(Input::Unload);
    let counters = &world.beacons.last().unwrap().counters;
    assert!((29_900..30_100).contains(&counters.paused_ms), "{counters:?}");
    assert_eq!(counters.rebuffer_count, 0);
}

#[test]
fn a_view_has_an_id_a_beginning_and_an_end() {
    let mut world = playing(false, 30);
    world.run(5.0);
    let url = world.serve_dash(10);
    world.load(url);
    world.play();
    world.run(5.0);
    world.give(Input::Unload);
    let views: Vec<&str> = world.beacons.iter().map(|b| b.view_id.as_str()).collect();
    let (first, second) = (views.first().unwrap(), views.last().unwrap());
    assert_ne!(first, second);
    for view in [first, second] {
        let beacons: Vec<_> = world.beacons.iter().filter(|b| b.view_id == **view).collect();
        assert_eq!(
            beacons.iter().map(|b| b.seq).collect::<Vec<_>>(),
            (0..beacons.len() as u32).collect::<Vec<_>>()
        );
        assert!(beacons.first().unwrap().info.is_some());
        let events: Vec<_> = beacons.iter().flat_map(|b| &b.events).collect();
        assert_eq!(events.first().unwrap().event, Event::ViewStart);
        assert_eq!(events.last().unwrap().event, Event::ViewEnd);
    }
    assert_eq!(
        world.beacons.first().unwrap().session_id,
        world.beacons.last().unwrap().session_id
    );
}

#[test]
fn a_web_page_is_no_manifest() {
    let mut world = World::new(Config::default());
    world.files.insert(
        "https://h/x.m3u8".into(),
        text("<!DOCTYPE html><html>Please log in</html>"),
    );
    world.load("https://h/x.m3u8?token=secret");
    world.files.insert(
        "https://h/x.m3u8?token=secret".into(),
        text("<!DOCTYPE html><html>Please log in</html>"),
    );
    world.load("https://h/x.m3u8?token=secret");
    world.run(5.0);
    assert_eq!(world.state(), PlaybackState::Failed);
    let message = world.errors().pop().unwrap();
    assert!(
        message.contains("https://h/x.m3u8") && message.contains("HTML"),
        "{message}"
    );
    assert!(!message.contains("secret"), "{message}");
}

#[test]
fn a_missing_manifest_is_named_at_once() {
    let mut world = World::new(Config::default());
    world.load("https://h/none.mpd");
    world.run(1.0);
    assert_eq!(
        world.errors(),
        ["fatal: manifest https://h/none.mpd: the server answered 404"]
    );
    world.load("file:///etc/passwd");
    assert_eq!(world.state(), PlaybackState::Failed);
}

#[test]
fn a_missing_segment_is_played_in_another_rendition_or_passed_over() {
    let mut world = playing(true, 10);
    world.files.remove("https://h/high/5.m4s");
    world.run(60.0);
    assert_eq!(world.state(), PlaybackState::Ended);
    assert!(
        world
            .errors()
            .first()
            .unwrap()
            .contains("https://h/high/5.m4s: the server answered 404"),
        "{:?}",
        world.errors()
    );

    let mut world = playing(true, 10);
    for name in ["low", "mid", "high"] {
        world.files.remove(&format!("https://h/{name}/5.m4s"));
    }
    world.run(60.0);
    assert_eq!(world.state(), PlaybackState::Ended);
    let errors = world.errors();
    let passed = "video from 16.000 s on cannot be had in any rendition and is passed over";
    assert!(errors.iter().any(|e| e == passed), "{errors:?}");

    // Not for ever.
    let mut world = playing(true, 20);
    for n in 5..=20 {
        for name in ["low", "mid", "high"] {
            world.files.remove(&format!("https://h/{name}/{n}.m4s"));
        }
    }
    world.run(90.0);
    assert_eq!(world.state(), PlaybackState::Failed);
    assert_eq!(
        world.errors().iter().filter(|e| e.starts_with("fatal")).count(),
        1
    );
    assert_eq!(
        world.beacons.last().unwrap().counters.fatal.as_deref(),
        Some("http")
    );
}

#[test]
fn broken_answers_are_asked_for_again() {
    for bad in [
        Reply {
            integrity: Integrity::Truncated(100),
            ..media(1000)
        },
        Reply {
            integrity: Integrity::Foreign("<html>".into()),
            content_type: "text/html",
            ..media(1000)
        },
        status(503),
        status(429),
        Reply {
            silent: true,
            ..media(1)
        },
    ] {
        let mut world = playing(true, 10);
        for name in ["low", "mid", "high"] {
            world
                .once
                .insert(format!("https://h/{name}/4.m4s"), vec![bad.clone(), bad.clone()]);
        }
        world.run(90.0);
        assert_eq!(world.state(), PlaybackState::Ended, "{:?}", world.errors());
        assert!(!world.errors().is_empty());
        assert!(
            world.errors().iter().all(|e| !e.starts_with("fatal")),
            "{:?}",
            world.errors()
        );
    }
}

#[test]
fn a_full_buffer_is_lived_with() {
    let mut world = playing(true, 40);
    world.run(10.0);
    world.refuse_appends = vec![AppendFailure::Quota; 3];
    world.run(60.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
}

#[test]
fn refused_media_is_replaced_or_ends_playback() {
    let mut world = playing(true, 40);
    world.run(10.0);
    world.refuse_appends = vec![AppendFailure::Media("bad".into())];
    world.run(30.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    world.refuse_appends = vec![AppendFailure::Media("bad".into()); 50];
    world.run(30.0);
    assert_eq!(world.state(), PlaybackState::Failed);
}

#[test]
fn a_rendition_can_be_chosen_by_hand() {
    let mut world = playing(false, 60);
    world.run(5.0);
    world.give(Input::SelectRendition(Some("360p".into())));
    // Neither a resize nor a page that is shown again takes the choice back.
    world.give(Input::Host(Host {
        width: 1920,
        height: 1080,
        ..Default::default()
    }));
    let from = world.fetched.len();
    world.run(40.0);
    let video: Vec<_> = world
        .fetched
        .iter()
        .skip(from)
        .filter(|u| u.ends_with(".m4s") && !u.contains("audio"))
        .collect();
    assert!(
        video.len() > 3 && video.iter().skip(1).all(|u| u.contains("low/")),
        "{video:?}"
    );
    world.give(Input::SelectRendition(Some("nonsense".into())));
    assert!(world.errors().pop().unwrap().contains("nonsense"));
}

#[test]
fn the_element_size_limits_the_rendition() {
    let mut world = World::new(Config::default());
    let url = world.serve_hls(30);
    world.give(Input::Host(Host {
        width: 600,
        height: 300,
        ..Default::default()
    }));
    world.load(url);
    world.play();
    world.run(40.0);
    assert!(
        !world
            .fetched
            .iter()
            .any(|u| u.contains("high/") || u.contains("mid/")),
        "{:?}",
        world.fetched
    );
}

#[test]
fn what_is_seen_is_said() {
    let mut world = playing(true, 20);
    world.run(30.0);
    let visible: Vec<_> = world
        .events
        .iter()
        .filter_map(|e| {
            if let PlayerEvent::Rendition { id, visible: true } = e {
                Some(id.as_str())
            } else {
                None
            }
        })
        .collect();
    assert_eq!(visible.last(), Some(&"high"));
    let states: Vec<_> = world
        .events
        .iter()
        .filter_map(|e| {
            if let PlayerEvent::State { state, .. } = e {
                Some(*state)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(states, [PlaybackState::Starting, PlaybackState::Playing]);
}

#[test]
fn a_log_replays_byte_for_byte() {
    let mut world = playing(false, 20);
    world.run(20.0);
    world.bps = 5e5;
    world.seek(60.0);
    world.run(30.0);
    let telemetry = TelemetryConfig {
        site: "test".into(),
        ..TelemetryConfig::default()
    };
    let header = player_core::record::Header::new(
        Config {
            telemetry,
            ..Config::default()
        },
        player_core::Instant::ZERO,
    );
    let log = format!(
        "{}\n{}\n",
        serde_json::to_string(&header).unwrap(),
        world.log.join("\n")
    );
    let mut again = Vec::new();
    let replay = player_core::record::replay(log.as_bytes(), &mut again).unwrap();
    assert_eq!(replay.first_difference, None);
    assert!(replay.inputs > 100);
    assert_eq!(String::from_utf8(again).unwrap(), log);
    // A log that says something else is found out.
    let forged = log.replacen("\"rendition\":\"360p\"", "\"rendition\":\"720p\"", 1);
    assert_ne!(forged, log);
    assert!(
        player_core::record::replay(forged.as_bytes(), Vec::new())
            .unwrap()
            .first_difference
            .is_some()
    );
}

#[test]
fn a_log_of_another_algorithm_needs_it_again() {
    let mut header = player_core::record::Header::new(Config::default(), player_core::Instant::ZERO);
    header.algorithm = Some("lowest".to_owned());
    let log = format!("{}\n", serde_json::to_string(&header).unwrap());
    let error = player_core::record::replay(log.as_bytes(), std::io::sink()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the log was made with the algorithm \"lowest\", which is not at hand here"
    );
    let mut again = Vec::new();
    let replay = player_core::record::replay_with(log.as_bytes(), &mut again, |header| {
        Some(player_core::abr::from_config(&header.config.abr))
    })
    .unwrap();
    assert_eq!((replay.inputs, String::from_utf8(again).unwrap()), (0, log));
}

#[test]
fn small_buffers_loop_without_end() {
    for dash in [false, true] {
        let mut config = Config::default();
        config.buffer.goal_s = 4.0;
        config.buffer.back_s = 4.0;
        let mut world = World::new(config);
        let url = if dash {
            world.serve_dash(5)
        } else {
            world.serve_hls(5)
        };
        world.load(url);
        world.play();
        for round in 0..6 {
            world.bps = if round % 2 == 0 { 8e6 } else { 1e6 };
            world.run(60.0);
            assert_eq!(
                world.state(),
                PlaybackState::Ended,
                "round {round}, dash {dash}: {:?}",
                world.errors()
            );
            world.seek(0.0);
        }
    }
}

#[test]
fn startup_counts_from_the_wish_to_play_without_blocked_time() {
    // Autoplay: the element wanted to play before there was anything to load.
    let telemetry = TelemetryConfig {
        site: "test".into(),
        ..TelemetryConfig::default()
    };
    let config = Config {
        telemetry,
        ..Config::default()
    };
    let mut world = World::new(config.clone());
    let url = world.serve_dash(10);
    world.bps = 2e6;
    world.element.paused = false;
    world.give(Input::Media(world.element));
    world.give(Input::Load(player_core::input::Load {
        url: url.into(),
        ..Default::default()
    }));
    world.run(10.0);
    let startup = world.beacons.last().unwrap().counters.startup_ms.unwrap();
    // The first segment takes seconds at this rate, whichever it is.
    assert!((1100..5000).contains(&startup), "{startup}");

    // Autoplay is refused at once, and the viewer presses play a minute later.
    let mut world = World::new(config);
    let url = world.serve_dash(10);
    world.load(url);
    world.play();
    world.run(0.02);
    world.pause();
    world.run(60.0);
    world.play();
    world.run(5.0);
    let startup = world.beacons.last().unwrap().counters.startup_ms.unwrap();
    assert!(startup < 1000, "{startup}");
}

#[test]
fn every_response_is_let_go_of() {
    let mut world = playing(false, 30);
    world.run(10.0);
    world.bps = 1e6;
    world.seek(80.0);
    world.run(10.0);
    world.give(Input::Unload);
    let held = world
        .completed
        .iter()
        .filter(|r| !world.released.contains(r))
        .collect::<Vec<_>>();
    assert!(held.is_empty(), "{held:?}");
    assert!(world.completed.len() > 10);
}

#[test]
fn eviction_spares_the_segment_that_is_playing() {
    let mut config = Config::default();
    config.buffer.back_s = 0.0;
    let mut world = World::new(config);
    let url = world.serve_dash(30);
    world.load(url);
    world.play();
    world.run(60.0);
    assert_eq!(world.state(), PlaybackState::Playing);
    assert!(world.removed.len() > 2);
    for (position, range) in &world.removed {
        // Segments last four seconds.
        let playing_from = position.as_secs_f64() - position.as_secs_f64() % 4.0;
        assert!(
            range.end.as_secs_f64() <= playing_from + 1e-6,
            "{range:?} at {position:?}"
        );
    }
}
