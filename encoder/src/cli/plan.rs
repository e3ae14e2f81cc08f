//! `headgate-encode plan`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use encoder::split;
use encoder::storage::Location;
use encoder::view::View;

use super::stop_on_signals;
use super::view::print_done;
use super::vod::Encoding;

/// Arguments of `plan`.
#[derive(Args)]
pub(crate) struct Plan {
    /// The video file.
    input: PathBuf,
    /// The plan to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    encoding: Encoding,
    /// Report as JSON, one object a line: analysis, done.
    #[arg(long)]
    json: bool,
}

pub(crate) const EXAMPLES: &str = "Example, a look at the whole film once, for three workers:
  headgate-encode plan film.mp4 --shot-aligned --chunks 3 --out plan.json
  headgate-encode vod film.mp4 --plan plan.json --work part1 --chunk 1/3     # and 2/3, 3/3
  headgate-encode join part1 part2 part3 --out out";

pub(crate) fn run(arguments: Plan) -> anyhow::Result<()> {
    let chunks = arguments.encoding.chunks;
    let options = arguments.encoding.options(arguments.input, Location::from(""))?;
    stop_on_signals(&options.cancel.flag())?;
    let mut view = View::new(arguments.json);
    let summary = split::plan(&options, chunks, &arguments.out, &mut |progress| {
        view.show(&progress)
    });
    view.end();
    let summary = summary?;
    if arguments.json {
        return print_done(&summary);
    }
    let segments = summary
        .segments
        .map_or("an unknown number of".to_owned(), |count| count.to_string());
    writeln!(
        std::io::stdout(),
        "{}: {} in {segments} segments and {} chunks",
        summary.plan.display(),
        summary.renditions.join(", "),
        summary.chunks
    )
    .context("standard output")
}
