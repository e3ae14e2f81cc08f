//! `POST /v1/backup`: a copy of the store while it runs, in a folder of its own, which is there wholly or not at all.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use duckdb::InterruptHandle;
use serde::Serialize;

use crate::alerts::alerts_file;
use crate::clock::Clock;
use crate::collector::{DiskSpace, viewer_key_file};
use crate::config::Config;
use crate::error::{Error, StoreError};
use crate::log::BeaconLog;
use crate::pipeline::Shared;
use crate::problem::Problem;
use crate::store::{Snapshot, StoreWriter};

/// The store's file in the data folder.
pub(crate) const STORE_FILE: &str = "store.duckdb";
/// The log's folder in the data folder.
pub(crate) const LOG_FOLDER: &str = "log";
/// What is not finished.
const UNFINISHED: &str = "unfinished";
/// The store is waited for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes backups, one at a time.
pub(crate) struct Backups {
    data_dir: PathBuf,
    folder: PathBuf,
    keep: usize,
    min_free_bytes: u64,
    space: DiskSpace,
    clock: Clock,
    shared: Arc<Shared>,
    running: Arc<tokio::sync::Mutex<()>>,
    copying: Mutex<Option<Arc<InterruptHandle>>>,
}

/// A finished backup.
#[derive(Debug, Serialize)]
struct Backup {
    /// Of its folder in `DATA/backups`: when it was made.
    name: String,
    bytes: u64,
    took_ms: u64,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
enum BackupError {
    #[error("there is a backup of this second")]
    Exists,
    #[error("the backup's files cannot be written: {0}")]
    File(#[from] io::Error),
    #[error("the disk has no room for a backup; it takes about {0} bytes")]
    NoRoom(u64),
    #[error("another backup is being made")]
    Running,
    #[error("the store takes nothing now, or the server is shutting down")]
    Unavailable,
    #[error("the store cannot be copied: {0}")]
    Store(#[from] StoreError),
}

impl Backups {
    pub(crate) fn new(config: &Config, shared: Arc<Shared>) -> Self {
        Self {
            data_dir: config.data_dir.clone(),
            folder: config.backups_dir(),
            keep: config.backups.max(1),
            min_free_bytes: config.limits.min_free_disk_bytes,
            space: config.disk_space.clone(),
            clock: config.clock.clone(),
            shared,
            running: Arc::default(),
            copying: Mutex::default(),
        }
    }

    /// Ends what is being copied.
    pub(crate) fn interrupt(&self) {
        if let Some(copying) = self.copying().take() {
            copying.interrupt();
        }
    }

    async fn make(self: Arc<Self>) -> Result<Backup, BackupError> {
        let running = Arc::clone(&self.running);
        let _running = running.try_lock_owned().map_err(|_| BackupError::Running)?;
        let began = Instant::now();
        self.check_room()?;
        let snapshot = tokio::time::timeout(PATIENCE, self.shared.snapshot()).await;
        let snapshot = snapshot
            .ok()
            .and_then(Result::ok)
            .ok_or(BackupError::Unavailable)??;
        *self.copying() = Some(snapshot.interrupt_handle());
        let backups = Arc::clone(&self);
        let copied = tokio::task::spawn_blocking(move || backups.copy(snapshot)).await;
        self.copying().take();
        let (name, bytes) = copied.map_err(|_| BackupError::Unavailable)??;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(name, bytes, took_ms, "made a backup");
        Ok(Backup { name, bytes, took_ms })
    }

    fn check_room(&self) -> Result<(), BackupError> {
        let bytes = fs::metadata(self.data_dir.join(STORE_FILE))?.len();
        let free = self.space.free_bytes(&self.data_dir)?;
        if free < bytes.saturating_add(self.min_free_bytes) {
            return Err(BackupError::NoRoom(bytes));
        }
        Ok(())
    }

    /// Answers the backup's name and size.
    fn copy(&self, snapshot: Snapshot) -> Result<(String, u64), BackupError> {
        let unfinished = start_unfinished(&self.folder)?;
        let name = snapshot.stamp(self.clock.now_ms())?;
        let finished = self.folder.join(&name);
        if finished.exists() {
            return Err(BackupError::Exists);
        }
        let file = unfinished.join(STORE_FILE);
        snapshot.write(&file)?;
        copy_into(&unfinished, &viewer_key_file(&self.data_dir))?;
        let alerts = alerts_file(&self.data_dir);
        if alerts.exists() {
            copy_into(&unfinished, &alerts)?;
        }
        let bytes = fs::metadata(&file)?.len();
        File::open(&unfinished)?.sync_all()?;
        fs::rename(&unfinished, &finished)?;
        File::open(&self.folder)?.sync_all()?;
        self.remove_old();
        Ok((name, bytes))
    }

    /// Those that are too many, the oldest first.
    fn remove_old(&self) {
        let remove = || -> io::Result<()> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.folder)? {
                names.extend(
                    entry?
                        .file_name()
                        .into_string()
                        .ok()
                        .filter(|name| is_stamp(name)),
                );
            }
            names.sort_unstable();
            let excess = names.len().saturating_sub(self.keep);
            for name in names.iter().take(excess) {
                fs::remove_dir_all(self.folder.join(name))?;
            }
            Ok(())
        };
        if let Err(error) = remove() {
            tracing::warn!(%error, "old backups cannot be removed");
        }
    }

    fn copying(&self) -> std::sync::MutexGuard<'_, Option<Arc<InterruptHandle>>> {
        self.copying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An empty folder for what is being made.
fn start_unfinished(folder: &Path) -> io::Result<PathBuf> {
    let unfinished = folder.join(UNFINISHED);
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(&unfinished)?,
    }
    Ok(unfinished)
}

/// As `20270115T080000Z`.
fn is_stamp(name: &str) -> bool {
    name.len() == 16
        && name.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        })
}

/// Writes the store of a server that does not run anew, so that nothing is left in the file of what was deleted, and it is
/// as small as it can be. Answers how many bytes it had and has.
///
/// # Errors
/// If the server runs, or was killed, or there is no room for a second file.
pub fn compact(data_dir: &Path) -> Result<(u64, u64), Error> {
    let config = Config::new(data_dir, []);
    let path = data_dir.join(STORE_FILE);
    let before = fs::metadata(&path).map_err(StoreError::File)?.len();
    // Nobody else may have it.
    let _log = BeaconLog::open(&data_dir.join(LOG_FOLDER))?;
    let unfinished = start_unfinished(&config.backups_dir()).map_err(StoreError::File)?;
    let file = unfinished.join(STORE_FILE);
    let store = StoreWriter::open(&path, &config)?;
    store.checkpoint()?;
    store.snapshot()?.write(&file)?;
    drop(store);
    // It would be taken for one of the new file.
    if path.with_extension("duckdb.wal").exists() {
        return Err(Error::NotEnded);
    }
    let replace = || -> io::Result<u64> {
        let after = fs::metadata(&file)?.len();
        fs::rename(&file, &path)?;
        File::open(data_dir)?.sync_all()?;
        fs::remove_dir(&unfinished)?;
        Ok(after)
    };
    Ok((before, replace().map_err(StoreError::File)?))
}

/// Copies a file that is only ever replaced as a whole, with its mode.
fn copy_into(folder: &Path, file: &Path) -> io::Result<()> {
    let copy = folder.join(file.file_name().unwrap_or_default());
    fs::copy(file, &copy)?;
    File::open(&copy)?.sync_all()
}

/// The route.
pub(crate) fn router(backups: Arc<Backups>) -> Router {
    Router::new().route("/v1/backup", post(make)).with_state(backups)
}

async fn make(State(backups): State<Arc<Backups>>) -> Result<Json<Backup>, Problem> {
    // Whoever asked may go away; it is made nevertheless.
    let made = tokio::spawn(backups.make()).await;
    made.unwrap_or(Err(BackupError::Unavailable))
        .map(Json)
        .map_err(|error| {
            if !matches!(error, BackupError::Running | BackupError::Exists) {
                tracing::error!(%error, "there is no backup");
            }
            error.into()
        })
}

impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        let message = error.to_string();
        match error {
            BackupError::Exists | BackupError::Running => {
                Self::new(StatusCode::CONFLICT, "backup_running", message)
            }
            BackupError::NoRoom(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", message),
            BackupError::Unavailable => Self::unavailable("busy", message),
            BackupError::File(_) | BackupError::Store(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "the backup failed; see the server's log",
            ),
        }
    }
}
