//! AMF 0 ("Action Message Format", 2006), as far as commands use it.

/// A value, as far as it is looked at.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Text(String),
    Object(Vec<(String, Self)>),
    /// Null, and whatever else.
    Other,
}

impl Value {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A property of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(properties) => properties
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }
}

/// Reads values until the end, or what is none.
pub(super) fn read_all(mut bytes: &[u8]) -> Vec<Value> {
    let mut values = Vec::new();
    while values.len() < MAX_VALUES
        && let Some(value) = read(&mut bytes, 0)
    {
        values.push(value);
    }
    values
}

fn read(bytes: &mut &[u8], depth: usize) -> Option<Value> {
    let [kind] = take(bytes)?;
    Some(match kind {
        NUMBER => Value::Number(f64::from_be_bytes(take(bytes)?)),
        BOOLEAN => {
            let [_] = take(bytes)?;
            Value::Other
        }
        STRING => Value::Text(text(bytes)?),
        OBJECT => Value::Object(properties(bytes, depth)?),
        ECMA_ARRAY => {
            let _: [u8; 4] = take(bytes)?;
            Value::Object(properties(bytes, depth)?)
        }
        NULL | UNDEFINED => Value::Other,
        _ => return None,
    })
}

fn properties(bytes: &mut &[u8], depth: usize) -> Option<Vec<(String, Value)>> {
    if depth >= MAX_DEPTH {
        return None;
    }
    let mut properties = Vec::new();
    while properties.len() < MAX_VALUES {
        let name = text(bytes)?;
        if name.is_empty() && bytes.first() == Some(&OBJECT_END) {
            let [_] = take(bytes)?;
            return Some(properties);
        }
        properties.push((name, read(bytes, depth + 1)?));
    }
    None
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::from(u16::from_be_bytes(take(bytes)?));
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(String::from_utf8_lossy(text).into_owned())
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

/// Writes values one after the other.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn number(mut self, number: f64) -> Self {
        self.0.push(NUMBER);
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.push(STRING);
        self.name(text);
        self
    }

    pub(super) fn null(mut self) -> Self {
        self.0.push(NULL);
        self
    }

    pub(super) fn object(mut self, properties: &[(&str, &str)]) -> Self {
        self.0.push(OBJECT);
        for (name, value) in properties {
            self.name(name);
            self = self.text(value);
        }
        self.0.extend_from_slice(&[0, 0, OBJECT_END]);
        self
    }

    /// Texts here are our own, and short.
    fn name(&mut self, text: &str) {
        self.0.extend_from_slice(&(text.len() as u16).to_be_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }
}

const NUMBER: u8 = 0;
const BOOLEAN: u8 = 1;
const STRING: u8 = 2;
const OBJECT: u8 = 3;
const NULL: u8 = 5;
const UNDEFINED: u8 = 6;
const ECMA_ARRAY: u8 = 8;
const OBJECT_END: u8 = 9;
/// Of a command, and of an object.
const MAX_VALUES: usize = 64;
const MAX_DEPTH: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let written = Writer::default()
            .text("connect")
            .number(1.0)
            .object(&[("app", "live"), ("type", "nonprivate")])
            .null();
        let read = read_all(&written.0);
        assert_eq!(read.len(), 4);
        assert_eq!(read.first().and_then(Value::text), Some("connect"));
        assert_eq!(read.get(1), Some(&Value::Number(1.0)));
        let app = read.get(2).and_then(|object| object.get("app"));
        assert_eq!(app.and_then(Value::text), Some("live"));
    }

    #[test]
    fn deep_and_broken_values_end_it() {
        // Objects in objects, a hundred thousand deep.
        let deep = [OBJECT, 0, 1, b'a'].repeat(100_000);
        assert!(read_all(&deep).is_empty());
        let written = Writer::default().object(&[("app", "live")]).0;
        for length in 0..written.len() {
            assert!(read_all(written.get(..length).unwrap_or_default()).is_empty());
        }
    }
}
