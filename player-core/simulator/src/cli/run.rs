//! `headgate-sim run`.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use indicatif::{ProgressBar, ProgressStyle};
use player_core::config::{Algorithm, Preset};
use simulator::algorithms::{self, Entry};
use simulator::batch::{Batch, FamilyTrace, Row, read_traces};
use simulator::cdm::Scenario;
use simulator::files::Aside;
use simulator::generate::{self, Kind, MAX_DURATION};
use simulator::network::{Link, Outages};
use simulator::report::html::{self, Page};
use simulator::report::summary::LEAST_REFERENCE_QOE;
use simulator::report::{Summary, choice, count, tables, write_json};
use simulator::{Objective, score};

mod inputs;

use inputs::{Contents, engine_config, parse_preset};

/// Failures that are listed; the others are counted.
const LISTED_FAILURES: usize = 20;
/// What shares are relative to if nothing else is said.
const OPTIMUM: &str = "optimal";

/// Plays content over network traces and scores every algorithm.
///
/// Each session runs the full engine against a virtual link, source buffer and clock. Traces are files in folders; a folder's
/// name is the family. Content is a JSON table with segment_duration_ms, bitrates_kbps, segment_sizes_bits (a row a segment, a
/// column a bitrate) and, for --objective vmaf, segment_vmaf in the same form; or the manifest of a real HLS or DASH folder.
///
/// The settings are those that ABR studies share: a buffer of 30 s, the first segment at the lowest rendition, playback from
/// when it has arrived, one round trip a request (of the trace, or 80 ms), no slow start; start-up counts as a stall.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(super) struct Run {
    /// Trace files, or folders that are searched for them.
    #[arg(long, num_args = 1.., value_name = "PATH", required_unless_present = "generate")]
    traces: Vec<PathBuf>,
    /// Make traces up for these kinds of network: 3g, congested, cable, wifi, lte, 5g; each is a family and brings content along.
    #[arg(long, value_delimiter = ',', value_name = "KINDS")]
    generate: Vec<Kind>,
    /// Generated traces of each kind.
    #[arg(long, default_value_t = 10, value_parser = RangedU64ValueParser::<u32>::new().range(1..=9999), value_name = "N", requires = "generate")]
    count: u32,
    /// Duration of each generated trace, seconds; after it the trace starts again.
    #[arg(long, default_value_t = 600, value_parser = RangedU64ValueParser::<u64>::new().range(1..=MAX_DURATION.as_secs()), value_name = "S", requires = "generate")]
    seconds: u64,
    /// Another seed gives other generated traces.
    #[arg(long, default_value_t = 1, value_name = "N", requires = "generate")]
    seed: u64,
    /// Content for all families, or for one as FAMILY=FILE; may be given several times.
    #[arg(long, num_args = 1.., value_name = "[FAMILY=]FILE")]
    content: Vec<String>,
    /// Algorithms, separated by commas; `all`, or `all+ab`: all with abandonment. They are listed below.
    #[arg(long, value_delimiter = ',', default_value = DEFAULT_ALGORITHMS, value_name = "LIST")]
    algorithms: Vec<String>,
    /// Write the rows to this file, as JSON.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Write a report to this file, as a page that opens without a network.
    #[arg(long, value_name = "OUT")]
    html: Option<PathBuf>,
    /// Show this trace over time in the report, as TRACE or FAMILY/TRACE; may be given several times. Default: the worst, the
    /// median and the best one of each family for the first algorithm.
    #[arg(long, value_name = "TRACE", requires = "html")]
    chart: Vec<String>,
    /// Print a table of more figures for each family, too.
    #[arg(long)]
    detail: bool,
    /// The algorithm that shares are relative to. Default: optimal, if it is among the algorithms.
    #[arg(long, value_name = "ALGORITHM")]
    reference: Option<String>,
    /// Seconds of media that the player may hold.
    #[arg(long, default_value_t = 30.0, value_name = "S")]
    buffer_s: f64,
    /// What to plan and to score by: lin, log or vmaf. Default: lin; without this and --weights the engine plans by its preset's.
    #[arg(long, value_parser = score::parse_objective, value_name = "NAME")]
    objective: Option<Objective>,
    /// Other weights in it, for instance stall=2,switch=0.5; known are stall (of a second), rise, fall, switch (both).
    #[arg(long, value_name = "LIST")]
    weights: Option<String>,
    /// A preset of the engine: balanced, data-saver, low-latency or smooth.
    #[arg(long, value_parser = parse_preset, value_name = "NAME")]
    preset: Option<Preset>,
    /// Let transfers start slowly after the connection was made or was idle.
    #[arg(long)]
    slow_start: bool,
    /// Lose the connection now and then, for instance every=120,for=8,seed=1 (seconds).
    #[arg(long, value_name = "LIST")]
    outages: Option<Outages>,
    /// Fetch audio of this bitrate beside the video.
    #[arg(long, value_name = "KBPS")]
    audio_kbps: Option<f64>,
    /// Protect the content, for instance latency=300,hd=withheld,expiry=60,fault=licence-500x2; explained below.
    #[arg(long, value_name = "LIST")]
    drm: Option<Scenario>,
    /// Write the inputs and outputs of each session to DIR/FAMILY/TRACE.ALGORITHM.jsonl.
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Settings of the engine (JSON, as in the player's configuration) that differ from those of the comparison.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn after_help() -> String {
    let width = algorithms::names()
        .iter()
        .map(|name| name.len())
        .max()
        .unwrap_or_default();
    let mut text = "Algorithms:\n".to_owned();
    for entry in algorithms::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:width$}  {}", entry.name, entry.about);
    }
    text.push_str(
        "  oracle-N    N from 1 to 20\n  NAME+ab     each of them with a rule that gives slow downloads up\n",
    );
    text + EXAMPLES
}

const EXAMPLES: &str = "
Examples:
  headgate-sim run --generate lte,3g,wifi --html report.html
  headgate-sim run --traces traces/lte --content video/bbb.json --algorithms headgate,shaka,hlsjs --json out.json
  headgate-sim run --traces traces --content video/bbb.json --content 5g=video/4k.json --algorithms all \\
      --objective log --buffer-s 15 --slow-start --html report.html --json out.json --log logs

Protected content (--drm, settings between commas; each has a default):
  system=clearkey|playready|widevine      whose CDM and licence server
  latency=MS                              for everything that the CDM does; or each alone: access=MS, session=MS, request=MS, update=MS
  jitter=SHARE, seed=N                    by how much these times vary by chance
  audio=, sd=, hd=                        what a licence says of these keys: usable, downscaled, restricted, expired, pending, withheld;
                                          hd is the upper half of the ladder
  expiry=S                                how long a licence lasts
  renewal=message|reopen|refused          the CDM asks for more in time; it does not; the server gives each key once
  sessions=N, reset=S[xTIMES]             key sessions at a time; the CDM loses all of them every S seconds
  fault=KIND[xTIMES]                      access, attach, session, update (refused by the CDM), or licence-KIND of the server: a status,
                                          break, empty, html, refuse, retry-after, timeout, truncate; may be given several times
  headgate-sim run --generate lte --drm latency=300,hd=withheld,expiry=60,fault=licence-500x2
A table then says what keys cost; rows have licences, key_startup_s, key_rebuffers, key_rebuffer_s, too.

The table has the mean QoE of each family; then means over the families, and the share of what `optimal` has on the same traces
if it is among the algorithms. Traces on which it has at most 0.02 are reported apart.
The JSON is one array with a row a line: family, trace, algorithm, qoe, bitrate_kbps, rebuffer_s, rebuffer_ratio (both after
the start), startup_s, stalls, switches, segments, abandoned, decision_us_p50, decision_us_p99. All but the last two are the same
each time.
RAYON_NUM_THREADS sets the number of threads; default: all cores.";

/// What is run when nothing is said.
const DEFAULT_ALGORITHMS: &str = "headgate,robust-mpc+ab,bba2+ab,bola-e+ab,throughput,optimal";

impl Run {
    pub(super) fn run(self) -> Result<ExitCode> {
        let algorithms = self.algorithms()?;
        let reference = self.reference(&algorithms)?;
        let objective = self.objective()?;
        let over = (self.objective.is_some() || self.weights.is_some()).then_some(&objective);
        let config = engine_config(
            self.buffer_s,
            self.preset,
            over,
            self.drm.is_some(),
            self.config.as_ref(),
        )?;
        let traces = self.all_traces()?;
        let charts = self.named_charts(&traces)?;
        let origins = Contents::parse(&self.content, &self.generate)?.origins(
            &traces,
            &objective,
            config.buffer.goal_s,
            self.audio_kbps,
            self.drm.as_ref(),
        )?;
        // Begun before the work, so that a path that cannot be written is known at once.
        let json = self.json.as_ref().map(|path| create(path)).transpose()?;
        let html = self.html.as_ref().map(|path| create(path)).transpose()?;
        let batch = Batch {
            traces,
            algorithms,
            origins,
            config,
            objective,
            link: Link {
                slow_start: self.slow_start,
                outages: self.outages.clone().unwrap_or_default(),
            },
            logs: self.log.clone(),
        };

        let bar = progress_bar(batch.sessions(), "sessions");
        let results = batch.run(|| bar.inc(1));
        bar.finish_and_clear();
        let scores = scores(&results, &batch, reference);
        let (mut rows, mut failures) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(row) => rows.push(row),
                Err(failure) => failures.push(failure),
            }
        }

        if let (Some(file), Some(path)) = (json, &self.json) {
            written(file, path, |out| write_json(out, &rows))?;
        }
        let summary = Summary::new(&rows, reference);
        say(&tables::overview(&summary));
        if self.detail {
            say(&tables::detail(&summary));
        }
        if let Some(keys) = tables::keys(&summary, &rows) {
            say(&keys);
        }
        say(&speed(&rows));
        if let (Some(file), Some(path), false) = (html, &self.html, rows.is_empty()) {
            let chosen = if charts.is_empty() {
                choice::choose(&batch.traces, &scores)
            } else {
                charts
            };
            say(&self.report(file, path, &batch, &rows, reference, &chosen)?);
        }

        for failure in failures.iter().take(LISTED_FAILURES) {
            eprintln!("headgate-sim: {failure}");
        }
        if failures.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        bail!(
            "{} of {} came to no result and {} missing above",
            failures.len(),
            count(batch.sessions(), "session"),
            if failures.len() == 1 { "is" } else { "are" },
        )
    }

    /// Those of the files, then the generated ones; each family together.
    fn all_traces(&self) -> Result<Vec<FamilyTrace>> {
        let mut traces = match self.traces.as_slice() {
            [] => Vec::new(),
            paths => read_traces(paths)?,
        };
        let mut kinds = self.generate.clone();
        kinds.sort_unstable();
        kinds.dedup();
        let duration = Duration::from_secs(self.seconds);
        for kind in kinds {
            if traces.iter().any(|trace| trace.family == kind.name()) {
                bail!("--generate {kind} and a folder of --traces have the same name; rename the folder");
            }
            traces.extend(generate::family(kind, self.seed, self.count, duration));
        }
        Ok(traces)
    }

    fn algorithms(&self) -> Result<Vec<&'static Entry>> {
        let mut chosen: Vec<&'static Entry> = Vec::new();
        for name in &self.algorithms {
            let found = match name.as_str() {
                "all" => own_first(),
                "all+ab" => with_abandonment(),
                name => vec![algorithms::find(name)?],
            };
            for entry in found {
                if !chosen.iter().any(|known| known.name == entry.name) {
                    chosen.push(entry);
                }
            }
        }
        Ok(chosen)
    }

    fn reference<'a>(&'a self, algorithms: &[&Entry]) -> Result<Option<&'a str>> {
        let name = self.reference.as_deref().unwrap_or(OPTIMUM);
        if algorithms.iter().any(|entry| entry.name == name) {
            return Ok(Some(name));
        }
        match &self.reference {
            None => Ok(None),
            Some(name) => bail!("--reference {name} is not among the algorithms; add it to --algorithms"),
        }
    }

    fn objective(&self) -> Result<Objective> {
        let objective = self.objective.unwrap_or_default();
        match &self.weights {
            None => Ok(objective),
            Some(weights) => score::parse_weights(weights, objective)
                .map_err(anyhow::Error::msg)
                .context("--weights cannot be read"),
        }
    }

    fn named_charts(&self, traces: &[FamilyTrace]) -> Result<Vec<(usize, String)>> {
        let mut chosen = Vec::new();
        for name in &self.chart {
            let found = choice::named(traces, name);
            if found.is_empty() {
                let example = traces
                    .first()
                    .map_or_else(String::new, |t| format!("{}/{}", t.family, t.trace.name()));
                bail!("--chart {name} is none of the traces; write a name as in {example}");
            }
            chosen.extend(found.into_iter().map(|trace| (trace, String::new())));
        }
        Ok(chosen)
    }

    /// Writes the page, and says so.
    fn report(
        &self,
        file: Aside,
        path: &Path,
        batch: &Batch,
        rows: &[Row],
        reference: Option<&str>,
        chosen: &[(usize, String)],
    ) -> Result<String> {
        let bar = progress_bar(
            chosen.len() * batch.algorithms.len(),
            "sessions again, for the charts",
        );
        let charts = batch.charts(chosen, || bar.inc(1));
        bar.finish_and_clear();
        let settings = self.settings(batch);
        let about: Vec<_> = batch
            .algorithms
            .iter()
            .map(|entry| (entry.name.to_owned(), entry.about.to_owned()))
            .collect();
        let page = Page {
            rows,
            reference,
            settings: &settings,
            about: &about,
            charts: &charts,
        };
        let mut left_out = 0;
        written(file, path, |out| {
            left_out = html::write(out, &page)?;
            Ok(())
        })?;
        let shown = count(charts.len() - left_out, "trace");
        let rest = match left_out {
            0 => String::new(),
            n => format!("; {n} more had no room, choose with --chart"),
        };
        Ok(format!(
            "{}: the report, with {shown} over time{rest}",
            path.display()
        ))
    }

    /// What the report says of the run.
    fn settings(&self, batch: &Batch) -> Vec<(String, String)> {
        let objective = &batch.objective;
        let name = score::OBJECTIVES
            .iter()
            .find(|(_, known)| known.utility == objective.utility)
            .map_or("", |(name, _)| name);
        let mut settings = vec![
            (
                "objective",
                format!(
                    "{name}; a second of stall costs {}, a rise {}, a fall {}",
                    weight(objective.stall),
                    weight(objective.rise),
                    weight(objective.fall)
                ),
            ),
            ("buffer", format!("{} s", batch.config.buffer.goal_s)),
        ];
        if let Some(preset) = self.preset {
            settings.push(("preset", preset.name().replace('_', "-")));
        }
        let mut contents: Vec<_> = batch
            .origins
            .values()
            .map(|origin| {
                let content = origin.content();
                let segments = content.segments().len();
                let longest_s = content.longest_segment().as_secs_f64();
                let most = if content.is_uniform() { "" } else { "at most " };
                format!("{} ({segments} × {most}{longest_s} s)", content.name())
            })
            .collect();
        contents.sort();
        contents.dedup();
        settings.push(("content", contents.join(", ")));
        let mut network = vec![
            match self.slow_start {
                true => "slow start",
                false => "no slow start",
            }
            .to_owned(),
        ];
        if batch.link.outages.iter().next().is_some() {
            network.push("with outages".to_owned());
        }
        if let Some(kbps) = self.audio_kbps {
            network.push(format!("audio of {kbps} kbit/s beside the video"));
        }
        settings.push(("network", network.join(", ")));
        let protection = self.drm.as_ref().map(Scenario::to_string);
        settings.extend(protection.map(|text| ("protection", text)));
        if !self.generate.is_empty() {
            let text = format!("generated with seed {}, {} s each", self.seed, self.seconds);
            settings.push(("traces", text));
        }
        settings.push(("engine", env!("CARGO_PKG_VERSION").to_owned()));
        settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

/// All algorithms, the engine's own before the others: the report's charts are chosen by it.
fn own_first() -> Vec<&'static Entry> {
    let mut all: Vec<&Entry> = algorithms::ALL.iter().collect();
    all.sort_by_key(|entry| entry.name != Algorithm::Headgate.name());
    all
}

/// All algorithms that cannot look ahead, with abandonment.
fn with_abandonment() -> Vec<&'static Entry> {
    let names = algorithms::names()
        .into_iter()
        .filter(|name| !(*name == OPTIMUM || name.starts_with("oracle")));
    names
        .filter_map(|name| algorithms::find(&format!("{name}+ab")).ok())
        .collect()
}

/// The scores of the first algorithm that is no reference, by trace: what the charts are chosen by. Traces that are reported
/// apart have none.
fn scores<E>(results: &[Result<Row, E>], batch: &Batch, reference: Option<&str>) -> Vec<Option<f64>> {
    let first = batch
        .algorithms
        .iter()
        .position(|entry| Some(entry.name) != reference)
        .unwrap_or(0);
    let reference = batch
        .algorithms
        .iter()
        .position(|entry| Some(entry.name) == reference);
    let qoe = |of_trace: &[Result<Row, E>], a: usize| Some(of_trace.get(a)?.as_ref().ok()?.qoe);
    results
        .chunks(batch.algorithms.len().max(1))
        .map(|of_trace| {
            let counts =
                reference.is_none_or(|r| qoe(of_trace, r).is_some_and(|qoe| qoe > LEAST_REFERENCE_QOE));
            qoe(of_trace, first).filter(|_| counts)
        })
        .collect()
}

fn weight(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn create(path: &Path) -> Result<Aside> {
    Aside::create(path).with_context(|| format!("cannot write {}", path.display()))
}

fn written(
    file: Aside,
    path: &Path,
    write: impl FnOnce(&mut BufWriter<Aside>) -> io::Result<()>,
) -> Result<()> {
    let mut out = BufWriter::new(file);
    let result =
        write(&mut out).and_then(|()| out.into_inner().map_err(io::IntoInnerError::into_error)?.finish());
    result.with_context(|| format!("cannot write {}", path.display()))
}

/// Prints to standard output. A reader that has seen enough, such as `head`, is no reason to stop writing files.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn progress_bar(sessions: usize, what: &str) -> ProgressBar {
    // Hidden by itself where standard error is no terminal.
    let bar = ProgressBar::new(sessions as u64);
    if let Ok(style) =
        ProgressStyle::with_template(&format!("{{bar:40}} {{pos}}/{{len}} {what}, {{eta}} left"))
    {
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
        count(rows.len(), "session"),
        virtual_s / 3600.0
    )
}
