//! `headgate-encode sample`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use encoder::sample::{self, SampleOptions};
use encoder::view::View;

use super::stop_on_signals;
use super::view::print_done;

/// Arguments of `sample`.
#[derive(Args)]
pub(crate) struct Sample {
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

pub(crate) const EXAMPLES: &str = "Example:
  headgate-encode sample --out clip.mp4 --seconds 10 --size 640x360";

pub(crate) fn run(arguments: Sample) -> anyhow::Result<()> {
    let mut options = SampleOptions::new(arguments.out);
    options.seconds = arguments.seconds;
    (options.width, options.height) = sample::parse_size(&arguments.size)?;
    options.force = arguments.force;
    stop_on_signals(&options.cancel.flag())?;
    let mut view = View::new(arguments.json);
    let summary = sample::write(&options, &mut |progress| view.show(&progress));
    view.end();
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
