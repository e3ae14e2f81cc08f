//! CSV as in RFC 4180, with a line of names. What a spreadsheet would take for a formula has an apostrophe before it.

use std::future::Future;

use axum::body::{Body, Bytes};
use csv::{ByteRecord, Terminator, Writer, WriterBuilder};
use futures_util::stream;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::Table;
use crate::store::QueryError;

/// A table as a whole.
pub(in crate::query) fn table(table: &Table) -> Vec<u8> {
    let mut lines = Lines::new();
    lines.names(table.columns.iter().map(|(name, _)| name.as_str()));
    for row in &table.rows {
        lines.row(row);
    }
    lines.take()
}

/// Rows that are read page by page, as those who read them want more.
pub(in crate::query) fn pages<Cursor, Next>(
    names: Vec<String>,
    start: Cursor,
    room: OwnedSemaphorePermit,
    read: impl Fn(Cursor) -> Next + Send + 'static,
) -> Body
where
    Cursor: Send + 'static,
    Next: Future<Output = Result<(Vec<Vec<Value>>, Option<Cursor>), QueryError>> + Send + 'static,
{
    let mut lines = Lines::new();
    lines.names(names.iter().map(String::as_str));
    let state = (Some(start), lines, read, room);
    let parts = stream::unfold(state, |(cursor, mut lines, read, room)| async move {
        let (rows, next) = match read(cursor?).await {
            Ok(page) => page,
            // The answer has begun: cutting it off is all that can tell.
            Err(error) => {
                tracing::warn!(%error, "a file that is being sent is cut off");
                return Some((Err(error), (None, lines, read, room)));
            }
        };
        rows.iter().for_each(|row| lines.row(row));
        let part = Bytes::from(lines.take());
        Some((Ok(part), (next, lines, read, room)))
    });
    Body::from_stream(parts)
}

/// Lines that have not been taken yet. Writing to memory does not fail.
struct Lines(Writer<Vec<u8>>);

impl Lines {
    fn new() -> Self {
        Self(writer())
    }

    fn names<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let record: ByteRecord = names.map(|name| guarded(name).into_bytes()).collect();
        let _ = self.0.write_byte_record(&record);
    }

    fn row(&mut self, row: &[Value]) {
        let record: ByteRecord = row.iter().map(|value| field(value).into_bytes()).collect();
        let _ = self.0.write_byte_record(&record);
    }

    fn take(&mut self) -> Vec<u8> {
        let full = std::mem::replace(&mut self.0, writer());
        full.into_inner().unwrap_or_default()
    }
}

fn writer() -> Writer<Vec<u8>> {
    WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new())
}

fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => guarded(text),
        // Numbers; lists and objects as JSON.
        other => other.to_string(),
    }
}

fn guarded(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::super::Kind;
    use super::*;

    #[test]
    fn texts_are_quoted_and_guarded_and_numbers_are_numbers() {
        let rows = vec![
            vec![json!("a,\"b\"\nc"), json!(-1.5)],
            vec![json!("=HYPERLINK(\"http://evil.example\")"), json!(null)],
            vec![json!("\t=1"), json!(2)],
            vec![json!("a=1"), json!({ "plan": "gold" })],
        ];
        let columns = vec![
            ("text".to_owned(), Kind::Text),
            ("number".to_owned(), Kind::Number),
        ];
        let bytes = table(&Table { columns, rows });
        let expected = "text,number\r\n\"a,\"\"b\"\"\nc\",-1.5\r\n\"'=HYPERLINK(\"\"http://evil.example\"\")\",\r\n\
                        '\t=1,2\r\na=1,\"{\"\"plan\"\":\"\"gold\"\"}\"\r\n";
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
        let mut reader = ::csv::Reader::from_reader(bytes.as_slice());
        let back: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!((&back[0][0], &back[0][1], back.len()), ("a,\"b\"\nc", "-1.5", 4));
        for text in ["+1", "-1", "@SUM(A1)", "\rx"] {
            assert_eq!(guarded(text), format!("'{text}"));
        }
    }
}
