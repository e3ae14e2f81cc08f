//! Whatever a publisher sends by RTMP is read or refused: memory stays in bounds, and nothing is taken from who was not admitted.
#![no_main]

#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;
mod input;

use encoder::fuzzing::rtmp::connection;
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside.
const MOST: (usize, usize) = (64, 1 << 20);

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    let mut input = input::Input(bytes);
    let admits = input.u8() & 1 == 1;
    let mut pieces = Vec::new();
    while !input.is_empty() {
        pieces.push(input.run());
    }
    let Ok((tags, answered)) = connection(&pieces, admits) else {
        return;
    };
    assert!(admits || tags.is_empty());
    // The handshake is answered, and no message by more than a few.
    assert!((3073..3073 + 1024 * (bytes.len() + 1)).contains(&answered));
    for tag in tags {
        let size = u32::from_be_bytes([0, tag[1], tag[2], tag[3]]) as usize;
        assert!([8, 9, 18].contains(&tag[0]) && tag.len() == size + 15);
        let whole = u32::from_be_bytes(tag[tag.len() - 4..].try_into().unwrap()) as usize;
        assert_eq!(whole, size + 11);
    }
}
