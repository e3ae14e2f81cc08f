//! Streams that are still being made: refreshes, the window, the edge, the end.
#![allow(clippy::unwrap_used)]

use crate::world;

use player_core::config::TelemetryConfig;
use player_core::output::PlayerEvent;
use player_core::telemetry::schema::PlaybackState;
use player_core::{Config, Input};
use world::{World, media, text};

/// A live playlist of the segments from `first` on, `count` of them.
fn playlist(first: i64, count: i64, ended: bool) -> String {
    let mut text = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-MAP:URI=\"init.mp4\"\n",
        first - 1
    );
    for n in first..first + count {
        text.push_str(&format!("#EXTINF:4,\nlive/{n}.m4s\n"));
    }
    if ended {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    text
}

/// A stream of one rendition whose window of `count` segments moves on by one every four seconds; it begins with segment 1.
struct Stream {
    world: World,
    count: i64,
    first: i64,
    since: f64,
}

impl Stream {
    fn new(count: i64) -> Self {
        let telemetry = TelemetryConfig {
            site: "test".into(),
            ..TelemetryConfig::default()
        };
        let mut world = World::new(Config {
            telemetry,
            ..Config::default()
        });
        world.files.insert("https://h/init.mp4".into(), media(800));
        let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS=\"avc1.64001f\"\nlive.m3u8\n";
        world.files.insert("https://h/master.m3u8".into(), text(master));
        let mut stream = Self {
            world,
            count,
            first: 1,
            since: 0.0,
        };
        stream.publish(false);
        stream
    }

    fn publish(&mut self, ended: bool) {
        let body = playlist(self.first, self.count, ended);
        self.world.files.insert("https://h/live.m3u8".into(), text(&body));
        let newest = self.first + self.count - 1;
        for n in newest - self.count + 1..=newest {
            self.world
                .files
                .entry(format!("https://h/live/{n}.m4s"))
                .or_insert_with(|| media(400_000));
        }
        self.world
            .files
            .remove(&format!("https://h/live/{}.m4s", self.first - 3));
    }

    fn run(&mut self, seconds: f64) {
        for _ in 0..(seconds * 4.0) as usize {
            self.world.run(0.25);
            self.since += 0.25;
            if self.since >= 4.0 {
                self.since -= 4.0;
                self.first += 1;
                self.publish(false);
            }
        }
    }

    fn position(&self) -> f64 {
        self.world.element.position.as_secs_f64()
    }

    /// End of what is published.
    fn end(&self) -> f64 {
        ((self.first + self.count - 1) * 4) as f64
    }
}

fn played(count: i64) -> Stream {
    let mut stream = Stream::new(count);
    stream.world.load("https://h/master.m3u8");
    stream.run(0.5);
    stream.world.play();
    stream.run(5.0);
    stream
}

#[test]
fn beacons_tell_the_latency_of_a_live_stream() {
    let mut stream = played(8);
    stream.run(60.0);
    let last = stream.world.beacons.last().unwrap();
    let counters = &last.counters;
    assert!(counters.played_ms > 50_000, "{counters:?}");
    // All but the moment before the first look at the playhead.
    assert!(
        counters.played_ms - counters.latency_played_ms < 500,
        "{counters:?}"
    );
    let mean_ms = counters.latency_ms_played_ms / counters.latency_played_ms;
    assert!((8_000..=16_500).contains(&mean_ms), "{mean_ms}");
    assert!((8_000..=16_500).contains(&last.latency_ms.unwrap()), "{last:?}");
}

#[test]
fn a_live_stream_begins_three_segments_behind_its_edge_and_goes_on() {
    let mut stream = played(8);
    assert_eq!(
        stream.world.state(),
        PlaybackState::Playing,
        "{:?}",
        stream.world.errors()
    );
    let live = stream.world.events.iter().any(|e| {
        matches!(
            e,
            PlayerEvent::Loaded {
                live: true,
                duration: None,
                ..
            }
        )
    });
    assert!(live);
    let behind = stream.end() - stream.position();
    assert!((8.0..=16.5).contains(&behind), "{behind} s behind the edge");
    stream.run(600.0);
    assert_eq!(
        stream.world.state(),
        PlaybackState::Playing,
        "{:?}",
        stream.world.errors()
    );
    let behind = stream.end() - stream.position();
    assert!((8.0..=16.5).contains(&behind), "{behind} s behind the edge");
    let windows = stream
        .world
        .events
        .iter()
        .filter(|e| matches!(e, PlayerEvent::Live { .. }))
        .count();
    assert!((100..=200).contains(&windows), "{windows} windows");
    // Each version is asked for once, or twice where it was early.
    let asked = stream
        .world
        .fetched
        .iter()
        .filter(|url| url.ends_with("live.m3u8"))
        .count();
    assert!((140..=320).contains(&asked), "{asked} refreshes");
    assert!(stream.world.errors().is_empty(), "{:?}", stream.world.errors());
}

#[test]
fn it_can_be_seeked_in_and_ends() {
    let mut stream = played(20);
    stream.world.seek(10.0);
    stream.run(3.0);
    assert_eq!(
        stream.world.state(),
        PlaybackState::Playing,
        "{:?}",
        stream.world.errors()
    );
    assert!((10.0..15.0).contains(&stream.position()));
    let end = stream.end();
    stream.world.seek(end - 6.0);
    stream.publish(true);
    stream.world.run(20.0);
    assert_eq!(
        stream.world.state(),
        PlaybackState::Ended,
        "{:?}",
        stream.world.errors()
    );
    assert_eq!(stream.world.duration.as_secs_f64(), end);
}

#[test]
fn a_pause_beyond_the_window_goes_on_inside_it() {
    let mut stream = played(6);
    stream.world.pause();
    stream.run(120.0);
    stream.world.play();
    // What is buffered is still played.
    stream.run(40.0);
    assert_eq!(
        stream.world.state(),
        PlaybackState::Playing,
        "{:?}",
        stream.world.errors()
    );
    let start = stream.end() - 24.0;
    assert!(
        stream.position() >= start - 8.0,
        "{} before the window's {start}",
        stream.position()
    );
}

#[test]
fn a_stream_that_is_stuck_is_named_and_goes_on_when_it_does() {
    let mut stream = played(6);
    stream.world.run(40.0);
    assert_eq!(stream.world.state(), PlaybackState::Rebuffering);
    let told = stream
        .world
        .errors()
        .iter()
        .filter(|e| e.contains("has had nothing new"))
        .count();
    assert_eq!(told, 1, "{:?}", stream.world.errors());
    stream.first += 3;
    stream.publish(false);
    stream.run(20.0);
    assert_eq!(
        stream.world.state(),
        PlaybackState::Playing,
        "{:?}",
        stream.world.errors()
    );
}

#[test]
fn numbers_that_start_over_do_not_stop_it() {
    let mut stream = played(6);
    // The origin was restarted: its numbers and its files begin anew.
    let body = playlist(1, 6, false).replace("#EXT-X-MAP", "#EXT-X-DISCONTINUITY-SEQUENCE:7\n#EXT-X-MAP");
    stream
        .world
        .files
        .insert("https://h/live.m3u8".into(), text(&body));
    stream.world.run(6.0);
    assert!(
        stream
            .world
            .errors()
            .iter()
            .any(|e| e.contains("does not continue")),
        "{:?}",
        stream.world.errors()
    );
    assert!(!stream.world.errors().iter().any(|e| e.starts_with("fatal")));
}

#[test]
fn a_playlist_that_cannot_be_had_for_a_while_costs_nothing() {
    let mut stream = played(10);
    stream.world.once.insert(
        "https://h/live.m3u8".into(),
        vec![world::status(503), world::status(404)],
    );
    stream.run(30.0);
    assert_eq!(
        stream.world.state(),
        PlaybackState::Playing,
        "{:?}",
        stream.world.errors()
    );
    stream.world.give(Input::Unload);
}

#[test]
fn a_live_mpd_is_followed_by_its_list_and_by_the_clock() {
    for by_clock in [true, false] {
        let mut world = World::new(Config::default());
        let start = world::WALL_CLOCK_MS - 100_000;
        let stamp = |ms: u64| {
            player_core::manifest::datetime::format(player_core::time::WallTime::from_unix_micros(
                ms as i64 * 1000,
            ))
        };
        let template = |segments: u64| {
            if by_clock {
                "<SegmentTemplate duration='4' startNumber='1' media='live/$Number$.m4s'/>".to_owned()
            } else {
                format!(
                    "<SegmentTemplate startNumber='1' media='live/$Number$.m4s'><SegmentTimeline><S t='0' d='4' r='{}'/></SegmentTimeline></SegmentTemplate>",
                    segments - 1
                )
            }
        };
        let mpd = |segments: u64| {
            format!(
                "<MPD type='dynamic' availabilityStartTime='{}' minimumUpdatePeriod='PT4S' timeShiftBufferDepth='PT60S'><Period id='p' start='PT0S'>\
                 <AdaptationSet mimeType='video/mp4' codecs='avc1.64001f'>{}<Representation id='v' bandwidth='800000'/></AdaptationSet></Period></MPD>",
                stamp(start),
                template(segments)
            )
        };
        world.files.insert("https://h/live.mpd".into(), text(&mpd(25)));
        for n in 1..=25 {
            world
                .files
                .insert(format!("https://h/live/{n}.m4s"), media(400_000));
        }
        world.load("https://h/live.mpd");
        world.run(0.5);
        world.play();
        for second in 1..=60_u64 {
            world.run(1.0);
            if second % 4 == 0 {
                let newest = 25 + second / 4;
                world
                    .files
                    .insert("https://h/live.mpd".into(), text(&mpd(newest)));
                world
                    .files
                    .insert(format!("https://h/live/{newest}.m4s"), media(400_000));
            }
        }
        assert_eq!(
            world.state(),
            PlaybackState::Playing,
            "{by_clock} {:?}",
            world.errors()
        );
        let behind = 100.0 + 61.0 - world.element.position.as_secs_f64();
        assert!((8.0..=20.0).contains(&behind), "{by_clock}: {behind} s behind");
        // Half a second late, each of them; by the clock they are asked for before.
        let errors = world.errors();
        assert!(
            errors.iter().all(|e| by_clock && e.contains("404")),
            "{by_clock}: {errors:?}"
        );
    }
}
