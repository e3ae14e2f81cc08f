//! A media playlist and newer versions of it, separated by a line `---`: whatever they say, the segments that are kept follow each
//! other, and a version that is refused changes nothing.
#![no_main]

mod heap;
mod versions;

use libfuzzer_sys::fuzz_target;
use player_core::manifest::hls::MediaPlaylist;

const URL: &str = "https://host.example/a/media.m3u8";

/// Bytes of heap: a copy of what was before is kept to compare with.
const MOST: usize = 32 << 20;

fuzz_target!(|text: &[u8]| heap::within(MOST, || read(text)));

fn read(text: &[u8]) {
    let mut versions = versions::split(text).into_iter();
    let Ok(mut playlist) = MediaPlaylist::read(versions.next().unwrap_or_default(), URL, None) else { return };
    for version in versions.take(8) {
        let before = playlist.clone();
        match playlist.refresh(version, URL) {
            Ok(_) => check(&playlist),
            Err(_) => assert_eq!(playlist, before),
        }
    }
}

fn check(playlist: &MediaPlaylist) {
    let mut end = playlist.index.start();
    let mut number = None;
    for position in 0..playlist.index.len() {
        let segment = playlist.index.get(position).expect("it is within the list");
        assert_eq!(segment.start, end);
        assert!(number.is_none_or(|number| segment.number == number + 1));
        assert!(segment.init.is_none_or(|init| init < playlist.index.inits.len()));
        assert!(segment.keys.is_none_or(|keys| keys < playlist.index.keys.len()));
        assert!(segment.resource.url.starts_with("http"));
        (end, number) = (segment.end, Some(segment.number));
    }
    assert_eq!(end, playlist.index.end());
}
