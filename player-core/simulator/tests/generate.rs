//! Made-up networks: the same from the same seed, and like the measured ones.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use proptest::prelude::*;
use simulator::Trace;
use simulator::generate::{self, Kind, MAX_DURATION};
use simulator::trace::{FamilyTrace, Statistics, read_traces};

const SECONDS: Duration = Duration::from_secs(600);

fn statistics(traces: &[FamilyTrace]) -> Statistics {
    Statistics::of(traces.iter().map(|t| &t.trace)).unwrap()
}

/// What the documentation of [`generate`] promises: mean in Mbit/s, standard deviations of ln(kbit/s) between and within traces,
/// autocorrelation after a second and after 20, outages in an hour; each from … to.
const BANDS: [(&str, [(f64, f64); 6]); 6] = [
    (
        "3g",
        [
            (1.0, 1.5),
            (0.5, 0.8),
            (0.8, 1.0),
            (0.9, 1.0),
            (0.4, 0.6),
            (30.0, 50.0),
        ],
    ),
    (
        "congested",
        [
            (1.9, 2.6),
            (0.6, 0.85),
            (0.5, 0.75),
            (0.6, 0.8),
            (0.0, 0.15),
            (33.0, 53.0),
        ],
    ),
    (
        "cable",
        [
            (10.0, 15.0),
            (0.4, 0.7),
            (1.1, 1.4),
            (0.95, 1.0),
            (0.5, 0.7),
            (0.0, 0.0),
        ],
    ),
    (
        "wifi",
        [
            (20.0, 28.0),
            (0.7, 1.0),
            (0.35, 0.5),
            (0.85, 0.95),
            (0.25, 0.5),
            (0.0, 0.0),
        ],
    ),
    (
        "lte",
        [
            (30.0, 43.0),
            (0.4, 0.7),
            (0.6, 0.8),
            (0.75, 0.9),
            (0.2, 0.4),
            (6.0, 15.0),
        ],
    ),
    (
        "5g",
        [
            (200.0, 310.0),
            (1.3, 1.8),
            (1.1, 1.4),
            (0.55, 0.7),
            (-0.05, 0.1),
            (115.0, 170.0),
        ],
    ),
];
const PINNED: [&str; 6] = [
    "3g 9819183e73d15ed4",
    "congested 3d186fafa8580721",
    "cable 4a5cebc73470ec77",
    "wifi f46a75d88ada1470",
    "lte 247e8d7feee87c80",
    "5g 7e1c14a0882eeece",
];
const PINNED_CONTENT: &str = "4d68cbe2ae4b5e47";

#[test]
fn kinds_are_known_by_name() {
    for kind in Kind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
    }
    let error = "6g".parse::<Kind>().unwrap_err().to_string();
    assert_eq!(
        error,
        "unknown kind of network \"6g\"; known are 3g, congested, cable, wifi, lte, 5g"
    );
}

#[test]
fn a_family_is_its_traces() {
    for kind in Kind::ALL {
        let family = generate::family(kind, 5, 12, SECONDS);
        assert_eq!(family.len(), 12);
        for (i, member) in family.iter().enumerate() {
            assert_eq!(member.family, kind.name());
            assert_eq!(member.trace.name(), format!("{kind}-{:04}", i + 1));
            assert_eq!(member.trace.duration(), SECONDS);
            assert_eq!(
                member.trace,
                generate::trace(kind, 5, u32::try_from(i).unwrap(), SECONDS)
            );
        }
        let figures = |seed| statistics(&generate::family(kind, seed, 12, SECONDS));
        assert_ne!(figures(5), figures(6));
    }
}

/// The bytes of a few traces are pinned: a change of them changes everybody's results.
#[test]
fn the_same_seed_gives_the_same_bytes_for_ever() {
    let fnv = |text: &str| {
        text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let digests = Kind::ALL.map(|kind| {
        let all: String = generate::family(kind, 1, 3, SECONDS)
            .iter()
            .map(|t| t.trace.to_csv())
            .collect();
        format!("{kind} {:016x}", fnv(&all))
    });
    assert_eq!(digests, PINNED);
    let content = fnv(&generate::content_json(Kind::Lte));
    assert_eq!(format!("{content:016x}"), PINNED_CONTENT);
}

#[test]
fn each_kind_is_what_its_documentation_says() {
    for (name, bands) in BANDS {
        let s = statistics(&generate::family(name.parse().unwrap(), 1, 120, SECONDS));
        let figures = [
            s.mean_kbps / 1000.0,
            s.sd_ln_between,
            s.sd_ln_within,
            s.autocorrelation[0].unwrap(),
            s.autocorrelation[2].unwrap(),
            s.outages_per_hour(),
        ];
        println!("{name}: {figures:.2?}, outages of {:.1} s", s.outage_s);
        for (figure, (from, to)) in figures.into_iter().zip(bands) {
            assert!((from..=to).contains(&figure), "{name}: {figures:.2?}");
        }
        assert!(s.latency_ms.is_some_and(|ms| (15.0..150.0).contains(&ms)));
    }
}

/// For each set of measurements: as many made-up traces as measured ones, of the same durations, ten times over.
#[test]
fn each_profile_is_like_the_measurements_it_is_fitted_to() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    if !shared.is_dir() {
        println!("skipped: there are no traces in ../shared");
        return;
    }
    println!(
        "                        mean   p5    p50    p95   sd between, within   autocorrelation 1 5 20 60 s  outages/h of s"
    );
    let mut misses = Vec::new();
    for kind in Kind::ALL {
        for (i, profile) in kind.profiles().iter().enumerate() {
            let first = kind.profiles().iter().position(|p| p == profile);
            if first != Some(i) {
                continue;
            }
            let measured: Vec<Trace> = read_traces(&[shared.join(profile.like)])
                .unwrap()
                .into_iter()
                .map(|t| t.trace)
                .filter(|trace| trace.mean_bps() > 50e3)
                .collect();
            let mut made = Vec::new();
            let mut index = i;
            for _ in 0..10 {
                for trace in &measured {
                    let seconds = trace.duration().as_secs().min(1200);
                    made.push(generate::trace(
                        kind,
                        1,
                        u32::try_from(index).unwrap(),
                        Duration::from_secs(seconds),
                    ));
                    index += kind.profiles().len();
                }
            }
            let [measured, made] = [&measured, &made].map(|traces| Statistics::of(traces).unwrap());
            for (what, s) in [("measured", &measured), ("made up", &made)] {
                println!(
                    "{:<12} {what:<9} {:>7.2} {:>5.2} {:>6.2} {:>6.2}   {:.2} {:.2}   {:.2?}   {:.1} {:.1}",
                    profile.like,
                    s.mean_kbps / 1e3,
                    s.p5_kbps / 1e3,
                    s.p50_kbps / 1e3,
                    s.p95_kbps / 1e3,
                    s.sd_ln_between,
                    s.sd_ln_within,
                    s.autocorrelation.map(Option::unwrap_or_default),
                    s.outages_per_hour(),
                    s.outage_s,
                );
            }
            let mut near = |what: &str, a: f64, b: f64, by: f64| {
                if (a - b).abs() > by {
                    misses.push(format!("{}: {what} {a:.3} and {b:.3}", profile.like));
                }
            };
            let ln = |kbps: f64| libm::log(kbps.max(50.0));
            near("ln mean", ln(measured.mean_kbps), ln(made.mean_kbps), 0.25);
            near("ln median", ln(measured.p50_kbps), ln(made.p50_kbps), 0.5);
            near("ln p95", ln(measured.p95_kbps), ln(made.p95_kbps), 0.4);
            // The traces of `fcc` are all a minute of a slow line and then two of a fast one; made-up spells have any length.
            let put_together = if profile.like == "fcc" { 0.2 } else { 0.0 };
            near(
                "sd between",
                measured.sd_ln_between,
                made.sd_ln_between,
                0.2 + put_together,
            );
            near(
                "sd within",
                measured.sd_ln_within,
                made.sd_ln_within,
                0.2 + put_together,
            );
            for (lag, by) in [0.1, 0.15, 0.2 + put_together].into_iter().enumerate() {
                let [a, b] = [&measured, &made].map(|s| s.autocorrelation[lag].unwrap());
                near("autocorrelation", a, b, by);
            }
            near(
                "outages, % of the time",
                measured.outage_share * 100.0,
                made.outage_share * 100.0,
                3.0,
            );
            near("duration of outages, s", measured.outage_s, made.outage_s, 6.0);
        }
    }
    assert!(misses.is_empty(), "{misses:#?}");
}

#[test]
fn content_can_be_read_as_a_table() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("table.json");
    fs::write(&path, generate::content_json(Kind::FiveG)).unwrap();
    let read = simulator::Content::read(&path).unwrap();
    assert_eq!(read.segments(), generate::content(Kind::FiveG).segments());
    assert_eq!(read.bitrates_kbps().len(), 10);
}

fn sim(dir: &Path, args: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_headgate-sim"))
        .args(args.split_whitespace())
        .current_dir(dir)
        .output()
        .unwrap()
}

#[test]
fn the_command_writes_traces_and_content_that_can_be_run() {
    let dir = tempfile::tempdir().unwrap();
    let output = sim(
        dir.path(),
        "generate --kind lte,3g,lte --count 2 --seconds 90 --seed 7 --out traces --content",
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for part in ["mean", "outages/h", "\n3g ", "\nlte ", "2 traces of 90 s"] {
        assert!(text.contains(part), "{text}");
    }
    let expected =
        [Kind::ThreeG, Kind::Lte].map(|kind| generate::family(kind, 7, 2, Duration::from_secs(90)));
    let read = read_traces(&[dir.path().join("traces")]).unwrap();
    let pairs =
        |traces: Vec<FamilyTrace>| -> Vec<_> { traces.into_iter().map(|t| (t.family, t.trace)).collect() };
    assert_eq!(pairs(read), pairs(expected.into_iter().flatten().collect()));
    let run = "run --traces traces --content lte=traces/lte.json 3g=traces/3g.json --algorithms bola --json out.json";
    let output = sim(dir.path(), run);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_command_prints_json() {
    let dir = tempfile::tempdir().unwrap();
    let output = sim(
        dir.path(),
        "generate --kind wifi --count 3 --seconds 61 --out here --json",
    );
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let row = &rows[0];
    assert_eq!(
        (row["kind"].as_str(), row["seed"].as_u64()),
        (Some("wifi"), Some(1))
    );
    assert_eq!(
        (row["traces"].as_u64(), row["duration_s"].as_u64()),
        (Some(3), Some(183))
    );
    assert!(row["mean_kbps"].as_f64().unwrap() > 1000.0);
    assert_eq!(fs::read_dir(dir.path().join("here/wifi")).unwrap().count(), 3);
}

#[test]
fn the_command_refuses_by_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let cases = [
        (
            "generate --kind lte,6g --out x",
            "unknown kind of network \"6g\"; known are 3g, congested, cable, wifi, lte, 5g",
        ),
        ("generate --kind lte", "--out <DIR>"),
        ("generate --count 0 --out x", "0 is not in 1..=9999"),
        ("generate --seconds 86401 --out x", "86401 is not in 1..=86400"),
        (
            "generate --count 9999 --seconds 86400 --out x",
            "--count 9999 and --seconds 86400 are 239976 hours of each kind; at most 2000 are made at once",
        ),
        (
            "generate --kind lte --seconds 9 --count 1 --out file",
            "cannot write file/lte/lte-0001.csv: ",
        ),
    ];
    for (args, message) in cases {
        let output = sim(dir.path(), args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{args}");
        assert!(
            error.contains(message) && !error.contains("panicked"),
            "{args}: {error}"
        );
    }
    let help = String::from_utf8(sim(dir.path(), "generate --help").stdout).unwrap();
    assert!(help.contains("Example:") && help.contains("congested"));
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_seed_index_and_duration_give_a_trace(
        kind in any_kind(), seed: u64, index: u32, nanos in prop_oneof![Just(0_u64), 0..3_000_000_000_u64, 0..4_000_000_000_000_u64],
    ) {
        let duration = Duration::from_nanos(nanos);
        let trace = generate::trace(kind, seed, index, duration);
        prop_assert!(trace.mean_bps() > 0.0);
        if nanos > 1000 {
            prop_assert!(trace.duration().abs_diff(duration) <= Duration::from_micros(1));
        }
        let again = Trace::parse(Path::new(&format!("{}.csv", trace.name())), &trace.to_csv()).unwrap();
        prop_assert_eq!(again, trace);
    }

    #[test]
    fn a_longer_trace_begins_like_a_shorter_one(kind in any_kind(), seed: u64, index in 0..20_u32, steps in 1..200_u64) {
        let duration = Duration::from_secs(30 * steps);
        let short = generate::trace(kind, seed, index, duration);
        let long = generate::trace(kind, seed, index, duration + Duration::from_secs(1000));
        prop_assert_eq!(short.carried(duration), long.carried(duration));
    }
}

#[test]
fn a_trace_lasts_a_day_at_most() {
    let longest = generate::trace(Kind::Cable, 1, 0, Duration::MAX);
    assert_eq!(longest.duration(), MAX_DURATION);
}
