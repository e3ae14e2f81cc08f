//! What the application is told of what is wrong with keys.

use player_core::error::DrmError;
use serde::Serialize;

/// What is wrong with keys, in the web's terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyError {
    /// As `output-restricted`.
    pub kind: String,
    /// To load again may help.
    pub retriable: bool,
    /// As `com.widevine.alpha`, or null.
    pub key_system: Option<&'static str>,
    /// The engine's number of it, or null.
    pub session: Option<u64>,
    /// 32 hexadecimal digits, or null.
    pub key_id: Option<String>,
    /// Of HTTP, or null.
    pub status: Option<u16>,
}

impl From<DrmError> for KeyError {
    fn from(error: DrmError) -> Self {
        let DrmError {
            kind,
            retriable,
            system,
            session,
            key_id,
            status,
        } = error;
        let name = kind.name();
        Self {
            kind: name.strip_prefix("drm_").unwrap_or(name).replace('_', "-"),
            retriable,
            key_system: system.and_then(|system| system.key_systems().last().copied()),
            session: session.map(|session| session.0),
            key_id: key_id.map(|id| id.to_string()),
            status,
        }
    }
}
