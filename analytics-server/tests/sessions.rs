//! Beacons that come twice, late, out of order or from clocks that are wrong; views over time; restarts.
#![allow(clippy::unwrap_used)]

mod support;

use player_core::telemetry::schema::{Beacon, Event, PlaybackState};
use serde_json::{Value, json};
use support::{START_MS, Server, assert_close, at, beacon, view_id};

const DAY_MS: i64 = 86_400_000;

/// Beacons 0 to 5 of a view: 10 s apart, each with what was played since the last one, the last one says the end.
fn six_beacons(view: u32) -> Vec<Beacon> {
    (0..6)
        .map(|seq| {
            let t_ms = u64::from(seq) * 10_000;
            let mut b = beacon(view, seq, t_ms);
            b.counters.play_intent = true;
            b.counters.startup_ms = Some(300);
            b.counters.played_ms = t_ms;
            b.counters.media_ms = t_ms;
            b.counters.bitrate_kbps_media_ms = t_ms * 2_000;
            b.counters.rebuffer_ms = u64::from(seq) * 100;
            b.events = vec![at(
                t_ms,
                Event::Sample {
                    pos_ms: t_ms,
                    buffer_ms: 5_000,
                    kbps: 9_000,
                },
            )];
            if seq == 5 {
                b.events.push(at(t_ms, Event::ViewEnd));
            }
            b
        })
        .collect()
}

async fn view(server: &Server, number: u32) -> Value {
    server.stored().await;
    server.json(&format!("/v1/views/{}", view_id(number))).await
}

/// What six beacons of view 1 amount to, however they came.
async fn assert_six(server: &Server, beacons: u32) {
    let answer = view(server, 1).await;
    assert_eq!(answer["view"]["beacons"], beacons);
    assert_eq!(answer["view"]["max_seq"], 5);
    assert_eq!(answer["view"]["played_ms"], 50_000);
    assert_eq!(answer["view"]["rebuffer_ms"], 500);
    assert_eq!(answer["view"]["phase"], "closed");
    let totals = server.overview(-120_000, 120_000).await["totals"].clone();
    assert_close(&totals["played_ms"], 50_000.0);
    assert_close(&totals["rebuffer_ratio"], 500.0 / 50_500.0);
    assert_close(&totals["avg_bitrate_kbps"], 2_000.0);
    assert_close(&totals["attempts"], 1.0);
}

#[tokio::test]
async fn a_beacon_that_comes_again_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    for _ in 0..3 {
        for b in six_beacons(1) {
            server.post_at(i64::try_from(b.t_ms).unwrap(), &b).await;
        }
    }
    assert_six(&server, 6).await;
    assert_eq!(view(&server, 1).await["events"].as_array().unwrap().len(), 7);
    assert_eq!(server.json("/v1/status").await["beacons"]["duplicate"], 12);
}

#[tokio::test]
async fn the_order_in_which_beacons_come_does_not_matter() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let beacons = six_beacons(1);
    for place in [4, 1, 5, 0, 3, 2] {
        server.post_at(60_000, &beacons[place]).await;
    }
    assert_six(&server, 6).await;
    let answer = view(&server, 1).await;
    let times: Vec<_> = answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["t"].as_u64().unwrap())
        .collect();
    assert_eq!(times, [0, 10_000, 20_000, 30_000, 40_000, 50_000, 50_000]);
    assert_eq!(answer["view"]["video_title"], "A video");
    assert_eq!(answer["view"]["start_ms"], START_MS + 10_000);
}

#[tokio::test]
async fn counters_heal_what_was_lost() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    for b in six_beacons(1).into_iter().filter(|b| ![0, 2, 3].contains(&b.seq)) {
        server.post_at(i64::try_from(b.t_ms).unwrap(), &b).await;
    }
    assert_six(&server, 3).await;
}

#[tokio::test]
async fn a_clock_that_is_days_off_moves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    for (number, skew_ms) in [(1, -3 * DAY_MS), (2, 400 * DAY_MS), (3, -START_MS)] {
        for mut b in six_beacons(number).into_iter().take(3) {
            let t_ms = i64::try_from(b.t_ms).unwrap();
            b.sent_at_ms = u64::try_from(START_MS + t_ms + skew_ms).unwrap();
            // The network took 200, 50, 300 ms.
            let delay_ms = [200, 50, 300][b.seq as usize];
            server.post_at(t_ms + delay_ms, &b).await;
        }
        let answer = view(&server, number).await;
        assert_eq!(answer["view"]["start_ms"], START_MS + 50);
        assert_eq!(answer["view"]["clock_skew_ms"], 50 - skew_ms);
        assert_eq!(answer["view"]["phase"], "live");
    }
    let overview = server.overview(0, 60_000).await;
    assert_eq!(
        overview["series"]["attempts"],
        json!([3.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    );
    assert_eq!(
        overview["series"]["played_ms"],
        json!([0.0, 30000.0, 30000.0, 0.0, 0.0, 0.0])
    );
}

#[tokio::test]
async fn beacons_that_were_held_back_fall_where_they_belong() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    // All were sent, and kept, while offline for two minutes, and come at once.
    let beacons = six_beacons(1);
    for place in [1, 4] {
        server.post_at(170_000, &beacons[place]).await;
    }
    let answer = view(&server, 1).await;
    assert_eq!(answer["view"]["start_ms"], START_MS + 130_000);
    let played = server.overview(120_000, 180_000).await["series"]["played_ms"].clone();
    let played: Vec<f64> = serde_json::from_value(played).unwrap();
    // What was written before the view's start was known stays where it was put: at the latest when it came.
    assert_close(&json!(played.iter().sum::<f64>()), 40_000.0);
    assert_close(&json!(played[5]), 40_000.0 - played[2]);
}

#[tokio::test]
async fn viewers_are_counted_while_they_watch() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let states = [
        PlaybackState::Playing,
        PlaybackState::Starting,
        PlaybackState::Rebuffering,
        PlaybackState::Seeking,
        PlaybackState::Idle,
        PlaybackState::Paused,
        PlaybackState::Ended,
        PlaybackState::Failed,
    ];
    for (number, state) in (1..).zip(states) {
        let mut b = beacon(number, 0, 0);
        b.state = state;
        server.post_at(0, &b).await;
    }
    let mut gone = beacon(99, 0, 0);
    gone.events = vec![at(0, Event::ViewEnd)];
    server.post_at(0, &gone).await;

    let live = server.until("/v1/live", |live| live["open_views"] == 8.0).await;
    assert_eq!(live["concurrent_viewers"], 4.0);
    assert_eq!(live["states"]["paused"], 1.0);
    server.set_clock(START_MS + 34_999);
    server
        .until("/v1/live", |live| {
            live["now_ms"] == START_MS + 34_999 && live["concurrent_viewers"] == 4.0
        })
        .await;
    server.set_clock(START_MS + 35_000);
    server
        .until("/v1/live", |live| {
            live["concurrent_viewers"] == 0.0 && live["open_views"] == 8.0
        })
        .await;
    assert_eq!(view(&server, 1).await["view"]["phase"], "silent");
    server.set_clock(START_MS + 90_000);
    server.until("/v1/live", |live| live["open_views"] == 0.0).await;
    assert_eq!(view(&server, 1).await["view"]["phase"], "closed");
    server.set_clock(START_MS + 30 * 60_000);
    assert_eq!(view(&server, 1).await["view"]["phase"], "final");
}

#[tokio::test]
async fn who_stalls_for_more_than_five_minutes_is_no_viewer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    for seq in 0..=31 {
        let mut b = beacon(1, seq, u64::from(seq) * 10_000);
        b.state = PlaybackState::Rebuffering;
        server.post_at(i64::from(seq) * 10_000, &b).await;
        if seq == 30 {
            server
                .until("/v1/live", |live| live["concurrent_viewers"] == 1.0)
                .await;
        }
    }
    server
        .until("/v1/live", |live| {
            live["concurrent_viewers"] == 0.0 && live["open_views"] == 1.0
        })
        .await;
    let mut b = beacon(1, 32, 320_000);
    b.state = PlaybackState::Playing;
    server.post_at(320_000, &b).await;
    server
        .until("/v1/live", |live| live["concurrent_viewers"] == 1.0)
        .await;
}

#[tokio::test]
async fn concurrent_viewers_have_a_history() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    for number in 1..=3 {
        server.post_at(0, &beacon(number, 0, 0)).await;
    }
    server
        .until("/v1/live", |live| live["concurrent_viewers"] == 3.0)
        .await;
    for s in [10, 20, 30] {
        server.set_clock(START_MS + s * 1_000);
        server
            .until("/v1/live", |live| live["now_ms"] == START_MS + s * 1_000)
            .await;
    }
    let overview = server.overview(0, 60_000).await;
    let peaks = &overview["series"]["concurrent_viewers_peak"];
    assert_eq!(peaks, &json!([3.0, 3.0, 3.0, 3.0, null, null]));
    assert_eq!(overview["totals"]["concurrent_viewers_peak"], 3.0);
    assert_eq!(overview["concurrent_viewers"], 3.0);
    server.analytics.shutdown().await.unwrap();
    drop(server);
    // The unfinished ten seconds were stored at shutdown.
    let server = Server::open_at(dir.path(), START_MS + 60_000);
    let overview = server.overview(0, 60_000).await;
    assert_eq!(overview["series"]["concurrent_viewers_peak"], *peaks);
}

#[tokio::test]
async fn views_go_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let beacons = six_beacons(1);
    for (start, chunk) in [
        (0, &beacons[..2]),
        (20_000, &beacons[1..4]),
        (40_000, &beacons[3..]),
    ] {
        let server = Server::open_at(dir.path(), START_MS + start);
        for b in chunk {
            server.post_at(i64::try_from(b.t_ms).unwrap(), b).await;
        }
        if start < 40_000 {
            server
                .until("/v1/live", |live| live["concurrent_viewers"] == 1.0)
                .await;
            server.analytics.shutdown().await.unwrap();
        } else {
            assert_six(&server, 6).await;
            assert_eq!(view(&server, 1).await["events"].as_array().unwrap().len(), 7);
        }
    }
}

#[tokio::test]
async fn a_beacon_that_comes_hours_late_finds_its_view_in_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let beacons = six_beacons(1);
    let server = Server::open(dir.path());
    for b in &beacons[..5] {
        server.post_at(i64::try_from(b.t_ms).unwrap(), b).await;
    }
    server.analytics.shutdown().await.unwrap();
    drop(server);
    let late_ms = 5 * 3_600_000;
    let server = Server::open_at(dir.path(), START_MS + late_ms);
    for b in &beacons[3..] {
        server.post_at(late_ms, b).await;
    }
    let answer = view(&server, 1).await;
    assert_eq!(answer["view"]["beacons"], 6);
    assert_eq!(answer["view"]["start_ms"], START_MS);
    assert_eq!(answer["view"]["last_beat_ms"], START_MS + 50_000);
    assert_eq!(answer["view"]["phase"], "final");
    server
        .until("/v1/live", |live| live["concurrent_viewers"] == 0.0)
        .await;
    assert_close(
        &server.overview(0, 120_000).await["totals"]["played_ms"],
        50_000.0,
    );
}

#[tokio::test]
async fn a_new_view_can_be_queried_within_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    // The batch before this one must not delay it for longer than the store's rhythm.
    server.post_at(0, &beacon(1, 0, 0)).await;
    server.post_at(0, &beacon(2, 0, 0)).await;
    server
        .until("/v1/views", |views| views["views"].as_array().unwrap().len() == 2)
        .await;
}
