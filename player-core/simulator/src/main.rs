//! `headgate-sim`: see `headgate-sim --help`.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Args::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("headgate-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}
