//! Which frame of the source an encoding begins with, by what small pictures of both show.

use std::path::Path;

use ffmpeg_next::frame;

use crate::analysis::Reader;
use crate::error::EncodeError;
use crate::graph::{PictureOutput, Scan};
use crate::medium::Medium;
use crate::pertitle::{MEASURED, Scaler};
use crate::timing::FrameRate;

/// The source, as it is compared.
pub(super) struct Side<'a> {
    pub(super) reference: &'a Path,
    pub(super) rate: FrameRate,
    pub(super) scan: Scan,
    pub(super) keeps_depth: bool,
}

/// Luma of a small picture.
type Mark = Vec<u8>;

/// Marks of the source around where encodings begin.
pub(super) struct Marks {
    rate: FrameRate,
    /// The source's frame that the first one is of.
    first: i64,
    /// Where encodings are thought to begin.
    about: i64,
    /// How far from there is looked.
    reach: i64,
    marks: Vec<Mark>,
}

impl Side<'_> {
    /// Marks for encodings that begin at about the frame `about`, which is below 0 when they begin before.
    pub(super) fn marks(
        &self,
        about: i64,
        tick: &mut dyn FnMut() -> Result<(), EncodeError>,
    ) -> Result<Marks, EncodeError> {
        let reach = (self.rate.fps() * REACH_S).ceil() as i64;
        let first = (about - reach).max(0);
        let count = (self.rate.fps() * LOOKED_AT_S) as i64 + 2 * reach;
        let output = PictureOutput {
            width: WIDTH,
            height: HEIGHT,
            keeps_depth: self.keeps_depth,
        };
        let mut reader =
            Reader::open_pictures(self.reference, self.rate, first.unsigned_abs(), self.scan, output)?;
        let mut plain = Scaler::default();
        let mut marks = Vec::new();
        while (marks.len() as i64) < count
            && let Some(frame) = reader.next_frame()?
        {
            tick()?;
            marks.push(mark(&plain.scale(&frame, WIDTH, HEIGHT, MEASURED)?));
        }
        Ok(Marks {
            rate: self.rate,
            first,
            about,
            reach,
            marks,
        })
    }
}

impl Marks {
    /// By how many of the source's frames later than thought an encoding begins; 0 where pictures do not tell.
    pub(super) fn shift(
        &self,
        medium: &Medium,
        divisor: u32,
        name: &str,
        tick: &mut dyn FnMut() -> Result<(), EncodeError>,
    ) -> Result<i64, EncodeError> {
        let rate = self.rate.divided(divisor);
        // What it shows before the source begins is not looked at.
        let first = self.about.min(0).unsigned_abs() / u64::from(divisor);
        let tail = format!("scale={WIDTH}:{HEIGHT}:flags=bicubic,format={MEASURED}");
        let mut reader = Reader::open_medium(medium, rate, first, tail)?;
        let count = (rate.fps() * LOOKED_AT_S) as usize;
        let mut marks = Vec::new();
        while marks.len() < count
            && let Some(frame) = reader.next_frame()?
        {
            tick()?;
            marks.push(mark(&frame));
        }
        let error = |shift: i64| {
            let at = self.about + shift + first as i64 * i64::from(divisor) - self.first;
            self.error(&marks, at, i64::from(divisor))
        };
        let Some(unmoved) = error(0) else {
            return Ok(0);
        };
        let errors = (-self.reach..=self.reach).filter_map(|shift| Some((shift, error(shift)?)));
        let best = errors.min_by(|(_, one), (_, other)| one.total_cmp(other));
        let (shift, least) = best.unwrap_or((0, unmoved));
        // Where little moves, all fit alike.
        let is_clear = least < unmoved * CLEARLY_LESS && unmoved - least > VISIBLE;
        let (shift, left) = if is_clear { (shift, least) } else { (0, unmoved) };
        if left > self.variance() * UNLIKE {
            tracing::warn!(
                "{name} hardly shows what the source shows at the same time; if they do not begin together, see --offset-s"
            );
        }
        Ok(shift)
    }

    /// The mean squared difference of `marks` to those of the source from the `at`-th on, of every `step`-th; none where too few
    /// lie beside each other.
    fn error(&self, marks: &[Mark], at: i64, step: i64) -> Option<f64> {
        let mut sum = 0.0;
        let mut count = 0_usize;
        for (index, mark) in (0_i64..).zip(marks) {
            let beside = usize::try_from(at + index * step).ok();
            let Some(beside) = beside.and_then(|index| self.marks.get(index)) else {
                continue;
            };
            sum += difference(mark, beside);
            count += 1;
        }
        (count > 0 && count * 2 >= marks.len().min(self.marks.len())).then(|| sum / count as f64)
    }

    /// Of the source's luma, within pictures.
    fn variance(&self) -> f64 {
        let of = |mark: &Mark| {
            let count = mark.len().max(1) as f64;
            let mean = mark.iter().copied().map(f64::from).sum::<f64>() / count;
            let squares = mark.iter().map(|luma| (f64::from(*luma) - mean).powi(2));
            squares.sum::<f64>() / count
        };
        self.marks.iter().map(of).sum::<f64>() / self.marks.len().max(1) as f64
    }
}

fn mark(frame: &frame::Video) -> Mark {
    let rows = frame.data(0).chunks(frame.stride(0).max(1)).take(HEIGHT as usize);
    rows.flat_map(|row| row.iter().take(WIDTH as usize).copied())
        .collect()
}

fn difference(one: &Mark, other: &Mark) -> f64 {
    let squares = one
        .iter()
        .zip(other)
        .map(|(one, other)| u32::from(one.abs_diff(*other)).pow(2));
    f64::from(squares.sum::<u32>()) / one.len().max(1) as f64
}

const WIDTH: u32 = 64;
const HEIGHT: u32 = 36;
/// How far encodings may be off.
const REACH_S: f64 = 0.5;
const LOOKED_AT_S: f64 = 8.0;
const CLEARLY_LESS: f64 = 0.7;
/// In squared steps of luma.
const VISIBLE: f64 = 0.3;
/// The share of the pictures' own variance that is no likeness any more.
const UNLIKE: f64 = 0.3;

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks whose every frame is of one luma.
    fn marks(lumas: &[u8]) -> Marks {
        Marks {
            rate: FrameRate::new(10, 1),
            first: 0,
            about: 0,
            reach: 5,
            marks: lumas.iter().map(|luma| vec![*luma; 4]).collect(),
        }
    }

    #[test]
    fn the_error_is_of_frames_beside_each_other() {
        let source = marks(&[10, 20, 30, 40, 50, 60]);
        let encoding = |lumas: &[u8]| marks(lumas).marks;
        assert_eq!(source.error(&encoding(&[20, 30, 40]), 1, 1), Some(0.0));
        assert_eq!(source.error(&encoding(&[20, 30, 40]), 0, 1), Some(100.0));
        assert_eq!(source.error(&encoding(&[10, 10, 20]), -1, 1), Some(0.0));
        assert_eq!(source.error(&encoding(&[20, 40, 60]), 1, 2), Some(0.0));
        assert_eq!(
            source.error(&encoding(&[20, 40, 60]), 5, 2),
            None,
            "one is too few"
        );
        assert_eq!(source.error(&[], 0, 1), None);
        assert_eq!(source.variance(), 0.0);
    }
}
