//! A [`Multivariant`] into a [`Presentation`].

use super::ladder::{Rung, has_video, insert, is_audio_only, ladder, pathway};
use super::tracks::Builder;
use super::{Media, MediaType, Multivariant, Variant};
use crate::manifest::hls::warnings::Warnings;
use crate::manifest::{ManifestError, table};
use crate::presentation::{
    CaptionChannel, ImageTrack, Period, Presentation, Protocol, SegmentSource, SessionData, Steering,
};
use crate::time::Bitrate;

/// What can be played of a playlist.
pub(super) fn presentation(playlist: Multivariant) -> Result<Presentation, ManifestError> {
    let mut warnings = Warnings::from(playlist.warnings);
    let variants = usable(&playlist.variants, &mut warnings);
    let Some(first) = variants.first() else {
        return Err(ManifestError::NothingToPlay(
            ": all its variants need what this player does not know".into(),
        ));
    };
    let mut primary = pathway(first);
    let mut steering = None;
    if let Some(server) = playlist.content_steering.as_ref() {
        let mut wanted = Vec::new();
        let id = server.pathway_id.as_str();
        if variants.iter().any(|variant| pathway(variant) == id) {
            primary = id;
        } else if !id.is_empty() {
            let what = "no variant is on the pathway to begin with";
            warnings.say(server.line, what, id);
        }
        if !id.is_empty() {
            wanted.push(id.to_owned());
        }
        steering = Some(Steering {
            url: server.server_uri.clone(),
            first: wanted,
            before_start: false,
        });
    }
    let captions = captions(&playlist.media, &mut warnings);
    let i_frames = usable(&playlist.i_frame_streams, &mut warnings);
    let images = usable(&playlist.image_streams, &mut warnings);
    let mut builder = Builder {
        media: &playlist.media,
        variants: &variants,
        warnings: &mut warnings,
    };
    // An audio-only variant beside video ones is not a rung of the video ladder.
    let with_video = variants.iter().any(|variant| has_video(variant));
    let mut rungs = variants.clone();
    rungs.retain(|variant| !with_video || !is_audio_only(variant));
    let period = Period {
        tracks: builder.tracks(&ladder(&rungs, primary)),
        trick_play: builder.trick_play(&ladder(&i_frames, primary)),
        thumbnails: thumbnails(&ladder(&images, primary)),
        captions,
        ..Period::default()
    };
    let mut presentation = Presentation {
        protocol: Protocol::Hls,
        // Only the media playlists know duration and whether it is live.
        start: playlist.start.map(|start| start.time_offset),
        steering,
        session_keys: playlist.session_keys,
        periods: vec![period],
        ..Presentation::default()
    };
    for data in playlist.session_data {
        if data.data_id == table::DATA_ID && !data.uri.is_empty() && presentation.segment_table.is_none() {
            presentation.segment_table = Some(data.uri.clone());
        }
        presentation.session_data.push(SessionData {
            id: data.data_id,
            value: data.value.unwrap_or_default(),
            url: data.uri,
            language: data.language,
        });
    }
    for define in playlist.defines {
        presentation.variables.push((define.name, define.value));
    }
    presentation.warnings = warnings.into_list();
    Ok(presentation)
}

/// Those that can be shown as they should be. What is not known would be shown wrongly: clients must leave such variants alone
/// (rfc8216bis, 4.4.6.2).
fn usable<'a>(variants: &'a [Variant], warnings: &mut Warnings) -> Vec<&'a Variant> {
    let mut found = Vec::new();
    for variant in variants {
        let layout = variant.req_video_layout.as_str();
        let range = variant.video_range.as_str();
        if !layout.is_empty() && !layout.split([',', '/']).all(is_known_layout) {
            let what = "a variant with an unknown REQ-VIDEO-LAYOUT is skipped";
            warnings.say(variant.line, what, layout);
        } else if !matches!(range, "" | "SDR" | "HLG" | "PQ") {
            let what = "a variant with an unknown VIDEO-RANGE is skipped";
            warnings.say(variant.line, what, range);
        } else {
            found.push(variant);
        }
    }
    found
}

fn is_known_layout(specifier: &str) -> bool {
    matches!(
        specifier.trim(),
        "CH-STEREO" | "CH-MONO" | "PROJ-RECT" | "PROJ-EQUI" | "PROJ-HEQU" | "PROJ-PRIM" | "PROJ-AIV"
    )
}

fn captions(media: &[Media], warnings: &mut Warnings) -> Vec<CaptionChannel> {
    let mut channels = Vec::new();
    for member in media.iter().filter(|m| m.kind == MediaType::ClosedCaptions) {
        let id = member.instream_id.as_str();
        let is_valid = match id.strip_prefix("SERVICE") {
            Some(number) => number.parse().is_ok_and(|n: u32| (1..=63).contains(&n)),
            None => matches!(id, "CC1" | "CC2" | "CC3" | "CC4"),
        };
        if !is_valid {
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
/// so is the resolution that is declared here: see [`ImageTrack::with_playlist`].
fn thumbnails(rungs: &[Rung<'_>]) -> Vec<ImageTrack> {
    let mut ordered = Vec::new();
    for rung in rungs {
        let (width, height) = rung.variant.resolution.unwrap_or_default();
        insert(&mut ordered, u64::from(width) * u64::from(height), rung.variant);
    }
    let mut tracks = Vec::new();
    for (_, variant) in ordered {
        let (width, height) = variant.resolution.unwrap_or_default();
        let mut container = variant.codecs.to_ascii_lowercase();
        if container == "jpg" {
            container = "jpeg".to_owned();
        }
        if !container.is_empty() {
            container.insert_str(0, "image/");
        }
        let rung = rungs.iter().find(|rung| rung.variant.uri == variant.uri);
        tracks.push(ImageTrack {
            id: rung.map(|rung| rung.id.clone()).unwrap_or_default(),
            container,
            bandwidth: Bitrate::from_bps(variant.bandwidth),
            width,
            height,
            tiles: (1, 1),
            tile_duration: None,
            source: SegmentSource::Playlist(variant.uri.clone()),
        });
    }
    tracks
}
