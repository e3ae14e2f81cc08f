//! Which streams there are.

use std::path::Path;
use std::{fs, io};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{Origin, problem};

/// The index: `GET /streams.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamIndex {
    /// By id.
    pub streams: Vec<Stream>,
}

/// A stream. Paths are relative to the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Its folder's path below the root, without a leading `videos/`.
    pub id: String,
    /// The multivariant playlist, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hls: Option<String>,
    /// The MPD, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dash: Option<String>,
}

pub(super) async fn handler(State(origin): State<Origin>) -> Response {
    let _flow = origin.link().open().await;
    match origin.streams() {
        Ok(streams) => ([(CACHE_CONTROL, "no-cache")], Json(StreamIndex { streams })).into_response(),
        Err(error) => {
            tracing::error!(root = %origin.root().display(), %error, "cannot be read");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the root cannot be read; the origin's log says why",
            )
        }
    }
}

/// The streams below `root`, sorted; only those named by `ids`, unless it is empty.
pub(super) fn find(root: &Path, ids: &[String]) -> io::Result<Vec<Stream>> {
    let mut streams = Vec::new();
    visit(root, "", 0, &mut streams)?;
    streams.retain(|stream| ids.is_empty() || ids.contains(&stream.id));
    streams.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(streams)
}

/// Whether `path` lies in the folder of the stream `id`.
pub(super) fn holds(id: &str, path: &str) -> bool {
    let path = path.strip_prefix("videos/").unwrap_or(path);
    path.strip_prefix(id).is_some_and(|rest| rest.starts_with('/'))
}

fn visit(folder: &Path, path: &str, depth: usize, streams: &mut Vec<Stream>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // Folders in the making begin with a dot. Links are not followed, so there are no circles.
        if name.starts_with('.') || !entry.file_type()?.is_dir() {
            continue;
        }
        let path = if path.is_empty() {
            name
        } else {
            format!("{path}/{name}")
        };
        let manifest = |file: &str| {
            entry
                .path()
                .join(file)
                .is_file()
                .then(|| format!("{path}/{file}"))
        };
        let (hls, dash) = (manifest("hls/master.m3u8"), manifest("dash/manifest.mpd"));
        if hls.is_some() || dash.is_some() {
            let id = path.strip_prefix("videos/").unwrap_or(&path).to_owned();
            streams.push(Stream { id, hls, dash });
        } else if depth < DEEPEST {
            visit(&entry.path(), &path, depth + 1, streams)?;
        }
    }
    Ok(())
}

/// How many folders may lie above a stream's.
const DEEPEST: usize = 3;
