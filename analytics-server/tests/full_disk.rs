//! A disk that is really full: a small one of its own (tmpfs), which takes root to be had; without, the tests say so and end.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use player_core::telemetry::schema::Event;
use support::program::{Connection, PATIENCE, Program};
use support::{at, beacon};

/// The log reserves 64 MiB at once.
const DISK_MIB: u64 = 160;

/// A small disk; unmounted when dropped.
struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK_MIB}m"), "tmpfs"])
            .arg(dir.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { dir });
        }
        println!("skipped: a small disk cannot be mounted here (it takes root)");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Fills it but for so many bytes.
    fn fill(&self, but: u64) {
        let mut ballast = File::create(self.path("ballast")).unwrap();
        let chunk = vec![1; 64 << 10];
        while ballast.write_all(&chunk).is_ok() {}
        let len = ballast.metadata().unwrap().len();
        ballast.set_len(len.saturating_sub(but)).unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.path("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.dir.path()).status();
    }
}

fn start(disk: &Disk, min_free_bytes: u64) -> Program {
    let config = disk.path("analytics.toml");
    if !config.exists() {
        let text = format!(
            "data = 'data'\n[public]\nlisten = '127.0.0.1:0'\ndrain_s = 0\n\
             [admin]\nlisten = '127.0.0.1:0'\nwithout_token = true\n\
             [limits]\nmin_free_disk_bytes = {min_free_bytes}\n\
             [[sites]]\nname = 'test'\nkeys = ['test-key']\n"
        );
        fs::write(&config, text).unwrap();
    }
    Program::start_with(&config)
}

/// What was acknowledged, and what was sent without an answer.
#[derive(Default)]
struct Sent {
    acknowledged: u32,
    unanswered: u32,
}

impl Sent {
    /// The next beacon, of 100 views by turns. Answers the status; 0 if there was none.
    fn post(&mut self, connection: &mut Connection) -> u16 {
        let number = self.acknowledged + self.unanswered;
        let seq = number / 100;
        let mut b = beacon(number % 100, seq, u64::from(seq) * 10);
        b.counters.played_ms = u64::from(seq + 1) * 10;
        b.events = vec![at(
            b.t_ms,
            Event::Error {
                kind: "network".to_owned(),
                fatal: false,
                message: format!("{number:0>400}"),
            },
        )];
        let body = serde_json::to_vec(&b).unwrap();
        let status = connection
            .exchange("POST", "/v1/beacons", &body)
            .map_or(0, |(status, _)| status);
        match status {
            204 => self.acknowledged += 1,
            // It may be in the log or not.
            0 => self.unanswered += 1,
            _ => {}
        }
        status
    }
}

/// Everything that was acknowledged is there once.
fn check(data: &Path, program: Program, sent: &Sent) {
    program.wait_for("stored");
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = i64::try_from(since_1970.as_millis()).unwrap();
    let day_ms = 86_400_000;
    let range = format!("from={}&to={}", now_ms - day_ms, now_ms + day_ms);
    let by_views = program.get(&format!("/v1/query?metric=played_ms,views&{range}"));
    let by_sums = program.get(&format!("/v1/query?metric=played_ms&{range}"));
    let played = |answer: &serde_json::Value| {
        answer["rows"][0]["values"]["played_ms"]["value"]
            .as_f64()
            .unwrap()
            / 10.0
    };
    let least = f64::from(sent.acknowledged);
    let most = least + f64::from(sent.unanswered);
    assert_eq!(by_sums["metrics"][0]["source"], "rollups");
    for beacons in [played(&by_views), played(&by_sums)] {
        assert!(
            (least..=most).contains(&beacons),
            "{beacons} of {least} to {most}"
        );
    }
    program.stop();
    let store = duckdb::Connection::open(data.join("store.duckdb")).unwrap();
    let rows: u32 = store
        .query_row("SELECT count(*) FROM events", [], |row| row.get(0))
        .unwrap();
    assert!(
        f64::from(rows) >= least && f64::from(rows) <= most,
        "{rows} events"
    );
}

#[test]
fn a_disk_that_is_nearly_full_is_waited_out() {
    let Some(disk) = Disk::new() else { return };
    let program = start(&disk, 16 << 20);
    let mut connection = Connection::open(program.address).unwrap();
    let mut sent = Sent::default();
    for _ in 0..300 {
        assert_eq!(sent.post(&mut connection), 204);
    }
    disk.fill(8 << 20);
    let refused = wait(|| sent.post(&mut connection) == 503);
    assert!(refused, "it takes beacons on a disk that is nearly full");
    let mut probe = Connection::open(program.address).unwrap();
    assert_eq!(probe.exchange("GET", "/readyz", b"").unwrap().0, 503);
    disk.make_room();
    assert!(
        wait(|| sent.post(&mut connection) == 204),
        "it takes none when there is room again"
    );
    assert_eq!(probe.exchange("GET", "/readyz", b"").unwrap().0, 200);
    check(&disk.path("data"), program, &sent);
}

/// DuckDB gives up for good if a checkpoint fails, which it does 20 s after the start if something was erased; of a batch that
/// fails it is tried again. Whichever comes first: the server goes on, or ends so that it is started again.
#[test]
fn a_store_on_a_full_disk_goes_on_or_ends() {
    let Some(disk) = Disk::new() else { return };
    let began = Instant::now();
    let mut program = start(&disk, 16 << 20);
    let mut connection = Connection::open(program.address).unwrap();
    let mut sent = Sent::default();
    for _ in 0..300 {
        assert_eq!(sent.post(&mut connection), 204);
    }
    let mut deleted = beacon(100_000, 0, 0);
    deleted.events = Vec::new();
    let body = serde_json::to_vec(&deleted).unwrap();
    assert_eq!(connection.exchange("POST", "/v1/beacons", &body).unwrap().0, 204);
    thread::sleep(Duration::from_secs(17).saturating_sub(began.elapsed()));
    let path = format!("/v1/views/{}", support::view_id(100_000));
    let mut admin = Connection::open(program.admin).unwrap();
    assert_eq!(admin.exchange("DELETE", &path, b"").unwrap().0, 202);
    program.wait_for("stored");
    disk.fill(0);
    thread::sleep(Duration::from_secs(6));
    println!("ended: {}", program.has_ended());
    disk.make_room();
    let goes_on = wait(|| {
        let mut connection = Connection::open(program.address);
        let status = connection.as_mut().map_or(0, |open| sent.post(open));
        status == 204 || program.has_ended()
    });
    assert!(goes_on, "it neither takes beacons nor ends");
    thread::sleep(Duration::from_secs(2));
    if program.has_ended() {
        assert!(!program.ended().success());
        program = start(&disk, 16 << 20);
    }
    check(&disk.path("data"), program, &sent);
}

#[test]
fn nothing_that_was_acknowledged_is_lost_on_a_full_disk() {
    let Some(disk) = Disk::new() else { return };
    // As if the disk had filled up from one moment to the next.
    let mut program = start(&disk, 0);
    let mut sent = Sent::default();
    let mut connection = Connection::open(program.address).unwrap();
    for _ in 0..300 {
        assert_eq!(sent.post(&mut connection), 204);
    }
    disk.fill(0);
    // The log has its journal's room in advance; the store has none. Sooner or later the log takes no more, and it ends.
    let deadline = Instant::now() + PATIENCE;
    let mut refused = 0;
    loop {
        match sent.post(&mut connection) {
            204 => {}
            503 => refused += 1,
            0 => break,
            status => panic!("{status}"),
        }
        if refused > 0 && Connection::open(program.address).is_err() {
            break;
        }
        assert!(Instant::now() < deadline, "it goes on without a disk");
    }
    println!("{} beacons were taken, {refused} refused", sent.acknowledged);
    assert!(!program.ended().success(), "it says that something is wrong");
    drop(program);

    disk.make_room();
    let program = start(&disk, 0);
    let mut connection = Connection::open(program.address).unwrap();
    for _ in 0..100 {
        assert_eq!(sent.post(&mut connection), 204);
    }
    check(&disk.path("data"), program, &sent);
}

/// Tries it until it is so.
fn wait(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(100));
    }
}
