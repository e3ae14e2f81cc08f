//! A look into fragmented MP4 ends, reads no byte twice but box headers, and what it finds can be asked.
#![no_main]

mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::media::fmp4::look;
use player_core::media::isobmff::check;

/// Bytes of heap.
const MOST: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| heap::within(MOST, || read(bytes)));

fn read(bytes: &[u8]) {
    let copy = |offset: u64, into: &mut [u8]| {
        let rest = usize::try_from(offset).ok().and_then(|o| bytes.get(o..)).unwrap_or_default();
        for (to, from) in into.iter_mut().zip(rest) {
            *to = *from;
        }
    };
    let mut bodies = 0;
    let (integrity, facts) = look(bytes.len() as u64, |offset, into| {
        if into.len() != 16 {
            bodies += into.len();
        }
        copy(offset, into);
    });
    assert!(bodies <= bytes.len());
    assert_eq!(integrity, check(bytes.len() as u64, copy));
    assert!(facts.tracks.len() <= 64 && facts.starts.len() <= 64);
    assert!(facts.events.len() <= 64 && facts.clocks.len() <= 64);
    assert!(facts.events.iter().all(|event| event.timescale > 0));
    if let Some(keys) = &facts.protection {
        assert!(keys.tracks.len() <= 64 && keys.fragment_keys.len() <= 64 && keys.pssh.len() <= 16);
        assert!(keys.pssh.iter().map(Vec::len).sum::<usize>() <= 64 << 10);
    }
    let _ = (facts.start(&[]), facts.mime());
}
