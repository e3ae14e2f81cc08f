//! Variants into rungs: one for each content, with the copies of it elsewhere.

use super::Variant;
use crate::input::TrackKind;
use crate::presentation::split_codecs;
use crate::url;

/// A playlist, and others with the same content.
pub(super) struct Rung<'a> {
    /// Unique in its ladder.
    pub(super) id: String,
    pub(super) variant: &'a Variant,
    /// The same content elsewhere, in order of preference.
    pub(super) copies: Vec<&'a Variant>,
    /// More groups of sound that the same playlist is listed with.
    pub(super) more_audio: Vec<&'a str>,
}

impl Rung<'_> {
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

/// Inserts behind all that are not larger. There are few, and the library's sorts are large.
pub(super) fn insert<'a>(list: &mut Vec<(u64, &'a Variant)>, key: u64, variant: &'a Variant) {
    let at = list.partition_point(|(other, _)| *other <= key);
    list.insert(at, (key, variant));
}

/// The variants of a pathway, lowest bitrate first, each with its copies. What only other pathways have is among them.
pub(super) fn ladder<'a>(variants: &[&'a Variant], primary: &str) -> Vec<Rung<'a>> {
    // Of redundant variants the first one listed is used.
    let mut ordered = Vec::new();
    for variant in variants {
        insert(&mut ordered, variant.bandwidth, variant);
    }
    let mut rungs: Vec<Rung<'a>> = Vec::new();
    for elsewhere in [false, true] {
        for (_, variant) in &ordered {
            if (pathway(variant) != primary) == elsewhere {
                place(&mut rungs, variant);
            }
        }
    }
    for i in 0..rungs.len() {
        let Some(rung) = rungs.get(i) else { break };
        let mut id = id_of(rung.variant, i);
        let mut part = rung.variant.bandwidth;
        while rungs.iter().any(|other| other.id == id) {
            append(&mut id, &part.to_string());
            part = i as u64;
        }
        if let Some(rung) = rungs.get_mut(i) {
            rung.id = id;
        }
    }
    rungs
}

fn place<'a>(rungs: &mut Vec<Rung<'a>>, variant: &'a Variant) {
    for rung in rungs.iter_mut() {
        if rung.variant.uri == variant.uri {
            // The same pictures with other sound.
            let audio = variant.audio.as_str();
            if audio != rung.variant.audio && !audio.is_empty() && !rung.more_audio.contains(&audio) {
                rung.more_audio.push(audio);
            }
            return;
        }
        if rung.copies.iter().any(|copy| copy.uri == variant.uri) {
            return;
        }
    }
    for rung in rungs.iter_mut() {
        if is_copy(variant, rung.variant) {
            rung.copies.push(variant);
            return;
        }
    }
    let at = rungs.partition_point(|rung| rung.variant.bandwidth <= variant.bandwidth);
    let rung = Rung {
        id: String::new(),
        variant,
        copies: Vec::new(),
        more_audio: Vec::new(),
    };
    rungs.insert(at, rung);
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
        && texts(a, elsewhere) == texts(b, elsewhere)
}

fn texts(v: &Variant, elsewhere: bool) -> [&str; 7] {
    // Pathways may have groups of their own.
    let [audio, video, subtitles] = if elsewhere {
        [""; 3]
    } else {
        [v.audio.as_str(), &v.video, &v.subtitles]
    };
    [
        &v.codecs,
        &v.video_range,
        &v.req_video_layout,
        &v.name,
        audio,
        video,
        subtitles,
    ]
}

/// An id that stays the same when the playlist is read again: the author's, else the height, else the name of the file.
fn id_of(variant: &Variant, i: usize) -> String {
    let (_, height) = variant.resolution.unwrap_or_default();
    let name = url::file_name(&variant.uri);
    let stem = name.split('.').next().unwrap_or_default();
    if !variant.stable_variant_id.is_empty() {
        variant.stable_variant_id.clone()
    } else if !variant.name.is_empty() {
        variant.name.clone()
    } else if height > 0 {
        height.to_string() + "p"
    } else if stem.is_empty() {
        i.to_string()
    } else {
        stem.to_owned()
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
