//! `SegmentTemplate`, `SegmentList` and `SegmentBase` (ISO/IEC 23009-1, 5.3.9), and how they are inherited.

use std::sync::Arc;

use super::super::timeline::{ENDLESS, Span, Timed};
use super::super::tree::Element;
use super::super::values;
use super::base::Bases;
use super::periods::Times;
use super::template::Naming;
use crate::presentation::{
    Resource, Run, Runs, SegmentIndex, SegmentIndexBuilder, SegmentSource, SidxSource,
};
use crate::time::{ByteRange, MediaTime};
use crate::url;

/// What is said of a representation's segments, from the nearest level to the farthest: elements of one name.
#[derive(Clone, Copy)]
struct Levels<'a> {
    name: &'static str,
    elements: [Option<&'a Element>; 3],
}

impl<'a> Levels<'a> {
    /// `levels`: the representation, its adaptation set, the period.
    fn new(levels: [&'a Element; 3]) -> Option<Self> {
        // The nearest element says which kind it is; it inherits from those of its own name (5.3.9.1).
        let names = ["SegmentTemplate", "SegmentList", "SegmentBase"];
        let name = levels
            .iter()
            .find_map(|level| names.into_iter().find(|name| level.child(name).is_some()))?;
        Some(Self {
            name,
            elements: levels.map(|level| level.child(name)),
        })
    }

    fn get<T>(&self, f: impl Fn(&'a Element) -> Option<T>) -> Option<T> {
        self.elements.into_iter().flatten().find_map(f)
    }

    fn u64(&self, name: &str) -> Option<u64> {
        self.get(|element| element.u64(name))
    }

    fn child(&self, name: &str) -> Option<&'a Element> {
        self.get(|element| element.child(name))
    }
}

/// A representation's segments.
pub(super) struct Segments {
    pub(super) source: SegmentSource,
    /// Ticks a second, and the tick that the period starts at.
    pub(super) timescale: u32,
    pub(super) offset: i64,
    /// See [`Rendition::availability_time_offset`](crate::presentation::Rendition).
    pub(super) time_offset: Option<MediaTime>,
    pub(super) complete: bool,
}

/// What a representation is, for its segments.
pub(super) struct Of<'a> {
    /// Itself, its adaptation set, the period.
    pub(super) levels: [&'a Element; 3],
    pub(super) bases: &'a Bases,
    pub(super) id: &'a str,
    pub(super) bandwidth: u64,
    pub(super) times: Times,
    /// Text in a single file has no index.
    pub(super) is_text: bool,
}

pub(super) fn segments(of: &Of<'_>) -> Result<Segments, String> {
    let Some(levels) = Levels::new(of.levels) else {
        return without(of);
    };
    let timescale = levels
        .get(|level| level.u32("timescale").filter(|t| *t > 0))
        .unwrap_or(1);
    let offset = levels.u64("presentationTimeOffset").unwrap_or(0);
    let offset = i64::try_from(offset).map_err(|_| "presentationTimeOffset is too large")?;
    let time_offset = levels
        .get(|level| values::seconds(&level.attribute("availabilityTimeOffset")?))
        // 5.3.9.2: what SegmentBase says takes the place of what BaseURL says.
        .or(of.bases.time_offset);
    let complete = levels
        .get(|level| level.flag("availabilityTimeComplete"))
        .or(of.bases.complete)
        .unwrap_or(true);
    let reader = Source {
        of,
        levels,
        naming: Naming {
            base: of.bases.first(),
            id: of.id,
            bandwidth: of.bandwidth,
        },
        timescale,
        offset,
    };
    let source = match levels.name {
        "SegmentTemplate" => SegmentSource::Index(reader.template()?),
        "SegmentList" => SegmentSource::Index(reader.list()?),
        _ => SegmentSource::Sidx(reader.sidx()?),
    };
    if matches!(&source, SegmentSource::Index(index) if index.is_empty()) {
        return Err("it has no segment".into());
    }
    Ok(Segments {
        source,
        timescale,
        offset,
        time_offset,
        complete,
    })
}

/// A representation that says nothing of its segments is a single one (5.3.9.1).
fn without(of: &Of<'_>) -> Result<Segments, String> {
    let [representation, ..] = of.levels;
    if representation.child("BaseURL").is_none() {
        return Err("it has no SegmentTemplate, no SegmentList and no SegmentBase".into());
    }
    let file = Resource {
        url: of.bases.first().to_owned(),
        range: None,
    };
    let source = if of.is_text {
        let duration = of.times.duration.ok_or(UNKNOWN_PERIOD)?;
        let mut builder = SegmentIndexBuilder::new(of.times.start);
        builder.push(duration, file, None, false);
        SegmentSource::Index(builder.build(of.times.start))
    } else {
        SegmentSource::Sidx(SidxSource {
            index: file,
            init: None,
            timestamp_offset: of.times.start,
            end: of.times.duration.map(|d| of.times.start + d),
        })
    };
    Ok(Segments {
        source,
        timescale: 1,
        offset: 0,
        time_offset: of.bases.time_offset,
        complete: of.bases.complete.unwrap_or(true),
    })
}

const UNKNOWN_PERIOD: &str = "its period's duration is not known";

struct Source<'a> {
    of: &'a Of<'a>,
    levels: Levels<'a>,
    naming: Naming<'a>,
    timescale: u32,
    offset: i64,
}

impl Source<'_> {
    fn timestamp_offset(&self) -> MediaTime {
        self.of.times.start - MediaTime::from_ticks(self.offset, self.timescale)
    }

    fn resource(&self, reference: &str, range: Option<ByteRange>) -> Result<Resource, String> {
        url::resolve(self.naming.base, reference)
            .map(|url| Resource { url, range })
            .map_err(|e| e.to_string())
    }

    /// The initialization section.
    fn init(&self) -> Result<Option<Resource>, String> {
        if let Some(element) = self.levels.child("Initialization") {
            return self.url_of(element).map(Some);
        }
        match self.levels.get(|level| level.attribute("initialization")) {
            Some(template) => self.resource(&self.naming.constant(&template)?, None).map(Some),
            None => Ok(None),
        }
    }

    /// `@sourceURL` and `@range`.
    fn url_of(&self, element: &Element) -> Result<Resource, String> {
        let range = element.attribute("range").and_then(|r| values::byte_range(&r));
        self.resource(&element.string("sourceURL"), range)
    }

    /// Where the period lies on the media timeline.
    fn span(&self) -> Span {
        let end = self.of.times.duration.map(|d| {
            let ticks = i128::from(d.as_micros()) * i128::from(self.timescale) / 1_000_000;
            i64::try_from(ticks + i128::from(self.offset)).unwrap_or(i64::MAX)
        });
        Span {
            end,
            live: self.of.times.live,
        }
    }

    /// `None` if there is no timeline.
    fn timeline(&self, start_number: u64) -> Option<Timed> {
        let timeline = self.levels.child("SegmentTimeline")?.timeline()?;
        Some(timeline.timed(&self.span(), start_number))
    }

    fn duration(&self) -> Option<u64> {
        self.levels.get(|level| level.u64("duration").filter(|d| *d > 0))
    }

    fn template(&self) -> Result<SegmentIndex, String> {
        let media = self.levels.get(|level| level.attribute("media"));
        let media = media.ok_or("SegmentTemplate has no media attribute")?;
        let start_number = self.levels.u64("startNumber").unwrap_or(1);
        let most = self
            .levels
            .u64("endNumber")
            .map(|end| end.saturating_add(1).saturating_sub(start_number));
        let Timed { runs, mut len, jumps } = match self.timeline(start_number) {
            Some(timed) => timed,
            None => {
                let run = self.formula(self.duration(), most)?;
                let mut runs = Runs::default();
                runs.push(run.start, run.duration, run.count, false);
                Timed {
                    runs: Arc::new(runs),
                    len: u64::MAX,
                    jumps: Vec::new(),
                }
            }
        };
        if let Some(most) = most.filter(|_| jumps.is_empty()) {
            len = len.min(most);
        }
        let mut template = self.naming.template(&media, start_number)?;
        template.jumps = jumps;
        let init = self.init()?;
        Ok(SegmentIndex::from_runs(
            runs,
            len,
            self.timescale,
            template,
            init,
            self.timestamp_offset(),
        ))
    }

    /// Segments of one duration, from the start of the period on.
    fn formula(&self, duration: Option<u64>, most: Option<u64>) -> Result<Run, String> {
        let times = self.of.times;
        let ticks = times.duration.map(|d| {
            let ticks = i128::from(d.as_micros()) * i128::from(self.timescale) / 1_000_000;
            u64::try_from(ticks).unwrap_or(0)
        });
        let (duration, count) = match duration {
            Some(duration) => {
                let count = match times.duration {
                    Some(period) => Some(count(duration, self.timescale, period)),
                    None if times.live => Some(ENDLESS),
                    None => most,
                };
                (duration, count.ok_or(UNKNOWN_PERIOD)?)
            }
            // A single segment (5.3.9.4.1).
            None => (ticks.filter(|t| *t > 0).ok_or(UNKNOWN_PERIOD)?, 1),
        };
        Ok(Run {
            start: self.offset,
            duration,
            count,
            ..Run::default()
        })
    }

    fn list(&self) -> Result<SegmentIndex, String> {
        // Those of the nearest level that has any.
        let list = self
            .levels
            .get(|level| level.child("SegmentURL").and(Some(level)))
            .ok_or("SegmentList is empty")?;
        let entries = list.named("SegmentURL");
        let len = entries.len();
        let mut builder = SegmentIndexBuilder::new(self.of.times.start);
        if let Some(init) = self.init()? {
            builder.init(init);
        }
        let durations = self.list_durations(len)?;
        // Most lists are of ranges of one file: its URL is resolved once.
        let mut last: Option<(String, String)> = None;
        for (entry, duration) in entries.into_iter().zip(durations) {
            let media = entry.string("media");
            let url = match &last {
                Some((reference, url)) if *reference == media => url.clone(),
                _ => {
                    let url = self.resource(&media, None)?.url;
                    last = Some((media, url.clone()));
                    url
                }
            };
            let range = entry.attribute("mediaRange").and_then(|r| values::byte_range(&r));
            builder.push(duration, Resource { url, range }, None, false);
        }
        Ok(builder.build(self.timestamp_offset()))
    }

    fn list_durations(&self, len: usize) -> Result<Vec<MediaTime>, String> {
        let period = self.of.times.duration;
        if let Some(timed) = self.timeline(1) {
            let mut durations = Vec::with_capacity(len);
            let len = timed.len.min(len as u64);
            for run in timed.runs.iter() {
                let left = len.saturating_sub(run.first);
                durations.extend((0..run.count.min(left)).map(|i| self.length(&run, i)));
            }
            return Ok(durations);
        }
        let run = match self.duration() {
            Some(duration) => Run {
                start: 0,
                duration,
                count: len as u64,
                ..Run::default()
            },
            None if len == 1 => return Ok(vec![period.ok_or(UNKNOWN_PERIOD)?]),
            None => return Err("SegmentList has neither a duration nor a SegmentTimeline".into()),
        };
        let mut at = MediaTime::ZERO;
        Ok((0..run.count)
            .map(|i| {
                let mut duration = self.length(&run, i);
                if let Some(end) = period.filter(|end| at + duration > *end) {
                    duration = (end - at).max(MediaTime::from_micros(1));
                }
                at += duration;
                duration
            })
            .collect())
    }

    /// How long a segment of a run is: rounded such that they add up.
    fn length(&self, run: &Run, i: u64) -> MediaTime {
        let at = |n: u64| {
            let ticks = run.tick(n);
            MediaTime::from_ticks(ticks, self.timescale)
        };
        at(i + 1) - at(i)
    }

    fn sidx(&self) -> Result<SidxSource, String> {
        let range = self
            .levels
            .get(|level| values::byte_range(&level.attribute("indexRange")?));
        let index = match self.levels.child("RepresentationIndex") {
            Some(element) => self.url_of(element)?,
            None => self.resource("", range)?,
        };
        let times = self.of.times;
        Ok(SidxSource {
            index,
            init: self.init()?,
            timestamp_offset: self.timestamp_offset(),
            end: times.duration.map(|d| times.start + d),
        })
    }
}

/// How many segments of a duration fill the period.
fn count(duration: u64, timescale: u32, period: MediaTime) -> u64 {
    let total = i128::from(period.as_micros()) * i128::from(timescale);
    let each = i128::from(duration) * 1_000_000;
    // Durations in seconds are rounded: a last segment shorter than a millisecond is none.
    let count = (total + each - 1 - 1000 * i128::from(timescale))
        .div_euclid(each)
        .max(1);
    u64::try_from(count).unwrap_or(u64::MAX)
}
