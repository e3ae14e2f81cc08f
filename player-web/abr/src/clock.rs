//! The caller's clock, milliseconds since anything, as the engine's instants.

use player_core::Instant;

/// Where the first time that is told comes to lie: what is told of the hour before it stays in order.
const START_US: f64 = 3_600e6;
/// Up to here a float holds every microsecond, 285 years.
const END_US: f64 = 9_007_199_254_740_992.0;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    origin_ms: Option<f64>,
    last: Instant,
}

impl Clock {
    /// `now_ms` as an instant; what is no number counts as the time that was told last. The clock may jump either way.
    pub(crate) fn tell(&mut self, now_ms: f64) -> Instant {
        if now_ms.is_finite() {
            self.origin_ms.get_or_insert(now_ms);
        }
        self.last = self.at(now_ms).unwrap_or(self.last);
        self.last
    }

    /// A point of the past, if it is one.
    pub(crate) fn at(&self, ms: f64) -> Option<Instant> {
        let since_ms = ms - self.origin_ms?;
        // Infinities and their differences say nothing; a float's cast saturates.
        since_ms
            .is_finite()
            .then(|| Instant::from_micros((START_US + since_ms * 1000.0).clamp(0.0, END_US) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_origin_will_do() {
        for origin in [-1e6, 0.0, 0.25, 1.7e12] {
            let mut clock = Clock::default();
            let first = clock.tell(origin);
            assert_eq!(clock.tell(origin + 2.5).since(first).as_micros(), 2500);
            assert_eq!(
                first.since(clock.at(origin - 1000.0).unwrap()).as_micros(),
                1_000_000
            );
        }
    }

    #[test]
    fn what_is_no_time_is_the_time_before() {
        let mut clock = Clock::default();
        assert_eq!(clock.tell(f64::NAN), Instant::ZERO);
        let known = clock.tell(5000.0);
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(clock.tell(odd), known);
            assert_eq!(clock.at(odd), None);
        }
        clock.tell(f64::MAX);
        clock.tell(f64::MIN);
        assert_eq!(clock.tell(5000.0), known);
    }
}
