//! The MPD of a live stream (ISO/IEC 23009-1:2022 §5.3, Annex K): a period a take, segments by number, chunks before their segment is
//! whole. When the stream is over it is static, with the same times, ids and URLs.

use std::time::{Duration, SystemTime};

use super::window::{TakeEntry, TrackEntry, Window};
use super::{TrackKind, times};
use crate::manifest::dash::content_protection;
use crate::manifest::xml::Element;
use crate::protect::{ContentProtection, NAMESPACES};

/// The MPD at `now`; nothing before there is a take that can be played.
pub(super) fn mpd(window: &Window, target: Duration, now: SystemTime) -> Option<String> {
    let targets = window.targets?;
    let takes: Vec<&TakeEntry> = window.takes.iter().filter(|take| take.is_ready).collect();
    let first = takes.first()?;
    // Period@start counts from the first take of all, so that it stays the same when old takes leave.
    let epoch = window.epoch.unwrap_or(first.wall);
    let start = |take: &TakeEntry| {
        let (_, skipped) = kept_from(take, window);
        (take.wall + skipped).duration_since(epoch).unwrap_or_default()
    };
    let lasts = |take: &TakeEntry| {
        window
            .is_whole_for(take)
            .saturating_sub(kept_from(take, window).1)
    };
    let mut mpd = Element::new("MPD").with("xmlns", "urn:mpeg:dash:schema:mpd:2011");
    if window.tracks.iter().any(|track| !track.keys.is_empty()) {
        for (name, uri) in NAMESPACES {
            mpd = mpd.with(name, uri);
        }
    }
    mpd = mpd
        .with("profiles", "urn:mpeg:dash:profile:isoff-live:2011")
        .with("minBufferTime", times::duration(targets.part * 3))
        .with("maxSegmentDuration", times::duration(targets.duration()));
    // Not in each template: FFmpeg resolves those twice.
    mpd = mpd.child(Element::new("BaseURL").text("../"));
    if window.is_over {
        let end = takes
            .last()
            .map_or(Duration::ZERO, |last| start(last) + lasts(last));
        mpd = mpd
            .with("type", "static")
            .with("mediaPresentationDuration", times::duration(end));
    } else {
        mpd = mpd
            .with("type", "dynamic")
            .with("availabilityStartTime", times::date(epoch))
            .with("publishTime", times::date(now))
            .with("minimumUpdatePeriod", times::duration(targets.segment));
        if window.dvr < Duration::from_secs(UNBOUNDED_S) {
            mpd = mpd.with("timeShiftBufferDepth", times::duration(window.dvr));
        }
        let latency = |time: Duration| time.as_millis().to_string();
        let service = Element::new("ServiceDescription").with("id", 0);
        mpd = mpd.child(
            service
                .child(
                    Element::new("Latency")
                        .with("referenceId", 0)
                        .with("target", latency(target))
                        .with("min", latency(target * 2 / 3))
                        .with("max", latency(target * 2)),
                )
                .child(
                    Element::new("PlaybackRate")
                        .with("min", "0.96")
                        .with("max", "1.04"),
                ),
        );
    }
    for take in takes {
        let mut period = Element::new("Period")
            .with("id", take.id)
            .with("start", times::duration(start(take)));
        if !take.is_open {
            period = period.with("duration", times::duration(lasts(take)));
        }
        let video: Vec<&TrackEntry> = take.tracks.iter().filter(|track| is_video(track)).collect();
        if !video.is_empty() {
            let set = set(0)
                .with("contentType", "video")
                .with("mimeType", "video/mp4")
                .with("startWithSAP", 1);
            period = period.child(filled(set, take, &video, window));
        }
        let sounds = take.tracks.iter().filter(|track| !is_video(track));
        for (sound, id) in sounds.zip(1..) {
            let TrackKind::Audio { language, .. } = &sound.kind else {
                continue;
            };
            let set = set(id)
                .with("contentType", "audio")
                .with("mimeType", "audio/mp4")
                .with("startWithSAP", 1)
                .with_some("lang", language.as_ref());
            period = period.child(filled(set, take, &[sound], window));
        }
        mpd = mpd.child(period);
    }
    if !window.is_over {
        mpd = mpd.child(
            Element::new("UTCTiming")
                .with("schemeIdUri", "urn:mpeg:dash:utc:http-iso:2014")
                .with("value", TIME),
        );
    }
    Some(mpd.document())
}

fn is_video(track: &TrackEntry) -> bool {
    matches!(track.kind, TrackKind::Video { .. })
}

fn set(id: u32) -> Element {
    Element::new("AdaptationSet")
        .with("id", id)
        .with("segmentAlignment", "true")
}

fn filled(mut set: Element, take: &TakeEntry, tracks: &[&TrackEntry], window: &Window) -> Element {
    // Where all have the same keys the set says so, as every player can read it.
    let mut each = tracks.iter().map(|track| protection(take, track, window));
    let first = each.next().unwrap_or_default();
    let common = if each.all(|other| other == first) {
        first
    } else {
        &[]
    };
    set = set.children(common.iter().map(content_protection));
    if !window.is_over {
        // Where each Representation's clock stands; the chunks say it again.
        set = set.child(
            Element::new("ProducerReferenceTime")
                .with("id", 0)
                .with("inband", "true")
                .with("type", "captured")
                .with("wallClockTime", times::date(take.wall))
                .with("presentationTime", 0)
                .child(
                    Element::new("UTCTiming")
                        .with("schemeIdUri", "urn:mpeg:dash:utc:http-iso:2014")
                        .with("value", TIME),
                ),
        );
    }
    set.children(tracks.iter().map(|track| {
        let own = if common.is_empty() {
            protection(take, track, window)
        } else {
            &[]
        };
        let element = representation(track).children(own.iter().map(content_protection));
        element.child(template(take, track, window))
    }))
}

/// What is said of a track's keys; those that follow in the take, `pssh` boxes in the chunks tell.
fn protection<'a>(take: &TakeEntry, track: &TrackEntry, window: &'a Window) -> &'a [ContentProtection] {
    let index = window.track(&track.name);
    let track = index.and_then(|index| window.tracks.get(index));
    track
        .and_then(|track| track.newest_keys(take.id))
        .map_or(&[], |keys| &keys.dash)
}

/// The number of a take's first segment, and where in the take it begins. When nothing leaves the window any more that is the first that
/// is left: players of VOD begin with what the MPD lists first.
pub(super) fn kept_from(take: &TakeEntry, window: &Window) -> (u64, Duration) {
    let first = take.first.max(window.first());
    let index = u32::try_from(first - take.first).unwrap_or(u32::MAX);
    match window.is_over && index > 0 {
        true => (first, take.segment.saturating_mul(index)),
        false => (take.first, Duration::ZERO),
    }
}

fn template(take: &TakeEntry, track: &TrackEntry, window: &Window) -> Element {
    let ticks = (take.segment.as_secs_f64() * f64::from(track.timescale)).round() as u64;
    let (number, skipped) = kept_from(take, window);
    let mut template = Element::new("SegmentTemplate")
        .with("timescale", track.timescale)
        .with("duration", ticks)
        .with("startNumber", number)
        .with(
            "initialization",
            format!("$RepresentationID$/init-{}.mp4", take.id),
        )
        .with("media", "$RepresentationID$/$Number$.m4s");
    if !skipped.is_zero() {
        let offset = (skipped.as_secs_f64() * f64::from(track.timescale)).round() as u64;
        template = template.with("presentationTimeOffset", offset);
    }
    if !window.is_over {
        let part = window.targets.map_or(take.segment, |targets| targets.part);
        // A chunk is there when it has been encoded, too; what is asked for too early is held all the same.
        let early = take.segment.saturating_sub(part).saturating_sub(take.delay);
        template = template
            .with("availabilityTimeOffset", format!("{:.3}", early.as_secs_f64()))
            .with("availabilityTimeComplete", "false");
    }
    template
}

fn representation(track: &TrackEntry) -> Element {
    let element = Element::new("Representation")
        .with("id", &track.name)
        .with("bandwidth", track.bandwidth)
        .with("codecs", &track.codecs);
    match &track.kind {
        TrackKind::Video {
            width,
            height,
            frame_rate: (num, den),
        } => element
            .with("width", width)
            .with("height", height)
            .with("frameRate", format!("{num}/{den}")),
        TrackKind::Audio { rate, channels, .. } => element.with("audioSamplingRate", rate).child(
            Element::new("AudioChannelConfiguration")
                .with(
                    "schemeIdUri",
                    "urn:mpeg:dash:23003:3:audio_channel_configuration:2011",
                )
                .with("value", channels),
        ),
    }
}

/// The origin's clock. Players resolve it against the MPD or against its BaseURL: there is one in both places.
const TIME: &str = "time";
/// A window longer than this is all of the stream.
const UNBOUNDED_S: u64 = 365 * 24 * 3600;
