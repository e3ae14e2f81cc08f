//! `headgate-sim run`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use player_core::Config;
use simulator::algorithms::{self, Entry};
use simulator::batch::{self, Batch, FamilyTrace, Row, read_traces};
use simulator::files::Aside;
use simulator::origin::Origin;
use simulator::{Content, Objective};
use simulator::{report, score};

/// Failures that are listed; the others are counted.
const LISTED_FAILURES: usize = 20;

/// Plays content over network traces and scores every algorithm.
///
/// Each session runs the full engine against a virtual link, source buffer and clock. Traces are CSV files
/// (duration_ms,bandwidth_kbps,latency_ms; latency 0 = unknown, counted as 80 ms) in folders; a folder's name is the
/// family. Content is a JSON table with segment_duration_ms, bitrates_kbps, segment_sizes_bits (a row a segment, a column a
/// bitrate) and, for --objective vmaf, segment_vmaf in the same form.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  headgate-sim run --traces traces/lte --content video/bbb.json --algorithms headgate,bola --json out.json
  headgate-sim run --traces traces --content video/bbb.json --content 5g=video/4k.json \\
      --algorithms headgate,throughput,bola --objective log --buffer-s 15 --json out.json --log logs

The JSON is one array with a row a line: family, trace, algorithm, qoe, bitrate_kbps, rebuffer_s, rebuffer_ratio (both after
the start), startup_s, stalls, switches, segments, abandoned, decision_us_p50, decision_us_p99.
RAYON_NUM_THREADS sets the number of threads; default: all cores.")]
pub(super) struct Run {
    /// Trace files, or folders that are searched for *.csv.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    traces: Vec<PathBuf>,
    /// Content table for all families, or for one as FAMILY=FILE; may be given several times.
    #[arg(long, required = true, num_args = 1.., value_name = "[FAMILY=]FILE")]
    content: Vec<String>,
    /// Algorithms, separated by commas: bola, headgate, throughput.
    #[arg(long, required = true, value_delimiter = ',', value_parser = algorithms::find, value_name = "LIST")]
    algorithms: Vec<&'static Entry>,
    /// Where to write the rows.
    #[arg(long, value_name = "OUT")]
    json: PathBuf,
    /// Seconds of media that the player may hold.
    #[arg(long, default_value_t = 30.0, value_name = "S")]
    buffer_s: f64,
    /// What to score by: lin, log or vmaf.
    #[arg(long, default_value = "lin", value_parser = score::parse_objective, value_name = "NAME")]
    objective: Objective,
    /// Write the inputs and outputs of each session to DIR/FAMILY/TRACE.ALGORITHM.jsonl.
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Settings of the engine (JSON, as in the player's configuration) that differ from those of the comparison.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Run {
    pub(super) fn run(self) -> Result<ExitCode> {
        let mut algorithms: Vec<&'static Entry> = Vec::new();
        for entry in &self.algorithms {
            if !algorithms.iter().any(|known| known.name == entry.name) {
                algorithms.push(entry);
            }
        }
        let traces = read_traces(&self.traces)?;
        let config = self.engine_config()?;
        let origins = self.origins(&traces, config.buffer.goal_s)?;
        // Begun before the work, so that a path that cannot be written is known at once.
        let json =
            Aside::create(&self.json).with_context(|| format!("cannot write {}", self.json.display()))?;
        let batch = Batch {
            traces,
            algorithms,
            origins,
            config,
            objective: self.objective,
            logs: self.log.clone(),
        };

        let bar = progress_bar(batch.sessions());
        let results = batch.run(|| bar.inc(1));
        bar.finish_and_clear();

        let (mut rows, mut failures) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(row) => rows.push(row),
                Err(failure) => failures.push(failure),
            }
        }
        self.write(json, &rows)
            .with_context(|| format!("cannot write {}", self.json.display()))?;
        print!("{}", report::tables(&rows));
        println!("{}", speed(&rows));
        for failure in failures.iter().take(LISTED_FAILURES) {
            eprintln!("headgate-sim: {failure}");
        }
        if failures.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        let sessions = report::count(batch.sessions(), "session");
        bail!(
            "{} of {sessions} came to no result and {} no row in {}",
            failures.len(),
            if failures.len() == 1 { "has" } else { "have" },
            self.json.display()
        )
    }

    fn write(&self, json: Aside, rows: &[Row]) -> std::io::Result<()> {
        let mut out = BufWriter::new(json);
        report::write_json(&mut out, rows)?;
        out.flush()?;
        out.into_inner()
            .map_err(std::io::IntoInnerError::into_error)?
            .finish()
    }

    /// The yardstick's settings, with those of the file over them.
    fn engine_config(&self) -> Result<Config> {
        if !(self.buffer_s > 0.0 && self.buffer_s <= 86_400.0) {
            bail!(
                "--buffer-s must be above 0 and at most 86400, not {}",
                self.buffer_s
            );
        }
        let config = batch::yardstick(self.buffer_s);
        let Some(path) = &self.config else {
            return Ok(config);
        };
        let name = path.display();
        let text = fs::read(path).with_context(|| format!("cannot read the configuration {name}"))?;
        let wrong = || format!("{name} is no configuration of the engine");
        let over: serde_json::Value = serde_json::from_slice(&text).with_context(wrong)?;
        let mut value = serde_json::to_value(config).with_context(wrong)?;
        merge(&mut value, over);
        serde_json::from_value(value).with_context(wrong)
    }

    fn origins(&self, traces: &[FamilyTrace], buffer_s: f64) -> Result<BTreeMap<String, Arc<Origin>>> {
        let mut files: BTreeMap<Option<&str>, &Path> = BTreeMap::new();
        for content in &self.content {
            let (family, file) = match content.split_once('=') {
                Some((family, file)) if !family.contains(['/', '\\']) => (Some(family), file),
                _ => (None, content.as_str()),
            };
            if files.insert(family, Path::new(file)).is_some() {
                match family {
                    Some(family) => bail!("--content is given twice for the family {family}"),
                    None => bail!(
                        "--content is given twice for all families; name the family of one: FAMILY=FILE"
                    ),
                }
            }
        }
        let families: Vec<&str> = traces.iter().map(|trace| trace.family.as_str()).collect();
        if let Some(unknown) = files.keys().flatten().find(|family| !families.contains(family)) {
            let mut known = families;
            known.dedup();
            bail!(
                "--content names the family {unknown}, but the traces are of {}",
                known.join(", ")
            );
        }
        let mut read: BTreeMap<&Path, Arc<Origin>> = BTreeMap::new();
        let mut origins = BTreeMap::new();
        for family in families {
            if origins.contains_key(family) {
                continue;
            }
            let Some(file) = files.get(&Some(family)).or_else(|| files.get(&None)).copied() else {
                bail!(
                    "there is no content for the family {family}; give --content FILE or --content {family}=FILE"
                );
            };
            let origin = match read.get(file) {
                Some(origin) => Arc::clone(origin),
                None => {
                    let content = Content::read(file)?;
                    score::check(&self.objective, &content)?;
                    let segment_s = content.segment_duration().as_secs_f64();
                    // The engine always lets itself have two.
                    if buffer_s < 2.0 * segment_s {
                        bail!(
                            "a buffer of {buffer_s} s is too small for {}: the player needs room for two segments, {} s",
                            file.display(),
                            2.0 * segment_s
                        );
                    }
                    Arc::new(Origin::new(content))
                }
            };
            read.insert(file, Arc::clone(&origin));
            origins.insert(family.to_owned(), origin);
        }
        Ok(origins)
    }
}

fn progress_bar(sessions: usize) -> ProgressBar {
    // Hidden by itself where standard error is no terminal.
    let bar = ProgressBar::new(sessions as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} sessions, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn speed(rows: &[Row]) -> String {
    let virtual_s: f64 = rows.iter().map(|row| row.virtual_s).sum();
    let real_s: f64 = rows.iter().map(|row| row.real_s).sum();
    let factor = virtual_s / real_s.max(1e-9);
    format!(
        "{}, {:.1} hours of playback in {real_s:.1} s of one core: {factor:.0} × real time",
        report::count(rows.len(), "session"),
        virtual_s / 3600.0
    )
}

/// Lays `over` on `value`: objects are merged, everything else is replaced.
fn merge(value: &mut serde_json::Value, over: serde_json::Value) {
    match (value, over) {
        (serde_json::Value::Object(value), serde_json::Value::Object(over)) => {
            for (key, over) in over {
                merge(value.entry(key).or_insert(serde_json::Value::Null), over);
            }
        }
        (value, over) => *value = over,
    }
}
