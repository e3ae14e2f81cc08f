//! What a player and a CDN's client may rely on.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use test_streams::faults::Faults;
use test_streams::origin::{Origin, OriginConfig, OriginError};
use test_streams::shaping::Shape;
use tower::ServiceExt;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    /// Or what broke it off.
    body: Result<Vec<u8>, String>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn bytes(&self) -> &[u8] {
        self.body.as_ref().unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(self.bytes()).unwrap()
    }
}

const SEGMENT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let stream = root.path().join("videos/clip");
    for folder in ["hls", "dash", "720p"] {
        fs::create_dir_all(stream.join(folder)).unwrap();
    }
    fs::write(
        stream.join("hls/master.m3u8"),
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n720p.m3u8\n",
    )
    .unwrap();
    fs::write(
        stream.join("hls/720p.m3u8"),
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-ENDLIST\n",
    )
    .unwrap();
    fs::write(stream.join("hls/live.m3u8"), "#EXTM3U\n#EXT-X-TARGETDURATION:2\n").unwrap();
    fs::write(stream.join("dash/manifest.mpd"), "<MPD type=\"static\"/>").unwrap();
    fs::write(stream.join("dash/live.mpd"), "<MPD type=\"dynamic\"/>").unwrap();
    fs::write(stream.join("720p/1.m4s"), SEGMENT).unwrap();
    fs::write(stream.join("720p/init.mp4"), "ftyp").unwrap();
    fs::write(stream.join("with space & ü.vtt"), "WEBVTT\n").unwrap();
    fs::create_dir_all(root.path().join("videos/other/dash")).unwrap();
    fs::write(root.path().join("videos/other/dash/manifest.mpd"), "<MPD/>").unwrap();
    fs::create_dir_all(root.path().join("videos/.half.partial-1/hls")).unwrap();
    fs::write(
        root.path().join("videos/.half.partial-1/hls/master.m3u8"),
        "#EXTM3U\n",
    )
    .unwrap();
    root
}

fn router(root: &TempDir, change: impl FnOnce(&mut OriginConfig)) -> Router {
    let mut config = OriginConfig::new(root.path());
    change(&mut config);
    Origin::open(config).unwrap().router()
}

async fn send(router: &Router, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes().to_vec())
        .map_err(|error| error.to_string());
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

async fn get(router: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(router, "GET", path, headers, "").await
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[tokio::test]
async fn each_kind_of_object_has_its_type_and_cache_time() {
    let root = root();
    let router = router(&root, |_| {});
    for (path, kind, cache) in [
        (
            "hls/master.m3u8",
            "application/vnd.apple.mpegurl",
            "public, max-age=60",
        ),
        (
            "hls/720p.m3u8",
            "application/vnd.apple.mpegurl",
            "public, max-age=3600",
        ),
        (
            "hls/live.m3u8",
            "application/vnd.apple.mpegurl",
            "public, max-age=1",
        ),
        (
            "dash/manifest.mpd",
            "application/dash+xml",
            "public, max-age=3600",
        ),
        ("dash/live.mpd", "application/dash+xml", "public, max-age=1"),
        ("720p/1.m4s", "video/mp4", "public, max-age=31536000, immutable"),
        (
            "720p/init.mp4",
            "video/mp4",
            "public, max-age=31536000, immutable",
        ),
        (
            "with%20space%20&%20%C3%BC.vtt",
            "text/vtt; charset=utf-8",
            "public, max-age=31536000, immutable",
        ),
    ] {
        let answer = get(&router, &format!("/videos/clip/{path}"), &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.header("content-type"), kind, "{path}");
        assert_eq!(answer.header("cache-control"), cache, "{path}");
        assert_eq!(
            answer.header("content-length"),
            answer.bytes().len().to_string(),
            "{path}"
        );
        assert_eq!(answer.header("accept-ranges"), "bytes", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(answer.header("timing-allow-origin"), "*", "{path}");
        assert!(
            answer
                .header("access-control-expose-headers")
                .contains("Content-Range"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_file_comes_in_parts_and_only_when_it_is_new() {
    let root = root();
    let router = router(&root, |_| {});
    let path = "/videos/clip/720p/1.m4s";
    let whole = get(&router, path, &[]).await;
    assert_eq!(whole.bytes(), SEGMENT);
    let etag = whole.header("etag").to_owned();

    let part = get(&router, path, &[("range", "bytes=10-19"), ("if-range", &etag)]).await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.header("content-range"), "bytes 10-19/36");
    assert_eq!(part.header("content-length"), "10");
    assert_eq!(part.text(), "abcdefghij");
    assert_eq!(get(&router, path, &[("range", "bytes=-3")]).await.text(), "xyz");
    assert_eq!(
        get(&router, path, &[("range", "bytes=0-1"), ("if-range", "\"old\"")])
            .await
            .bytes(),
        SEGMENT
    );
    assert_eq!(
        get(&router, path, &[("range", "bytes=0-1,4-5")]).await.status,
        StatusCode::OK
    );

    let beyond = get(&router, path, &[("range", "bytes=36-")]).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.header("content-range"), "bytes */36");

    let same = get(&router, path, &[("if-none-match", &etag)]).await;
    assert_eq!((same.status, same.bytes()), (StatusCode::NOT_MODIFIED, &b""[..]));
    assert_eq!(same.header("etag"), etag);
    fs::write(root.path().join("videos/clip/720p/1.m4s"), "other").unwrap();
    assert_eq!(
        get(&router, path, &[("if-none-match", &etag)]).await.text(),
        "other"
    );
}

#[tokio::test]
async fn head_options_and_other_methods() {
    let root = root();
    let router = router(&root, |_| {});
    let path = "/videos/clip/720p/1.m4s";
    let head = send(&router, "HEAD", path, &[], "").await;
    assert_eq!(
        (head.status, head.bytes(), head.header("content-length")),
        (StatusCode::OK, &b""[..], "36")
    );
    let head = send(&router, "HEAD", path, &[("range", "bytes=0-3")], "").await;
    assert_eq!(
        (head.status, head.header("content-range")),
        (StatusCode::PARTIAL_CONTENT, "bytes 0-3/36")
    );

    let options = send(&router, "OPTIONS", path, &[("origin", "http://a.example")], "").await;
    assert_eq!(options.status, StatusCode::NO_CONTENT);
    for name in ["Range", "Authorization", "CMCD-Session"] {
        assert!(
            options.header("access-control-allow-headers").contains(name),
            "{name}"
        );
    }
    let post = send(&router, "POST", path, &[], "").await;
    assert_eq!(
        (post.status, post.header("allow")),
        (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD, OPTIONS")
    );
}

#[tokio::test]
async fn nothing_outside_the_root_is_served() {
    let root = root();
    let secret = tempfile::tempdir().unwrap();
    fs::write(secret.path().join("secret.m4s"), "secret").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink(
            secret.path().join("secret.m4s"),
            root.path().join("videos/link.m4s"),
        )
        .unwrap();
        symlink(secret.path(), root.path().join("videos/folder")).unwrap();
        symlink("clip/720p/1.m4s", root.path().join("videos/inside.m4s")).unwrap();
        symlink(root.path(), root.path().join("videos/circle")).unwrap();
    }
    let router = router(&root, |_| {});
    let name = secret.path().file_name().unwrap().to_str().unwrap();
    let long = format!("/{}", "a".repeat(300));
    for path in [
        "/videos/link.m4s",
        "/videos/folder/secret.m4s",
        &format!("/../{name}/secret.m4s"),
        &format!("/%2e%2e/{name}/secret.m4s"),
        &format!("/..%2f{name}%2fsecret.m4s"),
        &format!("/{}", secret.path().join("secret.m4s").display()),
        "/videos/.half.partial-1/hls/master.m3u8",
        "/videos/clip/720p",
        "/videos/clip/720p/",
        "/videos/clip/720p/1.m4s/",
        "/videos/clip/720p/9.m4s",
        "/videos/clip/720p/1.m4s%00",
        &long,
    ] {
        let answer = get(&router, path, &[]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.header("cache-control"), "max-age=1", "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert!(answer.text().contains("there is no"), "{path}: {}", answer.text());
    }
    assert_eq!(
        get(&router, "/videos/%ff", &[]).await.status,
        StatusCode::BAD_REQUEST
    );
    #[cfg(unix)]
    assert_eq!(get(&router, "/videos/inside.m4s", &[]).await.bytes(), SEGMENT);
}

#[tokio::test]
async fn the_index_names_whole_streams() {
    let root = root();
    let all = json!({"streams": [
        {"id": "clip", "hls": "videos/clip/hls/master.m3u8", "dash": "videos/clip/dash/manifest.mpd"},
        {"id": "other", "dash": "videos/other/dash/manifest.mpd"},
    ]});
    let nested = Router::new().nest("/cdn", router(&root, |_| {}));
    assert_eq!(get(&nested, "/cdn/streams.json", &[]).await.json(), all);
    assert_eq!(
        get(&nested, "/cdn/videos/clip/720p/1.m4s", &[]).await.bytes(),
        SEGMENT
    );
    assert_eq!(get(&router(&root, |_| {}), "/", &[]).await.json(), all);

    let one = router(&root, |config| config.streams = vec!["other".to_owned()]);
    assert_eq!(
        get(&one, "/streams.json", &[]).await.json()["streams"][0]["id"],
        "other"
    );
    assert_eq!(
        get(&one, "/videos/other/dash/manifest.mpd", &[]).await.status,
        StatusCode::OK
    );
    assert_eq!(
        get(&one, "/videos/clip/720p/1.m4s", &[]).await.status,
        StatusCode::NOT_FOUND
    );

    let mut config = OriginConfig::new(root.path());
    config.streams = vec!["clop".to_owned()];
    let error = Origin::open(config).unwrap_err();
    assert!(matches!(error, OriginError::UnknownStream { .. }));
    assert!(
        error.to_string().contains("\"clop\"") && error.to_string().contains("clip, other"),
        "{error}"
    );
    let error = Origin::open(OriginConfig::new(root.path().join("nowhere"))).unwrap_err();
    assert!(error.to_string().contains("nowhere"), "{error}");
}

#[tokio::test]
async fn faults_are_given_where_they_were_asked_for() {
    let root = root();
    let rules = [
        "503x1:*/720p/1.m4s",
        "truncatex1:*/720p/1.m4s",
        "breakx1:*/720p/1.m4s",
        "html:*/dash/manifest.mpd",
    ];
    let router = router(&root, |config| config.faults = Faults::parse(rules).unwrap());
    let path = "/videos/clip/720p/1.m4s";

    let unavailable = get(&router, path, &[]).await;
    assert_eq!(unavailable.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(unavailable.header("access-control-allow-origin"), "*");
    assert_eq!(unavailable.header("cache-control"), "no-store");
    let truncated = get(&router, path, &[]).await;
    assert_eq!(
        (truncated.status, truncated.header("content-length")),
        (StatusCode::OK, "18")
    );
    assert_eq!(truncated.bytes(), &SEGMENT[..18]);
    let broken = get(&router, path, &[]).await;
    assert_eq!(
        (broken.status, broken.header("content-length")),
        (StatusCode::OK, "36")
    );
    assert!(broken.body.is_err());
    assert_eq!(get(&router, path, &[]).await.bytes(), SEGMENT);

    let html = get(&router, "/videos/clip/dash/manifest.mpd", &[]).await;
    assert_eq!(
        (html.status, html.header("content-type")),
        (StatusCode::OK, "text/html; charset=utf-8")
    );
    assert!(html.text().starts_with("<!doctype html>"));
}

#[tokio::test]
async fn the_network_and_the_faults_change_while_it_serves() {
    let root = root();
    let router = router(&root, |_| {});
    assert_eq!(get(&router, "/_origin/shape", &[]).await.json(), Value::Null);
    let ramp = json!({"name": "ramp", "steps": [
        {"duration_ms": 1000, "bandwidth_kbps": 6000, "latency_ms": 20},
        {"duration_ms": 2000, "bandwidth_kbps": 500},
    ]});
    assert_eq!(
        send(&router, "PUT", "/_origin/shape", JSON, &ramp.to_string())
            .await
            .status,
        StatusCode::NO_CONTENT
    );
    let state = get(&router, "/_origin/shape", &[]).await.json();
    assert_eq!(state["name"], "ramp");
    assert_eq!(state["duration_ms"], 3000.0);
    assert_eq!(
        send(&router, "POST", "/_origin/reset", &[], "").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        get(&router, "/_origin/shape", &[]).await.json()["position_ms"],
        0.0
    );
    send(
        &router,
        "PUT",
        "/_origin/shape",
        JSON,
        "{\"rate_kbps\": 3000, \"latency_ms\": 40}",
    )
    .await;
    let state = get(&router, "/_origin/shape", &[]).await.json();
    assert_eq!(
        (&state["name"], &state["latency_ms"]),
        (&json!("3000 kbit/s"), &json!(40.0))
    );
    send(&router, "PUT", "/_origin/shape", JSON, "{}").await;
    assert_eq!(get(&router, "/_origin/shape", &[]).await.json(), Value::Null);
    for (bad, reason) in [
        ("{\"rate_kbps\": 0}", "zero throughout"),
        (
            "{\"rate_kbps\": 1, \"steps\": [{\"duration_ms\": 1, \"bandwidth_kbps\": 1}]}",
            "not both",
        ),
        ("{\"latency_ms\": 1}", "goes with"),
        ("{\"rate_kbps\": 1, \"latency_ms\": -1}", "latency_ms"),
    ] {
        let answer = send(&router, "PUT", "/_origin/shape", JSON, bad).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
        assert!(answer.text().contains(reason), "{bad}: {}", answer.text());
    }

    send(&router, "PUT", "/_origin/faults", JSON, "[\"404x2:*.m4s\"]").await;
    assert_eq!(
        get(&router, "/videos/clip/720p/1.m4s", &[]).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        get(&router, "/_origin/faults", &[]).await.json(),
        json!(["404x1:*.m4s"])
    );
    let answer = send(&router, "PUT", "/_origin/faults", JSON, "[\"burn:*\"]").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);

    // Another site's page can only send what needs no preflight, and reads no answer.
    let simple = [("content-type", "text/plain"), ("origin", "http://evil.example")];
    let answer = send(&router, "PUT", "/_origin/shape", &simple, "{\"rate_kbps\": 1}").await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer.header("access-control-allow-origin"), "");
    let answer = send(&router, "OPTIONS", "/_origin/shape", &simple, "").await;
    assert!(!answer.status.is_success());
    assert_eq!(answer.header("access-control-allow-origin"), "");

    let closed = self::router(&root, |config| config.control = false);
    assert_eq!(
        get(&closed, "/_origin/shape", &[]).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test(start_paused = true)]
async fn answers_share_the_link() {
    let root = root();
    let segment = vec![7; 100_000];
    for number in 1..=4 {
        fs::write(
            root.path().join(format!("videos/clip/720p/{number}.m4s")),
            &segment,
        )
        .unwrap();
    }
    // 100 bytes a millisecond, and a round trip of 50 ms.
    let shape = Shape::constant(800.0, Duration::from_millis(50)).unwrap();
    let router = router(&root, |config| config.shape = Some(shape));
    let begin = tokio::time::Instant::now();
    let answers = (1..=4).map(|number| {
        let router = router.clone();
        tokio::spawn(async move { get(&router, &format!("/videos/clip/720p/{number}.m4s"), &[]).await })
    });
    let tasks: Vec<_> = answers.collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().bytes(), segment);
    }
    let passed = begin.elapsed().as_millis() as u64;
    assert!(passed.abs_diff(4050) <= 40, "{passed} ms");
}
