//! Media segments: `styp`, then chunks of `moof` and `mdat`.

use mp4_atom::{FourCC, Mfhd, Moof, Styp, Tfdt, Tfhd, Traf, Trun, TrunEntry};

use super::init::TRACK_ID;
use super::{BRANDS, encode};

/// One coded picture or one frame of sound.
#[derive(Clone, Copy, Debug)]
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

/// Writes a media segment of `chunks`.
pub(crate) fn media_segment(chunks: &[Chunk]) -> Result<Vec<u8>, String> {
    let bytes: usize = chunks
        .iter()
        .map(|chunk| chunk.data.len() + chunk.samples.len() * 16 + 256)
        .sum();
    let mut out = Vec::with_capacity(bytes);
    let brands = BRANDS.into_iter().chain([b"msdh"]);
    let styp = Styp {
        major_brand: FourCC::new(b"msdh"),
        minor_version: 0,
        compatible_brands: brands.map(FourCC::new).collect(),
    };
    encode(&styp, &mut out)?;
    for chunk in chunks {
        write_chunk(chunk, &mut out)?;
    }
    Ok(out)
}

fn write_chunk(chunk: &Chunk, out: &mut Vec<u8>) -> Result<(), String> {
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
    let trun = Trun {
        data_offset: Some(0),
        samples: chunk.samples.iter().map(entry).collect::<Vec<_>>().into(),
    };
    let default_sample_flags = (!is_video).then_some(FLAGS_SYNC);
    let tfhd = Tfhd {
        track_id: TRACK_ID,
        default_base_is_moof: true,
        default_sample_flags,
        ..Default::default()
    };
    let tfdt = Tfdt {
        base_media_decode_time: chunk.decode_time,
    };
    let traf = Traf {
        tfhd,
        tfdt: Some(tfdt),
        trun: vec![trun],
        ..Default::default()
    };
    let mut moof = Moof {
        mfhd: Mfhd {
            sequence_number: chunk.sequence,
        },
        traf: vec![traf],
    };
    // The offset's own size never changes, so the first pass gives the box's length.
    let start = out.len();
    encode(&moof, out)?;
    let data_offset = out.len() - start + MDAT_HEADER_BYTES;
    out.truncate(start);
    for trun in moof.traf.iter_mut().flat_map(|traf| &mut traf.trun) {
        trun.data_offset = i32::try_from(data_offset).ok();
    }
    encode(&moof, out)?;
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
const FLAGS_DISPOSABLE: u32 = 2 << 22;
const FLAGS_NOT_SYNC: u32 = 1 << 16;
const MDAT_HEADER_BYTES: usize = 8;
