//! Transport streams, behaviour by behaviour, from a small multiplexer.
#![allow(clippy::unwrap_used)]

mod support;

use player_core::input::Prepared;
use player_core::media::fmp4;
use support::mp4::{Track, find, fragments};
use support::ts::*;
use transmux::{Settings, TransmuxError, Transmuxer};

const BOTH: [(u16, u8, &[u8]); 2] = [(VIDEO, 0x1b, &[]), (AUDIO, 0x0f, &[])];
/// Ticks of a frame of pictures, and of a frame of sound.
const FRAME: u64 = 3600;
const SOUND: u64 = 1920;
const WRAP: u64 = 1 << 33;

fn begun(streams: &[(u16, u8, &[u8])]) -> Muxer {
    let mut muxer = Muxer::default();
    muxer.program(streams);
    muxer
}

/// A second of pictures from a time on, the first a keyframe, with the sound of that second.
fn second(muxer: &mut Muxer, start: u64) {
    pictures(muxer, start, 25);
    sound(muxer, start, 47);
}

fn pictures(muxer: &mut Muxer, start: u64, count: u64) {
    for n in 0..count {
        let time = start + n * FRAME;
        muxer.video(
            time,
            time,
            &if n == 0 {
                keyframe(0x51)
            } else {
                frame(n as u8 | 1)
            },
        );
    }
}

fn sound(muxer: &mut Muxer, start: u64, count: u64) {
    for n in 0..count {
        muxer.audio(start + n * SOUND, &adts(n as u8 | 0x40, 100));
    }
}

fn prepare(bytes: Vec<u8>) -> (Vec<Track>, Prepared) {
    next(&mut Transmuxer::new(), bytes, false)
}

fn next(transmuxer: &mut Transmuxer, bytes: Vec<u8>, continuous: bool) -> (Vec<Track>, Prepared) {
    let settings = Settings {
        continuous,
        ..Settings::default()
    };
    let ready = transmuxer.prepare(bytes, &settings).unwrap();
    let mut fragments = fragments(ready.bytes());
    assert_eq!(fragments.len(), 1);
    (fragments.remove(0), ready.prepared)
}

fn error(bytes: Vec<u8>) -> TransmuxError {
    Transmuxer::new()
        .prepare(bytes, &Settings::default())
        .unwrap_err()
}

fn warned(prepared: &Prepared, what: &str) -> bool {
    prepared.warnings.iter().any(|warning| warning.contains(what))
}

#[test]
fn pictures_and_sound_become_two_tracks() {
    let mut muxer = begun(&BOTH);
    second(&mut muxer, 90_000);
    let ready = Transmuxer::new()
        .prepare(muxer.take(), &Settings::default())
        .unwrap();
    let bytes = ready.bytes();
    let facts = fmp4::facts(bytes.len() as u64, |offset, into| {
        let rest = &bytes[offset as usize..];
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
    });
    assert_eq!(facts.mime(), "video/mp4; codecs=\"avc1.4d400d,mp4a.40.2\"");
    assert_eq!(facts.mime(), ready.prepared.mime);
    assert_eq!(facts.start(&[]).unwrap().as_millis(), 1000);
    let tracks = fragments(bytes).remove(0);
    let [pictures, sound] = tracks.as_slice() else {
        panic!()
    };
    assert_eq!((pictures.id, pictures.samples.len()), (1, 25));
    assert!(
        pictures
            .samples
            .iter()
            .enumerate()
            .all(|(n, s)| s.dts == 90_000 + n as i64 * 3600 && s.duration == 3600)
    );
    assert!(
        pictures
            .samples
            .iter()
            .enumerate()
            .all(|(n, s)| s.sync == (n == 0))
    );
    // One slice with its length before it; delimiter and parameter sets are gone.
    assert_eq!(pictures.samples[0].bytes[..5], [0, 0, 1, 0xf7, 0x65]);
    assert_eq!(pictures.samples[0].bytes.len(), 4 + 503);
    assert_eq!((sound.id, sound.samples.len()), (2, 47));
    assert!(
        sound
            .samples
            .iter()
            .enumerate()
            .all(|(n, s)| s.dts == 48_000 + n as i64 * 1024 && s.duration == 1024)
    );
    assert_eq!(sound.samples[3].bytes, [3 | 0x40; 100]);
    assert_eq!(ready.prepared.warnings, Vec::<String>::new());
    assert_eq!(ready.clone().into_bytes(), ready.bytes());
    let avcc = bytes.windows(4).position(|w| w == b"avcC").unwrap() + 4;
    assert_eq!(bytes[avcc..avcc + 6], [1, 0x4d, 0x40, 0x0d, 0xff, 0xe1]);
    assert_eq!(bytes[avcc + 8..avcc + 8 + SPS.len()], SPS);
    let tkhd = find(bytes, "moov/trak/tkhd").unwrap();
    assert_eq!(tkhd[tkhd.len() - 8..], [1, 64, 0, 0, 0, 180, 0, 0]);
}

#[test]
fn the_type_is_told_when_it_changes() {
    let mut transmuxer = Transmuxer::new();
    let mut told = Vec::new();
    for streams in [&BOTH[..], &BOTH, &BOTH[1..]] {
        let mut muxer = begun(streams);
        if streams.len() == 2 {
            pictures(&mut muxer, 0, 3);
        }
        sound(&mut muxer, 0, 3);
        told.push(next(&mut transmuxer, muxer.take(), false).1.mime);
    }
    assert_eq!(
        told,
        [
            "video/mp4; codecs=\"avc1.4d400d,mp4a.40.2\"",
            "",
            "audio/mp4; codecs=\"mp4a.40.2\""
        ]
    );
}

#[test]
fn pictures_that_are_shown_in_another_order_keep_it() {
    let mut muxer = begun(&BOTH[..1]);
    // Shown as I B B P; the B pictures before they would be decoded if times were taken as they are.
    for (n, shown) in [0u64, 3, 1, 2].into_iter().enumerate() {
        let data = if n == 0 { keyframe(1) } else { frame(n as u8) };
        muxer.video(9000 + shown * FRAME, 9000 + n as u64 * FRAME, &data);
    }
    let (tracks, prepared) = prepare(muxer.take());
    let delays: Vec<_> = tracks[0].samples.iter().map(|s| (s.pts - s.dts) / 3600).collect();
    assert_eq!(delays, [0, 2, -1, -1]);
    let times = prepared.times.unwrap();
    assert_eq!((times.start.as_millis(), times.end.as_millis()), (100, 260));
}

#[test]
fn timestamps_start_over_inside_a_segment_and_between() {
    let mut transmuxer = Transmuxer::new();
    let start = WRAP - 45_000;
    let mut muxer = begun(&BOTH);
    second(&mut muxer, start);
    let (tracks, prepared) = next(&mut transmuxer, muxer.take(), false);
    for (track, ticks) in tracks.iter().zip([3600, 1024]) {
        assert!(
            track
                .samples
                .windows(2)
                .all(|pair| pair[1].dts - pair[0].dts == ticks)
        );
    }
    assert_eq!(tracks[0].samples[24].pts as u64, start + 24 * FRAME);
    second(&mut muxer, start + 90_000);
    let (tracks, after) = next(&mut transmuxer, muxer.take(), true);
    assert_eq!(tracks[0].samples[0].dts as u64, start + 90_000);
    assert_eq!(after.times.unwrap().start, prepared.times.unwrap().end);
    // One that does not go on says what its timestamps say.
    muxer.program(&BOTH);
    second(&mut muxer, start + 90_000);
    let (tracks, _) = next(&mut transmuxer, muxer.take(), false);
    assert_eq!(tracks[0].samples[0].dts, 45_000);
}

#[test]
fn a_timeline_never_begins_below_zero() {
    let mut muxer = begun(&BOTH);
    sound(&mut muxer, 100, 4);
    pictures(&mut muxer, WRAP - 900, 4);
    let (tracks, prepared) = prepare(muxer.take());
    assert_eq!(tracks[0].samples[0].dts as u64, WRAP - 900);
    assert_eq!(tracks[1].samples[0].dts, ((WRAP as i64 + 100) * 48 + 45) / 90);
    assert_eq!(
        prepared.times.unwrap().start.as_micros(),
        (WRAP as i64 - 900) * 100 / 9
    );
}

#[test]
fn a_jump_of_timestamps_is_played_on_in_step() {
    let mut muxer = begun(&BOTH);
    for n in 0..20 {
        let base = if n < 10 { 0 } else { 90_000 * 3600 };
        let time = base + n * FRAME;
        muxer.video(time, time, &if n == 0 { keyframe(1) } else { frame(1) });
        for half in 0..2 {
            muxer.audio(base + (n * 2 + half) * SOUND, &adts(1, 50));
        }
    }
    let (tracks, prepared) = prepare(muxer.take());
    assert!(warned(&prepared, "jump"));
    let times = prepared.times.unwrap();
    assert!(times.duration().as_millis() < 1000, "{times:?}");
    assert!(tracks[0].samples.windows(2).all(|pair| pair[1].dts > pair[0].dts));
    let ends = tracks.iter().map(|t| t.samples.last().unwrap());
    let ends: Vec<_> = ends
        .zip([90_000, 48_000])
        .map(|(s, rate)| (s.dts + s.duration) * 1000 / rate)
        .collect();
    assert!((ends[0] - ends[1]).abs() < 100, "{ends:?}");
}

#[test]
fn decoding_times_that_go_back_are_mended() {
    let mut muxer = begun(&BOTH[..1]);
    for (n, time) in [0u64, 3600, 7200, 5400, 10_800].into_iter().enumerate() {
        muxer.video(time, time, &if n == 0 { keyframe(1) } else { frame(1) });
    }
    let (tracks, prepared) = prepare(muxer.take());
    assert!(warned(&prepared, "go back"));
    let samples = &tracks[0].samples;
    assert!(
        samples
            .windows(2)
            .all(|pair| pair[0].dts + pair[0].duration == pair[1].dts && pair[0].duration > 0)
    );
    assert_eq!(
        samples.iter().map(|s| s.pts).collect::<Vec<_>>(),
        [0, 3600, 7200, 5400, 10_800]
    );
}

#[test]
fn pictures_without_times_lie_between_those_with() {
    let mut muxer = begun(&BOTH[..1]);
    muxer.video(0, 0, &keyframe(1));
    // Two pictures in a PES packet, then one without any time.
    muxer.video(3600, 3600, &[frame(1), frame(2)].concat());
    muxer.pes(VIDEO, 0xe0, None, &frame(3));
    muxer.video(14_400, 14_400, &frame(4));
    let (tracks, prepared) = prepare(muxer.take());
    assert_eq!(
        tracks[0].samples.iter().map(|s| s.pts).collect::<Vec<_>>(),
        [0, 3600, 7200, 10_800, 14_400]
    );
    assert!(warned(&prepared, "without a time"));
}

#[test]
fn access_units_are_told_apart_without_delimiters() {
    let mut muxer = begun(&BOTH[..1]);
    let part = |first: bool, fill| {
        let mut nal = slice(false, 5, fill, 60);
        if !first {
            nal[1] = 0b0110_0000;
        }
        nal
    };
    // Two slices each; the second in a PES packet of its own.
    muxer.video(0, 0, &annex_b(&[&SPS, &PPS, &slice(true, 7, 1, 50)]));
    for n in 1..4 {
        muxer.video(n * FRAME, n * FRAME, &annex_b(&[&part(true, 1)]));
        muxer.video(n * FRAME, n * FRAME, &annex_b(&[&part(false, 2)]));
    }
    let (tracks, _) = prepare(muxer.take());
    let samples = &tracks[0].samples;
    assert_eq!(
        samples.iter().map(|s| s.pts).collect::<Vec<_>>(),
        [0, 3600, 7200, 10_800]
    );
    assert!(samples[1..].iter().all(|s| s.bytes.len() == 2 * (4 + 63)));
}

#[test]
fn start_codes_may_lie_anywhere_in_packets() {
    let nals: Vec<Vec<u8>> = (0..5)
        .map(|n| {
            [
                vec![0x41, 0b1001_1000],
                vec![0x11 * n + 1; 20],
                vec![0, 0, 3, 1, 0x80],
            ]
            .concat()
        })
        .collect();
    let mut data = vec![0];
    data.extend(annex_b(&[&AUD, &SPS, &PPS, &slice(true, 7, 1, 9)]));
    for (n, nal) in nals.iter().enumerate() {
        // As the next slices of the same picture.
        let mut nal = nal.clone();
        nal[1] = 0b0101_0000;
        // Zeros before a start code belong to nobody.
        data.extend(vec![0; n]);
        data.extend([0, 0, 1]);
        data.extend(nal);
    }
    let whole = {
        let mut muxer = begun(&BOTH[..1]);
        muxer.video(0, 0, &data);
        prepare(muxer.take()).0.remove(0).samples
    };
    assert_eq!(whole.len(), 1);
    assert_eq!(whole[0].bytes.len(), 4 + 12 + 5 * (4 + 27));
    for size in 1..=30 {
        let mut muxer = begun(&BOTH[..1]);
        muxer.pes(VIDEO, 0xe0, Some((0, 0)), &data[..1]);
        for chunk in data[1..].chunks(size) {
            muxer.packet(VIDEO, false, chunk);
        }
        let (tracks, prepared) = prepare(muxer.take());
        assert!(tracks[0].samples == whole, "{size}");
        assert!(prepared.warnings.is_empty());
    }
}

#[test]
fn pictures_before_the_first_keyframe_are_left_out_unless_the_stream_goes_on() {
    let open = || {
        let mut muxer = begun(&BOTH);
        sound(&mut muxer, 0, 20);
        for n in 0..3 {
            muxer.video(n * FRAME, n * FRAME, &frame(1));
        }
        pictures(&mut muxer, 3 * FRAME, 5);
        muxer.take()
    };
    let (tracks, prepared) = prepare(open());
    assert_eq!(
        (
            tracks[0].samples.len(),
            tracks[0].samples[0].dts,
            tracks[1].samples.len()
        ),
        (5, 10_800, 20)
    );
    assert!(warned(&prepared, "before the first keyframe"));
    let mut transmuxer = Transmuxer::new();
    let mut muxer = begun(&BOTH);
    second(&mut muxer, 0);
    next(&mut transmuxer, muxer.take(), false);
    assert_eq!(next(&mut transmuxer, open(), true).0[0].samples.len(), 8);
}

#[test]
fn a_recovery_point_is_a_keyframe() {
    let mut muxer = begun(&BOTH[..1]);
    muxer.video(
        0,
        0,
        &annex_b(&[&AUD, &SPS, &PPS, &[6, 6, 1, 0xc4, 0x80], &slice(false, 7, 1, 50)]),
    );
    muxer.video(3600, 3600, &frame(1));
    let (tracks, prepared) = prepare(muxer.take());
    assert_eq!(
        tracks[0].samples.iter().map(|s| s.sync).collect::<Vec<_>>(),
        [true, false]
    );
    assert!(prepared.warnings.is_empty());
}

#[test]
fn parameter_sets_from_before_serve_a_segment_without_any() {
    let mut transmuxer = Transmuxer::new();
    let mut muxer = begun(&BOTH[..1]);
    pictures(&mut muxer, 0, 3);
    next(&mut transmuxer, muxer.take(), false);
    let bare = || {
        let mut muxer = begun(&BOTH[..1]);
        muxer.video(9000, 9000, &annex_b(&[&AUD, &slice(true, 7, 1, 50)]));
        muxer.take()
    };
    assert_eq!(next(&mut transmuxer, bare(), true).0[0].samples.len(), 1);
    assert_eq!(error(bare()), TransmuxError::Configuration);
    // Nor does a segment that cannot be played make it forget them.
    let encrypted = begun(&[(VIDEO, 0xdb, &[])]).take();
    let settings = Settings {
        continuous: true,
        ..Settings::default()
    };
    assert_eq!(
        transmuxer.prepare(encrypted, &settings),
        Err(TransmuxError::KeyMissing)
    );
    assert_eq!(next(&mut transmuxer, bare(), true).0[0].samples.len(), 1);
}

#[test]
fn a_new_description_begins_a_new_fragment() {
    let mut muxer = begun(&BOTH);
    second(&mut muxer, 0);
    let mut other = SPS;
    other[3] = 0x1f;
    muxer.video(
        90_000,
        90_000,
        &annex_b(&[&AUD, &other, &PPS, &slice(true, 7, 1, 500)]),
    );
    muxer.audio(90_240, &adts(1, 90));
    muxer.video(93_600, 93_600, &frame(1));
    let ready = Transmuxer::new()
        .prepare(muxer.take(), &Settings::default())
        .unwrap();
    let kinds: Vec<_> = support::mp4::boxes(ready.bytes())
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(kinds, ["ftyp", "moov", "moof", "mdat"].repeat(2));
    let fragments = fragments(ready.bytes());
    assert_eq!(
        fragments.iter().map(|f| f[0].samples.len()).collect::<Vec<_>>(),
        [25, 2]
    );
    assert_eq!(
        fragments.iter().map(|f| f[1].samples.len()).collect::<Vec<_>>(),
        [47, 1]
    );
    assert_eq!(fragments[1][0].samples[0].dts, 90_000);
    let avcc = |bytes: &[u8]| {
        let entry = find(bytes, "moov/trak/mdia/minf/stbl/stsd").unwrap();
        let at = entry.windows(4).position(|w| w == b"avcC").unwrap();
        entry[at + 7]
    };
    let second = ready.bytes().windows(4).rposition(|w| w == b"ftyp").unwrap() - 4;
    assert_eq!(
        (avcc(ready.bytes()), avcc(&ready.bytes()[second..])),
        (0x0d, 0x1f)
    );
}

#[test]
fn streams_that_end_inside_a_segment_are_still_told() {
    for rest in [&BOTH[..1], &BOTH[1..]] {
        let mut muxer = begun(&BOTH);
        second(&mut muxer, 0);
        muxer.program(rest);
        pictures(&mut muxer, 90_000, 5);
        sound(&mut muxer, 90_000, 5);
        let (tracks, _) = prepare(muxer.take());
        let more = |pid| if rest[0].0 == pid { 5 } else { 0 };
        assert_eq!(tracks[0].samples.len(), 25 + more(VIDEO));
        assert_eq!(tracks[1].samples.len(), 47 + more(AUDIO));
    }
}

#[test]
fn sound_of_another_shape_begins_a_new_fragment() {
    let mut muxer = begun(&BOTH);
    pictures(&mut muxer, 0, 25);
    sound(&mut muxer, 0, 20);
    for n in 0..10 {
        muxer.audio(20 * SOUND + n * 2090, &adts_of(4, 1, 2, 60));
    }
    let ready = Transmuxer::new()
        .prepare(muxer.take(), &Settings::default())
        .unwrap();
    let fragments = fragments(ready.bytes());
    assert_eq!(fragments.len(), 2);
    assert_eq!((fragments[0].len(), fragments[1].len()), (2, 1));
    assert_eq!(fragments[1][0].id, 2);
    // 20 × 1024 samples at 48 kHz in samples at 44.1 kHz.
    assert_eq!(fragments[1][0].samples[0].dts, 18_816);
}

#[test]
fn sound_does_not_drift_with_the_rounding_of_timestamps() {
    let mut transmuxer = Transmuxer::new();
    let mut at = Vec::new();
    for segment in 0..20u64 {
        let mut muxer = begun(&[(AUDIO, 0x0f, &[])]);
        for n in segment * 43..(segment + 1) * 43 {
            // 44.1 kHz: 2089.8 ticks a frame, rounded, and up to 5 ms off.
            muxer.audio(n * 1024 * 90_000 / 44_100 + n % 7 * 64, &adts_of(4, 2, 1, 40));
        }
        let (tracks, prepared) = next(&mut transmuxer, muxer.take(), segment > 0);
        assert!(prepared.warnings.is_empty());
        at.extend(tracks[0].samples.iter().map(|s| s.dts));
    }
    assert!(at.iter().enumerate().all(|(n, dts)| *dts == n as i64 * 1024));
}

#[test]
fn half_a_frame_of_sound_is_completed_by_the_next_segment() {
    let frames: Vec<u8> = (0..10).flat_map(|n| adts(n + 0x40, 120)).collect();
    let (first, second) = frames.split_at(5 * 127 + 60);
    let segment = |time, data: &[u8]| {
        let mut muxer = begun(&[(AUDIO, 0x0f, &[])]);
        muxer.audio(time, data);
        muxer.take()
    };
    let mut transmuxer = Transmuxer::new();
    let (tracks, _) = next(&mut transmuxer, segment(0, first), false);
    assert_eq!(tracks[0].samples.len(), 5);
    // The time is that of the first frame that begins in it.
    let (tracks, prepared) = next(&mut transmuxer, segment(6 * SOUND, second), true);
    assert_eq!((tracks[0].samples.len(), tracks[0].samples[0].dts), (5, 5 * 1024));
    assert_eq!(tracks[0].samples[0].bytes, [0x45; 120]);
    assert!(prepared.warnings.is_empty());
    let (tracks, _) = next(&mut transmuxer, segment(6 * SOUND, second), false);
    assert_eq!((tracks[0].samples.len(), tracks[0].samples[0].dts), (4, 6 * 1024));
}

#[test]
fn holes_in_the_sound_are_silent() {
    let mut muxer = begun(&BOTH);
    pictures(&mut muxer, 0, 75);
    sound(&mut muxer, 0, 10);
    sound(&mut muxer, 90 * SOUND, 20);
    let (tracks, prepared) = prepare(muxer.take());
    let sound = &tracks[1].samples;
    // Ten, a hole of eighty, twenty, and then none until the pictures' end.
    assert_eq!(sound.len(), 140);
    assert!(
        sound
            .iter()
            .enumerate()
            .all(|(n, s)| s.dts == n as i64 * 1024 && s.duration == 1024)
    );
    assert!(sound[9].bytes.len() == 100 && sound[10].bytes.len() < 20 && sound[90].bytes.len() == 100);
    assert!(warned(&prepared, "silence"));
}

#[test]
fn a_hole_that_cannot_be_silent_stays_one() {
    let mut muxer = begun(&[(AUDIO, 0x81, &[])]);
    // AC-3, 48 kHz, 64 kbit/s, stereo.
    let ac3 = [&[0x0b, 0x77, 1, 2, 0x08, 0x40, 0x40][..], &[5; 249]].concat();
    for n in [0, 1, 10, 11] {
        muxer.pes(AUDIO, 0xbd, Some((n * 2880, n * 2880)), &ac3);
    }
    let (tracks, prepared) = prepare(muxer.take());
    assert_eq!(prepared.mime, "audio/mp4; codecs=\"ac-3\"");
    let times: Vec<_> = tracks[0]
        .samples
        .iter()
        .map(|s| (s.dts / 1536, s.duration / 1536))
        .collect();
    assert_eq!(times, [(0, 1), (1, 9), (10, 1), (11, 1)]);
}

#[test]
fn sound_that_begins_late_or_is_absent_is_silent() {
    let mut muxer = begun(&BOTH);
    pictures(&mut muxer, 90_000, 50);
    sound(&mut muxer, 90_000 * 2, 47);
    let mut transmuxer = Transmuxer::new();
    let (tracks, _) = next(&mut transmuxer, muxer.take(), false);
    let begin = tracks[1].samples[0].dts;
    assert!((47_000..=49_024).contains(&begin), "{begin}");
    assert!(
        tracks[1]
            .samples
            .windows(2)
            .all(|pair| pair[1].dts - pair[0].dts == 1024)
    );
    // Then a segment without any: the track stays, and is silent.
    let mut muxer = begun(&BOTH);
    pictures(&mut muxer, 90_000 * 3, 50);
    let (tracks, prepared) = next(&mut transmuxer, muxer.take(), true);
    assert_eq!((tracks.len(), prepared.mime.as_str()), (2, ""));
    assert_eq!(
        tracks[1].samples[0].dts,
        begin + (tracks[1].samples[0].dts - begin) / 1024 * 1024
    );
    let last = tracks[1].samples.last().unwrap();
    assert!(last.dts + 1024 > 48_000 * 5 - 1024);
    // A little late is only the interleaving.
    let mut muxer = begun(&BOTH);
    pictures(&mut muxer, 90_000, 25);
    sound(&mut muxer, 90_000 + 9000, 42);
    let (tracks, _) = prepare(muxer.take());
    assert_eq!((tracks[1].samples.len(), tracks[1].samples[0].dts), (42, 52_800));
}

#[test]
fn a_track_without_samples_stays_declared() {
    let mut transmuxer = Transmuxer::new();
    let mut muxer = begun(&BOTH);
    second(&mut muxer, 0);
    next(&mut transmuxer, muxer.take(), false);
    let mut muxer = begun(&BOTH);
    sound(&mut muxer, 90_000, 47);
    let ready = transmuxer
        .prepare(
            muxer.take(),
            &Settings {
                continuous: true,
                ..Settings::default()
            },
        )
        .unwrap();
    assert_eq!(ready.prepared.mime, "");
    let moov = support::mp4::boxes(find(ready.bytes(), "moov").unwrap());
    assert_eq!(moov.iter().filter(|(kind, _)| kind == "trak").count(), 2);
    assert_eq!(fragments(ready.bytes())[0].len(), 1);
}

#[test]
fn sound_can_be_muted() {
    let mut muxer = begun(&BOTH);
    second(&mut muxer, 0);
    let settings = Settings {
        mute: true,
        ..Settings::default()
    };
    let ready = Transmuxer::new().prepare(muxer.take(), &settings).unwrap();
    assert_eq!(ready.prepared.mime, "video/mp4; codecs=\"avc1.4d400d\"");
    assert_eq!(fragments(ready.bytes())[0].len(), 1);
}

#[test]
fn sections_may_be_split_and_tables_may_change() {
    // So many streams that the table takes three packets.
    let long = [0x52, 0x28].iter().copied().chain([7; 40]).collect::<Vec<u8>>();
    let mut streams: Vec<(u16, u8, &[u8])> = (0..10).map(|n| (0x300 + n, 0x99, long.as_slice())).collect();
    streams.extend(BOTH);
    let mut muxer = begun(&streams);
    second(&mut muxer, 0);
    // The same streams in other packets.
    muxer.program(&[(0x201, 0x1b, &[]), (0x202, 0x0f, &[])]);
    for n in 25..30 {
        muxer.pes(0x201, 0xe0, Some((n * FRAME, n * FRAME)), &frame(3));
    }
    for n in 47..55 {
        muxer.pes(0x202, 0xc0, Some((n * SOUND, n * SOUND)), &adts(9, 20));
    }
    let (tracks, prepared) = prepare(muxer.take());
    assert_eq!((tracks[0].samples.len(), tracks[1].samples.len()), (30, 55));
    assert!(warned(&prepared, "type 153") && warned(&prepared, "program changes"));
}

#[test]
fn tables_may_come_late_or_from_before_or_apart() {
    let mut muxer = Muxer::default();
    second(&mut muxer, 0);
    let bare = muxer.bytes.clone();
    assert_eq!(error(bare.clone()), TransmuxError::NoProgram);
    muxer.program(&BOTH);
    let (tracks, _) = prepare(muxer.take());
    assert_eq!((tracks[0].samples.len(), tracks[1].samples.len()), (25, 47));
    let mut transmuxer = Transmuxer::new();
    next(
        &mut transmuxer,
        {
            let mut muxer = begun(&BOTH);
            second(&mut muxer, 0);
            muxer.take()
        },
        false,
    );
    assert_eq!(next(&mut transmuxer, bare.clone(), false).0[0].samples.len(), 25);
    let init = begun(&BOTH).take();
    let settings = Settings {
        init: Some(&init),
        ..Settings::default()
    };
    assert!(Transmuxer::new().prepare(bare, &settings).is_ok());
}

#[test]
fn sync_is_found_and_found_again() {
    let mut muxer = begun(&BOTH);
    second(&mut muxer, 0);
    let packets = muxer.take();
    let clean = prepare(packets.clone()).0;
    // Something before, something between, a packet that is cut off.
    let middle = packets.len() / 188 / 2 * 188;
    let torn = [
        &[1, 0x47, 3][..],
        &packets[..middle],
        &[5, 0x47, 2, 3, 4],
        &packets[middle..],
        &[0x47; 20],
    ]
    .concat();
    let (tracks, prepared) = prepare(torn);
    assert!(tracks == clean);
    assert!(warned(&prepared, "no packets") && warned(&prepared, "cut off"));
    for (before, after) in [(4, 0), (0, 16)] {
        let wide: Vec<u8> = packets
            .chunks(188)
            .flat_map(|p| [&vec![0; before], p, &vec![9; after]].concat())
            .collect();
        assert!(prepare(wide).0 == clean);
    }
}

#[test]
fn lost_repeated_and_scrambled_packets_are_noted() {
    let mut muxer = begun(&BOTH);
    second(&mut muxer, 0);
    let packets = muxer.take();
    let clean = prepare(packets.clone()).0;
    let pid = |packet: &[u8]| u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
    let repeated: Vec<u8> = packets
        .chunks(188)
        .flat_map(|p| p.repeat(if pid(p) == VIDEO { 2 } else { 1 }))
        .collect();
    let (tracks, prepared) = prepare(repeated);
    assert!(tracks == clean);
    assert!(prepared.warnings.is_empty());
    let torn: Vec<u8> = packets
        .chunks(188)
        .enumerate()
        .filter(|(n, _)| *n != 20)
        .flat_map(|(_, p)| p.to_vec())
        .collect();
    assert!(warned(&prepare(torn).1, "packets are missing"));
    let mut scrambled = packets;
    for packet in scrambled.chunks_mut(188).filter(|p| pid(p) == AUDIO) {
        packet[3] |= 0x80;
    }
    let (tracks, prepared) = prepare(scrambled);
    assert_eq!(tracks.len(), 1);
    assert!(warned(&prepared, "scrambled"));
}

#[test]
fn tags_come_out_with_their_times() {
    let mut muxer = begun(&[BOTH[0], BOTH[1], (METADATA, 0x15, &[])]);
    pictures(&mut muxer, 0, 25);
    let tag = b"ID3\x04\0\0\0\0\0\x14TXXX\0\0\0\x0a\0\0\x03key\0value";
    muxer.pes(METADATA, 0xbd, Some((45_000, 45_000)), tag);
    muxer.pes(METADATA, 0xbd, Some((22_500, 22_500)), tag);
    muxer.pes(METADATA, 0xbd, Some((22_500, 22_500)), b"IDX");
    let (_, prepared) = prepare(muxer.take());
    assert_eq!(
        prepared
            .metadata
            .iter()
            .map(|t| t.time.as_millis())
            .collect::<Vec<_>>(),
        [250, 500]
    );
    assert_eq!(prepared.metadata[0].frames[0].text, "value");
    assert!(warned(&prepared, "ID3"));
}

#[test]
fn what_cannot_be_played_says_why() {
    assert!(
        matches!(error(b"<!DOCTYPE html>".to_vec()), TransmuxError::NotTransportStream(text) if text == "<!DOCTYPE ht")
    );
    assert!(matches!(error(Vec::new()), TransmuxError::NotTransportStream(text) if text == "nothing"));
    let mut muxer = begun(&BOTH);
    assert!(matches!(error(muxer.take()), TransmuxError::NothingToPlay(_)));
    let mut muxer = begun(&[(VIDEO, 0x02, &[]), (AUDIO, 0x11, &[])]);
    assert!(matches!(error(muxer.take()), TransmuxError::NothingToPlay(_)));
    let mut muxer = begun(&[(VIDEO, 0xdb, &[])]);
    assert_eq!(error(muxer.take()), TransmuxError::KeyMissing);
    let mut muxer = begun(&[BOTH[0], (AUDIO, 0x11, &[])]);
    pictures(&mut muxer, 0, 3);
    assert!(warned(&prepare(muxer.take()).1, "LATM"));
}
