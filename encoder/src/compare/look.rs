//! A look at an encoding's packets, before it is decoded: where its segments are, and their bytes.

use ffmpeg_next::codec::packet::side_data::Type;

use super::found::{Found, encrypted, failed};
use crate::decode::next_packet;
use crate::error::EncodeError;
use crate::source;

/// What an encoding is.
#[derive(Clone, Debug)]
pub(super) struct Looked {
    pub(super) codec: String,
    /// As shown.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_hdr: bool,
    pub(super) fps: f64,
    pub(super) duration_s: f64,
    pub(super) bytes: u64,
    /// In order of time.
    pub(super) segments: Vec<Part>,
}

/// A segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) start_s: f64,
    pub(super) end_s: f64,
    pub(super) bytes: u64,
}

/// A picture's packet.
#[derive(Clone, Copy, Debug)]
struct Picture {
    /// When it is shown.
    at_s: f64,
    bytes: u64,
    /// Where it lies in the medium.
    position: u64,
    is_key: bool,
}

impl Looked {
    /// None where there are no pictures in it.
    pub(super) fn at(
        found: &Found,
        segment_s: f64,
        tick: &mut dyn FnMut() -> Result<(), EncodeError>,
    ) -> Result<Option<Self>, EncodeError> {
        let path = &found.medium.path;
        let mut opened = source::open_medium(&found.medium)?;
        let Some(video) = &opened.video else {
            return Ok(None);
        };
        let origin_s = opened.origin_us as f64 / 1e6;
        let seconds_per_tick = f64::from(video.time_base);
        let mut pictures: Vec<Picture> = Vec::new();
        let mut last_s = 0.0;
        let mut broken = 0;
        while let Some(packet) = next_packet(&mut opened.input, path, &mut broken)? {
            if packet.stream() != video.index {
                continue;
            }
            if pictures.len().is_multiple_of(TICK_EVERY) {
                tick()?;
            }
            if packet.side_data().any(|data| data.kind() == Type::EncryptionInfo) {
                return Err(encrypted(path));
            }
            let Some(pts) = packet.pts().or(packet.dts()) else {
                continue;
            };
            last_s = packet.duration() as f64 * seconds_per_tick;
            pictures.push(Picture {
                at_s: pts as f64 * seconds_per_tick - origin_s,
                bytes: packet.size() as u64,
                position: u64::try_from(packet.position()).unwrap_or(0),
                is_key: packet.is_key(),
            });
        }
        let of = |choose: fn(f64, f64) -> f64| pictures.iter().map(|picture| picture.at_s).reduce(choose);
        let Some((first_s, latest_s)) = of(f64::min).zip(of(f64::max)) else {
            return Err(failed(path, "it has no pictures"));
        };
        let fps = match latest_s > first_s {
            true => (pictures.len() - 1) as f64 / (latest_s - first_s),
            false => video.rate.fps(),
        };
        let end_s = latest_s + if last_s > 0.0 { last_s } else { 1.0 / fps };
        Ok(Some(Self {
            codec: video.decoder.id().name().to_owned(),
            width: video.width,
            height: video.height,
            is_hdr: video.colour.is_hdr(),
            fps,
            duration_s: end_s - first_s,
            bytes: pictures.iter().map(|picture| picture.bytes).sum(),
            segments: match found.cuts.is_empty() {
                true => at_key_frames(&pictures, segment_s, end_s),
                false => at_cuts(&pictures, &found.cuts, end_s),
            },
        }))
    }
}

/// Segments that begin at these bytes of the medium.
fn at_cuts(pictures: &[Picture], cuts: &[u64], end_s: f64) -> Vec<Part> {
    let mut parts: Vec<Option<Part>> = vec![None; cuts.len()];
    for picture in pictures {
        let index = cuts
            .partition_point(|cut| *cut <= picture.position)
            .saturating_sub(1);
        let Some(slot) = parts.get_mut(index) else {
            continue;
        };
        let part = slot.get_or_insert(Part {
            start_s: picture.at_s,
            end_s,
            bytes: 0,
        });
        part.start_s = part.start_s.min(picture.at_s);
        part.bytes += picture.bytes;
    }
    let mut parts: Vec<Part> = parts.into_iter().flatten().collect();
    parts.sort_by(|one, other| one.start_s.total_cmp(&other.start_s));
    close(parts, end_s)
}

/// Segments that begin at the first key frames that are at least `segment_s` apart.
fn at_key_frames(pictures: &[Picture], segment_s: f64, end_s: f64) -> Vec<Part> {
    let mut key_frames: Vec<f64> = pictures
        .iter()
        .filter(|picture| picture.is_key)
        .map(|picture| picture.at_s)
        .collect();
    key_frames.sort_by(f64::total_cmp);
    let mut starts: Vec<f64> = Vec::new();
    for at_s in key_frames {
        // A millisecond for times that were rounded.
        if starts.last().is_none_or(|last| at_s - last >= segment_s - 0.001) {
            starts.push(at_s);
        }
    }
    let parts = starts.into_iter().map(|start_s| Part {
        start_s,
        end_s,
        bytes: 0,
    });
    let mut parts = close(parts.collect(), end_s);
    for picture in pictures {
        // What is before the first key frame belongs to it.
        let index = parts
            .partition_point(|part| part.start_s <= picture.at_s + 1e-6)
            .saturating_sub(1);
        if let Some(part) = parts.get_mut(index) {
            part.bytes += picture.bytes;
        }
    }
    parts
}

/// Lets each end where the next begins.
fn close(mut parts: Vec<Part>, end_s: f64) -> Vec<Part> {
    let ends: Vec<f64> = parts.iter().skip(1).map(|part| part.start_s).collect();
    for (part, end_s) in parts.iter_mut().zip(ends.into_iter().chain([end_s])) {
        part.end_s = end_s;
    }
    parts
}

const TICK_EVERY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten pictures a second, in the order I P B B, each of a byte more than the one before.
    fn pictures() -> Vec<Picture> {
        let shown = [0, 3, 1, 2, 4, 7, 5, 6];
        let picture = |(index, at): (usize, i32)| Picture {
            at_s: f64::from(at) / 10.0,
            bytes: 10 + index as u64,
            position: 100 + index as u64 * 20,
            is_key: at % 4 == 0,
        };
        shown.into_iter().enumerate().map(picture).collect()
    }

    #[test]
    fn segments_are_by_bytes_or_by_key_frames() {
        let part = |start_s, end_s, bytes| Part {
            start_s,
            end_s,
            bytes,
        };
        let expected = [part(0.0, 0.4, 46), part(0.4, 0.8, 62)];
        assert_eq!(at_cuts(&pictures(), &[90, 175], 0.8), expected);
        assert_eq!(at_key_frames(&pictures(), 0.4, 0.8), expected);
        assert_eq!(at_key_frames(&pictures(), 0.5, 0.8), [part(0.0, 0.8, 108)]);
        assert_eq!(at_key_frames(&[], 0.5, 0.8), []);
        assert_eq!(
            at_cuts(&pictures(), &[90, 175, 900], 0.8),
            expected,
            "an empty one"
        );
    }
}
