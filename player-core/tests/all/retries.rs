//! Requests that fail: when they are made again, and where.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::time::Duration;

use player_core::Config;
use player_core::input::{Headers, Host, Input, Integrity};
use player_core::output::{Output, RequestKind};
use player_core::telemetry::schema::PlaybackState;
use player_core::time::ByteRange;
use world::{Reply, World, media, status, text};

use crate::world;

fn playing(config: Config, dash: bool) -> World {
    let mut world = World::new(config);
    let url = if dash {
        world.serve_dash(10)
    } else {
        world.serve_hls(10)
    };
    world.load(url);
    world.play();
    world
}

/// When a URL was asked for, seconds.
fn times(world: &World, end: &str) -> Vec<f64> {
    let fetches = world.fetches.iter().filter(|(_, fetch)| fetch.url.ends_with(end));
    fetches.map(|(at, _)| at.as_micros() as f64 / 1e6).collect()
}

fn once(world: &mut World, url: &str, replies: &[Reply]) {
    world.once.insert(url.into(), replies.to_vec());
}

fn plays_to_its_end(world: &mut World) {
    world.run(80.0);
    assert_eq!(world.state(), PlaybackState::Ended, "{:?}", world.errors());
}

#[test]
fn pauses_double_and_a_server_may_ask_for_longer_ones() {
    let mut config = Config::default();
    config.retry.manifest.jitter = 0.0;
    let mut world = World::new(config);
    let url = world.serve_hls(10);
    let busy = Reply {
        retry_after_s: Some(7),
        ..status(429)
    };
    let forever = Reply {
        retry_after_s: Some(100_000),
        ..status(503)
    };
    once(&mut world, url, &[status(500), busy, forever]);
    world.load(url);
    world.play();
    world.run(100.0);
    // A round trip of 50 ms each; half a second, seven seconds, a minute at most.
    assert_eq!(times(&world, "master.m3u8"), [0.0, 0.55, 7.6, 67.65]);
    assert_eq!(world.errors().len(), 3);
    plays_to_its_end(&mut world);
}

#[test]
fn each_kind_has_its_own_policy() {
    for kind in ["manifest", "playlist", "segment", "init"] {
        let mut config = Config::default();
        let url = match kind {
            "manifest" => "https://h/master.m3u8",
            "playlist" => "https://h/audio.m3u8",
            "segment" => "https://h/audio/3.m4s",
            _ => "https://h/audio/init.mp4",
        };
        for (name, policy) in ["manifest", "playlist", "segment", "init"]
            .into_iter()
            .zip(config.retry.policies_mut())
        {
            policy.attempts = if name == kind { 3 } else { 1 };
        }
        let mut world = World::new(config);
        let stream = world.serve_hls(10);
        world.files.insert(url.into(), status(500));
        world.load(stream);
        world.play();
        world.run(60.0);
        assert_eq!(times(&world, url).len(), 3, "{kind}");
        // A segment is passed over if there is no other of it.
        let state = if kind == "segment" {
            PlaybackState::Ended
        } else {
            PlaybackState::Failed
        };
        assert_eq!(world.state(), state, "{kind}");
    }
}

#[test]
fn what_is_not_there_is_not_asked_for_again() {
    for code in [400, 401, 403, 404, 410, 416] {
        let mut world = playing(Config::default(), true);
        world.files.insert("https://h/audio/3.m4s".into(), status(code));
        world.run(60.0);
        assert_eq!(times(&world, "audio/3.m4s").len(), 1, "{code}");
        // There is nothing else to play of it: it is passed over.
        assert_eq!(world.state(), PlaybackState::Ended, "{code}");
    }
    for code in [204, 408, 425, 429, 500, 503, 599] {
        let mut world = playing(Config::default(), true);
        once(&mut world, "https://h/audio/3.m4s", &[status(code), status(code)]);
        plays_to_its_end(&mut world);
        assert_eq!(times(&world, "audio/3.m4s").len(), 3, "{code}");
    }
}

#[test]
fn a_new_authorization_is_tried_once_and_at_once() {
    let mut config = Config::default();
    config.retry.authorization = true;
    let mut world = playing(config.clone(), true);
    once(&mut world, "https://h/audio/3.m4s", &[status(403)]);
    plays_to_its_end(&mut world);
    let asked = times(&world, "audio/3.m4s");
    assert!(asked.len() == 2 && asked[1] - asked[0] < 0.06, "{asked:?}");
    assert!(world.errors()[0].contains("403"));
    let mut world = playing(config, true);
    world.files.insert("https://h/audio/3.m4s".into(), status(401));
    world.run(60.0);
    assert_eq!(times(&world, "audio/3.m4s").len(), 2);
    assert_eq!(world.state(), PlaybackState::Ended);
}

#[test]
fn answers_that_are_none_are_asked_for_again() {
    let page = Reply {
        content_type: "text/html; charset=utf-8",
        integrity: Integrity::Foreign("<!DOCTYPE html>".into()),
        ..media(500)
    };
    let wrong_range = Reply {
        status: 206,
        headers: Headers {
            range: Some(ByteRange {
                offset: 9,
                length: 500,
            }),
            ..Headers::default()
        },
        ..media(500)
    };
    let cut = Reply {
        integrity: Integrity::Truncated(100),
        ..media(400)
    };
    for (reply, says) in [
        (page, "HTML"),
        (wrong_range, "another range"),
        (media(0), "empty"),
        (cut, "cut off"),
        (
            Reply {
                refused: true,
                ..media(0)
            },
            "no answer",
        ),
        (
            Reply {
                silent: true,
                ..media(0)
            },
            "no answer in time",
        ),
    ] {
        let mut world = playing(Config::default(), true);
        once(&mut world, "https://h/audio/3.m4s", &[reply]);
        plays_to_its_end(&mut world);
        assert_eq!(times(&world, "audio/3.m4s").len(), 2, "{says}");
        assert!(world.errors()[0].contains(says), "{:?}", world.errors());
    }
    // A manifest, too: a network that wants a login first.
    let mut world = World::new(Config::default());
    let url = world.serve_dash(10);
    let login = Reply {
        content_type: "text/html",
        ..text("<html>Log in")
    };
    once(&mut world, url, &[login, text("")]);
    world.load(url);
    world.play();
    plays_to_its_end(&mut world);
    assert_eq!(times(&world, "manifest.mpd").len(), 3);
}

#[test]
fn a_drip_is_given_up_and_a_slow_download_is_not() {
    for (bps, fine) in [(2000.0, false), (60_000.0, true)] {
        let mut config = Config::default();
        config.retry.segment.attempts = 1;
        config.retry.segment.total_timeout_ms = 20_000;
        config.abr.abandonment = false;
        let mut world = World::new(config);
        let url = world.serve_dash(2);
        world.load(url);
        world.play();
        world.run(0.2);
        // 64 kB of sound: 256 seconds, or nine.
        world.bps = bps;
        world.run(25.0);
        let slow = world.errors().iter().any(|error| error.contains("too slowly"));
        assert_eq!(slow, !fine, "{bps}: {:?}", world.errors());
    }
}

#[test]
fn nothing_counts_while_the_machine_is_offline() {
    let offline = |offline| {
        Input::Host(Host {
            offline,
            ..Host::default()
        })
    };
    let mut world = playing(Config::default(), true);
    world.run(3.0);
    world.down.push("https://".into());
    world.give(offline(true));
    world.run(600.0);
    assert_eq!(world.state(), PlaybackState::Rebuffering, "{:?}", world.errors());
    let tried = world.fetches.len();
    // A silent request is not given up either.
    world.down.clear();
    world.give(offline(false));
    world.run(0.2);
    assert!(world.fetches.len() > tried, "at once");
    plays_to_its_end(&mut world);
    let mut world = playing(Config::default(), true);
    world.run(0.2);
    for n in 1..=10 {
        world.once.insert(
            format!("https://h/audio/{n}.m4s"),
            vec![Reply {
                silent: true,
                ..media(0)
            }],
        );
    }
    world.run(1.0);
    world.give(offline(true));
    world.run(100.0);
    assert_eq!(world.errors(), Vec::<String>::new());
    world.give(offline(false));
    world.run(5.0);
    assert_eq!(world.errors(), Vec::<String>::new(), "it has all its time again");
    world.once.clear();
    plays_to_its_end(&mut world);
}

/// The stream of [`World::serve_dash`] at two places.
fn serve_two_places(world: &mut World) -> &'static str {
    let url = world.serve_dash(10);
    let mpd = String::from_utf8(world.files[url].body.clone()).unwrap();
    let mpd = mpd.replace(
        "<Period>",
        "<BaseURL serviceLocation=\"a\">https://h/</BaseURL><BaseURL serviceLocation=\"b\">https://b/</BaseURL><Period>",
    );
    world.files.insert(url.into(), text(&mpd));
    copy(world, "https://b/");
    url
}

fn copy(world: &mut World, to: &str) {
    let files = world.files.clone();
    for (name, reply) in files {
        if let Some(rest) = name.strip_prefix("https://h/") {
            world.files.insert(format!("{to}{rest}"), reply);
        }
    }
}

#[test]
fn dash_goes_on_at_another_base_url_and_comes_back() {
    let mut world = World::new(Config::default());
    let url = serve_two_places(&mut world);
    world.load(url);
    world.play();
    world.run(2.0);
    assert!(world.fetched.iter().all(|url| url.starts_with("https://h/")));
    world.down.push("https://h/".into());
    plays_to_its_end(&mut world);
    let from_b = world
        .fetched
        .iter()
        .filter(|url| url.starts_with("https://b/"))
        .count();
    assert!(from_b > 3, "{:?}", world.fetched);
    // Once what was on its way has failed the other place is asked first.
    assert!(world.errors().len() <= 4, "{:?}", world.errors());
    // A segment that only one place lacks.
    let mut world = World::new(Config::default());
    let url = serve_two_places(&mut world);
    world.files.insert("https://h/audio/3.m4s".into(), status(404));
    world.load(url);
    world.play();
    plays_to_its_end(&mut world);
    assert!(world.fetched.contains(&"https://b/audio/3.m4s".into()));
    // Neither has it.
    let mut world = World::new(Config::default());
    let url = serve_two_places(&mut world);
    for place in ["h", "b"] {
        world
            .files
            .insert(format!("https://{place}/audio/3.m4s"), status(404));
    }
    world.load(url);
    world.play();
    world.run(60.0);
    assert_eq!(world.state(), PlaybackState::Ended);
    let passed = "audio from 8.000 s on cannot be had in any rendition and is passed over";
    assert!(world.errors().iter().any(|e| e == passed), "{:?}", world.errors());
}

#[test]
fn a_busy_place_is_left_after_two_attempts() {
    let mut world = World::new(Config::default());
    let url = serve_two_places(&mut world);
    world.files.insert("https://h/audio/3.m4s".into(), status(500));
    world.load(url);
    world.play();
    plays_to_its_end(&mut world);
    assert_eq!(times(&world, "https://h/audio/3.m4s").len(), 2);
    assert_eq!(times(&world, "https://b/audio/3.m4s").len(), 1);
}

/// The stream of [`World::serve_hls`] on two pathways.
fn serve_two_pathways(world: &mut World, head: &str) -> &'static str {
    let url = world.serve_hls(10);
    copy(world, "https://b/");
    let mut master = format!("#EXTM3U\n{head}");
    for (pathway, host) in [("A", "h"), ("B", "b")] {
        master.push_str(&format!(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{pathway}\",NAME=\"main\",DEFAULT=YES,URI=\"https://{host}/audio.m3u8\"\n"
        ));
        for (name, kbps, height) in world::LADDER {
            master.push_str(&format!(
                "#EXT-X-STREAM-INF:BANDWIDTH={},CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION={}x{height},AUDIO=\"{pathway}\",PATHWAY-ID=\"{pathway}\"\n\
                 https://{host}/{name}.m3u8\n",
                kbps * 1000,
                height * 16 / 9
            ));
        }
    }
    world.files.insert(url.into(), text(&master));
    url
}

fn hosts_since(world: &World, from: usize) -> Vec<&str> {
    let mut hosts: Vec<&str> = Vec::new();
    for url in world
        .fetched
        .iter()
        .skip(from)
        .filter(|url| url.ends_with(".m4s"))
    {
        let host = url.split('/').nth(2).unwrap();
        if hosts.last() != Some(&host) {
            hosts.push(host);
        }
    }
    hosts
}

#[test]
fn hls_goes_on_on_another_pathway() {
    let mut world = World::new(Config::default());
    let url = serve_two_pathways(&mut world, "");
    world.load(url);
    world.play();
    world.run(1.0);
    assert_eq!(hosts_since(&world, 0), ["h"]);
    world.down.push("https://h/".into());
    let from = world.fetched.len();
    plays_to_its_end(&mut world);
    assert_eq!(*hosts_since(&world, from).last().unwrap(), "b");
    let last = world.beacons.len();
    assert_eq!(last, 0);
    // Down from the start: the playlists.
    let mut world = World::new(Config::default());
    let url = serve_two_pathways(&mut world, "");
    for (name, ..) in world::LADDER {
        world.files.insert(format!("https://h/{name}.m3u8"), status(404));
    }
    world.files.insert("https://h/audio.m3u8".into(), status(404));
    world.load(url);
    world.play();
    plays_to_its_end(&mut world);
    assert_eq!(hosts_since(&world, 0), ["b"]);
    // Both.
    let mut world = World::new(Config::default());
    let url = serve_two_pathways(&mut world, "");
    world.load(url);
    world.play();
    world.run(1.0);
    world.down.push("https://".into());
    world.run(400.0);
    assert_eq!(world.state(), PlaybackState::Failed);
}

#[test]
fn steering_is_followed_in_the_middle_of_hls() {
    let mut world = World::new(Config::default());
    let head = "#EXT-X-CONTENT-STEERING:SERVER-URI=\"https://steer/s.json\",PATHWAY-ID=\"A\"\n";
    let url = serve_two_pathways(&mut world, head);
    let to = |priority: &str| {
        text(&format!(
            "{{\"VERSION\":1,\"TTL\":4,\"PATHWAY-PRIORITY\":[{priority}]}}"
        ))
    };
    world.bps = 3e6;
    world.files.insert("https://steer/s.json".into(), to("\"A\""));
    world.load(url);
    world.play();
    world.run(6.0);
    assert_eq!(hosts_since(&world, 0), ["h"]);
    world
        .files
        .insert("https://steer/s.json".into(), to("\"B\",\"A\""));
    world.run(5.0);
    let from = world.fetched.len();
    plays_to_its_end(&mut world);
    assert_eq!(hosts_since(&world, from), ["b"]);
    assert_eq!(world.errors(), Vec::<String>::new());
    let asked: Vec<_> = world
        .fetched
        .iter()
        .filter(|url| url.starts_with("https://steer/"))
        .collect();
    assert!(asked.len() > 4, "every four seconds: {asked:?}");
    assert!(
        asked[1].contains("?_HLS_pathway=%22A%22&_HLS_throughput="),
        "{asked:?}"
    );
    assert!(asked.last().unwrap().contains("%22B%22"), "{asked:?}");
    // It is gone: all goes on, and it is left alone.
    let mut world = World::new(Config::default());
    let url = serve_two_pathways(&mut world, head);
    world.files.insert("https://steer/s.json".into(), status(410));
    world.load(url);
    world.play();
    plays_to_its_end(&mut world);
    let asked = world
        .fetched
        .iter()
        .filter(|url| url.starts_with("https://steer/"));
    assert_eq!(asked.count(), 1);
}

#[test]
fn dash_waits_for_its_steering_server_but_not_for_ever() {
    let head = "<ContentSteering defaultServiceLocation=\"a\" queryBeforeStart=\"true\">https://steer/s.json</ContentSteering><Period>";
    for answers in [true, false] {
        let mut world = World::new(Config::default());
        let url = serve_two_places(&mut world);
        let mpd = String::from_utf8(world.files[url].body.clone()).unwrap();
        world
            .files
            .insert(url.into(), text(&mpd.replace("<Period>", head)));
        let answer = text(r#"{"VERSION":1,"TTL":300,"PATHWAY-PRIORITY":["b","a"]}"#);
        let silent = Reply {
            silent: true,
            ..media(0)
        };
        world.files.insert(
            "https://steer/s.json".into(),
            if answers { answer } else { silent },
        );
        world.load(url);
        world.play();
        world.run(2.0);
        let segments = world
            .fetches
            .iter()
            .filter(|(_, f)| f.kind == RequestKind::Segment);
        assert_eq!(segments.count() > 0, answers);
        plays_to_its_end(&mut world);
        assert_eq!(hosts_since(&world, 0), [if answers { "b" } else { "h" }]);
    }
}

#[test]
fn an_offline_machine_does_not_make_the_engine_busy() {
    let mut world = playing(Config::default(), true);
    world.run(1.0);
    world.down.push("https://".into());
    world.give(Input::Host(Host {
        offline: true,
        ..Host::default()
    }));
    let before = world.fetches.len();
    world.run(3600.0);
    // What is under way for two kinds, every half minute.
    assert!(
        world.fetches.len() - before <= 4 * 121,
        "{}",
        world.fetches.len() - before
    );
    world
        .player
        .handle_input(world.now + Duration::from_secs(1), Input::Unload);
    loop {
        if matches!(world.player.poll_output(), Output::Wait(None)) {
            break;
        }
    }
}

#[test]
fn a_live_stream_keeps_its_timeline_on_another_pathway() {
    let publish = |world: &mut World| {
        let first = world.now.as_micros() / 4_000_000 + 1;
        let mut list = format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-MAP:URI=\"init.mp4\"\n",
            first - 1
        );
        for n in first..first + 8 {
            list.push_str(&format!("#EXTINF:4,\nlive/{n}.m4s\n"));
            for host in ["h", "b"] {
                let url = format!("https://{host}/live/{n}.m4s");
                world.files.entry(url).or_insert_with(|| media(400_000));
            }
        }
        for host in ["h", "b"] {
            world
                .files
                .insert(format!("https://{host}/live.m3u8"), text(&list));
            world.files.insert(format!("https://{host}/init.mp4"), media(800));
        }
    };
    let mut world = World::new(Config::default());
    let master = ["h", "b"].map(|host| {
        format!("#EXT-X-STREAM-INF:BANDWIDTH=800000,CODECS=\"avc1.64001f\",PATHWAY-ID=\"{host}\"\nhttps://{host}/live.m3u8\n")
    });
    let master = format!("#EXTM3U\n{}", master.concat());
    world.files.insert("https://m/master.m3u8".into(), text(&master));
    publish(&mut world);
    world.load("https://m/master.m3u8");
    world.play();
    let run = |world: &mut World, seconds: usize| {
        for _ in 0..seconds {
            world.run(1.0);
            publish(world);
        }
    };
    run(&mut world, 60);
    assert_eq!(world.errors(), Vec::<String>::new());
    assert_eq!(hosts_since(&world, 0), ["h"]);
    let (before, from) = (world.element.position.as_secs_f64(), world.fetched.len());
    world.down.push("https://h/".into());
    run(&mut world, 60);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    let played = world.element.position.as_secs_f64() - before;
    assert!((55.0..=61.0).contains(&played), "{played}: {:?}", world.errors());
    assert_eq!(*hosts_since(&world, from).last().unwrap(), "b");
}
