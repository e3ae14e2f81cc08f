//! Where segments begin, on all renditions.

use super::input::{Candidate, InputFile};
use crate::error::EncodeError;

/// What all renditions share.
pub(super) struct Timeline {
    pub(super) origin_us: i64,
    /// Where segments begin, in µs from the origin, for pictures; every so many µs for sound alone.
    cuts_us: Vec<i64>,
    segment_us: i64,
}

impl Timeline {
    pub(super) fn of(files: &[InputFile], segment_s: f64) -> Result<Self, EncodeError> {
        let streams = || files.iter().flat_map(|file| &file.streams);
        let videos: Vec<&Candidate> = streams().filter(|stream| stream.is_video()).collect();
        let starts = |video: bool| {
            streams()
                .filter(move |stream| stream.is_video() == video)
                .filter_map(|stream| stream.first_us)
                .min()
        };
        let no_frames = || EncodeError::NoFrames {
            path: files.first().map(|file| file.path.clone()).unwrap_or_default(),
        };
        let origin_us = starts(true).or(starts(false)).ok_or_else(no_frames)?;
        let segment_us = (segment_s * 1e6) as i64;
        let mut timeline = Self {
            origin_us,
            cuts_us: Vec::new(),
            segment_us,
        };
        let Some((first, others)) = videos.split_first() else {
            return Ok(timeline);
        };
        let frame_us = first.rate().map_or(40_000, |rate| (1e6 / rate.fps()) as i64);
        let has = |video: &Candidate, at_us: i64| {
            let index = video
                .key_frames_us
                .partition_point(|key| *key < at_us - frame_us / 2);
            video
                .key_frames_us
                .get(index)
                .is_some_and(|key| (key - at_us).abs() <= frame_us / 2)
        };
        let mut last_us = None;
        for key_us in &first.key_frames_us {
            let is_far = last_us.is_none_or(|last_us| key_us - last_us >= segment_us - frame_us / 2);
            if is_far && others.iter().all(|other| has(other, *key_us)) {
                timeline.cuts_us.push(key_us - origin_us);
                last_us = Some(*key_us);
            }
        }
        for pair in timeline.cuts_us.windows(2) {
            let &[start, end] = pair else { continue };
            if end - start > segment_us * 3 && end - start > MAX_GAP_US {
                // The rendition that lacks the key frame which the first has.
                let expected = first
                    .key_frames_us
                    .iter()
                    .find(|key| **key - origin_us >= start + segment_us);
                let lacking = others
                    .iter()
                    .find(|other| expected.is_some_and(|at_us| !has(other, *at_us)));
                let at_s = (start + segment_us) as f64 / 1e6;
                let rendition = lacking.unwrap_or(first).name.clone();
                return Err(EncodeError::NotAligned { rendition, at_s });
            }
        }
        if timeline.cuts_us.is_empty() {
            let rendition = first.name.clone();
            return Err(EncodeError::NotAligned { rendition, at_s: 0.0 });
        }
        Ok(timeline)
    }

    /// Where segment `index` begins, in µs.
    pub(super) fn cut_us(&self, index: u64) -> i64 {
        if self.cuts_us.is_empty() {
            return i64::try_from(index)
                .unwrap_or(i64::MAX)
                .saturating_mul(self.segment_us);
        }
        usize::try_from(index)
            .ok()
            .and_then(|index| self.cuts_us.get(index))
            .copied()
            .unwrap_or(i64::MAX)
    }
}

/// Farther apart than this, and more than thrice what was asked for, key frames are no segments any more.
const MAX_GAP_US: i64 = 10_000_000;
