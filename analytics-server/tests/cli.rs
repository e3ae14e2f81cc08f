//! The program asking a running server.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::{Command, Output};

use analytics_server::{AdminAccess, Analytics, Config, Server, Settings, Site};
use axum::body::Body;
use axum::http::Request;
use player_core::telemetry::schema::{Counters, ViewInfo};
use support::{SITE_KEY, beacon, view_id};
use tokio::sync::oneshot;
use tower::ServiceExt as _;

const TOKEN: &str = "a token of more than sixteen bytes";

async fn ask(url: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate-analytics"));
    command
        .args(args)
        .args(["--url", url])
        .env_remove("RUST_BACKTRACE");
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_a_running_server() {
    let dir = tempfile::tempdir().unwrap();
    let token_file = dir.path().join("token");
    std::fs::write(&token_file, format!("{TOKEN}\n")).unwrap();
    let mut settings = Settings::new(Config::new(
        dir.path().join("data"),
        [Site::new("test", SITE_KEY)],
    ));
    settings.public.listen = ([127, 0, 0, 1], 0).into();
    settings.public.drain_s = 0;
    settings.admin.listen = settings.public.listen;
    settings.admin.access = AdminAccess::Token(TOKEN.to_owned());
    let server = Server::bind(settings.public, settings.admin).await.unwrap();
    let url = format!("http://{}", server.admin_address().unwrap());
    let analytics = Analytics::open(settings.config).unwrap();
    let router = analytics.router();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(analytics, async { drop(stopped.await) }));

    for (number, device) in [(1, "tv"), (2, "tv"), (3, "=phone\u{1b}[2J")] {
        let mut b = beacon(number, 0, 1_000);
        b.info = Some(ViewInfo {
            device: device.into(),
            ..ViewInfo::default()
        });
        b.counters = Counters {
            play_intent: true,
            startup_ms: Some(500),
            played_ms: 900,
            rebuffer_ms: 100 * u64::from(number - 1),
            ..Counters::default()
        };
        let body = Body::from(serde_json::to_vec(&b).unwrap());
        let post = Request::post("/v1/beacons").body(body).unwrap();
        assert_eq!(router.clone().oneshot(post).await.unwrap().status().as_u16(), 204);
    }
    let token = ["--token-file", token_file.to_str().unwrap()];
    let told = async |args: &[&str]| {
        let output = ask(&url, &[args, &token].concat()).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    };
    let refused = async |args: &[&str]| {
        let output = ask(&url, args).await;
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Until the views are in the store.
    let query = [
        "query",
        "attempts,rebuffer_ratio",
        "--by",
        "device",
        "--last",
        "1h",
    ];
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let table = loop {
        let table = words(&told(&query).await);
        if table.contains("tv 2 2") && table.contains("phone") {
            break table;
        }
        assert!(std::time::Instant::now() < deadline, "{table}");
    };
    assert_eq!(
        table,
        "device attempts n rebuffer_ratio n tv 2 2 5.26% – =phone[2J 1 1 18.18% – Without programs: ask with --bots."
    );
    let series = told(&[&query[..], &["--bucket", "10m", "--filter", "device:eq:tv"]].concat()).await;
    assert!(
        words(&series).starts_with("device metric least most last tv attempts 2 ▁"),
        "{series}"
    );
    let csv = told(&[&query[..], &["--csv"]].concat()).await;
    assert!(
        csv.starts_with("device,attempts,attempts_numerator") && csv.contains("\n'=phone"),
        "{csv}"
    );
    let json = told(&[&query[..], &["--json", "--limit", "1"]].concat()).await;
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["more"],
        true
    );
    let views = told(&["views", "--filter", "device:eq:tv", "--limit", "1"]).await;
    assert!(
        views.contains(&view_id(1)) || views.contains(&view_id(2)),
        "{views}"
    );
    assert!(words(&views).contains("500 ms 900 ms"), "{views}");
    let status = words(&told(&["status"]).await);
    assert!(
        status.contains("ready yes") && status.contains("beacons: accepted 3"),
        "{status}"
    );

    assert!(refused(&["status"]).await.contains("--token-file"));
    let wrong = refused(&["query", "joy", token[0], token[1]]).await;
    assert!(wrong.contains("there is no metric `joy`"), "{wrong}");
    let tls = ask("https://127.0.0.1:1", &["status"]).await;
    assert!(String::from_utf8_lossy(&tls.stderr).contains("cannot be asked"));

    let backup = told(&["backup"]).await;
    let folder = backup.split_whitespace().next().unwrap();
    assert!(
        dir.path().join("data").join(folder).join("store.duckdb").exists(),
        "{backup}"
    );
    assert!(told(&["delete", "--viewer", "an/na"]).await.contains("durable"));
    assert!(
        told(&["delete", "--view", &view_id(1), "--site", "test"])
            .await
            .contains("durable")
    );
    let nobody = refused(&["delete", "--viewer", "anna", "--site", "blog", token[0], token[1]]).await;
    assert!(nobody.contains("no site of this name"), "{nobody}");
    assert!(refused(&["delete"]).await.contains("--viewer"));
    let view = format!("/v1/views/{}", view_id(1));
    while router
        .clone()
        .oneshot(Request::get(&view).body(Body::empty()).unwrap())
        .await
        .unwrap()
        .status()
        != 404
    {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    drop(stop);
    running.await.unwrap().unwrap();
    assert!(refused(&["status"]).await.contains("cannot be asked"));
}
