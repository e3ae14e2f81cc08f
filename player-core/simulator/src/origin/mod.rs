//! A virtual origin: content as a DASH presentation that the engine fetches and parses like any other.
//!
//! The MPD (ISO/IEC 23009-1) has one `SegmentList` a rendition with the byte range of each segment, so that the engine knows
//! the exact sizes; a rendition is one file, and its segments initialize themselves. Where segments differ in duration, a
//! `SegmentTimeline` says so. What is [protected](Origin::protected) says so in the manifest, with a key for the sound, one for the lower
//! half of the ladder and one for the upper. Where the content's quality is known, a [segment table](player_core::manifest::table) says it.

use std::fmt::{Arguments, Write as _};

use player_core::MediaTime;
use player_core::drm::KeyId;
use player_core::input::TrackKind;
use player_core::manifest::table::SCHEME;
use player_core::output::{Deliver, Fetch};
use player_core::time::{ByteRange, TimeRange};

use crate::cdm::{Class, Scenario, content_protection};
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
    protected: Option<Scenario>,
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
            manifest: manifest(&content, &video, None, None),
            table: content.has_vmaf().then(|| table(&content)),
            content,
            video,
            audio: None,
            protected: None,
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
        self.manifest = manifest(&self.content, &self.video, Some(&audio), self.protected.as_ref());
        self.audio = Some(audio);
        Ok(self)
    }

    /// The same, encrypted (`cenc`), with a licence server and for a CDM that behave like this.
    #[must_use]
    pub fn protected(mut self, scenario: Scenario) -> Self {
        self.manifest = manifest(&self.content, &self.video, self.audio.as_ref(), Some(&scenario));
        self.protected = Some(scenario);
        self
    }

    /// How it is protected, if it is.
    pub const fn protection(&self) -> Option<&Scenario> {
        self.protected.as_ref()
    }

    /// The key of a rendition, if it is encrypted.
    pub fn key(&self, kind: TrackKind, rung: usize) -> Option<KeyId> {
        self.protected.as_ref()?;
        Some(match kind {
            TrackKind::Audio => Class::Audio.key(0),
            _ => Class::of_rung(rung, self.video.len()).key(0),
        })
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

fn manifest(
    content: &Content,
    video: &[Vec<u64>],
    audio: Option<&Audio>,
    protected: Option<&Scenario>,
) -> String {
    let protection =
        |class: Class| protected.map(|scenario| content_protection(scenario.system, class.key(0)));
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
            "<Representation id=\"{rung}\" bandwidth=\"{bandwidth}\">{}<BaseURL>{rung}.mp4</BaseURL>",
            protection(Class::of_rung(rung, video.len())).unwrap_or_default()
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
            "<Representation id=\"audio\" bandwidth=\"{bandwidth_bps}\">{}<BaseURL>{AUDIO_FILE}</BaseURL>",
            protection(Class::Audio).unwrap_or_default()
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
mod tests;
