//! The one thread that appends to the log. It takes whatever is waiting, writes it with one sync, then answers
//! everyone: a group commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use tokio::sync::oneshot;

use super::{BeaconLog, Entry, Group};
use crate::error::{Error, LogError};

/// A group holds at most so many records …
const GROUP_RECORDS: usize = 1024;
/// … and, but for the last record, so many bytes.
const GROUP_BYTES: usize = 4 << 20;
/// Bytes that may wait in the queue.
const QUEUE_BYTES: usize = 64 << 20;

/// Why a record was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppendError {
    /// The queue is full, or the server is shutting down.
    Busy,
    /// The disk refused it.
    Failed,
}

struct Append {
    entry: Entry,
    bytes: Vec<u8>,
    done: oneshot::Sender<bool>,
}

/// Hands records to the log's writer thread.
#[derive(Clone)]
pub(crate) struct Appender {
    queue: Sender<Append>,
    queued_bytes: Arc<AtomicUsize>,
    is_broken: Arc<AtomicBool>,
}

impl Appender {
    /// The log takes nothing any more until it is opened anew: after a write that failed halfway, as on a full disk.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }

    /// Entries and bytes that wait.
    pub(crate) fn queued(&self) -> (usize, usize) {
        let entries = self.queue.max_capacity() - self.queue.capacity();
        (entries, self.queued_bytes.load(Ordering::Relaxed))
    }

    /// Appends an entry; returns when it is durable.
    pub(crate) async fn append(&self, entry: impl Into<Entry>) -> Result<(), AppendError> {
        let entry = entry.into();
        let mut bytes = Vec::with_capacity(entry.size_hint());
        entry.encode(&mut bytes).map_err(|_| AppendError::Failed)?;
        let len = bytes.len();
        if self.queued_bytes.fetch_add(len, Ordering::Relaxed) > QUEUE_BYTES {
            self.queued_bytes.fetch_sub(len, Ordering::Relaxed);
            return Err(AppendError::Busy);
        }
        let (done, answer) = oneshot::channel();
        match self.queue.try_send(Append { entry, bytes, done }) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                self.queued_bytes.fetch_sub(len, Ordering::Relaxed);
                return Err(AppendError::Busy);
            }
        }
        match answer.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(AppendError::Failed),
        }
    }
}

/// Starts the writer thread. It ends, with everything written, when the last [`Appender`] is gone.
pub(crate) fn start_writer(
    log: Arc<BeaconLog>,
    queue_records: usize,
) -> Result<(Appender, JoinHandle<()>), Error> {
    let (queue, waiting) = channel(queue_records.max(1));
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    let bytes = Arc::clone(&queued_bytes);
    let is_broken = Arc::new(AtomicBool::new(false));
    let broken = Arc::clone(&is_broken);
    let thread = std::thread::Builder::new()
        .name("beacon-log".to_owned())
        .spawn(move || write(&log, waiting, &bytes, &broken))
        .map_err(|_| Error::Thread("beacon-log"))?;
    let appender = Appender {
        queue,
        queued_bytes,
        is_broken,
    };
    Ok((appender, thread))
}

fn write(log: &BeaconLog, mut waiting: Receiver<Append>, queued_bytes: &AtomicUsize, is_broken: &AtomicBool) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = Group {
            entries: vec![first.entry],
            bytes: first.bytes,
        };
        let mut answers = vec![first.done];
        while group.entries.len() < GROUP_RECORDS && group.bytes.len() < GROUP_BYTES {
            let Ok(next) = waiting.try_recv() else { break };
            group.bytes.extend(next.bytes);
            group.entries.push(next.entry);
            answers.push(next.done);
        }
        queued_bytes.fetch_sub(group.bytes.len(), Ordering::Relaxed);
        let appended = log.append(group);
        if let Err(error) = &appended {
            // Said once: what comes next is refused all the same, and the disk may be full of what is said.
            let is_known = matches!(error, LogError::Engine(fjall::Error::Poisoned))
                && is_broken.swap(true, Ordering::Relaxed);
            if !is_known {
                tracing::error!(%error, beacons = answers.len(), "the beacon log refused beacons; check the disk");
            }
        }
        for done in answers {
            // Whoever asked may have gone away; the record counts all the same.
            let _ = done.send(appended.is_ok());
        }
    }
}
