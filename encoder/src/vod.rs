//! Video on demand: one file in, one folder of HLS and DASH out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::EncodeError;
use crate::index::{Kind, Rendition};
use crate::ladder::{FittedRung, Ladder};
use crate::pipeline::{self, Position, Work};
use crate::storage::OutputDir;
use crate::timing::{FrameRate, IdrPlan};
use crate::{manifest, source};

/// What to encode, into what, and how.
#[derive(Clone, Debug)]
pub struct VodOptions {
    /// A local media file.
    pub input: PathBuf,
    /// The folder to make. With an [`id`](Self::id) the video lies in `videos/<id>` of it.
    pub out_dir: PathBuf,
    /// Puts the video under `videos/<id>/`, as in a CDN: letters, digits, `-`, `_` and `.`.
    pub id: Option<String>,
    /// The renditions to offer.
    pub ladder: Ladder,
    /// Length of a segment in seconds, 2 or 4.
    pub segment_s: u32,
    /// An x264 preset, from `ultrafast` to `placebo`.
    pub preset: String,
    /// Threads of each video encoder; 0 lets x264 decide. With 1 the output is the same every time.
    pub threads: usize,
    /// Replaces an earlier output.
    pub force: bool,
    /// Stops the encoding from another thread.
    pub cancel: CancelToken,
}

/// Asks a running encoding to stop; clones share one state.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

/// What [`encode`] reports while it runs.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// The source is open and it is known what will be made. Comes once, first.
    Start {
        /// The video renditions, highest first; empty for sound alone.
        renditions: Vec<FittedRung>,
        /// Whether there is a sound rendition.
        has_audio: bool,
        /// Frames per second of the output; 0 for sound alone.
        frame_rate: f64,
        /// Length of the source in seconds, where its container states it.
        duration_s: Option<f64>,
        /// Video frames to expect.
        total_frames: Option<u64>,
    },
    /// Comes a few times a second.
    Progress {
        /// Video frames that every rendition has.
        frames: u64,
        /// Video frames to expect.
        total_frames: Option<u64>,
        /// Seconds of media that are encoded.
        media_s: f64,
        /// Video frames encoded per second since the start.
        fps: f64,
        /// Seconds since the start.
        elapsed_s: f64,
        /// Seconds that are probably left.
        eta_s: Option<f64>,
    },
}

/// What was made.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The video's folder.
    pub out_dir: PathBuf,
    /// The multivariant playlist.
    pub hls: PathBuf,
    /// The MPD.
    pub dash: PathBuf,
    /// Every rendition: video from the highest, then sound.
    pub renditions: Vec<RenditionSummary>,
    /// Length of the longest rendition in seconds.
    pub duration_s: f64,
    /// Seconds it took.
    pub wall_s: f64,
    /// CPU seconds the process used meanwhile, all threads.
    pub cpu_s: f64,
}

/// One rendition as it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct RenditionSummary {
    /// Its name and folder.
    pub name: String,
    /// RFC 6381 codec string.
    pub codecs: String,
    /// Pixels across; none for sound.
    pub width: Option<u32>,
    /// Pixels down; none for sound.
    pub height: Option<u32>,
    /// Frames per second; none for sound.
    pub frame_rate: Option<f64>,
    /// Peak of its segments in bit/s (RFC 8216bis), container included.
    pub peak_bps: u64,
    /// Mean in bit/s, container included.
    pub average_bps: u64,
    /// How many media segments it has.
    pub segments: usize,
    /// Seconds.
    pub duration_s: f64,
}

impl VodOptions {
    /// The default ladder in segments of 2 s at preset `veryfast`.
    pub fn new(input: impl Into<PathBuf>, out_dir: impl Into<PathBuf>) -> Self {
        Self {
            input: input.into(),
            out_dir: out_dir.into(),
            id: None,
            ladder: Ladder::default(),
            segment_s: 2,
            preset: "veryfast".to_owned(),
            threads: 0,
            force: false,
            cancel: CancelToken::default(),
        }
    }

    /// Where the video will lie.
    pub fn video_dir(&self) -> PathBuf {
        match &self.id {
            Some(id) => self.out_dir.join("videos").join(id),
            None => self.out_dir.clone(),
        }
    }

    fn check(&self) -> Result<(), EncodeError> {
        let bad = |option, value: &str, reason: String| {
            Err(EncodeError::BadOption {
                option,
                value: value.to_owned(),
                reason,
            })
        };
        if !PRESETS.contains(&self.preset.as_str()) {
            return bad(
                "--preset",
                &self.preset,
                format!("use one of {}", PRESETS.join(", ")),
            );
        }
        if ![2, 4].contains(&self.segment_s) {
            return bad(
                "--segment-s",
                &self.segment_s.to_string(),
                "use 2 or 4".to_owned(),
            );
        }
        if let Some(id) = &self.id {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if id.is_empty() || id.starts_with('.') || id.len() > 128 || !id.chars().all(plain) {
                return bad(
                    "--id",
                    id,
                    "use up to 128 letters, digits, -, _ and . (not first)".to_owned(),
                );
            }
        }
        let described = || {
            format!(
                "{:?}",
                self.ladder
                    .video
                    .iter()
                    .map(|rung| &rung.name)
                    .collect::<Vec<_>>()
            )
        };
        self.ladder.check().map_err(|reason| EncodeError::BadLadder {
            ladder: described(),
            reason,
        })
    }
}

impl CancelToken {
    /// Asks to stop. [`encode`] returns [`EncodeError::Cancelled`] soon after and leaves nothing behind.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself, for signal handlers.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// Encodes and packages a video.
///
/// Everything is written into a folder beside [`VodOptions::video_dir`] that gets its name when all is there; on an
/// error, a panic or a cancellation nothing remains.
///
/// ```no_run
/// use encoder::vod::{Progress, VodOptions, encode};
///
/// let options = VodOptions::new("film.mp4", "public/videos/film");
/// let summary = encode(&options, &mut |progress| {
///     if let Progress::Progress { media_s, .. } = progress {
///         eprintln!("{media_s:.0} s");
///     }
/// })?;
/// println!("{}", summary.hls.display());
/// # Ok::<(), encoder::EncodeError>(())
/// ```
///
/// # Errors
/// One variant of [`EncodeError`] for everything that can be wrong with the input, the options or the output folder.
pub fn encode(options: &VodOptions, progress: &mut dyn FnMut(Progress)) -> Result<Summary, EncodeError> {
    let started = Instant::now();
    let cpu = cpu_time::ProcessTime::try_now().ok();
    options.check()?;
    crate::init_ffmpeg();
    let source = source::open(&options.input)?;
    let video_dir = options.video_dir();
    let output = OutputDir::create(&video_dir, options.force, &options.input)?;

    let rungs = source
        .video
        .as_ref()
        .map(|video| options.ladder.fit(video.width, video.height))
        .unwrap_or_default();
    // Sound alone is cut by whole seconds.
    let rate = source
        .video
        .as_ref()
        .map_or(FrameRate::new(1, 1), |video| video.rate);
    let plan = IdrPlan::regular(rate, options.segment_s);
    let has_video = source.video.is_some();
    let duration_s = source.duration_s;
    let total_frames = duration_s
        .filter(|_| has_video)
        .map(|seconds| (seconds * rate.fps()).round() as u64);
    progress(Progress::Start {
        renditions: rungs.clone(),
        has_audio: source.audio.is_some(),
        frame_rate: if has_video { rate.fps() } else { 0.0 },
        duration_s,
        total_frames,
    });

    let work = Work {
        output: &output,
        plan: &plan,
        rungs: &rungs,
        preset: &options.preset,
        threads: options.threads,
        audio: (AUDIO_NAME, options.ladder.audio.bitrate_kbps),
    };
    let mut reported = Instant::now();
    let mut tick = |position: Position| {
        if options.cancel.is_cancelled() {
            return Err(EncodeError::Cancelled);
        }
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            progress(report(position, started.elapsed(), duration_s, total_frames));
        }
        Ok(())
    };
    let has_audio = source.audio.is_some();
    let renditions = pipeline::run(source, &work, &mut tick)?;
    if has_audio && renditions.iter().all(Rendition::is_video) {
        tracing::warn!(input = %options.input.display(), "no sound could be decoded; the output has none");
    }
    warn_if_short(&options.input, &renditions, duration_s);
    write_manifests(&output, &renditions)?;
    if options.cancel.is_cancelled() {
        return Err(EncodeError::Cancelled);
    }
    output.commit()?;
    let cpu_s = cpu
        .and_then(|cpu| cpu.try_elapsed().ok())
        .unwrap_or_default()
        .as_secs_f64();
    Ok(summary(
        &video_dir,
        &renditions,
        started.elapsed().as_secs_f64(),
        cpu_s,
    ))
}

/// Media playlists first and the two manifests that name everything last, so that even a copy in this order is never
/// taken for whole too early.
fn write_manifests(output: &OutputDir, renditions: &[Rendition]) -> Result<(), EncodeError> {
    output.folder("hls")?;
    output.folder("dash")?;
    for rendition in renditions {
        output.write(
            &format!("hls/{}.m3u8", rendition.name),
            &manifest::hls::media(rendition)?,
        )?;
    }
    output.write(manifest::table::PATH, &manifest::table::table(renditions)?)?;
    output.write(MPD_PATH, &manifest::dash::mpd(renditions)?)?;
    output.write(MULTIVARIANT_PATH, &manifest::hls::multivariant(renditions)?)
}

fn report(
    position: Position,
    elapsed: Duration,
    duration_s: Option<f64>,
    total_frames: Option<u64>,
) -> Progress {
    let elapsed_s = elapsed.as_secs_f64();
    let left_s = duration_s.map(|duration_s| (duration_s - position.media_s).max(0.0));
    let speed = position.media_s / elapsed_s;
    Progress::Progress {
        frames: position.frames,
        total_frames,
        media_s: position.media_s,
        fps: position.frames as f64 / elapsed_s,
        elapsed_s,
        eta_s: left_s.filter(|_| speed > 0.0).map(|left_s| left_s / speed),
    }
}

fn warn_if_short(input: &Path, renditions: &[Rendition], duration_s: Option<f64>) {
    let encoded_s = renditions.iter().map(Rendition::duration_s).fold(0.0, f64::max);
    if let Some(duration_s) = duration_s.filter(|duration_s| encoded_s < duration_s * 0.9 - 0.5) {
        tracing::warn!(
            input = %input.display(),
            "only {encoded_s:.1} s of the {duration_s:.1} s that the file states could be decoded; it may be incomplete"
        );
    }
}

fn summary(video_dir: &Path, renditions: &[Rendition], wall_s: f64, cpu_s: f64) -> Summary {
    Summary {
        out_dir: video_dir.to_owned(),
        hls: video_dir.join(MULTIVARIANT_PATH),
        dash: video_dir.join(MPD_PATH),
        duration_s: renditions.iter().map(Rendition::duration_s).fold(0.0, f64::max),
        renditions: renditions.iter().map(summarize).collect(),
        wall_s,
        cpu_s,
    }
}

fn summarize(rendition: &Rendition) -> RenditionSummary {
    let (width, height, frame_rate) = match rendition.kind {
        Kind::Video { width, height, rate } => (Some(width), Some(height), Some(rate.fps())),
        Kind::Audio { .. } => (None, None, None),
    };
    RenditionSummary {
        name: rendition.name.clone(),
        codecs: rendition.codecs.clone(),
        width,
        height,
        frame_rate,
        peak_bps: rendition.peak_bps(),
        average_bps: rendition.average_bps(),
        segments: rendition.segments.len(),
        duration_s: rendition.duration_s(),
    }
}

const AUDIO_NAME: &str = "audio";
const MULTIVARIANT_PATH: &str = "hls/master.m3u8";
const MPD_PATH: &str = "dash/manifest.mpd";
const REPORT_EVERY: Duration = Duration::from_millis(200);
const PRESETS: [&str; 10] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
];
