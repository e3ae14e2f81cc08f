//! The model that HLS and DASH are read into: periods, tracks, renditions, segments.
//!
//! Nothing here knows which of the two it came from, and nothing past [`manifest`](crate::manifest) does either.

mod codecs;
mod events;
mod live;
mod protection;
mod segments;

pub use codecs::{kind_of_codec, split_codecs};
pub use events::{DateRange, Event, EventStream, InbandEvents};
pub use live::{Clock, Latency, Live, Location, ReferenceTime, Resync, Steering};
pub use protection::Protection;
pub(crate) use segments::{BLOCK, Context};
pub use segments::{
    Jump, Resource, Run, Runs, Segment, SegmentIndex, SegmentIndexBuilder, Template, TemplatePart,
};

use crate::input::TrackKind;
use crate::time::{Bitrate, MediaTime};

/// What a manifest describes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Presentation {
    /// Which protocol it was read from: for reports only.
    pub protocol: Protocol,
    /// Its duration, if it has an end that is known.
    pub duration: Option<MediaTime>,
    /// New segments may come: the manifest, or its media playlists, are to be read again.
    pub live: Option<Live>,
    /// Its periods, in order; at least one.
    pub periods: Vec<Period>,
    /// Where to begin (`EXT-X-START`): seconds from the start, or from the end if negative.
    pub start: Option<MediaTime>,
    /// Which pathway or service location to fetch from, as a steering server says.
    pub steering: Option<Steering>,
    /// Keys that may be fetched ahead (`EXT-X-SESSION-KEY`).
    pub session_keys: Vec<Protection>,
    /// Data about the whole (`EXT-X-SESSION-DATA`).
    pub session_data: Vec<SessionData>,
    /// Variables for its media playlists (`EXT-X-DEFINE`), name and value.
    pub variables: Vec<(String, String)>,
    /// Absolute URL of its [segment table](crate::manifest::table), if it has one.
    pub segment_table: Option<String>,
    /// What was odd but did not keep it from being read.
    pub warnings: Vec<Warning>,
}

/// A value that belongs to the whole presentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionData {
    /// What it is: a name in reverse DNS order.
    pub id: String,
    /// Its value, or else
    pub value: String,
    /// the absolute URL where it is.
    pub url: String,
    /// Language (BCP 47); empty if not declared.
    pub language: String,
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
    /// Its id; empty if it has none. Stays the same when the manifest is read again.
    pub id: String,
    /// Where it begins on the presentation timeline.
    pub start: MediaTime,
    /// Its duration, if known.
    pub duration: Option<MediaTime>,
    /// Its tracks: the first of each kind is the default.
    pub tracks: Vec<Track>,
    /// Pictures only, few a second, for fast-forward and rewind: tracks of kind video.
    pub trick_play: Vec<Track>,
    /// Thumbnails, smallest first.
    pub thumbnails: Vec<ImageTrack>,
    /// Captions inside the pictures (CEA-608, CEA-708).
    pub captions: Vec<CaptionChannel>,
    /// Combinations of tracks that are meant to be offered as one choice.
    pub preselections: Vec<Preselection>,
    /// Events that the manifest lists.
    pub events: Vec<EventStream>,
}

/// Renditions of the same content, between which one may switch: a DASH adaptation set, the variants of an HLS
/// multivariant playlist, or an HLS rendition group's member.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    /// What it holds.
    pub kind: TrackKind,
    /// Its id, unique in the period. Stays the same when the manifest is read again.
    pub id: String,
    /// Language (BCP 47); empty if not declared.
    pub language: String,
    /// For people; empty if not declared.
    pub label: String,
    /// Labels in other languages: language and text.
    pub labels: Vec<(String, String)>,
    /// Roles (`urn:mpeg:dash:role:2011`) and characteristics (`CHARACTERISTICS`), as written.
    pub roles: Vec<String>,
    /// For whom it is: `scheme=value` of each Accessibility element.
    pub accessibility: Vec<String>,
    /// To be played unless the viewer chooses otherwise.
    pub default: bool,
    /// May be chosen without the viewer, by language say.
    pub autoselect: bool,
    /// Subtitles that are to be shown even to those who want none.
    pub forced: bool,
    /// Channels of sound as written: `2`, `6`, `16/JOC`; empty if not declared.
    pub channels: String,
    /// Ids of tracks to which one may switch as within this one.
    pub switches_with: Vec<String>,
    /// The higher, the more it is to be preferred (`@selectionPriority`).
    pub priority: u32,
    /// How to get at the keys: one entry a key system. Empty if it is not encrypted.
    pub protection: Vec<Protection>,
    /// Event streams in its segments.
    pub inband_events: Vec<InbandEvents>,
    /// Wall-clock times of media times, as its encoder declares them.
    pub reference_times: Vec<ReferenceTime>,
    /// Its renditions, lowest bitrate first; at least one.
    pub renditions: Vec<Rendition>,
}

/// Thumbnails: images, each a grid of tiles.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageTrack {
    /// Its id, unique in the period.
    pub id: String,
    /// Type of the images, as `image/jpeg`; empty if not declared.
    pub container: String,
    /// Declared bitrate.
    pub bandwidth: Bitrate,
    /// Size of an image, pixels; 0 if not declared.
    pub width: u32,
    /// See `width`.
    pub height: u32,
    /// Columns and rows of tiles in an image, which follow each other in time from left to right and from top to bottom.
    pub tiles: (u32, u32),
    /// How long a tile stands for, if declared; else the tiles of an image have equal shares of its time.
    pub tile_duration: Option<MediaTime>,
    /// Where the images are.
    pub source: SegmentSource,
}

/// Captions inside the pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaptionChannel {
    /// `CC1` to `CC4` (CEA-608), `SERVICE1` to `SERVICE63` (CEA-708).
    pub channel: String,
    /// Language (BCP 47); empty if not declared.
    pub language: String,
    /// For people; empty if not declared.
    pub label: String,
    /// The group (HLS `GROUP-ID`) that variants refer to; empty if all pictures have it.
    pub group: String,
    /// To be shown unless the viewer chooses otherwise.
    pub default: bool,
}

/// Tracks that are offered as one choice (DASH `Preselection`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preselection {
    /// Its id.
    pub id: String,
    /// Ids of its tracks, the main one first.
    pub tracks: Vec<String>,
    /// Language (BCP 47); empty if not declared.
    pub language: String,
    /// For people; empty if not declared.
    pub label: String,
    /// Codecs of the whole; empty if not declared.
    pub codecs: String,
}

/// One encoding of a track.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendition {
    /// Its id, unique in the track. Stays the same when the manifest is read again.
    pub id: String,
    /// Declared peak bitrate.
    pub bandwidth: Bitrate,
    /// Declared average bitrate.
    pub average_bandwidth: Option<Bitrate>,
    /// The author's rank (`SCORE`, or from `@qualityRanking`): higher is better.
    pub score: Option<f64>,
    /// Type of the container, as `video/mp4`.
    pub container: String,
    /// Codecs (RFC 6381), comma-separated; empty if not declared.
    pub codecs: String,
    /// Codecs of an enhancement that may be ignored (`SUPPLEMENTAL-CODECS`, `@scte214:supplementalCodecs`); empty if there is none.
    pub supplemental_codecs: String,
    /// Width, pixels; 0 if not declared.
    pub width: u32,
    /// Height, pixels; 0 if not declared.
    pub height: u32,
    /// Frames per second; 0 if not declared.
    pub frame_rate: f64,
    /// Channels of sound where they differ from its track's, as written; else empty.
    pub channels: String,
    /// `SDR`, `PQ` or `HLG`; empty if not declared.
    pub video_range: String,
    /// A layout that the player must know (`REQ-VIDEO-LAYOUT`), as `CH-STEREO`; empty if flat.
    pub video_layout: String,
    /// Output protection that it demands (`HDCP-LEVEL`), as `TYPE-1`; empty if none.
    pub hdcp_level: String,
    /// The group (HLS `GROUP-ID`) that an audio rendition is a member of, or that a video rendition plays with; empty if
    /// everything goes with everything.
    pub audio_group: String,
    /// More audio groups that a video rendition plays with: the same pictures with other sound.
    pub more_audio_groups: Vec<String>,
    /// The same for subtitles.
    pub subtitle_group: String,
    /// The same for captions; `NONE` if it has none.
    pub caption_group: String,
    /// The pathway (HLS `PATHWAY-ID`) that it is on; empty if not declared.
    pub pathway: String,
    /// Redundant copies of it, on other pathways or servers, in order of preference (HLS only; for DASH see
    /// [`Location`]).
    pub alternatives: Vec<Alternative>,
    /// Where its segments may be fetched from, in order of preference, if there is more than one place (DASH `BaseURL`). The first one is
    /// that of [`Self::source`].
    pub locations: Vec<Location>,
    /// Protection of this rendition where it differs from its track's.
    pub protection: Vec<Protection>,
    /// Points inside segments at which decoding may begin (`Resync`).
    pub resyncs: Vec<Resync>,
    /// Its segments may be asked for this much earlier than when they are whole (`@availabilityTimeOffset`); [`MediaTime::MAX`] for
    /// all of them at once.
    pub availability_time_offset: Option<MediaTime>,
    /// Segments are not whole when they may be asked for: they come as they are made (`@availabilityTimeComplete` is false).
    pub availability_incomplete: bool,
    /// Where its segments are.
    pub source: SegmentSource,
}

/// A copy of a rendition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alternative {
    /// The pathway that it is on; empty if not declared.
    pub pathway: String,
    /// Absolute URL of its playlist.
    pub url: String,
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

    /// It comes in WebM.
    pub(crate) fn is_webm(&self) -> bool {
        self.container.ends_with("/webm")
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
    /// In a segment index box (`sidx`, ISO/IEC 14496-12, 8.16.3) that has still to be fetched.
    Sidx(SidxSource),
}

/// A file whose `sidx` says where its segments are.
#[derive(Clone, Debug, PartialEq)]
pub struct SidxSource {
    /// The file; its range is where the `sidx` is, or nothing if it has to be looked for from the start of the file.
    pub index: Resource,
    /// The initialization section, if it is apart; else it is what comes before the `sidx`.
    pub init: Option<Resource>,
    /// What must be added to media timestamps to get to the presentation timeline.
    pub timestamp_offset: MediaTime,
    /// Where the period ends on the presentation timeline.
    pub end: Option<MediaTime>,
}

impl Default for SegmentSource {
    fn default() -> Self {
        Self::Playlist(String::new())
    }
}
