//! Protection system specific header boxes (ISO/IEC 23001-7 §8.1).

use std::str::FromStr;

use super::Scheme;
use super::keys::{ContentKey, KeyId};
use super::playready;
use crate::error::EncodeError;

/// What a player asks for keys with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// W3C ClearKey and anything else that needs no more than key identifiers.
    Common,
    /// Apple FairPlay. It has no `pssh`: a URI in the playlist says all.
    FairPlay,
    /// Microsoft PlayReady.
    PlayReady,
    /// Google Widevine.
    Widevine,
}

impl System {
    /// Its UUID.
    pub(crate) fn id(self) -> KeyId {
        KeyId(match self {
            Self::Common => *b"\x10\x77\xef\xec\xc0\xb2\x4d\x02\xac\xe3\x3c\x1e\x52\xe2\xfb\x4b",
            Self::FairPlay => *b"\x94\xce\x86\xfb\x07\xff\x4f\x43\xad\xb8\x93\xd2\xfa\x96\x8c\xa2",
            Self::PlayReady => *b"\x9a\x04\xf0\x79\x98\x40\x42\x86\xab\x92\xe6\x5b\xe0\x88\x5f\x95",
            Self::Widevine => *b"\xed\xef\x8b\xa9\x79\xd6\x4a\xce\xa3\xc8\x27\xdc\xd5\x1d\x21\xed",
        })
    }
}

impl FromStr for System {
    type Err = EncodeError;

    fn from_str(text: &str) -> Result<Self, EncodeError> {
        match text.to_ascii_lowercase().as_str() {
            "common" | "clearkey" => Ok(Self::Common),
            "fairplay" => Ok(Self::FairPlay),
            "playready" => Ok(Self::PlayReady),
            "widevine" => Ok(Self::Widevine),
            _ => Err(EncodeError::BadOption {
                option: "--protection-systems",
                value: text.to_owned(),
                reason: "use common, fairplay, playready or widevine".to_owned(),
            }),
        }
    }
}

/// The `pssh` box of `system`: `ids` are those of every key of the presentation, so that one licence serves all its tracks; a
/// PlayReady header has the track's own `key` alone, since it holds a checksum of it. `None` where the system has no box.
pub(crate) fn pssh(
    system: System,
    scheme: Scheme,
    ids: &[KeyId],
    key: &ContentKey,
    licence_url: Option<&str>,
) -> Option<Vec<u8>> {
    match system {
        System::Common => Some(common(ids)),
        System::FairPlay => None,
        System::PlayReady => Some(with_data(
            system,
            &playready::object(scheme, &[*key], licence_url),
        )),
        System::Widevine => Some(with_data(system, &widevine_data(scheme, ids))),
    }
}

/// Version 1: identifiers and no data.
fn common(ids: &[KeyId]) -> Vec<u8> {
    let mut body = System::Common.id().0.to_vec();
    body.extend((ids.len() as u32).to_be_bytes());
    body.extend(ids.iter().flat_map(|id| id.0));
    body.extend([0; 4]);
    full_box(1, &body)
}

/// Version 0: data that only the system reads.
fn with_data(system: System, data: &[u8]) -> Vec<u8> {
    let mut body = system.id().0.to_vec();
    body.extend((data.len() as u32).to_be_bytes());
    body.extend_from_slice(data);
    full_box(0, &body)
}

fn full_box(version: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 12);
    out.extend((body.len() as u32 + 12).to_be_bytes());
    out.extend_from_slice(b"pssh");
    out.extend([version, 0, 0, 0]);
    out.extend_from_slice(body);
    out
}

/// Widevine's protocol buffer: `key_id` (2), repeated, and `protection_scheme` (9), a four-character code as a number.
fn widevine_data(scheme: Scheme, ids: &[KeyId]) -> Vec<u8> {
    const BYTES: u8 = 2;
    let mut data = Vec::new();
    for id in ids {
        data.extend([2 << 3 | BYTES, id.0.len() as u8]);
        data.extend(id.0);
    }
    data.push(9 << 3);
    let code = scheme
        .fourcc()
        .bytes()
        .fold(0_u32, |code, byte| code << 8 | u32::from(byte));
    varint(code, &mut data);
    data
}

fn varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    // As shaka-packager 3.8.0 wrote them for these keys.
    const COMMON: &str =
        "AAAARHBzc2gBAAAAEHfv7MCyTQKs4zweUuL7SwAAAAL/7t3Mu6qZiHdmVUQzIhEAABEiM0RVZneImaq7zN3u/wAAAAA=";
    const WIDEVINE_CENC: &str = "AAAASnBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAACoSEP/u3cy7qpmId2ZVRDMiEQASEAARIjNEVWZ3iJmqu8zd7v9I49yVmwY=";
    const WIDEVINE_CBCS: &str = "AAAASnBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAACoSEP/u3cy7qpmId2ZVRDMiEQASEAARIjNEVWZ3iJmqu8zd7v9I88aJmwY=";
    const PLAYREADY_CBCS: &str = "AAAB3nBzc2gAAAAAmgTweZhAQoarkuZb4IhflQAAAb6+AQAAAQABALQBPABXAFIATQBIAEUAQQBEAEUAUgAgAHgAbQBsAG4AcwA9ACIAaAB0AHQAcAA6AC8ALwBzAGMAaABlAG0AYQBzAC4AbQBpAGMAcgBvAHMAbwBmAHQALgBjAG8AbQAvAEQAUgBNAC8AMgAwADAANwAvADAAMwAvAFAAbABhAHkAUgBlAGEAZAB5AEgAZQBhAGQAZQByACIAIAB2AGUAcgBzAGkAbwBuAD0AIgA0AC4AMwAuADAALgAwACIAPgA8AEQAQQBUAEEAPgA8AFAAUgBPAFQARQBDAFQASQBOAEYATwA+ADwASwBJAEQAUwA+ADwASwBJAEQAIABBAEwARwBJAEQAPQAiAEEARQBTAEMAQgBDACIAIABWAEEATABVAEUAPQAiAE0AeQBJAFIAQQBGAFYARQBkADIAYQBJAG0AYQBxADcAegBOADMAdQAvAHcAPQA9ACIAPgA8AC8ASwBJAEQAPgA8AC8ASwBJAEQAUwA+ADwALwBQAFIATwBUAEUAQwBUAEkATgBGAE8APgA8AC8ARABBAFQAQQA+ADwALwBXAFIATQBIAEUAQQBEAEUAUgA+AA==";

    fn key() -> ContentKey {
        ContentKey {
            id: "00112233445566778899aabbccddeeff".parse().unwrap(),
            key: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            iv: None,
        }
    }

    #[test]
    fn boxes_are_those_of_another_packager() {
        let ids = ["ffeeddccbbaa99887766554433221100".parse().unwrap(), key().id];
        let written =
            |system, scheme| BASE64_STANDARD.encode(pssh(system, scheme, &ids, &key(), None).unwrap());
        assert_eq!(written(System::Common, Scheme::Cenc), COMMON);
        assert_eq!(written(System::Widevine, Scheme::Cenc), WIDEVINE_CENC);
        assert_eq!(written(System::Widevine, Scheme::Cbcs), WIDEVINE_CBCS);
        assert_eq!(written(System::PlayReady, Scheme::Cbcs), PLAYREADY_CBCS);
        assert_eq!(pssh(System::FairPlay, Scheme::Cbcs, &ids, &key(), None), None);
    }

    #[test]
    fn systems_have_names() {
        assert_eq!("ClearKey".parse::<System>().unwrap(), System::Common);
        assert_eq!(
            "widevine".parse::<System>().unwrap().id().uuid(),
            "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"
        );
        assert!(
            "drm"
                .parse::<System>()
                .unwrap_err()
                .to_string()
                .contains("use common, fairplay")
        );
    }
}
