//! What keeps the server from starting, or its commands from their work.

use std::path::PathBuf;

use crate::key_file::KeyFileError;

/// Says what to do, and nothing of a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Random bytes or a cipher are not to be had.
    #[error("the system's cryptography does not work")]
    Crypto,
    /// The database was made with another master key, or is none.
    #[error("the keys in {0} were sealed with another master key")]
    OtherMasterKey(PathBuf),
    /// The database.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// A key of tokens.
    #[error("the key that entitlements are checked with cannot be used: {0}")]
    EntitlementKey(String),
    /// A key file.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// A key that is there already with other bytes.
    #[error("the key {0} is there already and is another one: key ids must never be used twice")]
    KeyConflict(crate::ids::KeyId),
    /// The text of a master key.
    #[error(
        "a master key is 64 hexadecimal digits or 32 bytes in base64: make one with `openssl rand -hex 32`"
    )]
    MasterKey,
    /// A file.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server is going down.
    #[error("the server is stopping")]
    Stopping,
    /// The list of vendors.
    #[error("vendors: {0}")]
    Vendors(String),
}
