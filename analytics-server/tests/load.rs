//! Simulated viewers before the real server.
#![cfg(feature = "load")]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use analytics_server::load::{Audience, Due, History, Options, Sender};
use analytics_server::{Admin, AdminAccess, Analytics, Clock, Config, Server, Settings, Site};
use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::Value;
use tower::ServiceExt as _;

const HEADER: &str = "x-country";

fn options(viewers: usize) -> Options {
    Options {
        viewings: 40,
        ..Options::new("demo", viewers)
    }
}

fn audience(options: &Options, from_ms: i64, until_ms: i64) -> Audience {
    Audience::new(options, from_ms, until_ms, &|_| {}).unwrap()
}

async fn ask(router: &axum::Router, path: &str) -> Value {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn an_audience_depends_on_its_seed_alone_and_reports_in_order() {
    let take = |seed| -> Vec<Due> {
        let options = Options { seed, ..options(10) };
        audience(&options, 1_000_000, 2_000_000).take(400).collect()
    };
    let (first, again, other) = (take(1), take(1), take(2));
    let text = |dues: &[Due]| {
        serde_json::to_string(&dues.iter().map(|due| &due.beacon).collect::<Vec<_>>()).unwrap()
    };
    assert_eq!(text(&first), text(&again));
    assert_ne!(text(&first), text(&other));
    assert!(first.is_sorted_by_key(|due| due.at_ms));
    for due in &first {
        let beacon = analytics_server::read_beacon(&serde_json::to_vec(&due.beacon).unwrap()).unwrap();
        assert_eq!(beacon.site, "demo");
        assert!(beacon.seq > 0 || beacon.info.is_some());
    }
    let infos: Vec<_> = first.iter().filter_map(|due| due.beacon.info.as_ref()).collect();
    assert!(
        infos
            .iter()
            .all(|info| info.source.starts_with(&format!("https://{}/", info.cdn_host)))
    );
    assert!(
        infos
            .iter()
            .all(|info| info.experiment.is_some() && !info.device.is_empty())
    );
}

/// The past of twenty minutes, in the middle of which a CDN is slow.
#[tokio::test]
async fn an_incident_is_where_it_was_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::of(Duration::from_secs(1200));
    let from_ms = history.clock().now_ms();
    let until_ms = from_ms + 1_200_000;
    let mut options = options(40);
    options.incidents = vec![
        "at=50%,for=5m,where=cdn_host:cdn-b.example,what=slow"
            .parse()
            .unwrap(),
    ];
    let mut audience = audience(&options, from_ms, until_ms);
    let mut config = Config::new(folder.path(), [Site::new("demo", "demo")]);
    config.clock = history.clock();
    config.country_header = Some(HEADER.to_owned());
    let analytics = Analytics::open(config).unwrap();
    let router = analytics.router();
    let sender = Sender::router(router.clone(), Some(HEADER.to_owned()));
    history
        .replay(&mut audience, &sender, &router, |_| {})
        .await
        .unwrap();
    let summary = sender.summary(audience.views(), Duration::ZERO);
    assert_eq!(summary.acknowledged, summary.sent, "{summary:?}");

    let (begin, end) = (from_ms + 600_000, from_ms + 900_000);
    let path = format!("/v1/query?metric=rebuffer_ratio&by=cdn_host&from={begin}&to={end}");
    let rows = ask(&router, &path).await["rows"].as_array().unwrap().clone();
    let ratio_of = |host: &str| {
        let row = rows.iter().find(|row| row["by"]["cdn_host"] == host).unwrap();
        row["values"]["rebuffer_ratio"]["value"].as_f64().unwrap()
    };
    let (slow, other) = (ratio_of("cdn-b.example"), ratio_of("cdn-a.example"));
    assert!(slow > 0.1 && slow > 5.0 * other, "{slow} {other}");

    let path = format!("/v1/query?metric=views&by=country&from={}", from_ms - 60_000);
    let rows = ask(&router, &path).await["rows"].clone();
    let views: f64 = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["values"]["views"]["value"].as_f64().unwrap())
        .sum();
    assert_eq!(views, audience.views() as f64);
    assert!(
        rows.as_array()
            .unwrap()
            .iter()
            .all(|row| row["by"]["country"] != "")
    );
    analytics.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_server_elsewhere_gets_every_beacon_and_a_wrong_key_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(Config::new(folder.path(), [Site::new("demo", "demo")]));
    settings.public.listen = ([127, 0, 0, 1], 0).into();
    settings.public.drain_s = 0;
    let admin = Admin::new(([127, 0, 0, 1], 0).into(), AdminAccess::Open).unwrap();
    let server = Server::bind(settings.public, admin).await.unwrap();
    let address = format!("http://{}", server.public_address().unwrap());
    let analytics = Analytics::open(settings.config).unwrap();
    let router = analytics.router();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(analytics, async { drop(stopped.await) }));

    let now_ms = Clock::system().now_ms();
    let mut viewers = audience(&options(20), now_ms, now_ms + 60_000);
    let sender = Sender::http(&address, 4, None).unwrap();
    sender.follow(&mut viewers, 60.0, now_ms + 60_000).await.unwrap();
    let summary = sender.summary(viewers.views(), Duration::ZERO);
    assert!(summary.sent > 100, "{summary:?}");
    assert_eq!(summary.acknowledged, summary.sent, "{summary:?}");
    let accepted = ask(&router, "/v1/status").await["beacons"]["accepted"].as_u64();
    assert_eq!(accepted, Some(summary.acknowledged));

    let wrong = Options {
        site_key: "wrong".to_owned(),
        ..options(20)
    };
    let now_ms = Clock::system().now_ms();
    let mut strangers = audience(&wrong, now_ms, now_ms + 60_000);
    let sender = Sender::http(&address, 4, None).unwrap();
    let error = sender.follow(&mut strangers, 60.0, now_ms + 60_000).await;
    assert!(error.unwrap_err().to_string().contains("401"));
    assert!(Sender::http("ftp://127.0.0.1/", 4, None).is_err());

    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}
