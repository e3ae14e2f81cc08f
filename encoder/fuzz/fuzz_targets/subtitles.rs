//! A file of subtitles is read, whatever it is. Its cues are in order and can be written as WebVTT that a player reads without a
//! warning, and that is read again as the same.
#![no_main]

mod cues;
#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;

use std::collections::BTreeSet;

use encoder::fuzzing::text::Track;
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside.
const MOST: (usize, usize) = (256, 4 << 20);

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    let Some((&kind, bytes)) = bytes.split_first() else {
        return;
    };
    if kind & 2 != 0 {
        // What one stage left to the other.
        for track in Track::all_of_json(bytes).unwrap_or_default() {
            assert!(Track::all_of_json(&track.to_json()).is_some_and(|again| again == [track]));
        }
        return;
    }
    let track = Track::read(bytes, kind & 1 == 1);
    assert!(Track::all_of_json(&track.to_json()).is_some_and(|again| again == std::slice::from_ref(&track)));
    assert!(track.warnings().len() <= 20);
    assert!(track.cues().is_sorted_by_key(|(start, end, ..)| (start, end)));
    assert!(track.cues().all(|(start, end, ..)| start < end));
    let ids: BTreeSet<_> = track.cues().map(|(_, _, id, ..)| id).collect();
    assert_eq!(ids.len(), track.cues().count(), "an id is there twice");
    let written = track.whole(u64::MAX);
    let vtt = cues::read(&written);
    assert_eq!(vtt.len(), track.cues().count());
    for (cue, (start, end, id, _, text)) in vtt.cues().zip(track.cues()) {
        assert_eq!((cue.id, cue.text), (id, text));
        assert_eq!(cue.start.as_micros(), start as i64 * 1000);
        assert_eq!(cue.end.as_micros(), end as i64 * 1000);
        cues::check_markup(&cue);
    }
    let again = Track::read(&written, true);
    let is_short = |part: &str| part.find('>').is_none_or(|end| end <= 200);
    if track
        .cues()
        .all(|(.., text)| text.len() <= 4096 && text.split('<').all(is_short))
        && track.cues().count() > 0
    {
        assert!(again.cues().eq(track.cues()));
        assert_eq!(again.preamble(), track.preamble());
    }
}
