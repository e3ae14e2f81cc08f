//! Adaptation sets and representations become tracks and renditions.

use std::borrow::Cow;

use super::super::Mpd;
use super::super::tree::Element;
use super::super::values;
use super::base::Bases;
use super::periods::Times;
use super::segments::{self, Of, Segments};
use super::{Notes, descriptors, events, protection};
use crate::input::TrackKind;
use crate::manifest::{datetime, order};
use crate::presentation::{
    ImageTrack, Period, Preselection, Protection, ReferenceTime, Rendition, Resource, Resync, SegmentSource,
    Track, kind_of_codec,
};
use crate::time::{Bitrate, MediaTime};

/// The most children of a period or a set: each of its representations looks through them.
const MAX_CHILDREN: usize = 10_000;
/// The most reference times of a track.
const MAX_REFERENCE_TIMES: usize = 100;

/// What a set holds.
#[derive(Clone, Copy, PartialEq)]
enum Content {
    Image,
    Media(TrackKind),
}

/// A set that is being read.
struct Set<'a> {
    mpd: &'a Mpd,
    period: &'a Element,
    element: &'a Element,
    bases: Bases,
    times: Times,
    track: Track,
    images: Vec<ImageTrack>,
    protection: Vec<Protection>,
}

/// Reads the sets of a period into it.
pub(super) fn all(
    mpd: &Mpd,
    element: &Element,
    bases: &Bases,
    times: Times,
    period: &mut Period,
    notes: &mut Notes,
) {
    for (i, set) in element.named("AdaptationSet").into_iter().enumerate() {
        if set.children().len().max(element.children().len()) > MAX_CHILDREN {
            notes.skip(set.line(), "an AdaptationSet", "there are too many elements");
            continue;
        }
        let mut reader = Set {
            mpd,
            period: element,
            element: set,
            bases: bases.under(set),
            times,
            track: Track {
                id: id_of(set, "set-", i),
                ..Track::default()
            },
            images: Vec::new(),
            protection: if notes.room > 0 {
                protection::read(mpd, element, set, &[])
            } else {
                Vec::new()
            },
        };
        if let Err(reason) = reader.read(notes) {
            notes.skip(set.line(), "an AdaptationSet", &reason);
            continue;
        }
        period.thumbnails.append(&mut reader.images);
        let track = reader.track;
        if track.renditions.is_empty() {
            continue;
        }
        if descriptors::is_trick_mode(set) {
            period.trick_play.push(track);
            continue;
        }
        if track.kind == TrackKind::Video {
            descriptors::captions(set, &mut period.captions);
        }
        period.tracks.push(track);
    }
    // The first of each kind is the default one.
    order::by_key(&mut period.tracks, |track| {
        u64::from(u32::MAX - track.priority) << 1 | u64::from(!track.default)
    });
    order::by_key(&mut period.thumbnails, |track| {
        u64::from(track.width) << 32 | track.bandwidth.as_bps().min(u64::from(u32::MAX))
    });
    period.preselections = preselections(element, &period.tracks);
}

/// An id that stays the same as long as the order does.
fn id_of(element: &Element, prefix: &str, i: usize) -> String {
    let id = element.string("id");
    if id.is_empty() { format!("{prefix}{i}") } else { id }
}

impl Set<'_> {
    fn read(&mut self, notes: &mut Notes) -> Result<(), String> {
        let set = self.element;
        if let Some(scheme) = descriptors::unknown_essential(set) {
            return Err(format!("its EssentialProperty \"{scheme}\" is not known"));
        }
        let mut reason = "it has no Representation".to_owned();
        let mut kind = None;
        for (i, representation) in set.named("Representation").into_iter().enumerate() {
            match self.representation(representation, i, &mut kind, notes.room) {
                Ok(bytes) => notes.room = notes.room.saturating_sub(bytes),
                Err(why) => {
                    notes.warn(
                        representation.line(),
                        format!(
                            "Representation \"{}\" is skipped: {why}",
                            representation.string("id")
                        ),
                    );
                    reason = why;
                }
            }
        }
        let Some(kind) = kind else {
            return if self.images.is_empty() {
                Err(reason)
            } else {
                Ok(())
            };
        };
        self.describe(kind);
        Ok(())
    }

    /// What the whole set says of itself.
    fn describe(&mut self, kind: TrackKind) {
        let (set, track) = (self.element, &mut self.track);
        track.kind = kind;
        let component = set.child("ContentComponent");
        track.language = set.string("lang");
        if let Some(component) = component.filter(|_| track.language.is_empty()) {
            track.language = component.string("lang");
        }
        track.labels = labels(set);
        if let Some((_, label)) = track.labels.first() {
            track.label.clone_from(label);
        }
        // Only what has a language is a label in another one.
        track.labels.retain(|(language, _)| !language.is_empty());
        descriptors::roles(set, &mut track.roles);
        if let Some(component) = component {
            descriptors::roles(component, &mut track.roles);
        }
        let has = |role: &str| track.roles.iter().any(|r| r == role);
        (track.default, track.forced) = (has("main"), has("forced-subtitle") || has("forced_subtitle"));
        track.autoselect = true;
        for descriptor in set.named("Accessibility") {
            track
                .accessibility
                .push(descriptors::scheme_and_value(descriptor));
        }
        for ids in descriptors::property(set, descriptors::SWITCHING) {
            for id in ids.split([',', ' ']).filter(|id| !id.is_empty()) {
                track.switches_with.push(id.to_owned());
            }
        }
        track.priority = set.u32("selectionPriority").unwrap_or(1);
        track.protection = core::mem::take(&mut self.protection);
        events::inband(set, &mut track.inband_events);
        order::by_key(&mut track.renditions, |r| r.bandwidth.as_bps());
    }

    /// Reads a representation, for which there is `room`; says about how many bytes it comes to.
    fn representation(
        &mut self,
        element: &Element,
        i: usize,
        kind: &mut Option<TrackKind>,
        room: usize,
    ) -> Result<usize, String> {
        if room == 0 {
            return Err("the MPD comes to too much".into());
        }
        let set = self.element;
        // What the set says holds for what the representation does not say (5.3.7).
        let string = |name: &'static str| {
            let own = element.string(name);
            if own.is_empty() { set.string(name) } else { own }
        };
        let number = |name: &'static str| element.u32(name).or_else(|| set.u32(name)).unwrap_or(0);
        let (container, codecs) = (string("mimeType"), string("codecs"));
        let content =
            content(set, &container, &codecs).ok_or("it is neither video nor audio nor text nor image")?;
        if let Some(scheme) = descriptors::unknown_essential(element) {
            return Err(format!("its EssentialProperty \"{scheme}\" is not known"));
        }
        if element.attribute("dependencyId").is_some() {
            return Err("it only adds to another Representation (dependencyId)".into());
        }
        let bandwidth = element.u64("bandwidth").unwrap_or(0);
        if bandwidth == 0 && content != Content::Image {
            return Err("it has no bandwidth".into());
        }
        let id = id_of(element, "representation-", i);
        let bases = self.bases.under(element);
        let segments = segments::segments(&Of {
            levels: [element, set, self.period],
            bases: &bases,
            id: &element.attribute("id").unwrap_or_default(),
            bandwidth,
            times: self.times,
            is_text: content == Content::Media(TrackKind::Text),
        })?;
        let bandwidth = Bitrate::from_bps(bandwidth);
        let bytes = bytes_of(&segments.source) + container.len() + codecs.len();
        let this = match content {
            Content::Media(kind) => kind,
            Content::Image => {
                self.images.push(ImageTrack {
                    id,
                    container,
                    bandwidth,
                    width: number("width"),
                    height: number("height"),
                    tiles: descriptors::tiles(element)
                        .or_else(|| descriptors::tiles(set))
                        .unwrap_or((1, 1)),
                    tile_duration: None,
                    source: segments.source,
                });
                return Ok(bytes);
            }
        };
        if *kind.get_or_insert(this) != this {
            return Err("it is of another kind than the first of its set".into());
        }
        if self.track.channels.is_empty() {
            self.track.channels = descriptors::channels(element)
                .or_else(|| descriptors::channels(set))
                .unwrap_or_default();
        }
        events::inband(element, &mut self.track.inband_events);
        self.reference_times(element, &segments);
        let range = descriptors::video_range(element).or_else(|| descriptors::video_range(set));
        let rank = element.u32("qualityRanking");
        let mut points = element.named("Resync");
        if points.is_empty() {
            points = set.named("Resync");
        }
        let resyncs = points
            .into_iter()
            .map(|resync| read_resync(resync, segments.timescale, bandwidth));
        let locations = bases.alternatives();
        let protection = protection::read(self.mpd, self.period, element, &self.protection);
        let resyncs: Vec<_> = resyncs.collect();
        let bytes = bytes
            + locations
                .iter()
                .map(|l| l.url.len() + l.name.len())
                .sum::<usize>()
            + protection
                .iter()
                .map(|p| p.pssh.len() + p.pro.len() + p.url.len())
                .sum::<usize>()
            + size_of_val(&*protection)
            + size_of_val(&*resyncs);
        self.track.renditions.push(Rendition {
            id,
            bandwidth,
            // Lower ranks are better (5.3.5.2).
            score: rank.map(|rank| -f64::from(rank)),
            container: if container.is_empty() {
                format!("{}/mp4", this.name())
            } else {
                container
            },
            codecs,
            supplemental_codecs: string("scte214:supplementalCodecs"),
            width: number("width"),
            height: number("height"),
            frame_rate: values::frame_rate(&string("frameRate")).unwrap_or(0.0),
            video_range: range.unwrap_or_default().to_owned(),
            locations,
            protection,
            resyncs,
            availability_time_offset: segments.time_offset,
            availability_incomplete: !segments.complete,
            source: segments.source,
            ..Rendition::default()
        });
        Ok(bytes)
    }

    /// `ProducerReferenceTime` of the representation, or of its set (5.12).
    fn reference_times(&mut self, representation: &Element, segments: &Segments) {
        let name = "ProducerReferenceTime";
        let mut all = representation.named(name);
        // Those of the set are there once they were read.
        if self.track.renditions.is_empty() {
            all.extend(self.element.named(name));
        }
        for time in all {
            if self.track.reference_times.len() >= MAX_REFERENCE_TIMES {
                break;
            }
            let id = time.string("id");
            let known = self.track.reference_times.iter().any(|t| t.id == id);
            let wall = time.attribute("wallClockTime").and_then(|w| datetime::parse(&w));
            let ticks = time.u64("presentationTime").and_then(|t| i64::try_from(t).ok());
            // An application's clock (`@type="application"`) is none that a player can compare with.
            if let (Some(wall), Some(ticks), false) = (wall, ticks, known || time.is("type", "application")) {
                let ticks = ticks.saturating_sub(segments.offset);
                self.track.reference_times.push(ReferenceTime {
                    id,
                    captured: time.is("type", "captured"),
                    inband: time.flag("inband").unwrap_or(false),
                    media: self.times.start + MediaTime::from_ticks(ticks, segments.timescale),
                    wall,
                });
            }
        }
    }
}

/// About how many bytes of its own a representation's segments take.
fn bytes_of(source: &SegmentSource) -> usize {
    let url = |resource: Option<&Resource>| resource.map_or(0, |r| r.url.len());
    match source {
        SegmentSource::Index(index) => {
            let first = index.get(0).map_or(0, |segment| segment.resource.url.len());
            first + url(index.inits.first()) + index.own_bytes()
        }
        SegmentSource::Sidx(sidx) => sidx.index.url.len() + url(sidx.init.as_ref()),
        SegmentSource::Playlist(url) => url.len(),
    }
}

fn read_resync(element: &Element, timescale: u32, bandwidth: Bitrate) -> Resync {
    // Byte distances are given as seconds at the declared bitrate (5.3.13).
    let bytes = |name| {
        let seconds = element.micros(name)? as f64 / 1e6;
        Some((seconds * bandwidth.as_f64() / 8.0) as u64)
    };
    Resync {
        sap_type: element
            .u32("type")
            .and_then(|t| u8::try_from(t).ok())
            .unwrap_or(0),
        interval: MediaTime::from_ticks(i64::from(element.u32("dT").unwrap_or(0)), timescale),
        bytes: bytes("dImax").map(|max| (bytes("dImin").unwrap_or(0), max)),
        marker: element.flag("marker").unwrap_or(false),
    }
}

/// Languages and texts.
fn labels(element: &Element) -> Vec<(String, String)> {
    let all = element.named("Label").into_iter();
    all.map(|label| (label.string("lang"), label.text().to_owned()))
        .collect()
}

fn content(set: &Element, mime: &str, codecs: &str) -> Option<Content> {
    let declared = set
        .attribute("contentType")
        .or_else(|| set.child("ContentComponent")?.attribute("contentType"));
    let of_mime = mime.split('/').next().unwrap_or_default();
    Some(match declared.as_deref().unwrap_or(of_mime) {
        "video" => Content::Media(TrackKind::Video),
        "audio" => Content::Media(TrackKind::Audio),
        "text" => Content::Media(TrackKind::Text),
        "image" => Content::Image,
        "application" if mime == "application/ttml+xml" => Content::Media(TrackKind::Text),
        _ => Content::Media(codecs.split(',').find_map(kind_of_codec)?),
    })
}

/// `Preselection` elements: the sets that they name must be there.
fn preselections(period: &Element, tracks: &[Track]) -> Vec<Preselection> {
    let mut all = Vec::new();
    for element in period.named("Preselection") {
        let components = element.string("preselectionComponents");
        let ids: Vec<String> = components.split_ascii_whitespace().map(str::to_owned).collect();
        let known = ids.iter().all(|id| tracks.iter().any(|track| track.id == *id));
        if ids.is_empty() || !known || descriptors::unknown_essential(element).is_some() {
            continue;
        }
        let id = element.attribute("id");
        let label = labels(element).into_iter().next();
        all.push(Preselection {
            id: id.map_or_else(|| "1".to_owned(), Cow::into_owned),
            tracks: ids,
            language: element.string("lang"),
            label: label.map(|(_, label)| label).unwrap_or_default(),
            codecs: element.string("codecs"),
        });
    }
    all
}
