//! A virtual origin: a content table as a DASH presentation that the engine fetches and parses like any other.
//!
//! The MPD (ISO/IEC 23009-1) has one `SegmentList` a rendition with the byte range of each segment, so that the engine knows
//! the exact sizes; a rendition is one file, and its segments initialize themselves.

use std::fmt::Write as _;

use player_core::MediaTime;
use player_core::output::{Deliver, Fetch};
use player_core::time::{ByteRange, TimeRange};

use crate::content::Content;

/// URL of the manifest.
pub const MANIFEST_URL: &str = "https://origin.invalid/manifest.mpd";

/// Serves one content table.
#[derive(Clone, Debug)]
pub struct Origin {
    content: Content,
    manifest: String,
    /// By rung and segment: where it ends in the rendition's file.
    ends: Vec<Vec<u64>>,
}

/// What is behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The MPD.
    Manifest,
    /// A segment.
    Segment(SegmentRef),
}

/// One segment of one rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRef {
    /// Its rung, 0 = lowest.
    pub rung: usize,
    /// Its number, from 0.
    pub index: usize,
    /// Its size.
    pub bytes: u64,
}

impl Origin {
    /// An origin of this content.
    pub fn new(content: Content) -> Self {
        let rungs = content.bitrates_kbps().len();
        let ends = (0..rungs)
            .map(|rung| {
                let sizes = content
                    .segments()
                    .iter()
                    .filter_map(|segment| segment.bytes.get(rung));
                let mut end = 0_u64;
                sizes
                    .map(|bytes| {
                        end += bytes;
                        end
                    })
                    .collect::<Vec<_>>()
            })
            .collect::<Vec<_>>();
        Self {
            manifest: manifest(&content, &ends),
            content,
            ends,
        }
    }

    /// What it serves.
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// The text of the MPD.
    pub fn manifest(&self) -> &str {
        &self.manifest
    }

    /// What a request is for.
    ///
    /// # Errors
    /// If there is no such thing: the engine has no reason to ask for it, so this is a fault of the engine.
    pub fn resolve(&self, fetch: &Fetch) -> Result<Resource, String> {
        if fetch.url == MANIFEST_URL {
            return match (fetch.range, fetch.deliver) {
                (None, Deliver::Body) => Ok(Resource::Manifest),
                _ => Err("it asked for the manifest in part or as media".to_owned()),
            };
        }
        let range = fetch
            .range
            .ok_or_else(|| format!("it asked for the whole of {}", fetch.url))?;
        self.segment(&fetch.url, range)
            .map(Resource::Segment)
            .ok_or_else(|| {
                format!(
                    "it asked for bytes {}+{} of {}, which are no segment",
                    range.offset, range.length, fetch.url
                )
            })
    }

    /// Where a segment is on the timeline.
    pub fn time_range(&self, index: usize) -> TimeRange {
        let length = self.content.segment_duration();
        let start = length
            .as_micros()
            .saturating_mul(i64::try_from(index).unwrap_or(i64::MAX));
        let start = MediaTime::from_micros(start);
        TimeRange::new(start, start + length)
    }

    fn segment(&self, url: &str, range: ByteRange) -> Option<SegmentRef> {
        let (folder, _) = MANIFEST_URL.rsplit_once('/')?;
        let file = url.strip_prefix(folder)?.strip_prefix('/')?;
        let rung = file.strip_suffix(".mp4")?.parse::<usize>().ok()?;
        let index = self
            .ends
            .get(rung)?
            .binary_search(&range.offset.checked_add(range.length)?)
            .ok()?;
        let bytes = *self.content.segments().get(index)?.bytes.get(rung)?;
        (bytes == range.length).then_some(SegmentRef { rung, index, bytes })
    }
}

fn manifest(content: &Content, ends: &[Vec<u64>]) -> String {
    let total_us = content.duration().as_micros();
    let segment_us = content.segment_duration().as_micros();
    let mut mpd = String::with_capacity(64 * content.segments().len() * ends.len() + 1000);
    let mut put = |text: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _ = mpd.write_fmt(text);
    };
    put(format_args!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:full:2011\" type=\"static\" \
         minBufferTime=\"{}\" mediaPresentationDuration=\"{}\">\n\
         <Period id=\"0\" start=\"PT0S\">\n\
         <AdaptationSet id=\"0\" contentType=\"video\" mimeType=\"video/mp4\" codecs=\"avc1.640033\" \
         segmentAlignment=\"true\" startWithSAP=\"1\">\n",
        xs_duration(segment_us),
        xs_duration(total_us),
    ));
    for (rung, (kbps, ends)) in content.bitrates_kbps().iter().zip(ends).enumerate() {
        put(format_args!(
            "<Representation id=\"{rung}\" bandwidth=\"{}\"><BaseURL>{rung}.mp4</BaseURL>\
             <SegmentList timescale=\"1000000\" duration=\"{segment_us}\">\n",
            ((kbps * 1000.0).round() as u64).max(1),
        ));
        let mut start = 0;
        for end in ends {
            put(format_args!(
                "<SegmentURL mediaRange=\"{start}-{}\"/>\n",
                end.saturating_sub(1)
            ));
            start = *end;
        }
        put(format_args!("</SegmentList></Representation>\n"));
    }
    put(format_args!("</AdaptationSet>\n</Period>\n</MPD>\n"));
    mpd
}

fn xs_duration(us: i64) -> String {
    format!("PT{}.{:06}S", us / 1_000_000, us % 1_000_000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use player_core::input::RequestId;
    use player_core::output::RequestKind;

    use super::*;

    fn origin() -> Origin {
        let json = br#"{"segment_duration_ms": 2002, "bitrates_kbps": [300, 750.5], "segment_sizes_bits": [[800, 1600], [8, 16]]}"#;
        Origin::new(Content::parse(Path::new("t.json"), json).unwrap())
    }

    fn fetch(url: &str, range: Option<(u64, u64)>) -> Fetch {
        Fetch {
            request: RequestId(1),
            url: url.to_owned(),
            range: range.map(|(offset, length)| ByteRange { offset, length }),
            kind: RequestKind::Segment,
            deliver: if range.is_some() {
                Deliver::Handle
            } else {
                Deliver::Body
            },
            max_bytes: 1_000_000,
        }
    }

    #[test]
    fn the_manifest_gives_every_range() {
        let text = origin().manifest().to_owned();
        assert!(
            text.contains("mediaPresentationDuration=\"PT4.004000S\""),
            "{text}"
        );
        assert!(
            text.contains("<Representation id=\"1\" bandwidth=\"750500\"><BaseURL>1.mp4</BaseURL>"),
            "{text}"
        );
        assert!(
            text.contains("<SegmentList timescale=\"1000000\" duration=\"2002000\">"),
            "{text}"
        );
        assert!(
            text.contains("<SegmentURL mediaRange=\"0-99\"/>\n<SegmentURL mediaRange=\"100-100\"/>"),
            "{text}"
        );
        assert!(
            text.contains("<SegmentURL mediaRange=\"0-199\"/>\n<SegmentURL mediaRange=\"200-201\"/>"),
            "{text}"
        );
    }

    #[test]
    fn requests_are_for_the_manifest_or_exactly_one_segment() {
        let origin = origin();
        assert_eq!(origin.resolve(&fetch(MANIFEST_URL, None)), Ok(Resource::Manifest));
        let segment = |rung, index, bytes| Ok(Resource::Segment(SegmentRef { rung, index, bytes }));
        assert_eq!(
            origin.resolve(&fetch("https://origin.invalid/0.mp4", Some((100, 1)))),
            segment(0, 1, 1)
        );
        assert_eq!(
            origin.resolve(&fetch("https://origin.invalid/1.mp4", Some((0, 200)))),
            segment(1, 0, 200)
        );
        let odd = [
            ("https://origin.invalid/1.mp4", Some((0, 202))),
            ("https://origin.invalid/1.mp4", Some((1, 199))),
            ("https://origin.invalid/1.mp4", Some((5, u64::MAX))),
            ("https://origin.invalid/2.mp4", Some((0, 200))),
            ("https://origin.invalid/other.mp4", Some((0, 200))),
            ("https://elsewhere.invalid/1.mp4", Some((0, 200))),
            ("https://origin.invalid/1.mp4", None),
            (MANIFEST_URL, Some((0, 10))),
        ];
        for (url, range) in odd {
            assert!(origin.resolve(&fetch(url, range)).is_err(), "{url} {range:?}");
        }
    }

    #[test]
    fn segments_follow_each_other() {
        assert_eq!(
            origin().time_range(1),
            TimeRange::new(MediaTime::from_millis(2002), MediaTime::from_millis(4004))
        );
    }
}
