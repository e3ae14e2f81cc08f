//! What periods, adaptation sets and representations come to, beside what is written.

use player_core::manifest::dash::Element;
use player_core::presentation::{
    ImageTrack, Location, Period, Rendition, Resource, Segment, SegmentIndex, SegmentSource, Track,
};
use player_core::time::{Bitrate, MediaTime};
use serde::ser::{Serialize, SerializeSeq as _, Serializer};

use super::super::node::{Node, Object, list};
use super::super::protection;
use super::Walk;

/// Indexes of so many segments have no end: that of a live template goes on.
const ENDLESS: usize = 1 << 48;

/// The first segments of an index.
#[derive(Debug)]
pub struct Segments {
    index: Box<SegmentIndex>,
    count: usize,
}

impl Serialize for Segments {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut seq = out.serialize_seq(None)?;
        for segment in (0..self.count).map_while(|position| self.index.get(position)) {
            seq.serialize_element(&Node::from(&segment))?;
        }
        seq.end()
    }
}

impl From<&Segment> for Node {
    fn from(segment: &Segment) -> Self {
        Object::default()
            .with("number", segment.number)
            .with("uri", segment.resource.url.as_str())
            .with("start", segment.start)
            .with("duration", segment.end - segment.start)
            .with("byte_range", segment.resource.range)
            .into()
    }
}

impl From<&Location> for Node {
    fn from(location: &Location) -> Self {
        Object::default()
            .with("uri", location.url.as_str())
            .text("service_location", &location.name)
            .with("priority", location.priority)
            .with("weight", location.weight)
            .into()
    }
}

impl Walk<'_> {
    /// Where it lies on the presentation timeline.
    pub(super) fn period(&mut self, object: &mut Object, element: &Element) {
        let position = self.periods.iter().position(|period| is_of(period, element));
        self.period = position.map(|position| self.periods.remove(position));
        match &self.period {
            Some(period) => {
                object.set("start", period.start);
                object.set("duration", period.duration);
            }
            None => object.put("skipped", true),
        }
    }

    pub(super) fn adaptation_set(&mut self, object: &mut Object, element: &Element, index: usize) {
        self.set = None;
        let Some(period) = &mut self.period else {
            return object.put("skipped", true);
        };
        let id = id(element, "set-", index);
        let find = |tracks: &[Track]| tracks.iter().position(|track| is_of_set(track, &id, element));
        if let Some(position) = find(&period.tracks) {
            self.set = Some(period.tracks.remove(position));
        } else if let Some(position) = find(&period.trick_play) {
            object.put("trick_play", true);
            self.set = Some(period.trick_play.remove(position));
        } else if images(element, &period.thumbnails).next().is_none() {
            return object.put("skipped", true);
        }
        match &self.set {
            Some(track) => {
                object.put("content_type", track.kind.name());
                if !track.channels.is_empty() {
                    object.put("channels", track.channels.as_str());
                }
            }
            None => object.put("content_type", "image"),
        }
    }

    pub(super) fn representation(&mut self, object: &mut Object, element: &Element, index: usize) {
        let id = id(element, "representation-", index);
        let bandwidth = bandwidth(element);
        let is_it = |rendition: &Rendition| rendition.id == id && rendition.bandwidth == bandwidth;
        if let Some(track) = &mut self.set
            && let Some(position) = track.renditions.iter().position(is_it)
        {
            let rendition = track.renditions.remove(position);
            let keys = match rendition.protection.as_slice() {
                [] => &track.protection,
                own => own,
            };
            rendition_members(object, &rendition, protection::dash(keys));
            return self.source(object, rendition.source);
        }
        let thumbnails = self.period.as_mut().map(|period| &mut period.thumbnails);
        let is_it = |image: &ImageTrack| image.id == id && image.bandwidth == bandwidth;
        let image = thumbnails.and_then(|images| {
            let position = images.iter().position(is_it)?;
            Some(images.remove(position))
        });
        let Some(image) = image else {
            return object.put("skipped", true);
        };
        object.put("mime_type", image.container.as_str());
        object.put("width", image.width);
        object.put("height", image.height);
        let (columns, rows) = image.tiles;
        object.put(
            "tiles",
            Object::default().with("columns", columns).with("rows", rows),
        );
        self.source(object, image.source);
    }

    /// Where the segments are.
    fn source(&mut self, object: &mut Object, source: SegmentSource) {
        match source {
            SegmentSource::Index(index) => {
                let len = index.len();
                let count = len.min(self.limit).min(self.left);
                self.left -= count;
                object.put("initialization", index.inits.first().map(Node::from));
                object.put("timestamp_offset", index.timestamp_offset);
                object.put("segment_count", (len < ENDLESS).then_some(len));
                let index = Box::new(index);
                object.put("segments", Node::Segments(Segments { index, count }));
            }
            SegmentSource::Sidx(sidx) => {
                object.put("initialization", sidx.init.as_ref().map(Node::from));
                object.put("timestamp_offset", sidx.timestamp_offset);
                // It says how many there are.
                object.put("segment_index", &sidx.index);
                object.put("segment_count", Node::Null);
                object.put("segments", Node::List(Vec::new()));
            }
            SegmentSource::Playlist(url) => object.put("segment_index", &Resource { url, range: None }),
        }
    }
}

/// What it has from its set counts like its own.
fn rendition_members(object: &mut Object, rendition: &Rendition, keys: Node) {
    object.put("mime_type", rendition.container.as_str());
    for (name, text) in [
        ("codecs", &rendition.codecs),
        ("supplemental_codecs", &rendition.supplemental_codecs),
        ("video_range", &rendition.video_range),
    ] {
        if !text.is_empty() {
            object.put(name, text.as_str());
        }
    }
    if rendition.width > 0 {
        object.put("width", rendition.width);
        object.put("height", rendition.height);
    }
    if rendition.frame_rate > 0.0 {
        object.put("frame_rate", rendition.frame_rate);
    }
    if let Some(offset) = rendition.availability_time_offset {
        let value = match offset {
            MediaTime::MAX => Node::from("INF"),
            offset => offset.into(),
        };
        object.put("availability_time_offset", value);
    }
    if rendition.availability_incomplete {
        object.put("availability_time_complete", false);
    }
    object.put("locations", list(&rendition.locations));
    object.put("keys", keys);
}

/// Whether an element came to this period.
fn is_of(period: &Period, element: &Element) -> bool {
    let sets: Vec<_> = named(element, "AdaptationSet").enumerate().collect();
    let same_id = element.attribute("id").unwrap_or_default() == period.id;
    let same_start = element
        .duration("start")
        .is_none_or(|start| start == period.start);
    let mut tracks = period.tracks.iter().chain(&period.trick_play);
    same_id
        && same_start
        && tracks.all(|track| {
            sets.iter()
                .any(|(i, set)| is_of_set(track, &id(set, "set-", *i), set))
        })
}

/// Whether a set with this id came to this track.
fn is_of_set(track: &Track, id: &str, set: &Element) -> bool {
    track.id == id
        && track.renditions.iter().all(|rendition| {
            named(set, "Representation")
                .enumerate()
                .any(|(i, element)| self::id(element, "representation-", i) == rendition.id)
        })
}

/// The thumbnails that a set came to.
fn images<'a>(set: &'a Element, images: &'a [ImageTrack]) -> impl Iterator<Item = &'a ImageTrack> {
    images.iter().filter(|image| {
        named(set, "Representation").enumerate().any(|(i, element)| {
            id(element, "representation-", i) == image.id && bandwidth(element) == image.bandwidth
        })
    })
}

fn named<'a>(element: &'a Element, name: &'a str) -> impl Iterator<Item = &'a Element> {
    element
        .children()
        .iter()
        .filter(move |child| child.name() == name)
}

/// As the engine calls what has no id.
fn id(element: &Element, prefix: &str, index: usize) -> String {
    match element.attribute("id") {
        Some(id) if !id.is_empty() => id.into_owned(),
        _ => format!("{prefix}{index}"),
    }
}

fn bandwidth(element: &Element) -> Bitrate {
    let bandwidth = element.attribute("bandwidth").and_then(|b| b.parse().ok());
    Bitrate::from_bps(bandwidth.unwrap_or(0))
}
