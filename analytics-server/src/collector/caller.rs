//! Who sends a request, as far as it matters here.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Query, Request};
use axum::http::{HeaderMap, header};
use ipnet::IpNet;
use serde::Deserialize;

/// A sender.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Caller {
    /// Nothing if the server does not know.
    pub(super) address: Option<IpAddr>,
    /// Two letters (ISO 3166-1), if somebody tells.
    pub(super) country: Option<[u8; 2]>,
    pub(super) origin: Option<String>,
    pub(super) user_agent: String,
    /// Do Not Track or Global Privacy Control.
    pub(super) opted_out: bool,
    /// The parameter `token` of the URL.
    pub(super) token: Option<String>,
}

#[derive(Default, Deserialize)]
struct Params {
    token: Option<String>,
}

impl Caller {
    pub(super) fn new<B>(
        request: &Request<B>,
        trusted_proxies: &[IpNet],
        country_header: Option<&str>,
    ) -> Self {
        let headers = request.headers();
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let Query(params) = Query::<Params>::try_from_uri(request.uri()).unwrap_or_default();
        Self {
            address: peer.map(|ConnectInfo(peer)| address(peer.ip(), headers, trusted_proxies)),
            country: country_header.and_then(|name| country(headers, name)),
            origin: text(headers, header::ORIGIN),
            user_agent: text(headers, header::USER_AGENT).unwrap_or_default(),
            opted_out: ["dnt", "sec-gpc"].iter().any(|name| is_one(headers, name)),
            token: params.token,
        }
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    // A header that is no text is not one that is missing.
    Some(value.to_str().unwrap_or_default().to_owned())
}

/// In capitals, and neither unknown (`XX`) nor Tor (`T1`).
fn country(headers: &HeaderMap, name: &str) -> Option<[u8; 2]> {
    let told = <[u8; 2]>::try_from(headers.get(name)?.as_bytes()).ok()?;
    let country = told.map(|letter| letter.to_ascii_uppercase());
    (country.iter().all(u8::is_ascii_uppercase) && country != *b"XX").then_some(country)
}

fn is_one(headers: &HeaderMap, name: &str) -> bool {
    headers.get(name).is_some_and(|value| value.as_bytes() == b"1")
}

/// The address nearest to the server that is none of its own proxies: what stands left of it, anybody may have written.
fn address(peer: IpAddr, headers: &HeaderMap, trusted_proxies: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted_proxies.iter().any(|network| network.contains(address));
    let mut address = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    for hop in lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(',')) {
        if !is_trusted(&address) {
            return address;
        }
        let Some(next) = parse(hop.trim()) else {
            return address;
        };
        address = next;
    }
    address
}

/// An address, perhaps with a port.
fn parse(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    let address = address.or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_trusted_proxies_say_counts() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"]
            .map(|text| text.parse().unwrap())
            .into();
        for (peer, forwarded, expected) in [
            // Nobody in between: what the header says is the sender's own invention.
            ("203.0.113.9", vec!["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec!["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", vec!["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1",
                vec!["1.1.1.1, 198.51.100.1, 10.2.2.2"],
                "198.51.100.1",
            ),
            ("10.0.0.1", vec!["1.1.1.1", "198.51.100.1:4711"], "198.51.100.1"),
            ("fd00::1", vec!["[2001:db8::1]"], "2001:db8::1"),
            ("::ffff:10.0.0.1", vec!["::ffff:198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", vec!["1.1.1.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", vec![""], "10.0.0.1"),
            ("10.0.0.1", vec!["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ] {
            let mut headers = HeaderMap::new();
            for line in &forwarded {
                headers.append("x-forwarded-for", HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(
                address(peer.parse().unwrap(), &headers, &trusted),
                expected.parse::<IpAddr>().unwrap(),
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn the_token_is_in_the_url() {
        let request = |uri: &str| Request::post(uri).body(()).unwrap();
        let token = |uri| Caller::new(&request(uri), &[], None).token;
        assert_eq!(token("/v1/beacons?a=b&token=1.%2A.x").as_deref(), Some("1.*.x"));
        assert_eq!(token("/v1/beacons?token=%ff&token=b"), None);
        assert_eq!(token("/v1/beacons"), None);
    }
}
