//! The metrics of sessions that were worked out by hand.
#![allow(clippy::unwrap_used)]

mod support;

use player_core::telemetry::schema::{Counters, Event, PlaybackState, RebufferCause};
use serde_json::{Value, json};
use support::{START_MS, Server, assert_close, at, beacon, view_id};

/// Six views that began within a minute, each told by few beacons.
async fn six_views(server: &Server) {
    // 1: starts in 400 ms, plays 20 s of which 12 s media at 1000 and 8 s at 3000 kbit/s, rebuffers 2 s for the network,
    //    seeks for 1 s, ends.
    let mut b = beacon(1, 0, 500);
    b.counters = Counters {
        play_intent: true,
        startup_ms: Some(400),
        ..Counters::default()
    };
    b.events = vec![
        at(0, Event::ViewStart),
        at(100, Event::Play),
        at(500, Event::FirstFrame),
    ];
    server.post_at(500, &b).await;
    let mut b = beacon(1, 1, 23_500);
    b.state = PlaybackState::Ended;
    b.counters = Counters {
        play_intent: true,
        startup_ms: Some(400),
        played_ms: 20_000,
        rebuffer_ms: 2_000,
        rebuffer_count: 1,
        rebuffer_network_ms: 2_000,
        seek_ms: 1_000,
        seek_count: 1,
        media_ms: 20_000,
        bitrate_kbps_media_ms: 12_000 * 1_000 + 8_000 * 3_000,
        decoded_frames: 600,
        dropped_frames: 6,
        ended: true,
        ..Counters::default()
    };
    b.events = vec![
        at(
            9_000,
            Event::RebufferStart {
                cause: RebufferCause::Network,
            },
        ),
        at(11_000, Event::RebufferEnd),
        at(23_500, Event::Ended),
        at(23_500, Event::ViewEnd),
    ];
    server.post_at(23_500, &b).await;

    // 2: starts in 1000 ms, plays 10 s at 5000 kbit/s, rebuffers 3 s for decoding, fails.
    let mut b = beacon(2, 0, 14_000);
    b.state = PlaybackState::Failed;
    b.counters = Counters {
        play_intent: true,
        startup_ms: Some(1_000),
        played_ms: 10_000,
        rebuffer_ms: 3_000,
        rebuffer_count: 2,
        media_ms: 10_000,
        bitrate_kbps_media_ms: 10_000 * 5_000,
        decoded_frames: 300,
        fatal: Some("media".into()),
        ..Counters::default()
    };
    b.events = vec![
        at(0, Event::Play),
        at(
            14_000,
            Event::Error {
                kind: "media".into(),
                fatal: true,
                message: "decoder gave up".into(),
            },
        ),
    ];
    server.post_at(30_000, &b).await;

    // 3: fails before its first frame.
    let mut b = beacon(3, 0, 3_000);
    b.state = PlaybackState::Failed;
    b.counters = Counters {
        play_intent: true,
        fatal: Some("manifest".into()),
        ..Counters::default()
    };
    b.events = vec![at(0, Event::Play)];
    server.post_at(31_000, &b).await;

    // 4: waits 4 s, gives up. 5: waits 0.6 s, gives up. Both say so.
    for (view, waited_ms) in [(4, 4_000), (5, 600)] {
        let mut b = beacon(view, 0, waited_ms + 200);
        b.state = PlaybackState::Starting;
        b.counters.play_intent = true;
        b.events = vec![at(200, Event::Play), at(waited_ms + 200, Event::ViewEnd)];
        server.post_at(32_000, &b).await;
    }

    // 6: nobody asked to play.
    let mut b = beacon(6, 0, 1_000);
    b.state = PlaybackState::Idle;
    server.post_at(33_000, &b).await;
}

#[tokio::test]
async fn totals_are_those_worked_out_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    six_views(&server).await;
    let totals = server.overview(0, 60_000).await["totals"].clone();
    assert_eq!(totals["views"], 6);
    assert_close(&totals["attempts"], 5.0);
    assert_close(&totals["plays"], 2.0);
    // Of 400 and 1000 ms: halfway, and 95% of the way.
    assert_eq!(totals["startup_ms"]["n"], 2);
    assert_close(&totals["startup_ms"]["p50"], 700.0);
    assert_close(&totals["startup_ms"]["p95"], 970.0);
    assert_close(&totals["startup_failures"], 1.0);
    assert_close(&totals["startup_failure_ratio"], 1.0 / 5.0);
    assert_close(&totals["playback_failures"], 1.0);
    assert_close(&totals["playback_failure_ratio"], 1.0 / 2.0);
    assert_close(&totals["failures"], 2.0);
    assert_close(&totals["failure_ratio"], 2.0 / 5.0);
    assert_close(&totals["exits_before_start"], 1.0);
    assert_close(&totals["exits_before_start_ratio"], 1.0 / 5.0);
    assert_close(&totals["exits_before_start_under_1s"], 1.0);
    assert_close(&totals["played_ms"], 30_000.0);
    assert_close(&totals["rebuffer_ms"], 5_000.0);
    assert_close(&totals["rebuffer_ratio"], 5_000.0 / 35_000.0);
    assert_close(&totals["cirr"], 2_000.0 / 35_000.0);
    assert_close(&totals["rebuffer_count"], 3.0);
    assert_close(&totals["rebuffers_per_minute"], 3.0 / 0.5);
    assert_close(&totals["rebuffered_plays_ratio"], 1.0);
    // Watched: 0.4 + 20 + 2 + 1 and 1 + 10 + 3 seconds.
    assert_close(&totals["stalled_pct_cta"], 5_000.0 / (23_400.0 + 14_000.0));
    assert_close(
        &totals["avg_bitrate_kbps"],
        (12_000.0 + 24_000.0 + 50_000.0) * 1000.0 / 30_000.0,
    );
    assert_close(&totals["dropped_frames_ratio"], 6.0 / 900.0);
    server.analytics.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_range_without_views_has_no_ratios() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    six_views(&server).await;
    let overview = server.overview(600_000, 660_000).await;
    let totals = &overview["totals"];
    assert_eq!(totals["views"], 0);
    for name in [
        "rebuffer_ratio",
        "avg_bitrate_kbps",
        "startup_failure_ratio",
        "playback_failure_ratio",
    ] {
        assert_eq!(totals[name], Value::Null, "{name}");
    }
    assert_eq!(totals["startup_ms"], json!({ "p50": null, "p95": null, "n": 0 }));
    assert_eq!(
        overview["series"]["attempts"],
        json!([0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    );
}

#[tokio::test]
async fn series_put_starts_at_the_start_and_playing_where_it_was_reported() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    six_views(&server).await;
    let series = server.overview(0, 60_000).await["series"].clone();
    assert_eq!(series["t_ms"][3], START_MS + 30_000);
    // Views 1; 2 (30 − 14 s); 3, 4, 5 (28, 27.8, 31.2 s); 6 has no attempt.
    assert_eq!(series["attempts"], json!([1.0, 1.0, 2.0, 1.0, 0.0, 0.0]));
    assert_eq!(series["plays"], json!([1.0, 1.0, 0.0, 0.0, 0.0, 0.0]));
    assert_eq!(
        series["startup_p50_ms"],
        json!([400.0, 1000.0, null, null, null, null])
    );
    assert_eq!(series["startup_n"], json!([1, 1, 0, 0, 0, 0]));
    // View 1 reported at 23.5 s, view 2 at 30 s.
    assert_eq!(series["played_ms"], json!([0.0, 0.0, 20000.0, 10000.0, 0.0, 0.0]));
    assert_close(&series["rebuffer_ratio"][2], 2.0 / 22.0);
    assert_close(&series["rebuffer_ratio"][3], 3.0 / 13.0);
    assert_eq!(
        series["avg_bitrate_kbps"],
        json!([null, null, 1800.0, 5000.0, null, null])
    );
    assert_eq!(
        series["exits_before_start"],
        json!([0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    );
}

#[tokio::test]
async fn one_view_has_its_numbers_and_its_events_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    six_views(&server).await;
    server.stored().await;
    let answer = server.json(&format!("/v1/views/{}", view_id(1))).await;
    let view = &answer["view"];
    assert_eq!(view["video_title"], "A video");
    assert_eq!(view["start_ms"], START_MS);
    assert_eq!(view["startup_ms"], 400);
    assert_eq!(view["state"], "ended");
    assert_eq!(view["phase"], "closed");
    assert_eq!(view["ended"], true);
    assert_eq!(view["watched_ms"], 23_400);
    assert_close(&view["rebuffer_ratio"], 2.0 / 22.0);
    assert_close(&view["avg_bitrate_kbps"], 1_800.0);
    let events: Vec<_> = answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["e"].as_str().unwrap())
        .collect();
    assert_eq!(
        events,
        [
            "view_start",
            "play",
            "first_frame",
            "rebuffer_start",
            "rebuffer_end",
            "ended",
            "view_end"
        ]
    );
    assert_eq!(
        answer["events"][3],
        json!({ "t": 9000, "e": "rebuffer_start", "cause": "network" })
    );

    let failed = server.json("/v1/views?filter=failed").await;
    let ids: Vec<_> = failed["views"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["view_id"].clone())
        .collect();
    assert_eq!(ids, [json!(view_id(3)), json!(view_id(2))]);
    assert_eq!(failed["views"][1]["fatal_message"], "decoder gave up");
    let page = server.json("/v1/views?limit=2").await;
    assert_eq!(page["more"], true);
    assert_eq!(page["views"].as_array().unwrap().len(), 2);
    let (status, body) = server.get("/v1/views/nothing").await;
    assert_eq!(
        (status.as_u16(), body["error"]["code"].as_str()),
        (404, Some("not_found"))
    );
}

#[tokio::test]
async fn sampled_views_stand_for_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    for (view, sample_rate, startup_ms, rebuffer_ms) in [(1, 0.1, 500, 0), (2, 1.0, 900, 10_000)] {
        let mut b = beacon(view, 0, 20_000);
        b.sample_rate = sample_rate;
        b.counters = Counters {
            play_intent: true,
            startup_ms: Some(startup_ms),
            played_ms: 10_000,
            rebuffer_ms,
            ..Counters::default()
        };
        server.post_at(20_000, &b).await;
    }
    let overview = server.overview(0, 60_000).await;
    let totals = &overview["totals"];
    assert_eq!(totals["views"], 2);
    assert_close(&totals["attempts"], 11.0);
    assert_eq!(totals["startup_ms"]["n"], 2);
    assert_close(&totals["rebuffer_ratio"], 10.0 / 120.0);
    server
        .until("/v1/live", |live| live["concurrent_viewers"] == 11.0)
        .await;
}

#[tokio::test]
async fn an_exit_counts_only_when_the_view_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let mut b = beacon(1, 0, 5_000);
    b.state = PlaybackState::Starting;
    b.counters.play_intent = true;
    b.events = vec![at(0, Event::Play)];
    server.post_at(5_000, &b).await;
    assert_close(
        &server.overview(0, 60_000).await["totals"]["exits_before_start"],
        0.0,
    );
    server.set_clock(START_MS + 5_000 + 89_999);
    assert_close(
        &server.overview(0, 60_000).await["totals"]["exits_before_start"],
        0.0,
    );
    server.set_clock(START_MS + 5_000 + 90_000);
    assert_close(
        &server.overview(0, 60_000).await["totals"]["exits_before_start"],
        1.0,
    );
}

#[tokio::test]
async fn a_page_that_was_hidden_did_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let mut b = beacon(1, 0, 60_000);
    b.state = PlaybackState::Starting;
    b.counters.play_intent = true;
    b.events = vec![
        at(0, Event::Hidden { hidden: true }),
        at(1_000, Event::Play),
        at(58_000, Event::Hidden { hidden: false }),
        at(58_900, Event::Hidden { hidden: true }),
        at(60_000, Event::ViewEnd),
    ];
    server.post_at(60_000, &b).await;
    let totals = server.overview(0, 60_000).await["totals"].clone();
    assert_close(&totals["exits_before_start"], 0.0);
    assert_close(&totals["exits_before_start_under_1s"], 1.0);
    assert_eq!(
        server.json(&format!("/v1/views/{}", view_id(1))).await["view"]["waited_ms"],
        900
    );
}
