//! The inner loops of Headgate's readers: what is done for each line of a playlist, each `S` of an MPD, and each packet of a transport
//! stream.
//!
//! It is a crate of its own because its loops are built for speed where the rest of the engine is built for size. Texts are bytes here,
//! and nothing is checked to be UTF-8: every place that is given is beside an ASCII character.

mod line;
mod number;
mod runs;
mod s;
pub mod steps;
pub mod varint;
mod zeros;

pub use line::{Kind, Line, line};
pub use number::{date, micros};
pub use runs::{Mark, Run, Runs};
pub use s::{S, s, space};
pub use zeros::has_zeros;

use memchr::{memchr, memchr_iter, memchr2};

/// Where a character of ASCII is.
#[inline(never)]
pub fn find(byte: u8, text: &[u8]) -> Option<usize> {
    memchr(byte, text)
}

/// How many LF there are.
#[inline(never)]
pub fn line_breaks(text: &[u8]) -> u32 {
    memchr_iter(b'\n', text).count() as u32
}

/// Whether a short text is part of another one. The standard library's search, made for long ones, is 5 KB of Wasm.
#[inline(never)]
pub fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

/// Whether a text is surely a path, relative or absolute, of a usual length, which always can be resolved.
#[inline(never)]
pub fn is_path(uri: &[u8]) -> bool {
    !uri.is_empty() && uri.len() <= 2048 && !uri.starts_with(b"//") && memchr2(b':', b'{', uri).is_none()
}

/// A hash that a changed text does not share by accident. Four lanes of eight bytes, for speed.
#[inline(never)]
pub fn fingerprint(bytes: &[u8]) -> u64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_anywhere() {
        for part in ["", "a", "ab", "bc", "c", "abc"] {
            assert!(contains(b"abc", part.as_bytes()), "{part}");
        }
        for other in ["d", "ac", "abcd"] {
            assert!(!contains(b"abc", other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn only_what_surely_is_a_path_is_one() {
        for path in ["a", "/a/b.ts?x=1#y", "../a", "ä"] {
            assert!(is_path(path.as_bytes()), "{path}");
        }
        let long = "a".repeat(2049);
        for other in ["", "//h/a", "https://h/a", "a:b", "{$a}", &long] {
            assert!(!is_path(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_changed_byte_changes_the_fingerprint() {
        let text: Vec<u8> = (0..100).collect();
        for length in [0, 1, 31, 32, 33, 100] {
            let text = text.get(..length).unwrap_or_default();
            for at in 0..length {
                let mut other = text.to_vec();
                if let Some(byte) = other.get_mut(at) {
                    *byte ^= 1;
                }
                assert_ne!(fingerprint(text), fingerprint(&other), "{at} of {length}");
            }
        }
    }
}
