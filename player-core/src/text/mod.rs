//! Subtitles and other timed text: [`read`] makes cues of a segment of any format.

mod cues;
mod format;
pub mod mp4;
mod seen;
pub mod ttml;
pub mod webvtt;
mod write;

pub use cues::{Cues, MAX_CUES, TextCue, TextError};
pub use format::{Format, read};
pub use seen::Seen;
