//! How far the store is behind the log. While the store takes nothing the log goes on, but not without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::log::BeaconLog;
use crate::pipeline::Shared;

/// Watches how many beacons wait in the log.
pub(crate) struct Backlog {
    log: Arc<BeaconLog>,
    shared: Arc<Shared>,
    max_beacons: u64,
    every_second: EverySecond,
    is_full: AtomicBool,
}

impl Backlog {
    pub(crate) fn new(log: Arc<BeaconLog>, shared: Arc<Shared>, max_beacons: u64) -> Self {
        Self {
            log,
            shared,
            max_beacons,
            every_second: EverySecond::default(),
            is_full: AtomicBool::new(false),
        }
    }

    /// Whether nobody takes what waits until the server is started anew.
    pub(super) fn is_stuck(&self) -> bool {
        self.shared.is_broken()
    }

    /// Whether no more may wait.
    pub(super) fn is_full(&self) -> bool {
        if self.every_second.is_due() {
            let waiting = self.log.head().saturating_sub(self.shared.events());
            let is_full = waiting >= self.max_beacons;
            if self.is_full.swap(is_full, Ordering::Relaxed) != is_full {
                if is_full {
                    tracing::error!(
                        waiting,
                        "the store is too far behind: beacons are refused until it is not"
                    );
                } else {
                    tracing::info!(waiting, "the store has caught up: beacons are accepted again");
                }
            }
        }
        self.is_full.load(Ordering::Relaxed)
    }
}

/// Lets one of many look once a second; the others take what was seen last.
pub(super) struct EverySecond {
    started: Instant,
    /// Milliseconds since the start.
    due_ms: AtomicU64,
}

impl Default for EverySecond {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            due_ms: AtomicU64::new(0),
        }
    }
}

impl EverySecond {
    /// Whether it is for the caller to look.
    pub(super) fn is_due(&self) -> bool {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due_ms = self.due_ms.load(Ordering::Relaxed);
        now_ms >= due_ms
            && self
                .due_ms
                .compare_exchange(due_ms, now_ms + 1_000, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}
