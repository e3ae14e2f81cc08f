//! Timed metadata of a load: what is known, each thing once, and what the playhead enters and leaves.

use crate::input::Id3;
use crate::manifest::datetime;
use crate::media::emsg::Emsg;
use crate::media::id3::Frame;
use crate::metadata::{Message, Metadata, MetadataEvent, MetadataSource};
use crate::presentation::{DateRange, Event, EventStream};
use crate::time::{MediaTime, WallTime};

/// Events that tell the player to read the MPD again (ISO/IEC 23009-1, 5.10.4).
const REFRESH: &str = "urn:mpeg:dash:event:2012";
/// What is kept at a time, and how many bytes it may take.
const MAX_ENTRIES: usize = 4096;
const MAX_BYTES: usize = 8 << 20;
/// How long what is over is kept, for those who seek back in what is buffered.
const BEHIND: MediaTime = MediaTime::from_millis(600_000);
/// A point so little before the place that playback begins at is meant for that place.
const SLACK: MediaTime = MediaTime::from_millis(250);
/// Tags with the same content that are so close are the same: they were read from two renditions.
const SAME_TAG: MediaTime = MediaTime::from_millis(100);
/// Messages with the same id and other content that are so close are the same.
const SAME_MESSAGE: MediaTime = MediaTime::from_millis(1000);
/// A date range whose start is mapped to another time than before has moved only if that is so far away.
const MOVED: MediaTime = MediaTime::from_millis(50);
/// Attributes of a date range, and bytes of their text, whatever is added to it.
const MAX_ATTRIBUTES: usize = 256;
const MAX_TEXT: usize = 64 << 10;
/// Refreshes that are remembered.
const MAX_REFRESHES: usize = 64;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct TimedMetadata {
    /// By their start.
    entries: Vec<Entry>,
    keys: u64,
    bytes: usize,
    /// The playhead, and where it has come to by the last jump; `None` before playback.
    playhead: Option<(MediaTime, MediaTime)>,
    /// Nothing is to be said before the playhead gets here; `None` if something has changed.
    quiet_until: Option<MediaTime>,
    /// There are entries to announce.
    news: bool,
    /// Keys of what was announced and is gone.
    gone: Vec<u64>,
    /// Those that were asked for.
    refreshes: Vec<Refresh>,
}

#[derive(Debug)]
struct Entry {
    metadata: Metadata,
    /// A hash of what names it: texts are far away.
    name: u32,
    /// All that was said of a date range.
    range: Option<Box<DateRange>>,
    bytes: usize,
    /// It is announced as it is now.
    announced: bool,
    /// It was before.
    was_announced: bool,
    /// It was entered since the last jump.
    entered: bool,
    /// The playhead is in it.
    active: bool,
    /// The manifest lists it.
    listed: bool,
}

/// An event that asks for a newer MPD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refresh {
    /// The MPD at hand is good up to here, on the presentation timeline.
    pub(crate) at: MediaTime,
    /// MPDs that are published later are good beyond that, too; `None` if it is not said, and any MPD at hand is meant.
    pub(crate) published: Option<WallTime>,
    id: u32,
}

impl TimedMetadata {
    /// Takes the events of an MPD, or of its newer version: of all its periods. Those that are not listed any more and have not begun
    /// are dropped.
    pub(crate) fn add_manifest_events<'a>(&mut self, streams: impl Iterator<Item = &'a EventStream>) {
        self.unlist(MetadataSource::EventStream);
        let horizon = self.position() - BEHIND;
        let mut left = MAX_ENTRIES;
        for stream in streams.filter(|stream| stream.scheme != REFRESH) {
            let end = |event: &Event| event.duration.map(|duration| event.start + duration);
            let events = stream.events.iter();
            let events = events.filter(|event| end(event).unwrap_or(event.start) >= horizon);
            for event in events.take(left) {
                left -= 1;
                let metadata = Metadata {
                    source: MetadataSource::EventStream,
                    scheme: stream.scheme.clone(),
                    value: stream.value.clone(),
                    id: event.id.map(|id| id.to_string()).unwrap_or_default(),
                    start: event.start,
                    end: end(event),
                    message: Message::Text(event.data.clone()),
                    ..Metadata::default()
                };
                self.add(metadata, None);
            }
        }
        self.drop_unlisted(MetadataSource::EventStream);
    }

    /// Takes the date ranges of a playlist, or of its newer version. A later one with the same id adds to the one before. `media_of` maps the
    /// wall clock to the presentation timeline; those that it cannot map are left out.
    pub(crate) fn add_date_ranges(
        &mut self,
        ranges: &[DateRange],
        media_of: &dyn Fn(WallTime) -> Option<MediaTime>,
    ) {
        self.unlist(MetadataSource::DateRange);
        for range in ranges {
            let is_same = |entry: &Entry| entry.range.as_ref().is_some_and(|known| known.id == range.id);
            let before = self.entries.iter().find(|entry| is_same(entry));
            let mut whole = before.and_then(|entry| entry.range.clone()).unwrap_or_default();
            merge(&mut whole, range);
            let Some(start) = whole.start.and_then(media_of) else {
                continue;
            };
            // The start as before where nothing but the map has changed.
            let start = match before {
                Some(entry) if distance(entry.metadata.start, start) < MOVED => entry.metadata.start,
                _ => start,
            };
            let duration = match (whole.end, whole.start) {
                (Some(end), Some(start)) => Some(end.since(start)),
                _ => whole.duration,
            };
            let metadata = Metadata {
                source: MetadataSource::DateRange,
                scheme: whole.class.clone(),
                id: whole.id.clone(),
                start,
                end: match duration {
                    Some(duration) => Some(start + duration.max(MediaTime::ZERO)),
                    None => before.and_then(|entry| entry.metadata.end.filter(|_| whole.end_on_next)),
                },
                attributes: attributes(&whole),
                ..Metadata::default()
            };
            self.add(metadata, Some(whole));
        }
        self.end_on_next();
        self.drop_unlisted(MetadataSource::DateRange);
    }

    /// Takes the event messages of a segment that begins at `start` on the presentation timeline, where timestamps become
    /// presentation times by adding `offset`. What asks for a newer MPD is given back, once.
    pub(crate) fn add_emsg(&mut self, events: &[Emsg], start: MediaTime, offset: MediaTime) -> Vec<Refresh> {
        let mut refreshes = Vec::new();
        for event in events {
            let time = i64::try_from(event.time).unwrap_or(i64::MAX);
            let time = MediaTime::from_ticks(time, event.timescale);
            let begin = time + if event.relative { start } else { offset };
            if event.scheme == REFRESH {
                refreshes.extend(self.refresh(event, begin));
                continue;
            }
            let duration = event
                .duration
                .map(|duration| MediaTime::from_ticks(duration.into(), event.timescale));
            let frames = event.id3();
            let metadata = Metadata {
                source: if frames.is_some() {
                    MetadataSource::Id3
                } else {
                    MetadataSource::Emsg
                },
                scheme: event.scheme.clone(),
                value: event.value.clone(),
                id: event.id.to_string(),
                start: begin,
                // A tag is of a point unless its message lasts.
                end: match duration {
                    None if frames.is_some() => Some(begin),
                    duration => duration.map(|duration| begin + duration),
                },
                message: match frames {
                    Some(_) => Message::None,
                    None => Message::Bytes(event.data.clone()),
                },
                frames: frames.unwrap_or_default(),
                ..Metadata::default()
            };
            self.add(metadata, None);
        }
        refreshes
    }

    /// Takes the ID3 tags of a segment, whose times become presentation times by adding `offset`.
    pub(crate) fn add_id3(&mut self, tags: &[Id3], offset: MediaTime) {
        for tag in tags {
            let start = tag.time + offset;
            let metadata = Metadata {
                source: MetadataSource::Id3,
                start,
                end: Some(start),
                frames: tag.frames.clone(),
                ..Metadata::default()
            };
            self.add(metadata, None);
        }
    }

    /// What has become known, has changed or is gone since the last time, in order of its start: to be asked after each addition.
    pub(crate) fn known(&mut self) -> Vec<MetadataEvent> {
        let gone = core::mem::take(&mut self.gone).into_iter();
        let mut events: Vec<_> = gone.map(|key| MetadataEvent::Removed { key }).collect();
        if !core::mem::take(&mut self.news) {
            return events;
        }
        for entry in self.entries.iter_mut().filter(|entry| !entry.announced) {
            entry.announced = true;
            entry.was_announced = true;
            events.push(MetadataEvent::Known(Box::new(entry.metadata.clone())));
        }
        events
    }

    /// What the playhead has left and entered since the last time, now that it is at `position`. `jumped` says that it did not play
    /// its way there: what it has passed over then is not entered, and what it enters again is entered again.
    pub(crate) fn due(&mut self, position: MediaTime, jumped: bool) -> Vec<MetadataEvent> {
        let jumped = jumped || self.playhead.is_none_or(|(before, _)| position < before);
        let since = match self.playhead {
            Some((_, since)) if !jumped => since,
            _ => position,
        };
        self.playhead = Some((position, since));
        let mut events = Vec::new();
        if !jumped && self.quiet_until.is_some_and(|until| position < until) {
            return events;
        }
        for entry in &mut self.entries {
            let is_inside = entry.contains(position);
            if jumped {
                entry.entered = entry.active && is_inside;
            }
            if entry.active && !is_inside {
                entry.active = false;
                let key = entry.metadata.key;
                events.push(MetadataEvent::Leave { key });
            }
        }
        for entry in &mut self.entries {
            let start = entry.metadata.start;
            if start > position {
                break;
            }
            let (is_inside, is_point) = (entry.contains(position), entry.is_point());
            let slack = if is_point { SLACK } else { MediaTime::ZERO };
            if entry.entered || !(is_inside || start + slack >= since) {
                continue;
            }
            entry.entered = true;
            entry.active = is_inside;
            events.push(MetadataEvent::Enter(Box::new(entry.metadata.clone())));
            // It was too short to be seen in between.
            if !is_inside && !is_point {
                let key = entry.metadata.key;
                events.push(MetadataEvent::Leave { key });
            }
        }
        self.retain(|entry, horizon| entry.listed || entry.active || entry.over() >= horizon);
        self.quiet_until = Some(self.next_change().unwrap_or(MediaTime::MAX));
        events
    }

    /// Where [`Self::due`] has something to say next, if the playhead plays on. O(entries): to be asked after it has said something.
    pub(crate) fn next_change(&self) -> Option<MediaTime> {
        let ends = self.entries.iter().filter(|entry| entry.active);
        let end = ends.map(Entry::end).min();
        let position = self.position();
        let next = self
            .entries
            .partition_point(|entry| entry.metadata.start <= position);
        let start = self.entries.get(next).map(|entry| entry.metadata.start);
        end.into_iter()
            .chain(start)
            .filter(|next| *next < MediaTime::MAX)
            .min()
    }

    fn position(&self) -> MediaTime {
        self.playhead.map_or(MediaTime::ZERO, |(position, _)| position)
    }

    /// Adds what is new, and changes what is known, unless there is no room for it or it is long over.
    fn add(&mut self, mut metadata: Metadata, range: Option<Box<DateRange>>) {
        let name = name(&metadata);
        let is_known = |entry: &Entry| entry.name == name && is_same(&entry.metadata, &metadata);
        if let Some(at) = self.entries.iter().position(is_known) {
            return self.change(at, metadata, range);
        }
        let listed = in_manifest(metadata.source);
        let bytes = size(&metadata);
        let position = self.position();
        if !listed && metadata.end.unwrap_or(metadata.start) < position - BEHIND {
            return;
        }
        if self.entries.len() >= MAX_ENTRIES || self.bytes + bytes > MAX_BYTES {
            self.retain(|entry, _| entry.active || entry.over() >= position);
            if self.entries.len() >= MAX_ENTRIES || self.bytes + bytes > MAX_BYTES {
                return;
            }
        }
        self.keys += 1;
        metadata.key = self.keys;
        self.bytes += bytes;
        self.insert(Entry {
            metadata,
            name,
            range,
            bytes,
            announced: false,
            was_announced: false,
            entered: false,
            active: false,
            listed,
        });
    }

    /// Takes what is said again of an entry.
    fn change(&mut self, at: usize, metadata: Metadata, range: Option<Box<DateRange>>) {
        let Some(entry) = self.entries.get_mut(at) else {
            return;
        };
        entry.listed = in_manifest(metadata.source);
        let is_better = if entry.listed {
            let known = &entry.metadata;
            known.start != metadata.start
                || known.end != metadata.end
                || known.scheme != metadata.scheme
                || known.attributes != metadata.attributes
                || known.message != metadata.message
        } else {
            // An end that was not known.
            entry.metadata.end.is_none() && metadata.end.is_some()
        };
        let bytes = self.bytes - entry.bytes + size(&metadata);
        if !is_better || bytes > MAX_BYTES {
            return;
        }
        let mut entry = self.entries.remove(at);
        entry.bytes = entry.bytes + bytes - self.bytes;
        self.bytes = bytes;
        entry.announced = false;
        entry.range = range;
        entry.metadata = Metadata {
            key: entry.metadata.key,
            ..metadata
        };
        self.insert(entry);
    }

    fn insert(&mut self, entry: Entry) {
        (self.news, self.quiet_until) = (true, None);
        let start = entry.metadata.start;
        let at = self
            .entries
            .partition_point(|other| other.metadata.start <= start);
        self.entries.insert(at, entry);
    }

    /// Keeps what `is_kept` says, which is also told before when things are long over.
    fn retain(&mut self, is_kept: impl Fn(&Entry, MediaTime) -> bool) {
        let horizon = self.position() - BEHIND;
        let (bytes, gone) = (&mut self.bytes, &mut self.gone);
        self.entries.retain(|entry| {
            let is_kept = is_kept(entry, horizon);
            if !is_kept {
                *bytes -= entry.bytes;
                if entry.was_announced {
                    gone.push(entry.metadata.key);
                }
            }
            is_kept
        });
    }

    fn unlist(&mut self, source: MetadataSource) {
        let entries = self.entries.iter_mut();
        for entry in entries.filter(|entry| entry.metadata.source == source) {
            entry.listed = false;
        }
        self.quiet_until = None;
    }

    /// Drops what was to come and is not to come any more; the rest goes when it is over.
    fn drop_unlisted(&mut self, source: MetadataSource) {
        let position = self.position();
        self.retain(|entry, _| {
            entry.listed || entry.metadata.source != source || entry.metadata.start <= position
        });
    }

    /// Ends date ranges where the next ones of their class begin, if they are to end there.
    fn end_on_next(&mut self) {
        let mut next: Vec<(&str, MediaTime)> = Vec::new();
        let mut ends = Vec::new();
        for (at, entry) in self.entries.iter().enumerate().rev() {
            let Some(range) = &entry.range else { continue };
            let start = entry.metadata.start;
            let follows = next.iter_mut().find(|(class, _)| *class == range.class);
            if range.end_on_next
                && let Some((_, end)) = &follows
                && entry.metadata.end != Some(*end)
            {
                ends.push((at, *end));
            }
            match follows {
                Some((_, first)) => *first = start,
                None => next.push((&range.class, start)),
            }
        }
        for (at, end) in ends {
            if let Some(entry) = self.entries.get_mut(at) {
                entry.metadata.end = Some(end);
                entry.announced = false;
                (self.news, self.quiet_until) = (true, None);
            }
        }
    }

    /// A request for a newer MPD that was not there before.
    fn refresh(&mut self, event: &Emsg, at: MediaTime) -> Option<Refresh> {
        // The time of publication, up to a zero where a patch or an MPD follows.
        let text = event.data.split(|byte| *byte == 0).next();
        let text = text.and_then(|text| core::str::from_utf8(text).ok());
        let refresh = Refresh {
            at,
            published: text.and_then(|text| datetime::parse(text.trim_ascii())),
            id: event.id,
        };
        let is_known = |other: &Refresh| other.id == refresh.id && other.published == refresh.published;
        if self.refreshes.iter().any(is_known) {
            return None;
        }
        if self.refreshes.len() >= MAX_REFRESHES {
            self.refreshes.remove(0);
        }
        self.refreshes.push(refresh.clone());
        Some(refresh)
    }
}

impl Entry {
    fn is_point(&self) -> bool {
        self.metadata.end == Some(self.metadata.start)
    }

    /// When the playhead leaves it. Something in a segment that has no end does not go on for ever.
    fn end(&self) -> MediaTime {
        match self.metadata.end {
            Some(end) => end,
            None if self.listed => MediaTime::MAX,
            None => self.metadata.start + BEHIND,
        }
    }

    fn contains(&self, position: MediaTime) -> bool {
        self.metadata.start <= position && position < self.end()
    }

    /// When nothing can be said of it any more, as far as is known.
    fn over(&self) -> MediaTime {
        self.metadata.end.unwrap_or(self.metadata.start)
    }
}

const fn in_manifest(source: MetadataSource) -> bool {
    matches!(source, MetadataSource::DateRange | MetadataSource::EventStream)
}

fn distance(a: MediaTime, b: MediaTime) -> MediaTime {
    (a - b).max(b - a)
}

/// Of what stays the same when it is told again.
fn name(metadata: &Metadata) -> u32 {
    let texts = [&metadata.id, &metadata.value];
    let bytes = texts.iter().flat_map(|text| text.bytes());
    // FNV-1a.
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Whether both are the same thing, told twice.
fn is_same(known: &Metadata, new: &Metadata) -> bool {
    let apart = distance(known.start, new.start);
    // Without an id it is what it says, and when.
    let most = match new.source {
        MetadataSource::DateRange => MediaTime::MAX,
        _ if !new.id.is_empty() => MediaTime::MAX,
        MetadataSource::EventStream => MediaTime::ZERO,
        MetadataSource::Emsg | MetadataSource::Id3 => SAME_TAG,
    };
    if known.source != new.source || apart > most || known.id != new.id || known.value != new.value {
        return false;
    }
    let says_the_same = || known.message == new.message && known.frames == new.frames;
    match new.source {
        MetadataSource::DateRange => true,
        _ if known.scheme != new.scheme => false,
        _ if new.id.is_empty() => says_the_same(),
        MetadataSource::EventStream => true,
        // There are packagers that count no ids.
        MetadataSource::Emsg | MetadataSource::Id3 => apart <= SAME_MESSAGE || says_the_same(),
    }
}

/// About how many bytes it takes.
fn size(metadata: &Metadata) -> usize {
    let Metadata {
        scheme,
        value,
        id,
        frames,
        attributes,
        message,
        ..
    } = metadata;
    let frame = |frame: &Frame| 100 + frame.description.len() + frame.text.len() + frame.data.len();
    let attributes = attributes
        .iter()
        .map(|(name, value)| 100 + 2 * (name.len() + value.len()));
    256 + scheme.len()
        + value.len()
        + id.len()
        + message.len()
        + frames.iter().map(frame).sum::<usize>()
        + attributes.sum::<usize>()
}

/// Adds what a later tag says of a date range.
fn merge(whole: &mut DateRange, range: &DateRange) {
    whole.id.clone_from(&range.id);
    if !range.class.is_empty() {
        whole.class.clone_from(&range.class);
    }
    if !range.cue.is_empty() {
        whole.cue.clone_from(&range.cue);
    }
    whole.start = range.start.or(whole.start);
    whole.end = range.end.or(whole.end);
    whole.duration = range.duration.or(whole.duration);
    whole.planned_duration = range.planned_duration.or(whole.planned_duration);
    whole.end_on_next |= range.end_on_next;
    let length = |(name, value): &(String, String)| name.len() + value.len();
    let mut bytes: usize = whole.attributes.iter().map(length).sum();
    for new in &range.attributes {
        let has_room = whole.attributes.len() < MAX_ATTRIBUTES;
        let known = whole.attributes.iter_mut().find(|known| known.0 == new.0);
        let before = known.as_deref().map_or(0, length);
        if bytes - before + length(new) > MAX_TEXT {
            continue;
        }
        bytes = bytes - before + length(new);
        match known {
            Some(known) => known.1.clone_from(&new.1),
            None if has_room => whole.attributes.push(new.clone()),
            None => {}
        }
    }
}

/// Those that have no field of their own.
fn attributes(range: &DateRange) -> Vec<(String, String)> {
    let mut attributes = range.attributes.clone();
    if !range.cue.is_empty() {
        attributes.push(("CUE".to_owned(), range.cue.clone()));
    }
    if let Some(planned) = range.planned_duration {
        attributes.push(("PLANNED-DURATION".to_owned(), seconds(planned)));
    }
    attributes
}

/// As a decimal number, to the millisecond.
fn seconds(time: MediaTime) -> String {
    let ms = time.as_millis().max(0);
    let mut text = (ms / 1000).to_string();
    let fraction = ms % 1000;
    if fraction > 0 {
        text.push('.');
        for place in [100, 10, 1] {
            text.push(char::from(b'0' + (fraction / place % 10) as u8));
        }
    }
    text
}

#[cfg(test)]
mod tests;
