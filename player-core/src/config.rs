//! Everything that can be set, with the defaults.

use serde::{Deserialize, Serialize};

use crate::abr::{Objective, Utility};

/// Configuration of a [`Player`](crate::Player).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Rendition choice.
    pub abr: AbrConfig,
    /// How much media to keep.
    pub buffer: BufferConfig,
    /// When to try again.
    pub retry: RetryConfig,
    /// Seed of everything random (identifiers, jitter). The driver draws it; the same seed gives the same outputs.
    pub seed: u64,
    /// What to report, and as whom.
    pub telemetry: TelemetryConfig,
    /// Which sound and text to begin with.
    pub tracks: TrackConfig,
}

/// How renditions are chosen.
///
/// A [`Preset`] says what a viewing is worth; each of `utility`, `stall_cost`, `rise_cost` and `fall_cost` overrides its part of
/// it. [`AbrConfig::objective`] is the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AbrConfig {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Where the settings below that are `None` come from. Default `balanced`.
    pub preset: Preset,
    /// Throughput to assume before anything was measured, kbit/s; `None` starts at the lowest rendition.
    /// Default 3000.
    pub initial_throughput_kbps: Option<f64>,
    /// Never choose a rendition above this, kbit/s. Default: none, but 1500 in `data_saver`.
    pub max_bandwidth_kbps: Option<f64>,
    /// Never choose a rendition of more lines than this. Default: none, but 480 in `data_saver`.
    pub max_height: Option<u32>,
    /// Never choose a rendition larger than the smallest one that covers the element. Default true.
    pub cap_to_element_size: bool,
    /// Keep within the limits of `data_saver` while the viewer asks for it
    /// ([`Host::save_data`](crate::input::Host::save_data)). Default true.
    pub follow_save_data: bool,
    /// A rendition of whose frames a larger share than this is dropped is not chosen for a while; `None` lets frames drop.
    /// Default 0.2.
    pub max_dropped_frames: Option<f64>,
    /// Give a download up when a lower rendition gets there sooner. Default true.
    pub abandonment: bool,
    /// What a segment's quality is measured by. Default: the preset's.
    pub utility: Option<Utility>,
    /// Cost of a second without pictures, in units of the best quality for one segment; 0 to 100. Default: the preset's.
    pub stall_cost: Option<f64>,
    /// Cost of a rise from the worst to the best quality, in the same unit; -1 to 100, below zero it is a reward.
    pub rise_cost: Option<f64>,
    /// Cost of a fall from the best to the worst quality, in the same unit; 0 to 100.
    pub fall_cost: Option<f64>,
    /// Segments that the planner looks ahead before it falls back on the previous plan's value; 1 to 20. Default 8.
    pub horizon: u32,
}

impl Default for AbrConfig {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Headgate,
            preset: Preset::Balanced,
            initial_throughput_kbps: Some(3000.0),
            max_bandwidth_kbps: None,
            max_height: None,
            cap_to_element_size: true,
            follow_save_data: true,
            max_dropped_frames: Some(0.2),
            abandonment: true,
            utility: None,
            stall_cost: None,
            rise_cost: None,
            fall_cost: None,
            horizon: 8,
        }
    }
}

impl AbrConfig {
    /// What a viewing is worth: the preset's, with what was set over it. Numbers that are none or out of range count as not set.
    pub fn objective(&self) -> Objective {
        let preset = self.preset.objective();
        let or = |value: Option<f64>, min: f64, default: f64| {
            value.filter(|v| (min..=100.0).contains(v)).unwrap_or(default)
        };
        Objective {
            utility: self.utility.unwrap_or(preset.utility),
            stall: or(self.stall_cost, 0.0, preset.stall),
            rise: or(self.rise_cost, -1.0, preset.rise),
            fall: or(self.fall_cost, 0.0, preset.fall),
        }
    }

    /// The highest bitrate that may be chosen, kbit/s; infinity if there is no limit.
    pub fn bandwidth_limit_kbps(&self) -> f64 {
        self.max_bandwidth_kbps
            .or(self.preset.max_bandwidth_kbps())
            .unwrap_or(f64::INFINITY)
    }

    /// The most lines of a rendition that may be chosen.
    pub fn height_limit(&self) -> u32 {
        self.max_height.or(self.preset.max_height()).unwrap_or(u32::MAX)
    }
}

/// What matters to the viewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// [`Objective::LIN`]: the balance of the literature.
    #[default]
    Balanced,
    /// As balanced, but no more than 480 lines and 1500 kbit/s.
    DataSaver,
    /// Stalls cost three times as much: for a buffer of a few seconds, where each one is likely to be followed by another.
    LowLatency,
    /// Changes cost twice as much.
    Smooth,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Balanced, Self::DataSaver, Self::LowLatency, Self::Smooth];

    /// The name in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::DataSaver => "data_saver",
            Self::LowLatency => "low_latency",
            Self::Smooth => "smooth",
        }
    }

    /// Its limit of the bitrate, kbit/s, if it has one.
    pub const fn max_bandwidth_kbps(self) -> Option<f64> {
        match self {
            Self::DataSaver => Some(1500.0),
            Self::Balanced | Self::LowLatency | Self::Smooth => None,
        }
    }

    /// Its limit of the lines, if it has one.
    pub const fn max_height(self) -> Option<u32> {
        match self {
            Self::DataSaver => Some(480),
            Self::Balanced | Self::LowLatency | Self::Smooth => None,
        }
    }

    const fn objective(self) -> Objective {
        match self {
            Self::Balanced | Self::DataSaver => Objective::LIN,
            Self::LowLatency => Objective {
                stall: 3.0,
                ..Objective::LIN
            },
            Self::Smooth => Objective {
                rise: 2.0,
                fall: 2.0,
                ..Objective::LIN
            },
        }
    }
}

/// The algorithms in the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// BOLA: buffer level alone (Spiteri et al., INFOCOM 2016).
    Bola,
    /// Throughput and buffer together: [`abr::headgate`](crate::abr::headgate).
    #[default]
    Headgate,
    /// Throughput alone.
    Throughput,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bola, Self::Headgate, Self::Throughput];

    /// The name in configurations and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bola => "bola",
            Self::Headgate => "headgate",
            Self::Throughput => "throughput",
        }
    }
}

impl core::str::FromStr for Algorithm {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|a| a.name() == s).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|a| a.name()).collect();
            format!("unknown algorithm \"{s}\"; known are {}", names.join(", "))
        })
    }
}

/// How much media to keep around the playhead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BufferConfig {
    /// Seconds of media to have ahead of the playhead: a segment is fetched when it fits below this. Default 30.
    pub goal_s: f64,
    /// Seconds of media to keep behind the playhead. Default 30.
    pub back_s: f64,
}

impl Default for BufferConfig {
    fn default() -> Self {
        Self {
            goal_s: 30.0,
            back_s: 30.0,
        }
    }
}

/// Which sound and text to begin with, where there is a choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrackConfig {
    /// Language of the sound (BCP 47); empty = as the stream says. Default empty.
    pub audio_language: String,
    /// Language of subtitles to show from the start (BCP 47); empty = none but those that the stream wants to be shown. Default
    /// empty.
    pub text_language: String,
    /// Show subtitles that the stream declares as default or forced. Default true.
    pub default_text: bool,
}

impl Default for TrackConfig {
    fn default() -> Self {
        Self {
            audio_language: String::new(),
            text_language: String::new(),
            default_text: true,
        }
    }
}

/// When to try again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Attempts for a manifest, playlist or initialization section, the first included. Default 4.
    pub manifest_attempts: u32,
    /// Attempts for a media segment, the first included. Default 6.
    pub segment_attempts: u32,
    /// First pause, milliseconds; it doubles each time, up to eight times this, ± a quarter at random. Default 500.
    pub backoff_ms: u64,
    /// Longest wait for the first byte, milliseconds. Default 10 000.
    pub ttfb_timeout_ms: u64,
    /// Longest silence in the middle of a body, milliseconds. Default 10 000.
    pub stall_timeout_ms: u64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            manifest_attempts: 4,
            segment_attempts: 6,
            backoff_ms: 500,
            ttfb_timeout_ms: 10_000,
            stall_timeout_ms: 10_000,
        }
    }
}

/// What to report, and as whom. Without a site key there are no beacons.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// The site key; empty = no beacons.
    pub site: String,
    /// A pseudonym of the viewer, chosen by the application; empty = none.
    pub viewer_id: String,
    /// `desktop`, `phone`, `tablet`, `tv`, or empty.
    pub device: String,
    /// Browser family, or empty.
    pub browser: String,
    /// Operating system family, or empty.
    pub os: String,
    /// Host name of the embedding page, or empty.
    pub page_host: String,
}
