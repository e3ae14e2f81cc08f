//! Content from a stream on disk: an HLS or DASH manifest with its segments, as the encoder writes them or a download leaves
//! them.
//!
//! The manifest is read by the engine's own parser, so that the content is what the engine would play: the first video
//! track of the first period, also where its files list their segments themselves (`sidx`). A segment's size is its byte range's length,
//! or else its file's. The nominal bitrate of a
//! rendition is the one the engine reckons with: the declared average if there is one, else the declared peak (in HLS both
//! count the audio that a variant plays with); if nothing is declared (an HLS media playlist alone), the mean of its segments.
//! If the manifest refers to a [segment table][table] that knows the quality of every segment, the content has it.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use player_core::MediaTime;
use player_core::input::TrackKind;
use player_core::manifest::hls::MediaPlaylist;
use player_core::manifest::table::{self, SegmentTable};
use player_core::manifest::{self, MAX_BYTES, MAX_ENTRIES, ManifestError};
use player_core::media::sidx::{Progress, SidxReader};
use player_core::presentation::{Rendition, SegmentIndex, SegmentSource, SidxSource};

use super::{Content, ContentError, Segment};

/// What stands for the file system in URLs.
const FILES: &str = "https://files.invalid";
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Where a manifest is looked for in a folder before any other.
const USUAL: [&str; 5] = [
    "manifest.mpd",
    "master.m3u8",
    "index.m3u8",
    "dash/manifest.mpd",
    "hls/master.m3u8",
];

/// Reads a manifest, or the manifest in a folder: one of the usual names (`manifest.mpd`, `master.m3u8`, `index.m3u8`,
/// `dash/manifest.mpd`, `hls/master.m3u8`, in this order), else the only `.mpd`, else the only `.m3u8` in it.
///
/// # Errors
/// If there is no manifest, it cannot be played, it is live, a segment is missing or empty or of unknown size, or the
/// renditions are cut at different times.
pub fn read(path: &Path) -> Result<Content, ContentError> {
    let (manifest, name) = if path.is_dir() {
        (find(path)?, path.file_name())
    } else {
        (path.to_owned(), path.file_stem())
    };
    let name = name.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Reader { manifest: &manifest }.content(&name)
}

fn find(folder: &Path) -> Result<PathBuf, ContentError> {
    if let Some(usual) = USUAL
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
    {
        return Ok(usual);
    }
    let none = |found: String| ContentError::NoManifest {
        path: folder.to_owned(),
        found,
    };
    let entries =
        fs::read_dir(folder).map_err(|error| none(format!("nothing that can be read ({error})")))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    for extension in ["mpd", "m3u8"] {
        let mut of_kind = files.iter().filter(|file| {
            file.extension()
                .is_some_and(|e| e.eq_ignore_ascii_case(extension))
        });
        match (of_kind.next(), of_kind.next()) {
            (Some(only), None) => return Ok(only.clone()),
            (Some(_), Some(_)) => return Err(none(format!("several *.{extension}"))),
            (None, _) => {}
        }
    }
    Err(none("no manifest".to_owned()))
}

struct Reader<'a> {
    manifest: &'a Path,
}

/// A rendition's segments.
struct Column {
    kbps: f64,
    id: String,
    durations: Vec<MediaTime>,
    bytes: Vec<u64>,
    /// Empty if it is not known of every segment.
    quality: Vec<f64>,
}

impl Reader<'_> {
    fn content(&self, name: &str) -> Result<Content, ContentError> {
        let unreadable = |source| ContentError::ReadManifest {
            path: self.manifest.to_owned(),
            source,
        };
        let url = url_of(&std::path::absolute(self.manifest).map_err(unreadable)?);
        let bytes = read_manifest(self.manifest).map_err(unreadable)?;
        let presentation =
            manifest::parse(&bytes, &url).map_err(|source| no_manifest(self.manifest, source))?;
        if presentation.live.is_some() {
            return Err(self.wrong("it is a live stream that has not ended"));
        }
        let mut tracks = presentation.periods.into_iter().flat_map(|period| period.tracks);
        let Some(video) = tracks.find(|track| track.kind == TrackKind::Video) else {
            return Err(self.wrong("there is no video in it"));
        };
        let table = presentation
            .segment_table
            .map(|url| self.table(&url))
            .transpose()?;
        let columns = video.renditions.iter();
        let columns =
            columns.map(|rendition| self.column(rendition, table.as_ref(), &presentation.variables));
        let mut columns = columns.collect::<Result<Vec<_>, _>>()?;
        columns.sort_by(|a, b| a.kbps.total_cmp(&b.kbps));
        self.check_aligned(&columns)?;
        let has_quality = columns.iter().all(|column| !column.quality.is_empty());
        let durations = columns.first().map(|column| column.durations.as_slice());
        let segments = durations.unwrap_or_default().iter().enumerate();
        let segments = segments.map(|(i, duration)| Segment {
            duration: *duration,
            bytes: columns
                .iter()
                .filter_map(|column| column.bytes.get(i))
                .copied()
                .collect(),
            vmaf: if has_quality {
                columns
                    .iter()
                    .filter_map(|column| column.quality.get(i))
                    .copied()
                    .collect()
            } else {
                Vec::new()
            },
        });
        let kbps = columns.iter().map(|column| column.kbps).collect();
        Content::new(name, kbps, segments.collect()).map_err(|reason| self.wrong(reason))
    }

    fn table(&self, url: &str) -> Result<SegmentTable, ContentError> {
        let path = self.path_of(url)?;
        let bytes = read_manifest(&path).map_err(|source| self.missing(&path, source))?;
        table::parse(&bytes, url).map_err(|source| no_manifest(&path, source))
    }

    fn column(
        &self,
        rendition: &Rendition,
        table: Option<&SegmentTable>,
        variables: &[(String, String)],
    ) -> Result<Column, ContentError> {
        let playlist;
        let index = match &rendition.source {
            SegmentSource::Index(index) => index,
            SegmentSource::Playlist(url) => {
                playlist = self.playlist(url, variables)?;
                &playlist
            }
            SegmentSource::Sidx(source) => {
                playlist = self.sidx(source)?;
                &playlist
            }
        };
        if index.len() > MAX_ENTRIES {
            let found = index.len();
            return Err(self.wrong(format!(
                "{found} segments are too many; the limit is {MAX_ENTRIES}"
            )));
        }
        let row = table.and_then(|table| match &rendition.source {
            SegmentSource::Index(_) | SegmentSource::Sidx(_) => table.of_representation(&rendition.id),
            SegmentSource::Playlist(url) => table.of_playlist(url),
        });
        let quality = (0..index.len()).map(|i| row.filter(|row| row.len() == index.len())?.quality(i));
        let mut column = Column {
            quality: quality.collect::<Option<_>>().unwrap_or_default(),
            kbps: rendition.typical_bandwidth().as_f64() / 1000.0,
            id: rendition.id.clone(),
            durations: Vec::with_capacity(index.len()),
            bytes: Vec::with_capacity(index.len()),
        };
        for segment in (0..index.len()).filter_map(|i| index.get(i)) {
            let url = &segment.resource.url;
            if segment.gap {
                return Err(self.wrong(format!("the segment {url} is declared missing")));
            }
            let bytes = match segment.resource.range {
                Some(range) => range.length,
                None => self.length(url)?,
            };
            column.durations.push(segment.end - segment.start);
            column.bytes.push(bytes);
        }
        if column.kbps <= 0.0 {
            let seconds: f64 = column.durations.iter().map(|d| d.as_secs_f64()).sum();
            let bytes: u64 = column.bytes.iter().sum();
            column.kbps = bytes as f64 * 8.0 / 1000.0 / seconds.max(1e-6);
        }
        Ok(column)
    }

    fn playlist(&self, url: &str, variables: &[(String, String)]) -> Result<SegmentIndex, ContentError> {
        let path = self.path_of(url)?;
        let bytes = read_manifest(&path).map_err(|source| self.missing(&path, source))?;
        let playlist =
            MediaPlaylist::read(&bytes, url, Some(variables)).map_err(|source| no_manifest(&path, source))?;
        if playlist.ended() {
            Ok(playlist.index)
        } else {
            Err(self.wrong(format!(
                "{} is a live playlist that has not ended",
                path.display()
            )))
        }
    }

    /// The segments that a file lists itself, with the indexes that its index refers to.
    fn sidx(&self, source: &SidxSource) -> Result<SegmentIndex, ContentError> {
        let path = self.path_of(&source.index.url)?;
        let missing = |source| self.missing(&path, source);
        let mut file = File::open(&path).map_err(missing)?;
        let mut reader = SidxReader::new(source.clone());
        let mut wanted = reader.request();
        loop {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(wanted.offset)).map_err(missing)?;
            let mut part = file.by_ref().take(wanted.length.min(MAX_BYTES));
            part.read_to_end(&mut bytes).map_err(missing)?;
            match reader.push(wanted.offset, &bytes) {
                Ok(Progress::Ready(index)) => return Ok(*index),
                Ok(Progress::Need(next)) => wanted = next,
                Err(error) => return Err(self.wrong(format!("{}: {error}", path.display()))),
            }
        }
    }

    /// All renditions must be cut at the same times: a quarter of a segment is what rounded durations may add up to.
    fn check_aligned(&self, columns: &[Column]) -> Result<(), ContentError> {
        let Some((first, others)) = columns.split_first() else {
            return Err(self.wrong("there is no video in it"));
        };
        for other in others {
            let (a, b) = (first.durations.len(), other.durations.len());
            if a != b {
                return Err(self.wrong(format!(
                    "the rendition {} has {a} segments and {} has {b}",
                    first.id, other.id
                )));
            }
            let (mut here, mut there) = (MediaTime::ZERO, MediaTime::ZERO);
            for (i, (a, b)) in first.durations.iter().zip(&other.durations).enumerate() {
                here += *a;
                there += *b;
                let apart = (here - there).as_micros().abs();
                if apart > a.as_micros() / 4 {
                    return Err(self.wrong(format!(
                        "the renditions {} and {} are cut at different times: {:.3} s and {:.3} s after segment {i}",
                        first.id,
                        other.id,
                        here.as_secs_f64(),
                        there.as_secs_f64()
                    )));
                }
            }
        }
        Ok(())
    }

    fn length(&self, url: &str) -> Result<u64, ContentError> {
        let path = self.path_of(url)?;
        let length = fs::metadata(&path).and_then(|found| match found.len() {
            _ if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            0 => Err(io::Error::other("the file is empty")),
            length => Ok(length),
        });
        length.map_err(|source| self.missing(&path, source))
    }

    fn path_of(&self, url: &str) -> Result<PathBuf, ContentError> {
        let path = url.strip_prefix(FILES).filter(|path| path.starts_with('/'));
        let path = path.ok_or_else(|| ContentError::Elsewhere {
            path: self.manifest.to_owned(),
            url: player_core::url::public(url),
        })?;
        let path = path.split('?').next().unwrap_or_default();
        Ok(PathBuf::from(
            percent_decode_str(path).decode_utf8_lossy().into_owned(),
        ))
    }

    fn missing(&self, missing: &Path, source: io::Error) -> ContentError {
        ContentError::Missing {
            path: self.manifest.to_owned(),
            missing: missing.to_owned(),
            source,
        }
    }

    fn wrong(&self, reason: impl Into<String>) -> ContentError {
        ContentError::Stream {
            path: self.manifest.to_owned(),
            reason: reason.into(),
        }
    }
}

fn no_manifest(path: &Path, source: ManifestError) -> ContentError {
    ContentError::Manifest {
        path: path.to_owned(),
        source,
    }
}

fn read_manifest(path: &Path) -> io::Result<Vec<u8>> {
    let length = fs::metadata(path)?.len();
    if length > MAX_BYTES {
        return Err(io::Error::other(format!(
            "{length} bytes are too many for a manifest"
        )));
    }
    fs::read(path)
}

fn url_of(path: &Path) -> String {
    let path = percent_encode(path.as_os_str().as_encoded_bytes(), PATH);
    format!("{FILES}{path}")
}
