//! What was answered is there after `kill -9`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const EXE: &str = env!("CARGO_BIN_EXE_headgate-licence");
const KID: &str = "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0";

/// Ends with the test, whatever becomes of that.
struct Server(Child, String);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(folder: &Path, args: &[&str]) -> String {
    let output = Command::new(EXE).args(args).current_dir(folder).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn serve(folder: &Path) -> Server {
    let args =
        "serve --db keys.db --master-key-file master.key --token-key tokens.key --listen 127.0.0.1:0 --json";
    let mut child = Command::new(EXE)
        .args(args.split(' '))
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    Server(child, said["url"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn decisions_outlive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("master.key", &"5a".repeat(32));
    write("tokens.key", &"6b".repeat(32));
    let keys = serde_json::json!({"keys": [{"label": "sd", "kid": KID, "key": "1a".repeat(16)}]});
    write("keys.json", &keys.to_string());
    let database = ["--db", "keys.db", "--master-key-file", "master.key"];
    run(
        folder.path(),
        &[&["import", "keys.json", "--content", "film"][..], &database].concat(),
    );
    let listed = run(folder.path(), &[&["keys", "--json"][..], &database].concat());
    assert!(listed.contains(KID) && !listed.contains("1a1a1a"), "{listed}");
    let token = run(
        folder.path(),
        &["token", "--token-key", "tokens.key", "--content", "film"],
    );
    // Once a process; reqwest wants one even without TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    for round in 1..=5 {
        let mut server = serve(folder.path());
        let asked = client
            .post(&server.1)
            .bearer_auth(token.trim())
            .body(r#"{"kids":["sLCwsLCwsLCwsLCwsLCwsA"]}"#);
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.text().await.unwrap().contains("GhoaGhoaGhoaGhoaGhoaGg"));
        server.0.kill().unwrap();
        server.0.wait().unwrap();
        let audit = run(folder.path(), &[&["audit", "--json"][..], &database].concat());
        assert_eq!(
            audit.lines().filter(|line| line.contains("granted")).count(),
            round,
            "{audit}"
        );
    }
}
