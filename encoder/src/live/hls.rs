//! Playlists of a live stream (RFC 8216bis §6.2, Appendix B): whole, as delta updates, and as VOD when it is over.

use std::fmt::Write;
use std::time::Duration;

use super::window::{KeyChange, PartEntry, Segment, TakeEntry, TrackEntry, TrackWindow, Window};
use super::{TrackKind, times};
use crate::manifest::tag::{Tag, decimal, line};
use crate::protect::HLS_CLEAR;

/// The protocol version: 9 for EXT-X-SKIP. There are no date ranges, whose removal would need 10.
const VERSION: u32 = 9;
/// Of a VOD: EXT-X-MAP in playlists of pictures and sound, and fMP4 as current players expect it.
const VOD_VERSION: u32 = 7;
const SOUND: &str = "audio";

/// Parts leave a playlist when their segment is so many target durations from its end.
pub(super) const PARTS_FOR: u32 = 3;
/// A delta update leaves out what is so many target durations from its end.
const SKIP_UNTIL: u32 = 6;

/// Both forms of a media playlist.
pub(super) struct Media {
    pub(super) full: String,
    /// With EXT-X-SKIP, if there is something to skip.
    pub(super) delta: Option<String>,
}

/// The media playlist of the track of this index.
pub(super) fn media(window: &Window, track: &TrackWindow) -> Media {
    let Some(targets) = window.targets else {
        return Media {
            full: String::new(),
            delta: None,
        };
    };
    let mut head = String::from("#EXTM3U\n");
    let target = targets.duration();
    if window.is_over {
        line(&mut head, format_args!("#EXT-X-VERSION:{VOD_VERSION}"));
        line(
            &mut head,
            format_args!("#EXT-X-TARGETDURATION:{}", targets.duration_s),
        );
    } else {
        line(&mut head, format_args!("#EXT-X-VERSION:{VERSION}"));
        line(
            &mut head,
            format_args!("#EXT-X-TARGETDURATION:{}", targets.duration_s),
        );
        Tag::new("EXT-X-SERVER-CONTROL")
            .plain("CAN-BLOCK-RELOAD", "YES")
            .plain("CAN-SKIP-UNTIL", &seconds(target * SKIP_UNTIL))
            .plain("HOLD-BACK", &seconds(target * 3))
            .plain("PART-HOLD-BACK", &seconds(targets.part * 3))
            .end(&mut head);
        Tag::new("EXT-X-PART-INF")
            .plain("PART-TARGET", &seconds(targets.part))
            .end(&mut head);
    }
    let first = track
        .segments
        .front()
        .map_or(track.next, |segment| segment.number);
    line(&mut head, format_args!("#EXT-X-MEDIA-SEQUENCE:{first}"));
    let first_take = track
        .segments
        .front()
        .and_then(|segment| window.take(segment.take));
    let discontinuities = first_take.map_or(0, |take| take.discontinuity);
    if discontinuities > 0 {
        line(
            &mut head,
            format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}"),
        );
    }
    head += "#EXT-X-INDEPENDENT-SEGMENTS\n";

    // How far each segment's beginning is from the end, walking back.
    let parts_for = f64::from(targets.duration_s * PARTS_FOR);
    let skip_until = f64::from(targets.duration_s * SKIP_UNTIL);
    let (mut from_end, mut skipped, mut without_parts) = (0.0, 0, 0);
    for (index, segment) in track.segments.iter().enumerate().rev() {
        // Parts are removed when their segment's end is that far away.
        if from_end > parts_for && without_parts == 0 {
            without_parts = index + 1;
        }
        if from_end >= skip_until && segment.is_whole {
            skipped = index + 1;
            break;
        }
        from_end += segment.seconds();
    }
    without_parts = without_parts.max(skipped);

    let mut full = head.clone();
    let mut delta = (skipped > 0 && !window.is_over).then(|| {
        let mut delta = head;
        Tag::new("EXT-X-SKIP")
            .plain("SKIPPED-SEGMENTS", &skipped.to_string())
            .end(&mut delta);
        delta
    });
    let mut keys_before: Option<&KeyChange> = None;
    let mut before: Option<u32> = None;
    let mut mapped: Option<u32> = None;
    for (index, segment) in track.segments.iter().enumerate() {
        let mut text = String::new();
        if let Some(take) = window.take(segment.take) {
            if before.is_some_and(|before| before != take.id) {
                text += "#EXT-X-DISCONTINUITY\n";
            }
            before = Some(take.id);
            let keys = track.keys(segment);
            if keys != keys_before {
                match keys {
                    None => line(&mut text, format_args!("{HLS_CLEAR}")),
                    Some(change) => {
                        for tag in change.keys.hls_tags() {
                            line(&mut text, format_args!("{tag}"));
                        }
                    }
                }
                keys_before = keys;
            }
            let has_init = take.tracks.iter().any(|of| of.name == track.name);
            if has_init && mapped != Some(take.id) {
                mapped = Some(take.id);
                Tag::new("EXT-X-MAP")
                    .quoted("URI", &format!("../{}/init-{}.mp4", track.name, take.id))
                    .end(&mut text);
            }
            let with_parts = index >= without_parts && !window.is_over;
            segment_text(take, &track.name, segment, with_parts, &mut text);
        }
        full += &text;
        if let Some(delta) = delta.as_mut().filter(|_| index >= skipped) {
            *delta += &text;
        }
    }
    let mut tail = String::new();
    if window.is_over {
        tail += "#EXT-X-ENDLIST\n";
    } else {
        hint_and_reports(window, track, &mut tail);
    }
    full += &tail;
    if let Some(delta) = &mut delta {
        *delta += &tail;
    }
    Media { full, delta }
}

fn segment_text(take: &TakeEntry, track: &str, segment: &Segment, with_parts: bool, out: &mut String) {
    if let Some((date, rest)) = &segment.text {
        *out += date;
        if with_parts {
            parts(track, segment, out);
        }
        *out += rest;
        return;
    }
    *out += &date(take, segment);
    if with_parts {
        parts(track, segment, out);
    }
    if segment.is_whole {
        *out += &rest(track, segment);
    }
}

/// What never changes of a whole segment's lines, before and behind its parts.
pub(super) fn settled(take: &TakeEntry, track: &str, segment: &Segment) -> (String, String) {
    (date(take, segment), rest(track, segment))
}

fn date(take: &TakeEntry, segment: &Segment) -> String {
    let wall = take.wall + segment.starts_at();
    format!("#EXT-X-PROGRAM-DATE-TIME:{}\n", times::date(wall))
}

fn rest(track: &str, segment: &Segment) -> String {
    let gap = if segment.is_gap { "#EXT-X-GAP\n" } else { "" };
    let seconds = decimal(segment.seconds());
    format!("{gap}#EXTINF:{seconds},\n../{track}/{}.m4s\n", segment.number)
}

fn parts(track: &str, segment: &Segment, out: &mut String) {
    for (index, part) in segment.parts.iter().enumerate() {
        let PartEntry {
            duration,
            is_independent,
        } = *part;
        let seconds = f64::from(duration) / f64::from(segment.timescale.max(1));
        let independent = if is_independent { ",INDEPENDENT=YES" } else { "" };
        let _ = writeln!(
            out,
            "#EXT-X-PART:DURATION={},URI=\"../{track}/{}.{index}.m4s\"{independent}",
            decimal(seconds),
            segment.number
        );
    }
}

fn hint_and_reports(window: &Window, track: &TrackWindow, out: &mut String) {
    let (number, part) = match track.open() {
        Some(open) => (open.number, open.parts.len()),
        None => (track.next, 0),
    };
    Tag::new("EXT-X-PRELOAD-HINT")
        .plain("TYPE", "PART")
        .quoted("URI", &format!("../{}/{number}.{part}.m4s", track.name))
        .end(out);
    for other in window.tracks.iter().filter(|other| other.name != track.name) {
        let Some(last) = other.segments.back() else {
            continue;
        };
        let mut report = Tag::new("EXT-X-RENDITION-REPORT")
            .quoted("URI", &format!("{}.m3u8", other.name))
            .plain("LAST-MSN", &last.number.to_string());
        if let Some(part) = last.parts.len().checked_sub(1) {
            report = report.plain("LAST-PART", &part.to_string());
        }
        report.end(out);
    }
}

/// The multivariant playlist: the tracks of the newest take.
pub(super) fn multivariant(take: &TakeEntry) -> String {
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{VOD_VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let is_video = |track: &&TrackEntry| matches!(track.kind, TrackKind::Video { .. });
    let has_video = take.tracks.iter().any(|track| is_video(&track));
    let sounds: Vec<&TrackEntry> = take.tracks.iter().filter(|track| !is_video(track)).collect();
    for (index, sound) in sounds.iter().enumerate() {
        let TrackKind::Audio {
            channels, language, ..
        } = &sound.kind
        else {
            continue;
        };
        if !has_video && sounds.len() == 1 {
            break;
        }
        let mut tag = Tag::new("EXT-X-MEDIA")
            .plain("TYPE", "AUDIO")
            .quoted("GROUP-ID", SOUND)
            .quoted("NAME", &sound.name);
        if let Some(language) = language {
            tag = tag.quoted("LANGUAGE", language);
        }
        tag.plain("DEFAULT", if index == 0 { "YES" } else { "NO" })
            .plain("AUTOSELECT", "YES")
            .quoted("CHANNELS", &channels.to_string())
            .quoted("URI", &format!("{}.m3u8", sound.name))
            .end(&mut text);
    }
    let loudest = sounds.iter().map(|sound| sound.bandwidth).max().unwrap_or(0);
    let variants = take.tracks.iter().filter(|track| !has_video || is_video(track));
    for track in variants {
        let mut codecs = vec![track.codecs.as_str()];
        let mut bandwidth = track.bandwidth;
        if has_video {
            bandwidth = bandwidth.saturating_add(loudest);
            for sound in &sounds {
                if !codecs.contains(&sound.codecs.as_str()) {
                    codecs.push(&sound.codecs);
                }
            }
        }
        let mut tag = Tag::new("EXT-X-STREAM-INF")
            .plain("BANDWIDTH", &bandwidth.to_string())
            .quoted("CODECS", &codecs.join(","));
        if let TrackKind::Video {
            width,
            height,
            frame_rate: (num, den),
        } = track.kind
        {
            let rate = f64::from(num) / f64::from(den.max(1));
            tag = tag
                .plain("RESOLUTION", &format!("{width}x{height}"))
                .plain("FRAME-RATE", &format!("{rate:.3}"));
        }
        if (has_video && !sounds.is_empty()) || sounds.len() > 1 {
            tag = tag.quoted("AUDIO", SOUND);
        }
        if has_video {
            tag = tag.plain("CLOSED-CAPTIONS", "NONE");
        }
        tag.end(&mut text);
        line(&mut text, format_args!("{}.m3u8", track.name));
    }
    text
}

fn seconds(time: Duration) -> String {
    decimal(time.as_secs_f64())
}
