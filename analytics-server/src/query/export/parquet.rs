//! Parquet: a file that DuckDB wrote, on its way out.

use std::fs::File;
use std::io::{self, Read as _};

use axum::body::{Body, Bytes};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes that are read from a file at a time.
const CHUNK_BYTES: u64 = 64 << 10;

/// What is in a file, read as fast as it is taken.
pub(in crate::query) fn file(file: File, room: OwnedSemaphorePermit) -> Body {
    Body::from_stream(stream::try_unfold((file, room), |(file, room)| async move {
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            (&file).take(CHUNK_BYTES).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>((file, bytes))
        });
        let (file, bytes) = read.await.map_err(io::Error::other)??;
        Ok::<_, io::Error>((!bytes.is_empty()).then(|| (Bytes::from(bytes), (file, room))))
    }))
}
