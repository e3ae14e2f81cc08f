//! Thumbnails.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use std::path::Path;

use super::album::Album;
use super::features::Features;
use super::plan::Plan;
use super::poster::rank;
use super::sheets::{self, ImageTrack};
use super::{hls_playlist, webvtt};

/// The grid, its times and what manifests say of them.
#[derive(Clone, Debug)]
pub struct Sheets {
    /// Tiles across and down, and pixels across and down each.
    pub grid: [u32; 4],
    pub tile_us: u64,
    /// When each sheet is shown, and for how long.
    pub images: Vec<(u64, u64)>,
    pub webvtt: String,
    pub hls: String,
}

/// The sides of what is tapped of a film, and how often it is kept, in milliseconds.
pub fn plan(size: (u32, u32), duration_s: Option<f64>, interval_s: Option<f64>) -> (u32, u32, u64) {
    let plan = Plan::new(size, duration_s, interval_s);
    (plan.width, plan.height, plan.keep_ms)
}

/// Bytes of what is measured of a picture.
pub const FEATURES: usize = Features::BYTES;

/// Reads a work file of tapped pictures. Its pictures' times, which of them are kept, and the best for a poster; then the sheets.
pub fn album(
    path: &Path,
    duration_us: u64,
    interval_s: Option<f64>,
    tile_side: u32,
) -> Option<(Vec<(u64, bool)>, Vec<u64>, Sheets)> {
    let mut album = Album::open(&[path.to_owned()]).ok()??;
    let kept = album.kept();
    for (_, number) in &kept {
        album.planes(*number).expect("it was there a moment ago");
    }
    let is_kept = |number: usize| kept.iter().any(|(_, kept)| *kept == number);
    let pictures = album.pictures().iter().enumerate();
    let times = pictures
        .map(|(number, picture)| (picture.time_ms, is_kept(number)))
        .collect();
    let best = rank(album.pictures()).iter().map(|best| best.time_ms).collect();
    let track = sheets::lay_out(&album, "thumbnails", duration_us, interval_s, tile_side);
    Some((times, best, sheets_of(&track)))
}

fn sheets_of(track: &ImageTrack) -> Sheets {
    Sheets {
        grid: [track.columns, track.rows, track.tile_width, track.tile_height],
        tile_us: track.tile_us,
        images: track
            .images
            .iter()
            .map(|image| (image.start_us, image.duration_us))
            .collect(),
        webvtt: webvtt(track, "thumbnails/"),
        hls: hls_playlist(track, "../thumbnails/"),
    }
}
