//! The poster at full size, decoded once again from the source.

use std::path::Path;

use ffmpeg_next::codec::discard::Discard;
use ffmpeg_next::{Error, Packet, frame};

use super::features::{Features, Planes};
use super::jpeg;
use super::plan::{Plan, fit, look};
use super::poster::Candidate;
use crate::error::EncodeError;
use crate::graph::{filter_picture, turns};
use crate::source::{self, Source, VideoStream};

/// The poster in two sizes, as JPEG files.
#[derive(Clone, Debug)]
pub(crate) struct Posters {
    /// Presentation time of the picture.
    pub(crate) time_ms: u64,
    /// At most 1920 pixels across and down.
    pub(crate) large: Vec<u8>,
    /// At most 640 pixels across and down.
    pub(crate) small: Vec<u8>,
}

/// Decodes the first candidate that is found again in the source, or in a file with the same pictures. Broadcast streams
/// may jump in time: what is found is compared with what was tapped. `None` when no picture could be decoded at all.
pub(crate) fn posters(
    path: &Path,
    plan: Plan,
    candidates: &[Candidate],
) -> Result<Option<Posters>, EncodeError> {
    let mut nearest: Option<(f64, u64, frame::Video)> = None;
    for candidate in candidates {
        let mut source = source::open(path)?;
        let Some(video) = source.video.take() else {
            return Ok(None);
        };
        let (size, orientation) = ((video.width, video.height), video.orientation);
        let Some(picture) = picture_at(&mut source, video, candidate.time_ms)? else {
            continue;
        };
        let upright = |size, algorithm: &str| {
            let mut filters = turns(orientation);
            if picture.is_interlaced() {
                filters.insert(0, "yadif=deint=interlaced".to_owned());
            }
            filters.push(look(&picture, size, algorithm));
            filter_picture(&picture, &filters.join(","))
        };
        let Some(tapped) = upright((plan.width, plan.height), "area")? else {
            continue;
        };
        let distance = candidate.features.distance(&Features::of(&Planes::of(&tapped)));
        if nearest.as_ref().is_none_or(|(least, ..)| distance < *least) {
            let Some(large) = upright(fit(size, LARGE), "lanczos")? else {
                continue;
            };
            nearest = Some((distance, candidate.time_ms, large));
        }
        if distance < SAME {
            break;
        }
    }
    let Some((_, time_ms, large)) = nearest else {
        return Ok(None);
    };
    let (width, height) = fit((large.width(), large.height()), SMALL);
    // It has its colours already.
    let small = filter_picture(
        &large,
        &format!("scale={width}:{height}:flags=lanczos,format=yuvj420p"),
    )?;
    Ok(Some(Posters {
        time_ms,
        small: jpeg::encode(small.as_ref().unwrap_or(&large), QUANTIZER)?,
        large: jpeg::encode(&large, QUANTIZER)?,
    }))
}

/// The picture that is on screen at a presentation time.
fn picture_at(
    source: &mut Source,
    mut video: VideoStream,
    time_ms: u64,
) -> Result<Option<frame::Video>, EncodeError> {
    let wanted_us = source
        .origin_us
        .saturating_add(i64::try_from(time_ms).unwrap_or(i64::MAX).saturating_mul(1000));
    // Where seeking fails, the beginning of the file is where it goes on from.
    let _ = source.input.seek(wanted_us, ..wanted_us.saturating_add(1));
    let us_per_tick = f64::from(video.time_base) * 1e6;
    let mut last: Option<frame::Video> = None;
    let mut is_over = false;
    for _ in 0..MAX_PACKETS {
        let mut packet = Packet::empty();
        match packet.read(&mut source.input) {
            Ok(()) if packet.stream() != video.index => continue,
            // A broken packet costs its picture only.
            Ok(()) => {
                let time_us = packet.pts().map(|ticks| ticks as f64 * us_per_tick);
                let is_far = time_us.is_some_and(|time_us| time_us < wanted_us as f64 - NEAR_US);
                // On the way from the key frame, what no other picture needs is not decoded.
                let skipped = if is_far {
                    Discard::NonReference
                } else {
                    Discard::Default
                };
                video.decoder.skip_frame(skipped);
                let _ = video.decoder.send_packet(&packet);
            }
            Err(Error::InvalidData) => continue,
            Err(_) => {
                is_over = true;
                let _ = video.decoder.send_eof();
            }
        }
        let mut picture = frame::Video::empty();
        while video.decoder.receive_frame(&mut picture).is_ok() {
            // Half a millisecond of tolerance: times were rounded on their way.
            let time_us = picture.timestamp().map(|ticks| ticks as f64 * us_per_tick);
            let is_later = time_us.is_some_and(|time_us| time_us > wanted_us as f64 + 500.0);
            if is_later && last.is_some() {
                return Ok(last);
            }
            last = Some(std::mem::replace(&mut picture, frame::Video::empty()));
            if is_later {
                return Ok(last);
            }
        }
        if is_over {
            break;
        }
    }
    Ok(last)
}

const LARGE: u32 = 1920;
const SMALL: u32 = 640;
const QUANTIZER: i32 = 3;
/// A picture that differs less from what was tapped is the same.
const SAME: f64 = 0.25;
/// Every picture from here to the wanted one is decoded: the one on screen may have begun earlier.
const NEAR_US: f64 = 250_000.0;
/// A source that cannot be sought is read from its beginning, but not for hours.
const MAX_PACKETS: usize = 500_000;
