//! H.264 as ISO base media files hold it (ISO/IEC 14496-15 §5): length-prefixed NAL units, parameter sets apart.

use super::bits::{Bits, without_emulation_prevention};
use super::entry::{Picture, SampleEntry, boxed};
pub(crate) use super::nal::AccessUnit;
use super::nal::{self, nal_units};

/// The parameter sets of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParameterSets {
    sps: Vec<Vec<u8>>,
    pps: Vec<Vec<u8>>,
}

/// Appends an Annex B access unit to `out` in length-prefixed form, moving parameter sets into `sets`.
pub(crate) fn append_access_unit(annex_b: &[u8], sets: &mut ParameterSets, out: &mut Vec<u8>) -> AccessUnit {
    let start = out.len();
    let mut unit = AccessUnit::default();
    for nal in nal_units(annex_b) {
        let Some(header) = nal.first() else { continue };
        match header & 0x1f {
            NAL_SPS => nal::keep(&mut sets.sps, nal),
            NAL_PPS => nal::keep(&mut sets.pps, nal),
            NAL_ACCESS_UNIT_DELIMITER => {}
            _ => {
                classify(*header, &mut unit);
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
        classify(*header, &mut unit);
    }
    unit.size = sample.len();
    unit
}

impl ParameterSets {
    /// The `avc1` sample entry; fails before both sets were seen.
    pub(crate) fn entry(&self, picture: &Picture) -> Result<SampleEntry, String> {
        let configuration = self
            .configuration()
            .ok_or("no whole H.264 parameter sets were found")?;
        SampleEntry::video(b"avc1", picture, |out| {
            boxed(b"avcC", out, |out| out.extend_from_slice(&configuration));
        })
    }

    /// An `AVCDecoderConfigurationRecord` with lengths of four bytes.
    fn configuration(&self) -> Option<Vec<u8>> {
        let profile_and_level = self.sps.first()?.get(1..4)?;
        if self.pps.is_empty() {
            return None;
        }
        let mut out = vec![1];
        out.extend_from_slice(profile_and_level);
        out.push(0xfc | 3);
        out.push(0xe0 | count(&self.sps, 31)?);
        append_sets(&self.sps, &mut out)?;
        out.push(count(&self.pps, 255)?);
        append_sets(&self.pps, &mut out)?;
        if let Some((chroma, luma_depth, chroma_depth)) = self.sps.first().and_then(|sps| high_format(sps)) {
            out.extend_from_slice(&[0xfc | chroma, 0xf8 | luma_depth, 0xf8 | chroma_depth, 0]);
        }
        Some(out)
    }
}

/// The codec string for a sample entry `name` with this `avcC`, for example `avc1.640028`.
pub(super) fn codec_string(name: &str, avcc: &[u8]) -> Option<String> {
    let [1, profile, constraints, level] = avcc.first_chunk()? else {
        return None;
    };
    Some(format!("{name}.{profile:02x}{constraints:02x}{level:02x}"))
}

fn classify(header: u8, unit: &mut AccessUnit) {
    let kind = header & 0x1f;
    unit.is_idr |= kind == NAL_IDR;
    unit.is_reference |= (NAL_SLICE..=NAL_IDR).contains(&kind) && header & 0x60 != 0;
}

fn count(sets: &[Vec<u8>], most: usize) -> Option<u8> {
    u8::try_from(sets.len()).ok().filter(|_| sets.len() <= most)
}

fn append_sets(sets: &[Vec<u8>], out: &mut Vec<u8>) -> Option<()> {
    for set in sets {
        out.extend_from_slice(&u16::try_from(set.len()).ok()?.to_be_bytes());
        out.extend_from_slice(set);
    }
    Some(())
}

/// Chroma format and both depths less 8, which the High profiles state (ISO/IEC 14496-10 §7.3.2.1.1).
fn high_format(sps: &[u8]) -> Option<(u8, u8, u8)> {
    let profile = sps.get(1)?;
    if ![100, 110, 122, 144, 244].contains(profile) {
        return None;
    }
    let payload = without_emulation_prevention(sps.get(4..)?);
    let mut bits = Bits::new(&payload);
    bits.exp_golomb()?;
    let chroma = bits.exp_golomb().filter(|chroma| *chroma <= 3)?;
    if chroma == 3 {
        bits.skip(1)?;
    }
    let luma_depth = bits.exp_golomb().filter(|depth| *depth <= 6)?;
    let chroma_depth = bits.exp_golomb().filter(|depth| *depth <= 6)?;
    Some((chroma as u8, luma_depth as u8, chroma_depth as u8))
}

const NAL_SLICE: u8 = 1;
const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const NAL_PPS: u8 = 8;
const NAL_ACCESS_UNIT_DELIMITER: u8 = 9;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::colour::Colour;
    use super::*;

    const PICTURE: Picture = Picture {
        width: 640,
        height: 360,
        pixel_aspect: (4, 3),
        colour: Colour::BT709,
        bitrate: None,
    };

    #[test]
    fn start_codes_become_lengths_and_parameter_sets_are_taken_out() {
        let stream = [
            &[0, 0, 0, 1, 0x09, 0xf0][..],
            &[0, 0, 0, 1, 0x67, 0x64, 0x00, 0x28, 0xac],
            &[0, 0, 1, 0x68, 0xee, 0x01],
            &[0, 0, 1, 0x06, 0x05, 0x80, 0, 0],
            &[0, 0, 0, 1, 0x65, 1, 2, 0, 0, 3, 1, 0],
        ]
        .concat();
        let (mut sets, mut out) = (ParameterSets::default(), Vec::new());
        let unit = append_access_unit(&stream, &mut sets, &mut out);
        assert_eq!(
            unit,
            AccessUnit {
                is_idr: true,
                is_open_gop: false,
                is_reference: true,
                size: out.len()
            }
        );
        assert_eq!(
            out,
            [0, 0, 0, 3, 0x06, 0x05, 0x80, 0, 0, 0, 7, 0x65, 1, 2, 0, 0, 3, 1]
        );
        assert_eq!(inspect(&out, 4), unit);
        assert_eq!(sets.pps, [[0x68, 0xee, 0x01]]);
        append_access_unit(&stream, &mut sets, &mut out);
        assert_eq!((sets.sps.len(), sets.pps.len()), (1, 1), "each is kept once");

        let entry = sets.entry(&PICTURE).unwrap();
        assert_eq!(entry.codecs, "avc1.640028");
        let kinds: Vec<_> = entry.children().map(|(kind, _)| kind.to_vec()).collect();
        assert_eq!(kinds, [*b"avcC", *b"pasp", *b"colr"]);
        let mut bytes = entry.bytes.as_slice();
        let read = <mp4_atom::Avc1 as mp4_atom::Decode>::decode(&mut bytes).unwrap();
        assert_eq!((read.visual.width, read.visual.height), (640, 360));
        assert_eq!(read.avcc.picture_parameter_sets, sets.pps);
        assert!(read.avcc.ext.is_some() && read.pasp.is_some());
    }

    #[test]
    fn a_disposable_picture_is_told_apart() {
        let (mut sets, mut out) = (ParameterSets::default(), vec![9]);
        let unit = append_access_unit(&[0, 0, 1, 0x01, 7], &mut sets, &mut out);
        assert_eq!(
            unit,
            AccessUnit {
                size: 6,
                ..AccessUnit::default()
            }
        );
        assert_eq!(out, [9, 0, 0, 0, 2, 0x01, 7]);
        assert!(sets.entry(&PICTURE).is_err());
    }

    #[test]
    fn endless_parameter_sets_are_not_kept() {
        let mut sets = ParameterSets::default();
        append_access_unit(&[0, 0, 1, 0x67, 0x42, 0, 10], &mut sets, &mut Vec::new());
        for number in 0..1000_u32 {
            let set = [&[0, 0, 1, 0x68], &number.to_be_bytes()[..], &[1]].concat();
            append_access_unit(&set, &mut sets, &mut Vec::new());
        }
        assert!(sets.pps.len() <= 257);
        assert!(sets.entry(&PICTURE).is_err());
    }

    #[test]
    fn junk_holds_no_unit() {
        for junk in [&[][..], &[0, 0, 1], &[1, 1, 1], &[0, 0], &[5, 6, 7]] {
            let mut out = Vec::new();
            append_access_unit(junk, &mut ParameterSets::default(), &mut out);
            assert!(out.is_empty());
            for length_bytes in 0..5 {
                assert!(!inspect(junk, length_bytes).is_idr);
            }
        }
    }
}
