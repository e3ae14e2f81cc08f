//! HLS: media playlists, and multivariant ones for the sake of the size.

#![allow(unsafe_code, reason = "raw exports")]

use player_core::manifest;
use player_core::manifest::hls::MediaPlaylist;

use crate::{KEPT, Kept, URL, keep, text};

/// Reads a media playlist.
///
/// # Safety
/// See [`crate::discard`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read_hls(start: *mut u8, length: usize) -> u32 {
    let text = unsafe { text(start, length) };
    keep(MediaPlaylist::read(&text, URL, None).map(|read| Kept::Playlist(read.into())))
}

/// Takes a newer text over into the media playlist that is kept, in place.
///
/// # Safety
/// See [`crate::discard`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refresh_hls(start: *mut u8, length: usize) -> u32 {
    let text = unsafe { text(start, length) };
    KEPT.with_borrow_mut(|kept| match kept {
        Kept::Playlist(playlist) => {
            let refreshed = playlist.refresh(&text, URL);
            u32::from(refreshed.is_ok_and(|refreshed| !refreshed.discontinued))
        }
        _ => 0,
    })
}

/// How many parts are listed of the media playlist that is kept: those that may still be asked for.
#[unsafe(no_mangle)]
pub extern "C" fn parts() -> usize {
    KEPT.with_borrow(|kept| match kept {
        Kept::Playlist(playlist) => playlist.parts.len(),
        _ => 0,
    })
}

/// Reads a multivariant playlist.
///
/// # Safety
/// See [`crate::discard`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read_multivariant(start: *mut u8, length: usize) -> u32 {
    let text = unsafe { text(start, length) };
    let Ok(text) = str::from_utf8(&text) else { return 0 };
    keep(manifest::hls::parse(text, URL).map(|read| Kept::Multivariant(read.into())))
}
