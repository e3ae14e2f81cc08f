//! What a driver tells the engine.

use serde::{Deserialize, Serialize};

use crate::abr::NetworkMemory;
use crate::drm::cdm;
use crate::media::fmp4::Facts;
use crate::media::id3::Frame;
use crate::text::TextCue;
use crate::time::{ByteRange, MediaTime, TimeRange};

/// Names a request of the engine; never used twice in the life of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// What a source buffer holds. There is at most one buffer a kind; muxed media lives in `Video`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackKind {
    /// Sound.
    Audio,
    /// Subtitles and captions.
    Text,
    /// Pictures, with or without sound in the same segments.
    #[default]
    Video,
}

impl TrackKind {
    /// `audio`, `text` or `video`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Text => "text",
            Self::Video => "video",
        }
    }
}

/// One thing that happened, told to [`Player::handle_input`](crate::Player::handle_input).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Input {
    /// The source buffer has taken the append in progress.
    Appended {
        /// Which buffer.
        kind: TrackKind,
        /// What it holds now, in order.
        buffered: Vec<TimeRange>,
    },
    /// The source buffer has refused the append in progress.
    AppendFailed {
        /// Which buffer.
        kind: TrackKind,
        /// Why.
        reason: AppendFailure,
        /// What it holds now, in order.
        buffered: Vec<TimeRange>,
    },
    /// The whole body of a request made with [`Deliver::Body`](crate::output::Deliver::Body). The request has ended.
    Body {
        /// The request.
        request: RequestId,
        /// The bytes.
        body: Body,
    },
    /// One more chunk (`moof` and `mdat`) of a response has arrived whole: of one whose [`Input::Head`] has come and of which that was asked
    /// ([`Fetch::chunks`](crate::output::Fetch::chunks)), since it may be sent as it is made.
    Chunk {
        /// The request.
        request: RequestId,
        /// Bytes of the body up to its end.
        end: u64,
        /// Its own bytes.
        bytes: u64,
        /// Microseconds from its first byte to its last.
        took_us: u64,
    },
    /// A request made with [`Deliver::Handle`](crate::output::Deliver::Handle) has ended well; the driver keeps the bytes.
    Complete {
        /// The request.
        request: RequestId,
        /// Bytes of the body.
        bytes: u64,
        /// What a look at the box structure said.
        integrity: Integrity,
        /// The bytes came from a cache on this machine, as far as the driver can tell.
        cached: bool,
        /// What [`media::fmp4`](crate::media::fmp4) found in them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        media: Option<Box<Facts>>,
    },
    /// The answer to [`Output::ProbeDecoding`](crate::Output::ProbeDecoding). Where it fails to come playback goes on without it.
    Decoding {
        /// The question.
        request: RequestId,
        /// In the order of the question; what is left out at the end is unknown.
        answers: Vec<Decoding>,
    },
    /// What a content decryption module, or the element, says of keys.
    Drm(cdm::Event),
    /// A request has ended badly, before or in the middle of its body. Not sent for requests that the engine cancelled.
    Failed {
        /// The request.
        request: RequestId,
        /// Why.
        reason: NetworkFailure,
    },
    /// The page around the player changed.
    Host(Host),
    /// The application's limits, from now on in place of those of the [configuration](crate::config::AbrConfig); `None` lifts
    /// one.
    Limits {
        /// Never choose a rendition above this, kbit/s.
        max_bandwidth_kbps: Option<f64>,
        /// Never choose a rendition of more lines than this.
        max_height: Option<u32>,
    },
    /// The beginning of a media response has arrived, up to where its first media data begin. From now on what has arrived
    /// ([`Input::Progress`]) may be asked for in an append, the rest later. A driver that cannot do that never sends it.
    Head {
        /// The request.
        request: RequestId,
        /// What the boxes say.
        media: Box<Facts>,
    },
    /// Load a presentation; an earlier one is unloaded first.
    Load(Load),
    /// The state of the media element, sent at each of its events and at least every 250 ms while it plays.
    Media(MediaState),
    /// The answer to [`Output::Prepare`](crate::Output::Prepare).
    Prepared {
        /// The response; its bytes are now what a source buffer takes.
        request: RequestId,
        /// What came of it, or why nothing did, in words.
        result: Result<Box<Prepared>, String>,
    },
    /// Load the beginning of another presentation when there is the time for it: a [`Input::Load`] of the same URL goes on from there,
    /// and one of another URL drops it. It takes the place of one that was preloaded before; `None` only drops that one.
    Preload(Option<Load>),
    /// More bytes of a body have arrived. Sent at most every 50 ms a request, at least every 250 ms while bytes flow.
    Progress {
        /// The request.
        request: RequestId,
        /// Bytes of the body so far.
        bytes: u64,
    },
    /// A range was removed from a source buffer, as asked.
    Removed {
        /// Which buffer.
        kind: TrackKind,
        /// What it holds now, in order.
        buffered: Vec<TimeRange>,
    },
    /// These renditions cannot be shown now, for instance because their keys are not usable, and all others can: the list
    /// takes the place of the one before, and ends with the load. What is buffered of them ahead of the playhead is fetched
    /// anew.
    Restrict {
        /// Ids of renditions; unknown ones mean nothing.
        renditions: Vec<String>,
    },
    /// The status line and the headers of a response have arrived.
    Response {
        /// The request.
        request: RequestId,
        /// HTTP status.
        status: u16,
        /// The URL that answered, if redirects led elsewhere.
        url: Option<String>,
        /// Content-Type, if any.
        content_type: Option<String>,
        /// Content-Length in bytes, if known and if the body is not compressed.
        content_length: Option<u64>,
        /// Retry-After in seconds, if any.
        retry_after_s: Option<u32>,
        /// More of the headers, as far as the driver may see them.
        #[serde(default, skip_serializing_if = "Headers::is_empty")]
        headers: Headers,
    },
    /// Fast-forward at so many times the normal speed, backwards if that is negative, with single pictures of the stream's I-frame playlist
    /// or trick-mode set; zero ends it. It also ends with a seek, and where there are no more pictures ([`PlayerEvent::Scan`](
    /// crate::output::PlayerEvent::Scan)). Playback goes on from the picture that was shown last.
    Scan(f64),
    /// The viewer or the application chose a rendition of the video, by its id; `None` gives the choice back to ABR.
    SelectRendition(Option<String>),
    /// The viewer or the application chose a track of sound or text, by its id; `None` turns text off.
    SelectTrack {
        /// Audio or text.
        kind: TrackKind,
        /// An id of [`PlayerEvent::Tracks`](crate::output::PlayerEvent::Tracks).
        id: Option<String>,
    },
    /// Give back the licences that the sessions of this load have stored ([`DrmConfig::persistent`](crate::config::DrmConfig)).
    RemoveLicences,
    /// The source that [`Output::OpenSource`](crate::Output::OpenSource) asked for is open.
    SourceOpened,
    /// The answer to [`Output::ProbeTypes`](crate::Output::ProbeTypes): those types of the question that can be played.
    TypesSupported(Vec<String>),
    /// Nothing happened but time: the deadline of [`Output::Wait`](crate::Output::Wait) has come.
    Tick,
    /// Stop, drop everything but what is preloaded, end the view.
    Unload,
}

/// How well pictures can be decoded, the best last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoding {
    /// Not at all.
    Unsupported,
    /// With dropped frames.
    Rough,
    /// Nobody knows.
    #[default]
    Unknown,
    /// Without dropped frames.
    Smooth,
    /// The same, with little power.
    Efficient,
}

/// Headers that not every response has, or shows to a page of another origin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Headers {
    /// Content-Range, see [`content_range`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<ByteRange>,
    /// Date plus Age, milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date_ms: Option<u64>,
    /// CMSD-Static and CMSD-Dynamic (CTA-5006) as they are; the list is empty, or has both, of which either may be empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cmsd: Vec<String>,
}

impl Headers {
    fn is_empty(&self) -> bool {
        self.range.is_none() && self.date_ms.is_none() && self.cmsd.is_empty()
    }
}

/// The range that a Content-Range header speaks of (RFC 9110, 14.4), as `bytes 0-99/1000`; `None` if it is malformed, or says that there
/// is no such range.
pub fn content_range(header: &str) -> Option<ByteRange> {
    let (range, _) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.trim().split_once('-')?;
    let (offset, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let length = last.checked_sub(offset)?.checked_add(1)?;
    Some(ByteRange { offset, length })
}

/// What to load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Load {
    /// Absolute URL of the multivariant playlist, media playlist or MPD.
    pub url: String,
    /// Where to start, on the presentation timeline; `None` starts at the beginning.
    pub start: Option<MediaTime>,
    /// The wall clock now, milliseconds since the Unix epoch: for identifiers, beacons and the age of what is remembered; 0 if
    /// unknown.
    pub wall_clock_ms: u64,
    /// What an earlier player on this machine learnt of the network ([`Output::Remember`](crate::Output::Remember)). Older than
    /// a day, or from the future, it is ignored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_memory: Option<NetworkMemory>,
    /// Absolute URL of a WebVTT file of thumbnails, if the application has one ([`thumbnails`](crate::thumbnails)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnails: Option<String>,
    /// The application's id of the video, for telemetry.
    pub video_id: String,
    /// The application's title of the video, for telemetry.
    pub video_title: String,
}

/// The page around the player.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Host {
    /// The page is hidden, or about to go away.
    pub hidden: bool,
    /// Width of the element in device pixels; 0 if unknown.
    pub width: u32,
    /// Height of the element in device pixels; 0 if unknown.
    pub height: u32,
    /// The viewer asks for little data (`navigator.connection.saveData`, the header `Save-Data`).
    pub save_data: bool,
    /// The machine is not connected (`navigator.onLine`): requests wait for it, and what fails meanwhile does not count.
    pub offline: bool,
}

/// The state of the media element.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MediaState {
    /// The playhead.
    pub position: MediaTime,
    /// `paused`: nobody wants it to play.
    pub paused: bool,
    /// `seeking`.
    pub seeking: bool,
    /// `ended`.
    pub ended: bool,
    /// `readyState`, 0 (nothing) to 4 (enough data). Below 3 it cannot go on.
    pub ready_state: u8,
    /// `playbackRate`, 1 = normal speed.
    pub rate: f64,
    /// Frames decoded since the source was attached.
    pub decoded_frames: u64,
    /// Frames dropped since the source was attached.
    pub dropped_frames: u64,
    /// The element has failed: `MediaError.code`.
    pub error: Option<u8>,
}

impl Default for MediaState {
    /// An element that has just been made: paused, at zero, without data.
    fn default() -> Self {
        Self {
            position: MediaTime::ZERO,
            paused: true,
            seeking: false,
            ended: false,
            ready_state: 0,
            rate: 1.0,
            decoded_frames: 0,
            dropped_frames: 0,
            error: None,
        }
    }
}

/// Why a source buffer refused an append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AppendFailure {
    /// The bytes are not what the buffer was made for; the text is the driver's.
    Media(String),
    /// The buffer is full (`QuotaExceededError`).
    Quota,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NetworkFailure {
    /// No connection, name, permission (CORS), or it broke; the text is the driver's and holds no URL.
    Connection(String),
    /// The body is larger than [`Fetch::max_bytes`](crate::output::Fetch::max_bytes).
    TooLarge,
}

/// What a look at the top-level boxes of a response said; see [`media::isobmff`](crate::media::isobmff).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Integrity {
    /// Not an ISO BMFF file: the text shows the first bytes.
    Foreign(String),
    /// The last box lacks this many bytes.
    Truncated(u64),
    /// Nobody looked.
    #[default]
    Unchecked,
    /// Boxes fill the response exactly.
    Whole,
}

/// Media that was made ready for a source buffer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prepared {
    /// Its full type, as `video/mp4; codecs="avc1.64001f,mp4a.40.2"`; empty if it has not changed.
    pub mime: String,
    /// Bytes.
    pub bytes: u64,
    /// Where it begins and ends by its own timestamps (of the pictures, if it has any), past the point where these start over.
    pub times: Option<TimeRange>,
    /// Timed metadata in it, by its own timestamps, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<Id3>,
    /// Captions in its pictures, by its own timestamps, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub captions: Vec<Caption>,
    /// What a look into it found, if it is fMP4 that was only decrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<Box<Facts>>,
    /// What was odd in it, for people; a few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// An ID3 tag on the timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Id3 {
    /// When it is due.
    pub time: MediaTime,
    /// What is in it.
    pub frames: Vec<Frame>,
}

/// A cue of captions inside the pictures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Caption {
    /// `CC1` to `CC4`.
    pub channel: String,
    /// The cue.
    pub cue: TextCue,
}

/// Bytes that the engine must read itself. In a log they are a string where they are UTF-8, else an array of numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(pub Vec<u8>);

impl core::fmt::Debug for Body {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

impl Serialize for Body {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match core::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Bytes(Vec<u8>),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Text(text) => text.into_bytes(),
            Form::Bytes(bytes) => bytes,
        }))
    }
}
