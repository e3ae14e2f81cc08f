//! One encoding by many workers: each makes a share of the pieces, and one of them, or another, joins them.
//!
//! ```no_run
//! use encoder::split::{JoinOptions, Share, encode_share, join};
//! use encoder::vod::VodOptions;
//!
//! // On two machines, each with a folder of its own:
//! for (folder, share) in [("a", "1/2"), ("b", "2/2")] {
//!     let mut options = VodOptions::new("film.mp4", "public");
//!     options.work_dir = Some(folder.into());
//!     let share = Share { chunk: Some(share.parse()?), ..Share::default() };
//!     encode_share(&options, &share, &mut |_| {})?;
//! }
//! // Where both folders are:
//! let summary = join(&JoinOptions::new(["a", "b"], "public"), &mut |_| {})?;
//! # Ok::<(), encoder::EncodeError>(())
//! ```
//!
//! Workers that are given the same source and the same settings come to the same plan by themselves; the plan lies beside the
//! pieces, and pieces of different plans are not joined. With `threads` at 1 the pieces of a rendition are the same bytes
//! wherever they are made, and the same that one run makes in as many chunks ([`VodOptions::chunks`]). A chunk begins with an
//! encoder of its own, so a video in four chunks is not the same bytes as one in one chunk; its playlists have the same
//! segments.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use crate::error::EncodeError;
use crate::pipeline::Encoding;
use crate::plan::Plan;
use crate::source;
use crate::storage::{self, CacheRule, Location, Scratch};
use crate::vod::{
    CancelToken, Packaging, Progress, Summary, VodOptions, Watch, announcement, encode_pieces, publish,
};
use crate::work::{Work, account, extras, find_piece, streams};

/// Which part of an encoding a worker does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Names of renditions; none for all.
    pub renditions: Vec<String>,
    /// One chunk of the video's time. Sound is not divided: it belongs to the first chunk.
    pub chunk: Option<Chunk>,
}

/// The `index`-th of `count` chunks, counted from 1; written `2/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// From 1.
    pub index: u32,
    /// How many there are.
    pub count: u32,
}

/// What a worker made.
#[derive(Clone, Debug, Serialize)]
pub struct ShareSummary {
    /// The folder with the pieces.
    pub work_dir: PathBuf,
    /// The renditions that it made pieces of.
    pub renditions: Vec<String>,
    /// The first and last segment of the video in it, counted from 1; the last is unknown for the last chunk.
    pub segments: (u64, Option<u64>),
    /// Seconds it took.
    pub wall_s: f64,
    /// CPU seconds the process used meanwhile, all threads.
    pub cpu_s: f64,
}

/// What was planned.
#[derive(Clone, Debug, Serialize)]
pub struct PlanSummary {
    /// The file.
    pub plan: PathBuf,
    /// Names of the renditions, for [`Share::renditions`].
    pub renditions: Vec<String>,
    /// Chunks of the video's time.
    pub chunks: usize,
    /// Segments of the video, where its length is known.
    pub segments: Option<u64>,
}

/// What to join, and into what.
#[derive(Clone, Debug)]
pub struct JoinOptions {
    /// The workers' folders.
    pub work_dirs: Vec<PathBuf>,
    /// The folder to make, or a place in an object store. With an [`id`](Self::id) the video lies in `videos/<id>` of it.
    pub out: Location,
    /// Puts the video under `videos/<id>/`, as in a CDN.
    pub id: Option<String>,
    /// What files are made of the encoded renditions.
    pub packaging: Packaging,
    /// The source, from which the poster is taken, and which is measured against; without it there is none.
    pub film: Option<PathBuf>,
    /// Measures the quality of what the workers did not measure, as [`VodOptions::measure`]; what was measured lies in their
    /// folders then.
    pub measure: bool,
    /// Replaces an earlier output.
    pub force: bool,
    /// As [`VodOptions::cache_control`].
    pub cache_control: Vec<CacheRule>,
    /// Stops it from another thread.
    pub cancel: CancelToken,
}

impl JoinOptions {
    /// Segments in files of their own.
    pub fn new(work_dirs: impl IntoIterator<Item = impl Into<PathBuf>>, out: impl Into<Location>) -> Self {
        Self {
            work_dirs: work_dirs.into_iter().map(Into::into).collect(),
            out: out.into(),
            id: None,
            packaging: Packaging::default(),
            film: None,
            measure: false,
            force: false,
            cache_control: Vec::new(),
            cancel: CancelToken::default(),
        }
    }
}

impl FromStr for Chunk {
    type Err = EncodeError;

    fn from_str(text: &str) -> Result<Self, EncodeError> {
        let parts = text.split_once('/').and_then(|(index, count)| {
            let (index, count) = (index.parse().ok()?, count.parse().ok()?);
            ((1..=count).contains(&index) && count <= MAX_CHUNKS).then_some(Self { index, count })
        });
        parts.ok_or_else(|| EncodeError::BadOption {
            option: "--chunk",
            value: text.to_owned(),
            reason: format!("use a chunk such as 2/4, of at most {MAX_CHUNKS}"),
        })
    }
}

/// Makes the plan of an encoding in `chunks` chunks and writes it to `path`, for workers to be given by
/// [`VodOptions::plan`](field@VodOptions::plan): what needs a look at the whole source is then done once.
///
/// # Errors
/// As [`crate::vod::encode`].
pub fn plan(
    options: &VodOptions,
    chunks: u32,
    path: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<PlanSummary, EncodeError> {
    options.check()?;
    crate::init_ffmpeg();
    let source = source::open(&options.input)?;
    let plan = options.plan(&source, chunks, progress)?;
    let json = serde_json::to_vec_pretty(&plan).map_err(std::io::Error::from);
    let written = json.and_then(|json| std::fs::write(path, json));
    written.map_err(|error| EncodeError::unwritable(path, error))?;
    Ok(PlanSummary {
        plan: path.to_owned(),
        renditions: plan.renditions().map(|(name, ..)| name.to_owned()).collect(),
        chunks: plan.chunks.len(),
        segments: plan
            .total_frames()
            .map(|frames| plan.idr.segment_of(frames.saturating_sub(1)) + 1),
    })
}

/// Makes one share of the pieces of a video, in [`VodOptions::work_dir`], and leaves them there.
///
/// # Errors
/// As [`crate::vod::encode`], and [`EncodeError::BadOption`] for a rendition that the source is not given.
pub fn encode_share(
    options: &VodOptions,
    share: &Share,
    progress: &mut dyn FnMut(Progress),
) -> Result<ShareSummary, EncodeError> {
    let watch = Watch::start();
    options.check()?;
    crate::init_ffmpeg();
    let work_dir = options.work_dir.as_ref().ok_or_else(|| EncodeError::BadOption {
        option: "--work",
        value: String::new(),
        reason: "a share needs a folder to leave its pieces in".to_owned(),
    })?;
    let source = source::open(&options.input)?;
    let plan = options.plan(&source, share.chunk.map_or(1, |chunk| chunk.count), progress)?;
    let index = share.chunk.map_or(0, |chunk| chunk.index as usize - 1);
    if let Some(chunk) = share.chunk
        && chunk.count as usize != plan.chunks.len()
    {
        return Err(EncodeError::BadOption {
            option: "--chunk",
            value: chunk.count.to_string(),
            reason: format!("the plan has {} chunks", plan.chunks.len()),
        });
    }
    let Some(span) = plan.spans().nth(index) else {
        return Err(EncodeError::PiecesMissing { missing: Vec::new() });
    };
    let is_wanted =
        |name: &str| share.renditions.is_empty() || share.renditions.iter().any(|one| one == name);
    let known: Vec<&str> = plan.renditions().map(|(name, ..)| name).collect();
    if let Some(unknown) = share
        .renditions
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        return Err(EncodeError::BadOption {
            option: "--rendition",
            value: unknown.clone(),
            reason: format!("this source is given {}", known.join(", ")),
        });
    }
    let mut scratch = Scratch::open(work_dir)?;
    // Whatever happens, what is there is of use later.
    scratch.keep();
    let work = Work::prepare(work_dir, &plan)?;
    let encoding = Encoding {
        plan: &plan,
        work: &work,
        span,
        rungs: plan.video.iter().filter(|rung| is_wanted(&rung.name)).collect(),
        sounds: plan
            .audio
            .iter()
            .filter(|sound| index == 0 && is_wanted(&sound.name))
            .collect(),
        // What there is once is made where the first rendition is.
        with_texts: index == 0 && known.first().is_some_and(|first| is_wanted(first)),
        with_pictures: known.first().is_some_and(|first| is_wanted(first)),
        threads: options.threads,
    };
    progress(announcement(&plan, &is_wanted));
    encode_pieces(source, &encoding, &options.cancel, &watch, progress)?;
    options.measure_pieces(&plan, span, &work.video_pieces(&encoding.rungs, span), progress)?;
    let rungs = encoding.rungs.iter().map(|rung| rung.name.clone());
    let sounds = encoding.sounds.iter().map(|sound| sound.name.clone());
    Ok(ShareSummary {
        work_dir: work_dir.clone(),
        renditions: rungs.chain(sounds).collect(),
        segments: (
            plan.idr.segment_of(span.start) + 1,
            span.end.map(|end| plan.idr.segment_of(end - 1) + 1),
        ),
        wall_s: watch.wall_s(),
        cpu_s: watch.cpu_s(),
    })
}

/// Packages the pieces of all workers.
///
/// # Errors
/// [`EncodeError::PiecesMissing`] names the renditions and chunks that are not there yet; [`EncodeError::PlansDiffer`] the
/// folders that do not belong together.
pub fn join(options: &JoinOptions, progress: &mut dyn FnMut(Progress)) -> Result<Summary, EncodeError> {
    let watch = Watch::start();
    let mut folders = Vec::new();
    let mut plan: Option<Plan> = None;
    for path in &options.work_dirs {
        let (work, its_plan) = Work::open(path)?;
        match &plan {
            Some(plan) if *plan != its_plan => {
                return Err(EncodeError::PlansDiffer {
                    one: options.work_dirs.first().cloned().unwrap_or_default(),
                    other: path.clone(),
                });
            }
            _ => plan = Some(its_plan),
        }
        folders.push(work);
    }
    let plan = plan.ok_or_else(|| EncodeError::BadOption {
        option: "folders",
        value: String::new(),
        reason: "name the workers' folders".to_owned(),
    })?;
    let streams = streams(&plan, &folders)?;
    let film = options.film.as_deref();
    let mut target = VodOptions::new(film.unwrap_or(Path::new("")), options.out.clone());
    target.id = options.id.clone();
    target.packaging = options.packaging.clone();
    target.force = options.force;
    target.cache_control = options.cache_control.clone();
    target.cancel = options.cancel.clone();
    target.measure = options.measure;
    target.check()?;
    if options.measure {
        let bad = |value: &Path, reason: &str| EncodeError::BadOption {
            option: "--measure",
            value: value.display().to_string(),
            reason: reason.to_owned(),
        };
        let film = film.ok_or_else(|| bad(Path::new(""), "name the source by --source"))?;
        if !plan.is_of(film)? {
            return Err(bad(
                film,
                "that is not the file that was encoded; name it by --source",
            ));
        }
        crate::init_ffmpeg();
        // Before hours are spent.
        let waiter = &mut target.waiter(progress);
        storage::check_replaceable(&target.location(), target.force, &target.input, waiter)?;
        for span in plan.spans() {
            let found = plan.video.iter().filter_map(|rung| {
                let (_, piece) = find_piece(&folders, &rung.name, span.chunk)?;
                Some((rung, piece))
            });
            target.measure_pieces(&plan, span, &found.collect::<Vec<_>>(), progress)?;
        }
    }
    let extras = extras(&plan, &folders, film)?;
    let renditions = publish(&streams, &extras, &target, progress)?;
    let account = account(&plan, &folders, &renditions);
    Ok(watch.summary(&target.location(), &renditions, account))
}

const MAX_CHUNKS: u32 = 1000;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_chunk_is_one_of_some() {
        assert_eq!("2/4".parse::<Chunk>().unwrap(), Chunk { index: 2, count: 4 });
        for bad in ["", "2", "0/4", "5/4", "a/b", "1/0", "1/100000"] {
            assert!(bad.parse::<Chunk>().is_err(), "{bad}");
        }
    }
}
