//! Frames of silence, to fill holes with.

use super::{Description, Detail};
use crate::bits::BitWriter;

/// Elements of a raw data block (ISO/IEC 14496-3, table 4.85).
const SINGLE: u32 = 0;
const PAIR: u32 = 1;
const LOW: u32 = 3;
const END: u32 = 7;

/// A frame of silence for sound like this; `None` where there is none that fits.
pub(crate) fn frame(description: &Description) -> Option<Vec<u8>> {
    match description.detail {
        Detail::Aac {
            object_type: 2,
            channel_configuration,
            ..
        } => aac(channel_configuration),
        _ => None,
    }
}

/// A block of AAC-LC without one spectral coefficient.
fn aac(channel_configuration: u8) -> Option<Vec<u8>> {
    let elements: &[u32] = match channel_configuration {
        1 => &[SINGLE],
        2 => &[PAIR],
        3 => &[SINGLE, PAIR],
        4 => &[SINGLE, PAIR, SINGLE],
        5 => &[SINGLE, PAIR, PAIR],
        6 => &[SINGLE, PAIR, PAIR, LOW],
        7 => &[SINGLE, PAIR, PAIR, PAIR, LOW],
        _ => return None,
    };
    let mut out = BitWriter::default();
    let mut used = [0; 4];
    for &element in elements {
        out.put(element, 3);
        let tag = &mut used[element as usize];
        out.put(*tag, 4);
        *tag += 1;
        if element == PAIR {
            // Both channels have the same window, and no channel is the sum of both.
            out.put(1, 1);
            window(&mut out);
            out.put(0, 2);
            channel(&mut out, false);
            channel(&mut out, false);
        } else {
            channel(&mut out, true);
        }
    }
    out.put(END, 3);
    Some(out.into_bytes())
}

/// `ics_info`: one long window, no scale factor bands, no prediction.
fn window(out: &mut BitWriter) {
    out.put(0, 1 + 2 + 1);
    out.put(0, 6 + 1);
}

/// `individual_channel_stream`: a gain, then neither pulses, noise shaping nor gain control.
fn channel(out: &mut BitWriter, with_window: bool) {
    out.put(0, 8);
    if with_window {
        window(out);
    }
    out.put(0, 3);
}
