//! A media playlist is read or refused; its segments follow each other.
#![no_main]

mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::manifest::hls::MediaPlaylist;

/// Bytes of heap.
const MOST: usize = 16 << 20;

fuzz_target!(|text: &[u8]| heap::within(MOST, || read(text)));

fn read(text: &[u8]) {
    let Ok(playlist) = MediaPlaylist::read(text, "https://host.example/a/media.m3u8", None) else { return };
    let mut end = playlist.index.start();
    for position in 0..playlist.index.len() {
        let segment = playlist.index.get(position).expect("it is within the list");
        assert_eq!(segment.start, end);
        assert!(segment.resource.url.starts_with("http"));
        end = segment.end;
    }
    assert_eq!(end, playlist.index.end());
}
