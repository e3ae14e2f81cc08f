//! What the program asks a running server for, and prints.

mod client;
mod keep;
mod table;

use std::io::Write as _;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use client::Client;
pub(crate) use keep::{Backup, Delete};
use table::{Align, Table, amount, line, plain};

/// Buckets that fit into a line.
const MAX_BUCKETS: i64 = 80;

/// Metrics by dimensions.
#[derive(clap::Args)]
pub(crate) struct Query {
    #[command(flatten)]
    client: Client,
    /// Metrics, separated by commas; `/v1/definitions` has them all.
    #[arg(value_name = "METRICS")]
    metrics: String,
    /// Dimensions that tell groups apart, separated by commas.
    #[arg(long, value_name = "DIMENSIONS")]
    by: Option<String>,
    /// DIMENSION:eq:VALUE, :ne:VALUE, :in:VALUE,VALUE, :nin:VALUE,VALUE or :exists. May be given several times.
    #[arg(long = "filter", value_name = "FILTER")]
    filters: Vec<String>,
    /// A site's name.
    #[arg(long)]
    site: Option<String>,
    /// How far back, as 30m, 24h, 7d.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration_ms)]
    last: i64,
    /// Series of buckets of this length, as 1m, 1h, 1d.
    #[arg(long, value_name = "TIME", value_parser = bucket)]
    bucket: Option<String>,
    /// The metric that groups are ordered by, with - before it the largest first.
    #[arg(long, value_name = "METRIC", allow_hyphen_values = true)]
    order: Option<String>,
    /// How many groups.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Programs count, too.
    #[arg(long)]
    bots: bool,
    /// Prints the server's JSON.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Prints CSV.
    #[arg(long)]
    csv: bool,
}

/// The newest views.
#[derive(clap::Args)]
pub(crate) struct Views {
    #[command(flatten)]
    client: Client,
    /// live, failed, rebuffered, or as in queries. May be given several times.
    #[arg(long = "filter", value_name = "FILTER")]
    filters: Vec<String>,
    /// A site's name.
    #[arg(long)]
    site: Option<String>,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Programs, too.
    #[arg(long)]
    bots: bool,
    /// Prints the server's JSON.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Prints CSV.
    #[arg(long)]
    csv: bool,
}

/// What became of beacons.
#[derive(clap::Args)]
pub(crate) struct Status {
    #[command(flatten)]
    client: Client,
    /// Prints the server's JSON.
    #[arg(long)]
    json: bool,
}

impl Query {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut parameters = vec![("metric", self.metrics.clone())];
        // The server's clock counts.
        let now_ms = self.client.json("/v1/live", &[])?["now_ms"].as_i64();
        let from_ms = now_ms.context("the server does not tell its time")? - self.last;
        parameters.push(("from", from_ms.max(0).to_string()));
        let optional = [
            ("by", self.by.clone()),
            ("site", self.site.clone()),
            ("bucket", self.bucket.clone()),
            ("order", self.order.clone()),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("bots", self.bots.then(|| "true".to_owned())),
        ];
        parameters.extend(
            optional
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        parameters.extend(self.filters.iter().map(|filter| ("filter", filter.clone())));
        if self.csv {
            parameters.push(("format", "csv".to_owned()));
        }
        let text = self.client.get("/v1/query", &parameters)?;
        if self.json || self.csv {
            return print(&text);
        }
        let answer: Value = serde_json::from_str(&text).context("the server did not answer with JSON")?;
        print(&match answer["bucket_ms"].as_i64() {
            None => groups(&answer),
            Some(bucket_ms) => series(&answer, bucket_ms)?,
        })
    }
}

impl Views {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut parameters = vec![("limit", self.limit.to_string())];
        parameters.extend(self.site.iter().map(|site| ("site", site.clone())));
        parameters.extend(self.filters.iter().map(|filter| ("filter", filter.clone())));
        parameters.extend(self.bots.then(|| ("bots", "true".to_owned())));
        parameters.extend(self.csv.then(|| ("format", "csv".to_owned())));
        let text = self.client.get("/v1/views", &parameters)?;
        if self.json || self.csv {
            return print(&text);
        }
        let answer: Value = serde_json::from_str(&text).context("the server did not answer with JSON")?;
        let now_ms = answer["now_ms"].as_i64().unwrap_or(0);
        let mut table = Table::default();
        for name in ["view", "state", "device", "video"] {
            table.column(name, Align::Left);
        }
        for name in ["began", "start-up", "played", "rebuffered"] {
            table.column(name, Align::Right);
        }
        table.column("fatal", Align::Left);
        for view in answer["views"].as_array().into_iter().flatten() {
            let text = |name: &str| plain(view[name].as_str().unwrap_or_default());
            let time = |name: &str| amount(&view[name], "milliseconds");
            let ago_ms = now_ms - view["start_ms"].as_i64().unwrap_or(now_ms);
            table.row(vec![
                text("view_id"),
                text("state"),
                text("device"),
                text("video_id"),
                format!("{} ago", amount(&ago_ms.into(), "milliseconds")),
                time("startup_ms"),
                time("played_ms"),
                time("rebuffer_ms"),
                text("fatal"),
            ]);
        }
        print(&table.to_string())
    }
}

impl Status {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let text = self.client.get("/v1/status", &[])?;
        if self.json {
            return print(&text);
        }
        let status: Value = serde_json::from_str(&text).context("the server did not answer with JSON")?;
        let live = self.client.json("/v1/live", &[])?;
        let mut table = Table::default();
        table.column("", Align::Left);
        table.column("", Align::Right);
        let mut row = |name: String, value: String| table.row(vec![name, value]);
        row(
            "version".into(),
            plain(status["version"].as_str().unwrap_or_default()),
        );
        let ready = if status["ready"] == true { "yes" } else { "no" };
        row("ready".into(), ready.into());
        for name in ["concurrent_viewers", "open_views", "starts_last_minute"] {
            row(name.replace('_', " "), amount(&live[name], "count"));
        }
        for (group, counts) in [("beacons", &status["beacons"]), ("notes", &status["notes"])] {
            for (name, times) in counts.as_object().into_iter().flatten() {
                row(format!("{group}: {}", plain(name)), amount(times, "count"));
            }
        }
        let mark = |name: &str| status["log"][name].as_i64().unwrap_or(0);
        for (what, name) in [("events", "events"), ("views", "stored")] {
            let behind = mark("head") - mark(name);
            row(
                format!("beacons whose {what} are not stored yet"),
                behind.to_string(),
            );
        }
        print(&table.to_string())
    }
}

/// A line a group, and beside each number the views that it is of.
fn groups(answer: &Value) -> String {
    let mut table = Table::default();
    let by = names(&answer["by"]);
    let metrics = metrics(answer);
    for name in &by {
        table.column(name, Align::Left);
    }
    for (name, _) in &metrics {
        table.column(name, Align::Right);
        table.column("n", Align::Right);
    }
    for row in answer["rows"].as_array().into_iter().flatten() {
        let mut cells: Vec<String> = by.iter().map(|name| value_of(row, name)).collect();
        for (name, unit) in &metrics {
            let cell = &row["values"][name];
            cells.push(amount(&cell["value"], unit));
            cells.push(amount(&cell["n"], "count"));
        }
        table.row(cells);
    }
    table.to_string() + &notes(answer)
}

/// A line a group and metric, in which each bucket is a letter.
fn series(answer: &Value, bucket_ms: i64) -> anyhow::Result<String> {
    let time = |name: &str| answer[name].as_i64().unwrap_or(0).div_euclid(bucket_ms.max(1));
    let (first, last) = (time("from_ms"), time("to_ms"));
    ensure!(
        last - first < MAX_BUCKETS,
        "more than {MAX_BUCKETS} buckets do not fit into a line; ask for a longer --bucket, or for --json"
    );
    let by = names(&answer["by"]);
    let mut table = Table::default();
    for name in &by {
        table.column(name, Align::Left);
    }
    for (name, align) in [
        ("metric", Align::Left),
        ("least", Align::Right),
        ("", Align::Left),
        ("most", Align::Right),
        ("last", Align::Right),
    ] {
        table.column(name, align);
    }
    // In the order in which they come: that of the groups.
    let mut groups: Vec<(Vec<String>, Vec<&Value>)> = Vec::new();
    for row in answer["rows"].as_array().into_iter().flatten() {
        let group: Vec<String> = by.iter().map(|name| value_of(row, name)).collect();
        match groups.iter_mut().find(|(other, _)| *other == group) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((group, vec![row])),
        }
    }
    for (group, rows) in groups {
        for (name, unit) in metrics(answer) {
            let values: Vec<Option<f64>> = (first..=last)
                .map(|bucket| {
                    let row = rows.iter().find(|row| row["t_ms"] == bucket * bucket_ms)?;
                    row["values"][&name]["value"].as_f64()
                })
                .collect();
            let known = || values.iter().flatten().copied();
            let shown = |value: Option<f64>| amount(&value.into(), &unit);
            let mut cells = group.clone();
            cells.extend([
                name,
                shown(known().reduce(f64::min)),
                line(&values),
                shown(known().reduce(f64::max)),
                shown(known().last()),
            ]);
            table.row(cells);
        }
    }
    Ok(table.to_string() + &notes(answer))
}

/// What a table does not say by itself.
fn notes(answer: &Value) -> String {
    let mut notes = String::new();
    if answer["more"] == true {
        notes.push_str("There are more groups: ask with --limit.\n");
    }
    if answer["bots_excluded"] == true {
        notes.push_str("Without programs: ask with --bots.\n");
    }
    notes
}

/// The metrics of an answer, and their units.
fn metrics(answer: &Value) -> Vec<(String, String)> {
    let metrics = answer["metrics"].as_array().into_iter().flatten();
    let text = |value: &Value| plain(value.as_str().unwrap_or_default());
    metrics
        .map(|metric| (text(&metric["name"]), text(&metric["unit"])))
        .collect()
}

fn names(list: &Value) -> Vec<String> {
    let names = list.as_array().into_iter().flatten();
    names.filter_map(|name| Some(plain(name.as_str()?))).collect()
}

fn value_of(row: &Value, dimension: &str) -> String {
    match row["by"][dimension].as_str() {
        None | Some("") => "(not known)".to_owned(),
        Some(value) => plain(value),
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn duration_ms(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is not a time as 30m, 24h or 7d");
    let unit_ms = match text.chars().last() {
        Some('s') => 1_000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(i64::from(number) * unit_ms)
}

fn bucket(text: &str) -> Result<String, String> {
    duration_ms(text).map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn series_are_lines() {
        let row = |t_ms: i64, device: &str, value: Option<f64>| json!({ "t_ms": t_ms, "by": { "device": device }, "values": { "ebvs": { "value": value, "n": 3 } } });
        let answer = json!({
            "from_ms": 60_000, "to_ms": 239_999, "bucket_ms": 60_000, "by": ["device"], "more": true, "bots_excluded": true,
            "metrics": [{ "name": "ebvs", "unit": "ratio" }],
            "rows": [row(60_000, "tv", Some(0.0)), row(60_000, "a\u{1b}[31m", None), row(180_000, "tv", Some(0.5))]
        });
        let shown = series(&answer, 60_000).unwrap();
        let expected = "device  metric  least       most   last
tv      ebvs    0.00%  ▁ █  50.00%  50.00%
a\u{fffd}[31m  ebvs        –           –       –
There are more groups: ask with --limit.
Without programs: ask with --bots.
";
        let squeezed = |text: &str| -> Vec<Vec<String>> {
            let lines = text.lines();
            lines
                .map(|line| line.split_whitespace().map(ToOwned::to_owned).collect())
                .collect()
        };
        assert_eq!(squeezed(&shown), squeezed(expected), "{shown}");
        assert!(shown.contains("▁ █"), "{shown}");
        assert!(series(&json!({ "from_ms": 0, "to_ms": 6_000_000 }), 60_000).is_err());
    }

    #[test]
    fn times_are_read() {
        assert_eq!(duration_ms("90m"), Ok(5_400_000));
        for text in ["", "m", "1", "-1h", "1é", "9999999999d"] {
            assert!(duration_ms(text).is_err(), "{text}");
        }
    }
}
