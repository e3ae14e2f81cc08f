//! The engine's face: inputs in, outputs out.

use std::collections::VecDeque;

use crate::abr::{self, Abr};
use crate::config::Config;
use crate::input::{Host, Input, MediaState};
use crate::output::Output;
use crate::rng::Rng;
use crate::streaming::context::Cx;
use crate::streaming::session::Session;
use crate::time::Instant;

/// A player: see the [crate's text](crate) for the run loop.
pub struct Player {
    config: Config,
    abr: Box<dyn Abr>,
    now: Instant,
    outputs: VecDeque<Output>,
    deadline: Option<Instant>,
    rng: Rng,
    next_request: u64,
    session_id: Option<String>,
    session: Option<Box<Session>>,
    host: Host,
    media: MediaState,
}

impl Player {
    /// A player with the algorithm that `config` names.
    pub fn new(config: Config, now: Instant) -> Self {
        let abr = abr::from_config(&config.abr);
        Self::with_abr(config, abr, now)
    }

    /// A player with an algorithm of the caller's.
    pub fn with_abr(config: Config, abr: Box<dyn Abr>, now: Instant) -> Self {
        let rng = Rng::new(config.seed);
        Self {
            config,
            abr,
            now,
            outputs: VecDeque::new(),
            deadline: None,
            rng,
            next_request: 1,
            session_id: None,
            session: None,
            host: Host::default(),
            media: MediaState::default(),
        }
    }

    /// Takes one input. Time never goes backwards: an earlier `now` counts as the latest one seen.
    ///
    /// Inputs about things that are not (any more) are ignored, so that a driver need not care about crossing messages.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.now = self.now.max(now);
        let mut cx = Cx {
            now: self.now,
            config: &self.config,
            abr: &mut *self.abr,
            out: &mut self.outputs,
            rng: &mut self.rng,
            next_request: &mut self.next_request,
        };
        match input {
            Input::Load(load) => {
                if let Some(mut old) = self.session.take() {
                    old.close(&mut cx);
                }
                let session_id = self
                    .session_id
                    .get_or_insert_with(|| cx.rng.uuid_v7(load.wall_clock_ms))
                    .clone();
                let ids = (cx.rng.uuid_v7(load.wall_clock_ms), session_id);
                cx.abr.on_seek();
                self.session = Some(Box::new(Session::new(&mut cx, load, self.host, &self.media, ids)));
            }
            Input::Unload => {
                if let Some(mut old) = self.session.take() {
                    old.close(&mut cx);
                }
            }
            input => {
                match &input {
                    Input::Host(host) => self.host = *host,
                    Input::Media(media) => self.media = *media,
                    _ => {}
                }
                if let Some(session) = &mut self.session {
                    session.handle(&mut cx, input);
                }
            }
        }
        self.deadline = match &mut self.session {
            Some(session) => session.pump(&mut cx),
            None => None,
        };
    }

    /// The next thing to do. [`Output::Wait`] is the last one and is repeated until the next input.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Wait(self.deadline))
    }
}
