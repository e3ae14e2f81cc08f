//! From publishers and files to decoded frames.

mod feeder;
mod interleave;
mod key;
pub(crate) mod rtmp;
pub(crate) mod srt;

pub(crate) use feeder::{Fed, Feeder};
pub use key::StreamKey;
