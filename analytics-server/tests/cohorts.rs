//! `GET /v1/cohorts`: cohorts of sessions that were worked out by hand.
#![allow(clippy::unwrap_used)]

mod support;

use player_core::telemetry::schema::{Counters, ViewInfo};
use serde_json::{Value, json};
use support::{START_MS, Server, assert_close, beacon};

/// Ten views each of TVs at cdn1 and of phones at either host play for 20 s and rebuffer for 1 s; so do TVs at cdn2, for 20 s: nine views,
/// one of which stands for two. And one TV at cdn3.
async fn trouble(server: &Server) {
    let mut number = 0;
    for (device, host, views, rebuffer_ms) in [
        ("tv", "cdn1", 10, 1_000),
        ("phone", "cdn1", 10, 1_000),
        ("phone", "cdn2", 10, 1_000),
        ("tv", "cdn2", 9, 20_000),
        ("tv", "cdn3", 1, 20_000),
    ] {
        for place in 0..views {
            number += 1;
            let counters = Counters {
                play_intent: true,
                startup_ms: Some(if device == "tv" { 2_000 } else { 500 }),
                played_ms: 20_000,
                rebuffer_ms,
                ..Counters::default()
            };
            let mut b = beacon(number, 0, 20_000);
            b.info = Some(ViewInfo {
                device: device.into(),
                cdn_host: host.into(),
                ..ViewInfo::default()
            });
            b.counters = counters;
            if (place, views) == (0, 9) {
                b.sample_rate = 0.5;
            }
            server.post_at(20_000, &b).await;
        }
    }
    server.stored().await;
}

#[tokio::test]
async fn cohorts_are_those_worked_out_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    trouble(&server).await;
    let range = format!("from={START_MS}&to={}", START_MS + 60_000);
    let cohorts = async |rest: &str| server.json(&format!("/v1/cohorts?{range}&{rest}")).await;
    // Seconds of rebuffering, and with those of playing: of all; of both; of TVs; of cdn2. The first question is for rollups,
    // which have all its dimensions, the second for views.
    let total = 250.0 / 1_070.0;
    for by in ["device,cdn_host", "device,cdn_host,os"] {
        let answer = cohorts(&format!("metric=rebuffer_ratio&by={by}&min_n=5")).await;
        assert_close(&answer["total"]["value"], total);
        // cdn3 is, and nothing else that is looked at.
        assert_eq!(
            (&answer["total"]["n"], &answer["left_out"]),
            (&json!(40), &json!(1))
        );
        let found = answer["cohorts"].as_array().unwrap();
        let expected = [
            (&["cdn_host:eq:cdn2", "device:eq:tv"][..], 9, 10.0, 200.0 / 400.0),
            (&["device:eq:tv"], 20, 21.0, 230.0 / 650.0),
            (&["cdn_host:eq:cdn2"], 19, 20.0, 210.0 / 610.0),
        ];
        assert_eq!(found.len(), expected.len(), "{answer:#}");
        for (cohort, (filters, n, views, value)) in found.iter().zip(expected) {
            assert_eq!(cohort["filters"], json!(filters));
            assert_eq!(
                (&cohort["cell"]["n"], &cohort["views"]),
                (&json!(n), &json!(views))
            );
            assert_close(&cohort["cell"]["value"], value);
            assert_close(&cohort["difference"], value - total);
            assert_close(&cohort["impact"], views * (value - total));
            assert_close(&cohort["share"], 1.0);
        }
    }
    let few = cohorts("metric=rebuffer_ratio&by=device,cdn_host&min_n=5&limit=1").await;
    assert_eq!(
        (few["cohorts"].as_array().unwrap().len(), &few["more"]),
        (1, &json!(true))
    );

    // At cdn1 half of the views start after 2 s, half after 0.5 s.
    let answer = cohorts("metric=startup_ms_p50&filter=cdn_host:eq:cdn1&by=device,os&min_n=10").await;
    assert_eq!(answer["total"], json!({ "value": 1_250.0, "n": 20 }));
    assert_eq!(
        answer["cohorts"],
        json!([{
            "by": { "device": "tv" }, "filters": ["device:eq:tv"], "cell": { "value": 2_000.0, "n": 10 },
            "views": 10.0, "difference": 750.0, "impact": 7_500.0, "share": 1.0
        }])
    );
    assert_eq!(
        cohorts("metric=ebvs&by=device,cdn_host").await["left_out"],
        5,
        "25 views are the least"
    );
    let nothing = cohorts("metric=startup_ms&site=other").await;
    assert_eq!(nothing["total"]["value"], Value::Null);
    let (status, body) = server.get("/v1/cohorts?metric=plays").await;
    assert_eq!(
        (status.as_u16(), body["error"]["code"].as_str()),
        (400, Some("invalid_parameter"))
    );
}
