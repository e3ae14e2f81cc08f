//! Losses of connection.

use std::str::FromStr;
use std::time::Duration;

use player_core::Instant;

const MAX_S: f64 = 1e6;

/// A time without a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outage {
    /// When it begins.
    pub at: Instant,
    /// How long it lasts.
    pub duration: Duration,
}

impl Outage {
    /// When the connection can be made again.
    pub fn end(self) -> Instant {
        self.at + self.duration
    }

    /// Whether there is no connection at that time.
    pub fn contains(self, at: Instant) -> bool {
        self.at <= at && at < self.end()
    }
}

/// When the connection is lost in a session: never by default, at given times, or at random.
#[derive(Clone, Debug, PartialEq)]
pub struct Outages(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// In order, apart from each other.
    Given(Vec<Outage>),
    Random {
        every_s: f64,
        lasting: Duration,
        seed: u64,
    },
}

impl Default for Outages {
    fn default() -> Self {
        Self::NONE
    }
}

/// Why a text describes no outages.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" describes no outages: {reason}; write for instance every=120,for=8,seed=1 (seconds)")]
pub struct OutagesError {
    text: String,
    reason: String,
}

impl Outages {
    /// The connection is never lost.
    pub const NONE: Self = Self(Kind::Given(Vec::new()));

    /// Outages at these times. Those that overlap or touch become one; those without length none.
    pub fn at(mut outages: Vec<Outage>) -> Self {
        outages.retain(|outage| !outage.duration.is_zero());
        outages.sort_unstable();
        let mut merged: Vec<Outage> = Vec::with_capacity(outages.len());
        for outage in outages {
            match merged.last_mut() {
                Some(last) if outage.at <= last.end() => {
                    last.duration = outage.end().max(last.end()).since(last.at);
                }
                _ => merged.push(outage),
            }
        }
        Self(Kind::Given(merged))
    }

    /// Outages of one length, with gaps between them that are exponentially distributed: a Poisson process, on the mean one
    /// every `every_s` seconds from the end of the one before. The same seed gives the same outages.
    ///
    /// # Errors
    /// If a number of seconds is not above 0, or is more than a million.
    pub fn random(every_s: f64, lasting_s: f64, seed: u64) -> Result<Self, OutagesError> {
        let failed = |name: &str, value: f64| OutagesError {
            text: format!("every={every_s},for={lasting_s},seed={seed}"),
            reason: format!("{name} must be above 0 and at most {MAX_S} seconds, not {value}"),
        };
        for (name, value) in [("every", every_s), ("for", lasting_s)] {
            if !(value > 0.0 && value <= MAX_S) {
                return Err(failed(name, value));
            }
        }
        let lasting = Duration::from_micros(((lasting_s * 1e6).round() as u64).max(1));
        Ok(Self(Kind::Random {
            every_s,
            lasting,
            seed,
        }))
    }

    /// Reads `every=120,for=8,seed=1`, as [`Outages::random`] takes them; without a seed it is 1.
    ///
    /// # Errors
    /// If a part is missing, unknown, given twice, no number, or out of range.
    pub fn parse(text: &str) -> Result<Self, OutagesError> {
        let failed = |reason: String| OutagesError {
            text: text.to_owned(),
            reason,
        };
        let (mut every, mut lasting, mut seed) = (None, None, None);
        for part in text.split(',').map(str::trim) {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| failed(format!("\"{part}\" has no =")))?;
            let (name, value) = (name.trim(), value.trim());
            let known = match name {
                "every" => set(&mut every, value),
                "for" => set(&mut lasting, value),
                "seed" => set(&mut seed, value),
                _ => return Err(failed(format!("\"{name}\" is not known"))),
            };
            known.map_err(|problem| failed(format!("{name} {problem}")))?;
        }
        let every = every.ok_or_else(|| failed("every is missing".to_owned()))?;
        let lasting = lasting.ok_or_else(|| failed("for is missing".to_owned()))?;
        Self::random(every, lasting, seed.unwrap_or(1)).map_err(|error| failed(error.reason))
    }

    /// They, in order and apart from each other. Random ones have no end.
    pub fn iter(&self) -> Iter {
        match &self.0 {
            Kind::Given(list) => Iter(State::Given(list.clone().into_iter())),
            Kind::Random {
                every_s,
                lasting,
                seed,
            } => Iter(State::Random {
                every_s: *every_s,
                lasting: *lasting,
                rng: *seed,
                last_end: Instant::ZERO,
            }),
        }
    }
}

impl IntoIterator for &Outages {
    type Item = Outage;
    type IntoIter = Iter;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromStr for Outages {
    type Err = OutagesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// See [`Outages::iter`].
#[derive(Clone, Debug)]
pub struct Iter(State);

#[derive(Clone, Debug)]
enum State {
    Given(std::vec::IntoIter<Outage>),
    Random {
        every_s: f64,
        lasting: Duration,
        rng: u64,
        last_end: Instant,
    },
}

impl Iterator for Iter {
    type Item = Outage;

    fn next(&mut self) -> Option<Outage> {
        match &mut self.0 {
            State::Given(list) => list.next(),
            State::Random {
                every_s,
                lasting,
                rng,
                last_end,
            } => {
                // In (0, 1]: its logarithm is finite.
                let uniform = ((split_mix(rng) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
                let gap_us = ((-libm::log(uniform) * *every_s * 1e6) as u64).max(1);
                let outage = Outage {
                    at: *last_end + Duration::from_micros(gap_us),
                    duration: *lasting,
                };
                *last_end = outage.end();
                Some(outage)
            }
        }
    }
}

fn set<T: FromStr>(slot: &mut Option<T>, value: &str) -> Result<(), String> {
    let value = value.parse().map_err(|_| format!("is no number: \"{value}\""))?;
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err("is given twice".to_owned()),
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::{drain, trace};
    use super::super::{Link, Network, What};
    use super::*;
    use player_core::input::RequestId;

    fn outage(at_ms: u64, ms: u64) -> Outage {
        Outage {
            at: Instant::from_micros(at_ms * 1000),
            duration: Duration::from_millis(ms),
        }
    }

    #[test]
    fn given_ones_are_put_in_order_and_apart() {
        let outages = Outages::at(vec![
            outage(900, 50),
            outage(100, 50),
            outage(400, 0),
            outage(120, 80),
            outage(200, 10),
        ]);
        let list: Vec<_> = outages.iter().collect();
        assert_eq!(list, [outage(100, 110), outage(900, 50)]);
        assert_eq!(Outages::default().iter().next(), None);
        assert!(outage(100, 50).contains(Instant::from_micros(100_000)));
        assert!(!outage(100, 50).contains(Instant::from_micros(150_000)));
    }

    #[test]
    fn random_ones_come_as_often_as_was_asked_and_always_the_same() {
        let outages: Outages = "every=120, for=8, seed=7".parse().unwrap();
        let list: Vec<_> = outages.iter().take(2000).collect();
        assert!(list.iter().all(|o| o.duration == Duration::from_secs(8)));
        assert!(list.windows(2).all(|pair| pair[0].end() < pair[1].at));
        let each_s = list.last().unwrap().end().as_micros() as f64 / 1e6 / 2000.0;
        assert!((each_s - 128.0).abs() < 10.0, "{each_s}");
        assert_eq!(list, outages.iter().take(2000).collect::<Vec<_>>());
        let others: Vec<_> = Outages::random(120.0, 8.0, 8).unwrap().iter().take(2).collect();
        assert_ne!(list[..2], others);
        assert_eq!(Outages::parse("for=8,every=120"), Outages::random(120.0, 8.0, 1));
    }

    #[test]
    fn each_error_names_the_text_and_the_part() {
        let cases = [
            ("", "\"\" has no ="),
            ("every=120", "for is missing"),
            ("for=3,seed=2", "every is missing"),
            ("every=1,for=2,rate=3", "\"rate\" is not known"),
            ("every=often,for=2", "every is no number: \"often\""),
            ("every=1,for=2,seed=-1", "seed is no number"),
            ("every=1,every=2,for=2", "every is given twice"),
            ("every=0,for=2", "every must be above 0"),
            ("every=5,for=inf", "for must be above 0"),
            ("every=NaN,for=1", "every must be above 0"),
        ];
        for (text, expected) in cases {
            let error = Outages::parse(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("\"{text}\" describes no outages: ")) && error.contains(expected),
                "{error}"
            );
        }
    }

    fn link(outages: &[Outage]) -> Link {
        Link {
            outages: Outages::at(outages.to_vec()),
            ..Link::default()
        }
    }

    #[test]
    fn requests_in_flight_fail_when_the_connection_breaks() {
        let trace = trace(&[(1000.0, 800.0, 30.0)]);
        let link = link(&[outage(80, 500), outage(5000, 10)]);
        let mut network = Network::new(&trace, &link);
        // 100 bytes a millisecond: the first has 2000 of its bytes on time, the second shares the link from 40 ms on, the
        // third has heard nothing yet.
        network.request(RequestId(1), 2000);
        let mut out = Vec::new();
        network.advance(Instant::from_micros(10_000), &mut out);
        network.request(RequestId(2), 9000);
        network.request(RequestId(3), 9000);
        network.cancel(RequestId(3));
        network.advance(Instant::from_micros(30_000), &mut out);
        network.advance(Instant::from_micros(40_000), &mut out);
        network.advance(network.next().unwrap(), &mut out);
        assert_eq!(network.next(), Some(Instant::from_micros(80_000)), "{out:?}");
        network.request(RequestId(4), 9000);
        assert_eq!(
            drain(&mut network),
            [(80.0, 2, What::Broken(3000)), (80.0, 4, What::Broken(0))]
        );
    }

    #[test]
    fn requests_in_an_outage_connect_at_the_next_try_after_it() {
        let trace = trace(&[(1000.0, 800.0, 30.0)]);
        let link = link(&[outage(100, 4000)]);
        let mut network = Network::new(&trace, &link);
        network.advance(Instant::from_micros(200_000), &mut Vec::new());
        network.request(RequestId(1), 100);
        // Tries at 1.2 and 3.2 s are in vain; the one at 7.2 s is not.
        assert_eq!(
            drain(&mut network),
            [(7230.0, 1, What::Headers(100)), (7231.0, 1, What::Complete(100))]
        );
    }

    #[test]
    fn requests_in_a_long_outage_fail_after_a_while() {
        let trace = trace(&[(1000.0, 800.0, 30.0)]);
        let link = link(&[outage(0, 60_000)]);
        let mut network = Network::new(&trace, &link);
        let mut out = Vec::new();
        network.advance(Instant::ZERO, &mut out);
        network.request(RequestId(1), 100);
        assert_eq!(drain(&mut network), [(21_000.0, 1, What::Unreachable)]);
        assert_eq!((network.in_flight(), network.next()), (0, None));
    }
}
