//! The client of what this server sends: webhooks, and the beacons of simulated viewers.

use std::time::Duration;

/// A client that gives up after so long and follows no redirects.
pub(crate) fn new(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    // A second call changes nothing, as somebody else's provider before the first does not.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("headgate-analytics/", env!("CARGO_PKG_VERSION")))
        .build()
}
