//! A JSON text (RFC 8259), value by value, in the order in which it is written, with bounded depth. A general reader would be a
//! tenth of the whole Wasm.

use crate::manifest::ManifestError;
use crate::number;

const MAX_DEPTH: usize = 32;

type Result<T> = core::result::Result<T, ManifestError>;

/// A cursor before the next value.
pub(crate) struct Json<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Json<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            depth: 0,
        }
    }

    /// Reads an object; `member` must read the value of the key it is called with.
    // Not generic, as nothing here: a copy for each caller would be half as large again as the reader.
    pub(crate) fn object(&mut self, member: &mut dyn FnMut(&mut Self, &str) -> Result<()>) -> Result<()> {
        self.list('{', '}', &mut |json| {
            let key = json.string()?;
            json.expect(':')?;
            member(json, &key)
        })
    }

    /// Reads an array; `element` must read a value each time it is called.
    pub(crate) fn array(&mut self, element: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.list('[', ']', element)
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Result<String> {
        self.expect('"')?;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let plain = rest
                .find(['"', '\\'])
                .ok_or_else(|| self.error("a string does not end"))?;
            out.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain + 1;
            if rest.as_bytes().get(plain) == Some(&b'"') {
                return Ok(out);
            }
            out.push(self.escape()?);
        }
    }

    /// Reads a string if there is one, else passes over the value.
    pub(crate) fn string_or_skip(&mut self) -> Result<Option<String>> {
        match self.kind() {
            '"' => self.string().map(Some),
            _ => self.skip().map(|()| None),
        }
    }

    /// Reads a number if there is one, else passes over the value.
    pub(crate) fn number_or_skip(&mut self) -> Result<Option<f64>> {
        match self.kind() {
            '-' | '0'..='9' => self.number(),
            _ => self.skip().map(|()| None),
        }
    }

    /// The first character of the next value, which tells its kind; NUL if there is none.
    pub(crate) fn kind(&mut self) -> char {
        self.space();
        self.rest().chars().next().unwrap_or_default()
    }

    /// Line in the text, from 1, of the cursor.
    pub(crate) fn line(&self) -> u32 {
        let read = self.text.get(..self.at).unwrap_or(self.text);
        read.bytes().filter(|b| *b == b'\n').count() as u32 + 1
    }

    /// Reads a number, or `null`.
    pub(crate) fn number(&mut self) -> Result<Option<f64>> {
        self.space();
        let rest = self.rest();
        if let Some(after) = rest.strip_prefix("null") {
            self.at = self.text.len() - after.len();
            return Ok(None);
        }
        let end = rest
            .find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let number = rest.get(..end).and_then(number::float);
        let number = number.ok_or_else(|| self.error("a number is due"))?;
        self.at += end;
        Ok(Some(number))
    }

    /// Passes over a value.
    pub(crate) fn skip(&mut self) -> Result<()> {
        self.space();
        let rest = self.rest();
        match rest.chars().next() {
            Some('{') => self.object(&mut |json, _| json.skip()),
            Some('[') => self.array(&mut Self::skip),
            Some('"') => self.string().map(drop),
            _ => {
                for word in ["true", "false"] {
                    if rest.starts_with(word) {
                        self.at += word.len();
                        return Ok(());
                    }
                }
                self.number().map(drop)
            }
        }
    }

    /// Nothing may follow the value that was read.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.space();
        if self.rest().is_empty() {
            return Ok(());
        }
        Err(self.error("something follows the end"))
    }

    /// An error at the cursor.
    pub(crate) fn error(&self, message: &str) -> ManifestError {
        ManifestError::Syntax {
            line: self.line(),
            message: message.to_owned(),
        }
    }

    fn list(&mut self, open: char, close: char, item: &mut dyn FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.expect(open)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("it is nested too deep"));
        }
        if !self.take(close) {
            loop {
                item(self)?;
                if self.take(close) {
                    break;
                }
                self.expect(',')?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// The character behind a backslash, or the one that it means.
    fn escape(&mut self) -> Result<char> {
        let c = self.rest().chars().next().unwrap_or_default();
        self.at += c.len_utf8();
        Ok(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.hex()?;
                let mut code = first;
                if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
                    self.at += 2;
                    let second = self.hex()?;
                    code = 0x1_0000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff);
                }
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(self.error("a string has an unknown escape")),
        })
    }

    fn hex(&mut self) -> Result<u32> {
        let digits = self.rest().get(..4);
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.error("four hexadecimal digits are due"))?;
        self.at += 4;
        Ok(code)
    }

    fn expect(&mut self, c: char) -> Result<()> {
        if self.take(c) {
            return Ok(());
        }
        Err(self.error(&format!("a {c} is due")))
    }

    fn take(&mut self, c: char) -> bool {
        self.space();
        let is_there = self.rest().starts_with(c);
        self.at += if is_there { c.len_utf8() } else { 0 };
        is_there
    }

    fn space(&mut self) {
        let rest = self.rest();
        let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.at += rest.len() - trimmed.len();
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn string(text: &str) -> Result<String> {
        Json::new(text).string()
    }

    #[test]
    fn strings() {
        assert_eq!(
            string(r#" "a\"b\\\/\n\u00e9é\ud83d\ude00" "#).unwrap(),
            "a\"b\\/\né é😀".replace(' ', "")
        );
        assert_eq!(string(r#""\ud83d""#).unwrap(), "\u{fffd}");
        for bad in ["", "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12é4\"", "a"] {
            assert!(string(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_of_all_kinds_are_passed_over() {
        let mut json = Json::new("\n{\"a\": [1, -2.5e3, null, true, {\"b\": \"c\"}, []], \"d\": {}} ");
        json.skip().unwrap();
        json.end().unwrap();
        let mut keys = Vec::new();
        Json::new(r#"{"x":1,"y":null}"#)
            .object(&mut |json, key| {
                keys.push((key.to_owned(), json.number()?));
                Ok(())
            })
            .unwrap();
        assert_eq!(keys, [("x".to_owned(), Some(1.0)), ("y".to_owned(), None)]);
    }

    #[test]
    fn values_of_another_kind_than_expected_are_passed_over() {
        let mut json = Json::new("[\n1, \"a\", {\"x\": []}, \"b\", true, -2]");
        let (mut strings, mut numbers) = (Vec::new(), Vec::new());
        json.array(&mut |json| {
            if strings.len() < 3 {
                strings.push(json.string_or_skip()?);
            } else {
                numbers.push(json.number_or_skip()?);
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(strings, [None, Some("a".to_owned()), None]);
        assert_eq!(numbers, [None, None, Some(-2.0)]);
        assert_eq!((json.line(), json.kind()), (2, '\0'));
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_line() {
        for bad in [
            "", "{", "[1", "[1,]", "{1:2}", "{\"a\"}", "nul", "tru", "--1", "]",
        ] {
            assert!(Json::new(bad).skip().is_err(), "{bad}");
        }
        let error = Json::new("[1,\n2,\n}").skip().unwrap_err();
        assert!(matches!(error, ManifestError::Syntax { line: 3, .. }), "{error}");
        assert!(Json::new(&"[".repeat(100_000)).skip().is_err());
        let mut json = Json::new("1 2");
        json.skip().unwrap();
        assert!(json.end().is_err());
    }
}
