//! What a view looked like to its viewer: metrics, and the beacons that carry them.
//!
//! [`schema`] is the wire format, shared with the analytics server, which parses these very types.

mod read;
pub mod schema;
mod view;

pub(crate) use view::{Seen, View};
