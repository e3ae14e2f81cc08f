//! JSON, for the sake of the size: content steering and asset lists.

#![allow(unsafe_code, reason = "raw exports")]

use std::hint::black_box;

use player_core::manifest::{interstitial, steering};

use crate::{URL, text};

/// Reads a steering manifest.
///
/// # Safety
/// See [`crate::discard`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read_steering(start: *mut u8, length: usize) -> u32 {
    let text = unsafe { text(start, length) };
    u32::from(black_box(steering::parse(&text, URL)).is_ok())
}

/// Reads a list of assets.
///
/// # Safety
/// See [`crate::discard`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read_assets(start: *mut u8, length: usize) -> u32 {
    let text = unsafe { text(start, length) };
    u32::from(black_box(interstitial::parse_assets(&text, URL)).is_ok())
}
