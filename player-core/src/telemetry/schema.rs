//! The wire schema of beacons: JSON, one [`Beacon`] a request body, `POST /v1/beacons`.
//!
//! - A *view* is one attempt to watch one item: it begins when a source is loaded and ends when the source is
//!   unloaded, replaced, or the page goes away. A *session* is the life of one player.
//! - `seq` counts the beacons of a view from 0. `(view_id, seq)` identifies a beacon: the server may see one
//!   twice and counts it once.
//! - [`Counters`] are **cumulative** over the view, so that a lost beacon heals with the next one: the server keeps
//!   those of the highest `seq`.
//! - Times inside a view (`t_ms`) are milliseconds of the client's monotonic clock since the view began. The client's
//!   wall clock (`sent_at_ms`) serves only to estimate its skew.
//! - [`ViewInfo`] comes with the first and the last beacon of a view and at least every ten minutes.
//!
//! Fields that are absent are unknown; a reader ignores fields and event names that it does not know
//! ([`Event::Unknown`]).

use serde::{Deserialize, Serialize};

use super::read::FlatEvent;
pub use super::read::InvalidEvent;

/// The version of this schema, sent as [`Beacon::v`].
pub const SCHEMA_VERSION: u32 = 1;

/// A heartbeat is sent this often while a view lives, in milliseconds.
pub const HEARTBEAT_INTERVAL_MS: u64 = 10_000;

/// No beacon carries more events than this.
pub const MAX_EVENTS_PER_BEACON: usize = 300;

/// No view has more dimensions of the application than this.
pub const MAX_DIMENSIONS: usize = 10;

/// Longest name of an application's dimension, bytes; it is made of `a`–`z`, `A`–`Z`, `0`–`9`, `_` and `-`.
pub const MAX_DIMENSION_NAME_BYTES: usize = 40;

/// Longest value of an application's dimension, bytes.
pub const MAX_DIMENSION_VALUE_BYTES: usize = 200;

/// One message from a player to the collector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Beacon {
    /// [`SCHEMA_VERSION`] of the sender.
    pub v: u32,
    /// The site key: which customer's property the view belongs to.
    pub site: String,
    /// UUIDv7 (RFC 9562) of the view.
    pub view_id: String,
    /// UUIDv7 of the player's life, shared by the views that follow each other in it.
    pub session_id: String,
    /// Number of this beacon in its view, from 0.
    pub seq: u32,
    /// The client's wall clock when it was sent, milliseconds since the Unix epoch.
    pub sent_at_ms: u64,
    /// Milliseconds since the view began, when it was sent.
    pub t_ms: u64,
    /// The share of views that report at all, (0, 1]: a view stands for `1 / sample_rate` views.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub sample_rate: f64,
    /// What is being watched, by which player; see the module's text for when it is present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<ViewInfo>,
    /// What the player is doing now.
    pub state: PlaybackState,
    /// How far the playhead is behind what can be played now (by the servers' clock where they have one, else by what the
    /// manifest lists), milliseconds; absent unless the stream is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Totals since the view began.
    pub counters: Counters,
    /// What happened since the previous beacon, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<TimedEvent>,
}

fn one() -> f64 {
    1.0
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_one(rate: &f64) -> bool {
    *rate == 1.0
}

/// What is being watched, by which player, on what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ViewInfo {
    /// The manifest's URL without user info, query and fragment.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// `hls` or `dash`; empty until the manifest has been read.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub protocol: String,
    /// `vod` or `live`; empty until the manifest has been read.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stream_type: String,
    /// The application's id of the video.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub video_id: String,
    /// The application's title of the video.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub video_title: String,
    /// A pseudonym of the viewer that the application chose; never an address or a name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub viewer_id: String,
    /// Duration of the media, milliseconds; 0 if unknown or live.
    #[serde(skip_serializing_if = "is_zero")]
    pub duration_ms: u64,
    /// Name and version of the player software, as `headgate/0.1.0`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub player: String,
    /// The ABR algorithm by name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub abr: String,
    /// `desktop`, `phone`, `tablet`, `tv`, or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub device: String,
    /// Browser family, as `Chrome`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub browser: String,
    /// Operating system family, as `Linux`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os: String,
    /// Kind of connection, as `navigator.connection.type` has it: `wifi`, `cellular`, `ethernet`, …; empty where the browser
    /// does not tell.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub network: String,
    /// Host name of the page that embeds the player.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub page_host: String,
    /// Host name that serves the media.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cdn_host: String,
    /// The video ladder, lowest bitrate first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ladder: Vec<Rung>,
    /// The experiment that the view takes part in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<Experiment>,
    /// What else the application tells views apart by, at most [`MAX_DIMENSIONS`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<Dimension>,
}

/// A part of an experiment: viewers are divided among its arms at random.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// The experiment's name.
    pub name: String,
    /// The arm that the viewer is in.
    pub arm: String,
    /// The share of viewers that were to be in this arm, (0, 1]; absent if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
}

/// A dimension of the application: see [`MAX_DIMENSION_NAME_BYTES`] and [`MAX_DIMENSION_VALUE_BYTES`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    /// What it says.
    pub name: String,
    /// What it says of this view.
    pub value: String,
}

impl Dimension {
    /// Whether a dimension may have this name.
    pub fn is_name(text: &str) -> bool {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        (1..=MAX_DIMENSION_NAME_BYTES).contains(&text.len()) && text.bytes().all(allowed)
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// One rendition of the ladder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// The rendition's id, as used by [`Event::Rendition`] and [`Event::Request`].
    pub id: String,
    /// Declared peak bitrate, kbit/s.
    pub bandwidth_kbps: u32,
    /// Width, pixels; 0 if not declared.
    #[serde(default)]
    pub width: u32,
    /// Height, pixels; 0 if not declared.
    #[serde(default)]
    pub height: u32,
}

/// What a player is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaybackState {
    /// Loaded; nobody has asked to play.
    #[default]
    Idle,
    /// Play was asked for; no frame has been shown.
    Starting,
    /// Frames advance.
    Playing,
    /// Paused by the viewer or the application.
    Paused,
    /// Wants to play and cannot: out of media.
    Rebuffering,
    /// Waiting for a seek's target.
    Seeking,
    /// Played to the end.
    Ended,
    /// A fatal error ended it.
    Failed,
}

/// Why playback halted, for the causes that metrics tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RebufferCause {
    /// Media is there, frames do not advance.
    Decode,
    /// Media is there, the key to it is not.
    Key,
    /// The next media has not arrived.
    Network,
    /// The wait follows a seek.
    Seek,
    /// A cause that this version does not know.
    #[serde(other)]
    Other,
}

impl RebufferCause {
    /// The name in beacons and events, as `network`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Key => "key",
            Self::Network => "network",
            Self::Seek => "seek",
            Self::Other => "other",
        }
    }
}

/// Totals since the view began. Milliseconds are of the monotonic clock, unless they say media.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Play was asked for, by the viewer or by autoplay.
    #[serde(skip_serializing_if = "is_false")]
    pub play_intent: bool,
    /// From play intent to the first frame, without time in which the page was hidden or autoplay was blocked. Absent
    /// until the first frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_ms: Option<u64>,
    /// Time in which frames advanced.
    #[serde(skip_serializing_if = "is_zero")]
    pub played_ms: u64,
    /// Time spent paused after the first frame.
    #[serde(skip_serializing_if = "is_zero")]
    pub paused_ms: u64,
    /// Time spent rebuffering after the first frame: neither start-up nor seeking nor paused.
    #[serde(skip_serializing_if = "is_zero")]
    pub rebuffer_ms: u64,
    /// How often it rebuffered.
    #[serde(skip_serializing_if = "is_zero")]
    pub rebuffer_count: u64,
    /// The part of `rebuffer_ms` that was the network's doing.
    #[serde(skip_serializing_if = "is_zero")]
    pub rebuffer_network_ms: u64,
    /// Time spent between seeking and the frame at its target.
    #[serde(skip_serializing_if = "is_zero")]
    pub seek_ms: u64,
    /// How often it was sought.
    #[serde(skip_serializing_if = "is_zero")]
    pub seek_count: u64,
    /// Media time played, milliseconds of media.
    #[serde(skip_serializing_if = "is_zero")]
    pub media_ms: u64,
    /// Σ bitrate (kbit/s) × media time (ms) played at it: divide by `media_ms` for the average bitrate.
    #[serde(skip_serializing_if = "is_zero")]
    pub bitrate_kbps_media_ms: u64,
    /// Media time (ms) that was played while the sizes of both the element and the rendition were known.
    #[serde(skip_serializing_if = "is_zero")]
    pub scaled_media_ms: u64,
    /// Σ upscale × media time (ms) played at it: divide by `scaled_media_ms`. With u = min(player width ÷ source width, player
    /// height ÷ source height) in device pixels, upscale is max(0, u − 1).
    #[serde(skip_serializing_if = "is_zero")]
    pub upscale_media_ms: u64,
    /// Σ downscale × media time (ms) played at it: divide by `scaled_media_ms`. Downscale is max(0, 1 − u).
    #[serde(skip_serializing_if = "is_zero")]
    pub downscale_media_ms: u64,
    /// The part of `played_ms` in which the distance to the live edge was known.
    #[serde(skip_serializing_if = "is_zero")]
    pub latency_played_ms: u64,
    /// Σ distance to the live edge (ms) × time (ms) played at it: divide by `latency_played_ms`.
    #[serde(skip_serializing_if = "is_zero")]
    pub latency_ms_played_ms: u64,
    /// Switches to a higher rendition that were seen (not only requested).
    #[serde(skip_serializing_if = "is_zero")]
    pub switches_up: u64,
    /// Switches to a lower rendition that were seen.
    #[serde(skip_serializing_if = "is_zero")]
    pub switches_down: u64,
    /// Frames decoded.
    #[serde(skip_serializing_if = "is_zero")]
    pub decoded_frames: u64,
    /// Frames dropped.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped_frames: u64,
    /// Media requests that ended, well or not.
    #[serde(skip_serializing_if = "is_zero")]
    pub requests: u64,
    /// Requests that failed (not: cancelled).
    #[serde(skip_serializing_if = "is_zero")]
    pub requests_failed: u64,
    /// Requests that the engine abandoned.
    #[serde(skip_serializing_if = "is_zero")]
    pub requests_cancelled: u64,
    /// Media bytes received.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// The kind of the fatal error that ended the view, as [`crate::error::ErrorKind::name`] spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fatal: Option<String>,
    /// Played to the end at least once.
    #[serde(skip_serializing_if = "is_false")]
    pub ended: bool,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(b: &bool) -> bool {
    !*b
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "FlatEvent")]
pub struct TimedEvent {
    /// Milliseconds since the view began.
    pub t: u64,
    /// What happened; its name is the field `e`.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen in a view.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "e", rename_all = "snake_case")]
pub enum Event {
    /// The end was reached.
    Ended,
    /// Something went wrong.
    Error {
        /// The kind, as [`crate::error::ErrorKind::name`] spells it.
        kind: String,
        /// Playback cannot go on.
        fatal: bool,
        /// For people; holds no URL query and no token.
        message: String,
    },
    /// The first frame was shown.
    FirstFrame,
    /// The page was hidden or shown again.
    Hidden {
        /// It is hidden now.
        hidden: bool,
    },
    /// Other renditions may be chosen than before.
    Limit {
        /// Id of the highest one that may be chosen.
        id: String,
        /// What keeps the higher ones out, as [`crate::output::Limit::name`] spells it, separated by commas; empty if nothing
        /// does any more.
        by: String,
    },
    /// The manifest was read: the view knows its ladder.
    Manifest,
    /// Playback was paused.
    Pause,
    /// Play was asked for.
    Play,
    /// Frames advance (again).
    Playing,
    /// Rebuffering ended.
    RebufferEnd,
    /// Rebuffering began.
    RebufferStart {
        /// Why.
        cause: RebufferCause,
    },
    /// What is seen changed its rendition.
    Rendition {
        /// The rendition's id.
        id: String,
        /// Its declared bitrate, kbit/s.
        kbps: u32,
        /// Height, pixels; 0 if not declared.
        height: u32,
    },
    /// A media request ended.
    Request {
        /// What was asked for: `manifest`, `playlist`, `init`, `segment`, …
        kind: String,
        /// `video`, `audio` or `text`; empty for manifests.
        #[serde(skip_serializing_if = "String::is_empty")]
        track: String,
        /// The rendition's id; empty for manifests.
        #[serde(skip_serializing_if = "String::is_empty")]
        rendition: String,
        /// Media time at which the segment starts, milliseconds; absent unless it is a segment.
        #[serde(skip_serializing_if = "Option::is_none")]
        media_ms: Option<u64>,
        /// Bytes received.
        bytes: u64,
        /// From the request to its first byte, milliseconds.
        ttfb_ms: u64,
        /// From the request to its end, milliseconds.
        ms: u64,
        /// HTTP status; 0 if there was no answer.
        status: u16,
        /// It was cancelled by the engine.
        #[serde(skip_serializing_if = "is_false")]
        cancelled: bool,
    },
    /// Where things stand, every two seconds while media is loading or playing.
    Sample {
        /// Playhead, milliseconds of media.
        pos_ms: u64,
        /// Media buffered ahead of the playhead, milliseconds.
        buffer_ms: u64,
        /// The throughput estimate, kbit/s; 0 while there is none.
        kbps: u64,
    },
    /// The viewer sought.
    Seek {
        /// Target, milliseconds of media.
        to_ms: u64,
    },
    /// A frame at the seek's target was shown.
    Seeked,
    /// The view ended: the source was unloaded or the page goes away.
    ViewEnd,
    /// The view began: a source was loaded.
    ViewStart,
    /// An event that this version does not know.
    Unknown,
}
