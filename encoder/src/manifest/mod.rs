//! HLS playlists, a DASH manifest and the table of segment sizes that both refer to, all written from the one segment index.
//!
//! The writers are our own: m3u8-rs and dash-mpd-core write neither several keys for a segment nor exact decimals, and so stay
//! independent readers.

pub(crate) mod dash;
#[cfg(fuzzing)]
#[path = "../fuzzing/manifest.rs"]
pub mod fuzzing;
mod hls;
mod table;
pub(crate) mod tag;
pub(crate) mod xml;

use crate::error::EncodeError;
use crate::index::{Container, Kind, Presentation, Rendition, Segment};
use crate::packager::Packaging;
use crate::pictures;
use crate::storage::Output;

/// The multivariant playlist's place in a video's folder.
pub(crate) const MULTIVARIANT_PATH: &str = "hls/master.m3u8";
/// The MPD's place in a video's folder.
pub(crate) const MPD_PATH: &str = "dash/manifest.mpd";

/// Writes media playlists first and the two manifests that name everything last, so that even a copy in this order is never
/// taken for whole too early.
pub(crate) fn write(
    output: &dyn Output,
    presentation: &Presentation,
    packaging: &Packaging,
) -> Result<(), EncodeError> {
    let Presentation {
        renditions,
        for_hls,
        texts,
        images,
    } = presentation;
    let for_hls = for_hls.as_ref().unwrap_or(renditions);
    for text in texts {
        output.write(&format!("hls/{}.m3u8", text.name), hls::texts(text).as_bytes())?;
    }
    if let Some(images) = images {
        let playlist = pictures::hls_playlist(images, &format!("../{}/", images.name));
        output.write(&format!("hls/{}.m3u8", images.name), playlist.as_bytes())?;
    }
    for rendition in for_hls {
        let name = &rendition.name;
        output.write(&format!("hls/{name}.m3u8"), hls::media(rendition).as_bytes())?;
        if rendition.has_key_frames() {
            output.write(
                &format!("hls/{name}.iframes.m3u8"),
                hls::i_frames(rendition).as_bytes(),
            )?;
        }
    }
    output.write(table::PATH, &table::table(renditions, for_hls)?)?;
    output.write(MPD_PATH, dash::mpd(presentation, packaging).as_bytes())?;
    output.write(MULTIVARIANT_PATH, hls::multivariant(presentation).as_bytes())
}

/// A rendition's first file from the manifests: its init segment, or its only file.
fn init_uri(rendition: &Rendition) -> String {
    match rendition.container {
        Container::Files => format!("../{}/init.mp4", rendition.name),
        Container::SingleFile { .. } => format!("../{}.mp4", rendition.name),
        // The programme's tables are in every segment.
        Container::TransportStream => String::new(),
    }
}

fn segment_uri(rendition: &Rendition, segment: &Segment) -> String {
    match rendition.container {
        Container::Files => format!("../{}/{}.m4s", rendition.name, segment.number),
        Container::SingleFile { .. } => init_uri(rendition),
        Container::TransportStream => format!("../{}/{}.ts", rendition.name, segment.number),
    }
}

/// The names of the groups of sound renditions, in order of appearance.
fn sound_groups(renditions: &[Rendition]) -> Vec<&str> {
    let mut groups: Vec<&str> = Vec::new();
    for rendition in renditions {
        if let Kind::Audio(sound) = &rendition.kind
            && !groups.contains(&sound.group.as_str())
        {
            groups.push(&sound.group);
        }
    }
    groups
}

fn in_group<'a>(renditions: &'a [Rendition], group: &'a str) -> impl Iterator<Item = &'a Rendition> {
    let is_in =
        move |rendition: &&Rendition| matches!(&rendition.kind, Kind::Audio(sound) if sound.group == group);
    renditions.iter().filter(is_in)
}
