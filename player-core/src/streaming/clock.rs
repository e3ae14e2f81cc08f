//! What time it is at the server: the driver's wall clock at the start, the time since then, and a correction from what servers say.
//!
//! `UTCTiming` (ISO/IEC 23009-1, 5.8.4.11) is asked three times, then every ten minutes; of the last answers the quickest one counts,
//! half of its round trip being taken off. Without it there are the `Date`s of manifests: each says that it is at least so late, by
//! however much a cache may have held it up, so the latest one counts. A client's clock may be off by hours.

use std::collections::VecDeque;

use core::time::Duration;

use crate::manifest::datetime;
use crate::output::Method;
use crate::presentation;
use crate::time::{Instant, MediaTime, WallTime};

/// A smaller correction is made little by little.
const STEP_US: i64 = 250_000;
/// By a twentieth of the time that passes.
const SLEW: i64 = 20;
const SAMPLES: usize = 8;
/// The most answers that are asked for at the start, the pause between them, and that after them or after failures.
const FIRST_ANSWERS: u32 = 3;
const SOON: Duration = Duration::from_secs(2);
const LATER: Duration = Duration::from_secs(600);
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// The most sources that are asked in turn.
const MAX_SOURCES: usize = 8;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// The driver's wall clock at the start.
    wall_us: i64,
    /// Of the wall clock: where the correction was, since when it moves, where to.
    from_us: i64,
    since: Instant,
    to_us: i64,
    sources: Vec<(String, Method)>,
    /// The one to ask next.
    source: usize,
    answers: u32,
    /// No source has answered.
    failed: bool,
    due: Option<Instant>,
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    trip: Duration,
    /// By how much the server's clock is ahead of the driver's.
    ahead_us: i64,
}

impl Clock {
    /// A clock that goes by `wall_clock_ms`, milliseconds since 1970, until it knows better.
    pub(crate) fn new(now: Instant, wall_clock_ms: u64) -> Self {
        Self {
            start: now,
            wall_us: i64::try_from(wall_clock_ms.saturating_mul(1000)).unwrap_or_default(),
            from_us: 0,
            since: now,
            to_us: 0,
            sources: Vec::new(),
            source: 0,
            answers: 0,
            failed: false,
            due: None,
            samples: VecDeque::new(),
        }
    }

    /// The time at `at`.
    pub(crate) fn at(&self, at: Instant) -> WallTime {
        WallTime::from_unix_micros(self.driver_us(at).saturating_add(self.correction(at)))
    }

    /// A source is about to say what time it is, for the first time.
    pub(crate) fn is_pending(&self) -> bool {
        !self.sources.is_empty() && !self.failed && self.samples.is_empty()
    }

    /// The same, if anybody has said what time it is.
    pub(crate) fn known(&self, at: Instant) -> Option<WallTime> {
        (self.wall_us > 0 || !self.samples.is_empty()).then(|| self.at(at))
    }

    /// Takes the sources of a manifest, which was asked for at `asked`; says what cannot be used.
    pub(crate) fn read(
        &mut self,
        now: Instant,
        asked: Instant,
        clocks: &[presentation::Clock],
    ) -> Option<&'static str> {
        let mut sources = Vec::new();
        let mut odd = None;
        for clock in clocks {
            let method = match clock.scheme.rsplit(':').nth(1) {
                Some("http-xsdate" | "http-iso") => Method::Get,
                Some("http-head") => Method::Head,
                Some("direct") => {
                    self.sample(now, asked, datetime::parse(&clock.value));
                    continue;
                }
                _ => {
                    odd = Some("a UTCTiming is of a scheme that is not used");
                    continue;
                }
            };
            let urls = clock.value.split_ascii_whitespace();
            sources.extend(urls.map(|url| (url.to_owned(), method)));
        }
        sources.truncate(MAX_SOURCES);
        if sources == self.sources {
            // It was said before.
            return None;
        }
        self.due = sources.first().map(|_| now);
        (self.sources, self.source, self.answers) = (sources, 0, 0);
        self.failed = false;
        odd
    }

    /// When a source is to be asked.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due
    }

    /// The source to ask, if it is time.
    pub(crate) fn ask(&mut self, now: Instant) -> Option<(String, Method)> {
        self.due.take_if(|due| *due <= now)?;
        self.sources.get(self.source).cloned()
    }

    /// What the source said that was asked at `asked`: a body, or to `HEAD` a date, or nothing.
    pub(crate) fn on_answer(&mut self, now: Instant, asked: Instant, body: &[u8], date_ms: Option<u64>) {
        let is_head = self
            .sources
            .get(self.source)
            .is_some_and(|(_, method)| *method == Method::Head);
        let said = if is_head {
            // Cut to whole seconds: rather late than early, for what is not there yet cannot be fetched.
            date_ms.map(us).map(WallTime::from_unix_micros)
        } else {
            let text = core::str::from_utf8(body).unwrap_or_default();
            datetime::parse(text.trim_matches(|c: char| c.is_whitespace() || c == '"'))
        };
        if self.sample(now, asked, said) {
            self.answers += 1;
            let pause = if self.answers < FIRST_ANSWERS { SOON } else { LATER };
            self.due = Some(now + pause);
            return;
        }
        self.source += 1;
        let mut pause = Duration::ZERO;
        if self.source >= self.sources.len() {
            (self.source, pause) = (0, AFTER_FAILURE);
            self.failed = true;
        }
        self.due = self.sources.first().map(|_| now + pause);
    }

    /// The `Date` of a manifest or playlist, which was asked for at `asked`.
    pub(crate) fn on_date(&mut self, now: Instant, asked: Instant, date_ms: u64) {
        if !self.sources.is_empty() {
            return;
        }
        let ahead_us = us(date_ms).saturating_sub(self.driver_us(now));
        self.keep(Sample {
            trip: now.since(asked),
            ahead_us,
        });
        let latest = self.samples.iter().map(|s| s.ahead_us).max();
        let trip = self.samples.iter().map(|s| s.trip).min().unwrap_or_default();
        if let Some(latest) = latest {
            self.correct(now, latest.saturating_add(micros(trip) / 2));
        }
    }

    fn sample(&mut self, now: Instant, asked: Instant, said: Option<WallTime>) -> bool {
        let Some(said) = said else { return false };
        let trip = now.since(asked);
        let then = said.as_unix_micros().saturating_add(micros(trip) / 2);
        let ahead_us = then.saturating_sub(self.driver_us(now));
        self.keep(Sample { trip, ahead_us });
        if let Some(quickest) = self.samples.iter().min_by_key(|sample| sample.trip) {
            self.correct(now, quickest.ahead_us);
        }
        true
    }

    fn keep(&mut self, sample: Sample) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    fn correct(&mut self, now: Instant, to_us: i64) {
        self.from_us = self.correction(now);
        self.since = now;
        self.to_us = to_us;
        if to_us.abs_diff(self.from_us) >= STEP_US as u64 {
            self.from_us = to_us;
        }
    }

    fn correction(&self, at: Instant) -> i64 {
        let moved = micros(at.since(self.since)) / SLEW;
        let left = self.to_us.saturating_sub(self.from_us);
        self.from_us.saturating_add(left.clamp(-moved, moved))
    }

    fn driver_us(&self, at: Instant) -> i64 {
        self.wall_us.saturating_add(micros(at.since(self.start)))
    }
}

fn micros(time: Duration) -> i64 {
    MediaTime::from(time).as_micros()
}

fn us(ms: u64) -> i64 {
    i64::try_from(ms.saturating_mul(1000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const SERVER_MS: u64 = 1_800_000_000_000;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn source(kind: &str, value: &str) -> presentation::Clock {
        presentation::Clock {
            scheme: format!("urn:mpeg:dash:utc:{kind}:2014"),
            value: value.into(),
        }
    }

    /// How far the clock is off, milliseconds, when the server's clock says `SERVER_MS` at the start.
    fn off_ms(clock: &Clock, ms: u64) -> i64 {
        clock.at(at(ms)).as_unix_micros() / 1000 - (SERVER_MS + ms) as i64
    }

    fn text(ms: u64) -> String {
        datetime::format(WallTime::from_unix_micros(us(SERVER_MS + ms)))
    }

    #[test]
    fn a_clock_that_is_hours_off_is_set_by_the_first_answer() {
        for wrong in [SERVER_MS - 5 * 3_600_000, SERVER_MS + 5 * 3_600_000, 0] {
            let mut clock = Clock::new(at(0), wrong);
            assert_eq!(
                clock.read(at(0), at(0), &[source("http-iso", "https://t/a")]),
                None
            );
            assert_eq!(clock.ask(at(0)), Some(("https://t/a".into(), Method::Get)));
            assert_eq!(clock.ask(at(0)), None, "one at a time");
            // The server reads its clock in the middle of the round trip.
            clock.on_answer(at(80), at(0), text(40).as_bytes(), None);
            assert_eq!(off_ms(&clock, 80), 0);
            assert_eq!(off_ms(&clock, 3_600_000), 0);
            assert_eq!(clock.deadline(), Some(at(2080)));
        }
    }

    #[test]
    fn the_quickest_answer_counts_and_small_corrections_are_slewed() {
        let mut clock = Clock::new(at(0), SERVER_MS);
        clock.read(at(0), at(0), &[source("http-xsdate", "https://t/a")]);
        // All of the delay is on the way back.
        clock.ask(at(0)).unwrap();
        clock.on_answer(at(400), at(0), text(0).as_bytes(), None);
        assert_eq!(off_ms(&clock, 400), 0, "not at once");
        assert_eq!(off_ms(&clock, 1400), -50);
        assert_eq!(off_ms(&clock, 10_000), -200);
        let time = clock.deadline().unwrap();
        assert!(clock.ask(time).is_some());
        clock.on_answer(at(10_020), at(10_000), text(10_010).as_bytes(), None);
        assert_eq!(off_ms(&clock, 10_020), -200);
        assert_eq!(off_ms(&clock, 20_000), 0);
    }

    #[test]
    fn a_source_that_fails_makes_room_for_the_next() {
        let mut clock = Clock::new(at(0), 0);
        let sources = [
            source("ntp", "t"),
            source("http-head", "https://t/a https://t/b"),
            source("http-iso", "https://t/c"),
        ];
        assert!(clock.read(at(0), at(0), &sources).is_some());
        assert_eq!(clock.read(at(0), at(0), &sources), None, "said once");
        assert_eq!(clock.ask(at(0)), Some(("https://t/a".into(), Method::Head)));
        clock.on_answer(at(10), at(0), b"", None);
        assert_eq!(clock.ask(at(10)), Some(("https://t/b".into(), Method::Head)));
        clock.on_answer(at(20), at(10), b"", None);
        assert_eq!(clock.ask(at(20)).unwrap().0, "https://t/c");
        clock.on_answer(at(30), at(20), b"<html>", None);
        assert_eq!(clock.deadline(), Some(at(60_030)));
        assert!(clock.ask(at(60_030)).is_some());
        clock.on_answer(at(60_060), at(60_030), b"", Some(SERVER_MS + 60_000));
        assert!(off_ms(&clock, 60_060).abs() <= 500);
    }

    #[test]
    fn a_date_in_the_manifest_counts_and_that_of_a_header_if_there_is_nothing_else() {
        let mut clock = Clock::new(at(0), 7);
        clock.read(at(100), at(0), &[source("direct", &text(50))]);
        assert_eq!(off_ms(&clock, 100), 0);
        let mut clock = Clock::new(at(0), 7);
        // A cache held the first one for an hour; dates are whole seconds.
        for (ms, date) in [
            (1000, SERVER_MS - 3_600_000),
            (3300, SERVER_MS + 3000),
            (5900, SERVER_MS + 5000),
        ] {
            clock.on_date(at(ms), at(ms - 60), date);
        }
        assert!(
            (-300..=0).contains(&off_ms(&clock, 5900)),
            "{}",
            off_ms(&clock, 5900)
        );
        clock.read(at(6000), at(6000), &[source("http-iso", "https://t/")]);
        clock.on_date(at(6000), at(5990), SERVER_MS + 9_000_000);
        assert!((-300..=0).contains(&off_ms(&clock, 6000)));
    }

    proptest! {
        #[test]
        fn time_is_continuous_but_for_steps_and_never_panics(
            wall: u64,
            answers in prop::collection::vec((0..10_000u64, 0..5000u64, any::<u64>(), ".{0,30}"), 0..20),
        ) {
            let mut clock = Clock::new(at(0), wall);
            let mut now = 0;
            clock.read(at(0), at(0), &[source("http-head", "https://t/")]);
            for (pause, trip, date, body) in answers {
                now += pause;
                clock.on_answer(at(now + trip), at(now), body.as_bytes(), Some(date));
                clock.on_date(at(now + trip), at(now), date);
                now += trip;
                let (before, after) = (clock.at(at(now)), clock.at(at(now + 10)));
                prop_assert!(after >= before);
                prop_assert!(after.since(before) <= MediaTime::from_micros(10_501));
            }
        }
    }
}
