//! Backups of a running server, and servers that start from them.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use analytics_server::DiskSpace;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use player_core::telemetry::schema::{Beacon, Event};
use serde_json::{Value, json};
use support::{START_MS, Server, at, beacon, view_id};

const VIEWS: u32 = 40;

fn played(view: u32, seq: u32) -> Beacon {
    let t_ms = u64::from(seq) * 1_000;
    let mut b = beacon(view, seq, t_ms);
    b.info.get_or_insert_default().viewer_id = "anna".to_owned();
    b.counters.play_intent = true;
    b.counters.played_ms = u64::from(seq + 1) * 1_000;
    b.events = vec![at(t_ms, Event::Playing)];
    b
}

async fn post(server: &Server, seqs: std::ops::Range<u32>) {
    for seq in seqs {
        for view in 0..VIEWS {
            server.post_at(i64::from(seq) * 1_000, &played(view, seq)).await;
        }
    }
}

async fn back_up(server: &Server) -> (StatusCode, Value) {
    let request = Request::post("/v1/backup").body(Body::empty()).unwrap();
    let (status, _, body) = server.request(request).await;
    (status, serde_json::from_slice(&body).unwrap())
}

/// The folder of a backup that is expected to be made.
async fn backed_up(server: &Server, data: &Path) -> PathBuf {
    let (status, answer) = back_up(server).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let folder = data.join("backups").join(answer["name"].as_str().unwrap());
    let bytes = fs::metadata(folder.join("store.duckdb")).unwrap().len();
    assert_eq!(answer["bytes"], bytes);
    folder
}

/// As the README says.
fn restore(backup: &Path, data: &Path) {
    for entry in fs::read_dir(backup).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, data.join(path.file_name().unwrap())).unwrap();
    }
}

/// What is asked, by the rows of views, by sums, and by events.
async fn answers(server: &Server) -> Value {
    server.stored().await;
    let range = format!("from={START_MS}&to={}", START_MS + 600_000);
    let totals = server
        .json(&format!("/v1/query?{range}&metric=views,attempts,played_ms"))
        .await;
    let sums = server.json(&format!("/v1/query?{range}&metric=played_ms")).await;
    assert_eq!(sums["metrics"][0]["source"], "rollups");
    let mut views = Vec::new();
    for view in 0..VIEWS {
        let one = server.json(&format!("/v1/views/{}", view_id(view))).await;
        views.push(json!([one["view"], one["events"]]));
    }
    json!([totals["rows"], sums["rows"], views])
}

fn beacons(answers: &Value) -> Vec<u64> {
    let views = answers[2].as_array().unwrap();
    views
        .iter()
        .map(|view| view[0]["beacons"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_server_from_a_backup_has_what_was_there_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    post(&server, 0..3).await;
    fs::write(dir.path().join("alerts.json"), "{}").unwrap();
    // Rows of views may lag behind; the backup brings them up.
    let backup = backed_up(&server, dir.path()).await;
    let before = answers(&server).await;
    assert_eq!(beacons(&before), [3; VIEWS as usize]);
    post(&server, 3..5).await;
    let later = answers(&server).await;
    server.analytics.shutdown().await.unwrap();
    drop(server);
    let key = fs::metadata(backup.join("viewer-key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert!(!backup.join("viewer-salts").exists(), "they are to be destroyed");
    assert!(backup.join("alerts.json").exists());

    // Beside no log.
    let fresh = tempfile::tempdir().unwrap();
    restore(&backup, fresh.path());
    let server = Server::open(fresh.path());
    assert_eq!(answers(&server).await, before);
    // Those that came before count no more, the others once.
    post(&server, 0..5).await;
    assert_eq!(answers(&server).await, later);
    assert_eq!(server.json("/v1/status").await["beacons"]["duplicate"], 3 * VIEWS);
    server.analytics.shutdown().await.unwrap();
    drop(server);

    // Beside the log that went on: what came after the backup is read from it.
    restore(&backup, dir.path());
    let server = Server::open(dir.path());
    assert_eq!(answers(&server).await, later);
}

#[tokio::test]
async fn a_backup_is_of_one_moment() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    post(&server, 0..2).await;
    let (backup, ()) = tokio::join!(backed_up(&server, dir.path()), post(&server, 2..12));
    post(&server, 12..13).await;
    let fresh = tempfile::tempdir().unwrap();
    restore(&backup, fresh.path());
    let restored = Server::open(fresh.path());
    let answers = answers(&restored).await;
    let beacons = beacons(&answers);
    // A prefix of the log: no view is more than one beacon ahead of another.
    let (least, most) = (beacons.iter().min().unwrap(), beacons.iter().max().unwrap());
    assert!(*least >= 2 && most - least <= 1, "{beacons:?}");
    let played_ms = beacons.iter().sum::<u64>() * 1_000;
    assert_eq!(
        answers[0][0]["values"]["played_ms"]["value"].as_f64(),
        Some(played_ms as f64)
    );
    assert_eq!(
        answers[1][0]["values"]["played_ms"]["value"].as_f64(),
        Some(played_ms as f64)
    );
    for (view, beacons) in answers[2].as_array().unwrap().iter().zip(beacons) {
        assert_eq!(view[1].as_array().unwrap().len() as u64, beacons);
    }
}

#[tokio::test]
async fn so_many_are_kept_and_nothing_half() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| config.backups = 2);
    let backups = dir.path().join("backups");
    fs::create_dir_all(backups.join("unfinished")).unwrap();
    fs::write(backups.join("unfinished/store.duckdb"), "half").unwrap();
    fs::create_dir(backups.join("mine")).unwrap();
    for second in 0..4 {
        server.set_clock(START_MS + second * 1_000);
        backed_up(&server, dir.path()).await;
    }
    assert_eq!(back_up(&server).await.0, StatusCode::CONFLICT, "of this second");
    let mut names: Vec<String> = fs::read_dir(&backups)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "unfinished")
        .collect();
    names.sort();
    assert_eq!(names, ["20270115T080002Z", "20270115T080003Z", "mine"]);
}

#[tokio::test]
async fn without_room_or_when_it_ends_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| {
        config.disk_space = DiskSpace::from_fn(|_| Ok(256 << 20));
    });
    let (status, answer) = back_up(&server).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE, "{answer}");
    assert_eq!(answer["error"]["code"], "disk_full");
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let two = tokio::join!(back_up(&server), back_up(&server));
    let mut statuses = [two.0.0, two.1.0];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CONFLICT], "one at a time");
}

#[tokio::test]
async fn a_store_whose_log_is_gone_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    post(&server, 0..2).await;
    server.analytics.shutdown().await.unwrap();
    drop(server);
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    let server = Server::open(dir.path());
    post(&server, 1..3).await;
    assert_eq!(beacons(&answers(&server).await), [3; VIEWS as usize]);
}
