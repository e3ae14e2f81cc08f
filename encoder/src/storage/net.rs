//! The one place that speaks to networks: a small runtime of its own, so that everything else stays synchronous.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::error::EncodeError;

/// The runtime, started when it is first needed.
pub(crate) fn runtime() -> Result<&'static Runtime, EncodeError> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        use_ring();
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("network")
            .enable_all()
            .build()
            .ok()
    });
    runtime.as_ref().ok_or_else(|| EncodeError::Storage {
        location: "network".to_owned(),
        reason: "its threads cannot be started; check the system's limits".to_owned(),
    })
}

/// Waits for an answer as long as `tick`, which is called several times a second, has nothing against it.
pub(crate) fn wait<T>(
    answer: impl Future<Output = T>,
    tick: &mut dyn FnMut() -> Result<(), EncodeError>,
) -> Result<T, EncodeError> {
    runtime()?.block_on(async {
        tokio::pin!(answer);
        loop {
            tick()?;
            if let Ok(answer) = tokio::time::timeout(TICK, &mut answer).await {
                return Ok(answer);
            }
        }
    })
}

/// A client for single requests, which follows no redirects.
pub(crate) fn client(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    use_ring();
    reqwest::Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("headgate-encode/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A text without what may be secret in it: user, password and query of URLs, and the values of credentials in the
/// environment.
pub(crate) fn redact(text: &str) -> String {
    let is_secret = |name: &str| {
        ["AWS_", "GOOGLE_", "HEADGATE_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            && ["SECRET", "TOKEN", "PASSWORD", "KEY"]
                .iter()
                .any(|part| name.contains(part))
    };
    let secrets = std::env::vars_os().filter_map(|(name, value)| {
        let value = value.into_string().ok()?;
        (is_secret(name.to_str()?) && value.len() >= SHORTEST_SECRET).then_some(value)
    });
    let text = secrets.fold(text.to_owned(), |text, secret| text.replace(&secret, "***"));
    let text = text
        .split_whitespace()
        .map(redact_urls)
        .collect::<Vec<_>>()
        .join(" ");
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn redact_urls(word: &str) -> String {
    let Some((before, after)) = word.split_once("://") else {
        return word.to_owned();
    };
    let (authority, path) = match after.find(['/', '?', '#']) {
        Some(at) => after.split_at(at),
        None => (after, ""),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (path, rest) = match path.find(['?', '#']) {
        Some(at) => path.split_at(at),
        None => (path, ""),
    };
    // Brackets around a URL stay closed.
    let end = rest.trim_start_matches(|c| !CLOSING.contains(c));
    let end = if end.chars().all(|c| CLOSING.contains(c)) {
        end
    } else {
        ""
    };
    format!("{before}://{host}{path}{end}")
}

/// Both object_store and reqwest take the process's default provider.
fn use_ring() {
    // Another one that is there already does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

const TICK: Duration = Duration::from_millis(100);
const CLOSING: &str = ")]>\"',;:.";
const SHORTEST_SECRET: usize = 6;
const LONGEST_TEXT: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_what_may_be_secret() {
        for (text, expected) in [
            ("plain text", "plain text"),
            (
                "PUT http://user:pass@host:9000/b/x?sig=abc failed",
                "PUT http://host:9000/b/x failed",
            ),
            ("(https://h/p?token=1)", "(https://h/p)"),
            ("https://h?token=1", "https://h"),
            ("https://a:b@h", "https://h"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }
}
