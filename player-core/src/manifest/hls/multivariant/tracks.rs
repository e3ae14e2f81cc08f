//! Rungs and the members of their groups into tracks.

use super::ladder::{Rung, append, insert, is_audio_only};
use super::{Media, MediaType, Variant};
use crate::input::TrackKind;
use crate::manifest::hls::warnings::Warnings;
use crate::presentation::{Alternative, Rendition, SegmentSource, Track, kind_of_codec, split_codecs};
use crate::time::Bitrate;

/// Makes tracks of rungs.
pub(super) struct Builder<'a> {
    pub(super) media: &'a [Media],
    /// All that can be played: groups have codecs only through them.
    pub(super) variants: &'a [&'a Variant],
    pub(super) warnings: &'a mut Warnings,
}

impl Builder<'_> {
    /// What the playlist is for: pictures (or sound, if there are none), sound and subtitles.
    pub(super) fn tracks(&mut self, rungs: &[Rung<'_>]) -> Vec<Track> {
        self.check(rungs);
        let audio_only = rungs.iter().all(|rung| is_audio_only(rung.variant));
        let kind = if audio_only {
            TrackKind::Audio
        } else {
            TrackKind::Video
        };
        let mut tracks = vec![self.main(kind, "main", rungs)];
        for kind in [MediaType::Video, MediaType::Audio, MediaType::Subtitles] {
            self.add_members(kind, rungs, &mut tracks);
        }
        tracks
    }

    /// Pictures for fast-forward and rewind.
    pub(super) fn trick_play(&mut self, rungs: &[Rung<'_>]) -> Vec<Track> {
        let mut tracks = Vec::new();
        if !rungs.is_empty() {
            tracks.push(self.main(TrackKind::Video, "trick-play", rungs));
            self.add_members(MediaType::Video, rungs, &mut tracks);
        }
        tracks
    }

    /// Says what groups must not be (rfc8216bis, 4.4.6.1.1), and which there are not.
    fn check(&mut self, rungs: &[Rung<'_>]) {
        for (i, member) in self.media.iter().enumerate() {
            let (mut name, mut default) = (false, false);
            for other in self.media.iter().take(i) {
                if other.kind == member.kind && other.group_id == member.group_id {
                    name |= other.name == member.name;
                    default |= other.default && member.default;
                }
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
        for rung in rungs {
            for kind in MediaType::ALL {
                let group = group_of(rung.variant, kind);
                let is_none = group.is_empty() || kind == MediaType::ClosedCaptions && group == "NONE";
                if !is_none && !self.media.iter().any(|m| m.kind == kind && m.group_id == group) {
                    let what = "a variant names a group that is not there";
                    self.warnings.say(rung.variant.line, what, group);
                }
            }
        }
    }

    fn main(&self, kind: TrackKind, id: &str, rungs: &[Rung<'_>]) -> Track {
        let mut track = Track {
            kind,
            id: id.to_owned(),
            ..Track::default()
        };
        for rung in rungs {
            track.renditions.push(self.rendition(rung));
        }
        track
    }

    /// Whether the sound of a group is not in the variants' own segments.
    fn is_demuxed(&self, group: &str) -> bool {
        let mut any = false;
        for member in self.media {
            if member.kind == MediaType::Audio && member.group_id == group {
                if member.uri.is_empty() {
                    return false;
                }
                any = true;
            }
        }
        any && !group.is_empty()
    }

    fn rendition(&self, rung: &Rung<'_>) -> Rendition {
        let v = rung.variant;
        let audio_only = is_audio_only(v);
        let demuxed = self.is_demuxed(&v.audio);
        let (width, height) = v.resolution.unwrap_or_default();
        let mut rendition = Rendition {
            id: rung.id.clone(),
            bandwidth: Bitrate::from_bps(v.bandwidth),
            average_bandwidth: v.average_bandwidth.map(Bitrate::from_bps),
            score: v.score,
            container: if audio_only { "audio/mp4" } else { "video/mp4" }.to_owned(),
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
            source: SegmentSource::Playlist(v.uri.clone()),
            ..Rendition::default()
        };
        if v.hdcp_level != "NONE" {
            rendition.hdcp_level.push_str(&v.hdcp_level);
        }
        for copy in &rung.copies {
            rendition
                .alternatives
                .push(alternative(&copy.pathway_id, &copy.uri));
        }
        if demuxed {
            rendition.audio_group.push_str(&v.audio);
            for more in &rung.more_audio {
                if self.is_demuxed(more) {
                    rendition.more_audio_groups.push((*more).to_owned());
                }
            }
        }
        rendition
    }

    /// Codecs of a kind in a group: of the variant with the lowest bitrate that names both.
    fn codecs(&self, kind: MediaType, group: &str) -> String {
        let codec = match kind {
            MediaType::Audio => TrackKind::Audio,
            _ => TrackKind::Text,
        };
        let mut ordered = Vec::new();
        for variant in self.variants {
            if group_of(variant, kind) == group {
                insert(&mut ordered, variant.bandwidth, variant);
            }
        }
        let mut codecs = String::new();
        for (_, variant) in ordered {
            if codecs.is_empty() {
                codecs = split_codecs(&variant.codecs, codec);
            }
        }
        codecs
    }

    /// Adds the members of groups of a kind: other cameras, sound or subtitles. The first track is the variants' own.
    fn add_members(&mut self, kind: MediaType, rungs: &[Rung<'_>], tracks: &mut Vec<Track>) {
        let groups = groups(rungs, kind);
        let first = tracks.len();
        let sound = tracks.first().is_some_and(|main| main.kind == TrackKind::Audio);
        // Those that stand beside others come behind these.
        for beside in [false, true] {
            for member in self.media.iter().filter(|member| member.kind == kind) {
                let group = groups.iter().find(|group| group.id == member.group_id);
                if group.is_some_and(|group| group.id != group.main) != beside {
                    continue;
                }
                self.add_member(member, group, rungs, sound, tracks);
            }
        }
        // The default of a kind is its first track.
        let new = tracks.get(first..).unwrap_or_default();
        if let Some(at) = new.iter().position(|track| track.default) {
            let track = tracks.remove(first + at);
            tracks.insert(first, track);
        }
    }

    fn say(&mut self, member: &Media, what: &str) {
        self.warnings.say(member.line, what, &member.group_id);
    }

    fn add_member(
        &mut self,
        member: &Media,
        group: Option<&Group<'_>>,
        rungs: &[Rung<'_>],
        sound: bool,
        tracks: &mut Vec<Track>,
    ) {
        let id = member.group_id.as_str();
        let alone = Group {
            id,
            main: id,
            pathway: "",
            rung: 0,
        };
        let group = match (group, member.kind) {
            (Some(group), _) => group,
            (None, MediaType::Subtitles) => {
                // Text can be shown with any pictures, and a group that nobody names is not rare.
                self.say(member, "no variant names this group of subtitles");
                &alone
            }
            (None, MediaType::Audio) => return self.say(member, "no variant plays with this group of sound"),
            (None, _) => return,
        };
        // What the variants themselves have.
        let own = member.uri.is_empty()
            || (member.kind == MediaType::Video || sound) && rungs.iter().any(|rung| rung.is_at(&member.uri));
        if own {
            let is_theirs = (member.kind == MediaType::Audio) == sound;
            if let Some(main) = tracks
                .first_mut()
                .filter(|main| is_theirs && main.label.is_empty())
            {
                describe(main, member);
            }
            return;
        }
        let mut rendition = Rendition::default();
        match member.kind {
            MediaType::Video => {
                if let Some(rung) = rungs.get(group.rung) {
                    rendition = self.rendition(rung);
                    rendition.alternatives.clear();
                }
            }
            MediaType::Audio => {
                if !self.is_demuxed(group.main) {
                    return self.say(member, "a group has its main sound in the variants' segments: its other sound is not offered");
                }
                rendition.codecs = self.codecs(member.kind, id);
                rendition.container.push_str("audio/mp4");
                rendition.audio_group.push_str(group.main);
            }
            _ => {
                rendition.codecs = self.codecs(member.kind, id);
                // Text in fragmented MP4 has a codec; WebVTT in files of its own has none.
                let is_mp4 = !rendition.codecs.is_empty();
                let container = if is_mp4 { "application/mp4" } else { "text/vtt" };
                rendition.container.push_str(container);
                rendition.subtitle_group.push_str(group.main);
            }
        }
        add(tracks, member, group, rendition);
    }
}

fn alternative(pathway: &str, url: &str) -> Alternative {
    Alternative {
        pathway: pathway.to_owned(),
        url: url.to_owned(),
    }
}

/// Codecs but for those of text, which has playlists of its own.
fn without_text(codecs: &str) -> String {
    let mut kept = String::new();
    for codec in codecs.split(',') {
        if kind_of_codec(codec) != Some(TrackKind::Text) {
            if !kept.is_empty() {
                kept.push(',');
            }
            kept.push_str(codec);
        }
    }
    kept
}

fn group_of(variant: &Variant, kind: MediaType) -> &str {
    match kind {
        MediaType::Audio => &variant.audio,
        MediaType::ClosedCaptions => &variant.closed_captions,
        MediaType::Subtitles => &variant.subtitles,
        MediaType::Video => &variant.video,
    }
}

/// A group that rungs name.
struct Group<'a> {
    id: &'a str,
    /// The group that stands for it where the rungs are: itself, if they name it.
    main: &'a str,
    /// The pathway of the variants that name it.
    pathway: &'a str,
    /// The first rung that names it.
    rung: usize,
}

/// The groups of a kind that rungs and their copies name. A copy's group stands beside the rung's: same members, other URLs.
fn groups<'a>(rungs: &[Rung<'a>], kind: MediaType) -> Vec<Group<'a>> {
    let mut found: Vec<Group<'a>> = Vec::new();
    let mut push = |rung: usize, id: &'a str, main: &'a str, variant: &'a Variant| {
        if !id.is_empty() && found.iter().all(|group| group.id != id) {
            found.push(Group {
                id,
                main,
                pathway: &variant.pathway_id,
                rung,
            });
        }
    };
    for (i, rung) in rungs.iter().enumerate() {
        let group = group_of(rung.variant, kind);
        push(i, group, group, rung.variant);
    }
    for (i, rung) in rungs.iter().enumerate() {
        if kind == MediaType::Audio {
            for more in &rung.more_audio {
                push(i, more, more, rung.variant);
            }
        }
    }
    for (i, rung) in rungs.iter().enumerate() {
        for copy in &rung.copies {
            push(i, group_of(copy, kind), group_of(rung.variant, kind), copy);
        }
    }
    found
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
    for role in roles(member) {
        track.roles.push(role.to_owned());
    }
}

fn roles(member: &Media) -> impl Iterator<Item = &str> {
    let roles = member.characteristics.split(',').map(str::trim);
    roles.filter(|role| !role.is_empty())
}

/// Adds a member of a group: to the track that it is a quality or a copy of, or as a new track.
fn add(tracks: &mut Vec<Track>, member: &Media, group: &Group<'_>, mut rendition: Rendition) {
    let kind = match member.kind {
        MediaType::Audio => TrackKind::Audio,
        MediaType::Video => TrackKind::Video,
        _ => TrackKind::Text,
    };
    if member.stable_rendition_id.is_empty() {
        rendition.id = group.main.to_owned();
        append(&mut rendition.id, &member.name);
    } else {
        rendition.id.clone_from(&member.stable_rendition_id);
    }
    rendition.pathway = group.pathway.to_owned();
    rendition.source = SegmentSource::Playlist(member.uri.clone());
    // The same in several groups is one track in several qualities. The first track is the variants' own.
    let same = tracks.iter_mut().skip(1).find(|t| {
        t.kind == kind
            && t.label == member.name
            && t.language == member.language
            && t.forced == member.forced
            && roles(member).eq(t.roles.iter().map(String::as_str))
    });
    let Some(track) = same else {
        let mut track = Track {
            kind,
            id: kind.name().to_owned(),
            renditions: vec![rendition],
            ..Track::default()
        };
        describe(&mut track, member);
        append(&mut track.id, &member.name);
        let mut part = &member.language;
        while tracks.iter().any(|other| other.id == track.id) {
            append(&mut track.id, part);
            part = &member.group_id;
        }
        tracks.push(track);
        return;
    };
    track.default |= member.default;
    track.autoselect |= member.autoselect || member.default;
    for known in &mut track.renditions {
        let is_same = match kind {
            TrackKind::Audio => known.audio_group == rendition.audio_group,
            TrackKind::Text => known.subtitle_group == rendition.subtitle_group,
            TrackKind::Video => known.id == rendition.id,
        };
        if is_same {
            let own = matches!(&known.source, SegmentSource::Playlist(url) if *url == member.uri);
            if !own && known.alternatives.iter().all(|copy| copy.url != member.uri) {
                known.alternatives.push(alternative(group.pathway, &member.uri));
            }
            return;
        }
    }
    if member.channels != track.channels {
        rendition.channels.clone_from(&member.channels);
    }
    while track.renditions.iter().any(|other| other.id == rendition.id) {
        append(&mut rendition.id, group.main);
    }
    track.renditions.push(rendition);
}
