//! Tags that concern a whole media playlist.

use super::super::items::{PreloadHint, RenditionReport, ServerControl};
use super::super::lexer::{attributes, seconds};
use super::super::warnings::Warnings;
use super::{MAX_NUMBER, MAX_TAGS, Reader};
use crate::manifest::datetime;
use crate::presentation::DateRange;
use crate::time::MediaTime;
use crate::url;

impl<'a> Reader<'a> {
    /// Tags of the whole playlist; says whether it was one.
    pub(super) fn playlist_tag(&mut self, at: usize, name: &str, value: &'a str) -> bool {
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
