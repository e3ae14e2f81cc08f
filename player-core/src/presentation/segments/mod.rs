//! The segments of a rendition, kept as they were written: runs of equal durations and a template, or a list. A segment is
//! worked out when it is asked for, so that a huge repeat count costs nothing.

mod list;

use std::sync::Arc;

use list::{BLOCK as BLOCK_LEN, List};
pub(crate) use list::{Context, Entry};
pub use scan::{Run, Runs};

use super::Protection;
use crate::number;
use crate::time::{Bitrate, ByteRange, MediaTime, WallTime};
use crate::url;

/// Segments of a block of a list.
pub(crate) const BLOCK: u64 = BLOCK_LEN as u64;

/// Something to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Absolute URL.
    pub url: String,
    /// Only these bytes, or all.
    pub range: Option<ByteRange>,
}

/// A media segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number: the media sequence number (HLS), `$Number$` (DASH). It stays the same when the manifest is read again.
    pub number: u64,
    /// Where it starts on the presentation timeline.
    pub start: MediaTime,
    /// Where it ends.
    pub end: MediaTime,
    /// What to fetch.
    pub resource: Resource,
    /// Its size in bytes, if the manifest says it.
    pub bytes: Option<u64>,
    /// Which of [`SegmentIndex::inits`] it needs first.
    pub init: Option<usize>,
    /// Which of [`SegmentIndex::keys`] it is encrypted with.
    pub keys: Option<usize>,
    /// Timestamps go on from one segment to the next while this number stays the same (HLS discontinuity sequence number).
    pub discontinuity: u64,
    /// The wall-clock time of its start, if the manifest says it or it follows from that.
    pub wall: Option<WallTime>,
    /// It is declared missing (`EXT-X-GAP`).
    pub gap: bool,
}

/// How the URL of a segment is made (ISO/IEC 23009-1, 5.3.9.4.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// The parts of the text.
    pub parts: Vec<TemplatePart>,
    /// Number of the first segment (`@startNumber`).
    pub start_number: u64,
    /// Where numbers do not simply go on by one a segment, in order.
    pub jumps: Vec<Jump>,
}

/// How segments are numbered from one of them on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// Position of the segment.
    pub position: u64,
    /// Its number (`S@n`).
    pub number: u64,
    /// How many segments in a row have the same number (`S@k`): they differ in `$SubNumber$`. At least one.
    pub sequence: u64,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    /// Text as it stands.
    Text(String),
    /// `$Number$`, with leading zeros up to a width.
    Number(usize),
    /// `$SubNumber$`, which counts the segments of one number from 0, with leading zeros up to a width.
    SubNumber(usize),
    /// `$Time$`, with leading zeros up to a width: of segments of one number, that of the first.
    Time(usize),
}

/// Where the segments of a rendition are, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentIndex {
    /// The initialization sections; a segment says which one it needs.
    pub inits: Vec<Resource>,
    /// Keys that segments are encrypted with: for each one, the ways to get at it.
    pub keys: Vec<Vec<Protection>>,
    /// What must be added to media timestamps to get to the presentation timeline.
    pub timestamp_offset: MediaTime,
    body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    List {
        list: Box<List>,
        /// URLs are resolved against it; empty if they are absolute.
        base: String,
        /// Number of the first segment.
        number: u64,
    },
    Runs {
        /// Those of a manifest that may change: it has them, too.
        runs: Arc<Runs>,
        /// Segments; there may be more in the runs.
        len: u64,
        timescale: u32,
        template: Template,
    },
}

impl SegmentIndex {
    /// An index of the first `len` segments of runs. `timestamp_offset` maps media ticks to the timeline.
    pub fn from_runs(
        runs: Arc<Runs>,
        len: u64,
        timescale: u32,
        template: Template,
        init: Option<Resource>,
        timestamp_offset: MediaTime,
    ) -> Self {
        let body = Body::Runs {
            len: len.min(runs.segments()),
            runs,
            timescale: timescale.max(1),
            template,
        };
        Self {
            inits: init.into_iter().collect(),
            keys: Vec::new(),
            timestamp_offset,
            body,
        }
    }

    /// A list to be grown, whose URLs are relative to `base` and whose first segment starts at `start`.
    pub(crate) fn of_list(base: &str, start: MediaTime) -> Self {
        Self {
            inits: Vec::new(),
            keys: Vec::new(),
            timestamp_offset: MediaTime::ZERO,
            body: Body::List {
                list: Box::new(List::new(start)),
                base: base.to_owned(),
                number: 0,
            },
        }
    }

    /// How many segments there are.
    pub fn len(&self) -> usize {
        match &self.body {
            Body::List { list, .. } => list.len(),
            Body::Runs { len, .. } => usize::try_from(*len).unwrap_or(usize::MAX),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the first segment starts.
    pub fn start(&self) -> MediaTime {
        match &self.body {
            Body::List { list, .. } => list.start(),
            Body::Runs { .. } => self.times(0).map_or(MediaTime::ZERO, |(start, _)| start),
        }
    }

    /// Where the last segment ends.
    pub fn end(&self) -> MediaTime {
        match &self.body {
            Body::List { list, .. } => list.end(),
            Body::Runs { .. } => self
                .len()
                .checked_sub(1)
                .and_then(|last| self.times(last))
                .map_or(MediaTime::ZERO, |t| t.1),
        }
    }

    /// Start and end of a segment. O(log runs).
    pub fn times(&self, position: usize) -> Option<(MediaTime, MediaTime)> {
        match &self.body {
            Body::List { list, .. } => list
                .facts(position)
                .map(|entry| (entry.start, entry.start + entry.duration)),
            Body::Runs { timescale, .. } => {
                let (run, within) = self.run_of(position)?;
                let time = |within| self.time_of(run.tick(within), *timescale);
                Some((time(within), time(within.saturating_add(1))))
            }
        }
    }

    /// A segment by its position. O(log runs).
    pub fn get(&self, position: usize) -> Option<Segment> {
        Some(match &self.body {
            Body::List { list, base, number } => {
                let entry = list.get(position)?;
                let bytes = size(entry.range, entry.context.kbps, entry.duration);
                // Only what can be resolved is put in.
                let url = if base.is_empty() {
                    entry.url
                } else {
                    url::resolve(base, &entry.url).ok()?
                };
                Segment {
                    number: number.saturating_add(position as u64),
                    start: entry.start,
                    end: entry.start + entry.duration,
                    resource: Resource {
                        url,
                        range: entry.range,
                    },
                    bytes,
                    init: (entry.context.init as usize).checked_sub(1),
                    keys: (entry.context.keys as usize).checked_sub(1),
                    discontinuity: entry.context.discontinuity,
                    wall: entry.wall,
                    gap: entry.gap,
                }
            }
            Body::Runs { template, .. } => {
                let (start, end) = self.times(position)?;
                let (run, within) = self.run_of(position)?;
                let (number, sub) = template.numbers(position as u64);
                let time =
                    i128::from(run.start) + i128::from(run.duration) * (i128::from(within) - i128::from(sub));
                Segment {
                    number,
                    start,
                    end,
                    resource: Resource {
                        url: template.expand(number, sub, time),
                        range: None,
                    },
                    bytes: None,
                    init: (!self.inits.is_empty()).then_some(0),
                    keys: None,
                    discontinuity: 0,
                    wall: None,
                    gap: false,
                }
            }
        })
    }

    /// Which bytes of its resource a segment is, if it is not all of them.
    pub fn range(&self, position: usize) -> Option<ByteRange> {
        match &self.body {
            Body::List { list, .. } => list.facts(position)?.range,
            Body::Runs { .. } => None,
        }
    }

    /// Size of a segment in bytes, if the manifest says it: exactly where it is a byte range, else by a declared bitrate, which
    /// may be a tenth off.
    pub fn bytes(&self, position: usize) -> Option<u64> {
        match &self.body {
            Body::List { list, .. } => {
                let entry = list.facts(position)?;
                size(entry.range, entry.context.kbps, entry.duration)
            }
            Body::Runs { .. } => None,
        }
    }

    /// The position of the segment that contains `t`: the first one before the start, `len()` at or past the end. A
    /// hole belongs to the segment after it. O(log n).
    pub fn position_at(&self, t: MediaTime) -> usize {
        match &self.body {
            Body::List { list, .. } => list.position_at(t),
            Body::Runs {
                runs, len, timescale, ..
            } => {
                let time = |tick| self.time_of(tick, *timescale);
                let mut runs = runs.around(|start| time(start) <= t);
                let Some(run) = runs.find(|run| time(run.end()) > t) else {
                    return self.len();
                };
                // Within the run by bisection: ticks and microseconds do not divide evenly.
                let (mut low, mut high) = (0, run.count);
                while low < high {
                    let middle = low + (high - low) / 2;
                    if time(run.tick(middle.saturating_add(1))) <= t {
                        low = middle + 1;
                    } else {
                        high = middle;
                    }
                }
                usize::try_from(run.first.saturating_add(low).min(*len)).unwrap_or(usize::MAX)
            }
        }
    }

    /// About how many bytes it takes for itself: what the manifest shares with it is not counted.
    pub(crate) fn own_bytes(&self) -> usize {
        match &self.body {
            Body::List { list, .. } => 64 * list.len(),
            Body::Runs { runs, template, .. } => {
                let own = if Arc::strong_count(runs) == 1 {
                    runs.len()
                } else {
                    0
                };
                8 * own + size_of_val(&*template.jumps)
            }
        }
    }

    /// Numbers of the first segment and of the one that comes next.
    pub(crate) fn numbers(&self) -> (u64, u64) {
        let first = match &self.body {
            Body::List { number, .. } => *number,
            Body::Runs { template, .. } => template.start_number,
        };
        (first, first.saturating_add(self.len() as u64))
    }

    /// A segment of a list as it is kept.
    pub(crate) fn entry(&self, position: usize) -> Option<Entry> {
        match &self.body {
            Body::List { list, .. } => list.get(position),
            Body::Runs { .. } => None,
        }
    }

    /// Position of the next segment that begins a block of a list.
    pub(crate) fn next_block(&self, position: usize) -> usize {
        match &self.body {
            Body::List { list, .. } => list.next_block(position),
            Body::Runs { .. } => position,
        }
    }

    /// Number of the segment that began the first block of a list; it may be gone.
    pub(crate) fn block_number(&self) -> u64 {
        match &self.body {
            Body::List { list, number, .. } => number.saturating_sub(list.gone() as u64),
            Body::Runs { .. } => 0,
        }
    }

    /// Numbers the first segment of a list.
    pub(crate) fn set_first_number(&mut self, first: u64) {
        if let Body::List { number, .. } = &mut self.body {
            *number = first;
        }
    }

    /// Adds a segment to a list.
    pub(crate) fn push(
        &mut self,
        duration: MediaTime,
        url: &str,
        range: Option<ByteRange>,
        gap: bool,
        wall: Option<WallTime>,
        context: Context,
    ) {
        if let Body::List { list, .. } = &mut self.body {
            list.push(duration, url, range, gap, wall, context);
        }
    }

    /// Removes segments at the front of a list.
    pub(crate) fn remove_first(&mut self, count: usize) {
        if let Body::List { list, number, .. } = &mut self.body {
            *number = number.saturating_add(count.min(list.len()) as u64);
            list.remove_first(count);
        }
    }

    /// Removes segments at the end of a list, so that `len` are left.
    pub(crate) fn truncate(&mut self, len: usize) {
        if let Body::List { list, .. } = &mut self.body {
            list.truncate(len);
        }
    }

    /// Lets a list start so much later.
    pub(crate) fn shift(&mut self, by: MediaTime) {
        if let Body::List { list, .. } = &mut self.body {
            list.shift(by);
        }
    }

    fn run_of(&self, position: usize) -> Option<(Run, u64)> {
        let Body::Runs { runs, len, .. } = &self.body else {
            return None;
        };
        let position = position as u64;
        (position < *len).then_some(())?;
        let run = runs.run_of(position)?;
        Some((run, position - run.first))
    }

    /// Where a tick of the media timeline is on the presentation timeline.
    fn time_of(&self, tick: i64, timescale: u32) -> MediaTime {
        MediaTime::from_ticks(tick, timescale) + self.timestamp_offset
    }
}

impl Template {
    /// Number of a segment, and its place among those of the same number.
    fn numbers(&self, position: u64) -> (u64, u64) {
        let jump = self.jumps.partition_point(|jump| jump.position <= position);
        let jump = jump.checked_sub(1).and_then(|last| self.jumps.get(last));
        jump.map_or((self.start_number.saturating_add(position), 0), |jump| {
            let (within, sequence) = (position - jump.position, jump.sequence.max(1));
            (jump.number.saturating_add(within / sequence), within % sequence)
        })
    }

    fn expand(&self, number: u64, sub: u64, time: i128) -> String {
        let mut url = String::new();
        for part in &self.parts {
            match part {
                TemplatePart::Text(text) => url.push_str(text),
                TemplatePart::Number(width) => padded(&mut url, number, *width),
                TemplatePart::SubNumber(width) => padded(&mut url, sub, *width),
                TemplatePart::Time(width) => {
                    let negative = time < 0;
                    if negative {
                        url.push('-');
                    }
                    let ticks = u64::try_from(time.unsigned_abs()).unwrap_or(u64::MAX);
                    padded(&mut url, ticks, width.saturating_sub(negative.into()));
                }
            }
        }
        url
    }
}

/// With leading zeros. The standard library's way brings printing of 128 bits along.
fn padded(out: &mut String, value: u64, width: usize) {
    let digits = value.checked_ilog10().map_or(1, |more| more as usize + 1);
    out.extend(core::iter::repeat_n('0', width.saturating_sub(digits)));
    number::write_integer(out, value);
}

/// Size of a segment in bytes, if it can be said.
fn size(range: Option<ByteRange>, kbps: u32, duration: MediaTime) -> Option<u64> {
    let declared = || (kbps > 0).then(|| (f64::from(kbps) * 1000.0 * duration.as_secs_f64() / 8.0) as u64);
    range.map(|range| range.length).or_else(declared)
}

/// Builds an index from a list of segments.
#[derive(Clone, Debug, Default)]
pub struct SegmentIndexBuilder {
    inits: Vec<Resource>,
    list: List,
    context: Context,
}

impl SegmentIndexBuilder {
    /// An empty list, whose first segment starts at `start`.
    pub fn new(start: MediaTime) -> Self {
        Self {
            list: List::new(start),
            ..Self::default()
        }
    }

    /// The initialization section of the segments that follow.
    pub fn init(&mut self, init: Resource) {
        if self.inits.last() != Some(&init) {
            self.inits.push(init);
        }
        self.context.init = self.inits.len() as u32;
    }

    /// Adds a segment right behind the one before, with an absolute URL. `bitrate` (with which its size is estimated) counts only if the
    /// range is unknown.
    pub fn push(&mut self, duration: MediaTime, resource: Resource, bitrate: Option<Bitrate>, gap: bool) {
        let kbps = bitrate.map_or(0, |bitrate| u32::try_from(bitrate.as_kbps()).unwrap_or(u32::MAX));
        let context = Context { kbps, ..self.context };
        self.list
            .push(duration, &resource.url, resource.range, gap, None, context);
    }

    /// How many segments there are so far.
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none so far.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The index.
    pub fn build(self, timestamp_offset: MediaTime) -> SegmentIndex {
        SegmentIndex {
            inits: self.inits,
            keys: Vec::new(),
            timestamp_offset,
            body: Body::List {
                list: Box::new(self.list),
                base: String::new(),
                number: 0,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_of(list: &[(i64, u64, u64)], timescale: u32, template: Template) -> SegmentIndex {
        let mut runs = Runs::default();
        for &(start, duration, count) in list {
            assert!(runs.push(start, duration, count, false));
        }
        SegmentIndex::from_runs(
            Arc::new(runs),
            u64::MAX,
            timescale,
            template,
            None,
            MediaTime::ZERO,
        )
    }

    fn runs(list: &[(i64, u64, u64)]) -> SegmentIndex {
        let parts = vec![
            TemplatePart::Text("s".into()),
            TemplatePart::Number(3),
            TemplatePart::Text("-".into()),
            TemplatePart::Time(0),
        ];
        let template = Template {
            parts,
            start_number: 1,
            ..Template::default()
        };
        index_of(list, 90_000, template)
    }

    #[test]
    fn runs_resolve_lazily() {
        let index = runs(&[(0, 180_000, 3), (540_000, 90_000, 1_000_000_000_000)]);
        assert_eq!(index.len(), 1_000_000_000_003);
        let segment = index
            .get(4)
            .map(|s| (s.start.as_micros(), s.end.as_micros(), s.resource.url));
        assert_eq!(segment, Some((7_000_000, 8_000_000, "s005-630000".into())));
        assert_eq!(index.get(usize::MAX), None);
    }

    #[test]
    fn numbers_jump_and_are_shared_by_sequences() {
        let jump = |position, number, sequence| Jump {
            position,
            number,
            sequence,
        };
        let template = Template {
            parts: vec![
                TemplatePart::Number(0),
                TemplatePart::Text("-".into()),
                TemplatePart::SubNumber(2),
                TemplatePart::Text("-".into()),
                TemplatePart::Time(0),
            ],
            start_number: 5,
            jumps: vec![jump(2, 10, 2), jump(6, 50, 1)],
        };
        let index = index_of(&[(100, 10, 8)], 10, template);
        let urls: Vec<_> = (0..8)
            .filter_map(|i| index.get(i))
            .map(|s| s.resource.url)
            .collect();
        assert_eq!(
            urls,
            [
                "5-00-100",
                "6-00-110",
                "10-00-120",
                "10-01-120",
                "11-00-140",
                "11-01-140",
                "50-00-160",
                "51-00-170"
            ]
        );
    }

    #[test]
    fn positions_are_found_at_every_boundary() {
        let index = runs(&[(0, 180_180, 7), (7 * 180_180, 90_001, 13)]);
        for position in 0..index.len() {
            let (start, end) = index.times(position).unwrap_or_default();
            assert_eq!(index.position_at(start), position);
            assert_eq!(index.position_at(end - MediaTime::from_micros(1)), position);
        }
        assert_eq!(index.position_at(index.end()), index.len());
        assert_eq!(index.position_at(MediaTime::from_micros(-5)), 0);
        assert_eq!(index.position_at(MediaTime::MAX), index.len());
    }

    #[test]
    fn a_list_shares_urls_and_knows_sizes() {
        let mut builder = SegmentIndexBuilder::new(MediaTime::ZERO);
        for i in 0..3 {
            let range = Some(ByteRange {
                offset: i * 100,
                length: 100,
            });
            builder.push(
                MediaTime::from_millis(2000),
                Resource {
                    url: "u".into(),
                    range,
                },
                None,
                false,
            );
        }
        let index = builder.build(MediaTime::ZERO);
        assert_eq!(index.bytes(2), Some(100));
        assert_eq!(index.position_at(MediaTime::from_millis(2000)), 1);
        assert_eq!(index.end(), MediaTime::from_millis(6000));
    }
}
