//! `headgate-encode`: prepares HLS and DASH from a video file.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use encoder::ladder::Ladder;
use encoder::sample::{self, SampleOptions};
use encoder::vod::{self, Progress, Summary, VodOptions};
use indicatif::{ProgressBar, ProgressStyle};

/// Prepares HLS and DASH from video files.
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
    #[command(after_help = VOD_EXAMPLES)]
    Vod(Vod),
    /// Make a clip with moving pictures and sound to try things with.
    #[command(after_help = SAMPLE_EXAMPLES)]
    Sample(Sample),
}

#[derive(Args)]
struct Vod {
    /// The video file.
    input: PathBuf,
    /// The folder to make; with --id the video lies in DIR/videos/ID.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Renditions to offer: a JSON file, or text such as 720p:2500k,360p:600k,audio:128k.
    /// Default: 1080p:5000k,720p:2500k,480p:1000k,360p:600k,audio:128k. None is made above the source's size.
    #[arg(long, value_name = "FILE|SPEC")]
    ladder: Option<String>,
    /// Seconds of a segment.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    segment_s: f64,
    /// The x264 preset, ultrafast to placebo.
    #[arg(long, default_value = "veryfast")]
    preset: String,
    /// Put the video under videos/ID/, as in a CDN.
    #[arg(long)]
    id: Option<String>,
    /// Threads of each video encoder; 0 is automatic, 1 gives the same bytes every time.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Replace an earlier output.
    #[arg(long)]
    force: bool,
    /// Report as JSON, one object a line: start, progress, done.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Sample {
    /// The MP4 file to make.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Length in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Size in pixels.
    #[arg(long, value_name = "WxH", default_value = "1280x720")]
    size: String,
    /// Replace an existing file.
    #[arg(long)]
    force: bool,
    /// Report as JSON, one object a line: start, progress, done.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Example:
  headgate-encode sample --out clip.mp4
  headgate-encode vod clip.mp4 --out public --id clip";

const VOD_EXAMPLES: &str = "Examples:
  headgate-encode vod film.mp4 --out out
  headgate-encode vod film.mp4 --out public --id film --ladder 720p:2500k,360p:600k --segment-s 4
  headgate-encode vod film.mp4 --out out --force --json | jq -c 'select(.event == \"done\")'

A ladder file:
  {\"video\": [{\"name\": \"720p\", \"width\": 1280, \"height\": 720, \"bitrate_kbps\": 2500}],
   \"audio\": [{\"bitrate_kbps\": 128}]}";

const SAMPLE_EXAMPLES: &str = "Example:
  headgate-encode sample --out clip.mp4 --seconds 10 --size 640x360";

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose);
    let result = match cli.command {
        Command::Vod(arguments) => run_vod(arguments),
        Command::Sample(arguments) => run_sample(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", encoder::explain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn run_vod(arguments: Vod) -> anyhow::Result<()> {
    let mut options = VodOptions::new(arguments.input, arguments.out);
    if let Some(ladder) = &arguments.ladder {
        options.ladder = Ladder::read(ladder)?;
    }
    options.segment_s = arguments.segment_s;
    options.preset = arguments.preset;
    options.id = arguments.id;
    options.threads = arguments.threads;
    options.force = arguments.force;
    stop_on_signals(&options.cancel.flag())?;
    let mut view = View::new(arguments.json);
    let summary = vod::encode(&options, &mut |progress| view.show(&progress));
    view.clear();
    let summary = summary?;
    if arguments.json {
        print_done(&summary)
    } else {
        print_summary(&summary)
    }
}

fn run_sample(arguments: Sample) -> anyhow::Result<()> {
    let mut options = SampleOptions::new(arguments.out);
    options.seconds = arguments.seconds;
    (options.width, options.height) = sample::parse_size(&arguments.size)?;
    options.force = arguments.force;
    stop_on_signals(&options.cancel.flag())?;
    let mut view = View::new(arguments.json);
    let summary = sample::write(&options, &mut |progress| view.show(&progress));
    view.clear();
    let summary = summary?;
    if arguments.json {
        return print_done(&summary);
    }
    let mut out = std::io::stdout().lock();
    let path = summary.path.display();
    writeln!(
        out,
        "{path}: {:.0} s in {:.1} s",
        summary.duration_s, summary.wall_s
    )
    .context("standard output")
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

/// The first signal stops the encoding and cleans up; a second one ends the process at once.
fn stop_on_signals(flag: &Arc<AtomicBool>) -> anyhow::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(flag))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(flag)))
            .context("signals cannot be handled")?;
    }
    Ok(())
}

fn print_done<T: serde::Serialize>(summary: &T) -> anyhow::Result<()> {
    #[derive(serde::Serialize)]
    struct Done<'a, T> {
        event: &'static str,
        #[serde(flatten)]
        summary: &'a T,
    }
    let line = serde_json::to_string(&Done {
        event: "done",
        summary,
    })?;
    writeln!(std::io::stdout(), "{line}").context("standard output")
}

fn print_summary(summary: &Summary) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut print = || -> std::io::Result<()> {
        for rendition in &summary.renditions {
            let size = match (rendition.width, rendition.height) {
                (Some(width), Some(height)) => format!("{width}x{height}"),
                _ => "-".to_owned(),
            };
            writeln!(
                out,
                "{:<8} {size:<10} {:<16} {:>7.0} kbit/s mean {:>7.0} peak {:>5} segments",
                rendition.name,
                rendition.codecs,
                rendition.average_bps as f64 / 1000.0,
                rendition.peak_bps as f64 / 1000.0,
                rendition.segments
            )?;
        }
        writeln!(
            out,
            "{:.1} s of media in {:.1} s ({:.1} CPU s)",
            summary.duration_s, summary.wall_s, summary.cpu_s
        )?;
        writeln!(out, "HLS  {}", summary.hls.display())?;
        writeln!(out, "DASH {}", summary.dash.display())
    };
    print().context("standard output")
}

/// Progress as a bar on a terminal, as JSON lines, or not at all.
enum View {
    Bar(ProgressBar),
    Json,
    Quiet,
}

impl View {
    fn new(is_json: bool) -> Self {
        if is_json {
            return Self::Json;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Quiet;
        }
        let bar = ProgressBar::no_length();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self::Bar(bar)
    }

    fn show(&mut self, progress: &Progress) {
        match self {
            // A closed pipe is noticed when the result is printed.
            Self::Json => {
                if let Ok(line) = serde_json::to_string(progress) {
                    let _ = writeln!(std::io::stdout(), "{line}");
                }
            }
            Self::Quiet => {}
            Self::Bar(bar) => show_bar(bar, progress),
        }
    }

    fn clear(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn show_bar(bar: &ProgressBar, progress: &Progress) {
    match progress {
        Progress::Start {
            total_frames,
            duration_s,
            ..
        } => {
            let length = total_frames.or(duration_s.map(|seconds| seconds as u64));
            if let Some(length) = length {
                bar.set_length(length);
            }
            let unit = if total_frames.is_some() { "frames" } else { "s" };
            let template = format!("{{bar:32}} {{pos}}/{{len}} {unit} {{msg}}");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
        }
        Progress::Progress {
            frames,
            total_frames,
            media_s,
            fps,
            eta_s,
            ..
        } => {
            bar.set_position(if total_frames.is_some() {
                *frames
            } else {
                *media_s as u64
            });
            let eta = eta_s
                .map(|seconds| format!(", {seconds:.0} s left"))
                .unwrap_or_default();
            bar.set_message(format!("{fps:.0} fps{eta}"));
        }
        _ => {}
    }
}
