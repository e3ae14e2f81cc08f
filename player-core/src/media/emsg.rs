//! Events inside segments: the event message box (`emsg`, ISO/IEC 23009-1, 5.10.3.3).

use serde::{Deserialize, Serialize};

/// An event message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Emsg {
    /// What it means.
    pub scheme: String,
    /// A refinement of it.
    pub value: String,
    /// Unique within scheme and value: a repetition has the same.
    pub id: u32,
    /// Ticks a second.
    pub timescale: u32,
    /// When it begins, ticks: of the media timeline, or from the start of its segment if [`Self::relative`].
    pub time: u64,
    /// [`Self::time`] counts from the start of the segment (version 0).
    pub relative: bool,
    /// How long it lasts, ticks; `None` if not known.
    pub duration: Option<u32>,
    /// The message.
    pub data: Vec<u8>,
}
