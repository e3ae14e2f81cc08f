//! Packages files that are encoded already: their packets become pieces, and the second stage does the rest.
//!
//! ```no_run
//! use encoder::remux::{PackageOptions, package};
//!
//! let options = PackageOptions::new(["1080p.mp4", "720p.mp4", "sound.m4a"], "public/videos/film");
//! let summary = package(&options, &mut |_| {})?;
//! # Ok::<(), encoder::EncodeError>(())
//! ```

mod input;
mod timeline;
mod writer;

use std::path::PathBuf;
use std::time::Instant;

use ffmpeg_next::Packet;

use self::input::{InputFile, name_all};
use self::timeline::Timeline;
use crate::account::Account;
use crate::error::EncodeError;
use crate::extras::Extras;
use crate::index::Kind;
use crate::packager::Packaging;
use crate::storage::{self, CacheRule, Location, Scratch};
use crate::vod::{CancelToken, Progress, REPORT_EVERY, Summary, VodOptions, Watch, publish};

/// Which files to package, and into what.
#[derive(Clone, Debug)]
pub struct PackageOptions {
    /// Files of the same film. Each video and sound stream in them becomes a rendition; texts become subtitles.
    pub inputs: Vec<PathBuf>,
    /// The folder to make. With an [`id`](Self::id) the video lies in `videos/<id>` of it.
    pub out: Location,
    /// Puts the video under `videos/<id>/`, as in a CDN.
    pub id: Option<String>,
    /// Segments begin at the first key frames that all videos have at least so many seconds apart.
    pub segment_s: f64,
    /// What files are made.
    pub packaging: Packaging,
    /// Replaces an earlier output.
    pub force: bool,
    /// As [`VodOptions::cache_control`].
    pub cache_control: Vec<CacheRule>,
    /// Stops it from another thread.
    pub cancel: CancelToken,
}

impl PackageOptions {
    /// Segments of 2 s or more, in files of their own.
    pub fn new(inputs: impl IntoIterator<Item = impl Into<PathBuf>>, out: impl Into<Location>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            out: out.into(),
            id: None,
            segment_s: 2.0,
            packaging: Packaging::default(),
            force: false,
            cache_control: Vec::new(),
            cancel: CancelToken::default(),
        }
    }
}

/// Packages encoded files without encoding them again.
///
/// # Errors
/// As [`crate::vod::encode`], and [`EncodeError::NotAligned`] for videos whose key frames do not let players switch between
/// them.
pub fn package(options: &PackageOptions, progress: &mut dyn FnMut(Progress)) -> Result<Summary, EncodeError> {
    let watch = Watch::start();
    let mut target = VodOptions::new(
        options.inputs.first().cloned().unwrap_or_default(),
        options.out.clone(),
    );
    target.id = options.id.clone();
    target.segment_s = options.segment_s;
    target.packaging = options.packaging.clone();
    target.force = options.force;
    target.cache_control = options.cache_control.clone();
    target.cancel = options.cancel.clone();
    target.check()?;
    crate::init_ffmpeg();
    let mut files = Vec::new();
    for path in &options.inputs {
        files.push(InputFile::open(path)?);
    }
    let mut report = Report {
        cancel: &options.cancel,
        progress,
        reported: Instant::now(),
        bytes: 0,
        total: files.iter().map(|file| file.bytes).sum::<u64>() * 2,
    };
    for file in &mut files {
        file.look(&mut report)?;
    }
    let names = name_all(&mut files);
    tracing::info!("renditions: {}", names.join(", "));
    let timeline = Timeline::of(&files, options.segment_s)?;
    let scratch = Scratch::open(&storage::scratch_for(&target.location(), "work")?)?;
    let mut streams = Vec::new();
    let mut extras = Extras::default();
    let mut account = Account::default();
    for file in files {
        let (its_streams, mut texts) = file.remux(&timeline, scratch.path(), &mut report)?;
        streams.extend(its_streams);
        account.left_out.append(&mut texts.warnings);
        extras.texts.extend(texts.finish());
    }
    // Pictures from the highest, then sound, the default track first.
    streams.sort_by_key(|stream| match &stream.kind {
        Kind::Video { width, height, .. } => (0, std::cmp::Reverse(width * height)),
        Kind::Audio(sound) => (1, std::cmp::Reverse(u32::from(sound.is_default))),
    });
    let renditions = publish(&streams, &extras, &target, progress)?;
    Ok(watch.summary(&target.location(), &renditions, account))
}

/// Tells how far it is, in bytes of the inputs: each is read twice.
struct Report<'a> {
    cancel: &'a CancelToken,
    progress: &'a mut dyn FnMut(Progress),
    reported: Instant,
    bytes: u64,
    total: u64,
}

impl Report<'_> {
    fn tick(&mut self, packet: &Packet) -> Result<(), EncodeError> {
        if self.cancel.is_cancelled() {
            return Err(EncodeError::Cancelled);
        }
        self.bytes += packet.size() as u64;
        if self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            (self.progress)(Progress::Packaging {
                bytes: self.bytes.min(self.total),
                total_bytes: self.total,
            });
        }
        Ok(())
    }
}
