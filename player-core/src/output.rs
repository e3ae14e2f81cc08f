//! What the engine asks of its driver.

use serde::{Deserialize, Serialize};

use crate::abr::NetworkMemory;
use crate::drm::cdm::{self, MessageId, SessionId};
use crate::drm::{KeySystem, MessageType};
use crate::error::PlayerError;
use crate::input::{RequestId, TrackKind};
use crate::metadata::MetadataEvent;
use crate::telemetry::schema::{Beacon, PlaybackState, RebufferCause};
use crate::text::TextCue;
use crate::time::{Bitrate, ByteRange, Instant, MediaTime, TimeRange};

/// One thing to do, from [`Player::poll_output`](crate::Player::poll_output).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Output {
    /// Append a response to a source buffer. The engine sends the next append or remove of a kind only after the
    /// answer to this one.
    Append(Append),
    /// Send this to the collector. If it cannot be delivered, try again later; order does not matter.
    Beacon(Box<Beacon>),
    /// Stop a request and forget it: no further input about it.
    Cancel {
        /// The request.
        request: RequestId,
    },
    /// Detach the source from the element and drop the source and its buffers.
    CloseSource,
    /// Show these cues. What has been given out before stays.
    Cues {
        /// Id of the track or channel that is on.
        track: String,
        /// In the order of the text, on the presentation timeline.
        cues: Vec<TextCue>,
    },
    /// Make a source buffer. All of them are asked for before the first append.
    CreateBuffer {
        /// Its kind.
        kind: TrackKind,
        /// Its type, as `video/mp4; codecs="avc1.64001f"`.
        mime: String,
    },
    /// A call of Encrypted Media Extensions.
    Drm(cdm::Command),
    /// Everything has been appended: `MediaSource.endOfStream()`. A later append or remove re-opens the source by itself; the
    /// engine says this again then.
    EndOfStream,
    /// Tell the application.
    Event(PlayerEvent),
    /// Start a request.
    Fetch(Fetch),
    /// Make a media source, attach it to the element, answer [`Input::SourceOpened`](crate::Input::SourceOpened).
    OpenSource,
    /// Change the bytes of a completed [`Deliver::Handle`] response into what a source buffer takes, in its place; answer
    /// [`Input::Prepared`](crate::Input::Prepared). Of one kind, they come in the order of the stream.
    Prepare(Prepare),
    /// Ask how well these can be decoded; answer [`Input::Decoding`](crate::Input::Decoding). Nothing depends on the answer but a choice.
    ProbeDecoding {
        /// Names the question.
        request: RequestId,
        /// A few dozen at most.
        configs: Vec<DecodingConfig>,
    },
    /// Ask which of these types can be played; answer [`Input::TypesSupported`](crate::Input::TypesSupported).
    ProbeTypes {
        /// Full MIME types with codecs.
        types: Vec<String>,
    },
    /// The bytes of a completed [`Deliver::Handle`] request are not needed any more.
    Release {
        /// The request.
        request: RequestId,
    },
    /// Keep this for the next player on this machine, in place of what was kept before, and give it back with
    /// [`Load::network_memory`](crate::input::Load::network_memory). Comes at most every ten seconds, and at the end.
    Remember(NetworkMemory),
    /// Remove a range from a source buffer; answer [`Input::Removed`](crate::Input::Removed).
    Remove {
        /// Which buffer.
        kind: TrackKind,
        /// What to remove.
        range: TimeRange,
    },
    /// Move the playhead.
    Seek {
        /// Where to.
        to: MediaTime,
    },
    /// Post this, without credentials. If it cannot be delivered, try again a few times: not after 4xx but 429, and nothing more for
    /// this URL after 410.
    Report {
        /// Absolute URL.
        url: String,
        /// Content-Type.
        content_type: String,
        /// The body.
        body: String,
    },
    /// Set the duration of the source.
    SetDuration {
        /// The duration; [`MediaTime::MAX`] if it has no end.
        duration: MediaTime,
    },
    /// Say what may be seeked in: `MediaSource.setLiveSeekableRange()`.
    SetLiveRange {
        /// The window.
        range: TimeRange,
    },
    /// Play at this many times the normal speed, unless the viewer has chosen another: `HTMLMediaElement.playbackRate`, with the pitch
    /// kept.
    SetRate {
        /// 1 = normal.
        rate: f64,
    },
    /// All thumbnails that are images, in place of those before.
    Thumbnails {
        /// In order.
        thumbnails: Vec<ThumbnailInfo>,
    },
    /// There is nothing more to do until an input arrives or, if there is one, this time comes. Always the last output:
    /// afterwards give an input ([`Input::Tick`](crate::Input::Tick) at the deadline).
    Wait(Option<Instant>),
}

/// A request to make, without credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Its name.
    pub request: RequestId,
    /// Absolute URL.
    pub url: String,
    /// Only these bytes (`Range` header), or all.
    pub range: Option<ByteRange>,
    /// What it is.
    pub kind: RequestKind,
    /// Where its bytes go.
    pub deliver: Deliver,
    /// Fail with [`NetworkFailure::TooLarge`](crate::input::NetworkFailure::TooLarge) past this size.
    pub max_bytes: u64,
    /// `GET`, or `HEAD`: then the body is empty.
    #[serde(default, skip_serializing_if = "Method::is_get")]
    pub method: Method,
    /// More header fields: name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// It may be sent as it is made: tell of its chunks ([`Input::Chunk`](crate::Input::Chunk)).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub chunks: bool,
    /// Post this message of a CDM, wrapped ([`drm::wrap`](crate::drm::wrap)), with what the application adds: of kind
    /// [`RequestKind::Licence`] alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<LicenceRequest>,
}

/// What a request for a licence is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceRequest {
    /// The key system.
    pub system: KeySystem,
    /// The session.
    pub session: SessionId,
    /// The message, which the driver has.
    pub message: MessageId,
    /// What it is.
    pub message_type: MessageType,
}

/// Pictures that are to be decoded: what `MediaCapabilities.decodingInfo` wants to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecodingConfig {
    /// Their type, with one codec, as `video/mp4; codecs="avc1.64001f"`.
    pub mime: String,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Declared peak bitrate.
    pub bandwidth: Bitrate,
    /// Frames per second; 0 if not declared.
    pub frame_rate: f64,
}

/// The method of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The whole, or a range.
    #[default]
    Get,
    /// The header fields only.
    Head,
}

impl Method {
    const fn is_get(&self) -> bool {
        matches!(self, Self::Get)
    }
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RequestKind {
    /// The certificate of a licence server.
    Certificate,
    /// What time it is.
    Clock,
    /// An initialization section.
    Init,
    /// A key that is used without a key system.
    Key,
    /// A licence of a key system.
    Licence,
    /// The manifest: multivariant playlist or MPD, or a media playlist that was loaded directly.
    Manifest,
    /// A media playlist.
    Playlist,
    /// A media segment.
    Segment,
    /// The [table](crate::manifest::table) of the segments' sizes.
    SegmentTable,
    /// A [steering manifest](crate::manifest::steering).
    Steering,
    /// A segment of text, or what comes before it.
    Text,
    /// What lists thumbnails.
    Thumbnails,
}

impl RequestKind {
    /// Its name in events and logs, as `segment_table`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Clock => "clock",
            Self::Init => "init",
            Self::Key => "key",
            Self::Licence => "licence",
            Self::Manifest => "manifest",
            Self::Playlist => "playlist",
            Self::Segment => "segment",
            Self::SegmentTable => "segment_table",
            Self::Steering => "steering",
            Self::Text => "text",
            Self::Thumbnails => "thumbnails",
        }
    }
}

/// Where the bytes of a response go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deliver {
    /// To the engine, with [`Input::Body`](crate::Input::Body).
    Body,
    /// They stay with the driver, until [`Output::Release`]; the engine hears of them with
    /// [`Input::Complete`](crate::Input::Complete).
    Handle,
}

/// What must be done to media before it is appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepare {
    /// The response.
    pub request: RequestId,
    /// The stream that it belongs to: what is remembered from one segment to the next is so of a kind.
    pub kind: TrackKind,
    /// What it is.
    pub container: Container,
    /// How it is encrypted, if it is.
    pub decrypt: Option<Decrypt>,
    /// Its initialization section, where that is apart.
    pub init: Option<RequestId>,
    /// It goes on where the one before ended: timestamps, captions and half frames of that count.
    pub continuous: bool,
    /// Drop the sound: it is played from elsewhere.
    pub mute: bool,
    /// Take captions out of the pictures.
    pub captions: bool,
}

/// A container that media may come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Container {
    /// Fragmented MP4.
    Fmp4,
    /// MPEG-2 transport stream (ISO/IEC 13818-1).
    #[default]
    MpegTs,
    /// Frames of AAC (ADTS), AC-3, Enhanced AC-3 or MPEG audio, behind an ID3 tag with their time (RFC 8216, 3.4).
    PackedAudio,
    /// WebM: as fragmented MP4, it is appended as it is.
    WebM,
}

/// How a response is decrypted. The key is that of a response: it never reaches the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decrypt {
    /// The method.
    pub method: Encryption,
    /// The response whose sixteen bytes are the key.
    pub key: RequestId,
    /// Initialization vector.
    pub iv: [u8; 16],
}

/// An encryption that needs no key system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Encryption {
    /// The whole response: AES-128 in CBC mode with PKCS #7 padding (RFC 8216, 4.3.2.4).
    #[default]
    Aes128,
    /// Samples in a transport stream or packed audio (Apple, *MPEG-2 Stream Encryption Format for HTTP Live Streaming*).
    SampleAes,
}

/// An append to a source buffer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    /// Which buffer.
    pub kind: TrackKind,
    /// Whose bytes: a completed [`Deliver::Handle`] request, or one whose [`Input::Head`](crate::Input::Head) has come.
    pub request: RequestId,
    /// Which of its bytes; `None` means all.
    pub bytes: Option<ByteRange>,
    /// `SourceBuffer.timestampOffset`.
    pub timestamp_offset: MediaTime,
    /// `SourceBuffer.changeType()` to this first.
    pub change_type: Option<String>,
    /// Reset the parser first (`SourceBuffer.abort()`): what was appended before broke off.
    pub reset: bool,
    /// Only what is in here counts (`SourceBuffer.appendWindowStart`, `appendWindowEnd`), on the presentation timeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<TimeRange>,
}

/// What an application may want to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
#[non_exhaustive]
pub enum PlayerEvent {
    /// Something went wrong. If it is fatal, playback has ended.
    Error(PlayerError),
    /// Other renditions may be chosen than before, by something else than their own failure.
    Limited {
        /// Id of the highest one that may be chosen.
        highest: String,
        /// What keeps the higher ones out, in order; empty when nothing does any more.
        by: Vec<Limit>,
    },
    /// A licence was stored: keep this id to play without a server ([`DrmConfig::stored`](crate::config::DrmConfig)).
    LicenceStored {
        /// The CDM's id of the session.
        id: String,
    },
    /// The window of a live stream has moved.
    Live {
        /// What may be seeked in.
        range: TimeRange,
        /// Where one watches live: as close to the end as the stream wants it.
        edge: MediaTime,
    },
    /// The manifest was read, and it is known where playback begins.
    Loaded {
        /// `hls` or `dash`.
        protocol: String,
        /// Duration of the presentation, if it has an end.
        duration: Option<MediaTime>,
        /// It is live.
        live: bool,
        /// The video ladder, lowest bitrate first.
        renditions: Vec<RenditionInfo>,
        /// What was odd in the manifest but did not keep it from playing.
        warnings: Vec<String>,
    },
    /// What the viewer sees, or will see next, changed its rendition.
    Rendition {
        /// Its id.
        id: String,
        /// True once the playhead has reached it; false when the engine begins to fetch it.
        visible: bool,
    },
    /// Timed metadata.
    Metadata(MetadataEvent),
    /// A fast-forward or rewind begins, or changes its rate.
    Scan {
        /// Times the normal speed; zero: it has ended.
        rate: f64,
    },
    /// The playback state changed.
    State {
        /// The state now.
        state: PlaybackState,
        /// Why, if it is rebuffering.
        cause: Option<RebufferCause>,
    },
    /// Figures for a debug view, at most every half second.
    Stats(Stats),
    /// There are other tracks to choose from than before, or another one is chosen.
    Tracks {
        /// Tracks of sound.
        audio: Vec<TrackInfo>,
        /// Subtitles and captions.
        text: Vec<TrackInfo>,
    },
}

/// What keeps renditions from being chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Limit {
    /// The application: [`Input::Limits`](crate::Input::Limits), or the configuration.
    Application,
    /// The preset `data_saver`, or the viewer's wish for little data.
    DataSaver,
    /// The machine says that it does not decode them smoothly ([`Input::Decoding`](crate::Input::Decoding)).
    Decoding,
    /// Too many of the frames of a higher rendition were dropped: it is tried again later.
    DroppedFrames,
    /// The element is small.
    ElementSize,
    /// [`Input::Restrict`](crate::Input::Restrict): keys that are not usable, for instance.
    Restricted,
}

impl Limit {
    /// Its name in events and beacons, as `element_size`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::DataSaver => "data_saver",
            Self::Decoding => "decoding",
            Self::DroppedFrames => "dropped_frames",
            Self::ElementSize => "element_size",
            Self::Restricted => "restricted",
        }
    }
}

/// One rung of the ladder, as an application sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RenditionInfo {
    /// Its id, for [`Input::SelectRendition`](crate::Input::SelectRendition).
    pub id: String,
    /// Declared peak bitrate.
    pub bandwidth: Bitrate,
    /// Width, pixels; 0 if not declared.
    pub width: u32,
    /// Height, pixels; 0 if not declared.
    pub height: u32,
    /// Frames per second; 0 if not declared.
    pub frame_rate: f64,
    /// Codecs as declared (RFC 6381).
    pub codecs: String,
}

/// A thumbnail, as a seek bar shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThumbnailInfo {
    /// It stands for the time from here
    pub start: MediaTime,
    /// to here.
    pub end: MediaTime,
    /// Absolute URL of the image, with the part of it as a media fragment: `#xywh=160,0,160,90`.
    pub url: String,
}

/// A track of sound or text, as an application sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrackInfo {
    /// Its id, for [`Input::SelectTrack`](crate::Input::SelectTrack).
    pub id: String,
    /// Language (BCP 47); empty if not declared.
    pub language: String,
    /// For people; empty if not declared.
    pub label: String,
    /// Roles and characteristics, as written.
    pub roles: Vec<String>,
    /// Channels of sound as written; empty if not declared.
    pub channels: String,
    /// Text that is to be shown even to those who want none.
    pub forced: bool,
    /// Text that is inside the pictures.
    pub captions: bool,
    /// It is what is played.
    pub selected: bool,
}

/// Figures for a debug view.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Media ahead of the playhead, the least of the kinds.
    pub buffer: MediaTime,
    /// Throughput estimate, if there is one.
    pub throughput: Option<Bitrate>,
    /// Id of the rendition being fetched.
    pub rendition: String,
    /// How far the playhead is behind the live edge, of a live stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<MediaTime>,
}
