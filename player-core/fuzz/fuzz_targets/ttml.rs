//! A TTML document is read or refused; its cues have balanced markup and settings that WebVTT understands.
#![no_main]

mod heap;
mod text;

use libfuzzer_sys::fuzz_target;
use player_core::text::ttml;

/// Bytes of heap.
const MOST: usize = 32 << 20;

fuzz_target!(|bytes: &[u8]| heap::within(MOST, || {
    if let Ok(cues) = ttml::read(bytes) {
        // Text that is there all the time is repeated at each change in its paragraph.
        text::check(&cues, 32 * (4 * bytes.len() + (1 << 20)));
    }
}));
