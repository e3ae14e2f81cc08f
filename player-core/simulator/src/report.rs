//! The results for people (a table a family) and for scripts (JSON).

use std::fmt::Write as _;
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

/// A table for each family in the order of the rows, and the mean over the families if there are several.
pub fn tables(rows: &[Row]) -> String {
    let mut text = String::new();
    let families = distinct(rows, |row| &row.family);
    let mut by_family = Vec::new();
    for family in &families {
        let of_family: Vec<_> = rows.iter().filter(|row| row.family == *family).collect();
        let means = means(&of_family);
        let traces = distinct(of_family.iter().copied(), |row| &row.trace).len();
        table(
            &mut text,
            &format!("{family} ({})", count(traces, "trace")),
            &means,
        );
        by_family.push(means);
    }
    if families.len() > 1 {
        let of_all = distinct(rows, |row| &row.algorithm);
        let means: Vec<_> = of_all
            .into_iter()
            .map(|algorithm| {
                let lines = by_family
                    .iter()
                    .flatten()
                    .filter(|line| line.algorithm == algorithm);
                mean(algorithm, lines.copied().map(|line| line.values))
            })
            .collect();
        table(
            &mut text,
            &format!("mean over {} families", families.len()),
            &means,
        );
    }
    text
}

/// `1 trace`, `2 traces`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// The columns of figures: heading, decimals.
const COLUMNS: [(&str, usize); 8] = [
    ("qoe", 3),
    ("kbit/s", 0),
    ("rebuffer %", 2),
    ("startup s", 2),
    ("switches/segment", 3),
    ("abandoned", 1),
    ("decision µs p50", 1),
    ("p99", 1),
];

#[derive(Clone, Copy)]
struct Means<'a> {
    algorithm: &'a str,
    values: [f64; COLUMNS.len()],
}

fn means<'a>(rows: &[&'a Row]) -> Vec<Means<'a>> {
    distinct(rows.iter().copied(), |row| &row.algorithm)
        .into_iter()
        .map(|algorithm| {
            mean(
                algorithm,
                rows.iter()
                    .filter(|row| row.algorithm == algorithm)
                    .map(|row| values(row)),
            )
        })
        .collect()
}

fn values(row: &Row) -> [f64; COLUMNS.len()] {
    [
        row.qoe,
        row.bitrate_kbps,
        row.rebuffer_ratio * 100.0,
        row.startup_s,
        row.switches as f64 / row.segments.max(1) as f64,
        row.abandoned as f64,
        row.decision_us_p50,
        row.decision_us_p99,
    ]
}

fn mean(algorithm: &str, all: impl Iterator<Item = [f64; COLUMNS.len()]>) -> Means<'_> {
    let mut sum = [0.0; COLUMNS.len()];
    let mut n = 0.0_f64;
    for values in all {
        n += 1.0;
        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    Means {
        algorithm,
        values: sum.map(|sum| sum / n.max(1.0)),
    }
}

fn table(text: &mut String, title: &str, lines: &[Means<'_>]) {
    let first = lines
        .iter()
        .map(|line| line.algorithm.len())
        .max()
        .unwrap_or_default()
        .max("algorithm".len());
    let mut line = format!("{title}\n  {:first$}", "algorithm");
    for (heading, _) in COLUMNS {
        // Writing to a string cannot fail, here and below.
        let _ = write!(line, "  {heading:>7}");
    }
    text.push_str(&line);
    text.push('\n');
    for means in lines {
        let _ = write!(text, "  {:first$}", means.algorithm);
        for ((heading, decimals), value) in COLUMNS.iter().zip(means.values) {
            let width = heading.chars().count().max(7);
            let _ = write!(text, "  {value:>width$.decimals$}");
        }
        text.push('\n');
    }
    text.push('\n');
}

/// The values of a field, in the order in which they first occur.
fn distinct<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    field: impl Fn(&'a Row) -> &'a String,
) -> Vec<&'a str> {
    let mut seen: Vec<&str> = Vec::new();
    for row in rows {
        let value = field(row).as_str();
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(family: &str, trace: &str, algorithm: &str, qoe: f64) -> Row {
        Row {
            family: family.to_owned(),
            trace: trace.to_owned(),
            algorithm: algorithm.to_owned(),
            qoe,
            bitrate_kbps: 1500.4,
            rebuffer_s: 5.97,
            rebuffer_ratio: 0.01,
            startup_s: 0.5,
            stalls: 2,
            switches: 20,
            segments: 200,
            abandoned: 1,
            decision_us_p50: 1.25,
            decision_us_p99: 9.0,
            virtual_s: 600.0,
            real_s: 0.01,
        }
    }

    #[test]
    fn the_mean_is_over_families_not_over_traces() {
        let rows = [
            row("3g", "a", "x", 0.1),
            row("3g", "b", "x", 0.3),
            row("lte", "c", "x", 0.6),
        ];
        let text = tables(&rows);
        let expected = "\
3g (2 traces)
  algorithm      qoe   kbit/s  rebuffer %  startup s  switches/segment  abandoned  decision µs p50      p99
  x            0.200     1500        1.00       0.50             0.100        1.0              1.2      9.0
";
        assert!(text.starts_with(expected), "{text}");
        let last = text.lines().rev().find(|line| line.starts_with("  x")).unwrap();
        assert!(
            text.contains("\nlte (1 trace)\n") && text.contains("\nmean over 2 families\n"),
            "{text}"
        );
        assert!(last.starts_with("  x            0.400 "), "{text}");
    }

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
