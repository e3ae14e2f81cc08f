//! What a command shows while it works and when it is done.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::Context;
use encoder::vod::{Progress, Summary};
use indicatif::{ProgressBar, ProgressStyle};

/// Progress as a bar on a terminal, as JSON lines, or not at all.
pub(crate) enum View {
    Bar(ProgressBar),
    Json,
    Quiet,
}

impl View {
    pub(crate) fn new(is_json: bool) -> Self {
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

    pub(crate) fn show(&mut self, progress: &Progress) {
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

    pub(crate) fn clear(&self) {
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
            let template = format!("{{prefix}}{{bar:32}} {{pos}}/{{len}} {unit} {{msg}}");
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
        Progress::Packaging { bytes, total_bytes } => {
            bar.set_length(*total_bytes);
            if let Ok(style) = ProgressStyle::with_template("{prefix}{bar:32} {bytes}/{total_bytes}") {
                bar.set_style(style);
            }
            bar.set_position(*bytes);
        }
        Progress::Analysis { media_s, duration_s } | Progress::Measuring { media_s, duration_s } => {
            if let Some(duration_s) = duration_s {
                bar.set_length(*duration_s as u64);
                if let Ok(style) = ProgressStyle::with_template("{prefix}{bar:32} {pos}/{len} s looked at") {
                    bar.set_style(style);
                }
            }
            bar.set_position(*media_s as u64);
        }
        Progress::Waiting {
            location,
            waited_s,
            failures,
            reason,
        } => {
            if let Ok(style) = ProgressStyle::with_template("{prefix}{spinner} {msg}") {
                bar.set_style(style);
            }
            let why = reason.as_ref().map(|reason| format!(" ({reason})"));
            bar.set_message(format!(
                "{location} does not answer{}: {failures} requests failed, waiting for {waited_s:.0} s",
                why.unwrap_or_default()
            ));
        }
        Progress::Upload {
            bytes,
            total_bytes,
            files,
            packaged_files,
        } => {
            if let Ok(style) = ProgressStyle::with_template("{prefix}{bar:32} {bytes}/{total_bytes} {msg}") {
                bar.set_style(style);
            }
            bar.set_length(*total_bytes);
            bar.set_position(*bytes);
            bar.set_message(format!("uploaded, {files} of {packaged_files} objects"));
        }
        _ => {}
    }
}

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
