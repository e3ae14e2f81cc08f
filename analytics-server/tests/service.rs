//! The program at its two addresses: its configuration file, who is let in, connections that take too long, and its end.
#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use analytics_server::{AdminAccess, Analytics, Config, EXAMPLE, Server, Settings, SettingsError, Site};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use support::{SITE_KEY, beacon};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

const PATIENCE: Duration = Duration::from_secs(60);
const TOKEN: &str = "a token of more than sixteen bytes";

fn read(text: &str) -> Result<Settings, SettingsError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("analytics.toml");
    std::fs::write(&path, text).unwrap();
    Settings::read(&path)
}

fn refused(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn the_example_says_what_holds_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("analytics.toml");
    std::fs::write(&path, EXAMPLE).unwrap();
    let read = Settings::read(&path).unwrap();
    read.check().unwrap();
    let expected = Settings::new(Config::new(
        dir.path().join("analytics-data"),
        [Site::new("demo", "demo")],
    ));
    let shown = |settings: &Settings| {
        let mut config = settings.config.clone();
        config.clock = analytics_server::Clock::from_fn(|| 0);
        format!("{config:#?} {:#?} {:#?}", settings.public, settings.admin)
    };
    assert_eq!(shown(&read), shown(&expected));
}

#[test]
fn a_file_says_all_there_is() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), format!("{TOKEN}\n")).unwrap();
    let path = dir.path().join("analytics.toml");
    // The example with what it has as comments.
    let keys = [
        "url",
        "country_header",
        "token_file",
        "token_secret",
        "beacons_per_second",
    ];
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        let is_key = keys.iter().any(|key| bare.starts_with(&format!("{key} =")));
        text.push_str(if is_key { bare } else { line });
        text.push('\n');
    }
    let text = text
        .replace("\"/run/secrets/headgate-admin-token\"", "\"token\"")
        .replace("\"…\"", "\"0123456789abcdef\"");
    std::fs::write(&path, text).unwrap();
    let settings = Settings::read(&path).unwrap();
    assert_eq!(settings.admin.access, AdminAccess::Token(TOKEN.to_owned()));
    assert!(!format!("{settings:?}").contains("sixteen"), "the token is shown");
    assert_eq!(
        settings.config.public_url.as_deref(),
        Some("https://stats.example")
    );
    assert_eq!(settings.config.sites[0].beacons_per_second, Some(5000));
}

#[test]
fn files_that_cannot_be_say_what_is_wrong() {
    const GOOD: &str = "data = 'd'\n[[sites]]\nname = 'a'\nkeys = ['k']\n";
    read(GOOD).unwrap();
    for (text, expected) in [
        (format!("dta = 'd'\n{GOOD}"), "unknown field `dta`"),
        (format!("{GOOD}[limits]\nqueue = 1"), "unknown field `queue`"),
        (format!("{GOOD}[public]\nport = 1"), "unknown field `port`"),
        (format!("{GOOD}key = 'k'"), "unknown field `key`"),
        (
            format!("{GOOD}[public]\nlisten = '8090'"),
            "invalid socket address",
        ),
        (
            format!("{GOOD}[public]\ntrusted_proxies = ['10.0.0.0/99']"),
            "trusted_proxies",
        ),
        (format!("{GOOD}[public]\nmax_connections = -1"), "max_connections"),
        (GOOD.replace("data = 'd'\n", ""), "missing field `data`"),
        ("data = 'd'".to_owned(), "missing field `sites`"),
        (GOOD.replace("['k']", "[]"), "site `a`: its name and its keys"),
        (GOOD.replace("'a'", "''"), "1 to 64 bytes"),
        (
            format!("{GOOD}origins = ['shop.example']"),
            "`shop.example` is no origin",
        ),
        (
            format!("{GOOD}origins = ['https://shop.example/']"),
            "is no origin",
        ),
        (format!("{GOOD}token_secret = 'short'"), "fewer than 16 bytes"),
        (format!("{GOOD}beacons_per_second = 0"), "beacons_per_second is 0"),
        (format!("{GOOD}[admin]\ntoken = 'short'"), "fewer than 16 bytes"),
        (
            format!("{GOOD}[admin]\ntoken_file = '/no/such/file'"),
            "cannot read /no/such/file",
        ),
        (
            format!("{GOOD}[admin]\nlisten = '0.0.0.0:1'\nwithout_token = true"),
            "which others reach",
        ),
        (
            format!("{GOOD}[admin]\ntoken = '{TOKEN}'\nwithout_token = true"),
            "one of token, token_file and without_token",
        ),
        ("data = ".to_owned(), "line 1"),
    ] {
        let message = refused(&text);
        assert!(message.contains(expected), "{text}\nsays {message}");
    }
    let twice = read(&GOOD.replace("['k']", "['k', 'k']")).unwrap();
    assert!(twice.check().unwrap_err().to_string().contains("used twice"));
    assert!(
        Settings::read(Path::new("/no/such/file"))
            .unwrap_err()
            .to_string()
            .contains("/no/such/file")
    );
}

#[test]
fn the_program_checks_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("analytics.toml");
    let check = |text: &str| {
        std::fs::write(&path, text).unwrap();
        std::process::Command::new(env!("CARGO_BIN_EXE_headgate-analytics"))
            .arg("check")
            .arg(&path)
            .output()
            .unwrap()
    };
    let good = check(EXAMPLE);
    assert!(good.status.success());
    assert!(
        String::from_utf8(good.stdout)
            .unwrap()
            .contains("is good: 1 sites")
    );
    let bad = check(&format!("{EXAMPLE}colour = 'blue'"));
    assert!(!bad.status.success());
    assert!(
        String::from_utf8(bad.stderr)
            .unwrap()
            .contains("unknown field `colour`")
    );
    assert!(!dir.path().join("analytics-data").exists(), "nothing is opened");
}

#[tokio::test]
async fn the_admin_address_is_for_those_with_the_token() {
    let dir = tempfile::tempdir().unwrap();
    let analytics = Analytics::open(Config::new(dir.path(), [Site::new("test", SITE_KEY)])).unwrap();
    let access = AdminAccess::Token(TOKEN.to_owned());
    let router = analytics.admin_router(&access).unwrap();
    let ask = async |request: Request<Body>| {
        let response = router.clone().oneshot(request).await.unwrap();
        let shown = response.headers().contains_key("www-authenticate");
        (response.status().as_u16(), shown)
    };
    let get = |path: &str, authorization: &str| {
        let request = Request::get(path);
        let request = match authorization {
            "" => request,
            value => request.header("authorization", value),
        };
        request.body(Body::empty()).unwrap()
    };
    let basic = |password: &str| format!("Basic {}", BASE64_STANDARD.encode(format!("anyone:{password}")));
    let bearer = format!("Bearer {TOKEN}");
    for path in [
        "/v1/status",
        "/v1/views",
        "/v1/live",
        "/v1/overview",
        "/v1/dead-letters",
    ] {
        assert_eq!(ask(get(path, &bearer)).await, (200, false), "{path}");
        assert_eq!(ask(get(path, &basic(TOKEN))).await, (200, false), "{path}");
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            &format!("Bearer {TOKEN}x"),
            &bearer[..bearer.len() - 1],
            &basic("wrong"),
            "Basic ???",
            TOKEN,
        ] {
            assert_eq!(ask(get(path, wrong)).await, (401, true), "{path} {wrong}");
        }
    }
    assert_eq!(ask(get("/dashboard", "")).await, (401, true));
    assert_eq!(ask(get("/healthz", "")).await, (200, false));
    assert_eq!(ask(get("/readyz", "")).await, (200, false));
    // Beacons are not taken here, nor are queries answered at the public address.
    let post = Request::post("/v1/beacons").header("authorization", &bearer);
    assert_eq!(ask(post.body(Body::from("{}")).unwrap()).await.0, 404);
    let public = analytics.collector_router();
    let status = public.oneshot(get("/v1/status", &bearer)).await.unwrap().status();
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_token_is_made_and_kept_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let config = Config::new(dir.path(), [Site::new("test", SITE_KEY)]);
    let file = config.admin_token_file();
    let analytics = Analytics::open(config).unwrap();
    drop(analytics.admin_router(&AdminAccess::Generated).unwrap());
    let token = std::fs::read_to_string(&file).unwrap();
    assert!(token.len() >= 43);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let router = analytics.admin_router(&AdminAccess::Generated).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), token, "it is made once");
    let request = Request::get("/v1/status").header("authorization", format!("Bearer {token}"));
    let response = router
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_a_token_only_this_machine_is_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let analytics = Analytics::open(Config::new(dir.path(), [Site::new("test", SITE_KEY)])).unwrap();
    let router = analytics.admin_router(&AdminAccess::Open).unwrap();
    for (host, expected) in [
        ("127.0.0.1:8091", 200),
        ("localhost", 200),
        ("[::1]:8091", 200),
        // A name whose address was made this machine's, so that its pages may read.
        ("evil.example:8091", 403),
        ("10.0.0.1", 403),
        ("", 403),
    ] {
        let request = Request::get("/v1/status").header("host", host);
        let response = router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), expected, "{host}");
    }
}

/// A server at two addresses of its own; `stop` ends it.
struct Running {
    public: SocketAddr,
    admin: SocketAddr,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<Result<(), analytics_server::Error>>,
}

async fn start(dir: &Path, change: impl FnOnce(&mut Settings)) -> Running {
    let mut settings = Settings::new(Config::new(dir, [Site::new("test", SITE_KEY)]));
    settings.public.listen = ([127, 0, 0, 1], 0).into();
    settings.admin.listen = settings.public.listen;
    settings.admin.access = AdminAccess::Open;
    change(&mut settings);
    let server = Server::bind(settings.public, settings.admin).await.unwrap();
    let analytics = Analytics::open(settings.config).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    Running {
        public: server.public_address().unwrap(),
        admin: server.admin_address().unwrap(),
        stop,
        task: tokio::spawn(server.run(analytics, async { drop(stopped.await) })),
    }
}

/// Sends text, and reads until the server closes the connection or an answer without a body is there.
async fn exchange(stream: &mut TcpStream, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    tokio::time::timeout(PATIENCE, async {
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => answer.extend_from_slice(&buffer[..n]),
            }
        }
    })
    .await
    .unwrap();
    String::from_utf8(answer).unwrap()
}

async fn status_of(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = exchange(
        &mut stream,
        &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    )
    .await;
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), |settings| {
        settings.public.max_connections_per_address = 2
    })
    .await;
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut open = [
        TcpStream::connect(running.public).await.unwrap(),
        TcpStream::connect(running.public).await.unwrap(),
    ];
    for stream in &mut open {
        assert!(exchange(stream, request).await.starts_with("HTTP/1.1 200"));
    }
    let mut third = TcpStream::connect(running.public).await.unwrap();
    assert_eq!(exchange(&mut third, request).await, "", "it is closed");
    assert_eq!(
        status_of(running.admin, "/healthz").await,
        "200",
        "the admin address counts for itself"
    );
    drop(open);
    // The server notices in its own time that they are gone.
    tokio::time::timeout(PATIENCE, async {
        while status_of(running.public, "/healthz").await != "200" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    drop(running.stop);
    running.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_says_nothing_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), |_| {}).await;
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let silent = TcpStream::connect(running.public).await.unwrap();
    let mut half = TcpStream::connect(running.public).await.unwrap();
    half.write_all(&request.as_bytes()[..20]).await.unwrap();
    let mut idle = TcpStream::connect(running.public).await.unwrap();
    assert!(exchange(&mut idle, request).await.starts_with("HTTP/1.1 200"));
    // The head's time passes at once.
    tokio::time::pause();
    for mut stream in [silent, half, idle] {
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(10 * PATIENCE, stream.read_to_end(&mut answer)).await;
        closed.unwrap().unwrap();
    }
    tokio::time::resume();
    assert_eq!(status_of(running.public, "/healthz").await, "200");
    drop(running.stop);
    running.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn slow_bodies_are_answered_and_long_heads_are_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), |_| {}).await;
    let mut slow = TcpStream::connect(running.public).await.unwrap();
    let answer = exchange(
        &mut slow,
        "POST /v1/beacons HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let mut long = TcpStream::connect(running.public).await.unwrap();
    let head = format!("GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(100_000));
    let _ = long.write_all(head.as_bytes()).await;
    let answer = exchange(&mut long, "").await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert_eq!(status_of(running.public, "/healthz").await, "200");
    drop(running.stop);
    running.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn at_its_end_it_says_so_first_and_keeps_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), |settings| settings.public.drain_s = 3).await;
    let mut player = TcpStream::connect(running.public).await.unwrap();
    let post = |seq| {
        let body = serde_json::to_string(&beacon(1, seq, 0)).unwrap();
        format!(
            "POST /v1/beacons HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    assert!(exchange(&mut player, &post(0)).await.starts_with("HTTP/1.1 204"));
    assert_eq!(status_of(running.public, "/readyz").await, "200");
    drop(running.stop);
    tokio::time::timeout(PATIENCE, async {
        while status_of(running.public, "/readyz").await == "200" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    // Those who have not heard yet are still served.
    assert!(exchange(&mut player, &post(1)).await.starts_with("HTTP/1.1 204"));
    tokio::time::timeout(PATIENCE, running.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(running.public).await.is_err());
    let server = support::Server::open(dir.path());
    let view: Value = server.json(&format!("/v1/views/{}", support::view_id(1))).await;
    assert_eq!(view["view"]["beacons"], 2);
}

#[tokio::test]
async fn streams_end_before_the_server_does() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), |settings| settings.public.drain_s = 0).await;
    let mut stream = TcpStream::connect(running.admin).await.unwrap();
    let request = "GET /v1/live HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n";
    let head = exchange(&mut stream, request).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    drop(running.stop);
    let mut rest = String::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut rest)).await;
    ended.unwrap().unwrap();
    let answer = head + &rest;
    assert!(answer.ends_with("\r\n0\r\n\r\n"), "it was cut off: {answer}");
    running.task.await.unwrap().unwrap();
}
