//! Timed metadata in ID3 tags (ID3v2.3 and 2.4), as HLS carries it.

use serde::{Deserialize, Serialize};

/// A frame of a tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame {
    /// As `TXXX`, `PRIV`.
    pub id: String,
    /// Description (`TXXX`, `WXXX`), owner (`PRIV`), or empty.
    pub description: String,
    /// Text or URL, if it is a frame of those.
    pub text: String,
    /// The frame's other bytes.
    pub data: Vec<u8>,
}
