//! How keys are kept, and how people are named where they must not be known.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::hmac;

use crate::error::Error;
use crate::ids::{ContentKey, KeyId, read_hex};

/// The secret that keys are encrypted with where they are kept.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey([u8; 32]);

/// How keys are kept in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeysAtRest {
    /// As they are: who can read the file has them. For demos.
    Clear,
    /// Encrypted with AES-256-GCM.
    Sealed(MasterKey),
}

impl MasterKey {
    /// Reads 64 hexadecimal digits, or 32 bytes in base64.
    ///
    /// # Errors
    /// If it is neither. The text is not repeated.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let base64 = || BASE64_STANDARD.decode(text).ok()?.try_into().ok();
        read_hex(text).or_else(base64).map(Self).ok_or(Error::MasterKey)
    }

    /// The text in a file.
    ///
    /// # Errors
    /// If it cannot be read, or is no master key.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// A name for somebody that says nothing without the server's secret.
pub(crate) type Pseudonym = [u8; 16];

/// What seals keys and makes pseudonyms.
pub(crate) struct Sealer {
    cipher: Option<LessSafeKey>,
    names: hmac::Key,
}

impl Sealer {
    /// `secret` belongs to the database.
    pub(crate) fn new(at_rest: &KeysAtRest, secret: &[u8]) -> Result<Self, Error> {
        match at_rest {
            KeysAtRest::Clear => Ok(Self::clear(secret)),
            KeysAtRest::Sealed(master) => Self::sealed(master),
        }
    }

    /// With keys in the clear, pseudonyms need a secret of their own.
    fn clear(secret: &[u8]) -> Self {
        Self {
            cipher: None,
            names: hmac::Key::new(hmac::HMAC_SHA256, secret),
        }
    }

    fn sealed(MasterKey(master): &MasterKey) -> Result<Self, Error> {
        let cipher = UnboundKey::new(&AES_256_GCM, &derive(master, b"content keys")?);
        Ok(Self {
            cipher: Some(LessSafeKey::new(cipher.map_err(|_| Error::Crypto)?)),
            names: hmac::Key::new(hmac::HMAC_SHA256, &derive(master, b"pseudonyms")?),
        })
    }

    /// Nonce, ciphertext and tag; the key itself where keys are kept in the clear. It is of no use for another key id.
    pub(crate) fn seal(&self, id: KeyId, key: ContentKey) -> Result<Vec<u8>, Error> {
        let Some(cipher) = &self.cipher else {
            return Ok(key.0.to_vec());
        };
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| Error::Crypto)?;
        let mut text = key.0.to_vec();
        cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(id.0), &mut text)
            .map_err(|_| Error::Crypto)?;
        Ok([nonce.as_slice(), &text].concat())
    }

    /// Nothing if it was sealed for another id or with another master key.
    pub(crate) fn open(&self, id: KeyId, sealed: &[u8]) -> Option<ContentKey> {
        let Some(cipher) = &self.cipher else {
            return sealed.try_into().ok().map(ContentKey);
        };
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let key = cipher.open_in_place(nonce, Aad::from(id.0), &mut text).ok()?;
        (&*key).try_into().ok().map(ContentKey)
    }

    /// What one text of one kind is called.
    pub(crate) fn pseudonym(&self, kind: &str, text: &[&str]) -> Pseudonym {
        let mut context = hmac::Context::with_key(&self.names);
        for part in std::iter::once(&kind).chain(text) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let tag = context.sign();
        std::array::from_fn(|at| tag.as_ref().get(at).copied().unwrap_or_default())
    }
}

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// HKDF (RFC 5869), so that no secret does two things.
fn derive(master: &[u8; 32], purpose: &[u8]) -> Result<[u8; 32], Error> {
    let mut out = [0; 32];
    Salt::new(HKDF_SHA256, b"headgate-licence")
        .extract(master)
        .expand(&[purpose], Len32)
        .and_then(|key| key.fill(&mut out))
        .map_err(|_| Error::Crypto)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_sealed_key_opens_for_its_id_and_master_key_alone() {
        let master = MasterKey::parse(&"5a".repeat(32)).unwrap();
        let sealer = Sealer::sealed(&master).unwrap();
        let (id, key) = (KeyId([7; 16]), ContentKey([9; 16]));
        let sealed = sealer.seal(id, key).unwrap();
        assert!(!sealed.windows(16).any(|bytes| bytes == key.0));
        assert_ne!(sealed, sealer.seal(id, key).unwrap());
        assert_eq!(sealer.open(id, &sealed), Some(key));
        assert_eq!(sealer.open(KeyId([8; 16]), &sealed), None);
        assert_eq!(sealer.open(id, &[]), None);
        let other = Sealer::sealed(&MasterKey::parse(&"5b".repeat(32)).unwrap()).unwrap();
        assert_eq!(other.open(id, &sealed), None);
        assert_ne!(sealer.pseudonym("a", &["bc"]), sealer.pseudonym("ab", &["c"]));
        assert_ne!(sealer.pseudonym("a", &["b"]), other.pseudonym("a", &["b"]));
        assert_eq!(format!("{master:?}"), "MasterKey(…)");
        assert!(MasterKey::parse("short").is_err());
    }
}
