//! `headgate-encode package`.

use std::path::PathBuf;

use clap::Args;
use encoder::remux::{self, PackageOptions};
use encoder::view::View;

use super::stop_on_signals;
use super::view::{print_done, print_summary};
use super::vod::{PackagingArgs, Target};

/// Arguments of `package`.
#[derive(Args)]
pub(crate) struct Package {
    /// Encoded files of one film: MP4, Matroska, WebM or MPEG-TS, each with pictures, sound, subtitles or several of them.
    #[arg(required = true, value_name = "FILE")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    target: Target,
    /// Seconds that a segment has at least; it begins at a key frame that all videos have.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    segment_s: f64,
    #[command(flatten)]
    packaging: PackagingArgs,
    /// Report as JSON, one object a line: packaging, done.
    #[arg(long)]
    json: bool,
}

pub(crate) const EXAMPLES: &str = "Examples:
  headgate-encode package 1080p.mp4 720p.mp4 360p.mp4 english.m4a deutsch.m4a --out public --id film
  headgate-encode package film.mkv --out out --single-file";

pub(crate) fn run(arguments: Package) -> anyhow::Result<()> {
    let mut options = PackageOptions::new(arguments.inputs, arguments.target.out()?);
    options.id = arguments.target.id;
    options.force = arguments.target.force;
    options.cache_control = arguments.target.cache_control;
    options.segment_s = arguments.segment_s;
    options.packaging = arguments.packaging.packaging()?;
    stop_on_signals(&options.cancel.flag())?;
    let mut view = View::new(arguments.json);
    let summary = remux::package(&options, &mut |progress| view.show(&progress));
    view.end();
    let summary = summary?;
    if arguments.json {
        print_done(&summary)
    } else {
        print_summary(&summary)
    }
}
