//! `headgate-encode compare`.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use encoder::compare::{CompareOptions, Compared, Comparison, compare};
use encoder::view::View;

use super::stop_on_signals;
use super::view::print_done;

/// Arguments of `compare`.
#[derive(Args)]
pub(crate) struct Compare {
    /// The source, which is taken for perfect.
    reference: PathBuf,
    /// Encodings of it: media files, HLS playlists, and folders of packaged output or of one rendition.
    #[arg(required = true)]
    distorted: Vec<PathBuf>,
    /// Segments of files that are not packaged begin at key frames at least so many seconds apart.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    segment_s: f64,
    /// About when the encodings begin, in seconds of the source; below 0 when the source begins in the encodings. To the frame
    /// it is found by what they show.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    offset_s: f64,
    /// Report as JSON, one object a line: measuring, done.
    #[arg(long)]
    json: bool,
}

pub(crate) const EXAMPLES: &str = "Quality is VMAF where FFmpeg here has libvmaf, else a prediction of it: 0 to 100, at the size of the display.

Examples:
  headgate-encode compare film.mp4 public/videos/film        # every rendition of an output
  headgate-encode compare film.mp4 ours/720p theirs.mp4 --json | jq -c 'select(.event == \"done\") | .renditions[] | [.name, .quality]'";

pub(crate) fn run(arguments: Compare) -> anyhow::Result<()> {
    let mut options = CompareOptions::new(arguments.reference, arguments.distorted);
    options.segment_s = arguments.segment_s;
    options.offset_s = arguments.offset_s;
    stop_on_signals(&options.cancel.flag())?;
    let mut view = View::new(arguments.json);
    let comparison = compare(&options, &mut |progress| view.show(&progress));
    view.end();
    let comparison = comparison?;
    match arguments.json {
        true => print_done(&comparison),
        false => print(&comparison).context("standard output"),
    }
}

fn print(comparison: &Comparison) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let measure = match comparison.method {
        "vmaf" => "VMAF",
        _ => "VMAF as it is predicted where FFmpeg has no libvmaf",
    };
    writeln!(
        out,
        "{} at {}x{}: {measure}, 0 to 100, of {:.1} frames a second",
        comparison.reference.display(),
        comparison.width,
        comparison.height,
        comparison.measured_fps
    )?;
    let names = comparison
        .renditions
        .iter()
        .map(|rendition| rendition.name.chars().count());
    let width = names.max().unwrap_or(0).max(9);
    writeln!(
        out,
        "\n{:<width$} {:<10} {:<6} {:>6} {:>8} {:>8} {:>10}  worst segment",
        "rendition", "size", "codec", "fps", "kbit/s", "quality", "lowest 5%"
    )?;
    for rendition in &comparison.renditions {
        let worst = worst(rendition).map_or(String::new(), |(quality, at_s)| {
            format!("{quality:.1} at {at_s:.1} s")
        });
        writeln!(
            out,
            "{:<width$} {:<10} {:<6} {:>6.2} {:>8.0} {:>8.1} {:>10.1}  {worst}",
            rendition.name,
            format!("{}x{}", rendition.width, rendition.height),
            rendition.codec,
            rendition.frame_rate,
            rendition.average_bps as f64 / 1000.0,
            rendition.quality,
            rendition.low_quality,
        )?;
    }
    print_segments(&mut out, &comparison.renditions)
}

/// A row for every time at which a segment begins, a column for each rendition.
fn print_segments(out: &mut impl Write, renditions: &[Compared]) -> io::Result<()> {
    let mut rows: BTreeMap<i64, Vec<Option<f64>>> = BTreeMap::new();
    for (column, rendition) in renditions.iter().enumerate() {
        for segment in &rendition.segments {
            let at_ms = (segment.start_s * 1000.0).round() as i64;
            let row = rows.entry(at_ms).or_insert_with(|| vec![None; renditions.len()]);
            if let Some(cell) = row.get_mut(column) {
                *cell = segment.quality;
            }
        }
    }
    let widths: Vec<usize> = renditions
        .iter()
        .map(|one| one.name.chars().count().max(6))
        .collect();
    write!(out, "\n{:>9}", "segment s")?;
    for (rendition, width) in renditions.iter().zip(&widths) {
        write!(out, "  {:>width$}", rendition.name)?;
    }
    writeln!(out)?;
    for (at_ms, row) in rows {
        write!(out, "{:>9.2}", at_ms as f64 / 1000.0)?;
        for (cell, width) in row.iter().zip(&widths) {
            let text = cell.map_or(String::new(), |quality| format!("{quality:.1}"));
            write!(out, "  {text:>width$}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// The lowest quality of a segment, and when it begins.
fn worst(rendition: &Compared) -> Option<(f64, f64)> {
    let measured = rendition
        .segments
        .iter()
        .filter_map(|segment| Some((segment.quality?, segment.start_s)));
    measured.min_by(|one, other| one.0.total_cmp(&other.0))
}
