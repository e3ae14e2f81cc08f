//! Sprite sheets: many small pictures in one JPEG file, a grid in the order of time.

use ffmpeg_next::software::scaling;
use ffmpeg_next::{format, frame};
use serde::{Deserialize, Serialize};

use super::album::Album;
use super::features::Planes;
use super::jpeg;
use super::plan::{fit, usual_interval_s};
use crate::error::EncodeError;
use crate::storage::Output;

/// A track of sprite sheets, as the manifests need it.
///
/// All sheets are full and all tiles last equally long, so that players that divide a sheet's time by its tiles (DASH) and
/// players that are told a tile's time (HLS) show the same. The interval is therefore a little shorter than what was asked
/// for. Times are in microseconds from the film's start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageTrack {
    /// The folder of the files, and the Representation's id.
    pub(crate) name: String,
    /// Tiles across.
    pub(crate) columns: u32,
    /// Tiles down.
    pub(crate) rows: u32,
    /// Pixels across a tile.
    pub(crate) tile_width: u32,
    /// Pixels down a tile.
    pub(crate) tile_height: u32,
    /// How long a tile is shown.
    pub(crate) tile_us: u64,
    /// Of the film.
    pub(crate) duration_us: u64,
    /// The sheets, in order.
    pub(crate) images: Vec<ImageFile>,
}

/// One sheet: `<name>/<number>.jpg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageFile {
    /// Counted from 1.
    pub(crate) number: u32,
    pub(crate) start_us: u64,
    pub(crate) duration_us: u64,
    pub(crate) bytes: u64,
}

impl ImageTrack {
    pub(crate) fn tiles(&self) -> u32 {
        self.columns * self.rows
    }

    /// Pixels across a sheet.
    pub(crate) fn width(&self) -> u32 {
        self.columns * self.tile_width
    }

    /// Pixels down a sheet.
    pub(crate) fn height(&self) -> u32 {
        self.rows * self.tile_height
    }

    /// Time of a whole sheet.
    pub(crate) fn image_us(&self) -> u64 {
        self.tile_us * u64::from(self.tiles())
    }

    /// Bits per second of the sheet that has most.
    pub(crate) fn peak_bps(&self) -> u64 {
        let rates = self
            .images
            .iter()
            .map(|image| rate(image.bytes, image.duration_us));
        rates.max().unwrap_or(0)
    }

    /// Bits per second of all sheets.
    pub(crate) fn average_bps(&self) -> u64 {
        rate(
            self.images.iter().map(|image| image.bytes).sum(),
            self.duration_us,
        )
    }

    /// The tiles of a sheet: where they are, and from when to when each is shown.
    pub(super) fn tiles_of(&self, image: &ImageFile) -> impl Iterator<Item = Tile> {
        let end_us = image.start_us + image.duration_us;
        (0..self.tiles()).map(move |tile| {
            let start_us = image.start_us + u64::from(tile) * self.tile_us;
            Tile {
                x: tile % self.columns * self.tile_width,
                y: tile / self.columns * self.tile_height,
                start_us: start_us.min(end_us),
                end_us: (start_us + self.tile_us).min(end_us),
            }
        })
    }
}

/// A tile of a sheet.
pub(super) struct Tile {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) start_us: u64,
    pub(super) end_us: u64,
}

/// Writes the sheets of a film that lasts `duration_us` into the folder `name` of `output`.
///
/// `interval_s` is about how long a tile is shown; without it, 2, 5 or 10 seconds by the film's length. The longer side of
/// a tile has `tile_side` pixels, or what was tapped if that is less.
pub(crate) fn write(
    album: &mut Album,
    name: &str,
    duration_us: u64,
    interval_s: Option<f64>,
    tile_side: u32,
    output: &dyn Output,
) -> Result<ImageTrack, EncodeError> {
    let mut track = lay_out(album, name, duration_us, interval_s, tile_side);
    let kept = album.kept();
    let plan = album.plan();
    let fail = |source| EncodeError::Filter {
        graph: format!("scale={}:{}", track.tile_width, track.tile_height),
        source,
    };
    let mut scaler = scaling::Context::get(
        format::Pixel::YUVJ420P,
        plan.width,
        plan.height,
        format::Pixel::YUVJ420P,
        track.tile_width,
        track.tile_height,
        scaling::Flags::AREA,
    )
    .map_err(fail)?;
    for image in track.images.clone() {
        let mut sheet = frame::Video::new(format::Pixel::YUVJ420P, track.width(), track.height());
        for tile in track.tiles_of(&image) {
            let middle_ms = u64::midpoint(tile.start_us, tile.end_us) / 1000;
            let Some(planes) = nearest(&kept, middle_ms).map_or(Ok(None), |number| album.planes(number))?
            else {
                continue;
            };
            let mut small = frame::Video::empty();
            scaler.run(&picture(&planes), &mut small).map_err(fail)?;
            paste(&mut sheet, &small, tile.x, tile.y);
        }
        let bytes = jpeg::encode(&sheet, QUANTIZER)?;
        output.write(&format!("{name}/{}.jpg", image.number), &bytes)?;
        if let Some(listed) = track.images.get_mut(image.number as usize - 1) {
            listed.bytes = bytes.len() as u64;
        }
    }
    Ok(track)
}

/// A frame of planes without padding.
pub(super) fn picture(planes: &Planes) -> frame::Video {
    let mut picture = frame::Video::new(format::Pixel::YUVJ420P, planes.width, planes.height);
    let mut rest = planes.bytes.as_slice();
    for plane in 0..3 {
        let shift = u32::from(plane > 0);
        let (across, down) = (
            (planes.width >> shift) as usize,
            (planes.height >> shift) as usize,
        );
        let stride = picture.stride(plane).max(1);
        for row in picture.data_mut(plane).chunks_mut(stride).take(down) {
            let (from, others) = rest.split_at(across.min(rest.len()));
            rest = others;
            if let Some(row) = row.get_mut(..from.len()) {
                row.copy_from_slice(from);
            }
        }
    }
    picture
}

/// The grid and the times. As many sheets as there must be, all full, with the fewest tiles that will do.
pub(super) fn lay_out(
    album: &Album,
    name: &str,
    duration_us: u64,
    interval_s: Option<f64>,
    tile_side: u32,
) -> ImageTrack {
    let duration_us = duration_us.max(1);
    let seconds = duration_us as f64 / 1e6;
    let interval_s = interval_s.unwrap_or_else(|| usual_interval_s(seconds)).max(0.5);
    // A whisker less, so that rounding does not cost a tile.
    let wanted = ((seconds / interval_s - 1e-6).ceil() as u64).clamp(1, MAX_TILES);
    let sheets = wanted.div_ceil(MAX_SIDE * MAX_SIDE);
    let (columns, rows) = grid(wanted.div_ceil(sheets));
    let tile_us = duration_us.div_ceil(sheets * columns * rows);
    let image_us = tile_us * columns * rows;
    let plan = album.plan();
    let (tile_width, tile_height) = fit((plan.width, plan.height), tile_side.max(16));
    let images = (0..duration_us.div_ceil(image_us)).map(|index| ImageFile {
        number: index as u32 + 1,
        start_us: index * image_us,
        duration_us: image_us.min(duration_us - index * image_us),
        bytes: 0,
    });
    ImageTrack {
        name: name.to_owned(),
        columns: columns as u32,
        rows: rows as u32,
        tile_width,
        tile_height,
        tile_us,
        duration_us,
        images: images.collect(),
    }
}

/// Columns and rows for at least `tiles`: the fewest tiles, then the most like a square.
fn grid(tiles: u64) -> (u64, u64) {
    let sizes = (1..=MAX_SIDE).flat_map(|rows| (rows..=MAX_SIDE).map(move |columns| (columns, rows)));
    sizes
        .filter(|(columns, rows)| columns * rows >= tiles)
        .min_by_key(|(columns, rows)| (columns * rows, columns - rows))
        .unwrap_or((MAX_SIDE, MAX_SIDE))
}

/// Of the kept pictures, the number of the one nearest to a time.
fn nearest(kept: &[(u64, usize)], time_ms: u64) -> Option<usize> {
    let after = kept.partition_point(|(at, _)| *at < time_ms);
    let around = [
        after.checked_sub(1).and_then(|before| kept.get(before)),
        kept.get(after),
    ];
    around
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| at.abs_diff(time_ms))
        .map(|(_, number)| *number)
}

fn paste(sheet: &mut frame::Video, tile: &frame::Video, x: u32, y: u32) {
    for plane in 0..3 {
        let shift = u32::from(plane > 0);
        let across = (tile.width() >> shift) as usize;
        let (left, top) = ((x >> shift) as usize, (y >> shift) as usize);
        let (stride, from_stride) = (sheet.stride(plane).max(1), tile.stride(plane).max(1));
        let rows = tile
            .data(plane)
            .chunks(from_stride)
            .take((tile.height() >> shift) as usize);
        for (row, into) in rows.zip(sheet.data_mut(plane).chunks_mut(stride).skip(top)) {
            if let (Some(from), Some(into)) = (row.get(..across), into.get_mut(left..left + across)) {
                into.copy_from_slice(from);
            }
        }
    }
}

fn rate(bytes: u64, duration_us: u64) -> u64 {
    (u128::from(bytes) * 8_000_000).div_ceil(u128::from(duration_us.max(1))) as u64
}

/// Tiles across and down, at most.
const MAX_SIDE: u64 = 10;
const MAX_TILES: u64 = 100_000;
const QUANTIZER: i32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_waste_little() {
        assert_eq!(grid(1), (1, 1));
        assert_eq!(grid(7), (7, 1));
        assert_eq!(grid(11), (4, 3));
        assert_eq!(grid(50), (10, 5));
        assert_eq!(grid(90), (10, 9));
        assert_eq!(grid(97), (10, 10));
        for tiles in 1..=100 {
            let (columns, rows) = grid(tiles);
            assert!(columns * rows - tiles <= tiles.div_ceil(5), "{tiles}");
        }
    }

    #[test]
    fn the_nearest_picture_is_found() {
        let kept = [(0, 0), (1000, 2), (2000, 4)];
        assert_eq!(nearest(&kept, 499), Some(0));
        assert_eq!(nearest(&kept, 1600), Some(4));
        assert_eq!(nearest(&kept, 9999), Some(4));
        assert_eq!(nearest(&[], 0), None);
    }
}
