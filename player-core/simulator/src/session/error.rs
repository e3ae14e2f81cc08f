//! Why sessions fail.

use std::{fmt, io};

use player_core::error::PlayerError;
use player_core::{Instant, MediaTime};

/// Why a session did not come to its end: each is a fault of the engine or of its configuration, but for the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The engine waits for nothing.
    #[error("the player made no progress at {at}: it waits, and nothing is under way")]
    Deadlock {
        /// When, and how things stood.
        at: Situation,
    },
    /// The engine asks for one step after the other without an end.
    #[error("the player made no progress at {at}: it does not come to rest")]
    Loop {
        /// When, and how things stood.
        at: Situation,
    },
    /// The log cannot be written.
    #[error("cannot write the log: {0}")]
    Log(#[from] io::Error),
    /// The engine asked for something impossible.
    #[error("the player broke its contract at {at}: {what}")]
    Contract {
        /// When, and how things stood.
        at: Situation,
        /// What it asked for.
        what: String,
    },
    /// The engine gave up.
    #[error("the player gave up at {at}: {error}")]
    Player {
        /// When, and how things stood.
        at: Situation,
        /// What it said.
        error: PlayerError,
    },
    /// The content should have been over long ago.
    #[error("the player made too little progress by {at}: the content lasts {content_s:.0} s")]
    TooLong {
        /// When, and how things stood.
        at: Situation,
        /// Duration of the content.
        content_s: f64,
    },
}

/// How things stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Virtual time.
    pub now: Instant,
    /// The playhead.
    pub position: MediaTime,
    /// Media ahead of it.
    pub buffer: MediaTime,
    /// Requests in flight.
    pub in_flight: usize,
}

impl fmt::Display for Situation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "t={:.3} s (playhead {:.3} s, buffer {:.3} s, {} requests in flight)",
            self.now.since(Instant::ZERO).as_secs_f64(),
            self.position.as_secs_f64(),
            self.buffer.as_secs_f64(),
            self.in_flight
        )
    }
}
