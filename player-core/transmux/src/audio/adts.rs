//! AAC in ADTS frames (ISO/IEC 13818-7, 6.2).

use super::frames::Header;
use super::{Description, Detail};

/// Samples of a block.
pub(crate) const SAMPLES: u32 = 1024;

const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350,
];

pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
    let b = bytes.first_chunk::<7>()?;
    if b[0] != 0xff || b[1] & 0xf6 != 0xf0 {
        return None;
    }
    let rate_index = b[2] >> 2 & 15;
    let channel_configuration = (b[2] & 1) << 2 | b[3] >> 6;
    let strip = if b[1] & 1 == 1 { 7 } else { 9 };
    let size = usize::from(b[3] & 3) << 11 | usize::from(b[4]) << 3 | usize::from(b[5] >> 5);
    if size <= strip {
        return None;
    }
    Some(Header {
        size,
        strip,
        samples: SAMPLES * (u32::from(b[6] & 3) + 1),
        follows: None,
        description: Description {
            rate: *RATES.get(usize::from(rate_index))?,
            channels: match channel_configuration {
                0 => 2,
                7 => 8,
                count => count,
            },
            detail: Detail::Aac {
                object_type: (b[2] >> 6) + 1,
                rate_index,
                channel_configuration,
            },
        },
    })
}

/// `AudioSpecificConfig` (ISO/IEC 14496-3, 1.6.2.1).
pub(crate) fn specific_config(object_type: u8, rate_index: u8, channel_configuration: u8) -> [u8; 2] {
    let bits =
        u16::from(object_type) << 11 | u16::from(rate_index) << 7 | u16::from(channel_configuration) << 3;
    bits.to_be_bytes()
}
