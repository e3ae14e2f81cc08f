//! Named test streams, encoded when they are first asked for and kept.
//!
//! | Name | What |
//! |---|---|
//! | `sample-10s` | ten seconds of the encoder's sample clip at 720p in the default ladder; 1 to 600 seconds |
//! | `sample-10s-360p` | the same from a 360p clip, which is made sooner; 180p, 360p, 480p, 720p or 1080p |
//!
//! A stream lies in `videos/<name>` below the root. It is made aside and gets its name when it is whole.

use std::io;
use std::path::{Path, PathBuf};

use encoder::EncodeError;
use encoder::sample::{self, SampleOptions};
use encoder::vod::{self, CancelToken, Progress, VodOptions};

/// A stream that can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    name: String,
    seconds: u32,
    width: u32,
    height: u32,
}

/// Why a stream could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// The clip could not be made or encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The folder for the clip could not be made.
    #[error("{} cannot be written ({source}); check permissions and free space", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Nothing has that name.
    #[error(
        "there is no test stream {name:?}; use sample-10s, or with another length (1s to 600s) and size, sample-20s-360p"
    )]
    UnknownName {
        /// The name as it was given.
        name: String,
    },
}

impl Recipe {
    /// The recipe that a name stands for.
    ///
    /// # Errors
    /// [`MakeError::UnknownName`].
    pub fn named(name: &str) -> Result<Self, MakeError> {
        Self::parse(name).ok_or_else(|| MakeError::UnknownName {
            name: name.to_owned(),
        })
    }

    /// Where the stream lies below a root.
    pub fn folder(&self, root: &Path) -> PathBuf {
        root.join("videos").join(&self.name)
    }

    /// Makes the stream below `root`, unless it is there.
    ///
    /// `progress` hears of the clip first and then of its encoding.
    ///
    /// # Errors
    /// When the clip cannot be made or encoded, or `root` not be written; nothing remains then.
    pub fn make(
        &self,
        root: &Path,
        cancel: &CancelToken,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<PathBuf, MakeError> {
        let folder = self.folder(root);
        if folder.join("hls/master.m3u8").is_file() {
            return Ok(folder);
        }
        let failed = |source| MakeError::Folder {
            path: root.to_owned(),
            source,
        };
        std::fs::create_dir_all(root).map_err(failed)?;
        let aside = tempfile::Builder::new()
            .prefix(".making-")
            .tempdir_in(root)
            .map_err(failed)?;

        let mut clip = SampleOptions::new(aside.path().join("clip.mp4"));
        (clip.seconds, clip.width, clip.height) = (self.seconds, self.width, self.height);
        clip.cancel = cancel.clone();
        sample::write(&clip, progress)?;

        let mut vod = VodOptions::new(clip.path, root);
        vod.id = Some(self.name.clone());
        vod.cancel = cancel.clone();
        match vod::encode(&vod, progress) {
            Ok(_) => Ok(folder),
            // Another process was faster.
            Err(EncodeError::OutputExists { .. } | EncodeError::OutputUnwritable { .. })
                if folder.join("hls/master.m3u8").is_file() =>
            {
                Ok(folder)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("sample-")?.splitn(2, '-');
        let seconds = number(parts.next()?, "s").filter(|seconds| (1..=600).contains(seconds))?;
        let height = match parts.next() {
            Some(part) => number(part, "p").filter(|height| [180, 360, 480, 720, 1080].contains(height))?,
            None => 720,
        };
        let width = (height * 16 / 9).next_multiple_of(2);
        Some(Self {
            name: name.to_owned(),
            seconds,
            width,
            height,
        })
    }
}

/// A plain number with a unit, written in the one way there is, so that a stream has one name.
fn number(text: &str, unit: &str) -> Option<u32> {
    let digits = text.strip_suffix(unit)?;
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_say_length_and_size() {
        let recipe = Recipe::named("sample-10s").unwrap();
        assert_eq!((recipe.seconds, recipe.width, recipe.height), (10, 1280, 720));
        assert_eq!(
            recipe.folder(Path::new("/srv")),
            Path::new("/srv/videos/sample-10s")
        );
        let recipe = Recipe::named("sample-600s-480p").unwrap();
        assert_eq!((recipe.seconds, recipe.width, recipe.height), (600, 854, 480));
        for name in [
            "",
            "sample",
            "sample-",
            "sample-0s",
            "sample-601s",
            "sample-010s",
            "sample-+5s",
            "sample-5",
            "film-5s",
        ] {
            assert!(Recipe::named(name).is_err(), "{name}");
        }
        for name in ["sample-5s-", "sample-5s-361p", "sample-5s-360p-x", "../sample-5s"] {
            let error = Recipe::named(name).unwrap_err();
            assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
        }
    }

    #[test]
    fn a_stream_is_made_once_and_whole() {
        let root = tempfile::tempdir().unwrap();
        let recipe = Recipe::named("sample-2s-180p").unwrap();
        let mut starts = 0;
        let mut count = |progress: Progress| starts += u32::from(matches!(progress, Progress::Start { .. }));
        let cancelled = CancelToken::default();
        cancelled.cancel();
        assert!(recipe.make(root.path(), &cancelled, &mut count).is_err());
        let entries = || std::fs::read_dir(root.path()).unwrap().count();
        assert_eq!(entries(), 0, "something was left behind");

        let folder = recipe
            .make(root.path(), &CancelToken::default(), &mut count)
            .unwrap();
        assert!(folder.join("hls/master.m3u8").is_file() && folder.join("dash/manifest.mpd").is_file());
        assert_eq!(entries(), 1, "the clip was left behind");
        let begun = starts;
        assert_eq!(
            recipe
                .make(root.path(), &CancelToken::default(), &mut |_| begun_again())
                .unwrap(),
            folder
        );
        assert!(begun >= 2, "a clip and its encoding");
    }

    fn begun_again() {
        panic!("it was made a second time");
    }
}
