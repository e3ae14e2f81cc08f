//! A piece is read as far as it is whole; written again it is the same.
#![no_main]

#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;

use encoder::fuzzing::cmaf::Piece;
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside.
const MOST: (usize, usize) = (64, 1 << 20);

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    let Ok(piece) = Piece::read(bytes) else { return };
    assert!(piece.position <= bytes.len() as u64);
    assert!(piece.timescale() > 0);
    let data: usize = piece.chunks().map(|(.., data)| data.len()).sum();
    assert!(data < bytes.len());
    assert!(piece.chunks().all(|(start, end, ..)| start <= end));
    // What is whole is the same without what follows.
    let whole = Piece::read(&bytes[..piece.position as usize]).expect("its head is there");
    assert!(whole.error.is_none() && whole.position == piece.position && whole.chunks().eq(piece.chunks()));
    let Ok(written) = piece.write() else { return };
    let again = Piece::read(&written).expect("it was written here");
    assert!(again.error.is_none(), "{:?}", again.error);
    assert!(again.is_of_track(&piece) && again.chunks().eq(piece.chunks()));
    assert_eq!(again.position, written.len() as u64);
    assert!(again.write().is_ok_and(|twice| twice == written));
}
