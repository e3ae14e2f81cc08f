//! What is measured on a small picture, so that pictures can be compared without keeping them.

/// Measures of one picture; light is from 0 to 255.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Features {
    /// Mean light.
    pub(crate) mean: f32,
    /// Standard deviation of the light.
    pub(crate) contrast: f32,
    /// Share of pixels that are almost black.
    pub(crate) dark: f32,
    /// Share of pixels that are almost white.
    pub(crate) bright: f32,
    /// Variance of the Laplacian of the light: fine detail. Low when the picture is blurred.
    pub(crate) sharpness: f32,
    /// Entropy of the light in bits, 0 to 6.
    pub(crate) entropy: f32,
    /// How strong and how various colours are.
    pub(crate) colour: f32,
    /// Share of pixels that have the most frequent light: the background of titles and credits.
    pub(crate) flat: f32,
    /// Mean light of 8×8 blocks: what lies where.
    pub(crate) layout: [u8; BLOCKS * BLOCKS],
    /// Shares (of 65535) of 8 lights × 4 × 4 colours: what there is, wherever it lies.
    pub(crate) histogram: [u16; BINS],
}

/// The planes of a picture without padding: light, and two colours with half as many pixels in each direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Planes {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// One after the other.
    pub(crate) bytes: Vec<u8>,
}

/// Blocks in each direction.
pub(crate) const BLOCKS: usize = 8;
/// Bins of the histogram.
pub(crate) const BINS: usize = 8 * 4 * 4;

impl Planes {
    /// Bytes of all planes of an even size.
    pub(crate) fn size(width: u32, height: u32) -> usize {
        width as usize * height as usize * 3 / 2
    }

    /// The planes of a yuv420p frame of an even size.
    pub(crate) fn of(frame: &ffmpeg_next::frame::Video) -> Self {
        let (width, height) = (frame.width(), frame.height());
        let mut bytes = Vec::with_capacity(Self::size(width, height));
        for plane in 0..3 {
            let shift = u32::from(plane > 0);
            let (across, down) = ((width >> shift) as usize, (height >> shift) as usize);
            let rows = frame.data(plane).chunks(frame.stride(plane).max(1));
            for row in rows.take(down) {
                bytes.extend_from_slice(row.get(..across).unwrap_or_default());
            }
        }
        bytes.resize(Self::size(width, height), 128);
        Self { width, height, bytes }
    }

    fn light(&self) -> &[u8] {
        self.bytes
            .get(..self.width as usize * self.height as usize)
            .unwrap_or_default()
    }
}

impl Features {
    /// Measures a picture.
    pub(crate) fn of(planes: &Planes) -> Self {
        let light = planes.light();
        let pixels = light.len().max(1) as f64;
        let mut counts = [0_u32; 256];
        for &value in light {
            counts[usize::from(value)] += 1;
        }
        let moment = |of: &dyn Fn(f64) -> f64| {
            let sum: f64 = (0..256)
                .zip(counts)
                .map(|(value, count)| of(f64::from(value)) * f64::from(count))
                .sum();
            sum / pixels
        };
        let mean = moment(&|value| value);
        let contrast = moment(&|value| (value - mean).powi(2)).sqrt();
        let share = |counts: &[u32]| counts.iter().sum::<u32>() as f64 / pixels;
        let entropy: f64 = counts
            .chunks(4)
            .map(share)
            .filter(|share| *share > 0.0)
            .map(|share| -share * share.log2())
            .sum();
        let flat = counts.windows(FLAT_LEVELS).map(share).fold(0.0, f64::max);
        let (colour, histogram) = colours(planes);
        Self {
            mean: mean as f32,
            contrast: contrast as f32,
            dark: share(&counts[..DARK]) as f32,
            bright: share(&counts[BRIGHT..]) as f32,
            sharpness: sharpness(light, planes.width as usize) as f32,
            entropy: entropy as f32,
            colour: colour as f32,
            flat: flat as f32,
            layout: layout(planes),
            histogram,
        }
    }

    /// How unlike what is in two pictures is: 0 for the same colours, 1 for none in common.
    pub(crate) fn distance(&self, other: &Self) -> f64 {
        let pairs = self.histogram.iter().zip(&other.histogram);
        let sum: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        f64::from(sum) / (2.0 * 65535.0)
    }

    /// The measures as bytes of a work file.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for number in self.numbers() {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.layout);
        for share in self.histogram {
            out.extend(share.to_le_bytes());
        }
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.split_at_checked(4 * 8)?;
        let (layout, shares) = rest.split_at_checked(BLOCKS * BLOCKS)?;
        let number = |index: usize| {
            let bytes = numbers.get(4 * index..4 * index + 4)?.try_into().ok()?;
            Some(f32::from_le_bytes(bytes)).filter(|number| number.is_finite())
        };
        let mut histogram = [0; BINS];
        if shares.len() != 2 * BINS {
            return None;
        }
        for (into, share) in histogram.iter_mut().zip(shares.chunks_exact(2)) {
            *into = u16::from_le_bytes(share.try_into().ok()?);
        }
        Some(Self {
            mean: number(0)?,
            contrast: number(1)?,
            dark: number(2)?,
            bright: number(3)?,
            sharpness: number(4)?,
            entropy: number(5)?,
            colour: number(6)?,
            flat: number(7)?,
            layout: layout.try_into().ok()?,
            histogram,
        })
    }

    /// Bytes of the measures in a work file.
    pub(super) const BYTES: usize = 4 * 8 + BLOCKS * BLOCKS + 2 * BINS;

    fn numbers(&self) -> [f32; 8] {
        [
            self.mean,
            self.contrast,
            self.dark,
            self.bright,
            self.sharpness,
            self.entropy,
            self.colour,
            self.flat,
        ]
    }
}

/// Variance of the Laplacian over the picture.
fn sharpness(light: &[u8], width: usize) -> f64 {
    let rows: Vec<&[u8]> = light.chunks_exact(width.max(1)).collect();
    let (mut sum, mut squares, mut count) = (0_i64, 0_i64, 0_i64);
    for three in rows.windows(3) {
        let &[above, row, below] = three else { continue };
        let middle = row.windows(3).zip(above.iter().skip(1)).zip(below.iter().skip(1));
        for ((around, above), below) in middle {
            let &[left, here, right] = around else { continue };
            let laplacian = i64::from(left) + i64::from(right) + i64::from(*above) + i64::from(*below)
                - 4 * i64::from(here);
            sum += laplacian;
            squares += laplacian * laplacian;
            count += 1;
        }
    }
    let count = count.max(1) as f64;
    squares as f64 / count - (sum as f64 / count).powi(2)
}

/// Colourfulness and the joint histogram.
fn colours(planes: &Planes) -> (f64, [u16; BINS]) {
    let width = planes.width as usize;
    let (light, chroma) = planes.bytes.split_at(planes.light().len());
    let (blue, red) = chroma.split_at(chroma.len() / 2);
    let across = (width / 2).max(1);
    let mut counts = [0_u64; BINS];
    let mut sums = [0.0_f64; 4];
    let rows = blue.chunks_exact(across).zip(red.chunks_exact(across));
    for ((blue, red), lights) in rows.zip(light.chunks_exact(2 * width.max(1))) {
        for ((blue, red), light) in blue.iter().zip(red).zip(lights.iter().step_by(2)) {
            // Most pictures have little colour: the bins of colours are narrow around grey.
            let bin = |value: u8| match value {
                ..112 => 0,
                112..128 => 1,
                128..144 => 2,
                _ => 3,
            };
            counts[usize::from(light >> 5) * 16 + bin(*blue) * 4 + bin(*red)] += 1;
            let (u, v) = (f64::from(*blue) - 128.0, f64::from(*red) - 128.0);
            for (sum, value) in sums.iter_mut().zip([u, v, u * u, v * v]) {
                *sum += value;
            }
        }
    }
    let pixels = counts.iter().sum::<u64>().max(1);
    let [u, v, uu, vv] = sums.map(|sum| sum / pixels as f64);
    let spread = (uu - u * u).max(0.0) + (vv - v * v).max(0.0);
    let colour = spread.sqrt() + 0.3 * u.hypot(v);
    let mut shares = [0; BINS];
    for (share, count) in shares.iter_mut().zip(counts) {
        *share = (count * 65535 / pixels) as u16;
    }
    (colour, shares)
}

fn layout(planes: &Planes) -> [u8; BLOCKS * BLOCKS] {
    let (width, height) = (planes.width as usize, planes.height as usize);
    let mut sums = [(0_u64, 0_u64); BLOCKS * BLOCKS];
    for (y, row) in planes.light().chunks_exact(width.max(1)).enumerate() {
        for (x, value) in row.iter().enumerate() {
            let (sum, count) = &mut sums[y * BLOCKS / height * BLOCKS + x * BLOCKS / width];
            *sum += u64::from(*value);
            *count += 1;
        }
    }
    sums.map(|(sum, count)| (sum / count.max(1)) as u8)
}

/// Light below this is almost black,
const DARK: usize = 24;
/// and from this on almost white.
const BRIGHT: usize = 240;
/// Lights that are one background.
const FLAT_LEVELS: usize = 9;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn picture(of: impl Fn(usize, usize) -> u8) -> Planes {
        let (width, height) = (32, 16);
        let mut bytes: Vec<u8> = (0..width * height).map(|at| of(at % width, at / width)).collect();
        bytes.resize(Planes::size(32, 16), 128);
        Planes {
            width: 32,
            height: 16,
            bytes,
        }
    }

    #[test]
    fn measures_tell_pictures_apart() {
        let black = Features::of(&picture(|_, _| 0));
        assert_eq!(
            (black.mean, black.dark, black.flat, black.entropy),
            (0.0, 1.0, 1.0, 0.0)
        );
        let checks = Features::of(&picture(|x, y| if (x + y) % 2 == 0 { 40 } else { 200 }));
        let ramp = Features::of(&picture(|x, _| x as u8 * 6 + 30));
        assert!(checks.sharpness > 10_000.0 && ramp.sharpness < 1.0);
        assert!(ramp.entropy > 4.5 && (checks.entropy - 1.0).abs() < 1e-6);
        assert_eq!(checks.mean, 120.0);
        assert!((black.distance(&checks) - 1.0).abs() < 0.001 && ramp.distance(&ramp) == 0.0);
        assert_eq!(ramp.layout[0], 39);
        assert_eq!(ramp.colour, 0.0);
    }

    #[test]
    fn measures_are_read_as_they_were_written() {
        let features = Features::of(&picture(|x, y| (x * 7 + y * 3) as u8));
        let mut bytes = Vec::new();
        features.write(&mut bytes);
        assert_eq!(bytes.len(), Features::BYTES);
        assert_eq!(Features::read(&bytes).unwrap(), features);
        assert_eq!(Features::read(&bytes[1..]), None);
    }
}
