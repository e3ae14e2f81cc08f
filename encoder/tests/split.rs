//! Encodings that were divided, interrupted and joined.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Bench, Track};
use encoder::EncodeError;
use encoder::split::{self, JoinOptions, Share, encode_share, join};
use encoder::vod::{self, VodOptions};

const LADDER: &str = "180p:200k,120p:100k,audio:64k";

/// Everything in a folder, by relative path.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(
                    path.strip_prefix(folder).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    files
}

fn assert_same(one: &Path, other: &Path) {
    let (one, other) = (tree(one), tree(other));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (path, bytes) in &one {
        assert!(other[path] == *bytes, "{} differs", path.display());
    }
}

/// One thread, for the same bytes every time.
fn options(bench: &Bench, source: &Path) -> VodOptions {
    let mut options = bench.options(source, LADDER);
    options.preset = "veryfast".to_owned();
    options.threads = 1;
    options
}

fn encode_part(bench: &Bench, source: &Path, folder: &str, share: &Share) {
    let mut options = options(bench, source);
    options.work_dir = Some(bench.path(folder));
    encode_share(&options, share, &mut |_| {}).unwrap();
}

#[test]
fn renditions_and_chunks_of_workers_are_those_of_one_run() {
    let bench = Bench::new();
    let source = bench.sample(7, 320, 180);
    vod::encode(&options(&bench, &source), &mut |_| {}).unwrap();
    for (folder, renditions) in [("a", vec!["180p"]), ("b", vec!["120p", "audio"])] {
        let share = Share {
            renditions: renditions.into_iter().map(str::to_owned).collect(),
            chunk: None,
        };
        encode_part(&bench, &source, folder, &share);
    }
    let folders = |names: &[&str]| names.iter().map(|name| bench.path(name)).collect::<Vec<_>>();
    let mut joining = JoinOptions::new(folders(&["b", "a"]), bench.path("joined"));
    joining.film = Some(source.clone());
    join(&joining, &mut |_| {}).unwrap();
    assert_same(&bench.path("out"), &bench.path("joined"));

    let mut in_chunks = options(&bench, &source);
    in_chunks.chunks = 3;
    in_chunks.out = bench.path("chunked").into();
    vod::encode(&in_chunks, &mut |_| {}).unwrap();
    for (folder, chunk) in [("1", "1/3"), ("2", "2/3"), ("3", "3/3")] {
        let share = Share {
            chunk: Some(chunk.parse().unwrap()),
            ..Share::default()
        };
        encode_part(&bench, &source, folder, &share);
    }
    let missing = join(
        &JoinOptions::new(folders(&["1", "3"]), bench.path("gap")),
        &mut |_| {},
    )
    .unwrap_err();
    assert!(
        matches!(&missing, EncodeError::PiecesMissing { missing } if missing.len() == 2),
        "{missing}"
    );
    assert!(!bench.path("gap").exists());
    let mut joining = JoinOptions::new(folders(&["3", "1", "2"]), bench.path("rejoined"));
    joining.film = Some(source.clone());
    join(&joining, &mut |_| {}).unwrap();
    assert_same(&bench.path("chunked"), &bench.path("rejoined"));

    // Chunks change the bits, not the segments.
    for rendition in ["180p", "120p", "audio"] {
        let whole = Track::read(&bench.path("out"), rendition);
        let chunked = Track::read(&bench.path("chunked"), rendition);
        assert_eq!(whole.times(), chunked.times(), "{rendition}");
    }
}

#[test]
fn pieces_of_another_encoding_are_not_joined() {
    let bench = Bench::new();
    let source = bench.sample(3, 320, 180);
    let share = |name: &str| Share {
        renditions: vec![name.to_owned()],
        chunk: None,
    };
    encode_part(&bench, &source, "a", &share("180p"));
    let mut other = options(&bench, &source);
    other.segment_s = 1.0;
    other.work_dir = Some(bench.path("b"));
    encode_share(&other, &share("120p"), &mut |_| {}).unwrap();
    let options = JoinOptions::new([bench.path("a"), bench.path("b")], bench.path("joined"));
    assert!(matches!(
        join(&options, &mut |_| {}),
        Err(EncodeError::PlansDiffer { .. })
    ));
    let unknown = encode_share(&other, &share("999p"), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(unknown.contains("180p, 120p, audio"), "{unknown}");
}

/// The command is killed in the middle; the next run goes on with what there is.
#[test]
fn a_killed_encoding_goes_on_where_it_was() {
    let bench = Bench::new();
    let source = bench.sample(8, 320, 180);
    let out = bench.path("out");
    let work = bench.path(".out.headgate-work");
    let arguments = [
        "--ladder",
        LADDER,
        "--preset",
        "veryfast",
        "--threads",
        "1",
        "--json",
    ];
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headgate-encode"));
        command
            .arg("vod")
            .arg(&source)
            .arg("--out")
            .arg(&out)
            .args(arguments)
            .stdin(Stdio::null());
        command
    };
    let first = work.join("pieces/180p.0000.mp4.part");
    let mut child = command().stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    // One segment of the larger rendition and more is there.
    while fs::metadata(&first).map_or(0, |data| data.len()) < 60_000 {
        assert!(
            Instant::now() < deadline && child.try_wait().unwrap().is_none(),
            "it is in the middle"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!out.exists());
    // What follows the last whole segment is of no use.
    let mut torn = fs::read(&first).unwrap();
    torn.truncate(torn.len() - 7);
    fs::write(&first, &torn).unwrap();

    let output = command().output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let track = Track::read(&out, "180p");
    let frames: Vec<i64> = (0..240).map(|frame| frame * 3000).collect();
    assert_eq!(track.times(), frames);
    assert_eq!(Track::read(&out, "120p").times(), frames);
    let joined = fs::read(bench.joined("180p")).unwrap();
    let kept = torn.windows(2000).skip(2000).step_by(9000).take(3);
    for part in kept {
        assert!(
            joined.windows(part.len()).any(|window| window == part),
            "it was not encoded again"
        );
    }
    let left: Vec<_> = fs::read_dir(bench.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !left.iter().any(|name| name.to_string_lossy().starts_with('.')),
        "{left:?}"
    );
}

/// Three scenes, of 3.32, 4.12 and 1.76 s.
fn scenes(bench: &Bench) -> PathBuf {
    bench.ffmpeg(
        "-f lavfi -i testsrc2=s=320x180:r=25:d=3.3 -f lavfi -i mandelbrot=s=320x180:r=25 \
         -f lavfi -i color=red:s=320x180:r=25:d=1.7 -filter_complex \"[1]trim=duration=4.1[b];[0][b][2]concat=n=3\" \
         -c:v libx264 -preset ultrafast",
        "scenes.mp4",
    )
}

#[test]
fn segments_begin_with_shots_on_every_rung_and_for_every_worker() {
    let bench = Bench::new();
    let source = scenes(&bench);
    let mut options = bench.options(&source, "180p:200k,120p:100k:15fps");
    options.shot_aligned = true;
    let summary = vod::encode(&options, &mut |_| {}).unwrap();
    assert_eq!(summary.renditions[1].frame_rate, Some(12.5));
    let starts = |out: &str, rendition: &str| -> Vec<f64> {
        let track = Track::read(&bench.path(out), rendition);
        let scale = track.timescale();
        track
            .segments
            .iter()
            .map(|segment| segment.decode_time as f64 / scale)
            .collect()
    };
    // The second cut is at frame 83, which the rung of half the rate does not have: its next is 84.
    let expected = starts("out", "180p");
    assert!(
        expected.contains(&3.36) && expected.contains(&7.44),
        "{expected:?}"
    );
    assert_eq!(starts("out", "120p"), expected);
    for rendition in ["180p", "120p"] {
        for segment in &Track::read(&bench.path("out"), rendition).segments {
            assert!(segment.samples[0].is_sync);
            assert_eq!(segment.samples.iter().filter(|sample| sample.is_sync).count(), 1);
        }
    }

    let plan = bench.path("plan.json");
    let planned = split::plan(&options, 2, &plan, &mut |_| {}).unwrap();
    assert_eq!((planned.chunks, planned.renditions.len()), (2, 2));
    for (folder, chunk) in [("1", "1/2"), ("2", "2/2")] {
        // The plan says it all.
        let mut options = VodOptions::new(&source, "");
        options.plan = Some(plan.clone());
        options.work_dir = Some(bench.path(folder));
        let share = Share {
            chunk: Some(chunk.parse().unwrap()),
            ..Share::default()
        };
        encode_share(&options, &share, &mut |_| {}).unwrap();
    }
    join(
        &JoinOptions::new([bench.path("1"), bench.path("2")], bench.path("joined")),
        &mut |_| {},
    )
    .unwrap();
    assert_eq!(starts("joined", "180p"), expected);
    let other = bench.sample(1, 320, 180);
    let mut options = VodOptions::new(other, bench.path("x"));
    options.plan = Some(plan);
    let error = vod::encode(&options, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("made for another file"), "{error}");
}
