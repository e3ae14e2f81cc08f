//! The beacon log: what has been acknowledged is in here until the store has it.
//!
//! Records are numbered from 0 without gaps; the number is the record's *offset*. They lie in segments of
//! [`SEGMENT_RECORDS`], each a keyspace of one embedded fjall database, so that a segment that the store has committed
//! is dropped whole, without compaction. fjall's journal is checksummed and cut at the first torn record when it is
//! opened after a crash.

mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use player_core::telemetry::schema::Beacon;

use crate::error::LogError;
pub(crate) use writer::{AppendError, Appender, start_writer};

/// Records in a segment.
const SEGMENT_RECORDS: u64 = 50_000;

const PREFIX: &str = "beacons-";

/// A beacon as it was acknowledged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// When the server received it, by its own clock.
    pub(crate) received_ms: i64,
    /// The beacon; its `site` is the site's name, not its key.
    pub(crate) beacon: Beacon,
}

impl Record {
    /// Eight bytes of time, then the beacon as JSON.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = self.received_ms.to_le_bytes().to_vec();
        serde_json::to_writer(&mut bytes, &self.beacon)?;
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (time, json) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            received_ms: i64::from_le_bytes(*time),
            beacon: serde_json::from_slice(json).ok()?,
        })
    }
}

/// An append-only log of [`Record`]s on disk.
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
                segments.insert(first, db.keyspace(&name, KeyspaceCreateOptions::default)?);
            }
        }
        let mut next = 0;
        if let Some((first, segment)) = segments.last_key_value() {
            let after_last = match segment.last_key_value() {
                Some(entry) => offset_of(&entry.key()?).map_or(*first, |last| last + 1),
                None => *first,
            };
            next = after_last;
        }
        Ok(Self {
            db,
            state: Mutex::new(State { segments, next }),
            grown: Condvar::new(),
        })
    }

    /// Lets offsets continue at `offset` if they had not come so far, so that a log that was deleted never gives out an
    /// offset that the store has already committed.
    pub(crate) fn start_at_least(&self, offset: u64) {
        let mut state = self.state();
        state.next = state.next.max(offset);
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

    /// Up to `max` records from `offset` on, and the offset after the last one of them. A record that cannot be read
    /// is left out and logged: the following ones count nevertheless.
    pub(crate) fn read(&self, offset: u64, max: usize) -> Result<(Vec<Record>, u64), LogError> {
        let mut records = Vec::new();
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
            for entry in segment.range(next.to_be_bytes()..) {
                if records.len() == max {
                    return Ok((records, next));
                }
                let (key, value) = entry.into_inner()?;
                let Some(at) = offset_of(&key) else { continue };
                match Record::decode(&value) {
                    Some(record) => records.push(record),
                    None => {
                        tracing::error!(offset = at, "a record of the beacon log cannot be read; left out")
                    }
                }
                next = at + 1;
            }
        }
        Ok((records, next))
    }

    /// Appends records durably: when this returns, a crash does not lose them.
    fn append(&self, records: impl IntoIterator<Item = Vec<u8>>) -> Result<(), LogError> {
        let mut next = self.head();
        let segment = self.segment_for(next)?;
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for record in records {
            batch.insert(&segment, next.to_be_bytes(), record);
            next += 1;
        }
        batch.commit()?;
        self.state().next = next;
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
        let segment = self
            .db
            .keyspace(&format!("{PREFIX}{offset:020}"), KeyspaceCreateOptions::default)?;
        self.state().segments.insert(offset, segment.clone());
        Ok(segment)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn offset_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::testing::beacon;

    fn record(seq: u32) -> Record {
        Record {
            received_ms: 1000 + i64::from(seq),
            beacon: beacon(1, seq),
        }
    }

    #[test]
    fn records_come_back_in_order_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let log = BeaconLog::open(dir.path()).unwrap();
        log.append((0..3).map(|seq| record(seq).encode().unwrap()))
            .unwrap();
        log.append([record(3).encode().unwrap()]).unwrap();
        drop(log);
        let log = BeaconLog::open(dir.path()).unwrap();
        assert_eq!(log.head(), 4);
        let (records, next) = log.read(1, 2).unwrap();
        assert_eq!(records, [record(1), record(2)]);
        assert_eq!(next, 3);
        assert_eq!(log.read(4, 2).unwrap(), (vec![], 4));
    }

    #[test]
    fn an_unreadable_record_does_not_stop_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let log = BeaconLog::open(dir.path()).unwrap();
        log.append([b"rubbish!rubbish".to_vec(), record(1).encode().unwrap()])
            .unwrap();
        assert_eq!(log.read(0, 9).unwrap(), (vec![record(1)], 2));
    }

    #[test]
    fn committed_segments_are_dropped_and_offsets_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let log = BeaconLog::open(dir.path()).unwrap();
        log.start_at_least(7);
        assert_eq!(log.head(), 7);
        for start in (0..SEGMENT_RECORDS).step_by(10_000) {
            log.append((start..start + 10_000).map(|_| record(0).encode().unwrap()))
                .unwrap();
        }
        log.append([record(9).encode().unwrap()]).unwrap();
        log.trim(7 + SEGMENT_RECORDS).unwrap();
        assert_eq!(log.state().segments.len(), 1);
        assert_eq!(log.read(0, 5).unwrap(), (vec![record(9)], 8 + SEGMENT_RECORDS));
        drop(log);
        assert_eq!(BeaconLog::open(dir.path()).unwrap().head(), 8 + SEGMENT_RECORDS);
    }

    #[test]
    fn a_second_owner_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _log = BeaconLog::open(dir.path()).unwrap();
        assert!(matches!(BeaconLog::open(dir.path()), Err(LogError::InUse { .. })));
    }
}
