//! What can stop the server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the server could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The admin token cannot be made or read.
    #[error(
        "the admin token cannot be kept: {0}; see that the data folder can be written, or configure a token"
    )]
    AdminToken(io::Error),
    /// The data folder cannot be used.
    #[error("cannot use the data folder {path}: {source}; choose a writable one")]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What names a deleted view cannot be removed from the dead letters.
    #[error("the dead letters cannot be written: {0}")]
    DeadLetters(io::Error),
    /// The store's file could not be replaced by a smaller one.
    #[error("the store was not ended in good order; start the server and stop it, then try again")]
    NotEnded,
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}; choose another")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Alerts cannot be as they are described.
    #[error("{0}")]
    Alerts(String),
    /// The beacon log failed.
    #[error("the beacon log failed")]
    Log(#[from] LogError),
    /// Two sites share a name or a key.
    #[error("the site `{0}` has a name or a key that is used twice; give each its own")]
    SiteTwice(String),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A thread of the server could not be started or ended in a panic.
    #[error("the {0} thread failed")]
    Thread(&'static str),
    /// The client of the webhook cannot be made.
    #[error("the webhook's HTTP client cannot be made: {0}")]
    Webhook(String),
}

/// What can go wrong in the beacon log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A write failed halfway, and the log takes nothing any more.
    #[error(
        "a write failed halfway, as on a full disk; nothing that was acknowledged is lost: see that there is room, and start again"
    )]
    Broken,
    /// The embedded engine failed.
    #[error(transparent)]
    Engine(#[from] fjall::Error),
    /// Another process owns the folder.
    #[error("{path} is in use by another process; stop it or choose another data folder")]
    InUse {
        /// The log's folder.
        path: PathBuf,
    },
}

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// DuckDB gave up, and does nothing any more.
    #[error(
        "the store gave up, as on a full disk; nothing that was acknowledged is lost: see that there is room, and start again"
    )]
    Broken,
    /// DuckDB failed.
    #[error(transparent)]
    Engine(#[from] duckdb::Error),
    /// A file of the store cannot be used.
    #[error(transparent)]
    File(#[from] io::Error),
    /// A row could not be written as JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The store was written by an older version, whose tables are different.
    #[error(
        "the store has schema version {found}, this server writes {known} and cannot convert it; \
         move the data folder away and start with an empty one, or go on with the older server"
    )]
    Older {
        /// In the file.
        found: i64,
        /// Known here.
        known: i64,
    },
    /// The store was written by a newer version.
    #[error("the store has schema version {found}, this server knows {known}; use a newer server")]
    Newer {
        /// In the file.
        found: i64,
        /// Known here.
        known: i64,
    },
}
