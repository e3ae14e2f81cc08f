//! Answers and media that go wrong: by given rules, or at random.
//!
//! A rule is `KIND:PATTERN` or `KINDxTIMES:PATTERN`, as `headgate-origin --faults` reads them; the pattern is matched against the path of
//! a request without its leading slash, `*` stands for any run of characters, and the first rule that matches and is not used up
//! decides. `random=SHARE,seed=N` lets that share of all requests fail in turn with every kind that can be recovered from.
//!
//! ```
//! use simulator::faults::{FaultKind, Faults};
//!
//! let mut faults: Faults = "503x2:*/720p/3.m4s html:*.mpd".parse()?;
//! assert_eq!(faults.take("clip/720p/3.m4s"), Some(FaultKind::Status(503)));
//! assert_eq!(faults.take("clip/manifest.mpd"), Some(FaultKind::Html));
//! assert_eq!(faults.take("clip/720p/4.m4s"), None);
//! # Ok::<(), simulator::faults::FaultsError>(())
//! ```

use std::fmt;
use std::str::FromStr;

use crate::generate::random::Rng;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FaultKind {
    /// The connection is closed in the middle of the body.
    Break,
    /// A body that is larger unpacked than anything may be.
    Bomb,
    /// The body comes at 1 kB a second.
    Drip,
    /// Status 200 with nothing behind it.
    Empty,
    /// A page of HTML with status 200 in place of the object.
    Html,
    /// The redirects have no end.
    Loop,
    /// Status 200 and the whole file where a range was asked for.
    NoRange,
    /// Status 206 with another range than was asked for.
    OtherRange,
    /// Another server has it; relative URLs resolve against that.
    Redirect,
    /// No connection.
    Refuse,
    /// Status 429 with `Retry-After: 3`.
    RetryAfter,
    /// The body stops in the middle and nothing more is heard.
    Stall,
    /// A live manifest or playlist of half a minute ago; anything else is as it should be.
    Stale,
    /// This HTTP status with a short text.
    Status(u16),
    /// No answer at all.
    Timeout,
    /// The first half of the object as if it were all of it.
    Truncate,
    /// The object, but as `text/plain`.
    Type,
}

impl FaultKind {
    /// Those that have a name of their own; a status is its number.
    pub const NAMED: [Self; 16] = [
        Self::Bomb,
        Self::Break,
        Self::Drip,
        Self::Empty,
        Self::Html,
        Self::Loop,
        Self::NoRange,
        Self::OtherRange,
        Self::Redirect,
        Self::Refuse,
        Self::RetryAfter,
        Self::Stale,
        Self::Stall,
        Self::Timeout,
        Self::Truncate,
        Self::Type,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Bomb => "bomb",
            Self::Break => "break",
            Self::Drip => "drip",
            Self::Empty => "empty",
            Self::Html => "html",
            Self::Loop => "loop",
            Self::NoRange => "no-range",
            Self::OtherRange => "other-range",
            Self::Redirect => "redirect",
            Self::Refuse => "refuse",
            Self::RetryAfter => "retry-after",
            Self::Stale => "stale",
            Self::Stall => "stall",
            Self::Status(_) => "status",
            Self::Timeout => "timeout",
            Self::Truncate => "truncate",
            Self::Type => "type",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            kind => f.write_str(kind.word()),
        }
    }
}

impl FromStr for FaultKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(kind) = Self::NAMED.into_iter().find(|kind| kind.word() == text) {
            return Ok(kind);
        }
        match text.parse() {
            Ok(status @ (204 | 400..=599)) => Ok(Self::Status(status)),
            _ => Err(()),
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What goes wrong.
    pub kind: FaultKind,
    /// For which paths.
    pub pattern: String,
    /// How often; `None` means always.
    pub times: Option<u32>,
}

/// What goes wrong when: by default nothing.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: Vec<Rule>,
    random: Option<Random>,
}

#[derive(Clone, Debug)]
struct Random {
    share: f64,
    rng: Rng,
}

/// Why a text describes no faults.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "faults {text:?}: {reason}; write random=0.03,seed=1, or KIND:PATTERN or KINDxTIMES:PATTERN with KIND 204, a status from 400 to \
     599, or one of {names}, for example 503x2:*/720p/3.m4s",
    names = FaultKind::NAMED.map(FaultKind::word).join(", ")
)]
pub struct FaultsError {
    text: String,
    reason: String,
}

/// What is asked for: what may go wrong with it depends on what else there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stake {
    /// There is no other: only what passes may happen to it.
    Only,
    /// There are others; it may be gone for good.
    OneOfSeveral,
}

impl Faults {
    /// A share of all requests, from 0 to 0.5, goes wrong; the same seed means the same faults.
    ///
    /// # Errors
    /// If the share is out of range.
    pub fn random(share: f64, seed: u64) -> Result<Self, FaultsError> {
        if !(0.0..=0.5).contains(&share) {
            return Err(FaultsError {
                text: format!("random={share},seed={seed}"),
                reason: "the share must be from 0 to 0.5".to_owned(),
            });
        }
        let rng = Rng::of(&[seed, 0xfa17]);
        Ok(Self {
            rules: Vec::new(),
            random: Some(Random { share, rng }),
        })
    }

    /// These rules.
    pub const fn rules(rules: Vec<Rule>) -> Self {
        Self { rules, random: None }
    }

    /// The share of requests that goes wrong at random.
    pub fn share(&self) -> f64 {
        self.random.as_ref().map_or(0.0, |random| random.share)
    }

    /// Whether nothing ever goes wrong.
    pub fn is_none(&self) -> bool {
        self.rules.is_empty() && self.share() == 0.0
    }

    /// The same rules, with other chance.
    #[must_use]
    pub(crate) fn reseeded(&self, seed: u64) -> Self {
        let random = self.random.as_ref().map(|random| Random {
            share: random.share,
            rng: Rng::of(&[seed, 0xfa17]),
        });
        Self {
            rules: self.rules.clone(),
            random,
        }
    }

    /// What shall go wrong with a request by the rules; uses up one of the rule's times.
    pub fn take(&mut self, path: &str) -> Option<FaultKind> {
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| rule.times != Some(0) && matches(&rule.pattern, path))?;
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        Some(rule.kind)
    }

    /// The same by the rules or by chance.
    pub fn draw(&mut self, path: &str, stake: Stake, ranged: bool) -> Option<FaultKind> {
        if let Some(kind) = self.take(path) {
            return Some(kind);
        }
        let random = self.random.as_mut()?;
        if random.rng.uniform() >= random.share {
            return None;
        }
        const PASSING: [FaultKind; 17] = [
            FaultKind::Break,
            FaultKind::Drip,
            FaultKind::Empty,
            FaultKind::Html,
            FaultKind::Redirect,
            FaultKind::Refuse,
            FaultKind::RetryAfter,
            FaultKind::Stale,
            FaultKind::Stall,
            FaultKind::Status(204),
            FaultKind::Status(500),
            FaultKind::Status(502),
            FaultKind::Status(503),
            FaultKind::Status(504),
            FaultKind::Timeout,
            FaultKind::Truncate,
            FaultKind::Type,
        ];
        const LASTING: [FaultKind; 4] = [
            FaultKind::Bomb,
            FaultKind::Status(403),
            FaultKind::Status(404),
            FaultKind::Status(410),
        ];
        const RANGED: [FaultKind; 2] = [FaultKind::NoRange, FaultKind::OtherRange];
        let lasting: &[FaultKind] = if stake == Stake::OneOfSeveral {
            &LASTING
        } else {
            &[]
        };
        let ranged: &[FaultKind] = if ranged { &RANGED } else { &[] };
        let all = [&PASSING[..], lasting, ranged].concat();
        let pick = (random.rng.uniform() * all.len() as f64) as usize;
        all.get(pick).copied()
    }
}

impl FromStr for Rule {
    type Err = FaultsError;

    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let bad = |reason: &str| FaultsError {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (what, pattern) = text.split_once(':').ok_or_else(|| bad("there is no colon"))?;
        if pattern.is_empty() {
            return Err(bad("the pattern is empty"));
        }
        let (kind, times) = match what.rsplit_once('x') {
            Some((kind, times)) => {
                let times = times.parse().ok().filter(|times| *times > 0);
                (
                    kind,
                    Some(times.ok_or_else(|| bad("TIMES is not a number above 0"))?),
                )
            }
            None => (what, None),
        };
        Ok(Self {
            kind: kind.parse().map_err(|()| bad("KIND is unknown"))?,
            pattern: pattern.trim_start_matches('/').to_owned(),
            times,
        })
    }
}

impl FromStr for Faults {
    type Err = FaultsError;

    /// Rules between spaces, or `random=…,seed=…`; `none` is none.
    fn from_str(text: &str) -> Result<Self, FaultsError> {
        let text = text.trim();
        if text == "none" {
            return Ok(Self::default());
        }
        if !text.starts_with("random") && !text.starts_with("seed") {
            let rules = text.split_whitespace().map(str::parse);
            return Ok(Self::rules(rules.collect::<Result<_, _>>()?));
        }
        let bad = |reason: String| FaultsError {
            text: text.to_owned(),
            reason,
        };
        let (mut share, mut seed) = (None, None);
        for part in text.split(',').map(str::trim) {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| bad(format!("{part:?} has no =")))?;
            match name.trim() {
                "random" => {
                    share = Some(
                        value
                            .trim()
                            .parse()
                            .map_err(|_| bad(format!("{value:?} is no share")))?,
                    )
                }
                "seed" => {
                    seed = Some(
                        value
                            .trim()
                            .parse()
                            .map_err(|_| bad(format!("{value:?} is no seed")))?,
                    )
                }
                other => return Err(bad(format!("{other:?} is not known"))),
            }
        }
        let share = share.ok_or_else(|| bad("random is missing".to_owned()))?;
        Self::random(share, seed.unwrap_or(1)).map_err(|error| bad(error.reason))
    }
}

/// Whether `path` is what `pattern` says, `*` standing for any run of characters.
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    // Each part at its first place leaves the most for those behind it.
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rules_read_and_are_used_up() {
        let mut faults: Faults = "404x1:*.m4s  500:*/1.m4s".parse().unwrap();
        assert_eq!(faults.take("a/1.m4s"), Some(FaultKind::Status(404)));
        assert_eq!(faults.take("a/1.m4s"), Some(FaultKind::Status(500)));
        assert_eq!(faults.take("a/2.m4s"), None);
        for kind in FaultKind::NAMED {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let times = "stallx3:/v0/*".parse::<Rule>().unwrap();
        assert_eq!(
            (times.kind, times.times, times.pattern.as_str()),
            (FaultKind::Stall, Some(3), "v0/*")
        );
        assert!("none".parse::<Faults>().unwrap().is_none());
    }

    #[test]
    fn each_error_names_the_text_and_the_part() {
        for (text, expected) in [
            ("404", "there is no colon"),
            ("404:", "the pattern is empty"),
            ("200:*", "KIND is unknown"),
            ("404x0:*", "TIMES is not a number above 0"),
            ("random=2", "the share must be from 0 to 0.5"),
            ("random=NaN", "the share must be from 0 to 0.5"),
            ("random=often", "\"often\" is no share"),
            ("random=0.1,every=2", "\"every\" is not known"),
            ("seed=2", "random is missing"),
        ] {
            let message = text.parse::<Faults>().unwrap_err().to_string();
            assert!(
                message.contains(expected) && message.contains("KIND:PATTERN"),
                "{message}"
            );
        }
    }

    #[test]
    fn chance_is_the_same_for_a_seed_and_spares_what_there_is_only_one_of() {
        let draw = |seed: u64, stake| {
            let mut faults = Faults::random(0.25, seed).unwrap();
            (0..4000)
                .map(|_| faults.draw("x", stake, false))
                .collect::<Vec<_>>()
        };
        let several = draw(3, Stake::OneOfSeveral);
        assert_eq!(several, draw(3, Stake::OneOfSeveral));
        assert_ne!(several, draw(4, Stake::OneOfSeveral));
        let met = several.iter().flatten().count();
        assert!((900..1100).contains(&met), "{met}");
        let gone = Some(FaultKind::Status(404));
        assert!(several.contains(&gone));
        assert!(!draw(3, Stake::Only).contains(&gone));
        assert!(!several.contains(&Some(FaultKind::NoRange)));
    }
}
