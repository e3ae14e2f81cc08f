//! Something that goes wrong for some of the viewers, for a while.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What goes wrong for whom, when.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    at: At,
    lasts: Duration,
    /// Dimension and value: all of them must be the viewer's.
    conditions: Vec<(String, String)>,
    what: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// A part of the whole time.
    Share(f64),
    After(Duration),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The servers cannot be reached.
    Down,
    /// The servers answer two of three requests with a status of 500 and above.
    Errors,
    /// The servers send 300 kbit/s to each viewer, which is less than the lowest rendition has.
    Slow,
}

/// Why a text describes no incident.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no incident: {reason}; write at=40%,for=10m,where=cdn_host:cdn-b.example,what=slow, with what = slow, down or errors"
)]
pub struct IncidentError {
    text: String,
    reason: String,
}

impl FromStr for Incident {
    type Err = IncidentError;

    fn from_str(text: &str) -> Result<Self, IncidentError> {
        let failed = |reason: String| IncidentError {
            text: text.chars().take(200).collect(),
            reason,
        };
        let (mut at, mut lasts, mut what, mut conditions) = (None, None, None, Vec::new());
        for part in text.split(',').map(str::trim) {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| failed(format!("`{part}` has no =")))?;
            let wrong = || failed(format!("`{value}` cannot be `{name}`"));
            match name {
                "at" => at = Some(At::parse(value).ok_or_else(wrong)?),
                "for" => lasts = Some(duration(value).map_err(|_| wrong())?),
                "what" => what = Some(Fault::parse(value).ok_or_else(wrong)?),
                "where" => {
                    let (dimension, value) = value.split_once(':').ok_or_else(wrong)?;
                    if !DIMENSIONS.contains(&dimension) {
                        let known = DIMENSIONS.join(", ");
                        return Err(failed(format!(
                            "`{dimension}` is no dimension of viewers; there are {known}"
                        )));
                    }
                    conditions.push((dimension.to_owned(), value.to_owned()));
                }
                _ => return Err(failed(format!("`{name}` is not known"))),
            }
        }
        let missing = |name: &str| failed(format!("`{name}` is missing"));
        Ok(Self {
            at: at.ok_or_else(|| missing("at"))?,
            lasts: lasts.ok_or_else(|| missing("for"))?,
            what: what.ok_or_else(|| missing("what"))?,
            conditions,
        })
    }
}

impl At {
    fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix('%') {
            Some(share) => {
                let share = share
                    .parse::<f64>()
                    .ok()
                    .filter(|share| (0.0..=100.0).contains(share))?;
                Some(Self::Share(share / 100.0))
            }
            None => duration(text).ok().map(Self::After),
        }
    }
}

impl Fault {
    fn parse(text: &str) -> Option<Self> {
        [Self::Down, Self::Errors, Self::Slow]
            .into_iter()
            .find(|what| what.to_string() == text)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "down",
            Self::Errors => "errors",
            Self::Slow => "slow",
        })
    }
}

/// What viewers can be chosen by.
const DIMENSIONS: [&str; 11] = [
    "arm",
    "browser",
    "cdn_host",
    "country",
    "device",
    "network",
    "os",
    "page_host",
    "plan",
    "stream_type",
    "video_id",
];

/// An incident on the clock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dated {
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
    pub(super) what: Fault,
    conditions: Vec<(String, String)>,
}

impl Incident {
    /// When it is, where the whole time is from one time to another, in ms since 1970.
    pub(super) fn dated(&self, from_ms: i64, until_ms: i64) -> Dated {
        let after_ms = match self.at {
            At::Share(share) => ((until_ms - from_ms) as f64 * share) as i64,
            At::After(duration) => duration.as_millis() as i64,
        };
        Dated {
            from_ms: from_ms + after_ms,
            until_ms: from_ms + after_ms + self.lasts.as_millis() as i64,
            what: self.what,
            conditions: self.conditions.clone(),
        }
    }
}

impl Dated {
    /// Whether it concerns a viewer of whom `value_of` tells the value of a dimension.
    pub(super) fn concerns<'a>(&self, value_of: impl Fn(&str) -> Option<&'a str>) -> bool {
        let holds = |(dimension, value): &(String, String)| value_of(dimension) == Some(value);
        self.conditions.iter().all(holds)
    }
}

/// Reads `90s`, `10m`, `24h` or `7d`.
///
/// # Errors
/// A message for people.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration, as 90s, 10m, 24h or 7d");
    let at = text.len().checked_sub(1).ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(at).ok_or_else(wrong)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let seconds = u64::from(number) * unit_s;
    // More than a year would only overflow something.
    (seconds <= 366 * 86_400)
        .then_some(Duration::from_secs(seconds))
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn incidents_are_read_and_dated() {
        let text = "at=40%,for=10m,where=cdn_host:cdn-b.example,where=device:tv,what=slow";
        let dated = text.parse::<Incident>().unwrap().dated(1000, 3_601_000);
        assert_eq!((dated.from_ms, dated.until_ms), (1_441_000, 2_041_000));
        assert_eq!(dated.what, Fault::Slow);
        let viewer = |device| {
            move |dimension: &str| match dimension {
                "cdn_host" => Some("cdn-b.example"),
                "device" => Some(device),
                _ => None,
            }
        };
        assert!(dated.concerns(viewer("tv")));
        assert!(!dated.concerns(viewer("phone")));
        let after: Incident = "at=90s,for=2h,what=down".parse().unwrap();
        assert_eq!(after.dated(0, 1).from_ms, 90_000);
        assert!(after.dated(0, 1).concerns(|_| None), "everybody");
    }

    #[test]
    fn what_is_none_is_named() {
        for (text, reason) in [
            ("", "has no ="),
            ("at=40%,for=10m", "`what` is missing"),
            ("for=10m,what=down", "`at` is missing"),
            ("at=101%,for=10m,what=down", "`101%` cannot be `at`"),
            ("at=NaN%,for=10m,what=down", "`NaN%` cannot be `at`"),
            ("at=1s,for=é,what=down", "`é` cannot be `for`"),
            ("at=1s,for=9999999d,what=down", "cannot be `for`"),
            ("at=1s,for=1m,what=bad", "`bad` cannot be `what`"),
            ("at=1s,for=1m,what=down,where=shoe:9", "no dimension of viewers"),
            ("at=1s,for=1m,what=down,who=me", "`who` is not known"),
        ] {
            let error = text.parse::<Incident>().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
