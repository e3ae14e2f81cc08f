//! Which keys can be used, and when one is given up.

use core::time::Duration;

use super::errors::Trouble;
use super::{Drm, Stage};
use crate::drm::KeyId;
use crate::drm::cdm::{KeyStatus, SessionId};
use crate::error::{DrmErrorKind, PlayerError};
use crate::streaming::context::Cx;
use crate::time::Instant;

/// So long after a licence a key may still turn up.
pub(super) const HOLD: Duration = Duration::from_secs(1);

/// A key and what is known of it.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) id: KeyId,
    /// Since when media has needed it.
    pub(super) needed: Option<Instant>,
    pub(super) status: Option<KeyStatus>,
    /// The session that said so.
    pub(super) session: Option<SessionId>,
    pub(super) renewal: Renewal,
    /// Why it cannot be used.
    pub(super) blocked: Option<DrmErrorKind>,
}

/// What was done about a key that has run out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Renewal {
    None,
    Asked(Instant),
    Failed,
}

impl Key {
    pub(super) const fn new(id: KeyId) -> Self {
        Self {
            id,
            needed: None,
            status: None,
            session: None,
            renewal: Renewal::None,
            blocked: None,
        }
    }

    pub(super) fn is_usable(&self) -> bool {
        matches!(self.status, Some(KeyStatus::Usable | KeyStatus::OutputDownscaled))
    }
}

impl Drm {
    /// Works out which keys can be used; says when to look again.
    pub(super) fn judge(&mut self, cx: &Cx<'_>) -> Option<Instant> {
        if self.stage == Stage::Failed {
            return None;
        }
        let patience = Duration::from_millis(cx.config.drm.key_timeout_ms);
        let mut deadline: Option<Instant> = None;
        for i in 0..self.keys.len() {
            let Some(key) = self.keys.get(i) else { break };
            let (blocked, again) = self.verdict(cx.now, key, patience);
            deadline = [deadline, again].into_iter().flatten().min();
            if let Some(key) = self.keys.get_mut(i).filter(|key| key.blocked != blocked) {
                key.blocked = blocked;
                self.changed = true;
            }
        }
        let Some(since) = self.waiting else {
            return deadline;
        };
        // A licence that is on its way has time-outs of its own.
        if self.sessions.iter().any(|session| session.is_busy()) {
            return deadline;
        }
        let answered = self
            .sessions
            .iter()
            .filter_map(|session| session.answered_at)
            .max();
        let until = answered.unwrap_or(since).max(since) + patience;
        if cx.now < until {
            return [deadline, Some(until)].into_iter().flatten().min();
        }
        let message = format!(
            "playback waits for a key, and none has come in {} ms: the licence server may not know the key of this stream",
            patience.as_millis()
        );
        self.fail(DrmErrorKind::KeyMissingTimeout, message);
        None
    }

    /// Why a key cannot be used, if it cannot; else, when to look again.
    fn verdict(
        &self,
        now: Instant,
        key: &Key,
        patience: Duration,
    ) -> (Option<DrmErrorKind>, Option<Instant>) {
        match key.status {
            Some(KeyStatus::Usable | KeyStatus::OutputDownscaled) => return (None, None),
            Some(KeyStatus::OutputRestricted) => return (Some(DrmErrorKind::OutputRestricted), None),
            Some(KeyStatus::InternalError) => return (Some(DrmErrorKind::CdmReset), None),
            Some(KeyStatus::Expired | KeyStatus::Released) => {
                return match key.renewal {
                    Renewal::Asked(at) if now < at + patience => (None, Some(at + patience)),
                    // A licence that is on its way has time-outs of its own.
                    Renewal::Asked(_) if self.sessions.iter().any(|s| s.is_busy() && s.may_have(key.id)) => {
                        (None, None)
                    }
                    _ => (Some(DrmErrorKind::Expired), None),
                };
            }
            Some(KeyStatus::UsableInFuture | KeyStatus::StatusPending) | None => {}
        }
        let Some(needed) = key.needed else {
            return (None, None);
        };
        if self.stage != Stage::Ready {
            // What keeps the key system from being ready has errors of its own.
            return (None, None);
        }
        let mut until = needed + patience;
        let mut failed = None;
        let mut open = false;
        for session in self.sessions.iter().filter(|session| session.may_have(key.id)) {
            match session.failed {
                Some(kind) => failed = Some(kind),
                None if session.is_busy() => return (None, None),
                None => {
                    open = true;
                    if let Some(at) = session.answered_at {
                        until = until.min(at.max(needed) + HOLD);
                    }
                }
            }
        }
        match failed {
            Some(kind) if !open && self.queue.is_empty() => (Some(kind), None),
            _ if now >= until => (Some(DrmErrorKind::KeyMissingTimeout), None),
            _ => (None, Some(until)),
        }
    }

    /// Why none of the renditions with these keys can be shown.
    pub(crate) fn error_of(&self, keys: &[KeyId]) -> PlayerError {
        let mut blocked = self.keys.iter().filter(|key| keys.contains(&key.id));
        let Some((key, kind)) = blocked.find_map(|key| Some((key, key.blocked?))) else {
            // Not for want of a key.
            let trouble = Trouble::new(DrmErrorKind::OutputRestricted);
            let message = "this machine, or its output, is not trusted with any of the renditions";
            return self.error(trouble.fatal(), message.to_owned());
        };
        let of_session = self
            .sessions
            .iter()
            .rev()
            .find(|s| s.may_have(key.id) && s.failed == Some(kind));
        if let Some(session) = of_session
            && let Some((trouble, message)) = session.error.clone()
        {
            let trouble = Trouble {
                key_id: Some(key.id),
                ..trouble
            };
            return self.error(trouble.fatal(), message);
        }
        let trouble = Trouble {
            key_id: Some(key.id),
            session: key.session,
            ..Trouble::new(kind)
        };
        let what = match kind {
            DrmErrorKind::OutputRestricted => "may not be used with this output (HDCP)",
            DrmErrorKind::Expired => "has expired and was not renewed",
            DrmErrorKind::KeyMissingTimeout => "was not in the licence, or has not come in time",
            _ => "cannot be used: the CDM has failed",
        };
        self.error(trouble.fatal(), format!("the key {} {what}", key.id))
    }
}
