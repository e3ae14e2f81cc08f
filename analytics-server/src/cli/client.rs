//! Asking a server at its admin address.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

/// Longest wait for an answer; a query is given up by the server before.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longest answer, bytes.
const MAX_ANSWER: u64 = 256 << 20;

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
        ensure!(
            !self.url.starts_with("https://"),
            "this program does not speak TLS: ask the server's own address, or through a tunnel (ssh -L 8091:127.0.0.1:8091)"
        );
        let url = self.url.trim_end_matches('/');
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let mut request = agent.get(format!("{url}{path}"));
        for (name, value) in parameters {
            request = request.query(*name, value);
        }
        if let Some(file) = &self.token_file {
            let token = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the token in {}", file.display()))?;
            request = request.header("authorization", format!("Bearer {}", token.trim()));
        }
        let mut answer = request.call().with_context(|| format!("{url} cannot be asked"))?;
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
        let body = body.with_context(|| format!("the answer of {url} cannot be read"))?;
        // A server that is shutting down tells its status all the same.
        if status.is_success() || (path == "/v1/status" && body.starts_with("{\"beacons\"")) {
            return Ok(body);
        }
        if status == 401 {
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

    /// The same, as JSON.
    pub(super) fn json(&self, path: &str, parameters: &[(&str, String)]) -> anyhow::Result<Value> {
        let text = self.get(path, parameters)?;
        serde_json::from_str(&text).context("the server did not answer with JSON")
    }
}
