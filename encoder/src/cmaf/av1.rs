//! AV1 as ISO base media files hold it (AV1-ISOBMFF v1.2): temporal units without delimiters, the sequence header apart.

use super::bits::Bits;
use super::colour::Colour;
use super::entry::{Picture, SampleEntry, boxed};
use super::nal::AccessUnit;

/// What is known of a stream: its sequence header, as an OBU with a size and parsed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    obu: Vec<u8>,
    sequence: Option<Sequence>,
}

/// Appends a temporal unit to `out` as a sample, noting the sequence header in `configuration`.
///
/// Key frames keep theirs, as a sync sample must hold one (AV1-ISOBMFF §2.4).
pub(crate) fn append_access_unit(
    temporal_unit: &[u8],
    configuration: &mut Configuration,
    out: &mut Vec<u8>,
) -> AccessUnit {
    let start = out.len();
    let unit = walk(temporal_unit, configuration, |obu| {
        // Nothing but the last OBU may go without a size, and the sample's end would be needed to read it.
        if obu.has_size {
            out.extend_from_slice(obu.bytes);
        } else {
            append_sized(obu, out);
        }
    });
    AccessUnit {
        size: out.len() - start,
        ..unit
    }
}

impl Configuration {
    /// Reads what an `av1C` box holds, or a bare run of OBUs.
    pub(crate) fn of_extradata(bytes: &[u8]) -> Self {
        let mut configuration = Self::default();
        // The box begins with a marker bit and version 1, which is no OBU.
        let obus = match bytes {
            [0x81, _, _, _, obus @ ..] => obus,
            obus => obus,
        };
        walk(obus, &mut configuration, |_| {});
        configuration
    }

    /// The `av01` sample entry; fails before a sequence header was seen.
    pub(crate) fn entry(&self, picture: &Picture) -> Result<SampleEntry, String> {
        let sequence = self
            .sequence
            .as_ref()
            .ok_or("no whole AV1 sequence header was found")?;
        SampleEntry::video(b"av01", picture, |out| {
            boxed(b"av1C", out, |out| {
                out.extend_from_slice(&sequence.configuration());
                out.extend_from_slice(&self.obu);
            });
        })
    }
}

/// The codec string with this `av1C`, for example `av01.0.08M.10`; colour is named when it is not the usual one.
pub(super) fn codec_string(av1c: &[u8], colour: &Colour) -> Option<String> {
    let [0x81, profile_and_level, flags, ..] = av1c else {
        return None;
    };
    let (profile, level) = (profile_and_level >> 5, profile_and_level & 0x1f);
    let tier = if flags & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match flags >> 5 & 3 {
        0 => 8,
        2 => 10,
        _ => 12,
    };
    let mut text = format!("av01.{profile}.{level:02}{tier}.{depth:02}");
    if !colour.is_plain() {
        let (mono, across, down) = (flags >> 4 & 1, flags >> 3 & 1, flags >> 2 & 1);
        let position = if across & down == 1 { flags & 3 } else { 0 };
        text += &format!(
            ".{mono}.{across}{down}{position}.{:02}.{:02}.{:02}.{}",
            colour.primaries,
            colour.transfer,
            colour.matrix,
            u8::from(colour.full_range)
        );
    }
    Some(text)
}

/// One OBU as it stands in a stream.
struct Obu<'a> {
    kind: u8,
    /// With its header.
    bytes: &'a [u8],
    header_bytes: usize,
    payload: &'a [u8],
    has_size: bool,
}

/// Hands over every OBU that belongs into a sample and says what they are together.
fn walk(stream: &[u8], configuration: &mut Configuration, mut each: impl FnMut(&Obu<'_>)) -> AccessUnit {
    let mut unit = AccessUnit::default();
    let (mut rest, mut has_frame, mut has_sequence) = (stream, false, false);
    while let Some((obu, after)) = Obu::split(rest) {
        rest = after;
        match obu.kind {
            OBU_TEMPORAL_DELIMITER | OBU_PADDING | OBU_TILE_LIST => continue,
            OBU_SEQUENCE_HEADER => {
                has_sequence = true;
                configuration.obu.clear();
                append_sized(&obu, &mut configuration.obu);
                configuration.sequence = Sequence::read(obu.payload);
            }
            OBU_FRAME | OBU_FRAME_HEADER => {
                let frame = configuration
                    .sequence
                    .as_ref()
                    .and_then(|sequence| sequence.frame(obu.payload))
                    .unwrap_or_default();
                unit.is_idr |= !has_frame && has_sequence && frame.is_shown_key;
                unit.is_reference |= frame.is_reference;
                has_frame = true;
            }
            _ => {}
        }
        each(&obu);
    }
    unit
}

impl<'a> Obu<'a> {
    /// Splits the first OBU off (AV1 §5.3).
    fn split(stream: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let header = *stream.first()?;
        let has_size = header & 2 != 0;
        let header_bytes = 1 + usize::from(header >> 2 & 1);
        let after_header = stream.get(header_bytes..)?;
        let (size_bytes, size) = if has_size {
            leb128(after_header)?
        } else {
            (0, after_header.len())
        };
        let payload = after_header.get(size_bytes..size_bytes.checked_add(size)?)?;
        let (bytes, rest) = stream.split_at_checked(header_bytes + size_bytes + size)?;
        let obu = Self {
            kind: header >> 3 & 0xf,
            bytes,
            header_bytes,
            payload,
            has_size,
        };
        Some((obu, rest))
    }
}

/// Appends an OBU in the form with a size.
fn append_sized(obu: &Obu<'_>, out: &mut Vec<u8>) {
    let header = obu.bytes.get(..obu.header_bytes).unwrap_or_default();
    let start = out.len();
    out.extend_from_slice(header);
    if let Some(first) = out.get_mut(start) {
        *first |= 2;
    }
    let mut size = obu.payload.len();
    loop {
        let low = (size & 0x7f) as u8;
        size >>= 7;
        out.push(low | if size > 0 { 0x80 } else { 0 });
        if size == 0 {
            break;
        }
    }
    out.extend_from_slice(obu.payload);
}

/// How many bytes it takes, and its value.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (index * 7);
        if byte & 0x80 == 0 {
            return Some((index + 1, usize::try_from(value).ok()?));
        }
    }
    None
}

/// A sequence header (AV1 §5.5), as far as samples and their description need it.
#[derive(Clone, Debug, Default)]
struct Sequence {
    profile: u8,
    level: u8,
    tier: u8,
    is_deep: bool,
    is_twelve_bit: bool,
    is_mono: bool,
    subsampling: (bool, bool),
    chroma_position: u8,
    is_still: bool,
    has_decoder_model: bool,
    frame_id_bits: u32,
    order_hint_bits: u32,
    /// `seq_force_screen_content_tools` and `seq_force_integer_mv`; 2 leaves it to the frame.
    screen_content_tools: u32,
    integer_motion: u32,
    /// Bits of a frame's presentation time, when frames state one.
    presentation_time_bits: Option<u32>,
}

/// What a frame header tells.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    is_shown_key: bool,
    is_reference: bool,
}

impl Sequence {
    fn read(payload: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(payload);
        let mut sequence = Self {
            profile: bits.read(3)? as u8,
            screen_content_tools: LEFT_TO_FRAME,
            integer_motion: LEFT_TO_FRAME,
            ..Self::default()
        };
        bits.skip(1)?;
        sequence.is_still = bits.flag()?;
        if sequence.is_still {
            sequence.level = bits.read(5)? as u8;
        } else {
            sequence.read_operating_points(&mut bits)?;
        }
        let (width_bits, height_bits) = (bits.read(4)? + 1, bits.read(4)? + 1);
        bits.skip((width_bits + height_bits) as usize)?;
        if !sequence.is_still && bits.flag()? {
            let delta_bits = bits.read(4)? + 2;
            sequence.frame_id_bits = delta_bits + bits.read(3)? + 1;
        }
        bits.skip(3)?;
        if !sequence.is_still {
            sequence.read_tools(&mut bits)?;
        }
        bits.skip(3)?;
        sequence.read_colour(&mut bits)?;
        Some(sequence)
    }

    fn read_operating_points(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let mut delay_bits = 0;
        if bits.flag()? {
            bits.skip(64)?;
            let is_equal_interval = bits.flag()?;
            if is_equal_interval {
                bits.exp_golomb()?;
            }
            self.has_decoder_model = bits.flag()?;
            if self.has_decoder_model {
                delay_bits = bits.read(5)? + 1;
                bits.skip(32 + 5)?;
                let time_bits = bits.read(5)? + 1;
                self.presentation_time_bits = (!is_equal_interval).then_some(time_bits);
            }
        }
        let has_display_delay = bits.flag()?;
        for point in 0..=bits.read(5)? {
            bits.skip(12)?;
            let level = bits.read(5)? as u8;
            let tier = if level > 7 { bits.read(1)? as u8 } else { 0 };
            if self.has_decoder_model && bits.flag()? {
                bits.skip(2 * delay_bits as usize + 1)?;
            }
            if has_display_delay && bits.flag()? {
                bits.skip(4)?;
            }
            if point == 0 {
                (self.level, self.tier) = (level, tier);
            }
        }
        Some(())
    }

    fn read_tools(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        bits.skip(4)?;
        let has_order_hint = bits.flag()?;
        if has_order_hint {
            bits.skip(2)?;
        }
        self.screen_content_tools = if bits.flag()? {
            LEFT_TO_FRAME
        } else {
            bits.read(1)?
        };
        if self.screen_content_tools > 0 && !bits.flag()? {
            self.integer_motion = bits.read(1)?;
        }
        if has_order_hint {
            self.order_hint_bits = bits.read(3)? + 1;
        }
        Some(())
    }

    fn read_colour(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        self.is_deep = bits.flag()?;
        self.is_twelve_bit = self.profile == 2 && self.is_deep && bits.flag()?;
        self.is_mono = self.profile != 1 && bits.flag()?;
        let mut code_points = (2, 2, 2);
        if bits.flag()? {
            code_points = (bits.read(8)?, bits.read(8)?, bits.read(8)?);
        }
        if self.is_mono {
            self.subsampling = (true, true);
            return bits.skip(1);
        }
        if code_points == SRGB {
            return Some(());
        }
        bits.skip(1)?;
        self.subsampling = match self.profile {
            0 => (true, true),
            1 => (false, false),
            _ if self.is_twelve_bit => {
                let across = bits.flag()?;
                (across, across && bits.flag()?)
            }
            _ => (true, false),
        };
        if self.subsampling == (true, true) {
            self.chroma_position = bits.read(2)? as u8;
        }
        Some(())
    }

    /// The first four bytes of `av1C`.
    fn configuration(&self) -> [u8; 4] {
        let (across, down) = self.subsampling;
        [
            0x81,
            self.profile << 5 | self.level,
            self.tier << 7
                | u8::from(self.is_deep) << 6
                | u8::from(self.is_twelve_bit) << 5
                | u8::from(self.is_mono) << 4
                | u8::from(across) << 3
                | u8::from(down) << 2
                | self.chroma_position,
            0,
        ]
    }

    /// Reads a frame header (AV1 §5.9.2) up to which references it refreshes.
    fn frame(&self, payload: &[u8]) -> Option<Frame> {
        if self.is_still {
            return Some(Frame {
                is_shown_key: true,
                is_reference: false,
            });
        }
        let mut bits = Bits::new(payload);
        if bits.flag()? {
            // A frame that was coded before is shown; what it refreshed then is counted there.
            return Some(Frame::default());
        }
        let kind = bits.read(2)?;
        let is_shown = bits.flag()?;
        if let Some(time_bits) = self.presentation_time_bits.filter(|_| is_shown) {
            bits.skip(time_bits as usize)?;
        }
        if !is_shown {
            bits.skip(1)?;
        }
        let is_shown_key = kind == FRAME_KEY && is_shown;
        if is_shown_key || kind == FRAME_SWITCH {
            return Some(Frame {
                is_shown_key,
                is_reference: true,
            });
        }
        // Where the timing of decoders lies between, or the header breaks off, others may refer to it.
        let refreshes = match self.has_decoder_model {
            true => None,
            false => self.refreshes(kind, &mut bits),
        };
        Some(Frame {
            is_shown_key,
            is_reference: refreshes != Some(0),
        })
    }

    /// The references that a frame of `kind` refreshes, one bit each.
    fn refreshes(&self, kind: u32, bits: &mut Bits<'_>) -> Option<u32> {
        let is_resilient = bits.flag()?;
        bits.skip(1)?;
        let has_tools = match self.screen_content_tools {
            LEFT_TO_FRAME => bits.flag()?,
            forced => forced == 1,
        };
        if has_tools && self.integer_motion == LEFT_TO_FRAME {
            bits.skip(1)?;
        }
        bits.skip(self.frame_id_bits as usize)?;
        bits.skip(1 + self.order_hint_bits as usize)?;
        let is_intra = kind == FRAME_KEY || kind == FRAME_INTRA_ONLY;
        if !is_intra && !is_resilient {
            bits.skip(3)?;
        }
        bits.read(8)
    }
}

const OBU_SEQUENCE_HEADER: u8 = 1;
const OBU_TEMPORAL_DELIMITER: u8 = 2;
const OBU_FRAME_HEADER: u8 = 3;
const OBU_FRAME: u8 = 6;
const OBU_TILE_LIST: u8 = 8;
const OBU_PADDING: u8 = 15;
const FRAME_KEY: u32 = 0;
const FRAME_INTRA_ONLY: u32 = 2;
const FRAME_SWITCH: u32 = 3;
const LEFT_TO_FRAME: u32 = 2;
const SRGB: (u32, u32, u32) = (1, 13, 0);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::colour::tests::HDR10;
    use super::*;

    const PICTURE: Picture = Picture {
        width: 320,
        height: 180,
        pixel_aspect: (1, 1),
        colour: Colour::BT709,
        bitrate: None,
    };

    /// What SVT-AV1 writes for 320×180 at 10 bits, PQ.
    const SEQUENCE: [u8; 16] = [
        0x0a, 0x0e, 0, 0, 0, 0x04, 0x3c, 0xfe, 0xcc, 0xfb, 0xf9, 0x50, 0x91, 0, 0x90, 0x40,
    ];
    const DELIMITER: [u8; 2] = [0x12, 0];

    /// What a sample is that is in this form already.
    fn inspect(sample: &[u8], configuration: &mut Configuration) -> AccessUnit {
        append_access_unit(sample, configuration, &mut Vec::new())
    }

    #[test]
    fn a_temporal_unit_becomes_a_sample() {
        // A shown key frame without a size of its own.
        let unit = [&DELIMITER[..], &SEQUENCE, &[0x30, 0x15, 7]].concat();
        let (mut configuration, mut out) = (Configuration::default(), Vec::new());
        let found = append_access_unit(&unit, &mut configuration, &mut out);
        assert!(found.is_idr && found.is_reference);
        assert_eq!(found.size, out.len());
        assert_eq!(out, [&SEQUENCE[..], &[0x32, 2, 0x15, 7]].concat());
        assert_eq!(inspect(&out, &mut configuration), found);

        let entry = configuration
            .entry(&Picture {
                colour: HDR10,
                ..PICTURE
            })
            .unwrap();
        assert_eq!(entry.codecs, "av01.0.00M.10.0.110.09.16.09.0");
        let mut bytes = entry.bytes.as_slice();
        let av01 = <mp4_atom::Av01 as mp4_atom::Decode>::decode(&mut bytes).unwrap();
        assert_eq!(av01.av1c.config_obus, SEQUENCE);
        assert!(av01.av1c.high_bitdepth && !av01.av1c.twelve_bit);
        let again = Configuration::of_extradata(&[&[0x81, 0, 0x4c, 0][..], &SEQUENCE].concat());
        assert_eq!(again.entry(&PICTURE).unwrap().codecs, "av01.0.00M.10");
    }

    #[test]
    fn frames_are_told_apart() {
        let mut configuration = Configuration::of_extradata(&SEQUENCE);
        let mut unit = |obu: &[u8]| inspect(obu, &mut configuration);
        // A key frame without its sequence header, a coded frame shown again, a hidden key frame.
        assert!(!unit(&[0x32, 1, 0x10]).is_idr);
        assert!(!unit(&[0x1a, 1, 0x80]).is_reference);
        let hidden = [&SEQUENCE[..], &[0x32, 1, 0x00]].concat();
        assert!(!unit(&hidden).is_idr && unit(&hidden).is_reference);
        // An inter frame that is shown and refreshes nothing: the type, shown, 1 bit resilient, 1 bit CDF, 1 bit
        // tools, 1 bit size, 7 bits order, 8 bits refreshed.
        assert!(!unit(&[0x32, 5, 0b0011_1000, 0, 0, 0, 0]).is_reference);
        assert!(unit(&[0x32, 5, 0b0011_1000, 0, 0xff, 0xff, 0]).is_reference);
    }

    #[test]
    fn whatever_breaks_off_makes_no_entry() {
        for end in 0..SEQUENCE.len() {
            let mut bytes = SEQUENCE.get(..end).unwrap().to_vec();
            let configuration = Configuration::of_extradata(&bytes);
            assert!(configuration.entry(&PICTURE).is_err(), "{end}");
            // The same with a size that fits.
            if let Some(size) = bytes.get_mut(1) {
                *size = end as u8 - 2;
            }
            let configuration = Configuration::of_extradata(&bytes);
            assert!(
                configuration.entry(&PICTURE).is_err() || end == SEQUENCE.len() - 1,
                "{end}"
            );
        }
    }
}
