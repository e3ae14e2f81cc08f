//! Job files, watched folders and webhooks.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::Bench;
use serde_json::Value;

const LADDER: &str = "90p:100k,audio:48k";

/// A server for POSTs, which answers with the next of the given status codes, and with 200 after them.
struct Hook {
    url: String,
    /// Head and body of each request.
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Hook {
    fn start(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook?token=hidden", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (shared, answers) = (Arc::clone(&requests), answers.to_vec());
        thread::spawn(move || {
            let mut answers = answers.into_iter();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    reader.read_line(&mut head).unwrap();
                }
                let length = head
                    .lines()
                    .find_map(|line| {
                        line.to_ascii_lowercase()
                            .strip_prefix("content-length: ")?
                            .parse()
                            .ok()
                    })
                    .unwrap();
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                shared
                    .lock()
                    .unwrap()
                    .push((head, String::from_utf8(body).unwrap()));
                let status = answers.next().unwrap_or(200);
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Self { url, requests }
    }

    fn bodies(&self) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|(_, body)| serde_json::from_str(body).unwrap())
            .collect()
    }
}

fn command(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headgate-encode"));
    command
        .args(arguments)
        .current_dir(bench.dir.path())
        .env_remove("HEADGATE_WEBHOOK_SECRET")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for the end, and ends it itself when that does not come.
fn end(mut child: Child) -> Output {
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it does not stop");
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn jobs_go_on_after_a_failure_and_are_not_done_twice() {
    let bench = Bench::new();
    bench.sample(2, 160, 90);
    let hook = Hook::start(&[]);
    let jobs = |more: &str| {
        let text = format!(
            "parallel: 2
defaults:
  out: cdn
  ladder: {LADDER}
  preset: ultrafast
  no-pictures: true
  webhook: {}
jobs:
  - {{input: missing.mp4, id: lost}}
  - input: sample.mp4
    id: one
    single_file: true
  - input: sample.mp4
    id: two
    {more}
",
            hook.url
        );
        fs::write(bench.path("jobs.yaml"), text).unwrap();
    };
    jobs("ladder: {video: [{name: low, width: 160, height: 90, bitrate_kbps: 90}]}");
    let run = || {
        let mut command = command(&bench, &["run", "jobs.yaml", "--json"]);
        command.env("HEADGATE_WEBHOOK_SECRET", "a secret");
        command.output().unwrap()
    };
    let output = run();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("of 3 jobs 1 failed and 0 were stopped"),
        "{}",
        text(&output.stderr)
    );
    let events = lines(&output);
    assert!(
        events
            .iter()
            .all(|event| event["event"] == "done" || event["job"].is_string())
    );
    let states = |events: &[Value]| {
        let done = events.last().unwrap()["jobs"].as_array().unwrap().clone();
        done.iter()
            .map(|job| {
                format!(
                    "{}: {}",
                    job["job"].as_str().unwrap(),
                    job["state"].as_str().unwrap()
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(states(&events), ["lost: failed", "one: done", "two: done"]);
    let error = &events.last().unwrap()["jobs"][0]["error"];
    assert!(error.as_str().unwrap().contains("missing.mp4 was not found"));
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "start" && event["job"] == "two")
    );
    assert!(
        bench.path("cdn/videos/one/90p.mp4").is_file() && bench.path("cdn/videos/two/low/1.m4s").is_file()
    );

    let mut told = hook.bodies();
    told.sort_by_key(|body| body["id"].to_string());
    assert_eq!(told.len(), 3);
    assert_eq!(
        (&told[0]["event"], &told[0]["id"]),
        (&"failed".into(), &"lost".into())
    );
    assert!(told[0]["error"].as_str().unwrap().contains("not found"));
    assert_eq!(
        (&told[1]["event"], &told[1]["input"], &told[1]["outputs"]["hls"]),
        (
            &"done".into(),
            &"sample.mp4".into(),
            &"cdn/videos/one/hls/master.m3u8".into()
        )
    );
    assert_eq!(told[1]["renditions"][0]["name"], "90p");
    for (head, body) in &*hook.requests.lock().unwrap() {
        let signature = head
            .lines()
            .find_map(|line| line.strip_prefix("x-headgate-signature: sha256="))
            .unwrap();
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"a secret");
        let tag: Vec<u8> = (0..signature.len() / 2)
            .map(|at| u8::from_str_radix(&signature[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        ring::hmac::verify(&key, body.as_bytes(), &tag).unwrap();
        assert!(head.starts_with("POST /hook?token=hidden HTTP/1.1"));
    }

    // Again: what is done is not done again, and nobody is told.
    let before = fs::metadata(bench.path("cdn/videos/one/hls/master.m3u8"))
        .unwrap()
        .modified()
        .unwrap();
    let events = lines(&run());
    assert_eq!(
        states(&events),
        ["lost: failed", "one: already_done", "two: already_done"]
    );
    let after = fs::metadata(bench.path("cdn/videos/one/hls/master.m3u8"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(before, after);
    assert_eq!(hook.bodies().len(), 4);

    // Other settings are another job, and replace an output by force alone.
    jobs("segment_s: 1");
    let events = lines(&run());
    assert_eq!(
        states(&events),
        ["lost: failed", "one: already_done", "two: failed"]
    );
    jobs("segment_s: 1\n    force: true");
    let events = lines(&run());
    assert_eq!(
        states(&events),
        ["lost: failed", "one: already_done", "two: done"]
    );
    assert!(bench.path("cdn/videos/two/90p/2.m4s").is_file());
}

#[test]
fn what_is_wrong_in_a_job_file_is_named_before_anything_begins() {
    let bench = Bench::new();
    for (job, expected) in [
        (
            "input: a.mp4\n    out: o\n    laddder: x",
            "line 4: job 1: laddder: there is no such option",
        ),
        (
            "input: a.mp4\n    out: o\n    json: true",
            "line 4: job 1: json: there is no such option",
        ),
        (
            "input: a.mp4\n    out: o\n    chunk: 1/2",
            "line 4: job 1: chunk: there is no such option",
        ),
        ("out: o", "line 2: job 1: input is missing"),
        ("input: a.mp4", "line 2: job 1: name the folder"),
        (
            "input: a.mp4\n    out: o\n    segment_s: long",
            "line 4: job 1: segment_s: invalid value 'long'",
        ),
        (
            "input: a.mp4\n    out: o\n    force: 3",
            "line 4: job 1: force: use true or false",
        ),
        (
            "input: a.mp4\n    out: o\n    id: [a, b]",
            "line 4: job 1: id: use one value",
        ),
        (
            "input: a.mp4\n    out: o\n    ladder: 720p",
            "line 4: job 1: ladder: ladder \"720p\"",
        ),
        ("input: a.mp4\n    out: s3://k:hidden@b", "line 3: job 1: out:"),
        (
            "input: a.mp4\n    out: o\n    webhook: ftp://hidden",
            "line 4: job 1: webhook:",
        ),
        (
            "input: a.mp4\n    out: o\n  - {input: b.mp4, out: o}",
            "line 4: job 2: its output o is also that of job 1",
        ),
        (
            "{input: a.mp4, out: a, encrypt: cbcs, key_out: k}\n  - {input: b.mp4, out: b, encrypt: cbcs, key_out: k}",
            "line 3: job 2: its key-out k is also that of another job",
        ),
        (
            "input: a.mp4\n    out: o\n    key_out: k",
            "job 1: the following required arguments were not provided",
        ),
        (
            "input: a.mp4\n    out: o\n    encrypt: cbcs\n    key_out: ./o/k",
            "line 5: job 1: key_out: key file ./o/k: it would lie in o, which is published",
        ),
        ("input: [", "line "),
    ] {
        fs::write(bench.path("jobs.yaml"), format!("jobs:\n  - {job}\n")).unwrap();
        let output = command(&bench, &["run", "jobs.yaml"]).output().unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            message.starts_with("error: jobs.yaml")
                && message.contains(expected)
                && !message.contains("hidden"),
            "{message}"
        );
        assert_eq!(names(bench.dir.path()), ["jobs.yaml"]);
    }
    for folder in ["inbox", "cdn/keys"] {
        fs::create_dir_all(bench.path(folder)).unwrap();
    }
    let watch = [
        "watch",
        "inbox",
        "--out",
        "cdn",
        "--encrypt",
        "cbcs",
        "--key-out",
        "cdn/keys",
    ];
    let output = end(command(&bench, &watch).spawn().unwrap());
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("in cdn, which is published"), "{message}");
}

#[test]
fn an_interrupted_job_goes_on_and_leaves_nothing_but_its_work() {
    let bench = Bench::new();
    bench.sample(8, 320, 180);
    let jobs = "jobs:
  - {input: sample.mp4, out: out, work: unfinished, ladder: '180p:200k,audio:48k', preset: veryfast, threads: 1, no_pictures: true}
  - {input: sample.mp4, out: other}";
    fs::write(bench.path("jobs.yaml"), jobs).unwrap();
    let child = command(&bench, &["run", "jobs.yaml"]).spawn().unwrap();
    let piece = bench.path("unfinished/sample/pieces/180p.0000.mp4.part");
    wait_until("a part is encoded", || {
        fs::metadata(&piece).map_or(0, |data| data.len()) > 60_000
    });
    interrupt(&child);
    let output = end(child);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("2 were stopped"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(names(bench.dir.path()), ["jobs.yaml", "sample.mp4", "unfinished"]);

    fs::write(
        bench.path("jobs.yaml"),
        jobs.lines().take(2).collect::<Vec<_>>().join("\n"),
    )
    .unwrap();
    let output = command(&bench, &["-v", "run", "jobs.yaml"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("going on"),
        "{}",
        text(&output.stderr)
    );
    assert!(
        text(&output.stdout).contains("sample  done"),
        "{}",
        text(&output.stdout)
    );
    assert!(bench.path("out/hls/master.m3u8").is_file());
    assert_eq!(names(&bench.path("unfinished")), Vec::<String>::new());
}

#[test]
fn a_watched_folder_is_emptied_file_by_file() {
    let bench = Bench::new();
    let source = bench.sample(2, 160, 90);
    let inbox = bench.path("inbox");
    fs::create_dir(&inbox).unwrap();
    // It was there before, it is unfinished, hidden, empty, a folder.
    fs::copy(&source, inbox.join("first film.mp4")).unwrap();
    fs::copy(&source, inbox.join("second.mp4.part")).unwrap();
    fs::copy(&source, inbox.join(".third.mp4")).unwrap();
    fs::write(inbox.join("empty.mp4"), b"").unwrap();
    fs::create_dir(inbox.join("folder.mp4")).unwrap();
    let arguments = [
        "watch",
        "inbox",
        "--out",
        "cdn",
        "--ladder",
        LADDER,
        "--preset",
        "ultrafast",
        "--no-pictures",
        "--settle-s",
        "0.3",
        "--json",
    ];
    let child = command(&bench, &arguments).spawn().unwrap();
    wait_until("the first is done", || {
        inbox.join("done/first film.mp4").is_file()
    });
    assert!(bench.path("cdn/videos/first-film/hls/master.m3u8").is_file());
    // Another watch is not let in.
    let second = command(&bench, &arguments).output().unwrap();
    assert!(
        text(&second.stderr).contains("in use by another"),
        "{}",
        text(&second.stderr)
    );
    // Renamed in, and one that is no video.
    fs::write(inbox.join("bad.mp4"), b"This is no video.").unwrap();
    fs::rename(inbox.join("second.mp4.part"), inbox.join("second.mp4")).unwrap();
    wait_until("both are put away", || {
        inbox.join("done/second.mp4").is_file() && inbox.join("failed/bad.mp4.txt").is_file()
    });
    let reason = fs::read_to_string(inbox.join("failed/bad.mp4.txt")).unwrap();
    assert!(reason.contains("is not a video or audio file"), "{reason}");
    assert!(inbox.join("failed/bad.mp4").is_file());
    interrupt(&child);
    let output = end(child);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(
        names(&inbox),
        [".third.mp4", "done", "empty.mp4", "failed", "folder.mp4"]
    );
    let ends: Vec<Value> = lines(&output)
        .into_iter()
        .filter(|line| line["event"] == "job_end")
        .collect();
    assert_eq!(ends.len(), 3);
    assert_eq!(
        (&ends[0]["job"], &ends[0]["state"]),
        (&"first-film".into(), &"done".into())
    );
    assert_eq!(names(bench.dir.path()), ["cdn", "inbox", "sample.mp4"]);
}

#[test]
fn a_watch_that_was_interrupted_goes_on() {
    let bench = Bench::new();
    let source = bench.sample(8, 320, 180);
    let inbox = bench.path("inbox");
    fs::create_dir(&inbox).unwrap();
    fs::copy(&source, inbox.join("film.mp4")).unwrap();
    let arguments = [
        "-v",
        "watch",
        "inbox",
        "--out",
        "cdn",
        "--ladder",
        "180p:200k,audio:48k",
        "--threads",
        "1",
        "--no-pictures",
        "--settle-s",
        "0.1",
    ];
    let child = command(&bench, &arguments).spawn().unwrap();
    let piece = inbox.join(".headgate-watch/film.mp4/pieces/180p.0000.mp4.part");
    wait_until("a part is encoded", || {
        fs::metadata(&piece).map_or(0, |data| data.len()) > 60_000
    });
    interrupt(&child);
    assert!(end(child).status.success());
    assert_eq!(names(&inbox), [".headgate-watch", "film.mp4"]);

    let child = command(&bench, &arguments).spawn().unwrap();
    wait_until("it is done", || inbox.join("done/film.mp4").is_file());
    interrupt(&child);
    let output = end(child);
    assert!(
        text(&output.stderr).contains("going on"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(names(&inbox), ["done"]);
}

#[test]
fn a_webhook_that_fails_is_reported_and_fails_nothing_else() {
    let bench = Bench::new();
    bench.sample(1, 160, 90);
    // Twice it is overloaded, then it listens.
    let patient = Hook::start(&[503, 429]);
    let vod = |hook: &Hook, out: &str| {
        let arguments = [
            "vod",
            "sample.mp4",
            "--out",
            out,
            "--ladder",
            LADDER,
            "--preset",
            "ultrafast",
            "--no-pictures",
            "--webhook",
            &hook.url,
        ];
        command(&bench, &arguments).output().unwrap()
    };
    let output = vod(&patient, "a");
    assert!(output.status.success());
    assert!(
        !text(&output.stderr).contains("webhook"),
        "{}",
        text(&output.stderr)
    );
    let told = patient.bodies();
    assert_eq!(
        (told.len(), &told[2]["event"], &told[2]["id"]),
        (3, &"done".into(), &"sample".into())
    );
    assert!(!patient.requests.lock().unwrap()[2].0.contains("signature"));

    let refusing = Hook::start(&[404, 404, 404]);
    let output = vod(&refusing, "b");
    let message = text(&output.stderr);
    assert!(output.status.success() && bench.path("b/hls/master.m3u8").is_file());
    assert!(
        message.contains("webhook") && message.contains("404") && !message.contains("hidden"),
        "{message}"
    );
    assert_eq!(refusing.bodies().len(), 1);

    // The failure of an encoding is told too, and stays the result.
    let output = vod(&refusing, "b");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(refusing.bodies()[1]["event"], "failed");
}
