//! Knowing a text again.

/// A hash that a changed text does not share by accident. Four lanes of eight bytes, for speed.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut lanes = [K, K ^ 1, K ^ 2, K ^ 3];
    let mut chunks = bytes.chunks_exact(32);
    for chunk in &mut chunks {
        for (lane, word) in lanes.iter_mut().zip(chunk.chunks_exact(8)) {
            let word = word.try_into().map_or(0, u64::from_le_bytes);
            *lane = (*lane ^ word).wrapping_mul(K).rotate_left(29);
        }
    }
    let tail = chunks.remainder().iter().fold(bytes.len() as u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(K).rotate_left(29)
    });
    lanes
        .iter()
        .fold(tail, |hash, lane| (hash ^ lane).wrapping_mul(K).rotate_left(31))
}
