//! The server over HTTP: who gets which keys, and what is kept of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test may panic"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use licence_server::entitlement::{Claims, Content, TokenKey, Verifier};
use licence_server::{Clock, Config, KeyFile, KeyId, MasterKey, Store, router, vendors};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const NOW_S: i64 = 1_700_000_000;
const SECRET: &[u8] = b"a secret of the tests, of 32 bytes or more";
const KEYS: [(&str, &str, &str); 4] = [
    (
        "audio",
        "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0",
        "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    ),
    (
        "sd",
        "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0",
        "1a1b2c3d4e5f60718293a4b5c6d7e8f9",
    ),
    (
        "hd",
        "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf",
        "2a1b2c3d4e5f60718293a4b5c6d7e8f9",
    ),
    (
        "video",
        "d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0",
        "3a1b2c3d4e5f60718293a4b5c6d7e8f9",
    ),
];

/// What a vendor got.
type Taken = (HeaderMap, Vec<u8>);

struct Lab {
    folder: tempfile::TempDir,
    url: String,
    store: Store,
    client: reqwest::Client,
}

fn key_file(folder: &Path) -> KeyFile {
    let entry = |(label, kid, key): &(&str, &str, &str)| json!({"label": label, "kid": kid, "key": key});
    let path = folder.join("keys.json");
    let keys: Vec<Value> = KEYS.iter().map(entry).collect();
    std::fs::write(&path, json!({"keys": keys}).to_string()).unwrap();
    KeyFile::read(&path).unwrap()
}

fn master() -> MasterKey {
    MasterKey::parse(&"5a".repeat(32)).unwrap()
}

async fn listen(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

impl Lab {
    async fn new(change: impl FnOnce(&mut Config, &Path)) -> Self {
        // Once a process; reqwest wants one even without TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::sealed(&folder.path().join("keys.db"), &master()).unwrap();
        assert_eq!(store.import("film", key_file(folder.path())).await.unwrap(), 4);
        let clock = Clock::from_fn(|| NOW_S * 1000);
        let key = TokenKey::Secret(SECRET.into());
        let verifier = Verifier::new(&key, "app", "licences", clock.clone()).unwrap();
        let mut config = Config::new(store.clone(), verifier);
        config.clock = clock;
        config.faults = true;
        change(&mut config, folder.path());
        let address = listen(router(config).unwrap()).await;
        Self {
            folder,
            url: format!("http://{address}"),
            store,
            client: reqwest::Client::builder()
                .timeout(std::time::Duration::from_secs(20))
                .build()
                .unwrap(),
        }
    }

    async fn ask(&self, path: &str, token: &str, body: impl Into<reqwest::Body>) -> (StatusCode, String) {
        let request = self.client.post(format!("{}{path}", self.url));
        let answer = request.bearer_auth(token).body(body).send().await.unwrap();
        let status = answer.status();
        if status.is_success() {
            assert_eq!(answer.headers()["cache-control"], "no-store");
        }
        (status, answer.text().await.unwrap())
    }

    async fn keys(&self, claims: Claims) -> (StatusCode, Vec<String>) {
        let (status, text) = self
            .ask("/clearkey", &sign(&claims), request(&KEYS.map(|(_, kid, _)| kid)))
            .await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        let keys = answer["keys"].as_array().into_iter().flatten();
        let name = |key: &Value| {
            let kid = KeyId::from_base64url(key["kid"].as_str().unwrap())
                .unwrap()
                .to_string();
            KEYS.iter()
                .find(|(_, known, _)| *known == kid)
                .unwrap()
                .0
                .to_owned()
        };
        (status, keys.map(name).collect())
    }
}

fn claims() -> Claims {
    Claims {
        iss: "app".into(),
        aud: "licences".into(),
        sub: "viewer-of-the-test".into(),
        exp: NOW_S + 60,
        jti: "token-of-the-test".into(),
        content: Content::One("film".into()),
        ..Claims::default()
    }
}

fn sign(claims: &Claims) -> String {
    claims.sign(&TokenKey::Secret(SECRET.into())).unwrap()
}

fn request(kids: &[&str]) -> String {
    let kid = |kid: &&str| kid.parse::<KeyId>().unwrap().base64url();
    json!({"kids": kids.iter().map(kid).collect::<Vec<_>>(), "type": "temporary"}).to_string()
}

#[tokio::test]
async fn a_viewer_gets_the_keys_of_its_right() {
    let lab = Lab::new(|_, _| {}).await;
    let (status, keys) = lab.keys(claims()).await;
    assert_eq!((status, keys.len()), (StatusCode::OK, 4));
    for (tracks, expected) in [
        ("audio", &["audio"][..]),
        ("sd", &["audio", "sd"]),
        ("uhd1", &["audio", "sd", "hd"]),
    ] {
        let tracks = Some(tracks.to_owned());
        assert_eq!(lab.keys(Claims { tracks, ..claims() }).await.1, expected);
    }
    let kids = Some(vec![KEYS[2].1.to_owned()]);
    assert_eq!(lab.keys(Claims { kids, ..claims() }).await.1, ["hd"]);
    // The key itself.
    let (_, text) = lab
        .ask("/clearkey", &sign(&claims()), request(&[KEYS[1].1]))
        .await;
    let licence: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&licence["type"], &licence["keys"][0]["kty"]),
        (&json!("temporary"), &json!("oct"))
    );
    assert_eq!(licence["keys"][0]["k"], "GhssPU5fYHGCk6S1xtfo-Q");
    // What PlayReady makes of a key id is answered as it was asked.
    let swapped = KEYS[2].1.parse::<KeyId>().unwrap().swapped();
    let (status, text) = lab
        .ask("/clearkey", &sign(&claims()), request(&[&swapped.to_string()]))
        .await;
    assert!(
        status.is_success() && text.contains(&swapped.base64url()),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_not_entitled_is_refused() {
    let lab = Lab::new(|_, _| {}).await;
    let code = |text: &str| {
        serde_json::from_str::<Value>(text).unwrap()["error"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let good = sign(&claims());
    let expired = sign(&Claims {
        exp: NOW_S - 60,
        ..claims()
    });
    let other = sign(&Claims {
        content: Content::One("series".into()),
        ..claims()
    });
    let all = KEYS.map(|(_, kid, _)| kid);
    for (token, body, status, expected) in [
        (
            good.as_str(),
            request(&["ee".repeat(16).as_str()]),
            404,
            "unknown_key",
        ),
        (&good, "{}".into(), 400, "bad_request"),
        (&good, "<html>".into(), 400, "bad_request"),
        (
            &good,
            json!({"kids": vec!["AAAA"; 1000]}).to_string(),
            400,
            "bad_request",
        ),
        (&expired, request(&all), 401, "unauthorized"),
        ("", request(&all), 401, "unauthorized"),
        ("a.b.c", request(&all), 401, "unauthorized"),
        (&other, request(&all), 403, "not_entitled"),
    ] {
        let (got, text) = lab.ask("/clearkey", token, body).await;
        assert_eq!((got.as_u16(), code(&text).as_str()), (status, expected), "{text}");
    }
    let (status, _) = lab.ask("/clearkey", &good, vec![b' '; 100_000]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let without = lab
        .client
        .post(format!("{}/clearkey", lab.url))
        .body(request(&all))
        .send()
        .await
        .unwrap();
    assert_eq!(without.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_viewer_has_so_many_sessions_and_asks_so_often() {
    let lab = Lab::new(|config, _| config.per_minute = 6).await;
    let session = |sid: &str| Claims {
        sid: Some(sid.into()),
        sessions: Some(2),
        ..claims()
    };
    for sid in ["one", "two", "one"] {
        assert_eq!(lab.keys(session(sid)).await.0, StatusCode::OK);
    }
    assert_eq!(lab.keys(session("three")).await.0, StatusCode::FORBIDDEN);
    let other = Claims {
        sub: "somebody else".into(),
        ..session("three")
    };
    assert_eq!(lab.keys(other).await.0, StatusCode::OK);
    let mut last = StatusCode::OK;
    for _ in 0..4 {
        last = lab.keys(session("one")).await.0;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn what_is_kept_has_no_secret() {
    let lab = Lab::new(|_, _| {}).await;
    let token = sign(&claims());
    lab.ask("/clearkey", &token, request(&[KEYS[0].1])).await;
    lab.ask("/clearkey", &token, request(&["ee".repeat(16).as_str()]))
        .await;
    let audit = lab.store.audit(10).await.unwrap();
    let outcomes: Vec<&str> = audit.iter().map(|decision| decision.outcome.as_str()).collect();
    assert_eq!(outcomes, ["unknown_key", "granted"]);
    assert_eq!(audit[1].given, KEYS[0].1);
    assert_eq!(lab.store.list(None).await.unwrap().len(), 4);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(lab.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() != "keys.json" {
            files.extend(std::fs::read(path).unwrap());
        }
    }
    let is_there = |what: &[u8]| files.windows(what.len()).any(|bytes| bytes == what);
    assert!(is_there(b"film"));
    for (_, _, key) in KEYS {
        let bytes: Vec<u8> = (0..16)
            .map(|i| u8::from_str_radix(&key[i * 2..i * 2 + 2], 16).unwrap())
            .collect();
        assert!(!is_there(key.as_bytes()) && !is_there(&bytes));
    }
    for secret in ["viewer-of-the-test", "token-of-the-test", "127.0.0.1", &token] {
        assert!(!is_there(secret.as_bytes()), "{secret}");
    }
}

#[tokio::test]
async fn keys_need_their_master_key_and_stay_what_they_are() {
    let lab = Lab::new(|_, _| {}).await;
    let path = lab.folder.path().join("other.json");
    let entry = json!({"keys": [{"label": "sd", "kid": KEYS[1].1, "key": "ff".repeat(16)}]});
    std::fs::write(&path, entry.to_string()).unwrap();
    let error = lab
        .store
        .import("film", KeyFile::read(&path).unwrap())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains(KEYS[1].1) && !error.contains("ffff"), "{error}");
    let other = MasterKey::parse(&"5b".repeat(32)).unwrap();
    assert!(Store::sealed(&lab.folder.path().join("keys.db"), &other).is_err());
    assert!(Store::clear(&lab.folder.path().join("keys.db")).is_err());
}

#[tokio::test]
async fn faults_come_when_they_are_asked_for() {
    let lab = Lab::new(|_, _| {}).await;
    let (token, body) = (sign(&claims()), request(&[KEYS[1].1]));
    let ask = async |fault: &str| {
        lab.ask(&format!("/clearkey?fault={fault}"), &token, body.clone())
            .await
    };
    assert_eq!(ask("503").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ask("html").await.1.contains("<!doctype"));
    assert!(ask("padded").await.1.contains("GhssPU5fYHGCk6S1xtfo+Q=="));
    assert!(ask("empty").await.1.contains("\"keys\":[]"));
    assert!(!ask("wrong-key").await.1.contains("GhssPU5fYHGCk6S1xtfo-Q"));
    assert_eq!(ask("nonsense").await.0, StatusCode::BAD_REQUEST);
    let lab = Lab::new(|config, _| config.faults = false).await;
    let (status, text) = lab.ask("/clearkey?fault=html", &token, body.clone()).await;
    assert!(status.is_success() && text.contains("GhssPU5fYHGCk6S1xtfo-Q"));
}

#[tokio::test]
async fn a_vendor_is_told_what_may_be_seen_and_not_who_asks() {
    let seen: Arc<Mutex<Vec<Taken>>> = Arc::default();
    let taken = Arc::clone(&seen);
    let vendor = Router::new()
        .route(
            "/licence",
            post(move |headers: HeaderMap, body: axum::body::Bytes| async move {
                taken.lock().unwrap().push((headers, body.to_vec()));
                [8_u8, 2, 0, 255].to_vec()
            }),
        )
        .route("/broken", post(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/large", post(|| async { vec![0_u8; 2 << 20] }));
    let address = listen(vendor).await;
    let lab = Lab::new(|config, folder| {
        std::fs::write(folder.join("axinom.key"), "c2VjcmV0IG9mIGF4aW5vbQ==").unwrap();
        std::fs::write(folder.join("api.key"), "of the vendor\n").unwrap();
        let text = format!(
            "[[vendor]]\nname = \"axinom\"\nurl = \"http://{address}/licence\"\naxinom = {{ com_key_id = \"id\", secret_file = \"axinom.key\" }}\n\
             [[vendor]]\nname = \"plain\"\nurl = \"http://{address}/licence\"\nheaders = {{ x-custom = \"{{content}}\" }}\nsecret_headers = {{ x-api-key = \"api.key\" }}\n\
             [[vendor]]\nname = \"broken\"\nurl = \"http://{address}/broken\"\n[[vendor]]\nname = \"large\"\nurl = \"http://{address}/large\"\n"
        );
        std::fs::write(folder.join("vendors.toml"), text).unwrap();
        config.vendors = vendors(&folder.join("vendors.toml")).unwrap();
    })
    .await;
    let token = sign(&claims());
    let challenge = vec![8_u8, 1, 18, 0];
    let (status, _) = lab.ask("/proxy/plain", &token, challenge.clone()).await;
    assert_eq!(status, StatusCode::OK);
    let sd = sign(&Claims {
        tracks: Some("sd".into()),
        ..claims()
    });
    assert_eq!(
        lab.ask("/proxy/plain", &sd, challenge.clone()).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        lab.ask("/proxy/axinom", &sd, challenge.clone()).await.0,
        StatusCode::OK
    );
    assert_eq!(
        lab.ask("/proxy/broken", &token, challenge.clone()).await.0,
        StatusCode::BAD_GATEWAY
    );
    assert_eq!(
        lab.ask("/proxy/large", &token, challenge.clone()).await.0,
        StatusCode::BAD_GATEWAY
    );
    assert_eq!(
        lab.ask("/proxy/nobody", &token, challenge.clone()).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        lab.ask("/proxy/plain", "x", challenge.clone()).await.0,
        StatusCode::UNAUTHORIZED
    );
    let seen = seen.lock().unwrap();
    let [(plain, body), (axinom, _)] = seen.as_slice() else {
        panic!("{}", seen.len())
    };
    assert_eq!(*body, challenge);
    assert_eq!(
        (&plain["x-custom"], &plain["x-api-key"]),
        (&"film".parse().unwrap(), &"of the vendor".parse().unwrap())
    );
    for headers in [plain, axinom] {
        assert!(headers.get("authorization").is_none());
        assert!(!format!("{headers:?}").contains(&token));
    }
    let message = axinom["x-axdrm-message"].to_str().unwrap();
    let claims = base64::Engine::decode(
        &base64::prelude::BASE64_URL_SAFE_NO_PAD,
        message.split('.').nth(1).unwrap(),
    )
    .unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["com_key_id"], "id");
    // Sound and SD.
    assert_eq!(
        claims["message"]["content_keys_source"]["inline"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
