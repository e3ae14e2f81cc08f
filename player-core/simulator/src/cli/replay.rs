//! `headgate-sim replay`.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use player_core::MediaTime;
use player_core::abr::Abr;
use player_core::record::{self, Header, ReplayError};
use simulator::Trace;
use simulator::algorithms::{self, Setting};
use simulator::content::{Content, Segment};
use simulator::files::Aside;

/// Feeds the inputs of a log to the engine again and compares its outputs with the recorded ones.
///
/// The exit code is 1 if they differ, or if the log cannot be replayed: one of `optimal` or of an oracle cannot, because it does not
/// say what the network would have done.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  headgate-sim run --traces traces/lte --content video/bbb.json --algorithms headgate --json out.json --log logs
  headgate-sim replay logs/lte/drive_1.headgate.jsonl --out again.jsonl
  cmp logs/lte/drive_1.headgate.jsonl again.jsonl")]
pub(super) struct Replay {
    /// The log: of a browser or of `headgate-sim run --log`.
    log: PathBuf,
    /// Write the inputs with the new outputs to this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print one JSON object: inputs, outputs, first_difference (number of a line of the log, or null).
    #[arg(long)]
    json: bool,
}

impl Replay {
    pub(super) fn run(self) -> Result<ExitCode> {
        let name = self.log.display();
        let log =
            BufReader::new(File::open(&self.log).with_context(|| format!("cannot read the log {name}"))?);
        let result = match &self.out {
            None => record::replay_with(log, io::sink(), algorithm),
            Some(path) => {
                let failed = || format!("cannot write {}", path.display());
                let mut out = BufWriter::new(Aside::create(path).with_context(failed)?);
                let result = record::replay_with(log, &mut out, algorithm);
                if result.is_ok() {
                    out.flush().with_context(failed)?;
                    out.into_inner()
                        .map_err(io::IntoInnerError::into_error)
                        .with_context(failed)?
                        .finish()
                        .with_context(failed)?;
                }
                result
            }
        };
        let result = result
            .map_err(|error| match error {
                ReplayError::Algorithm(name) => anyhow!(
                    "it was made with \"{name}\", which decides by more than the log has, or is none of the algorithms here; \
                     run its trace again with `headgate-sim run --log` instead"
                ),
                error => error.into(),
            })
            .with_context(|| format!("cannot replay {name}"))?;
        if self.json {
            let difference = result.first_difference;
            println!(
                "{}",
                serde_json::json!({"inputs": result.inputs, "outputs": result.outputs, "first_difference": difference})
            );
        } else {
            println!("{name}: {} inputs, {} outputs", result.inputs, result.outputs);
            match result.first_difference {
                None => println!("the outputs are those of the log"),
                Some(line) => println!("the outputs differ from line {line} of the log on"),
            }
        }
        Ok(if result.first_difference.is_some() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// The algorithm that a log names, if it is one of the simulator's and decides by what the log says.
fn algorithm(header: &Header) -> Option<Box<dyn Abr>> {
    let name = header.algorithm.as_deref()?;
    if name == "optimal" || name.starts_with("oracle") {
        return None;
    }
    // The others do not look at it.
    let segment = Segment {
        duration: MediaTime::from_millis(1000),
        bytes: vec![1],
        vmaf: Vec::new(),
    };
    let content = Content::new("unknown", vec![1.0], vec![segment]).ok()?;
    let trace = Trace::constant("unknown", 1.0, 0.0).ok()?;
    let setting = Setting {
        trace: &trace,
        content: &content,
    };
    let mut config = header.config.clone();
    Some(algorithms::find(name).ok()?.make(&mut config, &setting))
}
