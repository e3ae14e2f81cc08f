//! The work folder: the plan and the pieces of an encoding.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::account::{Account, Seen};
use crate::error::EncodeError;
use crate::extras::Extras;
use crate::index::Rendition;
use crate::ladder::Rung;
use crate::packager::Stream;
use crate::plan::{Plan, Span};
use crate::text::TextTrack;

/// The plan's name in a work folder.
pub(crate) const PLAN: &str = "plan.json";

/// A folder with a plan and the pieces made by it.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    path: PathBuf,
}

impl Work {
    /// Prepares `path` for `plan`: keeps what was made by the same plan, removes what was made by another.
    pub(crate) fn prepare(path: &Path, plan: &Plan) -> Result<Self, EncodeError> {
        let work = Self {
            path: path.to_owned(),
        };
        let pieces = work.pieces();
        let earlier = work.read_plan()?;
        if earlier.as_ref() == Some(plan) {
            tracing::info!(folder = %path.display(), "going on with an interrupted encoding");
            return Ok(work);
        }
        // By a plan that cannot be read pieces are of no use either.
        if pieces.is_dir() {
            tracing::warn!(folder = %path.display(), "an earlier encoding had other settings; starting anew");
            fs::remove_dir_all(&pieces).map_err(|error| EncodeError::unwritable(&pieces, error))?;
        }
        fs::create_dir_all(&pieces).map_err(|error| EncodeError::unwritable(&pieces, error))?;
        let json = serde_json::to_vec_pretty(plan).map_err(io::Error::from);
        let written = json.and_then(|json| {
            let growing = path.join("plan.json.part");
            fs::write(&growing, json)?;
            fs::rename(&growing, work.plan_path())
        });
        written.map_err(|error| EncodeError::unwritable(&work.plan_path(), error))?;
        Ok(work)
    }

    /// Opens a folder that others filled.
    pub(crate) fn open(path: &Path) -> Result<(Self, Plan), EncodeError> {
        let work = Self {
            path: path.to_owned(),
        };
        let plan = work.read_plan()?.ok_or_else(|| EncodeError::Piece {
            path: work.plan_path(),
            reason: "it is no plan of this version".to_owned(),
        })?;
        Ok((work, plan))
    }

    /// Where the piece of a rendition's chunk lies when it is whole.
    pub(crate) fn piece(&self, rendition: &str, chunk: usize) -> PathBuf {
        self.pieces().join(format!("{rendition}.{chunk:04}.mp4"))
    }

    /// Where the pieces of a chunk of some rungs lie.
    pub(crate) fn video_pieces<'a>(&self, rungs: &[&'a Rung], span: Span) -> Vec<(&'a Rung, PathBuf)> {
        let piece = |rung: &&'a Rung| (*rung, self.piece(&rung.name, span.chunk));
        rungs.iter().map(piece).collect()
    }

    /// Where the source's subtitles lie.
    pub(crate) fn texts(&self) -> PathBuf {
        self.pieces().join("texts.json")
    }

    /// Where the pictures tapped of a chunk lie.
    pub(crate) fn pictures(&self, chunk: usize) -> PathBuf {
        self.pieces().join(format!("pictures.{chunk:04}"))
    }

    /// Keeps what was seen of a chunk's pictures, with what an earlier run saw of them.
    pub(crate) fn write_seen(&self, chunk: usize, seen: &Seen) -> Result<(), EncodeError> {
        let path = self.seen(chunk);
        let seen = read_seen(&path).map_or_else(|| seen.clone(), |earlier| seen.or(&earlier));
        let json = serde_json::to_vec(&seen).map_err(io::Error::from);
        let written = json.and_then(|json| fs::write(&path, json));
        written.map_err(|error| EncodeError::unwritable(&path, error))
    }

    /// Keeps the source's subtitles.
    pub(crate) fn write_texts(&self, tracks: &[TextTrack]) -> Result<(), EncodeError> {
        let path = self.texts();
        let growing = self.pieces().join("texts.json.part");
        let json = serde_json::to_vec(tracks).map_err(io::Error::from);
        let written = json
            .and_then(|json| fs::write(&growing, json))
            .and_then(|()| fs::rename(&growing, &path));
        written.map_err(|error| EncodeError::unwritable(&path, error))
    }

    fn seen(&self, chunk: usize) -> PathBuf {
        self.pieces().join(format!("seen.{chunk:04}.json"))
    }

    fn pieces(&self) -> PathBuf {
        self.path.join("pieces")
    }

    fn plan_path(&self) -> PathBuf {
        self.path.join(PLAN)
    }

    /// None where there is none that can be read.
    fn read_plan(&self) -> Result<Option<Plan>, EncodeError> {
        match fs::read(self.plan_path()) {
            Ok(json) => Ok(Plan::parse(&json).ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(EncodeError::InputUnreadable {
                path: self.plan_path(),
                source,
            }),
        }
    }
}

/// What the workers found beside pictures and sound; `film` is the source, where it is here.
pub(crate) fn extras(plan: &Plan, folders: &[Work], film: Option<&Path>) -> Result<Extras, EncodeError> {
    let mut extras = Extras {
        film: film.map(Path::to_owned),
        report: plan.per_title.clone(),
        ..Extras::default()
    };
    if let Some(path) = folders.iter().map(Work::texts).find(|path| path.is_file()) {
        let read = fs::read(&path).map_err(|error| error.to_string());
        let read = read.and_then(|json| TextTrack::parse_all(&json));
        extras.texts = read.map_err(|reason| EncodeError::Piece { path, reason })?;
    }
    for chunk in 0..plan.chunks.len() {
        let found = folders
            .iter()
            .map(|work| work.pictures(chunk))
            .find(|path| path.is_file());
        extras.pictures.extend(found);
    }
    Ok(extras)
}

/// What was done to the source, as far as workers saw it, and what of it is not in `packaged`.
pub(crate) fn account(plan: &Plan, folders: &[Work], packaged: &[Rendition]) -> Account {
    let chunks = (0..plan.chunks.len()).map(|chunk| {
        let seen = folders.iter().filter_map(|work| read_seen(&work.seen(chunk)));
        seen.fold(Seen::default(), |all, seen| all.or(&seen))
    });
    let seen = chunks.fold(Seen::default(), |all, seen| all.and(&seen));
    Account::of(plan, &seen, packaged)
}

/// None where it is not known: it is for people alone.
fn read_seen(path: &Path) -> Option<Seen> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The piece of a rendition's chunk in the first folder that has it, and its bytes.
pub(crate) fn find_piece(folders: &[Work], name: &str, chunk: usize) -> Option<(u64, PathBuf)> {
    let mut paths = folders.iter().map(|work| work.piece(name, chunk));
    paths.find_map(|path| Some((fs::metadata(&path).ok()?.len(), path)))
}

/// What to package of `plan`: every rendition with its pieces, each from the first folder that has it.
pub(crate) fn streams(plan: &Plan, folders: &[Work]) -> Result<Vec<Stream>, EncodeError> {
    let mut streams = Vec::new();
    let mut missing = Vec::new();
    for (name, kind, count) in plan.renditions() {
        let mut pieces = Vec::new();
        for chunk in 0..count {
            match find_piece(folders, name, chunk) {
                // An empty one says that nothing could be decoded there.
                Some((0, _)) => {}
                Some((_, path)) => pieces.push(path),
                None if count == 1 => missing.push(name.to_owned()),
                None => missing.push(format!("{name} chunk {}/{count}", chunk + 1)),
            }
        }
        if !pieces.is_empty() {
            streams.push(Stream {
                name: name.to_owned(),
                kind,
                pieces,
            });
        }
    }
    match missing.is_empty() {
        true => Ok(streams),
        false => Err(EncodeError::PiecesMissing { missing }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::plan::tests::plan;

    #[test]
    fn pieces_are_kept_for_their_plan_alone() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::parse(plan().to_string().as_bytes()).unwrap();
        let is_kept = || {
            let work = Work::prepare(folder.path(), &plan).unwrap();
            let piece = work.piece("360p", 0);
            let was_there = piece.is_file();
            fs::write(piece, "a piece").unwrap();
            was_there
        };
        assert!(!is_kept() && is_kept());
        let other = serde_json::to_string(&plan)
            .unwrap()
            .replace("\"quality_target\":95.0", "\"quality_target\":90.0");
        for other in ["{", &other] {
            fs::write(folder.path().join(PLAN), other).unwrap();
            assert!(!is_kept() && is_kept());
        }
    }
}
