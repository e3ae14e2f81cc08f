//! Subtitles and other timed text.

pub mod webvtt;

use serde::{Deserialize, Serialize};

use crate::time::MediaTime;
use webvtt::Region;

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
