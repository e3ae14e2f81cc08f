//! A virtual origin: content as a DASH presentation that the engine fetches and parses like any other.
//!
//! The MPD (ISO/IEC 23009-1) has one `SegmentList` a rendition with the byte range of each segment, so that the engine knows
//! the exact sizes; a rendition is one file, and its segments initialize themselves. Where segments differ in duration, a
//! `SegmentTimeline` says so. Where the content's quality is known, a [segment table](player_core::manifest::table) says it.

use std::fmt::{Arguments, Write as _};

use player_core::MediaTime;
use player_core::input::TrackKind;
use player_core::manifest::table::SCHEME;
use player_core::output::{Deliver, Fetch};
use player_core::time::{ByteRange, TimeRange};

use crate::content::Content;

/// URL of the manifest.
pub const MANIFEST_URL: &str = "https://origin.invalid/manifest.mpd";
/// URL of the segment table, if there is one.
pub const TABLE_URL: &str = "https://origin.invalid/segments.json";
/// What the URLs of all files begin with.
const FOLDER: &str = "https://origin.invalid/";
const AUDIO_FILE: &str = "audio.mp4";
const MAX_AUDIO_KBPS: f64 = 1e6;

/// Serves one content.
#[derive(Clone, Debug)]
pub struct Origin {
    content: Content,
    manifest: String,
    table: Option<String>,
    /// By rung and segment: where it ends in the rendition's file.
    video: Vec<Vec<u64>>,
    audio: Option<Audio>,
}

#[derive(Clone, Debug)]
struct Audio {
    bandwidth_bps: u64,
    /// By segment: where it ends in the file.
    ends: Vec<u64>,
}

/// What is behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The MPD.
    Manifest,
    /// A segment.
    Segment(SegmentRef),
    /// The segment table.
    Table,
}

/// One segment of one rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentRef {
    /// Video or audio.
    pub kind: TrackKind,
    /// Its rung, 0 = lowest.
    pub rung: usize,
    /// Its number, from 0.
    pub index: usize,
    /// Its size.
    pub bytes: u64,
}

/// No bitrate for audio.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("an audio bitrate must be above 0 and at most {MAX_AUDIO_KBPS} kbit/s, not {0}")]
pub struct AudioBitrateError(f64);

impl Origin {
    /// An origin of this content, without audio.
    pub fn new(content: Content) -> Self {
        let rungs = content.bitrates_kbps().len();
        let sizes = |rung: usize| {
            content
                .segments()
                .iter()
                .filter_map(move |s| s.bytes.get(rung).copied())
        };
        let video: Vec<_> = (0..rungs).map(|rung| ends(sizes(rung))).collect();
        Self {
            manifest: manifest(&content, &video, None),
            table: content.has_vmaf().then(|| table(&content)),
            content,
            video,
            audio: None,
        }
    }

    /// The same with audio of a constant bitrate, kbit/s, in segments of the same durations as the video's.
    ///
    /// # Errors
    /// If the bitrate is not above 0 or is more than a gigabit a second.
    pub fn with_audio(mut self, kbps: f64) -> Result<Self, AudioBitrateError> {
        if !(kbps > 0.0 && kbps <= MAX_AUDIO_KBPS) {
            return Err(AudioBitrateError(kbps));
        }
        let bytes = |seconds: f64| ((kbps * 1000.0 * seconds / 8.0).round() as u64).max(1);
        let segments = self.content.segments().iter();
        let audio = Audio {
            bandwidth_bps: ((kbps * 1000.0).round() as u64).max(1),
            ends: ends(segments.map(|segment| bytes(segment.duration.as_secs_f64()))),
        };
        self.manifest = manifest(&self.content, &self.video, Some(&audio));
        self.audio = Some(audio);
        Ok(self)
    }

    /// What it serves.
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// Whether it has audio besides.
    pub const fn has_audio(&self) -> bool {
        self.audio.is_some()
    }

    /// The text of the MPD.
    pub fn manifest(&self) -> &str {
        &self.manifest
    }

    /// The text of the segment table, if there is one.
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// What a request is for.
    ///
    /// # Errors
    /// If there is no such thing: the engine has no reason to ask for it, so this is a fault of the engine.
    pub fn resolve(&self, fetch: &Fetch) -> Result<Resource, String> {
        let text = match fetch.url.as_str() {
            MANIFEST_URL => Some(Resource::Manifest),
            TABLE_URL if self.table.is_some() => Some(Resource::Table),
            _ => None,
        };
        if let Some(text) = text {
            return match (fetch.range, fetch.deliver) {
                (None, Deliver::Body) => Ok(text),
                _ => Err(format!("it asked for {} in part or as media", fetch.url)),
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
        self.content.time_range(index)
    }

    fn segment(&self, url: &str, range: ByteRange) -> Option<SegmentRef> {
        let file = url.strip_prefix(FOLDER)?;
        let (kind, rung, ends) = if file == AUDIO_FILE {
            (TrackKind::Audio, 0, &self.audio.as_ref()?.ends)
        } else {
            let rung = file.strip_suffix(".mp4")?.parse::<usize>().ok()?;
            (TrackKind::Video, rung, self.video.get(rung)?)
        };
        let index = ends
            .binary_search(&range.offset.checked_add(range.length)?)
            .ok()?;
        let start = match index.checked_sub(1) {
            Some(before) => *ends.get(before)?,
            None => 0,
        };
        (start == range.offset).then_some(SegmentRef {
            kind,
            rung,
            index,
            bytes: range.length,
        })
    }
}

/// Where each of these ends if they lie one after the other. None is empty, so that no two end at the same place.
fn ends(bytes: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut end = 0_u64;
    let after = |bytes: u64| {
        end += bytes;
        end
    };
    bytes.map(after).collect()
}

fn manifest(content: &Content, video: &[Vec<u64>], audio: Option<&Audio>) -> String {
    let mut mpd = Text(String::with_capacity(
        64 * content.segments().len() * (video.len() + 1) + 1000,
    ));
    mpd.put(format_args!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:full:2011\" type=\"static\" \
         minBufferTime=\"{}\" mediaPresentationDuration=\"{}\">\n\
         <Period id=\"0\" start=\"PT0S\">\n\
         <AdaptationSet id=\"0\" contentType=\"video\" mimeType=\"video/mp4\" codecs=\"avc1.640033\" \
         segmentAlignment=\"true\" startWithSAP=\"1\">\n",
        xs_duration(content.longest_segment()),
        xs_duration(content.duration()),
    ));
    if content.has_vmaf() {
        mpd.put(format_args!(
            "<SupplementalProperty schemeIdUri=\"{SCHEME}\" value=\"segments.json\"/>\n"
        ));
    }
    mpd.timeline(content);
    for (rung, (kbps, ends)) in content.bitrates_kbps().iter().zip(video).enumerate() {
        let bandwidth = ((kbps * 1000.0).round() as u64).max(1);
        mpd.put(format_args!(
            "<Representation id=\"{rung}\" bandwidth=\"{bandwidth}\"><BaseURL>{rung}.mp4</BaseURL>"
        ));
        mpd.segments(content, ends);
    }
    mpd.put(format_args!("</AdaptationSet>\n"));
    if let Some(Audio { bandwidth_bps, ends }) = audio {
        mpd.put(format_args!(
            "<AdaptationSet id=\"1\" contentType=\"audio\" mimeType=\"audio/mp4\" codecs=\"mp4a.40.2\" \
             segmentAlignment=\"true\" startWithSAP=\"1\">\n"
        ));
        mpd.timeline(content);
        mpd.put(format_args!(
            "<Representation id=\"audio\" bandwidth=\"{bandwidth_bps}\"><BaseURL>{AUDIO_FILE}</BaseURL>"
        ));
        mpd.segments(content, ends);
        mpd.put(format_args!("</AdaptationSet>\n"));
    }
    mpd.put(format_args!("</Period>\n</MPD>\n"));
    mpd.0
}

/// The quality of each segment. Its size is in the manifest.
fn table(content: &Content) -> String {
    let rungs = 0..content.bitrates_kbps().len();
    let renditions: Vec<_> = rungs
        .map(|rung| {
            let vmaf = content.segments().iter().map(|segment| segment.vmaf.get(rung));
            serde_json::json!({"dash": rung.to_string(), "quality": vmaf.collect::<Vec<_>>()})
        })
        .collect();
    serde_json::json!({"version": 1, "renditions": renditions}).to_string()
}

struct Text(String);

impl Text {
    fn put(&mut self, text: Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.0.write_fmt(text);
    }

    /// The durations of all segments, for the representations of a set to inherit; nothing if they are the same.
    fn timeline(&mut self, content: &Content) {
        if content.is_uniform() {
            return;
        }
        self.put(format_args!(
            "<SegmentList timescale=\"1000000\"><SegmentTimeline>\n"
        ));
        for run in content.segments().chunk_by(|a, b| a.duration == b.duration) {
            let duration = run.first().map_or(MediaTime::ZERO, |segment| segment.duration);
            self.put(format_args!(
                "<S d=\"{}\" r=\"{}\"/>\n",
                duration.as_micros(),
                run.len().saturating_sub(1)
            ));
        }
        self.put(format_args!("</SegmentTimeline></SegmentList>\n"));
    }

    /// The list of a representation's segments, and its end.
    fn segments(&mut self, content: &Content, ends: &[u64]) {
        self.put(format_args!("<SegmentList timescale=\"1000000\""));
        if content.is_uniform() {
            self.put(format_args!(
                " duration=\"{}\"",
                content.segment_duration().as_micros()
            ));
        }
        self.put(format_args!(">\n"));
        let mut start = 0;
        for end in ends {
            self.put(format_args!(
                "<SegmentURL mediaRange=\"{start}-{}\"/>\n",
                end.saturating_sub(1)
            ));
            start = *end;
        }
        self.put(format_args!("</SegmentList></Representation>\n"));
    }
}

fn xs_duration(duration: MediaTime) -> String {
    let us = duration.as_micros();
    format!("PT{}.{:06}S", us / 1_000_000, us % 1_000_000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use player_core::input::RequestId;
    use player_core::output::{Method, RequestKind};
    use player_core::presentation::SegmentSource;

    use super::*;
    use crate::content::Segment;

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
            method: Method::Get,
            headers: Vec::new(),
            licence: None,
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
        let segment = |rung, index, bytes| {
            let kind = TrackKind::Video;
            Ok(Resource::Segment(SegmentRef {
                kind,
                rung,
                index,
                bytes,
            }))
        };
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

    #[test]
    fn audio_is_a_set_of_its_own() {
        let origin = origin().with_audio(96.0).unwrap();
        let presentation = player_core::manifest::parse(origin.manifest().as_bytes(), MANIFEST_URL).unwrap();
        let tracks = &presentation.periods[0].tracks;
        assert_eq!(
            tracks.iter().map(|t| t.kind).collect::<Vec<_>>(),
            [TrackKind::Video, TrackKind::Audio]
        );
        assert_eq!(tracks[1].renditions[0].mime(), "audio/mp4; codecs=\"mp4a.40.2\"");
        // 2.002 s of 96 kbit/s.
        let expected = SegmentRef {
            kind: TrackKind::Audio,
            rung: 0,
            index: 1,
            bytes: 24_024,
        };
        let second = fetch("https://origin.invalid/audio.mp4", Some((24_024, 24_024)));
        assert_eq!(origin.resolve(&second), Ok(Resource::Segment(expected)));
        assert!(
            self::origin().resolve(&second).is_err(),
            "there is no audio without asking"
        );
        for odd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(self::origin().with_audio(odd).is_err());
        }
    }

    #[test]
    fn the_engine_reads_different_durations_and_all_sizes_exactly() {
        let segments: Vec<_> = [4_000_000, 4_000_000, 2_600_001, 4_000_000, 40_000]
            .iter()
            .enumerate()
            .map(|(i, us)| Segment {
                duration: MediaTime::from_micros(*us),
                bytes: vec![100 + i as u64, 7000],
                vmaf: Vec::new(),
            })
            .collect();
        let content = Content::new("c", vec![10.0, 20.0], segments.clone()).unwrap();
        let origin = Origin::new(content).with_audio(64.0).unwrap();
        let presentation = player_core::manifest::parse(origin.manifest().as_bytes(), MANIFEST_URL).unwrap();
        assert_eq!(presentation.duration, Some(origin.content().duration()));
        assert_eq!(presentation.warnings, []);
        for track in &presentation.periods[0].tracks {
            for (rung, rendition) in track.renditions.iter().enumerate() {
                let SegmentSource::Index(index) = &rendition.source else {
                    panic!("a list was expected")
                };
                assert_eq!(index.len(), segments.len());
                for (i, segment) in segments.iter().enumerate() {
                    let found = index.get(i).unwrap();
                    assert_eq!(TimeRange::new(found.start, found.end), origin.time_range(i));
                    if track.kind == TrackKind::Video {
                        assert_eq!(found.resource.range.unwrap().length, segment.bytes[rung]);
                    }
                }
            }
        }
    }

    #[test]
    fn quality_is_in_a_table_that_the_engine_reads() {
        let segments = [[20.0, 71.25], [33.5, 90.0]].map(|vmaf| Segment {
            duration: MediaTime::from_millis(2000),
            bytes: vec![1000, 2000],
            vmaf: vmaf.to_vec(),
        });
        let content = Content::new("c", vec![4.0, 8.0], segments.to_vec()).unwrap();
        let origin = Origin::new(content);
        let presentation = player_core::manifest::parse(origin.manifest().as_bytes(), MANIFEST_URL).unwrap();
        assert_eq!(presentation.segment_table.as_deref(), Some(TABLE_URL));
        assert_eq!(origin.resolve(&fetch(TABLE_URL, None)), Ok(Resource::Table));
        let table = player_core::manifest::table::parse(origin.table().unwrap().as_bytes(), TABLE_URL);
        let quality = table
            .unwrap()
            .of_representation("1")
            .map(|row| (row.quality(0), row.quality(1)));
        assert_eq!(quality, Some((Some(71.25), Some(90.0))));
        let plain = self::origin();
        assert_eq!(plain.table(), None);
        assert!(!plain.manifest().contains("SupplementalProperty"));
        assert!(plain.resolve(&fetch(TABLE_URL, None)).is_err());
    }
}
