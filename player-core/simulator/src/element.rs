//! A virtual media element with its source buffers: it plays whenever each of them has media at the playhead, and stalls
//! otherwise.
//!
//! Playback is wanted from the start, at normal speed. It begins, and goes on after a stall, as soon as there is any media at the
//! playhead: here segments arrive whole, so that is after the first segment. A viewer may pause and choose another rate, and
//! its decoder may hang or fail; nothing of that happens by itself.

use std::time::Duration;

use player_core::input::{MediaState, TrackKind};
use player_core::time::TimeRange;
use player_core::{Instant, MediaTime};

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
    played: Duration,
    next_report: Option<Instant>,
    stalls: Vec<Stall>,
    /// Since when it has been waiting for media.
    waiting_since: Instant,
}

/// A time without pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// When it began; for start-up the origin of the clock.
    pub from: Instant,
    /// How long it lasted.
    pub duration: Duration,
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
            played: Duration::ZERO,
            next_report: None,
            stalls: Vec::new(),
            waiting_since: Instant::ZERO,
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
        *self = Self {
            now: self.now,
            paused: self.paused,
            rate: self.rate,
            waiting_since: self.now,
            ..Self::default()
        };
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
        self.end_of_stream = false;
        if let Some(buffer) = self.buffer_mut(kind).filter(|_| range.start < range.end) {
            insert(buffer, range);
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

    /// Where the media at the playhead ends, if there is any.
    fn buffer_end(&self) -> Option<MediaTime> {
        self.playable
            .iter()
            .find(|range| range.contains(self.position))
            .map(|range| range.end)
    }

    /// Starts and stops; true if that changed anything.
    fn update(&mut self) -> bool {
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
                position: self.position,
            });
        } else {
            self.waiting_since = self.now;
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VIDEO: TrackKind = TrackKind::Video;
    const AUDIO: TrackKind = TrackKind::Audio;

    fn element() -> Element {
        let mut element = Element::new();
        assert!(element.create_buffer(VIDEO));
        element
    }

    fn range(from_ms: i64, to_ms: i64) -> TimeRange {
        TimeRange::new(MediaTime::from_millis(from_ms), MediaTime::from_millis(to_ms))
    }

    const fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    const fn stall(from_ms: u64, ms: u64, position_ms: i64) -> Stall {
        let position = MediaTime::from_millis(position_ms);
        Stall {
            from: at(from_ms),
            duration: Duration::from_millis(ms),
            position,
        }
    }

    /// Lets it play until `ms`; the times of its reports.
    fn play_until(element: &mut Element, ms: u64) -> Vec<u64> {
        let mut reports = Vec::new();
        while let Some(next) = element.next().filter(|next| *next <= at(ms)) {
            if element.advance(next) {
                reports.push(next.as_micros() / 1000);
            }
        }
        element.advance(at(ms));
        reports
    }

    #[test]
    fn it_starts_stalls_goes_on_and_ends() {
        let mut e = element();
        assert_eq!(
            (e.next(), e.state().ready_state, e.state().paused),
            (None, 0, false)
        );
        e.advance(at(700));
        assert!(e.append(VIDEO, range(0, 1000)), "it starts");
        assert_eq!((e.state().ready_state, e.is_playing()), (4, true));
        assert_eq!(play_until(&mut e, 2000), [950, 1200, 1450, 1700]);
        assert_eq!((e.state().ready_state, e.is_playing()), (2, false));
        assert_eq!(e.position(), MediaTime::from_millis(1000));
        assert!(e.append(VIDEO, range(1000, 2000)), "it goes on");
        assert!(!e.append(VIDEO, range(2000, 2100)), "more media changes nothing");
        assert!(!e.end_of_stream());
        assert_eq!(play_until(&mut e, 9000), [2250, 2500, 2750, 3000, 3100]);
        assert!(e.has_ended() && e.state().ended);
        assert_eq!(e.position(), MediaTime::from_millis(2100));
        assert_eq!(e.state().decoded_frames, 52);
        assert_eq!(e.stalls(), [stall(0, 700, 0), stall(1700, 300, 1000)]);
        assert_eq!(e.next(), None);
    }

    #[test]
    fn without_the_end_of_the_stream_it_waits_for_more() {
        let mut e = element();
        e.append(VIDEO, range(0, 100));
        assert_eq!(play_until(&mut e, 500), [100]);
        assert!(!e.has_ended());
        assert!(e.end_of_stream());
        assert!(e.has_ended());
    }

    #[test]
    fn a_gap_stops_it_until_it_is_told_to_jump() {
        let mut e = element();
        e.append(VIDEO, range(0, 100));
        e.append(VIDEO, range(150, 400));
        assert_eq!(e.buffered(VIDEO), [range(0, 100), range(150, 400)]);
        assert_eq!(play_until(&mut e, 200), [100]);
        e.seek(MediaTime::from_millis(150));
        assert!(e.is_playing() && !e.state().seeking);
        e.seek(MediaTime::from_millis(900));
        assert_eq!(
            (e.is_playing(), e.state().seeking, e.state().ready_state),
            (false, true, 1)
        );
        assert_eq!(e.stalls(), [stall(0, 0, 0), stall(100, 100, 150)]);
    }

    #[test]
    fn a_viewer_pauses_and_hurries() {
        let mut e = element();
        e.append(VIDEO, range(0, 4000));
        assert!(e.set_paused(true) && !e.set_paused(true));
        assert_eq!(
            (e.next(), e.state().paused, e.state().ready_state),
            (None, true, 4)
        );
        e.advance(at(1000));
        assert_eq!(e.position(), MediaTime::ZERO);
        assert!(e.set_paused(false) && e.is_playing());
        e.set_rate(4.0);
        assert_eq!(play_until(&mut e, 1600), [1250, 1500]);
        assert_eq!(e.position(), MediaTime::from_millis(2400));
        e.set_rate(f64::NAN);
        e.set_rate(0.5);
        assert_eq!(e.state().rate, 0.5);
        e.end_of_stream();
        play_until(&mut e, 9000);
        assert!(e.has_ended());
        assert_eq!(e.position(), MediaTime::from_millis(4000));
    }

    #[test]
    fn a_decoder_hangs_and_fails() {
        let mut e = element();
        e.append(VIDEO, range(0, 4000));
        e.set_frozen(true);
        assert_eq!(play_until(&mut e, 1000), [250, 500, 750, 1000]);
        assert_eq!((e.position(), e.state().ready_state), (MediaTime::ZERO, 4));
        e.set_frozen(false);
        e.set_rate(2.0);
        e.fail(3);
        assert_eq!((e.is_playing(), e.state().error), (false, Some(3)));
        e.close();
        assert_eq!(
            (e.state().error, e.rate(), e.has_buffer(VIDEO)),
            (None, 2.0, false)
        );
    }

    #[test]
    fn removing_splits_and_trims() {
        let mut e = element();
        e.append(VIDEO, range(0, 1000));
        e.remove(VIDEO, range(200, 300));
        e.remove(VIDEO, range(900, 2000));
        e.append(VIDEO, range(250, 300));
        assert_eq!(e.buffered(VIDEO), [range(0, 200), range(250, 900)]);
        assert!(e.remove(VIDEO, range(0, 150)), "the playhead lost its media");
        assert!(!e.is_playing());
    }

    #[test]
    fn it_plays_what_both_buffers_hold() {
        let mut e = element();
        assert!(e.create_buffer(AUDIO) && !e.create_buffer(AUDIO));
        assert!(!e.append(VIDEO, range(0, 1000)), "there is no sound yet");
        assert_eq!((e.next(), e.state().ready_state), (None, 0));
        assert!(e.append(AUDIO, range(0, 400)));
        assert_eq!(e.ahead(), MediaTime::from_millis(400));
        assert_eq!(play_until(&mut e, 500), [250, 400]);
        e.append(AUDIO, range(600, 900));
        assert!(!e.is_playing(), "a hole in the sound");
        assert!(e.append(AUDIO, range(400, 650)));
        assert_eq!(e.ahead(), MediaTime::from_millis(500));
        e.end_of_stream();
        assert_eq!(play_until(&mut e, 5000), [750, 1000]);
        assert!(e.has_ended());
        assert!(
            !e.append(TrackKind::Text, range(0, 9000)),
            "nobody made that buffer"
        );
        assert_eq!(e.buffered(TrackKind::Text), []);
    }

    proptest! {
        #[test]
        fn ranges_hold_every_millisecond_that_was_added(
            added in prop::collection::vec((0_i64..60, 1_i64..15), 0..12),
            removed in (0_i64..60, 1_i64..15),
        ) {
            let mut e = element();
            let mut held = [false; 80];
            for &(start, length) in &added {
                e.append(VIDEO, range(start, start + length));
                (start..start + length).for_each(|t| held[t as usize] = true);
            }
            e.remove(VIDEO, range(removed.0, removed.0 + removed.1));
            (removed.0..removed.0 + removed.1).for_each(|t| held[t as usize] = false);
            let ranges = e.buffered(VIDEO);
            for (t, held) in held.iter().enumerate() {
                let t = MediaTime::from_millis(t as i64);
                prop_assert_eq!(ranges.iter().any(|r| r.contains(t)), *held, "{:?}", ranges);
            }
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "{:?}", ranges);
        }
    }
}
