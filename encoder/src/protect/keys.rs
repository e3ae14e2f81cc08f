//! Key identifiers, keys and initialization vectors.

use std::fmt::{self, Display, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::EncodeError;

/// The identifier of a key (KID), public. Printed as 32 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyId(pub [u8; 16]);

/// An AES-128 key. It is never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(pub(crate) [u8; 16]);

/// An initialization vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Iv {
    /// The first half of a counter block, for `cenc`.
    Eight([u8; 8]),
    /// A whole block.
    Sixteen([u8; 16]),
}

/// A key with what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentKey {
    /// Its identifier.
    pub id: KeyId,
    /// The key.
    pub key: Key,
    /// The constant initialization vector of `cbcs`, or the first one of `cenc`; without one a random one is taken.
    pub iv: Option<Iv>,
}

impl ContentKey {
    /// A key, identifier and initialization vector that nobody had before.
    ///
    /// # Errors
    /// [`EncodeError::NoEntropy`] where the system has no random bytes.
    pub fn random() -> Result<Self, EncodeError> {
        Ok(Self {
            id: KeyId(random()?),
            key: Key(random()?),
            iv: None,
        })
    }
}

impl KeyId {
    /// As UUIDs are written: `00112233-4455-6677-8899-aabbccddeeff`.
    pub fn uuid(&self) -> String {
        let hex = self.to_string();
        let cut = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!(
            "{}-{}-{}-{}-{}",
            cut(0, 8),
            cut(8, 12),
            cut(12, 16),
            cut(16, 20),
            cut(20, 32)
        )
    }
}

impl Key {
    /// The key's hexadecimal digits, for a key file and nothing else.
    pub(crate) fn reveal(&self) -> String {
        hex(&self.0)
    }
}

impl Iv {
    /// Hexadecimal digits.
    pub(crate) fn hex(&self) -> String {
        hex(self.as_bytes())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Eight(bytes) => bytes,
            Self::Sixteen(bytes) => bytes,
        }
    }
}

impl Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl FromStr for KeyId {
    type Err = EncodeError;

    /// 32 hexadecimal digits, with or without the dashes of a UUID.
    fn from_str(text: &str) -> Result<Self, EncodeError> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        digits_of(&digits, "key id").map(Self)
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for KeyId {
    type Error = EncodeError;

    fn try_from(text: String) -> Result<Self, EncodeError> {
        text.parse()
    }
}

impl FromStr for Key {
    type Err = EncodeError;

    /// 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, EncodeError> {
        digits_of(text, "key").map(Self)
    }
}

impl FromStr for Iv {
    type Err = EncodeError;

    /// 16 or 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, EncodeError> {
        if text.chars().count() == 16 {
            digits_of(text, "initialization vector").map(Self::Eight)
        } else {
            digits_of(text, "initialization vector").map(Self::Sixteen)
        }
    }
}

/// Bytes that nobody can guess.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], EncodeError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|source| EncodeError::NoEntropy { source })?;
    Ok(bytes)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The text itself is left out of every error: it may be a key.
fn digits_of<const N: usize>(text: &str, what: &str) -> Result<[u8; N], EncodeError> {
    let bad = |reason: String| EncodeError::BadKey {
        what: what.to_owned(),
        reason,
    };
    let mut bytes = [0; N];
    let mut count = 0;
    for digit in text.chars() {
        let value = digit
            .to_digit(16)
            .ok_or_else(|| bad(format!("character {} is no hexadecimal digit", count + 1)))?;
        if let Some(byte) = bytes.get_mut(count / 2) {
            *byte = *byte << 4 | value as u8;
        }
        count += 1;
    }
    if count == N * 2 {
        return Ok(bytes);
    }
    let expected = if what.starts_with("init") {
        "16 (8 bytes, cenc only) or 32 (16 bytes)".to_owned()
    } else {
        format!("{} ({N} bytes)", N * 2)
    };
    Err(bad(format!("{count} hexadecimal digits; give {expected}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const DIGITS: &str = "00112233445566778899aAbBcCdDeEfF";

    #[test]
    fn what_is_written_is_read() {
        let id: KeyId = DIGITS.parse().unwrap();
        assert_eq!(id.to_string(), DIGITS.to_lowercase());
        assert_eq!(id.uuid(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(id.uuid().parse::<KeyId>().unwrap(), id);
        assert_eq!(DIGITS.parse::<Key>().unwrap().reveal(), DIGITS.to_lowercase());
        assert_eq!("0123456789abcdef".parse::<Iv>().unwrap().as_bytes().len(), 8);
        assert_eq!(DIGITS.parse::<Iv>().unwrap().hex(), DIGITS.to_lowercase());
    }

    #[test]
    fn an_error_states_the_length_and_not_the_key() {
        let error = |text: &str| text.parse::<Key>().unwrap_err().to_string();
        assert_eq!(error("c0ffee"), "key: 6 hexadecimal digits; give 32 (16 bytes)");
        assert_eq!(
            error(&format!("{DIGITS}00")),
            "key: 34 hexadecimal digits; give 32 (16 bytes)"
        );
        assert_eq!(error(""), "key: 0 hexadecimal digits; give 32 (16 bytes)");
        assert_eq!(error("secret"), "key: character 1 is no hexadecimal digit");
        assert!(
            "12".parse::<Iv>()
                .unwrap_err()
                .to_string()
                .contains("16 (8 bytes, cenc only) or 32")
        );
    }

    #[test]
    fn a_key_is_never_printed() {
        let key = ContentKey::random().unwrap();
        let printed = format!("{key:?}");
        assert!(
            !printed.contains(&key.key.reveal()) && printed.contains(&key.id.to_string()),
            "{printed}"
        );
        assert_ne!(ContentKey::random().unwrap(), key);
    }
}
