//! What a presentation that is still being made says of itself, and where it may be fetched from.

use core::time::Duration;

use crate::time::{MediaTime, WallTime};

/// A presentation to which segments are still added: a media playlist without end, an MPD of type `dynamic`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// Read it again after so long; `None` if it needs not (an HLS media playlist says it for itself).
    pub refresh: Option<Duration>,
    /// Where to read it from next time (`Location`), in order of preference; empty if from the same place.
    pub locations: Vec<Location>,
    /// Where to fetch only what has changed since [`Self::published`] (`PatchLocation`): absolute URL, and for how long after that.
    pub patch: Option<(String, Option<Duration>)>,
    /// The wall-clock time at which the presentation timeline is zero (`@availabilityStartTime`).
    pub availability_start: Option<WallTime>,
    /// No segment is added after this time (`@availabilityEndTime`).
    pub availability_end: Option<WallTime>,
    /// When this version was made (`@publishTime`).
    pub published: Option<WallTime>,
    /// How far back one may seek (`@timeShiftBufferDepth`); `None` if to the beginning.
    pub window: Option<MediaTime>,
    /// How far behind the edge the author wants players (`@suggestedPresentationDelay`, `HOLD-BACK`).
    pub suggested_delay: Option<MediaTime>,
    /// Latency that the author aims at (`ServiceDescription`).
    pub latency: Option<Latency>,
    /// Where to ask for the time (`UTCTiming`), in order of preference.
    pub clocks: Vec<Clock>,
}

impl Live {
    /// What the wall clock says when `media` is to be available at the earliest, by the author's clock: the presentation timeline is
    /// anchored at [`Self::availability_start`].
    pub fn wall_of(&self, media: MediaTime) -> Option<WallTime> {
        Some(self.availability_start? + media)
    }

    /// The point of the presentation timeline that `wall` belongs to.
    pub fn media_of(&self, wall: WallTime) -> Option<MediaTime> {
        Some(wall.since(self.availability_start?))
    }
}

/// A service description's latency and playback rates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latency {
    /// To be aimed at.
    pub target: Option<MediaTime>,
    /// To be kept above.
    pub min: Option<MediaTime>,
    /// To be kept below.
    pub max: Option<MediaTime>,
    /// Slowest and fastest playback rate to get there with.
    pub rates: Option<(f64, f64)>,
}

/// A source of wall-clock time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// As `urn:mpeg:dash:utc:http-iso:2014`.
    pub scheme: String,
    /// Absolute URLs, or the time itself, depending on the scheme.
    pub value: String,
}

/// A place to fetch from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// Absolute URL.
    pub url: String,
    /// Name that content steering knows it by (`@serviceLocation`); empty if it has none.
    pub name: String,
    /// Lower is better (`@dvb:priority`).
    pub priority: u32,
    /// Share among equals (`@dvb:weight`).
    pub weight: u32,
}

/// A steering server (HLS `EXT-X-CONTENT-STEERING`, DASH `ContentSteering`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steering {
    /// Absolute URL of the steering manifest.
    pub url: String,
    /// Pathways or service locations to begin with, in order of preference.
    pub first: Vec<String>,
    /// Ask before the first segment (`@queryBeforeStart`).
    pub before_start: bool,
}

/// What the wall clock said at a media time (`ProducerReferenceTime`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReferenceTime {
    /// Its id, which a service description refers to.
    pub id: String,
    /// Of the capture, not of the encoder.
    pub captured: bool,
    /// Newer ones are in the segments (`prft`).
    pub inband: bool,
    /// On the presentation timeline.
    pub media: MediaTime,
    /// The wall clock.
    pub wall: WallTime,
}

/// Random access inside segments (ISO/IEC 23009-1, 5.3.13).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resync {
    /// Type of the access point (SAP), 0 to 6.
    pub sap_type: u8,
    /// Longest time between two.
    pub interval: MediaTime,
    /// Least and most bytes between two, if declared.
    pub bytes: Option<(u64, u64)>,
    /// Every one can be found by its box (`@marker`).
    pub marker: bool,
}
