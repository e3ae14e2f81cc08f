//! Sessions: beacons in the order of the log become views, and views the numbers of now.
//!
//! - A beacon counts once: `(site, view_id, seq)` is remembered with the view.
//! - Counters are cumulative; those of the highest `seq` win. Lost beacons heal, late ones change nothing but what was
//!   missing.
//! - A view begins, by the server's clock, at the least `received − t` of its beacons; an event at `t` happened at
//!   that start plus `t`. The client's wall clock is used for nothing that is shown but the skew itself.
//! - A view is *live* for 35 s after a beat, *closed* 90 s after its last one or when a beacon says that it ended, and
//!   *final* 30 min after its last one. A beacon that comes later all the same is applied nevertheless.
//! - A view's row is written when its turn comes, the ended ones first, then the longest unwritten: a hundred thousand
//!   viewers do not make as many rows a second. Until then the log keeps its records. Events and rollups are written
//!   with every batch.
//!
//! Nothing in here reads a clock or a file: time and stored views are handed in.

pub(crate) mod dimensions;
mod known;
mod live;
mod names;
mod rollups;
mod seq_set;
mod view;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::id::Id;
use crate::log::Record;
use crate::store::Batch;
use crate::store::rows::{EventsRow, ViewRow};
pub(crate) use known::KnownViews;
use live::Sampler;
pub(crate) use live::{LiveSite, LiveSnapshot};
use names::Names;
use rollups::Rollups;
pub(crate) use seq_set::SeqSet;
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

/// A view's site and id.
type Key = (Arc<str>, Id);

/// The views in memory and what has changed since the last batch.
pub(crate) struct Sessions {
    views: HashMap<Key, View>,
    names: Names,
    known: KnownViews,
    events: Vec<EventsRow>,
    rollups: Rollups,
    /// Views whose rows are not as they are, by the first record that the rows lack. An entry counts as long as the view
    /// says the same.
    dirty: VecDeque<(u64, Key)>,
    /// Those among them that have ended.
    ended: VecDeque<Key>,
    sampler: Sampler,
    duplicates: u64,
    capacity: usize,
}

impl Sessions {
    /// Starts with the views that were not final when the store was last written; `known` has the ids of all in the store.
    pub(crate) fn new(sites: &[String], known: KnownViews, stored: Vec<ViewRow>) -> Self {
        let mut names = Names::default();
        let sites = sites.iter().map(|site| names.share(site)).collect();
        let mut sessions = Self {
            views: HashMap::new(),
            names,
            known,
            events: Vec::new(),
            rollups: Rollups::default(),
            dirty: VecDeque::new(),
            ended: VecDeque::new(),
            sampler: Sampler::new(sites),
            duplicates: 0,
            capacity: MAX_VIEWS_IN_MEMORY,
        };
        sessions.restore(stored);
        sessions
    }

    /// The ids of the views that these records are of and that are not in memory, but may be in the store.
    pub(crate) fn missing(&mut self, records: &[(u64, Record)]) -> Vec<Id> {
        let mut missing = HashSet::new();
        for (_, record) in records {
            if let Some(key) = self.key(record)
                && !self.views.contains_key(&key)
                && self.known.may_contain(key.1)
            {
                missing.insert(key.1);
            }
        }
        missing.into_iter().collect()
    }

    /// Takes views from the store into memory.
    pub(crate) fn restore(&mut self, stored: Vec<ViewRow>) {
        for row in stored {
            let view = View::restore(row, &mut self.names);
            let key = (Arc::clone(&view.row.site), view.row.view_id);
            self.views.entry(key).or_insert(view);
        }
    }

    /// Applies the record at this offset. Its view must be in memory if the store has it. A record that is `replayed` has
    /// been applied before a restart: the store has all of it but, maybe, its view.
    pub(crate) fn apply(&mut self, offset: u64, record: &Record, replayed: bool) {
        // By the record's time, so that a replay of the log counts the viewers of then.
        if !replayed && self.sampler.is_due(record.received_ms) {
            self.sampler.sample(record.received_ms, self.views.values());
        }
        let Some(key) = self.key(record) else { return };
        let view = self
            .views
            .entry(key.clone())
            .or_insert_with(|| View::new(Arc::clone(&key.0), key.1, record));
        let Some(applied) = view.apply(record, &mut self.names) else {
            self.duplicates += u64::from(!replayed);
            return;
        };
        if view.dirty_since.is_none() {
            view.dirty_since = Some(offset);
            self.dirty.push_back((offset, key.clone()));
        }
        if applied.ended {
            self.ended.push_back(key.clone());
        }
        if !replayed {
            if let Some(growth) = applied.growth {
                self.rollups.add(key, record, view.row.weight, growth);
            }
            self.events.extend(applied.events);
        }
    }

    /// Counts the viewers of this moment.
    pub(crate) fn sample(&mut self, now_ms: i64) -> LiveSnapshot {
        self.sampler.sample(now_ms, self.views.values())
    }

    /// Rows that wait for the store, without those of views.
    pub(crate) fn pending_rows(&self) -> usize {
        self.events.len() + self.rollups.pending()
    }

    /// Views whose rows are not as they are, or have been since then.
    pub(crate) fn pending_views(&self) -> usize {
        self.dirty.len()
    }

    /// Beacons that had been applied before, since the last call.
    pub(crate) fn take_duplicates(&mut self) -> u64 {
        std::mem::take(&mut self.duplicates)
    }

    /// What has changed since the last batch that was taken, with at most so many rows of views. `last` takes the
    /// running ten seconds of concurrency along.
    pub(crate) fn take_batch(&mut self, log_offset: u64, max_views: usize, last: bool) -> Batch {
        let mut batch = Batch {
            log_offset,
            events: std::mem::take(&mut self.events),
            rollups: self.rollups.take(&self.views),
            concurrency: self.sampler.take_rows(last),
            ..Batch::default()
        };
        while batch.views.len() < max_views {
            let key = match self.ended.pop_front() {
                Some(key) => key,
                None => match self.dirty.pop_front() {
                    Some((_, key)) => key,
                    None => break,
                },
            };
            let Some(view) = self.views.get_mut(&key) else {
                continue;
            };
            if view.dirty_since.take().is_some() {
                if std::mem::replace(&mut view.stored, true) {
                    batch.replaced += 1;
                } else {
                    self.known.insert(key.1);
                }
                batch.views.push(view.row.clone());
            }
        }
        batch.views_offset = self.first_unwritten().unwrap_or(log_offset);
        batch
    }

    /// The offset of the first record that is not in its view's row.
    fn first_unwritten(&mut self) -> Option<u64> {
        loop {
            let (offset, key) = self.dirty.front()?;
            let current = self.views.get(key).and_then(|view| view.dirty_since);
            if current == Some(*offset) {
                return current;
            }
            self.dirty.pop_front();
        }
    }

    /// Whether so many views are stored by now that the set of their ids has to be made anew.
    pub(crate) fn wants_known(&self) -> bool {
        self.known.is_full()
    }

    /// The ids of all views in the store.
    pub(crate) fn set_known(&mut self, known: KnownViews) {
        self.known = known;
    }

    /// Forgets views that the store has: the final ones, and the longest silent ones of those that are too many.
    pub(crate) fn forget(&mut self, now_ms: i64) {
        self.views
            .retain(|_, view| view.dirty_since.is_some() || now_ms - view.row.last_beat_ms < FINAL_AFTER_MS);
        if let Some(excess) = self.views.len().checked_sub(self.capacity + 1) {
            let mut beats: Vec<i64> = self.views.values().map(|view| view.row.last_beat_ms).collect();
            let (_, limit, _) = beats.select_nth_unstable(excess);
            let limit = *limit;
            self.views
                .retain(|_, view| view.dirty_since.is_some() || view.row.last_beat_ms > limit);
        }
        self.names.sweep();
    }

    /// The collector lets no other ids pass.
    fn key(&mut self, record: &Record) -> Option<Key> {
        let id = Id::parse(&record.beacon.view_id)?;
        Some((self.names.share(&record.beacon.site), id))
    }
}
