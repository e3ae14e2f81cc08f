//! What a service wants of players: `ServiceDescription`, `UTCTiming`, `ContentSteering`, and when to ask again.

use core::time::Duration;

use super::Mpd;
use super::tree::Element;
use crate::presentation::{Clock, Latency, Live, Location, Steering};
use crate::time::{Bitrate, MediaTime};
use crate::url;

/// A `ServiceDescription` (ISO/IEC 23009-1, annex K).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceDescription {
    /// Its id; empty if it has none.
    pub id: String,
    /// For whom it is: scheme and value of each `Scope`. For everyone if empty.
    pub scopes: Vec<(String, String)>,
    /// Latency and playback rates.
    pub latency: Latency,
    /// The `ProducerReferenceTime` that latency is measured by; empty if not declared.
    pub latency_reference: String,
    /// Qualities to stay within.
    pub qualities: Vec<Operating>,
    /// Bitrates to stay within, bits per second.
    pub bandwidths: Vec<Operating>,
}

/// A range to stay within (`OperatingQuality`, `OperatingBandwidth`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operating {
    /// `video`, `audio`, `any` or `all`.
    pub media_type: String,
    /// Lowest.
    pub min: Option<u64>,
    /// Highest.
    pub max: Option<u64>,
    /// To be aimed at.
    pub target: Option<u64>,
    /// The quality measure; empty for bitrates.
    pub measure: String,
    /// The most by which two media may differ in quality.
    pub max_difference: Option<u64>,
}

impl Operating {
    /// The highest value as a bitrate.
    pub fn max_bitrate(&self) -> Option<Bitrate> {
        self.max.map(Bitrate::from_bps)
    }
}

pub(super) fn descriptions(root: &Element) -> Vec<ServiceDescription> {
    elements(root).into_iter().map(description).collect()
}

/// Those of the MPD, then those of its periods.
fn elements(root: &Element) -> Vec<&Element> {
    let mut all = root.named("ServiceDescription");
    for period in root.named("Period") {
        all.extend(period.named("ServiceDescription"));
    }
    all
}

fn description(element: &Element) -> ServiceDescription {
    let operating = |name: &'static str, default: &str| {
        let all = element.named(name).into_iter().map(|o| Operating {
            media_type: o
                .attribute("mediaType")
                .map_or_else(|| default.to_owned(), Into::into),
            min: o.u64("min"),
            max: o.u64("max"),
            target: o.u64("target"),
            measure: o.string("type"),
            max_difference: o.u64("maxDifference"),
        });
        all.collect()
    };
    let scopes = element.named("Scope").into_iter();
    ServiceDescription {
        id: element.string("id"),
        scopes: scopes
            .map(|s| (s.string("schemeIdUri"), s.string("value")))
            .collect(),
        latency: latency(element),
        latency_reference: element
            .child("Latency")
            .map(|l| l.string("referenceId"))
            .unwrap_or_default(),
        qualities: operating("OperatingQuality", "any"),
        bandwidths: operating("OperatingBandwidth", "all"),
    }
}

fn latency(element: &Element) -> Latency {
    let mut latency = Latency::default();
    if let Some(element) = element.child("Latency") {
        let ms = |name| element.u32(name).map(|ms| MediaTime::from_millis(ms.into()));
        (latency.target, latency.min, latency.max) = (ms("target"), ms("min"), ms("max"));
    }
    if let Some(element) = element.child("PlaybackRate") {
        let rate = |name| element.micros(name).unwrap_or(1_000_000) as f64 / 1e6;
        let rates = (rate("min"), rate("max"));
        latency.rates = (0.0 < rates.0 && rates.0 <= rates.1).then_some(rates);
    }
    latency
}

/// What a dynamic MPD says of itself; `None` if it is static.
pub(super) fn live(mpd: &Mpd) -> Option<Live> {
    let root = &mpd.root;
    let absolute = |reference: &str| url::resolve(&mpd.url, reference).ok();
    if !mpd.is_dynamic() {
        return None;
    }
    let location = |element: &Element| {
        Some(Location {
            url: absolute(element.text())?,
            name: element.string("serviceLocation"),
            ..Location::default()
        })
    };
    let patch = root.named("PatchLocation").into_iter().find_map(|element| {
        let ttl = element.micros("ttl").map(Duration::from_micros);
        Some((absolute(element.text())?, ttl))
    });
    // One with a scope is for others.
    let mut descriptions = elements(root);
    descriptions.retain(|d| d.child("Scope").is_none());
    let latency = descriptions
        .into_iter()
        .map(latency)
        .find(|l| *l != Latency::default());
    Some(Live {
        refresh: root.duration("minimumUpdatePeriod").map(MediaTime::as_duration),
        locations: root.named("Location").into_iter().filter_map(location).collect(),
        patch,
        availability_start: root.date("availabilityStartTime"),
        availability_end: root.date("availabilityEndTime"),
        published: root.date("publishTime"),
        window: root.duration("timeShiftBufferDepth"),
        suggested_delay: root.duration("suggestedPresentationDelay"),
        latency,
        clocks: root
            .named("UTCTiming")
            .into_iter()
            .map(|e| clock(mpd, e))
            .collect(),
    })
}

fn clock(mpd: &Mpd, element: &Element) -> Clock {
    let (scheme, value) = (element.string("schemeIdUri"), element.string("value"));
    if !scan::contains(scheme.as_bytes(), b":http-") {
        return Clock { scheme, value };
    }
    let mut urls = String::new();
    for reference in value.split_ascii_whitespace() {
        if let Ok(url) = url::resolve(&mpd.url, reference) {
            if !urls.is_empty() {
                urls.push(' ');
            }
            urls.push_str(&url);
        }
    }
    Clock { scheme, value: urls }
}

/// The steering server, of the MPD or of a service description (ETSI TS 103 998, 5.2).
pub(super) fn steering(mpd: &Mpd) -> Option<Steering> {
    let mut all = mpd.root.named("ContentSteering");
    for description in mpd.root.named("ServiceDescription") {
        all.extend(description.named("ContentSteering"));
    }
    all.into_iter().find_map(|element| {
        let first = element.string("defaultServiceLocation");
        Some(Steering {
            url: url::resolve(&mpd.url, element.text()).ok()?,
            first: first.split_ascii_whitespace().map(str::to_owned).collect(),
            before_start: element.flag("queryBeforeStart").unwrap_or(false),
        })
    })
}
