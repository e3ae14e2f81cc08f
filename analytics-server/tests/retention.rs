//! What is too old goes, by whole days, and nothing else.
#![allow(clippy::unwrap_used)]

mod support;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use player_core::telemetry::schema::{Beacon, Event};
use serde_json::{Value, json};
use support::{Server, at, beacon, view_id};

const DAY_MS: i64 = 86_400_000;
/// Midnight before the tests' clock starts: 2027-01-15.
const TODAY_MS: i64 = 1_799_971_200_000;

fn played(view: u32, seq: u32, t_ms: u64) -> Beacon {
    let mut b = beacon(view, seq, t_ms);
    b.counters.played_ms = t_ms;
    b.events = vec![at(t_ms, Event::Playing)];
    b
}

/// Waits until the job of this day is done.
async fn oldest_days(server: &Server, wished: Value) -> Value {
    let days = |status: &Value| {
        let of = |table| status["retention"][table]["oldest_day"].clone();
        json!([of("events"), of("views"), of("rollups")])
    };
    days(&server.until("/v1/status", |status| days(status) == wished).await)
}

async fn events(server: &Server, view: u32) -> Option<usize> {
    let (status, answer) = server.get(&format!("/v1/views/{}", view_id(view))).await;
    (status == StatusCode::OK).then(|| answer["events"].as_array().unwrap().len())
}

#[tokio::test]
async fn each_kind_is_kept_for_its_days() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| {
        config.retention.events_days = 2;
        config.retention.views_days = 4;
        config.retention.rollups_days = 6;
    });
    // At the end of the day before, at the beginning of today, and an hour later.
    for (view, time) in (1..).zip([-1, 10_000, DAY_MS / 24]) {
        server.set_clock(TODAY_MS + time);
        let (status, _) = server
            .post_bytes(serde_json::to_vec(&played(view, 0, 10_000)).unwrap())
            .await;
        assert_eq!(status, StatusCode::NO_CONTENT);
    }
    server.stored().await;
    let deleted = Request::delete("/v1/viewers/anna").body(Body::empty()).unwrap();
    server.request(deleted).await;

    for (day, wished) in [
        (2, json!(["2027-01-15", "2027-01-14", "2027-01-14"])),
        (3, json!([null, "2027-01-14", "2027-01-14"])),
        (4, json!([null, "2027-01-15", "2027-01-14"])),
        (5, json!([null, null, "2027-01-14"])),
        (6, json!([null, null, "2027-01-15"])),
        (7, json!([null, null, null])),
    ] {
        server.set_clock(TODAY_MS + day * DAY_MS);
        assert_eq!(oldest_days(&server, wished.clone()).await, wished, "day {day}");
        let expected = match day {
            2 => [Some(0), Some(1), Some(1)],
            3 => [Some(0), Some(0), Some(0)],
            4 => [None, Some(0), Some(0)],
            _ => [None, None, None],
        };
        for (view, expected) in (1..).zip(expected) {
            assert_eq!(events(&server, view).await, expected, "view {view} on day {day}");
        }
    }
    let tables = server.json("/v1/status").await["retention"].clone();
    assert_eq!(tables["concurrency"]["days"], 6);
    assert_eq!(
        tables["tombstones"],
        json!({ "days": 4, "oldest_day": null }),
        "hashes are kept as long as views"
    );
}

#[tokio::test]
async fn zero_days_are_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| {
        config.retention.events_days = 0;
        config.retention.views_days = 0;
        config.retention.rollups_days = 1;
    });
    server.post_at(10_000, &played(1, 0, 10_000)).await;
    server.stored().await;
    server.set_clock(TODAY_MS + 4_000 * DAY_MS);
    let wished = json!(["2027-01-15", "2027-01-15", null]);
    assert_eq!(oldest_days(&server, wished.clone()).await, wished);
    assert_eq!(events(&server, 1).await, Some(1));
}

#[tokio::test]
async fn a_view_that_goes_on_is_kept_whole() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| config.retention.views_days = 1);
    for day in 0..4 {
        let t_ms = day * DAY_MS;
        let b = played(1, day as u32, t_ms as u64);
        server.post_at(t_ms, &b).await;
        server.stored().await;
    }
    let wished = json!(["2027-01-17", "2027-01-15", "2027-01-15"]);
    let days = |status: &Value| status["retention"]["events"]["oldest_day"].clone();
    server
        .until("/v1/status", |status| days(status) == wished[0])
        .await;
    let answer = server.json(&format!("/v1/views/{}", view_id(1))).await;
    assert_eq!(answer["view"]["beacons"], 4);
    assert_eq!(answer["events"].as_array().unwrap().len(), 2);
}
