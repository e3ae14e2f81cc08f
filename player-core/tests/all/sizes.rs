//! Sizes and qualities of the segments to come: from a table, from declared bitrates, from neither.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use player_core::abr::{Abr, Context, Download, Flight, Progress};
use player_core::config::{Config, TelemetryConfig};
use player_core::telemetry::schema::PlaybackState;
use player_core::{Bitrate, Instant, Player};
use world::{LADDER, Reply, World, media, status, text};

use crate::world;

/// For each time that it was asked: bytes and quality of the first two segments to come, by rung.
type Asked = Arc<Mutex<Vec<Vec<[(Option<u64>, Option<f64>); 2]>>>>;

/// Always chooses the same rung and notes what it is told.
struct Spy(usize, Asked);

impl Abr for Spy {
    fn name(&self) -> &str {
        "spy"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, _: &Download) {}

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let rungs = 0..context.ladder.len();
        let of = |rung, ahead| {
            (
                context.upcoming.bytes(rung, ahead),
                context.upcoming.quality(rung, ahead),
            )
        };
        let seen = rungs.map(|rung| [of(rung, 0), of(rung, 1)]).collect();
        self.1.lock().unwrap().push(seen);
        self.0
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        None
    }
}

const SEGMENTS: usize = 20;
const HLS_REFERENCE: &str =
    "#EXT-X-SESSION-DATA:DATA-ID=\"dev.headgate.segments\",URI=\"t/segments.json?k=1\"\n";
const DASH_REFERENCE: &str =
    "<SupplementalProperty schemeIdUri=\"urn:headgate:segments:2026\" value=\"t/segments.json?k=1\"/>";

/// A table of the sizes that the segments have and of made-up qualities.
fn table(world: &World) -> String {
    let mut rows = Vec::new();
    for (name, ..) in LADDER {
        let bytes: Vec<_> = (1..=SEGMENTS)
            .map(|n| world.segment_bytes(name, n).to_string())
            .collect();
        let quality: Vec<_> = (1..=SEGMENTS).map(|n| (n * 4).to_string()).collect();
        rows.push(format!(
            "{{\"hls\":\"../{name}.m3u8\",\"dash\":\"{name}\",\"bytes\":[{}],\"quality\":[{}]}}",
            bytes.join(","),
            quality.join(",")
        ));
    }
    format!("{{\"version\":1,\"renditions\":[{}]}}", rows.join(","))
}

fn world(dash: bool, table_reply: impl FnOnce(&World) -> Reply) -> (World, Asked) {
    let asked = Asked::default();
    let config = Config {
        telemetry: TelemetryConfig {
            site: "test".into(),
            ..TelemetryConfig::default()
        },
        ..Config::default()
    };
    let spy = Box::new(Spy(1, Arc::clone(&asked)));
    let mut world = World::around(Player::with_abr(config, spy, Instant::ZERO));
    let url = if dash {
        world.serve_dash(SEGMENTS)
    } else {
        world.serve_hls(SEGMENTS)
    };
    // No two segments alike.
    for (i, (name, ..)) in LADDER.iter().enumerate() {
        for n in 1..=SEGMENTS {
            world.files.insert(
                format!("https://h/{name}/{n}.m4s"),
                media((i as u64 + 1) * 100_000 + n as u64),
            );
        }
    }
    let manifest = String::from_utf8(world.files[url].body.clone()).unwrap();
    let manifest = if dash {
        manifest.replacen("<Period>", &format!("{DASH_REFERENCE}<Period>"), 1)
    } else {
        manifest.replacen("#EXT-X-MEDIA", &format!("{HLS_REFERENCE}#EXT-X-MEDIA"), 1)
    };
    world.files.insert(url.into(), text(&manifest));
    let reply = table_reply(&world);
    world.files.insert("https://h/t/segments.json?k=1".into(), reply);
    world.load(url);
    world.play();
    (world, asked)
}

#[test]
fn a_table_says_the_sizes_and_qualities_of_every_rendition() {
    for dash in [false, true] {
        let (mut world, asked) = world(dash, |world| text(&table(world)));
        world.run(10.0);
        let asked = asked.lock().unwrap();
        // The first choice is made without it, the third surely with it.
        let first = asked.first().unwrap().first().unwrap()[0];
        assert_eq!(first, (None, None));
        let (n, seen) = (3, asked.get(2).unwrap());
        for (rung, (name, ..)) in LADDER.iter().enumerate() {
            for ahead in [0, 1] {
                let expected = (
                    Some(world.segment_bytes(name, n + ahead)),
                    Some(((n + ahead) * 4) as f64),
                );
                assert_eq!(seen[rung][ahead], expected, "dash {dash}, {name}");
            }
        }
        assert_eq!(world.errors(), Vec::<String>::new());
        // It came after the first segment, and once.
        let position = |end: &str| world.fetched.iter().position(|u| u.ends_with(end)).unwrap();
        assert!(position("segments.json?k=1") > position("mid/1.m4s"));
        assert_eq!(
            world
                .fetched
                .iter()
                .filter(|u| u.contains("segments.json"))
                .count(),
            1
        );
    }
}

#[test]
fn start_up_does_not_wait_for_a_table() {
    let startup = |reply: Reply| {
        let (mut world, _) = world(false, |_| reply);
        world.bps = 1e6;
        world.run(30.0);
        world.beacons.last().unwrap().counters.startup_ms.unwrap()
    };
    let without = startup(status(404));
    assert_eq!(startup(media(4_000_000)), without);
    let silent = Reply {
        silent: true,
        ..media(1)
    };
    assert_eq!(startup(silent), without);
}

#[test]
fn without_a_table_it_plays_on_and_says_why() {
    for (reply, why) in [
        (
            status(404),
            "segment table https://h/t/segments.json: the server answered 404",
        ),
        (
            text("<!doctype html>"),
            "the segment table https://h/t/segments.json is not used: line 1: a { is due",
        ),
        (text("{\"version\":7}"), "of another version"),
        (
            text("\u{feff}{\"version\":1,\"renditions\":[{\"hls\":1}]}"),
            "line 1: a \" is due",
        ),
        (
            text("{\"version\":1,\"renditions\":[{\"dash\":\"mid\",\"bytes\":[1,2,3]}]}"),
            "the segment table has 3 segments for rendition mid, and the manifest 20: it is not used for it",
        ),
    ] {
        let (mut world, asked) = world(true, |_| reply);
        world.run(100.0);
        assert_eq!(world.state(), PlaybackState::Ended);
        let errors = world.errors();
        assert!(
            errors.len() == 1 && errors.first().unwrap().contains(why),
            "{why}: {errors:?}"
        );
        assert!(
            asked
                .lock()
                .unwrap()
                .iter()
                .flatten()
                .flatten()
                .all(|seen| *seen == (None, None))
        );
        let counters = &world.beacons.last().unwrap().counters;
        assert_eq!((counters.fatal.as_deref(), counters.rebuffer_count), (None, 0));
    }
}

#[test]
fn a_table_that_is_wrong_about_a_size_is_not_believed_any_more() {
    let (mut world, asked) = world(true, |world| {
        let right = world.segment_bytes("mid", 6).to_string();
        text(&table(world).replacen(&right, "150000", 1))
    });
    world.run(100.0);
    assert_eq!(world.state(), PlaybackState::Ended);
    let errors = world.errors();
    assert_eq!(errors.len(), 1);
    assert!(
        errors
            .first()
            .unwrap()
            .starts_with("segment 6 of rendition mid has 200006 bytes, and the segment table says 150000"),
        "{errors:?}"
    );
    let asked = asked.lock().unwrap();
    let known: Vec<_> = asked.iter().map(|seen| seen[1][0].0.is_some()).collect();
    // Of the other renditions it is believed.
    assert_eq!(known.iter().rposition(|known| *known), Some(5), "{known:?}");
    assert!(asked.last().unwrap()[0][0].0.is_some());
}

#[test]
fn declared_bitrates_are_sizes_where_there_is_no_better() {
    let (mut world, asked) = world(false, |_| status(404));
    let plain = String::from_utf8(world.files["https://h/mid.m3u8"].body.clone()).unwrap();
    // 2000 kbit/s up to the tenth segment, and half as much from there on.
    let playlist = plain
        .replacen("#EXTINF", "#EXT-X-BITRATE:2000\n#EXTINF", 1)
        .replacen(
            "#EXTINF:4,\nmid/10.m4s",
            "#EXT-X-BITRATE:1000\n#EXTINF:4,\nmid/10.m4s",
            1,
        );
    world.files.insert("https://h/mid.m3u8".into(), text(&playlist));
    world.load("https://h/master.m3u8");
    world.play();
    asked.lock().unwrap().clear();
    world.run(100.0);
    let asked = asked.lock().unwrap();
    let sizes: Vec<_> = asked.iter().map(|seen| seen[1][0].0).collect();
    let expected: BTreeMap<usize, Option<u64>> = [
        (0, None),
        (1, Some(1_000_000)),
        (8, Some(1_000_000)),
        (9, Some(500_000)),
        (19, Some(500_000)),
    ]
    .into();
    for (n, size) in expected {
        assert_eq!(sizes.get(n).copied().unwrap(), size, "segment {n}: {sizes:?}");
    }
}

#[test]
fn a_stream_without_a_table_asks_for_none() {
    let mut world = World::new(Config::default());
    let url = world.serve_hls(10);
    world.load(url);
    world.play();
    world.run(60.0);
    assert!(!world.fetched.iter().any(|u| u.contains("json")));
}
