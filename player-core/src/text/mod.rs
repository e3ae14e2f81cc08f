//! Subtitles and other timed text.

pub mod webvtt;
