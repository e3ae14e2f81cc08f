//! What is protected: the CDM, its licences over the network, and how long they were waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use player_core::Instant;
use player_core::drm::KeyId;
use player_core::drm::cdm::{Command, Event};
use player_core::input::{Input, Integrity, RequestId};
use player_core::output::LicenceRequest;

use super::{Driver, response};
use crate::cdm::{Answer, Cdm, LICENCE_URL, Scenario, init_data};
use crate::element::Stall;
use crate::faults::FaultKind;
use crate::network::{Arrival, What};

/// A shorter halt is none, for the engine either.
const MIN_REBUFFER: Duration = Duration::from_millis(250);

/// How long keys were waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyFigures {
    /// Requests for licences.
    pub licences: u64,
    /// Of the start-up, the time in which a key was all that was missing.
    pub startup: Duration,
    /// Rebufferings for want of a key,
    pub rebuffers: u32,
    /// and how long they were.
    pub rebuffer: Duration,
}

/// The CDM, and what goes on between it and the element.
pub(super) struct Keys {
    cdm: Cdm,
    /// Licences on their way.
    asked: BTreeMap<RequestId, Answer>,
    /// Keys of initialization data that the element has met.
    met: BTreeSet<KeyId>,
    /// What the element has waited for last.
    waits: Option<KeyId>,
}

impl Keys {
    pub(super) fn new(scenario: &Scenario, now: Instant) -> Self {
        Self {
            cdm: Cdm::new(scenario, now),
            asked: BTreeMap::new(),
            met: BTreeSet::new(),
            waits: None,
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.cdm.next()
    }

    pub(super) fn cancel(&mut self, request: RequestId) {
        self.asked.remove(&request);
    }

    pub(super) fn release(&mut self, request: RequestId) {
        self.cdm.release(request);
    }

    pub(super) fn finish(self, stalls: &[Stall]) -> KeyFigures {
        let waits = stalls.iter().skip(1).map(|stall| stall.for_key);
        let rebuffers: Vec<_> = waits.filter(|wait| *wait >= MIN_REBUFFER).collect();
        KeyFigures {
            licences: self.cdm.requests(),
            startup: stalls.first().map_or(Duration::ZERO, |stall| stall.for_key),
            rebuffers: u32::try_from(rebuffers.len()).unwrap_or(u32::MAX),
            rebuffer: rebuffers.iter().sum(),
        }
    }
}

impl Driver<'_, '_> {
    pub(super) fn command(&mut self, command: &Command) -> Result<(), String> {
        let keys = self.keys.as_mut();
        let keys = keys.ok_or("it spoke to a CDM though nothing is protected")?;
        keys.cdm.command(command)?;
        self.unlock();
        Ok(())
    }

    /// Lets the CDM do what is due.
    pub(super) fn advance_keys(&mut self) {
        let Some(keys) = &mut self.keys else { return };
        let mut events = Vec::new();
        keys.cdm.advance(self.now, &mut events);
        if events.is_empty() {
            return;
        }
        self.queue.extend(events.into_iter().map(Input::Drm));
        self.unlock();
    }

    /// The element has other keys, perhaps.
    fn unlock(&mut self) {
        let Some(keys) = &self.keys else { return };
        let changed = self.element.set_keys(keys.cdm.usable());
        self.changed(changed);
    }

    /// Something was appended that is encrypted with this key.
    pub(super) fn meet(&mut self, key: Option<KeyId>) {
        let Some((keys, key)) = self.keys.as_mut().zip(key) else {
            return;
        };
        if keys.met.insert(key)
            && let Some(init) = init_data(keys.cdm.system(), key)
        {
            self.queue.push_back(Input::Drm(Event::Encrypted { init }));
        }
        self.wait_for_key();
    }

    /// Tells the engine that the element waits for a key, once each time.
    pub(super) fn wait_for_key(&mut self) {
        let Some(keys) = &mut self.keys else { return };
        let waits = self.element.waits_for_key();
        if waits.is_some() && keys.waits != waits {
            self.queue.push_back(Input::Drm(Event::WaitingForKey));
        }
        keys.waits = waits;
    }

    pub(super) fn fetch_licence(
        &mut self,
        request: RequestId,
        url: &str,
        licence: &LicenceRequest,
    ) -> Result<(), String> {
        let keys = self.keys.as_mut();
        let keys = keys.ok_or("it asked for a licence though nothing is protected")?;
        if url != LICENCE_URL {
            return Err(format!("it asked for a licence at {url}"));
        }
        let answer = keys.cdm.licence(licence)?;
        match answer.fault {
            // Nothing is heard of it.
            Some(FaultKind::Timeout) => {}
            Some(FaultKind::Refuse) => {
                let input = self.lost(request, 0, "the connection was refused");
                self.queue.push_back(input);
                return Ok(());
            }
            Some(FaultKind::Break | FaultKind::Truncate) => self.network.request(request, answer.bytes / 2),
            Some(_) => self.network.request(request, 1),
            None => self.network.request(request, answer.bytes),
        }
        keys.asked.insert(request, answer);
        Ok(())
    }

    /// Something has arrived of a licence, if it is one.
    pub(super) fn licence_arrived(&mut self, arrival: &Arrival) -> bool {
        let request = arrival.request;
        let Some(answer) = self.keys.as_mut().and_then(|keys| keys.asked.get(&request)) else {
            return false;
        };
        let fault = answer.fault;
        let input = match arrival.what {
            What::Headers(_) => {
                let (status, content_type) = match fault {
                    Some(FaultKind::Status(status)) => (status, "text/plain"),
                    Some(FaultKind::RetryAfter) => (429, "text/plain"),
                    Some(FaultKind::Html) => (200, "text/html"),
                    _ => (200, "application/octet-stream"),
                };
                let mut head = response(request, status, content_type, answer.bytes);
                if let Input::Response {
                    content_length,
                    retry_after_s,
                    ..
                } = &mut head
                {
                    *content_length = None;
                    *retry_after_s = (fault == Some(FaultKind::RetryAfter)).then_some(3);
                }
                head
            }
            What::Progress(bytes) => Input::Progress { request, bytes },
            What::Complete(bytes) if fault == Some(FaultKind::Break) => {
                self.forget_licence(request);
                self.lost(request, bytes, "the connection broke")
            }
            What::Complete(bytes) => {
                if let Some((keys, answer)) = self.forget_licence(request) {
                    keys.cdm.hold(request, answer.arrives());
                }
                Input::Complete {
                    request,
                    bytes,
                    integrity: Integrity::Whole,
                    cached: false,
                    media: None,
                }
            }
            What::Broken(bytes) => {
                self.forget_licence(request);
                self.lost(request, bytes, "the connection broke")
            }
            What::Unreachable => {
                self.forget_licence(request);
                self.lost(request, 0, "no connection could be made")
            }
        };
        self.queue.push_back(input);
        true
    }

    fn forget_licence(&mut self, request: RequestId) -> Option<(&mut Keys, Answer)> {
        let keys = self.keys.as_mut()?;
        let answer = keys.asked.remove(&request)?;
        Some((keys, answer))
    }

    /// What is left of the keys when everything is unloaded.
    pub(super) fn keys_left(&self) -> Result<(), String> {
        let (sessions, licences) = self.keys.as_ref().map_or((0, 0), |keys| keys.cdm.left());
        if sessions + licences == 0 {
            return Ok(());
        }
        Err(format!(
            "{sessions} key sessions and {licences} licences were never let go of"
        ))
    }
}
