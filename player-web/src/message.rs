//! The messages between the driver and the owner of the media element: plain objects both ways.
//!
//! Times are seconds of media as in `HTMLMediaElement.currentTime`; names are those of the web platform where it has
//! one. The TypeScript side has the same definitions in `ts/messages.ts`.

use player_core::input::{Host, Load, MediaState};
use player_core::output::{PlayerEvent, RenditionInfo};
use player_core::telemetry::schema::{PlaybackState, RebufferCause};
use player_core::{Config, MediaTime};
use serde::{Deserialize, Serialize};

/// What a driver is made with.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Options {
    /// The engine's configuration, in its own spelling. Its seed is drawn by the driver.
    pub config: Config,
    /// Where beacons go; without it there are none.
    pub beacon_url: Option<String>,
    /// Record a log of inputs and outputs, in memory, up to a few megabytes.
    pub record: bool,
}

/// A message to the driver.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Flat")]
pub enum ToDriver {
    /// `{ type: 'host', hidden, width, height }`: the page around the player; sizes in device pixels.
    Host(Host),
    /// `{ type: 'load', url, startTime, videoId, videoTitle }`: play this; the wall clock is the driver's.
    Load(Load),
    /// `{ type: 'media', currentTime, paused, seeking, ended, readyState, playbackRate, decodedFrames, droppedFrames,
    /// error }`: the state of the element.
    Media(MediaState),
    /// `{ type: 'select', rendition }`: play this rendition; without one, the engine chooses.
    Select(Option<String>),
    /// `{ type: 'unload' }`: stop and end the view.
    Unload,
}

/// All fields of all messages: one flat reader is a third of the code of a tagged one.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Flat {
    r#type: String,
    current_time: Option<f64>,
    decoded_frames: Option<f64>,
    dropped_frames: Option<f64>,
    ended: bool,
    error: Option<u8>,
    height: Option<f64>,
    hidden: bool,
    paused: bool,
    playback_rate: Option<f64>,
    ready_state: u8,
    rendition: Option<String>,
    seeking: bool,
    start_time: Option<f64>,
    url: Option<String>,
    video_id: Option<String>,
    video_title: Option<String>,
    width: Option<f64>,
}

impl TryFrom<Flat> for ToDriver {
    type Error = MessageError;

    fn try_from(flat: Flat) -> Result<Self, MessageError> {
        Ok(match flat.r#type.as_str() {
            "host" => Self::Host(Host {
                hidden: flat.hidden,
                width: whole(flat.width) as u32,
                height: whole(flat.height) as u32,
            }),
            "load" => Self::Load(Load {
                url: flat
                    .url
                    .filter(|url| !url.is_empty())
                    .ok_or(MessageError::NoUrl)?,
                start: flat.start_time.map(MediaTime::from_secs_f64),
                wall_clock_ms: 0,
                video_id: flat.video_id.unwrap_or_default(),
                video_title: flat.video_title.unwrap_or_default(),
            }),
            "media" => Self::Media(MediaState {
                position: MediaTime::from_secs_f64(flat.current_time.unwrap_or_default()),
                paused: flat.paused,
                seeking: flat.seeking,
                ended: flat.ended,
                ready_state: flat.ready_state,
                rate: flat.playback_rate.unwrap_or(1.0),
                decoded_frames: whole(flat.decoded_frames),
                dropped_frames: whole(flat.dropped_frames),
                error: flat.error,
            }),
            "select" => Self::Select(flat.rendition),
            "unload" => Self::Unload,
            _ => return Err(MessageError::UnknownType(flat.r#type)),
        })
    }
}

/// JavaScript's numbers as counts: no NaN, no fraction, nothing negative.
fn whole(number: Option<f64>) -> u64 {
    number.unwrap_or_default() as u64
}

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// `load` without a URL.
    #[error("a `load` needs a `url`")]
    NoUrl,
    /// Nothing that this version knows.
    #[error("unknown type {0:?}; known are host, load, media, select, unload")]
    UnknownType(String),
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
    /// Take the source away from the element.
    Detach,
    /// Tell the application.
    Event {
        /// What happened.
        event: Event,
    },
    /// Move the playhead.
    Seek {
        /// Where to, seconds.
        current_time: f64,
    },
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
    },
    /// The manifest was read.
    Loaded {
        /// `hls` or `dash`.
        protocol: String,
        /// Seconds, or null.
        duration: Option<f64>,
        /// The video ladder, lowest bitrate first.
        renditions: Vec<Rendition>,
        /// What was odd in the manifest.
        warnings: Vec<String>,
    },
    /// A rendition is fetched, or seen.
    Rendition {
        /// Its id.
        id: String,
        /// The playhead has reached it.
        visible: bool,
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
    },
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
            PlayerEvent::Error(error) => Self::Error {
                kind: error.kind.name(),
                fatal: error.fatal,
                message: error.message,
            },
            PlayerEvent::Loaded {
                protocol,
                duration,
                renditions,
                warnings,
            } => Self::Loaded {
                protocol,
                duration: duration.map(MediaTime::as_secs_f64),
                renditions: renditions.into_iter().map(Rendition::from).collect(),
                warnings,
            },
            PlayerEvent::Rendition { id, visible } => Self::Rendition { id, visible },
            PlayerEvent::State { state, cause } => Self::State {
                state: state_name(state),
                cause: cause.map(cause_name),
            },
            PlayerEvent::Stats(stats) => Self::Stats {
                buffer: stats.buffer.as_secs_f64(),
                throughput: stats.throughput.map(player_core::Bitrate::as_bps),
                rendition: stats.rendition,
            },
            _ => return None,
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

fn cause_name(cause: RebufferCause) -> &'static str {
    match cause {
        RebufferCause::Decode => "decode",
        RebufferCause::Network => "network",
        RebufferCause::Seek => "seek",
        RebufferCause::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use player_core::Bitrate;
    use player_core::config::Algorithm;

    fn read(json: &str) -> Result<ToDriver, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_load_needs_a_url_and_keeps_what_the_application_calls_the_video() {
        let load = read(r#"{"type":"load","url":"https://a/b.mpd","startTime":1.5,"videoId":"7"}"#).unwrap();
        let expected = Load {
            url: "https://a/b.mpd".into(),
            start: Some(MediaTime::from_millis(1500)),
            video_id: "7".into(),
            ..Load::default()
        };
        assert_eq!(load, ToDriver::Load(expected));
        assert!(read(r#"{"type":"load"}"#).unwrap_err().contains("needs a `url`"));
    }

    #[test]
    fn numbers_that_json_cannot_hold_are_harmless() {
        // JSON.stringify makes NaN and Infinity null.
        let media = read(
            r#"{"type":"media","currentTime":null,"playbackRate":2,"readyState":4,"decodedFrames":12.0,"droppedFrames":-3}"#,
        );
        let expected = MediaState {
            rate: 2.0,
            ready_state: 4,
            decoded_frames: 12,
            paused: false,
            ..MediaState::default()
        };
        assert_eq!(media, Ok(ToDriver::Media(expected)));
    }

    #[test]
    fn an_unknown_type_is_named_with_the_known_ones() {
        let error = read(r#"{"type":"paly"}"#).unwrap_err();
        assert!(
            error.contains("\"paly\"") && error.contains("known are host, load"),
            "{error}"
        );
    }

    #[test]
    fn a_selection_without_a_rendition_gives_the_choice_back() {
        assert_eq!(
            read(r#"{"type":"select","rendition":null}"#),
            Ok(ToDriver::Select(None))
        );
        assert_eq!(
            read(r#"{"type":"select","rendition":"360p"}"#),
            Ok(ToDriver::Select(Some("360p".into())))
        );
    }

    #[test]
    fn options_name_the_field_that_they_do_not_know() {
        let options: Options =
            serde_json::from_str(r#"{"config":{"abr":{"algorithm":"bola"}},"record":true}"#).unwrap();
        assert_eq!(
            (options.config.abr.algorithm, options.record),
            (Algorithm::Bola, true)
        );
        let error =
            serde_json::from_str::<Options>(r#"{"config":{"abr":{"algorithmn":"bola"}}}"#).unwrap_err();
        assert!(error.to_string().contains("algorithmn"), "{error}");
    }

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
            renditions: vec![info],
            warnings: vec![],
        };
        let message = FromDriver::Event {
            event: Event::from_engine(loaded).unwrap(),
        };
        assert_eq!(
            serde_json::to_string(&message).unwrap(),
            r#"{"type":"event","event":{"type":"loaded","protocol":"hls","duration":2.5,"renditions":[{"id":"v","bitrate":600000,"width":640,"height":360,"frameRate":25.0,"codecs":"avc1"}],"warnings":[]}}"#
        );
        let seek = FromDriver::Seek { current_time: 4.0 };
        assert_eq!(
            serde_json::to_string(&seek).unwrap(),
            r#"{"type":"seek","currentTime":4.0}"#
        );
    }
}
