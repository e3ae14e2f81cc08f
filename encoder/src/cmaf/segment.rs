//! Media segments: `styp`, then chunks of `moof` and `mdat`.

use std::ops::Range;

use mp4_atom::{FourCC, Mfhd, Styp, Tfdt, Tfhd, Trun, TrunEntry};

use super::init::TRACK_ID;
use super::{BRANDS, container, encode};
use crate::protect::Fragment;

/// One coded picture or one frame of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Ticks.
    pub(crate) duration: u32,
    /// Bytes.
    pub(crate) size: u32,
    /// Presentation time less decode time, in ticks.
    pub(crate) composition_offset: i32,
    /// Decoding can start here.
    pub(crate) is_sync: bool,
    /// Others may depend on it.
    pub(crate) is_reference: bool,
}

/// A run of samples that is decoded as a whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk {
    /// Counts the track's chunks from 1.
    pub(crate) sequence: u32,
    /// Decode time of the first sample, in ticks.
    pub(crate) decode_time: u64,
    pub(crate) samples: Vec<Sample>,
    pub(crate) data: Vec<u8>,
}

impl Chunk {
    /// Ticks that it lasts.
    pub(crate) fn ticks(&self) -> u64 {
        self.samples.iter().map(|sample| u64::from(sample.duration)).sum()
    }

    /// Decode time after its last sample, in ticks.
    pub(crate) fn end(&self) -> u64 {
        self.decode_time + self.ticks()
    }
}

/// A media segment, and where its key frames lie.
#[derive(Clone, Debug, Default)]
pub(crate) struct MediaSegment {
    pub(crate) bytes: Vec<u8>,
    /// For each chunk that begins with a key frame: when it is shown, in ticks, and from its `moof` to the frame's end.
    pub(crate) key_frames: Vec<(u64, Range<u64>)>,
}

/// Writes a media segment of `chunks`, with the encryption boxes of each where they are encrypted. In a single file segments go
/// without the `styp`, which would be in the index's way.
pub(crate) fn media_segment(
    chunks: &[Chunk],
    encryption: &[Fragment],
    with_type: bool,
) -> Result<MediaSegment, String> {
    let bytes: usize = chunks
        .iter()
        .map(|chunk| chunk.data.len() + chunk.samples.len() * 32 + 1024)
        .sum();
    let mut segment = MediaSegment {
        bytes: Vec::with_capacity(bytes),
        key_frames: Vec::new(),
    };
    if with_type {
        let brands = BRANDS.into_iter().chain([b"msdh"]);
        let styp = Styp {
            major_brand: FourCC::new(b"msdh"),
            minor_version: 0,
            compatible_brands: brands.map(FourCC::new).collect(),
        };
        encode(&styp, &mut segment.bytes)?;
    }
    for (index, chunk) in chunks.iter().enumerate() {
        let start = segment.bytes.len() as u64;
        write_chunk(chunk, encryption.get(index), &mut segment.bytes)?;
        if let Some(first) = chunk.samples.first().filter(|first| first.is_sync) {
            let after: u64 = chunk
                .samples
                .iter()
                .skip(1)
                .map(|sample| u64::from(sample.size))
                .sum();
            let end = segment.bytes.len() as u64 - after;
            debug_assert!(end >= start + u64::from(first.size));
            let shown = chunk
                .decode_time
                .saturating_add_signed(i64::from(first.composition_offset));
            segment.key_frames.push((shown, start..end));
        }
    }
    Ok(segment)
}

/// Appends `moof` and `mdat` of one chunk.
pub(crate) fn write_chunk(
    chunk: &Chunk,
    fragment: Option<&Fragment>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let is_video = chunk
        .samples
        .iter()
        .any(|sample| !sample.is_sync || sample.composition_offset != 0);
    let entry = |sample: &Sample| TrunEntry {
        duration: Some(sample.duration),
        size: Some(sample.size),
        flags: is_video.then(|| sample_flags(sample)),
        cts: is_video.then_some(i64::from(sample.composition_offset)),
    };
    let mut trun = Trun {
        data_offset: Some(0),
        samples: chunk.samples.iter().map(entry).collect::<Vec<_>>().into(),
    };
    let tfhd = Tfhd {
        track_id: TRACK_ID,
        default_base_is_moof: true,
        sample_description_index: fragment.and_then(Fragment::sample_description_index),
        default_sample_flags: (!is_video).then_some(FLAGS_SYNC),
        ..Default::default()
    };
    let tfdt = Tfdt {
        base_media_decode_time: chunk.decode_time,
    };
    let mfhd = Mfhd {
        sequence_number: chunk.sequence,
    };
    let start = out.len();
    let write_moof = |trun: &Trun, out: &mut Vec<u8>| {
        container(b"moof", out, |out| {
            encode(&mfhd, out)?;
            container(b"traf", out, |out| {
                encode(&tfhd, out)?;
                encode(&tfdt, out)?;
                encode(trun, out)?;
                if let Some(fragment) = fragment {
                    fragment.write_traf(start, out);
                }
                Ok(())
            })?;
            if let Some(fragment) = fragment {
                fragment.write_moof(out);
            }
            Ok(())
        })
    };
    // The offset's own size never changes, so the first pass gives the box's length.
    write_moof(&trun, out)?;
    trun.data_offset = i32::try_from(out.len() - start + MDAT_HEADER_BYTES).ok();
    out.truncate(start);
    write_moof(&trun, out)?;
    let size = u32::try_from(chunk.data.len() + MDAT_HEADER_BYTES)
        .map_err(|_| "a chunk is over 4 GiB".to_owned())?;
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(b"mdat");
    out.extend_from_slice(&chunk.data);
    Ok(())
}

/// ISO/IEC 14496-12 §8.8.3.1.
fn sample_flags(sample: &Sample) -> u32 {
    if sample.is_sync {
        return FLAGS_SYNC;
    }
    FLAGS_DEPENDS
        | FLAGS_NOT_SYNC
        | if sample.is_reference {
            FLAGS_IS_DEPENDED_ON
        } else {
            FLAGS_DISPOSABLE
        }
}

const FLAGS_SYNC: u32 = 2 << 24;
const FLAGS_DEPENDS: u32 = 1 << 24;
const FLAGS_IS_DEPENDED_ON: u32 = 1 << 22;
pub(super) const FLAGS_DISPOSABLE: u32 = 2 << 22;
pub(super) const FLAGS_NOT_SYNC: u32 = 1 << 16;
const MDAT_HEADER_BYTES: usize = 8;
