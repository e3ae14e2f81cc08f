//! Signed URLs: who is let in, who is not and what they are told, and that no token gets into a log.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http_body_util::BodyExt;
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;
use test_streams::faults::Faults;
use test_streams::origin::{Origin, OriginConfig, REFUSAL_HEADER, SignedUrl};
use test_streams::signing::{Grant, GrantError, KeyError, Keyring, Refusal, SKEW, SigningKey, Token};
use tower::ServiceExt;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const OTHER: &[u8] = b"fedcba9876543210fedcba9876543210";
const LIFE: Duration = Duration::from_secs(600);

fn ring(keys: &[(&str, &[u8])]) -> Keyring {
    let keys = keys
        .iter()
        .map(|(id, secret)| SigningKey::new(Some(id), secret).unwrap());
    Keyring::new(keys.collect()).unwrap()
}

fn keys() -> Keyring {
    ring(&[("k1", SECRET)])
}

fn token(prefix: &str) -> Token {
    keys().sign(&Grant::new(prefix, SystemTime::now() + LIFE).unwrap())
}

fn root() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for id in ["demo", "demo2"] {
        let folder = root.path().join(id);
        fs::create_dir_all(folder.join("hls")).unwrap();
        fs::write(folder.join("hls/master.m3u8"), "#EXTM3U\n#EXT-X-ENDLIST\n").unwrap();
        fs::write(folder.join("1.m4s"), "0123456789").unwrap();
        fs::write(folder.join("a b.vtt"), "WEBVTT\n").unwrap();
    }
    root
}

fn origin(root: &TempDir, change: impl FnOnce(&mut OriginConfig)) -> Router {
    let mut config = OriginConfig::new(root.path());
    config.keys = Some(keys());
    change(&mut config);
    Origin::open(config).unwrap().router()
}

async fn send(router: &Router, method: &str, path: &str) -> (StatusCode, HeaderMap, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("range", "bytes=0-3");
    let response = router
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec());
    let text = body.map_or_else(|error| error.to_string(), |body| String::from_utf8(body).unwrap());
    (parts.status, parts.headers, text)
}

async fn get(router: &Router, path: &str) -> (StatusCode, HeaderMap, String) {
    send(router, "GET", path).await
}

async fn refusal(router: &Router, path: &str) -> String {
    let (status, headers, body) = get(router, path).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["access-control-allow-origin"], "*");
    let exposed = headers["access-control-expose-headers"].to_str().unwrap();
    assert!(
        exposed
            .to_lowercase()
            .split(", ")
            .any(|name| name == REFUSAL_HEADER),
        "{exposed}"
    );
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["code"], headers[REFUSAL_HEADER].to_str().unwrap());
    body["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn only_what_the_token_covers_is_served() {
    let root = root();
    let router = origin(&root, |_| {});
    let demo = token("/demo/");
    let (status, headers, body) = get(&router, &demo.path("/demo/1.m4s")).await;
    assert_eq!((status, body.as_str()), (StatusCode::PARTIAL_CONTENT, "0123"));
    assert_eq!(headers["cache-control"], "private, max-age=31536000, immutable");
    assert_eq!(get(&router, &demo.path("/demo/hls/master.m3u8")).await.0, 206);
    assert_eq!(get(&router, &demo.path("/demo/a b.vtt")).await.0, 206);
    assert_eq!(send(&router, "HEAD", &demo.path("/demo/1.m4s")).await.0, 206);
    assert_eq!(get(&router, &demo.path("/demo/2.m4s")).await.0, 404);

    for path in [
        "/demo2/1.m4s",
        "/demo",
        "/streams.json",
        "/",
        "/demo2/../demo/1.m4s",
    ] {
        assert_eq!(refusal(&router, &demo.path(path)).await, "wrong_prefix", "{path}");
    }
    // Encoded otherwise, it is the same path; and none leads out.
    assert_eq!(
        get(&router, &format!("/t/{}/%64emo/1.m4s", demo.as_str()))
            .await
            .0,
        206
    );
    assert_eq!(
        refusal(&router, &format!("/t/{}/demo%32/1.m4s", demo.as_str())).await,
        "wrong_prefix"
    );
    for path in [
        "/demo/../demo2/1.m4s",
        "/demo/%2e%2e/demo2/1.m4s",
        "/demo//1.m4s",
        "/demo/..%2fdemo2/1.m4s",
    ] {
        let answer = get(&router, &format!("/t/{}{path}", demo.as_str())).await;
        assert_eq!(answer.0, 404, "{path}");
    }

    let file = token("/demo/1.m4s");
    assert_eq!(get(&router, &file.path("/demo/1.m4s")).await.0, 206);
    assert_eq!(
        refusal(&router, &file.path("/demo/1.m4s.bak")).await,
        "wrong_prefix"
    );
    let all = token("/");
    assert!(get(&router, &all.path("/streams.json")).await.2.contains("demo2"));
    assert_eq!(get(&router, &all.path("/demo2/1.m4s")).await.0, 206);
}

#[tokio::test]
async fn refusals_say_why() {
    let root = root();
    let router = origin(&root, |_| {});
    let good = token("/demo/");
    for path in [
        "/demo/1.m4s",
        "/streams.json",
        "/",
        "/t",
        "/t/",
        "/t/demo",
        "/sign?prefix=/demo/",
    ] {
        assert_eq!(refusal(&router, path).await, "unsigned", "{path}");
    }
    let old = keys().sign(&Grant::new("/demo/", SystemTime::now() - SKEW * 2).unwrap());
    assert_eq!(refusal(&router, &old.path("/demo/1.m4s")).await, "expired");
    let other_key = ring(&[("k1", OTHER)]).sign(&Grant::new("/demo/", SystemTime::now() + LIFE).unwrap());
    assert_eq!(
        refusal(&router, &other_key.path("/demo/1.m4s")).await,
        "bad_signature"
    );
    let other_id = ring(&[("k2", SECRET)]).sign(&Grant::new("/demo/", SystemTime::now() + LIFE).unwrap());
    assert_eq!(
        refusal(&router, &other_id.path("/demo/1.m4s")).await,
        "unknown_key"
    );
    let long = "A".repeat(20_000);
    let padded = format!("{}=", good.as_str());
    let (shorter, longer) = (&good.as_str()[4..], format!("{}AAAA", good.as_str()));
    for hostile in [
        "", "-", "%ff", "…", "a.b", "====", &long, &padded, shorter, &longer, "AA", "AQ",
    ] {
        let hostile = percent_encoding::utf8_percent_encode(hostile, percent_encoding::CONTROLS);
        assert_eq!(
            refusal(&router, &format!("/t/{hostile}/demo/1.m4s")).await,
            "malformed",
            "{hostile}"
        );
    }
    // What a browser asks ahead has no token to be checked.
    assert_eq!(
        send(&router, "OPTIONS", "/demo/1.m4s").await.0,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn faults_are_as_without_tokens() {
    let root = root();
    let router = origin(&root, |config| {
        config.faults = Faults::parse(["503x1:demo/1.m4s", "403x1:demo/1.m4s"]).unwrap();
    });
    let path = token("/demo/").path("/demo/1.m4s");
    let (status, headers, _) = get(&router, &path).await;
    assert_eq!(status, 503);
    assert!(!headers.contains_key(REFUSAL_HEADER));
    assert_eq!(get(&router, &path).await.0, 403);
    assert_eq!(get(&router, &path).await.0, 206);
    assert_eq!(get(&router, "/_origin/shape").await.0, 200);
}

#[tokio::test]
async fn nested_in_another_router_it_is_the_same() {
    let root = root();
    let router = Router::new().nest(
        "/videos",
        origin(&root, |config| config.sign_for_everybody = true),
    );
    assert_eq!(
        get(
            &router,
            &format!("/videos{}", token("/demo/").path("/demo/1.m4s"))
        )
        .await
        .0,
        206
    );
    assert_eq!(refusal(&router, "/videos/demo/1.m4s").await, "unsigned");
    let (status, headers, body) = get(&router, "/videos/sign?prefix=/demo/&expires_s=5&session=abc").await;
    assert_eq!(
        (status, headers["cache-control"].to_str().unwrap()),
        (StatusCode::OK, "no-store")
    );
    let signed: SignedUrl = serde_json::from_str(&body).unwrap();
    assert_eq!(signed.url, format!("t/{}/demo/", signed.token));
    let left = Duration::from_millis(signed.expires_ms).as_secs_f64()
        - SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
    assert!((0.0..=5.0).contains(&left), "{left}");
    assert_eq!(get(&router, &format!("/videos/{}1.m4s", signed.url)).await.0, 206);
    let grant = keys()
        .check(&signed.token, "/demo/1.m4s", SystemTime::now())
        .unwrap();
    assert_eq!(grant.session(), Some("abc"));
    for bad in [
        "",
        "?prefix=demo",
        "?prefix=/demo/&session=%20",
        "?prefix=/a&x=1",
        "?prefix=/../",
    ] {
        assert_eq!(get(&router, &format!("/videos/sign{bad}")).await.0, 400, "{bad}");
    }
}

#[test]
fn keys_are_changed_without_a_gap() {
    let now = SystemTime::now();
    let grant = Grant::new("/demo/", now + LIFE).unwrap();
    let (old, both, new) = (
        ring(&[("old", SECRET)]),
        ring(&[("new", OTHER), ("old", SECRET)]),
        ring(&[("new", OTHER)]),
    );
    let from_old = old.sign(&grant);
    assert_eq!(both.check(from_old.as_str(), "/demo/a", now).as_ref(), Ok(&grant));
    let from_both = both.sign(&grant);
    assert_eq!(new.check(from_both.as_str(), "/demo/a", now).as_ref(), Ok(&grant));
    assert_eq!(
        new.check(from_old.as_str(), "/demo/a", now),
        Err(Refusal::UnknownKey)
    );
}

#[test]
fn clocks_may_be_a_minute_apart() {
    let now = SystemTime::now();
    let check = |keys: &Keyring, expired_s: u64| {
        let grant = Grant::new("/", now - Duration::from_secs(expired_s)).unwrap();
        keys.check(keys.sign(&grant).as_str(), "/a", now).map(drop)
    };
    assert_eq!(check(&keys(), 60), Ok(()));
    assert_eq!(check(&keys(), 61), Err(Refusal::Expired));
    let strict = keys().with_skew(Duration::ZERO);
    assert_eq!(check(&strict, 0), Ok(()));
    assert_eq!(check(&strict, 1), Err(Refusal::Expired));
}

#[test]
fn what_cannot_be_signed_is_refused() {
    let grant = |prefix: &str| Grant::new(prefix, SystemTime::now());
    let long = format!("/{}", "a".repeat(1024));
    for bad in [
        "", "demo/", "//", "/a//b", "/../", "/a/.b/", "/a\\b", "/a\nb", &long,
    ] {
        assert_eq!(grant(bad), Err(GrantError::Prefix), "{bad:?}");
    }
    for bad in ["", "a b", "ü", &"a".repeat(65)] {
        let refused = grant("/").unwrap().for_session(bad);
        assert_eq!(refused, Err(GrantError::Session), "{bad:?}");
    }
    assert!(matches!(Keyring::new(Vec::new()), Err(KeyError::None)));
    let twice = [(); 2].map(|()| SigningKey::new(Some("a"), SECRET).unwrap());
    assert!(matches!(Keyring::new(twice.into()), Err(KeyError::Twice(_))));
    assert!(matches!(
        SigningKey::new(None, &SECRET[1..]),
        Err(KeyError::Short(31))
    ));
    for bad in ["", "a.b", "ü", &"a".repeat(33)] {
        assert!(
            matches!(SigningKey::new(Some(bad), SECRET), Err(KeyError::Id(_))),
            "{bad:?}"
        );
    }
}

#[test]
fn key_files_are_read_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, [SECRET, b"\r\n"].concat()).unwrap();
    let file = path.to_str().unwrap();
    let named = SigningKey::read(&format!("k1:{file}")).unwrap();
    assert_eq!(named.id(), "k1");
    let shown = format!("{named:?} {:?} {:?}", keys(), token("/demo/"));
    assert!(
        !shown.contains("0123456789abcdef") && !shown.contains(token("/demo/").as_str()),
        "{shown}"
    );
    // The line break is not part of the secret.
    let grant = Grant::new("/", SystemTime::now() + LIFE).unwrap();
    let signed = Keyring::new(vec![named]).unwrap().sign(&grant);
    assert_eq!(signed, keys().sign(&grant));
    let derived = SigningKey::read(file).unwrap();
    assert_eq!(derived.id(), SigningKey::new(None, SECRET).unwrap().id());
    assert_ne!(derived.id(), SigningKey::new(None, OTHER).unwrap().id());
    assert!(matches!(
        SigningKey::read(&format!("{file}x")),
        Err(KeyError::File { .. })
    ));
    fs::write(&path, vec![b'a'; 5000]).unwrap();
    assert!(matches!(SigningKey::read(file), Err(KeyError::Long)));
}

/// The layout is a promise to other programs: this is made by hand.
#[test]
fn the_layout_is_the_documented_one() {
    let mut bytes = vec![1, 2];
    bytes.extend(b"k1");
    bytes.extend(4_000_000_000_u64.to_be_bytes());
    bytes.extend([3]);
    bytes.extend(b"abc");
    bytes.extend(6_u16.to_be_bytes());
    bytes.extend(b"/demo/");
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET), &bytes);
    bytes.extend(tag.as_ref());
    let text = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
    let grant = keys().check(&text, "/demo/1.m4s", SystemTime::now()).unwrap();
    assert_eq!(
        (grant.prefix(), grant.expires_s(), grant.session()),
        ("/demo/", 4_000_000_000, Some("abc"))
    );
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let ours = Grant::new("/demo/", expires).unwrap().for_session("abc").unwrap();
    assert_eq!(keys().sign(&ours).as_str(), text);
}

proptest! {
    #[test]
    fn nothing_but_what_was_signed_passes(text in "[A-Za-z0-9_-]{0,300}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(keys().check(&text, "/demo/a", SystemTime::now()).is_err());
        let mut framed = vec![1, 2, b'k', b'1'];
        framed.extend(&bytes);
        for bytes in [&bytes, &framed] {
            let text = BASE64_URL_SAFE_NO_PAD.encode(bytes);
            prop_assert!(keys().check(&text, "/demo/a", SystemTime::now()).is_err());
        }
    }

    #[test]
    fn a_changed_bit_is_noticed(at in any::<prop::sample::Index>(), bit in 0_u32..8) {
        let good = token("/demo/");
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(good.as_str()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        let changed = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        prop_assert!(keys().check(&changed, "/demo/a", SystemTime::now()).is_err());
    }

    #[test]
    fn what_is_granted_is_read_back(parts in prop::collection::vec("[a-zA-Z0-9 ü%?#_-]{1,20}", 0..6), ends in any::<bool>(), session in prop::option::of("[!-~]{1,64}"), left_s in 0..u64::from(u32::MAX)) {
        let ends = if ends && !parts.is_empty() { "/" } else { "" };
        let prefix = format!("/{}{ends}", parts.join("/"));
        let now = SystemTime::now();
        let mut grant = Grant::new(&prefix, now + Duration::from_secs(left_s)).unwrap();
        if let Some(session) = session {
            grant = grant.for_session(session).unwrap();
        }
        prop_assert_eq!(keys().check(keys().sign(&grant).as_str(), &prefix, now), Ok(grant));
    }
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_headgate-origin"))
}

#[test]
fn the_program_signs_serves_and_keeps_tokens_out_of_its_log() {
    let root = root();
    let key = root.path().join("key");
    fs::write(&key, SECRET).unwrap();
    let key = format!("k1:{}", key.display());
    let log = root.path().join("log");
    let serve = program()
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--json",
            "--faults",
            "404x1:demo/1.m4s",
            "--root",
        ])
        .arg(root.path())
        .args(["--signing-key", &key])
        .env("HEADGATE_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut serve = Running(serve);
    let mut line = String::new();
    BufReader::new(serve.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let listening: Value = serde_json::from_str(&line).unwrap();
    let base = listening["url"].as_str().unwrap();

    let sign = |more: &[&str]| {
        let args = [
            "sign",
            "--signing-key",
            &key,
            "--prefix",
            "/demo/",
            "--base-url",
            base,
        ];
        let done = program().args(args).args(more).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let plain = sign(&[]);
    let signed: SignedUrl = serde_json::from_str(&sign(&["--expires", "5m", "--json"])).unwrap();
    assert!(
        plain.starts_with(&format!("{base}t/")) && plain.ends_with("/demo/\n"),
        "{plain}"
    );
    assert_eq!(signed.url, format!("{base}t/{}/demo/", signed.token));

    let status = |url: &str| {
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(
            stream,
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer[9..12].to_owned()
    };
    let file = format!("{}1.m4s", signed.url);
    assert_eq!(status(&file), "404", "a fault");
    assert_eq!(status(&file), "200");
    assert_eq!(status(&format!("{}2.m4s", signed.url)), "404");
    assert_eq!(status(&format!("{base}t/{}x/demo/1.m4s", signed.token)), "403");
    assert_eq!(status(&format!("{base}demo/1.m4s")), "403");
    assert_eq!(
        status(&format!("{base}sign?prefix=/demo/")),
        "403",
        "nobody said that it signs"
    );

    drop(serve);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("demo/1.m4s"), "the fault is in it: {log}");
    assert!(!log.contains(&signed.token), "{log}");
    assert!(!log.contains("0123456789abcdef"));
}

#[test]
fn the_program_says_what_it_cannot_sign() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, SECRET).unwrap();
    let short = folder.path().join("short");
    fs::write(&short, "hunter2").unwrap();
    let (key, short) = (key.to_str().unwrap(), short.to_str().unwrap());
    for (args, said) in [
        (["--signing-key", short, "--prefix", "/a/"], "at least 32"),
        (["--signing-key", key, "--prefix", "a"], "--prefix"),
        (["--signing-key", "nowhere", "--prefix", "/a/"], "nowhere"),
    ] {
        let done = program().arg("sign").args(args).output().unwrap();
        let text = String::from_utf8(done.stderr).unwrap();
        assert!(!done.status.success() && text.contains(said), "{text}");
        assert!(!text.contains("hunter2"));
    }
    for more in [
        ["--base-url", "cdn.example"],
        ["--base-url", "https://a/?x=1"],
        ["--expires", "soon"],
        ["--session", "a b"],
    ] {
        let done = program()
            .args(["sign", "--signing-key", key, "--prefix", "/a/"])
            .args(more)
            .output()
            .unwrap();
        assert!(!done.status.success() && done.stdout.is_empty(), "{more:?}");
    }
}
