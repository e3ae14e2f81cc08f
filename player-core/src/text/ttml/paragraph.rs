//! A paragraph: runs of text with looks and times of their own, and the payloads of cues that come of them.

use std::borrow::Cow;

use super::style::{Color, Ruby, Style};
use crate::time::{MediaTime, TimeRange};

/// Of one paragraph; the texts of further ones are there in all of it or not at all.
const MAX_CHANGES: usize = 200;

/// Some text.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) times: TimeRange,
    pub(super) look: Look,
    /// A line break if nothing.
    pub(super) text: Option<Cow<'a, str>>,
    /// White space counts (`xml:space`).
    pub(super) is_preserved: bool,
}

/// What markup says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    color: Option<&'static str>,
    background: Option<&'static str>,
    is_italic: bool,
    is_bold: bool,
    is_underlined: bool,
    is_forced: bool,
    ruby: Ruby,
}

/// The payload of a cue.
#[derive(Debug, PartialEq)]
pub(super) struct Payload {
    pub(super) times: TimeRange,
    pub(super) text: String,
    pub(super) lines: usize,
}

struct Writer {
    out: String,
    look: Look,
    /// Not yet written: they do not count at the ends of lines.
    spaces: usize,
    /// Not yet written: they do not count at the end.
    breaks: usize,
    lines: usize,
}

impl Run<'_> {
    /// What it costs to look at it, in bytes of text.
    fn weight(&self) -> usize {
        16 + self.text.as_ref().map_or(0, |text| text.len())
    }
}

impl Look {
    pub(super) fn of(style: &Style) -> Self {
        let class = |color: Option<Color>| color.and_then(Color::class);
        Self {
            // What they are by default needs no class.
            color: class(style.color).filter(|class| *class != "white"),
            background: class(style.background).filter(|class| *class != "black"),
            is_italic: style.is_italic == Some(true),
            is_bold: style.is_bold == Some(true),
            is_underlined: style.is_underlined == Some(true),
            is_forced: style.is_forced == Some(true),
            ruby: style.ruby.unwrap_or_default(),
        }
    }

    const fn has_class(self) -> bool {
        self.color.is_some() || self.background.is_some() || self.is_forced
    }
}

/// The payloads of a paragraph, one after another: one for each time between changes. `work` is how much text may still be put
/// together, bytes.
pub(super) fn payloads(runs: &[Run<'_>], work: &mut usize) -> Vec<Payload> {
    let bytes: usize = runs.iter().map(Run::weight).sum();
    let mut changes: Vec<MediaTime> = Vec::new();
    for run in runs.iter().filter(|run| run.text.is_some()) {
        for time in [run.times.start, run.times.end] {
            let before = changes.iter().rev().skip_while(|change| **change > time);
            let is_known = before.clone().next() == Some(&time);
            let at = before.count();
            if !is_known && changes.len() < MAX_CHANGES {
                changes.insert(at, time);
            }
        }
    }
    let mut payloads: Vec<Payload> = Vec::new();
    for pair in changes.windows(2) {
        let [start, end] = *pair else { continue };
        *work = work.saturating_sub(bytes);
        if *work == 0 {
            break;
        }
        let Some((text, lines)) = compose(runs, start, end) else {
            continue;
        };
        match payloads.last_mut() {
            Some(last) if last.times.end == start && last.text == text => last.times.end = end,
            _ => payloads.push(Payload {
                times: TimeRange::new(start, end),
                text,
                lines,
            }),
        }
    }
    payloads
}

/// What is there all the time from `start` to `end`, and its lines.
fn compose(runs: &[Run<'_>], start: MediaTime, end: MediaTime) -> Option<(String, usize)> {
    let mut writer = Writer {
        out: String::new(),
        look: Look::default(),
        spaces: 0,
        breaks: 0,
        lines: 1,
    };
    for run in runs
        .iter()
        .filter(|run| run.times.start <= start && run.times.end >= end)
    {
        let Some(text) = &run.text else {
            writer.line_break();
            continue;
        };
        for c in text.chars() {
            match c {
                '\n' if run.is_preserved => writer.line_break(),
                ' ' | '\t' | '\n' | '\r' => writer.space(run.is_preserved),
                '\0'..' ' => {}
                c => writer.character(c, run.look),
            }
        }
    }
    if writer.out.is_empty() {
        return None;
    }
    writer.change(Look::default());
    Some((writer.out, writer.lines))
}

impl Writer {
    fn line_break(&mut self) {
        self.spaces = 0;
        // None before the first line.
        self.breaks += usize::from(!self.out.is_empty());
    }

    fn space(&mut self, is_preserved: bool) {
        let is_first = self.out.is_empty() || self.breaks > 0;
        if is_preserved {
            self.spaces += 1;
        } else if !is_first {
            self.spaces = self.spaces.max(1);
        }
    }

    fn character(&mut self, c: char, look: Look) {
        // Breaks and spaces stand outside of elements that begin or end there.
        let changes = look != self.look;
        if changes {
            self.close(look);
        }
        let breaks = core::mem::take(&mut self.breaks);
        self.lines += breaks;
        for _ in 0..breaks {
            self.out.push('\n');
        }
        for _ in 0..core::mem::take(&mut self.spaces) {
            self.out.push(' ');
        }
        if changes {
            self.open(look);
        }
        match c {
            '&' => self.out.push_str("&amp;"),
            '<' => self.out.push_str("&lt;"),
            '>' => self.out.push_str("&gt;"),
            c => self.out.push(c),
        }
    }

    fn change(&mut self, look: Look) {
        self.close(look);
        self.open(look);
    }

    /// Ends what is not so in `next`.
    fn close(&mut self, next: Look) {
        let look = self.look;
        for (is_open, tag) in [
            (look.is_underlined, "</u>"),
            (look.is_italic, "</i>"),
            (look.is_bold, "</b>"),
            (look.has_class(), "</c>"),
        ] {
            if is_open {
                self.out.push_str(tag);
            }
        }
        if look.ruby == Ruby::Text && next.ruby != Ruby::Text {
            self.out.push_str("</rt>");
        }
        if look.ruby != Ruby::None && next.ruby == Ruby::None {
            self.out.push_str("</ruby>");
        }
    }

    /// Begins what is so in `look`, when all has ended that is not.
    fn open(&mut self, look: Look) {
        if self.look.ruby == Ruby::None && look.ruby != Ruby::None {
            self.out.push_str("<ruby>");
        }
        if self.look.ruby != Ruby::Text && look.ruby == Ruby::Text {
            self.out.push_str("<rt>");
        }
        self.look = look;
        if look.has_class() {
            self.out.push_str("<c");
            if let Some(color) = look.color {
                self.out.push('.');
                self.out.push_str(color);
            }
            if let Some(background) = look.background {
                self.out.push_str(".bg_");
                self.out.push_str(background);
            }
            if look.is_forced {
                self.out.push_str(".forced");
            }
            self.out.push('>');
        }
        for (is_open, tag) in [
            (look.is_bold, "<b>"),
            (look.is_italic, "<i>"),
            (look.is_underlined, "<u>"),
        ] {
            if is_open {
                self.out.push_str(tag);
            }
        }
    }
}
