//! Tables, amounts and small charts for a terminal.

use std::fmt;

use serde_json::Value;

/// Where a column's texts stand.
#[derive(Clone, Copy)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows under names.
#[derive(Default)]
pub(super) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn column(&mut self, name: &str, align: Align) {
        self.columns.push((name.to_owned(), align));
    }

    /// A text a column.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let head = Some(&names).filter(|names| names.iter().any(|name| !name.is_empty()));
        let lines: Vec<&Vec<String>> = head.into_iter().chain(&self.rows).collect();
        let width = |place: usize| {
            let texts = lines.iter().filter_map(|line| line.get(place));
            texts.map(|text| text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        for line in lines {
            let mut shown = String::new();
            for ((text, width), (_, align)) in line.iter().zip(&widths).zip(&self.columns) {
                let text = match align {
                    Align::Left => format!("{text:<width$}"),
                    Align::Right => format!("{text:>width$}"),
                };
                shown.push_str(&text);
                shown.push_str("  ");
            }
            writeln!(f, "{}", shown.trim_end())?;
        }
        Ok(())
    }
}

/// A text without what a terminal would obey.
pub(super) fn plain(text: &str) -> String {
    // Besides control characters, those that turn the direction of writing.
    let is_safe = |letter: char| {
        !letter.is_control()
            && !matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let letters = text.chars();
    letters
        .map(|letter| if is_safe(letter) { letter } else { '\u{fffd}' })
        .collect()
}

/// A number with its unit, of which the server's names are given; what is not known is a dash.
pub(super) fn amount(value: &Value, unit: &str) -> String {
    let Some(number) = value.as_f64() else {
        return "–".to_owned();
    };
    match unit {
        "ratio" => format!("{:.2}%", number * 100.0),
        "kilobits_per_second" => format!("{number:.0} kbit/s"),
        "per_minute" => format!("{number:.2}/min"),
        "bytes" => scaled(
            number,
            &[(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")],
            "B",
        ),
        "milliseconds" => scaled(
            number,
            &[
                (86_400_000.0, "d"),
                (3_600_000.0, "h"),
                (60_000.0, "min"),
                (10_000.0, "s"),
            ],
            "ms",
        ),
        _ if number.fract() == 0.0 => format!("{number:.0}"),
        _ => format!("{number:.1}"),
    }
}

/// In the largest unit that it has once; seconds are of a thousand.
fn scaled(number: f64, units: &[(f64, &str)], smallest: &str) -> String {
    let fits = units.iter().find(|(size, _)| number.abs() >= *size);
    match fits {
        Some((_, "s")) => format!("{:.1} s", number / 1_000.0),
        Some((size, unit)) => format!("{:.1} {unit}", number / size),
        None => format!("{number:.0} {smallest}"),
    }
}

/// A letter a value, the higher the larger it is; a blank where there is none.
pub(super) fn line(values: &[Option<f64>]) -> String {
    const LETTERS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let known = || values.iter().flatten().copied();
    let least = known().fold(f64::INFINITY, f64::min);
    let most = known().fold(f64::NEG_INFINITY, f64::max);
    let letter = |value: f64| {
        let share = if most > least {
            (value - least) / (most - least)
        } else {
            0.0
        };
        LETTERS
            .get((share * 7.0).round() as usize)
            .copied()
            .unwrap_or('█')
    };
    values.iter().map(|value| value.map_or(' ', letter)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::default();
        table.column("device", Align::Left);
        table.column("plays", Align::Right);
        table.row(vec!["tv".into(), "12000".into()]);
        table.row(vec!["Fernsehgerät".into(), "7".into()]);
        assert_eq!(
            table.to_string(),
            "device        plays\ntv            12000\nFernsehgerät      7\n"
        );
    }

    #[test]
    fn amounts_have_units() {
        for (value, unit, expected) in [
            (json!(0.012_34), "ratio", "1.23%"),
            (json!(812.4), "milliseconds", "812 ms"),
            (json!(95_000), "milliseconds", "1.6 min"),
            (json!(12_300), "milliseconds", "12.3 s"),
            (json!(2_866.7), "kilobits_per_second", "2867 kbit/s"),
            (json!(1_500_000), "bytes", "1.5 MB"),
            (json!(3), "count", "3"),
            (json!(3.25), "count", "3.2"),
            (json!(0.5), "per_minute", "0.50/min"),
            (json!(null), "ratio", "–"),
        ] {
            assert_eq!(amount(&value, unit), expected);
        }
        assert_eq!(
            plain("a\u{1b}]0;x\u{7}\u{202e}b\n"),
            "a\u{fffd}]0;x\u{fffd}\u{fffd}b\u{fffd}"
        );
    }

    #[test]
    fn lines_rise_with_their_values() {
        assert_eq!(line(&[Some(0.0), None, Some(7.0), Some(3.0)]), "▁ █▄");
        assert_eq!(line(&[Some(2.0), Some(2.0)]), "▁▁");
        assert_eq!(line(&[]), "");
    }
}
