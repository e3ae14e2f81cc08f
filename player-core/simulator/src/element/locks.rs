//! Which stretches of the source buffers are encrypted, and with which keys.

use std::collections::BTreeSet;

use player_core::MediaTime;
use player_core::drm::KeyId;
use player_core::input::TrackKind;
use player_core::time::TimeRange;

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub(super) struct Locks {
    stretches: Vec<(TrackKind, TimeRange, KeyId)>,
    usable: BTreeSet<KeyId>,
}

impl Locks {
    /// The same keys, and nothing that they are needed for.
    pub(super) fn emptied(&mut self) -> Self {
        Self {
            stretches: Vec::new(),
            usable: std::mem::take(&mut self.usable),
        }
    }

    pub(super) fn set_keys(&mut self, usable: BTreeSet<KeyId>) {
        self.usable = usable;
    }

    pub(super) fn has(&self, key: KeyId) -> bool {
        self.usable.contains(&key)
    }

    /// What is there now is encrypted with this key, or not at all.
    pub(super) fn put(&mut self, kind: TrackKind, range: TimeRange, key: Option<KeyId>) {
        if self.stretches.is_empty() && key.is_none() {
            return;
        }
        let before = std::mem::take(&mut self.stretches).into_iter();
        let kept = before.flat_map(|(of, at, key)| {
            let parts = if of == kind {
                [
                    TimeRange::new(at.start, at.end.min(range.start)),
                    TimeRange::new(at.start.max(range.end), at.end),
                ]
            } else {
                [at, TimeRange::new(at.end, at.end)]
            };
            parts.map(|part| (of, part, key))
        });
        self.stretches = kept.filter(|(_, at, _)| at.start < at.end).collect();
        self.stretches.extend(key.map(|key| (kind, range, key)));
    }

    /// Where the next stretch begins, from a position on, whose key cannot be used; before it, if it is in one.
    pub(super) fn next(&self, position: MediaTime) -> Option<(MediaTime, KeyId)> {
        let locked = self
            .stretches
            .iter()
            .filter(|(_, at, key)| at.end > position && !self.has(*key));
        locked
            .map(|(_, at, key)| (at.start.max(position), *key))
            .min_by_key(|(from, _)| *from)
    }
}
