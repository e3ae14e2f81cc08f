//! Lines, tags and attribute lists, without copying.

use crate::manifest::{MAX_LINE, ManifestError};
use crate::number;
use crate::time::{ByteRange, MediaTime};

/// A line that is not blank, with its number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) number: u32,
    pub(super) text: &'a str,
}

/// The lines of a playlist that are not blank; a line ends with LF, CR LF, or CR.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.split('\n')
        .enumerate()
        .flat_map(|(i, line)| {
            line.split('\r').map(move |text| Line {
                number: i as u32 + 1,
                text: text.trim(),
            })
        })
        .filter(|line| !line.text.is_empty())
}

impl<'a> Line<'a> {
    /// Name and value of a tag: `#EXT-X-KEY:METHOD=NONE` gives `("EXT-X-KEY", "METHOD=NONE")`. `None` for comments and URIs.
    pub(super) fn tag(self) -> Option<(&'a str, &'a str)> {
        let rest = self
            .text
            .strip_prefix('#')
            .filter(|rest| rest.starts_with("EXT"))?;
        Some(rest.split_once(':').unwrap_or((rest, "")))
    }

    /// The line if it is a URI, not a tag or comment.
    pub(super) fn uri(self) -> Option<&'a str> {
        (!self.text.starts_with('#')).then_some(self.text)
    }

    /// Refuses lines that are too long.
    pub(super) fn check(self) -> Result<Self, ManifestError> {
        if self.text.len() > MAX_LINE {
            return Err(ManifestError::Limit {
                line: self.number,
                what: "a line is too long",
                limit: MAX_LINE,
            });
        }
        Ok(self)
    }
}

/// The attributes of a list (RFC 8216, 4.2), quotes removed. An unclosed quote runs to the end of the line.
pub fn attributes(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = list;
    core::iter::from_fn(move || {
        rest = rest.trim_start_matches([',', ' ', '\t']);
        let (name, after) = rest.split_once('=')?;
        let value;
        if let Some(quoted) = after.strip_prefix('"') {
            let end = quoted.find('"').unwrap_or(quoted.len());
            value = quoted.get(..end).unwrap_or_default();
            let tail = quoted.get(end + 1..).unwrap_or_default();
            rest = tail
                .find(',')
                .and_then(|comma| tail.get(comma..))
                .unwrap_or_default();
        } else {
            let end = after.find(',').unwrap_or(after.len());
            value = after.get(..end).unwrap_or_default().trim_end();
            rest = after.get(end..).unwrap_or_default();
        }
        Some((name.trim(), value))
    })
}

/// A decimal-floating-point number of seconds, exactly, to the microsecond; `None` if it is not a finite number ≥ 0 below
/// 10⁹.
pub(super) fn seconds(text: &str) -> Option<MediaTime> {
    if let Some(micros) = scan::micros(text.as_bytes()) {
        return Some(MediaTime::from_micros(micros));
    }
    // Spaces, exponents and signs: rare, and the latter never need to be exact.
    let text = text.trim();
    if let Some(micros) = scan::micros(text.as_bytes()) {
        return Some(MediaTime::from_micros(micros));
    }
    let value = number::float(text)?;
    (0.0..1e9)
        .contains(&value)
        .then(|| MediaTime::from_secs_f64(value))
}

/// `<n>[@<o>]`; without an offset the range starts at `next`, right behind the one before in the same resource.
pub(super) fn byte_range(text: &str, next: Option<u64>) -> Option<ByteRange> {
    let (length, offset) = match text.split_once('@') {
        Some((length, offset)) => (length, Some(offset.trim().parse().ok()?)),
        None => (text, None),
    };
    let length: u64 = length.trim().parse().ok()?;
    let offset: u64 = offset.or(next)?;
    (length > 0).then_some(())?;
    offset.checked_add(length)?;
    Some(ByteRange { offset, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ending_is_read() {
        let read: Vec<_> = lines("a\r\nb\rc\n\n d ").map(|l| (l.number, l.text)).collect();
        assert_eq!(read, [(1, "a"), (2, "b"), (2, "c"), (4, "d")]);
    }

    #[test]
    fn attribute_lists() {
        let read: Vec<_> = attributes(r#"A=1,B="x,y=z", C=0xAB ,D="open,E=1"#).collect();
        assert_eq!(
            read,
            [("A", "1"), ("B", "x,y=z"), ("C", "0xAB"), ("D", "open,E=1")]
        );
        assert_eq!(attributes("").count(), 0);
        assert_eq!(attributes("=,=,").count(), 2);
    }

    #[test]
    fn seconds_are_exact_or_refused() {
        assert_eq!(seconds("4.004"), Some(MediaTime::from_micros(4_004_000)));
        assert_eq!(seconds("6"), Some(MediaTime::from_micros(6_000_000)));
        assert_eq!(seconds(".0000005"), Some(MediaTime::from_micros(1)));
        assert_eq!(seconds("1e1"), Some(MediaTime::from_micros(10_000_000)));
        for bad in ["", ".", "NaN", "inf", "-1", "1e308", "9999999999", "4,5"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn byte_ranges() {
        assert_eq!(
            byte_range("10@5", None),
            Some(ByteRange {
                offset: 5,
                length: 10
            })
        );
        assert_eq!(
            byte_range("10", Some(15)),
            Some(ByteRange {
                offset: 15,
                length: 10
            })
        );
        for bad in ["10", "0@1", "x@1", "10@x", "18446744073709551615@1"] {
            assert_eq!(byte_range(bad, None), None, "{bad}");
        }
    }
}
