//! Multivariant playlists.

use super::lexer::{Line, attributes, lines};
use crate::input::TrackKind;
use crate::manifest::{MAX_RENDITIONS, ManifestError, table};
use crate::presentation::{
    Period, Presentation, Protocol, Rendition, SegmentSource, Track, Warning, split_codecs,
};
use crate::time::{Bitrate, MediaTime};
use crate::url;

struct Variant {
    bandwidth: u64,
    average: Option<u64>,
    codecs: String,
    width: u32,
    height: u32,
    frame_rate: f64,
    audio: String,
    name: String,
    url: String,
}

struct Media {
    group: String,
    name: String,
    language: String,
    default: bool,
    url: String,
}

pub(super) fn parse(text: &str, base: &str) -> Result<Presentation, ManifestError> {
    let mut warnings = Vec::new();
    let mut variants: Vec<Variant> = Vec::new();
    let mut audio: Vec<Media> = Vec::new();
    let mut groups_muxed: Vec<String> = Vec::new();
    let mut pending: Option<(Line<'_>, &str)> = None;
    let mut segment_table = None;
    for line in lines(text) {
        let line = line.check()?;
        if let Some(uri) = line.uri() {
            let Some((tag, list)) = pending.take() else {
                warnings.push(Warning {
                    line: line.number,
                    message: "a URI without EXT-X-STREAM-INF is skipped".into(),
                });
                continue;
            };
            if variants.len() >= MAX_RENDITIONS {
                return Err(ManifestError::Limit {
                    line: line.number,
                    what: "too many variants",
                    limit: MAX_RENDITIONS,
                });
            }
            match variant(list, base, uri) {
                Ok(variant) => variants.push(variant),
                Err(message) => warnings.push(Warning {
                    line: tag.number,
                    message,
                }),
            }
            continue;
        }
        match line.tag() {
            Some(("EXT-X-SESSION-DATA", list)) => match session_data(list, base) {
                Ok(url) => segment_table = segment_table.or(url),
                Err(message) => warnings.push(Warning {
                    line: line.number,
                    message,
                }),
            },
            Some(("EXT-X-STREAM-INF", list)) => pending = Some((line, list)),
            Some(("EXT-X-MEDIA", list)) => match media(list, base) {
                Ok(Some(Member::Demuxed(media))) if audio.len() < MAX_RENDITIONS => audio.push(media),
                Ok(Some(Member::Demuxed(_))) => {
                    return Err(ManifestError::Limit {
                        line: line.number,
                        what: "too many renditions",
                        limit: MAX_RENDITIONS,
                    });
                }
                Ok(Some(Member::Muxed(group))) => groups_muxed.push(group),
                Ok(None) => {}
                Err(message) => warnings.push(Warning {
                    line: line.number,
                    message,
                }),
            },
            _ => {}
        }
    }
    if variants.is_empty() {
        return Err(ManifestError::NothingToPlay(
            ": there is no usable EXT-X-STREAM-INF in it".into(),
        ));
    }
    let tracks = tracks(variants, audio, &groups_muxed);
    Ok(Presentation {
        protocol: Protocol::Hls,
        // Only the media playlists know.
        duration: None,
        periods: vec![Period {
            id: String::new(),
            start: MediaTime::ZERO,
            duration: None,
            tracks,
            ..Period::default()
        }],
        segment_table,
        warnings,
        ..Presentation::default()
    })
}

fn variant(list: &str, base: &str, uri: &str) -> Result<Variant, String> {
    let mut variant = Variant {
        bandwidth: 0,
        average: None,
        codecs: String::new(),
        width: 0,
        height: 0,
        frame_rate: 0.0,
        audio: String::new(),
        name: String::new(),
        url: url::resolve(base, uri).map_err(|e| format!("the variant is skipped: {e}"))?,
    };
    for (name, value) in attributes(list) {
        match name {
            "BANDWIDTH" => {
                variant.bandwidth = value
                    .parse()
                    .map_err(|_| format!("BANDWIDTH={value} is no number: the variant is skipped"))?
            }
            "AVERAGE-BANDWIDTH" => variant.average = value.parse().ok().filter(|bps| *bps > 0),
            "CODECS" => value.clone_into(&mut variant.codecs),
            "RESOLUTION" => {
                if let Some((w, h)) = value.split_once(['x', 'X']) {
                    variant.width = w.parse().unwrap_or(0);
                    variant.height = h.parse().unwrap_or(0);
                }
            }
            "FRAME-RATE" => {
                variant.frame_rate = value
                    .parse()
                    .ok()
                    .filter(|f: &f64| f.is_finite() && *f > 0.0)
                    .unwrap_or(0.0)
            }
            "AUDIO" => value.clone_into(&mut variant.audio),
            "NAME" | "STABLE-VARIANT-ID" => value.clone_into(&mut variant.name),
            _ => {}
        }
    }
    if variant.bandwidth == 0 {
        return Err("EXT-X-STREAM-INF without BANDWIDTH: the variant is skipped".into());
    }
    Ok(variant)
}

/// The URL of the segment table, if it is that.
fn session_data(list: &str, base: &str) -> Result<Option<String>, String> {
    let (mut is_table, mut uri) = (false, None);
    for (name, value) in attributes(list) {
        match name {
            "DATA-ID" => is_table = value == table::DATA_ID,
            "URI" => uri = Some(value),
            _ => {}
        }
    }
    let Some(uri) = uri.filter(|_| is_table) else {
        return Ok(None);
    };
    url::resolve(base, uri)
        .map(Some)
        .map_err(|e| format!("the segment table is not used: {e}"))
}

enum Member {
    Demuxed(Media),
    /// The group's audio is in the variants' own segments.
    Muxed(String),
}

fn media(list: &str, base: &str) -> Result<Option<Member>, String> {
    let mut kind = "";
    let mut uri = None;
    let mut media = Media {
        group: String::new(),
        name: String::new(),
        language: String::new(),
        default: false,
        url: String::new(),
    };
    for (name, value) in attributes(list) {
        match name {
            "TYPE" => kind = value,
            "GROUP-ID" => value.clone_into(&mut media.group),
            "NAME" => value.clone_into(&mut media.name),
            "LANGUAGE" => value.clone_into(&mut media.language),
            "DEFAULT" => media.default = value == "YES",
            "URI" => uri = Some(value),
            _ => {}
        }
    }
    if kind != "AUDIO" {
        return Ok(None);
    }
    let Some(uri) = uri else {
        return Ok(Some(Member::Muxed(media.group)));
    };
    media.url = url::resolve(base, uri).map_err(|e| format!("the rendition is skipped: {e}"))?;
    Ok(Some(Member::Demuxed(media)))
}

fn tracks(mut variants: Vec<Variant>, audio: Vec<Media>, groups_muxed: &[String]) -> Vec<Track> {
    // A stable sort: of redundant variants the first one listed is used.
    variants.sort_by_key(|v| v.bandwidth);
    let demuxed = |group: &str| {
        !group.is_empty()
            && audio.iter().any(|m| m.group == group)
            && !groups_muxed.iter().any(|g| g == group)
    };
    let audio_codecs: Vec<(String, String)> = variants
        .iter()
        .map(|v| (v.audio.clone(), split_codecs(&v.codecs, TrackKind::Audio)))
        .collect();
    let with_video = variants
        .iter()
        .any(|v| v.height > 0 || !split_codecs(&v.codecs, TrackKind::Video).is_empty());
    let mut renditions: Vec<Rendition> = Vec::new();
    for (i, v) in variants.into_iter().enumerate() {
        let video_codecs = split_codecs(&v.codecs, TrackKind::Video);
        let audio_only = v.height == 0 && video_codecs.is_empty() && !v.codecs.is_empty();
        if with_video && audio_only {
            // An audio-only variant beside video ones is not a rung of the video ladder.
            continue;
        }
        if renditions
            .iter()
            .any(|r| matches!(&r.source, SegmentSource::Playlist(url) if *url == v.url))
        {
            continue;
        }
        let demuxed = demuxed(&v.audio);
        let id = if v.name.is_empty() {
            id_of(&v.url, v.height, i)
        } else {
            v.name
        };
        let id = if renditions.iter().any(|r| r.id == id) {
            format!("{id}-{i}")
        } else {
            id
        };
        renditions.push(Rendition {
            id,
            bandwidth: Bitrate::from_bps(v.bandwidth),
            average_bandwidth: v.average.map(Bitrate::from_bps),
            container: if audio_only { "audio/mp4" } else { "video/mp4" }.into(),
            codecs: if demuxed && !audio_only {
                video_codecs
            } else {
                v.codecs
            },
            width: v.width,
            height: v.height,
            frame_rate: v.frame_rate,
            audio_group: if demuxed { v.audio } else { String::new() },
            source: SegmentSource::Playlist(v.url),
            ..Rendition::default()
        });
    }
    let all_audio = !with_video && renditions.iter().all(|r| r.container == "audio/mp4");
    let mut tracks = vec![Track {
        kind: if all_audio {
            TrackKind::Audio
        } else {
            TrackKind::Video
        },
        id: "main".into(),
        language: String::new(),
        label: String::new(),
        renditions,
        ..Track::default()
    }];
    if all_audio {
        return tracks;
    }
    for member in &audio {
        if !demuxed(&member.group) {
            continue;
        }
        let codecs = audio_codecs
            .iter()
            .find(|(group, codecs)| *group == member.group && !codecs.is_empty());
        let rendition = Rendition {
            id: format!("{}-{}", member.group, member.name),
            bandwidth: Bitrate::from_bps(0),
            average_bandwidth: None,
            container: "audio/mp4".into(),
            codecs: codecs.map(|(_, codecs)| codecs.clone()).unwrap_or_default(),
            width: 0,
            height: 0,
            frame_rate: 0.0,
            audio_group: member.group.clone(),
            source: SegmentSource::Playlist(member.url.clone()),
            ..Rendition::default()
        };
        // The same name and language in several groups is one track in several qualities.
        match tracks
            .iter_mut()
            .find(|t| t.kind == TrackKind::Audio && t.label == member.name && t.language == member.language)
        {
            Some(track) => track.renditions.push(rendition),
            None => {
                let track = Track {
                    kind: TrackKind::Audio,
                    id: format!("audio-{}", member.name),
                    language: member.language.clone(),
                    label: member.name.clone(),
                    renditions: vec![rendition],
                    ..Track::default()
                };
                let first_audio = tracks
                    .iter()
                    .position(|t| t.kind == TrackKind::Audio)
                    .unwrap_or(tracks.len());
                tracks.insert(if member.default { first_audio } else { tracks.len() }, track);
            }
        }
    }
    tracks
}

/// A readable id: the height if it is known, else the playlist's name.
fn id_of(url: &str, height: u32, i: usize) -> String {
    let stem = url::file_name(url).split('.').next().unwrap_or_default();
    match (height, stem) {
        (0, "") => i.to_string(),
        (0, stem) => stem.to_owned(),
        (height, _) => format!("{height}p"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"English\",LANGUAGE=\"en\",URI=\"a.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"Deutsch\",LANGUAGE=\"de\",DEFAULT=YES,URI=\"d.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2500000,AVERAGE-BANDWIDTH=2000000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"aac\"\n\
        720p.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=600000,CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360,AUDIO=\"aac\"\n360p.m3u8\n";

    #[test]
    fn variants_become_a_ladder_and_groups_become_tracks() {
        let p = parse(TEXT, "https://h/hls/master.m3u8").unwrap_or_else(|e| panic!("{e}"));
        let tracks: Vec<_> = p
            .periods
            .iter()
            .flat_map(|p| &p.tracks)
            .map(|t| (t.kind, t.label.as_str(), t.renditions.len()))
            .collect();
        assert_eq!(
            tracks,
            [
                (TrackKind::Video, "", 2),
                (TrackKind::Audio, "Deutsch", 1),
                (TrackKind::Audio, "English", 1)
            ]
        );
        let video: Vec<_> = p
            .periods
            .iter()
            .flat_map(|p| p.tracks.iter().take(1))
            .flat_map(|t| &t.renditions)
            .collect();
        assert_eq!(
            video.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(),
            ["360p", "720p"]
        );
        assert_eq!(
            video.first().map(|r| r.mime()),
            Some("video/mp4; codecs=\"avc1.64001e\"".into())
        );
        assert_eq!(
            video.last().and_then(|r| r.average_bandwidth),
            Some(Bitrate::from_bps(2_000_000))
        );
    }

    #[test]
    fn the_segment_table_is_found_among_the_session_data() {
        let text = format!(
            "{TEXT}#EXT-X-SESSION-DATA:DATA-ID=\"com.example.title\",VALUE=\"x\"\n\
             #EXT-X-SESSION-DATA:DATA-ID=\"dev.headgate.segments\",URI=\"../s.json\"\n"
        );
        let p = parse(&text, "https://h/hls/master.m3u8").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(p.segment_table.as_deref(), Some("https://h/s.json"));
        let text =
            format!("{TEXT}#EXT-X-SESSION-DATA:DATA-ID=\"dev.headgate.segments\",URI=\"file:///s.json\"\n");
        let p = parse(&text, "https://h/hls/master.m3u8").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((p.segment_table, p.warnings.len()), (None, 1));
    }

    #[test]
    fn muxed_audio_keeps_its_codec() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.1,mp4a.40.2\"\nx.m3u8\n";
        let p = parse(text, "https://h/m.m3u8").unwrap_or_else(|e| panic!("{e}"));
        let codecs: Vec<_> = p
            .periods
            .iter()
            .flat_map(|p| &p.tracks)
            .flat_map(|t| &t.renditions)
            .map(|r| r.codecs.as_str())
            .collect();
        assert_eq!(codecs, ["avc1.1,mp4a.40.2"]);
    }

    #[test]
    fn a_bad_variant_is_skipped_and_said() {
        let text = format!(
            "{TEXT}#EXT-X-STREAM-INF:RESOLUTION=1x1\nbad.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=5\nfile:///x\n"
        );
        let p = parse(&text, "https://h/m.m3u8").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(p.warnings.iter().map(|w| w.line).collect::<Vec<_>>(), [9, 11]);
        assert!(matches!(
            parse("#EXTM3U\n", "https://h/"),
            Err(ManifestError::NothingToPlay(_))
        ));
    }
}
