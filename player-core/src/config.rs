//! Everything that can be set, with the defaults.

use serde::{Deserialize, Serialize};

use crate::abr::{Objective, Utility};
use crate::drm::KeySystem;
use crate::drm::cdm::Requirement;
use crate::output::RequestKind;
use crate::telemetry::schema::{Dimension, Experiment};

/// Configuration of a [`Player`](crate::Player).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Rendition choice.
    pub abr: AbrConfig,
    /// How much media to keep.
    pub buffer: BufferConfig,
    /// What to tell the servers about playback.
    pub cmcd: CmcdConfig,
    /// Key systems.
    pub drm: DrmConfig,
    /// How a live stream is followed.
    pub live: LiveConfig,
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

/// How a live stream is followed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiveConfig {
    /// Seconds behind the live edge to play at; `None`: as the stream says (`PART-HOLD-BACK` and `HOLD-BACK`, `Latency@target` and
    /// `@suggestedPresentationDelay`). Default `None`.
    pub latency_s: Option<f64>,
    /// Fetch what is listed, or announced, before its segment is whole. Default true.
    pub parts: bool,
    /// Slowest playback rate, so as not to run out of media; 0.5 to 1. A stream may allow less (`PlaybackRate`). Default 0.95.
    pub min_rate: f64,
    /// Fastest playback rate, to catch up; 1 to 2. A stream may allow less. Default 1.08.
    pub max_rate: f64,
    /// So many seconds beyond where it should be the playhead jumps, and does not catch up. Default 6.
    pub max_drift_s: f64,
}

impl Default for LiveConfig {
    fn default() -> Self {
        Self {
            latency_s: None,
            parts: true,
            min_rate: 0.95,
            max_rate: 1.08,
            max_drift_s: 6.0,
        }
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

/// When to try again, by kind of request.
///
/// What must be there before anything plays (manifest, keys) is asked for often within a short time; a segment, of which there are
/// others to play meanwhile, for longer; what can be done without, or is asked for again anyway (tables, clocks, steering), hardly.
/// Attempts are counted at each place that has a copy; where there is another place, no more than two.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// The manifest.
    pub manifest: RetryPolicy,
    /// Media playlists and segment indexes, also when they are read again.
    pub playlist: RetryPolicy,
    /// Media segments. What is slow but comes is left to the ABR, which may give it up for a lower rendition.
    pub segment: RetryPolicy,
    /// Initialization sections: small, and all segments behind one wait for it.
    pub init: RetryPolicy,
    /// Segments of text: without one, a few lines are missing.
    pub text: RetryPolicy,
    /// Keys.
    pub key: RetryPolicy,
    /// Licences and certificates: their server may have to ask others, so it is given more time for the first byte.
    pub licence: RetryPolicy,
    /// Steering manifests: after a failure one goes on as before, and asks again later.
    pub steering: RetryPolicy,
    /// Sources of time: after a failure the next one is asked. A late answer is a bad one.
    pub clock: RetryPolicy,
    /// The [segment table](crate::manifest::table), which can be done without.
    pub table: RetryPolicy,
    /// The driver gives each attempt its authorization anew: one more attempt after 401 and 403, at once. Default false.
    pub authorization: bool,
    /// How long a network that carries nothing is waited for once playback has begun, milliseconds. Default 180 000: a tunnel, a lift.
    pub outage_ms: u64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        let policy = |attempts, timeout_ms: u64, total_timeout_ms| RetryPolicy {
            attempts,
            ttfb_timeout_ms: timeout_ms,
            stall_timeout_ms: timeout_ms,
            total_timeout_ms,
            ..RetryPolicy::default()
        };
        Self {
            manifest: policy(4, 10_000, 30_000),
            playlist: policy(4, 10_000, 30_000),
            segment: policy(6, 10_000, 120_000),
            init: policy(4, 10_000, 30_000),
            text: policy(3, 10_000, 30_000),
            key: policy(4, 8000, 15_000),
            licence: RetryPolicy {
                backoff_ms: 1000,
                jitter: 0.5,
                ..policy(3, 15_000, 30_000)
            },
            steering: policy(1, 5000, 10_000),
            clock: policy(1, 4000, 4000),
            table: policy(2, 10_000, 30_000),
            authorization: false,
            outage_ms: 180_000,
        }
    }
}

impl RetryConfig {
    /// The policy for a kind of request.
    pub const fn policy(&self, kind: RequestKind) -> &RetryPolicy {
        match kind {
            RequestKind::Clock => &self.clock,
            RequestKind::Init => &self.init,
            RequestKind::Key => &self.key,
            RequestKind::Certificate | RequestKind::Licence => &self.licence,
            RequestKind::Manifest => &self.manifest,
            RequestKind::Playlist => &self.playlist,
            RequestKind::Segment => &self.segment,
            RequestKind::SegmentTable | RequestKind::Thumbnails => &self.table,
            RequestKind::Steering => &self.steering,
            RequestKind::Text => &self.text,
        }
    }

    /// Every policy, to change something for all kinds of request.
    pub const fn policies_mut(&mut self) -> [&mut RetryPolicy; 10] {
        [
            &mut self.manifest,
            &mut self.playlist,
            &mut self.segment,
            &mut self.init,
            &mut self.text,
            &mut self.key,
            &mut self.licence,
            &mut self.steering,
            &mut self.clock,
            &mut self.table,
        ]
    }
}

/// When to try a request again. A time-out of 0 is none; while the machine is offline, neither attempts nor time-outs count.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts, the first included. Default 4.
    pub attempts: u32,
    /// Longest wait for the first byte, milliseconds. Default 10 000.
    pub ttfb_timeout_ms: u64,
    /// Longest silence in the middle of a body, milliseconds. Default 10 000.
    pub stall_timeout_ms: u64,
    /// Longest time for the whole, milliseconds, for what comes at less than 10 kbit/s; what comes faster has four times as long.
    /// Default 30 000.
    pub total_timeout_ms: u64,
    /// First pause, milliseconds; it doubles each time. Default 500.
    pub backoff_ms: u64,
    /// Longest pause, milliseconds, unless the server asks for a longer one (`Retry-After`, up to a minute). Default 4000.
    pub max_backoff_ms: u64,
    /// How far a pause is off at random, as a share of it; 0 to 1. Default 0.25.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            ttfb_timeout_ms: 10_000,
            stall_timeout_ms: 10_000,
            total_timeout_ms: 30_000,
            backoff_ms: 500,
            max_backoff_ms: 4000,
            jitter: 0.25,
        }
    }
}

/// How protected streams are played. Without a key system that is set here, or whose licence server the manifest names, they are not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrmConfig {
    /// Key systems, the preferred one first. Those whose licence server only the manifest names come after them.
    pub systems: Vec<KeySystemConfig>,
    /// How long a key may be missing before that is an error, milliseconds, from when it is needed. Default 10 000.
    pub key_timeout_ms: u64,
    /// Key sessions at a time; when there are more, the one that was needed last is closed. Default 32.
    pub max_sessions: usize,
    /// Licences are stored on the machine, and loaded from [`Self::stored`]. Default false.
    pub persistent: bool,
    /// Ids of the sessions whose licences were stored ([`PlayerEvent::LicenceStored`](crate::output::PlayerEvent::LicenceStored)).
    pub stored: Vec<String>,
}

impl Default for DrmConfig {
    fn default() -> Self {
        Self {
            systems: Vec::new(),
            key_timeout_ms: 10_000,
            max_sessions: 32,
            persistent: false,
            stored: Vec::new(),
        }
    }
}

/// A key system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeySystemConfig {
    /// Which one.
    pub system: KeySystem,
    /// Key system strings to ask for, in order; empty = [`KeySystem::key_systems`].
    pub names: Vec<String>,
    /// Absolute URL of the licence server; empty = what the manifest says. Tokens do not belong here: the driver adds them.
    pub server: String,
    /// The same for requests of individualization; empty = `server`.
    pub individualization_server: String,
    /// Where the certificate of the licence server comes from.
    pub certificate: Certificate,
    /// Robustness of the sound, the best first; empty strings stand for any. Default: the system's.
    pub audio_robustness: Vec<String>,
    /// The same for the pictures.
    pub video_robustness: Vec<String>,
    /// Whether state must be kept on the machine.
    pub persistent_state: Requirement,
    /// Whether the machine must have an identifier.
    pub distinctive_identifier: Requirement,
}

impl Default for KeySystemConfig {
    fn default() -> Self {
        Self {
            system: KeySystem::ClearKey,
            names: Vec::new(),
            server: String::new(),
            individualization_server: String::new(),
            certificate: Certificate::None,
            audio_robustness: Vec::new(),
            video_robustness: Vec::new(),
            persistent_state: Requirement::Optional,
            distinctive_identifier: Requirement::Optional,
        }
    }
}

/// Where the certificate of a licence server comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certificate {
    /// The driver has it.
    Given,
    /// From where the manifest says (`dashif:Certurl`), or there is none.
    #[default]
    None,
    /// From this absolute URL.
    Url(String),
}

/// Common Media Client Data (CTA-5004, CTA-5004-B): what to tell the servers about playback. Nothing is told by default.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CmcdConfig {
    /// With each request, to the server that it goes to. Default off.
    pub mode: CmcdMode,
    /// Of the data that goes with requests: 2 is CTA-5004-B, all else CTA-5004. Events are always of version 2.
    pub version: u8,
    /// `sid`, a UUID; empty = that of the view.
    pub session_id: String,
    /// `cid`; empty = [`Load::video_id`](crate::input::Load::video_id).
    pub content_id: String,
    /// Keys to send, as `br`; empty = all.
    pub keys: Vec<String>,
    /// Also with requests for keys and licences. Default false.
    pub include_keys: bool,
    /// Collectors of events.
    pub targets: Vec<CmcdTarget>,
}

/// How the data goes with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CmcdMode {
    /// In header fields, which other origins must allow (CORS), with a preflight each.
    Header,
    /// Not at all.
    #[default]
    Off,
    /// In the query parameter `CMCD`, which becomes a part of the key of caches that do not leave it out.
    Query,
}

/// A collector of events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CmcdTarget {
    /// Absolute URL to post to.
    pub url: String,
    /// Events to report, of `ps` (state), `e` (error), `t` (interval), `c` (content), `b` (hidden), `bc` (bitrate), `pr` (rate),
    /// `rr` (response); empty = `ps`, `e` and `t`.
    pub events: Vec<String>,
    /// Seconds between two events `t`; 0 = none. Default 30.
    pub interval_s: u32,
    /// Keys to send; empty = all.
    pub keys: Vec<String>,
    /// Reports that are gathered before they are sent; at most ten seconds. Default 1.
    pub batch: u32,
}

impl Default for CmcdTarget {
    fn default() -> Self {
        Self {
            url: String::new(),
            events: Vec::new(),
            interval_s: 30,
            keys: Vec::new(),
            batch: 1,
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
    /// Kind of connection, as `navigator.connection.type` has it, or empty.
    pub network: String,
    /// Host name of the embedding page, or empty.
    pub page_host: String,
    /// The experiment that the views take part in.
    pub experiment: Option<Experiment>,
    /// What else the application tells views apart by.
    pub dimensions: Vec<Dimension>,
}
