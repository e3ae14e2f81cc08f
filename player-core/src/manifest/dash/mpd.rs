//! The elements of an MPD, in their own terms.

use super::segments::{ListEntry, SegmentInfo, TimelineEntry};
use super::xml::{Element, Xml};
use crate::manifest::{MAX_ENTRIES, MAX_RENDITIONS, ManifestError, table};
use crate::presentation::Warning;
use crate::time::{ByteRange, MediaTime};

#[derive(Default)]
pub(super) struct Mpd {
    pub(super) dynamic: bool,
    pub(super) duration: Option<MediaTime>,
    pub(super) base_urls: Vec<String>,
    pub(super) segment_table: Option<String>,
    pub(super) periods: Vec<Period>,
}

#[derive(Default)]
pub(super) struct Period {
    pub(super) id: String,
    pub(super) start: Option<MediaTime>,
    pub(super) duration: Option<MediaTime>,
    pub(super) base_urls: Vec<String>,
    pub(super) segments: SegmentInfo,
    pub(super) sets: Vec<AdaptationSet>,
}

#[derive(Default)]
pub(super) struct AdaptationSet {
    pub(super) line: u32,
    pub(super) id: String,
    pub(super) language: String,
    pub(super) label: String,
    pub(super) content_type: String,
    pub(super) common: Common,
    pub(super) base_urls: Vec<String>,
    pub(super) segments: SegmentInfo,
    pub(super) segment_table: Option<String>,
    /// Scheme of an EssentialProperty that this reader does not know.
    pub(super) essential: Option<String>,
    pub(super) protected: bool,
    pub(super) representations: Vec<Representation>,
}

#[derive(Default)]
pub(super) struct Representation {
    pub(super) id: String,
    pub(super) bandwidth: u64,
    pub(super) common: Common,
    pub(super) base_urls: Vec<String>,
    pub(super) segments: SegmentInfo,
}

/// Attributes that an adaptation set hands down to its representations (5.3.7).
#[derive(Clone, Default)]
pub(super) struct Common {
    pub(super) mime_type: Option<String>,
    pub(super) codecs: Option<String>,
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    pub(super) frame_rate: Option<f64>,
}

impl Common {
    fn attribute(&mut self, name: &str, value: &str) {
        match name {
            "mimeType" => self.mime_type = Some(value.to_owned()),
            "codecs" => self.codecs = Some(value.to_owned()),
            "width" => self.width = value.parse().ok(),
            "height" => self.height = value.parse().ok(),
            "frameRate" => self.frame_rate = frame_rate(value),
            _ => {}
        }
    }

    pub(super) fn or(&self, parent: &Self) -> Self {
        Self {
            mime_type: self.mime_type.clone().or_else(|| parent.mime_type.clone()),
            codecs: self.codecs.clone().or_else(|| parent.codecs.clone()),
            width: self.width.or(parent.width),
            height: self.height.or(parent.height),
            frame_rate: self.frame_rate.or(parent.frame_rate),
        }
    }
}

pub(super) fn read(text: &str, warnings: &mut Vec<Warning>) -> Result<Mpd, ManifestError> {
    let mut xml = Xml::new(text);
    let root = xml.root()?;
    if root.name() != "MPD" {
        return Err(ManifestError::NotAManifest(format!("<{}>", root.name())));
    }
    let mut mpd = Mpd::default();
    root.attributes(|name, value| match name {
        "type" => mpd.dynamic = value == "dynamic",
        "mediaPresentationDuration" => mpd.duration = duration(value),
        _ => {}
    });
    let mut representations = 0;
    xml.children(&root, |xml, child| {
        match child.name() {
            "BaseURL" => mpd.base_urls.push(xml.text(&child)?),
            "SupplementalProperty" => {
                mpd.segment_table = mpd.segment_table.take().or(segment_table(&child));
                xml.skip(&child)?;
            }
            "Period" => {
                let period = period(xml, &child, warnings)?;
                representations += period
                    .sets
                    .iter()
                    .map(|set| set.representations.len())
                    .sum::<usize>();
                if representations > MAX_RENDITIONS {
                    return Err(ManifestError::Limit {
                        line: xml.line(),
                        what: "too many representations",
                        limit: MAX_RENDITIONS,
                    });
                }
                mpd.periods.push(period);
            }
            _ => xml.skip(&child)?,
        }
        Ok(())
    })?;
    Ok(mpd)
}

fn period<'a>(
    xml: &mut Xml<'a>,
    element: &Element<'a>,
    warnings: &mut Vec<Warning>,
) -> Result<Period, ManifestError> {
    let mut period = Period::default();
    element.attributes(|name, value| match name {
        "id" => value.clone_into(&mut period.id),
        "start" => period.start = duration(value),
        "duration" => period.duration = duration(value),
        _ => {}
    });
    xml.children(element, |xml, child| {
        match child.name() {
            "BaseURL" => period.base_urls.push(xml.text(&child)?),
            "AdaptationSet" => {
                let set = adaptation_set(xml, &child, warnings)?;
                period.sets.push(set);
            }
            _ => segment_info(xml, &child, &mut period.segments)?,
        }
        Ok(())
    })?;
    Ok(period)
}

fn adaptation_set<'a>(
    xml: &mut Xml<'a>,
    element: &Element<'a>,
    warnings: &mut Vec<Warning>,
) -> Result<AdaptationSet, ManifestError> {
    let mut set = AdaptationSet {
        line: xml.line(),
        ..AdaptationSet::default()
    };
    element.attributes(|name, value| match name {
        "id" => value.clone_into(&mut set.id),
        "lang" => value.clone_into(&mut set.language),
        "contentType" => value.clone_into(&mut set.content_type),
        _ => set.common.attribute(name, value),
    });
    xml.children(element, |xml, child| {
        match child.name() {
            "BaseURL" => set.base_urls.push(xml.text(&child)?),
            "Label" => set.label = xml.text(&child)?,
            "ContentComponent" => {
                child.attributes(|name, value| {
                    if name == "contentType" && set.content_type.is_empty() {
                        value.clone_into(&mut set.content_type);
                    }
                });
                xml.skip(&child)?;
            }
            "ContentProtection" => {
                set.protected = true;
                xml.skip(&child)?;
            }
            "EssentialProperty" => {
                child.attributes(|name, value| {
                    if name == "schemeIdUri" && !harmless(value) {
                        set.essential = Some(value.to_owned());
                    }
                });
                xml.skip(&child)?;
            }
            "SupplementalProperty" => {
                set.segment_table = set.segment_table.take().or(segment_table(&child));
                xml.skip(&child)?;
            }
            "Representation" => {
                if let Some(representation) = representation(xml, &child, warnings)? {
                    set.representations.push(representation);
                }
            }
            _ => segment_info(xml, &child, &mut set.segments)?,
        }
        Ok(())
    })?;
    Ok(set)
}

/// The URL in a SupplementalProperty that refers to a segment table.
fn segment_table(element: &Element<'_>) -> Option<String> {
    let (mut is_table, mut url) = (false, None);
    element.attributes(|name, value| match name {
        "schemeIdUri" => is_table = value == table::SCHEME,
        "value" => url = Some(value.to_owned()),
        _ => {}
    });
    url.filter(|_| is_table)
}

/// Essential properties that change nothing for a player that shows the set as it is.
fn harmless(scheme: &str) -> bool {
    scheme.starts_with("urn:mpeg:mpegB:cicp:") || scheme == "urn:mpeg:dash:adaptation-set-switching:2016"
}

fn representation<'a>(
    xml: &mut Xml<'a>,
    element: &Element<'a>,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Representation>, ManifestError> {
    let line = xml.line();
    let mut representation = Representation::default();
    element.attributes(|name, value| match name {
        "id" => value.clone_into(&mut representation.id),
        "bandwidth" => representation.bandwidth = value.parse().unwrap_or(0),
        _ => representation.common.attribute(name, value),
    });
    xml.children(element, |xml, child| {
        match child.name() {
            "BaseURL" => representation.base_urls.push(xml.text(&child)?),
            _ => segment_info(xml, &child, &mut representation.segments)?,
        }
        Ok(())
    })?;
    if representation.bandwidth == 0 {
        let message = format!(
            "Representation \"{}\" has no bandwidth and is skipped",
            representation.id
        );
        warnings.push(Warning { line, message });
        return Ok(None);
    }
    Ok(Some(representation))
}

/// Reads SegmentBase, SegmentList or SegmentTemplate; skips anything else.
fn segment_info<'a>(
    xml: &mut Xml<'a>,
    element: &Element<'a>,
    info: &mut SegmentInfo,
) -> Result<(), ManifestError> {
    match element.name() {
        "SegmentTemplate" => info.has_template = true,
        "SegmentList" => info.has_list = true,
        "SegmentBase" => info.has_base = true,
        _ => return xml.skip(element),
    }
    element.attributes(|name, value| match name {
        "timescale" => info.timescale = value.parse().ok().filter(|t| *t > 0),
        "duration" => info.duration = value.parse().ok().filter(|d| *d > 0),
        "startNumber" => info.start_number = value.parse().ok(),
        "endNumber" => info.end_number = value.parse().ok(),
        "presentationTimeOffset" => info.presentation_time_offset = value.parse().ok(),
        "initialization" => info.init_template = Some(value.to_owned()),
        "media" => info.media_template = Some(value.to_owned()),
        _ => {}
    });
    let mut list: Vec<ListEntry> = Vec::new();
    let mut timeline = None;
    xml.children(element, |xml, child| {
        match child.name() {
            "Initialization" => {
                let (mut url, mut range) = (String::new(), None);
                child.attributes(|name, value| match name {
                    "sourceURL" => value.clone_into(&mut url),
                    "range" => range = byte_range(value),
                    _ => {}
                });
                info.initialization = Some((url, range));
                xml.skip(&child)?;
            }
            "SegmentURL" => {
                if list.len() >= MAX_ENTRIES {
                    return Err(ManifestError::Limit {
                        line: xml.line(),
                        what: "too many SegmentURL",
                        limit: MAX_ENTRIES,
                    });
                }
                let mut entry = ListEntry::default();
                child.attributes(|name, value| match name {
                    "media" => entry.media = Some(value.to_owned()),
                    "mediaRange" => entry.range = byte_range(value),
                    _ => {}
                });
                list.push(entry);
                xml.skip(&child)?;
            }
            "SegmentTimeline" => timeline = Some(segment_timeline(xml, &child)?),
            _ => xml.skip(&child)?,
        }
        Ok(())
    })?;
    if !list.is_empty() {
        info.list = list;
    }
    if timeline.is_some() {
        info.timeline = timeline;
    }
    Ok(())
}

fn segment_timeline<'a>(
    xml: &mut Xml<'a>,
    element: &Element<'a>,
) -> Result<Vec<TimelineEntry>, ManifestError> {
    let mut entries = Vec::new();
    xml.children(element, |xml, child| {
        if child.name() == "S" {
            if entries.len() >= MAX_ENTRIES {
                return Err(ManifestError::Limit {
                    line: xml.line(),
                    what: "too many S",
                    limit: MAX_ENTRIES,
                });
            }
            let mut entry = TimelineEntry::default();
            child.attributes(|name, value| match name {
                "t" => entry.time = value.parse().ok(),
                "d" => entry.duration = value.parse().unwrap_or(0),
                "r" => entry.repeat = value.parse().unwrap_or(0),
                _ => {}
            });
            entries.push(entry);
        }
        xml.skip(&child)
    })?;
    Ok(entries)
}

/// `first-last`, both inclusive.
fn byte_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let length = last.checked_sub(first)?.checked_add(1)?;
    Some(ByteRange {
        offset: first,
        length,
    })
}

fn frame_rate(text: &str) -> Option<f64> {
    let value = match text.split_once('/') {
        Some((n, d)) => n.trim().parse::<f64>().ok()? / d.trim().parse::<f64>().ok()?,
        None => text.parse().ok()?,
    };
    (value.is_finite() && value > 0.0).then_some(value)
}

/// An `xs:duration`; `None` if it is malformed, negative, or beyond about a century. A year counts 365 days and a month 30.
fn duration(text: &str) -> Option<MediaTime> {
    let rest = text.strip_prefix('P')?;
    let (date, time) = rest.split_once('T').unwrap_or((rest, ""));
    let mut seconds = 0.0;
    for (part, units) in [
        (
            date,
            &[('Y', 31_536_000.0), ('M', 2_592_000.0), ('D', 86_400.0)][..],
        ),
        (time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)][..]),
    ] {
        let mut rest = part;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (number, tail) = rest.split_at(end);
            let unit = tail.chars().next()?;
            let (_, factor) = units.iter().find(|(u, _)| *u == unit)?;
            seconds += number.parse::<f64>().ok()? * factor;
            rest = tail.get(1..)?;
        }
    }
    (seconds.is_finite() && seconds < 3.2e9).then(|| MediaTime::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("PT1H2M3.5S"), Some(MediaTime::from_millis(3_723_500)));
        assert_eq!(duration("P1DT0.001S"), Some(MediaTime::from_millis(86_400_001)));
        for bad in ["", "PT1E30S", "-PT1S", "PT99999999999999S", "P1H", "PTS", "1S"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn ranges_and_rates() {
        assert_eq!(
            byte_range("0-99"),
            Some(ByteRange {
                offset: 0,
                length: 100
            })
        );
        assert_eq!(byte_range("5-4"), None);
        assert_eq!(byte_range("0-18446744073709551615"), None);
        assert_eq!(
            frame_rate("30000/1001").map(|f| (f * 1000.0) as u32),
            Some(29_970)
        );
        assert_eq!(frame_rate("1/0"), None);
    }
}
