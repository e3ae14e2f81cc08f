//! Networks made up by chance, for those who have no traces: six kinds, from a seed.
//!
//! ```
//! use std::time::Duration;
//! use simulator::generate::{self, Kind};
//!
//! let trace = generate::trace(Kind::Lte, 7, 0, Duration::from_secs(600));
//! assert_eq!(trace.name(), "lte-0001");
//! assert_eq!(trace, generate::trace(Kind::Lte, 7, 0, Duration::from_secs(600)));
//! ```
//!
//! In 120 traces of ten minutes each kind has (Mbit/s; an outage is a second or more at 50 kbit/s or less; round-trip time in ms):
//!
//! | kind | mean | 5% | median | 95% | outages an hour | of mean s | RTT |
//! |---|---|---|---|---|---|---|---|
//! | `3g` | 1.2 | 0 | 0.8 | 4.3 | 40 | 11 | 88 |
//! | `congested` | 2.2 | 0.2 | 1.6 | 6.8 | 43 | 2 | 57 |
//! | `cable` | 13 | 0.6 | 12 | 34 | 0 | | 24 |
//! | `wifi` | 24 | 3.2 | 16 | 83 | 0 | | 26 |
//! | `lte` | 36 | 4.2 | 28 | 98 | 10 | 3 | 51 |
//! | `5g` | 256 | 0 | 39 | 1641 | 143 | 2 | 37 |
//!
//! A network is a [`Profile`]: a chain of regimes (good, normal, poor, outage) with an autoregressive rate within them, whose
//! constants are fitted to a published set of measurements. A kind has one to three profiles, taken in turn. Everything is
//! computed with `libm`: the same seed gives the same bytes on every platform.

mod content;
mod model;
mod profiles;
pub mod random;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

pub use content::{content, content_json};
pub use model::Profile;

use crate::Trace;
use crate::trace::FamilyTrace;

/// The longest trace that is made; longer ones are cut.
pub const MAX_DURATION: Duration = Duration::from_secs(86_400);

/// A kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Fixed broadband: flat for minutes at 10 to 30 Mbit/s, with long slow spells. As `fcc`.
    Cable,
    /// Links slower than what is asked of them: shared broadband of 1 to 3 Mbit/s, some steady, some with gaps of 2 s. In turn as
    /// `oboe`, `puffer`, `fcc_low`.
    Congested,
    /// 4G, driving and walking: 20 to 60 Mbit/s with dips of half a minute and rare short outages. In turn as `us_lte`,
    /// `ghent_4g`.
    Lte,
    /// 5G: two of three below 6 GHz (`irish_5g`: about 15 Mbit/s by the median, from nothing to 400 within seconds), one in
    /// millimetre waves (`us_5g_mmwave`: half a gigabit, a twentieth of it behind a corner).
    FiveG,
    /// 3G on the move: about 1 Mbit/s, dips of minutes, outages of 10 s and more. As `norway_3g`.
    ThreeG,
    /// Wi-Fi behind broadband: steady within a session, from 5 to 60 Mbit/s between sessions. As `wifi_cn`.
    Wifi,
}

impl Kind {
    /// All kinds, from slow to fast.
    pub const ALL: [Self; 6] = [
        Self::ThreeG,
        Self::Congested,
        Self::Cable,
        Self::Wifi,
        Self::Lte,
        Self::FiveG,
    ];

    /// Its name: that of the family of its traces.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cable => "cable",
            Self::Congested => "congested",
            Self::Lte => "lte",
            Self::FiveG => "5g",
            Self::ThreeG => "3g",
            Self::Wifi => "wifi",
        }
    }

    /// The measurements that its traces are like; trace `i` is like profile `i` modulo their number.
    pub const fn profiles(self) -> &'static [Profile] {
        match self {
            Self::Cable => profiles::CABLE,
            Self::Congested => profiles::CONGESTED,
            Self::Lte => profiles::LTE,
            Self::FiveG => profiles::FIVE_G,
            Self::ThreeG => profiles::THREE_G,
            Self::Wifi => profiles::WIFI,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no such kind of network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of network {0:?}; known are {known}", known = Kind::ALL.map(Kind::name).join(", "))]
pub struct UnknownKind(pub String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| UnknownKind(name.to_owned()))
    }
}

/// A trace of a kind; the same for the same seed and index, and a longer one begins like a shorter one. Its name is the kind's and
/// the index plus one. A duration of zero counts as one step of the profile, one above [`MAX_DURATION`] as that.
pub fn trace(kind: Kind, seed: u64, index: u32, duration: Duration) -> Trace {
    let name = format!("{kind}-{:04}", u64::from(index) + 1);
    let rng = random::Rng::of(&[seed, random::hash(kind.name()), u64::from(index)]);
    let profiles = kind.profiles();
    let profile = &profiles[index as usize % profiles.len()];
    let points = profile.points(rng, duration.min(MAX_DURATION));
    // No trace begins with an outage, and rates are above zero and below the profile's peak.
    Trace::new(&name, &points).expect("every point is in range and the first one carries something")
}

/// The first `count` traces of a kind; the family is named like the kind.
pub fn family(kind: Kind, seed: u64, count: u32, duration: Duration) -> Vec<FamilyTrace> {
    let make = |index| FamilyTrace {
        family: kind.name().to_owned(),
        trace: trace(kind, seed, index, duration),
    };
    (0..count).map(make).collect()
}
