//! Publishers by RTMP ("Adobe's Real Time Messaging Protocol", 2012): as much of it as publishing needs.
//!
//! The protocol is spoken here and not by libavformat, which takes one publisher a port and looks at no key. What a publisher sends
//! becomes an FLV stream, which libavformat demuxes. Until its key is known to be right, a publisher may send no more than a few
//! small messages, and must be quick.

mod amf;
mod chunks;
mod flv;
#[cfg(fuzzing)]
#[path = "../../../fuzzing/rtmp.rs"]
pub mod fuzzing;
mod server;
mod session;

pub(crate) use server::{Desk, RtmpServer};
