//! What became of the beacons, counted since the server started.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// What became of a beacon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Durable in the log.
    Accepted,
    /// Refused for now: the queue is full or the server is shutting down.
    Busy,
    /// Not a beacon.
    Invalid,
    /// The disk refused it.
    Storage,
    /// The body was too large.
    TooLarge,
    /// The body took too long.
    TooSlow,
    /// The site key is unknown.
    UnknownSite,
}

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    accepted: AtomicU64,
    busy: AtomicU64,
    duplicate: AtomicU64,
    invalid: AtomicU64,
    storage: AtomicU64,
    too_large: AtomicU64,
    too_slow: AtomicU64,
    unknown_site: AtomicU64,
}

/// [`Outcomes`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct OutcomeCounts {
    accepted: u64,
    /// Of the accepted ones, those that had been accepted before and were not counted again.
    duplicate: u64,
    busy: u64,
    invalid: u64,
    storage: u64,
    too_large: u64,
    too_slow: u64,
    unknown_site: u64,
}

impl Outcomes {
    pub(crate) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Accepted => &self.accepted,
            Outcome::Busy => &self.busy,
            Outcome::Invalid => &self.invalid,
            Outcome::Storage => &self.storage,
            Outcome::TooLarge => &self.too_large,
            Outcome::TooSlow => &self.too_slow,
            Outcome::UnknownSite => &self.unknown_site,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_duplicates(&self, beacons: u64) {
        self.duplicate.fetch_add(beacons, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> OutcomeCounts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        OutcomeCounts {
            accepted: get(&self.accepted),
            duplicate: get(&self.duplicate),
            busy: get(&self.busy),
            invalid: get(&self.invalid),
            storage: get(&self.storage),
            too_large: get(&self.too_large),
            too_slow: get(&self.too_slow),
            unknown_site: get(&self.unknown_site),
        }
    }
}
