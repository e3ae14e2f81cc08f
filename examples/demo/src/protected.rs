//! The same video, encrypted: packaged from the renditions that are there, with keys that the demo's licence server gives out.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use encoder::EncodeError;
use encoder::protect::{KeyPlan, KeySharing, Licensing, ProtectOptions, Schedule, Scheme, System};
use encoder::remux::{self, PackageOptions};
use encoder::view::View;
use encoder::vod::CancelToken;

use crate::video::Encoded;

/// A video that is encrypted, and its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Protected {
    /// Its folder below `videos`.
    pub(crate) id: String,
    /// Its keys, outside of what is served.
    pub(crate) key_file: PathBuf,
}

/// Encrypts `encoded` into `<data>/videos/<id>`, unless that was done: sound, SD and HD have a key each.
pub(crate) fn prepare(
    encoded: &Encoded,
    data: &Path,
    fresh: bool,
    cancel: &CancelToken,
    view: &mut View,
) -> anyhow::Result<Protected> {
    let id = format!("{}-protected", encoded.id);
    let key_file = data.join("keys").join(format!("{id}.json"));
    let protected = Protected { id, key_file };
    let made = data.join("videos").join(&protected.id);
    if made.join("hls/master.m3u8").is_file() && protected.key_file.is_file() && !fresh {
        return Ok(protected);
    }
    fs::create_dir_all(data.join("keys")).context("the folder for keys cannot be made")?;
    let work = tempfile::tempdir_in(data).context("there is no room to work in")?;
    let inputs = join(&data.join("videos").join(&encoded.id), work.path())
        .context("the renditions of the video cannot be read; encode it again with --fresh")?;
    let mut options = PackageOptions::new(inputs, made.clone());
    options.force = true;
    options.cancel = cancel.clone();
    options.packaging.protection = Some(ProtectOptions {
        keys: KeyPlan::made(Scheme::Cenc, KeySharing::PerClass),
        schedule: Schedule::default(),
        licensing: Licensing {
            systems: vec![System::Common],
            ..Licensing::default()
        },
        key_file: Some(protected.key_file.clone()),
    });
    view.begin(&format!("Encrypting {}", encoded.title));
    let result = remux::package(&options, &mut |progress| view.show(&progress));
    view.end();
    match result {
        Ok(_) => Ok(protected),
        // Another demo was faster with the same video.
        Err(EncodeError::OutputExists { .. }) if made.is_dir() => Ok(protected),
        Err(error) => Err(error.into()),
    }
}

/// Joins the segments of each rendition to one file in `to`.
fn join(video: &Path, to: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(video)? {
        let entry = entry?;
        let Ok(mut init) = File::open(entry.path().join("init.mp4")) else {
            continue;
        };
        let path = to.join(entry.file_name()).with_extension("mp4");
        let mut file = File::create_new(&path)?;
        io::copy(&mut init, &mut file)?;
        for number in 1_u32.. {
            match File::open(entry.path().join(format!("{number}.m4s"))) {
                Ok(mut segment) => io::copy(&mut segment, &mut file)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            };
        }
        files.push(path);
    }
    files.sort();
    if files.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(files)
}
