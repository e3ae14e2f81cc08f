//! What the engine's readers understand of a manifest, as JSON: what `headgate-sim inspect` prints. The form is described in
//! `docs/inspect.md`.

mod media;
mod mpd;
mod multivariant;
mod node;
mod other;
mod protection;
mod vtt;

pub use mpd::Segments;
pub use node::{Node, Object};
use player_core::manifest::{self, MAX_BYTES, ManifestError};
use player_core::text::webvtt::WebVttError;

/// Segments of a representation that are listed unless something else is asked for.
pub const DEFAULT_SEGMENTS: usize = 1000;
/// The most segments of an MPD that are listed, of all its representations together.
pub const MAX_SEGMENTS: usize = 250_000;

/// What a text is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An HLS playlist, multivariant or media.
    Hls,
    /// A DASH MPD.
    Mpd,
    /// A WebVTT file.
    Vtt,
}

/// Why there is nothing to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// A word for programs: see `docs/inspect.md`.
    pub kind: &'static str,
    /// For people.
    pub message: String,
    /// Line in the text, from 1, if it is one.
    pub line: Option<u32>,
}

/// Reads a text that was fetched from `url`. At most `limit` segments are listed: of a media playlist, of each representation of an
/// MPD; of a WebVTT file, so many cues. Without a limit they are all those that the text lists, and of an MPD
/// [`DEFAULT_SEGMENTS`].
///
/// # Errors
/// If nothing in it can be played.
pub fn inspect(format: Format, bytes: &[u8], url: &str, limit: Option<usize>) -> Result<Object, Failure> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Failure {
            kind: "limit",
            message: format!("the text is too long: the limit is {MAX_BYTES} bytes"),
            line: None,
        });
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let is_hls = bytes.trim_ascii_start().starts_with(b"#EXTM3U");
    match format {
        Format::Vtt => vtt::read(bytes, url, limit.unwrap_or(usize::MAX)),
        Format::Hls if is_hls => {
            let text = text(bytes)?;
            if is_media(text) {
                media::read(text, url, limit.unwrap_or(usize::MAX))
            } else {
                multivariant::read(text, url)
            }
        }
        Format::Hls => Err(other_manifest(
            bytes,
            url,
            "this is a DASH MPD: `inspect mpd` reads it",
        )),
        Format::Mpd if is_hls => Err(Failure::not("this is an HLS playlist: `inspect hls` reads it")),
        Format::Mpd => mpd::read(text(bytes)?, url, limit.unwrap_or(DEFAULT_SEGMENTS)),
    }
}

impl Failure {
    fn not(message: &str) -> Self {
        Self {
            kind: "not_a_manifest",
            message: message.to_owned(),
            line: None,
        }
    }

    /// As the JSON that is printed.
    pub fn to_json(&self) -> Object {
        let error = Object::default()
            .with("kind", self.kind)
            .with("message", self.message.as_str())
            .with("line", self.line);
        Object::default().with("error", error)
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        let (kind, line) = match &error {
            ManifestError::NotAManifest(_) => ("not_a_manifest", None),
            ManifestError::Html => ("html", None),
            ManifestError::Encoding => ("encoding", None),
            ManifestError::Syntax { line, .. } => ("syntax", Some(*line)),
            ManifestError::Limit { line, .. } => ("limit", Some(*line)),
            ManifestError::NothingToPlay(_) => ("nothing_to_play", None),
            ManifestError::Delta => ("delta", None),
            ManifestError::Unsupported(_) => ("unsupported", None),
            _ => ("unknown", None),
        };
        let message = match error {
            // The line has a member of its own.
            ManifestError::Syntax { message, .. } => message,
            ManifestError::Limit { what, limit, .. } => format!("{what}: the limit is {limit}"),
            error => error.to_string(),
        };
        Self { kind, message, line }
    }
}

impl From<WebVttError> for Failure {
    fn from(error: WebVttError) -> Self {
        let kind = match error {
            WebVttError::Html => "html",
            _ => "not_webvtt",
        };
        Self {
            kind,
            message: error.to_string(),
            line: None,
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, Failure> {
    core::str::from_utf8(bytes).map_err(|_| ManifestError::Encoding.into())
}

/// Whether it is a media playlist, as the engine tells it.
fn is_media(text: &str) -> bool {
    text.split(['\n', '\r'])
        .map(str::trim)
        .any(|line| line.starts_with("#EXTINF") || line.starts_with("#EXT-X-TARGETDURATION"))
}

/// Why a text is not what it is said to be.
fn other_manifest(bytes: &[u8], url: &str, otherwise: &str) -> Failure {
    match manifest::parse(bytes, url) {
        Err(error @ (ManifestError::NotAManifest(_) | ManifestError::Html | ManifestError::Encoding)) => {
            error.into()
        }
        _ => Failure::not(otherwise),
    }
}
