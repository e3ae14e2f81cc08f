//! `headgate-encode`: prepares HLS and DASH from video files and live publishers.

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Prepares HLS and DASH from video files and live publishers.
#[derive(Parser)]
#[command(name = "headgate-encode", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Say more: -v for notes, -vv for details.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// Make a ladder of renditions, HLS playlists and a DASH manifest from a file.
    #[command(after_help = cli::vod::EXAMPLES)]
    Vod(Box<cli::vod::Vod>),
    /// Encode what publishers send by RTMP or SRT, or a file in real time, as a live stream.
    #[command(after_help = cli::live::EXAMPLES)]
    Live(Box<cli::live::Live>),
    /// Cut a piece out of a live stream, on the air or over, without encoding it again.
    #[command(after_help = cli::clip::EXAMPLES)]
    Clip(cli::clip::Clip),
    /// Package files that are encoded already, without encoding them again.
    #[command(after_help = cli::package::EXAMPLES)]
    Package(Box<cli::package::Package>),
    /// Decide how a file is encoded, without encoding it, for workers that share the work.
    #[command(after_help = cli::plan::EXAMPLES)]
    Plan(Box<cli::plan::Plan>),
    /// Package what several workers encoded (vod --chunk, vod --rendition).
    #[command(after_help = cli::join::EXAMPLES)]
    Join(Box<cli::join::Join>),
    /// Say how good encoded files or packaged renditions are beside their source, by segment and as a whole.
    #[command(after_help = cli::compare::EXAMPLES)]
    Compare(cli::compare::Compare),
    /// Do the jobs of a file, one after the other or several at a time.
    #[command(after_help = cli::run::EXAMPLES)]
    Run(cli::run::Run),
    /// Encode every file that lands in a folder.
    #[command(after_help = cli::watch::EXAMPLES)]
    Watch(Box<cli::watch::Watch>),
    /// Make a clip with moving pictures and sound to try things with.
    #[command(after_help = cli::sample::EXAMPLES)]
    Sample(cli::sample::Sample),
}

const EXAMPLES: &str = "Example:
  headgate-encode sample --out clip.mp4
  headgate-encode vod clip.mp4 --out public --id clip";

fn main() -> ExitCode {
    silence_encoders();
    let cli = Cli::parse();
    start_log(cli.verbose);
    let result = match cli.command {
        Command::Vod(arguments) => cli::vod::run(*arguments),
        Command::Live(arguments) => cli::live::run(*arguments),
        Command::Clip(arguments) => cli::clip::run(arguments),
        Command::Package(arguments) => cli::package::run(*arguments),
        Command::Plan(arguments) => cli::plan::run(*arguments),
        Command::Join(arguments) => cli::join::run(*arguments),
        Command::Compare(arguments) => cli::compare::run(arguments),
        Command::Run(arguments) => cli::run::run(&arguments),
        Command::Watch(arguments) => cli::watch::run(*arguments),
        Command::Sample(arguments) => cli::sample::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", encoder::explain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// SVT-AV1 prints its settings unless the environment tells it not to.
#[expect(unsafe_code)]
fn silence_encoders() {
    if std::env::var_os("SVT_LOG").is_none() && std::env::var_os("HEADGATE_FFMPEG_LOG").is_none() {
        // SAFETY: this is the first thing that the program does, so there is no other thread that could read the
        // environment meanwhile.
        unsafe { std::env::set_var("SVT_LOG", "0") };
    }
}

/// Logs go to standard error; `HEADGATE_LOG` overrides `-v`.
fn start_log(verbose: u8) {
    let level = ["warn", "info", "debug"]
        .get(usize::from(verbose))
        .copied()
        .unwrap_or("trace");
    let filter = tracing_subscriber::EnvFilter::try_from_env("HEADGATE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
}
