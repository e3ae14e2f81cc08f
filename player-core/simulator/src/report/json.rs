//! The rows for scripts.

use std::io::{self, Write};

use crate::batch::Row;

/// Writes rows as one JSON array with a row a line, so that both a JSON parser and `grep` can read it.
///
/// # Errors
/// If `out` fails.
pub fn write_json(mut out: impl Write, rows: &[Row]) -> io::Result<()> {
    out.write_all(b"[")?;
    for (i, row) in rows.iter().enumerate() {
        out.write_all(if i == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut out, row)?;
    }
    out.write_all(b"\n]\n")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::test::row;
    use super::*;

    #[test]
    fn json_is_an_array_with_a_row_a_line() {
        let rows = [row("3g", "a", "x", 0.1), row("3g", "b", "x", 0.3)];
        let mut bytes = Vec::new();
        write_json(&mut bytes, &rows).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let values: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(values.len(), 2);
        assert_eq!(values[1]["qoe"], 0.3);
        assert_eq!(values[0]["decision_us_p99"], 9.0);
        assert_eq!(text.lines().count(), 4);
        let mut bytes = Vec::new();
        write_json(&mut bytes, &[]).unwrap();
        assert_eq!(
            serde_json::from_slice::<Vec<serde_json::Value>>(&bytes)
                .unwrap()
                .len(),
            0
        );
    }
}
