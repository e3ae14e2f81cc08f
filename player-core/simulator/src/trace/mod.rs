//! Network traces: bandwidth and latency over time, and exact integration of what a link has carried.
//!
//! A trace file is CSV with the header `duration_ms,bandwidth_kbps,latency_ms` (1 kbit = 1000 bits); each line holds for its
//! duration, and after the last one the trace starts again. A latency of 0 means unknown.
//!
//! Bandwidth is piecewise constant and everything is integer arithmetic (bit/s × µs), so that integration is exact:
//! additive, monotone, and [`Trace::time_of`] is the inverse of [`Trace::carried`].

mod find;

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

pub use find::{FamilyTrace, TracesError, read_traces};

/// The first line of a trace file.
pub const HEADER: &str = "duration_ms,bandwidth_kbps,latency_ms";
/// Round-trip time where the trace does not know it.
pub const DEFAULT_RTT: Duration = Duration::from_millis(80);
/// Microbits (bit/s × µs) in a byte.
pub const MICROBITS_PER_BYTE: u128 = 8_000_000;

const MAX_FILE_BYTES: u64 = 256 << 20;
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

/// Why a trace is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// No line carries anything, so that no download would ever end.
    #[error("{}: the bandwidth is zero throughout; a download over it would never end", path.display())]
    AllZero {
        /// The file.
        path: PathBuf,
    },
    /// A header and nothing more.
    #[error("{}: the trace is empty; expected lines of {HEADER} after the header", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The first line is something else.
    #[error("{}, line 1: expected the header `{HEADER}`, found `{found}`", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// The beginning of its first line.
        found: String,
    },
    /// A line is not three numbers in range.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The file cannot be read.
    #[error("cannot read the trace {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Trace {
    /// Reads a trace file; its name is the file's without the extension.
    ///
    /// # Errors
    /// If the file cannot be read (or is larger than 256 MiB), has no header or no lines, a line is not three numbers in
    /// range, or the bandwidth is zero throughout.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let failed = |source| TraceError::Read {
            path: path.to_owned(),
            source,
        };
        let length = fs::metadata(path).map_err(failed)?.len();
        if length > MAX_FILE_BYTES {
            return Err(failed(io::Error::other(format!(
                "{length} bytes are too many for a trace"
            ))));
        }
        Self::parse(path, &fs::read_to_string(path).map_err(failed)?)
    }

    /// Reads the text of a trace file; `path` is for its name and for errors.
    ///
    /// # Errors
    /// As [`Trace::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, TraceError> {
        let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
        let first = lines.next().map_or("", |(_, line)| line.trim());
        if first.replace(' ', "") != HEADER {
            let found = first.chars().take(80).collect();
            return Err(TraceError::Header {
                path: path.to_owned(),
                found,
            });
        }
        let mut points = Vec::new();
        let mut numbers = Vec::new();
        for (i, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let failed = |reason| TraceError::Line {
                path: path.to_owned(),
                line: i + 1,
                reason,
            };
            points.push(parse_point(line).map_err(failed)?);
            numbers.push(i + 1);
        }
        let name = path
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Self::new(&name, &points).map_err(|e| match e {
            PointsError::AllZero => TraceError::AllZero {
                path: path.to_owned(),
            },
            PointsError::Empty => TraceError::Empty {
                path: path.to_owned(),
            },
            PointsError::Point { index, reason } => {
                let line = numbers.get(index).copied().unwrap_or_default();
                TraceError::Line {
                    path: path.to_owned(),
                    line,
                    reason,
                }
            }
        })
    }

    /// A trace of these points.
    ///
    /// # Errors
    /// If there are none, one is out of range, or none carries anything.
    pub fn new(name: &str, points: &[Point]) -> Result<Self, PointsError> {
        if points.is_empty() {
            return Err(PointsError::Empty);
        }
        let mut pieces = Vec::with_capacity(points.len());
        let (mut start_us, mut before) = (0_u64, 0_u128);
        for (index, point) in points.iter().enumerate() {
            check(point).map_err(|reason| PointsError::Point { index, reason })?;
            let duration_us = ((point.duration_ms * 1000.0).round() as u64).max(1);
            let bandwidth_bps = (point.bandwidth_kbps * 1000.0).round() as u64;
            let latency_us = (point.latency_ms * 1000.0).round() as u64;
            pieces.push(Piece {
                start_us,
                bandwidth_bps,
                latency_us,
                before,
            });
            start_us = start_us.saturating_add(duration_us);
            before += u128::from(bandwidth_bps) * u128::from(duration_us);
        }
        if before == 0 {
            return Err(PointsError::AllZero);
        }
        Ok(Self {
            name: name.to_owned(),
            pieces,
            period_us: start_us,
            period_microbits: before,
        })
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

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long it lasts before it starts again.
    pub const fn duration(&self) -> Duration {
        Duration::from_micros(self.period_us)
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

fn parse_point(line: &str) -> Result<Point, String> {
    let mut fields = line.split(',').map(str::trim);
    let mut number = |name: &str| {
        let field = fields.next().ok_or_else(|| format!("{name} is missing"))?;
        field
            .parse::<f64>()
            .map_err(|_| format!("{name} is no number: `{field}`"))
    };
    let point = Point {
        duration_ms: number("duration_ms")?,
        bandwidth_kbps: number("bandwidth_kbps")?,
        latency_ms: number("latency_ms")?,
    };
    if fields.next().is_some() {
        return Err("more than three fields".to_owned());
    }
    check(&point)?;
    Ok(point)
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

    fn parse(text: &str) -> Result<Trace, String> {
        Trace::parse(Path::new("some/trace.csv"), text).map_err(|e| e.to_string())
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
        let t = parse("duration_ms,bandwidth_kbps,latency_ms\n10,5,20\n10,5,0\n").unwrap();
        assert_eq!(t.latency(ms(3)), Some(ms(20)));
        assert_eq!(t.latency(ms(13)), None);
        assert_eq!(t.latency(ms(23)), Some(ms(20)));
        assert_eq!(t.name(), "trace");
    }

    #[test]
    fn dos_line_ends_byte_order_mark_and_fractions_are_read() {
        let t = parse("\u{feff}duration_ms, bandwidth_kbps, latency_ms\r\n0.5,1.5,0\r\n\r\n").unwrap();
        assert_eq!(t.duration(), Duration::from_micros(500));
        assert_eq!(t.bandwidth_bps(ms(0)), 1500);
    }

    #[test]
    fn each_error_names_the_file_and_the_line() {
        let header = "duration_ms,bandwidth_kbps,latency_ms\n";
        let cases = [
            (String::new(), "some/trace.csv, line 1: expected the header"),
            (
                "1000,5000,20\n".to_owned(),
                "line 1: expected the header `duration_ms",
            ),
            ("<!doctype html>\n".to_owned(), "found `<!doctype html>`"),
            (header.to_owned(), "some/trace.csv: the trace is empty"),
            (
                format!("{header}10,5,0\n10,NaN,0\n"),
                "trace.csv, line 3: bandwidth_kbps must be 0 to",
            ),
            (
                format!("{header}10,inf,0\n"),
                "trace.csv, line 2: bandwidth_kbps must be",
            ),
            (
                format!("{header}10,-1,0\n"),
                "trace.csv, line 2: bandwidth_kbps must be",
            ),
            (
                format!("{header}-10,1,0\n"),
                "trace.csv, line 2: duration_ms must be",
            ),
            (
                format!("{header}0,1,0\n"),
                "trace.csv, line 2: duration_ms must be above 0",
            ),
            (
                format!("{header}\n10,1\n"),
                "trace.csv, line 3: latency_ms is missing",
            ),
            (
                format!("{header}10,1,-3\n"),
                "trace.csv, line 2: latency_ms must be",
            ),
            (
                format!("{header}10,1,0,5\n"),
                "trace.csv, line 2: more than three",
            ),
            (
                format!("{header}10,fast,0\n"),
                "trace.csv, line 2: bandwidth_kbps is no number: `fast`",
            ),
            (
                format!("{header}10,0,0\n5,0,0\n"),
                "some/trace.csv: the bandwidth is zero throughout",
            ),
        ];
        for (text, expected) in cases {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let missing = Trace::read(Path::new("/nowhere/at-all.csv"))
            .unwrap_err()
            .to_string();
        assert!(
            missing.starts_with("cannot read the trace /nowhere/at-all.csv: "),
            "{missing}"
        );
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
        fn any_text_is_read_or_refused(text in "\\PC{0,80}", tail in "[-0-9.,eNainf\n ]{0,120}") {
            let _ = parse(&text);
            let _ = parse(&format!("{HEADER}\n{tail}"));
        }
    }
}
