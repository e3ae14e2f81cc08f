//! Packed audio.
#![allow(clippy::unwrap_used)]

mod support;

use player_core::output::Container;
use support::mp4::fragments;
use support::ts::{adts, adts_of};
use transmux::{Ready, Settings, TransmuxError, Transmuxer};

fn stamp(time: u64) -> Vec<u8> {
    let mut tag =
        b"ID3\x04\0\0\0\0\0\x3fPRIV\0\0\0\x35\0\0com.apple.streaming.transportStreamTimestamp\0".to_vec();
    tag.extend(time.to_be_bytes());
    tag
}

const TITLE: &[u8] = b"ID3\x04\0\0\0\0\0\x14TXXX\0\0\0\x0a\0\0\x03key\0value";

fn frames(count: usize) -> Vec<u8> {
    (0..count).flat_map(|n| adts(n as u8 | 0x40, 80)).collect()
}

fn next(transmuxer: &mut Transmuxer, parts: &[&[u8]], continuous: bool) -> Ready {
    let settings = Settings {
        container: Container::PackedAudio,
        continuous,
        ..Settings::default()
    };
    transmuxer.prepare(parts.concat(), &settings).unwrap()
}

fn starts(ready: &Ready) -> Vec<i64> {
    fragments(ready.bytes())[0][0]
        .samples
        .iter()
        .map(|s| s.dts)
        .collect()
}

#[test]
fn the_tag_says_when_it_begins() {
    let ready = next(
        &mut Transmuxer::new(),
        &[&stamp(900_000), TITLE, &frames(3)],
        false,
    );
    assert_eq!(starts(&ready), [480_000, 481_024, 482_048]);
    assert_eq!(ready.prepared.mime, "audio/mp4; codecs=\"mp4a.40.2\"");
    assert_eq!(ready.prepared.times.unwrap().end.as_millis(), 10_064);
    // The timestamp is for the player alone.
    assert_eq!(ready.prepared.metadata.len(), 1);
    assert_eq!(ready.prepared.metadata[0].frames.len(), 1);
    assert_eq!(
        (
            ready.prepared.metadata[0].time.as_millis(),
            ready.prepared.metadata[0].frames[0].text.as_str()
        ),
        (10_000, "value")
    );
}

#[test]
fn without_a_timestamp_it_goes_on_or_begins_at_zero() {
    let mut transmuxer = Transmuxer::new();
    let first = next(&mut transmuxer, &[&frames(3)], false);
    assert_eq!(starts(&first), [0, 1024, 2048]);
    assert!(first.prepared.warnings[0].contains("begins at zero"));
    assert_eq!(starts(&next(&mut transmuxer, &[&frames(2)], true)), [3072, 4096]);
    // A timestamp that is a little off does not move what follows.
    assert_eq!(
        starts(&next(&mut transmuxer, &[&stamp(9600 + 500), &frames(1)], true)),
        [5120]
    );
    assert_eq!(
        starts(&next(&mut transmuxer, &[&stamp(90_000 * 3), &frames(1)], false)),
        [144_000]
    );
}

#[test]
fn timestamps_start_over() {
    let mut transmuxer = Transmuxer::new();
    let top = (1u64 << 33) - 9600;
    let first = next(&mut transmuxer, &[&stamp(top), &frames(5)], false);
    let second = next(&mut transmuxer, &[&stamp(0), &frames(5)], true);
    assert_eq!(starts(&second)[0], starts(&first)[4] + 1024);
}

#[test]
fn tags_and_rubbish_may_lie_between_frames() {
    let ready = next(
        &mut Transmuxer::new(),
        &[&stamp(0), &frames(3), TITLE, &frames(2), &[1, 2, 3], &frames(2)],
        false,
    );
    assert_eq!(starts(&ready).len(), 7);
    assert_eq!(ready.prepared.metadata[0].time.as_millis(), 64);
    assert!(
        ready
            .prepared
            .warnings
            .iter()
            .any(|w| w.contains("between frames"))
    );
}

#[test]
fn half_a_frame_is_completed() {
    let all = frames(6);
    let (first, second) = all.split_at(87 * 3 + 10);
    let mut transmuxer = Transmuxer::new();
    assert_eq!(
        starts(&next(&mut transmuxer, &[&stamp(0), first], false)),
        [0, 1024, 2048]
    );
    assert_eq!(
        starts(&next(&mut transmuxer, &[second], true)),
        [3072, 4096, 5120]
    );
}

#[test]
fn a_change_inside_begins_a_new_fragment() {
    let mono: Vec<u8> = (0..3).flat_map(|_| adts_of(3, 1, 1, 50)).collect();
    let ready = next(&mut Transmuxer::new(), &[&stamp(0), &frames(3), &mono], false);
    let fragments = fragments(ready.bytes());
    assert_eq!((fragments.len(), fragments[1][0].samples[0].dts), (2, 3072));
}

#[test]
fn enhanced_ac3_joins_what_belongs_together() {
    // Two blocks a frame: three frames a sample, each with a dependent substream with two more channels.
    let frame = |kind: u8, blocks: u8, tail: &[u8]| {
        let mut frame = vec![0x0b, 0x77, kind << 6, 31, blocks << 4 | 0x0f, 0x80];
        frame.extend_from_slice(tail);
        frame.resize(64, 0);
        frame
    };
    // dialnorm, no compr; chanmap: rear pair.
    let dependent = frame(1, 1, &[0b0000_0010, 0b1000_0000, 0b1000_0000, 0]);
    let pair = [frame(0, 1, &[]), dependent].concat();
    let ready = next(&mut Transmuxer::new(), &[&stamp(0), &pair.repeat(6)], false);
    assert_eq!(ready.prepared.mime, "audio/mp4; codecs=\"ec-3\"");
    let track = &fragments(ready.bytes())[0][0];
    assert_eq!(
        track
            .samples
            .iter()
            .map(|s| (s.dts, s.bytes.len()))
            .collect::<Vec<_>>(),
        [(0, 384), (1536, 384)]
    );
    let dec3 = ready.bytes().windows(4).position(|w| w == b"dec3").unwrap();
    // One dependent substream behind the independent one.
    assert_eq!(ready.bytes()[dec3 - 1], 14);
    assert_eq!(ready.bytes()[dec3 + 8] >> 1, 1);
}

#[test]
fn what_is_no_sound_is_said_to_be_none() {
    let settings = Settings {
        container: Container::PackedAudio,
        ..Settings::default()
    };
    for bytes in [b"<html>".to_vec(), Vec::new(), stamp(5), vec![0xff; 4000]] {
        let result = Transmuxer::new().prepare(bytes, &settings);
        assert!(
            matches!(result, Err(TransmuxError::NotPackedAudio(_))),
            "{result:?}"
        );
    }
}
