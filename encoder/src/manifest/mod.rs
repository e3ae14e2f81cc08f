//! HLS playlists and a DASH manifest, both written from the one segment index.

pub(crate) mod dash;
pub(crate) mod hls;
