//! Which bytes of a sample are protected: never what a player must read before it decrypts.
//!
//! - H.264 and HEVC (ISO/IEC 23001-7 §10.2): of each slice's NAL unit what follows length, NAL unit header and slice header.
//! - AV1 (*AV1 Codec ISO Media File Format Binding*, §4.3): the tiles.
//! - VP9 (*VP Codec ISO Media File Format Binding*): what follows each frame's uncompressed header.
//! - Everything else, sound above all: whole samples.

use std::borrow::Cow;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cros_codecs::codec::h264::nalu::Header as _;
use cros_codecs::codec::{av1, h264, h265, vp9};

use super::cipher::BLOCK;
use crate::cmaf::entry::child;
use crate::protect::Scheme;

/// A run of clear bytes and the protected ones after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subsample {
    pub(super) clear: u16,
    pub(super) protected: u32,
}

/// What is protected of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Whole,
    Subsamples(Vec<Subsample>),
}

/// Finds the protected bytes of one track's samples, in decode order.
pub(super) struct SubsampleMap(Codec);

enum Codec {
    Av1(Box<av1::parser::Parser>),
    Avc {
        parser: Box<h264::parser::Parser>,
        length_bytes: usize,
    },
    Hevc {
        parser: Box<h265::parser::Parser>,
        length_bytes: usize,
    },
    Sound,
    Vp9(Box<vp9::parser::Parser>),
}

impl SubsampleMap {
    /// Of the track with this clear sample entry box.
    pub(super) fn new(entry: &[u8]) -> Result<Self, String> {
        let format = entry.get(4..8).unwrap_or_default();
        let codec = match format {
            b"av01" => {
                let mut parser = Box::<av1::parser::Parser>::default();
                // The parser guesses the framing from what it sees first; a temporal delimiter leaves no doubt.
                guarded(|| parser.read_obu(&[0x12, 0]).map(drop))?;
                let config = child(entry, b"av1C")?;
                av1_units(&mut parser, config.get(4..).unwrap_or_default(), |_, _| {})?;
                Codec::Av1(parser)
            }
            b"avc1" | b"avc3" => {
                let mut parser = Box::<h264::parser::Parser>::default();
                let config = child(entry, b"avcC")?;
                for set in avc_sets(config).ok_or("its avcC box is cut off")? {
                    avc_header_bytes(&mut parser, set)?;
                }
                Codec::Avc {
                    parser,
                    length_bytes: usize::from(config.get(4).map_or(3, |byte| byte & 3)) + 1,
                }
            }
            b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => {
                let mut parser = Box::<h265::parser::Parser>::default();
                let config = child(entry, b"hvcC")?;
                for set in hevc_sets(config).ok_or("its hvcC box is cut off")? {
                    hevc_header_bytes(&mut parser, set)?;
                }
                Codec::Hevc {
                    parser,
                    length_bytes: usize::from(config.get(21).map_or(3, |byte| byte & 3)) + 1,
                }
            }
            b"vp09" => Codec::Vp9(Box::default()),
            b"mp4a" | b"Opus" | b"ac-3" | b"ec-3" | b"fLaC" => Codec::Sound,
            other => {
                return Err(format!(
                    "samples of {:?} cannot be encrypted; leave this track clear",
                    String::from_utf8_lossy(other)
                ));
            }
        };
        Ok(Self(codec))
    }

    /// Whether samples are protected as a whole.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.0, Codec::Sound)
    }

    pub(super) fn is_picture(&self) -> bool {
        !self.is_whole()
    }

    /// The layout of the next sample.
    pub(super) fn map(&mut self, sample: &[u8], scheme: Scheme) -> Result<Layout, String> {
        let rounding = match (&self.0, scheme) {
            (Codec::Vp9(_), _) => Rounding::Back,
            (_, Scheme::Cbcs) => Rounding::None,
            (Codec::Av1(_), Scheme::Cenc) => Rounding::Front,
            (_, Scheme::Cenc) => Rounding::Back,
        };
        let mut runs = Runs::new(rounding);
        match &mut self.0 {
            Codec::Av1(parser) => {
                let mut at = 0;
                let mut is_inside = true;
                av1_units(parser, sample, |start, size| {
                    is_inside &= start >= at && start + size <= sample.len();
                    runs.clear(start.saturating_sub(at));
                    runs.protect(size);
                    at = start + size;
                })?;
                if !is_inside {
                    return Err("a tile lies outside of its sample".to_owned());
                }
                runs.clear(sample.len() - at);
            }
            Codec::Avc { parser, length_bytes } => {
                nal_units(sample, *length_bytes, &mut runs, |nal| {
                    avc_header_bytes(parser, nal)
                })?;
            }
            Codec::Hevc { parser, length_bytes } => {
                nal_units(sample, *length_bytes, &mut runs, |nal| {
                    hevc_header_bytes(parser, nal)
                })?;
            }
            Codec::Sound => return Ok(Layout::Whole),
            Codec::Vp9(parser) => vp9_frames(parser, sample, &mut runs)?,
        }
        Ok(Layout::Subsamples(runs.finish()))
    }
}

/// What becomes of protected bytes that fill no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounding {
    /// They are clear, and before the rest.
    Front,
    /// They are clear, and after the rest.
    Back,
    /// They count as protected; the cipher leaves them as they are.
    None,
}

/// Collects runs of bytes into subsamples.
struct Runs {
    rounding: Rounding,
    subsamples: Vec<Subsample>,
    clear: usize,
}

impl Runs {
    fn new(rounding: Rounding) -> Self {
        Self {
            rounding,
            subsamples: Vec::new(),
            clear: 0,
        }
    }

    fn clear(&mut self, bytes: usize) {
        self.clear += bytes;
    }

    fn protect(&mut self, bytes: usize) {
        let over = match self.rounding {
            Rounding::None => 0,
            Rounding::Front | Rounding::Back => bytes % BLOCK,
        };
        if self.rounding == Rounding::Front {
            self.clear += over;
        }
        if bytes > over {
            self.push(bytes - over);
        }
        if self.rounding == Rounding::Back {
            self.clear += over;
        }
    }

    /// Clear runs have 16 bits; a longer one is split.
    fn push(&mut self, protected: usize) {
        let mut clear = std::mem::take(&mut self.clear);
        while clear > usize::from(u16::MAX) {
            clear -= usize::from(u16::MAX);
            self.subsamples.push(Subsample {
                clear: u16::MAX,
                protected: 0,
            });
        }
        self.subsamples.push(Subsample {
            clear: clear as u16,
            protected: protected as u32,
        });
    }

    fn finish(mut self) -> Vec<Subsample> {
        if self.clear > 0 {
            self.push(0);
        }
        self.subsamples
    }
}

/// Walks length-prefixed NAL units; `header_bytes` says how many bytes at the start of a slice are clear, none for other units.
fn nal_units(
    mut sample: &[u8],
    length_bytes: usize,
    runs: &mut Runs,
    mut header_bytes: impl FnMut(&[u8]) -> Result<Option<usize>, String>,
) -> Result<(), String> {
    while !sample.is_empty() {
        let (length, rest) = sample.split_at_checked(length_bytes).ok_or(CUT_OFF)?;
        let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (nal, rest) = rest.split_at_checked(length).ok_or(CUT_OFF)?;
        sample = rest;
        runs.clear(length_bytes);
        match header_bytes(nal)? {
            Some(clear) => {
                let clear = clear.min(nal.len());
                runs.clear(clear);
                runs.protect(nal.len() - clear);
            }
            None => runs.clear(nal.len()),
        }
    }
    Ok(())
}

const CUT_OFF: &str = "a NAL unit is cut off";

/// Takes parameter sets in; of a slice, the bytes of its two headers.
fn avc_header_bytes(parser: &mut h264::parser::Parser, nal: &[u8]) -> Result<Option<usize>, String> {
    use h264::parser::{Nalu, NaluHeader, NaluType};
    let kind = nal.first().map(|byte| byte & 0x1f);
    if !matches!(kind, Some(1..=5 | 7 | 8)) {
        return Ok(None);
    }
    guarded(|| {
        let unit = Nalu {
            header: NaluHeader::parse(&mut Cursor::new(nal))?,
            data: Cow::Borrowed(nal),
            size: nal.len(),
            offset: 0,
        };
        match unit.header.type_ {
            NaluType::Sps => parser.parse_sps(&unit).map(|_| None),
            NaluType::Pps => parser.parse_pps(&unit).map(|_| None),
            NaluType::SliceDpb | NaluType::SliceDpc => Ok(None),
            _ => {
                let header = parser.parse_slice_header(unit)?.header;
                Ok(Some(
                    header.header_bit_size.div_ceil(8) + header.n_emulation_prevention_bytes,
                ))
            }
        }
    })
}

/// As [`avc_header_bytes`], for HEVC.
fn hevc_header_bytes(parser: &mut h265::parser::Parser, nal: &[u8]) -> Result<Option<usize>, String> {
    use h265::parser::{Nalu, NaluHeader};
    const VPS: u8 = 32;
    const SPS: u8 = 33;
    const PPS: u8 = 34;
    let kind = nal.first().map_or(u8::MAX, |byte| byte >> 1 & 0x3f);
    // Reserved types hold no slices that anybody can read.
    if !matches!(kind, 0..=9 | 16..=21 | VPS..=PPS) {
        return Ok(None);
    }
    guarded(|| {
        let unit = Nalu {
            header: NaluHeader::parse(&mut Cursor::new(nal))?,
            data: Cow::Borrowed(nal),
            size: nal.len(),
            offset: 0,
        };
        match kind {
            VPS => parser.parse_vps(&unit).map(|_| None),
            SPS => parser.parse_sps(&unit).map(|_| None),
            PPS => parser.parse_pps(&unit).map(|_| None),
            _ => {
                let header = parser.parse_slice_header(unit)?.header;
                let bytes = header.header_bit_size.div_ceil(8) + header.n_emulation_prevention_bytes;
                Ok(Some(bytes as usize))
            }
        }
    })
}

/// Walks the OBUs of a temporal unit and tells where each tile is.
fn av1_units(
    parser: &mut av1::parser::Parser,
    unit: &[u8],
    mut tile: impl FnMut(usize, usize),
) -> Result<(), String> {
    use av1::parser::{ObuAction, ParsedObu, TileGroupObu};
    const HAS_SIZE: u8 = 2;
    let mut at = 0;
    while let Some(rest) = unit.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.first().is_some_and(|header| header & HAS_SIZE == 0) {
            return Err("an OBU has no size field".to_owned());
        }
        let (obu, end) = match guarded(|| parser.read_obu(rest))? {
            ObuAction::Process(obu) => {
                let end = at + obu.bytes_used;
                (obu, end)
            }
            ObuAction::Drop(bytes) => {
                at += (bytes as usize).max(1);
                continue;
            }
        };
        // A tile group's bytes end where its OBU ends.
        let mut tiles = |group: &TileGroupObu<'_>| {
            let start = end.saturating_sub(group.obu.as_ref().len());
            for found in &group.tiles {
                tile(start + found.tile_offset as usize, found.tile_size as usize);
            }
        };
        match guarded(|| parser.parse_obu(obu))? {
            ParsedObu::Frame(frame) => {
                tiles(&frame.tile_group);
                guarded(|| parser.ref_frame_update(&frame.header))?;
            }
            ParsedObu::FrameHeader(header) if header.show_existing_frame => {
                guarded(|| parser.ref_frame_update(&header))?;
            }
            ParsedObu::TileGroup(group) => {
                tiles(&group);
                // The frame's last tiles; those of a split frame come in several groups.
                if let Some(header) = parser.last_frame_header.clone()
                    && group.tg_end + 1 == header.tile_info.tile_cols * header.tile_info.tile_rows
                {
                    guarded(|| parser.ref_frame_update(&header))?;
                }
            }
            _ => {}
        }
        at = end;
    }
    Ok(())
}

/// The frames of a sample, several in a superframe; its index at the end is clear.
fn vp9_frames(parser: &mut vp9::parser::Parser, sample: &[u8], runs: &mut Runs) -> Result<(), String> {
    let mut at = 0;
    for size in vp9_frame_sizes(sample) {
        let frame = sample.get(at..at + size).ok_or("a superframe is cut off")?;
        at += size;
        if frame.is_empty() {
            continue;
        }
        let header = guarded(|| parser.parse_frame(frame, 0, frame.len()))?.header;
        let clear = if header.show_existing_frame {
            frame.len()
        } else {
            usize::from(header.uncompressed_header_size_in_bytes).min(frame.len())
        };
        runs.clear(clear);
        runs.protect(frame.len() - clear);
    }
    runs.clear(sample.len().saturating_sub(at));
    Ok(())
}

/// VP9 bitstream specification, Annex B. Without an index the sample is one frame.
fn vp9_frame_sizes(sample: &[u8]) -> Vec<usize> {
    let index = || {
        let marker = *sample.last().filter(|byte| **byte & 0xe0 == 0xc0)?;
        let (width, count) = (usize::from(marker >> 3 & 3) + 1, usize::from(marker & 7) + 1);
        let start = sample.len().checked_sub(2 + width * count)?;
        let (first, sizes) = sample.get(start..sample.len() - 1)?.split_first()?;
        let size = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        (*first == marker).then(|| sizes.chunks_exact(width).map(size).collect())
    };
    index().unwrap_or_else(|| vec![sample.len()])
}

/// Runs one of the parsers, which are written for streams that are as they should be.
fn guarded<T>(parse: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(parse))
        .unwrap_or_else(|_| Err("the stream is damaged".to_owned()))
        .map_err(|reason| format!("a header of the stream cannot be read ({reason})"))
}

/// The parameter sets in an `avcC` box (ISO/IEC 14496-15 §5.3.3).
pub(crate) fn avc_sets(config: &[u8]) -> Option<Vec<&[u8]>> {
    let mut sets = Vec::new();
    let (count, mut rest) = config.get(5..)?.split_first()?;
    for _ in 0..count & 0x1f {
        take_set(&mut rest, &mut sets)?;
    }
    let (count, mut rest) = rest.split_first()?;
    for _ in 0..*count {
        take_set(&mut rest, &mut sets)?;
    }
    Some(sets)
}

/// The parameter sets in an `hvcC` box (ISO/IEC 14496-15 §8.3.3).
pub(crate) fn hevc_sets(config: &[u8]) -> Option<Vec<&[u8]>> {
    let mut sets = Vec::new();
    let (arrays, mut rest) = config.get(22..)?.split_first()?;
    for _ in 0..*arrays {
        let ([_, high, low], units) = rest.split_first_chunk()?;
        rest = units;
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            take_set(&mut rest, &mut sets)?;
        }
    }
    Some(sets)
}

fn take_set<'a>(rest: &mut &'a [u8], sets: &mut Vec<&'a [u8]>) -> Option<()> {
    let (length, after) = rest.split_first_chunk()?;
    let (set, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    sets.push(set);
    *rest = after;
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn runs(rounding: Rounding, parts: &[(usize, usize)]) -> Vec<(u16, u32)> {
        let mut runs = Runs::new(rounding);
        for (clear, protected) in parts {
            runs.clear(*clear);
            runs.protect(*protected);
        }
        let subsamples = runs.finish().into_iter();
        subsamples.map(|part| (part.clear, part.protected)).collect()
    }

    #[test]
    fn what_fills_no_block_is_clear_on_the_side_that_the_codec_asks_for() {
        let parts = [(607, 15841), (10, 33), (4, 15)];
        assert_eq!(runs(Rounding::Back, &parts), [(607, 15840), (11, 32), (20, 0)]);
        assert_eq!(runs(Rounding::None, &parts), [(607, 15841), (10, 33), (4, 15)]);
        assert_eq!(runs(Rounding::Front, &parts), [(608, 15840), (11, 32), (19, 0)]);
    }

    #[test]
    fn long_clear_runs_are_split() {
        assert_eq!(runs(Rounding::Back, &[(70_000, 16)]), [(65_535, 0), (4_465, 16)]);
        assert_eq!(runs(Rounding::Back, &[(65_535, 16)]), [(65_535, 16)]);
        assert_eq!(runs(Rounding::None, &[]), []);
    }

    #[test]
    fn superframes_are_taken_apart() {
        let mut sample = vec![1; 300 + 5];
        sample.extend([0xc9, 0x2c, 1, 5, 0, 0xc9]);
        assert_eq!(vp9_frame_sizes(&sample), [300, 5]);
        assert_eq!(vp9_frame_sizes(&[0x82, 0x49, 0xc9]), [3]);
        assert_eq!(vp9_frame_sizes(&[]), [0]);
    }

    #[test]
    fn what_is_damaged_or_unknown_is_told() {
        let error = |entry: &[u8]| SubsampleMap::new(entry).err().unwrap();
        assert!(error(b"\0\0\0\x08wvtt").contains("\"wvtt\" cannot be encrypted"));
        assert!(error(b"\0\0\0\x08avc1").contains("no avcC"));
        assert!(error(b"").contains("cannot be encrypted"));
        let mut entry = b"\0\0\0\x66avc1".to_vec();
        entry.resize(86, 0);
        entry.extend(b"\0\0\0\x10avcC\x01\x64\0\x28\xff\xe1\0\x09");
        assert!(error(&entry).contains("cut off"));
        let mut runs = Runs::new(Rounding::Back);
        assert!(nal_units(&[0, 0, 0, 9, 1], 4, &mut runs, |_| Ok(None)).is_err());
        assert!(
            guarded::<()>(|| panic!("out of range"))
                .unwrap_err()
                .contains("damaged")
        );
    }
}
