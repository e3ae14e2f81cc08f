//! The driver in a browser, with a page that answers its requests.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use js_sys::{Function, JSON, Promise, Uint8Array};
use player_core::MediaTime;
use player_core::abr::{NetworkMemory, Objective, Utility};
use player_core::config::{Algorithm, Preset};
use player_core::input::{Host, Load, MediaState, TrackKind};
use player_web::Driver;
use player_web::message::ToDriver;
use player_web::options::Options;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

#[path = "web/drm.rs"]
mod drm;

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(module = "/tests/harness.js")]
extern "C" {
    type Harness;

    #[wasm_bindgen(constructor)]
    fn new() -> Harness;

    #[wasm_bindgen(method, getter)]
    fn post(this: &Harness) -> Function;

    #[wasm_bindgen(method, variadic)]
    fn serve(this: &Harness, path: &str, status: u16, content_type: &str, chunks: &JsValue);

    #[wasm_bindgen(method, js_name = serveEndlessly)]
    fn serve_endlessly(this: &Harness, path: &str, bytes: u32);

    #[wasm_bindgen(method)]
    fn hang(this: &Harness, path: &str);

    #[wasm_bindgen(method)]
    fn event(this: &Harness, kind: &str) -> Promise;

    #[wasm_bindgen(method)]
    fn asked(this: &Harness, path: &str, count: u32) -> Promise;

    #[wasm_bindgen(method)]
    fn close(this: &Harness);

    #[wasm_bindgen(js_name = box)]
    fn mp4_box(kind: &str, payload: u32) -> Uint8Array;
}

const PLAYLIST: &str =
    "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2,\n1.m4s\n#EXT-X-ENDLIST\n";
const MULTIVARIANT: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS=\"avc1.42c00c\"\nv.m3u8\n";
const HLS: &str = "application/vnd.apple.mpegurl";
const OPTIONS: &str = r#"{"record":true,"retry":{"attempts":2,"backoffMs":10}}"#;

fn js(json: &str) -> JsValue {
    JSON::parse(json).unwrap()
}

fn driver(page: &Harness) -> Driver {
    Driver::new(&js(OPTIONS), page.post(), None, None).ok().unwrap()
}

fn load(driver: &Driver, path: &str) {
    let message = format!(r#"{{"type":"load","url":"https://media.test{path}"}}"#);
    driver.handle(&js(&message)).ok().unwrap();
}

fn serve(page: &Harness, path: &str, content_type: &str, chunks: &[JsValue]) {
    page.serve(path, 200, content_type, &chunks.iter().collect::<js_sys::Array>());
}

async fn text(promise: Promise) -> String {
    JsFuture::from(promise).await.unwrap().as_string().unwrap()
}

#[wasm_bindgen_test]
fn messages_are_read_in_the_terms_of_the_web() {
    let read = |json| ToDriver::read(&js(json)).map_err(|error| error.to_string());
    let load = read(r#"{"type":"load","url":"https://a/b.mpd","startTime":1.5,"videoId":"7"}"#);
    let start = Some(MediaTime::from_millis(1500));
    let expected = Load {
        url: "https://a/b.mpd".into(),
        start,
        video_id: "7".into(),
        ..Load::default()
    };
    assert_eq!(load, Ok(ToDriver::Load(expected)));
    let ahead = read(r#"{"type":"preload","url":"https://h/n.m3u8","startTime":5}"#);
    let expected = Load {
        url: "https://h/n.m3u8".into(),
        start: Some(MediaTime::from_millis(5000)),
        ..Load::default()
    };
    assert_eq!(ahead, Ok(ToDriver::Preload(Some(expected))));
    assert_eq!(read(r#"{"type":"preload"}"#), Ok(ToDriver::Preload(None)));
    assert_eq!(read(r#"{"type":"scan","rate":-16}"#), Ok(ToDriver::Scan(-16.0)));
    let media = read(
        r#"{"type":"media","currentTime":2,"seeking":true,"playbackRate":2,"readyState":4,"decodedFrames":12,"droppedFrames":-3,"error":null}"#,
    );
    let position = MediaTime::from_millis(2000);
    let expected = MediaState {
        position,
        paused: false,
        seeking: true,
        rate: 2.0,
        ready_state: 4,
        decoded_frames: 12,
        ..MediaState::default()
    };
    assert_eq!(media, Ok(ToDriver::Media(expected)));
    assert_eq!(
        read(r#"{"type":"select","rendition":null}"#),
        Ok(ToDriver::Select(None))
    );
    assert_eq!(
        read(r#"{"type":"select","rendition":"360p"}"#),
        Ok(ToDriver::Select(Some("360p".into())))
    );
    assert_eq!(
        read(r#"{"type":"select-track","kind":"text","track":null}"#),
        Ok(ToDriver::SelectTrack {
            kind: TrackKind::Text,
            id: None
        })
    );
    assert_eq!(
        read(r#"{"type":"select-track","kind":"audio","track":"a"}"#),
        Ok(ToDriver::SelectTrack {
            kind: TrackKind::Audio,
            id: Some("a".into())
        })
    );
    assert!(read(r#"{"type":"select-track","kind":"video"}"#).is_err());
    let memory = r#"{"type":"load","url":"https://a/b.mpd","networkMemory":{"kbps":3000,"spread":0.5,"unixMs":1700000000000}}"#;
    let Ok(ToDriver::Load(load)) = read(memory) else {
        panic!()
    };
    let expected = NetworkMemory {
        kbps: 3000.0,
        spread: 0.5,
        unix_ms: 1_700_000_000_000,
    };
    assert_eq!(load.network_memory, Some(expected));
    let limits = ToDriver::Limits {
        max_bandwidth_kbps: Some(2500.0),
        max_height: None,
    };
    assert_eq!(
        read(r#"{"type":"limits","maxBandwidthKbps":2500,"maxHeight":null}"#),
        Ok(limits)
    );
    let host = Host {
        save_data: true,
        width: 640,
        ..Host::default()
    };
    assert_eq!(
        read(r#"{"type":"host","width":640,"saveData":true}"#),
        Ok(ToDriver::Host(host))
    );
    assert_eq!(read(r#"{"type":"load"}"#), Err("a `load` needs a `url`".into()));
    assert_eq!(
        read(r#"{"type":"load","url":7}"#),
        Err("`url` must be a string".into())
    );
    assert!(
        read(r#"{"type":"paly"}"#)
            .unwrap_err()
            .contains("unknown message \"paly\"; known are drm")
    );
    let none = ToDriver::read(&JsValue::UNDEFINED).unwrap_err().to_string();
    assert_eq!(none, "`message` must be a plain object");
}

#[wasm_bindgen_test]
fn options_name_the_field_that_is_wrong() {
    let read = |json: &str| Options::read(&js(json)).map_err(|error| error.to_string());
    assert_eq!(read("{}"), Ok(Options::default()));
    let options = read(r#"{"abr":{"algorithm":"bola","initialThroughputKbps":null},"buffer":{"goalS":12.5},"telemetry":{"site":"k"}}"#).unwrap();
    assert_eq!(options.config.abr.algorithm, Algorithm::Bola);
    assert_eq!(options.config.abr.initial_throughput_kbps, None);
    assert_eq!(
        (options.config.buffer.goal_s, options.config.telemetry.site),
        (12.5, "k".into())
    );
    let live = read(r#"{"live":{"latencyS":3,"parts":false,"minRate":1,"maxRate":1.5}}"#)
        .unwrap()
        .config
        .live;
    assert_eq!((live.latency_s, live.parts), (Some(3.0), false));
    assert_eq!((live.min_rate, live.max_rate, live.max_drift_s), (1.0, 1.5, 6.0));
    let telemetry =
        |json: &str| read(&format!(r#"{{"telemetry":{json}}}"#)).map(|options| options.config.telemetry);
    let told = telemetry(
        r#"{"network":"wifi","experiment":{"name":"abr","arm":"b","probability":0.5},"dimensions":[{"name":"plan","value":"gold"}]}"#,
    )
    .unwrap();
    let experiment = told.experiment.unwrap();
    assert_eq!((&*experiment.name, &*experiment.arm), ("abr", "b"));
    assert_eq!((experiment.probability, &*told.network), (Some(0.5), "wifi"));
    assert_eq!(told.dimensions[0].value, "gold");
    let why = telemetry(r#"{"experiment":{"name":"abr"}}"#).unwrap_err();
    assert_eq!(why, "a `experiment` needs a `name` and an `arm`");
    assert!(
        telemetry(r#"{"dimensions":[{"name":"a b","value":"c"}]}"#)
            .unwrap_err()
            .starts_with("`telemetry.dimensions`: at most 10")
    );
    let options = read(
        r#"{"abr":{"preset":"low-latency","utility":"log-bitrate","stallCost":4,"riseCost":-0.5,"fallCost":2,"maxHeight":720,"horizon":8,"maxDroppedFrames":null,"followSaveData":false}}"#,
    )
    .unwrap();
    let abr = &options.config.abr;
    let objective = Objective {
        utility: Utility::LogBitrate,
        stall: 4.0,
        rise: -0.5,
        fall: 2.0,
    };
    assert_eq!((abr.objective(), abr.preset), (objective, Preset::LowLatency));
    assert_eq!(
        (
            abr.max_height,
            abr.horizon,
            abr.max_dropped_frames,
            abr.follow_save_data
        ),
        (Some(720), 8, None, false)
    );
    let wrong = |json| read(json).unwrap_err();
    assert_eq!(
        wrong(r#"{"abr":{"preset":"low_latency"}}"#),
        "`abr.preset`: unknown value \"low_latency\"; known are balanced, data-saver, low-latency, smooth"
    );
    for (json, field) in [
        (r#"{"abr":{"stallCost":-1}}"#, "stallCost"),
        (r#"{"abr":{"riseCost":101}}"#, "riseCost"),
        (r#"{"abr":{"horizon":0}}"#, "horizon"),
        (r#"{"abr":{"utility":"vmaf"}}"#, "utility"),
        (r#"{"abr":{"maxHeight":"720"}}"#, "maxHeight"),
    ] {
        assert!(
            wrong(json).starts_with(&format!("`abr.{field}`")),
            "{}",
            wrong(json)
        );
    }
    assert_eq!(
        wrong(r#"{"buffer":{"goal":3}}"#),
        "unknown setting `buffer.goal`; known are backS, goalS"
    );
    assert_eq!(
        wrong(r#"{"buffer":{"goalS":"3"}}"#),
        "`buffer.goalS` must be a number"
    );
    assert_eq!(wrong(r#"{"retry":3}"#), "`retry` must be a plain object");
    assert!(
        wrong(r#"{"abr":{"algorithm":"clairvoyant"}}"#)
            .starts_with("`abr.algorithm`: unknown algorithm \"clairvoyant\"")
    );
}

#[wasm_bindgen_test]
async fn a_web_page_is_no_playlist() {
    let page = Harness::new();
    serve(&page, "/a.m3u8", "text/html", &["<!doctype html><p>Hello".into()]);
    let player = driver(&page);
    load(&player, "/a.m3u8");
    // It is asked once more.
    for fatal in [false, true] {
        let error = text(page.event("error")).await;
        let said = ["\"kind\":\"manifest\"", "HTML", &format!("\"fatal\":{fatal}")];
        assert!(said.iter().all(|words| error.contains(words)), "{error}");
    }
    let log = player.export_log().unwrap();
    assert!(log.lines().count() > 3 && log.contains("doctype"), "{log}");
    page.close();
}

#[wasm_bindgen_test]
async fn a_manifest_without_end_is_cut_off() {
    let page = Harness::new();
    page.serve_endlessly("/a.m3u8", 1 << 20);
    let player = driver(&page);
    load(&player, "/a.m3u8");
    let error = text(page.event("error")).await;
    assert!(error.contains("larger than"), "{error}");
    let asked = text(page.asked("/a.m3u8", 1)).await;
    assert!(asked.contains(r#""cancelled":true"#), "{asked}");
    page.close();
}

#[wasm_bindgen_test]
async fn truncated_segments_are_found_across_chunks() {
    let page = Harness::new();
    serve(&page, "/a.m3u8", HLS, &[MULTIVARIANT.into()]);
    serve(&page, "/v.m3u8", HLS, &[PLAYLIST.into()]);
    serve(
        &page,
        "/init.mp4",
        "video/mp4",
        &[mp4_box("ftyp", 20).into(), mp4_box("moov", 90).into()],
    );
    // The header of mdat lies in two chunks, and 30 of its bytes are missing.
    let mdat = mp4_box("mdat", 500);
    let chunks = [
        mp4_box("moof", 60).into(),
        mdat.subarray(0, 5).into(),
        mdat.subarray(5, 478).into(),
    ];
    serve(&page, "/1.m4s", "video/mp4", &chunks);
    let player = driver(&page);
    load(&player, "/a.m3u8");
    let error = text(page.event("error")).await;
    assert!(
        error.contains(r#""kind":"segment""#) && error.contains("30 bytes are missing"),
        "{error}"
    );
    page.close();
}

#[wasm_bindgen_test]
async fn a_server_that_ignores_ranges_is_cut_to_them() {
    let page = Harness::new();
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"all.mp4\",BYTERANGE=\"126@0\"\n#EXTINF:2,\n#EXT-X-BYTERANGE:600@126\nall.mp4\n#EXT-X-ENDLIST\n";
    serve(&page, "/a.m3u8", HLS, &[MULTIVARIANT.into()]);
    serve(&page, "/v.m3u8", HLS, &[playlist.into()]);
    let all = [
        ("ftyp", 20),
        ("moov", 90),
        ("moof", 84),
        ("mdat", 500),
        ("free", 64),
    ];
    serve(
        &page,
        "/all.mp4",
        "video/mp4",
        &all.map(|(kind, payload)| mp4_box(kind, payload).into()),
    );
    let player = driver(&page);
    load(&player, "/a.m3u8");
    let asked = text(page.asked("/all.mp4", 2)).await;
    assert!(
        asked.contains(r#""range":"bytes=0-125""#) && asked.contains(r#""range":"bytes=126-725""#),
        "{asked}"
    );
    // Boxes and ranges agree: the next to complain is the browser's parser.
    let error = text(page.event("error")).await;
    assert!(error.contains(r#""kind":"media""#), "{error}");
    let log = player.export_log().unwrap();
    assert!(
        log.contains(r#""bytes":126,"integrity":"whole""#)
            && log.contains(r#""bytes":600,"integrity":"whole""#),
        "{log}"
    );
    page.close();
}

#[wasm_bindgen_test]
async fn closing_aborts_what_is_under_way() {
    let page = Harness::new();
    page.hang("/a.m3u8");
    let player = driver(&page);
    load(&player, "/a.m3u8");
    text(page.asked("/a.m3u8", 1)).await;
    player.close();
    let asked = text(page.asked("/a.m3u8", 1)).await;
    assert!(asked.contains(r#""aborted":true"#), "{asked}");
    assert!(
        player.handle(&js(r#"{"type":"unload"}"#)).is_ok(),
        "messages cross each other"
    );
    page.close();
}
