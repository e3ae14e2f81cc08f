//! Thumbnails for the seek bar: which part of which image shows the picture at a time.
//!
//! They come as sprites that a WebVTT file lists ([`Sprites`]), or as images that are grids of tiles and listed like segments
//! ([`thumbnail_at`]): DASH thumbnail adaptation sets, HLS image playlists. Where there are none, I-frame playlists and trick-mode sets
//! have pictures as pieces of video, which fast-forward shows too ([`fast_forward`]). [`Thumbnails`] are all of these of a load.

mod fragment;
mod listing;
mod sprites;
mod store;
mod trick_play;

pub use listing::{MAX_LISTED, to_webvtt};
pub use sprites::Sprites;
pub use store::{Found, Frame, Need, Picture, SourceId, ThumbnailError, Thumbnails};
pub use trick_play::{Shot, fast_forward};

use crate::manifest::hls::MediaPlaylist;
use crate::presentation::{ImageTrack, Resource, SegmentSource};
use crate::time::MediaTime;

/// A part of an image, and what it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Thumbnail {
    /// The image.
    pub resource: Resource,
    /// The part of it.
    pub area: Area,
    /// It stands for the time from here
    pub start: MediaTime,
    /// to here.
    pub end: MediaTime,
}

/// A part of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Area {
    /// In percent of the image's width and height.
    Percent {
        /// Left edge.
        x: f64,
        /// Upper edge.
        y: f64,
        /// Width.
        width: f64,
        /// Height.
        height: f64,
    },
    /// In pixels of the image.
    Pixels {
        /// Left edge.
        x: u32,
        /// Upper edge.
        y: u32,
        /// Width.
        width: u32,
        /// Height.
        height: u32,
    },
    /// All of it.
    #[default]
    Whole,
}

/// The tile that shows the picture at `t`; `None` in a hole, past the ends, and as long as the playlist of the images has not been read
/// ([`ImageTrack::with_playlist`]). The tiles of an image have equal shares of its time (DASH-IF IOP 4.3, 6.2.6) unless their duration is
/// declared. O(log segments).
pub fn thumbnail_at(track: &ImageTrack, t: MediaTime) -> Option<Thumbnail> {
    let SegmentSource::Index(index) = &track.source else {
        return None;
    };
    let segment = index.get(index.position_at(t))?;
    let image = segment.start.as_micros()..segment.end.as_micros();
    (image.contains(&t.as_micros()) && !segment.gap).then_some(())?;
    let (columns, rows) = (track.tiles.0.max(1), track.tiles.1.max(1));
    let count = i128::from(columns) * i128::from(rows);
    let (start, end) = (i128::from(image.start), i128::from(image.end));
    // How long all of them would be shown: the last image of a playlist may have fewer.
    let span = match track.tile_duration {
        Some(each) => i128::from(each.as_micros().max(1)) * count,
        None => end - start,
    };
    // The last one that begins no later than t. Beginnings are rounded down.
    let begins = |tile: i128| (start + span * tile / count).min(end);
    let tile = ((i128::from(t.as_micros()) - start + 1) * count - 1) / span;
    // If the image lasts longer than its tiles, the last one does.
    let is_last = tile >= count - 1;
    let tile = tile.min(count - 1);
    let (column, row) = (tile % i128::from(columns), tile / i128::from(columns));
    Some(Thumbnail {
        resource: segment.resource,
        area: area(track, column as u32, row as u32),
        start: MediaTime::from_micros(begins(tile) as i64),
        end: MediaTime::from_micros(if is_last { end } else { begins(tile + 1) } as i64),
    })
}

impl ImageTrack {
    /// The track with what its own playlist says (HLS): its images, and the grid of tiles that each of them is.
    #[must_use]
    pub fn with_playlist(mut self, playlist: MediaPlaylist) -> Self {
        if let Some(tiles) = playlist.tags.tiles {
            let (columns, rows) = tiles.layout;
            let (width, height) = tiles.resolution.unwrap_or((self.width, self.height));
            self.tiles = (columns, rows);
            (self.width, self.height) = (width.saturating_mul(columns), height.saturating_mul(rows));
            self.tile_duration = tiles.duration;
        }
        self.source = SegmentSource::Index(playlist.index);
        self
    }
}

fn area(track: &ImageTrack, column: u32, row: u32) -> Area {
    let (columns, rows) = (track.tiles.0.max(1), track.tiles.1.max(1));
    if (columns, rows) == (1, 1) {
        return Area::Whole;
    }
    let (width, height) = (track.width / columns, track.height / rows);
    if width == 0 || height == 0 {
        let (width, height) = (100.0 / f64::from(columns), 100.0 / f64::from(rows));
        return Area::Percent {
            x: width * f64::from(column),
            y: height * f64::from(row),
            width,
            height,
        };
    }
    Area::Pixels {
        x: width * column,
        y: height * row,
        width,
        height,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::presentation::SegmentIndexBuilder;
    use crate::time::Bitrate;

    fn track(tiles: (u32, u32), size: (u32, u32), seconds: &[i64]) -> ImageTrack {
        let mut builder = SegmentIndexBuilder::new(MediaTime::from_millis(2000));
        for (i, s) in seconds.iter().enumerate() {
            let resource = Resource {
                url: format!("https://h/{i}.jpg"),
                range: None,
            };
            builder.push(MediaTime::from_millis(s * 1000), resource, None, i == 2);
        }
        ImageTrack {
            id: "t".into(),
            container: "image/jpeg".into(),
            bandwidth: Bitrate::from_bps(1000),
            width: size.0,
            height: size.1,
            tiles,
            tile_duration: None,
            source: SegmentSource::Index(builder.build(MediaTime::ZERO)),
        }
    }

    #[test]
    fn tiles_follow_each_other_from_left_to_right_and_from_top_to_bottom() {
        let track = track((4, 3), (640, 270), &[120, 60, 12]);
        let at = |ms| thumbnail_at(&track, MediaTime::from_millis(ms));
        assert_eq!(at(1999), None);
        let first = at(2000).unwrap();
        let area = |x, y| Area::Pixels {
            x,
            y,
            width: 160,
            height: 90,
        };
        assert_eq!(
            (first.resource.url.as_str(), first.area),
            ("https://h/0.jpg", area(0, 0))
        );
        assert_eq!((first.start.as_millis(), first.end.as_millis()), (2000, 12_000));
        assert_eq!(at(11_999).unwrap(), first);
        assert_eq!(at(12_000).unwrap().area, area(160, 0));
        assert_eq!(at(42_000).unwrap().area, area(0, 90));
        assert_eq!(at(121_999).unwrap().area, area(480, 180));
        // A shorter image has shorter shares.
        let second = at(122_000 + 5001).unwrap();
        assert_eq!((second.area, second.start.as_millis()), (area(160, 0), 127_000));
        assert_eq!(at(183_000), None, "a gap has no thumbnail");
        assert_eq!(at(194_000), None);
    }

    #[test]
    fn every_moment_is_in_its_tile() {
        let track = track((7, 1), (0, 0), &[1]);
        for us in 0..1000 {
            let t = MediaTime::from_micros(2_000_000 + us * 1000 + us % 7);
            let thumbnail = thumbnail_at(&track, t).unwrap();
            assert!(thumbnail.start <= t && t < thumbnail.end, "{t:?} {thumbnail:?}");
            let Area::Percent { x, width, .. } = thumbnail.area else {
                panic!("the size is not known");
            };
            assert!(x + width <= 100.001);
        }
    }

    #[test]
    fn the_playlist_of_images_says_how_they_are_cut() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:60\n#EXT-X-IMAGES-ONLY\n#EXT-X-TILES:RESOLUTION=160x90,LAYOUT=3x2,DURATION=10\n\
            #EXTINF:60,\n0.jpg\n#EXT-X-TILES:RESOLUTION=160x90,LAYOUT=3x2,DURATION=10\n#EXTINF:25,\n1.jpg\n#EXTINF:70,\n2.jpg\n#EXT-X-ENDLIST\n";
        let playlist = MediaPlaylist::read(text.as_bytes(), "https://h/i.m3u8", None).unwrap();
        let before = ImageTrack {
            source: SegmentSource::Playlist("https://h/i.m3u8".into()),
            ..track((1, 1), (160, 90), &[1])
        };
        assert_eq!(thumbnail_at(&before, MediaTime::ZERO), None);
        let track = before.with_playlist(playlist);
        assert_eq!((track.tiles, track.width, track.height), ((3, 2), 480, 180));
        let at = |ms| {
            let found = thumbnail_at(&track, MediaTime::from_millis(ms)).unwrap();
            let Area::Pixels {
                x,
                y,
                width: 160,
                height: 90,
            } = found.area
            else {
                panic!("{found:?}");
            };
            (x, y, found.start.as_millis(), found.end.as_millis())
        };
        assert_eq!(at(0), (0, 0, 0, 10_000));
        assert_eq!(at(59_999), (320, 90, 50_000, 60_000));
        // The second image has two and a half, the third one more time than tiles.
        assert_eq!(at(80_000), (320, 0, 80_000, 85_000));
        assert_eq!(at(84_999), (320, 0, 80_000, 85_000));
        assert_eq!(at(154_000), (320, 90, 135_000, 155_000));
    }

    #[test]
    fn grids_that_cannot_be_are_harmless() {
        let url = |tiles, size| {
            thumbnail_at(&track(tiles, size, &[1]), MediaTime::from_millis(2999)).map(|t| t.area)
        };
        assert_eq!(url((0, 0), (10, 10)), Some(Area::Whole));
        assert!(matches!(
            url((u32::MAX, u32::MAX), (10, 10)),
            Some(Area::Percent { .. })
        ));
        let mut not_read = track((1, 1), (1, 1), &[1]);
        not_read.source = SegmentSource::Playlist("https://h/images.m3u8".into());
        assert_eq!(thumbnail_at(&not_read, MediaTime::from_millis(2500)), None);
    }
}
