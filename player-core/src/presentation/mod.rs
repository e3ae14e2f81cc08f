//! The model that HLS and DASH are read into: periods, tracks, renditions, segments.
//!
//! Nothing here knows which of the two it came from, and nothing past [`manifest`](crate::manifest) does either.

mod codecs;
mod segments;

pub use codecs::{kind_of_codec, split_codecs};
pub use segments::{Resource, Run, Segment, SegmentIndex, SegmentIndexBuilder, Template, TemplatePart};

use crate::input::TrackKind;
use crate::time::{Bitrate, MediaTime};

/// What a manifest describes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Presentation {
    /// Which protocol it was read from: for reports only.
    pub protocol: Protocol,
    /// Its duration, if it has an end that is known.
    pub duration: Option<MediaTime>,
    /// New segments may come: the manifest is to be read again.
    pub live: bool,
    /// Its periods, in order; at least one.
    pub periods: Vec<Period>,
    /// Absolute URL of its [segment table](crate::manifest::table), if it has one.
    pub segment_table: Option<String>,
    /// What was odd but did not keep it from being read.
    pub warnings: Vec<Warning>,
}

/// The protocol of a manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// MPEG-DASH (ISO/IEC 23009-1).
    Dash,
    /// HTTP Live Streaming (RFC 8216).
    #[default]
    Hls,
}

impl Protocol {
    /// `dash` or `hls`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dash => "dash",
            Self::Hls => "hls",
        }
    }
}

/// Something odd in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Line in the text, from 1.
    pub line: u32,
    /// What, for people.
    pub message: String,
}

/// A stretch of the timeline with one set of tracks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Period {
    /// Its id; empty if it has none.
    pub id: String,
    /// Where it begins on the presentation timeline.
    pub start: MediaTime,
    /// Its duration, if known.
    pub duration: Option<MediaTime>,
    /// Its tracks: the first of each kind is the default.
    pub tracks: Vec<Track>,
}

/// Renditions of the same content, between which one may switch: a DASH adaptation set, the variants of an HLS
/// multivariant playlist, or an HLS rendition group's member.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// What it holds.
    pub kind: TrackKind,
    /// Its id, unique in the period.
    pub id: String,
    /// Language (BCP 47); empty if not declared.
    pub language: String,
    /// For people; empty if not declared.
    pub label: String,
    /// Its renditions, lowest bitrate first; at least one.
    pub renditions: Vec<Rendition>,
}

/// One encoding of a track.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendition {
    /// Its id, unique in the track.
    pub id: String,
    /// Declared peak bitrate.
    pub bandwidth: Bitrate,
    /// Declared average bitrate.
    pub average_bandwidth: Option<Bitrate>,
    /// Type of the container, as `video/mp4`.
    pub container: String,
    /// Codecs (RFC 6381), comma-separated; empty if not declared.
    pub codecs: String,
    /// Width, pixels; 0 if not declared.
    pub width: u32,
    /// Height, pixels; 0 if not declared.
    pub height: u32,
    /// Frames per second; 0 if not declared.
    pub frame_rate: f64,
    /// The group (HLS `GROUP-ID`) that an audio rendition is a member of, or that a video rendition plays with; empty if
    /// everything goes with everything.
    pub audio_group: String,
    /// Where its segments are.
    pub source: SegmentSource,
}

impl Rendition {
    /// Its full MIME type, for `MediaSource.isTypeSupported`.
    pub fn mime(&self) -> String {
        if self.codecs.is_empty() {
            self.container.clone()
        } else {
            format!("{}; codecs=\"{}\"", self.container, self.codecs)
        }
    }

    /// The bitrate to reckon with: the average if declared, else the peak.
    pub fn typical_bandwidth(&self) -> Bitrate {
        self.average_bandwidth.unwrap_or(self.bandwidth)
    }
}

/// Where the segments of a rendition are listed.
#[derive(Clone, Debug, PartialEq)]
pub enum SegmentSource {
    /// Here.
    Index(SegmentIndex),
    /// In a playlist that has still to be fetched from this URL.
    Playlist(String),
}
