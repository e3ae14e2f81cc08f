//! Players that are not ours: their CMCD becomes views like all others.
#![allow(clippy::unwrap_used)]

mod support;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use support::{SITE_KEY, START_MS, Server};

const SESSION: &str = "6e2fb550-c457-11e9-bb97-0800200c9a66";

async fn send(server: &Server, uri: &str, lines: &[String]) -> (u16, Value) {
    let request = Request::post(uri)
        .header("content-type", "application/cmcd")
        .header("user-agent", "ExoPlayerDemo/1.0 (Linux; Android 14)")
        .body(Body::from(lines.join("\n")))
        .unwrap();
    let (status, _, body) = server.request(request).await;
    (
        status.as_u16(),
        serde_json::from_slice(&body).unwrap_or(Value::Null),
    )
}

fn uri() -> String {
    format!("/v1/cmcd?site={SITE_KEY}")
}

fn line(sn: u64, ms: i64, rest: &str) -> String {
    format!("{rest},sid=\"{SESSION}\",sn={sn},ts={},v=2", START_MS + ms)
}

/// A view of a minute: 800 ms to the first frame, a rebuffering of 2 s, a seek of 1 s, a pause of 10 s, a switch.
fn story() -> Vec<String> {
    [
        (0, "cid=\"film\",e=ps,sf=h,st=v,sta=s"),
        (800, "br=(1000;v),e=ps,sta=p"),
        (10_800, "e=ps,sta=r"),
        (12_800, "e=ps,sta=p"),
        (22_800, "br=(3000;v),e=bc"),
        (32_800, "e=ps,pt=120000,sta=k"),
        (33_800, "e=ps,sta=p"),
        (
            33_900,
            "e=rr,ot=v,rc=404,ttfb=20,ttlb=30,url=\"https://cdn.example:8443/1.m4s\"",
        ),
        (43_800, "bl=(4200;v 3100;a),e=t,mtp=(5500),pt=130000"),
        (43_800, "e=ps,sta=a"),
        (53_800, "e=ps,sta=p"),
        (60_000, "e=ps,sta=e"),
        (60_001, "e=ps,sta=q"),
    ]
    .iter()
    .zip(0..)
    .map(|((ms, rest), sn)| line(sn, *ms, rest))
    .collect()
}

async fn only_view(server: &Server) -> Value {
    server.stored().await;
    let views = server.json("/v1/views").await;
    let views = views["views"].as_array().unwrap();
    assert_eq!(views.len(), 1, "{views:?}");
    let id = views[0]["view_id"].as_str().unwrap();
    server.json(&format!("/v1/views/{id}")).await
}

fn assert_is_the_story(view: &Value) {
    for (name, expected) in [
        ("session_id", json!(SESSION)),
        ("player", json!("ExoPlayerDemo/1.0")),
        ("video_id", json!("film")),
        ("protocol", json!("hls")),
        ("stream_type", json!("vod")),
        ("cdn_host", json!("cdn.example")),
        ("startup_ms", json!(800)),
        ("play_intent", json!(true)),
        ("played_ms", json!(46_200)),
        ("rebuffer_ms", json!(2000)),
        ("rebuffer_count", json!(1)),
        ("rebuffer_network_ms", json!(0)),
        ("seek_ms", json!(1000)),
        ("seek_count", json!(1)),
        ("paused_ms", json!(10_000)),
        ("media_ms", json!(46_200)),
        ("bitrate_kbps_media_ms", json!(20_000 * 1000 + 26_200 * 3000)),
        ("switches_up", json!(1)),
        ("requests", json!(1)),
        ("requests_failed", json!(1)),
        ("state", json!("ended")),
        ("view_end", json!(true)),
    ] {
        assert_eq!(view["view"][name], expected, "{name} of {view}");
    }
}

#[tokio::test]
async fn a_session_becomes_a_view() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    server.set_clock(START_MS + 60_100);
    assert_eq!(send(&server, &uri(), &story()).await.0, 204);
    let view = only_view(&server).await;
    assert_is_the_story(&view);
    let names: Vec<_> = view["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["e"].as_str().unwrap())
        .collect();
    let expected = [
        "view_start",
        "play",
        "first_frame",
        "playing",
        "rendition",
        "rebuffer_start",
        "rebuffer_end",
        "playing",
        "rendition",
        "seek",
        "seeked",
        "playing",
        "request",
        "sample",
        "pause",
        "playing",
        "ended",
        "view_end",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn what_comes_in_parts_or_twice_counts_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let story = story();
    for lines in [&story[..3], &story[..5], &story[3..9], &story[2..], &story[..]] {
        let last = lines.last().unwrap().split("ts=").nth(1).unwrap();
        let last: i64 = last.split(',').next().unwrap().parse().unwrap();
        server.set_clock(last + 50);
        assert_eq!(send(&server, &uri(), lines).await.0, 204);
    }
    assert_is_the_story(&only_view(&server).await);
}

#[tokio::test]
async fn lines_that_are_not_cmcd_are_kept_and_the_others_count() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let lines = [
        line(0, 0, "e=ps,sta=s"),
        "nonsense=\"".to_owned(),
        "e=ps,sta=p".to_owned(),
        line(1, 700, "e=ps,sta=p"),
    ];
    let (status, answer) = send(&server, &uri(), &lines).await;
    assert_eq!(
        (status, &answer["accepted"], &answer["rejected"]),
        (200, &json!(2), &json!(2))
    );
    let (status, answer) = send(&server, &uri(), &lines[1..3]).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (400, &json!("invalid_beacon"))
    );
    for (site, expected) in [("nobody", 401), ("", 401), ("test", 401)] {
        assert_eq!(
            send(&server, &format!("/v1/cmcd?site={site}"), &lines[..1])
                .await
                .0,
            expected
        );
    }
    assert_eq!(send(&server, "/v1/cmcd", &lines[..1]).await.0, 401);
    assert_eq!(send(&server, &uri(), &[]).await.0, 400);
    assert_eq!(send(&server, &uri(), &vec![lines[0].clone(); 301]).await.0, 413);
    let letters = server.json("/v1/dead-letters").await;
    assert_eq!(letters["dead_letters"].as_array().unwrap().len(), 4);
    assert_eq!(letters["dead_letters"][0]["route"], "cmcd");
    assert_eq!(only_view(&server).await["view"]["startup_ms"], 700);
}

#[tokio::test]
async fn a_failure_before_the_first_frame_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let lines = [line(0, 0, "e=ps,sta=s"), line(1, 3000, "e=ps,ec=(\"403\"),sta=f")];
    assert_eq!(send(&server, &uri(), &lines).await.0, 204);
    let view = only_view(&server).await;
    assert_eq!(view["view"]["fatal"], "403");
    assert_eq!(view["view"]["startup_ms"], Value::Null);
    // Another attempt in the same session is another view.
    let again = [line(2, 9000, "e=ps,sta=s"), line(3, 9500, "e=ps,sta=p")];
    assert_eq!(send(&server, &uri(), &again).await.0, 204);
    server.stored().await;
    let views = server.json("/v1/views").await;
    assert_eq!(views["views"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_a_player_says_with_its_requests_can_be_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    for (sn, ms, rest) in [
        (0, 0, "br%3D1000%2Csu"),
        (1, 4000, "br%3D1000"),
        (1, 4000, "br%3D1000"),
        (2, 8000, "bs%2Cbr%3D1000"),
    ] {
        server.set_clock(START_MS + ms);
        let uri = format!("/v1/cmcd?site={SITE_KEY}&CMCD={rest}%2Csid%3D%22{SESSION}%22%2Csn%3D{sn}");
        assert_eq!(server.get(&uri).await.0.as_u16(), 204);
    }
    let view = only_view(&server).await;
    assert_eq!(view["view"]["startup_ms"], 4000);
    assert_eq!(view["view"]["played_ms"], 4000);
    assert_eq!(view["view"]["rebuffer_count"], 1);
    assert_eq!(
        server.get(&format!("/v1/cmcd?site={SITE_KEY}")).await.0.as_u16(),
        400
    );
}

#[tokio::test]
async fn clocks_that_are_days_off_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let day = 86_400_000;
    server.set_clock(START_MS + 60_100);
    let early: Vec<String> = story()
        .iter()
        .map(|line| {
            let (head, rest) = line.split_once("ts=").unwrap();
            let (ts, rest) = rest.split_once(',').unwrap();
            format!("{head}ts={},{rest}", ts.parse::<i64>().unwrap() - 5 * day)
        })
        .collect();
    assert_eq!(send(&server, &uri(), &early).await.0, 204);
    let view = only_view(&server).await;
    assert_is_the_story(&view);
    assert_eq!(view["view"]["start_ms"], START_MS + 100 - 1);
}
