//! Live streams: publishers or files in, CMAF parts out as their last frame is encoded.
//!
//! ```text
//! publisher ─▶ demux, decode ─▶ constant rate, split ─┬▶ scale ─▶ queue ─▶ x264 ─▶ parts ─┐
//! (RTMP, SRT,      (once)                             └▶ scale ─▶ queue ─▶ x264 ─▶ parts ─┼▶ LiveSink
//! or a file)          └────────▶ resample, silence ─────▶ queue ─────────▶ AAC ─▶ parts ─┘
//! ```
//!
//! [`LiveEncoder::play`] takes what a publisher sends until it is gone. Its timestamps are brought to *takes*: stretches that begin at
//! 0 and never jump. What can be closed is (late frames, short gaps, missing sound); what cannot begins a new take. Every rung
//! is cut at the same frames, segments are all of one length, and every part carries the time of its capture (`prft`).

pub mod clock;
mod encode;
mod error;
mod event;
mod feed;
mod ingest;
mod options;
mod session;

pub use error::LiveError;
pub use event::{EncoderStatus, LatencyBudget, LiveEvent, TakenRendition};
pub use feed::{LiveSink, Part, Take, Track, TrackKind};
pub use ingest::StreamKey;
pub use options::LiveOptions;
pub use session::LiveEncoder;
