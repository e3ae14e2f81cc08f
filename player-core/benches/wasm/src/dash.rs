//! DASH.

#![allow(unsafe_code, reason = "raw exports")]

use player_core::manifest::dash::Mpd;

use crate::{KEPT, Kept, URL, keep, text};

/// Reads an MPD, and keeps it for what follows it.
///
/// # Safety
/// See [`crate::discard`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read_dash(start: *mut u8, length: usize) -> u32 {
    let text = unsafe { text(start, length) };
    // Not `manifest::parse`, which would bring the HLS reader with it.
    keep(Mpd::parse(&text, URL).and_then(|mpd| {
        let presentation = mpd.presentation()?;
        Ok(Kept::Mpd(Box::new((mpd, presentation))))
    }))
}

/// Takes a newer text over into the MPD that is kept.
///
/// # Safety
/// See [`crate::discard`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn refresh_dash(start: *mut u8, length: usize) -> u32 {
    let text = unsafe { text(start, length) };
    KEPT.with_borrow_mut(|kept| {
        let Kept::Mpd(kept) = kept else { return 0 };
        let (mpd, presentation) = &mut **kept;
        let read = mpd.refresh(&text, URL).and_then(|()| mpd.presentation());
        match read {
            Ok(newer) => {
                *presentation = newer;
                1
            }
            Err(_) => 0,
        }
    })
}

/// Applies a patch to the MPD that is kept, for the sake of the size.
///
/// # Safety
/// See [`crate::discard`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn patch_dash(start: *mut u8, length: usize) -> u32 {
    let text = unsafe { text(start, length) };
    KEPT.with_borrow_mut(|kept| match kept {
        Kept::Mpd(kept) => u32::from(kept.0.patch(&text).is_ok()),
        _ => 0,
    })
}
