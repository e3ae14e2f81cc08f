//! Output into a folder, which gets its name when it is whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::location::Location;
use super::{Output, Scratch};
use crate::error::EncodeError;

/// A folder that does not exist under its name until the commit.
pub(crate) struct OutputDir {
    destination: PathBuf,
    partial: PathBuf,
    scratch: PathBuf,
}

impl OutputDir {
    /// Prepares to write `destination` by way of `scratch`, which lies beside it.
    pub(crate) fn create(destination: &Path, scratch: &Scratch) -> Result<Self, EncodeError> {
        let partial = scratch.path().join("output");
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(EncodeError::unwritable(&partial, error));
            }
            _ => {}
        }
        fs::create_dir(&partial).map_err(|error| EncodeError::unwritable(&partial, error))?;
        Ok(Self {
            destination: destination.to_owned(),
            partial,
            scratch: scratch.path().to_owned(),
        })
    }

    fn create_file(&self, name: &str) -> Result<(PathBuf, File), EncodeError> {
        let path = self.partial.join(name);
        let create = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            File::create(&path)
        };
        match create() {
            Ok(file) => Ok((path, file)),
            Err(error) => Err(EncodeError::unwritable(&path, error)),
        }
    }
}

impl Output for OutputDir {
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), EncodeError> {
        let (path, mut file) = self.create_file(name)?;
        file.write_all(bytes)
            .map_err(|error| EncodeError::unwritable(&path, error))
    }

    fn write_joined(&self, name: &str, head: &[u8], body: &Path) -> Result<(), EncodeError> {
        let mut body = File::open(body).map_err(|error| EncodeError::unwritable(body, error))?;
        let (path, mut file) = self.create_file(name)?;
        let copied = file.write_all(head).and_then(|()| io::copy(&mut body, &mut file));
        copied
            .map(drop)
            .map_err(|error| EncodeError::unwritable(&path, error))
    }

    /// Gives the folder its final name, replacing an earlier one.
    fn commit(&self) -> Result<(), EncodeError> {
        let fail = |error: io::Error| EncodeError::unwritable(&self.destination, error);
        let is_filled = fs::read_dir(&self.destination).is_ok_and(|mut entries| entries.next().is_some());
        if !is_filled {
            return fs::rename(&self.partial, &self.destination).map_err(fail);
        }
        // Rename twice, so that the name is never missing for longer than that.
        let aside = self.scratch.join("replaced");
        fs::rename(&self.destination, &aside).map_err(fail)?;
        if let Err(error) = fs::rename(&self.partial, &self.destination) {
            fs::rename(&aside, &self.destination).map_err(fail)?;
            return Err(fail(error));
        }
        Ok(())
    }
}

/// Refuses a destination that holds something, unless it is an earlier output and `force` allows to replace it.
pub(crate) fn check_replaceable(destination: &Path, force: bool, input: &Path) -> Result<(), EncodeError> {
    let path = destination.to_owned();
    match fs::symlink_metadata(destination) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(EncodeError::unwritable(destination, error)),
        Ok(data) if !data.is_dir() => {
            return Err(EncodeError::OutputNotOurs {
                path,
                reason: "it is not a folder",
            });
        }
        Ok(_) => {}
    }
    let is_empty = fs::read_dir(destination)
        .map_err(|error| EncodeError::unwritable(destination, error))?
        .next()
        .is_none();
    if is_empty {
        return Ok(());
    }
    if !force {
        return Err(EncodeError::OutputExists {
            location: Location::from(path),
        });
    }
    if !destination.join("hls/master.m3u8").is_file() {
        return Err(EncodeError::OutputNotOurs {
            path,
            reason: "it does not look like an earlier output",
        });
    }
    let holds_input = match (destination.canonicalize(), input.canonicalize()) {
        (Ok(destination), Ok(input)) => input.starts_with(destination),
        _ => false,
    };
    if holds_input {
        return Err(EncodeError::OutputNotOurs {
            path,
            reason: "the input lies in it",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{entries, scratch_beside};
    use super::*;

    fn prepare(destination: &Path) -> (Scratch, OutputDir) {
        let scratch = Scratch::open(&scratch_beside(destination, "partial").unwrap()).unwrap();
        let output = OutputDir::create(destination, &scratch).unwrap();
        (scratch, output)
    }

    #[test]
    fn nothing_is_seen_before_the_commit_and_nothing_is_left_after_a_drop() {
        let root = tempfile::tempdir().unwrap();
        let destination = root.path().join("deep/out");
        let (scratch, output) = prepare(&destination);
        output.write("hls/master.m3u8", b"x").unwrap();
        assert!(!destination.exists());
        drop(scratch);
        assert_eq!(entries(&root.path().join("deep")), Vec::<String>::new());

        let (scratch, output) = prepare(&destination);
        output.write("hls/master.m3u8", b"first").unwrap();
        let body = scratch.path().join("body");
        fs::write(&body, b"body").unwrap();
        output.write_joined("a.mp4", b"head ", &body).unwrap();
        output.commit().unwrap();
        drop(scratch);
        assert_eq!(entries(&root.path().join("deep")), ["out"]);
        assert_eq!(fs::read(destination.join("a.mp4")).unwrap(), b"head body");
    }

    #[test]
    fn only_an_earlier_output_is_replaced_and_only_by_force() {
        let root = tempfile::tempdir().unwrap();
        let destination = root.path().join("out");
        let input = root.path().join("in.mp4");
        fs::create_dir_all(destination.join("hls")).unwrap();
        fs::write(destination.join("photo.jpg"), b"mine").unwrap();
        assert!(matches!(
            check_replaceable(&destination, false, &input),
            Err(EncodeError::OutputExists { .. })
        ));
        assert!(matches!(
            check_replaceable(&destination, true, &input),
            Err(EncodeError::OutputNotOurs { .. })
        ));
        fs::write(destination.join("hls/master.m3u8"), b"first").unwrap();
        fs::write(destination.join("in.mp4"), b"source").unwrap();
        assert!(matches!(
            check_replaceable(&destination, true, &destination.join("in.mp4")),
            Err(EncodeError::OutputNotOurs { .. })
        ));
        check_replaceable(&destination, true, &input).unwrap();
        let (scratch, output) = prepare(&destination);
        output.write("hls/master.m3u8", b"second").unwrap();
        output.commit().unwrap();
        drop(scratch);
        assert_eq!(entries(root.path()), ["out"]);
        assert_eq!(entries(&destination), ["hls"]);
        assert_eq!(fs::read(destination.join("hls/master.m3u8")).unwrap(), b"second");
    }
}
