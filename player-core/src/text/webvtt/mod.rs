//! WebVTT (W3C, *WebVTT: The Web Video Text Tracks Format*): subtitles, captions, chapters, and thumbnails by the sprite.
//!
//! Read as the parser of the specification reads (section 6): what is malformed is passed over, and told in
//! [`WebVtt::warnings`]. The text is kept once and cues are slices of it, so that a cue takes some forty bytes and its settings
//! and markup are worked out when they are asked for.
//!
//! ```
//! use player_core::text::webvtt::{Piece, WebVtt};
//!
//! let vtt = WebVtt::parse(b"WEBVTT\n\n00:01.000 --> 00:02.500 align:start\n<v Ann>Fish &amp; chips")?;
//! let cue = vtt.cue(0).ok_or("no cue")?;
//! assert_eq!((cue.start.as_millis(), cue.end.as_millis()), (1000, 2500));
//! let said: String = cue.markup().filter_map(|p| if let Piece::Text(text) = p { Some(text) } else { None }).collect();
//! assert_eq!(said, "Fish & chips");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod markup;
mod reader;
mod settings;
mod timestamp;

pub use markup::{Element, Markup, Piece, Tag};
pub(crate) use settings::decimal;
pub use settings::{Align, Edge, LinePosition, Region, Settings, Side, Vertical};
pub use timestamp::TimestampMap;
pub(super) use timestamp::whole as timestamp;

use crate::presentation::Warning;
use crate::time::MediaTime;

/// The most text that is read, bytes: what follows is left out, with a warning.
pub const MAX_BYTES: usize = 10 * 1024 * 1024;
/// The most cues that are read: what follows is left out, with a warning.
pub const MAX_CUES: usize = 250_000;
/// The most regions, and the most style sheets, that are read.
pub const MAX_BLOCKS: usize = 100;

/// A text that is no WebVTT at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebVttError {
    /// The answer was a web page.
    #[error("the server answered with a web page (HTML) instead of a WebVTT file")]
    Html,
    /// It does not begin with `WEBVTT`.
    #[error("this is no WebVTT file: it begins with \"{0}\"")]
    NotWebVtt(String),
}

/// A file that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WebVtt {
    text: String,
    title: Slice,
    header: Slice,
    styles: Vec<Slice>,
    entries: Vec<Entry>,
    /// Regions, in the order of the file. Where two have the same id, cues mean the last one.
    pub regions: Vec<Region>,
    /// How cue times and the timestamps of the media go together (HLS).
    pub timestamp_map: Option<TimestampMap>,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

/// A cue.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue<'a> {
    /// Its identifier; empty if it has none.
    pub id: &'a str,
    /// When it begins: a time of the file, which [`WebVtt::timestamp_map`] may shift.
    pub start: MediaTime,
    /// When it ends; not always later.
    pub end: MediaTime,
    /// Where it is shown.
    pub settings: Settings<'a>,
    /// Its payload as written, lines separated by LF. It is not to be taken for HTML; see [`Self::markup`].
    pub text: &'a str,
}

/// Bytes of [`WebVtt::text`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slice {
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    start: MediaTime,
    end: MediaTime,
    id: Slice,
    settings: Slice,
    text: Slice,
}

impl WebVtt {
    /// Reads a file. Bytes that are no UTF-8 become U+FFFD, and so does NUL.
    ///
    /// # Errors
    /// If it does not begin with `WEBVTT`.
    pub fn parse(bytes: &[u8]) -> Result<Self, WebVttError> {
        reader::read(bytes)
    }

    /// What stands behind `WEBVTT` in the first line.
    pub fn title(&self) -> &str {
        self.slice(self.title)
    }

    /// The lines between the first one and the first that is blank, as written.
    pub fn header(&self) -> impl Iterator<Item = &str> {
        self.slice(self.header).lines()
    }

    /// The style sheets (CSS), as written.
    pub fn styles(&self) -> impl Iterator<Item = &str> {
        self.styles.iter().map(|style| self.slice(*style))
    }

    /// How many cues there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none: most segments of a subtitle track.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A cue by its position in the file.
    pub fn cue(&self, position: usize) -> Option<Cue<'_>> {
        self.entries.get(position).map(|entry| self.resolve(entry))
    }

    /// The cues, in the order of the file.
    pub fn cues(&self) -> impl Iterator<Item = Cue<'_>> {
        self.entries.iter().map(|entry| self.resolve(entry))
    }

    /// Start and end of a cue.
    pub fn times(&self, position: usize) -> Option<(MediaTime, MediaTime)> {
        self.entries.get(position).map(|entry| (entry.start, entry.end))
    }

    /// The line, from 1, with the times of a cue. O(bytes before it).
    pub fn line(&self, position: usize) -> Option<u32> {
        let times = self.entries.get(position)?.settings;
        let before = self.text.get(..times.start as usize)?;
        Some(before.bytes().filter(|b| *b == b'\n').count() as u32 + 1)
    }

    fn resolve(&self, entry: &Entry) -> Cue<'_> {
        Cue {
            id: self.slice(entry.id),
            start: entry.start,
            end: entry.end,
            settings: Settings::parse(self.slice(entry.settings), &self.regions, &mut |_| {}),
            text: self.slice(entry.text),
        }
    }

    fn slice(&self, slice: Slice) -> &str {
        slice.of(&self.text)
    }
}

impl<'a> Cue<'a> {
    /// The payload's text and elements, entities resolved. A renderer makes text nodes of the texts and elements of its own of the
    /// elements: nothing in a payload is ever HTML.
    pub fn markup(&self) -> Markup<'a> {
        Markup::new(self.text)
    }
}

impl Slice {
    fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}
