//! The engine's face: inputs in, outputs out.

use std::collections::VecDeque;

use crate::abr::{self, Abr};
use crate::config::Config;
use crate::input::{Host, Input, Load, MediaState, RequestId};
use crate::memory::Memory;
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
    /// What is loaded ahead.
    next: Option<Box<Session>>,
    host: Host,
    media: MediaState,
    memory: Memory,
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
            next: None,
            host: Host::default(),
            media: MediaState::default(),
            memory: Memory::default(),
        }
    }

    /// Takes one input. Time never goes backwards: an earlier `now` counts as the latest one seen.
    ///
    /// Inputs about things that are not (any more) are ignored, so that a driver need not care about crossing messages.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.now = self.now.max(now);
        if let Input::Limits {
            max_bandwidth_kbps,
            max_height,
        } = &input
        {
            self.config.abr.max_bandwidth_kbps = max_bandwidth_kbps.filter(|kbps| !kbps.is_nan());
            self.config.abr.max_height = *max_height;
        }
        let mut cx = Cx {
            now: self.now,
            config: &self.config,
            abr: &mut *self.abr,
            out: &mut self.outputs,
            rng: &mut self.rng,
            next_request: &mut self.next_request,
        };
        // The page may not live to see another chance.
        let end = match &input {
            Input::Load(_) | Input::Unload => true,
            Input::Host(host) => host.hidden,
            _ => false,
        };
        let completed = matches!(input, Input::Complete { .. });
        if matches!(input, Input::Load(_) | Input::Unload)
            && let Some(mut old) = self.session.take()
        {
            old.close(&mut cx);
        }
        match input {
            Input::Load(load) => {
                if let Some(memory) = self.memory.due(cx.now, cx.abr, true) {
                    cx.send(Output::Remember(memory));
                }
                self.memory.begin(cx.now, &load, cx.abr);
                let ids = new_ids(&mut cx, &mut self.session_id, &load);
                cx.abr.on_seek();
                let (host, media) = (self.host, &self.media);
                let mut ahead = self.next.take();
                if let Some(next) = &mut ahead
                    && !(next.is_of(&load) && next.begin(&mut cx, load.clone(), host, media, ids.clone()))
                {
                    next.close(&mut cx);
                    ahead = None;
                }
                self.session = Some(
                    ahead.unwrap_or_else(|| Box::new(Session::new(&mut cx, load, host, media, ids, false))),
                );
            }
            Input::Preload(load) => {
                if let Some(mut old) = self.next.take() {
                    old.close(&mut cx);
                }
                if let Some(load) = load {
                    if self.session.is_none() {
                        self.memory.begin(cx.now, &load, cx.abr);
                    }
                    let ids = new_ids(&mut cx, &mut self.session_id, &load);
                    let media = MediaState::default();
                    let next = Session::new(&mut cx, load, self.host, &media, ids, true);
                    self.next = Some(Box::new(next));
                }
            }
            Input::Unload => {}
            input => {
                match &input {
                    Input::Host(host) => self.host = *host,
                    Input::Media(media) => self.media = *media,
                    _ => {}
                }
                let probing = self.session.as_ref().is_some_and(|session| session.is_probing());
                let ahead = |next: &Session| match request_of(&input) {
                    Some(request) => next.knows(request),
                    None => matches!(input, Input::TypesSupported(_)) && !probing,
                };
                match (self.next.as_mut().filter(|next| ahead(next)), &mut self.session) {
                    (Some(next), _) => next.handle(&mut cx, input),
                    (None, Some(session)) => session.handle(&mut cx, input),
                    (None, None) => {}
                }
            }
        }
        if completed {
            self.memory.on_download(cx.now);
        }
        if (completed || end)
            && let Some(memory) = self.memory.due(cx.now, cx.abr, end)
        {
            cx.send(Output::Remember(memory));
        }
        self.deadline = match &mut self.session {
            Some(session) => session.pump(&mut cx),
            None => None,
        };
        let leisure = self
            .session
            .as_ref()
            .is_none_or(|session| session.is_at_leisure(&cx));
        if let Some(next) = self.next.as_mut().filter(|_| leisure) {
            let deadline = next.pump(&mut cx);
            self.deadline = [self.deadline, deadline].into_iter().flatten().min();
        }
    }

    /// The next thing to do. [`Output::Wait`] is the last one and is repeated until the next input.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Wait(self.deadline))
    }
}

/// The ids of a new view and of the player's session.
fn new_ids(cx: &mut Cx<'_>, session_id: &mut Option<String>, load: &Load) -> (String, String) {
    let mut id = || cx.rng.uuid_v7(load.wall_clock_ms);
    let session_id = session_id.get_or_insert_with(&mut id).clone();
    (id(), session_id)
}

/// The request that an input is about.
fn request_of(input: &Input) -> Option<RequestId> {
    match input {
        Input::Body { request, .. }
        | Input::Complete { request, .. }
        | Input::Decoding { request, .. }
        | Input::Failed { request, .. }
        | Input::Progress { request, .. }
        | Input::Response { request, .. } => Some(*request),
        _ => None,
    }
}
