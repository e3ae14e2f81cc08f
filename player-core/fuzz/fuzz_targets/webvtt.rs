//! A WebVTT file is read or refused; its cues can be asked for everything, elements are balanced, and it can be a list of sprites.
#![no_main]

mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::MediaTime;
use player_core::text::webvtt::{Piece, WebVtt};
use player_core::thumbnails::Sprites;

/// Bytes of heap.
const MOST: usize = 16 << 20;

fuzz_target!(|text: &[u8]| heap::within(MOST, || read(text)));

fn read(text: &[u8]) {
    let Ok(vtt) = WebVtt::parse(text) else { return };
    // NUL and bytes that are no UTF-8 become three.
    let longest = 3 * text.len();
    assert!(vtt.warnings.len() <= 100 && vtt.len() <= text.len());
    assert!(vtt.header().chain(vtt.styles()).map(str::len).sum::<usize>() <= longest);
    let mut total = 0;
    for cue in vtt.cues() {
        total += cue.id.len() + cue.text.len();
        assert!((0.0..=100.0).contains(&cue.settings.size));
        if let Some(map) = vtt.timestamp_map {
            let _ = map.media_time(cue.start, cue.end);
        }
        let mut open = Vec::new();
        let mut length = 0;
        for piece in cue.markup() {
            match piece {
                Piece::Open(element) => open.push(element.tag),
                Piece::Close(tag) => assert_eq!(open.pop(), Some(tag)),
                Piece::Text(text) => length += text.len(),
                Piece::Time(_) => {}
            }
            assert!(open.len() <= 32);
        }
        assert!(open.is_empty() && length <= 3 * cue.text.len());
    }
    assert!(total <= longest);
    let sprites = Sprites::new(vtt, "https://host.example/a/thumbs.vtt");
    for position in [0, 1, sprites.len() / 2, sprites.len().saturating_sub(1), sprites.len(), usize::MAX] {
        let Some(thumbnail) = sprites.get(position) else { continue };
        assert!(thumbnail.start < thumbnail.end && thumbnail.resource.url.starts_with("http"));
        assert_eq!(sprites.thumbnail_at(thumbnail.start).as_ref(), Some(&thumbnail));
        assert_eq!(sprites.thumbnail_at(thumbnail.end - MediaTime::from_micros(1)), Some(thumbnail));
    }
}
