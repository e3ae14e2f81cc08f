//! Sources that are damaged, say wrong things of themselves, or are of extreme sizes; disks that are full.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Bench, Track, flash_times};
use encoder::EncodeError;
use encoder::vod;

const LADDER: &str = "180p:200k,audio:64k";

fn seconds_of(bench: &Bench, rendition: &str) -> f64 {
    Track::read(&bench.path("out"), rendition).end_s()
}

fn encode(bench: &Bench, source: &Path) {
    let mut options = bench.options(source, LADDER);
    options.force = true;
    vod::encode(&options, &mut |_| {}).unwrap();
}

#[test]
fn damage_in_the_middle_costs_no_time() {
    let bench = Bench::new();
    for name in ["a.ts", "a.mkv", "a.mp4"] {
        let source = bench.ffmpeg(
            "-f lavfi -i testsrc2=s=320x180:r=25:d=6 -f lavfi -i sine=d=6 -c:v libx264 -preset ultrafast -g 25 -c:a aac",
            name,
        );
        let mut bytes = fs::read(&source).unwrap();
        let (start, end) = (bytes.len() * 45 / 100, bytes.len() * 50 / 100);
        for (index, byte) in bytes[start..end].iter_mut().enumerate() {
            *byte = (index * 31 + 7) as u8;
        }
        fs::write(&source, &bytes).unwrap();
        encode(&bench, &source);
        assert!((seconds_of(&bench, "180p") - 6.0).abs() < 0.1, "{name}");
        assert!((seconds_of(&bench, "audio") - 6.0).abs() < 0.1, "{name}");
        // Every frame has its place, those that were lost too.
        let times = Track::read(&bench.path("out"), "180p").times();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 3600), "{name}");
    }
}

#[test]
fn a_length_that_is_not_stated_is_found_out() {
    let bench = Bench::new();
    let pictures = "-f lavfi -i testsrc2=s=320x180:r=25:d=3 -c:v libx264 -preset ultrafast";
    // An elementary stream, and a live recording whose header was never completed.
    let bare = bench.ffmpeg(&format!("{pictures} -f h264"), "a.h264");
    let live = bench.ffmpeg(&format!("{pictures} -f matroska -live 1"), "live.mkv");
    for source in [bare, live] {
        encode(&bench, &source);
        assert!(
            (seconds_of(&bench, "180p") - 3.0).abs() < 0.1,
            "{}",
            source.display()
        );
    }
}

#[test]
fn times_before_zero_and_jumps_are_put_right() {
    let bench = Bench::new();
    let part = "-f lavfi -i \"color=black:s=320x180:r=30:d=2,drawbox=color=white:t=fill:enable='lt(mod(t+0.001,1),0.1)'\" \
                -c:v libx264 -preset ultrafast -bf 0 -muxdelay 0 -muxpreload 0";
    let early = bench.ffmpeg(
        &format!("{part} -output_ts_offset -1.5 -avoid_negative_ts disabled"),
        "early.mkv",
    );
    encode(&bench, &early);
    let times = flash_times(&bench, "180p");
    assert_eq!(times.len(), 2, "{times:?}");
    assert!(times[0] < 0.04 && (times[1] - 1.0).abs() < 0.04, "{times:?}");

    // A recording that was stopped and went on with another clock, hours ahead and back again.
    let mut joined = Vec::new();
    for (index, offset) in ["0", "40000", "3"].into_iter().enumerate() {
        let piece = bench.ffmpeg(
            &format!("{part} -output_ts_offset {offset} -f mpegts"),
            &format!("{index}.ts"),
        );
        joined.extend(fs::read(piece).unwrap());
    }
    let source = bench.path("jumps.ts");
    fs::write(&source, joined).unwrap();
    encode(&bench, &source);
    let times = flash_times(&bench, "180p");
    assert_eq!(times.len(), 6, "{times:?}");
    for (index, time) in times.iter().enumerate() {
        assert!((time - index as f64).abs() < 0.15, "{times:?}");
    }
}

#[test]
fn a_pixel_and_more_than_a_screen() {
    let bench = Bench::new();
    let dot = bench.ffmpeg(
        "-f lavfi -i color=red:s=2x2:r=25:d=1 -vf format=rgb24,crop=1:1 -c:v png",
        "dot.mkv",
    );
    encode(&bench, &dot);
    let track = Track::read(&bench.path("out"), "2p");
    assert_eq!(track.samples().count(), 25);

    let wall = bench.ffmpeg(
        "-f lavfi -i color=blue:s=7680x4320:r=25 -frames:v 3 -c:v libx264 -preset ultrafast -pix_fmt yuv420p",
        "wall.mp4",
    );
    encode(&bench, &wall);
    assert_eq!(Track::read(&bench.path("out"), "180p").samples().count(), 3);
}

/// The limit of a process on the size of files stands in for a disk that is full: writes fail in the middle.
#[test]
fn a_full_disk_publishes_nothing() {
    let bench = Bench::new();
    let source = bench.sample(6, 320, 180);
    for (blocks, single) in [(40, ""), (200, "--single-file")] {
        let script = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec {} vod {} --out {} --ladder 180p:400k,audio:64k --preset ultrafast {single}",
            env!("CARGO_BIN_EXE_headgate-encode"),
            source.display(),
            bench.path("out").display()
        );
        let output = Command::new("bash")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{said}");
        assert!(
            said.contains("cannot be written") && said.contains("free space"),
            "{said}"
        );
        assert!(!bench.path("out").exists());
    }
    // With space again it goes on, and leaves nothing else.
    encode(&bench, &source);
    let left: Vec<_> = fs::read_dir(bench.dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        !left.iter().any(|name| name.to_string_lossy().starts_with('.')),
        "{left:?}"
    );
}

#[test]
fn no_frames_and_no_streams_are_told_apart() {
    let bench = Bench::new();
    let none = bench.ffmpeg(
        "-f lavfi -i testsrc2=s=64x64:r=25 -frames:v 0 -c:v libx264",
        "none.mkv",
    );
    let mut options = bench.options(&none, LADDER);
    options.force = true;
    let error = vod::encode(&options, &mut |_| {}).unwrap_err();
    let is_right = matches!(
        error,
        EncodeError::NoFrames { .. }
            | EncodeError::NoStreams { .. }
            | EncodeError::NotMedia { .. }
            | EncodeError::Decoder { .. }
    );
    assert!(is_right, "{error:?}");
}
