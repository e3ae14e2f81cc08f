//! HLS's own two methods, for MPEG-TS: whole segments (`AES-128`, RFC 8216bis §4.4.4.4) and samples (`SAMPLE-AES`, Apple, *MPEG-2
//! Stream Encryption Format for HTTP Live Streaming*).

use aes::Aes128;
use aes::cipher::array::Array;
use aes::cipher::{BlockModeEncrypt, KeyIvInit};

use super::keys::{ContentKey, Iv, Key};
use super::signal::HlsKey;

/// Encrypts a whole segment: AES-128 in CBC mode, padded as PKCS #7 says.
pub(crate) fn encrypt_segment(mut bytes: Vec<u8>, key: &Key, iv: &[u8; 16]) -> Vec<u8> {
    let padding = BLOCK - bytes.len() % BLOCK;
    bytes.extend(std::iter::repeat_n(padding as u8, padding));
    encrypt_blocks(&mut bytes, key, iv);
    bytes
}

/// The initialization vector of a segment: the key's own, else its media sequence number.
pub(crate) fn segment_iv(key: &ContentKey, media_sequence: u64) -> [u8; 16] {
    match key.iv {
        Some(Iv::Sixteen(iv)) => iv,
        _ => u128::from(media_sequence).to_be_bytes(),
    }
}

/// The key tag of segments under `AES-128`.
pub(crate) fn segment_key_tag(key: &ContentKey, uri: String) -> HlsKey {
    HlsKey {
        method: "AES-128".into(),
        uri,
        iv: own_iv(key),
        key_format: None,
        key_id: None,
    }
}

/// The key tag of segments under `SAMPLE-AES` in MPEG-TS, from that of a system; a player needs the vector there.
pub(crate) fn sample_key_tag(key: &ContentKey, tag: HlsKey) -> HlsKey {
    HlsKey {
        method: "SAMPLE-AES".into(),
        iv: own_iv(key),
        ..tag
    }
}

fn own_iv(key: &ContentKey) -> Option<[u8; 16]> {
    match key.iv {
        Some(Iv::Sixteen(iv)) => Some(iv),
        _ => None,
    }
}

/// Encryption of samples under `SAMPLE-AES`; every NAL unit and every frame of sound begins with the same vector.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SampleAes {
    key: Key,
    iv: [u8; 16],
}

impl SampleAes {
    pub(crate) fn new(key: Key, iv: [u8; 16]) -> Self {
        Self { key, iv }
    }

    /// Appends a H.264 NAL unit to `out`, encrypted if it is a slice of more than 48 bytes: after 32 clear bytes each tenth
    /// block. Ciphers see it without its emulation prevention, which is put in anew.
    pub(crate) fn append_nal(&self, nal: &[u8], out: &mut Vec<u8>) {
        const CLEAR: usize = 32;
        const SHORTEST: usize = 48;
        let is_slice = matches!(nal.first().map(|header| header & 0x1f), Some(1 | 5));
        if !is_slice || nal.len() <= SHORTEST {
            out.extend_from_slice(nal);
            return;
        }
        let mut raw = unescaped(nal);
        let mut cipher = cbc::Encryptor::<Aes128>::new(&self.key.0.into(), &self.iv.into());
        for period in raw.get_mut(CLEAR..).unwrap_or_default().chunks_mut(BLOCK * 10) {
            let (blocks, rest) = Array::slice_as_chunks_mut(period);
            // A block that ends the unit stays clear.
            let is_end = blocks.len() == 1 && rest.is_empty();
            if let Some(block) = blocks.first_mut().filter(|_| !is_end) {
                cipher.encrypt_block(block);
            }
        }
        escape(&raw, out);
    }

    /// An AAC frame with its ADTS header: that and 16 bytes stay clear, then whole blocks.
    pub(crate) fn encrypt_adts(&self, frame: &mut [u8], header_bytes: usize) {
        self.encrypt_frame(frame, header_bytes + BLOCK);
    }

    /// An AC-3 frame: 16 bytes stay clear, then whole blocks.
    pub(crate) fn encrypt_ac3(&self, frame: &mut [u8]) {
        self.encrypt_frame(frame, BLOCK);
    }

    fn encrypt_frame(&self, frame: &mut [u8], clear: usize) {
        if let Some(bytes) = frame.get_mut(clear..) {
            encrypt_blocks(bytes, &self.key, &self.iv);
        }
    }
}

const BLOCK: usize = 16;

/// The whole blocks at the start of these bytes.
fn encrypt_blocks(bytes: &mut [u8], key: &Key, iv: &[u8; 16]) {
    let mut cipher = cbc::Encryptor::<Aes128>::new(&key.0.into(), iv.into());
    let (blocks, _) = Array::slice_as_chunks_mut(bytes);
    cipher.encrypt_blocks(blocks);
}

/// A NAL unit without its emulation prevention (ISO/IEC 14496-10 §7.4.1).
fn unescaped(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

fn escape(raw: &[u8], out: &mut Vec<u8>) {
    out.reserve(raw.len() + raw.len() / 64);
    let mut zeros = 0;
    for &byte in raw {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    // A unit never ends with a zero.
    if zeros > 0 {
        out.push(3);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use transmux::decrypt;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_segment_is_padded_and_comes_back() {
        let key: Key = KEY.parse().unwrap();
        let content = ContentKey {
            id: Default::default(),
            key,
            iv: None,
        };
        let iv = segment_iv(&content, 0x1_0203);
        assert_eq!(iv[13..], [1, 2, 3]);
        for length in [0, 1, 15, 16, 17, 188] {
            let clear: Vec<u8> = (0..length).collect();
            let encrypted = encrypt_segment(clear.clone(), &key, &iv);
            assert_eq!(encrypted.len(), (clear.len() / 16 + 1) * 16);
            assert_eq!(decrypt(encrypted, &key.0, &iv).unwrap(), clear);
        }
    }

    #[test]
    fn tags_state_a_vector_only_if_the_key_has_one() {
        let mut key = ContentKey {
            id: Default::default(),
            key: KEY.parse().unwrap(),
            iv: None,
        };
        assert_eq!(
            segment_key_tag(&key, "k".to_owned()).key_tag(),
            "#EXT-X-KEY:METHOD=AES-128,URI=\"k\""
        );
        key.iv = Some(KEY.parse().unwrap());
        let tag = segment_key_tag(&key, "k".to_owned());
        assert_eq!(
            tag.key_tag(),
            format!("#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x{KEY}")
        );
        assert!(
            sample_key_tag(&key, tag)
                .key_tag()
                .starts_with("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\",IV=0x0123")
        );
        assert_eq!(segment_iv(&key, 7), KEY.parse::<Key>().unwrap().0);
    }

    #[test]
    fn what_is_encrypted_of_a_slice_depends_on_its_length() {
        let aes = SampleAes::new(KEY.parse().unwrap(), [7; 16]);
        let changed = |length: usize, header: u8| {
            let mut nal = vec![0x55; length];
            nal[0] = header;
            let mut out = Vec::new();
            aes.append_nal(&nal, &mut out);
            let (raw, nal) = (unescaped(&out), unescaped(&nal));
            assert_eq!(raw.len(), length);
            (0..length).filter(|at| raw[*at] != nal[*at]).collect::<Vec<_>>()
        };
        assert!(changed(48, 0x65).is_empty());
        assert_eq!(changed(49, 0x65), (32..48).collect::<Vec<_>>());
        assert_eq!(changed(208, 0x41), (32..48).collect::<Vec<_>>());
        assert_eq!(changed(209, 0x41), (32..48).chain(192..208).collect::<Vec<_>>());
        assert!(changed(400, 0x06).is_empty());
    }

    #[test]
    fn emulation_prevention_is_taken_out_and_put_in() {
        let nal = [5, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3];
        assert_eq!(unescaped(&nal), [5, 0, 0, 1, 0, 0, 0, 0]);
        let mut out = vec![9];
        escape(&unescaped(&nal), &mut out);
        assert_eq!(out, [9, 5, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3]);
    }
}
