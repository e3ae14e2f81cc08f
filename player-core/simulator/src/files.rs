//! Files that are whole or not there: written aside, then renamed.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file in the making. It appears under its name with [`Aside::finish`], or not at all.
#[derive(Debug)]
pub struct Aside {
    /// `None` once it is finished.
    file: Option<File>,
    aside: PathBuf,
    path: PathBuf,
}

impl Aside {
    /// Begins a file, and makes the folders above it.
    ///
    /// # Errors
    /// If the folders or the file cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            fs::create_dir_all(folder)?;
        }
        let aside = path.with_file_name(format!(
            ".{}.{}.partial",
            name.to_string_lossy(),
            std::process::id()
        ));
        Ok(Self {
            file: Some(File::create(&aside)?),
            aside,
            path: path.to_owned(),
        })
    }

    /// Gives the file its name, in place of an older one.
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub fn finish(mut self) -> io::Result<()> {
        fs::rename(&self.aside, &self.path)?;
        self.file = None;
        Ok(())
    }
}

impl Write for Aside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Nobody is left to be told if this fails.
            let _ = fs::remove_file(&self.aside);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        let path = folder.join("c.json");
        let mut file = Aside::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert!(names(&folder).is_empty());
        let mut file = Aside::create(&path).unwrap();
        file.write_all(b"whole").unwrap();
        file.finish().unwrap();
        assert_eq!(names(&folder), ["c.json"]);
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert!(Aside::create(&folder).is_err());
    }
}
