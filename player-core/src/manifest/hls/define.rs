//! Variables (`EXT-X-DEFINE`; rfc8216bis, 4.3 and 4.4.2.3).
//!
//! The draft lets a reader fail where a variable is defined twice or not at all. This one goes on: the first definition counts, a
//! reference to what is not defined stays as it is written, and a warning says so. A URI with such a reference leads nowhere, so
//! its reader should do without it: see [`Variables::expand`].

use core::cell::Cell;
use std::borrow::Cow;

use super::lexer::attributes;
use super::warnings::Warnings;
use crate::manifest::{MAX_BYTES, MAX_LINE};

/// The most variables of a playlist.
const MAX_VARIABLES: usize = 1000;
/// The most bytes of all values of a playlist's variables together.
const MAX_VALUES: usize = 1024 * 1024;
/// The most bytes of all texts of a playlist in which references are replaced.
const MAX_EXPANDED: usize = 4 * MAX_BYTES as usize;

/// A variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Line in the text, from 1.
    pub line: u32,
    /// Its name.
    pub name: String,
    /// Its value, in which no references are left to be replaced.
    pub value: String,
    /// Where its value is from.
    pub origin: Origin,
}

/// Where the value of a variable is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The tag itself (`NAME` and `VALUE`).
    #[default]
    Value,
    /// The multivariant playlist (`IMPORT`).
    Import,
    /// The query of the playlist's URL (`QUERYPARAM`).
    QueryParam,
}

/// The variables of a playlist, in the order of their definition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    list: Vec<Definition>,
    bytes: usize,
    /// Bytes of the texts in which references were replaced.
    expanded: Cell<usize>,
}

/// Why references cannot be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unexpanded<'a> {
    /// To a variable that is not defined (before this line).
    Undefined(&'a str),
    /// The result would be longer than a line may be.
    TooLong,
}

impl<'a> Unexpanded<'a> {
    /// For people: what is wrong, and with what.
    pub(crate) const fn message(self) -> (&'static str, &'a str) {
        match self {
            Self::Undefined(name) => ("a variable is not defined", name),
            Self::TooLong => ("variables make a text too long", ""),
        }
    }
}

impl Variables {
    /// Reads the attribute list of an `EXT-X-DEFINE`.
    ///
    /// `url` is the playlist's own URL, after redirects. `imported` are the variables of the multivariant playlist that led to
    /// this playlist, or `None` if this is itself one.
    pub(crate) fn define(
        &mut self,
        line: u32,
        list: &str,
        url: &str,
        imported: Option<&[(String, String)]>,
        warnings: &mut Warnings,
    ) {
        let mut named = None;
        let mut value = None;
        let mut names = 0;
        for (attribute, text) in attributes(list) {
            let origin = match attribute {
                "NAME" => Origin::Value,
                "IMPORT" => Origin::Import,
                "QUERYPARAM" => Origin::QueryParam,
                "VALUE" => {
                    value = Some(text);
                    continue;
                }
                _ => continue,
            };
            names += 1;
            named = named.or(Some((origin, text)));
        }
        let Some((origin, name)) = named.filter(|_| names == 1) else {
            let what = "EXT-X-DEFINE must have one of NAME, IMPORT and QUERYPARAM";
            return warnings.say(line, what, list);
        };
        if name.is_empty() || !name.bytes().all(is_name) {
            return warnings.say(line, "this is no name of a variable", name);
        }
        if self.get(name).is_some() {
            let what = "a variable is defined again: the first definition counts";
            return warnings.say(line, what, name);
        }
        let value = match origin {
            // A value is a quoted string like others: references in it are replaced here, with what has been defined before, and
            // never again. Thus there is no recursion.
            Origin::Value => value
                .map(|value| self.substitute(line, value, warnings))
                .ok_or("a variable has no VALUE"),
            Origin::Import => imported
                .ok_or("a multivariant playlist cannot IMPORT")
                .and_then(|imported| {
                    let found = imported.iter().find(|(known, _)| known == name);
                    found.ok_or("the multivariant playlist does not define")
                })
                .map(|(_, value)| Cow::Borrowed(value.as_str())),
            Origin::QueryParam => parameter(url, name).map(Cow::Owned),
        };
        let value = match value {
            Ok(value) => value.into_owned(),
            Err(what) => return warnings.say(line, what, name),
        };
        let bytes = self.bytes + name.len() + value.len();
        if self.list.len() >= MAX_VARIABLES || bytes > MAX_VALUES {
            return warnings.say(line, "there are too many variables, or too large ones", name);
        }
        self.bytes = bytes;
        self.list.push(Definition {
            line,
            name: name.to_owned(),
            value,
            origin,
        });
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.list.iter().find(|known| known.name == name);
        found.map(|known| known.value.as_str())
    }

    /// A URI line, a quoted string or a hexadecimal sequence with its references (`{$name}`) replaced. What is put in is not
    /// looked at again. At most [`MAX_LINE`] bytes, and all of them together are bounded too.
    #[inline]
    pub(crate) fn expand<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, Unexpanded<'a>> {
        match scan::find(b'{', text.as_bytes()) {
            None => Ok(Cow::Borrowed(text)),
            Some(first) => self.expand_from(text, first),
        }
    }

    /// The same, leniently: where a reference cannot be replaced the text stays as it is, and a warning says so.
    pub(crate) fn substitute<'a>(&self, line: u32, text: &'a str, warnings: &mut Warnings) -> Cow<'a, str> {
        self.expand(text).unwrap_or_else(|why| {
            let (what, about) = why.message();
            warnings.say(line, what, about);
            Cow::Borrowed(text)
        })
    }

    /// Those that were defined so far.
    pub(crate) fn list(&self) -> &[Definition] {
        &self.list
    }

    /// All of them.
    pub(crate) fn into_list(self) -> Vec<Definition> {
        self.list
    }

    #[cold]
    fn expand_from<'a>(&self, text: &'a str, first: usize) -> Result<Cow<'a, str>, Unexpanded<'a>> {
        let mut out = String::new();
        // Up to here it is in `out`, or nothing is.
        let mut done = 0;
        let mut at = first;
        while let Some(open) = text.get(at..).and_then(|rest| rest.find('{')) {
            let start = at + open;
            at = start + 1;
            let Some(rest) = text.get(at..).and_then(|rest| rest.strip_prefix('$')) else {
                continue;
            };
            let length = rest.bytes().take_while(|byte| is_name(*byte)).count();
            // Only what has exactly the form of a reference is one.
            if length == 0 || rest.as_bytes().get(length) != Some(&b'}') {
                continue;
            }
            let name = rest.get(..length).unwrap_or_default();
            let value = self.get(name).ok_or(Unexpanded::Undefined(name))?;
            out.push_str(text.get(done..start).unwrap_or_default());
            out.push_str(value);
            at += length + 2;
            done = at;
            if out.len() > MAX_LINE {
                return Err(Unexpanded::TooLong);
            }
        }
        if done == 0 {
            return Ok(Cow::Borrowed(text));
        }
        out.push_str(text.get(done..).unwrap_or_default());
        let expanded = self.expanded.get() + out.len();
        if out.len() > MAX_LINE || expanded > MAX_EXPANDED {
            return Err(Unexpanded::TooLong);
        }
        self.expanded.set(expanded);
        Ok(Cow::Owned(out))
    }
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The value of a parameter of a URL's query, percent-decoded.
fn parameter(url: &str, name: &str) -> Result<String, &'static str> {
    let url = url.split('#').next().unwrap_or_default();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let value = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name || percent_decoded(key) == name)
        .map(|(_, value)| percent_decoded(value))
        .ok_or("the playlist's URL has no query parameter with a value for")?;
    // What a quoted string cannot hold a variable cannot either.
    if value.contains(|c: char| c == '"' || c.is_control()) {
        return Err("a query parameter holds quotes or control characters");
    }
    Ok(value)
}

fn percent_decoded(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| (*byte as char).to_digit(16));
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match (byte, digit(bytes.get(at)), digit(bytes.get(at + 1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            _ => out.push(*byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://h/m.m3u8?token=a%2Fb%20c&bare&empty=&q=%22&n%5Fm=1&bad=%zz%e#x?frag=1";

    /// Variables of some definitions, and what was said about these.
    fn read(lists: &[&str], imported: Option<&[(String, String)]>) -> (Variables, Vec<String>) {
        let mut variables = Variables::default();
        let mut warnings = Warnings::default();
        for (i, list) in lists.iter().enumerate() {
            variables.define(i as u32 + 1, list, URL, imported, &mut warnings);
        }
        let said = warnings.into_list().into_iter().map(|w| w.message);
        (variables, said.collect())
    }

    #[test]
    fn references_are_replaced_once() {
        let (v, said) = read(
            &[
                r#"NAME="a",VALUE="1""#,
                r#"NAME="b",VALUE="{$a}{$a}""#,
                r#"NAME="later",VALUE="{$c}""#,
                r#"NAME="c",VALUE="{$""#,
                r#"NAME="e_-9",VALUE="""#,
            ],
            None,
        );
        assert_eq!(said, ["a variable is not defined: \"c\""]);
        for (text, expected) in [
            ("x", "x"),
            ("{$b}/{$a}.ts?{$e_-9}", "11/1.ts?"),
            ("{$later}", "{$c}"),
            // Not looked at again.
            ("{$c}a}", "{$a}"),
            // No references.
            ("{$}{$a b}{a}{$a{$a}", "{$}{$a b}{a}{$a1"),
            ("ä{$a}ö", "ä1ö"),
        ] {
            assert_eq!(v.expand(text).as_deref(), Ok(expected), "{text}");
        }
        assert!(matches!(v.expand("{no}"), Ok(Cow::Borrowed(_))));
        assert_eq!(v.expand("{$a}{$A}"), Err(Unexpanded::Undefined("A")));
    }

    #[test]
    fn query_parameters_are_decoded() {
        let query = |name| format!("QUERYPARAM=\"{name}\"");
        let lists: Vec<_> = ["token", "empty", "n_m", "bad", "bare", "none", "q", "frag"]
            .map(query)
            .into();
        let lists: Vec<_> = lists.iter().map(String::as_str).collect();
        let (v, said) = read(&lists, None);
        let read: Vec<_> = v
            .list
            .iter()
            .map(|d| (d.name.as_str(), d.value.as_str()))
            .collect();
        assert_eq!(
            read,
            [("token", "a/b c"), ("empty", ""), ("n_m", "1"), ("bad", "%zz%e")]
        );
        assert_eq!(said.len(), 4);
    }

    #[test]
    fn media_playlists_import() {
        let imported = [("a".to_owned(), "{$x}".to_owned())];
        let lists = [r#"IMPORT="a""#, r#"IMPORT="b""#];
        let (v, said) = read(&lists, Some(&imported));
        assert_eq!(v.get("a"), Some("{$x}"));
        assert_eq!(said, ["the multivariant playlist does not define: \"b\""]);
        let (v, said) = read(&lists, None);
        assert_eq!((v.list.len(), said.len()), (0, 2));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let lists = [
            r#"NAME="a",VALUE="1""#,
            r#"NAME="a",VALUE="2""#,
            r#"NAME="b""#,
            r#"NAME="c d",VALUE="1""#,
            r#"NAME="",VALUE="1""#,
            r#"VALUE="1""#,
            r#"NAME="x",IMPORT="x",VALUE="1""#,
            "",
        ];
        let (v, said) = read(&lists, None);
        assert_eq!((v.list.len(), v.get("a"), said.len()), (1, Some("1"), 7));
    }

    #[test]
    fn values_that_double_and_double_are_bounded() {
        let mut lists = vec![format!("NAME=\"v0\",VALUE=\"{}\"", "x".repeat(1000))];
        for i in 1..2000 {
            lists.push(format!("NAME=\"v{i}\",VALUE=\"{{$v{0}}}{{$v{0}}}\"", i - 1));
        }
        let lists: Vec<_> = lists.iter().map(String::as_str).collect();
        let (v, said) = read(&lists, None);
        assert!(v.list.iter().all(|d| d.value.len() <= MAX_LINE));
        assert!(v.list.iter().map(|d| d.value.len()).sum::<usize>() <= MAX_VALUES);
        assert!(v.list.len() <= MAX_VARIABLES && !said.is_empty());
        let (name, _) = ("v6", v.get("v6").map(|v| assert_eq!(v.len(), 64_000)));
        assert_eq!(
            v.expand(&format!("{{${name}}}{{${name}}}")),
            Err(Unexpanded::TooLong)
        );
    }
}
