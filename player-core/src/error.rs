//! What can go wrong, in the terms of an application that embeds the player.

use serde::{Deserialize, Serialize};

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
}

/// The classes of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
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
