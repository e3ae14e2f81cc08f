//! From what is on the screen to cues.

use player_core::MediaTime;
use player_core::input::Caption;
use player_core::text::TextCue;

use super::grid::{COLUMNS, Cell, Color, Grid, Pen, ROWS};

/// Of a segment; nobody reads so many.
const MAX_CUES: usize = 2000;
/// Cues that one may go on from: of all channels, what was on the screen last.
const MAX_CUT: usize = 4 * ROWS;

/// Cues that are to be given out, in the order of their starts.
#[derive(Debug, Default)]
pub(super) struct Cues {
    cues: Vec<Caption>,
    /// Those that were given out and that others may go on from.
    cut: Vec<Caption>,
}

/// Rows below each other that begin in the same column, or are centered.
struct Group {
    first: usize,
    last: usize,
    start: Option<usize>,
    is_centered: bool,
    /// Rows touch others of another group: counted from the same end.
    from_end: bool,
}

impl Cues {
    /// What was on the screen of a channel from `start` to `end`, microseconds. `flush`: nothing is centered.
    pub(super) fn push(&mut self, channel: &str, grid: &Grid, flush: bool, start: i64, end: i64) {
        if grid.is_empty() {
            return;
        }
        let (start, end) = (MediaTime::from_micros(start), MediaTime::from_micros(end));
        for group in groups(grid, flush) {
            let mut text = String::new();
            for row in grid.rows().take(group.last + 1).skip(group.first) {
                if !text.is_empty() {
                    text.push('\n');
                }
                write_row(row, &mut text);
            }
            let settings = group.settings();
            self.add(
                channel,
                group.first,
                TextCue {
                    start,
                    end,
                    settings,
                    text,
                    ..TextCue::default()
                },
            );
        }
    }

    /// Adds a cue, or lengthens the one that it goes on from.
    fn add(&mut self, channel: &str, row: usize, mut cue: TextCue) {
        let is_before = |before: &Caption| {
            before.cue.end == cue.start
                && before.channel == channel
                && before.cue.text == cue.text
                && before.cue.settings == cue.settings
        };
        let recent = self.cues.iter_mut().rev().take(MAX_CUT);
        if let Some(before) = recent.into_iter().find(|before| is_before(before)) {
            before.cue.end = cue.end;
            return;
        }
        if self.cues.len() >= MAX_CUES {
            return;
        }
        cue.id = match self.cut.iter().find(|before| is_before(before)) {
            Some(before) => before.cue.id.clone(),
            // At one time there is one in this row.
            None => format!("{channel}-{}-{}", cue.start.as_micros(), row + 1),
        };
        let later = self
            .cues
            .iter()
            .rev()
            .take_while(|other| other.cue.start > cue.start);
        let at = self.cues.len() - later.count();
        self.cues.insert(
            at,
            Caption {
                channel: channel.to_owned(),
                cue,
            },
        );
    }

    /// All there are. What ends last of a channel may be gone on from.
    pub(super) fn take(&mut self) -> Vec<Caption> {
        let cues = core::mem::take(&mut self.cues);
        let last = cues.iter().rev().take(2 * MAX_CUT);
        let newest = last.clone().map(|caption| caption.cue.end).max();
        if newest.is_some() {
            self.cut = last
                .filter(|caption| Some(caption.cue.end) == newest)
                .take(MAX_CUT)
                .cloned()
                .collect();
        }
        cues
    }
}

fn groups(grid: &Grid, flush: bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    // The first group of rows that touch each other.
    let mut first = 0;
    for (row, cells) in grid.rows().enumerate() {
        let Some(start) = cells.iter().position(|cell| cell.is_visible()) else {
            continue;
        };
        let end = cells
            .iter()
            .rposition(|cell| cell.is_visible())
            .map_or(start, |last| last + 1);
        let is_centered = !flush && start.abs_diff(COLUMNS - end) <= 1;
        let touches = groups.last().is_some_and(|group| group.last + 1 == row);
        if !touches {
            first = groups.len();
        }
        match groups.last_mut() {
            Some(group) if touches && group.start == Some(start) && !(group.is_centered && is_centered) => {
                group.last = row;
                group.is_centered = false;
            }
            Some(group) if touches && group.is_centered && is_centered => {
                group.last = row;
                if group.start != Some(start) {
                    group.start = None;
                }
            }
            _ => groups.push(Group {
                first: row,
                last: row,
                start: Some(start),
                is_centered,
                from_end: false,
            }),
        }
        let from_end = row >= ROWS / 2;
        for group in groups.iter_mut().skip(first) {
            group.from_end = from_end;
        }
    }
    groups
}

impl Group {
    /// A row is a line, with one of margin above the first and below the last; a column is a thirty-second of 80 % of the width.
    fn settings(&self) -> String {
        let mut out = String::from("line:");
        if self.from_end {
            out.push('-');
            push_number(&mut out, ROWS + 1 - self.first);
        } else {
            push_number(&mut out, self.first + 1);
        }
        match self.start {
            Some(start) if !self.is_centered => {
                let tenths = 100 + 25 * start;
                out.push_str(" position:");
                push_number(&mut out, tenths / 10);
                if tenths % 10 != 0 {
                    out.push_str(".5");
                }
                out.push_str("% align:start");
            }
            _ => out.push_str(" align:center"),
        }
        out
    }
}

/// Below a hundred.
fn push_number(out: &mut String, number: usize) {
    if number >= 10 {
        out.push(char::from(b'0' + (number / 10 % 10) as u8));
    }
    out.push(char::from(b'0' + (number % 10) as u8));
}

/// The text of a row, with markup.
fn write_row(cells: &[Cell], out: &mut String) {
    let start = cells
        .iter()
        .position(|cell| cell.is_visible())
        .unwrap_or_default();
    let end = cells
        .iter()
        .rposition(|cell| cell.is_visible())
        .map_or(start, |last| last + 1);
    let mut pen = Pen::default();
    // Between words that look the same they do too: fewer elements, and an underline without gaps.
    let mut spaces = 0;
    for cell in cells.iter().take(end).skip(start) {
        if !cell.is_visible() {
            spaces += 1;
            continue;
        }
        let changes = cell.pen != pen;
        if changes {
            close(pen, out);
        }
        for _ in 0..core::mem::take(&mut spaces) {
            out.push(' ');
        }
        if changes {
            pen = cell.pen;
            open(pen, out);
        }
        match cell.c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    close(pen, out);
}

const fn has_class(pen: Pen) -> bool {
    !matches!(pen.color, Color::White) || pen.background.is_some()
}

fn open(pen: Pen, out: &mut String) {
    if has_class(pen) {
        out.push_str("<c");
        if pen.color != Color::White {
            out.push('.');
            out.push_str(pen.color.class());
        }
        if let Some(background) = pen.background {
            out.push_str(".bg_");
            out.push_str(background.class());
        }
        out.push('>');
    }
    if pen.italic {
        out.push_str("<i>");
    }
    if pen.underline {
        out.push_str("<u>");
    }
}

fn close(pen: Pen, out: &mut String) {
    if pen.underline {
        out.push_str("</u>");
    }
    if pen.italic {
        out.push_str("</i>");
    }
    if has_class(pen) {
        out.push_str("</c>");
    }
}
