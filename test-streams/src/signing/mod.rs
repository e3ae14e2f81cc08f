//! Signed URLs: what lies below `/t/<token>/` is served to who has the token, until it expires.
//!
//! The token is a part of the path and not of the query, because relative URIs of manifests drop the query of their base and keep
//! its path: one token at the manifest's URL opens everything that the manifest names. Below the token the path is as
//! without it.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//!
//! use test_streams::signing::{Grant, Keyring, Refusal, SigningKey};
//!
//! let keys = Keyring::new(vec![SigningKey::new(Some("2026-07"), b"a secret of at least 32 bytes ...")?])?;
//! let now = SystemTime::now();
//! let grant = Grant::new("/demo/", now + Duration::from_secs(600))?;
//! let token = keys.sign(&grant);
//! println!("https://cdn.example{}", token.path(grant.prefix())); // /t/<token>/demo/
//!
//! assert_eq!(keys.check(token.as_str(), "/demo/hls/master.m3u8", now), Ok(grant));
//! assert_eq!(keys.check(token.as_str(), "/other/1.m4s", now), Err(Refusal::WrongPrefix));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The token
//!
//! Base64url without padding (RFC 4648, section 5) of these bytes; numbers are big-endian:
//!
//! | Bytes | |
//! |---|---|
//! | 1 | version: 1 |
//! | 1, 1 to 32 | length of the key id, and the id: letters, digits, `-` and `_` |
//! | 8 | expiry, seconds since the Unix epoch |
//! | 1, 0 to 64 | length of the session id, and the id; none is 0 bytes. Printable ASCII |
//! | 2, 1 to 1024 | length of the prefix, and the prefix: UTF-8, not percent-encoded |
//! | 32 | HMAC-SHA256 (RFC 2104) over all bytes before, with the key of that id |
//!
//! A prefix that ends with `/` covers what is below it; any other is the path of one file. Nothing of what a token says is
//! secret but the token itself: whoever has it may use it.

mod key;
mod token;

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::hmac;

pub use key::{KeyError, SigningKey};
use token::Parsed;
pub use token::Token;

/// The keys that tokens are checked with. The first one signs.
///
/// To change keys, the new one becomes the first on every server, and the old one is taken away when the last token that it has
/// signed has expired.
#[derive(Clone, Debug)]
pub struct Keyring {
    keys: Vec<SigningKey>,
    skew: Duration,
}

impl Keyring {
    /// With these keys and a skew of [`SKEW`].
    ///
    /// # Errors
    /// If there is none, or two have the same id.
    pub fn new(keys: Vec<SigningKey>) -> Result<Self, KeyError> {
        if keys.is_empty() {
            return Err(KeyError::None);
        }
        for (i, key) in keys.iter().enumerate() {
            if keys.iter().skip(i + 1).any(|other| other.id() == key.id()) {
                return Err(KeyError::Twice(key.id().to_owned()));
            }
        }
        Ok(Self { keys, skew: SKEW })
    }

    /// How far the clock of who signs may be off: a token counts for so long after it has expired.
    #[must_use]
    pub fn with_skew(self, skew: Duration) -> Self {
        Self { skew, ..self }
    }

    /// The token of a grant.
    pub fn sign(&self, grant: &Grant) -> Token {
        let mut bytes = Vec::new();
        // There is always one.
        if let Some(key) = self.keys.first() {
            token::write(&mut bytes, key.id(), grant);
            let tag = hmac::sign(key.hmac(), &bytes);
            bytes.extend_from_slice(tag.as_ref());
        }
        Token::from_bytes(&bytes)
    }

    /// What a token grants, if it covers `path` (with its leading slash, percent-decoded) at `now`.
    ///
    /// # Errors
    /// Why it does not.
    pub fn check(&self, token: &str, path: &str, now: SystemTime) -> Result<Grant, Refusal> {
        let bytes = token::decode(token).ok_or(Refusal::Malformed)?;
        let Parsed {
            key_id,
            grant,
            signed,
            tag,
        } = token::parse(&bytes).ok_or(Refusal::Malformed)?;
        let key = self.keys.iter().find(|key| key.id() == key_id);
        let key = key.ok_or(Refusal::UnknownKey)?;
        // In a time that does not depend on where the tags differ.
        hmac::verify(key.hmac(), signed, tag).map_err(|_| Refusal::BadSignature)?;
        if unix_s(now) > grant.expires_s.saturating_add(self.skew.as_secs()) {
            return Err(Refusal::Expired);
        }
        if !grant.covers(path) {
            return Err(Refusal::WrongPrefix);
        }
        Ok(grant)
    }
}

/// What a token allows, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    prefix: String,
    expires_s: u64,
    session: Option<String>,
}

impl Grant {
    /// Everything below `prefix` if that ends with a slash, else the file of that path, until `expires`, in whole seconds.
    ///
    /// # Errors
    /// If the prefix does not begin with a slash, is too long, or has parts that no path of a file has (`..`, an empty one).
    pub fn new(prefix: impl Into<String>, expires: SystemTime) -> Result<Self, GrantError> {
        let prefix = prefix.into();
        if !is_prefix(&prefix) {
            return Err(GrantError::Prefix);
        }
        Ok(Self {
            prefix,
            expires_s: unix_s(expires),
            session: None,
        })
    }

    /// For this session, a pseudonym: it goes with the token and is given back by [`Keyring::check`].
    ///
    /// # Errors
    /// If it is not 1 to 64 printable characters of ASCII.
    pub fn for_session(mut self, session: impl Into<String>) -> Result<Self, GrantError> {
        let session = session.into();
        if session.is_empty() || !is_session(&session) {
            return Err(GrantError::Session);
        }
        self.session = Some(session);
        Ok(self)
    }

    /// The path that is covered, or what begins it.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Until when, seconds since the Unix epoch.
    pub fn expires_s(&self) -> u64 {
        self.expires_s
    }

    /// For which session.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    fn covers(&self, path: &str) -> bool {
        path == self.prefix || (self.prefix.ends_with('/') && path.starts_with(&self.prefix))
    }
}

/// A grant that cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// No path.
    #[error(
        "the prefix must begin with a slash, have no empty part, no part that begins with a dot, no backslash and no control character, and at most 1024 bytes, as /demo/"
    )]
    Prefix,
    /// Not an id.
    #[error("the session must be 1 to 64 printable characters of ASCII")]
    Session,
}

/// Why a request is refused. The names are what answers say: [`Refusal::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The signature is not that of the key.
    #[error("the signature is not that of the key")]
    BadSignature,
    /// The time is over.
    #[error("the token has expired")]
    Expired,
    /// No token.
    #[error("this is no token")]
    Malformed,
    /// No key has that id.
    #[error("no key has the id of the token's")]
    UnknownKey,
    /// There is no token in the path.
    #[error("the path must begin with a token: /t/<token>/…")]
    Unsigned,
    /// The token is for another path.
    #[error("the token does not cover this path")]
    WrongPrefix,
}

impl Refusal {
    /// For programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::Unsigned => "unsigned",
            Self::WrongPrefix => "wrong_prefix",
        }
    }
}

/// Splits a path (as it is in a URL, with its leading slash) into the token and the rest, which begins with a slash.
pub(crate) fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/t/")?;
    Some(rest.split_at(rest.find('/')?))
}

fn is_prefix(prefix: &str) -> bool {
    let Some(rest) = prefix.strip_prefix('/') else {
        return false;
    };
    let parts = rest.strip_suffix('/').unwrap_or(rest);
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0']);
    prefix.len() <= token::MAX_PREFIX
        && !prefix.contains(char::is_control)
        && (rest.is_empty() || parts.split('/').all(plain))
}

fn is_session(session: &str) -> bool {
    session.len() <= token::MAX_SESSION && session.bytes().all(|byte| byte.is_ascii_graphic())
}

fn unix_s(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// In place of what must not be shown.
struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// How far clocks are apart that nobody has looked after for a while.
pub const SKEW: Duration = Duration::from_secs(60);
