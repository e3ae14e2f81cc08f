#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower::ServiceExt;

use super::LiveOrigin;
use crate::live::testing::{feed, open, part, take};
use crate::live::{Broadcast, LiveSink};

const LONG: Duration = Duration::from_secs(30);

/// A stream of two tracks with some parts.
fn serving(folder: &Path, parts: u64) -> (Arc<Broadcast>, LiveOrigin) {
    let broadcast = open(folder, 60);
    broadcast.begin(take(&["v", "a"], SystemTime::now())).unwrap();
    feed(&broadcast, 2, 0..parts);
    let origin = LiveOrigin::default();
    origin.add("s", Arc::clone(&broadcast)).unwrap();
    (broadcast, origin)
}

async fn get(router: &Router, path: &str) -> Response {
    ask(router, path, &[]).await
}

async fn ask(router: &Router, path: &str, fields: &[(&str, &str)]) -> Response {
    let mut request = Request::get(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    timeout(LONG, router.clone().oneshot(request))
        .await
        .unwrap()
        .unwrap()
}

async fn body(response: Response) -> Bytes {
    timeout(LONG, to_bytes(response.into_body(), 1 << 24))
        .await
        .unwrap()
        .unwrap()
}

fn field<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// A request that is on its way, and is held.
async fn held(router: &Router, path: &'static str) -> JoinHandle<Response> {
    let router = router.clone();
    let asking = tokio::spawn(async move { get(&router, path).await });
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(!asking.is_finished(), "{path}");
    asking
}

#[tokio::test]
async fn a_reload_is_held_until_the_part_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (broadcast, origin) = serving(folder.path(), 9);
    let router = origin.router();
    let next = held(&router, "/s/hls/v.m3u8?_HLS_msn=3&_HLS_part=1&_HLS_skip=YES").await;
    let whole = held(&router, "/s/hls/v.m3u8?_HLS_msn=3").await;
    // The other track's parts are not this one's.
    broadcast.part(1, part(9)).unwrap();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert!(!next.is_finished());
    broadcast.part(0, part(9)).unwrap();
    let answer = next.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(field(&answer, "cache-control"), "public, max-age=12");
    assert!(String::from_utf8_lossy(&body(answer).await).contains("../v/3.1.m4s"));
    assert!(!whole.is_finished());
    feed(&broadcast, 2, 10..12);
    assert!(String::from_utf8_lossy(&body(whole.await.unwrap()).await).contains("../v/3.m4s"));
    let plain = get(&router, "/s/hls/v.m3u8").await;
    assert_eq!(field(&plain, "cache-control"), "public, max-age=1");
    for query in [
        "_HLS_part=1",
        "_HLS_msn=6",
        "_HLS_msn=x",
        "_HLS_msn=4&_HLS_part=6",
    ] {
        let answer = get(&router, &format!("/s/hls/v.m3u8?{query}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(field(&answer, "cache-control"), "no-store");
    }
    // Directives mean nothing when it is over, and whoever waits is let go of.
    let waiting = held(&router, "/s/hls/v.m3u8?_HLS_msn=5").await;
    broadcast.end().unwrap();
    assert!(body(waiting.await.unwrap()).await.ends_with(b"#EXT-X-ENDLIST\n"));
    let over = get(&router, "/s/hls/v.m3u8?_HLS_msn=99&_HLS_part=x").await;
    assert_eq!(over.status(), StatusCode::OK);
    assert_eq!(field(&over, "cache-control"), "public, max-age=3600");
}

#[tokio::test]
async fn a_hinted_part_is_held_and_parts_make_the_segment() {
    let folder = tempfile::tempdir().unwrap();
    let (broadcast, origin) = serving(folder.path(), 5);
    let router = origin.router();
    let hinted = held(&router, "/s/v/2.1.m4s").await;
    let production = get(&router, "/s/v/2.m4s").await;
    assert_eq!(field(&production, "content-length"), "");
    let mut pieces = production.into_body().into_data_stream();
    assert_eq!(pieces.next().await.unwrap().unwrap(), part(4).bytes);
    // Not a byte before it is there.
    let early = held(&router, "/s/v/3.m4s").await;
    broadcast.part(0, part(5)).unwrap();
    assert_eq!(pieces.next().await.unwrap().unwrap(), part(5).bytes);
    let hinted = hinted.await.unwrap();
    assert_eq!(
        field(&hinted, "cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(body(hinted).await, part(5).bytes);
    broadcast.part(0, part(6)).unwrap();
    broadcast.part(0, part(7)).unwrap();
    let rest: Vec<Bytes> = pieces.map(Result::unwrap).collect().await;
    assert_eq!(rest, [part(6).bytes, part(7).bytes]);
    let concatenated: Vec<u8> = (4..8).flat_map(|index| part(index).bytes).collect();
    assert_eq!(body(get(&router, "/s/v/2.m4s").await).await, concatenated);
    assert_eq!(
        std::fs::read(folder.path().join("v/2.m4s")).unwrap(),
        concatenated
    );
    assert!(!early.is_finished());
    broadcast.part(0, part(8)).unwrap();
    let early = early.await.unwrap();
    broadcast.pause();
    assert_eq!(body(early).await, part(8).bytes);
    // From disk, when it has left memory.
    broadcast.begin(take(&["v", "a"], SystemTime::now())).unwrap();
    feed(&broadcast, 2, 0..60);
    assert!(broadcast.view("v").unwrap().object(2).unwrap().parts.is_empty());
    assert_eq!(body(get(&router, "/s/v/2.m4s").await).await, concatenated);
}

#[tokio::test]
async fn whole_segments_have_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let (_broadcast, origin) = serving(folder.path(), 9);
    let router = origin.router();
    let whole = body(get(&router, "/s/v/1.m4s").await).await;
    let some = ask(&router, "/s/v/1.m4s", &[("range", "bytes=10-99")]).await;
    assert_eq!(some.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(
        field(&some, "content-range"),
        format!("bytes 10-99/{}", whole.len())
    );
    assert_eq!(body(some).await, whole.slice(10..100));
    let past = ask(&router, "/s/v/1.m4s", &[("range", "bytes=99999-")]).await;
    assert_eq!(past.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(field(&past, "content-range"), format!("bytes */{}", whole.len()));
    let fields = [("range", "bytes=0-1"), ("if-range", "\"other\"")];
    assert_eq!(body(ask(&router, "/s/v/1.m4s", &fields).await).await, whole);
}

#[tokio::test]
async fn what_is_not_there_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (broadcast, origin) = serving(folder.path(), 9);
    let router = origin.router();
    for path in [
        "/s/v/9.m4s",
        "/s/v/3.7.m4s",
        "/s/v/1.9.m4s",
        "/s/v/01.m4s",
        "/s/v/0.m4s",
        "/s/v/18446744073709551615.m4s",
        "/s/v/init-7.mp4",
        "/s/v/journal.jsonl",
        "/s/v/..%2fjournal.jsonl",
        "/s/%2e%2e/journal.jsonl",
        "/s/w/1.m4s",
        "/t/v/1.m4s",
        "/s/hls/w.m3u8",
        "/s/hls/v",
        "/",
    ] {
        let answer = get(&router, path).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(field(&answer, "cache-control"), "public, max-age=1");
        assert_eq!(field(&answer, "access-control-allow-origin"), "*");
    }
    // The sound's third segment is a gap when its publisher is gone, and its hint is let go of.
    feed(&broadcast, 1, 9..12);
    broadcast.part(0, part(12)).unwrap();
    let hinted = held(&router, "/s/a/4.0.m4s").await;
    broadcast.pause();
    assert_eq!(hinted.await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn answers_can_be_used_by_pages_and_caches() {
    let folder = tempfile::tempdir().unwrap();
    let (_broadcast, origin) = serving(folder.path(), 9);
    let router = Router::new().nest("/live", origin.router());
    let master = get(&router, "/live/s/hls/master.m3u8").await;
    assert_eq!(field(&master, "cache-control"), "public, max-age=30");
    assert!(field(&master, "access-control-expose-headers").contains("Date"));
    let text = body(master).await;
    let (_, theirs) = m3u8_rs::parse_master_playlist(&text).unwrap();
    assert_eq!(theirs.variants[0].uri, "v.m3u8");
    assert_eq!(theirs.alternatives.len(), 1);
    let mpd = get(&router, "/live/s/dash/manifest.mpd").await;
    assert_eq!(field(&mpd, "content-type"), "application/dash+xml");
    let init = get(&router, "/live/s/v/init-0.mp4").await;
    assert!(field(&init, "cache-control").contains("immutable"));
    assert_eq!(body(init).await, "init of v");
    let time = body(get(&router, "/live/s/time").await).await;
    assert!(humantime::parse_rfc3339(std::str::from_utf8(&time).unwrap()).is_ok());
    let preflight = Request::options("/live/s/v/1.m4s").body(Body::empty()).unwrap();
    let preflight = router.clone().oneshot(preflight).await.unwrap();
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn who_waits_too_long_or_with_too_many_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let broadcast = open(folder.path(), 60);
    // A target duration of one second.
    let mut short = take(&["v"], SystemTime::now());
    short.segment_target = Duration::from_secs(1);
    broadcast.begin(short).unwrap();
    feed(&broadcast, 1, 0..5);
    let origin = LiveOrigin::new(2);
    origin.add("s", Arc::clone(&broadcast)).unwrap();
    assert!(origin.add("s", Arc::clone(&broadcast)).is_err());
    assert!(origin.add("../s", Arc::clone(&broadcast)).is_err());
    let router = origin.router();
    let reload = held(&router, "/s/hls/v.m3u8?_HLS_msn=2").await;
    let hint = held(&router, "/s/v/2.1.m4s").await;
    let refused = get(&router, "/s/v/2.1.m4s").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(field(&refused, "retry-after"), "2");
    // What is there already does not wait.
    assert_eq!(get(&router, "/s/v/2.0.m4s").await.status(), StatusCode::OK);
    let reload = reload.await.unwrap();
    assert_eq!(reload.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(field(&reload, "cache-control"), "no-store");
    let hint = hint.await.unwrap();
    assert_eq!(hint.status(), StatusCode::NOT_FOUND);
    assert_eq!(field(&hint, "cache-control"), "public, max-age=1");
    let stopped = held(&router, "/s/v/2.1.m4s").await;
    origin.stop();
    assert_eq!(stopped.await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn thousands_wait_for_one_part() {
    let folder = tempfile::tempdir().unwrap();
    let (broadcast, origin) = serving(folder.path(), 9);
    let router = origin.router();
    let waiting: Vec<_> = (0..5000)
        .map(|index| {
            let path = match index % 2 {
                0 => "/s/hls/v.m3u8?_HLS_msn=3&_HLS_part=1",
                _ => "/s/v/3.1.m4s",
            };
            let router = router.clone();
            tokio::spawn(async move {
                let answer = get(&router, path).await;
                (answer.status(), Instant::now())
            })
        })
        .collect();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    broadcast.part(0, part(9)).unwrap();
    let ready = Instant::now();
    let mut after = Vec::new();
    for waiting in waiting {
        let (status, at) = waiting.await.unwrap();
        assert_eq!(status, StatusCode::OK);
        after.push(at.saturating_duration_since(ready));
    }
    after.sort_unstable();
    println!("p50 {:?}, p99 {:?}", after[2500], after[4950]);
}

#[tokio::test]
async fn a_server_that_stops_lets_go_of_who_waits() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().unwrap();
    let (_broadcast, origin) = serving(folder.path(), 9);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stop = async {
            let _ = stopped.await;
        };
        origin.serve(listener, stop).await
    });
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: h\r\n\r\n");
    connection
        .write_all(ask("/live/s/time").as_bytes())
        .await
        .unwrap();
    let mut answer = vec![0; 4096];
    let read = timeout(LONG, connection.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).to_lowercase();
    assert!(
        answer.starts_with("http/1.1 200") && answer.contains("\r\ndate: "),
        "{answer}"
    );
    connection
        .write_all(ask("/live/s/v/3.1.m4s").as_bytes())
        .await
        .unwrap();
    let mut held = [0; 1];
    assert!(
        timeout(Duration::from_millis(100), connection.peek(&mut held))
            .await
            .is_err()
    );
    stop.send(()).unwrap();
    let mut answer = String::new();
    timeout(LONG, connection.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    timeout(LONG, serving).await.unwrap().unwrap().unwrap();
}
