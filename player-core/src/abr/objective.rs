//! What a viewing is worth: quality, less what stalls and changes of quality cost.
//!
//! Per segment: u − `stall`·(seconds without pictures) − `rise`·(u − u′ if it rises) − `fall`·(u′ − u if it falls), where u is
//! the utility of the segment's rendition, 0 to 1, and u′ that of the segment before. The algorithms plan by it and the simulator scores
//! by it, so that both mean the same.

use serde::{Deserialize, Serialize};

use super::{Rung, Upcoming};

/// What a segment of a rendition is worth, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Utility {
    /// R/Rmax: the bitrate as a share of the ladder's highest (Yin et al., SIGCOMM 2015: QoE_lin).
    #[default]
    Bitrate,
    /// ln(R/Rmin)/ln(Rmax/Rmin): the logarithm of the bitrate (QoE_log).
    LogBitrate,
    /// The segment's VMAF or a like measure, 0 to 100, divided by 100, where the stream carries it; else as `LogBitrate`.
    Quality,
}

/// Utility and costs. See the module's text for the unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// What a segment is worth.
    pub utility: Utility,
    /// Cost of a second without pictures.
    pub stall: f64,
    /// Cost of a rise of the utility by 1; below zero it is a reward.
    pub rise: f64,
    /// Cost of a fall of the utility by 1.
    pub fall: f64,
}

impl Objective {
    /// QoE_lin with µ = Rmax, divided by Rmax (Mao et al., *Pensieve*, SIGCOMM 2017).
    pub const LIN: Self = Self {
        utility: Utility::Bitrate,
        stall: 1.0,
        rise: 1.0,
        fall: 1.0,
    };
    /// The same with the logarithm of the bitrate.
    pub const LOG: Self = Self {
        utility: Utility::LogBitrate,
        ..Self::LIN
    };
    /// The weights of Comyco (Huang et al., MM 2019), divided so that a VMAF of 100 is worth 1.
    pub const VMAF: Self = Self {
        utility: Utility::Quality,
        stall: 28.7959 / 84.69,
        rise: -0.2979 / 0.8469,
        fall: 1.0610 / 0.8469,
    };

    /// What a segment of utility `u` is worth after one of utility `before`, without its stall.
    pub fn gain(&self, u: f64, before: Option<f64>) -> f64 {
        let step = before.map_or(0.0, |before| u - before);
        u - self.rise * step.max(0.0) + self.fall * step.min(0.0)
    }
}

impl Default for Objective {
    fn default() -> Self {
        Self::LIN
    }
}

impl Utility {
    /// Utility of segment `ahead` of rung `rung` of a ladder (lowest bitrate first); 0 for a rung that is not there.
    pub fn of(self, ladder: &[Rung], upcoming: &dyn Upcoming, rung: usize, ahead: usize) -> f64 {
        if self == Self::Quality
            && let Some(quality) = upcoming.quality(rung, ahead)
        {
            return (quality / 100.0).clamp(0.0, 1.0);
        }
        let bps = |rung: Option<&Rung>| rung.map_or(0.0, |rung| rung.bitrate.as_f64());
        let (lowest, highest) = (bps(ladder.first()).max(1.0), bps(ladder.last()).max(1.0));
        let bps = bps(ladder.get(rung));
        match self {
            Self::Bitrate => bps / highest,
            // A ladder of one bitrate is always at its best.
            Self::LogBitrate | Self::Quality if highest <= lowest => 1.0,
            Self::LogBitrate | Self::Quality => {
                libm::log(bps.max(lowest) / lowest) / libm::log(highest / lowest)
            }
        }
    }
}
