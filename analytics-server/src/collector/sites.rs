//! Who may send beacons of a site: keys, origins, tokens, and how many.

use std::collections::HashMap;
use std::num::NonZeroU32;

use governor::clock::{Clock as _, MonotonicClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::Caller;
use super::refusal::Refusal;
use super::token::TokenKey;
use crate::config::Site;

/// The sites by their keys.
pub(super) struct Sites {
    by_key: HashMap<String, usize>,
    sites: Vec<SiteRules>,
}

/// A site, and what holds of its beacons.
pub(super) struct SiteRules {
    pub(super) name: String,
    pub(super) hash_viewer_ids: bool,
    closed: bool,
    origins: Vec<String>,
    token: Option<TokenKey>,
    rate: Option<DefaultDirectRateLimiter>,
}

impl Sites {
    pub(super) fn new(sites: &[Site]) -> Self {
        let mut by_key = HashMap::new();
        for (place, site) in sites.iter().enumerate() {
            by_key.extend(site.keys.iter().map(|key| (key.clone(), place)));
        }
        let sites = sites.iter().map(SiteRules::new).collect();
        Self { by_key, sites }
    }

    /// The names of all sites.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.sites.iter().map(|site| site.name.as_str())
    }

    /// The site of this key, if the caller may send beacons of this view to it.
    pub(super) fn admit(
        &self,
        key: &str,
        caller: &Caller,
        ids: [&str; 2],
        now_ms: i64,
    ) -> Result<&SiteRules, Refusal> {
        let site = self
            .by_key
            .get(key)
            .and_then(|place| self.sites.get(*place))
            .ok_or(Refusal::UnknownSite)?;
        if site.closed {
            return Err(Refusal::SiteClosed);
        }
        if !site.is_from_allowed_origin(caller.origin.as_deref()) {
            return Err(Refusal::Origin);
        }
        if let Some(token) = &site.token {
            let sent = caller.token.as_deref().unwrap_or_default();
            token.verify(sent, ids, now_ms).map_err(|_| Refusal::Token)?;
        }
        if let Some(rate) = &site.rate {
            rate.check()
                .map_err(|until| Refusal::SiteLimited(until.wait_time_from(MonotonicClock.now())))?;
        }
        Ok(site)
    }
}

impl SiteRules {
    fn new(site: &Site) -> Self {
        let rate = site.beacons_per_second.and_then(NonZeroU32::new);
        Self {
            name: site.name.clone(),
            hash_viewer_ids: site.hash_viewer_ids,
            closed: site.closed,
            origins: site.origins.clone(),
            token: site
                .token_secret
                .as_ref()
                .map(|secret| TokenKey::new(&site.name, secret)),
            rate: rate.map(|rate| RateLimiter::direct_with_clock(quota(rate), MonotonicClock)),
        }
    }

    fn is_from_allowed_origin(&self, origin: Option<&str>) -> bool {
        // What is no browser sends no origin.
        let origin = origin.unwrap_or("none");
        self.origins.is_empty() || self.origins.iter().any(|allowed| matches_origin(allowed, origin))
    }
}

/// So many a second, and once twice as many.
pub(super) fn quota(per_second: NonZeroU32) -> Quota {
    Quota::per_second(per_second).allow_burst(per_second.saturating_mul(NonZeroU32::MIN.saturating_add(1)))
}

/// `https://*.shop.example` are all hosts below `shop.example`, without itself.
fn matches_origin(allowed: &str, origin: &str) -> bool {
    let Some((scheme, domain)) = allowed.split_once("://*.") else {
        return allowed.eq_ignore_ascii_case(origin);
    };
    let host = origin
        .split_once("://")
        .filter(|(other, _)| other.eq_ignore_ascii_case(scheme))
        .map(|(_, host)| host.to_ascii_lowercase());
    host.is_some_and(|host| {
        host.strip_suffix(&domain.to_ascii_lowercase())
            .is_some_and(|below| below.len() > 1 && below.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_compared_whole() {
        for (allowed, origin, expected) in [
            ("https://shop.example", "https://shop.example", true),
            ("https://shop.example", "https://SHOP.example", true),
            ("https://shop.example", "http://shop.example", false),
            ("https://shop.example", "https://shop.example.evil", false),
            ("https://shop.example", "https://shop.example:8443", false),
            ("https://*.shop.example", "https://a.shop.example", true),
            ("https://*.shop.example", "https://a.b.shop.example", true),
            ("https://*.shop.example", "https://shop.example", false),
            ("https://*.shop.example", "https://.shop.example", false),
            ("https://*.shop.example", "https://evilshop.example", false),
            ("https://*.shop.example", "http://a.shop.example", false),
            ("none", "none", true),
            ("https://shop.example", "none", false),
            ("https://shop.example", "null", false),
        ] {
            assert_eq!(matches_origin(allowed, origin), expected, "{allowed} {origin}");
        }
    }
}
