//! Timed metadata, from wherever it comes: ID3 tags, event messages, date ranges, event streams.

use serde::{Deserialize, Serialize};

use crate::media::id3::Frame;
use crate::time::MediaTime;

/// Something that is said of a stretch or a point of the presentation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Names it within a load.
    pub key: u64,
    /// Where it comes from.
    pub source: MetadataSource,
    /// What it means: the scheme of an event, the class of a date range. Empty if it does not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scheme: String,
    /// A refinement of that.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Its own id; empty if it has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// When it begins on the presentation timeline.
    pub start: MediaTime,
    /// When it ends; the same as `start` if it is of a point, `None` if that is not known.
    pub end: Option<MediaTime>,
    /// Frames of an ID3 tag, also of one in an event message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Frame>,
    /// Attributes of a date range, name and value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(String, String)>,
    /// The message of an event.
    #[serde(skip_serializing_if = "Message::is_none")]
    pub message: Message,
}

/// Where metadata comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MetadataSource {
    /// The playlist (`EXT-X-DATERANGE`).
    DateRange,
    /// A segment (`emsg`).
    Emsg,
    /// The MPD (`EventStream`).
    EventStream,
    /// A segment: an ID3 tag, by itself or in an event message.
    #[default]
    Id3,
}

impl MetadataSource {
    /// `date_range`, `emsg`, `event_stream` or `id3`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DateRange => "date_range",
            Self::Emsg => "emsg",
            Self::EventStream => "event_stream",
            Self::Id3 => "id3",
        }
    }
}

/// What an event says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// Bytes, in a segment.
    Bytes(Vec<u8>),
    /// Nothing, or nothing apart from frames and attributes.
    #[default]
    None,
    /// Text, in a manifest.
    Text(String),
}

impl Message {
    fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// How many bytes it is.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::None => 0,
            Self::Text(text) => text.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What an application hears of metadata.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MetadataEvent {
    /// The playhead is in it, or at it.
    Enter(Box<Metadata>),
    /// It has become known, or is known better than before: mostly before the playhead gets there.
    Known(Box<Metadata>),
    /// The playhead is not in it any more. Of a point this is not said.
    Leave {
        /// Which.
        key: u64,
    },
    /// It is not kept any more: it is far behind the playhead, or the manifest does not list it any more.
    Removed {
        /// Which.
        key: u64,
    },
}

impl Serialize for MetadataEvent {
    /// As serde would, but for that: a variant with fields, inside of an enum with a tag, it first copies into a tree of values.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Key {
            key: u64,
        }

        const NAME: &str = "MetadataEvent";
        match self {
            Self::Enter(of) => serializer.serialize_newtype_variant(NAME, 0, "enter", of),
            Self::Known(of) => serializer.serialize_newtype_variant(NAME, 1, "known", of),
            Self::Leave { key } => serializer.serialize_newtype_variant(NAME, 2, "leave", &Key { key: *key }),
            Self::Removed { key } => {
                serializer.serialize_newtype_variant(NAME, 3, "removed", &Key { key: *key })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::json;
    use crate::output::PlayerEvent;

    #[test]
    fn events_are_written_as_they_are_read() {
        let known = Metadata {
            key: 7,
            ..Metadata::default()
        };
        for (event, begin) in [
            (
                MetadataEvent::Enter(known.clone().into()),
                r#"{"type":"metadata","enter":{"key":7,"#,
            ),
            (
                MetadataEvent::Known(known.into()),
                r#"{"type":"metadata","known":{"key":7,"#,
            ),
            (
                MetadataEvent::Leave { key: 5 },
                r#"{"type":"metadata","leave":{"key":5}}"#,
            ),
            (
                MetadataEvent::Removed { key: 6 },
                r#"{"type":"metadata","removed":{"key":6}}"#,
            ),
        ] {
            let event = PlayerEvent::Metadata(event);
            let text = json::to_string(&event);
            assert!(text.starts_with(begin), "{text}");
            assert_eq!(serde_json::from_str::<PlayerEvent>(&text).unwrap(), event);
        }
    }
}
