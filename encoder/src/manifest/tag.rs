//! Lines of playlists.

use std::fmt::Write;

/// Seconds with at most six decimals, and at least one.
pub(crate) fn decimal(seconds: f64) -> String {
    let text = format!("{seconds:.6}");
    let trimmed = text.trim_end_matches('0');
    match trimmed.ends_with('.') {
        true => format!("{trimmed}0"),
        false => trimmed.to_owned(),
    }
}

pub(crate) fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{line}");
}

/// What a quoted string can hold: neither quotes nor line breaks.
pub(crate) fn quotable(text: &str) -> String {
    text.replace('"', "'").replace(['\r', '\n'], " ")
}

/// A tag with an attribute list (RFC 8216bis §4.2).
pub(crate) struct Tag(String);

impl Tag {
    pub(crate) fn new(name: &str) -> Self {
        Self(format!("#{name}:"))
    }

    /// A number, a resolution or an enumerated string.
    pub(crate) fn plain(mut self, name: &str, value: &str) -> Self {
        self.separate();
        let _ = write!(self.0, "{name}={value}");
        self
    }

    /// A quoted string, which can hold neither quotes nor line breaks.
    pub(crate) fn quoted(mut self, name: &str, value: &str) -> Self {
        self.separate();
        let _ = write!(self.0, "{name}=\"{}\"", quotable(value));
        self
    }

    fn separate(&mut self) {
        if !self.0.ends_with(':') {
            self.0.push(',');
        }
    }

    pub(crate) fn end(self, text: &mut String) {
        text.push_str(&self.0);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact_and_short() {
        assert_eq!(decimal(2.0), "2.0");
        assert_eq!(decimal(2.002), "2.002");
        assert_eq!(decimal(1.0 / 3.0), "0.333333");
    }

    #[test]
    fn an_attribute_cannot_break_out_of_its_quotes() {
        let mut text = String::new();
        let tag = Tag::new("EXT-X-MEDIA")
            .quoted("NAME", "a\"b\nc")
            .plain("DEFAULT", "NO");
        tag.end(&mut text);
        assert_eq!(text, "#EXT-X-MEDIA:NAME=\"a'b c\",DEFAULT=NO\n");
    }
}
