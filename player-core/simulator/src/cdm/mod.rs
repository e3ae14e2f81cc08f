//! A virtual content decryption module and its licence server: it takes the engine's commands and answers on the virtual clock.
//!
//! A [`Scenario`] says how long it takes, which keys a licence has, for how long, and what goes wrong. Licences travel over the virtual
//! network like everything else: the driver asks [`Cdm::licence`] what the server answers to a message, lets as many bytes pass, and
//! hands the answer over ([`Cdm::hold`]). Only with a key that can be used ([`Cdm::usable`]) does the
//! [element](crate::element) show what is encrypted.
//!
//! Nothing here is a secret: there are no keys, only their ids.

mod faults;
mod keys;
mod scenario;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use player_core::Instant;
use player_core::drm::cdm::{
    ClosedReason, Command, Event, Grant, KeyStatus, MessageId, NoAccess, Refusal, SessionId,
};
use player_core::drm::{KeyId, KeySystem, MessageType};
use player_core::input::RequestId;
use player_core::output::LicenceRequest;

pub use faults::{CdmFault, Fault};
pub use keys::{Class, content_protection, init_data, key_attributes};
pub use scenario::{LICENCE_URL, Latency, Renewal, Right, Scenario};
pub use text::ScenarioError;

use crate::faults::FaultKind;
use crate::generate::random::Rng;

/// What a licence weighs, bytes: of a few keys, with signatures.
const LICENCE_BYTES: u64 = 2000;
/// How long a session takes to close.
const CLOSING: Duration = Duration::from_millis(1);
/// When the CDM asks for more, as a share of what a licence lasts.
const RENEWAL_SHARE: f64 = 0.8;

/// See the module's text.
#[derive(Clone, Debug)]
pub struct Cdm {
    scenario: Scenario,
    rng: Rng,
    now: Instant,
    attached: bool,
    sessions: BTreeMap<SessionId, KeySession>,
    /// Every session that there ever was, or was refused.
    known: BTreeSet<SessionId>,
    messages: BTreeMap<MessageId, Message>,
    told_messages: u64,
    coming: BTreeMap<(Instant, u64), Step>,
    order: u64,
    /// Licences that have come, and were not given to a session yet.
    held: BTreeMap<RequestId, Licence>,
    /// Keys that a licence was taken for.
    given: BTreeSet<KeyId>,
    requests: u64,
}

/// What a licence server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    keys: Vec<(KeyId, KeyStatus)>,
    lasts: Option<Duration>,
    /// It is whole.
    valid: bool,
}

/// An answer of the licence server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What goes wrong with it.
    pub fault: Option<FaultKind>,
    /// What it has.
    pub licence: Licence,
    /// Its size.
    pub bytes: u64,
}

impl Answer {
    /// What arrives: with some faults nothing of use.
    pub fn arrives(self) -> Licence {
        Licence {
            valid: self.fault.is_none(),
            ..self.licence
        }
    }
}

#[derive(Clone, Debug)]
struct KeySession {
    /// What it was made for.
    wanted: Vec<KeyId>,
    keys: Vec<(KeyId, KeyStatus)>,
    /// How many licences it has taken.
    licences: u32,
    /// It does one thing after the other: until when.
    busy: Instant,
}

#[derive(Clone, Debug)]
struct Message {
    session: SessionId,
    wanted: Vec<KeyId>,
}

#[derive(Clone, Debug)]
enum Step {
    /// Something to tell.
    Tell(Event),
    /// The next message of a session; of a renewal only while this licence is its newest.
    Ask(SessionId, MessageType, u32),
    Take(SessionId, Licence),
    /// A licence, by its number, is over.
    Expire(SessionId, u32),
    /// All sessions are lost; so many times more.
    Reset(u32),
}

impl Step {
    /// The session whose end is this step's, too.
    const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Tell(Event::Opened { session, .. } | Event::Updated { session, .. })
            | Self::Ask(session, ..)
            | Self::Take(session, _)
            | Self::Expire(session, _) => Some(*session),
            Self::Tell(_) | Self::Reset(_) => None,
        }
    }
}

impl Cdm {
    /// One that nobody has asked for anything; its time begins at `now`.
    pub fn new(scenario: &Scenario, now: Instant) -> Self {
        let mut cdm = Self {
            scenario: scenario.clone(),
            rng: Rng::of(&[scenario.seed, 0xcd3]),
            now,
            attached: false,
            sessions: BTreeMap::new(),
            known: BTreeSet::new(),
            messages: BTreeMap::new(),
            told_messages: 0,
            coming: BTreeMap::new(),
            order: 0,
            held: BTreeMap::new(),
            given: BTreeSet::new(),
            requests: 0,
        };
        if let Some((every, times)) = scenario.reset {
            cdm.at(now + every, Step::Reset(times));
        }
        cdm
    }

    /// The key system that it has.
    pub const fn system(&self) -> KeySystem {
        self.scenario.system
    }

    /// Takes a command; the answers come with time.
    ///
    /// # Errors
    /// If this is nothing that the engine may ask for now: a fault of the engine, in words.
    pub fn command(&mut self, command: &Command) -> Result<(), String> {
        let latency = self.scenario.latency;
        match command {
            Command::Access { request, candidates } => {
                let fits = |name: &str| KeySystem::of_key_system(name) == Some(self.scenario.system);
                let found = candidates.iter().enumerate().find(|(_, c)| fits(&c.key_system));
                let grant = found.map(|(candidate, c)| Grant {
                    candidate,
                    types: c.audio.iter().chain(&c.video).cloned().collect(),
                });
                let refused = self.fails(CdmFault::Access);
                let result = grant.filter(|_| !refused).ok_or(NoAccess::Unsupported);
                let request = *request;
                self.later(latency.access, Event::Access { request, result });
            }
            Command::Attach => {
                let error = self
                    .fails(CdmFault::Attach)
                    .then(|| "the element has failed".to_owned());
                self.attached = error.is_none();
                self.later(latency.access, Event::Attached { error });
            }
            Command::Certify { response } => {
                if let Some(response) = response {
                    self.held.remove(response);
                }
                self.later(latency.session, Event::Certified { error: None });
            }
            Command::Hdcp { .. } => {
                let lacking = Vec::new();
                self.later(Duration::ZERO, Event::Hdcp { lacking });
            }
            Command::Open { session, init, .. } => {
                if !self.attached {
                    return Err("a key session was opened before the element had its MediaKeys".to_owned());
                }
                self.open(*session, init.key_ids())?;
            }
            Command::Load { session, .. } => {
                self.known.insert(*session);
                let (session, result) = (*session, Err(Refusal::Absent));
                self.later(latency.session, Event::Opened { session, result });
            }
            Command::Update {
                session, response, ..
            } => {
                if !self.known.contains(session) {
                    return Err("a licence was given to a session that never was".to_owned());
                }
                let licence = self.held.remove(response);
                let licence = licence.ok_or("a session was given a licence that is not there")?;
                let after = self.takes(latency.update);
                match self.sessions.get_mut(session) {
                    Some(open) => {
                        open.busy = open.busy.max(self.now) + after;
                        let at = open.busy;
                        self.at(at, Step::Take(*session, licence));
                    }
                    None => {
                        let error = Some("the session is closed".to_owned());
                        let session = *session;
                        self.later(latency.update, Event::Updated { session, error });
                    }
                }
            }
            Command::Close { session } => {
                if self.end(*session) {
                    let reason = ClosedReason::ClosedByApplication;
                    let session = *session;
                    self.later(CLOSING, Event::Closed { session, reason });
                }
            }
            Command::Detach => {
                if !self.sessions.is_empty() {
                    return Err(format!("{} key sessions were never closed", self.sessions.len()));
                }
                self.attached = false;
            }
            other => {
                return Err(format!(
                    "it asked for something that this CDM has not got: {other:?}"
                ));
            }
        }
        Ok(())
    }

    /// What the licence server answers to this request.
    ///
    /// # Errors
    /// If it is for a message that never was, or was for another session.
    pub fn licence(&mut self, request: &LicenceRequest) -> Result<Answer, String> {
        let message = self.messages.get(&request.message);
        let message = message
            .filter(|message| message.session == request.session)
            .ok_or("a licence was asked for with a message that is not there")?;
        let all = Class::ALL.map(|class| class.key(0));
        let wanted = match message.wanted.as_slice() {
            [] => &all,
            wanted => wanted,
        };
        let keys = wanted.iter().filter_map(|key| {
            let right = self.scenario.right(Class::of_key(*key)?);
            Some((*key, right.status()?))
        });
        let licence = Licence {
            keys: keys.collect(),
            lasts: self.scenario.expiry,
            valid: true,
        };
        let again =
            self.scenario.renewal == Renewal::Refused && wanted.iter().any(|k| self.given.contains(k));
        self.requests += 1;
        let fault = self.licence_fault();
        Ok(Answer {
            fault: fault.or(again.then_some(FaultKind::Status(403))),
            licence,
            bytes: LICENCE_BYTES,
        })
    }

    /// An answer of the server has come, and waits to be given to a session.
    pub fn hold(&mut self, response: RequestId, licence: Licence) {
        self.held.insert(response, licence);
    }

    /// Nobody needs it any more; whether it was there.
    pub fn release(&mut self, response: RequestId) -> bool {
        self.held.remove(&response).is_some()
    }

    /// When [`Cdm::advance`] will next have something to do.
    pub fn next(&self) -> Option<Instant> {
        self.coming.first_key_value().map(|((at, _), _)| *at)
    }

    /// Lets time pass until `now`, and adds what happened to `out`.
    pub fn advance(&mut self, now: Instant, out: &mut Vec<Event>) {
        self.now = self.now.max(now);
        while let Some(entry) = self
            .coming
            .first_entry()
            .filter(|entry| entry.key().0 <= self.now)
        {
            let step = entry.remove();
            self.happens(step, out);
        }
    }

    /// The keys that can be used now.
    pub fn usable(&self) -> BTreeSet<KeyId> {
        let keys = self.sessions.values().flat_map(|session| &session.keys);
        keys.filter(|(_, status)| is_usable(*status))
            .map(|(key, _)| *key)
            .collect()
    }

    /// Requests for licences that were made.
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// Sessions that are open, and licences that were neither given to one nor let go of.
    pub fn left(&self) -> (usize, usize) {
        (self.sessions.len(), self.held.len())
    }

    fn open(&mut self, session: SessionId, wanted: Vec<KeyId>) -> Result<(), String> {
        if !self.known.insert(session) {
            return Err("a key session was opened twice".to_owned());
        }
        let latency = self.scenario.latency;
        let refusal = if self.fails(CdmFault::Session) {
            Some(Refusal::Other("the CDM has failed".to_owned()))
        } else {
            (self.sessions.len() >= self.scenario.sessions).then_some(Refusal::Quota)
        };
        if let Some(refusal) = refusal {
            let result = Err(refusal);
            self.later(latency.session, Event::Opened { session, result });
            return Ok(());
        }
        let opened = self.now + self.takes(latency.session);
        let asks = opened + self.takes(latency.request);
        let made = KeySession {
            wanted,
            keys: Vec::new(),
            licences: 0,
            busy: asks,
        };
        self.sessions.insert(session, made);
        let result = Ok(format!("session-{}", session.0));
        self.at(opened, Step::Tell(Event::Opened { session, result }));
        self.at(asks, Step::Ask(session, MessageType::LicenceRequest, 0));
        Ok(())
    }

    fn happens(&mut self, step: Step, out: &mut Vec<Event>) {
        match step {
            Step::Tell(event) => out.push(event),
            Step::Ask(session, message_type, licence) => {
                let Some(open) = self.sessions.get(&session).filter(|s| s.licences == licence) else {
                    return;
                };
                self.told_messages += 1;
                let message = MessageId(self.told_messages);
                let wanted = open.wanted.clone();
                self.messages.insert(message, Message { session, wanted });
                out.push(Event::Message {
                    session,
                    message,
                    message_type,
                });
            }
            Step::Take(session, licence) => self.take(session, licence, out),
            Step::Expire(session, licence) => {
                let open = self.sessions.get_mut(&session);
                let Some(open) = open.filter(|open| open.licences == licence) else {
                    return;
                };
                for (_, status) in open.keys.iter_mut().filter(|(_, status)| is_usable(*status)) {
                    *status = KeyStatus::Expired;
                }
                let keys = open.keys.clone();
                out.push(Event::Keys { session, keys });
            }
            Step::Reset(times) => {
                let lost: Vec<_> = self.sessions.keys().copied().collect();
                for session in lost {
                    self.end(session);
                    let reason = ClosedReason::HardwareContextReset;
                    out.push(Event::Closed { session, reason });
                }
                if let Some((every, _)) = self.scenario.reset
                    && times > 1
                {
                    self.at(self.now + every, Step::Reset(times - 1));
                }
            }
        }
    }

    /// A session has worked through a licence. Browsers tell of keys first.
    fn take(&mut self, session: SessionId, licence: Licence, out: &mut Vec<Event>) {
        if !licence.valid || self.fails(CdmFault::Update) {
            let error = Some("it is no licence".to_owned());
            return out.push(Event::Updated { session, error });
        }
        let Some(open) = self.sessions.get_mut(&session) else {
            return;
        };
        open.licences += 1;
        open.keys = licence.keys;
        let (number, keys) = (open.licences, open.keys.clone());
        self.given.extend(keys.iter().map(|(key, _)| *key));
        if let Some(lasts) = licence.lasts {
            self.at(self.now + lasts, Step::Expire(session, number));
            if self.scenario.renewal == Renewal::Message {
                let at = self.now + lasts.mul_f64(RENEWAL_SHARE);
                self.at(at, Step::Ask(session, MessageType::LicenceRenewal, number));
            }
        }
        out.push(Event::Keys { session, keys });
        out.push(Event::Updated { session, error: None });
    }

    /// Forgets a session; whether there was one.
    fn end(&mut self, session: SessionId) -> bool {
        self.coming.retain(|_, step| step.session() != Some(session));
        self.messages.retain(|_, message| message.session != session);
        self.sessions.remove(&session).is_some()
    }

    /// Whether this goes wrong now; uses up one of its times.
    fn fails(&mut self, kind: CdmFault) -> bool {
        self.fault(|known| known == kind).is_some()
    }

    fn licence_fault(&mut self) -> Option<FaultKind> {
        match self.fault(|known| matches!(known, CdmFault::Licence(_)))? {
            CdmFault::Licence(kind) => Some(kind),
            _ => None,
        }
    }

    fn fault(&mut self, is: impl Fn(CdmFault) -> bool) -> Option<CdmFault> {
        let mut faults = self.scenario.faults.iter_mut();
        let fault = faults.find(|fault| fault.times != Some(0) && is(fault.kind))?;
        if let Some(times) = &mut fault.times {
            *times -= 1;
        }
        Some(fault.kind)
    }

    fn takes(&mut self, usually: Duration) -> Duration {
        let jitter = self.scenario.jitter;
        if jitter == 0.0 {
            return usually;
        }
        usually.mul_f64(1.0 + jitter * (2.0 * self.rng.uniform() - 1.0))
    }

    fn later(&mut self, after: Duration, event: Event) {
        let after = self.takes(after);
        self.at(self.now + after, Step::Tell(event));
    }

    fn at(&mut self, at: Instant, step: Step) {
        self.order += 1;
        self.coming.insert((at, self.order), step);
    }
}

const fn is_usable(status: KeyStatus) -> bool {
    matches!(status, KeyStatus::Usable | KeyStatus::OutputDownscaled)
}

#[cfg(test)]
mod tests;
