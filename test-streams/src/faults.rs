//! Answers that go wrong on purpose: one rule a fault, matched against the path of a request.
//!
//! A rule is `KIND:PATTERN` or `KINDxTIMES:PATTERN`. The pattern is matched against the path below the mount point (without a
//! leading slash); `*` stands for any run of characters, slashes included. The first rule that matches and is not used
//! up decides.
//!
//! ```
//! use test_streams::faults::{FaultKind, Faults};
//!
//! let faults = Faults::parse(["503x2:*/720p/3.m4s", "html:*.mpd"])?;
//! assert_eq!(faults.take("clip/720p/3.m4s"), Some(FaultKind::Status(503)));
//! assert_eq!(faults.take("clip/720p/3.m4s"), Some(FaultKind::Status(503)));
//! assert_eq!(faults.take("clip/720p/3.m4s"), None);
//! assert_eq!(faults.take("clip/dash/manifest.mpd"), Some(FaultKind::Html));
//! # Ok::<(), test_streams::faults::FaultError>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use simulator::faults::matches;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The connection is closed in the middle of the body.
    Break,
    /// A page of HTML with status 200 in place of the object, as captive portals and misrouted CDNs give.
    Html,
    /// This HTTP status (400 to 599) with a short text.
    Status(u16),
    /// The first half of the object as if it were all of it: the answer itself is faultless.
    Truncate,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// For which paths.
    pub pattern: String,
    /// How often; `None` means always.
    pub times: Option<u32>,
}

/// A rule that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "fault {rule:?}: {reason}; write KIND:PATTERN or KINDxTIMES:PATTERN with KIND one of break, html, truncate or a status from \
     400 to 599, for example 404x2:*/720p/3.m4s"
)]
pub struct FaultError {
    /// The rule as it was given.
    pub rule: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The rules in force. They can be replaced while requests are served.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Fault>>,
}

impl Faults {
    /// Reads one rule from each text.
    ///
    /// # Errors
    /// [`FaultError`] for the first text that is no rule.
    pub fn parse<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Result<Self, FaultError> {
        let rules = texts
            .into_iter()
            .map(|text| text.as_ref().parse())
            .collect::<Result<Vec<Fault>, _>>()?;
        Ok(Self {
            rules: Mutex::new(rules),
        })
    }

    /// Puts other rules in the place of the present ones.
    pub fn replace(&self, rules: Vec<Fault>) {
        *self.lock() = rules;
    }

    /// The rules with the uses that each has left.
    pub fn rules(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    /// What shall go wrong with a request for `path`; uses up one of the rule's times.
    pub fn take(&self, path: &str) -> Option<FaultKind> {
        let mut rules = self.lock();
        let rule = rules
            .iter_mut()
            .find(|rule| rule.times != Some(0) && matches(&rule.pattern, path))?;
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        Some(rule.kind)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        // The rules are valid after every statement, so a panic elsewhere cannot have spoilt them.
        self.rules
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let bad = |reason: &str| FaultError {
            rule: text.to_owned(),
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
        let kind = match kind {
            "break" => FaultKind::Break,
            "html" => FaultKind::Html,
            "truncate" => FaultKind::Truncate,
            status => match status.parse() {
                Ok(status @ 400..=599) => FaultKind::Status(status),
                _ => return Err(bad("KIND is unknown")),
            },
        };
        Ok(Self {
            kind,
            pattern: pattern.trim_start_matches('/').to_owned(),
            times,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FaultKind::Break => f.write_str("break")?,
            FaultKind::Html => f.write_str("html")?,
            FaultKind::Status(status) => write!(f, "{status}")?,
            FaultKind::Truncate => f.write_str("truncate")?,
        }
        if let Some(times) = self.times {
            write!(f, "x{times}")?;
        }
        write!(f, ":{}", self.pattern)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, path, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("*", "", true),
            ("*.m4s", "x/1.m4s", true),
            ("*.m4s", "x/1.m4s.bak", false),
            ("*/720p/*.m4s", "clip/720p/3.m4s", true),
            ("*/720p/*.m4s", "clip/480p/3.m4s", false),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*ab", "aab", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn rules_read_as_they_are_written() {
        for text in [
            "404:*/3.m4s",
            "503x2:*.m4s",
            "truncate:*/1.m4s",
            "break:a",
            "htmlx1:*.mpd",
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "404",
            "404:",
            "200:*",
            "600:*",
            "404x0:*",
            "404xtwo:*",
            "burn:*",
            "x:*",
        ] {
            let message = text.parse::<Fault>().unwrap_err().to_string();
            assert!(
                message.contains(&format!("{text:?}")) && message.contains("KIND:PATTERN"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_used_up_rule_makes_way_for_the_next() {
        let faults = Faults::parse(["404x1:*.m4s", "500:*/1.m4s"]).unwrap();
        assert_eq!(faults.take("a/1.m4s"), Some(FaultKind::Status(404)));
        assert_eq!(faults.take("a/1.m4s"), Some(FaultKind::Status(500)));
        assert_eq!(faults.take("a/2.m4s"), None);
        faults.replace(Vec::new());
        assert_eq!(faults.take("a/1.m4s"), None);
    }
}
