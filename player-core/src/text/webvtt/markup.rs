//! The payload of a cue (section 6.4 of the specification): text, and the eight elements that there are.

use std::borrow::Cow;

use super::timestamp;
use crate::time::MediaTime;

/// Elements deeper than this are left out, their text is not.
const MAX_DEPTH: usize = 32;
/// Those of HTML's named character references that subtitles use; the others stay as they are written.
const NAMED: [(&str, char); 8] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("nbsp", '\u{a0}'),
    ("lrm", '\u{200e}'),
    ("rlm", '\u{200f}'),
    ("quot", '"'),
    ("apos", '\''),
];

/// A piece of a cue's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// The innermost open element ends.
    Close(Tag),
    /// An element begins. It will be closed.
    Open(Element<'a>),
    /// Text, never empty; LF is a line break.
    Text(Cow<'a, str>),
    /// What follows is shown from this time on.
    Time(MediaTime),
}

/// An element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// What it is.
    pub tag: Tag,
    /// The voice or language; empty for all others.
    pub annotation: Cow<'a, str>,
    classes: &'a str,
}

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `b`.
    Bold,
    /// `c`: it has only its classes.
    Class,
    /// `i`.
    Italic,
    /// `lang`: its text is in this language (BCP 47).
    Language,
    /// `ruby`: text with annotations.
    Ruby,
    /// `rt`: an annotation; always in a `ruby`.
    RubyText,
    /// `u`.
    Underline,
    /// `v`: somebody says it.
    Voice,
}

/// The pieces of a payload, in order; every element that is opened is closed.
#[derive(Clone, Debug)]
pub struct Markup<'a> {
    rest: &'a str,
    /// Those deeper than [`MAX_DEPTH`] too.
    open: Vec<Tag>,
    /// How many of them are to be closed now.
    closing: usize,
}

impl<'a> Element<'a> {
    /// Its classes.
    pub fn classes(&self) -> impl Iterator<Item = &'a str> {
        self.classes.split('.').filter(|class| !class.is_empty())
    }
}

impl Tag {
    const ALL: [Self; 8] = [
        Self::Bold,
        Self::Class,
        Self::Italic,
        Self::Language,
        Self::Ruby,
        Self::RubyText,
        Self::Underline,
        Self::Voice,
    ];

    /// As it is written: `b`, `c`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bold => "b",
            Self::Class => "c",
            Self::Italic => "i",
            Self::Language => "lang",
            Self::Ruby => "ruby",
            Self::RubyText => "rt",
            Self::Underline => "u",
            Self::Voice => "v",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tag| tag.name() == name)
    }
}

impl<'a> Markup<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            open: Vec::new(),
            closing: 0,
        }
    }

    /// What stands between `<` and `>`.
    fn tag(&mut self, inner: &'a str) -> Option<Piece<'a>> {
        if let Some(name) = inner.strip_prefix('/') {
            self.close(Tag::from_name(name)?);
            return None;
        }
        if inner.starts_with(|c: char| c.is_ascii_digit()) {
            return timestamp::whole(inner).map(Piece::Time);
        }
        let (name, annotation) = inner
            .split_once(|c: char| c.is_ascii_whitespace())
            .unwrap_or((inner, ""));
        let (name, classes) = name.split_once('.').unwrap_or((name, ""));
        let tag = Tag::from_name(name)?;
        if tag == Tag::RubyText && self.open.last() != Some(&Tag::Ruby) {
            return None;
        }
        self.open.push(tag);
        let annotation = match tag {
            Tag::Language | Tag::Voice => collapse(unescape(annotation)),
            _ => Cow::Borrowed(""),
        };
        (self.open.len() <= MAX_DEPTH).then_some(Piece::Open(Element {
            tag,
            annotation,
            classes,
        }))
    }

    fn close(&mut self, tag: Tag) {
        let innermost = self.open.last();
        if innermost == Some(&tag) {
            self.closing = 1;
        } else if tag == Tag::Ruby && innermost == Some(&Tag::RubyText) {
            self.closing = 2;
        }
    }
}

impl<'a> Iterator for Markup<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            if self.rest.is_empty() && self.closing == 0 {
                self.closing = self.open.len();
                (self.closing > 0).then_some(())?;
            }
            if self.closing > 0 {
                self.closing -= 1;
                let tag = self.open.pop()?;
                if self.open.len() < MAX_DEPTH {
                    return Some(Piece::Close(tag));
                }
            } else if let Some(rest) = self.rest.strip_prefix('<') {
                // One that does not end is one all the same.
                let (inner, rest) = rest.split_once('>').unwrap_or((rest, ""));
                self.rest = rest;
                if let Some(piece) = self.tag(inner) {
                    return Some(piece);
                }
            } else {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at_checked(end)?;
                self.rest = rest;
                return Some(Piece::Text(unescape(text)));
            }
        }
    }
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('&');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        match reference(part) {
            Some((c, rest)) => {
                out.push(c);
                out.push_str(rest);
            }
            None => {
                out.push('&');
                out.push_str(part);
            }
        }
    }
    Cow::Owned(out)
}

/// The character that a reference means, and what follows it. As in HTML, the semicolon may lack.
fn reference(text: &str) -> Option<(char, &str)> {
    let (c, rest) = match text.strip_prefix('#') {
        Some(number) => numeric(number)?,
        None => NAMED
            .iter()
            .find_map(|(name, c)| Some((*c, text.strip_prefix(name)?)))?,
    };
    Some((c, rest.strip_prefix(';').unwrap_or(rest)))
}

fn numeric(number: &str) -> Option<(char, &str)> {
    let (radix, digits) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (16, digits),
        None => (10, number),
    };
    let (mut code, mut length) = (0u32, 0);
    while let Some(digit) = digits
        .as_bytes()
        .get(length)
        .and_then(|b| char::from(*b).to_digit(radix))
    {
        code = code.saturating_mul(radix).saturating_add(digit);
        length += 1;
    }
    (length > 0).then_some(())?;
    let c = char::from_u32(code).filter(|c| *c != '\0');
    Some((c.unwrap_or(char::REPLACEMENT_CHARACTER), digits.get(length..)?))
}

/// Without white space at its ends, and with one space between its words.
fn collapse(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_blank = |b: &u8| b.is_ascii_whitespace();
    let bytes = text.as_bytes();
    let twice = bytes.windows(2).any(|two| two.iter().all(is_blank));
    let at_ends = bytes.first().is_some_and(is_blank) || bytes.last().is_some_and(is_blank);
    if !twice && !at_ends && !bytes.iter().any(|b| is_blank(b) && *b != b' ') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for word in text.split_ascii_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it might be written, with its elements closed.
    fn show(text: &str) -> String {
        let mut out = String::new();
        for piece in Markup::new(text) {
            match piece {
                Piece::Text(text) => out.push_str(&text),
                Piece::Time(time) => out.push_str(&format!("[@{}]", time.as_millis())),
                Piece::Close(tag) => out.push_str(&format!("[/{}]", tag.name())),
                Piece::Open(element) => {
                    let classes: Vec<_> = element.classes().collect();
                    let Element { tag, annotation, .. } = element;
                    out.push_str(&format!("[{} {} {annotation}]", tag.name(), classes.join("+")));
                }
            }
        }
        out
    }

    #[test]
    fn elements_with_classes_and_annotations() {
        assert_eq!(
            show("<c.yellow.bg_blue>a</c> <v.loud  Ann\t&amp;  Bob >b"),
            "[c yellow+bg_blue ]a[/c] [v loud Ann & Bob]b[/v]"
        );
        assert_eq!(
            show("<lang en-GB>x</lang><i>y<u>z"),
            "[lang  en-GB]x[/lang][i  ]y[u  ]z[/u][/i]"
        );
        assert_eq!(show("a<00:00:01.500>b<1:2>c"), "a[@1500]bc");
        assert_eq!(show("<v\nAnn>x</v>"), "[v  Ann]x[/v]");
    }

    #[test]
    fn ruby_text_is_only_in_ruby() {
        assert_eq!(
            show("<ruby>漢<rt>かん</rt>字<rt>じ</ruby>x<rt>y</rt>"),
            "[ruby  ]漢[rt  ]かん[/rt]字[rt  ]じ[/rt][/ruby]xy"
        );
    }

    #[test]
    fn ends_that_match_nothing_do_nothing() {
        assert_eq!(show("</b><i>a</b>b</i >c</i></i>"), "[i  ]abc[/i]");
        assert_eq!(show("<b"), "[b  ][/b]");
        assert_eq!(show("a<"), "a");
        assert_eq!(show("<>x< b>y<.c>z"), "xyz");
    }

    #[test]
    fn references() {
        assert_eq!(show("&lt;b&gt; &amp;amp; &#65;&#x42;&#x1F600;"), "<b> &amp; AB😀");
        assert_eq!(show("&nbsp;&lrm;&rlm;"), "\u{a0}\u{200e}\u{200f}");
        assert_eq!(
            show("&#0;&#xd800;&#x110000;&#99999999999999;"),
            "\u{fffd}".repeat(4)
        );
        assert_eq!(
            show("a & b && &; &# &#; &#x; &bogus; &amp"),
            "a & b && &; &# &#; &#x; &bogus; &"
        );
    }

    #[test]
    fn nothing_that_html_would_run_comes_through_as_an_element() {
        let hostile = "<script>alert(1)</script><img src=x onerror=alert(2)><b onclick=\"alert(3)\">x</b>\
            <c.x\" onload=\"alert(4)>y</c>&lt;svg onload=alert(5)&gt;<v <b>z";
        let pieces: Vec<_> = Markup::new(hostile).collect();
        let elements: Vec<_> = pieces
            .iter()
            .filter_map(|p| match p {
                Piece::Open(e) => Some((e.tag, e.classes().collect::<Vec<_>>(), e.annotation.as_ref())),
                _ => None,
            })
            .collect();
        assert_eq!(
            elements,
            [
                (Tag::Bold, vec![], ""),
                (Tag::Class, vec!["x\""], ""),
                (Tag::Voice, vec![], "<b")
            ]
        );
        let texts: String = pieces
            .iter()
            .filter_map(|p| {
                if let Piece::Text(t) = p {
                    Some(t.as_ref())
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(texts, "alert(1)xy<svg onload=alert(5)>z");
    }

    #[test]
    fn depth_is_bounded_and_stays_balanced() {
        let deep = format!("{}x{}y</b>z", "<b>".repeat(100_000), "</b>".repeat(99_999));
        let (mut depth, mut deepest) = (0usize, 0);
        for piece in Markup::new(&deep) {
            match piece {
                Piece::Open(_) => depth += 1,
                Piece::Close(_) => depth -= 1,
                Piece::Text(text) if text == "y" => assert_eq!(depth, 1),
                Piece::Text(text) if text == "z" => assert_eq!(depth, 0),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        assert_eq!((depth, deepest), (0, MAX_DEPTH));
    }
}
