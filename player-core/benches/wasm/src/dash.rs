//! DASH.

#![allow(unsafe_code, reason = "raw exports")]

use player_core::manifest;

use crate::{Kept, URL, keep, text};

/// Reads an MPD.
///
/// # Safety
/// See [`crate::discard`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read_dash(start: *mut u8, length: usize) -> u32 {
    let text = unsafe { text(start, length) };
    // Not `manifest::parse`, which would bring the HLS reader with it.
    let Ok(text) = str::from_utf8(&text) else { return 0 };
    keep(manifest::dash::parse(text, URL).map(|read| Kept::Presentation(read.into())))
}

/// Reads a newer text of the MPD that is kept.
///
/// # Safety
/// See [`crate::discard`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refresh_dash(start: *mut u8, length: usize) -> u32 {
    unsafe { read_dash(start, length) }
}
