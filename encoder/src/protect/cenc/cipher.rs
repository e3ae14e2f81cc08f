//! The two ciphers of Common Encryption.

use aes::Aes128;
use aes::cipher::array::Array;
use aes::cipher::{BlockModeEncrypt, KeyIvInit, StreamCipher};

use super::subsamples::{Layout, Subsample};
use crate::protect::keys::{Iv, Key};

pub(super) const BLOCK: usize = 16;

/// The initialization vector of the next sample under `cenc`. No two samples of a key may share a counter block.
#[derive(Clone, Copy, Debug)]
pub(super) struct CounterIv {
    /// Counter block: an 8-byte vector is its first half.
    block: [u8; BLOCK],
    size: u8,
}

impl CounterIv {
    /// A vector of 8 bytes from a random number. So many numbers are free that two tracks under one key never meet.
    pub(super) fn random(bytes: [u8; 8]) -> Self {
        Self::from_given(Iv::Eight(bytes), 0)
    }

    /// A given vector for the first track of a key; those after it begin as far off as no track reaches.
    pub(super) fn from_given(iv: Iv, ordinal: u32) -> Self {
        let mut block = [0; BLOCK];
        let bytes = iv.as_bytes();
        if let Some(first) = block.get_mut(..bytes.len()) {
            first.copy_from_slice(bytes);
        }
        let number = u128::from_be_bytes(block);
        Self {
            block: number
                .wrapping_add(u128::from(ordinal) << TRACKS_APART_BITS)
                .to_be_bytes(),
            size: bytes.len() as u8,
        }
    }

    /// Bytes that a sample states of it.
    pub(super) fn size(&self) -> u8 {
        self.size
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.block.get(..usize::from(self.size)).unwrap_or_default()
    }

    /// Goes on after a sample of so many blocks (§9.2).
    pub(super) fn advance(&mut self, blocks: u64) {
        let number = u128::from_be_bytes(self.block);
        let next = match self.size {
            8 => number.wrapping_add(1 << 64),
            _ => number.wrapping_add(u128::from(blocks)),
        };
        self.block = next.to_be_bytes();
    }
}

/// 2³² samples of an 8-byte vector, 2⁹⁶ blocks of a 16-byte one.
const TRACKS_APART_BITS: u32 = 96;

/// Encrypts a sample under `cenc`: one counter runs through all its protected bytes. Returns how many blocks it used.
pub(super) fn encrypt_cenc(sample: &mut [u8], layout: &Layout, key: &Key, iv: &CounterIv) -> u64 {
    let mut cipher = ctr::Ctr128BE::<Aes128>::new(&key.0.into(), &iv.block.into());
    let mut count = 0;
    for_protected(sample, layout, |bytes| {
        cipher.apply_keystream(bytes);
        count += bytes.len() as u64;
    });
    count.div_ceil(BLOCK as u64)
}

/// Encrypts a sample under `cbcs`: of each subsample one block of ten, of a whole sample every block. Each begins with the
/// same vector. What is no whole block stays clear.
pub(super) fn encrypt_cbcs(sample: &mut [u8], layout: &Layout, key: &Key, iv: &[u8; BLOCK]) {
    let period = match layout {
        Layout::Whole => BLOCK,
        Layout::Subsamples(_) => BLOCK * 10,
    };
    for_protected(sample, layout, |bytes| {
        let mut cipher = cbc::Encryptor::<Aes128>::new(&key.0.into(), iv.into());
        for period in bytes.chunks_mut(period) {
            let (blocks, _) = Array::slice_as_chunks_mut(period);
            if let Some(block) = blocks.first_mut() {
                cipher.encrypt_block(block);
            }
        }
    });
}

fn for_protected(sample: &mut [u8], layout: &Layout, mut encrypt: impl FnMut(&mut [u8])) {
    let subsamples = match layout {
        Layout::Whole => return encrypt(sample),
        Layout::Subsamples(subsamples) => subsamples,
    };
    let mut at = 0;
    for &Subsample { clear, protected } in subsamples {
        let start = at + usize::from(clear);
        at = start + protected as usize;
        if let Some(bytes) = sample.get_mut(start..at).filter(|bytes| !bytes.is_empty()) {
            encrypt(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    // NIST SP 800-38A, F.2.1 and F.5.1.
    const KEY: &str = "2b7e151628aed2a6abf7158809cf4f3c";
    const CLEAR: [u8; 32] = *b"\x6b\xc1\xbe\xe2\x2e\x40\x9f\x96\xe9\x3d\x7e\x11\x73\x93\x17\x2a\xae\x2d\x8a\x57\x1e\x03\xac\x9c\x9e\xb7\x6f\xac\x45\xaf\x8e\x51";

    #[test]
    fn blocks_are_those_of_the_standard() {
        let key = KEY.parse().unwrap();
        let mut bytes = CLEAR;
        let iv = std::array::from_fn(|n| n as u8);
        encrypt_cbcs(&mut bytes, &Layout::Whole, &key, &iv);
        assert_eq!(bytes[..4], [0x76, 0x49, 0xab, 0xac]);
        assert_eq!(bytes[16..20], [0x50, 0x86, 0xcb, 0x9b]);
        let mut bytes = CLEAR;
        let iv = CounterIv::from_given("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff".parse().unwrap(), 0);
        assert_eq!(encrypt_cenc(&mut bytes, &Layout::Whole, &key, &iv), 2);
        assert_eq!(bytes[..4], [0x87, 0x4d, 0x61, 0x91]);
        assert_eq!(bytes[16..20], [0x98, 0x06, 0xf6, 0x6b]);
    }

    #[test]
    fn one_block_of_ten_is_encrypted_and_each_subsample_begins_anew() {
        let key = KEY.parse().unwrap();
        let subsamples =
            [(3, 199), (70, 0), (1, 17)].map(|(clear, protected)| Subsample { clear, protected });
        let mut bytes = [5; 3 + 199 + 70 + 1 + 17];
        encrypt_cbcs(
            &mut bytes,
            &Layout::Subsamples(subsamples.to_vec()),
            &key,
            &[0; 16],
        );
        let changed: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 5).collect();
        let expected: Vec<usize> = [3..19, 163..179, 273..289].into_iter().flatten().collect();
        assert_eq!(changed, expected);
        assert_eq!(bytes[3..19], bytes[273..289]);
        assert_ne!(bytes[3..19], bytes[163..179]);
    }

    #[test]
    fn vectors_never_meet() {
        let mut eight = CounterIv::from_given("00000000ffffffff".parse().unwrap(), 0);
        eight.advance(1000);
        assert_eq!(eight.bytes(), [0, 0, 0, 1, 0, 0, 0, 0]);
        let second = CounterIv::from_given("00000000ffffffff".parse().unwrap(), 1);
        assert_eq!(second.bytes(), [0, 0, 0, 1, 255, 255, 255, 255]);
        let mut sixteen = CounterIv::from_given(format!("{:032x}", 255).parse().unwrap(), 0);
        sixteen.advance(2);
        assert_eq!((sixteen.bytes()[14..].to_vec(), sixteen.size()), (vec![1, 1], 16));
    }
}
