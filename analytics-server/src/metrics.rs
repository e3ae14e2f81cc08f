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
//! - *concurrent viewers* are views whose last beat came less than 35 s ago, that are not paused, ended or failed, and
//!   that have not been waiting for media for more than 5 min. They are counted every second.
//! - Percentiles are interpolated between the two nearest values (`quantile_cont`).
//! - A sampled view counts `1 / sample_rate` times in counts and sums; `n` beside a percentile counts the views
//!   themselves.
//! - In time series, attempts, plays, start-up, failures and exits belong to the view's start by the server's clock;
//!   played and rebuffered time, media time and frames belong to the time of the beacon that reports them.
//!   Where a range of time is asked for, the same holds for its ends.
//!
//! Up- and downscale and live latency are not reported yet: beacons do not carry them.

/// Sums over rows of `views`, in the order of [`ViewTotals::read`]. `$now` is the server's time.
pub(crate) const VIEW_TOTALS: &str = "
    count(*),
    coalesce(sum(weight) FILTER (play_intent), 0),
    coalesce(sum(weight) FILTER (startup_ms IS NOT NULL), 0),
    quantile_cont(startup_ms, 0.5),
    quantile_cont(startup_ms, 0.95),
    count(startup_ms),
    coalesce(sum(weight) FILTER (play_intent AND fatal IS NOT NULL AND startup_ms IS NULL), 0),
    coalesce(sum(weight) FILTER (fatal IS NOT NULL AND startup_ms IS NOT NULL), 0),
    coalesce(sum(weight) FILTER (play_intent AND fatal IS NULL AND startup_ms IS NULL AND waited_ms >= 1000
        AND (view_end OR last_beat_ms <= $now - 90000)), 0),
    coalesce(sum(weight) FILTER (play_intent AND fatal IS NULL AND startup_ms IS NULL AND waited_ms < 1000
        AND (view_end OR last_beat_ms <= $now - 90000)), 0),
    coalesce(sum(weight) FILTER (startup_ms IS NOT NULL AND rebuffer_count > 0), 0),
    coalesce(sum(weight * rebuffer_ms) FILTER (startup_ms IS NOT NULL), 0),
    coalesce(sum(weight * (startup_ms + played_ms + rebuffer_ms + seek_ms)) FILTER (startup_ms IS NOT NULL), 0)";

/// Sums over rows of `beats`, in the order of [`BeatTotals::read`].
pub(crate) const BEAT_TOTALS: &str = "
    coalesce(sum(weight * played_ms), 0),
    coalesce(sum(weight * rebuffer_ms), 0),
    coalesce(sum(weight * rebuffer_network_ms), 0),
    coalesce(sum(weight * rebuffer_count), 0),
    coalesce(sum(weight * media_ms), 0),
    coalesce(sum(weight * bitrate_kbps_media_ms), 0),
    coalesce(sum(weight * decoded_frames), 0),
    coalesce(sum(weight * dropped_frames), 0)";

/// [`VIEW_TOTALS`], read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ViewTotals {
    /// Rows; all others but `startup_n` are weighted.
    pub(crate) views: i64,
    pub(crate) attempts: f64,
    pub(crate) plays: f64,
    pub(crate) startup_p50_ms: Option<f64>,
    pub(crate) startup_p95_ms: Option<f64>,
    pub(crate) startup_n: i64,
    pub(crate) startup_failures: f64,
    pub(crate) playback_failures: f64,
    pub(crate) exits_before_start: f64,
    pub(crate) exits_under_1s: f64,
    pub(crate) rebuffered_plays: f64,
    pub(crate) stall_ms: f64,
    pub(crate) watched_ms: f64,
}

impl ViewTotals {
    /// Reads the columns of [`VIEW_TOTALS`], the first of which is `column`.
    pub(crate) fn read(row: &duckdb::Row<'_>, column: usize) -> duckdb::Result<Self> {
        let mut column = column..;
        let mut next = || column.next().unwrap_or_default();
        Ok(Self {
            views: row.get(next())?,
            attempts: row.get(next())?,
            plays: row.get(next())?,
            startup_p50_ms: row.get(next())?,
            startup_p95_ms: row.get(next())?,
            startup_n: row.get(next())?,
            startup_failures: row.get(next())?,
            playback_failures: row.get(next())?,
            exits_before_start: row.get(next())?,
            exits_under_1s: row.get(next())?,
            rebuffered_plays: row.get(next())?,
            stall_ms: row.get(next())?,
            watched_ms: row.get(next())?,
        })
    }

    /// Any fatal error of an attempt.
    pub(crate) fn failures(&self) -> f64 {
        self.startup_failures + self.playback_failures
    }
}

/// [`BEAT_TOTALS`], read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct BeatTotals {
    pub(crate) played_ms: f64,
    pub(crate) rebuffer_ms: f64,
    pub(crate) rebuffer_network_ms: f64,
    pub(crate) rebuffer_count: f64,
    pub(crate) media_ms: f64,
    pub(crate) bitrate_kbps_media_ms: f64,
    pub(crate) decoded_frames: f64,
    pub(crate) dropped_frames: f64,
}

impl BeatTotals {
    /// Reads the columns of [`BEAT_TOTALS`], the first of which is `column`.
    pub(crate) fn read(row: &duckdb::Row<'_>, column: usize) -> duckdb::Result<Self> {
        let mut column = column..;
        let mut next = || column.next().unwrap_or_default();
        Ok(Self {
            played_ms: row.get(next())?,
            rebuffer_ms: row.get(next())?,
            rebuffer_network_ms: row.get(next())?,
            rebuffer_count: row.get(next())?,
            media_ms: row.get(next())?,
            bitrate_kbps_media_ms: row.get(next())?,
            decoded_frames: row.get(next())?,
            dropped_frames: row.get(next())?,
        })
    }

    /// sum rebuf_ms / sum(played_ms + rebuf_ms)
    pub(crate) fn rebuffer_ratio(&self) -> Option<f64> {
        ratio(self.rebuffer_ms, self.played_ms + self.rebuffer_ms)
    }

    /// sum rebuf_ms(cause = network) / sum(played_ms + rebuf_ms)
    pub(crate) fn cirr(&self) -> Option<f64> {
        ratio(self.rebuffer_network_ms, self.played_ms + self.rebuffer_ms)
    }

    /// sum count / sum played minutes
    pub(crate) fn rebuffers_per_minute(&self) -> Option<f64> {
        ratio(self.rebuffer_count, self.played_ms / 60_000.0)
    }

    /// sum(kbps * media_ms) / sum media_ms
    pub(crate) fn avg_bitrate_kbps(&self) -> Option<f64> {
        ratio(self.bitrate_kbps_media_ms, self.media_ms)
    }

    /// sum dropped / sum decoded frames
    pub(crate) fn dropped_ratio(&self) -> Option<f64> {
        ratio(self.dropped_frames, self.decoded_frames)
    }
}

impl std::ops::AddAssign<&Self> for BeatTotals {
    fn add_assign(&mut self, other: &Self) {
        self.played_ms += other.played_ms;
        self.rebuffer_ms += other.rebuffer_ms;
        self.rebuffer_network_ms += other.rebuffer_network_ms;
        self.rebuffer_count += other.rebuffer_count;
        self.media_ms += other.media_ms;
        self.bitrate_kbps_media_ms += other.bitrate_kbps_media_ms;
        self.decoded_frames += other.decoded_frames;
        self.dropped_frames += other.dropped_frames;
    }
}

/// A ratio of sums; `None` if there is nothing to divide by.
pub(crate) fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}

#[cfg(test)]
mod tests {
    /// The definitions are published in two places, in the same words.
    #[test]
    fn the_readme_has_these_definitions() {
        let here = include_str!("metrics.rs");
        let readme = include_str!("../README.md");
        let definitions: Vec<&str> = here
            .lines()
            .filter_map(|line| line.strip_prefix("//! "))
            .filter(|line| line.contains(" = "))
            .collect();
        assert!(definitions.len() >= 11, "{definitions:?}");
        for definition in definitions {
            assert!(readme.contains(definition), "the README lacks `{definition}`");
        }
    }
}
