//! What servers are told of playback, and what they tell.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::collections::BTreeMap;

use player_core::Config;
use player_core::config::{CmcdConfig, CmcdMode, CmcdTarget};
use player_core::input::{Headers, Host, Input, Load};
use player_core::output::{Fetch, RequestKind};
use world::{Reply, WALL_CLOCK_MS, World, status};

use crate::world;

const REPORTS: &str = "https://reports/cmcd";

fn config(mode: CmcdMode, version: u8) -> Config {
    let cmcd = CmcdConfig {
        mode,
        version,
        ..CmcdConfig::default()
    };
    Config {
        cmcd,
        ..Config::default()
    }
}

fn playing(config: Config, dash: bool) -> World {
    let mut world = World::new(config);
    let url = if dash {
        world.serve_dash(10)
    } else {
        world.serve_hls(10)
    };
    let load = Load {
        url: url.into(),
        wall_clock_ms: WALL_CLOCK_MS,
        video_id: "épisode \"1\"".into(),
        ..Load::default()
    };
    world.give(Input::Load(load));
    world.play();
    world
}

/// Keys and values of a dictionary without commas in strings.
fn members(text: &str) -> BTreeMap<String, String> {
    let member = |part: &str| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (key.to_owned(), value.to_owned())
    };
    text.split(',').map(member).collect()
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next().unwrap()).to_digit(16).unwrap() as u8;
        out.push(if byte == b'%' {
            digit() * 16 + digit()
        } else {
            byte
        });
    }
    String::from_utf8(out).unwrap()
}

fn query(fetch: &Fetch) -> Option<String> {
    let (_, query) = fetch.url.split_once('?')?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix("CMCD="))?;
    Some(decoded(value))
}

fn of_kind(world: &World, kind: RequestKind) -> Vec<&Fetch> {
    let fetches = world.fetches.iter().map(|(_, fetch)| fetch);
    fetches.filter(|fetch| fetch.kind == kind).collect()
}

#[test]
fn nothing_is_told_by_default() {
    let mut world = playing(Config::default(), false);
    world.run(20.0);
    assert!(
        world
            .fetches
            .iter()
            .all(|(_, f)| !f.url.contains('?') && f.headers.is_empty())
    );
    assert_eq!(world.reports, []);
}

#[test]
fn version_1_in_the_query() {
    let mut world = playing(config(CmcdMode::Query, 1), true);
    world.run(30.0);
    assert_eq!(world.errors(), Vec::<String>::new());
    let manifest = query(of_kind(&world, RequestKind::Manifest)[0]).unwrap();
    let told = members(&manifest);
    assert_eq!(told.keys().collect::<Vec<_>>(), ["cid", "ot", "sid"]);
    assert_eq!(
        (told["ot"].as_str(), told["cid"].as_str()),
        ("m", r#""%C3%A9pisode \"1\"""#)
    );
    assert_eq!(told["sid"].len(), 38, "a quoted UUID");
    let init = members(&query(of_kind(&world, RequestKind::Init)[0]).unwrap());
    assert_eq!(
        (init["ot"].as_str(), init["sf"].as_str(), init["st"].as_str()),
        ("i", "d", "v")
    );
    assert!(init.contains_key("su"));
    let segments = of_kind(&world, RequestKind::Segment);
    let video: Vec<_> = segments.iter().filter(|f| !f.url.contains("audio")).collect();
    let first = query(video[0]).unwrap();
    let keys: Vec<_> = first
        .split(',')
        .map(|part| part.split('=').next().unwrap())
        .collect();
    assert!(keys.is_sorted(), "{first}");
    let known = [
        "bl", "br", "bs", "cid", "d", "dl", "mtp", "nor", "nrr", "ot", "pr", "rtp", "sf", "sid", "st", "su",
        "tb",
    ];
    assert!(keys.iter().all(|key| known.contains(key)), "{first}");
    let last = query(video[video.len() - 2]).unwrap();
    let told = members(&last);
    assert_eq!(
        (told["ot"].as_str(), told["d"].as_str(), told["tb"].as_str()),
        ("v", "4000", "5000")
    );
    assert_eq!(told["nor"], format!("\"{}.m4s\"", video.len()));
    for key in ["bl", "dl", "mtp", "rtp"] {
        assert_eq!(told[key].parse::<u64>().unwrap() % 100, 0, "{last}");
    }
    assert_eq!(told["dl"], told["bl"], "at normal speed");
    assert!(
        !told.contains_key("su") && !told.contains_key("pr") && !told.contains_key("bs"),
        "{last}"
    );
    let audio = segments.iter().find(|f| f.url.contains("audio")).unwrap();
    let told = members(&query(audio).unwrap());
    assert_eq!(
        (told["ot"].as_str(), told["br"].as_str(), told["tb"].as_str()),
        ("a", "128", "128")
    );
}

#[test]
fn a_parameter_that_is_there_is_replaced_and_others_stay() {
    let mut world = World::new(config(CmcdMode::Query, 1));
    world.serve_hls(3);
    world.load("https://h/master.m3u8?a=1&CMCD=old&b=%2f");
    world.run(1.0);
    let url = &world.fetches[0].1.url;
    assert!(
        url.starts_with("https://h/master.m3u8?a=1&CMCD=ot%3Dm%2Csid%3D%22"),
        "{url}"
    );
    assert!(url.ends_with("%22&b=%2f"), "{url}");
    assert!(
        world
            .fetched
            .iter()
            .any(|url| url.starts_with("https://h/low.m3u8?CMCD="))
    );
}

#[test]
fn version_2_in_headers() {
    let mut config = config(CmcdMode::Header, 2);
    config.cmcd.session_id = "s-1".into();
    config.cmcd.content_id = "c\\1".into();
    let mut world = playing(config, false);
    world.run(30.0);
    assert!(world.fetches.iter().all(|(_, fetch)| !fetch.url.contains('?')));
    let video: Vec<_> = of_kind(&world, RequestKind::Segment);
    let fetch = video.iter().rfind(|fetch| !fetch.url.contains("audio")).unwrap();
    let headers: BTreeMap<_, _> = fetch.headers.iter().cloned().collect();
    // With the sound of its group: the bitrate of the whole.
    assert_eq!(
        headers["CMCD-Object"],
        "ab=(5000;v),d=4000,lab=(600;v),ot=v,tab=(5000;v)"
    );
    assert_eq!(headers["CMCD-Session"], r#"cid="c\\1",sf=h,sid="s-1",st=v,v=2"#);
    let request = members(&headers["CMCD-Request"]);
    assert_eq!(request["sta"], "p");
    assert!(
        request["bl"].ends_with("00;v)") && request["bl"].starts_with('('),
        "{request:?}"
    );
    assert!(
        request.contains_key("sn") && request.contains_key("tbl"),
        "{request:?}"
    );
    let sequence = |fetch: &&Fetch| -> u64 {
        let headers: BTreeMap<_, _> = fetch.headers.iter().cloned().collect();
        members(&headers["CMCD-Request"])["sn"].parse().unwrap()
    };
    let all: Vec<&Fetch> = world.fetches.iter().map(|(_, fetch)| fetch).collect();
    let told: Vec<_> = all.iter().map(sequence).collect();
    assert_eq!(told, (0..told.len() as u64).collect::<Vec<_>>());
    // The start delay once.
    let delays = all
        .iter()
        .filter(|fetch| fetch.headers.iter().any(|(_, value)| value.contains("msd=")));
    assert_eq!(delays.count(), 1);
}

#[test]
fn only_the_wanted_keys_and_no_keys_to_key_servers() {
    let mut config = config(CmcdMode::Query, 1);
    config.cmcd.keys = vec!["br".into(), "ot".into(), "nonsense".into()];
    let mut world = playing(config, true);
    world.run(10.0);
    let segment = of_kind(&world, RequestKind::Segment)[0];
    let told = members(&query(segment).unwrap());
    assert_eq!(told.keys().collect::<Vec<_>>(), ["br", "ot"]);
    // Nothing that is wanted: no parameter.
    let mut config = self::config(CmcdMode::Query, 1);
    config.cmcd.keys = vec!["pr".into()];
    let mut world = playing(config, true);
    world.run(10.0);
    assert!(
        world
            .fetches
            .iter()
            .filter(|(_, f)| f.kind == RequestKind::Segment)
            .any(|(_, f)| !f.url.contains('?'))
    );
}

#[test]
fn starvation_and_speed_are_told() {
    let mut world = playing(config(CmcdMode::Query, 2), true);
    world.run(5.0);
    world.element.rate = 2.0;
    world.run(6.0);
    let fast = members(&query(world.fetches.last().map(|(_, f)| f).unwrap()).unwrap());
    assert_eq!(fast["pr"], "2");
    let (buffer, deadline) = (&fast["bl"], fast["dl"].parse::<f64>().unwrap());
    let buffer: f64 = buffer
        .trim_start_matches('(')
        .split(';')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((buffer / 2.0 - deadline).abs() <= 100.0, "{fast:?}");
    world.element.rate = 1.0;
    let before = world.fetches.len();
    world.down.push("https://".into());
    world.give(Input::Host(Host {
        offline: true,
        ..Host::default()
    }));
    world.run(60.0);
    world.down.clear();
    world.give(Input::Host(Host::default()));
    world.run(20.0);
    let told: Vec<_> = world
        .fetches
        .iter()
        .skip(before)
        .filter_map(|(_, f)| query(f))
        .map(|q| members(&q))
        .collect();
    let starved = told.iter().filter(|told| told.contains_key("bs")).count();
    let urgent = told.iter().filter(|told| told.contains_key("su")).count();
    assert!((1..=4).contains(&starved), "{told:?}");
    assert!(urgent > 0, "{told:?}");
    assert!(
        told.iter()
            .any(|told| told.get("bsa").is_some_and(|bsa| bsa == "(1)")),
        "{told:?}"
    );
}

fn reporting(events: &[&str], batch: u32) -> Config {
    let target = CmcdTarget {
        url: REPORTS.into(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        batch,
        ..CmcdTarget::default()
    };
    let mut config = config(CmcdMode::Off, 1);
    config.cmcd.targets = vec![target];
    config
}

fn lines(world: &World) -> Vec<BTreeMap<String, String>> {
    assert!(
        world
            .reports
            .iter()
            .all(|(url, body)| url == REPORTS && body.ends_with('\n'))
    );
    world
        .reports
        .iter()
        .flat_map(|(_, body)| body.lines())
        .map(members)
        .collect()
}

#[test]
fn events_are_reported() {
    let mut world = playing(reporting(&[], 1), true);
    world.run(70.0);
    world.give(Input::Unload);
    assert!(
        world
            .fetches
            .iter()
            .all(|(_, f)| !f.url.contains('?') && f.headers.is_empty())
    );
    let told = lines(&world);
    for (i, line) in told.iter().enumerate() {
        assert_eq!((line["v"].as_str(), line["sn"].clone()), ("2", i.to_string()));
        let ts: u64 = line["ts"].parse().unwrap();
        assert!((WALL_CLOCK_MS..=WALL_CLOCK_MS + 70_000).contains(&ts));
    }
    let states: Vec<_> = told
        .iter()
        .filter(|line| line["e"] == "ps")
        .map(|line| line["sta"].as_str())
        .collect();
    assert_eq!(states, ["d", "s", "p", "e"]);
    assert_eq!(told.iter().filter(|line| line["e"] == "t").count(), 2);
    let delays: Vec<_> = told.iter().filter_map(|line| line.get("msd")).collect();
    assert_eq!(delays.len(), 1);
    let middle = told.iter().find(|line| line["e"] == "t").unwrap();
    assert_eq!(
        (middle["br"].as_str(), middle["pb"].as_str()),
        ("(5000;v)", "(5000;v)")
    );
    assert!(
        middle["bl"].contains(";a ") && middle["bl"].ends_with(";v)"),
        "{middle:?}"
    );
}

#[test]
fn a_view_that_is_left_is_quit_and_what_is_gathered_goes_out() {
    let mut world = playing(reporting(&["ps", "b", "bc", "pr", "c", "e"], 50), true);
    world.run(3.0);
    assert_eq!(world.reports, [], "they are gathered");
    world.run(9.0);
    assert_eq!(world.reports.len(), 1, "but not for long");
    world.files.insert("https://h/audio/9.m4s".into(), status(404));
    world.give(Input::Host(Host {
        hidden: true,
        ..Host::default()
    }));
    world.give(Input::Host(Host::default()));
    world.element.rate = 0.5;
    world.run(20.0);
    world.element.rate = 1.0;
    world.run(0.5);
    world.element.paused = true;
    world.run(0.5);
    world.give(Input::Unload);
    let told = lines(&world);
    let of = |kind: &str| told.iter().filter(|line| line["e"] == kind).collect::<Vec<_>>();
    assert_eq!(of("c")[0]["cid"], r#""%C3%A9pisode \"1\"""#);
    assert_eq!(
        of("b").iter().map(|line| line["bg"].as_str()).collect::<Vec<_>>(),
        ["", "?0"]
    );
    let rates: Vec<_> = of("pr").iter().map(|line| line["pr"].clone()).collect();
    assert!(
        rates.contains(&"0.5".to_owned()) && rates.contains(&"1".to_owned()),
        "{rates:?}"
    );
    assert!(of("bc").iter().any(|line| line["br"] == "(5000;v)"));
    assert_eq!(of("e")[0]["ec"], r#"("http")"#);
}

#[test]
fn responses_are_reported_with_what_their_servers_said() {
    let mut world = World::new(reporting(&["rr"], 1));
    let url = world.serve_dash(3);
    let segment = "https://h/audio/2.m4s";
    let reply = Reply {
        headers: Headers {
            cmsd: vec![String::new(), "\"x\";etp=96".into()],
            ..Headers::default()
        },
        ..world.files[segment].clone()
    };
    world.files.insert(segment.into(), reply);
    world
        .once
        .insert("https://h/audio/3.m4s".into(), vec![status(500)]);
    world.load(&format!("{url}?token=secret"));
    world.play();
    world.run(30.0);
    let told = lines(&world);
    assert_eq!(told.len(), world.fetches.len());
    let of = |url: &str| {
        told.iter()
            .filter(|line| line["url"] == format!("\"{url}\""))
            .collect::<Vec<_>>()
    };
    let manifest = of(url)[0];
    assert_eq!(
        (manifest["rc"].as_str(), manifest["ttfb"].as_str()),
        ("200", "50")
    );
    let second = of(segment)[0];
    assert_eq!(second["cmsdd"], "\"IngiO2V0cD05Ng==\"");
    assert!(!second.contains_key("cmsds"));
    assert_eq!(
        (second["ot"].as_str(), second["br"].as_str(), second["d"].as_str()),
        ("a", "(128;a)", "4000")
    );
    assert_eq!(
        of("https://h/audio/3.m4s")
            .iter()
            .map(|line| line["rc"].as_str())
            .collect::<Vec<_>>(),
        ["500", "200"]
    );
}
