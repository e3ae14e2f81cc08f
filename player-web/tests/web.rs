//! The driver in a browser, with a page that answers its requests.

#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use js_sys::{Function, JSON, Promise, Uint8Array};
use player_web::Driver;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

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
const OPTIONS: &str =
    r#"{"record":true,"config":{"retry":{"segment_attempts":2,"manifest_attempts":2,"backoff_ms":10}}}"#;

fn js(json: &str) -> JsValue {
    JSON::parse(json).unwrap()
}

fn driver(page: &Harness) -> Driver {
    Driver::new(&js(OPTIONS), page.post()).ok().unwrap()
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

fn error_text(result: Result<(), JsError>) -> String {
    let error: js_sys::Error = JsValue::from(result.err().unwrap()).unchecked_into();
    error.message().into()
}

#[wasm_bindgen_test]
fn malformed_messages_and_options_are_named() {
    let page = Harness::new();
    let player = driver(&page);
    assert!(error_text(player.handle(&js(r#"{"type":"paly"}"#))).contains("unknown type \"paly\""));
    assert!(error_text(player.handle(&JsValue::UNDEFINED)).contains("must be a plain object"));
    let unknown = Driver::new(&js(r#"{"config":{"abbr":{}}}"#), page.post()).map(|_| ());
    assert!(error_text(unknown).contains("abbr"));
    page.close();
}

#[wasm_bindgen_test]
async fn a_web_page_is_no_playlist() {
    let page = Harness::new();
    serve(&page, "/a.m3u8", "text/html", &["<!doctype html><p>Hello".into()]);
    let player = driver(&page);
    load(&player, "/a.m3u8");
    let error = text(page.event("error")).await;
    assert!(
        error.contains(r#""kind":"manifest""#) && error.contains(r#""fatal":true"#) && error.contains("HTML"),
        "{error}"
    );
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
