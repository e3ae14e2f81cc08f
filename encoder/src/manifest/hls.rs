//! HLS (RFC 8216bis): a multivariant playlist with a demuxed audio group, and one media playlist per rendition.

use m3u8_rs::{
    AlternativeMedia, AlternativeMediaType, ClosedCaptionGroupId, ExtTag, Map, MasterPlaylist, MediaPlaylist,
    MediaPlaylistType, MediaSegment, Resolution, SessionData, SessionDataField, VariantStream,
};

use super::table;
use crate::error::EncodeError;
use crate::index::{Kind, Rendition};

/// The protocol version: 6 for EXT-X-MAP in playlists of pictures and sound, 7 for what current players expect of fMP4.
const VERSION: usize = 7;
const AUDIO_GROUP: &str = "audio";

/// The multivariant playlist; `renditions` are named by URIs beside it.
pub(crate) fn multivariant(renditions: &[Rendition]) -> Result<Vec<u8>, EncodeError> {
    let audio = renditions.iter().find(|rendition| !rendition.is_video());
    let mut playlist = MasterPlaylist {
        version: Some(VERSION),
        independent_segments: true,
        session_data: vec![SessionData {
            data_id: "dev.headgate.segments".to_owned(),
            field: SessionDataField::Uri(table::URI.to_owned()),
            language: None,
            other_attributes: None,
        }],
        ..MasterPlaylist::default()
    };
    for video in renditions.iter().filter(|rendition| rendition.is_video()) {
        playlist.variants.push(variant(video, audio));
    }
    if let Some(audio) = audio {
        if playlist.variants.is_empty() {
            playlist.variants.push(variant(audio, None));
        } else {
            playlist.alternatives.push(audio_group(audio));
        }
    }
    let mut text = Vec::new();
    match playlist.write_to(&mut text) {
        Ok(()) => Ok(text),
        Err(error) => Err(EncodeError::Manifest {
            manifest: "hls/master.m3u8".to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// The media playlist of one rendition; its segments lie in `../<name>/`.
pub(crate) fn media(rendition: &Rendition) -> Result<Vec<u8>, EncodeError> {
    let name = &rendition.name;
    let mut segments: Vec<MediaSegment> = Vec::with_capacity(rendition.segments.len());
    for segment in &rendition.segments {
        let seconds = rendition.seconds(segment);
        let bitrate_kbps = (segment.bytes as f64 * 8.0 / 1000.0 / seconds).ceil();
        let bitrate = ExtTag {
            tag: "X-BITRATE".to_owned(),
            rest: Some(format!("{bitrate_kbps}")),
        };
        let init = Map {
            uri: format!("../{name}/init.mp4"),
            ..Map::default()
        };
        segments.push(MediaSegment {
            uri: format!("../{name}/{}.m4s", segment.number),
            duration: seconds as f32,
            map: segments.is_empty().then_some(init),
            unknown_tags: vec![bitrate],
            ..MediaSegment::default()
        });
    }
    let playlist = MediaPlaylist {
        version: Some(VERSION),
        target_duration: u64::from(rendition.target_duration_s()),
        media_sequence: 1,
        segments,
        end_list: true,
        playlist_type: Some(MediaPlaylistType::Vod),
        independent_segments: true,
        ..MediaPlaylist::default()
    };
    let mut text = Vec::new();
    match playlist.write_to(&mut text) {
        Ok(()) => Ok(text),
        Err(error) => Err(EncodeError::Manifest {
            manifest: format!("hls/{name}.m3u8"),
            reason: error.to_string(),
        }),
    }
}

fn variant(rendition: &Rendition, audio: Option<&Rendition>) -> VariantStream {
    let codecs: Vec<&str> = std::iter::once(rendition)
        .chain(audio)
        .map(|rendition| rendition.codecs.as_str())
        .collect();
    let (resolution, frame_rate, is_video) = match rendition.kind {
        Kind::Video { width, height, rate } => {
            let resolution = Resolution {
                width: u64::from(width),
                height: u64::from(height),
            };
            (
                Some(resolution),
                Some((rate.fps() * 1000.0).round() / 1000.0),
                true,
            )
        }
        Kind::Audio { .. } => (None, None, false),
    };
    VariantStream {
        uri: format!("{}.m3u8", rendition.name),
        bandwidth: rendition.peak_bps() + audio.map_or(0, Rendition::peak_bps),
        average_bandwidth: Some(rendition.average_bps() + audio.map_or(0, Rendition::average_bps)),
        codecs: Some(codecs.join(",")),
        resolution,
        frame_rate,
        audio: audio.map(|_| AUDIO_GROUP.to_owned()),
        closed_captions: is_video.then_some(ClosedCaptionGroupId::None),
        ..VariantStream::default()
    }
}

fn audio_group(audio: &Rendition) -> AlternativeMedia {
    let channels = match audio.kind {
        Kind::Audio { channels, .. } => Some(channels.to_string()),
        Kind::Video { .. } => None,
    };
    AlternativeMedia {
        media_type: AlternativeMediaType::Audio,
        uri: Some(format!("{}.m3u8", audio.name)),
        group_id: AUDIO_GROUP.to_owned(),
        name: "Audio".to_owned(),
        default: true,
        autoselect: true,
        channels,
        ..AlternativeMedia::default()
    }
}
