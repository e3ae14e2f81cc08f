//! FLAC as ISO base media files hold it ("Encapsulation of FLAC in ISO Base Media File Format" 0.0.4): packaged only.

use super::bits::Bits;
use super::entry::{Bitrate, SampleEntry, Sound, boxed};

/// The `fLaC` sample entry for a STREAMINFO block (RFC 9639 §8.2) without its header, FFmpeg's extradata.
pub(crate) fn entry(stream_info: &[u8], bitrate: Option<Bitrate>) -> Result<SampleEntry, String> {
    let block = stream_info.get(..STREAM_INFO_BYTES);
    let read = |block: &[u8]| {
        let mut bits = Bits::new(block);
        bits.skip(80)?;
        Some((bits.read(20)?, bits.read(3)? + 1))
    };
    let (block, (rate, channels)) = block
        .and_then(|block| Some((block, read(block)?)))
        .ok_or("the FLAC stream says too little of itself")?;
    let sound = Sound {
        rate,
        channels: channels as u16,
        bitrate,
    };
    SampleEntry::audio(b"fLaC", &sound, |out| {
        boxed(b"dfLa", out, |out| {
            // Version and flags; the last block, of kind STREAMINFO, and its size.
            out.extend_from_slice(&[0, 0, 0, 0, 0x80, 0, 0, STREAM_INFO_BYTES as u8]);
            out.extend_from_slice(block);
        });
    })
}

const STREAM_INFO_BYTES: usize = 34;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_stream_info_becomes_an_entry() {
        let mut block = [0; 34];
        // 48000 Hz in 20 bits, two channels less one in 3.
        block[10..13].copy_from_slice(&[0x0b, 0xb8, 0x02]);
        let entry = entry(&block, None).unwrap();
        assert_eq!(entry.codecs, "flac");
        assert_eq!(entry.bytes.get(24..26).unwrap(), [0, 2]);
        assert_eq!(entry.bytes.get(32..34).unwrap(), 48_000_u16.to_be_bytes());
        assert!(super::entry(&block[..33], None).is_err());
    }
}
