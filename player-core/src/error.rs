//! What can go wrong, in the terms of an application that embeds the player.

use serde::{Deserialize, Serialize};

use crate::drm::cdm::SessionId;
use crate::drm::{KeyId, KeySystem};

/// An error of the player. `fatal` means that playback has ended and only a new load can bring it back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{}{message}", if *fatal { "fatal: " } else { "" })]
pub struct PlayerError {
    /// What class of error it is.
    pub kind: ErrorKind,
    /// Whether playback has ended.
    pub fatal: bool,
    /// For people: names the thing and, where there is one, the next step. Holds no URL query.
    pub message: String,
    /// More, if it is about keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drm: Option<Box<DrmError>>,
}

impl PlayerError {
    /// Its name on the wire and in events: that of [`kind`](Self::kind), or of what is wrong with keys, as `drm_expired`.
    pub fn name(&self) -> &'static str {
        self.drm.as_ref().map_or(self.kind.name(), |drm| drm.kind.name())
    }
}

/// What is wrong with keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrmError {
    /// What class of error it is.
    pub kind: DrmErrorKind,
    /// To load again may help.
    pub retriable: bool,
    /// The key system, if one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<KeySystem>,
    /// The key session, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The key, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// What the licence server answered, if that is what is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// The classes of error about keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DrmErrorKind {
    /// The machine's CDM was reset, or fails.
    CdmReset,
    /// The certificate of the licence server cannot be had, or is refused.
    Certificate,
    /// A licence has run out and was not renewed.
    Expired,
    /// The page was not loaded over HTTPS.
    InsecureContext,
    /// A key that is needed has not come in time.
    KeyMissingTimeout,
    /// No licence server is known.
    NoConfig,
    /// The output (HDCP) or the machine is not trusted with any of the keys.
    OutputRestricted,
    /// The licence server answered with an HTTP error.
    RequestHttp,
    /// The licence server did not answer.
    RequestNetwork,
    /// What the licence server answered is no licence, or the CDM refused it.
    ResponseRejected,
    /// The CDM refused to make a session, or a request for a licence.
    Session,
    /// The CDM has as many sessions as it can have.
    SessionLimit,
    /// None of the stream's key systems can be had here.
    Unsupported,
    /// There is a key, but what it makes of the media cannot be decoded.
    WrongKey,
}

impl DrmErrorKind {
    /// The name used on the wire and in events, for instance `drm_expired`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CdmReset => "drm_cdm_reset",
            Self::Certificate => "drm_certificate",
            Self::Expired => "drm_expired",
            Self::InsecureContext => "drm_insecure_context",
            Self::KeyMissingTimeout => "drm_key_missing_timeout",
            Self::NoConfig => "drm_no_config",
            Self::OutputRestricted => "drm_output_restricted",
            Self::RequestHttp => "drm_request_http",
            Self::RequestNetwork => "drm_request_network",
            Self::ResponseRejected => "drm_response_rejected",
            Self::Session => "drm_session",
            Self::SessionLimit => "drm_session_limit",
            Self::Unsupported => "drm_unsupported",
            Self::WrongKey => "drm_wrong_key",
        }
    }
}

/// The classes of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// Keys: [`PlayerError::drm`] says more.
    Drm,
    /// The server answered with an HTTP error.
    Http,
    /// The input log or the driver broke the protocol of the engine.
    Internal,
    /// What was fetched as a manifest is none, or nothing in it can be played.
    Manifest,
    /// The browser's decoder or source buffer refused the media.
    Media,
    /// No answer: connection refused, DNS, CORS, or the network is gone.
    Network,
    /// The buffer is full and cannot be emptied.
    Quota,
    /// A segment is not what its manifest says: truncated, or not media at all.
    Segment,
    /// An answer took too long.
    Timeout,
    /// No rendition's container or codec can be played here.
    Unsupported,
}

impl ErrorKind {
    /// The name used on the wire and in events, for instance `manifest`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drm => "drm",
            Self::Http => "http",
            Self::Internal => "internal",
            Self::Manifest => "manifest",
            Self::Media => "media",
            Self::Network => "network",
            Self::Quota => "quota",
            Self::Segment => "segment",
            Self::Timeout => "timeout",
            Self::Unsupported => "unsupported",
        }
    }
}
