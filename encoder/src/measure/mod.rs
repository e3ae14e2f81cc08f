//! The quality of every segment: pieces beside the source, at the size of the display.
//!
//! What was measured of a piece lies beside it, so that workers measure what they encoded and who joins it has only to read.

mod bench;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use self::bench::{Bench, Subject, display, step, stride};
use crate::error::EncodeError;
use crate::graph::PictureOutput;
use crate::index::Rendition;
use crate::ladder::Rung;
use crate::medium::Medium;
use crate::packager::Stream;
use crate::plan::{Plan, Span};
use crate::quality::{Method, mean};
use crate::source;

/// What was measured of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Ticks of the rendition.
    start: u64,
    frames: u64,
    quality: f64,
}

/// Measures the pieces of a plan's chunk that were not yet; `tick` hears at which frame of the source it is.
pub(crate) fn pieces(
    path: &Path,
    plan: &Plan,
    span: Span,
    pieces: &[(&Rung, PathBuf)],
    tick: &mut dyn FnMut(u64) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let is_missing = |(_, piece): &&(&Rung, PathBuf)| {
        // An empty one says that nothing could be decoded there.
        fs::metadata(piece).is_ok_and(|piece| piece.len() > 0) && !beside(piece).is_file()
    };
    // HDR is compared with HDR, and what was mapped with what was mapped.
    for keeps_depth in [false, true] {
        let is_alike =
            |(rung, _): &&(&Rung, PathBuf)| PictureOutput::of_rung(rung).keeps_depth == keeps_depth;
        let pieces = pieces.iter().filter(is_alike).filter(is_missing);
        let pieces: Vec<&(&Rung, PathBuf)> = pieces.collect();
        if !pieces.is_empty() {
            measure(path, plan, span, &pieces, keeps_depth, tick)?;
        }
    }
    Ok(())
}

/// Puts what was measured of `streams`' pieces into their renditions.
pub(crate) fn apply(streams: &[Stream], renditions: &mut [Rendition]) -> Result<(), EncodeError> {
    for (stream, rendition) in streams.iter().zip(renditions) {
        let mut measured: Vec<Measured> = Vec::new();
        for piece in &stream.pieces {
            let path = beside(piece);
            match fs::read(&path) {
                Ok(json) => {
                    let read = read_measured(&json);
                    measured.extend(read.map_err(|reason| EncodeError::Piece { path, reason })?);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(EncodeError::InputUnreadable { path, source }),
            }
        }
        for segment in &mut rendition.segments {
            let is_its = |measured: &&Measured| (segment.start..segment.end()).contains(&measured.start);
            let its = measured.iter().filter(is_its);
            let (sum, frames) = its.fold((0.0, 0), |(sum, frames), measured| {
                (
                    sum + measured.quality * measured.frames as f64,
                    frames + measured.frames,
                )
            });
            segment.quality = (frames > 0).then(|| round(sum / frames as f64));
        }
    }
    Ok(())
}

/// Reads what lies beside a piece.
pub(crate) fn read_measured(json: &[u8]) -> Result<Vec<Measured>, String> {
    let measured: Vec<Measured> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let is_good = |one: &Measured| one.frames <= u32::MAX.into() && (0.0..=100.0).contains(&one.quality);
    match measured.iter().all(is_good) {
        true => Ok(measured),
        false => Err("a quality that nothing has".to_owned()),
    }
}

fn measure(
    path: &Path,
    plan: &Plan,
    span: Span,
    pieces: &[&(&Rung, PathBuf)],
    keeps_depth: bool,
    tick: &mut dyn FnMut(u64) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let rate = plan.idr.rate();
    let video = source::open(path)?.video;
    let shown = video.map_or((2, 2), |video| (video.width, video.height));
    let (width, height) = display(shown, pieces.iter().map(|(rung, _)| (rung.width, rung.height)));
    let subjects = pieces.iter().map(|(rung, piece)| Subject {
        medium: Medium::of_file(piece),
        first_frame: 0,
        start: span.start,
        divisor: rate.divisor(rung.max_fps),
    });
    let subjects: Vec<Subject> = subjects.collect();
    let bench = Bench {
        reference: path,
        rate,
        scan: plan.scan,
        start: span.start,
        end: span.end,
        output: PictureOutput {
            width,
            height,
            keeps_depth,
        },
        method: Method::best(),
        stride: stride(rate, step(subjects.iter().map(|subject| subject.divisor))),
    };
    let found = bench.compare(&subjects, tick)?;
    for ((subject, (_, piece)), scores) in subjects.iter().zip(pieces).zip(&found) {
        write(piece, plan, subject.divisor, scores)?;
    }
    Ok(())
}

/// Writes the segments' quality beside the piece.
fn write(piece: &Path, plan: &Plan, divisor: u32, scores: &[(u64, f64)]) -> Result<(), EncodeError> {
    let rate = plan.idr.rate().divided(divisor);
    let ticks = |frame: u64| frame / u64::from(divisor) * u64::from(rate.frame_ticks());
    let segment_of = |(frame, _): &(u64, f64)| plan.idr.segment_of(*frame);
    let segments = scores.chunk_by(|one, next| segment_of(one) == segment_of(next));
    let measured = segments.filter_map(|scores| {
        let segment = segment_of(scores.first()?);
        let start = plan.idr.segment_start(segment);
        Some(Measured {
            start: ticks(start),
            frames: plan.idr.segment_start(segment + 1).saturating_sub(start),
            quality: round(mean(scores.iter().map(|(_, score)| *score))?),
        })
    });
    let measured: Vec<Measured> = measured.collect();
    let path = beside(piece);
    let json = serde_json::to_vec(&measured).map_err(io::Error::from);
    let written = json.and_then(|json| fs::write(&path, json));
    written.map_err(|error| EncodeError::unwritable(&path, error))
}

/// Where what was measured of a piece lies.
fn beside(piece: &Path) -> PathBuf {
    piece.with_extension("quality.json")
}

/// As it is written down.
pub(crate) fn round(quality: f64) -> f64 {
    (quality * 100.0).round() / 100.0
}
