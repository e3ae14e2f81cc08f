//! Live streams that go by the clock, where the client's clock does not.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::Config;
use player_core::input::{Headers, Input, Load};
use player_core::manifest::datetime;
use player_core::output::{Method, RequestKind};
use player_core::telemetry::schema::PlaybackState;
use player_core::time::WallTime;
use world::{Reply, WALL_CLOCK_MS, World, media, status, text};

use crate::world;

/// Seconds of the stream that there are at the start.
const AGE_S: u64 = 400;
const HOUR_MS: i64 = 3_600_000;

fn date(ms: u64) -> String {
    datetime::format(WallTime::from_unix_micros(ms as i64 * 1000))
}

/// A stream whose client's clock is off, and what says what time it is.
fn live(off_ms: i64, timing: &str) -> World {
    let mut world = World::new(Config::default());
    let start = date(WALL_CLOCK_MS - AGE_S * 1000);
    let mpd = format!(
        "<MPD type=\"dynamic\" availabilityStartTime=\"{start}\" minimumUpdatePeriod=\"PT10S\" timeShiftBufferDepth=\"PT60S\" \
         suggestedPresentationDelay=\"PT12S\">{timing}<Period id=\"p\" start=\"PT0S\"><AdaptationSet contentType=\"video\" \
         mimeType=\"video/mp4\" codecs=\"avc1.64001f\"><SegmentTemplate timescale=\"1000\" duration=\"4000\" \
         media=\"v/$Number$.m4s\" initialization=\"v/init.mp4\"/><Representation id=\"v\" bandwidth=\"800000\"/>\
         </AdaptationSet></Period></MPD>"
    );
    world.files.insert("https://h/live.mpd".into(), text(&mpd));
    world.files.insert("https://h/v/init.mp4".into(), media(800));
    let load = Load {
        url: "https://h/live.mpd".into(),
        wall_clock_ms: WALL_CLOCK_MS.saturating_add_signed(off_ms),
        ..Load::default()
    };
    serve(&mut world);
    world.give(Input::Load(load));
    world.play();
    world
}

/// What the server has now, and the time that it says.
fn serve(world: &mut World) {
    let now_ms = world.now.as_micros() / 1000;
    for n in 1..=(AGE_S + now_ms / 1000) / 4 {
        world
            .files
            .entry(format!("https://h/v/{n}.m4s"))
            .or_insert_with(|| media(400_000));
    }
    let now_ms = WALL_CLOCK_MS + now_ms;
    world.files.insert("https://t/iso".into(), text(&date(now_ms)));
    let head = Reply {
        headers: Headers {
            date_ms: Some(now_ms / 1000 * 1000),
            ..Headers::default()
        },
        ..text("")
    };
    world.files.insert("https://t/head".into(), head);
}

fn run(world: &mut World, seconds: usize) {
    for _ in 0..seconds * 4 {
        world.run(0.25);
        serve(world);
    }
}

/// How far the playhead is behind what the server has, seconds.
fn behind(world: &World) -> f64 {
    AGE_S as f64 + world.now.as_micros() as f64 / 1e6 - world.element.position.as_secs_f64()
}

#[test]
fn a_clock_that_is_hours_off_does_not_matter() {
    let iso = "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"https://t/iso\"/>";
    let head = "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-head:2014\" value=\"https://t/head\"/>";
    let direct = format!(
        "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:direct:2014\" value=\"{}\"/>",
        date(WALL_CLOCK_MS)
    );
    for timing in [iso, head, &direct] {
        for off_ms in [5 * HOUR_MS, 0, -5 * HOUR_MS, -(WALL_CLOCK_MS as i64)] {
            let mut world = live(off_ms, timing);
            run(&mut world, 60);
            assert_eq!(
                world.state(),
                PlaybackState::Playing,
                "{off_ms} {timing}: {:?}",
                world.errors()
            );
            assert_eq!(world.errors(), Vec::<String>::new(), "{off_ms} {timing}");
            assert!(
                (10.0..20.0).contains(&behind(&world)),
                "{off_ms} {timing}: {}",
                behind(&world)
            );
        }
    }
}

#[test]
fn the_time_is_asked_for_with_the_right_method_and_not_too_often() {
    let timing = "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:ntp:2014\" value=\"t\"/>\
                  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-head:2014\" value=\"https://t/head\"/>";
    let mut world = live(HOUR_MS, timing);
    run(&mut world, 120);
    assert_eq!(
        world.errors().len(),
        1,
        "the source that is not used: {:?}",
        world.errors()
    );
    let asked: Vec<_> = world
        .fetches
        .iter()
        .filter(|(_, fetch)| fetch.kind == RequestKind::Clock)
        .collect();
    assert_eq!(asked.len(), 3);
    assert!(
        asked
            .iter()
            .all(|(_, fetch)| fetch.method == Method::Head && fetch.url == "https://t/head")
    );
}

#[test]
fn a_source_that_fails_makes_room_for_the_next_one() {
    let timing = "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"https://t/gone https://t/silent\"/>\
                  <UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-xsdate:2014\" value=\"https://t/iso\"/>";
    let mut world = live(3 * HOUR_MS, timing);
    world.files.insert("https://t/gone".into(), status(404));
    let silent = Reply {
        silent: true,
        ..media(0)
    };
    world.files.insert("https://t/silent".into(), silent);
    run(&mut world, 60);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    assert!((10.0..20.0).contains(&behind(&world)), "{}", behind(&world));
    // None at all: the client's own clock is as good as it is.
    let timing = "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"https://t/gone\"/>";
    let mut world = live(0, timing);
    world.files.insert("https://t/gone".into(), status(404));
    run(&mut world, 60);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
}
