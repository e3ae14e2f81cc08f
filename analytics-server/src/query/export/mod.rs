//! Answers as files: CSV and Parquet.

mod csv;
mod parquet;

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub(super) use self::csv::{pages as csv_pages, table as csv_table};
pub(super) use self::parquet::file as parquet_body;
use super::ast;
use super::invalid::Invalid;
use crate::problem::Problem;

/// Files that are made or sent at a time.
const MAX_EXPORTS: usize = 4;

/// What an answer is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Json,
    Csv,
    Parquet,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
}

/// Rows of named columns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<(String, Kind)>,
    /// Texts, numbers and `null`, one a column.
    pub(crate) rows: Vec<Vec<Value>>,
}

/// Where files are made, and how many at a time.
pub(crate) struct Exports {
    pub(super) folder: PathBuf,
    room: Arc<Semaphore>,
}

impl Exports {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            room: Arc::new(Semaphore::new(MAX_EXPORTS)),
        }
    }

    /// Room for one more file, until it is sent.
    pub(super) fn room(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let room = Arc::clone(&self.room).try_acquire_owned();
        room.map_err(|_| Problem::unavailable("busy", "too many files are being sent"))
    }
}

impl Format {
    /// The format that the parameter `format` names, which is taken out, or else a header.
    pub(super) fn take(parameters: &mut Vec<(String, String)>, headers: &HeaderMap) -> Result<Self, Invalid> {
        let mut named = None;
        for (name, value) in parameters.iter().filter(|(name, _)| name == "format") {
            ast::once(&mut named, name, value)?;
        }
        parameters.retain(|(name, _)| name != "format");
        match named.as_deref() {
            Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            Some(_) => Err(Invalid::Format),
            None => Ok(Self::accepted(headers)),
        }
    }

    fn accepted(headers: &HeaderMap) -> Self {
        let accepts = |media| super::accepts(headers, media);
        if accepts("application/json") {
            Self::Json
        } else if accepts("text/csv") {
            Self::Csv
        } else if accepts("application/vnd.apache.parquet") {
            Self::Parquet
        } else {
            Self::Json
        }
    }

    /// An answer that browsers save under this name.
    pub(super) fn response(self, name: &str, body: Body) -> Response {
        let (media, extension) = match self {
            Self::Json => ("application/json", "json"),
            Self::Csv => ("text/csv; charset=utf-8; header=present", "csv"),
            Self::Parquet => ("application/vnd.apache.parquet", "parquet"),
        };
        let mut response = body.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        headers.insert(header::VARY, HeaderValue::from_static("accept"));
        if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.{extension}\"")) {
            headers.insert(header::CONTENT_DISPOSITION, value);
        }
        response
    }
}
