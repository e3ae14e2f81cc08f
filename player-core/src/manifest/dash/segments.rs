//! SegmentTemplate, SegmentList and SegmentTimeline, and how they are inherited.

use crate::manifest::MAX_ENTRIES;
use crate::presentation::{Resource, Run, SegmentIndex, SegmentIndexBuilder, Template, TemplatePart};
use crate::time::{ByteRange, MediaTime};
use crate::url;

/// What one level (period, adaptation set, representation) says of its segments.
#[derive(Clone, Default)]
pub(super) struct SegmentInfo {
    pub(super) has_template: bool,
    pub(super) has_list: bool,
    pub(super) has_base: bool,
    pub(super) timescale: Option<u32>,
    pub(super) duration: Option<u64>,
    pub(super) start_number: Option<u64>,
    pub(super) end_number: Option<u64>,
    pub(super) presentation_time_offset: Option<u64>,
    pub(super) init_template: Option<String>,
    pub(super) media_template: Option<String>,
    pub(super) initialization: Option<(String, Option<ByteRange>)>,
    pub(super) list: Vec<ListEntry>,
    pub(super) timeline: Option<Vec<TimelineEntry>>,
}

#[derive(Clone, Default)]
pub(super) struct ListEntry {
    pub(super) media: Option<String>,
    pub(super) range: Option<ByteRange>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct TimelineEntry {
    pub(super) time: Option<u64>,
    pub(super) duration: u64,
    pub(super) repeat: i64,
}

/// The levels that apply to a representation, the nearest first.
#[derive(Clone, Copy)]
pub(super) struct Levels<'a>(pub(super) [&'a SegmentInfo; 3]);

impl<'a> Levels<'a> {
    fn get<T>(self, f: impl Fn(&'a SegmentInfo) -> Option<T>) -> Option<T> {
        self.0.into_iter().find_map(f)
    }

    fn any(self, f: impl Fn(&SegmentInfo) -> bool) -> bool {
        self.0.into_iter().any(f)
    }
}

/// What the URLs of a representation's segments are made from.
pub(super) struct Naming<'a> {
    pub(super) base: &'a str,
    pub(super) id: &'a str,
    pub(super) bandwidth: u64,
}

/// Where the period lies.
#[derive(Clone, Copy)]
pub(super) struct PeriodTimes {
    pub(super) start: MediaTime,
    pub(super) duration: Option<MediaTime>,
}

pub(super) fn index(
    levels: Levels<'_>,
    naming: &Naming<'_>,
    period: PeriodTimes,
) -> Result<SegmentIndex, String> {
    let timescale = levels.get(|l| l.timescale).unwrap_or(1);
    let offset = levels.get(|l| l.presentation_time_offset).unwrap_or(0);
    let offset = i64::try_from(offset).map_err(|_| "presentationTimeOffset is too large")?;
    let timestamp_offset = period.start - MediaTime::from_ticks(offset, timescale);
    let duration = levels.get(|l| l.duration);
    let resource = |reference: &str, range| {
        url::resolve(naming.base, reference)
            .map(|url| Resource { url, range })
            .map_err(|e| e.to_string())
    };
    let init = match levels.get(|l| l.initialization.as_ref()) {
        Some((reference, range)) => Some(resource(reference, *range)?),
        None => match levels.get(|l| l.init_template.as_deref()) {
            Some(template) => Some(resource(&constant(template, naming)?, None)?),
            None => None,
        },
    };
    if levels.any(|l| l.has_template) {
        let media = levels
            .get(|l| l.media_template.as_deref())
            .ok_or("SegmentTemplate has no media attribute")?;
        let start_number = levels.get(|l| l.start_number).unwrap_or(1);
        let template = template(media, naming, start_number)?;
        let runs = match levels.get(|l| l.timeline.as_deref()) {
            Some(timeline) => timeline_runs(timeline, timescale, offset, period),
            None => {
                let duration =
                    duration.ok_or("SegmentTemplate has neither a duration nor a SegmentTimeline")?;
                let count = match levels.get(|l| l.end_number) {
                    Some(end) => end.saturating_sub(start_number).saturating_add(1),
                    None => count(duration, timescale, period)
                        .ok_or("SegmentTemplate@duration in a period of unknown duration")?,
                };
                if count == 0 {
                    vec![]
                } else {
                    vec![Run {
                        start: offset,
                        duration,
                        count,
                        first: 0,
                    }]
                }
            }
        };
        let index = SegmentIndex::from_runs(runs, timescale, template, init, timestamp_offset);
        return if index.is_empty() {
            Err("it has no segment".into())
        } else {
            Ok(index)
        };
    }
    if levels.any(|l| l.has_list) {
        let list = levels
            .get(|l| (!l.list.is_empty()).then_some(&l.list))
            .ok_or("SegmentList is empty")?;
        let mut builder = SegmentIndexBuilder::new(period.start);
        if let Some(init) = init {
            builder.init(init);
        }
        let durations = list_durations(levels, duration, timescale, offset, period, list.len())?;
        // Most lists are of ranges of one file: its URL is resolved once.
        let mut last: Option<(&str, String)> = None;
        for (entry, duration) in list.iter().zip(durations) {
            let media = entry.media.as_deref().unwrap_or_default();
            let url = match &last {
                Some((reference, url)) if *reference == media => url.clone(),
                _ => {
                    let url = resource(media, None)?.url;
                    last = Some((media, url.clone()));
                    url
                }
            };
            let range = entry.range;
            builder.push(duration, Resource { url, range }, None, false);
        }
        return if builder.is_empty() {
            Err("it has no segment".into())
        } else {
            Ok(builder.build(timestamp_offset))
        };
    }
    if levels.any(|l| l.has_base) {
        return Err(
            "SegmentBase (a single file with an index inside) is not supported by this version".into(),
        );
    }
    Err("it has no SegmentTemplate and no SegmentList".into())
}

fn list_durations(
    levels: Levels<'_>,
    duration: Option<u64>,
    timescale: u32,
    offset: i64,
    period: PeriodTimes,
    len: usize,
) -> Result<Vec<MediaTime>, String> {
    if let Some(timeline) = levels.get(|l| l.timeline.as_deref()) {
        let mut durations = Vec::with_capacity(len);
        for run in timeline_runs(timeline, timescale, offset, period) {
            for i in 0..run.count {
                if durations.len() >= len {
                    break;
                }
                let at = |n: u64| {
                    MediaTime::from_ticks(
                        run.start.saturating_add_unsigned(run.duration.saturating_mul(n)),
                        timescale,
                    )
                };
                durations.push(at(i + 1) - at(i));
            }
        }
        return Ok(durations);
    }
    let duration = duration.ok_or("SegmentList has neither a duration nor a SegmentTimeline")?;
    let at = |n: usize| {
        MediaTime::from_ticks(
            i64::try_from(duration.saturating_mul(n as u64)).unwrap_or(i64::MAX),
            timescale,
        )
    };
    Ok((0..len)
        .map(|i| {
            let end = period.duration.map_or(at(i + 1), |end| {
                at(i + 1).min(end.max(at(i) + MediaTime::from_micros(1)))
            });
            end - at(i)
        })
        .collect())
}

/// How many segments of a duration fill the period.
fn count(duration: u64, timescale: u32, period: PeriodTimes) -> Option<u64> {
    let total = i128::from(period.duration?.as_micros()) * i128::from(timescale);
    let each = i128::from(duration) * 1_000_000;
    // Durations in seconds are rounded: a last segment shorter than a millisecond is none.
    let count = (total + each - 1 - 1000 * i128::from(timescale))
        .div_euclid(each)
        .max(1);
    u64::try_from(count).ok()
}

fn timeline_runs(timeline: &[TimelineEntry], timescale: u32, offset: i64, period: PeriodTimes) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::with_capacity(timeline.len().min(MAX_ENTRIES));
    let mut time: i64 = 0;
    let mut first: u64 = 0;
    let period_end = period.duration.map(|d| {
        let ticks = i128::from(d.as_micros()) * i128::from(timescale) / 1_000_000 + i128::from(offset);
        i64::try_from(ticks).unwrap_or(i64::MAX)
    });
    for (i, entry) in timeline.iter().enumerate() {
        if let Some(t) = entry.time.and_then(|t| i64::try_from(t).ok()) {
            // Backwards would overlap what is there: keep the order.
            time = t.max(time);
        }
        let Ok(duration) = i64::try_from(entry.duration) else {
            continue;
        };
        if duration == 0 {
            continue;
        }
        let count = if entry.repeat >= 0 {
            entry.repeat as u64 + 1
        } else {
            // Up to the next S that says its time, else the end of the period.
            let until = timeline
                .get(i + 1)
                .and_then(|next| next.time)
                .and_then(|t| i64::try_from(t).ok())
                .or(period_end);
            match until {
                Some(until) if until > time => {
                    ((i128::from(until) - i128::from(time) + i128::from(duration) - 1) / i128::from(duration))
                        as u64
                }
                Some(_) => 0,
                None => 1,
            }
        };
        if count == 0 {
            continue;
        }
        // Merge with the run before if it goes on.
        match runs.last_mut() {
            Some(last) if last.duration == entry.duration && time_after(last) == Some(time) => {
                last.count = last.count.saturating_add(count)
            }
            _ => runs.push(Run {
                start: time,
                duration: entry.duration,
                count,
                first,
            }),
        }
        first = first.saturating_add(count);
        let Some(end) = i64::try_from(count)
            .ok()
            .and_then(|n| duration.checked_mul(n))
            .and_then(|span| time.checked_add(span))
        else {
            break;
        };
        time = end;
    }
    runs
}

fn time_after(run: &Run) -> Option<i64> {
    let span = run.duration.checked_mul(run.count)?;
    run.start.checked_add(i64::try_from(span).ok()?)
}

/// Expands a template that depends on the representation only.
fn constant(text: &str, naming: &Naming<'_>) -> Result<String, String> {
    let mut out = String::new();
    for part in parts(text, naming)? {
        match part {
            TemplatePart::Text(text) => out.push_str(&text),
            _ => return Err(format!("\"{text}\" must not depend on the segment")),
        }
    }
    Ok(out)
}

/// A template with absolute URLs, if the base can be put before it once and for all.
fn template(text: &str, naming: &Naming<'_>, start_number: u64) -> Result<Template, String> {
    let mut parts = parts(text, naming)?;
    // Resolve with marks in the place of number and time: neither can hold a character that resolution looks at.
    let mut marked = String::new();
    let mut marks = Vec::new();
    for part in parts.drain(..) {
        match part {
            TemplatePart::Text(text) => marked.push_str(&text),
            other => {
                marked.push('\u{1}');
                marks.push(other);
            }
        }
    }
    let resolved = url::resolve(naming.base, &marked).map_err(|e| e.to_string())?;
    let mut marks = marks.into_iter();
    for (i, text) in resolved.split('\u{1}').enumerate() {
        if i > 0 {
            parts.extend(marks.next());
        }
        if !text.is_empty() {
            parts.push(TemplatePart::Text(text.to_owned()));
        }
    }
    Ok(Template { parts, start_number })
}

fn parts(text: &str, naming: &Naming<'_>) -> Result<Vec<TemplatePart>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    for (i, piece) in text.split('$').enumerate() {
        if i % 2 == 0 {
            literal.push_str(piece);
            continue;
        }
        let (name, width) = match piece.split_once('%') {
            Some((name, format)) => {
                let width = format.strip_suffix('d').and_then(|w| w.parse::<usize>().ok());
                (
                    name,
                    width
                        .filter(|w| *w <= 20)
                        .ok_or_else(|| format!("\"${piece}$\" has no usable width"))?,
                )
            }
            None => (piece, 0),
        };
        let mut push = |part: TemplatePart| {
            if !literal.is_empty() {
                parts.push(TemplatePart::Text(core::mem::take(&mut literal)));
            }
            parts.push(part);
        };
        match name {
            "" => literal.push('$'),
            "RepresentationID" => literal.push_str(naming.id),
            "Bandwidth" => literal.push_str(&format!("{:0width$}", naming.bandwidth)),
            "Number" => push(TemplatePart::Number(width)),
            "Time" => push(TemplatePart::Time(width)),
            _ => return Err(format!("\"${piece}$\" is not known")),
        }
    }
    if text.matches('$').count() % 2 == 1 {
        return Err(format!("\"{text}\" has a $ without its partner"));
    }
    if !literal.is_empty() {
        parts.push(TemplatePart::Text(literal));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: PeriodTimes = PeriodTimes {
        start: MediaTime::ZERO,
        duration: Some(MediaTime::from_millis(10_000)),
    };
    const NAMING: Naming<'_> = Naming {
        base: "https://h/d/m.mpd",
        id: "v1",
        bandwidth: 500,
    };

    fn template_info(media: &str) -> SegmentInfo {
        SegmentInfo {
            has_template: true,
            media_template: Some(media.into()),
            timescale: Some(10),
            ..SegmentInfo::default()
        }
    }

    fn urls(info: &SegmentInfo) -> Result<Vec<String>, String> {
        let none = SegmentInfo::default();
        let index = index(Levels([info, &none, &none]), &NAMING, PERIOD)?;
        Ok((0..index.len().min(20))
            .filter_map(|i| index.get(i))
            .map(|s| s.resource.url)
            .collect())
    }

    #[test]
    fn numbers_times_and_widths() {
        let info = SegmentInfo {
            duration: Some(40),
            start_number: Some(7),
            ..template_info("../$RepresentationID$/$Bandwidth$-$Number%03d$.m4s")
        };
        assert_eq!(
            urls(&info),
            Ok(vec![
                "https://h/v1/500-007.m4s".into(),
                "https://h/v1/500-008.m4s".into(),
                "https://h/v1/500-009.m4s".into()
            ])
        );
        for bad in ["$Number%0999999999d$", "$Nonsense$", "$Number", "a$$b$"] {
            assert!(
                urls(&SegmentInfo {
                    duration: Some(40),
                    ..template_info(bad)
                })
                .is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn timelines_with_negative_repeat_end_where_they_must() {
        let s = |time, duration, repeat| TimelineEntry {
            time,
            duration,
            repeat,
        };
        let info = |timeline| SegmentInfo {
            timeline: Some(timeline),
            ..template_info("$Time$")
        };
        let read = |timeline| {
            urls(&info(timeline)).map(|u| {
                u.iter()
                    .map(|u| u.trim_start_matches("https://h/d/").to_owned())
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        };
        assert_eq!(
            read(vec![s(None, 30, -1), s(Some(60), 20, -1)]).as_deref(),
            Ok("0 30 60 80")
        );
        assert_eq!(
            read(vec![s(Some(5), 40, 1), s(None, 0, 9), s(Some(2), 5, 0)]).as_deref(),
            Ok("5 45 85")
        );
        assert!(read(vec![s(None, 0, -1)]).is_err());
        // A repeat count that no list could hold.
        let huge = SegmentInfo {
            timeline: Some(vec![s(None, 10, i64::MAX)]),
            ..template_info("$Number$")
        };
        let none = SegmentInfo::default();
        let index = index(Levels([&huge, &none, &none]), &NAMING, PERIOD).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(index.position_at(MediaTime::from_millis(5500)), 5);
        assert!(index.get(usize::MAX - 1).is_some() || index.len() < usize::MAX);
    }

    #[test]
    fn a_last_segment_of_rounding_is_none() {
        let info = SegmentInfo {
            duration: Some(50),
            ..template_info("$Number$")
        };
        assert_eq!(urls(&info).map(|u| u.len()), Ok(2));
    }
}
