//! What a command shows when it is done.

use std::io::Write;

use anyhow::Context;
use encoder::vod::Summary;

/// The last JSON line of a command.
pub(crate) fn print_done<T: serde::Serialize>(summary: &T) -> anyhow::Result<()> {
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

/// What was made, for people.
pub(crate) fn print_summary(summary: &Summary) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut print = || -> std::io::Result<()> {
        for rendition in &summary.renditions {
            let size = match (rendition.width, rendition.height) {
                (Some(width), Some(height)) => format!("{width}x{height}"),
                _ => "-".to_owned(),
            };
            writeln!(
                out,
                "{:<14} {size:<10} {:<16} {:>7.0} kbit/s mean {:>7.0} peak {:>5} segments",
                rendition.name,
                rendition.codecs,
                rendition.average_bps as f64 / 1000.0,
                rendition.peak_bps as f64 / 1000.0,
                rendition.segments
            )?;
        }
        for treatment in &summary.treatments {
            writeln!(out, "Source: {treatment}")?;
        }
        for left_out in &summary.left_out {
            writeln!(out, "Left out: {left_out}")?;
        }
        writeln!(
            out,
            "{:.1} s of media in {:.1} s ({:.1} CPU s)",
            summary.duration_s, summary.wall_s, summary.cpu_s
        )?;
        writeln!(out, "HLS  {}", summary.hls)?;
        writeln!(out, "DASH {}", summary.dash)
    };
    print().context("standard output")
}
