//! HLS playlists, a DASH manifest and the table of segment sizes that both refer to, all written from the one segment index.

pub(crate) mod dash;
pub(crate) mod hls;
pub(crate) mod table;
