//! Ids of keys, in the forms in which they are written.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::base64;

/// The id of a key, in the order of ISO/IEC 23001-7 (`default_KID`): that of a UUID as it is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

impl KeyId {
    /// Reads 32 hexadecimal digits, hyphens between them or not.
    pub fn parse(text: &str) -> Option<Self> {
        let mut out = [0; 16];
        let mut digits = text
            .bytes()
            .filter(|b| *b != b'-')
            .map(|b| char::from(b).to_digit(16));
        for byte in &mut out {
            *byte = (digits.next()?? * 16 + digits.next()??) as u8;
        }
        digits.next().is_none().then_some(Self(out))
    }

    /// Of bytes, if they are 16.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads base64 of either alphabet, padding or not.
    pub fn of_base64(text: &str) -> Option<Self> {
        Self::of_bytes(&base64::decode(text.as_bytes(), 16)?)
    }

    /// Of the bytes of a GUID, whose first three numbers are little-endian: PlayReady's order.
    pub const fn of_guid(guid: [u8; 16]) -> Self {
        Self(swapped(guid))
    }

    /// The bytes of a GUID, see [`of_guid`](Self::of_guid).
    pub const fn to_guid(self) -> [u8; 16] {
        swapped(self.0)
    }

    /// As ClearKey's messages have it: base64url without padding.
    pub fn to_base64url(self) -> String {
        base64::encode_url(&self.0)
    }

    /// It is all zeros, which means none.
    pub fn is_zero(self) -> bool {
        self.0 == [0; 16]
    }
}

const fn swapped(id: [u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = id;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("a key id is 32 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn all_forms_are_read_and_written() {
        let id = KeyId::parse("00112233-4455-6677-8899-AABBccddeeff").unwrap_or(KeyId([0; 16]));
        assert_eq!((id.to_string().as_str(), KeyId::parse(TEXT)), (TEXT, Some(id)));
        assert_eq!((id.0[1], id.0[15], id.is_zero()), (0x11, 0xff, false));
        assert_eq!(id.to_base64url(), "ABEiM0RVZneImaq7zN3u_w");
        for base64 in ["ABEiM0RVZneImaq7zN3u_w", "ABEiM0RVZneImaq7zN3u/w=="] {
            assert_eq!(KeyId::of_base64(base64), Some(id));
        }
        assert_eq!(base64::encode(&id.to_guid()), "MyIRAFVEd2aImaq7zN3u/w==");
        assert_eq!(KeyId::of_guid(id.to_guid()), id);
        let json = crate::json::to_string(&id);
        assert_eq!(json, format!("\"{TEXT}\""));
        assert_eq!(serde_json::from_str::<KeyId>(&json).ok(), Some(id));
        assert!(serde_json::from_str::<KeyId>("\"00\"").is_err());
    }

    #[test]
    fn what_has_not_128_bits_is_none() {
        for bad in [
            "",
            "0011",
            "00112233445566778899aabbccddeeff00",
            "zz112233445566778899aabbccddeeff",
            "é0112233445566778899aabbccddeeff",
        ] {
            assert_eq!(KeyId::parse(bad), None, "{bad}");
        }
        assert_eq!(KeyId::of_base64("ABEiM0RVZneImaq7zN3u"), None);
        assert_eq!(KeyId::of_base64("ABEiM0RVZneImaq7zN3u_wAA"), None);
        assert_eq!(KeyId::of_bytes(&[0; 15]), None);
    }
}
