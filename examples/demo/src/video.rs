//! The video of the demo: made if need be, encoded once, kept under a name that says from what and how.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, bail};
use encoder::EncodeError;
use encoder::ladder::Ladder;
use encoder::sample::{self, SampleOptions};
use encoder::view::View;
use encoder::vod::{self, CancelToken, VodOptions};

/// What to play.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The user's own file; canonical.
    File(PathBuf),
    /// A clip of this length and size.
    Sample { seconds: u32, width: u32, height: u32 },
}

/// A video that is ready to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// Its folder below `videos`.
    pub(crate) id: String,
    pub(crate) title: String,
}

impl Source {
    /// A file of the user's, looked at before anything else is done.
    pub(crate) fn file(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let canonical = match path.canonicalize() {
            Ok(canonical) => canonical,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("{shown} was not found; check the path, or start without a video for a sample clip")
            }
            Err(error) => bail!("{shown} cannot be read ({error}); check its permissions"),
        };
        if canonical.is_dir() {
            bail!("{shown} is a folder; name one video file");
        }
        fs::File::open(&canonical)
            .with_context(|| format!("{shown} cannot be read; check its permissions"))?;
        Ok(Self::File(canonical))
    }
}

/// Encodes the video into `<data>/videos/<id>`, unless it is there.
pub(crate) fn prepare(
    source: &Source,
    ladder: &Ladder,
    data: &Path,
    fresh: bool,
    cancel: &CancelToken,
    view: &mut View,
) -> anyhow::Result<Encoded> {
    let (input, title) = match source {
        Source::File(path) => {
            let title = path.file_name().map(|name| name.to_string_lossy().into_owned());
            (path.clone(), title.unwrap_or_else(|| "video".to_owned()))
        }
        Source::Sample {
            seconds,
            width,
            height,
        } => {
            let clip = clip(*seconds, *width, *height, data, cancel, view)?;
            (clip, format!("Sample clip, {seconds} s"))
        }
    };
    let mut options = VodOptions::new(&input, data);
    options.ladder = ladder.clone();
    options.force = fresh;
    options.cancel = cancel.clone();
    let id = id(&options)?;
    options.id = Some(id.clone());
    let encoded = Encoded { id, title };
    let master = data.join("videos").join(&encoded.id).join("hls/master.m3u8");
    let whole = || master.is_file();
    if whole() && !fresh {
        return Ok(encoded);
    }
    view.begin(&format!("Encoding {}", encoded.title));
    let result = vod::encode(&options, &mut |progress| view.show(&progress));
    view.end();
    match result {
        Ok(_) => Ok(encoded),
        // Another demo was faster with the same video.
        Err(EncodeError::OutputExists { .. }) if whole() => Ok(encoded),
        Err(error) => Err(error.into()),
    }
}

fn clip(
    seconds: u32,
    width: u32,
    height: u32,
    data: &Path,
    cancel: &CancelToken,
    view: &mut View,
) -> anyhow::Result<PathBuf> {
    let path = data
        .join("clips")
        .join(format!("sample-{seconds}s-{width}x{height}.mp4"));
    if path.is_file() {
        return Ok(path);
    }
    let mut options = SampleOptions::new(&path);
    (options.seconds, options.width, options.height) = (seconds, width, height);
    options.cancel = cancel.clone();
    view.begin("Making a sample clip");
    let made = sample::write(&options, &mut |progress| view.show(&progress));
    view.end();
    match made {
        Ok(_) => Ok(path),
        Err(EncodeError::OutputExists { .. }) if path.is_file() => Ok(path),
        Err(error) => Err(error.into()),
    }
}

/// A name from the file's, and a digest of which file it is (path, size, time) and how it is encoded.
fn id(options: &VodOptions) -> anyhow::Result<String> {
    let input = &options.input;
    let metadata = fs::metadata(input).with_context(|| format!("{} cannot be read", input.display()))?;
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let text = format!(
        "{}\n{}\n{}\n{}\n{}\n{}\n{}",
        env!("CARGO_PKG_VERSION"),
        input.display(),
        metadata.len(),
        modified.unwrap_or_default().as_nanos(),
        serde_json::to_string(&options.ladder)?,
        options.segment_s,
        options.preset,
    );
    let stem = input
        .file_stem()
        .map(|stem| stem.to_string_lossy())
        .unwrap_or_default();
    Ok(format!("{}-{:012x}", slug(&stem), fnv1a(text.as_bytes()) >> 16))
}

/// Lower-case letters and digits, with single hyphens for everything else.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().take(40) {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "video".to_owned()
    } else {
        slug.to_owned()
    }
}

/// FNV-1a, 64 bits: stable over Rust's versions, and nobody gains by a collision here.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_id_says_which_file_and_how() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("My Film (final), ü.MP4");
        fs::write(&path, "film").unwrap();
        let options = VodOptions::new(&path, folder.path());
        let first = id(&options).unwrap();
        assert!(
            first.starts_with("my-film-final-") && first.len() == "my-film-final-".len() + 12,
            "{first}"
        );
        assert_eq!(id(&options).unwrap(), first);
        let mut other = options.clone();
        other.segment_s = 4.0;
        assert_ne!(id(&other).unwrap(), first);
        fs::write(&path, "another film").unwrap();
        assert_ne!(id(&options).unwrap(), first);
        assert_eq!(slug("ü"), "video");
        assert_eq!(slug("..a__b.."), "a-b");
    }

    #[test]
    fn a_missing_video_is_named_with_the_next_step() {
        let message = Source::file(Path::new("/nowhere/film.mp4"))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("/nowhere/film.mp4") && message.contains("check the path"),
            "{message}"
        );
        let message = Source::file(&std::env::temp_dir()).unwrap_err().to_string();
        assert!(message.contains("is a folder"), "{message}");
    }

    #[test]
    fn a_video_is_encoded_once() {
        let data = tempfile::tempdir().unwrap();
        let source = Source::Sample {
            seconds: 2,
            width: 320,
            height: 180,
        };
        let ladder = "144p:100k,audio:64k".parse().unwrap();
        let cancel = CancelToken::default();
        let mut view = View::quiet();
        let encoded = prepare(&source, &ladder, data.path(), false, &cancel, &mut view).unwrap();
        let master = data
            .path()
            .join("videos")
            .join(&encoded.id)
            .join("hls/master.m3u8");
        let written = fs::metadata(&master).unwrap().modified().unwrap();
        assert_eq!(
            prepare(&source, &ladder, data.path(), false, &cancel, &mut view).unwrap(),
            encoded
        );
        assert_eq!(fs::metadata(&master).unwrap().modified().unwrap(), written);
        assert_eq!(
            prepare(&source, &ladder, data.path(), true, &cancel, &mut view).unwrap(),
            encoded
        );
        assert!(fs::metadata(&master).unwrap().modified().unwrap() > written);
    }
}
