//! Bytes of any kind: no panic, and what comes out is whole.
#![allow(clippy::unwrap_used)]

mod support;

use player_core::output::{Container, Encryption};
use proptest::prelude::*;
use support::mp4::fragments;
use support::ts::*;
use transmux::{Key, Settings, Transmuxer};

fn stream() -> Vec<u8> {
    let mut muxer = Muxer::default();
    muxer.program(&[(VIDEO, 0x1b, &[]), (AUDIO, 0x0f, &[]), (METADATA, 0x15, &[])]);
    for n in 0..8 {
        muxer.video(
            n * 3600,
            n * 3600,
            &if n % 4 == 0 { keyframe(1) } else { frame(2) },
        );
        muxer.audio(n * 1920, &adts(1, 70));
    }
    muxer.pes(
        METADATA,
        0xbd,
        Some((0, 0)),
        b"ID3\x04\0\0\0\0\0\x14TXXX\0\0\0\x0a\0\0\x03key\0value",
    );
    muxer.take()
}

fn settings(container: Container, mode: u8) -> Settings<'static> {
    Settings {
        container,
        continuous: mode & 1 != 0,
        mute: mode & 2 != 0,
        captions: mode & 4 != 0,
        decrypt: (mode & 8 != 0).then_some(Key {
            method: Encryption::SampleAes,
            key: [1; 16],
            iv: [2; 16],
        }),
        init: None,
    }
}

fn check(transmuxer: &mut Transmuxer, bytes: Vec<u8>, settings: &Settings<'_>) {
    if let Ok(ready) = transmuxer.prepare(bytes, settings) {
        for fragment in fragments(ready.bytes()) {
            for track in fragment {
                assert!(
                    track
                        .samples
                        .iter()
                        .all(|sample| sample.duration > 0 && sample.dts >= 0)
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_packets(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in any::<prop::sample::Index>(),
        mode in 0u8..16,
    ) {
        let mut bytes = stream();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let mut transmuxer = Transmuxer::new();
        check(&mut transmuxer, stream(), &settings(Container::MpegTs, mode));
        bytes.truncate(cut.index(bytes.len() * 4));
        check(&mut transmuxer, bytes, &settings(Container::MpegTs, mode));
        check(&mut transmuxer, stream(), &settings(Container::MpegTs, mode | 1));
    }

    #[test]
    fn any_streams_with_any_times(
        pes in prop::collection::vec((0u16..3, any::<Option<(u64, u64)>>(), prop::collection::vec(0u8..12, 0..300)), 1..30),
        kinds in prop::sample::select(vec![[0x1b, 0x0f], [0x24, 0x81], [0x1b, 0x87], [0xdb, 0xcf], [0x24, 0x03]]),
        mode in 8u8..16,
    ) {
        let mut muxer = Muxer::default();
        muxer.program(&[(VIDEO, kinds[0], &[]), (AUDIO, kinds[1], &[]), (METADATA, 0x15, &[])]);
        muxer.video(9000, 9000, &keyframe(1));
        for (stream, times, data) in pes {
            let data = if stream == 1 { adts(data.len() as u8, data.len() + 1) } else { data };
            muxer.pes(VIDEO + stream, 0xe0, times, &data);
        }
        let mut transmuxer = Transmuxer::new();
        let bytes = muxer.take();
        check(&mut transmuxer, bytes.clone(), &settings(Container::MpegTs, mode));
        check(&mut transmuxer, bytes, &settings(Container::MpegTs, mode | 1));
    }

    #[test]
    fn any_packed_audio(bytes in prop::collection::vec(prop::sample::select(vec![0, 1, 0x0b, 0x77, 0x49, 0x44, 0x33, 0xff, 0xf1, 0xfb, 0x50, 0x80, 0x90]), 0..600), mode in 0u8..16) {
        let mut transmuxer = Transmuxer::new();
        let whole = [adts(1, 30).repeat(4), bytes.clone(), adts(2, 30).repeat(4)].concat();
        check(&mut transmuxer, whole, &settings(Container::PackedAudio, mode));
        check(&mut transmuxer, bytes, &settings(Container::PackedAudio, mode | 1));
    }
}

#[test]
fn a_stream_of_keyframes_with_new_descriptions_stays_small() {
    let mut muxer = Muxer::default();
    muxer.program(&[(VIDEO, 0x1b, &[])]);
    for n in 0..200u64 {
        let mut sps = SPS;
        sps[3] = n as u8;
        muxer.video(
            n * 3600,
            n * 3600,
            &annex_b(&[&AUD, &sps, &PPS, &slice(true, 7, 1, 60)]),
        );
    }
    let bytes = muxer.take();
    let ready = Transmuxer::new()
        .prepare(bytes.clone(), &Settings::default())
        .unwrap();
    assert!(ready.bytes().len() < bytes.len() * 2);
    let samples: usize = fragments(ready.bytes())
        .iter()
        .map(|fragment| fragment[0].samples.len())
        .sum();
    assert_eq!(samples, 200);
}

#[test]
fn silence_is_bounded() {
    let mut muxer = Muxer::default();
    muxer.program(&[(AUDIO, 0x0f, &[])]);
    for n in 0..2000u64 {
        muxer.audio(n * 90_000 * 9, &adts(1, 30));
    }
    let bytes = muxer.take();
    let ready = Transmuxer::new().prepare(bytes, &Settings::default()).unwrap();
    assert!(ready.bytes().len() < 1 << 20, "{}", ready.bytes().len());
    assert!(fragments(ready.bytes())[0][0].samples.len() < 10_500);
}
