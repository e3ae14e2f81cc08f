//! The manifest readers alone as Wasm, for `scripts/bench-manifest`: raw exports over linear memory, so that there is as little
//! as possible between the readers and JavaScript.
//!
//! JavaScript asks [`room`] for a text, writes it there and calls a reader. That takes the text's memory back, answers 1 if it could
//! be read, and keeps what it read until the next one or [`release`]. A refresh is the same with a newer text of what is kept.

#![allow(
    unsafe_code,
    reason = "raw exports and the memory that JavaScript writes into"
)]

#[cfg(feature = "dash")]
pub mod dash;
pub mod heap;
#[cfg(feature = "hls")]
pub mod hls;
#[cfg(feature = "lists")]
pub mod lists;
#[cfg(feature = "vtt")]
pub mod vtt;

use std::cell::RefCell;

use player_core::presentation::SegmentIndex;
#[cfg(any(feature = "dash", feature = "hls"))]
use player_core::presentation::{Presentation, SegmentSource};

/// Where everything was fetched from.
#[cfg(any(feature = "dash", feature = "hls", feature = "lists", feature = "vtt"))]
const URL: &str = "https://cdn.example.com/live/channel/manifest";

/// What was read last.
enum Kept {
    Nothing,
    #[cfg(feature = "hls")]
    Playlist(Box<player_core::manifest::hls::MediaPlaylist>),
    #[cfg(feature = "hls")]
    Multivariant(Box<Presentation>),
    #[cfg(feature = "dash")]
    Mpd(Box<(player_core::manifest::dash::Mpd, Presentation)>),
}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept::Nothing) };
    static URL_READ: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Memory for a text of so many bytes. It belongs to the caller until it is handed to a reader.
#[unsafe(no_mangle)]
pub extern "C" fn room(length: usize) -> *mut u8 {
    let mut text = Vec::with_capacity(length);
    let start = text.as_mut_ptr();
    std::mem::forget(text);
    start
}

/// Drops a text unread: what it costs to hand one over.
///
/// # Safety
/// As for every export that takes a text: `start` comes from [`room`] for `length` bytes, all of them are written, and it is given
/// back here and nowhere else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn discard(start: *mut u8, length: usize) {
    drop(unsafe { text(start, length) });
}

unsafe fn text(start: *mut u8, length: usize) -> Vec<u8> {
    unsafe { Vec::from_raw_parts(start, length, length) }
}

/// Drops what is kept.
#[unsafe(no_mangle)]
pub extern "C" fn release() {
    KEPT.replace(Kept::Nothing);
    URL_READ.take();
}

/// How many segments the nth rendition of what is kept has.
#[unsafe(no_mangle)]
pub extern "C" fn segments(rendition: usize) -> usize {
    look(rendition, SegmentIndex::len).unwrap_or(0)
}

/// From the start of its first segment to the end of its last one.
#[unsafe(no_mangle)]
pub extern "C" fn seconds(rendition: usize) -> f64 {
    look(rendition, |index| (index.end() - index.start()).as_secs_f64()).unwrap_or(0.0)
}

/// The URL of a segment; it stays where it is until the next call. Its length is [`url_length`].
#[unsafe(no_mangle)]
pub extern "C" fn url(rendition: usize, position: usize) -> *const u8 {
    let segment = look(rendition, |index| index.get(position)).flatten();
    URL_READ.set(segment.map_or(String::new(), |segment| segment.resource.url));
    URL_READ.with_borrow(|url| url.as_ptr())
}

/// Length of the last [`url`], bytes.
#[unsafe(no_mangle)]
pub extern "C" fn url_length() -> usize {
    URL_READ.with_borrow(String::len)
}

fn look<T>(rendition: usize, at: impl FnOnce(&SegmentIndex) -> T) -> Option<T> {
    KEPT.with_borrow(|kept| kept.index(rendition).map(at))
}

impl Kept {
    #[cfg_attr(not(any(feature = "dash", feature = "hls")), expect(unused_variables))]
    fn index(&self, rendition: usize) -> Option<&SegmentIndex> {
        match self {
            Self::Nothing => None,
            #[cfg(feature = "hls")]
            Self::Playlist(playlist) => (rendition == 0).then_some(&playlist.index),
            #[cfg(feature = "hls")]
            Self::Multivariant(presentation) => listed(presentation, rendition),
            #[cfg(feature = "dash")]
            Self::Mpd(read) => listed(&read.1, rendition),
        }
    }
}

#[cfg(any(feature = "dash", feature = "hls"))]
fn listed(presentation: &Presentation, rendition: usize) -> Option<&SegmentIndex> {
    let tracks = presentation.periods.iter().flat_map(|period| &period.tracks);
    let mut renditions = tracks.flat_map(|track| &track.renditions);
    match &renditions.nth(rendition)?.source {
        SegmentSource::Index(index) => Some(index),
        _ => None,
    }
}

/// Keeps what a reader gave.
#[cfg(any(feature = "dash", feature = "hls"))]
fn keep<E>(read: Result<Kept, E>) -> u32 {
    match read {
        Ok(kept) => {
            KEPT.replace(kept);
            1
        }
        Err(_) => 0,
    }
}
