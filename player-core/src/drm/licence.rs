//! What a CDM says to its licence server, and what that answers.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::fairplay::{self, SpcForm};
use super::{DrmFormatError, KeySystem, MAX_MESSAGE, Rejection, Result, clearkey, playready};
use crate::base64;
use crate::manifest::json::Json;

/// What a message of a CDM is (EME, `MediaKeyMessageType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MessageType {
    /// It wants a licence.
    #[serde(rename = "license-request")]
    LicenceRequest,
    /// It wants the licence that it has to last longer.
    #[serde(rename = "license-renewal")]
    LicenceRenewal,
    /// It has given a licence back.
    #[serde(rename = "license-release")]
    LicenceRelease,
    /// It wants to be made one of a kind, so that licences can be for it alone.
    #[serde(rename = "individualization-request")]
    IndividualizationRequest,
}

impl MessageType {
    /// The name in EME.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LicenceRequest => "license-request",
            Self::LicenceRenewal => "license-renewal",
            Self::LicenceRelease => "license-release",
            Self::IndividualizationRequest => "individualization-request",
        }
    }

    /// The type with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::LicenceRequest,
            Self::LicenceRenewal,
            Self::LicenceRelease,
            Self::IndividualizationRequest,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// What licence servers want differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WrapOptions {
    /// Of FairPlay.
    pub spc: SpcForm,
}

/// A request to a licence server, to be posted. `Debug` tells the length of the body and the names of header fields alone.
#[derive(Clone, PartialEq, Eq)]
pub struct LicenceRequest {
    /// The body.
    pub body: Vec<u8>,
    /// Header fields but for the type: name and value.
    pub headers: Vec<(String, String)>,
    /// `Content-Type`.
    pub content_type: String,
}

impl LicenceRequest {
    pub(super) fn new(body: Vec<u8>, content_type: &str) -> Self {
        Self {
            body,
            headers: Vec::new(),
            content_type: content_type.to_owned(),
        }
    }

    /// Adds a header field that a message asks for.
    pub(super) fn field(&mut self, name: String, value: String) -> Result<()> {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let good = !name.is_empty()
            && name.bytes().all(is_token)
            && value.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~'));
        if !good {
            return Err(DrmFormatError::malformed(
                "a message of a CDM",
                "a header field cannot be sent",
            ));
        }
        if name.eq_ignore_ascii_case("content-type") || name.eq_ignore_ascii_case("content") {
            self.content_type = value;
        } else {
            self.headers.push((name, value));
        }
        Ok(())
    }
}

impl fmt::Debug for LicenceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "LicenceRequest({}, {} bytes",
            self.content_type,
            self.body.len()
        )?;
        for (name, _) in &self.headers {
            write!(f, ", {name}")?;
        }
        f.write_str(")")
    }
}

/// Makes a message of a CDM a request to its licence server.
///
/// # Errors
/// If it is none that this system's CDMs have, or larger than [`MAX_MESSAGE`].
pub fn wrap(
    system: KeySystem,
    message_type: MessageType,
    message: &[u8],
    options: WrapOptions,
) -> Result<LicenceRequest> {
    super::within(message.len(), MAX_MESSAGE, "a message of a CDM")?;
    if message.is_empty() {
        return Err(DrmFormatError::malformed("a message of a CDM", "it is empty"));
    }
    match system {
        _ if message_type == MessageType::IndividualizationRequest && system != KeySystem::PlayReady => {}
        KeySystem::ClearKey => {
            clearkey::Request::parse(message)?;
            return Ok(LicenceRequest::new(message.to_vec(), "application/json"));
        }
        KeySystem::FairPlay => return Ok(fairplay::wrap(message, options.spc)),
        KeySystem::PlayReady => return playready::wrap(message),
        KeySystem::Widevine => {}
    }
    Ok(LicenceRequest::new(message.to_vec(), "application/octet-stream"))
}

/// Makes a licence server's answer what the CDM takes (`update`).
///
/// - **ClearKey**: JSON; base64 of any kind in it becomes base64url without padding.
/// - **FairPlay**: a CKC as bytes (which begin with a zero), in base64, in `<ckc>`, or in JSON as `ckc`, `CkcMessage` or `License`.
/// - **PlayReady**: XML, as it is.
/// - **Widevine**: a protocol buffer (which begins with an 8), as bytes, in base64, or in JSON as `license`.
///
/// # Errors
/// If it is no licence, or larger than [`MAX_MESSAGE`].
pub fn unwrap(
    system: KeySystem,
    message_type: MessageType,
    body: &[u8],
    content_type: Option<&str>,
) -> Result<Vec<u8>> {
    if (system, message_type) == (KeySystem::FairPlay, MessageType::LicenceRelease) {
        return Ok(fairplay::ACKNOWLEDGED.to_vec());
    }
    super::within(body.len(), MAX_MESSAGE, "a licence")?;
    let text = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start();
    if text.is_empty() {
        return Err(Rejection::Empty.into());
    }
    let says_html = content_type.is_some_and(|kind| begins(kind.as_bytes(), b"text/html"));
    if begins(text, b"<!doctype html") || begins(text, b"<html") || (says_html && text.starts_with(b"<")) {
        return Err(Rejection::Html.into());
    }
    if message_type == MessageType::IndividualizationRequest {
        return Ok(body.to_vec());
    }
    match system {
        KeySystem::ClearKey if message_type == MessageType::LicenceRelease => {
            // The record of what was given back, acknowledged.
            clearkey::Request::parse(body).map_err(|_| Rejection::NotJson)?;
            Ok(body.to_vec())
        }
        KeySystem::ClearKey => clearkey::licence(body),
        KeySystem::FairPlay => fairplay::unwrap(body),
        KeySystem::PlayReady => play_ready(body, text),
        KeySystem::Widevine => widevine(body),
    }
}

fn begins(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(with))
}

fn play_ready(body: &[u8], text: &[u8]) -> Result<Vec<u8>> {
    // Of UTF-16, too.
    if !matches!(text, [b'<', ..] | [0xff, 0xfe, b'<', 0, ..]) {
        return Err(Rejection::NoLicence.into());
    }
    if scan::contains(text, b":Fault>") || scan::contains(text, b"<Fault>") {
        return Err(Rejection::Error.into());
    }
    Ok(body.to_vec())
}

fn widevine(body: &[u8]) -> Result<Vec<u8>> {
    /// Of a signed message: its type (field 1, a number).
    const FIRST: u8 = 8;
    const ERROR: u8 = 3;
    let licence = match body.trim_ascii() {
        _ if body.first() == Some(&FIRST) => body.to_vec(),
        text @ [b'{', ..] => member(text, &["license", "licence", "License"])?,
        text => decode(text)?,
    };
    match licence.as_slice() {
        [FIRST, ERROR, ..] => Err(Rejection::Error.into()),
        [FIRST, ..] => Ok(licence),
        _ => Err(Rejection::NoLicence.into()),
    }
}

/// Base64 of something.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>> {
    base64::decode(text, MAX_MESSAGE).ok_or(Rejection::NotBase64.into())
}

/// What the first member with one of these names is in base64.
pub(super) fn member(text: &[u8], names: &[&str]) -> Result<Vec<u8>> {
    let text = core::str::from_utf8(text).map_err(|_| Rejection::NotJson)?;
    let mut found = None;
    let mut json = Json::new(text);
    json.object(&mut |json, name| {
        if found.is_none() && names.contains(&name) {
            found = json.string_or_skip()?;
            return Ok(());
        }
        json.skip()
    })
    .and_then(|()| json.end())
    .map_err(|_| Rejection::NotJson)?;
    decode(found.ok_or(Rejection::NoLicence)?.as_bytes())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use KeySystem::{ClearKey, FairPlay, PlayReady, Widevine};
    use MessageType::{IndividualizationRequest, LicenceRelease, LicenceRenewal, LicenceRequest as Asked};

    use super::*;

    const KIDS: &[u8] = br#"{"kids":["ABEiM0RVZneImaq7zN3u_w"]}"#;

    #[test]
    fn message_types_have_the_names_of_eme() {
        for kind in [Asked, LicenceRenewal, LicenceRelease, IndividualizationRequest] {
            assert_eq!(crate::json::to_string(&kind), format!("\"{}\"", kind.name()));
            assert_eq!(MessageType::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Asked.name(), "license-request");
        assert_eq!(MessageType::from_name("licence-request"), None);
    }

    #[test]
    fn messages_are_wrapped() {
        let of = |system, kind, message: &[u8]| {
            let request = wrap(system, kind, message, WrapOptions::default())?;
            assert!(request.headers.is_empty());
            Ok::<_, DrmFormatError>((request.content_type, request.body))
        };
        let octets = |message: &[u8]| Ok(("application/octet-stream".to_owned(), message.to_vec()));
        assert_eq!(of(Widevine, Asked, &[8, 4]), octets(&[8, 4]));
        assert_eq!(of(FairPlay, LicenceRenewal, &[1, 2]), octets(&[1, 2]));
        assert_eq!(of(FairPlay, IndividualizationRequest, &[1, 2]), octets(&[1, 2]));
        assert_eq!(
            of(ClearKey, Asked, KIDS),
            Ok(("application/json".to_owned(), KIDS.to_vec()))
        );
        assert_eq!(
            of(PlayReady, Asked, b"<s/>").unwrap().0,
            "text/xml; charset=utf-8"
        );
        let json = WrapOptions { spc: SpcForm::Json };
        assert_eq!(
            wrap(FairPlay, Asked, &[0], json).unwrap().body,
            b"{\"spc\":\"AA==\"}"
        );
        for bad in [&b""[..], b"<html>", b"{\"kids\":[]}"] {
            assert!(of(ClearKey, Asked, bad).is_err());
        }
        let huge = vec![b'<'; MAX_MESSAGE + 1];
        for system in KeySystem::ALL {
            assert!(matches!(
                of(system, Asked, &huge),
                Err(DrmFormatError::TooLarge { .. })
            ));
            assert!(of(system, Asked, b"").is_err());
        }
    }

    #[test]
    fn nothing_of_a_request_is_in_its_debug_output() {
        let mut request = LicenceRequest::new(b"secret".to_vec(), "a/b");
        request
            .field("Authorization".into(), "Bearer secret".into())
            .unwrap();
        let shown = format!("{request:?}");
        assert_eq!(shown, "LicenceRequest(a/b, 6 bytes, Authorization)");
    }

    #[test]
    fn licences_are_unwrapped() {
        let of = |system, body: &[u8]| unwrap(system, Asked, body, Some("application/octet-stream")).unwrap();
        let licence = [8, 2, 18, 0];
        assert_eq!(of(Widevine, &licence), licence);
        for text in [
            "CAISAA==",
            " CAISAA\n",
            "{\"status\":\"OK\",\"license\":\"CAISAA==\"}",
        ] {
            assert_eq!(of(Widevine, text.as_bytes()), licence, "{text}");
        }
        assert_eq!(
            of(PlayReady, b"<?xml version=\"1.0\"?><s/>"),
            b"<?xml version=\"1.0\"?><s/>"
        );
        assert_eq!(of(FairPlay, b"\0\0\0\x01"), b"\0\0\0\x01");
        let json = br#"{"keys":[{"kty":"oct","kid":"ABEiM0RVZneImaq7zN3u_w","k":"ABEiM0RVZneImaq7zN3u_w"}],"type":"temporary"}"#;
        assert_eq!(of(ClearKey, json), json);
        // What servers say of it is not believed, unless it looks so.
        assert_eq!(
            unwrap(Widevine, Asked, &licence, Some("text/html")).unwrap(),
            licence
        );
    }

    #[test]
    fn what_was_given_back_is_acknowledged() {
        let of = |system, body: &[u8]| unwrap(system, LicenceRelease, body, None);
        assert_eq!(of(FairPlay, b"").unwrap(), b"acknowledged");
        assert_eq!(of(ClearKey, KIDS).unwrap(), KIDS);
        assert_eq!(of(ClearKey, b"{}"), Err(Rejection::NotJson.into()));
        assert_eq!(of(Widevine, &[8, 2]).unwrap(), [8, 2]);
    }

    #[test]
    fn answers_of_every_wrong_kind_are_refused() {
        let html = &b"\n<!DOCTYPE html><title>403</title>"[..];
        let fault = &b"<s:Envelope><s:Body><s:Fault><x/></s:Fault></s:Body></s:Envelope>"[..];
        for system in KeySystem::ALL {
            for kind in [Asked, LicenceRenewal, IndividualizationRequest] {
                let of = |body: &[u8], content_type| unwrap(system, kind, body, content_type).unwrap_err();
                assert_eq!(of(b"", None), Rejection::Empty.into());
                assert_eq!(of(b" \r\n", None), Rejection::Empty.into());
                assert_eq!(of(html, None), Rejection::Html.into());
                assert_eq!(of(b"<HTML lang=en>", None), Rejection::Html.into());
                assert_eq!(
                    of(b"<body>", Some("Text/HTML; charset=utf-8")),
                    Rejection::Html.into()
                );
                let huge = vec![8; MAX_MESSAGE + 1];
                assert!(matches!(of(&huge, None), DrmFormatError::TooLarge { .. }));
            }
        }
        for (system, body, why) in [
            (Widevine, &b"Unauthorized"[..], Rejection::NoLicence),
            (Widevine, b"not entitled!", Rejection::NotBase64),
            (Widevine, b"<x/>", Rejection::NotBase64),
            (Widevine, b"{\"error\":\"no\"}", Rejection::NoLicence),
            (Widevine, b"{\"license\":null}", Rejection::NoLicence),
            (Widevine, b"{\"license\":\"\"}", Rejection::NotBase64),
            (Widevine, b"{\"license\":\"AAAA\"}", Rejection::NoLicence),
            (Widevine, b"{\"license\":\"CAIS", Rejection::NotJson),
            (Widevine, b"{\"license\":\"CAIS\"}}", Rejection::NotJson),
            (Widevine, b"{\xff}", Rejection::NotJson),
            (Widevine, &[8, 3, 0], Rejection::Error),
            (Widevine, &[0xff, 0xfe], Rejection::NotBase64),
            (PlayReady, b"Unauthorized", Rejection::NoLicence),
            (PlayReady, b"{\"license\":\"AAAA\"}", Rejection::NoLicence),
            (PlayReady, &[0, 1, 2], Rejection::NoLicence),
            (PlayReady, fault, Rejection::Error),
            (ClearKey, &[8, 2], Rejection::NotJson),
            (ClearKey, b"{\"keys\":[]}", Rejection::NoKeys),
            (FairPlay, &[8, 2], Rejection::NotBase64),
            (FairPlay, b"{\"keys\":[]}", Rejection::NoLicence),
        ] {
            assert_eq!(
                unwrap(system, Asked, body, None),
                Err(why.into()),
                "{system:?} {body:?}"
            );
            assert_eq!(
                unwrap(system, LicenceRenewal, body, None),
                Err(why.into()),
                "{system:?} {body:?}"
            );
        }
    }

    #[test]
    fn errors_quote_nothing() {
        let secret = "c2VjcmV0";
        for system in KeySystem::ALL {
            for body in [
                format!("{{\"k\":\"{secret}\"}}"),
                format!("{secret}!"),
                format!("<a>{secret}"),
                format!("{{\"keys\":[{{\"k\":\"{secret}\"}}]}}"),
            ] {
                if let Err(error) = unwrap(system, Asked, body.as_bytes(), None) {
                    assert!(!format!("{error} {error:?}").contains(secret));
                }
                if let Err(error) = wrap(system, Asked, body.as_bytes(), WrapOptions::default()) {
                    assert!(!format!("{error} {error:?}").contains(secret));
                }
            }
        }
    }
}
