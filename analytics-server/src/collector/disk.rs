//! How much the disk still holds. Beacons are refused while the log can still be written: a log that cannot be written at all
//! loses what is being written, and the store cannot take over what the log holds.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::backlog::EverySecond;

/// Where the server learns how many bytes a disk still takes.
#[derive(Clone)]
pub struct DiskSpace(Arc<FreeBytes>);

type FreeBytes = dyn Fn(&Path) -> io::Result<u64> + Send + Sync;

impl DiskSpace {
    /// The system's answer.
    pub fn system() -> Self {
        Self::from_fn(|path| {
            let stat = rustix::fs::statvfs(path)?;
            Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
        })
    }

    /// So much room has the disk of this folder.
    pub(crate) fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        (self.0)(folder)
    }

    /// One that asks `free_bytes` for the disk of a folder, for tests.
    pub fn from_fn(free_bytes: impl Fn(&Path) -> io::Result<u64> + Send + Sync + 'static) -> Self {
        Self(Arc::new(free_bytes))
    }
}

impl fmt::Debug for DiskSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiskSpace")
    }
}

/// Watches one folder's disk.
pub(super) struct Watermark {
    folder: PathBuf,
    min_free_bytes: u64,
    space: DiskSpace,
    every_second: EverySecond,
    is_below: AtomicBool,
}

impl Watermark {
    pub(super) fn new(folder: &Path, min_free_bytes: u64, space: DiskSpace) -> Self {
        Self {
            folder: folder.to_owned(),
            min_free_bytes,
            space,
            every_second: EverySecond::default(),
            is_below: AtomicBool::new(false),
        }
    }

    /// Whether there is too little left.
    pub(super) fn is_below(&self) -> bool {
        if self.every_second.is_due() {
            self.ask();
        }
        self.is_below.load(Ordering::Relaxed)
    }

    fn ask(&self) {
        let free = match self.space.free_bytes(&self.folder) {
            Ok(free) => free,
            Err(error) => {
                tracing::warn!(%error, "the disk does not tell how much is left");
                return;
            }
        };
        let is_below = free < self.min_free_bytes;
        if self.is_below.swap(is_below, Ordering::Relaxed) != is_below {
            if is_below {
                tracing::error!(
                    free_bytes = free,
                    "the disk is nearly full: beacons are refused until there is room"
                );
            } else {
                tracing::info!(free_bytes = free, "there is room on the disk again");
            }
        }
    }
}
