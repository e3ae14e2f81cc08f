//! A way out of the vicious circle of small segments.
//!
//! A connection that was idle begins slowly (RFC 5681, 4.1): a segment that is over within its first round trips tells how far away
//! the server is, not how fast the line. The estimate is low then, a low rendition is chosen, its next segment is as small, and the
//! estimate stays low (Shaka #3422, dash.js #4288). No estimator can know better; only a larger segment can tell.

use core::time::Duration;

use super::{Context, Download};
use crate::time::Instant;

/// A download of at most this many times the time to its first byte may have been held up by slow start alone.
const ROUND_TRIPS: u32 = 4;
/// It must also have taken no more than this share of the time that the segment plays.
const SHORT: f64 = 0.25;
/// A rung whose segment took less than this share of the time that it plays is carried, whatever the estimate says.
const CARRIED: f64 = 0.5;
/// The buffer pays for a mistake: it must be at least this full.
const BUFFER: f64 = 0.5;
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(480);

/// Tries the next rung when the downloads of the chosen one are too short to say that it could not be carried, keeps it while its own
/// downloads show that it is, and waits longer each time that they do not.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    /// The last download: how long it took from its first byte, and whether slow start may have held it up.
    last: Option<(Duration, bool)>,
    /// The rung that is tried or kept against the estimate.
    held: Option<usize>,
    pause: Option<Duration>,
    not_before: Instant,
}

impl Probe {
    /// A download has ended.
    pub fn on_download(&mut self, download: &Download) {
        let p = &download.progress;
        let took = p.at.since(p.first_byte_at);
        let far = took <= p.first_byte_at.since(p.requested_at) * ROUND_TRIPS;
        self.last = if download.abandoned {
            // It was not carried.
            Some((Duration::MAX, false))
        } else if download.cached || p.bytes == 0 {
            None
        } else {
            Some((took, far))
        };
    }

    /// What to choose where an estimate of `bps` says `choice`.
    pub fn choose(&mut self, context: &Context<'_>, choice: usize, bps: f64) -> usize {
        let share = |took: Duration| took.as_secs_f64() / context.segment_s.max(0.001);
        let is_full = context.buffer_s >= BUFFER * context.buffer_max_s;
        let mut choice = choice;
        if let Some(held) = self.held.take() {
            let stays = context.last == Some(held) && held < context.ladder.len();
            let carried = self.last.is_none_or(|(took, _)| share(took) < CARRIED);
            if choice >= held {
                self.pause = None;
            } else if stays && carried && 2.0 * context.buffer_s >= BUFFER * context.buffer_max_s {
                choice = held;
                self.held = Some(held);
            } else {
                let pause = self
                    .pause
                    .map_or(FIRST_PAUSE, |pause| pause * 2)
                    .min(LONGEST_PAUSE);
                self.pause = Some(pause);
                self.not_before = context.now + pause;
            }
        }
        let next = choice + 1;
        let in_time = || context.bits(next, 0) <= bps * BUFFER * context.buffer_s;
        let is_short = self.last.is_some_and(|(took, far)| far && share(took) <= SHORT);
        if is_short
            && is_full
            && context.started
            && context.last == Some(choice)
            && context.now >= self.not_before
            && next < context.ladder.len()
            && in_time()
        {
            self.held = Some(next);
            return next;
        }
        choice
    }
}
