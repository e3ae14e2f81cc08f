//! Fifteen rows of thirty-two characters.

pub(super) const ROWS: usize = 15;
pub(super) const COLUMNS: usize = 32;

/// How characters look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pen {
    pub(super) color: Color,
    pub(super) background: Option<Color>,
    pub(super) italic: bool,
    pub(super) underline: bool,
}

/// In the order of their codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Color {
    #[default]
    White,
    Green,
    Blue,
    Cyan,
    Red,
    Yellow,
    Magenta,
    Black,
}

impl Color {
    /// By its code, 0 to 7: for letters 7 does not mean black.
    pub(super) const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Green,
            2 => Self::Blue,
            3 => Self::Cyan,
            4 => Self::Red,
            5 => Self::Yellow,
            6 => Self::Magenta,
            7 => Self::Black,
            _ => Self::White,
        }
    }

    /// WebVTT's class for it.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Green => "lime",
            Self::Blue => "blue",
            Self::Cyan => "cyan",
            Self::Red => "red",
            Self::Yellow => "yellow",
            Self::Magenta => "magenta",
            Self::Black => "black",
        }
    }
}

/// A place for a character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// NUL if nothing is here.
    pub(super) c: char,
    pub(super) pen: Pen,
}

impl Cell {
    pub(super) const fn is_visible(self) -> bool {
        !matches!(self.c, '\0' | ' ')
    }
}

/// A memory: what is on the screen, or will be.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// Row by row.
    cells: Vec<Cell>,
}

impl Grid {
    pub(super) fn new() -> Self {
        Self {
            cells: vec![Cell::default(); ROWS * COLUMNS],
        }
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunks_exact(COLUMNS)
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.cells.iter().any(|cell| cell.is_visible())
    }

    pub(super) fn is_row_empty(&self, row: usize) -> bool {
        !self
            .rows()
            .nth(row)
            .into_iter()
            .flatten()
            .any(|cell| cell.is_visible())
    }

    pub(super) fn cell(&mut self, row: usize, column: usize) -> Option<&mut Cell> {
        self.cells.get_mut(row * COLUMNS + column)
    }

    pub(super) fn clear(&mut self) {
        self.cells.fill(Cell::default());
    }

    /// Clears all rows but these.
    pub(super) fn keep(&mut self, first: usize, last: usize) {
        for (i, row) in self.cells.chunks_exact_mut(COLUMNS).enumerate() {
            if i < first || i > last {
                row.fill(Cell::default());
            }
        }
    }

    /// Clears a row from a column on.
    pub(super) fn clear_from(&mut self, row: usize, column: usize) {
        let row = self.cells.chunks_exact_mut(COLUMNS).nth(row);
        if let Some(rest) = row.and_then(|row| row.get_mut(column..)) {
            rest.fill(Cell::default());
        }
    }

    /// Moves all rows up, or down if negative.
    pub(super) fn scroll(&mut self, by: isize) {
        let cells = by.unsigned_abs().min(ROWS) * COLUMNS;
        let kept = self.cells.len() - cells;
        if by > 0 {
            self.cells.rotate_left(cells);
            self.cells.truncate(kept);
            self.cells.resize(ROWS * COLUMNS, Cell::default());
        } else {
            self.cells.rotate_right(cells);
            if let Some(new) = self.cells.get_mut(..cells) {
                new.fill(Cell::default());
            }
        }
    }
}
