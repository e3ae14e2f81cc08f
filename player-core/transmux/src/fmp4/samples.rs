//! The samples of pictures in fMP4 that passes through: what captions are taken from.

use player_core::media::fmp4::{Facts, Track};

use crate::captions::{Captions, Codec};

/// A track of pictures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pictures {
    id: u32,
    codec: Codec,
    timescale: u32,
    /// What an edit list takes from all times.
    edit_offset: i64,
    /// Bytes of a NAL unit's length.
    length_size: usize,
    /// What samples last and measure that do not say it.
    duration: u32,
    size: u32,
}

impl Pictures {
    /// Reads an initialization section; `facts` are what was found in it.
    pub(crate) fn read(init: &[u8], facts: &Facts) -> Option<Self> {
        let is_pictures = |track: &&Track| track.handler == "vide" && track.timescale > 0;
        let track = facts.tracks.iter().find(is_pictures)?;
        let (codec, kind, at) = match track.codec.get(..4)? {
            "avc1" | "avc3" => (Codec::Avc, b"avcC", 4),
            "hvc1" | "hev1" => (Codec::Hevc, b"hvcC", 21),
            _ => return None,
        };
        let found = init.windows(4).position(|window| window == kind)?;
        let length_size = usize::from(init.get(found + 4 + at)? & 3) + 1;
        let moov = boxes(init).find(|(kind, _, _)| kind == b"moov")?.1;
        let mvex = boxes(moov)
            .find(|(kind, _, _)| kind == b"mvex")
            .map_or(&[][..], |found| found.1);
        let trex =
            boxes(mvex).find(|(kind, content, _)| kind == b"trex" && number(content, 4) == Some(track.id));
        let usual = |at| trex.and_then(|(_, content, _)| number(content, at)).unwrap_or(0);
        Some(Self {
            id: track.id,
            codec,
            timescale: track.timescale,
            edit_offset: track.edit_offset,
            length_size,
            duration: usual(12),
            size: usual(16),
        })
    }

    /// Hands the supplemental information of all samples over, in the order of decoding.
    pub(crate) fn walk(&self, segment: &[u8], captions: &mut Captions) {
        // No sample without a byte.
        let mut left = segment.len();
        for (kind, moof, start) in boxes(segment) {
            if kind != *b"moof" {
                continue;
            }
            for (kind, traf, _) in boxes(moof) {
                if kind == *b"traf" {
                    let _ = self.fragment(segment, traf, start, &mut left, captions);
                }
            }
        }
    }

    fn fragment(
        &self,
        segment: &[u8],
        traf: &[u8],
        moof: usize,
        left: &mut usize,
        captions: &mut Captions,
    ) -> Option<()> {
        let tfhd = boxes(traf).find(|(kind, _, _)| kind == b"tfhd")?.1;
        let flags = number(tfhd, 0)?;
        if number(tfhd, 4)? != self.id {
            return None;
        }
        let mut at = 8;
        let mut field = |bit: u32, bytes: usize| {
            let found = flags & bit != 0;
            let from = at;
            at += if found { bytes } else { 0 };
            found.then_some(from)
        };
        let base = field(1, 8)
            .and_then(|from| wide(tfhd, from))
            .map_or(moof, |base| base as usize);
        field(2, 4);
        let duration = field(8, 4)
            .and_then(|from| number(tfhd, from))
            .unwrap_or(self.duration);
        let size = field(0x10, 4)
            .and_then(|from| number(tfhd, from))
            .unwrap_or(self.size);
        let tfdt = boxes(traf).find(|(kind, _, _)| kind == b"tfdt")?.1;
        let mut time = match tfdt.first()? {
            0 => i64::from(number(tfdt, 4)?),
            _ => i64::try_from(wide(tfdt, 4)?).ok()?,
        };
        let mut data = base;
        for (_, trun, _) in boxes(traf).filter(|(kind, _, _)| kind == b"trun") {
            let flags = number(trun, 0)?;
            let count = number(trun, 4)?;
            let mut at = 8;
            let mut next = |bit: u32| {
                (flags & bit != 0).then(|| {
                    at += 4;
                    number(trun, at - 4)
                })
            };
            if let Some(offset) = next(1) {
                data = base.checked_add_signed(offset?.cast_signed() as isize)?;
            }
            next(4);
            for _ in 0..count {
                *left = left.checked_sub(1)?;
                let duration = next(0x100).unwrap_or(Some(duration))?;
                let size = next(0x200).unwrap_or(Some(size))? as usize;
                next(0x400);
                // Without a sign in version 0, but nobody has so large ones.
                let delay = next(0x800).unwrap_or(Some(0))?.cast_signed();
                let end = data.checked_add(size)?;
                let shown = time
                    .checked_add(i64::from(delay))?
                    .checked_sub(self.edit_offset)?;
                self.sample(segment.get(data..end)?, shown, captions);
                data = end;
                time = time.checked_add(i64::from(duration))?;
            }
        }
        captions.advance(self.micros(time.checked_sub(self.edit_offset)?));
        Some(())
    }

    fn sample(&self, mut sample: &[u8], time: i64, captions: &mut Captions) {
        while let Some((length, rest)) = sample.split_at_checked(self.length_size) {
            let length = length
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte));
            let Some((nal, after)) = rest.split_at_checked(length) else {
                return;
            };
            let is_sei = nal.first().is_some_and(|first| match self.codec {
                Codec::Avc => first & 31 == 6,
                Codec::Hevc => matches!(first >> 1 & 63, 39 | 40),
            });
            if is_sei {
                captions.sei(self.micros(time), self.codec, nal);
            }
            sample = after;
        }
    }

    fn micros(&self, time: i64) -> i64 {
        crate::assemble::ticks_to_micros(time, self.timescale)
    }
}

/// Boxes, their content and where they begin. What is no box ends them.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8], usize)> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let rest = bytes.get(at..)?;
        let kind = *rest.get(4..)?.first_chunk()?;
        let (header, size) = match number(rest, 0)? {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(wide(rest, 8)?).ok()?),
            size => (8, size as usize),
        };
        let content = rest.get(header..size)?;
        let start = at;
        at += size;
        Some((kind, content, start))
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_be_bytes(*bytes))
}

fn wide(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u64::from_be_bytes(*bytes))
}
