//! Everything that can be set, with the defaults.

use serde::{Deserialize, Serialize};

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
}

/// How renditions are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AbrConfig {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Throughput to assume before anything was measured, kbit/s; `None` starts at the lowest rendition.
    /// Default 3000.
    pub initial_throughput_kbps: Option<f64>,
    /// Never choose a rendition above this, kbit/s. Default: none.
    pub max_bandwidth_kbps: Option<f64>,
    /// Never choose a rendition larger than the smallest one that covers the element. Default true.
    pub cap_to_element_size: bool,
    /// Give a download up when a lower rendition gets there sooner. Default true.
    pub abandonment: bool,
}

impl Default for AbrConfig {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Headgate,
            initial_throughput_kbps: Some(3000.0),
            max_bandwidth_kbps: None,
            cap_to_element_size: true,
            abandonment: true,
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
