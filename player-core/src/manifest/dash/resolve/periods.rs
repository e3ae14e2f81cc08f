//! Where periods begin and end (ISO/IEC 23009-1, 5.3.2.1).

use super::super::Mpd;
use super::super::tree::Element;
use super::base::Bases;
use super::{Notes, end_of_segments, events, track};
use crate::manifest::order;
use crate::presentation::Period;
use crate::time::MediaTime;

/// Where a period lies.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) start: MediaTime,
    /// Its duration, if known.
    pub(super) duration: Option<MediaTime>,
    /// Segments may still be added.
    pub(super) live: bool,
}

pub(super) fn all(mpd: &Mpd, bases: &Bases, notes: &mut Notes) -> Vec<Period> {
    let root = &mpd.root;
    let live = mpd.is_dynamic();
    let presentation_end = root.duration("mediaPresentationDuration");
    let elements: Vec<&Element> = root.named("Period");
    let mut periods: Vec<Period> = Vec::new();
    // Where the period before ends, if it says so or if its segments do.
    let mut before_ends = Some(MediaTime::ZERO);
    for (i, element) in elements.iter().enumerate() {
        let line = element.line();
        let Some(start) = element.duration("start").or(before_ends) else {
            // It is only announced: an early available period.
            notes.skip(
                line,
                "a Period",
                "neither its start nor the duration of the one before is known",
            );
            continue;
        };
        if element.attribute("start").is_none() && i == 0 && live {
            notes.warn(
                line,
                "the first Period of a live MPD has no start: it is taken to be zero".to_owned(),
            );
        }
        let next = elements.get(i + 1);
        let next_start = next.and_then(|next| next.duration("start"));
        let declared = element.duration("duration").map(|d| start + d);
        let end = match (declared, next_start) {
            // Its own end, but not into the next one.
            (Some(end), Some(next)) => Some(end.min(next)),
            (end, next) => end.or(next),
        };
        let end = match next {
            None => end.or(presentation_end),
            Some(_) => end,
        };
        if end.is_some_and(|end| end <= start) && elements.len() > 1 {
            notes.skip(line, "a Period", "it ends before it begins");
            continue;
        }
        let times = Times {
            start,
            duration: end.map(|end| (end - start).max(MediaTime::ZERO)),
            live: live && end.is_none(),
        };
        let mut period = period(mpd, element, bases, times, notes);
        before_ends = end.or_else(|| end_of_segments(&period).filter(|_| !live));
        if next.is_some() {
            period.duration = before_ends.map(|end| end - start);
        }
        if period.tracks.is_empty() && element.children().is_empty() {
            notes.skip(line, "a Period", "there is nothing in it");
        }
        if !period.tracks.is_empty() {
            periods.push(period);
        }
    }
    order::by_key(&mut periods, |period| order::signed(period.start.as_micros()));
    periods
}

fn period(mpd: &Mpd, element: &Element, bases: &Bases, times: Times, notes: &mut Notes) -> Period {
    let bases = bases.under(element);
    let mut period = Period {
        id: element.string("id"),
        start: times.start,
        duration: times.duration,
        events: events::streams(element, times.start),
        ..Period::default()
    };
    track::all(mpd, element, &bases, times, &mut period, notes);
    period
}
