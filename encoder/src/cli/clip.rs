//! `headgate-encode clip`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use encoder::live::{ClipOptions, ClipTime, clip};

use super::view::print_done;

/// Arguments of `clip`.
#[derive(Args)]
pub(crate) struct Clip {
    /// The stream's folder: NAME in what `live` has as --out. It may be on the air.
    stream: PathBuf,
    /// The first moment: when it was captured (2026-11-24T20:15:00Z), or how long after the stream began (95.5 or 1:02:03).
    #[arg(long, value_name = "TIME")]
    from: ClipTime,
    /// The moment behind the last.
    #[arg(long, value_name = "TIME")]
    to: ClipTime,
    /// The folder to make.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) const EXAMPLES: &str = "Examples:
  headgate-encode clip live/news --from 0:10 --to 0:40 --out goal
  headgate-encode clip live/news --from 2026-11-24T20:15:00Z --to 2026-11-24T20:16:30Z --out goal --json

Nothing is encoded again: a clip has the whole segments that these moments lie in.";

pub(crate) fn run(arguments: Clip) -> anyhow::Result<()> {
    let made = clip(&ClipOptions {
        stream: arguments.stream,
        out: arguments.out,
        from: arguments.from,
        to: arguments.to,
    })?;
    if arguments.json {
        return print_done(&made);
    }
    let mut out = std::io::stdout().lock();
    let (folder, from) = (made.folder.display(), &made.from);
    writeln!(
        out,
        "{folder}/hls/master.m3u8, {folder}/dash/manifest.mpd: {:.1} s from {from}, {} segments",
        made.duration_s, made.segments
    )
    .context("standard output")
}
