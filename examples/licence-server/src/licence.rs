//! ClearKey's messages (EME, 9.1.3 and 9.1.4).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::ids::{ContentKey, KeyId};
use crate::store::Found;

/// A request: `{"kids":["…"],"type":"temporary"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) key_ids: Vec<KeyId>,
    pub(crate) session_type: String,
}

#[derive(Deserialize)]
struct RequestForm {
    kids: Vec<String>,
    #[serde(default, rename = "type")]
    session_type: Option<String>,
}

impl Request {
    pub(crate) fn read(body: &[u8], most: usize) -> Result<Self, String> {
        let form: RequestForm = serde_json::from_slice(body)
            .map_err(|_| "the body is no ClearKey licence request: {\"kids\":[…]}".to_owned())?;
        if form.kids.is_empty() || form.kids.len() > most {
            return Err(format!("a request names 1 to {most} keys"));
        }
        let session_type = form.session_type.unwrap_or_else(|| "temporary".into());
        if !["temporary", "persistent-license"].contains(&session_type.as_str()) {
            return Err("the type of a session is temporary or persistent-license".into());
        }
        let mut key_ids = Vec::new();
        for kid in &form.kids {
            let id = KeyId::from_base64url(kid.trim_end_matches('='));
            let id = id.map_err(|error| format!("a key id is {error}"))?;
            if !key_ids.contains(&id) {
                key_ids.push(id);
            }
        }
        Ok(Self {
            key_ids,
            session_type,
        })
    }
}

/// A licence: a JSON Web Key set.
#[derive(Serialize)]
pub(crate) struct Licence {
    pub(crate) keys: Vec<Jwk>,
    #[serde(rename = "type")]
    session_type: String,
}

#[derive(Serialize)]
pub(crate) struct Jwk {
    kty: &'static str,
    pub(crate) kid: String,
    pub(crate) k: String,
}

impl Licence {
    pub(crate) fn of(found: &[Found], session_type: &str) -> Self {
        let jwk = |found: &Found| Jwk {
            kty: "oct",
            kid: found.asked.base64url(),
            k: found.key.base64url(),
        };
        Self {
            keys: found.iter().map(jwk).collect(),
            session_type: session_type.to_owned(),
        }
    }

    /// With other keys than the right ones.
    pub(crate) fn falsify(&mut self) {
        for jwk in &mut self.keys {
            let mut bytes = [0; 16];
            if getrandom::fill(&mut bytes).is_ok() {
                jwk.k = BASE64_URL_SAFE_NO_PAD.encode(ContentKey(bytes).0);
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
