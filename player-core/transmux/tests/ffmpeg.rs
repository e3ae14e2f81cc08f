//! Streams made by FFmpeg: every packet comes out as it went in, and decodes to the same frames.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;

use player_core::input::Prepared;
use player_core::output::Container;
use support::ffmpeg::{Packet, ffmpeg, frames, is_installed, packets};
use transmux::{Settings, Transmuxer};

const PICTURES: &str = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=4";
const SOUND: &str = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=4";

/// Transmuxes files in order as one stream and writes one file.
fn transmux(folder: &Path, container: Container, names: &[String]) -> Vec<Prepared> {
    let mut transmuxer = Transmuxer::new();
    let mut out = Vec::new();
    let mut prepared = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let settings = Settings {
            container,
            continuous: n > 0,
            ..Settings::default()
        };
        let ready = transmuxer
            .prepare(fs::read(folder.join(name)).unwrap(), &settings)
            .unwrap();
        assert_eq!(ready.prepared.warnings, Vec::<String>::new(), "{name}");
        assert_eq!(ready.prepared.bytes, ready.bytes().len() as u64);
        out.extend_from_slice(ready.bytes());
        prepared.push(ready.prepared);
    }
    fs::write(folder.join("out.mp4"), out).unwrap();
    prepared
}

/// Pictures as they went in, but for their sizes (start codes, delimiters and parameter sets are gone).
fn same_pictures(folder: &Path, input: &str) {
    let (before, after) = (
        packets(&folder.join(input), "v"),
        packets(&folder.join("out.mp4"), "v"),
    );
    let bare = |packets: &[Packet]| packets.iter().map(|p| (p.pts, p.dts, p.key)).collect::<Vec<_>>();
    assert_eq!(bare(&before), bare(&after));
    assert!(
        before
            .iter()
            .zip(&after)
            .all(|(a, b)| b.size <= a.size && b.size + 1000 > a.size)
    );
    assert!(after.iter().all(|p| p.duration > 0));
    assert!(frames(&folder.join(input), "v") == frames(&folder.join("out.mp4"), "v"));
}

/// Sound as it went in, `strip` bytes less a frame, and on a timeline without a hole.
fn same_sound(folder: &Path, input: &str, strip: i64, rate: i64) {
    let (before, after) = (
        packets(&folder.join(input), "a"),
        packets(&folder.join("out.mp4"), "a"),
    );
    let sizes = |packets: &[Packet], strip| packets.iter().map(|p| p.size - strip).collect::<Vec<_>>();
    assert_eq!(sizes(&before, strip), sizes(&after, 0));
    for (a, b) in before.iter().zip(&after) {
        // ffprobe shows the stream's 90 kHz as they are, ours in samples.
        assert!((a.pts * rate - b.pts * 90_000).abs() <= 90_000, "{a:?} {b:?}");
    }
    // ffprobe does not always know how long the first lasts.
    let joins = |pair: &[Packet]| pair[0].duration < 0 || pair[0].pts + pair[0].duration == pair[1].pts;
    assert!(after.windows(2).all(joins));
    assert!(frames(&folder.join(input), "a") == frames(&folder.join("out.mp4"), "a"));
}

fn one(arguments: &str, input: &str) -> Option<(tempfile::TempDir, Prepared)> {
    if !is_installed() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{arguments} {input}"));
    let container = if input.ends_with(".ts") {
        Container::MpegTs
    } else {
        Container::PackedAudio
    };
    let prepared = transmux(folder.path(), container, &[input.to_owned()]).remove(0);
    Some((folder, prepared))
}

#[test]
fn avc_with_b_frames_and_aac() {
    let made = one(
        &format!(
            "{PICTURES} {SOUND} -c:v libx264 -preset veryfast -bf 3 -g 50 -pix_fmt yuv420p -c:a aac -shortest"
        ),
        "in.ts",
    );
    let Some((folder, prepared)) = made else { return };
    assert_eq!(prepared.mime, "video/mp4; codecs=\"avc1.64000c,mp4a.40.2\"");
    same_pictures(folder.path(), "in.ts");
    same_sound(folder.path(), "in.ts", 7, 48_000);
    let times = prepared.times.unwrap();
    let first = packets(&folder.path().join("in.ts"), "v")
        .iter()
        .map(|p| p.pts)
        .min()
        .unwrap();
    assert_eq!(times.start.as_micros(), first * 100 / 9);
    assert_eq!(times.duration().as_micros(), 4_000_000);
}

#[test]
fn interlaced_avc_without_delimiters() {
    let made = one(
        &format!(
            "{PICTURES} -c:v libx264 -preset veryfast -flags +ildct+ilme -x264opts tff=1:aud=0 -pix_fmt yuv420p"
        ),
        "in.ts",
    );
    let Some((folder, _)) = made else { return };
    same_pictures(folder.path(), "in.ts");
}

#[test]
fn several_slices_and_wide_pixels() {
    let made = one(
        &format!(
            "{PICTURES} -vf setsar=4/3 -c:v libx264 -preset ultrafast -slices 4 -color_primaries bt709 -color_trc bt709 -colorspace bt709 -pix_fmt yuv420p"
        ),
        "in.ts",
    );
    let Some((folder, _)) = made else { return };
    same_pictures(folder.path(), "in.ts");
    let out = fs::read(folder.path().join("out.mp4")).unwrap();
    let holds = |what: &[u8]| out.windows(what.len()).any(|window| window == what);
    assert!(holds(b"pasp\0\0\0\x04\0\0\0\x03"));
    assert!(holds(b"colrnclx\0\x01\0\x01\0\x01\0"));
}

#[test]
fn hevc() {
    let made = one(
        &format!(
            "{PICTURES} -c:v libx265 -preset ultrafast -x265-params log-level=error:bframes=3 -pix_fmt yuv420p"
        ),
        "in.ts",
    );
    let Some((folder, prepared)) = made else { return };
    assert_eq!(prepared.mime, "video/mp4; codecs=\"hvc1.1.6.L60.90\"");
    same_pictures(folder.path(), "in.ts");
}

#[test]
fn ac3_and_enhanced_ac3() {
    for (encoder, codec) in [("ac3", "ac-3"), ("eac3", "ec-3")] {
        let Some((folder, prepared)) = one(&format!("{SOUND} -ac 6 -c:a {encoder}"), "in.ts") else {
            return;
        };
        assert_eq!(prepared.mime, format!("audio/mp4; codecs=\"{codec}\""));
        same_sound(folder.path(), "in.ts", 0, 48_000);
    }
}

#[test]
fn mpeg_audio() {
    for (encoder, codec) in [("libmp3lame", "mp3"), ("mp2", "mp4a.6B")] {
        let Some((folder, prepared)) = one(&format!("{SOUND} -ar 44100 -c:a {encoder}"), "in.ts") else {
            return;
        };
        assert_eq!(prepared.mime, format!("audio/mp4; codecs=\"{codec}\""));
        same_sound(folder.path(), "in.ts", 0, 44_100);
    }
}

#[test]
fn packed_audio() {
    for (encoder, name, strip) in [
        ("aac -ac 2", "in.aac", 7),
        ("libmp3lame -write_xing 0 -id3v2_version 0", "in.mp3", 0),
        ("ac3", "in.ac3", 0),
        ("eac3", "in.eac3", 0),
    ] {
        if !is_installed() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        ffmpeg(folder.path(), &format!("{SOUND} -c:a {encoder} {name}"));
        let mut bytes =
            b"ID3\x04\0\0\0\0\0\x3fPRIV\0\0\0\x35\0\0com.apple.streaming.transportStreamTimestamp\0".to_vec();
        bytes.extend(90_000u64.to_be_bytes());
        bytes.extend(fs::read(folder.path().join(name)).unwrap());
        let settings = Settings {
            container: Container::PackedAudio,
            ..Settings::default()
        };
        let ready = Transmuxer::new().prepare(bytes, &settings).unwrap();
        assert_eq!(ready.prepared.warnings, Vec::<String>::new(), "{name}");
        let out = folder.path().join("out.mp4");
        fs::write(&out, ready.bytes()).unwrap();
        let (before, after) = (packets(&folder.path().join(name), "a"), packets(&out, "a"));
        assert_eq!(
            before.iter().map(|p| p.size - strip).collect::<Vec<_>>(),
            after.iter().map(|p| p.size).collect::<Vec<_>>()
        );
        assert_eq!(after[0].pts, 48_000);
        assert!(frames(&folder.path().join(name), "a") == frames(&out, "a"));
    }
}

#[test]
fn segments_follow_each_other_without_a_seam() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(
        folder.path(),
        &format!(
            "{PICTURES} {SOUND} -c:v libx264 -preset veryfast -bf 2 -g 25 -pix_fmt yuv420p -ar 44100 -c:a aac whole.ts"
        ),
    );
    ffmpeg(
        folder.path(),
        "-i whole.ts -c copy -copyts -f segment -segment_time 1 -segment_format mpegts part%d.ts",
    );
    let names: Vec<_> = (0..4).map(|n| format!("part{n}.ts")).collect();
    let prepared = transmux(folder.path(), Container::MpegTs, &names);
    assert!(prepared[1..].iter().all(|p| p.mime.is_empty()));
    for pair in prepared.windows(2) {
        let gap = pair[1].times.unwrap().start - pair[0].times.unwrap().end;
        assert!(gap.as_micros().abs() < 100, "{gap:?}");
    }
    let whole = packets(&folder.path().join("whole.ts"), "v");
    let shift = packets(&folder.path().join("part0.ts"), "v")[0].pts - whole[0].pts;
    let out = packets(&folder.path().join("out.mp4"), "v");
    assert_eq!(
        whole.iter().map(|p| p.pts + shift).collect::<Vec<_>>(),
        out.iter().map(|p| p.pts).collect::<Vec<_>>()
    );
    let sound = packets(&folder.path().join("out.mp4"), "a");
    assert!(sound.windows(2).all(|pair| pair[1].pts - pair[0].pts == 1024));
    assert_eq!(sound.len(), packets(&folder.path().join("whole.ts"), "a").len());
    assert!(frames(&folder.path().join("whole.ts"), "v") == frames(&folder.path().join("out.mp4"), "v"));
}

#[test]
fn silence_decodes_for_every_arrangement_of_channels() {
    if !is_installed() {
        return;
    }
    for layout in ["mono", "stereo", "3.0", "4.0", "5.0", "5.1", "7.1"] {
        let folder = tempfile::tempdir().unwrap();
        ffmpeg(
            folder.path(),
            &format!("{SOUND} -af aformat=channel_layouts={layout} -c:a aac in.ts"),
        );
        let whole = fs::read(folder.path().join("in.ts")).unwrap();
        // A hole in the middle, from where a PES packet begins to where one does.
        let begins = |packet: &[u8]| packet[1] & 0x5f == 0x41 && packet[2] == 0;
        let starts: Vec<_> = (0..whole.len() / 188)
            .filter(|n| begins(&whole[n * 188..]))
            .collect();
        let (from, to) = (starts[starts.len() / 3] * 188, starts[starts.len() * 2 / 3] * 188);
        let torn = [&whole[..from], &whole[to..]].concat();
        let ready = Transmuxer::new().prepare(torn, &Settings::default()).unwrap();
        assert!(
            ready.prepared.warnings.iter().any(|w| w.contains("silence")),
            "{layout}: {:?}",
            ready.prepared.warnings
        );
        let out = folder.path().join("out.mp4");
        fs::write(&out, ready.bytes()).unwrap();
        let sound = packets(&out, "a");
        assert!(
            sound.windows(2).all(|pair| pair[1].pts - pair[0].pts == 1024),
            "{layout}"
        );
        assert_eq!(
            sound.len(),
            packets(&folder.path().join("in.ts"), "a").len(),
            "{layout}"
        );
        // Decodes without a complaint, and to the same but for the hole: three frames of the same hash in a row.
        let decoded = frames(&out, "a");
        assert!(
            decoded
                .windows(3)
                .any(|three| three[0] == three[1] && three[1] == three[2]),
            "{layout}"
        );
    }
}
