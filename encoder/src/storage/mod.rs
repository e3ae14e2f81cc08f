//! Where output goes: folders and object stores, and the folders in which it is prepared.

mod dir;
mod headers;
mod location;
mod net;
mod object;
mod record;
mod scratch;
mod store;
mod trouble;
mod upload;

use std::path::{Path, PathBuf};

pub(crate) use self::dir::OutputDir;
pub use self::headers::CacheRule;
pub use self::location::Location;
pub(crate) use self::net::{client, redact, runtime, wait};
pub(crate) use self::object::ObjectOutput;
pub(crate) use self::record::Record;
pub(crate) use self::scratch::{Scratch, scratch_beside};
use self::store::Store;
pub(crate) use self::trouble::{Failing, Teller};
use crate::error::EncodeError;
use crate::vod::{CancelToken, Progress};

/// A place that files are published in. Nothing of it is to be taken for whole before [`commit`](Self::commit).
pub(crate) trait Output: Sync {
    /// Writes one file; `name` is relative and uses `/`.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), EncodeError>;

    /// Writes one file of `head` and what the file `body` holds.
    fn write_joined(&self, name: &str, head: &[u8], body: &Path) -> Result<(), EncodeError>;

    /// Publishes what was written.
    fn commit(&self) -> Result<(), EncodeError>;

    /// Takes back what was written because of `error`, which it returns with what there is to add.
    fn discard(&self, error: EncodeError) -> EncodeError {
        error
    }

    /// How far it is, where files go over a network.
    fn position(&self) -> Option<UploadPosition> {
        None
    }

    /// What fails again and again, where files go over a network.
    fn failing(&self) -> Option<Failing> {
        None
    }
}

/// Who waits for a place: may lose patience, and hears why it takes so long.
pub(crate) struct Waiter<'a> {
    pub(crate) cancel: &'a CancelToken,
    pub(crate) progress: &'a mut dyn FnMut(Progress),
}

/// What of an output is uploaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UploadPosition {
    pub(crate) bytes: u64,
    pub(crate) files: u64,
    /// What was handed over so far.
    pub(crate) known_bytes: u64,
    pub(crate) known_files: u64,
}

/// How a place is written.
pub(crate) struct Publishing<'a> {
    pub(crate) location: &'a Location,
    /// Replaces an earlier output.
    pub(crate) force: bool,
    pub(crate) cache_control: &'a [CacheRule],
    /// For the [`Record`].
    pub(crate) fingerprint: Option<&'a str>,
}

/// Refuses a place that holds something, unless it is an earlier output and `force` allows to replace it.
pub(crate) fn check_replaceable(
    location: &Location,
    force: bool,
    input: &Path,
    waiter: &mut Waiter<'_>,
) -> Result<(), EncodeError> {
    match (location.folder(), location.objects()) {
        (Some(path), _) => dir::check_replaceable(path, force, input),
        (_, Some(objects)) => Store::open(objects)?.check_replaceable(force, waiter),
        _ => Ok(()),
    }
}

/// The folder in which an output for `location` is prepared: beside it, or for an object store in the current folder.
pub(crate) fn scratch_for(location: &Location, kind: &str) -> Result<PathBuf, EncodeError> {
    if let Some(path) = location.folder() {
        return scratch_beside(path, kind);
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let text = location.to_string();
    let name: String = text.chars().map(plain).take(100).collect();
    // Places whose names are alike all the same have folders of their own.
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let digest = hex(digest.as_ref().get(..4).unwrap_or_default());
    scratch_beside(Path::new(&format!("{name}-{digest}")), kind)
}

/// Begins an output, by way of `scratch` where that is a folder.
pub(crate) fn create(
    publishing: &Publishing<'_>,
    scratch: &Scratch,
    waiter: &mut Waiter<'_>,
) -> Result<Box<dyn Output>, EncodeError> {
    let location = publishing.location;
    if let Some(objects) = location.objects() {
        return Ok(Box::new(ObjectOutput::create(objects, publishing, waiter)?));
    }
    let output = OutputDir::create(location.folder().unwrap_or(Path::new("")), scratch)?;
    if publishing.fingerprint.is_some() {
        let record = Record::new(publishing.fingerprint, Vec::new());
        output.write(record::PATH, &record.to_json()?)?;
    }
    Ok(Box::new(output))
}

/// The record of a whole output that lies at `location`; none where there is no such output.
pub(crate) fn read_record(
    location: &Location,
    waiter: &mut Waiter<'_>,
) -> Result<Option<Record>, EncodeError> {
    if let Some(objects) = location.objects() {
        return Store::open(objects)?.read_record(waiter);
    }
    let folder = location.folder().unwrap_or(Path::new(""));
    if !folder.join(crate::manifest::MULTIVARIANT_PATH).is_file() {
        return Ok(None);
    }
    Ok(std::fs::read(folder.join(record::PATH))
        .ok()
        .and_then(|json| Record::parse(&json)))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names in a folder, sorted.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
fn entries(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
