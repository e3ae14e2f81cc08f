//! Where shots begin, and segments that begin with them.

use std::path::Path;

use super::Reader;
use crate::error::EncodeError;
use crate::timing::FrameRate;

/// The frames at which segments of about `segment_s` seconds begin best: at cuts, where cuts are. All are multiples of `step`.
///
/// `tick` hears how many frames were looked at.
pub(crate) fn starts(
    path: &Path,
    rate: FrameRate,
    segment_s: f64,
    step: u32,
    tick: &mut dyn FnMut(u64) -> Result<(), EncodeError>,
) -> Result<Vec<u64>, EncodeError> {
    let mut reader = Reader::open(path, rate, 0, FILTERS)?;
    let mut cuts = Vec::new();
    let mut frames = 0;
    while let Some(frame) = reader.next_frame()? {
        tick(frames)?;
        let score = frame
            .metadata()
            .get("lavfi.scd.score")
            .and_then(|score| score.parse::<f64>().ok());
        if frames > 0 && score.is_some_and(|score| score >= CUT_SCORE) {
            cuts.push(frames);
        }
        frames += 1;
    }
    let target = (rate.fps() * segment_s).round().max(1.0);
    Ok(choose(&cuts, frames, target, u64::from(step.max(1))))
}

/// Chooses the starts whose segments are nearest to `target` frames while leaving as few cuts inside a segment as possible. Every segment but the last has half to one and a half times the target.
fn choose(cuts: &[u64], frames: u64, target: f64, step: u64) -> Vec<u64> {
    let slots = frames.div_ceil(step);
    let shortest = ((target * SHORTEST / step as f64).round() as u64).max(1);
    let longest = ((target * LONGEST / step as f64).round() as u64).max(shortest);
    // A cut between two usable frames belongs to the later one: the few frames before it are of the old shot.
    let mut is_cut = vec![false; slots as usize + 1];
    for cut in cuts {
        if let Some(slot) = is_cut.get_mut(cut.div_ceil(step) as usize) {
            *slot = true;
        }
    }
    // Cuts before each slot.
    let mut before = Vec::with_capacity(is_cut.len() + 1);
    before.push(0_u32);
    for cut in &is_cut {
        before.push(before.last().copied().unwrap_or(0) + u32::from(*cut));
    }
    let inside = |start: u64, end: u64| {
        let at = |slot: u64| before.get(slot as usize).copied().unwrap_or(0);
        f64::from(at(end).saturating_sub(at(start + 1)))
    };
    // The least cost of segments up to a slot, and where the last of them begins.
    let mut best: Vec<(f64, u64)> = vec![(0.0, 0)];
    for end in 1..=slots {
        let is_last = end == slots;
        let earliest = end.saturating_sub(longest);
        let latest = if is_last {
            end - 1
        } else {
            end.saturating_sub(shortest)
        };
        let mut least = (f64::INFINITY, 0);
        for start in earliest..=latest {
            let Some((so_far, _)) = best.get(start as usize) else {
                continue;
            };
            let length = ((end - start) * step) as f64 / target - 1.0;
            let stretch = if is_last {
                0.0
            } else {
                length * length * LENGTH_COST
            };
            let cost = so_far + stretch + inside(start, end) * MISSED_COST;
            if cost < least.0 {
                least = (cost, start);
            }
        }
        best.push(if end < shortest && !is_last {
            (f64::INFINITY, 0)
        } else {
            least
        });
    }
    let mut starts = Vec::new();
    let mut end = slots;
    while end > 0 {
        let Some((_, start)) = best.get(end as usize) else {
            break;
        };
        starts.push(start * step);
        end = *start;
    }
    starts.reverse();
    starts
}

/// Small pictures tell cuts as well as large ones.
const FILTERS: &str = "scale=192:108:flags=fast_bilinear,format=yuv420p,scdet=threshold=100";
/// On scdet's scale of 0 to 100: what its own default takes for a cut.
const CUT_SCORE: f64 = 10.0;
const SHORTEST: f64 = 0.5;
const LONGEST: f64 = 1.5;
/// A cut inside a segment is coded as pictures that refer to nothing, without a key frame to seek to.
const MISSED_COST: f64 = 1.0;
/// Half or one and a half times the target costs as much as half a missed cut.
const LENGTH_COST: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_begin_at_cuts_where_they_can() {
        assert_eq!(
            choose(&[40, 130, 170], 300, 50.0, 1),
            [0, 40, 85, 130, 170, 220, 270]
        );
    }

    #[test]
    fn without_cuts_they_are_regular() {
        assert_eq!(choose(&[], 200, 50.0, 1), [0, 50, 100, 150]);
        assert_eq!(choose(&[], 1, 50.0, 1), [0]);
        assert_eq!(choose(&[], 0, 50.0, 1), Vec::<u64>::new());
    }

    #[test]
    fn lengths_stay_within_bounds_and_on_the_grid() {
        let cuts: Vec<u64> = (0..40).map(|index| index * 37 + index * index % 23).collect();
        for step in [1, 2, 4] {
            let starts = choose(&cuts, 1500, 60.0, step);
            assert!(starts.iter().all(|start| start.is_multiple_of(step)));
            for pair in starts.windows(2) {
                assert!((30..=90).contains(&(pair[1] - pair[0])), "{pair:?}");
            }
        }
    }
}
