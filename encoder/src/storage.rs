//! Where output goes: a folder beside the final one, renamed when everything is in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::EncodeError;

/// An output folder that does not exist under its name until [`commit`](Self::commit).
///
/// Dropping it earlier removes everything written.
pub(crate) struct OutputDir {
    destination: PathBuf,
    partial: TempDir,
}

impl OutputDir {
    /// Prepares to write `destination`, refusing one that holds something unless `force`.
    pub(crate) fn create(destination: &Path, force: bool, input: &Path) -> Result<Self, EncodeError> {
        check_replaceable(destination, force, input)?;
        let name = destination.file_name().ok_or_else(|| EncodeError::BadOption {
            option: "output folder",
            value: destination.display().to_string(),
            reason: "name a folder to create".to_owned(),
        })?;
        let parent = match destination.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(|error| EncodeError::unwritable(parent, error))?;
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".partial-");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        #[cfg(unix)]
        {
            // A temporary folder is private by default; this one becomes public under its final name.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(fs::Permissions::from_mode(0o777));
        }
        let partial = builder
            .tempdir_in(parent)
            .map_err(|error| EncodeError::unwritable(parent, error))?;
        Ok(Self {
            destination: destination.to_owned(),
            partial,
        })
    }

    /// Makes the folder `name` inside.
    pub(crate) fn folder(&self, name: &str) -> Result<(), EncodeError> {
        let path = self.partial.path().join(name);
        fs::create_dir_all(&path).map_err(|error| EncodeError::unwritable(&path, error))
    }

    /// Writes one file; `name` is relative and uses `/`.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), EncodeError> {
        let path = self.partial.path().join(name);
        fs::write(&path, bytes).map_err(|error| EncodeError::unwritable(&path, error))
    }

    /// Gives the folder its final name, replacing what was checked at the start.
    pub(crate) fn commit(self) -> Result<(), EncodeError> {
        let fail = |error: io::Error| EncodeError::unwritable(&self.destination, error);
        let is_filled = fs::read_dir(&self.destination).is_ok_and(|mut entries| entries.next().is_some());
        if is_filled {
            // Rename twice, so that the name is never missing for longer than that.
            let parent = self.partial.path().parent().unwrap_or(Path::new("."));
            let old = tempfile::Builder::new()
                .prefix(".replaced-")
                .tempdir_in(parent)
                .map_err(fail)?;
            let aside = old.path().join("old");
            fs::rename(&self.destination, &aside).map_err(fail)?;
            if let Err(error) = fs::rename(self.partial.path(), &self.destination) {
                fs::rename(&aside, &self.destination).map_err(fail)?;
                return Err(fail(error));
            }
        } else {
            fs::rename(self.partial.path(), &self.destination).map_err(fail)?;
        }
        // It is at its final place: nothing is left for the drop to remove.
        let _ = self.partial.keep();
        Ok(())
    }
}

fn check_replaceable(destination: &Path, force: bool, input: &Path) -> Result<(), EncodeError> {
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
        return Err(EncodeError::OutputExists { path });
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

    use super::*;

    fn entries(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_is_seen_before_the_commit_and_nothing_is_left_after_a_drop() {
        let root = tempfile::tempdir().unwrap();
        let destination = root.path().join("deep/out");
        let input = root.path().join("in.mp4");
        let output = OutputDir::create(&destination, false, &input).unwrap();
        output.folder("hls").unwrap();
        output.write("hls/master.m3u8", b"x").unwrap();
        assert!(!destination.exists());
        drop(output);
        assert_eq!(entries(&root.path().join("deep")), Vec::<String>::new());

        let output = OutputDir::create(&destination, false, &input).unwrap();
        output.folder("hls").unwrap();
        output.write("hls/master.m3u8", b"first").unwrap();
        output.commit().unwrap();
        assert_eq!(entries(&root.path().join("deep")), ["out"]);
    }

    #[test]
    fn only_an_earlier_output_is_replaced_and_only_by_force() {
        let root = tempfile::tempdir().unwrap();
        let destination = root.path().join("out");
        let input = root.path().join("in.mp4");
        fs::create_dir_all(destination.join("hls")).unwrap();
        fs::write(destination.join("photo.jpg"), b"mine").unwrap();
        assert!(matches!(
            OutputDir::create(&destination, false, &input),
            Err(EncodeError::OutputExists { .. })
        ));
        assert!(matches!(
            OutputDir::create(&destination, true, &input),
            Err(EncodeError::OutputNotOurs { .. })
        ));
        fs::write(destination.join("hls/master.m3u8"), b"first").unwrap();
        fs::write(destination.join("in.mp4"), b"source").unwrap();
        assert!(matches!(
            OutputDir::create(&destination, true, &destination.join("in.mp4")),
            Err(EncodeError::OutputNotOurs { .. })
        ));
        let output = OutputDir::create(&destination, true, &input).unwrap();
        output.folder("hls").unwrap();
        output.write("hls/master.m3u8", b"second").unwrap();
        output.commit().unwrap();
        assert_eq!(entries(root.path()), ["out"]);
        assert_eq!(entries(&destination), ["hls"]);
        assert_eq!(fs::read(destination.join("hls/master.m3u8")).unwrap(), b"second");
    }
}
