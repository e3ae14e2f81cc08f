//! `headgate-sim generate`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use simulator::Trace;
use simulator::files::Aside;
use simulator::generate::{self, Kind, MAX_DURATION};
use simulator::trace::Statistics;

/// Names have four digits.
const MAX_COUNT: u64 = 9999;
/// Of each kind: bounds the memory.
const MAX_HOURS: u64 = 2000;

/// Makes up network traces and prints what they are like.
///
/// Each kind of network is a chain of regimes (good, normal, poor, outage) with a rate that wanders within them, fitted to
/// published measurements. The same seed gives the same files everywhere.
#[derive(Debug, Args)]
#[command(after_help = "Kinds:
  3g         on the move: about 1 Mbit/s, dips of minutes, outages of 10 s and more
  congested  broadband of 1 to 3 Mbit/s, some steady, some with gaps of seconds
  cable      flat for minutes at 10 to 30 Mbit/s, with long slow spells
  wifi       steady within a session, 5 to 60 Mbit/s between sessions
  lte        20 to 60 Mbit/s with dips of half a minute and rare short outages
  5g         fast and wild: from nothing to hundreds of Mbit/s within seconds

Example:
  headgate-sim generate --kind lte,3g --count 20 --seconds 600 --seed 7 --out traces --content
  headgate-sim run --traces traces --content lte=traces/lte.json 3g=traces/3g.json \\
      --algorithms headgate,bola --json out.json

The files are DIR/KIND/KIND-0001.csv (duration_ms,bandwidth_kbps,latency_ms) and so on.")]
pub(super) struct Generate {
    /// Kinds of network, separated by commas; default: all.
    #[arg(long, value_delimiter = ',', default_values_t = Kind::ALL, hide_default_value = true, value_name = "LIST")]
    kind: Vec<Kind>,
    /// Traces of each kind.
    #[arg(long, default_value_t = 20, value_parser = RangedU64ValueParser::<u32>::new().range(1..=MAX_COUNT), value_name = "N")]
    count: u32,
    /// Duration of each, seconds.
    #[arg(long, default_value_t = 600, value_parser = RangedU64ValueParser::<u64>::new().range(1..=MAX_DURATION.as_secs()), value_name = "S")]
    seconds: u64,
    /// Another seed gives other traces.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Folder for the traces.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write a content table that suits each kind, too: DIR/KIND.json.
    #[arg(long)]
    content: bool,
    /// Print one JSON array: for each kind its name, folder, seed and figures.
    #[arg(long)]
    json: bool,
}

impl Generate {
    pub(super) fn run(mut self) -> Result<ExitCode> {
        let hours = u64::from(self.count) * self.seconds / 3600;
        if hours > MAX_HOURS {
            bail!(
                "--count {} and --seconds {} are {hours} hours of each kind; at most {MAX_HOURS} are made at once",
                self.count,
                self.seconds
            );
        }
        self.kind
            .sort_unstable_by_key(|kind| Kind::ALL.iter().position(|known| known == kind));
        self.kind.dedup();
        let mut rows = Vec::new();
        for kind in &self.kind {
            let folder = self.out.join(kind.name());
            let duration = Duration::from_secs(self.seconds);
            let traces: Vec<Trace> = (0..self.count)
                .map(|index| generate::trace(*kind, self.seed, index, duration))
                .collect();
            for trace in &traces {
                write(&folder.join(format!("{}.csv", trace.name())), &trace.to_csv())?;
            }
            if self.content {
                write(
                    &self.out.join(format!("{kind}.json")),
                    &generate::content_json(*kind),
                )?;
            }
            let statistics = Statistics::of(&traces).context("there are no traces")?;
            rows.push((*kind, folder, statistics));
        }
        let text = if self.json {
            self.json_of(&rows)?
        } else {
            table(&rows)
        };
        io::stdout().write_all(text.as_bytes()).context("cannot print")?;
        Ok(ExitCode::SUCCESS)
    }

    fn json_of(&self, rows: &[Row]) -> Result<String> {
        let mut objects = Vec::new();
        for (kind, folder, statistics) in rows {
            let mut object = serde_json::to_value(statistics).context("cannot print")?;
            object["kind"] = kind.name().into();
            object["folder"] = folder.to_string_lossy().into();
            object["seed"] = self.seed.into();
            objects.push(object);
        }
        let mut text = serde_json::to_string_pretty(&objects).context("cannot print")?;
        text.push('\n');
        Ok(text)
    }
}

type Row = (Kind, PathBuf, Statistics);

fn write(path: &Path, text: &str) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut file = Aside::create(path)?;
        file.write_all(text.as_bytes())?;
        file.finish()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Rates in Mbit/s.
fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<10} {:>6} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9} {:>7}\n",
        "Mbit/s", "traces", "mean", "p5", "p50", "p95", "outages/h", "of mean s", "RTT ms"
    );
    for (kind, _, s) in rows {
        let mbps = |kbps: f64| format!("{:.2}", kbps / 1000.0);
        text += &format!(
            "{:<10} {:>6} {:>8} {:>8} {:>8} {:>8} {:>9.1} {:>9.1} {:>7.0}\n",
            kind.name(),
            s.traces,
            mbps(s.mean_kbps),
            mbps(s.p5_kbps),
            mbps(s.p50_kbps),
            mbps(s.p95_kbps),
            s.outages_per_hour(),
            s.outage_s,
            s.latency_ms.unwrap_or_default(),
        );
    }
    for (_, folder, statistics) in rows {
        let seconds = statistics.duration_s / statistics.traces.max(1);
        text += &format!(
            "{}: {} of {seconds} s\n",
            folder.display(),
            count(statistics.traces)
        );
    }
    text
}

fn count(traces: usize) -> String {
    format!("{traces} trace{}", if traces == 1 { "" } else { "s" })
}
