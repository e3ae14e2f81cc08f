//! Finding traces: files, and folders of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rayon::prelude::*;

use super::{Trace, TraceError};

/// A trace and the family it belongs to: the name of its folder.
#[derive(Clone, Debug)]
pub struct FamilyTrace {
    /// The folder's name.
    pub family: String,
    /// The trace.
    pub trace: Trace,
}

/// Why there are no traces to run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TracesError {
    /// The folder has none.
    #[error("the folder {} holds no traces (*.csv), nor do its subfolders", .0.display())]
    EmptyFolder(PathBuf),
    /// There is no such file or folder, or it cannot be read.
    #[error("cannot read the traces in {}: {source}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One is no trace.
    #[error(transparent)]
    Trace(#[from] TraceError),
}

/// Reads traces: files, and folders with all `*.csv` in them and in their subfolders; by family and name, each file once.
///
/// # Errors
/// If a path is not there, a folder holds no traces, or one of them is none.
pub fn read_traces(paths: &[PathBuf]) -> Result<Vec<FamilyTrace>, TracesError> {
    let mut files = BTreeMap::new();
    for path in paths {
        let failed = |source| TracesError::Read {
            path: path.clone(),
            source,
        };
        let canonical = path.canonicalize().map_err(failed)?;
        if canonical.is_dir() {
            let before = files.len();
            let known = files
                .values()
                .filter(|file: &&PathBuf| file.starts_with(&canonical))
                .count();
            find_files(&canonical, &mut files).map_err(failed)?;
            if files.len() == before && known == 0 {
                return Err(TracesError::EmptyFolder(path.clone()));
            }
        } else {
            add_file(canonical, &mut files);
        }
    }
    let read = |((family, ..), path): ((String, String, PathBuf), PathBuf)| {
        Trace::read(&path).map(|trace| FamilyTrace { family, trace })
    };
    Ok(files.into_par_iter().map(read).collect::<Result<_, _>>()?)
}

/// Family, name and path are the order of a run.
type Files = BTreeMap<(String, String, PathBuf), PathBuf>;

fn find_files(folder: &Path, files: &mut Files) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "csv") {
            add_file(path, files);
        }
    }
    Ok(())
}

fn add_file(path: PathBuf, files: &mut Files) {
    let name =
        |part: Option<&std::ffi::OsStr>| part.map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let family = name(path.parent().and_then(Path::file_name));
    files.insert((family, name(path.file_stem()), path.clone()), path);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn write(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "duration_ms,bandwidth_kbps,latency_ms\n10,10,10\n").unwrap();
    }

    #[test]
    fn traces_come_from_files_and_folders_each_once_by_family() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/2.csv", "b/1.csv", "a/deep/9.csv", "a/readme.txt"] {
            write(&dir.path().join(name));
        }
        let paths = [
            dir.path().join("b/2.csv"),
            dir.path().to_owned(),
            dir.path().join("b"),
        ];
        let names: Vec<_> = read_traces(&paths)
            .unwrap()
            .into_iter()
            .map(|t| format!("{}/{}", t.family, t.trace.name()))
            .collect();
        assert_eq!(names, ["b/1", "b/2", "deep/9"]);
    }

    #[test]
    fn a_missing_path_an_empty_folder_and_a_wrong_file_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = |path: &Path| read_traces(&[path.to_owned()]).unwrap_err().to_string();
        let missing = dir.path().join("nowhere");
        assert!(error(&missing).starts_with(&format!("cannot read the traces in {}: ", missing.display())));
        assert!(error(dir.path()).ends_with("holds no traces (*.csv), nor do its subfolders"));
        let wrong = dir.path().join("wrong.csv");
        fs::write(&wrong, "{}").unwrap();
        assert!(error(&wrong).contains("wrong.csv, line 1: expected the header"));
    }
}
