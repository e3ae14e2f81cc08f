//! Media playlists.

use super::lexer::{attributes, byte_range, lines, seconds};
use crate::manifest::{MAX_ENTRIES, ManifestError, not_empty};
use crate::presentation::{Resource, SegmentIndex, SegmentIndexBuilder, Warning};
use crate::time::{Bitrate, ByteRange, MediaTime};
use crate::url;

/// A media playlist.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaPlaylist {
    /// Its segments.
    pub index: SegmentIndex,
    /// Type of the container, as its segments suggest it: `video/mp4`, `video/mp2t`, `audio/aac`, …
    pub container: &'static str,
    /// Sum of its segments' durations.
    pub duration: MediaTime,
    /// It will not grow (`EXT-X-ENDLIST`, or a playlist type of `VOD`).
    pub ended: bool,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

#[derive(Default)]
struct Next<'a> {
    duration: Option<MediaTime>,
    range: Option<&'a str>,
    gap: bool,
}

pub(super) fn parse(text: &str, base: &str) -> Result<MediaPlaylist, ManifestError> {
    let mut builder = SegmentIndexBuilder::new(MediaTime::ZERO);
    let mut warnings = Vec::new();
    let mut next = Next::default();
    let mut bitrate = None;
    let mut previous: Option<(String, ByteRange)> = None;
    let mut has_map = false;
    let mut container = "";
    let mut ended = false;
    let mut discontinuities = 0u32;
    let mut warn = |line: u32, message: String| {
        if warnings.len() < 100 {
            warnings.push(Warning { line, message });
        }
    };
    for line in lines(text) {
        let line = line.check()?;
        if let Some(uri) = line.uri() {
            let Some(duration) = next.duration else {
                warn(line.number, "a URI without EXTINF is skipped".into());
                continue;
            };
            let resolved = match url::resolve(base, uri) {
                Ok(resolved) => resolved,
                Err(error) => {
                    return Err(ManifestError::Syntax {
                        line: line.number,
                        message: error.to_string(),
                    });
                }
            };
            let range = match next.range {
                None => None,
                Some(range) => {
                    let follows = previous
                        .as_ref()
                        .filter(|(url, _)| *url == resolved)
                        .map(|(_, r)| r.offset + r.length);
                    let parsed = byte_range(range, follows).ok_or_else(|| ManifestError::Syntax {
                        line: line.number,
                        message: format!("the byte range \"{range}\" of this segment is not valid"),
                    })?;
                    previous = Some((resolved.clone(), parsed));
                    Some(parsed)
                }
            };
            if builder.len() >= MAX_ENTRIES {
                return Err(ManifestError::Limit {
                    line: line.number,
                    what: "too many segments",
                    limit: MAX_ENTRIES,
                });
            }
            if builder.is_empty() {
                container = if has_map {
                    "video/mp4"
                } else {
                    container_of(&resolved)
                };
            }
            builder.push(duration, Resource { url: resolved, range }, bitrate, next.gap);
            next = Next::default();
            continue;
        }
        let Some((name, value)) = line.tag() else { continue };
        match name {
            "EXTINF" => {
                let text = value.split(',').next().unwrap_or_default();
                next.duration = seconds(text);
                match next.duration {
                    None => warn(
                        line.number,
                        format!("\"{text}\" is no duration: the segment is skipped"),
                    ),
                    Some(MediaTime::ZERO) => {
                        warn(line.number, "a segment without duration is skipped".into());
                        next.duration = None;
                    }
                    Some(_) => {}
                }
            }
            "EXT-X-BYTERANGE" => next.range = Some(value),
            "EXT-X-BITRATE" => {
                bitrate = value
                    .trim()
                    .parse()
                    .ok()
                    .filter(|kbps| *kbps > 0)
                    .map(|kbps: u32| Bitrate::from_bps(u64::from(kbps) * 1000))
            }
            "EXT-X-GAP" => next.gap = true,
            "EXT-X-MAP" => {
                let (mut uri, mut range) = (None, None);
                for (name, value) in attributes(value) {
                    match name {
                        "URI" => uri = Some(value),
                        "BYTERANGE" => range = byte_range(value, Some(0)),
                        _ => {}
                    }
                }
                let resolved = uri
                    .ok_or("EXT-X-MAP has no URI".to_owned())
                    .and_then(|uri| url::resolve(base, uri).map_err(|e| e.to_string()));
                match resolved {
                    Ok(url) => {
                        has_map = true;
                        builder.init(Resource { url, range });
                    }
                    Err(message) => {
                        return Err(ManifestError::Syntax {
                            line: line.number,
                            message,
                        });
                    }
                }
            }
            "EXT-X-KEY" if attributes(value).any(|(name, value)| name == "METHOD" && value != "NONE") => {
                return Err(ManifestError::Unsupported("an encrypted HLS stream (EXT-X-KEY)"));
            }
            "EXT-X-ENDLIST" => ended = true,
            "EXT-X-PLAYLIST-TYPE" => ended |= value.trim() == "VOD",
            "EXT-X-DISCONTINUITY" => {
                discontinuities += 1;
                if discontinuities == 1 && !builder.is_empty() {
                    warn(
                        line.number,
                        "timestamps are expected to go on across EXT-X-DISCONTINUITY".into(),
                    );
                }
            }
            _ => {}
        }
    }
    let index = not_empty(builder.build(MediaTime::ZERO))?;
    let duration = index.end() - index.start();
    Ok(MediaPlaylist {
        index,
        container,
        duration,
        ended,
        warnings,
    })
}

fn container_of(url: &str) -> &'static str {
    match url::file_name(url)
        .rsplit_once('.')
        .map_or("", |(_, extension)| extension)
    {
        "ts" => "video/mp2t",
        "aac" => "audio/aac",
        "mp3" => "audio/mpeg",
        _ => "video/mp4",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://h/v/720p.m3u8";

    fn read(text: &str) -> Result<MediaPlaylist, ManifestError> {
        parse(text, BASE)
    }

    #[test]
    fn a_vod_playlist() {
        let playlist = read(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"../720p/init.mp4\"\n#EXT-X-BITRATE:1000\n\
             #EXTINF:4.004,title\n../720p/1.m4s\n#EXTINF:2,\n../720p/2.m4s\n#EXT-X-ENDLIST\n",
        )
        .unwrap_or_else(|e| panic!("{e}"));
        assert!(playlist.ended);
        assert_eq!(playlist.duration, MediaTime::from_micros(6_004_000));
        let last = playlist
            .index
            .get(1)
            .map(|s| (s.start, s.resource.url, s.bytes, s.init));
        assert_eq!(
            last,
            Some((
                MediaTime::from_micros(4_004_000),
                "https://h/720p/2.m4s".into(),
                Some(250_000),
                Some(0)
            ))
        );
        assert_eq!(
            playlist.index.inits.first().map(|r| r.url.as_str()),
            Some("https://h/720p/init.mp4")
        );
        assert_eq!(playlist.container, "video/mp4");
    }

    #[test]
    fn byte_ranges_follow_each_other() {
        let playlist = read(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n#EXT-X-BYTERANGE:100@50\na.mp4\n#EXTINF:2,\n#EXT-X-BYTERANGE:70\na.mp4\n#EXT-X-ENDLIST",
        )
        .unwrap_or_else(|e| panic!("{e}"));
        let range = playlist.index.get(1).and_then(|s| s.resource.range);
        assert_eq!(
            range,
            Some(ByteRange {
                offset: 150,
                length: 70
            })
        );
        let orphan = read("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n#EXT-X-BYTERANGE:70\na.mp4\n");
        assert!(
            matches!(orphan, Err(ManifestError::Syntax { line: 5, .. })),
            "{orphan:?}"
        );
    }

    #[test]
    fn bad_durations_cost_their_segment_only() {
        let playlist = read("#EXTM3U\n#EXTINF:NaN,\na.mp4\n#EXTINF:0,\nb.mp4\n#EXTINF:3\nc.mp4\n")
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(playlist.index.len(), 1);
        assert_eq!(playlist.warnings.len(), 4);
        assert_eq!(playlist.warnings.first().map(|w| w.line), Some(2));
    }

    #[test]
    fn nothing_to_play_is_an_error() {
        assert!(matches!(
            read("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n"),
            Err(ManifestError::NothingToPlay(_))
        ));
        assert!(matches!(
            read("#EXTM3U\n#EXTINF:4,\njavascript:alert(1)\n"),
            Err(ManifestError::Syntax { line: 3, .. })
        ));
        assert!(matches!(
            read("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:4,\na.ts\n"),
            Err(ManifestError::Unsupported(_))
        ));
    }
}
