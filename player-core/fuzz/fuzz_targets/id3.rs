//! ID3 tags are read up to where one cannot be; what their frames hold is in proportion to them.
#![no_main]

mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::media::id3::parse;

/// Bytes of heap.
const MOST: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| heap::within(MOST, || read(bytes)));

fn read(bytes: &[u8]) {
    let Ok((frames, read)) = parse(bytes) else { return };
    assert!((10..=bytes.len()).contains(&read) && frames.len() <= 256);
    let mut held = 0;
    for frame in &frames {
        assert!(frame.id.len() == 4 && frame.id.is_ascii());
        held += frame.description.len() + frame.text.len() + frame.data.len();
        let _ = frame.transport_stream_timestamp();
    }
    assert!(held <= 3 * read);
    // Alone they are the same.
    assert_eq!(parse(&bytes[..read]), Ok((frames, read)));
}
