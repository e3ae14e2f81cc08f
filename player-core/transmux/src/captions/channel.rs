//! A channel of captions: its mode, its cursor, and its two memories.

use super::characters;
use super::cues::Cues;
use super::grid::{COLUMNS, Cell, Color, Grid, Pen, ROWS};

/// A channel that nothing is sent for is cleared after so long, microseconds (47 CFR 15.119 (f)).
const SILENCE_US: i64 = 16_000_000;
/// Characters on the screen that come so much after the first are a cue of their own, microseconds.
const GROWTH_US: i64 = 1_000_000;

/// What becomes of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// They are passed over: what they are is not known, or they are no captions.
    Off,
    /// They appear where they are written.
    PaintOn,
    /// They are written to the hidden memory.
    PopOn,
    /// They appear in the lowest of so many rows.
    RollUp(usize),
}

#[derive(Debug)]
pub(super) struct Channel {
    name: &'static str,
    mode: Mode,
    shown: Grid,
    hidden: Grid,
    /// Of the cursor, from 0; in roll-up mode the lowest row.
    row: usize,
    /// Up to [`COLUMNS`]: behind the last character of a row that is full.
    column: usize,
    pen: Pen,
    /// Since when `shown` has been as it is, or has grown to it.
    since_us: i64,
    /// When something came last.
    heard_us: i64,
    /// `shown` was written in roll-up mode.
    rolled: bool,
}

impl Channel {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            mode: Mode::Off,
            shown: Grid::new(),
            hidden: Grid::new(),
            row: ROWS - 1,
            column: 0,
            pen: Pen::default(),
            since_us: i64::MIN,
            heard_us: i64::MIN,
            rolled: false,
        }
    }

    /// A character of the basic set.
    pub(super) fn character(&mut self, now: i64, byte: u8, cues: &mut Cues) {
        self.heard_us = now;
        self.write(now, characters::basic(byte), cues);
    }

    /// A control code, `a` without the bit of the channel.
    pub(super) fn control(&mut self, now: i64, a: u8, b: u8, cues: &mut Cues) {
        self.heard_us = now;
        match (a, b) {
            (_, 0x40..) => self.address(now, a, b, cues),
            (0x10, 0x20..0x30) => {
                let code = b >> 1 & 7;
                self.set_background(now, Some(Color::from_code(code)), cues);
            }
            (0x11, 0x20..0x30) => self.mid_row(now, b, cues),
            (0x11, 0x30..) => self.write(now, characters::special(b), cues),
            (0x12 | 0x13, _) => {
                self.backspace(now, false, cues);
                self.write(now, characters::extended(a, b), cues);
            }
            (0x14 | 0x15, 0x20..0x30) => self.command(now, b, cues),
            (0x17, 0x21..0x24) => {
                self.column = (self.column + usize::from(b & 3)).min(COLUMNS - 1);
            }
            (0x17, 0x2d) => self.set_background(now, None, cues),
            (0x17, 0x2e | 0x2f) => {
                self.backspace(now, false, cues);
                self.pen.color = Color::Black;
                self.pen.underline = b & 1 != 0;
                self.write(now, ' ', cues);
            }
            _ => {}
        }
    }

    /// Clears the screen if nothing has come for too long.
    pub(super) fn expire(&mut self, now: i64, cues: &mut Cues) {
        let until = self.heard_us.saturating_add(SILENCE_US);
        if now > until && !self.shown.is_empty() {
            self.erase(until, cues);
        }
    }

    /// Ends the cues of what is on the screen.
    pub(super) fn show_until(&mut self, now: i64, cues: &mut Cues) {
        if now > self.since_us {
            cues.push(self.name, &self.shown, self.rolled, self.since_us, now);
            self.since_us = now;
        }
    }

    /// Preamble address code: a row, and a column or a color.
    fn address(&mut self, now: i64, a: u8, b: u8, cues: &mut Cues) {
        let lower = usize::from(b >> 5 & 1);
        let row = match a {
            0x10 if lower == 0 => 10,
            0x11 => lower,
            0x12 => 2 + lower,
            0x13 => 11 + lower,
            0x14 => 13 + lower,
            0x15 => 4 + lower,
            0x16 => 6 + lower,
            0x17 => 8 + lower,
            _ => return,
        };
        self.pen = Pen {
            underline: b & 1 != 0,
            ..Pen::default()
        };
        self.column = 0;
        match b >> 1 & 0xf {
            7 => self.pen.italic = true,
            code @ 8.. => self.column = 4 * usize::from(code - 8),
            code => self.pen.color = Color::from_code(code),
        }
        match self.mode {
            Mode::Off => {}
            Mode::PaintOn | Mode::PopOn => self.row = row,
            Mode::RollUp(depth) => {
                // All rows must have room above the lowest.
                let row = row.max(depth - 1);
                if row != self.row {
                    self.show_until(now, cues);
                    self.shown.scroll(self.row as isize - row as isize);
                    self.row = row;
                }
            }
        }
    }

    fn mid_row(&mut self, now: i64, b: u8, cues: &mut Cues) {
        // A place is taken, that looks as before.
        self.write(now, ' ', cues);
        match b >> 1 & 7 {
            7 => self.pen.italic = true,
            code => {
                self.pen.italic = false;
                self.pen.color = Color::from_code(code);
            }
        }
        self.pen.underline = b & 1 != 0;
    }

    /// These codes take the place of a space that is sent for those who do not know them.
    fn set_background(&mut self, now: i64, color: Option<Color>, cues: &mut Cues) {
        self.backspace(now, false, cues);
        // Black is what there is without one.
        self.pen.background = color.filter(|color| *color != Color::Black);
        self.write(now, ' ', cues);
    }

    /// Miscellaneous control codes.
    fn command(&mut self, now: i64, b: u8, cues: &mut Cues) {
        match b {
            // Resume caption loading.
            0x20 => self.mode = Mode::PopOn,
            // Backspace.
            0x21 => self.backspace(now, true, cues),
            // Delete to end of row.
            0x24 => {
                let (row, column) = (self.row, self.column);
                if self.is_on_screen() {
                    self.show_until(now, cues);
                }
                if let Some(grid) = self.written() {
                    grid.clear_from(row, column);
                }
            }
            // Roll-up of two, three, four rows.
            0x25..=0x27 => self.roll_up(now, usize::from(b - 0x23), cues),
            // Flash on: a place is taken.
            0x28 => self.write(now, ' ', cues),
            // Resume direct captioning.
            0x29 => {
                self.mode = Mode::PaintOn;
                self.rolled = false;
            }
            // Text restart, resume text display.
            0x2a | 0x2b => self.mode = Mode::Off,
            // Erase displayed memory.
            0x2c => self.erase(now, cues),
            // Carriage return.
            0x2d => self.carriage_return(now, cues),
            // Erase non-displayed memory.
            0x2e => self.hidden.clear(),
            // End of caption: flip memories.
            0x2f => {
                self.show_until(now, cues);
                core::mem::swap(&mut self.shown, &mut self.hidden);
                self.mode = Mode::PopOn;
                self.rolled = false;
            }
            _ => {}
        }
    }

    fn roll_up(&mut self, now: i64, depth: usize, cues: &mut Cues) {
        self.show_until(now, cues);
        // It goes on where it was interrupted by text mode.
        let goes_on = match self.mode {
            Mode::RollUp(_) => true,
            Mode::Off => self.rolled,
            Mode::PaintOn | Mode::PopOn => false,
        };
        if !goes_on {
            self.shown.clear();
            self.hidden.clear();
            self.row = ROWS - 1;
            self.column = 0;
            self.pen = Pen::default();
        }
        self.mode = Mode::RollUp(depth);
        self.rolled = true;
        self.row = self.row.max(depth - 1);
        self.shown.keep(self.row + 1 - depth, self.row);
    }

    fn carriage_return(&mut self, now: i64, cues: &mut Cues) {
        let Mode::RollUp(depth) = self.mode else { return };
        self.show_until(now, cues);
        self.shown.scroll(1);
        self.shown.keep(self.row + 1 - depth, self.row.saturating_sub(1));
        self.column = 0;
        self.pen = Pen::default();
    }

    fn erase(&mut self, now: i64, cues: &mut Cues) {
        self.show_until(now, cues);
        self.shown.clear();
    }

    /// Writes a character at the cursor: over the last one if the row is full.
    fn write(&mut self, now: i64, c: char, cues: &mut Cues) {
        let (row, column) = (self.row, self.column.min(COLUMNS - 1));
        let new = Cell { c, pen: self.pen };
        if self.is_on_screen() {
            let old = self.shown.cell(row, column).map(|cell| *cell).unwrap_or_default();
            let begins = new.is_visible() && self.shown.is_row_empty(row);
            let breaks = !new.is_visible() || (old.is_visible() && old != new);
            if begins || (breaks && self.is_grown(now)) {
                self.show_until(now, cues);
            }
        }
        if let Some(cell) = self.written().and_then(|grid| grid.cell(row, column)) {
            *cell = new;
            self.column = column + 1;
        }
    }

    /// Takes the character before the cursor back. One that is only replaced has never been there.
    fn backspace(&mut self, now: i64, for_good: bool, cues: &mut Cues) {
        let Some(column) = self.column.checked_sub(1) else {
            return;
        };
        if for_good && self.is_on_screen() && self.is_grown(now) {
            self.show_until(now, cues);
        }
        let row = self.row;
        if let Some(cell) = self.written().and_then(|grid| grid.cell(row, column)) {
            *cell = Cell::default();
            self.column = column;
        }
    }

    /// What is on the screen has been there for a while.
    fn is_grown(&self, now: i64) -> bool {
        now.saturating_sub(self.since_us) >= GROWTH_US
    }

    fn is_on_screen(&self) -> bool {
        matches!(self.mode, Mode::PaintOn | Mode::RollUp(_))
    }

    /// The memory that characters are written to.
    fn written(&mut self) -> Option<&mut Grid> {
        match self.mode {
            Mode::Off => None,
            Mode::PaintOn | Mode::RollUp(_) => Some(&mut self.shown),
            Mode::PopOn => Some(&mut self.hidden),
        }
    }
}
