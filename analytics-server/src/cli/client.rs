//! Asking a server at its admin address.

use std::path::PathBuf;
use std::time::Duration;

use analytics_server::http_client;
use anyhow::{Context as _, bail, ensure};
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;

/// Longest wait for an answer; a query is given up by the server before.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longest answer, bytes.
const MAX_ANSWER: usize = 256 << 20;

/// Which server.
#[derive(clap::Args)]
pub(super) struct Client {
    /// The server's admin address.
    #[arg(
        long,
        value_name = "URL",
        env = "HEADGATE_ANALYTICS_URL",
        default_value = "http://127.0.0.1:8091"
    )]
    url: String,
    /// File with the admin token; DATA/admin-token if the server made one.
    #[arg(long, value_name = "FILE", env = "HEADGATE_ANALYTICS_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

impl Client {
    /// What a route answers.
    pub(super) fn get(&self, path: &str, parameters: &[(&str, String)]) -> anyhow::Result<String> {
        self.request(Method::GET, path, parameters, TIMEOUT)
    }

    /// The same, as JSON.
    pub(super) fn json(&self, path: &str, parameters: &[(&str, String)]) -> anyhow::Result<Value> {
        json(&self.get(path, parameters)?)
    }

    /// What a route answers to this method, within this time.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        parameters: &[(&str, String)],
        timeout: Duration,
    ) -> anyhow::Result<String> {
        let server = self.url.trim_end_matches('/');
        let mut url =
            Url::parse(&format!("{server}{path}")).with_context(|| format!("{server} is no URL"))?;
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let client = http_client::new(&url, timeout).map_err(anyhow::Error::msg)?;
        let mut request = client.request(method, url);
        if let Some(file) = &self.token_file {
            let token = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the token in {}", file.display()))?;
            request = request.bearer_auth(token.trim());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (status, body) = runtime
            .block_on(answer(request))
            .with_context(|| format!("{server} cannot be asked"))?;
        // A server that is shutting down tells its status all the same.
        if status.is_success() || (path == "/v1/status" && body.starts_with("{\"beacons\"")) {
            return Ok(body);
        }
        if status == StatusCode::UNAUTHORIZED {
            bail!("the server wants its admin token: give --token-file DATA/admin-token");
        }
        let problem: Option<Value> = serde_json::from_str(&body).ok();
        let message = problem
            .as_ref()
            .and_then(|problem| problem["error"]["message"].as_str());
        bail!(
            "{}",
            super::plain(message.unwrap_or(&format!("the server answered {status}")))
        )
    }
}

/// The path with an id at its end, which may hold whatever the application called a viewer.
pub(super) fn path(route: &str, id: &str) -> String {
    let mut path = route.to_owned();
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => path.push(char::from(byte)),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

/// An answer as JSON.
pub(super) fn json(text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).context("the server did not answer with JSON")
}

async fn answer(request: RequestBuilder) -> anyhow::Result<(StatusCode, String)> {
    let explained = |error: reqwest::Error| anyhow::Error::msg(http_client::explain(&error.without_url()));
    let mut answer = request.send().await.map_err(explained)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(explained)? {
        ensure!(body.len() + chunk.len() <= MAX_ANSWER, "the answer is too long");
        body.extend_from_slice(&chunk);
    }
    let body = String::from_utf8(body).context("the answer is no text")?;
    Ok((answer.status(), body))
}
