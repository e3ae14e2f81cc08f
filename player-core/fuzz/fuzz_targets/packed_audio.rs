//! Packed audio becomes fMP4 or is refused; the first byte says how. What was split into two segments that go on has as many samples
//! as the whole, or fewer.
#![no_main]

mod fragments;
mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::output::{Container, Encryption};
use transmux::{Key, Settings, Transmuxer};

/// Bytes of heap for a byte of input, and beside.
const MOST: (usize, usize) = (64, 4 << 20);

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    let Some((&mode, bytes)) = bytes.split_first() else {
        return;
    };
    let mut settings = Settings {
        container: Container::PackedAudio,
        decrypt: (mode & 1 != 0).then_some(Key {
            method: Encryption::SampleAes,
            key: [1; 16],
            iv: [2; 16],
        }),
        ..Settings::default()
    };
    let (first, second) = bytes.split_at(bytes.len() * usize::from(mode >> 2) / 64);
    let mut transmuxer = Transmuxer::new();
    for part in [first, second] {
        if let Ok(ready) = transmuxer.prepare(part.to_vec(), &settings) {
            fragments::check(ready.bytes());
            let times = ready.prepared.times.unwrap();
            assert!(times.start <= times.end && ready.prepared.warnings.len() <= 32);
            assert!(ready.prepared.metadata.is_sorted_by_key(|tag| tag.time));
        }
        settings.continuous = mode & 2 != 0;
    }
}
