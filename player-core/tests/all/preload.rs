//! The next presentation is loaded ahead.
#![allow(clippy::unwrap_used)]

use crate::world;

use player_core::input::{Input, Load, MediaState};
use player_core::output::PlayerEvent;
use player_core::telemetry::schema::PlaybackState;
use player_core::{Config, MediaTime};
use world::{World, media, text};

/// Serves a second stream, and plays the first one to where there is the time for it.
fn preloading(there: bool) -> World {
    let mut world = World::new(Config::default());
    let first = world.serve_hls(20);
    for n in 1..=10 {
        world
            .files
            .insert(format!("https://n/video/{n}.m4s"), media(300_000));
    }
    world.files.insert("https://n/init.mp4".into(), media(800));
    let mut list = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"init.mp4\"\n".to_owned();
    for n in 1..=10 {
        list.push_str(&format!("#EXTINF:4,\nvideo/{n}.m4s\n"));
    }
    list.push_str("#EXT-X-ENDLIST\n");
    world.files.insert("https://n/list.m3u8".into(), text(&list));
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS=\"avc1.64001f\"\nlist.m3u8\n";
    world.files.insert("https://n/next.m3u8".into(), text(master));
    if !there {
        world.files.remove("https://n/next.m3u8");
    }
    world.load(first);
    world.play();
    world.give(Input::Preload(Some(load(None))));
    world
}

fn load(start: Option<MediaTime>) -> Load {
    Load {
        url: "https://n/next.m3u8".into(),
        start,
        ..Load::default()
    }
}

fn of_next(world: &World) -> Vec<&str> {
    let fetched = world
        .fetched
        .iter()
        .filter_map(|url| url.strip_prefix("https://n/"));
    fetched.collect()
}

#[test]
fn it_waits_for_its_turn_and_plays_from_what_it_has() {
    let mut world = preloading(true);
    assert_eq!(
        of_next(&world),
        ["next.m3u8"],
        "before there is enough of the first one"
    );
    world.run(40.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    assert_eq!(
        of_next(&world),
        ["next.m3u8", "list.m3u8", "init.mp4", "video/1.m4s", "video/2.m4s"]
    );
    let loaded = |world: &World| {
        world
            .events
            .iter()
            .filter(|e| matches!(e, PlayerEvent::Loaded { .. }))
            .count()
    };
    assert_eq!(loaded(&world), 1);
    world.element.position = MediaTime::ZERO;
    world.give(Input::Load(load(None)));
    world.run(0.2);
    assert_eq!(loaded(&world), 2);
    world.play();
    world.run(38.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    world.run(5.0);
    assert_eq!(world.state(), PlaybackState::Ended, "{:?}", world.errors());
    let once = of_next(&world)
        .iter()
        .filter(|url| **url == "video/1.m4s")
        .count();
    assert_eq!(once, 1);
    world.give(Input::Unload);
    assert!(
        world
            .completed
            .iter()
            .all(|request| world.released.contains(request))
    );
}

#[test]
fn another_start_or_another_stream_is_loaded_as_it_would_be() {
    let mut world = preloading(true);
    world.run(40.0);
    world.element.position = MediaTime::ZERO;
    world.give(Input::Load(load(Some(MediaTime::from_millis(20_000)))));
    world.run(0.5);
    world.play();
    world.run(5.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    assert!(world.element.position >= MediaTime::from_millis(20_000));

    let mut world = preloading(true);
    world.run(40.0);
    world.load("https://h/master.m3u8");
    world.play();
    world.run(10.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    world.give(Input::Unload);
    assert!(
        world
            .completed
            .iter()
            .all(|request| world.released.contains(request))
    );
}

#[test]
fn it_is_there_after_the_first_one_is_unloaded_and_can_be_dropped() {
    let mut world = preloading(true);
    world.run(20.0);
    world.give(Input::Unload);
    world.run(5.0);
    let before = of_next(&world).len();
    assert_eq!(before, 5, "{:?}", of_next(&world));
    world.element = MediaState::default();
    world.give(Input::Load(load(None)));
    world.play();
    world.run(1.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    let mut fetched = of_next(&world);
    fetched.sort_unstable();
    fetched.dedup();
    assert_eq!(fetched.len(), of_next(&world).len(), "{fetched:?} came twice");

    let mut world = preloading(true);
    world.run(40.0);
    assert_eq!(of_next(&world).len(), 5);
    let asked = world.fetched.len();
    world.give(Input::Preload(None));
    world.run(10.0);
    assert!(
        !world.fetched[asked..]
            .iter()
            .any(|url| url.starts_with("https://n/"))
    );
    world.give(Input::Unload);
    assert!(
        world
            .completed
            .iter()
            .all(|request| world.released.contains(request))
    );
}

#[test]
fn it_may_be_the_first_thing_that_is_asked_for() {
    let mut first = World::new(Config::default());
    first.files = preloading(true).files;
    first.give(Input::Preload(Some(load(None))));
    first.run(3.0);
    assert_eq!(of_next(&first).len(), 5, "{:?}", of_next(&first));
    assert!(first.events.is_empty() && first.beacons.is_empty());
    first.give(Input::Load(load(None)));
    first.play();
    first.run(0.1);
    assert_eq!(first.state(), PlaybackState::Playing, "{:?}", first.errors());
}

#[test]
fn one_that_cannot_be_loaded_says_so_when_it_is_played() {
    let mut world = preloading(false);
    world.run(60.0);
    assert!(world.errors().is_empty(), "{:?}", world.errors());
    world.give(Input::Load(load(None)));
    world.run(1.0);
    assert_eq!(world.state(), PlaybackState::Failed);
}
