//! HEVC: its parameter sets and its decoder configuration (ITU-T H.265; ISO/IEC 14496-15, 8.3.3).

use super::vui::Vui;
use super::{Picture, push_hex};
use crate::bits::{Bits, unescape};

/// What is read of a sequence parameter set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sps {
    pub(crate) id: u32,
    layers: u8,
    nested: bool,
    /// Profile space, tier, profile; compatibility; constraints; level: as `hvcC` has them.
    general: [u8; 12],
    chroma_format: u32,
    luma_depth: u32,
    chroma_depth: u32,
    pub(crate) picture: Picture,
}

const LIMIT: usize = 4096;

/// Reads a NAL unit with its header.
pub(crate) fn sps(nal: &[u8]) -> Option<Sps> {
    let bytes = unescape(nal, LIMIT);
    let mut bits = Bits::new(&bytes);
    bits.skip(16 + 4)?;
    let more_layers = bits.take(3).filter(|n| *n < 7)?;
    let nested = bits.bit()?;
    let mut general = [0; 12];
    for byte in &mut general {
        *byte = bits.byte()?;
    }
    skip_layers(&mut bits, more_layers)?;
    let id = bits.ue().filter(|id| *id < 16)?;
    let chroma_format = bits.ue().filter(|format| *format <= 3)?;
    if chroma_format == 3 {
        bits.skip(1)?;
    }
    let (mut width, mut height) = (bits.ue()?, bits.ue()?);
    if bits.bit()? {
        let crop = [bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?];
        let unit_x = if matches!(chroma_format, 1 | 2) { 2 } else { 1 };
        let unit_y = if chroma_format == 1 { 2 } else { 1 };
        width = width.checked_sub(crop[0].checked_add(crop[1])?.checked_mul(unit_x)?)?;
        height = height.checked_sub(crop[2].checked_add(crop[3])?.checked_mul(unit_y)?)?;
    }
    let luma_depth = bits.ue().filter(|depth| *depth <= 8)?;
    let chroma_depth = bits.ue().filter(|depth| *depth <= 8)?;
    let vui = rest(&mut bits, more_layers).unwrap_or_default();
    let clock = vui.clock.map(|(units, scale)| (u64::from(units), scale));
    Some(Sps {
        id,
        layers: more_layers as u8 + 1,
        nested,
        general,
        chroma_format,
        luma_depth,
        chroma_depth,
        picture: Picture::new(width, height, &vui, clock)?,
    })
}

fn skip_layers(bits: &mut Bits<'_>, more_layers: u32) -> Option<()> {
    let mut present = [(false, false); 7];
    for layer in present.iter_mut().take(more_layers as usize) {
        *layer = (bits.bit()?, bits.bit()?);
    }
    if more_layers > 0 {
        bits.skip(2 * (8 - more_layers as usize))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 })?;
        bits.skip(if level { 8 } else { 0 })?;
    }
    Some(())
}

/// From `log2_max_pic_order_cnt_lsb_minus4` to the usability information.
fn rest(bits: &mut Bits<'_>, more_layers: u32) -> Option<Vui> {
    let order_bits = bits.ue().filter(|n| *n <= 12)? + 4;
    let each = bits.bit()?;
    for _ in 0..=if each { more_layers } else { 0 } {
        for _ in 0..3 {
            bits.ue()?;
        }
    }
    for _ in 0..6 {
        bits.ue()?;
    }
    if bits.bit()? && bits.bit()? {
        scaling_lists(bits)?;
    }
    bits.skip(2)?;
    if bits.bit()? {
        bits.skip(8)?;
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    reference_sets(bits)?;
    if bits.bit()? {
        for _ in 0..bits.ue().filter(|n| *n <= 32)? {
            bits.skip(order_bits as usize + 1)?;
        }
    }
    bits.skip(2)?;
    if !bits.bit()? {
        return None;
    }
    let mut vui = Vui::common(bits)?;
    // Colours are known even where the rest is cut off.
    let _ = window_and_clock(&mut vui, bits);
    Some(vui)
}

fn window_and_clock(vui: &mut Vui, bits: &mut Bits<'_>) -> Option<()> {
    bits.skip(3)?;
    if bits.bit()? {
        for _ in 0..4 {
            bits.ue()?;
        }
    }
    vui.read_clock(bits)
}

fn scaling_lists(bits: &mut Bits<'_>) -> Option<()> {
    for size in 0..4 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if !bits.bit()? {
                bits.ue()?;
                continue;
            }
            if size > 1 {
                bits.se()?;
            }
            for _ in 0..if size == 0 { 16 } else { 64 } {
                bits.se()?;
            }
        }
    }
    Some(())
}

fn reference_sets(bits: &mut Bits<'_>) -> Option<()> {
    let sets = bits.ue().filter(|n| *n <= 64)?;
    let mut pictures = 0;
    for set in 0..sets {
        if set > 0 && bits.bit()? {
            bits.skip(1)?;
            bits.ue()?;
            let mut kept = 0;
            for _ in 0..=pictures {
                // used_by_curr_pic_flag, else use_delta_flag
                kept += u32::from(bits.bit()? || bits.bit()?);
            }
            pictures = kept;
        } else {
            let (before, after) = (bits.ue().filter(|n| *n <= 16)?, bits.ue().filter(|n| *n <= 16)?);
            pictures = before + after;
            for _ in 0..pictures {
                bits.ue()?;
                bits.skip(1)?;
            }
        }
    }
    Some(())
}

/// `vps_video_parameter_set_id`.
pub(crate) fn vps_id(nal: &[u8]) -> Option<u32> {
    nal.get(2).map(|byte| u32::from(byte >> 4))
}

/// `pps_pic_parameter_set_id`.
pub(crate) fn pps_id(nal: &[u8]) -> Option<u32> {
    let bytes = unescape(nal, 16);
    let mut bits = Bits::new(&bytes);
    bits.skip(16)?;
    bits.ue().filter(|id| *id < 64)
}

/// The box `hvcC` without its header.
pub(crate) fn configuration(vps_list: &[&[u8]], sps_list: &[&[u8]], pps_list: &[&[u8]]) -> Option<Vec<u8>> {
    let info = sps(sps_list.first()?)?;
    let mut out = vec![1];
    out.extend(info.general);
    out.extend([0xf0, 0, 0xfc]);
    out.push(0xfc | info.chroma_format as u8);
    out.push(0xf8 | info.luma_depth as u8);
    out.push(0xf8 | info.chroma_depth as u8);
    out.extend([0, 0]);
    out.push(info.layers << 3 | u8::from(info.nested) << 2 | 3);
    let arrays = [(32, vps_list), (33, sps_list), (34, pps_list)];
    out.push(arrays.iter().filter(|(_, list)| !list.is_empty()).count() as u8);
    for (kind, list) in arrays {
        if list.is_empty() {
            continue;
        }
        out.push(0x80 | kind);
        out.extend((list.len() as u16).to_be_bytes());
        for nal in list {
            out.extend((nal.len() as u16).to_be_bytes());
            out.extend_from_slice(nal);
        }
    }
    Some(out)
}

/// As in ISO/IEC 14496-15, E.3: `hvc1.1.6.L93.B0`.
pub(crate) fn codec(nal: &[u8]) -> Option<String> {
    let general = sps(nal)?.general;
    let mut codec = String::from("hvc1.");
    if general[0] >> 6 > 0 {
        codec.push(char::from(b'A' - 1 + (general[0] >> 6)));
    }
    codec.push_str(&(general[0] & 31).to_string());
    codec.push('.');
    let flags = u32::from_be_bytes([general[1], general[2], general[3], general[4]]).reverse_bits();
    let mut hex = String::new();
    flags
        .to_be_bytes()
        .iter()
        .for_each(|byte| push_hex(&mut hex, *byte, false));
    let digits = hex.trim_start_matches('0');
    codec.push_str(if digits.is_empty() { "0" } else { digits });
    codec.push_str(if general[0] >> 5 & 1 == 1 { ".H" } else { ".L" });
    codec.push_str(&general[11].to_string());
    let used = general[5..11]
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    for byte in &general[5..5 + used] {
        codec.push('.');
        push_hex(&mut codec, *byte, false);
    }
    Some(codec)
}
