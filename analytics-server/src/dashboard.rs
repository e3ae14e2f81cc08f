//! The dashboard: a page and its assets, embedded in the binary by `build.rs`.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

/// A file of `dashboard/dist`.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    etag: &'static str,
    bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Nothing but this server is ever asked for anything; uPlot and the page set styles by script, through the CSSOM,
/// which needs no exception.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                   connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the page at `/dashboard/…` makes of its path.
const PAGES: [&str; 5] = ["alerts", "cohorts", "compare", "trends", "views"];

/// The page at all of its addresses; assets below `/dashboard/assets`.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/dashboard", get(page))
        .route("/dashboard/", get(async || Redirect::permanent("/dashboard")))
        .route("/dashboard/{page}", get(named_page))
        .route("/dashboard/views/{id}", get(page))
        .route("/dashboard/assets/{*path}", get(asset))
}

async fn page(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

async fn named_page(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match PAGES.contains(&name.as_str()) {
        true => serve("index.html", &headers),
        false => (StatusCode::NOT_FOUND, "no such page\n").into_response(),
    }
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    serve(&path, &headers)
}

fn serve(path: &str, headers: &HeaderMap) -> Response {
    let find = |path: &str| ASSETS.iter().find(|asset| asset.path == path);
    let Some(plain) = find(path) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let packed = find(&format!("{path}.gz")).filter(|_| takes_gzip(headers));
    let asset = packed.unwrap_or(plain);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|tag| tag.as_bytes() == asset.etag.as_bytes());
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        asset.bytes.into_response()
    };
    for (name, value) in [
        (header::CONTENT_TYPE, plain.content_type),
        (header::VARY, "accept-encoding"),
        (header::ETAG, asset.etag),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    if packed.is_some() {
        let gzip = HeaderValue::from_static("gzip");
        response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
    }
    response
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let listed = headers.get_all(header::ACCEPT_ENCODING);
    let mut codings = listed
        .iter()
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    // `gzip;q=0` is a refusal.
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight
            .trim()
            .strip_prefix("q=")
            .and_then(|q| q.parse::<f32>().ok())
            == Some(0.0);
        name.trim() == "gzip" && !refused
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn gzip_is_sent_to_those_that_take_it() {
        for (accepted, takes) in [
            ("gzip", true),
            ("br;q=1.0, gzip;q=0.8", true),
            ("gzip;q=0", false),
            ("br", false),
            ("", false),
        ] {
            let headers =
                HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(accepted))]);
            assert_eq!(takes_gzip(&headers), takes, "{accepted}");
        }
    }

    #[tokio::test]
    async fn every_page_is_the_dashboard_and_may_load_nothing_from_elsewhere() {
        for (path, status) in [
            ("/dashboard", StatusCode::OK),
            ("/dashboard/trends", StatusCode::OK),
            ("/dashboard/views/x", StatusCode::OK),
            ("/dashboard/nonsense", StatusCode::NOT_FOUND),
        ] {
            let request = axum::http::Request::get(path).body(axum::body::Body::empty());
            let response = tower::ServiceExt::oneshot(router(), request.unwrap())
                .await
                .unwrap();
            assert_eq!(response.status(), status, "{path}");
            if status != StatusCode::OK {
                continue;
            }
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap();
            assert!(
                policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
                "{policy}"
            );
        }
    }
}
