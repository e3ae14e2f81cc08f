//! Who may use the admin address: whoever sends the token, as `Authorization: Bearer TOKEN`, or as the password of HTTP Basic
//! authentication with any name, which browsers ask their user for.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::hmac;

use crate::config::AdminAccess;
use crate::error::Error;
use crate::problem::Problem;

/// The file of the token that was made, in the data folder.
pub(crate) const TOKEN_FILE: &str = "admin-token";

/// Who is let in.
enum Gate {
    /// Those who know the token. Tags are compared, so that neither its bytes nor its length show in the time that takes.
    Token { key: Box<hmac::Key>, tag: hmac::Tag },
    /// Requests that name this machine: a page of another name whose address was changed to this machine's does not.
    ThisMachine,
}

/// The router behind a gate.
pub(crate) fn guard(router: Router, access: &AdminAccess, data_dir: &Path) -> Result<Router, Error> {
    let gate = match access {
        AdminAccess::Generated => Gate::token(&generated(data_dir).map_err(Error::AdminToken)?)?,
        AdminAccess::Open => Gate::ThisMachine,
        AdminAccess::Token(token) => Gate::token(token)?,
    };
    Ok(router.layer(from_fn_with_state(Arc::new(gate), check)))
}

impl Gate {
    fn token(token: &str) -> Result<Self, Error> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| Error::AdminToken(error.into()))?;
        let key = Box::new(hmac::Key::new(hmac::HMAC_SHA256, &secret));
        let tag = hmac::sign(&key, token.as_bytes());
        Ok(Self::Token { key, tag })
    }

    fn lets_in(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Token { key, tag } => {
                sent(headers).is_some_and(|token| hmac::verify(key, token.as_bytes(), tag.as_ref()).is_ok())
            }
            Self::ThisMachine => host(headers).is_some_and(is_this_machine),
        }
    }
}

async fn check(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if !gate.lets_in(request.headers()) {
        let problem = match *gate {
            Gate::Token { .. } => Problem::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "the admin token is needed",
            ),
            Gate::ThisMachine => Problem::new(
                StatusCode::FORBIDDEN,
                "forbidden",
                "only by an address of this machine",
            ),
        };
        let mut response = problem.into_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"headgate-analytics\", charset=\"UTF-8\""),
            );
        }
        return response;
    }
    // A browser sends a password along with what another site's page asks for.
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && !is_same_origin(request.headers()) {
        return Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            "not from a page of another site",
        )
        .into_response();
    }
    next.run(request).await
}

/// The token in a request.
fn sent(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(credentials).ok()?).ok()?;
    Some(decoded.split_once(':')?.1.to_owned())
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    authority.is_some_and(|(_, authority)| Some(authority) == host(headers))
}

/// The token of the data folder; it is made if there is none.
fn generated(data_dir: &Path) -> io::Result<String> {
    let path = data_dir.join(TOKEN_FILE);
    match fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let token = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)?;
    file.write_all(token.as_bytes())?;
    file.sync_all()?;
    Ok(token)
}
