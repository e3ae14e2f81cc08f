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
//!
//! [`Broadcast`] is such a sink: it numbers segments, keeps them on disk for the DVR window and writes LL-HLS playlists
//! (RFC 8216bis) and an LL-DASH MPD (ISO/IEC 23009-1) over the same parts. [`LiveOrigin`] serves any number of broadcasts over HTTP.

mod broadcast;
mod clip;
pub mod clock;
mod dash;
mod encode;
mod error;
mod event;
mod feed;
mod hls;
mod ingest;
mod journal;
mod options;
mod origin;
mod run;
mod session;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod times;
mod window;

#[cfg(fuzzing)]
pub use ingest::rtmp::fuzzing;

pub use broadcast::{Broadcast, BroadcastOptions};
pub use clip::{Clip, ClipOptions, ClipTime, clip};
pub use error::LiveError;
pub use event::{EncoderStatus, LatencyBudget, LiveEvent, TakenRendition};
pub use feed::{LiveSink, Part, Take, Track, TrackKeys, TrackKind};
pub use ingest::StreamKey;
pub use options::LiveOptions;
pub use origin::LiveOrigin;
pub use run::{LiveInput, LiveStream, run};
