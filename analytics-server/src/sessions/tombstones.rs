//! What was deleted and must not come back: hashes of views, and of viewers with the time before which their views are gone.

use std::collections::HashMap;

use ring::hmac;

use crate::id::Id;
use crate::log::{Deleted, Deletion};
use crate::store::rows::TombstoneRow;

/// The tombstones in memory, and those that the store has not got yet.
pub(crate) struct Tombstones {
    /// Keyed, so that they tell nobody whose they are.
    key: hmac::Key,
    /// Hash → when it was deleted.
    graves: HashMap<Id, i64>,
    new: Vec<TombstoneRow>,
}

impl Tombstones {
    pub(crate) fn new(key: hmac::Key, stored: Vec<TombstoneRow>) -> Self {
        let mut graves = HashMap::with_capacity(stored.len());
        for TombstoneRow { hash, at_ms } in stored {
            let last = graves.entry(hash).or_insert(at_ms);
            *last = at_ms.max(*last);
        }
        Self {
            key,
            graves,
            new: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.graves.is_empty()
    }

    /// Whether this view was deleted.
    pub(super) fn has_view(&self, site: &str, view_id: Id) -> bool {
        !self.is_empty() && self.graves.contains_key(&self.of_view(site, view_id))
    }

    /// Whether what began at this time was deleted with its viewer.
    pub(super) fn has_viewer(&self, site: &str, viewer_id: &str, start_ms: i64) -> bool {
        !viewer_id.is_empty()
            && self
                .graves
                .get(&self.hash("viewer", site, viewer_id))
                .is_some_and(|deleted_ms| start_ms < *deleted_ms)
    }

    pub(super) fn add_view(&mut self, site: &str, view_id: Id, at_ms: i64) {
        self.insert(self.of_view(site, view_id), at_ms);
    }

    /// Remembers whom or what the deletion names, at these sites.
    pub(super) fn add<'a>(&mut self, deletion: &Deletion, sites: impl Iterator<Item = &'a str>) {
        let at_ms = deletion.at_ms;
        match &deletion.of {
            Deleted::View(id) => {
                let Some(id) = Id::parse(id) else { return };
                for site in sites {
                    self.add_view(site, id, at_ms);
                }
            }
            Deleted::Viewer { viewer_id, hashed } => {
                for site in sites {
                    self.insert(self.hash("viewer", site, viewer_id), at_ms);
                }
                for (site, hash) in hashed {
                    self.insert(self.hash("viewer", site, hash), at_ms);
                }
            }
        }
    }

    /// Those that the store has not got yet.
    pub(super) fn take_new(&mut self) -> Vec<TombstoneRow> {
        std::mem::take(&mut self.new)
    }

    /// Forgets those from before this time.
    pub(super) fn forget(&mut self, before_ms: i64) {
        self.graves.retain(|_, at_ms| *at_ms >= before_ms);
    }

    fn insert(&mut self, hash: Id, at_ms: i64) {
        if self.graves.insert(hash, at_ms) != Some(at_ms) {
            self.new.push(TombstoneRow { hash, at_ms });
        }
    }

    fn of_view(&self, site: &str, view_id: Id) -> Id {
        self.hash("view", site, &view_id.to_string())
    }

    fn hash(&self, kind: &str, site: &str, id: &str) -> Id {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [kind, site, id] {
            context.update(part.as_bytes());
            // In no text, so that no two lists of parts are the same.
            context.update(&[0xff]);
        }
        let tag = context.sign();
        let half = tag.as_ref().first_chunk().copied().unwrap_or_default();
        Id::from_bytes(half)
    }
}
