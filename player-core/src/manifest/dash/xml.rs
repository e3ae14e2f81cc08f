//! XML 1.0, one node at a time, without copies and with bounded depth.
//!
//! What a manifest needs and no more: elements, attributes, text, CDATA, the five entities and character references. Comments and
//! processing instructions are passed over, a document type is refused, so that no entity ever expands. Tags must nest; what is
//! wrong inside a tag is passed over.

use std::borrow::Cow;

use crate::manifest::ManifestError;

/// How deep elements may be nested.
pub(super) const MAX_DEPTH: usize = 64;

type Result<T> = core::result::Result<T, ManifestError>;

/// A cursor over a text.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Names of the elements that are open, as written.
    open: Vec<&'a str>,
    /// A position and its line: lines are counted from there.
    mark: (usize, u32),
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node<'a> {
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
pub(super) struct Tag<'a> {
    /// Name and attributes as written.
    pub(super) source: &'a str,
    /// It is the whole element.
    pub(super) empty: bool,
    /// Where it begins, bytes.
    pub(super) at: usize,
}

impl<'a> Tag<'a> {
    /// Its name as written, with its prefix.
    pub(super) fn qualified_name(self) -> &'a str {
        split_name(self.source).0
    }

    /// Its name without a prefix.
    pub(super) fn name(self) -> &'a str {
        local(self.qualified_name())
    }

    /// Its attributes in order.
    pub(super) fn attributes(self) -> Attributes<'a> {
        Attributes(split_name(self.source).1)
    }
}

/// The part of a name after its prefix.
pub(super) fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

/// The name of a tag, and its attributes as written.
pub(super) fn split_name(source: &str) -> (&str, &str) {
    let end = source.bytes().position(|b| b.is_ascii_whitespace());
    let end = end.unwrap_or(source.len());
    (
        source.get(..end).unwrap_or_default(),
        source.get(end..).unwrap_or_default(),
    )
}

/// The attributes of a tag: names as written, values as written between the quotes. What is no attribute is passed over.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a>(pub(super) &'a str);

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (name, rest) = self.0.split_once('=')?;
            let name = name.trim_ascii_end();
            let rest = rest.trim_ascii_start();
            let quote = rest.chars().next()?;
            let (value, rest) = match quote {
                '"' | '\'' => rest.get(1..)?.split_once(quote)?,
                _ => split_name(rest),
            };
            self.0 = rest;
            // Words before the name without a value are none.
            let name = name.rsplit(|c: char| c.is_ascii_whitespace()).next()?;
            if !name.is_empty() {
                return Some((name, value));
            }
        }
    }
}

/// The text that is meant by one that is written: `&amp;`, `&lt;`, `&gt;`, `&quot;`, `&apos;`, `&#n;`, `&#xn;` replaced; any
/// other reference stays as it is.
pub(super) fn unescape(raw: &str) -> Cow<'_, str> {
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
    /// A cursor at the start of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self {
            text,
            at: 0,
            open: Vec::new(),
            mark: (0, 1),
        }
    }

    /// The next node. A start tag opens its element unless it is empty.
    pub(super) fn next(&mut self) -> Result<Node<'a>> {
        loop {
            let rest = self.rest();
            let mut start = rest.bytes();
            match (start.next(), start.next()) {
                (None, _) if self.open.is_empty() => return Ok(Node::Eof),
                (None, _) => return Err(self.error("it breaks off in the middle of an element")),
                (Some(b'<'), Some(b'/')) => {
                    let end = rest.find('>').ok_or_else(|| self.error("a tag does not end"))?;
                    let name = rest.get(2..end).unwrap_or_default().trim_ascii_end();
                    if self.open.last() != Some(&name) {
                        return Err(self.error("an end tag is not that of the element that is open"));
                    }
                    self.open.pop();
                    self.at += end + 1;
                    return Ok(Node::End);
                }
                (Some(b'<'), Some(b'!')) => {
                    if rest.starts_with("<![CDATA[") {
                        return self
                            .pass(9, "]]>", "a CDATA section does not end")
                            .map(Node::Literal);
                    }
                    if !rest.starts_with("<!--") {
                        return Err(self.error("a document type (DOCTYPE) is not allowed"));
                    }
                    self.pass(4, "-->", "a comment does not end")?;
                }
                (Some(b'<'), Some(b'?')) => {
                    self.pass(2, "?>", "a processing instruction does not end")?;
                }
                (Some(b'<'), _) => return self.start_tag().map(Node::Start),
                _ => {
                    let end = rest.find('<').unwrap_or(rest.len());
                    self.at += end;
                    return Ok(Node::Text(rest.get(..end).unwrap_or_default()));
                }
            }
        }
    }

    /// Passes over something that begins with `start` bytes and ends in `end`; says what is between.
    fn pass(&mut self, start: usize, end: &str, missing: &str) -> Result<&'a str> {
        let inner = self.rest().get(start..).unwrap_or_default();
        // Not `str::find`, whose search for any text is large.
        let mut ends = inner.as_bytes().windows(end.len());
        let length = ends
            .position(|window| window == end.as_bytes())
            .ok_or_else(|| self.error(missing))?;
        self.at += start + length + end.len();
        Ok(inner.get(..length).unwrap_or_default())
    }

    fn start_tag(&mut self) -> Result<Tag<'a>> {
        let at = self.at;
        let rest = self.rest();
        let mut quote = None;
        let end = rest.bytes().skip(1).position(|b| match quote {
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
        if !rest.get(end..).unwrap_or_default().starts_with('>') {
            return Err(self.error("a tag does not end"));
        }
        let inner = rest.get(1..end).unwrap_or_default();
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
    pub(super) fn raw(&mut self, tag: Tag<'a>) -> Result<&'a str> {
        let (start, depth) = (self.at, self.open.len());
        let mut end = start;
        while !tag.empty && self.open.len() >= depth {
            end = self.at;
            self.next()?;
        }
        Ok(self.text.get(start..end).unwrap_or_default())
    }

    /// What has not been read yet.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Passes over `bytes` in which there are `lines` line breaks: some that someone else has read, and elements only whole.
    pub(super) fn advance(&mut self, bytes: usize, lines: u32) {
        let line = self.line_of(self.at);
        self.at += bytes;
        self.mark = (self.at, line + lines);
    }

    /// The line of a position, from 1. Costs the distance from the last position that was asked for.
    pub(super) fn line_of(&mut self, at: usize) -> u32 {
        let (from, line) = if at < self.mark.0 { (0, 1) } else { self.mark };
        let between = self.text.as_bytes().get(from..at).unwrap_or_default();
        let line = line + between.iter().filter(|b| **b == b'\n').count() as u32;
        self.mark = (at, line);
        line
    }

    /// An error here.
    pub(super) fn error(&mut self, message: &str) -> ManifestError {
        ManifestError::Syntax {
            line: self.line_of(self.at),
            message: message.to_owned(),
        }
    }

    /// An error for too much of something, here.
    pub(super) fn limit(&mut self, what: &'static str, limit: usize) -> ManifestError {
        ManifestError::Limit {
            line: self.line_of(self.at),
            what,
            limit,
        }
    }
}
