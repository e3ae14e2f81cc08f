//! WebVTT, for the sake of the size: cues with their markup, and sprites.

#![allow(unsafe_code, reason = "raw exports")]

use std::hint::black_box;

use player_core::text::webvtt::WebVtt;
use player_core::thumbnails::Sprites;
use player_core::time::MediaTime;

use crate::{URL, text};

/// Reads a file of cues.
///
/// # Safety
/// See [`crate::discard`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read_vtt(start: *mut u8, length: usize) -> u32 {
    let text = unsafe { text(start, length) };
    let Ok(vtt) = WebVtt::parse(&text) else { return 0 };
    for cue in vtt.cues() {
        black_box(&cue);
        cue.markup().for_each(|piece| {
            black_box(piece);
        });
    }
    1
}

/// Reads a file of sprites.
///
/// # Safety
/// See [`crate::discard`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read_sprites(start: *mut u8, length: usize) -> u32 {
    let text = unsafe { text(start, length) };
    let Ok(vtt) = WebVtt::parse(&text) else { return 0 };
    let sprites = Sprites::new(vtt, URL);
    u32::from(black_box(sprites.thumbnail_at(MediaTime::ZERO)).is_some())
}
