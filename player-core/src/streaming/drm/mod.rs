//! Key systems: which one, its sessions and licences, and which keys can be used.
//!
//! What is declared asks for access to a key system at once, so that licences come beside the first segments; sessions are opened for what
//! is about to be played. A key that cannot be used takes its renditions out of the ladder; that none is left ends playback.

mod access;
mod errors;
mod locks;
mod sessions;
mod verdicts;

use core::time::Duration;

pub(crate) use self::locks::{Lock, Locks};

use self::access::Way;
use self::errors::Trouble;
use self::sessions::KeySession;
use self::verdicts::Key;
use super::context::Cx;
use super::requests::Requests;
use crate::config::{Certificate, DrmConfig, KeySystemConfig};
use crate::drm::cdm::{Candidate, Command, Event, Grant, NoAccess};
use crate::drm::{InitData, KeyId, KeySystem};
use crate::error::{DrmErrorKind, PlayerError};
use crate::input::{RequestId, TrackKind};
use crate::media::fmp4::Protected;
use crate::output::Output;
use crate::presentation::{Protection, Rendition};
use crate::time::Instant;

/// A manifest declares no more; what comes after is not used.
const MAX_WAYS: usize = 512;
const MAX_KEYS: usize = 1024;
const MAX_QUEUED: usize = 64;
/// MIME types that a browser is asked about, a kind.
const MAX_TYPES: usize = 16;

/// So long an element shows what it has decoded before it met what it has no key for.
const DRAIN: Duration = Duration::from_millis(250);

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Drm {
    stage: Stage,
    /// It is loaded ahead: nothing is asked for yet.
    pub(crate) held: bool,
    ways: Vec<Way>,
    /// Types of what is protected.
    audio: Vec<String>,
    video: Vec<String>,
    /// Versions of HDCP that renditions demand.
    hdcp: Vec<String>,
    /// So many of them the browser was asked about.
    hdcp_asked: usize,
    /// What the browser was asked for.
    offered: Vec<(KeySystemConfig, Candidate)>,
    chosen: Option<KeySystemConfig>,
    locks: Locks,
    /// Sessions are to be opened for these.
    queue: Vec<InitData>,
    sessions: Vec<KeySession>,
    keys: Vec<Key>,
    /// Other keys can be used than before.
    changed: bool,
    /// Since when the element waits for a key.
    waiting: Option<Instant>,
    /// How often the CDM has failed, and when last.
    resets: (u32, Option<Instant>),
    trouble: Vec<PlayerError>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Stage {
    /// Nothing is protected, as far as is known.
    #[default]
    Clear,
    /// A key system is needed.
    Needed,
    /// The browser was asked for one.
    Asking(RequestId),
    /// `MediaKeys` are made, and the certificate is on its way.
    Attaching {
        attached: bool,
        certified: bool,
    },
    Ready,
    Failed,
}

impl Drm {
    // What is protected ------------------------------------------------------------------------------------------------

    /// A rendition can be played only with one of these ways to get at keys; the key systems of `config` come into question.
    pub(crate) fn declare(&mut self, kind: TrackKind, rendition: &Rendition, ways: &[Protection]) {
        if ways.is_empty() {
            return;
        }
        for way in ways {
            self.way(way);
        }
        if let Some(version) = locks::hdcp_version(&rendition.hdcp_level)
            && !self.hdcp.iter().any(|known| known == version)
        {
            self.hdcp.push(version.to_owned());
        }
        self.need(kind, &rendition.mime());
    }

    fn way(&mut self, way: &Protection) -> Option<&mut Way> {
        let at = match self.ways.iter().position(|known| known.protection == *way) {
            Some(at) => at,
            None if self.ways.len() < MAX_WAYS => {
                self.ways.push(Way::new(way.clone()));
                self.ways.len() - 1
            }
            None => return None,
        };
        self.ways.get_mut(at)
    }

    fn need(&mut self, kind: TrackKind, mime: &str) {
        let types = match kind {
            TrackKind::Audio => &mut self.audio,
            _ => &mut self.video,
        };
        if !mime.is_empty() && types.len() < MAX_TYPES && !types.iter().any(|known| known == mime) {
            types.push(mime.to_owned());
        }
        if self.stage == Stage::Clear {
            self.stage = Stage::Needed;
        }
    }

    /// Something is about to be played, or said to be fetched ahead (`EXT-X-SESSION-KEY`), that needs these keys.
    pub(crate) fn want(&mut self, now: Instant, ways: &[Protection], keys: &[KeyId]) {
        for way in ways {
            if let Some(way) = self.way(way) {
                way.wanted = true;
            }
        }
        for key in keys.iter().filter(|key| !key.is_zero()) {
            self.needs_key(now, *key);
        }
    }

    /// Media says how it is protected. True if that was not known.
    pub(crate) fn on_media(&mut self, now: Instant, kind: TrackKind, mime: &str, facts: &Protected) {
        self.need(kind, mime);
        let known: Vec<KeyId> = facts.key_ids().filter(|id| !id.is_zero()).collect();
        for id in &known {
            self.needs_key(now, *id);
        }
        let Some(system) = self.system() else {
            // Until it is known for whom.
            for pssh in &facts.pssh {
                let way = Protection {
                    pssh: pssh.clone(),
                    key_ids: known.iter().map(|id| id.0).collect(),
                    ..Protection::default()
                };
                if let Some(way) = self.way(&way) {
                    way.wanted = true;
                }
            }
            return;
        };
        let is_news = known.iter().any(|id| !self.covers(*id)) || known.is_empty();
        if is_news && let Some(init) = InitData::of_media(system, &facts.pssh, &known) {
            self.enqueue(init);
        }
    }

    fn needs_key(&mut self, now: Instant, id: KeyId) {
        if let Some(key) = self.key(id) {
            key.needed.get_or_insert(now);
            // Another rendition has it too.
            self.changed |= key.blocked.is_some();
        }
    }

    fn key(&mut self, id: KeyId) -> Option<&mut Key> {
        let at = match self.keys.iter().position(|key| key.id == id) {
            Some(at) => at,
            None => {
                if self.keys.len() >= MAX_KEYS {
                    self.keys.remove(0);
                }
                self.keys.push(Key::new(id));
                self.keys.len() - 1
            }
        };
        self.keys.get_mut(at)
    }

    // What is known ----------------------------------------------------------------------------------------------------

    /// What is protected like this may be played, as far as the configuration goes.
    pub(crate) fn may_open(config: &DrmConfig, ways: &[Protection]) -> bool {
        access::systems(config, ways.iter()).next().is_some()
    }

    pub(crate) fn system(&self) -> Option<KeySystem> {
        self.chosen.as_ref().map(|chosen| chosen.system)
    }

    /// Source buffers must wait: some browsers take `MediaKeys` only before the first encrypted bytes.
    pub(crate) fn keeps_waiting(&self) -> bool {
        match self.stage {
            Stage::Clear | Stage::Ready | Stage::Failed => false,
            Stage::Attaching { attached, .. } => !attached,
            Stage::Needed | Stage::Asking(_) => true,
        }
    }

    /// What cannot be used now, if that is something else than when this was asked last.
    pub(crate) fn take_locks(&mut self) -> Option<Locks> {
        if !core::mem::take(&mut self.changed) {
            return None;
        }
        let blocked = self.keys.iter().filter(|key| key.blocked.is_some());
        self.locks.keys = blocked.map(|key| key.id).collect();
        Some(self.locks.clone())
    }

    /// Renditions need other keys than before.
    pub(crate) fn reconsider(&mut self) {
        self.changed = true;
    }

    /// What went wrong since this was asked last.
    pub(crate) fn take_trouble(&mut self) -> Vec<PlayerError> {
        core::mem::take(&mut self.trouble)
    }

    /// Since when the element has waited for a key.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.is_some()
    }

    /// The element has enough to go on. That it waits for a key is told, in some browsers, before its readiness falls: then it does not.
    pub(crate) fn on_progress(&mut self, now: Instant) {
        self.waiting = self.waiting.filter(|since| now.since(*since) < DRAIN);
    }

    /// The element is emptied.
    pub(crate) fn on_emptied(&mut self) {
        self.waiting = None;
    }

    // What is to be done -----------------------------------------------------------------------------------------------

    /// Does what is due; says when to come back.
    pub(crate) fn act(&mut self, cx: &mut Cx<'_>) -> Option<Instant> {
        if self.held {
            return None;
        }
        let again = match self.stage {
            Stage::Needed => {
                self.ask(cx);
                None
            }
            Stage::Ready => {
                if self.hdcp.len() > self.hdcp_asked {
                    self.hdcp_asked = self.hdcp.len();
                    let versions = self.hdcp.clone();
                    cx.send(Output::Drm(Command::Hdcp { versions }));
                }
                self.open(cx)
            }
            _ => None,
        };
        [again, self.judge(cx)].into_iter().flatten().min()
    }

    /// Takes what happened. Messages and answers of sessions that are not (any more) mean nothing.
    pub(crate) fn handle(&mut self, cx: &mut Cx<'_>, requests: &mut Requests, event: Event) {
        match event {
            Event::Access { request, result } if self.stage == Stage::Asking(request) => {
                self.on_access(cx, requests, result);
            }
            Event::Access { .. } => {}
            Event::Attached { error } => self.on_attached(cx, error),
            Event::Certified { error } => self.on_certified(cx, error),
            Event::Hdcp { lacking } => {
                self.locks.hdcp = lacking;
                self.changed = true;
            }
            Event::Encrypted { init } => self.on_encrypted(init),
            Event::WaitingForKey => {
                self.waiting.get_or_insert(cx.now);
            }
            Event::Opened { session, result } => self.on_opened(cx, session, result),
            Event::Message {
                session,
                message,
                message_type,
            } => self.on_message(cx, requests, session, message, message_type),
            Event::Updated { session, error } => self.on_updated(cx, session, error),
            Event::Keys { session, keys } => self.on_keys(cx, session, &keys),
            Event::Closed { session, reason } => self.on_closed(cx, requests, session, reason),
        }
    }

    fn ask(&mut self, cx: &mut Cx<'_>) {
        let ways = self.ways.iter().map(|way| &way.protection);
        let systems: Vec<KeySystemConfig> = access::systems(&cx.config.drm, ways).collect();
        self.offered = systems
            .into_iter()
            .flat_map(|system| self.candidates(cx.config.drm.persistent, system))
            .collect();
        if self.offered.is_empty() {
            let ways: Vec<Protection> = self.ways.iter().map(|way| way.protection.clone()).collect();
            let error = self.no_config(&ways);
            return self.fail(DrmErrorKind::NoConfig, error.message);
        }
        let request = cx.request_id();
        self.stage = Stage::Asking(request);
        let candidates = self.offered.iter().map(|(_, candidate)| candidate.clone());
        let candidates = candidates.collect();
        cx.send(Output::Drm(Command::Access { request, candidates }));
    }

    fn on_access(&mut self, cx: &mut Cx<'_>, requests: &mut Requests, result: Result<Grant, NoAccess>) {
        let granted = result.and_then(|grant| {
            let offered = self.offered.get(grant.candidate).cloned();
            Ok((offered.ok_or(NoAccess::Unsupported)?, grant.types))
        });
        let ((system, candidate), types) = match granted {
            Ok(granted) => granted,
            Err(why) => {
                let names = errors::names(self.ways.iter().map(|way| &way.protection));
                let (kind, message) = match why {
                    NoAccess::InsecureContext => (
                        DrmErrorKind::InsecureContext,
                        "encrypted streams are played only on pages that were loaded over HTTPS".to_owned(),
                    ),
                    NoAccess::Timeout => (
                        DrmErrorKind::Unsupported,
                        "the browser does not answer when it is asked for a key system".to_owned(),
                    ),
                    NoAccess::Unsupported => (
                        DrmErrorKind::Unsupported,
                        format!(
                            "the stream is encrypted{names}; this browser has none of the key systems that are configured for it"
                        ),
                    ),
                };
                return self.fail(kind, message);
            }
        };
        self.offered = Vec::new();
        // What the browser left out of its answer cannot be decrypted.
        let asked = candidate.audio.into_iter().chain(candidate.video);
        self.locks.types = asked
            .filter(|asked| !types.is_empty() && !types.contains(asked))
            .collect();
        self.locks.robustness = Some((system.system, candidate.video_robustness));
        self.changed = true;
        cx.send(Output::Drm(Command::Attach));
        let named = self.ways.iter().map(|way| &way.protection).find(|way| {
            !way.certificate_url.is_empty() && KeySystem::of_scheme(&way.scheme) == Some(system.system)
        });
        let url = match &system.certificate {
            Certificate::Url(url) => Some(url),
            Certificate::Given => None,
            Certificate::None => named.map(|way| &way.certificate_url),
        };
        if let Some(url) = url {
            requests.start_certificate(cx, url);
        }
        let certified = url.is_none() && system.certificate != Certificate::Given;
        self.chosen = Some(system);
        self.stage = Stage::Attaching {
            attached: false,
            certified,
        };
    }

    fn on_attached(&mut self, cx: &mut Cx<'_>, error: Option<String>) {
        let Stage::Attaching { certified, .. } = self.stage else {
            return;
        };
        if let Some(why) = error {
            let message = format!("the browser refuses to use its key system: {why}");
            return self.fail(DrmErrorKind::Session, message);
        }
        if self
            .chosen
            .as_ref()
            .is_some_and(|c| c.certificate == Certificate::Given)
        {
            cx.send(Output::Drm(Command::Certify { response: None }));
        }
        self.stage = Stage::Attaching {
            attached: true,
            certified,
        };
        self.go_on(cx);
    }

    /// The certificate is here.
    pub(crate) fn on_certificate(&self, cx: &mut Cx<'_>, request: RequestId) {
        if matches!(self.stage, Stage::Attaching { .. }) {
            let response = Some(request);
            cx.send(Output::Drm(Command::Certify { response }));
        } else {
            cx.send(Output::Release { request });
        }
    }

    fn on_certified(&mut self, cx: &mut Cx<'_>, error: Option<String>) {
        if let Some(why) = error {
            let message = format!("the CDM refuses the certificate of the licence server: {why}");
            return self.on_no_certificate(cx, message);
        }
        if let Stage::Attaching { certified, .. } = &mut self.stage {
            *certified = true;
        }
        self.go_on(cx);
    }

    /// FairPlay can do nothing without a certificate; others ask their server for one.
    pub(crate) fn on_no_certificate(&mut self, cx: &mut Cx<'_>, message: String) {
        if self.system() == Some(KeySystem::FairPlay) {
            return self.fail(DrmErrorKind::Certificate, message);
        }
        self.report(Trouble::new(DrmErrorKind::Certificate), message);
        if let Stage::Attaching { certified, .. } = &mut self.stage {
            *certified = true;
        }
        self.go_on(cx);
    }

    fn go_on(&mut self, cx: &mut Cx<'_>) {
        if self.stage
            != (Stage::Attaching {
                attached: true,
                certified: true,
            })
        {
            return;
        }
        self.stage = Stage::Ready;
        self.load_stored(cx);
    }

    fn fail(&mut self, kind: DrmErrorKind, message: String) {
        if self.stage == Stage::Failed {
            return;
        }
        self.stage = Stage::Failed;
        self.report(Trouble::new(kind).fatal(), message);
    }

    /// Closes everything.
    pub(crate) fn close(&mut self, cx: &mut Cx<'_>) {
        for session in self.sessions.drain(..).filter(|session| !session.is_closed()) {
            let session = session.id;
            cx.send(Output::Drm(Command::Close { session }));
        }
        if self.chosen.take().is_some() {
            cx.send(Output::Drm(Command::Detach));
        }
        self.stage = Stage::Failed;
    }
}
