//! Live streams: publishers or files in, CMAF parts out as their last frame is encoded.
//!
//! ```text
//! publisher ─▶ demux, decode ─▶ constant rate, split ─┬▶ scale ─▶ queue ─▶ x264 ─▶ parts ─┐
//! (RTMP, SRT,      (once)                             └▶ scale ─▶ queue ─▶ x264 ─▶ parts ─┼▶ LiveSink
//! or a file)          └────────▶ resample, silence ─────▶ queue ─────────▶ AAC ─▶ parts ─┘
//! ```
//!
//! [`run`] takes what publishers send until it is cancelled, each publisher after the other. Their timestamps are brought to
//! *takes*: stretches that begin at 0 and never jump. What can be closed is (late frames, gaps of up to two seconds, missing sound);
//! what cannot begins a new take. Every rung is cut at the same frames, segments are all of one length, and every part carries the
//! time of its capture (`prft`).
//!
//! Media time 0 of a take was captured when the publisher's fastest packet would have arrived with it; of a file, when it was
//! its turn.

pub mod clock;
mod encode;
mod error;
mod event;
mod feed;
mod ingest;
mod options;
mod run;
mod session;

#[cfg(fuzzing)]
pub use ingest::rtmp::fuzzing;

pub use error::LiveError;
pub use event::{EncoderStatus, LatencyBudget, LiveEvent, TakenRendition};
pub use feed::{LiveSink, Part, Take, Track, TrackKeys, TrackKind};
pub use ingest::StreamKey;
pub use options::LiveOptions;
pub use run::{LiveInput, LiveStream, run};
