//! The anchors against figures that another simulator made, and the optimum against everything else.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{origin, play, session, trace};
use player_core::config::AbrConfig;
use simulator::batch::{Batch, Row, read_traces, yardstick};
use simulator::network::Link;
use simulator::origin::Origin;
use simulator::score::plan_by;
use simulator::{Content, Objective, algorithms, score};

/// Another algorithm may be better than the optimum by this much: it abandons, or lies between the cells of its grid.
const GRID_ERROR: f64 = 0.003;

/// Name here and in the reference, and how far a family's mean may be off. Where it is `None`, the published description
/// leaves something open, and the difference is only printed.
const ANCHORS: [(&str, &str, Option<f64>); 10] = [
    ("throughput", "throughput", Some(0.001)),
    ("bba2", "bba2", Some(0.002)),
    ("bba2+ab", "bba2+ab", Some(0.01)),
    ("robust-mpc", "robustmpc", Some(0.01)),
    ("robust-mpc+ab", "robustmpc+ab", Some(0.01)),
    ("optimal", "OPT", Some(0.001)),
    ("bola-e+ab", "bolae+ab", None),
    ("dashjs+ab", "dashjs5+ab", None),
    ("shaka", "shaka", None),
    ("soda", "soda", None),
];

fn content_of(family: &str) -> &'static str {
    match family {
        "norway_3g" | "fcc_low" | "oboe" | "puffer" => "bbb.json",
        "us_5g_mmwave" => "bbb4kx4.json",
        _ => "bbb4k.json",
    }
}

/// QoE by the reference's name of the algorithm, family and trace.
type Reference = BTreeMap<(String, String, String), f64>;

struct Shared {
    folder: PathBuf,
    reference: Reference,
}

impl Shared {
    fn find() -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
        let Ok(scores) = fs::read_to_string(folder.join("trace-scores.csv")) else {
            println!("skipped: there is no ../shared/trace-scores.csv");
            return None;
        };
        let reference = scores
            .lines()
            .skip(1)
            .map(|line| {
                let fields: Vec<_> = line.split(',').collect();
                let key = (fields[1].to_owned(), fields[0].to_owned(), fields[2].to_owned());
                (key, fields[3].parse().unwrap())
            })
            .collect();
        Some(Self { folder, reference })
    }

    /// Plays all traces, or some of each family.
    fn run(&self, names: &[&str], traces_per_family: usize) -> Vec<Row> {
        let mut paths = Vec::new();
        let mut origins = BTreeMap::new();
        for family in fs::read_dir(self.folder.join("traces")).unwrap() {
            let folder = family.unwrap().path();
            let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
            let mut files: Vec<_> = files.collect();
            files.sort();
            let step = (files.len() / traces_per_family).max(1);
            paths.extend(files.into_iter().step_by(step).take(traces_per_family));
            let family = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let content = Content::read(&self.folder.join("video").join(content_of(&family))).unwrap();
            origins.insert(family, Arc::new(Origin::new(content)));
        }
        let batch = Batch {
            traces: read_traces(&paths).unwrap(),
            algorithms: names.iter().map(|name| algorithms::find(name).unwrap()).collect(),
            origins,
            config: yardstick(30.0),
            objective: Objective::LIN,
            link: Link::default(),
            logs: None,
        };
        batch.run(|| {}).into_iter().map(Result::unwrap).collect()
    }

    fn of(&self, name: &str, row: &Row) -> f64 {
        self.reference[&(name.to_owned(), row.family.clone(), row.trace.clone())]
    }

    /// As in the reference's own means: without the traces on which hardly anything can be had.
    fn counts(&self, row: &Row) -> bool {
        self.of("OPT", row) > 0.02
    }
}

fn none_beats_the_optimum(rows: &[Row]) {
    let optimum: BTreeMap<_, _> = rows
        .iter()
        .filter(|row| row.algorithm == "optimal")
        .map(|row| ((&row.family, &row.trace), row.qoe))
        .collect();
    for row in rows {
        let best = optimum[&(&row.family, &row.trace)];
        let name = format!("{}/{} {}", row.family, row.trace, row.algorithm);
        assert!(
            row.qoe <= best + GRID_ERROR,
            "{name}: {} is more than {best}",
            row.qoe
        );
    }
}

#[test]
fn some_traces_of_each_family_agree_with_the_reference() {
    let Some(shared) = Shared::find() else { return };
    let names = [
        "throughput",
        "bba2",
        "robust-mpc",
        "optimal",
        "bba2+ab",
        "robust-mpc+ab",
        "headgate",
    ];
    let rows = shared.run(&names, 3);
    none_beats_the_optimum(&rows);
    // On single traces: what follows from its description to the last digit.
    for (name, theirs, most) in [
        ("throughput", "throughput", 0.001),
        ("optimal", "OPT", 0.003),
        ("bba2", "bba2", 0.02),
    ] {
        for row in rows.iter().filter(|row| row.algorithm == name) {
            let expected = shared.of(theirs, row);
            let at = format!("{}/{} {name}", row.family, row.trace);
            assert!((row.qoe - expected).abs() < most, "{at}: {} {expected}", row.qoe);
        }
    }
    // A search over sequences turns on differences too small to write down; it agrees on the mean.
    for (name, theirs) in [
        ("robust-mpc", "robustmpc"),
        ("robust-mpc+ab", "robustmpc+ab"),
        ("bba2+ab", "bba2+ab"),
    ] {
        let rows: Vec<_> = rows
            .iter()
            .filter(|row| row.algorithm == name && shared.counts(row))
            .collect();
        let off: f64 = rows.iter().map(|row| row.qoe - shared.of(theirs, row)).sum();
        let off = off / rows.len() as f64;
        assert!(off.abs() < 0.01, "{name}: {off}");
    }
}

/// By hand: `cargo test --release -p simulator --test anchors -- --ignored --nocapture` (ten minutes on one core).
#[test]
#[ignore = "plays 356 traces"]
fn every_family_agrees_with_the_reference() {
    let Some(shared) = Shared::find() else { return };
    let names = ANCHORS.map(|(name, ..)| name);
    let rows = shared.run(&names, usize::MAX);
    let mut failures = Vec::new();
    for (name, theirs, most) in ANCHORS {
        let mut families: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for row in rows
            .iter()
            .filter(|row| row.algorithm == name && shared.counts(row))
        {
            let off = row.qoe - shared.of(theirs, row);
            families.entry(&row.family).or_default().push(off);
        }
        let mut line = format!("{name:14}");
        for (family, off) in families {
            let mean = off.iter().sum::<f64>() / off.len() as f64;
            line += &format!(" {family} {mean:+.4}");
            if most.is_some_and(|most| mean.abs() > most) {
                failures.push(format!("{name} {family}: {mean:+.4}"));
            }
        }
        println!("{line}");
    }
    assert!(failures.is_empty(), "{failures:?}");
    none_beats_the_optimum(&rows);
}

/// Sizes that go up and down, by segment and rung.
fn varying(rungs: &[f64], segments: usize) -> Vec<Vec<u64>> {
    (0..segments)
        .map(|i| {
            let share = 1.0 + 0.4 * libm::sin(i as f64 * 1.3);
            rungs.iter().map(|kbps| (kbps * 2000.0 * share) as u64).collect()
        })
        .collect()
}

#[test]
fn the_optimum_is_the_best_of_all_sequences() {
    let rungs = [300.0, 900.0, 2500.0];
    let origin = origin(2000, &rungs, &varying(&rungs, 7));
    let traces = [
        trace(50.0, &[(4000.0, 1500.0), (3000.0, 300.0), (9000.0, 4000.0)]),
        trace(120.0, &[(2000.0, 700.0), (5000.0, 0.0), (6000.0, 9000.0)]),
        trace(20.0, &[(1000.0, 250.0)]),
        trace(20.0, &[(500.0, 3000.0), (500.0, 1000.0)]),
    ];
    let weights = score::parse_weights("stall=0.3,rise=0.2,fall=2", Objective::LOG).unwrap();
    for objective in [Objective::LIN, Objective::LOG, weights] {
        for trace in &traces {
            let worth =
                |played: &[score::Played]| score::score(&objective, origin.content(), played).unwrap().qoe;
            let mut best = f64::NEG_INFINITY;
            for code in 0..3_usize.pow(6) {
                let rest = (0..6).map(|i| code / 3_usize.pow(i) % 3);
                let chosen: Vec<_> = [0].into_iter().chain(rest).collect();
                best = best.max(worth(&play(trace, &origin, 8.0, &chosen).unwrap().played));
            }
            let mut config = yardstick(8.0);
            plan_by(&objective, &mut config.abr);
            let ours = worth(&session(trace, &origin, "optimal", config).run().unwrap().played);
            assert!(
                ours <= best + 1e-9 && ours > best - 0.01,
                "{ours} of {best} by {objective:?}"
            );
        }
    }
}

#[test]
fn planners_plan_by_the_objective() {
    let rungs = [300.0, 600.0, 1200.0, 2400.0, 4800.0];
    let origin = origin(2000, &rungs, &varying(&rungs, 60));
    let trace = trace(
        60.0,
        &[
            (9000.0, 2500.0),
            (6000.0, 700.0),
            (8000.0, 5000.0),
            (5000.0, 300.0),
        ],
    );
    let smooth = score::parse_weights("switch=4", Objective::LIN).unwrap();
    for name in ["mpc", "robust-mpc", "soda", "oracle-10", "optimal"] {
        let by = |planned: &Objective| {
            let mut config = yardstick(20.0);
            plan_by(planned, &mut config.abr);
            session(&trace, &origin, name, config).run().unwrap().played
        };
        for objective in [Objective::LOG, smooth] {
            let (right, other) = (by(&objective), by(&Objective::LIN));
            assert!(right != other, "{name}");
            // Those that predict may err; those that know may not.
            if name == "optimal" || name == "oracle-10" {
                let worth = |played| score::score(&objective, origin.content(), played).unwrap().qoe;
                assert!(worth(&right) > worth(&other), "{name}");
            }
        }
    }
}

#[test]
fn knowing_more_is_worth_more() {
    let rungs = [300.0, 600.0, 1200.0, 2400.0, 4800.0];
    let origin = origin(2000, &rungs, &varying(&rungs, 80));
    let trace = trace(
        60.0,
        &[
            (9000.0, 2500.0),
            (6000.0, 700.0),
            (8000.0, 5000.0),
            (5000.0, 300.0),
        ],
    );
    let worth = |name: &str| {
        let outcome = session(&trace, &origin, name, yardstick(20.0)).run().unwrap();
        score::score(&Objective::LIN, origin.content(), &outcome.played)
            .unwrap()
            .qoe
    };
    let names = ["oracle-2", "oracle-5", "oracle-20", "optimal"];
    let worths = names.map(worth);
    assert!(worths.is_sorted(), "{worths:?}");
    assert!(worth("robust-mpc") < worth("oracle-5"));
}

#[test]
fn only_those_that_say_so_abandon() {
    // The network breaks down in the middle of downloads.
    let rungs = [200.0, 500.0, 1200.0, 3000.0, 6000.0];
    let origin = origin(3000, &rungs, &varying(&rungs, 60));
    let trace = trace(60.0, &[(11_000.0, 8000.0), (7000.0, 150.0)]);
    let cancelled = |name: &str| {
        session(&trace, &origin, name, yardstick(15.0))
            .run()
            .unwrap()
            .cancelled
    };
    let mut helped = 0;
    for entry in algorithms::ALL {
        let own = if entry.name == "headgate" { 1 } else { 0 };
        assert_eq!(cancelled(entry.name).min(1), own, "{}", entry.name);
        helped += cancelled(&format!("{}+ab", entry.name)).min(1);
    }
    assert!(helped > 8, "{helped}");
}

#[test]
fn the_settings_reach_the_anchors() {
    // Nothing in the configuration but the objective concerns them: an engine's own limit holds all the same.
    let rungs = [300.0, 900.0, 2500.0];
    let origin = origin(2000, &rungs, &varying(&rungs, 20));
    let trace = trace(50.0, &[(4000.0, 9000.0)]);
    for entry in algorithms::ALL {
        let mut config = yardstick(20.0);
        config.abr = AbrConfig {
            max_bandwidth_kbps: Some(1000.0),
            initial_throughput_kbps: None,
            ..AbrConfig::default()
        };
        let outcome = session(&trace, &origin, entry.name, config).run().unwrap();
        assert!(
            outcome.played.iter().all(|segment| segment.rung < 2),
            "{}",
            entry.name
        );
    }
}
