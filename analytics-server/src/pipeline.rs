//! The one thread that takes beacons from the log through the sessions into the store. It follows the log the same way
//! whether the records are a millisecond or, after a restart, an hour old.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
/// The store is written this long after the first change, at the soonest …
const COMMIT_EVERY: Duration = Duration::from_millis(1_000);
/// … this many times as long as writing it took, so that beacons have the larger part of a busy machine …
const COMMIT_SHARE: u32 = 4;
/// … but after this long …
const COMMIT_LATEST: Duration = Duration::from_millis(5_000);
/// … or with so many new rows.
const COMMIT_ROWS: usize = 50_000;
/// Rows of views in a batch; more if that is what it takes that none waits for longer than [`VIEWS_WITHIN`].
const COMMIT_VIEWS: usize = 2_000;
/// See [`COMMIT_VIEWS`].
const VIEWS_WITHIN: Duration = Duration::from_secs(30);
/// Rows of views in a batch at the end, when all have to be written.
const LAST_VIEWS: usize = 20_000;
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
    events: AtomicU64,
    stored: AtomicU64,
    complete_ms: AtomicI64,
    commits: Mutex<Commits>,
}

/// What became of batches since the server started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Commits {
    /// That the store took.
    pub(crate) count: u64,
    /// How long that took.
    pub(crate) took: Duration,
    /// How often it refused one.
    pub(crate) failed: u64,
}

impl Shared {
    /// The numbers of now, at most a second old.
    pub(crate) fn live(&self) -> LiveSnapshot {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The log's offset up to which the store has everything, rows of views too.
    pub(crate) fn stored(&self) -> u64 {
        self.stored.load(Ordering::Acquire)
    }

    /// The log's offset up to which the store has everything but, maybe, rows of views.
    pub(crate) fn events(&self) -> u64 {
        self.events.load(Ordering::Acquire)
    }

    /// What became of batches.
    pub(crate) fn commits(&self) -> Commits {
        *self.lock_commits()
    }

    fn lock_commits(&self) -> MutexGuard<'_, Commits> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store has everything that was accepted until this time, but, maybe, the last half minute of rows of views.
    pub(crate) fn complete_ms(&self) -> i64 {
        self.complete_ms.load(Ordering::Acquire)
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
    let (next, committed) = (store.views_offset()?, store.log_offset()?);
    shared.stored.store(next, Ordering::Release);
    shared.events.store(committed, Ordering::Release);
    let pipeline = Pipeline {
        log,
        store,
        sessions,
        clock,
        outcomes,
        shared,
        next,
        replay_until: committed,
        committed: (committed, next),
        commit_took: Duration::ZERO,
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
    /// The store has what is before this from an earlier run, but for rows of views.
    replay_until: u64,
    /// How far the store is: log offset and views offset.
    committed: (u64, u64),
    /// How long it took to write the last batch.
    commit_took: Duration,
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
            let due = (self.commit_took * COMMIT_SHARE).clamp(COMMIT_EVERY, COMMIT_LATEST);
            if committed.elapsed() >= due || self.sessions.pending_rows() >= COMMIT_ROWS {
                let views = self.views_due(committed.elapsed());
                self.commit(views, false);
                committed = Instant::now();
            }
            if forgot.elapsed() >= FORGET_EVERY && self.failed.is_none() {
                forgot = Instant::now();
                self.forget();
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
        let (records, next) = match self.log.follow(self.next, RECORDS_AT_ONCE) {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "the beacon log cannot be read; trying again");
                std::thread::sleep(RETRY_AFTER);
                return;
            }
        };
        let missing = self.sessions.missing(&records);
        match self.store.views_by_id(&missing) {
            Ok(stored) => self.sessions.restore(stored),
            Err(error) => {
                tracing::error!(%error, "views cannot be read from the store; trying again");
                std::thread::sleep(RETRY_AFTER);
                return;
            }
        }
        for (offset, record) in records {
            self.sessions.apply(offset, record, offset < self.replay_until);
        }
        self.outcomes.count_duplicates(self.sessions.take_duplicates());
        self.next = next;
    }

    fn sample(&mut self) {
        let live = self.sessions.sample(self.clock.now_ms());
        *self.shared.live.lock().unwrap_or_else(PoisonError::into_inner) = live;
    }

    /// How many rows of views a batch may have that comes so long after the last one.
    fn views_due(&self, elapsed: Duration) -> usize {
        let share = elapsed.as_secs_f64() / VIEWS_WITHIN.as_secs_f64();
        COMMIT_VIEWS.max((self.sessions.pending_views() as f64 * share) as usize)
    }

    /// Forgets what is final, and learns anew what the store has if that has become too much for the filter.
    fn forget(&mut self) {
        self.sessions.forget(self.clock.now_ms());
        if self.sessions.wants_known() {
            match self.store.known_views() {
                Ok(known) => self.sessions.set_known(known),
                Err(error) => tracing::warn!(%error, "the ids of views cannot be read; trying again"),
            }
        }
    }

    /// Writes what has changed, with at most so many rows of views. Answers whether the store took it.
    fn commit(&mut self, max_views: usize, last: bool) -> bool {
        if let Some(batch) = self.failed.take()
            && !self.write(batch)
        {
            return false;
        }
        let now_ms = self.clock.now_ms();
        let is_all = self.next >= self.log.head();
        // While the log is read again, the store may be ahead.
        let log_offset = self.next.max(self.committed.0);
        let batch = self.sessions.take_batch(log_offset, max_views, last);
        let views_offset = batch.views_offset.min(self.next);
        let batch = Batch {
            views_offset,
            ..batch
        };
        let nothing_new = (batch.log_offset, batch.views_offset) == self.committed
            && batch.views.is_empty()
            && batch.concurrency.is_empty();
        let is_stored = nothing_new || self.write(batch);
        if is_stored && is_all {
            self.shared.complete_ms.store(now_ms, Ordering::Release);
        }
        is_stored
    }

    fn write(&mut self, batch: Batch) -> bool {
        let began = Instant::now();
        if let Err(error) = self.store.commit(&batch) {
            tracing::error!(%error, "the store refused a batch; trying again");
            self.failed = Some(batch);
            self.shared.lock_commits().failed += 1;
            return false;
        }
        tracing::debug!(
            views = batch.views.len(),
            rollups = batch.rollups.len(),
            events = batch.events.len(),
            log_offset = batch.log_offset,
            views_offset = batch.views_offset,
            elapsed_ms = began.elapsed().as_millis(),
            "stored a batch"
        );
        self.commit_took = began.elapsed();
        {
            let mut commits = self.shared.lock_commits();
            commits.count += 1;
            commits.took += self.commit_took;
        }
        self.committed = (batch.log_offset, batch.views_offset);
        self.shared.events.store(batch.log_offset, Ordering::Release);
        self.shared.stored.store(batch.views_offset, Ordering::Release);
        if let Err(error) = self.log.trim(batch.views_offset) {
            tracing::warn!(%error, "a segment of the beacon log could not be dropped");
        }
        true
    }

    fn finish(mut self) {
        let mut tries = 0;
        while tries < LAST_TRIES && self.committed.1 < self.next {
            tries += usize::from(!self.commit(LAST_VIEWS, true));
        }
        // The running ten seconds of concurrency, if there was nothing else.
        if tries == LAST_TRIES || !self.commit(LAST_VIEWS, true) {
            tracing::error!(
                from = self.committed.1,
                to = self.log.head(),
                "the store did not take the last beacons; the log keeps them for the next start"
            );
        }
        if let Err(error) = self.store.checkpoint() {
            tracing::warn!(%error, "the store could not be checkpointed; the next start does it");
        }
    }
}
