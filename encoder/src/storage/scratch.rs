//! Folders in which output is prepared.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::EncodeError;

/// A folder of our own for unfinished things, locked against other processes.
///
/// It is removed when it is dropped, unless [`keep`](Self::keep) was called. What a crash left is found again by the next
/// [`Scratch::open`].
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    is_kept: bool,
    // Holds the lock.
    _lock: File,
}

impl Scratch {
    /// Makes or takes over the folder `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, EncodeError> {
        let unwritable = |error| EncodeError::unwritable(path, error);
        loop {
            fs::create_dir_all(path).map_err(unwritable)?;
            let lock = match File::create(path.join(LOCK_NAME)) {
                // Its last owner removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(unwritable)?,
            };
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(EncodeError::Busy {
                        path: path.to_owned(),
                    });
                }
                Err(TryLockError::Error(error)) => return Err(unwritable(error)),
            }
            if is_same_file(&lock, &path.join(LOCK_NAME)) {
                return Ok(Self {
                    path: path.to_owned(),
                    is_kept: false,
                    _lock: lock,
                });
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the folder for a later run.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }

    /// Removes the folder after all.
    pub(crate) fn remove(mut self) {
        self.is_kept = false;
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed now is taken over by the next run.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A hidden folder beside `destination`, for what its preparation needs; `kind` is its ending.
pub(crate) fn scratch_beside(destination: &Path, kind: &str) -> Result<PathBuf, EncodeError> {
    let name = destination.file_name().ok_or_else(|| EncodeError::BadOption {
        option: "output folder",
        value: destination.display().to_string(),
        reason: "name a folder to create".to_owned(),
    })?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".headgate-");
    hidden.push(kind);
    let parent = match destination.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Ok(parent.join(hidden))
}

#[cfg(unix)]
fn is_same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |data: fs::Metadata| (data.dev(), data.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(path)) => id(file) == id(path),
        _ => false,
    }
}

/// A folder with an open file in it is not removed elsewhere.
#[cfg(not(unix))]
fn is_same_file(_file: &File, path: &Path) -> bool {
    path.exists()
}

const LOCK_NAME: &str = "lock";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::entries;
    use super::*;

    #[test]
    fn a_folder_has_one_owner_and_a_kept_one_is_found_again() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("scratch");
        let mut first = Scratch::open(&path).unwrap();
        assert!(matches!(Scratch::open(&path), Err(EncodeError::Busy { .. })));
        fs::write(path.join("piece"), b"1").unwrap();
        first.keep();
        drop(first);
        let second = Scratch::open(&path).unwrap();
        assert_eq!(entries(&path), ["lock", "piece"]);
        drop(second);
        assert!(!path.exists());
    }
}
