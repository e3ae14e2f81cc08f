//! A [`Scenario`] as it is written on a command line.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use player_core::drm::KeySystem;

use super::faults::{CdmFault, Fault};
use super::keys::Class;
use super::scenario::{Latency, MAX_SESSIONS, Renewal, Right, Scenario};

const MAX_MS: u64 = 600_000;
const MAX_S: u64 = 1_000_000;

/// Why a text describes no [`Scenario`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "protection {text:?}: {reason}; write settings between commas, for example latency=300,hd=withheld,expiry=60,fault=licence-500x2"
)]
pub struct ScenarioError {
    text: String,
    reason: String,
}

impl fmt::Display for Scenario {
    /// As it can be read again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system={}", self.system.name())?;
        for (name, latency) in [
            ("access", self.latency.access),
            ("session", self.latency.session),
            ("request", self.latency.request),
            ("update", self.latency.update),
        ] {
            if !latency.is_zero() {
                write!(f, ",{name}={}", latency.as_millis())?;
            }
        }
        if self.jitter > 0.0 {
            write!(f, ",jitter={}", self.jitter)?;
        }
        for class in Class::ALL {
            let right = self.right(class);
            if right != Right::Usable {
                write!(f, ",{}={}", class.name(), right.word())?;
            }
        }
        if let Some(expiry) = self.expiry {
            write!(f, ",expiry={}", expiry.as_secs_f64())?;
        }
        if self.renewal != Renewal::Message {
            write!(f, ",renewal={}", self.renewal.word())?;
        }
        if self.sessions < MAX_SESSIONS {
            write!(f, ",sessions={}", self.sessions)?;
        }
        if let Some((every, times)) = self.reset {
            write!(f, ",reset={}x{times}", every.as_secs_f64())?;
        }
        for fault in &self.faults {
            write!(f, ",fault={fault}")?;
        }
        write!(f, ",seed={}", self.seed)
    }
}

impl FromStr for Scenario {
    type Err = ScenarioError;

    /// `NAME=VALUE` between commas, each once but for `fault`.
    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let bad = |reason: String| ScenarioError {
            text: text.to_owned(),
            reason,
        };
        let mut scenario = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| bad(format!("{part:?} has no =")))?;
            let (name, value) = (name.trim(), value.trim());
            if name != "fault" && seen.contains(&name) {
                return Err(bad(format!("{name:?} is there twice")));
            }
            seen.push(name);
            scenario.set(name, value).map_err(bad)?;
        }
        Ok(scenario)
    }
}

impl Scenario {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let no = |what: &str| format!("{name} must be {what}, not {value:?}");
        let ms = || {
            let ms = value.parse::<u64>().ok().filter(|ms| *ms <= MAX_MS);
            let ms = ms.ok_or_else(|| no(&format!("milliseconds from 0 to {MAX_MS}")));
            ms.map(Duration::from_millis)
        };
        let seconds = |text: &str| {
            let seconds = text.parse::<f64>().ok();
            let seconds = seconds.filter(|s| (1.0..=MAX_S as f64).contains(s));
            seconds
                .map(Duration::from_secs_f64)
                .ok_or_else(|| no(&format!("seconds from 1 to {MAX_S}")))
        };
        let times = |text: &str| text.parse::<u32>().ok().filter(|times| *times > 0);
        if let Some(at) = Class::ALL.iter().position(|class| class.name() == name) {
            let found = Right::ALL.into_iter().find(|right| right.word() == value);
            let right = found.ok_or_else(|| no(&Right::ALL.map(Right::word).join(", ")))?;
            if let Some(place) = self.rights.get_mut(at) {
                *place = right;
            }
            return Ok(());
        }
        match name {
            "system" => {
                const SYSTEMS: [KeySystem; 3] =
                    [KeySystem::ClearKey, KeySystem::PlayReady, KeySystem::Widevine];
                let found = SYSTEMS.into_iter().find(|system| system.name() == value);
                self.system = found.ok_or_else(|| no(&SYSTEMS.map(KeySystem::name).join(", ")))?;
            }
            "latency" => {
                let ms = ms()?;
                self.latency = Latency {
                    access: ms,
                    session: ms,
                    request: ms,
                    update: ms,
                };
            }
            "access" => self.latency.access = ms()?,
            "session" => self.latency.session = ms()?,
            "request" => self.latency.request = ms()?,
            "update" => self.latency.update = ms()?,
            "jitter" => {
                let jitter = value.parse::<f64>().ok().filter(|j| (0.0..=1.0).contains(j));
                self.jitter = jitter.ok_or_else(|| no("a share from 0 to 1"))?;
            }
            "expiry" => self.expiry = Some(seconds(value)?),
            "renewal" => {
                let found = Renewal::ALL.into_iter().find(|renewal| renewal.word() == value);
                self.renewal = found.ok_or_else(|| no(&Renewal::ALL.map(Renewal::word).join(", ")))?;
            }
            "sessions" => {
                let count = value.parse().ok().filter(|n| (1..=MAX_SESSIONS).contains(n));
                self.sessions = count.ok_or_else(|| no(&format!("a number from 1 to {MAX_SESSIONS}")))?;
            }
            "reset" => {
                let (every, count) = match value.split_once('x') {
                    Some((every, count)) => {
                        (every, times(count).ok_or_else(|| no("SECONDS or SECONDSxTIMES"))?)
                    }
                    None => (value, 1),
                };
                self.reset = Some((seconds(every)?, count));
            }
            "fault" => {
                let (kind, count) = match value.rsplit_once('x') {
                    Some((kind, count)) if times(count).is_some() => (kind, times(count)),
                    _ => (value, None),
                };
                let statuses = CdmFault::LICENCE.map(|kind| kind.to_string()).join(", ");
                let kind = kind.parse().map_err(|()| {
                    no(&format!(
                        "access, attach, session, update or licence-KIND, with xTIMES if need be, where KIND is 204, a status from 400 \
                         to 599, or one of {statuses}"
                    ))
                })?;
                self.faults.push(Fault { kind, times: count });
            }
            "seed" => self.seed = value.parse().map_err(|_| no("a whole number"))?,
            other => return Err(format!("{other:?} is not known")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::faults::FaultKind;
    use crate::generate::random::Rng;

    #[test]
    fn a_scenario_reads_as_it_is_written() {
        let text = "latency=300, update=50,hd=withheld,expiry=60,renewal=refused,sessions=2,reset=30x2,fault=licence-500x2,\
                    fault=update,system=widevine,jitter=0.5,seed=7";
        let scenario: Scenario = text.parse().unwrap();
        assert_eq!(scenario.right(Class::Hd), Right::Withheld);
        assert_eq!(scenario.right(Class::Sd), Right::Usable);
        assert_eq!(
            (scenario.latency.request, scenario.latency.update),
            (Duration::from_millis(300), Duration::from_millis(50))
        );
        assert_eq!(scenario.reset, Some((Duration::from_secs(30), 2)));
        assert_eq!(
            scenario.faults,
            [
                Fault {
                    kind: CdmFault::Licence(FaultKind::Status(500)),
                    times: Some(2)
                },
                Fault {
                    kind: CdmFault::Update,
                    times: None
                }
            ]
        );
        assert_eq!(scenario.to_string().parse::<Scenario>().unwrap(), scenario);
        for seed in 0..200 {
            let scenario = Scenario::random(&mut Rng::of(&[seed]), seed % 2 == 0);
            assert_eq!(scenario.to_string().parse::<Scenario>().unwrap(), scenario);
            assert!(seed % 2 == 0 || !scenario.may_end_playback());
        }
        assert_eq!("".parse::<Scenario>().unwrap(), Scenario::default());
    }

    #[test]
    fn each_error_names_the_part() {
        for (text, expected) in [
            ("latency", "\"latency\" has no ="),
            ("latency=-1", "latency must be milliseconds"),
            ("hd=perhaps", "hd must be usable, downscaled"),
            ("expiry=0", "expiry must be seconds from 1"),
            ("expiry=NaN", "expiry must be seconds from 1"),
            ("renewal=soon", "renewal must be message"),
            ("sessions=0", "sessions must be a number from 1"),
            ("reset=30x0", "reset must be SECONDS"),
            ("fault=licence-stall", "fault must be access"),
            ("fault=updatex0", "fault must be access"),
            ("system=fairplay", "system must be clearkey"),
            ("jitter=2", "jitter must be a share"),
            ("hd=usable,hd=expired", "\"hd\" is there twice"),
            ("colour=red", "\"colour\" is not known"),
        ] {
            let message = text.parse::<Scenario>().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
