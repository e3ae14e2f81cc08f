//! Containers, as far as the engine must understand them.

pub(crate) mod boxes;
pub mod chunks;
pub mod emsg;
pub mod fmp4;
pub mod id3;
pub mod isobmff;
pub mod sidx;
