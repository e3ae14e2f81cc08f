//! Encodings beside their source.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::Bench;
use encoder::EncodeError;
use encoder::compare::{CompareOptions, Compared, Comparison, compare};
use encoder::protect::{KeyPlan, KeySharing, Licensing, ProtectOptions, Schedule, Scheme};
use encoder::vod::{self, CancelToken};
use player_core::manifest::table;

const LADDER: &str = "108p:250k,54p:25k:15fps";

fn compared(reference: &Path, distorted: &[PathBuf]) -> Comparison {
    compare(&CompareOptions::new(reference, distorted), &mut |_| {}).unwrap()
}

fn names(comparison: &Comparison) -> Vec<&str> {
    let renditions = comparison.renditions.iter();
    renditions.map(|rendition| rendition.name.as_str()).collect()
}

fn qualities(compared: &Compared) -> Vec<f64> {
    compared
        .segments
        .iter()
        .map(|segment| segment.quality.unwrap())
        .collect()
}

#[test]
fn packaged_renditions_are_as_good_as_their_table_says_in_every_form() {
    let bench = Bench::new();
    let source = bench.sample(3, 192, 108);
    let mut first: Option<Vec<Vec<f64>>> = None;
    for (form, single_file, hls_ts) in [
        ("segments", false, false),
        ("files", true, false),
        ("ts", false, true),
    ] {
        let mut options = bench.options(&source, LADDER);
        let out = bench.path(form);
        options.out = (&out).into();
        options.segment_s = 1.0;
        options.threads = 1;
        options.measure = first.is_none();
        options.pictures = false;
        options.packaging.single_file = single_file;
        options.packaging.hls_ts = hls_ts;
        let made = vod::encode(&options, &mut |_| {}).unwrap();
        let comparison = compared(&source, std::slice::from_ref(&out));
        assert_eq!(names(&comparison), ["108p", "54p"], "{form}");
        assert_eq!((comparison.width, comparison.height), (192, 108));
        for (one, summary) in comparison.renditions.iter().zip(&made.renditions) {
            assert_eq!(one.segments.len(), summary.segments, "{form}");
            for (index, segment) in one.segments.iter().enumerate() {
                let off_s = segment.start_s - index as f64;
                assert!(off_s.abs() < 0.001, "{form}: {segment:?}");
            }
            // The container is little; the pictures are the same whatever holds them.
            let share = one.average_bps as f64 / summary.average_bps as f64;
            assert!((0.8..1.0).contains(&share), "{form} {}: {share}", one.name);
            assert_eq!(
                (one.frame_rate, one.offset_frames),
                (summary.frame_rate.unwrap(), 0)
            );
            assert!((one.duration_s - 3.0).abs() < 0.1, "{form}: {}", one.duration_s);
        }
        let (high, low) = (&comparison.renditions[0], &comparison.renditions[1]);
        assert!(high.quality > low.quality + 10.0 && low.low_quality <= low.quality);
        let found: Vec<Vec<f64>> = comparison.renditions.iter().map(qualities).collect();
        if let Some(first) = &first {
            assert_eq!(&found, first, "{form}");
            continue;
        }
        let table = fs::read(out.join("segments.json")).unwrap();
        let table = table::parse(&table, "https://h/segments.json").unwrap();
        for (one, found) in comparison.renditions.iter().zip(&found) {
            let row = table.of_representation(&one.name).unwrap();
            let expected = (0..row.len()).map(|index| row.quality(index).unwrap());
            for (found, expected) in found.iter().zip(expected) {
                assert!(
                    (found - expected).abs() < 0.001,
                    "{}: {found} {expected}",
                    one.name
                );
            }
        }
        first = Some(found);
    }
    // One of them, beside the file that it makes.
    let folder = bench.path("segments/108p");
    let playlist = bench.path("segments/hls/54p.m3u8");
    let file = bench.path("files/108p.mp4");
    let mut options = CompareOptions::new(&source, [&folder, &playlist, &file]);
    options.segment_s = 1.0;
    let comparison = compare(&options, &mut |_| {}).unwrap();
    assert_eq!(
        names(&comparison),
        [
            format!("{}:108p", folder.display()),
            format!("{}:54p", playlist.display()),
            file.display().to_string()
        ]
    );
    let [folder, _, file] = comparison.renditions.as_slice() else {
        panic!()
    };
    assert_eq!(qualities(folder), qualities(file));
    assert_eq!(
        folder.segments, file.segments,
        "its key frames say where they are"
    );
}

#[test]
fn files_of_other_encoders_are_compared_where_they_overlap() {
    let bench = Bench::new();
    let source = bench.ffmpeg(
        "-f lavfi -i testsrc2=s=192x108:r=24:d=4 -f lavfi -i sine=d=4 -c:v libx264 -preset ultrafast -crf 5 -c:a aac",
        "source.mkv",
    );
    // Matroska's sound begins before its pictures, so that ffmpeg shows the first of them twice.
    let x264 = "-c:v libx264 -preset veryfast -g 24";
    let input = format!("-i {}", source.display());
    let fine = bench.ffmpeg(&format!("{input} {x264} -crf 18 -an"), "fine.mp4");
    let coarse = bench.ffmpeg(&format!("{input} {x264} -crf 38 -s 96x54 -r 12"), "coarse.ts");
    let late = bench.ffmpeg(&format!("-ss 2 {input} {x264} -crf 18 -an"), "late.mp4");
    let comparison = compared(&source, &[fine.clone(), coarse.clone()]);
    let [fine_one, coarse_one] = comparison.renditions.as_slice() else {
        panic!()
    };
    assert!(fine_one.quality > 90.0, "{}", fine_one.quality);
    assert!(
        fine_one.quality > coarse_one.quality + 20.0,
        "{}",
        coarse_one.quality
    );
    assert_eq!((coarse_one.width, coarse_one.frame_rate), (96, 12.0));
    assert_eq!(fine_one.segments[1].start_s, 2.0);
    assert!(fine_one.average_bps > 3 * coarse_one.average_bps);
    assert_eq!(fine_one.offset_frames, -1);

    let mut options = CompareOptions::new(&source, [&late]);
    let apart = compare(&options, &mut |_| {}).unwrap();
    options.offset_s = 2.0;
    let beside = compare(&options, &mut |_| {}).unwrap();
    assert!(
        beside.renditions[0].quality > 90.0 && apart.renditions[0].quality < 70.0,
        "{} {}",
        beside.renditions[0].quality,
        apart.renditions[0].quality
    );
    assert!(beside.renditions[0].segments[0].quality.unwrap() > 90.0);
    // The other way round.
    let mut options = CompareOptions::new(&late, [&fine]);
    options.offset_s = -2.0;
    let swapped = compare(&options, &mut |_| {}).unwrap();
    let segments = &swapped.renditions[0].segments;
    assert_eq!(segments[0].quality, None);
    assert!(segments[1].quality.unwrap() > 90.0);
    options.offset_s = 100.0;
    let error = compare(&options, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("--offset-s"), "{error}");
}

#[test]
fn what_has_nothing_to_compare_is_refused() {
    let bench = Bench::new();
    let source = bench.sample(2, 160, 90);
    let sound = bench.ffmpeg("-f lavfi -i sine=d=1 -c:a aac", "sound.m4a");
    let refused = |distorted: &Path| {
        let options = CompareOptions::new(&source, [distorted]);
        let error = compare(&options, &mut |_| {}).unwrap_err();
        assert!(matches!(error, EncodeError::NotComparable { .. }), "{error}");
        error.to_string()
    };
    assert!(refused(&sound).contains("no pictures"));
    for scheme in [Scheme::Cbcs, Scheme::Cenc] {
        let mut options = bench.options(&source, "90p:100k");
        options.pictures = false;
        options.force = true;
        options.packaging.single_file = true;
        options.packaging.protection = Some(ProtectOptions {
            keys: KeyPlan::made(scheme, KeySharing::One),
            schedule: Schedule::default(),
            licensing: Licensing::default(),
            key_file: Some(bench.path("keys.json")),
        });
        vod::encode(&options, &mut |_| {}).unwrap();
        assert!(refused(&bench.path("out")).contains("encrypted"), "{scheme:?}");
        assert!(
            refused(&bench.path("out/90p.mp4")).contains("encrypted"),
            "{scheme:?}"
        );
    }
    let mut options = CompareOptions::new(&sound, [&source]);
    assert!(compare(&options, &mut |_| {}).is_err());
    options.reference = source.clone();
    options.cancel.cancel();
    assert!(matches!(
        compare(&options, &mut |_| {}),
        Err(EncodeError::Cancelled)
    ));
    options.cancel = CancelToken::default();
    options.distorted = vec![bench.path("nowhere")];
    assert!(matches!(
        compare(&options, &mut |_| {}),
        Err(EncodeError::InputMissing { .. })
    ));
}

#[test]
fn the_command_prints_a_table_or_json() {
    let bench = Bench::new();
    let source = bench.sample(3, 160, 90);
    bench.encode(&source, "90p:200k,60p:30k");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_headgate-encode"))
            .args(["compare", "sample.mp4", "out"])
            .args(arguments)
            .current_dir(bench.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let table = run(&[]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("sample.mp4 at 160x90"), "{table}");
    assert!(
        lines[3].starts_with("90p ") && lines[4].starts_with("60p "),
        "{table}"
    );
    let segments: Vec<Vec<&str>> = lines[6..]
        .iter()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(segments[0], ["segment", "s", "90p", "60p"]);
    assert_eq!(
        (segments[1][0], segments[2][0], segments.len()),
        ("0.00", "2.00", 3),
        "{table}"
    );

    let json = run(&["--json"]);
    let done: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&done["event"], &done["reference"]),
        (&"done".into(), &"sample.mp4".into())
    );
    let rendition = &done["renditions"][0];
    assert_eq!(rendition["name"], "90p");
    let quality = rendition["segments"][1]["quality"].as_f64().unwrap();
    assert_eq!(format!("{quality:.1}"), segments[2][1]);
}
