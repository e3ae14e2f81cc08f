//! Video on demand: one file in, one folder of HLS and DASH out.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::account::{Account, Seen};
pub use crate::account::{LeftOut, Treatment};
use crate::encode::PRESETS;
use crate::error::EncodeError;
use crate::extras::Extras;
use crate::index::{Kind, Presentation, Rendition};
use crate::ladder::{Ladder, Rung};
use crate::manifest::{MPD_PATH, MULTIVARIANT_PATH};
use crate::packager::Packaged;
pub use crate::packager::Packaging;
use crate::pertitle::{self, PerTitle, Report};
use crate::pipeline::{self, Encoding, Position};
use crate::plan::{self, Plan, Settings, Span};
use crate::storage::{self, CacheRule, Location, Output, Publishing, Scratch, Teller, Waiter};
pub use crate::text::{Role, Sidecar};
use crate::work::{self, Work};
use crate::{analysis, manifest, measure, packager, protect, source};

/// What to encode, into what, and how.
#[derive(Clone, Debug)]
pub struct VodOptions {
    /// A local media file.
    pub input: PathBuf,
    /// The folder to make, or a place in an object store. With an [`id`](Self::id) the video lies in `videos/<id>` of it.
    pub out: Location,
    /// Puts the video under `videos/<id>/`, as in a CDN: letters, digits, `-`, `_` and `.`.
    pub id: Option<String>,
    /// The renditions to offer.
    pub ladder: Ladder,
    /// Makes a ladder for this very film in place of the video of [`ladder`](Self::ladder), which it is compared with. The
    /// video is decoded once more for it, and parts of it are encoded on trial.
    pub per_title: Option<PerTitle>,
    /// Length of a segment in seconds, 0.5 to 30.
    pub segment_s: f64,
    /// Distance of IDR frames in seconds, at most a segment's length; a segment's length where there is none.
    pub gop_s: Option<f64>,
    /// Lets segments begin where shots begin, within half and one and a half times their length. The video is decoded once
    /// more for it.
    pub shot_aligned: bool,
    /// A plan made by [`crate::split::plan`] for the same file, in place of all that decides one: the ladder, the lengths, the
    /// preset, the chunks.
    pub plan: Option<PathBuf>,
    /// For rungs that have no preset of their own: an x264 preset, from `ultrafast` to `placebo`.
    pub preset: String,
    /// Threads of each video encoder; 0 lets the encoder decide. With 1 the output is the same every time.
    pub threads: usize,
    /// What files are made of the encoded renditions.
    pub packaging: Packaging,
    /// Measures the quality of every segment, for players that choose by it: in `segments.json`. Everything is decoded once
    /// more for it. Always done with [`per_title`](Self::per_title).
    pub measure: bool,
    /// Makes a poster and thumbnails for the seek bar.
    pub pictures: bool,
    /// In how many chunks the video is encoded, each with encoders of its own: what workers that are given a
    /// [share](crate::split) do, so that both come to the same bytes.
    pub chunks: u32,
    /// Where unfinished renditions lie. The folder is kept when something fails, so that the next run goes on with it. Without
    /// one they lie beside the output, and only a crash or a failed write leaves them.
    pub work_dir: Option<PathBuf>,
    /// Replaces an earlier output. That of an object store is taken out of sight before the first object is replaced.
    pub force: bool,
    /// `Cache-Control` of objects, for an object store; the last rule that matches decides. Where none does, segments may be
    /// cached for ever and manifests for a minute.
    pub cache_control: Vec<CacheRule>,
    /// Names the source and the settings ([`crate::jobs`]); it is noted in the output, so that the same job is known as done.
    pub fingerprint: Option<String>,
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
    /// The source is open and it is known what will be made. Comes once, before anything is encoded.
    Start {
        /// The video renditions, highest first; empty for sound alone.
        renditions: Vec<Rung>,
        /// How many sound renditions there are.
        sounds: usize,
        /// Frames per second of the output; 0 for sound alone.
        frame_rate: f64,
        /// Length of the source in seconds, where its container states it.
        duration_s: Option<f64>,
        /// Video frames to expect.
        total_frames: Option<u64>,
    },
    /// The source is being looked at, before anything is encoded. Comes a few times a second.
    Analysis {
        /// Seconds of media that were looked at.
        media_s: f64,
        /// Length of the source in seconds, where its container states it.
        duration_s: Option<f64>,
    },
    /// What was encoded is being compared with the source. Comes a few times a second.
    Measuring {
        /// Seconds of media that were compared.
        media_s: f64,
        /// Length of the source in seconds, where its container states it.
        duration_s: Option<f64>,
    },
    /// Files that are encoded already are being read. Comes a few times a second.
    Packaging {
        /// Bytes that were read; every file is read twice.
        bytes: u64,
        /// Bytes to read.
        total_bytes: u64,
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
    /// An object store does not answer as it should, and is asked again. Comes at every failure, and every few seconds.
    Waiting {
        /// The place.
        location: String,
        /// Seconds since the first request that failed, or since the one that has no answer yet.
        waited_s: f64,
        /// Requests that failed since the last that did not.
        failures: u64,
        /// Why the last one failed.
        reason: Option<String>,
    },
    /// Comes a few times a second while an output goes to an object store.
    Upload {
        /// Bytes that are there.
        bytes: u64,
        /// Bytes to expect: the size of the encoded renditions, until more than that was packaged.
        total_bytes: u64,
        /// Objects that are there.
        files: u64,
        /// Objects that were packaged so far.
        packaged_files: u64,
    },
}

/// What was made.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The video's folder, or its place in an object store.
    pub out: Location,
    /// The multivariant playlist.
    pub hls: Location,
    /// The MPD.
    pub dash: Location,
    /// Every rendition: video from the highest, then sound.
    pub renditions: Vec<RenditionSummary>,
    /// Length of the longest rendition in seconds.
    pub duration_s: f64,
    /// What was done to the source's pictures and sound, beside scaling and encoding.
    pub treatments: Vec<Treatment>,
    /// What is in the source, or the ladder, and not in the output.
    pub left_out: Vec<LeftOut>,
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
    pub fn new(input: impl Into<PathBuf>, out: impl Into<Location>) -> Self {
        Self {
            input: input.into(),
            out: out.into(),
            id: None,
            ladder: Ladder::default(),
            per_title: None,
            measure: false,
            segment_s: 2.0,
            gop_s: None,
            shot_aligned: false,
            plan: None,
            preset: "veryfast".to_owned(),
            threads: 0,
            packaging: Packaging::default(),
            pictures: true,
            chunks: 1,
            work_dir: None,
            force: false,
            cache_control: Vec::new(),
            fingerprint: None,
            cancel: CancelToken::default(),
        }
    }

    /// Where the video will lie.
    pub fn location(&self) -> Location {
        match &self.id {
            Some(id) => self.out.join(&format!("videos/{id}")),
            None => self.out.clone(),
        }
    }

    /// The plan for `source` in `chunks` chunks.
    pub(crate) fn plan(
        &self,
        source: &source::Source,
        chunks: u32,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Plan, EncodeError> {
        if let Some(path) = &self.plan {
            return Plan::read(path, source);
        }
        let mut reported = Instant::now();
        let mut tick = |frames| {
            if self.cancel.is_cancelled() {
                return Err(EncodeError::Cancelled);
            }
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                progress(Progress::Analysis {
                    media_s: source.rate().seconds(frames),
                    duration_s: source.duration_s,
                });
            }
            Ok(())
        };
        let made = match &self.per_title {
            Some(per_title) => self.title_ladder(per_title, source, &mut tick)?,
            None => None,
        };
        let ladder = made.as_ref().map_or(&self.ladder, |(ladder, _)| ladder);
        let starts = match &source.video {
            Some(video) if self.shot_aligned => {
                let rungs = ladder.fit(video.width, video.height);
                let step = plan::step(&rungs, video.rate);
                Some(analysis::starts(
                    &self.input,
                    video.rate,
                    self.segment_s,
                    step,
                    &mut tick,
                )?)
            }
            _ => None,
        };
        let settings = Settings {
            ladder,
            preset: &self.preset,
            segment_s: self.segment_s,
            gop_s: self.gop_s.unwrap_or(self.segment_s),
            starts,
            chunks,
            with_pictures: self.pictures,
            per_title: made.as_ref().map(|(_, report)| report.clone()),
        };
        Plan::make(source, &settings)
    }

    /// Measures pieces that were encoded of one of the plan's chunks, where that is wanted.
    pub(crate) fn measure_pieces(
        &self,
        plan: &Plan,
        span: Span,
        pieces: &[(&Rung, PathBuf)],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), EncodeError> {
        if !self.measure && self.per_title.is_none() {
            return Ok(());
        }
        let mut reported = Instant::now();
        measure::pieces(&self.input, plan, span, pieces, &mut |frame| {
            if self.cancel.is_cancelled() {
                return Err(EncodeError::Cancelled);
            }
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                progress(Progress::Measuring {
                    media_s: plan.idr.rate().seconds(frame),
                    duration_s: plan.duration_s,
                });
            }
            Ok(())
        })
    }

    /// A ladder for the source's pictures, if it has any; that of an interrupted run where nothing has changed.
    fn title_ladder(
        &self,
        per_title: &PerTitle,
        source: &source::Source,
        tick: &mut dyn FnMut(u64) -> Result<(), EncodeError>,
    ) -> Result<Option<(Ladder, Report)>, EncodeError> {
        let Some(video) = &source.video else {
            return Ok(None);
        };
        let frames = |seconds: f64| (video.rate.fps() * seconds).round().max(1.0) as u64;
        let asked = pertitle::Asked {
            per_title: per_title.clone(),
            ladder: self.ladder.clone(),
            preset: self.preset.clone(),
            segment_frames: frames(self.segment_s),
            gop_frames: frames(self.gop_s.unwrap_or(self.segment_s)),
        };
        let earlier = self.work_dir.as_ref();
        let earlier = earlier.and_then(|path| Plan::read(&path.join(work::PLAN), source).ok());
        if let Some(plan) = earlier
            && let Some(report) = plan.per_title.filter(|report| *report.asked() == asked)
        {
            let ladder = Ladder {
                video: plan.video,
                audio: self.ladder.audio.clone(),
            };
            return Ok(Some((ladder, report)));
        }
        pertitle::ladder(&self.input, video, &asked, tick).map(Some)
    }

    /// Who waits for the output's place.
    pub(crate) fn waiter<'a>(&'a self, progress: &'a mut dyn FnMut(Progress)) -> Waiter<'a> {
        Waiter {
            cancel: &self.cancel,
            progress,
        }
    }

    pub(crate) fn check(&self) -> Result<(), EncodeError> {
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
        if !(0.5..=30.0).contains(&self.segment_s) {
            return bad(
                "--segment-s",
                &self.segment_s.to_string(),
                "use 0.5 to 30".to_owned(),
            );
        }
        if let Some(gop_s) = self.gop_s
            && !(0.1..=self.segment_s).contains(&gop_s)
        {
            let reason = format!("use 0.1 to the segment's {} s", self.segment_s);
            return bad("--gop-s", &gop_s.to_string(), reason);
        }
        if self.shot_aligned && self.gop_s.is_some() {
            let reason =
                "segments that begin with shots are one group of pictures each; leave one of both out";
            return bad("--gop-s", "with --shot-aligned", reason.to_owned());
        }
        self.packaging.check()?;
        let protection = self.packaging.protection.as_ref();
        if let Some(path) = protection.and_then(|protection| protection.key_file.as_ref()) {
            protect::check_key_file(path, &self.out)?;
            if let Some(work_dir) = &self.work_dir {
                protect::check_kept(path, work_dir)?;
            }
        }
        if let Some(per_title) = &self.per_title {
            per_title.check()?;
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
/// Everything is written into a folder beside [`VodOptions::location`] that gets its name when all is there; on an
/// error, a panic or a cancellation nothing remains. In an object store what players load comes before what names it, and is
/// removed again on an error; unfinished renditions lie in a hidden folder of the current one.
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
/// println!("{}", summary.hls);
/// # Ok::<(), encoder::EncodeError>(())
/// ```
///
/// # Errors
/// One variant of [`EncodeError`] for everything that can be wrong with the input, the options or the output folder.
pub fn encode(options: &VodOptions, progress: &mut dyn FnMut(Progress)) -> Result<Summary, EncodeError> {
    let watch = Watch::start();
    options.check()?;
    crate::init_ffmpeg();
    let source = source::open(&options.input)?;
    let location = options.location();
    storage::check_replaceable(
        &location,
        options.force,
        &options.input,
        &mut options.waiter(progress),
    )?;
    let plan = options.plan(&source, options.chunks, progress)?;
    let work_dir = match &options.work_dir {
        Some(path) => path.clone(),
        None => storage::scratch_for(&location, "work")?,
    };
    let mut scratch = Scratch::open(&work_dir)?;
    let work = Work::prepare(&work_dir, &plan)?;
    if options.work_dir.is_some() {
        scratch.keep();
    }
    progress(announcement(&plan, &|_| true));
    let mut source = Some(source);
    for span in plan.spans() {
        let source = match source.take() {
            Some(source) => source,
            None => source::open(&options.input)?,
        };
        let encoding = Encoding {
            plan: &plan,
            work: &work,
            span,
            rungs: plan.video.iter().collect(),
            sounds: plan.audio.iter().filter(|_| span.chunk == 0).collect(),
            with_texts: span.chunk == 0,
            with_pictures: true,
            threads: options.threads,
        };
        encode_pieces(source, &encoding, &options.cancel, &watch, progress)?;
        options.measure_pieces(&plan, span, &work.video_pieces(&encoding.rungs, span), progress)?;
    }
    let streams = work::streams(&plan, std::slice::from_ref(&work))?;
    let extras = work::extras(&plan, std::slice::from_ref(&work), Some(&options.input))?;
    let renditions = publish(&streams, &extras, options, progress).inspect_err(|error| {
        // Hours of encoding are not lost to a full disk or a store that fails.
        if error.is_of_output() {
            scratch.keep();
            tracing::warn!(
                "the encoded renditions are kept in {}; run it again with the same options to go on with them",
                work_dir.display()
            );
        }
    })?;
    if !plan.audio.is_empty() && renditions.iter().all(Rendition::is_video) {
        tracing::warn!(input = %options.input.display(), "no sound could be decoded; the output has none");
    }
    let mut account = work::account(&plan, std::slice::from_ref(&work), &renditions);
    if let Some(short) = short(&renditions, plan.duration_s) {
        tracing::warn!(input = %options.input.display(), "{short}");
        account.left_out.push(short);
    }
    scratch.remove();
    Ok(watch.summary(&location, &renditions, account))
}

/// Packages `streams` and publishes the output.
pub(crate) fn publish(
    streams: &[packager::Stream],
    extras: &Extras,
    options: &VodOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Rendition>, EncodeError> {
    let location = options.location();
    let waiter = &mut options.waiter(progress);
    storage::check_replaceable(&location, options.force, &options.input, waiter)?;
    let scratch = Scratch::open(&storage::scratch_for(&location, "partial")?)?;
    let publishing = Publishing {
        location: &location,
        force: options.force,
        cache_control: &options.cache_control,
        fingerprint: options.fingerprint.as_deref(),
    };
    let output = storage::create(&publishing, &scratch, waiter)?;
    let output = output.as_ref();
    let is_cancelled = || options.cancel.is_cancelled();
    let packaging = &options.packaging;
    let write = || {
        let Packaged {
            mut renditions,
            mut for_hls,
        } = packager::package(streams, packaging, output, scratch.path(), &is_cancelled)?;
        measure::apply(streams, &mut renditions)?;
        if let Some(for_hls) = &mut for_hls {
            measure::apply(streams, for_hls)?;
        }
        let texts = extras.write_texts(&renditions, packaging, output)?;
        let images = extras.write_pictures(&renditions, output)?;
        if let Some(report) = &extras.report {
            pertitle::write(output, report)?;
        }
        let presentation = Presentation {
            renditions,
            for_hls,
            texts,
            images,
        };
        manifest::write(output, &presentation, packaging)?;
        if is_cancelled() {
            return Err(EncodeError::Cancelled);
        }
        output.commit()?;
        Ok(presentation.renditions)
    };
    let written = match output.position() {
        None => write(),
        Some(_) => {
            let teller = Teller::new(location.to_string());
            with_upload_progress(write, output, streams, teller, progress)
        }
    };
    written.map_err(|error| output.discard(error))
}

/// Runs `write` beside reports of how far the uploads are.
fn with_upload_progress<T: Send>(
    write: impl FnOnce() -> Result<T, EncodeError> + Send,
    output: &dyn Output,
    streams: &[packager::Stream],
    mut teller: Teller,
    progress: &mut dyn FnMut(Progress),
) -> Result<T, EncodeError> {
    let pieces = streams.iter().flat_map(|stream| &stream.pieces);
    let expected_bytes: u64 = pieces
        .filter_map(|path| std::fs::metadata(path).ok())
        .map(|data| data.len())
        .sum();
    let upload = |expected_bytes: u64| {
        let position = output.position().unwrap_or_default();
        Progress::Upload {
            bytes: position.bytes,
            total_bytes: position.known_bytes.max(expected_bytes),
            files: position.files,
            packaged_files: position.known_files,
        }
    };
    let result = thread::scope(|scope| {
        let worker = scope.spawn(write);
        let mut reported = Instant::now();
        while !worker.is_finished() {
            thread::sleep(LOOK_EVERY);
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                progress(upload(expected_bytes));
                if let Some(waiting) = teller.tell(output.failing(), None) {
                    progress(waiting);
                }
            }
        }
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    progress(upload(0));
    Ok(result)
}

/// What there will be to report of.
pub(crate) fn announcement(plan: &Plan, is_wanted: &dyn Fn(&str) -> bool) -> Progress {
    Progress::Start {
        renditions: plan
            .video
            .iter()
            .filter(|rung| is_wanted(&rung.name))
            .cloned()
            .collect(),
        sounds: plan.audio.iter().filter(|sound| is_wanted(&sound.name)).count(),
        frame_rate: if plan.video.is_empty() {
            0.0
        } else {
            plan.idr.rate().fps()
        },
        duration_s: plan.duration_s,
        total_frames: plan.total_frames(),
    }
}

/// Runs the first stage and reports how far it is.
pub(crate) fn encode_pieces(
    source: source::Source,
    encoding: &Encoding<'_>,
    cancel: &CancelToken,
    watch: &Watch,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), EncodeError> {
    let (plan, span) = (encoding.plan, encoding.span);
    let rate = plan.idr.rate();
    let seen = source.video.as_ref().map(|video| Arc::clone(&video.seen));
    if let Some(seen) = &seen {
        let to_s = span.end.map_or(f64::INFINITY, |end| rate.seconds(end));
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.watch(rate.seconds(span.start), to_s);
    }
    let total_frames = plan.total_frames();
    let mut reported = Instant::now();
    let mut tick = |position: Position| {
        if cancel.is_cancelled() {
            return Err(EncodeError::Cancelled);
        }
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            progress(report(
                position,
                watch.started.elapsed(),
                plan.duration_s,
                total_frames,
            ));
        }
        Ok(())
    };
    pipeline::run(source, encoding, &mut tick)?;
    match seen.map(|seen| Seen::of(&seen)).filter(Seen::is_any) {
        Some(seen) => encoding.work.write_seen(span.chunk, &seen),
        // All was there already.
        None => Ok(()),
    }
}

/// Measures what it took.
pub(crate) struct Watch {
    started: Instant,
    cpu: Option<cpu_time::ProcessTime>,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            cpu: cpu_time::ProcessTime::try_now().ok(),
        }
    }

    pub(crate) fn wall_s(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    pub(crate) fn cpu_s(&self) -> f64 {
        let elapsed = self.cpu.and_then(|cpu| cpu.try_elapsed().ok());
        elapsed.unwrap_or_default().as_secs_f64()
    }

    pub(crate) fn summary(&self, location: &Location, renditions: &[Rendition], account: Account) -> Summary {
        Summary {
            out: location.clone(),
            hls: location.join(MULTIVARIANT_PATH),
            dash: location.join(MPD_PATH),
            duration_s: renditions.iter().map(Rendition::duration_s).fold(0.0, f64::max),
            renditions: renditions.iter().map(summarize).collect(),
            treatments: account.treatments,
            left_out: account.left_out,
            wall_s: self.wall_s(),
            cpu_s: self.cpu_s(),
        }
    }
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

/// Says so where much is missing at the end.
fn short(renditions: &[Rendition], duration_s: Option<f64>) -> Option<LeftOut> {
    let encoded_s = renditions.iter().map(Rendition::duration_s).fold(0.0, f64::max);
    let duration_s = duration_s.filter(|duration_s| encoded_s < duration_s * 0.9 - 0.5)?;
    Some(LeftOut {
        what: "the end".to_owned(),
        reason: format!(
            "only {encoded_s:.1} s of the {duration_s:.1} s that the file states could be decoded; it may be incomplete"
        ),
    })
}

fn summarize(rendition: &Rendition) -> RenditionSummary {
    let (width, height, frame_rate) = match rendition.kind {
        Kind::Video { width, height, rate } => (Some(width), Some(height), Some(rate.fps())),
        Kind::Audio(_) => (None, None, None),
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

pub(crate) const REPORT_EVERY: Duration = Duration::from_millis(200);
const LOOK_EVERY: Duration = Duration::from_millis(20);
