//! What an encoding of a plain source looks like: boxes, alignment, times, manifests, pictures.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Bench, Track, boxes, run_ffmpeg, skipped};
use encoder::protect::{KeyPlan, KeySharing, Licensing, ProtectOptions, Schedule, Scheme};
use encoder::remux::{PackageOptions, package};
use m3u8_rs::{AlternativeMediaType, Playlist};
use mp4_atom::{Any, Codec};

const LADDER: &str = "360p:600k,240p:300k,audio:96k";

#[test]
fn boxes_say_what_is_in_them() {
    let bench = Bench::new();
    let source = bench.sample(3, 640, 360);
    let summary = bench.encode(&source, LADDER);
    let out = bench.path("out");

    let init = boxes(&out.join("360p/init.mp4"));
    let Any::Ftyp(ftyp) = &init[0] else {
        panic!("no ftyp")
    };
    assert!(ftyp.compatible_brands.contains(&(*b"cmfc").into()));
    let video = Track::read(&out, "360p");
    let Codec::Avc1(avc1) = &video.moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else {
        panic!("no avc1")
    };
    assert_eq!((avc1.visual.width, avc1.visual.height), (640, 360));
    assert_eq!(avc1.avcc.length_size, 4);
    let sps = &avc1.avcc.sequence_parameter_sets[0];
    assert_eq!(
        summary.renditions[0].codecs,
        format!("avc1.{:02x}{:02x}{:02x}", sps[1], sps[2], sps[3])
    );
    assert_eq!(video.timescale(), 90_000.0);
    let mvex = video.moov.mvex.as_ref().unwrap();
    assert_eq!(mvex.mehd.as_ref().unwrap().fragment_duration, 270_000);
    for sample in video.samples() {
        let nal_kinds = nal_kinds(&sample.data);
        assert!(
            !nal_kinds.iter().any(|kind| [7, 8, 9].contains(kind)),
            "parameter sets are in avcC alone"
        );
        assert_eq!(nal_kinds.contains(&5), sample.is_sync);
    }

    let audio = Track::read(&out, "audio");
    let Codec::Mp4a(mp4a) = &audio.moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else {
        panic!("no mp4a")
    };
    assert_eq!(
        mp4a.esds
            .es_desc
            .dec_config
            .dec_specific
            .as_ref()
            .unwrap()
            .freq_index,
        3
    );
    assert_eq!(skipped(&audio.moov), 1024, "the encoder's priming");
    let segment = boxes(&out.join("audio/1.m4s"));
    let Any::Styp(styp) = &segment[0] else {
        panic!("no styp")
    };
    assert!(styp.compatible_brands.contains(&(*b"cmfc").into()));
}

#[test]
fn sample_entries_say_the_rates_that_were_measured() {
    let bench = Bench::new();
    let source = bench.sample(3, 320, 180);
    let mut options = bench.options(&source, "180p:300k,audio:64k");
    options.threads = 1;
    encoder::vod::encode(&options, &mut |_| {}).unwrap();
    let out = bench.path("out");
    let video = Track::read(&out, "180p");
    let Codec::Avc1(avc1) = &video.moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else {
        panic!("no avc1")
    };
    let (largest, most, mean) = rates(&video);
    let btrt = avc1.btrt.as_ref().unwrap();
    assert_eq!((btrt.max_bitrate, btrt.avg_bitrate), (most, mean));
    // A decoder must hold what the rate control may gather: one and a half seconds.
    assert_eq!(btrt.buffer_size_db, largest.max(300_000 * 3 / 2 / 8));
    assert_ne!(mean, 300_000, "not what was aimed at");
    let audio = Track::read(&out, "audio");
    let Codec::Mp4a(mp4a) = &audio.moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else {
        panic!("no mp4a")
    };
    let (largest, most, mean) = rates(&audio);
    let decoder = &mp4a.esds.es_desc.dec_config;
    assert_eq!((decoder.max_bitrate, decoder.avg_bitrate), (most, mean));
    assert_eq!(u32::from(decoder.buffer_size_db), largest);
    let btrt = mp4a.btrt.as_ref().unwrap();
    assert_eq!((btrt.max_bitrate, btrt.avg_bitrate), (most, mean));

    // The same in a single file, and in both entries of an encrypted one with a clear beginning.
    let own = fs::read(out.join("180p/init.mp4")).unwrap();
    let expected = btrts(&own);
    assert_eq!(expected.len(), 1);
    options.packaging.single_file = true;
    options.packaging.protection = Some(ProtectOptions {
        keys: KeyPlan::made(Scheme::Cbcs, KeySharing::One),
        schedule: Schedule {
            clear_lead_s: 1.0,
            crypto_period: None,
        },
        licensing: Licensing::default(),
        key_file: None,
    });
    options.out = bench.path("single").into();
    encoder::vod::encode(&options, &mut |_| {}).unwrap();
    let single = fs::read(bench.path("single/180p.mp4")).unwrap();
    assert_eq!(btrts(&single), [expected[0].clone(), expected[0].clone()]);

    // What is packaged without encoding has none of its own.
    let bare = bench.ffmpeg(
        &format!("-i {} -c copy -map 0:v -f matroska", source.display()),
        "bare.mkv",
    );
    let mut packaging = PackageOptions::new([bare], bench.path("packaged"));
    packaging.packaging.protection = options.packaging.protection.take();
    package(&packaging, &mut |_| {}).unwrap();
    let init = fs::read(bench.path("packaged/180p/init.mp4")).unwrap();
    let found = btrts(&init);
    assert!(found.len() == 2 && found[0] == found[1], "{found:?}");
    packaging.packaging.protection = None;
    packaging.force = true;
    package(&packaging, &mut |_| {}).unwrap();
    let video = Track::read(&bench.path("packaged"), "180p");
    let (largest, most, mean) = rates(&video);
    let fields = [largest, most, mean].map(u32::to_be_bytes).concat();
    assert_eq!(found[0], fields);
}

/// The largest sample in bytes; the most bits in any second, and the mean in a second.
fn rates(track: &Track) -> (u32, u32, u32) {
    let mut at = 0;
    let mut samples = Vec::new();
    for sample in track.samples() {
        samples.push((at, sample.data.len()));
        at += u64::from(sample.duration);
    }
    let second = track.timescale() as u64;
    let from = |start: u64| {
        let inside = samples
            .iter()
            .filter(|(at, _)| (start..start + second).contains(at));
        inside.map(|(_, bytes)| bytes).sum::<usize>()
    };
    let most = samples.iter().map(|(at, _)| from(*at)).max().unwrap();
    let all: usize = samples.iter().map(|(_, bytes)| bytes).sum();
    let largest = samples.iter().map(|(_, bytes)| bytes).max().unwrap();
    let mean = (all as u64 * 8 * second).div_ceil(at);
    (*largest as u32, most as u32 * 8, mean as u32)
}

/// The payloads of all `btrt` boxes.
fn btrts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let starts = bytes
        .windows(8)
        .enumerate()
        .filter(|(_, window)| *window == b"\0\0\0\x14btrt");
    starts.map(|(at, _)| bytes[at + 8..at + 20].to_vec()).collect()
}

#[test]
fn every_rung_has_the_same_idr_frames_and_sound_is_cut_beside_them() {
    let bench = Bench::new();
    let source = bench.sample(5, 640, 360);
    let mut options = bench.options(&source, LADDER);
    // A preset with reordered pictures.
    options.preset = "veryfast".to_owned();
    encoder::vod::encode(&options, &mut |_| {}).unwrap();
    let out = bench.path("out");
    let rungs = [Track::read(&out, "360p"), Track::read(&out, "240p")];
    assert!(
        rungs[0].samples().any(|sample| !sample.is_sync) && rungs[0].times() != decode_order(&rungs[0]),
        "the test needs reordered pictures"
    );
    for rung in &rungs {
        assert_eq!(rung.segments.len(), 3);
        for segment in &rung.segments {
            let first = &segment.samples[0];
            assert!(first.is_sync, "a segment starts with an IDR frame");
            assert_eq!(segment.samples.iter().filter(|sample| sample.is_sync).count(), 1);
            let earliest = segment
                .samples
                .iter()
                .map(|sample| sample.presentation_time)
                .min()
                .unwrap();
            assert_eq!(
                (earliest, first.presentation_time),
                (segment.decode_time as i64, earliest)
            );
        }
        let times = rung.times();
        let expected: Vec<i64> = (0..150).map(|frame| frame * 3000).collect();
        assert_eq!(times, expected, "from 0, without gaps");
    }
    let starts = |track: &Track| track.segments.iter().map(|s| s.decode_time).collect::<Vec<_>>();
    assert_eq!(starts(&rungs[0]), starts(&rungs[1]));
    assert_eq!(starts(&rungs[0]), [0, 180_000, 360_000]);

    let audio = Track::read(&out, "audio");
    assert_eq!(audio.segments.len(), 3);
    for (index, segment) in audio.segments.iter().enumerate().skip(1) {
        let start_s = (segment.decode_time as f64 - 1024.0) / 48_000.0;
        assert!(
            (start_s - 2.0 * index as f64).abs() <= 512.5 / 48_000.0,
            "{start_s}"
        );
    }
    let ends: Vec<i64> = audio
        .samples()
        .map(|sample| sample.presentation_time + i64::from(sample.duration))
        .collect();
    let starts: Vec<i64> = audio.samples().map(|sample| sample.presentation_time).collect();
    assert_eq!(ends[..ends.len() - 1], starts[1..], "sound has no gap");
    assert_eq!(starts[0], -1024);
    assert!((audio.end_s() - rungs[0].end_s()).abs() < 1.0 / 30.0);
}

#[test]
fn playlists_are_read_back() {
    let bench = Bench::new();
    let source = bench.sample(5, 640, 360);
    let summary = bench.encode(&source, LADDER);
    let out = bench.path("out");
    let text = fs::read(out.join("hls/master.m3u8")).unwrap();
    let Ok((_, Playlist::MasterPlaylist(master))) = m3u8_rs::parse_playlist(&text) else {
        panic!("no multivariant playlist")
    };
    assert!(master.independent_segments && master.version >= Some(6));
    assert_eq!(master.alternatives.len(), 1);
    let group = &master.alternatives[0];
    assert_eq!(group.media_type, AlternativeMediaType::Audio);
    assert_eq!(group.uri.as_deref(), Some("audio.m3u8"));
    let sizes: Vec<_> = master
        .variants
        .iter()
        .filter(|variant| !variant.is_i_frame)
        .map(|variant| {
            variant
                .resolution
                .as_ref()
                .map(|size| (size.width, size.height))
                .unwrap()
        })
        .collect();
    assert_eq!(sizes, [(640, 360), (426, 240)]);

    let table = fs::read(out.join("segments.json")).unwrap();
    let table = player_core::manifest::table::parse(&table, "https://h/v/segments.json").unwrap();
    for name in ["360p", "240p", "audio"] {
        let sizes = table.of_representation(name).unwrap();
        let playlist = format!("https://h/v/hls/{name}.m3u8");
        assert_eq!(table.of_playlist(&playlist), Some(sizes));
        assert_eq!(sizes.len(), 3);
        for n in 0..3 {
            let file = fs::metadata(out.join(format!("{name}/{}.m4s", n + 1))).unwrap();
            assert_eq!(sizes.bytes(n), Some(file.len()), "{name} {n}");
        }
    }
    for manifest in ["hls/master.m3u8", "dash/manifest.mpd"] {
        let text = fs::read(out.join(manifest)).unwrap();
        let read = player_core::manifest::parse(&text, &format!("https://h/v/{manifest}")).unwrap();
        assert_eq!(read.segment_table.as_deref(), Some("https://h/v/segments.json"));
    }

    let (audio_peak, audio_mean) = measured(&out, "audio", 2.0);
    for (variant, rendition) in master.variants.iter().zip(["360p", "240p"]) {
        let (peak, mean) = measured(&out, rendition, 2.0);
        let close = |declared: u64, measured: f64| (declared as f64 / measured - 1.0).abs() < 0.01;
        assert!(
            close(variant.bandwidth, peak + audio_peak),
            "{} {peak} {audio_peak}",
            variant.bandwidth
        );
        assert!(close(variant.average_bandwidth.unwrap(), mean + audio_mean));
        assert_eq!(variant.frame_rate, Some(30.0));
        assert_eq!(variant.audio.as_deref(), Some("audio"));
        let summarized = summary
            .renditions
            .iter()
            .find(|summary| summary.name == rendition)
            .unwrap();
        assert_eq!(
            variant.codecs.as_deref(),
            Some(format!("{},mp4a.40.2", summarized.codecs).as_str())
        );
    }

    for name in ["360p", "240p", "audio"] {
        let text = fs::read(out.join(format!("hls/{name}.m3u8"))).unwrap();
        let Ok((_, Playlist::MediaPlaylist(media))) = m3u8_rs::parse_playlist(&text) else {
            panic!("no media playlist")
        };
        assert!(media.end_list && media.independent_segments && media.version >= Some(6));
        assert_eq!(media.playlist_type, Some(m3u8_rs::MediaPlaylistType::Vod));
        assert_eq!(
            media.segments[0].map.as_ref().unwrap().uri,
            format!("../{name}/init.mp4")
        );
        let track = Track::read(&out, name);
        assert_eq!(media.segments.len(), track.segments.len());
        let mut total_s = 0.0;
        for segment in &media.segments {
            assert!(out.join("hls").join(&segment.uri).is_file(), "{}", segment.uri);
            assert!(f64::from(segment.duration).round() as u64 <= media.target_duration);
            let bytes = fs::metadata(out.join("hls").join(&segment.uri)).unwrap().len();
            let kbps = bytes as f64 * 8.0 / 1000.0 / f64::from(segment.duration);
            let tag = segment
                .unknown_tags
                .iter()
                .find(|tag| tag.tag == "X-BITRATE")
                .unwrap();
            let declared: f64 = tag.rest.as_ref().unwrap().parse().unwrap();
            assert!((declared - kbps).abs() <= 1.0, "{declared} {kbps}");
            total_s += f64::from(segment.duration);
        }
        assert!(
            (total_s - track.end_s()).abs() < 1e-3,
            "{name}: {total_s} {}",
            track.end_s()
        );
    }
}

#[test]
fn the_mpd_is_read_back_and_valid() {
    let bench = Bench::new();
    let source = bench.sample(5, 640, 360);
    bench.encode(&source, LADDER);
    let out = bench.path("out");
    let path = out.join("dash/manifest.mpd");
    let mpd = dash_mpd_core::parse(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(mpd.mpdtype.as_deref(), Some("static"));
    let sets = &mpd.periods[0].adaptations;
    assert_eq!(sets.len(), 3);
    assert_eq!(sets[2].contentType.as_deref(), Some("image"));
    let mut longest_s = 0.0_f64;
    for (set, names) in sets.iter().zip([&["360p", "240p"][..], &["audio"]]) {
        let template = set.SegmentTemplate.as_ref().unwrap();
        let timescale = template.timescale.unwrap() as f64;
        let ids: Vec<_> = set
            .representations
            .iter()
            .map(|r| r.id.as_deref().unwrap())
            .collect();
        assert_eq!(ids, names);
        for name in names {
            let track = Track::read(&out, name);
            assert_eq!(track.timescale(), timescale);
            // The timeline is the presentation time of each segment's first sample.
            let mut time = 0;
            let mut number = 0;
            for run in &template.SegmentTimeline.as_ref().unwrap().segments {
                time = run.t.unwrap_or(time);
                for _ in 0..=run.r.unwrap_or(0) {
                    let first = track.segments[number].samples[0].presentation_time.max(0);
                    assert_eq!(time as i64, first, "{name} {number}");
                    time += run.d;
                    number += 1;
                }
            }
            assert_eq!(number, track.segments.len());
            assert!((time as f64 / timescale - track.end_s()).abs() < 1e-6);
            longest_s = longest_s.max(track.end_s());
        }
    }
    let declared_s = mpd.mediaPresentationDuration.unwrap().as_secs_f64();
    assert!((declared_s - longest_s).abs() < 0.002, "{declared_s} {longest_s}");

    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/dash-schema/DASH-MPD.xsd");
    let validator = Command::new("xmllint")
        .args(["--nonet", "--noout", "--schema"])
        .arg(&schema)
        .arg(&path)
        .output();
    match validator {
        Ok(output) if schema.exists() => {
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        _ => println!("skipped: validation needs xmllint and ../shared/dash-schema"),
    }
}

#[test]
fn every_rung_shows_the_source_and_decodes_without_a_warning() {
    let bench = Bench::new();
    let source = bench.sample(3, 640, 360);
    bench.encode(&source, "360p:2500k,240p:1200k");
    for rendition in ["360p", "240p"] {
        let joined = bench.joined(rendition);
        let noise = run_ffmpeg(&format!("-v warning -i {} -f null -", joined.display()));
        assert_eq!(noise, "");
        let report = run_ffmpeg(&format!(
            "-i {} -i {} -lavfi \"[0:v]setpts=N,scale=640:360:flags=bicubic[a];[1:v]setpts=N[b];[a][b]ssim\" -f null -",
            joined.display(),
            source.display()
        ));
        let all = report
            .rsplit_once("All:")
            .unwrap()
            .1
            .split_whitespace()
            .next()
            .unwrap();
        let ssim: f64 = all.parse().unwrap();
        let least = if rendition == "360p" { 0.93 } else { 0.75 };
        assert!(ssim > least, "{rendition}: SSIM {ssim}");
    }
    let noise = run_ffmpeg(&format!(
        "-v warning -i {} -f null -",
        bench.joined("audio").display()
    ));
    assert_eq!(noise, "");
}

#[test]
fn one_thread_gives_the_same_bytes_twice() {
    let bench = Bench::new();
    let source = bench.sample(2, 320, 180);
    let mut options = bench.options(&source, "180p:200k");
    options.threads = 1;
    let mut runs = Vec::new();
    for _ in 0..2 {
        options.force = true;
        encoder::vod::encode(&options, &mut |_| {}).unwrap();
        let names = [
            "180p/init.mp4",
            "180p/1.m4s",
            "audio/1.m4s",
            "hls/master.m3u8",
            "dash/manifest.mpd",
            "segments.json",
        ];
        runs.push(names.map(|name| fs::read(bench.path("out").join(name)).unwrap()));
    }
    assert!(runs[0] == runs[1]);
}

fn decode_order(track: &Track) -> Vec<i64> {
    track.samples().map(|sample| sample.presentation_time).collect()
}

fn nal_kinds(mut data: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        kinds.push(rest[0] & 0x1f);
        data = &rest[length..];
    }
    kinds
}

/// Peak and mean bit/s by the files' sizes; the peak over segments of at least half the target duration.
fn measured(out: &Path, rendition: &str, target_s: f64) -> (f64, f64) {
    let track = Track::read(out, rendition);
    let mut starts: Vec<f64> = track
        .segments
        .iter()
        .map(|segment| segment.samples[0].presentation_time.max(0) as f64 / track.timescale())
        .collect();
    starts.push(track.end_s());
    let bits: Vec<f64> = (1..starts.len())
        .map(|number| {
            fs::metadata(out.join(format!("{rendition}/{number}.m4s")))
                .unwrap()
                .len() as f64
                * 8.0
        })
        .collect();
    let peak = bits
        .iter()
        .zip(starts.windows(2))
        .filter(|(_, window)| window[1] - window[0] >= target_s / 2.0)
        .map(|(bits, window)| bits / (window[1] - window[0]))
        .fold(0.0, f64::max);
    (peak, bits.iter().sum::<f64>() / track.end_s())
}
