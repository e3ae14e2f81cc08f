//! Content: bitrates and the size of each segment in each of them, in the JSON form of the sabre simulator.
//!
//! ```json
//! {
//!   "segment_duration_ms": 3000,
//!   "bitrates_kbps": [230, 331],
//!   "segment_sizes_bits": [[886360, 1180512], [901240, 1203456]],
//!   "segment_vmaf": [[28.8, 64.9], [30.1, 66.0]]
//! }
//! ```
//!
//! `segment_sizes_bits` and the optional `segment_vmaf` have one row a segment and one column a bitrate. Bitrates rise.

use std::path::{Path, PathBuf};
use std::{fs, io};

use player_core::MediaTime;
use serde::Deserialize;

const MAX_FILE_BYTES: u64 = 256 << 20;
const MAX_SEGMENT_MS: f64 = 3_600_000.0;
const MAX_KBPS: f64 = 1e9;
/// 1 TB: sums of a whole presentation stay far from overflow.
const MAX_SEGMENT_BITS: f64 = 8e12;

/// A table of segments.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    name: String,
    segment_duration: MediaTime,
    bitrates_kbps: Vec<f64>,
    segments: Vec<Segment>,
}

/// One segment: a column for each bitrate.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Size in bytes by rung.
    pub bytes: Vec<u64>,
    /// VMAF by rung; empty if the table has none.
    pub vmaf: Vec<f64>,
}

/// Why a file is no content table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// It is no JSON, or another JSON.
    #[error("{} is no content table: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A value makes no sense.
    #[error("{} is no content table: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Which value, and what it should be.
        reason: String,
    },
    /// The file cannot be read.
    #[error("cannot read the content table {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(Deserialize)]
struct Table {
    segment_duration_ms: f64,
    bitrates_kbps: Vec<f64>,
    segment_sizes_bits: Vec<Vec<f64>>,
    #[serde(default)]
    segment_vmaf: Option<Vec<Vec<f64>>>,
}

impl Content {
    /// Reads a table; its name is the file's without the extension.
    ///
    /// # Errors
    /// If the file cannot be read, is no such JSON, or a value is out of range.
    pub fn read(path: &Path) -> Result<Self, ContentError> {
        let failed = |source| ContentError::Read {
            path: path.to_owned(),
            source,
        };
        let length = fs::metadata(path).map_err(failed)?.len();
        if length > MAX_FILE_BYTES {
            return Err(failed(io::Error::other(format!(
                "{length} bytes are too many for a content table"
            ))));
        }
        Self::parse(path, &fs::read(path).map_err(failed)?)
    }

    /// Reads the JSON of a table; `path` is for its name and for errors.
    ///
    /// # Errors
    /// As [`Content::read`].
    pub fn parse(path: &Path, json: &[u8]) -> Result<Self, ContentError> {
        let table: Table = serde_json::from_slice(json).map_err(|source| ContentError::Json {
            path: path.to_owned(),
            source,
        })?;
        let name = path
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        from_table(name, table).map_err(|reason| ContentError::Invalid {
            path: path.to_owned(),
            reason,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Duration of each segment.
    pub const fn segment_duration(&self) -> MediaTime {
        self.segment_duration
    }

    /// Duration of all segments.
    pub fn duration(&self) -> MediaTime {
        let segments = i64::try_from(self.segments.len()).unwrap_or(i64::MAX);
        MediaTime::from_micros(self.segment_duration.as_micros().saturating_mul(segments))
    }

    /// Nominal bitrates, kbit/s, lowest first; never empty.
    pub fn bitrates_kbps(&self) -> &[f64] {
        &self.bitrates_kbps
    }

    /// The segments in order; never empty.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether the table has VMAF.
    pub fn has_vmaf(&self) -> bool {
        self.segments.iter().all(|segment| !segment.vmaf.is_empty())
    }
}

fn from_table(name: String, table: Table) -> Result<Content, String> {
    let within = |what: &str, value: f64, max: f64| {
        if value > 0.0 && value <= max {
            Ok(())
        } else {
            Err(format!("{what} must be above 0 and at most {max}, not {value}"))
        }
    };
    within("segment_duration_ms", table.segment_duration_ms, MAX_SEGMENT_MS)?;
    let rungs = table.bitrates_kbps.len();
    if rungs == 0 {
        return Err("bitrates_kbps is empty".to_owned());
    }
    for kbps in &table.bitrates_kbps {
        within("bitrates_kbps", *kbps, MAX_KBPS)?;
    }
    if !table.bitrates_kbps.is_sorted() {
        return Err(
            "bitrates_kbps must rise, with the columns of the other tables in the same order".to_owned(),
        );
    }
    if table.segment_sizes_bits.is_empty() {
        return Err("segment_sizes_bits is empty".to_owned());
    }
    let mut segments = Vec::with_capacity(table.segment_sizes_bits.len());
    for (i, row) in table.segment_sizes_bits.iter().enumerate() {
        if row.len() != rungs {
            return Err(format!(
                "segment_sizes_bits[{i}] has {} values for {rungs} bitrates",
                row.len()
            ));
        }
        for bits in row {
            within(&format!("segment_sizes_bits[{i}]"), *bits, MAX_SEGMENT_BITS)?;
        }
        segments.push(Segment {
            bytes: row.iter().map(|bits| (bits / 8.0).ceil() as u64).collect(),
            vmaf: Vec::new(),
        });
    }
    if let Some(vmaf) = table.segment_vmaf {
        if vmaf.len() != segments.len() {
            return Err(format!(
                "segment_vmaf has {} rows for {} segments",
                vmaf.len(),
                segments.len()
            ));
        }
        for (i, (row, segment)) in vmaf.into_iter().zip(&mut segments).enumerate() {
            if row.len() != rungs {
                return Err(format!(
                    "segment_vmaf[{i}] has {} values for {rungs} bitrates",
                    row.len()
                ));
            }
            if let Some(odd) = row.iter().find(|v| !(0.0..=100.0).contains(*v)) {
                return Err(format!("segment_vmaf[{i}] must be 0 to 100, not {odd}"));
            }
            segment.vmaf = row;
        }
    }
    let segment_duration =
        MediaTime::from_secs_f64(table.segment_duration_ms / 1000.0).max(MediaTime::from_micros(1));
    Ok(Content {
        name,
        segment_duration,
        bitrates_kbps: table.bitrates_kbps,
        segments,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parse(json: &str) -> Result<Content, String> {
        Content::parse(Path::new("some/table.json"), json.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_table_with_vmaf() {
        let content = parse(
            r#"{"segment_duration_ms": 4000.0, "bitrates_kbps": [300, 750.5], "segment_sizes_bits": [[801, 1600], [8, 16]],
                "segment_vmaf": [[28.8, 64.8], [30, 100]], "more": 1}"#,
        )
        .unwrap();
        assert_eq!(content.name(), "table");
        assert_eq!(content.duration(), MediaTime::from_millis(8000));
        assert_eq!(content.bitrates_kbps(), [300.0, 750.5]);
        assert_eq!(content.segments()[0].bytes, [101, 200]);
        assert_eq!(content.segments()[1].vmaf, [30.0, 100.0]);
        assert!(content.has_vmaf());
    }

    #[test]
    fn each_error_names_the_file_and_the_value() {
        let table = |duration: &str, bitrates: &str, sizes: &str, more: &str| {
            format!(
                r#"{{"segment_duration_ms": {duration}, "bitrates_kbps": {bitrates}, "segment_sizes_bits": {sizes}{more}}}"#
            )
        };
        let cases = [
            (
                "duration_ms,bandwidth_kbps".to_owned(),
                "some/table.json is no content table: expected",
            ),
            ("{}".to_owned(), "missing field `segment_duration_ms`"),
            (
                table("0", "[1]", "[[8]]", ""),
                "segment_duration_ms must be above 0",
            ),
            (
                table("1e99", "[1]", "[[8]]", ""),
                "segment_duration_ms must be above 0 and at most",
            ),
            (table("1", "[]", "[[]]", ""), "bitrates_kbps is empty"),
            (table("1", "[2, 1]", "[[8, 8]]", ""), "bitrates_kbps must rise"),
            (table("1", "[-2]", "[[8]]", ""), "bitrates_kbps must be above 0"),
            (table("1", "[1]", "[]", ""), "segment_sizes_bits is empty"),
            (
                table("1", "[1, 2]", "[[8, 8], [8]]", ""),
                "segment_sizes_bits[1] has 1 values for 2 bitrates",
            ),
            (
                table("1", "[1]", "[[8], [0]]", ""),
                "segment_sizes_bits[1] must be above 0",
            ),
            (
                table("1", "[1]", "[[8]]", r#", "segment_vmaf": []"#),
                "segment_vmaf has 0 rows for 1 segments",
            ),
            (
                table("1", "[1]", "[[8]]", r#", "segment_vmaf": [[]]"#),
                "segment_vmaf[0] has 0 values",
            ),
            (
                table("1", "[1]", "[[8]]", r#", "segment_vmaf": [[101]]"#),
                "segment_vmaf[0] must be 0 to 100, not 101",
            ),
        ];
        for (json, expected) in cases {
            let error = parse(&json).unwrap_err();
            assert!(
                error.starts_with("some/table.json is no content table: ") && error.contains(expected),
                "{error}"
            );
        }
    }
}
