//! Cues are cut where the video is cut: each is in every segment that it overlaps, and in no other, with its own times.
#![no_main]

mod cues;
#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;
mod input;

use std::fmt::Write as _;

use encoder::fuzzing::Files;
use encoder::fuzzing::text::Track;
use libfuzzer_sys::fuzz_target;

/// Bytes of heap.
const MOST: usize = 32 << 20;

fuzz_target!(|bytes: &[u8]| heap::within(MOST, || read(bytes)));

fn read(bytes: &[u8]) {
    let mut input = input::Input(bytes);
    let timescale = input.any() as u32;
    let longest = input.flag().then(|| input.any() as u32);
    let (mut video, mut at) = (Vec::new(), 0_u64);
    for _ in 0..input.u8() % 64 {
        video.push(at);
        at = at.saturating_add(input.any().saturating_mul(u64::from(timescale) / 4));
    }
    video.push(at);
    let mut file = String::from("WEBVTT\n\n");
    let mut count = 0;
    while !input.is_empty() && count < 64 {
        let (start, length) = (input.any().saturating_mul(100), input.any().saturating_mul(100));
        let times = [start, start.saturating_add(length)].map(|ms| {
            let ms = ms.min(999_999 * 3_600_000);
            format!(
                "{:02}:{:02}:{:02}.{:03}",
                ms / 3_600_000,
                ms / 60_000 % 60,
                ms / 1000 % 60,
                ms % 1000
            )
        });
        let _ = writeln!(file, "{} --> {}\ncue {count}\n", times[0], times[1]);
        count += 1;
    }
    let track = Track::read(file.as_bytes(), true);
    assert_eq!(track.cues().count(), count);
    let files = Files::default();
    let cuts = (timescale, video.as_slice(), longest);
    let segments = track.segments(cuts, 126_000, &files).expect("memory is there");
    let files = files.into_inner();
    assert_eq!(files.len(), segments.len());
    check_cuts(&segments, &video);
    let ms = |ticks: u64| {
        let ms = (u128::from(ticks) * 1000).div_ceil(u128::from(timescale.max(1)));
        u64::try_from(ms).unwrap_or(u64::MAX)
    };
    let film_end = segments
        .last()
        .map_or(0, |(start, duration)| ms(start + duration));
    for (number, (start, duration)) in (1..).zip(&segments) {
        let vtt = cues::read(&files[&format!("text/{number}.vtt")]);
        let found: Vec<_> = vtt
            .cues()
            .map(|cue| {
                (
                    cue.start.as_micros() / 1000,
                    cue.end.as_micros() / 1000,
                    cue.id.to_owned(),
                )
            })
            .collect();
        let expected: Vec<_> = track
            .cues()
            .filter(|(from, to, ..)| *from < ms(start + duration) && *to > ms(*start))
            .map(|(from, to, id, ..)| (from as i64, to.min(film_end) as i64, id.to_owned()))
            .collect();
        assert_eq!(found, expected, "segment {number}");
    }
}

/// Segments follow each other from the video's start to its end, each a whole number of the video's.
fn check_cuts(segments: &[(u64, u64)], video: &[u64]) {
    let (first, last) = (video[0], video[video.len() - 1]);
    let mut end = first;
    for (start, duration) in segments {
        assert!(*start == end && *duration > 0);
        end = start + duration;
        assert!(video.contains(&end));
    }
    assert_eq!(end, last.max(first));
}
