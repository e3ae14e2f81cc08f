//! What a stream has published, in a file beside it, so that a process that was killed goes on with the numbering.
//!
//! Lines of JSON, appended when a segment is whole and before the next one of its track begins: a number that players may have
//! seen is thus at most one past the last in the journal. The file is written anew, whole, when most of it is about segments that
//! have left the window.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::LiveError;
use super::window::{KeyChange, Segment, TakeEntry, Targets, Window};

/// A line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Stream {
        targets: Targets,
        epoch: SystemTime,
        next_take: u32,
        tracks: Vec<(String, u64)>,
    },
    Take(TakeEntry),
    Segment {
        track: String,
        #[serde(flatten)]
        segment: Segment,
    },
    Keys {
        track: String,
        #[serde(flatten)]
        change: KeyChange,
    },
    /// What comes before this number has left the window.
    First(u64),
    /// The publisher left; nothing was in production any more.
    Pause,
    End,
}

pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Held for as long as the stream is written here.
    _lock: File,
    lines: usize,
}

impl Journal {
    /// Opens the journal in `folder`, and reads again what it says into `window`.
    pub(super) fn open(folder: &Path, window: &mut Window) -> Result<Self, LiveError> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |error: io::Error| LiveError::Output {
                reason: format!("{path}: {error}"),
            }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let lock_path = folder.join("journal.lock");
        let lock = File::create(&lock_path).map_err(failed(&lock_path))?;
        if lock.try_lock().is_err() {
            return Err(LiveError::Output {
                reason: format!("{} is in use by another process", folder.display()),
            });
        }
        let path = folder.join(NAME);
        let (lines, is_open) = match path.exists() {
            true => read(&path, window).map_err(failed(&path))?,
            false => (0, false),
        };
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(failed(&path))?;
        let mut journal = Self {
            path,
            file,
            _lock: lock,
            lines,
        };
        if lines > 0 {
            window.settle(is_open);
            // Also drops a last line that was cut short.
            journal.rewrite(window)?;
        }
        Ok(journal)
    }

    pub(super) fn take(&mut self, window: &Window, take: &TakeEntry) -> Result<(), LiveError> {
        if self.lines == 0 {
            self.append(&head(window))?;
        }
        self.append(&Record::Take(take.clone()).line())
    }

    pub(super) fn segment(&mut self, track: &str, segment: &Segment) -> Result<(), LiveError> {
        self.append(&Record::of(track, segment))
    }

    pub(super) fn keys(&mut self, track: &str, change: &KeyChange) -> Result<(), LiveError> {
        self.append(&Record::keys(track, change))
    }

    pub(super) fn first(&mut self, number: u64) -> Result<(), LiveError> {
        self.append(&Record::First(number).line())
    }

    pub(super) fn pause(&mut self) -> Result<(), LiveError> {
        self.append(&Record::Pause.line())
    }

    pub(super) fn end(&mut self) -> Result<(), LiveError> {
        self.append(&Record::End.line())
    }

    /// Forgets what has left the window, when that is most of the file.
    pub(super) fn compact(&mut self, window: &Window) -> Result<(), LiveError> {
        let of_track = window
            .tracks
            .iter()
            .map(|track| track.segments.len() + track.keys.len());
        let live: usize = of_track.sum();
        if self.lines > (live + window.takes.len()) * 2 + SLACK {
            self.rewrite(window)?;
        }
        Ok(())
    }

    fn rewrite(&mut self, window: &Window) -> Result<(), LiveError> {
        let mut text = head(window);
        let mut lines = 1;
        let mut add = |line: String, text: &mut String| {
            text.push_str(&line);
            lines += 1;
        };
        for track in &window.tracks {
            for change in &track.keys {
                add(Record::keys(&track.name, change), &mut text);
            }
        }
        for take in &window.takes {
            add(Record::Take(take.clone()).line(), &mut text);
            for track in &window.tracks {
                let whole = track.segments.iter().filter(|segment| segment.is_whole);
                for segment in whole.filter(|segment| segment.take == take.id) {
                    add(Record::of(&track.name, segment), &mut text);
                }
            }
        }
        if window.takes.back().is_some_and(|take| !take.is_open) {
            add(Record::Pause.line(), &mut text);
        }
        if window.is_over {
            add(Record::End.line(), &mut text);
        }
        let new = self.path.with_extension("new");
        let write = || -> io::Result<File> {
            let mut file = File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            fs::rename(&new, &self.path)?;
            OpenOptions::new().append(true).open(&self.path)
        };
        self.file = write().map_err(|error| self.failed(&error))?;
        self.lines = lines;
        Ok(())
    }

    fn append(&mut self, line: &str) -> Result<(), LiveError> {
        let written = self.file.write_all(line.as_bytes());
        written.map_err(|error| self.failed(&error))?;
        self.lines += 1;
        Ok(())
    }

    fn failed(&self, error: &io::Error) -> LiveError {
        LiveError::Output {
            reason: format!("{}: {error}", self.path.display()),
        }
    }
}

/// Reads what a journal says into `window`, also while another process goes on with it. Returns how many lines it has, and whether a
/// publisher was there at its end.
pub(super) fn read(path: &Path, window: &mut Window) -> io::Result<(usize, bool)> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    let (mut lines, mut is_open) = (0, false);
    loop {
        line.clear();
        if io::Read::take(&mut reader, LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok((lines, is_open));
        }
        // The last line of a process that was killed may be cut short; whatever it was, nothing came after it.
        let Ok(record) = serde_json::from_slice(&line) else {
            tracing::warn!(path = %path.display(), line = lines + 1, "the journal is cut short");
            return Ok((lines, is_open));
        };
        lines += 1;
        is_open = apply(record, window, is_open);
    }
}

impl Record {
    fn of(track: &str, segment: &Segment) -> String {
        let record = Self::Segment {
            track: track.to_owned(),
            segment: segment.clone(),
        };
        record.line()
    }

    fn keys(track: &str, change: &KeyChange) -> String {
        let record = Self::Keys {
            track: track.to_owned(),
            change: change.clone(),
        };
        record.line()
    }

    /// With its end; every record can be written.
    fn line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

fn head(window: &Window) -> String {
    let record = Record::Stream {
        targets: window.targets.unwrap_or(Targets {
            duration_s: 1,
            part: Duration::ZERO,
            segment: Duration::ZERO,
        }),
        epoch: window.epoch.unwrap_or(SystemTime::UNIX_EPOCH),
        next_take: window.next_take,
        tracks: window
            .tracks
            .iter()
            .map(|track| {
                let first = track.segments.front().map(|segment| segment.number);
                (track.name.clone(), first.unwrap_or(track.next))
            })
            .collect(),
    };
    record.line()
}

fn apply(record: Record, window: &mut Window, is_open: bool) -> bool {
    match record {
        Record::Stream {
            targets,
            epoch,
            next_take,
            tracks,
        } => {
            window.targets = Some(targets);
            window.epoch = Some(epoch);
            window.next_take = next_take;
            for (name, next) in tracks {
                window.add_track(&name, next);
            }
            is_open
        }
        Record::Take(take) => {
            window.enter(take);
            true
        }
        Record::Segment { track, segment } => {
            window.restore(&track, segment);
            is_open
        }
        Record::Keys { track, change } => {
            window.restore_keys(&track, change);
            is_open
        }
        Record::First(first) => {
            window.forget(first);
            is_open
        }
        Record::Pause => false,
        Record::End => {
            window.is_over = true;
            false
        }
    }
}

/// The file's name in a stream's folder.
pub(super) const NAME: &str = "journal.jsonl";
/// Lines before it is worth to write the file anew.
const SLACK: usize = 64;
/// Bytes; a take has a line for all of its tracks.
const LONGEST_LINE: u64 = 1 << 20;
