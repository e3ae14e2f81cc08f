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
//! - What was deleted leaves a tombstone: beacons that come later are counted, and go nowhere.
//!
//! Nothing in here reads a clock or a file: time and stored views are handed in.

pub(crate) mod dimensions;
mod known;
mod live;
mod names;
mod rollups;
mod seq_set;
mod tombstones;
mod view;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::id::Id;
use crate::log::{Deletion, Entry, Record};
use crate::store::Batch;
use crate::store::rows::{EventsRow, ViewRow};
pub(crate) use known::KnownViews;
use live::Sampler;
pub(crate) use live::{LiveSite, LiveSnapshot};
use names::Names;
use rollups::Rollups;
pub(crate) use seq_set::SeqSet;
pub(crate) use tombstones::Tombstones;
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
pub(crate) type Key = (Arc<str>, Id);

/// The views in memory and what has changed since the last batch.
pub(crate) struct Sessions {
    /// On the heap, so that the table is small: it is copied when it grows.
    views: HashMap<Key, Box<View>>,
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
    /// The configured ones.
    sites: Vec<Arc<str>>,
    tombstones: Tombstones,
    /// Views that the store is to erase.
    erased: Vec<Key>,
    duplicates: u64,
    /// Beacons of deleted views.
    deleted: u64,
    capacity: usize,
}

impl Sessions {
    /// Starts with the views that were not final when the store was last written; `known` has the ids of all in the store.
    pub(crate) fn new(
        sites: &[String],
        known: KnownViews,
        tombstones: Tombstones,
        stored: Vec<ViewRow>,
    ) -> Self {
        let mut names = Names::default();
        let sites: Vec<_> = sites.iter().map(|site| names.share(site)).collect();
        let mut sessions = Self {
            views: HashMap::new(),
            names,
            known,
            events: Vec::new(),
            rollups: Rollups::default(),
            dirty: VecDeque::new(),
            ended: VecDeque::new(),
            sampler: Sampler::new(sites.clone()),
            sites,
            tombstones,
            erased: Vec::new(),
            duplicates: 0,
            deleted: 0,
            capacity: MAX_VIEWS_IN_MEMORY,
        };
        sessions.restore(stored);
        sessions
    }

    /// The ids of the views that these beacons are of and that are not in memory, but may be in the store.
    pub(crate) fn missing(&mut self, entries: &[(u64, Entry)]) -> Vec<Id> {
        let mut missing = HashSet::new();
        for (_, entry) in entries {
            if let Entry::Beacon(record) = entry
                && let Some(key) = self.key(record)
                && !self.views.contains_key(&key)
                && self.known.may_contain(key.1)
                // The store may not have erased it yet.
                && !self.tombstones.has_view(&key.0, key.1)
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
            self.views.entry(key).or_insert_with(|| Box::new(view));
        }
    }

    /// Applies the record at this offset. Its view must be in memory if the store has it. A record that is `replayed` has
    /// been applied before a restart: the store has all of it but, maybe, its view.
    pub(crate) fn apply(&mut self, offset: u64, mut record: Box<Record>, replayed: bool) {
        // By the record's time, so that a replay of the log counts the viewers of then.
        if !replayed && self.sampler.is_due(record.received_ms) {
            self.sampler
                .sample(record.received_ms, self.views.values().map(Box::as_ref));
        }
        let Some(key) = self.key(&record) else { return };
        if !self.tombstones.is_empty() && self.is_deleted(&key, &record) {
            self.deleted += u64::from(!replayed);
            return;
        }
        let view = self
            .views
            .entry(key.clone())
            .or_insert_with(|| Box::new(View::new(Arc::clone(&key.0), key.1, &record)));
        let Some(applied) = view.apply(&mut record, &mut self.names) else {
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
                self.rollups.add(key, &record, view.row.weight, growth);
            }
            self.events.extend(applied.events);
        }
    }

    /// The views in memory that this deletion is of.
    pub(crate) fn views_of(&self, deletion: &Deletion) -> Vec<Key> {
        let views = self.views.iter();
        views
            .filter(|((site, id), view)| deletion.is_of(site, *id, &view.row.viewer_id))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// Forgets these views, which are all that the deletion is of, and has the store erase them.
    pub(crate) fn delete(&mut self, deletion: &Deletion, views: &HashSet<Key>) {
        let sites = self.sites.iter().map(|site| &**site);
        self.tombstones
            .add(deletion, sites.filter(|site| deletion.is_of_site(site)));
        self.erase(deletion.at_ms, views);
    }

    /// What they added to sums stays.
    fn erase(&mut self, at_ms: i64, views: &HashSet<Key>) {
        self.rollups.settle(&self.views);
        self.events
            .retain(|row| !views.contains(&(Arc::clone(&row.site), row.view_id)));
        for key in views {
            self.views.remove(key);
            self.tombstones.add_view(&key.0, key.1, at_ms);
            self.erased.push(key.clone());
        }
    }

    /// Whether this beacon's view was deleted, or is a part of a deleted viewer's past that shows only now.
    fn is_deleted(&mut self, key: &Key, record: &Record) -> bool {
        let view = self.views.get(key);
        if view.is_none() && self.tombstones.has_view(&key.0, key.1) {
            return true;
        }
        let Some(info) = &record.beacon.info else {
            return false;
        };
        let began_ms = record.received_ms.saturating_sub_unsigned(record.beacon.t_ms);
        let start_ms = view.map_or(began_ms, |view| view.row.start_ms.min(began_ms));
        let is_deleted = self.tombstones.has_viewer(&key.0, &info.viewer_id, start_ms);
        if is_deleted {
            self.erase(record.received_ms, &HashSet::from([key.clone()]));
        }
        is_deleted
    }

    /// Counts the viewers of this moment.
    pub(crate) fn sample(&mut self, now_ms: i64) -> LiveSnapshot {
        self.sampler.sample(now_ms, self.views.values().map(Box::as_ref))
    }

    /// Rows that wait for the store, without those of views.
    pub(crate) fn pending_rows(&self) -> usize {
        self.events.len() + self.rollups.pending() + self.erased.len()
    }

    /// Views whose rows are not as they are, or have been since then.
    pub(crate) fn pending_views(&self) -> usize {
        self.dirty.len()
    }

    /// Beacons that had been applied before, since the last call.
    pub(crate) fn take_duplicates(&mut self) -> u64 {
        std::mem::take(&mut self.duplicates)
    }

    /// Beacons of views that were deleted, since the last call.
    pub(crate) fn take_deleted(&mut self) -> u64 {
        std::mem::take(&mut self.deleted)
    }

    /// What has changed since the last batch that was taken, with at most so many rows of views. `last` takes the
    /// running ten seconds of concurrency along.
    pub(crate) fn take_batch(&mut self, log_offset: u64, max_views: usize, last: bool) -> Batch {
        let mut batch = Batch {
            log_offset,
            events: std::mem::take(&mut self.events),
            rollups: self.rollups.take(&self.views),
            concurrency: self.sampler.take_rows(last),
            erased: std::mem::take(&mut self.erased),
            tombstones: self.tombstones.take_new(),
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

    /// Forgets what was deleted before this time.
    pub(crate) fn forget_tombstones(&mut self, before_ms: i64) {
        self.tombstones.forget(before_ms);
    }

    /// The collector lets no other ids pass.
    fn key(&mut self, record: &Record) -> Option<Key> {
        let id = Id::parse(&record.beacon.view_id)?;
        Some((self.names.share(&record.beacon.site), id))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use player_core::telemetry::schema::{Beacon, Event};
    use proptest::prelude::*;

    use super::*;
    use crate::log::Deleted;
    use crate::store::rows::TombstoneRow;
    use crate::testing::{at, beacon};

    const VIEWS: u32 = 12;

    /// A store as far as it matters here.
    #[derive(Default)]
    struct Stored {
        views: HashMap<Id, ViewRow>,
        /// How many rows each view has.
        events: HashMap<Id, usize>,
        played_ms: f64,
        tombstones: Vec<TombstoneRow>,
        marks: (u64, u64),
    }

    impl Stored {
        fn write(&mut self, batch: Batch) {
            for (_, id) in &batch.erased {
                self.views.remove(id);
                self.events.remove(id);
            }
            self.tombstones.extend(batch.tombstones);
            let replaced = batch
                .views
                .iter()
                .filter(|row| self.views.contains_key(&row.view_id));
            assert_eq!(replaced.count(), batch.replaced);
            self.views
                .extend(batch.views.into_iter().map(|row| (row.view_id, row)));
            for row in &batch.events {
                *self.events.entry(row.view_id).or_default() += 1;
            }
            self.played_ms += batch.rollups.iter().map(|row| row.played_ms).sum::<f64>();
            assert!(
                batch.views_offset >= self.marks.1,
                "the mark of the views goes back"
            );
            self.marks = (batch.log_offset, batch.views_offset);
        }

        fn open(&self) -> Sessions {
            let mut known = KnownViews::with_room(0);
            for id in self.views.keys() {
                known.insert(*id);
            }
            // None is in memory at first: they are fetched when they are needed.
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[7; 32]);
            let tombstones = Tombstones::new(key, self.tombstones.clone());
            Sessions::new(&["test".to_owned()], known, tombstones, Vec::new())
        }
    }

    fn record(view: u32, seq: u32) -> Record {
        let mut b: Beacon = beacon(view, seq);
        b.counters.played_ms = u64::from(seq + 1) * 7;
        b.events = vec![at(b.t_ms, Event::Playing)];
        if seq == 9 {
            b.events.push(at(b.t_ms, Event::ViewEnd));
        }
        Record::new(1_000_000 + i64::from(seq) * 10_000, None, b).unwrap()
    }

    fn deletion(view: u32) -> Deletion {
        Deletion {
            at_ms: 2_000_000,
            site: None,
            of: Deleted::View(crate::testing::view_id(view)),
        }
    }

    proptest! {
        /// Whatever came again, wherever batches were cut, however few views each had, and whenever the server died: at the
        /// end everything is there once, and nothing of what was deleted but in sums.
        #[test]
        fn nothing_is_lost_or_counted_twice(
            order in proptest::collection::vec((0..VIEWS, 0_u32..10, prop::bool::weighted(0.02)), 1..200),
            steps in proptest::collection::vec((1_usize..40, 0_usize..4, prop::bool::weighted(0.3)), 1..40),
        ) {
            let log: Vec<Entry> = order
                .iter()
                .map(|(view, seq, deletes)| match deletes {
                    true => deletion(*view).into(),
                    false => record(*view, *seq).into(),
                })
                .collect();
            let mut stored = Stored::default();
            let mut sessions = stored.open();
            let mut replay_until = 0;
            let mut next = 0_usize;
            let last = [(usize::MAX, usize::MAX, false)];
            for (records, max_views, dies) in steps.into_iter().chain(last) {
                let until = log.len().min(next.saturating_add(records));
                let some: Vec<(u64, Entry)> = (next..until).map(|at| (at as u64, log[at].clone())).collect();
                let missing = sessions.missing(&some);
                sessions.restore(missing.iter().filter_map(|id| stored.views.get(id).cloned()).collect());
                for (offset, entry) in some {
                    match entry {
                        Entry::Beacon(record) => sessions.apply(offset, record, offset < replay_until),
                        Entry::Deletion(_) if offset < replay_until => {}
                        Entry::Deletion(deletion) => {
                            let rows = stored.views.values().map(|row| (Arc::clone(&row.site), row.view_id));
                            let of = rows.filter(|(site, id)| deletion.is_of(site, *id, ""));
                            let views = of.chain(sessions.views_of(&deletion)).collect();
                            sessions.delete(&deletion, &views);
                        }
                    }
                }
                next = until;
                let mut batch = sessions.take_batch((next as u64).max(stored.marks.0), max_views, false);
                batch.views_offset = batch.views_offset.min(next as u64);
                stored.write(batch);
                if dies {
                    sessions = stored.open();
                    replay_until = stored.marks.0;
                    next = stored.marks.1 as usize;
                }
            }
            let mut gone = HashSet::new();
            let mut distinct = HashSet::new();
            let mut played: HashMap<u32, u32> = HashMap::new();
            for (view, seq, deletes) in order {
                if deletes {
                    gone.insert(view);
                } else if !gone.contains(&view) {
                    distinct.insert((view, seq));
                    let most = played.entry(view).or_default();
                    *most = (*most).max((seq + 1) * 7);
                }
            }
            distinct.retain(|(view, _)| !gone.contains(view));
            prop_assert_eq!(stored.marks, (log.len() as u64, log.len() as u64));
            prop_assert_eq!(stored.events.values().sum::<usize>(), distinct.len());
            prop_assert_eq!(stored.views.values().map(|row| row.beacons).sum::<i64>(), distinct.len() as i64);
            prop_assert_eq!(stored.played_ms, f64::from(played.values().sum::<u32>()));
            played.retain(|view, _| !gone.contains(view));
            let rows = stored.views.values().map(|row| row.played_ms).sum::<i64>();
            prop_assert_eq!(rows, i64::from(played.values().sum::<u32>()));
        }
    }

    #[test]
    fn ended_views_are_written_first_and_the_longest_unwritten_next() {
        let mut sessions = Stored::default().open();
        for (offset, (view, seq)) in [(1, 0), (2, 0), (3, 9), (1, 1)].into_iter().enumerate() {
            sessions.apply(offset as u64, Box::new(record(view, seq)), false);
        }
        let mut take = || {
            let batch = sessions.take_batch(4, 1, false);
            let row = batch.views.first();
            (row.map(|row| (row.view_id, row.beacons)), batch.views_offset)
        };
        let id = |view| Id::parse(&crate::testing::view_id(view)).unwrap();
        assert_eq!(take(), (Some((id(3), 1)), 0));
        assert_eq!(take(), (Some((id(1), 2)), 1));
        assert_eq!(take(), (Some((id(2), 1)), 4));
        assert_eq!(take(), (None, 4));
    }
}
