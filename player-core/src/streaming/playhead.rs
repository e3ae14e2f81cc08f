//! Where the playhead is, between the reports of the element too.

use crate::input::MediaState;
use crate::time::{Instant, MediaTime};

/// The last report, and when it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Playhead {
    state: MediaState,
    at: Instant,
}

impl Playhead {
    /// At the start of a presentation: of an element's earlier state only the wish to play and its speed live on.
    pub(crate) fn new(now: Instant, position: MediaTime, element: &MediaState) -> Self {
        let MediaState { paused, rate, .. } = *element;
        let mut playhead = Self {
            state: MediaState::default(),
            at: now,
        };
        playhead.report(
            now,
            MediaState {
                position,
                paused,
                rate,
                ..MediaState::default()
            },
        );
        playhead
    }

    pub(crate) fn report(&mut self, now: Instant, state: MediaState) {
        let rate = if state.rate.is_finite() && state.rate > 0.0 {
            state.rate
        } else {
            1.0
        };
        self.state = MediaState {
            rate,
            position: state.position.max(MediaTime::ZERO),
            ..state
        };
        self.at = now;
    }

    pub(crate) fn state(&self) -> &MediaState {
        &self.state
    }

    /// Moves the playhead before the element has said so: a seek was asked for.
    pub(crate) fn expect(&mut self, now: Instant, position: MediaTime) {
        self.state.position = position;
        self.at = now;
    }

    /// It moves by itself.
    pub(crate) fn advances(&self) -> bool {
        let s = &self.state;
        !s.paused && !s.seeking && !s.ended && s.ready_state >= 3 && s.error.is_none()
    }

    /// Media seconds a second; zero while it stands.
    pub(crate) fn speed(&self) -> f64 {
        if self.advances() { self.state.rate } else { 0.0 }
    }

    /// Where it is at `now`.
    pub(crate) fn position(&self, now: Instant) -> MediaTime {
        if !self.advances() {
            return self.state.position;
        }
        let elapsed = now.since(self.at);
        if self.state.rate == 1.0 {
            return self.state.position + elapsed.into();
        }
        self.state.position + MediaTime::from_secs_f64(elapsed.as_secs_f64() * self.state.rate)
    }
}
