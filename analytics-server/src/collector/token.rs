//! Signed tokens: only pages that a site's own server made can report.
//!
//! A token is `EXPIRES.SUBJECT.MAC`: a time in seconds since 1970; `*`, or the id of a view or a session; and the HMAC-SHA256 of
//! `SITE\nSUBJECT\nEXPIRES` with the site's secret as its key, as base64url without padding. It is sent as `?token=` of the
//! collector's URL.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;

/// A longer token is not looked at.
const MAX_TOKEN_BYTES: usize = 200;

/// A site's secret.
pub(super) struct TokenKey {
    site: String,
    key: hmac::Key,
}

/// The token is none of this site's, or of another view, or too old.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongToken;

impl TokenKey {
    pub(super) fn new(site: &str, secret: &str) -> Self {
        Self {
            site: site.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        }
    }

    /// `ids`: of the view and of the session.
    pub(super) fn verify(&self, token: &str, ids: [&str; 2], now_ms: i64) -> Result<(), WrongToken> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(WrongToken);
        }
        let (expires, rest) = token.split_once('.').ok_or(WrongToken)?;
        let (subject, mac) = rest.split_once('.').ok_or(WrongToken)?;
        let mac = BASE64_URL_SAFE_NO_PAD.decode(mac).map_err(|_| WrongToken)?;
        let text = format!("{}\n{subject}\n{expires}", self.site);
        hmac::verify(&self.key, text.as_bytes(), &mac).map_err(|_| WrongToken)?;
        let expires: i64 = expires.parse().map_err(|_| WrongToken)?;
        let is_fresh = expires.saturating_mul(1000) > now_ms;
        let is_of_view = subject == "*" || ids.iter().any(|id| subject.eq_ignore_ascii_case(id));
        if is_fresh && is_of_view {
            Ok(())
        } else {
            Err(WrongToken)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const VIEW: &str = "01890000-0000-7000-8000-000000000001";
    const SESSION: &str = "01890000-0000-7000-8000-000000000002";
    /// As the example in the README makes them, with OpenSSL.
    const OF_ANY_VIEW: &str = "1800000000.*.4P8TZ7N6MjLJF2HVmMkVgA4ZQ8a2u5kPT66ayDvIQcs";
    const OF_VIEW: &str =
        "1800000000.01890000-0000-7000-8000-000000000001.PZFZVzV-BFHMIkqr-KZsaVH-tYMEpqnpgfdzhgwc8sU";

    #[test]
    fn tokens_of_openssl_are_verified() {
        let shop = TokenKey::new("shop", SECRET);
        let before = 1_799_999_999_999;
        assert_eq!(shop.verify(OF_ANY_VIEW, [VIEW, SESSION], before), Ok(()));
        assert_eq!(shop.verify(OF_VIEW, [VIEW, SESSION], before), Ok(()));
        assert_eq!(shop.verify(OF_VIEW, [SESSION, VIEW], before), Ok(()));
        assert_eq!(shop.verify(OF_VIEW, [SESSION, SESSION], before), Err(WrongToken));
        assert_eq!(
            shop.verify(OF_ANY_VIEW, [VIEW, SESSION], before + 1),
            Err(WrongToken)
        );
        let blog = TokenKey::new("blog", SECRET);
        assert_eq!(blog.verify(OF_ANY_VIEW, [VIEW, SESSION], before), Err(WrongToken));
        let other = TokenKey::new("shop", "another secret of that length");
        assert_eq!(
            other.verify(OF_ANY_VIEW, [VIEW, SESSION], before),
            Err(WrongToken)
        );
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let shop = TokenKey::new("shop", SECRET);
        let later = OF_ANY_VIEW.replacen("18", "19", 1);
        for token in [
            "",
            ".",
            "..",
            "1800000000.*",
            "1800000000.*.",
            &later,
            &"1".repeat(300),
        ] {
            assert_eq!(shop.verify(token, [VIEW, SESSION], 0), Err(WrongToken), "{token}");
        }
    }
}
