//! Content below `/t/<token>/`, and tokens for everybody.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{Origin, decoded, problem};
use crate::signing::{Grant, GrantError, Keyring, Refusal, split};

/// The field of an answer with status 403 that says why: the code of a [`Refusal`].
pub const REFUSAL_HEADER: &str = "signed-url-refusal";

/// What answers `GET /sign`.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignedUrl {
    /// Where the prefix is with this token: absolute, or relative to the URL that was asked.
    pub url: String,
    /// The token alone.
    pub token: String,
    /// When it expires, milliseconds since the Unix epoch.
    pub expires_ms: u64,
}

impl SignedUrl {
    /// Signs for `grant`. The URL begins with `base`, which is where the origin is: `https://cdn.example`, or empty.
    pub fn new(keys: &Keyring, grant: &Grant, base: &str) -> Self {
        let token = keys.sign(grant);
        Self {
            url: format!("{base}{}", token.path(grant.prefix())),
            token: token.as_str().to_owned(),
            expires_ms: grant.expires_s().saturating_mul(1000),
        }
    }
}

/// Lets through what has a token, with the path that is below it.
pub(super) async fn admit(State(origin): State<Origin>, mut request: Request, next: Next) -> Response {
    // What a browser asks ahead says nothing of what there is.
    if request.method() != Method::OPTIONS
        && let Some(keys) = origin.keys()
    {
        match below_token(keys, request.uri()) {
            Ok(uri) => *request.uri_mut() = uri,
            Err(refusal) => return refused(refusal),
        }
    }
    let mut response = next.run(request).await;
    // A cache that many share would go on when the token has expired.
    let kept = response
        .headers()
        .get(CACHE_CONTROL)
        .and_then(|value| value.to_str().ok());
    let private = kept.and_then(|kept| Some(format!("private, {}", kept.strip_prefix("public, ")?)));
    if let Some(value) = private.and_then(|private| HeaderValue::try_from(private).ok()) {
        response.headers_mut().insert(CACHE_CONTROL, value);
    }
    response
}

fn below_token(keys: &Keyring, uri: &Uri) -> Result<Uri, Refusal> {
    let (token, path) = split(uri.path()).ok_or(Refusal::Unsigned)?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let below: Uri = format!("{path}{query}").parse().map_err(|_| Refusal::Malformed)?;
    // The path that is looked up is the one that is checked.
    let looked_up = decoded(&below).ok_or(Refusal::WrongPrefix)?;
    keys.check(token, &format!("/{looked_up}"), SystemTime::now())?;
    Ok(below)
}

fn refused(refusal: Refusal) -> Response {
    let code = HeaderValue::from_static(refusal.code());
    let headers = [
        (
            CONTENT_TYPE,
            // RFC 9457.
            HeaderValue::from_static("application/problem+json"),
        ),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (HeaderName::from_static(REFUSAL_HEADER), code),
    ];
    let body = serde_json::json!({
        "title": "Forbidden",
        "status": StatusCode::FORBIDDEN.as_u16(),
        "code": refusal.code(),
        "detail": refusal.to_string(),
    });
    (StatusCode::FORBIDDEN, headers, body.to_string()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    prefix: String,
    #[serde(default = "default_expires_s")]
    expires_s: u64,
    session: Option<String>,
}

/// `GET /sign?prefix=/demo/`, with `expires_s` and `session` if other than usual.
pub(super) async fn sign(State(origin): State<Origin>, Query(wanted): Query<Wanted>) -> Response {
    let Some(keys) = origin.keys() else {
        return problem(StatusCode::NOT_FOUND, "this origin has no signing key");
    };
    match wanted.grant() {
        // Relative: what is in front of the origin, and below which path it is, is not for it to know.
        Ok(grant) => {
            let mut signed = SignedUrl::new(keys, &grant, "");
            signed.url.remove(0);
            ([(CACHE_CONTROL, "no-store")], Json(signed)).into_response()
        }
        Err(error) => problem(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

impl Wanted {
    fn grant(self) -> Result<Grant, GrantError> {
        let life = Duration::from_secs(self.expires_s.min(LONGEST_S));
        let grant = Grant::new(self.prefix, SystemTime::now() + life)?;
        match self.session {
            Some(session) => grant.for_session(session),
            None => Ok(grant),
        }
    }
}

const fn default_expires_s() -> u64 {
    600
}

/// What is given to everybody lasts a day at most.
const LONGEST_S: u64 = 86_400;
