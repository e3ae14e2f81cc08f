//! The results for people, as text.

use std::fmt::Write as _;

use super::summary::{Figures, LEAST_REFERENCE_QOE, Line, Summary, mean};
use crate::batch::{KeyRow, Row};

/// `1 trace`, `2 traces`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// All algorithms in one table: score by family, then the overall figures; and who is ahead of whom, if there are several.
pub fn overview(summary: &Summary<'_>) -> String {
    let mut text = String::new();
    let reference = summary.reference.and_then(|r| summary.lines.get(r));
    let traces = summary.families.iter().map(|family| family.traces).sum();
    let _ = writeln!(
        text,
        "QoE by family, and means over {} ({})",
        match summary.families.len() {
            1 => "1 family".to_owned(),
            n => format!("{n} families"),
        },
        count(traces, "trace"),
    );
    let mut columns: Vec<Column> = Vec::new();
    for (f, family) in summary.families.iter().enumerate() {
        columns.push(Column::new(
            family.name,
            3,
            |line| line.families.get(f)?.map(|f| f.qoe),
            summary,
        ));
    }
    let overall = |heading: &str, decimals, value: fn(&Figures) -> Option<f64>| {
        Column::new(
            heading,
            decimals,
            |line| line.mean.as_ref().and_then(value),
            summary,
        )
    };
    if summary.families.len() > 1 {
        columns.push(overall("mean", 3, |f| Some(f.qoe)));
    }
    if let Some(reference) = reference {
        columns.push(overall(&format!("of {}", reference.algorithm), 3, |f| f.share));
    }
    columns.push(overall("rebuffer %", 2, |f| Some(f.rebuffer_ratio * 100.0)));
    columns.push(overall("switches/segment", 3, |f| Some(f.switches_per_segment)));
    columns.push(Column::new(
        "decision µs p50",
        1,
        |line| Some(line.decision_us_p50),
        summary,
    ));
    columns.push(Column::new("p99", 1, |line| Some(line.decision_us_p99), summary));
    table(&mut text, &names(summary), &columns);

    if summary.lines.len() > 1 {
        text.push_str("\nTraces on which the algorithm of the line is ahead of that of the column, %\n");
        let columns: Vec<_> = summary
            .lines
            .iter()
            .enumerate()
            .map(|(b, line)| Column {
                heading: line.algorithm.to_owned(),
                cells: summary
                    .ahead
                    .iter()
                    .map(|of| number(of.get(b).copied().flatten().map(|share| share * 100.0), 0))
                    .collect(),
            })
            .collect();
        table(&mut text, &names(summary), &columns);
    }
    if !summary.apart.is_empty() {
        let _ = writeln!(
            text,
            "\nMean QoE on the {} left out above, where {} has at most {LEAST_REFERENCE_QOE}",
            count(summary.apart.len(), "trace"),
            reference.map_or("the reference", |line| line.algorithm),
        );
        let cells = summary.apart_qoe.iter().map(|qoe| number(*qoe, 3)).collect();
        table(
            &mut text,
            &names(summary),
            &[Column {
                heading: "qoe".to_owned(),
                cells,
            }],
        );
    }
    text
}

/// What keys cost, by algorithm: means over its sessions; nothing if nothing was protected.
pub fn keys(summary: &Summary<'_>, rows: &[Row]) -> Option<String> {
    rows.iter().find(|row| row.keys.is_some())?;
    let column = |heading: &str, decimals, value: fn(&KeyRow) -> f64| {
        let of = |line: &Line<'_>| {
            let of_line = rows.iter().filter(|row| row.algorithm == line.algorithm);
            mean(of_line.filter_map(|row| row.keys.as_ref()).map(value))
        };
        Column::new(heading, decimals, of, summary)
    };
    let columns = [
        column("licences", 1, |keys| keys.licences as f64),
        column("startup s by keys", 2, |keys| keys.key_startup_s),
        column("rebuffers by keys", 2, |keys| f64::from(keys.key_rebuffers)),
        column("their s", 2, |keys| keys.key_rebuffer_s),
    ];
    let mut text = "Keys, a session\n".to_owned();
    table(&mut text, &names(summary), &columns);
    Some(text)
}

/// A table of more figures for each family, and for the mean over the families if there are several.
pub fn detail(summary: &Summary<'_>) -> String {
    let mut text = String::new();
    for (f, family) in summary.families.iter().enumerate() {
        let _ = writeln!(text, "{} ({})", family.name, count(family.traces, "trace"));
        details(&mut text, summary, |line| *line.families.get(f)?);
        text.push('\n');
    }
    if summary.families.len() > 1 {
        let _ = writeln!(text, "mean over {} families", summary.families.len());
        details(&mut text, summary, |line| line.mean);
        text.push('\n');
    }
    text
}

fn details(text: &mut String, summary: &Summary<'_>, figures: impl Fn(&Line<'_>) -> Option<Figures> + Copy) {
    let column = |heading: &str, decimals, value: fn(Figures) -> Option<f64>| {
        Column::new(
            heading,
            decimals,
            move |line| figures(line).and_then(value),
            summary,
        )
    };
    let mut columns = vec![column("qoe", 3, |f| Some(f.qoe))];
    if let Some(reference) = summary.reference.and_then(|r| summary.lines.get(r)) {
        columns.push(column(&format!("of {}", reference.algorithm), 3, |f| f.share));
    }
    columns.extend([
        column("kbit/s", 0, |f| Some(f.bitrate_kbps)),
        column("rebuffer %", 2, |f| Some(f.rebuffer_ratio * 100.0)),
        column("startup s", 2, |f| Some(f.startup_s)),
        column("switches/segment", 3, |f| Some(f.switches_per_segment)),
        column("abandoned", 1, |f| Some(f.abandoned)),
    ]);
    table(text, &names(summary), &columns);
}

struct Column {
    heading: String,
    cells: Vec<String>,
}

impl Column {
    fn new(
        heading: &str,
        decimals: usize,
        value: impl Fn(&Line<'_>) -> Option<f64>,
        summary: &Summary<'_>,
    ) -> Self {
        Self {
            heading: heading.to_owned(),
            cells: summary
                .lines
                .iter()
                .map(|line| number(value(line), decimals))
                .collect(),
        }
    }
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

fn names<'a>(summary: &Summary<'a>) -> Vec<&'a str> {
    summary.lines.iter().map(|line| line.algorithm).collect()
}

fn table(text: &mut String, names: &[&str], columns: &[Column]) {
    let width = |text: &str| text.chars().count();
    let first = names
        .iter()
        .map(|name| width(name))
        .max()
        .unwrap_or_default()
        .max("algorithm".len());
    let widths: Vec<_> = columns
        .iter()
        .map(|column| {
            column
                .cells
                .iter()
                .map(|cell| width(cell))
                .max()
                .unwrap_or_default()
                .max(width(&column.heading))
        })
        .collect();
    // Writing to a string cannot fail, here and below.
    let _ = write!(text, "  {:first$}", "algorithm");
    for (column, width) in columns.iter().zip(&widths) {
        let _ = write!(text, "  {:>width$}", column.heading);
    }
    text.push('\n');
    for (i, name) in names.iter().enumerate() {
        let _ = write!(text, "  {name:first$}");
        for (column, width) in columns.iter().zip(&widths) {
            let _ = write!(
                text,
                "  {:>width$}",
                column.cells.get(i).map_or("", String::as_str)
            );
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::test::row;
    use super::*;

    #[test]
    fn one_table_has_all_algorithms_and_families() {
        let rows = [
            row("3g", "a", "x", 0.1),
            row("3g", "a", "optimal", 0.2),
            row("3g", "b", "x", 0.3),
            row("3g", "b", "optimal", 0.3),
            row("3g", "dead", "x", -1.0),
            row("3g", "dead", "optimal", -0.5),
            row("lte", "c", "x", 0.6),
            row("lte", "c", "optimal", 0.8),
        ];
        let expected = "\
QoE by family, and means over 2 families (3 traces)
  algorithm     3g    lte   mean  of optimal  rebuffer %  switches/segment  decision µs p50  p99
  x          0.200  0.600  0.400       0.775        1.00             0.100              1.2  9.0
  optimal    0.250  0.800  0.525       1.000        1.00             0.100              1.2  9.0

Traces on which the algorithm of the line is ahead of that of the column, %
  algorithm   x  optimal
  x           -        0
  optimal    67        -

Mean QoE on the 1 trace left out above, where optimal has at most 0.02
  algorithm     qoe
  x          -1.000
  optimal    -0.500
";
        assert_eq!(overview(&Summary::new(&rows, Some("optimal"))), expected);
    }

    #[test]
    fn the_detail_has_a_table_a_family() {
        let rows = [
            row("3g", "a", "x", 0.1),
            row("3g", "b", "x", 0.3),
            row("lte", "c", "x", 0.6),
        ];
        let expected = "\
3g (2 traces)
  algorithm    qoe  kbit/s  rebuffer %  startup s  switches/segment  abandoned
  x          0.200    1500        1.00       0.50             0.100        1.0

lte (1 trace)
  algorithm    qoe  kbit/s  rebuffer %  startup s  switches/segment  abandoned
  x          0.600    1500        1.00       0.50             0.100        1.0

mean over 2 families
  algorithm    qoe  kbit/s  rebuffer %  startup s  switches/segment  abandoned
  x          0.400    1500        1.00       0.50             0.100        1.0

";
        assert_eq!(detail(&Summary::new(&rows, None)), expected);
    }
}
