//! The binary: exit codes, JSON lines, signals.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::Bench;
use serde_json::Value;

fn run(bench: &Bench, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_headgate-encode"))
        .args(arguments)
        .current_dir(bench.dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_sample_becomes_a_ladder_under_its_id() {
    let bench = Bench::new();
    let made = run(
        &bench,
        &[
            "sample",
            "--out",
            "clip.mp4",
            "--seconds",
            "3",
            "--size",
            "320x180",
            "--json",
        ],
    );
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    assert_eq!(lines(&made).last().unwrap()["event"], "done");

    fs::write(
        bench.path("ladder.json"),
        r#"{"video": [{"name": "low", "width": 320, "height": 180, "bitrate_kbps": 200}]}"#,
    )
    .unwrap();
    let arguments = [
        "vod",
        "clip.mp4",
        "--out",
        "cdn",
        "--id",
        "clip",
        "--ladder",
        "ladder.json",
    ];
    let output = run(
        &bench,
        &[&arguments[..], &["--preset", "ultrafast", "--json"]].concat(),
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = lines(&output);
    assert_eq!(lines[0]["event"], "start");
    assert_eq!(lines[0]["total_frames"], 90);
    let done = lines.last().unwrap();
    assert_eq!(
        (&done["event"], &done["renditions"][0]["name"]),
        (&"done".into(), &"low".into())
    );
    assert!(done["cpu_s"].as_f64().unwrap() > 0.0 && done["renditions"][0]["peak_bps"].as_u64().unwrap() > 0);
    for file in [
        "hls/master.m3u8",
        "dash/manifest.mpd",
        "low/init.mp4",
        "low/2.m4s",
        "audio/1.m4s",
    ] {
        assert!(bench.path("cdn/videos/clip").join(file).is_file(), "{file}");
    }

    let again = run(&bench, &arguments);
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));
}

#[test]
fn errors_are_one_line_and_no_success() {
    let bench = Bench::new();
    for (arguments, expected) in [
        (
            &["vod", "none.mp4", "--out", "o"][..],
            "error: none.mp4 was not found; check the path\n",
        ),
        (
            &["vod", "none.mp4", "--out", "o", "--ladder", "720p"],
            "error: ladder \"720p\": \"720p\" has no bitrate",
        ),
        (
            &["sample", "--out", "s.mp4", "--size", "big"],
            "error: --size \"big\": use a size such as 1280x720\n",
        ),
    ] {
        let output = run(&bench, arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with(expected) && text.lines().count() == 1, "{text}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_cleans_up() {
    let bench = Bench::new();
    bench.sample(10, 640, 360);
    let mut child = Command::new(env!("CARGO_BIN_EXE_headgate-encode"))
        .args([
            "vod",
            "sample.mp4",
            "--out",
            "out",
            "--preset",
            "veryslow",
            "--json",
        ])
        .current_dir(bench.dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.contains("\"start\""), "{line}");
    assert!(
        fs::read_dir(bench.dir.path()).unwrap().count() > 1,
        "the partial folder is there"
    );
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let deadline = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it did not stop");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(1));
    let names: Vec<_> = fs::read_dir(bench.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["sample.mp4"]);
}
