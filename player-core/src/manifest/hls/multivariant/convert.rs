//! A [`Multivariant`] into a [`Presentation`].

use super::ladder::{Rung, has_video, is_audio_only, ladder, pathway};
use super::tracks::{Builder, codecs_of_groups};
use super::{Media, MediaType, Multivariant, Variant};
use crate::input::TrackKind;
use crate::manifest::hls::warnings::Warnings;
use crate::manifest::{ManifestError, table};
use crate::presentation::{
    CaptionChannel, ImageTrack, Period, Presentation, Protocol, SegmentSource, SessionData, Steering,
};
use crate::time::Bitrate;

/// What can be played of a playlist.
pub(super) fn presentation(playlist: Multivariant) -> Result<Presentation, ManifestError> {
    let Multivariant {
        start,
        defines,
        mut variants,
        media,
        mut i_frame_streams,
        mut image_streams,
        session_data,
        session_keys,
        content_steering,
        warnings,
        ..
    } = playlist;
    let mut warnings = Warnings::from(warnings);
    for list in [&mut variants, &mut i_frame_streams, &mut image_streams] {
        list.retain(|variant| is_usable(variant, &mut warnings));
    }
    let Some(first) = variants.first() else {
        return Err(ManifestError::NothingToPlay(
            ": all its variants need what this player does not know".into(),
        ));
    };
    let mut primary = pathway(first).to_owned();
    if let Some(steering) = content_steering.as_ref().filter(|s| !s.pathway_id.is_empty()) {
        if variants.iter().any(|v| pathway(v) == steering.pathway_id) {
            primary.clone_from(&steering.pathway_id);
        } else {
            let what = "no variant is on the pathway to begin with";
            warnings.say(steering.line, what, &steering.pathway_id);
        }
    }
    let captions = captions(&media, &mut warnings);
    let mut builder = Builder {
        media: &media,
        audio_codecs: codecs_of_groups(&variants, |v| &v.audio, TrackKind::Audio),
        subtitle_codecs: codecs_of_groups(&variants, |v| &v.subtitles, TrackKind::Text),
        warnings: &mut warnings,
    };
    // An audio-only variant beside video ones is not a rung of the video ladder.
    if variants.iter().any(has_video) {
        variants.retain(|variant| !is_audio_only(variant));
    }
    let rungs = ladder(variants, &primary);
    builder.check(&rungs);
    let period = Period {
        tracks: builder.tracks(&rungs),
        trick_play: builder.trick_play(&ladder(i_frame_streams, &primary)),
        thumbnails: thumbnails(ladder(image_streams, &primary)),
        captions,
        ..Period::default()
    };
    let table = session_data
        .iter()
        .find(|data| data.data_id == table::DATA_ID && !data.uri.is_empty());
    Ok(Presentation {
        protocol: Protocol::Hls,
        // Only the media playlists know.
        duration: None,
        live: None,
        segment_table: table.map(|data| data.uri.clone()),
        start: start.map(|start| start.time_offset),
        steering: content_steering.map(|steering| Steering {
            url: steering.server_uri,
            first: Some(steering.pathway_id)
                .into_iter()
                .filter(|id| !id.is_empty())
                .collect(),
            before_start: false,
        }),
        session_keys,
        session_data: session_data
            .into_iter()
            .map(|data| SessionData {
                id: data.data_id,
                value: data.value.unwrap_or_default(),
                url: data.uri,
                language: data.language,
            })
            .collect(),
        variables: defines.into_iter().map(|d| (d.name, d.value)).collect(),
        periods: vec![period],
        warnings: warnings.into_list(),
    })
}

/// What is not known would be shown wrongly: clients must leave such variants alone (rfc8216bis, 4.4.6.2).
fn is_usable(variant: &Variant, warnings: &mut Warnings) -> bool {
    let layout = variant.req_video_layout.as_str();
    let is_known = |specifier: &str| {
        matches!(
            specifier.trim(),
            "CH-STEREO" | "CH-MONO" | "PROJ-RECT" | "PROJ-EQUI" | "PROJ-HEQU" | "PROJ-PRIM" | "PROJ-AIV"
        )
    };
    if !layout.is_empty() && !layout.split([',', '/']).all(is_known) {
        let what = "a variant with an unknown REQ-VIDEO-LAYOUT is skipped";
        warnings.say(variant.line, what, layout);
        return false;
    }
    let range = variant.video_range.as_str();
    if !matches!(range, "" | "SDR" | "HLG" | "PQ") {
        let what = "a variant with an unknown VIDEO-RANGE is skipped";
        warnings.say(variant.line, what, range);
        return false;
    }
    true
}

fn captions(media: &[Media], warnings: &mut Warnings) -> Vec<CaptionChannel> {
    let mut channels = Vec::new();
    for member in media.iter().filter(|m| m.kind == MediaType::ClosedCaptions) {
        let id = member.instream_id.as_str();
        let service = id.strip_prefix("SERVICE").and_then(|n| n.parse::<u8>().ok());
        let is_known = matches!(id, "CC1" | "CC2" | "CC3" | "CC4");
        if !is_known && !service.is_some_and(|n| (1..=63).contains(&n)) {
            let what = "captions without a valid INSTREAM-ID are skipped";
            warnings.say(member.line, what, id);
            continue;
        }
        channels.push(CaptionChannel {
            channel: id.to_owned(),
            language: member.language.clone(),
            label: member.name.clone(),
            group: member.group_id.clone(),
            default: member.default,
        });
    }
    channels
}

/// How many tiles an image has is said in the thumbnails' own playlist (`EXT-X-TILES`). Until that is read an image is a tile, and
/// so is the resolution that is declared here.
fn thumbnails(rungs: Vec<Rung>) -> Vec<ImageTrack> {
    let mut tracks: Vec<ImageTrack> = rungs
        .into_iter()
        .map(|rung| {
            let (width, height) = rung.variant.resolution.unwrap_or_default();
            let codec = rung.variant.codecs.to_ascii_lowercase();
            ImageTrack {
                id: rung.id,
                container: match codec.as_str() {
                    "" => String::new(),
                    "jpg" => "image/jpeg".into(),
                    codec => "image/".to_owned() + codec,
                },
                bandwidth: Bitrate::from_bps(rung.variant.bandwidth),
                width,
                height,
                tiles: (1, 1),
                source: SegmentSource::Playlist(rung.variant.uri),
            }
        })
        .collect();
    tracks.sort_by_key(|track| u64::from(track.width) * u64::from(track.height));
    tracks
}
