//! What is compared: files, and the renditions of packaged output.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use m3u8_rs::{KeyMethod, MediaPlaylist, Playlist};

use crate::error::EncodeError;
use crate::manifest::MULTIVARIANT_PATH;
use crate::medium::Medium;

/// An encoding of the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its name among the renditions of one output; none for a file.
    pub(super) rendition: Option<String>,
    pub(super) medium: Medium,
    /// The bytes of the medium at which segments begin, where it is known that it has some.
    pub(super) cuts: Vec<u64>,
}

/// The encodings at `path`: a file, an HLS playlist, a folder of output or of one rendition.
pub(super) fn find(path: &Path) -> Result<Vec<Found>, EncodeError> {
    if path.is_dir() {
        let multivariant = path.join(MULTIVARIANT_PATH);
        return match multivariant.is_file() {
            true => of_playlist(&multivariant),
            false => of_folder(path).map(|found| vec![found]),
        };
    }
    let ending = path.extension().map(|ending| ending.to_ascii_lowercase());
    match ending.as_ref().and_then(|ending| ending.to_str()) {
        Some("m3u8") => of_playlist(path),
        Some("mpd") => Err(failed(path, "name its HLS playlist, or the folder of the output")),
        _ => Ok(vec![Found {
            rendition: None,
            medium: Medium::of_file(path),
            cuts: Vec::new(),
        }]),
    }
}

/// The renditions that a playlist names, or the one that it is.
fn of_playlist(path: &Path) -> Result<Vec<Found>, EncodeError> {
    let master = match read(path)? {
        Playlist::MediaPlaylist(media) => return Ok(vec![of_media(path, &media)?]),
        Playlist::MasterPlaylist(master) => master,
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for variant in master.variants.iter().filter(|variant| !variant.is_i_frame) {
        let media = resolve(path, &variant.uri)?;
        // Once for each group of sound.
        if !paths.contains(&media) {
            paths.push(media);
        }
    }
    if paths.is_empty() {
        return Err(failed(path, "it names no renditions"));
    }
    paths
        .iter()
        .map(|path| match read(path)? {
            Playlist::MediaPlaylist(media) => of_media(path, &media),
            Playlist::MasterPlaylist(_) => Err(failed(path, "it is named as a media playlist and is none")),
        })
        .collect()
}

fn of_media(path: &Path, playlist: &MediaPlaylist) -> Result<Found, EncodeError> {
    let is_encrypted = |key: &m3u8_rs::Key| key.method != KeyMethod::None;
    if playlist
        .segments
        .iter()
        .any(|segment| segment.key.as_ref().is_some_and(is_encrypted))
    {
        return Err(encrypted(path));
    }
    let maps = playlist
        .segments
        .iter()
        .filter_map(|segment| segment.map.as_ref());
    let mut maps: Vec<_> = maps.map(|map| &map.uri).collect();
    maps.dedup();
    if maps.len() > 1 {
        return Err(failed(path, "it has several initialization segments"));
    }
    let mut parts = Vec::new();
    for uri in maps {
        parts.push(resolve(path, uri)?);
    }
    // The part that each segment begins in, and where in it.
    let mut begins = Vec::new();
    let mut offset = 0;
    for segment in &playlist.segments {
        let file = resolve(path, &segment.uri)?;
        if parts.last() != Some(&file) {
            parts.push(file);
            offset = 0;
        }
        let start = segment.byte_range.as_ref().and_then(|range| range.offset);
        let start = start.unwrap_or(offset);
        offset = start.saturating_add(segment.byte_range.as_ref().map_or(0, |range| range.length));
        begins.push((parts.len() - 1, start));
    }
    if begins.is_empty() {
        return Err(failed(path, "it has no segments"));
    }
    let medium = Medium {
        path: path.to_owned(),
        parts,
    };
    let offsets = medium.offsets().map_err(|source| EncodeError::InputUnreadable {
        path: path.to_owned(),
        source,
    })?;
    let cut = |(part, start): (usize, u64)| Some(offsets.get(part)?.saturating_add(start));
    Ok(Found {
        rendition: path.file_stem().map(|name| name.to_string_lossy().into_owned()),
        medium,
        cuts: begins.into_iter().filter_map(cut).collect(),
    })
}

/// A rendition's own folder: `init.mp4` and `1.m4s`…, or `1.ts`… .
fn of_folder(path: &Path) -> Result<Found, EncodeError> {
    let init = path.join("init.mp4");
    let (mut parts, ending) = match init.is_file() {
        true => (vec![init], "m4s"),
        false => (Vec::new(), "ts"),
    };
    let first = parts.len();
    let numbered = (1_u32..).map(|number| path.join(format!("{number}.{ending}")));
    parts.extend(numbered.take_while(|path| path.is_file()));
    if parts.len() == first {
        let reason = format!("it has neither {MULTIVARIANT_PATH}, nor init.mp4 and 1.m4s, nor 1.ts");
        return Err(failed(path, &reason));
    }
    let medium = Medium {
        path: path.to_owned(),
        parts,
    };
    let offsets = medium.offsets().map_err(|source| EncodeError::InputUnreadable {
        path: path.to_owned(),
        source,
    })?;
    let segments = medium.parts.len() - first;
    Ok(Found {
        rendition: path.file_name().map(|name| name.to_string_lossy().into_owned()),
        medium,
        cuts: offsets.into_iter().skip(first).take(segments).collect(),
    })
}

fn read(path: &Path) -> Result<Playlist, EncodeError> {
    let unreadable = |source| EncodeError::InputUnreadable {
        path: path.to_owned(),
        source,
    };
    let mut text = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_PLAYLIST_BYTES)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    m3u8_rs::parse_playlist_res(&text).map_err(|_| failed(path, "it is no HLS playlist that can be read"))
}

/// The file that `uri` is in the playlist at `path`.
fn resolve(path: &Path, uri: &str) -> Result<PathBuf, EncodeError> {
    if uri.contains("://") {
        return Err(failed(path, "it names media elsewhere; download them first"));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let file = folder.join(uri.split(['?', '#']).next().unwrap_or_default());
    match fs::metadata(&file) {
        Ok(data) if data.is_file() => Ok(file),
        _ => Err(failed(path, &format!("it names {uri}, which is no file here"))),
    }
}

pub(super) fn failed(path: &Path, reason: &str) -> EncodeError {
    EncodeError::NotComparable {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

pub(super) fn encrypted(path: &Path) -> EncodeError {
    failed(
        path,
        "it is encrypted; compare it as it was before, or decrypt it",
    )
}

const MAX_PLAYLIST_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn segments_are_where_playlists_say() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let media = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"../a/init.mp4\"\n#EXTINF:2,\n../a/1.m4s\n#EXTINF:2,\n../a/2.m4s?x=1\n#EXT-X-ENDLIST\n";
        let playlist = write(folder, "hls/a.m3u8", media);
        let missing = find(&playlist).unwrap_err().to_string();
        assert!(
            missing.contains("names ../a/init.mp4, which is no file"),
            "{missing}"
        );
        for (name, text) in [("init", "moov"), ("1", "first"), ("2", "second")] {
            let ending = if name == "init" { "mp4" } else { "m4s" };
            write(folder, &format!("a/{name}.{ending}"), text);
        }
        let found = find(&playlist).unwrap();
        assert_eq!(
            (found[0].rendition.as_deref(), &*found[0].cuts),
            (Some("a"), &[4, 9][..])
        );
        assert_eq!(find(&folder.join("a")).unwrap()[0].cuts, [4, 9]);

        write(folder, "b.mp4", "initfirstsecond");
        let single = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"../b.mp4\",BYTERANGE=\"4@0\"\n#EXTINF:2,\n#EXT-X-BYTERANGE:5@4\n../b.mp4\n#EXTINF:2,\n#EXT-X-BYTERANGE:6\n../b.mp4\n#EXT-X-ENDLIST\n";
        write(folder, "hls/b.m3u8", single);
        let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"x\"\na.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"y\"\na.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nb.m3u8\n";
        write(folder, "hls/master.m3u8", master);
        let found = find(folder).unwrap();
        let names: Vec<_> = found.iter().filter_map(|one| one.rendition.as_deref()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(found[1].medium.parts, [folder.join("hls/../b.mp4")]);
        assert_eq!(found[1].cuts, [4, 9]);
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write(folder, "1.ts", "x");
        let segment = "#EXTINF:2,\n1.ts\n#EXT-X-ENDLIST\n";
        for (name, text, expected) in [
            ("junk.m3u8", "junk", "no HLS playlist"),
            (
                "none.m3u8",
                "#EXTM3U\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"1.ts\"\n",
                "names no renditions",
            ),
            (
                "empty.m3u8",
                "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-ENDLIST\n",
                "no segments",
            ),
            (
                "far.m3u8",
                "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttps://h/1.ts\n",
                "elsewhere",
            ),
            (
                "key.m3u8",
                &format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n{segment}"),
                "encrypted",
            ),
            ("a.mpd", "<MPD/>", "HLS playlist"),
            ("folder/x", "", "neither hls/master.m3u8"),
        ] {
            let path = write(folder, name, text);
            let path = if name == "folder/x" {
                folder.join("folder")
            } else {
                path
            };
            let error = find(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
