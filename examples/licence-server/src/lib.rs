//! A ClearKey licence server: keys that are sealed at rest, entitlements as tokens, session limits, an audit without secrets; and a proxy
//! in front of a vendor's licence service that checks the same entitlement.
//!
//! An application's own server knows its viewers, and gives each a token that says for minutes what may be seen ([`entitlement`]). The player
//! sends it with its licence requests; this server gives out those keys that it entitles to.

mod clock;
pub mod entitlement;
mod error;
mod faults;
#[cfg(fuzzing)]
pub mod fuzzing;
mod ids;
mod jwt;
mod key_file;
mod licence;
mod limits;
mod proxy;
mod seal;
mod server;
mod store;

pub use clock::Clock;
pub use error::Error;
pub use ids::{ContentKey, KeyId, KeyLabel, TrackClass, Unreadable};
pub use key_file::{KeyFile, KeyFileError};
pub use proxy::{Vendor, vendors};
pub use seal::MasterKey;
pub use server::{Config, router};
pub use store::{Decision, Listed, Store};

use std::path::Path;

use seal::{KeysAtRest, Sealer};

impl Store {
    /// A database whose keys are sealed with this master key (AES-256-GCM).
    ///
    /// # Errors
    /// If it cannot be opened, or was made with another master key.
    pub fn sealed(path: &Path, master: &MasterKey) -> Result<Self, Error> {
        let at_rest = KeysAtRest::Sealed(master.clone());
        Self::open(path, move |secret| Sealer::new(&at_rest, secret))
    }

    /// A database whose keys are not sealed: who can read the file has them. For demos and tests.
    ///
    /// # Errors
    /// If it cannot be opened, or was made with a master key.
    pub fn clear(path: &Path) -> Result<Self, Error> {
        Self::open(path, |secret| Sealer::new(&KeysAtRest::Clear, secret))
    }
}

/// 128 random bits as hexadecimal digits, for the id of a token.
///
/// # Errors
/// If the system has no random bytes.
pub fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| Error::Crypto)?;
    Ok(ids::hex(&bytes))
}
