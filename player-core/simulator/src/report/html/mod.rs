//! The results as a page: one file that opens without a network.
//!
//! The page has its style, its script and its data in it, and a content security policy that forbids it everything else. The
//! data are JSON in a script element that is not run; the script puts them on the page as text, never as markup.

use std::io::{self, Write};

use serde::Serialize;

use super::summary::{self, Figures, Summary};
use crate::batch::Row;

mod chart;

pub use chart::{Chart, ChartSession};

/// All charts of traces together take no more of the page than this; the last ones are left out.
pub const MAX_CHART_BYTES: usize = 4_000_000;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The rows, in the order of [`Batch::run`](crate::batch::Batch::run).
    pub rows: &'a [Row],
    /// The algorithm that shares are relative to, if any.
    pub reference: Option<&'a str>,
    /// What the run was about: name and value.
    pub settings: &'a [(String, String)],
    /// What each algorithm is: name and a line about it.
    pub about: &'a [(String, String)],
    /// Traces to show over time, the most important ones first.
    pub charts: &'a [Chart],
}

/// Writes the page; returns how many of the charts have found no room.
///
/// # Errors
/// If `out` fails.
pub fn write(mut out: impl Write, page: &Page<'_>) -> io::Result<usize> {
    let data = Data::new(page);
    let json = serde_json::to_string(&data)?;
    let parts = [
        ("/*style*/", STYLE),
        ("/*data*/", &escape(&json)),
        ("/*script*/", SCRIPT),
    ];
    let mut rest = TEMPLATE;
    for (mark, part) in parts {
        let (before, after) = rest.split_once(mark).unwrap_or((rest, ""));
        out.write_all(before.as_bytes())?;
        out.write_all(part.as_bytes())?;
        rest = after;
    }
    out.write_all(rest.as_bytes())?;
    out.flush()?;
    Ok(page.charts.len() - data.charts.len())
}

/// JSON that cannot end the script element that it stands in, nor begin a comment or another script in it.
fn escape(json: &str) -> String {
    // In JSON these only occur in strings, where an escape means the same.
    json.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

#[derive(Serialize)]
struct Data<'a> {
    settings: &'a [(String, String)],
    about: &'a [(String, String)],
    reference: Option<usize>,
    least_reference_qoe: f64,
    families: Vec<(&'a str, usize)>,
    algorithms: Vec<Algorithm<'a>>,
    ahead: Vec<Vec<Option<f64>>>,
    apart: Vec<(usize, &'a str)>,
    apart_qoe: Vec<Option<f64>>,
    traces: Vec<TraceData<'a>>,
    charts: Vec<chart::Data<'a>>,
    charts_left_out: usize,
}

#[derive(Serialize)]
struct Algorithm<'a> {
    name: &'a str,
    families: Vec<Option<FiguresData>>,
    mean: Option<FiguresData>,
    decision_us: [f64; 2],
}

#[derive(Serialize)]
struct FiguresData {
    qoe: f64,
    share: Option<f64>,
    kbps: f64,
    rebuffer: f64,
    startup: f64,
    switches: f64,
    abandoned: f64,
}

/// A trace with a line of figures for each algorithm.
#[derive(Serialize)]
struct TraceData<'a> {
    family: usize,
    name: &'a str,
    counts: bool,
    /// QoE, kbit/s, rebuffer ratio, start-up s, switches, abandoned.
    rows: Vec<Option<[f64; 6]>>,
}

impl<'a> Data<'a> {
    fn new(page: &Page<'a>) -> Self {
        let summary = Summary::new(page.rows, page.reference);
        let families: Vec<_> = summary.families.iter().map(|family| family.name).collect();
        let algorithms: Vec<_> = summary.lines.iter().map(|line| line.algorithm).collect();
        let sessions = summary::sessions(page.rows, &families, &algorithms, summary.reference);
        let mut charts = Vec::new();
        let mut bytes = 0;
        for chart in page.charts {
            let data = chart.data(&families, &algorithms);
            bytes += serde_json::to_string(&data).map_or(0, |json| json.len());
            if bytes > MAX_CHART_BYTES {
                break;
            }
            charts.push(data);
        }
        Self {
            settings: page.settings,
            about: page.about,
            reference: summary.reference,
            least_reference_qoe: summary::LEAST_REFERENCE_QOE,
            families: summary
                .families
                .iter()
                .map(|family| (family.name, family.traces))
                .collect(),
            algorithms: summary
                .lines
                .iter()
                .map(|line| Algorithm {
                    name: line.algorithm,
                    families: line.families.iter().map(|f| f.as_ref().map(figures)).collect(),
                    mean: line.mean.as_ref().map(figures),
                    decision_us: [round(line.decision_us_p50, 1e1), round(line.decision_us_p99, 1e1)],
                })
                .collect(),
            ahead: summary.ahead,
            apart: summary.apart,
            apart_qoe: summary.apart_qoe,
            traces: sessions
                .iter()
                .map(|sessions| TraceData {
                    family: sessions.family,
                    name: sessions.trace,
                    counts: sessions.counts,
                    rows: sessions.rows.iter().map(|row| row.map(values)).collect(),
                })
                .collect(),
            charts_left_out: page.charts.len() - charts.len(),
            charts,
        }
    }
}

fn figures(figures: &Figures) -> FiguresData {
    FiguresData {
        qoe: round(figures.qoe, 1e6),
        share: figures.share.map(|share| round(share, 1e6)),
        kbps: round(figures.bitrate_kbps, 1e2),
        rebuffer: round(figures.rebuffer_ratio, 1e6),
        startup: round(figures.startup_s, 1e3),
        switches: round(figures.switches_per_segment, 1e6),
        abandoned: round(figures.abandoned, 1e2),
    }
}

fn values(row: &Row) -> [f64; 6] {
    [
        round(row.qoe, 1e6),
        round(row.bitrate_kbps, 1e0),
        round(row.rebuffer_ratio, 1e6),
        round(row.startup_s, 1e2),
        row.switches as f64,
        row.abandoned as f64,
    ]
}

/// To the nearest of `parts` a unit.
fn round(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::test::row;
    use super::chart::test::chart;
    use super::*;

    fn page(rows: &[Row], charts: &[Chart]) -> (String, usize) {
        let mut bytes = Vec::new();
        let page = Page {
            rows,
            reference: Some("optimal"),
            settings: &[("objective".to_owned(), "lin".to_owned())],
            about: &[("x".to_owned(), "a test".to_owned())],
            charts,
        };
        let left_out = write(&mut bytes, &page).unwrap();
        (String::from_utf8(bytes).unwrap(), left_out)
    }

    /// The JSON of a page, as its script reads it.
    fn data(page: &str) -> serde_json::Value {
        let (_, rest) = page
            .split_once(r#"<script type="application/json" id="data">"#)
            .unwrap();
        let (json, _) = rest.split_once("</script>").unwrap();
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn names_cannot_break_out_of_the_data() {
        let evil = "</script><script>alert(1)</script><!--&";
        let rows = [row(evil, evil, "x", 0.5), row(evil, evil, "optimal", 1.0)];
        let (plain, _) = page(&[row("a", "b", "x", 0.5)], &[]);
        let (text, _) = page(&rows, &[]);
        assert_eq!(
            text.matches("</script").count(),
            plain.matches("</script").count()
        );
        assert!(!text.contains("<!--&"));
        let data = data(&text);
        assert_eq!(data["families"][0][0], evil);
        assert_eq!(data["traces"][0]["name"], evil);
        assert_eq!(data["algorithms"][0]["mean"]["share"], 0.5);
        assert_eq!(data["reference"], 1);
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere() {
        let (text, _) = page(&[row("a", "b", "x", 0.5)], &[]);
        assert!(text.contains("default-src 'none'"));
        for word in [
            "src=",
            "href=\"http",
            "@import",
            "url(h",
            "url(\"",
            "fetch(",
            "XMLHttpRequest",
        ] {
            assert!(!text.contains(word), "{word}");
        }
    }

    #[test]
    fn charts_are_left_out_when_there_is_no_more_room() {
        let rows = [row("a", "b", "x", 0.5)];
        let (text, left_out) = page(&rows, &[chart("a", "b", "x", 3)]);
        assert_eq!(
            (left_out, data(&text)["charts"][0]["name"].as_str()),
            (0, Some("b"))
        );
        let large = chart("a", "b", "x", 100_000);
        let (text, left_out) = page(&rows, &vec![large; 4]);
        assert!(left_out > 0 && left_out < 4, "{left_out}");
        assert!(text.len() < MAX_CHART_BYTES + 200_000);
        assert_eq!(data(&text)["charts_left_out"], left_out);
    }
}
