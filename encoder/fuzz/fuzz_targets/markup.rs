//! Text of SubRip, ASS and WebVTT becomes cue text that a WebVTT reader understands. The first byte says which, the second how ASS
//! begins.
#![no_main]

mod cues;
#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;

use encoder::fuzzing::text;
use libfuzzer_sys::fuzz_target;

/// Bytes of heap: no cue is long.
const MOST: usize = 2 << 20;

fuzz_target!(|bytes: &[u8]| {
    let [kind, style, rest @ ..] = bytes else { return };
    let given = String::from_utf8_lossy(rest);
    heap::within(MOST + 8 * bytes.len(), || read(*kind, *style, &given));
});

fn read(kind: u8, style: u8, given: &str) {
    let (text, settings) = match kind % 4 {
        3 => {
            let (header, event) = given.split_once('\0').unwrap_or(("", given));
            text::event(header, event)
        }
        dialect => text::convert(given, dialect, style),
    };
    assert!(
        text.len() <= 64 * given.len().min(4096) + 64,
        "{} bytes",
        text.len()
    );
    if text.is_empty() {
        return;
    }
    cues::check(&settings, &text);
    // It is WebVTT now, which is not changed any more.
    let (again, _) = text::convert(&text, 2, 0);
    // What is too long to be an element is read as text.
    let is_short = |part: &str| part.find('>').is_none_or(|end| end <= 200);
    if text.len() <= 4096 && text.split('<').all(is_short) {
        assert_eq!(again, text);
    }
}
