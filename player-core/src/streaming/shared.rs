//! What the loaders of a session share.

use super::anchors::Anchors;
use super::drm::Drm;
use super::keys::Keys;
use super::limits::Limits;
use super::requests::Requests;
use crate::time::MediaTime;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) requests: Requests,
    pub(crate) keys: Keys,
    pub(crate) drm: Drm,
    pub(crate) anchors: Anchors,
    pub(crate) limits: Limits,
    /// The periods of the presentation, in order; a place is never used for another period.
    pub(crate) periods: Vec<Span>,
    /// Segments may be added to the manifest itself.
    pub(crate) growing: bool,
    /// What may be fetched now ends here, where it is not listed but follows from the wall clock.
    pub(crate) edge: Option<MediaTime>,
    /// What ends before this is not there any more: the window has moved on.
    pub(crate) from: MediaTime,
}

/// A period on the timeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Span {
    pub(crate) id: String,
    pub(crate) start: MediaTime,
    /// `None` until it is known.
    pub(crate) end: Option<MediaTime>,
}

impl Shared {
    pub(crate) fn new(requests: Requests, limits: Limits) -> Self {
        Self {
            requests,
            keys: Keys::default(),
            drm: Drm::default(),
            anchors: Anchors::default(),
            limits,
            periods: Vec::new(),
            growing: false,
            edge: None,
            from: MediaTime::ZERO,
        }
    }

    /// The period that a point of the timeline is in; the first one before all of them.
    pub(crate) fn period_at(&self, t: MediaTime) -> usize {
        self.periods
            .partition_point(|span| span.start <= t)
            .saturating_sub(1)
    }
}
