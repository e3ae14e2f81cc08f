//! Live streams: what a live encoder makes, and what players are given of it.
//!
//! A [`LiveSink`] takes the parts of every track in order. [`Broadcast`] is one: it numbers segments, keeps them on disk for the DVR window and
//! writes LL-HLS playlists (RFC 8216bis) and an LL-DASH MPD (ISO/IEC 23009-1) over the same parts. [`LiveOrigin`] serves any number of
//! broadcasts over HTTP.

mod broadcast;
mod dash;
mod error;
mod feed;
mod hls;
mod journal;
mod origin;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod times;
mod window;

pub use broadcast::{Broadcast, BroadcastOptions};
pub use error::LiveError;
pub use feed::{LiveSink, Part, Take, Track, TrackKind};
pub use origin::LiveOrigin;
