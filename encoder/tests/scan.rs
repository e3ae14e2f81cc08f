//! How pictures lie in a source: interlaced whatever the flags say, and pixels that are not square.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::{Bench, run_ffmpeg};
use encoder::vod::Treatment;

/// A picture that moves fast enough for its fields to differ, and turns no corner.
const MOVING: &str = "testsrc2=s=640x480:r=50";

#[test]
fn interlaced_pictures_without_flags_are_found() {
    let bench = Bench::new();
    for (mode, name) in [("interleave_top", "top.mkv"), ("interleave_bottom", "bottom.mkv")] {
        let source = bench.ffmpeg(
            &format!("-f lavfi -i \"{MOVING},tinterlace=mode={mode},setfield=prog\" -t 2 -c:v ffv1 -field_order progressive"),
            name,
        );
        assert!(is_combed(&source), "{mode}: the fixture is interlaced");
        let mut options = bench.options(&source, "480p:3000k");
        options.force = true;
        let summary = encoder::vod::encode(&options, &mut |_| {}).unwrap();
        assert_eq!(
            summary.treatments,
            [Treatment::Deinterlaced { is_flagged: false }]
        );
        assert!(!is_combed(&bench.joined("480p")), "{mode}");
    }
}

#[test]
fn progressive_pictures_with_flags_are_left_alone() {
    let bench = Bench::new();
    let source = bench.ffmpeg(
        // Not testsrc2: its moving rows of single lines look like fields.
        "-f lavfi -i \"testsrc=s=640x480:r=25,setfield=tff\" -t 2 -c:v ffv1 -field_order tt",
        "flagged.mkv",
    );
    let summary = bench.encode(&source, "480p:4000k");
    assert_eq!(summary.treatments, []);
    let text = run_ffmpeg(&format!(
        "-i {} -i {} -lavfi \"[0]setpts=N/25/TB[a];[1]format=yuv420p,setpts=N/25/TB[b];[a][b]ssim\" -f null -",
        bench.joined("480p").display(),
        source.display()
    ));
    let (_, value) = text.rsplit_once("All:").unwrap();
    let ssim: f64 = value.split_whitespace().next().unwrap().parse().unwrap();
    assert!(ssim >= 0.97, "{ssim}: every line is there");
}

#[test]
fn pixels_become_square_and_circles_stay_round() {
    let bench = Bench::new();
    // A disc of 80 lines that is as wide as high where a pixel is 16:11.
    let disc = "if(lt(hypot((X-90)*16/11,Y-72),40),255,0)";
    let source = bench.ffmpeg(
        &format!(
            "-f lavfi -i \"nullsrc=s=180x144:r=25,format=gray,geq=lum='{disc}',format=yuv420p,setsar=16/11\" -t 0.4 -c:v libx264 -preset ultrafast -qp 10"
        ),
        "anamorphic.mkv",
    );
    let summary = bench.encode(&source, "264x144:500k");
    let size = (
        summary.renditions[0].width.unwrap(),
        summary.renditions[0].height.unwrap(),
    );
    assert_eq!(size, (262, 144));
    let square = Treatment::MadeSquare {
        coded: (180, 144),
        shown: (262, 144),
    };
    assert_eq!(summary.treatments, [square]);
    let pixels = common::ffmpeg_bytes(&format!(
        "-i {} -frames:v 1 -pix_fmt gray -f rawvideo -",
        bench.joined("144p").display()
    ));
    let is_white = |x: usize, y: usize| pixels[y * 262 + x] > 128;
    let across = (0..262).filter(|x| is_white(*x, 72)).count();
    let down = (0..144).filter(|y| is_white(131, *y)).count();
    assert!(
        across.abs_diff(80) <= 2 && down.abs_diff(80) <= 2,
        "{across}×{down}"
    );
    let probed = run_ffmpeg(&format!("-i {} -f null -", bench.joined("144p").display()));
    assert!(probed.contains("SAR 1:1"), "{probed}");
}

/// Whether FFmpeg's detector finds more interlaced pictures than progressive ones.
fn is_combed(path: &Path) -> bool {
    let text = run_ffmpeg(&format!("-i {} -vf idet -f null -", path.display()));
    let (_, counts) = text.rsplit_once("Multi frame detection:").unwrap();
    let count = |name: &str| {
        let (_, rest) = counts.split_once(name).unwrap();
        rest.split_whitespace().next().unwrap().parse::<u32>().unwrap()
    };
    count("TFF:") + count("BFF:") > count("Progressive:")
}
