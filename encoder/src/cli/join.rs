//! `headgate-encode join`.

use std::path::PathBuf;

use clap::Args;
use encoder::split::{self, JoinOptions};
use encoder::view::View;

use super::stop_on_signals;
use super::view::{print_done, print_summary};
use super::vod::{PackagingArgs, Target};

/// Arguments of `join`.
#[derive(Args)]
pub(crate) struct Join {
    /// The folders that workers were given by --work.
    #[arg(required = true, value_name = "WORK")]
    work: Vec<PathBuf>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    packaging: PackagingArgs,
    /// The source, for the poster and for --measure.
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,
    /// Measure the quality of every segment that the workers did not measure (see vod --measure); what is found is kept in
    /// their folders.
    #[arg(long, requires = "source")]
    measure: bool,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) const EXAMPLES: &str = "Example, four workers with a folder each:
  headgate-encode vod film.mp4 --work part1 --chunk 1/4      # and 2/4 in part2, 3/4 in part3, 4/4 in part4
  headgate-encode join part1 part2 part3 part4 --out public --id film";

pub(crate) fn run(arguments: Join) -> anyhow::Result<()> {
    let mut options = JoinOptions::new(arguments.work, arguments.target.out()?);
    options.id = arguments.target.id;
    options.force = arguments.target.force;
    options.cache_control = arguments.target.cache_control;
    options.packaging = arguments.packaging.packaging()?;
    options.film = arguments.source;
    options.measure = arguments.measure;
    stop_on_signals(&options.cancel.flag())?;
    let mut view = View::new(arguments.json);
    let summary = split::join(&options, &mut |progress| view.show(&progress));
    view.end();
    let summary = summary?;
    if arguments.json {
        print_done(&summary)
    } else {
        print_summary(&summary)
    }
}
