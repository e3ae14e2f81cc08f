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
    rows: Vec<[Cell; COLUMNS]>,
}

impl Grid {
    pub(super) fn new() -> Self {
        Self {
            rows: vec![[Cell::default(); COLUMNS]; ROWS],
        }
    }

    pub(super) fn rows(&self) -> &[[Cell; COLUMNS]] {
        &self.rows
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.rows.iter().flatten().any(|cell| cell.is_visible())
    }

    pub(super) fn is_row_empty(&self, row: usize) -> bool {
        !self
            .rows
            .get(row)
            .into_iter()
            .flatten()
            .any(|cell| cell.is_visible())
    }

    pub(super) fn cell(&mut self, row: usize, column: usize) -> Option<&mut Cell> {
        self.rows.get_mut(row)?.get_mut(column)
    }

    pub(super) fn clear(&mut self) {
        for row in &mut self.rows {
            *row = [Cell::default(); COLUMNS];
        }
    }

    /// Clears all rows but these.
    pub(super) fn keep(&mut self, first: usize, last: usize) {
        for (i, row) in self.rows.iter_mut().enumerate() {
            if i < first || i > last {
                *row = [Cell::default(); COLUMNS];
            }
        }
    }

    /// Clears a row from a column on.
    pub(super) fn clear_from(&mut self, row: usize, column: usize) {
        for cell in self.rows.get_mut(row).into_iter().flatten().skip(column) {
            *cell = Cell::default();
        }
    }

    /// Moves all rows up, or down if negative.
    pub(super) fn scroll(&mut self, by: isize) {
        let old = core::mem::take(&mut self.rows);
        for i in 0..ROWS {
            let from = i.checked_add_signed(by).and_then(|from| old.get(from));
            self.rows
                .push(from.copied().unwrap_or([Cell::default(); COLUMNS]));
        }
    }
}
