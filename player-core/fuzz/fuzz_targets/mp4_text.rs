//! Text in MP4: an initialization section, behind four bytes with its length, and a segment; or a segment alone.
#![no_main]

mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::text::{MAX_CUES, Seen, mp4};

/// Bytes of heap.
const MOST: usize = 32 << 20;

fuzz_target!(|bytes: &[u8]| heap::within(MOST, || {
    let _ = mp4::read(bytes, None);
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else {
        return;
    };
    let Some((init, segment)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize) else {
        return;
    };
    let Ok(cues) = mp4::read(segment, Some(init)) else {
        return;
    };
    assert!(cues.cues.len() <= MAX_CUES && cues.warnings.len() <= 100);
    let mut seen = Seen::default();
    for cue in &cues.cues {
        assert!(cue.start < cue.end);
        seen.is_new(cue);
        assert!(!seen.is_new(cue));
    }
}));
