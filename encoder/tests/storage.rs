//! Outputs in an object store: what is there, in which order, with which headers, and what is left when something fails.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/s3.rs"]
mod s3;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::Bench;
use s3::{FakeS3, SECRET};
use serde_json::Value;

const PLACE: &str = "s3://films/public";
const FOLDER: &str = "films/public/videos/a";

fn command(bench: &Bench, store: &FakeS3, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate-encode"));
    command
        .args(["vod", "sample.mp4", "--out", PLACE, "--id", "a"])
        .args([
            "--ladder",
            "90p:100k,audio:48k",
            "--preset",
            "ultrafast",
            "--threads",
            "1",
        ])
        .args(more)
        .current_dir(bench.dir.path())
        .envs(store.environment())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn run(bench: &Bench, store: &FakeS3, more: &[&str]) -> Output {
    let output = command(bench, store, more).output().unwrap();
    let text = format!("{}{}", text(&output.stderr), text(&output.stdout));
    assert!(!text.contains(SECRET), "{text}");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Only the source is left in the folder.
fn assert_clean(bench: &Bench) {
    let names: Vec<_> = std::fs::read_dir(bench.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["sample.mp4"]);
}

#[test]
fn objects_have_their_headers_and_manifests_come_last() {
    let (bench, store) = (Bench::new(), FakeS3::start());
    bench.sample(4, 160, 90);
    store.store().faults.errors = 2;
    store.store().faults.breaks = 2;
    let output = run(&bench, &store, &["--json", "--cache-control", "dash/*=no-cache"]);
    assert_success(&output);
    assert_clean(&bench);

    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let done = lines.last().unwrap();
    assert_eq!(done["hls"], format!("{PLACE}/videos/a/hls/master.m3u8"));
    let upload = lines.iter().rfind(|line| line["event"] == "upload").unwrap();
    assert_eq!(upload["bytes"], upload["total_bytes"]);
    let total: usize = store
        .store()
        .objects
        .values()
        .map(|object| object.bytes.len())
        .sum();
    assert_eq!(upload["bytes"], total);
    assert_eq!(upload["files"], store.names().len());

    let written = store.written();
    let place = |name: &str| {
        written
            .iter()
            .position(|one| *one == format!("{FOLDER}/{name}"))
            .unwrap()
    };
    assert_eq!(place("hls/master.m3u8"), written.len() - 1);
    assert_eq!(place("dash/manifest.mpd"), written.len() - 2);
    let first_playlist = written.iter().position(|name| name.ends_with(".m3u8")).unwrap();
    let last_segment = written
        .iter()
        .rposition(|name| name.ends_with(".m4s") || name.ends_with(".mp4"))
        .unwrap();
    assert!(last_segment < first_playlist);

    let objects = &store.store().objects;
    for (name, content_type, cache_control) in [
        (
            "hls/master.m3u8",
            "application/vnd.apple.mpegurl",
            "public, max-age=60",
        ),
        ("dash/manifest.mpd", "application/dash+xml", "no-cache"),
        (
            "90p/1.m4s",
            "video/iso.segment",
            "public, max-age=31536000, immutable",
        ),
        ("90p/init.mp4", "video/mp4", "public, max-age=31536000, immutable"),
        ("segments.json", "application/json", "public, max-age=60"),
    ] {
        let object = &objects[&format!("{FOLDER}/{name}")];
        assert_eq!(
            (&*object.content_type, &*object.cache_control),
            (content_type, cache_control),
            "{name}"
        );
    }
}

#[test]
fn objects_are_the_files_of_a_folder() {
    let (bench, store) = (Bench::new(), FakeS3::start());
    let source = bench.sample(3, 160, 90);
    assert_success(&run(&bench, &store, &["--single-file"]));
    let mut options = bench.options(&source, "90p:100k,audio:48k");
    options.threads = 1;
    options.packaging.single_file = true;
    encoder::vod::encode(&options, &mut |_| {}).unwrap();
    let out = bench.path("out");
    let objects = &store.store().objects;
    let mut count = 0;
    for (name, object) in objects {
        let name = name.strip_prefix(FOLDER).unwrap().trim_start_matches('/');
        if name == "headgate.json" {
            continue;
        }
        assert!(std::fs::read(out.join(name)).unwrap() == object.bytes, "{name}");
        count += 1;
    }
    assert!(
        count >= 7 && objects.contains_key(&format!("{FOLDER}/90p.mp4")),
        "{count}"
    );
}

#[test]
fn an_output_is_replaced_by_force_alone_and_leaves_nothing_of_the_earlier_one() {
    let (bench, store) = (Bench::new(), FakeS3::start());
    bench.sample(4, 160, 90);
    assert_success(&run(&bench, &store, &["--segment-s", "1"]));
    store
        .store()
        .objects
        .insert(format!("{FOLDER}/mine.txt"), s3::Object::default());
    let before = store.names();
    let again = run(&bench, &store, &[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("--force"), "{}", text(&again.stderr));
    assert_eq!(store.names(), before);

    assert!(before.contains(&format!("{FOLDER}/90p/4.m4s")));
    let forced = run(&bench, &store, &["--force"]);
    assert_success(&forced);
    assert!(
        text(&forced.stderr).contains("purged"),
        "{}",
        text(&forced.stderr)
    );
    let after = store.names();
    assert!(
        after.contains(&format!("{FOLDER}/90p/2.m4s")) && !after.contains(&format!("{FOLDER}/90p/3.m4s"))
    );
    assert!(
        after.contains(&format!("{FOLDER}/mine.txt")),
        "what is not ours stays"
    );
    assert_clean(&bench);
}

#[test]
fn a_store_that_fails_half_way_is_left_as_it_was_and_the_work_is_kept() {
    let (bench, store) = (Bench::new(), FakeS3::start());
    bench.sample(4, 160, 90);
    store.store().faults.full_after = Some(3);
    let output = run(&bench, &store, &["--segment-s", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(
        message.contains(PLACE) && message.contains("QuotaExceeded") && message.contains("removed again"),
        "{message}"
    );
    assert_eq!(store.names(), Vec::<String>::new());

    // What cannot be removed is said.
    store.store().faults.keep = true;
    store.store().faults.full_after = Some(6);
    let output = run(&bench, &store, &["--segment-s", "1"]);
    let message = text(&output.stderr);
    assert!(
        message.contains("could not") || message.contains("still under"),
        "{message}"
    );
    let left = store.names();
    assert!(
        !left.is_empty()
            && left
                .iter()
                .all(|name| name.ends_with("m4s") || name.ends_with("mp4")),
        "{left:?}"
    );

    // The next run goes on with what is encoded.
    store.store().faults = s3::Faults::default();
    let output = run(&bench, &store, &["--segment-s", "1", "-v"]);
    assert_success(&output);
    assert!(
        text(&output.stderr).contains("going on"),
        "{}",
        text(&output.stderr)
    );
    assert_clean(&bench);
}

#[test]
fn a_failing_manifest_takes_everything_back() {
    let (bench, store) = (Bench::new(), FakeS3::start());
    bench.sample(2, 160, 90);
    store.store().faults.refuse = Some("master.m3u8".to_owned());
    let output = run(&bench, &store, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(store.names(), Vec::<String>::new());
}

#[test]
fn a_store_that_refuses_is_noticed_before_anything_is_encoded() {
    let (bench, store) = (Bench::new(), FakeS3::start());
    bench.sample(2, 160, 90);
    store.store().faults.forbidden = true;
    let output = run(&bench, &store, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("credentials"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(text(&output.stdout), "");
    assert_clean(&bench);

    // A place that would give a secret away is refused without being repeated.
    let output = Command::new(env!("CARGO_BIN_EXE_headgate-encode"))
        .args(["vod", "sample.mp4", "--out", &format!("s3://id:{SECRET}@films/a")])
        .current_dir(bench.dir.path())
        .output()
        .unwrap();
    let message = text(&output.stderr);
    assert!(
        !output.status.success() && !message.contains(SECRET) && message.contains("environment"),
        "{message}"
    );
}

#[test]
fn an_interrupt_takes_back_what_was_uploaded() {
    let (bench, store) = (Bench::new(), FakeS3::start());
    bench.sample(4, 160, 90);
    // Manifests cannot be written, so it stays at trying again.
    store.store().faults.errors = usize::MAX;
    let mut child = command(&bench, &store, &["--segment-s", "1"]).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while store.store().faults.errors > usize::MAX - 3 {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not stop");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(store.names(), Vec::<String>::new());
    assert_clean(&bench);
}

/// A store that takes connections and says nothing, or that nobody is at.
#[test]
fn a_dead_store_is_told_of_and_not_waited_for() {
    let bench = Bench::new();
    bench.sample(2, 160, 90);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (address, place, is_gone) in [
        (silent.local_addr().unwrap(), "s3://films/a", false),
        (gone, "s3://films/a", true),
        (gone, "gs://films/a", true),
    ] {
        let key = format!(
            r#"{{"gcs_base_url": "http://{address}", "disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}}"#
        );
        let mut child = Command::new(env!("CARGO_BIN_EXE_headgate-encode"))
            .args(["vod", "sample.mp4", "--out", place, "--force", "--json"])
            .current_dir(bench.dir.path())
            .env("AWS_ENDPOINT_URL", format!("http://{address}"))
            .env("AWS_ACCESS_KEY_ID", "fake-id")
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_REGION", "eu-central-1")
            .env("GOOGLE_BASE_URL", format!("http://{address}"))
            .env("GOOGLE_SERVICE_ACCOUNT_KEY", &key)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let waiting: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&waiting["event"], &waiting["location"]),
            (&"waiting".into(), &place.into())
        );
        assert_eq!(waiting["failures"].as_u64().unwrap() > 0, is_gone, "{line}");
        assert_eq!(waiting["reason"].is_string(), is_gone, "{line}");
        let kill = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap();
        assert!(kill.success());
        // It would try for more than a minute.
        let deadline = Instant::now() + Duration::from_secs(20);
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
        let output = child.wait_with_output().unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(message.contains("stopped before the end"), "{message}");
        assert_eq!(message.contains("trying again"), is_gone, "{message}");
        assert!(!message.contains(SECRET) && !line.contains(SECRET));
        assert_clean(&bench);
    }
}

#[test]
fn google_cloud_storage_is_written_the_same_way() {
    let (bench, store) = (Bench::new(), FakeS3::start());
    bench.sample(2, 160, 90);
    store.store().faults.open = true;
    // As emulators of the service are used.
    let key = format!(
        r#"{{"gcs_base_url": "http://{}", "disable_oauth": true, "client_email": "", "private_key": "", "private_key_id": ""}}"#,
        store.address
    );
    let run = || {
        let output = Command::new(env!("CARGO_BIN_EXE_headgate-encode"))
            .args([
                "vod",
                "sample.mp4",
                "--out",
                "gs://films/a",
                "--single-file",
                "--no-pictures",
            ])
            .args(["--ladder", "90p:100k", "--preset", "ultrafast", "--threads", "1"])
            .current_dir(bench.dir.path())
            .env("GOOGLE_BASE_URL", format!("http://{}", store.address))
            .env("GOOGLE_SERVICE_ACCOUNT_KEY", &key)
            .output()
            .unwrap();
        (output.status.success(), text(&output.stderr))
    };
    let (is_done, message) = run();
    assert!(is_done, "{message}");
    {
        let objects = &store.store().objects;
        let playlist = &objects["films/a/hls/master.m3u8"];
        assert_eq!(playlist.content_type, "application/vnd.apple.mpegurl");
        assert_eq!(playlist.cache_control, "public, max-age=60");
        assert!(objects.contains_key("films/a/90p.mp4"));
    }
    let (is_done, message) = run();
    assert!(
        !is_done && message.contains("gs://films/a already exists"),
        "{message}"
    );
    assert_clean(&bench);

    // What was uploaded goes again.
    store.store().objects.clear();
    store.store().faults.refuse = Some("manifest.mpd".to_owned());
    let (is_done, message) = run();
    assert!(
        !is_done && message.contains("removed again") && message.contains("are kept in"),
        "{message}"
    );
    assert_eq!(store.names(), Vec::<String>::new());
}
