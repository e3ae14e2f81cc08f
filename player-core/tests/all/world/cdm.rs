//! A content decryption module for the [`World`]: it takes commands, and answers after a while.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use player_core::drm::cdm::{
    ClosedReason, Command, Event, Grant, KeyStatus, MessageId, NoAccess, Refusal, SessionId,
};
use player_core::drm::{KeyId, MessageType};
use player_core::input::Input;

pub(crate) struct Cdm {
    /// Which of the key system strings can be had.
    pub(crate) systems: Vec<&'static str>,
    pub(crate) no_access: NoAccess,
    /// Types that it cannot decrypt.
    pub(crate) types_refused: Vec<String>,
    pub(crate) certificate_error: Option<String>,
    pub(crate) attach_error: Option<String>,
    /// What a licence gives, whatever was asked for.
    pub(crate) licence: Vec<(KeyId, KeyStatus)>,
    /// What the sessions after the first get instead.
    pub(crate) later: Option<Vec<(KeyId, KeyStatus)>>,
    /// Answers to the next sessions, before they are made.
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) update_error: Option<String>,
    /// It tells of keys before it has done with the licence.
    pub(crate) keys_first: bool,
    /// Stored licences.
    pub(crate) stored: Vec<String>,
    pub(crate) hdcp_lacking: Vec<String>,
    pub(crate) latency: Duration,
    /// Everything that it was told, in order.
    pub(crate) commands: Vec<Command>,
    pub(crate) sessions: BTreeSet<SessionId>,
    pub(crate) opened: usize,
    usable: BTreeMap<KeyId, SessionId>,
    messages: u64,
}

impl Default for Cdm {
    fn default() -> Self {
        Self {
            systems: vec!["org.w3.clearkey"],
            no_access: NoAccess::Unsupported,
            types_refused: Vec::new(),
            certificate_error: None,
            attach_error: None,
            licence: Vec::new(),
            later: None,
            refusals: Vec::new(),
            update_error: None,
            keys_first: false,
            stored: Vec::new(),
            hdcp_lacking: Vec::new(),
            latency: Duration::from_millis(5),
            commands: Vec::new(),
            sessions: BTreeSet::new(),
            opened: 0,
            usable: BTreeMap::new(),
            messages: 0,
        }
    }
}

impl Cdm {
    pub(crate) fn has(&self, key: KeyId) -> bool {
        self.usable.contains_key(&key)
    }

    /// What it answers, in order.
    pub(crate) fn act(&mut self, command: Command) -> Vec<Input> {
        self.commands.push(command.clone());
        let events = match command {
            Command::Access { request, candidates } => {
                let found = candidates
                    .iter()
                    .position(|c| self.systems.iter().any(|system| *system == c.key_system));
                let result = match found {
                    Some(candidate) => {
                        let asked = candidates[candidate]
                            .audio
                            .iter()
                            .chain(&candidates[candidate].video);
                        let types = asked.filter(|mime| !self.types_refused.contains(mime)).cloned();
                        Ok(Grant {
                            candidate,
                            types: types.collect(),
                        })
                    }
                    None => Err(self.no_access),
                };
                vec![Event::Access { request, result }]
            }
            Command::Attach => vec![Event::Attached {
                error: self.attach_error.clone(),
            }],
            Command::Certify { .. } => vec![Event::Certified {
                error: self.certificate_error.clone(),
            }],
            Command::Hdcp { .. } => vec![Event::Hdcp {
                lacking: self.hdcp_lacking.clone(),
            }],
            Command::Open { session, .. } => {
                if let Some(refusal) = self.refusals.pop() {
                    vec![Event::Opened {
                        session,
                        result: Err(refusal),
                    }]
                } else {
                    self.opened += 1;
                    self.sessions.insert(session);
                    let id = format!("stored-{}", session.0);
                    vec![
                        Event::Opened {
                            session,
                            result: Ok(id),
                        },
                        self.message(session, MessageType::LicenceRequest),
                    ]
                }
            }
            Command::Load { session, stored } => {
                let result = if self.stored.contains(&stored) {
                    self.sessions.insert(session);
                    Ok(stored)
                } else {
                    Err(Refusal::Absent)
                };
                let loaded = result.is_ok();
                let mut events = vec![Event::Opened { session, result }];
                if loaded {
                    events.push(self.keys(session));
                }
                events
            }
            Command::Update {
                session,
                message_type,
                ..
            } => match self.update_error.clone() {
                _ if message_type == MessageType::LicenceRelease => vec![
                    Event::Updated { session, error: None },
                    Event::Closed {
                        session,
                        reason: ClosedReason::ReleaseAcknowledged,
                    },
                ],
                Some(why) => vec![Event::Updated {
                    session,
                    error: Some(why),
                }],
                None if self.keys_first => vec![self.keys(session), Event::Updated { session, error: None }],
                None => vec![Event::Updated { session, error: None }, self.keys(session)],
            },
            Command::Renew { session } => vec![
                Event::Updated { session, error: None },
                self.message(session, MessageType::LicenceRenewal),
            ],
            Command::Remove { session } => vec![self.message(session, MessageType::LicenceRelease)],
            Command::Close { session } => {
                self.close(session);
                vec![Event::Closed {
                    session,
                    reason: ClosedReason::ClosedByApplication,
                }]
            }
            _ => Vec::new(),
        };
        events.into_iter().map(Input::Drm).collect()
    }

    pub(crate) fn close(&mut self, session: SessionId) {
        self.sessions.remove(&session);
        self.usable.retain(|_, of| *of != session);
    }

    fn message(&mut self, session: SessionId, message_type: MessageType) -> Event {
        self.messages += 1;
        Event::Message {
            session,
            message: MessageId(self.messages),
            message_type,
        }
    }

    /// What a session has, from now on.
    pub(crate) fn keys(&mut self, session: SessionId) -> Event {
        let keys = match &self.later {
            Some(later) if self.opened > 1 => later.clone(),
            _ => self.licence.clone(),
        };
        for (key, status) in &keys {
            match status {
                KeyStatus::Usable | KeyStatus::OutputDownscaled => {
                    self.usable.insert(*key, session);
                }
                _ => {
                    self.usable.remove(key);
                }
            }
        }
        Event::Keys { session, keys }
    }
}
