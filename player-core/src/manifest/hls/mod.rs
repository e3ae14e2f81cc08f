//! HTTP Live Streaming (RFC 8216 and its successor, rfc8216bis).

mod define;
mod items;
mod key;
mod lexer;
mod media;
pub mod multivariant;
mod reader;
mod warnings;

pub use define::{Definition, Origin};
pub use items::{
    Item, MediaSegment, Part as PartialSegment, PreloadHint, RenditionReport, ServerControl, Tags, Tiles,
};
pub use lexer::attributes;
pub use media::{MediaPlaylist, Part, Refreshed};
pub use multivariant::Multivariant;
pub use reader::Reader;

use super::ManifestError;
use crate::input::TrackKind;
use crate::presentation::{Live, Period, Presentation, Protocol, Rendition, SegmentSource, Track};
use crate::time::{Bitrate, MediaTime};

/// Reads a multivariant or media playlist that was fetched from `url`.
///
/// # Errors
/// If nothing in it can be played.
pub fn parse(text: &str, url: &str) -> Result<Presentation, ManifestError> {
    if lexer::lines(text)
        .any(|line| line.text.starts_with("#EXTINF") || line.text.starts_with("#EXT-X-TARGETDURATION"))
    {
        return Ok(alone(MediaPlaylist::read(text.as_bytes(), url, None)?));
    }
    multivariant::parse(text, url)
}

/// The presentation of a media playlist without a multivariant one: nothing is declared of its codecs.
fn alone(playlist: MediaPlaylist) -> Presentation {
    let live = (!playlist.ended()).then(Live::default);
    let duration = playlist.ended().then(|| playlist.duration());
    let rendition = Rendition {
        id: "0".into(),
        bandwidth: Bitrate::from_bps(0),
        average_bandwidth: None,
        container: playlist.container.to_owned(),
        codecs: String::new(),
        width: 0,
        height: 0,
        frame_rate: 0.0,
        audio_group: String::new(),
        source: SegmentSource::Index(playlist.index),
        ..Rendition::default()
    };
    let track = Track {
        kind: TrackKind::Video,
        id: "video".into(),
        language: String::new(),
        label: String::new(),
        renditions: vec![rendition],
        ..Track::default()
    };
    Presentation {
        protocol: Protocol::Hls,
        duration,
        live,
        periods: vec![Period {
            id: String::new(),
            start: MediaTime::ZERO,
            duration,
            tracks: vec![track],
            ..Period::default()
        }],
        segment_table: None,
        warnings: playlist.warnings,
        ..Presentation::default()
    }
}
