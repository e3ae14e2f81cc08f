//! Which stretches of a film stand for the whole.

use std::sync::Arc;

use super::Title;
use super::trial::{Lab, Shown, Trial};
use crate::analysis::Reader;
use crate::error::EncodeError;
use crate::ladder::{Rung, VideoCodec};

/// Some frames of a film, and how many they stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stretch {
    pub(super) first_frame: u64,
    pub(super) frames: u64,
    /// The part of the film that it stands for, 0 to 1.
    pub(super) weight: f64,
}

/// Looks at the whole film in small pictures: the more bits a segment of them takes, the harder it is. Segments are ordered by
/// that and divided into as many groups as there are stretches, of which the hard ones are smaller; the middle one of each
/// stands for its group.
pub(super) fn choose(
    title: &Title<'_>,
    tick: &mut dyn FnMut(u64) -> Result<(), EncodeError>,
) -> Result<Vec<Stretch>, EncodeError> {
    let segment = title.segment_frames.max(1);
    let rung = Rung {
        name: "analysis".to_owned(),
        width: 320,
        height: 180,
        codec: VideoCodec::H264,
        bitrate_kbps: 100_000,
        crf: Some(30.0),
        ..Rung::default()
    };
    let lab = Lab {
        preset: "superfast",
        rate: title.video.rate,
        gop_frames: segment,
        colour: title.video.colour,
        measure: None,
    };
    let mut reader = Reader::open(title.path, title.video.rate, 0, FILTERS)?;
    let mut trial = Trial::new(lab, &rung);
    let mut stretch = Vec::new();
    let mut frames = 0;
    while let Some(frame) = reader.next_frame()? {
        tick(frames)?;
        frames += 1;
        stretch.push(Arc::new(Shown { frame, motion: 0.0 }));
        if stretch.len() as u64 >= segment {
            trial.encode(&stretch)?;
            stretch.clear();
        }
    }
    trial.encode(&stretch)?;
    let bytes = trial.finish()?.bytes;
    let segments: Vec<(u64, u64)> = bytes
        .chunks(usize::try_from(segment).unwrap_or(usize::MAX))
        .map(|frames| (frames.len() as u64, frames.iter().sum()))
        .collect();
    let seconds = title.video.rate.seconds(title.stretch_frames.max(1));
    let count = (SAMPLED_S / seconds).ceil().clamp(3.0, 16.0) as usize;
    Ok(represent(&segments, segment, title.stretch_frames, count))
}

/// Chooses among `segments`, each of some frames and bytes and all but the last `segment` frames long.
fn represent(segments: &[(u64, u64)], segment: u64, stretch_frames: u64, count: usize) -> Vec<Stretch> {
    let total: u64 = segments.iter().map(|(frames, _)| frames).sum();
    // A stub at the end shows little but its own key frame.
    let is_whole = |frames: u64| frames * 2 >= stretch_frames.min(segment) || segments.len() == 1;
    let mut usable: Vec<(u64, u64, f64)> = (0..)
        .zip(segments)
        .filter(|(_, (frames, _))| is_whole(*frames))
        .map(|(index, (frames, bytes))| (index * segment, *frames, *bytes as f64 / (*frames).max(1) as f64))
        .collect();
    let stretch = |first_frame, frames: u64, weight: u64| Stretch {
        first_frame,
        frames: frames.min(stretch_frames),
        weight: weight as f64 / total.max(1) as f64,
    };
    if usable.len() <= count {
        return usable
            .iter()
            .map(|(first, frames, _)| stretch(*first, *frames, *frames))
            .collect();
    }
    usable.sort_by(|a, b| a.2.total_cmp(&b.2));
    // Groups of the same sum of roots: what is hard varies most, and so has more of the stretches.
    let share: f64 = usable.iter().map(|(_, _, bytes)| bytes.sqrt()).sum::<f64>() / count as f64;
    let mut chosen = Vec::new();
    let mut group: Vec<(u64, u64, f64)> = Vec::new();
    let (mut sum, mut end) = (0.0, share);
    let mut rest = usable.into_iter().peekable();
    while let Some(next) = rest.next() {
        sum += next.2.sqrt();
        group.push(next);
        if sum >= end || rest.peek().is_none() {
            let weight = group.iter().map(|(_, frames, _)| frames).sum();
            let mean = group.iter().map(|(.., bytes)| bytes).sum::<f64>() / group.len() as f64;
            let distance = |bytes: f64| (bytes - mean).abs();
            let middle = group
                .iter()
                .min_by(|a, b| distance(a.2).total_cmp(&distance(b.2)));
            chosen.extend(middle.map(|(first, frames, _)| stretch(*first, *frames, weight)));
            group.clear();
            while end <= sum {
                end += share;
            }
        }
    }
    chosen.sort_by_key(|stretch| stretch.first_frame);
    chosen
}

/// Of a long film, this much is encoded on trial.
const SAMPLED_S: f64 = 16.0;
const FILTERS: &str = "scale=320:180:flags=bilinear,format=yuv420p";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_film_stands_for_itself() {
        let stretches = represent(&[(50, 10), (50, 1000), (30, 10), (4, 9)], 50, 50, 8);
        let found: Vec<_> = stretches.iter().map(|s| (s.first_frame, s.frames)).collect();
        assert_eq!(found, [(0, 50), (50, 50), (100, 30)]);
        assert_eq!(represent(&[(3, 5)], 50, 50, 8).len(), 1);
        assert_eq!(represent(&[], 50, 50, 8), []);
    }

    #[test]
    fn easy_and_hard_parts_have_stretches_and_weights() {
        // Nine tenths are easy, a tenth is hard.
        let segments: Vec<(u64, u64)> = (0..100)
            .map(|index| {
                (
                    50,
                    if index % 10 == 9 {
                        100_000 + index * 100
                    } else {
                        1000 + index
                    },
                )
            })
            .collect();
        let stretches = represent(&segments, 50, 40, 8);
        assert!((4..=8).contains(&stretches.len()), "{stretches:?}");
        let weight = |is_hard: bool| -> f64 {
            let is_wanted = |s: &&Stretch| (s.first_frame / 50 % 10 == 9) == is_hard;
            stretches.iter().filter(is_wanted).map(|s| s.weight).sum()
        };
        assert!(
            (weight(true) - 0.1).abs() < 0.05 && (weight(false) - 0.9).abs() < 0.05,
            "{stretches:?}"
        );
        assert!(stretches.iter().all(|s| s.frames == 40));
        assert!(stretches.is_sorted_by_key(|s| s.first_frame));
    }
}
