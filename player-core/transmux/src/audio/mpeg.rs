//! MPEG audio, layers I to III (ISO/IEC 11172-3, 2.4.1.3; 13818-3).

use super::frames::Header;
use super::{Description, Detail};

/// kbit/s by index 1 to 14: MPEG-1 layers I, II, III; MPEG-2 layer I, then II and III.
const BITRATES: [[u16; 14]; 5] = [
    [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];
const RATES: [u32; 3] = [44_100, 48_000, 32_000];

pub(crate) fn header(bytes: &[u8]) -> Option<Header> {
    let b = bytes.first_chunk::<4>()?;
    if b[0] != 0xff || b[1] & 0xe0 != 0xe0 {
        return None;
    }
    let version = b[1] >> 3 & 3;
    let layer = 4 - (b[1] >> 1 & 3);
    if version == 1 || layer == 4 {
        return None;
    }
    let first = version == 3;
    let rate = *RATES.get(usize::from(b[2] >> 2 & 3))?
        >> match version {
            3 => 0,
            2 => 1,
            _ => 2,
        };
    let row = match (first, layer) {
        (true, layer) => usize::from(layer) - 1,
        (false, 1) => 3,
        (false, _) => 4,
    };
    let bitrate = u32::from(*BITRATES[row].get(usize::from(b[2] >> 4).wrapping_sub(1))?) * 1000;
    let padding = u32::from(b[2] >> 1 & 1);
    let samples = match layer {
        1 => 384,
        3 if !first => 576,
        _ => 1152,
    };
    let size = match layer {
        1 => (12 * bitrate / rate + padding) * 4,
        _ => samples / 8 * bitrate / rate + padding,
    };
    Some(Header {
        size: size as usize,
        strip: 0,
        samples,
        follows: None,
        description: Description {
            rate,
            channels: if b[3] >> 6 == 3 { 1 } else { 2 },
            detail: Detail::Mpeg { layer, first },
        },
    })
}
