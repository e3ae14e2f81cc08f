//! `EventStream` and `InbandEventStream` (ISO/IEC 23009-1, 5.10).

use super::super::tree::Element;
use crate::presentation::{Event, EventStream, InbandEvents};
use crate::time::MediaTime;

pub(super) fn streams(period: &Element, start: MediaTime) -> Vec<EventStream> {
    period
        .named("EventStream")
        .map(|stream| {
            let timescale = stream.u32("timescale").unwrap_or(1).max(1);
            let at = |ticks: i128| {
                let us = ticks * 1_000_000 / i128::from(timescale);
                MediaTime::from_micros(i64::try_from(us).unwrap_or(i64::MAX))
            };
            let offset = i128::from(stream.u64("presentationTimeOffset").unwrap_or(0));
            let mut events: Vec<Event> = stream
                .named("Event")
                .map(|event| {
                    let time = i128::from(event.u64("presentationTime").unwrap_or(0));
                    let data = event.attribute("messageData");
                    Event {
                        id: event.u64("id"),
                        start: start + at(time - offset),
                        duration: event.u64("duration").map(|d| at(i128::from(d))),
                        data: data.map_or_else(|| event.text().to_owned(), Into::into),
                    }
                })
                .collect();
            events.sort_by_key(|event| event.start);
            EventStream {
                scheme: stream.string("schemeIdUri"),
                value: stream.string("value"),
                events,
            }
        })
        .collect()
}

/// Adds those of `element` that are not there yet.
pub(super) fn inband(element: &Element, into: &mut Vec<InbandEvents>) {
    for stream in element.named("InbandEventStream") {
        let events = InbandEvents {
            scheme: stream.string("schemeIdUri"),
            value: stream.string("value"),
        };
        if !into.contains(&events) {
            into.push(events);
        }
    }
}
