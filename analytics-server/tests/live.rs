//! `GET /v1/live` as a stream of events.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use futures_util::StreamExt as _;
use player_core::telemetry::schema::Counters;
use serde_json::Value;
use support::{START_MS, Server, assert_close, beacon};
use tower::ServiceExt as _;

const PATIENCE: Duration = Duration::from_secs(60);

async fn stream(server: &Server, path: &str) -> BodyDataStream {
    let request = Request::get(path)
        .header("accept", "text/event-stream")
        .body(Body::empty())
        .unwrap();
    let response = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    response.into_body().into_data_stream()
}

/// The next event of this name; nothing at the end.
async fn next(stream: &mut BodyDataStream, name: &str) -> Option<Value> {
    let event = async {
        while let Some(bytes) = stream.next().await {
            let text = String::from_utf8(bytes.unwrap().to_vec()).unwrap();
            let data = text.strip_prefix(&format!("event: {name}\ndata: "));
            if let Some(data) = data {
                return Some(serde_json::from_str(data.trim_end()).unwrap());
            }
        }
        None
    };
    tokio::time::timeout(PATIENCE, event).await.unwrap()
}

#[tokio::test]
async fn everybody_is_told_the_same_until_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let mut b = beacon(1, 0, 20_000);
    b.counters = Counters {
        play_intent: true,
        startup_ms: Some(700),
        played_ms: 15_000,
        rebuffer_ms: 5_000,
        ..Counters::default()
    };
    server.post_at(20_000, &b).await;
    server.stored().await;
    let now_ms = START_MS + 30_000;
    server.set_clock(now_ms);
    let live = server
        .until("/v1/live?site=test", |live| live["now_ms"] == now_ms)
        .await;
    assert_eq!(live["concurrent_viewers"], 1.0);

    let mut first = stream(&server, "/v1/live?site=test").await;
    let quality = next(&mut first, "quality").await.unwrap();
    assert_eq!(quality["to_ms"], now_ms);
    assert_eq!(quality["from_ms"], now_ms - 300_000);
    assert_eq!(quality["bots_excluded"], true);
    assert_close(&quality["values"]["rebuffer_ratio"]["value"], 0.25);
    assert_eq!(quality["values"]["startup_ms_p95"]["value"], 700.0);
    assert_eq!(quality["values"].as_object().unwrap().len(), 11);
    assert_eq!(next(&mut first, "live").await.unwrap(), live);

    // Who comes later is told at once what there is.
    let mut second = stream(&server, "/v1/live?site=test").await;
    let mut other = stream(&server, "/v1/live?site=other").await;
    let mut all = stream(&server, "/v1/live").await;
    assert_eq!(next(&mut second, "quality").await.unwrap(), quality);
    assert_eq!(next(&mut other, "live").await.unwrap()["open_views"], 0.0);
    assert_eq!(next(&mut all, "live").await.unwrap()["open_views"], 1.0);
    let nothing = next(&mut other, "quality").await.unwrap();
    assert_eq!(nothing["values"]["rebuffer_ratio"]["value"], Value::Null);
    assert_eq!(server.get("/v1/live?site=none").await.0, StatusCode::NOT_FOUND);

    server.analytics.drain();
    for stream in [&mut first, &mut second, &mut other, &mut all] {
        while next(stream, "live").await.is_some() {}
    }
    // And who asks again meanwhile.
    let mut late = stream(&server, "/v1/live").await;
    assert!(next(&mut late, "live").await.is_some());
    assert!(next(&mut late, "live").await.is_none());
    server.analytics.shutdown().await.unwrap();
}
