//! Pictures of a film: a poster, and sprite sheets for the seek bar.
//!
//! Stage one taps small pictures from the one decode: [`Plan`] says how, and a [`Recorder`] judges each of them and keeps
//! some in a work file. Stage two reads the work files of all workers as one [`Album`], from which
//!
//! - [`sheets::write`] makes sprite sheets and the [`ImageTrack`] that the manifests are written from,
//! - [`poster::rank`] chooses what represents the film, and [`still::posters`] decodes that once again at full size.

mod album;
mod features;
#[cfg(fuzzing)]
#[path = "../fuzzing/pictures.rs"]
pub mod fuzzing;
mod jpeg;
mod manifest;
mod plan;
mod poster;
mod recorder;
mod sheets;
mod still;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use album::Album;
pub(crate) use manifest::{dash_adaptation_set, hls_playlist, hls_stream_inf, webvtt};
pub(crate) use plan::{Plan, TAP_MS};
pub(crate) use poster::rank;
pub(crate) use recorder::Recorder;
pub(crate) use sheets::{ImageTrack, write};
pub(crate) use still::posters;
