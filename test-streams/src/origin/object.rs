//! A file below the root: found safely, with the headers that its kind of object has on a CDN.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::range::Validators;

/// An open file and what to say about it.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) file: File,
    pub(super) bytes: u64,
    pub(super) validators: Validators,
    pub(super) content_type: &'static str,
    pub(super) cache_control: &'static str,
}

impl Object {
    /// Opens the file that a request's path (decoded, without leading slash) names; `None` if there is none to be served.
    ///
    /// `root` must be canonical. Names that begin with a dot are never served: they are files in the making.
    pub(super) async fn open(root: &Path, path: &str) -> io::Result<Option<Self>> {
        let Some(candidate) = below(root, path) else {
            return Ok(None);
        };
        // Follows links, so that one that leads out of the root is seen for what it is.
        let real = match tokio::fs::canonicalize(&candidate).await {
            Ok(real) => real,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        if !real.starts_with(root) {
            tracing::warn!(path = %candidate.display(), "not served: a link leads out of the root");
            return Ok(None);
        }
        let file = match File::open(&real).await {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata().await?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let mut object = Self {
            file,
            bytes: metadata.len(),
            validators: Validators::new(metadata.len(), metadata.modified().ok()),
            content_type: content_type(&real),
            cache_control: SEGMENT,
        };
        object.cache_control = object.classify(&real).await?;
        Ok(Some(object))
    }

    /// How long a cache may keep it.
    async fn classify(&mut self, path: &Path) -> io::Result<&'static str> {
        match extension(path).as_str() {
            "m3u8" | "mpd" => {}
            "json" | "txt" | "html" => return Ok(REVALIDATE),
            _ => return Ok(SEGMENT),
        }
        let mut text = Vec::new();
        (&mut self.file)
            .take(LONGEST_MANIFEST)
            .read_to_end(&mut text)
            .await?;
        tokio::io::AsyncSeekExt::rewind(&mut self.file).await?;
        let has = |needle: &[u8]| text.windows(needle.len()).any(|window| window == needle);
        Ok(if has(b"<MPD") {
            if has(b"type=\"dynamic\"") || has(b"type='dynamic'") {
                LIVE
            } else {
                VOD
            }
        } else if has(b"#EXT-X-STREAM-INF") {
            MULTIVARIANT
        } else if has(b"#EXT-X-ENDLIST") {
            VOD
        } else {
            LIVE
        })
    }
}

/// The Content-Type of a file by its extension.
fn content_type(path: &Path) -> &'static str {
    match extension(path).as_str() {
        "aac" => "audio/aac",
        "html" => "text/html; charset=utf-8",
        "jpg" | "jpeg" => "image/jpeg",
        "json" => "application/json",
        "m3u8" => "application/vnd.apple.mpegurl",
        "m4a" => "audio/mp4",
        // RFC 4337 has no type of its own for segments; players and CDNs use the file's.
        "m4s" | "mp4" | "m4v" | "cmfv" => "video/mp4",
        "cmfa" => "audio/mp4",
        "mpd" => "application/dash+xml",
        "png" => "image/png",
        "ts" => "video/mp2t",
        "ttml" => "application/ttml+xml",
        "txt" => "text/plain; charset=utf-8",
        "vtt" => "text/vtt; charset=utf-8",
        "webp" => "image/webp",
        _ => "application/octet-stream",
    }
}

/// The path below the root, if each of its parts is a plain name.
fn below(root: &Path, path: &str) -> Option<PathBuf> {
    let mut real = root.to_owned();
    for part in path.split('/') {
        if part.is_empty() || part.starts_with('.') || part.contains(['\\', '\0']) {
            return None;
        }
        real.push(part);
    }
    Some(real)
}

fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    matches!(
        error.kind(),
        InvalidFilename | InvalidInput | NotADirectory | NotFound
    )
}

fn extension(path: &Path) -> String {
    path.extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// Segments, initialization sections and pictures never change under their name.
const SEGMENT: &str = "public, max-age=31536000, immutable";
/// A live playlist or MPD.
const LIVE: &str = "public, max-age=1";
/// A multivariant playlist.
const MULTIVARIANT: &str = "public, max-age=60";
/// A media playlist or MPD that is complete.
const VOD: &str = "public, max-age=3600";
/// What is made for people and tools.
const REVALIDATE: &str = "no-cache";
/// Players refuse longer ones.
const LONGEST_MANIFEST: u64 = 10 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_lead_below_the_root() {
        let root = Path::new("/srv");
        assert_eq!(below(root, "a/b.m4s"), Some(PathBuf::from("/srv/a/b.m4s")));
        for path in [
            "",
            "a/",
            "/a",
            "a//b",
            "..",
            "a/../b",
            ".",
            "a/./b",
            ".hidden/a",
            "a/.b",
            "a\\..\\b",
            "a\0",
        ] {
            assert_eq!(below(root, path), None, "{path:?}");
        }
    }
}
