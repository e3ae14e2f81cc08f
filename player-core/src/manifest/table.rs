//! The segment table: a JSON file beside the manifests that says how large each segment is, and how good.
//!
//! A planner that knows the size of the segments to come need not guess it from a bitrate, and one that knows their quality need
//! not guess that either. `headgate-encode` writes the table; any packager can.
//!
//! # Where it is
//!
//! The manifest refers to it in the way its protocol has for such things; players that do not know it pass over it:
//!
//! - HLS, in the multivariant playlist: `#EXT-X-SESSION-DATA:DATA-ID="dev.headgate.segments",URI="segments.json"`
//!   (RFC 8216, 4.3.4.4).
//! - DASH, in the MPD or an AdaptationSet: `<SupplementalProperty schemeIdUri="urn:headgate:segments:2026" value="segments.json"/>`
//!   (ISO/IEC 23009-1, 5.8.4.9); the value is a URL, relative to the BaseURL of that level. The first one counts.
//!
//! It is asked for when the first segment has arrived, so that it does not delay the start, and playback does not depend on it.
//!
//! # What it holds
//!
//! ```json
//! {
//!   "version": 1,
//!   "renditions": [
//!     { "hls": "hls/720p.m3u8", "dash": "720p", "bytes": [310220, 298113], "quality": [81.2, 84] },
//!     { "hls": "hls/audio.m3u8", "dash": "audio", "bytes": [16012, 16040] }
//!   ]
//! }
//! ```
//!
//! | | |
//! |---|---|
//! | `version` | 1 |
//! | `hls` | URL of the rendition's media playlist, relative to the table |
//! | `dash` | `Representation@id` |
//! | `bytes` | size of each segment of the presentation, the first one first, without initialization sections; `null` = unknown |
//! | `quality` | VMAF or a like measure of each segment, 0 to 100; `null` = unknown |
//!
//! What both manifests share is the segments themselves, and each has its own name for a rendition: a row states those of the
//! manifests that there are. A row whose length differs from the number of segments in the manifest is of something else and is not
//! used, nor is one whose sizes turn out to be wrong. Unknown members are passed over. At most [`MAX_BYTES`] are read.

use super::json::Json;
use super::{MAX_ENTRIES, MAX_RENDITIONS, ManifestError, as_text};
use crate::url;

/// The largest table that is read, bytes.
pub const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// `DATA-ID` of the `EXT-X-SESSION-DATA` that refers to a table.
pub const DATA_ID: &str = "dev.headgate.segments";
/// `@schemeIdUri` of the `SupplementalProperty` that refers to a table.
pub const SCHEME: &str = "urn:headgate:segments:2026";

/// A table that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SegmentTable {
    rows: Vec<Row>,
}

/// What a table says of the segments of a rendition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sizes {
    /// 0 = unknown.
    bytes: Vec<u32>,
    /// Below 0 = unknown.
    quality: Vec<f32>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    /// Absolute.
    playlist: String,
    representation: String,
    sizes: Sizes,
}

/// Reads a table that was fetched from `base`.
///
/// # Errors
/// If it is no such JSON, of another version, or beyond a limit.
pub fn parse(bytes: &[u8], base: &str) -> Result<SegmentTable, ManifestError> {
    let mut json = Json::new(as_text(bytes)?);
    let mut version = None;
    let mut rows = Vec::new();
    json.object(&mut |json, key| match key {
        "version" => {
            version = json.number()?;
            Ok(())
        }
        "renditions" => json.array(&mut |json| {
            if rows.len() >= MAX_RENDITIONS {
                return Err(json.error("there are too many renditions"));
            }
            rows.push(row(json, base)?);
            Ok(())
        }),
        _ => json.skip(),
    })?;
    json.end()?;
    if version != Some(1.0) {
        return Err(ManifestError::Unsupported(
            "a segment table of another version than 1",
        ));
    }
    Ok(SegmentTable { rows })
}

fn row(json: &mut Json<'_>, base: &str) -> Result<Row, ManifestError> {
    let mut row = Row::default();
    json.object(&mut |json, key| {
        match key {
            "hls" => row.playlist = url::resolve(base, &json.string()?).unwrap_or_default(),
            "dash" => row.representation = json.string()?,
            "bytes" => {
                // What no segment can have is not known.
                let max = f64::from(u32::MAX);
                numbers(json, max, &mut |n| {
                    row.sizes.bytes.push(n.map_or(0, |n| n as u32))
                })?;
            }
            "quality" => {
                let quality = &mut row.sizes.quality;
                numbers(json, 100.0, &mut |n| quality.push(n.map_or(-1.0, |n| n as f32)))?;
            }
            _ => json.skip()?,
        }
        Ok(())
    })?;
    let Sizes { bytes, quality } = &row.sizes;
    if !bytes.is_empty() && !quality.is_empty() && bytes.len() != quality.len() {
        return Err(json.error("a rendition has more of bytes or quality than of the other"));
    }
    Ok(row)
}

/// Reads an array of numbers from 0 to `max`; others are `None`.
fn numbers(json: &mut Json<'_>, max: f64, number: &mut dyn FnMut(Option<f64>)) -> Result<(), ManifestError> {
    let mut count = 0;
    json.array(&mut |json| {
        count += 1;
        if count > MAX_ENTRIES {
            return Err(json.error("a rendition has too many segments"));
        }
        number(json.number()?.filter(|n| (0.0..=max).contains(n)));
        Ok(())
    })
}

impl SegmentTable {
    /// What it says of the rendition with this media playlist. Where no row has its URL to the letter, the query does not count:
    /// it may hold a token.
    pub fn of_playlist(&self, playlist: &str) -> Option<&Sizes> {
        let exact = self.rows.iter().find(|row| row.playlist == playlist);
        let public = url::public(playlist);
        let mut alike = self
            .rows
            .iter()
            .filter(|row| !row.playlist.is_empty() && url::public(&row.playlist) == public);
        let alike = alike.next().filter(|_| alike.next().is_none());
        exact.or(alike).map(|row| &row.sizes)
    }

    /// What it says of the representation with this id.
    pub fn of_representation(&self, id: &str) -> Option<&Sizes> {
        let row = self
            .rows
            .iter()
            .find(|row| !id.is_empty() && row.representation == id);
        row.map(|row| &row.sizes)
    }
}

impl Sizes {
    /// How many segments there are.
    pub fn len(&self) -> usize {
        self.bytes.len().max(self.quality.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of a segment by its position, if known.
    pub fn bytes(&self, position: usize) -> Option<u64> {
        let bytes = *self.bytes.get(position)?;
        (bytes > 0).then_some(u64::from(bytes))
    }

    /// Quality of a segment by its position, 0 to 100, if known.
    pub fn quality(&self, position: usize) -> Option<f64> {
        let quality = *self.quality.get(position)?;
        (quality >= 0.0).then_some(f64::from(quality))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const BASE: &str = "https://h/v/segments.json?t=1";

    fn read(text: &str) -> Result<SegmentTable, ManifestError> {
        parse(text.as_bytes(), BASE)
    }

    #[test]
    fn rows_are_found_by_the_names_of_either_manifest() {
        let table = read(
            r#"{"version":1,"made":{"by":["x"]},"renditions":[
                {"hls":"hls/a.m3u8","dash":"a","bytes":[10,null,0,-5,1e99,20],"quality":[0,null,101,99.5,-1,100]},
                {"dash":"b","quality":[50],"more":true},{"hls":"hls/c.m3u8?r=1","bytes":[1]},{"hls":"hls/c.m3u8?r=2","bytes":[2]}]}"#,
        )
        .unwrap();
        let a = table.of_representation("a").unwrap();
        assert_eq!(table.of_playlist("https://h/v/hls/a.m3u8?token=x"), Some(a));
        let bytes: Vec<_> = (0..7).map(|i| a.bytes(i)).collect();
        assert_eq!(bytes, [Some(10), None, None, None, None, Some(20), None]);
        let quality: Vec<_> = (0..7).map(|i| a.quality(i)).collect();
        assert_eq!(
            quality,
            [Some(0.0), None, None, Some(99.5), None, Some(100.0), None]
        );
        let b = table.of_representation("b").unwrap();
        assert_eq!((b.len(), b.bytes(0), b.quality(0)), (1, None, Some(50.0)));
        // Where the query tells renditions apart it counts.
        let c = |q: &str| {
            table
                .of_playlist(&format!("https://h/v/hls/c.m3u8{q}"))
                .map(|s| s.bytes(0))
        };
        assert_eq!((c("?r=2"), c("")), (Some(Some(2)), None));
        assert_eq!(table.of_representation(""), None);
        assert_eq!(table.of_playlist("https://h/other.m3u8"), None);
    }

    #[test]
    fn what_is_none_is_refused() {
        for bad in [
            "",
            "<html>",
            "[]",
            "{}",
            r#"{"version":2,"renditions":[]}"#,
            r#"{"version":1,"renditions":{}}"#,
            r#"{"version":1,"renditions":[{"bytes":[1,2],"quality":[3]}]}"#,
            r#"{"version":1,"renditions":[{"bytes":["1"]}]}"#,
            r#"{"version":1,"renditions":[]} x"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read(r#"{"version":1}"#), Ok(SegmentTable::default()));
        let many = format!(
            r#"{{"version":1,"renditions":[{{"bytes":[{}0]}}]}}"#,
            "0,".repeat(MAX_ENTRIES)
        );
        assert!(read(&many).is_err());
    }
}
