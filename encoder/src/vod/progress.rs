//! What is told while it runs.

use serde::Serialize;

use crate::ladder::Rung;

/// What [`encode`](super::encode) reports while it runs.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// The source is open and it is known what will be made. Comes once, before anything is encoded.
    Start {
        /// The video renditions, highest first; empty for sound alone.
        renditions: Vec<Rung>,
        /// How many sound renditions there are.
        sounds: usize,
        /// Frames per second of the output; 0 for sound alone.
        frame_rate: f64,
        /// Length of the source in seconds, where its container states it.
        duration_s: Option<f64>,
        /// Video frames to expect.
        total_frames: Option<u64>,
    },
    /// The source is being looked at, before anything is encoded. Comes a few times a second.
    Analysis {
        /// Seconds of media that were looked at.
        media_s: f64,
        /// Length of the source in seconds, where its container states it.
        duration_s: Option<f64>,
    },
    /// What was encoded is being compared with the source. Comes a few times a second.
    Measuring {
        /// Seconds of media that were compared.
        media_s: f64,
        /// Length of the source in seconds, where its container states it.
        duration_s: Option<f64>,
    },
    /// Files that are encoded already are being read. Comes a few times a second.
    Packaging {
        /// Bytes that were read; every file is read twice.
        bytes: u64,
        /// Bytes to read.
        total_bytes: u64,
    },
    /// Comes a few times a second.
    Progress {
        /// Video frames that every rendition has.
        frames: u64,
        /// Video frames to expect.
        total_frames: Option<u64>,
        /// Seconds of media that are encoded.
        media_s: f64,
        /// Video frames encoded per second since the start.
        fps: f64,
        /// Seconds since the start.
        elapsed_s: f64,
        /// Seconds that are probably left.
        eta_s: Option<f64>,
    },
    /// An object store does not answer as it should, and is asked again. Comes at every failure, and every few seconds.
    Waiting {
        /// The place.
        location: String,
        /// Seconds since the first request that failed, or since the one that has no answer yet.
        waited_s: f64,
        /// Requests that failed since the last that did not.
        failures: u64,
        /// Why the last one failed.
        reason: Option<String>,
    },
    /// Comes a few times a second while an output goes to an object store.
    Upload {
        /// Bytes that are there.
        bytes: u64,
        /// Bytes to expect: the size of the encoded renditions, until more than that was packaged.
        total_bytes: u64,
        /// Objects that are there.
        files: u64,
        /// Objects that were packaged so far.
        packaged_files: u64,
    },
}
