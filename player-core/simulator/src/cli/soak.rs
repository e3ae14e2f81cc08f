//! `headgate-sim soak`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use simulator::faults::Faults;
use simulator::soak::{Report, Soak};

/// Watches streams for many hours in a world where things go wrong, and checks that playback never gets stuck.
///
/// Finished and live streams in turn, HLS and DASH, over every kind of network, with a viewer who seeks, pauses and chooses. The exit code is 1 if
/// playback stood still though there was something to play, ended, or used more of anything than it may; then the shortest way to see that
/// again is printed. The same seed gives the same outputs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  headgate-sim soak --hours 24 --seed 7
  headgate-sim soak --seed 7 --view 12 --log view.jsonl       # one view of it again
  headgate-sim soak --hours 1 --faults 'stall:v2/* 503x3:*.m3u8'")]
pub(super) struct SoakArgs {
    /// Virtual hours.
    #[arg(long, default_value_t = 24.0, value_parser = hours, value_name = "H")]
    hours: f64,
    /// Another seed is another world.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// What goes wrong: random=SHARE of the requests (and with it, appends and decoders), or rules as of `headgate-origin`, or none.
    #[arg(long, default_value = "random=0.03", value_name = "FAULTS")]
    faults: Faults,
    /// Only the view of this number, with a player of its own.
    #[arg(long, value_name = "N")]
    view: Option<u64>,
    /// Write the engine's inputs and outputs to this file, for `headgate-sim replay`; some 40 MB an hour.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Print one JSON object in place of the table.
    #[arg(long)]
    json: bool,
}

impl SoakArgs {
    pub(super) fn run(self) -> Result<ExitCode> {
        let soak = Soak {
            hours: self.hours,
            seed: self.seed,
            faults: self.faults,
            view: self.view,
        };
        let mut log = match &self.log {
            Some(path) => {
                let failed = || format!("cannot write {}", path.display());
                Some(BufWriter::new(File::create(path).with_context(failed)?))
            }
            None => None,
        };
        let shows = io::stderr().is_terminal();
        let mut told = 0.0;
        let report = soak.run(
            log.as_mut().map(|log| log as &mut dyn Write),
            &mut |view, tally| {
                let hours = tally.simulated_s / 3600.0;
                if shows {
                    eprint!("\r{hours:6.2} of {} h, {} views", self.hours, view + 1);
                } else if hours >= told + 4.0 {
                    told = hours;
                    eprintln!("{hours:.1} of {} h, {} views", self.hours, view + 1);
                }
            },
        );
        if shows {
            eprintln!();
        }
        let report = report.context("cannot write the log")?;
        if let Some(mut log) = log {
            log.flush().context("cannot write the log")?;
        }
        if self.json {
            println!("{}", json(&report, self.seed));
        } else {
            print(&report, self.seed);
        }
        Ok(match report.failure {
            None => ExitCode::SUCCESS,
            Some(_) => ExitCode::FAILURE,
        })
    }
}

fn print(report: &Report, seed: u64) {
    println!("soak of seed {seed}\n\n{}", report.tally.table());
    if let Some((warm, most)) = report.memory {
        println!(
            "  memory of the process: {} MB after the first views, at most {} MB",
            warm >> 20,
            most >> 20
        );
    }
    println!("  hash of all outputs: {:016x}", report.hash);
    let Some(failure) = &report.failure else {
        println!("\nnothing was as it must never be");
        return;
    };
    println!(
        "\nview {}: {}\n  played: {}",
        failure.view, failure.violation, failure.stream
    );
    for error in &failure.errors {
        println!("  before: {error}");
    }
    println!("  again: {}", again(report, seed).unwrap_or_default());
}

/// The shortest way to see a failure again.
fn again(report: &Report, seed: u64) -> Option<String> {
    let failure = report.failure.as_ref()?;
    Some(match failure.alone {
        true => format!("headgate-sim soak --seed {seed} --view {}", failure.view),
        false => format!(
            "headgate-sim soak --seed {seed} --hours {:.2}",
            report.tally.simulated_s / 3600.0 + 2.0
        ),
    })
}

fn json(report: &Report, seed: u64) -> serde_json::Value {
    let failure = report.failure.as_ref().map(|failure| {
        serde_json::json!({
            "view": failure.view,
            "what": failure.violation.what,
            "at_s": failure.violation.at_s,
            "position_s": failure.violation.position_s,
            "stream": failure.stream,
            "errors": failure.errors,
            "again": again(report, seed),
        })
    });
    serde_json::json!({
        "seed": seed,
        "hash": format!("{:016x}", report.hash),
        "memory_bytes": report.memory.map(|(warm, most)| serde_json::json!({"warm": warm, "most": most})),
        "tally": report.tally,
        "failure": failure,
    })
}

fn hours(text: &str) -> Result<f64, String> {
    let hours = text
        .parse::<f64>()
        .ok()
        .filter(|hours| *hours > 0.0 && *hours <= 10_000.0);
    hours.ok_or_else(|| "write hours above 0, at most 10000".to_owned())
}
