//! Content steering and interstitials: small JSON files that servers answer with.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use core::time::Duration;

use player_core::manifest::interstitial::{
    Asset, Assets, CLASS, Interstitial, MAX_ASSETS, SkipControl, parse_assets,
};
use player_core::manifest::steering::{self, PathwayClone, SteeringManifest, request_url};
use player_core::manifest::{ManifestError, datetime};
use player_core::presentation::{DateRange, Protocol};
use player_core::{Bitrate, MediaTime};
use proptest::prelude::*;

const BASE: &str = "https://steer.example/a/steering.json?session=1";

fn read(text: &str) -> SteeringManifest {
    steering::parse(text.as_bytes(), BASE).unwrap()
}

fn messages(manifest: &SteeringManifest) -> Vec<(u32, &str)> {
    manifest
        .warnings
        .iter()
        .map(|w| (w.line, w.message.as_str()))
        .collect()
}

#[test]
fn a_manifest_with_everything() {
    let manifest = read(
        r#"{ "VERSION": 1, "TTL": 60, "RELOAD-URI": "next?session=1", "PATHWAY-PRIORITY": ["CDN-C", "CDN-A"], "unknown": [{}],
        "PATHWAY-CLONES": [{ "BASE-ID": "CDN-A", "ID": "CDN-C", "URI-REPLACEMENT": { "HOST": "c.example", "PARAMS": { "t": "a b" },
        "PER-VARIANT-URIS": { "v1": "https://v.example/1.m3u8" }, "PER-RENDITION-URIS": { "r1": "https://r.example/1.m3u8" } } }] }"#,
    );
    assert_eq!(messages(&manifest), []);
    assert_eq!(manifest.ttl, Duration::from_secs(60));
    assert_eq!(manifest.reload, "https://steer.example/a/next?session=1");
    assert_eq!(manifest.priority, ["CDN-C", "CDN-A"]);
    let clone = &manifest.clones[0];
    assert_eq!((clone.base.as_str(), clone.id.as_str()), ("CDN-A", "CDN-C"));
    let url = "https://a.example/x/y.m3u8?z=1";
    assert_eq!(clone.url(url), "https://c.example/x/y.m3u8?z=1&t=a%20b");
    assert_eq!(clone.variant_url("v1", url), "https://v.example/1.m3u8");
    assert_eq!(clone.variant_url("v2", url), clone.url(url));
    assert_eq!(clone.rendition_url("r1", url), "https://r.example/1.m3u8");
    assert_eq!(clone.rendition_url("v1", url), clone.url(url));
}

#[test]
fn what_a_manifest_may_leave_out() {
    let least = read(r#"{"VERSION":1,"TTL":300,"PATHWAY-PRIORITY":["a"]}"#);
    assert_eq!((least.reload.as_str(), messages(&least)), (BASE, vec![]));
    let early = read(r#"{"VERSION":1,"TTL":10,"SERVICE-LOCATION-PRIORITY":["beta","alpha"]}"#);
    assert_eq!(
        (early.priority.join(" "), messages(&early)),
        ("beta alpha".into(), vec![])
    );
    let both = read(r#"{"SERVICE-LOCATION-PRIORITY":["b"],"VERSION":1,"PATHWAY-PRIORITY":["a"],"TTL":1}"#);
    assert_eq!(both.priority, ["a"]);
    let bare = read(r#"{"VERSION":1}"#);
    assert_eq!((bare.ttl, bare.priority.len()), (steering::DEFAULT_TTL, 0));
    assert_eq!(
        messages(&bare),
        [(1, "there is no PATHWAY-PRIORITY"), (1, "there is no TTL: 300 s")]
    );
}

#[test]
fn times_to_live_are_bounded() {
    let ttl = |ttl: &str| {
        read(&format!(
            "{{\"VERSION\":1,\"PATHWAY-PRIORITY\":[\"a\"],\"TTL\":{ttl}}}"
        ))
        .ttl
    };
    assert_eq!(ttl("0"), Duration::from_secs(1));
    assert_eq!(ttl("0.5"), Duration::from_secs(1));
    assert_eq!(ttl("2.5"), Duration::from_millis(2500));
    assert_eq!(ttl("1e999"), Duration::from_secs(86_400));
    for none in ["-5", "null", "\"60\"", "[]", "true"] {
        assert_eq!(ttl(none), Duration::from_secs(300), "{none}");
    }
}

#[test]
fn what_cannot_be_used_is_refused() {
    for bad in [
        "",
        "<html>",
        "[]",
        "{",
        "{\"VERSION\":1",
        "{\"VERSION\":1} x",
        "{\"VERSION\":1,\"TTL\":}",
    ] {
        assert!(steering::parse(bad.as_bytes(), BASE).is_err(), "{bad}");
    }
    for other in [
        "{}",
        "{\"VERSION\":2}",
        "{\"VERSION\":\"1\"}",
        "{\"VERSION\":null}",
    ] {
        let error = steering::parse(other.as_bytes(), BASE).unwrap_err();
        assert!(matches!(error, ManifestError::Unsupported(_)), "{other}");
    }
    let long = format!("{{\"VERSION\":1,\"x\":\"{}\"}}", "x".repeat(1 << 20));
    assert!(matches!(
        steering::parse(long.as_bytes(), BASE),
        Err(ManifestError::Limit { .. })
    ));
}

#[test]
fn one_bad_entry_does_not_spoil_the_rest() {
    let manifest = read(
        r#"{"VERSION":1,"TTL":1,"RELOAD-URI":"javascript:alert(1)",
        "PATHWAY-PRIORITY":["a", 5, "", "a",
          "b"],
        "PATHWAY-CLONES":[7, {"ID":"x"}, {"ID":"a","BASE-ID":"a"},
          {"ID":"h","BASE-ID":"a","URI-REPLACEMENT":{"HOST":"evil/path?"}},
          {"ID":"c","BASE-ID":"a","URI-REPLACEMENT":{"HOST":3,"PARAMS":[],"PER-VARIANT-URIS":{"r":"relative.m3u8","j":"file:///etc/passwd","n":1,"o":"https://o/"}}},
          {"ID":"c","BASE-ID":"b"}, {"ID":"d","BASE-ID":"c","URI-REPLACEMENT":"x"}]}"#,
    );
    assert_eq!(manifest.priority, ["a", "b"]);
    assert_eq!(manifest.reload, BASE);
    let ids: Vec<_> = manifest.clones.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(ids, ["c", "d"]);
    assert_eq!(manifest.clones[0].variants, [("o".into(), "https://o/".into())]);
    assert_eq!(manifest.clones[0].url("https://h/"), "https://h/");
    let lines: Vec<_> = messages(&manifest).iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 2, 2, 4, 4, 4, 5, 6, 6, 6, 7, 1]);
}

#[test]
fn numbers_of_things_are_bounded() {
    let ids: Vec<_> = (0..5000).map(|i| format!("\"{i}\"")).collect();
    let clones: Vec<_> = (0..5000)
        .map(|i| format!("{{\"ID\":\"{i}\",\"BASE-ID\":\"x\"}}"))
        .collect();
    let urls: Vec<_> = (0..5000).map(|i| format!("\"{i}\":\"https://h/{i}\"")).collect();
    let text = format!(
        "{{\"VERSION\":1,\"TTL\":1,\"PATHWAY-PRIORITY\":[{}],\"PATHWAY-CLONES\":[{{\"ID\":\"y\",\"BASE-ID\":\"x\",\"URI-REPLACEMENT\":{{\"PER-VARIANT-URIS\":{{{}}}}}}},{}]}}",
        ids.join(","),
        urls.join(","),
        clones.join(",")
    );
    let manifest = read(&text);
    let counts = (
        manifest.priority.len(),
        manifest.clones.len(),
        manifest.clones[0].variants.len(),
    );
    assert_eq!((counts, manifest.warnings.len()), ((100, 100, 1000), 100));
}

#[test]
fn a_request_says_what_was_used() {
    let rate = Bitrate::from_bps;
    let used = [
        ("al pha", Some(rate(5_140_000))),
        ("beta", None),
        ("a,b", Some(rate(1))),
    ];
    assert_eq!(
        request_url("https://s/x?session=1", Protocol::Dash, &used),
        "https://s/x?session=1&_DASH_pathway=%22al%20pha,beta,a%2Cb%22&_DASH_throughput=5140000,,1"
    );
    assert_eq!(
        request_url("https://s/x", Protocol::Hls, &used),
        "https://s/x?_HLS_pathway=%22a%2Cb%22&_HLS_throughput=1"
    );
    assert_eq!(
        request_url("https://s/x", Protocol::Hls, &[("CDN-A", None)]),
        "https://s/x?_HLS_pathway=%22CDN-A%22"
    );
    assert_eq!(request_url("https://s/x", Protocol::Dash, &[]), "https://s/x");
    // A server that gives back what it was asked with.
    assert_eq!(
        request_url(
            "https://s/x?_HLS_pathway=%22b%22&k=v&_HLS_throughput=7&_HLS_pathway=c",
            Protocol::Hls,
            &[("a", Some(rate(8)))]
        ),
        "https://s/x?_HLS_pathway=%22a%22&k=v&_HLS_throughput=8"
    );
}

#[test]
fn clones_change_nothing_else_of_a_url() {
    let clone = |host: &str, params: &[(&str, &str)]| PathwayClone {
        host: host.into(),
        params: params.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect(),
        ..PathwayClone::default()
    };
    let url = "https://user:pw@a.example:8443/p;x/~y?sig=a~b=/c%2F&t=1#f";
    assert_eq!(
        clone("b.example", &[]).url(url),
        "https://b.example:8443/p;x/~y?sig=a~b=/c%2F&t=1#f"
    );
    assert_eq!(
        clone("b.example:1", &[]).url(url),
        "https://b.example:1/p;x/~y?sig=a~b=/c%2F&t=1#f"
    );
    assert_eq!(clone("[::1]", &[]).url("https://[fe80::1]/x"), "https://[::1]/x");
    assert_eq!(clone("b", &[]).url("https://a?x"), "https://b?x");
    assert_eq!(
        clone("", &[("t", "st=1~exp=2~hmac=/a+b&c #\"é"), ("n&m", "")]).url("https://a/x?t=1&u=2&t=3"),
        "https://a/x?t=st=1~exp=2~hmac=/a+b%26c%20%23%22%C3%A9&u=2&n%26m="
    );
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 é\"\\\\/\n&=.-]{1,8}"
}

fn quoted(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{escaped}\"")
}

fn object(pairs: &[(String, String)]) -> String {
    let members: Vec<_> = pairs
        .iter()
        .map(|(k, v)| format!("{}: {}", quoted(k), quoted(v)))
        .collect();
    format!("{{{}}}", members.join(", "))
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        ttl in 1u64..86_400,
        priority in prop::collection::btree_set(text(), 1..5),
        clones in prop::collection::btree_map(text(), (text(), "[a-z]{1,9}", prop::collection::vec((text(), text()), 0..3), prop::collection::vec((text(), "https://[a-z]{1,9}/[a-z]{0,9}"), 0..3)), 0..5),
    ) {
        let clones: Vec<_> = clones.into_iter().filter(|(id, (base, ..))| id != base).map(|(id, (base, host, params, variants))| {
            PathwayClone { base, id, host, params, renditions: variants.clone(), variants }
        }).collect();
        let ids: Vec<_> = priority.iter().map(|id| quoted(id)).collect();
        let written: Vec<_> = clones.iter().map(|c| format!(
            "{{\"ID\": {}, \"BASE-ID\": {}, \"URI-REPLACEMENT\": {{\"HOST\": {}, \"PARAMS\": {}, \"PER-VARIANT-URIS\": {}, \"PER-RENDITION-URIS\": {}}}}}",
            quoted(&c.id), quoted(&c.base), quoted(&c.host), object(&c.params), object(&c.variants), object(&c.renditions)
        )).collect();
        let manifest = read(&format!(
            "{{\"VERSION\": 1, \"TTL\": {ttl}, \"PATHWAY-PRIORITY\": [{}], \"PATHWAY-CLONES\": [{}]}}", ids.join(", "), written.join(", ")
        ));
        prop_assert_eq!(messages(&manifest), []);
        prop_assert_eq!(manifest.ttl.as_secs(), ttl);
        prop_assert_eq!(manifest.priority, Vec::from_iter(priority));
        prop_assert_eq!(manifest.clones, clones);
    }

    #[test]
    fn a_clone_keeps_the_path(host in "[a-z]{1,5}(:[0-9]{1,4})?", name in "\\PC{1,6}", value in "\\PC{0,9}", path in "/[a-z/;~%=+]{0,9}", query in "([a-z]{1,3}=[a-z/~=]{0,5}&?){0,4}") {
        let clone = PathwayClone { host: host.clone(), params: vec![(name, value)], ..PathwayClone::default() };
        let url = clone.url(&format!("https://a.example{path}?{query}"));
        let path = format!("https://{host}{path}?");
        prop_assert!(url.starts_with(&path), "{}", url);
        prop_assert!(!url.contains(['#', '"', ' ', '<']) && url.is_ascii());
        prop_assert_eq!(clone.url(&url), url.clone(), "twice is the same");
    }

    #[test]
    fn anything_is_read_or_refused(text in "([{}\\[\\],:]|\"VERSION\":1|\"TTL\":|\"PATHWAY-(CLONES|PRIORITY)\":|\"ID\"|\"ASSETS\":|\"|1|\\\\u00|\\PC){0,40}") {
        let _ = steering::parse(text.as_bytes(), BASE);
        let _ = parse_assets(text.as_bytes(), BASE);
    }
}

fn range(attributes: &[(&str, &str)]) -> DateRange {
    DateRange {
        id: "ad1".into(),
        class: CLASS.into(),
        start: datetime::parse("2020-01-02T21:55:44.000Z"),
        planned_duration: Some(MediaTime::from_millis(15_000)),
        cue: "PRE,ONCE".into(),
        attributes: attributes
            .iter()
            .map(|(n, v)| ((*n).into(), (*v).into()))
            .collect(),
        ..DateRange::default()
    }
}

const PLAYLIST: &str = "https://h/live/video.m3u8";

#[test]
fn an_interstitial_with_everything() {
    let range = range(&[
        ("X-ASSET-LIST", "../ads.json?id=ad1"),
        ("X-RESUME-OFFSET", "-2.5"),
        ("X-PLAYOUT-LIMIT", "30.25"),
        ("X-SNAP", "OUT, IN"),
        ("X-RESTRICT", "SKIP,JUMP"),
        ("X-CONTENT-MAY-VARY", "NO"),
        ("X-TIMELINE-OCCUPIES", "RANGE"),
        ("X-TIMELINE-STYLE", "PRIMARY"),
        ("X-SKIP-CONTROL-OFFSET", "5"),
        ("X-SKIP-CONTROL-DURATION", "20"),
        ("X-SKIP-CONTROL-LABEL-ID", "Exit-Label"),
        ("X-COM-EXAMPLE-BEACON", "123"),
    ]);
    let expected = Interstitial {
        id: "ad1".into(),
        start: range.start,
        duration: Some(MediaTime::from_millis(15_000)),
        assets: Assets::List("https://h/ads.json?id=ad1".into()),
        resume_offset: Some(MediaTime::from_millis(-2500)),
        playout_limit: Some(MediaTime::from_millis(30_250)),
        snap_out: true,
        snap_in: true,
        no_skip: true,
        no_jump: true,
        pre: true,
        post: false,
        once: true,
        may_vary: false,
        occupies_range: true,
        looks_primary: true,
        skip_control: SkipControl {
            offset: Some(MediaTime::from_millis(5000)),
            duration: Some(MediaTime::from_millis(20_000)),
            label: "Exit-Label".into(),
        },
    };
    assert_eq!(Interstitial::from_date_range(&range, PLAYLIST), Some(expected));
}

#[test]
fn what_is_not_understood_counts_as_not_there() {
    let range = range(&[
        ("X-ASSET-URI", "https://ads/1.m3u8"),
        ("X-ASSET-LIST", "list.json"),
        ("X-RESUME-OFFSET", "soon"),
        ("X-PLAYOUT-LIMIT", "-1"),
        ("X-SNAP", "SIDEWAYS"),
        ("X-CONTENT-MAY-VARY", "PERHAPS"),
        ("X-TIMELINE-OCCUPIES", "range"),
        ("X-SKIP-CONTROL-OFFSET", "NaN"),
        ("X-SKIP-CONTROL-DURATION", "1e300"),
    ]);
    let found = Interstitial::from_date_range(&range, PLAYLIST).unwrap();
    assert_eq!(found.assets, Assets::One("https://ads/1.m3u8".into()));
    assert_eq!((found.resume_offset, found.playout_limit), (None, None));
    assert!(found.may_vary && !found.snap_in && !found.snap_out && !found.no_jump && !found.occupies_range);
    assert_eq!(found.skip_control, SkipControl::default());
}

#[test]
fn other_date_ranges_are_none() {
    let of = |range: &DateRange| Interstitial::from_date_range(range, PLAYLIST);
    assert_eq!(of(&range(&[])), None);
    assert_eq!(of(&range(&[("X-ASSET-URI", "javascript:alert(1)")])), None);
    let chapter = DateRange {
        class: "com.example.chapter".into(),
        ..range(&[("X-ASSET-URI", "a.m3u8")])
    };
    assert_eq!(of(&chapter), None);
}

#[test]
fn where_to_go_on() {
    let after = |attributes: &[(&str, &str)], played| {
        let mut all = vec![("X-ASSET-URI", "a.m3u8")];
        all.extend(attributes);
        let found = Interstitial::from_date_range(&range(&all), PLAYLIST).unwrap();
        found.resume_after(MediaTime::from_millis(played)).as_millis()
    };
    assert_eq!(after(&[], 15_000), 15_000);
    assert_eq!(after(&[("X-PLAYOUT-LIMIT", "10")], 15_000), 10_000);
    assert_eq!(
        after(&[("X-PLAYOUT-LIMIT", "10"), ("X-RESUME-OFFSET", "0")], 15_000),
        0
    );
}

#[test]
fn asset_lists() {
    let list = parse_assets(
        br#"{ "ASSETS": [ {"URI": "http://example.com/ad1.m3u8", "DURATION": 15}, {"URI": "ad2.m3u8", "DURATION": "x", "y": 1},
        {"DURATION": 5}, 7, {"URI": "data:text/html,x"} ], "SKIP-CONTROL": {"OFFSET": 5, "DURATION": 20.5}, "z": null }"#,
        "https://h/ads.json",
    )
    .unwrap();
    let asset = |url: &str, ms: Option<i64>| Asset {
        url: url.into(),
        duration: ms.map(MediaTime::from_millis),
    };
    assert_eq!(
        list.assets,
        [
            asset("http://example.com/ad1.m3u8", Some(15_000)),
            asset("https://h/ad2.m3u8", None)
        ]
    );
    assert_eq!(
        list.warnings.iter().map(|w| w.line).collect::<Vec<_>>(),
        [2, 2, 2]
    );
    let declared = SkipControl {
        offset: Some(MediaTime::from_millis(2000)),
        duration: None,
        label: "Exit-Label".into(),
    };
    let expected = SkipControl {
        offset: Some(MediaTime::from_millis(5000)),
        duration: Some(MediaTime::from_millis(20_500)),
        label: "Exit-Label".into(),
    };
    assert_eq!(declared.overridden_by(&list.skip_control), expected);
    assert_eq!(declared.overridden_by(&SkipControl::default()), declared);
    assert!(
        parse_assets(br#"{"ASSETS": []}"#, BASE)
            .unwrap()
            .assets
            .is_empty()
    );
    for bad in ["{}", "[]", "{\"ASSETS\": {}}", "{\"ASSETS\": [}", ""] {
        assert!(parse_assets(bad.as_bytes(), BASE).is_err(), "{bad}");
    }
    let many = format!("{{\"ASSETS\":[{}]}}", vec!["{\"URI\":\"a\"}"; 1000].join(","));
    let many = parse_assets(many.as_bytes(), BASE).unwrap();
    assert_eq!((many.assets.len(), many.warnings.len()), (MAX_ASSETS, 100));
}
