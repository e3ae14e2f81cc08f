//! The segments of a rendition, kept as they were written: runs of equal durations and a template, or a list. A segment is
//! worked out when it is asked for, so that a huge repeat count costs nothing.

use crate::time::{Bitrate, ByteRange, MediaTime};

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
    /// It is declared missing (`EXT-X-GAP`).
    pub gap: bool,
}

/// `count` segments of equal duration, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Start of the first one, ticks of the media timeline.
    pub start: i64,
    /// Duration of each, ticks; more than zero.
    pub duration: u64,
    /// How many; at least one.
    pub count: u64,
    /// Index of the first one among all segments.
    pub first: u64,
}

/// How the URL of a segment is made (ISO/IEC 23009-1, 5.3.9.4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The parts of the text.
    pub parts: Vec<TemplatePart>,
    /// Number of the first segment (`@startNumber`).
    pub start_number: u64,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplatePart {
    /// Text as it stands.
    Text(String),
    /// `$Number$`, with leading zeros up to a width.
    Number(usize),
    /// `$Time$`, with leading zeros up to a width.
    Time(usize),
}

/// Where the segments of a rendition are, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentIndex {
    /// The initialization sections; a segment says which one it needs.
    pub inits: Vec<Resource>,
    /// What must be added to media timestamps to get to the presentation timeline.
    pub timestamp_offset: MediaTime,
    body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    List {
        entries: Vec<Entry>,
        urls: Vec<String>,
        end: MediaTime,
    },
    Runs {
        runs: Vec<Run>,
        timescale: u32,
        template: Template,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    start: MediaTime,
    duration: MediaTime,
    url: u32,
    range: Option<ByteRange>,
    bytes: Option<u64>,
    init: Option<u32>,
    gap: bool,
}

impl SegmentIndex {
    /// An index of runs, in order and without overlap. `timestamp_offset` maps media ticks to the timeline.
    pub fn from_runs(
        runs: Vec<Run>,
        timescale: u32,
        template: Template,
        init: Option<Resource>,
        timestamp_offset: MediaTime,
    ) -> Self {
        let body = Body::Runs {
            runs,
            timescale: timescale.max(1),
            template,
        };
        Self {
            inits: init.into_iter().collect(),
            timestamp_offset,
            body,
        }
    }

    /// How many segments there are.
    pub fn len(&self) -> usize {
        match &self.body {
            Body::List { entries, .. } => entries.len(),
            Body::Runs { runs, .. } => runs.last().map_or(0, |run| {
                usize::try_from(run.first.saturating_add(run.count)).unwrap_or(usize::MAX)
            }),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the first segment starts.
    pub fn start(&self) -> MediaTime {
        self.times(0).map_or(MediaTime::ZERO, |(start, _)| start)
    }

    /// Where the last segment ends.
    pub fn end(&self) -> MediaTime {
        match &self.body {
            Body::List { end, .. } => *end,
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
            Body::List { entries, .. } => {
                let entry = entries.get(position)?;
                Some((entry.start, entry.start + entry.duration))
            }
            Body::Runs { timescale, .. } => {
                let (run, within) = self.run_of(position)?;
                let ticks = |n: u64| {
                    let ticks = i128::from(run.start) + i128::from(run.duration) * i128::from(n);
                    let ticks = i64::try_from(ticks).unwrap_or(i64::MAX);
                    MediaTime::from_ticks(ticks, *timescale) + self.timestamp_offset
                };
                Some((ticks(within), ticks(within.saturating_add(1))))
            }
        }
    }

    /// A segment by its position. O(log runs).
    pub fn get(&self, position: usize) -> Option<Segment> {
        let (start, end) = self.times(position)?;
        Some(match &self.body {
            Body::List { entries, urls, .. } => {
                let entry = entries.get(position)?;
                let url = urls.get(entry.url as usize)?.clone();
                Segment {
                    start,
                    end,
                    resource: Resource {
                        url,
                        range: entry.range,
                    },
                    bytes: self.bytes(position),
                    init: entry.init.map(|i| i as usize),
                    gap: entry.gap,
                }
            }
            Body::Runs { template, .. } => {
                let (run, within) = self.run_of(position)?;
                let time = i128::from(run.start) + i128::from(run.duration) * i128::from(within);
                let number = template.start_number.saturating_add(position as u64);
                Segment {
                    start,
                    end,
                    resource: Resource {
                        url: template.expand(number, time),
                        range: None,
                    },
                    bytes: None,
                    init: (!self.inits.is_empty()).then_some(0),
                    gap: false,
                }
            }
        })
    }

    /// Which bytes of its resource a segment is, if it is not all of them.
    pub fn range(&self, position: usize) -> Option<ByteRange> {
        match &self.body {
            Body::List { entries, .. } => entries.get(position)?.range,
            Body::Runs { .. } => None,
        }
    }

    /// Size of a segment in bytes, if the manifest says it: exactly where it is a byte range, else by a declared bitrate, which
    /// may be a tenth off.
    pub fn bytes(&self, position: usize) -> Option<u64> {
        match &self.body {
            Body::List { entries, .. } => entries
                .get(position)
                .and_then(|e| e.range.map(|r| r.length).or(e.bytes)),
            Body::Runs { .. } => None,
        }
    }

    /// The position of the segment that contains `t`: the first one before the start, `len()` at or past the end. A
    /// hole belongs to the segment after it. O(log n).
    pub fn position_at(&self, t: MediaTime) -> usize {
        match &self.body {
            Body::List { entries, .. } => entries.partition_point(|e| e.start + e.duration <= t),
            Body::Runs { runs, .. } => {
                let Some(run) = runs.get(runs.partition_point(|run| {
                    let last = usize::try_from(run.first.saturating_add(run.count - 1)).unwrap_or(usize::MAX);
                    self.times(last).is_some_and(|(_, end)| end <= t)
                })) else {
                    return self.len();
                };
                // Within the run by bisection over positions: ticks and microseconds do not divide evenly.
                let (mut low, mut high) = (run.first, run.first.saturating_add(run.count));
                while low < high {
                    let middle = low + (high - low) / 2;
                    let at = usize::try_from(middle).unwrap_or(usize::MAX);
                    if self.times(at).is_some_and(|(_, end)| end <= t) {
                        low = middle + 1;
                    } else {
                        high = middle;
                    }
                }
                usize::try_from(low).unwrap_or(usize::MAX)
            }
        }
    }

    fn run_of(&self, position: usize) -> Option<(Run, u64)> {
        let Body::Runs { runs, .. } = &self.body else {
            return None;
        };
        let position = position as u64;
        let run = *runs.get(runs.partition_point(|run| run.first <= position).checked_sub(1)?)?;
        let within = position - run.first;
        (within < run.count).then_some((run, within))
    }
}

impl Template {
    fn expand(&self, number: u64, time: i128) -> String {
        use core::fmt::Write as _;
        let mut url = String::new();
        for part in &self.parts {
            let _ = match part {
                TemplatePart::Text(text) => {
                    url.push_str(text);
                    Ok(())
                }
                TemplatePart::Number(width) => write!(url, "{number:0width$}"),
                TemplatePart::Time(width) => write!(url, "{time:0width$}"),
            };
        }
        url
    }
}

/// Builds an index from a list of segments.
#[derive(Clone, Debug, Default)]
pub struct SegmentIndexBuilder {
    inits: Vec<Resource>,
    entries: Vec<Entry>,
    urls: Vec<String>,
    end: MediaTime,
}

impl SegmentIndexBuilder {
    /// An empty list, whose first segment starts at `start`.
    pub fn new(start: MediaTime) -> Self {
        Self {
            end: start,
            ..Self::default()
        }
    }

    /// The initialization section of the segments that follow.
    pub fn init(&mut self, init: Resource) {
        if self.inits.last() != Some(&init) {
            self.inits.push(init);
        }
    }

    /// Adds a segment right behind the one before. `bitrate` (with which `bytes` is estimated) counts only if the range is unknown.
    pub fn push(&mut self, duration: MediaTime, resource: Resource, bitrate: Option<Bitrate>, gap: bool) {
        let bytes = bitrate.map(|b| (b.as_f64() * duration.as_secs_f64() / 8.0) as u64);
        if self.urls.last() != Some(&resource.url) {
            self.urls.push(resource.url);
        }
        self.entries.push(Entry {
            start: self.end,
            duration,
            url: (self.urls.len() - 1) as u32,
            range: resource.range,
            bytes,
            init: self.inits.len().checked_sub(1).map(|i| i as u32),
            gap,
        });
        self.end += duration;
    }

    /// How many segments there are so far.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none so far.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The index.
    pub fn build(self, timestamp_offset: MediaTime) -> SegmentIndex {
        let body = Body::List {
            entries: self.entries,
            urls: self.urls,
            end: self.end,
        };
        SegmentIndex {
            inits: self.inits,
            timestamp_offset,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(list: &[(i64, u64, u64)]) -> SegmentIndex {
        let mut first = 0;
        let runs = list
            .iter()
            .map(|&(start, duration, count)| {
                let run = Run {
                    start,
                    duration,
                    count,
                    first,
                };
                first += count;
                run
            })
            .collect();
        let parts = vec![
            TemplatePart::Text("s".into()),
            TemplatePart::Number(3),
            TemplatePart::Text("-".into()),
            TemplatePart::Time(0),
        ];
        SegmentIndex::from_runs(
            runs,
            90_000,
            Template {
                parts,
                start_number: 1,
            },
            None,
            MediaTime::ZERO,
        )
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
