//! Video on demand: one file in, one folder of HLS and DASH out.

mod options;
mod progress;
mod publish;
mod summary;

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

pub use self::options::{CancelToken, VodOptions};
pub use self::progress::Progress;
pub(crate) use self::publish::publish;
pub(crate) use self::summary::Watch;
pub use self::summary::{RenditionSummary, Summary};
use crate::account::Seen;
pub use crate::account::{LeftOut, Treatment};
use crate::error::EncodeError;
use crate::index::Rendition;
pub use crate::packager::Packaging;
use crate::pipeline::{self, Encoding, Position};
use crate::plan::Plan;
use crate::source;
use crate::storage::{self, Scratch};
pub use crate::text::{Role, Sidecar};
use crate::work::{self, Work};

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
            progress(report(position, watch.elapsed(), plan.duration_s, total_frames));
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

pub(crate) const REPORT_EVERY: Duration = Duration::from_millis(200);
