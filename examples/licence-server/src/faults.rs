//! What tests may ask to go wrong, if the server was started for that: `?fault=…`.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use crate::licence::Licence;

/// What shall go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No keys.
    Empty,
    /// A web page.
    Html,
    /// Base64 with padding, of the standard alphabet.
    Padded,
    /// This late, milliseconds.
    Slow(u64),
    /// An HTTP status.
    Status(StatusCode),
    /// No answer.
    Timeout,
    /// Keys that do not fit.
    WrongKey,
}

impl Fault {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        const KNOWN: &str = "a fault is empty, html, padded, slow=MS, timeout, wrong-key, or a status";
        Ok(match text {
            "empty" => Self::Empty,
            "html" => Self::Html,
            "padded" => Self::Padded,
            "timeout" => Self::Timeout,
            "wrong-key" => Self::WrongKey,
            other => match other.strip_prefix("slow=").map(str::parse) {
                Some(Ok(ms)) => Self::Slow(ms),
                Some(Err(_)) => return Err(KNOWN.into()),
                None => {
                    let status = other.parse().map_err(|_| KNOWN)?;
                    Self::Status(StatusCode::from_u16(status).map_err(|_| KNOWN)?)
                }
            },
        })
    }
}

/// What is answered in place of a licence.
pub(crate) async fn before(fault: Option<Fault>) -> Option<Response> {
    match fault? {
        Fault::Html => Some(
            (
                [(CONTENT_TYPE, "text/html"), (CACHE_CONTROL, "no-store")],
                "<!doctype html><p>Sign in",
            )
                .into_response(),
        ),
        Fault::Status(status) => Some((status, "as asked\n").into_response()),
        Fault::Slow(ms) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            None
        }
        // Longer than any client waits; it ends when that hangs up.
        Fault::Timeout => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            Some(StatusCode::GATEWAY_TIMEOUT.into_response())
        }
        Fault::Empty | Fault::Padded | Fault::WrongKey => None,
    }
}

/// What becomes of a licence.
pub(crate) fn after(fault: Option<Fault>, mut licence: Licence) -> String {
    match fault {
        Some(Fault::Empty) => licence.keys.clear(),
        Some(Fault::WrongKey) => licence.falsify(),
        Some(Fault::Padded) => {
            let padded = |text: &str| {
                BASE64_URL_SAFE_NO_PAD
                    .decode(text)
                    .map(|bytes| BASE64_STANDARD.encode(bytes))
            };
            for jwk in &mut licence.keys {
                jwk.kid = padded(&jwk.kid).unwrap_or_default();
                jwk.k = padded(&jwk.k).unwrap_or_default();
            }
        }
        _ => {}
    }
    licence.text()
}
