//! The elements of a document, kept as they were written, so that a patch or a remote element can change any of them. What they
//! mean is worked out when it is asked for.

use std::borrow::Cow;

use super::timeline::{self, Timeline};
use super::values;
use super::xml::{self, Attributes, Node, Reader, Tag};
use crate::manifest::{MAX_RENDITIONS, ManifestError};
use crate::time::{MediaTime, WallTime};

/// The longest start tag, bytes; that of an `Event` may hold its message.
pub(super) const MAX_TAG: usize = 64 * 1024;
/// The most elements of a document, without `S`.
pub(super) const MAX_ELEMENTS: usize = 200_000;

type Result<T> = core::result::Result<T, ManifestError>;

/// An element of an MPD.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Element {
    /// Name and attributes, as written.
    tag: Box<str>,
    /// Where in it the name without its prefix begins, and where the name ends.
    name: (u32, u32),
    /// Where in it the attributes are: readers ask for them all the time.
    attributes: Box<[Place]>,
    text: Box<str>,
    children: Vec<Self>,
    timeline: Option<Box<Timeline>>,
    line: u32,
    /// The remote document it came with, counted from 1.
    pub(super) origin: u16,
}

/// Where the name and the value of an attribute begin and end.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    name: (u32, u32),
    value: (u32, u32),
}

impl Element {
    /// Its name without a prefix.
    pub fn name(&self) -> &str {
        self.part(self.name)
    }

    /// Its name as written.
    pub fn qualified_name(&self) -> &str {
        self.part((0, self.name.1))
    }

    /// The line that it begins on, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Its text without that of its children, trimmed. Of an `Event` with elements in it: its content as XML.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its child elements in order; those of a `SegmentTimeline` are apart.
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// The content of a `SegmentTimeline`.
    pub fn timeline(&self) -> Option<&Timeline> {
        self.timeline.as_deref()
    }

    /// Its attributes in order: names as written, and values.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.raw_attributes()
            .map(|(name, value)| (name, xml::unescape(value.trim())))
    }

    /// An attribute. A name with a prefix stands for that name with any prefix.
    #[inline(never)]
    pub fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        let local = xml::local(name);
        let mut places = self.attributes.iter();
        let place = places.find(|place| is_name(self.part(place.name), name, local))?;
        Some(xml::unescape(self.part(place.value).trim_ascii()))
    }

    fn part(&self, (start, end): (u32, u32)) -> &str {
        self.tag.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Its attributes as written.
    pub(super) fn raw_attributes(&self) -> Attributes<'_> {
        Attributes(self.tag.get(self.name.1 as usize..).unwrap_or_default())
    }

    // What attributes and children are asked for ------------------------------------------------------------------

    /// Its children of a name. A list, since an iterator would be woven into each place that asks for one.
    #[inline(never)]
    pub(super) fn named(&self, name: &str) -> Vec<&Self> {
        self.children
            .iter()
            .filter(|child| child.name() == name)
            .collect()
    }

    #[inline(never)]
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name() == name)
    }

    /// Empty if there is none.
    #[inline(never)]
    pub(super) fn string(&self, name: &str) -> String {
        self.attribute(name).map(Cow::into_owned).unwrap_or_default()
    }

    #[inline(never)]
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.attribute(name).is_some_and(|v| v == value)
    }

    #[inline(never)]
    pub(super) fn u64(&self, name: &str) -> Option<u64> {
        self.attribute(name)?.parse().ok()
    }

    pub(super) fn u32(&self, name: &str) -> Option<u32> {
        self.u64(name)?.try_into().ok()
    }

    /// A decimal number that is not negative, in millionths.
    #[inline(never)]
    pub(super) fn micros(&self, name: &str) -> Option<u64> {
        values::micros(&self.attribute(name)?)
    }

    #[inline(never)]
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match &*self.attribute(name)? {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    /// An attribute that is an `xs:duration`; `None` if there is none, or not in that form.
    #[inline(never)]
    pub fn duration(&self, name: &str) -> Option<MediaTime> {
        values::duration(&self.attribute(name)?)
    }

    /// An attribute that is an `xs:dateTime`; `None` if there is none, or not in that form.
    #[inline(never)]
    pub fn date(&self, name: &str) -> Option<WallTime> {
        crate::manifest::datetime::parse(&self.attribute(name)?)
    }

    // What patches and remote elements change ---------------------------------------------------------------------

    pub(super) fn children_mut(&mut self) -> &mut Vec<Self> {
        &mut self.children
    }

    /// All timelines in it, in the order of the text.
    pub(super) fn timelines<'a>(&'a self, all: &mut Vec<&'a Timeline>) {
        all.extend(self.timeline());
        for child in &self.children {
            child.timelines(all);
        }
    }

    /// After changes to timelines in it: see [`Timeline::settle`].
    pub(super) fn settle(&mut self) {
        if let Some(timeline) = self.timeline_mut() {
            timeline.settle();
        }
        for child in &mut self.children {
            child.settle();
        }
    }

    pub(super) fn timeline_mut(&mut self) -> Option<&mut Timeline> {
        self.timeline.as_deref_mut()
    }

    pub(super) fn set_text(&mut self, text: &str) {
        self.text = text.into();
    }

    /// Takes a name and attributes as written.
    fn set_tag(&mut self, source: &str) {
        let (name, attributes) = xml::split_name(source);
        let start = source.as_ptr() as usize;
        let place = |part: &str| {
            let from = part.as_ptr() as usize - start;
            (from as u32, (from + part.len()) as u32)
        };
        self.name = place(xml::local(name));
        let mut places = Vec::with_capacity(attributes.bytes().filter(|b| *b == b'=').count());
        for (name, value) in Attributes(attributes) {
            places.push(Place {
                name: place(name),
                value: place(value),
            });
        }
        self.attributes = places.into();
        self.tag = source.into();
    }

    /// Sets or, with `None`, takes away an attribute; `false` if the tag would become too long.
    pub(super) fn set_attribute(&mut self, name: &str, value: Option<&str>) -> bool {
        let mut tag = self.qualified_name().to_owned();
        let mut put = |name: &str, value: &str| {
            tag.push(' ');
            tag.push_str(name);
            tag.push_str("=\"");
            for c in value.chars() {
                match c {
                    '"' => tag.push_str("&quot;"),
                    '&' => tag.push_str("&amp;"),
                    _ => tag.push(c),
                }
            }
            tag.push('"');
        };
        let mut left = value;
        for (n, v) in self.raw_attributes() {
            if is_name(n, name, xml::local(name)) {
                if let Some(value) = left.take() {
                    put(n, value);
                }
            } else {
                put(n, &xml::unescape(v));
            }
        }
        if let Some(value) = left {
            put(name, value);
        }
        let fits = tag.len() <= MAX_TAG.max(self.tag.len());
        if fits {
            self.set_tag(&tag);
        }
        fits
    }
}

/// Whether an attribute's name as written is the one that is asked for, which is `local` without its prefix.
fn is_name(written: &str, name: &str, local: &str) -> bool {
    let is_any_prefix = || {
        local.len() < name.len()
            && written
                .strip_suffix(local)
                .is_some_and(|prefix| prefix.ends_with(':') && prefix != "xmlns:")
    };
    written == name || is_any_prefix()
}

/// Reads the one element of a document.
pub(super) fn document(text: &[u8]) -> Result<Element> {
    newer(text, &[])
}

/// As [`document`], of a newer version of one that had these timelines, in the order of the text: what it repeats of them is shared.
pub(super) fn newer(text: &[u8], older: &[&Timeline]) -> Result<Element> {
    let mut elements = read(text, 1, 0, older)?;
    elements.pop().ok_or_else(|| ManifestError::Syntax {
        line: 1,
        message: "there is no element in it".to_owned(),
    })
}

/// Reads a text with up to `most` elements at its top; what follows them is not looked at.
pub(super) fn read(text: &[u8], most: usize, origin: u16, older: &[&Timeline]) -> Result<Vec<Element>> {
    let mut builder = Builder {
        reader: Reader::new(text),
        elements: 0,
        representations: 0,
        origin,
        older,
    };
    let mut top = Vec::new();
    while top.len() < most {
        match builder.reader.next()? {
            Node::Start(tag) => top.push(builder.element(tag)?),
            Node::Eof => break,
            Node::End | Node::Text(_) | Node::Literal(_) => {}
        }
    }
    Ok(top)
}

struct Builder<'a> {
    reader: Reader<'a>,
    elements: usize,
    representations: usize,
    origin: u16,
    /// Timelines of the version before, without those that are behind us.
    older: &'a [&'a Timeline],
}

impl<'a> Builder<'a> {
    fn element(&mut self, tag: Tag<'a>) -> Result<Element> {
        let mut element = Element {
            line: self.reader.line_of(tag.at),
            origin: self.origin,
            ..Element::default()
        };
        element.set_tag(tag.source);
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(self.reader.limit("too many elements", MAX_ELEMENTS));
        }
        if tag.source.len() > MAX_TAG && tag.name() != "Event" {
            return Err(self.reader.limit("too long a tag", MAX_TAG));
        }
        match tag.name() {
            "Representation" => {
                self.representations += 1;
                if self.representations > MAX_RENDITIONS {
                    return Err(self.reader.limit("too many representations", MAX_RENDITIONS));
                }
            }
            "SegmentTimeline" => {
                element.timeline = Some(Box::new(timeline::read(&mut self.reader, tag, &mut self.older)?));
                return Ok(element);
            }
            "Event" => {
                element.text = message(self.reader.raw(tag)?)?.into();
                return Ok(element);
            }
            _ => {}
        }
        if tag.empty {
            return Ok(element);
        }
        let mut text = Cow::Borrowed("");
        loop {
            match self.reader.next()? {
                Node::Start(tag) => {
                    let child = self.element(tag)?;
                    element.children.push(child);
                }
                // Between elements there is only space.
                Node::Text(more) if more.trim_ascii().is_empty() && text.is_empty() => {}
                Node::Text(more) => append(&mut text, xml::unescape(more)),
                Node::Literal(more) => append(&mut text, Cow::Borrowed(more)),
                Node::End | Node::Eof => break,
            }
        }
        element.text = text.trim().into();
        Ok(element)
    }
}

fn append<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else {
        text.to_mut().push_str(&more);
    }
}

/// The content of an `Event`: its text, or the XML if there are elements in it.
fn message(raw: &[u8]) -> Result<Cow<'_, str>> {
    let mut reader = Reader::new(raw);
    let mut text = Cow::Borrowed("");
    loop {
        match reader.next()? {
            Node::Text(more) => append(&mut text, xml::unescape(more)),
            Node::Literal(more) => append(&mut text, Cow::Borrowed(more)),
            Node::Start(_) => return Ok(Cow::Borrowed(xml::text(raw)?.trim())),
            Node::End | Node::Eof => break,
        }
    }
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn attributes_are_found_and_changed() {
        let mut element = document(b"<x:A b='1' x:c=\"&lt;2&gt;\" xmlns:c='no' d = \"3\"/>").unwrap();
        assert_eq!((element.name(), element.qualified_name()), ("A", "x:A"));
        assert_eq!(element.attribute("c"), None);
        assert_eq!(element.attribute("any:c").as_deref(), Some("<2>"));
        element.set_attribute("b", Some("\"&<"));
        element.set_attribute("d", None);
        element.set_attribute("e", Some("new"));
        let all: Vec<_> = element.attributes().collect();
        let all: Vec<_> = all.iter().map(|(n, v)| (*n, &**v)).collect();
        assert_eq!(
            all,
            [("b", "\"&<"), ("x:c", "<2>"), ("xmlns:c", "no"), ("e", "new")]
        );
    }

    #[test]
    fn text_is_joined_and_an_events_elements_stay_xml() {
        let root = document(
            b"<a> x &amp; <!-- no --><b/><![CDATA[<y>]]> <Event> 1 &lt; <![CDATA[2&]]> </Event><Event>\n<z q='&amp;'/>&lt; </Event></a>",
        )
        .unwrap();
        assert_eq!(root.text(), "x & <y>");
        let texts: Vec<_> = root.children().iter().map(Element::text).collect();
        assert_eq!(texts, ["", "1 < 2&", "<z q='&amp;'/>&lt;"]);
    }

    #[test]
    fn what_does_not_nest_is_refused_with_its_line() {
        for (bad, line) in [
            ("", 1),
            ("text", 1),
            ("<a>\n\n<b>", 3),
            ("<a>\n</b>", 2),
            ("<a\n<b/>", 1),
            ("<a b='", 1),
            ("<a>\n<!-- ", 2),
            ("<a><![CDATA[ ]]", 1),
            ("<?xml ", 1),
            ("\n<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", 2),
            ("<a>< b/></a>", 1),
            ("<a></", 1),
        ] {
            match document(bad.as_bytes()) {
                Err(ManifestError::Syntax { line: found, .. }) => assert_eq!(found, line, "{bad}"),
                other => panic!("{bad}: {other:?}"),
            }
        }
        let deep = format!("{}{}", "<a>".repeat(65), "</a>".repeat(65));
        assert!(matches!(
            document(deep.as_bytes()),
            Err(ManifestError::Limit { .. })
        ));
        let deep = format!("{}{}", "<a>".repeat(64), "</a>".repeat(64));
        assert!(document(deep.as_bytes()).is_ok());
        let many = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        assert!(matches!(
            document(many.as_bytes()),
            Err(ManifestError::Limit { .. })
        ));
    }
}
