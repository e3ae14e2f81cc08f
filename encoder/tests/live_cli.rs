//! `headgate-encode live`: its lines, its end, and what it never says.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{Bench, run_ffmpeg};
use serde_json::Value;

fn start(bench: &Bench, arguments: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_headgate-encode"))
        .arg("live")
        .args(arguments.split_whitespace())
        .args(["--listen", "127.0.0.1:0", "--linger-s", "0"])
        .env("HEADGATE_STREAM_KEY", "sesame-4711-open")
        .env_remove("HEADGATE_FFMPEG_LOG")
        .current_dir(bench.dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn terminate(child: &Child) {
    let status = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Reads lines until the event.
fn until(lines: &mut impl Iterator<Item = String>, event: &str) -> Value {
    let found = lines
        .map(|line| serde_json::from_str::<Value>(&line).unwrap())
        .find(|line| line["event"] == event);
    found.unwrap_or_else(|| panic!("no {event}"))
}

#[test]
fn a_file_is_played_until_it_is_stopped() {
    let bench = Bench::new();
    bench.ffmpeg(
        "-f lavfi -i testsrc2=s=320x180:r=25:d=2 -f lavfi -i sine=d=2 -c:v libx264 -preset ultrafast -c:a aac",
        "clip.mp4",
    );
    let arguments =
        "--input clip.mp4 --loop --out live --stream news --ladder 180p:200k --preset ultrafast --json";
    let mut child = start(&bench, arguments);
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let serving = until(&mut lines, "serving");
    let take = until(&mut lines, "take");
    assert_eq!(
        (&take["stream"], &take["renditions"][0]["name"]),
        (&"news".into(), &"180p".into())
    );
    assert_eq!(
        (&take["part_ms"], &take["segment_ms"]),
        (&320.into(), &2000.into())
    );
    let status = until(&mut lines, "status");
    assert!(status["encoders"][0]["frames"].as_u64().unwrap() > 0);
    // From the first whole segment on.
    let begun = Instant::now();
    let master = loop {
        let master = get(serving["hls"].as_str().unwrap());
        if master.starts_with("HTTP/1.1 200") || begun.elapsed() > Duration::from_secs(30) {
            break master;
        }
        thread::sleep(Duration::from_millis(100));
    };
    assert!(master.contains("180p.m3u8"), "{master}");
    let mpd = get(serving["dash"].as_str().unwrap());
    assert!(mpd.contains("type=\"dynamic\""), "{mpd}");
    terminate(&child);
    assert_eq!(until(&mut lines, "ended")["stream"], "news");
    assert!(child.wait().unwrap().success());
    let master = bench.path("live/news/hls/master.m3u8");
    run_ffmpeg(&format!("-v error -xerror -i {} -f null -", master.display()));
    let mpd = fs::read_to_string(bench.path("live/news/dash/manifest.mpd")).unwrap();
    assert!(mpd.contains("type=\"static\""), "{mpd}");
    let again = start(&bench, arguments).wait_with_output().unwrap();
    assert!(!again.status.success());
    let text = String::from_utf8_lossy(&again.stderr);
    assert!(text.contains("news") && text.contains("is over"), "{text}");
}

/// The answer to a request, with its head.
fn get(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_key_is_never_said() {
    let bench = Bench::new();
    let mut child = start(
        &bench,
        "--input rtmp://127.0.0.1:0/live --out live --ladder 180p:200k --preset ultrafast --json -vv",
    );
    let mut all = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut stderr = child.stderr.take().unwrap();
    let noise = thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let listening = loop {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        all.push_str(&line);
        let said: Value = serde_json::from_str(&line).unwrap();
        if said["event"] == "listening" {
            break said;
        }
    };
    let address = listening["address"].as_str().unwrap().to_owned();
    let publish = |key: &str| {
        let command = format!(
            "-nostdin -v error -re -f lavfi -i testsrc2=s=320x180:r=25:d=3 -c:v libx264 -preset ultrafast \
             -tune zerolatency -pix_fmt yuv420p -f flv {address}/{key}"
        );
        let status = Command::new("ffmpeg")
            .args(command.split_whitespace())
            .stdin(Stdio::null())
            .output();
        status.unwrap().status.success()
    };
    assert!(!publish("sesame-4711-shut"));
    assert!(publish("sesame-4711-open"));
    loop {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        all.push_str(&line);
        if line.contains("paused") {
            break;
        }
        assert!(!line.is_empty(), "{all}");
    }
    terminate(&child);
    stdout.read_to_string(&mut all).unwrap();
    assert!(child.wait().unwrap().success());
    let noise = noise.join().unwrap();
    assert!(all.contains("refused") && all.contains("ended"), "{all}");
    assert!(
        !all.contains("sesame") && !noise.contains("sesame"),
        "{all}{noise}"
    );
}

#[test]
fn what_is_wrong_is_said_without_the_key() {
    let bench = Bench::new();
    let failure = |arguments: &str| {
        let output = start(&bench, arguments).wait_with_output().unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!text.contains("sesame"), "{text}");
        text
    };
    fs::write(bench.path("keys.json"), r#"{"a": "sesame"}"#).unwrap();
    fs::write(bench.path("broken.json"), r#"{"a": sesame-4711}"#).unwrap();
    let rtmp = "--input rtmp://127.0.0.1:0/live --out live";
    assert!(failure(&format!("{rtmp} --stream a --stream b")).contains("no key"));
    assert!(failure(&format!("{rtmp} --stream a --stream-keys keys.json")).contains("10 to 79"));
    assert!(failure(&format!("{rtmp} --stream a --stream-keys broken.json")).contains("line 1"));
    assert!(failure(&format!("{rtmp} --stream ../a")).contains("letters"));
    assert!(failure(&format!("{rtmp} --loop")).contains("--loop"));
    assert!(failure("--input rtmp://127.0.0.1:0/live/sesame-4711 --out live").contains("apart"));
}
