//! Ladders made for one film, and the quality of segments.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::Bench;
use encoder::ladder::VideoCodec;
use encoder::pertitle::PerTitle;
use encoder::split::{self, JoinOptions, Share};
use encoder::vod::{self, CancelToken, Progress, VodOptions};
use player_core::manifest::table::{self, SegmentTable};
use serde_json::Value;

/// A test card with grain, 25 frames per second.
fn film(bench: &Bench, size: &str, seconds: f64) -> std::path::PathBuf {
    let arguments = format!(
        "-f lavfi -i \"testsrc2=s={size}:r=25:d={seconds},noise=alls=6:allf=t:all_seed=5\" -c:v libx264 -preset ultrafast -crf 12 -pix_fmt yuv420p"
    );
    bench.ffmpeg(&arguments, "film.mp4")
}

fn options(bench: &Bench, input: &Path) -> VodOptions {
    let mut options = VodOptions::new(input, bench.path("out"));
    options.preset = "ultrafast".to_owned();
    options.segment_s = 0.6;
    options.pictures = false;
    options
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn segments(out: &Path) -> SegmentTable {
    let bytes = fs::read(out.join("segments.json")).unwrap();
    table::parse(&bytes, "https://h/v/segments.json").unwrap()
}

fn numbers(report: &Value, list: &str, field: &str) -> Vec<f64> {
    let rows = report[list].as_array().unwrap();
    rows.iter().map(|row| row[field].as_f64().unwrap()).collect()
}

#[test]
fn a_film_gets_a_ladder_of_its_own_and_a_report() {
    let bench = Bench::new();
    let input = film(&bench, "512x288", 0.6);
    let mut options = options(&bench, &input);
    options.work_dir = Some(bench.path("work"));
    options.per_title = Some(PerTitle {
        max_rungs: 3,
        quality_target: 90.0,
        ..PerTitle::default()
    });
    let mut looks = 0;
    // Stopped when the plan is made: the next run has it already.
    let stopped = vod::encode(&options, &mut |progress| match progress {
        Progress::Analysis { .. } => looks += 1,
        Progress::Start { .. } => options.cancel.cancel(),
        _ => {}
    });
    assert!(stopped.is_err() && looks > 0);
    options.cancel = CancelToken::default();
    let summary = vod::encode(&options, &mut |progress| {
        assert!(!matches!(progress, Progress::Analysis { .. }), "it looked again");
    })
    .unwrap();

    let out = bench.path("out");
    let report = json(&out.join("analysis/report.json"));
    // Two sizes at four CRFs each, of the whole film, since it is short.
    let points = report["points"].as_array().unwrap();
    assert_eq!(points.len(), 8);
    for size in points.chunks(4) {
        for pair in size.windows(2) {
            assert!(pair[0]["kbps"].as_f64() > pair[1]["kbps"].as_f64(), "{pair:?}");
            assert!(
                pair[0]["quality"].as_f64() >= pair[1]["quality"].as_f64(),
                "{pair:?}"
            );
        }
    }
    let weights = numbers(&report, "stretches", "weight");
    assert!((weights.iter().sum::<f64>() - 1.0).abs() < 0.01, "{weights:?}");
    let fixed = &report["fixed"][0];
    assert!(fixed["kbps"].as_f64().unwrap() > 0.0 && fixed["quality"].as_f64().unwrap() > 0.0);

    // What was chosen is what was encoded, and comes to what was expected.
    let rungs = report["rungs"].as_array().unwrap();
    assert!((1..=3).contains(&rungs.len()));
    let quality = numbers(&report, "rungs", "quality");
    assert!(quality.is_sorted_by(|a, b| a > b));
    let table = segments(&out);
    for (rung, made) in rungs.iter().zip(&summary.renditions) {
        assert_eq!(rung["name"], made.name.as_str());
        let ratio = made.average_bps as f64 / 1000.0 / rung["kbps"].as_f64().unwrap();
        assert!(
            (0.7..1.3).contains(&ratio),
            "{} came to {ratio} of what was expected",
            made.name
        );
        let row = table.of_representation(&made.name).unwrap();
        let measured: Vec<f64> = (0..made.segments).map(|at| row.quality(at).unwrap()).collect();
        let mean = measured.iter().sum::<f64>() / measured.len() as f64;
        assert!(
            (mean - rung["quality"].as_f64().unwrap()).abs() < 8.0,
            "{}: {measured:?}",
            made.name
        );
    }
    let svg = fs::read_to_string(out.join("analysis/report.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("512×288") && !svg.contains("NaN"));
    let page = fs::read_to_string(out.join("analysis/report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("fixed rung"));
}

#[test]
fn workers_measure_what_they_encoded() {
    let bench = Bench::new();
    let input = film(&bench, "192x108", 1.2);
    let mut folders = Vec::new();
    for chunk in ["1/2", "2/2"] {
        let mut options = options(&bench, &input);
        options.ladder = "192x108:400k,128x72:30k".parse().unwrap();
        options.measure = true;
        let folder = bench.path(&chunk.replace('/', "of"));
        options.work_dir = Some(folder.clone());
        let share = Share {
            chunk: Some(chunk.parse().unwrap()),
            ..Share::default()
        };
        split::encode_share(&options, &share, &mut |_| {}).unwrap();
        folders.push(folder);
    }
    split::join(&JoinOptions::new(folders, bench.path("out")), &mut |_| {}).unwrap();
    let table = segments(&bench.path("out"));
    let quality = |name| {
        let row = table.of_representation(name).unwrap();
        [row.quality(0).unwrap(), row.quality(1).unwrap()]
    };
    let (high, low) = (quality("108p"), quality("72p"));
    assert!(
        high[0] > low[0] + 10.0 && high[1] > low[1] + 10.0,
        "{high:?} {low:?}"
    );
    assert!(!bench.path("out/analysis").exists());
}

#[test]
fn who_joins_measures_what_the_workers_did_not() {
    let bench = Bench::new();
    let input = film(&bench, "192x108", 1.2);
    let mut options = options(&bench, &input);
    options.ladder = "192x108:400k,128x72:30k".parse().unwrap();
    options.threads = 1;
    options.chunks = 2;
    options.measure = true;
    vod::encode(&options, &mut |_| {}).unwrap();
    options.measure = false;
    let folders = ["1/2", "2/2"].map(|chunk| {
        let folder = bench.path(&chunk.replace('/', "of"));
        options.work_dir = Some(folder.clone());
        let share = Share {
            chunk: Some(chunk.parse().unwrap()),
            ..Share::default()
        };
        split::encode_share(&options, &share, &mut |_| {}).unwrap();
        folder
    });
    let mut joining = JoinOptions::new(folders, bench.path("joined"));
    joining.measure = true;
    let refused = split::join(&joining, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("--source"), "{refused}");
    joining.film = Some(bench.sample(1, 192, 108));
    let refused = split::join(&joining, &mut |_| {}).unwrap_err().to_string();
    assert!(refused.contains("not the file that was encoded"), "{refused}");
    assert!(!bench.path("joined").exists());
    joining.film = Some(input);
    split::join(&joining, &mut |_| {}).unwrap();
    assert_eq!(
        fs::read_to_string(bench.path("out/segments.json")).unwrap(),
        fs::read_to_string(bench.path("joined/segments.json")).unwrap()
    );
    let table = segments(&bench.path("joined"));
    assert!(table.of_representation("72p").unwrap().quality(1).is_some());
    // What is known is not measured again.
    let known = bench.path("1of2/pieces/72p.0000.quality.json");
    let mut rows = json(&known);
    rows[0]["quality"] = 12.5.into();
    fs::write(&known, rows.to_string()).unwrap();
    joining.force = true;
    split::join(&joining, &mut |_| {}).unwrap();
    let table = segments(&bench.path("joined"));
    assert_eq!(table.of_representation("72p").unwrap().quality(0), Some(12.5));
}

#[test]
fn quality_is_not_measured_where_nobody_asks() {
    let bench = Bench::new();
    let input = film(&bench, "128x72", 0.8);
    vod::encode(&options(&bench, &input), &mut |_| {}).unwrap();
    let table = segments(&bench.path("out"));
    let row = table.of_representation("72p").unwrap();
    assert_eq!((row.bytes(0).is_some(), row.quality(0)), (true, None));
}

#[test]
fn a_plan_holds_the_ladder_that_was_chosen() {
    let bench = Bench::new();
    film(&bench, "128x72", 0.8);
    let run = |arguments: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_headgate-encode"))
            .args(arguments.split_whitespace())
            .current_dir(bench.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (is_done, error) = run(
        "plan film.mp4 --out plan.json --ladder auto:h265,audio:96k:opus --preset ultrafast --quality-target 80",
    );
    assert!(is_done, "{error}");
    let plan = json(&bench.path("plan.json"));
    let rung = &plan["video"][0];
    assert_eq!(rung["codec"], "h265");
    assert!(rung["crf"].as_f64().is_some() && rung["bitrate_kbps"].as_u64() > Some(15));
    assert_eq!(plan["per_title"]["asked"]["per_title"]["quality_target"], 80.0);
    for (arguments, reason) in [
        ("--ladder auto:mpeg2", "no codec"),
        ("--ladder auto,720p:2M", "only sound"),
        ("--ladder auto --max-rungs 0", "1 to 16"),
        ("--ladder auto --quality-target 101", "30 to 100"),
        ("--max-rungs 3", "--ladder auto"),
    ] {
        let (is_done, error) = run(&format!("plan film.mp4 --out other.json {arguments}"));
        assert!(!is_done && error.contains(reason), "{arguments}: {error}");
    }
}

#[test]
fn auto_names_codecs_and_sound() {
    let (per_title, ladder) = PerTitle::split("auto:av1,audio:64k:opus").unwrap().unwrap();
    assert_eq!(
        (per_title.codec, ladder.audio[0].bitrate_kbps),
        (VideoCodec::Av1, 64)
    );
    assert!(
        ladder.video.len() > 1,
        "the default one is what it is compared with"
    );
    assert_eq!(PerTitle::split("720p:2M").unwrap(), None);
}
