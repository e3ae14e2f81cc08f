//! Writes JSON: logs, beacons, messages.
//!
//! The bytes are those of `serde_json::to_string`. That one can fail, and prints floats by two more algorithms: in WebAssembly
//! it is several times as large.

use serde::Serialize;
use serde::ser;

use crate::number;

/// The JSON text of a value, without white space.
///
/// The keys of maps must be strings.
pub fn to_string(value: &(impl Serialize + ?Sized)) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

/// Adds the JSON text of a value, see [`to_string`].
pub fn write(out: &mut String, value: &(impl Serialize + ?Sized)) {
    let mut json = Json {
        out: core::mem::take(out),
    };
    let Ok(()) = value.serialize(&mut json);
    *out = json.out;
}

struct Json {
    out: String,
}

/// Nothing can go wrong.
#[derive(Debug)]
enum Never {}

impl core::fmt::Display for Never {
    fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {}
    }
}

impl core::error::Error for Never {}

impl ser::Error for Never {
    fn custom<T: core::fmt::Display>(message: T) -> Self {
        // Of types that serde cannot write in the way that their attributes ask for.
        unreachable!("{message}")
    }
}

impl Json {
    /// What comes next is a key, or an item of a list.
    #[inline(never)]
    fn separate(&mut self) {
        // Whole values do not end so.
        if !matches!(self.out.as_bytes().last(), Some(b'{' | b'[')) {
            self.out.push(',');
        }
    }

    #[inline(never)]
    fn key(&mut self, key: &str) {
        self.separate();
        self.text(key);
        self.out.push(':');
    }

    #[inline(never)]
    fn text(&mut self, text: &str) {
        self.out.push('"');
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            let short = match byte {
                8 => 'b',
                9 => 't',
                10 => 'n',
                12 => 'f',
                13 => 'r',
                b'"' | b'\\' => char::from(byte),
                0..=31 => 'u',
                _ => continue,
            };
            self.literal(text.get(plain..at).unwrap_or_default());
            plain = at + 1;
            self.out.push('\\');
            self.out.push(short);
            if short == 'u' {
                self.literal("00");
                for half in [byte >> 4, byte & 15] {
                    self.out
                        .push(char::from(if half < 10 { b'0' + half } else { b'a' - 10 + half }));
                }
            }
        }
        self.literal(text.get(plain..).unwrap_or_default());
        self.out.push('"');
    }

    #[inline(never)]
    fn integer(&mut self, negative: bool, value: u64) {
        if negative {
            self.out.push('-');
        }
        number::write_integer(&mut self.out, value);
    }

    #[inline(never)]
    fn literal(&mut self, text: &str) {
        self.out.push_str(text);
    }

    #[inline(never)]
    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Never> {
        self.separate();
        item.serialize(self)
    }

    #[inline(never)]
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Never> {
        self.key(name);
        value.serialize(self)
    }

    #[inline(never)]
    fn begin(&mut self, list: bool) {
        self.literal(if list { "[" } else { "{" });
    }

    /// Begins an object of one key, and what is in it.
    #[inline(never)]
    fn begin_in(&mut self, variant: &str, list: bool) {
        self.begin(false);
        self.key(variant);
        self.begin(list);
    }

    #[inline(never)]
    fn end(&mut self, list: bool, inside: bool) {
        self.literal(if list { "]" } else { "}" });
        if inside {
            self.literal("}");
        }
    }
}

/// A list or an object that is being written.
struct Parts<'a> {
    json: &'a mut Json,
    list: bool,
    /// It is in an object of one key.
    inside: bool,
}

impl<'a> Parts<'a> {
    fn of(json: &'a mut Json, list: bool) -> Self {
        json.begin(list);
        Self {
            json,
            list,
            inside: false,
        }
    }

    fn within(json: &'a mut Json, variant: &str, list: bool) -> Self {
        json.begin_in(variant, list);
        Self {
            json,
            list,
            inside: true,
        }
    }

    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Never> {
        self.json.item(item)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Never> {
        self.json.field(name, value)
    }

    fn close(self) -> Result<(), Never> {
        self.json.end(self.list, self.inside);
        Ok(())
    }
}

impl<'a> ser::Serializer for &'a mut Json {
    type Ok = ();
    type Error = Never;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), Never> {
        self.literal(if value { "true" } else { "false" });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), Never> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Never> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Never> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Never> {
        self.integer(value < 0, value.unsigned_abs());
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), Never> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Never> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Never> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Never> {
        self.integer(false, value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Never> {
        number::write_f32(&mut self.out, value);
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Never> {
        number::write_f64(&mut self.out, value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Never> {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Never> {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Never> {
        self.collect_seq(value)
    }

    fn serialize_none(self) -> Result<(), Never> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Never> {
        self.literal("null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Never> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Never> {
        self.text(variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        self.begin(false);
        self.field(variant, value)?;
        self.end(false, false);
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Never> {
        Ok(Parts::of(self, true))
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Never> {
        Ok(Parts::of(self, true))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Never> {
        Ok(Parts::of(self, true))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Never> {
        Ok(Parts::within(self, variant, true))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, Never> {
        Ok(Parts::of(self, false))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'a>, Never> {
        Ok(Parts::of(self, false))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Never> {
        Ok(Parts::within(self, variant, false))
    }
}

/// What serde calls a part, what it is, and what it calls the end: the same for all kinds of lists and objects.
macro_rules! parts {
    ($($kind:ident: $part:ident($($name:ident)?) as $how:ident;)*) => {$(
        impl ser::$kind for Parts<'_> {
            type Ok = ();
            type Error = Never;

            fn $part<T: Serialize + ?Sized>(&mut self, $($name: &'static str,)? value: &T) -> Result<(), Never> {
                self.$how($($name,)? value)
            }

            fn end(self) -> Result<(), Never> {
                self.close()
            }
        }
    )*};
}

parts! {
    SerializeSeq: serialize_element() as item;
    SerializeTuple: serialize_element() as item;
    SerializeTupleStruct: serialize_field() as item;
    SerializeTupleVariant: serialize_field() as item;
    SerializeStruct: serialize_field(name) as field;
    SerializeStructVariant: serialize_field(name) as field;
}

impl ser::SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Never;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Never> {
        self.item(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        self.json.literal(":");
        value.serialize(&mut *self.json)
    }

    fn end(self) -> Result<(), Never> {
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    struct Newtype(u8);

    #[derive(Serialize)]
    struct Pair(i16, Option<char>);

    #[derive(Serialize, Default)]
    struct Struct<'a> {
        text: &'a str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        list: Vec<i64>,
        nested: Option<Box<Self>>,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Outer {
        Unit,
        NewType(Newtype),
        Tuple(u32, f32),
        Struct { a: bool, b: () },
        Tagged(Tagged),
        Untagged(Untagged),
        Result(Result<Tagged, String>),
    }

    #[derive(Serialize)]
    #[serde(tag = "type", rename_all = "camelCase")]
    enum Tagged {
        Unit,
        Struct { number: f64 },
        Of(Struct<'static>),
        External(External),
        Map(std::collections::BTreeMap<String, i8>),
    }

    #[derive(Serialize)]
    enum External {
        Struct { key: u64 },
        Newtype(Newtype),
    }

    #[derive(Serialize)]
    #[serde(untagged)]
    enum Untagged {
        Bytes([u8; 3]),
        None,
    }

    #[derive(Serialize)]
    struct Flat {
        t: u64,
        #[serde(flatten)]
        rest: Tagged,
    }

    fn same(value: &impl Serialize) {
        assert_eq!(to_string(value), serde_json::to_string(value).unwrap_or_default());
    }

    #[test]
    fn every_shape_is_written_as_serde_json_writes_it() {
        let nested = || Struct {
            text: "a\"b\\c/\u{8}\t\n\u{c}\r\0\u{1f}\u{7f}é\u{2028}😀",
            list: vec![i64::MIN, -1, 0, i64::MAX],
            nested: Some(Box::default()),
        };
        same(&nested());
        same(&(Unit, Newtype(255), Pair(-7, Some('\n')), Pair(0, None), u64::MAX));
        same(&[
            Outer::Unit,
            Outer::NewType(Newtype(0)),
            Outer::Tuple(u32::MAX, 0.1),
            Outer::Struct { a: true, b: () },
            Outer::Tagged(Tagged::Unit),
            Outer::Tagged(Tagged::Struct { number: -1e-7 }),
            Outer::Tagged(Tagged::Of(nested())),
            Outer::Tagged(Tagged::External(External::Struct { key: 1 })),
            Outer::Tagged(Tagged::External(External::Newtype(Newtype(1)))),
            Outer::Tagged(Tagged::Map([("a".to_owned(), -128), ("{".to_owned(), 0)].into())),
            Outer::Untagged(Untagged::Bytes([1, 2, 3])),
            Outer::Untagged(Untagged::None),
            Outer::Result(Ok(Tagged::Unit)),
            Outer::Result(Err("[".to_owned())),
        ]);
        same(&Vec::<u8>::new());
        same(&vec![vec!["{"], vec![], vec!["[", ""]]);
        for rest in [Tagged::Unit, Tagged::Struct { number: 5.0 }, Tagged::Of(nested())] {
            same(&Flat { t: 3, rest });
        }
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_serde_json_writes_it(text: String, bytes: Vec<u8>) {
            same(&text);
            same(&String::from_utf8_lossy(&bytes));
        }
    }
}
