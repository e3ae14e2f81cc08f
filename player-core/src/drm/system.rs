//! Key systems and their names.

use serde::{Deserialize, Serialize};

use super::KeyId;

/// What decrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeySystem {
    /// W3C ClearKey (Encrypted Media Extensions, 9.1).
    ClearKey,
    /// Apple FairPlay Streaming.
    FairPlay,
    /// Microsoft PlayReady.
    PlayReady,
    /// Google Widevine.
    Widevine,
}

/// The common system id of the W3C (*"cenc" Initialization Data Format*, 4): key ids that every system understands.
pub(super) const COMMON: [u8; 16] = *b"\x10\x77\xef\xec\xc0\xb2\x4d\x02\xac\xe3\x3c\x1e\x52\xe2\xfb\x4b";
const CLEAR_KEY: [u8; 16] = *b"\xe2\x71\x9d\x58\xa9\x85\xb3\xc9\x78\x1a\xb0\x30\xaf\x78\xd3\x0e";
const FAIR_PLAY: [u8; 16] = *b"\x94\xce\x86\xfb\x07\xff\x4f\x43\xad\xb8\x93\xd2\xfa\x96\x8c\xa2";
const FAIR_PLAY_OLD: [u8; 16] = *b"\x29\x70\x1f\xe4\x3c\xc7\x4a\x34\x8c\x5b\xae\x90\xc7\x43\x9a\x47";
const PLAY_READY: [u8; 16] = *b"\x9a\x04\xf0\x79\x98\x40\x42\x86\xab\x92\xe6\x5b\xe0\x88\x5f\x95";
const WIDEVINE: [u8; 16] = *b"\xed\xef\x8b\xa9\x79\xd6\x4a\xce\xa3\xc8\x27\xdc\xd5\x1d\x21\xed";

impl KeySystem {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ClearKey, Self::FairPlay, Self::PlayReady, Self::Widevine];

    /// The name in configurations and events, as `playready`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClearKey => "clearkey",
            Self::FairPlay => "fairplay",
            Self::PlayReady => "playready",
            Self::Widevine => "widevine",
        }
    }

    /// Its UUIDs in `pssh` boxes and manifests, the preferred one first. ClearKey has the W3C's common one and that of the DASH-IF.
    pub const fn system_ids(self) -> &'static [[u8; 16]] {
        match self {
            Self::ClearKey => &[COMMON, CLEAR_KEY],
            Self::FairPlay => &[FAIR_PLAY, FAIR_PLAY_OLD],
            Self::PlayReady => &[PLAY_READY],
            Self::Widevine => &[WIDEVINE],
        }
    }

    /// The system that has this UUID.
    pub fn of_system_id(id: &[u8; 16]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|system| system.system_ids().contains(id))
    }

    /// The system that a manifest means: DASH's `schemeIdUri` (`urn:uuid:…`), HLS's `KEYFORMAT`, or a UUID alone.
    ///
    /// `identity` is ClearKey's here. It is so only of `SAMPLE-AES-CTR` in fragmented MP4: keys of `AES-128` and of `SAMPLE-AES` in
    /// transport streams are fetched without a key system.
    pub fn of_scheme(scheme: &str) -> Option<Self> {
        const PREFIX: &str = "urn:uuid:";
        if let Some((prefix, id)) = scheme.split_at_checked(PREFIX.len())
            && prefix.eq_ignore_ascii_case(PREFIX)
        {
            return Self::of_system_id(&KeyId::parse(id)?.0);
        }
        if let Some(id) = KeyId::parse(scheme) {
            return Self::of_system_id(&id.0);
        }
        match scheme {
            "com.apple.streamingkeydelivery" => Some(Self::FairPlay),
            "identity" => Some(Self::ClearKey),
            other => Self::of_key_system(other),
        }
    }

    /// The system that a key system string of EME means, or a name that begins with one and a dot.
    pub fn of_key_system(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|system| {
            let known = system.key_systems().iter();
            known
                .filter_map(|known| name.strip_prefix(known))
                .any(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// The key system strings to ask a browser for, the preferred one first.
    pub const fn key_systems(self) -> &'static [&'static str] {
        match self {
            Self::ClearKey => &["org.w3.clearkey"],
            Self::FairPlay => &["com.apple.fps", "com.apple.fps.1_0"],
            // Robustness (150, 2000, 3000) means something with the first name only.
            Self::PlayReady => &[
                "com.microsoft.playready.recommendation",
                "com.microsoft.playready",
            ],
            Self::Widevine => &["com.widevine.alpha"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_known_by_their_names() {
        for (name, system) in [
            ("org.w3.clearkey", KeySystem::ClearKey),
            ("com.widevine.alpha", KeySystem::Widevine),
            ("com.widevine.alpha.experiment", KeySystem::Widevine),
            ("com.microsoft.playready", KeySystem::PlayReady),
            ("com.microsoft.playready.recommendation", KeySystem::PlayReady),
            (
                "com.microsoft.playready.recommendation.3000",
                KeySystem::PlayReady,
            ),
            (
                "com.microsoft.playready.recommendation.3000.clearlead",
                KeySystem::PlayReady,
            ),
            ("com.microsoft.playready.hardware", KeySystem::PlayReady),
            ("com.microsoft.playready.software", KeySystem::PlayReady),
            ("com.apple.fps", KeySystem::FairPlay),
            ("com.apple.fps.1_0", KeySystem::FairPlay),
        ] {
            assert_eq!(KeySystem::of_key_system(name), Some(system), "{name}");
            assert_eq!(KeySystem::of_scheme(name), Some(system), "{name}");
        }
        for name in [
            "",
            "com.widevine",
            "com.widevine.alphabet",
            "COM.WIDEVINE.ALPHA",
            "identity",
        ] {
            assert_eq!(KeySystem::of_key_system(name), None, "{name}");
        }
        for system in KeySystem::ALL {
            for name in system.key_systems() {
                assert_eq!(KeySystem::of_key_system(name), Some(system));
            }
            let json = crate::json::to_string(&system);
            assert_eq!(json, format!("\"{}\"", system.name()));
        }
    }

    #[test]
    fn systems_are_known_by_their_schemes() {
        for (scheme, system) in [
            (
                "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
                Some(KeySystem::Widevine),
            ),
            (
                "URN:UUID:EDEF8BA9-79D6-4ACE-A3C8-27DCD51D21ED",
                Some(KeySystem::Widevine),
            ),
            (
                "urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95",
                Some(KeySystem::PlayReady),
            ),
            (
                "urn:uuid:94ce86fb-07ff-4f43-adb8-93d2fa968ca2",
                Some(KeySystem::FairPlay),
            ),
            (
                "urn:uuid:29701fe4-3cc7-4a34-8c5b-ae90c7439a47",
                Some(KeySystem::FairPlay),
            ),
            (
                "urn:uuid:1077efec-c0b2-4d02-ace3-3c1e52e2fb4b",
                Some(KeySystem::ClearKey),
            ),
            (
                "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e",
                Some(KeySystem::ClearKey),
            ),
            ("com.apple.streamingkeydelivery", Some(KeySystem::FairPlay)),
            ("com.microsoft.playready", Some(KeySystem::PlayReady)),
            ("identity", Some(KeySystem::ClearKey)),
            ("edef8ba9-79d6-4ace-a3c8-27dcd51d21ed", Some(KeySystem::Widevine)),
            ("urn:mpeg:dash:mp4protection:2011", None),
            ("urn:uuid:", None),
            ("urn:uuid:00000000-0000-0000-0000-000000000000", None),
            ("", None),
        ] {
            assert_eq!(KeySystem::of_scheme(scheme), system, "{scheme}");
        }
    }
}
