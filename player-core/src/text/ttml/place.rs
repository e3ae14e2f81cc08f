//! Where cues are shown: from TTML's regions to WebVTT's settings.
//!
//! WebVTT's own regions scroll and count lines; they have no height and no alignment. So a cue gets the settings that put it where its
//! region would: lines that are aligned at the far edge are counted from that edge of the video, because not every browser knows
//! `line:…,end`, and renderers keep such lines from standing on each other.

use super::style::Style;
use crate::number;
use crate::text::webvtt::{Align, Edge, LinePosition, Settings, Vertical};
use crate::text::write;

/// The height of a line by default, percent of the height: WebVTT's font of 5 % and a little more.
const LINE: f64 = 16.0 / 3.0;
/// The same in percent of the width of a picture of 16 to 9.
const VERTICAL_LINE: f64 = 3.0;

/// Where text stands across its lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum DisplayAlign {
    After,
    #[default]
    Before,
    Center,
}

/// What lengths are parts of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Canvas {
    /// Columns and rows (`ttp:cellResolution`).
    cells: (f64, f64),
    /// Width and height (`tts:extent` of the root), if declared.
    pixels: Option<(f64, f64)>,
}

impl Default for Canvas {
    fn default() -> Self {
        Self {
            cells: (32.0, 15.0),
            pixels: None,
        }
    }
}

impl Canvas {
    /// Takes an attribute of the root; nothing if it is another one, or makes no sense.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Option<()> {
        // Columns and rows have no unit, pixels have.
        let mut numbers = value.split_ascii_whitespace().map(|word| {
            let number = number::float(word.strip_suffix("px").unwrap_or(word))?;
            (number > 0.0 && number < 1e6).then_some(number)
        });
        let pair = (numbers.next()??, numbers.next()??);
        match name {
            "cellResolution" => self.cells = pair,
            "extent" => self.pixels = Some(pair),
            _ => return None,
        }
        Some(())
    }

    /// Two lengths, percent of width and height.
    pub(super) fn pair(&self, value: &str) -> Option<(f64, f64)> {
        let mut words = value.split_ascii_whitespace();
        Some((
            self.length(words.next()?, false)?,
            self.length(words.next()?, true)?,
        ))
    }

    /// `tts:position`, of one or two words: percent of what is left of width and height.
    pub(super) fn position(&self, value: &str) -> Option<(f64, f64)> {
        let (mut x, mut y) = (50.0, 50.0);
        for (i, word) in value.split_ascii_whitespace().enumerate() {
            match word {
                "center" => {}
                "left" => x = 0.0,
                "right" => x = 100.0,
                "top" => y = 0.0,
                "bottom" => y = 100.0,
                // Of two numbers the first is across. Only percentages share what is left; others are rare here.
                _ if i == 0 => x = number::float(word.strip_suffix('%')?)?,
                _ if i == 1 => y = number::float(word.strip_suffix('%')?)?,
                _ => return None,
            }
        }
        let is_sane = |n: f64| n.abs() <= 1000.0;
        (is_sane(x) && is_sane(y)).then_some((x, y))
    }

    /// Percent of the width, or of the height.
    fn length(&self, text: &str, of_height: bool) -> Option<f64> {
        let digits = text
            .bytes()
            .take_while(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+'));
        let (number, unit) = text.split_at_checked(digits.count())?;
        let number = number::float(number)?;
        let pick = |(width, height)| if of_height { height } else { width };
        let percent = match unit {
            "%" | "rw" | "rh" => number,
            "c" => number * 100.0 / pick(self.cells),
            "px" => number * 100.0 / pick(self.pixels?),
            _ => return None,
        };
        (percent.abs() <= 1000.0).then_some(percent)
    }
}

/// The settings of a cue of so many lines. `style` is that of the paragraph and of its region, if it is in one.
pub(super) fn settings(style: &Style, in_region: bool, lines: usize) -> String {
    let mut settings = Settings {
        vertical: style.vertical.flatten(),
        align: style.align.unwrap_or(Align::Center),
        ..Settings::default()
    };
    if in_region || style.origin.is_some() || style.extent.is_some() || style.position.is_some() {
        place(&mut settings, style, lines as f64);
    }
    write::settings(&settings)
}

fn place(settings: &mut Settings<'_>, style: &Style, lines: f64) {
    let (width, height) = style.extent.unwrap_or((100.0, 100.0));
    let (left, top) = match (style.origin, style.position) {
        (Some(origin), _) => origin,
        (None, Some((x, y))) => ((100.0 - width) * x / 100.0, (100.0 - height) * y / 100.0),
        (None, None) => (0.0, 0.0),
    };
    let inside = |n: f64| n.clamp(0.0, 100.0);
    let (left, right) = (inside(left), inside(left + width));
    let (top, bottom) = (inside(top), inside(top + height));
    settings.align = style.align.unwrap_or(Align::Start);

    // Along the lines.
    let (from, to) = if settings.vertical.is_some() {
        (top, bottom)
    } else {
        (left, right)
    };
    settings.size = (to - from).max(0.0);
    settings.position = match settings.align {
        Align::Center => Some((from + to) / 2.0),
        Align::End | Align::Right => Some(to),
        Align::Left | Align::Start => Some(from),
    };
    if settings.position == Some(50.0) && settings.align == Align::Center {
        settings.position = None;
    }

    // Across them: how far the region's first and last line are from where lines are counted.
    let align = style.display_align.unwrap_or_default();
    let (before, after, line) = match settings.vertical {
        None => (top, 100.0 - bottom, LINE),
        Some(Vertical::RightToLeft) => (100.0 - right, left, VERTICAL_LINE),
        Some(Vertical::LeftToRight) => (left, 100.0 - right, VERTICAL_LINE),
    };
    let fits = (100.0 - lines * line).max(0.0);
    let near = match align {
        DisplayAlign::After => {
            settings.line = Some(LinePosition::Number(-(libm::round(after / line) + lines)));
            return;
        }
        DisplayAlign::Before => before,
        DisplayAlign::Center => (before + 100.0 - after - lines * line) / 2.0,
    };
    let near = near.clamp(0.0, fits);
    settings.line_align = Edge::Start;
    settings.line = Some(match settings.vertical {
        None => LinePosition::Percent(near),
        Some(_) => LinePosition::Number(libm::round(near / line)),
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn style(attributes: &[(&str, &str)]) -> Style {
        let mut style = Style::default();
        for (name, value) in attributes {
            assert!(style.set(name, value, &Canvas::default()), "{name}={value}");
        }
        style
    }

    #[test]
    fn regions_become_settings() {
        let (origin, extent) = (("origin", "10% 80%"), ("extent", "80% 10%"));
        let center = ("textAlign", "center");
        let after = ("displayAlign", "after");
        for (attributes, lines, expected) in [
            (&[origin, extent, center, after][..], 1, "line:-3 size:80%"),
            (&[origin, extent, center, after], 2, "line:-4 size:80%"),
            (
                &[origin, extent, after],
                1,
                "line:-3 position:10% size:80% align:start",
            ),
            (&[origin, extent, center], 2, "line:80% size:80%"),
            (
                &[
                    ("origin", "5% 5%"),
                    ("extent", "40% 90%"),
                    ("textAlign", "right"),
                    ("displayAlign", "center"),
                ],
                3,
                "line:42% position:45% size:40% align:right",
            ),
            (&[("origin", "0% 97%")], 1, "line:94.667% position:0% align:start"),
            (
                &[
                    ("extent", "80% 20%"),
                    ("position", "center bottom"),
                    center,
                    after,
                ],
                1,
                "line:-1 size:80%",
            ),
            (
                &[
                    ("origin", "80% 10%"),
                    ("extent", "10% 80%"),
                    ("writingMode", "tbrl"),
                    ("textAlign", "start"),
                ],
                1,
                "vertical:rl line:3 position:10% size:80% align:start",
            ),
            (
                &[("writingMode", "tblr"), ("textAlign", "end")],
                1,
                "vertical:lr align:end",
            ),
            (&[center], 1, ""),
            (&[], 1, ""),
        ] {
            assert_eq!(
                settings(&style(attributes), false, lines),
                expected,
                "{attributes:?}"
            );
        }
        // A region without a place is the whole video.
        assert_eq!(settings(&style(&[center, after]), true, 2), "line:-2");
        assert_eq!(settings(&style(&[]), true, 1), "line:0% position:0% align:start");
    }

    #[test]
    fn lengths_of_every_unit() {
        let mut canvas = Canvas::default();
        assert_eq!(canvas.pair("16c 3c"), Some((50.0, 20.0)));
        assert_eq!(canvas.pair("64px 36px"), None);
        canvas.set("extent", "640px 360px").unwrap();
        canvas.set("cellResolution", "40 24").unwrap();
        assert_eq!(canvas.pair("64px 36px"), Some((10.0, 10.0)));
        assert_eq!(canvas.pair("4c 6c"), Some((10.0, 25.0)));
        assert_eq!(canvas.pair("10rw 12.5rh"), Some((10.0, 12.5)));
        for bad in [
            "", "auto", "10%", "1em 1em", "1e9% 0%", "% %", "10 10", "é é", "1é% 2%",
        ] {
            assert_eq!(canvas.pair(bad), None, "{bad}");
        }
        for bad in ["0 0", "1", "a b", "inf 1", "-1 2"] {
            assert_eq!(canvas.set("cellResolution", bad), None, "{bad}");
        }
        assert_eq!(canvas.position("right 25%"), Some((100.0, 25.0)));
        assert_eq!(canvas.position("10% 90%"), Some((10.0, 90.0)));
        assert_eq!(canvas.position("bottom 10px right 10px"), None);
    }
}
