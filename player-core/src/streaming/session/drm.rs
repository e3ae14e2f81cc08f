//! What is protected, told to the key system; and what comes of keys.

use super::Session;
use crate::error::PlayerError;
use crate::input::TrackKind;
use crate::manifest::hls::MediaPlaylist;
use crate::media::fmp4::Protected;
use crate::presentation::{Period, Presentation};
use crate::streaming::context::Cx;
use crate::streaming::keys::Cipher;
use crate::time::Instant;

impl Session {
    /// The manifest is here: what it protects is asked for at once, its first period first.
    pub(super) fn declare(&mut self, cx: &Cx<'_>, presentation: &Presentation) {
        let drm = &mut self.shared.drm;
        for (i, period) in presentation.periods.iter().enumerate() {
            for track in &period.tracks {
                for rendition in &track.renditions {
                    let own = [&rendition.protection, &track.protection];
                    let Some(ways) = own.into_iter().find(|ways| !ways.is_empty()) else {
                        continue;
                    };
                    if self.live.is_locked(ways, true) {
                        continue;
                    }
                    drm.declare(track.kind, rendition, ways);
                    if i == 0 {
                        drm.want(cx.now, ways, &[]);
                    }
                }
            }
        }
        let ahead = &presentation.session_keys;
        if ahead
            .iter()
            .any(|way| Cipher::of(core::slice::from_ref(way), 0, true).is_none())
            && !self.live.is_locked(ahead, true)
        {
            // Its pictures are what the browser is asked about.
            let renditions = presentation.periods.iter().flat_map(|p| &p.tracks);
            for track in renditions.filter(|track| track.kind != TrackKind::Text) {
                for rendition in &track.renditions {
                    drm.declare(track.kind, rendition, ahead);
                }
            }
            drm.want(cx.now, ahead, &[]);
        }
    }

    /// A media playlist is here.
    pub(super) fn declare_playlist(
        &mut self,
        cx: &Cx<'_>,
        kind: TrackKind,
        rendition: usize,
        playlist: &MediaPlaylist,
        is_fmp4: bool,
    ) {
        let Some(slot) = self.loaders.iter().find(|l| l.kind == kind) else {
            return;
        };
        let Some(slot) = slot.slots.get(rendition) else {
            return;
        };
        let drm = &mut self.shared.drm;
        let mut first = true;
        for ways in &playlist.index.keys {
            if Cipher::of(ways, 0, is_fmp4).is_some() {
                continue;
            }
            drm.declare(kind, &slot.rendition, ways);
            if core::mem::take(&mut first) {
                drm.want(cx.now, ways, &[]);
            }
        }
    }

    /// Why none of this can be played, if that is because nobody is known who has the keys.
    pub(super) fn no_config(&self, periods: &[Period]) -> Option<PlayerError> {
        let tracks = periods.iter().flat_map(|p| &p.tracks);
        let mut ways = tracks.flat_map(|track| {
            let own = track.renditions.iter().map(|rendition| &rendition.protection);
            own.chain([&track.protection])
        });
        let locked = ways.find(|ways| !ways.is_empty() && self.live.is_locked(ways, true))?;
        Some(self.shared.drm.no_config(locked))
    }

    /// Media says which keys it needs.
    pub(super) fn on_protected(&mut self, cx: &Cx<'_>, kind: TrackKind, rendition: usize, facts: &Protected) {
        let Some(loader) = self.loaders.iter_mut().find(|l| l.kind == kind) else {
            return;
        };
        let Some(slot) = loader.slots.get_mut(rendition) else {
            return;
        };
        let mut rotated = false;
        for id in facts.tracks.iter().filter_map(|track| track.key_id) {
            slot.lock.learn(id);
        }
        if !facts.fragment_keys.is_empty() {
            rotated = slot.lock.rotate(facts.fragment_keys.clone());
        }
        let mime = slot.rendition.mime();
        if rotated {
            // What could not be shown until now may have a key that there is.
            loader.slots.forget_rotated(rendition);
            self.shared.drm.reconsider();
        }
        self.shared.drm.on_media(cx.now, kind, &mime, facts);
    }

    /// Lets the key system do what is due, and takes out of the ladder what has no key; says when to come back.
    pub(super) fn unlock(&mut self, cx: &mut Cx<'_>) -> Option<Instant> {
        if self.playhead.state().ready_state >= 3 {
            self.shared.drm.on_progress(cx.now);
        }
        let again = self.shared.drm.act(cx);
        let troubles = self.shared.drm.take_trouble();
        if let Some(locks) = self.shared.drm.take_locks() {
            self.shared.limits.locks = locks;
            self.on_locks(cx);
        }
        for trouble in troubles {
            if self.failed {
                // Said in the words of what failed.
                return None;
            }
            if trouble.fatal {
                self.fail(cx, trouble);
            } else {
                self.report(cx, trouble);
            }
        }
        again
    }

    fn on_locks(&mut self, cx: &mut Cx<'_>) {
        self.limit(cx);
        let position = self.playhead.position(cx.now);
        let limits = &self.shared.limits;
        for loader in self.loaders.iter().filter(|l| !l.is_text()) {
            let offered = loader.slots.numbers().filter(|r| loader.slots.is_offered(*r));
            let mut offered = offered.filter_map(|r| loader.slots.get(r)).peekable();
            if offered.peek().is_none() {
                continue;
            }
            let mut keys = Vec::new();
            let held = offered.all(|slot| {
                keys.extend_from_slice(slot.lock.keys());
                limits.locks.hold(&slot.lock, &slot.rendition)
            });
            if held {
                let error = self.shared.drm.error_of(&keys);
                return self.fail(cx, error);
            }
        }
        let mut retracted = false;
        for loader in &mut self.loaders {
            retracted |= loader.retract(cx, &mut self.shared, position);
        }
        // A decoder that waits for a key waits on, whatever takes the place of what it has.
        if retracted && self.shared.drm.is_waited_for() && self.source_open {
            self.shared.drm.on_emptied();
            self.renew(cx, Some(position));
        }
    }
}
