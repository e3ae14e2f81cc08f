//! Files that were encoded elsewhere, packaged without encoding them again.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Bench, Track, frame_sums};
use encoder::EncodeError;
use encoder::remux::{PackageOptions, package};

const PICTURES: &str = "-f lavfi -i testsrc2=s=320x180:r=25:d=6";
const TONE: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=6";
const X264: &str = "-c:v libx264 -preset veryfast -g 50 -keyint_min 50 -sc_threshold 0 -flags +cgop";

fn options(bench: &Bench, inputs: &[PathBuf]) -> PackageOptions {
    PackageOptions::new(inputs.iter().cloned(), bench.path("out"))
}

#[test]
fn pictures_and_sound_come_out_as_they_went_in() {
    let bench = Bench::new();
    for (container, name) in [("mp4", "a.mp4"), ("matroska", "a.mkv"), ("mpegts", "a.ts")] {
        let source = bench.ffmpeg(
            &format!("{PICTURES} {TONE} {X264} -bf 2 -c:a aac -f {container}"),
            name,
        );
        let summary = package(&options(&bench, std::slice::from_ref(&source)), &mut |_| {}).unwrap();
        let names: Vec<_> = summary
            .renditions
            .iter()
            .map(|rendition| rendition.name.as_str())
            .collect();
        assert_eq!(names, ["180p", "audio"], "{container}");
        let video = Track::read(&bench.path("out"), "180p");
        let grid: Vec<i64> = (0..150).map(|frame| frame * 3600).collect();
        assert_eq!(video.times(), grid, "{container}: on the frame rate's grid");
        assert_eq!(video.segments.len(), 3);
        assert_eq!(
            frame_sums(&bench.joined("180p"), "0:v"),
            frame_sums(&source, "0:v"),
            "{container}"
        );
        let sound = Track::read(&bench.path("out"), "audio");
        assert!(
            (sound.end_s() - 6.0).abs() < 0.03,
            "{container}: {}",
            sound.end_s()
        );
        assert_eq!(sound.segments.len(), 3);
        fs::remove_dir_all(bench.path("out")).unwrap();
    }
}

#[test]
fn renditions_of_many_codecs_and_languages_are_told_apart() {
    let bench = Bench::new();
    let two = format!("{PICTURES} {TONE} {TONE} -map 0 -map 1 -map 2");
    let languages = "-metadata:s:a:0 language=eng -metadata:s:a:1 language=ger";
    let first = bench.ffmpeg(&format!("{two} {X264} -c:a aac {languages}"), "a.mp4");
    let small = bench.ffmpeg(&format!("{PICTURES} -vf scale=160:90 {X264}"), "b.mp4");
    let vp9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 100k -g 50 -keyint_min 50 -c:a libopus";
    let webm = bench.ffmpeg(&format!("{PICTURES} {TONE} {vp9}"), "c.webm");
    let summary = package(&options(&bench, &[small, first, webm]), &mut |_| {}).unwrap();
    let found: Vec<_> = summary
        .renditions
        .iter()
        .map(|one| (one.name.as_str(), one.codecs.split('.').next().unwrap()))
        .collect();
    let expected = [
        ("180p-h264", "avc1"),
        ("180p-vp9", "vp09"),
        ("90p-h264", "avc1"),
        ("audio-en-aac-1", "mp4a"),
        ("audio-de-aac-1", "mp4a"),
        ("audio-opus-1", "opus"),
    ];
    let mut sorted = found.clone();
    sorted.sort_unstable();
    let mut wanted = expected.to_vec();
    wanted.sort_unstable();
    assert_eq!(sorted, wanted);
    let master = fs::read_to_string(bench.path("out/hls/master.m3u8")).unwrap();
    assert!(
        master.contains("LANGUAGE=\"de\"") && master.contains("CODECS=\"avc1.64000c,opus\""),
        "{master}"
    );
}

#[test]
fn videos_that_cannot_be_switched_between_are_refused() {
    let bench = Bench::new();
    let long = "-f lavfi -i testsrc2=s=160x90:r=10:d=40 -c:v libx264 -preset ultrafast -sc_threshold 0";
    let one = bench.ffmpeg(&format!("{long} -g 20"), "one.mp4");
    let other = bench.ffmpeg(&format!("{long} -g 7 -vf scale=80:46"), "other.mp4");
    let error = package(&options(&bench, &[one, other]), &mut |_| {}).unwrap_err();
    assert!(
        matches!(&error, EncodeError::NotAligned { rendition, .. } if rendition == "46p"),
        "{error}"
    );
    let text = bench.path("text.txt");
    fs::write(&text, "nothing").unwrap();
    assert!(matches!(
        package(&options(&bench, &[text]), &mut |_| {}),
        Err(EncodeError::NotMedia { .. })
    ));
    let mpeg2 = bench.ffmpeg("-f lavfi -i testsrc2=s=160x90:r=25:d=1 -c:v mpeg2video", "old.ts");
    let error = package(&options(&bench, &[mpeg2]), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("mpeg2video is not packaged here"), "{error}");
    assert!(!bench.path("out").exists());
}
