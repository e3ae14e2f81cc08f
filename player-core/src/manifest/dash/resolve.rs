//! From the elements of an MPD to the presentation: inheritance, base URLs, period times.

use super::mpd::{AdaptationSet, Common, Mpd, Period as PeriodElement};
use super::segments::{self, Levels, Naming, PeriodTimes};
use crate::input::TrackKind;
use crate::manifest::ManifestError;
use crate::presentation::{
    Period, Presentation, Protocol, Rendition, SegmentSource, Track, Warning, kind_of_codec,
};
use crate::time::{Bitrate, MediaTime};
use crate::url;

pub(super) fn presentation(
    mpd: &Mpd,
    url: &str,
    mut warnings: Vec<Warning>,
) -> Result<Presentation, ManifestError> {
    if mpd.dynamic {
        return Err(ManifestError::Unsupported("a live MPD (type=\"dynamic\")"));
    }
    let base = with_base(url, &mpd.base_urls);
    let mut periods = Vec::new();
    let mut start = MediaTime::ZERO;
    let mut why = String::new();
    for (i, element) in mpd.periods.iter().enumerate() {
        start = element.start.unwrap_or(start);
        let next_start = mpd.periods.get(i + 1).and_then(|p| p.start);
        let end =
            next_start
                .or_else(|| element.duration.map(|d| start + d))
                .or(if i + 1 == mpd.periods.len() {
                    mpd.duration
                } else {
                    None
                });
        let times = PeriodTimes {
            start,
            duration: end.map(|end| (end - start).max(MediaTime::ZERO)),
        };
        let period = period(
            element,
            &with_base(&base, &element.base_urls),
            times,
            &mut warnings,
            &mut why,
        );
        if !period.tracks.is_empty() {
            periods.push(period);
        }
        start = end.unwrap_or(start);
    }
    if periods.is_empty() {
        return Err(ManifestError::NothingToPlay(why));
    }
    if periods.len() > 1 {
        let message = format!(
            "only the first of {} periods is played by this version",
            periods.len()
        );
        warnings.push(Warning { line: 1, message });
        periods.truncate(1);
    }
    let duration = match periods.last() {
        Some(last) if periods.len() == mpd.periods.len() => {
            mpd.duration.or(last.duration.map(|d| last.start + d))
        }
        Some(last) => last.duration.map(|d| last.start + d),
        None => None,
    };
    let duration = duration.or_else(|| periods.last().and_then(end_of_segments));
    let segment_table = segment_table(mpd, &base);
    Ok(Presentation {
        protocol: Protocol::Dash,
        duration,
        periods,
        segment_table,
        warnings,
        ..Presentation::default()
    })
}

/// The one of the MPD, or else the first one of an adaptation set in the period that is played.
fn segment_table(mpd: &Mpd, base: &str) -> Option<String> {
    let in_sets = || {
        let period = mpd.periods.first()?;
        let base = with_base(base, &period.base_urls);
        let of_set = |set: &AdaptationSet| {
            let reference = set.segment_table.as_deref()?;
            url::resolve(&with_base(&base, &set.base_urls), reference).ok()
        };
        period.sets.iter().find_map(of_set)
    };
    let in_mpd = mpd.segment_table.as_deref();
    in_mpd
        .and_then(|reference| url::resolve(base, reference).ok())
        .or_else(in_sets)
}

fn end_of_segments(period: &Period) -> Option<MediaTime> {
    let ends = period
        .tracks
        .iter()
        .flat_map(|t| &t.renditions)
        .filter_map(|r| match &r.source {
            SegmentSource::Index(index) => Some(index.end()),
            SegmentSource::Playlist(_) | SegmentSource::Sidx(_) => None,
        });
    ends.max()
}

fn with_base(base: &str, base_urls: &[String]) -> String {
    // Alternatives of the same level: the first that can be used.
    base_urls
        .iter()
        .find_map(|relative| url::resolve(base, relative).ok())
        .unwrap_or_else(|| base.to_owned())
}

fn period(
    element: &PeriodElement,
    base: &str,
    times: PeriodTimes,
    warnings: &mut Vec<Warning>,
    why: &mut String,
) -> Period {
    let mut tracks: Vec<Track> = Vec::new();
    for (i, set) in element.sets.iter().enumerate() {
        match track(element, set, base, times, i) {
            Ok(track) => tracks.push(track),
            Err(reason) => {
                if why.is_empty() {
                    *why = format!(": {reason}");
                }
                warnings.push(Warning {
                    line: set.line,
                    message: format!("an AdaptationSet is skipped: {reason}"),
                });
            }
        }
    }
    Period {
        id: element.id.clone(),
        start: times.start,
        duration: times.duration,
        tracks,
        ..Period::default()
    }
}

fn track(
    period: &PeriodElement,
    set: &AdaptationSet,
    base: &str,
    times: PeriodTimes,
    i: usize,
) -> Result<Track, String> {
    if let Some(scheme) = &set.essential {
        return Err(format!("its EssentialProperty \"{scheme}\" is not known"));
    }
    if set.protected {
        return Err("it is encrypted, which this version does not support".into());
    }
    let base = with_base(base, &set.base_urls);
    let mut renditions = Vec::new();
    let mut reason = "it has no Representation".to_owned();
    let mut kind = None;
    for representation in &set.representations {
        let common = representation.common.or(&set.common);
        let this_kind = kind_of(set, &common);
        if this_kind.is_none() {
            "it is neither video nor audio nor text".clone_into(&mut reason);
            continue;
        }
        let base = with_base(&base, &representation.base_urls);
        let naming = Naming {
            base: &base,
            id: &representation.id,
            bandwidth: representation.bandwidth,
        };
        match segments::index(
            Levels([&representation.segments, &set.segments, &period.segments]),
            &naming,
            times,
        ) {
            Ok(index) => {
                kind = this_kind;
                renditions.push(Rendition {
                    id: representation.id.clone(),
                    bandwidth: Bitrate::from_bps(representation.bandwidth),
                    average_bandwidth: None,
                    container: common.mime_type.unwrap_or_else(|| "video/mp4".into()),
                    codecs: common.codecs.unwrap_or_default(),
                    width: common.width.unwrap_or(0),
                    height: common.height.unwrap_or(0),
                    frame_rate: common.frame_rate.unwrap_or(0.0),
                    audio_group: String::new(),
                    source: SegmentSource::Index(index),
                    ..Rendition::default()
                });
            }
            Err(why) => reason = why,
        }
    }
    let Some(kind) = kind else { return Err(reason) };
    renditions.sort_by_key(|r| r.bandwidth);
    let id = if set.id.is_empty() {
        format!("set-{i}")
    } else {
        set.id.clone()
    };
    Ok(Track {
        kind,
        id,
        language: set.language.clone(),
        label: set.label.clone(),
        renditions,
        ..Track::default()
    })
}

fn kind_of(set: &AdaptationSet, common: &Common) -> Option<TrackKind> {
    let mime = common.mime_type.as_deref().unwrap_or_default();
    let declared = if set.content_type.is_empty() {
        mime.split('/').next().unwrap_or_default()
    } else {
        &set.content_type
    };
    match declared {
        "video" => Some(TrackKind::Video),
        "audio" => Some(TrackKind::Audio),
        "text" => Some(TrackKind::Text),
        "application" if mime == "application/ttml+xml" => Some(TrackKind::Text),
        "image" => None,
        _ => common.codecs.as_deref()?.split(',').find_map(kind_of_codec),
    }
}
