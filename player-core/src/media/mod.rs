//! Containers, as far as the engine must understand them.

mod boxes;
pub mod emsg;
pub mod fmp4;
pub mod id3;
pub mod isobmff;
pub mod sidx;
