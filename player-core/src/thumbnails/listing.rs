//! All thumbnails of a load as one list, as the previews of seek bars want it.

use super::{Area, Found, Sprites, Thumbnail, thumbnail_at};
use crate::presentation::{ImageTrack, SegmentSource};
use crate::time::MediaTime;

/// The most thumbnails of a list.
pub const MAX_LISTED: usize = 5000;

/// A list in the making.
#[derive(Default)]
pub(super) struct Listing(Vec<Thumbnail>);

impl Listing {
    pub(super) fn add_sprites(&mut self, sprites: &Sprites) {
        self.add(sprites.len() as u64, &|n| sprites.get(n as usize));
    }

    pub(super) fn add_track(&mut self, track: &ImageTrack) {
        let SegmentSource::Index(index) = &track.source else {
            return;
        };
        let tiles = u64::from(track.tiles.0.max(1)).saturating_mul(track.tiles.1.max(1).into());
        let total = (index.len() as u64).saturating_mul(tiles);
        self.add(total, &|n| {
            let (start, end) = index.times((n / tiles) as usize)?;
            let (start, end) = (i128::from(start.as_micros()), i128::from(end.as_micros()));
            let span = match track.tile_duration {
                Some(each) => i128::from(each.as_micros().max(1)) * i128::from(tiles),
                None => end - start,
            };
            let begin = start + span * i128::from(n % tiles) / i128::from(tiles);
            if begin >= end {
                return None;
            }
            let mut found = thumbnail_at(track, MediaTime::from_micros(begin as i64))?;
            if found.area == Area::Whole && track.width > 0 && track.height > 0 {
                let (width, height) = (track.width, track.height);
                found.area = Area::Pixels {
                    x: 0,
                    y: 0,
                    width,
                    height,
                };
            }
            Some(found)
        });
    }

    /// Adds some of `total`: each one that is left out is stood for by the one before.
    fn add(&mut self, total: u64, get: &dyn Fn(u64) -> Option<Thumbnail>) {
        let room = (MAX_LISTED - self.0.len()) as u64;
        if room == 0 {
            return;
        }
        let stride = total.div_ceil(room).max(1);
        let first = self.0.len();
        let mut n = 0;
        while n < total {
            // A part of a file has no URL of its own.
            if let Some(found) = get(n).filter(|found| found.resource.range.is_none()) {
                let before = self.0.get_mut(first..).and_then(<[_]>::last_mut);
                if let Some(before) = before.filter(|_| stride > 1) {
                    before.end = found.start;
                }
                self.0.push(found);
            }
            n = n.saturating_add(stride);
        }
    }

    pub(super) fn found(self) -> Found<Vec<Thumbnail>> {
        if self.0.is_empty() {
            Found::Nothing
        } else {
            Found::Here(self.0)
        }
    }
}

impl Thumbnail {
    /// The URL of the image, with the part of it as a media fragment: `https://h/a.jpg#xywh=160,0,160,90`.
    pub fn url(&self) -> String {
        let mut url = self.resource.url.clone();
        let mut numbers = |before: &str, numbers: [u64; 4]| {
            for (i, number) in numbers.into_iter().enumerate() {
                url.push_str(if i == 0 { before } else { "," });
                url.push_str(&number.to_string());
            }
        };
        match self.area {
            Area::Whole => {}
            Area::Pixels { x, y, width, height } => numbers("#xywh=", [x, y, width, height].map(u64::from)),
            Area::Percent { x, y, width, height } => {
                url.push_str("#xywh=percent:");
                for (i, number) in [x, y, width, height].into_iter().enumerate() {
                    if i > 0 {
                        url.push(',');
                    }
                    push_decimal(&mut url, number);
                }
            }
        }
        url
    }
}

/// A number from 0 to 100 with up to four decimals.
fn push_decimal(into: &mut String, number: f64) {
    let scaled = (number.clamp(0.0, 100.0) * 1e4 + 0.5) as u32;
    into.push_str(&(scaled / 10_000).to_string());
    let mut fraction = scaled % 10_000;
    let mut place = 1000;
    if fraction > 0 {
        into.push('.');
    }
    while fraction > 0 {
        into.push(char::from(b'0' + (fraction / place) as u8));
        fraction %= place;
        place /= 10;
    }
}

/// A WebVTT file of thumbnails: a cue each, with its URL. What lies before zero is left out.
pub fn to_webvtt(thumbnails: &[Thumbnail]) -> String {
    let mut text = String::from("WEBVTT\n");
    for thumbnail in thumbnails
        .iter()
        .filter(|thumbnail| thumbnail.end > MediaTime::ZERO)
    {
        text.push('\n');
        push_time(&mut text, thumbnail.start);
        text.push_str(" --> ");
        push_time(&mut text, thumbnail.end);
        text.push('\n');
        text.push_str(&thumbnail.url());
        text.push('\n');
    }
    text
}

/// A WebVTT timestamp: hours, minutes, seconds and milliseconds.
fn push_time(into: &mut String, time: MediaTime) {
    let ms = time.as_millis().max(0);
    let hours = ms / 3_600_000;
    if hours < 10 {
        into.push('0');
    }
    into.push_str(&hours.to_string());
    for (before, number, digits) in [
        (':', ms / 60_000 % 60, 10),
        (':', ms / 1000 % 60, 10),
        ('.', ms % 1000, 100),
    ] {
        into.push(before);
        let mut place = digits;
        while place > 0 {
            into.push(char::from(b'0' + (number / place % 10) as u8));
            place /= 10;
        }
    }
}
