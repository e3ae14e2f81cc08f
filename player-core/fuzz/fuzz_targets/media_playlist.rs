//! A media playlist is read or refused; its segments follow each other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use player_core::manifest::hls::MediaPlaylist;

fuzz_target!(|text: &[u8]| {
    let Ok(playlist) = MediaPlaylist::read(text, "https://host.example/a/media.m3u8", None) else { return };
    let mut end = playlist.index.start();
    for position in 0..playlist.index.len() {
        let segment = playlist.index.get(position).expect("it is within the list");
        assert_eq!(segment.start, end);
        assert!(segment.resource.url.starts_with("http"));
        end = segment.end;
    }
    assert_eq!(end, playlist.index.end());
});
