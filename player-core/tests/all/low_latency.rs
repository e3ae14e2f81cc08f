//! Low-latency HLS: parts, what is announced, playlists that are held, the distance to the edge.
#![allow(clippy::unwrap_used)]

use player_core::Config;
use player_core::telemetry::schema::PlaybackState;

use crate::world::World;
use crate::world::low_latency::LowLatency;

struct Stream {
    world: World,
}

impl Stream {
    fn with(config: Config, live: LowLatency) -> Self {
        Self::of("https://h/ll/master.m3u8", config, live)
    }

    fn of(url: &str, config: Config, live: LowLatency) -> Self {
        let mut world = World::new(config);
        world.low_latency = Some(live);
        world.load(url);
        world.play();
        Self { world }
    }

    fn new() -> Self {
        Self::with(Config::default(), LowLatency::default())
    }

    /// How far the playhead is behind the last part that is there, seconds.
    fn behind(&self) -> f64 {
        let live = self.world.low_latency.as_ref().expect("a stream");
        live.edge_s(self.world.now) - self.world.element.position.as_secs_f64()
    }

    fn halts(&self) -> usize {
        let states = self.world.events.iter().filter(|event| {
            matches!(
                event,
                player_core::output::PlayerEvent::State {
                    state: PlaybackState::Rebuffering,
                    ..
                }
            )
        });
        states.count()
    }
}

/// The video that was fetched: rendition, segment, and part if it was one.
fn video(world: &World) -> Vec<(f64, String, i64, Option<i64>)> {
    let media = world.fetches.iter().filter_map(|(at, fetch)| {
        let (name, file) = fetch.url.strip_prefix("https://h/ll/")?.split_once('/')?;
        let numbers: Vec<i64> = file.split('.').filter_map(|n| n.parse().ok()).collect();
        let seconds = at.as_micros() as f64 / 1e6;
        (name != "audio").then_some((
            seconds,
            name.to_owned(),
            *numbers.first()?,
            numbers.get(1).copied(),
        ))
    });
    media.collect()
}

fn playlists(world: &World) -> Vec<&str> {
    let urls = world.fetched.iter().map(String::as_str);
    urls.filter(|url| url.contains(".m3u8")).collect()
}

#[test]
fn it_is_played_by_parts_near_its_edge() {
    let mut stream = Stream::new();
    stream.world.run(20.0);
    assert_eq!(stream.world.errors(), Vec::<String>::new());
    assert_eq!(stream.halts(), 0);
    assert!((1.0..2.1).contains(&stream.behind()), "{}", stream.behind());
    let live = LowLatency::default();
    let fetched = video(&stream.world);
    assert!(fetched.len() > 35, "{}", fetched.len());
    for (at, _, segment, part) in &fetched {
        // Once it plays every part is asked for before it is there.
        let part = part.expect("a part");
        let made = live.made(player_core::Instant::from_micros((at * 1e6) as u64));
        assert!(
            *at < 2.0 || (segment - 1) * 8 + part >= made,
            "{segment}.{part} at {at}"
        );
    }
    // One version a part and playlist, of what is new alone.
    let asked = playlists(&stream.world);
    assert!(asked.len() < 2 * 44, "{}", asked.len());
    assert!(asked.contains(&"https://h/ll/audio.m3u8?_HLS_msn=7&_HLS_part=3&_HLS_skip=YES"));
}

#[test]
fn a_rendition_is_changed_only_where_decoding_can_begin() {
    for kbps in [400.0, 1500.0, 2600.0, 4000.0, 7000.0] {
        let mut stream = Stream::new();
        stream.world.bps = kbps * 1000.0;
        stream.world.run(60.0);
        let fetched = video(&stream.world);
        for pair in fetched.windows(2) {
            let ((_, before, ..), (at, name, segment, part)) = (&pair[0], &pair[1]);
            let begins = part.is_none() || *part == Some(0);
            assert!(
                begins || before == name,
                "{name} {segment}.{part:?} after {before} at {at}, {kbps}"
            );
        }
        let names: std::collections::BTreeSet<_> =
            fetched.iter().map(|(_, name, ..)| name.as_str()).collect();
        assert!(kbps < 1000.0 || names.len() > 1, "{kbps} {names:?}");
    }
}

#[test]
fn delta_updates_are_taken() {
    let live = LowLatency {
        skips: true,
        ..LowLatency::default()
    };
    let mut stream = Stream::with(Config::default(), live);
    stream.world.run(60.0);
    assert_eq!(stream.world.errors(), Vec::<String>::new());
    assert_eq!(stream.halts(), 0);
    assert!((1.0..2.1).contains(&stream.behind()), "{}", stream.behind());
}

#[test]
fn a_server_that_does_not_hold_its_answers_is_not_asked_without_a_pause() {
    let live = LowLatency {
        never_blocks: true,
        ..LowLatency::default()
    };
    let mut stream = Stream::with(Config::default(), live);
    stream.world.run(20.0);
    assert_eq!(stream.halts(), 0);
    assert!(stream.behind() < 3.0, "{}", stream.behind());
    let asked = playlists(&stream.world).len();
    assert!(asked < 220, "{asked}");
}

#[test]
fn a_part_that_was_announced_and_never_comes_costs_little() {
    let live = LowLatency {
        lies: true,
        ..LowLatency::default()
    };
    let mut stream = Stream::with(Config::default(), live);
    stream.world.run(30.0);
    assert_eq!(stream.world.state(), PlaybackState::Playing);
    assert!(stream.halts() < 3, "{}", stream.halts());
    assert!(
        stream.behind() < 5.0,
        "{} {:?}",
        stream.behind(),
        stream.world.errors()
    );
}

#[test]
fn the_end_of_the_stream_is_played_to() {
    let live = LowLatency {
        stops_at: Some(player_core::Instant::from_micros(22_600_000)),
        ends: true,
        ..LowLatency::default()
    };
    let mut stream = Stream::with(Config::default(), live);
    stream.world.run(40.0);
    assert_eq!(stream.world.errors(), Vec::<String>::new());
    assert_eq!(stream.world.state(), PlaybackState::Ended);
    assert_eq!(stream.world.element.rate, 1.0);
}

#[test]
fn what_was_lost_is_caught_up_with() {
    let mut stream = Stream::new();
    stream.world.run(10.0);
    let usual = stream.behind();
    stream.world.bps = 300_000.0;
    stream.world.run(3.0);
    stream.world.bps = 20e6;
    stream.world.run(6.0);
    let lost = stream.behind();
    assert!(lost > usual + 0.5, "{usual} {lost}");
    assert!(stream.world.element.rate > 1.0);
    stream.world.run(60.0);
    assert!(stream.behind() < usual + 0.8, "{usual} {}", stream.behind());
    stream.world.run(120.0);
    assert!(
        (stream.behind() - usual).abs() < 0.6,
        "{usual} {}",
        stream.behind()
    );
}

#[test]
fn a_viewer_who_went_back_is_left_alone_until_they_are_live_again() {
    let mut stream = Stream::new();
    stream.world.run(10.0);
    stream.world.seek(5.0);
    stream.world.run(5.0);
    let there = stream.world.element.position.as_secs_f64();
    assert!((9.0..10.5).contains(&there), "{there}");
    assert_eq!(stream.world.element.rate, 1.0);
    let edge = stream
        .world
        .low_latency
        .as_ref()
        .unwrap()
        .edge_s(stream.world.now);
    stream.world.seek(edge - 2.5);
    stream.world.run(30.0);
    assert!(stream.behind() < 2.3, "{}", stream.behind());
}

#[test]
fn far_behind_the_playhead_jumps() {
    let mut stream = Stream::new();
    stream.world.run(10.0);
    stream.world.is_silent = true;
    stream.world.run(14.0);
    stream.world.is_silent = false;
    stream.world.run(30.0);
    assert_eq!(stream.world.state(), PlaybackState::Playing);
    assert!(
        stream.behind() < 5.0,
        "{} {:?}",
        stream.behind(),
        stream.world.errors()
    );
}

#[test]
fn segments_of_an_mpd_are_played_as_they_are_made() {
    let mut stream = Stream::of(
        "https://h/ll/manifest.mpd",
        Config::default(),
        LowLatency::default(),
    );
    stream.world.run(60.0);
    assert_eq!(stream.world.errors(), Vec::<String>::new());
    assert_eq!(stream.halts(), 0);
    // The last part is half a second long, and the playhead two seconds behind the clock.
    assert!((1.2..2.2).contains(&stream.behind()), "{}", stream.behind());
    // The chunks say how fast the network is, though a segment takes as long as it lasts.
    let fetched = video(&stream.world);
    let high = fetched.iter().filter(|(_, name, ..)| name == "high").count();
    assert!(high > 12, "{high}");
}
