//! Keys, and the files that they are in.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;

use super::Hidden;

/// A secret, and what it is called in tokens.
#[derive(Clone)]
pub struct SigningKey {
    id: String,
    hmac: hmac::Key,
}

impl SigningKey {
    /// A key of an id; without one, the id is derived from the secret, so that two servers with the same secret agree.
    ///
    /// # Errors
    /// If the secret is shorter than 32 bytes, or the id is not 1 to 32 letters, digits, `-` and `_`.
    pub fn new(id: Option<&str>, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < MIN_SECRET {
            return Err(KeyError::Short(secret.len()));
        }
        let hmac = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let id = match id {
            Some(id) if is_id(id) => id.to_owned(),
            Some(id) => return Err(KeyError::Id(id.to_owned())),
            None => {
                let tag = hmac::sign(&hmac, b"headgate: id of a signing key");
                let text = BASE64_URL_SAFE_NO_PAD.encode(tag);
                text.chars().take(DERIVED_ID).collect()
            }
        };
        Ok(Self { id, hmac })
    }

    /// Reads `ID:FILE` or `FILE`, as programs are given it. The file's bytes are the secret, but for a line break at their end:
    /// `openssl rand -hex 32 > FILE`.
    ///
    /// # Errors
    /// If there is no such file, it is larger than 4096 bytes, or what is in it is no key.
    pub fn read(argument: &str) -> Result<Self, KeyError> {
        let (id, path) = match argument.split_once(':') {
            Some((id, path)) if is_id(id) => (Some(id), path),
            _ => (None, argument),
        };
        let path = Path::new(path);
        let failed = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(KeyError::Long);
        }
        let secret = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        Self::new(id, secret.strip_suffix(b"\r").unwrap_or(secret))
    }

    /// What it is called.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn hmac(&self) -> &hmac::Key {
        &self.hmac
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .field("secret", &Hidden)
            .finish()
    }
}

/// Keys that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read.
    #[error("the signing key {} cannot be read ({source})", path.display())]
    File {
        /// Where it was looked for.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// No id.
    #[error("{0:?} cannot be the id of a signing key: write 1 to 32 letters, digits, - and _")]
    Id(String),
    /// The file is no key.
    #[error("the file of the signing key has more than {MAX_FILE} bytes")]
    Long,
    /// There must be one.
    #[error("there is no signing key")]
    None,
    /// Too easy to guess.
    #[error(
        "the signing key has {0} bytes and needs at least {MIN_SECRET}; make one with `openssl rand -hex 32`"
    )]
    Short(usize),
    /// Tokens would not say which is meant.
    #[error("two signing keys have the id {0:?}")]
    Twice(String),
}

pub(super) fn is_id(id: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=super::token::MAX_KEY_ID).contains(&id.len()) && id.bytes().all(known)
}

/// As long as what the hash gives (RFC 2104, section 3).
const MIN_SECRET: usize = 32;
const MAX_FILE: u64 = 4096;
/// 48 bits: enough for the few keys of an operator.
const DERIVED_ID: usize = 8;
