//! H.264 as ISO base media files hold it (ISO/IEC 14496-15): length-prefixed NAL units, parameter sets apart.

use mp4_atom::{Avc1, Avcc, AvccExt, Codec, Visual};

use super::SampleEntry;

/// The parameter sets of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParameterSets {
    pub(crate) sps: Vec<u8>,
    pub(crate) pps: Vec<u8>,
}

/// What an access unit turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccessUnit {
    /// It is an IDR picture.
    pub(crate) is_idr: bool,
    /// Other pictures may refer to it.
    pub(crate) is_reference: bool,
    /// Bytes appended.
    pub(crate) size: usize,
}

/// Appends an Annex B access unit to `out` in length-prefixed form, moving parameter sets into `sets`.
pub(crate) fn append_access_unit(annex_b: &[u8], sets: &mut ParameterSets, out: &mut Vec<u8>) -> AccessUnit {
    let start = out.len();
    let mut unit = AccessUnit::default();
    for nal in nal_units(annex_b) {
        let Some(header) = nal.first() else { continue };
        match header & 0x1f {
            NAL_SPS => sets.sps = nal.to_vec(),
            NAL_PPS => sets.pps = nal.to_vec(),
            NAL_ACCESS_UNIT_DELIMITER => {}
            kind => {
                unit.is_idr |= kind == NAL_IDR;
                unit.is_reference |= (NAL_SLICE..=NAL_IDR).contains(&kind) && header & 0x60 != 0;
                out.extend_from_slice(&(nal.len() as u32).to_be_bytes());
                out.extend_from_slice(nal);
            }
        }
    }
    unit.size = out.len() - start;
    unit
}

impl ParameterSets {
    /// The `avcC` box; `None` before both sets were seen.
    pub(crate) fn avcc(&self) -> Option<Avcc> {
        if self.pps.is_empty() {
            return None;
        }
        let mut avcc = Avcc::new(&self.sps, &self.pps).ok()?;
        // The High profiles must state chroma format and depth; ours are 4:2:0 at 8 bits.
        avcc.ext = matches!(avcc.avc_profile_indication, 100 | 110 | 122 | 144).then(AvccExt::default);
        Some(avcc)
    }

    /// The sample entry of pictures of this size; `None` before both sets were seen.
    pub(crate) fn entry(&self, width: u16, height: u16) -> Option<SampleEntry> {
        let avcc = self.avcc()?;
        let codecs = codec_string(&avcc)?;
        let visual = Visual {
            data_reference_index: 1,
            width,
            height,
            ..Default::default()
        };
        let avc1 = Avc1 {
            visual,
            avcc,
            ..Default::default()
        };
        SampleEntry::new(&Codec::from(avc1), codecs).ok()
    }
}

/// The codec string of RFC 6381, for example `avc1.640028`.
pub(crate) fn codec_string(avcc: &Avcc) -> Option<String> {
    let [profile, constraints, level] = avcc.sequence_parameter_sets.first()?.get(1..4)?.try_into().ok()?;
    Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"))
}

/// The NAL units of an Annex B byte stream (ISO/IEC 14496-10 Annex B), without start codes and trailing zeros.
fn nal_units(mut stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    stream = start_code(stream)
        .and_then(|(_, next)| stream.get(next..))
        .unwrap_or_default();
    std::iter::from_fn(move || {
        if stream.is_empty() {
            return None;
        }
        let (nal, rest) = match start_code(stream) {
            Some((end, next)) => (stream.get(..end)?, stream.get(next..)?),
            None => (stream, &[][..]),
        };
        stream = rest;
        let zeros = nal.iter().rev().take_while(|byte| **byte == 0).count();
        nal.get(..nal.len() - zeros)
    })
}

/// Where the next start code begins and ends.
fn start_code(stream: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        // Looking for the rare 1 is many times faster than comparing three bytes everywhere.
        let one = from + stream.get(from..)?.iter().position(|byte| *byte == 1)?;
        if one >= 2 && stream.get(one - 2..one) == Some(&[0, 0]) {
            return Some((one - 2, one + 1));
        }
        from = one + 1;
    }
}

const NAL_SLICE: u8 = 1;
const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const NAL_PPS: u8 = 8;
const NAL_ACCESS_UNIT_DELIMITER: u8 = 9;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

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
                is_reference: true,
                size: out.len()
            }
        );
        assert_eq!(
            out,
            [0, 0, 0, 3, 0x06, 0x05, 0x80, 0, 0, 0, 7, 0x65, 1, 2, 0, 0, 3, 1]
        );
        assert_eq!(sets.pps, [0x68, 0xee, 0x01]);
        let entry = sets.entry(1920, 1080).unwrap();
        assert_eq!(entry.codecs, "avc1.640028");
        assert_eq!(SampleEntry::read(entry.bytes.clone()).unwrap(), entry);
        assert!(sets.avcc().unwrap().ext.is_some());
    }

    #[test]
    fn a_disposable_picture_is_told_apart() {
        let (mut sets, mut out) = (ParameterSets::default(), vec![9]);
        let unit = append_access_unit(&[0, 0, 1, 0x01, 7], &mut sets, &mut out);
        assert_eq!(
            unit,
            AccessUnit {
                is_idr: false,
                is_reference: false,
                size: 6
            }
        );
        assert_eq!(out, [9, 0, 0, 0, 2, 0x01, 7]);
        assert_eq!(sets.avcc(), None);
    }

    #[test]
    fn junk_holds_no_unit() {
        for junk in [&[][..], &[0, 0, 1], &[1, 1, 1], &[0, 0], &[5, 6, 7]] {
            let mut out = Vec::new();
            append_access_unit(junk, &mut ParameterSets::default(), &mut out);
            assert!(out.is_empty());
        }
    }
}
