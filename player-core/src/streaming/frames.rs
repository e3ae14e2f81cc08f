//! Dropped frames: a rendition that this machine cannot show in time is left alone for a while.
//!
//! The rule: while it plays at up to normal speed in a page that is visible, the frames of the last five seconds are counted,
//! beginning one second after playback began, went on, or changed its rendition. If a larger share of them was dropped than
//! [`max_dropped_frames`](crate::config::AbrConfig::max_dropped_frames), the rendition under the playhead and all above it may not
//! be chosen until half a minute after the playhead has left them; each further time the pause doubles, up to ten minutes.

use core::time::Duration;
use std::collections::VecDeque;

use crate::time::{Bitrate, Instant};

/// Frames are counted over this long.
const WINDOW: Duration = Duration::from_secs(5);
/// Decoders stumble at the start, and it means nothing.
const SETTLE: Duration = Duration::from_secs(1);
/// Fewer frames than this say nothing.
const MIN_FRAMES: u64 = 40;
/// A report does not come more often than this; more samples than the window holds of these are not kept.
const SAMPLE: Duration = Duration::from_millis(200);
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What is seen at one moment; `None` in place of it while frames may drop for other reasons than the rendition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// The rendition under the playhead, by its bitrate,
    pub(crate) rendition: Bitrate,
    /// and it is the lowest one.
    pub(crate) lowest: bool,
    /// Frames decoded so far, the dropped ones among them.
    pub(crate) decoded: u64,
    pub(crate) dropped: u64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// The rendition that is watched, and since when.
    watched: Option<(Bitrate, Instant)>,
    window: VecDeque<(Instant, Shown)>,
    cap: Option<Cap>,
    pause: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Cap {
    /// The lowest rendition that may not be chosen.
    first: Bitrate,
    /// When it may be tried again; `None` until the playhead has left it.
    until: Option<Instant>,
}

impl Frames {
    /// The lowest rendition that drops too many frames.
    pub(crate) fn first_dropping(&self) -> Option<Bitrate> {
        self.cap.map(|cap| cap.first)
    }

    /// When [`Frames::observe`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.cap?.until
    }

    /// Takes note; true if [`Frames::first_dropping`] has changed.
    pub(crate) fn observe(&mut self, now: Instant, shown: Option<Shown>, max_share: Option<f64>) -> bool {
        if self
            .cap
            .is_some_and(|cap| cap.until.is_some_and(|until| until <= now))
        {
            self.cap = None;
            self.watched = None;
            return true;
        }
        let (Some(shown), Some(max_share)) = (shown, max_share) else {
            self.watched = None;
            return false;
        };
        if let Some(cap) = &mut self.cap {
            if shown.rendition >= cap.first {
                // What was buffered of it is still being played.
                return false;
            }
            if cap.until.is_none() {
                cap.until = Some(now + self.pause.unwrap_or(FIRST_PAUSE));
            }
        }
        let since = match self.watched {
            Some((rendition, since)) if rendition == shown.rendition => since,
            _ => {
                self.window.clear();
                self.watched = Some((shown.rendition, now));
                now
            }
        };
        let rewound =
            |last: &(Instant, Shown)| shown.decoded < last.1.decoded || shown.dropped < last.1.dropped;
        if self.window.back().is_some_and(rewound) {
            self.window.clear();
        }
        if now.since(since) < SETTLE || self.window.back().is_some_and(|last| now.since(last.0) < SAMPLE) {
            return false;
        }
        self.window.push_back((now, shown));
        // The oldest one is the last that is at least a window old.
        while self
            .window
            .get(1)
            .is_some_and(|second| now.since(second.0) >= WINDOW)
        {
            self.window.pop_front();
        }
        let Some((at, first)) = self.window.front().copied() else {
            return false;
        };
        let decoded = shown.decoded - first.decoded;
        let dropped = shown.dropped - first.dropped;
        if now.since(at) < WINDOW
            || decoded < MIN_FRAMES
            || dropped as f64 <= max_share * decoded as f64
            || shown.lowest
        {
            return false;
        }
        self.pause = Some(
            self.pause
                .map_or(FIRST_PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE)),
        );
        self.cap = Some(Cap {
            first: shown.rendition,
            until: None,
        });
        self.watched = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Machine {
        frames: Frames,
        ms: u64,
        decoded: u64,
        dropped: u64,
    }

    impl Machine {
        /// Plays `rendition` for some seconds at 100 frames a second, `dropping` of them; says after which of its milliseconds
        /// the cap changed first.
        fn play(&mut self, seconds: u64, rendition: u64, dropping: u64) -> Option<u64> {
            let mut changed = None;
            for quarter in 1..=seconds * 4 {
                self.ms += 250;
                self.decoded += 25;
                self.dropped += dropping / 4;
                let shown = Shown {
                    rendition: Bitrate::from_bps(rendition),
                    lowest: rendition == 0,
                    decoded: self.decoded,
                    dropped: self.dropped,
                };
                if self.frames.observe(self.now(), Some(shown), Some(0.2)) && changed.is_none() {
                    changed = Some(quarter * 250);
                }
            }
            changed
        }

        fn now(&self) -> Instant {
            Instant::from_micros(self.ms * 1000)
        }
    }

    #[test]
    fn five_seconds_of_dropping_cap_and_pauses_grow() {
        let mut machine = Machine::default();
        assert_eq!(machine.play(60, 2, 20), None, "a fifth is not more than a fifth");
        assert_eq!(machine.play(60, 2, 40), Some(250));
        assert_eq!(machine.frames.first_dropping(), Some(Bitrate::from_bps(2)));
        // What is buffered of it plays on and changes nothing.
        assert_eq!(machine.play(60, 2, 40), None);
        assert_eq!(machine.frames.deadline(), None);
        // Half a minute after it was left it may be tried again; then a whole one.
        assert_eq!(machine.play(40, 1, 0), Some(30_250));
        assert_eq!(machine.frames.first_dropping(), None);
        assert_eq!(machine.play(60, 2, 100), Some(6250));
        assert_eq!(machine.play(70, 1, 0), Some(60_250));
    }

    #[test]
    fn a_lower_one_can_drop_too_but_never_the_lowest() {
        let mut machine = Machine::default();
        machine.play(10, 2, 80);
        assert_eq!(machine.play(10, 1, 80), Some(6250));
        assert_eq!(machine.frames.first_dropping(), Some(Bitrate::from_bps(1)));
        assert_eq!(Machine::default().play(60, 0, 100), None);
    }

    #[test]
    fn starts_and_counters_that_begin_anew_are_no_drops() {
        let mut machine = Machine::default();
        for _ in 0..10 {
            assert_eq!(machine.play(5, 1, 80), None);
            let now = machine.now();
            assert!(!machine.frames.observe(now, None, Some(0.2)));
        }
        let mut machine = Machine::default();
        machine.play(4, 1, 0);
        (machine.decoded, machine.dropped) = (0, 0);
        assert_eq!(machine.play(60, 1, 0), None);
        assert_eq!(Machine::default().frames.first_dropping(), None);
    }

    #[test]
    fn without_a_share_frames_may_drop() {
        let mut frames = Frames::default();
        for quarter in 0..100 {
            let shown = Shown {
                rendition: Bitrate::from_bps(1),
                lowest: false,
                decoded: quarter * 25,
                dropped: quarter * 25,
            };
            assert!(!frames.observe(Instant::from_micros(quarter * 250_000), Some(shown), None));
        }
    }
}
