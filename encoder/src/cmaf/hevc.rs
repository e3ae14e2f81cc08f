//! H.265 as ISO base media files hold it (ISO/IEC 14496-15 §8): length-prefixed NAL units, parameter sets apart.

use super::bits::{Bits, without_emulation_prevention};
use super::entry::{Picture, SampleEntry, boxed};
use super::nal::{self, AccessUnit, nal_units};

/// The parameter sets of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParameterSets {
    vps: Vec<Vec<u8>>,
    sps: Vec<Vec<u8>>,
    pps: Vec<Vec<u8>>,
}

/// Appends an Annex B access unit to `out` in length-prefixed form, moving parameter sets into `sets`.
pub(crate) fn append_access_unit(annex_b: &[u8], sets: &mut ParameterSets, out: &mut Vec<u8>) -> AccessUnit {
    let start = out.len();
    let mut unit = AccessUnit::default();
    for nal in nal_units(annex_b) {
        let Some(header) = nal.first() else { continue };
        match header >> 1 & 0x3f {
            NAL_VPS => nal::keep(&mut sets.vps, nal),
            NAL_SPS => nal::keep(&mut sets.sps, nal),
            NAL_PPS => nal::keep(&mut sets.pps, nal),
            NAL_ACCESS_UNIT_DELIMITER => {}
            kind => {
                classify(kind, &mut unit);
                nal::append(nal, out);
            }
        }
    }
    unit.size = out.len() - start;
    unit
}

/// What a sample is that is length-prefixed already.
pub(crate) fn inspect(sample: &[u8], length_bytes: usize) -> AccessUnit {
    let mut unit = AccessUnit::default();
    for header in nal::length_prefixed(sample, length_bytes).filter_map(<[u8]>::first) {
        classify(header >> 1 & 0x3f, &mut unit);
    }
    unit.size = sample.len();
    unit
}

impl ParameterSets {
    /// The `hvc1` sample entry; fails before all three kinds of set were seen.
    pub(crate) fn entry(&self, picture: &Picture) -> Result<SampleEntry, String> {
        let configuration = self
            .configuration()
            .ok_or("no whole H.265 parameter sets were found")?;
        SampleEntry::video(b"hvc1", picture, |out| {
            boxed(b"hvcC", out, |out| out.extend_from_slice(&configuration));
        })
    }

    /// An `HEVCDecoderConfigurationRecord` with lengths of four bytes.
    fn configuration(&self) -> Option<Vec<u8>> {
        if self.vps.is_empty() || self.pps.is_empty() {
            return None;
        }
        let format = Format::of_sps(self.sps.first()?)?;
        let mut out = vec![1];
        out.extend_from_slice(&format.profile_tier_level);
        // Least spatial segmentation and parallelism are not stated, nor is a rate of frames.
        out.extend_from_slice(&[0xf0, 0, 0xfc]);
        out.push(0xfc | format.chroma);
        out.push(0xf8 | format.luma_depth);
        out.push(0xf8 | format.chroma_depth);
        out.extend_from_slice(&[0, 0]);
        out.push(format.temporal_layers << 3 | u8::from(format.is_temporally_nested) << 2 | 3);
        let arrays = [(NAL_VPS, &self.vps), (NAL_SPS, &self.sps), (NAL_PPS, &self.pps)];
        out.push(arrays.len() as u8);
        for (kind, sets) in arrays {
            // All sets of the kind are here and none in the samples.
            out.push(0x80 | kind);
            if sets.len() > nal::MAX_SETS {
                return None;
            }
            out.extend_from_slice(&u16::try_from(sets.len()).ok()?.to_be_bytes());
            for set in sets {
                out.extend_from_slice(&u16::try_from(set.len()).ok()?.to_be_bytes());
                out.extend_from_slice(set);
            }
        }
        Some(out)
    }
}

/// The codec string for a sample entry `name` with this `hvcC`, for example `hvc1.2.4.L120.B0` (ISO/IEC 14496-15 E.3).
pub(super) fn codec_string(name: &str, hvcc: &[u8]) -> Option<String> {
    let [1, profile, rest @ ..] = hvcc else {
        return None;
    };
    let space = ["", "A", "B", "C"].get(usize::from(profile >> 6))?;
    let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
    let (compatibility, rest) = rest.split_first_chunk::<4>()?;
    let compatibility = u32::from_be_bytes(*compatibility).reverse_bits();
    let (constraints, rest) = rest.split_first_chunk::<6>()?;
    let level = rest.first()?;
    let mut text = format!("{name}.{space}{}.{compatibility:X}.{tier}{level}", profile & 0x1f);
    let zeros = constraints.iter().rev().take_while(|byte| **byte == 0).count();
    for byte in constraints.iter().take(constraints.len() - zeros) {
        text += &format!(".{byte:X}");
    }
    Some(text)
}

/// What `hvcC` repeats from the SPS (ISO/IEC 23008-2 §7.3.2.2).
struct Format {
    profile_tier_level: [u8; 12],
    temporal_layers: u8,
    is_temporally_nested: bool,
    chroma: u8,
    /// Less 8, as the next.
    luma_depth: u8,
    chroma_depth: u8,
}

impl Format {
    fn of_sps(sps: &[u8]) -> Option<Self> {
        let payload = without_emulation_prevention(sps.get(2..)?);
        let mut bits = Bits::new(&payload);
        bits.skip(4)?;
        let sub_layers = bits.read(3)?;
        let is_temporally_nested = bits.flag()?;
        let profile_tier_level = payload.get(1..13)?.try_into().ok()?;
        bits.skip(96)?;
        let present: Vec<_> = (0..sub_layers)
            .map(|_| Some((bits.flag()?, bits.flag()?)))
            .collect::<Option<_>>()?;
        if sub_layers > 0 {
            bits.skip(2 * (8 - sub_layers as usize))?;
        }
        for (has_profile, has_level) in present {
            bits.skip(if has_profile { 88 } else { 0 } + if has_level { 8 } else { 0 })?;
        }
        bits.exp_golomb()?;
        let chroma = bits.exp_golomb().filter(|chroma| *chroma <= 3)?;
        if chroma == 3 {
            bits.skip(1)?;
        }
        // Width and height, then the window that is shown.
        for _ in 0..2 {
            bits.exp_golomb()?;
        }
        if bits.flag()? {
            for _ in 0..4 {
                bits.exp_golomb()?;
            }
        }
        let luma_depth = bits.exp_golomb().filter(|depth| *depth <= 7)?;
        let chroma_depth = bits.exp_golomb().filter(|depth| *depth <= 7)?;
        Some(Self {
            profile_tier_level,
            temporal_layers: sub_layers as u8 + 1,
            is_temporally_nested,
            chroma: chroma as u8,
            luma_depth: luma_depth as u8,
            chroma_depth: chroma_depth as u8,
        })
    }
}

/// ISO/IEC 23008-2 table 7-1.
fn classify(kind: u8, unit: &mut AccessUnit) {
    match kind {
        NAL_IDR_W_RADL | NAL_IDR_N_LP => unit.is_idr = true,
        NAL_BLA_W_LP..=NAL_CRA => unit.is_open_gop = true,
        _ => {}
    }
    // Below 16 the even kinds are those that no other picture of their layer refers to.
    unit.is_reference |= kind < 32 && (kind >= 16 || kind % 2 == 1);
}

const NAL_BLA_W_LP: u8 = 16;
const NAL_IDR_W_RADL: u8 = 19;
const NAL_IDR_N_LP: u8 = 20;
const NAL_CRA: u8 = 21;
const NAL_VPS: u8 = 32;
const NAL_SPS: u8 = 33;
const NAL_PPS: u8 = 34;
const NAL_ACCESS_UNIT_DELIMITER: u8 = 35;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::colour::tests::HDR10;
    use super::*;

    const PICTURE: Picture = Picture {
        width: 320,
        height: 180,
        pixel_aspect: (1, 1),
        colour: HDR10,
        bitrate: None,
    };

    /// What x265 writes for 320×180 at 10 bits, level 2.
    const VPS: &[u8] = &[
        0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x02, 0x20, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00,
        0x00, 0x03, 0x00, 0x3c, 0x95, 0x94, 0x09,
    ];
    const SPS: &[u8] = &[
        0x42, 0x01, 0x01, 0x02, 0x20, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
        0x3c, 0xa0, 0x0a, 0x08, 0x0c, 0x1f, 0x3b, 0x65, 0x95, 0x95, 0x29, 0x30, 0xbc, 0x05, 0xa0, 0x20, 0x00,
        0x00, 0x03, 0x00, 0x20, 0x00, 0x00, 0x03, 0x03, 0x21,
    ];
    const PPS: &[u8] = &[0x44, 0x01, 0xc0, 0x73, 0xc1, 0x89];

    #[test]
    fn parameter_sets_become_the_configuration() {
        let stream: Vec<u8> = [VPS, SPS, PPS, &[0x28, 0x01, 0xaf]]
            .iter()
            .flat_map(|nal| [&[0, 0, 0, 1], *nal].concat())
            .collect();
        let (mut sets, mut out) = (ParameterSets::default(), Vec::new());
        let unit = append_access_unit(&stream, &mut sets, &mut out);
        assert!(unit.is_idr && unit.is_reference && !unit.is_open_gop);
        assert_eq!(out, [0, 0, 0, 3, 0x28, 0x01, 0xaf]);
        assert_eq!(inspect(&out, 4), unit);
        let entry = sets.entry(&PICTURE).unwrap();
        assert_eq!(entry.codecs, "hvc1.2.4.L60.90");
        assert_eq!(entry.colour(), HDR10);
        let mut bytes = entry.bytes.as_slice();
        let hvc1 = <mp4_atom::Hvc1 as mp4_atom::Decode>::decode(&mut bytes).unwrap();
        assert_eq!(hvc1.hvcc.general_profile_idc, 2);
        assert_eq!(hvc1.hvcc.bit_depth_luma_minus8, 2);
        assert_eq!(hvc1.hvcc.chroma_format_idc, 1);
        assert_eq!(hvc1.hvcc.arrays.len(), 3);
        assert_eq!(hvc1.hvcc.arrays[1].nalus, [SPS]);
    }

    #[test]
    fn codec_strings_follow_the_standards_examples() {
        let hvcc = |profile: u8, compatibility: u32, constraints: u8, level: u8| {
            let mut bytes = vec![1, profile];
            bytes.extend(compatibility.to_be_bytes());
            bytes.extend([constraints, 0, 0, 0, 0, 0, level]);
            codec_string("hvc1", &bytes).unwrap()
        };
        assert_eq!(hvcc(1, 0x6000_0000, 0xb0, 93), "hvc1.1.6.L93.B0");
        assert_eq!(hvcc(0x22, 0x2000_0000, 0, 150), "hvc1.2.4.H150");
        assert_eq!(hvcc(0x41, 0x8000_0000, 0, 93), "hvc1.A1.1.L93");
        assert_eq!(codec_string("hvc1", &[1, 1, 2]), None);
    }

    #[test]
    fn kinds_of_pictures_are_told_apart() {
        let unit = |kind: u8| {
            let mut out = Vec::new();
            append_access_unit(
                &[0, 0, 1, kind << 1, 1, 7],
                &mut ParameterSets::default(),
                &mut out,
            )
        };
        assert!(unit(21).is_open_gop && !unit(21).is_idr, "CRA");
        assert!(unit(1).is_reference && !unit(0).is_reference && !unit(8).is_reference);
        assert!(!unit(39).is_reference, "SEI");
    }

    #[test]
    fn broken_parameter_sets_make_no_entry() {
        for end in 0..25 {
            let sets = ParameterSets {
                vps: vec![VPS.to_vec()],
                sps: vec![SPS.get(..end).unwrap().to_vec()],
                pps: vec![PPS.to_vec()],
            };
            assert!(sets.entry(&PICTURE).is_err(), "{end}");
        }
    }
}
