//! Entitlements: tokens (JWT, RFC 7519) by which an application says what a viewer may see.
//!
//! | claim | |
//! |---|---|
//! | `iss`, `aud` | who made it, and for whom: as the server was told |
//! | `sub` | the viewer; never logged, only a keyed hash of it |
//! | `exp`, `nbf`, `iat` | seconds since the Unix epoch; it may live for five minutes at most, from `nbf`, `iat` or now on |
//! | `jti` | its id |
//! | `content` | an id of content, or several |
//! | `tracks` | the highest class of tracks: `audio`, `sd`, `hd`, `uhd1`, `uhd2`; all of them if it is absent |
//! | `kids` | these keys alone, if it is there |
//! | `sid` | the playback session that it is for; else its `jti` |
//! | `sessions` | as many sessions may the viewer have at a time; any number if it is absent |

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::error::Error;
use crate::ids::{KeyId, TrackClass};
use crate::jwt;

/// A token lives no longer than this, seconds.
pub const MAX_LIFE_S: i64 = 300;
/// Clocks may differ by so much, seconds.
const LEEWAY_S: i64 = 5;
/// Longer ones are not looked at, bytes.
const MAX_TOKEN_BYTES: usize = 8192;
const MAX_LISTED: usize = 256;

/// What a token says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// The viewer.
    pub sub: String,
    /// When it ends, seconds since the Unix epoch.
    pub exp: i64,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// Its id.
    pub jti: String,
    /// What may be seen.
    pub content: Content,
    /// The highest class of tracks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracks: Option<String>,
    /// These keys alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kids: Option<Vec<String>>,
    /// The playback session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Sessions at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
}

/// An id of content, or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

/// What a viewer may see, as a checked token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// The viewer.
    pub subject: String,
    /// Ids of content.
    pub content: Vec<String>,
    /// The highest class of tracks.
    pub tracks: TrackClass,
    /// These keys alone.
    pub key_ids: Option<Vec<KeyId>>,
    /// The playback session.
    pub session: String,
    /// Sessions at a time.
    pub sessions: Option<u32>,
}

/// Why a token is refused. Nothing of it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// For others.
    #[error("the token is for another audience, or by another issuer")]
    Audience,
    /// It asks for an extension.
    #[error("the token has critical extensions")]
    Critical,
    /// It is over.
    #[error("the token has expired")]
    Expired,
    /// It lives too long.
    #[error("the token lives longer than five minutes")]
    Life,
    /// It cannot be read.
    #[error("the token is malformed")]
    Malformed,
    /// There is none.
    #[error("there is no token: send it as `Authorization: Bearer …`")]
    Missing,
    /// It has not begun.
    #[error("the token is not valid yet")]
    NotYet,
    /// It was signed by others, or in another way.
    #[error("the token's signature is wrong, or made with another algorithm")]
    Signature,
}

/// Checks tokens.
#[derive(Clone)]
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    issuer: String,
    audience: String,
    clock: Clock,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({:?})", self.validation.algorithms)
    }
}

/// What tokens are checked with: it decides the one algorithm.
#[derive(Clone)]
pub enum TokenKey {
    /// HS256 with this secret.
    Secret(Vec<u8>),
    /// EdDSA, ES256 or RS256 with the public key in this PEM.
    Pem(Vec<u8>),
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

impl TokenKey {
    /// Reads a file: PEM, or else a secret of at least 32 bytes.
    ///
    /// # Errors
    /// If it cannot be read, or is too short.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let bytes = std::fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        if bytes.starts_with(b"-----BEGIN") {
            return Ok(Self::Pem(bytes));
        }
        let secret = bytes.trim_ascii().to_vec();
        if secret.len() < 32 {
            let why = "a secret needs 32 bytes at least: make one with `openssl rand -hex 32`";
            return Err(Error::EntitlementKey(why.into()));
        }
        Ok(Self::Secret(secret))
    }

    fn read(&self) -> Result<(DecodingKey, Algorithm), Error> {
        match self {
            Self::Secret(secret) => Ok((DecodingKey::from_secret(secret), Algorithm::HS256)),
            Self::Pem(pem) => DecodingKey::from_ed_pem(pem)
                .map(|key| (key, Algorithm::EdDSA))
                .or_else(|_| DecodingKey::from_ec_pem(pem).map(|key| (key, Algorithm::ES256)))
                .or_else(|_| DecodingKey::from_rsa_pem(pem).map(|key| (key, Algorithm::RS256)))
                .map_err(|_| {
                    Error::EntitlementKey("it is no public key (Ed25519, P-256 or RSA) in PEM".into())
                }),
        }
    }
}

impl Verifier {
    /// Takes tokens by `issuer` for `audience`.
    ///
    /// # Errors
    /// If the key is none.
    pub fn new(key: &TokenKey, issuer: &str, audience: &str, clock: Clock) -> Result<Self, Error> {
        jwt::install();
        let (key, algorithm) = key.read()?;
        let mut validation = Validation::new(algorithm);
        // By our own clock, below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Ok(Self {
            key,
            validation,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            clock,
        })
    }

    /// Checks a token.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(&self, token: &str) -> Result<Entitlement, Refused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refused::Malformed);
        }
        refuse_extensions(token)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature
                | jsonwebtoken::errors::ErrorKind::InvalidAlgorithm => Refused::Signature,
                _ => Refused::Malformed,
            })?
            .claims;
        let now = self.clock.now_ms().div_euclid(1000);
        if claims.exp <= now - LEEWAY_S {
            return Err(Refused::Expired);
        }
        if claims
            .nbf
            .or(claims.iat)
            .is_some_and(|from| from > now + LEEWAY_S)
        {
            return Err(Refused::NotYet);
        }
        let from = claims.nbf.or(claims.iat).unwrap_or(now);
        if claims.exp.saturating_sub(from.min(now)) > MAX_LIFE_S + LEEWAY_S && claims.exp - now > MAX_LIFE_S {
            return Err(Refused::Life);
        }
        if claims.iss != self.issuer || claims.aud != self.audience {
            return Err(Refused::Audience);
        }
        claims.entitlement().ok_or(Refused::Malformed)
    }
}

impl Claims {
    fn entitlement(self) -> Option<Entitlement> {
        let content = match self.content {
            Content::One(one) => vec![one],
            Content::Several(several) => several,
        };
        let tracks = match self.tracks {
            Some(name) => name.parse().ok()?,
            None => TrackClass::Uhd2,
        };
        let listed = self.kids.as_ref().map_or(0, Vec::len);
        if self.sub.is_empty() || self.jti.is_empty() || content.len() > MAX_LISTED || listed > MAX_LISTED {
            return None;
        }
        let parse = |kids: Vec<String>| {
            kids.iter()
                .map(|kid| kid.parse().ok())
                .collect::<Option<Vec<KeyId>>>()
        };
        let key_ids = match self.kids {
            Some(kids) => Some(parse(kids)?),
            None => None,
        };
        Some(Entitlement {
            subject: self.sub,
            content,
            tracks,
            key_ids,
            session: self.sid.filter(|sid| !sid.is_empty()).unwrap_or(self.jti),
            sessions: self.sessions,
        })
    }

    /// Signs them.
    ///
    /// # Errors
    /// If `key` is neither a secret nor a private key in PEM (PKCS #8; Ed25519 or P-256).
    pub fn sign(&self, key: &TokenKey) -> Result<String, Error> {
        jwt::install();
        let bad = |_| Error::EntitlementKey("it is no private key (Ed25519 or P-256) in PEM".into());
        let (key, algorithm) = match key {
            TokenKey::Secret(secret) => (EncodingKey::from_secret(secret), Algorithm::HS256),
            TokenKey::Pem(pem) => EncodingKey::from_ed_pem(pem)
                .map(|key| (key, Algorithm::EdDSA))
                .or_else(|_| EncodingKey::from_ec_pem(pem).map(|key| (key, Algorithm::ES256)))
                .map_err(bad)?,
        };
        jsonwebtoken::encode(&Header::new(algorithm), self, &key).map_err(bad)
    }
}

/// What is critical (RFC 7515, 4.1.11) is not understood here.
fn refuse_extensions(token: &str) -> Result<(), Refused> {
    let header = token.split('.').next().unwrap_or_default();
    let header = BASE64_URL_SAFE_NO_PAD
        .decode(header)
        .map_err(|_| Refused::Malformed)?;
    let header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&header).map_err(|_| Refused::Malformed)?;
    if header.contains_key("crit") {
        return Err(Refused::Critical);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW_S: i64 = 1_700_000_000;
    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn claims() -> Claims {
        Claims {
            iss: "app".into(),
            aud: "licences".into(),
            sub: "viewer".into(),
            exp: NOW_S + 60,
            jti: "1".into(),
            content: Content::One("film".into()),
            ..Claims::default()
        }
    }

    fn verifier() -> Verifier {
        let clock = Clock::from_fn(|| NOW_S * 1000);
        Verifier::new(&TokenKey::Secret(SECRET.into()), "app", "licences", clock).unwrap()
    }

    fn check(claims: &Claims) -> Result<Entitlement, Refused> {
        verifier().check(&claims.sign(&TokenKey::Secret(SECRET.into())).unwrap())
    }

    fn forged(header: &str, claims: &Claims) -> String {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        format!(
            "{}.{}.",
            encode(header),
            encode(&serde_json::to_string(claims).unwrap())
        )
    }

    #[test]
    fn a_token_says_what_may_be_seen() {
        let all = check(&claims()).unwrap();
        assert_eq!((all.tracks, all.session.as_str()), (TrackClass::Uhd2, "1"));
        let some = check(&Claims {
            tracks: Some("sd".into()),
            sid: Some("tab".into()),
            kids: Some(vec!["00112233445566778899aabbccddeeff".into()]),
            ..claims()
        });
        let some = some.unwrap();
        assert_eq!((some.tracks, some.session.as_str()), (TrackClass::Sd, "tab"));
        assert_eq!(some.key_ids.unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_is_refused() {
        let wrong = |change: fn(&mut Claims)| {
            let mut claims = claims();
            change(&mut claims);
            check(&claims).unwrap_err()
        };
        assert_eq!(wrong(|c| c.exp = NOW_S - 6), Refused::Expired);
        assert_eq!(wrong(|c| c.exp = NOW_S + 3600), Refused::Life);
        assert_eq!(wrong(|c| c.nbf = Some(NOW_S + 30)), Refused::NotYet);
        assert_eq!(wrong(|c| c.aud = "others".into()), Refused::Audience);
        assert_eq!(wrong(|c| c.iss = "others".into()), Refused::Audience);
        assert_eq!(wrong(|c| c.sub.clear()), Refused::Malformed);
        assert_eq!(wrong(|c| c.tracks = Some("8k".into())), Refused::Malformed);
        assert_eq!(wrong(|c| c.kids = Some(vec!["x".into()])), Refused::Malformed);
    }

    #[test]
    fn the_algorithm_is_ours() {
        let none = forged(r#"{"alg":"none"}"#, &claims());
        assert!(verifier().check(&none).is_err());
        // Signed with the secret, and said to be otherwise; and the other way round.
        let token = claims().sign(&TokenKey::Secret(SECRET.into())).unwrap();
        let (_, rest) = token.split_once('.').unwrap();
        for header in [
            r#"{"alg":"HS384"}"#,
            r#"{"alg":"RS256"}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
        ] {
            let forged = format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(header));
            assert!(verifier().check(&forged).is_err(), "{header}");
        }
        let crit = forged(r#"{"alg":"HS256","crit":["b64"]}"#, &claims());
        assert_eq!(verifier().check(&crit), Err(Refused::Critical));
        // A public key is no secret: HS256 with its bytes is refused.
        let pair = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).unwrap();
        let pem = pem(pair.as_ref(), "PRIVATE KEY");
        let public = {
            use ring::signature::KeyPair as _;
            let pair = ring::signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(pair.as_ref()).unwrap();
            let spki = [
                b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice(),
                pair.public_key().as_ref(),
            ]
            .concat();
            self::pem(&spki, "PUBLIC KEY")
        };
        let clock = Clock::from_fn(|| NOW_S * 1000);
        let verifier = Verifier::new(&TokenKey::Pem(public.clone()), "app", "licences", clock).unwrap();
        let good = claims().sign(&TokenKey::Pem(pem)).unwrap();
        assert!(verifier.check(&good).is_ok());
        let confused = claims().sign(&TokenKey::Secret(public)).unwrap();
        assert_eq!(verifier.check(&confused), Err(Refused::Signature));
    }

    fn pem(der: &[u8], label: &str) -> Vec<u8> {
        let text = base64::prelude::BASE64_STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n").into_bytes()
    }

    #[test]
    fn garbage_is_refused() {
        for token in ["", ".", "..", "a.b.c", "é.é.é", &"a".repeat(9000), "e30.e30.e30"] {
            assert!(verifier().check(token).is_err());
        }
        let mut token = claims().sign(&TokenKey::Secret(SECRET.into())).unwrap();
        token.pop();
        assert!(verifier().check(&token).is_err());
    }
}
