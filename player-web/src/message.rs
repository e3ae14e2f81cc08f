//! The messages between the driver and the owner of the media element: plain objects both ways.
//!
//! Times are seconds of media as in `HTMLMediaElement.currentTime`; names are those of the web platform where it has
//! one. The TypeScript side has the same definitions in `ts/messages.ts`.

use player_core::MediaTime;
use player_core::abr::NetworkMemory;
use player_core::drm::cdm::Command;
use player_core::error::PlayerError;
use player_core::input::{Host, Load, MediaState, TrackKind};
use player_core::media::id3;
use player_core::metadata::{self, MetadataEvent};
use player_core::output::{PlayerEvent, RenditionInfo, ThumbnailInfo, TrackInfo};
use player_core::telemetry::schema::{PlaybackState, RebufferCause};
use player_core::text::TextCue;
use serde::Serialize;
use wasm_bindgen::JsValue;

use crate::drm::{FromCdm, KeyError};
use crate::fields::{Faults, FieldError, Fields};

/// A message to the driver.
#[derive(Clone, Debug, PartialEq)]
pub enum ToDriver {
    /// `{ type: 'drm', event, … }`: what a CDM, a licence server or the element says of keys.
    Drm(FromCdm),
    /// `{ type: 'host', hidden, width, height, saveData, offline }`: the page around the player; sizes in device pixels.
    Host(Host),
    /// `{ type: 'limits', maxBandwidthKbps, maxHeight }`: from now on in place of those of the options; null or absent is none.
    Limits {
        /// Kilobits per second.
        max_bandwidth_kbps: Option<f64>,
        /// Lines.
        max_height: Option<u32>,
    },
    /// `{ type: 'load', url, startTime, thumbnails, videoId, videoTitle, networkMemory }`: play this; the wall clock is the driver's, and
    /// `networkMemory` is what a `remember` message held.
    Load(Load),
    /// `{ type: 'preload', url, … }`, the rest as of `load`: load the beginning of this when there is the time for it; without a URL, drop
    /// what was preloaded.
    Preload(Option<Load>),
    /// `{ type: 'media', currentTime, paused, seeking, ended, readyState, playbackRate, decodedFrames, droppedFrames,
    /// error }`: the state of the element.
    Media(MediaState),
    /// `{ type: 'remove-licences' }`: give back the licences that this load has stored.
    RemoveLicences,
    /// `{ type: 'scan', rate }`: fast-forward with single pictures at so many times the normal speed, backwards if negative; 0 ends it.
    Scan(f64),
    /// `{ type: 'select', rendition }`: play this rendition; without one, the engine chooses.
    Select(Option<String>),
    /// `{ type: 'select-track', kind, track }`: play this track of `audio` or `text`; null is no text.
    SelectTrack {
        /// Audio or text.
        kind: TrackKind,
        /// An id of an event `tracks`.
        id: Option<String>,
    },
    /// `{ type: 'unload' }`: stop and end the view.
    Unload,
}

impl ToDriver {
    /// Reads a message.
    ///
    /// # Errors
    /// If it is none; the error names the field.
    pub fn read(value: &JsValue) -> Result<Self, FieldError> {
        let faults = Faults::default();
        let message = Fields::new(value, "message", &faults);
        let read = Self::from_fields(&message);
        faults.check(read)
    }

    fn from_fields(message: &Fields<'_>) -> Self {
        let flag = |name| message.flag(name);
        let count = |name| message.count(name);
        let text = |name| message.text(name);
        match text("type").as_str() {
            "drm" => Self::Drm(FromCdm::read(message)),
            "host" => Self::Host(Host {
                hidden: flag("hidden"),
                width: count("width") as u32,
                height: count("height") as u32,
                save_data: flag("saveData"),
                offline: flag("offline"),
            }),
            "limits" => Self::Limits {
                max_bandwidth_kbps: message.nullable_number("maxBandwidthKbps").flatten(),
                max_height: message
                    .nullable_number("maxHeight")
                    .flatten()
                    .map(|lines| lines as u32),
            },
            "load" => {
                let load = load(message);
                if load.is_none() {
                    message.missing("load", "url");
                }
                Self::Load(load.unwrap_or_default())
            }
            "preload" => Self::Preload(load(message)),
            "media" => Self::Media(MediaState {
                position: MediaTime::from_secs_f64(message.number("currentTime").unwrap_or_default()),
                paused: flag("paused"),
                seeking: flag("seeking"),
                ended: flag("ended"),
                ready_state: count("readyState") as u8,
                rate: message
                    .number("playbackRate")
                    .filter(|rate| rate.is_finite())
                    .unwrap_or(1.0),
                decoded_frames: count("decodedFrames"),
                dropped_frames: count("droppedFrames"),
                error: message.nullable_number("error").flatten().map(|code| code as u8),
            }),
            "remove-licences" => Self::RemoveLicences,
            "scan" => Self::Scan(message.number("rate").unwrap_or(0.0)),
            "select" => Self::Select(message.nullable_string("rendition")),
            "select-track" => Self::SelectTrack {
                kind: match text("kind").as_str() {
                    "audio" => TrackKind::Audio,
                    other => {
                        if other != "text" {
                            message.wrong("kind", "audio or text");
                        }
                        TrackKind::Text
                    }
                },
                id: message.nullable_string("track"),
            },
            "unload" => Self::Unload,
            unknown => {
                let why = [
                    "unknown message \"",
                    unknown,
                    "\"; known are drm, host, limits, load, media, preload, remove-licences, scan, select, select-track, unload",
                ];
                message.refuse("type", why.concat());
                Self::Unload
            }
        }
    }
}

/// Nothing without a URL.
fn load(message: &Fields<'_>) -> Option<Load> {
    let text = |name| message.string(name).unwrap_or_default();
    Some(Load {
        url: message.string("url").filter(|url| !url.is_empty())?,
        start: message.number("startTime").map(MediaTime::from_secs_f64),
        wall_clock_ms: 0,
        thumbnails: message.string("thumbnails").filter(|url| !url.is_empty()),
        network_memory: memory(&message.object("networkMemory")),
        video_id: text("videoId"),
        video_title: text("videoTitle"),
    })
}

fn memory(fields: &Fields<'_>) -> Option<NetworkMemory> {
    Some(NetworkMemory {
        kbps: fields.number("kbps")?,
        spread: fields.number("spread")?,
        unix_ms: fields.number("unixMs")? as i64,
    })
}

/// A message from the driver.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FromDriver {
    /// Set the element's source: `src = url`, or `srcObject = handle` (added by the driver when it runs in a worker).
    Attach {
        /// An object URL of the media source.
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// It is a `ManagedMediaSource`, which needs `disableRemotePlayback`.
        managed: bool,
    },
    /// Nobody waits for the answer to a `licence` any more.
    #[serde(rename = "cancel-licence")]
    CancelLicence {
        /// The request.
        request: u64,
    },
    /// Show these cues. What was given before stays.
    Cues {
        /// An id of an event `tracks`.
        track: String,
        /// In the order of the text.
        cues: Vec<Cue>,
    },
    /// Take the source away from the element.
    Detach,
    /// A call of Encrypted Media Extensions; with `bytes`, where it needs some.
    Drm {
        /// Which one.
        command: Command,
    },
    /// Tell the application.
    Event {
        /// What happened.
        event: Event,
    },
    /// Ask a licence server: with `body`, unless it is for a certificate.
    Licence {
        /// The request.
        request: u64,
        /// Its URL, without what the application keeps secret.
        url: String,
        /// The largest answer that is taken.
        max_bytes: u64,
        /// Whose message it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<u64>,
        /// As `MediaKeyMessageType`.
        #[serde(skip_serializing_if = "Option::is_none")]
        message_type: Option<&'static str>,
        /// Name and value.
        headers: Vec<(String, String)>,
    },
    /// Keep this for the next player on this machine.
    Remember {
        /// Median throughput.
        kbps: f64,
        /// Standard deviation of its natural logarithm.
        spread: f64,
        /// When it was measured.
        unix_ms: i64,
    },
    /// Move the playhead.
    Seek {
        /// Where to, seconds.
        current_time: f64,
    },
    /// Set the playback rate, unless the viewer has chosen another.
    Rate {
        /// 1 = normal.
        rate: f64,
    },
    /// All thumbnails, in place of those before.
    Thumbnails {
        /// In order.
        thumbnails: Vec<Thumbnail>,
    },
}

/// A thumbnail in the web's terms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Thumbnail {
    /// Seconds: it stands for the time from here
    pub start: f64,
    /// to here.
    pub end: f64,
    /// Absolute URL of the image, with the part of it.
    pub url: String,
}

impl From<ThumbnailInfo> for Thumbnail {
    fn from(info: ThumbnailInfo) -> Self {
        Self {
            start: info.start.as_secs_f64(),
            end: info.end.as_secs_f64(),
            url: info.url,
        }
    }
}

/// An event of the engine in the web's terms.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// Something went wrong.
    Error {
        /// The class, for instance `manifest`.
        kind: &'static str,
        /// Playback has ended.
        fatal: bool,
        /// For people.
        message: String,
        /// More, if it is about keys.
        #[serde(skip_serializing_if = "Option::is_none")]
        drm: Option<Box<KeyError>>,
    },
    /// A licence was stored.
    #[serde(rename = "licence-stored")]
    LicenceStored {
        /// The CDM's id of its session.
        id: String,
    },
    /// Other renditions may be chosen than before.
    Limit {
        /// Id of the highest one that may be chosen.
        highest: String,
        /// What keeps higher ones out, as `element-size`.
        by: Vec<String>,
    },
    /// The window of a live stream has moved.
    Live {
        /// Seconds: where it begins,
        start: f64,
        /// and ends.
        end: f64,
        /// Where one watches live.
        edge: f64,
    },
    /// The manifest was read.
    Loaded {
        /// `hls` or `dash`.
        protocol: String,
        /// Seconds, or null.
        duration: Option<f64>,
        /// It is live.
        live: bool,
        /// The video ladder, lowest bitrate first.
        renditions: Vec<Rendition>,
        /// What was odd in the manifest.
        warnings: Vec<String>,
    },
    /// Timed metadata.
    Metadata {
        /// `known`, `enter`, `leave` or `removed`.
        change: &'static str,
        /// Names it within a load.
        key: u64,
        /// What it is, unless it leaves or is removed.
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<Box<Metadata>>,
    },
    /// A rendition is fetched, or seen.
    Rendition {
        /// Its id.
        id: String,
        /// The playhead has reached it.
        visible: bool,
    },
    /// A fast-forward or rewind begins, changes its rate, or ends with a rate of zero.
    Scan {
        /// Times the normal speed.
        rate: f64,
    },
    /// The playback state changed.
    State {
        /// `idle`, `starting`, `playing`, …
        state: &'static str,
        /// Why it is rebuffering.
        cause: Option<&'static str>,
    },
    /// Figures for a debug view.
    Stats {
        /// Media ahead of the playhead, seconds.
        buffer: f64,
        /// Throughput estimate, bit/s, or null.
        throughput: Option<u64>,
        /// Id of the rendition being fetched.
        rendition: String,
        /// How far the playhead is behind the live edge, seconds, or null.
        latency: Option<f64>,
    },
    /// There are other tracks to choose from than before, or another one is chosen.
    Tracks {
        /// Sound.
        audio: Vec<Track>,
        /// Subtitles and captions.
        text: Vec<Track>,
    },
}

/// Timed metadata in the web's terms.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metadata {
    /// `date-range`, `emsg`, `event-stream` or `id3`.
    pub source: String,
    /// The scheme of an event, the class of a date range.
    pub scheme: String,
    /// A refinement of that.
    pub value: String,
    /// Its own.
    pub id: String,
    /// Seconds.
    pub start: f64,
    /// Seconds; null if not known.
    pub end: Option<f64>,
    /// Of an ID3 tag.
    pub frames: Vec<Frame>,
    /// Of a date range, name and value.
    pub attributes: Vec<(String, String)>,
    /// What an event says: text, bytes, or null.
    pub message: Message,
}

/// A frame of an ID3 tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// As `TXXX`, `PRIV`.
    pub id: String,
    /// Description, owner, or empty.
    pub description: String,
    /// Text or URL, if it is a frame of those.
    pub text: String,
    /// The other bytes.
    pub data: Vec<u8>,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Message {
    /// In a segment.
    Bytes(Vec<u8>),
    /// Nothing.
    None,
    /// In a manifest.
    Text(String),
}

impl From<id3::Frame> for Frame {
    fn from(frame: id3::Frame) -> Self {
        let id3::Frame {
            id,
            description,
            text,
            data,
        } = frame;
        Self {
            id,
            description,
            text,
            data,
        }
    }
}

impl From<metadata::Metadata> for Metadata {
    fn from(known: metadata::Metadata) -> Self {
        Self {
            source: known.source.name().replace('_', "-"),
            scheme: known.scheme,
            value: known.value,
            id: known.id,
            start: known.start.as_secs_f64(),
            end: known
                .end
                .filter(|end| *end != MediaTime::MAX)
                .map(MediaTime::as_secs_f64),
            frames: known.frames.into_iter().map(Frame::from).collect(),
            attributes: known.attributes,
            message: match known.message {
                metadata::Message::Bytes(bytes) => Message::Bytes(bytes),
                metadata::Message::None => Message::None,
                metadata::Message::Text(text) => Message::Text(text),
            },
        }
    }
}

/// A track of sound or text in the web's terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Track {
    /// Its id, for `select-track`.
    pub id: String,
    /// BCP 47; empty if not declared.
    pub language: String,
    /// For people; empty if not declared.
    pub label: String,
    /// As written.
    pub roles: Vec<String>,
    /// As written; empty if not declared.
    pub channels: String,
    /// To be shown even to those who want none.
    pub forced: bool,
    /// Inside the pictures.
    pub captions: bool,
    /// It is what is played.
    pub selected: bool,
}

impl From<TrackInfo> for Track {
    fn from(info: TrackInfo) -> Self {
        let TrackInfo {
            id,
            language,
            label,
            roles,
            channels,
            forced,
            captions,
            selected,
        } = info;
        Self {
            id,
            language,
            label,
            roles,
            channels,
            forced,
            captions,
            selected,
        }
    }
}

/// A cue of text in the web's terms.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cue {
    /// Its identifier.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Seconds.
    pub start: f64,
    /// Seconds.
    pub end: f64,
    /// WebVTT cue settings.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub settings: String,
    /// With the markup of WebVTT.
    pub text: String,
    /// Where it is shown, if in a region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<CueRegion>,
}

/// A part of the video that cues are shown in: percent, but for the lines.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CueRegion {
    /// Its id.
    pub id: String,
    /// Of the video.
    pub width: f64,
    /// How many lines are visible.
    pub lines: u32,
    /// The point of the region that is at the other anchor,
    pub region_anchor: (f64, f64),
    /// which is a point of the video.
    pub viewport_anchor: (f64, f64),
    /// Its cues move up to make room for new ones.
    pub scroll_up: bool,
}

impl From<TextCue> for Cue {
    fn from(cue: TextCue) -> Self {
        Self {
            id: cue.id,
            start: cue.start.as_secs_f64(),
            end: cue.end.as_secs_f64(),
            settings: cue.settings,
            text: cue.text,
            region: cue.region.map(|region| CueRegion {
                id: region.id,
                width: region.width,
                lines: region.lines,
                region_anchor: region.region_anchor,
                viewport_anchor: region.viewport_anchor,
                scroll_up: region.scroll_up,
            }),
        }
    }
}

/// One rung of the ladder in the web's terms.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rendition {
    /// Its id, for `select`.
    pub id: String,
    /// Declared peak, bit/s.
    pub bitrate: u64,
    /// Pixels; 0 if not declared.
    pub width: u32,
    /// Pixels; 0 if not declared.
    pub height: u32,
    /// Frames per second; 0 if not declared.
    pub frame_rate: f64,
    /// RFC 6381.
    pub codecs: String,
}

impl From<RenditionInfo> for Rendition {
    fn from(info: RenditionInfo) -> Self {
        let RenditionInfo {
            id,
            bandwidth,
            width,
            height,
            frame_rate,
            codecs,
        } = info;
        Self {
            id,
            bitrate: bandwidth.as_bps(),
            width,
            height,
            frame_rate,
            codecs,
        }
    }
}

impl Event {
    /// The engine's event; `None` for one that this version has no words for.
    pub fn from_engine(event: PlayerEvent) -> Option<Self> {
        Some(match event {
            PlayerEvent::Error(PlayerError {
                kind,
                fatal,
                message,
                drm,
            }) => Self::Error {
                kind: kind.name(),
                fatal,
                message,
                drm: drm.map(|drm| Box::new(KeyError::from(*drm))),
            },
            PlayerEvent::LicenceStored { id } => Self::LicenceStored { id },
            PlayerEvent::Limited { highest, by } => Self::Limit {
                highest,
                by: by
                    .into_iter()
                    .map(|limit| limit.name().replace('_', "-"))
                    .collect(),
            },
            PlayerEvent::Live { range, edge } => Self::Live {
                start: range.start.as_secs_f64(),
                end: range.end.as_secs_f64(),
                edge: edge.as_secs_f64(),
            },
            PlayerEvent::Loaded {
                protocol,
                duration,
                live,
                renditions,
                warnings,
            } => Self::Loaded {
                protocol,
                duration: duration.map(MediaTime::as_secs_f64),
                live,
                renditions: renditions.into_iter().map(Rendition::from).collect(),
                warnings,
            },
            PlayerEvent::Metadata(event) => Self::from_metadata(event)?,
            PlayerEvent::Rendition { id, visible } => Self::Rendition { id, visible },
            PlayerEvent::Scan { rate } => Self::Scan { rate },
            PlayerEvent::State { state, cause } => Self::State {
                state: state_name(state),
                cause: cause.map(RebufferCause::name),
            },
            PlayerEvent::Stats(stats) => Self::Stats {
                buffer: stats.buffer.as_secs_f64(),
                throughput: stats.throughput.map(player_core::Bitrate::as_bps),
                rendition: stats.rendition,
                latency: stats.latency.map(MediaTime::as_secs_f64),
            },
            PlayerEvent::Tracks { audio, text } => Self::Tracks {
                audio: audio.into_iter().map(Track::from).collect(),
                text: text.into_iter().map(Track::from).collect(),
            },
            _ => return None,
        })
    }

    fn from_metadata(event: MetadataEvent) -> Option<Self> {
        let (change, key, metadata) = match event {
            MetadataEvent::Enter(metadata) => ("enter", metadata.key, Some(metadata)),
            MetadataEvent::Known(metadata) => ("known", metadata.key, Some(metadata)),
            MetadataEvent::Leave { key } => ("leave", key, None),
            MetadataEvent::Removed { key } => ("removed", key, None),
            _ => return None,
        };
        let metadata = metadata.map(|known| Box::new(Metadata::from(*known)));
        Some(Self::Metadata {
            change,
            key,
            metadata,
        })
    }
}

fn state_name(state: PlaybackState) -> &'static str {
    match state {
        PlaybackState::Idle => "idle",
        PlaybackState::Starting => "starting",
        PlaybackState::Playing => "playing",
        PlaybackState::Paused => "paused",
        PlaybackState::Rebuffering => "rebuffering",
        PlaybackState::Seeking => "seeking",
        PlaybackState::Ended => "ended",
        PlaybackState::Failed => "failed",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use player_core::Bitrate;
    use player_core::output::Limit;

    #[test]
    fn events_speak_seconds_and_bits() {
        let info = RenditionInfo {
            id: "v".into(),
            bandwidth: Bitrate::from_bps(600_000),
            width: 640,
            height: 360,
            frame_rate: 25.0,
            codecs: "avc1".into(),
        };
        let loaded = PlayerEvent::Loaded {
            protocol: "hls".into(),
            duration: Some(MediaTime::from_millis(2500)),
            live: false,
            renditions: vec![info],
            warnings: vec![],
        };
        let message = FromDriver::Event {
            event: Event::from_engine(loaded).unwrap(),
        };
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            r#"{"type":"event","event":{"type":"loaded","protocol":"hls","duration":2.5,"live":false,"renditions":[{"id":"v","bitrate":600000,"width":640,"height":360,"frameRate":25.0,"codecs":"avc1"}],"warnings":[]}}"#
        );
        let limited = PlayerEvent::Limited {
            highest: "v".into(),
            by: vec![Limit::ElementSize, Limit::Application],
        };
        assert_eq!(
            serde_json::to_string(&Event::from_engine(limited).unwrap()).unwrap(),
            r#"{"type":"limit","highest":"v","by":["element-size","application"]}"#
        );
        let remember = FromDriver::Remember {
            kbps: 3000.0,
            spread: 0.5,
            unix_ms: 1_700_000_000_000,
        };
        assert_eq!(
            serde_json::to_string(&remember).unwrap(),
            r#"{"type":"remember","kbps":3000.0,"spread":0.5,"unixMs":1700000000000}"#
        );
        let seek = FromDriver::Seek { current_time: 4.0 };
        assert_eq!(
            serde_json::to_string(&seek).unwrap(),
            r#"{"type":"seek","currentTime":4.0}"#
        );
    }
}
