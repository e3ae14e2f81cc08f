//! Word to a server when a job has ended.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use reqwest::{StatusCode, Url};
use serde::Serialize;

use crate::error::EncodeError;
use crate::storage::{client, hex, redact, runtime};
use crate::vod::{RenditionSummary, Summary};

/// A URL that is sent a `POST` with JSON when a job is done or has failed.
///
/// With the environment variable `HEADGATE_WEBHOOK_SECRET` the header `X-Headgate-Signature` is `sha256=` and the HMAC-SHA256
/// (RFC 2104) of the body in hexadecimal. Its text for people leaves out what may be secret in the URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    url: Url,
}

#[derive(Serialize)]
struct Payload<'a> {
    /// "done" or "failed".
    event: &'static str,
    id: &'a str,
    /// The file's name without its folder.
    input: String,
    outputs: Option<Outputs>,
    duration_s: Option<f64>,
    renditions: &'a [RenditionSummary],
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct Outputs {
    out: String,
    hls: String,
    dash: String,
}

impl Webhook {
    /// Reads an `http` or `https` URL.
    ///
    /// # Errors
    /// [`EncodeError::BadOption`], without the text that was given.
    pub fn new(text: &str) -> Result<Self, EncodeError> {
        let url = Url::parse(text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        url.map(|url| Self { url }).ok_or_else(|| EncodeError::BadOption {
            option: "--webhook",
            value: "…".to_owned(),
            reason: "use a URL such as https://example.com/hooks/encoded".to_owned(),
        })
    }

    /// Tells how a job has ended: done with a summary, or failed with an error. Tries several times.
    ///
    /// # Errors
    /// A text for people.
    pub fn tell(
        &self,
        id: &str,
        input: &Path,
        summary: Option<&Summary>,
        error: Option<&str>,
    ) -> Result<(), String> {
        let payload = Payload {
            event: if error.is_some() { "failed" } else { "done" },
            id,
            input: input.file_name().unwrap_or_default().to_string_lossy().into(),
            outputs: summary.map(|summary| Outputs {
                out: summary.out.to_string(),
                hls: summary.hls.to_string(),
                dash: summary.dash.to_string(),
            }),
            duration_s: summary.map(|summary| summary.duration_s),
            renditions: summary.map_or(&[], |summary| &summary.renditions),
            error,
        };
        let body = serde_json::to_vec(&payload).map_err(|error| error.to_string())?;
        let runtime = runtime().map_err(|error| error.to_string())?;
        let sent = runtime.block_on(self.send(body));
        sent.map_err(|reason| format!("webhook {self}: {reason}"))
    }

    async fn send(&self, body: Vec<u8>) -> Result<(), String> {
        let client = client(TIMEOUT).map_err(|error| redact(&error.to_string()))?;
        let signature = std::env::var(SECRET_VARIABLE)
            .ok()
            .filter(|secret| !secret.is_empty())
            .map(|secret| sign(secret.as_bytes(), &body));
        let mut reason = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_secs(1 << (attempt - 1))).await;
            }
            let mut request = client
                .post(self.url.clone())
                .header("content-type", "application/json")
                .body(body.clone());
            if let Some(signature) = &signature {
                request = request.header(SIGNATURE_HEADER, signature);
            }
            match request.send().await {
                Ok(response) if response.status().is_success() => return Ok(()),
                Ok(response) => {
                    let status = response.status();
                    reason = format!("it answered {status}");
                    let is_lasting = !status.is_server_error() && status != StatusCode::TOO_MANY_REQUESTS;
                    if is_lasting {
                        return Err(reason);
                    }
                }
                Err(error) => reason = redact(&crate::explain(&error.without_url())),
            }
        }
        Err(format!("{reason} ({TRIES} tries)"))
    }
}

fn sign(secret: &[u8], body: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    format!("sha256={}", hex(ring::hmac::sign(&key, body).as_ref()))
}

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            self.url.scheme(),
            self.url.host_str().unwrap_or_default()
        )?;
        if let Some(port) = self.url.port() {
            write!(f, ":{port}")?;
        }
        // A path may be a secret too, as it is with some chat services.
        f.write_str("/…")
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const SECRET_VARIABLE: &str = "HEADGATE_WEBHOOK_SECRET";
const SIGNATURE_HEADER: &str = "x-headgate-signature";
const TIMEOUT: Duration = Duration::from_secs(10);
const TRIES: u32 = 3;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        // Test case 2.
        assert_eq!(
            sign(b"Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn what_may_be_secret_in_a_url_is_not_shown() {
        let webhook = Webhook::new("https://user:hidden@example.com:8443/hidden?token=hidden").unwrap();
        assert_eq!(webhook.to_string(), "https://example.com:8443/…");
        assert_eq!(format!("{webhook:?}"), "https://example.com:8443/…");
        for bad in ["ftp://hidden/", "hidden", "https://", "http:///"] {
            let error = Webhook::new(bad).unwrap_err().to_string();
            assert!(!error.contains("hidden"), "{error}");
        }
    }
}
