//! A wall clock burnt into the pictures, which programs can read from decoded frames and people from the screen.
//!
//! # Layout
//!
//! All lengths are in *cells*. A cell is a square whose side is a fortieth of the picture's **width** `w`; cell column `c` covers
//! the pixels `round(w·c/40) ≤ x < round(w·(c+1)/40)`, cell row `r` the pixels `round(w·r/40) ≤ y < round(w·(r+1)/40)`.
//!
//! ```text
//!           column 3.5                                        36.5
//! row 0.5   ┌──────────────────────────────────────────────────┐  black (Y 16)
//! row 1     │ W B g27 g26 g25 … … … … … … … … … … … … g1 g0 p q │  32 cells, columns 4 to 35
//! row 2.5   │ 11:07:54.123 UTC                                  │  for people
//! row 4     └──────────────────────────────────────────────────┘
//! ```
//!
//! Cells of row 1 from left to right, white (Y 235) for 1 and black for 0:
//!
//! | cell | column | holds |
//! |---|---|---|
//! | 0 | 4 | always white |
//! | 1 | 5 | always black |
//! | 2 … 29 | 6 … 33 | 28 bits, the most significant first: `g = n ^ (n >> 1)` (Gray code) of `n`, the milliseconds since 1970-01-01 00:00 UTC modulo 2²⁸ (74.6 hours) |
//! | 30 | 34 | even parity: the exclusive or of the 28 bits |
//! | 31 | 35 | its opposite |
//!
//! # Reading
//!
//! For each cell take the mean luma of its inner half (from a quarter to three quarters of its width and of its height).
//! The threshold is the mean of cells 0 and 1. Read nothing where cell 0 is not lighter than cell 1 by a quarter of the range
//! (64 of 255), or cells 30 and 31 do not fit. Then `n = g ^ g>>1 ^ g>>2 ^ …`, and the time is the one nearest to the reader's own
//! clock that is `n` modulo 2²⁸. In a browser, draw the video to a canvas of its `videoWidth` and `videoHeight` and take
//! `0.2126·R + 0.7152·G + 0.0722·B` for luma.
//!
//! It is the time when the frame was *captured*: what [`Take::wall`](super::Take::wall) and `prft` say of it. Cells are drawn at the size of each
//! rendition, 16 pixels wide at 640×360, so that they stand scaling and low bitrates. Pictures narrower than 160 pixels have
//! no clock.

mod digits;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ffmpeg_next::frame;

/// Burns the time of capture into a picture in `yuv420p`.
pub(crate) fn burn(picture: &mut frame::Video, captured: SystemTime) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    if width < NARROWEST {
        return;
    }
    let since = captured.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let at = |half_cells: usize| (width * half_cells + CELLS_ACROSS) / (2 * CELLS_ACROSS);
    let mut canvas = Canvas {
        picture,
        width,
        height,
    };
    canvas.grey(at(7), at(73), at(1), at(8));
    canvas.fill(at(7), at(73), at(1), at(8), BLACK);
    let millis = (since.as_millis() & u128::from(MASK)) as u32;
    for (index, is_white) in cells(millis).into_iter().enumerate() {
        if is_white {
            let column = 2 * (FIRST_COLUMN + index);
            canvas.fill(at(column), at(column + 2), at(2), at(4), WHITE);
        }
    }
    let dot = ((at(72) - at(8)) / (digits::CHARACTERS * digits::ADVANCE)).max(1);
    let dot = dot.min((at(8) - at(5)) / digits::ROWS);
    digits::draw(since, &mut |column, row| {
        let (x, y) = (at(8) + column * dot, at(5) + row * dot);
        canvas.fill(x, x + dot, y, y + dot, WHITE);
    });
}

/// The cells of row 1.
fn cells(millis: u32) -> [bool; CELLS] {
    let gray = (millis ^ (millis >> 1)) & MASK;
    let parity = gray.count_ones() % 2 == 1;
    let mut cells = [false; CELLS];
    for (index, cell) in cells.iter_mut().enumerate() {
        *cell = match index {
            0 => true,
            1 => false,
            30 => parity,
            31 => !parity,
            bit => gray >> (29 - bit) & 1 == 1,
        };
    }
    cells
}

struct Canvas<'a> {
    picture: &'a mut frame::Video,
    width: usize,
    height: usize,
}

impl Canvas<'_> {
    /// Sets the luma of a rectangle, as far as it lies in the picture.
    fn fill(&mut self, left: usize, right: usize, top: usize, bottom: usize, luma: u8) {
        let (right, bottom) = (right.min(self.width), bottom.min(self.height));
        self.set(0, left..right, top..bottom, luma);
    }

    /// Takes the colour out of a rectangle.
    fn grey(&mut self, left: usize, right: usize, top: usize, bottom: usize) {
        let right = right.min(self.width).div_ceil(2);
        let bottom = bottom.min(self.height).div_ceil(2);
        for plane in [1, 2] {
            self.set(plane, left / 2..right, top / 2..bottom, NO_COLOUR);
        }
    }

    fn set(&mut self, plane: usize, across: std::ops::Range<usize>, down: std::ops::Range<usize>, value: u8) {
        let stride = self.picture.stride(plane);
        let data = self.picture.data_mut(plane);
        for row in down {
            let start = row * stride;
            if let Some(line) = data.get_mut(start + across.start..start + across.end) {
                line.fill(value);
            }
        }
    }
}

const CELLS_ACROSS: usize = 40;
const FIRST_COLUMN: usize = 4;
const CELLS: usize = 32;
const MASK: u32 = (1 << 28) - 1;
const NARROWEST: usize = 160;
const WHITE: u8 = 235;
const BLACK: u8 = 16;
const NO_COLOUR: u8 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(millis: u32) -> String {
        let cells = cells(millis);
        cells.iter().map(|cell| if *cell { '1' } else { '0' }).collect()
    }

    #[test]
    fn cells_are_gray_code_between_their_guards() {
        assert_eq!(text(0), "10000000000000000000000000000001");
        assert_eq!(text(1), "10000000000000000000000000000110");
        assert_eq!(text(2), "10000000000000000000000000001101");
        assert_eq!(text(MASK), "10100000000000000000000000000010");
    }

    #[test]
    fn one_millisecond_changes_one_bit_of_the_time() {
        for millis in [0, 1, 7, 1023, 86_399_999, MASK - 1] {
            let (one, next) = (cells(millis), cells(millis + 1));
            let changed = (2..30).filter(|index| one[*index] != next[*index]);
            assert_eq!(changed.count(), 1, "{millis}");
        }
    }

    #[test]
    fn tiny_and_flat_pictures_are_left_in_one_piece() {
        for (width, height) in [(2, 2), (158, 90), (160, 2), (640, 20), (1920, 1080)] {
            let mut picture = frame::Video::new(ffmpeg_next::format::Pixel::YUV420P, width, height);
            burn(
                &mut picture,
                UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            );
        }
    }
}
