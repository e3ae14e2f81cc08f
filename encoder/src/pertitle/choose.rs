//! Rungs on the hull.

use super::hull::{Point, hull, kbps_at, quality_at};

/// What a ladder may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_rungs: usize,
    /// The top rung's.
    pub(super) quality_target: f64,
    pub(super) max_kbps: f64,
}

/// The points of `dense` to encode, best first; `dense` are all sizes' curves.
pub(super) fn rungs(dense: &[Point], limits: &Limits) -> Vec<Point> {
    let affordable: Vec<Point> = dense
        .iter()
        .copied()
        .filter(|point| point.kbps <= limits.max_kbps)
        .collect();
    // Where even the smallest picture takes more, less is not to be had.
    let usable = if affordable.is_empty() { dense } else { &affordable };
    let hull = hull(usable);
    let Some(best) = hull.last() else {
        return Vec::new();
    };
    let top_kbps = kbps_at(&hull, limits.quality_target).unwrap_or(match hull.first() {
        Some(first) if first.quality > limits.quality_target => first.kbps,
        _ => best.kbps,
    });
    let mut rungs: Vec<Point> = near(usable, &hull, top_kbps, f64::INFINITY).into_iter().collect();
    while let Some(last) = rungs.last().copied()
        && rungs.len() < limits.max_rungs
    {
        let at = |quality: f64| kbps_at(&hull, quality).unwrap_or(0.0);
        // A step that is seen, of a ratio that a player can bridge, and never one that adds nothing.
        let wanted = at(last.quality - SEEN)
            .clamp(last.kbps / MOST_RATIO, last.kbps / LEAST_RATIO)
            .min(at(last.quality - NOTHING));
        // A floor that is a rung by itself where the next step would be below.
        let is_last = wanted < MIN_KBPS;
        let wanted = if is_last {
            MIN_KBPS.max(hull.first().map_or(0.0, |first| first.kbps))
        } else {
            wanted
        };
        let too_near = last.kbps / wanted < LEAST_RATIO.sqrt();
        if too_near
            || quality_at(&hull, wanted) > last.quality - NOTHING
            || quality_at(&hull, wanted) < MIN_QUALITY
        {
            break;
        }
        match near(usable, &hull, wanted, last.kbps / LEAST_RATIO.sqrt()) {
            Some(next) if next.quality <= last.quality - NOTHING => rungs.push(next),
            _ => break,
        }
        if is_last {
            break;
        }
    }
    rungs
}

/// The point below `max_kbps` that is next to a bitrate, and to the hull.
fn near(points: &[Point], hull: &[Point], kbps: f64, max_kbps: f64) -> Option<Point> {
    let cost = |point: &Point| {
        let below = (quality_at(hull, point.kbps) - point.quality).max(0.0);
        below + FAR_COST * (point.kbps / kbps).ln().abs()
    };
    points
        .iter()
        .filter(|point| point.kbps <= max_kbps)
        .min_by(|a, b| cost(a).total_cmp(&cost(b)))
        .copied()
}

/// A difference of quality that half of all viewers see.
const SEEN: f64 = 6.0;
/// A difference that is not worth a rung.
const NOTHING: f64 = 2.0;
/// Bitrates of neighbours: nearer ones make a player switch for nothing, farther ones make it stay too low.
const LEAST_RATIO: f64 = 1.5;
const MOST_RATIO: f64 = 2.0;
/// The slowest networks that video is watched on.
const MIN_KBPS: f64 = 150.0;
const MIN_QUALITY: f64 = 20.0;
/// What being away from the bitrate by a factor of e is worth, in points of quality.
const FAR_COST: f64 = 8.0;

#[cfg(test)]
mod tests {
    use super::super::hull::{curves, tests::point};
    use super::*;

    const LIMITS: Limits = Limits {
        max_rungs: 8,
        quality_target: 95.0,
        max_kbps: 5000.0,
    };

    /// A film whose sizes each have a best range; `scale` is how hard it is.
    fn film(scale: f64) -> Vec<Point> {
        let mut measured = Vec::new();
        for (height, most) in [(1080, 99.0), (720, 94.0), (480, 84.0), (360, 72.0), (240, 55.0)] {
            let pixels = f64::from(height * height) / (1080.0 * 1080.0);
            for (crf, share, loss) in [
                (19.0, 1.0, 1.0),
                (24.0, 0.5, 4.0),
                (30.0, 0.24, 12.0),
                (36.0, 0.12, 28.0),
            ] {
                let kbps = 8000.0 * scale * pixels.powf(0.75) * share;
                measured.push(point(height, crf, kbps, most - loss));
            }
        }
        curves(&measured)
    }

    #[test]
    fn the_top_has_the_wanted_quality_or_the_highest_bitrate() {
        let easy = rungs(&film(0.2), &LIMITS);
        assert!((easy[0].quality - 95.0).abs() < 1.0, "{easy:?}");
        assert!(easy[0].kbps < 1500.0);
        let hard = rungs(&film(4.0), &LIMITS);
        assert!(hard[0].kbps <= 5000.0 && hard[0].kbps > 4000.0, "{hard:?}");
        assert!(hard[0].height < 1080);
    }

    #[test]
    fn neighbours_differ_by_what_is_seen() {
        for scale in [0.1, 0.5, 1.0, 2.0, 8.0] {
            let chosen = rungs(&film(scale), &LIMITS);
            for pair in chosen.windows(2) {
                let ratio = pair[0].kbps / pair[1].kbps;
                assert!((1.2..=2.6).contains(&ratio), "{scale}: {pair:?}");
                assert!(pair[0].quality - pair[1].quality >= NOTHING, "{scale}: {pair:?}");
            }
            assert!((1..=8).contains(&chosen.len()));
            assert!(chosen.iter().all(|rung| rung.kbps > 100.0 || chosen.len() == 1));
        }
        assert_eq!(
            rungs(
                &film(1.0),
                &Limits {
                    max_rungs: 2,
                    ..LIMITS
                }
            )
            .len(),
            2
        );
    }

    #[test]
    fn what_is_always_the_same_has_one_rung() {
        let still: Vec<Point> = film(0.001)
            .into_iter()
            .map(|point| Point {
                quality: 99.0 - point.crf / 100.0,
                ..point
            })
            .collect();
        assert_eq!(rungs(&still, &LIMITS).len(), 1);
        assert!(rungs(&[], &LIMITS).is_empty());
    }
}
