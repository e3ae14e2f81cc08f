//! Trace files of several forms, told apart by what is in them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::{Builder, HEADER, MAX_BANDWIDTH_KBPS, MAX_DURATION_MS, Point, PointsError, Trace, check};

/// Time over which Mahimahi's packets are counted.
pub const MAHIMAHI_WINDOW_MS: u64 = 100;
/// What one line of Mahimahi's delivers.
pub const MAHIMAHI_PACKET_BYTES: u64 = 1500;

const MAX_FILE_BYTES: u64 = 256 << 20;
/// Lines of one trace (23 days of seconds): bounds the memory that a file may take.
const MAX_PIECES: usize = 2_000_000;
/// How far into a file one has to look to know its form.
const SNIFF_BYTES: usize = 4096;
/// Endings that are no part of a trace's name. Others are: `drive.up` and `drive.down` differ, and many of Pensieve's files
/// are named like `trace_12_http---www.example.com_3`.
const ENDINGS: [&str; 6] = ["csv", "json", "log", "mahi", "pps", "txt"];

/// The form of a trace file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// The project's own: the header [`HEADER`], then lines of three numbers.
    Csv,
    /// Packet delivery times, of Mahimahi (`mm-link(1)`): each line is a time in whole milliseconds at which
    /// [`MAHIMAHI_PACKET_BYTES`] may pass; times do not fall, several lines may have the same, and the trace starts again at its
    /// last one.
    ///
    /// Packets are counted in windows of [`MAHIMAHI_WINDOW_MS`] from the start, each without its beginning and with its end
    /// (packets of 1 to 100 ms, 101 to 200 ms, …; those of 0 ms in the first), and a window's packets are spread evenly over it.
    /// The last window ends with the trace. The number of bytes in each window is exact.
    Mahimahi,
    /// The "cooked" traces of Pensieve (Mao, Netravali, Alizadeh, SIGCOMM 2017): lines of a time in seconds and a throughput in
    /// Mbit/s.
    ///
    /// As in Pensieve's simulator a line's throughput holds from the time of the line before to its own; the first line says only
    /// when the trace starts. Its factor of 0.95 for headers is the simulator's, not the trace's, and is not applied.
    Pensieve,
    /// An array of objects with `duration_ms`, `bandwidth_kbps` and `latency_ms`, of the sabre simulator (Spiteri, Sitaraman,
    /// Sparacio, MMSys 2018).
    Sabre,
}

impl Format {
    /// The form of a text, by its beginning; `None` if it is none of them.
    pub fn detect(text: &str) -> Option<Self> {
        let (_, first) = first_line(text)?;
        if first.starts_with('[') {
            let beginning = text.as_bytes().get(..SNIFF_BYTES).unwrap_or(text.as_bytes());
            let key = b"\"duration_ms\"";
            let found = beginning.windows(key.len()).any(|part| part == key);
            return found.then_some(Self::Sabre);
        }
        if is_header(first) {
            return Some(Self::Csv);
        }
        let mut fields = first.split_whitespace();
        match (fields.next(), fields.next(), fields.next()) {
            (Some(ms), None, None) if ms.bytes().all(|b| b.is_ascii_digit()) => Some(Self::Mahimahi),
            (Some(time), Some(rate), None) if [time, rate].iter().all(|field| number(field).is_some()) => {
                Some(Self::Pensieve)
            }
            _ => None,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Mahimahi => "Mahimahi",
            Self::Pensieve => "Pensieve",
            Self::Sabre => "sabre",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a file is no trace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// No line carries anything, so that no download would ever end.
    #[error("{}: the bandwidth is zero throughout; a download over it would never end", path.display())]
    AllZero {
        /// The file.
        path: PathBuf,
    },
    /// A beginning and nothing more.
    #[error("{}: the trace is empty; expected {expected}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What is missing.
        expected: &'static str,
    },
    /// A line is not what its form asks for, or out of range.
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
    /// The file begins like none of the forms.
    #[error(
        "{}, line {line}: expected the header `{HEADER}`, or a trace of Mahimahi (a whole number of milliseconds a line), \
         Pensieve (`seconds Mbit/s`) or sabre (a JSON array of objects with duration_ms, bandwidth_kbps, latency_ms); \
         found `{found}`",
        path.display()
    )]
    Unrecognised {
        /// The file.
        path: PathBuf,
        /// Number of its first line with something in it.
        line: usize,
        /// The beginning of that line.
        found: String,
    },
}

impl Trace {
    /// Reads a trace file of any [`Format`]; its name is the file's without an ending such as `.csv`.
    ///
    /// # Errors
    /// If the file cannot be read (or is larger than 256 MiB), is of none of the forms or has nothing after its beginning, a line
    /// is not as its form wants it or out of range, there are more than two million, or the bandwidth is zero throughout.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let failed = |source| TraceError::Read {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed)?;
        file.take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let text = format!("it is larger than {} MiB", MAX_FILE_BYTES >> 20);
            return Err(failed(io::Error::other(text)));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(path, &text),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let bytes = error.as_bytes();
                let around = bytes.get(..(valid + 80).min(bytes.len())).unwrap_or_default();
                let before = bytes.get(..valid).unwrap_or_default();
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                let text = String::from_utf8_lossy(around);
                Err(TraceError::Unrecognised {
                    path: path.to_owned(),
                    line,
                    found: quote(text.lines().nth(line - 1).unwrap_or_default()),
                })
            }
        }
    }

    /// Reads the text of a trace file; `path` is for its name and for errors.
    ///
    /// # Errors
    /// As [`Trace::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, TraceError> {
        let text = text.trim_start_matches('\u{feff}');
        let Some(format) = Format::detect(text) else {
            let (line, first) = first_line(text).unwrap_or((1, ""));
            return Err(TraceError::Unrecognised {
                path: path.to_owned(),
                line,
                found: quote(first),
            });
        };
        let mut builder = Builder::default();
        let (read, expected) = match format {
            Format::Csv => (
                csv(text, &mut builder),
                "lines of duration_ms,bandwidth_kbps,latency_ms after the header",
            ),
            Format::Mahimahi => (mahimahi(text, &mut builder), "a line a packet"),
            Format::Pensieve => (
                pensieve(text, &mut builder),
                "two lines of `seconds Mbit/s` at least: the first one says only when the trace starts",
            ),
            Format::Sabre => (
                sabre(text, &mut builder),
                "objects with duration_ms, bandwidth_kbps and latency_ms",
            ),
        };
        let path = path.to_owned();
        if let Err((line, reason)) = read {
            return Err(TraceError::Line { path, line, reason });
        }
        builder.finish(&name_of(&path)).map_err(|error| match error {
            PointsError::AllZero => TraceError::AllZero { path },
            _ => TraceError::Empty { path, expected },
        })
    }
}

/// The name of the trace in a file.
pub(super) fn name_of(path: &Path) -> String {
    let ending = path.extension().and_then(|ending| ending.to_str());
    let name = match ending {
        Some(ending) if ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)) => path.file_stem(),
        _ => path.file_name(),
    };
    name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The form of a file, by its beginning.
pub(super) fn detect_file(path: &Path) -> io::Result<Option<Format>> {
    let mut beginning = Vec::with_capacity(SNIFF_BYTES);
    File::open(path)?
        .take(SNIFF_BYTES as u64)
        .read_to_end(&mut beginning)?;
    let text = String::from_utf8_lossy(&beginning);
    Ok(Format::detect(text.trim_start_matches('\u{feff}')))
}

/// The number of a line and what is wrong with it.
type Wrong = (usize, String);

fn csv(text: &str, builder: &mut Builder) -> Result<(), Wrong> {
    for (line, content) in lines(text).skip(1) {
        room(builder).map_err(|reason| (line, reason))?;
        point(content)
            .and_then(|point| builder.push(&point))
            .map_err(|reason| (line, reason))?;
    }
    Ok(())
}

fn point(line: &str) -> Result<Point, String> {
    let mut fields = line.split(',').map(str::trim);
    let mut field = |name: &str| {
        let field = fields.next().ok_or_else(|| format!("{name} is missing"))?;
        field
            .parse::<f64>()
            .map_err(|_| format!("{name} is no number: `{}`", quote(field)))
    };
    let point = Point {
        duration_ms: field("duration_ms")?,
        bandwidth_kbps: field("bandwidth_kbps")?,
        latency_ms: field("latency_ms")?,
    };
    if fields.next().is_some() {
        return Err("more than three fields".to_owned());
    }
    Ok(point)
}

fn mahimahi(text: &str, builder: &mut Builder) -> Result<(), Wrong> {
    // The window that is being counted, its packets, and the time and number of the last line.
    let (mut window, mut packets, mut last_ms, mut last_line) = (0_u64, 0_u64, 0_u64, 0_usize);
    for (line, content) in lines(text) {
        let wrong = |reason| (line, reason);
        room(builder).map_err(wrong)?;
        let ms: u64 = Some(content)
            .filter(|content| content.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|content| content.parse().ok())
            .ok_or_else(|| {
                wrong(format!(
                    "expected a time in whole milliseconds, found `{}`",
                    quote(content)
                ))
            })?;
        if ms as f64 > MAX_DURATION_MS {
            return Err(wrong(format!(
                "the time must be 0 to {MAX_DURATION_MS} ms, not {ms}"
            )));
        }
        if ms < last_ms {
            return Err(wrong(format!("{ms} ms after {last_ms} ms: times must not fall")));
        }
        let at = ms.saturating_sub(1) / MAHIMAHI_WINDOW_MS;
        if at > window {
            deliver(packets, MAHIMAHI_WINDOW_MS, builder).map_err(|reason| (last_line, reason))?;
            let empty_ms = (at - window - 1) * MAHIMAHI_WINDOW_MS;
            if empty_ms > 0 {
                builder.push_merged(empty_ms * 1000, 0);
            }
            (window, packets) = (at, 0);
        }
        packets += 1;
        (last_ms, last_line) = (ms, line);
    }
    if last_ms == 0 {
        return Err((
            last_line,
            "the trace must last longer than 0 ms: it ends with its last packet".to_owned(),
        ));
    }
    deliver(packets, last_ms - window * MAHIMAHI_WINDOW_MS, builder).map_err(|reason| (last_line, reason))
}

/// Spreads packets over a window so that it carries exactly them: the link has whole bits a second, and where they do not come
/// out even, the last microseconds have one more.
fn deliver(packets: u64, window_ms: u64, builder: &mut Builder) -> Result<(), String> {
    let microbits = u128::from(packets) * u128::from(MAHIMAHI_PACKET_BYTES) * 8_000_000;
    let window_us = u128::from(window_ms) * 1000;
    let (bps, more_us) = (microbits / window_us, microbits % window_us);
    let narrow = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
    if bps as f64 >= MAX_BANDWIDTH_KBPS * 1000.0 {
        return Err(format!(
            "{packets} packets in {window_ms} ms are more than {MAX_BANDWIDTH_KBPS} kbit/s"
        ));
    }
    builder.push_merged(narrow(window_us - more_us), narrow(bps));
    if more_us > 0 {
        builder.push_merged(narrow(more_us), narrow(bps + 1));
    }
    Ok(())
}

fn pensieve(text: &str, builder: &mut Builder) -> Result<(), Wrong> {
    let mut before_s = None;
    for (line, content) in lines(text) {
        let wrong = |reason| (line, reason);
        room(builder).map_err(wrong)?;
        let mut fields = content.split_whitespace();
        let (Some(time_s), Some(mbps), None) = (fields.next(), fields.next(), fields.next()) else {
            let found = quote(content);
            return Err(wrong(format!("expected `seconds Mbit/s`, found `{found}`")));
        };
        let field = |name: &str, field: &str| {
            number(field).ok_or_else(|| wrong(format!("the {name} is no number: `{}`", quote(field))))
        };
        let (time_s, mbps) = (field("time", time_s)?, field("throughput", mbps)?);
        let Some(from_s) = before_s.replace(time_s) else {
            continue;
        };
        if time_s < from_s {
            return Err(wrong(format!("{time_s} s after {from_s} s: times must not fall")));
        }
        // Pensieve's simulator passes over lines that last no time.
        if time_s > from_s {
            let point = Point {
                duration_ms: (time_s - from_s) * 1000.0,
                bandwidth_kbps: mbps * 1000.0,
                latency_ms: 0.0,
            };
            builder.push(&point).map_err(wrong)?;
        }
    }
    Ok(())
}

fn sabre(text: &str, builder: &mut Builder) -> Result<(), Wrong> {
    let mut json = serde_json::Deserializer::from_str(text);
    Periods(builder)
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|error| {
            let place = format!(" at line {} column {}", error.line(), error.column());
            let text = error.to_string();
            let reason = text.strip_suffix(&place).unwrap_or(&text);
            (error.line(), quoted(reason, 200))
        })
}

/// The array of a sabre trace; each period is added as it is read.
struct Periods<'a>(&'a mut Builder);

impl<'de> DeserializeSeed<'de> for Periods<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Periods<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of periods")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut periods: A) -> Result<(), A::Error> {
        while let Some(Period(point)) = periods.next_element()? {
            room(self.0).map_err(A::Error::custom)?;
            self.0.push(&point).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// A checked point: it is checked here and not where it is added so that the error has the period's line.
struct Period(Point);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Period;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with duration_ms, bandwidth_kbps and latency_ms")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Period, A::Error> {
                #[derive(Deserialize)]
                struct Fields {
                    duration_ms: f64,
                    bandwidth_kbps: f64,
                    latency_ms: f64,
                }

                let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
                let point = Point {
                    duration_ms: fields.duration_ms,
                    bandwidth_kbps: fields.bandwidth_kbps,
                    latency_ms: fields.latency_ms,
                };
                check(&point).map_err(de::Error::custom)?;
                Ok(Period(point))
            }
        }

        json.deserialize_map(Object)
    }
}

fn room(builder: &Builder) -> Result<(), String> {
    if builder.pieces.len() < MAX_PIECES {
        Ok(())
    } else {
        Err(format!("a trace has at most {MAX_PIECES} lines; cut it"))
    }
}

/// Lines with something in them, trimmed, with their numbers from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty())
}

fn first_line(text: &str) -> Option<(usize, &str)> {
    lines(text).next()
}

fn is_header(line: &str) -> bool {
    line.chars().filter(|c| *c != ' ').eq(HEADER.chars())
}

fn number(field: &str) -> Option<f64> {
    field.parse().ok().filter(|value: &f64| value.is_finite())
}

/// The beginning of a text, fit for a terminal.
fn quote(text: &str) -> String {
    quoted(text, 80)
}

fn quoted(text: &str, chars: usize) -> String {
    let fit = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(fit).take(chars).collect()
}
