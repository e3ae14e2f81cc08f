//! Key sessions, and the licences that they ask for.

use core::time::Duration;

use super::errors::Trouble;
use super::verdicts::{HOLD, Key, Renewal};
use super::{Drm, MAX_QUEUED, Stage};
use crate::drm::cdm::{ClosedReason, Command, KeyStatus, MessageId, Refusal, SessionId};
use crate::drm::{InitData, InitDataType, KeyId, KeySystem, MessageType};
use crate::error::{DrmErrorKind, ErrorKind, PlayerError};
use crate::input::RequestId;
use crate::output::{LicenceRequest, Output, PlayerEvent};
use crate::streaming::context::Cx;
use crate::streaming::requests::{JobId, Requests};
use crate::time::Instant;

/// A CDM that fails more often than this is given up.
const MAX_RESETS: u32 = 3;
/// Sessions that are closed within so long of each other are so for one reason.
const RESET: Duration = Duration::from_secs(1);

/// A key session.
#[derive(Debug)]
pub(super) struct KeySession {
    pub(super) id: SessionId,
    /// What it was opened for; none if its licence was stored.
    init: Option<InitData>,
    /// The keys that this names; empty if it does not say.
    named: Vec<KeyId>,
    /// The keys that it has told of.
    has: Vec<KeyId>,
    /// Its request is being made, or a licence is on its way.
    opening: bool,
    job: Option<(JobId, MessageType)>,
    updating: bool,
    /// When the CDM took a licence last.
    pub(super) answered_at: Option<Instant>,
    /// Why it has no keys, and in which words.
    pub(super) failed: Option<DrmErrorKind>,
    pub(super) error: Option<(Trouble, String)>,
    closed: bool,
    /// Its keys had run out before it was done with their licence.
    renews: bool,
    /// The CDM's id of it was told.
    stored: bool,
    cdm_id: String,
}

impl KeySession {
    fn new(id: SessionId, init: Option<InitData>) -> Self {
        let named = init.as_ref().map(InitData::key_ids).unwrap_or_default();
        Self {
            id,
            init,
            named,
            has: Vec::new(),
            opening: true,
            job: None,
            updating: false,
            answered_at: None,
            failed: None,
            error: None,
            closed: false,
            renews: false,
            stored: false,
            cdm_id: String::new(),
        }
    }

    /// It has not said yet what it has.
    pub(super) fn is_busy(&self) -> bool {
        !self.closed && self.failed.is_none() && (self.opening || self.updating || self.job.is_some())
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// It has a key, or may get it.
    pub(super) fn may_have(&self, key: KeyId) -> bool {
        self.has.contains(&key) || self.named.is_empty() || self.named.contains(&key)
    }

    /// It need not be opened once more.
    fn is_for(&self, init: &InitData) -> bool {
        !self.closed && self.init.as_ref() == Some(init)
    }
}

impl Drm {
    /// A session has a key, or is about to.
    pub(super) fn covers(&self, key: KeyId) -> bool {
        let mut open = self.sessions.iter().filter(|s| !s.closed);
        open.any(|s| s.has.contains(&key) || s.named.contains(&key))
            || self.queue.iter().any(|init| init.key_ids().contains(&key))
    }

    pub(super) fn enqueue(&mut self, init: InitData) {
        let known = self.queue.contains(&init) || self.sessions.iter().any(|s| s.is_for(&init));
        if !known && self.queue.len() < MAX_QUEUED {
            self.queue.push(init);
        }
    }

    /// The element has met initialization data. FairPlay begins with it; else it says once more what is known already, if manifest and
    /// media were understood.
    pub(super) fn on_encrypted(&mut self, init: InitData) {
        let keys = init.key_ids();
        let known = match keys.as_slice() {
            [] => !self.sessions.is_empty() || !self.queue.is_empty(),
            keys => keys.iter().all(|key| self.covers(*key)),
        };
        if self.stage == Stage::Clear {
            self.stage = Stage::Needed;
        }
        let fits = match self.system() {
            Some(KeySystem::FairPlay) => matches!(init.kind, InitDataType::Sinf | InitDataType::Skd),
            _ => !matches!(init.kind, InitDataType::Sinf | InitDataType::Skd),
        };
        if !known && fits {
            self.enqueue(init);
        }
    }

    /// Loads the licences that were stored.
    pub(super) fn load_stored(&mut self, cx: &mut Cx<'_>) {
        let most = cx.config.drm.max_sessions.max(1);
        let stored: Vec<String> = cx.config.drm.stored.iter().take(most).cloned().collect();
        for stored in stored {
            let session = SessionId(cx.request_id().0);
            self.sessions.push(KeySession {
                stored: true,
                ..KeySession::new(session, None)
            });
            cx.send(Output::Drm(Command::Load { session, stored }));
        }
    }

    /// Opens sessions for what is wanted.
    pub(super) fn open(&mut self, cx: &mut Cx<'_>) -> Option<Instant> {
        let system = self.system()?;
        // What was stored may have it.
        let mut until = None;
        for session in self
            .sessions
            .iter()
            .filter(|s| s.init.is_none() && s.has.is_empty() && !s.closed)
        {
            until = Some(session.answered_at? + HOLD).max(until);
        }
        if until.is_some_and(|until| cx.now < until) {
            return until;
        }
        let mut found = Vec::new();
        for way in self.ways.iter_mut().filter(|way| way.wanted && !way.queued) {
            way.queued = true;
            found.extend(InitData::of_manifest(system, &way.protection));
        }
        for init in found {
            self.enqueue(init);
        }
        // What the element has met may be for every key system.
        let queue = core::mem::take(&mut self.queue).into_iter();
        let mut queue: Vec<InitData> = queue.filter_map(|init| init.for_system(system)).collect();
        queue.retain(|init| {
            let keys = init.key_ids();
            keys.is_empty() || keys.iter().any(|key| !self.covers(*key))
        });
        if system == KeySystem::ClearKey {
            // Nothing but ids: one request asks for all.
            let mut keys: Vec<KeyId> = queue.iter().flat_map(InitData::key_ids).collect();
            keys.retain(|key| !self.covers(*key));
            keys.sort_unstable();
            keys.dedup();
            queue = InitData::of_media(system, &[], &keys).into_iter().collect();
        }
        for init in queue {
            self.make_room(cx);
            let session = SessionId(cx.request_id().0);
            self.sessions.push(KeySession::new(session, Some(init.clone())));
            let persistent = cx.config.drm.persistent;
            cx.send(Output::Drm(Command::Open {
                session,
                persistent,
                init,
            }));
        }
        None
    }

    /// Closes the oldest sessions where there are as many as there may be.
    fn make_room(&mut self, cx: &mut Cx<'_>) {
        self.sessions
            .retain(|session| !session.closed || session.failed.is_some());
        while self.sessions.len() >= cx.config.drm.max_sessions.max(1) {
            let old = self.sessions.remove(0);
            self.forget_keys(cx.now, old.id);
            if !old.closed {
                cx.send(Output::Drm(Command::Close { session: old.id }));
            }
        }
    }

    fn forget_keys(&mut self, now: Instant, session: SessionId) {
        for key in self.keys.iter_mut().filter(|key| key.session == Some(session)) {
            key.status = None;
            key.session = None;
            // It has all its time again.
            key.needed = key.needed.map(|_| now);
        }
    }

    fn session(&mut self, id: SessionId) -> Option<&mut KeySession> {
        self.sessions
            .iter_mut()
            .find(|session| session.id == id && !session.closed)
    }

    pub(super) fn on_opened(&mut self, cx: &mut Cx<'_>, id: SessionId, result: Result<String, Refusal>) {
        let Some(session) = self.session(id) else { return };
        let refusal = match result {
            Ok(cdm_id) => {
                session.cdm_id = cdm_id;
                // Of what was stored nothing is to be fetched.
                if session.init.is_none() {
                    session.opening = false;
                    session.answered_at = Some(cx.now);
                }
                return;
            }
            Err(refusal) => refusal,
        };
        session.closed = true;
        let was_stored = session.init.is_none();
        let (kind, message) = match refusal {
            Refusal::Quota => (
                DrmErrorKind::SessionLimit,
                "the CDM has as many key sessions as it can have".to_owned(),
            ),
            Refusal::Absent => (
                DrmErrorKind::Session,
                "a stored licence is not in the CDM's store any more".to_owned(),
            ),
            Refusal::Other(why) => (
                DrmErrorKind::Session,
                format!("the CDM refused to make a request for a licence: {why}"),
            ),
        };
        if was_stored {
            // The server may still have it.
            self.sessions.retain(|session| session.id != id);
            return self.report(Trouble::new(kind), message);
        }
        if kind == DrmErrorKind::SessionLimit
            && let Some(at) = self
                .sessions
                .iter()
                .position(|s| s.id != id && !s.closed && !s.is_busy())
        {
            // The oldest one makes room.
            let old = self.sessions.remove(at);
            self.forget_keys(cx.now, old.id);
            cx.send(Output::Drm(Command::Close { session: old.id }));
            let again = self.sessions.iter().position(|s| s.id == id);
            let init = again.and_then(|at| self.sessions.remove(at).init);
            return self.queue.extend(init);
        }
        self.fail_session(id, Trouble::new(kind), message);
    }

    pub(super) fn on_message(
        &mut self,
        cx: &mut Cx<'_>,
        requests: &mut Requests,
        id: SessionId,
        message: MessageId,
        message_type: MessageType,
    ) {
        let Some(chosen) = &self.chosen else { return };
        let system = chosen.system;
        let url = match message_type {
            MessageType::IndividualizationRequest if !chosen.individualization_server.is_empty() => {
                chosen.individualization_server.clone()
            }
            _ => chosen.server.clone(),
        };
        let Some(session) = self.session(id) else { return };
        if let Some((job, _)) = session.job.take() {
            requests.cancel(cx, job);
        }
        session.opening = false;
        let licence = LicenceRequest {
            system,
            session: id,
            message,
            message_type,
        };
        let job = requests.start_licence(cx, &url, licence);
        session.job = Some((job, message_type));
    }

    /// The licence server has answered.
    pub(crate) fn on_licence(&mut self, cx: &mut Cx<'_>, id: SessionId, response: RequestId) {
        let taken = self.session(id).and_then(|session| {
            let (_, message_type) = session.job.take()?;
            session.updating = true;
            Some(message_type)
        });
        let Some(message_type) = taken else {
            return cx.send(Output::Release { request: response });
        };
        cx.send(Output::Drm(Command::Update {
            session: id,
            message_type,
            response,
        }));
    }

    /// The licence server has not answered, or said no.
    pub(crate) fn on_no_licence(&mut self, id: SessionId, status: u16, error: &PlayerError) {
        let kind = match error.kind {
            ErrorKind::Http => DrmErrorKind::RequestHttp,
            ErrorKind::Network | ErrorKind::Timeout => DrmErrorKind::RequestNetwork,
            _ => DrmErrorKind::ResponseRejected,
        };
        let Some(session) = self.session(id) else { return };
        session.job = None;
        let trouble = Trouble {
            session: Some(id),
            status: (kind == DrmErrorKind::RequestHttp).then_some(status),
            ..Trouble::new(kind)
        };
        self.fail_session(id, trouble, error.message.clone());
    }

    pub(super) fn on_updated(&mut self, cx: &mut Cx<'_>, id: SessionId, error: Option<String>) {
        let Some(session) = self.session(id) else { return };
        session.updating = false;
        if let Some(why) = error {
            let message = format!("the licence was refused: {why}");
            return self.fail_session(id, Trouble::new(DrmErrorKind::ResponseRejected), message);
        }
        session.answered_at = Some(cx.now);
        session.failed = None;
        session.error = None;
        let renews = core::mem::take(&mut session.renews);
        if cx.config.drm.persistent && !session.stored && !session.cdm_id.is_empty() {
            session.stored = true;
            let id = session.cdm_id.clone();
            cx.event(PlayerEvent::LicenceStored { id });
        }
        let is_over = |key: &Key| key.session == Some(id) && key.status == Some(KeyStatus::Expired);
        if renews && self.keys.iter().any(is_over) {
            self.renew(cx, id);
        }
    }

    /// A session gets no licence. Keys that it has can be used until they run out.
    fn fail_session(&mut self, id: SessionId, trouble: Trouble, message: String) {
        let trouble = Trouble {
            session: Some(id),
            ..trouble
        };
        let kind = trouble.kind;
        if let Some(session) = self.sessions.iter_mut().find(|session| session.id == id) {
            session.opening = false;
            session.failed = Some(kind);
            session.error = Some((trouble, message.clone()));
        }
        // What has run out may be asked for by a session of its own, which has told of no key.
        let named = self.sessions.iter().find(|session| session.id == id);
        let named = named.map(|session| session.named.clone()).unwrap_or_default();
        let of_session = |key: &&mut Key| key.session == Some(id) || named.contains(&key.id);
        for key in self.keys.iter_mut().filter(of_session) {
            if matches!(key.renewal, Renewal::Asked(_)) {
                key.renewal = Renewal::Failed;
            }
        }
        self.report(trouble, message);
    }

    pub(super) fn on_keys(&mut self, cx: &mut Cx<'_>, id: SessionId, keys: &[(KeyId, KeyStatus)]) {
        let swaps = self.system() == Some(KeySystem::PlayReady);
        let Some(session) = self.session(id) else { return };
        let before = core::mem::take(&mut session.has);
        let named = session.named.clone();
        let mut has = Vec::new();
        let mut expired = false;
        for (key, status) in keys {
            // Some PlayReady CDMs write ids as GUIDs.
            let guid = KeyId::of_guid(key.0);
            let is_known = |id: &KeyId| named.contains(id) || self.keys.iter().any(|known| known.id == *id);
            let key_id = if swaps && !is_known(key) && is_known(&guid) {
                guid
            } else {
                *key
            };
            has.push(key_id);
            let Some(key) = self.key(key_id) else { continue };
            // Another session has a better one.
            if key.session.is_some_and(|other| other != id) && key.is_usable() && *status > KeyStatus::Usable
            {
                continue;
            }
            let was_of = key.session.replace(id);
            key.status = Some(*status);
            match status {
                KeyStatus::Usable | KeyStatus::OutputDownscaled => key.renewal = Renewal::None,
                KeyStatus::Expired => match key.renewal {
                    Renewal::None => {
                        key.renewal = Renewal::Asked(cx.now);
                        expired = true;
                    }
                    Renewal::Asked(_) if was_of != Some(id) => key.renewal = Renewal::Failed,
                    _ => {}
                },
                _ => {}
            }
        }
        for gone in before.into_iter().filter(|key| !has.contains(key)) {
            if let Some(key) = self.key(gone).filter(|key| key.session == Some(id)) {
                key.status = None;
            }
        }
        if let Some(session) = self.session(id) {
            session.has = has;
        }
        if expired {
            self.renew(cx, id);
        }
    }

    /// Asks for a licence once more.
    fn renew(&mut self, cx: &mut Cx<'_>, id: SessionId) {
        let system = self.system();
        let Some(session) = self.session(id) else { return };
        if session.is_busy() {
            session.renews = true;
            return;
        }
        if system == Some(KeySystem::FairPlay) {
            return cx.send(Output::Drm(Command::Renew { session: id }));
        }
        match session.init.clone() {
            Some(init) => {
                session.closed = true;
                session.has.clear();
                session.named.clear();
                session.failed = None;
                cx.send(Output::Drm(Command::Close { session: id }));
                self.sessions.retain(|session| session.id != id);
                self.queue.push(init);
            }
            None => {
                for key in self.keys.iter_mut().filter(|key| key.session == Some(id)) {
                    key.renewal = Renewal::Failed;
                }
            }
        }
    }

    pub(super) fn on_closed(
        &mut self,
        cx: &mut Cx<'_>,
        requests: &mut Requests,
        id: SessionId,
        reason: ClosedReason,
    ) {
        let Some(at) = self.sessions.iter().position(|s| s.id == id && !s.closed) else {
            return;
        };
        let session = self.sessions.remove(at);
        if let Some((job, _)) = session.job {
            requests.cancel(cx, job);
        }
        self.forget_keys(cx.now, id);
        match reason {
            ClosedReason::ClosedByApplication | ClosedReason::ReleaseAcknowledged => {}
            ClosedReason::ResourceEvicted => self.queue.extend(session.init),
            ClosedReason::HardwareContextReset | ClosedReason::InternalError => {
                // A reset closes all sessions.
                let (resets, last) = &mut self.resets;
                if last.is_none_or(|last| cx.now.since(last) > RESET) {
                    *resets += 1;
                }
                *last = Some(cx.now);
                let is_over = *resets > MAX_RESETS;
                let trouble = Trouble {
                    session: Some(id),
                    ..Trouble::new(DrmErrorKind::CdmReset)
                };
                if is_over {
                    let message = "the CDM has failed too often".to_owned();
                    return self.fail(DrmErrorKind::CdmReset, message);
                }
                self.report(
                    trouble,
                    "the CDM was reset: its keys are fetched again".to_owned(),
                );
                self.queue.extend(session.init);
            }
        }
    }

    /// Gives back the licences that were stored.
    pub(crate) fn remove(&self, cx: &mut Cx<'_>) {
        for session in self.sessions.iter().filter(|s| s.stored && !s.closed) {
            let session = session.id;
            cx.send(Output::Drm(Command::Remove { session }));
        }
    }
}
