//! Events on the timeline, as manifests list them.

use crate::time::{MediaTime, WallTime};

/// A stream of events (DASH `EventStream`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventStream {
    /// What they mean.
    pub scheme: String,
    /// A refinement of it.
    pub value: String,
    /// In order of their start.
    pub events: Vec<Event>,
}

/// An event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Its id, unique in its stream, if it has one.
    pub id: Option<u64>,
    /// On the presentation timeline.
    pub start: MediaTime,
    /// How long it lasts, if known.
    pub duration: Option<MediaTime>,
    /// Its message: `@messageData` or the text in the element, or that element's XML.
    pub data: String,
}

/// Event streams inside segments (`emsg`; DASH `InbandEventStream`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InbandEvents {
    /// What they mean.
    pub scheme: String,
    /// A refinement of it.
    pub value: String,
}

/// A range of wall-clock time with attributes (HLS `EXT-X-DATERANGE`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DateRange {
    /// Its id, unique in the playlist.
    pub id: String,
    /// The class, which says what its attributes mean; empty if it has none.
    pub class: String,
    /// When it begins; a range that only adds attributes to an earlier one may not repeat it.
    pub start: Option<WallTime>,
    /// When it ends, if declared.
    pub end: Option<WallTime>,
    /// How long it lasts, if declared.
    pub duration: Option<MediaTime>,
    /// How long it is expected to last.
    pub planned_duration: Option<MediaTime>,
    /// It ends when the next one of its class begins.
    pub end_on_next: bool,
    /// When to act on it: `PRE`, `POST`, `ONCE`; as written, comma-separated.
    pub cue: String,
    /// All its other attributes, among them `X-…` and `SCTE35-…`: name and value without quotes.
    pub attributes: Vec<(String, String)>,
}
