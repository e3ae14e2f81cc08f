//! XML 1.0, one node at a time, without copies and with bounded depth.
//!
//! What a manifest needs and no more: elements, attributes, text, CDATA, the five entities and character references. Comments and
//! processing instructions are passed over, a document type is refused, so that no entity ever expands. Tags must nest; what is
//! wrong inside a tag is passed over.

use std::borrow::Cow;

use memchr::memchr;

use crate::manifest::ManifestError;

/// How deep elements may be nested.
pub(crate) const MAX_DEPTH: usize = 64;

type Result<T> = core::result::Result<T, ManifestError>;

/// A cursor over a text.
pub(crate) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// Names of the elements that are open, as written.
    open: Vec<&'a str>,
    /// A position and its line: lines are counted from there.
    mark: (usize, u32),
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    /// A start tag. An empty element (`<a/>`) has no end.
    Start(Tag<'a>),
    /// The end of the element that was opened last.
    End,
    /// Text as written: see [`unescape`].
    Text(&'a str),
    /// Text that means what it says.
    Literal(&'a str),
    /// The end of the text; every element is closed.
    Eof,
}

/// A start tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    /// Name and attributes as written.
    pub(crate) source: &'a str,
    /// It is the whole element.
    pub(crate) empty: bool,
    /// Where it begins, bytes.
    pub(crate) at: usize,
}

impl<'a> Tag<'a> {
    /// Its name as written, with its prefix.
    pub(crate) fn qualified_name(self) -> &'a str {
        split_name(self.source).0
    }

    /// Its name without a prefix.
    pub(crate) fn name(self) -> &'a str {
        local(self.qualified_name())
    }

    /// Its attributes in order.
    pub(crate) fn attributes(self) -> Attributes<'a> {
        Attributes(split_name(self.source).1)
    }
}

/// The part of a name after its prefix.
pub(crate) fn local(name: &str) -> &str {
    let colon = name.bytes().position(|b| b == b':');
    colon.and_then(|colon| name.get(colon + 1..)).unwrap_or(name)
}

/// The name of a tag, and its attributes as written.
pub(crate) fn split_name(source: &str) -> (&str, &str) {
    let end = source.bytes().position(|b| b.is_ascii_whitespace());
    let end = end.unwrap_or(source.len());
    (
        source.get(..end).unwrap_or_default(),
        source.get(end..).unwrap_or_default(),
    )
}

/// The attributes of a tag: names as written, values as written between the quotes. What is no attribute is passed over.
#[derive(Clone, Copy)]
pub(crate) struct Attributes<'a>(pub(super) &'a str);

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    // By bytes and not by patterns: a reader asks for attributes all the time.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let bytes = self.0.as_bytes();
            // The last word before the sign; those before it have no value.
            let (mut start, mut end) = (0, 0);
            let equals = bytes.iter().enumerate().position(|(i, b)| {
                if !b.is_ascii_whitespace() && *b != b'=' {
                    start = if i == end { start } else { i };
                    end = i + 1;
                }
                *b == b'='
            })?;
            let name = self.0.get(start..end).unwrap_or_default();
            let rest = self.0.get(equals + 1..).unwrap_or_default().trim_ascii_start();
            let quote = *rest.as_bytes().first()?;
            let (value, rest) = match quote {
                b'"' | b'\'' => {
                    let value = rest.get(1..)?;
                    let length = value.bytes().position(|b| b == quote)?;
                    (value.get(..length)?, value.get(length + 1..)?)
                }
                _ => split_name(rest),
            };
            self.0 = rest;
            if !name.is_empty() {
                return Some((name, value));
            }
        }
    }
}

pub(crate) fn text(bytes: &[u8]) -> Result<&str> {
    core::str::from_utf8(bytes).map_err(|_| ManifestError::Encoding)
}

/// The text that is meant by one that is written: `&amp;`, `&lt;`, `&gt;`, `&quot;`, `&apos;`, `&#n;`, `&#xn;` replaced; any
/// other reference stays as it is.
pub(crate) fn unescape(raw: &str) -> Cow<'_, str> {
    let Some((mut plain, mut rest)) = raw.split_once('&') else {
        return Cow::Borrowed(raw);
    };
    let mut out = String::with_capacity(raw.len());
    loop {
        out.push_str(plain);
        match rest
            .split_once(';')
            .and_then(|(name, rest)| Some((reference(name)?, rest)))
        {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => out.push('&'),
        }
        match rest.split_once('&') {
            Some(next) => (plain, rest) = next,
            None => break,
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn reference(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            // XML has no NUL.
            code.ok().filter(|code| *code != 0).and_then(char::from_u32)?
        }
    })
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `text`, which is UTF-8: of a text that is passed over, that is not looked at.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        Self {
            text,
            at: 0,
            open: Vec::new(),
            mark: (0, 1),
        }
    }

    /// The next node. A start tag opens its element unless it is empty.
    pub(crate) fn next(&mut self) -> Result<Node<'a>> {
        loop {
            let rest = self.rest();
            match (rest.first(), rest.get(1)) {
                (None, _) if self.open.is_empty() => return Ok(Node::Eof),
                (None, _) => return Err(self.error("it breaks off in the middle of an element")),
                (Some(b'<'), Some(b'/')) => {
                    let end = memchr(b'>', rest).ok_or_else(|| self.error("a tag does not end"))?;
                    let name = rest.get(2..end).unwrap_or_default().trim_ascii_end();
                    if self.open.last().map(|open| open.as_bytes()) != Some(name) {
                        return Err(self.error("an end tag is not that of the element that is open"));
                    }
                    self.open.pop();
                    self.at += end + 1;
                    return Ok(Node::End);
                }
                (Some(b'<'), Some(b'!')) => {
                    if rest.starts_with(b"<![CDATA[") {
                        let inner = self.pass(9, b"]]>", "a CDATA section does not end")?;
                        return text(inner).map(Node::Literal);
                    }
                    if !rest.starts_with(b"<!--") {
                        return Err(self.error("a document type (DOCTYPE) is not allowed"));
                    }
                    self.pass(4, b"-->", "a comment does not end")?;
                }
                (Some(b'<'), Some(b'?')) => {
                    self.pass(2, b"?>", "a processing instruction does not end")?;
                }
                (Some(b'<'), _) => return self.start_tag().map(Node::Start),
                _ => {
                    let end = memchr(b'<', rest).unwrap_or(rest.len());
                    self.at += end;
                    return text(rest.get(..end).unwrap_or_default()).map(Node::Text);
                }
            }
        }
    }

    /// Passes over something that begins with `start` bytes and ends in `end`; says what is between.
    fn pass(&mut self, start: usize, end: &[u8], missing: &str) -> Result<&'a [u8]> {
        let inner = self.rest().get(start..).unwrap_or_default();
        let mut ends = inner.windows(end.len());
        let length = ends
            .position(|window| window == end)
            .ok_or_else(|| self.error(missing))?;
        self.at += start + length + end.len();
        Ok(inner.get(..length).unwrap_or_default())
    }

    fn start_tag(&mut self) -> Result<Tag<'a>> {
        let at = self.at;
        let rest = self.rest();
        let mut quote = None;
        let end = rest.iter().skip(1).position(|&b| match quote {
            Some(q) => {
                if b == q {
                    quote = None;
                }
                false
            }
            None => {
                if matches!(b, b'"' | b'\'') {
                    quote = Some(b);
                }
                matches!(b, b'>' | b'<')
            }
        });
        let end = end.map_or(0, |end| end + 1);
        if rest.get(end) != Some(&b'>') {
            return Err(self.error("a tag does not end"));
        }
        let inner = text(rest.get(1..end).unwrap_or_default())?;
        self.at += end + 1;
        let tag = Tag {
            source: inner.strip_suffix('/').unwrap_or(inner),
            empty: inner.ends_with('/'),
            at,
        };
        if tag.qualified_name().is_empty() {
            return Err(self.error("an element has no name"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(ManifestError::Limit {
                line: self.line_of(at),
                what: "elements are nested too deep",
                limit: MAX_DEPTH,
            });
        }
        if !tag.empty {
            self.open.push(tag.qualified_name());
        }
        Ok(tag)
    }

    /// Passes over the content and the end of the element that `tag` opened; says what its content is, as written.
    pub(crate) fn raw(&mut self, tag: Tag<'a>) -> Result<&'a [u8]> {
        let (start, depth) = (self.at, self.open.len());
        let mut end = start;
        while !tag.empty && self.open.len() >= depth {
            end = self.at;
            self.next()?;
        }
        Ok(self.between(start, end))
    }

    /// Where it is in the text, bytes.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The text from one place to another.
    pub(crate) fn between(&self, from: usize, to: usize) -> &'a [u8] {
        self.text.get(from..to).unwrap_or_default()
    }

    /// Passes over `bytes` in which there are `lines` line breaks: some that someone else has read, and elements only whole.
    pub(crate) fn advance(&mut self, bytes: usize, lines: u32) {
        let line = self.line();
        self.at += bytes;
        self.mark = (self.at, line + lines);
    }

    /// The line that it is in, from 1.
    pub(crate) fn line(&mut self) -> u32 {
        self.line_of(self.at)
    }

    /// The line of a position, from 1. Costs the distance from the last position that was asked for.
    pub(crate) fn line_of(&mut self, at: usize) -> u32 {
        let (from, line) = if at < self.mark.0 { (0, 1) } else { self.mark };
        let between = self.text.get(from..at).unwrap_or_default();
        let line = line + scan::line_breaks(between);
        self.mark = (at, line);
        line
    }

    /// An error here.
    pub(crate) fn error(&mut self, message: &str) -> ManifestError {
        ManifestError::Syntax {
            line: self.line(),
            message: message.to_owned(),
        }
    }

    /// An error for too much of something, here.
    pub(crate) fn limit(&mut self, what: &'static str, limit: usize) -> ManifestError {
        ManifestError::Limit {
            line: self.line(),
            what,
            limit,
        }
    }
}
