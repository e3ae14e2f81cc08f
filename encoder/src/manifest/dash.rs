//! DASH (ISO/IEC 23009-1): a static MPD with a SegmentTimeline per adaptation set.

use std::time::Duration;

use dash_mpd_core::{
    AdaptationSet, AudioChannelConfiguration, MPD, Period, Representation, Role, S, SegmentTemplate,
    SegmentTimeline, SupplementalProperty,
};

use super::table;
use crate::error::EncodeError;
use crate::index::{Kind, Rendition};

/// The MPD; segments lie in `../<name>/`.
pub(crate) fn mpd(renditions: &[Rendition]) -> Result<Vec<u8>, EncodeError> {
    let longest_s = |of: fn(&Rendition) -> f64| renditions.iter().map(of).fold(0.0, f64::max);
    let max_segment_s = longest_s(|rendition| {
        rendition
            .segments
            .iter()
            .map(|segment| rendition.seconds(segment))
            .fold(0.0, f64::max)
    });
    let (video, audio): (Vec<_>, Vec<_>) = renditions.iter().partition(|rendition| rendition.is_video());
    let mut adaptations = Vec::new();
    for set in [video, audio] {
        if let Some(first) = set.first() {
            adaptations.push(adaptation_set(adaptations.len() + 1, first, &set));
        }
    }
    let mpd = MPD {
        xmlns: Some("urn:mpeg:dash:schema:mpd:2011".to_owned()),
        profiles: Some("urn:mpeg:dash:profile:isoff-live:2011,urn:mpeg:dash:profile:cmaf:2019".to_owned()),
        mpdtype: Some("static".to_owned()),
        mediaPresentationDuration: Some(duration(longest_s(Rendition::duration_s))),
        maxSegmentDuration: Some(duration(max_segment_s)),
        // Representations state the peak of a segment, so one segment's time is enough to start.
        minBufferTime: Some(duration(max_segment_s)),
        periods: vec![Period {
            id: Some("0".to_owned()),
            start: Some(Duration::ZERO),
            adaptations,
            ..Period::default()
        }],
        supplemental_property: vec![SupplementalProperty {
            schemeIdUri: "urn:headgate:segments:2026".to_owned(),
            value: Some(table::URI.to_owned()),
            ..SupplementalProperty::default()
        }],
        ..MPD::default()
    };
    let fail = |reason: String| EncodeError::Manifest {
        manifest: "dash/manifest.mpd".to_owned(),
        reason,
    };
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    use std::fmt::Write;
    writeln!(xml, "{mpd}").map_err(|error| fail(error.to_string()))?;
    Ok(xml.into_bytes())
}

fn adaptation_set(id: usize, first: &Rendition, set: &[&Rendition]) -> AdaptationSet {
    let (content, frame_rate) = match first.kind {
        Kind::Video { rate, .. } => ("video", Some(rate.to_string())),
        Kind::Audio { .. } => ("audio", None),
    };
    let size = |of: fn(&Kind) -> u32| set.iter().map(|rendition| u64::from(of(&rendition.kind))).max();
    let max_width = size(|kind| {
        if let Kind::Video { width, .. } = kind {
            *width
        } else {
            0
        }
    });
    let max_height = size(|kind| {
        if let Kind::Video { height, .. } = kind {
            *height
        } else {
            0
        }
    });
    AdaptationSet {
        id: Some(id.to_string()),
        contentType: Some(content.to_owned()),
        mimeType: Some(format!("{content}/mp4")),
        segmentAlignment: Some(true),
        startWithSAP: Some(1),
        maxWidth: max_width.filter(|width| *width > 0),
        maxHeight: max_height.filter(|height| *height > 0),
        frameRate: frame_rate,
        Role: vec![Role {
            schemeIdUri: "urn:mpeg:dash:role:2011".to_owned(),
            value: Some("main".to_owned()),
            ..Role::default()
        }],
        // Every rendition of a set has the same segments at the same times.
        SegmentTemplate: Some(SegmentTemplate {
            initialization: Some("../$RepresentationID$/init.mp4".to_owned()),
            media: Some("../$RepresentationID$/$Number$.m4s".to_owned()),
            startNumber: Some(1),
            timescale: Some(u64::from(first.timescale)),
            SegmentTimeline: Some(SegmentTimeline {
                segments: timeline(first),
            }),
            ..SegmentTemplate::default()
        }),
        representations: set.iter().map(|rendition| representation(rendition)).collect(),
        ..AdaptationSet::default()
    }
}

fn representation(rendition: &Rendition) -> Representation {
    let mut representation = Representation {
        id: Some(rendition.name.clone()),
        bandwidth: Some(rendition.peak_bps()),
        codecs: Some(rendition.codecs.clone()),
        ..Representation::default()
    };
    match rendition.kind {
        Kind::Video { width, height, .. } => {
            representation.width = Some(u64::from(width));
            representation.height = Some(u64::from(height));
            representation.sar = Some("1:1".to_owned());
        }
        Kind::Audio { rate, channels } => {
            representation.audioSamplingRate = Some(rate.to_string());
            representation.AudioChannelConfiguration = vec![AudioChannelConfiguration {
                schemeIdUri: "urn:mpeg:mpegB:cicp:ChannelConfiguration".to_owned(),
                value: Some(channels.to_string()),
                id: None,
            }];
        }
    }
    representation
}

/// Runs of equal segments; the first states where it begins.
fn timeline(rendition: &Rendition) -> Vec<S> {
    let mut runs: Vec<S> = Vec::new();
    for segment in &rendition.segments {
        match runs.last_mut() {
            Some(run) if run.d == segment.duration => run.r = Some(run.r.unwrap_or(0) + 1),
            last => {
                let start = last.is_none().then_some(segment.start);
                runs.push(S {
                    t: start,
                    d: segment.duration,
                    ..S::default()
                });
            }
        }
    }
    runs
}

fn duration(seconds: f64) -> Duration {
    // Milliseconds, rounded up: a presentation must not be declared shorter than it is.
    Duration::from_millis((seconds * 1000.0 - 1e-6).ceil().max(0.0) as u64)
}
