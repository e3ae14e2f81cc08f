//! Named test streams, encoded when they are first asked for and kept.
//!
//! | Name | What |
//! |---|---|
//! | `sample-10s` | ten seconds of the encoder's sample clip at 720p in the default ladder; 1 to 600 seconds |
//! | `sample-10s-360p` | the same from a 360p clip, which is made sooner; 180p, 360p, 480p, 720p or 1080p |
//!
//! | `sample-10s-720p-cenc` | the latter two and how it is encrypted: see below |
//!
//! A stream lies in `videos/<name>` below the root. It is made aside and gets its name when it is whole.
//!
//! The encrypted ones have fewer renditions (720p, 360p, 180p and sound), and keys that everybody knows, for they follow from the
//! name: see [`Recipe::write_keys`].
//!
//! | Ending | What |
//! |---|---|
//! | `-cenc`, `-cbcs` | CMAF for HLS and DASH, with a key each for sound, pictures of up to 576 lines, and more lines |
//! | `-cenc-rotation` | the same with other keys every two segments; what they are is only in the segments |
//! | `-cbcs-lead` | the same, its first two segments clear |
//! | `-aes128`, `-aes128-iv` | MPEG-TS for HLS, whole segments in AES-128; without an initialization vector in the playlist, and with one |
//! | `-sampleaes` | MPEG-TS for HLS in SAMPLE-AES |
//!
//! Those in MPEG-TS have one key, which the origin itself gives to whoever asks, as is usual for AES-128.

mod protection;

use std::io;
use std::path::{Path, PathBuf};

use encoder::EncodeError;
use encoder::ladder::Ladder;
use encoder::sample::{self, SampleOptions};
use encoder::vod::{self, CancelToken, Progress, VodOptions};
use protection::{Keys, Protection};

/// A stream that can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    name: String,
    seconds: u32,
    width: u32,
    height: u32,
    protection: Option<Protection>,
}

/// Of those that are encrypted: enough to tell keys apart, and made soon.
const LADDER: &str = "720p:900k,360p:300k,180p:120k,audio:64k";
const PRESET: &str = "ultrafast";

/// Why a stream could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeError {
    /// The clip could not be made or encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A stream that is not encrypted has no keys.
    #[error("{name} is not encrypted: it has no keys")]
    Clear {
        /// The name.
        name: String,
    },
    /// Something could not be written.
    #[error("{} cannot be written ({source}); check permissions and free space", path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Nothing has that name.
    #[error(
        "there is no test stream {name:?}; use sample-10s, or with another length (1s to 600s) and size, sample-20s-360p, or \
         encrypted, sample-20s-720p-cenc"
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
        let failed = |source| unwritable(root, source);
        std::fs::create_dir_all(root).map_err(failed)?;
        let aside = tempfile::Builder::new()
            .prefix(".making-")
            .tempdir_in(root)
            .map_err(failed)?;

        let mut clip = SampleOptions::new(aside.path().join("clip.mp4"));
        (clip.seconds, clip.width, clip.height) = (self.seconds, self.width, self.height);
        clip.cancel = cancel.clone();
        sample::write(&clip, progress)?;

        let made = aside.path().join("made");
        let mut vod = VodOptions::new(clip.path, made.as_path());
        vod.cancel = cancel.clone();
        if let Some(protection) = self.protection {
            let key_file = aside.path().join("keys.json");
            self.write_keys(&key_file)?;
            vod.ladder = Ladder::read(LADDER)?;
            PRESET.clone_into(&mut vod.preset);
            vod.pictures = false;
            vod.packaging.hls_ts = protection.is_ts();
            vod.packaging.protection = Some(protection.options(&key_file)?);
        }
        vod::encode(&vod, progress)?;
        if let Some((protection, keys)) = self.keys() {
            protection.publish(&keys, &made).map_err(failed)?;
        }
        std::fs::create_dir_all(root.join("videos")).map_err(failed)?;
        match std::fs::rename(&made, &folder) {
            // Another process was faster.
            Err(_) if folder.join("hls/master.m3u8").is_file() => Ok(folder),
            Err(source) => Err(unwritable(&folder, source)),
            Ok(()) => Ok(folder),
        }
    }

    /// Writes the keys of an encrypted stream, as a licence server imports them: the key file of `headgate-encode`.
    ///
    /// # Errors
    /// When the file cannot be written, or the stream is not encrypted.
    pub fn write_keys(&self, path: &Path) -> Result<(), MakeError> {
        let failed = |source| unwritable(path, source);
        let Some((_, keys)) = self.keys() else {
            return Err(MakeError::Clear {
                name: self.name.clone(),
            });
        };
        let text = serde_json::to_string_pretty(&keys).map_err(|error| failed(error.into()))?;
        std::fs::write(path, text).map_err(failed)
    }

    fn keys(&self) -> Option<(Protection, Keys)> {
        let protection = self.protection?;
        Some((protection, protection.keys(&self.name, self.seconds)))
    }

    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_prefix("sample-")?.splitn(3, '-');
        let seconds = number(parts.next()?, "s").filter(|seconds| (1..=600).contains(seconds))?;
        let height = match parts.next() {
            Some(part) => number(part, "p").filter(|height| [180, 360, 480, 720, 1080].contains(height))?,
            None => 720,
        };
        let protection = match parts.next() {
            Some(ending) => Some(Protection::named(ending)?),
            None => None,
        };
        let width = (height * 16 / 9).next_multiple_of(2);
        Some(Self {
            name: name.to_owned(),
            seconds,
            width,
            height,
            protection,
        })
    }
}

fn unwritable(path: &Path, source: io::Error) -> MakeError {
    MakeError::Unwritable {
        path: path.to_owned(),
        source,
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
        for (name, protection) in [
            ("sample-5s-360p", None),
            ("sample-5s-360p-cenc", Some(Protection::Cenc)),
            ("sample-5s-360p-cenc-rotation", Some(Protection::CencRotation)),
        ] {
            assert_eq!(Recipe::named(name).unwrap().protection, protection, "{name}");
        }
        for name in [
            "sample-5s-",
            "sample-5s-361p",
            "sample-5s-360p-x",
            "sample-5s-360p-",
            "sample-5s-cenc",
            "../sample-5s",
        ] {
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

    #[test]
    fn an_encrypted_stream_has_the_keys_that_are_told() {
        let root = tempfile::tempdir().unwrap();
        let keys = root.path().join("keys.json");
        let make = |name: &str| {
            let recipe = Recipe::named(name).unwrap();
            recipe.write_keys(&keys).unwrap();
            let streams = root.path().join("streams");
            let folder = recipe
                .make(&streams, &CancelToken::default(), &mut |_| ())
                .unwrap();
            let file: serde_json::Value =
                serde_json::from_str(&std::fs::read_to_string(&keys).unwrap()).unwrap();
            (folder, file["keys"].as_array().unwrap().clone())
        };
        let id = |entry: &serde_json::Value| {
            let kid = entry["kid"].as_str().unwrap();
            [8, 13, 18, 23].iter().fold(kid.to_owned(), |mut uuid, at| {
                uuid.insert(*at, '-');
                uuid
            })
        };

        let (folder, entries) = make("sample-2s-180p-cbcs");
        let mpd = std::fs::read_to_string(folder.join("dash/manifest.mpd")).unwrap();
        for entry in &entries {
            let wanted = entry["label"] != "hd";
            assert_eq!(
                mpd.contains(&format!("default_KID=\"{}\"", id(entry))),
                wanted,
                "{entry}"
            );
        }
        assert!(!folder.join("keys").exists(), "keys are published");

        let (folder, entries) = make("sample-2s-180p-aes128");
        let [entry] = entries.as_slice() else {
            panic!("one key");
        };
        let kid = entry["kid"].as_str().unwrap();
        let playlist = std::fs::read_to_string(folder.join("hls/180p.m3u8")).unwrap();
        assert!(
            playlist.contains(&format!("URI=\"../keys/{kid}.key\"")) && !playlist.contains("IV="),
            "{playlist}"
        );
        assert_eq!(
            std::fs::read(folder.join(format!("keys/{kid}.key")))
                .unwrap()
                .len(),
            16
        );

        let clear = Recipe::named("sample-2s-180p").unwrap();
        assert!(matches!(clear.write_keys(&keys), Err(MakeError::Clear { .. })));
    }

    fn begun_again() {
        panic!("it was made a second time");
    }
}
