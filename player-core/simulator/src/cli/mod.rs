//! The command line.

mod generate;
mod inspect;
mod replay;
mod run;
mod soak;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Plays network traces, or recorded sessions, through the Headgate engine on a virtual clock.
#[derive(Debug, Parser)]
#[command(name = "headgate-sim", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(generate::Generate),
    Inspect(inspect::Inspect),
    Replay(replay::Replay),
    Run(Box<run::Run>),
    Soak(soak::SoakArgs),
}

impl Args {
    /// Does what is asked for.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Generate(generate) => generate.run(),
            Command::Inspect(inspect) => inspect.run(),
            Command::Replay(replay) => replay.run(),
            Command::Run(run) => run.run(),
            Command::Soak(soak) => soak.run(),
        }
    }
}
