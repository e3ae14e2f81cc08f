//! Time, sizes and rates. The engine has no clock: every [`Instant`] comes from its driver.

use core::fmt;
use core::ops::{Add, AddAssign, Neg, Sub};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on the driver's monotonic clock, microseconds since an origin of the driver's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);

    /// The point `us` microseconds after the origin.
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Time since `earlier`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)),
        )
    }
}

/// A point on, or a distance along, the presentation timeline: microseconds, and the timeline of a VOD starts at zero.
///
/// Segment indexes keep exact ticks of their own timescale; this is what they are converted to, once, at the edge.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaTime(i64);

impl MediaTime {
    /// The start of the timeline.
    pub const ZERO: Self = Self(0);
    /// Later than everything.
    pub const MAX: Self = Self(i64::MAX);

    /// From microseconds.
    pub const fn from_micros(us: i64) -> Self {
        Self(us)
    }

    /// From milliseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms.saturating_mul(1000))
    }

    /// From seconds, rounded to the nearest microsecond; NaN becomes zero, infinities saturate.
    pub fn from_secs_f64(s: f64) -> Self {
        Self(libm::round(s * 1e6) as i64)
    }

    /// From `ticks / timescale` seconds, rounded down; a timescale of zero counts as one.
    pub fn from_ticks(ticks: i64, timescale: u32) -> Self {
        let us = (i128::from(ticks) * 1_000_000).div_euclid(i128::from(timescale.max(1)));
        Self(us.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
    }

    /// Microseconds.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds, rounded down.
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// As a duration; zero if negative.
    pub const fn as_duration(self) -> Duration {
        Duration::from_micros(if self.0 < 0 { 0 } else { self.0 as u64 })
    }
}

impl From<Duration> for MediaTime {
    fn from(d: Duration) -> Self {
        Self(i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
    }
}

impl Add for MediaTime {
    type Output = Self;

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for MediaTime {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for MediaTime {
    type Output = Self;

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for MediaTime {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl fmt::Debug for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not as a float: to print one takes ten kilobytes of Wasm.
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let mut fraction = micros % 1_000_000;
        write!(f, "{sign}{}", micros / 1_000_000)?;
        if fraction > 0 {
            let mut width = 6;
            while fraction.is_multiple_of(10) {
                fraction /= 10;
                width -= 1;
            }
            write!(f, ".{fraction:0width$}")?;
        }
        f.write_str("s")
    }
}

/// A point of wall-clock time (UTC), microseconds since 1970 without leap seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallTime(i64);

impl WallTime {
    /// From microseconds since 1970.
    pub const fn from_unix_micros(us: i64) -> Self {
        Self(us)
    }

    /// Microseconds since 1970.
    pub const fn as_unix_micros(self) -> i64 {
        self.0
    }

    /// Time since `earlier`; negative if `earlier` is later.
    pub const fn since(self, earlier: Self) -> MediaTime {
        MediaTime(self.0.saturating_sub(earlier.0))
    }
}

impl Add<MediaTime> for WallTime {
    type Output = Self;

    fn add(self, by: MediaTime) -> Self {
        Self(self.0.saturating_add(by.0))
    }
}

/// A half-open range of the presentation timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    /// The first point inside.
    pub start: MediaTime,
    /// The first point after.
    pub end: MediaTime,
}

impl TimeRange {
    /// The range from `start` to `end`.
    pub const fn new(start: MediaTime, end: MediaTime) -> Self {
        Self { start, end }
    }

    /// Whether `t` is inside.
    pub fn contains(&self, t: MediaTime) -> bool {
        self.start <= t && t < self.end
    }

    /// Its length; zero if it is empty or backwards.
    pub fn duration(&self) -> MediaTime {
        (self.end - self.start).max(MediaTime::ZERO)
    }
}

/// A rate in bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bitrate(u64);

impl Bitrate {
    /// From bits per second.
    pub const fn from_bps(bps: u64) -> Self {
        Self(bps)
    }

    /// Bits per second.
    pub const fn as_bps(self) -> u64 {
        self.0
    }

    /// Kilobits (1000 bits) per second, rounded to the nearest.
    pub const fn as_kbps(self) -> u64 {
        self.0.saturating_add(500) / 1000
    }

    /// Bits per second as a float.
    pub fn as_f64(self) -> f64 {
        self.0 as f64
    }
}

/// A range of bytes in a resource: `length` bytes from `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_shows_its_seconds() {
        for (micros, text) in [
            (0, "0s"),
            (2_000_000, "2s"),
            (-1_500_000, "-1.5s"),
            (1_000_010, "1.00001s"),
            (123_456, "0.123456s"),
            (i64::MIN, "-9223372036854.775808s"),
        ] {
            assert_eq!(format!("{:?}", MediaTime::from_micros(micros)), text);
        }
    }

    #[test]
    fn ticks_become_media_time_without_drift() {
        assert_eq!(
            MediaTime::from_ticks(1001 * 30_000, 30_000).as_micros(),
            1_001_000_000
        );
        assert_eq!(MediaTime::from_ticks(-1, 90_000).as_micros(), -12);
        assert_eq!(MediaTime::from_ticks(i64::MAX, 1), MediaTime::MAX);
        assert_eq!(MediaTime::from_ticks(5, 0).as_micros(), 5_000_000);
    }

    #[test]
    fn seconds_that_are_no_number_are_harmless() {
        assert_eq!(MediaTime::from_secs_f64(f64::NAN), MediaTime::ZERO);
        assert_eq!(MediaTime::from_secs_f64(f64::INFINITY), MediaTime::MAX);
    }

    #[test]
    fn a_clock_that_goes_backwards_gives_no_negative_time() {
        let (a, b) = (Instant::from_micros(5), Instant::from_micros(9));
        assert_eq!(a.since(b), Duration::ZERO);
        assert_eq!(b.since(a), Duration::from_micros(4));
    }
}
