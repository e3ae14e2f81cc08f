//! What is written as MPEG-TS is read back whole. The first byte says how: any samples of any sample entry are found again in the PES
//! packets; pictures and sound that a player can understand come back from its transmuxer, in the clear and encrypted.
#![no_main]

mod boxes;
#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;
mod input;
mod packets;

use encoder::fuzzing::Sample;
use encoder::fuzzing::ts::Stream;
use libfuzzer_sys::fuzz_target;
use player_core::output::{Container, Encryption};
use transmux::{Key, Settings, Transmuxer};

/// Bytes of heap for a byte of input, and beside: a sample of a byte takes packets of 188.
const MOST: (usize, usize) = (8192, 4 << 20);
/// Of x264 for 64×36 pixels, and of AAC-LC at 48 kHz with two channels.
const AVC: &[u8] = &[
    0x00, 0x00, 0x00, 0x83, 0x61, 0x76, 0x63, 0x31, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40,
    0x00, 0x24, 0x00, 0x48, 0x00, 0x00, 0x00, 0x48, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x18, 0xff,
    0xff, 0x00, 0x00, 0x00, 0x2d, 0x61, 0x76, 0x63, 0x43, 0x01, 0x4d, 0x40, 0x0a, 0xff, 0xe1, 0x00, 0x16,
    0x67, 0x4d, 0x40, 0x0a, 0xf6, 0x23, 0xfc, 0xf8, 0x08, 0x80, 0x00, 0x00, 0x03, 0x00, 0x80, 0x00, 0x00,
    0x05, 0x07, 0x89, 0x12, 0x9c, 0x01, 0x00, 0x04, 0x68, 0xee, 0x0f, 0xc8,
];
const AAC: &[u8] = &[
    0x00, 0x00, 0x00, 0x5a, 0x6d, 0x70, 0x34, 0x61, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0xbb, 0x80,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x36, 0x65, 0x73, 0x64, 0x73, 0x00, 0x00, 0x00, 0x00, 0x03, 0x80, 0x80,
    0x80, 0x25, 0x00, 0x01, 0x00, 0x04, 0x80, 0x80, 0x80, 0x17, 0x40, 0x15, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x7d, 0x00, 0x00, 0x00, 0x7d, 0x00, 0x05, 0x80, 0x80, 0x80, 0x05, 0x11, 0x90, 0x56, 0xe5, 0x00, 0x06,
    0x80, 0x80, 0x80, 0x01, 0x02,
];

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    let mut input = input::Input(bytes);
    let mode = input.u8();
    if mode & 1 == 0 {
        any(&mut input, mode & 2 != 0);
    } else {
        played(&mut input, mode & 2 != 0, mode & 4 != 0);
    }
}

/// Whatever samples, by whatever description.
fn any(input: &mut input::Input<'_>, is_encrypted: bool) {
    let entry = input.run();
    let key = || is_encrypted.then(|| ("01".repeat(16).parse().expect("a key"), [2; 16]));
    let (timescale, skipped) = (input.u32(), input.any());
    let Ok(mut stream) = Stream::new(&[(entry, timescale, skipped)]) else {
        return;
    };
    let mut counters = std::collections::BTreeMap::new();
    let mut at = input.any();
    while !input.is_empty() {
        let mut samples = Vec::new();
        for _ in 0..1 + input.u8() % 8 {
            let (flags, duration) = (input.u8(), input.any() as u32);
            samples.push(Sample {
                duration,
                composition_offset: i32::from(input.u16() as i16) << (flags >> 4),
                is_sync: flags & 1 != 0,
                data: input.run(),
            });
        }
        let lasts: u64 = samples.iter().map(|sample| u64::from(sample.duration)).sum();
        let Ok((segment, frames)) = stream.segment(&[(at, samples.clone())], key()) else {
            return;
        };
        let streams = packets::read(&segment, &mut counters);
        let payload = streams.get(&0x100).cloned().unwrap_or_default();
        for (range, sample) in &frames {
            assert!(
                range.end <= segment.len() && range.len().is_multiple_of(188) && samples[*sample].is_sync
            );
        }
        match &entry[4..8] {
            _ if is_encrypted => assert!(payload.len() >= concat(&samples).len() / 2),
            b"ac-3" | b"ec-3" => assert_eq!(payload, concat(&samples)),
            b"mp4a" => assert_eq!(packets::adts(&payload).concat(), concat(&samples)),
            _ => assert!(frames.len() == samples.iter().filter(|sample| sample.is_sync).count()),
        }
        at = at.saturating_add(lasts);
    }
}

/// What a player understands: slices that begin pictures, and frames of sound.
fn played(input: &mut input::Input<'_>, is_encrypted: bool, has_sound: bool) {
    const KEY: [u8; 16] = [1; 16];
    const IV: [u8; 16] = [2; 16];
    let mut pictures = Vec::new();
    for number in 0..1 + input.u8() % 8 {
        pictures.push(slice(input.run(), number == 0));
    }
    let mut sound: Vec<Vec<u8>> = Vec::new();
    while has_sound && (!input.is_empty() || sound.is_empty()) {
        sound.push(input.run().iter().copied().chain([1]).take(8000).collect());
    }
    let mut tracks = vec![(AVC, 90_000, 0)];
    let mut chunks = vec![(0, timed(&pictures, 3600))];
    if has_sound {
        tracks.push((AAC, 48_000, 0));
        chunks.push((0, timed(&sound, 1024)));
    }
    let mut stream = Stream::new(&tracks).expect("both can be in MPEG-TS");
    let key = is_encrypted.then(|| ("01".repeat(16).parse().expect("a key"), IV));
    let (segment, _) = stream.segment(&chunks, key).expect("frames are not long");
    packets::read(&segment, &mut Default::default());
    let settings = Settings {
        container: Container::MpegTs,
        decrypt: is_encrypted.then_some(Key {
            method: Encryption::SampleAes,
            key: KEY,
            iv: IV,
        }),
        ..Settings::default()
    };
    let mut transmuxer = Transmuxer::new();
    let ready = transmuxer.prepare(segment, &settings).expect("a player reads it");
    let warnings = &ready.prepared.warnings;
    assert!(warnings.is_empty(), "{warnings:?}");
    let media: Vec<u8> = boxes::all(ready.bytes())
        .into_iter()
        .filter(|(kind, _)| kind == b"mdat")
        .flat_map(|(_, data)| data.to_vec())
        .collect();
    let pictures = pictures.concat();
    assert!(
        media.starts_with(&pictures) || media.ends_with(&pictures),
        "the pictures are others"
    );
    let sound = sound.concat();
    assert!(
        media.ends_with(&sound) || media.starts_with(&sound),
        "the sound is another"
    );
    assert_eq!(media.len(), pictures.len() + sound.len());
}

/// Samples of this many ticks. Sound can be decoded from each, pictures from the first.
fn timed(samples: &[Vec<u8>], duration: u32) -> Vec<Sample<'_>> {
    samples
        .iter()
        .enumerate()
        .map(|(number, data)| Sample {
            duration,
            composition_offset: 0,
            is_sync: number == 0 || duration == 1024,
            data,
        })
        .collect()
}

/// A length-prefixed slice that begins a picture, with these bytes in it.
fn slice(data: &[u8], is_idr: bool) -> Vec<u8> {
    let mut nal = vec![0, 0, 0, 0, if is_idr { 0x65 } else { 0x41 }, 0x88];
    let mut zeros = 0;
    for &byte in data {
        if zeros == 2 && byte <= 3 {
            nal.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        nal.push(byte);
    }
    nal.push(0x80);
    let size = (nal.len() as u32 - 4).to_be_bytes();
    nal[..4].copy_from_slice(&size);
    nal
}

fn concat(samples: &[Sample<'_>]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.data).copied().collect()
}
