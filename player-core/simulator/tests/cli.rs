//! The command line: what it prints, writes and refuses.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const HEADER: &str = "duration_ms,bandwidth_kbps,latency_ms\n";
const CONTENT: &str = r#"{"segment_duration_ms": 2000, "bitrates_kbps": [500, 1500], "segment_sizes_bits":
    [[1000000, 3000000], [900000, 3100000], [1100000, 2900000], [1000000, 3000000], [1000000, 3000000]]}"#;

/// A folder with two families of traces, a content table, and what else a test puts there.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    put(
        dir.path(),
        "traces/3g/slow.csv",
        &format!("{HEADER}4000,600,100\n1000,0,100\n"),
    );
    put(
        dir.path(),
        "traces/3g/fair.csv",
        &format!("{HEADER}4000,1800,100\n"),
    );
    put(
        dir.path(),
        "traces/lte/fast.csv",
        &format!("{HEADER}4000,9000,0\n"),
    );
    put(dir.path(), "content.json", CONTENT);
    dir
}

fn put(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn sim(dir: &Path, args: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_headgate-sim"))
        .args(args.split_whitespace())
        .current_dir(dir)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn fails(dir: &Path, args: &str, message: &str) {
    let output = sim(dir, args);
    let error = text(&output.stderr);
    assert!(!output.status.success(), "{args}");
    assert!(error.contains(message), "{args}: {error}");
    assert!(!error.contains("panicked"), "{args}: {error}");
    assert!(!dir.join("out.json").exists(), "{args}");
}

#[test]
fn a_run_prints_a_table_a_family_and_writes_a_row_a_session() {
    let dir = folder();
    let output = sim(
        dir.path(),
        "run --traces traces --content content.json --algorithms headgate,throughput,bola --json out.json",
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    for part in [
        "QoE by family, and means over 2 families (3 traces)",
        "Traces on which the algorithm of the line is ahead of that of the column, %",
        "headgate",
        "× real time",
    ] {
        assert!(table.contains(part), "{table}");
    }
    let rows: Vec<serde_json::Value> =
        serde_json::from_slice(&fs::read(dir.path().join("out.json")).unwrap()).unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| {
            [&row["family"], &row["trace"], &row["algorithm"]]
                .map(|v| v.as_str().unwrap())
                .join(" ")
        })
        .collect();
    let expected = [
        "3g fair headgate",
        "3g fair throughput",
        "3g fair bola",
        "3g slow headgate",
        "3g slow throughput",
        "3g slow bola",
        "lte fast headgate",
        "lte fast throughput",
        "lte fast bola",
    ];
    assert_eq!(names, expected);
    let figures = [
        "qoe",
        "bitrate_kbps",
        "rebuffer_s",
        "rebuffer_ratio",
        "startup_s",
        "switches",
        "decision_us_p50",
        "decision_us_p99",
    ];
    for row in &rows {
        for figure in figures {
            assert!(
                row[figure].as_f64().is_some_and(f64::is_finite),
                "{figure}: {row}"
            );
        }
    }
}

#[test]
fn logs_are_the_same_every_time_and_replay() {
    let dir = folder();
    for logs in ["one", "two"] {
        let args = format!(
            "run --traces traces/3g --content content.json --algorithms headgate,bola --json out.json --log {logs}"
        );
        let output = sim(dir.path(), &args);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    for name in ["slow.headgate", "slow.bola", "fair.headgate", "fair.bola"] {
        let one = format!("one/3g/{name}.jsonl");
        let bytes = fs::read(dir.path().join(&one)).unwrap();
        assert!(
            bytes == fs::read(dir.path().join(format!("two/3g/{name}.jsonl"))).unwrap(),
            "{name}"
        );
        let output = sim(dir.path(), &format!("replay {one} --out again.jsonl --json"));
        assert!(output.status.success(), "{}", text(&output.stderr));
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(
            result["inputs"].as_u64().unwrap() > 5 && result["first_difference"].is_null(),
            "{result}"
        );
        assert!(
            bytes == fs::read(dir.path().join("again.jsonl")).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn a_log_that_differs_gives_exit_code_1() {
    let dir = folder();
    let run =
        "run --traces traces/3g/slow.csv --content content.json --algorithms bola --json out.json --log logs";
    assert!(sim(dir.path(), run).status.success());
    let log = fs::read_to_string(dir.path().join("logs/3g/slow.bola.jsonl")).unwrap();
    let line = 1 + log
        .lines()
        .position(|line| line.contains("\"open_source\""))
        .unwrap();
    put(
        dir.path(),
        "other.jsonl",
        &log.replace("\"open_source\"", "\"close_source\""),
    );
    let output = sim(dir.path(), "replay other.jsonl");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stdout).contains(&format!("differ from line {line} of the log on")),
        "{}",
        text(&output.stdout)
    );
    put(dir.path(), "no-log.jsonl", "{}\n");
    fs::remove_file(dir.path().join("out.json")).unwrap();
    fails(
        dir.path(),
        "replay no-log.jsonl --out out.json",
        "cannot replay no-log.jsonl: this is not a Headgate log",
    );
    fails(
        dir.path(),
        "replay nowhere.jsonl",
        "cannot read the log nowhere.jsonl",
    );
}

#[test]
fn content_may_differ_by_family() {
    let dir = folder();
    put(dir.path(), "other.json", &CONTENT.replace("1500]", "6000]"));
    let args = "run --traces traces --content content.json --content lte=other.json --algorithms bola --json out.json";
    assert!(sim(dir.path(), args).status.success());
    fails(
        folder().path(),
        "run --traces traces --content lte=content.json --algorithms bola --json out.json",
        "no content for the family 3g",
    );
    fails(
        folder().path(),
        "run --traces traces --content content.json 5g=content.json --algorithms bola --json out.json",
        "names the family 5g, but the traces are of 3g, lte",
    );
}

#[test]
fn settings_of_the_engine_are_laid_over_those_of_the_comparison() {
    let dir = folder();
    let run = "run --traces traces/lte --content content.json --algorithms throughput --json out.json --config config.json";
    put(
        dir.path(),
        "config.json",
        r#"{"abr": {"max_bandwidth_kbps": 600}}"#,
    );
    assert!(sim(dir.path(), run).status.success());
    let rows: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join("out.json")).unwrap()).unwrap();
    assert_eq!(rows[0]["bitrate_kbps"], 500.0);
    fs::remove_file(dir.path().join("out.json")).unwrap();
    put(dir.path(), "config.json", r#"{"abr": {"speed": 600}}"#);
    fails(
        dir.path(),
        run,
        "config.json is no configuration of the engine: unknown field `speed`",
    );
}

#[test]
fn what_cannot_be_run_is_refused_by_name() {
    let dir = folder();
    put(dir.path(), "traces/bad/none.csv", HEADER);
    put(dir.path(), "empty/readme.txt", "");
    put(dir.path(), "wrong.json", "{}");
    let run = |traces: &str, content: &str, more: &str| {
        format!("run --traces {traces} --content {content} --json out.json --algorithms {more}")
    };
    let cases = [
        (
            run("traces/3g", "content.json", "headgate,magic"),
            "unknown algorithm \"magic\"; known are bola, headgate, throughput",
        ),
        (
            run("nowhere", "content.json", "bola"),
            "cannot read the traces in nowhere: ",
        ),
        (
            run("empty", "content.json", "bola"),
            "the folder empty holds no traces",
        ),
        (
            run("traces", "content.json", "bola"),
            "none.csv: the trace is empty",
        ),
        (
            run("traces/3g", "nowhere.json", "bola"),
            "cannot read the content table nowhere.json",
        ),
        (
            run("traces/3g", "wrong.json", "bola"),
            "wrong.json is no content table: missing field",
        ),
        (
            run("traces/3g", "traces/3g/slow.csv", "bola"),
            "slow.csv is no content table: ",
        ),
        (
            run("traces/3g", "content.json", "bola --objective vmaf"),
            "\"content\" has no segment_vmaf",
        ),
        (
            run("traces/3g", "content.json", "bola --objective best"),
            "unknown objective \"best\"; known are lin, log, vmaf",
        ),
        (
            run("traces/3g", "content.json", "bola --buffer-s 3"),
            "a buffer of 3 s is too small for content: the player needs room for two segments; give --buffer-s 4 or more",
        ),
        (
            run("traces/3g", "content.json", "bola --buffer-s NaN"),
            "--buffer-s must be above 0",
        ),
        (
            run("traces/3g", "content.json", "bola --config nowhere.json"),
            "cannot read the configuration nowhere.json",
        ),
        (
            run("traces/3g", "content.json", "bola --log content.json"),
            "cannot write the log content.json/3g/",
        ),
        (
            "run --traces traces/3g --content content.json --algorithms bola --json empty".to_owned(),
            "cannot write empty: ",
        ),
    ];
    for (args, message) in cases {
        // The log's failure is one of a session: the file is written, with the rows that there are.
        if args.contains("--log") {
            let output = sim(dir.path(), &args);
            assert_eq!(output.status.code(), Some(1));
            assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
            fs::remove_file(dir.path().join("out.json")).unwrap();
            continue;
        }
        fails(dir.path(), &args, message);
    }
}

#[test]
fn help_has_examples() {
    let dir = folder();
    for args in ["run --help", "replay --help"] {
        let output = sim(dir.path(), args);
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("Example"), "{args}");
    }
}
