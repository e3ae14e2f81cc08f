//! What the terminal shows while a video is prepared.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use encoder::vod::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Progress as a bar on a terminal, as a line every tenth, or as JSON lines.
pub(crate) enum View {
    Bar { bar: ProgressBar, what: String },
    Json,
    Lines { what: String, tenth: u64 },
}

impl View {
    pub(crate) fn new(json: bool) -> Self {
        if json {
            Self::Json
        } else if std::io::stderr().is_terminal() {
            Self::Bar {
                bar: ProgressBar::hidden(),
                what: String::new(),
            }
        } else {
            Self::Lines {
                what: String::new(),
                tenth: 0,
            }
        }
    }

    /// A piece of work begins.
    pub(crate) fn begin(&mut self, text: &str) {
        match self {
            Self::Bar { bar, what } => {
                *bar = ProgressBar::no_length();
                bar.enable_steady_tick(Duration::from_millis(200));
                text.clone_into(what);
            }
            Self::Json => {}
            Self::Lines { what, tenth } => {
                text.clone_into(what);
                *tenth = 0;
                eprintln!("{text} …");
            }
        }
    }

    /// How far it is.
    pub(crate) fn show(&mut self, progress: &Progress) {
        match self {
            Self::Bar { bar, what } => show_bar(bar, what, progress),
            Self::Json => {
                // A closed pipe is noticed when the addresses are printed.
                if let Ok(line) = serde_json::to_string(progress) {
                    let _ = writeln!(std::io::stdout(), "{line}");
                }
            }
            Self::Lines { what, tenth } => {
                let Progress::Progress {
                    frames,
                    total_frames: Some(total),
                    ..
                } = progress
                else {
                    return;
                };
                let now = frames * 10 / total.max(&1);
                if now > *tenth {
                    *tenth = now;
                    eprintln!("{what}: {} %", now * 10);
                }
            }
        }
    }

    /// It is done, or has failed.
    pub(crate) fn end(&mut self) {
        if let Self::Bar { bar, .. } = self {
            bar.finish_and_clear();
        }
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
            let length = total_frames.or(duration_s.map(|seconds| seconds as u64));
            if let Some(length) = length {
                bar.set_length(length);
            }
            let names: Vec<String> = renditions
                .iter()
                .map(|rung| format!("{}p", rung.width.min(rung.height)))
                .collect();
            bar.set_prefix(if names.len() > 1 {
                format!("{what} ({})", names.join(", "))
            } else {
                what.to_owned()
            });
            if let Ok(style) = ProgressStyle::with_template("{prefix}\n{bar:40} {percent:>3} %  {msg}") {
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
            bar.set_message(format!("{fps:.0} frames/s{eta}"));
        }
        _ => {}
    }
}
