//! What the collector takes from whom: batches, compressed bodies, origins, tokens, rates, dimensions, viewers, full disks.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use analytics_server::{DiskSpace, Site, dead_letters};
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request};
use flate2::Compression;
use flate2::write::GzEncoder;
use player_core::telemetry::schema::Beacon;
use ring::hmac;
use serde_json::{Value, json};
use support::{SITE_KEY, START_MS, Server, beacon, view_id};

/// Sends a body with headers, from an address.
async fn send(
    server: &Server,
    uri: &str,
    from: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (u16, HeaderMap, Value) {
    let mut request = Request::post(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(body.into()).unwrap();
    if !from.is_empty() {
        let peer = SocketAddr::new(from.parse().unwrap(), 50_000);
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    let (status, headers, body) = server.request(request).await;
    let answer = serde_json::from_slice(&body).unwrap_or(Value::Null);
    (status.as_u16(), headers, answer)
}

async fn post(server: &Server, headers: &[(&str, &str)], body: impl Into<Body>) -> (u16, Value) {
    let (status, _, answer) = send(server, "/v1/beacons", "", headers, body).await;
    (status, answer)
}

fn json_of(beacon: &Beacon) -> String {
    serde_json::to_string(beacon).unwrap()
}

async fn counted(server: &Server, name: &str) -> Value {
    let status = server.json("/v1/status").await;
    let count = &status["beacons"][name];
    if count.is_null() {
        status["notes"][name].clone()
    } else {
        count.clone()
    }
}

#[tokio::test]
async fn of_a_batch_the_good_ones_count_and_the_bad_ones_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let good = [beacon(1, 0, 0), beacon(1, 1, 10), beacon(2, 0, 0)].map(|beacon| json_of(&beacon));
    let mut unknown = beacon(3, 0, 0);
    unknown.site = "nobody".to_owned();
    let bad = r#"{"v":1,"source":"https://h/a?token=hunter2"}"#;
    let batch = format!(
        "[{},{bad},{},{},{}]",
        good[0],
        json_of(&unknown),
        good[1],
        good[2]
    );
    let (status, answer) = post(&server, &[], batch).await;
    assert_eq!(
        (status, &answer["accepted"], &answer["rejected"]),
        (200, &json!(3), &json!(2))
    );
    let told: Vec<_> = answer["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (&p["index"], &p["code"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!(1), &json!("invalid_beacon")),
            (&json!(2), &json!("unknown_site"))
        ]
    );

    let lines = format!("{}\nrubbish\n\n{}\n", good[0], json_of(&beacon(4, 0, 0)));
    let ndjson = [("content-type", "application/x-ndjson")];
    let (status, answer) = post(&server, &ndjson, lines).await;
    assert_eq!(
        (status, &answer["accepted"], &answer["rejected"]),
        (200, &json!(2), &json!(1))
    );

    // Nothing good in it: the answer is an error, not 200.
    let (status, answer) = post(&server, &[], format!("[{},{bad}]", json_of(&unknown))).await;
    assert_eq!((status, &answer["error"]["code"]), (401, &json!("unknown_site")));
    let (status, _) = post(&server, &[], format!("[{bad},{bad}]")).await;
    assert_eq!(status, 400);
    let (status, _) = post(&server, &[], format!("[{}]", vec![&*good[0]; 301].join(","))).await;
    assert_eq!(status, 413);

    server.stored().await;
    assert_eq!(counted(&server, "accepted").await, 5);
    assert_eq!(counted(&server, "duplicate").await, 1);
    assert_eq!(counted(&server, "unknown_site").await, 2);
    assert_eq!(counted(&server, "dead_letter").await, 5);
    assert_eq!(
        server.json("/v1/views").await["views"].as_array().unwrap().len(),
        3
    );
    let letters = server.json("/v1/dead-letters?limit=10").await;
    let letters = letters["dead_letters"].as_array().unwrap();
    assert_eq!(letters.len(), 5);
    assert_eq!(letters[0]["body"], r#"{"v":1,"source":"https://h/a"}"#);
    assert_eq!(letters[0]["received_ms"], START_MS);
    assert_eq!(letters.last().unwrap()["body"], letters[0]["body"]);
    assert_eq!(
        dead_letters(dir.path(), 9).unwrap().len(),
        5,
        "also while the server runs"
    );
}

#[tokio::test]
async fn a_batch_of_which_something_must_be_sent_again_is_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| config.limits.queue_beacons = 1);
    let beacons: Vec<_> = (0..300).map(|seq| json_of(&beacon(1, seq, seq.into()))).collect();
    let (status, headers, answer) = send(
        &server,
        "/v1/beacons",
        "",
        &[],
        format!("[{}]", beacons.join(",")),
    )
    .await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("busy")));
    assert_eq!(headers["retry-after"], "5");
    let accepted = counted(&server, "accepted").await.as_u64().unwrap();
    assert!((1..300).contains(&accepted), "{accepted}");
    for beacon in &beacons {
        assert_eq!(post(&server, &[], beacon.clone()).await.0, 204);
    }
    server.stored().await;
    assert_eq!(counted(&server, "duplicate").await, accepted);
    let view = server.json(&format!("/v1/views/{}", view_id(1))).await;
    assert_eq!(view["view"]["beacons"], 300);
}

#[tokio::test]
async fn compressed_beacons_count_and_bombs_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open(dir.path());
    let gzip = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let as_gzip = [("content-encoding", "gzip")];
    assert_eq!(
        post(&server, &as_gzip, gzip(json_of(&beacon(1, 0, 0)).as_bytes()))
            .await
            .0,
        204
    );
    let bomb = gzip(&vec![b' '; 40 << 20]);
    assert_eq!(post(&server, &as_gzip, bomb).await.0, 413);
    assert_eq!(post(&server, &as_gzip, "no gzip").await.0, 400);
    assert_eq!(post(&server, &[("content-encoding", "br")], "{}").await.0, 400);
    assert_eq!(counted(&server, "too_large").await, 1);
    assert_eq!(counted(&server, "encoding").await, 2);
}

fn site(change: impl FnOnce(&mut Site)) -> Site {
    let mut site = Site::new("test", SITE_KEY);
    change(&mut site);
    site
}

#[tokio::test]
async fn a_site_takes_beacons_from_its_own_pages_only() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| {
        config.sites = vec![
            site(|site| site.origins = vec!["https://*.shop.example".to_owned()]),
            Site::new("other", "other-key"),
        ];
        let mut closed = Site::new("closed", "closed-key");
        closed.closed = true;
        config.sites.push(closed);
    });
    let body = json_of(&beacon(1, 0, 0));
    for (headers, expected) in [
        (vec![("origin", "https://www.shop.example")], 204),
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![], 403),
    ] {
        assert_eq!(
            post(&server, &headers, body.clone()).await.0,
            expected,
            "{headers:?}"
        );
    }
    let mut closed = beacon(2, 0, 0);
    closed.site = "closed-key".to_owned();
    let (status, answer) = post(&server, &[], json_of(&closed)).await;
    assert_eq!((status, &answer["error"]["code"]), (410, &json!("site_closed")));
    assert_eq!(counted(&server, "origin").await, 3);
    assert_eq!(counted(&server, "site_closed").await, 1);
}

#[tokio::test]
async fn a_site_with_a_secret_wants_its_token() {
    const SECRET: &str = "0123456789abcdef";
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| {
        config.sites = vec![site(|site| site.token_secret = Some(SECRET.to_owned()))];
    });
    let token = |secret: &str, subject: &str, expires: i64| {
        use base64::Engine as _;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let mac = hmac::sign(&key, format!("test\n{subject}\n{expires}").as_bytes());
        let mac = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(mac);
        format!("/v1/beacons?token={expires}.{subject}.{mac}")
    };
    let later = START_MS / 1000 + 60;
    for (uri, expected) in [
        (token(SECRET, "*", later), 204),
        (token(SECRET, &view_id(1), later), 204),
        (token(SECRET, &view_id(2), later), 401),
        (token(SECRET, "*", START_MS / 1000), 401),
        (token("another secret !", "*", later), 401),
        ("/v1/beacons".to_owned(), 401),
        ("/v1/beacons?token=".to_owned(), 401),
    ] {
        let body = json_of(&beacon(1, 0, 0));
        assert_eq!(send(&server, &uri, "", &[], body).await.0, expected, "{uri}");
    }
    assert_eq!(counted(&server, "token").await, 5);
}

#[tokio::test]
async fn who_sends_too_much_is_told_to_wait() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| {
        config.limits.requests_per_second_per_address = 5;
        config.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        config.sites.push(Site::new("small", "small-key"));
        config.sites.last_mut().unwrap().beacons_per_second = Some(1);
    });
    let mut limited = None;
    for seq in 0..500 {
        let body = json_of(&beacon(1, seq, 0));
        let (status, headers, answer) = send(&server, "/v1/beacons", "192.0.2.1", &[], body).await;
        if status != 204 {
            limited = Some((
                status,
                headers["retry-after"].clone(),
                answer["error"]["code"].clone(),
            ));
            break;
        }
    }
    let (status, retry_after, code) = limited.expect("500 requests at once are too many");
    assert_eq!((status, code), (429, json!("address_limited")));
    assert_eq!(retry_after, "1");
    let body = || json_of(&beacon(2, 0, 0));
    assert_eq!(
        send(&server, "/v1/beacons", "192.0.2.2", &[], body()).await.0,
        204
    );
    // Behind a proxy it is the viewer's address that counts.
    for viewer in 1..50 {
        let viewer = format!("198.51.100.{viewer}");
        let headers = [("x-forwarded-for", &*viewer)];
        assert_eq!(
            send(&server, "/v1/beacons", "10.0.0.1", &headers, body()).await.0,
            204
        );
    }
    assert_ne!(counted(&server, "address_limited").await, 0);

    let mut small = beacon(3, 0, 0);
    small.site = "small-key".to_owned();
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(post(&server, &[], json_of(&small)).await.0);
    }
    assert!(
        statuses.starts_with(&[204, 204]) && statuses.contains(&429),
        "{statuses:?}"
    );
    assert_ne!(counted(&server, "site_limited").await, 0);
}

#[tokio::test]
async fn a_dimension_has_so_many_values_and_then_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| config.limits.dimension_values = 3);
    for view in 0..20 {
        let mut wild = beacon(view, 0, 0);
        wild.info.as_mut().unwrap().cdn_host = format!("cdn{view}.example");
        server.post_at(0, &wild).await;
    }
    server.stored().await;
    let views = server.json("/v1/views?limit=100").await;
    let mut hosts: Vec<_> = views["views"]
        .as_array()
        .unwrap()
        .iter()
        .map(|view| view["cdn_host"].as_str())
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    assert_eq!(
        hosts,
        [
            Some("cdn0.example"),
            Some("cdn1.example"),
            Some("cdn2.example"),
            Some("other")
        ]
    );
    assert_eq!(counted(&server, "dimension_limited").await, 17);
}

#[tokio::test]
async fn a_viewer_is_what_may_be_known_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::open_with(dir.path(), |config| {
        config.sites.push(Site::new("hashed", "hashed-key"));
        config.sites.last_mut().unwrap().hash_viewer_ids = true;
    });
    let agent = ("user-agent", "Browser/1");
    let bot = ("user-agent", "Mozilla/5.0 (compatible; Examplebot/2.1)");
    let stored = async |view: u32, key: &str, id: &str, headers: &[(&str, &str)]| -> (String, String) {
        let mut beacon = beacon(view, 0, 0);
        beacon.site = key.to_owned();
        beacon.info.as_mut().unwrap().viewer_id = id.to_owned();
        let sent = send(&server, "/v1/beacons", "192.0.2.77", headers, json_of(&beacon)).await;
        assert_eq!(sent.0, 204);
        server.stored().await;
        let answer = server.json(&format!("/v1/views/{}", view_id(view))).await;
        assert!(!answer.to_string().contains("192.0.2"), "{answer}");
        let text = |name: &str| answer["view"][name].as_str().unwrap().to_owned();
        (text("viewer_id"), text("device"))
    };
    let (first, _) = stored(1, SITE_KEY, "", &[agent]).await;
    assert!(first.starts_with("day:"), "{first}");
    assert_eq!(stored(2, SITE_KEY, "", &[agent]).await.0, first);
    assert_ne!(
        stored(3, SITE_KEY, "", &[("user-agent", "Browser/2")]).await.0,
        first
    );
    assert_eq!(stored(4, SITE_KEY, "", &[agent, ("dnt", "1")]).await.0, "");
    assert_eq!(
        stored(5, SITE_KEY, "anna", &[agent, ("sec-gpc", "1")]).await.0,
        ""
    );
    assert_eq!(
        stored(6, SITE_KEY, "anna", &[agent, ("dnt", "0")]).await.0,
        "anna"
    );
    let (hashed, _) = stored(7, "hashed-key", "anna", &[agent]).await;
    assert!(hashed.starts_with("id:") && !hashed.contains("anna"), "{hashed}");
    assert_eq!(stored(8, SITE_KEY, "", &[bot]).await.1, "bot");
    assert_eq!(counted(&server, "bot").await, 1);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files.extend(std::fs::read(path).unwrap());
        }
    }
    assert!(
        !files.windows(10).any(|bytes| bytes == b"192.0.2.77"),
        "an address is stored"
    );
}

#[tokio::test]
async fn a_nearly_full_disk_refuses_beacons_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&free);
    let server = Server::open_with(dir.path(), |config| {
        config.limits.min_free_disk_bytes = 1000;
        config.disk_space = DiskSpace::from_fn(move |_| Ok(told.load(Ordering::SeqCst)));
    });
    let body = json_of(&beacon(1, 0, 0));
    let (status, headers, answer) = send(&server, "/v1/beacons", "", &[], body.clone()).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("disk_full")));
    assert_eq!(headers["retry-after"], "5");
    assert_eq!(server.get("/readyz").await.0.as_u16(), 503);
    assert_eq!(server.get("/healthz").await.0.as_u16(), 200);
    free.store(1000, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(30);
    while post(&server, &[], body.clone()).await.0 != 204 {
        assert!(Instant::now() < deadline, "it does not recover");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.get("/readyz").await.0.as_u16(), 200);
    server.stored().await;
}
