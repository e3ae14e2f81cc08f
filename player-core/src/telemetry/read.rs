//! Reads events in one pass. serde's own way through `flatten` and `tag` keeps every event in a map of values first, which
//! takes a collector longer than all the rest of a beacon.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::schema::{Event, RebufferCause, TimedEvent};

/// Why an object is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event lacks `{0}`, or it is of another type")]
pub struct InvalidEvent(pub(super) &'static str);

/// A value as far as events have any. What a field may hold depends on the event's name, which may come after it.
#[derive(Default)]
enum Value<'a> {
    #[default]
    Absent,
    Bool(bool),
    Number(u64),
    Text(Cow<'a, str>),
    Other,
}

/// The fields of all events.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct FlatEvent<'a> {
    #[serde(borrow)]
    t: Value<'a>,
    #[serde(borrow)]
    e: Value<'a>,
    #[serde(borrow)]
    by: Value<'a>,
    #[serde(borrow)]
    cause: Value<'a>,
    #[serde(borrow)]
    id: Value<'a>,
    #[serde(borrow)]
    kind: Value<'a>,
    #[serde(borrow)]
    message: Value<'a>,
    #[serde(borrow)]
    rendition: Value<'a>,
    #[serde(borrow)]
    track: Value<'a>,
    buffer_ms: Value<'a>,
    bytes: Value<'a>,
    cancelled: Value<'a>,
    fatal: Value<'a>,
    height: Value<'a>,
    hidden: Value<'a>,
    kbps: Value<'a>,
    media_ms: Value<'a>,
    ms: Value<'a>,
    pos_ms: Value<'a>,
    status: Value<'a>,
    to_ms: Value<'a>,
    ttfb_ms: Value<'a>,
}

impl TryFrom<FlatEvent<'_>> for TimedEvent {
    type Error = InvalidEvent;

    fn try_from(f: FlatEvent<'_>) -> Result<Self, InvalidEvent> {
        let t = f.t.number("t")?;
        let Value::Text(name) = f.e else {
            return Err(InvalidEvent("e"));
        };
        let event = match &*name {
            "ended" => Event::Ended,
            "error" => Event::Error {
                kind: f.kind.text("kind")?,
                fatal: f.fatal.flag("fatal")?,
                message: f.message.text("message")?,
            },
            "first_frame" => Event::FirstFrame,
            "hidden" => Event::Hidden {
                hidden: f.hidden.flag("hidden")?,
            },
            "limit" => Event::Limit {
                id: f.id.text("id")?,
                by: f.by.text("by")?,
            },
            "manifest" => Event::Manifest,
            "pause" => Event::Pause,
            "play" => Event::Play,
            "playing" => Event::Playing,
            "rebuffer_end" => Event::RebufferEnd,
            "rebuffer_start" => Event::RebufferStart {
                cause: f.cause.cause()?,
            },
            "rendition" => Event::Rendition {
                id: f.id.text("id")?,
                kbps: f.kbps.small("kbps")?,
                height: f.height.or(Value::Number(0)).small("height")?,
            },
            "request" => Event::Request {
                kind: f.kind.text("kind")?,
                track: f.track.or_empty().text("track")?,
                rendition: f.rendition.or_empty().text("rendition")?,
                media_ms: match f.media_ms {
                    Value::Absent => None,
                    given => Some(given.number("media_ms")?),
                },
                bytes: f.bytes.number("bytes")?,
                ttfb_ms: f.ttfb_ms.number("ttfb_ms")?,
                ms: f.ms.number("ms")?,
                status: f.status.small("status")?,
                cancelled: f.cancelled.or(Value::Bool(false)).flag("cancelled")?,
            },
            "sample" => Event::Sample {
                pos_ms: f.pos_ms.number("pos_ms")?,
                buffer_ms: f.buffer_ms.number("buffer_ms")?,
                kbps: f.kbps.number("kbps")?,
            },
            "seek" => Event::Seek {
                to_ms: f.to_ms.number("to_ms")?,
            },
            "seeked" => Event::Seeked,
            "view_end" => Event::ViewEnd,
            "view_start" => Event::ViewStart,
            _ => Event::Unknown,
        };
        Ok(Self { t, event })
    }
}

impl Value<'_> {
    fn or(self, default: Self) -> Self {
        if matches!(self, Self::Absent) {
            default
        } else {
            self
        }
    }

    fn or_empty(self) -> Self {
        self.or(Self::Text(Cow::Borrowed("")))
    }

    fn flag(self, name: &'static str) -> Result<bool, InvalidEvent> {
        match self {
            Self::Bool(flag) => Ok(flag),
            _ => Err(InvalidEvent(name)),
        }
    }

    fn number(self, name: &'static str) -> Result<u64, InvalidEvent> {
        match self {
            Self::Number(number) => Ok(number),
            _ => Err(InvalidEvent(name)),
        }
    }

    fn small<T: TryFrom<u64>>(self, name: &'static str) -> Result<T, InvalidEvent> {
        T::try_from(self.number(name)?).map_err(|_| InvalidEvent(name))
    }

    fn text(self, name: &'static str) -> Result<String, InvalidEvent> {
        match self {
            Self::Text(text) => Ok(text.into_owned()),
            _ => Err(InvalidEvent(name)),
        }
    }

    fn cause(self) -> Result<RebufferCause, InvalidEvent> {
        match self {
            Self::Text(text) => Ok(match &*text {
                "decode" => RebufferCause::Decode,
                "network" => RebufferCause::Network,
                "seek" => RebufferCause::Seek,
                _ => RebufferCause::Other,
            }),
            _ => Err(InvalidEvent("cause")),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(u64::try_from(number).map_or(Value::Other, Value::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value<'de>, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::super::schema::Counters;
    use super::*;

    fn read(text: &str) -> Result<TimedEvent, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_event_is_read_as_it_is_written() {
        let request = |media_ms, cancelled| Event::Request {
            kind: "segment".into(),
            track: "video".into(),
            rendition: "\"1080p\"".into(),
            media_ms,
            bytes: 1,
            ttfb_ms: 2,
            ms: 3,
            status: 206,
            cancelled,
        };
        let events = [
            Event::Ended,
            Event::Error {
                kind: "http".into(),
                fatal: true,
                message: "a\nb".into(),
            },
            Event::FirstFrame,
            Event::Hidden { hidden: true },
            Event::Limit {
                id: "a".into(),
                by: String::new(),
            },
            Event::Manifest,
            Event::Pause,
            Event::Play,
            Event::Playing,
            Event::RebufferEnd,
            Event::RebufferStart {
                cause: RebufferCause::Decode,
            },
            Event::RebufferStart {
                cause: RebufferCause::Network,
            },
            Event::RebufferStart {
                cause: RebufferCause::Seek,
            },
            Event::RebufferStart {
                cause: RebufferCause::Other,
            },
            Event::Rendition {
                id: "a".into(),
                kbps: 7,
                height: 1080,
            },
            request(None, false),
            request(Some(4000), true),
            Event::Sample {
                pos_ms: 1,
                buffer_ms: 2,
                kbps: u64::MAX,
            },
            Event::Seek { to_ms: 9 },
            Event::Seeked,
            Event::ViewEnd,
            Event::ViewStart,
            Event::Unknown,
        ];
        for (t, event) in (0..).zip(events) {
            let event = TimedEvent { t, event };
            assert_eq!(read(&serde_json::to_string(&event).unwrap()).unwrap(), event);
        }
    }

    #[test]
    fn the_name_may_come_last_and_absent_fields_have_defaults() {
        let rendition = Event::Rendition {
            id: "a".into(),
            kbps: 5,
            height: 0,
        };
        let read = read(r#"{"kbps":5,"id":"a","t":1,"e":"rendition"}"#).unwrap();
        assert_eq!(
            read,
            TimedEvent {
                t: 1,
                event: rendition
            }
        );
    }

    #[test]
    fn what_is_not_known_is_passed_over_whatever_it_holds() {
        for text in [
            r#"{"t":1,"e":"teleport","kbps":"mars","id":{"a":[1,null]},"bytes":-1.5,"new":[]}"#,
            r#"{"e":"","t":1}"#,
        ] {
            assert_eq!(read(text).unwrap().event, Event::Unknown, "{text}");
        }
        let cause = read(r#"{"t":1,"e":"rebuffer_start","cause":"gremlins"}"#).unwrap();
        let cause_of_tomorrow = RebufferCause::Other;
        assert_eq!(
            cause.event,
            Event::RebufferStart {
                cause: cause_of_tomorrow
            }
        );
    }

    #[test]
    fn what_is_known_must_be_whole() {
        for (text, field) in [
            (r#"{"e":"play"}"#, "t"),
            (r#"{"t":-1,"e":"play"}"#, "t"),
            (r#"{"t":1}"#, "e"),
            (r#"{"t":1,"e":5}"#, "e"),
            (r#"{"t":1,"e":"seek","to_ms":"1"}"#, "to_ms"),
            (r#"{"t":1,"e":"hidden","hidden":1}"#, "hidden"),
            (r#"{"t":1,"e":"rendition","id":"a","kbps":4294967296}"#, "kbps"),
            (r#"{"t":1,"e":"rebuffer_start","cause":null}"#, "cause"),
        ] {
            assert!(read(text).unwrap_err().contains(&format!("`{field}`")), "{text}");
        }
    }

    #[test]
    fn counters_of_older_players_are_read() {
        let counters: Counters = serde_json::from_str(r#"{"media_ms":5}"#).unwrap();
        assert_eq!((counters.media_ms, counters.scaled_media_ms), (5, 0));
    }
}
