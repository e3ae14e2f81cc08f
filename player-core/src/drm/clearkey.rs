//! ClearKey's messages (Encrypted Media Extensions, 9.1.3 and 9.1.4).

use super::{DrmFormatError, KeyId, Rejection, Result};
use crate::base64;
use crate::manifest::ManifestError;
use crate::manifest::json::Json;

/// What a CDM asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Ids of keys.
    pub key_ids: Vec<KeyId>,
    /// As `temporary`, `persistent-license`; empty if it does not say, as in initialization data.
    pub session_type: String,
}

impl Request {
    /// Reads a request for a licence, or initialization data of the form `keyids`: ids in base64url, but whatever they are written in
    /// is read.
    ///
    /// # Errors
    /// If it is no such JSON, or names no key, or too many.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        const WHAT: &str = "a list of key ids";
        let bad = DrmFormatError::malformed(WHAT, "it is not the JSON that it should be");
        super::within(bytes.len(), super::MAX_INIT_DATA, WHAT)?;
        let text = core::str::from_utf8(bytes).map_err(|_| bad)?;
        let mut request = Self {
            key_ids: Vec::new(),
            session_type: String::new(),
        };
        let mut result = Ok(());
        let mut json = Json::new(text);
        json.object(&mut |json, key| match key {
            "kids" => json.array(&mut |json| {
                let id = KeyId::of_base64(&json.string()?);
                let added = match id {
                    Some(id) => super::add(&mut request.key_ids, id),
                    None => Err(DrmFormatError::malformed(WHAT, "an id has not 128 bits")),
                };
                result = result.and(added);
                Ok(())
            }),
            "type" => {
                request.session_type = json.string()?;
                Ok(())
            }
            _ => json.skip(),
        })
        .and_then(|()| json.end())
        .map_err(|_| bad)?;
        result?;
        if request.key_ids.is_empty() {
            return Err(DrmFormatError::NoKeyId(WHAT));
        }
        Ok(request)
    }
}

/// Initialization data of the form `keyids`.
pub(super) fn key_ids_json(ids: &[KeyId]) -> String {
    let mut out = String::from("{\"kids\":[");
    for (i, id) in ids.iter().enumerate() {
        out.push_str(if i == 0 { "\"" } else { ",\"" });
        out.push_str(&id.to_base64url());
        out.push('"');
    }
    out.push_str("]}");
    out
}

/// A licence as CDMs want it: base64url without padding, whatever the server has written it in.
pub(super) fn licence(body: &[u8]) -> Result<Vec<u8>> {
    let text = core::str::from_utf8(body).map_err(|_| Rejection::NotJson)?;
    let text = text.trim_start_matches('\u{feff}');
    let mut out = String::from("{\"keys\":[");
    let (mut count, mut why) = (0, None);
    let mut persistent = false;
    let mut json = Json::new(text);
    let read = json
        .object(&mut |json, name| match name {
            "keys" => json.array(&mut |json| {
                let Some((id, key)) = pair(json)? else {
                    why = Some(Rejection::BadKey);
                    return Ok(());
                };
                out.push_str(if count == 0 { "" } else { "," });
                for (name, value) in [("{\"kty\":\"oct\",\"kid\":\"", id), ("\",\"k\":\"", key)] {
                    out.push_str(name);
                    out.push_str(&base64::encode_url(&value));
                }
                out.push_str("\"}");
                count += 1;
                Ok(())
            }),
            "type" => {
                persistent = json.string_or_skip()?.as_deref() == Some("persistent-license");
                Ok(())
            }
            _ => json.skip(),
        })
        .and_then(|()| json.end());
    read.map_err(|_| Rejection::NotJson)?;
    if let Some(why) = why {
        return Err(why.into());
    }
    if count == 0 {
        return Err(Rejection::NoKeys.into());
    }
    out.push_str("],\"type\":\"");
    out.push_str(if persistent {
        "persistent-license"
    } else {
        "temporary"
    });
    out.push_str("\"}");
    Ok(out.into_bytes())
}

/// An id of a key, and the key.
type Pair = ([u8; 16], [u8; 16]);

/// The next id and its key, if both have 128 bits.
fn pair(json: &mut Json<'_>) -> core::result::Result<Option<Pair>, ManifestError> {
    let (mut id, mut key, mut is_key) = (None, None, true);
    json.object(&mut |json, name| {
        let into = match name {
            "k" => &mut key,
            "kid" => &mut id,
            "kty" => {
                is_key = json.string_or_skip()?.as_deref() == Some("oct");
                return Ok(());
            }
            _ => return json.skip(),
        };
        *into = json
            .string_or_skip()?
            .and_then(|text| KeyId::of_base64(&text))
            .map(|bits| bits.0);
        Ok(())
    })?;
    Ok(id.zip(key).filter(|_| is_key))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ID: &str = "ABEiM0RVZneImaq7zN3u_w";

    #[test]
    fn requests_are_read() {
        let request = Request::parse(
            br#"{"kids":["ABEiM0RVZneImaq7zN3u_w","_-7dzLuqmYh3ZlVEMyIRAA=="],"type":"temporary"}"#,
        )
        .unwrap();
        let ids: Vec<_> = request.key_ids.iter().map(KeyId::to_string).collect();
        assert_eq!(
            ids,
            [
                "00112233445566778899aabbccddeeff",
                "ffeeddccbbaa99887766554433221100"
            ]
        );
        assert_eq!(request.session_type, "temporary");
        let init = key_ids_json(&request.key_ids);
        assert_eq!(
            init,
            r#"{"kids":["ABEiM0RVZneImaq7zN3u_w","_-7dzLuqmYh3ZlVEMyIRAA"]}"#
        );
        assert_eq!(Request::parse(init.as_bytes()).unwrap().key_ids, request.key_ids);
        assert_eq!(key_ids_json(&[]), r#"{"kids":[]}"#);
    }

    #[test]
    fn requests_that_cannot_be_are_refused() {
        for bad in [
            "",
            "{",
            "[]",
            "{\"kids\":1}",
            "{\"kids\":[1]}",
            "{\"kids\":[\"AAAA\"]}",
            "{\"kids\":[]} x",
        ] {
            let error = Request::parse(bad.as_bytes()).unwrap_err();
            assert!(
                matches!(error, DrmFormatError::Malformed { .. }),
                "{bad}: {error}"
            );
        }
        for none in ["{}", "{\"kids\":[]}"] {
            assert!(matches!(
                Request::parse(none.as_bytes()),
                Err(DrmFormatError::NoKeyId(_))
            ));
        }
        let ids: Vec<_> = (1..2000_u128).map(|n| KeyId(n.to_be_bytes())).collect();
        let many = key_ids_json(&ids);
        assert!(matches!(
            Request::parse(many.as_bytes()),
            Err(DrmFormatError::TooLarge { limit: 1024, .. })
        ));
        let long = vec![b' '; 1 << 20];
        assert!(matches!(
            Request::parse(&long),
            Err(DrmFormatError::TooLarge { .. })
        ));
    }

    #[test]
    fn licences_are_rewritten_as_cdms_want_them() {
        let key = "ASNFZ4mrze8BI0VniavN7w";
        let normal = format!(r#"{{"keys":[{{"kty":"oct","kid":"{ID}","k":"{key}"}}],"type":"temporary"}}"#);
        for body in [
            normal.clone(),
            normal
                .replace('_', "/")
                .replace("3u/w", "3u/w==")
                .replace("N7w", "N7w=="),
            format!(
                "\u{feff}\n{{\"keys\":[{{\"k\":\"{key}\",\"alg\":\"A128KW\",\"kid\":\"{ID}\"}}],\"x\":{{}}}}\n"
            ),
        ] {
            assert_eq!(licence(body.as_bytes()).unwrap(), normal.as_bytes(), "{body}");
        }
        let stored = normal.replace("temporary", "persistent-license");
        assert_eq!(licence(stored.as_bytes()).unwrap(), stored.as_bytes());
        let two = normal.replace(
            "}],",
            &format!("}},{{\"kty\":\"oct\",\"kid\":\"{key}\",\"k\":\"{ID}\"}}],"),
        );
        assert_eq!(licence(two.as_bytes()).unwrap(), two.as_bytes());
    }

    #[test]
    fn other_answers_are_refused() {
        for (body, why) in [
            ("", Rejection::NotJson),
            ("<html>", Rejection::NotJson),
            ("{\"keys\":", Rejection::NotJson),
            ("{\"keys\":{}}", Rejection::NotJson),
            ("{\"keys\":[1]}", Rejection::NotJson),
            ("[]", Rejection::NotJson),
            ("{}", Rejection::NoKeys),
            ("{\"keys\":[]}", Rejection::NoKeys),
            ("{\"error\":\"no\"}", Rejection::NoKeys),
            ("{\"keys\":[{}]}", Rejection::BadKey),
            (
                "{\"keys\":[{\"kid\":\"ABEiM0RVZneImaq7zN3u_w\",\"k\":\"AAAA\"}]}",
                Rejection::BadKey,
            ),
            (
                "{\"keys\":[{\"kid\":\"ABEiM0RVZneImaq7zN3u_w\",\"k\":1}]}",
                Rejection::BadKey,
            ),
            (
                "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"ABEiM0RVZneImaq7zN3u_w\",\"k\":\"ABEiM0RVZneImaq7zN3u_w\"}]}",
                Rejection::BadKey,
            ),
        ] {
            assert_eq!(licence(body.as_bytes()), Err(why.into()), "{body}");
        }
        assert_eq!(licence(&[0xff]), Err(Rejection::NotJson.into()));
    }
}
