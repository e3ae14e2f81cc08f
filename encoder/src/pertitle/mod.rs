//! Per-title encoding: a ladder made for one film.
//!
//! Some stretches that stand for the film are encoded on trial at several sizes and CRFs; quality is measured at the size of
//! the display; and rungs are chosen on the hull of what was found. What was found is the report (`report.json`).

mod choose;
mod html;
mod hull;
mod plot;
mod report;
mod stretches;
mod trial;

use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ffmpeg_next::frame;
use serde::{Deserialize, Serialize};

use crate::analysis::Reader;
use crate::encode::check_rung;
use crate::error::EncodeError;
use crate::graph::{PictureOutput, Scan, detect};
use crate::ladder::{Ladder, Rung, VideoCodec};
use crate::quality::{self, Method, mean};
use crate::source::VideoStream;
use crate::timing::FrameRate;
use choose::{Limits, rungs};
use hull::{Point, curves, frontier, hull};
pub(crate) use report::{Report, write};
use stretches::Stretch;
use trial::{Lab, Outcome, Shown, Trial};
pub(crate) use trial::{MEASURED, Scaler};

/// How a ladder is made for a film.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerTitle {
    /// What every rung is encoded to.
    pub codec: VideoCodec,
    /// The most pixels down of a landscape picture; no rung is larger.
    pub max_height: u32,
    /// How many rungs there are at most.
    pub max_rungs: usize,
    /// The quality of the top rung on VMAF's scale of 0 to 100.
    pub quality_target: f64,
}

impl Default for PerTitle {
    fn default() -> Self {
        Self {
            codec: VideoCodec::H264,
            max_height: 1080,
            max_rungs: 8,
            quality_target: 95.0,
        }
    }
}

/// `auto`, `auto:h265`, `auto:av1:2160p`: a codec and the largest size after colons.
impl std::str::FromStr for PerTitle {
    type Err = EncodeError;

    fn from_str(text: &str) -> Result<Self, EncodeError> {
        let mut words = text.split(':');
        let bad = |reason: String| EncodeError::BadLadder {
            ladder: text.to_owned(),
            reason,
        };
        if words.next() != Some("auto") {
            return Err(bad("it does not begin with auto".to_owned()));
        }
        let mut per_title = Self::default();
        for word in words {
            let codec = CODECS.into_iter().find(|codec| codec.name() == word);
            let height = word.strip_suffix('p').and_then(|height| height.parse().ok());
            match (codec, height) {
                (Some(codec), _) => per_title.codec = codec,
                (_, Some(height)) => per_title.max_height = height,
                _ => {
                    return Err(bad(format!(
                        "{word:?} is no codec (h264, h265, av1, vp9) and no height such as 1080p"
                    )));
                }
            }
        }
        per_title.check()?;
        Ok(per_title)
    }
}

impl PerTitle {
    /// Reads `auto:h265,audio:96k`: what [`FromStr`](std::str::FromStr) takes, and the sound rungs of a [`Ladder`] after it. The
    /// pictures of the ladder are the default ones, to compare with. `None` for a text that does not begin with `auto`.
    ///
    /// # Errors
    /// [`EncodeError::BadLadder`] where it begins so and does not go on as it should.
    pub fn split(text: &str) -> Result<Option<(Self, Ladder)>, EncodeError> {
        let (head, sound) = text.split_once(',').unwrap_or((text, ""));
        if head.split(':').next() != Some("auto") {
            return Ok(None);
        }
        let mut ladder = Ladder::default();
        if !sound.is_empty() {
            // A ladder has a picture; this one stands for those that are not known yet.
            let given: Ladder = format!("360p:600k,{sound}").parse()?;
            if given.video.len() > 1 {
                return Err(EncodeError::BadLadder {
                    ladder: text.to_owned(),
                    reason: "after auto there is only sound".to_owned(),
                });
            }
            ladder.audio = given.audio;
        }
        Ok(Some((head.parse()?, ladder)))
    }

    /// Says what makes it unusable.
    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        let bad = |option, value: String, reason: &str| {
            Err(EncodeError::BadOption {
                option,
                value,
                reason: reason.to_owned(),
            })
        };
        if !(1..=16).contains(&self.max_rungs) {
            return bad("--max-rungs", self.max_rungs.to_string(), "use 1 to 16");
        }
        if !(30.0..=100.0).contains(&self.quality_target) {
            return bad(
                "--quality-target",
                self.quality_target.to_string(),
                "use 30 to 100",
            );
        }
        if !(120..=4320).contains(&self.max_height) {
            return bad(
                "--ladder auto",
                format!("{}p", self.max_height),
                "use 120p to 4320p",
            );
        }
        Ok(())
    }
}

/// Everything that was chosen by somebody else and decides what a ladder comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) per_title: PerTitle,
    /// Whose pictures are compared with, and whose sound is kept.
    pub(crate) ladder: Ladder,
    pub(crate) preset: String,
    /// Frames of a segment.
    pub(crate) segment_frames: u64,
    /// Frames between IDR frames.
    pub(crate) gop_frames: u64,
}

/// What is looked at.
struct Title<'a> {
    path: &'a Path,
    video: &'a VideoStream,
    scan: Scan,
    segment_frames: u64,
    /// Frames of a stretch: no more than a segment's, nor than memory holds.
    stretch_frames: u64,
}

/// Makes a ladder for the video of `path`. `tick` hears at which frame of the film the analysis is; it goes through it twice.
pub(crate) fn ladder(
    path: &Path,
    video: &VideoStream,
    asked: &Asked,
    tick: &mut dyn FnMut(u64) -> Result<(), EncodeError>,
) -> Result<(Ladder, Report), EncodeError> {
    let Asked {
        per_title, preset, ..
    } = asked;
    let sizes = sizes(per_title, video.width, video.height);
    let no_frames = || EncodeError::NoFrames {
        path: path.to_owned(),
    };
    let display = sizes.first().ok_or_else(no_frames)?;
    check_rung(display, preset).map_err(|reason| EncodeError::BadLadder {
        ladder: "auto".to_owned(),
        reason,
    })?;
    // Frames wait in 8 or 10 bits, one and a half samples a pixel.
    let output = PictureOutput::of_rung(display);
    let sample_bytes = if output.keeps_depth { 2 } else { 1 };
    let frame_bytes = u64::from(display.width) * u64::from(display.height) * 3 / 2 * sample_bytes;
    let fitting = (STRETCH_BYTES / frame_bytes.max(1)).max(8);
    let title = Title {
        path,
        video,
        scan: detect(path)?,
        segment_frames: asked.segment_frames,
        stretch_frames: asked.segment_frames.clamp(1, fitting),
    };
    let stretches = stretches::choose(&title, tick)?;
    let fixed = asked.ladder.fit(video.width, video.height).into_iter();
    let fixed: Vec<Rung> = fixed
        .map(|rung| Rung {
            codec: per_title.codec,
            preset: None,
            max_fps: None,
            ..rung
        })
        .collect();
    let method = Method::best();
    let stride = (video.rate.fps() / MEASURED_PER_S).round().max(1.0) as u64;
    let lab = Lab {
        preset,
        rate: video.rate,
        gop_frames: asked.gop_frames,
        colour: video.colour,
        measure: Some((method, stride)),
    };
    let found = experiment(&title, lab, output, &stretches, &sizes, &fixed, tick)?;
    let bitrates = asked.ladder.video.iter().map(|rung| rung.bitrate_kbps);
    let limits = Limits {
        max_rungs: per_title.max_rungs,
        quality_target: per_title.quality_target,
        max_kbps: f64::from(bitrates.max().unwrap_or(UNCAPPED_KBPS)),
    };
    let dense = curves(&found.points);
    let chosen = rungs(&dense, &limits);
    if chosen.is_empty() {
        return Err(no_frames());
    }
    let video = named(&chosen, &sizes);
    let report = Report::new(report::Findings {
        asked,
        rate: lab.rate,
        display,
        method,
        stride,
        stretches: &stretches,
        points: &found.points,
        hull: &hull(&dense),
        frontier: &frontier(&dense),
        chosen: &chosen,
        rungs: &video,
        fixed: &fixed,
        fixed_points: &found.fixed,
    });
    let audio = asked.ladder.audio.clone();
    Ok((Ladder { video, audio }, report))
}

/// The sizes to try, largest first: those that ladders usually have and some between them, and the source's own.
fn sizes(per_title: &PerTitle, width: u32, height: u32) -> Vec<Rung> {
    let rung = |height: u32| Rung {
        name: format!("{height}p"),
        width: (height * 16 / 9).next_multiple_of(2),
        height,
        codec: per_title.codec,
        bitrate_kbps: UNCAPPED_KBPS,
        ..Rung::default()
    };
    let heights = HEIGHTS
        .into_iter()
        .filter(|height| *height <= per_title.max_height);
    let all = Ladder {
        video: heights.map(rung).collect(),
        audio: Vec::new(),
    };
    let mut sizes = all.fit(width, height);
    for size in &mut sizes {
        size.bitrate_kbps = UNCAPPED_KBPS;
    }
    // A source between two sizes is tried as it is.
    let largest = sizes.first().map_or(0, |size| size.width.max(size.height));
    let side = width.min(height);
    if side <= per_title.max_height && u64::from(width.max(height)) * 94 > u64::from(largest) * 100 {
        let own = Ladder {
            video: vec![Rung {
                width: width.max(height),
                height: side,
                ..rung(side & !1)
            }],
            audio: Vec::new(),
        };
        sizes.splice(0..0, own.fit(width, height));
    }
    let mut seen = Vec::new();
    sizes.retain(|size| {
        let is_new =
            !seen.contains(&(size.width, size.height)) && size.width >= MIN_SIDE && size.height >= MIN_SIDE;
        seen.push((size.width, size.height));
        is_new || seen.len() == 1
    });
    sizes
}

/// The rungs of chosen points, with names and caps.
fn named(chosen: &[Point], sizes: &[Rung]) -> Vec<Rung> {
    let name = |point: &Point| {
        let size = sizes
            .iter()
            .find(|size| (size.width, size.height) == point.size());
        size.map_or_else(
            || format!("{}p", point.width.min(point.height)),
            |size| size.name.clone(),
        )
    };
    let mut rungs: Vec<Rung> = Vec::new();
    for point in chosen {
        let is_shared = chosen.iter().filter(|other| name(other) == name(point)).count() > 1;
        let mut own_name = name(point);
        if is_shared {
            own_name += &format!("-{}k", point.kbps.round());
        }
        if rungs.iter().any(|rung| rung.name == own_name) {
            own_name += &format!("-{}", rungs.len() + 1);
        }
        // Room for a stretch harder than all that were tried, and what a rendition may have above its mean.
        let cap = (point.peak_kbps * PEAK_ROOM).clamp(point.kbps * LEAST_PEAK, point.kbps * MOST_PEAK);
        let size = sizes
            .iter()
            .find(|size| (size.width, size.height) == point.size());
        rungs.push(Rung {
            name: own_name,
            width: point.width,
            height: point.height,
            crf: Some(point.crf as f32),
            bitrate_kbps: (cap.ceil() as u32).clamp(16, UNCAPPED_KBPS),
            ..size.cloned().unwrap_or_default()
        });
    }
    rungs
}

/// What the trials found.
struct Found {
    points: Vec<Point>,
    /// Of the fixed ladder's rungs.
    fixed: Vec<Point>,
}

/// Encodes every stretch at every size and CRF, and with the fixed ladder's rungs. Each stretch is decoded once.
fn experiment(
    title: &Title<'_>,
    lab: Lab<'_>,
    output: PictureOutput,
    stretches: &[Stretch],
    sizes: &[Rung],
    fixed: &[Rung],
    tick: &mut dyn FnMut(u64) -> Result<(), EncodeError>,
) -> Result<Found, EncodeError> {
    let trials: Vec<Rung> = sizes
        .iter()
        .flat_map(|size| {
            crfs(size.codec).map(|crf| Rung {
                crf: Some(crf),
                ..size.clone()
            })
        })
        .collect();
    let mut sums: Vec<Sum> = trials.iter().map(|_| Sum::default()).collect();
    let stride = lab.measure.map_or(1, |(_, stride)| stride);
    let mut lengths = Vec::new();
    let fixed_outcomes = thread::scope(|scope| {
        // Their bitrate is kept over time, so they go on from stretch to stretch, each in a thread of its own.
        let steady: Vec<_> = fixed
            .iter()
            .map(|rung| {
                let (queue, waiting) = sync_channel::<Frames>(0);
                let handle = scope.spawn(move || {
                    let mut trial = Trial::new(lab, rung);
                    waiting.iter().try_for_each(|frames| trial.encode(&frames))?;
                    trial.finish()
                });
                (queue, handle)
            })
            .collect();
        let mut reading: Option<(Reader, u64)> = None;
        let mut run = || {
            for stretch in stretches {
                tick(stretch.first_frame)?;
                let frames: Frames = Arc::new(frames(title, output, stretch, stride, &mut reading)?);
                if frames.is_empty() {
                    continue;
                }
                lengths.push((frames.len() as u64, stretch.weight));
                for (queue, _) in &steady {
                    // One that failed says why when it is joined.
                    let _ = queue.send(Arc::clone(&frames));
                }
                let encode = |rung| {
                    let mut trial = Trial::new(lab, rung);
                    trial.encode(&frames)?;
                    trial.finish()
                };
                let outcomes =
                    in_parallel(trials.iter().collect(), &mut || tick(stretch.first_frame), encode)?;
                for (sum, outcome) in sums.iter_mut().zip(&outcomes) {
                    let quality = outcome.quality.iter().map(|(_, quality)| *quality);
                    sum.add(&outcome.bytes, quality, stretch.weight, lab.rate);
                }
            }
            Ok(())
        };
        let ran = run();
        let finished = steady.into_iter().map(|(queue, handle)| {
            drop(queue);
            match handle.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        let finished: Vec<Result<Outcome, EncodeError>> = finished.collect();
        ran?;
        finished.into_iter().collect::<Result<Vec<_>, EncodeError>>()
    })?;
    let points = trials.iter().zip(&sums).filter_map(|(rung, sum)| sum.point(rung));
    let points = points.collect();
    let mut fixed_points = Vec::new();
    for (rung, Outcome { bytes, quality }) in fixed.iter().zip(fixed_outcomes) {
        let mut sum = Sum::default();
        let mut start = 0;
        for (frames, weight) in &lengths {
            let end = start + frames;
            let its = quality.iter().filter(|(frame, _)| (start..end).contains(frame));
            let bytes = bytes.get(start as usize..end as usize).unwrap_or_default();
            sum.add(bytes, its.map(|(_, quality)| *quality), *weight, lab.rate);
            start = end;
        }
        fixed_points.extend(sum.point(rung));
    }
    Ok(Found {
        points,
        fixed: fixed_points,
    })
}

type Frames = Arc<Vec<Arc<Shown>>>;

/// The frames of a stretch, at the display's size. `reading` goes on where the stretch before ended, if that is near.
fn frames(
    title: &Title<'_>,
    output: PictureOutput,
    stretch: &Stretch,
    stride: u64,
    reading: &mut Option<(Reader, u64)>,
) -> Result<Vec<Arc<Shown>>, EncodeError> {
    let near = (title.video.rate.fps() * NEAR_S) as u64;
    let is_near = |at: &u64| *at <= stretch.first_frame && stretch.first_frame - at <= near;
    let mut reader = match reading.take() {
        Some((reader, at)) if is_near(&at) => reader,
        _ => Reader::open_pictures(
            title.path,
            title.video.rate,
            stretch.first_frame,
            title.scan,
            output,
        )?,
    };
    let end = stretch.first_frame + stretch.frames;
    let mut frames: Vec<frame::Video> = Vec::new();
    let mut at = stretch.first_frame;
    while at < end {
        let Some(frame) = reader.next_frame()? else {
            break;
        };
        at = frame.pts().map_or(at, i64::unsigned_abs) + 1;
        if at > stretch.first_frame {
            frames.push(frame);
        }
    }
    *reading = Some((reader, at));
    let mut plain = Scaler::default();
    let mut moving = |index: usize| -> Result<f32, EncodeError> {
        let near = index.saturating_sub(1)..frames.len().min(index + 2);
        let mut pictures = Vec::new();
        for frame in frames.get(near).unwrap_or_default() {
            pictures.push(plain.scale(frame, frame.width(), frame.height(), MEASURED)?);
        }
        let this = index.min(1);
        let neighbours = pictures.iter().enumerate().filter(|(at, _)| *at != this);
        Ok(pictures.get(this).map_or(0.0, |picture| {
            quality::motion(picture, neighbours.map(|(_, picture)| picture))
        }))
    };
    let motions = (0..frames.len()).map(|index| match (index as u64).is_multiple_of(stride) {
        true => moving(index),
        false => Ok(0.0),
    });
    let motions: Vec<f32> = motions.collect::<Result<_, _>>()?;
    let shown = frames.into_iter().zip(motions);
    Ok(shown
        .map(|(frame, motion)| Arc::new(Shown { frame, motion }))
        .collect())
}

/// Weighted means over stretches.
#[derive(Default)]
struct Sum {
    weight: f64,
    kbps: f64,
    quality: f64,
    peak_kbps: f64,
}

impl Sum {
    fn add(&mut self, bytes: &[u64], quality: impl Iterator<Item = f64>, weight: f64, rate: FrameRate) {
        let Some(quality) = mean(quality) else {
            return;
        };
        let seconds = rate.seconds(bytes.len() as u64);
        let kbps = bytes.iter().sum::<u64>() as f64 * 8.0 / 1000.0 / seconds;
        self.weight += weight;
        self.kbps += weight * kbps;
        self.quality += weight * quality;
        self.peak_kbps = self.peak_kbps.max(kbps);
    }

    fn point(&self, rung: &Rung) -> Option<Point> {
        (self.weight > 0.0).then(|| Point {
            width: rung.width,
            height: rung.height,
            crf: rung.crf.map_or(0.0, f64::from),
            kbps: self.kbps / self.weight,
            peak_kbps: self.peak_kbps,
            quality: self.quality / self.weight,
        })
    }
}

/// Does `job` with every item, as many at a time as there are processors, and gives the results in their order. `tick` may
/// stop it between items.
fn in_parallel<T: Send, R: Send>(
    items: Vec<T>,
    tick: &mut dyn FnMut() -> Result<(), EncodeError>,
    job: impl Fn(T) -> Result<R, EncodeError> + Sync,
) -> Result<Vec<R>, EncodeError> {
    let count = items.len();
    let workers = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(count.max(1));
    let waiting = Mutex::new(items.into_iter().enumerate());
    let results = Mutex::new((0..count).map(|_| None).collect::<Vec<_>>());
    let (stopped, busy) = (AtomicBool::new(false), AtomicUsize::new(workers));
    let mut ticked = Ok(());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                // Counted down even where a job panics.
                let _busy = Busy(&busy);
                while !stopped.load(Ordering::Relaxed) {
                    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, item)) = next else {
                        break;
                    };
                    let result = job(item);
                    if result.is_err() {
                        stopped.store(true, Ordering::Relaxed);
                    }
                    if let Some(slot) = results
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_mut(index)
                    {
                        *slot = Some(result);
                    }
                }
            });
        }
        while busy.load(Ordering::Relaxed) > 0 && ticked.is_ok() {
            thread::sleep(TICK);
            ticked = tick();
        }
        if ticked.is_err() {
            stopped.store(true, Ordering::Relaxed);
        }
    });
    ticked?;
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().flatten().collect()
}

struct Busy<'a>(&'a AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// From what is hardly told from the source to what is only just watched.
fn crfs(codec: VideoCodec) -> [f32; 4] {
    match codec {
        VideoCodec::H264 => [18.0, 24.0, 30.0, 37.0],
        VideoCodec::H265 => [19.0, 25.0, 31.0, 38.0],
        VideoCodec::Av1 => [22.0, 33.0, 44.0, 56.0],
        VideoCodec::Vp9 => [20.0, 31.0, 42.0, 54.0],
    }
}

const CODECS: [VideoCodec; 4] = [
    VideoCodec::H264,
    VideoCodec::H265,
    VideoCodec::Av1,
    VideoCodec::Vp9,
];
const HEIGHTS: [u32; 12] = [4320, 2160, 1440, 1080, 900, 720, 576, 480, 432, 360, 288, 216];
/// What every encoder takes.
const MIN_SIDE: u32 = 64;
/// A bitrate that no trial reaches.
const UNCAPPED_KBPS: u32 = 200_000;
/// Frames whose quality is measured, in a second.
const MEASURED_PER_S: f64 = 6.0;
/// A stretch's frames wait in memory: at 1080p this is 2.2 s at 30 frames per second.
const STRETCH_BYTES: u64 = 208 << 20;
/// Decoding on to the next stretch is cheaper than seeking to it.
const NEAR_S: f64 = 4.0;
const PEAK_ROOM: f64 = 1.15;
const LEAST_PEAK: f64 = 1.3;
/// Apple's limit for video on demand is a peak of twice the mean.
const MOST_PEAK: f64 = 2.0;
const TICK: std::time::Duration = std::time::Duration::from_millis(20);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn auto_takes_a_codec_and_a_size() {
        assert_eq!("auto".parse::<PerTitle>().unwrap(), PerTitle::default());
        let wide: PerTitle = "auto:av1:2160p".parse().unwrap();
        assert_eq!((wide.codec, wide.max_height), (VideoCodec::Av1, 2160));
        for bad in ["", "automatic", "auto:mpeg2", "auto:1p", "auto:p", "auto:"] {
            assert!(bad.parse::<PerTitle>().is_err(), "{bad}");
        }
    }

    fn tried(width: u32, height: u32) -> Vec<(u32, u32)> {
        let sizes = sizes(&PerTitle::default(), width, height);
        sizes.iter().map(|size| (size.width, size.height)).collect()
    }

    #[test]
    fn sizes_go_down_from_the_sources() {
        assert_eq!(tried(1280, 720)[..2], [(1280, 720), (1024, 576)]);
        assert_eq!(tried(3840, 2160)[0], (1920, 1080));
        // Between two sizes: its own, too.
        assert_eq!(tried(1000, 562)[..2], [(1000, 562), (854, 480)]);
        assert_eq!(tried(640, 272), [(640, 272), (512, 218), (384, 164)]);
        assert_eq!(tried(1080, 1920)[..2], [(1080, 1920), (900, 1600)]);
        assert_eq!(tried(160, 90), [(160, 90)]);
        assert_eq!(tried(2, 2).len(), 1);
    }

    #[test]
    fn results_keep_their_order_and_the_first_error_stops() {
        let double = |n: u32| Ok(n * 2);
        let doubled = in_parallel((0..50).collect(), &mut || Ok(()), double).unwrap();
        assert_eq!(doubled, (0..50).map(|n| n * 2).collect::<Vec<_>>());
        let failing = |_: u32| Err::<u32, _>(EncodeError::Cancelled);
        assert!(in_parallel(vec![1, 2, 3], &mut || Ok(()), failing).is_err());
        let slow = |n: u32| {
            thread::sleep(TICK * 3);
            Ok(n)
        };
        let stop = &mut || Err(EncodeError::Cancelled);
        assert!(in_parallel((0..1000).collect(), stop, slow).is_err());
    }
}
