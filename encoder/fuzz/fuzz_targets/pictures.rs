//! Work files of tapped pictures are read as far as they are whole; sheets of any film are full, in order, and what manifests say of
//! them is read again by a player.
#![no_main]

#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;
mod input;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use encoder::fuzzing::pictures::{self, FEATURES, Sheets};
use libfuzzer_sys::fuzz_target;
use player_core::manifest::hls::MediaPlaylist;
use player_core::text::webvtt::WebVtt;
use player_core::thumbnails::{Area, Sprites};

/// Bytes of heap: a hundred thousand tiles have their lines in two files.
const MOST: usize = 128 << 20;

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("encoder-fuzz-pictures-{}", std::process::id())));

fuzz_target!(|bytes: &[u8]| {
    let mut input = input::Input(bytes);
    let (flags, tile_side) = (input.u8(), u32::from(input.u16()));
    let (duration_us, interval_s) = (input.u64() % (1 << 46), f64::from_bits(input.u64()));
    let interval_s = (flags & 1 != 0).then_some(interval_s);
    let size = (input.u32(), input.u32());
    let file = match flags & 2 {
        0 => input.0.to_vec(),
        _ => recorded(&mut input),
    };
    fs::write(&*FILE, &file).expect("a file");
    heap::within(MOST, || {
        let (width, height, keep_ms) = pictures::plan(size, Some(duration_us as f64 / 1e6), interval_s);
        assert!(width.is_multiple_of(2) && height.is_multiple_of(2) && keep_ms > 0);
        assert!((16..=320).contains(&width) && (16..=320).contains(&height));
        let Some((times, best, sheets)) = pictures::album(&FILE, duration_us, interval_s, tile_side) else {
            return;
        };
        assert!(times.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(times.len() * (9 + FEATURES + 4) <= file.len());
        assert!(!best.is_empty() && best.iter().all(|best| times.iter().any(|(time, _)| time == best)));
        // What has as many tiles is looked at only now and then.
        if duration_us < 1 << 36 {
            check(&sheets, duration_us.max(1));
        }
    });
});

/// A whole work file of pictures of 2×2 pixels.
fn recorded(input: &mut input::Input<'_>) -> Vec<u8> {
    let mut file = b"HGTHUMB1\x02\0\0\0\x02\0\0\0".to_vec();
    file.extend((1 + u32::from(input.u16())).to_le_bytes());
    let mut time = 0;
    while !input.is_empty() {
        let is_kept = input.u8() & 1;
        time += 1 + input.any() % (1 << 32);
        file.push(is_kept);
        file.extend(time.to_le_bytes());
        for _ in 0..8 {
            file.extend(f32::from(input.u8()).to_le_bytes());
        }
        let measures = input.bytes(FEATURES - 32);
        file.extend(
            measures
                .iter()
                .copied()
                .chain(std::iter::repeat(0))
                .take(FEATURES - 32),
        );
        file.extend(&[9; 6][..if is_kept == 1 { 6 } else { 0 }]);
        file.extend(b"\xf5end");
    }
    file
}

/// Sheets follow each other to the end; a player finds every tile inside its sheet.
fn check(sheets: &Sheets, duration_us: u64) {
    let [columns, rows, width, height] = sheets.grid;
    assert!((1..=10).contains(&columns) && (1..=10).contains(&rows));
    assert!(width.is_multiple_of(2) && height.is_multiple_of(2) && width > 0 && height > 0);
    let mut end = 0;
    for (start, duration) in &sheets.images {
        assert!(*start == end && *duration > 0);
        end = start + duration;
    }
    assert_eq!(end, duration_us);
    let whole = sheets.tile_us * u64::from(columns * rows);
    assert!(
        sheets
            .images
            .iter()
            .rev()
            .skip(1)
            .all(|(_, duration)| *duration == whole)
    );
    let url = "https://host.example/thumbnails.vtt";
    let vtt = WebVtt::parse(sheets.webvtt.as_bytes()).expect("it is WebVTT");
    assert!(vtt.warnings.is_empty());
    let sprites = Sprites::new(vtt, url);
    for position in 0..sprites.len().min(300) {
        let tile = sprites.get(position).expect("it is there");
        let Area::Pixels {
            x,
            y,
            width: w,
            height: h,
        } = tile.area
        else {
            panic!("a tile without a place")
        };
        assert!((w, h) == (width, height) && x + w <= columns * width && y + h <= rows * height);
    }
    let url = "https://host.example/hls/thumbnails.m3u8";
    let read = MediaPlaylist::read(sheets.hls.as_bytes(), url, None).expect("a playlist");
    assert!(read.warnings.is_empty(), "{:?}", read.warnings);
    assert_eq!(read.index.len(), sheets.images.len());
}
