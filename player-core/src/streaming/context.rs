//! What every part of a session may use.

use std::collections::VecDeque;

use crate::abr::Abr;
use crate::config::Config;
use crate::error::{ErrorKind, PlayerError};
use crate::input::RequestId;
use crate::output::{Output, PlayerEvent};
use crate::rng::Rng;
use crate::time::Instant;

/// The player's own things, lent to a session for one input.
pub(crate) struct Cx<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a Config,
    pub(crate) abr: &'a mut dyn Abr,
    pub(crate) out: &'a mut VecDeque<Output>,
    pub(crate) rng: &'a mut Rng,
    pub(crate) next_request: &'a mut u64,
}

impl Cx<'_> {
    pub(crate) fn send(&mut self, output: Output) {
        self.out.push_back(output);
    }

    pub(crate) fn event(&mut self, event: PlayerEvent) {
        self.out.push_back(Output::Event(event));
    }

    pub(crate) fn request_id(&mut self) -> RequestId {
        let id = RequestId(*self.next_request);
        *self.next_request += 1;
        id
    }
}

/// An error that does not end playback by itself.
pub(crate) fn error(kind: ErrorKind, message: impl Into<String>) -> PlayerError {
    PlayerError {
        kind,
        fatal: false,
        message: message.into(),
        drm: None,
    }
}
