//! Streams that are encrypted, with keys that everybody knows: for tests and nothing else.

use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::path::Path;

use encoder::EncodeError;
use encoder::protect::{CryptoPeriod, KeyPlan, Licensing, ProtectOptions, Schedule, Scheme, System};
use ring::digest;
use serde::{Serialize, Serializer};

/// How a stream is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    Aes128,
    Aes128Iv,
    Cbcs,
    CbcsLead,
    Cenc,
    CencRotation,
    SampleAes,
}

/// The keys of a stream, as `headgate-encode --key-file` and a licence server's import read them.
#[derive(Debug, Serialize)]
pub(super) struct Keys {
    keys: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    label: &'static str,
    kid: Bytes,
    key: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    iv: Option<Bytes>,
    period: u32,
}

/// Written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bytes([u8; 16]);

const SEGMENTS_A_PERIOD: u32 = 2;
/// Of every stream here.
const SEGMENT_S: u32 = 2;
/// Of the stream, where a bare key is.
const KEY_FOLDER: &str = "keys";

impl Protection {
    const NAMES: [(&'static str, Self); 7] = [
        ("aes128", Self::Aes128),
        ("aes128-iv", Self::Aes128Iv),
        ("cbcs", Self::Cbcs),
        ("cbcs-lead", Self::CbcsLead),
        ("cenc", Self::Cenc),
        ("cenc-rotation", Self::CencRotation),
        ("sampleaes", Self::SampleAes),
    ];

    /// What the end of a stream's name stands for.
    pub(super) fn named(ending: &str) -> Option<Self> {
        let named = Self::NAMES.iter().find(|(name, _)| *name == ending);
        named.map(|(_, protection)| *protection)
    }

    /// Whether HLS plays MPEG-TS.
    pub(super) fn is_ts(self) -> bool {
        matches!(self, Self::Aes128 | Self::Aes128Iv | Self::SampleAes)
    }

    /// What the encoder is told; the keys are in `key_file`.
    pub(super) fn options(self, key_file: &Path) -> Result<ProtectOptions, EncodeError> {
        let scheme = match self {
            Self::Cbcs | Self::CbcsLead | Self::SampleAes => Scheme::Cbcs,
            Self::Aes128 | Self::Aes128Iv | Self::Cenc | Self::CencRotation => Scheme::Cenc,
        };
        let mut schedule = Schedule::default();
        match self {
            Self::CbcsLead => schedule.clear_lead_s = f64::from(2 * SEGMENT_S),
            Self::CencRotation => schedule.crypto_period = Some(CryptoPeriod::Segments(SEGMENTS_A_PERIOD)),
            _ => {}
        }
        let mut licensing = Licensing {
            systems: vec![System::Common],
            ..Licensing::default()
        };
        match self {
            _ if self.is_ts() => licensing.key_url = Some(format!("../{KEY_FOLDER}/{{kid}}.key")),
            // As services have it: a player passes over what its browser has not got.
            Self::Cbcs | Self::Cenc => licensing.systems.extend([System::Widevine, System::PlayReady]),
            _ => {}
        }
        Ok(ProtectOptions {
            keys: KeyPlan::read(scheme, key_file)?,
            schedule,
            licensing,
            key_file: None,
        })
    }

    /// The keys of the stream of this name and length.
    pub(super) fn keys(self, stream: &str, seconds: u32) -> Keys {
        let labels: &[&str] = if self.is_ts() {
            &["all"]
        } else {
            &["audio", "sd", "hd"]
        };
        let periods = match self {
            Self::CencRotation => seconds.div_ceil(SEGMENT_S * SEGMENTS_A_PERIOD),
            _ => 1,
        };
        // Two renditions have the key of `sd`: in cenc each begins with a vector of its own, that the encoder takes at random.
        let has_iv = matches!(
            self,
            Self::Aes128Iv | Self::Cbcs | Self::CbcsLead | Self::SampleAes
        );
        let entry = |label: &'static str, period: u32| {
            let bytes = |what: &str| Bytes::of(&format!("{stream} {label} {period} {what}"));
            Entry {
                label,
                kid: bytes("kid"),
                key: bytes("key"),
                iv: has_iv.then(|| bytes("iv")),
                period,
            }
        };
        let of_period = |period| labels.iter().map(move |label| entry(label, period));
        Keys {
            keys: (0..periods).flat_map(of_period).collect(),
        }
    }

    /// Puts the bare keys into the folder of a stream, if its playlists say that they are there.
    pub(super) fn publish(self, keys: &Keys, stream: &Path) -> io::Result<()> {
        if !self.is_ts() {
            return Ok(());
        }
        let folder = stream.join(KEY_FOLDER);
        fs::create_dir_all(&folder)?;
        for Entry { kid, key, .. } in &keys.keys {
            fs::write(folder.join(format!("{kid}.key")), key.0)?;
        }
        Ok(())
    }
}

impl Bytes {
    /// Those that follow from a text.
    fn of(text: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let mut bytes = [0; 16];
        bytes
            .iter_mut()
            .zip(hash.as_ref())
            .for_each(|(to, from)| *to = *from);
        Self(bytes)
    }
}

impl Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_follow_from_the_name_and_differ() {
        let text = |stream: &str| serde_json::to_string(&Protection::CencRotation.keys(stream, 10)).unwrap();
        assert_eq!(text("a"), text("a"));
        assert_ne!(text("a"), text("b"));
        let keys = Protection::CencRotation.keys("a", 10).keys;
        assert_eq!(keys.len(), 9, "three periods of three keys");
        let all: BTreeSet<_> = keys.iter().flat_map(|entry| [entry.kid, entry.key]).collect();
        assert_eq!(all.len(), 18);
    }

    #[test]
    fn a_bare_key_is_that_of_the_key_file() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Protection::Aes128.keys("a", 4);
        Protection::Aes128.publish(&keys, folder.path()).unwrap();
        let [Entry { kid, key, .. }] = keys.keys.as_slice() else {
            panic!("one key");
        };
        let bare = fs::read(folder.path().join(format!("keys/{kid}.key"))).unwrap();
        assert_eq!(bare, key.0);
        let keys = Protection::Cenc.keys("b", 4);
        let other = tempfile::tempdir().unwrap();
        Protection::Cenc.publish(&keys, other.path()).unwrap();
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0);
    }
}
