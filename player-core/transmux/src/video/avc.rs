//! AVC: its sequence parameter sets and its decoder configuration (ITU-T H.264; ISO/IEC 14496-15, 5.3.3).

use super::Picture;
use super::vui::Vui;
use crate::bits::{Bits, unescape};

/// What is read of a sequence parameter set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sps {
    pub(crate) id: u32,
    /// `frame_mbs_only_flag`: no fields.
    pub(crate) frames_only: bool,
    chroma_format: u32,
    luma_depth: u32,
    chroma_depth: u32,
    pub(crate) picture: Picture,
}

/// No parameter set is longer, in what is read of it.
const LIMIT: usize = 4096;

/// Reads a NAL unit with its header.
pub(crate) fn sps(nal: &[u8]) -> Option<Sps> {
    let bytes = unescape(nal, LIMIT);
    let mut bits = Bits::new(&bytes);
    bits.skip(8)?;
    let profile = bits.byte()?;
    bits.skip(16)?;
    let id = bits.ue().filter(|id| *id < 32)?;
    let (mut chroma_format, mut luma_depth, mut chroma_depth, mut separate) = (1, 0, 0, false);
    if has_chroma(profile) {
        chroma_format = bits.ue().filter(|format| *format <= 3)?;
        if chroma_format == 3 {
            separate = bits.bit()?;
        }
        luma_depth = bits.ue().filter(|depth| *depth <= 7)?;
        chroma_depth = bits.ue().filter(|depth| *depth <= 7)?;
        bits.skip(1)?;
        if bits.bit()? {
            scaling_lists(&mut bits, if chroma_format == 3 { 12 } else { 8 })?;
        }
    }
    bits.ue()?;
    match bits.ue()? {
        0 => {
            bits.ue()?;
        }
        1 => {
            bits.skip(1)?;
            bits.se()?;
            bits.se()?;
            for _ in 0..bits.ue().filter(|count| *count < 256)? {
                bits.se()?;
            }
        }
        _ => {}
    }
    bits.ue()?;
    bits.skip(1)?;
    let columns = bits.ue().filter(|n| *n < 4096)? + 1;
    let rows = bits.ue().filter(|n| *n < 4096)? + 1;
    let frames_only = bits.bit()?;
    if !frames_only {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let lines_a_row = if frames_only { 1 } else { 2 };
    let (mut width, mut height) = (columns * 16, rows * 16 * lines_a_row);
    if bits.bit()? {
        let crop = [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?];
        let subsampled = chroma_format == 1 || chroma_format == 2;
        let unit_x = if subsampled && !separate { 2 } else { 1 };
        let unit_y = if chroma_format == 1 { 2 } else { 1 } * lines_a_row;
        width = width.checked_sub(crop[0].checked_add(crop[1])?.checked_mul(unit_x)?)?;
        height = height.checked_sub(crop[2].checked_add(crop[3])?.checked_mul(unit_y)?)?;
    }
    let vui = if bits.bit() == Some(true) {
        vui(&mut bits)
    } else {
        None
    }
    .unwrap_or_default();
    // A tick is a field.
    let clock = vui.clock.map(|(units, scale)| (u64::from(units) * 2, scale));
    Some(Sps {
        id,
        frames_only,
        chroma_format,
        luma_depth,
        chroma_depth,
        picture: Picture::new(width, height, &vui, clock)?,
    })
}

fn vui(bits: &mut Bits<'_>) -> Option<Vui> {
    let mut vui = Vui::common(bits)?;
    // Colours are known even where the rest is cut off.
    let _ = vui.read_clock(bits);
    Some(vui)
}

fn scaling_lists(bits: &mut Bits<'_>, count: usize) -> Option<()> {
    for list in 0..count {
        if !bits.bit()? {
            continue;
        }
        let (mut last, mut next) = (8i32, 8i32);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = last.wrapping_add(bits.se()?) & 255;
            }
            if next != 0 {
                last = next;
            }
        }
    }
    Some(())
}

/// Profiles whose parameter sets say more of the samples.
const fn has_chroma(profile: u8) -> bool {
    matches!(
        profile,
        44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244
    )
}

/// The id of a picture parameter set, and that of the sequence parameter set that it is for.
pub(crate) fn pps_ids(nal: &[u8]) -> Option<(u32, u32)> {
    let bytes = unescape(nal, 16);
    let mut bits = Bits::new(&bytes);
    bits.skip(8)?;
    Some((
        bits.ue().filter(|id| *id < 256)?,
        bits.ue().filter(|id| *id < 32)?,
    ))
}

/// Whether a slice is the first of its picture (`first_mb_in_slice` is 0), and whether it has only I macroblocks.
pub(crate) fn slice(nal: &[u8]) -> (bool, bool) {
    // What is asked of a first slice lies before any emulation prevention.
    let mut bits = Bits::new(nal.get(1..).unwrap_or_default());
    let first = bits.ue() == Some(0);
    (first, first && matches!(bits.ue(), Some(2 | 4 | 7 | 9)))
}

/// Whether supplemental information tells of a point where decoding may begin with correct pictures at once.
pub(crate) fn is_recovery_point(sei: &[u8]) -> bool {
    let bytes = unescape(sei.get(1..).unwrap_or_default(), LIMIT);
    let mut rest = bytes.as_slice();
    loop {
        let (Some(kind), Some(size)) = (number(&mut rest), number(&mut rest)) else {
            return false;
        };
        if kind == 6 {
            return Bits::new(rest).ue() == Some(0);
        }
        let Some(after) = rest.get(size..) else {
            return false;
        };
        rest = after;
    }
}

/// Type or size of a message: bytes of 255 and the last one are added up.
fn number(bytes: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    loop {
        let (&byte, after) = bytes.split_first()?;
        *bytes = after;
        value += usize::from(byte);
        if byte != 255 {
            return Some(value);
        }
    }
}

/// The box `avcC` without its header.
pub(crate) fn configuration(sps_list: &[&[u8]], pps_list: &[&[u8]]) -> Option<Vec<u8>> {
    let first = *sps_list.first()?;
    let info = sps(first)?;
    let &[profile, compatibility, level] = first.get(1..4)?.first_chunk()?;
    let mut out = vec![
        1,
        profile,
        compatibility,
        level,
        0xff,
        0xe0 | sps_list.len().min(31) as u8,
    ];
    let put = |out: &mut Vec<u8>, nal: &[u8]| {
        out.extend_from_slice(&(nal.len() as u16).to_be_bytes());
        out.extend_from_slice(nal);
    };
    sps_list.iter().take(31).for_each(|nal| put(&mut out, nal));
    out.push(pps_list.len().min(255) as u8);
    pps_list.iter().take(255).for_each(|nal| put(&mut out, nal));
    if matches!(profile, 100 | 110 | 122 | 144) || has_chroma(profile) {
        out.extend([
            0xfc | info.chroma_format as u8,
            0xf8 | info.luma_depth as u8,
            0xf8 | info.chroma_depth as u8,
            0,
        ]);
    }
    Some(out)
}

/// As in RFC 6381, `avc1.64001f`.
pub(crate) fn codec(sps: &[u8]) -> Option<String> {
    let mut codec = String::from("avc1.");
    for byte in sps.get(1..4)? {
        super::push_hex(&mut codec, *byte, true);
    }
    Some(codec)
}
