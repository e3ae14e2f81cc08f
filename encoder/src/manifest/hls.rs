//! HLS (RFC 8216bis): a multivariant playlist with demuxed audio groups, and for each rendition a media playlist and, for
//! pictures, an I-frame playlist.

use std::collections::BTreeSet;

use super::tag::{Tag, decimal, line, quotable};
use super::{in_group, init_uri, segment_uri, sound_groups, table};
use crate::index::{Container, Kind, Presentation, Rendition, Sound, Text, bits_per_second};
use crate::pictures;
use crate::protect::{HLS_CLEAR, KeyChange, session_keys};
use crate::text::TextSegment;

/// The protocol version: 6 for EXT-X-MAP in playlists of pictures and sound, 7 for what current players expect of fMP4.
const VERSION: u32 = 7;

const SUBTITLES_GROUP: &str = "subtitles";

/// The multivariant playlist; everything is named by URIs beside it.
pub(super) fn multivariant(presentation: &Presentation) -> String {
    let Presentation {
        renditions,
        for_hls,
        texts,
        images,
    } = presentation;
    let renditions = for_hls.as_ref().unwrap_or(renditions);
    let subtitles = (!texts.is_empty()).then_some(SUBTITLES_GROUP);
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let session_data = Tag::new("EXT-X-SESSION-DATA");
    let session_data = session_data
        .quoted("DATA-ID", "dev.headgate.segments")
        .quoted("URI", table::URI);
    session_data.end(&mut text);
    let changes = renditions
        .iter()
        .filter_map(|rendition| rendition.protection.as_ref())
        .flat_map(|protection| &protection.changes);
    for tag in session_keys(changes.flat_map(|change| &change.keys)) {
        line(&mut text, format_args!("{tag}"));
    }
    let groups = sound_groups(renditions);
    let has_video = renditions.iter().any(Rendition::is_video);
    let has_choice = groups.iter().any(|group| in_group(renditions, group).count() > 1);
    for group in &groups {
        // Names of a group's members differ (RFC 8216bis §4.4.6.1.1), whatever their sources call them.
        let mut names = BTreeSet::new();
        for (rendition, number) in in_group(renditions, group).zip(1_u32..) {
            if let Kind::Audio(sound) = &rendition.kind
                && (has_video || has_choice)
            {
                let mut name = quotable(&sound.label);
                let mut numbers = number..;
                while name.is_empty() || names.contains(&name) {
                    let number = numbers.next().unwrap_or_default();
                    name = format!("{} {number}", sound.label).trim().to_owned();
                    name = quotable(&name);
                }
                alternative(rendition, sound, &name).end(&mut text);
                names.insert(name);
            }
        }
    }
    for track in texts {
        subtitles_tag(track).end(&mut text);
    }
    for video in renditions.iter().filter(|rendition| rendition.is_video()) {
        if groups.is_empty() {
            variant(video, (None, subtitles), renditions, &mut text);
        }
        for group in &groups {
            variant(video, (Some(group), subtitles), renditions, &mut text);
        }
    }
    if !has_video {
        for group in &groups {
            let is_default =
                |rendition: &&Rendition| matches!(&rendition.kind, Kind::Audio(s) if s.is_default);
            let first = in_group(renditions, group).find(is_default);
            if let Some(sound) = first.or_else(|| in_group(renditions, group).next()) {
                variant(
                    sound,
                    (has_choice.then_some(*group), subtitles),
                    renditions,
                    &mut text,
                );
            }
        }
    }
    for video in renditions.iter().filter(|rendition| rendition.has_key_frames()) {
        i_frame_variant(video, &mut text);
    }
    if let Some(images) = images {
        text += &pictures::hls_stream_inf(images, &format!("{}.m3u8", images.name));
    }
    text
}

/// The media playlist of a subtitle track.
pub(super) fn texts(track: &Text) -> String {
    let seconds = |segment: &TextSegment| segment.duration as f64 / f64::from(track.timescale);
    let longest = track.segments.iter().map(seconds).fold(0.0, f64::max);
    let mut text = head(1, (longest.round() as u32).max(1));
    for segment in &track.segments {
        line(&mut text, format_args!("#EXTINF:{},", decimal(seconds(segment))));
        line(
            &mut text,
            format_args!("../{}/{}.vtt", track.name, segment.number),
        );
    }
    text + "#EXT-X-ENDLIST\n"
}

fn subtitles_tag(track: &Text) -> Tag {
    let mut tag = Tag::new("EXT-X-MEDIA")
        .plain("TYPE", "SUBTITLES")
        .quoted("GROUP-ID", SUBTITLES_GROUP)
        .quoted("NAME", &track.label);
    if track.language != "und" {
        tag = tag.quoted("LANGUAGE", &track.language);
    }
    tag = tag.plain("DEFAULT", "NO").plain("AUTOSELECT", "YES");
    if track.role.is_forced() {
        tag = tag.plain("FORCED", "YES");
    }
    if let Some(characteristics) = track.role.hls_characteristics() {
        tag = tag.quoted("CHARACTERISTICS", characteristics);
    }
    tag.quoted("URI", &format!("{}.m3u8", track.name))
}

/// The media playlist of one rendition.
pub(super) fn media(rendition: &Rendition) -> String {
    let mut text = head(first_number(rendition), rendition.target_duration_s());
    text += "#EXT-X-INDEPENDENT-SEGMENTS\n";
    map(rendition, &mut text);
    let mut keys = Keys::of(rendition);
    for segment in &rendition.segments {
        keys.before(segment.number, &mut text);
        let seconds = rendition.seconds(segment);
        let kbps = bits_per_second(segment.bytes, seconds).div_ceil(1000);
        line(&mut text, format_args!("#EXT-X-BITRATE:{kbps}"));
        line(&mut text, format_args!("#EXTINF:{},", decimal(seconds)));
        if matches!(rendition.container, Container::SingleFile { .. }) {
            line(
                &mut text,
                format_args!("#EXT-X-BYTERANGE:{}@{}", segment.bytes, segment.offset),
            );
        }
        line(&mut text, format_args!("{}", segment_uri(rendition, segment)));
    }
    text + "#EXT-X-ENDLIST\n"
}

/// The I-frame playlist of one rendition (RFC 8216bis §4.4.3.6): a range of a segment for each picture that can be shown
/// alone, from its `moof` to its end.
pub(super) fn i_frames(rendition: &Rendition) -> String {
    let frames = rendition.key_frames();
    let seconds = |ticks: u64| ticks as f64 / f64::from(rendition.timescale);
    let longest = frames
        .iter()
        .map(|(.., ticks)| seconds(*ticks))
        .fold(0.0, f64::max);
    let mut text = head(first_number(rendition), (longest.round() as u32).max(1));
    text += "#EXT-X-I-FRAMES-ONLY\n";
    map(rendition, &mut text);
    let mut keys = Keys::of(rendition);
    for (segment, frame, ticks) in frames {
        keys.before(segment.number, &mut text);
        line(&mut text, format_args!("#EXTINF:{},", decimal(seconds(ticks))));
        let offset = segment.offset + frame.offset;
        line(
            &mut text,
            format_args!("#EXT-X-BYTERANGE:{}@{offset}", frame.bytes),
        );
        line(&mut text, format_args!("{}", segment_uri(rendition, segment)));
    }
    text + "#EXT-X-ENDLIST\n"
}

fn first_number(rendition: &Rendition) -> u32 {
    rendition.segments.first().map_or(1, |segment| segment.number)
}

/// The key tags of a rendition, each before the first segment that it is for.
struct Keys<'a>(&'a [KeyChange]);

impl<'a> Keys<'a> {
    fn of(rendition: &'a Rendition) -> Self {
        Self(
            rendition
                .protection
                .as_ref()
                .map_or(&[], |protection| &protection.changes),
        )
    }

    /// What changes with the segment of this number, or did with one that was left out.
    fn before(&mut self, number: u32, text: &mut String) {
        let due = self.0.iter().take_while(|change| change.segment <= number);
        let (due, later) = self.0.split_at(due.count());
        self.0 = later;
        let Some(change) = due.last() else { return };
        if change.keys.is_empty() {
            line(text, format_args!("{HLS_CLEAR}"));
        }
        for key in &change.keys {
            line(text, format_args!("{}", key.key_tag()));
        }
    }
}

fn head(first: u32, target_duration_s: u32) -> String {
    format!(
        "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target_duration_s}\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n"
    )
}

fn map(rendition: &Rendition, text: &mut String) {
    let map = Tag::new("EXT-X-MAP").quoted("URI", &init_uri(rendition));
    match rendition.container {
        Container::Files => map.end(text),
        Container::SingleFile { init_bytes, .. } => {
            map.quoted("BYTERANGE", &format!("{init_bytes}@0")).end(text)
        }
        Container::TransportStream => {}
    }
}

fn alternative(rendition: &Rendition, sound: &Sound, name: &str) -> Tag {
    let mut tag = Tag::new("EXT-X-MEDIA")
        .plain("TYPE", "AUDIO")
        .quoted("GROUP-ID", &sound.group)
        .quoted("NAME", name);
    if let Some(language) = &sound.language {
        tag = tag.quoted("LANGUAGE", language);
    }
    if sound.describes_video {
        tag = tag.quoted("CHARACTERISTICS", "public.accessibility.describes-video");
    }
    tag.plain("DEFAULT", if sound.is_default { "YES" } else { "NO" })
        .plain("AUTOSELECT", "YES")
        .quoted("CHANNELS", &sound.channels.to_string())
        .quoted("URI", &format!("{}.m3u8", rendition.name))
}

/// A variant and its sound; BANDWIDTH is the largest sum of peaks of what may play together (RFC 8216bis §4.4.6.2).
fn variant(
    rendition: &Rendition,
    (group, subtitles): (Option<&str>, Option<&str>),
    renditions: &[Rendition],
    text: &mut String,
) {
    let others: Vec<&Rendition> = match group {
        Some(group) if rendition.is_video() => in_group(renditions, group).collect(),
        _ => Vec::new(),
    };
    let most =
        |of: fn(&Rendition) -> u64| of(rendition) + others.iter().map(|other| of(other)).max().unwrap_or(0);
    let mut codecs = vec![rendition.codecs.as_str()];
    for other in &others {
        if !codecs.contains(&other.codecs.as_str()) {
            codecs.push(&other.codecs);
        }
    }
    let mut tag = Tag::new("EXT-X-STREAM-INF")
        .plain("BANDWIDTH", &most(Rendition::peak_bps).to_string())
        .plain("AVERAGE-BANDWIDTH", &most(Rendition::average_bps).to_string())
        .quoted("CODECS", &codecs.join(","));
    if let Kind::Video { width, height, rate } = rendition.kind {
        tag = tag
            .plain("RESOLUTION", &format!("{width}x{height}"))
            .plain("FRAME-RATE", &format!("{:.3}", rate.fps()))
            .plain("VIDEO-RANGE", video_range(rendition));
    }
    if let Some(group) = group {
        tag = tag.quoted("AUDIO", group);
    }
    if let Some(subtitles) = subtitles {
        tag = tag.quoted("SUBTITLES", subtitles);
    }
    if rendition.is_video() {
        tag = tag.plain("CLOSED-CAPTIONS", "NONE");
    }
    tag.end(text);
    line(text, format_args!("{}.m3u8", rendition.name));
}

fn i_frame_variant(video: &Rendition, text: &mut String) {
    let Kind::Video { width, height, .. } = video.kind else {
        return;
    };
    let frames = video.key_frames();
    let rate = |bytes: u64, ticks: u64| bits_per_second(bytes, ticks as f64 / f64::from(video.timescale));
    let peak = frames
        .iter()
        .map(|(_, frame, ticks)| rate(frame.bytes, *ticks))
        .max();
    let bytes = frames.iter().map(|(_, frame, _)| frame.bytes).sum();
    Tag::new("EXT-X-I-FRAME-STREAM-INF")
        .plain("BANDWIDTH", &peak.unwrap_or(0).to_string())
        .plain("AVERAGE-BANDWIDTH", &rate(bytes, video.duration()).to_string())
        .quoted("CODECS", &video.codecs)
        .plain("RESOLUTION", &format!("{width}x{height}"))
        .plain("VIDEO-RANGE", video_range(video))
        .quoted("URI", &format!("{}.iframes.m3u8", video.name))
        .end(text);
}

fn video_range(video: &Rendition) -> &'static str {
    video.colour.map_or("SDR", |colour| colour.video_range().name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_of_one_label_have_names_of_their_own() {
        let sound = |(label, number): (&str, usize)| Rendition {
            name: format!("audio-{number}"),
            kind: Kind::Audio(Sound {
                rate: 48_000,
                channels: 2,
                language: None,
                label: label.to_owned(),
                is_default: number == 0,
                describes_video: false,
                group: "audio".to_owned(),
            }),
            codecs: "mp4a.40.2".to_owned(),
            timescale: 48_000,
            container: Container::Files,
            colour: None,
            segments: Vec::new(),
            protection: None,
        };
        let labels = ["Stereo 2", "Stereo", "Stereo", "", "Stereo"];
        let presentation = Presentation {
            renditions: labels.into_iter().zip(0..).map(sound).collect(),
            ..Presentation::default()
        };
        let text = multivariant(&presentation);
        let names = text.lines().filter_map(|line| line.split_once("NAME=\""));
        let names: Vec<_> = names.filter_map(|(_, rest)| rest.split('"').next()).collect();
        assert_eq!(names, ["Stereo 2", "Stereo", "Stereo 3", "4", "Stereo 5"]);
    }
}
