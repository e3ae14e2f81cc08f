//! Subtitles.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use super::ass::{Style, Styles};
use super::markup::{self, Dialect};
use super::{Role, TextTrack, language, reader, segments, settings};
use crate::error::EncodeError;
use crate::fuzzing::Files;

/// A track of cues.
#[derive(Clone, Debug, PartialEq)]
pub struct Track(TextTrack);

/// Start and end in milliseconds, id, settings, text.
pub type Cue<'a> = (u64, u64, &'a str, &'a str, &'a str);

impl Track {
    /// As a file beside the film.
    pub fn read(bytes: &[u8], is_named_webvtt: bool) -> Self {
        let mut track = TextTrack::new("en".to_owned(), None, Role::Subtitle);
        reader::read(bytes, is_named_webvtt, &mut track);
        Self(track)
    }

    /// As the first stage leaves it to the second.
    pub fn all_of_json(json: &[u8]) -> Option<Vec<Self>> {
        let tracks = TextTrack::parse_all(json).ok()?;
        Some(tracks.into_iter().map(Self).collect())
    }

    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&[&self.0]).expect("texts and numbers")
    }

    pub fn cues(&self) -> impl Iterator<Item = Cue<'_>> {
        self.0.cues.iter().map(|cue| {
            let (id, settings) = (cue.id.as_str(), cue.settings.as_str());
            (cue.start_ms, cue.end_ms, id, settings, cue.text.as_str())
        })
    }

    pub fn preamble(&self) -> &[String] {
        &self.0.preamble
    }

    pub fn warnings(&self) -> &[String] {
        &self.0.warnings
    }

    /// One file for a film that ends at `end_ms`.
    pub fn whole(&self, end_ms: u64) -> Vec<u8> {
        segments::whole(&self.0, end_ms)
    }

    /// Segments `text/1.vtt` and so on: the ticks at which each begins, and for how many.
    pub fn segments(
        &self,
        (timescale, video, longest_s): (u32, &[u64], Option<u32>),
        mpegts: u64,
        files: &Files,
    ) -> Result<Vec<(u64, u64)>, EncodeError> {
        let cuts = segments::Cuts::new(timescale, video, longest_s);
        let segments = segments::write(&self.0, "text", &cuts, mpegts, files)?;
        Ok(segments
            .iter()
            .map(|segment| (segment.start, segment.duration))
            .collect())
    }
}

/// Cue text and its settings, of a text of ASS (0), SubRip (1) or WebVTT; `style` is the emphasis and the place that ASS begins with.
pub fn convert(text: &str, dialect: u8, style: u8) -> (String, String) {
    let dialect = match dialect {
        0 => Dialect::Ass,
        1 => Dialect::SubRip,
        _ => Dialect::WebVtt,
    };
    let style = Style {
        bold: style & 1 != 0,
        italic: style & 2 != 0,
        underline: style & 4 != 0,
        keypad: Some(style >> 4).filter(|key| (1..=9).contains(key)),
    };
    let converted = markup::convert(text, dialect, style);
    (converted.text, converted.settings)
}

/// An event of a script with this header, as FFmpeg gives both.
pub fn event(header: &str, event: &str) -> (String, String) {
    let converted = Styles::read(header).convert(event);
    (converted.text, converted.settings)
}

pub fn settings(text: &str, regions: &[String]) -> String {
    settings::clean(text, regions).0
}

/// A language's tag, and what a menu calls it.
pub fn language(text: &str) -> Option<(String, String)> {
    let tag = language::tag(text)?;
    let name = language::name(&tag);
    Some((tag, name))
}
