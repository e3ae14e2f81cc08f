//! MPEG-TS for HLS beside CMAF for DASH.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Bench, frame_sums};
use encoder::vod;

#[test]
fn hls_plays_the_same_frames_from_transport_streams() {
    let bench = Bench::new();
    let source = bench.sample(5, 320, 180);
    let mut options = bench.options(&source, "180p:200k,120p:100k:av1,audio:64k");
    options.packaging.hls_ts = true;
    vod::encode(&options, &mut |_| {}).unwrap();
    let out = bench.path("out");
    assert_eq!(
        frame_sums(&out.join("hls/180p.m3u8"), "0:v"),
        frame_sums(&bench.joined("180p"), "0:v")
    );
    let text = fs::read_to_string(out.join("hls/180p.m3u8")).unwrap();
    assert!(
        text.contains("../180p/3.ts") && !text.contains("EXT-X-MAP"),
        "{text}"
    );
    // What a transport stream does not carry stays CMAF.
    let text = fs::read_to_string(out.join("hls/120p-av1.m3u8")).unwrap();
    assert!(
        text.contains("../120p-av1/3.m4s") && text.contains("EXT-X-MAP"),
        "{text}"
    );
    let mpd = fs::read_to_string(out.join("dash/manifest.mpd")).unwrap();
    assert!(!mpd.contains(".ts\"") && mpd.contains("$Number$.m4s"));

    let table = fs::read(out.join("segments.json")).unwrap();
    let table = player_core::manifest::table::parse(&table, "https://h/v/segments.json").unwrap();
    let size = |path: &str| fs::metadata(out.join(path)).unwrap().len();
    let in_hls = table.of_playlist("https://h/v/hls/180p.m3u8").unwrap();
    let in_dash = table.of_representation("180p").unwrap();
    assert_eq!(in_hls.bytes(1), Some(size("180p/2.ts")));
    assert_eq!(in_dash.bytes(1), Some(size("180p/2.m4s")));

    // Each I-frame can be decoded from its range alone.
    let text = fs::read_to_string(out.join("hls/180p.iframes.m3u8")).unwrap();
    let ranges = text
        .lines()
        .filter_map(|line| line.strip_prefix("#EXT-X-BYTERANGE:"));
    let files = text.lines().filter(|line| line.ends_with(".ts"));
    for (index, (range, file)) in ranges.zip(files).enumerate() {
        let (bytes, start) = range.split_once('@').unwrap();
        let (bytes, start): (usize, usize) = (bytes.parse().unwrap(), start.parse().unwrap());
        let whole = fs::read(out.join("hls").join(file)).unwrap();
        let path = bench.path(&format!("{index}.ts"));
        fs::write(&path, &whole[start..start + bytes]).unwrap();
        assert_eq!(frame_sums(&path, "0:v").len(), 1, "{range}");
    }

    options.packaging.single_file = true;
    options.force = true;
    let error = vod::encode(&options, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("--hls-ts"), "{error}");
}
