//! The bytes of a token: see [`super`] for their layout.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::key::is_id;
use super::{Grant, Hidden, is_prefix, is_session};

/// A token as it is in a URL. It is a secret: [`fmt::Debug`] does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `/t/<token>` and then `path`, which is given with its leading slash and is percent-encoded by this.
    pub fn path(&self, path: &str) -> String {
        format!("/t/{}{}", self.0, utf8_percent_encode(path, NOT_IN_PATHS))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Token").field(&Hidden).finish()
    }
}

pub(super) struct Parsed<'a> {
    pub(super) key_id: &'a str,
    pub(super) grant: Grant,
    pub(super) signed: &'a [u8],
    pub(super) tag: &'a [u8],
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_TEXT {
        return None;
    }
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// Writes what is signed.
pub(super) fn write(out: &mut Vec<u8>, key_id: &str, grant: &Grant) {
    let session = grant.session.as_deref().unwrap_or_default();
    out.extend([VERSION, key_id.len() as u8]);
    out.extend(key_id.bytes());
    out.extend(grant.expires_s.to_be_bytes());
    out.push(session.len() as u8);
    out.extend(session.bytes());
    out.extend((grant.prefix.len() as u16).to_be_bytes());
    out.extend(grant.prefix.bytes());
}

/// Reads a token, which may be anyone's: nothing of it counts before its tag has been checked.
pub(super) fn parse(bytes: &[u8]) -> Option<Parsed<'_>> {
    let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
    let (&version, rest) = signed.split_first()?;
    if version != VERSION {
        return None;
    }
    let (key_id, rest) = short_text(rest)?;
    let (expires, rest) = rest.split_first_chunk()?;
    let (session, rest) = short_text(rest)?;
    let (length, rest) = rest.split_first_chunk()?;
    if rest.len() != usize::from(u16::from_be_bytes(*length)) {
        return None;
    }
    let prefix = str::from_utf8(rest).ok()?;
    if !is_id(key_id) || !is_session(session) || !is_prefix(prefix) {
        return None;
    }
    let grant = Grant {
        prefix: prefix.to_owned(),
        expires_s: u64::from_be_bytes(*expires),
        session: (!session.is_empty()).then(|| session.to_owned()),
    };
    Some(Parsed {
        key_id,
        grant,
        signed,
        tag,
    })
}

/// A text behind a byte with its length.
fn short_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(length))?;
    Some((str::from_utf8(text).ok()?, rest))
}

const VERSION: u8 = 1;
/// HMAC-SHA256.
const TAG: usize = 32;
pub(super) const MAX_KEY_ID: usize = 32;
pub(super) const MAX_SESSION: usize = 64;
pub(super) const MAX_PREFIX: usize = 1024;
const MAX_BYTES: usize = 2 + MAX_KEY_ID + 8 + 1 + MAX_SESSION + 2 + MAX_PREFIX + TAG;
const MAX_TEXT: usize = MAX_BYTES.div_ceil(3) * 4;

/// All but RFC 3986's pchar and the slash.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
