//! Throughput samples in wall-clock time: what the network carried in windows of two seconds, without the time to first byte.
//!
//! A sample a segment would weigh a download of 0.1 s like one of 10 s; a sample a window says what the network did when.

use super::super::{Download, Progress};
use crate::time::Instant;

/// A window is a sample once it is this long, seconds.
const WINDOW_S: f64 = 2.0;
/// What is left at the end of a download counts if it is longer than this, seconds: a shorter time measures buffers on the way.
const REMAINDER_S: f64 = 0.03;

/// What the network carried around a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// The middle of the window, seconds of the player's clock.
    pub(super) at_s: f64,
    /// Bits a second.
    pub(super) bps: f64,
    /// The network was faster than could be measured: this much at least.
    pub(super) at_least: bool,
}

/// Cuts downloads into samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Sampler {
    window: Option<Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    requested_at: Instant,
    since: Instant,
    bytes: u64,
    /// Nothing of this download was a sample yet.
    whole: bool,
}

impl Sampler {
    /// Bytes have arrived, or have not.
    pub(super) fn on_progress(&mut self, progress: &Progress) -> Option<Sample> {
        let window = self.window(progress);
        self.window = Some(window);
        let seconds = progress.at.since(window.since).as_secs_f64();
        (seconds >= WINDOW_S).then(|| self.close(window, progress))
    }

    /// A download has ended.
    pub(super) fn on_download(&mut self, download: &Download) -> Option<Sample> {
        let window = self.window(&download.progress);
        self.window = None;
        if download.cached {
            return None;
        }
        let progress = &download.progress;
        let seconds = progress.at.since(window.since).as_secs_f64();
        if seconds > REMAINDER_S {
            return Some(sample(window, progress, seconds));
        }
        let untimed = window.whole && !download.abandoned && progress.bytes > 0;
        untimed.then(|| Sample {
            at_least: true,
            ..sample(window, progress, REMAINDER_S)
        })
    }

    fn window(&self, progress: &Progress) -> Window {
        match self.window {
            Some(window) if window.requested_at == progress.requested_at => window,
            _ => Window {
                requested_at: progress.requested_at,
                since: progress.first_byte_at,
                bytes: 0,
                whole: true,
            },
        }
    }

    fn close(&mut self, window: Window, progress: &Progress) -> Sample {
        let seconds = progress.at.since(window.since).as_secs_f64();
        self.window = Some(Window {
            since: progress.at,
            bytes: progress.bytes,
            whole: false,
            ..window
        });
        sample(window, progress, seconds)
    }
}

fn sample(window: Window, progress: &Progress, seconds: f64) -> Sample {
    Sample {
        at_s: window.since.as_micros() as f64 / 1e6 + seconds / 2.0,
        bps: progress.bytes.saturating_sub(window.bytes) as f64 * 8.0 / seconds,
        at_least: false,
    }
}
