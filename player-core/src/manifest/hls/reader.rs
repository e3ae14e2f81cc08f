//! The lines of a media playlist, in their order, as segments and parts whose place, number and context are worked out.
//!
//! A [`Reader`] borrows the text and copies nothing of it; what concerns the whole playlist gathers in [`Reader::tags`]. The engine
//! makes its index of it, and reports say everything that it read.

use std::borrow::Cow;

use memchr::memchr_iter;
use scan::{Kind, Line};

use super::define::{Definition, Variables};
use super::key::{self, Key};
use super::lexer::{attributes, byte_range, seconds};
use super::warnings::{MAX_WARNINGS, Warnings};
use crate::manifest::{MAX_ENTRIES, MAX_LINE, ManifestError, datetime};
use crate::presentation::{DateRange, Protection, Resource, SegmentIndex, Warning};
use crate::time::{ByteRange, MediaTime, WallTime};
use crate::url;

/// The most date ranges, rendition reports and definitions, each.
const MAX_TAGS: usize = 10_000;

/// The most bytes of keys that go on while others change: each set of keys has its own copy.
const MAX_CARRIED: usize = 32 * 1024 * 1024;
/// So many initialization sections and keys are known again.
const REMEMBERED: usize = 256;
/// The highest sequence number that is believed: counting on from it does not overflow.
const MAX_NUMBER: u64 = 1 << 62;

/// A line that means something for the timeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// A media segment.
    Segment(MediaSegment<'a>),
    /// A partial segment (`EXT-X-PART`), which belongs to the segment that follows.
    Part(Part<'a>),
    /// A tag that is not known, and what follows its colon.
    Other {
        /// Where the line begins, bytes.
        at: usize,
        /// Without the `#`.
        name: &'a str,
        /// As written.
        value: &'a str,
    },
}

/// A media segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaSegment<'a> {
    /// Media sequence number.
    pub number: u64,
    /// With its variables replaced; empty if it cannot be resolved.
    pub uri: Cow<'a, str>,
    /// Where it starts, from the start of the first one.
    pub start: MediaTime,
    /// Its duration.
    pub duration: MediaTime,
    /// Title (`EXTINF`); empty if it has none.
    pub title: &'a str,
    /// Only these bytes.
    pub range: Option<ByteRange>,
    /// Discontinuity sequence number.
    pub discontinuity: u64,
    /// `EXT-X-DISCONTINUITY` precedes it.
    pub discontinuous: bool,
    /// It is missing (`EXT-X-GAP`).
    pub gap: bool,
    /// Declared bitrate (`EXT-X-BITRATE`), kbit/s; 0 if none.
    pub kbps: u32,
    /// Declared wall-clock time of its start (`EXT-X-PROGRAM-DATE-TIME`).
    pub wall: Option<WallTime>,
    /// Which of [`Reader::inits`] it needs first.
    pub init: Option<usize>,
    /// Which of [`Reader::keys`] it is encrypted with.
    pub keys: Option<usize>,
    /// Tiles of an image playlist (`EXT-X-TILES`), as written; empty if none.
    pub tiles: &'a str,
    /// Where its line with the URI begins, bytes.
    pub at: usize,
}

/// A partial segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part<'a> {
    /// Media sequence number of its segment.
    pub number: u64,
    /// Its place in the segment, from 0.
    pub index: usize,
    /// With its variables replaced.
    pub uri: Cow<'a, str>,
    /// Where it starts, from the start of the first segment.
    pub start: MediaTime,
    /// Its duration.
    pub duration: MediaTime,
    /// Only these bytes.
    pub range: Option<ByteRange>,
    /// Decoding may begin here.
    pub independent: bool,
    /// It is missing.
    pub gap: bool,
    /// Where its line begins, bytes.
    pub at: usize,
}

/// What concerns a whole media playlist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tags {
    /// `EXT-X-VERSION`; 1 if not declared.
    pub version: u32,
    /// `EXT-X-TARGETDURATION`: no segment is longer, rounded.
    pub target_duration: Option<MediaTime>,
    /// `EXT-X-PART-INF`: no part is longer.
    pub part_target: Option<MediaTime>,
    /// `EXT-X-MEDIA-SEQUENCE`: number of the first segment.
    pub media_sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: u64,
    /// `EXT-X-PLAYLIST-TYPE`: `VOD` or `EVENT`; empty if not declared.
    pub playlist_type: String,
    /// `EXT-X-ENDLIST`: it will not grow.
    pub ended: bool,
    /// `EXT-X-I-FRAMES-ONLY`: each segment is one picture.
    pub i_frames_only: bool,
    /// `EXT-X-IMAGES-ONLY`: each segment is an image of tiles.
    pub images_only: bool,
    /// `EXT-X-INDEPENDENT-SEGMENTS`: every segment can be decoded by itself.
    pub independent_segments: bool,
    /// `EXT-X-START`: where to begin, from the start or from the end if negative, and whether exactly there.
    pub start: Option<(MediaTime, bool)>,
    /// `EXT-X-SERVER-CONTROL`.
    pub server_control: ServerControl,
    /// `EXT-X-SKIP`: how many segments of the version before are not repeated.
    pub skipped: Option<u64>,
    /// Ids of date ranges that were dropped (`RECENTLY-REMOVED-DATERANGES`).
    pub removed_date_ranges: Vec<String>,
    /// `EXT-X-DATERANGE`.
    pub date_ranges: Vec<DateRange>,
    /// `EXT-X-PRELOAD-HINT`.
    pub preload_hints: Vec<PreloadHint>,
    /// `EXT-X-RENDITION-REPORT`.
    pub rendition_reports: Vec<RenditionReport>,
    /// The first `EXT-X-TILES`: images have the same grid throughout.
    pub tiles: Option<Tiles>,
}

/// `EXT-X-TILES` of the Image Media Playlist specification: an image is a grid of tiles, which follow each other in time from left to
/// right and from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Width and height of a tile, pixels, if declared (`RESOLUTION`).
    pub resolution: Option<(u32, u32)>,
    /// Columns and rows (`LAYOUT`); at least one of each.
    pub layout: (u32, u32),
    /// How long a tile is shown, if declared (`DURATION`); else tiles have equal shares of their image's time.
    pub duration: Option<MediaTime>,
}

impl Tiles {
    /// Reads the attributes of the tag; `None` if it has no `LAYOUT` that can be used.
    pub fn read(list: &str) -> Option<Self> {
        let (mut resolution, mut layout, mut duration) = (None, None, None);
        for (name, value) in attributes(list) {
            let pair = || {
                let (across, down) = value.split_once(['x', 'X'])?;
                let (across, down): (u32, u32) = (across.parse().ok()?, down.parse().ok()?);
                (across > 0 && down > 0).then_some((across, down))
            };
            match name {
                "RESOLUTION" => resolution = pair(),
                "LAYOUT" => layout = pair().filter(|(columns, rows)| *columns.max(rows) <= 1000),
                "DURATION" => duration = seconds(value).filter(|duration| *duration > MediaTime::ZERO),
                _ => {}
            }
        }
        layout.map(|layout| Self {
            resolution,
            layout,
            duration,
        })
    }
}

impl Tags {
    /// It was said before the first segment that it will not grow.
    pub(super) fn ended_early(&self) -> bool {
        self.playlist_type == "VOD"
    }
}

/// `EXT-X-SERVER-CONTROL`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerControl {
    /// The server answers a request for a version to come when it is there.
    pub can_block_reload: bool,
    /// Delta updates skip segments that are older than this.
    pub can_skip_until: Option<MediaTime>,
    /// They skip date ranges, too.
    pub can_skip_date_ranges: bool,
    /// How far behind the end to play.
    pub hold_back: Option<MediaTime>,
    /// The same with parts.
    pub part_hold_back: Option<MediaTime>,
}

/// What will be needed next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreloadHint {
    /// An initialization section, not a part.
    pub is_map: bool,
    /// Absolute URL.
    pub url: String,
    /// First byte of it.
    pub start: u64,
    /// How many bytes; to the end if not declared.
    pub length: Option<u64>,
}

/// How far another rendition is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenditionReport {
    /// Absolute URL of its playlist.
    pub url: String,
    /// Its last segment, complete or not.
    pub last_number: Option<u64>,
    /// The last part of that.
    pub last_part: Option<u64>,
}

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

    /// Tags of the whole playlist; says whether it was one.
    fn playlist_tag(&mut self, at: usize, name: &str, value: &'a str) -> bool {
        match name {
            _ if self.again => {}
            "EXTM3U" => {}
            "EXT-X-VERSION" => self.tags.version = value.trim_ascii().parse().unwrap_or(1),
            "EXT-X-TARGETDURATION" => {
                let target = seconds(value).filter(|target| *target > MediaTime::ZERO);
                if target.is_none() {
                    self.warn(at, format!("\"{value}\" is no target duration"));
                }
                self.tags.target_duration = self.tags.target_duration.or(target);
            }
            "EXT-X-MEDIA-SEQUENCE" => match value.trim_ascii().parse() {
                Ok(number) if self.place.start == MediaTime::ZERO && number <= MAX_NUMBER => {
                    self.tags.media_sequence = number;
                    self.place.number = number;
                }
                _ => self.warn(at, format!("EXT-X-MEDIA-SEQUENCE:{value} is ignored")),
            },
            "EXT-X-DISCONTINUITY-SEQUENCE" => match value.trim_ascii().parse() {
                Ok(number)
                    if self.place.start == MediaTime::ZERO
                        && !self.next.discontinuous
                        && number <= MAX_NUMBER =>
                {
                    self.tags.discontinuity_sequence = number;
                    self.place.discontinuity = number;
                }
                _ => self.warn(at, format!("EXT-X-DISCONTINUITY-SEQUENCE:{value} is ignored")),
            },
            "EXT-X-PLAYLIST-TYPE" => self.tags.playlist_type = value.trim_ascii().to_owned(),
            "EXT-X-ENDLIST" => self.tags.ended = true,
            "EXT-X-I-FRAMES-ONLY" => self.tags.i_frames_only = true,
            "EXT-X-IMAGES-ONLY" => self.tags.images_only = true,
            "EXT-X-INDEPENDENT-SEGMENTS" => self.tags.independent_segments = true,
            "EXT-X-PART-INF" => {
                let target = attributes(value).find(|(name, _)| *name == "PART-TARGET");
                self.tags.part_target = target.and_then(|(_, value)| seconds(value));
            }
            "EXT-X-START" => self.tags.start = start(value),
            "EXT-X-SERVER-CONTROL" => self.tags.server_control = server_control(value),
            "EXT-X-SKIP" => self.skip(at, value),
            "EXT-X-DATERANGE" => match date_range(&self.expand(at, value)) {
                Some(range) if self.tags.date_ranges.len() < MAX_TAGS => self.tags.date_ranges.push(range),
                Some(_) => self.warn(at, "too many date ranges".into()),
                None => self.warn(at, "EXT-X-DATERANGE without an ID is ignored".into()),
            },
            "EXT-X-PRELOAD-HINT" => {
                let list = self.expand(at, value);
                self.preload_hint(at, &list);
            }
            "EXT-X-RENDITION-REPORT" => {
                let list = self.expand(at, value);
                self.rendition_report(at, &list);
            }
            "EXT-X-DEFINE" => {
                let mut warnings = Warnings::default();
                self.variables
                    .define(0, value, self.base, self.imported, &mut warnings);
                self.warn_all(at, warnings);
            }
            "EXT-X-ALLOW-CACHE" => {}
            _ => return false,
        }
        true
    }

    fn skip(&mut self, at: usize, list: &str) {
        for (name, value) in attributes(list) {
            match name {
                "SKIPPED-SEGMENTS" => self.tags.skipped = value.parse().ok(),
                "RECENTLY-REMOVED-DATERANGES" => {
                    let ids = value.split('\t').take(MAX_TAGS).map(ToOwned::to_owned);
                    self.tags.removed_date_ranges = ids.collect();
                }
                _ => {}
            }
        }
        let Some(skipped) = self.tags.skipped.filter(|skipped| *skipped > 0) else {
            return self.warn(at, "EXT-X-SKIP without SKIPPED-SEGMENTS is ignored".into());
        };
        self.place.number = self.place.number.saturating_add(skipped);
        // What applies to the last segment that is skipped goes on.
        let last = self.before.and_then(|before| {
            let position = self
                .place
                .number
                .checked_sub(1)?
                .checked_sub(before.numbers().0)?;
            before.entry(usize::try_from(position).ok()?)
        });
        match last {
            Some(last) => {
                self.place.start = last.start + last.duration;
                self.place.discontinuity = last.context.discontinuity;
                self.place.init = last.context.init;
                self.place.keys = last.context.keys;
                self.place.kbps = last.context.kbps;
                self.place.range_end = last.range.map(|range| range.offset + range.length);
            }
            None => self.skips_unknown = !self.without_skipped,
        }
    }

    fn preload_hint(&mut self, at: usize, list: &str) {
        let mut hint = PreloadHint::default();
        let mut uri = None;
        for (name, value) in attributes(list) {
            match name {
                "TYPE" => hint.is_map = value == "MAP",
                "URI" => uri = Some(value),
                "BYTERANGE-START" => hint.start = value.parse().unwrap_or(0),
                "BYTERANGE-LENGTH" => hint.length = value.parse().ok(),
                _ => {}
            }
        }
        match uri.map(|uri| url::resolve(self.base, uri)) {
            Some(Ok(url)) => {
                hint.url = url;
                // One of each type.
                self.tags
                    .preload_hints
                    .retain(|other| other.is_map != hint.is_map);
                self.tags.preload_hints.push(hint);
            }
            _ => self.warn(at, "EXT-X-PRELOAD-HINT without a usable URI is ignored".into()),
        }
    }

    fn rendition_report(&mut self, at: usize, list: &str) {
        let mut report = RenditionReport::default();
        let mut uri = None;
        for (name, value) in attributes(list) {
            match name {
                "URI" => uri = Some(value),
                "LAST-MSN" => report.last_number = value.parse().ok(),
                "LAST-PART" => report.last_part = value.parse().ok(),
                _ => {}
            }
        }
        match uri.map(|uri| url::resolve(self.base, uri)) {
            Some(Ok(url)) if self.tags.rendition_reports.len() < MAX_TAGS => {
                report.url = url;
                self.tags.rendition_reports.push(report);
            }
            _ => self.warn(
                at,
                "EXT-X-RENDITION-REPORT without a usable URI is ignored".into(),
            ),
        }
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

fn start(list: &str) -> Option<(MediaTime, bool)> {
    let (mut offset, mut precise) = (None, false);
    for (name, value) in attributes(list) {
        match name {
            "TIME-OFFSET" => offset = signed_seconds(value),
            "PRECISE" => precise = value == "YES",
            _ => {}
        }
    }
    Some((offset?, precise))
}

fn signed_seconds(text: &str) -> Option<MediaTime> {
    match text.strip_prefix('-') {
        Some(rest) => Some(-seconds(rest)?),
        None => seconds(text),
    }
}

fn server_control(list: &str) -> ServerControl {
    let mut control = ServerControl::default();
    for (name, value) in attributes(list) {
        match name {
            "CAN-BLOCK-RELOAD" => control.can_block_reload = value == "YES",
            "CAN-SKIP-UNTIL" => control.can_skip_until = seconds(value),
            "CAN-SKIP-DATERANGES" => control.can_skip_date_ranges = value == "YES",
            "HOLD-BACK" => control.hold_back = seconds(value),
            "PART-HOLD-BACK" => control.part_hold_back = seconds(value),
            _ => {}
        }
    }
    control
}

fn date_range(list: &str) -> Option<DateRange> {
    let mut range = DateRange::default();
    for (name, value) in attributes(list) {
        match name {
            "ID" => value.clone_into(&mut range.id),
            "CLASS" => value.clone_into(&mut range.class),
            "START-DATE" => range.start = datetime::parse(value),
            "END-DATE" => range.end = datetime::parse(value),
            "DURATION" => range.duration = seconds(value),
            "PLANNED-DURATION" => range.planned_duration = seconds(value),
            "END-ON-NEXT" => range.end_on_next = value == "YES",
            "CUE" => value.clone_into(&mut range.cue),
            _ => range.attributes.push((name.to_owned(), value.to_owned())),
        }
    }
    (!range.id.is_empty()).then_some(range)
}
