//! TTML (W3C, *Timed Text Markup Language 2*) as it is used: IMSC 1.1 text, EBU-TT-D, SMPTE-TT, DFXP.
//!
//! What of it WebVTT can say becomes cues: times of every form, sequential and parallel containers, styles and regions by reference and
//! nested, colors as the nearest of WebVTT's eight, italics, bold, underline, ruby; `itts:forcedDisplay` becomes the class `forced`.
//! Left out: fonts and sizes, opacity, outlines, animation (`set`), the extent of backgrounds. A paragraph without a region is where
//! WebVTT puts cues, and not at the top. The image profile gives a warning.

mod paragraph;
mod place;
mod style;
mod timing;

use std::borrow::Cow;

use self::paragraph::{Look, Run, payloads};
use self::place::Canvas;
use self::style::Style;
use self::timing::Rates;
use super::{Cues, TextCue, TextError};
use crate::manifest::dash::xml::{self, Node, Reader, Tag};
use crate::time::{MediaTime, TimeRange};

/// The most text that is read, bytes.
pub const MAX_BYTES: usize = 10 * 1024 * 1024;
/// The most styles, and the most regions.
const MAX_STYLES: usize = 500;
/// The most styles that one element refers to.
const MAX_REFERENCES: usize = 8;
/// The longest chain of styles that refer to each other.
const MAX_CHAIN: usize = 8;
/// The most pieces of text in a paragraph.
const MAX_RUNS: usize = 2000;
/// Paragraphs of the same time and place become one cue up to so many lines.
const MAX_SHARED: usize = 10;
/// Where text ends that is read to its end.
const FOREVER: MediaTime = MediaTime::MAX;

/// Reads a document.
///
/// # Errors
/// If it is no TTML, or not well-formed before its first cue. Cues before a later place are kept.
pub fn read(bytes: &[u8]) -> Result<Cues, TextError> {
    if bytes.len() > MAX_BYTES {
        return Err(TextError::Unsupported("a TTML document of more than 10 MiB"));
    }
    let text = decode(bytes);
    if is_html(&text) {
        return Err(TextError::Html);
    }
    let mut document = Document {
        reader: Reader::new(text.as_bytes()),
        rates: Rates::default(),
        canvas: Canvas::default(),
        styles: Vec::new(),
        regions: Vec::new(),
        initial: Style::default(),
        place: String::new(),
        work: 4 * bytes.len() + (1 << 20),
        cues: Cues::default(),
    };
    match document.read(&text) {
        Err(TextError::Malformed { line, message }) if !document.cues.cues.is_empty() => {
            document.cues.warn(line, &message);
        }
        result => result?,
    }
    Ok(document.cues)
}

struct Document<'a> {
    reader: Reader<'a>,
    rates: Rates,
    canvas: Canvas,
    styles: Vec<Named<'a>>,
    regions: Vec<Named<'a>>,
    /// What holds where nothing else does.
    initial: Style,
    /// The settings that the last cue would have if it had one line.
    place: String,
    /// How much text may still be put together, bytes.
    work: usize,
    cues: Cues,
}

/// A style or region.
struct Named<'a> {
    id: Cow<'a, str>,
    references: Cow<'a, str>,
    style: Style,
}

/// What an element of the body passes on.
#[derive(Clone, Copy)]
struct Context {
    times: TimeRange,
    /// Its children come one after another.
    is_sequence: bool,
    style: Style,
    /// By its position.
    region: Option<usize>,
    is_preserved: bool,
}

/// A paragraph that is being read.
struct Paragraph<'a> {
    id: String,
    line: u32,
    context: Context,
    runs: Vec<Run<'a>>,
}

/// Attributes that are not of styling, as written.
#[derive(Default)]
struct Attributes<'a> {
    id: Cow<'a, str>,
    begin: Option<&'a str>,
    end: Option<&'a str>,
    dur: Option<&'a str>,
    container: Option<&'a str>,
    region: Option<Cow<'a, str>>,
    style: Option<Cow<'a, str>>,
    space: Option<&'a str>,
    image: bool,
}

impl<'a> Document<'a> {
    fn read(&mut self, text: &str) -> Result<(), TextError> {
        let root = loop {
            match self.reader.next()? {
                Node::Start(tag) => break tag,
                Node::Text(blank) if blank.trim_ascii().is_empty() => {}
                _ => return Err(TextError::Unknown(shown(text))),
            }
        };
        if root.name() != "tt" {
            return Err(TextError::Unknown(shown(text)));
        }
        let mut is_preserved = false;
        for (name, value) in root.attributes() {
            let name = xml::local(name);
            if name == "space" {
                is_preserved = value == "preserve";
            }
            if name == "profile" && scan::contains(value.as_bytes(), b"image") {
                self.warn_of_images();
            }
            let known = self
                .rates
                .set(name, value)
                .or_else(|| self.canvas.set(name, value));
            if known.is_none()
                && matches!(
                    name,
                    "frameRate" | "frameRateMultiplier" | "subFrameRate" | "tickRate"
                )
            {
                self.warn(name, value);
            }
        }
        let context = Context {
            times: TimeRange::new(MediaTime::ZERO, FOREVER),
            is_sequence: false,
            style: Style::default(),
            region: None,
            is_preserved,
        };
        if root.empty {
            return Ok(());
        }
        // What follows the end of the root, as images in the same sample, is not looked at.
        loop {
            match self.reader.next()? {
                Node::Start(tag) => match tag.name() {
                    "head" => self.head(tag)?,
                    "body" => {
                        self.content(tag, &context, context.times.start, &mut None)?;
                    }
                    _ => {
                        self.reader.raw(tag)?;
                    }
                },
                Node::End | Node::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    /// Styles and regions, in whatever they are wrapped.
    fn head(&mut self, head: Tag<'a>) -> Result<(), TextError> {
        let mut depth = usize::from(!head.empty);
        while depth > 0 {
            match self.reader.next()? {
                Node::Start(tag) => match tag.name() {
                    "initial" => {
                        let (_, style) = self.attributes(tag);
                        self.initial = style.or(&self.initial);
                        self.reader.raw(tag)?;
                    }
                    "style" => self.named(tag, false)?,
                    "region" => self.named(tag, true)?,
                    _ => depth += usize::from(!tag.empty),
                },
                Node::End => depth -= 1,
                Node::Eof => return Ok(()),
                _ => {}
            }
        }
        // Chains of references: each time round, one link more is known.
        for _ in 0..MAX_CHAIN {
            let mut is_settled = true;
            for i in 0..self.styles.len() {
                let Some(named) = self.styles.get(i) else { break };
                let style = self.referred(named.style, &named.references);
                if let Some(named) = self.styles.get_mut(i).filter(|named| named.style != style) {
                    named.style = style;
                    is_settled = false;
                }
            }
            if is_settled {
                break;
            }
        }
        for i in 0..self.regions.len() {
            let Some(named) = self.regions.get(i) else { break };
            let style = self.referred(named.style, &named.references);
            if let Some(named) = self.regions.get_mut(i) {
                named.style = style;
            }
        }
        Ok(())
    }

    /// A style, or a region with styles inside.
    fn named(&mut self, tag: Tag<'a>, is_region: bool) -> Result<(), TextError> {
        let (attributes, mut style) = self.attributes(tag);
        let mut references = attributes.style.unwrap_or_default();
        let mut depth = usize::from(!tag.empty);
        while depth > 0 {
            match self.reader.next()? {
                Node::Start(inner) => {
                    if is_region && inner.name() == "style" {
                        let (attributes, nested) = self.attributes(inner);
                        style = style.or(&nested);
                        if let Some(more) = attributes.style.filter(|_| references.is_empty()) {
                            references = more;
                        }
                    }
                    depth += usize::from(!inner.empty);
                }
                Node::End => depth -= 1,
                Node::Eof => return Ok(()),
                _ => {}
            }
        }
        let list = if is_region {
            &mut self.regions
        } else {
            &mut self.styles
        };
        if list.len() >= MAX_STYLES {
            let line = self.reader.line();
            self.cues.warn_once(
                line,
                "there are too many styles or regions: the last ones are left out",
            );
        } else {
            let id = attributes.id;
            list.push(Named {
                id,
                references,
                style,
            });
        }
        Ok(())
    }

    /// Body, div, p or span, and what is in it. Says where it ends by what it or its content says; `begin` is where it begins if it says
    /// nothing.
    fn content(
        &mut self,
        tag: Tag<'a>,
        parent: &Context,
        begin: MediaTime,
        paragraph: &mut Option<Paragraph<'a>>,
    ) -> Result<MediaTime, TextError> {
        let line = self.reader.line_of(tag.at);
        let (attributes, own) = self.attributes(tag);
        if attributes.image {
            self.warn_of_images();
        }
        let own = match &attributes.style {
            Some(references) => self.referred(own, references),
            None => own,
        };
        let context = self.context(&attributes, own, parent, begin);
        // What the end of a sequence, or of one thing in it, follows from.
        let is_bounded = attributes.end.is_some() || attributes.dur.is_some();
        let mut last = if is_bounded {
            context.times.end
        } else {
            context.times.start
        };
        if context.style.is_hidden() || tag.empty {
            self.reader.raw(tag)?;
            return Ok(last);
        }
        // Some say it of the spans; it is one cue all the same.
        if let Some(paragraph) = paragraph {
            paragraph.context.region = paragraph.context.region.or(context.region);
        }
        let is_paragraph = tag.name() == "p" && paragraph.is_none();
        if is_paragraph {
            *paragraph = Some(Paragraph {
                id: attributes.id.into_owned(),
                line,
                context,
                runs: Vec::new(),
            });
        }
        let look = Look::of(&self.in_region(&context));
        let mut cursor = context.times.start;
        loop {
            match self.reader.next()? {
                Node::Start(inner) => match inner.name() {
                    "div" | "p" | "span" => {
                        let end = self.content(inner, &context, cursor, paragraph)?;
                        last = last.max(end);
                        if context.is_sequence {
                            cursor = end;
                        }
                    }
                    "br" => {
                        self.reader.raw(inner)?;
                        self.run(paragraph, &context, look, None);
                    }
                    name => {
                        if name == "image" {
                            self.warn_of_images();
                        }
                        self.reader.raw(inner)?;
                    }
                },
                Node::Text(text) => self.run(paragraph, &context, look, Some(xml::unescape(text))),
                Node::Literal(text) => self.run(paragraph, &context, look, Some(Cow::Borrowed(text))),
                Node::End | Node::Eof => break,
            }
        }
        if let Some(paragraph) = paragraph.take_if(|_| is_paragraph) {
            self.finish(&paragraph);
        }
        Ok(last)
    }

    fn context(
        &mut self,
        attributes: &Attributes<'a>,
        own: Style,
        parent: &Context,
        begin: MediaTime,
    ) -> Context {
        let time = |this: &mut Self, name: &str, value: Option<&str>| {
            let value = value?;
            let time = this.rates.time(value);
            if time.is_none() {
                this.warn(name, value);
            }
            time
        };
        let base = if parent.is_sequence {
            begin
        } else {
            parent.times.start
        };
        let start = base + time(self, "begin", attributes.begin).unwrap_or_default();
        let dur = time(self, "dur", attributes.dur).map(|dur| start + dur);
        let end = time(self, "end", attributes.end).map(|end| base + end);
        let end = parent
            .times
            .end
            .min(dur.unwrap_or(FOREVER))
            .min(end.unwrap_or(FOREVER));
        let region = attributes.region.as_ref().and_then(|id| {
            // Of those with the same id the first one is meant.
            let position = self.regions.iter().position(|region| region.id == *id);
            if position.is_none() {
                self.warn("region", id);
            }
            position
        });
        Context {
            times: TimeRange::new(start, end),
            is_sequence: attributes.container == Some("seq"),
            style: own.or_inherited(&parent.style),
            region: region.or(parent.region),
            is_preserved: attributes
                .space
                .map_or(parent.is_preserved, |space| space == "preserve"),
        }
    }

    /// Adds text to the paragraph that is open.
    fn run(
        &mut self,
        paragraph: &mut Option<Paragraph<'a>>,
        context: &Context,
        look: Look,
        text: Option<Cow<'a, str>>,
    ) {
        let Some(paragraph) = paragraph else { return };
        if context.times.end <= context.times.start || text.as_ref().is_some_and(|text| text.is_empty()) {
            return;
        }
        if paragraph.runs.len() >= MAX_RUNS {
            self.cues.warn_once(
                paragraph.line,
                "a paragraph has too many pieces: its end is left out",
            );
            return;
        }
        paragraph.runs.push(Run {
            times: context.times,
            look,
            text,
            is_preserved: context.is_preserved,
        });
    }

    fn finish(&mut self, paragraph: &Paragraph<'a>) {
        let Paragraph {
            id,
            line,
            context,
            runs,
        } = paragraph;
        let region = context.region.and_then(|region| self.regions.get(region));
        let style = self.in_region(context);
        let style = region.map_or(style, |region| style.or(&region.style));
        let settings = |lines| place::settings(&style, region.is_some(), lines);
        let place = settings(1);
        for payload in payloads(runs, &mut self.work) {
            let (start, end) = (payload.times.start, payload.times.end);
            // Paragraphs that share time and place follow each other as lines.
            let last = self.cues.cues.last_mut();
            if let Some(last) =
                last.filter(|last| last.start == start && last.end == end && self.place == place)
            {
                let lines = payload.lines + last.text.bytes().filter(|b| *b == b'\n').count() + 1;
                if lines <= MAX_SHARED {
                    last.text.push('\n');
                    last.text.push_str(&payload.text);
                    last.settings = settings(lines);
                    continue;
                }
            }
            let cue = TextCue {
                id: id.clone(),
                start,
                end,
                settings: settings(payload.lines),
                text: payload.text,
                region: None,
            };
            if !self.cues.push(cue) {
                self.work = 0;
            }
        }
        self.place = place;
        if self.work == 0 {
            self.cues.full(*line);
        }
    }

    /// What it looks like: a region passes its style on to what is in it.
    fn in_region(&self, context: &Context) -> Style {
        let region = context.region.and_then(|region| self.regions.get(region));
        let style = region.map_or(context.style, |region| context.style.or_inherited(&region.style));
        style.or_inherited(&self.initial)
    }

    /// What a style says, and what those say that it refers to: the last one first.
    fn referred(&self, style: Style, references: &str) -> Style {
        let mut referred = Style::default();
        for id in references.split_ascii_whitespace().take(MAX_REFERENCES) {
            if let Some(named) = self.styles.iter().find(|named| named.id == id) {
                referred = named.style.or(&referred);
            }
        }
        style.or(&referred)
    }

    fn attributes(&mut self, tag: Tag<'a>) -> (Attributes<'a>, Style) {
        let mut attributes = Attributes::default();
        let mut style = Style::default();
        for (name, value) in tag.attributes() {
            match xml::local(name) {
                "id" => attributes.id = xml::unescape(value.trim()),
                "begin" => attributes.begin = Some(value),
                "end" => attributes.end = Some(value),
                "dur" => attributes.dur = Some(value),
                "timeContainer" => attributes.container = Some(value),
                "region" => attributes.region = Some(xml::unescape(value.trim())),
                "style" => attributes.style = Some(xml::unescape(value)),
                "space" => attributes.space = Some(value),
                "backgroundImage" => attributes.image = true,
                name => {
                    if !style.set(name, value, &self.canvas) {
                        self.warn(name, value);
                    }
                }
            }
        }
        (attributes, style)
    }

    fn warn(&mut self, name: &str, value: &str) {
        let mut message = String::from("the attribute ");
        message.push_str(name);
        message.push_str(" is not understood: \"");
        message.push_str(&shown(value));
        message.push('"');
        let line = self.reader.line();
        self.cues.warn_once(line, &message);
    }

    fn warn_of_images(&mut self) {
        let line = self.reader.line();
        self.cues.warn_once(
            line,
            "it has images in place of text, which are not supported: they are left out",
        );
    }
}

/// UTF-8, or UTF-16 with a byte order mark. What is malformed becomes U+FFFD.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let (big, rest) = match bytes {
        [0xfe, 0xff, rest @ ..] => (true, rest),
        [0xff, 0xfe, rest @ ..] => (false, rest),
        _ => return String::from_utf8_lossy(bytes),
    };
    let units = rest.chunks_exact(2).map(|two| {
        let two = [
            two.first().copied().unwrap_or(0),
            two.last().copied().unwrap_or(0),
        ];
        if big {
            u16::from_be_bytes(two)
        } else {
            u16::from_le_bytes(two)
        }
    });
    let chars = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
    Cow::Owned(chars.collect())
}

/// A web page begins so.
fn is_html(text: &str) -> bool {
    let text = text.trim_start();
    let begins = |html: &str| {
        text.get(..html.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(html))
    };
    begins("<html") || begins("<!doctype html")
}

/// The beginning of a text, for people.
fn shown(text: &str) -> String {
    let chars = text.trim_start().chars().take(40);
    chars.map(|c| if c.is_control() { ' ' } else { c }).collect()
}
