//! What must hold all along.

use std::time::Duration;

use player_core::input::TrackKind;
use player_core::{Instant, MediaTime};

use super::{Action, Event, Minute, View, Violation};

impl View<'_, '_> {
    pub(super) fn bounded(&mut self) -> Result<(), Violation> {
        let tally = &mut self.watched.tally;
        tally.most_requests = tally.most_requests.max(self.asked.len());
        tally.most_bodies = tally.most_bodies.max(self.bodies.len());
        if self.asked.len() > MAX_REQUESTS {
            return Err(self.violation(&format!("{} requests are under way", self.asked.len())));
        }
        if self.bodies.len() > MAX_BODIES {
            return Err(self.violation(&format!("{} responses are held", self.bodies.len())));
        }
        Ok(())
    }

    pub(super) fn check(&mut self) -> Result<(), Violation> {
        self.count_requests()?;
        let position = self.element.position();
        if self.element.has_ended() {
            self.watched.ended = true;
            self.moved = (position, self.now);
            if !self.done {
                if self.plan.again {
                    let waits = self
                        .coming
                        .values()
                        .any(|event| matches!(event, Event::Do(Action::Again)));
                    if !waits {
                        self.later(Duration::from_secs(2), Event::Do(Action::Again));
                    }
                } else {
                    self.done = true;
                }
            }
            return Ok(());
        }
        let since = self.moved.0;
        if position != since {
            let by = (position - since).as_secs_f64().abs();
            let tracks = if self.plan.stream.text { 3.0 } else { 2.0 };
            // With every segment of each track once, and some twice.
            self.minute.allowed +=
                (by * tracks * 2000.0 / self.plan.stream.segment_ms as f64).min(4.0 * tracks);
            self.moved = (position, self.now);
            return Ok(());
        }
        let out = self
            .plan
            .link
            .outages
            .iter()
            .take_while(|outage| outage.at <= Instant::ZERO + self.now.since(self.start));
        let is_out = out.last().is_some_and(|outage| {
            outage.end() + Duration::from_secs(20) > Instant::ZERO + self.now.since(self.start)
        });
        // Of a page that nobody sees the engine leaves alone what stands still.
        let is_unseen = self.host.hidden && self.freeze.is_some();
        if self.element.is_paused() || self.offline || is_out || is_unseen {
            self.moved.1 = self.now;
            return Ok(());
        }
        // Where the network carries next to nothing, nothing can be had.
        let elapsed = self.now.since(self.start);
        let before = elapsed.saturating_sub(Duration::from_secs(10));
        if self.plan.trace.carried(elapsed) - self.plan.trace.carried(before) < LEAST_MICROBITS {
            self.trouble = self.now;
        }
        let stood = self.now.since(self.moved.1);
        let ahead = self.element.ahead();
        self.watched.tally.longest_stand_s = self.watched.tally.longest_stand_s.max(stood.as_secs_f64());
        if ahead <= MediaTime::from_millis(1500) {
            self.hungry = self.now;
        }
        if self.now.since(self.moved.1.max(self.hungry)) > FROZEN_PATIENCE {
            return Err(self.violation("the playhead stands with media ahead of it"));
        }
        let quiet = self.now.since(self.moved.1.max(self.trouble));
        if quiet > QUIET_PATIENCE || stood > PATIENCE {
            let buffers: Vec<_> = [TrackKind::Video, TrackKind::Audio]
                .into_iter()
                .map(|kind| {
                    let ranges = self.element.buffered(kind).iter();
                    let ranges: Vec<_> = ranges
                        .map(|r| (r.start.as_secs_f64(), r.end.as_secs_f64()))
                        .collect();
                    format!("{} {ranges:?}", kind.name())
                })
                .collect();
            let paths: Vec<_> = self.asked.values().map(|asked| asked.path.as_str()).collect();
            return Err(self.violation(&format!(
                "the playhead stands for {} s though there is something to play: {}; requests under way: {paths:?}",
                stood.as_secs(),
                buffers.join(", ")
            )));
        }
        Ok(())
    }

    pub(super) fn count_requests(&mut self) -> Result<(), Violation> {
        if self.now.since(self.minute.since) < Duration::from_secs(60) {
            return Ok(());
        }
        let minute = std::mem::replace(
            &mut self.minute,
            Minute {
                since: self.now,
                ..Minute::default()
            },
        );
        let tally = &mut self.watched.tally;
        tally.most_requests_a_minute = tally.most_requests_a_minute.max(minute.requests);
        // Manifests and playlists of what is live, and what fails and is tried again.
        let usual = 200.0;
        if minute.requests as f64 > usual + minute.allowed {
            return Err(self.violation(&format!(
                "{} requests in a minute, where {:.0} are plenty",
                minute.requests,
                usual + minute.allowed
            )));
        }
        Ok(())
    }
}

/// How long a playhead may stand with media ahead of it: the engine nudges three times, then opens the source anew.
const FROZEN_PATIENCE: Duration = Duration::from_secs(25);
/// How long it may stand in a world where nothing has gone wrong since,
const QUIET_PATIENCE: Duration = Duration::from_secs(45);
/// and in one where things go wrong.
const PATIENCE: Duration = Duration::from_secs(300);
/// Responses that the driver holds, and requests under way.
const MAX_BODIES: usize = 120;
const MAX_REQUESTS: usize = 40;
/// What a network must carry in ten seconds to be one: 60 kbit/s.
const LEAST_MICROBITS: u128 = 600_000_000_000;
