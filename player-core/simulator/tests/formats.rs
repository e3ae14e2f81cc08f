//! Trace files of every form: what is read, what is refused and why.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use simulator::Trace;
use simulator::trace::{Format, MAHIMAHI_WINDOW_MS, MICROBITS_PER_BYTE, Point};

fn parse(text: &str) -> Result<Trace, String> {
    Trace::parse(Path::new("some/trace.csv"), text).map_err(|e| e.to_string())
}

/// (ms, kbit/s, ms) of each line.
fn points(trace: &Trace) -> Vec<(f64, f64, f64)> {
    let numbers = |p: Point| (p.duration_ms, p.bandwidth_kbps, p.latency_ms);
    trace.points().map(numbers).collect()
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn forms_are_known_by_their_beginning() {
    let cases = [
        ("duration_ms,bandwidth_kbps,latency_ms\n", Some(Format::Csv)),
        ("\n duration_ms, bandwidth_kbps, latency_ms", Some(Format::Csv)),
        ("1", Some(Format::Mahimahi)),
        ("0\n0\n5\n", Some(Format::Mahimahi)),
        ("0 4.5\n1 3\n", Some(Format::Pensieve)),
        ("  1.5e2\t0.25  \r\n", Some(Format::Pensieve)),
        ("[{\"duration_ms\": 1}]", Some(Format::Sabre)),
        ("[\n  {\n\"latency_ms\":1,\n\"duration_ms\"", Some(Format::Sabre)),
        ("", None),
        ("\n \n", None),
        ("[]", None),
        ("[1, 2]", None),
        ("[{\"family\": \"lte\"}]", None),
        ("{\"duration_ms\": 1}", None),
        ("1000,5000,20", None),
        ("1 2 3", None),
        ("-5", None),
        ("1.5", None),
        ("NaN inf", None),
        ("Traces of", None),
    ];
    for (text, expected) in cases {
        assert_eq!(Format::detect(text), expected, "{text:?}");
    }
    let names = [Format::Csv, Format::Mahimahi, Format::Pensieve, Format::Sabre].map(|f| f.to_string());
    assert_eq!(names, ["CSV", "Mahimahi", "Pensieve", "sabre"]);
}

#[test]
fn csv_with_dos_line_ends_byte_order_mark_and_fractions() {
    let t = parse("\u{feff}duration_ms, bandwidth_kbps, latency_ms\r\n0.5,1.5,0\r\n\r\n").unwrap();
    assert_eq!(t.duration(), Duration::from_micros(500));
    assert_eq!(t.bandwidth_bps(ms(0)), 1500);
    assert_eq!(t.to_csv(), "duration_ms,bandwidth_kbps,latency_ms\n0.5,1.5,0\n");
}

#[test]
fn mahimahi_counts_packets_in_windows_that_end_with_the_trace() {
    // Mahimahi's own example: one packet a millisecond is 12 Mbit/s.
    let t = parse("1").unwrap();
    assert_eq!(points(&t), [(1.0, 12_000.0, 0.0)]);
    // 2 packets of 1 to 100 ms, 1 of 101 to 200 ms, none, 3 in the 50 ms that are left.
    let t = parse("0\n100\n101\r\n\n401\n450\n450\n").unwrap();
    let expected = [
        (100.0, 240.0, 0.0),
        (100.0, 120.0, 0.0),
        (200.0, 0.0, 0.0),
        (50.0, 720.0, 0.0),
    ];
    assert_eq!(points(&t), expected);
    assert_eq!(t.latency(ms(0)), None);
    // It starts again at its last line.
    assert_eq!(t.duration(), ms(450));
    assert_eq!(t.bytes_between(ms(0), ms(450)), 6 * 1500);
    assert_eq!(t.bandwidth_bps(ms(451)), 240_000);
}

#[test]
fn mahimahi_windows_that_do_not_come_out_even_are_exact() {
    // 12 000 bits in 7 ms are 1 714 285.7… bit/s.
    let t = parse("7\n").unwrap();
    assert_eq!(t.carried(t.duration()), 1500 * MICROBITS_PER_BYTE);
    assert_eq!(t.points().count(), 2);
    assert_eq!(t.transfer_end(ms(0), 3000), ms(14));
}

#[test]
fn pensieve_throughput_holds_from_the_line_before() {
    let t = parse("0.0 9.0\n0.5 1.0\n2.5 4.0\n2.5 7.0\n3.0 0.0\n").unwrap();
    // The throughput of the first line, and of lines that last no time, is never used.
    assert_eq!(
        points(&t),
        [(500.0, 1000.0, 0.0), (2000.0, 4000.0, 0.0), (500.0, 0.0, 0.0)]
    );
    // Times may start anywhere.
    let shifted = parse("1283.5 9\n1284.0\t1\n1286.0 4\n1286.5 0\n").unwrap();
    assert_eq!(points(&shifted), points(&t));
}

#[test]
fn sabre_periods_with_other_keys() {
    let text = r#"[
        {"duration_ms": 1000, "bandwidth_kbps": 500.5, "latency_ms": 20, "note": [1]},
        {"latency_ms": 0.0, "bandwidth_kbps": 0, "duration_ms": 250.25}
    ]"#;
    let t = parse(text).unwrap();
    assert_eq!(points(&t), [(1000.0, 500.5, 20.0), (250.25, 0.0, 0.0)]);
}

#[test]
fn every_form_tells_the_same_network() {
    let csv = parse("duration_ms,bandwidth_kbps,latency_ms\n100,240,0\n100,120,0\n").unwrap();
    let mahimahi = parse("50\n100\n200\n").unwrap();
    let pensieve = parse("0 0\n0.1 0.24\n0.2 0.12\n").unwrap();
    let sabre = parse(
        r#"[{"duration_ms": 100, "bandwidth_kbps": 240, "latency_ms": 0},
            {"duration_ms": 100, "bandwidth_kbps": 120, "latency_ms": 0}]"#,
    )
    .unwrap();
    assert_eq!(csv, mahimahi);
    assert_eq!(csv, pensieve);
    assert_eq!(csv, sabre);
}

#[test]
fn names_lose_known_endings_only() {
    let name = |file: &str| Trace::parse(Path::new(file), "1").unwrap().name().to_owned();
    assert_eq!(name("a/bus.csv"), "bus");
    assert_eq!(name("a/bus.LOG"), "bus");
    assert_eq!(name("a/drive.down"), "drive.down");
    assert_eq!(
        name("trace_1_http---www.example.com_2"),
        "trace_1_http---www.example.com_2"
    );
}

#[test]
fn each_error_names_the_file_and_the_line() {
    let csv = |lines: &str| format!("duration_ms,bandwidth_kbps,latency_ms\n{lines}");
    let sabre = |periods: &str| {
        format!("[{{\"duration_ms\": 1, \"bandwidth_kbps\": 1, \"latency_ms\": 1}},\n{periods}\n]")
    };
    let none = "some/trace.csv, line 1: expected the header `duration_ms,bandwidth_kbps,latency_ms`, or a trace of Mahimahi \
                (a whole number of milliseconds a line), Pensieve (`seconds Mbit/s`) or sabre (a JSON array of objects with \
                duration_ms, bandwidth_kbps, latency_ms); found `";
    let at = |line: usize, reason: &str| format!("some/trace.csv, line {line}: {reason}");
    let whole = |reason: &str| format!("some/trace.csv: {reason}");
    let range = |field: &str, max: &str, found: &str| format!("{field} must be 0 to {max}, not {found}");
    let kbps = |found: &str| range("bandwidth_kbps", "10000000000", found);
    let cases = [
        (String::new(), format!("{none}`")),
        ("1000,5000,20\n".to_owned(), format!("{none}1000,5000,20`")),
        (
            "<!doctype\u{7} html>\n".to_owned(),
            format!("{none}<!doctype\u{fffd} html>`"),
        ),
        (
            csv(""),
            whole(
                "the trace is empty; expected lines of duration_ms,bandwidth_kbps,latency_ms after the header",
            ),
        ),
        (csv("10,5,0\n10,NaN,0\n"), at(3, &kbps("NaN"))),
        (csv("10,inf,0\n"), at(2, &kbps("inf"))),
        (csv("10,-1,0\n"), at(2, &kbps("-1"))),
        (
            csv("-10,1,0\n"),
            at(2, &range("duration_ms", "2592000000", "-10")),
        ),
        (csv("0,1,0\n"), at(2, "duration_ms must be above 0")),
        (csv("\n10,1\n"), at(3, "latency_ms is missing")),
        (csv("10,1,-3\n"), at(2, &range("latency_ms", "60000", "-3"))),
        (csv("10,1,0,5\n"), at(2, "more than three fields")),
        (csv("10,fast,0\n"), at(2, "bandwidth_kbps is no number: `fast`")),
        (
            csv("10,0,0\n5,0,0\n"),
            whole("the bandwidth is zero throughout; a download over it would never end"),
        ),
        (
            "1\n2.5\n".to_owned(),
            at(2, "expected a time in whole milliseconds, found `2.5`"),
        ),
        (
            "1\n18446744073709551616\n".to_owned(),
            at(
                2,
                "expected a time in whole milliseconds, found `18446744073709551616`",
            ),
        ),
        (
            "1\n2592000001\n".to_owned(),
            at(2, "the time must be 0 to 2592000000 ms, not 2592000001"),
        ),
        (
            "1\n\n7\n5\n".to_owned(),
            at(4, "5 ms after 7 ms: times must not fall"),
        ),
        (
            "0\n0\n".to_owned(),
            at(
                2,
                "the trace must last longer than 0 ms: it ends with its last packet",
            ),
        ),
        (
            "1\n".repeat(900_000),
            at(900_000, "900000 packets in 1 ms are more than 10000000000 kbit/s"),
        ),
        (
            "0 1\n".to_owned(),
            whole(
                "the trace is empty; expected two lines of `seconds Mbit/s` at least: the first one says only when the trace starts",
            ),
        ),
        (
            "0 1\n1\n".to_owned(),
            at(2, "expected `seconds Mbit/s`, found `1`"),
        ),
        ("0 1\n1 x\n".to_owned(), at(2, "the throughput is no number: `x`")),
        ("0 1\ninf 1\n".to_owned(), at(2, "the time is no number: `inf`")),
        (
            "0 1\n2 1\n1 1\n".to_owned(),
            at(3, "1 s after 2 s: times must not fall"),
        ),
        ("0 1\n2 -1\n".to_owned(), at(2, &kbps("-1000"))),
        (
            "0 1\n1e300 1\n".to_owned(),
            at(2, "duration_ms must be 0 to 2592000000, not "),
        ),
        (
            sabre(r#"{"duration_ms": 1, "latency_ms": 1}"#),
            at(2, "missing field `bandwidth_kbps`"),
        ),
        (
            sabre(r#"{"duration_ms": 1, "bandwidth_kbps": "fast", "latency_ms": 1}"#),
            at(2, "invalid type: string \"fast\", expected f64"),
        ),
        (
            sabre("{\"duration_ms\": 1,\n \"bandwidth_kbps\": -1,\n \"latency_ms\": 1},\n{}"),
            at(4, &kbps("-1")),
        ),
        (
            sabre("17"),
            at(
                2,
                "invalid type: integer `17`, expected an object with duration_ms, bandwidth_kbps and latency_ms",
            ),
        ),
        (
            "[{\"duration_ms\": 1".to_owned(),
            at(1, "EOF while parsing an object"),
        ),
        (
            format!(
                "{} 5",
                sabre(r#"{"duration_ms": 1, "bandwidth_kbps": 1, "latency_ms": 1}"#)
            ),
            at(3, "trailing characters"),
        ),
        (
            r#"["duration_ms", 1]"#.to_owned(),
            at(
                1,
                "invalid type: string \"duration_ms\", expected an object with duration_ms, bandwidth_kbps and latency_ms",
            ),
        ),
        (
            r#"[{"duration_ms": 1, "bandwidth_kbps": 0, "latency_ms": 1}]"#.to_owned(),
            whole("the bandwidth is zero throughout; a download over it would never end"),
        ),
    ];
    for (text, expected) in cases {
        let error = parse(&text).unwrap_err();
        let start: String = text.chars().take(100).collect();
        assert!(error.starts_with(&expected), "{start:?}: {error}");
    }
}

#[test]
fn files_that_cannot_be_read_or_are_no_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace.csv");
    let error = |path: &Path| Trace::read(path).unwrap_err().to_string();
    assert!(error(&path).starts_with(&format!("cannot read the trace {}: ", path.display())));
    assert!(error(dir.path()).starts_with(&format!("cannot read the trace {}: ", dir.path().display())));
    fs::write(&path, b"\x1f\x8b\x08\x00").unwrap();
    assert!(error(&path).contains("trace.csv, line 1: expected the header"));
    fs::write(&path, b"1\n2\n\xff3\n").unwrap();
    assert!(error(&path).contains("trace.csv, line 3: expected the header"));
    assert!(error(&path).ends_with("found `\u{fffd}3`"));
    // A file of 300 MiB that takes no room on the disk.
    fs::File::create(&path).unwrap().set_len(300 << 20).unwrap();
    assert!(error(&path).ends_with("it is larger than 256 MiB"));
}

#[test]
fn a_trace_of_too_many_lines_is_refused() {
    let text = format!(
        "duration_ms,bandwidth_kbps,latency_ms\n{}",
        "1,1,0\n".repeat(2_000_001)
    );
    assert_eq!(
        parse(&text).unwrap_err(),
        "some/trace.csv, line 2000002: a trace has at most 2000000 lines; cut it"
    );
    // Mahimahi's lines are packets, which are counted.
    assert_eq!(parse(&"500\n".repeat(3_000_000)).unwrap().points().count(), 2);
}

fn any_packets() -> impl Strategy<Value = Vec<u64>> {
    let gap = prop_oneof![3 => Just(0_u64), 3 => 0_u64..5, 1 => 0_u64..3000];
    prop::collection::vec(gap, 1..400).prop_map(|gaps| {
        let mut at = 0;
        let mut times: Vec<u64> = gaps
            .into_iter()
            .map(|gap| {
                at += gap;
                at
            })
            .collect();
        times.push(at + 1);
        times
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mahimahi_keeps_every_byte_of_every_window(times in any_packets()) {
        let text: String = times.iter().map(|ms| format!("{ms}\n")).collect();
        let t = parse(&text).unwrap();
        let end = *times.last().unwrap();
        prop_assert_eq!(t.duration(), ms(end));
        for window in 0..=(end - 1) / MAHIMAHI_WINDOW_MS {
            let until = ((window + 1) * MAHIMAHI_WINDOW_MS).min(end);
            let packets = times.iter().filter(|at| **at <= until).count() as u128;
            prop_assert_eq!(t.carried(ms(until)), packets * 1500 * MICROBITS_PER_BYTE);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in "\\PC{0,80}",
        numbers in "[-0-9.,eNainf \t\r\n]{0,200}",
        json in "[\\[\\]{}:, 0-9\".eE-]{0,80}",
    ) {
        for text in [
            text,
            numbers.clone(),
            format!("duration_ms,bandwidth_kbps,latency_ms\n{numbers}"),
            format!("1\n{numbers}"),
            format!("0 1\n{numbers}"),
            format!("[{{\"duration_ms\": 1, \"bandwidth_kbps\": 1, \"latency_ms\": 1}}{json}"),
        ] {
            if let Ok(trace) = parse(&text) {
                prop_assert!(trace.mean_bps() > 0.0);
                prop_assert_eq!(parse(&trace.to_csv()), Ok(trace));
            } else {
                let error = parse(&text).unwrap_err();
                prop_assert!(error.starts_with("some/trace.csv") && !error.contains('\n'), "{}", error);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace");
        fs::write(&path, bytes).unwrap();
        if let Err(error) = Trace::read(&path) {
            prop_assert!(error.to_string().contains("trace"));
        }
    }
}
