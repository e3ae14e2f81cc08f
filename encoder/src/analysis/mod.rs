//! Looking at a source before it is encoded.

mod reader;
mod shots;

pub(crate) use reader::Reader;
pub(crate) use shots::starts;
