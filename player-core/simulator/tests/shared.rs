//! Recorded networks of every kind, where they are at hand: every session comes to its end and its figures make sense.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use simulator::batch::{Batch, read_traces, yardstick};
use simulator::network::Link;
use simulator::origin::Origin;
use simulator::{Content, Objective, algorithms};

const TRACES_PER_FAMILY: usize = 3;

fn content_of(family: &str) -> &'static str {
    match family {
        "norway_3g" | "fcc_low" | "oboe" | "puffer" => "bbb.json",
        "us_5g_mmwave" => "bbb4kx4.json",
        _ => "bbb4k.json",
    }
}

#[test]
fn every_session_ends() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if !shared.join("traces").is_dir() || !shared.join("video").is_dir() {
        println!("skipped: there are no traces in ../shared");
        return;
    }
    let mut paths = Vec::new();
    let mut origins = BTreeMap::new();
    let mut families: Vec<_> = fs::read_dir(shared.join("traces"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    families.sort();
    for folder in families {
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let step = (files.len() / TRACES_PER_FAMILY).max(1);
        paths.extend(files.into_iter().step_by(step).take(TRACES_PER_FAMILY));
        let family = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let content = Content::read(&shared.join("video").join(content_of(&family))).unwrap();
        origins.insert(family, Arc::new(Origin::new(content)));
    }
    let batch = Batch {
        traces: read_traces(&paths).unwrap(),
        // The oracles take long, and `anchors.rs` has them.
        algorithms: algorithms::ALL
            .iter()
            .filter(|entry| !entry.name.starts_with("oracle") && entry.name != "optimal")
            .collect(),
        origins,
        config: yardstick(30.0),
        objective: Objective::LIN,
        link: Link::default(),
        logs: None,
    };
    let results = batch.run(|| {});
    assert_eq!(results.len(), batch.sessions());
    for result in results {
        let row = result.unwrap();
        let name = format!("{}/{} {}", row.family, row.trace, row.algorithm);
        assert_eq!(row.segments, 199, "{name}");
        assert!(row.startup_s > 0.0 && row.qoe < 1.0, "{name}");
        // Nothing is lost: what was not played was waited for.
        let content_s = row.virtual_s - row.startup_s - row.rebuffer_s;
        assert!((content_s - 597.0).abs() < 1e-3, "{name}: {content_s}");
    }
}
