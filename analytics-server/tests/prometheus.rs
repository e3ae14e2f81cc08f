//! `GET /metrics`: its format, and that it says what the other routes say.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, HashSet};

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use support::{START_MS, Server, beacon};

/// Name and labels as they are written → value.
type Samples = BTreeMap<String, f64>;

/// Reads a page as Prometheus' text format 0.0.4 says: families with a type before their samples, no sample twice.
fn read(page: &str) -> Samples {
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        let first = bytes
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        first && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    assert!(page.ends_with('\n'));
    let mut families: HashSet<String> = HashSet::new();
    let mut family = ("", "");
    let mut helped = "";
    let mut samples = Samples::new();
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split_once(' ').unwrap().0;
            continue;
        }
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            family = kind.split_once(' ').unwrap();
            let (name, kind) = family;
            assert!(
                is_name(name) && name == helped && families.insert(name.to_owned()),
                "{line}"
            );
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let expected: &[String] = match family {
            (of, "summary") => &[format!("{of}_sum"), format!("{of}_count")],
            (of, _) => &[of.to_owned()],
        };
        assert!(expected.contains(&name.to_owned()), "{line} is not of {family:?}");
        if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
            let labels = labels
                .strip_prefix('{')
                .and_then(|labels| labels.strip_suffix('}'))
                .unwrap();
            for label in labels.split(',') {
                let (label, text) = label.split_once('=').unwrap();
                assert!(is_name(label) && text.len() >= 2, "{line}");
                let text = text
                    .strip_prefix('"')
                    .and_then(|text| text.strip_suffix('"'))
                    .unwrap();
                assert!(
                    !text.contains(['"', '\\']),
                    "no site of this test needs an escape: {line}"
                );
            }
        }
        let value: f64 = value.parse().unwrap();
        assert!(
            samples.insert(series.to_owned(), value).is_none(),
            "{line} is there twice"
        );
    }
    samples
}

async fn metrics(server: &Server) -> Samples {
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let (status, headers, body) = server.request(request).await;
    assert_eq!(status.as_u16(), 200);
    assert_eq!(
        headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    read(&String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn the_numbers_are_those_of_the_other_routes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let empty = metrics(&server).await;
    let first = beacon(1, 0, 20_000);
    server.post_at(20_000, &first).await;
    server.post_at(20_000, &first).await;
    assert_eq!(server.post_bytes("no beacon").await.0.as_u16(), 400);
    server.stored().await;
    server
        .until("/v1/live?site=test", |live| live["concurrent_viewers"] == 1.0)
        .await;
    let samples = metrics(&server).await;
    assert_eq!(
        samples.keys().collect::<Vec<_>>(),
        empty.keys().collect::<Vec<_>>(),
        "all series are there from the start"
    );
    let status = server.json("/v1/status").await;
    for (family, label, counts) in [("beacons", "outcome", "beacons"), ("notes", "note", "notes")] {
        for (name, times) in status[counts].as_object().unwrap() {
            let series = format!("headgate_{family}_total{{{label}=\"{name}\"}}");
            assert_eq!(samples[&series], times.as_f64().unwrap(), "{series}");
        }
    }
    for (series, expected) in [
        ("headgate_beacons_total{outcome=\"accepted\"}", 2.0),
        ("headgate_beacons_total{outcome=\"duplicate\"}", 1.0),
        ("headgate_beacons_total{outcome=\"invalid\"}", 1.0),
        ("headgate_notes_total{note=\"dead_letter\"}", 1.0),
        ("headgate_queue_beacons", 0.0),
        ("headgate_queue_bytes", 0.0),
        ("headgate_log_beacons_total", 2.0),
        ("headgate_log_lag_beacons{of=\"events\"}", 0.0),
        ("headgate_log_lag_beacons{of=\"views\"}", 0.0),
        ("headgate_store_commit_failures_total", 0.0),
        ("headgate_live_streams", 0.0),
        ("headgate_ready", 1.0),
        ("headgate_concurrent_viewers{site=\"test\"}", 1.0),
        ("headgate_concurrent_viewers{site=\"other\"}", 0.0),
        ("headgate_open_views{site=\"test\",state=\"playing\"}", 1.0),
        ("headgate_open_views{site=\"test\",state=\"paused\"}", 0.0),
    ] {
        assert_eq!(samples[series], expected, "{series}");
    }
    assert!(samples["headgate_store_commit_seconds_count"] >= 1.0);
    assert!(samples["headgate_store_commit_seconds_sum"] > 0.0);
    assert!(samples["headgate_store_bytes{file=\"database\"}"] > 0.0);
    server.analytics.drain();
    assert_eq!(metrics(&server).await["headgate_ready"], 0.0);
    server.analytics.shutdown().await.unwrap();
}

/// The names in an expression that are this server's.
fn names(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("headgate_"))
}

#[tokio::test]
async fn the_grafana_dashboard_shows_what_there_is() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let mut b = beacon(1, 0, 10_000);
    b.counters.play_intent = true;
    b.counters.startup_ms = Some(500);
    b.counters.played_ms = 9_000;
    b.counters.media_ms = 9_000;
    server.post_at(10_000, &b).await;
    server.stored().await;
    let samples = metrics(&server).await;
    let known: HashSet<&str> = samples
        .keys()
        .map(|series| series.split('{').next().unwrap())
        .collect();
    let dashboard: Value = serde_json::from_str(include_str!("../grafana/headgate.json")).unwrap();
    let mut shown = HashSet::new();
    let mut asked = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            if let Some(expression) = target["expr"].as_str() {
                shown.extend(names(expression).map(ToOwned::to_owned));
                continue;
            }
            asked += 1;
            let url = target["url"].as_str().unwrap();
            let url = url
                .replace("${__from}", &START_MS.to_string())
                .replace("${__to}", &(START_MS + 60_000).to_string())
                .replace("${bucket}", "1m");
            // The worst cohort of one view is none; what it has, the OpenAPI document says.
            let answer = server.json(&url).await;
            let rows = answer[target["root_selector"].as_str().unwrap()]
                .as_array()
                .unwrap();
            for column in target["columns"].as_array().unwrap() {
                let selector = column["selector"].as_str().unwrap();
                let pointer = format!("/{}", selector.replace('.', "/"));
                assert!(
                    rows.iter().all(|row| row.pointer(&pointer).is_some()),
                    "{selector} of {url}"
                );
            }
            assert!(url.starts_with("/v1/cohorts") || !rows.is_empty(), "{url}");
        }
    }
    for name in &shown {
        assert!(known.contains(name.as_str()), "there is no {name}");
    }
    assert!(shown.len() >= 10 && asked >= 5);
}
