//! The one thread that takes beacons from the log through the sessions into the store. It follows the log the same way
//! whether the records are a millisecond or, after a restart, an hour old.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::collector::{DeadLetters, Outcomes};
use crate::error::{Error, StoreError};
use crate::id::Id;
use crate::log::{BeaconLog, Deleted, Deletion, Entry};
use crate::retention::{Age, Expiry};
use crate::sessions::{Key, LiveSnapshot, Sessions};
use crate::store::rows::TombstoneRow;
use crate::store::table::TableRow as _;
use crate::store::{Batch, Snapshot, StoreWriter};

/// Records that are applied at a time.
const RECORDS_AT_ONCE: usize = 2_000;
/// The store is written this long after the first change, at the soonest …
const COMMIT_EVERY: Duration = Duration::from_millis(1_000);
/// … while beacons come, this many times as long as writing it took, so that they have the larger part of a busy machine …
const COMMIT_SHARE: u32 = 4;
/// … but after this long …
const COMMIT_LATEST: Duration = Duration::from_millis(5_000);
/// … or with so many new rows.
const COMMIT_ROWS: usize = 20_000;
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
/// A piece of what is too old is deleted this often.
const EXPIRE_EVERY: Duration = Duration::from_millis(250);
/// How long the thread waits for beacons before it looks at the time.
const WAIT: Duration = Duration::from_millis(100);
/// How long it waits after the store refused a batch.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// At the end, a batch is tried this often; the log keeps what the store never took.
const LAST_TRIES: usize = 3;

/// How nice the thread is to others, of 19: it gets about a third of what they get.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// What the thread shares with the queries.
#[derive(Default)]
pub(crate) struct Shared {
    stopping: AtomicBool,
    live: Mutex<LiveSnapshot>,
    ages: Mutex<Vec<Age>>,
    /// Somebody waits for a snapshot of the store.
    wanted: Mutex<Option<oneshot::Sender<Result<Snapshot, StoreError>>>>,
    events: AtomicU64,
    stored: AtomicU64,
    complete_ms: AtomicI64,
    commits: Mutex<Commits>,
    is_broken: AtomicBool,
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

    /// The store as it will be in a moment, with everything that is before one offset of the log and nothing that is after
    /// it. Only one can be waited for; there is none when the server ends.
    pub(crate) fn snapshot(&self) -> oneshot::Receiver<Result<Snapshot, StoreError>> {
        let (send, receive) = oneshot::channel();
        *self.wanted() = Some(send);
        receive
    }

    fn wanted(&self) -> MutexGuard<'_, Option<oneshot::Sender<Result<Snapshot, StoreError>>>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How old each table is, as far as known.
    pub(crate) fn ages(&self) -> Vec<Age> {
        self.ages.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

    /// Whether the store takes nothing any more until it is opened anew.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    /// Asks the thread to end, with everything in the store that is in the log.
    pub(crate) fn stop(&self, log: &BeaconLog) {
        self.stopping.store(true, Ordering::Release);
        log.wake();
    }
}

/// What the thread works on.
pub(crate) struct Parts {
    pub(crate) log: Arc<BeaconLog>,
    pub(crate) store: StoreWriter,
    pub(crate) sessions: Sessions,
    pub(crate) expiry: Expiry,
    pub(crate) clock: Clock,
    pub(crate) outcomes: Arc<Outcomes>,
    pub(crate) dead_letters: Arc<DeadLetters>,
    pub(crate) shared: Arc<Shared>,
}

/// Starts the thread.
pub(crate) fn start(parts: Parts) -> Result<JoinHandle<()>, Error> {
    let pipeline = Pipeline::new(parts)?;
    std::thread::Builder::new()
        .name("analytics-store".to_owned())
        .spawn(move || pipeline.run())
        .map_err(|_| Error::Thread("analytics-store"))
}

struct Pipeline {
    log: Arc<BeaconLog>,
    store: StoreWriter,
    sessions: Sessions,
    expiry: Expiry,
    clock: Clock,
    outcomes: Arc<Outcomes>,
    dead_letters: Arc<DeadLetters>,
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
    /// A snapshot that is waited for has the log's records before this offset.
    snapshot_at: Option<u64>,
    /// The store has erased what its file and its own log still hold.
    has_erased: bool,
}

/// Whoever waits for an acknowledgement goes before the store where there are too few cores for both. On Linux threads have
/// priorities of their own; elsewhere only the process has.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "the store's thread keeps its priority");
    }
}

impl Pipeline {
    fn new(parts: Parts) -> Result<Self, Error> {
        let Parts {
            log,
            store,
            sessions,
            expiry,
            clock,
            outcomes,
            dead_letters,
            shared,
        } = parts;
        let (stored, committed) = (store.views_offset()?, store.log_offset()?);
        let next = stored.max(log.first());
        if next > stored {
            tracing::warn!(
                from = stored,
                to = next,
                "the beacon log begins later than the store ends: what was between is not there"
            );
        }
        shared.stored.store(next, Ordering::Release);
        shared.events.store(committed, Ordering::Release);
        Ok(Self {
            log,
            store,
            sessions,
            expiry,
            clock,
            outcomes,
            dead_letters,
            shared,
            next,
            replay_until: committed,
            committed: (committed, next),
            commit_took: Duration::ZERO,
            failed: None,
            snapshot_at: None,
            has_erased: false,
        })
    }

    fn run(mut self) {
        give_way();
        let mut sampled: Option<Instant> = None;
        let mut forgot = Instant::now();
        let mut expired = Instant::now();
        let mut committed = Instant::now();
        loop {
            let stopping = self.shared.stopping.load(Ordering::Acquire);
            let wait = if stopping { Duration::ZERO } else { WAIT };
            let has_news = self.failed.is_none() && self.log.wait_for(self.next, wait);
            if has_news {
                self.apply_records();
            }
            let caught_up = self.next >= self.log.head();
            if caught_up && sampled.is_none_or(|at| at.elapsed() >= SAMPLE_EVERY) {
                sampled = Some(Instant::now());
                self.sample();
            }
            let due = if has_news {
                (self.commit_took * COMMIT_SHARE).clamp(COMMIT_EVERY, COMMIT_LATEST)
            } else {
                COMMIT_EVERY
            };
            if committed.elapsed() >= due || self.sessions.pending_rows() >= COMMIT_ROWS {
                let views = self.views_due(committed.elapsed());
                self.commit(views, false);
                committed = Instant::now();
            }
            if forgot.elapsed() >= FORGET_EVERY && self.failed.is_none() {
                forgot = Instant::now();
                self.forget();
            }
            self.give_snapshot();
            if expired.elapsed() >= EXPIRE_EVERY && self.failed.is_none() {
                expired = Instant::now();
                self.expire();
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
        let (entries, next) = match self.log.follow(self.next, RECORDS_AT_ONCE) {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "the beacon log cannot be read; trying again");
                std::thread::sleep(RETRY_AFTER);
                return;
            }
        };
        let missing = self.sessions.missing(&entries);
        match self.store.views_by_id(&missing) {
            Ok(stored) => self.sessions.restore(stored),
            Err(error) => {
                tracing::error!(%error, "views cannot be read from the store; trying again");
                std::thread::sleep(RETRY_AFTER);
                return;
            }
        }
        self.next = self.apply(entries, next);
        self.outcomes.count_duplicates(self.sessions.take_duplicates());
        self.outcomes.count_deleted(self.sessions.take_deleted());
    }

    /// Answers the offset of the first entry that was not applied.
    fn apply(&mut self, entries: Vec<(u64, Entry)>, next: u64) -> u64 {
        for (offset, entry) in entries {
            let replayed = offset < self.replay_until;
            match entry {
                Entry::Beacon(record) => self.sessions.apply(offset, record, replayed),
                // Of a deletion the store has all or nothing.
                Entry::Deletion(_) if replayed => {}
                Entry::Deletion(deletion) => {
                    if let Err(error) = self.delete(&deletion) {
                        tracing::error!(%error, "what is to be deleted cannot be; trying again");
                        std::thread::sleep(RETRY_AFTER);
                        return offset;
                    }
                }
            }
        }
        next
    }

    /// Forgets what the deletion is of; the next batch erases it from the store.
    fn delete(&mut self, deletion: &Deletion) -> Result<(), Error> {
        let mut views: HashSet<Key> = self.store.views_of(deletion)?.into_iter().collect();
        views.extend(self.sessions.views_of(deletion));
        let mut ids: HashSet<Id> = views.iter().map(|(_, id)| *id).collect();
        if let Deleted::View(id) = &deletion.of {
            ids.extend(Id::parse(id));
        }
        self.dead_letters.remove(&ids).map_err(Error::DeadLetters)?;
        self.sessions.delete(deletion, &views);
        tracing::info!(views = views.len(), "deleted");
        Ok(())
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

    /// Forgets what is final, lets the store forget what was erased, and learns anew what the store has if that has become too
    /// much for the filter.
    fn forget(&mut self) {
        self.sessions.forget(self.clock.now_ms());
        // Most have no tombstones, ever: those are looked at with all others.
        let wants_age = |age: &Age| age.oldest_day.is_none() && age.table != TombstoneRow::TABLE;
        if self.shared.ages().iter().any(wants_age) {
            self.look_at_ages();
        }
        if self.has_erased {
            match self.store.checkpoint() {
                Ok(()) => self.has_erased = false,
                Err(error) => {
                    tracing::warn!(%error, "the store could not be checkpointed; trying again");
                    self.look_after_store();
                }
            }
        }
        if self.sessions.wants_known() {
            match self.store.known_views() {
                Ok(known) => self.sessions.set_known(known),
                Err(error) => tracing::warn!(%error, "the ids of views cannot be read; trying again"),
            }
        }
    }

    /// Deletes a piece of what is too old, if there is any.
    fn expire(&mut self) {
        let now_ms = self.clock.now_ms();
        if !self.expiry.is_due(now_ms) {
            return;
        }
        match self.expiry.step(&self.store) {
            Ok(0) => {
                self.sessions
                    .forget_tombstones(self.expiry.tombstones_from_ms(now_ms));
                self.look_at_ages();
            }
            Ok(rows) => {
                self.has_erased = true;
                tracing::debug!(rows, "deleted what was too old");
            }
            Err(error) => {
                tracing::error!(%error, "what is too old cannot be deleted; trying again");
            }
        }
    }

    /// Hands out the store with all rows of views, if it is waited for.
    fn give_snapshot(&mut self) {
        if self.shared.wanted().is_none() {
            self.snapshot_at = None;
            return;
        }
        // What was acknowledged before it was asked for is in it. While the log is read again, the store is ahead of the views.
        let at = *self.snapshot_at.get_or_insert_with(|| self.log.head());
        if self.next < at.max(self.replay_until) || !self.commit(usize::MAX, false) {
            return;
        }
        self.snapshot_at = None;
        if let Some(wanted) = self.shared.wanted().take() {
            // Whoever asked may have gone away.
            let _ = wanted.send(self.store.snapshot());
        }
    }

    fn look_at_ages(&self) {
        match self.expiry.ages(&self.store) {
            Ok(ages) => *self.shared.ages.lock().unwrap_or_else(PoisonError::into_inner) = ages,
            Err(error) => tracing::warn!(%error, "the store does not tell how old it is"),
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
            && batch.concurrency.is_empty()
            && batch.erased.is_empty();
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
            self.look_after_store();
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
        self.has_erased |= !batch.erased.is_empty();
        self.committed = (batch.log_offset, batch.views_offset);
        self.shared.events.store(batch.log_offset, Ordering::Release);
        self.shared.stored.store(batch.views_offset, Ordering::Release);
        if let Err(error) = self.log.trim(batch.views_offset) {
            tracing::warn!(%error, "a segment of the beacon log could not be dropped");
        }
        true
    }

    /// After some errors, as of a checkpoint on a full disk, DuckDB does nothing any more.
    fn look_after_store(&self) {
        if !self.store.is_usable() {
            self.shared.is_broken.store(true, Ordering::Release);
        }
    }

    fn finish(mut self) {
        self.shared.wanted().take();
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
