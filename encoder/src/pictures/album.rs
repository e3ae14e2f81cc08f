//! The tapped pictures of all workers, in the order of the film.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::features::{Features, Planes};
use super::plan::Plan;
use super::recorder::{read_header, read_records};
use crate::error::EncodeError;

/// All tapped pictures of a film. Pictures stay in the work files until they are asked for.
pub(crate) struct Album {
    files: Vec<(PathBuf, File)>,
    plan: Plan,
    pictures: Vec<Tapped>,
}

/// A tapped picture.
pub(crate) struct Tapped {
    /// Presentation time.
    pub(crate) time_ms: u64,
    pub(crate) features: Features,
    /// File, and where in it the picture is, if it was kept.
    place: Option<(usize, u64)>,
}

impl Album {
    /// Opens the work files of one film, in any order; `None` when nothing was recorded.
    ///
    /// Where workers overlap, each time counts once.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Option<Self>, EncodeError> {
        let mut files: Vec<(PathBuf, File)> = Vec::new();
        let mut plan = None;
        let mut pictures: Vec<Tapped> = Vec::new();
        for path in paths {
            let mut file = File::open(path).map_err(|error| unreadable(path, error))?;
            let strange =
                |reason: &str| EncodeError::packaging("thumbnails", format!("{} {reason}", path.display()));
            let header = read_header(&mut file).ok_or_else(|| strange("is no work file of pictures"))?;
            if *plan.get_or_insert(header) != header {
                return Err(strange(
                    "was made with other options than the other workers' files",
                ));
            }
            let index = files.len();
            read_records(&mut file, header, &mut |record| {
                pictures.push(Tapped {
                    time_ms: record.time_ms,
                    features: record.features,
                    place: record.planes_at.map(|at| (index, at)),
                });
            })
            .map_err(|error| unreadable(path, error))?;
            files.push((path.clone(), file));
        }
        // One that was kept goes before the same one that was not.
        pictures.sort_by_key(|picture| (picture.time_ms, picture.place.is_none()));
        pictures.dedup_by_key(|picture| picture.time_ms);
        drop_extra(&mut pictures, plan);
        let (Some(plan), false) = (plan, pictures.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            files,
            plan,
            pictures,
        }))
    }

    pub(crate) fn plan(&self) -> Plan {
        self.plan
    }

    /// All that were tapped, by time.
    pub(crate) fn pictures(&self) -> &[Tapped] {
        &self.pictures
    }

    /// Those that were kept, by time: their times and numbers in [`pictures`](Self::pictures).
    pub(super) fn kept(&self) -> Vec<(u64, usize)> {
        let numbered = self.pictures.iter().enumerate();
        numbered
            .filter(|(_, picture)| picture.place.is_some())
            .map(|(number, picture)| (picture.time_ms, number))
            .collect()
    }

    /// Reads picture `number`; `None` if it was not kept.
    pub(super) fn planes(&mut self, number: usize) -> Result<Option<Planes>, EncodeError> {
        let place = self.pictures.get(number).and_then(|picture| picture.place);
        let Some((file, at)) = place else { return Ok(None) };
        let Some((path, file)) = self.files.get_mut(file) else {
            return Ok(None);
        };
        let Plan { width, height, .. } = self.plan;
        let mut bytes = vec![0; Planes::size(width, height)];
        file.seek(SeekFrom::Start(at))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|error| unreadable(path, error))?;
        Ok(Some(Planes { width, height, bytes }))
    }
}

/// Keeps one picture for each step, the first, so that it does not matter how the work was split.
fn drop_extra(pictures: &mut [Tapped], plan: Option<Plan>) {
    let Some(plan) = plan else { return };
    let mut kept = None;
    for picture in pictures.iter_mut().filter(|picture| picture.place.is_some()) {
        let step = picture.time_ms / plan.keep_ms;
        if kept == Some(step) {
            picture.place = None;
        }
        kept = Some(step);
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> EncodeError {
    EncodeError::InputUnreadable {
        path: path.to_owned(),
        source,
    }
}
