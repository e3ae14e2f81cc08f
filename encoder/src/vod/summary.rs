//! What was made, and what it took.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{LeftOut, Treatment};
use crate::account::Account;
use crate::index::{Kind, Rendition};
use crate::manifest::{MPD_PATH, MULTIVARIANT_PATH};
use crate::storage::Location;

/// What was made.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The video's folder, or its place in an object store.
    pub out: Location,
    /// The multivariant playlist.
    pub hls: Location,
    /// The MPD.
    pub dash: Location,
    /// Every rendition: video from the highest, then sound.
    pub renditions: Vec<RenditionSummary>,
    /// Length of the longest rendition in seconds.
    pub duration_s: f64,
    /// What was done to the source's pictures and sound, beside scaling and encoding.
    pub treatments: Vec<Treatment>,
    /// What is in the source, or the ladder, and not in the output.
    pub left_out: Vec<LeftOut>,
    /// Seconds it took.
    pub wall_s: f64,
    /// CPU seconds the process used meanwhile, all threads.
    pub cpu_s: f64,
}

/// One rendition as it was measured.
#[derive(Clone, Debug, Serialize)]
pub struct RenditionSummary {
    /// Its name and folder.
    pub name: String,
    /// RFC 6381 codec string.
    pub codecs: String,
    /// Pixels across; none for sound.
    pub width: Option<u32>,
    /// Pixels down; none for sound.
    pub height: Option<u32>,
    /// Frames per second; none for sound.
    pub frame_rate: Option<f64>,
    /// Peak of its segments in bit/s (RFC 8216bis), container included.
    pub peak_bps: u64,
    /// Mean in bit/s, container included.
    pub average_bps: u64,
    /// How many media segments it has.
    pub segments: usize,
    /// Seconds.
    pub duration_s: f64,
}

/// Measures what it took.
pub(crate) struct Watch {
    started: Instant,
    cpu: Option<cpu_time::ProcessTime>,
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            cpu: cpu_time::ProcessTime::try_now().ok(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn wall_s(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }

    pub(crate) fn cpu_s(&self) -> f64 {
        let elapsed = self.cpu.and_then(|cpu| cpu.try_elapsed().ok());
        elapsed.unwrap_or_default().as_secs_f64()
    }

    pub(crate) fn summary(&self, location: &Location, renditions: &[Rendition], account: Account) -> Summary {
        Summary {
            out: location.clone(),
            hls: location.join(MULTIVARIANT_PATH),
            dash: location.join(MPD_PATH),
            duration_s: renditions.iter().map(Rendition::duration_s).fold(0.0, f64::max),
            renditions: renditions.iter().map(summarize).collect(),
            treatments: account.treatments,
            left_out: account.left_out,
            wall_s: self.wall_s(),
            cpu_s: self.cpu_s(),
        }
    }
}

fn summarize(rendition: &Rendition) -> RenditionSummary {
    let (width, height, frame_rate) = match rendition.kind {
        Kind::Video { width, height, rate } => (Some(width), Some(height), Some(rate.fps())),
        Kind::Audio(_) => (None, None, None),
    };
    RenditionSummary {
        name: rendition.name.clone(),
        codecs: rendition.codecs.clone(),
        width,
        height,
        frame_rate,
        peak_bps: rendition.peak_bps(),
        average_bps: rendition.average_bps(),
        segments: rendition.segments.len(),
        duration_s: rendition.duration_s(),
    }
}
