//! The store takes nothing for a while: beacons go on into the log until too many wait there, then are refused, and in the end
//! everything that was accepted is there once.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use player_core::telemetry::schema::Event;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::error::StoreError;
use crate::testing::{at, beacon};
use crate::{Analytics, Config, Site};

const PATIENCE: Duration = Duration::from_secs(60);
const BACKLOG: u64 = 300;

async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, Option<u64>, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.map(|value| value.to_str().unwrap().parse().unwrap());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (
        status,
        retry_after,
        serde_json::from_slice(&body).unwrap_or_default(),
    )
}

async fn get(router: &Router, path: &str) -> (StatusCode, Value) {
    let (status, _, body) = ask(router, Request::get(path).body(Body::empty()).unwrap()).await;
    (status, body)
}

async fn post(router: &Router, view: u32, seq: u32) -> (StatusCode, Option<u64>, Value) {
    let mut b = beacon(view, seq);
    b.counters.played_ms = u64::from(seq + 1) * 10;
    b.events = vec![at(b.t_ms, Event::Playing)];
    let body = serde_json::to_vec(&b).unwrap();
    ask(
        router,
        Request::post("/v1/beacons").body(Body::from(body)).unwrap(),
    )
    .await
}

/// DuckDB itself refuses every batch that has events, as long as their table has another name.
async fn rename(analytics: &Analytics, from: &'static str, to: &'static str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The writer may be in the middle of a batch.
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        let renamed = analytics
            .reader
            .run(move |store| Ok(store.execute_batch(&sql)?))
            .await;
        match renamed {
            Ok(()) => return,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn count(analytics: &Analytics, sql: &'static str) -> i64 {
    let one = move |store: &duckdb::Connection| -> Result<i64, StoreError> {
        Ok(store.query_row(sql, [], |row| row.get(0))?)
    };
    analytics.reader.run(one).await.unwrap()
}

#[tokio::test]
async fn beacons_wait_in_the_log_are_refused_at_last_and_count_once_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path(), [Site::new("test", "test")]);
    config.limits.backlog_beacons = BACKLOG;
    let analytics = Analytics::open(config).unwrap();
    let router = analytics.router();
    let mut accepted = 0;
    let mut next = 0_u32;
    for _ in 0..20 {
        assert_eq!(post(&router, next % 7, next / 7).await.0, StatusCode::NO_CONTENT);
        (accepted, next) = (accepted + 1, next + 1);
    }
    rename(&analytics, "events", "events_away").await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, retry_after, body) = post(&router, next % 7, next / 7).await;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(body["error"]["code"], "store_behind");
            assert!(retry_after.is_some_and(|seconds| seconds > 0));
            break;
        }
        assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
        (accepted, next) = (accepted + 1, next + 1);
        assert!(Instant::now() < deadline, "{accepted} were accepted");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(accepted > BACKLOG, "only {accepted}");
    assert_eq!(get(&router, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    let log = get(&router, "/v1/status").await.1["log"].clone();
    assert_eq!(log["head"], accepted);
    assert!(log["events"].as_u64().unwrap() < accepted);

    rename(&analytics, "events_away", "events").await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, _, body) = post(&router, next % 7, next / 7).await;
        if status == StatusCode::NO_CONTENT {
            accepted += 1;
            break;
        }
        assert_eq!(body["error"]["code"], "store_behind");
        assert!(Instant::now() < deadline, "it does not catch up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(get(&router, "/readyz").await.0, StatusCode::OK);
    analytics.shutdown().await.unwrap();
    drop((analytics, router));

    let config = Config::new(dir.path(), [Site::new("test", "test")]);
    let analytics = Analytics::open(config).unwrap();
    let accepted = i64::try_from(accepted).unwrap();
    assert_eq!(count(&analytics, "SELECT count(*) FROM events").await, accepted);
    let rows = "SELECT sum(beacons)::BIGINT FROM views";
    assert_eq!(count(&analytics, rows).await, accepted);
    let sums = "SELECT sum(played_ms)::BIGINT FROM rollups";
    assert_eq!(count(&analytics, sums).await, accepted * 10);
}
