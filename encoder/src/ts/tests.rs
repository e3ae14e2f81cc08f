//! Read back by FFmpeg and by the player.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use player_core::output::{Container, Encryption};
use transmux::{Key, Settings, Transmuxer};

use super::*;
use crate::protect::testing::{Fragmented, frame_hashes, run};
use crate::protect::{ContentKey, Iv, hls};

const AVC: &str = "-f lavfi -i testsrc2=s=320x180:r=25:d=3 -pix_fmt yuv420p -g 25 -keyint_min 25 -c:v libx264 -preset ultrafast -bf 2 -x264-params scenecut=0";
const HEVC: &str = "-f lavfi -i testsrc2=s=320x180:r=25:d=3 -pix_fmt yuv420p -g 25 -keyint_min 25 -c:v libx265 -tag:v hvc1 -preset ultrafast -x265-params log-level=none:pools=1:frame-threads=1";
const AAC: &str = "-f lavfi -i sine=440:r=48000:d=3 -c:a aac -ac 2";
const AC3: &str = "-f lavfi -i sine=440:r=48000:d=3 -c:a ac3 -ac 2 -movflags +delay_moov";
const AAC_PRIMING: u64 = 1024;

/// Clips in folders of their own.
struct Clip {
    folder: tempfile::TempDir,
    media: Fragmented,
    timescale: u32,
    skipped: u64,
}

impl Clip {
    fn new(arguments: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut media = Fragmented::encode(folder.path(), arguments);
        // Sound lasts longer by its priming.
        media.chunks.truncate(3);
        Self {
            folder,
            timescale: media.timescale,
            media,
            skipped: if arguments == AAC { AAC_PRIMING } else { 0 },
        }
    }

    fn description(&self) -> TrackDescription<'_> {
        TrackDescription {
            entry: &self.media.entry,
            timescale: self.timescale,
            skipped: self.skipped,
        }
    }

    fn hashes(&self) -> Vec<String> {
        frame_hashes(self.folder.path(), Path::new("ffmpeg"), "", "clear.mp4")
    }
}

fn segments(clips: &[&Clip], encryption: Option<SampleAes>) -> Vec<TsSegment> {
    let tracks: Vec<_> = clips.iter().map(|clip| clip.description()).collect();
    let mut muxer = Muxer::new(&tracks).unwrap();
    let count = clips.iter().map(|clip| clip.media.chunks.len()).min().unwrap();
    let segment = |number: usize| {
        let chunks: Vec<_> = clips.iter().map(|clip| &clip.media.chunks[number]).collect();
        muxer.segment(&chunks, encryption.as_ref()).unwrap()
    };
    (0..count).map(segment).collect()
}

fn joined(segments: &[TsSegment]) -> Vec<u8> {
    segments
        .iter()
        .flat_map(|segment| segment.bytes.clone())
        .collect()
}

/// Timestamps and whether decoding can start there, as `ffprobe` reads them.
fn packets(file: &Path, stream: &str) -> Vec<(u64, u64, bool)> {
    let text = run(
        file.parent().unwrap(),
        "ffprobe",
        &format!(
            "-v error -select_streams {stream} -show_entries packet=pts,dts,flags -of csv=p=0 {}",
            file.display()
        ),
    );
    let packet = |line: &str| {
        let mut fields = line.split(',');
        let mut number = || fields.next().unwrap().parse().unwrap();
        (number(), number(), fields.next().unwrap().starts_with('K'))
    };
    text.lines().filter(|line| !line.is_empty()).map(packet).collect()
}

fn expected(clip: &Clip) -> Vec<(u64, bool)> {
    let scale = f64::from(clip.timescale);
    let mut times = Vec::new();
    for chunk in &clip.media.chunks {
        let mut time = chunk.decode_time as f64 - clip.skipped as f64;
        for sample in &chunk.samples {
            let pts = (time + f64::from(sample.composition_offset)) / scale * 90_000.0;
            times.push(((pts.round() + START as f64) as u64, sample.is_sync));
            time += f64::from(sample.duration);
        }
    }
    times
}

#[test]
fn pictures_and_sound_come_back_with_their_times() {
    for (pictures, codec) in [(AVC, "h264"), (HEVC, "hevc")] {
        let (pictures, sound) = (Clip::new(pictures), Clip::new(AAC));
        let file = pictures.folder.path().join("all.ts");
        fs::write(&file, joined(&segments(&[&pictures, &sound], None))).unwrap();
        let read = packets(&file, "v");
        assert!(read.iter().all(|(pts, dts, _)| dts <= pts));
        assert!(read.windows(2).all(|pair| pair[0].1 < pair[1].1), "{codec}");
        let times: Vec<_> = read.iter().map(|(pts, _, key)| (*pts, *key)).collect();
        assert_eq!(times, expected(&pictures), "{codec}");
        let read = packets(&file, "a");
        let times = expected(&sound).into_iter().map(|(pts, _)| pts);
        // `ffprobe` derives the times of frames that share a PES packet.
        assert!(read.len() == expected(&sound).len());
        assert!(times.zip(&read).all(|(time, read)| time.abs_diff(read.0) <= 1));
        let hashes = |map: &str| {
            let text = run(
                pictures.folder.path(),
                "ffmpeg",
                &format!("-v warning -nostdin -i all.ts -map 0:{map} -fps_mode passthrough -f framemd5 -"),
            );
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines
                .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(hashes("v"), pictures.hashes(), "{codec}");
        assert!(hashes("a").len() >= read.len() - 1);
    }
}

#[test]
fn nothing_is_lost_or_warned_of() {
    let (pictures, sound, ac3) = (Clip::new(AVC), Clip::new(AAC), Clip::new(AC3));
    for clips in [&[&pictures, &sound][..], &[&pictures], &[&sound], &[&ac3]] {
        let file = pictures.folder.path().join("all.ts");
        fs::write(&file, joined(&segments(clips, None))).unwrap();
        // Continuity, timestamps and decoding all warn here.
        let output = std::process::Command::new("ffmpeg")
            .args(["-v", "warning", "-nostdin", "-i"])
            .arg(&file)
            .args(["-f", "null", "-"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{said}");
    }
}

#[test]
fn the_clock_comes_often_and_before_what_it_times() {
    let (pictures, sound) = (Clip::new(AVC), Clip::new(AAC));
    for clips in [&[&pictures, &sound][..], &[&sound]] {
        let all = joined(&segments(clips, None));
        let mut last = None;
        let mut counters = std::collections::BTreeMap::new();
        for packet in all.chunks(188) {
            let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
            let counter = counters.insert(pid, packet[3] & 0x0f);
            assert!(
                counter.is_none_or(|before| (before + 1) & 0x0f == packet[3] & 0x0f),
                "{pid}"
            );
            if packet[3] & 0x20 == 0 || packet[4] < 7 || packet[5] & 0x10 == 0 {
                continue;
            }
            let clock =
                u64::from_be_bytes([0, 0, packet[6], packet[7], packet[8], packet[9], packet[10], 0]) >> 15;
            assert!(
                last.is_none_or(|last| clock > last && clock - last <= 9_000),
                "{clock} after {last:?}"
            );
            last = Some(clock);
        }
        assert!(last.unwrap() > START - CLOCK_LEAD + 2 * CLOCK_HZ);
    }
}

#[test]
fn an_i_frame_can_be_played_on_its_own() {
    let (pictures, sound) = (Clip::new(AVC), Clip::new(AAC));
    // A second picture where decoding can start lies inside the segment.
    let mut chunk = pictures.media.chunks[0].clone();
    let next = &pictures.media.chunks[1];
    chunk.samples.extend(&next.samples);
    chunk.data.extend(&next.data);
    let mut muxer = Muxer::new(&[pictures.description(), sound.description()]).unwrap();
    let segment = muxer.segment(&[&chunk, &sound.media.chunks[0]], None).unwrap();
    let places: Vec<_> = segment.i_frames.iter().map(|frame| frame.sample).collect();
    assert_eq!(places, [0, 25]);
    let all = pictures.hashes();
    for frame in &segment.i_frames {
        fs::write(
            pictures.folder.path().join("i.ts"),
            &segment.bytes[frame.range.clone()],
        )
        .unwrap();
        let text = run(
            pictures.folder.path(),
            "ffmpeg",
            "-v error -nostdin -i i.ts -map 0:v -fps_mode passthrough -f framemd5 -",
        );
        let hash = text
            .lines()
            .last()
            .unwrap()
            .rsplit(',')
            .next()
            .unwrap()
            .trim()
            .to_owned();
        assert_eq!(hash, all[frame.sample]);
    }
}

#[test]
fn the_player_reads_the_same_samples() {
    let (pictures, sound, ac3) = (Clip::new(AVC), Clip::new(AAC), Clip::new(AC3));
    for clip in [&pictures, &sound, &ac3] {
        let mut transmuxer = Transmuxer::new();
        for (segment, chunk) in segments(&[clip], None).into_iter().zip(&clip.media.chunks) {
            let settings = Settings {
                container: Container::MpegTs,
                continuous: true,
                ..Settings::default()
            };
            let ready = transmuxer.prepare(segment.bytes, &settings).unwrap();
            assert_eq!(ready.prepared.warnings, Vec::<String>::new());
            let read = Fragmented::read(ready.bytes());
            let sizes = |chunk: &Chunk| chunk.samples.iter().map(|sample| sample.size).collect::<Vec<_>>();
            let samples = &read.chunks[0];
            assert_eq!(samples.samples.len(), chunk.samples.len());
            if !std::ptr::eq(clip, &pictures) {
                assert_eq!(sizes(samples), sizes(chunk));
                assert!(samples.data == chunk.data);
            }
            let time = START as f64 / 90_000.0
                + (chunk.decode_time as f64 - clip.skipped as f64) / f64::from(clip.timescale);
            let first = samples.samples[0].composition_offset;
            let read_time = (samples.decode_time as f64 + f64::from(first)) / f64::from(read.timescale);
            let offset = f64::from(chunk.samples[0].composition_offset) / f64::from(clip.timescale);
            assert!(
                (read_time - time - offset).abs() < 0.001,
                "{read_time} {time} {offset}"
            );
        }
    }
}

#[test]
fn encrypted_samples_are_decrypted_by_the_player_and_by_ffmpeg() {
    let key = ContentKey {
        iv: Some(Iv::Sixteen(
            *b"\x10\x0f\x0e\x0d\x0c\x0b\x0a\x09\x08\x07\x06\x05\x04\x03\x02\x01",
        )),
        ..ContentKey::random().unwrap()
    };
    let iv = hls::segment_iv(&key, 0);
    let aes = SampleAes::new(key.key, iv);
    let (pictures, sound, ac3) = (Clip::new(AVC), Clip::new(AAC), Clip::new(AC3));
    for clips in [&[&pictures, &sound][..], &[&pictures], &[&sound], &[&ac3]] {
        let clear = segments(clips, None);
        let encrypted = segments(clips, Some(aes));
        let whole = clear
            .iter()
            .map(|segment| hls::encrypt_segment(segment.bytes.clone(), &key.key, &iv));
        let whole: Vec<_> = whole.collect();
        let [mut one, mut two, mut three] = [(); 3].map(|()| Transmuxer::new());
        let prepare = |transmuxer: &mut Transmuxer, bytes: &[u8], method: Option<Encryption>| {
            let settings = Settings {
                container: Container::MpegTs,
                continuous: true,
                decrypt: method.map(|method| Key {
                    method,
                    key: key.key.0,
                    iv,
                }),
                ..Settings::default()
            };
            transmuxer.prepare(bytes.to_vec(), &settings).unwrap()
        };
        for ((clear, encrypted), whole) in clear.iter().zip(&encrypted).zip(&whole) {
            assert_ne!(clear.bytes, encrypted.bytes);
            let expected = prepare(&mut one, &clear.bytes, None);
            let samples = prepare(&mut two, &encrypted.bytes, Some(Encryption::SampleAes));
            assert!(expected.bytes() == samples.bytes());
            let segment = prepare(&mut three, whole, Some(Encryption::Aes128));
            assert!(expected.bytes() == segment.bytes());
        }
        // FFmpeg knows no encrypted AC-3 in transport streams before version 6.
        if clips.iter().any(|clip| std::ptr::eq(*clip, &ac3)) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), key.key.0).unwrap();
        let tag = hls::segment_key_tag(&key, "key".to_owned());
        let playlist = |name: &str, tag: &str, segments: &[Vec<u8>]| {
            let mut text = format!("#EXTM3U\n#EXT-X-VERSION:5\n#EXT-X-TARGETDURATION:1\n{tag}\n");
            for (number, bytes) in segments.iter().enumerate() {
                fs::write(folder.path().join(format!("{name}{number}.ts")), bytes).unwrap();
                text += &format!("#EXTINF:1,\n{name}{number}.ts\n");
            }
            fs::write(
                folder.path().join(format!("{name}.m3u8")),
                text + "#EXT-X-ENDLIST\n",
            )
            .unwrap();
            // Of both, where there are both, the pictures.
            let arguments = format!(
                "-v error -nostdin -y -allowed_extensions ALL -i {name}.m3u8 -map 0:0 -c copy -f data {name}.bin"
            );
            run(folder.path(), "ffmpeg", &arguments);
            fs::read(folder.path().join(format!("{name}.bin"))).unwrap()
        };
        let bytes = |segments: &[TsSegment]| {
            segments
                .iter()
                .map(|segment| segment.bytes.clone())
                .collect::<Vec<_>>()
        };
        let expected = playlist("clear", "", &bytes(&clear));
        assert!(expected.len() > 10_000);
        assert!(playlist("whole", &tag.key_tag(), &whole) == expected);
        let tag = hls::sample_key_tag(&key, tag).key_tag();
        let read = playlist("samples", &tag, &bytes(&encrypted));
        // FFmpeg does not put emulation prevention back, and leaves its last packets as they are.
        let (expected, read) = (without_prevention(&expected), without_prevention(&read));
        let whole = expected.len() * 3 / 4;
        assert!(read[..whole] == expected[..whole]);
    }
}

fn without_prevention(stream: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &byte in stream {
        if byte != 3 || !out.ends_with(&[0, 0]) {
            out.push(byte);
        }
    }
    out
}

#[test]
fn what_cannot_be_muxed_is_told() {
    let (pictures, hevc) = (Clip::new(AVC), Clip::new(HEVC));
    let error = |tracks: &[TrackDescription<'_>]| Muxer::new(tracks).err().unwrap();
    assert!(error(&[pictures.description(), hevc.description()]).contains("2 of them pictures"));
    assert!(error(&[]).contains("0 tracks"));
    let aes = SampleAes::new(ContentKey::random().unwrap().key, [0; 16]);
    let mut muxer = Muxer::new(&[hevc.description()]).unwrap();
    let refused = muxer.segment(&[&hevc.media.chunks[0]], Some(&aes));
    assert!(refused.unwrap_err().contains("HEVC has no SAMPLE-AES"));
    let mut muxer = Muxer::new(&[pictures.description()]).unwrap();
    assert!(
        muxer
            .segment(&[], None)
            .unwrap_err()
            .contains("0 chunks for 1 tracks")
    );
    let mut chunk = pictures.media.chunks[0].clone();
    chunk.data.truncate(100);
    assert!(
        muxer
            .segment(&[&chunk], None)
            .unwrap_err()
            .contains("less data than samples")
    );
}

#[test]
fn times_and_configurations_of_no_media_are_survived() {
    let sound = Clip::new(AAC);
    let mut chunk = sound.media.chunks[0].clone();
    let last = i64::MAX as u64 / CLOCK_HZ;
    for decode_time in [last - 1, last, last + 1, u64::MAX - (1 << 32)] {
        chunk.decode_time = decode_time;
        let mut muxer = Muxer::new(&[TrackDescription {
            timescale: 1,
            ..sound.description()
        }])
        .unwrap();
        assert!(!muxer.segment(&[&chunk], None).unwrap().bytes.is_empty());
    }
    // A configuration that no table of a packet holds.
    let config = [&[0x11, 0x90][..], &[0; 200]].concat();
    let long = crate::cmaf::aac::Configuration::of_bytes(&config, 2)
        .unwrap()
        .entry(None)
        .unwrap();
    let error = Muxer::new(&[TrackDescription {
        entry: &long.bytes,
        ..sound.description()
    }]);
    assert!(error.err().unwrap().contains("longer than any"));
}

#[test]
fn samples_stay_in_order_whatever_their_offsets() {
    let sound = Clip::new(AC3);
    let mut chunk = sound.media.chunks[0].clone();
    for (number, sample) in chunk.samples.iter_mut().enumerate() {
        sample.composition_offset = -(number as i32) * 1_000_000;
    }
    let mut muxer = Muxer::new(&[sound.description()]).unwrap();
    let mut accesses = Vec::new();
    muxer.tracks[0].accesses(0, &chunk, &mut accesses);
    assert!(accesses.is_sorted_by_key(|access| access.dts));
}
