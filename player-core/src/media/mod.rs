//! Containers, as far as the engine must understand them.

pub mod isobmff;
pub mod sidx;
