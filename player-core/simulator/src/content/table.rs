//! Tables of content, in the JSON form of the sabre simulator.
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

use std::path::Path;

use player_core::MediaTime;
use serde::Deserialize;

use super::{Content, ContentError, Segment};

/// Larger files are not read.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
const MAX_SEGMENT_MS: f64 = 3_600_000.0;
const MAX_SEGMENT_BITS: f64 = 8e12;

#[derive(Deserialize)]
struct Table {
    segment_duration_ms: f64,
    bitrates_kbps: Vec<f64>,
    segment_sizes_bits: Vec<Vec<f64>>,
    #[serde(default)]
    segment_vmaf: Option<Vec<Vec<f64>>>,
}

/// Reads a table; `path` is for its name and for errors.
///
/// # Errors
/// If it is no such JSON, or a value is out of range.
pub fn parse(path: &Path, json: &[u8]) -> Result<Content, ContentError> {
    let table: Table = serde_json::from_slice(json).map_err(|source| ContentError::Json {
        path: path.to_owned(),
        source,
    })?;
    let name = path
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    content(&name, table).map_err(|reason| ContentError::Invalid {
        path: path.to_owned(),
        reason,
    })
}

fn content(name: &str, table: Table) -> Result<Content, String> {
    let within = |what: &str, value: f64, max: f64| {
        if value > 0.0 && value <= max {
            Ok(())
        } else {
            Err(format!("{what} must be above 0 and at most {max}, not {value}"))
        }
    };
    within("segment_duration_ms", table.segment_duration_ms, MAX_SEGMENT_MS)?;
    let duration =
        MediaTime::from_secs_f64(table.segment_duration_ms / 1000.0).max(MediaTime::from_micros(1));
    let rows = table.segment_sizes_bits.len();
    let mut vmaf = match table.segment_vmaf {
        None => vec![Vec::new(); rows],
        Some(vmaf) if vmaf.len() == rows => vmaf,
        Some(vmaf) => {
            let found = vmaf.len();
            return Err(format!("segment_vmaf has {found} rows for {rows} segments"));
        }
    };
    let mut segments = Vec::with_capacity(rows);
    for (i, (row, vmaf)) in table.segment_sizes_bits.iter().zip(&mut vmaf).enumerate() {
        for bits in row {
            within(&format!("segment_sizes_bits[{i}]"), *bits, MAX_SEGMENT_BITS)?;
        }
        segments.push(Segment {
            duration,
            bytes: row.iter().map(|bits| (bits / 8.0).ceil() as u64).collect(),
            vmaf: core::mem::take(vmaf),
        });
    }
    Content::new(name, table.bitrates_kbps, segments)
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
            (table("1", "[]", "[[]]", ""), "there are no bitrates"),
            (table("1", "[2, 1]", "[[8, 8]]", ""), "bitrates must rise"),
            (table("1", "[-2]", "[[8]]", ""), "bitrates must be above 0"),
            (table("1", "[1]", "[]", ""), "there are no segments"),
            (
                table("1", "[1, 2]", "[[8, 8], [8]]", ""),
                "segment 1 has 1 sizes for 2 bitrates",
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
                table("1", "[1]", "[[8], [8]]", r#", "segment_vmaf": [[], [5]]"#),
                "segment 1 has 1 values of VMAF instead of 0",
            ),
            (
                table("1", "[1]", "[[8]]", r#", "segment_vmaf": [[101]]"#),
                "segment 0 must have a VMAF of 0 to 100, not 101",
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
