//! What keeps renditions from being chosen, and what happens when it does not any more.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::sync::{Arc, Mutex};

use player_core::abr::{Abr, Context, Download, Flight, NetworkMemory, Progress};
use player_core::config::{Algorithm, Config, Preset, TelemetryConfig};
use player_core::input::{Host, Input};
use player_core::output::{Limit, PlayerEvent};
use player_core::telemetry::schema::{Event, PlaybackState};
use player_core::{Bitrate, Instant, Player};
use world::{World, text};

use crate::world;

fn playing(config: Config) -> World {
    let telemetry = TelemetryConfig {
        site: "test".into(),
        ..TelemetryConfig::default()
    };
    let mut world = World::new(Config { telemetry, ..config });
    let url = world.serve_dash(200);
    world.load(url);
    world.play();
    world
}

fn told(world: &World) -> Vec<(String, Vec<Limit>)> {
    let limited = |e: &PlayerEvent| match e {
        PlayerEvent::Limited { highest, by } => Some((highest.clone(), by.clone())),
        _ => None,
    };
    world.events.iter().filter_map(limited).collect()
}

/// Runs, and says what video was asked for once what was under way is done.
fn asked(world: &mut World, seconds: f64) -> Vec<String> {
    world.run(0.5);
    let from = world.fetched.len();
    world.run(seconds);
    world.video_since(from).into_iter().map(str::to_owned).collect()
}

#[test]
fn every_cap_is_told_and_when_it_is_lifted_the_engine_climbs_again() {
    let host = |width, height, save_data| {
        Input::Host(Host {
            width,
            height,
            save_data,
            ..Host::default()
        })
    };
    let limits = |max_bandwidth_kbps, max_height| Input::Limits {
        max_bandwidth_kbps,
        max_height,
    };
    let cases = [
        (
            host(600, 300, false),
            host(1920, 1080, false),
            Limit::ElementSize,
            "low",
        ),
        (host(0, 0, true), host(0, 0, false), Limit::DataSaver, "low"),
        (
            limits(Some(2500.0), None),
            limits(None, None),
            Limit::Application,
            "mid",
        ),
        (
            limits(None, Some(720)),
            limits(None, None),
            Limit::Application,
            "mid",
        ),
        (
            limits(Some(0.0), None),
            limits(None, None),
            Limit::Application,
            "low",
        ),
        (
            Input::Restrict {
                renditions: vec!["high".into(), "unknown".into()],
            },
            Input::Restrict { renditions: vec![] },
            Limit::Restricted,
            "mid",
        ),
    ];
    for algorithm in Algorithm::ALL {
        for (cap, lift, limit, highest) in cases.clone() {
            let mut config = Config::default();
            config.abr.algorithm = algorithm;
            let mut world = playing(config);
            world.run(60.0);
            let what = format!("{algorithm:?}, {limit:?}");
            assert_eq!(told(&world), [], "{what}");
            assert_eq!(world.video_since(0).last(), Some(&"high"), "{what}");
            world.give(cap);
            let video = asked(&mut world, 60.0);
            assert!(
                video.len() > 10
                    && video
                        .iter()
                        .all(|name| name == highest || highest == "mid" && name == "low"),
                "{what}: {video:?}"
            );
            assert_eq!(video.last().unwrap(), highest, "{what}");
            assert_eq!(told(&world), [(highest.to_owned(), vec![limit])], "{what}");
            world.give(lift);
            let video = asked(&mut world, 60.0);
            assert_eq!(video.last().unwrap(), "high", "{what}: {video:?}");
            assert_eq!(
                told(&world).last().unwrap(),
                &("high".to_owned(), vec![]),
                "{what}"
            );
            assert_eq!(world.errors(), Vec::<String>::new(), "{what}");
            world.give(Input::Unload);
            let events = world.beacons.iter().flat_map(|b| &b.events);
            let by: Vec<_> = events
                .filter_map(|e| match &e.event {
                    Event::Limit { by, .. } => Some(by.as_str()),
                    _ => None,
                })
                .collect();
            assert_eq!(by, [limit.name(), ""], "{what}");
            // What cannot be shown is taken out from under the playhead; everything else waits for the next segment.
            let most = if limit == Limit::Restricted { 2000 } else { 0 };
            let counters = &world.beacons.last().unwrap().counters;
            assert!(counters.rebuffer_ms <= most, "{what}: {counters:?}");
        }
    }
}

#[test]
fn caps_of_the_configuration_hold_from_the_start() {
    let mut config = Config::default();
    config.abr.preset = Preset::DataSaver;
    let mut world = playing(config.clone());
    world.run(40.0);
    assert!(world.video_since(0).iter().all(|name| *name == "low"));
    assert_eq!(told(&world), [("low".to_owned(), vec![Limit::DataSaver])]);
    // The preset is the application's, and so are the numbers over it; the viewer's wish is not.
    config.abr.max_bandwidth_kbps = Some(2500.0);
    config.abr.max_height = Some(720);
    let mut world = playing(config);
    world.run(40.0);
    assert_eq!(world.video_since(0).last(), Some(&"mid"));
    world.give(Input::Host(Host {
        save_data: true,
        ..Host::default()
    }));
    assert_eq!(asked(&mut world, 20.0).last().unwrap(), "low");
    assert_eq!(
        told(&world).last().unwrap().1,
        [Limit::Application, Limit::DataSaver]
    );
    // Unless it is not to be followed.
    let mut config = Config::default();
    config.abr.follow_save_data = false;
    let mut world = playing(config);
    world.give(Input::Host(Host {
        save_data: true,
        ..Host::default()
    }));
    world.run(40.0);
    assert_eq!(world.video_since(0).last(), Some(&"high"));
}

#[test]
fn limits_of_the_application_outlive_a_load() {
    let mut world = playing(Config::default());
    world.give(Input::Limits {
        max_bandwidth_kbps: Some(2500.0),
        max_height: None,
    });
    let from = world.fetched.len();
    world.load("https://h/manifest.mpd");
    world.play();
    world.run(40.0);
    assert!(!world.video_since(from).contains(&"high"));
}

#[test]
fn a_rendition_of_dropped_frames_is_left_and_tried_again() {
    let mut world = playing(Config::default());
    world.dropping.insert("high", 12);
    world.run(30.0);
    assert_eq!(told(&world), [("mid".to_owned(), vec![Limit::DroppedFrames])]);
    // It lasts half a minute from when the last of it was shown.
    let video = asked(&mut world, 30.0);
    assert!(video.iter().all(|name| name == "mid"), "{video:?}");
    assert_eq!(world.rendition(), Some("mid"));
    let mut at = Vec::new();
    for _ in 0..200 {
        let before = told(&world).len();
        world.run(1.0);
        if told(&world).len() > before {
            at.push(world.now.as_micros() / 1_000_000);
        }
    }
    // Lifted, capped again as soon as it is seen, and then for twice as long.
    let by: Vec<_> = told(&world).iter().map(|(_, by)| by.len()).collect();
    assert_eq!(by, [1, 0, 1, 0, 1].get(..by.len()).unwrap());
    assert!(by.len() >= 4, "{by:?} at {at:?}");
    let [lifted, capped, lifted_again] = at.get(..3).unwrap() else {
        panic!()
    };
    assert!(lifted_again - capped > 60 && capped - lifted < 60, "{at:?}");
    // Once the machine is quick enough it stays.
    world.dropping.clear();
    world.run(200.0);
    assert_eq!(world.rendition(), Some("high"));
}

#[test]
fn frames_dropped_by_a_hidden_page_or_at_double_speed_cost_nothing() {
    for hidden in [true, false] {
        let mut world = playing(Config::default());
        if hidden {
            world.give(Input::Host(Host {
                hidden,
                ..Host::default()
            }));
        } else {
            world.element.rate = 2.0;
        }
        world.dropping.insert("high", 12);
        world.run(60.0);
        assert_eq!(told(&world), []);
    }
    let mut config = Config::default();
    config.abr.max_dropped_frames = None;
    let mut world = playing(config);
    world.dropping.insert("high", 25);
    world.run(60.0);
    assert_eq!(told(&world), []);
}

#[test]
fn what_is_restricted_is_not_shown_even_if_it_is_buffered() {
    let mut world = playing(Config::default());
    world.run(40.0);
    assert_eq!(world.rendition(), Some("high"));
    world.give(Input::Restrict {
        renditions: vec!["high".into()],
    });
    world.run(3.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    for _ in 0..30 {
        assert_ne!(world.rendition(), Some("high"));
        world.run(1.0);
    }
    assert_eq!(world.errors(), Vec::<String>::new());
    // Nothing is left: it says so, and tries.
    world.give(Input::Restrict {
        renditions: vec!["low".into(), "mid".into(), "high".into()],
    });
    assert_eq!(
        world.errors(),
        ["every rendition is restricted: the lowest one is tried"]
    );
    world.run(20.0);
    assert_eq!(world.state(), PlaybackState::Playing);
    world.give(Input::Unload);
    let held = world
        .completed
        .iter()
        .filter(|r| !world.released.contains(r))
        .count();
    assert_eq!(held, 0);
}

#[test]
fn a_restriction_amid_seeks_and_appends_leaves_no_hole() {
    for delay_ms in [1, 20, 60, 130, 700, 2000, 5000] {
        let mut world = playing(Config::default());
        world.run(10.0 + f64::from(delay_ms) / 1000.0);
        world.give(Input::Restrict {
            renditions: vec!["high".into()],
        });
        world.seek(if delay_ms % 20 == 0 { 3.0 } else { 300.0 });
        world.run(0.05);
        world.give(Input::Restrict {
            renditions: vec!["mid".into()],
        });
        world.run(0.001);
        world.give(Input::Restrict {
            renditions: vec!["high".into()],
        });
        world.run(60.0);
        assert_eq!(world.state(), PlaybackState::Playing, "{delay_ms}");
        assert_eq!(world.errors(), Vec::<String>::new());
        for ranges in world.buffers.values() {
            let ahead = ranges.iter().filter(|r| r.end > world.element.position).count();
            assert_eq!(ahead, 1, "{delay_ms}: {ranges:?}");
        }
    }
}

/// Wants the highest rung, and gives it up for the lowest when few are left.
struct Fickle(Arc<Mutex<Vec<(usize, usize)>>>);

impl Abr for Fickle {
    fn name(&self) -> &str {
        "fickle"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, _: &Download) {}

    fn choose(&mut self, context: &Context<'_>) -> usize {
        context.ladder.len()
    }

    fn abandon(&mut self, context: &Context<'_>, flight: &Flight) -> Option<usize> {
        self.0.lock().unwrap().push((flight.rung, context.ladder.len()));
        (context.ladder.len() < 3).then_some(0)
    }

    fn estimate(&self) -> Option<Bitrate> {
        None
    }
}

#[test]
fn a_segment_above_a_new_cap_can_still_be_given_up() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let abr = Box::new(Fickle(Arc::clone(&asked)));
    let mut world = World::around(Player::with_abr(Config::default(), abr, Instant::ZERO));
    let url = world.serve_dash(20);
    world.load(url);
    world.play();
    world.run(1.0);
    assert_eq!(world.video_since(0), ["high"]);
    assert!(asked.lock().unwrap().iter().all(|asked| *asked == (2, 3)));
    world.give(Input::Limits {
        max_bandwidth_kbps: None,
        max_height: Some(360),
    });
    // It is shown the rung on its way beside those that are left.
    assert_eq!(asked.lock().unwrap().last(), Some(&(1, 2)));
    assert_eq!(world.video_since(0), ["high", "low"]);
}

#[test]
fn a_choice_by_hand_is_no_limit_but_bows_to_a_restriction() {
    let mut world = playing(Config::default());
    world.give(Input::Limits {
        max_bandwidth_kbps: None,
        max_height: Some(360),
    });
    world.run(10.0);
    world.give(Input::SelectRendition(Some("high".into())));
    assert!(asked(&mut world, 20.0).iter().all(|name| name == "high"));
    assert_eq!(told(&world).len(), 1);
    world.give(Input::Restrict {
        renditions: vec!["high".into()],
    });
    assert_eq!(asked(&mut world, 20.0).last().unwrap(), "low");
    world.give(Input::Restrict { renditions: vec![] });
    assert_eq!(asked(&mut world, 40.0).last().unwrap(), "high");
}

#[test]
fn a_log_with_limits_and_memory_replays_byte_for_byte() {
    let mut config = Config::default();
    config.abr.algorithm = Algorithm::Throughput;
    let mut world = World::new(config.clone());
    let url = world.serve_dash(60);
    let manifest = String::from_utf8(world.files[url].body.clone()).unwrap();
    let reference =
        "<SupplementalProperty schemeIdUri=\"urn:headgate:segments:2026\" value=\"s.json\"/><Period>";
    world
        .files
        .insert(url.into(), text(&manifest.replacen("<Period>", reference, 1)));
    world.files.insert(
        "https://h/s.json".into(),
        text("{\"version\":1,\"renditions\":[{\"dash\":\"high\",\"bytes\":[1]}]}"),
    );
    let memory = NetworkMemory {
        kbps: 1234.5678,
        spread: 0.1,
        unix_ms: world::WALL_CLOCK_MS as i64 - 1000,
    };
    world.load_remembering(url, Some(memory));
    world.play();
    world.dropping.insert("high", 20);
    world.run(30.0);
    world.give(Input::Host(Host {
        save_data: true,
        ..Host::default()
    }));
    world.give(Input::Limits {
        max_bandwidth_kbps: Some(2500.5),
        max_height: Some(720),
    });
    world.give(Input::Restrict {
        renditions: vec!["mid".into()],
    });
    world.run(90.0);
    world.give(Input::Unload);
    assert!(!world.remembered.is_empty() && told(&world).len() > 2 && world.errors().len() == 1);
    let header = player_core::record::Header::new(config, Instant::ZERO);
    let log = format!(
        "{}\n{}\n",
        serde_json::to_string(&header).unwrap(),
        world.log.join("\n")
    );
    let mut again = Vec::new();
    let replay = player_core::record::replay(log.as_bytes(), &mut again).unwrap();
    assert_eq!(replay.first_difference, None);
    assert_eq!(String::from_utf8(again).unwrap(), log);
}
