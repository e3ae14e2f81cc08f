//! Alerts before simulated incidents, quiet times, and few viewers.
#![cfg(feature = "load")]
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use analytics_server::load::{Audience, History, Options, Sender};
use analytics_server::{AlertRule, Analytics, Config, Settings, Site, Webhook};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::post;
use player_core::telemetry::schema::{Counters, PlaybackState};
use ring::hmac;
use serde_json::Value;
use support::{Server, beacon, view_id};
use tower::ServiceExt as _;

const SECRET: &str = "0123456789abcdef";

async fn ask(router: &axum::Router, path: &str) -> Value {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// A server with a past of so many minutes.
async fn past(
    folder: &Path,
    minutes: u64,
    viewers: usize,
    incident: Option<&str>,
    webhook: Option<Webhook>,
) -> Analytics {
    let length = Duration::from_secs(minutes * 60);
    let history = History::of(length);
    let from_ms = history.clock().now_ms();
    let options = Options {
        viewings: 150,
        incidents: incident.iter().map(|text| text.parse().unwrap()).collect(),
        ..Options::new("demo", viewers)
    };
    let until_ms = from_ms + length.as_millis() as i64;
    let mut audience = Audience::new(&options, from_ms, until_ms, &|_| {}).unwrap();
    let mut config = Config::new(folder, [Site::new("demo", "demo"), Site::new("idle", "idle")]);
    config.clock = history.clock();
    config.webhook = webhook;
    let analytics = Analytics::open(config).unwrap();
    let router = analytics.router();
    let sender = Sender::router(router.clone(), None);
    history
        .replay(&mut audience, &sender, &router, |_| {})
        .await
        .unwrap();
    analytics
}

/// What the webhook was sent: the headers and the body.
type Calls = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A server that refuses the first message once.
async fn listener() -> (String, Calls) {
    let calls = Calls::default();
    let seen = Arc::clone(&calls);
    let take = move |headers: HeaderMap, body: Bytes| async move {
        let mut seen = seen.lock().unwrap();
        seen.push((headers, body));
        match seen.len() {
            1 => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::OK,
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks/secret-path", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/hooks/secret-path", post(take));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, calls)
}

#[tokio::test]
async fn a_slow_cdn_fires_an_alert_that_names_it_and_is_over_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let (url, calls) = listener().await;
    let webhook = Webhook::new(&url, Some(SECRET.to_owned())).unwrap();
    let incident = "at=40%,for=10m,where=cdn_host:cdn-b.example,what=slow";
    let analytics = past(folder.path(), 40, 70, Some(incident), Some(webhook)).await;
    let router = analytics.router();
    let answer = ask(&router, "/v1/alerts?site=demo").await;
    let alerts = answer["alerts"].as_array().unwrap();
    let of_rule = |rule: &str| {
        alerts
            .iter()
            .filter(|alert| alert["rule"] == rule)
            .collect::<Vec<_>>()
    };
    let [alert] = of_rule("rebuffering")[..] else {
        panic!("{answer:#}");
    };
    assert_eq!(alert["state"], "resolved", "{alert:#}");
    assert_eq!(alert["cohort"]["by"]["cdn_host"], "cdn-b.example", "{alert:#}");
    assert!(alert["value"].as_f64() > alert["threshold"].as_f64(), "{alert:#}");
    let (now_ms, from_ms) = (answer["now_ms"].as_i64().unwrap(), 40 * 60_000);
    let begin_ms = now_ms - from_ms + from_ms * 2 / 5;
    let (fired_ms, resolved_ms) = (
        alert["fired_ms"].as_i64().unwrap(),
        alert["resolved_ms"].as_i64().unwrap(),
    );
    // The history ends a little after now, as it took a while.
    assert!(
        (begin_ms - 120_000..begin_ms + 480_000).contains(&fired_ms),
        "{}",
        fired_ms - begin_ms
    );
    assert!(resolved_ms > fired_ms + 300_000, "{alert:#}");
    assert!(
        ask(&router, "/v1/alerts?site=idle").await["alerts"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert!(ask(&router, "/v1/alerts?site=none").await["error"].is_object());

    let document = ask(&router, "/v1/openapi.json").await;
    let schema = &document["components"]["schemas"]["Alerts"]["properties"]["alerts"]["items"]["properties"];
    let keys = |object: &Value| {
        object
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(keys(alert), keys(schema));
    assert_eq!(
        keys(&alert["cohort"]),
        keys(&schema["cohort"]["oneOf"][0]["properties"])
    );

    let deadline = Instant::now() + Duration::from_secs(30);
    let webhook = loop {
        let webhook = ask(&router, "/v1/status").await["alerts"]["webhook"].clone();
        if webhook["waiting"] == 0 {
            break webhook;
        }
        assert!(Instant::now() < deadline, "{webhook}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((&webhook["failed"], &webhook["given_up"]), (&1.into(), &0.into()));
    assert_eq!(webhook["last_error"], Value::Null);
    let calls = std::mem::take(&mut *calls.lock().unwrap());
    assert_eq!(calls[0].1, calls[1].1, "the same again");
    let mut events = Vec::new();
    for (headers, body) in &calls[1..] {
        let signature = headers["headgate-signature"].to_str().unwrap();
        let (time, mac) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let expected = hmac::sign(&key, &[time.as_bytes(), b".", body].concat());
        let hex: String = expected
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(mac, hex);
        let message: Value = serde_json::from_slice(body).unwrap();
        if message["alert"]["rule"] == "rebuffering" {
            events.push(message["event"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(events, ["alert.firing", "alert.resolved"]);
    analytics.shutdown().await.unwrap();
    drop((router, analytics));

    // It is remembered.
    let mut config = Config::new(folder.path(), [Site::new("demo", "demo")]);
    config.alerts = AlertRule::defaults();
    let again = Analytics::open(config).unwrap();
    let remembered = ask(&again.router(), "/v1/alerts").await;
    assert_eq!(remembered["alerts"], answer["alerts"]);
    again.shutdown().await.unwrap();
}

#[tokio::test]
async fn nothing_fires_while_nothing_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let analytics = past(folder.path(), 30, 80, None, None).await;
    let answer = ask(&analytics.router(), "/v1/alerts").await;
    assert_eq!(answer["alerts"], Value::Array(Vec::new()), "{answer:#}");
    assert_eq!(answer["rules"].as_array().unwrap().len(), 6);
    let status = ask(&analytics.router(), "/v1/status").await;
    let late_ms = answer["now_ms"].as_i64().unwrap() - status["alerts"]["evaluated_ms"].as_i64().unwrap();
    assert!((0..300_000).contains(&late_ms), "{late_ms}");
    analytics.shutdown().await.unwrap();
}

#[tokio::test]
async fn few_viewers_are_no_reason_for_an_alert() {
    let folder = tempfile::tempdir().unwrap();
    let incident = Some("at=30%,for=10m,what=errors");
    let analytics = past(folder.path(), 30, 5, incident, None).await;
    let router = analytics.router();
    let now_ms = ask(&router, "/v1/alerts").await["now_ms"].as_i64().unwrap();
    let path = format!("/v1/query?metric=startup_failure&from={}", now_ms - 40 * 60_000);
    let failure = ask(&router, &path).await["rows"][0]["values"]["startup_failure"]["value"].as_f64();
    assert!(failure > Some(0.05), "something is wrong indeed: {failure:?}");
    let answer = ask(&router, "/v1/alerts").await;
    assert_eq!(answer["alerts"], Value::Array(Vec::new()), "{answer:#}");
    analytics.shutdown().await.unwrap();
}

/// Thirty viewers at the same time of three days, and three on the fourth.
#[tokio::test]
async fn viewers_who_are_missing_are_missed() {
    const DAY_MS: i64 = 86_400_000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("analytics.toml");
    std::fs::write(
        &file,
        "data = 'd'\n[[sites]]\nname = 'test'\nkeys = ['test-key']\n[[alerts]]\nname = 'gone'\nmetric = 'concurrent_viewers'\n\
         window_s = 60\nfor_s = 60\nmin_n = 20\nbaseline = { days = 3, deviations = 4 }",
    )
    .unwrap();
    let rules = Settings::read(&file).unwrap().config.alerts;
    let server = Server::open_with(folder.path(), |config| config.alerts = rules);
    for (day, viewers) in [(0, 30), (1, 30), (2, 30), (3, 3)] {
        for beat in 0..36 {
            for viewer in 0..viewers {
                let t_ms = beat * 10_000;
                let mut beacon = beacon(0, beat as u32, t_ms);
                beacon.view_id = view_id(day * 100 + viewer);
                beacon.state = PlaybackState::Playing;
                beacon.counters = Counters {
                    play_intent: true,
                    startup_ms: Some(300),
                    played_ms: t_ms,
                    ..Counters::default()
                };
                server
                    .post_at(
                        i64::from(day) * DAY_MS + t_ms as i64 + i64::from(viewer) * 300,
                        &beacon,
                    )
                    .await;
            }
        }
        server.set_clock(support::START_MS + i64::from(day) * DAY_MS + 450_000);
        server.stored().await;
    }
    // Of the fourth day, the time from the first to the fourth minute has been looked at.
    let answer = server
        .until("/v1/alerts", |answer| answer["alerts"][0]["state"] == "firing")
        .await;
    let alert = &answer["alerts"][0];
    let number = |name: &str| alert[name].as_f64().unwrap();
    assert!((25.0..=30.0).contains(&number("baseline")), "{alert:#}");
    assert!(number("value") <= 3.0 && number("threshold") > 10.0, "{alert:#}");
    assert_eq!((&alert["rule"], &alert["cohort"]), (&"gone".into(), &Value::Null));
    assert_eq!(answer["alerts"].as_array().unwrap().len(), 1, "{answer:#}");
    server.analytics.shutdown().await.unwrap();
}
