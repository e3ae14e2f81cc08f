//! What each number means, and how it is computed.
//!
//! ```text
//! attempts        = views with play_intent
//! startup_ms      = first_frame - play_intent, monotonic clock, minus hidden/autoplay-blocked time; ads separate
//! startup_failure = fatal before first_frame / attempts
//! ebvs            = ended with no first_frame, no fatal, waited >= 1000 ms / attempts (report < 1 s separately)
//! playback_fail   = fatal after first_frame / plays;  failure_pct = any fatal / attempts   (as CTA-2066 and Mux)
//! rebuffer_ratio  = sum rebuf_ms / sum(played_ms + rebuf_ms)          (excludes startup, seek, pause)
//! stalled_pct_cta = sum stall_ms / sum watched_ms                     (comparable to Mux and CTA-2066: watched time includes startup and stalls)
//! cirr            = sum rebuf_ms(cause = network) / sum(played_ms + rebuf_ms)    cause: network | seek | decode | startup
//! rebuffer_freq   = sum count / sum played minutes; also % of views with >= 1 rebuffer
//! avg_bitrate     = sum(kbps * media_ms) / sum media_ms;  up/downscale = sum(s * media_ms) / sum media_ms
//! live_latency    = time-weighted mean + p50/p95;  dropped = sum dropped / sum decoded frames
//! ```
//!
//! Ratios are ratios of sums. Quantiles only over views that have the value; n is always shown beside a percentile.
//! Numerators and denominators are stored, never ratios. A ratio whose denominator is 0 is `null`, not 0.
//!
//! In these definitions:
//!
//! - *plays* are views with a first frame; *ended* (for `ebvs`, exits before video start) is a view that said that it
//!   ended, or had no beat for 90 s; *waited* is the time from play intent to the last beat, without time in which
//!   the page is known to have been hidden. *stall_ms* is `rebuffer_ms`; *watched_ms* is
//!   `startup_ms + played_ms + rebuffer_ms + seek_ms`.
//! - *s* of `upscale` is `max(0, u - 1)` and that of `downscale` `max(0, 1 - u)`, with
//!   `u = min(player_w / src_w, player_h / src_h)` in device pixels. Media time at which one of the sizes was not known
//!   counts in neither sum.
//! - *live_latency* is how far the playhead is behind what can be played: by the servers' clock where they have one, else by
//!   what the manifest lists. Its percentiles are over the time-weighted means of the views.
//! - *concurrent viewers* are views whose last beat came less than 35 s ago, that are not paused, ended or failed, and
//!   that have not been waiting for media for more than 5 min. They are counted every second.
//! - Percentiles are interpolated between the two nearest values (`quantile_cont`).
//! - A sampled view counts `1 / sample_rate` times in counts and sums; `n` beside a number counts the views themselves.
//! - Attempts, plays, start-up, failures and exits belong to the view's start by the server's clock; played and
//!   rebuffered time, media time and frames belong to the time of the beacon that reports them, in stretches of ten
//!   seconds. Where they are divided by what only views know, they belong to the view's start, too.

mod table;

use serde::Serialize;

pub use table::METRICS;

/// A number that views are judged by.
#[derive(Debug, PartialEq)]
pub struct Metric {
    /// Its name in queries.
    pub name: &'static str,
    /// What its value is in.
    pub unit: Unit,
    /// Which values are better.
    pub better: Better,
    /// What it is, in the words of the definitions above where they have it.
    pub definition: &'static str,
    pub(crate) value: Value,
}

/// What values are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// A number of views or events.
    Count,
    /// Kilobits (1000 bit) a second.
    KilobitsPerSecond,
    /// Milliseconds.
    Milliseconds,
    /// How often in a minute.
    PerMinute,
    /// A part of a whole, or a factor: 0.05 is 5%.
    Ratio,
}

/// Which values are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Large ones.
    Higher,
    /// Small ones.
    Lower,
    /// It says how much there was, not how good it was.
    Neither,
}

/// How a value comes about.
#[derive(Debug, PartialEq)]
pub(crate) enum Value {
    /// A sum.
    Total(Sum),
    /// One sum divided by another.
    Ratio {
        numerator: Sum,
        denominator: Sum,
        /// What the quotient is multiplied by, for the unit's sake.
        times: f64,
    },
    /// The least value that this share of the views that have one does not exceed.
    Quantile { of: Measure, share: f64 },
}

/// A sum over views, each weighted by how many it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    /// What each view adds: the sum of these; 1 if there are none.
    pub(crate) counters: &'static [Counter],
    /// Which views.
    pub(crate) among: Among,
}

/// What is counted in each view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    BitrateKbpsMediaMs,
    Bytes,
    DecodedFrames,
    DownscaleMediaMs,
    DroppedFrames,
    LatencyMsPlayedMs,
    LatencyPlayedMs,
    MediaMs,
    PlayedMs,
    RebufferCount,
    RebufferMs,
    RebufferNetworkMs,
    ScaledMediaMs,
    SeekMs,
    StartupMs,
    UpscaleMediaMs,
}

/// Which views are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Among {
    /// All.
    All,
    /// With play intent.
    Attempts,
    /// Over, with play intent, without first frame or fatal error, after waiting for 1000 ms or more.
    ExitsBeforeStart,
    /// The same after waiting for less.
    ExitsUnder1s,
    /// With a fatal error, of those with play intent or a first frame.
    Failures,
    /// With a fatal error after the first frame.
    PlaybackFailures,
    /// With a first frame.
    Plays,
    /// With a first frame, that rebuffered.
    RebufferedPlays,
    /// With a fatal error before the first frame.
    StartupFailures,
}

/// What some views have a value of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The time-weighted mean of the view.
    LiveLatencyMs,
    StartupMs,
}

impl Metric {
    /// The metric of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// Whether it is that which a share of the views does not exceed: no sum of parts.
    pub(crate) fn is_quantile(&self) -> bool {
        matches!(self.value, Value::Quantile { .. })
    }

    /// Whether what views grew by from beacon to beacon is enough for it.
    pub(crate) fn is_of_time(&self) -> bool {
        match &self.value {
            Value::Total(sum) => sum.is_of_time(),
            Value::Ratio {
                numerator,
                denominator,
                ..
            } => numerator.is_of_time() && denominator.is_of_time(),
            Value::Quantile { .. } => false,
        }
    }
}

impl Sum {
    const fn views(among: Among) -> Self {
        Self { counters: &[], among }
    }

    const fn of(counters: &'static [Counter]) -> Self {
        Self {
            counters,
            among: Among::All,
        }
    }

    fn is_of_time(self) -> bool {
        let rolled_up = |counter: &Counter| !matches!(counter, Counter::SeekMs | Counter::StartupMs);
        self.among == Among::All && !self.counters.is_empty() && self.counters.iter().all(rolled_up)
    }
}

impl Counter {
    /// Its column.
    pub(crate) const fn column(self) -> &'static str {
        match self {
            Self::BitrateKbpsMediaMs => "bitrate_kbps_media_ms",
            Self::Bytes => "bytes",
            Self::DecodedFrames => "decoded_frames",
            Self::DownscaleMediaMs => "downscale_media_ms",
            Self::DroppedFrames => "dropped_frames",
            Self::LatencyMsPlayedMs => "latency_ms_played_ms",
            Self::LatencyPlayedMs => "latency_played_ms",
            Self::MediaMs => "media_ms",
            Self::PlayedMs => "played_ms",
            Self::RebufferCount => "rebuffer_count",
            Self::RebufferMs => "rebuffer_ms",
            Self::RebufferNetworkMs => "rebuffer_network_ms",
            Self::ScaledMediaMs => "scaled_media_ms",
            Self::SeekMs => "seek_ms",
            Self::StartupMs => "startup_ms",
            Self::UpscaleMediaMs => "upscale_media_ms",
        }
    }
}

/// A ratio of sums; `None` if there is nothing to divide by.
pub(crate) fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::rows::{RollupRow, ViewRow};
    use crate::store::table::TableRow as _;

    /// The definitions are published in two places, in the same words.
    #[test]
    fn the_readme_has_these_definitions() {
        let here = include_str!("mod.rs");
        let readme = include_str!("../../README.md");
        let definitions: Vec<&str> = here
            .lines()
            .filter_map(|line| line.strip_prefix("//! "))
            .filter(|line| line.contains(" = ") && !line.starts_with(' '))
            .collect();
        assert!(definitions.len() >= 11, "{definitions:?}");
        for definition in definitions {
            assert!(readme.contains(definition), "the README lacks `{definition}`");
        }
    }

    #[test]
    fn the_readme_lists_every_metric() {
        let readme = include_str!("../../README.md");
        for metric in METRICS {
            assert!(readme.contains(&format!("`{}`", metric.name)), "{}", metric.name);
        }
        let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len(), "a name is there twice");
    }

    #[test]
    fn every_counter_is_a_column() {
        let columns =
            |all: &[(&str, &str)]| all.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
        let (views, rollups) = (columns(ViewRow::COLUMNS), columns(RollupRow::COLUMNS));
        for metric in METRICS {
            let sums = match &metric.value {
                Value::Total(sum) => vec![sum],
                Value::Ratio {
                    numerator,
                    denominator,
                    ..
                } => vec![numerator, denominator],
                Value::Quantile { .. } => vec![],
            };
            for counter in sums.iter().flat_map(|sum| sum.counters) {
                assert!(views.contains(&counter.column().to_owned()), "{}", metric.name);
                let rolled_up = rollups.contains(&counter.column().to_owned());
                assert!(rolled_up || !metric.is_of_time(), "{}", metric.name);
            }
        }
    }
}
