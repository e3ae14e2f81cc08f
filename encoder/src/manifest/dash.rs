//! DASH (ISO/IEC 23009-1): a static MPD, with segments of their own or with an index in each file.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::xml::Element;
use super::{in_group, init_uri, sound_groups, table};
use crate::cmaf::colour::Colour;
use crate::index::{Container, Kind, Presentation, Rendition, Segment, Sound, Text, bits_per_second};
use crate::packager::Packaging;
use crate::pictures;
use crate::protect::{ContentProtection, NAMESPACES};

/// The MPD; what it names lies in `..`.
pub(super) fn mpd(presentation: &Presentation, packaging: &Packaging) -> String {
    let renditions = presentation.renditions.as_slice();
    let longest_s = |of: fn(&Rendition) -> f64| renditions.iter().map(of).fold(0.0, f64::max);
    let max_segment_s = longest_s(|rendition| {
        let seconds = rendition
            .segments
            .iter()
            .map(|segment| rendition.seconds(segment));
        seconds.fold(0.0, f64::max)
    });
    let all_s = longest_s(Rendition::duration_s);
    let video_s = renditions
        .iter()
        .filter(|rendition| rendition.is_video())
        .map(Rendition::duration_s);
    let presented_s = match video_s.reduce(f64::max) {
        // Players count the segments by it: a little sound after the last picture must not add one.
        Some(video_s) if packaging.constant_duration && all_s - video_s <= max_segment_s => video_s,
        _ => all_s,
    };
    let form = Form {
        packaging,
        presented_s,
    };
    let profile = match packaging.single_file {
        true => "urn:mpeg:dash:profile:isoff-on-demand:2011",
        false => "urn:mpeg:dash:profile:isoff-live:2011",
    };
    let sets = sets(renditions);
    let adaptations = sets
        .iter()
        .zip(1..)
        .map(|(set, id)| adaptation_set(id, set, &form));
    let texts = presentation
        .texts
        .iter()
        .zip(sets.len() + 1..)
        .map(|(text, id)| text_set(id, text));
    let images = presentation.images.iter().map(|images| {
        let id = sets.len() + presentation.texts.len() + 1;
        pictures::dash_adaptation_set(images, id, &format!("../{}/", images.name))
    });
    let period = Element::new("Period")
        .with("id", "0")
        .with("start", "PT0S")
        .children(adaptations)
        .children(texts)
        .children(images);
    let is_protected = renditions.iter().any(|rendition| rendition.protection.is_some());
    let namespaces = NAMESPACES.iter().filter(|_| is_protected);
    let root = Element::new("MPD").with("xmlns", "urn:mpeg:dash:schema:mpd:2011");
    namespaces
        .fold(root, |root, (name, uri)| root.with(name, uri))
        .with("profiles", format!("{profile},urn:mpeg:dash:profile:cmaf:2019"))
        .with("type", "static")
        .with("mediaPresentationDuration", duration(presented_s))
        .with("maxSegmentDuration", duration(max_segment_s))
        // Representations state the peak of a segment, so one segment's time is enough to start.
        .with("minBufferTime", duration(max_segment_s))
        .child(period)
        .child(
            Element::new("SupplementalProperty")
                .with("schemeIdUri", "urn:headgate:segments:2026")
                .with("value", table::URI),
        )
        .document()
}

/// How the MPD is written.
struct Form<'a> {
    packaging: &'a Packaging,
    /// Length of the presentation in seconds.
    presented_s: f64,
}

/// What may be switched between: pictures of one codec and frame rate family, sound of one track, codec and layout.
fn sets(renditions: &[Rendition]) -> Vec<Vec<&Rendition>> {
    let mut sets: Vec<(&str, Vec<&Rendition>)> = Vec::new();
    for rendition in renditions.iter().filter(|rendition| rendition.is_video()) {
        let codec = rendition.codecs.split('.').next().unwrap_or_default();
        match sets.iter_mut().find(|(other, _)| *other == codec) {
            Some((_, set)) => set.push(rendition),
            None => sets.push((codec, vec![rendition])),
        }
    }
    let sound = sound_groups(renditions)
        .into_iter()
        .flat_map(|group| in_group(renditions, group));
    let sound: Vec<Vec<&Rendition>> = sound.map(|rendition| vec![rendition]).collect();
    sets.into_iter().map(|(_, set)| set).chain(sound).collect()
}

fn adaptation_set(id: usize, set: &[&Rendition], form: &Form<'_>) -> Element {
    let content = match set.first() {
        Some(first) if first.is_video() => "video",
        _ => "audio",
    };
    let mut element = Element::new("AdaptationSet")
        .with("id", id)
        .with("contentType", content)
        .with("mimeType", format!("{content}/mp4"))
        .with("segmentAlignment", "true");
    if form.packaging.single_file {
        element = element
            .with("subsegmentAlignment", "true")
            .with("subsegmentStartsWithSAP", 1);
    } else {
        element = element.with("startWithSAP", 1);
    }
    let sound = set.iter().find_map(|rendition| match &rendition.kind {
        Kind::Audio(sound) => Some(sound),
        Kind::Video { .. } => None,
    });
    let sizes = set.iter().filter_map(|rendition| match rendition.kind {
        Kind::Video { width, height, .. } => Some((width, height)),
        Kind::Audio(_) => None,
    });
    let rates = set.iter().filter_map(|rendition| match rendition.kind {
        Kind::Video { rate, .. } => Some(rate),
        Kind::Audio(_) => None,
    });
    let fastest = rates.max_by(|a, b| a.fps().total_cmp(&b.fps()));
    element = element
        .with_some("maxWidth", sizes.clone().map(|(width, _)| width).max())
        .with_some("maxHeight", sizes.map(|(_, height)| height).max())
        .with_some("maxFrameRate", fastest)
        .with_some("lang", sound.and_then(|sound| sound.language.as_ref()))
        .children(common_protection(set).iter().map(content_protection));
    if let Some(sound) = sound {
        element = element.child(label(sound)).children(roles(sound));
    } else {
        let colour = set.first().and_then(|first| first.colour);
        element = element
            .children(colour.iter().flat_map(colours))
            .child(descriptor("Role", "urn:mpeg:dash:role:2011", "main"));
    }
    // Every rendition of a set has the same segments at the same times, if they count time alike.
    let common = set.first().filter(|first| {
        let times = |rendition: &Rendition| -> Vec<(u64, u64)> {
            rendition
                .segments
                .iter()
                .map(|segment| (segment.start, segment.duration))
                .collect()
        };
        !form.packaging.single_file
            && set
                .iter()
                .all(|other| other.timescale == first.timescale && times(other) == times(first))
    });
    if let Some(common) = common {
        element = element.child(template(common, form));
    }
    element.children(
        set.iter()
            .map(|rendition| representation(rendition, set, form, common.is_some())),
    )
}

/// A subtitle track as one file, which players load as a whole (DASH-IF IOP, sidecar WebVTT).
fn text_set(id: usize, text: &Text) -> Element {
    let bytes: u64 = text.segments.iter().map(|segment| segment.bytes).sum();
    let ticks: u64 = text.segments.iter().map(|segment| segment.duration).sum();
    let seconds = ticks as f64 / f64::from(text.timescale);
    let representation = Element::new("Representation")
        .with("id", &text.name)
        .with("bandwidth", bits_per_second(bytes, seconds).max(1))
        .child(Element::new("BaseURL").text(format!("../{}.vtt", text.name)));
    let language = Some(&text.language).filter(|language| *language != "und");
    Element::new("AdaptationSet")
        .with("id", id)
        .with("contentType", "text")
        .with("mimeType", "text/vtt")
        .with_some("lang", language)
        .child(Element::new("Label").text(text.label.as_str()))
        .child(descriptor(
            "Role",
            "urn:mpeg:dash:role:2011",
            text.role.dash_role(),
        ))
        .child(representation)
}

/// The code points of ISO/IEC 23091-2, those that are known. HDR is nothing to play for whoever does not understand it.
fn colours(colour: &Colour) -> Vec<Element> {
    let name = match colour.is_hdr() {
        true => "EssentialProperty",
        false => "SupplementalProperty",
    };
    let codes = [
        ("ColourPrimaries", colour.primaries),
        ("TransferCharacteristics", colour.transfer),
        ("MatrixCoefficients", colour.matrix),
    ];
    let known = codes
        .into_iter()
        .filter(|(_, code)| *code != Colour::UNKNOWN.primaries);
    known
        .map(|(kind, code)| descriptor(name, &format!("urn:mpeg:mpegB:cicp:{kind}"), &code.to_string()))
        .collect()
}

/// What all renditions of a set have; none where they differ.
fn common_protection<'a>(set: &[&'a Rendition]) -> &'a [ContentProtection] {
    let mut each = set.iter().map(|rendition| own_protection(rendition));
    let first = each.next().unwrap_or_default();
    if each.all(|other| other == first) {
        first
    } else {
        &[]
    }
}

fn own_protection(rendition: &Rendition) -> &[ContentProtection] {
    rendition
        .protection
        .as_ref()
        .map_or(&[], |protection| &protection.content_protections)
}

pub(crate) fn content_protection(protection: &ContentProtection) -> Element {
    let encoded = |name, bytes: &Option<Vec<u8>>| {
        let bytes = bytes.as_ref()?;
        Some(Element::new(name).text(BASE64_STANDARD.encode(bytes)))
    };
    let licence = protection.licence_url.as_ref();
    Element::new("ContentProtection")
        .with("schemeIdUri", &protection.scheme_id_uri)
        .with_some("value", protection.value.as_ref())
        .with_some("cenc:default_KID", protection.default_kid.map(|id| id.uuid()))
        .children(encoded("cenc:pssh", &protection.pssh))
        .children(encoded("mspr:pro", &protection.playready_object))
        .children(licence.map(|url| Element::new("dashif:Laurl").text(url.as_str())))
}

fn roles(sound: &Sound) -> Vec<Element> {
    let role = if sound.is_default { "main" } else { "alternate" };
    let mut roles = Vec::new();
    if sound.describes_video {
        roles.push(descriptor(
            "Accessibility",
            "urn:tva:metadata:cs:AudioPurposeCS:2007",
            "1",
        ));
        roles.push(descriptor("Role", "urn:mpeg:dash:role:2011", "description"));
    }
    roles.push(descriptor("Role", "urn:mpeg:dash:role:2011", role));
    roles
}

fn label(sound: &Sound) -> Element {
    Element::new("Label").text(sound.label.as_str())
}

fn descriptor(name: &'static str, scheme: &str, value: &str) -> Element {
    Element::new(name)
        .with("schemeIdUri", scheme)
        .with("value", value)
}

fn representation(rendition: &Rendition, set: &[&Rendition], form: &Form<'_>, has_template: bool) -> Element {
    let mut element = Element::new("Representation")
        .with("id", &rendition.name)
        .with("bandwidth", rendition.peak_bps())
        .with("codecs", &rendition.codecs);
    match &rendition.kind {
        Kind::Video { width, height, rate } => {
            element = element
                .with("width", width)
                .with("height", height)
                .with("frameRate", rate)
                .with("sar", "1:1");
        }
        Kind::Audio(sound) => {
            let scheme = "urn:mpeg:mpegB:cicp:ChannelConfiguration";
            element = element.with("audioSamplingRate", sound.rate).child(descriptor(
                "AudioChannelConfiguration",
                scheme,
                &sound.channels.to_string(),
            ));
        }
    }
    if common_protection(set).is_empty() {
        element = element.children(own_protection(rendition).iter().map(content_protection));
    }
    match rendition.container {
        // DASH plays CMAF.
        Container::TransportStream => element,
        Container::Files if has_template => element,
        Container::Files => element.child(template(rendition, form)),
        Container::SingleFile {
            init_bytes,
            index_bytes,
        } => {
            let range = |start: u64, bytes: u64| format!("{start}-{}", (start + bytes).saturating_sub(1));
            let initialization = Element::new("Initialization").with("range", range(0, init_bytes));
            let base = Element::new("SegmentBase")
                .with("timescale", rendition.timescale)
                .with("indexRange", range(init_bytes, index_bytes))
                .with("indexRangeExact", "true")
                .child(initialization);
            element
                .child(Element::new("BaseURL").text(init_uri(rendition)))
                .child(base)
        }
    }
}

fn template(rendition: &Rendition, form: &Form<'_>) -> Element {
    let element = Element::new("SegmentTemplate")
        .with("timescale", rendition.timescale)
        .with("initialization", "../$RepresentationID$/init.mp4")
        .with("media", "../$RepresentationID$/$Number$.m4s")
        .with("startNumber", 1);
    match constant_ticks(rendition, form.presented_s).filter(|_| form.packaging.constant_duration) {
        Some(ticks) => element.with("duration", ticks),
        None => element.child(Element::new("SegmentTimeline").children(timeline(rendition))),
    }
}

/// The ticks of every segment but the last, when all begin within half a segment of where that says, which is what
/// `@duration` promises (ISO/IEC 23009-1 §5.3.9.5.3), and as many are counted from the presentation's length as there are.
fn constant_ticks(rendition: &Rendition, presented_s: f64) -> Option<u64> {
    let whole = rendition
        .segments
        .split_last()
        .map_or(&[][..], |(_, whole)| whole);
    let last = rendition.segments.last()?;
    let ticks = match whole.len() as u64 {
        0 => last.duration,
        count => (last.start.saturating_sub(rendition.segments.first()?.start) + count / 2) / count,
    };
    let is_near = |(segment, index): (&Segment, u64)| segment.start.abs_diff(index * ticks) * 2 < ticks;
    let presented = presented_s * f64::from(rendition.timescale);
    let counted = ((presented - 0.5) / ticks.max(1) as f64).ceil() as usize;
    (counted == rendition.segments.len()
        && last.duration <= ticks + ticks / 2
        && rendition.segments.iter().zip(0..).all(is_near))
    .then_some(ticks)
}

/// Runs of equal segments; the first states where it begins.
fn timeline(rendition: &Rendition) -> Vec<Element> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for segment in &rendition.segments {
        match runs.last_mut() {
            Some((duration, more)) if *duration == segment.duration => *more += 1,
            _ => runs.push((segment.duration, 0)),
        }
    }
    let mut start = rendition.segments.first().map(|segment| segment.start);
    let run = |(duration, more): (u64, u64)| {
        Element::new("S")
            .with_some("t", start.take())
            .with("d", duration)
            .with_some("r", Some(more).filter(|more| *more > 0))
    };
    runs.into_iter().map(run).collect()
}

/// Milliseconds, rounded up: a presentation must not be declared shorter than it is.
fn duration(seconds: f64) -> String {
    let ms = (seconds * 1000.0 - 1e-6).ceil().max(0.0) as u64;
    let text = format!("PT{}.{:03}", ms / 1000, ms % 1000);
    format!("{}S", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::FrameRate;

    #[test]
    fn durations_are_rounded_up_to_milliseconds() {
        assert_eq!(duration(10.0), "PT10S");
        assert_eq!(duration(0.0), "PT0S");
        assert_eq!(duration(2.00201), "PT2.003S");
        assert_eq!(duration(120.5), "PT120.5S");
    }

    #[test]
    fn sound_that_goes_on_after_the_pictures_is_presented() {
        let rendition = |kind: Kind, segments: u32| Rendition {
            name: if matches!(kind, Kind::Audio(_)) {
                "audio"
            } else {
                "360p"
            }
            .to_owned(),
            codecs: "x".to_owned(),
            kind,
            timescale: 1000,
            container: Container::Files,
            colour: None,
            segments: (1..=segments)
                .map(|number| Segment {
                    number,
                    start: u64::from(number - 1) * 2000,
                    duration: 2000,
                    bytes: 1,
                    offset: 0,
                    quality: None,
                    key_frames: Vec::new(),
                })
                .collect(),
            protection: None,
        };
        let pictures = || Kind::Video {
            width: 640,
            height: 360,
            rate: FrameRate::new(25, 1),
        };
        let sound = || {
            Kind::Audio(Sound {
                rate: 48_000,
                channels: 2,
                language: None,
                label: String::new(),
                is_default: true,
                describes_video: false,
                group: "audio".to_owned(),
            })
        };
        let packaging = Packaging {
            constant_duration: true,
            ..Packaging::default()
        };
        for (sounds, presented) in [(3, "PT6S"), (4, "PT6S"), (10, "PT20S")] {
            let presentation = Presentation {
                renditions: vec![rendition(pictures(), 3), rendition(sound(), sounds)],
                for_hls: None,
                texts: Vec::new(),
                images: None,
            };
            let mpd = mpd(&presentation, &packaging);
            let stated = format!("mediaPresentationDuration=\"{presented}\"");
            assert!(mpd.contains(&stated), "{sounds}: {mpd}");
        }
    }
}
