//! One report: keys in alphabetical order, written as a dictionary of structured fields (RFC 8941).

use crate::manifest::steering::encode;
use crate::time::ByteRange;

/// The keys of version 1.
const VERSION_1: &str = " bl br bs cid d dl mtp nor nrr ot pr rtp sf sid st su tb ";
/// The keys of version 1 that version 2 has not.
const GONE: &str = " nrr ";
/// What goes into which header; all other keys go into `CMCD-Request`.
const HEADERS: [(&str, &str); 4] = [
    ("CMCD-Object", " ab br d lab lb ot tab tb "),
    ("CMCD-Session", " cid msd pr sf sid st v "),
    ("CMCD-Status", " bg bs bsa bsd pt rtp "),
    ("CMCD-Request", ""),
];

/// See the module's text. What is false, empty or not wanted is left out.
pub(super) struct Report<'a> {
    version: u8,
    wanted: &'a [String],
    /// Key and what follows it, in order.
    items: Vec<(&'static str, String)>,
}

impl<'a> Report<'a> {
    pub(super) fn new(version: u8, wanted: &'a [String]) -> Self {
        let items = Vec::new();
        Self {
            version,
            wanted,
            items,
        }
    }

    pub(super) const fn version(&self) -> u8 {
        self.version
    }

    /// Also if it is not among those that are wanted: events are nothing without it.
    pub(super) fn must(&mut self, key: &'static str, value: String) {
        let at = self.items.partition_point(|(other, _)| *other < key);
        if self.items.get(at).is_none_or(|(other, _)| *other != key) {
            self.items.insert(at, (key, value));
        }
    }

    fn put(&mut self, key: &'static str, value: impl FnOnce() -> String) -> bool {
        let known = match self.version {
            1 => holds(VERSION_1, key),
            _ => !holds(GONE, key),
        };
        let wanted = known && (self.wanted.is_empty() || self.wanted.iter().any(|wanted| wanted == key));
        if wanted {
            self.must(key, value());
        }
        wanted
    }

    /// Says whether it is a part of the report.
    pub(super) fn number(&mut self, key: &'static str, number: u64) -> bool {
        self.put(key, || format!("={number}"))
    }

    /// With at most three digits after the point.
    pub(super) fn decimal(&mut self, key: &'static str, number: f64) {
        let thousandths = libm::round(number * 1000.0) as u64;
        self.put(key, || decimal(thousandths));
    }

    pub(super) fn flag(&mut self, key: &'static str, flag: bool) {
        if flag {
            self.put(key, String::new);
        }
    }

    pub(super) fn token(&mut self, key: &'static str, token: &str) {
        self.put(key, || ["=", token].concat());
    }

    /// Of at most `max` characters; not at all if it is empty.
    pub(super) fn text(&mut self, key: &'static str, text: &str, max: usize) {
        if !text.is_empty() {
            self.put(key, || ["=", &quoted(text, max)].concat());
        }
    }

    /// Numbers, each of an object type; version 1 knows only the first.
    pub(super) fn list(&mut self, key: &'static str, numbers: &[(u64, &str)]) {
        let Some((first, _)) = numbers.first() else { return };
        let version = self.version;
        self.put(key, || {
            if version == 1 {
                return format!("={first}");
            }
            let mut out = "=(".to_owned();
            for (i, (number, token)) in numbers.iter().enumerate() {
                let (space, semicolon) = (
                    if i > 0 { " " } else { "" },
                    if token.is_empty() { "" } else { ";" },
                );
                for part in [space, &number.to_string(), semicolon, token] {
                    out.push_str(part);
                }
            }
            out.push(')');
            out
        });
    }

    /// What will be asked for after `url`.
    pub(super) fn next(&mut self, url: &str, next: &str, range: Option<ByteRange>) {
        let Some(path) = relative(url, next) else { return };
        let bytes = range.map(|range| {
            let last = range.offset.saturating_add(range.length.max(1)) - 1;
            format!("\"{}-{last}\"", range.offset)
        });
        if self.version > 1 {
            let range = bytes.map(|bytes| [";r=", &bytes].concat()).unwrap_or_default();
            self.put("nor", || ["=(", &quoted(&path, usize::MAX), &range, ")"].concat());
            return;
        }
        if url != next {
            let mut encoded = String::new();
            encode(&path, &mut encoded, false);
            self.put("nor", || ["=", &quoted(&encoded, usize::MAX)].concat());
        }
        if let Some(bytes) = bytes {
            self.put("nrr", || ["=", &bytes].concat());
        }
    }

    /// `v`, which version 1 leaves out.
    pub(super) fn version_key(&mut self) {
        if self.version > 1 {
            self.must("v", format!("={}", self.version));
        }
    }

    /// All of it.
    pub(super) fn line(&self) -> String {
        self.joined("")
    }

    /// All of it, as the value of a query parameter.
    pub(super) fn encoded(&self) -> String {
        let mut out = String::new();
        encode(&self.line(), &mut out, false);
        out
    }

    /// The header fields.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let fields = HEADERS.map(|(name, _)| (name.to_owned(), self.joined(name)));
        fields
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }

    /// What belongs into a header; all if it has no name.
    fn joined(&self, header: &str) -> String {
        let mut out = String::new();
        for (key, value) in &self.items {
            let home = HEADERS
                .iter()
                .find(|(_, keys)| keys.is_empty() || holds(keys, key));
            if header.is_empty() || home.is_some_and(|(name, _)| *name == header) {
                if !out.is_empty() {
                    out.push(',');
                }
                out.push_str(key);
                out.push_str(value);
            }
        }
        out
    }
}

fn holds(keys: &str, key: &str) -> bool {
    keys.split(' ').any(|known| known == key)
}

/// `=1.5` of 1500.
fn decimal(thousandths: u64) -> String {
    let whole = format!("={}", thousandths / 1000);
    let fraction = thousandths % 1000;
    if fraction == 0 {
        return whole;
    }
    let digits = format!("{whole}.{fraction:03}");
    digits.trim_end_matches('0').to_owned()
}

/// A string has printable ASCII only: all else is percent-encoded.
pub(super) fn quoted(text: &str, max: usize) -> String {
    let mut out = "\"".to_owned();
    let mut left = max;
    for c in text.chars() {
        let mut part = String::new();
        match c {
            '"' | '\\' => part.extend(['\\', c]),
            ' '..='~' => part.push(c),
            _ => encode(c.encode_utf8(&mut [0; 4]), &mut part, false),
        }
        if part.len() > left {
            break;
        }
        left -= part.len();
        out.push_str(&part);
    }
    out.push('"');
    out
}

/// The reference that leads from one URL to another on the same server.
fn relative(from: &str, to: &str) -> Option<String> {
    let end = from.as_bytes().windows(3).position(|three| three == b"://")? + 3;
    let end = from
        .get(end..)?
        .find(['/', '?'])
        .map_or(from.len(), |at| end + at);
    if from.get(..end) != to.get(..end) {
        return None;
    }
    let (from, to) = (from.get(end..)?, to.get(end..)?);
    if !to.starts_with('/') {
        return None;
    }
    let directory = from.split('?').next()?.rsplit_once('/')?.0;
    let path = to.split('?').next().unwrap_or_default();
    // What both have in common, up to a slash.
    let mut common = 0;
    for (at, _) in directory.match_indices('/').chain([(directory.len(), "")]) {
        let next = directory.get(..at)?;
        let is_shared = path.strip_prefix(next).is_some_and(|rest| rest.starts_with('/'));
        if !is_shared {
            break;
        }
        common = at;
    }
    let ups = directory.get(common..)?.matches('/').count();
    Some(["../".repeat(ups).as_str(), to.get(common + 1..)?].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::url;

    #[test]
    fn the_way_to_the_next_object_is_relative() {
        let from = "https://h/a/b/c/1.m4s?x=/y/";
        for (to, expected) in [
            ("https://h/a/b/c/2.m4s?t=1", Some("2.m4s?t=1")),
            ("https://h/a/b/d/2.m4s", Some("../d/2.m4s")),
            ("https://h/a/bc/2.m4s", Some("../../bc/2.m4s")),
            ("https://h/2.m4s", Some("../../../2.m4s")),
            ("https://h", None),
            ("https://other/a/b/c/2.m4s", None),
            ("https://h.example/a/b/c/2.m4s", None),
            ("http://h/a/b/c/2.m4s", None),
        ] {
            assert_eq!(relative(from, to).as_deref(), expected, "{to}");
        }
    }

    #[test]
    fn strings_are_ascii_and_bounded() {
        assert_eq!(quoted("a\"b\\c", 9), "\"a\\\"b\\\\c\"");
        assert_eq!(quoted("né\n", 64), "\"n%C3%A9%0A\"");
        assert_eq!(quoted("né", 3), "\"n\"", "no part of a character");
        assert_eq!(decimal(1250), "=1.25");
        assert_eq!(decimal(2000), "=2");
        assert_eq!(decimal(5), "=0.005");
    }

    proptest! {
        #[test]
        fn any_string_is_a_structured_field(text in "\\PC{0,80}", max in 0..100_usize) {
            let quoted = quoted(&text, max);
            let inner = quoted.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            prop_assert!(inner.len() <= max);
            prop_assert!(inner.bytes().all(|b| (0x20..0x7f).contains(&b)));
            let mut escaped = false;
            for c in inner.chars() {
                prop_assert!(escaped || c != '"');
                escaped = c == '\\' && !escaped;
            }
            prop_assert!(!escaped);
        }

        #[test]
        fn what_is_relative_leads_there(
            from in "https://h(/[a-c]{0,2}){1,4}",
            to in "https://h(/[a-c]{0,2}){1,4}(\\?[a-c]{1,3})?",
        ) {
            // A path that begins with two slashes, or that looks like a scheme, cannot be told from a host by a relative one.
            if let Some(path) = relative(&from, &to).filter(|path| !path.is_empty() && !path.starts_with(['/', '?'])) {
                prop_assert_eq!(url::resolve(&from, &path).unwrap(), to);
            }
        }
    }
}
