//! JSON whose objects keep the order in which their members were put in.

use std::borrow::Cow;

use player_core::manifest::datetime;
use player_core::presentation::{Resource, Warning};
use player_core::time::{ByteRange, MediaTime, WallTime};
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use super::mpd::Segments;

/// A JSON value.
#[derive(Debug)]
pub enum Node {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Object(Object),
    /// An array of segments that are worked out when they are written.
    Segments(Segments),
}

/// A JSON object.
#[derive(Debug, Default)]
pub struct Object(Vec<(Cow<'static, str>, Node)>);

impl Object {
    pub(super) fn of_kind(kind: &'static str) -> Self {
        Self::default().with("kind", kind)
    }

    /// Adds a member; what is there already stays.
    pub(super) fn put(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Node>) {
        let name = name.into();
        if !self.has(&name) {
            self.0.push((name, value.into()));
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Sets a member, in its place if it is there already.
    pub(super) fn set(&mut self, name: &'static str, value: impl Into<Node>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value.into(),
            None => self.put(name, value),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<Node>) -> Self {
        self.put(name, value);
        self
    }

    /// Adds a member if there is a value.
    pub(super) fn given(self, name: &'static str, value: Option<impl Into<Node>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a member if the text is not empty.
    pub(super) fn text(self, name: &'static str, text: &str) -> Self {
        self.given(name, (!text.is_empty()).then_some(text))
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => out.serialize_unit(),
            Self::Bool(value) => out.serialize_bool(*value),
            Self::Number(number) => number.serialize(out),
            Self::Text(text) => out.serialize_str(text),
            Self::List(list) => {
                let mut seq = out.serialize_seq(Some(list.len()))?;
                for item in list {
                    seq.serialize_element(item)?;
                }
                seq.end()
            }
            Self::Object(object) => object.serialize(out),
            Self::Segments(segments) => segments.serialize(out),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u32> for Node {
    fn from(value: u32) -> Self {
        Self::Number(value.into())
    }
}

impl From<u64> for Node {
    fn from(value: u64) -> Self {
        Self::Number(value.into())
    }
}

impl From<i64> for Node {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<usize> for Node {
    fn from(value: usize) -> Self {
        Self::Number(value.into())
    }
}

impl From<f64> for Node {
    fn from(value: f64) -> Self {
        serde_json::Number::from_f64(value).map_or(Self::Null, Self::Number)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Object> for Node {
    fn from(object: Object) -> Self {
        Self::Object(object)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Node {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Self>> From<Option<T>> for Node {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<MediaTime> for Node {
    fn from(time: MediaTime) -> Self {
        time.as_secs_f64().into()
    }
}

impl From<WallTime> for Node {
    fn from(time: WallTime) -> Self {
        datetime::format(time).into()
    }
}

impl From<ByteRange> for Node {
    fn from(range: ByteRange) -> Self {
        Object::default()
            .with("offset", range.offset)
            .with("length", range.length)
            .into()
    }
}

impl From<&Resource> for Node {
    fn from(resource: &Resource) -> Self {
        Object::default()
            .with("uri", resource.url.as_str())
            .with("byte_range", resource.range)
            .into()
    }
}

impl From<&Warning> for Node {
    fn from(warning: &Warning) -> Self {
        Object::default()
            .with("line", warning.line)
            .with("message", warning.message.as_str())
            .into()
    }
}

/// A list of what can be made a value of.
pub(super) fn list<'a, T: 'a>(items: impl IntoIterator<Item = &'a T>) -> Node
where
    Node: From<&'a T>,
{
    Node::List(items.into_iter().map(Node::from).collect())
}

/// Bytes as hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
