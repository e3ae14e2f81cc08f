//! Text in, [`presentation`](crate::presentation) out.
//!
//! A reader is lenient as the specifications ask (what it does not know it skips) and honest about it: what is odd becomes a
//! [`Warning`](crate::presentation::Warning). It fails only when nothing can be played.

pub mod dash;
pub mod datetime;
pub mod hls;
pub mod interstitial;
pub(crate) mod json;
mod order;
pub mod steering;
pub mod table;

use crate::presentation::{Presentation, Protocol};

/// The largest manifest that is read, bytes.
pub const MAX_BYTES: u64 = 10 * 1024 * 1024;
/// The longest line of a playlist, bytes.
pub const MAX_LINE: usize = 64 * 1024;
/// The most entries of a playlist.
pub const MAX_ENTRIES: usize = 100_000;
/// The most renditions of a manifest.
pub const MAX_RENDITIONS: usize = 1000;

/// Why a manifest cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The text is neither a playlist nor an MPD.
    #[error("this is no HLS playlist and no DASH MPD: it begins with \"{0}\"")]
    NotAManifest(String),
    /// The answer was a web page.
    #[error("the server answered with a web page (HTML) instead of a manifest: check the address")]
    Html,
    /// The text is not UTF-8.
    #[error("the manifest is not UTF-8 text")]
    Encoding,
    /// The text breaks the rules of its format where it matters.
    #[error("line {line}: {message}")]
    Syntax {
        /// Line in the text, from 1.
        line: u32,
        /// What is wrong.
        message: String,
    },
    /// A limit of this reader is exceeded.
    #[error("line {line}: {what}: the limit is {limit}")]
    Limit {
        /// Line in the text, from 1.
        line: u32,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// It is well-formed and lists nothing that can be played.
    #[error("the manifest lists nothing that can be played{0}")]
    NothingToPlay(String),
    /// A delta update skips segments that are not known: the whole playlist is needed.
    #[error("a delta update of the playlist skips segments that are not known here: fetch the whole one")]
    Delta,
    /// It uses something that this version cannot play.
    #[error("{0} is not supported by this version")]
    Unsupported(&'static str),
}

/// Reads a manifest that was fetched from `url`.
///
/// # Errors
/// If nothing in it can be played.
pub fn parse(bytes: &[u8], url: &str) -> Result<Presentation, ManifestError> {
    let text = as_text(bytes)?;
    match protocol_of(text)? {
        Protocol::Hls => hls::parse(text, url),
        Protocol::Dash => dash::parse(text, url),
    }
}

/// Which protocol a manifest is of.
pub(crate) fn protocol(bytes: &[u8]) -> Result<Protocol, ManifestError> {
    protocol_of(as_text(bytes)?)
}

fn as_text(bytes: &[u8]) -> Result<&str, ManifestError> {
    let text = core::str::from_utf8(bytes).map_err(|_| ManifestError::Encoding)?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn protocol_of(text: &str) -> Result<Protocol, ManifestError> {
    let start = text.trim_start();
    if start.starts_with("#EXTM3U") {
        return Ok(Protocol::Hls);
    }
    let head: String = start.chars().take(4096).collect();
    let lower = head.to_ascii_lowercase();
    let contains = |part: &str| scan::contains(lower.as_bytes(), part.as_bytes());
    if contains("<mpd") || (contains(":mpd") && lower.starts_with('<')) {
        return Ok(Protocol::Dash);
    }
    if lower.starts_with("<!doctype html") || contains("<html") {
        return Err(ManifestError::Html);
    }
    let shown = head
        .chars()
        .take(40)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    Err(ManifestError::NotAManifest(shown))
}
