//! Encryption: keys, Common Encryption (ISO/IEC 23001-7) with what DRM systems need beside it, and HLS's own methods.
//!
//! A [`KeyPlan`] says which key a track has, a [`Schedule`] says from when on and until when. `cenc` encrypts the samples of a
//! chunk and makes the boxes around them, `signal` makes what manifests say of it; `hls` has the two
//! methods of MPEG-TS.

mod cenc;
#[cfg(fuzzing)]
#[path = "../fuzzing/protect.rs"]
pub mod fuzzing;
pub(crate) mod hls;
mod keys;
mod place;
mod plan;
mod playready;
mod protector;
mod pssh;
mod signal;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use cenc::{Fragment, avc_sets, hevc_sets};
pub(crate) use hls::{SampleAes, encrypt_segment};
pub use keys::{ContentKey, Iv, Key, KeyId};
pub(crate) use place::check_kept;
pub use place::check_key_file;
pub use plan::{CryptoPeriod, KeyLabel, KeyPlan, KeySharing, Protection, Schedule, TrackClass};
pub(crate) use protector::{KeyChange, ProtectedTrack, ProtectedTs, Protector, Signals, TsKey};
pub use protector::{ProtectOptions, TsMethod};
pub use pssh::System;
pub use signal::Licensing;
pub(crate) use signal::{ContentProtection, HLS_CLEAR, HlsKey, NAMESPACES, session_keys};

/// How samples are encrypted (ISO/IEC 23001-7 clause 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// AES-CBC, one block of ten, a constant initialization vector. What every player of today can do.
    #[default]
    Cbcs,
    /// AES-CTR, all blocks. For older PlayReady and Widevine clients.
    Cenc,
}

impl Scheme {
    /// The four-character code, also as manifests write it.
    pub fn fourcc(self) -> &'static str {
        match self {
            Self::Cbcs => "cbcs",
            Self::Cenc => "cenc",
        }
    }
}

impl std::str::FromStr for Scheme {
    type Err = crate::EncodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "cbcs" => Ok(Self::Cbcs),
            "cenc" => Ok(Self::Cenc),
            _ => Err(crate::EncodeError::BadOption {
                option: "--encryption-scheme",
                value: text.to_owned(),
                reason: "use cenc or cbcs".to_owned(),
            }),
        }
    }
}
