//! Sizes and qualities of segments, where the caller knows them.

use player_core::abr::Upcoming;

use crate::ladder::Ladder;

/// By rendition, in the caller's order, from segment number `first` onwards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segments {
    first: f64,
    bytes: Vec<Vec<f64>>,
    quality: Vec<Vec<f64>>,
}

impl Segments {
    /// An empty table that begins at this number.
    pub(crate) fn from(first: f64) -> Self {
        Self {
            first,
            ..Self::default()
        }
    }

    pub(crate) fn set_bytes(&mut self, rendition: usize, bytes: &[f64]) {
        set(&mut self.bytes, rendition, bytes);
    }

    pub(crate) fn set_quality(&mut self, rendition: usize, quality: &[f64]) {
        set(&mut self.quality, rendition, quality);
    }
}

/// More renditions than a ladder has are not kept.
const MAX_RENDITIONS: usize = 1000;

fn set(table: &mut Vec<Vec<f64>>, rendition: usize, values: &[f64]) {
    if rendition >= table.len() && rendition < MAX_RENDITIONS {
        table.resize_with(rendition + 1, Vec::new);
    }
    if let Some(row) = table.get_mut(rendition) {
        *row = values.to_vec();
    }
}

/// The table as seen from segment number `number`; not a number if it is not known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead<'a> {
    pub(crate) segments: &'a Segments,
    pub(crate) ladder: &'a Ladder,
    pub(crate) number: f64,
}

impl Ahead<'_> {
    fn find(&self, table: &[Vec<f64>], rung: usize, ahead: usize) -> Option<f64> {
        let row = table.get(self.ladder.caller(rung)?)?;
        let position = self.number - self.segments.first + ahead as f64;
        if !(0.0..row.len() as f64).contains(&position) {
            return None;
        }
        row.get(position as usize)
            .copied()
            .filter(|value| value.is_finite())
    }
}

impl Upcoming for Ahead<'_> {
    fn bytes(&self, rung: usize, ahead: usize) -> Option<u64> {
        self.find(&self.segments.bytes, rung, ahead)
            .filter(|bytes| *bytes > 0.0)
            .map(|bytes| bytes as u64)
    }

    fn quality(&self, rung: usize, ahead: usize) -> Option<f64> {
        self.find(&self.segments.quality, rung, ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use player_core::config::AbrConfig;

    #[test]
    fn rows_are_the_callers_and_numbers_are_absolute() {
        let ladder = Ladder::new(&[2e6, 1e6], &[], &AbrConfig::default());
        let mut segments = Segments::from(100.0);
        segments.set_bytes(0, &[20.0, 21.0, f64::NAN, -1.0, 0.0]);
        segments.set_bytes(1, &[10.0, 11.0]);
        segments.set_bytes(usize::MAX, &[1.0]);
        segments.set_quality(1, &[80.0]);
        let from = |number| Ahead {
            segments: &segments,
            ladder: &ladder,
            number,
        };
        assert_eq!(
            (from(100.0).bytes(1, 1), from(101.0).bytes(0, 0)),
            (Some(21), Some(11))
        );
        assert_eq!(
            (from(100.0).quality(0, 0), from(100.0).quality(1, 0)),
            (Some(80.0), None)
        );
        for odd in [99.0, 102.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            assert_eq!(from(odd).bytes(0, 0), None, "{odd}");
        }
        // Holes, and what cannot be a size.
        for ahead in 2..7 {
            assert_eq!(from(100.0).bytes(1, ahead), None, "{ahead}");
        }
        assert_eq!(from(100.0).bytes(1, usize::MAX), None);
    }
}
