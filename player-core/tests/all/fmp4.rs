//! A look into fragmented MP4: what it finds, how little it reads for that, and that nothing makes it fall over.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::MediaTime;
use player_core::input::Integrity;
use player_core::media::fmp4::{Facts, Start, Track, look};
use player_core::time::WallTime;
use proptest::prelude::*;

pub(crate) fn container(kind: &str, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut out = (body.len() as u32 + 8).to_be_bytes().to_vec();
    out.extend(kind.as_bytes());
    out.extend(body);
    out
}

pub(crate) fn full(kind: &str, version: u8, flags: u32, words: &[u32]) -> Vec<u8> {
    let mut body = (u32::from(version) << 24 | flags).to_be_bytes().to_vec();
    for word in words {
        body.extend(word.to_be_bytes());
    }
    container(kind, &[&body])
}

fn read(file: &[u8]) -> (Integrity, Facts, u64) {
    let mut copied = 0;
    let (integrity, facts) = look(file.len() as u64, |offset, into| {
        copied += into.len() as u64;
        let from = file.get(offset as usize..).unwrap_or_default();
        for (to, from) in into.iter_mut().zip(from) {
            *to = *from;
        }
    });
    (integrity, facts, copied)
}

pub(crate) fn facts(file: &[u8]) -> Facts {
    read(file).1
}

pub(crate) fn entry(format: &str, fields: usize, children: &[&[u8]]) -> Vec<u8> {
    let fields = vec![0; fields];
    container(format, &[&fields, &children.concat()])
}

pub(crate) fn trak(id: u32, handler: &str, timescale: u32, edits: &[u8], entry: &[u8]) -> Vec<u8> {
    let stsd = container("stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1], entry]);
    let minf = container("minf", &[&container("stbl", &[&stsd])]);
    let handler = container("hdlr", &[&[0; 8], handler.as_bytes(), &[0; 12]]);
    let mdhd = full("mdhd", 0, 0, &[0, 0, timescale, 0, 0]);
    let mdia = container("mdia", &[&mdhd, &handler, &minf]);
    let tkhd = full("tkhd", 0, 3, &[0, 0, id, 0, 0]);
    container("trak", &[&tkhd, &container("edts", &[edits]), &mdia])
}

fn codec(handler: &str, entry: &[u8]) -> String {
    let moov = container("moov", &[&trak(1, handler, 1000, &[], entry)]);
    let found = facts(&moov);
    assert_eq!(found.tracks.len(), 1);
    found.tracks[0].codec.clone()
}

/// A fragment of one track: duration, size, flags and composition offset of each sample, as far as `flags` says.
pub(crate) fn moof(track: u32, tfdt: &[u8], version: u8, flags: u32, samples: &[(u32, u32)]) -> Vec<u8> {
    let mut words = vec![samples.len() as u32, 100];
    for (duration, offset) in samples {
        words.extend((flags & 0x100 != 0).then_some(*duration));
        words.extend((flags & 0x800 != 0).then_some(*offset));
    }
    let trun = full("trun", version, flags | 1, &words);
    let tfhd = full("tfhd", 0, 0x2_0000, &[track]);
    let traf = container("traf", &[&tfhd, tfdt, &trun]);
    container("moof", &[&full("mfhd", 0, 0, &[1]), &traf])
}

pub(crate) fn tfdt(time: u64) -> Vec<u8> {
    full("tfdt", 1, 0, &[(time >> 32) as u32, time as u32])
}

fn starts(file: &[u8]) -> Vec<(u32, u64, i64)> {
    let facts = facts(file);
    let starts = facts.starts.iter();
    starts
        .map(|start| (start.track, start.decode_time, start.composition_offset))
        .collect()
}

#[test]
fn the_tracks_of_an_initialization_section() {
    let avc = entry("avc1", 78, &[&container("avcC", &[&[1, 0x64, 0, 0x1f, 0xff]])]);
    let esds = [
        0, 0, 0, 0, 3, 0x80, 0x80, 0x19, 0, 1, 0, 4, 17, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2,
        0x11, 0x90,
    ];
    let aac = entry("mp4a", 28, &[&container("esds", &[&esds])]);
    let edits = full("elst", 0, 0, &[1, 0, 1024, 0x1_0000]);
    let empty = full("elst", 0, 0, &[2, 500, u32::MAX, 0x1_0000, 0, 7, 0x1_0000]);
    let moov = container(
        "moov",
        &[
            &full("mvhd", 0, 0, &[0; 24]),
            &trak(1, "vide", 90_000, &edits, &avc),
            &trak(2, "soun", 48_000, &empty, &aac),
        ],
    );
    let file = [container("ftyp", &[b"iso6\0\0\0\0"]), moov].concat();
    let (integrity, facts, copied) = read(&file);
    assert_eq!(integrity, Integrity::Whole);
    let track = |id, handler: &str, codec: &str, timescale, edit_offset| Track {
        id,
        handler: handler.into(),
        codec: codec.into(),
        timescale,
        edit_offset,
    };
    assert_eq!(
        facts.tracks,
        [
            track(1, "vide", "avc1.64001f", 90_000, 1024),
            track(2, "soun", "mp4a.40.2", 48_000, 0)
        ]
    );
    assert_eq!(facts.mime(), "video/mp4; codecs=\"avc1.64001f,mp4a.40.2\"");
    assert_eq!(copied, file.len() as u64 - 16 - 8 + 32);
    assert_eq!(Facts::default().mime(), "");
}

#[test]
fn codecs_by_their_configuration() {
    let video = |format: &str, kind: &str, configuration: &[u8]| {
        codec(
            "vide",
            &entry(
                format,
                78,
                &[&container("pasp", &[&[0; 8]]), &container(kind, &[configuration])],
            ),
        )
    };
    let hevc = [1, 0x21, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93, 0xf0];
    assert_eq!(video("hvc1", "hvcC", &hevc), "hvc1.1.6.H93.b0");
    let spaced = [1, 0x82, 0x20, 0, 0, 0, 0x90, 0, 0x08, 0, 0, 0, 153];
    assert_eq!(video("hev1", "hvcC", &spaced), "hev1.B2.4.L153.90.0.8");
    assert_eq!(video("avc3", "avcC", &[1, 0x42, 0xe0, 0x0a]), "avc3.42e00a");
    assert_eq!(video("vp09", "vpcC", &[1, 0, 0, 0, 2, 51, 0xa2]), "vp09.02.51.10");
    assert_eq!(video("av01", "av1C", &[0x81, 0x08, 0x0c]), "av01.0.08M.08");
    assert_eq!(video("av01", "av1C", &[0x81, 0x2d, 0xcc]), "av01.1.13H.10");
    assert_eq!(video("dvh1", "dvvC", &[1, 0, 0x10, 0x4d]), "dvh1.08.09");
    // Cut short, or not there.
    assert_eq!(video("avc1", "avcC", &[1, 0x42]), "avc1");
    assert_eq!(video("hvc1", "avcC", &hevc), "hvc1");
    assert_eq!(video("vvc1", "vvcC", &[]), "vvc1");

    let sound = |format: &str, fields, children: &[&[u8]]| codec("soun", &entry(format, fields, children));
    assert_eq!(sound("ac-3", 28, &[]), "ac-3");
    assert_eq!(sound("ec-3", 28, &[]), "ec-3");
    assert_eq!(sound("Opus", 28, &[]), "Opus");
    assert_eq!(sound("fLaC", 28, &[]), "fLaC");
    // QuickTime's second version of the fields; a stream that depends on another, has a URL and a clock; object type 42.
    let mut stream = vec![0, 0, 0, 0, 3, 40, 0, 1, 0xe0, 0, 2, 1, b'u', 0, 3, 4, 20, 0x40];
    stream.extend([0; 12]);
    stream.extend([5, 4, 0xf9, 0x50, 0, 0]);
    assert_eq!(sound("mp4a", 44, &[&container("esds", &[&stream])]), "mp4a.40.42");
    let mp3 = [
        0, 0, 0, 0, 3, 18, 0, 1, 0, 4, 13, 0x6b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(sound("mp4a", 28, &[&container("esds", &[&mp3])]), "mp4a.6b");

    assert_eq!(codec("text", &entry("wvtt", 8, &[])), "wvtt");
    assert_eq!(
        codec("subt", &entry("stpp", 8, &[b"http://www.w3.org/ns/ttml\0\0\0"])),
        "stpp"
    );
}

#[test]
fn codecs_of_encrypted_tracks_are_what_they_were() {
    let sinf = container("sinf", &[&container("frma", &[b"avc1"])]);
    let avc = container("avcC", &[&[1, 0x4d, 0x40, 0x1e]]);
    assert_eq!(codec("vide", &entry("encv", 78, &[&avc, &sinf])), "avc1.4d401e");
    assert_eq!(codec("vide", &entry("encv", 78, &[&avc])), "encv");
    let sinf = container("sinf", &[&container("frma", &[b"Opus"])]);
    assert_eq!(codec("soun", &entry("enca", 28, &[&sinf])), "Opus");
}

#[test]
fn where_fragments_begin() {
    // Pictures out of order: the second is shown first.
    let video = moof(1, &tfdt(1 << 33), 0, 0x900, &[(100, 300), (100, 150), (100, 200)]);
    assert_eq!(starts(&video), [(1, 1 << 33, 250)]);
    // The same with a sign.
    let video = moof(
        1,
        &tfdt(9000),
        1,
        0x900,
        &[(100, 100), (100, -150_i32 as u32), (100, 0)],
    );
    assert_eq!(starts(&video), [(1, 9000, -50)]);
    let sound = moof(2, &full("tfdt", 0, 0, &[77]), 0, 0x100, &[(1024, 0), (1024, 0)]);
    let mdat = container("mdat", &[&[0; 100]]);
    let file = [&video[..], &mdat, &sound, &mdat].concat();
    assert_eq!(starts(&file), [(1, 9000, -50), (2, 77, 0)]);
    // How long samples last is not said: the first one counts.
    let bare = moof(1, &tfdt(5), 0, 0x800, &[(0, 300), (0, 0)]);
    assert_eq!(starts(&bare), [(1, 5, 300)]);
}

#[test]
fn defaults_of_durations() {
    let trex = full("trex", 0, 0, &[1, 1, 100, 0, 0]);
    let moov = container("moov", &[&container("mvex", &[&trex])]);
    let samples = [(0, 300), (0, 150), (0, 200)];
    let file = [moov, moof(1, &tfdt(0), 0, 0x800, &samples)].concat();
    assert_eq!(starts(&file), [(1, 0, 250)]);
    // The fragment's own, behind other fields; in two runs, the first of which has samples without fields.
    let tfhd = full("tfhd", 0, 0x3b, &[1, 0, 0, 1, 10, 0, 0]);
    let runs = [
        full("trun", 0, 0x1, &[4, 0]),
        full("trun", 1, 0x805, &[1, 0, 0, -45_i32 as u32]),
    ];
    let traf = container("traf", &[&tfhd, &tfdt(0), &runs[0], &runs[1]]);
    assert_eq!(starts(&container("moof", &[&traf])), [(1, 0, -5)]);
}

#[test]
fn a_segment_starts_where_its_pictures_do() {
    let tracks: Vec<_> = [
        (1, "soun", 48_000, 1024),
        (2, "vide", 90_000, -900),
        (3, "text", 0, 0),
    ]
    .map(|(id, handler, timescale, edit_offset)| Track {
        id,
        handler: handler.into(),
        codec: String::new(),
        timescale,
        edit_offset,
    })
    .into();
    let start = |track, decode_time, composition_offset| Start {
        track,
        decode_time,
        composition_offset,
    };
    let mut facts = Facts {
        starts: vec![start(1, 49_024, 0), start(2, 180_000, 90)],
        ..Facts::default()
    };
    assert_eq!(facts.start(&tracks), Some(MediaTime::from_millis(2011)));
    facts.starts.pop();
    assert_eq!(facts.start(&tracks), Some(MediaTime::from_millis(1000)));
    assert_eq!(facts.start(&[]), None);
    facts.starts = vec![start(3, 5, 0)];
    assert_eq!(facts.start(&tracks), None, "its timescale is not known");
    facts.tracks = vec![Track {
        timescale: 1,
        ..tracks[2].clone()
    }];
    assert_eq!(facts.start(&tracks), Some(MediaTime::from_millis(5000)));
    facts.starts = vec![start(3, u64::MAX, i64::MAX)];
    assert_eq!(facts.start(&[]), Some(MediaTime::MAX));
}

#[test]
fn events_and_clocks() {
    let mut fields = vec![0, 0, 0, 0];
    fields.extend(b"urn:x\0\0");
    for word in [1000_u32, 0, 2000, 1] {
        fields.extend(word.to_be_bytes());
    }
    let emsg = container("emsg", &[&fields, b"data"]);
    let prft = |track, flags, seconds: u32| full("prft", 1, flags, &[track, seconds, 1 << 31, 1, 5]);
    let segment = moof(1, &tfdt(0), 0, 0, &[(0, 0)]);
    let file = [
        &emsg[..],
        &prft(1, 24, 3_900_000_000),
        &segment,
        &prft(1, 24, 1),
        &prft(2, 0, 1),
    ]
    .concat();
    let facts = facts(&file);
    assert_eq!(
        (facts.events.len(), facts.events[0].data.as_slice()),
        (1, &b"data"[..])
    );
    let clocks: Vec<_> = facts
        .clocks
        .iter()
        .map(|clock| (clock.track, clock.time, clock.wall, clock.flags))
        .collect();
    // The seconds start over in 2036.
    let wall = |s: i64| WallTime::from_unix_micros(s * 1_000_000 + 500_000);
    let time = (1 << 32) + 5;
    assert_eq!(
        clocks,
        [
            (1, time, wall(1_691_011_200), 24),
            (2, time, wall(2_085_978_497), 0)
        ]
    );
    // As many as a segment may want, not as many as fit into it.
    assert_eq!(self::facts(&emsg.repeat(100)).events.len(), 64);
    let large = container("emsg", &[&fields, &[0; 65_536]]);
    assert!(self::facts(&large).is_empty());
}

#[test]
fn only_what_is_needed_is_read() {
    let chunk = [
        moof(1, &tfdt(0), 0, 0, &[(0, 0)]),
        container("mdat", &[&[7; 100_000]]),
    ]
    .concat();
    let (_, facts, copied) = read(&chunk.repeat(100));
    assert_eq!(facts.starts.len(), 1);
    assert!(copied < 200 * 16 + 1000, "{copied}");
    let huge = container("moov", &[&[0; (1 << 20) + 1]]);
    assert_eq!(read(&huge).2, 16);
}

#[test]
fn what_is_broken_is_left_out() {
    let whole = moof(1, &tfdt(5), 0, 0x900, &[(10, 7), (10, 7)]);
    assert_eq!(starts(&whole), [(1, 5, 7)]);
    assert_eq!(starts(&moof(1, &[], 0, 0x100, &[(10, 0)])), [], "no time");
    assert_eq!(starts(&moof(1, &tfdt(5), 0, 0x100, &[])), [], "no samples");
    for cut in [whole.len() - 1, whole.len() / 2, 9, 3] {
        assert_eq!(starts(&whole[..cut]), [], "{cut}");
    }
    // A count of samples that nothing backs: with fields as many as there are, without any it means what it says.
    let counted = |flags, words: &[u32]| {
        let tfhd = full("tfhd", 0, 8, &[1, u32::MAX]);
        let trun = full("trun", 0, flags, words);
        container("moof", &[&container("traf", &[&tfhd, &tfdt(0), &trun, &trun])])
    };
    assert_eq!(starts(&counted(0x800, &[u32::MAX, 9, 8])), [(1, 0, 9)]);
    assert_eq!(starts(&counted(0, &[u32::MAX])), [(1, 0, 0)]);
    assert_eq!(starts(&counted(5, &[u32::MAX])), []);
    // Sizes of boxes inside: 0 is up to the end, others lead nowhere.
    for (size, found) in [(0, 1), (1, 0), (7, 0), (0xffff, 0)] {
        let mut file = whole.clone();
        file[24..28].copy_from_slice(&u32::to_be_bytes(size));
        assert_eq!(starts(&file).len(), found, "{size}");
    }
    let nested = (0..100_000).fold(Vec::new(), |inside: Vec<u8>, _| {
        if inside.len() > 5000 {
            inside
        } else {
            container("trak", &[&inside])
        }
    });
    assert!(facts(&container("moov", &[&nested])).is_empty());
}

proptest! {
    #[test]
    fn nothing_makes_it_fall_over(at in prop::collection::vec((0_usize..2000, any::<u8>()), 1..8), cut in 0_usize..2000) {
        let avc = entry("avc1", 78, &[&container("avcC", &[&[1, 0x64, 0, 0x1f, 0xff]])]);
        let edits = full("elst", 0, 0, &[1, 0, 1024, 0x1_0000]);
        let mut file = [
            container("moov", &[&trak(1, "vide", 90_000, &edits, &avc)]),
            moof(1, &tfdt(5), 0, 0x900, &[(10, 7), (10, 7)]),
            container("mdat", &[&[0; 20]]),
        ]
        .concat();
        for (offset, byte) in at {
            let length = file.len();
            file[offset % length] = byte;
        }
        file.truncate(file.len() - cut % file.len());
        let (_, facts, copied) = read(&file);
        prop_assert!(copied <= 3 * file.len() as u64 + 64);
        let _ = (facts.start(&[]), facts.mime());
    }
}
