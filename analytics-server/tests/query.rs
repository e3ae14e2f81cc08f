//! `GET /v1/query`: metrics of sessions that were worked out by hand, told apart in many ways.
#![allow(clippy::unwrap_used)]

mod support;

use axum::body::Body;
use axum::http::Request;
use player_core::telemetry::schema::{Beacon, Counters, Dimension, Event, Experiment, ViewInfo};
use serde_json::{Value, json};
use support::{START_MS, Server, assert_close, at, beacon};

/// One of three views.
fn view(number: u32, device: &str, arm: &str, plan: &str, counters: Counters) -> Beacon {
    let mut b = beacon(number, 0, 20_000);
    b.info = Some(ViewInfo {
        device: device.into(),
        browser: format!("B{number}"),
        cdn_host: format!("cdn{}.example", number % 2),
        stream_type: if number == 3 { "vod" } else { "live" }.into(),
        experiment: Some(Experiment {
            name: "abr".into(),
            arm: arm.into(),
            probability: Some(0.5),
        }),
        dimensions: vec![Dimension {
            name: "plan".into(),
            value: plan.into(),
        }],
        ..ViewInfo::default()
    });
    b.counters = Counters {
        play_intent: true,
        ..counters
    };
    b
}

/// 1: a TV, 10 s of live media at half the size, 4 s behind. 2: a phone that stands for four, 20 s at one and a half times the
/// size, 10 s behind, of which 5 s were not known. 3: a TV whose sizes nobody knows.
async fn three_views(server: &Server) {
    let mut first = view(
        1,
        "tv",
        "a",
        "gold",
        Counters {
            startup_ms: Some(500),
            played_ms: 10_000,
            media_ms: 10_000,
            scaled_media_ms: 10_000,
            downscale_media_ms: 5_000,
            latency_played_ms: 10_000,
            latency_ms_played_ms: 10_000 * 4_000,
            bitrate_kbps_media_ms: 10_000 * 3_000,
            decoded_frames: 250,
            dropped_frames: 5,
            ..Counters::default()
        },
    );
    first.latency_ms = Some(4_500);
    let mut second = view(
        2,
        "phone",
        "b",
        "free, \"so far\"",
        Counters {
            startup_ms: Some(900),
            played_ms: 20_000,
            rebuffer_ms: 5_000,
            rebuffer_count: 1,
            rebuffer_network_ms: 4_000,
            media_ms: 20_000,
            scaled_media_ms: 20_000,
            upscale_media_ms: 10_000,
            latency_played_ms: 15_000,
            latency_ms_played_ms: 15_000 * 10_000,
            bitrate_kbps_media_ms: 20_000 * 1_000,
            ..Counters::default()
        },
    );
    second.sample_rate = 0.25;
    let mut third = view(
        3,
        "tv",
        "a",
        "gold",
        Counters {
            startup_ms: Some(700),
            played_ms: 5_000,
            media_ms: 5_000,
            bitrate_kbps_media_ms: 5_000 * 6_000,
            fatal: Some("network".into()),
            ..Counters::default()
        },
    );
    third.events = vec![at(20_000, Event::ViewEnd)];
    for (received_ms, b) in [(20_000, first), (20_000, second), (50_000, third)] {
        server.post_at(received_ms, &b).await;
    }
    server.stored().await;
}

async fn ask(server: &Server, query: &str) -> Value {
    let range = format!("from={START_MS}&to={}", START_MS + 60_000);
    server.json(&format!("/v1/query?{range}&{query}")).await
}

async fn value(server: &Server, metric: &str, rest: &str) -> Value {
    let answer = ask(server, &format!("metric={metric}{rest}")).await;
    assert_eq!(answer["rows"].as_array().unwrap().len(), 1, "{answer}");
    answer["rows"][0]["values"][metric].clone()
}

#[tokio::test]
async fn metrics_are_those_worked_out_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    three_views(&server).await;
    for (metric, expected) in [
        ("views", 6.0),
        ("attempts", 6.0),
        ("plays", 6.0),
        // 500 + 4 × 900 + 700 ms of 6 views.
        ("startup_ms", 800.0),
        ("startup_ms_p50", 700.0),
        ("startup_ms_p75", 800.0),
        ("startup_failure", 0.0),
        ("playback_fail", 1.0 / 6.0),
        ("failure_pct", 1.0 / 6.0),
        ("ebvs", 0.0),
        ("played_ms", 10_000.0 + 80_000.0 + 5_000.0),
        ("rebuffer_ratio", 20_000.0 / (95_000.0 + 20_000.0)),
        ("cirr", 16_000.0 / 115_000.0),
        // Four in 95 s.
        ("rebuffer_freq", 4.0 / 95.0 * 60.0),
        ("rebuffered_views", 4.0 / 6.0),
        // Watched: 0.5 + 10, four times 0.9 + 20 + 5, 0.7 + 5 seconds.
        (
            "stalled_pct_cta",
            20_000.0 / (10_500.0 + 4.0 * 25_900.0 + 5_700.0),
        ),
        (
            "avg_bitrate",
            (30_000.0 + 80_000.0 + 30_000.0) * 1_000.0 / 95_000.0,
        ),
        // View 3 counts in neither sum.
        ("upscale", 4.0 * 10_000.0 / 90_000.0),
        ("downscale", 5_000.0 / 90_000.0),
        ("live_latency", (40_000.0 + 4.0 * 150_000.0) * 1_000.0 / 70_000.0),
        // Of 4000 and 10,000 ms: the views themselves.
        ("live_latency_p50", 7_000.0),
        ("live_latency_p95", 9_700.0),
        ("dropped", 5.0 / 250.0),
    ] {
        let cell = value(&server, metric, "").await;
        println!("{metric} {cell}");
        assert_close(&cell["value"], expected);
    }
    let cell = value(&server, "startup_ms", "").await;
    assert_eq!(
        cell,
        json!({ "value": 800.0, "numerator": 4_800.0, "denominator": 6.0, "n": 3 })
    );
    assert_eq!(value(&server, "live_latency_p50", "").await["n"], 2);
    // The browser is not in rollups: the same numbers from the rows of views.
    for metric in ["rebuffer_ratio", "avg_bitrate", "upscale", "live_latency"] {
        let rolled_up = value(&server, metric, "").await;
        let by_views = value(&server, metric, "&filter=browser:exists").await;
        assert_close(&by_views["value"], rolled_up["value"].as_f64().unwrap());
        assert_eq!(
            (&rolled_up["n"], &by_views["n"]),
            (&Value::Null, &json!(3)),
            "{metric}"
        );
    }
}

#[tokio::test]
async fn views_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    three_views(&server).await;

    let answer = ask(&server, "metric=played_ms,plays&by=device&order=-plays").await;
    assert_eq!(
        answer["metrics"][0],
        json!({
            "name": "played_ms", "unit": "milliseconds", "better": "neither", "source": "rollups"
        })
    );
    assert_eq!(answer["metrics"][1]["source"], "views");
    let rows = answer["rows"].as_array().unwrap();
    let of = |row: usize| {
        let row = &rows[row];
        (
            row["by"]["device"].clone(),
            row["values"]["played_ms"]["value"].as_f64(),
            row["values"]["plays"]["value"].as_f64(),
        )
    };
    assert_eq!(of(0), (json!("phone"), Some(80_000.0), Some(4.0)));
    assert_eq!(of(1), (json!("tv"), Some(15_000.0), Some(2.0)));

    let few = ask(&server, "metric=plays&by=device&limit=1&order=plays").await;
    assert_eq!(
        (&few["more"], &few["rows"][0]["by"]["device"]),
        (&json!(true), &json!("tv"))
    );

    let arms = ask(&server, "metric=avg_bitrate&by=experiment,arm,dim.plan").await;
    assert_eq!(
        arms["rows"][0]["by"],
        json!({ "experiment": "abr", "arm": "a", "dim.plan": "gold" })
    );
    assert_close(&arms["rows"][0]["values"]["avg_bitrate"]["value"], 4_000.0);
    assert_eq!(arms["rows"][1]["by"]["dim.plan"], "free, \"so far\"");

    for (filter, plays) in [
        ("device:eq:tv", 2.0),
        ("device:ne:tv", 4.0),
        ("browser:in:B1,B2", 5.0),
        ("browser:nin:B1,B2", 1.0),
        ("failed:eq:true", 1.0),
        ("error:eq:network", 1.0),
        ("rebuffered:eq:true", 4.0),
        ("stream_type:eq:live", 5.0),
        ("dim.plan:in:free%5C,%20%22so%20far%22", 4.0),
        ("dim.plan:exists", 6.0),
        ("dim.shop:exists", 0.0),
        ("dim.pla:exists", 0.0),
        ("country:exists", 0.0),
        ("device:eq:'%20OR%20true%20--", 0.0),
    ] {
        let cell = value(&server, "plays", &format!("&filter={filter}")).await;
        assert_eq!(cell["value"], plays, "{filter}");
    }
    assert_eq!(value(&server, "plays", "&site=test").await["value"], 6.0);
    assert_eq!(value(&server, "plays", "&site=other").await["value"], 0.0);
}

#[tokio::test]
async fn series_have_a_row_a_bucket_and_group() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    three_views(&server).await;
    let answer = ask(&server, "metric=played_ms,plays&by=device&bucket=10s&order=plays").await;
    let rows: Vec<_> = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            json!([
                row["t_ms"].as_i64().unwrap() - START_MS,
                row["by"]["device"],
                row["values"]["played_ms"]["value"],
                row["values"]["plays"]["value"]
            ])
        })
        .collect();
    // Plays where views began (0 and 30 s), playing where it was reported (20 and 50 s); TVs first, for they have fewer plays.
    assert_eq!(
        rows,
        [
            json!([0, "tv", 0.0, 1.0]),
            json!([0, "phone", 0.0, 4.0]),
            json!([20_000, "tv", 10_000.0, 0.0]),
            json!([20_000, "phone", 80_000.0, 0.0]),
            json!([30_000, "tv", 0.0, 1.0]),
            json!([50_000, "tv", 5_000.0, 0.0]),
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_asked_says_what_can() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    for (query, what) in [
        ("", "`metric` is missing"),
        ("metric=joy", "no metric `joy`; known are views, attempts"),
        (
            "metric=views&by=shoe_size",
            "no dimension `shoe_size`; known are abr",
        ),
        ("metric=views&filter=%00:eq:1", "no dimension"),
        ("metric=views&from=1&to=9999999999999", "at most 92 days"),
        (
            "metric=views&;DROP%20TABLE%20views=1",
            "no parameter `;DROP TABLE views`",
        ),
    ] {
        let (status, body) = server.get(&format!("/v1/query?{query}")).await;
        let message = body["error"]["message"].as_str().unwrap();
        assert_eq!(
            (status.as_u16(), body["error"]["code"].as_str()),
            (400, Some("invalid_parameter"))
        );
        assert!(message.contains(what), "{query}: {message}");
    }
    let definitions = server.json("/v1/definitions").await;
    let metrics = definitions["metrics"].as_array().unwrap();
    let one = metrics.iter().find(|metric| metric["name"] == "cirr").unwrap();
    assert_eq!(
        one["definition"],
        "sum rebuf_ms(cause = network) / sum(played_ms + rebuf_ms)"
    );
    for metric in metrics {
        value(&server, metric["name"].as_str().unwrap(), "").await;
    }
}

#[tokio::test]
async fn a_view_has_what_the_application_said() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    three_views(&server).await;
    let view = server.json(&format!("/v1/views/{}", support::view_id(1))).await["view"].clone();
    assert_eq!(view["dimensions"], json!({ "plan": "gold" }));
    assert_eq!((&view["experiment"], &view["arm"]), (&json!("abr"), &json!("a")));
    assert_eq!(
        (&view["arm_probability"], &view["latency_ms"]),
        (&json!(0.5), &json!(4_500))
    );
    server.analytics.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_country_is_what_the_proxy_says() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| {
        config.country_header = Some("CF-IPCountry".into())
    });
    for (number, country) in [
        (1, "DE"),
        (2, "at"),
        (3, "XX"),
        (4, "T1"),
        (5, "a very long name"),
    ] {
        let mut b = beacon(number, 0, 0);
        b.counters.play_intent = true;
        b.counters.played_ms = 1_000;
        let post = Request::post("/v1/beacons")
            .header("cf-ipcountry", country)
            .body(Body::from(serde_json::to_vec(&b).unwrap()))
            .unwrap();
        assert_eq!(server.request(post).await.0.as_u16(), 204);
    }
    server.stored().await;
    let answer = ask(&server, "metric=played_ms,attempts&by=country&order=-attempts").await;
    let countries: Vec<_> = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            json!([
                row["by"]["country"],
                row["values"]["attempts"]["value"],
                row["values"]["played_ms"]["value"]
            ])
        })
        .collect();
    assert_eq!(
        countries,
        [
            json!(["", 3.0, 3_000.0]),
            json!(["AT", 1.0, 1_000.0]),
            json!(["DE", 1.0, 1_000.0])
        ]
    );
}

#[tokio::test]
async fn programs_count_only_where_they_are_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    for (number, agent) in [(1, "Mozilla/5.0 Safari/605.1.15"), (2, "Examplebot/2.1")] {
        let mut b = beacon(number, 0, 10_000);
        b.counters.play_intent = true;
        b.counters.played_ms = 1_000 * u64::from(number);
        let post = Request::post("/v1/beacons")
            .header("user-agent", agent)
            .body(Body::from(serde_json::to_vec(&b).unwrap()))
            .unwrap();
        server.set_clock(START_MS + 10_000);
        assert_eq!(server.request(post).await.0.as_u16(), 204);
    }
    server.stored().await;
    let range = format!("from={START_MS}&to={}", START_MS + 60_000);
    for (rest, excluded, attempts, played_ms) in [
        ("", true, 1.0, 1_000.0),
        ("&bots=false", true, 1.0, 1_000.0),
        ("&bots=true", false, 2.0, 3_000.0),
        ("&filter=device:eq:bot", false, 1.0, 2_000.0),
        ("&filter=device:ne:tv", false, 2.0, 3_000.0),
        ("&filter=video_id:eq:a", true, 1.0, 1_000.0),
    ] {
        let answer = ask(&server, &format!("metric=attempts,played_ms{rest}")).await;
        let values = &answer["rows"][0]["values"];
        assert_eq!(answer["bots_excluded"], excluded, "{rest}");
        assert_eq!(values["attempts"]["value"], attempts, "{rest}");
        assert_eq!(values["played_ms"]["value"], played_ms, "{rest}");
        let list = server.json(&format!("/v1/views?{range}{rest}")).await;
        assert_eq!(list["bots_excluded"], excluded, "{rest}");
        assert_eq!(list["views"].as_array().unwrap().len() as f64, attempts, "{rest}");
        if !rest.contains("filter") {
            let overview = server.json(&format!("/v1/overview?{range}{rest}")).await;
            assert_eq!(overview["bots_excluded"], excluded, "{rest}");
            assert_eq!(overview["totals"]["attempts"], attempts, "{rest}");
            assert_eq!(overview["totals"]["played_ms"], played_ms, "{rest}");
        }
    }
    let groups = ask(&server, "metric=attempts&by=device").await;
    assert_eq!(groups["rows"].as_array().unwrap().len(), 1, "{groups}");
}

#[tokio::test]
async fn views_are_listed_by_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    three_views(&server).await;
    for (filter, views) in [
        ("filter=all", &[3, 1, 2][..]),
        ("filter=failed", &[3]),
        ("filter=rebuffered", &[2]),
        ("filter=live", &[1, 2]),
        ("filter=device:eq:tv", &[3, 1]),
        ("filter=device:eq:tv&filter=failed", &[3]),
        ("filter=dim.plan:eq:gold&filter=stream_type:eq:live", &[1]),
        ("site=other", &[]),
    ] {
        let list = server.json(&format!("/v1/views?{filter}")).await;
        let ids: Vec<_> = list["views"]
            .as_array()
            .unwrap()
            .iter()
            .map(|view| view["view_id"].as_str().unwrap().to_owned())
            .collect();
        let expected: Vec<_> = views.iter().map(|number| support::view_id(*number)).collect();
        assert_eq!(ids, expected, "{filter}");
    }
    for (query, what) in [
        ("filter=shoe:eq:1", "no dimension `shoe`"),
        ("filter=broken", "`broken` is not a filter"),
        ("before=now", "`before` must be a number"),
        ("limit=-1", "`limit` is a number"),
        ("rows=1", "no parameter `rows`; known are limit"),
    ] {
        let (status, body) = server.get(&format!("/v1/views?{query}")).await;
        let message = body["error"]["message"].as_str().unwrap();
        assert!(
            status.as_u16() == 400 && message.contains(what),
            "{query}: {message}"
        );
    }
}
