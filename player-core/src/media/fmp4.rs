//! What the engine must know of fragmented MP4 (ISO/IEC 14496-12) that passes through untouched: its times, and the events in it.

use serde::{Deserialize, Serialize};

use super::emsg::Emsg;
use crate::time::WallTime;

/// What a look into a response found. Of a media segment only what an initialization section cannot say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The tracks that `moov` declares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<Track>,
    /// Where the first fragment of each track begins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<Start>,
    /// Event messages, in the order of the bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Emsg>,
    /// What the wall clock said (`prft`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<Clock>,
}

/// A track of an initialization section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Track {
    /// `track_ID`.
    pub id: u32,
    /// Handler type, as `vide`, `soun`, `text`, `subt`.
    pub handler: String,
    /// Codec as in RFC 6381; only the four characters of the sample entry where more is not known.
    pub codec: String,
    /// Ticks a second.
    pub timescale: u32,
    /// What its edit list takes from composition times, ticks.
    pub edit_offset: i64,
}

/// Where a track's first fragment in a segment begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// `track_ID`.
    pub track: u32,
    /// `baseMediaDecodeTime`, ticks.
    pub decode_time: u64,
    /// The least composition time, ticks from `decode_time`.
    pub composition_offset: i64,
}

/// A producer reference time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// `track_ID`.
    pub track: u32,
    /// Media time, ticks.
    pub time: u64,
    /// The wall clock then.
    pub wall: WallTime,
    /// Flags of the box: what event of the producer the time is of (ISO/IEC 14496-12, 8.16.5).
    pub flags: u32,
}
