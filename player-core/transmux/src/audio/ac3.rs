//! AC-3 and Enhanced AC-3 (ETSI TS 102 366; boxes in its annex F).

use super::frames::Header;
use super::{Description, Detail};
use crate::bits::{BitWriter, Bits};

/// Samples of a block; a frame of AC-3 has six.
const BLOCK: u32 = 256;
const RATES: [u32; 3] = [48_000, 44_100, 32_000];
/// kbit/s by half of `frmsizecod`.
const BITRATES: [u16; 19] = [
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
];
/// Channels by `acmod`, without the one for low frequencies.
const CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

/// A frame of AC-3 or Enhanced AC-3, whichever it is.
pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
    if bytes.first_chunk::<2>()? != &[0x0b, 0x77] {
        return None;
    }
    match bytes.get(5)? >> 3 {
        0..=10 => plain(bytes),
        11..=16 => enhanced(bytes),
        _ => None,
    }
}

fn plain(bytes: &[u8]) -> Option<Header> {
    let mut bits = Bits::new(bytes);
    bits.skip(32)?;
    let (rate_code, size_code) = (bits.take(2)?, bits.take(6)?);
    let (id, mode) = (bits.take(5)?, bits.take(3)?);
    let arrangement = bits.take(3)?;
    if arrangement & 1 == 1 && arrangement != 1 {
        bits.skip(2)?;
    }
    if arrangement & 4 != 0 {
        bits.skip(2)?;
    }
    if arrangement == 2 {
        bits.skip(2)?;
    }
    let low = bits.take(1)?;
    let rate = *RATES.get(rate_code as usize)?;
    let bitrate = u32::from(*BITRATES.get(size_code as usize / 2)?);
    let words = bitrate * 96_000 / rate + if rate_code == 1 { size_code & 1 } else { 0 };
    let mut out = BitWriter::default();
    for (value, count) in [
        (rate_code, 2),
        (id, 5),
        (mode, 3),
        (arrangement, 3),
        (low, 1),
        (size_code / 2, 5),
        (0, 5),
    ] {
        out.put(value, count);
    }
    Some(Header {
        size: words as usize * 2,
        strip: 0,
        samples: BLOCK * 6,
        follows: None,
        description: Description {
            // Half and a quarter of the rate, in streams of versions 9 and 10.
            rate: rate >> id.saturating_sub(8),
            channels: CHANNELS[arrangement as usize] + low as u8,
            detail: Detail::Ac3(*out.into_bytes().first_chunk()?),
        },
    })
}

/// One syncframe. Those that belong to the one before it, because they are a dependent or a further substream, *follow*.
fn enhanced(bytes: &[u8]) -> Option<Header> {
    let mut bits = Bits::new(bytes);
    bits.skip(16)?;
    let (stream_type, stream) = (bits.take(2)?, bits.take(3)?);
    let size = (bits.take(11)? + 1) * 2;
    let rate_code = bits.take(2)?;
    let (rate, blocks) = if rate_code == 3 {
        (RATES.get(bits.take(2)? as usize)? / 2, 6)
    } else {
        (RATES[rate_code as usize], [1, 2, 3, 6][bits.take(2)? as usize])
    };
    let (arrangement, low) = (bits.take(3)?, bits.take(1)?);
    let id = bits.take(5)?;
    if stream_type == 3 || size < 8 {
        return None;
    }
    let follows = stream_type == 1 || stream != 0;
    let speakers = if stream_type == 1 && stream == 0 {
        speakers(&mut bits, arrangement)
    } else {
        None
    };
    let mut out = BitWriter::default();
    // The data rate is left open: it may differ from frame to frame.
    for (value, count) in [
        (0, 16),
        (rate_code, 2),
        (id, 5),
        (0, 5),
        (arrangement, 3),
        (low, 1),
        (0, 16),
    ] {
        out.put(value, count);
    }
    Some(Header {
        size: size as usize,
        strip: 0,
        samples: if follows { 0 } else { BLOCK * blocks },
        follows: follows.then_some(speakers),
        description: Description {
            rate,
            channels: CHANNELS[arrangement as usize] + low as u8,
            detail: Detail::Eac3(*out.into_bytes().first_chunk()?),
        },
    })
}

/// Where a dependent substream's channels are, as `chan_loc` has it.
fn speakers(bits: &mut Bits<'_>, arrangement: u32) -> Option<u16> {
    for _ in 0..if arrangement == 0 { 2 } else { 1 } {
        bits.skip(5)?;
        if bits.bit()? {
            bits.skip(8)?;
        }
    }
    // `chanmap` begins with five places that the independent substream has; of the last ones only the second for low frequencies
    // is told.
    let map = if bits.bit()? { bits.take(16)? } else { 0 };
    Some((map >> 2 & 0x1fe | map >> 1 & 1) as u16)
}

/// A dependent substream is told of in the box `dec3`.
pub(crate) fn add_dependent(description: &mut Description, speakers: u16) {
    if let Detail::Eac3(dec3) = &mut description.detail
        && dec3[4] == 0
    {
        // How many there are, and nine bits of where.
        let bits = 1 << 9 | speakers & 0x1ff;
        [dec3[4], dec3[5]] = bits.to_be_bytes();
        description.channels = description
            .channels
            .saturating_add(2 * (speakers & 0xda).count_ones() as u8);
    }
}

/// The box `dec3`: without a dependent substream it is a byte shorter.
pub(crate) fn dec3(bytes: &[u8; 6]) -> &[u8] {
    if bytes[4] == 0 { &bytes[..5] } else { bytes }
}
