//! The quality of encodings beside their source: files, or the renditions of packaged output, whoever made them.
//!
//! ```no_run
//! use encoder::compare::{CompareOptions, compare};
//!
//! let comparison = compare(&CompareOptions::new("film.mp4", ["public/videos/film", "other.mp4"]), &mut |_| {})?;
//! for rendition in &comparison.renditions {
//!     println!("{}: {:.1} at {} bit/s", rendition.name, rendition.quality, rendition.average_bps);
//! }
//! # Ok::<(), encoder::EncodeError>(())
//! ```
//!
//! Quality is what [`crate::vod::VodOptions::measure`] measures, at the same frames: VMAF where the linked FFmpeg has libvmaf, else
//! a prediction of it, both from 0 to 100, of pictures at the size of the display (the source's, at most 1080p unless an encoding
//! is larger).

mod align;
mod found;
#[cfg(fuzzing)]
#[path = "../fuzzing/compare.rs"]
pub mod fuzzing;
mod look;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use crate::error::EncodeError;
use crate::graph::{PictureOutput, detect};
use crate::measure::{Bench, Subject, display, round, step, stride};
use crate::medium::Medium;
use crate::quality::{Method, mean};
use crate::source;
use crate::timing::FrameRate;
use crate::vod::{CancelToken, Progress, REPORT_EVERY, Watch};
use align::Side;
use found::{failed, find};
use look::Looked;

/// What to compare with what.
#[derive(Clone, Debug)]
pub struct CompareOptions {
    /// The source, which is taken for perfect.
    pub reference: PathBuf,
    /// Encodings of it: media files, HLS playlists, and folders of packaged output or of one of its renditions.
    pub distorted: Vec<PathBuf>,
    /// Segments of files that are not packaged begin at the first key frames that are at least so many seconds apart.
    pub segment_s: f64,
    /// About when the encodings begin, in seconds of the source; below 0 when the source begins in the encodings. To the frame it
    /// is found by what the pictures show, within half a second.
    pub offset_s: f64,
    /// Stops it from another thread.
    pub cancel: CancelToken,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The source.
    pub reference: PathBuf,
    /// `vmaf`, or `vmaf-model` for the prediction.
    pub method: &'static str,
    /// Pixels across that pictures were compared at.
    pub width: u32,
    /// Pixels down that pictures were compared at.
    pub height: u32,
    /// The source's, in frames per second.
    pub frame_rate: f64,
    /// How many frames were measured in a second.
    pub measured_fps: f64,
    /// In the order in which they were given; the renditions of an output in its playlist's.
    pub renditions: Vec<Compared>,
    /// Seconds it took.
    pub wall_s: f64,
    /// CPU seconds the process used meanwhile, all threads.
    pub cpu_s: f64,
}

/// One encoding.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// A file's path; a rendition's name, after its output's path where several things are compared.
    pub name: String,
    /// FFmpeg's name of its codec.
    pub codec: String,
    /// Pixels across, as shown.
    pub width: u32,
    /// Pixels down, as shown.
    pub height: u32,
    /// Frames per second.
    pub frame_rate: f64,
    /// Seconds.
    pub duration_s: f64,
    /// Mean bit/s of the pictures, container not included.
    pub average_bps: u64,
    /// Mean of the measured frames, 0 to 100.
    pub quality: f64,
    /// What one in twenty of the measured frames is no better than.
    pub low_quality: f64,
    /// How many frames were measured.
    pub frames: usize,
    /// When it begins, in frames of the source.
    pub offset_frames: i64,
    /// In order of time.
    pub segments: Vec<ComparedSegment>,
}

/// One segment of an encoding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedSegment {
    /// Seconds from its encoding's start.
    pub start_s: f64,
    /// Seconds.
    pub duration_s: f64,
    /// Of the pictures, container not included.
    pub bytes: u64,
    /// Mean of its measured frames, if there are any.
    pub quality: Option<f64>,
}

impl CompareOptions {
    /// Segments of 2 s or more where files have none, and no offset.
    pub fn new(
        reference: impl Into<PathBuf>,
        distorted: impl IntoIterator<Item = impl Into<PathBuf>>,
    ) -> Self {
        Self {
            reference: reference.into(),
            distorted: distorted.into_iter().map(Into::into).collect(),
            segment_s: 2.0,
            offset_s: 0.0,
            cancel: CancelToken::default(),
        }
    }

    fn check(&self) -> Result<(), EncodeError> {
        let bad = |option, value: f64, reason: &str| {
            Err(EncodeError::BadOption {
                option,
                value: value.to_string(),
                reason: reason.to_owned(),
            })
        };
        if !(0.1..=3600.0).contains(&self.segment_s) {
            return bad("--segment-s", self.segment_s, "use 0.1 to 3600");
        }
        if self.offset_s.is_nan() || self.offset_s.abs() > MAX_OFFSET_S {
            return bad("--offset-s", self.offset_s, "use -86400 to 86400");
        }
        Ok(())
    }
}

/// An encoding on its way to being measured.
struct Candidate {
    name: String,
    looked: Looked,
    medium: Medium,
    divisor: u32,
    /// When it begins, in frames of the source.
    offset: i64,
    /// Frames that were measured, by number in the source.
    scores: Vec<(u64, f64)>,
}

/// Measures encodings beside their source, which is decoded once for all of them (twice where some are HDR and some are not).
///
/// Frames that are shown at the same time are compared, where both have one. Encoders and containers are known to be off by a frame
/// or so; that is found in the first seconds and made up for ([`Compared::offset_frames`]).
///
/// # Errors
/// [`EncodeError::NotComparable`] for encodings without pictures, encrypted ones and those that do not overlap with the source;
/// else as [`crate::vod::encode`].
pub fn compare(
    options: &CompareOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Comparison, EncodeError> {
    let watch = Watch::start();
    options.check()?;
    crate::init_ffmpeg();
    let reference = options.reference.as_path();
    let opened = source::open(reference)?;
    let duration_s = opened.duration_s;
    let video = opened
        .video
        .ok_or_else(|| failed(reference, "it has no pictures"))?;
    let rate = video.rate;
    let mut reported = Instant::now();
    let mut tick = |media_s: f64| {
        if options.cancel.is_cancelled() {
            return Err(EncodeError::Cancelled);
        }
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            progress(Progress::Measuring { media_s, duration_s });
        }
        Ok(())
    };
    let mut candidates = candidates(options, rate, (video.width, video.height), &mut || tick(0.0))?;
    let divisors = candidates.iter().map(|candidate| candidate.divisor);
    let stride = stride(rate, step(divisors));
    let sizes = candidates
        .iter()
        .map(|candidate| (candidate.looked.width, candidate.looked.height));
    let (width, height) = display((video.width, video.height), sizes);
    let method = Method::best();
    let scan = detect(reference)?;
    // HDR is compared with HDR, and what was mapped with what was mapped.
    for keeps_depth in [false, true] {
        let is_alike = |candidate: &&mut Candidate| {
            let is_kept = match video.colour.is_hdr() {
                true => candidate.looked.is_hdr,
                false => candidate.looked.codec != "h264",
            };
            is_kept == keeps_depth
        };
        let mut alike: Vec<&mut Candidate> = candidates.iter_mut().filter(is_alike).collect();
        if alike.is_empty() {
            continue;
        }
        let side = Side {
            reference,
            rate,
            scan,
            keeps_depth,
        };
        let about = (options.offset_s * rate.fps()).round() as i64;
        let marks = side.marks(about, &mut || tick(0.0))?;
        for candidate in &mut alike {
            let shift = marks.shift(&candidate.medium, candidate.divisor, &candidate.name, &mut || {
                tick(0.0)
            })?;
            candidate.offset = about + shift;
        }
        let subjects: Vec<Subject> = alike.iter().map(|candidate| candidate.subject()).collect();
        let bench = Bench {
            reference,
            rate,
            scan,
            start: subjects.iter().map(|subject| subject.start).min().unwrap_or(0),
            end: None,
            output: PictureOutput {
                width,
                height,
                keeps_depth,
            },
            method,
            stride,
        };
        let scores = bench.compare(&subjects, &mut |frame| tick(rate.seconds(frame)))?;
        for (candidate, scores) in alike.iter_mut().zip(scores) {
            candidate.scores = scores;
        }
    }
    let renditions = candidates
        .into_iter()
        .map(|candidate| candidate.finish(rate))
        .collect::<Result<_, _>>()?;
    Ok(Comparison {
        reference: options.reference.clone(),
        method: method.name(),
        width,
        height,
        frame_rate: rate.fps(),
        measured_fps: rate.fps() / stride as f64,
        renditions,
        wall_s: watch.wall_s(),
        cpu_s: watch.cpu_s(),
    })
}

/// Everything that is to be compared, looked at.
fn candidates(
    options: &CompareOptions,
    rate: FrameRate,
    shown: (u32, u32),
    tick: &mut dyn FnMut() -> Result<(), EncodeError>,
) -> Result<Vec<Candidate>, EncodeError> {
    let mut candidates = Vec::new();
    for path in &options.distorted {
        let mut has_pictures = false;
        for found in find(path)? {
            let name = match &found.rendition {
                None => path.display().to_string(),
                Some(rendition) if options.distorted.len() == 1 => rendition.clone(),
                Some(rendition) => format!("{}:{rendition}", path.display()),
            };
            let Some(looked) = Looked::at(&found, options.segment_s, tick)? else {
                continue;
            };
            has_pictures = true;
            let aspect = |(width, height): (u32, u32)| f64::from(width) / f64::from(height);
            let stretch = aspect((looked.width, looked.height)) / aspect(shown);
            if (stretch - 1.0).abs() > 0.03 {
                tracing::warn!(
                    "{name} is {}x{}, another shape than the source's {}x{}: it is stretched to it",
                    looked.width,
                    looked.height,
                    shown.0,
                    shown.1
                );
            }
            candidates.push(Candidate {
                name,
                medium: found.medium,
                divisor: divisor(rate, looked.fps),
                offset: 0,
                looked,
                scores: Vec::new(),
            });
        }
        if !has_pictures {
            return Err(failed(path, "it has no pictures"));
        }
    }
    let mut names = HashSet::new();
    if let Some(twice) = candidates.iter().find(|candidate| !names.insert(&candidate.name)) {
        return Err(failed(Path::new(&twice.name), "it is named twice"));
    }
    Ok(candidates)
}

/// How many frames of the source there are for one of an encoding with `fps`; 1 where that is no whole number, and the encoding
/// is read at the source's rate.
fn divisor(rate: FrameRate, fps: f64) -> u32 {
    let ratio = rate.fps() / fps;
    let whole = ratio.round();
    match (2.0..=64.0).contains(&whole) && (ratio / whole - 1.0).abs() < 0.02 {
        true => whole as u32,
        false => 1,
    }
}

impl Candidate {
    fn subject(&self) -> Subject {
        // What it shows before the source begins is passed over.
        let first_frame = self
            .offset
            .min(0)
            .unsigned_abs()
            .div_ceil(u64::from(self.divisor));
        let skipped = first_frame as i64 * i64::from(self.divisor);
        Subject {
            medium: self.medium.clone(),
            first_frame,
            start: (self.offset + skipped).unsigned_abs(),
            divisor: self.divisor,
        }
    }

    fn finish(self, rate: FrameRate) -> Result<Compared, EncodeError> {
        let path = &self.medium.path;
        let origin_s = rate
            .seconds(self.offset.unsigned_abs())
            .copysign(self.offset as f64);
        let scores = || self.scores.iter().map(|(_, score)| *score);
        let quality = mean(scores()).ok_or_else(|| {
            failed(
                path,
                "none of its frames is shown with one of the source's; see --offset-s",
            )
        })?;
        let mut sorted: Vec<f64> = scores().collect();
        sorted.sort_by(f64::total_cmp);
        let low = sorted.get(sorted.len().div_ceil(20) - 1).copied();
        let half_frame_s = 0.5 / rate.fps();
        let mut segments = Vec::new();
        for segment in &self.looked.segments {
            let is_its = |(frame, _): &&(u64, f64)| {
                let at_s = rate.seconds(*frame) - origin_s + half_frame_s;
                (segment.start_s..segment.end_s).contains(&at_s)
            };
            let its = self.scores.iter().filter(is_its);
            segments.push(ComparedSegment {
                start_s: thousandth(segment.start_s),
                duration_s: thousandth(segment.end_s - segment.start_s),
                bytes: segment.bytes,
                quality: mean(its.map(|(_, score)| *score)).map(round),
            });
        }
        let Looked {
            codec,
            width,
            height,
            fps,
            duration_s,
            bytes,
            ..
        } = self.looked;
        Ok(Compared {
            name: self.name,
            codec,
            width,
            height,
            frame_rate: thousandth(fps),
            duration_s: thousandth(duration_s),
            average_bps: crate::index::bits_per_second(bytes, duration_s),
            quality: round(quality),
            low_quality: round(low.unwrap_or(quality)),
            frames: self.scores.len(),
            offset_frames: self.offset,
            segments,
        })
    }
}

fn thousandth(number: f64) -> f64 {
    // No negative zero.
    (number * 1000.0).round() / 1000.0 + 0.0
}

const MAX_OFFSET_S: f64 = 86_400.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_rates_have_some_of_the_frames() {
        let rate = FrameRate::new(60_000, 1001);
        assert_eq!(divisor(rate, 29.97), 2);
        assert_eq!(divisor(rate, 60.0), 1);
        assert_eq!(divisor(rate, 15.0), 4);
        assert_eq!(divisor(rate, 25.0), 1, "no whole number");
        assert_eq!(divisor(rate, f64::NAN), 1);
        assert_eq!(divisor(rate, 0.0), 1);
    }
}
