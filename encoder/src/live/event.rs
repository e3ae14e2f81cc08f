//! What a live encoder says while it runs.

use serde::Serialize;

/// A line of the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LiveEvent {
    /// Publishers may come.
    Listening {
        /// The stream.
        stream: String,
        /// Where to, without the key.
        address: String,
    },
    /// A publisher was turned away.
    Refused {
        /// The stream it wanted, where its key was right.
        stream: Option<String>,
        /// What it was told.
        reason: String,
    },
    /// A take begins.
    Take {
        /// The stream.
        stream: String,
        /// Its renditions.
        renditions: Vec<TakenRendition>,
        /// Frames per second.
        frame_rate: f64,
        /// The longest part.
        part_ms: u64,
        /// A segment.
        segment_ms: u64,
        /// What players are behind at least.
        budget: LatencyBudget,
    },
    /// How it goes, once a second.
    Status {
        /// The stream.
        stream: String,
        /// Seconds of the take.
        media_s: f64,
        /// Milliseconds from capture to the encoders.
        behind_ms: i64,
        /// The longest time from the capture of a part's last frame to its delivery, in the last second, in milliseconds.
        part_delay_ms: u64,
        /// Milliseconds of the take that pictures have waited for encoders, of all rungs together.
        blocked_ms: u64,
        /// Every rung's encoder.
        encoders: Vec<EncoderStatus>,
    },
    /// Rungs are left out, so that the others keep up.
    Dropped {
        /// The stream.
        stream: String,
        /// The rungs.
        renditions: Vec<String>,
        /// What was measured.
        reason: String,
    },
    /// The machine is too slow even for the lowest rung.
    Overloaded {
        /// The stream.
        stream: String,
        /// What was measured, and what to do.
        reason: String,
    },
    /// The publisher is gone.
    Paused {
        /// The stream.
        stream: String,
        /// Why.
        reason: String,
    },
    /// The stream is over.
    Ended {
        /// The stream.
        stream: String,
    },
}

/// A rendition of a take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TakenRendition {
    /// Its name.
    pub name: String,
    /// RFC 6381.
    pub codecs: String,
    /// Declared peak, bits a second.
    pub bandwidth: u64,
}

/// Where the time between capture and screen goes, in milliseconds: the least that is possible with these settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LatencyBudget {
    /// One frame waits for the next, so that the rate is constant.
    pub frame_ms: u64,
    /// A part is sent when its last frame is there.
    pub part_ms: u64,
    /// What a player keeps at least: three parts (RFC 8216bis §4.4.3.8).
    pub hold_back_ms: u64,
}

impl LatencyBudget {
    /// All of it.
    pub fn total_ms(&self) -> u64 {
        self.frame_ms + self.part_ms + self.hold_back_ms
    }
}

/// One encoder's work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EncoderStatus {
    /// The rendition.
    pub name: String,
    /// Frames of the take that are encoded.
    pub frames: u64,
    /// Mean time of a frame in the encoder, in milliseconds.
    pub frame_ms: f64,
}
