//! The engine's face: inputs in, outputs out.

use std::collections::VecDeque;

use crate::abr::{self, Abr};
use crate::config::Config;
use crate::input::Input;
use crate::output::Output;
use crate::time::Instant;

/// A player: see the [crate's text](crate) for the run loop.
pub struct Player {
    config: Config,
    abr: Box<dyn Abr>,
    now: Instant,
    outputs: VecDeque<Output>,
}

impl Player {
    /// A player with the algorithm that `config` names.
    pub fn new(config: Config, now: Instant) -> Self {
        let abr = abr::from_config(&config.abr);
        Self::with_abr(config, abr, now)
    }

    /// A player with an algorithm of the caller's.
    pub fn with_abr(config: Config, abr: Box<dyn Abr>, now: Instant) -> Self {
        Self { config, abr, now, outputs: VecDeque::new() }
    }

    /// Takes one input. `now` never goes backwards: an earlier time counts as the latest one seen.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        let _ = (now, input, &self.config, &self.abr);
    }

    /// The next thing to do. [`Output::Wait`] is the last one and is repeated until the next input.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Wait(Some(self.now)))
    }
}
