//! The one thread that takes beacons from the log through the sessions into the store. It reads the log the same way
//! whether the records are a millisecond or, after a restart, an hour old.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::collector::Outcomes;
use crate::error::Error;
use crate::log::BeaconLog;
use crate::sessions::{LiveSnapshot, Sessions};
use crate::store::{Batch, StoreWriter};

/// Records that are applied at a time.
const RECORDS_AT_ONCE: usize = 2_000;
/// The store is written this long after the first change …
const COMMIT_EVERY: Duration = Duration::from_millis(1_000);
/// … or with so many new rows.
const COMMIT_ROWS: usize = 50_000;
/// Viewers are counted this often, besides when beacons are applied.
const SAMPLE_EVERY: Duration = Duration::from_millis(1_000);
/// Views are forgotten this often.
const FORGET_EVERY: Duration = Duration::from_secs(20);
/// How long the thread waits for beacons before it looks at the time.
const WAIT: Duration = Duration::from_millis(100);
/// How long it waits after the store refused a batch.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// At the end, a batch is tried this often; the log keeps what the store never took.
const LAST_TRIES: usize = 3;

/// What the thread shares with the queries.
#[derive(Default)]
pub(crate) struct Shared {
    stopping: AtomicBool,
    live: Mutex<LiveSnapshot>,
    stored: AtomicU64,
}

impl Shared {
    /// The numbers of now, at most a second old.
    pub(crate) fn live(&self) -> LiveSnapshot {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The log's offset up to which the store has everything.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Acquire)
    }

    /// Asks the thread to end, with everything in the store that is in the log.
    pub(crate) fn stop(&self, log: &BeaconLog) {
        self.stopping.store(true, Ordering::Release);
        log.wake();
    }
}

/// Starts the thread.
pub(crate) fn start(
    log: Arc<BeaconLog>,
    store: StoreWriter,
    sessions: Sessions,
    clock: Clock,
    outcomes: Arc<Outcomes>,
    shared: Arc<Shared>,
) -> Result<JoinHandle<()>, Error> {
    let next = store.log_offset()?;
    shared.stored.store(next, Ordering::Release);
    let pipeline = Pipeline {
        log,
        store,
        sessions,
        clock,
        outcomes,
        shared,
        next,
        committed: next,
        failed: None,
    };
    std::thread::Builder::new()
        .name("analytics-store".to_owned())
        .spawn(move || pipeline.run())
        .map_err(|_| Error::Thread("analytics-store"))
}

struct Pipeline {
    log: Arc<BeaconLog>,
    store: StoreWriter,
    sessions: Sessions,
    clock: Clock,
    outcomes: Arc<Outcomes>,
    shared: Arc<Shared>,
    /// The offset of the next record to apply.
    next: u64,
    /// The offset up to which the store has everything.
    committed: u64,
    /// A batch that the store refused: it goes first, unchanged.
    failed: Option<Batch>,
}

impl Pipeline {
    fn run(mut self) {
        let mut sampled: Option<Instant> = None;
        let mut forgot = Instant::now();
        let mut committed = Instant::now();
        loop {
            let stopping = self.shared.stopping.load(Ordering::Acquire);
            if self.failed.is_none()
                && self
                    .log
                    .wait_for(self.next, if stopping { Duration::ZERO } else { WAIT })
            {
                self.apply_records();
            }
            let caught_up = self.next >= self.log.head();
            if caught_up && sampled.is_none_or(|at| at.elapsed() >= SAMPLE_EVERY) {
                sampled = Some(Instant::now());
                self.sample();
            }
            if committed.elapsed() >= COMMIT_EVERY || self.sessions.pending_rows() >= COMMIT_ROWS {
                self.commit(false);
                committed = Instant::now();
            }
            if forgot.elapsed() >= FORGET_EVERY && self.failed.is_none() {
                forgot = Instant::now();
                self.sessions.forget(self.clock.now_ms());
            }
            if self.failed.is_some() {
                std::thread::sleep(RETRY_AFTER);
            }
            if stopping && (self.failed.is_some() || self.next >= self.log.head()) {
                break;
            }
        }
        self.finish();
    }

    fn apply_records(&mut self) {
        let (records, next) = match self.log.read(self.next, RECORDS_AT_ONCE) {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "the beacon log cannot be read; trying again");
                std::thread::sleep(RETRY_AFTER);
                return;
            }
        };
        let missing = self.sessions.missing(&records);
        match self.store.views_by_id(missing.into_iter()) {
            Ok(stored) => self.sessions.restore(stored),
            Err(error) => {
                tracing::error!(%error, "views cannot be read from the store; trying again");
                std::thread::sleep(RETRY_AFTER);
                return;
            }
        }
        for record in &records {
            self.sessions.apply(record);
        }
        self.outcomes.count_duplicates(self.sessions.take_duplicates());
        self.next = next;
    }

    fn sample(&mut self) {
        let live = self.sessions.sample(self.clock.now_ms());
        *self.shared.live.lock().unwrap_or_else(PoisonError::into_inner) = live;
    }

    /// Writes what has changed. Answers whether the store has everything that was applied.
    fn commit(&mut self, last: bool) -> bool {
        if let Some(batch) = self.failed.take()
            && !self.write(batch)
        {
            return false;
        }
        let batch = self.sessions.take_batch(self.next, last);
        let nothing_new =
            batch.log_offset == self.committed && batch.views.is_empty() && batch.concurrency.is_empty();
        nothing_new || self.write(batch)
    }

    fn write(&mut self, batch: Batch) -> bool {
        let began = Instant::now();
        if let Err(error) = self.store.commit(&batch) {
            tracing::error!(%error, "the store refused a batch; trying again");
            self.failed = Some(batch);
            return false;
        }
        tracing::debug!(
            views = batch.views.len(),
            beats = batch.beats.len(),
            events = batch.events.len(),
            log_offset = batch.log_offset,
            elapsed_ms = began.elapsed().as_millis(),
            "stored a batch"
        );
        self.committed = batch.log_offset;
        self.shared.stored.store(self.committed, Ordering::Release);
        if let Err(error) = self.log.trim(self.committed) {
            tracing::warn!(%error, "a segment of the beacon log could not be dropped");
        }
        true
    }

    fn finish(mut self) {
        let stored = (0..LAST_TRIES).any(|_| self.commit(true));
        if !stored {
            tracing::error!(
                from = self.committed,
                to = self.log.head(),
                "the store did not take the last beacons; the log keeps them for the next start"
            );
        }
        if let Err(error) = self.store.checkpoint() {
            tracing::warn!(%error, "the store could not be checkpointed; the next start does it");
        }
    }
}
