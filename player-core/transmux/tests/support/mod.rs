//! What the tests share: a small multiplexer, a reader of fMP4, and FFmpeg where it is installed.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

pub mod ffmpeg;
pub mod mp4;
pub mod ts;
