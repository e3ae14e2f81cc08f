//! What may be chosen, and what is.

use super::Session;
use crate::error::ErrorKind;
use crate::output::PlayerEvent;
use crate::streaming::context::{Cx, error};
use crate::telemetry::schema::Event;

impl Session {
    pub(super) fn limit(&mut self, cx: &mut Cx<'_>) {
        for loader in &mut self.loaders {
            loader.slots.limit(&cx.config.abr, &self.shared.limits);
        }
        let Some(main) = self.loaders.first().filter(|l| !l.slots.is_manual()) else {
            return;
        };
        let by = main.slots.limited_by();
        let highest = main.slots.ladder().last().copied();
        // A failure, as a choice by hand, is told in its own words.
        let said = by == self.limited_by && (by.is_empty() || highest == self.highest);
        if said {
            return;
        }
        self.limited_by = by.to_vec();
        self.highest = highest;
        let slot = highest.and_then(|r| self.loaders.first()?.slots.get(r));
        let id = slot.map(|slot| slot.rendition.id.clone()).unwrap_or_default();
        let names: Vec<&str> = self.limited_by.iter().map(|limit| limit.name()).collect();
        let event = Event::Limit {
            id: id.clone(),
            by: names.join(","),
        };
        self.view.event(cx.now, event);
        cx.event(PlayerEvent::Limited {
            highest: id,
            by: self.limited_by.clone(),
        });
    }

    pub(super) fn restrict(&mut self, cx: &mut Cx<'_>, renditions: Vec<String>) {
        self.shared.limits.restricted = renditions;
        self.limit(cx);
        let position = self.playhead.position(cx.now);
        let mut left = true;
        for loader in &mut self.loaders {
            let mut ladder = loader.slots.ladder().iter().filter_map(|r| loader.slots.get(*r));
            if ladder.any(|slot| !self.shared.limits.is_restricted(slot)) {
                loader.retract(cx, &mut self.shared, position);
            } else {
                left = false;
            }
        }
        if !left {
            let message = "every rendition is restricted: the lowest one is tried";
            self.report(cx, error(ErrorKind::Unsupported, message));
        }
    }

    pub(super) fn select(&mut self, cx: &mut Cx<'_>, id: Option<&str>) {
        let position = self.playhead.position(cx.now);
        let Some(main) = self.loaders.first_mut() else {
            return;
        };
        let mut offered = main.slots.numbers().filter_map(|r| main.slots.get(r));
        let known = id.filter(|id| offered.any(|slot| slot.rendition.id == *id));
        main.slots.manual = known.map(str::to_owned);
        main.slots.limit(&cx.config.abr, &self.shared.limits);
        if known.is_some() {
            main.replace(cx, &mut self.shared, position);
        }
        if let (Some(id), None) = (id, known) {
            let message = format!("there is no rendition \"{id}\": the choice stays with ABR");
            self.report(cx, error(ErrorKind::Internal, message));
        }
        self.limit(cx);
    }
}
