//! What a media playlist is read into: its lines one by one, and what concerns the whole.

use std::borrow::Cow;

use super::lexer::{attributes, seconds};
use crate::presentation::DateRange;
use crate::time::{ByteRange, MediaTime, WallTime};

/// A line that means something for the timeline.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// A media segment.
    Segment(MediaSegment<'a>),
    /// A partial segment (`EXT-X-PART`), which belongs to the segment that follows.
    Part(Part<'a>),
    /// A tag that is not known, and what follows its colon.
    Other {
        /// Where the line begins, bytes.
        at: usize,
        /// Without the `#`.
        name: &'a str,
        /// As written.
        value: &'a str,
    },
}

/// A media segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaSegment<'a> {
    /// Media sequence number.
    pub number: u64,
    /// With its variables replaced; empty if it cannot be resolved.
    pub uri: Cow<'a, str>,
    /// Where it starts, from the start of the first one.
    pub start: MediaTime,
    /// Its duration.
    pub duration: MediaTime,
    /// Title (`EXTINF`); empty if it has none.
    pub title: &'a str,
    /// Only these bytes.
    pub range: Option<ByteRange>,
    /// Discontinuity sequence number.
    pub discontinuity: u64,
    /// `EXT-X-DISCONTINUITY` precedes it.
    pub discontinuous: bool,
    /// It is missing (`EXT-X-GAP`).
    pub gap: bool,
    /// Declared bitrate (`EXT-X-BITRATE`), kbit/s; 0 if none.
    pub kbps: u32,
    /// Declared wall-clock time of its start (`EXT-X-PROGRAM-DATE-TIME`).
    pub wall: Option<WallTime>,
    /// Which of [`Reader::inits`](super::Reader::inits) it needs first.
    pub init: Option<usize>,
    /// Which of [`Reader::keys`](super::Reader::keys) it is encrypted with.
    pub keys: Option<usize>,
    /// Tiles of an image playlist (`EXT-X-TILES`), as written; empty if none.
    pub tiles: &'a str,
    /// Where its line with the URI begins, bytes.
    pub at: usize,
}

/// A partial segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part<'a> {
    /// Media sequence number of its segment.
    pub number: u64,
    /// Its place in the segment, from 0.
    pub index: usize,
    /// With its variables replaced.
    pub uri: Cow<'a, str>,
    /// Where it starts, from the start of the first segment.
    pub start: MediaTime,
    /// Its duration.
    pub duration: MediaTime,
    /// Only these bytes.
    pub range: Option<ByteRange>,
    /// Decoding may begin here.
    pub independent: bool,
    /// It is missing.
    pub gap: bool,
    /// Discontinuity sequence number.
    pub discontinuity: u64,
    /// Which of [`Reader::inits`](super::Reader::inits) it needs first.
    pub init: Option<usize>,
    /// Which of [`Reader::keys`](super::Reader::keys) it is encrypted with.
    pub keys: Option<usize>,
    /// Where its line begins, bytes.
    pub at: usize,
}

/// What concerns a whole media playlist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tags {
    /// `EXT-X-VERSION`; 1 if not declared.
    pub version: u32,
    /// `EXT-X-TARGETDURATION`: no segment is longer, rounded.
    pub target_duration: Option<MediaTime>,
    /// `EXT-X-PART-INF`: no part is longer.
    pub part_target: Option<MediaTime>,
    /// `EXT-X-MEDIA-SEQUENCE`: number of the first segment.
    pub media_sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: u64,
    /// `EXT-X-PLAYLIST-TYPE`: `VOD` or `EVENT`; empty if not declared.
    pub playlist_type: String,
    /// `EXT-X-ENDLIST`: it will not grow.
    pub ended: bool,
    /// `EXT-X-I-FRAMES-ONLY`: each segment is one picture.
    pub i_frames_only: bool,
    /// `EXT-X-IMAGES-ONLY`: each segment is an image of tiles.
    pub images_only: bool,
    /// `EXT-X-INDEPENDENT-SEGMENTS`: every segment can be decoded by itself.
    pub independent_segments: bool,
    /// `EXT-X-START`: where to begin, from the start or from the end if negative, and whether exactly there.
    pub start: Option<(MediaTime, bool)>,
    /// `EXT-X-SERVER-CONTROL`.
    pub server_control: ServerControl,
    /// `EXT-X-SKIP`: how many segments of the version before are not repeated.
    pub skipped: Option<u64>,
    /// Ids of date ranges that were dropped (`RECENTLY-REMOVED-DATERANGES`).
    pub removed_date_ranges: Vec<String>,
    /// `EXT-X-DATERANGE`.
    pub date_ranges: Vec<DateRange>,
    /// `EXT-X-PRELOAD-HINT`.
    pub preload_hints: Vec<PreloadHint>,
    /// `EXT-X-RENDITION-REPORT`.
    pub rendition_reports: Vec<RenditionReport>,
    /// The first `EXT-X-TILES`: images have the same grid throughout.
    pub tiles: Option<Tiles>,
}

/// `EXT-X-TILES` of the Image Media Playlist specification: an image is a grid of tiles, which follow each other in time from left to
/// right and from top to bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Width and height of a tile, pixels, if declared (`RESOLUTION`).
    pub resolution: Option<(u32, u32)>,
    /// Columns and rows (`LAYOUT`); at least one of each.
    pub layout: (u32, u32),
    /// How long a tile is shown, if declared (`DURATION`); else tiles have equal shares of their image's time.
    pub duration: Option<MediaTime>,
}

impl Tiles {
    /// Reads the attributes of the tag; `None` if it has no `LAYOUT` that can be used.
    pub fn read(list: &str) -> Option<Self> {
        let (mut resolution, mut layout, mut duration) = (None, None, None);
        for (name, value) in attributes(list) {
            let pair = || {
                let (across, down) = value.split_once(['x', 'X'])?;
                let (across, down): (u32, u32) = (across.parse().ok()?, down.parse().ok()?);
                (across > 0 && down > 0).then_some((across, down))
            };
            match name {
                "RESOLUTION" => resolution = pair(),
                "LAYOUT" => layout = pair().filter(|(columns, rows)| *columns.max(rows) <= 1000),
                "DURATION" => duration = seconds(value).filter(|duration| *duration > MediaTime::ZERO),
                _ => {}
            }
        }
        layout.map(|layout| Self {
            resolution,
            layout,
            duration,
        })
    }
}

impl Tags {
    /// It was said before the first segment that it will not grow.
    pub(super) fn ended_early(&self) -> bool {
        self.playlist_type == "VOD"
    }
}

/// `EXT-X-SERVER-CONTROL`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerControl {
    /// The server answers a request for a version to come when it is there.
    pub can_block_reload: bool,
    /// Delta updates skip segments that are older than this.
    pub can_skip_until: Option<MediaTime>,
    /// They skip date ranges, too.
    pub can_skip_date_ranges: bool,
    /// How far behind the end to play.
    pub hold_back: Option<MediaTime>,
    /// The same with parts.
    pub part_hold_back: Option<MediaTime>,
}

/// What will be needed next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PreloadHint {
    /// An initialization section, not a part.
    pub is_map: bool,
    /// Absolute URL.
    pub url: String,
    /// First byte of it.
    pub start: u64,
    /// How many bytes; to the end if not declared.
    pub length: Option<u64>,
}

/// How far another rendition is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenditionReport {
    /// Absolute URL of its playlist.
    pub url: String,
    /// Its last segment, complete or not.
    pub last_number: Option<u64>,
    /// The last part of that.
    pub last_part: Option<u64>,
}
