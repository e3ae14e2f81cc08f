//! An event message is read or refused; one that is an ID3 tag can be asked for its frames.
#![no_main]

mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::media::emsg::Emsg;

/// Bytes of heap.
const MOST: usize = 1 << 20;

fuzz_target!(|body: &[u8]| heap::within(MOST, || read(body)));

fn read(body: &[u8]) {
    let Ok(event) = Emsg::parse(body) else { return };
    assert!(event.timescale > 0 && event.data.len() < body.len());
    // What is no UTF-8 becomes three bytes.
    assert!(event.scheme.len() + event.value.len() <= 3 * body.len());
    let tag = Emsg {
        scheme: "https://aomedia.org/emsg/ID3".into(),
        ..event
    };
    assert!(tag.id3().is_none_or(|frames| frames.len() <= 256));
}
