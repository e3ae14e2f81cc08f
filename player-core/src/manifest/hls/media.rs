//! Media playlists: their segments as an index, and what was declared of the whole. A newer version of a live playlist is taken
//! over in place: what it repeats is neither read nor kept twice.

use std::collections::VecDeque;

use super::items::{Item, MediaSegment, Part as PartLine, Tags};
use super::reader::{Place, Reader};
use crate::manifest::{ManifestError, as_text, protocol_of};
use crate::presentation::{BLOCK, Context, DateRange, Protocol, Resource, SegmentIndex, Warning};
use crate::time::MediaTime;
use crate::url;

/// A media playlist.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaPlaylist {
    /// Its segments.
    pub index: SegmentIndex,
    /// Type of the container, as its segments suggest it: `video/mp4`, `video/mp2t`, `audio/aac`, …
    pub container: &'static str,
    /// What was declared of the whole.
    pub tags: Tags,
    /// The parts near its end, in order.
    pub parts: Vec<Part>,
    /// What was odd.
    pub warnings: Vec<Warning>,
    /// Where it was fetched from.
    url: String,
    /// Variables of the multivariant playlist that led to it.
    imported: Option<Vec<(String, String)>>,
    marks: Marks,
}

/// A partial segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Media sequence number of its segment.
    pub number: u64,
    /// Its place in the segment, from 0.
    pub index: usize,
    /// Where it starts on the presentation timeline.
    pub start: MediaTime,
    /// Its duration.
    pub duration: MediaTime,
    /// What to fetch.
    pub resource: Resource,
    /// Decoding may begin here.
    pub independent: bool,
    /// It is missing.
    pub gap: bool,
    /// Discontinuity sequence number.
    pub discontinuity: u64,
    /// Which of the index's initialization sections it needs first.
    pub init: Option<usize>,
    /// Which of the index's keys it is encrypted with.
    pub keys: Option<usize>,
}

/// What a newer version of a playlist brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Segments that are new at the end.
    pub added: usize,
    /// Segments that are gone at the start.
    pub removed: usize,
    /// It was read as a whole, because it does not continue the version before: its numbers went back, segments are missing
    /// in between, or what should have stayed the same did not.
    pub discontinued: bool,
}

/// Where the blocks of the index are in the text, to pass over those that a newer version repeats.
#[derive(Clone, Debug, Default, PartialEq)]
struct Marks {
    /// Of each block that is complete, from the first one: how long its text is, and a hash of it.
    blocks: Vec<(u32, u64)>,
    /// Number of the first segment of the first block.
    number: u64,
    /// The last block boundary before which nothing changes any more.
    settled: Place,
    /// Newer versions that were read.
    refreshes: u32,
}

/// One block in so many is compared with the version before, others at the next ones.
const COMPARED: usize = 16;
/// Before so many target durations from the end nothing changes any more: parts have left the playlist.
const CHANGING: i64 = 4;
/// What counts where no target duration is declared.
const USUAL_TARGET: MediaTime = MediaTime::from_millis(10_000);

impl MediaPlaylist {
    /// Reads a playlist that was fetched from `url`. `imported` are the variables of the multivariant playlist that led to it.
    ///
    /// # Errors
    /// If it is no media playlist, lists no segment, or is a delta update.
    pub fn read(
        bytes: &[u8],
        url: &str,
        imported: Option<&[(String, String)]>,
    ) -> Result<Self, ManifestError> {
        let text = playlist(bytes)?;
        let mut playlist = Self {
            index: SegmentIndex::of_list(url, MediaTime::ZERO),
            container: "",
            tags: Tags::default(),
            parts: Vec::new(),
            warnings: Vec::new(),
            url: url.to_owned(),
            imported: imported.map(<[_]>::to_vec),
            marks: Marks::default(),
        };
        let mut reader = Reader::new(text, url, imported, false);
        let first = reader.next_segment()?;
        playlist.index.set_first_number(reader.tags.media_sequence);
        playlist.marks.number = reader.tags.media_sequence;
        playlist.append(text, reader, first, 0)?;
        Ok(playlist)
    }

    /// Takes over a newer version, whole or a delta update. The timeline goes on, and segments keep their numbers.
    ///
    /// # Errors
    /// As [`Self::read`], and if a delta update skips segments that are not known here. Then nothing has changed.
    pub fn refresh(&mut self, bytes: &[u8], url: &str) -> Result<Refreshed, ManifestError> {
        let text = playlist(bytes)?;
        if let Some((playlist, refreshed)) = self.continued(text, url)? {
            *self = playlist;
            return Ok(refreshed);
        }
        let mut playlist = Self::read(bytes, url, self.imported.as_deref())?;
        // Where nothing but parts was listed there is nothing to go on from.
        let is_first = self.index.is_empty() && self.index.numbers().0 == playlist.index.numbers().0;
        let start = self.start_of(&playlist);
        playlist.shift(start);
        let refreshed = Refreshed {
            added: playlist.index.len(),
            removed: self.index.len(),
            discontinued: !is_first,
        };
        *self = playlist;
        Ok(refreshed)
    }

    /// Puts it so much later on the timeline.
    pub(crate) fn shift(&mut self, by: MediaTime) {
        self.index.shift(by);
        for part in &mut self.parts {
            part.start += by;
        }
        self.marks.settled.start += by;
    }

    /// It will not grow (`EXT-X-ENDLIST`, or a playlist type of `VOD`).
    pub fn ended(&self) -> bool {
        self.tags.ended || self.tags.playlist_type == "VOD"
    }

    /// Sum of its segments' durations.
    pub fn duration(&self) -> MediaTime {
        self.index.end() - self.index.start()
    }

    /// No segment is longer: as declared, or else as usual.
    pub fn target_duration(&self) -> MediaTime {
        self.tags.target_duration.unwrap_or(USUAL_TARGET)
    }

    /// This playlist with what a text adds to it; nothing if it is not continued by it.
    fn continued(&self, text: &[u8], url: &str) -> Result<Option<(Self, Refreshed)>, ManifestError> {
        let mut reader = Reader::new(text, url, self.imported.as_deref(), false);
        reader.continues(&self.index);
        let Some(mut first) = reader.next_segment()? else {
            return Ok(None);
        };
        let (old_first, old_next) = self.index.numbers();
        let sequence = reader.tags.media_sequence;
        if path(url) != path(&self.url)
            || sequence < old_first
            || first.number > old_next
            || sequence >= old_next
        {
            return Ok(None);
        }
        let removed = (sequence - old_first) as usize;
        let is_delta = reader.tags.skipped.is_some();
        if !is_delta {
            // Its context was declared in the text, its place is that of the version before.
            let Some(start) = self
                .index
                .times((first.number - old_first) as usize)
                .map(|(start, _)| start)
            else {
                return Ok(None);
            };
            reader.shift(start);
            first.start = start;
        }
        let mut from = 0;
        let mut keep = (first.number - old_first) as usize;
        let boundary = old_first + self.index.next_block(keep) as u64;
        if !is_delta && boundary < self.marks.settled.number {
            let Some((offset, next)) = self.pass(text, &mut reader, first, boundary)? else {
                return Ok(None);
            };
            (from, first) = (offset, next);
            keep = (first.number - old_first) as usize;
        } else if !self.repeats(&first) {
            return Ok(None);
        }
        let mut playlist = self.clone();
        playlist.index.truncate(keep);
        playlist
            .marks
            .blocks
            .truncate(((old_first + keep as u64 - self.marks.number) / BLOCK) as usize);
        playlist.index.remove_first(removed);
        let number = playlist.index.block_number();
        let gone = number.saturating_sub(playlist.marks.number) / BLOCK;
        playlist
            .marks
            .blocks
            .drain(..(gone as usize).min(playlist.marks.blocks.len()));
        playlist.marks.number = number;
        playlist.marks.refreshes = self.marks.refreshes.wrapping_add(1);
        let date_ranges = core::mem::take(&mut playlist.tags.date_ranges);
        if is_delta {
            // The text of what was skipped is not known: the next whole version is read from where this one still was.
            let before = self.marks.settled;
            let is_kept = before.number <= first.number;
            playlist.append(text, reader, Some(first), from)?;
            playlist.marks.settled = if is_kept { before } else { Place::default() };
        } else {
            if from == 0 {
                playlist.marks.settled = Place::default();
            }
            playlist.append(text, reader, Some(first), from)?;
        }
        playlist.keep_date_ranges(date_ranges);
        let refreshed = Refreshed {
            added: (playlist.index.numbers().1.saturating_sub(old_next)) as usize,
            removed,
            discontinued: false,
        };
        Ok(Some((playlist, refreshed)))
    }
}

impl MediaPlaylist {
    /// Reads up to a block boundary, passes over the blocks that the version before had already, and reads the first segment behind
    /// them; also where its text begins. Nothing if anything is not as it was.
    fn pass<'a>(
        &self,
        text: &'a [u8],
        reader: &mut Reader<'a>,
        first: MediaSegment<'a>,
        boundary: u64,
    ) -> Result<Option<(usize, MediaSegment<'a>)>, ManifestError> {
        let mut segment = first;
        loop {
            if !self.repeats(&segment) {
                return Ok(None);
            }
            if segment.number + 1 == boundary {
                break;
            }
            match reader.next_segment()? {
                Some(next) => segment = next,
                None => return Ok(None),
            }
        }
        let block = |number: u64| ((number - self.marks.number) / BLOCK) as usize;
        let (from, to) = (block(boundary), block(self.marks.settled.number));
        let Some(blocks) = self.marks.blocks.get(from..to) else {
            return Ok(None);
        };
        let mut at = reader.offset();
        for (i, (length, hash)) in blocks.iter().enumerate() {
            let end = at + *length as usize;
            // Its turn comes, and what is at either end is compared always.
            let number = (boundary / BLOCK) as usize + i;
            let compared = (number + self.marks.refreshes as usize).is_multiple_of(COMPARED)
                || i == 0
                || i + 1 == blocks.len();
            if compared && text.get(at..end).map(scan::fingerprint) != Some(*hash) {
                return Ok(None);
            }
            at = end;
        }
        reader.jump(at, self.marks.settled);
        let next = reader.next_segment()?.filter(|next| self.repeats(next));
        Ok(next.map(|next| (at, next)))
    }

    /// Whether a segment is here already, or is the next one.
    fn repeats(&self, segment: &MediaSegment<'_>) -> bool {
        let (first, next) = self.index.numbers();
        segment.number == next
            || segment
                .number
                .checked_sub(first)
                .and_then(|position| self.index.entry(position as usize))
                .is_some_and(|entry| {
                    entry.url == segment.uri
                        && entry.duration == segment.duration
                        && entry.range == segment.range
                        && entry.gap == segment.gap
                        && entry.context == context(segment)
                })
    }

    /// Adds what a reader gives; `first` has been read already, and the text of its block begins at `block_at`.
    fn append<'a>(
        &mut self,
        text: &'a [u8],
        mut reader: Reader<'a>,
        first: Option<MediaSegment<'a>>,
        mut block_at: usize,
    ) -> Result<(), ManifestError> {
        let begin = (block_at, first.as_ref().map(Place::before).unwrap_or_default());
        let mut boundaries: VecDeque<(usize, Place)> = VecDeque::new();
        let mut next = first;
        while let Some(segment) = next {
            if self.container.is_empty() {
                self.container = match segment.init {
                    Some(_) => "video/mp4",
                    None => container_of(&segment.uri),
                };
            }
            let context = context(&segment);
            let MediaSegment {
                duration,
                uri,
                range,
                gap,
                wall,
                ..
            } = segment;
            self.index.push(duration, &uri, range, gap, wall, context);
            let number = segment.number + 1;
            if (number - self.marks.number).is_multiple_of(BLOCK) {
                let block = text.get(block_at..reader.offset()).unwrap_or_default();
                let hash = if reader.tags.ended_early() {
                    0
                } else {
                    scan::fingerprint(block)
                };
                self.marks.blocks.push((block.len() as u32, hash));
                block_at = reader.offset();
                if boundaries.len() == COMPARED {
                    boundaries.pop_front();
                }
                boundaries.push_back((block_at, reader.place()));
            }
            next = reader.next_segment()?;
        }
        let end = self.index.end();
        let target = reader.tags.target_duration.unwrap_or(USUAL_TARGET).as_micros();
        let changing = end - MediaTime::from_micros(target.saturating_mul(CHANGING));
        let settled = boundaries.iter().rev().find(|(_, place)| place.start <= changing);
        if let Some((_, place)) = settled {
            self.marks.settled = *place;
        }
        // Those of segments that a delta update skips are not repeated.
        let (first_number, _) = self.index.numbers();
        let skipped = first_number..begin.1.number;
        self.parts
            .retain(|part| skipped.contains(&part.number) && part.start >= changing);
        if reader.saw_parts() && !reader.tags.ended {
            let (at, place) = settled.copied().unwrap_or(begin);
            let mut again = reader.again(at, place);
            while let Some(item) = again.next()? {
                if let Item::Part(part) = item {
                    self.add_part(&part, again.base(), changing);
                }
            }
            reader.take_warnings(again);
        }
        self.warnings = reader.warnings();
        self.index.inits = reader.inits;
        self.index.keys = reader.keys;
        self.tags = reader.tags;
        if self.index.is_empty() && self.parts.is_empty() {
            return Err(ManifestError::NothingToPlay(": there is no segment in it".into()));
        }
        Ok(())
    }

    fn add_part(&mut self, part: &PartLine<'_>, base: &str, since: MediaTime) {
        if part.start < since {
            return;
        }
        if let Ok(url) = url::resolve(base, &part.uri) {
            self.parts.push(Part {
                number: part.number,
                index: part.index,
                start: part.start,
                duration: part.duration,
                resource: Resource {
                    url,
                    range: part.range,
                },
                independent: part.independent,
                gap: part.gap,
                discontinuity: part.discontinuity,
                init: part.init,
                keys: part.keys,
            });
        }
    }

    /// Date ranges of the version before that are not repeated, unless they are said to be gone or are over.
    fn keep_date_ranges(&mut self, before: Vec<DateRange>) {
        let window_start = self.index.get(0).and_then(|segment| segment.wall);
        let tags = &mut self.tags;
        let is_kept = |range: &DateRange| {
            let duration = range.duration.or(range.planned_duration);
            let end = range
                .end
                .or(range.start.and_then(|start| Some(start + duration?)));
            let is_over = end.is_some_and(|end| window_start.is_some_and(|start| end < start));
            let is_repeated = tags.date_ranges.iter().any(|other| other.id == range.id);
            !is_over && !is_repeated && !tags.removed_date_ranges.contains(&range.id)
        };
        let mut ranges: Vec<_> = before.into_iter().filter(is_kept).collect();
        ranges.append(&mut tags.date_ranges);
        tags.date_ranges = ranges;
    }

    /// Where the timeline of a version that does not continue this one begins: by number where they overlap, by the wall clock where
    /// both know it, else behind this one.
    fn start_of(&self, newer: &Self) -> MediaTime {
        let (first, next) = self.index.numbers();
        let (number, _) = newer.index.numbers();
        let known = number
            .checked_sub(first)
            .and_then(|position| self.index.times(position as usize));
        if let Some((start, _)) = known {
            return start;
        }
        let walls = self.index.get(0).zip(newer.index.get(0));
        if let Some((Some(wall), Some(newer))) = walls.map(|(a, b)| (a.wall, b.wall)) {
            return self.index.start() + newer.since(wall);
        }
        let missing = i64::try_from(number.saturating_sub(next)).unwrap_or(0);
        let missing = MediaTime::from_micros(missing.saturating_mul(self.target_duration().as_micros()));
        self.index.end() + missing
    }
}

fn context(segment: &MediaSegment<'_>) -> Context {
    let one_more = |index: Option<usize>| index.map_or(0, |index| index as u32 + 1);
    Context {
        init: one_more(segment.init),
        keys: one_more(segment.keys),
        kbps: segment.kbps,
        discontinuity: segment.discontinuity,
    }
}

/// The text of a playlist, which is not validated before it is read.
fn playlist(bytes: &[u8]) -> Result<&[u8], ManifestError> {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    if text.trim_ascii_start().starts_with(b"#EXTM3U") {
        return Ok(text);
    }
    // To say what it is instead.
    match protocol_of(as_text(bytes)?)? {
        Protocol::Hls => Ok(text),
        Protocol::Dash => Err(ManifestError::NotAManifest(
            "an MPD where a media playlist is due".into(),
        )),
    }
}

/// What relative URIs depend on: the query holds the directives of a blocking reload, or a token that was renewed.
fn path(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

fn container_of(uri: &str) -> &'static str {
    match url::file_name(uri)
        .rsplit_once('.')
        .map_or("", |(_, extension)| extension)
    {
        "ts" => "video/mp2t",
        "aac" => "audio/aac",
        "mp3" => "audio/mpeg",
        "ac3" | "ec3" => "audio/ac3",
        "vtt" | "webvtt" => "text/vtt",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "cmfa" | "cmft" | "cmfv" | "m4a" | "m4s" | "m4v" | "mp4" => "video/mp4",
        // Without a map it can be nothing else (RFC 8216, 3).
        _ => "video/mp2t",
    }
}
