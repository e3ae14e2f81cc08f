//! Finding traces: files, and folders of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use rayon::prelude::*;

use super::formats::{detect_file, name_of};
use super::{Trace, TraceError};

/// A trace and the family it belongs to: the name of its folder.
#[derive(Clone, Debug)]
pub struct FamilyTrace {
    /// The folder's name.
    pub family: String,
    /// The trace.
    pub trace: Trace,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The traces, by family and name.
    pub traces: Vec<FamilyTrace>,
    /// Files in the folders that are none, and other directions of traces that are there.
    pub skipped: Vec<PathBuf>,
}

/// Why there are no traces to run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TracesError {
    /// The folder has none.
    #[error("the folder {} holds no traces, nor do its subfolders{}", path.display(), others(.skipped))]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
        /// What it holds instead.
        skipped: Vec<PathBuf>,
    },
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

/// Reads traces; see [`find_traces`].
///
/// # Errors
/// As [`find_traces`].
pub fn read_traces(paths: &[PathBuf]) -> Result<Vec<FamilyTrace>, TracesError> {
    Ok(find_traces(paths)?.traces)
}

/// Reads traces of every [`Format`](super::Format): files, and folders with all traces in them and in their subfolders; by
/// family and name, each file once.
///
/// In a folder a file is a trace if it is called `*.csv` or begins like one; others are skipped, such as a readme or a content
/// table. So are hidden files, and `*.up` beside a `*.down` of the same name: Mahimahi's files for the two directions of one
/// link, of which players use the other. A file that is named, or that is taken for a trace, must be one.
///
/// # Errors
/// If a path is not there, a folder holds no traces, or one of them is none.
pub fn find_traces(paths: &[PathBuf]) -> Result<Found, TracesError> {
    let mut files = BTreeMap::new();
    let mut skipped = BTreeSet::new();
    for path in paths {
        let failed = |source| TracesError::Read {
            path: path.clone(),
            source,
        };
        let canonical = path.canonicalize().map_err(failed)?;
        if canonical.is_dir() {
            let mut folder = Folder::default();
            folder.search(&canonical).map_err(failed)?;
            if folder.traces.is_empty() {
                return Err(TracesError::EmptyFolder {
                    path: path.clone(),
                    skipped: folder.skipped,
                });
            }
            for path in folder.traces {
                add(path, &mut files);
            }
            skipped.extend(folder.skipped);
        } else {
            add(canonical, &mut files);
        }
    }
    skipped.retain(|path| !files.contains_key(&key(path)));
    let read =
        |((family, ..), path): (Key, PathBuf)| Trace::read(&path).map(|trace| FamilyTrace { family, trace });
    Ok(Found {
        traces: files.into_par_iter().map(read).collect::<Result<_, _>>()?,
        skipped: skipped.into_iter().collect(),
    })
}

/// Family, name and path are the order of a run.
type Key = (String, String, PathBuf);

fn key(path: &Path) -> Key {
    let folder = path.parent().and_then(Path::file_name);
    let family = folder.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    (family, name_of(path), path.to_owned())
}

fn add(path: PathBuf, files: &mut BTreeMap<Key, PathBuf>) {
    files.insert(key(&path), path);
}

/// What a folder holds.
#[derive(Debug, Default)]
struct Folder {
    traces: Vec<PathBuf>,
    skipped: Vec<PathBuf>,
    /// Folders that were searched: links may lead back to one.
    seen: BTreeSet<PathBuf>,
}

impl Folder {
    fn search(&mut self, folder: &Path) -> io::Result<()> {
        if !self.seen.insert(folder.canonicalize()?) {
            return Ok(());
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            // A link to nowhere, a socket or a pipe is no file.
            let Ok(metadata) = fs::metadata(&path) else {
                self.skipped.push(path);
                continue;
            };
            if metadata.is_dir() {
                self.search(&path)?;
            } else if metadata.is_file() && is_trace(&path)? {
                self.traces.push(path.canonicalize()?);
            } else {
                self.skipped.push(path);
            }
        }
        Ok(())
    }
}

fn is_trace(path: &Path) -> io::Result<bool> {
    let is = |ending: &str| {
        path.extension()
            .is_some_and(|found| found.eq_ignore_ascii_case(ending))
    };
    if is("csv") {
        return Ok(true);
    }
    if is("up") && path.with_extension("down").is_file() {
        return Ok(false);
    }
    Ok(detect_file(path)?.is_some())
}

/// What a folder holds instead of traces.
fn others(skipped: &[PathBuf]) -> String {
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    // The order in a folder is no order.
    match (skipped.len(), skipped.iter().filter_map(name).min()) {
        (0, _) | (_, None) => String::new(),
        (1, Some(name)) => format!("; the file in it ({name}) begins like none"),
        (count, Some(name)) => format!("; the {count} files in it ({name}, …) begin like none"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CSV: &str = "duration_ms,bandwidth_kbps,latency_ms\n10,10,10\n";

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn names(found: &Found) -> Vec<String> {
        let name = |t: &FamilyTrace| format!("{}/{}", t.family, t.trace.name());
        found.traces.iter().map(name).collect()
    }

    fn skipped(found: &Found) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        found.skipped.iter().map(name).collect()
    }

    #[test]
    fn traces_come_from_files_and_folders_each_once_by_family() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b/2.csv", "b/1.csv", "a/deep/9.csv"] {
            write(&dir.path().join(name), CSV);
        }
        let paths = [
            dir.path().join("b/2.csv"),
            dir.path().to_owned(),
            dir.path().join("b"),
        ];
        let found = find_traces(&paths).unwrap();
        assert_eq!(names(&found), ["b/1", "b/2", "deep/9"]);
        assert!(found.skipped.is_empty());
    }

    #[test]
    fn in_folders_traces_are_known_by_what_is_in_them() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| write(&dir.path().join(name), text);
        put("lte/drive.down", "1\n2\n");
        put("lte/drive.up", "1\n");
        put("lte/alone.up", "1\n");
        put("cooked/trace_12_http---www.example.com_3", "0 1\n1 2.5\n");
        put("cooked/report.log", "0.5\t1\n1.0\t2.5\n");
        put(
            "json/bus.json",
            r#"[{"duration_ms": 10, "bandwidth_kbps": 1, "latency_ms": 0}]"#,
        );
        put("json/content.json", r#"{"segment_duration_ms": 3000}"#);
        put("json/rows.json", r#"[{"family": "lte"}]"#);
        put("README.md", "Traces of\n1\n2\n");
        put(".hidden", "1\n");
        put(".git/1", "1\n");
        put("empty", "");
        let found = find_traces(&[dir.path().to_owned()]).unwrap();
        let expected = [
            "cooked/report",
            "cooked/trace_12_http---www.example.com_3",
            "json/bus",
            "lte/alone.up",
            "lte/drive.down",
        ];
        assert_eq!(names(&found), expected);
        assert_eq!(
            skipped(&found),
            ["README.md", "empty", "content.json", "rows.json", "drive.up"]
        );
        // A file that is named is not skipped.
        let both = [dir.path().join("lte/drive.up"), dir.path().join("lte")];
        let found = find_traces(&both).unwrap();
        assert_eq!(names(&found), ["lte/alone.up", "lte/drive.down", "lte/drive.up"]);
        assert!(found.skipped.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_back_or_nowhere_do_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a/1.csv"), CSV);
        std::os::unix::fs::symlink(dir.path(), dir.path().join("a/again")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("a"), dir.path().join("b")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("a/2.csv")).unwrap();
        let found = find_traces(&[dir.path().to_owned()]).unwrap();
        assert_eq!(names(&found), ["a/1"]);
        assert_eq!(skipped(&found), ["2.csv"]);
    }

    #[test]
    fn a_missing_path_an_empty_folder_and_a_wrong_file_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = |path: &Path| find_traces(&[path.to_owned()]).unwrap_err().to_string();
        let missing = dir.path().join("nowhere");
        assert!(error(&missing).starts_with(&format!("cannot read the traces in {}: ", missing.display())));
        assert!(error(dir.path()).ends_with("holds no traces, nor do its subfolders"));
        write(&dir.path().join("sub/readme.txt"), "hello");
        assert!(error(dir.path()).ends_with("subfolders; the file in it (readme.txt) begins like none"));
        write(&dir.path().join("about.txt"), "hello");
        assert!(error(dir.path()).ends_with("; the 2 files in it (about.txt, …) begin like none"));
        let wrong = dir.path().join("wrong.csv");
        write(&wrong, "{}");
        assert!(error(&wrong).contains("wrong.csv, line 1: expected the header"));
        assert!(error(dir.path()).contains("wrong.csv, line 1: expected the header"));
    }
}
