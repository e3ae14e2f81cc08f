//! What to encode, into what, and how.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{Packaging, Progress, REPORT_EVERY};
use crate::encode::PRESETS;
use crate::error::EncodeError;
use crate::ladder::{Ladder, Rung};
use crate::pertitle::{self, PerTitle, Report};
use crate::plan::{self, Plan, Settings, Span};
use crate::storage::{CacheRule, Location, Waiter};
use crate::{analysis, measure, protect, source, work};

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
    /// Asks to stop. [`encode`](super::encode) returns [`EncodeError::Cancelled`] soon after and leaves nothing behind.
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
