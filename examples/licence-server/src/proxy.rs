//! Licence services of vendors (Widevine, PlayReady, FairPlay) behind the same entitlement.
//!
//! The viewer's token stays here; the vendor gets what it wants to be told, from a file:
//!
//! ```toml
//! [[vendor]]
//! name = "axinom"
//! url = "https://example.invalid/AcquireLicense"
//! axinom = { com_key_id = "…", secret_file = "axinom.key" }
//!
//! [[vendor]]
//! name = "drmtoday"
//! url = "https://lic.example.invalid/license-proxy-widevine/cenc/"
//! headers = { "x-dt-custom-data" = "…" }
//! secret_headers = { "x-api-key" = "vendor.key" }
//! # `{content}` and `{session}` in a header stand for what the token says.
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::redirect::Policy;
use serde::Deserialize;

use crate::clock::Clock;
use crate::entitlement::Entitlement;
use crate::error::Error;
use crate::ids::TrackClass;
use crate::jwt;
use crate::store::Listed;

const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A vendor's service.
#[derive(Clone)]
pub struct Vendor {
    pub(crate) name: String,
    url: String,
    headers: BTreeMap<String, String>,
    axinom: Option<Axinom>,
    client: reqwest::Client,
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vendor({})", self.name)
    }
}

/// Axinom's message: which keys, signed.
#[derive(Clone)]
struct Axinom {
    com_key_id: String,
    secret: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    vendor: Vec<Form>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    name: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Names of files with what is secret.
    #[serde(default)]
    secret_headers: BTreeMap<String, PathBuf>,
    axinom: Option<AxinomForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AxinomForm {
    com_key_id: String,
    secret_file: PathBuf,
}

/// Why there is no answer of a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum VendorError {
    #[error("a header for the vendor cannot be made of what the token says")]
    Header,
    #[error("the vendor's service answered {0}")]
    Refused(StatusCode),
    #[error("the vendor's service did not answer in time")]
    Timeout,
    #[error("the vendor's answer is too large")]
    TooLarge,
    #[error("the vendor's service cannot be reached")]
    Unreachable,
}

/// Reads the list of vendors; names of files are relative to it.
///
/// # Errors
/// If it cannot be read, or a file that it names.
pub fn vendors(path: &Path) -> Result<Vec<Vendor>, Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let file: File =
        toml::from_str(&text(path)?).map_err(|error| Error::Vendors(error.message().to_owned()))?;
    jwt::install();
    // Another part of the same process may have installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(Policy::none())
        .build()
        .map_err(|_| Error::Vendors("connections cannot be set up".into()))?;
    file.vendor
        .into_iter()
        .map(|form| form.read(folder, &client))
        .collect()
}

fn text(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

impl Form {
    fn read(self, folder: &Path, client: &reqwest::Client) -> Result<Vendor, Error> {
        if !self.url.starts_with("https://") && !self.url.starts_with("http://127.0.0.1") {
            return Err(Error::Vendors(format!(
                "{}: its URL must begin with https://",
                self.name
            )));
        }
        let mut headers = self.headers;
        for (name, file) in self.secret_headers {
            headers.insert(name, text(&folder.join(file))?.trim().to_owned());
        }
        if let Some(name) = headers.keys().find(|name| name.parse::<HeaderName>().is_err()) {
            return Err(Error::Vendors(format!(
                "{}: {name:?} is no name of a header",
                self.name
            )));
        }
        let axinom = match self.axinom {
            Some(form) => {
                let secret = BASE64_STANDARD
                    .decode(text(&folder.join(form.secret_file))?.trim())
                    .map_err(|_| Error::Vendors(format!("{}: its secret is not base64", self.name)))?;
                Some(Axinom {
                    com_key_id: form.com_key_id,
                    secret,
                })
            }
            None => None,
        };
        Ok(Vendor {
            name: self.name,
            url: self.url,
            headers,
            axinom,
            client: client.clone(),
        })
    }
}

impl Vendor {
    /// Whether it can be told of this right: of tracks only if it is told of keys.
    pub(crate) fn can_tell(&self, entitlement: &Entitlement) -> bool {
        self.axinom.is_some() || (entitlement.tracks == TrackClass::Uhd2 && entitlement.key_ids.is_none())
    }

    /// Passes a request on; `keys` are those of the content.
    pub(crate) async fn send(
        &self,
        entitlement: &Entitlement,
        keys: &[Listed],
        content_type: Option<HeaderValue>,
        body: Bytes,
        clock: &Clock,
    ) -> Result<(Option<HeaderValue>, Vec<u8>), VendorError> {
        let mut headers = HeaderMap::new();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, content_type);
        }
        let content = entitlement.content.first().map_or("", String::as_str);
        for (name, value) in &self.headers {
            let value = value
                .replace("{content}", content)
                .replace("{session}", &entitlement.session);
            set(&mut headers, name, &value)?;
        }
        if let Some(axinom) = &self.axinom {
            set(
                &mut headers,
                "x-axdrm-message",
                &axinom.message(entitlement, keys, clock)?,
            )?;
        }
        let sent = self
            .client
            .post(&self.url)
            .headers(headers)
            .body(body)
            .send()
            .await;
        let mut answer = sent.map_err(|error| match error.is_timeout() {
            true => VendorError::Timeout,
            false => VendorError::Unreachable,
        })?;
        if !answer.status().is_success() {
            return Err(VendorError::Refused(answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| VendorError::Timeout)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_ANSWER_BYTES {
                return Err(VendorError::TooLarge);
            }
        }
        Ok((answer.headers().get(CONTENT_TYPE).cloned(), bytes))
    }
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), VendorError> {
    let name: HeaderName = name.parse().map_err(|_| VendorError::Header)?;
    let mut value: HeaderValue = value.parse().map_err(|_| VendorError::Header)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

impl Axinom {
    fn message(
        &self,
        entitlement: &Entitlement,
        keys: &[Listed],
        clock: &Clock,
    ) -> Result<String, VendorError> {
        let allowed = keys.iter().filter(|key| {
            let class = key
                .label
                .parse()
                .ok()
                .map(|label: crate::ids::KeyLabel| label.class(TrackClass::Uhd2));
            class.is_some_and(|class| class <= entitlement.tracks)
                && entitlement
                    .key_ids
                    .as_ref()
                    .is_none_or(|ids| ids.contains(&key.kid))
        });
        let inline: Vec<_> = allowed
            .map(|key| serde_json::json!({"id": key.kid.uuid()}))
            .collect();
        let now_s = clock.now_ms().div_euclid(1000);
        let claims = serde_json::json!({
            "version": 1,
            "com_key_id": self.com_key_id,
            "exp": now_s + crate::entitlement::MAX_LIFE_S,
            "message": {
                "type": "entitlement_message",
                "version": 2,
                "content_keys_source": {"inline": inline},
            },
        });
        let key = EncodingKey::from_secret(&self.secret);
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(|_| VendorError::Header)
    }
}
