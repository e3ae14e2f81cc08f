//! Elements of an XML text, one at a time, with bounded depth; a document type is refused, so that no entity expands.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::manifest::ManifestError;

const MAX_DEPTH: usize = 64;

/// A cursor over a text.
pub(super) struct Xml<'a> {
    reader: Reader<&'a [u8]>,
    text: &'a str,
    depth: usize,
}

/// An element whose content has not been read yet.
pub(super) struct Element<'a> {
    start: BytesStart<'a>,
    empty: bool,
}

impl<'a> Element<'a> {
    /// Its name without a namespace prefix.
    pub(super) fn name(&self) -> &str {
        let name: &str = self.start.name().into_inner();
        name.rsplit_once(':').map_or(name, |(_, local)| local)
    }

    /// Calls `f` with name (as written) and unescaped value of each attribute.
    pub(super) fn attributes(&self, mut f: impl FnMut(&str, &str)) {
        for attribute in self.start.attributes().with_checks(false).flatten() {
            let name: &str = attribute.key.into_inner();
            match quick_xml::escape::unescape(&attribute.value) {
                Ok(value) => f(name, value.trim()),
                Err(_) => f(name, attribute.value.trim()),
            }
        }
    }
}

impl<'a> Xml<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            reader: Reader::from_str(text),
            text,
            depth: 0,
        }
    }

    /// The line that the cursor is at, from 1. O(text): for messages.
    pub(super) fn line(&self) -> u32 {
        let position = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let read = self
            .text
            .get(..position.min(self.text.len()))
            .unwrap_or(self.text);
        read.bytes().filter(|b| *b == b'\n').count() as u32 + 1
    }

    /// The root element.
    pub(super) fn root(&mut self) -> Result<Element<'a>, ManifestError> {
        loop {
            match self.event()? {
                Event::Start(start) => return Ok(Element { start, empty: false }),
                Event::Empty(start) => return Ok(Element { start, empty: true }),
                Event::Eof => return Err(self.error("there is no element in it")),
                _ => {}
            }
        }
    }

    /// Calls `f` for each child of `parent`; `f` must read each child's content with `children`, `text`, or `skip`.
    pub(super) fn children(
        &mut self,
        parent: &Element<'a>,
        mut f: impl FnMut(&mut Self, Element<'a>) -> Result<(), ManifestError>,
    ) -> Result<(), ManifestError> {
        if parent.empty {
            return Ok(());
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ManifestError::Limit {
                line: self.line(),
                what: "elements are nested too deep",
                limit: MAX_DEPTH,
            });
        }
        loop {
            match self.event()? {
                Event::Start(start) => f(self, Element { start, empty: false })?,
                Event::Empty(start) => f(self, Element { start, empty: true })?,
                Event::End(_) => {
                    self.depth -= 1;
                    return Ok(());
                }
                Event::Eof => return Err(self.error("it breaks off in the middle of an element")),
                _ => {}
            }
        }
    }

    /// Skips the content of an element.
    pub(super) fn skip(&mut self, element: &Element<'a>) -> Result<(), ManifestError> {
        self.children(element, |xml, child| xml.skip(&child))
    }

    /// The text in an element, trimmed; its child elements are skipped.
    pub(super) fn text(&mut self, element: &Element<'a>) -> Result<String, ManifestError> {
        let mut out = String::new();
        if element.empty {
            return Ok(out);
        }
        loop {
            match self.event()? {
                Event::Text(text) => out.push_str(&text),
                Event::CData(text) => out.push_str(&text),
                Event::GeneralRef(reference) => {
                    let name: &str = &reference;
                    out.push_str(&quick_xml::escape::unescape(&format!("&{name};")).unwrap_or_default());
                }
                Event::Start(start) => self.skip(&Element { start, empty: false })?,
                Event::End(_) => return Ok(out.trim().to_owned()),
                Event::Eof => return Err(self.error("it breaks off in the middle of an element")),
                _ => {}
            }
        }
    }

    fn event(&mut self) -> Result<Event<'a>, ManifestError> {
        match self.reader.read_event() {
            Ok(Event::DocType(_)) => Err(self.error("a document type (DOCTYPE) is not allowed in an MPD")),
            Ok(event) => Ok(event),
            Err(error) => Err(self.error(&format!("the XML is not well-formed: {error}"))),
        }
    }

    fn error(&self, message: &str) -> ManifestError {
        ManifestError::Syntax {
            line: self.line(),
            message: message.to_owned(),
        }
    }
}
