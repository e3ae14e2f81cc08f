//! The questions in DuckDB's language. Nothing else in here writes SQL; what comes from outside is bound, never written.

mod cohorts;
mod export;
mod select;
mod viewers;
mod views;

pub(crate) use cohorts::{Gathered, groups};
pub(super) use export::{table_file, views_file};
pub(super) use select::select;
pub(crate) use viewers::viewers_by_site;
pub(super) use viewers::{Viewers, viewers};
pub(super) use views::{Stored, find, list};

use duckdb::types::Value;

/// A statement and the values that belong to its question marks.
#[derive(Debug, Default)]
struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// A value in its place.
    fn bind(&mut self, value: impl Into<Value>) {
        self.push("?");
        self.values.push(value.into());
    }

    /// Values between parentheses.
    fn bind_list<'a>(&mut self, values: impl IntoIterator<Item = &'a String>) {
        self.push("(");
        for (place, value) in values.into_iter().enumerate() {
            self.push(if place == 0 { "" } else { ", " });
            self.bind(value.clone());
        }
        self.push(")");
    }
}
