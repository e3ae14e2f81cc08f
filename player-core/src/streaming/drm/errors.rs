//! Errors about keys.

use super::Drm;
use crate::drm::cdm::SessionId;
use crate::drm::{KeyId, KeySystem};
use crate::error::{DrmError, DrmErrorKind, ErrorKind, PlayerError};
use crate::presentation::Protection;

/// What is wrong, without words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    pub(super) kind: DrmErrorKind,
    pub(super) fatal: bool,
    pub(super) session: Option<SessionId>,
    pub(super) key_id: Option<KeyId>,
    pub(super) status: Option<u16>,
}

impl Trouble {
    pub(super) const fn new(kind: DrmErrorKind) -> Self {
        Self {
            kind,
            fatal: false,
            session: None,
            key_id: None,
            status: None,
        }
    }

    pub(super) const fn fatal(self) -> Self {
        Self { fatal: true, ..self }
    }

    /// To load again may help.
    fn is_retriable(self) -> bool {
        match self.kind {
            DrmErrorKind::CdmReset
            | DrmErrorKind::Certificate
            | DrmErrorKind::Expired
            | DrmErrorKind::KeyMissingTimeout
            | DrmErrorKind::RequestNetwork
            | DrmErrorKind::SessionLimit => true,
            DrmErrorKind::RequestHttp => {
                matches!(self.status, Some(408 | 425 | 429 | 500..))
            }
            _ => false,
        }
    }
}

impl Drm {
    pub(super) fn error(&self, trouble: Trouble, message: String) -> PlayerError {
        PlayerError {
            kind: ErrorKind::Drm,
            fatal: trouble.fatal,
            message,
            drm: Some(Box::new(DrmError {
                kind: trouble.kind,
                retriable: trouble.is_retriable(),
                system: self.system(),
                session: trouble.session,
                key_id: trouble.key_id,
                status: trouble.status,
            })),
        }
    }

    pub(super) fn report(&mut self, trouble: Trouble, message: String) {
        let error = self.error(trouble, message);
        self.trouble.push(error);
    }

    /// What is protected like this cannot be played: nobody is known who has the keys.
    pub(crate) fn no_config(&self, ways: &[Protection]) -> PlayerError {
        let names = names(ways.iter());
        let message = format!(
            "the stream is encrypted{names}, and no licence server is known: name one in the configuration (drm.servers)"
        );
        self.error(Trouble::new(DrmErrorKind::NoConfig), message)
    }

    /// The decoder failed on `cause`: of a protected stream, because of its keys, for all that is known.
    pub(crate) fn blame(&self, cause: PlayerError) -> PlayerError {
        let used = self
            .keys
            .iter()
            .find(|key| key.is_usable() && key.needed.is_some());
        let Some(key) = used else { return cause };
        let trouble = Trouble {
            key_id: Some(key.id),
            session: key.session,
            ..Trouble::new(DrmErrorKind::WrongKey)
        };
        let message = format!(
            "{}: the licence has a key that does not fit the media, or the media is broken",
            cause.message
        );
        self.error(trouble, message)
    }
}

/// The key systems that are declared, as ` for widevine, play_ready`.
pub(super) fn names<'a>(ways: impl Iterator<Item = &'a Protection>) -> String {
    let mut names = String::new();
    for way in ways {
        if let Some(system) = KeySystem::of_scheme(&way.scheme)
            && !names.contains(system.name())
        {
            names.push_str(if names.is_empty() { " for " } else { ", " });
            names.push_str(system.name());
        }
    }
    names
}
