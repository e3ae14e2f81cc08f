//! Movie fragments.

use super::{begin, begin_full, end, patch32, put32};

/// `sample_flags` (ISO/IEC 14496-12, 8.8.3.1).
const SYNC: u32 = 0x0200_0000;
const NOT_SYNC: u32 = 0x0101_0000;
const DISPOSABLE: u32 = 0x0080_0000;

/// A sample of pictures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) size: u32,
    pub(crate) duration: u32,
    /// From decoding to presentation.
    pub(crate) delay: i32,
    pub(crate) sync: bool,
    /// No other sample needs it.
    pub(crate) disposable: bool,
}

/// A track of a fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run<'a> {
    Audio {
        samples: &'a [crate::audio::track::Sample],
    },
    Video {
        samples: &'a [Sample],
    },
}

/// A track's part of a fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    pub(crate) track_id: u32,
    /// When the first sample is decoded.
    pub(crate) start: u64,
    pub(crate) run: Run<'a>,
    /// Bytes of its samples.
    pub(crate) size: usize,
}

/// Writes `moof` and the header of `mdat`. The samples' bytes follow, track by track.
pub(crate) fn write(out: &mut Vec<u8>, sequence: u32, fragments: &[Fragment<'_>]) {
    let moof = begin(out, b"moof");
    let mfhd = begin_full(out, b"mfhd", 0, 0);
    put32(out, sequence);
    end(out, mfhd);
    let offsets: Vec<usize> = fragments.iter().map(|fragment| track(out, fragment)).collect();
    end(out, moof);
    let mut offset = out.len() - moof + 8;
    for (at, fragment) in offsets.into_iter().zip(fragments) {
        patch32(out, at, offset as u32);
        offset += fragment.size;
    }
    let size: usize = fragments.iter().map(|fragment| fragment.size).sum();
    put32(out, size as u32 + 8);
    out.extend(b"mdat");
}

/// Writes `traf`; where in it the offset of the data is.
fn track(out: &mut Vec<u8>, fragment: &Fragment<'_>) -> usize {
    let traf = begin(out, b"traf");
    // default-base-is-moof, default-sample-duration, default-sample-flags
    let audio_duration = match fragment.run {
        Run::Audio { samples } => samples.first().map_or(0, |sample| sample.duration),
        Run::Video { .. } => 0,
    };
    let flags = match fragment.run {
        Run::Audio { .. } => 0x02_0028,
        Run::Video { .. } => 0x02_0000,
    };
    let tfhd = begin_full(out, b"tfhd", 0, flags);
    put32(out, fragment.track_id);
    if matches!(fragment.run, Run::Audio { .. }) {
        put32(out, audio_duration);
        put32(out, SYNC);
    }
    end(out, tfhd);
    let tfdt = begin_full(out, b"tfdt", 1, 0);
    out.extend(fragment.start.to_be_bytes());
    end(out, tfdt);
    let data_offset = match fragment.run {
        Run::Audio { samples } => audio(out, samples, audio_duration),
        Run::Video { samples } => video(out, samples),
    };
    end(out, traf);
    data_offset
}

fn audio(out: &mut Vec<u8>, samples: &[crate::audio::track::Sample], usual: u32) -> usize {
    let even = samples.iter().all(|sample| sample.duration == usual);
    // data-offset, sample-duration, sample-size
    let trun = begin_full(out, b"trun", 0, if even { 0x201 } else { 0x301 });
    put32(out, samples.len() as u32);
    let data_offset = out.len();
    put32(out, 0);
    for sample in samples {
        if !even {
            put32(out, sample.duration);
        }
        put32(out, sample.size);
    }
    end(out, trun);
    data_offset
}

fn video(out: &mut Vec<u8>, samples: &[Sample]) -> usize {
    // Signed delays: version 1.
    let trun = begin_full(out, b"trun", 1, 0xf01);
    put32(out, samples.len() as u32);
    let data_offset = out.len();
    put32(out, 0);
    out.reserve(samples.len() * 16);
    for sample in samples {
        let flags = if sample.sync { SYNC } else { NOT_SYNC };
        put32(out, sample.duration);
        put32(out, sample.size);
        put32(
            out,
            if sample.disposable {
                flags | DISPOSABLE
            } else {
                flags
            },
        );
        put32(out, sample.delay as u32);
    }
    end(out, trun);
    data_offset
}
