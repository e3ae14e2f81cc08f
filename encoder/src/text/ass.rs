//! Events and styles of Advanced SubStation Alpha, the form that FFmpeg's decoders give every text in.

use std::collections::BTreeMap;

use super::markup::{Converted, Dialect, convert};

/// What of a style WebVTT can say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) bold: bool,
    pub(super) italic: bool,
    pub(super) underline: bool,
    /// Where on the picture, as on a numeric keypad.
    pub(super) keypad: Option<u8>,
}

/// The styles of a script by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Styles(BTreeMap<String, Style>);

impl Styles {
    /// Reads the `[V4+ Styles]` section of a script's header.
    pub(super) fn read(header: &str) -> Self {
        let mut styles = BTreeMap::new();
        let mut names: Vec<String> = Vec::new();
        for line in header.lines().take(MAX_LINES) {
            if let Some(format) = line.strip_prefix("Format:") {
                let is_styles = format.contains("Alignment");
                let fields = format.split(',').map(|name| name.trim().to_ascii_lowercase());
                if is_styles {
                    names = fields.collect();
                }
            } else if let Some(values) = line.strip_prefix("Style:") {
                let mut style = Style::default();
                let mut called = "";
                for (name, value) in names.iter().zip(values.split(',').map(str::trim)) {
                    // True is -1, and 1 in some files.
                    let is_on = value != "0";
                    match name.as_str() {
                        "name" => called = value.trim_start_matches('*'),
                        "bold" => style.bold = is_on,
                        "italic" => style.italic = is_on,
                        "underline" => style.underline = is_on,
                        "alignment" => style.keypad = value.parse().ok().filter(|key| (1..=9).contains(key)),
                        _ => {}
                    }
                }
                styles.insert(called.to_owned(), style);
            }
        }
        Self(styles)
    }

    /// The text of an event as FFmpeg writes it: `ReadOrder,Layer,Style,Name,MarginL,MarginR,MarginV,Effect,Text`.
    pub(super) fn convert(&self, event: &str) -> Converted {
        let mut fields = event.splitn(9, ',');
        let style = fields.nth(2).unwrap_or_default().trim_start_matches('*');
        let style = self.0.get(style).copied().unwrap_or_default();
        let text = fields.nth(5).unwrap_or_default();
        convert(text, Dialect::Ass, style)
    }
}

const MAX_LINES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_what_events_begin_with() {
        let styles = Styles::read(
            "[V4+ Styles]\r\nFormat: Name, Fontname, Bold, Italic, Alignment\r\nStyle: Default,Arial,0,0,2\r\n\
             Style: Sign,Arial,-1,0,8\r\n\r\n[Events]\r\nFormat: Layer, Start, End, Style, Text\r\n",
        );
        let sign = styles.convert("0,0,Sign,,0,0,0,,Exit, left");
        assert_eq!(
            (sign.text.as_str(), sign.settings.as_str()),
            ("<b>Exit, left</b>", "line:0")
        );
        let plain = styles.convert("1,0,Other,,0,0,0,,{\\i1}a");
        assert_eq!((plain.text.as_str(), plain.settings.as_str()), ("<i>a</i>", ""));
        assert_eq!(styles.convert("0,0"), Converted::default());
    }
}
