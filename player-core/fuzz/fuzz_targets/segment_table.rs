//! A segment table is read or refused; what was read can be asked for any segment of any rendition.
#![no_main]

use libfuzzer_sys::fuzz_target;
use player_core::manifest::table::parse;

fuzz_target!(|text: &[u8]| {
    let Ok(table) = parse(text, "https://host.example/a/segments.json") else { return };
    let found = [
        table.of_playlist("https://host.example/a/hls/720p.m3u8"),
        table.of_playlist("https://host.example/a/hls/720p.m3u8?token=1"),
        table.of_playlist(""),
        table.of_representation("720p"),
        table.of_representation(""),
    ];
    for sizes in found.into_iter().flatten() {
        for position in [0, 1, sizes.len() / 2, sizes.len().saturating_sub(1), sizes.len(), usize::MAX] {
            assert!(sizes.bytes(position).is_none_or(|bytes| bytes > 0 && position < sizes.len()));
            assert!(sizes.quality(position).is_none_or(|q| (0.0..=100.0).contains(&q) && position < sizes.len()));
        }
    }
});
