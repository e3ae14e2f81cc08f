//! What is protected: names and data of key systems, read and built.
//!
//! Nothing here decrypts, and nothing asks: a content decryption module (CDM) in the browser does the one, the driver the other.
//!
//! - [`KeySystem`], [`KeyId`], [`InitData`]: names, ids, and what a key session begins with. [`pssh`], [`playready`], [`widevine`]:
//!   what is in that.
//! - [`wrap`] and [`unwrap`]: what a CDM says, made a request to a licence server, and what that answers, made what the CDM takes.
//!   [`clearkey`], [`fairplay`], [`playready`]: how that looks.
//!
//! Licences and messages may hold keys and tokens: no error quotes them, and none of them is in a `Debug` output.
//!
//! ```
//! use player_core::drm::{InitData, KeyId, KeySystem, MessageType, WrapOptions, unwrap, wrap};
//!
//! let id = KeyId::parse("00112233-4455-6677-8899-aabbccddeeff").unwrap();
//! let init = InitData::of_key_ids(&[id]).unwrap();
//! assert_eq!(init.data, br#"{"kids":["ABEiM0RVZneImaq7zN3u_w"]}"#);
//!
//! let message = br#"{"kids":["ABEiM0RVZneImaq7zN3u_w"],"type":"temporary"}"#;
//! let asked = MessageType::LicenceRequest;
//! let request = wrap(KeySystem::ClearKey, asked, message, WrapOptions::default()).unwrap();
//! assert_eq!(request.content_type, "application/json");
//! assert!(unwrap(KeySystem::ClearKey, asked, b"<html>403", None).is_err());
//! ```

pub mod cdm;
pub mod clearkey;
mod error;
pub mod fairplay;
mod init_data;
mod key_id;
mod licence;
mod pick;
pub mod playready;
pub mod pssh;
mod system;
pub mod widevine;

pub use error::{DrmFormatError, Rejection};
pub use fairplay::SpcForm;
pub use init_data::{InitData, InitDataType};
pub use key_id::KeyId;
pub use licence::{LicenceRequest, MessageType, WrapOptions, unwrap, wrap};
pub use system::KeySystem;

/// The largest initialization data that is read, bytes.
pub const MAX_INIT_DATA: usize = 64 << 10;
/// The largest message of a CDM, and answer to one, bytes.
pub const MAX_MESSAGE: usize = 1 << 20;
/// The most ids of keys that initialization data may name.
pub const MAX_KEY_IDS: usize = 1024;

type Result<T> = core::result::Result<T, DrmFormatError>;

/// Adds an id unless it is there already, or none (all zeros).
fn add(ids: &mut Vec<KeyId>, id: KeyId) -> Result<()> {
    if id.is_zero() || ids.contains(&id) {
        return Ok(());
    }
    if ids.len() >= MAX_KEY_IDS {
        return Err(DrmFormatError::TooLarge {
            what: "the list of key ids",
            limit: MAX_KEY_IDS,
        });
    }
    ids.push(id);
    Ok(())
}

/// A check of the size of something.
const fn within(bytes: usize, limit: usize, what: &'static str) -> Result<()> {
    if bytes > limit {
        return Err(DrmFormatError::TooLarge { what, limit });
    }
    Ok(())
}
