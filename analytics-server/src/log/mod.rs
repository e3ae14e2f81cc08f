//! The beacon log: what has been acknowledged is in here until the store has it.
//!
//! What it holds are entries, nearly all of them [`Record`]s of beacons. They are numbered from 0 without gaps; the number is the entry's *offset*. They are written in groups, each an entry
//! under the offset of its first record. Groups lie in segments of about [`SEGMENT_RECORDS`] records, each a keyspace of
//! one embedded fjall database, so that a segment that the store has committed is dropped whole, without compaction.
//! fjall's journal is checksummed and cut at the first torn group when it is opened after a crash.
//!
//! Who follows the log is handed the newest records as they were parsed; it reads from disk what did not fit into memory
//! and, after a restart, what is old.

mod entry;
mod record;
mod writer;

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::error::LogError;
use entry::decode_group;
pub(crate) use entry::{Deleted, Deletion, Entry};
pub(crate) use record::{Digest, Record};
pub(crate) use writer::{AppendError, Appender, start_writer};

/// Records in a segment, but for its last group.
const SEGMENT_RECORDS: u64 = 50_000;
/// What a segment keeps in memory, bytes: the rest lies in tables on disk.
const SEGMENT_MEMORY_BYTES: u64 = 16 << 20;
/// What all records take in memory that are handed over and not yet taken, as bytes of the log. Parsed they take thrice.
const HANDED_BYTES: usize = 24 << 20;

const PREFIX: &str = "records-";

/// Entries that are appended at once, and their bytes.
pub(crate) struct Group {
    pub(crate) entries: Vec<Entry>,
    pub(crate) bytes: Vec<u8>,
}

/// An append-only log on disk.
pub(crate) struct BeaconLog {
    db: Database,
    state: Mutex<State>,
    grown: Condvar,
}

struct State {
    /// First offset → segment.
    segments: BTreeMap<u64, Keyspace>,
    /// The offset that the next record will have.
    next: u64,
    /// Groups that are on disk and wait for who follows the log, with their first offsets.
    handed: VecDeque<(u64, Handed)>,
    handed_bytes: usize,
}

struct Handed {
    entries: Vec<Entry>,
    bytes: usize,
}

impl BeaconLog {
    /// Opens or creates the log.
    pub(crate) fn open(path: &Path) -> Result<Self, LogError> {
        let db = Database::builder(path)
            .worker_threads(1)
            .open()
            .map_err(|error| match error {
                fjall::Error::Locked => LogError::InUse {
                    path: path.to_owned(),
                },
                other => other.into(),
            })?;
        let mut segments = BTreeMap::new();
        for name in db.list_keyspace_names() {
            if let Some(first) = name
                .strip_prefix(PREFIX)
                .and_then(|digits| digits.parse::<u64>().ok())
            {
                segments.insert(first, db.keyspace(&name, options)?);
            }
        }
        let mut next = 0;
        if let Some((first, segment)) = segments.last_key_value() {
            next = *first;
            if let Some(entry) = segment.last_key_value() {
                let (key, group) = entry.into_inner()?;
                next = offset_of(&key).unwrap_or(next) + decode_group(&group).count() as u64;
            }
        }
        Ok(Self {
            db,
            state: Mutex::new(State {
                segments,
                next,
                handed: VecDeque::new(),
                handed_bytes: 0,
            }),
            grown: Condvar::new(),
        })
    }

    /// An empty log in the place of this one, which nobody needs any more: what was dropped from it is in its journal still.
    pub(crate) fn renew(self, path: &Path) -> Result<Self, LogError> {
        drop(self);
        std::fs::remove_dir_all(path).map_err(fjall::Error::Io)?;
        Self::open(path)
    }

    /// Lets offsets continue at `offset` if they had not come so far, so that a log that was deleted never gives out an
    /// offset that the store has already committed.
    pub(crate) fn start_at_least(&self, offset: u64) {
        let mut state = self.state();
        state.next = state.next.max(offset);
    }

    /// The offset of the first entry; the next one's if there is none.
    pub(crate) fn first(&self) -> u64 {
        let state = self.state();
        let first = state.segments.keys().next();
        first.map_or(state.next, |first| (*first).min(state.next))
    }

    /// The offset after the last record.
    pub(crate) fn head(&self) -> u64 {
        self.state().next
    }

    /// Waits until there is a record at `offset` or the time is over; answers whether there is one.
    pub(crate) fn wait_for(&self, offset: u64, timeout: Duration) -> bool {
        let waited = self
            .grown
            .wait_timeout_while(self.state(), timeout, |state| state.next <= offset);
        waited.unwrap_or_else(PoisonError::into_inner).0.next > offset
    }

    /// Wakes whoever waits, so that it can look at other things.
    pub(crate) fn wake(&self) {
        self.grown.notify_all();
    }

    /// Some records from `offset` on, about `max` of them if there are so many, each with its offset, and the offset
    /// after the last one of them. A record that cannot be read is left out and logged: the following ones count
    /// nevertheless.
    pub(crate) fn follow(&self, offset: u64, max: usize) -> Result<(Vec<(u64, Entry)>, u64), LogError> {
        match self.take_handed(offset, max) {
            Some(taken) => Ok(taken),
            None => self.read(offset, max),
        }
    }

    /// What was handed over, if it begins at `offset` or before it.
    fn take_handed(&self, offset: u64, max: usize) -> Option<(Vec<(u64, Entry)>, u64)> {
        let mut state = self.state();
        let mut next = offset;
        let mut taken = Vec::new();
        while let Some((first, group)) = state.handed.front() {
            let after = first + group.entries.len() as u64;
            // A gap, which is read from disk, or enough.
            if *first > next || taken.len() >= max {
                break;
            }
            let Some((first, group)) = state.handed.pop_front() else {
                break;
            };
            state.handed_bytes -= group.bytes;
            taken.extend((first..).zip(group.entries).filter(|(at, _)| *at >= next));
            next = next.max(after);
        }
        (next > offset).then_some((taken, next))
    }

    fn read(&self, offset: u64, max: usize) -> Result<(Vec<(u64, Entry)>, u64), LogError> {
        let mut entries = Vec::new();
        let mut next = offset;
        let segments: Vec<Keyspace> = {
            let state = self.state();
            let from = state
                .segments
                .range(..=offset)
                .next_back()
                .map_or(0, |(first, _)| *first);
            state
                .segments
                .range(from..)
                .map(|(_, segment)| segment.clone())
                .collect()
        };
        for segment in segments {
            // The group that begins before the offset may hold it.
            let before = segment.range(..=next.to_be_bytes()).next_back();
            let from = match before {
                Some(entry) => entry.key()?.to_vec(),
                None => next.to_be_bytes().to_vec(),
            };
            for stored in segment.range(from..) {
                if entries.len() >= max {
                    return Ok((entries, next));
                }
                let (key, group) = stored.into_inner()?;
                let Some(first) = offset_of(&key) else { continue };
                for (at, entry) in (first..).zip(decode_group(&group)) {
                    if at < next {
                        continue;
                    }
                    match entry {
                        Some(entry) => entries.push((at, entry)),
                        None => {
                            tracing::error!(
                                offset = at,
                                "a record of the beacon log cannot be read; left out"
                            )
                        }
                    }
                    next = at + 1;
                }
            }
        }
        Ok((entries, next))
    }

    /// Appends entries durably: when this returns, a crash does not lose them.
    fn append(&self, group: Group) -> Result<(), LogError> {
        let first = self.head();
        let count = group.entries.len() as u64;
        let bytes = group.bytes.len();
        let segment = self.segment_for(first)?;
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&segment, first.to_be_bytes(), group.bytes);
        batch.commit()?;
        let mut state = self.state();
        state.next = first + count;
        if state.handed_bytes + bytes <= HANDED_BYTES {
            state.handed_bytes += bytes;
            let entries = group.entries;
            state.handed.push_back((first, Handed { entries, bytes }));
        }
        drop(state);
        self.grown.notify_all();
        Ok(())
    }

    /// Drops the segments whose records all lie before `offset`.
    pub(crate) fn trim(&self, offset: u64) -> Result<(), LogError> {
        let done: Vec<(u64, Keyspace)> = {
            let state = self.state();
            let keep = state
                .segments
                .range(..=offset)
                .next_back()
                .map_or(0, |(first, _)| *first);
            state
                .segments
                .range(..keep)
                .map(|(first, segment)| (*first, segment.clone()))
                .collect()
        };
        for (first, segment) in done {
            self.state().segments.remove(&first);
            self.db.delete_keyspace(segment)?;
        }
        Ok(())
    }

    fn segment_for(&self, offset: u64) -> Result<Keyspace, LogError> {
        let last = self
            .state()
            .segments
            .last_key_value()
            .map(|(first, segment)| (*first, segment.clone()));
        if let Some((first, segment)) = last
            && offset - first < SEGMENT_RECORDS
        {
            return Ok(segment);
        }
        let segment = self.db.keyspace(&format!("{PREFIX}{offset:020}"), options)?;
        self.state().segments.insert(offset, segment.clone());
        Ok(segment)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(SEGMENT_MEMORY_BYTES)
}

fn offset_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::beacon;

    fn entry(seq: u32) -> Entry {
        let record = Record::new(1000 + i64::from(seq), None, beacon(1, seq));
        record.unwrap().into()
    }

    fn group(seqs: impl IntoIterator<Item = u32>) -> Group {
        let entries: Vec<Entry> = seqs.into_iter().map(entry).collect();
        let mut bytes = Vec::new();
        for entry in &entries {
            entry.encode(&mut bytes).unwrap();
        }
        Group { entries, bytes }
    }

    fn expected(seqs: std::ops::Range<u32>) -> Vec<(u64, Entry)> {
        seqs.map(|seq| (u64::from(seq), entry(seq))).collect()
    }

    #[test]
    fn records_come_back_in_order_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let log = BeaconLog::open(dir.path()).unwrap();
        log.append(group(0..3)).unwrap();
        log.append(group(3..4)).unwrap();
        drop(log);
        let log = BeaconLog::open(dir.path()).unwrap();
        assert_eq!(log.head(), 4);
        assert_eq!(log.follow(1, 2).unwrap(), (expected(1..3), 3));
        assert_eq!(log.follow(3, 2).unwrap(), (expected(3..4), 4));
        assert_eq!(log.follow(4, 2).unwrap(), (vec![], 4));
    }

    #[test]
    fn new_records_are_handed_over_and_old_ones_read() {
        let dir = tempfile::tempdir().unwrap();
        drop_after(dir.path(), 0..5);
        let log = BeaconLog::open(dir.path()).unwrap();
        log.append(group(5..8)).unwrap();
        log.append(group(8..10)).unwrap();
        assert!(log.take_handed(0, 99).is_none(), "there is a gap");
        assert_eq!(log.follow(0, 3).unwrap(), (expected(0..5), 5), "groups are whole");
        assert_eq!(log.take_handed(6, 1).unwrap(), (expected(6..8), 8));
        assert_eq!(log.follow(8, 99).unwrap(), (expected(8..10), 10));
        assert_eq!(log.state().handed_bytes, 0);
        // Taken once, they are on disk all the same.
        assert_eq!(log.follow(6, 99).unwrap(), (expected(6..10), 10));
    }

    fn drop_after(path: &Path, seqs: std::ops::Range<u32>) {
        BeaconLog::open(path).unwrap().append(group(seqs)).unwrap();
    }

    #[test]
    fn what_is_not_followed_does_not_fill_the_memory() {
        let dir = tempfile::tempdir().unwrap();
        let log = BeaconLog::open(dir.path()).unwrap();
        let mut next = 0;
        while log.state().handed.len() as u32 * 1000 == next {
            log.append(group(next..next + 1000)).unwrap();
            next += 1000;
        }
        assert!(log.state().handed_bytes <= HANDED_BYTES);
        let mut at = 0;
        while at < u64::from(next) {
            let (records, after) = log.follow(at, 2000).unwrap();
            assert_eq!(records.len() as u64, after - at);
            at = after;
        }
        assert_eq!(at, u64::from(next));
    }

    #[test]
    fn an_unreadable_record_does_not_stop_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let log = BeaconLog::open(dir.path()).unwrap();
        let mut broken = group(0..2);
        broken.bytes[4] = 99;
        log.append(broken).unwrap();
        assert_eq!(log.read(0, 9).unwrap(), (expected(1..2), 2));
    }

    #[test]
    fn committed_segments_are_dropped_and_offsets_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let log = BeaconLog::open(dir.path()).unwrap();
        log.start_at_least(7);
        assert_eq!(log.head(), 7);
        for _ in (0..SEGMENT_RECORDS).step_by(10_000) {
            log.append(group(std::iter::repeat_n(0, 10_000))).unwrap();
        }
        log.append(group([9])).unwrap();
        log.trim(7 + SEGMENT_RECORDS).unwrap();
        assert_eq!(log.state().segments.len(), 1);
        assert_eq!(
            log.read(0, 5).unwrap(),
            (vec![(7 + SEGMENT_RECORDS, entry(9))], 8 + SEGMENT_RECORDS)
        );
        drop(log);
        assert_eq!(BeaconLog::open(dir.path()).unwrap().head(), 8 + SEGMENT_RECORDS);
    }

    #[test]
    fn a_new_log_has_nothing_of_the_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let log = BeaconLog::open(&path).unwrap();
        log.append(group(0..3)).unwrap();
        let log = log.renew(&path).unwrap();
        assert_eq!((log.head(), log.read(0, 9).unwrap().0.len()), (0, 0));
    }

    #[test]
    fn a_second_owner_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _log = BeaconLog::open(dir.path()).unwrap();
        assert!(matches!(BeaconLog::open(dir.path()), Err(LogError::InUse { .. })));
    }
}
