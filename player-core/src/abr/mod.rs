//! Which rendition to fetch next: the [`Abr`] trait and what the engine brings along.
//!
//! An algorithm sees three things: what downloads taught it ([`Abr::on_progress`], [`Abr::on_download`]), the moment of a
//! choice ([`Context`]), and, while a segment is on its way, the chance to give it up ([`Abr::abandon`]). It has no
//! clock, no randomness and no I/O; transcendental functions come from `libm`, whose results are the same on every
//! target.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{AbrConfig, Algorithm};
use crate::time::{Bitrate, Instant};

mod bola;
mod estimate;
pub mod headgate;
pub mod objective;
pub mod probe;
mod throughput;

pub use bola::Bola;
pub use estimate::ThroughputEstimator;
pub use headgate::Headgate;
pub use objective::{Objective, Utility};
pub use probe::Probe;
pub use throughput::Throughput;

/// An ABR algorithm.
pub trait Abr: Send {
    /// Its name in reports.
    fn name(&self) -> &str;

    /// Bytes have arrived for the media request in flight, or it has ended. Cumulative; the last call for a download
    /// comes right before [`Abr::on_download`].
    fn on_progress(&mut self, progress: &Progress);

    /// A media request has ended: completely, or given up.
    fn on_download(&mut self, download: &Download);

    /// Which rung of `context.ladder` should the next segment have? An answer past the end counts as the last rung.
    fn choose(&mut self, context: &Context<'_>) -> usize;

    /// Should the segment on its way be given up for the same segment of a lower rung? Asked at every progress and at
    /// least every 250 ms.
    fn abandon(&mut self, context: &Context<'_>, flight: &Flight) -> Option<usize>;

    /// The throughput that it reckons with, if it has an idea of it.
    fn estimate(&self) -> Option<Bitrate>;

    /// What it has learnt of the network, to be kept for the next load; `unix_ms` is set by the caller.
    fn memory(&self) -> Option<NetworkMemory> {
        None
    }

    /// What an earlier load learnt of the network, `age` ago. Counts for nothing once something was measured.
    fn recall(&mut self, _memory: &NetworkMemory, _age: Duration) {}

    /// The playhead jumped, or playback starts anew: what depends on a continuous buffer should be forgotten.
    fn on_seek(&mut self) {}
}

/// The algorithm that a configuration names.
pub fn from_config(config: &AbrConfig) -> Box<dyn Abr> {
    match config.algorithm {
        Algorithm::Bola => Box::new(Bola::new(config)),
        Algorithm::Headgate => Box::new(Headgate::new(config)),
        Algorithm::Throughput => Box::new(Throughput::new(config)),
    }
}

/// Bytes of a download so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// When.
    pub at: Instant,
    /// When the request was made.
    pub requested_at: Instant,
    /// When its first byte arrived.
    pub first_byte_at: Instant,
    /// Bytes so far.
    pub bytes: u64,
}

/// A finished or abandoned download.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Download {
    /// How it stood at its end.
    pub progress: Progress,
    /// The rung it was for.
    pub rung: usize,
    /// It was given up before its end.
    pub abandoned: bool,
    /// It came from a cache on this machine: says nothing of the network.
    pub cached: bool,
}

/// The segment on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flight {
    /// How it stands. Before its first byte `first_byte_at` equals `at` and `bytes` is zero.
    pub progress: Progress,
    /// Its rung.
    pub rung: usize,
    /// Its size in bytes, if known.
    pub total_bytes: Option<u64>,
}

/// The moment of a choice.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Now.
    pub now: Instant,
    /// Media ahead of the playhead, seconds, including what is downloaded and not yet appended.
    pub buffer_s: f64,
    /// The goal: no segment is fetched that would lift the buffer above it.
    pub buffer_max_s: f64,
    /// The renditions that may be chosen, lowest bitrate first; never empty.
    pub ladder: &'a [Rung],
    /// The rung of the segment before, or the next lower one in this ladder; `None` at the start and after a seek.
    pub last: Option<usize>,
    /// Duration of the segment to choose for, seconds.
    pub segment_s: f64,
    /// Segments left, including this one; `None` if there is no end.
    pub remaining: Option<usize>,
    /// Frames have been shown and the playhead would advance if it had media.
    pub started: bool,
    /// What is known of the segments to come.
    pub upcoming: &'a dyn Upcoming,
}

/// A rendition, as an algorithm sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rung {
    /// Bitrate to reckon with when a segment's size is not known: the average if declared, else the peak.
    pub bitrate: Bitrate,
}

/// What is known of the segments from the one to choose for onwards.
pub trait Upcoming {
    /// Bytes of segment `ahead` (0 = the one to choose for) of a rung, if known.
    fn bytes(&self, rung: usize, ahead: usize) -> Option<u64>;

    /// VMAF or a like measure of it, 0 to 100, if known.
    fn quality(&self, _rung: usize, _ahead: usize) -> Option<f64> {
        None
    }
}

/// What was learnt of a network, for the next load on it. The host keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkMemory {
    /// Median throughput, kbit/s.
    pub kbps: f64,
    /// Standard deviation of the throughput's natural logarithm.
    pub spread: f64,
    /// When it was measured, milliseconds since 1970.
    pub unix_ms: i64,
}

impl Context<'_> {
    /// Bits of a segment: exact where known, else from the bitrate.
    pub fn bits(&self, rung: usize, ahead: usize) -> f64 {
        match (self.upcoming.bytes(rung, ahead), self.ladder.get(rung)) {
            (Some(bytes), _) => bytes as f64 * 8.0,
            (None, Some(rung)) => rung.bitrate.as_f64() * self.segment_s,
            (None, None) => 0.0,
        }
    }

    /// The highest rung whose bitrate is at most `limit_bps`, or the lowest rung.
    pub fn highest_below(&self, limit_bps: f64) -> usize {
        self.ladder
            .iter()
            .rposition(|rung| rung.bitrate.as_f64() <= limit_bps)
            .unwrap_or(0)
    }
}
