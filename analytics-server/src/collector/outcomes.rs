//! What became of the beacons, counted since the server started. Nothing is dropped that is not counted here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// What became of a beacon, or of a request that had none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Durable in the log.
    Accepted,
    /// Its address sends too much.
    AddressLimited,
    /// The store is too far behind.
    Behind,
    /// Refused for now: the queue is full or the server is shutting down.
    Busy,
    /// The disk is nearly full.
    DiskFull,
    /// The body is compressed in a way that is not known here, or badly.
    Encoding,
    /// Not a beacon.
    Invalid,
    /// The site takes nothing from pages of this origin.
    Origin,
    /// The site takes no beacons any more.
    SiteClosed,
    /// Its site sends too much.
    SiteLimited,
    /// The disk refused it.
    Storage,
    /// The site wants a token, and this one is none of its own.
    Token,
    /// The body was too large.
    TooLarge,
    /// The body took too long.
    TooSlow,
    /// The site key is unknown.
    UnknownSite,
}

/// What else was done or seen; these are no outcomes, and do not add up to beacons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// An accepted description of a view whose sender says that it is a program.
    Bot,
    /// A refused beacon that was kept for the operator to look at …
    DeadLetter,
    /// … or was not: there were too many at once, or the disk refused it.
    DeadLetterLost,
    /// A value of a dimension that became `other`, or a dimension too many that was dropped.
    DimensionLimited,
}

const OUTCOMES: [(Outcome, &str); 15] = [
    (Outcome::Accepted, "accepted"),
    (Outcome::AddressLimited, "address_limited"),
    (Outcome::Behind, "store_behind"),
    (Outcome::Busy, "busy"),
    (Outcome::DiskFull, "disk_full"),
    (Outcome::Encoding, "encoding"),
    (Outcome::Invalid, "invalid"),
    (Outcome::Origin, "origin"),
    (Outcome::SiteClosed, "site_closed"),
    (Outcome::SiteLimited, "site_limited"),
    (Outcome::Storage, "storage"),
    (Outcome::Token, "token"),
    (Outcome::TooLarge, "too_large"),
    (Outcome::TooSlow, "too_slow"),
    (Outcome::UnknownSite, "unknown_site"),
];

const NOTES: [(Note, &str); 4] = [
    (Note::Bot, "bot"),
    (Note::DeadLetter, "dead_letter"),
    (Note::DeadLetterLost, "dead_letter_lost"),
    (Note::DimensionLimited, "dimension_limited"),
];

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    outcomes: [AtomicU64; OUTCOMES.len()],
    duplicate: AtomicU64,
    deleted: AtomicU64,
    notes: [AtomicU64; NOTES.len()],
}

impl Outcomes {
    pub(crate) fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_duplicates(&self, beacons: u64) {
        self.duplicate.fetch_add(beacons, Ordering::Relaxed);
    }

    pub(crate) fn count_deleted(&self, beacons: u64) {
        self.deleted.fetch_add(beacons, Ordering::Relaxed);
    }

    pub(crate) fn note(&self, note: Note, times: u64) {
        self.notes[note as usize].fetch_add(times, Ordering::Relaxed);
    }

    /// Name → how often, of all outcomes; and of the accepted beacons, how many had been accepted before and were not counted
    /// again, and how many were of deleted views and were not stored.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = named(&OUTCOMES, &self.outcomes);
        counts.insert("duplicate", self.duplicate.load(Ordering::Relaxed));
        counts.insert("deleted", self.deleted.load(Ordering::Relaxed));
        counts
    }

    /// Name → how often, of all notes.
    pub(crate) fn notes(&self) -> BTreeMap<&'static str, u64> {
        named(&NOTES, &self.notes)
    }
}

fn named<T>(names: &[(T, &'static str)], counters: &[AtomicU64]) -> BTreeMap<&'static str, u64> {
    let counts = counters.iter().map(|counter| counter.load(Ordering::Relaxed));
    names.iter().map(|(_, name)| *name).zip(counts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_under_its_own_name() {
        let outcomes = Outcomes::default();
        for (times, (outcome, _)) in OUTCOMES.iter().enumerate() {
            (0..times).for_each(|_| outcomes.count(*outcome));
        }
        for (times, (note, _)) in NOTES.iter().enumerate() {
            outcomes.note(*note, times as u64);
        }
        for (times, (_, name)) in OUTCOMES.iter().enumerate() {
            assert_eq!(outcomes.counts()[name], times as u64, "{name}");
        }
        for (times, (_, name)) in NOTES.iter().enumerate() {
            assert_eq!(outcomes.notes()[name], times as u64, "{name}");
        }
    }
}
