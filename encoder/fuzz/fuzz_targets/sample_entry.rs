//! A sample entry of somebody else's is understood or refused; rates that are put in change nothing else.
#![no_main]

mod boxes;
#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;

use encoder::fuzzing::cmaf::Entry;
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside.
const MOST: (usize, usize) = (16, 1 << 20);

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    // What a file says of its own size is seldom right by chance.
    let mut bytes = bytes.to_vec();
    let size = (bytes.len() as u32).to_be_bytes();
    if let Some(field) = bytes.first_chunk_mut() {
        *field = size;
    }
    let Ok(entry) = Entry::read(&bytes) else { return };
    assert_eq!(entry.bytes, bytes);
    assert!(entry.codecs.len() <= 64);
    let rates = [700, 70_000, 50_000];
    let measured = entry.with_bitrate(rates);
    assert_eq!(
        measured.with_bitrate(rates),
        measured,
        "the same again changes it"
    );
    assert_eq!(boxes::number(&measured.bytes, 0) as usize, measured.bytes.len());
    assert_eq!(Entry::read(&measured.bytes).as_ref(), Ok(&measured));
    let (before, after) = (boxes::of_entry(&entry.bytes), boxes::of_entry(&measured.bytes));
    let btrt = after.iter().find(|(kind, _)| *kind == b"btrt").expect("rates");
    assert_eq!(
        measured.bytes[btrt.1.clone()][4..12],
        [70_000_u32.to_be_bytes(), 50_000_u32.to_be_bytes()].concat()
    );
    let others = |(kind, _): &&(&[u8], _)| *kind != b"btrt" && *kind != b"esds";
    let kept: Vec<_> = before.iter().filter(others).collect();
    for ((kind, old), (other, new)) in kept.iter().zip(after.iter().filter(others)) {
        assert_eq!((kind, &bytes[old.clone()]), (other, &measured.bytes[new.clone()]));
    }
    assert_eq!(kept.len(), after.iter().filter(others).count());
}
