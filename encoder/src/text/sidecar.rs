//! Subtitles in a file of their own, named by an option.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Role, TextTrack, language, reader};
use crate::error::EncodeError;

/// A SubRip or WebVTT file, and what it is for: `LANG[:forced|:sdh]=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sidecar {
    /// BCP 47.
    pub language: String,
    /// What it is for.
    pub role: Role,
    /// The file.
    pub path: PathBuf,
}

impl FromStr for Sidecar {
    type Err = EncodeError;

    fn from_str(text: &str) -> Result<Self, EncodeError> {
        let bad = |reason: &str| EncodeError::BadOption {
            option: OPTION,
            value: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (what, path) = text
            .split_once('=')
            .filter(|(_, path)| !path.is_empty())
            .ok_or_else(|| bad("write it as de=film.de.srt or en:sdh=film.vtt"))?;
        let (code, role) = what.split_once(':').unwrap_or((what, ""));
        Ok(Self {
            language: language::tag(code)
                .ok_or_else(|| bad("begin with a language such as en, de or pt-BR"))?,
            role: match role {
                "" => Role::Subtitle,
                "forced" => Role::Forced,
                "sdh" => Role::Caption,
                _ => return Err(bad("only :forced and :sdh may follow the language")),
            },
            path: path.into(),
        })
    }
}

impl Sidecar {
    /// Reads the file. What is odd in it is told in the track's warnings.
    ///
    /// # Errors
    /// If it cannot be read, is larger than 10 MiB, or has no cues at all.
    pub(crate) fn read(&self) -> Result<TextTrack, EncodeError> {
        let bad = |reason: &str| EncodeError::BadOption {
            option: OPTION,
            value: self.path.display().to_string(),
            reason: reason.to_owned(),
        };
        let unreadable = |source| EncodeError::InputUnreadable {
            path: self.path.clone(),
            source,
        };
        let file = File::open(&self.path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => EncodeError::InputMissing {
                path: self.path.clone(),
            },
            _ => unreadable(error),
        })?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(bad(
                "it has more than 10 MiB, which no subtitles have; name another file",
            ));
        }
        let is_webvtt = self
            .path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("vtt"));
        let mut track = TextTrack::new(self.language.clone(), None, self.role);
        reader::read(&bytes, is_webvtt, &mut track);
        if track.cues.is_empty() {
            return Err(bad("it has no cues; name a SubRip (.srt) or WebVTT (.vtt) file"));
        }
        Ok(track)
    }
}

const OPTION: &str = "--subtitles";
const MAX_BYTES: u64 = 10 * 1024 * 1024;
