//! Every codec: the same frames and IDR frames on every rung, the source's pictures and colours, sound in its channels.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;

use common::{BEEPS, Bench, FLASHES, Track, beep_times, ffmpeg_bytes, flash_times, run_ffmpeg, skipped};
use encoder::vod::{self, Treatment};

/// Moving detail at 10 bits, four seconds of 25 frames.
const DEEP: &str = "-f lavfi -i testsrc2=s=320x180:r=25 -f lavfi -i mandelbrot=s=320x180:r=25 \
    -filter_complex \"[0][1]blend=all_mode=average,format=yuv420p10le\" -t 4 -c:v ffv1";
const EVERY_CODEC: &str = "180p:500k,180p:400k:h265,180p:400k:av1,180p:400k:vp9";
const NAMES: [&str; 4] = ["180p", "180p-h265", "180p-av1", "180p-vp9"];

#[test]
fn every_codec_has_the_same_frames_and_the_sources_pictures() {
    let bench = Bench::new();
    let source = bench.ffmpeg(DEEP, "deep.mkv");
    let mut options = bench.options(&source, EVERY_CODEC);
    // One that reorders pictures, and not the fastest that every encoder has.
    options.preset = "veryfast".to_owned();
    options.gop_s = Some(1.0);
    let summary = vod::encode(&options, &mut |_| {}).unwrap();
    let codecs: Vec<&str> = summary.renditions.iter().map(|r| r.codecs.as_str()).collect();
    for (name, start) in
        NAMES
            .into_iter()
            .zip(["avc1.6400", "hvc1.2.4.L60", "av01.0.00M.10", "vp09.02.11.10"])
    {
        assert!(
            codecs.iter().any(|codecs| codecs.starts_with(start)),
            "{start}: {codecs:?}"
        );
        let track = Track::read(&bench.path("out"), name);
        assert_eq!(track.segments.len(), 2, "{name}");
        let expected: Vec<i64> = (0..100).map(|frame| frame * 3600).collect();
        assert_eq!(track.times(), expected, "{name}: from 0, without gaps");
        let keys: Vec<i64> = track
            .samples()
            .filter(|sample| sample.is_sync)
            .map(|sample| sample.presentation_time)
            .collect();
        assert_eq!(keys, [0, 90_000, 180_000, 270_000], "{name}");
        let joined = bench.joined(name);
        let format = if name == "180p" { "yuv420p" } else { "yuv420p10le" };
        assert_eq!(stream(&joined, "pix_fmt"), format, "{name}");
        assert_eq!(key_frames(&joined), [0, 25, 50, 75], "{name}: as FFmpeg sees it");
        let ssim = ssim(&joined, &source, "");
        assert!(ssim >= 0.95, "{name}: {ssim}");
    }
}

#[test]
fn every_codec_takes_a_capped_crf_and_a_constant_bitrate() {
    let bench = Bench::new();
    let source = bench.ffmpeg(DEEP, "deep.mkv");
    for words in ["crf30", "cbr"] {
        let ladder =
            format!("180p:300k:{words},180p:300k:h265:{words},180p:300k:av1:{words},180p:300k:vp9:{words}");
        let mut options = bench.options(&source, &ladder);
        options.force = true;
        let summary = vod::encode(&options, &mut |_| {}).unwrap();
        assert_eq!(summary.renditions.len(), 4);
        for rendition in &summary.renditions {
            let (peak, name) = (rendition.peak_bps, &rendition.name);
            // Two segments of two seconds: the buffer, and the first guess of an encoder, weigh much.
            assert!(peak < 600_000, "{words} {name}: {peak}");
            let ssim = ssim(&bench.joined(name), &source, "");
            assert!(ssim >= 0.85, "{words} {name}: {ssim}");
        }
    }
}

#[test]
fn hdr_is_kept_and_becomes_sdr_for_h264() {
    let bench = Bench::new();
    let sdr = bench.ffmpeg(
        "-f lavfi -i \"testsrc2=s=320x180:r=25,format=yuv420p,lutyuv=y=16+(val-16)*0.55:u=128+(val-128)*0.5:v=128+(val-128)*0.5,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv\" \
         -t 2 -c:v ffv1 -colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv",
        "sdr.mkv",
    );
    let source = bench.ffmpeg(
        &format!(
            "-i {} -vf \"zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=2020,zscale=t=smpte2084:m=2020_ncl:r=tv:npl=203,format=yuv420p10le\" \
             -c:v libx265 -preset ultrafast \
             -x265-params log-level=none:lossless=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400 \
             -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc -color_range tv",
            sdr.display()
        ),
        "hdr.mp4",
    );
    assert_eq!(
        stream(&source, "color_transfer"),
        "smpte2084",
        "the fixture is HDR"
    );
    let summary = bench.encode(&source, &EVERY_CODEC.replace("180p:500k", "180p:2000k"));
    let mapped = Treatment::ToneMapped {
        renditions: vec!["180p".to_owned()],
    };
    assert_eq!(summary.treatments, [mapped]);
    let of = |name: &str| {
        let found = summary.renditions.iter().find(|rendition| rendition.name == name);
        found.unwrap().codecs.clone()
    };
    assert!(
        of("180p-av1").ends_with(".0.110.09.16.09.0"),
        "{}",
        of("180p-av1")
    );
    assert!(
        of("180p-vp9").ends_with(".10.01.09.16.09.00"),
        "{}",
        of("180p-vp9")
    );
    let master = std::fs::read_to_string(bench.path("out/hls/master.m3u8")).unwrap();
    let variants = master
        .lines()
        .filter(|line| line.starts_with("#EXT-X-STREAM-INF"));
    for variant in variants {
        let range = if variant.contains("avc1") {
            "VIDEO-RANGE=SDR"
        } else {
            "VIDEO-RANGE=PQ"
        };
        assert!(variant.contains(range), "{variant}");
    }
    let mpd = std::fs::read_to_string(bench.path("out/dash/manifest.mpd")).unwrap();
    let transfer =
        "EssentialProperty schemeIdUri=\"urn:mpeg:mpegB:cicp:TransferCharacteristics\" value=\"16\"";
    assert_eq!(mpd.matches(transfer).count(), 3, "{mpd}");
    for name in ["180p-h265", "180p-av1", "180p-vp9"] {
        let joined = bench.joined(name);
        let tags = ["color_primaries", "color_transfer", "color_space", "color_range"]
            .map(|tag| stream(&joined, tag));
        assert_eq!(tags, ["bt2020", "smpte2084", "bt2020nc", "tv"], "{name}");
        let ssim = ssim(&joined, &source, "");
        assert!(ssim >= 0.95, "{name}: {ssim}");
        let init = std::fs::read(bench.path("out").join(name).join("init.mp4")).unwrap();
        let light = [&b"clli"[..], &1000_u16.to_be_bytes(), &400_u16.to_be_bytes()].concat();
        assert!(
            init.windows(8).any(|window| window == light),
            "{name} has no clli"
        );
        let display = [&b"mdcv"[..], &13_250_u16.to_be_bytes(), &34_500_u16.to_be_bytes()].concat();
        assert!(
            init.windows(8).any(|window| window == display),
            "{name} has no mdcv"
        );
        if name != "180p-vp9" {
            let frames = ffprobe(&joined, "-read_intervals %+#1 -show_frames");
            assert!(
                frames.contains("Mastering display metadata") && frames.contains("max_content=1000"),
                "{name} says nothing of it in the stream"
            );
        }
    }
    let joined = bench.joined("180p");
    let tags =
        ["color_primaries", "color_transfer", "color_space", "pix_fmt"].map(|tag| stream(&joined, tag));
    assert_eq!(tags, ["bt709", "bt709", "bt709", "yuv420p"]);
    // Highlights are bent down by design; what is below them is as in the film before it was made HDR.
    let ssim = ssim(&joined, &sdr, "");
    assert!(ssim >= 0.95, "{ssim}");
}

#[test]
fn the_colours_of_an_sdr_source_are_told() {
    let bench = Bench::new();
    let source = bench.ffmpeg(
        "-f lavfi -i \"smptebars=s=320x180:r=25,format=yuv420p,setparams=colorspace=smpte170m:color_primaries=smpte170m:color_trc=smpte170m:range=tv\" \
         -t 1 -c:v ffv1 -colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m -color_range tv",
        "ntsc.mkv",
    );
    bench.encode(&source, EVERY_CODEC);
    for name in NAMES {
        let joined = bench.joined(name);
        let tags = ["color_primaries", "color_transfer", "color_space", "color_range"]
            .map(|tag| stream(&joined, tag));
        assert_eq!(tags, ["smpte170m", "smpte170m", "smpte170m", "tv"], "{name}");
        let init = std::fs::read(bench.path("out").join(name).join("init.mp4")).unwrap();
        assert!(
            init.windows(8).any(|window| window == b"colrnclx"),
            "{name} has no colr"
        );
        assert!(ssim(&joined, &source, "") >= 0.95, "{name}");
    }
}

#[test]
fn surround_stays_beside_stereo_in_both_codecs() {
    let bench = Bench::new();
    // Each channel has a tone of its own: 300, 500, 700, 90 (LFE), 1100 and 1300 Hz.
    let tones: Vec<String> = TONES_HZ
        .iter()
        .map(|hz| format!("0.3*sin(2*PI*{hz}*t)"))
        .collect();
    let source = bench.ffmpeg(
        &format!(
            "-f lavfi -i testsrc2=s=128x72:r=25 -f lavfi -i \"aevalsrc='{}':c=5.1:s=48000\" -t 3 -c:v ffv1 -c:a flac",
            tones.join("|")
        ),
        "tones.mkv",
    );
    let ladder = "72p:100k,audio:128k,audio:320k:5.1,audio:128k:opus,audio:320k:opus:5.1";
    let summary = bench.encode(&source, ladder);
    let names: Vec<&str> = summary
        .renditions
        .iter()
        .skip(1)
        .map(|r| r.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "audio-aac-stereo",
            "audio-aac-51",
            "audio-opus-stereo",
            "audio-opus-51"
        ]
    );
    let codecs: Vec<&str> = summary
        .renditions
        .iter()
        .skip(1)
        .map(|r| r.codecs.as_str())
        .collect();
    assert_eq!(codecs, ["mp4a.40.2", "mp4a.40.2", "opus", "opus"]);
    for name in names {
        let joined = bench.joined(name);
        let track = Track::read(&bench.path("out"), name);
        assert!((track.end_s() - 3.0).abs() < 0.001, "{name}: {}", track.end_s());
        if name.ends_with("51") {
            assert_eq!(stream(&joined, "channels"), "6", "{name}");
            for (channel, hz) in TONES_HZ.into_iter().enumerate() {
                let levels = levels(&joined, 6, channel);
                let loudest = loudest(&levels);
                assert_eq!(TONES_HZ[loudest], hz, "{name}, channel {channel}: {levels:?}");
            }
        } else {
            assert_eq!(stream(&joined, "channels"), "2", "{name}");
            let left = levels(&joined, 2, 0);
            // Left, and centre and back left by 3 dB less; nothing of the right and the low frequencies.
            assert!((0.6..0.82).contains(&(left[2] / left[0])), "{name}: {left:?}");
            assert!((0.6..0.82).contains(&(left[4] / left[0])), "{name}: {left:?}");
            assert!(
                left[1] < left[0] * 0.1 && left[3] < left[0] * 0.1,
                "{name}: {left:?}"
            );
        }
    }
}

#[test]
fn opus_stays_with_the_picture() {
    let bench = Bench::new();
    let source = bench.ffmpeg(
        &format!("{FLASHES} {BEEPS} -t 5.3 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac"),
        "flash.ts",
    );
    bench.encode(&source, "180p:300k,audio:96k:opus");
    let track = Track::read(&bench.path("out"), "audio");
    assert_eq!((track.timescale(), skipped(&track.moov)), (48_000.0, 312));
    let (flashes, beeps) = (flash_times(&bench, "180p"), beep_times(&bench, "audio"));
    assert_eq!((flashes.len(), beeps.len()), (6, 6), "{flashes:?} {beeps:?}");
    for (flash, beep) in flashes.iter().zip(&beeps) {
        assert!((flash - beep).abs() < 1.0 / 60.0, "{flashes:?} {beeps:?}");
    }
}

#[test]
fn what_an_encoder_cannot_do_is_said_before_it_begins() {
    let bench = Bench::new();
    let source = bench.ffmpeg("-f lavfi -i testsrc2=s=320x180:r=25 -t 1 -c:v ffv1", "plain.mkv");
    for (ladder, reason) in [
        ("180p:300k:av1:warp", "0 to 13"),
        ("180p:300k:h265:9", "veryfast"),
    ] {
        let error = vod::encode(&bench.options(&source, ladder), &mut |_| {})
            .unwrap_err()
            .to_string();
        assert!(error.contains(reason), "{error}");
    }
    let tiny = bench.ffmpeg("-f lavfi -i testsrc2=s=48x48:r=25 -t 1 -c:v ffv1", "tiny.mkv");
    let error = vod::encode(&bench.options(&tiny, "180p:300k:av1"), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(error.contains("64×64"), "{error}");
}

/// Of the channels of 5.1 in FFmpeg's order: left, right, centre, LFE, back left, back right.
const TONES_HZ: [u32; 6] = [300, 500, 700, 90, 1100, 1300];

/// How strong each tone is in one channel of a file.
fn levels(path: &Path, channels: usize, channel: usize) -> Vec<f64> {
    let bytes = ffmpeg_bytes(&format!("-i {} -ss 0.5 -t 1 -f f32le -", path.display()));
    let samples: Vec<f64> = bytes
        .chunks_exact(4)
        .skip(channel)
        .step_by(channels)
        .map(|chunk| f64::from(f32::from_le_bytes(chunk.try_into().unwrap())))
        .collect();
    let level = |hz: u32| {
        let turn = f64::from(hz) * std::f64::consts::TAU / 48_000.0;
        let part = |f: fn(f64) -> f64| {
            samples
                .iter()
                .zip(0..)
                .map(|(s, n)| s * f(turn * f64::from(n)))
                .sum::<f64>()
        };
        part(f64::sin).hypot(part(f64::cos)) / samples.len() as f64
    };
    TONES_HZ.into_iter().map(level).collect()
}

fn loudest(levels: &[f64]) -> usize {
    let place = levels.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    place.unwrap().0
}

/// Mean structural similarity of two files' pictures; `filter` is applied to the second.
fn ssim(ours: &Path, theirs: &Path, filter: &str) -> f64 {
    let text = run_ffmpeg(&format!(
        "-i {} -i {} -lavfi \"[0]format=yuv420p,setpts=N/25/TB[a];[1]{filter}format=yuv420p,setpts=N/25/TB[b];[a][b]ssim\" -f null -",
        ours.display(),
        theirs.display()
    ));
    let (_, value) = text.rsplit_once("All:").unwrap();
    value.split_whitespace().next().unwrap().parse().unwrap()
}

/// One value that `ffprobe` tells of the first stream.
fn stream(path: &Path, entry: &str) -> String {
    let text = ffprobe(path, &format!("-show_entries stream={entry} -of csv=p=0"));
    text.lines()
        .next()
        .unwrap_or_default()
        .trim_end_matches(',')
        .to_owned()
}

/// The numbers of the frames that a decoder finds to be key frames.
fn key_frames(path: &Path) -> Vec<usize> {
    let text = ffprobe(path, "-show_entries frame=key_frame -of csv=p=0");
    let frames = text.lines().filter(|line| line.starts_with(['0', '1']));
    let frames = frames.enumerate();
    frames
        .filter(|(_, line)| line.starts_with('1'))
        .map(|(number, _)| number)
        .collect()
}

fn ffprobe(path: &Path, arguments: &str) -> String {
    let output = Command::new("ffprobe")
        .args(["-v", "error"])
        .args(arguments.split_whitespace())
        .arg(path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
