//! What readers of text give.

use serde::{Deserialize, Serialize};

use super::webvtt::{Region, TimestampMap, WebVttError, timestamp};
use super::write;
use crate::manifest::ManifestError;
use crate::presentation::Warning;
use crate::time::MediaTime;

/// The most cues of a segment, which may be a whole film: what follows is left out, with a warning.
pub const MAX_CUES: usize = 10_000;
/// The most text of all its cues, bytes.
const MAX_TEXT: usize = 10 * 1024 * 1024;
/// No more than so many are worth reading.
const MAX_WARNINGS: usize = 100;
/// No longer one is looked for, bytes.
const LONGEST_TIMESTAMP: usize = 32;

/// A cue of any format, in the terms of WebVTT: what a renderer is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextCue {
    /// Its identifier; empty if it has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// When it is shown,
    pub start: MediaTime,
    /// and until when.
    pub end: MediaTime,
    /// Where: WebVTT cue settings, as `line:10% align:start`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub settings: String,
    /// Its text with WebVTT markup, escaped.
    pub text: String,
    /// The region that it is shown in, if in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
}

/// The cues of a segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cues {
    /// In the order of the text, with its own times. The end of one that never ends is [`MediaTime::MAX`].
    pub cues: Vec<TextCue>,
    /// How these times and the timestamps of the media go together (WebVTT in HLS).
    pub timestamp_map: Option<TimestampMap>,
    /// What was odd.
    pub warnings: Vec<Warning>,
    /// Bytes of their texts.
    pub(super) text: usize,
}

/// A segment of text that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The answer was a web page.
    #[error("the server answered with a web page (HTML) instead of subtitles")]
    Html,
    /// It breaks the rules of its format where it matters.
    #[error("line {line}: {message}")]
    Malformed {
        /// Line in the text, from 1; 0 if it has no lines.
        line: u32,
        /// What is wrong.
        message: String,
    },
    /// It is no text of that format.
    #[error("these are no subtitles of a known format: they begin with \"{0}\"")]
    Unknown(String),
    /// It uses something that this version cannot read.
    #[error("{0} is not supported by this version")]
    Unsupported(&'static str),
}

impl TextCue {
    /// Moves the cue along the timeline, and with it the times inside its text (`<00:01.500>`: what follows is said from then on).
    pub fn shift(&mut self, by: MediaTime) {
        self.start += by;
        self.end += by;
        let mut shifted = String::new();
        let mut rest = self.text.as_str();
        while let Some((before, after)) = rest.split_once('<') {
            shifted.push_str(before);
            shifted.push('<');
            rest = after;
            let length = after.bytes().take(LONGEST_TIMESTAMP).position(|b| b == b'>');
            if let Some(time) = length.and_then(|length| timestamp(after.get(..length)?)) {
                write::timestamp(&mut shifted, time + by);
                rest = after.get(length.unwrap_or_default()..).unwrap_or_default();
            }
        }
        if !shifted.is_empty() {
            shifted.push_str(rest);
            self.text = shifted;
        }
    }
}

impl Cues {
    /// Adds a cue; false if there is no room for it.
    pub(super) fn push(&mut self, cue: TextCue) -> bool {
        let text = self.text.saturating_add(cue.text.len());
        if self.cues.len() >= MAX_CUES || text > MAX_TEXT {
            return false;
        }
        self.text = text;
        self.cues.push(cue);
        true
    }

    /// Says that there was no room, even if so much else was odd that there is none for that.
    pub(super) fn full(&mut self, line: u32) {
        self.warnings.truncate(MAX_WARNINGS - 1);
        self.warn_once(line, "there are too many cues: what follows is left out");
    }

    pub(super) fn warn(&mut self, line: u32, message: &str) {
        if self.warnings.len() < MAX_WARNINGS {
            let message = message.to_owned();
            self.warnings.push(Warning { line, message });
        }
    }

    pub(super) fn warn_once(&mut self, line: u32, message: &str) {
        if !self.warnings.iter().any(|warning| warning.message == message) {
            self.warn(line, message);
        }
    }
}

impl TextError {
    pub(super) fn malformed(message: &str) -> Self {
        Self::Malformed {
            line: 0,
            message: message.to_owned(),
        }
    }
}

impl From<WebVttError> for TextError {
    fn from(error: WebVttError) -> Self {
        match error {
            WebVttError::Html => Self::Html,
            WebVttError::NotWebVtt(start) => Self::Unknown(start),
        }
    }
}

/// Of the XML reader, which manifests share.
impl From<ManifestError> for TextError {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::Syntax { line, message } => Self::Malformed { line, message },
            ManifestError::Limit { line, what, .. } => Self::Malformed {
                line,
                message: what.to_owned(),
            },
            _ => Self::malformed("it is not UTF-8 text"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_inside_a_text_move_with_its_cue() {
        let shifted = |text: &str, ms| {
            let mut cue = TextCue {
                start: MediaTime::from_millis(1000),
                end: MediaTime::from_millis(2000),
                text: text.to_owned(),
                ..TextCue::default()
            };
            cue.shift(MediaTime::from_millis(ms));
            assert_eq!(
                (cue.start.as_millis(), cue.end.as_millis()),
                (1000 + ms, 2000 + ms)
            );
            cue.text
        };
        assert_eq!(
            shifted("a<00:01.500><i>b</i><00:00:02.000>c", 3_599_000),
            "a<01:00:00.500><i>b</i><01:00:01.000>c"
        );
        assert_eq!(
            shifted("<00:01.500>a <c>b</c> <", -10_000),
            "<00:00:00.000>a <c>b</c> <"
        );
        assert_eq!(
            shifted("<b>a</b> < 1 > <<00:01.000>", 360_000_000),
            "<b>a</b> < 1 > <<100:00:01.000>"
        );
        assert_eq!(shifted("plain", 1), "plain");
    }
}
