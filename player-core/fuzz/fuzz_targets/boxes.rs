//! The look at a response's top-level boxes ends, whatever the boxes say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use player_core::media::isobmff::check;

fuzz_target!(|bytes: &[u8]| {
    let mut reads = 0;
    let _ = check(bytes.len() as u64, |offset, into| {
        reads += 1;
        assert!(reads <= 4096);
        let rest = usize::try_from(offset).ok().and_then(|o| bytes.get(o..)).unwrap_or_default();
        for (to, from) in into.iter_mut().zip(rest) {
            *to = *from;
        }
    });
});
