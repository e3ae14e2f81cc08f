//! One entry for all formats.

use super::webvtt::WebVtt;
use super::{Cues, TextCue, TextError, mp4, ttml, write};

/// A format of text segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// WebVTT or TTML as samples of fragmented MP4 (ISO/IEC 14496-30).
    Mp4,
    /// TTML: IMSC, EBU-TT-D, SMPTE-TT, DFXP.
    Ttml,
    /// WebVTT.
    WebVtt,
}

impl Format {
    /// What a [rendition](crate::presentation::Rendition) is, by its container and codecs, or else by the ending of an URL; WebVTT if
    /// nothing tells.
    pub fn of(container: &str, codecs: &str, url: &str) -> Self {
        let container = container.to_ascii_lowercase();
        if container.ends_with("/mp4") {
            return Self::Mp4;
        }
        if container.ends_with("/vtt") {
            return Self::WebVtt;
        }
        if container.ends_with("ttml+xml") || container.ends_with("/xml") {
            return Self::Ttml;
        }
        let path = url.bytes().position(|b| matches!(b, b'?' | b'#'));
        let path = path.and_then(|length| url.get(..length)).unwrap_or(url);
        let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
        match ending.to_ascii_lowercase().as_str() {
            "vtt" | "webvtt" => Self::WebVtt,
            "ttml" | "ttml2" | "dfxp" | "xml" | "imsc" => Self::Ttml,
            "mp4" | "m4s" | "m4f" | "cmft" => Self::Mp4,
            _ if codecs.starts_with("stpp") || codecs.starts_with("wvtt") => Self::Mp4,
            _ => Self::WebVtt,
        }
    }

    /// What bytes are without doubt: manifests do not always say, and not always what is true.
    fn sniff(bytes: &[u8]) -> Option<Self> {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if text.starts_with(b"WEBVTT") {
            return Some(Self::WebVtt);
        }
        if let Some(b"styp" | b"moof" | b"sidx" | b"emsg" | b"prft" | b"ftyp" | b"moov" | b"free" | b"skip") =
            bytes.get(4..8)
        {
            return Some(Self::Mp4);
        }
        let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        (is_utf16 || text.trim_ascii_start().starts_with(b"<")).then_some(Self::Ttml)
    }
}

/// Reads a segment, or a whole file, with its initialization section if there is one. `format` is what it is held to be; if its bytes
/// are without doubt another one, it is read as that.
///
/// ```
/// use player_core::text::{Format, read};
///
/// let ttml = br#"<tt xmlns="http://www.w3.org/ns/ttml"><body><div><p begin="1s" end="2.5s">Fish &amp; chips</p></div></body></tt>"#;
/// let cues = read(ttml, None, Format::of("application/ttml+xml", "", ""))?.cues;
/// assert_eq!((cues[0].start.as_millis(), cues[0].end.as_millis()), (1000, 2500));
/// assert_eq!(cues[0].text, "Fish &amp; chips");
/// # Ok::<(), player_core::text::TextError>(())
/// ```
///
/// # Errors
/// If it is of another format, or so broken that nothing in it can be trusted.
pub fn read(segment: &[u8], init: Option<&[u8]>, format: Format) -> Result<Cues, TextError> {
    if segment.trim_ascii().is_empty() {
        // Some write them where nothing is said.
        let mut cues = Cues::default();
        cues.warn(1, "the segment is empty");
        return Ok(cues);
    }
    match Format::sniff(segment).unwrap_or(format) {
        Format::Mp4 => mp4::read(segment, init),
        Format::Ttml => ttml::read(segment),
        Format::WebVtt => webvtt(segment),
    }
}

fn webvtt(segment: &[u8]) -> Result<Cues, TextError> {
    let vtt = WebVtt::parse(segment)?;
    let mut cues = Cues {
        timestamp_map: vtt.timestamp_map,
        ..Cues::default()
    };
    cues.warnings.clone_from(&vtt.warnings);
    for (position, cue) in vtt.cues().enumerate() {
        if cue.end <= cue.start {
            continue;
        }
        // Of those with the same id the last one is meant.
        let region = vtt
            .regions
            .iter()
            .rev()
            .find(|region| region.id == cue.settings.region);
        let cue = TextCue {
            id: cue.id.to_owned(),
            start: cue.start,
            end: cue.end,
            settings: write::settings(&cue.settings),
            text: cue.text.to_owned(),
            region: region.filter(|_| !cue.settings.region.is_empty()).cloned(),
        };
        if !cues.push(cue) {
            cues.full(vtt.line(position).unwrap_or_default());
            break;
        }
    }
    Ok(cues)
}
