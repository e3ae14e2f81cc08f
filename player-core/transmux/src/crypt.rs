//! AES-128 in CBC mode, over whole segments and inside samples.

use aes::Aes128;
use aes::cipher::array::Array;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};

use crate::bits::unescape;
use crate::error::TransmuxError;

const BLOCK: usize = 16;

/// Decrypts a whole segment in place: AES-128 in CBC mode with PKCS #7 padding (RFC 8216, 4.3.2.4).
///
/// # Errors
/// [`TransmuxError::Length`] for what is not a multiple of sixteen bytes, [`TransmuxError::Key`] if the padding is none.
pub fn decrypt(mut bytes: Vec<u8>, key: &[u8; 16], iv: &[u8; 16]) -> Result<Vec<u8>, TransmuxError> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(BLOCK) {
        return Err(TransmuxError::Length(bytes.len()));
    }
    decrypt_blocks(&mut bytes, key, iv);
    let padding = bytes.last().map_or(0, |last| usize::from(*last));
    let rest = bytes.len().saturating_sub(padding);
    if !(1..=BLOCK).contains(&padding) || bytes[rest..].iter().any(|byte| usize::from(*byte) != padding) {
        return Err(TransmuxError::Key);
    }
    bytes.truncate(rest);
    Ok(bytes)
}

/// Decrypts the whole blocks at the start of these bytes.
fn decrypt_blocks(bytes: &mut [u8], key: &[u8; 16], iv: &[u8; 16]) {
    let mut cipher = cbc::Decryptor::<Aes128>::new(key.into(), iv.into());
    let (blocks, _) = Array::slice_as_chunks_mut(bytes);
    cipher.decrypt_blocks(blocks);
}

/// A key for samples: every NAL unit and every frame of sound begins with the initialization vector (Apple, *MPEG-2 Stream
/// Encryption Format for HTTP Live Streaming*).
pub(crate) struct SampleKey {
    pub(crate) key: [u8; 16],
    pub(crate) iv: [u8; 16],
}

impl core::fmt::Debug for SampleKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SampleKey")
    }
}

impl SampleKey {
    /// A slice's NAL unit, from `at` to the end: of what follows 32 bytes, each tenth block, as long as more than one is left.
    /// It was encrypted before its emulation prevention went in.
    pub(crate) fn decrypt_avc(&self, out: &mut Vec<u8>, at: usize) {
        const CLEAR: usize = 32;
        const PERIOD: usize = BLOCK * 10;
        const SHORTEST: usize = 48;
        let Some(nal) = out.get(at..).filter(|nal| nal.len() > SHORTEST) else {
            return;
        };
        let mut nal = unescape(nal, usize::MAX);
        let mut cipher = cbc::Decryptor::<Aes128>::new((&self.key).into(), (&self.iv).into());
        for period in nal.get_mut(CLEAR..).unwrap_or_default().chunks_mut(PERIOD) {
            if period.len() > BLOCK
                && let (blocks, _) = Array::slice_as_chunks_mut(period)
                && let Some(block) = blocks.first_mut()
            {
                cipher.decrypt_block(block);
            }
        }
        out.truncate(at);
        escape(&nal, out);
    }

    /// A frame of sound: whole blocks after `clear` bytes.
    pub(crate) fn decrypt_frame(&self, frame: &mut [u8], clear: usize) {
        if let Some(encrypted) = frame.get_mut(clear..) {
            decrypt_blocks(encrypted, &self.key, &self.iv);
        }
    }
}

/// Puts emulation prevention into a NAL unit.
fn escape(nal: &[u8], out: &mut Vec<u8>) {
    out.reserve(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // NIST SP 800-38A, F.2.2.
    const KEY: [u8; 16] = [
        0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c,
    ];
    const IV: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    #[test]
    fn blocks_are_those_of_the_standard() {
        let mut bytes = [
            0x76, 0x49, 0xab, 0xac, 0x81, 0x19, 0xb2, 0x46, 0xce, 0xe9, 0x8e, 0x9b, 0x12, 0xe9, 0x19, 0x7d,
            0x50, 0x86, 0xcb, 0x9b, 0x50, 0x72, 0x19, 0xee, 0x95, 0xdb, 0x11, 0x3a, 0x91, 0x76, 0x78, 0xb2,
            7,
        ];
        decrypt_blocks(&mut bytes, &KEY, &IV);
        assert_eq!(bytes[..4], [0x6b, 0xc1, 0xbe, 0xe2]);
        assert_eq!(bytes[28..], [0x45, 0xaf, 0x8e, 0x51, 7]);
    }

    #[test]
    fn a_wrong_key_or_length_is_said_to_be_one() {
        assert_eq!(decrypt(vec![0; 15], &KEY, &IV), Err(TransmuxError::Length(15)));
        assert_eq!(decrypt(Vec::new(), &KEY, &IV), Err(TransmuxError::Length(0)));
        assert_eq!(decrypt(vec![7; 32], &KEY, &IV), Err(TransmuxError::Key));
    }

    #[test]
    fn emulation_prevention_goes_back_in() {
        let mut out = vec![9];
        escape(&[0, 0, 0, 0, 1, 0, 0, 4], &mut out);
        assert_eq!(out, [9, 0, 0, 3, 0, 0, 3, 1, 0, 0, 4]);
        assert_eq!(unescape(&out[1..], 99), [0, 0, 0, 0, 1, 0, 0, 4]);
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = SampleKey { key: KEY, iv: IV };
        assert_eq!(format!("{key:?}"), "SampleKey");
    }
}
