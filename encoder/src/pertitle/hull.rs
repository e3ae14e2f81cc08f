//! Curves of bitrate and quality, one a size, and the hull of them all.

use serde::{Deserialize, Serialize};

/// A size and a CRF, and what comes of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) crf: f64,
    /// Mean.
    pub(crate) kbps: f64,
    /// Of the stretch that takes most.
    pub(crate) peak_kbps: f64,
    pub(crate) quality: f64,
}

impl Point {
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// The scale on which rates are compared.
    fn log(&self) -> f64 {
        self.kbps.max(0.001).ln()
    }
}

/// Every size's points at CRFs between those that were measured, by monotone cubics.
pub(super) fn curves(measured: &[Point]) -> Vec<Point> {
    let mut sizes: Vec<(u32, u32)> = measured.iter().map(Point::size).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let mut dense = Vec::new();
    for size in sizes {
        let mut points: Vec<Point> = measured
            .iter()
            .copied()
            .filter(|point| point.size() == size)
            .collect();
        points.sort_by(|a, b| a.crf.total_cmp(&b.crf));
        let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else {
            continue;
        };
        let curve = |value: fn(&Point) -> f64| Curve::new(points.iter().map(|p| (p.crf, value(p))).collect());
        let (rate, peak) = (curve(Point::log), curve(|p| p.peak_kbps.max(0.001).ln()));
        let quality = curve(|p| p.quality);
        let steps = ((last.crf - first.crf) / CRF_STEP).round() as usize;
        dense.extend((0..=steps).map(|step| {
            let crf = first.crf + step as f64 * CRF_STEP;
            Point {
                crf,
                kbps: rate.at(crf).exp(),
                peak_kbps: peak.at(crf).exp(),
                quality: quality.at(crf),
                ..first
            }
        }));
    }
    dense
}

/// The points that no mix of others is better than: the upper hull over the logarithm of the bitrate, where it rises.
pub(super) fn hull(points: &[Point]) -> Vec<Point> {
    let mut sorted: Vec<Point> = points.to_vec();
    sorted.sort_by(|a, b| a.kbps.total_cmp(&b.kbps).then(b.quality.total_cmp(&a.quality)));
    let mut hull: Vec<Point> = Vec::new();
    for point in sorted {
        if hull.last().is_some_and(|last| point.quality <= last.quality) {
            continue;
        }
        while let [.., before, last] = hull.as_slice() {
            let slope = (point.quality - before.quality) / (point.log() - before.log()).max(1e-9);
            if last.quality > before.quality + slope * (last.log() - before.log()) {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

/// The points that no cheaper one is as good as. What lies between neighbours of the hull that are of different sizes is a mix
/// of both, which no encoding has; this can be encoded.
pub(super) fn frontier(points: &[Point]) -> Vec<Point> {
    let mut sorted: Vec<Point> = points.to_vec();
    sorted.sort_by(|a, b| a.kbps.total_cmp(&b.kbps).then(b.quality.total_cmp(&a.quality)));
    let mut best = f64::NEG_INFINITY;
    sorted.retain(|point| {
        let is_better = point.quality > best;
        best = best.max(point.quality);
        is_better
    });
    sorted
}

/// The quality that the hull has at a bitrate; its ends' beyond them.
pub(super) fn quality_at(hull: &[Point], kbps: f64) -> f64 {
    let log = kbps.max(0.001).ln();
    interpolate(hull.iter().map(|point| (point.log(), point.quality)), log).unwrap_or_else(|| {
        let is_below = hull.first().is_some_and(|first| log < first.log());
        let end = if is_below { hull.first() } else { hull.last() };
        end.map_or(0.0, |point| point.quality)
    })
}

/// The bitrate at which a rising curve of points has a quality, in kbit/s; none beyond its ends.
pub(super) fn kbps_at(curve: &[Point], quality: f64) -> Option<f64> {
    interpolate(curve.iter().map(|point| (point.quality, point.log())), quality).map(f64::exp)
}

/// How much fewer bits the one rising curve takes than the other for the same quality, as a mean over the qualities that both
/// have (Bjøntegaard's delta, piecewise): −0.3 is 30 % fewer. None where they have none in common.
pub(super) fn delta_rate(one: &[Point], other: &[Point]) -> Option<f64> {
    let ends = |curve: &[Point]| Some((curve.first()?.quality, curve.last()?.quality));
    let ((a, b), (c, d)) = (ends(one)?, ends(other)?);
    let (low, high) = (a.max(c), b.min(d));
    if high - low < 0.5 {
        return None;
    }
    let ratios = (0..=DELTA_STEPS).filter_map(|step| {
        let quality = low + (high - low) * f64::from(step) / f64::from(DELTA_STEPS);
        Some((kbps_at(one, quality)? / kbps_at(other, quality)?).ln())
    });
    crate::quality::mean(ratios).map(|mean| mean.exp() - 1.0)
}

fn interpolate(points: impl Iterator<Item = (f64, f64)>, x: f64) -> Option<f64> {
    let mut before: Option<(f64, f64)> = None;
    for (at, value) in points {
        if (at - x).abs() < 1e-9 {
            return Some(value);
        }
        if at > x {
            let (x0, y0) = before?;
            return Some(y0 + (value - y0) * (x - x0) / (at - x0));
        }
        before = Some((at, value));
    }
    None
}

/// A cubic through points that rises and falls only where they do (Fritsch and Carlson 1980).
struct Curve {
    points: Vec<(f64, f64)>,
    slopes: Vec<f64>,
}

impl Curve {
    /// Through points with ascending `x`.
    fn new(points: Vec<(f64, f64)>) -> Self {
        let secants: Vec<f64> = points
            .windows(2)
            .map(|pair| match pair {
                [(x0, y0), (x1, y1)] => (y1 - y0) / (x1 - x0),
                _ => 0.0,
            })
            .collect();
        let inner = secants.windows(2).map(|pair| match pair {
            // The harmonic mean keeps it from going beyond the points.
            [a, b] if a * b > 0.0 => 2.0 * a * b / (a + b),
            _ => 0.0,
        });
        let first = secants.first().copied();
        let last = secants.last().copied();
        let slopes = first.into_iter().chain(inner).chain(last).collect();
        Self { points, slopes }
    }

    fn at(&self, x: f64) -> f64 {
        let spans = self.points.windows(2).zip(self.slopes.windows(2));
        for (points, slopes) in spans {
            if let ([(x0, y0), (x1, y1)], [m0, m1]) = (points, slopes)
                && x <= *x1
            {
                let width = x1 - x0;
                let t = ((x - x0) / width).clamp(0.0, 1.0);
                let (t2, t3) = (t * t, t * t * t);
                return (2.0 * t3 - 3.0 * t2 + 1.0) * y0
                    + (t3 - 2.0 * t2 + t) * width * m0
                    + (3.0 * t2 - 2.0 * t3) * y1
                    + (t3 - t2) * width * m1;
            }
        }
        self.points.last().map_or(0.0, |(_, y)| *y)
    }
}

const CRF_STEP: f64 = 0.5;
const DELTA_STEPS: u32 = 100;

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    pub(in super::super) fn point(height: u32, crf: f64, kbps: f64, quality: f64) -> Point {
        Point {
            width: height * 16 / 9,
            height,
            crf,
            kbps,
            peak_kbps: kbps * 1.5,
            quality,
        }
    }

    #[test]
    fn curves_pass_through_what_was_measured_and_stay_monotone() {
        let measured = [
            point(720, 19.0, 4000.0, 97.0),
            point(720, 24.0, 2000.0, 93.0),
            point(720, 30.0, 900.0, 80.0),
            point(720, 36.0, 400.0, 60.0),
        ];
        let dense = curves(&measured);
        assert_eq!(dense.len(), 35);
        for point in &measured {
            let found = dense.iter().find(|dense| dense.crf == point.crf).unwrap();
            assert!((found.kbps - point.kbps).abs() < 0.01 && (found.quality - point.quality).abs() < 0.01);
        }
        assert!(
            dense
                .windows(2)
                .all(|p| p[0].kbps > p[1].kbps && p[0].quality > p[1].quality)
        );
        assert_eq!(curves(&measured[..1]).len(), 1);
        assert!(curves(&[]).is_empty());
    }

    #[test]
    fn the_hull_takes_each_size_where_it_is_best() {
        let measured = [
            point(1080, 20.0, 6000.0, 98.0),
            point(1080, 30.0, 1500.0, 80.0),
            point(360, 20.0, 700.0, 70.0),
            point(360, 30.0, 200.0, 50.0),
            // As dear as 1080p, and worse.
            point(720, 20.0, 3000.0, 80.0),
            // Between two that are better mixed.
            point(540, 20.0, 1000.0, 72.0),
        ];
        let hull = hull(&measured);
        let found: Vec<_> = hull.iter().map(|point| (point.height, point.kbps)).collect();
        assert_eq!(
            found,
            [(360, 200.0), (360, 700.0), (1080, 1500.0), (1080, 6000.0)]
        );
        assert_eq!(quality_at(&hull, 100.0), 50.0);
        assert_eq!(quality_at(&hull, 9000.0), 98.0);
        assert!((quality_at(&hull, 3000.0) - 89.0).abs() < 0.01);
        assert!((kbps_at(&hull, 89.0).unwrap() - 3000.0).abs() < 0.1);
        assert_eq!((kbps_at(&hull, 99.0), kbps_at(&hull, 10.0)), (None, None));
        let frontier = frontier(&measured);
        let found: Vec<_> = frontier.iter().map(|point| point.height).collect();
        assert_eq!(found, [360, 360, 540, 1080, 1080]);
    }

    #[test]
    fn half_the_bits_are_a_delta_of_a_half() {
        let dear = [point(720, 30.0, 1000.0, 60.0), point(720, 20.0, 4000.0, 90.0)];
        let cheap = dear.map(|point| Point {
            kbps: point.kbps / 2.0,
            ..point
        });
        assert!((delta_rate(&cheap, &dear).unwrap() + 0.5).abs() < 1e-9);
        let far = [point(720, 30.0, 1000.0, 10.0), point(720, 20.0, 4000.0, 20.0)];
        assert_eq!(delta_rate(&far, &dear), None);
    }
}
