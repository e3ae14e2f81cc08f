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
fn logs_of_other_algorithms_replay_unless_they_know_the_future() {
    let dir = folder();
    let args = "run --traces traces/3g --content content.json --algorithms robust-mpc,bba2+ab,headgate+ab,optimal --log logs";
    let output = sim(dir.path(), args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for name in ["robust-mpc", "bba2+ab", "headgate+ab"] {
        let log = format!("logs/3g/slow.{name}.jsonl");
        let header = fs::read_to_string(dir.path().join(&log)).unwrap();
        assert!(
            header
                .lines()
                .next()
                .unwrap()
                .contains(&format!("\"algorithm\":\"{name}\""))
        );
        let output = sim(dir.path(), &format!("replay {log}"));
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("the outputs are those of the log"));
    }
    fails(
        dir.path(),
        "replay logs/3g/slow.optimal.jsonl",
        "cannot replay logs/3g/slow.optimal.jsonl: it was made with \"optimal\", which decides by more than the log has",
    );
}

#[test]
fn all_algorithms_can_be_run_with_and_without_abandonment() {
    let dir = folder();
    let names = |list: &str| -> Vec<String> {
        let args =
            format!("run --traces traces/lte --content content.json --algorithms {list} --json out.json");
        let output = sim(dir.path(), &args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        rows_but_times(&dir.path().join("out.json"))
            .iter()
            .map(|row| row["algorithm"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = names("all");
    assert_eq!(all[0], "headgate", "the report's charts are chosen by the first");
    for name in ["optimal", "oracle-5", "robust-mpc", "shaka", "throughput"] {
        assert!(all.iter().any(|known| known == name), "{name}: {all:?}");
    }
    let with = names("all+ab");
    assert!(
        with.len() + 3 == all.len() && with.iter().all(|name| name.ends_with("+ab")),
        "{with:?}"
    );
    assert_eq!(
        names("bola,all+ab,bola-e+ab,oracle-2").len(),
        with.len() + 2,
        "each once"
    );
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
            "unknown algorithm \"magic\"; known are bba0, bba2, bola, ",
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

/// The rows of a file without the times of decisions, which differ.
fn rows_but_times(path: &Path) -> Vec<serde_json::Value> {
    let mut rows: Vec<serde_json::Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    for row in &mut rows {
        let row = row.as_object_mut().unwrap();
        for time in ["decision_us_p50", "decision_us_p99"] {
            assert!(row.remove(time).is_some_and(|v| v.is_number()), "{time}");
        }
    }
    rows
}

#[test]
fn a_run_needs_no_traces_and_is_the_same_for_the_same_seed() {
    let dir = folder();
    let run = |out: &str, seed: u32| {
        let args = format!(
            "run --generate lte,3g --count 2 --seconds 120 --seed {seed} --algorithms headgate,bola --json {out}"
        );
        let output = sim(dir.path(), &args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let table = run("one.json", 7);
    run("two.json", 7);
    run("other.json", 8);
    assert!(table.contains("means over 2 families (4 traces)"), "{table}");
    let one = rows_but_times(&dir.path().join("one.json"));
    assert_eq!(one.len(), 8);
    let as_text = |rows: &[serde_json::Value]| serde_json::to_string(rows).unwrap();
    assert_eq!(
        as_text(&one),
        as_text(&rows_but_times(&dir.path().join("two.json")))
    );
    assert_ne!(
        as_text(&one),
        as_text(&rows_but_times(&dir.path().join("other.json")))
    );
}

#[test]
fn generated_and_recorded_traces_go_together_and_content_may_be_given() {
    let dir = folder();
    let args = "run --traces traces/3g --content 3g=content.json --generate lte --count 1 --algorithms bola --json out.json";
    let output = sim(dir.path(), args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows = rows_but_times(&dir.path().join("out.json"));
    let segments: Vec<_> = rows
        .iter()
        .map(|row| (row["family"].as_str().unwrap(), row["segments"].as_u64().unwrap()))
        .collect();
    assert_eq!(segments, [("3g", 5), ("3g", 5), ("lte", 200)]);
    fs::remove_file(dir.path().join("out.json")).unwrap();
    for (args, message) in [
        ("run --json out.json", "--traces <PATH>..."),
        (
            "run --generate lte,6g --json out.json",
            "unknown kind of network \"6g\"; known are",
        ),
        (
            "run --traces traces --generate lte --content content.json --json out.json",
            "--generate lte and a folder of --traces have the same name; rename the folder",
        ),
        (
            "run --traces traces --generate wifi --json out.json",
            "there is no content for the family 3g; give --content FILE or --content 3g=FILE",
        ),
    ] {
        fails(dir.path(), args, message);
    }
}

#[test]
fn weights_count_in_the_score_and_in_the_plan() {
    let dir = folder();
    let qoe = |more: &str| {
        let args = format!(
            "run --traces traces/3g/slow.csv --content content.json --algorithms bola --json out.json {more}"
        );
        let output = sim(dir.path(), &args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let row = rows_but_times(&dir.path().join("out.json")).remove(0);
        let number = |name: &str| row[name].as_f64().unwrap();
        (
            number("qoe"),
            (number("startup_s") + number("rebuffer_s")) / number("segments"),
        )
    };
    let (one, stalls) = qoe("");
    let (three, same) = qoe("--weights stall=3");
    assert!(stalls > 0.1 && (stalls - same).abs() < 1e-9, "bola does not plan");
    assert!(
        (one - three - 2.0 * stalls).abs() < 1e-9,
        "{one} {three} {stalls}"
    );
    assert_ne!(qoe("--objective log").0, one);
    let log = |more: &str| {
        let args = format!(
            "run --traces traces/3g/slow.csv --content content.json --algorithms bola --log logs {more}"
        );
        assert!(sim(dir.path(), &args).status.success());
        let log = fs::read_to_string(dir.path().join("logs/3g/slow.bola.jsonl")).unwrap();
        let header: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
        header["config"]["abr"].clone()
    };
    assert_eq!(log("--weights stall=3,switch=0.5")["stall_cost"], 3.0);
    assert_eq!(log("--objective log")["utility"], "log_bitrate");
    let preset = log("--preset low-latency");
    assert_eq!(preset["preset"], "low_latency");
    assert!(
        preset["stall_cost"].is_null(),
        "the preset's is not overridden: {preset}"
    );
}

#[test]
fn the_network_may_be_worse_than_the_trace_says() {
    let dir = folder();
    let startup_and_stalls = |more: &str| {
        let args = format!(
            "run --traces traces/lte --content content.json --algorithms bola --json out.json {more}"
        );
        let output = sim(dir.path(), &args);
        assert!(output.status.success(), "{more}: {}", text(&output.stderr));
        let row = rows_but_times(&dir.path().join("out.json")).remove(0);
        (
            row["startup_s"].as_f64().unwrap(),
            row["rebuffer_s"].as_f64().unwrap(),
        )
    };
    let (plain, no_stalls) = startup_and_stalls("");
    assert!(no_stalls < 1e-9);
    assert!(startup_and_stalls("--slow-start").0 > plain + 0.1);
    assert!(startup_and_stalls("--audio-kbps 2000").0 > plain + 0.05);
    let (startup, stalls) = startup_and_stalls("--outages every=1,for=3");
    assert!(startup + stalls > plain + 1.0, "{startup} {stalls}");
    fs::remove_file(dir.path().join("out.json")).unwrap();
    let run = "run --traces traces/lte --content content.json --algorithms bola --json out.json";
    fails(
        dir.path(),
        &format!("{run} --outages often"),
        "write for instance every=120,for=8,seed=1",
    );
    fails(
        dir.path(),
        &format!("{run} --audio-kbps 0"),
        "--audio-kbps cannot be used",
    );
    fails(
        dir.path(),
        &format!("{run} --weights stall"),
        "--weights cannot be read",
    );
    fails(
        dir.path(),
        &format!("{run} --preset calm"),
        "unknown preset \"calm\"; known are balanced, data-saver, low-latency, smooth",
    );
}

/// The data in a report.
fn report_data(page: &str) -> serde_json::Value {
    let (_, rest) = page
        .split_once(r#"<script type="application/json" id="data">"#)
        .unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_report_is_one_file_that_loads_nothing() {
    let dir = folder();
    let args = "run --traces traces --content content.json --algorithms throughput,bola --reference bola --detail --html report/out.html";
    let output = sim(dir.path(), args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(
        printed.contains("report/out.html: the report, with 2 traces over time"),
        "{printed}"
    );
    assert!(
        printed.contains("of bola") && printed.contains("\nlte (1 trace)\n"),
        "{printed}"
    );
    let page = fs::read_to_string(dir.path().join("report/out.html")).unwrap();
    // The only address in it names the language of the drawings and is never loaded.
    for (at, _) in page.match_indices("http") {
        let rest = &page[at..];
        assert!(
            rest.starts_with("http-equiv=\"Content-Security-Policy\"")
                || rest.starts_with("http://www.w3.org/2000/svg'"),
            "{}",
            &rest[..40]
        );
    }
    for word in [
        " src=", "<link", "@import", "import(", "fetch(", "url(\"", "url('",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    let data = report_data(&page);
    assert_eq!(data["algorithms"][0]["name"], "throughput");
    assert_eq!(data["reference"], 1);
    assert!(data["algorithms"][0]["mean"]["share"].is_number());
    assert_eq!(data["traces"].as_array().unwrap().len(), 3);
    let charts = data["charts"].as_array().unwrap();
    let notes: Vec<_> = charts
        .iter()
        .map(|c| (c["name"].as_str().unwrap(), c["note"].as_str().unwrap()))
        .collect();
    assert_eq!(notes, [("fair", ""), ("fast", "")], "slow is reported apart");
    for chart in charts {
        assert_eq!(chart["sessions"].as_array().unwrap().len(), 2);
        assert!(chart["capacity"].as_array().unwrap().len() > 10);
        for session in chart["sessions"].as_array().unwrap() {
            assert!(
                session["transfers"].as_array().unwrap().len() >= 25,
                "five numbers a segment"
            );
            assert!(session["buffer"].as_array().unwrap().len() > 10);
            assert!(session["stalls"].as_array().unwrap().len() >= 2, "start-up");
        }
    }
}

#[test]
fn without_a_result_there_is_no_report() {
    let dir = folder();
    let args =
        "run --traces traces --content content.json --algorithms bola --html out.html --log content.json";
    let output = sim(dir.path(), args);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("3 of 3 sessions came to no result"));
    assert!(!dir.path().join("out.html").exists());
}

#[test]
fn traces_for_the_charts_can_be_chosen() {
    let dir = folder();
    let run = "run --traces traces --content content.json --algorithms throughput,bola";
    let output = sim(
        dir.path(),
        &format!("{run} --html out.html --chart 3g/fair --chart fast"),
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = fs::read_to_string(dir.path().join("out.html")).unwrap();
    let data = report_data(&page);
    let charts = data["charts"].as_array().unwrap();
    let names: Vec<_> = charts.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fair", "fast"]);
    assert!(
        data["reference"].is_null(),
        "shares of the optimum are not known without it"
    );
    for (more, message) in [
        (
            "--html out.json --chart 5g/fair",
            "--chart 5g/fair is none of the traces; write a name as in 3g/fair",
        ),
        ("--chart fair", "--html <OUT>"),
        (
            "--json out.json --reference optimal",
            "--reference optimal is not among the algorithms; add it to --algorithms",
        ),
    ] {
        fails(dir.path(), &format!("{run} {more}"), message);
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
