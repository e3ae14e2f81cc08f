//! Replays network traces through the Headgate engine, faster than real time.
//!
//! A [`Session`] is one viewing: the full [`player_core::Player`] between a virtual link ([`network`], shaped by a
//! [`Trace`]), a virtual origin ([`origin`], of a [`Content`] table) and a virtual media element ([`element`]), on a virtual
//! clock. A [`batch::Batch`] is every trace with every algorithm ([`algorithms`]) on all cores; [`score`] says how good each
//! session was, [`report`] prints it. Who has no traces lets [`generate`] make some up.
//!
//! The settings are those that ABR studies share: the manifest costs no time, each request costs one round trip, the first
//! segment is of the lowest rendition, playback starts when it has arrived, and start-up counts as a stall. A
//! [`network::Link`] adds slow start and losses of connection, [`origin::Origin::with_audio`] audio beside the video.

pub mod algorithms;
pub mod batch;
pub mod cdm;
pub mod content;
pub mod element;
pub mod faults;
pub mod files;
pub mod generate;
pub mod inspect;
pub mod network;
mod optimal;
pub mod origin;
pub mod report;
pub mod score;
pub mod session;
pub mod soak;
pub mod timeline;
pub mod trace;

pub use content::Content;
pub use score::Objective;
pub use session::Session;
pub use trace::Trace;
