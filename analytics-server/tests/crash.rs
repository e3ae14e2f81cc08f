//! The program under load is killed and started again: every acknowledged beacon is counted exactly once.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{beacon, view_id};

const ROUNDS: u32 = 4;
const PLAYERS: u32 = 8;
const LOAD: Duration = Duration::from_millis(1_700);
const PATIENCE: Duration = Duration::from_secs(60);

/// The program; killed when dropped.
struct Program {
    child: Child,
    /// Where beacons go.
    address: SocketAddr,
    /// Where queries go.
    admin: SocketAddr,
}

impl Program {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_headgate-analytics"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
                "--admin-without-token",
                "--site-key",
                "test=test-key",
                "--data",
            ])
            .arg(data)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = || {
            let line = lines.next().unwrap().unwrap();
            let authority = line
                .split("http://")
                .nth(1)
                .and_then(|rest| rest.split('/').next());
            authority
                .unwrap_or_else(|| panic!("the program said {line:?}"))
                .parse()
                .unwrap()
        };
        let admin = address();
        Self {
            address: address(),
            admin,
            child,
        }
    }

    fn get(&self, path: &str) -> Value {
        let stream = connect(self.admin).unwrap();
        let (status, body) = exchange(&stream, "GET", path, b"").unwrap();
        assert_eq!(status, 200, "{path}");
        serde_json::from_slice(&body).unwrap()
    }

    /// Waits until everything that was acknowledged can be queried.
    fn wait_stored(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.get("/v1/status")["log"].clone();
            if log["stored"] == log["head"] {
                return;
            }
            assert!(Instant::now() < deadline, "{log}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One HTTP/1.1 exchange on a connection that stays open.
fn exchange(
    mut stream: &TcpStream,
    method: &str,
    path: &str,
    body: &[u8],
) -> std::io::Result<(u16, Vec<u8>)> {
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    request.push_str(std::str::from_utf8(body).unwrap());
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let (mut status, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(rest) = line.strip_prefix("http/1.1 ") {
            status = rest[..3].parse().unwrap();
        } else if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((status, body))
}

/// A view as its player knows it: how far it has been acknowledged, and how far it was sent.
#[derive(Clone, Copy, Default)]
struct Sent {
    acknowledged: u32,
    tried: u32,
}

/// Posts the beacons of one view, one after the other, each until it is acknowledged, until the server is gone.
fn play(address: SocketAddr, view: u32, stop: &AtomicBool, sent: &Mutex<Sent>) {
    let Ok(stream) = connect(address) else { return };
    while !stop.load(Ordering::Relaxed) {
        let seq = sent.lock().unwrap().acknowledged;
        let mut b = beacon(view, seq, u64::from(seq) * 10);
        b.counters.played_ms = u64::from(seq + 1) * 10;
        b.counters.play_intent = true;
        b.events = vec![support::at(b.t_ms, player_core::telemetry::schema::Event::Play)];
        sent.lock().unwrap().tried = seq + 1;
        match exchange(&stream, "POST", "/v1/beacons", &serde_json::to_vec(&b).unwrap()) {
            Ok((204, _)) => sent.lock().unwrap().acknowledged = seq + 1,
            Ok((503, _)) => {}
            Ok((status, body)) => panic!("{status} {}", String::from_utf8_lossy(&body)),
            Err(_) => return,
        }
    }
}

#[test]
fn every_acknowledged_beacon_counts_exactly_once_after_kill() {
    let dir = tempfile::tempdir().unwrap();
    let players: Vec<Arc<Mutex<Sent>>> = (0..PLAYERS).map(|_| Arc::default()).collect();
    for round in 0..ROUNDS {
        let program = Program::start(dir.path());
        let stop = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = players
            .iter()
            .cloned()
            .zip(1..)
            .map(|(sent, view)| {
                let (stop, address) = (Arc::clone(&stop), program.address);
                thread::spawn(move || play(address, view, &stop, &sent))
            })
            .collect();
        // Not always at the same place of the store's rhythm.
        thread::sleep(LOAD + Duration::from_millis(230) * round);
        program.kill();
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
    }

    let program = Program::start(dir.path());
    program.wait_stored();
    let mut acknowledged = 0;
    let mut played_ms = 0;
    for (sent, number) in players.iter().zip(1..) {
        let sent = *sent.lock().unwrap();
        let answer = program.get(&format!("/v1/views/{}", view_id(number)));
        let beacons = u32::try_from(answer["view"]["beacons"].as_u64().unwrap()).unwrap();
        // What was in flight when the server died may have been stored without an answer; nothing else.
        assert!(
            (sent.acknowledged..=sent.tried).contains(&beacons),
            "{beacons} of {}",
            sent.acknowledged
        );
        assert_eq!(answer["view"]["max_seq"], beacons - 1);
        assert_eq!(answer["view"]["played_ms"], beacons * 10);
        assert_eq!(answer["view"]["events"], beacons);
        let mut times: Vec<u64> = answer["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["t"].as_u64().unwrap())
            .collect();
        times.dedup();
        assert_eq!(times.len() as u64, u64::from(beacons).min(20_000));
        acknowledged += sent.acknowledged;
        played_ms += beacons * 10;
    }
    let day_ms = 86_400_000;
    let now_ms = program.get("/v1/live")["now_ms"].as_i64().unwrap();
    let totals = program.get(&format!(
        "/v1/overview?from={}&to={}",
        now_ms - day_ms,
        now_ms + day_ms
    ))["totals"]
        .clone();
    assert_eq!(totals["attempts"], f64::from(PLAYERS));
    assert_eq!(
        totals["played_ms"],
        f64::from(played_ms),
        "what the beats add up to"
    );
    assert!(
        acknowledged > 100 * ROUNDS,
        "only {acknowledged} beacons in {ROUNDS} rounds: no load"
    );
    println!("{acknowledged} beacons acknowledged in {ROUNDS} rounds");
}

#[cfg(unix)]
#[test]
fn sigterm_ends_it_with_everything_stored() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = Program::start(dir.path());
    let stream = connect(program.address).unwrap();
    let body = serde_json::to_vec(&beacon(1, 0, 0)).unwrap();
    assert_eq!(exchange(&stream, "POST", "/v1/beacons", &body).unwrap().0, 204);
    let pid = program.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        match program.child.try_wait().unwrap() {
            Some(status) => break status,
            None => assert!(Instant::now() < deadline, "it does not end"),
        }
        thread::sleep(Duration::from_millis(20));
    };
    assert!(status.success(), "{status}");
    let program = Program::start(dir.path());
    assert_eq!(
        program.get(&format!("/v1/views/{}", view_id(1)))["view"]["beacons"],
        1
    );
}

#[test]
fn a_data_folder_in_use_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let _running = Program::start(dir.path());
    let second = Command::new(env!("CARGO_BIN_EXE_headgate-analytics"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--data",
        ])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(error.contains("in use by another process"), "{error}");
}
