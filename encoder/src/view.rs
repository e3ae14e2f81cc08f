//! Progress for people and programs: a bar on a terminal, lines of text, or lines of JSON.
//!
//! ```no_run
//! use encoder::view::View;
//! use encoder::vod::{VodOptions, encode};
//!
//! # fn main() -> Result<(), encoder::EncodeError> {
//! let mut view = View::new(false);
//! let summary = encode(&VodOptions::new("film.mp4", "public"), &mut |progress| view.show(&progress));
//! view.end();
//! summary?;
//! # Ok(())
//! # }
//! ```

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::ladder::Rung;
use crate::vod::Progress;

/// What shows [`Progress`].
#[derive(Debug)]
pub struct View {
    kind: Kind,
    /// What is being done.
    what: String,
}

#[derive(Debug)]
enum Kind {
    Bar(ProgressBar),
    Json,
    /// How many tenths were told of.
    Lines(u64),
    Quiet,
}

impl View {
    /// JSON lines on standard output, or a bar on standard error where that is a terminal, or nothing.
    pub fn new(is_json: bool) -> Self {
        match (is_json, std::io::stderr().is_terminal()) {
            (true, _) => Self::of(Kind::Json),
            (false, true) => Self::of_bar(ProgressBar::no_length()),
            (false, false) => Self::quiet(),
        }
    }

    /// As [`new`](Self::new), but where there is no terminal with a line every tenth; and nothing before
    /// [`begin`](Self::begin).
    pub fn with_lines(is_json: bool) -> Self {
        match (is_json, std::io::stderr().is_terminal()) {
            (true, _) => Self::of(Kind::Json),
            (false, true) => Self::of(Kind::Bar(ProgressBar::hidden())),
            (false, false) => Self::of(Kind::Lines(0)),
        }
    }

    /// A bar among others.
    pub fn of_bar(bar: ProgressBar) -> Self {
        bar.enable_steady_tick(REDRAW_EVERY);
        Self::of(Kind::Bar(bar))
    }

    /// Nothing is shown.
    pub fn quiet() -> Self {
        Self::of(Kind::Quiet)
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            what: String::new(),
        }
    }

    /// A piece of work begins, after the one before has ended.
    pub fn begin(&mut self, what: &str) {
        what.clone_into(&mut self.what);
        match &mut self.kind {
            Kind::Bar(bar) => {
                *bar = ProgressBar::no_length().with_prefix(headline(what, &[]));
                bar.enable_steady_tick(REDRAW_EVERY);
            }
            Kind::Lines(tenths) => {
                *tenths = 0;
                eprintln!("{what} …");
            }
            Kind::Json | Kind::Quiet => {}
        }
    }

    /// How far it is.
    pub fn show(&mut self, progress: &Progress) {
        match &mut self.kind {
            Kind::Bar(bar) => show_bar(bar, &self.what, progress),
            Kind::Json => {
                // A closed pipe is noticed when the result is printed.
                if let Ok(line) = serde_json::to_string(progress) {
                    let _ = writeln!(std::io::stdout(), "{line}");
                }
            }
            Kind::Lines(told) => {
                if let Some(tenths) = tenths(progress).filter(|tenths| tenths > told) {
                    *told = tenths;
                    eprintln!("{}: {} %", self.what, tenths * 10);
                }
            }
            Kind::Quiet => {}
        }
    }

    /// It is done, or has failed.
    pub fn end(&self) {
        if let Kind::Bar(bar) = &self.kind {
            bar.finish_and_clear();
        }
    }
}

/// How many tenths are encoded.
fn tenths(progress: &Progress) -> Option<u64> {
    match progress {
        Progress::Progress {
            frames,
            total_frames: Some(total),
            ..
        } => Some(frames * 10 / total.max(&1)),
        _ => None,
    }
}

/// The line above a bar.
fn headline(what: &str, renditions: &[Rung]) -> String {
    let names: Vec<&str> = renditions.iter().map(|rung| rung.name.as_str()).collect();
    match names.len() {
        0 | 1 => format!("{what}\n"),
        _ => format!("{what} ({})\n", names.join(", ")),
    }
}

fn show_bar(bar: &ProgressBar, what: &str, progress: &Progress) {
    match progress {
        Progress::Start {
            renditions,
            total_frames,
            duration_s,
            ..
        } => {
            if !what.is_empty() {
                bar.set_prefix(headline(what, renditions));
            }
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
    }
}

const REDRAW_EVERY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenths_are_of_frames_that_are_known() {
        let progress = |frames, total_frames| Progress::Progress {
            frames,
            total_frames,
            media_s: 1.0,
            fps: 25.0,
            elapsed_s: 1.0,
            eta_s: None,
        };
        assert_eq!(tenths(&progress(55, Some(100))), Some(5));
        assert_eq!(tenths(&progress(100, Some(100))), Some(10));
        assert_eq!(tenths(&progress(5, Some(0))), Some(50));
        assert_eq!(tenths(&progress(5, None)), None);
    }

    #[test]
    fn a_bar_follows_the_progress() {
        let mut view = View::of_bar(ProgressBar::hidden());
        view.show(&Progress::Analysis {
            media_s: 3.0,
            duration_s: Some(9.0),
        });
        let Kind::Bar(bar) = &view.kind else {
            panic!("no bar")
        };
        assert_eq!((bar.position(), bar.length()), (3, Some(9)));
        view.end();
        view.begin("Encoding a.mp4");
        view.show(&Progress::Start {
            renditions: vec![Rung::default(), Rung::default()],
            sounds: 1,
            frame_rate: 25.0,
            duration_s: Some(4.0),
            total_frames: Some(100),
        });
        let Kind::Bar(bar) = &view.kind else {
            panic!("no bar")
        };
        assert_eq!(
            (bar.length(), &*bar.prefix()),
            (Some(100), "Encoding a.mp4 (360p, 360p)\n")
        );
        view.end();
    }
}
