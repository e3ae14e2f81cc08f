//! What other players report, read: a dictionary of structured fields (RFC 8941), as a line of an event report (CTA-5004-B) or
//! the value of the query parameter `CMCD` (CTA-5004).

use std::borrow::Cow;

/// A longer line is not read.
pub const MAX_BYTES: usize = 16 << 10;
/// A line with more keys, or a list with more members, is not read.
const MAX_ITEMS: usize = 200;
/// Digits before the point (RFC 8941, section 3.3).
const MAX_DIGITS: usize = 15;

/// A report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line<'a> {
    /// Key and value, in their order.
    members: Vec<(&'a str, Vec<Item<'a>>)>,
}

/// A value, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The value.
    pub value: Value<'a>,
    /// Its parameters: `v` and true of `3000;v`.
    pub parameters: Vec<(&'a str, Value<'a>)>,
}

/// A bare value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `?0`, `?1`, or a key by itself.
    Boolean(bool),
    /// A number, in thousandths.
    Number(i64),
    /// A string, without its quotes.
    Text(Cow<'a, str>),
    /// A word without quotes.
    Token(&'a str),
}

/// The text is no dictionary of structured fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line is not CMCD, at byte {at}")]
pub struct InvalidLine {
    /// Where reading ended.
    pub at: usize,
}

impl<'a> Line<'a> {
    /// Reads a line. Of a key that is there twice the last counts.
    ///
    /// # Errors
    /// If it is empty, too long, or not a dictionary of structured fields.
    pub fn read(text: &'a str) -> Result<Self, InvalidLine> {
        let mut reader = Reader { text, at: 0 };
        let mut line = Self::default();
        reader.skip_spaces();
        if text.len() > MAX_BYTES {
            return Err(reader.invalid());
        }
        loop {
            let key = reader.key()?;
            let value = match reader.take(b'=') {
                true => reader.list_or_item()?,
                false => vec![reader.parameters_of(Value::Boolean(true))?],
            };
            line.members.retain(|(other, _)| *other != key);
            line.members.push((key, value));
            reader.skip_spaces();
            if reader.is_at_end() {
                return Ok(line);
            }
            if !reader.take(b',') || line.members.len() > MAX_ITEMS {
                return Err(reader.invalid());
            }
            reader.skip_spaces();
        }
    }

    /// The members of a key's list, or its one value; none if the key is not there.
    pub fn items(&self, key: &str) -> &[Item<'a>] {
        let member = self.members.iter().find(|(other, _)| *other == key);
        member.map_or(&[], |(_, items)| items)
    }

    fn first(&self, key: &str) -> Option<&Value<'a>> {
        self.items(key).first().map(|item| &item.value)
    }

    /// A number without what is behind its point; of a list, the first one. Nothing if it is negative.
    pub fn number(&self, key: &str) -> Option<u64> {
        u64::try_from(self.thousandths(key)? / 1000).ok()
    }

    /// A number in thousandths; of a list, the first one.
    pub fn thousandths(&self, key: &str) -> Option<i64> {
        match self.first(key)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// A boolean.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.first(key)? {
            Value::Boolean(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A token or a string; of a list, the first one. Players do not agree on which of them is which.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.first(key)? {
            Value::Text(text) => Some(text),
            Value::Token(token) => Some(token),
            _ => None,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    const fn invalid(&self) -> InvalidLine {
        InvalidLine { at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    const fn is_at_end(&self) -> bool {
        self.at >= self.text.len()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn skip_spaces(&mut self) {
        self.take_while(|byte| byte == b' ' || byte == b'\t');
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = rest.bytes().position(|byte| !wanted(byte)).unwrap_or(rest.len());
        // All that is wanted is ASCII, so this is no part of a character.
        let taken = rest.get(..len).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    /// Capitals are not allowed, and sent all the same.
    fn key(&mut self) -> Result<&'a str, InvalidLine> {
        if !self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'*')
        {
            return Err(self.invalid());
        }
        Ok(self.take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.*".contains(&byte)))
    }

    fn list_or_item(&mut self) -> Result<Vec<Item<'a>>, InvalidLine> {
        if !self.take(b'(') {
            return Ok(vec![self.item()?]);
        }
        let mut items = Vec::new();
        loop {
            self.skip_spaces();
            if self.take(b')') {
                // What is said of the list as a whole is of no use here.
                self.parameters_of(Value::Boolean(true))?;
                return Ok(items);
            }
            if items.len() >= MAX_ITEMS {
                return Err(self.invalid());
            }
            items.push(self.item()?);
            if !matches!(self.peek(), Some(b' ' | b'\t' | b')')) {
                return Err(self.invalid());
            }
        }
    }

    fn item(&mut self) -> Result<Item<'a>, InvalidLine> {
        let value = self.bare()?;
        self.parameters_of(value)
    }

    fn parameters_of(&mut self, value: Value<'a>) -> Result<Item<'a>, InvalidLine> {
        let mut parameters = Vec::new();
        while self.take(b';') {
            self.skip_spaces();
            let key = self.key()?;
            let value = match self.take(b'=') {
                true => self.bare()?,
                false => Value::Boolean(true),
            };
            if parameters.len() >= MAX_ITEMS {
                return Err(self.invalid());
            }
            parameters.push((key, value));
        }
        Ok(Item { value, parameters })
    }

    fn bare(&mut self) -> Result<Value<'a>, InvalidLine> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'?') => {
                self.at += 1;
                match (self.take(b'0'), self.take(b'1')) {
                    (true, false) => Ok(Value::Boolean(false)),
                    (false, true) => Ok(Value::Boolean(true)),
                    _ => Err(self.invalid()),
                }
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'*' => {
                Ok(Value::Token(self.take_while(|byte| {
                    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
                })))
            }
            _ => Err(self.invalid()),
        }
    }

    fn string(&mut self) -> Result<Value<'a>, InvalidLine> {
        self.at += 1;
        let mut out = Cow::Borrowed("");
        loop {
            // Only ASCII is allowed; titles come as they are nevertheless.
            let rest = self.text.get(self.at..).unwrap_or_default();
            let end = rest.find(['"', '\\']).ok_or(self.invalid())?;
            let part = rest.get(..end).unwrap_or_default();
            self.at += end;
            match out.is_empty() {
                true => out = Cow::Borrowed(part),
                false => out.to_mut().push_str(part),
            }
            if self.take(b'"') {
                return Ok(Value::Text(out));
            }
            self.at += 1;
            let escaped = match self.peek() {
                Some(b'"') => '"',
                Some(b'\\') => '\\',
                _ => return Err(self.invalid()),
            };
            out.to_mut().push(escaped);
            self.at += 1;
        }
    }

    fn number(&mut self) -> Result<Value<'a>, InvalidLine> {
        let is_negative = self.take(b'-');
        let whole = self.take_while(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > MAX_DIGITS {
            return Err(self.invalid());
        }
        let mut thousandths: i64 = 0;
        for digit in whole.bytes() {
            thousandths = thousandths * 10 + i64::from(digit - b'0');
        }
        thousandths *= 1000;
        if self.take(b'.') {
            let fraction = self.take_while(|byte| byte.is_ascii_digit());
            if fraction.is_empty() {
                return Err(self.invalid());
            }
            for (digit, worth) in fraction.bytes().zip([100, 10, 1]) {
                thousandths += i64::from(digit - b'0') * worth;
            }
        }
        Ok(Value::Number(if is_negative {
            -thousandths
        } else {
            thousandths
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_event_is_read() {
        let line = Line::read(
            r#"bl=(2100;v 1200;a),bg,br=(3000;v),com.example-key=1.25,cid="a \"b\" \\c",e=rr,ltc=-3,nor=("../2.m4s";r="0-99"),pr=0.5,sta=p,su=?0,ts=1700000000000"#,
        )
        .unwrap();
        assert_eq!(line.items("bl").len(), 2);
        let [video, audio] = line.items("bl") else {
            panic!("{line:?}")
        };
        assert_eq!(
            (&video.value, &video.parameters),
            (&Value::Number(2_100_000), &vec![("v", Value::Boolean(true))])
        );
        assert_eq!(audio.value, Value::Number(1_200_000));
        assert_eq!(line.number("bl"), Some(2100));
        assert_eq!(line.flag("bg"), Some(true));
        assert_eq!(line.flag("su"), Some(false));
        assert_eq!(line.text("cid"), Some("a \"b\" \\c"));
        assert_eq!(line.text("e"), Some("rr"));
        assert_eq!(line.thousandths("com.example-key"), Some(1250));
        assert_eq!((line.thousandths("pr"), line.number("pr")), (Some(500), Some(0)));
        assert_eq!((line.thousandths("ltc"), line.number("ltc")), (Some(-3000), None));
        assert_eq!(line.number("ts"), Some(1_700_000_000_000));
        assert_eq!(line.text("nor"), Some("../2.m4s"));
        assert_eq!(
            (line.text("br"), line.number("sta"), line.text("gone")),
            (None, None, None)
        );
    }

    #[test]
    fn the_last_of_a_key_counts_and_spaces_do_not() {
        let line = Line::read(" a=1 ,\tb=() , a=2;x;y=\"z\"  ").unwrap();
        assert_eq!((line.number("a"), line.items("b")), (Some(2), &[][..]));
    }

    #[test]
    fn what_is_no_dictionary_is_refused_where_it_ends() {
        for (text, at) in [
            ("", 0),
            ("a=", 2),
            ("=1", 0),
            ("a=1 b=2", 4),
            ("a=1,", 4),
            ("a=\"x", 3),
            ("a=\"\\x\"", 4),
            ("a=(1", 4),
            ("a=(1,2)", 4),
            ("a=?2", 3),
            ("a=1.", 4),
            ("a=--1", 3),
            ("a=1234567890123456", 18),
            ("é=1", 0),
            ("a=é", 2),
        ] {
            assert_eq!(Line::read(text), Err(InvalidLine { at }), "{text}");
        }
        assert!(Line::read(&"a,".repeat(MAX_BYTES)).is_err());
        assert!(Line::read(&format!("a=({})", "1 ".repeat(300))).is_err());
    }

    proptest! {
        #[test]
        fn any_line_is_survived(text in "[-a-c0-9.=;,?()\"\\\\ é]{0,60}") {
            match Line::read(&text) {
                Ok(line) => prop_assert!(line.members.len() <= text.len()),
                Err(error) => prop_assert!(error.at <= text.len()),
            }
        }
    }
}
