//! Word to a server of yours when an alert fires or is over.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Client, Url};
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::book::Message;
use crate::http_client;

const SIGNATURE: &str = "Headgate-Signature";
const MIN_SECRET_BYTES: usize = 16;
const TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// With the pauses between them these take some twenty minutes.
const TRIES: u32 = 12;

/// A URL that is sent a `POST` with JSON when an alert fires or is over. What may be secret in it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    url: Url,
    secret: Option<String>,
}

/// As the configuration file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookSection {
    url: String,
    secret: Option<String>,
}

impl Webhook {
    /// An `http` or `https` URL; with a secret of at least 16 bytes what is sent is signed.
    ///
    /// # Errors
    /// A message for people, without the URL or the secret.
    pub fn new(url: &str, secret: Option<String>) -> Result<Self, String> {
        let url = Url::parse(url).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or("webhook: the url is none, as https://example.com/hooks/alerts")?;
        if secret
            .as_ref()
            .is_some_and(|secret| secret.len() < MIN_SECRET_BYTES)
        {
            return Err(format!(
                "webhook: the secret has fewer than {MIN_SECRET_BYTES} bytes"
            ));
        }
        Ok(Self { url, secret })
    }

    pub(crate) fn read(section: WebhookSection) -> Result<Self, String> {
        Self::new(&section.url, section.secret)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A path may be a secret, too, as it is with some chat services.
        let host = self.url.host_str().unwrap_or_default();
        write!(f, "Webhook({}://{host}/…)", self.url.scheme())
    }
}

/// What became of the messages of this run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Deliveries {
    pub(crate) delivered: u64,
    /// Attempts that failed.
    pub(crate) failed: u64,
    /// Messages that were never delivered.
    pub(crate) given_up: u64,
    /// Why the last attempt failed, until one succeeds.
    pub(crate) last_error: Option<String>,
}

/// How a message is getting on.
#[derive(Debug, Default)]
pub(super) struct Attempts(u32);

impl Attempts {
    /// How long to wait before the next one; nothing if there were enough.
    pub(super) fn pause(&mut self) -> Option<Duration> {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.0.min(16)).min(LONGEST_PAUSE);
        self.0 += 1;
        (self.0 < TRIES).then_some(pause)
    }
}

/// Sends messages.
pub(super) struct Messenger {
    webhook: Webhook,
    client: Client,
}

impl Messenger {
    pub(super) fn new(webhook: Webhook) -> Result<Self, String> {
        let client = http_client::new(&webhook.url, TIMEOUT)?;
        Ok(Self { webhook, client })
    }

    /// Sends one once.
    pub(super) async fn send(&self, message: &Message) -> Result<(), String> {
        let body = serde_json::to_vec(message).map_err(|error| error.to_string())?;
        let mut request = self
            .client
            .post(self.webhook.url.clone())
            .header("content-type", "application/json");
        if let Some(secret) = &self.webhook.secret {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            request = request.header(SIGNATURE, sign(secret, now.as_secs(), &body));
        }
        match request.body(body).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("it answered {}", response.status().as_u16())),
            Err(error) => Err(http_client::explain(&error.without_url())),
        }
    }
}

/// `t=TIME,v1=MAC`: the HMAC-SHA256 (RFC 2104) of the time, a dot, and the body, in hexadecimal.
fn sign(secret: &str, time_s: u64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{time_s}.").as_bytes());
    context.update(body);
    let mac = context.sign();
    let hex: String = mac.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time_s},v1={hex}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// `printf '1800000000.{"a":1}' | openssl dgst -sha256 -hmac 0123456789abcdef`
    #[test]
    fn a_signature_is_what_openssl_makes() {
        let expected = "t=1800000000,v1=d3e17924cac4a72ca2ee9e5700df170fdb5733eaf69ecd909fb0c18a962b03a5";
        assert_eq!(sign("0123456789abcdef", 1_800_000_000, br#"{"a":1}"#), expected);
    }

    #[test]
    fn secrets_are_not_shown() {
        let secret = Some("hidden-0123456789".to_owned());
        let webhook =
            Webhook::new("https://user:hidden@example.com:8443/hidden?token=hidden", secret).unwrap();
        assert_eq!(format!("{webhook:?}"), "Webhook(https://example.com/…)");
        for (url, secret) in [
            ("ftp://hidden/", None),
            ("hidden", None),
            ("https://e.com", Some("hidden")),
        ] {
            let error = Webhook::new(url, secret.map(str::to_owned)).unwrap_err();
            assert!(!error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn pauses_double_up_to_five_minutes_and_end() {
        let mut attempts = Attempts::default();
        let pauses: Vec<_> = std::iter::from_fn(|| attempts.pause())
            .map(|pause| pause.as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }
}
