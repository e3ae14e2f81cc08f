//! The quality of every segment: pieces beside the source, at the size of the display.
//!
//! What was measured of a piece lies beside it, so that workers measure what they encoded and who joins it has only to read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering};
use std::thread;

use ffmpeg_next::frame;
use serde::{Deserialize, Serialize};

use crate::analysis::Reader;
use crate::error::EncodeError;
use crate::graph::PictureOutput;
use crate::index::Rendition;
use crate::ladder::Rung;
use crate::packager::Stream;
use crate::pertitle::{MEASURED, Scaler};
use crate::pipeline::Encoding;
use crate::quality::{self, Meter, Method, mean};
use crate::source;

/// What was measured of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Measured {
    /// Ticks of the rendition.
    start: u64,
    frames: u64,
    quality: f64,
}

/// A picture of the source.
struct Shown {
    number: u64,
    frame: frame::Video,
    motion: f32,
}

/// Measures the pieces of an encoding that were not yet; `tick` hears at which frame of the source it is.
pub(crate) fn pieces(
    path: &Path,
    encoding: &Encoding<'_>,
    tick: &mut dyn FnMut(u64) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let is_missing = |rung: &&Rung| {
        let piece = encoding.work.piece(&rung.name, encoding.span.chunk);
        // An empty one says that nothing could be decoded there.
        fs::metadata(&piece).is_ok_and(|piece| piece.len() > 0) && !beside(&piece).is_file()
    };
    // HDR is compared with HDR, and what was mapped with what was mapped.
    for keeps_depth in [false, true] {
        let is_alike = |rung: &&Rung| PictureOutput::of_rung(rung).keeps_depth == keeps_depth;
        let rungs: Vec<&Rung> = encoding
            .rungs
            .iter()
            .copied()
            .filter(is_alike)
            .filter(is_missing)
            .collect();
        if !rungs.is_empty() {
            measure(path, encoding, &rungs, keeps_depth, tick)?;
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
                    measured.extend(serde_json::from_slice::<Vec<Measured>>(&json).map_err(|error| {
                        EncodeError::Piece {
                            path,
                            reason: error.to_string(),
                        }
                    })?)
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

fn measure(
    path: &Path,
    encoding: &Encoding<'_>,
    rungs: &[&Rung],
    keeps_depth: bool,
    tick: &mut dyn FnMut(u64) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let rate = encoding.plan.idr.rate();
    let span = encoding.span;
    let video = source::open(path)?.video;
    let (width, height) = video.map_or((2, 2), |video| (video.width, video.height));
    let output = PictureOutput {
        keeps_depth,
        ..display(width, height, rungs)
    };
    let divisors = || rungs.iter().map(|rung| u64::from(rate.divisor(rung.max_fps)));
    let step = divisors().max().unwrap_or(1);
    let stride = ((rate.fps() / MEASURED_PER_S / step as f64).round().max(1.0) as u64) * step;
    let method = Method::best();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut queues = Vec::new();
        let mut handles = Vec::new();
        for (rung, divisor) in rungs.iter().zip(divisors()) {
            let (queue, shown) = sync_channel(QUEUED_FRAMES);
            let bench = Bench {
                encoding,
                rung,
                divisor,
                output,
                method,
                stride,
                is_over: &is_over,
            };
            handles.push(scope.spawn(move || bench.run(shown)));
            queues.push(queue);
        }
        let mut reader = Reader::open_pictures(path, rate, span.start, encoding.plan.scan, output)?;
        let fed = feed(&mut reader, encoding, method, stride, &queues, tick);
        if fed.is_err() {
            is_over.store(true, Ordering::Relaxed);
        }
        drop(queues);
        let mut measured = Ok(());
        for handle in handles {
            match handle.join() {
                Ok(result) => measured = measured.and(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        fed.and(measured)
    })
}

/// Hands the source's frames out, each with how much it moves.
fn feed(
    reader: &mut Reader,
    encoding: &Encoding<'_>,
    method: Method,
    stride: u64,
    queues: &[SyncSender<Arc<Shown>>],
    tick: &mut dyn FnMut(u64) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let mut plain = Scaler::default();
    let mut before: Option<frame::Video> = None;
    let mut current: Option<(u64, frame::Video)> = None;
    loop {
        let mut next = None;
        if let Some(frame) = reader.next_frame()? {
            let number = frame.pts().map_or(0, i64::unsigned_abs);
            tick(number)?;
            if encoding.span.end.is_none_or(|end| number < end) {
                let (width, height) = (frame.width(), frame.height());
                next = Some((number, plain.scale(&frame, width, height, MEASURED)?));
            }
        }
        if let Some((number, frame)) = current.take() {
            let is_sampled = number.is_multiple_of(stride);
            let motion = match is_sampled {
                true => quality::motion(&frame, before.iter().chain(next.as_ref().map(|(_, frame)| frame))),
                false => 0.0,
            };
            if is_sampled || method == Method::Vmaf {
                let shown = Arc::new(Shown {
                    number,
                    frame: frame.clone(),
                    motion,
                });
                for queue in queues {
                    // A piece may end earlier; one that failed says why when it is joined.
                    let _ = queue.send(Arc::clone(&shown));
                }
            }
            before = Some(frame);
        }
        if next.is_none() {
            return Ok(());
        }
        current = next;
    }
}

/// One piece on its way to being measured.
struct Bench<'a> {
    encoding: &'a Encoding<'a>,
    rung: &'a Rung,
    divisor: u64,
    output: PictureOutput,
    method: Method,
    stride: u64,
    is_over: &'a AtomicBool,
}

impl Bench<'_> {
    fn run(&self, shown: Receiver<Arc<Shown>>) -> Result<(), EncodeError> {
        let (plan, span) = (self.encoding.plan, self.encoding.span);
        let piece = self.encoding.work.piece(&self.rung.name, span.chunk);
        let rate = plan.idr.rate().divided(self.divisor as u32);
        let PictureOutput { width, height, .. } = self.output;
        let select = match self.method {
            Method::Vmaf => String::new(),
            // Only these are scaled.
            Method::VmafModel => format!(
                "select=not(mod(n*{}+{}\\,{})),",
                self.divisor, span.start, self.stride
            ),
        };
        let tail = format!("{select}scale={width}:{height}:flags=bicubic,format={MEASURED}");
        let mut reader = Reader::open(&piece, rate, 0, tail)?;
        let mut meter = Meter::new(self.method, width, height, self.stride)?;
        'shown: for shown in shown {
            let offset = shown.number.saturating_sub(span.start);
            if !offset.is_multiple_of(self.divisor) || !meter.wants(shown.number) {
                continue;
            }
            loop {
                let Some(frame) = reader.next_frame()? else {
                    break 'shown;
                };
                let at = frame.pts().map_or(0, i64::unsigned_abs) * self.divisor;
                if at >= offset {
                    if at == offset {
                        meter.add(shown.number, &shown.frame, shown.motion, &frame)?;
                    }
                    break;
                }
            }
        }
        if self.is_over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut segments: Vec<(u64, Vec<f64>)> = Vec::new();
        for (frame, score) in meter.finish()? {
            let segment = plan.idr.segment_of(frame);
            match segments.last_mut().filter(|(last, _)| *last == segment) {
                Some((_, scores)) => scores.push(score),
                None => segments.push((segment, vec![score])),
            }
        }
        let ticks = |frame: u64| frame / self.divisor * u64::from(rate.frame_ticks());
        let measured = segments.into_iter().filter_map(|(segment, scores)| {
            let start = plan.idr.segment_start(segment);
            let frames = plan.idr.segment_start(segment + 1).saturating_sub(start);
            Some(Measured {
                start: ticks(start),
                frames,
                quality: round(mean(scores)?),
            })
        });
        let measured: Vec<Measured> = measured.collect();
        let path = beside(&piece);
        let written = serde_json::to_vec(&measured).map_err(io::Error::from);
        let written = written.and_then(|json| fs::write(&path, json));
        written.map_err(|error| EncodeError::unwritable(&path, error))
    }
}

/// The source's size, no larger than 1080p unless a rung is.
fn display(width: u32, height: u32, rungs: &[&Rung]) -> PictureOutput {
    let (long, short) = (f64::from(width.max(height)), f64::from(width.min(height)));
    let scale = (DISPLAY.0 / long).min(DISPLAY.1 / short).min(1.0);
    let side = |side: u32| (((f64::from(side) * scale) as u32) & !1).max(2);
    let largest = rungs.iter().map(|rung| (rung.width, rung.height)).max();
    let (width, height) = (side(width), side(height));
    let (width, height) = match largest {
        Some(largest) if largest.0 > width => largest,
        _ => (width, height),
    };
    PictureOutput {
        width,
        height,
        keeps_depth: false,
    }
}

/// Where what was measured of a piece lies.
fn beside(piece: &Path) -> PathBuf {
    piece.with_extension("quality.json")
}

fn round(quality: f64) -> f64 {
    (quality * 100.0).round() / 100.0
}

const DISPLAY: (f64, f64) = (1920.0, 1080.0);
/// Frames whose quality is measured, in a second.
const MEASURED_PER_S: f64 = 4.0;
const QUEUED_FRAMES: usize = 4;
