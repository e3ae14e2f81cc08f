//! What to do when the playhead does not move though it should: holes, frozen decoders, failed elements.

use core::time::Duration;

use super::Session;
use crate::error::{ErrorKind, PlayerError};
use crate::input::MediaState;
use crate::output::Output;
use crate::streaming::context::{Cx, error};
use crate::streaming::loader::Loader;
use crate::time::{Instant, MediaTime};

/// A hole in the buffer that is jumped over at once; a longer one only when nothing is on its way that could fill it.
const SMALL_GAP: MediaTime = MediaTime::from_millis(500);
/// The playhead must stand this long before a hole.
const GAP_PATIENCE: Duration = Duration::from_millis(100);
/// Elements halt this far before the end of what they hold, with the last frame on show.
const LAST_FRAMES: MediaTime = MediaTime::from_millis(200);
/// How far behind a hole the playhead lands.
const GAP_LANDING: MediaTime = MediaTime::from_millis(1);
/// With this much ahead of it a playhead has no reason to stand.
const ENOUGH: MediaTime = MediaTime::from_millis(1000);
/// It must stand this long nevertheless before something is done.
const FREEZE_PATIENCE: Duration = Duration::from_millis(2000);
/// How far it is moved the first time; each further time by as much more.
const NUDGE: MediaTime = MediaTime::from_millis(100);
/// How often it is moved before the source is opened anew.
const MAX_NUDGES: u32 = 3;
/// Sources that are opened anew within [`REOPEN_WINDOW`], with less than [`HEALED`] played between them; the next failure is fatal.
const MAX_REOPENS: usize = 3;
const REOPEN_WINDOW: Duration = Duration::from_secs(60);
/// How often one goes back from an end that cannot be had.
const MAX_BACK: u32 = 3;
/// Played without trouble for so long, the past is forgotten.
const HEALED: MediaTime = MediaTime::from_millis(5000);

/// How the playhead fares.
#[derive(Debug)]
pub(super) struct Stalls {
    /// Since when it stands before a hole.
    gap_since: Option<Instant>,
    /// Where it moved last, and when.
    moved: (MediaTime, Instant),
    nudges: u32,
    /// Where it was nudged first.
    nudged_at: MediaTime,
    reopened: Vec<Instant>,
    /// What was played since the source was opened anew.
    played: MediaTime,
    /// How often the playhead was sent back from an end that cannot be had.
    backed: u32,
    /// A source buffer has refused media, which is the cause of the error of the element that follows.
    pub(super) refused: bool,
    /// The source is on its way out and in again.
    reopening: bool,
}

impl Stalls {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            gap_since: None,
            moved: (MediaTime::ZERO, now),
            nudges: 0,
            nudged_at: MediaTime::ZERO,
            reopened: Vec::new(),
            played: MediaTime::ZERO,
            backed: 0,
            refused: false,
            reopening: false,
        }
    }

    pub(super) const fn is_reopening(&self) -> bool {
        self.reopening
    }

    /// Counts it, too.
    pub(super) fn may_go_back(&mut self) -> bool {
        self.backed += 1;
        self.backed <= MAX_BACK
    }
}

impl Session {
    /// Gets the playhead going where it stands without a reason; says when to look again.
    pub(super) fn watch(&mut self, cx: &mut Cx<'_>) -> Option<Instant> {
        if self.stalls.reopening {
            // Until the new source has something.
            let ready = self
                .loaders
                .iter()
                .all(|l| l.is_text() || l.playable(self.playhead.state().position) > MediaTime::ZERO);
            if self.start.is_some() {
                return None;
            }
            if ready {
                self.stalls.reopening = false;
                self.stalls.moved.1 = cx.now;
                return None;
            }
            // What broke the decoder may be left out.
            return self.jump_gap(cx);
        }
        let gap = self.jump_gap(cx);
        let freeze = self.unfreeze(cx);
        [gap, freeze].into_iter().flatten().min()
    }

    /// Jumps over a hole that the playhead stands before, or is in: some elements go on with the sound and leave the pictures behind.
    fn jump_gap(&mut self, cx: &mut Cx<'_>) -> Option<Instant> {
        let state = *self.playhead.state();
        let stands = state.ready_state < 3 && (state.seeking || !state.paused);
        let goes_on = !stands && !state.paused && !state.seeking;
        let (position, tolerance) = if stands {
            (state.position, LAST_FRAMES)
        } else {
            (self.playhead.position(cx.now), MediaTime::ZERO)
        };
        let next_start = |l: &Loader| l.next_start(position, tolerance);
        let target = self.loaders.iter().filter_map(next_start).max();
        let Some(target) = target.filter(|_| !state.ended && (stands || goes_on)) else {
            self.stalls.gap_since = None;
            return None;
        };
        let since = *self.stalls.gap_since.get_or_insert(cx.now);
        let fillable = self
            .loaders
            .iter()
            .any(|l| next_start(l).is_some_and(|start| l.next() < start));
        if fillable && (target - position > SMALL_GAP || state.seeking) {
            // What comes last must also get into the buffer.
            self.stalls.gap_since = None;
            return None;
        }
        if cx.now.since(since) < GAP_PATIENCE {
            return Some(since + GAP_PATIENCE);
        }
        self.stalls.gap_since = None;
        self.go_to(cx, target + GAP_LANDING);
        None
    }

    /// Moves the playhead.
    pub(super) fn go_to(&mut self, cx: &mut Cx<'_>, to: MediaTime) {
        self.playhead.expect(cx.now, to);
        cx.send(Output::Seek { to });
    }

    /// Nudges a playhead that stands with media ahead of it; opens the source anew if that does not help.
    fn unfreeze(&mut self, cx: &mut Cx<'_>) -> Option<Instant> {
        let state = *self.playhead.state();
        let stalls = &mut self.stalls;
        let (at, since) = stalls.moved;
        if (state.position - at).max(at - state.position) > MediaTime::from_millis(10) {
            stalls.moved = (state.position, cx.now);
            // Further apart are the two ends of a seek.
            if !state.seeking && state.position > at && state.position - at < ENOUGH {
                stalls.played += state.position - at;
            }
            if state.position - stalls.nudged_at > HEALED {
                stalls.nudges = 0;
            }
            return None;
        }
        let should_move = !state.paused
            && !state.seeking
            && !state.ended
            && !self.shared.limits.host.hidden
            && self.view.started()
            && self.start.is_none();
        let ahead = self
            .loaders
            .iter()
            .filter(|l| !l.is_text())
            .map(|l| l.playable(state.position))
            .min();
        let little = ahead.filter(|ahead| *ahead > MediaTime::ZERO && *ahead < ENOUGH);
        if let Some(little) = little.filter(|_| should_move && state.ready_state >= 3) {
            // It stands though it says that it can go on, and a hole comes: over both at once.
            let end = state.position + little;
            let starts = self
                .loaders
                .iter()
                .filter_map(|l| Some((l.next_start(end, MediaTime::ZERO)?, l.next())));
            let target = starts
                .max()
                .filter(|(start, next)| next >= start)
                .map(|(start, _)| start);
            if let Some(target) = target {
                if cx.now.since(since) < FREEZE_PATIENCE * 2 {
                    return Some(since + FREEZE_PATIENCE * 2);
                }
                self.stalls.moved.1 = cx.now;
                self.go_to(cx, target + GAP_LANDING);
                return None;
            }
        }
        if let Some(little) = little.filter(|_| should_move && self.end_of_stream) {
            // The very end: there is nothing behind it to open the source anew for.
            if cx.now.since(since) < FREEZE_PATIENCE * 2 {
                return Some(since + FREEZE_PATIENCE * 2);
            }
            self.stalls.moved.1 = cx.now;
            self.go_to(cx, state.position + little);
            return None;
        }
        let stalls = &mut self.stalls;
        if !should_move || ahead.is_none_or(|ahead| ahead < ENOUGH) {
            stalls.moved.1 = cx.now;
            return None;
        }
        if cx.now.since(since) < FREEZE_PATIENCE {
            return Some(since + FREEZE_PATIENCE);
        }
        if stalls.nudges == 0 {
            stalls.nudged_at = state.position;
        }
        stalls.moved.1 = cx.now;
        stalls.nudges += 1;
        if stalls.nudges > MAX_NUDGES {
            stalls.nudges = 0;
            let message = "the pictures stand still with media ahead of them";
            self.reopen(cx, error(ErrorKind::Media, message), state.position);
            return None;
        }
        let by = NUDGE.as_micros() * i64::from(self.stalls.nudges);
        self.go_to(cx, state.position + MediaTime::from_micros(by));
        Some(cx.now + FREEZE_PATIENCE)
    }

    /// The element has failed: what was shown is not shown again, and playback goes on in a new source.
    pub(super) fn on_element_error(&mut self, cx: &mut Cx<'_>, state: MediaState, code: u8) {
        if self.stalls.reopening {
            // Of the source before.
            return;
        }
        let position = self.playhead.position(cx.now);
        self.playhead.report(cx.now, MediaState { position, ..state });
        let what = match code {
            3 => "the decoder failed",
            4 => "the source is not supported",
            _ => "the media element failed",
        };
        let cause = error(ErrorKind::Media, format!("{what} (MediaError {code})"));
        if code != 3 || !self.source_open {
            return self.fail(cx, cause);
        }
        if !self.view.started() {
            // A key that does not fit shows at once.
            let blamed = self.shared.drm.blame(cause.clone());
            if blamed.drm.is_some() {
                return self.fail(cx, blamed);
            }
        }
        let shared = &self.shared;
        let blamed = self.stalls.refused;
        if let Some(main) = self.loaders.first_mut().filter(|_| !blamed) {
            main.bar_at(cx, shared, position);
        }
        self.reopen(cx, cause, position);
    }

    /// Opens the source anew and goes on at `position`; fatal if that was done too often.
    pub(super) fn reopen(&mut self, cx: &mut Cx<'_>, cause: PlayerError, position: MediaTime) {
        let healed = self.stalls.played > HEALED;
        self.stalls
            .reopened
            .retain(|at| !healed && cx.now.since(*at) < REOPEN_WINDOW);
        self.stalls.played = MediaTime::ZERO;
        if self.stalls.reopened.len() >= MAX_REOPENS {
            let cause = self.shared.drm.blame(cause);
            return self.fail(cx, cause);
        }
        self.report(cx, cause);
        self.stalls.reopened.push(cx.now);
        self.renew(cx, Some(position));
    }

    /// Opens the source anew, to play from a position, or for something else.
    pub(super) fn renew(&mut self, cx: &mut Cx<'_>, to: Option<MediaTime>) {
        let position = to.unwrap_or_else(|| self.playhead.position(cx.now));
        self.stalls.reopening = to.is_some();
        self.stalls.refused = false;
        self.source_open = false;
        self.start = to;
        self.duration_sent = None;
        self.live.range_sent = None;
        self.end_of_stream = false;
        self.playhead.expect(cx.now, position);
        for loader in &mut self.loaders {
            loader.reopen(cx, &mut self.shared, position);
        }
        cx.send(Output::CloseSource);
        cx.send(Output::OpenSource);
    }
}
