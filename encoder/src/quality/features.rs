//! What is compared of two pictures: how much information (VIF) and how much detail (DLM) of the reference is left.
//!
//! VIF: H. R. Sheikh, A. C. Bovik, "Image information and visual quality", 2006, in its multi-scale pixel-domain form. DLM:
//! S. Li et al., "Image quality assessment by separately evaluating detail losses and additive impairments", 2011, without its
//! masking. Both are on luma alone.

/// A picture's luma, 0 to 255, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<f32>,
}

/// What is left of one picture in another; all is left at 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Features {
    /// At a half, a quarter and an eighth of the size.
    pub(crate) information: [f32; 3],
    /// At the same sizes.
    pub(crate) detail: [f32; 3],
    /// The mean of the squared differences of luma.
    pub(crate) squared_error: f32,
}

/// What is left of `reference` in `distorted`, of the same size.
pub(crate) fn compare(reference: &Plane, distorted: &Plane) -> Features {
    let mut features = Features {
        information: [1.0; 3],
        detail: [1.0; 3],
        squared_error: mean_over_rows(reference, distorted, |difference| difference * difference),
    };
    let (mut a, mut b) = (reference.halved(&TAPS_9), distorted.halved(&TAPS_9));
    let [half, quarter, eighth] = &mut features.information;
    *half = information_left(&a, &b, &TAPS_9);
    for (slot, taps) in [(quarter, &TAPS_5[..]), (eighth, &TAPS_3)] {
        (a, b) = (a.halved(taps), b.halved(taps));
        *slot = information_left(&a, &b, taps);
    }
    // The finest band says little that the squared error does not.
    let (mut a, mut b) = (reference.bands().low, distorted.bands().low);
    for slot in &mut features.detail {
        let (of_a, of_b) = (a.bands(), b.bands());
        *slot = detail_left(&of_a, &of_b);
        (a, b) = (of_a.low, of_b.low);
    }
    features
}

/// How much `one` and `other` differ, blurred, in steps of luma: the motion between two pictures.
pub(crate) fn motion(one: &Plane, other: &Plane) -> f32 {
    let (one, other) = (one.halved(&TAPS_9), other.halved(&TAPS_9));
    mean_over_rows(&one, &other, f32::abs)
}

fn mean_over_rows(one: &Plane, other: &Plane, measure: impl Fn(f32) -> f32) -> f32 {
    let rows = one
        .pixels
        .chunks(one.width.max(1))
        .zip(other.pixels.chunks(other.width.max(1)));
    let sums = rows.map(|(a, b)| f64::from(a.iter().zip(b).map(|(a, b)| measure(a - b)).sum::<f32>()));
    (sums.sum::<f64>() / one.pixels.len().max(1) as f64) as f32
}

/// A wavelet's low band and its three bands of detail, each half as wide and high.
struct Bands {
    low: Plane,
    detail: [Plane; 3],
}

impl Plane {
    /// Blurred, and every second pixel of every second row.
    fn halved(&self, taps: &[f32]) -> Self {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let mut wide = Vec::with_capacity(width * self.height);
        let mut row = Vec::new();
        for pixels in self.pixels.chunks_exact(self.width.max(1)) {
            pad(pixels, taps.len() / 2, &mut row);
            let at = |x: usize| {
                let window = row.get(x * 2..).unwrap_or_default();
                window
                    .iter()
                    .zip(taps)
                    .map(|(pixel, tap)| pixel * tap)
                    .sum::<f32>()
            };
            wide.extend((0..width).map(at));
        }
        let wide = Self {
            width,
            height: self.height,
            pixels: wide,
        };
        let mut pixels = vec![0.0; width * height];
        for (y, out) in pixels.chunks_exact_mut(width.max(1)).enumerate() {
            wide.blur_row(y * 2, taps, out);
        }
        Self {
            width,
            height,
            pixels,
        }
    }

    /// The rows around `y`, weighted.
    fn blur_row(&self, y: usize, taps: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        for (index, tap) in taps.iter().enumerate() {
            let row = mirrored((y + index) as isize - (taps.len() / 2) as isize, self.height);
            for (sum, pixel) in out.iter_mut().zip(self.row(row)) {
                *sum += tap * pixel;
            }
        }
    }

    fn row(&self, y: usize) -> &[f32] {
        self.pixels
            .get(y * self.width..(y + 1) * self.width)
            .unwrap_or_default()
    }

    fn bands(&self) -> Bands {
        let (width, height) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let halves = [&LOW, &HIGH].map(|taps| {
            let mut pixels = Vec::with_capacity(width * self.height);
            let mut row = Vec::new();
            for line in self.pixels.chunks_exact(self.width.max(1)) {
                pad(line, 2, &mut row);
                let at = |x: usize| {
                    let window = row.get(x * 2 + 1..).unwrap_or_default();
                    window
                        .iter()
                        .zip(taps)
                        .map(|(pixel, tap)| pixel * tap)
                        .sum::<f32>()
                };
                pixels.extend((0..width).map(at));
            }
            Self {
                width,
                height: self.height,
                pixels,
            }
        });
        let down = |plane: &Self, taps: &[f32; 4]| {
            let mut pixels = vec![0.0; width * height];
            for (y, out) in pixels.chunks_exact_mut(width.max(1)).enumerate() {
                for (index, tap) in taps.iter().enumerate() {
                    let row = mirrored((y * 2 + index) as isize - 1, plane.height);
                    for (sum, pixel) in out.iter_mut().zip(plane.row(row)) {
                        *sum += tap * pixel;
                    }
                }
            }
            Self {
                width,
                height,
                pixels,
            }
        };
        let [low, high] = &halves;
        Bands {
            low: down(low, &LOW),
            detail: [down(low, &HIGH), down(high, &LOW), down(high, &HIGH)],
        }
    }
}

/// VIF of one scale.
fn information_left(a: &Plane, b: &Plane, taps: &[f32]) -> f32 {
    let width = a.width;
    let (mut left, mut all) = (0.0_f64, 0.0_f64);
    let mut sums = [const { Vec::new() }; 5];
    for sum in &mut sums {
        sum.resize(width, 0.0_f32);
    }
    let mut padded = [const { Vec::new() }; 5];
    let mut blurred = [const { Vec::new() }; 5];
    for y in 0..a.height {
        let [sa, sb, saa, sbb, sab] = &mut sums;
        for sum in [&mut *sa, sb, saa, sbb, sab] {
            sum.fill(0.0);
        }
        for (index, tap) in taps.iter().enumerate() {
            let row = mirrored((y + index) as isize - (taps.len() / 2) as isize, a.height);
            let sums = sa
                .iter_mut()
                .zip(sb.iter_mut())
                .zip(saa.iter_mut())
                .zip(sbb.iter_mut())
                .zip(sab.iter_mut());
            for (((((sa, sb), saa), sbb), sab), (a, b)) in sums.zip(a.row(row).iter().zip(b.row(row))) {
                *sa += tap * a;
                *sb += tap * b;
                *saa += tap * a * a;
                *sbb += tap * b * b;
                *sab += tap * a * b;
            }
        }
        for ((sum, padded), blurred) in sums.iter().zip(&mut padded).zip(&mut blurred) {
            pad(sum, taps.len() / 2, padded);
            blurred.clear();
            blurred.resize(width, 0.0);
            for (index, tap) in taps.iter().enumerate() {
                for (out, pixel) in blurred.iter_mut().zip(padded.get(index..).unwrap_or_default()) {
                    *out += tap * pixel;
                }
            }
        }
        let [ma, mb, maa, mbb, mab] = &blurred;
        let means = ma.iter().zip(mb).zip(maa).zip(mbb).zip(mab);
        for ((((ma, mb), maa), mbb), mab) in means {
            let variance = (maa - ma * ma).max(0.0);
            let other = (mbb - mb * mb).max(0.0);
            let shared = mab - ma * mb;
            let (mut gain, mut noise) = (shared / (variance + TINY), 0.0);
            if variance < TINY || gain < 0.0 {
                gain = 0.0;
                noise = other;
            } else if other >= TINY {
                noise = (other - gain * shared).max(TINY);
            } else {
                gain = 0.0;
            }
            // Sharpening is not more than the reference.
            gain = gain.min(1.0);
            left += f64::from((1.0 + gain * gain * variance / (noise + EYE_NOISE)).log2());
            all += f64::from((1.0 + variance / EYE_NOISE).log2());
        }
    }
    // Flat pictures have none to lose.
    ((left + 1.0) / (all + 1.0)) as f32
}

/// DLM of one scale.
fn detail_left(a: &Bands, b: &Bands) -> f32 {
    let (mut left, mut all) = (0.0_f64, 0.0_f64);
    for (a, b) in a.detail.iter().zip(&b.detail) {
        // Norms of the third power, as DLM pools them, a row at a time.
        let (mut left_sum, mut all_sum) = (0.0_f64, 0.0_f64);
        for y in 0..a.height {
            let (mut left_row, mut all_row) = (0.0_f32, 0.0_f32);
            for (a, b) in a.row(y).iter().zip(b.row(y)) {
                let kept = if a * b > 0.0 { a.abs().min(b.abs()) } else { 0.0 };
                left_row += kept * kept * kept;
                all_row += (a * a * a).abs();
            }
            left_sum += f64::from(left_row);
            all_sum += f64::from(all_row);
        }
        left += left_sum.cbrt();
        all += all_sum.cbrt();
    }
    ((left + 1.0) / (all + 1.0)) as f32
}

/// Writes `pixels` with `by` more at both ends, mirrored.
fn pad(pixels: &[f32], by: usize, out: &mut Vec<f32>) {
    let len = pixels.len();
    let at = |index: isize| pixels.get(mirrored(index, len)).copied().unwrap_or(0.0);
    out.clear();
    out.extend((1..=by).rev().map(|index| at(-(index as isize))));
    out.extend_from_slice(pixels);
    out.extend((0..=by).map(|index| at((len + index) as isize)));
}

/// An index into `len` values that go on mirrored at both ends.
fn mirrored(index: isize, len: usize) -> usize {
    let last = len.saturating_sub(1) as isize;
    let index = index.abs();
    let index = if index > last { 2 * last - index } else { index };
    index.clamp(0, last) as usize
}

/// Variance of the noise that the eye itself adds.
const EYE_NOISE: f32 = 2.0;
const TINY: f32 = 1e-6;
/// Gaussian windows of a fifth of their width.
const TAPS_9: [f32; 9] = [
    0.018_978_08,
    0.055_898_17,
    0.120_920_91,
    0.192_116_05,
    0.224_173_57,
    0.192_116_05,
    0.120_920_91,
    0.055_898_17,
    0.018_978_08,
];
const TAPS_5: [f32; 5] = [
    0.054_488_684,
    0.244_201_35,
    0.402_619_95,
    0.244_201_35,
    0.054_488_684,
];
const TAPS_3: [f32; 3] = [0.166_378_9, 0.667_242_2, 0.166_378_9];
/// Daubechies' wavelet with two vanishing moments.
const LOW: [f32; 4] = [0.482_962_9, 0.836_516_3, 0.224_143_87, -0.129_409_52];
const HIGH: [f32; 4] = [-0.129_409_52, -0.224_143_87, 0.836_516_3, -0.482_962_9];

#[cfg(test)]
mod tests {
    use super::*;

    /// Stripes and blobs, and `loss` of their detail gone.
    fn picture(loss: f32) -> Plane {
        let (width, height) = (101, 67);
        let pixel = |index: usize| {
            let (x, y) = ((index % width) as f32, (index / width) as f32);
            let coarse = 60.0 * (x / 13.0).sin() * (y / 11.0).cos();
            let fine = 30.0 * (x * 1.3).sin() * (y * 0.9).sin() + 25.0 * (x * 0.5 + y * 0.4).sin();
            128.0 + coarse + fine * (1.0 - loss)
        };
        Plane {
            width,
            height,
            pixels: (0..width * height).map(pixel).collect(),
        }
    }

    #[test]
    fn all_is_left_of_the_same_picture() {
        let features = compare(&picture(0.0), &picture(0.0));
        for left in features.information.iter().chain(&features.detail) {
            assert!((left - 1.0).abs() < 1e-3, "{features:?}");
        }
        assert_eq!(features.squared_error, 0.0);
        assert_eq!(motion(&picture(0.0), &picture(0.0)), 0.0);
    }

    #[test]
    fn less_is_left_where_more_is_lost() {
        let lost: Vec<Features> = [0.1, 0.3, 0.6, 0.9]
            .map(|loss| compare(&picture(0.0), &picture(loss)))
            .to_vec();
        for pair in lost.windows(2) {
            let [less, more] = pair else { continue };
            assert!(less.squared_error < more.squared_error);
            let both = less
                .information
                .iter()
                .chain(&less.detail)
                .zip(more.information.iter().chain(&more.detail));
            assert!(
                both.into_iter().all(|(less, more)| less > more),
                "{less:?} {more:?}"
            );
        }
    }

    #[test]
    fn any_size_is_compared() {
        for (width, height) in [(1, 1), (2, 2), (3, 1), (1, 9), (16, 5), (0, 0)] {
            let plane = |value| Plane {
                width,
                height,
                pixels: vec![value; width * height],
            };
            let features = compare(&plane(10.0), &plane(200.0));
            let all = features.information.iter().chain(&features.detail);
            assert!(
                all.into_iter().all(|left| (0.0..=1.0001).contains(left)),
                "{width}×{height}: {features:?}"
            );
        }
    }
}
