//! Where output goes: a folder, or objects in a bucket.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::EncodeError;

/// A place for output: a folder, or a prefix in a bucket of S3 (and what speaks its protocol) or Google Cloud Storage.
///
/// ```
/// use encoder::storage::Location;
///
/// let location: Location = "s3://films/public".parse()?;
/// assert_eq!(location.join("videos/a").to_string(), "s3://films/public/videos/a");
/// assert_eq!("file:///srv/films".parse::<Location>()?, Location::from("/srv/films"));
/// assert!("s3://key:secret@films/public".parse::<Location>().is_err());
/// # Ok::<(), encoder::EncodeError>(())
/// ```
///
/// It holds no credentials: those come from the environment when it is used (`AWS_*`, `GOOGLE_*`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location(Place);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Folder(PathBuf),
    Objects(ObjectLocation),
}

/// A prefix in a bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectLocation {
    pub(crate) service: Service,
    pub(crate) bucket: String,
    /// Without slashes at its ends; empty for the whole bucket.
    pub(crate) prefix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Service {
    Gcs,
    S3,
}

impl Location {
    /// The folder, where it is one.
    pub fn folder(&self) -> Option<&Path> {
        match &self.0 {
            Place::Folder(path) => Some(path),
            Place::Objects(_) => None,
        }
    }

    /// The place `name` below it; `name` uses `/`.
    pub fn join(&self, name: &str) -> Self {
        Self(match &self.0 {
            Place::Folder(path) => Place::Folder(path.join(name)),
            Place::Objects(objects) => Place::Objects(ObjectLocation {
                prefix: objects.key(name),
                ..objects.clone()
            }),
        })
    }

    pub(crate) fn objects(&self) -> Option<&ObjectLocation> {
        match &self.0 {
            Place::Folder(_) => None,
            Place::Objects(objects) => Some(objects),
        }
    }
}

impl ObjectLocation {
    /// The key of the object `name` in the bucket.
    pub(crate) fn key(&self, name: &str) -> String {
        match self.prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        }
    }
}

impl FromStr for Location {
    type Err = EncodeError;

    /// Reads a folder's path, `file:///folder`, `s3://bucket/prefix` or `gs://bucket/prefix`.
    fn from_str(text: &str) -> Result<Self, EncodeError> {
        // What was given may hold a secret, so an error names the kind of URL alone.
        let bad = |shown: &str, reason: &str| EncodeError::BadOption {
            option: "output",
            value: shown.to_owned(),
            reason: reason.to_owned(),
        };
        if text.is_empty() {
            return Err(bad("", "name a folder, s3://bucket/prefix or gs://bucket/prefix"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::from(text));
        };
        // What stands before it is a scheme (RFC 3986 §3.1), or somebody's text.
        let is_scheme = scheme.len() <= 16 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let shown = format!("{}://…", if is_scheme { scheme } else { "…" });
        let service = match scheme {
            "file" if rest.starts_with('/') && !rest.contains('%') => return Ok(Self::from(rest)),
            "file" => {
                return Err(bad(
                    &shown,
                    "write file:///folder with a whole path and no escapes",
                ));
            }
            "s3" => Service::S3,
            "gs" => Service::Gcs,
            _ => {
                return Err(bad(
                    &shown,
                    "use a folder, s3://bucket/prefix or gs://bucket/prefix",
                ));
            }
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_edge = |c: char| c.is_ascii_alphanumeric();
        let is_name = bucket.starts_with(is_edge) && bucket.ends_with(is_edge) && !bucket.contains("..");
        if !is_name || !bucket.chars().all(is_plain) {
            return Err(bad(
                &shown,
                "name the bucket alone, as in s3://bucket/prefix; credentials are taken from the environment",
            ));
        }
        let prefix = prefix.trim_end_matches('/');
        let is_safe =
            |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['?', '#', '%', '\\', '*']);
        let is_key = object_store::path::Path::parse(prefix).is_ok();
        if !prefix.is_empty() && (!is_key || !prefix.split('/').all(is_safe)) {
            return Err(bad(
                &shown,
                "write the prefix as names between single slashes, without ?, #, %, * or \\",
            ));
        }
        Ok(Self(Place::Objects(ObjectLocation {
            service,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })))
    }
}

impl From<ObjectLocation> for Location {
    fn from(objects: ObjectLocation) -> Self {
        Self(Place::Objects(objects))
    }
}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self(Place::Folder(path))
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        Self::from(path.clone())
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::from(path.to_owned())
    }
}

/// A folder, whatever it is called; [`FromStr`] reads URLs too.
impl From<&str> for Location {
    fn from(path: &str) -> Self {
        Self::from(PathBuf::from(path))
    }
}

/// A folder, whatever it is called; [`FromStr`] reads URLs too.
impl From<String> for Location {
    fn from(path: String) -> Self {
        Self::from(PathBuf::from(path))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Folder(path) => path.display().fmt(f),
            Place::Objects(objects) => objects.fmt(f),
        }
    }
}

impl fmt::Display for ObjectLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.service {
            Service::Gcs => "gs",
            Service::S3 => "s3",
        };
        write!(f, "{scheme}://{}", self.bucket)?;
        match self.prefix.as_str() {
            "" => Ok(()),
            prefix => write!(f, "/{prefix}"),
        }
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn urls_and_folders() {
        let location: Location = "s3://bucket".parse().unwrap();
        assert_eq!(
            location.join("hls/master.m3u8").to_string(),
            "s3://bucket/hls/master.m3u8"
        );
        let location: Location = "gs://bucket/a/b c/".parse().unwrap();
        assert_eq!(location.to_string(), "gs://bucket/a/b c");
        assert_eq!(location.objects().unwrap().key("x"), "a/b c/x");
        let location: Location = "some/folder".parse().unwrap();
        assert_eq!(location.folder(), Some(Path::new("some/folder")));
    }

    #[test]
    fn what_is_no_location_is_refused_without_being_repeated() {
        for bad in [
            "",
            "s3://",
            "s3:///hidden",
            "s3://user:hidden@bucket/a",
            "s3://bucket/a?hidden=1",
            "s3://bucket/hidden//b",
            "s3://bucket/../hidden",
            "s3://../hidden",
            "gs://a..b/hidden",
            "https://hidden/a",
            "file://hidden",
            "user:hidden@s3://bucket",
        ] {
            let error = bad.parse::<Location>().unwrap_err().to_string();
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
