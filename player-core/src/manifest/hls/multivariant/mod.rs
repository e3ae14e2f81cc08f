//! Multivariant playlists (rfc8216bis, 4.4.6).
//!
//! The text is read into a [`Multivariant`], which says what it says, and from there into a
//! [`Presentation`], which says what can be played.

mod convert;
mod ladder;
mod read;
mod tracks;

use super::define::Definition;
use crate::manifest::ManifestError;
use crate::presentation::{Presentation, Protection, Warning};
use crate::time::MediaTime;

/// A multivariant playlist: everything that is in it, in its order. URLs are absolute, variables are replaced, and what is not
/// declared is empty or `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Multivariant {
    /// `EXT-X-VERSION`.
    pub version: Option<u32>,
    /// Every segment can be decoded without others (`EXT-X-INDEPENDENT-SEGMENTS`).
    pub independent_segments: bool,
    /// Where to begin (`EXT-X-START`).
    pub start: Option<Start>,
    /// Its variables (`EXT-X-DEFINE`).
    pub defines: Vec<Definition>,
    /// Its variants (`EXT-X-STREAM-INF`), at least one.
    pub variants: Vec<Variant>,
    /// Members of groups that variants refer to (`EXT-X-MEDIA`).
    pub media: Vec<Media>,
    /// Playlists of pictures that can be decoded alone (`EXT-X-I-FRAME-STREAM-INF`).
    pub i_frame_streams: Vec<Variant>,
    /// Playlists of thumbnails (`EXT-X-IMAGE-STREAM-INF`, of Roku's and others' Image Media Playlist specification).
    pub image_streams: Vec<Variant>,
    /// Data about the whole (`EXT-X-SESSION-DATA`).
    pub session_data: Vec<SessionData>,
    /// Keys that may be fetched ahead (`EXT-X-SESSION-KEY`).
    pub session_keys: Vec<Protection>,
    /// Its steering server (`EXT-X-CONTENT-STEERING`).
    pub content_steering: Option<ContentSteering>,
    /// Tags and attributes that are not known, as written; at most [`MAX_OTHER`].
    pub other: Vec<Other>,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

/// The most entries of [`Multivariant::other`].
pub const MAX_OTHER: usize = 10_000;

/// Where to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// From the beginning, or from the end if negative (`TIME-OFFSET`).
    pub time_offset: MediaTime,
    /// What comes before that time in its segment is not to be shown (`PRECISE`).
    pub precise: bool,
}

/// A playlist with its attributes: of `EXT-X-STREAM-INF`, `EXT-X-I-FRAME-STREAM-INF` or `EXT-X-IMAGE-STREAM-INF`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variant {
    /// Line of its tag, from 1.
    pub line: u32,
    /// Absolute URL of its media playlist.
    pub uri: String,
    /// Peak bit/s of all that is played together (`BANDWIDTH`).
    pub bandwidth: u64,
    /// The same on average (`AVERAGE-BANDWIDTH`).
    pub average_bandwidth: Option<u64>,
    /// The author's rank: higher is better (`SCORE`).
    pub score: Option<f64>,
    /// Formats (RFC 6381), comma-separated (`CODECS`).
    pub codecs: String,
    /// Formats of enhancement layers with their brands (`SUPPLEMENTAL-CODECS`).
    pub supplemental_codecs: String,
    /// Width and height, pixels (`RESOLUTION`).
    pub resolution: Option<(u32, u32)>,
    /// Most frames per second (`FRAME-RATE`).
    pub frame_rate: Option<f64>,
    /// `TYPE-0`, `TYPE-1` or `NONE` (`HDCP-LEVEL`).
    pub hdcp_level: String,
    /// Key formats and the classes of devices that may play it (`ALLOWED-CPC`).
    pub allowed_cpc: String,
    /// `SDR`, `HLG` or `PQ` (`VIDEO-RANGE`).
    pub video_range: String,
    /// How it must be shown, as `CH-STEREO/PROJ-HEQU` (`REQ-VIDEO-LAYOUT`).
    pub req_video_layout: String,
    /// Stays the same when the URL changes (`STABLE-VARIANT-ID`).
    pub stable_variant_id: String,
    /// Its group of sound (`AUDIO`).
    pub audio: String,
    /// Its group of pictures (`VIDEO`).
    pub video: String,
    /// Its group of subtitles (`SUBTITLES`).
    pub subtitles: String,
    /// Its group of captions, or `NONE` (`CLOSED-CAPTIONS`).
    pub closed_captions: String,
    /// The pathway that it is on (`PATHWAY-ID`); empty means `.`.
    pub pathway_id: String,
    /// For people: not in the specification, and not rare (`NAME`).
    pub name: String,
}

/// What a member of a group is (`TYPE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MediaType {
    /// Sound.
    #[default]
    Audio,
    /// Captions inside the pictures.
    ClosedCaptions,
    /// Subtitles.
    Subtitles,
    /// Pictures.
    Video,
}

impl MediaType {
    pub(crate) const ALL: [Self; 4] = [Self::Audio, Self::ClosedCaptions, Self::Subtitles, Self::Video];

    /// As in playlists: `AUDIO`, `CLOSED-CAPTIONS`, `SUBTITLES` or `VIDEO`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audio => "AUDIO",
            Self::ClosedCaptions => "CLOSED-CAPTIONS",
            Self::Subtitles => "SUBTITLES",
            Self::Video => "VIDEO",
        }
    }
}

/// A member of a group (`EXT-X-MEDIA`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// Line of its tag, from 1.
    pub line: u32,
    /// What it is (`TYPE`).
    pub kind: MediaType,
    /// Absolute URL of its media playlist (`URI`); empty if it is in the variants' own segments.
    pub uri: String,
    /// Its group (`GROUP-ID`).
    pub group_id: String,
    /// Language (BCP 47; `LANGUAGE`).
    pub language: String,
    /// A language that goes with it (BCP 47; `ASSOC-LANGUAGE`).
    pub assoc_language: String,
    /// For people (`NAME`).
    pub name: String,
    /// Stays the same when the URL changes (`STABLE-RENDITION-ID`).
    pub stable_rendition_id: String,
    /// To be played unless the viewer chooses otherwise (`DEFAULT`).
    pub default: bool,
    /// May be chosen without the viewer (`AUTOSELECT`).
    pub autoselect: bool,
    /// To be shown even to those who want none (`FORCED`).
    pub forced: bool,
    /// Which part of the segments it is: `CC1` to `CC4` and `SERVICE1` to `SERVICE63` for captions (`INSTREAM-ID`).
    pub instream_id: String,
    /// Bits of a sample of sound (`BIT-DEPTH`).
    pub bit_depth: Option<u32>,
    /// Samples of sound per second (`SAMPLE-RATE`).
    pub sample_rate: Option<u32>,
    /// Media characteristic tags, comma-separated (`CHARACTERISTICS`).
    pub characteristics: String,
    /// Channels of sound and what is special about them, as `2` or `16/JOC` (`CHANNELS`).
    pub channels: String,
}

/// Data about the whole (`EXT-X-SESSION-DATA`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionData {
    /// Line of its tag, from 1.
    pub line: u32,
    /// What it is: a name in reverse DNS order (`DATA-ID`).
    pub data_id: String,
    /// The data (`VALUE`), or else
    pub value: Option<String>,
    /// the absolute URL where it is (`URI`).
    pub uri: String,
    /// Its form if it is at a URL: `JSON` or `RAW` (`FORMAT`).
    pub format: String,
    /// Language of the data (BCP 47; `LANGUAGE`).
    pub language: String,
}

/// A steering server (`EXT-X-CONTENT-STEERING`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentSteering {
    /// Line of its tag, from 1.
    pub line: u32,
    /// Absolute URL of the steering manifest, or a `data:` URI that holds it (`SERVER-URI`).
    pub server_uri: String,
    /// The pathway to begin with (`PATHWAY-ID`).
    pub pathway_id: String,
}

/// A tag or an attribute that is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Other {
    /// Line in the text, from 1.
    pub line: u32,
    /// Name of the tag, as `EXT-X-STREAM-INF`.
    pub tag: String,
    /// Name of the attribute; empty if it is the tag that is not known.
    pub attribute: String,
    /// Value of the attribute, or what follows the tag's colon; as written, but for an attribute's quotes.
    pub value: String,
}

impl Multivariant {
    /// Reads all of a playlist that was fetched from `url` (after redirects).
    ///
    /// # Errors
    /// If it lists no variant that could be played, or exceeds a limit.
    pub fn read(text: &str, url: &str) -> Result<Self, ManifestError> {
        read::read::<true>(text, url)
    }

    /// What of it can be played.
    ///
    /// # Errors
    /// If none of its variants can be.
    pub fn into_presentation(self) -> Result<Presentation, ManifestError> {
        convert::presentation(self)
    }
}

/// Reads what can be played of a playlist that was fetched from `url`.
pub(super) fn parse(text: &str, url: &str) -> Result<Presentation, ManifestError> {
    convert::presentation(read::read::<false>(text, url)?)
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::TrackKind;
    use crate::time::Bitrate;

    const TEXT: &str = "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"English\",LANGUAGE=\"en\",URI=\"a.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"Deutsch\",LANGUAGE=\"de\",DEFAULT=YES,URI=\"d.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2500000,AVERAGE-BANDWIDTH=2000000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"aac\"\n\
        720p.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=600000,CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360,AUDIO=\"aac\"\n360p.m3u8\n";

    #[test]
    fn variants_become_a_ladder_and_groups_become_tracks() {
        let p = parse(TEXT, "https://h/hls/master.m3u8").unwrap_or_else(|e| panic!("{e}"));
        let tracks: Vec<_> = p
            .periods
            .iter()
            .flat_map(|p| &p.tracks)
            .map(|t| (t.kind, t.label.as_str(), t.renditions.len()))
            .collect();
        assert_eq!(
            tracks,
            [
                (TrackKind::Video, "", 2),
                (TrackKind::Audio, "Deutsch", 1),
                (TrackKind::Audio, "English", 1)
            ]
        );
        let video: Vec<_> = p
            .periods
            .iter()
            .flat_map(|p| p.tracks.iter().take(1))
            .flat_map(|t| &t.renditions)
            .collect();
        assert_eq!(
            video.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(),
            ["360p", "720p"]
        );
        assert_eq!(
            video.first().map(|r| r.mime()),
            Some("video/mp4; codecs=\"avc1.64001e\"".into())
        );
        assert_eq!(
            video.last().and_then(|r| r.average_bandwidth),
            Some(Bitrate::from_bps(2_000_000))
        );
    }

    #[test]
    fn the_segment_table_is_found_among_the_session_data() {
        let text = format!(
            "{TEXT}#EXT-X-SESSION-DATA:DATA-ID=\"com.example.title\",VALUE=\"x\"\n\
             #EXT-X-SESSION-DATA:DATA-ID=\"dev.headgate.segments\",URI=\"../s.json\"\n"
        );
        let p = parse(&text, "https://h/hls/master.m3u8").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(p.segment_table.as_deref(), Some("https://h/s.json"));
        let text =
            format!("{TEXT}#EXT-X-SESSION-DATA:DATA-ID=\"dev.headgate.segments\",URI=\"file:///s.json\"\n");
        let p = parse(&text, "https://h/hls/master.m3u8").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((p.segment_table, p.warnings.len()), (None, 1));
    }

    #[test]
    fn muxed_audio_keeps_its_codec() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.1,mp4a.40.2\"\nx.m3u8\n";
        let p = parse(text, "https://h/m.m3u8").unwrap_or_else(|e| panic!("{e}"));
        let codecs: Vec<_> = p
            .periods
            .iter()
            .flat_map(|p| &p.tracks)
            .flat_map(|t| &t.renditions)
            .map(|r| r.codecs.as_str())
            .collect();
        assert_eq!(codecs, ["avc1.1,mp4a.40.2"]);
    }

    #[test]
    fn a_bad_variant_is_skipped_and_said() {
        let text = format!(
            "{TEXT}#EXT-X-STREAM-INF:RESOLUTION=1x1\nbad.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=5\nfile:///x\n"
        );
        let p = parse(&text, "https://h/m.m3u8").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(p.warnings.iter().map(|w| w.line).collect::<Vec<_>>(), [9, 11]);
        assert!(matches!(
            parse("#EXTM3U\n", "https://h/"),
            Err(ManifestError::NothingToPlay(_))
        ));
    }
}
