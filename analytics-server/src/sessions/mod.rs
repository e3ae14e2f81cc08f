//! Sessions: beacons in the order of the log become views, and views the numbers of now.
//!
//! - A beacon counts once: `(site, view_id, seq)` is remembered with the view.
//! - Counters are cumulative; those of the highest `seq` win. Lost beacons heal, late ones change nothing but what was
//!   missing.
//! - A view begins, by the server's clock, at the least `received − t` of its beacons; an event at `t` happened at
//!   that start plus `t`. The client's wall clock is used for nothing that is shown but the skew itself.
//! - A view is *live* for 35 s after a beat, *closed* 90 s after its last one or when a beacon says that it ended, and
//!   *final* 30 min after its last one. A beacon that comes later all the same is applied nevertheless.
//!
//! Nothing in here reads a clock or a file: time and stored views are handed in.

mod live;
mod seq_set;
mod view;

use std::collections::{HashMap, HashSet};

use crate::log::Record;
use crate::store::Batch;
use crate::store::rows::{BeatRow, EventRow, ShiftRow, ViewRow};
use live::Sampler;
pub(crate) use live::{LiveSite, LiveSnapshot};
use view::View;

/// A view is live for so long after a beat.
pub(crate) const LIVE_FOR_MS: i64 = 35_000;
/// A view is closed, provisionally, so long after its last beat.
pub(crate) const CLOSED_AFTER_MS: i64 = 90_000;
/// A view is final so long after its last beat.
pub(crate) const FINAL_AFTER_MS: i64 = 30 * 60_000;
/// Who waits for media longer than this is no longer counted as a viewer.
pub(crate) const STALLED_AFTER_MS: i64 = 5 * 60_000;
/// More views are not kept in memory; they are read back from the store when a beacon needs them.
const MAX_VIEWS_IN_MEMORY: usize = 200_000;

type Key = (String, String);

/// The views in memory and what has changed since the last batch.
pub(crate) struct Sessions {
    views: HashMap<Key, View>,
    /// Their `at_ms` is still the time since the view's start.
    beats: Vec<BeatRow>,
    events: Vec<EventRow>,
    shifts: HashMap<Key, i64>,
    sampler: Sampler,
    duplicates: u64,
    capacity: usize,
}

impl Sessions {
    /// Starts with the views that were not final when the store was last written.
    pub(crate) fn new(sites: Vec<String>, stored: Vec<ViewRow>) -> Self {
        let mut sessions = Self {
            views: HashMap::new(),
            beats: Vec::new(),
            events: Vec::new(),
            shifts: HashMap::new(),
            sampler: Sampler::new(sites),
            duplicates: 0,
            capacity: MAX_VIEWS_IN_MEMORY,
        };
        sessions.restore(stored);
        sessions
    }

    /// The ids of the views that these records are of and that are not in memory: they may be in the store.
    pub(crate) fn missing<'a>(&self, records: &'a [Record]) -> Vec<&'a str> {
        let missing: HashSet<&str> = records
            .iter()
            .filter(|record| !self.views.contains_key(&key(record)))
            .map(|record| record.beacon.view_id.as_str())
            .collect();
        missing.into_iter().collect()
    }

    /// Takes views from the store into memory.
    pub(crate) fn restore(&mut self, stored: Vec<ViewRow>) {
        for row in stored {
            let key = (row.site.clone(), row.view_id.clone());
            self.views.entry(key).or_insert_with(|| View::restore(row));
        }
    }

    /// Applies a record. Its view must be in memory if the store has it.
    pub(crate) fn apply(&mut self, record: &Record) {
        // By the record's time, so that a replay of the log counts the viewers of then.
        if self.sampler.is_due(record.received_ms) {
            self.sampler.sample(record.received_ms, self.views.values());
        }
        let key = key(record);
        let view = self
            .views
            .entry(key.clone())
            .or_insert_with(|| View::new(&record.beacon, record.received_ms));
        let Some(applied) = view.apply(&record.beacon, record.received_ms) else {
            self.duplicates += 1;
            return;
        };
        if applied.shift_ms != 0 {
            *self.shifts.entry(key).or_default() += applied.shift_ms;
        }
        self.beats.extend(applied.beat);
        self.events.extend(applied.events);
    }

    /// Counts the viewers of this moment.
    pub(crate) fn sample(&mut self, now_ms: i64) -> LiveSnapshot {
        self.sampler.sample(now_ms, self.views.values())
    }

    /// Rows that wait for the store.
    pub(crate) fn pending_rows(&self) -> usize {
        self.beats.len() + self.events.len()
    }

    /// Beacons that had been applied before, since the last call.
    pub(crate) fn take_duplicates(&mut self) -> u64 {
        std::mem::take(&mut self.duplicates)
    }

    /// Everything that has changed since the last batch that was taken. `last` takes the running ten seconds of
    /// concurrency along.
    pub(crate) fn take_batch(&mut self, log_offset: u64, last: bool) -> Batch {
        let mut views = Vec::new();
        for view in self.views.values_mut().filter(|view| view.changed) {
            view.changed = false;
            views.push(view.row.clone());
        }
        let shifts = std::mem::take(&mut self.shifts)
            .into_iter()
            .map(|((site, view_id), shift_ms)| ShiftRow {
                site,
                view_id,
                shift_ms,
            })
            .collect();
        Batch {
            log_offset,
            views,
            beats: self.take_beats(),
            events: std::mem::take(&mut self.events),
            concurrency: self.sampler.take_rows(last),
            shifts,
        }
    }

    /// The new beats, dated by what is known now of their views' starts.
    fn take_beats(&mut self) -> Vec<BeatRow> {
        let mut beats = std::mem::take(&mut self.beats);
        for beat in &mut beats {
            let key = (std::mem::take(&mut beat.site), std::mem::take(&mut beat.view_id));
            beat.at_ms += self.views.get(&key).map_or(0, |view| view.row.anchor_ms);
            (beat.site, beat.view_id) = key;
        }
        beats
    }

    /// Forgets views that the store has: the final ones, and the longest silent ones of those that are too many.
    pub(crate) fn forget(&mut self, now_ms: i64) {
        self.views
            .retain(|_, view| view.changed || now_ms - view.row.last_beat_ms < FINAL_AFTER_MS);
        let Some(excess) = self.views.len().checked_sub(self.capacity + 1) else {
            return;
        };
        let mut beats: Vec<i64> = self.views.values().map(|view| view.row.last_beat_ms).collect();
        let (_, limit, _) = beats.select_nth_unstable(excess);
        let limit = *limit;
        self.views
            .retain(|_, view| view.changed || view.row.last_beat_ms > limit);
    }
}

fn key(record: &Record) -> Key {
    (record.beacon.site.clone(), record.beacon.view_id.clone())
}
