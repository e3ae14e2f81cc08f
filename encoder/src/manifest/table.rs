//! The segment table: the size of every segment in one file, for players that plan ahead. Its form is that of
//! `player_core::manifest::table`.

use serde::Serialize;

use crate::error::EncodeError;
use crate::index::Rendition;

/// Where it lies, from the video's folder.
pub(super) const PATH: &str = "segments.json";
/// Where it lies, from the manifests.
pub(super) const URI: &str = "../segments.json";

#[derive(Serialize)]
struct Table<'a> {
    version: u32,
    renditions: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    /// The media playlist.
    hls: String,
    /// The Representation.
    dash: &'a str,
    bytes: Vec<u64>,
}

/// The table of all renditions.
pub(super) fn table(renditions: &[Rendition]) -> Result<Vec<u8>, EncodeError> {
    let rows = renditions.iter().map(|rendition| Row {
        hls: format!("hls/{}.m3u8", rendition.name),
        dash: &rendition.name,
        bytes: rendition.segments.iter().map(|segment| segment.bytes).collect(),
    });
    let table = Table {
        version: 1,
        renditions: rows.collect(),
    };
    serde_json::to_vec(&table).map_err(|error| EncodeError::Manifest {
        manifest: PATH.to_owned(),
        reason: error.to_string(),
    })
}
