//! The program under load is killed and started again: every acknowledged beacon is counted exactly once.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{beacon, view_id};

const ROUNDS: u32 = 4;
const PLAYERS: u32 = 8;
/// Views of each player, which it reports on by turns: together more than the store writes at once.
const VIEWS: u32 = 500;
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

/// The views of a player and whose turn it is.
struct Player {
    number: u32,
    views: Vec<Sent>,
    turn: usize,
}

impl Player {
    fn new(number: u32) -> Self {
        Self {
            number,
            views: vec![Sent::default(); VIEWS as usize],
            turn: 0,
        }
    }

    fn view(&self, place: usize) -> u32 {
        self.number * VIEWS + place as u32
    }

    /// Posts beacons of the views, one after the other, each until it is acknowledged, until the server is gone.
    fn play(&mut self, address: SocketAddr, stop: &AtomicBool) {
        let Ok(stream) = connect(address) else { return };
        while !stop.load(Ordering::Relaxed) {
            let view = self.view(self.turn);
            let sent = &mut self.views[self.turn];
            let seq = sent.acknowledged;
            let mut b = beacon(view, seq, u64::from(seq) * 10);
            if let Some(info) = &mut b.info {
                info.video_id = format!("of player {}", self.number);
            }
            b.counters.played_ms = u64::from(seq + 1) * 10;
            b.counters.play_intent = true;
            b.events = vec![support::at(b.t_ms, player_core::telemetry::schema::Event::Play)];
            sent.tried = seq + 1;
            match exchange(&stream, "POST", "/v1/beacons", &serde_json::to_vec(&b).unwrap()) {
                Ok((204, _)) => sent.acknowledged = seq + 1,
                Ok((503, _)) => continue,
                Ok((status, body)) => panic!("{status} {}", String::from_utf8_lossy(&body)),
                Err(_) => return,
            }
            self.turn = (self.turn + 1) % self.views.len();
        }
    }
}

#[test]
fn every_acknowledged_beacon_counts_exactly_once_after_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut players: Vec<Player> = (0..PLAYERS).map(Player::new).collect();
    let mut marks_apart = 0;
    for round in 0..ROUNDS {
        let program = Program::start(dir.path());
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            for player in &mut players {
                let (stop, address) = (&stop, program.address);
                scope.spawn(move || player.play(address, stop));
            }
            // Not always at the same place of the store's rhythm.
            thread::sleep(LOAD + Duration::from_millis(230) * round);
            let log = program.get("/v1/status")["log"].clone();
            marks_apart += u32::from(log["stored"].as_u64() < log["events"].as_u64());
            program.kill();
            stop.store(true, Ordering::Relaxed);
        });
    }

    let program = Program::start(dir.path());
    program.wait_stored();
    let now_ms = program.get("/v1/live")["now_ms"].as_i64().unwrap();
    let day_ms = 86_400_000;
    let range = format!("from={}&to={}", now_ms - day_ms, now_ms + day_ms);
    let ask = |query: &str| program.get(&format!("/v1/query?{range}&{query}"));

    // By the rows of views: those of each player.
    let by_player = ask("metric=played_ms,attempts&by=video_id")["rows"].clone();
    let (mut acknowledged, mut views, mut played_ms) = (0, 0, 0.0);
    for player in &players {
        let name = format!("of player {}", player.number);
        let rows = by_player.as_array().unwrap();
        let row = rows.iter().find(|row| row["by"]["video_id"] == *name).unwrap();
        let of = |sent: fn(&Sent) -> u32| player.views.iter().map(sent).sum::<u32>();
        // What was in flight when the server died may have been stored without an answer; nothing else.
        let beacons = row["values"]["played_ms"]["value"].as_f64().unwrap() / 10.0;
        let (least, most) = (of(|sent| sent.acknowledged), of(|sent| sent.tried));
        assert!(
            (f64::from(least)..=f64::from(most)).contains(&beacons),
            "{beacons} of {least}"
        );
        assert_eq!(
            row["values"]["attempts"]["value"],
            row["values"]["attempts"]["n"].as_f64().unwrap()
        );
        acknowledged += least;
        played_ms += beacons * 10.0;
        views += row["values"]["attempts"]["n"].as_u64().unwrap();
    }
    // By what was reported: the same.
    let total = ask("metric=played_ms");
    assert_eq!(total["metrics"][0]["source"], "rollups");
    assert_eq!(total["rows"][0]["values"]["played_ms"]["value"], played_ms);
    assert_eq!(ask("metric=views")["rows"][0]["values"]["views"]["n"], views);

    // View by view, and event by event.
    for player in &players {
        for (place, sent) in player.views.iter().enumerate().step_by(25) {
            if sent.tried == 0 {
                continue;
            }
            let path = format!("/v1/views/{}", view_id(player.view(place)));
            let answer = program.get(&path);
            let beacons = u32::try_from(answer["view"]["beacons"].as_u64().unwrap()).unwrap();
            assert!(
                (sent.acknowledged..=sent.tried).contains(&beacons),
                "{beacons} of {}",
                sent.acknowledged
            );
            assert_eq!(answer["view"]["max_seq"], beacons - 1);
            assert_eq!(answer["view"]["played_ms"], beacons * 10);
            assert_eq!(answer["view"]["events"], beacons);
            let times: Vec<u64> = answer["events"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["t"].as_u64().unwrap())
                .collect();
            let expected: Vec<u64> = (0..beacons).map(|seq| u64::from(seq) * 10).collect();
            assert_eq!(times, expected, "{path}");
        }
    }
    assert!(
        acknowledged > 100 * ROUNDS,
        "only {acknowledged} beacons in {ROUNDS} rounds: no load"
    );
    println!(
        "{acknowledged} beacons of {views} views acknowledged in {ROUNDS} rounds, \
         {marks_apart} of which ended with views behind the events"
    );
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
