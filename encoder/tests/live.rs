//! Live encoding of a file that is played for ever: parts as a player needs them.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/live.rs"]
mod live;

use std::time::{Duration, UNIX_EPOCH};

use common::{Bench, ffmpeg_bytes, run_ffmpeg};
use encoder::live::{LiveError, LiveEvent, TrackKind};
use encoder::protect::{
    CryptoPeriod, KeyPlan, KeySharing, Licensing, ProtectOptions, Schedule, Scheme, System,
};
use live::{Collector, Kept, Told, capture, options, play};

#[test]
fn a_file_goes_on_over_its_end() {
    let bench = Bench::new();
    // Sound a little longer than the pictures, and both no whole segment.
    let clip = bench.ffmpeg(
        "-f lavfi -i testsrc2=s=640x360:r=30:d=1.7 -f lavfi -i sine=440:r=44100:d=1.75 \
         -c:v libx264 -preset ultrafast -g 30 -bf 2 -c:a aac",
        "clip.mp4",
    );
    let options = options("360p:500k,180p:200k:15fps,audio:96k");
    let sink = Collector::until(6.2, &options);
    let told = Told::default();
    let tell = |event| told.tell(event);
    play(&clip, true, &options, &sink, &tell).unwrap();

    let takes = sink.takes();
    assert_eq!((takes.len(), sink.ends()), (1, 1));
    let kept = &takes[0];
    kept.check();
    let names: Vec<_> = kept.take.tracks.iter().map(|track| track.name.as_str()).collect();
    assert_eq!(names, ["360p", "180p", "audio"]);
    let TrackKind::Video { frame_rate, .. } = kept.take.tracks[1].kind else {
        panic!("no picture");
    };
    assert_eq!(frame_rate, (15, 1));
    assert_eq!(kept.take.segment_target, Duration::from_secs(2));
    // Three whole segments of six parts, and sound that ends where the pictures do.
    for track in 0..2 {
        let parts = &kept.parts[track];
        assert!(parts.len() >= 18, "{}", parts.len());
        assert!(parts[..18].chunks(6).all(|segment| {
            segment.iter().map(|part| part.last).collect::<Vec<_>>()
                == [false, false, false, false, false, true]
        }));
        assert!(
            parts[..18]
                .iter()
                .enumerate()
                .all(|(index, part)| part.independent == (index % 6 == 0))
        );
    }
    assert!((kept.seconds(0) - kept.seconds(2)).abs() < 0.4);

    // Everything decodes, and nothing is missing or there twice.
    let video = kept.joined(0, bench.dir.path());
    let frames = run_ffmpeg(&format!("-v error -i {} -f framemd5 -", video.display()));
    let frames: Vec<_> = frames.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(frames.len() as f64, (kept.seconds(0) * 30.0).round());
    let rung = kept.joined(1, bench.dir.path());
    assert_eq!(
        run_ffmpeg(&format!("-v error -i {} -f null -", rung.display())),
        ""
    );
    let sound = kept.joined(2, bench.dir.path());
    assert_eq!(
        run_ffmpeg(&format!("-v error -i {} -f null -", sound.display())),
        ""
    );

    // No whole segment needs more than is declared.
    for (track, parts) in kept.take.tracks.iter().zip(&kept.parts) {
        let (mut bits, mut seconds) = (0.0, 0.0);
        for part in parts {
            bits += part.bytes.len() as f64 * 8.0;
            seconds += f64::from(part.duration) / f64::from(track.timescale);
            if part.last {
                if seconds > 1.9 {
                    let rate = bits / seconds;
                    assert!(
                        rate <= track.bandwidth as f64,
                        "{}: {rate} of {}",
                        track.name,
                        track.bandwidth
                    );
                }
                (bits, seconds) = (0.0, 0.0);
            }
        }
    }

    let events = told.all();
    let budget = events.iter().find_map(|event| match event {
        LiveEvent::Take { budget, part_ms, .. } => Some((*budget, *part_ms)),
        _ => None,
    });
    let (budget, part_ms) = budget.unwrap();
    // Sixteen frames of sound at 48 kHz.
    assert_eq!((part_ms, budget.hold_back_ms), (342, 1026));
    assert!(
        events
            .iter()
            .any(|event| matches!(event, LiveEvent::Status { .. }))
    );
}

#[test]
fn the_loudness_goes_on_over_the_end_of_a_file() {
    let bench = Bench::new();
    let clip = bench.ffmpeg(
        "-f lavfi -i testsrc2=s=320x180:r=25:d=1.2 -f lavfi -i sine=1000:r=48000:d=1.2 \
         -c:v libx264 -preset ultrafast -c:a aac",
        "clip.mp4",
    );
    let options = options("180p:200k,audio:96k");
    let sink = Collector::until(4.0, &options);
    play(&clip, true, &options, &sink, &|_| {}).unwrap();
    let kept = &sink.takes()[0];
    kept.check();
    let sound = kept.joined(1, bench.dir.path());
    // No silence of a tenth of a second anywhere.
    let found = run_ffmpeg(&format!(
        "-i {} -af silencedetect=n=-40dB:d=0.1 -f null -",
        sound.display()
    ));
    assert!(!found.contains("silence_start"), "{found}");
}

#[test]
fn silence_takes_the_place_of_sound_that_is_missing() {
    let bench = Bench::new();
    let clip = bench.ffmpeg(
        "-f lavfi -i testsrc2=s=320x180:r=25:d=3 -c:v libx264 -preset ultrafast",
        "clip.mp4",
    );
    let options = options("180p:200k,audio:96k");
    let sink = Collector::new();
    play(&clip, false, &options, &sink, &|_| {}).unwrap();
    let kept = &sink.takes()[0];
    kept.check();
    assert!((kept.seconds(0) - 3.0).abs() < 1e-6);
    assert!(kept.seconds(1) > 2.8, "{}", kept.seconds(1));
}

#[test]
fn silence_follows_sound_that_ends_early() {
    let bench = Bench::new();
    let clip = bench.ffmpeg(
        "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -f lavfi -i sine=1000:r=48000:d=2 \
         -c:v libx264 -preset ultrafast -c:a aac",
        "clip.mp4",
    );
    let options = options("180p:200k,audio:96k");
    let sink = Collector::new();
    play(&clip, false, &options, &sink, &|_| {}).unwrap();
    let kept = &sink.takes()[0];
    kept.check();
    assert!(kept.seconds(1) > 3.3, "{}", kept.seconds(1));
    let sound = kept.joined(1, bench.dir.path());
    let found = run_ffmpeg(&format!(
        "-i {} -af silencedetect=n=-40dB:d=0.5 -f null -",
        sound.display()
    ));
    let start = found.split("silence_start: ").nth(1).unwrap();
    let start: f64 = start.split_whitespace().next().unwrap().parse().unwrap();
    assert!((1.9..2.2).contains(&start), "{found}");
}

#[test]
fn the_burnt_clock_is_read_from_small_pictures_of_few_bits() {
    let bench = Bench::new();
    let clip = bench.ffmpeg(
        "-f lavfi -i testsrc2=s=1280x720:r=30:d=2 -f lavfi -i sine -t 2 -c:v libx264 -preset ultrafast -c:a aac",
        "clip.mp4",
    );
    let mut options = options("360p:200k,audio:64k");
    options.burns_clock = true;
    let sink = Collector::until(3.0, &options);
    play(&clip, true, &options, &sink, &|_| {}).unwrap();
    let kept = &sink.takes()[0];
    kept.check();
    let path = kept.joined(0, bench.dir.path());
    let luma = ffmpeg_bytes(&format!("-i {} -f rawvideo -pix_fmt gray -", path.display()));
    let wall = kept.take.wall.duration_since(UNIX_EPOCH).unwrap().as_micros();
    let frames: Vec<_> = luma.chunks_exact(640 * 360).collect();
    assert!(frames.len() >= 90);
    for (number, frame) in (0_u128..).zip(&frames) {
        let captured_ms = (wall + number * 1_000_000 / 30) / 1000;
        let read = read_clock(frame, 640).unwrap_or_else(|| panic!("nothing in frame {number}"));
        assert!(
            (captured_ms % (1 << 28)).abs_diff(u128::from(read)) <= 1,
            "frame {number}: {read} for {captured_ms}"
        );
    }
    // The same time as in `prft`.
    let first = capture(&kept.parts[0][0])
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    assert!((first % (1 << 28)).abs_diff(u128::from(read_clock(frames[0], 640).unwrap())) <= 1);
}

/// Reads the clock as `encoder::live::clock` says, of luma of this width.
fn read_clock(luma: &[u8], width: usize) -> Option<u32> {
    let edge = |cell: f64| (width as f64 * cell / 40.0).round() as usize;
    let mean = |cell: usize| {
        let column = 4.0 + cell as f64;
        let (mut sum, mut count) = (0_u64, 0_u64);
        for y in edge(1.25)..edge(1.75) {
            for x in edge(column + 0.25)..edge(column + 0.75) {
                sum += u64::from(luma[y * width + x]);
                count += 1;
            }
        }
        sum as f64 / count as f64
    };
    let (white, black) = (mean(0), mean(1));
    if white - black < 64.0 {
        return None;
    }
    let bit = |cell: usize| u32::from(mean(cell) > (white + black) / 2.0);
    let gray = (2..30).fold(0_u32, |gray, cell| gray << 1 | bit(cell));
    let parity = gray.count_ones() % 2;
    if bit(30) != parity || bit(31) == parity {
        return None;
    }
    let mut millis = gray;
    for shift in [1, 2, 4, 8, 16] {
        millis ^= millis >> shift;
    }
    Some(millis)
}

#[test]
fn what_cannot_be_encoded_is_said_at_once() {
    let bench = Bench::new();
    let clip = bench.ffmpeg("-f lavfi -i testsrc2=d=1 -c:v libx264", "clip.mp4");
    let refused = |ladder: &str, change: &dyn Fn(&mut encoder::live::LiveOptions)| {
        let mut options = options(ladder);
        change(&mut options);
        match play(&clip, false, &options, &Collector::new(), &|_| {}) {
            Err(LiveError::BadOption { option, reason }) => format!("{option}: {reason}"),
            Err(other) => panic!("{other}"),
            Ok(()) => panic!("taken"),
        }
    };
    assert!(refused("360p:500k:h265", &|_| {}).contains("H.264"));
    assert!(refused("360p:500k,audio:64k:opus", &|_| {}).contains("AAC"));
    assert!(refused("360p:500k", &|options| options.part_ms = 100).contains("200 to 500"));
    assert!(refused("360p:500k", &|options| options.segment_s = 0.5).contains("1 to 10"));
    assert!(refused("360p:500k", &|options| options.preset = "warp".to_owned()).contains("veryfast"));

    let sound = bench.ffmpeg("-f lavfi -i sine -t 1 -c:a aac", "sound.mp4");
    let error = play(&sound, true, &options("360p:500k"), &Collector::new(), &|_| {}).unwrap_err();
    assert!(matches!(error, LiveError::NoPicture), "{error}");
}

#[test]
fn rungs_that_the_machine_is_too_slow_for_are_left_out() {
    let bench = Bench::new();
    let clip = bench.ffmpeg(
        "-f lavfi -i testsrc2=s=1920x1080:r=50:d=2 -c:v libx264 -preset ultrafast",
        "clip.mp4",
    );
    // One thread does not do this fifty times a second, anywhere.
    let mut options = options("1080p:8M:placebo,180p:200k");
    (options.keeps_rungs, options.threads) = (false, 1);
    let sink = Collector::new();
    let told = Told::default();
    play(&clip, false, &options, &sink, &|event| told.tell(event)).unwrap();
    let dropped = told.all().into_iter().find_map(|event| match event {
        LiveEvent::Dropped {
            renditions, reason, ..
        } => Some((renditions, reason)),
        _ => None,
    });
    let (renditions, reason) = dropped.unwrap();
    assert_eq!(renditions, ["1080p"]);
    assert!(reason.contains("14.0 ms are there"), "{reason}");
    let takes = sink.takes();
    assert!(!takes.is_empty());
    for kept in &takes {
        kept.check();
        let names: Vec<_> = kept.take.tracks.iter().map(|track| track.name.as_str()).collect();
        assert_eq!(names, ["180p", "audio"]);
    }
}

/// Encrypts two whole segments and a bit, by `schedule`; gives the folder, what came, and the key file's entries.
fn encrypted(schedule: Schedule) -> (Bench, Kept, Vec<serde_json::Value>) {
    let bench = Bench::new();
    let clip = bench.ffmpeg(
        "-f lavfi -i testsrc2=s=320x180:r=25:d=2 -f lavfi -i sine=d=2 -c:v libx264 -preset ultrafast -c:a aac",
        "clip.mp4",
    );
    let mut options = options("180p:200k,audio:96k");
    let key_file = bench.path("keys.json");
    options.protection = Some(ProtectOptions {
        keys: KeyPlan::made(Scheme::Cbcs, KeySharing::PerType),
        schedule,
        licensing: Licensing {
            systems: vec![System::Common],
            ..Licensing::default()
        },
        key_file: Some(key_file.clone()),
    });
    let sink = Collector::until(4.5, &options);
    play(&clip, true, &options, &sink, &|_| {}).unwrap();
    let kept = sink.takes().remove(0);
    kept.check();
    let keys: serde_json::Value = serde_json::from_slice(&std::fs::read(key_file).unwrap()).unwrap();
    (bench, kept, keys["keys"].as_array().unwrap().clone())
}

fn key_of(keys: &[serde_json::Value], label: &str, period: u64) -> (String, String) {
    let of =
        |key: &&serde_json::Value| key["label"] == label && key["period"].as_u64().unwrap_or(0) == period;
    let key = keys
        .iter()
        .find(of)
        .unwrap_or_else(|| panic!("no key for {label} {period}"));
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    (text("kid"), text("key"))
}

#[test]
fn an_encrypted_stream_is_decrypted_by_its_key_alone() {
    let (bench, kept, keys) = encrypted(Schedule::default());
    // Told once for each track, before its first part.
    let told: Vec<_> = kept
        .keys
        .iter()
        .map(|(track, before, _)| (*track, *before))
        .collect();
    assert_eq!(told.len(), 2);
    assert!(told.contains(&(0, 0)) && told.contains(&(1, 0)));
    assert!(kept.keys[0].2[0].starts_with("#EXT-X-KEY:METHOD=SAMPLE-AES,"));
    let Some(ffmpeg) = std::env::var_os("HEADGATE_FFMPEG_NEW") else {
        eprintln!("skipped: HEADGATE_FFMPEG_NEW is not set");
        return;
    };
    for (track, label) in [(0, "video"), (1, "audio")] {
        let path = kept.joined(track, bench.dir.path());
        let (_, key) = key_of(&keys, label, 0);
        let decoded = |key: &str| {
            let output = std::process::Command::new(&ffmpeg)
                .args(["-v", "error", "-decryption_key", key, "-i"])
                .arg(&path)
                .args(["-f", "null", "-"])
                .output()
                .unwrap();
            output.status.success() && output.stderr.is_empty()
        };
        assert!(decoded(&key), "{label}");
        assert!(!decoded("00112233445566778899aabbccddeeff"), "{label}");
    }
}

#[test]
fn keys_change_with_the_segments_and_are_known_before() {
    let (_bench, kept, keys) = encrypted(Schedule {
        clear_lead_s: 0.0,
        crypto_period: Some(CryptoPeriod::Segments(1)),
    });
    let told = |track: usize| {
        let of = kept.keys.iter().filter(move |(other, ..)| *other == track);
        of.map(|(_, before, tags)| (*before, tags[0].clone()))
            .collect::<Vec<_>>()
    };
    let pictures = told(0);
    // Segments have seven parts.
    let before: Vec<_> = pictures.iter().map(|(before, _)| *before).collect();
    assert_eq!(before, [0, 7, 14]);
    assert!(pictures[0].1 != pictures[1].1 && pictures[1].1 != pictures[2].1);
    assert!(told(1).len() >= 3);
    // The next period's keys are there already.
    for period in 0..4 {
        let (id, _) = key_of(&keys, "video", period);
        let (other, _) = key_of(&keys, "audio", period);
        let has = |part: &encoder::live::Part, id: &str| {
            let id: Vec<u8> = (0..16)
                .map(|at| u8::from_str_radix(&id[at * 2..at * 2 + 2], 16).unwrap())
                .collect();
            part.bytes.windows(16).any(|bytes| bytes == id)
        };
        let first = usize::try_from(period).unwrap() * 7;
        let Some(parts) = kept.parts[0].get(first..(first + 7).min(kept.parts[0].len())) else {
            continue;
        };
        for (index, part) in parts.iter().enumerate() {
            assert!(has(part, &id), "part {index} of period {period}");
            // The `pssh`, which names the keys of all tracks, is in the first part of a segment.
            assert_eq!(has(part, &other), index == 0, "part {index} of period {period}");
        }
    }
}
