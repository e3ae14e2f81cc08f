//! What the viewer and the element do.

use std::time::Duration;

use player_core::MediaTime;
use player_core::input::{Input, TrackKind};

use super::{Action, Event, View, request_of};

impl View<'_, '_> {
    pub(super) fn seek(&mut self, to: MediaTime) {
        if let Some(left) = self.freeze {
            self.freeze = left.checked_sub(1);
            if self.freeze.is_none() {
                self.element.set_frozen(false);
            }
        }
        self.element.seek(to);
        self.changed(true);
    }

    /// Tells the engine the element's state, if there is a new one.
    pub(super) fn changed(&mut self, changed: bool) {
        if changed {
            self.queue.push_back(Input::Media(self.element.state()));
        }
    }

    pub(super) fn plan_element_faults(&mut self) {
        // At 3%, a failure of the decoder every ten minutes and a frozen picture every five.
        let every = 18.0 / self.plan.element_faults;
        let (decoder, freeze) = (self.exponential(every), self.exponential(every / 2.0));
        self.later(decoder, Event::Do(Action::BreakDecoder));
        self.later(freeze, Event::Do(Action::Freeze));
    }

    pub(super) fn exponential(&mut self, mean_s: f64) -> Duration {
        let seconds = -libm::log(1.0 - self.rng.uniform()) * mean_s;
        Duration::from_secs_f64(seconds.clamp(0.05, 10.0 * mean_s))
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.rng.uniform() < share
    }

    pub(super) fn later(&mut self, after: Duration, event: Event) {
        self.order += 1;
        self.coming.insert((self.now + after, self.order), event);
    }

    // The viewer -------------------------------------------------------------------------------------------------------

    pub(super) fn happens(&mut self, event: Event) {
        match event {
            Event::Input(input) => {
                if let Some(request) = request_of(&input)
                    && !matches!(input, Input::Prepared { .. })
                {
                    self.asked.remove(&request);
                }
                self.queue.push_back(input);
            }
            Event::Drip(request) => self.drip(request),
            Event::Do(action) => self.act(action),
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Any => {
                self.do_something();
                let after = self.exponential(self.plan.busy_every.as_secs_f64());
                self.later(after, Event::Do(Action::Any));
            }
            Action::Resume => self.pause(false),
            Action::Seek(to) => {
                self.seek(to);
                self.restless();
            }
            Action::Online => {
                self.offline = false;
                self.trouble = self.now;
                self.host.offline = false;
                self.queue.push_back(Input::Host(self.host));
            }
            Action::Again => {
                self.done = false;
                self.seek(MediaTime::ZERO);
                self.restless();
            }
            Action::BreakDecoder => {
                let rested = self
                    .decoder_failed
                    .is_none_or(|at| self.now.since(at) > DECODER_REST);
                if rested && self.element.is_playing() {
                    self.decoder_failed = Some(self.now);
                    self.met("decoder");
                    self.element.fail(3);
                    self.changed(true);
                }
                let after = self.exponential(18.0 / self.plan.element_faults);
                self.later(after, Event::Do(Action::BreakDecoder));
            }
            Action::Freeze => {
                let rested = self
                    .decoder_failed
                    .is_none_or(|at| self.now.since(at) > DECODER_REST);
                if rested && self.freeze.is_none() && self.element.is_playing() {
                    self.decoder_failed = Some(self.now);
                    self.met("frozen");
                    self.freeze = Some((self.rng.uniform() * 4.0) as u32);
                    self.element.set_frozen(true);
                    // It does not know itself.
                }
                let after = self.exponential(9.0 / self.plan.element_faults);
                self.later(after, Event::Do(Action::Freeze));
            }
        }
    }

    pub(super) fn pause(&mut self, paused: bool) {
        let changed = self.element.set_paused(paused);
        self.restless();
        self.changed(changed);
    }

    /// The viewer did something: patience begins anew.
    pub(super) fn restless(&mut self) {
        self.trouble = self.now;
        self.moved = (self.element.position(), self.now);
        self.minute.allowed += 12.0;
    }

    pub(super) fn do_something(&mut self) {
        self.restless();
        self.watched.tally.actions += 1;
        let position = self.element.position();
        let pick = self.rng.uniform();
        let some = self.rng.uniform();
        if pick < 0.25 {
            let to = self.somewhere(some);
            self.seek(to);
        } else if pick < 0.35 {
            // A bar that is dragged.
            for i in 1..=3 {
                let share = self.rng.uniform();
                let to = self.somewhere(share);
                self.later(Duration::from_millis(120 * i), Event::Do(Action::Seek(to)));
            }
        } else if pick < 0.45 {
            let by = MediaTime::from_millis(if some < 0.5 { -10_000 } else { 10_000 });
            let to = self.within(position + by);
            self.seek(to);
        } else if pick < 0.57 {
            self.pause(true);
            let seconds = if some < 0.1 { 900.0 } else { 2.0 + some * 60.0 };
            self.later(Duration::from_secs_f64(seconds), Event::Do(Action::Resume));
        } else if pick < 0.69 {
            const RATES: [f64; 8] = [0.25, 0.5, 1.0, 1.0, 1.0, 1.5, 2.0, 4.0];
            self.element.set_rate(RATES[(some * 8.0) as usize % 8]);
            self.changed(true);
        } else if pick < 0.79 {
            if let Some((kind, id)) = self
                .tracks
                .get((some * self.tracks.len() as f64) as usize)
                .cloned()
            {
                let off = kind == TrackKind::Text && self.chance(0.4);
                let id = (!off).then_some(id);
                self.queue.push_back(Input::SelectTrack { kind, id });
            }
        } else if pick < 0.87 {
            let id = self
                .renditions
                .get((some * 2.0 * self.renditions.len() as f64) as usize)
                .cloned();
            self.queue.push_back(Input::SelectRendition(id));
        } else if pick < 0.93 {
            const SIZES: [(u32, u32); 4] = [(640, 360), (1280, 720), (1920, 1080), (0, 0)];
            (self.host.width, self.host.height) = SIZES[(some * 4.0) as usize % 4];
            self.queue.push_back(Input::Host(self.host));
        } else if pick < 0.97 {
            self.host.hidden = !self.host.hidden;
            self.queue.push_back(Input::Host(self.host));
        } else if !self.offline {
            self.offline = true;
            self.host.offline = true;
            self.queue.push_back(Input::Host(self.host));
            let flying: Vec<_> = self.asked.keys().copied().collect();
            for request in flying {
                self.network.cancel(request);
                self.coming.retain(|_, event| match event {
                    Event::Input(input) => request_of(input) != Some(request),
                    Event::Drip(of) => *of != request,
                    Event::Do(_) => true,
                });
                self.fail(request, "the connection broke");
            }
            self.later(
                Duration::from_secs_f64(2.0 + some * 40.0),
                Event::Do(Action::Online),
            );
        }
    }

    pub(super) fn somewhere(&self, share: f64) -> MediaTime {
        let (from, to) = self.span();
        from + MediaTime::from_secs_f64((to - from).as_secs_f64() * share)
    }

    pub(super) fn within(&self, to: MediaTime) -> MediaTime {
        let (from, end) = self.span();
        to.max(from).min(end.max(from))
    }

    pub(super) fn span(&self) -> (MediaTime, MediaTime) {
        match (self.duration, self.live_range) {
            (Some(duration), _) if duration != MediaTime::MAX => (MediaTime::ZERO, duration),
            (_, Some(range)) => (range.start, range.end),
            _ => (MediaTime::ZERO, self.element.position()),
        }
    }

    // What must hold ---------------------------------------------------------------------------------------------------
}

/// Two failures of the decoder are so far apart: more are the end, by the engine's design.
const DECODER_REST: Duration = Duration::from_secs(40);
