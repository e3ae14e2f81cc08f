//! `BaseURL` (ISO/IEC 23009-1, 5.6): where things are, and where else.

use super::super::Mpd;
use super::super::tree::Element;
use super::super::values;
use crate::manifest::order;
use crate::presentation::Location;
use crate::time::MediaTime;
use crate::url;

/// The most alternatives that are kept.
const MAX_LOCATIONS: usize = 16;

/// The places that apply to an element, in order of preference; at least one.
#[derive(Clone)]
pub(super) struct Bases {
    locations: Vec<Location>,
    /// `@availabilityTimeOffset` of the nearest BaseURL that has one.
    pub(super) time_offset: Option<MediaTime>,
    /// `@availabilityTimeComplete`.
    pub(super) complete: Option<bool>,
}

impl Bases {
    pub(super) fn of_mpd(mpd: &Mpd) -> Self {
        let root = Location {
            url: mpd.url.clone(),
            priority: 1,
            weight: 1,
            ..Location::default()
        };
        let bases = Self {
            locations: vec![root],
            time_offset: None,
            complete: None,
        };
        bases.under(&mpd.root)
    }

    /// The places for what is in `element`.
    pub(super) fn under(&self, element: &Element) -> Self {
        let mut out = self.clone();
        let mut locations: Vec<Location> = Vec::new();
        for base in element.named("BaseURL") {
            for parent in &self.locations {
                let Ok(url) = url::resolve(&parent.url, base.text()) else {
                    break;
                };
                // An absolute one is the same under every parent.
                if locations.len() >= MAX_LOCATIONS || locations.iter().any(|l| l.url == url) {
                    continue;
                }
                locations.push(Location {
                    url,
                    name: base
                        .attribute("serviceLocation")
                        .map_or_else(|| parent.name.clone(), Into::into),
                    priority: base.u32("dvb:priority").unwrap_or(parent.priority),
                    weight: base.u32("dvb:weight").unwrap_or(parent.weight),
                });
            }
        }
        if !locations.is_empty() {
            // ETSI TS 103 285, 10.8.2.1: lower is better.
            order::by_key(&mut locations, |location| location.priority.into());
            out.locations = locations;
        }
        if let Some(base) = element.child("BaseURL") {
            let offset = base.attribute("availabilityTimeOffset");
            out.time_offset = offset.and_then(|o| values::seconds(&o)).or(out.time_offset);
            out.complete = base.flag("availabilityTimeComplete").or(out.complete);
        }
        out
    }

    /// The place to begin with.
    pub(super) fn first(&self) -> &str {
        self.locations.first().map_or("", |location| &location.url)
    }

    /// The places, if there is more than one or if steering knows it by name.
    pub(super) fn alternatives(&self) -> Vec<Location> {
        let named = self.locations.iter().any(|l| !l.name.is_empty());
        if self.locations.len() > 1 || named {
            self.locations.clone()
        } else {
            Vec::new()
        }
    }
}
