//! What can go wrong with a live stream.

use std::io;

use crate::EncodeError;

/// Why a live stream could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// An option has a value that cannot be used.
    #[error("{option}: {reason}")]
    BadOption {
        /// The option's name.
        option: &'static str,
        /// What is wrong and what would be right; never a key.
        reason: String,
    },
    /// Decoding, filtering or encoding failed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// No publisher can be listened for.
    #[error("{address} cannot be listened on ({source}); choose another port")]
    Listen {
        /// The address.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The publisher sends no pictures.
    #[error("the input has no video; a live stream needs pictures")]
    NoPicture,
    /// What was made could not be kept.
    #[error("the live output failed: {reason}")]
    Output {
        /// Why, without anything secret.
        reason: String,
    },
}
