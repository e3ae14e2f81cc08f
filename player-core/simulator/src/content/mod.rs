//! Content: the segments of a video in several bitrates, with the size of each.
//!
//! It is read from a JSON table ([`table`]), or from a stream on disk, HLS or DASH ([`stream`]).

use std::path::{Path, PathBuf};
use std::{fs, io};

use player_core::MediaTime;
use player_core::manifest::{MAX_ENTRIES, MAX_RENDITIONS, ManifestError};
use player_core::time::TimeRange;

pub mod stream;
pub mod table;

const MAX_SEGMENT: MediaTime = MediaTime::from_millis(3_600_000);
const MAX_KBPS: f64 = 1e9;
/// 1 TB: sums of a whole presentation stay far from overflow.
const MAX_SEGMENT_BYTES: u64 = 1_000_000_000_000;

/// Segments in several bitrates.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    name: String,
    segment_duration: MediaTime,
    bitrates_kbps: Vec<f64>,
    segments: Vec<Segment>,
    /// Where each segment ends.
    ends: Vec<MediaTime>,
}

/// One segment: a column for each bitrate.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// How long it plays.
    pub duration: MediaTime,
    /// Size in bytes by rung.
    pub bytes: Vec<u64>,
    /// VMAF by rung; empty if it is not known.
    pub vmaf: Vec<f64>,
}

/// Why something is no content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// A stream's media is somewhere else.
    #[error("{}: {url} is not in a local folder and has no byte range, so that its size is not known; download the stream first", path.display())]
    Elsewhere {
        /// The manifest.
        path: PathBuf,
        /// URL of a playlist or of media.
        url: String,
    },
    /// A value of a table makes no sense.
    #[error("{} is no content table: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Which value, and what it should be.
        reason: String,
    },
    /// It is no JSON, or another JSON.
    #[error("{} is no content table: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A manifest cannot be read as one.
    #[error("{} cannot be played: {source}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: ManifestError,
    },
    /// A stream's file is not there.
    #[error("{}: cannot read {}, which it names: {source}", path.display(), missing.display())]
    Missing {
        /// The manifest.
        path: PathBuf,
        /// The playlist or the segment.
        missing: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder has no manifest in it, or several.
    #[error("the folder {} holds {found}; name the manifest (*.mpd, *.m3u8)", path.display())]
    NoManifest {
        /// The folder.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// The file cannot be read.
    #[error("cannot read the content table {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A manifest cannot be read.
    #[error("cannot read the manifest {}: {source}", path.display())]
    ReadManifest {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A stream is no content for the simulator.
    #[error("{} is no content: {reason}", path.display())]
    Stream {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Content {
    /// Content of these segments, whose columns are in the order of the bitrates (kbit/s), lowest first.
    ///
    /// # Errors
    /// Says what is wrong: there are no bitrates or segments, bitrates that fall, a segment without a size above zero or a
    /// duration above zero for each, VMAF for some segments only or outside of 0 to 100, or more than the engine reads.
    pub fn new(name: &str, bitrates_kbps: Vec<f64>, segments: Vec<Segment>) -> Result<Self, String> {
        check_bitrates(&bitrates_kbps)?;
        let rungs = bitrates_kbps.len();
        let Some(first) = segments.first() else {
            return Err("there are no segments".to_owned());
        };
        if segments.len() > MAX_ENTRIES {
            let found = segments.len();
            return Err(format!(
                "{found} segments are too many; the limit is {MAX_ENTRIES}"
            ));
        }
        let has_vmaf = !first.vmaf.is_empty();
        let mut ends = Vec::with_capacity(segments.len());
        let mut end = MediaTime::ZERO;
        for (i, segment) in segments.iter().enumerate() {
            check_segment(segment, rungs, has_vmaf).map_err(|reason| format!("segment {i} {reason}"))?;
            end += segment.duration;
            ends.push(end);
        }
        let mut durations: Vec<_> = segments.iter().map(|segment| segment.duration).collect();
        durations.sort_unstable();
        Ok(Self {
            name: name.to_owned(),
            segment_duration: durations.get(durations.len() / 2).copied().unwrap_or_default(),
            bitrates_kbps,
            segments,
            ends,
        })
    }

    /// Reads content: an HLS or DASH stream if the path is a folder, an `.m3u8` or an `.mpd` file ([`stream::read`]), else a
    /// table ([`table`]). Its name is the file's without the extension.
    ///
    /// # Errors
    /// If it cannot be read, is something else, or a value is out of range.
    pub fn read(path: &Path) -> Result<Self, ContentError> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        if path.is_dir() || matches!(extension.as_deref(), Some("m3u8" | "mpd")) {
            return stream::read(path);
        }
        let failed = |source| ContentError::Read {
            path: path.to_owned(),
            source,
        };
        let length = fs::metadata(path).map_err(failed)?.len();
        if length > table::MAX_FILE_BYTES {
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
        table::parse(path, json)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Nominal duration of a segment: that of each, or, where they differ, the median.
    pub const fn segment_duration(&self) -> MediaTime {
        self.segment_duration
    }

    /// Whether all segments have the same duration.
    pub fn is_uniform(&self) -> bool {
        self.segments.iter().all(|s| s.duration == self.segment_duration)
    }

    /// Duration of the longest segment.
    pub fn longest_segment(&self) -> MediaTime {
        self.segments.iter().map(|s| s.duration).max().unwrap_or_default()
    }

    /// Duration of all segments.
    pub fn duration(&self) -> MediaTime {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Where a segment is on the timeline; empty at the end if there is no such segment.
    pub fn time_range(&self, index: usize) -> TimeRange {
        let end = |i: usize| self.ends.get(i).copied().unwrap_or_else(|| self.duration());
        let start = index.checked_sub(1).map_or(MediaTime::ZERO, end);
        TimeRange::new(start, end(index))
    }

    /// The segment that is at a point of the timeline: the first one before the start, the last one after the end.
    pub fn segment_at(&self, position: MediaTime) -> usize {
        let index = self.ends.partition_point(|end| *end <= position);
        index.min(self.ends.len().saturating_sub(1))
    }

    /// Nominal bitrates, kbit/s, lowest first; never empty.
    pub fn bitrates_kbps(&self) -> &[f64] {
        &self.bitrates_kbps
    }

    /// The segments in order; never empty.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether the VMAF of each segment is known.
    pub fn has_vmaf(&self) -> bool {
        self.segments.iter().all(|segment| !segment.vmaf.is_empty())
    }
}

fn check_bitrates(bitrates_kbps: &[f64]) -> Result<(), String> {
    if bitrates_kbps.is_empty() {
        return Err("there are no bitrates".to_owned());
    }
    if bitrates_kbps.len() > MAX_RENDITIONS {
        let found = bitrates_kbps.len();
        return Err(format!(
            "{found} bitrates are too many; the limit is {MAX_RENDITIONS}"
        ));
    }
    if let Some(odd) = bitrates_kbps
        .iter()
        .find(|kbps| !(**kbps > 0.0 && **kbps <= MAX_KBPS))
    {
        return Err(format!(
            "bitrates must be above 0 and at most {MAX_KBPS} kbit/s, not {odd}"
        ));
    }
    if !bitrates_kbps.is_sorted() {
        return Err("bitrates must rise, and all columns be in their order".to_owned());
    }
    Ok(())
}

fn check_segment(segment: &Segment, rungs: usize, has_vmaf: bool) -> Result<(), String> {
    if segment.duration <= MediaTime::ZERO || segment.duration > MAX_SEGMENT {
        let seconds = segment.duration.as_secs_f64();
        return Err(format!("must last above 0 and at most 3600 s, not {seconds}"));
    }
    if segment.bytes.len() != rungs {
        return Err(format!("has {} sizes for {rungs} bitrates", segment.bytes.len()));
    }
    if let Some(odd) = segment.bytes.iter().find(|b| **b == 0 || **b > MAX_SEGMENT_BYTES) {
        return Err(format!(
            "must have above 0 bytes and at most {MAX_SEGMENT_BYTES}, not {odd}"
        ));
    }
    let expected = if has_vmaf { rungs } else { 0 };
    if segment.vmaf.len() != expected {
        return Err(format!(
            "has {} values of VMAF instead of {expected}",
            segment.vmaf.len()
        ));
    }
    if let Some(odd) = segment.vmaf.iter().find(|v| !(0.0..=100.0).contains(*v)) {
        return Err(format!("must have a VMAF of 0 to 100, not {odd}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const fn s(s: i64) -> MediaTime {
        MediaTime::from_millis(s * 1000)
    }

    fn segment(duration: MediaTime, bytes: &[u64]) -> Segment {
        Segment {
            duration,
            bytes: bytes.to_vec(),
            vmaf: Vec::new(),
        }
    }

    #[test]
    fn segments_of_different_durations_follow_each_other() {
        let segments = [4, 4, 6, 1].map(|d| segment(s(d), &[1, 2])).to_vec();
        let content = Content::new("c", vec![1.0, 2.0], segments).unwrap();
        assert_eq!((content.duration(), content.segment_duration()), (s(15), s(4)));
        assert_eq!((content.longest_segment(), content.is_uniform()), (s(6), false));
        assert_eq!(content.time_range(0), TimeRange::new(s(0), s(4)));
        assert_eq!(content.time_range(2), TimeRange::new(s(8), s(14)));
        assert_eq!(content.time_range(9), TimeRange::new(s(15), s(15)));
        let at = [-1, 0, 4, 13, 14, 15, 99].map(|t| content.segment_at(s(t)));
        assert_eq!(at, [0, 0, 1, 2, 3, 3, 3]);
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let one = || vec![segment(s(1), &[1])];
        let vmaf = |v: f64| Segment {
            vmaf: vec![v],
            ..segment(s(1), &[1])
        };
        let cases = [
            (vec![], one(), "no bitrates"),
            (vec![f64::NAN], one(), "not NaN"),
            (vec![0.0], one(), "not 0"),
            (vec![2.0, 1.0], one(), "must rise"),
            (vec![1.0; 1001], one(), "1001 bitrates are too many"),
            (vec![1.0], vec![], "no segments"),
            (
                vec![1.0],
                vec![segment(s(1), &[1]); 100_001],
                "100001 segments are too many",
            ),
            (vec![1.0, 2.0], one(), "segment 0 has 1 sizes for 2 bitrates"),
            (
                vec![1.0],
                vec![segment(s(0), &[1])],
                "segment 0 must last above 0",
            ),
            (vec![1.0], vec![segment(s(3601), &[1])], "not 3601"),
            (vec![1.0], vec![segment(s(1), &[0])], "above 0 bytes"),
            (vec![1.0], vec![segment(s(1), &[u64::MAX])], "above 0 bytes"),
            (
                vec![1.0],
                [one(), vec![vmaf(5.0)]].concat(),
                "segment 1 has 1 values of VMAF instead of 0",
            ),
            (
                vec![1.0],
                [vec![vmaf(5.0)], one()].concat(),
                "segment 1 has 0 values of VMAF instead of 1",
            ),
            (vec![1.0], vec![vmaf(f64::NAN)], "VMAF of 0 to 100"),
        ];
        for (bitrates, segments, expected) in cases {
            let error = Content::new("c", bitrates, segments).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
