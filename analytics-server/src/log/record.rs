//! Beacons as they were acknowledged.

use player_core::telemetry::schema::{Beacon, Event, TimedEvent};
use serde::{Deserialize, Serialize};

/// The first byte of a record.
pub(super) const FORMAT: u8 = 2;

/// A beacon as it was acknowledged.
///
/// Its events are text by now: they are stored as they are, and what sessions need of them is in the [`Digest`], so
/// that they are written once and not read again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// When the server received it, by its own clock.
    pub(crate) received_ms: i64,
    /// Two letters (ISO 3166-1), if the collector knows where it came from.
    pub(crate) country: Option<[u8; 2]>,
    /// The beacon without its events; its `site` is the site's name, not its key.
    pub(crate) beacon: Beacon,
    pub(crate) digest: Digest,
    /// JSON: the events that this version knows, in their order; empty if there are none.
    pub(crate) events: String,
}

/// What sessions need of a beacon's events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Digest {
    /// Events in the text.
    pub(crate) count: u32,
    /// The view ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) view_end: bool,
    /// When play was asked for, for the first time in this beacon.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) play_t_ms: Option<u64>,
    /// When the last wait for media in this beacon began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wait_t_ms: Option<u64>,
    /// When the page was hidden or shown.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) hidden: Vec<(u64, bool)>,
    /// What the last fatal error said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fatal_message: Option<String>,
}

impl Digest {
    fn of(events: &[TimedEvent]) -> Self {
        let mut digest = Self::default();
        for TimedEvent { t, event } in events {
            match event {
                Event::Error {
                    fatal: true, message, ..
                } => digest.fatal_message = Some(message.clone()),
                Event::Hidden { hidden } => digest.hidden.push((*t, *hidden)),
                Event::Play => {
                    digest.play_t_ms.get_or_insert(*t);
                    digest.wait_t_ms = Some(*t);
                }
                Event::RebufferStart { .. } | Event::Seek { .. } => digest.wait_t_ms = Some(*t),
                Event::ViewEnd => digest.view_end = true,
                _ => {}
            }
        }
        digest
    }
}

impl Record {
    /// A beacon that was received just now.
    pub(crate) fn new(
        received_ms: i64,
        country: Option<[u8; 2]>,
        mut beacon: Beacon,
    ) -> Result<Self, serde_json::Error> {
        let mut events = std::mem::take(&mut beacon.events);
        events.retain(|event| event.event != Event::Unknown);
        Ok(Self {
            received_ms,
            country,
            digest: Digest {
                count: u32::try_from(events.len()).unwrap_or(u32::MAX),
                ..Digest::of(&events)
            },
            events: text(&events)?,
            beacon,
        })
    }

    /// Adds the record to a group: format, time, country, events, and the rest as JSON.
    pub(super) fn encode(&self, group: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        group.push(FORMAT);
        group.extend(self.received_ms.to_le_bytes());
        group.extend(self.country.unwrap_or_default());
        group.extend((self.events.len() as u32).to_le_bytes());
        group.extend(self.events.as_bytes());
        serde_json::to_writer(&mut *group, &(&self.beacon, &self.digest))
    }

    /// Reads what follows the format.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (time, bytes) = bytes.split_first_chunk()?;
        let (&country, bytes) = bytes.split_first_chunk::<2>()?;
        let (len, bytes) = bytes.split_first_chunk()?;
        let (events, bytes) = bytes.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let (beacon, digest) = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            received_ms: i64::from_le_bytes(*time),
            country: Some(country).filter(|country| *country != [0; 2]),
            beacon,
            digest,
            events: str::from_utf8(events).ok()?.to_owned(),
        })
    }
}

/// Bytes of an event's text that there is room for at first.
const EVENT_BYTES: usize = 128;

fn text(events: &[TimedEvent]) -> Result<String, serde_json::Error> {
    if events.is_empty() {
        return Ok(String::new());
    }
    let mut text = Vec::with_capacity(events.len() * EVENT_BYTES);
    serde_json::to_writer(&mut text, events)?;
    // It always is.
    String::from_utf8(text).map_err(serde::ser::Error::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::{at, beacon};

    fn record(seq: u32) -> Record {
        let mut beacon = beacon(1, seq);
        beacon.events = vec![
            at(5, Event::Hidden { hidden: true }),
            at(7, Event::Play),
            at(8, Event::Unknown),
            at(9, Event::Play),
            at(
                10,
                Event::Error {
                    kind: "media".into(),
                    fatal: true,
                    message: "é".into(),
                },
            ),
            at(11, Event::ViewEnd),
        ];
        Record::new(-5, Some(*b"DE"), beacon).unwrap()
    }

    #[test]
    fn events_are_digested() {
        let record = record(0);
        assert_eq!(
            record.digest,
            Digest {
                count: 5,
                view_end: true,
                play_t_ms: Some(7),
                wait_t_ms: Some(9),
                hidden: vec![(5, true)],
                fatal_message: Some("é".into()),
            }
        );
        assert!(
            record
                .events
                .starts_with(r#"[{"t":5,"e":"hidden","hidden":true},"#)
        );
        assert!(!record.events.contains("unknown"), "{}", record.events);
    }
}
