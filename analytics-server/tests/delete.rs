//! Views and viewers that are deleted: from the store, from memory, and for good.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use analytics_server::compact;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use player_core::telemetry::schema::{Beacon, Event};
use serde_json::Value;
use support::{START_MS, Server, at, beacon, view_id};

/// A beacon of a viewer's view, which has played for its whole time.
fn of_viewer(viewer_id: &str, view: u32, seq: u32, t_ms: u64) -> Beacon {
    let mut b = beacon(view, seq, t_ms);
    b.info.get_or_insert_default().viewer_id = viewer_id.to_owned();
    b.counters.play_intent = true;
    b.counters.played_ms = t_ms;
    b.events = vec![at(t_ms, Event::Playing)];
    b
}

async fn delete(server: &Server, path: &str) -> StatusCode {
    let request = Request::delete(path).body(Body::empty()).unwrap();
    server.request(request).await.0
}

async fn is_stored(server: &Server, view: u32) -> bool {
    server.stored().await;
    server.get(&format!("/v1/views/{}", view_id(view))).await.0 == StatusCode::OK
}

async fn open_views(server: &Server) -> Value {
    server
        .until("/v1/live", |live| live["now_ms"] == server.now_ms())
        .await["open_views"]
        .clone()
}

#[tokio::test]
async fn a_view_goes_with_its_events_and_never_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    server.post_at(10_000, &of_viewer("anna", 1, 0, 10_000)).await;
    server.post_at(10_000, &of_viewer("anna", 2, 0, 10_000)).await;
    assert!(is_stored(&server, 1).await);
    // What nobody has written yet goes, too.
    server.post_at(20_000, &of_viewer("anna", 1, 1, 20_000)).await;
    let path = format!("/v1/views/{}", view_id(1).to_uppercase());
    assert_eq!(delete(&server, &path).await, StatusCode::ACCEPTED);
    server.post_at(30_000, &of_viewer("anna", 1, 2, 30_000)).await;
    assert_eq!(
        [is_stored(&server, 1).await, is_stored(&server, 2).await],
        [false, true]
    );
    let status = server.json("/v1/status").await;
    assert_eq!(status["beacons"]["deleted"], 1);
    assert_eq!(open_views(&server).await, 1.0);

    // Rows of views know nothing of it, sums do.
    let range = format!("from={START_MS}&to={}", START_MS + 60_000);
    let ask = async |what: &str| server.json(&format!("/v1/query?{range}&metric={what}")).await;
    assert_eq!(ask("views").await["rows"][0]["values"]["views"]["value"], 1.0);
    assert_eq!(
        ask("played_ms").await["rows"][0]["values"]["played_ms"]["value"],
        30_000.0
    );

    // Also not after a restart, when tombstones are read from the store.
    server.analytics.shutdown().await.unwrap();
    drop(server);
    let server = Server::open_at(dir.path(), START_MS + 3_600_000);
    server.post_at(3_600_000, &of_viewer("anna", 1, 3, 30_000)).await;
    assert_eq!(
        [is_stored(&server, 1).await, is_stored(&server, 2).await],
        [false, true]
    );
    assert_eq!(server.json("/v1/status").await["beacons"]["deleted"], 1);
}

#[tokio::test]
async fn a_viewers_past_goes_and_what_comes_later_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| config.sites[1].hash_viewer_ids = true);
    let elsewhere = |view, seq, t_ms| {
        let mut b = of_viewer("anna", view, seq, t_ms);
        b.site = "other-key".to_owned();
        b
    };
    server.post_at(10_000, &of_viewer("anna", 1, 0, 10_000)).await;
    server.post_at(10_000, &of_viewer("bert", 2, 0, 10_000)).await;
    server.post_at(10_000, &elsewhere(3, 0, 10_000)).await;
    // Of this one only a beacon that does not name its viewer has come.
    let mut nameless = of_viewer("anna", 4, 1, 10_000);
    nameless.info = None;
    server.post_at(10_000, &nameless).await;
    server.stored().await;

    assert_eq!(
        delete(&server, "/v1/viewers/anna?site=test").await,
        StatusCode::ACCEPTED
    );
    assert_eq!(
        [is_stored(&server, 1).await, is_stored(&server, 2).await],
        [false, true]
    );
    assert!(is_stored(&server, 3).await, "it is of another site");
    server.set_clock(START_MS + 15_000);
    assert_eq!(delete(&server, "/v1/viewers/anna").await, StatusCode::ACCEPTED);
    assert!(!is_stored(&server, 3).await, "by the hash of its viewer's id");

    // The view goes as soon as it says whose it is, as does one that had not come at all.
    assert!(is_stored(&server, 4).await);
    server.post_at(20_000, &of_viewer("anna", 4, 0, 0)).await;
    server.post_at(20_000, &of_viewer("anna", 4, 2, 20_000)).await;
    server.post_at(20_000, &of_viewer("anna", 5, 0, 10_000)).await;
    server.post_at(20_000, &elsewhere(6, 0, 10_000)).await;
    for view in [4, 5, 6] {
        assert!(!is_stored(&server, view).await, "{view}");
    }
    // Later views are not of the past.
    server.post_at(30_000, &of_viewer("anna", 7, 0, 5_000)).await;
    server.post_at(30_000, &elsewhere(8, 0, 5_000)).await;
    for view in [7, 8] {
        assert!(is_stored(&server, view).await, "{view}");
    }
}

#[tokio::test]
async fn what_cannot_be_deleted_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    for (path, status) in [
        ("/v1/views/me", StatusCode::BAD_REQUEST),
        ("/v1/viewers/%00", StatusCode::BAD_REQUEST),
        ("/v1/viewers/anna?site=nowhere", StatusCode::NOT_FOUND),
        ("/v1/viewers/anna?sites=test", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(delete(&server, path).await, status, "{path}");
    }
    server.analytics.shutdown().await.unwrap();
    assert_eq!(
        delete(&server, "/v1/viewers/anna").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
}

#[tokio::test]
async fn dead_letters_that_name_the_view_go() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    for view in [1, 2] {
        let mut b = of_viewer("anna", view, 0, 0);
        b.v = 99;
        let (status, _) = server.post_bytes(serde_json::to_vec(&b).unwrap()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    server.post_at(0, &of_viewer("anna", 1, 1, 0)).await;
    assert_eq!(delete(&server, "/v1/viewers/anna").await, StatusCode::ACCEPTED);
    server.stored().await;
    let letters = server.json("/v1/dead-letters").await["dead_letters"].clone();
    assert_eq!(letters.as_array().unwrap().len(), 1);
    assert!(letters[0]["body"].as_str().unwrap().contains(&view_id(2)));
}

/// The files of the data folder in which a text is.
fn files_with(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if std::fs::read(&path)
            .unwrap()
            .windows(text.len())
            .any(|window| window == text.as_bytes())
        {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

#[tokio::test]
async fn files_forget_it() {
    const NAME: &str = "anna-0123456789-anna";
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    server.post_at(0, &of_viewer("bert", 2, 0, 0)).await;
    server.post_at(0, &of_viewer(NAME, 1, 0, 0)).await;
    server.stored().await;
    assert!(!files_with(&dir.path().join("log"), NAME).is_empty());
    assert_eq!(
        delete(&server, &format!("/v1/viewers/{NAME}")).await,
        StatusCode::ACCEPTED
    );
    server.stored().await;
    server.analytics.shutdown().await.unwrap();
    drop(server);
    // A start after an end in good order begins the log anew.
    let server = Server::open(dir.path());
    assert_eq!(files_with(&dir.path().join("log"), NAME), [""; 0]);
    server.analytics.shutdown().await.unwrap();
    drop(server);
    assert_eq!(
        files_with(dir.path(), NAME),
        ["store.duckdb"],
        "DuckDB did not use its place again"
    );
    let (before, after) = compact(dir.path()).unwrap();
    assert!(after > 0 && after <= before, "{before} {after}");
    assert_eq!(files_with(dir.path(), NAME), [""; 0]);
    let server = Server::open(dir.path());
    assert!(!is_stored(&server, 1).await && is_stored(&server, 2).await);
    let in_use = compact(dir.path()).unwrap_err().to_string();
    assert!(in_use.contains("log failed"), "{in_use}");
}
