//! Sources that are not plain: odd sizes, turned, variable rate, one stream only, late, broken off.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{BEEPS, Bench, FLASHES, Track, beep_times, flash_times, run_ffmpeg};
use encoder::EncodeError;
use encoder::split::{self, JoinOptions, Share};
use encoder::vod::{self, LeftOut, Treatment, VodOptions};

const FAST: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";

#[test]
fn flashes_and_beeps_stay_together() {
    let bench = Bench::new();
    // A transport stream starts at 1.4 s; its length is not a whole number of segments.
    let source = bench.ffmpeg(
        &format!("{FLASHES} {BEEPS} -t 5.3 {FAST} -g 30 -c:a aac"),
        "flash.ts",
    );
    let summary = bench.encode(&source, "180p:300k");
    let flashes = flash_times(&bench, "180p");
    let beeps = beep_times(&bench, "audio");
    assert_eq!(flashes.len(), 6, "{flashes:?}");
    assert_eq!(beeps.len(), 6, "{beeps:?}");
    for (flash, beep) in flashes.iter().zip(&beeps) {
        assert!((flash - beep).abs() < 1.0 / 60.0, "{flashes:?} {beeps:?}");
    }
    assert!(flashes[0] < 0.01);
    assert!((summary.duration_s - 5.3).abs() < 0.1, "{}", summary.duration_s);
}

#[test]
fn sound_that_starts_late_is_filled_with_silence() {
    let bench = Bench::new();
    let source = bench.ffmpeg(
        &format!("{FLASHES} -itsoffset 0.5 {BEEPS} -map 0 -map 1 -t 4 {FAST} -c:a aac"),
        "late.mkv",
    );
    bench.encode(&source, "180p:300k");
    let flashes = flash_times(&bench, "180p");
    let beeps = beep_times(&bench, "audio");
    assert!(
        flashes[0].abs() < 0.05 && (beeps[0] - 0.5).abs() < 0.05,
        "{flashes:?} {beeps:?}"
    );
    assert!((beeps[1] - flashes[1] - 0.5).abs() < 1.0 / 30.0);
    let audio = Track::read(&bench.path("out"), "audio");
    assert_eq!(audio.samples().next().unwrap().presentation_time, -1024);
}

#[test]
fn pictures_that_start_late_are_filled_with_the_first() {
    let bench = Bench::new();
    let source = bench.ffmpeg(
        &format!("-itsoffset 0.5 {FLASHES} {BEEPS} -map 0 -map 1 -t 4 {FAST} -c:a aac"),
        "late.mkv",
    );
    bench.encode(&source, "180p:300k");
    let video = Track::read(&bench.path("out"), "180p");
    assert_eq!(video.times()[0], 0);
    let flashes = flash_times(&bench, "180p");
    let beeps = beep_times(&bench, "audio");
    // The first flash is held from 0; the second is half a second after its beep, as in the source.
    assert!(
        (flashes[1] - beeps[1] - 0.5).abs() < 1.0 / 30.0,
        "{flashes:?} {beeps:?}"
    );
}

#[test]
fn odd_sizes_become_even_and_keep_their_shape() {
    let bench = Bench::new();
    let source = bench.ffmpeg("-f lavfi -i testsrc2=s=641x363:r=25 -t 2 -c:v ffv1", "odd.mkv");
    let summary = bench.encode(&source, "360p:600k,240p:300k");
    let sizes: Vec<_> = summary
        .renditions
        .iter()
        .map(|r| (r.width.unwrap(), r.height.unwrap()))
        .collect();
    assert_eq!(sizes, [(636, 360), (424, 240)]);
    assert_eq!(
        (&*summary.treatments, &*summary.left_out),
        (&[][..], &[][..]),
        "a plain source"
    );
    let small = bench.ffmpeg("-f lavfi -i testsrc2=s=175x99:r=25 -t 1 -c:v ffv1", "small.mkv");
    let mut options = bench.options(&small, "360p:600k");
    options.force = true;
    let summary = vod::encode(&options, &mut |_| {}).unwrap();
    assert_eq!(
        (summary.renditions[0].width, summary.renditions[0].height),
        (Some(174), Some(98))
    );
    assert_eq!(summary.renditions.len(), 1);
}

#[test]
fn a_turned_source_is_shown_upright() {
    let bench = Bench::new();
    // The left half is white; turned clockwise by a player, the top is.
    bench.ffmpeg(
        &format!("-f lavfi -i \"color=black:s=320x180:r=25,drawbox=w=160:color=white:t=fill\" -t 1 {FAST}"),
        "flat.mp4",
    );
    let flat = bench.path("flat.mp4");
    let source = bench.ffmpeg(
        &format!("-i {} -c copy -metadata:s:v rotate=270", flat.display()),
        "turned.mp4",
    );
    let summary = bench.encode(&source, "180p:300k");
    assert_eq!(
        (summary.renditions[0].width, summary.renditions[0].height),
        (Some(180), Some(320))
    );
    let ours = top_is_white(&bench.joined("180p"));
    let turned = Treatment::Turned {
        degrees: if ours { 90 } else { 270 },
        is_mirrored: false,
    };
    assert_eq!(summary.treatments, [turned]);
    // FFmpeg's own command turns by the same matrix.
    let theirs = top_is_white(&source);
    assert_eq!(ours, theirs);
}

#[test]
fn a_variable_rate_becomes_constant() {
    let bench = Bench::new();
    // Two of three frames are left out in the second half.
    let source = bench.ffmpeg(
        &format!(
            "-f lavfi -i \"testsrc2=s=320x180:r=30,select='lt(t,2)+not(mod(n,3))'\" -t 4 -vsync vfr {FAST} -enc_time_base 1/1000"
        ),
        "variable.mkv",
    );
    let summary = bench.encode(&source, "180p:300k");
    let video = Track::read(&bench.path("out"), "180p");
    let times = video.times();
    let step = times[1] - times[0];
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] == step),
        "every frame lasts the same"
    );
    assert!((video.end_s() - 4.0).abs() < 0.15, "{}", video.end_s());
    let rate = summary.renditions[0].frame_rate.unwrap();
    assert!((15.0..=30.0).contains(&rate));
    // One picture after the change of pace comes later than the one before it did.
    assert!(
        matches!(&*summary.treatments, [Treatment::MadeConstant { frame_rate, irregular_frames: 1 }] if *frame_rate == rate),
        "{:?}",
        summary.treatments
    );
    assert_eq!(
        video.segments[1].samples[0].presentation_time as f64 / video.timescale(),
        2.0
    );
}

#[test]
fn ntsc_rates_stay_exact() {
    let bench = Bench::new();
    let source = bench.ffmpeg(
        &format!(
            "-f lavfi -i testsrc2=s=320x180:r=30000/1001 -f lavfi -i sine=r=44100 -t 4.5 {FAST} -c:a aac"
        ),
        "ntsc.mp4",
    );
    bench.encode(&source, "180p:300k");
    let out = bench.path("out");
    let video = Track::read(&out, "180p");
    assert_eq!(video.timescale(), 90_000.0);
    assert_eq!(video.times()[..3], [0, 3003, 6006]);
    assert_eq!(video.segments[1].decode_time, 60 * 3003);
    let audio = Track::read(&out, "audio");
    assert_eq!(audio.timescale(), 44_100.0);
    assert!(
        (audio.end_s() - video.end_s()).abs() < 0.04,
        "{} {}",
        audio.end_s(),
        video.end_s()
    );
    let master = fs::read_to_string(out.join("hls/master.m3u8")).unwrap();
    assert!(master.contains("FRAME-RATE=29.97"), "{master}");
    let mpd = fs::read_to_string(out.join("dash/manifest.mpd")).unwrap();
    assert!(mpd.contains("frameRate=\"30000/1001\""), "{mpd}");
}

#[test]
fn pictures_without_sound() {
    let bench = Bench::new();
    let source = bench.ffmpeg(
        &format!("-f lavfi -i testsrc2=s=320x180:r=25 -t 3 {FAST}"),
        "silent.mp4",
    );
    let summary = bench.encode(&source, "180p:300k");
    assert_eq!(summary.renditions.len(), 1);
    let out = bench.path("out");
    assert!(!out.join("audio").exists());
    let master = fs::read_to_string(out.join("hls/master.m3u8")).unwrap();
    assert!(!master.contains("AUDIO") && !master.contains("mp4a"), "{master}");
    assert_eq!(Track::read(&out, "180p").times().len(), 75);
}

#[test]
fn sound_without_pictures() {
    let bench = Bench::new();
    // Cover art is no film.
    let cover = bench.ffmpeg("-f lavfi -i testsrc2=s=64x64 -frames:v 1", "cover.png");
    let source = bench.ffmpeg(
        &format!(
            "-f lavfi -i sine=r=22050 -i {} -map 0 -map 1 -t 5 -c:a libmp3lame -c:v copy -disposition:v attached_pic",
            cover.display()
        ),
        "song.mp3",
    );
    let summary = bench.encode(&source, "180p:300k,audio:64k");
    assert_eq!(summary.renditions.len(), 1);
    assert!((summary.duration_s - 5.0).abs() < 0.1, "{}", summary.duration_s);
    let out = bench.path("out");
    let audio = Track::read(&out, "audio");
    assert_eq!((audio.segments.len(), audio.timescale()), (3, 48_000.0));
    let master = fs::read_to_string(out.join("hls/master.m3u8")).unwrap();
    assert!(
        master.contains("CODECS=\"mp4a.40.2\"") && master.contains("\naudio.m3u8"),
        "{master}"
    );
    let mpd = dash_mpd_core::parse(&fs::read_to_string(out.join("dash/manifest.mpd")).unwrap()).unwrap();
    assert_eq!(mpd.periods[0].adaptations.len(), 1);
}

#[test]
fn five_channels_become_two() {
    let bench = Bench::new();
    let source = bench.ffmpeg(
        &format!("-f lavfi -i testsrc2=s=320x180:r=25 -f lavfi -i \"sine,pan=5.1|c0=c0|c4=c0\" -t 2 {FAST} -c:a ac3"),
        "surround.mkv",
    );
    let summary = bench.encode(&source, "1080p:3M,180p:300k");
    let probed = run_ffmpeg(&format!("-i {} -f null -", bench.joined("audio").display()));
    assert!(probed.contains("Hz, stereo"), "{probed}");
    let mixed = Treatment::DownMixed {
        rendition: "audio".to_owned(),
        from_channels: 6,
        channels: 2,
    };
    assert_eq!(summary.treatments, [mixed]);
    let too_large = LeftOut {
        what: "1080p".to_owned(),
        reason: "larger than the source's 320x180".to_owned(),
    };
    assert_eq!(summary.left_out, [too_large]);
}

#[test]
fn a_stream_that_changes_size_and_channels_goes_on() {
    let bench = Bench::new();
    let part = |size: &str, channels: &str, name: &str| {
        bench.ffmpeg(
            &format!("-f lavfi -i testsrc2=s={size}:r=25 -f lavfi -i sine=r=48000 -t 2 -ac {channels} {FAST} -c:a ac3"),
            name,
        )
    };
    let mut bytes = fs::read(part("320x180", "2", "a.ts")).unwrap();
    bytes.extend(fs::read(part("256x144", "1", "b.ts")).unwrap());
    let source = bench.path("both.ts");
    fs::write(&source, bytes).unwrap();
    let summary = bench.encode(&source, "180p:300k");
    let is_reshaped = |treatment: &Treatment| matches!(treatment, Treatment::Reshaped { frames: 50 });
    assert!(
        summary.treatments.iter().any(is_reshaped),
        "{:?}",
        summary.treatments
    );
    let out = bench.path("out");
    let video = Track::read(&out, "180p");
    assert!((video.end_s() - 4.0).abs() < 0.3, "{}", video.end_s());
    assert!((Track::read(&out, "audio").end_s() - 4.0).abs() < 0.3);
}

#[test]
fn a_file_that_breaks_off_gives_what_is_there() {
    let bench = Bench::new();
    let whole = bench.ffmpeg(
        &format!("{FLASHES} {BEEPS} -t 4 {FAST} -g 15 -c:a aac -f matroska"),
        "whole.mkv",
    );
    let bytes = fs::read(&whole).unwrap();
    let source = bench.path("half.mkv");
    fs::write(&source, &bytes[..bytes.len() / 2]).unwrap();
    let summary = bench.encode(&source, "180p:300k");
    assert!((1.0..3.5).contains(&summary.duration_s), "{}", summary.duration_s);
}

#[test]
fn what_is_not_taken_is_told_by_who_encodes_and_by_who_joins() {
    let bench = Bench::new();
    let plain = bench.ffmpeg(
        &format!("-f lavfi -i \"testsrc2=s=160x90:r=25,setsar=2/1,select='not(eq(n,60))'\" -f lavfi -i testsrc2=s=80x60:r=25 -t 4 -map 0 -map 1 -vsync passthrough {FAST} -g 25"),
        "two.mkv",
    );
    let mut options = bench.options(&plain, "90p:100k");
    options.pictures = false;
    options.chunks = 2;
    let whole = vod::encode(&options, &mut |_| {}).unwrap();
    let [
        Treatment::MadeSquare { coded, shown },
        Treatment::MadeConstant { irregular_frames, .. },
    ] = &*whole.treatments
    else {
        panic!("{:?}", whole.treatments)
    };
    assert_eq!((*coded, *shown, *irregular_frames), ((160, 90), (320, 90), 2));
    assert!(
        matches!(&*whole.left_out, [video] if video.what.starts_with("stream 1 (h264") && video.reason.contains("stream 0")),
        "{:?}",
        whole.left_out
    );
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
    let joined = split::join(&JoinOptions::new(folders, bench.path("joined")), &mut |_| {}).unwrap();
    assert_eq!(
        (joined.treatments, joined.left_out),
        (whole.treatments, whole.left_out)
    );
}

#[test]
fn an_index_that_is_missing_is_no_video() {
    let bench = Bench::new();
    let whole = bench.ffmpeg(
        &format!("-f lavfi -i testsrc2=s=320x180:r=25 -t 2 {FAST}"),
        "whole.mp4",
    );
    let bytes = fs::read(&whole).unwrap();
    let source = bench.path("half.mp4");
    fs::write(&source, &bytes[..bytes.len() / 2]).unwrap();
    let error = vod::encode(&VodOptions::new(&source, bench.path("out")), &mut |_| {}).unwrap_err();
    assert!(matches!(error, EncodeError::NotMedia { .. }), "{error}");
}

#[test]
fn colours_survive_every_kind_of_source() {
    let bench = Bench::new();
    for format in ["rgb24", "yuv422p10le", "yuvj420p", "yuv444p", "gray"] {
        let source = bench.ffmpeg(
            &format!("-f lavfi -i color=0x40a060:s=320x180:r=25 -t 0.4 -pix_fmt {format} -c:v ffv1"),
            &format!("{format}.mkv"),
        );
        let mut options = bench.options(&source, "180p:1000k");
        options.force = true;
        vod::encode(&options, &mut |_| {}).unwrap();
        let joined = bench.joined("180p");
        let probed = run_ffmpeg(&format!("-i {} -f null -", joined.display()));
        assert!(probed.contains("yuv420p"), "{format}: {probed}");
        let (ours, theirs) = (colour(&joined), colour(&source));
        assert!(
            ours.iter().zip(&theirs).all(|(a, b)| a.abs_diff(*b) <= 4),
            "{format}: {ours:?} {theirs:?}"
        );
    }
}

fn colour(path: &std::path::Path) -> Vec<u8> {
    let pixels = common::ffmpeg_bytes(&format!(
        "-i {} -frames:v 1 -pix_fmt rgb24 -f rawvideo -",
        path.display()
    ));
    pixels[3 * (320 * 90 + 160)..][..3].to_vec()
}

fn top_is_white(path: &std::path::Path) -> bool {
    let pixels = common::ffmpeg_bytes(&format!(
        "-i {} -frames:v 1 -vf scale=1:2:flags=area -pix_fmt gray -f rawvideo -",
        path.display()
    ));
    assert!(
        (i32::from(pixels[0]) - i32::from(pixels[1])).abs() > 128,
        "{pixels:?}"
    );
    pixels[0] > pixels[1]
}
