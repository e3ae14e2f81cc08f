//! What the collector makes of good and bad input.
#![allow(clippy::unwrap_used)]

mod support;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use player_core::telemetry::schema::{Event, MAX_EVENTS_PER_BEACON, TimedEvent};
use serde_json::json;
use support::{SITE_KEY, Server, at, beacon, view_id};

async fn refused(server: &Server, body: impl Into<Body>) -> (u16, String) {
    let (status, answer) = server.post_bytes(body).await;
    (
        status.as_u16(),
        answer["error"]["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test]
async fn bad_beacons_are_refused_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let good = serde_json::to_value(beacon(1, 0, 0)).unwrap();
    let with = |field: &str, value: serde_json::Value| {
        let mut changed = good.clone();
        changed[field] = value;
        changed.to_string()
    };

    let invalid = (400, "invalid_beacon".to_owned());
    for body in [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "\u{0}\u{1}\u{2}".to_owned(),
        "[".repeat(60_000),
        with("v", json!(99)),
        with("view_id", json!("../../etc/passwd")),
        with("seq", json!(-1)),
        with("t_ms", json!(u64::MAX)),
        with("sample_rate", json!(0)),
        with("counters", json!({ "played_ms": -5 })),
        with("events", json!("none")),
    ] {
        assert_eq!(refused(&server, body.clone()).await, invalid, "{body:.80}");
    }
    assert_eq!(refused(&server, vec![0xff_u8; 100]).await, invalid);
    let mut crowded = beacon(1, 0, 0);
    crowded.events = vec![
        TimedEvent {
            t: 0,
            event: Event::Play
        };
        MAX_EVENTS_PER_BEACON + 1
    ];
    assert_eq!(
        refused(&server, serde_json::to_vec(&crowded).unwrap()).await,
        invalid
    );

    assert_eq!(
        refused(&server, vec![b' '; (64 << 10) + 1]).await,
        (413, "body_too_large".to_owned())
    );
    // As long as it may be: too long for a beacon's text, not for the limit.
    assert_eq!(refused(&server, vec![b' '; 64 << 10]).await, invalid);
    for key in ["", "nobody", "test"] {
        assert_eq!(
            refused(&server, with("site", json!(key))).await,
            (401, "unknown_site".to_owned()),
            "{key}"
        );
    }

    let status = server.json("/v1/status").await;
    let counted = status["beacons"].as_object().unwrap().iter();
    let counted: Vec<_> = counted.filter(|(_, count)| **count != 0).collect();
    assert_eq!(
        json!(counted),
        json!([["invalid", 16], ["too_large", 1], ["unknown_site", 3]])
    );
    assert_eq!(status["log"]["head"], 0);
    server.post_at(0, &beacon(1, 0, 0)).await;
}

#[tokio::test]
async fn a_stream_without_length_is_cut_off_at_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let chunks = (0..1_000).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1_000]));
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    assert_eq!(refused(&server, body).await.0, 413);
}

#[tokio::test]
async fn any_origin_may_post_without_preflight_and_with() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let post = Request::post("/v1/beacons")
        .header("origin", "https://shop.example")
        .header("content-type", "text/plain;charset=UTF-8")
        .body(Body::from(serde_json::to_vec(&beacon(1, 0, 0)).unwrap()))
        .unwrap();
    let (status, headers, body) = server.request(post).await;
    assert_eq!((status, body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert!(!headers.contains_key("set-cookie"));

    let preflight = Request::options("/v1/beacons")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .body(Body::empty())
        .unwrap();
    let (status, headers, _) = server.request(preflight).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert_eq!(
        headers["access-control-allow-headers"],
        "content-encoding, content-type"
    );

    // An error can be read from another origin too; the queries cannot.
    let post = Request::post("/v1/beacons").body(Body::from("?")).unwrap();
    assert_eq!(server.request(post).await.1["access-control-allow-origin"], "*");
    let get = Request::get("/v1/views")
        .header("origin", "https://shop.example")
        .body(Body::empty())
        .unwrap();
    assert!(
        !server
            .request(get)
            .await
            .1
            .contains_key("access-control-allow-origin")
    );
}

#[tokio::test]
async fn nothing_is_accepted_after_shutdown() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    server.post_at(0, &beacon(1, 0, 0)).await;
    server.analytics.shutdown().await.unwrap();
    server.analytics.shutdown().await.unwrap();
    let request = Request::post("/v1/beacons").body(Body::from("{}")).unwrap();
    let (status, headers, _) = server.request(request).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    assert_eq!(server.get("/v1/status").await.0, StatusCode::SERVICE_UNAVAILABLE);
    drop(server);
    let server = Server::open(dir.path());
    assert_eq!(
        server.json("/v1/views").await["views"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn hostile_strings_come_out_as_the_text_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let title = "<img src=x onerror=alert(1)>'; DROP TABLE views; --\u{202e}\u{0}\u{7}é🎬";
    let mut hostile = beacon(1, 0, 0);
    let info = hostile.info.as_mut().unwrap();
    info.video_title = title.to_owned();
    info.source = "https://me:secret@cdn.example/a.m3u8?token=hunter2#x".to_owned();
    info.page_host = "x".repeat(40_000);
    hostile.events = vec![at(
        0,
        Event::Error {
            kind: "\"quoted\"".into(),
            fatal: false,
            message: "</script>\n{\"a\":1} https://cdn.example/s?token=hunter2".into(),
        },
    )];
    server.post_at(0, &hostile).await;
    server.stored().await;
    let answer = server.json(&format!("/v1/views/{}", view_id(1))).await;
    assert_eq!(
        answer["view"]["video_title"],
        "<img src=x onerror=alert(1)>'; DROP TABLE views; --é🎬"
    );
    assert_eq!(answer["view"]["source"], "https://cdn.example/a.m3u8");
    assert_eq!(answer["view"]["page_host"].as_str().unwrap().len(), 500);
    assert_eq!(answer["events"][0]["kind"], "\"quoted\"");
    assert_eq!(
        answer["events"][0]["message"],
        "</script>{\"a\":1} https://cdn.example/s"
    );
    assert!(!answer.to_string().contains("hunter2"));
    assert_eq!(
        server.get("/v1/views/%27%20OR%201%3D1%20--").await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        server.get("/v1/views?site=%27%20OR%201%3D1%20--").await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        server.get("/v1/views?filter=%27").await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn sites_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let mut mine = beacon(1, 0, 0);
    mine.counters.play_intent = true;
    server.post_at(0, &mine).await;
    // Another site cannot touch this view by using its id.
    let mut theirs = beacon(1, 9, 0);
    theirs.site = "other-key".to_owned();
    server.post_at(0, &theirs).await;
    server.stored().await;
    let views = server.json("/v1/views?site=test").await;
    assert_eq!(views["views"].as_array().unwrap().len(), 1);
    assert_eq!(views["views"][0]["max_seq"], 0);
    assert_eq!(
        server.json("/v1/views").await["views"].as_array().unwrap().len(),
        2
    );
    let attempts = |site: &str| format!("/v1/overview?from={}&site={site}", support::START_MS - 1000);
    server.set_clock(support::START_MS + 1000);
    assert_eq!(server.json(&attempts("test")).await["totals"]["attempts"], 1.0);
    assert_eq!(server.json(&attempts("other")).await["totals"]["attempts"], 0.0);
    assert!(!views.to_string().contains(SITE_KEY), "the key is stored");
}
