//! What to fetch, append and remove, and when.
//!
//! [`Session`](session::Session) is one loaded presentation: it owns a [`Loader`](loader::Loader) for each kind of media, the
//! requests under way, the playhead, and the view that telemetry reports.

mod anchors;
mod attempt;
mod clock;
pub(crate) mod context;
mod decoding;
mod drm;
mod frames;
mod keys;
mod limits;
mod listed;
mod loader;
pub(crate) mod metadata;
mod pathways;
mod playhead;
mod requests;
pub(crate) mod session;
mod shared;
mod slots;
