//! What is odd in a playlist, for its author.

use crate::presentation::Warning;

/// The most warnings of a playlist; the author of more of them has read enough.
pub(super) const MAX_WARNINGS: usize = 100;
/// The most bytes of a text that a warning quotes.
const MAX_QUOTE: usize = 100;

/// A list of warnings that does not grow without end.
#[derive(Debug, Default)]
pub(super) struct Warnings(Vec<Warning>);

impl Warnings {
    /// Says that something is odd; `about` is the text that is, or empty.
    pub(super) fn say(&mut self, line: u32, what: &str, about: &str) {
        if self.0.len() >= MAX_WARNINGS {
            return;
        }
        let mut message = what.to_owned();
        if !about.is_empty() {
            let mut end = about.len().min(MAX_QUOTE);
            while !about.is_char_boundary(end) {
                end -= 1;
            }
            message.push_str(": \"");
            message.push_str(about.get(..end).unwrap_or_default());
            message.push_str(if end < about.len() { "…\"" } else { "\"" });
        }
        self.0.push(Warning { line, message });
    }

    /// The warnings, in the order in which they were given.
    pub(super) fn into_list(self) -> Vec<Warning> {
        self.0
    }
}

impl From<Vec<Warning>> for Warnings {
    fn from(list: Vec<Warning>) -> Self {
        Self(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_few_and_short() {
        let mut warnings = Warnings::default();
        for line in 0..1000 {
            warnings.say(line, "odd", &"ä".repeat(1000));
        }
        let list = warnings.into_list();
        assert_eq!(list.len(), MAX_WARNINGS);
        assert!(list.iter().all(|w| w.message.len() < 120));
        let mut warnings = Warnings::default();
        warnings.say(1, "odd", "x");
        warnings.say(2, "odd", "");
        let said: Vec<_> = warnings.into_list().into_iter().map(|w| w.message).collect();
        assert_eq!(said, ["odd: \"x\"", "odd"]);
    }
}
