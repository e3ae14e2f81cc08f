//! A medium on disk: a file, or files that are one when they are read after each other.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What is opened as one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Medium {
    /// What errors call it.
    pub(crate) path: PathBuf,
    /// An init segment and its media segments, for example; at least one.
    pub(crate) parts: Vec<PathBuf>,
}

impl Medium {
    pub(crate) fn of_file(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            parts: vec![path.to_owned()],
        }
    }

    pub(crate) fn is_joined(&self) -> bool {
        self.parts.len() > 1
    }

    /// The byte at which each part begins, and at last the end.
    pub(crate) fn offsets(&self) -> io::Result<Vec<u64>> {
        let mut offsets = vec![0];
        let mut end = 0;
        for part in &self.parts {
            let data = part.metadata()?;
            if !data.is_file() {
                let text = format!("{} is not a regular file", part.display());
                return Err(io::Error::new(ErrorKind::Unsupported, text));
            }
            end += data.len();
            offsets.push(end);
        }
        Ok(offsets)
    }

    /// Opens the parts as one file; only one of them is open at a time.
    pub(crate) fn reader(&self) -> io::Result<Joined> {
        Ok(Joined {
            parts: self.parts.clone(),
            offsets: self.offsets()?,
            position: 0,
            open: None,
        })
    }
}

/// Files one after the other.
pub(crate) struct Joined {
    parts: Vec<PathBuf>,
    offsets: Vec<u64>,
    position: u64,
    /// A part's number, and its file, which stands where the position is.
    open: Option<(usize, File)>,
}

impl Read for Joined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The last part that begins here or before; empty ones are passed over.
        let index = self
            .offsets
            .partition_point(|offset| *offset <= self.position)
            .saturating_sub(1);
        let Some(path) = self.parts.get(index) else {
            return Ok(0);
        };
        let file = match &mut self.open {
            Some((open, file)) if *open == index => file,
            _ => {
                let mut file = File::open(path)?;
                let start = self.offsets.get(index).copied().unwrap_or(0);
                file.seek(SeekFrom::Start(self.position - start))?;
                &mut self.open.insert((index, file)).1
            }
        };
        let end = self.offsets.get(index + 1).copied().unwrap_or(u64::MAX);
        let left = usize::try_from(end - self.position).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let count = file.read(buffer.get_mut(..most).unwrap_or_default())?;
        if count == 0 && most > 0 {
            let text = format!("{} became shorter", path.display());
            return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Joined {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = self.offsets.last().copied().unwrap_or(0);
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => end.checked_add_signed(by),
        };
        self.position = position.ok_or(ErrorKind::InvalidInput)?;
        self.open = None;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn parts_are_read_as_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let parts = ["init", "", "one", "two"].map(|text| {
            let path = folder.path().join(format!("{text}.part"));
            std::fs::write(&path, text).unwrap();
            path
        });
        let medium = Medium {
            path: folder.path().to_owned(),
            parts: parts.to_vec(),
        };
        assert_eq!(medium.offsets().unwrap(), [0, 4, 4, 7, 10]);
        let mut reader = medium.reader().unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "initonetwo");
        for (to, expected) in [
            (SeekFrom::Start(3), "tonetwo"),
            (SeekFrom::End(-4), "etwo"),
            (SeekFrom::Start(7), "two"),
            (SeekFrom::Start(99), ""),
        ] {
            reader.seek(to).unwrap();
            text.clear();
            reader.read_to_string(&mut text).unwrap();
            assert_eq!(text, expected, "{to:?}");
        }
        assert!(reader.seek(SeekFrom::Current(-1000)).is_err());
        std::fs::write(&parts[2], "on").unwrap();
        reader.rewind().unwrap();
        assert!(reader.read_to_string(&mut text).is_err(), "it is not what it was");
        std::fs::remove_file(&parts[3]).unwrap();
        assert!(medium.reader().is_err());
    }
}
