//! PlayReady objects, their headers (Microsoft, *PlayReady Header Object*, *PlayReady Header Specification*), and messages.

use std::borrow::Cow;

use super::licence::LicenceRequest;
use super::{DrmFormatError, KeyId, Result};
use crate::base64;
use crate::manifest::dash::xml::{self, Node, Reader, Tag};

/// Of a PlayReady object: a rights management header.
const HEADER: u16 = 1;
const XML: &str = "text/xml; charset=utf-8";
/// Header fields of a message.
const MAX_FIELDS: usize = 32;
const OBJECT: &str = "a PlayReady object";
const WRM: &str = "a PlayReady header";
const MESSAGE: &str = "a PlayReady message";

/// A rights management header (`WRMHEADER`), of version 4.0 to 4.3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// As `4.0.0.0`.
    pub version: String,
    /// Ids of keys.
    pub key_ids: Vec<KeyId>,
    /// The algorithm of the first key, as `AESCTR`, `AESCBC`; empty if it does not say.
    pub algorithm: String,
    /// Where licences are (`LA_URL`); empty if it does not say.
    pub licence_url: String,
    /// Keys are named later (`DECRYPTORSETUP`), so there need not be any here.
    pub on_demand: bool,
}

impl Header {
    /// Reads the header in a PlayReady object.
    ///
    /// # Errors
    /// If the object or the header is malformed, or names no key and does not say that this is done later.
    pub fn of_object(object: &[u8]) -> Result<Self> {
        let record = record(object)?;
        let header = Self::parse(&utf16(record))?;
        if header.key_ids.is_empty() && !header.on_demand {
            return Err(DrmFormatError::NoKeyId(WRM));
        }
        Ok(header)
    }

    /// The encryption scheme that the algorithm is for, `cenc` or `cbcs`.
    pub fn scheme(&self) -> Option<[u8; 4]> {
        match self.algorithm.as_str() {
            "AESCTR" => Some(*b"cenc"),
            "AESCBC" => Some(*b"cbcs"),
            _ => None,
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let bad = |_| DrmFormatError::malformed(WRM, "it is no XML");
        let mut reader = Reader::new(text.as_bytes());
        let mut header = Self::default();
        let mut is_header = false;
        loop {
            let tag = match reader.next().map_err(bad)? {
                Node::Eof if is_header => return Ok(header),
                Node::Eof => return Err(DrmFormatError::malformed(WRM, "it is none")),
                Node::Start(tag) => tag,
                _ => continue,
            };
            match tag.name() {
                "WRMHEADER" => {
                    is_header = true;
                    header.version = attribute(tag, "version").into_owned();
                }
                "KID" => {
                    let named = attribute(tag, "VALUE").into_owned();
                    let algorithm = attribute(tag, "ALGID").into_owned();
                    let value = if named.is_empty() {
                        content(&mut reader, tag)?
                    } else {
                        named
                    };
                    let guid = KeyId::of_base64(&value)
                        .ok_or(DrmFormatError::malformed(WRM, "a key id has not 128 bits"))?;
                    super::add(&mut header.key_ids, KeyId::of_guid(guid.0))?;
                    if header.algorithm.is_empty() {
                        header.algorithm = algorithm;
                    }
                }
                "ALGID" => header.algorithm = content(&mut reader, tag)?,
                "LA_URL" => header.licence_url = content(&mut reader, tag)?,
                "DECRYPTORSETUP" => header.on_demand = content(&mut reader, tag)? == "ONDEMAND",
                _ => {}
            }
        }
    }
}

/// A PlayReady object of one record, this header.
///
/// # Errors
/// If the header is longer than the 16 bits for its length allow.
pub fn object(header: &str) -> Result<Vec<u8>> {
    let text: Vec<u8> = header.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = u16::try_from(text.len()).map_err(|_| DrmFormatError::TooLarge {
        what: WRM,
        limit: u16::MAX.into(),
    })?;
    let mut out = Vec::with_capacity(text.len() + 10);
    out.extend_from_slice(&(text.len() as u32 + 10).to_le_bytes());
    for number in [1, HEADER, length] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&text);
    Ok(out)
}

/// The record of an object that is a header.
fn record(object: &[u8]) -> Result<&[u8]> {
    let short = DrmFormatError::malformed(OBJECT, "it is cut short");
    super::within(object.len(), super::MAX_INIT_DATA, OBJECT)?;
    let (length, _) = object.split_first_chunk().ok_or(short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let mut rest = object.get(4..length).ok_or(short)?;
    let number = |rest: &mut &[u8]| -> Result<u16> {
        let (number, tail) = rest.split_first_chunk().ok_or(short)?;
        *rest = tail;
        Ok(u16::from_le_bytes(*number))
    };
    for _ in 0..number(&mut rest)? {
        let (kind, length) = (number(&mut rest)?, number(&mut rest)?);
        if length % 2 != 0 {
            return Err(DrmFormatError::malformed(OBJECT, "a record has an odd length"));
        }
        let (value, tail) = rest.split_at_checked(length.into()).ok_or(short)?;
        rest = tail;
        if kind == HEADER {
            return Ok(value);
        }
    }
    Err(DrmFormatError::malformed(OBJECT, "it has no header"))
}

/// A message of a CDM as a request: the challenge in it, with the header fields that it says; what is no
/// `PlayReadyKeyMessage` as it is.
pub(super) fn wrap(message: &[u8]) -> Result<LicenceRequest> {
    let text = match message {
        [0xff, 0xfe, ..] | [_, 0, ..] => Cow::Owned(utf16(message)),
        _ => String::from_utf8_lossy(message),
    };
    let mut request = LicenceRequest::new(Vec::new(), XML);
    if !scan::contains(text.as_bytes(), b"PlayReadyKeyMessage") {
        request.body = message.to_vec();
        return Ok(request);
    }
    let bad = |_| DrmFormatError::malformed(MESSAGE, "it is no XML");
    let mut reader = Reader::new(text.as_bytes());
    let mut name = String::new();
    loop {
        let tag = match reader.next().map_err(bad)? {
            Node::Eof => break,
            Node::Start(tag) => tag,
            _ => continue,
        };
        match tag.name() {
            "Challenge" => {
                let challenge = content(&mut reader, tag)?;
                request.body = base64::decode(challenge.as_bytes(), super::MAX_MESSAGE)
                    .ok_or(DrmFormatError::malformed(MESSAGE, "its challenge is not base64"))?;
            }
            "name" => name = content(&mut reader, tag)?,
            "value" => {
                let value = content(&mut reader, tag)?;
                request.field(core::mem::take(&mut name), value)?;
                super::within(request.headers.len(), MAX_FIELDS, "the list of header fields")?;
            }
            _ => {}
        }
    }
    if request.body.is_empty() {
        return Err(DrmFormatError::malformed(MESSAGE, "it has no challenge"));
    }
    Ok(request)
}

fn attribute<'a>(tag: Tag<'a>, name: &str) -> Cow<'a, str> {
    let found = tag.attributes().find(|(found, _)| *found == name);
    xml::unescape(found.map_or("", |(_, value)| value))
}

/// The text of the element that `tag` has opened.
fn content<'a>(reader: &mut Reader<'a>, tag: Tag<'a>) -> Result<String> {
    let raw = reader.raw(tag).and_then(xml::text);
    let raw =
        raw.map_err(|_| DrmFormatError::malformed("the XML of PlayReady", "an element does not end"))?;
    Ok(xml::unescape(raw.trim_ascii()).into_owned())
}

/// UTF-16, little-endian; without the byte order mark that should not be there, and what follows the end.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let units = bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit));
    let text = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER));
    text.skip_while(|c| *c == '\u{feff}')
        .take_while(|c| *c != '\0')
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    // As shaka-packager 3.8.0 wrote it: key id 00112233…eeff, key 0123456789abcdef0123456789abcdef.
    const CENC: &str = "BgIAAAEAAQD8ATwAVwBSAE0ASABFAEEARABFAFIAIAB4AG0AbABuAHMAPQAiAGgAdAB0AHAAOgAvAC8AcwBjAGgAZQBtAGEAcwAuAG0AaQBjAHIAbwBzAG8AZgB0AC4AYwBvAG0ALwBEAFIATQAvADIAMAAwADcALwAwADMALwBQAGwAYQB5AFIAZQBhAGQAeQBIAGUAYQBkAGUAcgAiACAAdgBlAHIAcwBpAG8AbgA9ACIANAAuADAALgAwAC4AMAAiAD4APABEAEEAVABBAD4APABQAFIATwBUAEUAQwBUAEkATgBGAE8APgA8AEsARQBZAEwARQBOAD4AMQA2ADwALwBLAEUAWQBMAEUATgA+ADwAQQBMAEcASQBEAD4AQQBFAFMAQwBUAFIAPAAvAEEATABHAEkARAA+ADwALwBQAFIATwBUAEUAQwBUAEkATgBGAE8APgA8AEsASQBEAD4ATQB5AEkAUgBBAEYAVgBFAGQAMgBhAEkAbQBhAHEANwB6AE4AMwB1AC8AdwA9AD0APAAvAEsASQBEAD4APABDAEgARQBDAEsAUwBVAE0APgBRAHUASwBtAFYAagBLADgAQgAzAGsAPQA8AC8AQwBIAEUAQwBLAFMAVQBNAD4APAAvAEQAQQBUAEEAPgA8AC8AVwBSAE0ASABFAEEARABFAFIAPgA=";
    const ID: &str = "MyIRAFVEd2aImaq7zN3u/w==";

    fn header(version: &str, data: &str) -> Result<Header> {
        let text = format!(
            "<WRMHEADER xmlns=\"http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader\" version=\"{version}\"><DATA>{data}</DATA></WRMHEADER>"
        );
        Header::of_object(&object(&text)?)
    }

    fn ids(header: &Header) -> Vec<String> {
        header.key_ids.iter().map(KeyId::to_string).collect()
    }

    #[test]
    fn the_object_of_another_packager_is_read_and_written() {
        let bytes = base64::decode(CENC.as_bytes(), 4096).unwrap();
        let found = Header::of_object(&bytes).unwrap();
        assert_eq!(ids(&found), ["00112233445566778899aabbccddeeff"]);
        assert_eq!(
            (found.version.as_str(), found.algorithm.as_str()),
            ("4.0.0.0", "AESCTR")
        );
        assert_eq!((found.scheme(), found.licence_url.as_str()), (Some(*b"cenc"), ""));
        assert_eq!(object(&utf16(&bytes[10..])).unwrap(), bytes);
        // Behind a record of another type.
        let two = [&[14, 2, 0, 0, 2, 0, 3, 0, 4, 0, 1, 2, 3, 4], &bytes[6..]].concat();
        assert_eq!(Header::of_object(&two), Ok(found));
    }

    #[test]
    fn headers_of_all_versions_are_read() {
        let url = "<LA_URL>https://l.example/?a=1&amp;b=2</LA_URL>";
        let v1 = header("4.1.0.0", &format!("<PROTECTINFO><KID ALGID=\"AESCTR\" CHECKSUM=\"QuKmVjK8B3k=\" VALUE=\"{ID}\"/></PROTECTINFO>{url}")).unwrap();
        assert_eq!(
            (ids(&v1).len(), v1.licence_url.as_str()),
            (1, "https://l.example/?a=1&b=2")
        );
        let many = "<PROTECTINFO><KIDS><KID ALGID='AESCBC' VALUE='MyIRAFVEd2aImaq7zN3u/w=='></KID><KID ALGID='AESCBC' VALUE='zN3u/6q7iJl3ZlVEMyIRAA=='></KID></KIDS></PROTECTINFO>";
        for version in ["4.2.0.0", "4.3.0.0"] {
            let found = header(version, many).unwrap();
            assert_eq!(
                ids(&found),
                [
                    "00112233445566778899aabbccddeeff",
                    "ffeeddccbbaa99887766554433221100"
                ]
            );
            assert_eq!(
                (found.scheme(), found.version.as_str()),
                (Some(*b"cbcs"), version)
            );
        }
    }

    #[test]
    fn a_header_must_name_a_key_unless_that_is_done_later() {
        for none in ["", "<KID>AAAAAAAAAAAAAAAAAAAAAA==</KID>", "<LA_URL>x</LA_URL>"] {
            assert_eq!(header("4.0.0.0", none), Err(DrmFormatError::NoKeyId(WRM)));
        }
        assert!(
            header("4.3.0.0", "<DECRYPTORSETUP>ONDEMAND</DECRYPTORSETUP>")
                .unwrap()
                .on_demand
        );
        for bad in ["<KID>AAAA</KID>", "<KID></KID>", "<KID VALUE='*'/>"] {
            let error = header("4.0.0.0", bad).unwrap_err().to_string();
            assert_eq!(
                error,
                "a PlayReady header is malformed: a key id has not 128 bits"
            );
        }
        for bad in ["<", "<KID>", "<!DOCTYPE x>"] {
            assert!(
                header("4.0.0.0", bad)
                    .unwrap_err()
                    .to_string()
                    .contains("malformed"),
                "{bad}"
            );
        }
        assert!(Header::of_object(&object("<x/>").unwrap()).is_err());
        assert!(Header::of_object(&object("").unwrap()).is_err());
    }

    #[test]
    fn objects_that_cannot_be_are_refused() {
        let good = base64::decode(CENC.as_bytes(), 4096).unwrap();
        for cut in 0..good.len() {
            let error = Header::of_object(&good[..cut]).unwrap_err();
            assert_eq!(
                error.to_string(),
                "a PlayReady object is malformed: it is cut short",
                "{cut}"
            );
        }
        let with = |at: usize, value: &[u8]| {
            let mut bad = good.clone();
            bad[at..at + value.len()].copy_from_slice(value);
            Header::of_object(&bad).unwrap_err().to_string()
        };
        // Records: none; of another type alone, and then none; of an odd length; longer than it all.
        assert!(with(4, &[0, 0]).contains("no header"));
        assert!(with(6, &[3, 0]).contains("no header"));
        assert!(with(8, &[0xfb, 1]).contains("odd length"));
        assert!(with(8, &[0xfe, 1]).contains("cut short"));
        let huge = vec![0; 1 << 20];
        assert!(matches!(
            Header::of_object(&huge),
            Err(DrmFormatError::TooLarge { .. })
        ));
        assert!(object(&"x".repeat(40_000)).is_err());
    }

    fn message(inside: &str) -> Vec<u8> {
        let text = format!(
            "<PlayReadyKeyMessage type=\"LicenseAcquisition\"><LicenseAcquisition Version=\"1\">{inside}</LicenseAcquisition></PlayReadyKeyMessage>"
        );
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn a_challenge_is_unwrapped() {
        let inside = "<Challenge encoding=\"base64encoded\">PHNvYXA+\n</Challenge><HttpHeaders><HttpHeader><name>Content-Type</name><value>text/xml; charset=utf-8</value></HttpHeader><HttpHeader><name>SOAPAction</name><value>\"http://schemas.microsoft.com/DRM/2007/03/protocols/AcquireLicense\"</value></HttpHeader></HttpHeaders>";
        for bom in [&[][..], &[0xff, 0xfe]] {
            let request = wrap(&[bom, &message(inside)].concat()).unwrap();
            assert_eq!(request.body, b"<soap>");
            assert_eq!(request.content_type, XML);
            let action = "\"http://schemas.microsoft.com/DRM/2007/03/protocols/AcquireLicense\"";
            assert_eq!(request.headers, [("SOAPAction".to_owned(), action.to_owned())]);
        }
        let field = |name: &str| {
            let inside = inside
                .replace("Content-Type", name)
                .replace("text/xml; charset=utf-8", "a/b");
            wrap(&message(&inside)).unwrap().content_type
        };
        assert_eq!(
            (field("Content").as_str(), field("content-type").as_str()),
            ("a/b", "a/b")
        );
        assert_eq!(field("Other"), XML);
        let eight =
            wrap(b"<PlayReadyKeyMessage><Challenge>PHNvYXA+</Challenge></PlayReadyKeyMessage>").unwrap();
        assert_eq!(eight.body, b"<soap>");
    }

    #[test]
    fn what_is_no_key_message_is_sent_as_it_is() {
        for message in [&b"<soap:Envelope/>"[..], b"\x00\x01\x02", b"<\0s\0", b""] {
            let request = wrap(message).unwrap();
            assert_eq!(
                (request.body.as_slice(), request.content_type.as_str()),
                (message, XML)
            );
        }
    }

    #[test]
    fn messages_that_cannot_be_are_refused() {
        let header = |name: &str, value: &str| {
            format!(
                "<Challenge>PHNvYXA+</Challenge><HttpHeader><name>{name}</name><value>{value}</value></HttpHeader>"
            )
        };
        for bad in [
            String::new(),
            "<Challenge></Challenge>".into(),
            "<Challenge>*</Challenge>".into(),
            "<Challenge>".into(),
            header("A\r\nB", "x"),
            header("A", "x\r\nB: y"),
            header("", "x"),
            header("A", "x").repeat(MAX_FIELDS + 1),
        ] {
            assert!(wrap(&message(&bad)).is_err(), "{bad}");
        }
        let wide = header("A", &"é".repeat(10));
        assert!(wrap(&message(&wide)).is_err());
    }
}
