//! `EventStream` and `InbandEventStream` (ISO/IEC 23009-1, 5.10).

use std::borrow::Cow;

use super::super::tree::Element;
use crate::manifest::order;
use crate::presentation::{Event, EventStream, InbandEvents};
use crate::time::MediaTime;

pub(super) fn streams(period: &Element, start: MediaTime) -> Vec<EventStream> {
    let mut streams = Vec::new();
    for stream in period.named("EventStream") {
        let timescale = stream.u32("timescale").unwrap_or(1).max(1);
        let at = |ticks: i128| {
            let us = ticks * 1_000_000 / i128::from(timescale);
            MediaTime::from_micros(i64::try_from(us).unwrap_or(i64::MAX))
        };
        let offset = i128::from(stream.u64("presentationTimeOffset").unwrap_or(0));
        let mut events = Vec::new();
        for event in stream.named("Event") {
            let time = i128::from(event.u64("presentationTime").unwrap_or(0));
            let data = event.attribute("messageData");
            events.push(Event {
                id: event.u64("id"),
                start: start + at(time - offset),
                duration: event.u64("duration").map(|d| at(i128::from(d))),
                data: data.map_or_else(|| event.text().to_owned(), Cow::into_owned),
            });
        }
        order::by_key(&mut events, |event| order::signed(event.start.as_micros()));
        streams.push(EventStream {
            scheme: stream.string("schemeIdUri"),
            value: stream.string("value"),
            events,
        });
    }
    streams
}

/// The most event streams in the segments of a track.
const MAX_INBAND: usize = 100;

/// Adds those of `element` that are not there yet.
pub(super) fn inband(element: &Element, into: &mut Vec<InbandEvents>) {
    for stream in element.named("InbandEventStream") {
        let events = InbandEvents {
            scheme: stream.string("schemeIdUri"),
            value: stream.string("value"),
        };
        if into.len() >= MAX_INBAND {
            break;
        }
        if !into.contains(&events) {
            into.push(events);
        }
    }
}
