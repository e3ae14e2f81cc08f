//! Subtitles: text of the source and of files beside it, as WebVTT.
//!
//! [`SourceText`] reads the text streams of a source as its packets come by, a [`Sidecar`] a SubRip or WebVTT file. Both make
//! a [`TextTrack`] of cues in presentation time, which [`segments::write`] cuts where the video is cut (HLS) and
//! [`segments::whole`] writes as one file (DASH).

mod ass;
#[cfg(fuzzing)]
#[path = "../fuzzing/text.rs"]
pub mod fuzzing;
pub(crate) mod language;
mod markup;
mod reader;
mod segments;
mod settings;
mod sidecar;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub(crate) use segments::{Cuts, TextSegment, whole, write};
pub use sidecar::Sidecar;
pub(crate) use source::SourceText;

/// A text track: what one choice in a player's menu shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TextTrack {
    /// BCP 47; "und" if not known.
    pub(crate) language: String,
    /// For people; not empty.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// STYLE and REGION blocks that the cues refer to, without blank lines.
    pub(crate) preamble: Vec<String>,
    /// By start, then by end.
    pub(crate) cues: Vec<Cue>,
    /// What was odd and how it was dealt with, for people.
    pub(crate) warnings: Vec<String>,
}

/// What a text track is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// What is said and what else is heard, for people who do not hear it (SDH).
    Caption,
    /// Only what must be shown to everyone: signs, and what is said in another language.
    Forced,
    /// What is said.
    #[default]
    Subtitle,
}

/// A cue in presentation time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cue {
    /// Unique in its track.
    pub(crate) id: String,
    pub(crate) start_ms: u64,
    /// Later than its start.
    pub(crate) end_ms: u64,
    /// WebVTT cue settings.
    pub(crate) settings: String,
    /// WebVTT cue text: escaped, elements balanced, no blank lines.
    pub(crate) text: String,
}

impl Role {
    /// The value of a DASH `Role` of the scheme `urn:mpeg:dash:role:2011`.
    pub(crate) fn dash_role(self) -> &'static str {
        match self {
            Self::Caption => "caption",
            Self::Forced => "forced-subtitle",
            Self::Subtitle => "subtitle",
        }
    }

    /// The `CHARACTERISTICS` of an HLS `EXT-X-MEDIA`, if it has any (RFC 8216bis, 4.4.6.1).
    pub(crate) fn hls_characteristics(self) -> Option<&'static str> {
        (self == Self::Caption).then_some(
            "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound",
        )
    }

    /// `FORCED` of an HLS `EXT-X-MEDIA`.
    pub(crate) fn is_forced(self) -> bool {
        self == Self::Forced
    }
}

impl TextTrack {
    /// A track without cues; without a name it is called after its language.
    fn new(language: String, name: Option<String>, role: Role) -> Self {
        let name = name.unwrap_or_else(|| {
            let mut name = language::name(&language);
            name += match role {
                Role::Caption => " (SDH)",
                Role::Forced => " (forced)",
                Role::Subtitle => "",
            };
            name
        });
        Self {
            language,
            name,
            role,
            ..Self::default()
        }
    }

    /// Reads tracks that were written down as JSON; fails for what no reader here makes.
    pub(crate) fn parse_all(json: &[u8]) -> Result<Vec<Self>, String> {
        let tracks: Vec<Self> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let bad = tracks.iter().find(|track| !track.is_sound());
        match bad {
            Some(track) => Err(format!(
                "the subtitles {:?} are not as they are written",
                track.name
            )),
            None => Ok(tracks),
        }
    }

    /// Whether it is what [`tidy`](Self::tidy) leaves.
    fn is_sound(&self) -> bool {
        let is_language =
            self.language == "und" || language::tag(&self.language).as_ref() == Some(&self.language);
        let is_line = |text: &str| !text.contains(char::is_control) && !text.contains("-->");
        let are_lines = |text: &str| text.lines().all(|line| !line.is_empty() && !line.contains("-->"));
        let is_cue = |cue: &Cue| {
            cue.start_ms < cue.end_ms && is_line(&cue.id) && is_line(&cue.settings) && are_lines(&cue.text)
        };
        is_language
            && !self.name.contains(char::is_control)
            && self.preamble.iter().all(|block| are_lines(block))
            && self.cues.len() <= MAX_CUES
            && self.cues.is_sorted_by_key(|cue| (cue.start_ms, cue.end_ms))
            && self.cues.iter().all(is_cue)
    }

    fn warn(&mut self, warning: impl Into<String>) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(warning.into());
        }
    }

    /// Says something about a number of cues, if there are any.
    fn warn_count(&mut self, count: usize, what: &str) {
        match count {
            0 => {}
            1 => self.warn(format!("one cue {what}")),
            _ => self.warn(format!("{count} cues {what}")),
        }
    }

    /// Puts cues in order and mends what can be mended: empty ones go, times are made to ascend, ids become unique.
    fn tidy(&mut self) {
        let before = self.cues.len();
        self.cues.retain(|cue| !cue.text.is_empty());
        self.warn_count(before - self.cues.len(), "without text left out");
        self.cues.truncate(MAX_CUES);
        self.cues.sort_by_key(|cue| (cue.start_ms, cue.end_ms));
        let starts: Vec<u64> = self.cues.iter().map(|cue| cue.start_ms).collect();
        let (mut mended, mut overlapping, mut latest_ms) = (0, 0, 0);
        for cue in &mut self.cues {
            if cue.end_ms <= cue.start_ms {
                mended += 1;
                let next = starts.partition_point(|start_ms| *start_ms <= cue.start_ms);
                let next_ms = starts.get(next).copied().unwrap_or(u64::MAX);
                cue.end_ms = cue.start_ms.saturating_add(UNKNOWN_MS).min(next_ms);
            }
            overlapping += usize::from(cue.start_ms < latest_ms);
            latest_ms = latest_ms.max(cue.end_ms);
        }
        self.cues.sort_by_key(|cue| (cue.start_ms, cue.end_ms));
        self.warn_count(
            mended,
            "without an end later than the start: shown until the next, for two seconds at most",
        );
        self.warn_count(overlapping, "shown while another one still is");
        let mut ids = BTreeSet::new();
        for (number, cue) in (1..).zip(&mut self.cues) {
            if cue.id.is_empty() || ids.contains(&cue.id) {
                cue.id = [format!("{number}"), format!("cue-{number}")]
                    .into_iter()
                    .find(|id| !ids.contains(id))
                    .unwrap_or_else(|| format!("cue-{number}-{}", cue.start_ms));
            }
            ids.insert(cue.id.clone());
        }
    }
}

/// A cue's id (WebVTT, 4.1) of what is given as one: a line without an arrow, empty where there is none.
fn cue_id(text: &str) -> String {
    let line = text.trim().chars().filter(|c| !c.is_control());
    let id: String = line.take(MAX_ID).collect();
    match id.contains("-->") {
        true => String::new(),
        false => id.trim().to_owned(),
    }
}

const MAX_ID: usize = 100;
const MAX_CUES: usize = 100_000;
const MAX_WARNINGS: usize = 20;
/// How long a cue is shown whose end is not known.
const UNKNOWN_MS: u64 = 2000;
