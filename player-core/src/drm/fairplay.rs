//! FairPlay Streaming: key URIs, requests (server playback contexts, SPC) and answers (content key contexts, CKC).

use serde::{Deserialize, Serialize};

use super::licence::{self, LicenceRequest};
use super::{KeyId, MAX_MESSAGE, Rejection, Result};
use crate::base64;
use crate::manifest::dash::xml::{self, Node, Reader};

/// What `update` takes to make a session ask anew.
pub const RENEW: &[u8] = b"renew";
/// What `update` takes when the server knows that a licence was given back.
pub const ACKNOWLEDGED: &[u8] = b"acknowledged";

/// How a licence server wants its requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpcForm {
    /// Bytes.
    #[default]
    Raw,
    /// A form with one field, `spc`, in base64.
    Form,
    /// JSON with one member, `spc`, in base64.
    Json,
}

/// What a key URI (`skd://…`) names: all that follows.
pub fn content_id(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_at_checked(4)?;
    let id = rest.strip_prefix("//").unwrap_or(rest);
    (scheme.eq_ignore_ascii_case("skd:") && !id.is_empty()).then_some(id)
}

/// The key that a URI names, where that is the id of one.
pub(super) fn key_id(uri: &str) -> Option<KeyId> {
    let id = content_id(uri)?;
    let end = id.bytes().position(|b| matches!(b, b'?' | b'/' | b':' | b';'));
    KeyId::parse(id.get(..end.unwrap_or(id.len()))?)
}

/// Initialization data for the key sessions of Safari before EME (`WebKitMediaKeys`): URI, content id and certificate.
pub fn legacy_init_data(uri: &str, content_id: &str, certificate: &[u8]) -> Vec<u8> {
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let mut out = Vec::new();
    for part in [&utf16(uri), &utf16(content_id), certificate] {
        out.extend_from_slice(&(part.len() as u32).to_le_bytes());
        out.extend_from_slice(part);
    }
    out
}

pub(super) fn wrap(spc: &[u8], form: SpcForm) -> LicenceRequest {
    match form {
        SpcForm::Raw => LicenceRequest::new(spc.to_vec(), "application/octet-stream"),
        SpcForm::Form => {
            let mut body = String::from("spc=");
            for digit in base64::encode(spc).chars() {
                match digit {
                    '+' => body.push_str("%2B"),
                    '/' => body.push_str("%2F"),
                    '=' => body.push_str("%3D"),
                    digit => body.push(digit),
                }
            }
            LicenceRequest::new(body.into_bytes(), "application/x-www-form-urlencoded")
        }
        SpcForm::Json => {
            let body = format!("{{\"spc\":\"{}\"}}", base64::encode(spc));
            LicenceRequest::new(body.into_bytes(), "application/json")
        }
    }
}

/// The CKC in an answer: bytes, base64, `<ckc>`, or JSON.
pub(super) fn unwrap(body: &[u8]) -> Result<Vec<u8>> {
    /// The high byte of its version.
    const FIRST: u8 = 0;
    if body.first() == Some(&FIRST) {
        return Ok(body.to_vec());
    }
    let body = body.trim_ascii();
    let ckc = match body.first() {
        Some(b'{') => licence::member(body, &["ckc", "CkcMessage", "License"])?,
        Some(b'<') => licence::decode(element(body).ok_or(Rejection::NoLicence)?.as_bytes())?,
        // Some answer with a string of JSON.
        Some(b'"') => licence::decode(
            body.strip_prefix(b"\"")
                .and_then(|body| body.strip_suffix(b"\""))
                .unwrap_or(body),
        )?,
        _ => licence::decode(body)?,
    };
    if ckc.first() != Some(&FIRST) || ckc.len() > MAX_MESSAGE {
        return Err(Rejection::NoLicence.into());
    }
    Ok(ckc)
}

/// What is in the element `ckc`.
fn element(body: &[u8]) -> Option<String> {
    let mut reader = Reader::new(body);
    loop {
        match reader.next().ok()? {
            Node::Start(tag) if tag.name() == "ckc" => {
                let raw = reader.raw(tag).and_then(xml::text).ok()?;
                return Some(xml::unescape(raw).into_owned());
            }
            Node::Eof => return None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn uris_name_content() {
        for (uri, content, key) in [
            (
                "skd://00112233445566778899aabbccddeeff",
                Some("00112233445566778899aabbccddeeff"),
                true,
            ),
            (
                "SKD://00112233-4455-6677-8899-aabbccddeeff?x=1",
                Some("00112233-4455-6677-8899-aabbccddeeff?x=1"),
                true,
            ),
            ("skd:film", Some("film"), false),
            ("skd://", None, false),
            ("https://h/x", None, false),
            ("sk", None, false),
        ] {
            assert_eq!((content_id(uri), key_id(uri).is_some()), (content, key), "{uri}");
        }
    }

    #[test]
    fn legacy_data_has_three_parts_with_their_lengths() {
        let data = legacy_init_data("skd://é", "é", &[7, 8, 9]);
        assert_eq!(data.len(), 4 + 14 + 4 + 2 + 4 + 3);
        assert_eq!(data[..6], [14, 0, 0, 0, b's', 0]);
        assert_eq!(data[16..], [0xe9, 0, 2, 0, 0, 0, 0xe9, 0, 3, 0, 0, 0, 7, 8, 9]);
    }

    #[test]
    fn requests_have_three_forms() {
        let spc = [0xfb, 0xff, 0];
        let of = |form| {
            let request = wrap(&spc, form);
            (request.content_type, request.body)
        };
        assert_eq!(
            of(SpcForm::Raw),
            ("application/octet-stream".into(), spc.to_vec())
        );
        assert_eq!(
            of(SpcForm::Form),
            (
                "application/x-www-form-urlencoded".into(),
                b"spc=%2B%2F8A".to_vec()
            )
        );
        assert_eq!(
            of(SpcForm::Json),
            ("application/json".into(), b"{\"spc\":\"+/8A\"}".to_vec())
        );
        assert_eq!(wrap(&[0], SpcForm::Form).body, b"spc=AA%3D%3D");
    }

    #[test]
    fn answers_have_many_forms() {
        let ckc = b"\0\0\0\x01ckc";
        let text = base64::encode(ckc);
        for body in [
            text.clone(),
            format!(" \n{text}\r\n"),
            format!("\"{text}\""),
            format!("<ckc>{text}</ckc>"),
            format!("<?xml version=\"1.0\"?>\n<r><ckc>\n{text}\n</ckc></r>"),
            format!("{{\"ckc\":\"{text}\"}}"),
            format!("{{\"status\":[0],\"CkcMessage\":\"{text}\"}}"),
            format!("{{\"License\":\"{text}\"}}"),
        ] {
            assert_eq!(unwrap(body.as_bytes()).unwrap(), ckc, "{body}");
        }
        assert_eq!(unwrap(ckc).unwrap(), ckc);
    }

    #[test]
    fn other_answers_are_refused() {
        for (body, why) in [
            (&b"not entitled!"[..], Rejection::NotBase64),
            (b"Unauthorized", Rejection::NoLicence),
            (b"<error>no</error>", Rejection::NoLicence),
            (b"<ckc>AAAA", Rejection::NoLicence),
            (b"<ckc>*</ckc>", Rejection::NotBase64),
            (b"{\"ckc\":1}", Rejection::NoLicence),
            (b"{\"ckc\":\"\"}", Rejection::NotBase64),
            (b"{\"error\":\"no\"}", Rejection::NoLicence),
            (b"{", Rejection::NotJson),
            (b"\"", Rejection::NotBase64),
            (b"\x01\x02", Rejection::NotBase64),
            (b"", Rejection::NotBase64),
        ] {
            assert_eq!(unwrap(body), Err(why.into()), "{body:?}");
        }
    }
}
