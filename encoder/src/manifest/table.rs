//! The segment table: the size of every segment, and its quality where that was measured, in one file, for players that plan
//! ahead. Its form is that of
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
    #[serde(skip_serializing_if = "Option::is_none")]
    hls: Option<String>,
    /// The Representation.
    #[serde(skip_serializing_if = "Option::is_none")]
    dash: Option<&'a str>,
    bytes: Vec<u64>,
    /// 0 to 100, null where it is not known; none where nothing was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    quality: Option<Vec<Option<f64>>>,
}

/// The table of all renditions: a row for both manifests where they share segments, else one for each.
pub(super) fn table<'a>(
    renditions: &'a [Rendition],
    for_hls: &'a [Rendition],
) -> Result<Vec<u8>, EncodeError> {
    // The pictures are the same in both, so their quality is.
    let row = |rendition: &'a Rendition, measured: &Rendition, in_hls: bool, in_dash: bool| Row {
        hls: in_hls.then(|| format!("hls/{}.m3u8", rendition.name)),
        dash: in_dash.then_some(rendition.name.as_str()),
        bytes: rendition.segments.iter().map(|segment| segment.bytes).collect(),
        quality: measured
            .segments
            .iter()
            .any(|segment| segment.quality.is_some())
            .then(|| measured.segments.iter().map(|segment| segment.quality).collect()),
    };
    let rows = renditions.iter().zip(for_hls).flat_map(|(rendition, in_hls)| {
        match rendition.container == in_hls.container {
            true => vec![row(rendition, rendition, true, true)],
            false => vec![
                row(rendition, rendition, false, true),
                row(in_hls, rendition, true, false),
            ],
        }
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
