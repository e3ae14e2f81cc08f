//! The demo's page: the files that the build of `web/` made, and what the page has to know.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use anyhow::{Context, bail};
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde::Serialize;

use crate::protected::Protected;
use crate::video::Encoded;

/// Where the build puts the page.
pub(crate) const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/dist");
/// The site that the page's views belong to, and its key.
pub(crate) const SITE: &str = "demo";

/// `GET /demo.json`. Paths are relative to the page.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Demo {
    pub(crate) title: String,
    pub(crate) hls: String,
    pub(crate) dash: String,
    protected: Addresses,
    licence_url: &'static str,
    entitlement_url: &'static str,
    site_key: &'static str,
    beacon_url: &'static str,
}

/// Where the encrypted video is.
#[derive(Clone, Debug, Serialize)]
struct Addresses {
    hls: String,
    dash: String,
}

/// The page's files by name.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    files: Arc<BTreeMap<String, File>>,
}

#[derive(Debug)]
struct File {
    content_type: &'static str,
    bytes: Bytes,
}

impl Demo {
    pub(crate) fn new(encoded: &Encoded, protected: &Protected) -> Self {
        let Encoded { id, title } = encoded;
        Self {
            title: title.clone(),
            hls: hls(id),
            dash: dash(id),
            protected: Addresses {
                hls: hls(&protected.id),
                dash: dash(&protected.id),
            },
            licence_url: "licences/clearkey",
            entitlement_url: "entitlement",
            site_key: SITE,
            beacon_url: "v1/beacons",
        }
    }
}

fn hls(id: &str) -> String {
    format!("videos/{id}/hls/master.m3u8")
}

fn dash(id: &str) -> String {
    format!("videos/{id}/dash/manifest.mpd")
}

impl Page {
    /// Reads the built page.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        if !folder.join("index.html").is_file() {
            bail!(
                "the page is not built: there is no index.html in {}; build it with `npm run build:wasm && npm run build`, or use `npm start`",
                folder.display()
            );
        }
        let files = read_files(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        Ok(Self {
            files: Arc::new(files),
        })
    }

    /// `/`, `/demo.json`, and the files for every path that nobody else knows.
    pub(crate) fn router(&self, demo: &Demo) -> Router {
        let demo = demo.clone();
        Router::new()
            .route(
                "/demo.json",
                get(move || async { ([(CACHE_CONTROL, "no-cache")], Json(demo)) }),
            )
            .fallback(get(file))
            .with_state(self.clone())
    }
}

async fn file(State(page): State<Page>, uri: Uri) -> Response {
    let name = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    let Some(file) = page.files.get(name) else {
        return (
            StatusCode::NOT_FOUND,
            "there is nothing here; the demo's page is at /\n",
        )
            .into_response();
    };
    let headers = [
        (CONTENT_TYPE, file.content_type),
        (CONTENT_SECURITY_POLICY, CSP),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, file.bytes.clone()).into_response()
}

fn read_files(folder: &Path) -> io::Result<BTreeMap<String, File>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            continue;
        };
        if let Some(content_type) = content_type(&name) {
            files.insert(
                name,
                File {
                    content_type,
                    bytes: fs::read(entry.path())?.into(),
                },
            );
        }
    }
    Ok(files)
}

fn content_type(name: &str) -> Option<&'static str> {
    Some(match name.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "map" => "application/json",
        "svg" => "image/svg+xml",
        "wasm" => "application/wasm",
        _ => return None,
    })
}

/// Nobody but the demo is asked for anything. Styles: Media Chrome and the player put theirs inline into shadow trees.
const CSP: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
                   img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; \
                   base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_page_that_is_not_built_says_how_to_build_it() {
        let folder = tempfile::tempdir().unwrap();
        let message = Page::read(folder.path()).unwrap_err().to_string();
        assert!(
            message.contains("npm run build") && message.contains(folder.path().to_str().unwrap()),
            "{message}"
        );
        fs::write(folder.path().join("index.html"), "<!doctype html>").unwrap();
        fs::write(folder.path().join("notes.bak"), "not for the page").unwrap();
        let page = Page::read(folder.path()).unwrap();
        assert_eq!(page.files.keys().collect::<Vec<_>>(), ["index.html"]);
    }
}
