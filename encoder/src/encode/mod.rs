//! One encoder per thread: frames in through a bounded channel, a packaged rendition out.

mod audio;
#[cfg(fuzzing)]
#[path = "../fuzzing/encode.rs"]
pub mod fuzzing;
mod options;
mod video;

pub(crate) use audio::{
    encode_audio, failed as audio_failed, frame_samples, open as open_audio, sample_format,
    track as audio_track,
};
pub(crate) use options::{Keyframes, PRESETS, check as check_rung};
pub(crate) use video::{Samples, VideoTarget, encode_video, failed as video_failed, open as open_video};

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ffmpeg_next::Error;

use crate::timing::IdrPlan;

/// What every encoder thread shares with the pipeline.
pub(crate) struct Job<'a> {
    /// The piece to make.
    pub(crate) piece: &'a Path,
    pub(crate) plan: &'a IdrPlan,
    /// Set when another part failed: what is left to encode is not wanted any more.
    pub(crate) abandoned: &'a AtomicBool,
    /// Up to which frame of the source (video) or sample (audio) this rendition is packaged.
    pub(crate) done: &'a AtomicU64,
}

impl Job<'_> {
    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }
}

/// Whether an encoder or filter only wants more input, or has ended.
pub(crate) fn is_pause(error: Error) -> bool {
    matches!(error, Error::Eof)
        || matches!(error, Error::Other { errno } if errno == ffmpeg_next::error::EAGAIN)
}
