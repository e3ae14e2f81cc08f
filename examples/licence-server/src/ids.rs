//! Key identifiers, keys, and what a key opens.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// The identifier of a key (KID, ISO/IEC 23001-7), public. Printed as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

/// An AES-128 key. It is never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ContentKey(pub(crate) [u8; 16]);

/// What tracks are told apart by, as the encoder does: by the lines of the shorter side. Those further down need more rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrackClass {
    /// Sound.
    Audio,
    /// Pictures of up to 576 lines.
    Sd,
    /// Up to 1080 lines.
    Hd,
    /// Up to 2160 lines.
    Uhd1,
    /// More lines.
    Uhd2,
}

/// What a key of the encoder's key file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyLabel {
    /// Everything that no other label fits.
    All,
    /// Tracks of one class.
    Class(TrackClass),
    /// Every picture that no resolution's label fits.
    Video,
}

/// Text that is not what it should be. It is not repeated: it may be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct Unreadable(&'static str);

impl KeyId {
    /// As EME writes it: base64url without padding (RFC 4648 section 5).
    pub fn base64url(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads base64url without padding.
    ///
    /// # Errors
    /// If it is not that, or not 16 bytes.
    pub fn from_base64url(text: &str) -> Result<Self, Unreadable> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or(Unreadable("16 bytes in base64url without padding"))
    }

    /// The same identifier with the bytes of a little-endian GUID: what PlayReady makes of it, and back.
    pub fn swapped(&self) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.0;
        let [i, j, k, l, m, n, o, p] = rest;
        Self([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
    }

    /// As UUIDs are written: `00112233-4455-6677-8899-aabbccddeeff`.
    pub fn uuid(&self) -> String {
        let mut text = self.to_string();
        for at in [20, 16, 12, 8] {
            text.insert(at, '-');
        }
        text
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = Unreadable;

    /// 32 hexadecimal digits, with or without the dashes of a UUID.
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let digits: String = text.chars().filter(|c| *c != '-').take(33).collect();
        read_hex(&digits)
            .map(Self)
            .ok_or(Unreadable("a key id of 32 hexadecimal digits"))
    }
}

impl Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl ContentKey {
    /// As a JWK carries it.
    pub(crate) fn base64url(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// For a key file and nothing else.
    pub(crate) fn reveal(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

impl FromStr for ContentKey {
    type Err = Unreadable;

    /// 32 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Unreadable> {
        read_hex(text)
            .map(Self)
            .ok_or(Unreadable("a key of 32 hexadecimal digits"))
    }
}

impl TrackClass {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::Audio, Self::Sd, Self::Hd, Self::Uhd1, Self::Uhd2];

    /// In lower case, as tokens and key files write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Sd => "sd",
            Self::Hd => "hd",
            Self::Uhd1 => "uhd1",
            Self::Uhd2 => "uhd2",
        }
    }
}

impl fmt::Display for TrackClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TrackClass {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let found = Self::ALL
            .into_iter()
            .find(|class| class.name().eq_ignore_ascii_case(text));
        found.ok_or(Unreadable("one of audio, sd, hd, uhd1, uhd2"))
    }
}

impl KeyLabel {
    /// The class whose right is needed for the key; `shared` for keys that open pictures of any size.
    pub(crate) const fn class(self, shared: TrackClass) -> TrackClass {
        match self {
            Self::Class(class) => class,
            Self::All | Self::Video => shared,
        }
    }
}

impl fmt::Display for KeyLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Class(class) => class.name(),
            Self::Video => "video",
        })
    }
}

impl FromStr for KeyLabel {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        match text.to_ascii_lowercase().as_str() {
            "all" => Ok(Self::All),
            "video" => Ok(Self::Video),
            other => other
                .parse()
                .map(Self::Class)
                .map_err(|_| Unreadable("one of all, audio, hd, sd, uhd1, uhd2, video")),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly `N` bytes of hexadecimal digits.
pub(crate) fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != N * 2 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        for digit in pair {
            *byte = *byte << 4 | u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn identifiers_are_read_in_every_form() {
        let id: KeyId = "00112233-4455-6677-8899-AABBCCDDEEFF".parse().unwrap();
        assert_eq!(id.to_string(), "00112233445566778899aabbccddeeff");
        assert_eq!(id.uuid(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(KeyId::from_base64url(&id.base64url()), Ok(id));
        assert_eq!(id.swapped().to_string(), "33221100554477668899aabbccddeeff");
        assert_eq!(id.swapped().swapped(), id);
        for text in ["", "0011", "zz112233445566778899aabbccddeeff", "é"] {
            assert!(text.parse::<KeyId>().is_err(), "{text}");
        }
        assert!(KeyId::from_base64url("ABEiM0RVZneImaq7zN3u_w==").is_err());
    }

    #[test]
    fn keys_are_never_printed() {
        let text = "0123456789abcdef0123456789abcdef";
        let key: ContentKey = text.parse().unwrap();
        assert_eq!(key.reveal(), text);
        assert_eq!(format!("{key:?}"), "ContentKey(…)");
        let error = "c0ffee".parse::<ContentKey>().unwrap_err().to_string();
        assert!(!error.contains("c0ffee"), "{error}");
    }
}
