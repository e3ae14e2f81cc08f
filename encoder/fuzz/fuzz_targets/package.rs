//! Manifests of any segments are read again by a player and by others: the same segments with the same times and bytes.
#![no_main]

#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;
mod input;

use std::collections::BTreeMap;

use encoder::fuzzing::manifest::{Made, MadeSegment, manifests};
use libfuzzer_sys::fuzz_target;
use player_core::manifest::hls::MediaPlaylist;
use player_core::manifest::{parse, table};
use player_core::presentation::SegmentSource;

/// Bytes of heap.
const MOST: usize = 64 << 20;
const PLACE: &str = "https://host.example/v";

fuzz_target!(|bytes: &[u8]| heap::within(MOST, || read(bytes)));

fn read(bytes: &[u8]) {
    let mut input = input::Input(bytes);
    let mode = input.u8();
    let (is_single, in_ts, constant) = (mode & 1 != 0, mode & 3 == 2, mode & 4 != 0);
    let made: Vec<Made> = (0..1 + (mode >> 4 & 3))
        .map(|number| rendition(&mut input, number, is_single))
        .collect();
    let texts: Vec<_> = (0..mode >> 6)
        .map(|_| (String::from("en"), input.text()))
        .collect();
    let files = manifests(&made, &texts, (constant, in_ts)).expect("numbers are finite");
    let of = |name: &str| files[name].as_slice();
    for made in &made {
        let playlist = of(&format!("hls/{}.m3u8", made.name));
        check_media(playlist, made, in_ts);
        if made.segments.iter().any(|segment| !segment.key_frames.is_empty()) {
            check_i_frames(of(&format!("hls/{}.iframes.m3u8", made.name)), made);
        }
    }
    check_table(of("segments.json"), &made);
    check_multivariant(of("hls/master.m3u8"), &made);
    check_mpd(of("dash/manifest.mpd"), &made, constant);
}

fn rendition(input: &mut input::Input<'_>, number: u8, is_single: bool) -> Made {
    let flags = input.u8();
    let timescale = [90_000, 48_000, 30_000, 1 + input.u32() % 1_000_000][usize::from(flags & 3)];
    let head = is_single.then(|| [1 + input.any() % 100_000, 1 + input.any() % 100_000]);
    let mut offset = head.map_or(0, |[init, index]| init + index);
    let mut start = 0;
    let segments = (0..1 + input.u8() % 48).map(|_| {
        // A hundredth of a second to ten.
        let duration = 1 + u64::from(timescale) / 100 + u64::from(input.u16()) * u64::from(timescale) / 6554;
        let bytes = 1 + input.any() % (1 << 30);
        let first = input.any() % bytes;
        let length = bytes - first;
        let key_frames = match flags & 4 {
            0 => Vec::new(),
            _ => vec![[start, first, length]],
        };
        let quality = (flags & 8 != 0).then(|| f64::from(input.u16()) / 655.35);
        let segment = MadeSegment {
            start,
            duration,
            offset: if is_single { offset } else { 0 },
            bytes,
            quality,
            key_frames,
        };
        (start, offset) = (start + duration, offset + bytes);
        segment
    });
    let segments = segments.collect();
    Made {
        name: format!("r{number}"),
        size: (number == 0 || flags & 16 != 0).then_some([640, 360]),
        language: (flags & 32 != 0).then(|| "de".to_owned()),
        label: input.text(),
        timescale,
        head,
        segments,
    }
}

fn check_media(playlist: &[u8], made: &Made, in_ts: bool) {
    let read =
        MediaPlaylist::read(playlist, &format!("{PLACE}/hls/{}.m3u8", made.name), None).expect("a playlist");
    assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    assert!(read.ended() && read.index.len() == made.segments.len());
    let other = m3u8_rs::parse_media_playlist_res(playlist).expect("a playlist");
    assert_eq!(other.segments.len(), made.segments.len());
    for (position, segment) in made.segments.iter().enumerate() {
        let found = read.index.get(position).expect("it is there");
        let us = segment.duration as f64 * 1e6 / f64::from(made.timescale);
        assert!(
            ((found.end - found.start).as_micros() as f64 - us).abs() <= 1.0,
            "segment {position} lasts {us}"
        );
        let range = found.resource.range.map(|range| (range.offset, range.length));
        let expected = made.head.map(|_| (segment.offset, segment.bytes));
        assert_eq!(range, expected.filter(|_| !in_ts));
        let name = match (made.head, in_ts) {
            (_, true) => format!("{PLACE}/{}/{}.ts", made.name, position + 1),
            (None, _) => format!("{PLACE}/{}/{}.m4s", made.name, position + 1),
            (Some(_), _) => format!("{PLACE}/{}.mp4", made.name),
        };
        assert_eq!(found.resource.url, name);
        assert!((f64::from(other.segments[position].duration) * 1e6 - us).abs() <= 2.0);
        assert!((us / 1e6).round() as u64 <= other.target_duration);
    }
}

fn check_i_frames(playlist: &[u8], made: &Made) {
    let other = m3u8_rs::parse_media_playlist_res(playlist).expect("a playlist");
    assert!(other.i_frames_only && other.segments.len() == made.segments.len());
    for (found, segment) in other.segments.iter().zip(&made.segments) {
        let range = found.byte_range.as_ref().expect("a range");
        let [_, offset, bytes] = segment.key_frames[0];
        assert_eq!(
            (range.offset, range.length),
            (Some(segment.offset + offset), bytes)
        );
    }
}

fn check_table(json: &[u8], made: &[Made]) {
    let table = table::parse(json, &format!("{PLACE}/segments.json")).expect("a table");
    for made in made {
        let sizes = table.of_representation(&made.name).expect("a row");
        assert_eq!(
            table.of_playlist(&format!("{PLACE}/hls/{}.m3u8", made.name)),
            Some(sizes)
        );
        for (position, segment) in made.segments.iter().enumerate() {
            assert_eq!(sizes.bytes(position), Some(segment.bytes));
            // The player keeps fewer digits.
            let quality = (sizes.quality(position), segment.quality);
            assert!(match quality {
                (Some(read), Some(written)) => (read - written).abs() < 0.001,
                (read, written) => read.is_none() && written.is_none(),
            });
        }
    }
}

fn check_multivariant(playlist: &[u8], made: &[Made]) {
    let read = parse(playlist, &format!("{PLACE}/hls/master.m3u8")).expect("a playlist");
    assert_eq!(
        read.segment_table.as_deref(),
        Some("https://host.example/v/segments.json")
    );
    let playlists: BTreeMap<_, _> = read.periods[0]
        .tracks
        .iter()
        .flat_map(|track| &track.renditions)
        .filter_map(|rendition| match &rendition.source {
            SegmentSource::Playlist(url) => Some((url.clone(), rendition)),
            _ => None,
        })
        .collect();
    for made in made {
        let rendition = playlists
            .get(&format!("{PLACE}/hls/{}.m3u8", made.name))
            .expect("it is named");
        assert_eq!(
            made.size,
            Some([rendition.width, rendition.height]).filter(|size| *size != [0, 0])
        );
    }
    m3u8_rs::parse_master_playlist_res(playlist).expect("a playlist");
}

fn check_mpd(mpd: &[u8], made: &[Made], constant: bool) {
    let read = parse(mpd, &format!("{PLACE}/dash/manifest.mpd")).expect("an MPD");
    assert_eq!(
        read.segment_table.as_deref(),
        Some("https://host.example/v/segments.json")
    );
    let renditions: BTreeMap<_, _> = read.periods[0]
        .tracks
        .iter()
        .flat_map(|track| &track.renditions)
        .map(|one| (one.id.as_str(), one))
        .collect();
    let pictures = made.iter().filter(|made| made.size.is_some());
    let video_s = pictures.map(seconds).fold(0.0, f64::max);
    let longest_s = made
        .iter()
        .flat_map(|made| {
            made.segments
                .iter()
                .map(|one| one.duration as f64 / f64::from(made.timescale))
        })
        .fold(0.0, f64::max);
    for made in made {
        let rendition = renditions[made.name.as_str()];
        match (&rendition.source, made.head) {
            (SegmentSource::Sidx(sidx), Some([init, index])) => {
                let range = sidx.index.range.expect("a range");
                assert_eq!((range.offset, range.length), (init, index));
            }
            (SegmentSource::Index(index), None) => {
                if !constant {
                    assert_eq!(index.len(), made.segments.len());
                }
                for (position, segment) in made.segments.iter().enumerate() {
                    let Some(found) = index.get(position) else {
                        // Sound after the last picture may be left out, but no more than a segment of it.
                        assert!(
                            made.size.is_none() && seconds(made) - video_s <= longest_s,
                            "segment {position}"
                        );
                        break;
                    };
                    assert_eq!(
                        found.resource.url,
                        format!("{PLACE}/{}/{}.m4s", made.name, position + 1)
                    );
                    let us = |ticks: u64| ticks as f64 * 1e6 / f64::from(made.timescale);
                    let (start, end) = (us(segment.start), us(segment.start + segment.duration));
                    // By a constant duration a segment is found where most of it is.
                    let near = if constant { (end - start) * 0.76 } else { 1.0 };
                    assert!(
                        (found.start.as_micros() as f64 - start).abs() <= near,
                        "segment {position}"
                    );
                }
            }
            (source, _) => panic!("{source:?}"),
        }
    }
}

fn seconds(made: &Made) -> f64 {
    let last = made.segments.last().expect("there is one");
    (last.start + last.duration) as f64 / f64::from(made.timescale)
}
