//! The client of what this server sends: webhooks, the beacons of simulated viewers, and what the program asks a running
//! server for.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, Url};

/// A client for this URL that gives up after so long and follows no redirects.
///
/// # Errors
/// A text for people: for `https` the system's certificates are needed.
pub fn new(url: &Url, timeout: Duration) -> Result<Client, String> {
    // A second call changes nothing, as somebody else's provider before the first does not.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("headgate-analytics/", env!("CARGO_PKG_VERSION")));
    let builder = match url.scheme() {
        "http" => builder.tls_certs_only([]),
        _ => builder,
    };
    builder.build().map_err(|error| explain(&error.without_url()))
}

/// The error with its causes.
pub fn explain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
