//! A live stream kept as files: each take's tracks as fragmented MP4, which grow part by part.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use encoder::live::{LiveError, LiveSink, Part, Take, TrackKeys};

/// Writes `<folder>/<take>-<track>.mp4`; takes are counted from 1.
pub(crate) struct Recording {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    takes: u32,
    files: Vec<File>,
}

impl Recording {
    pub(crate) fn new(folder: PathBuf) -> std::io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            state: Mutex::default(),
        })
    }

    fn failed(&self, error: &std::io::Error) -> LiveError {
        LiveError::Output {
            reason: format!("{}: {error}", self.folder.display()),
        }
    }
}

impl LiveSink for Recording {
    fn begin(&self, take: Take) -> Result<(), LiveError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.takes += 1;
        let number = state.takes;
        let files = take.tracks.iter().map(|track| {
            let mut file = File::create(self.folder.join(format!("{number}-{}.mp4", track.name)))?;
            file.write_all(&track.init)?;
            Ok(file)
        });
        state.files = files
            .collect::<std::io::Result<_>>()
            .map_err(|error| self.failed(&error))?;
        Ok(())
    }

    fn part(&self, track: usize, part: Part) -> Result<(), LiveError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let written = state.files.get_mut(track).map(|file| file.write_all(&part.bytes));
        written.unwrap_or(Ok(())).map_err(|error| self.failed(&error))
    }

    /// What the files say themselves is enough to decrypt them.
    fn keys(&self, _: usize, _: TrackKeys) -> Result<(), LiveError> {
        Ok(())
    }

    fn pause(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.files.clear();
    }

    fn end(&self) -> Result<(), LiveError> {
        Ok(())
    }
}
