//! What a CDM and a licence server are to do.

use std::time::Duration;

use player_core::config::{DrmConfig, KeySystemConfig};
use player_core::drm::KeySystem;
use player_core::drm::cdm::KeyStatus;

use super::faults::{CdmFault, Fault};
use super::keys::Class;
use crate::faults::FaultKind;
use crate::generate::random::Rng;

/// Where licences come from.
pub const LICENCE_URL: &str = "https://origin.invalid/licence";
pub(super) const MAX_SESSIONS: usize = 1000;

/// How a stream is protected, and what the CDM and the licence server make of it. By default all keys are given for ever, and nothing
/// takes time.
///
/// ```
/// use simulator::cdm::Scenario;
///
/// let scenario: Scenario = "latency=300,hd=withheld,expiry=60,fault=licence-500x2".parse()?;
/// assert_eq!(scenario.latency.update.as_millis(), 300);
/// # Ok::<(), simulator::cdm::ScenarioError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The only one that there is.
    pub system: KeySystem,
    /// How long the CDM takes.
    pub latency: Latency,
    /// By this share, 0 to 1, each of these times is longer or shorter, by chance.
    pub jitter: f64,
    /// What a licence says of the keys, in the order of [`Class::ALL`].
    pub rights: [Right; 3],
    /// How long a licence lasts.
    pub expiry: Option<Duration>,
    /// What is done before a licence is over.
    pub renewal: Renewal,
    /// Key sessions at a time.
    pub sessions: usize,
    /// The CDM loses all sessions every so often, so many times.
    pub reset: Option<(Duration, u32)>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// For what is chance.
    pub seed: u64,
}

/// How long a CDM takes for what it is asked to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// For the answer about a key system, and then for its `MediaKeys` to be on the element.
    pub access: Duration,
    /// For a session.
    pub session: Duration,
    /// For a session's request, once there is the session.
    pub request: Duration,
    /// For a licence.
    pub update: Duration,
}

/// What a licence says of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Right {
    /// It can be used,
    #[default]
    Usable,
    /// at a lower resolution,
    Downscaled,
    /// not with this output,
    Restricted,
    /// not any more,
    Expired,
    /// not yet, and never.
    Pending,
    /// Nothing: the key is not in it.
    Withheld,
}

impl Right {
    pub(super) const ALL: [Self; 6] = [
        Self::Usable,
        Self::Downscaled,
        Self::Restricted,
        Self::Expired,
        Self::Pending,
        Self::Withheld,
    ];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Downscaled => "downscaled",
            Self::Restricted => "restricted",
            Self::Expired => "expired",
            Self::Pending => "pending",
            Self::Withheld => "withheld",
        }
    }

    /// What the CDM says of it; nothing if it does not know the key.
    pub const fn status(self) -> Option<KeyStatus> {
        match self {
            Self::Usable => Some(KeyStatus::Usable),
            Self::Downscaled => Some(KeyStatus::OutputDownscaled),
            Self::Restricted => Some(KeyStatus::OutputRestricted),
            Self::Expired => Some(KeyStatus::Expired),
            Self::Pending => Some(KeyStatus::StatusPending),
            Self::Withheld => None,
        }
    }

    /// Media can be shown with it.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Usable | Self::Downscaled)
    }
}

/// What is done before a licence is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Renewal {
    /// The CDM asks for more when four fifths of it are over (`license-renewal`).
    #[default]
    Message,
    /// Nothing: the player may ask for another.
    Reopen,
    /// The same, and the server gives each key once (403).
    Refused,
}

impl Renewal {
    pub(super) const ALL: [Self; 3] = [Self::Message, Self::Reopen, Self::Refused];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Reopen => "reopen",
            Self::Refused => "refused",
        }
    }
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            system: KeySystem::ClearKey,
            latency: Latency::default(),
            jitter: 0.0,
            rights: [Right::Usable; 3],
            expiry: None,
            renewal: Renewal::Message,
            sessions: MAX_SESSIONS,
            reset: None,
            faults: Vec::new(),
            seed: 1,
        }
    }
}

impl Scenario {
    /// What a licence says of the key of a class.
    pub fn right(&self, class: Class) -> Right {
        let rights = Class::ALL.into_iter().zip(self.rights);
        rights
            .into_iter()
            .find_map(|(of, right)| (of == class).then_some(right))
            .unwrap_or_default()
    }

    /// The player's part: which key system, and where its licences are.
    pub fn config(&self) -> DrmConfig {
        DrmConfig {
            systems: vec![KeySystemConfig {
                system: self.system,
                server: LICENCE_URL.to_owned(),
                ..KeySystemConfig::default()
            }],
            ..DrmConfig::default()
        }
    }

    /// Something that happens by this may end playback: a key that is needed is not to be had, or not for ever.
    pub fn may_end_playback(&self) -> bool {
        let pictures = [Class::Sd, Class::Audio];
        pictures.iter().any(|class| !self.right(*class).is_usable())
            || self.renewal == Renewal::Refused
            || self.sessions < Class::ALL.len()
            || self.reset.is_some()
            || !self.faults.is_empty()
    }

    /// One of many, for a soak; without faults, if nothing is to go wrong.
    pub fn random(rng: &mut Rng, faults: bool) -> Self {
        let mut chance = |share: f64| rng.uniform() < share;
        let system = match (chance(0.5), chance(0.5)) {
            (true, _) => KeySystem::ClearKey,
            (_, true) => KeySystem::PlayReady,
            _ => KeySystem::Widevine,
        };
        let (fails, weak, short, few, resets, late) = (
            faults && chance(0.35),
            faults && chance(0.35),
            chance(0.4),
            faults && chance(0.1),
            faults && chance(0.15),
            chance(0.4),
        );
        let mut ms = |most: f64| Duration::from_millis((rng.uniform() * most) as u64);
        let most = if late { 3000.0 } else { 300.0 };
        let latency = Latency {
            access: ms(most),
            session: ms(most),
            request: ms(most),
            update: ms(most),
        };
        let (lasts, reset) = (ms(280_000.0), ms(240_000.0));
        let mut pick = |count: usize| (rng.uniform() * count as f64) as usize;
        let mut right = || match pick(12) {
            n if n < Right::ALL.len() => Right::ALL.get(n).copied().unwrap_or_default(),
            _ => Right::Usable,
        };
        let rights = if weak {
            [right(), right(), right()]
        } else {
            Default::default()
        };
        let mut list = Vec::new();
        while fails && list.len() < 3 && (list.is_empty() || pick(2) == 0) {
            let kind = match pick(10) {
                0 => CdmFault::Access,
                1 => CdmFault::Attach,
                2 => CdmFault::Session,
                3 | 4 => CdmFault::Update,
                5 => CdmFault::Licence(FaultKind::Status(403)),
                6 | 7 => CdmFault::Licence(FaultKind::Status(500)),
                _ => CdmFault::Licence(
                    CdmFault::LICENCE
                        .get(pick(CdmFault::LICENCE.len()))
                        .copied()
                        .unwrap_or(FaultKind::Html),
                ),
            };
            let times = (pick(3) > 0).then(|| 1 + pick(3) as u32);
            list.push(Fault { kind, times });
        }
        Self {
            system,
            latency,
            jitter: 0.5,
            rights,
            expiry: short.then_some(Duration::from_secs(20) + lasts),
            renewal: match pick(4) {
                0 if faults => Renewal::Refused,
                1 => Renewal::Reopen,
                _ => Renewal::Message,
            },
            sessions: if few { 1 + pick(3) } else { MAX_SESSIONS },
            reset: resets.then(|| (Duration::from_secs(5) + reset, 1 + pick(5) as u32)),
            faults: list,
            seed: rng.next(),
        }
    }
}
