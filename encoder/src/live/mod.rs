//! Live streams: what a live encoder makes, and what players are given of it.

mod error;
mod feed;

pub use error::LiveError;
pub use feed::{LiveSink, Part, Take, Track, TrackKind};
