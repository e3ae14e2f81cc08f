//! Replays network traces and recorded sessions through the Headgate engine.

pub mod content;
pub mod element;
pub mod network;
pub mod origin;
pub mod trace;

pub use content::Content;
pub use trace::Trace;
