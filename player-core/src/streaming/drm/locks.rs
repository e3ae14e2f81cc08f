//! What of the ladder cannot be shown because of keys.

use crate::drm::{KeyId, KeySystem};
use crate::presentation::{Protection, Rendition};

/// How a rendition is protected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lock {
    /// Its keys, as the manifest or its initialization section says.
    keys: Vec<KeyId>,
    /// Those of its newest segment, if they change.
    rotated: Vec<KeyId>,
    /// What is demanded of the machine, by key system.
    robustness: Vec<(KeySystem, String)>,
    is_protected: bool,
}

/// What cannot be used now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locks {
    pub(super) keys: Vec<KeyId>,
    /// Versions of HDCP that the output has not got.
    pub(super) hdcp: Vec<String>,
    /// Types that cannot be decrypted.
    pub(super) types: Vec<String>,
    /// The key system, and how robust it is with pictures.
    pub(super) robustness: Option<(KeySystem, String)>,
}

impl Lock {
    pub(crate) fn new(ways: &[Protection]) -> Self {
        let mut lock = Self {
            is_protected: !ways.is_empty(),
            ..Self::default()
        };
        for way in ways {
            for id in &way.key_ids {
                lock.learn(KeyId(*id));
            }
            if let Some(system) = KeySystem::of_scheme(&way.scheme).filter(|_| !way.robustness.is_empty()) {
                lock.robustness.push((system, way.robustness.clone()));
            }
        }
        lock
    }

    /// The keys that are needed now.
    pub(crate) fn keys(&self) -> &[KeyId] {
        if self.rotated.is_empty() {
            &self.keys
        } else {
            &self.rotated
        }
    }

    /// An initialization section names a key.
    pub(crate) fn learn(&mut self, key: KeyId) {
        self.is_protected = true;
        if !key.is_zero() && !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }

    /// A segment has keys of its own. True if these are others than those of the one before.
    pub(crate) fn rotate(&mut self, keys: Vec<KeyId>) -> bool {
        self.is_protected = true;
        let changed = !self.rotated.is_empty() && self.rotated != keys;
        self.rotated = keys;
        changed
    }

    /// The keys of its newest segment are those of another time.
    pub(crate) fn forget_rotated(&mut self) {
        self.rotated.clear();
    }
}

impl Locks {
    /// Whether a rendition cannot be shown.
    pub(crate) fn hold(&self, lock: &Lock, rendition: &Rendition) -> bool {
        if !lock.is_protected {
            return false;
        }
        let lacks_hdcp = hdcp_version(&rendition.hdcp_level)
            .is_some_and(|version| self.hdcp.iter().any(|lacking| lacking == version));
        let too_weak = self.robustness.as_ref().is_some_and(|(system, has)| {
            let mut demanded = lock.robustness.iter().filter(|(of, _)| of == system);
            demanded.any(|(_, wants)| rank(has).zip(rank(wants)).is_some_and(|(has, wants)| has < wants))
        });
        lacks_hdcp
            || too_weak
            || lock.keys().iter().any(|key| self.keys.contains(key))
            || (!self.types.is_empty() && self.types.contains(&rendition.mime()))
    }
}

/// The version of HDCP that an `HDCP-LEVEL` means (rfc8216bis, 4.4.6.2).
pub(super) fn hdcp_version(level: &str) -> Option<&'static str> {
    match level {
        "TYPE-0" => Some("1.0"),
        "TYPE-1" => Some("2.2"),
        _ => None,
    }
}

/// The place of a robustness among those of its key system, the weakest first. Only those of one system compare.
fn rank(robustness: &str) -> Option<usize> {
    const WIDEVINE: [&str; 5] = [
        "SW_SECURE_CRYPTO",
        "SW_SECURE_DECODE",
        "HW_SECURE_CRYPTO",
        "HW_SECURE_DECODE",
        "HW_SECURE_ALL",
    ];
    let place = WIDEVINE.iter().position(|known| *known == robustness);
    place.or_else(|| robustness.parse().ok())
}
