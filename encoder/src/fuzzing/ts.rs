//! MPEG-TS.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use std::ops::Range;

use super::{Muxer, TrackDescription};
use crate::fuzzing::{Sample, chunk};
use crate::protect::{Key, SampleAes};

/// A rendition.
pub struct Stream(Muxer);

/// A segment's bytes, and of each picture where decoding can start its bytes and its place among the samples.
pub type Segment = (Vec<u8>, Vec<(Range<usize>, usize)>);

impl Stream {
    /// Of tracks with these sample entries, ticks per second, and ticks that are skipped.
    pub fn new(tracks: &[(&[u8], u32, u64)]) -> Result<Self, String> {
        let tracks: Vec<_> = tracks
            .iter()
            .map(|&(entry, timescale, skipped)| TrackDescription {
                entry,
                timescale,
                skipped,
            })
            .collect();
        Muxer::new(&tracks).map(Self)
    }

    /// Of one chunk a track: when it is decoded, and its samples. Encrypted with a key and a vector.
    pub fn segment(
        &mut self,
        chunks: &[(u64, Vec<Sample<'_>>)],
        encryption: Option<(Key, [u8; 16])>,
    ) -> Result<Segment, String> {
        let chunks: Vec<_> = chunks.iter().map(|(at, samples)| chunk(*at, samples)).collect();
        let chunks: Vec<_> = chunks.iter().collect();
        let encryption = encryption.map(|(key, iv)| SampleAes::new(key, iv));
        let segment = self.0.segment(&chunks, encryption.as_ref())?;
        let frames = segment.i_frames.into_iter();
        Ok((
            segment.bytes,
            frames.map(|frame| (frame.range, frame.sample)).collect(),
        ))
    }
}
