//! MPDs: their elements as they are written, and what these come to.

mod names;
mod resolved;

use player_core::manifest::dash::{Element, Mpd, S, Timeline, schema};
use player_core::manifest::{self, ManifestError};
use player_core::presentation::{Period, Track};
use player_core::time::{ByteRange, MediaTime};
use player_core::url;

use self::names::Value;
pub use self::resolved::Segments;
use super::node::{Node, Object, list};
use super::{Failure, MAX_SEGMENTS};

/// The most entries of `other`.
const MAX_OTHER: usize = 10_000;

pub(super) fn read(text: &str, url: &str, limit: usize) -> Result<Object, Failure> {
    let mpd = Mpd::parse(text, url).map_err(|error| match manifest::parse(text.as_bytes(), url) {
        // That it is a web page says more than that it is no XML.
        Err(better @ (ManifestError::Html | ManifestError::NotAManifest(_))) => better,
        _ => error,
    })?;
    let presentation = mpd.presentation()?;
    let mut walk = Walk {
        mpd: &mpd,
        limit,
        left: MAX_SEGMENTS,
        other: other(mpd.root()),
        periods: presentation.periods,
        period: None,
        set: None,
    };
    let place = Place {
        base: url.to_owned(),
        outer: url.to_owned(),
        timescale: 1,
        offset: 0,
    };
    let mut object = Object::of_kind("mpd");
    walk.fill(&mut object, mpd.root(), 0, &place);
    object.put("type", "static");
    object.put("duration", presentation.duration);
    let remote: Vec<_> = mpd
        .remote()
        .into_iter()
        .map(|remote| {
            Object::default()
                .with("uri", remote.url)
                .with("on_load", remote.on_load)
        })
        .collect();
    Ok(object
        .with("remote", remote)
        .with("other", walk.other)
        .with("warnings", list(&presentation.warnings)))
}

/// What the schema does not know.
fn other(root: &Element) -> Vec<Object> {
    let unknown = schema::unknown(root, MAX_OTHER).into_iter();
    unknown
        .map(|unknown| {
            let (attribute, value) = unknown.attribute.unzip();
            Object::default()
                .with("line", unknown.line)
                .with("element", unknown.element)
                .given("attribute", attribute)
                .given("value", value)
        })
        .collect()
}

/// Where in the MPD an element is.
#[derive(Clone)]
struct Place {
    /// URLs are relative to it.
    base: String,
    /// URLs of `BaseURL` are relative to it.
    outer: String,
    /// Of an event stream: ticks a second, and the tick at which the period starts.
    timescale: u32,
    offset: i64,
}

/// From the elements to JSON, beside what they come to.
struct Walk<'a> {
    mpd: &'a Mpd,
    /// Segments that are listed of a representation.
    limit: usize,
    /// Segments that may still be listed.
    left: usize,
    other: Vec<Object>,
    /// Those whose element has not come yet.
    periods: Vec<Period>,
    /// What the period that is walked comes to, without what was taken out of it; nothing if it is not played.
    period: Option<Period>,
    /// The same of the set.
    set: Option<Track>,
}

impl Walk<'_> {
    /// Members for an element, the one with this index among those of its name in its parent.
    fn fill(&mut self, object: &mut Object, element: &Element, index: usize, place: &Place) {
        let inner = place.inside(element);
        for (name, value) in element.attributes() {
            let is_namespace = ["xmlns", "xsi:"].iter().any(|prefix| name.starts_with(prefix));
            if !is_namespace && schema::knows_attribute(element.name(), name) {
                object.put(
                    names::of_attribute(name),
                    self.value(element, name, &value, &inner),
                );
            }
        }
        if !element.text().is_empty() {
            self.text(object, element, place);
        }
        match element.name() {
            "AdaptationSet" => self.adaptation_set(object, element, index),
            "Event" => self.event(object, element, place),
            "Period" => self.period(object, element),
            _ => {}
        }
        self.children(object, element, &inner);
        if element.name() == "Representation" {
            self.representation(object, element, index);
        }
    }

    /// Members for the children of an element: a list for each name.
    fn children(&mut self, object: &mut Object, element: &Element, place: &Place) {
        let mut groups: Vec<(&str, Vec<Node>)> = Vec::new();
        for child in element.children() {
            let name = child.name();
            if !schema::knows_child(element.name(), name) {
                continue;
            }
            let group = match groups.iter().position(|(known, _)| *known == name) {
                Some(group) => group,
                None => {
                    groups.push((name, Vec::new()));
                    groups.len() - 1
                }
            };
            let Some((_, nodes)) = groups.get_mut(group) else {
                continue;
            };
            if names::is_single(name) && !nodes.is_empty() {
                // The first one counts.
                let again = Object::default()
                    .with("line", child.line())
                    .with("element", child.qualified_name());
                self.other.push(again);
                continue;
            }
            nodes.push(match child.timeline() {
                Some(timeline) => runs(timeline),
                None if is_only_text(name) => child.text().into(),
                None => {
                    let mut object = Object::default();
                    self.fill(&mut object, child, nodes.len(), place);
                    object.into()
                }
            });
        }
        for (name, mut nodes) in groups {
            let value = match names::is_single(name) {
                true => nodes.pop().unwrap_or(Node::Null),
                false => nodes.into(),
            };
            let mut member = names::of_element(name);
            if object.has(&member) {
                // An attribute of the same name: `SegmentTemplate@initialization`.
                member.push_str("_element");
            }
            object.put(member, value);
        }
    }

    /// An attribute's value; as it is written where it is not what it should be.
    fn value(&self, element: &Element, name: &str, value: &str, place: &Place) -> Node {
        let typed = match names::value_of(element.name(), name) {
            Value::Bool => flag(value).map(Node::from),
            Value::ByteRange => byte_range(value).map(Node::from),
            Value::Date => element.date(name).map(Node::from),
            Value::Duration => element.duration(name).map(Node::from),
            Value::MpdUrl => url::resolve(self.mpd.url(), value).ok().map(Node::from),
            Value::Number => number(value),
            Value::Text => None,
            Value::Url => url::resolve(&place.base, value).ok().map(Node::from),
        };
        if element.name() == "UTCTiming" && name == "value" {
            return self.clock(element, value);
        }
        typed.unwrap_or_else(|| value.into())
    }

    /// Some sources of time are URLs.
    fn clock(&self, element: &Element, value: &str) -> Node {
        let scheme = element.attribute("schemeIdUri").unwrap_or_default();
        if !scheme.contains(":http-") {
            return value.into();
        }
        let urls = value.split_ascii_whitespace();
        let urls: Vec<_> = urls
            .filter_map(|one| url::resolve(self.mpd.url(), one).ok())
            .collect();
        urls.join(" ").into()
    }

    fn text(&self, object: &mut Object, element: &Element, place: &Place) {
        let text = element.text();
        let base = match element.name() {
            "BaseURL" => &place.outer,
            "ContentSteering" | "Laurl" | "Location" | "PatchLocation" | "laurl" => self.mpd.url(),
            _ => return object.put("text", text),
        };
        object.put(
            "uri",
            url::resolve(base, text).unwrap_or_else(|_| text.to_owned()),
        );
    }

    /// Its start on the presentation timeline and its duration are in seconds.
    fn event(&self, object: &mut Object, element: &Element, place: &Place) {
        let ticks = |name| {
            element
                .attribute(name)
                .and_then(|ticks| ticks.parse::<i64>().ok())
        };
        let time = ticks("presentationTime")
            .unwrap_or(0)
            .saturating_sub(place.offset);
        let seconds = |ticks| MediaTime::from_ticks(ticks, place.timescale);
        if let Some(period) = &self.period {
            object.set("start", period.start + seconds(time));
        }
        if let Some(duration) = ticks("duration") {
            object.set("duration", seconds(duration));
        }
    }
}

impl Place {
    /// Where the children of an element are, and what its attributes refer to.
    fn inside(&self, element: &Element) -> Self {
        let mut inner = self.clone();
        let bases = element
            .children()
            .iter()
            .filter(|child| child.name() == "BaseURL");
        let urls = bases.filter_map(|base| Some((base, url::resolve(&self.base, base.text()).ok()?)));
        let priority = |base: &Element| {
            base.attribute("dvb:priority")
                .and_then(|p| p.parse().ok())
                .unwrap_or(1_u32)
        };
        if let Some((_, url)) = urls.min_by_key(|(base, _)| priority(base)) {
            inner.base = url;
        }
        inner.outer.clone_from(&self.base);
        if element.name() == "EventStream" {
            let value = |name| element.attribute(name);
            inner.timescale = value("timescale").and_then(|t| t.parse().ok()).unwrap_or(1);
            inner.offset = value("presentationTimeOffset")
                .and_then(|t| t.parse().ok())
                .unwrap_or(0);
        }
        inner
    }
}

/// Elements that have nothing but text.
fn is_only_text(element: &str) -> bool {
    matches!(element, "Copyright" | "Source" | "Title" | "pro" | "pssh")
}

/// The entries of a `SegmentTimeline`, as written: ticks.
fn runs(timeline: &Timeline) -> Node {
    let one = |s: S| {
        Object::default()
            .given("t", s.t)
            .with("d", s.d)
            .with("r", s.r)
            .given("n", s.n)
            .given("k", (s.k != 1).then_some(s.k))
    };
    timeline.iter().map(one).collect::<Vec<_>>().into()
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// `first-last`, both inclusive.
fn byte_range(value: &str) -> Option<ByteRange> {
    let (first, last) = value.split_once('-')?;
    let (offset, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let length = last.checked_sub(offset)?.checked_add(1)?;
    Some(ByteRange { offset, length })
}

/// A number, or one divided by another.
fn number(value: &str) -> Option<Node> {
    if let Ok(whole) = value.parse::<u64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = value.parse::<i64>() {
        return Some(whole.into());
    }
    let (numerator, denominator) = value.split_once('/').unwrap_or((value, "1"));
    let value = numerator.parse::<f64>().ok()? / denominator.parse::<f64>().ok()?;
    value.is_finite().then(|| value.into())
}
