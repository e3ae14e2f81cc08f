//! Sprite sheets in manifests: a WebVTT file, an HLS image playlist, a DASH adaptation set. All list the same tiles.

use std::fmt::Write;

use super::sheets::ImageTrack;
use crate::manifest::xml::Element;

/// A WebVTT file of thumbnails: each cue names a tile as a media fragment (`#xywh=`). `folder` leads from the file to the
/// sheets: empty or with a slash at its end.
pub(crate) fn webvtt(track: &ImageTrack, folder: &str) -> String {
    let mut text = String::from("WEBVTT\n");
    let (width, height) = (track.tile_width, track.tile_height);
    for image in &track.images {
        for tile in track.tiles_of(image) {
            let (start_ms, end_ms) = (tile.start_us / 1000, tile.end_us / 1000);
            if start_ms < end_ms {
                let (x, y, number) = (tile.x, tile.y, image.number);
                let (start, end) = (timestamp(start_ms), timestamp(end_ms));
                let url = format!("{folder}{number}.jpg#xywh={x},{y},{width},{height}");
                add(&mut text, format_args!("\n{start} --> {end}\n{url}\n"));
            }
        }
    }
    text
}

/// The image playlist of the *HLS Image Media Playlist* specification (Roku, Disney, WarnerMedia). `folder` leads from the
/// playlist to the sheets.
pub(crate) fn hls_playlist(track: &ImageTrack, folder: &str) -> String {
    let longest_us = track
        .images
        .iter()
        .map(|image| image.duration_us)
        .max()
        .unwrap_or(0);
    let target_s = (longest_us.div_ceil(1_000_000)).max(1);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target_s}\n#EXT-X-MEDIA-SEQUENCE:1\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-IMAGES-ONLY\n"
    );
    let tiles = format!(
        "#EXT-X-TILES:RESOLUTION={}x{},LAYOUT={}x{},DURATION={}",
        track.tile_width,
        track.tile_height,
        track.columns,
        track.rows,
        seconds(track.tile_us)
    );
    for image in &track.images {
        let (duration, number) = (seconds(image.duration_us), image.number);
        add(
            &mut text,
            format_args!("#EXTINF:{duration},\n{tiles}\n{folder}{number}.jpg\n"),
        );
    }
    text + "#EXT-X-ENDLIST\n"
}

/// The line of the multivariant playlist that names the image playlist `uri`.
pub(crate) fn hls_stream_inf(track: &ImageTrack, uri: &str) -> String {
    format!(
        "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},RESOLUTION={}x{},CODECS=\"jpeg\",URI=\"{uri}\"\n",
        track.peak_bps(),
        track.average_bps(),
        track.tile_width,
        track.tile_height
    )
}

/// The adaptation set of thumbnails (DASH-IF IOP 4.3, 6.2.6). `id` is the set's; `folder` leads from the MPD to the sheets.
pub(crate) fn dash_adaptation_set(track: &ImageTrack, id: usize, folder: &str) -> Element {
    let grid = format!("{}x{}", track.columns, track.rows);
    let tiles = Element::new("EssentialProperty")
        .with("schemeIdUri", "http://dashif.org/guidelines/thumbnail_tile")
        .with("value", grid);
    let representation = Element::new("Representation")
        .with("id", &track.name)
        .with("bandwidth", track.peak_bps())
        .with("width", track.width())
        .with("height", track.height())
        .child(tiles);
    let template = Element::new("SegmentTemplate")
        .with("media", format!("{folder}$Number$.jpg"))
        .with("startNumber", 1)
        .with("timescale", 1_000_000)
        .with("duration", track.image_us());
    Element::new("AdaptationSet")
        .with("id", id)
        .with("contentType", "image")
        .with("mimeType", "image/jpeg")
        .child(template)
        .child(representation)
}

/// Exact seconds without needless zeros.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    let text = text.trim_end_matches('0');
    text.trim_end_matches('.').to_owned()
}

fn timestamp(ms: u64) -> String {
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", ms / 1000 % 60, ms % 1000)
}

fn add(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = text.write_fmt(arguments);
}
