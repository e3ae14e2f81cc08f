//! The machine says how well it decodes, and renditions are chosen accordingly.
#![allow(clippy::unwrap_used)]

use crate::world::{World, media, text};
use player_core::Config;
use player_core::input::{Decoding, Input, RequestId};
use player_core::output::{DecodingConfig, Limit, PlayerEvent};
use player_core::telemetry::schema::PlaybackState;

use Decoding::{Efficient, Rough, Smooth, Unknown, Unsupported};

/// Codec, container, and percent of the bitrate.
const CODECS: [(&str, &str, u64); 2] = [("avc1.64001f", "mp4", 100), ("vp09.00.31.08", "webm", 70)];

/// AVC and VP9 in a set each, three rungs each, as DASH below `https://h/`.
fn dash(world: &mut World) -> &'static str {
    dash_of(world, &CODECS)
}

fn dash_of(world: &mut World, codecs: &[(&str, &str, u64)]) -> &'static str {
    let mut sets = String::new();
    for (codec, container, percent) in codecs {
        let family = codec.split('.').next().unwrap();
        sets.push_str(&format!(
            "<AdaptationSet contentType=\"video\" mimeType=\"video/{container}\" codecs=\"{codec}\">\
             <SegmentTemplate timescale=\"1\" duration=\"4\" media=\"$RepresentationID$/$Number$.m4s\" initialization=\"$RepresentationID$/init.mp4\"/>"
        ));
        for (kbps, height) in [(600, 360), (2000, 720), (5000, 1080)] {
            let (name, kbps) = (format!("{family}-{height}"), kbps * percent / 100);
            sets.push_str(&format!(
                "<Representation id=\"{name}\" bandwidth=\"{}\" width=\"{}\" height=\"{height}\"/>",
                kbps * 1000,
                height * 16 / 9
            ));
            serve(world, &name, kbps);
        }
        sets.push_str("</AdaptationSet>");
    }
    let mpd =
        format!("<MPD type=\"static\" mediaPresentationDuration=\"PT80S\"><Period>{sets}</Period></MPD>");
    world.files.insert("https://h/two.mpd".into(), text(&mpd));
    "https://h/two.mpd"
}

/// The same as variants of one playlist.
fn hls(world: &mut World) -> &'static str {
    let mut master = "#EXTM3U\n".to_owned();
    for (codec, percent) in [("avc1.64001f", 100), ("hvc1.1.6.L93.B0", 70)] {
        let family = codec.split('.').next().unwrap();
        for (kbps, height) in [(600, 360), (2000, 720), (5000, 1080)] {
            let (name, kbps) = (format!("{family}-{height}"), kbps * percent / 100);
            master.push_str(&format!(
                "#EXT-X-STREAM-INF:BANDWIDTH={},CODECS=\"{codec}\",RESOLUTION={}x{height}\n{name}.m3u8\n",
                kbps * 1000,
                height * 16 / 9
            ));
            serve(world, &name, kbps);
            let mut list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"{name}/init.mp4\"\n");
            for n in 1..=20 {
                list.push_str(&format!("#EXTINF:4,\n{name}/{n}.m4s\n"));
            }
            list.push_str("#EXT-X-ENDLIST\n");
            world.files.insert(format!("https://h/{name}.m3u8"), text(&list));
        }
    }
    world.files.insert("https://h/two.m3u8".into(), text(&master));
    "https://h/two.m3u8"
}

fn serve(world: &mut World, name: &str, kbps: u64) {
    world
        .files
        .insert(format!("https://h/{name}/init.mp4"), media(800));
    for n in 1..=20 {
        world
            .files
            .insert(format!("https://h/{name}/{n}.m4s"), media(kbps * 500));
    }
}

/// Plays for half a minute on a fast network; the renditions that were fetched, one a segment.
fn play(
    serve: fn(&mut World) -> &'static str,
    answer: Option<fn(&DecodingConfig) -> Decoding>,
) -> (World, Vec<String>) {
    let mut world = World::new(Config::default());
    world.bps = 50e6;
    let url = serve(&mut world);
    world.decodes = answer;
    world.load(url);
    world.play();
    world.run(30.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    let fetched = world.video_since(0).into_iter().map(str::to_owned);
    let fetched = fetched.collect();
    (world, fetched)
}

fn only(family: &str, fetched: &[String]) {
    assert!(
        fetched.len() > 5 && fetched.iter().all(|name| name.starts_with(family)),
        "{fetched:?}"
    );
}

fn limited_by(world: &World) -> Vec<Limit> {
    let by = world.events.iter().rev().find_map(|event| match event {
        PlayerEvent::Limited { by, .. } => Some(by.clone()),
        _ => None,
    });
    by.unwrap_or_default()
}

#[test]
fn a_codec_that_saves_power_is_preferred_and_else_one_that_needs_less_of_the_network() {
    let avc = |config: &DecodingConfig| {
        if config.mime.contains("avc1") {
            Efficient
        } else {
            Smooth
        }
    };
    let other = |config: &DecodingConfig| {
        if config.mime.contains("avc1") {
            Smooth
        } else {
            Efficient
        }
    };
    for (serve, second) in [(dash as fn(&mut World) -> &'static str, "vp09"), (hls, "hvc1")] {
        let (world, fetched) = play(serve, Some(avc));
        only("avc1", &fetched);
        assert!(fetched.iter().any(|name| name.ends_with("1080")), "{fetched:?}");
        assert_eq!(limited_by(&world), []);
        only(second, &play(serve, Some(other)).1);
        only(second, &play(serve, Some(|_| Smooth)).1);
        // Nothing is known, or nobody answers: the first set, or the codec of the lowest variant.
        let first = if second == "vp09" { "avc1" } else { "hvc1" };
        only(first, &play(serve, Some(|_| Unknown)).1);
        only(first, &play(serve, None).1);
    }
}

#[test]
fn what_stutters_or_is_refused_is_the_last_resort() {
    let small = |config: &DecodingConfig| match (config.mime.contains("avc1"), config.height) {
        (false, _) => Unsupported,
        (true, 1080) => Rough,
        _ => Efficient,
    };
    for serve in [dash as fn(&mut World) -> &'static str, hls] {
        let (world, fetched) = play(serve, Some(small));
        only("avc1", &fetched);
        assert!(fetched.iter().all(|name| !name.ends_with("1080")), "{fetched:?}");
        assert!(fetched.iter().any(|name| name.ends_with("720")), "{fetched:?}");
        assert_eq!(limited_by(&world), [Limit::Decoding]);
        // Nothing is smooth: the least.
        let (_, fetched) = play(serve, Some(|_| Rough));
        assert!(fetched.iter().all(|name| name.ends_with("360")), "{fetched:?}");
        // The browser says that it plays these types, and then that it decodes none: the question was not understood.
        let (_, fetched) = play(serve, Some(|_| Unsupported));
        assert!(fetched.iter().any(|name| name.ends_with("1080")), "{fetched:?}");
    }
}

#[test]
fn a_single_codec_does_not_wait_for_the_answer_and_heeds_it() {
    let mut world = World::new(Config::default());
    world.bps = 50e6;
    world.decodes = Some(|config| if config.height == 1080 { Rough } else { Smooth });
    let url = dash_of(&mut world, &CODECS[..1]);
    world.load(url);
    world.play();
    // The manifest is there after 50 ms, and the answer after 57.
    world.run(0.055);
    assert!(world.fetched.iter().any(|url| url.ends_with("1.m4s")));
    // An answer to something else is none.
    let request = RequestId(1);
    let answers = vec![Unsupported, Smooth, Smooth];
    world.give(Input::Decoding { request, answers });
    assert_eq!(limited_by(&world), []);
    world.run(40.0);
    assert_eq!(limited_by(&world), [Limit::Decoding]);
    assert_eq!(world.rendition(), Some("avc1-720"));
}

#[test]
fn who_never_answers_holds_nothing_up_for_long() {
    let mut world = World::new(Config::default());
    let url = dash(&mut world);
    world.load(url);
    world.play();
    world.run(1.0);
    let segment = world
        .fetches
        .iter()
        .find(|(_, fetch)| fetch.url.ends_with("1.m4s"))
        .unwrap();
    let at_ms = segment.0.as_micros() / 1000;
    assert!((150..160).contains(&at_ms), "{at_ms} ms");
}
