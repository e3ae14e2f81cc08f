//! Fast-forward and rewind with the pictures of an I-frame playlist.
#![allow(clippy::unwrap_used)]

use crate::world::{World, media, status, text};
use player_core::input::{Input, Integrity};
use player_core::output::PlayerEvent;
use player_core::telemetry::schema::PlaybackState;
use player_core::{Config, MediaTime};

/// Plays a minute of four for ten seconds; there is a picture each four seconds.
fn playing() -> World {
    let mut world = World::new(Config::default());
    world.bps = 20e6;
    let url = world.serve_hls(60);
    let mut list =
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"iframe/init.mp4\"\n"
            .to_owned();
    for n in 1..=60 {
        list.push_str(&format!("#EXTINF:4,\niframe/{n}.m4s\n"));
        world
            .files
            .insert(format!("https://h/iframe/{n}.m4s"), media(20_000));
    }
    list.push_str("#EXT-X-ENDLIST\n");
    world.files.insert("https://h/iframe/init.mp4".into(), media(800));
    world.files.insert("https://h/iframes.m3u8".into(), text(&list));
    let pictures = "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100000,CODECS=\"avc1.64001f\",RESOLUTION=640x360,URI=\"iframes.m3u8\"\n";
    let master = world.files.get_mut(url).unwrap();
    master.body.extend_from_slice(pictures.as_bytes());
    master.bytes = master.body.len() as u64;
    world.load(url);
    world.play();
    world.run(10.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    world
}

fn rates(world: &World) -> Vec<f64> {
    let rate = |event: &PlayerEvent| match event {
        PlayerEvent::Scan { rate } => Some(*rate),
        _ => None,
    };
    world.events.iter().filter_map(rate).collect()
}

/// Numbers of the pictures that were fetched since `from` requests.
fn pictures(world: &World, from: usize) -> Vec<u32> {
    let names = world.fetched[from..].iter();
    let names = names.filter_map(|url| url.strip_prefix("https://h/iframe/")?.strip_suffix(".m4s"));
    names.map(|n| n.parse().unwrap()).collect()
}

fn is_at(world: &World, from_s: f64, to_s: f64) {
    let at = world.element.position.as_secs_f64();
    assert!((from_s..=to_s).contains(&at), "at {at} s");
}

fn ends_clean(mut world: World) {
    world.give(Input::Unload);
    let mut open = world
        .completed
        .iter()
        .filter(|request| !world.released.contains(request));
    assert_eq!(open.next(), None);
}

#[test]
fn forward_and_on_from_there() {
    let mut world = playing();
    let before = world.fetched.len();
    world.give(Input::Scan(16.0));
    world.run(5.0);
    assert_eq!(world.state(), PlaybackState::Seeking);
    // 80 seconds in 5.
    is_at(&world, 80.0, 92.0);
    let shown = pictures(&world, before);
    assert!((15..=21).contains(&shown.len()), "{shown:?}");
    assert!(shown.is_sorted(), "{shown:?}");
    let once = |end: &str| {
        world.fetched[before..]
            .iter()
            .filter(|url| url.ends_with(end))
            .count()
    };
    assert_eq!((once("/iframes.m3u8"), once("/iframe/init.mp4")), (1, 1));
    assert_eq!(
        world.fetched.len() - before,
        shown.len() + 2,
        "nothing else is fetched"
    );

    world.give(Input::Scan(32.0));
    world.run(2.0);
    is_at(&world, 140.0, 156.0);
    let scanned = world.fetched.len();
    let at = world.element.position.as_secs_f64();
    world.give(Input::Scan(0.0));
    world.run(3.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    is_at(&world, at + 1.0, at + 3.1);
    assert!(pictures(&world, scanned).is_empty());
    assert_eq!(rates(&world), [16.0, 32.0, 0.0]);
    assert!(world.errors().is_empty(), "{:?}", world.errors());
    ends_clean(world);
}

#[test]
fn backward_to_the_beginning_and_forward_to_the_end() {
    let mut world = playing();
    world.seek(100.0);
    world.run(5.0);
    let before = world.fetched.len();
    world.give(Input::Scan(-32.0));
    world.run(2.0);
    is_at(&world, 36.0, 48.0);
    world.run(6.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    assert_eq!(rates(&world), [-32.0, 0.0]);
    is_at(&world, 1.0, 8.0);
    let shown = pictures(&world, before);
    assert!(shown.iter().rev().is_sorted() && shown.contains(&1), "{shown:?}");

    world.give(Input::Scan(100.0));
    world.run(10.0);
    assert_eq!(rates(&world), [-32.0, 0.0, 100.0, 0.0]);
    assert_eq!(world.state(), PlaybackState::Ended, "{:?}", world.errors());
    ends_clean(world);
}

#[test]
fn a_seek_ends_it_and_counts() {
    let mut world = playing();
    world.give(Input::Scan(8.0));
    world.run(3.0);
    world.seek(200.0);
    world.run(3.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    assert_eq!(rates(&world), [8.0, 0.0]);
    is_at(&world, 201.0, 203.1);
    // Before it has begun, too.
    world.give(Input::Scan(8.0));
    world.seek(20.0);
    world.run(3.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    is_at(&world, 21.0, 23.1);
    ends_clean(world);
}

#[test]
fn a_paused_element_stays_paused() {
    let mut world = playing();
    world.pause();
    world.give(Input::Scan(16.0));
    world.run(3.0);
    is_at(&world, 48.0, 62.0);
    world.give(Input::Scan(0.0));
    world.run(3.0);
    assert_eq!(world.state(), PlaybackState::Paused, "{:?}", world.errors());
    is_at(&world, 48.0, 62.0);
    ends_clean(world);
}

#[test]
fn without_pictures_or_where_they_cannot_be_had_playback_goes_on() {
    let mut world = World::new(Config::default());
    let url = world.serve_hls(60);
    world.load(url);
    world.play();
    world.run(10.0);
    world.give(Input::Scan(16.0));
    world.run(2.0);
    assert_eq!(world.state(), PlaybackState::Playing);
    assert_eq!(rates(&world), [16.0, 0.0]);
    assert!(
        world.errors().last().unwrap().contains("no pictures"),
        "{:?}",
        world.errors()
    );
    is_at(&world, 10.0, 13.0);

    let mut world = playing();
    for (url, reply) in &mut world.files {
        if url.contains("/iframe/") && url.ends_with(".m4s") {
            *reply = status(404);
        }
    }
    world.give(Input::Scan(16.0));
    world.run(60.0);
    assert_eq!(rates(&world), [16.0, 0.0]);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    assert!(world.element.position > MediaTime::from_millis(40_000));
    // Pictures in a transport stream: the source is not even opened anew.
    let mut world = playing();
    for (url, reply) in &mut world.files {
        if url.contains("/iframe/") && url.ends_with(".m4s") {
            reply.integrity = Integrity::Foreign("G@".into());
        }
    }
    world.give(Input::Scan(16.0));
    world.run(5.0);
    assert_eq!(rates(&world), [16.0, 0.0]);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    is_at(&world, 14.0, 16.0);
    assert!(
        world.errors().last().unwrap().contains("no fragmented MP4"),
        "{:?}",
        world.errors()
    );
    ends_clean(world);
    // Nothing to scan yet, and rates that are none.
    let mut world = playing();
    for rate in [0.0, f64::NAN, f64::INFINITY] {
        world.give(Input::Scan(rate));
    }
    world.run(1.0);
    assert!(rates(&world).is_empty());
    ends_clean(world);
}
