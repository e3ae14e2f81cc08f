//! A virtual media element with its source buffers: it plays whenever each of them has media at the playhead, and stalls
//! otherwise.
//!
//! Playback is wanted from the start, at normal speed. It begins, and goes on after a stall, as soon as there is any media at the
//! playhead: here segments arrive whole, so that is after the first segment. A viewer may pause and choose another rate, and
//! its decoder may hang or fail; nothing of that happens by itself.
//!
//! What is encrypted it shows only while the key can be used ([`Element::set_keys`]). A decoder that has met a sample without its key
//! waits for that key, whatever takes the sample's place, until there is the key, or a seek.

mod locks;

use std::collections::BTreeSet;
use std::time::Duration;

use player_core::drm::KeyId;
use player_core::input::{MediaState, TrackKind};
use player_core::time::TimeRange;
use player_core::{Instant, MediaTime};

use locks::Locks;

/// Time between two reports of the state while it plays.
pub const REPORT_INTERVAL: Duration = Duration::from_millis(250);
const FRAMES_PER_SECOND: u64 = 25;

/// The element and its source buffers.
#[derive(Clone, Debug)]
pub struct Element {
    now: Instant,
    position: MediaTime,
    playing: bool,
    ended: bool,
    seeking: bool,
    end_of_stream: bool,
    paused: bool,
    rate: f64,
    /// It shows the same picture though it has others.
    frozen: bool,
    error: Option<u8>,
    /// What each holds: sorted, without touching neighbours.
    buffers: Vec<(TrackKind, Vec<TimeRange>)>,
    /// What all of them hold.
    playable: Vec<TimeRange>,
    locks: Locks,
    /// The decoder waits for it, since when.
    stuck: Option<(KeyId, Instant)>,
    played: Duration,
    next_report: Option<Instant>,
    stalls: Vec<Stall>,
    /// Since when it has been waiting for media,
    waiting_since: Instant,
    /// and how much of that a key was all that it waited for.
    waited_for_key: Duration,
}

/// A time without pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// When it began; for start-up the origin of the clock.
    pub from: Instant,
    /// How long it lasted.
    pub duration: Duration,
    /// How much of it a key was all that was missing.
    pub for_key: Duration,
    /// The position at which playback went on.
    pub position: MediaTime,
}

impl Default for Element {
    fn default() -> Self {
        Self {
            now: Instant::ZERO,
            position: MediaTime::ZERO,
            playing: false,
            ended: false,
            seeking: false,
            end_of_stream: false,
            paused: false,
            rate: 1.0,
            frozen: false,
            error: None,
            buffers: Vec::new(),
            playable: Vec::new(),
            locks: Locks::default(),
            stuck: None,
            played: Duration::ZERO,
            next_report: None,
            stalls: Vec::new(),
            waiting_since: Instant::ZERO,
            waited_for_key: Duration::ZERO,
        }
    }
}

impl Element {
    /// An element without source buffers, at zero, that is to play.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pauses, or goes on. True if there is a new state to report.
    pub fn set_paused(&mut self, paused: bool) -> bool {
        let changed = self.paused != paused;
        self.paused = paused;
        if !self.playing {
            self.waiting_since = self.now;
        }
        self.advance(self.now) || changed
    }

    /// Plays so many times as fast; call [`Element::advance`] to the present first. Nothing if that is no number above 0.
    pub fn set_rate(&mut self, rate: f64) {
        if rate.is_finite() && rate > 0.0 {
            self.rate = rate;
        }
    }

    /// Shows the same picture from now on, or no longer; what it reports does not tell, but for its position. Call
    /// [`Element::advance`] to the present first.
    pub fn set_frozen(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// Fails with a `MediaError.code`: there is nothing more to be had of it.
    pub fn fail(&mut self, code: u8) {
        self.error = Some(code);
        self.update();
    }

    /// Its source is taken away: it is empty and at zero, and plays on as fast as before once it has something again.
    pub fn close(&mut self) {
        self.unstick();
        *self = Self {
            now: self.now,
            paused: self.paused,
            rate: self.rate,
            waiting_since: if self.playing {
                self.now
            } else {
                self.waiting_since
            },
            waited_for_key: self.waited_for_key,
            stalls: std::mem::take(&mut self.stalls),
            locks: self.locks.emptied(),
            ..Self::default()
        };
    }

    /// The keys that can be used from now on. True if there is a new state to report.
    pub fn set_keys(&mut self, usable: BTreeSet<KeyId>) -> bool {
        self.locks.set_keys(usable);
        self.advance(self.now)
    }

    /// The key that its decoder waits for.
    pub fn waits_for_key(&self) -> Option<KeyId> {
        self.stuck.map(|(key, _)| key)
    }

    /// Whether somebody has paused it.
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// How many times as fast it plays.
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// When [`Element::advance`] will next have something to report; `None` while it waits for media or has ended.
    pub fn next(&self) -> Option<Instant> {
        let end = self.buffer_end().filter(|_| self.playing)?;
        if self.frozen {
            return Some(self.next_report.unwrap_or(self.now + REPORT_INTERVAL));
        }
        let left = (end - self.position).as_duration();
        let dry = self.now
            + if self.rate == 1.0 {
                left
            } else {
                Duration::from_micros((left.as_micros() as f64 / self.rate).ceil() as u64)
            };
        Some(self.next_report.map_or(dry, |report| report.min(dry)))
    }

    /// Lets time pass until `now`, which must not be after [`Element::next`]. True if there is a new state to report.
    pub fn advance(&mut self, now: Instant) -> bool {
        if self.playing && !self.frozen {
            let by = now.since(self.now);
            self.played += by;
            if self.rate == 1.0 {
                self.position += MediaTime::from(by);
            } else {
                let by = (by.as_micros() as f64 * self.rate) as i64;
                let end = self.buffer_end().unwrap_or(MediaTime::MAX);
                self.position = (self.position + MediaTime::from_micros(by)).min(end);
            }
        }
        self.now = self.now.max(now);
        let changed = self.update();
        let due = self.playing && self.next_report.is_some_and(|at| at <= self.now);
        if changed || due {
            self.next_report = self.playing.then(|| self.now + REPORT_INTERVAL);
        }
        changed || due
    }

    /// Makes a source buffer; false if there is one of this kind. They are to be made before anything is appended.
    pub fn create_buffer(&mut self, kind: TrackKind) -> bool {
        let new = !self.has_buffer(kind);
        if new {
            self.buffers.push((kind, Vec::new()));
            self.intersect();
        }
        new
    }

    /// Adds media to a source buffer; nothing if it does not exist. True if there is a new state to report.
    pub fn append(&mut self, kind: TrackKind, range: TimeRange) -> bool {
        self.append_locked(kind, range, None)
    }

    /// The same of media that are encrypted with a key.
    pub fn append_locked(&mut self, kind: TrackKind, range: TimeRange, key: Option<KeyId>) -> bool {
        self.end_of_stream = false;
        if let Some(buffer) = self.buffer_mut(kind).filter(|_| range.start < range.end) {
            insert(buffer, range);
            self.locks.put(kind, range, key);
            self.intersect();
        }
        self.advance(self.now)
    }

    /// Removes media from a source buffer. True if there is a new state to report.
    pub fn remove(&mut self, kind: TrackKind, range: TimeRange) -> bool {
        if let Some(buffer) = self.buffer_mut(kind) {
            let kept = buffer.iter().flat_map(|have| {
                let before = TimeRange::new(have.start, have.end.min(range.start));
                let after = TimeRange::new(have.start.max(range.end), have.end);
                [before, after]
            });
            *buffer = kept.filter(|have| have.start < have.end).collect();
            self.locks.put(kind, range, None);
            self.intersect();
        }
        self.advance(self.now)
    }

    /// There will be no more media: the end of the last range is the end. True if there is a new state to report.
    pub fn end_of_stream(&mut self) -> bool {
        self.end_of_stream = true;
        self.advance(self.now)
    }

    /// Moves the playhead. Always a new state to report.
    pub fn seek(&mut self, to: MediaTime) {
        if self.playing {
            self.playing = false;
            self.waiting_since = self.now;
        }
        self.position = to.max(MediaTime::ZERO);
        self.seeking = true;
        self.ended = false;
        self.unstick();
        self.next_report = None;
        self.advance(self.now);
    }

    /// What it reports.
    pub fn state(&self) -> MediaState {
        let ahead = self.buffer_end().map(|end| end - self.position);
        let ready_state = match ahead {
            _ if self.ended => 2,
            Some(_) => 4,
            None if self.playable.is_empty() => 0,
            // Of what is encrypted not even the first frame is known.
            None if self.stuck.is_some() && self.played.is_zero() => 1,
            // A frame remains on the screen in a stall; nothing is known of a position that was jumped to.
            None => 2 - u8::from(self.seeking),
        };
        let frames = (self.played.as_micros() as u64).saturating_mul(FRAMES_PER_SECOND) / 1_000_000;
        MediaState {
            position: self.position,
            paused: self.paused,
            seeking: self.seeking,
            ended: self.ended,
            ready_state,
            rate: self.rate,
            decoded_frames: frames,
            dropped_frames: 0,
            error: self.error,
        }
    }

    /// Whether there is a source buffer of this kind.
    pub fn has_buffer(&self, kind: TrackKind) -> bool {
        self.buffers.iter().any(|(have, _)| *have == kind)
    }

    /// What a source buffer holds.
    pub fn buffered(&self, kind: TrackKind) -> &[TimeRange] {
        let buffer = self.buffers.iter().find(|(have, _)| *have == kind);
        buffer.map_or(&[], |(_, ranges)| ranges)
    }

    /// The playhead.
    pub const fn position(&self) -> MediaTime {
        self.position
    }

    /// Media ahead of the playhead without a gap.
    pub fn ahead(&self) -> MediaTime {
        self.buffer_end()
            .map_or(MediaTime::ZERO, |end| end - self.position)
    }

    /// Whether the playhead advances.
    pub const fn is_playing(&self) -> bool {
        self.playing && !self.frozen
    }

    /// Whether it has played to the end.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// The stalls that are over, in order; the first one is start-up.
    pub fn stalls(&self) -> &[Stall] {
        &self.stalls
    }

    /// Where the media at the playhead ends that can be shown, if there is any.
    fn buffer_end(&self) -> Option<MediaTime> {
        if self.stuck.is_some() {
            return None;
        }
        let at = self.playable.iter().find(|range| range.contains(self.position))?;
        match self.locks.next(self.position) {
            Some((from, _)) if from <= self.position => None,
            Some((from, _)) => Some(at.end.min(from)),
            None => Some(at.end),
        }
    }

    /// The decoder meets what it has no key for, or gets the key.
    fn decode(&mut self) {
        if self.stuck.is_some_and(|(key, _)| self.locks.has(key)) {
            self.unstick();
        }
        if self.stuck.is_none()
            && self.playable.iter().any(|range| range.contains(self.position))
            && let Some((from, key)) = self.locks.next(self.position)
            && from <= self.position
        {
            self.stuck = Some((key, self.now));
        }
    }

    fn unstick(&mut self) {
        if let Some((_, since)) = self.stuck.take()
            && !self.playing
        {
            self.waited_for_key += self.now.since(since);
        }
    }

    /// Starts and stops; true if that changed anything.
    fn update(&mut self) -> bool {
        self.decode();
        let at_end = self.end_of_stream
            && self
                .playable
                .last()
                .is_none_or(|range| range.end <= self.position);
        let can_play = self.buffer_end().is_some() && !self.ended && self.error.is_none();
        let play = can_play && !self.paused;
        let seeked = self.seeking && (can_play || at_end);
        self.seeking &= !seeked;
        if at_end && !self.ended && !self.paused && self.error.is_none() {
            self.ended = true;
            self.playing = false;
            return true;
        }
        if play == self.playing {
            return seeked;
        }
        if play {
            let duration = self.now.since(self.waiting_since);
            self.stalls.push(Stall {
                from: self.waiting_since,
                duration,
                for_key: std::mem::take(&mut self.waited_for_key).min(duration),
                position: self.position,
            });
        } else {
            self.waiting_since = self.now;
            self.waited_for_key = Duration::ZERO;
        }
        self.playing = play;
        true
    }

    fn buffer_mut(&mut self, kind: TrackKind) -> Option<&mut Vec<TimeRange>> {
        let buffer = self.buffers.iter_mut().find(|(have, _)| *have == kind);
        buffer.map(|(_, ranges)| ranges)
    }

    fn intersect(&mut self) {
        self.playable.clear();
        let Some(((_, first), others)) = self.buffers.split_first() else {
            return;
        };
        self.playable.extend(first);
        for (_, other) in others {
            let common = self.playable.iter().flat_map(|a| {
                let both = |b: &TimeRange| TimeRange::new(a.start.max(b.start), a.end.min(b.end));
                other.iter().map(both).filter(|both| both.start < both.end)
            });
            self.playable = common.collect();
        }
    }
}

/// Adds a range to sorted ones that do not touch each other.
fn insert(ranges: &mut Vec<TimeRange>, new: TimeRange) {
    let from = ranges.partition_point(|range| range.end < new.start);
    let to = ranges.partition_point(|range| range.start <= new.end);
    let touched = ranges.get(from..to).unwrap_or_default();
    let merged = touched.iter().fold(new, |merged, range| {
        TimeRange::new(merged.start.min(range.start), merged.end.max(range.end))
    });
    ranges.splice(from..to, [merged]);
}

#[cfg(test)]
mod tests;
