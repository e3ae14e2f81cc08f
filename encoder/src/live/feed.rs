//! The interface between what makes a live stream and what serves it.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::LiveError;
use crate::protect::{ContentProtection, HLS_CLEAR, HlsKey};

/// Takes what a live encoder makes, in order. One for each stream.
pub trait LiveSink: Send + Sync {
    /// A publisher begins, or is back: what follows is behind a discontinuity unless it is the first.
    ///
    /// # Errors
    /// [`LiveError`] when it cannot be kept; the encoder stops.
    fn begin(&self, take: Take) -> Result<(), LiveError>;

    /// The next part of a track (index into [`Take::tracks`]).
    ///
    /// # Errors
    /// [`LiveError`] when it cannot be kept; the encoder stops.
    fn part(&self, track: usize, part: Part) -> Result<(), LiveError>;

    /// The keys of a track from its next part on, which begins a segment. A track that is encrypted is told of before its first part;
    /// one that is not, never.
    ///
    /// # Errors
    /// [`LiveError`] when it cannot be kept, as here: of a sink that knows nothing of keys.
    fn keys(&self, track: usize, keys: TrackKeys) -> Result<(), LiveError> {
        let _ = (track, keys);
        Err(LiveError::Output {
            reason: "encrypted streams are not taken here".to_owned(),
        })
    }

    /// The publisher is gone, and may come back; what is not whole of the segment is closed as it is.
    fn pause(&self);

    /// The stream is over: playlists and MPD become VOD.
    ///
    /// # Errors
    /// [`LiveError`] when that cannot be written.
    fn end(&self) -> Result<(), LiveError>;
}

/// One uninterrupted stretch of a publisher: timestamps start at 0 and never jump.
#[derive(Clone, Debug)]
pub struct Take {
    /// Pictures from the highest, then sound.
    pub tracks: Vec<Track>,
    /// Wall clock of media time 0, when it was captured.
    pub wall: SystemTime,
    /// No part is longer.
    pub part_target: Duration,
    /// What every segment lasts; sound is cut at the frames nearest to that.
    pub segment_target: Duration,
}

/// One rendition of a take.
#[derive(Clone, Debug)]
pub struct Track {
    /// Its folder's name.
    pub name: String,
    /// What it holds.
    pub kind: TrackKind,
    /// RFC 6381.
    pub codecs: String,
    /// Ticks per second.
    pub timescale: u32,
    /// Declared peak, bits a second.
    pub bandwidth: u64,
    /// The init segment.
    pub init: Bytes,
}

/// What a track holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// Pictures.
    Video {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Frames per second, as a fraction.
        frame_rate: (u32, u32),
    },
    /// Sound.
    Audio {
        /// Samples per second.
        rate: u32,
        /// How many.
        channels: u8,
        /// BCP 47, where the publisher says one.
        language: Option<String>,
    },
}

/// One CMAF chunk: `prft`, `moof`, `mdat`.
#[derive(Clone, Debug)]
pub struct Part {
    /// Of its first sample, in ticks of the track.
    pub decode_time: u64,
    /// Ticks.
    pub duration: u32,
    /// Decoding can start with it.
    pub independent: bool,
    /// It ends its segment.
    pub last: bool,
    /// The chunk.
    pub bytes: Bytes,
}

/// What manifests say of a track's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackKeys {
    pub(crate) hls: Vec<HlsKey>,
    pub(crate) dash: Vec<ContentProtection>,
}

impl TrackKeys {
    /// The lines of a media playlist that stand before the next segment.
    pub fn hls_tags(&self) -> Vec<String> {
        match self.hls.is_empty() {
            true => vec![HLS_CLEAR.to_owned()],
            false => self.hls.iter().map(HlsKey::key_tag).collect(),
        }
    }
}
