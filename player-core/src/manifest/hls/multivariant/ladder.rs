//! Variants into rungs: one for each content, with the copies of it elsewhere.

use super::Variant;
use crate::input::TrackKind;
use crate::presentation::split_codecs;
use crate::url;

/// A playlist, and others with the same content.
pub(super) struct Rung {
    /// Unique in its ladder.
    pub(super) id: String,
    pub(super) variant: Variant,
    /// The same content elsewhere, in order of preference.
    pub(super) copies: Vec<Variant>,
    /// More groups of sound that the same playlist is listed with.
    pub(super) more_audio: Vec<String>,
}

impl Rung {
    /// Whether this is where it, or a copy of it, is.
    pub(super) fn is_at(&self, uri: &str) -> bool {
        self.variant.uri == uri || self.copies.iter().any(|copy| copy.uri == uri)
    }
}

/// The pathway of a variant: `.` if it does not name one (rfc8216bis, 4.4.6.2).
pub(super) fn pathway(variant: &Variant) -> &str {
    match variant.pathway_id.as_str() {
        "" => ".",
        id => id,
    }
}

/// The variants of a pathway, lowest bitrate first, each with its copies. What only other pathways have is among them.
pub(super) fn ladder(mut variants: Vec<Variant>, primary: &str) -> Vec<Rung> {
    // A stable sort: of redundant variants the first one listed is used.
    variants.sort_by_key(|v| (pathway(v) != primary, v.bandwidth));
    let mut rungs: Vec<Rung> = Vec::new();
    for variant in variants {
        if let Some(rung) = rungs.iter_mut().find(|rung| rung.is_at(&variant.uri)) {
            // The same pictures with other sound.
            let (own, audio) = (&rung.variant, variant.audio);
            let is_new =
                rung.variant.uri == variant.uri && audio != own.audio && !rung.more_audio.contains(&audio);
            if is_new && !audio.is_empty() {
                rung.more_audio.push(audio);
            }
        } else if let Some(rung) = rungs.iter_mut().find(|rung| is_copy(&variant, &rung.variant)) {
            rung.copies.push(variant);
        } else {
            rungs.push(Rung {
                id: String::new(),
                variant,
                copies: Vec::new(),
                more_audio: Vec::new(),
            });
        }
    }
    rungs.sort_by_key(|rung| rung.variant.bandwidth);
    for i in 0..rungs.len() {
        let (before, rest) = rungs.split_at_mut(i);
        if let Some(rung) = rest.first_mut() {
            rung.id = id_of(&rung.variant, i);
            if is_taken(before, &rung.id) {
                append(&mut rung.id, &rung.variant.bandwidth.to_string());
            }
            while is_taken(before, &rung.id) {
                append(&mut rung.id, &i.to_string());
            }
        }
    }
    rungs
}

fn is_taken(rungs: &[Rung], id: &str) -> bool {
    rungs.iter().any(|rung| rung.id == id)
}

/// Appends a part to an id.
pub(super) fn append(id: &mut String, part: &str) {
    id.push('-');
    id.push_str(part);
}

/// Whether two variants have the same content at different places.
fn is_copy(a: &Variant, b: &Variant) -> bool {
    let elsewhere = pathway(a) != pathway(b);
    if !a.stable_variant_id.is_empty() && !b.stable_variant_id.is_empty() {
        if a.stable_variant_id != b.stable_variant_id {
            return false;
        }
        if elsewhere {
            return true;
        }
    }
    a.bandwidth == b.bandwidth
        && a.average_bandwidth == b.average_bandwidth
        && a.resolution == b.resolution
        && a.frame_rate == b.frame_rate
        && a.codecs == b.codecs
        && a.video_range == b.video_range
        && a.req_video_layout == b.req_video_layout
        && a.name == b.name
        // Pathways may have groups of their own.
        && (elsewhere || a.audio == b.audio && a.video == b.video && a.subtitles == b.subtitles)
}

/// An id that stays the same when the playlist is read again: the author's, else the height, else the name of the file.
fn id_of(variant: &Variant, i: usize) -> String {
    let (_, height) = variant.resolution.unwrap_or_default();
    let name = url::file_name(&variant.uri);
    let stem = name.split('.').next().unwrap_or_default();
    for text in [&variant.stable_variant_id, &variant.name] {
        if !text.is_empty() {
            return text.clone();
        }
    }
    match (height, stem) {
        (0, "") => i.to_string(),
        (0, stem) => stem.to_owned(),
        (height, _) => height.to_string() + "p",
    }
}

/// Whether a variant has pictures, as far as it says.
pub(super) fn has_video(variant: &Variant) -> bool {
    variant.resolution.is_some_and(|(_, height)| height > 0)
        || !split_codecs(&variant.codecs, TrackKind::Video).is_empty()
}

/// Whether a variant says that it has no pictures.
pub(super) fn is_audio_only(variant: &Variant) -> bool {
    !has_video(variant) && !variant.codecs.is_empty()
}
