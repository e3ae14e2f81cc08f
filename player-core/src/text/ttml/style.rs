//! Styling: attributes, and how they come together (TTML2, 10).

use super::place::{Canvas, DisplayAlign};
use crate::text::webvtt::{Align, Vertical, decimal};

/// What is known of how an element looks and where it stands. Nothing means: as others say, or by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Style {
    pub(super) color: Option<Color>,
    pub(super) background: Option<Color>,
    pub(super) is_italic: Option<bool>,
    pub(super) is_bold: Option<bool>,
    pub(super) is_underlined: Option<bool>,
    /// It is to be shown even to those who want no subtitles.
    pub(super) is_forced: Option<bool>,
    pub(super) is_hidden: Option<bool>,
    pub(super) ruby: Option<Ruby>,
    pub(super) align: Option<Align>,
    pub(super) display_align: Option<DisplayAlign>,
    /// `Some(None)`: horizontal.
    pub(super) vertical: Option<Option<Vertical>>,
    /// Left and top, percent of the video.
    pub(super) origin: Option<(f64, f64)>,
    /// How the space that the extent leaves is shared: percent of it left and above.
    pub(super) position: Option<(f64, f64)>,
    /// Width and height, percent of the video.
    pub(super) extent: Option<(f64, f64)>,
}

/// One of WebVTT's eight colors, which are all that there are of full or no red, green and blue; or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Color {
    /// Bits: 1 red, 2 green, 4 blue.
    Opaque(u8),
    Transparent,
}

/// A part of text with annotations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ruby {
    Base,
    #[default]
    None,
    Text,
}

const CLASSES: [&str; 8] = [
    "black", "red", "lime", "yellow", "blue", "magenta", "cyan", "white",
];
/// The names of TTML, with the nearest of the eight.
const NAMES: [(&str, u8); 19] = [
    ("aqua", 6),
    ("black", 0),
    ("blue", 4),
    ("cyan", 6),
    ("fuchsia", 5),
    ("gray", 7),
    ("green", 2),
    ("grey", 7),
    ("lime", 2),
    ("magenta", 5),
    ("maroon", 1),
    ("navy", 4),
    ("olive", 3),
    ("purple", 5),
    ("red", 1),
    ("silver", 7),
    ("teal", 6),
    ("white", 7),
    ("yellow", 3),
];

impl Style {
    /// Takes an attribute; false if it is of styling and not understood.
    pub(super) fn set(&mut self, name: &str, value: &str, canvas: &Canvas) -> bool {
        let value = value.trim();
        match name {
            "color" => put(&mut self.color, Color::parse(value)),
            "backgroundColor" => put(&mut self.background, Color::parse(value)),
            "fontStyle" => put(&mut self.is_italic, Some(matches!(value, "italic" | "oblique"))),
            "fontWeight" => put(&mut self.is_bold, Some(value == "bold")),
            "textDecoration" => {
                for word in value.split_ascii_whitespace() {
                    match word {
                        "underline" => self.is_underlined = Some(true),
                        "none" | "noUnderline" => self.is_underlined = Some(false),
                        _ => {}
                    }
                }
                true
            }
            "forcedDisplay" => put(&mut self.is_forced, Some(value == "true")),
            "display" => put(&mut self.is_hidden, Some(value == "none")),
            "visibility" => {
                put(&mut self.is_hidden, (value == "hidden").then_some(true)) || value == "visible"
            }
            "ruby" => {
                match value {
                    "container" | "base" | "baseContainer" => self.ruby = Some(Ruby::Base),
                    "text" | "textContainer" => self.ruby = Some(Ruby::Text),
                    // Parentheses for those who cannot show it.
                    "delimiter" => self.is_hidden = Some(true),
                    _ => self.ruby = Some(Ruby::None),
                }
                true
            }
            "textAlign" => {
                let align = match value {
                    "center" => Some(Align::Center),
                    "end" => Some(Align::End),
                    "left" => Some(Align::Left),
                    "right" => Some(Align::Right),
                    "start" | "justify" => Some(Align::Start),
                    _ => None,
                };
                put(&mut self.align, align)
            }
            "displayAlign" => {
                let align = match value {
                    "before" => Some(DisplayAlign::Before),
                    "center" | "justify" => Some(DisplayAlign::Center),
                    "after" => Some(DisplayAlign::After),
                    _ => None,
                };
                put(&mut self.display_align, align)
            }
            "writingMode" => {
                let vertical = match value {
                    "tbrl" | "tb" => Some(Vertical::RightToLeft),
                    "tblr" => Some(Vertical::LeftToRight),
                    _ => None,
                };
                put(&mut self.vertical, Some(vertical))
            }
            "origin" => put(&mut self.origin, canvas.pair(value)) || value == "auto",
            "position" => put(&mut self.position, canvas.position(value)),
            "extent" => put(&mut self.extent, canvas.pair(value)) || matches!(value, "auto" | "contain"),
            _ => true,
        }
    }

    /// What `self` does not say, as `other` says it.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            origin: self.origin.or(other.origin),
            position: self.position.or(other.position),
            extent: self.extent.or(other.extent),
            ..self.or_inherited(other)
        }
    }

    /// What `self` does not say, as its parent or region says it.
    pub(super) fn or_inherited(self, parent: &Self) -> Self {
        Self {
            color: self.color.or(parent.color),
            background: self.background.or(parent.background),
            is_italic: self.is_italic.or(parent.is_italic),
            is_bold: self.is_bold.or(parent.is_bold),
            is_underlined: self.is_underlined.or(parent.is_underlined),
            is_forced: self.is_forced.or(parent.is_forced),
            is_hidden: self.is_hidden.or(parent.is_hidden),
            ruby: self.ruby.or(parent.ruby),
            align: self.align.or(parent.align),
            display_align: self.display_align.or(parent.display_align),
            vertical: self.vertical.or(parent.vertical),
            ..self
        }
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.is_hidden == Some(true)
    }
}

impl Color {
    /// The nearest of WebVTT's colors.
    fn parse(value: &str) -> Option<Self> {
        if let Some(digits) = value.strip_prefix('#') {
            let of = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
            let alpha = if digits.len() == 8 { of(6)? } else { 255 };
            return Some(Self::nearest([of(0)?, of(2)?, of(4)?], alpha));
        }
        if let Some((_, list)) = value.split_once('(') {
            let mut parts = list.trim_end_matches(')').split(',');
            let mut next = || {
                let part = parts.next()?.trim();
                decimal(part).map(|n| n.min(255.0) as u8)
            };
            let channels = [next()?, next()?, next()?];
            return Some(Self::nearest(channels, next().unwrap_or(255)));
        }
        if value.eq_ignore_ascii_case("transparent") {
            return Some(Self::Transparent);
        }
        let (_, bits) = NAMES.iter().find(|(name, _)| value.eq_ignore_ascii_case(name))?;
        Some(Self::Opaque(*bits))
    }

    fn nearest([red, green, blue]: [u8; 3], alpha: u8) -> Self {
        if alpha == 0 {
            return Self::Transparent;
        }
        Self::Opaque(red >> 7 | green >> 7 << 1 | blue >> 7 << 2)
    }

    /// WebVTT's class for it; nothing if it has none.
    pub(super) fn class(self) -> Option<&'static str> {
        match self {
            Self::Opaque(bits) => CLASSES.get(usize::from(bits)).copied(),
            Self::Transparent => None,
        }
    }
}

fn put<T>(to: &mut Option<T>, value: Option<T>) -> bool {
    let known = value.is_some();
    if known {
        *to = value;
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_become_the_nearest_of_eight() {
        let class = |value| Color::parse(value).and_then(Color::class);
        for (value, expected) in [
            ("#FFFFFF", "white"),
            ("#ffff00ff", "yellow"),
            ("#00c800", "lime"),
            ("#10107f", "black"),
            ("rgb(255, 0, 200)", "magenta"),
            ("rgba(0,255,255,128)", "cyan"),
            ("Navy", "blue"),
            ("silver", "white"),
            ("maroon", "red"),
        ] {
            assert_eq!(class(value), Some(expected), "{value}");
        }
        for value in ["transparent", "#12345600", "rgba(1,2,3,0)"] {
            assert_eq!(Color::parse(value), Some(Color::Transparent), "{value}");
        }
        for bad in [
            "",
            "#",
            "#12",
            "#xxyyzz",
            "rgb(1,2)",
            "rgb(a,b,c)",
            "#é23",
            "mauve",
        ] {
            assert_eq!(Color::parse(bad), None, "{bad}");
        }
    }
}
