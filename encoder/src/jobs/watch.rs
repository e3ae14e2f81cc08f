//! A folder that is watched: what lands there is encoded.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use notify::{RecursiveMode, Watcher};

use super::{Event, Job, JobReport, JobState, run_one};
use crate::error::EncodeError;
use crate::storage::Scratch;
use crate::vod::CancelToken;

/// Which folder to watch, and how.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// The folder. Files in folders of it are not taken.
    pub dir: PathBuf,
    /// How long a file's size and time must not change before it is taken.
    pub settle: Duration,
    /// How many files are encoded at a time.
    pub parallel: usize,
    /// Ends the watch. What is being encoded then is gone on with at the next start.
    pub cancel: CancelToken,
}

/// What is known of a file that has landed.
struct Landed {
    bytes: u64,
    modified: Option<SystemTime>,
    since: Instant,
    /// It stays as it is until it changes: it could not be moved away.
    is_handled: bool,
}

/// Encodes every file that lands in a folder, until it is cancelled. Done ones are moved to its folder `done`, failed ones to
/// `failed` with a text beside them that says why.
///
/// Hidden files, empty ones, and those with the ending of an unfinished download are left alone. `make` is given a file's path
/// and its id, and says what to do with it.
///
/// # Errors
/// When the folder cannot be read, or another process watches it.
pub fn watch(
    options: &WatchOptions,
    make: &(dyn Fn(&Path, &str) -> Job + Sync),
    report: &(dyn Fn(&str, Event<'_>) + Sync),
) -> Result<(), EncodeError> {
    list(&options.dir)?;
    // It also holds the unfinished work.
    let hidden = options.dir.join(WORK_FOLDER);
    let mut scratch = Scratch::open(&hidden)?;
    scratch.keep();
    let (wake, woken) = mpsc::channel();
    let waker = wake.clone();
    let mut watcher = notify::recommended_watcher(move |_| {
        // The watch has ended otherwise.
        let _ = waker.send(None);
    });
    let watching = match &mut watcher {
        Ok(watcher) => watcher.watch(&options.dir, RecursiveMode::NonRecursive),
        Err(error) => Err(io::Error::other(error.to_string()).into()),
    };
    let is_notified = watching.is_ok();
    if let Err(error) = watching {
        tracing::info!(folder = %options.dir.display(), "changes are not announced here ({error}); looking every 2 s");
    }
    let mut landed: HashMap<PathBuf, Landed> = HashMap::new();
    let mut running: HashSet<PathBuf> = HashSet::new();
    thread::scope(|scope| {
        loop {
            if options.cancel.is_cancelled() {
                // Leaving the scope waits for what runs, which is told to stop by the same token.
                return Ok(());
            }
            let ready = look(options, &mut landed, &running)?;
            for path in ready
                .iter()
                .take(options.parallel.max(1).saturating_sub(running.len()))
            {
                running.insert(path.clone());
                let (path, wake, hidden) = (path.clone(), wake.clone(), &hidden);
                scope.spawn(move || {
                    let is_moved = take(options, &path, hidden, make, report);
                    let _ = wake.send(Some((path, is_moved)));
                });
            }
            let is_settling = landed
                .iter()
                .any(|(path, file)| !file.is_handled && !running.contains(path));
            let wait = match is_settling {
                true => SOON.min(options.settle.max(Duration::from_millis(20))),
                false if is_notified => SELDOM,
                false => POLL,
            };
            let until = Instant::now() + wait;
            // In short steps, for the cancellation.
            while !options.cancel.is_cancelled() {
                let left = until.saturating_duration_since(Instant::now());
                match woken.recv_timeout(left.min(STEP)) {
                    Ok(Some((path, is_moved))) => {
                        running.remove(&path);
                        if is_moved {
                            landed.remove(&path);
                        } else if let Some(file) = landed.get_mut(&path) {
                            file.is_handled = true;
                        }
                        break;
                    }
                    Ok(None) => break,
                    Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
                    Err(_) => break,
                }
            }
        }
    })?;
    let is_used = fs::read_dir(&hidden)
        .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir())));
    if !is_used {
        scratch.remove();
    }
    Ok(())
}

/// A file's id: its name without the ending, with `-` for what may not be in an id.
pub fn id_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let id: String = stem.chars().map(plain).take(MAX_ID).collect();
    match id.trim_start_matches('.') {
        "" => "video".to_owned(),
        id => id.to_owned(),
    }
}

/// The files that may be taken now, the oldest first.
fn look(
    options: &WatchOptions,
    landed: &mut HashMap<PathBuf, Landed>,
    running: &HashSet<PathBuf>,
) -> Result<Vec<PathBuf>, EncodeError> {
    let files = list(&options.dir)?;
    landed.retain(|path, _| running.contains(path) || files.iter().any(|(other, ..)| other == path));
    let mut ready = Vec::new();
    for (path, bytes, modified) in files {
        if running.contains(&path) {
            continue;
        }
        let file = landed.entry(path.clone()).or_insert_with(|| Landed {
            bytes,
            modified,
            since: Instant::now(),
            is_handled: false,
        });
        if (file.bytes, file.modified) != (bytes, modified) {
            *file = Landed {
                bytes,
                modified,
                since: Instant::now(),
                is_handled: false,
            };
        }
        if !file.is_handled && file.since.elapsed() >= options.settle {
            ready.push((modified, path));
        }
    }
    ready.sort();
    Ok(ready.into_iter().map(|(_, path)| path).collect())
}

/// Files to be taken some time, with their sizes.
fn list(dir: &Path) -> Result<Vec<(PathBuf, u64, Option<SystemTime>)>, EncodeError> {
    let unreadable = |source| EncodeError::InputUnreadable {
        path: dir.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        // What vanishes meanwhile is of no interest, and links may lead anywhere.
        let Ok(data) = entry.metadata() else { continue };
        if data.is_file() && data.len() > 0 && !is_partial(&entry.file_name()) {
            files.push((entry.path(), data.len(), data.modified().ok()));
        }
    }
    Ok(files)
}

/// Hidden files, and what programs call a file that they have not finished.
fn is_partial(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_lowercase();
    name.starts_with('.')
        || name.ends_with('~')
        || PARTIAL.iter().any(|ending| name.ends_with(&format!(".{ending}")))
}

/// Encodes a file and moves it away; whether it is gone.
fn take(
    options: &WatchOptions,
    path: &Path,
    hidden: &Path,
    make: &(dyn Fn(&Path, &str) -> Job + Sync),
    report: &(dyn Fn(&str, Event<'_>) + Sync),
) -> bool {
    let id = id_of(path);
    let mut job = make(path, &id);
    let work = hidden.join(path.file_name().unwrap_or_default());
    job.options.work_dir.get_or_insert_with(|| work.clone());
    let done = run_one(&job, &options.cancel, report);
    let moved = match done.state {
        JobState::Stopped => return false,
        JobState::AlreadyDone | JobState::Done => put_away(path, &options.dir.join("done")),
        JobState::Failed => put_away(path, &options.dir.join("failed")).and_then(|to| explain(&to, &done)),
    };
    // Unfinished work is of no more use, unless only its place was at fault.
    if !done.is_output_error {
        let _ = fs::remove_dir_all(&work);
    }
    if let Err(error) = &moved {
        tracing::warn!(file = %path.display(), "it cannot be moved away ({error}); it is left alone until it changes");
    }
    moved.is_ok()
}

/// Moves a file into `folder` under a name that is free there.
fn put_away(path: &Path, folder: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let ending = path
        .extension()
        .map_or(String::new(), |ending| format!(".{}", ending.to_string_lossy()));
    let mut to = folder.join(path.file_name().unwrap_or_default());
    for number in 2.. {
        if !to.exists() {
            break;
        }
        to = folder.join(format!("{stem}-{number}{ending}"));
    }
    fs::rename(path, &to)?;
    Ok(to)
}

fn explain(path: &Path, report: &JobReport) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(".txt");
    fs::write(
        &name,
        format!("{}\n", report.error.as_deref().unwrap_or_default()),
    )?;
    Ok(path.to_owned())
}

const WORK_FOLDER: &str = ".headgate-watch";
const MAX_ID: usize = 128;
const PARTIAL: [&str; 9] = [
    "part",
    "partial",
    "tmp",
    "temp",
    "crdownload",
    "download",
    "filepart",
    "swp",
    "uploading",
];
/// While files settle.
const SOON: Duration = Duration::from_millis(500);
/// Where nothing is announced.
const POLL: Duration = Duration::from_secs(2);
/// An announcement may have been lost.
const SELDOM: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_made_of_names() {
        for (name, id) in [
            ("Film 1.final.mp4", "Film-1.final"),
            ("über.mov", "-ber"),
            ("..mp4", "video"),
            ("...x.mp4", "x"),
        ] {
            assert_eq!(id_of(Path::new(name)), id);
        }
        assert_eq!(id_of(Path::new(&"a".repeat(300))).len(), MAX_ID);
    }

    #[test]
    fn unfinished_files_are_known_by_their_names() {
        for name in [".film.mp4", "film.mp4.part", "film.MP4.CRDOWNLOAD", "film.mp4~"] {
            assert!(is_partial(OsStr::new(name)), "{name}");
        }
        assert!(!is_partial(OsStr::new("part.mp4")));
    }
}
