//! Stream keys.

use std::fmt;

use ring::digest::{SHA256, digest};

/// What a publisher must know to publish a stream. It is never printed.
#[derive(Clone)]
pub struct StreamKey(String);

impl StreamKey {
    /// Of 10 to 79 printable characters of ASCII without blanks, `?`, `&` and `/`, so that it can stand in a URL, and be the
    /// passphrase of an SRT connection.
    ///
    /// # Errors
    /// What is wrong with it, without the key.
    pub fn new(text: &str) -> Result<Self, String> {
        let is_usable = |c: char| c.is_ascii_graphic() && !"?&/#%\"".contains(c);
        if !(10..=79).contains(&text.len()) || !text.chars().all(is_usable) {
            return Err(
                "a stream key has 10 to 79 letters, digits or signs, and none of ? & / # % \"".to_owned(),
            );
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether `text` is this key. The time it takes tells nothing of the key.
    pub(crate) fn is(&self, text: &str) -> bool {
        digest(&SHA256, self.0.as_bytes()).as_ref() == digest(&SHA256, text.as_bytes()).as_ref()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is(&other.0)
    }

    /// For SRT, which encrypts with it.
    pub(crate) fn passphrase(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_is_checked_and_never_shown() {
        let key = StreamKey::new("open-sesame-1").unwrap();
        assert!(key.is("open-sesame-1") && !key.is("open-sesame-2") && !key.is(""));
        assert!(!format!("{key:?}").contains("sesame"));
        for bad in ["short", "with a blank in it", "question?mark=1", &"x".repeat(80)] {
            let reason = StreamKey::new(bad).unwrap_err();
            assert!(!reason.contains(bad), "{reason}");
        }
    }
}
