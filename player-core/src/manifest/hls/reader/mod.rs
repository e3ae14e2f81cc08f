//! The lines of a media playlist, in their order, as segments and parts whose place, number and context are worked out.
//!
//! A [`Reader`] borrows the text and copies nothing of it; what concerns the whole playlist gathers in [`Reader::tags`]. The engine
//! makes its index of it, and reports say everything that it read.

mod whole;

use std::borrow::Cow;

use memchr::memchr_iter;
use scan::{Kind, Line};

use super::define::{Definition, Variables};
use super::items::{Item, MediaSegment, Part, Tags, Tiles};
use super::key::{self, Key};
use super::lexer::{attributes, byte_range, seconds};
use super::warnings::{MAX_WARNINGS, Warnings};
use crate::manifest::{MAX_ENTRIES, MAX_LINE, ManifestError, datetime};
use crate::presentation::{Protection, Resource, SegmentIndex, Warning};
use crate::time::{MediaTime, WallTime};
use crate::url;

/// The most date ranges, rendition reports and definitions, each.
const MAX_TAGS: usize = 10_000;

/// The most bytes of keys that go on while others change: each set of keys has its own copy.
const MAX_CARRIED: usize = 32 * 1024 * 1024;
/// So many initialization sections and keys are known again.
const REMEMBERED: usize = 256;
/// The highest sequence number that is believed: counting on from it does not overflow.
const MAX_NUMBER: u64 = 1 << 62;

/// Where a reader is, to go on from there later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u64,
    pub(super) start: MediaTime,
    pub(super) discontinuity: u64,
    pub(super) init: u32,
    pub(super) keys: u32,
    pub(super) kbps: u32,
    /// End of the last byte range, which the next one without an offset goes on from if its resource is the same.
    range_end: Option<u64>,
}

/// See the module's text.
#[derive(Debug)]
pub struct Reader<'a> {
    /// What was read of the whole so far.
    pub tags: Tags,
    /// Initialization sections.
    pub inits: Vec<Resource>,
    /// Keys: for each set, the ways to get at it.
    pub keys: Vec<Vec<Protection>>,
    bytes: &'a [u8],
    base: &'a str,
    at: usize,
    imported: Option<&'a [(String, String)]>,
    variables: Variables,
    wants_parts: bool,
    /// The version before, for what a delta update skips.
    before: Option<&'a SegmentIndex>,
    /// What concerns the whole has been read already.
    again: bool,
    /// See [`Self::without_skipped`].
    without_skipped: bool,
    has_parts: bool,
    skips_unknown: bool,
    /// Segments read.
    count: usize,
    /// Bytes of keys that went on.
    carried: usize,
    place: Place,
    next: Next<'a>,
    /// Bytes and messages.
    warnings: Vec<(usize, String)>,
}

/// What has been said of the segment that comes next.
#[derive(Debug, Default)]
struct Next<'a> {
    duration: Option<MediaTime>,
    title: &'a str,
    range: Option<&'a str>,
    gap: bool,
    discontinuous: bool,
    wall: Option<WallTime>,
    tiles: &'a str,
    parts: usize,
    parts_s: MediaTime,
    part_range: Option<(String, u64)>,
    /// Resource of the last byte range; nothing if it was read before.
    ranged: Option<&'a str>,
}

impl Place {
    /// Before a segment.
    pub(super) fn before(segment: &MediaSegment<'_>) -> Self {
        Self {
            number: segment.number,
            start: segment.start,
            discontinuity: segment.discontinuity,
            kbps: segment.kbps,
            ..Self::default()
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads a media playlist that was fetched from `base`. Parts are passed over unless they are wanted.
    /// `imported` are the variables of the multivariant playlist that led to it.
    pub fn new(
        bytes: &'a [u8],
        base: &'a str,
        imported: Option<&'a [(String, String)]>,
        wants_parts: bool,
    ) -> Self {
        Self {
            tags: Tags {
                version: 1,
                ..Tags::default()
            },
            inits: Vec::new(),
            keys: Vec::new(),
            bytes,
            base,
            at: 0,
            imported,
            variables: Variables::default(),
            wants_parts,
            before: None,
            again: false,
            without_skipped: false,
            has_parts: false,
            skips_unknown: false,
            count: 0,
            carried: 0,
            place: Place::default(),
            next: Next::default(),
            warnings: Vec::new(),
        }
    }

    /// The next segment or part, or the end.
    ///
    /// # Errors
    /// If a limit is exceeded.
    #[allow(clippy::should_implement_trait, reason = "it may fail")]
    pub fn next(&mut self) -> Result<Option<Item<'a>>, ManifestError> {
        while let Some((at, line, text)) = self.line()? {
            if self.skips_unknown {
                return Err(ManifestError::Delta);
            }
            let value = text.get(line.colon - line.start + 1..).unwrap_or_default();
            match line.kind {
                Kind::Uri => {
                    if let Some(segment) = self.segment(at, text)? {
                        return Ok(Some(Item::Segment(segment)));
                    }
                }
                Kind::Inf => self.extinf(at, value),
                Kind::Date => self.date(at, value),
                Kind::Part => {
                    if let Some(part) = self.part(at, value) {
                        return Ok(Some(Item::Part(part)));
                    }
                }
                Kind::Tag => {
                    let name = text.get(1..line.colon - line.start).unwrap_or_default();
                    if !self.segment_tag(at, name, value) && !self.playlist_tag(at, name, value) {
                        return Ok(Some(Item::Other { at, name, value }));
                    }
                }
                Kind::Blank | Kind::Comment => {}
            }
        }
        Ok(None)
    }

    /// Reads a delta update by itself, instead of failing: the timeline begins with the first segment that is not skipped, and what
    /// applies to it from those before is not known.
    pub const fn without_skipped(&mut self) {
        self.without_skipped = true;
    }

    /// Variables that were defined so far (`EXT-X-DEFINE`); their lines are not kept.
    pub fn definitions(&self) -> &[Definition] {
        self.variables.list()
    }

    /// How many bytes were read.
    pub(super) const fn offset(&self) -> usize {
        self.at
    }

    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// Another one of the same text, from a place on, with parts.
    pub(super) fn again(&self, offset: usize, place: Place) -> Self {
        let mut again = Self::new(self.bytes, self.base, self.imported, true);
        again.variables.clone_from(&self.variables);
        again.tags.part_target = self.tags.part_target;
        // So that they have the same places there.
        again.inits.clone_from(&self.inits);
        again.keys.clone_from(&self.keys);
        again.again = true;
        again.jump(offset, place);
        again
    }

    /// What URIs are resolved against.
    pub(super) const fn base(&self) -> &'a str {
        self.base
    }

    /// There was a part among what was read.
    pub(super) const fn saw_parts(&self) -> bool {
        self.has_parts
    }

    /// The text is a newer version of what an index was made of.
    pub(super) fn continues(&mut self, before: &'a SegmentIndex) {
        self.inits.clone_from(&before.inits);
        self.keys.clone_from(&before.keys);
        self.before = Some(before);
    }

    /// The timeline begins so much later.
    pub(super) fn shift(&mut self, by: MediaTime) {
        self.place.start += by;
    }

    /// Goes on at another place of the text.
    pub(super) fn jump(&mut self, offset: usize, place: Place) {
        self.at = offset;
        self.place = place;
        self.next = Next::default();
    }

    /// The next segment; parts and what is not known are passed over.
    pub(super) fn next_segment(&mut self) -> Result<Option<MediaSegment<'a>>, ManifestError> {
        while let Some(item) = self.next()? {
            if let Item::Segment(segment) = item {
                return Ok(Some(segment));
            }
        }
        Ok(None)
    }

    /// Takes over what another reader of the same text found odd, but for what this one found, too.
    pub(super) fn take_warnings(&mut self, other: Self) {
        for (at, message) in other.warnings {
            if !self
                .warnings
                .iter()
                .any(|(known, text)| *known == at && *text == message)
            {
                self.warn(at, message);
            }
        }
    }

    /// What was odd.
    pub fn warnings(&mut self) -> Vec<Warning> {
        let mut lines = Lines::new(self.bytes);
        let warnings = core::mem::take(&mut self.warnings).into_iter();
        warnings
            .map(|(at, message)| Warning {
                line: lines.of(at),
                message,
            })
            .collect()
    }

    pub(super) fn warn(&mut self, at: usize, message: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push((at, message));
        }
    }

    /// The next line that is not blank: where it begins, its parts, and its text.
    fn line(&mut self) -> Result<Option<(usize, Line, &'a str)>, ManifestError> {
        loop {
            let at = self.at;
            let Some(line) = scan::line(self.bytes, at) else {
                return Ok(None);
            };
            self.at = line.next;
            if line.end - line.start > MAX_LINE {
                return Err(ManifestError::Limit {
                    line: Lines::new(self.bytes).of(at),
                    what: "a line is too long",
                    limit: MAX_LINE,
                });
            }
            // Parts are most of a low-latency playlist: they are passed over at once.
            if line.kind == Kind::Part && !self.wants_parts && line.colon < line.end {
                self.has_parts = true;
                continue;
            }
            if line.kind != Kind::Blank {
                let text = self.bytes.get(line.start..line.end).unwrap_or_default();
                let text = core::str::from_utf8(text).map_err(|_| ManifestError::Encoding)?;
                return Ok(Some((at, line, text)));
            }
        }
    }

    fn extinf(&mut self, at: usize, value: &'a str) {
        let comma = scan::find(b',', value.as_bytes()).unwrap_or(value.len());
        let text = value.get(..comma).unwrap_or_default();
        let title = value.get(comma + 1..).unwrap_or_default();
        self.next.duration = seconds(text);
        self.next.title = title.trim_ascii();
        match self.next.duration {
            None => self.warn(at, format!("\"{text}\" is no duration: the segment is skipped")),
            Some(MediaTime::ZERO) => {
                self.warn(at, "a segment without duration is skipped".into());
                self.next.duration = None;
            }
            Some(_) => {}
        }
    }

    fn date(&mut self, at: usize, value: &str) {
        self.next.wall = datetime::parse(value);
        if self.next.wall.is_none() {
            self.warn(at, format!("\"{value}\" is no date"));
        }
    }

    fn segment(&mut self, at: usize, uri: &'a str) -> Result<Option<MediaSegment<'a>>, ManifestError> {
        let next = core::mem::take(&mut self.next);
        let Some(duration) = next.duration else {
            self.warn(at, "a URI without EXTINF is skipped".into());
            // Its discontinuity and wall clock concern what comes after it, too.
            self.next.discontinuous = next.discontinuous;
            return Ok(None);
        };
        self.count += 1;
        if self.count > MAX_ENTRIES {
            return Err(ManifestError::Limit {
                line: Lines::new(self.bytes).of(at),
                what: "too many segments",
                limit: MAX_ENTRIES,
            });
        }
        let mut gap = next.gap;
        let mut range = None;
        if let Some(text) = next.range {
            let follows = self
                .place
                .range_end
                .filter(|_| next.ranged.is_none_or(|ranged| ranged == uri));
            range = byte_range(text, follows);
            if range.is_none() {
                self.warn(
                    at,
                    format!("the byte range \"{text}\" is not valid: the segment is not there"),
                );
                gap = true;
            }
        }
        let mut usable = Cow::Borrowed(uri);
        if !scan::is_path(uri.as_bytes()) {
            usable = self.expand(at, uri);
            if let Err(error) = check(self.base, &usable) {
                self.warn(at, format!("{error}: the segment is not there"));
                (gap, usable) = (true, Cow::Borrowed(""));
            }
        }
        self.place.range_end = range.map(|range| range.offset + range.length);
        self.next.ranged = range.map(|_| uri);
        self.next.part_range = next.part_range;
        let segment = MediaSegment {
            number: self.place.number,
            uri: usable,
            start: self.place.start,
            duration,
            title: next.title,
            range,
            discontinuity: self.place.discontinuity,
            discontinuous: next.discontinuous,
            gap,
            kbps: if range.is_some() { 0 } else { self.place.kbps },
            wall: next.wall,
            init: (self.place.init as usize).checked_sub(1),
            keys: (self.place.keys as usize).checked_sub(1),
            tiles: next.tiles,
            at,
        };
        self.place.number = self.place.number.saturating_add(1);
        self.place.start += duration;
        Ok(Some(segment))
    }

    fn part(&mut self, at: usize, list: &'a str) -> Option<Part<'a>> {
        let expanded = self.expand(at, list);
        let mut part = Part {
            number: self.place.number,
            index: self.next.parts,
            start: self.place.start + self.next.parts_s,
            discontinuity: self.place.discontinuity,
            init: (self.place.init as usize).checked_sub(1),
            keys: (self.place.keys as usize).checked_sub(1),
            at,
            ..Part::default()
        };
        let (mut uri, mut duration, mut range) = ("", None, None);
        for (name, value) in attributes(&expanded) {
            match name {
                "URI" => uri = value,
                "DURATION" => duration = seconds(value),
                "BYTERANGE" => range = Some(value),
                "INDEPENDENT" => part.independent = value == "YES",
                "GAP" => part.gap = value == "YES",
                _ => {}
            }
        }
        self.next.parts += 1;
        let Some(duration) = duration else {
            self.warn(at, "a part without a duration is skipped".into());
            return None;
        };
        part.duration = duration;
        self.next.parts_s += duration;
        if self.tags.part_target.is_none() {
            self.warn(at, "EXT-X-PART without EXT-X-PART-INF".into());
            // Once is enough.
            self.tags.part_target = Some(duration);
        }
        if let Err(error) = check(self.base, uri) {
            self.warn(at, format!("{error}: the part is skipped"));
            return None;
        }
        if let Some(text) = range {
            let follows = self.next.part_range.as_ref().filter(|(before, _)| before == uri);
            part.range = byte_range(text, follows.map(|(_, end)| *end));
            let Some(range) = part.range else {
                self.warn(
                    at,
                    format!("the byte range \"{text}\" is not valid: the part is skipped"),
                );
                return None;
            };
            self.next.part_range = Some((uri.to_owned(), range.offset + range.length));
        }
        part.uri = match &expanded {
            // The text lives as long as the part.
            Cow::Borrowed(_) => attributes(list)
                .find(|(name, _)| *name == "URI")
                .map_or(Cow::Borrowed(""), |(_, uri)| Cow::Borrowed(uri)),
            Cow::Owned(_) => Cow::Owned(uri.to_owned()),
        };
        Some(part)
    }

    /// A text with its variables replaced; one that cannot be stays as it is.
    #[inline]
    fn expand(&mut self, at: usize, text: &'a str) -> Cow<'a, str> {
        match self.variables.expand(text) {
            Ok(text) => text,
            Err(why) => {
                let (what, about) = why.message();
                self.warn(at, format!("{what}: \"{about}\""));
                Cow::Borrowed(text)
            }
        }
    }

    /// Takes over warnings of others, about a line.
    fn warn_all(&mut self, at: usize, warnings: Warnings) {
        for warning in warnings.into_list() {
            self.warn(at, warning.message);
        }
    }

    /// Tags of the segments that follow; says whether it was one.
    fn segment_tag(&mut self, at: usize, name: &str, value: &'a str) -> bool {
        match name {
            "EXT-X-MAP" => {
                let list = self.expand(at, value);
                self.map(at, &list);
            }
            "EXT-X-BYTERANGE" => self.next.range = Some(value),
            "EXT-X-GAP" => self.next.gap = true,
            "EXT-X-TILES" => {
                self.next.tiles = value;
                self.tags.tiles = self.tags.tiles.or_else(|| Tiles::read(value));
            }
            "EXT-X-DISCONTINUITY" => {
                self.next.discontinuous = true;
                self.place.discontinuity = self.place.discontinuity.saturating_add(1);
            }
            "EXT-X-BITRATE" => self.place.kbps = value.trim_ascii().parse().unwrap_or(0),
            "EXT-X-KEY" => self.key(at, value),
            _ => return false,
        }
        true
    }

    fn map(&mut self, at: usize, list: &str) {
        let (mut uri, mut range) = (None, None);
        for (name, value) in attributes(list) {
            match name {
                "URI" => uri = Some(value),
                "BYTERANGE" => range = byte_range(value, Some(0)),
                _ => {}
            }
        }
        let resolved = uri.ok_or("it has no URI".to_owned());
        let resolved =
            resolved.and_then(|uri| url::resolve(self.base, uri).map_err(|error| error.to_string()));
        match resolved {
            Ok(url) => {
                let init = Resource { url, range };
                self.place.init = 1 + place_of(&mut self.inits, init);
            }
            Err(error) => self.warn(at, format!("EXT-X-MAP is ignored: {error}")),
        }
    }

    fn key(&mut self, at: usize, list: &str) {
        let mut warnings = Warnings::default();
        // What is not known of a key is the key system's.
        let key = key::read(0, list, self.base, &self.variables, &mut warnings, &mut |_, _| {});
        self.warn_all(at, warnings);
        let (mut set, mut too_many) = (Vec::new(), false);
        match key {
            Key::Clear => {
                self.place.keys = 0;
                return;
            }
            Key::Unusable => {}
            Key::Protected(key) => {
                if let Some(before) = (self.place.keys as usize)
                    .checked_sub(1)
                    .and_then(|i| self.keys.get(i))
                {
                    // Each key format has its own key: the others go on.
                    let others = before.iter().filter(|other| other.scheme != key.scheme);
                    let bytes = |key: &Protection| size_of::<Protection>() + key.url.len() + key.scheme.len();
                    self.carried += others.clone().map(bytes).sum::<usize>();
                    if self.carried <= MAX_CARRIED {
                        set.extend(others.cloned());
                    } else {
                        too_many = true;
                    }
                }
                set.push(*key);
            }
        }
        if too_many {
            self.warn(at, "there are too many keys: only this one is kept".into());
        }
        // Without a way to get at the key it is encrypted all the same.
        self.place.keys = 1 + place_of(&mut self.keys, set);
    }
}

/// Line numbers of rising offsets.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
}

impl<'a> Lines<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            line: 1,
        }
    }

    fn of(&mut self, at: usize) -> u32 {
        if at < self.at {
            (self.at, self.line) = (0, 1);
        }
        let passed = self.bytes.get(self.at..at).unwrap_or_default();
        self.line += memchr_iter(b'\n', passed).count() as u32;
        self.at = at;
        self.line
    }
}

/// Where a value is in a list, to which it is added if it is not there yet.
fn place_of<T: PartialEq>(list: &mut Vec<T>, value: T) -> u32 {
    // Mostly the last one again. One that was long ago may be listed twice: the time is bounded.
    let far = list.len().saturating_sub(REMEMBERED);
    let near = list.get(far..).unwrap_or_default();
    let found = near.iter().rposition(|other| *other == value);
    found.map_or_else(
        || {
            list.push(value);
            list.len() - 1
        },
        |at| far + at,
    ) as u32
}

/// Whether a reference can be resolved; a relative path always can.
fn check(base: &str, uri: &str) -> Result<(), String> {
    if !scan::is_path(uri.as_bytes()) {
        url::resolve(base, uri).map_err(|error| error.to_string())?;
    }
    if uri.is_empty() {
        return Err("there is no URI".into());
    }
    Ok(())
}
