//! Rungs and the members of their groups into tracks.

use super::ladder::{Rung, append, is_audio_only};
use super::{Media, MediaType, Variant};
use crate::input::TrackKind;
use crate::manifest::hls::warnings::Warnings;
use crate::presentation::{Alternative, Rendition, SegmentSource, Track, kind_of_codec, split_codecs};
use crate::time::Bitrate;

/// Makes tracks of rungs.
pub(super) struct Builder<'a> {
    pub(super) media: &'a [Media],
    /// Codecs of groups, which only the variants declare.
    pub(super) audio_codecs: Vec<(String, String)>,
    pub(super) subtitle_codecs: Vec<(String, String)>,
    pub(super) warnings: &'a mut Warnings,
}

/// The first codecs of a kind that variants declare for each group, those of low bitrate first.
pub(super) fn codecs_of_groups(
    variants: &[Variant],
    group: fn(&Variant) -> &str,
    kind: TrackKind,
) -> Vec<(String, String)> {
    let mut ordered: Vec<&Variant> = variants.iter().collect();
    ordered.sort_by_key(|variant| variant.bandwidth);
    let mut found: Vec<(String, String)> = Vec::new();
    for variant in ordered {
        let group = group(variant);
        if !group.is_empty() && found.iter().all(|(known, _)| known != group) {
            let codecs = split_codecs(&variant.codecs, kind);
            if !codecs.is_empty() {
                found.push((group.to_owned(), codecs));
            }
        }
    }
    found
}

fn codecs_of(groups: &[(String, String)], group: &str) -> String {
    let found = groups.iter().find(|(known, _)| known == group);
    found.map(|(_, codecs)| codecs.clone()).unwrap_or_default()
}

fn members(media: &[Media], kind: MediaType) -> impl Iterator<Item = &Media> {
    media.iter().filter(move |member| member.kind == kind)
}

impl Builder<'_> {
    /// What the playlist is for: pictures (or sound, if there are none), sound and subtitles.
    pub(super) fn tracks(&mut self, rungs: &[Rung]) -> Vec<Track> {
        let audio_only = rungs.iter().all(|rung| is_audio_only(&rung.variant));
        let kind = if audio_only {
            TrackKind::Audio
        } else {
            TrackKind::Video
        };
        let mut tracks = vec![self.main(kind, "main", rungs)];
        self.angles(rungs, &mut tracks);
        self.audio(rungs, audio_only, &mut tracks);
        self.subtitles(rungs, &mut tracks);
        tracks
    }

    /// Pictures for fast-forward and rewind.
    pub(super) fn trick_play(&self, rungs: &[Rung]) -> Vec<Track> {
        if rungs.is_empty() {
            return Vec::new();
        }
        let mut tracks = vec![self.main(TrackKind::Video, "trick-play", rungs)];
        self.angles(rungs, &mut tracks);
        tracks
    }

    /// Says what groups must not be (rfc8216bis, 4.4.6.1.1), and which there are not.
    pub(super) fn check(&mut self, rungs: &[Rung]) {
        for (i, member) in self.media.iter().enumerate() {
            let before = self.media.iter().take(i);
            let (mut name, mut default) = (false, false);
            for other in before.filter(|m| m.kind == member.kind && m.group_id == member.group_id) {
                name |= other.name == member.name;
                default |= other.default && member.default;
            }
            if name {
                let what = "two members of a group have the same NAME";
                self.warnings.say(member.line, what, &member.name);
            }
            if default {
                let what = "two members of a group are its DEFAULT";
                self.warnings.say(member.line, what, &member.group_id);
            }
        }
        for variant in rungs.iter().map(|rung| &rung.variant) {
            for (kind, group) in [
                (MediaType::Audio, &variant.audio),
                (MediaType::ClosedCaptions, &variant.closed_captions),
                (MediaType::Subtitles, &variant.subtitles),
                (MediaType::Video, &variant.video),
            ] {
                let is_none = group.is_empty() || kind == MediaType::ClosedCaptions && group == "NONE";
                if !is_none && members(self.media, kind).all(|m| m.group_id != *group) {
                    let mut what = kind.name().to_owned();
                    what.push_str(" of a variant names a group that is not there");
                    self.warnings.say(variant.line, &what, group);
                }
            }
        }
    }

    fn main(&self, kind: TrackKind, id: &str, rungs: &[Rung]) -> Track {
        Track {
            kind,
            id: id.to_owned(),
            renditions: rungs.iter().map(|rung| self.rendition(rung)).collect(),
            ..Track::default()
        }
    }

    /// Whether the sound of a group is not in the variants' own segments.
    fn is_demuxed(&self, group: &str) -> bool {
        let mut found = members(self.media, MediaType::Audio)
            .filter(|member| member.group_id == group)
            .peekable();
        !group.is_empty() && found.peek().is_some() && found.all(|member| !member.uri.is_empty())
    }

    fn rendition(&self, rung: &Rung) -> Rendition {
        let v = &rung.variant;
        let audio_only = is_audio_only(v);
        let demuxed = self.is_demuxed(&v.audio);
        let (width, height) = v.resolution.unwrap_or_default();
        let mut rendition = Rendition {
            id: rung.id.clone(),
            bandwidth: Bitrate::from_bps(v.bandwidth),
            average_bandwidth: v.average_bandwidth.map(Bitrate::from_bps),
            score: v.score,
            container: if audio_only { "audio/mp4" } else { "video/mp4" }.into(),
            codecs: if demuxed && !audio_only {
                split_codecs(&v.codecs, TrackKind::Video)
            } else {
                without_text(&v.codecs)
            },
            supplemental_codecs: v.supplemental_codecs.clone(),
            width,
            height,
            frame_rate: v.frame_rate.unwrap_or(0.0),
            video_range: v.video_range.clone(),
            video_layout: v.req_video_layout.clone(),
            subtitle_group: v.subtitles.clone(),
            caption_group: v.closed_captions.clone(),
            pathway: v.pathway_id.clone(),
            alternatives: rung.copies.iter().map(copy).collect(),
            source: SegmentSource::Playlist(v.uri.clone()),
            ..Rendition::default()
        };
        if v.hdcp_level != "NONE" {
            rendition.hdcp_level.clone_from(&v.hdcp_level);
        }
        if demuxed {
            rendition.audio_group.clone_from(&v.audio);
            let more = rung.more_audio.iter().filter(|group| self.is_demuxed(group));
            rendition.more_audio_groups = more.cloned().collect();
        }
        rendition
    }

    /// The same from other cameras: a track each, with a rendition for each rung that has it.
    fn angles(&self, rungs: &[Rung], tracks: &mut Vec<Track>) {
        let groups = groups(rungs, |v| &v.video, false);
        for (member, group) in placed(self.media, MediaType::Video, &groups) {
            let Some(group) = group else { continue };
            if member.uri.is_empty() || rungs.iter().any(|rung| rung.is_at(&member.uri)) {
                // This is what the variants themselves show.
                if let Some(main) = tracks.first_mut().filter(|main| main.label.is_empty()) {
                    describe(main, member);
                }
                continue;
            }
            let rung = rungs.get(group.rung).map(|rung| self.rendition(rung));
            let rendition = Rendition {
                alternatives: Vec::new(),
                ..rung.unwrap_or_default()
            };
            add(tracks, TrackKind::Video, member, group, rendition);
        }
    }

    fn audio(&mut self, rungs: &[Rung], audio_only: bool, tracks: &mut Vec<Track>) {
        let groups = groups(rungs, |v| &v.audio, true);
        let first = tracks.len();
        for (member, group) in placed(self.media, MediaType::Audio, &groups) {
            let Some(group) = group else {
                let what = "no variant plays with this AUDIO group";
                self.warnings.say(member.line, what, &member.group_id);
                continue;
            };
            // Without pictures the variants themselves are one of the members.
            if member.uri.is_empty() || audio_only && rungs.iter().any(|rung| rung.is_at(&member.uri)) {
                let main = tracks.first_mut().filter(|main| main.label.is_empty());
                if let Some(main) = main.filter(|_| audio_only) {
                    describe(main, member);
                }
                continue;
            }
            if !self.is_demuxed(&group.main) {
                let what = "other sound is not offered where a group's main one is in the variants' segments";
                self.warnings.say(member.line, what, &member.name);
                continue;
            }
            let rendition = Rendition {
                container: "audio/mp4".into(),
                codecs: codecs_of(&self.audio_codecs, &member.group_id),
                audio_group: group.main.clone(),
                ..Rendition::default()
            };
            add(tracks, TrackKind::Audio, member, group, rendition);
        }
        default_first(tracks, first);
    }

    fn subtitles(&mut self, rungs: &[Rung], tracks: &mut Vec<Track>) {
        let groups = groups(rungs, |v| &v.subtitles, false);
        let first = tracks.len();
        for (member, known) in placed(self.media, MediaType::Subtitles, &groups) {
            let alone;
            let group = match known {
                Some(group) => group,
                None => {
                    // Text can be shown with any pictures, and a group that nobody names is not rare.
                    let what = "no variant names this SUBTITLES group";
                    self.warnings.say(member.line, what, &member.group_id);
                    alone = Group::new(0, &member.group_id, &member.group_id, "");
                    &alone
                }
            };
            let codecs = codecs_of(&self.subtitle_codecs, &member.group_id);
            let rendition = Rendition {
                // Text in fragmented MP4 has a codec; WebVTT in files of its own has none.
                container: if codecs.is_empty() {
                    "text/vtt"
                } else {
                    "application/mp4"
                }
                .into(),
                codecs,
                subtitle_group: group.main.clone(),
                ..Rendition::default()
            };
            add(tracks, TrackKind::Text, member, group, rendition);
        }
        default_first(tracks, first);
    }
}

fn copy(variant: &Variant) -> Alternative {
    Alternative {
        pathway: variant.pathway_id.clone(),
        url: variant.uri.clone(),
    }
}

/// Codecs but for those of text, which has playlists of its own.
fn without_text(codecs: &str) -> String {
    if split_codecs(codecs, TrackKind::Text).is_empty() {
        return codecs.to_owned();
    }
    let kept = codecs.split(',');
    let kept: Vec<&str> = kept
        .filter(|codec| kind_of_codec(codec) != Some(TrackKind::Text))
        .collect();
    kept.join(",")
}

/// A group that rungs name.
struct Group {
    id: String,
    /// The group that stands for it where the rungs are: itself, if they name it.
    main: String,
    /// The pathway of the variants that name it.
    pathway: String,
    /// The first rung that names it.
    rung: usize,
}

impl Group {
    fn new(rung: usize, id: &str, main: &str, pathway: &str) -> Self {
        Self {
            id: id.to_owned(),
            main: main.to_owned(),
            pathway: pathway.to_owned(),
            rung,
        }
    }
}

/// The groups of a kind that rungs and their copies name. A copy's group stands beside the rung's: same members, other URLs.
fn groups(rungs: &[Rung], of: fn(&Variant) -> &str, is_audio: bool) -> Vec<Group> {
    let mut found: Vec<Group> = Vec::new();
    let mut push = |rung: usize, id: &str, main: &str, pathway: &str| {
        if !id.is_empty() && found.iter().all(|group| group.id != id) {
            found.push(Group::new(rung, id, main, pathway));
        }
    };
    for (i, rung) in rungs.iter().enumerate() {
        let v = &rung.variant;
        push(i, of(v), of(v), &v.pathway_id);
    }
    for (i, rung) in rungs.iter().enumerate() {
        let v = &rung.variant;
        for copy in &rung.copies {
            push(i, of(copy), of(v), &copy.pathway_id);
        }
        for more in rung.more_audio.iter().filter(|_| is_audio) {
            push(i, more, more, &v.pathway_id);
        }
    }
    found
}

/// The members of a kind with their groups, those behind that stand beside others.
fn placed<'a>(
    media: &'a [Media],
    kind: MediaType,
    groups: &'a [Group],
) -> Vec<(&'a Media, Option<&'a Group>)> {
    let group = |member: &Media| groups.iter().find(|group| group.id == member.group_id);
    let mut placed: Vec<_> = members(media, kind)
        .map(|member| (member, group(member)))
        .collect();
    placed.sort_by_key(|(_, group)| group.is_some_and(|group| group.id != group.main));
    placed
}

/// What an `EXT-X-MEDIA` says of its track.
fn describe(track: &mut Track, member: &Media) {
    track.language.clone_from(&member.language);
    track.label.clone_from(&member.name);
    track.default = member.default;
    // What is the default is chosen without the viewer.
    track.autoselect = member.autoselect || member.default;
    track.forced = member.forced;
    track.channels.clone_from(&member.channels);
    track.roles = roles(member);
}

fn roles(member: &Media) -> Vec<String> {
    let roles = member.characteristics.split(',').map(str::trim);
    roles.filter(|role| !role.is_empty()).map(str::to_owned).collect()
}

/// Adds a member of a group: to the track that it is a quality or a copy of, or as a new track.
fn add(tracks: &mut Vec<Track>, kind: TrackKind, member: &Media, group: &Group, mut rendition: Rendition) {
    rendition.id.clone_from(&member.stable_rendition_id);
    if rendition.id.is_empty() {
        rendition.id.clone_from(&group.main);
        append(&mut rendition.id, &member.name);
    }
    rendition.pathway.clone_from(&group.pathway);
    rendition.source = SegmentSource::Playlist(member.uri.clone());
    let roles = roles(member);
    // The same in several groups is one track in several qualities. The first track is the variants' own.
    let same = tracks.iter().skip(1).position(|t| {
        t.kind == kind
            && t.label == member.name
            && t.language == member.language
            && t.forced == member.forced
            && t.roles == roles
    });
    let Some(track) = same.and_then(|i| tracks.get_mut(i + 1)) else {
        let mut track = Track {
            kind,
            id: kind.name().to_owned(),
            renditions: vec![rendition],
            ..Track::default()
        };
        describe(&mut track, member);
        append(&mut track.id, &member.name);
        let language = (!member.language.is_empty()).then_some(&member.language);
        let mut parts = language.into_iter().chain([&member.group_id, &member.uri]);
        while tracks.iter().any(|other| other.id == track.id) {
            append(&mut track.id, parts.next().map_or("", |part| part));
        }
        tracks.push(track);
        return;
    };
    track.default |= member.default;
    track.autoselect |= member.autoselect || member.default;
    let is_same = |r: &&mut Rendition| match kind {
        TrackKind::Audio => r.audio_group == rendition.audio_group,
        TrackKind::Text => r.subtitle_group == rendition.subtitle_group,
        TrackKind::Video => r.id == rendition.id,
    };
    if let Some(known) = track.renditions.iter_mut().find(is_same) {
        let is_new =
            known.source != rendition.source && known.alternatives.iter().all(|copy| copy.url != member.uri);
        if is_new {
            known.alternatives.push(Alternative {
                pathway: rendition.pathway,
                url: member.uri.clone(),
            });
        }
        return;
    }
    if member.channels != track.channels {
        rendition.channels.clone_from(&member.channels);
    }
    while track.renditions.iter().any(|other| other.id == rendition.id) {
        append(&mut rendition.id, &group.main);
    }
    track.renditions.push(rendition);
}

/// The default of a kind is its first track.
fn default_first(tracks: &mut [Track], first: usize) {
    if let Some(tracks) = tracks.get_mut(first..) {
        tracks.sort_by_key(|track| !track.default);
    }
}
