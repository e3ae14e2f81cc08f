//! Network traces: bandwidth and latency over time, and exact integration of what a link has carried.
//!
//! A trace file is CSV with the header `duration_ms,bandwidth_kbps,latency_ms` (1 kbit = 1000 bits); each line holds for its
//! duration, and after the last one the trace starts again. A latency of 0 means unknown. The forms of Mahimahi, Pensieve and
//! sabre are read too: see [`Format`].
//!
//! Bandwidth is piecewise constant and everything is integer arithmetic (bit/s × µs), so that integration is exact:
//! additive, monotone, and [`Trace::time_of`] is the inverse of [`Trace::carried`].

mod find;
mod formats;
mod statistics;

use std::fmt::Write as _;
use std::time::Duration;

pub use find::{FamilyTrace, Found, TracesError, find_traces, read_traces};
pub use formats::{Format, MAHIMAHI_PACKET_BYTES, MAHIMAHI_WINDOW_MS, TraceError};
pub use statistics::{LAGS_S, OUTAGE_KBPS, Statistics};

/// The first line of a trace file.
pub const HEADER: &str = "duration_ms,bandwidth_kbps,latency_ms";
/// Round-trip time where the trace does not know it.
pub const DEFAULT_RTT: Duration = Duration::from_millis(80);
/// Microbits (bit/s × µs) in a byte.
pub const MICROBITS_PER_BYTE: u128 = 8_000_000;

/// 30 days: keeps sums of microseconds far from overflow.
const MAX_DURATION_MS: f64 = 30.0 * 86_400_000.0;
/// 10 Tbit/s.
const MAX_BANDWIDTH_KBPS: f64 = 1e10;
const MAX_LATENCY_MS: f64 = 60_000.0;

/// Bandwidth and latency of a link over time, repeated for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    name: String,
    pieces: Vec<Piece>,
    period_us: u64,
    period_microbits: u128,
}

/// One line of a trace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// How long it holds, milliseconds.
    pub duration_ms: f64,
    /// Bandwidth, kbit/s.
    pub bandwidth_kbps: f64,
    /// Round-trip time, milliseconds; 0 = unknown.
    pub latency_ms: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    start_us: u64,
    bandwidth_bps: u64,
    latency_us: u64,
    /// Microbits carried from the start of the trace to the start of this piece.
    before: u128,
}

impl Trace {
    /// A trace of these points.
    ///
    /// # Errors
    /// If there are none, one is out of range, or none carries anything.
    pub fn new(name: &str, points: &[Point]) -> Result<Self, PointsError> {
        let mut builder = Builder::default();
        for (index, point) in points.iter().enumerate() {
            builder
                .push(point)
                .map_err(|reason| PointsError::Point { index, reason })?;
        }
        builder.finish(name)
    }

    /// A link that is always the same.
    ///
    /// # Errors
    /// If a number is out of range or the bandwidth is zero.
    pub fn constant(name: &str, bandwidth_kbps: f64, latency_ms: f64) -> Result<Self, PointsError> {
        Self::new(
            name,
            &[Point {
                duration_ms: 1000.0,
                bandwidth_kbps,
                latency_ms,
            }],
        )
    }

    /// The same for so long, but with no more than this bandwidth between two times; it starts again after that.
    ///
    /// # Errors
    /// If the limit is out of range, or nothing is left of what the trace carries.
    pub fn limited(
        &self,
        lasts: Duration,
        from: Duration,
        until: Duration,
        limit_kbps: f64,
    ) -> Result<Self, PointsError> {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        let (from_ms, until_ms, lasts_ms) = (ms(from), ms(until), ms(lasts).max(ms(self.duration())));
        let mut points = Vec::new();
        let mut start_ms = 0.0;
        for point in std::iter::repeat_with(|| self.points()).flatten() {
            let end_ms = start_ms + point.duration_ms;
            // Before, within and after the limit.
            for (begin, end, limit) in [
                (start_ms, end_ms.min(from_ms), f64::INFINITY),
                (start_ms.max(from_ms), end_ms.min(until_ms), limit_kbps),
                (start_ms.max(until_ms).max(from_ms), end_ms, f64::INFINITY),
            ] {
                if end > begin {
                    points.push(Point {
                        duration_ms: end - begin,
                        bandwidth_kbps: point.bandwidth_kbps.min(limit),
                        ..point
                    });
                }
            }
            start_ms = end_ms;
            if start_ms >= lasts_ms {
                break;
            }
        }
        Self::new(&self.name, &points)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long it lasts before it starts again.
    pub const fn duration(&self) -> Duration {
        Duration::from_micros(self.period_us)
    }

    /// Its lines, in order.
    pub fn points(&self) -> impl Iterator<Item = Point> {
        let starts = self.pieces.iter().map(|piece| piece.start_us);
        let ends = starts.skip(1).chain([self.period_us]);
        self.pieces.iter().zip(ends).map(|(piece, end_us)| Point {
            duration_ms: (end_us - piece.start_us) as f64 / 1000.0,
            bandwidth_kbps: piece.bandwidth_bps as f64 / 1000.0,
            latency_ms: piece.latency_us as f64 / 1000.0,
        })
    }

    /// The text of a trace file: read again, it is the same trace.
    pub fn to_csv(&self) -> String {
        let mut csv = format!("{HEADER}\n");
        for point in self.points() {
            // Writing to a string does not fail.
            let _ = writeln!(
                csv,
                "{},{},{}",
                point.duration_ms, point.bandwidth_kbps, point.latency_ms
            );
        }
        csv
    }

    /// Mean bandwidth, bit/s.
    pub fn mean_bps(&self) -> f64 {
        self.period_microbits as f64 / self.period_us as f64
    }

    /// Bandwidth at a time since the start, bit/s.
    pub fn bandwidth_bps(&self, at: Duration) -> u64 {
        self.piece_at(micros(at) % self.period_us).bandwidth_bps
    }

    /// Round-trip time at a time since the start; `None` if the trace does not know it ([`DEFAULT_RTT`] is customary then).
    pub fn latency(&self, at: Duration) -> Option<Duration> {
        let us = self.piece_at(micros(at) % self.period_us).latency_us;
        (us > 0).then(|| Duration::from_micros(us))
    }

    /// What a busy link has carried since the start, in microbits (bit/s × µs); see [`MICROBITS_PER_BYTE`].
    pub fn carried(&self, until: Duration) -> u128 {
        let us = micros(until);
        let (periods, rest) = (us / self.period_us, us % self.period_us);
        let piece = self.piece_at(rest);
        let in_piece = u128::from(rest - piece.start_us) * u128::from(piece.bandwidth_bps);
        u128::from(periods) * self.period_microbits + piece.before + in_piece
    }

    /// The earliest whole microsecond by which a busy link has carried that many microbits: the inverse of
    /// [`Trace::carried`]. Saturates.
    pub fn time_of(&self, microbits: u128) -> Duration {
        let Some(last) = microbits.checked_sub(1) else {
            return Duration::ZERO;
        };
        let periods = last / self.period_microbits;
        let rest = last % self.period_microbits + 1;
        // The last piece that begins with less than that: what follows it directly carries, so this one does.
        let after = self.pieces.partition_point(|piece| piece.before < rest);
        let Some(piece) = after.checked_sub(1).and_then(|i| self.pieces.get(i)) else {
            return Duration::ZERO;
        };
        let in_piece = (rest - piece.before).div_ceil(u128::from(piece.bandwidth_bps).max(1));
        let us = periods * u128::from(self.period_us) + u128::from(piece.start_us) + in_piece;
        Duration::from_micros(u64::try_from(us).unwrap_or(u64::MAX))
    }

    /// Whole bytes that a busy link carries between two times since the start; zero if `to` is before `from`.
    pub fn bytes_between(&self, from: Duration, to: Duration) -> u64 {
        let microbits = self.carried(to).saturating_sub(self.carried(from));
        u64::try_from(microbits / MICROBITS_PER_BYTE).unwrap_or(u64::MAX)
    }

    /// When a transfer of that many bytes ends that has the link to itself and starts at `from`, on the same clock.
    pub fn transfer_end(&self, from: Duration, bytes: u64) -> Duration {
        self.time_of(self.carried(from) + u128::from(bytes) * MICROBITS_PER_BYTE)
            .max(from)
    }

    fn piece_at(&self, us: u64) -> Piece {
        let after = self.pieces.partition_point(|piece| piece.start_us <= us);
        let none = Piece {
            start_us: 0,
            bandwidth_bps: 0,
            latency_us: 0,
            before: 0,
        };
        after
            .checked_sub(1)
            .and_then(|i| self.pieces.get(i))
            .copied()
            .unwrap_or(none)
    }
}

/// Why points make no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PointsError {
    /// No point carries anything.
    #[error("the bandwidth is zero throughout")]
    AllZero,
    /// There are none.
    #[error("the trace is empty")]
    Empty,
    /// A point is out of range.
    #[error("point {index}: {reason}")]
    Point {
        /// Its index, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// A trace in the making.
#[derive(Debug, Default)]
struct Builder {
    pieces: Vec<Piece>,
    end_us: u64,
    carried: u128,
}

impl Builder {
    /// Adds a line, or says what is wrong with it.
    fn push(&mut self, point: &Point) -> Result<(), String> {
        check(point)?;
        let duration_us = ((point.duration_ms * 1000.0).round() as u64).max(1);
        let bandwidth_bps = (point.bandwidth_kbps * 1000.0).round() as u64;
        let latency_us = (point.latency_ms * 1000.0).round() as u64;
        self.push_exact(duration_us, bandwidth_bps, latency_us);
        Ok(())
    }

    fn push_exact(&mut self, duration_us: u64, bandwidth_bps: u64, latency_us: u64) {
        self.pieces.push(Piece {
            start_us: self.end_us,
            bandwidth_bps,
            latency_us,
            before: self.carried,
        });
        self.lengthen(duration_us, bandwidth_bps);
    }

    /// As [`Builder::push_exact`] with an unknown latency; equal neighbours become one.
    fn push_merged(&mut self, duration_us: u64, bandwidth_bps: u64) {
        match self.pieces.last() {
            Some(last) if last.bandwidth_bps == bandwidth_bps => self.lengthen(duration_us, bandwidth_bps),
            _ => self.push_exact(duration_us, bandwidth_bps, 0),
        }
    }

    fn lengthen(&mut self, duration_us: u64, bandwidth_bps: u64) {
        self.end_us = self.end_us.saturating_add(duration_us);
        self.carried += u128::from(bandwidth_bps) * u128::from(duration_us);
    }

    fn finish(self, name: &str) -> Result<Trace, PointsError> {
        if self.pieces.is_empty() {
            return Err(PointsError::Empty);
        }
        if self.carried == 0 {
            return Err(PointsError::AllZero);
        }
        Ok(Trace {
            name: name.to_owned(),
            pieces: self.pieces,
            period_us: self.end_us,
            period_microbits: self.carried,
        })
    }
}

fn check(point: &Point) -> Result<(), String> {
    let range = |name: &str, value: f64, max: f64| {
        if (0.0..=max).contains(&value) {
            Ok(())
        } else {
            Err(format!("{name} must be 0 to {max}, not {value}"))
        }
    };
    range("duration_ms", point.duration_ms, MAX_DURATION_MS)?;
    range("bandwidth_kbps", point.bandwidth_kbps, MAX_BANDWIDTH_KBPS)?;
    range("latency_ms", point.latency_ms, MAX_LATENCY_MS)?;
    if point.duration_ms == 0.0 {
        Err("duration_ms must be above 0".to_owned())
    } else {
        Ok(())
    }
}

fn micros(t: Duration) -> u64 {
    u64::try_from(t.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn trace(points: &[(f64, f64)]) -> Trace {
        let points: Vec<_> = points
            .iter()
            .map(|&(duration_ms, bandwidth_kbps)| Point {
                duration_ms,
                bandwidth_kbps,
                latency_ms: 0.0,
            })
            .collect();
        Trace::new("t", &points).unwrap()
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_limit_holds_between_two_times_and_the_rest_is_as_it_was() {
        let t = trace(&[(1000.0, 8.0), (1000.0, 16.0)]);
        let limited = t.limited(ms(5000), ms(1500), ms(3500), 10.0).unwrap();
        let points: Vec<_> = limited
            .points()
            .map(|p| (p.duration_ms, p.bandwidth_kbps))
            .collect();
        let expected = [
            (1000.0, 8.0),
            (500.0, 16.0),
            (500.0, 10.0),
            (1000.0, 8.0),
            (500.0, 10.0),
            (500.0, 16.0),
            (1000.0, 8.0),
        ];
        assert_eq!(points, expected);
        assert!(t.limited(ms(1), ms(0), ms(2000), 0.0).is_err(), "nothing is left");
    }

    #[test]
    fn bytes_over_pieces_an_outage_and_the_wrap() {
        // 1 s at 8 kbit/s (1000 bytes), 2 s of nothing, 1 s at 16 kbit/s (2000 bytes).
        let t = trace(&[(1000.0, 8.0), (2000.0, 0.0), (1000.0, 16.0)]);
        assert_eq!(t.duration(), ms(4000));
        assert!((t.mean_bps() - 6000.0).abs() < 1e-9);
        assert_eq!(t.bytes_between(ms(0), ms(500)), 500);
        assert_eq!(t.bytes_between(ms(500), ms(3500)), 1500);
        assert_eq!(t.bytes_between(ms(0), ms(4000)), 3000);
        assert_eq!(t.bytes_between(ms(3500), ms(4500)), 1500);
        assert_eq!(t.bytes_between(ms(0), ms(40_000)), 30_000);
        assert_eq!(t.bytes_between(ms(9), ms(8)), 0);
        // The byte before the outage ends with the second, the one after it takes half a millisecond.
        assert_eq!(t.transfer_end(ms(0), 1000), ms(1000));
        assert_eq!(t.transfer_end(ms(0), 1001), ms(3000) + Duration::from_micros(500));
        assert_eq!(t.transfer_end(ms(1500), 2500), ms(4500));
        assert_eq!(t.transfer_end(ms(1500), 0), ms(1500));
        assert_eq!(t.bandwidth_bps(ms(999)), 8000);
        assert_eq!(t.bandwidth_bps(ms(1000)), 0);
        assert_eq!(t.bandwidth_bps(ms(7000)), 16_000);
    }

    #[test]
    fn latency_zero_is_unknown() {
        let point = |latency_ms| Point {
            duration_ms: 10.0,
            bandwidth_kbps: 5.0,
            latency_ms,
        };
        let t = Trace::new("t", &[point(20.0), point(0.0)]).unwrap();
        assert_eq!(t.latency(ms(3)), Some(ms(20)));
        assert_eq!(t.latency(ms(13)), None);
        assert_eq!(t.latency(ms(23)), Some(ms(20)));
    }

    fn any_trace() -> impl Strategy<Value = Trace> {
        let piece = (1_u32..20_000_000, prop_oneof![Just(0_u32), 0_u32..2_000_000]);
        (prop::collection::vec(piece, 1..20), 1_u32..100_000).prop_map(|(pieces, alive)| {
            let mut points: Vec<_> = pieces
                .iter()
                .map(|&(us, kbps)| (f64::from(us) / 1000.0, f64::from(kbps)))
                .collect();
            points.push((17.0, f64::from(alive)));
            trace(&points)
        })
    }

    proptest! {
        #[test]
        fn integration_is_monotone_and_additive(t in any_trace(), a in 0_u64..2_000_000_000, b in 0_u64..2_000_000_000, c in 0_u64..2_000_000_000) {
            let mut at = [a, b, c];
            at.sort_unstable();
            let [a, b, c] = at.map(|us| t.carried(Duration::from_micros(us)));
            prop_assert!(a <= b && b <= c);
            let period = t.carried(t.duration());
            for us in at {
                let later = t.carried(Duration::from_micros(us) + t.duration() * 3);
                prop_assert_eq!(later, t.carried(Duration::from_micros(us)) + 3 * period);
            }
            // A step of one microsecond carries what the bandwidth at its start says.
            let us = Duration::from_micros(at[1]);
            let step = t.carried(us + Duration::from_micros(1)) - t.carried(us);
            prop_assert_eq!(step, u128::from(t.bandwidth_bps(us)));
        }

        #[test]
        fn time_of_is_the_inverse(t in any_trace(), microbits in 0_u128..1_000_000_000_000_000_000) {
            let at = t.time_of(microbits);
            prop_assert!(t.carried(at) >= microbits);
            if let Some(before) = at.checked_sub(Duration::from_micros(1)) {
                prop_assert!(t.carried(before) < microbits);
            }
        }

        #[test]
        fn written_and_read_it_is_the_same(t in any_trace()) {
            let read = Trace::parse(Path::new("folder/t.csv"), &t.to_csv()).map_err(|e| e.to_string());
            prop_assert_eq!(read, Ok(t));
        }
    }
}
